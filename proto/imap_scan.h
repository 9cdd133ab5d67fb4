/* What the end of a physical line means: the end of the response, or a literal
   (RFC 9051, 4.3), and whose. A first, cheap reading of the line, done once per
   byte while the line grows. Internal to the parser. */
#ifndef PROTO_IMAP_SCAN_H
#define PROTO_IMAP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/imap_lexer.h"
#include "proto/imap_parse.h"
#include "proto/imap_parser.h"

enum imap_line_end {
	IMAP_LINE_END_RESPONSE, /* the logical line is complete */
	IMAP_LINE_END_HELD,     /* literal that is part of the response */
	IMAP_LINE_END_STREAMED, /* literal of a body section */
	IMAP_LINE_END_SKIPPED,  /* literal of a response nobody knows */
	IMAP_LINE_END_BAD,      /* a literal without a sensible size */
	IMAP_LINE_END_LIMIT,    /* lexer.limit is broken */
};

struct imap_scan {
	struct imap_lexer lexer;
	struct imap_line line; /* valid from the first line end on */
	bool is_line_read;
	uint32_t uid; /* of this FETCH as far as told; 0 = not yet */
	bool is_body; /* the last token is a body item that waits for a value */
	struct imap_section section;
};

/* Found in front of the line end. */
struct imap_literal_header {
	size_t position; /* where it starts in the line */
	uint64_t size;
};

void imap_scan_init(struct imap_scan *scan, const struct imap_limits *limits);

/* `line` is the logical line so far, without CRLF, with the literal's header
   still at its end. After a literal the caller puts IMAP_LITERAL_MARK in place
   of the header. `header_out` is set for the three kinds of literals. */
enum imap_line_end imap_scan_line_end(struct imap_scan *scan, const char *line,
	size_t size, struct imap_literal_header *header_out) MUST_CHECK;

#endif
