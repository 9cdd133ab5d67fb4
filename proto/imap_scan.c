#include "proto/imap_scan.h"

#include <string.h>

#include "base/number.h"

void imap_scan_init(struct imap_scan *scan, const struct imap_limits *limits)
{
	*scan = (struct imap_scan){
		.lexer = {
			.nesting_max = limits->nesting_max,
			.token_max = limits->token_max,
			.is_partial = true,
		},
	};
}

enum header_kind {
	HEADER_NONE,
	HEADER_GOOD,
	HEADER_BAD,
};

static bool is_size_byte(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
		(byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '+';
}

/* A "{" here can only begin a literal, so nonsense in it is an error: with the
   boundary lost, mail would be read as responses. */
static bool starts_value(const char *line, size_t position)
{
	return position == 0 || strchr(" ()]>\"\n", line[position - 1]) != NULL;
}

/* literal = "{" number64 ["+"] "}" CRLF; "~" before it for literal8. Looks at
   nothing before `from`. */
static enum header_kind read_header(const char *line, size_t from, size_t size,
	struct imap_literal_header *header_out)
{
	size_t end = size - 1;
	size_t start;
	size_t digits;

	if (size <= from || line[end] != '}')
		return HEADER_NONE;
	for (start = end; start > from && is_size_byte(line[start - 1]);)
		start--;
	if (start == from || line[start - 1] != '{')
		return HEADER_NONE;

	digits = end - start;
	if (digits > 0 && line[end - 1] == '+')
		digits--;
	header_out->position = start - 1;
	if (start - 1 > from && line[start - 2] == '~')
		header_out->position--;
	if (number_parse_u64(line + start, digits, &header_out->size))
		return HEADER_GOOD;
	return starts_value(line, header_out->position) ? HEADER_BAD
							: HEADER_NONE;
}

static bool is_fetch(const struct imap_scan *scan)
{
	return scan->line.kind == IMAP_LINE_DATA &&
		(scan->line.data == IMAP_DATA_FETCH ||
			scan->line.data == IMAP_DATA_UIDFETCH);
}

static void read_line_kind(
	struct imap_scan *scan, const char *line, size_t size)
{
	scan->line = imap_line_read(line, size);
	scan->is_line_read = true;
	scan->lexer.position = scan->line.rest;
	if (is_fetch(scan) && scan->line.data == IMAP_DATA_UIDFETCH)
		scan->uid = scan->line.number;
}

/* The FETCH item UID stands directly in the outer list; deeper it is a flag or
   a part of something else. */
static void notice_token(struct imap_scan *scan, const struct imap_token *token)
{
	uint64_t number;

	scan->is_body = imap_section_read(token, &scan->section);
	if (scan->lexer.depth != 1 || !imap_token_is(token, "UID"))
		return;
	if (imap_lexer_number(&scan->lexer, &number) == IMAP_NUMBER_GOOD &&
		number <= UINT32_MAX)
		scan->uid = (uint32_t)number;
}

/* Reads on up to the header. False inside of a quoted string, where a header
   is just text. */
static bool scan_tokens(struct imap_scan *scan)
{
	for (;;) {
		struct imap_token token = imap_lexer_next(&scan->lexer);

		switch (token.kind) {
		case IMAP_TOKEN_END:
			return true;
		case IMAP_TOKEN_PARTIAL:
			scan->is_body = false;
			return true;
		case IMAP_TOKEN_BROKEN:
			return false;
		case IMAP_TOKEN_ATOM:
		case IMAP_TOKEN_QUOTED:
		case IMAP_TOKEN_LITERAL:
		case IMAP_TOKEN_OPEN:
		case IMAP_TOKEN_CLOSE:
			notice_token(scan, &token);
			break;
		}
	}
}

/* Behind a status word is text, and text has no literals. */
static bool may_have_literals(const struct imap_scan *scan)
{
	return scan->line.kind == IMAP_LINE_DATA ||
		scan->line.kind == IMAP_LINE_OTHER;
}

enum imap_line_end imap_scan_line_end(struct imap_scan *scan, const char *line,
	size_t size, struct imap_literal_header *header_out)
{
	struct imap_literal_header header = { 0 };
	enum header_kind kind;

	if (!scan->is_line_read)
		read_line_kind(scan, line, size);
	if (!may_have_literals(scan))
		return IMAP_LINE_END_RESPONSE;
	kind = read_header(line, scan->lexer.position, size, &header);
	if (kind == HEADER_NONE)
		return IMAP_LINE_END_RESPONSE;

	scan->lexer.line = line;
	scan->lexer.size = header.position;
	if (!scan_tokens(scan))
		return scan->lexer.limit != NULL ? IMAP_LINE_END_LIMIT
						 : IMAP_LINE_END_RESPONSE;
	if (kind == HEADER_BAD)
		return IMAP_LINE_END_BAD;
	*header_out = header;
	if (scan->line.kind == IMAP_LINE_OTHER)
		return IMAP_LINE_END_SKIPPED;
	return is_fetch(scan) && scan->is_body ? IMAP_LINE_END_STREAMED
					       : IMAP_LINE_END_HELD;
}
