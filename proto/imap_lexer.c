#include "proto/imap_lexer.h"

#include <string.h>

#include "base/number.h"
#include "base/text.h"

/* Only for sections that a literal interrupts, which are read again then. */
#define SECTION_SIZE_MAX 1024

#define NOT_FOUND SIZE_MAX

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_at(const struct imap_lexer *lexer, size_t position, char byte)
{
	return position < lexer->size && lexer->line[position] == byte;
}

static void skip_spaces(struct imap_lexer *lexer)
{
	while (is_at(lexer, lexer->position, ' '))
		lexer->position++;
}

/* Where the quoted string that opens at `position` closes. */
static size_t quoted_end(const struct imap_lexer *lexer, size_t position)
{
	bool is_escaped = false;

	for (position++; position < lexer->size; position++) {
		char byte = lexer->line[position];

		if (byte == IMAP_LITERAL_MARK)
			return NOT_FOUND;
		if (byte == '"' && !is_escaped)
			return position;
		is_escaped = byte == '\\' && !is_escaped;
	}
	return NOT_FOUND;
}

/* Behind the "]" of the section that opens at `position`. A second "[" is not
   taken, not even in quotes: that keeps a line of nothing but "BODY[" linear.
   section = "[" [section-spec] "]" */
static size_t section_end(const struct imap_lexer *lexer, size_t position)
{
	size_t depth = 0;
	bool is_quoted = false;

	for (position++; position < lexer->size; position++) {
		char byte = lexer->line[position];

		if (byte == '[')
			return NOT_FOUND;
		if (byte == '"')
			is_quoted = !is_quoted;
		if (is_quoted)
			continue;
		if (byte == ']' && depth == 0)
			return position + 1;
		if (byte == ')' && depth-- == 0)
			return NOT_FOUND;
		if (byte == '(')
			depth++;
	}
	return NOT_FOUND;
}

/* Behind "<0>" or "<0.100>", else `position` itself. */
static size_t origin_end(const struct imap_lexer *lexer, size_t position)
{
	size_t end = position;

	if (!is_at(lexer, position, '<'))
		return position;
	for (end++; end < lexer->size; end++) {
		if (lexer->line[end] == '>')
			return end + 1;
		if (!is_digit(lexer->line[end]) && lexer->line[end] != '.')
			break;
	}
	return position;
}

/* The item names that brackets follow. Flags may hold brackets as well
   ("OIB-Seen-[Google"), so nothing else is read this way. */
static bool takes_section(const char *name, size_t size)
{
	static const char *const NAMES[] = { "BODY", "BODY.PEEK", "BINARY",
		"BINARY.PEEK", "BINARY.SIZE" };

	for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
		if (text_equal_nocase_sized(name, size, NAMES[i]))
			return true;
	}
	return false;
}

static bool ends_atom(char byte)
{
	return byte == ' ' || byte == '(' || byte == ')' ||
		byte == IMAP_LITERAL_MARK;
}

static struct imap_token make_token(const struct imap_lexer *lexer,
	enum imap_token_kind kind, size_t from, size_t end)
{
	return (struct imap_token){
		.kind = kind,
		.text = lexer->line + from,
		.size = end - from,
		.position = from,
	};
}

/* atom = 1*ATOM-CHAR, where we take everything that does not delimit. */
static struct imap_token next_atom(struct imap_lexer *lexer)
{
	size_t from = lexer->position;
	size_t end = from;
	size_t section;

	while (end < lexer->size && !ends_atom(lexer->line[end])) {
		if (lexer->line[end] != '[' ||
			!takes_section(lexer->line + from, end - from)) {
			end++;
			continue;
		}
		section = section_end(lexer, end);
		if (section != NOT_FOUND) {
			end = origin_end(lexer, section);
			break;
		}
		if (lexer->is_partial && lexer->size - from < SECTION_SIZE_MAX)
			return make_token(
				lexer, IMAP_TOKEN_PARTIAL, from, lexer->size);
		end++;
	}
	lexer->position = end;
	return make_token(lexer, IMAP_TOKEN_ATOM, from, end);
}

/* Nothing more is read from a broken line, so that every loop over tokens
   comes to its end. */
static struct imap_token break_line(struct imap_lexer *lexer)
{
	size_t from = lexer->position;

	lexer->is_broken = true;
	lexer->position = lexer->size;
	return make_token(lexer, IMAP_TOKEN_BROKEN, from, lexer->size);
}

static struct imap_token next_quoted(struct imap_lexer *lexer)
{
	size_t from = lexer->position;
	size_t end = quoted_end(lexer, from);

