/* Framing: bytes in, logical lines and pieces of body literals out. What a line
   means is the matter of imap_scan.c (literals) and imap_parse_*.c. */
#include "proto/imap_parser.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "proto/imap_lexer.h"
#include "proto/imap_parse.h"
#include "proto/imap_scan.h"

#define LINE_MAX_DEFAULT     ((size_t)8 << 20)
#define LITERAL_MAX_DEFAULT  ((size_t)64 << 10)
#define LITERALS_MAX_DEFAULT ((size_t)1 << 20)
#define BODY_MAX_DEFAULT     ((uint64_t)1 << 40)
#define TOKEN_MAX_DEFAULT    2000000
#define NESTING_MAX_DEFAULT  32

/* Of one response, also when they are empty. */
#define LITERAL_COUNT_MAX 10000

/* A buffer that grew beyond this is given back after its response. */
#define BUFFER_KEPT_MAX ((size_t)256 << 10)

enum state {
	STATE_LINE,     /* bytes go to `line` */
	STATE_HELD,     /* bytes go to `held` */
	STATE_STREAMED, /* bytes go to the caller */
	STATE_SKIPPED,  /* bytes go nowhere */
	STATE_PIECES,   /* bodies of a complete line, then the response */
	STATE_DONE,     /* the response is with the caller */
	STATE_FAILED,
};

struct imap_parser {
	struct imap_limits limits;
	const uint8_t *data; /* what was fed, borrowed */
	size_t size;
	size_t used;

	enum state state;
	struct error failure; /* STATE_FAILED */
	struct imap_scan scan;
	struct buf line;     /* a mark in place of each literal */
	size_t segment_from; /* where the current physical line starts in it */
	struct buf held;     /* the literal that is just being read */
	uint64_t literal_left;
	uint64_t held_total;

	/* All below lives in the arena, from one line to the next. */
	struct arena arena;
	struct imap_taken_literal *literals;
	size_t literal_count;
	size_t literal_capacity;
	uint32_t uid_told;
	struct imap_literal *pieces;
	size_t piece_count;
	size_t piece_next;
	struct imap_literal literal;
	struct imap_response response;
};

static void set_defaults(struct imap_limits *limits)
{
	if (limits->line_max == 0)
		limits->line_max = LINE_MAX_DEFAULT;
	if (limits->literal_max == 0)
		limits->literal_max = LITERAL_MAX_DEFAULT;
	if (limits->literals_max == 0)
		limits->literals_max = LITERALS_MAX_DEFAULT;
	if (limits->body_max == 0)
		limits->body_max = BODY_MAX_DEFAULT;
	if (limits->token_max == 0)
		limits->token_max = TOKEN_MAX_DEFAULT;
	if (limits->nesting_max == 0)
		limits->nesting_max = NESTING_MAX_DEFAULT;
}

static void clear_buffer(struct buf *buf)
{
	if (buf->capacity > BUFFER_KEPT_MAX)
		buf_finish(buf);
	else
		buf_clear(buf);
}

static void start_line(struct imap_parser *parser)
{
	arena_reset(&parser->arena);
	clear_buffer(&parser->line);
	clear_buffer(&parser->held);
	imap_scan_init(&parser->scan, &parser->limits);
	parser->segment_from = 0;
	parser->held_total = 0;
	parser->literals = NULL;
	parser->literal_count = 0;
	parser->literal_capacity = 0;
	parser->uid_told = 0;
	parser->pieces = NULL;
	parser->piece_count = 0;
	parser->piece_next = 0;
	parser->state = STATE_LINE;
}

struct imap_parser *imap_parser_new(const struct imap_limits *limits)
{
	struct imap_parser *parser = alloc(1, sizeof(*parser));

	if (limits != NULL)
		parser->limits = *limits;
	set_defaults(&parser->limits);
	start_line(parser);
	return parser;
}

void imap_parser_free(struct imap_parser *parser)
{
	if (parser == NULL)
		return;
	buf_finish(&parser->line);
	buf_finish(&parser->held);
	arena_finish(&parser->arena);
	free(parser);
}

void imap_parser_feed(
	struct imap_parser *parser, const uint8_t *data, size_t size)
{
	assert(parser->used == parser->size || parser->state == STATE_FAILED);
	parser->data = data;
	parser->size = size;
	parser->used = 0;
}

/* Every step returns true when it has a result for the caller, and false when
   the next state should go on. */

static bool fail(struct imap_parser *parser, enum imap_parse_result *result_out,
	enum error_code code, const char *what, const char *limit)
{
	if (limit != NULL)
		error_set(&parser->failure, code, "%s (limit %s)", what, limit);
	else
		error_set(&parser->failure, code, "%s", what);
	parser->state = STATE_FAILED;
	*result_out = IMAP_PARSE_ERROR;
	return true;
}

