#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "config/pattern.h"

static void test_wildcards_match_as_in_list(void **state)
{
	static const struct {
		const char *pattern;
		const char *name;
		char delimiter;
		bool matches;
	} CASES[] = {
		{ "*", "", '/', true },
		{ "*", "a/b/c", '/', true },
		{ "%", "a", '/', true },
		{ "%", "", '/', true },
		{ "%", "a/b", '/', false },
		{ "%", "a/b", '.', true },
		{ "%", "a.b", '.', false },
		{ "%", "a/b", '\0', true },
		{ "%/%", "a/b", '/', true },
		{ "%/%", "a/b/c", '/', false },
		{ "%/*", "a/b/c", '/', true },
		{ "a", "a", '/', true },
		{ "a", "A", '/', false },
		{ "a", "ab", '/', false },
		{ "ab", "a", '/', false },
		{ "", "", '/', true },
		{ "", "a", '/', false },
		{ "a*c", "abc", '/', true },
		{ "a*c", "a/b/c", '/', true },
		{ "a*c", "acb", '/', false },
		{ "a%c", "a/c", '/', false },
		{ "a%%c", "abc", '/', true },
		{ "*a%b", "xa/ab", '/', true },
		{ "*a%b", "xa/b", '/', false },
		{ "%a*b", "a/b", '/', true },
		{ "%a*b", "x/a/b", '/', false },
		{ "*b*", "aba", '/', true },
		{ "*%*%*", "x", '/', true },
		{ "a*", "a", '/', true },
		{ "*ab", "aab", '/', true },
		{ "*abab*c", "abaababc", '/', true },
		/* '/' stands for the mailbox's delimiter. */
		{ "Work/2024", "Work.2024", '.', true },
		{ "Work/%", "Work.a", '.', true },
		{ "Work/%", "Work.a.b", '.', false },
		{ "Work/2024", "Work/2024", '.', true },
		{ "Work.2024", "Work.2024", '.', true },
		{ "Work.2024", "Work/2024", '/', false },
		{ "a/b", "a\\b", '\\', true },
		{ "a/b", "a.b", '\0', false },
		/* INBOX has no case, also as a parent, but only as a whole. */
		{ "INBOX", "inbox", '/', true },
		{ "inbox", "INBOX", '/', true },
		{ "In*", "inbox", '/', true },
		{ "inbox/A", "INBOX/A", '/', true },
		{ "inbox/a", "INBOX/A", '/', false },
		{ "inbox", "INBOXES", '/', false },
		{ "inboxes", "INBOXES", '/', false },
		{ "a/inbox", "a/INBOX", '/', false },
		{ "%/inbox", "INBOX/inbox", '/', true },
		/* UTF-8 compares octet by octet. */
		{ "W\xc3\xb6rk%", "W\xc3\xb6rk", '/', true },
		{ "W%rk", "W\xc3\xb6rk", '/', true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		if (pattern_matches(CASES[i].pattern, CASES[i].name,
			    CASES[i].delimiter) != CASES[i].matches)
			fail_msg("'%s' and '%s'", CASES[i].pattern,
				CASES[i].name);
}

/* By the definition, with all its backtracking. */
static bool matches_slowly(const char *pattern, const char *name)
{
	if (*pattern == '\0')
		return *name == '\0';
	if (*pattern == '*' || *pattern == '%') {
		if (matches_slowly(pattern + 1, name))
			return true;
		return *name != '\0' && (*pattern == '*' || *name != '/') &&
			matches_slowly(pattern, name + 1);
	}
	return *pattern == *name && matches_slowly(pattern + 1, name + 1);
}

static void random_text(
	uint64_t *seed, const char *letters, size_t size, char *text)
{
	for (size_t i = 0; i < size; i++) {
		*seed = *seed * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
		text[i] = letters[(*seed >> 33) % strlen(letters)];
	}
	text[size] = '\0';
}

static void test_random_patterns_agree_with_the_definition(void **state)
{
	uint64_t seed = 3501;
	char pattern[8];
	char name[10];

	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		random_text(&seed, "ab/*%", i % 8, pattern);
		random_text(&seed, "ab/", i % 10, name);
		if (pattern_matches(pattern, name, '/') !=
			matches_slowly(pattern, name))
			fail_msg("'%s' and '%s'", pattern, name);
	}
}

/* Backtracking would take longer than the universe has. */
static void test_hostile_patterns_cost_little(void **state)
{
	char *pattern = alloc(PATTERN_SIZE_MAX + 2, 1);
	char *name = alloc(4001, 1);

	(void)state;
	for (size_t i = 0; i < PATTERN_SIZE_MAX - 1; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	pattern[PATTERN_SIZE_MAX - 1] = 'b';
	memset(name, 'a', 4000);
	assert_false(pattern_matches(pattern, name, '/'));
	name[3999] = 'b';
	assert_true(pattern_matches(pattern, name, '/'));
	pattern[PATTERN_SIZE_MAX] = '*';
	assert_false(pattern_matches(pattern, name, '/'));
	free(pattern);
	free(name);
}

static void check_list(const char **patterns, size_t count,
	const char *included, const char *excluded)
{
	struct config_list list = { patterns, count };

	assert_true(pattern_list_matches(&list, included, '/'));
	assert_false(pattern_list_matches(&list, excluded, '/'));
}

static void test_the_last_match_wins(void **state)
{
	const char *everything[] = { "*" };
	struct config_list list = { everything, 1 };

	(void)state;
	assert_true(pattern_list_matches(&list, "INBOX", '/'));
	check_list((const char *[]){ "*", "!Trash" }, 2, "a", "Trash");
	check_list((const char *[]){ "*", "!A/*", "A/b" }, 3, "A/b", "A/c");
	check_list((const char *[]){ "A/*", "!A/b" }, 2, "A/c", "B");
	check_list((const char *[]){ "A/*", "!A/b" }, 2, "A/c", "A/b");
	/* A list that begins with an exclusion is one of exclusions. */
	check_list((const char *[]){ "!Trash" }, 1, "a", "Trash");
	check_list((const char *[]){ "!A/*", "A/b" }, 2, "A/b", "A/c");
	check_list((const char *[]){ "!A/*", "A/b" }, 2, "B", "A/c");
	list.count = 0;
	assert_false(pattern_list_matches(&list, "INBOX", '/'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wildcards_match_as_in_list),
		cmocka_unit_test(
			test_random_patterns_agree_with_the_definition),
		cmocka_unit_test(test_hostile_patterns_cost_little),
		cmocka_unit_test(test_the_last_match_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
