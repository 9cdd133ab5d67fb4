/* Message flags: the five system flags (RFC 9051, 2.3.2) as bits, keywords as
   bits of an account-wide table that gives each name a number. */
#ifndef BASE_FLAGS_H
#define BASE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum {
	FLAG_SEEN = 1 << 0,
	FLAG_ANSWERED = 1 << 1,
	FLAG_FLAGGED = 1 << 2,
	FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4,
	FLAG_ALL_SYSTEM = (1 << 5) - 1,
};

#define KEYWORD_COUNT_MAX 256 /* per account; more are named in status */
#define KEYWORD_SIZE_MAX  64  /* octets of one name */

/* Keywords with a meaning of their own have fixed numbers. The four about junk
   exclude each other: merged as one value. */
enum {
	KEYWORD_FORWARDED, /* $Forwarded, Maildir letter P */
	KEYWORD_JUNK,      /* $Junk */
	KEYWORD_NOT_JUNK,  /* $NotJunk */
	KEYWORD_JUNK_OLD,  /* Junk */
	KEYWORD_NON_JUNK,  /* NonJunk */
	KEYWORD_FIXED_COUNT,
};

struct flags {
	uint64_t keywords[KEYWORD_COUNT_MAX / 64];
	uint32_t system; /* FLAG_… bits */
};

bool flags_equal(const struct flags *a, const struct flags *b);
bool flags_is_empty(const struct flags *flags);
struct flags flags_and(const struct flags *a, const struct flags *b);
struct flags flags_or(const struct flags *a, const struct flags *b);
struct flags flags_xor(const struct flags *a, const struct flags *b);
/* What `a` has and `b` has not. */
struct flags flags_without(const struct flags *a, const struct flags *b);
bool flags_has_keyword(const struct flags *flags, unsigned keyword);
void flags_set_keyword(struct flags *flags, unsigned keyword);
void flags_clear_keyword(struct flags *flags, unsigned keyword);
/* The first keyword >= `from`, or -1. */
int flags_next_keyword(const struct flags *flags, unsigned from);

/* Name and number of every keyword an account has met. Names compare without
   case (RFC 9051, 2.3.2) and keep the spelling first seen. */
struct keyword_table {
	char *names[KEYWORD_COUNT_MAX];
	unsigned count;
};

/* Starts with the KEYWORD_FIXED_COUNT fixed names. */
void keyword_table_init(struct keyword_table *table);
void keyword_table_finish(struct keyword_table *table);

/* Number of `name`, added when new. -1 when the name is no keyword (empty, too
   long, not an atom, starts with a backslash) or the table is full. */
int keyword_table_intern(struct keyword_table *table, const char *name);
int keyword_table_find(const struct keyword_table *table, const char *name);
/* Borrowed until finish; NULL for a number not in use. */
const char *keyword_table_name(
	const struct keyword_table *table, unsigned keyword);

/* FLAG_… bit of "\Seen" and its like in any case, or 0. */
uint32_t flag_from_name(const char *name);
/* "\Seen" for exactly one bit. */
const char *flag_name(uint32_t flag);

#endif
