/* FETCH and UIDFETCH (RFC 9051, 7.5.2; RFC 9586, 3.3). Items come in any order
   and with any number of items nobody asked for. */
#include "base/number.h"
#include "base/text.h"
#include "proto/imap_date.h"
#include "proto/imap_parse.h"

struct fetch_reader {
	struct imap_parse *parse;
	struct imap_fetch *fetch;
	size_t streamed_count; /* streamed literals met as body values */
	bool has_email_id;     /* the real one, which beats Gmail's */
	bool is_contradictory;
};

static void read_uid(struct fetch_reader *reader)
{
	struct imap_fetch *fetch = reader->fetch;
	uint64_t number;

	if (imap_lexer_number(&reader->parse->lexer, &number) !=
			IMAP_NUMBER_GOOD ||
		number == 0 || number > UINT32_MAX)
		return;
	if (fetch->has_uid && fetch->uid != number)
		reader->is_contradictory = true;
	fetch->has_uid = true;
	fetch->uid = (uint32_t)number;
}

static void read_flags(struct fetch_reader *reader)
{
	struct imap_lexer before = reader->parse->lexer;

	reader->fetch->has_flags =
		imap_parse_word_list(reader->parse, &reader->fetch->flags);
	/* Still one value to skip, unless the line itself is broken. */
	if (!reader->fetch->has_flags && reader->parse->lexer.limit == NULL) {
		reader->parse->lexer = before;
		imap_parse_skip_value(reader->parse);
	}
}

/* fetch-mod-resp = "MODSEQ" SP "(" permsg-modsequence ")" */
static void read_modseq(struct fetch_reader *reader)
{
	struct imap_parse *parse = reader->parse;
	struct imap_lexer before = parse->lexer;
	bool is_list = imap_lexer_next(&parse->lexer).kind == IMAP_TOKEN_OPEN;
	uint64_t number;

	if (!is_list)
		parse->lexer = before;
	if (imap_lexer_number(&parse->lexer, &number) == IMAP_NUMBER_GOOD &&
		number != 0) {
		reader->fetch->has_modseq = true;
		reader->fetch->modseq = number;
	}
	if (is_list)
		imap_parse_skip_list(parse);
}

static void read_size(struct fetch_reader *reader)
{
	uint64_t number;

	if (imap_lexer_number(&reader->parse->lexer, &number) !=
		IMAP_NUMBER_GOOD)
		return;
	reader->fetch->has_size = true;
	reader->fetch->size = number;
}

static void read_internal_date(struct fetch_reader *reader)
{
	struct imap_parse *parse = reader->parse;
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind != IMAP_TOKEN_QUOTED) {
		parse->lexer = before;
		imap_parse_skip_value(parse);
		return;
	}
	reader->fetch->has_internal_date = imap_date_parse(
		token.text, token.size, &reader->fetch->internal_date);
}

static void read_email_id(struct fetch_reader *reader)
{
	reader->fetch->email_id = imap_parse_object_id(reader->parse);
	reader->has_email_id = reader->fetch->email_id != NULL;
}

static void read_gmail_id(struct fetch_reader *reader)
{
	const char *id = imap_parse_object_id(reader->parse);

	if (!reader->has_email_id)
		reader->fetch->email_id = id;
}

static const struct {
	const char *name;
	void (*read)(struct fetch_reader *reader);
} ITEMS[] = {
	{ "UID", read_uid },
	{ "FLAGS", read_flags },
	{ "MODSEQ", read_modseq },
	{ "RFC822.SIZE", read_size },
	{ "INTERNALDATE", read_internal_date },
	{ "EMAILID", read_email_id },
	{ "X-GM-MSGID", read_gmail_id },
};

static bool is_known_item(const struct imap_token *token)
{
	struct imap_section section;

	for (size_t i = 0; i < ARRAY_LENGTH(ITEMS); i++) {
		if (imap_token_is(token, ITEMS[i].name))
			return true;
	}
	return imap_section_read(token, &section);
}

/* An item nobody asked for. Should its value be missing, the next item must
   not be taken for it. */
static void skip_item(struct imap_parse *parse)
{
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);
	bool is_item = is_known_item(&token);

	parse->lexer = before;
	if (!is_item)
		imap_parse_skip_value(parse);
}

/* A body that came as quoted string, or as literal where the framing did not
   see that it belongs to a body: handed out behind the line. */
static bool add_piece(struct fetch_reader *reader,
	const struct imap_section *section, const struct imap_token *token,
	uint64_t *size_out)
{
	struct imap_parse *parse = reader->parse;
	struct imap_literal *piece;
	size_t size;
	const void *data;

	if (token->kind == IMAP_TOKEN_QUOTED) {
		data = imap_parse_text(parse, token, &size);
	} else {
		const struct imap_taken_literal *literal =
			imap_parse_literal(parse, token->position);

		data = literal != NULL ? literal->data : NULL;
		size = literal != NULL ? (size_t)literal->size : 0;
	}
	if (data == NULL)
		return false;

	piece = arena_push(parse->arena, &parse->pieces, &parse->piece_count,
		&parse->piece_capacity, sizeof(*piece));
	*piece = (struct imap_literal){
		.data = data,
		.size = size,
		.total = size,
		.is_last = true,
		.is_whole_body = section->is_whole,
		.is_header = section->is_header,
	};
	*size_out = size;
	return true;
}

