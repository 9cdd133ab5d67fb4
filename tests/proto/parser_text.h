/* Runs server bytes through the parser and writes down what came out, one line
   per response, so that tests are tables of bytes and lines. */
#ifndef TESTS_PROTO_PARSER_TEXT_H
#define TESTS_PROTO_PARSER_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/imap_parser.h"

struct parser_row {
	const char *label; /* which server, what is odd about it */
	const char *bytes;
	size_t size;
	const char *text; /* what is expected, lines with '\n' */
};

/* The label, a string literal that may hold NULs, the lines. */
#define ROW(label, bytes, text)                                                \
	{                                                                      \
		label, bytes "", sizeof(bytes "") - 1, text                    \
	}

/* One line of `text`. */
void write_response(struct buf *text, const struct imap_response *response);

/* Feeds and drains; the last result is not a response or a literal. Literals
   are written when their last piece came. */
enum imap_parse_result parse_bytes(struct imap_parser *parser, const void *data,
	size_t size, struct buf *text, struct error *error);

/* Every row whole, byte by byte, split at each position, and truncated at each
   position: then nothing may come that the whole does not say as well. */
void check_rows(const struct parser_row *rows, size_t row_count);

#endif
