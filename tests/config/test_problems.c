#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/config.h"
#include "tests/config/problem_cases.h"

static char *explain(const char *yaml, size_t size, uint32_t mode)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	struct buf text = { 0 };

	if (config_parse("f.yaml", mode, (const uint8_t *)yaml, size, &config,
		    &problems))
		buf_add_text(&text, "good");
	config_problems_write(&problems, &text);
	config_problems_finish(&problems);
	config_free(config);
	buf_add_byte(&text, '\0');
	return buf_steal(&text);
}

static void check(const char *yaml, uint32_t mode, const char *expected)
{
	char *text = explain(yaml, strlen(yaml), mode);

	assert_string_equal(text, expected);
	free(text);
}

static void check_cases(const struct problem_case *cases)
{
	for (; cases->what != NULL; cases++) {
		print_message("%s\n", cases->what);
		check(cases->yaml, 0600, cases->expected);
	}
}

static void test_every_problem_is_explained_to_the_letter(void **state)
{
	(void)state;
	check_cases(PROBLEM_CASES_KEYS);
	check_cases(PROBLEM_CASES_VALUES);
	check_cases(PROBLEM_CASES_YAML);
	check_cases(PROBLEM_CASES_SENSE);
}

#define WITH_PASSWORD                                                          \
	"accounts:\n  a:\n    host: h\n    user: u\n    maildir: /m\n"         \
	"    password: hunter2\n"

static void test_a_password_needs_a_private_file(void **state)
{
	static const char EXPECTED[] =
		"f.yaml:6:15: a password in a file that others can read: chmod "
		"600 it, or use 'password_command'\n"
		"    password: ***\n"
		"              ^\n";

	(void)state;
	check(WITH_PASSWORD, 0600, "good");
	check(WITH_PASSWORD, 0700, "good");
	check(WITH_PASSWORD, 0640, EXPECTED);
	check(WITH_PASSWORD, 0604, EXPECTED);
	check("defaults:\n  tls: implicit\n" WITH_PASSWORD, 0600, "good");
}

/* Each yaml holds "hunter2" in a place where a password may be, and something
   wrong near it. */
static void test_no_problem_shows_a_password(void **state)
{
	static const char *const CASES[] = {
		WITH_PASSWORD "    password: hunter2\n",
		WITH_PASSWORD "    nonsense: 1\n",
		"accounts:\n  a:\n    password: [hunter2]\n",
		"accounts:\n  a:\n    password: {hunter2: x, hunter2: y}\n",
		"accounts:\n  a:\n    password: {<<: hunter2}\n",
		"accounts:\n  a:\n    password: 'hunter2\n",
		"accounts:\n  a:\n    password: \"hunter2\\x\"\n",
		"accounts:\n  a:\n    password: \"hun\nhunter2: x\n",
		"accounts:\n  a:\n    password: hunter2: x\n",
		"accounts:\n  a:\n    password: @hunter2\n",
		"accounts:\n  a:\n    password: *hunter2\n",
		"accounts:\n  a:\n    password: &hunter2 x\n",
		"accounts:\n  a:\n    password: !hunter2 x\n",
		"accounts:\n  a:\n    password: %hunter2\n",
		"accounts:\n  a:\n    password: \"hunter2\\0\"\n",
		"accounts:\n  a:\n    password: hunter2\x01\n",
		"accounts:\n  a:\n    password:\n      hunter2: x\n",
		"accounts:\n  a:\n    password: |\n      hunter2\n    x\n",
		"accounts:\n  a:\n    password: |\n      hunter2\n\thunter2\n",
		"accounts:\n  a: {password: hunter2, host\n",
		"accounts:\n  a: {password:\nhunter2: x}\n",
		"accounts:\n  a: {password: hunter2\nhunter2: : x}\n",
		"accounts:\n  a:\n    ? password\n    : hunter2: x\n",
		"accounts:\n  a:\n    \"password\": hunter2: x\n",
		"accounts:\n  a:\n    password : hunter2: x\n",
		"accounts:\n  a:\n    password hunter2\n    x: y\n",
		"accounts:\n  a:\n    password=hunter2\n    x: y\n",
		"accounts:\n  a:\n    pasword: hunter2\n",
		"accounts:\n  a:\n    Password: hunter2\n",
		"accounts:\n  a:\n    passwd: hunter2\n",
		"accounts:\n  a:\n    pass: hunter2\n",
		"accounts:\n  a:\n    pw: hunter2\n",
		"accounts:\n  a:\n    apsswrod: hunter2\n",
		"accounts:\n  a:\n    token: hunter2\n",
		"accounts:\n  a:\n    secret: hunter2\n",
		"accounts:\n\ta:\n\t\tpassword: |\n\t\t\thunter2\n",
		"password: hunter2\n",
		"- password: hunter2: x\n",
		"accounts:\n  a: {password:\"hunter2\", x: y}\n",
		"accounts:\n  a:\n    password:hunter2: x\n",
		"accounts:\n  a:\n    password=hunter2: x\n",
		"accounts:\n  a:\n    password: |\n    {hunter2\n",
		"accounts:\n  a:\n    password: |\n\nhunter2\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		char *text = explain(CASES[i], strlen(CASES[i]), 0644);

		if (strstr(text, "hunter2") != NULL)
			print_message("%s", text);
		assert_null(strstr(text, "hunter2"));
		assert_string_not_equal(text, "good");
		free(text);
	}
}

