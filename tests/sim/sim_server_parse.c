/* The grammar of commands, taken by the letter (RFC 9051, 9). */
#include <string.h>

#include "base/number.h"
#include "base/text.h"
#include "proto/imap_date.h"
#include "tests/sim/sim_server_internal.h"

bool sim_bad(struct sim_cursor *cursor, const char *reason)
{
	if (cursor->reason == NULL)
		cursor->reason = reason;
	return false;
}

static char peek(const struct sim_cursor *cursor)
{
	if (cursor->reason != NULL || cursor->position >= cursor->size)
		return '\0';
	return cursor->data[cursor->position];
}

bool sim_is_next(const struct sim_cursor *cursor, const char *words)
{
	size_t size = strlen(words);

	return cursor->reason == NULL &&
		cursor->size - cursor->position >= size &&
		text_equal_nocase_sized(
			cursor->data + cursor->position, size, words);
}

bool sim_take(struct sim_cursor *cursor, const char *words)
{
	if (!sim_is_next(cursor, words))
		return false;
	cursor->position += strlen(words);
	return true;
}

bool sim_expect(struct sim_cursor *cursor, const char *words)
{
	return sim_take(cursor, words) || sim_bad(cursor, "unexpected syntax");
}

bool sim_take_end(struct sim_cursor *cursor)
{
	if (!sim_take(cursor, "\r\n") || cursor->position != cursor->size)
		return sim_bad(cursor, "something follows");
	return true;
}

/* ---- Strings ---- */

/* ATOM-CHAR */
static bool is_atom_char(char octet)
{
	return octet > 0x20 && octet < 0x7f &&
		strchr("(){%*\"\\]", octet) == NULL;
}

static bool take_while(struct sim_cursor *cursor, bool (*is_part)(char octet),
	char *out, size_t size)
{
	size_t used = 0;

	while (is_part(peek(cursor))) {
		if (used + 1 >= size)
			return sim_bad(cursor, "too long a word");
		out[used++] = cursor->data[cursor->position++];
	}
	out[used] = '\0';
	return used > 0 || sim_bad(cursor, "a word is missing");
}

bool sim_take_atom(struct sim_cursor *cursor, char *atom_out, size_t size)
{
	return take_while(cursor, is_atom_char, atom_out, size);
}

/* ASTRING-CHAR = ATOM-CHAR / resp-specials */
static bool is_astring_char(char octet)
{
	return is_atom_char(octet) || octet == ']';
}

static bool is_pattern_char(char octet)
{
	return is_astring_char(octet) || octet == '*' || octet == '%';
}

static bool take_quoted(struct sim_cursor *cursor, char *out, size_t size)
{
	size_t used = 0;

	cursor->position++;
	for (; peek(cursor) != '"'; cursor->position++) {
		char octet = peek(cursor);

		if (octet == '\\') {
			cursor->position++;
			octet = peek(cursor);
			if (octet != '"' && octet != '\\')
				return sim_bad(cursor, "a wrong escape");
		}
		if (octet == '\0' || octet == '\r' || octet == '\n')
			return sim_bad(cursor, "a quoted string has no end");
		if (used + 1 >= size)
			return sim_bad(cursor, "too long a string");
		out[used++] = octet;
	}
	cursor->position++;
	out[used] = '\0';
	return true;
}

/* literal = "{" number64 ["+"] "}" CRLF *CHAR8 */
bool sim_take_literal(
	struct sim_cursor *cursor, const char **data_out, size_t *size_out)
{
	uint64_t size;

	if (!sim_expect(cursor, "{") || !sim_take_u64(cursor, &size))
		return sim_bad(cursor, "a literal is missing");
	if (sim_take(cursor, "+") && !cursor->has_literal_plus)
		return sim_bad(cursor, "LITERAL+ was not offered");
	if (!sim_expect(cursor, "}\r\n") ||
		cursor->size - cursor->position < size)
		return sim_bad(cursor, "a literal is not whole");
	*data_out = cursor->data + cursor->position;
	*size_out = (size_t)size;
	cursor->position += (size_t)size;
	return true;
}

static bool take_literal_text(struct sim_cursor *cursor, char *out, size_t size)
{
	const char *data;
	size_t data_size;

	if (!sim_take_literal(cursor, &data, &data_size))
		return false;
	if (data_size >= size || memchr(data, '\0', data_size) != NULL)
		return sim_bad(cursor, "a literal too long or with NUL");
	memcpy(out, data, data_size);
	out[data_size] = '\0';
	return true;
}

static bool take_text(struct sim_cursor *cursor, char *out, size_t size,
	bool (*is_part)(char octet))
{
	if (peek(cursor) == '"')
		return take_quoted(cursor, out, size);
	if (peek(cursor) == '{')
		return take_literal_text(cursor, out, size);
	return take_while(cursor, is_part, out, size);
}

bool sim_take_string(struct sim_cursor *cursor, char *string_out, size_t size)
{
	return take_text(cursor, string_out, size, is_astring_char);
}