static bool finish_response(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	parser->state = STATE_DONE;
	*result_out = IMAP_PARSE_RESPONSE;
	return true;
}

/* Status text may hold anything; only NUL would cut it. */
static void replace_nuls(struct imap_parser *parser)
{
	for (size_t i = parser->scan.line.name_position; i < parser->line.size;
		i++) {
		if (parser->line.data[i] == '\0')
			parser->line.data[i] = '?';
	}
}

static bool finish_line(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	struct imap_parse parse = {
		.arena = &parser->arena,
		.lexer = {
			.line = buf_text(&parser->line),
			.size = parser->line.size,
			.nesting_max = parser->limits.nesting_max,
			.token_max = parser->limits.token_max,
		},
		.line = parser->scan.line,
		.literals = parser->literals,
		.literal_count = parser->literal_count,
		.uid_told = parser->uid_told,
		.response = &parser->response,
	};

	if (parse.line.kind == IMAP_LINE_BLANK) {
		start_line(parser);
		return false;
	}
	if (parse.line.kind != IMAP_LINE_DATA)
		replace_nuls(parser);
	if (!imap_parse_line(&parse) && parse.lexer.limit != NULL)
		return fail(parser, result_out, ERROR_LIMIT,
			"server sent a response that is too complex",
			parse.lexer.limit);
	if (parse.is_boundary_lost)
		return fail(parser, result_out, ERROR_PROTOCOL,
			"server sent a literal of the wrong size", NULL);
	parser->pieces = parse.pieces;
	parser->piece_count = parse.piece_count;
	parser->state = STATE_PIECES;
	return false;
}

/* The literal is taken out of the line; its bytes come next. */
static void take_literal(struct imap_parser *parser,
	const struct imap_literal_header *header, enum state state)
{
	struct imap_taken_literal *literal = arena_push(&parser->arena,
		&parser->literals, &parser->literal_count,
		&parser->literal_capacity, sizeof(*literal));

	*literal = (struct imap_taken_literal){
		.position = header->position,
		.size = header->size,
		.is_streamed = state == STATE_STREAMED,
	};
	buf_truncate(&parser->line, header->position);
	buf_add_byte(&parser->line, IMAP_LITERAL_MARK);
	parser->segment_from = parser->line.size;
	parser->literal_left = header->size;
	parser->state = state;
}

static bool start_held(struct imap_parser *parser,
	const struct imap_literal_header *header,
	enum imap_parse_result *result_out)
{
	if (header->size > parser->limits.literal_max)
		return fail(parser, result_out, ERROR_LIMIT,
			"server sent a literal that is too large",
			"literal_max");
	if (parser->held_total + header->size > parser->limits.literals_max)
		return fail(parser, result_out, ERROR_LIMIT,
			"server sent a response that is too large",
			"literals_max");
	parser->held_total += header->size;
	take_literal(parser, header, STATE_HELD);
	return false;
}

static bool start_body(struct imap_parser *parser,
	const struct imap_literal_header *header, enum state state,
	enum imap_parse_result *result_out)
{
	const struct imap_scan *scan = &parser->scan;

	if (header->size > parser->limits.body_max)
		return fail(parser, result_out, ERROR_LIMIT,
			"server announced a literal that is too large",
			"body_max");
	take_literal(parser, header, state);
	if (state == STATE_SKIPPED)
		return false;

	parser->uid_told = scan->uid;
	parser->literal = (struct imap_literal){
		.total = header->size,
		.seqno = scan->line.data == IMAP_DATA_FETCH ? scan->line.number
							    : 0,
		.uid = scan->uid,
		.is_whole_body = scan->section.is_whole,
		.is_header = scan->section.is_header,
	};
	return false;
}

static bool end_line(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	struct imap_literal_header header = { 0 };
	enum imap_line_end end;
	struct buf *line = &parser->line;

	while (line->size > parser->segment_from &&
		line->data[line->size - 1] == '\r')
		buf_truncate(line, line->size - 1);
	end = imap_scan_line_end(
		&parser->scan, buf_text(line), line->size, &header);
	if (end != IMAP_LINE_END_RESPONSE &&
		parser->literal_count >= LITERAL_COUNT_MAX)
		return fail(parser, result_out, ERROR_LIMIT,
			"server sent too many literals in one response", NULL);

	switch (end) {
	case IMAP_LINE_END_RESPONSE:
		return finish_line(parser, result_out);
	case IMAP_LINE_END_HELD:
		return start_held(parser, &header, result_out);
	case IMAP_LINE_END_STREAMED:
		return start_body(parser, &header, STATE_STREAMED, result_out);
	case IMAP_LINE_END_SKIPPED:
		return start_body(parser, &header, STATE_SKIPPED, result_out);
	case IMAP_LINE_END_LIMIT:
		return fail(parser, result_out, ERROR_LIMIT,
			"server sent a response that is too complex",
			parser->scan.lexer.limit);
	case IMAP_LINE_END_BAD:
		break;
	}
	return fail(parser, result_out, ERROR_PROTOCOL,
		"server sent a literal without a size", NULL);
}

