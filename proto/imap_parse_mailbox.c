/* Responses about mailboxes: LIST, STATUS, NAMESPACE (RFC 9051, 7.3). */
#include <string.h>

#include "base/text.h"
#include "proto/imap_parse.h"

/* DQUOTE QUOTED-CHAR DQUOTE / nil, and the same without quotes. */
static bool parse_delimiter(struct imap_parse *parse, char *delimiter_out)
{
	struct imap_token token = imap_lexer_next(&parse->lexer);
	const char *text;
	size_t size = 0;

	if (imap_token_is(&token, "NIL")) {
		*delimiter_out = '\0';
		return true;
	}
	text = imap_parse_text(parse, &token, &size);
	if (text == NULL || size > 1)
		return false;
	if (size == 1 && (text[0] < ' ' || text[0] > '~'))
		return false;
	*delimiter_out = text[0];
	return true;
}

/* Where the list opens that closes at the end of the text, else `size`. */
static size_t last_list(const char *text, size_t size)
{
	size_t depth = 0;

	for (size_t i = size; i > 0; i--) {
		if (text[i - 1] == ')')
			depth++;
		if (text[i - 1] == '(' && depth > 0)
			depth--;
		if (depth == 0)
			return i == size ? size : i - 1;
	}
	return size;
}

/* The first " (", for lists that never close. */
static size_t first_list(const char *text, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++) {
		if (text[i] == ' ' && text[i + 1] == '(')
			return i + 1;
	}
	return size;
}

/* list-extended data, and no part of a name without quotes that holds
   parentheses: mbox-list-extended-item-tag is quoted, or one we know. */
static bool is_extended_data(const char *text, size_t size)
{
	static const char *const TAGS[] = { "CHILDINFO", "MAILBOXID",
		"OLDNAME" };
	size_t from = 1;
	size_t end;

	while (from < size && text[from] == ' ')
		from++;
	if (from < size && text[from] == '"')
		return true;
	for (end = from; end < size && text[end] != ' ' && text[end] != '(';)
		end++;
	for (size_t i = 0; i < ARRAY_LENGTH(TAGS); i++) {
		if (text_equal_nocase_sized(text + from, end - from, TAGS[i]))
			return true;
	}
	return false;
}

struct name {
	const char *text;
	size_t size;
};

/* A name without quotes is all of the line up to `end`, as some servers do not
   quote spaces and tabs ("* STATUS Sent Items (UIDNEXT 1)", Strato). */
static bool take_bare_name(
	struct imap_parse *parse, size_t end, struct name *name_out)
{
	size_t size;
	const char *text = imap_parse_rest(parse, &size);

	parse->lexer.position = (size_t)(text - parse->lexer.line) + end;
	while (end > 0 && text[end - 1] == ' ')
		end--;
	if (end == 0 || memchr(text, IMAP_LITERAL_MARK, end) != NULL)
		return false;
	name_out->text = arena_text_sized(parse->arena, text, end);
	name_out->size = end;
	return true;
}

/* A quoted string or a literal; false without reading for others. */
static bool take_string_name(
	struct imap_parse *parse, struct name *name_out, bool *is_string_out)
{
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);

	*is_string_out =
		token.kind != IMAP_TOKEN_ATOM && token.kind != IMAP_TOKEN_OPEN;
	if (!*is_string_out) {
		parse->lexer = before;
		return true;
	}
	name_out->text = imap_parse_text(parse, &token, &name_out->size);
	return name_out->text != NULL;
}

static bool parse_list_name(struct imap_parse *parse, struct imap_list *list)
{
	struct name name = { 0 };
	bool is_string;
	const char *text;
	size_t size;
	size_t end;

	if (!take_string_name(parse, &name, &is_string))
		return false;
	text = imap_parse_rest(parse, &size);
	end = last_list(text, size);
	if (!is_string &&
		(end == 0 || text[end - 1] != ' ' ||
			!is_extended_data(text + end, size - end)))
		end = size;
	if (!is_string && !take_bare_name(parse, end, &name))
		return false;
	list->name = name.text;
	list->name_size = name.size;
	return true;
}

/* The values of OLDNAME and the like are one word in parentheses. */
static bool parse_extended(struct imap_parse *parse, struct imap_list *list)
{
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind == IMAP_TOKEN_END)
		return true;
	if (token.kind != IMAP_TOKEN_OPEN)
		return false;
	for (;;) {
		const char *tag;

		token = imap_lexer_next(&parse->lexer);
		if (token.kind == IMAP_TOKEN_CLOSE ||
			token.kind == IMAP_TOKEN_END)
			return true;
		tag = imap_parse_text(parse, &token, NULL);
		if (tag == NULL)
			return false;
		if (text_equal_nocase(tag, "OLDNAME"))
			list->old_name = imap_parse_object_id(parse);
		else if (text_equal_nocase(tag, "MAILBOXID"))
			list->mailbox_id = imap_parse_object_id(parse);
		else
			imap_parse_skip_value(parse);
	}
}

/* mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil)
   SP mailbox [SP mbox-list-extended] */
bool imap_parse_list(struct imap_parse *parse)
{
	struct imap_list *list = &parse->response->list;

	parse->response->kind = IMAP_RESPONSE_LIST;
	return imap_parse_word_list(parse, &list->attributes) &&
		parse_delimiter(parse, &list->delimiter) &&
		parse_list_name(parse, list) && parse_extended(parse, list);
}

static void read_u32(
	struct imap_parse *parse, bool *has_out, uint32_t *number_out)
{
	uint64_t number;

