/* The dovecot-keywords file of a folder: lines "INDEX NAME", index 0-25 for the
   letters a-z. Shared with Dovecot, so it is changed only under its two
   dotlocks, and lines we do not understand stay. */
#ifndef STORE_KEYWORDS_FILE_H
#define STORE_KEYWORDS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "store/maildir.h"
#include "store/maildir_name.h"

#define KEYWORDS_FILE_NAME     "dovecot-keywords"
#define KEYWORDS_FILE_SIZE_MAX 65536 /* bytes */
/* Lies beside it in a folder that a Dovecot serves. */
#define KEYWORDS_UIDLIST_NAME "dovecot-uidlist"

struct keywords_file {
	/* By letter; NULL = free. Names that are too long are NULL too, but
	   their letter is taken. */
	const char *names[KEYWORD_LETTER_COUNT];
	uint32_t taken; /* bit by letter */
	/* Only keywords_file_read() looks. */
	bool is_served_by_dovecot;
};

/* Tolerant: a line that makes no sense is skipped, the first of two lines for
   one letter counts. Names live in `arena`. */
void keywords_file_parse(const char *text, size_t size, struct arena *arena,
	struct keywords_file *file_out);

/* Appends to `text_out` the text with `name` under the lowest free letter.
   False: no letter is free. */
bool keywords_file_add_line(const char *text, size_t size, const char *name,
	struct buf *text_out, unsigned *letter_out) MUST_CHECK;

/* A missing file is an empty one. */
bool keywords_file_read(struct maildir *maildir, const char *path,
	struct arena *arena, struct keywords_file *file_out,
	struct error *error) MUST_CHECK;

/* Who wrote the file may have done without fsync(), or been killed before it.
   A file name with one of its letters means nothing when a power cut takes the
   line. A missing file is an error. */
bool keywords_file_sync(struct maildir *maildir, const char *path,
	struct error *error) MUST_CHECK;

enum keywords_result {
	KEYWORDS_ADDED, /* or was there already */
	KEYWORDS_FULL,  /* all 26 letters are taken */
	KEYWORDS_BUSY,  /* somebody held a lock for all of `patience_ms` */
	KEYWORDS_ERROR,
};

/* Gives the keyword a letter (0-25). Durable on return. Blocks for at most
   `patience_ms` each (0 = try once); locks are taken over as dotlock.h says. */
enum keywords_result keywords_file_add(struct maildir *maildir,
	const char *path, const char *name, unsigned patience_ms,
	unsigned *letter_out, struct error *error) MUST_CHECK;

#endif
