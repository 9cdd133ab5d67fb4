/* What a line is about, and the lines that need only a few lines of code. */
#include <string.h>

#include "base/number.h"
#include "base/text.h"
#include "proto/imap_parse.h"

struct data_name {
	const char *name;
	enum imap_data data;
	bool is_numbered; /* "* 12 EXISTS" */
};

static const struct data_name DATA_NAMES[] = {
	{ "CAPABILITY", IMAP_DATA_CAPABILITY, false },
	{ "ENABLED", IMAP_DATA_ENABLED, false },
	{ "ID", IMAP_DATA_ID, false },
	/* No LSUB: a subscription does not say that the mailbox exists. */
	{ "LIST", IMAP_DATA_LIST, false },
	{ "XLIST", IMAP_DATA_LIST, false },
	{ "STATUS", IMAP_DATA_STATUS, false },
	{ "NAMESPACE", IMAP_DATA_NAMESPACE, false },
	{ "FLAGS", IMAP_DATA_FLAGS, false },
	{ "SEARCH", IMAP_DATA_SEARCH, false },
	{ "ESEARCH", IMAP_DATA_ESEARCH, false },
	{ "VANISHED", IMAP_DATA_VANISHED, false },
	{ "EXISTS", IMAP_DATA_EXISTS, true },
	{ "RECENT", IMAP_DATA_RECENT, true },
	{ "EXPUNGE", IMAP_DATA_EXPUNGE, true },
	{ "FETCH", IMAP_DATA_FETCH, true },
	{ "UIDFETCH", IMAP_DATA_UIDFETCH, true },
};

static const char *const STATUS_NAMES[] = {
	[IMAP_STATUS_OK] = "OK",
	[IMAP_STATUS_NO] = "NO",
	[IMAP_STATUS_BAD] = "BAD",
	[IMAP_STATUS_BYE] = "BYE",
	[IMAP_STATUS_PREAUTH] = "PREAUTH",
};

struct word {
	const char *text;
	size_t size;
	size_t end;
};

/* The word at `position`, behind spaces; it ends at a space or "(". */
static struct word read_word(const char *text, size_t size, size_t position)
{
	struct word word;
	size_t from;

	while (position < size && text[position] == ' ')
		position++;
	from = position;
	while (position < size && text[position] != ' ' &&
		text[position] != '(')
		position++;
	word.text = text + from;
	word.size = position - from;
	word.end = position;
	return word;
}

static bool read_status(const struct word *word, enum imap_status *status_out)
{
	for (size_t i = 0; i < ARRAY_LENGTH(STATUS_NAMES); i++) {
		if (text_equal_nocase_sized(
			    word->text, word->size, STATUS_NAMES[i])) {
			*status_out = (enum imap_status)i;
			return true;
		}
	}
	return false;
}

/* Also "-3" (free.fr, Zoho) and numbers of more than 32 bits. */
static bool looks_like_number(const struct word *word)
{
	size_t from = word->size > 0 && word->text[0] == '-';

	for (size_t i = from; i < word->size; i++) {
		if (word->text[i] < '0' || word->text[i] > '9')
			return false;
	}
	return word->size > from;
}

static void read_data_name(
	struct imap_line *line, const struct word *word, bool is_numbered)
{
	for (size_t i = 0; i < ARRAY_LENGTH(DATA_NAMES); i++) {
		if (DATA_NAMES[i].is_numbered == is_numbered &&
			text_equal_nocase_sized(
				word->text, word->size, DATA_NAMES[i].name)) {
			line->kind = IMAP_LINE_DATA;
			line->data = DATA_NAMES[i].data;
		}
	}
}

static void set_name(
	struct imap_line *line, const char *text, const struct word *word)
{
	line->name_position = (size_t)(word->text - text);
	line->name_size = word->size;
	line->rest = word->end;
}

static void read_untagged(
	struct imap_line *line, const char *text, size_t size, size_t position)
{
	struct word word = read_word(text, size, position);
	bool is_numbered = looks_like_number(&word);

	line->kind = IMAP_LINE_OTHER;
	if (is_numbered) {
		line->has_number =
			number_parse_u32(word.text, word.size, &line->number);
		word = read_word(text, size, word.end);
	}
	set_name(line, text, &word);
	if (!is_numbered && read_status(&word, &line->status))
		line->kind = IMAP_LINE_STATUS;
	else
		read_data_name(line, &word, is_numbered);
}

/* response = continue-req / response-data / response-tagged */
struct imap_line imap_line_read(const char *text, size_t size)
{
	struct imap_line line = { 0 };
	struct word word;
	size_t position = 0;

	/* Some servers pad with NULs between responses. */
	while (position < size &&
		(text[position] == '\0' || text[position] == ' '))
		position++;

	line.rest = position;
	if (position == size)
		return line;
	if (text[position] == '[') {
		line.kind = IMAP_LINE_CODE;
		return line;
	}
	if (text[position] == '+') {
		line.kind = IMAP_LINE_CONTINUATION;
		line.rest = position + 1;
		return line;
	}

	word = read_word(text, size, position);
	if (word.size == 1 && word.text[0] == '*') {
		read_untagged(&line, text, size, word.end);
		return line;
	}
	line.kind = IMAP_LINE_TAGGED;
	set_name(&line, text, &word);
	return line;
}

bool imap_parse_capability(struct imap_parse *parse)
{
	size_t size;
	const char *text = imap_parse_rest(parse, &size);
	const struct word star = read_word(text, size, 0);
	const struct word again = read_word(text, size, star.end);

	/* "* CAPABILITY * CAPABILITY IMAP4 …" (Netscape) */
	if (star.size == 1 && star.text[0] == '*' &&
		text_equal_nocase_sized(again.text, again.size, "CAPABILITY")) {
		text += again.end;
		size -= again.end;
	}
	parse->response->kind = IMAP_RESPONSE_CAPABILITY;
	return imap_parse_words(parse, text, size, &parse->response->words);
}