	*has_out = false;
	if (imap_lexer_number(&parse->lexer, &number) != IMAP_NUMBER_GOOD ||
		number > UINT32_MAX)
		return;
	*has_out = true;
	*number_out = (uint32_t)number;
}

/* nz-number: an epoch or a next UID of 0 says nothing. */
static void read_positive_u32(
	struct imap_parse *parse, bool *has_out, uint32_t *number_out)
{
	read_u32(parse, has_out, number_out);
	if (*has_out && *number_out == 0)
		*has_out = false;
}

static void read_u64(
	struct imap_parse *parse, bool *has_out, uint64_t *number_out)
{
	*has_out = imap_lexer_number(&parse->lexer, number_out) ==
		IMAP_NUMBER_GOOD;
}

static void parse_status_item(struct imap_parse *parse,
	const struct imap_token *name, struct imap_mailbox_status *status)
{
	struct imap_lexer before = parse->lexer;

	if (imap_token_is(name, "MESSAGES")) {
		read_u32(parse, &status->has_messages, &status->messages);
	} else if (imap_token_is(name, "UIDNEXT")) {
		read_positive_u32(
			parse, &status->has_uid_next, &status->uid_next);
	} else if (imap_token_is(name, "UIDVALIDITY")) {
		read_positive_u32(parse, &status->has_uid_validity,
			&status->uid_validity);
	} else if (imap_token_is(name, "UNSEEN")) {
		read_u32(parse, &status->has_unseen, &status->unseen);
	} else if (imap_token_is(name, "HIGHESTMODSEQ")) {
		read_u64(parse, &status->has_highest_modseq,
			&status->highest_modseq);
		/* 0 = the mailbox has none (RFC 7162, 3.1.7). */
		if (status->highest_modseq == 0)
			status->has_highest_modseq = false;
	} else if (imap_token_is(name, "APPENDLIMIT")) {
		read_u64(parse, &status->has_append_limit,
			&status->append_limit);
	} else if (imap_token_is(name, "SIZE")) {
		read_u64(parse, &status->has_size, &status->size);
	} else if (imap_token_is(name, "MAILBOXID")) {
		status->mailbox_id = imap_parse_object_id(parse);
	}
	/* Unknown items, and NIL where a number was expected. */
	if (parse->lexer.position == before.position)
		imap_parse_skip_value(parse);
}

static bool parse_status_items(
	struct imap_parse *parse, struct imap_mailbox_status *status)
{
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind != IMAP_TOKEN_OPEN)
		return false;
	for (;;) {
		token = imap_lexer_next(&parse->lexer);
		if (token.kind == IMAP_TOKEN_CLOSE ||
			token.kind == IMAP_TOKEN_END)
			return true;
		if (token.kind != IMAP_TOKEN_ATOM)
			return false;
		parse_status_item(parse, &token, status);
	}
}

/* "STATUS" SP mailbox SP "(" [status-att-list] ")" */
bool imap_parse_mailbox_status(struct imap_parse *parse)
{
	struct imap_mailbox_status *status = &parse->response->mailbox_status;
	struct name name = { 0 };
	bool is_string;
	const char *text;
	size_t size;
	size_t end;

	parse->response->kind = IMAP_RESPONSE_MAILBOX_STATUS;
	if (!take_string_name(parse, &name, &is_string))
		return false;
	text = imap_parse_rest(parse, &size);
	end = last_list(text, size);
	if (end == size)
		end = first_list(text, size);
	if (!is_string && !take_bare_name(parse, end, &name))
		return false;
	status->name = name.text;
	status->name_size = name.size;
	return parse_status_items(parse, status);
}

struct namespaces {
	struct imap_namespace *items;
	size_t count;
	size_t capacity;
};

/* Namespace-Descr = "(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil)
   [Namespace-Response-Extensions] ")" */
static bool parse_description(
	struct imap_parse *parse, struct namespaces *namespaces)
{
	struct imap_token token = imap_lexer_next(&parse->lexer);
	const char *prefix = imap_parse_text(parse, &token, NULL);
	struct imap_namespace *item;
	char delimiter;

	if (prefix == NULL || !parse_delimiter(parse, &delimiter))
		return false;
	imap_parse_skip_list(parse);
	item = arena_push(parse->arena, &namespaces->items, &namespaces->count,
		&namespaces->capacity, sizeof(*item));
	item->prefix = prefix;
	item->delimiter = delimiter;
	return true;
}

static bool parse_descriptions(struct imap_parse *parse,
	const struct imap_namespace **items_out, size_t *count_out)
{
	struct namespaces namespaces = { 0 };
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind == IMAP_TOKEN_END || imap_token_is(&token, "NIL"))
		return true;
	if (token.kind != IMAP_TOKEN_OPEN)
		return false;
	for (;;) {
		token = imap_lexer_next(&parse->lexer);
		if (token.kind == IMAP_TOKEN_CLOSE ||
			token.kind == IMAP_TOKEN_END)
			break;
		if (token.kind != IMAP_TOKEN_OPEN ||
			!parse_description(parse, &namespaces))
			return false;
	}
	*items_out = namespaces.items;
	*count_out = namespaces.count;
	return true;
}

/* Personal, other users', shared (RFC 2342). */
bool imap_parse_namespace(struct imap_parse *parse)
{
	struct imap_namespaces *namespaces = &parse->response->namespaces;

	parse->response->kind = IMAP_RESPONSE_NAMESPACE;
	return parse_descriptions(parse, &namespaces->personal,
		       &namespaces->personal_count) &&
		parse_descriptions(
			parse, &namespaces->other, &namespaces->other_count) &&
		parse_descriptions(
			parse, &namespaces->shared, &namespaces->shared_count);
}
