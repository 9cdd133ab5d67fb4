/* How far each account is, for people: one line per account that is drawn
   again on a terminal, a plain line now and then elsewhere. */
#ifndef SYNCD_PROGRESS_H
#define SYNCD_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PROGRESS_DRAW_MS  250   /* on a terminal */
#define PROGRESS_PLAIN_MS 30000 /* elsewhere */

struct progress;

/* Writes to `fd`, borrowed. */
struct progress *progress_new(int fd, bool is_terminal);
/* Removes what is drawn. NULL is fine. */
void progress_free(struct progress *progress);

/* A "progress" message of an account, at `now_ms`. */
void progress_take(struct progress *progress, const char *account,
	const json_t *message, uint64_t now_ms);
/* The account is through. */
void progress_end(struct progress *progress, const char *account);

/* Removes the lines until the next message, so that other text can be
   written. `data` is a struct progress, as log_set_hook() wants it. */
void progress_hide(void *data);

/* ---- The words, for tests and for other places ---- */

struct progress_numbers {
	const char *mailbox; /* NULL = none in particular */
	uint64_t done_messages, all_messages;
	uint64_t done_bytes, all_bytes;
	double bytes_per_second; /* 0 = not known */
};

/* "INBOX: 12 of 6,046 messages, 1.2 of 45 MB, 8.1 MB/s, 5 s left". Terminal
   control is replaced. */
void progress_write(const struct progress_numbers *numbers, struct buf *text);

/* "12 new here, 3 new there, 4 flags, 1 moved, 0 deleted (1.3 s)" from the
   summary of a "synced" message. */
void progress_write_summary(const json_t *summary, struct buf *text);

/* "1,234", "12.3 MB", "5 min". */
void progress_write_count(uint64_t count, struct buf *text);
void progress_write_size(uint64_t size, struct buf *text);
void progress_write_time(uint64_t seconds, struct buf *text);

#endif
