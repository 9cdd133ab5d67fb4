/* The retention directory, for the files that move mail into it, list it and
   empty it. */
#ifndef STORE_MAILDIR_RETENTION_H
#define STORE_MAILDIR_RETENTION_H

#include "store/maildir.h"

#define RETENTION_DAY_SIZE sizeof("2024-02-29")

/* Its descriptor, kept by `maildir`; made first if `make`. -1 with `error`. */
int retention_open(
	struct maildir *maildir, bool make, struct error *error) MUST_CHECK;

/* The day of `seconds` in UTC, as a directory's name. */
void retention_day(int64_t seconds, char day_out[RETENTION_DAY_SIZE]);

/* `name` with "_NUMBER" behind its unique part, or as it is for 0. */
void retention_twin_name(const char *name, unsigned number, struct buf *out);

/* Renames `from` to `name`, or to the first twin of it that is free. ERROR
   without `error` set: `to_fd` is on another file system. */
enum maildir_result retention_move(int from_fd, const char *from, int to_fd,
	const char *name, struct buf *name_out, struct error *error) MUST_CHECK;

/* To another file system: a copy, made under the name `via`, is durable before
   the original goes. DONE, MISSING, ERROR. */
struct retention_copy {
	int from_fd;
	const char *name; /* there, and wanted here */
	int via_fd;       /* on the file system of `to_fd` */
	const char *via;
	int to_fd;
};
#define RETENTION_COPY_NAME ".copy"
enum maildir_result retention_move_across(const struct retention_copy *copy,
	struct buf *name_out, struct error *error) MUST_CHECK;

#endif
