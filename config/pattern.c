#include "config/pattern.h"

#include <string.h>

#include "base/text.h"

/* Octets at the start of the name that compare without case. */
static size_t folded_size(const char *mailbox_name, char delimiter)
{
	size_t size = strlen("INBOX");

	if (strnlen(mailbox_name, size) < size ||
		!text_equal_nocase_sized(mailbox_name, size, "INBOX"))
		return 0;
	if (mailbox_name[size] == '\0')
		return size;
	return delimiter != '\0' && mailbox_name[size] == delimiter ? size : 0;
}

static bool is_wildcard(char c)
{
	return c == '*' || c == '%';
}

static bool accepts(char pattern, char c, char delimiter, bool is_folded)
{
	if (pattern == '*')
		return true;
	if (pattern == '%')
		return delimiter == '\0' || c != delimiter;
	if (pattern == '/' && delimiter != '\0' && c == delimiter)
		return true;
	if (is_folded)
		return text_equal_nocase_sized(
			&pattern, 1, (char[]){ c, '\0' });
	return pattern == c;
}

struct matcher {
	const char *pattern;
	size_t size;
	char delimiter;
	/* reach[i]: what was read of the name fits the first i octets. */
	bool reach[PATTERN_SIZE_MAX + 1];
};

/* A wildcard may also stand for nothing. */
static void skip_wildcards(struct matcher *matcher)
{
	for (size_t i = 0; i < matcher->size; i++)
		if (matcher->reach[i] && is_wildcard(matcher->pattern[i]))
			matcher->reach[i + 1] = true;
}

/* All positions of the pattern move on at once, so there is nothing to go back
   to. From the end, so that reach[i] is still what it was before `c`. */
static void read_octet(struct matcher *matcher, char c, bool is_folded)
{
	bool *reach = matcher->reach;

	reach[matcher->size] = false;
	for (size_t i = matcher->size; i-- > 0;) {
		char pattern = matcher->pattern[i];
		bool ok = reach[i] &&
			accepts(pattern, c, matcher->delimiter, is_folded);

		reach[i] = ok && is_wildcard(pattern);
		if (ok && !is_wildcard(pattern))
			reach[i + 1] = true;
	}
	skip_wildcards(matcher);
}

bool pattern_matches(
	const char *pattern, const char *mailbox_name, char delimiter)
{
	struct matcher matcher = {
		.pattern = pattern,
		.size = strnlen(pattern, PATTERN_SIZE_MAX + 1),
		.delimiter = delimiter,
		.reach = { true },
	};
	size_t folded = folded_size(mailbox_name, delimiter);

	if (matcher.size > PATTERN_SIZE_MAX)
		return false;
	skip_wildcards(&matcher);
	for (size_t i = 0; mailbox_name[i] != '\0'; i++)
		read_octet(&matcher, mailbox_name[i], i < folded);
	return matcher.reach[matcher.size];
}

bool pattern_list_matches(const struct config_list *patterns,
	const char *mailbox_name, char delimiter)
{
	for (size_t i = patterns->count; i-- > 0;) {
		const char *pattern = patterns->items[i];
		bool excludes = pattern[0] == '!';

		if (pattern_matches(pattern + (excludes ? 1 : 0), mailbox_name,
			    delimiter))
			return !excludes;
	}
	return patterns->count > 0 && patterns->items[0][0] == '!';
}