/* At most `size_max` of the fed bytes, which count as used from here on. */
static size_t take_bytes(
	struct imap_parser *parser, uint64_t size_max, const uint8_t **data_out)
{
	size_t size = parser->size - parser->used;

	if (size > size_max)
		size = (size_t)size_max;
	*data_out = size > 0 ? parser->data + parser->used : NULL;
	parser->used += size;
	return size;
}

static bool want_more(enum imap_parse_result *result_out)
{
	*result_out = IMAP_PARSE_MORE;
	return true;
}

static bool read_line(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	const uint8_t *data;
	size_t size = take_bytes(parser, SIZE_MAX, &data);
	const uint8_t *line_feed = size > 0 ? memchr(data, '\n', size) : NULL;

	if (line_feed != NULL) {
		size_t text_size = (size_t)(line_feed - data);

		parser->used -= size - text_size - 1;
		size = text_size;
	}
	if (size > parser->limits.line_max - parser->line.size)
		return fail(parser, result_out, ERROR_LIMIT,
			"server sent a line that is too long", "line_max");
	buf_add(&parser->line, data, size);
	if (line_feed == NULL)
		return want_more(result_out);
	return end_line(parser, result_out);
}

static bool read_held(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	struct imap_taken_literal *literal =
		&parser->literals[parser->literal_count - 1];
	const uint8_t *data;
	size_t size = take_bytes(parser, parser->literal_left, &data);

	buf_add(&parser->held, data, size);
	parser->literal_left -= size;
	if (parser->literal_left > 0)
		return want_more(result_out);

	literal->data = arena_copy(
		&parser->arena, buf_text(&parser->held), parser->held.size);
	buf_clear(&parser->held);
	parser->state = STATE_LINE;
	return false;
}

static bool read_streamed(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	struct imap_literal *piece = &parser->literal;

	piece->size = take_bytes(parser, parser->literal_left, &piece->data);
	if (piece->size == 0 && piece->total > 0)
		return want_more(result_out);
	if (piece->total == 0)
		piece->data = (const uint8_t *)"";
	piece->offset = piece->total - parser->literal_left;
	parser->literal_left -= piece->size;
	piece->is_last = parser->literal_left == 0;
	if (piece->is_last)
		parser->state = STATE_LINE;
	*result_out = IMAP_PARSE_LITERAL;
	return true;
}

static bool read_skipped(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	const uint8_t *data;

	parser->literal_left -= take_bytes(parser, parser->literal_left, &data);
	if (parser->literal_left > 0)
		return want_more(result_out);
	parser->state = STATE_LINE;
	return false;
}

static bool hand_out(
	struct imap_parser *parser, enum imap_parse_result *result_out)
{
	if (parser->piece_next == parser->piece_count)
		return finish_response(parser, result_out);
	parser->literal = parser->pieces[parser->piece_next++];
	*result_out = IMAP_PARSE_LITERAL;
	return true;
}

static bool step(struct imap_parser *parser, enum imap_parse_result *result_out)
{
	switch (parser->state) {
	case STATE_LINE:
		return read_line(parser, result_out);
	case STATE_HELD:
		return read_held(parser, result_out);
	case STATE_STREAMED:
		return read_streamed(parser, result_out);
	case STATE_SKIPPED:
		return read_skipped(parser, result_out);
	case STATE_PIECES:
		return hand_out(parser, result_out);
	case STATE_DONE:
		start_line(parser);
		return false;
	case STATE_FAILED:
		break;
	}
	*result_out = IMAP_PARSE_ERROR;
	return true;
}

enum imap_parse_result imap_parser_next(
	struct imap_parser *parser, struct error *error)
{
	enum imap_parse_result result;

	while (!step(parser, &result))
		;
	if (result == IMAP_PARSE_ERROR)
		error_set(error, parser->failure.code, "%s",
			parser->failure.message);
	return result;
}

const struct imap_response *imap_parser_response(
	const struct imap_parser *parser)
{
	return &parser->response;
}

const struct imap_literal *imap_parser_literal(const struct imap_parser *parser)
{
	return &parser->literal;
}

/* A line that has begun counts, although its bytes have been read already. */
size_t imap_parser_pending(const struct imap_parser *parser)
{
	size_t begun = parser->state == STATE_DONE ? 0 : parser->line.size;

	return parser->size - parser->used + begun;
}

size_t imap_parser_take_pending(
	struct imap_parser *parser, const uint8_t **data_out)
{
	return take_bytes(parser, SIZE_MAX, data_out);
}
