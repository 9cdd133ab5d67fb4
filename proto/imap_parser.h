/* Server bytes in, IMAP responses out (RFC 9051, 7 and 9; RFC 3501). No I/O:
   the caller reads the socket and feeds what it got, in pieces of any size.
   What servers really send beyond the grammar is taken too: see the vectors in
   tests/proto/. A line that cannot be understood becomes IMAP_RESPONSE_UNKNOWN
   and is never fatal; a lost literal boundary or a broken limit is. */
#ifndef PROTO_IMAP_PARSER_H
#define PROTO_IMAP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "proto/imap_response.h"

struct imap_parser;

/* What a server may make us hold. Zero = the default in the comment. */
struct imap_limits {
	size_t line_max;     /* octets of a line, literals apart: 8 MiB */
	size_t literal_max;  /* octets of one literal held in memory: 64 KiB */
	size_t literals_max; /* octets of all held literals: 1 MiB */
	uint64_t body_max;   /* octets of a streamed literal: 1 TiB */
	size_t token_max;    /* tokens of one response: 2,000,000 */
	size_t nesting_max;  /* open parentheses: 32 */
};

enum imap_parse_result {
	IMAP_PARSE_MORE,     /* everything fed was used: feed again */
	IMAP_PARSE_RESPONSE, /* one complete response */
	IMAP_PARSE_LITERAL,  /* a piece of a streamed literal */
	IMAP_PARSE_ERROR,    /* `error` is set; free the parser */
};

/* A piece of a FETCH body section. Pieces of one literal come in order; the
   UID is 0 when the server wrote it behind the literal. */
struct imap_literal {
	const uint8_t *data;
	size_t size;     /* may be 0 for the first piece of an empty literal */
	uint64_t offset; /* of this piece in the literal */
	uint64_t total;  /* announced size */
	bool is_last;    /* offset + size == total */
	uint32_t seqno;
	uint32_t uid;
	bool is_whole_body; /* BODY[] or RFC822 without partial origin */
	bool is_header;
};

struct imap_parser *imap_parser_new(const struct imap_limits *limits);
void imap_parser_free(struct imap_parser *parser);

/* `data` is borrowed until imap_parser_next() returns IMAP_PARSE_MORE. */
void imap_parser_feed(
	struct imap_parser *parser, const uint8_t *data, size_t size);

/* Call until it returns IMAP_PARSE_MORE. What imap_parser_response() and
   imap_parser_literal() return lives until the next call. */
enum imap_parse_result imap_parser_next(
	struct imap_parser *parser, struct error *error) MUST_CHECK;
const struct imap_response *imap_parser_response(
	const struct imap_parser *parser);
const struct imap_literal *imap_parser_literal(
	const struct imap_parser *parser);

/* Octets fed but not used yet: not zero where STARTTLS or COMPRESS begins
   means somebody injected them. */
size_t imap_parser_pending(const struct imap_parser *parser);

/* Right after a response: the octets behind it, which the parser forgets. They
   stay borrowed from what was fed. */
size_t imap_parser_take_pending(
	struct imap_parser *parser, const uint8_t **data_out);

#endif
