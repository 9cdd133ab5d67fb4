#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "config/suggest.h"

static void test_distance_counts_edits(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		size_t distance;
	} CASES[] = {
		{ "", "", 0 },
		{ "host", "host", 0 },
		{ "host", "HOST", 0 },
		{ "host", "", 4 },
		{ "host", "hos", 1 },
		{ "host", "hoxt", 1 },
		{ "host", "hosts", 1 },
		{ "host", "hots", 1 },
		{ "maildir", "mialdri", 2 },
		{ "port", "poll", 2 },
		{ "kitten", "sitting", 3 },
		{ "x", "0123456789012345678901234567890123", SIZE_MAX },
		{ "0123456789012345678901234567890123", "x", SIZE_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		assert_int_equal(suggest_distance(CASES[i].a, CASES[i].b),
			CASES[i].distance);
		assert_int_equal(suggest_distance(CASES[i].b, CASES[i].a),
			CASES[i].distance);
	}
}

static void check_hint(const char *word, const char *hint)
{
	static const char *const CANDIDATES[] = { "host", "port", "poll",
		"password", "password_command" };
	struct suggestion suggestion;

	suggest_init(&suggestion, word);
	for (size_t i = 0; i < ARRAY_LENGTH(CANDIDATES); i++)
		suggest_consider(&suggestion, CANDIDATES[i]);
	assert_string_equal(suggest_hint(&suggestion), hint);
}

static void test_only_near_words_are_suggested(void **state)
{
	(void)state;
	check_hint("hots", " (did you mean 'host'?)");
	check_hint("pasword", " (did you mean 'password'?)");
	check_hint("password_comand", " (did you mean 'password_command'?)");
	check_hint("pork", " (did you mean 'port'?)");
	check_hint("xx", "");
	check_hint("", "");
	check_hint("0123456789012345678901234567890123456789", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance_counts_edits),
		cmocka_unit_test(test_only_near_words_are_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
