/* Status lines: tagged, untagged, continuation (RFC 9051, 7.1), and the text
   behind the status word, in which nothing is quoted and no literal begins. */
#include <string.h>

#include "base/text.h"
#include "proto/imap_parse.h"

#define NOT_FOUND SIZE_MAX

/* The "]" that ends the code opening at text[0], by the rules asked for. */
static size_t find_bracket(
	const char *text, size_t size, bool knows_quotes, bool knows_lists)
{
	bool is_quoted = false;
	size_t depth = 0;

	for (size_t i = 1; i < size; i++) {
		if (is_quoted && text[i] == '\\') {
			i++;
			continue;
		}
		if (text[i] == '"' && knows_quotes)
			is_quoted = !is_quoted;
		if (is_quoted)
			continue;
		if (text[i] == '(' && knows_lists)
			depth++;
		if (text[i] == ')' && depth > 0)
			depth--;
		if (text[i] == ']' && depth == 0)
			return i;
	}
	return NOT_FOUND;
}

/* Flags may hold "]" (Gmail) and so may quoted strings; texts that balance
   neither (Exchange) end at the first one. */
static size_t code_end(const char *text, size_t size)
{
	size_t end = find_bracket(text, size, true, true);

	if (end == NOT_FOUND)
		end = find_bracket(text, size, true, false);
	if (end == NOT_FOUND)
		end = find_bracket(text, size, false, false);
	return end;
}

/* resp-text = ["[" resp-text-code "]" SP] text */
static void parse_text(
	struct imap_parse *parse, struct imap_status_response *status)
{
	size_t size;
	const char *text = imap_parse_rest(parse, &size);
	size_t end =
		size > 0 && text[0] == '[' ? code_end(text, size) : NOT_FOUND;

	if (end != NOT_FOUND) {
		imap_parse_code(parse, text + 1, end - 1, &status->code);
		end++;
		while (end < size && text[end] == ' ')
			end++;
		text += end;
		size -= end;
	}
	status->text = arena_text_sized(parse->arena, text, size);
}

/* response-tagged = tag SP resp-cond-state */
static bool parse_tagged(struct imap_parse *parse)
{
	const struct imap_line *line = &parse->line;
	struct imap_response *response = parse->response;
	struct imap_token word = imap_lexer_next(&parse->lexer);
	struct imap_status_response *status = &response->status;

	if (imap_token_is(&word, "OK"))
		status->status = IMAP_STATUS_OK;
	else if (imap_token_is(&word, "NO"))
		status->status = IMAP_STATUS_NO;
	else if (imap_token_is(&word, "BAD"))
		status->status = IMAP_STATUS_BAD;
	else
		return false;

	response->kind = IMAP_RESPONSE_TAGGED;
	response->tag = arena_text_sized(parse->arena,
		parse->lexer.line + line->name_position, line->name_size);
	parse_text(parse, status);
	return true;
}

bool imap_parse_status_line(struct imap_parse *parse)
{
	struct imap_response *response = parse->response;

	if (parse->line.kind == IMAP_LINE_TAGGED)
		return parse_tagged(parse);

	response->kind = parse->line.kind == IMAP_LINE_CONTINUATION
		? IMAP_RESPONSE_CONTINUATION
		: IMAP_RESPONSE_STATUS;
	response->status.status = parse->line.status;
	parse_text(parse, &response->status);
	return true;
}