	if (end == NOT_FOUND)
		return break_line(lexer);
	lexer->position = end + 1;
	return make_token(lexer, IMAP_TOKEN_QUOTED, from + 1, end);
}

static struct imap_token next_single(
	struct imap_lexer *lexer, enum imap_token_kind kind)
{
	lexer->position++;
	return make_token(lexer, kind, lexer->position - 1, lexer->position);
}

static struct imap_token break_limit(
	struct imap_lexer *lexer, const char *limit)
{
	lexer->limit = limit;
	return break_line(lexer);
}

struct imap_token imap_lexer_next(struct imap_lexer *lexer)
{
	skip_spaces(lexer);
	if (lexer->position >= lexer->size)
		return make_token(
			lexer, IMAP_TOKEN_END, lexer->size, lexer->size);
	if (++lexer->token_count > lexer->token_max)
		return break_limit(lexer, "token_max");

	switch (lexer->line[lexer->position]) {
	case '(':
		if (++lexer->depth > lexer->nesting_max)
			return break_limit(lexer, "nesting_max");
		return next_single(lexer, IMAP_TOKEN_OPEN);
	case ')':
		if (lexer->depth > 0)
			lexer->depth--;
		return next_single(lexer, IMAP_TOKEN_CLOSE);
	case '"':
		return next_quoted(lexer);
	case IMAP_LITERAL_MARK:
		return next_single(lexer, IMAP_TOKEN_LITERAL);
	default:
		return next_atom(lexer);
	}
}

bool imap_token_is(const struct imap_token *token, const char *atom)
{
	return token->kind == IMAP_TOKEN_ATOM &&
		text_equal_nocase_sized(token->text, token->size, atom);
}

static void skip_digits(struct imap_lexer *lexer)
{
	while (lexer->position < lexer->size &&
		is_digit(lexer->line[lexer->position]))
		lexer->position++;
}

/* Skips ".5" and "e+6" (seen where servers print sizes as floats). */
static bool skip_float_tail(struct imap_lexer *lexer)
{
	size_t from = lexer->position;
	size_t exponent;

	if (is_at(lexer, lexer->position, '.')) {
		lexer->position++;
		skip_digits(lexer);
	}
	exponent = lexer->position;
	if (is_at(lexer, exponent, 'e') || is_at(lexer, exponent, 'E')) {
		exponent++;
		if (is_at(lexer, exponent, '+') || is_at(lexer, exponent, '-'))
			exponent++;
		if (exponent < lexer->size && is_digit(lexer->line[exponent])) {
			lexer->position = exponent;
			skip_digits(lexer);
		}
	}
	return lexer->position > from;
}

enum imap_number imap_lexer_number(
	struct imap_lexer *lexer, uint64_t *number_out)
{
	size_t before = lexer->position;
	bool is_negative;
	size_t from;
	size_t end;

	skip_spaces(lexer);
	is_negative = is_at(lexer, lexer->position, '-');
	lexer->position += is_negative;
	from = lexer->position;
	skip_digits(lexer);
	end = lexer->position;
	if (end == from) {
		lexer->position = before;
		return IMAP_NUMBER_NONE;
	}
	if (skip_float_tail(lexer) || is_negative)
		return IMAP_NUMBER_BAD;
	if (!number_parse_u64(lexer->line + from, end - from, number_out))
		return IMAP_NUMBER_BAD;
	return IMAP_NUMBER_GOOD;
}

static bool starts_with_nocase(
	const struct imap_token *token, const char *prefix)
{
	size_t size = strlen(prefix);

	return token->size >= size &&
		text_equal_nocase_sized(token->text, size, prefix);
}

bool imap_section_read(
	const struct imap_token *token, struct imap_section *section_out)
{
	bool is_whole = imap_token_is(token, "RFC822") ||
		imap_token_is(token, "BODY[]") ||
		imap_token_is(token, "BODY.PEEK[]");
	bool is_header = imap_token_is(token, "RFC822.HEADER");

	if (token->kind != IMAP_TOKEN_ATOM)
		return false;
	/* RFC 9051, 7.5.2: a section of the top level only. */
	is_header = is_header || starts_with_nocase(token, "BODY[HEADER") ||
		starts_with_nocase(token, "BODY.PEEK[HEADER");
	if (!is_whole && !is_header && !imap_token_is(token, "RFC822.TEXT") &&
		!starts_with_nocase(token, "BODY[") &&
		!starts_with_nocase(token, "BODY.PEEK[") &&
		!starts_with_nocase(token, "BINARY[") &&
		!starts_with_nocase(token, "BINARY.PEEK["))
		return false;

	section_out->is_whole = is_whole;
	section_out->is_header = is_header;
	return true;
}
