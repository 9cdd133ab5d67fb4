#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/text.h"

static void test_only_ascii_letters_fold(void **state)
{
	(void)state;
	assert_true(text_equal_nocase("INBOX", "inbox"));
	assert_true(text_equal_nocase("", ""));
	assert_false(text_equal_nocase("a", ""));
	assert_false(text_equal_nocase("", "a"));
	assert_false(text_equal_nocase("ab", "abc"));
	assert_false(text_equal_nocase("[", "{"));
	assert_false(text_equal_nocase("@", "`"));
	assert_false(text_equal_nocase("\xc3\x84", "\xc3\xa4"));
	assert_true(text_equal_nocase_sized("InBoxes", 5, "INBOX"));
	assert_false(text_equal_nocase_sized("InBoxes", 6, "INBOX"));
	assert_false(text_equal_nocase_sized("InBoxes", 4, "INBOX"));
	assert_false(text_equal_nocase_sized("a\0b", 3, "a"));
}

static void test_starts_and_ends(void **state)
{
	(void)state;
	assert_true(text_starts_with("AUTH=PLAIN", "AUTH="));
	assert_true(text_starts_with("x", ""));
	assert_false(text_starts_with("AUTH", "AUTH="));
	assert_true(text_ends_with("dovecot-keywords.lock", ".lock"));
	assert_true(text_ends_with("x", ""));
	assert_false(text_ends_with("lock", ".lock"));
	assert_false(text_ends_with(".lock.", ".lock"));
}

static void test_utf8_is_well_formed_or_not(void **state)
{
	static const struct {
		const char *text;
		bool is_utf8;
	} CASES[] = {
		{ "", true },
		{ "ascii \x7f\x01", true },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf\xee\x80\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },
		{ "\xbf"
		  "a",
			false },
		{ "\xc0\x80", false },
		{ "\xc1\xbf", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "\xc3", false },
		{ "\xe2\x82", false },
		{ "\xf0\x9f\x93", false },
		{ "\xc3"
		  "a",
			false },
		{ "\xe2\x28\xa1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		assert_int_equal(
			text_is_utf8(CASES[i].text, strlen(CASES[i].text)),
			CASES[i].is_utf8);
	assert_false(text_is_utf8("a\0b", 3));
}

/* Every code point, encoded by hand. */
static void test_every_code_point_is_judged(void **state)
{
	(void)state;
	for (uint32_t c = 0x800; c < 0x110000; c++) {
		char text[4] = { (char)(0xf0 | c >> 18),
			(char)(0x80 | (c >> 12 & 0x3f)),
			(char)(0x80 | (c >> 6 & 0x3f)),
			(char)(0x80 | (c & 0x3f)) };
		bool is_surrogate = c >= 0xd800 && c <= 0xdfff;

		assert_int_equal(text_is_utf8(text, 4), c >= 0x10000);
		if (c >= 0x10000)
			continue;
		text[1] = (char)(0xe0 | c >> 12);
		assert_int_equal(text_is_utf8(text + 1, 3), !is_surrogate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_ascii_letters_fold),
		cmocka_unit_test(test_starts_and_ends),
		cmocka_unit_test(test_utf8_is_well_formed_or_not),
		cmocka_unit_test(test_every_code_point_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
