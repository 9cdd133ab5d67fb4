/* SEARCH, ESEARCH and VANISHED (RFC 9051, 7.3.4; RFC 7162, 3.2.10). Half a list
   is worse than none here: what is missing from it would look deleted. */
#include <string.h>

#include "base/text.h"
#include "proto/imap_parse.h"

struct ranges {
	struct uid_range *items;
	size_t count;
	size_t capacity;
};

static bool is_delimiter(const struct imap_lexer *lexer)
{
	return lexer->position >= lexer->size ||
		lexer->line[lexer->position] == ' ' ||
		lexer->line[lexer->position] == '(';
}

/* Numbers that follow on each other share a range; the order stays. */
static bool add_number(
	struct imap_parse *parse, struct ranges *ranges, uint64_t number)
{
	struct uid_range *last = ranges->items;

	if (number == 0 || number > UINT32_MAX ||
		!imap_parse_count_tokens(parse, 1))
		return false;
	if (ranges->count > 0) {
		last += ranges->count - 1;
		if ((uint64_t)last->last + 1 == number) {
			last->last = (uint32_t)number;
			return true;
		}
	}
	last = arena_push(parse->arena, &ranges->items, &ranges->count,
		&ranges->capacity, sizeof(*last));
	last->first = (uint32_t)number;
	last->last = (uint32_t)number;
	return true;
}

/* search-sort-mod-seq = "(" "MODSEQ" SP mod-sequence-value ")" */
static bool parse_search_modseq(
	struct imap_parse *parse, struct imap_search *search)
{
	struct imap_token open = imap_lexer_next(&parse->lexer);
	struct imap_token name = imap_lexer_next(&parse->lexer);

	if (open.kind != IMAP_TOKEN_OPEN || !imap_token_is(&name, "MODSEQ"))
		return false;
	search->has_modseq = imap_lexer_number(&parse->lexer,
				     &search->modseq) == IMAP_NUMBER_GOOD;
	imap_parse_skip_list(parse);
	return imap_lexer_next(&parse->lexer).kind == IMAP_TOKEN_END;
}

/* "SEARCH" *(SP nz-number) [SP search-sort-mod-seq] */
bool imap_parse_search(struct imap_parse *parse)
{
	struct imap_search *search = &parse->response->search;
	struct ranges ranges = { 0 };
	enum imap_number kind;
	uint64_t number;
	size_t size;

	parse->response->kind = IMAP_RESPONSE_SEARCH;
	for (;;) {
		kind = imap_lexer_number(&parse->lexer, &number);
		if (kind == IMAP_NUMBER_NONE)
			break;
		if (kind == IMAP_NUMBER_BAD || !is_delimiter(&parse->lexer) ||
			!add_number(parse, &ranges, number))
			return false;
	}
	search->has_all = true;
	search->all.ranges = ranges.items;
	search->all.range_count = ranges.count;

	(void)imap_parse_rest(parse, &size);
	return size == 0 || parse_search_modseq(parse, search);
}

/* search-correlator = SP "(" "TAG" SP tag-string ")" */
static bool parse_correlator(
	struct imap_parse *parse, struct imap_search *search)
{
	for (;;) {
		struct imap_token token = imap_lexer_next(&parse->lexer);

		if (token.kind == IMAP_TOKEN_CLOSE ||
			token.kind == IMAP_TOKEN_END)
			return true;
		if (!imap_token_is(&token, "TAG")) {
			imap_parse_skip_value(parse);
			continue;
		}
		token = imap_lexer_next(&parse->lexer);
		search->search_tag = imap_parse_text(parse, &token, NULL);
		if (search->search_tag == NULL)
			return false;
	}
}

static bool parse_uid_number(
	struct imap_parse *parse, bool *has_out, uint32_t *number_out)
{
	uint64_t number;

	if (imap_lexer_number(&parse->lexer, &number) != IMAP_NUMBER_GOOD ||
		number == 0 || number > UINT32_MAX ||
		!is_delimiter(&parse->lexer))
		return false;
	*has_out = true;
	*number_out = (uint32_t)number;
	return true;
}

static bool parse_number(
	struct imap_parse *parse, bool *has_out, uint64_t *number_out)
{
	*has_out = imap_lexer_number(&parse->lexer, number_out) ==
		IMAP_NUMBER_GOOD;
	return *has_out && is_delimiter(&parse->lexer);
}

static bool parse_all(struct imap_parse *parse, struct imap_search *search)
{
	struct imap_token token = imap_lexer_next(&parse->lexer);

	if (token.kind != IMAP_TOKEN_ATOM ||
		!imap_parse_uid_list(
			parse, token.text, token.size, 0, &search->all))
		return false;
	search->has_all = true;
	return true;
}

/* search-return-data */
static bool parse_return_data(struct imap_parse *parse,
	const struct imap_token *name, struct imap_search *search)
{
	if (imap_token_is(name, "UID")) {
		search->is_uid = true;
		return true;
	}
	if (imap_token_is(name, "ALL"))
		return parse_all(parse, search);
	if (imap_token_is(name, "COUNT"))
		return parse_number(parse, &search->has_count, &search->count);
	if (imap_token_is(name, "MODSEQ"))
		return parse_number(
			parse, &search->has_modseq, &search->modseq);
	if (imap_token_is(name, "MIN"))
		return parse_uid_number(parse, &search->has_min, &search->min);
	if (imap_token_is(name, "MAX"))
		return parse_uid_number(parse, &search->has_max, &search->max);
	imap_parse_skip_value(parse);
	return name->kind == IMAP_TOKEN_ATOM;
}

/* esearch-response = "ESEARCH" [search-correlator] [SP "UID"]
 *(SP search-return-data) */
bool imap_parse_esearch(struct imap_parse *parse)
{
	struct imap_search *search = &parse->response->search;

	parse->response->kind = IMAP_RESPONSE_SEARCH;
	search->is_esearch = true;
	for (;;) {
		struct imap_token token = imap_lexer_next(&parse->lexer);
		bool ok;

		if (token.kind == IMAP_TOKEN_END)
			return true;
		ok = token.kind == IMAP_TOKEN_OPEN
			? parse_correlator(parse, search)
			: parse_return_data(parse, &token, search);
		if (!ok)
			return false;
	}
}

/* expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids */
bool imap_parse_vanished(struct imap_parse *parse)
{
	struct imap_response *response = parse->response;
	struct imap_lexer before = parse->lexer;
	struct imap_token token = imap_lexer_next(&parse->lexer);
	const char *text;
	size_t size;

	response->kind = IMAP_RESPONSE_VANISHED;
	if (token.kind == IMAP_TOKEN_OPEN) {
		token = imap_lexer_next(&parse->lexer);
		response->vanished.is_earlier =
			imap_token_is(&token, "EARLIER");
		token = imap_lexer_next(&parse->lexer);
		if (!response->vanished.is_earlier ||
			token.kind != IMAP_TOKEN_CLOSE)
			return false;
	} else {
		parse->lexer = before;
	}
	text = imap_parse_rest(parse, &size);
	return imap_parse_uid_list(
		parse, text, size, UINT32_MAX, &response->vanished.uids);
}
