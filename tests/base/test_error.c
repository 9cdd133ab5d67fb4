#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"

static void test_failing_is_one_statement(void **state)
{
	struct error error = { .system_error = 5 };

	(void)state;
	assert_false(error_set(&error, ERROR_REFUSED, "no '%s'", "x"));
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_int_equal(error.system_error, 0);
	assert_string_equal(error.message, "no 'x'");
	assert_false(error_set(NULL, ERROR_REFUSED, "no"));
	assert_false(error_set_errno(NULL, "no"));
	assert_false(error_prefix(NULL, "no"));
	error_clear(&error);
	assert_int_equal(error.code, ERROR_NONE);
	assert_string_equal(error.message, "");
	error_clear(NULL);
}

static void test_errno_is_kept_and_spelled_out(void **state)
{
	struct error error;

	(void)state;
	errno = ENOENT;
	assert_false(error_set_errno(&error, "cannot open '%s'", "f"));
	assert_int_equal(error.code, ERROR_SYSTEM);
	assert_int_equal(error.system_error, ENOENT);
	assert_string_equal(
		error.message, "cannot open 'f': No such file or directory");
}

static void test_a_prefix_keeps_code_and_message(void **state)
{
	struct error error;

	(void)state;
	errno = EACCES;
	(void)error_set_errno(&error, "cannot read");
	assert_false(error_prefix(&error, "account %d", 3));
	assert_int_equal(error.code, ERROR_SYSTEM);
	assert_int_equal(error.system_error, EACCES);
	assert_string_equal(
		error.message, "account 3: cannot read: Permission denied");
}

static void test_no_control_character_reaches_a_terminal(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} CASES[] = {
		{ "a\033[2Jb\r\n\tc", "a?[2Jb???c" }, { "\x7f", "?" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xe2\x82\xac \xf0\x9f\x93\xac",
			"\xe2\x82\xac \xf0\x9f\x93\xac" },
		{ "\xc2\x9b"
		  "31m",
			"??31m" }, /* C1 CSI in UTF-8 */
		{ "\x9b"
		  "31m",
			"?31m" },                           /* in Latin-1 */
		{ "\xff\xfe", "??" }, { "\xe2\x82", "??" }, /* cut */
		{ "\xc0\xaf \xed\xa0\x80", "?? ???" }, /* overlong, surrogate */
	};
	struct error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		(void)error_set(&error, ERROR_PROTOCOL, "%s", CASES[i].text);
		assert_string_equal(error.message, CASES[i].message);
		(void)error_set(&error, ERROR_PROTOCOL, "x");
		(void)error_prefix(&error, "%s", CASES[i].text);
		assert_memory_equal(error.message, CASES[i].message,
			strlen(CASES[i].message));
	}
}

static void test_long_messages_are_cut_to_whole_characters(void **state)
{
	char text[3000];
	struct error error;

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', sizeof(text));
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 1] = '\0';
		(void)error_set(&error, ERROR_LIMIT, "%s", text);
		assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
		assert_true(text_is_utf8(error.message, strlen(error.message)));
		(void)error_prefix(&error, "%s", text);
		assert_true(text_is_utf8(error.message, strlen(error.message)));
	}
}

static void test_every_code_has_a_name(void **state)
{
	(void)state;
	for (unsigned code = ERROR_NONE; code <= ERROR_STOPPED; code++)
		assert_true(strlen(error_code_name((enum error_code)code)) > 0);
	assert_string_equal(error_code_name(ERROR_AUTH), "auth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failing_is_one_statement),
		cmocka_unit_test(test_errno_is_kept_and_spelled_out),
		cmocka_unit_test(test_a_prefix_keeps_code_and_message),
		cmocka_unit_test(test_no_control_character_reaches_a_terminal),
		cmocka_unit_test(
			test_long_messages_are_cut_to_whole_characters),
		cmocka_unit_test(test_every_code_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
