/* Words, strings and values, which all kinds of lines are made of. */
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/text.h"
#include "proto/imap_parse.h"

struct imap_words imap_word_list_done(const struct imap_word_list *list)
{
	return (struct imap_words){
		.words = list->words,
		.count = list->count,
	};
}

void imap_word_list_add(
	struct imap_parse *parse, struct imap_word_list *list, const char *word)
{
	const char **slot = arena_push(parse->arena, &list->words, &list->count,
		&list->capacity, sizeof(*list->words));

	*slot = word;
}

char *imap_parse_upper(struct imap_parse *parse, const char *text, size_t size)
{
	char *upper = arena_text_sized(parse->arena, text, size);

	for (size_t i = 0; i < size; i++) {
		if (upper[i] >= 'a' && upper[i] <= 'z')
			upper[i] = (char)(upper[i] - 'a' + 'A');
	}
	return upper;
}

bool imap_parse_count_tokens(struct imap_parse *parse, size_t count)
{
	parse->lexer.token_count += count;
	if (parse->lexer.token_count <= parse->lexer.token_max)
		return true;
	parse->lexer.limit = "token_max";
	return false;
}

bool imap_parse_words(struct imap_parse *parse, const char *text, size_t size,
	struct imap_words *words_out)
{
	struct imap_word_list list = { 0 };
	size_t from = 0;

	if (memchr(text, IMAP_LITERAL_MARK, size) != NULL)
		return false;
	while (from < size) {
		const char *space = memchr(text + from, ' ', size - from);
		size_t end = space != NULL ? (size_t)(space - text) : size;

		if (!imap_parse_count_tokens(parse, 1))
			return false;
		if (end > from)
			imap_word_list_add(parse, &list,
				imap_parse_upper(
					parse, text + from, end - from));
		from = end + 1;
	}
	*words_out = imap_word_list_done(&list);
	return true;
}

bool imap_parse_word_list(
	struct imap_parse *parse, struct imap_words *words_out)
{
	struct imap_word_list list = { 0 };
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind != IMAP_TOKEN_OPEN)
		return false;
	for (;;) {
		const char *word;

		token = imap_lexer_next(&parse->lexer);
		if (token.kind == IMAP_TOKEN_CLOSE ||
			token.kind == IMAP_TOKEN_END)
			break;
		word = imap_parse_text(parse, &token, NULL);
		if (word == NULL)
			return false;
		imap_word_list_add(parse, &list, word);
	}
	*words_out = imap_word_list_done(&list);
	return true;
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE */
static char *unescape(struct imap_parse *parse, const struct imap_token *token,
	size_t *size_out)
{
	char *text = arena_text_sized(parse->arena, token->text, token->size);
	size_t size = 0;

	for (size_t i = 0; i < token->size; i++) {
		if (text[i] == '\\' && i + 1 < token->size)
			i++;
		text[size++] = text[i];
	}
	text[size] = '\0';
	*size_out = size;
	return text;
}

