#include "config/mask.h"

#include <string.h>

#include "base/compiler.h"
#include "base/text.h"
#include "config/suggest.h"

static bool is_word_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool contains_nocase(const char *word, size_t size, const char *part)
{
	size_t part_size = strlen(part);

	for (size_t i = 0; i + part_size <= size; i++)
		if (text_equal_nocase_sized(word + i, part_size, part))
			return true;
	return false;
}

/* The key `password` itself, or a slip of the hand. */
static bool is_password_key(const char *word, size_t size)
{
	char copy[SUGGEST_SIZE_MAX + 1] = { 0 };

	if (size > SUGGEST_SIZE_MAX)
		return false;
	memcpy(copy, word, size);
	return suggest_distance(copy, "password") <= 2;
}

/* Words that announce a secret, whatever key was meant. */
static bool is_suspicious(const char *word, size_t size)
{
	static const char *const HARMLESS[] = { "password_command",
		"password_file", "token_command" };
	static const char *const PARTS[] = { "pas", "pw", "sswo", "swor",
		"secret", "token" };

	for (size_t i = 0; i < ARRAY_LENGTH(HARMLESS); i++)
		if (strlen(HARMLESS[i]) == size &&
			memcmp(word, HARMLESS[i], size) == 0)
			return false;
	for (size_t i = 0; i < ARRAY_LENGTH(PARTS); i++)
		if (contains_nocase(word, size, PARTS[i]))
			return true;
	return is_password_key(word, size);
}

/* Finds the first suspicious word from `*start` on. */
static bool find_word(
	const struct source_line *line, size_t *start, size_t *end)
{
	size_t i = *start;

	while (i < line->size) {
		*start = i;
		while (i < line->size && is_word_character(line->text[i]))
			i++;
		*end = i;
		if (i > *start &&
			is_suspicious(line->text + *start, i - *start))
			return true;
		if (i == *start)
			i++;
	}
	return false;
}

static size_t skip_blanks(const struct source_line *line, size_t i)
{
	while (i < line->size &&
		(line->text[i] == ' ' || line->text[i] == '\t'))
		i++;
	return i;
}

/* A tab is wrong in YAML, but it does indent what a person wrote. */
static size_t indent_of(const struct source_line *line)
{
	size_t end = skip_blanks(line, 0);
	size_t indent = 0;

	for (size_t i = 0; i < end; i++)
		indent += line->text[i] == '\t' ? 8 : 1;
	return indent;
}

static bool has_odd_count(const char *text, size_t size, char quote)
{
	bool is_odd = false;

	for (size_t i = 0; i < size; i++) {
		if (quote == '"' && text[i] == '\\')
			i++;
		else if (text[i] == quote)
			is_odd = !is_odd;
	}
	return is_odd;
}

/* Behind the key with its quote and colon. */
static size_t key_end(const struct source_line *line, size_t word_end)
{
	size_t i = word_end;
	size_t colon;

	if (i < line->size && (line->text[i] == '"' || line->text[i] == '\''))
		i++;
	colon = skip_blanks(line, i);
	return colon < line->size && line->text[colon] == ':' ? colon + 1 : i;
}

/* A value may be quoted behind a tag or an anchor. */
static char open_quote(const char *value, size_t size)
{
	if (size == 0 || strchr("\"'!&", value[0]) == NULL)
		return '\0';
	if (has_odd_count(value, size, '"'))
		return '"';
	return has_odd_count(value, size, '\'') ? '\'' : '\0';
}

/* Whether the value goes on below decides how the next lines look. */
static void open_value(struct mask *mask, const struct source_line *line,
	size_t word_start, size_t word_end)
{
	size_t value = skip_blanks(line, key_end(line, word_end));
	bool is_key =
		is_password_key(line->text + word_start, word_end - word_start);

	*mask = (struct mask){ .indent = indent_of(line) };
	if (value == line->size || line->text[value] == '#') {
		/* An account may well be called "compass". */
		mask->is_open = is_key;
		mask->is_next_value = is_key;
		return;
	}
	mask->is_open = true;
	mask->is_next_value = strchr("|>!&", line->text[value]) != NULL;
	mask->quote = open_quote(line->text + value, line->size - value);
	mask->is_flow = memchr(line->text, '{', word_start) != NULL &&
		memchr(line->text + value, '}', line->size - value) == NULL;
}

static bool continues(struct mask *mask, const struct source_line *line)
{
	size_t start = skip_blanks(line, 0);

	if (mask->quote != '\0') {
		if (has_odd_count(line->text, line->size, mask->quote))
			mask->quote = '\0';
		return true;
	}
	if (mask->is_flow) {
		mask->is_flow = memchr(line->text, '}', line->size) == NULL;
		return true;
	}
	if (!mask->is_open || start == line->size)
		return mask->is_open;
	if (mask->is_next_value) {
		mask->is_next_value = false;
		return true;
	}
	return indent_of(line) > mask->indent || line->text[start] == ':';
}

size_t mask_line(struct mask *mask, const struct source_line *line)
{
	size_t start = 0;
	size_t end = 0;
	size_t shown;

	if (line->size == 0)
		return 0;
	if (continues(mask, line))
		return 0;
	mask->is_open = false;
	if (!find_word(line, &start, &end))
		return line->size;
	shown = key_end(line, end);
	open_value(mask, line, start, end);
	return shown;
}