bool sim_take_mailbox(struct sim_cursor *cursor, char name_out[SIM_NAME_SIZE])
{
	if (!sim_take_string(cursor, name_out, SIM_NAME_SIZE))
		return false;
	if (name_out[0] == '\0')
		return sim_bad(cursor, "a mailbox without a name");
	if (text_equal_nocase(name_out, "INBOX"))
		memcpy(name_out, "INBOX", sizeof("INBOX"));
	return true;
}

bool sim_take_pattern(
	struct sim_cursor *cursor, char pattern_out[SIM_NAME_SIZE])
{
	return take_text(cursor, pattern_out, SIM_NAME_SIZE, is_pattern_char);
}

/* ---- Numbers and sets ---- */

bool sim_take_u64(struct sim_cursor *cursor, uint64_t *number_out)
{
	const char *digits = cursor->data + cursor->position;
	size_t size = 0;

	while (peek(cursor) >= '0' && peek(cursor) <= '9') {
		cursor->position++;
		size++;
	}
	return number_parse_u64(digits, size, number_out) ||
		sim_bad(cursor, "a number is missing");
}

bool sim_take_u32(struct sim_cursor *cursor, uint32_t *number_out)
{
	uint64_t number;

	if (!sim_take_u64(cursor, &number))
		return false;
	if (number > UINT32_MAX)
		return sim_bad(cursor, "too large a number");
	*number_out = (uint32_t)number;
	return true;
}

/* seq-number = nz-number / "*" */
static bool take_set_number(
	struct sim_cursor *cursor, uint32_t star, uint32_t *number_out)
{
	if (star != 0 && sim_take(cursor, "*")) {
		*number_out = star;
		return true;
	}
	return sim_take_u32(cursor, number_out) &&
		(*number_out != 0 || sim_bad(cursor, "0 in a set"));
}

bool sim_take_set(
	struct sim_cursor *cursor, uint32_t star, struct sim_set *set_out)
{
	uint32_t first, last;

	set_out->count = 0;
	do {
		if (!take_set_number(cursor, star, &first))
			return false;
		last = first;
		if (sim_take(cursor, ":") &&
			!take_set_number(cursor, star, &last))
			return false;
		if (first <= last)
			sim_set_add_range(set_out, first, last);
		else
			sim_set_add_range(set_out, last, first);
	} while (sim_take(cursor, ","));
	return true;
}

/* ---- Flags and dates ---- */

static bool take_keyword(
	struct sim_cursor *cursor, struct sim_flag_list *flags_out)
{
	char *keyword = flags_out->keywords[flags_out->count];

	if (flags_out->count + 1 == SIM_KEYWORDS_MAX)
		return sim_bad(cursor, "too many keywords");
	if (!sim_take_atom(cursor, keyword, SIM_KEYWORD_SIZE))
		return false;
	flags_out->count++;
	return true;
}

static bool take_flag(
	struct sim_cursor *cursor, struct sim_flag_list *flags_out)
{
	char name[SIM_KEYWORD_SIZE] = "\\";
	uint32_t flag;

	if (!sim_take(cursor, "\\"))
		return take_keyword(cursor, flags_out);
	if (!sim_take_atom(cursor, name + 1, sizeof(name) - 1))
		return false;
	flag = flag_from_name(name);
	flags_out->system |= flag;
	return flag != 0 || sim_bad(cursor, "no flag a client may set");
}

/* flag-list = "(" [flag *(SP flag)] ")" */
bool sim_take_flags(struct sim_cursor *cursor, struct sim_flag_list *flags_out)
{
	flags_out->system = 0;
	flags_out->count = 0;
	if (!sim_expect(cursor, "("))
		return false;
	if (sim_take(cursor, ")"))
		return true;
	do {
		if (!take_flag(cursor, flags_out))
			return false;
	} while (sim_take(cursor, " "));
	return sim_expect(cursor, ")");
}

/* date-time = DQUOTE date-day-fixed "-" … SP zone DQUOTE: 26 octets */
bool sim_take_date(struct sim_cursor *cursor, int64_t *seconds_out)
{
	char text[40];

	if (peek(cursor) != '"' || !take_quoted(cursor, text, sizeof(text)))
		return sim_bad(cursor, "a date is missing");
	if (strlen(text) != 26 ||
		!imap_date_parse(text, strlen(text), seconds_out))
		return sim_bad(cursor, "a wrong date");
	return true;
}

/* ---- Literals at the end of a line ---- */

bool sim_find_literal(const char *line, size_t size, uint64_t *size_out,
	bool *is_waited_for_out)
{
	size_t end = size, start;

	if (end < 3 || line[--end] != '}')
		return false;
	*is_waited_for_out = line[end - 1] != '+';
	if (!*is_waited_for_out)
		end--;
	start = end;
	while (start > 0 && line[start - 1] >= '0' && line[start - 1] <= '9')
		start--;
	return start > 0 && line[start - 1] == '{' &&
		number_parse_u64(line + start, end - start, size_out);
}
