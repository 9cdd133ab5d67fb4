#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "config/mask.h"

/* Every hidden part of `text` as "***". */
static void check(const char *text, const char *expected)
{
	struct source source = { text, strlen(text) };
	struct source_line line;
	struct mask mask = { 0 };
	struct buf shown = { 0 };

	while (source_next(&source, &line)) {
		size_t size = mask_line(&mask, &line);

		buf_add(&shown, line.text, size);
		if (size < line.size)
			buf_add_text(&shown, "***");
		buf_add_byte(&shown, '\n');
	}
	assert_string_equal(buf_text(&shown), expected);
	buf_finish(&shown);
}

static void test_what_follows_a_password_is_hidden(void **state)
{
	static const char *const CASES[][2] = {
		{ "a: b\n", "a: b\n" },
		{ "password: x\nuser: y\n", "password:***\nuser: y\n" },
		{ "  password: x\n  user: y\n", "  password:***\n  user: y\n" },
		{ "  password: x\n   y\n  u: z\n",
			"  password:***\n***\n  u: z\n" },
		{ " password: |\n  x\n\n  y\n u: z\n",
			" password:***\n***\n\n***\n u: z\n" },
		{ " password: \"x\ny\nz\"\n u: z\n",
			" password:***\n***\n***\n u: z\n" },
		{ " password: 'it''s\ny'\n u: z\n",
			" password:***\n***\n u: z\n" },
		{ " password: don't\n u: z\n", " password:***\n u: z\n" },
		{ " password:\nx\n u: z\n", " password:\n***\n u: z\n" },
		{ " ? password\n : x\n u: z\n", " ? password\n***\n u: z\n" },
		{ "a: {password: x,\ny: z}\nu: v\n",
			"a: {password:***\n***\nu: v\n" },
		{ "a: {password: x}\nu: v\n", "a: {password:***\nu: v\n" },
		{ " passwd: x\n u: z\n", " passwd:***\n u: z\n" },
		{ "  compass:\n    host: h\n", "  compass:\n    host: h\n" },
		{ "password_command: pass x\nu: z\n",
			"password_command: pass***\nu: z\n" },
		{ "password_command: gpg x\nu: z\n",
			"password_command: gpg x\nu: z\n" },
		{ "password_file: ~/f\ntoken_command: t\n",
			"password_file: ~/f\ntoken_command: t\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		check(CASES[i][0], CASES[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_follows_a_password_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
