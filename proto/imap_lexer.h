/* Tokens of one logical IMAP line (RFC 9051, 4). The line is what the framing
   of imap_parser.c assembled: no line end, and each literal replaced by one
   IMAP_LITERAL_MARK, a byte that cannot stand in a line otherwise. Every byte
   is looked at a bounded number of times. Internal to the parser. */
#ifndef PROTO_IMAP_LEXER_H
#define PROTO_IMAP_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define IMAP_LITERAL_MARK '\n'

enum imap_token_kind {
	IMAP_TOKEN_END,     /* of the line */
	IMAP_TOKEN_ATOM,    /* also a FETCH item with section: BODY[]<0> */
	IMAP_TOKEN_QUOTED,  /* text between the quotes, still escaped */
	IMAP_TOKEN_LITERAL, /* `position` tells which */
	IMAP_TOKEN_OPEN,
	IMAP_TOKEN_CLOSE,
	IMAP_TOKEN_PARTIAL, /* a section that goes on behind a literal */
	IMAP_TOKEN_BROKEN,  /* a quoted string without end, or a limit */
};

struct imap_token {
	enum imap_token_kind kind;
	const char *text; /* borrowed from the line */
	size_t size;
	size_t position; /* in the line */
};

struct imap_lexer {
	const char *line;
	size_t size;
	size_t position;
	size_t depth; /* open parentheses */
	size_t nesting_max;
	size_t token_count;
	size_t token_max;
	bool is_partial;   /* a literal follows at the end of the line */
	bool is_broken;    /* IMAP_TOKEN_BROKEN was met; the rest is not read */
	const char *limit; /* the limit that was broken, or NULL */
};

/* A copy of the struct taken before is the way to look ahead. */
struct imap_token imap_lexer_next(struct imap_lexer *lexer);

bool imap_token_is(const struct imap_token *token, const char *atom);

enum imap_number {
	IMAP_NUMBER_NONE, /* no number here; nothing was consumed */
	IMAP_NUMBER_BAD,  /* a sign, a fraction, an exponent, an overflow */
	IMAP_NUMBER_GOOD,
};

/* The number at the position, behind spaces. It ends where its digits end:
   "1234MODSEQ" is 1234 (Zimbra). `*number_out` is set when GOOD. */
enum imap_number imap_lexer_number(
	struct imap_lexer *lexer, uint64_t *number_out);

/* What a FETCH item asks of the streaming. */
struct imap_section {
	bool is_whole;  /* BODY[] or RFC822, no partial origin */
	bool is_header; /* BODY[HEADER…] or RFC822.HEADER */
};

/* False when the item has no body section as its value. */
bool imap_section_read(const struct imap_token *token,
	struct imap_section *section_out) MUST_CHECK;

#endif