static bool is_streamed(const struct imap_parse *parse,
	const struct imap_token *token, uint64_t *size_out)
{
	const struct imap_taken_literal *literal;

	if (token->kind != IMAP_TOKEN_LITERAL)
		return false;
	literal = imap_parse_literal(parse, token->position);
	if (literal == NULL || !literal->is_streamed)
		return false;
	*size_out = literal->size;
	return true;
}

/* The value of a body item: nstring. NIL and no value at all say that the
   server has no data; an empty message is "". */
static enum imap_body read_body_value(struct fetch_reader *reader,
	const struct imap_section *section, uint64_t *size_out)
{
	struct imap_parse *parse = reader->parse;
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (is_streamed(parse, &token, size_out)) {
		reader->streamed_count++;
		return IMAP_BODY_STREAMED;
	}
	if ((token.kind == IMAP_TOKEN_QUOTED ||
		    token.kind == IMAP_TOKEN_LITERAL) &&
		add_piece(reader, section, &token, size_out))
		return IMAP_BODY_STREAMED;
	if (!imap_token_is(&token, "NIL") && token.kind != IMAP_TOKEN_BROKEN)
		parse->lexer = before;
	return IMAP_BODY_NIL;
}

static void read_body(
	struct fetch_reader *reader, const struct imap_section *section)
{
	struct imap_fetch *fetch = reader->fetch;
	bool had_whole = fetch->is_whole_body;
	uint64_t size = 0;
	enum imap_body body = read_body_value(reader, section, &size);

	/* Two whole bodies in one response: which one is the message? */
	if (had_whole && section->is_whole)
		reader->is_contradictory = true;
	if (had_whole)
		return;
	fetch->body = body;
	fetch->is_whole_body = section->is_whole;
	fetch->is_header = section->is_header;
	fetch->body_size = size;
}

static void read_item(
	struct fetch_reader *reader, const struct imap_token *name)
{
	struct imap_section section;

	for (size_t i = 0; i < ARRAY_LENGTH(ITEMS); i++) {
		if (imap_token_is(name, ITEMS[i].name)) {
			ITEMS[i].read(reader);
			return;
		}
	}
	if (imap_section_read(name, &section))
		read_body(reader, &section);
	else
		skip_item(reader->parse);
}

/* msg-att = "(" … ")". Parentheses around single items (Domino) are taken;
   closed means that the list ends and the line with it. */
static bool read_items(struct fetch_reader *reader, bool *is_closed_out)
{
	struct imap_lexer *lexer = &reader->parse->lexer;
	struct imap_token token = imap_lexer_next(lexer);
	size_t level = lexer->depth;

	if (token.kind != IMAP_TOKEN_OPEN)
		return false;
	while (lexer->depth >= level) {
		token = imap_lexer_next(lexer);
		switch (token.kind) {
		case IMAP_TOKEN_END:
			*is_closed_out = false;
			return true;
		case IMAP_TOKEN_BROKEN:
		case IMAP_TOKEN_PARTIAL:
			return false;
		case IMAP_TOKEN_ATOM:
			read_item(reader, &token);
			break;
		case IMAP_TOKEN_OPEN:
		case IMAP_TOKEN_CLOSE:
		case IMAP_TOKEN_QUOTED:
		case IMAP_TOKEN_LITERAL:
			break;
		}
	}
	*is_closed_out = imap_lexer_next(lexer).kind == IMAP_TOKEN_END;
	return true;
}

static size_t count_streamed(const struct imap_parse *parse)
{
	size_t count = 0;

	for (size_t i = 0; i < parse->literal_count; i++)
		count += parse->literals[i].is_streamed;
	return count;
}

/* What was said while the body was streamed must be what the line says. */
static bool is_consistent(const struct fetch_reader *reader)
{
	const struct imap_parse *parse = reader->parse;

	if (reader->is_contradictory ||
		reader->streamed_count != count_streamed(parse))
		return false;
	return parse->uid_told == 0 ||
		(reader->fetch->has_uid &&
			reader->fetch->uid == parse->uid_told);
}

bool imap_parse_fetch(struct imap_parse *parse)
{
	struct imap_fetch *fetch = &parse->response->fetch;
	struct fetch_reader reader = { .parse = parse, .fetch = fetch };
	bool is_closed = false;
	bool ok;

	parse->response->kind = IMAP_RESPONSE_FETCH;
	if (parse->line.data == IMAP_DATA_FETCH) {
		fetch->seqno = parse->line.number;
	} else {
		fetch->uid = parse->line.number;
		fetch->has_uid = fetch->uid != 0;
	}
	ok = read_items(&reader, &is_closed);
	/* The line's end closes all lists (MailKit knows such servers). Behind
	   a body it tells that the literal was longer or shorter than said. */
	if (!is_closed && count_streamed(parse) > 0) {
		parse->is_boundary_lost = true;
		return false;
	}
	if (!ok || !is_consistent(&reader))
		return false;

	for (size_t i = 0; i < parse->piece_count; i++) {
		parse->pieces[i].seqno = fetch->seqno;
		parse->pieces[i].uid = fetch->uid;
	}
	return true;
}