const struct imap_taken_literal *imap_parse_literal(
	const struct imap_parse *parse, size_t position)
{
	size_t low = 0;
	size_t high = parse->literal_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (parse->literals[middle].position == position)
			return &parse->literals[middle];
		if (parse->literals[middle].position < position)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static char *literal_text(struct imap_parse *parse,
	const struct imap_token *token, size_t *size_out)
{
	const struct imap_taken_literal *literal =
		imap_parse_literal(parse, token->position);

	if (literal == NULL || literal->data == NULL)
		return NULL;
	if (memchr(literal->data, '\0', (size_t)literal->size) != NULL)
		return NULL;
	*size_out = (size_t)literal->size;
	return arena_text_sized(parse->arena, (const char *)literal->data,
		(size_t)literal->size);
}

char *imap_parse_text(struct imap_parse *parse, const struct imap_token *token,
	size_t *size_out)
{
	char *text = NULL;
	size_t size = 0;

	if (token->kind == IMAP_TOKEN_ATOM) {
		text = arena_text_sized(parse->arena, token->text, token->size);
		size = token->size;
	} else if (token->kind == IMAP_TOKEN_QUOTED) {
		text = unescape(parse, token, &size);
	} else if (token->kind == IMAP_TOKEN_LITERAL) {
		text = literal_text(parse, token, &size);
	}
	if (text != NULL && size_out != NULL)
		*size_out = size;
	return text;
}

void imap_parse_skip_list(struct imap_parse *parse)
{
	size_t depth = parse->lexer.depth;
	struct imap_token token;

	while (parse->lexer.depth >= depth) {
		token = imap_lexer_next(&parse->lexer);
		if (token.kind == IMAP_TOKEN_END ||
			token.kind == IMAP_TOKEN_BROKEN)
			return;
	}
}

void imap_parse_skip_value(struct imap_parse *parse)
{
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind == IMAP_TOKEN_OPEN)
		imap_parse_skip_list(parse);
	else if (token.kind == IMAP_TOKEN_CLOSE)
		parse->lexer = before;
}

const char *imap_parse_object_id(struct imap_parse *parse)
{
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);
	bool is_list = token.kind == IMAP_TOKEN_OPEN;
	const char *id = NULL;

	if (is_list)
		token = imap_lexer_next(&parse->lexer);
	if (token.kind == IMAP_TOKEN_CLOSE) {
		if (!is_list)
			parse->lexer = before;
		return NULL;
	}
	if (!imap_token_is(&token, "NIL"))
		id = imap_parse_text(parse, &token, NULL);
	if (is_list)
		imap_parse_skip_list(parse);
	return id;
}

const char *imap_parse_rest(const struct imap_parse *parse, size_t *size_out)
{
	const struct imap_lexer *lexer = &parse->lexer;
	size_t from = lexer->position;
	size_t end = lexer->size;

	while (from < end && lexer->line[from] == ' ')
		from++;
	while (end > from && lexer->line[end - 1] == ' ')
		end--;
	*size_out = end - from;
	return lexer->line + from;
}

static bool read_uid(
	const char *text, size_t size, uint32_t star, uint32_t *uid_out)
{
	if (size == 1 && text[0] == '*' && star != 0) {
		*uid_out = star;
		return true;
	}
	return number_parse_u32(text, size, uid_out) && *uid_out != 0;
}

/* seq-range = seq-number ":" seq-number */
static bool read_range(const char *text, size_t size, uint32_t star,
	struct uid_range *range_out)
{
	const char *colon = memchr(text, ':', size);
	size_t first_size = colon != NULL ? (size_t)(colon - text) : size;

	if (!read_uid(text, first_size, star, &range_out->first))
		return false;
	range_out->last = range_out->first;
	return colon == NULL ||
		read_uid(colon + 1, size - first_size - 1, star,
			&range_out->last);
}

static size_t count_ranges(const char *text, size_t size)
{
	size_t count = 1;

	for (size_t i = 0; i < size; i++)
		count += text[i] == ',';
	return count;
}

bool imap_parse_uid_list(struct imap_parse *parse, const char *text,
	size_t size, uint32_t star, struct imap_uid_list *list_out)
{
	size_t count = count_ranges(text, size);
	struct uid_range *ranges;
	size_t from = 0;

	if (!imap_parse_count_tokens(parse, count))
		return false;

	ranges = arena_alloc(parse->arena, count, sizeof(*ranges));
	for (size_t i = 0; i < count; i++) {
		const char *comma = memchr(text + from, ',', size - from);
		size_t end = comma != NULL ? (size_t)(comma - text) : size;

		if (!read_range(text + from, end - from, star, &ranges[i]))
			return false;
		from = end + 1;
	}
	list_out->ranges = ranges;
	list_out->range_count = count;
	return true;
}