bool imap_parse_enabled(struct imap_parse *parse)
{
	size_t size;
	const char *text = imap_parse_rest(parse, &size);

	parse->response->kind = IMAP_RESPONSE_ENABLED;
	return imap_parse_words(parse, text, size, &parse->response->words);
}

/* id-params-list = "(" #(string SP nstring) ")" / nil */
bool imap_parse_id(struct imap_parse *parse)
{
	struct imap_word_list list = { 0 };
	struct imap_token token = imap_lexer_next(&parse->lexer);

	parse->response->kind = IMAP_RESPONSE_ID;
	if (token.kind == IMAP_TOKEN_END || imap_token_is(&token, "NIL"))
		return true;
	if (token.kind != IMAP_TOKEN_OPEN)
		return false;
	for (;;) {
		const char *word = "";

		token = imap_lexer_next(&parse->lexer);
		if (token.kind == IMAP_TOKEN_CLOSE ||
			token.kind == IMAP_TOKEN_END)
			break;
		if (!imap_token_is(&token, "NIL"))
			word = imap_parse_text(parse, &token, NULL);
		if (word == NULL)
			return false;
		imap_word_list_add(parse, &list, word);
	}
	if (list.count % 2 != 0)
		imap_word_list_add(parse, &list, "");
	parse->response->words = imap_word_list_done(&list);
	return true;
}

bool imap_parse_flags(struct imap_parse *parse)
{
	parse->response->kind = IMAP_RESPONSE_FLAGS;
	return imap_parse_word_list(parse, &parse->response->words);
}

/* "* 172 EXISTS": a number that may be 0 */
static bool parse_count(struct imap_parse *parse)
{
	const struct imap_line *line = &parse->line;

	parse->response->number = line->number;
	parse->response->kind = line->data == IMAP_DATA_EXISTS
		? IMAP_RESPONSE_EXISTS
		: IMAP_RESPONSE_RECENT;
	return line->has_number;
}

static bool parse_expunge(struct imap_parse *parse)
{
	parse->response->kind = IMAP_RESPONSE_EXPUNGE;
	parse->response->number = parse->line.number;
	return parse->line.number != 0;
}

static bool (*const DATA_PARSERS[])(struct imap_parse *) = {
	[IMAP_DATA_CAPABILITY] = imap_parse_capability,
	[IMAP_DATA_ENABLED] = imap_parse_enabled,
	[IMAP_DATA_ID] = imap_parse_id,
	[IMAP_DATA_LIST] = imap_parse_list,
	[IMAP_DATA_STATUS] = imap_parse_mailbox_status,
	[IMAP_DATA_NAMESPACE] = imap_parse_namespace,
	[IMAP_DATA_FLAGS] = imap_parse_flags,
	[IMAP_DATA_SEARCH] = imap_parse_search,
	[IMAP_DATA_ESEARCH] = imap_parse_esearch,
	[IMAP_DATA_VANISHED] = imap_parse_vanished,
	[IMAP_DATA_EXISTS] = parse_count,
	[IMAP_DATA_RECENT] = parse_count,
	[IMAP_DATA_EXPUNGE] = parse_expunge,
	[IMAP_DATA_FETCH] = imap_parse_fetch,
	[IMAP_DATA_UIDFETCH] = imap_parse_fetch,
};

/* NUL is in no line (RFC 9051, 9, CHAR): one that holds it is not believed.
   NULs before the line are padding. */
static bool has_nul(const struct imap_lexer *lexer, size_t from)
{
	return memchr(lexer->line + from, '\0', lexer->size - from) != NULL;
}

static bool parse_by_kind(struct imap_parse *parse)
{
	switch (parse->line.kind) {
	case IMAP_LINE_DATA:
		return !has_nul(&parse->lexer, parse->line.name_position) &&
			DATA_PARSERS[parse->line.data](parse);
	case IMAP_LINE_TAGGED:
	case IMAP_LINE_CONTINUATION:
	case IMAP_LINE_STATUS:
	case IMAP_LINE_CODE:
		return imap_parse_status_line(parse);
	case IMAP_LINE_OTHER:
	case IMAP_LINE_BLANK:
		break;
	}
	return false;
}

static bool has_nul_anywhere(const struct imap_parse *parse)
{
	for (size_t i = 0; i < parse->literal_count; i++) {
		const struct imap_taken_literal *literal = &parse->literals[i];

		if (literal->data != NULL &&
			memchr(literal->data, '\0', (size_t)literal->size) !=
				NULL)
			return true;
	}
	return has_nul(&parse->lexer, parse->line.name_position);
}

bool imap_parse_line(struct imap_parse *parse)
{
	const struct imap_line *line = &parse->line;

	*parse->response = (struct imap_response){ 0 };
	parse->lexer.position = line->rest;
	if (parse_by_kind(parse) && !parse->lexer.is_broken &&
		parse->lexer.limit == NULL)
		return true;

	*parse->response = (struct imap_response){
		.kind = IMAP_RESPONSE_UNKNOWN,
		.name = line->name_size == 0
			? NULL
			: imap_parse_upper(parse,
				  parse->lexer.line + line->name_position,
				  line->name_size),
		.is_broken = line->kind == IMAP_LINE_DATA,
		.has_nul =
			line->kind == IMAP_LINE_DATA && has_nul_anywhere(parse),
	};
	parse->piece_count = 0;
	return parse->lexer.limit == NULL && !parse->is_boundary_lost;
}