static void test_a_file_that_is_too_long_is_not_read(void **state)
{
	size_t size = CONFIG_FILE_SIZE_MAX + 1;
	char *yaml = alloc(size, 1);
	char *text;

	(void)state;
	memset(yaml, '#', size);
	text = explain(yaml, size, 0600);
	assert_string_equal(text, "f.yaml: the file is larger than 1 MiB\n");
	free(text);
	text = explain(yaml, size - 1, 0600);
	assert_string_equal(
		text, "f.yaml: the file is empty: it needs 'accounts'\n");
	free(text);
	free(yaml);
}

static void test_many_problems_are_counted(void **state)
{
	struct buf yaml = { 0 };
	char *text;

	(void)state;
	for (unsigned i = 0; i < CONFIG_PROBLEM_COUNT_MAX + 22; i++)
		buf_add_format(&yaml, "zzz%u: 1\n", i);
	text = explain(buf_text(&yaml), yaml.size, 0600);
	assert_non_null(strstr(text, "f.yaml:100:1: unknown key 'zzz99'\n"));
	assert_null(strstr(text, "f.yaml:101:1"));
	assert_non_null(strstr(text, "f.yaml: 23 more problems\n"));
	free(text);
	buf_finish(&yaml);
}

static void test_long_values_lists_and_files_meet_limits(void **state)
{
	struct buf yaml = { 0 };
	char *text;

	(void)state;
	buf_add_text(&yaml, "accounts:\n  a:\n    tunnel: ");
	for (unsigned i = 0; i <= CONFIG_TEXT_SIZE_MAX; i++)
		buf_add_byte(&yaml, 'x');
	buf_add_text(&yaml, "\n    disable: [");
	for (unsigned i = 0; i <= CONFIG_LIST_COUNT_MAX; i++)
		buf_add_text(&yaml, "X, ");
	buf_add_text(&yaml, "]\n    maildir: /m\n");
	text = explain(buf_text(&yaml), yaml.size, 0600);
	assert_non_null(strstr(text, ":3:13: 'tunnel' is too long\n"));
	assert_non_null(strstr(text, ":4:14: 'disable' has too many values\n"));
	free(text);

	buf_clear(&yaml);
	for (unsigned i = 0; i < 60000; i++)
		buf_add_text(&yaml, "- x\n");
	text = explain(buf_text(&yaml), yaml.size, 0600);
	assert_non_null(strstr(text, ": more than 50000 values\n"));
	free(text);

	buf_clear(&yaml);
	buf_add_text(&yaml, "accounts:\n");
	for (unsigned i = 0; i <= CONFIG_ACCOUNT_COUNT_MAX; i++)
		buf_add_format(&yaml, "  a%u: {maildir: /m%u}\n", i, i);
	text = explain(buf_text(&yaml), yaml.size, 0600);
	assert_non_null(strstr(text, ":2:3: too many accounts\n"));
	free(text);
	buf_finish(&yaml);
}

static void test_a_file_that_cannot_be_read(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	struct buf text = { 0 };

	(void)state;
	assert_false(
		config_load("/nonexistent/x\033.yaml", &config, &problems));
	config_problems_write(&problems, &text);
	assert_string_equal(buf_text(&text),
		"/nonexistent/x?.yaml: cannot read the configuration: No such "
		"file or directory\n");
	assert_null(config);
	config_problems_finish(&problems);
	buf_finish(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_problem_is_explained_to_the_letter),
		cmocka_unit_test(test_a_password_needs_a_private_file),
		cmocka_unit_test(test_no_problem_shows_a_password),
		cmocka_unit_test(test_a_file_that_is_too_long_is_not_read),
		cmocka_unit_test(test_many_problems_are_counted),
		cmocka_unit_test(test_long_values_lists_and_files_meet_limits),
		cmocka_unit_test(test_a_file_that_cannot_be_read),
	};

	setenv("HOME", "/home/user", 1);
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
