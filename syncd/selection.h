/* ACCOUNT[/MAILBOX]…: what a command is about. */
#ifndef SYNCD_SELECTION_H
#define SYNCD_SELECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "config/config.h"

struct selected {
	const struct config_account *account; /* borrowed from the config */
	json_t *mailboxes; /* names as text; NULL = all of them */
};

/* A zeroed one is valid and empty. */
struct selection {
	struct selected *items; /* in the order of the config */
	size_t count;
};

/* No names = all accounts. An account without a mailbox means all of its
   mailboxes, whatever else is named. False for an unknown account: the error
   lists those there are. */
bool selection_make(struct selection *selection, const struct config *config,
	char *const *names, size_t name_count, struct error *error) MUST_CHECK;
void selection_finish(struct selection *selection);

#endif
