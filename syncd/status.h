/* Status for people: what each account and mailbox is doing. */
#ifndef SYNCD_STATUS_H
#define SYNCD_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct status_style {
	bool has_color;
	bool has_all; /* also mailboxes that nothing is to be said of */
	int64_t now;  /* seconds since 1970 */
};

/* `accounts` is the array of mailtwin(1), "STATUS". Anything missing in it is
   left out. */
void status_write(const json_t *accounts, const struct status_style *style,
	struct buf *text);

/* The exit code it stands for: the highest that an account gives. */
int status_code(const json_t *accounts);

#endif
