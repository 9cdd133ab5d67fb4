/* Names of message files in a Maildir: UNIQUE[:2,LETTERS[,MORE]]. Pure text, no
   files. D F P R S T stand for \Draft \Flagged $Forwarded \Answered \Seen
   \Deleted, a-z for the keywords the folder's dovecot-keywords lists. */
#ifndef STORE_MAILDIR_NAME_H
#define STORE_MAILDIR_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/flags.h"

#define KEYWORD_LETTER_COUNT  26
#define MAILDIR_NAME_SIZE_MAX 255 /* bytes, as in NAME_MAX */
#define MAILDIR_HOST_SIZE_MAX 64  /* of the host part of names we make */

/* What a-z mean in one folder: the account's number of the keyword, -1 = none.
   Where functions take a pointer to it, NULL means that no letter is mapped.
   Where one is $Forwarded, as Dovecot has it, P is read but not written. */
struct keyword_letters {
	int keywords[KEYWORD_LETTER_COUNT];
};

void keyword_letters_init(struct keyword_letters *letters);
bool keyword_letters_has(const struct keyword_letters *letters, int keyword);

/* A name taken apart; everything is borrowed from it. */
struct maildir_name {
	size_t unique_size;  /* bytes before the first ':' */
	bool has_info;       /* a ':' is there */
	bool has_flags;      /* the info starts with "2," */
	const char *letters; /* A-Z a-z behind "2,"; not NULL */
	size_t letters_size;
	const char *rest; /* what follows the letters: "" or ",…"; without
			     "2,": the whole info */
};

void maildir_name_parse(const char *name, struct maildir_name *parts_out);

/* False for what can be no message: empty, a leading dot, a '/', longer than
   MAILDIR_NAME_SIZE_MAX. */
bool maildir_name_is_valid(const char *name);

/* Same unique part. */
bool maildir_name_same_unique(const char *a, const char *b);

void maildir_name_flags(const char *name, const struct keyword_letters *letters,
	struct flags *flags_out);

/* The flags letters can stand for: all system flags, $Forwarded and what
   `letters` maps. Other keywords cannot live in file names. */
struct flags maildir_name_flags_mask(const struct keyword_letters *letters);

/* Appends `name` with its known letters replaced by those of `flags`; flags
   outside the mask above are left out. Unknown capitals, unmapped a-z and all
   behind the letters stay. Letters come out sorted, each once. A name without
   info stays without when it gets no letter; in cur/ an info is wanted:
   maildir_name_for_cur(). ERROR_LIMIT when it would grow too long. */
bool maildir_name_with_flags(const char *name,
	const struct keyword_letters *letters, const struct flags *flags,
	struct buf *name_out, struct error *error) MUST_CHECK;

/* Same, and there is always ":2,". */
bool maildir_name_for_cur(const char *name,
	const struct keyword_letters *letters, const struct flags *flags,
	struct buf *name_out, struct error *error) MUST_CHECK;

/* Appends SECONDS.R<16 hex digits>.HOST. Negative seconds become 0; bytes of
   the host that are no letter, digit, '-', '_' or '.' are written as \ooo. */
void maildir_unique_format(int64_t seconds, uint64_t token, const char *host,
	struct buf *name_out);

/* The token of a name of that form, with or without info. False: not ours. */
bool maildir_unique_token(const char *name, uint64_t *token_out) MUST_CHECK;

#endif
