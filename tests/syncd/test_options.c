#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/options.h"

#define ARGUMENT_COUNT_MAX 8

struct line {
	const char *words[ARGUMENT_COUNT_MAX]; /* behind "mailtwin" */
	const char *problem;                   /* part of it; NULL = none */
	const char *command;
	unsigned given;
	size_t name_count;
};

static bool parse(const struct line *line, struct options *options,
	struct error *error, char **arguments)
{
	int count = 1;

	arguments[0] = alloc_text("mailtwin");
	while (line->words[count - 1] != NULL) {
		arguments[count] = alloc_text(line->words[count - 1]);
		count++;
	}
	arguments[count] = NULL;
	return options_parse(count, arguments, options, error);
}

static void forget(char **arguments)
{
	for (size_t i = 0; i < ARGUMENT_COUNT_MAX + 2; i++)
		free(arguments[i]);
}

static const struct line LINES[] = {
	{ .words = { "sync" }, .command = "sync" },
	{ .words = { "sync", "home", "work/INBOX" },
		.command = "sync",
		.name_count = 2 },
	{ .words = { "sync", "home", "--dry-run" },
		.command = "sync",
		.given = OPTION_DRY_RUN,
		.name_count = 1 },
	{ .words = { "-n", "sync" },
		.command = "sync",
		.given = OPTION_DRY_RUN },
	{ .words = { "--json", "--watch", "status" },
		.command = "status",
		.given = OPTION_JSON | OPTION_WATCH },
	{ .words = { "check", "--off" }, /* getopt completes */
		.command = "check",
		.given = OPTION_OFFLINE },
	{ .words = { "sync", "--", "--home" },
		.command = "sync",
		.name_count = 1 },
	{ .words = { "--version" }, .command = "version" },
	{ .words = { "-c", "file", "daemon" }, .command = "daemon" },
	{ .words = { NULL }, .problem = "no command given" },
	{ .words = { "snyc" }, .problem = "(did you mean 'sync'?)" },
	{ .words = { "frobnicate" }, .problem = "no command 'frobnicate'" },
	{ .words = { "sync", "--jsno" },
		.problem = "unknown option '--jsno' (did you mean '--json'?)" },
	{ .words = { "sync", "-x" }, .problem = "unknown option '-x'" },
	{ .words = { "sync", "--json" }, .problem = "'sync' takes no --json" },
	{ .words = { "daemon", "home" }, .problem = "takes no arguments" },
	{ .words = { "sync", "--config" }, .problem = "needs a value" },
	{ .words = { "sync", "--color", "blue" }, .problem = "'blue'" },
	{ .words = { "sync", "-q", "-v" }, .problem = "exclude each other" },
};

static void test_lines_are_read_as_people_mean_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++) {
		const struct line *line = &LINES[i];
		char *arguments[ARGUMENT_COUNT_MAX + 2] = { NULL };
		struct options options = { 0 };
		struct error error = { 0 };
		bool is_good = parse(line, &options, &error, arguments);

		if (is_good != (line->problem == NULL))
			fail_msg("line %zu: '%s'", i, error.message);
		if (!is_good && strstr(error.message, line->problem) == NULL)
			fail_msg("line %zu says '%s'", i, error.message);
		if (is_good) {
			assert_string_equal(
				options.command->name, line->command);
			assert_int_equal(options.given, line->given);
			assert_int_equal(options.name_count, line->name_count);
		}
		forget(arguments);
	}
}

static void test_global_options_are_kept(void **state)
{
	const struct line line = { .words = { "sync", "-v", "--color=never",
					   "--config", "here.yaml" } };
	char *arguments[ARGUMENT_COUNT_MAX + 2] = { NULL };
	struct options options = { 0 };
	struct error error = { 0 };

	(void)state;
	assert_true(parse(&line, &options, &error, arguments));
	assert_true(options.is_verbose);
	assert_int_equal(options.color, COLOR_NEVER);
	assert_string_equal(options.config_path, "here.yaml");
	forget(arguments);
}

static void test_a_failure_leaves_the_options_alone(void **state)
{
	const struct line line = { .words = { "-v", "no-such-command" } };
	char *arguments[ARGUMENT_COUNT_MAX + 2] = { NULL };
	struct options options = { .name_count = 42 };
	struct error error = { 0 };

	(void)state;
	assert_false(parse(&line, &options, &error, arguments));
	assert_int_equal(options.name_count, 42);
	assert_false(options.is_verbose);
	forget(arguments);
}

static void test_help_names_every_command_and_option(void **state)
{
	static const char *const OPTIONS[] = { "--config FILE", "--dry-run",
		"--json", "--watch", "--offline", "--color WHEN", "--quiet" };
	struct buf text = { 0 };

	(void)state;
	options_write_help(NULL, &text);
	for (size_t i = 0; COMMANDS[i].name != NULL; i++)
		assert_non_null(strstr(buf_text(&text), COMMANDS[i].summary));
	for (size_t i = 0; i < ARRAY_LENGTH(OPTIONS); i++)
		assert_non_null(strstr(buf_text(&text), OPTIONS[i]));
	buf_finish(&text);
}

static void test_help_of_a_command_has_its_options_only(void **state)
{
	struct buf text = { 0 };

	(void)state;
	options_write_help(options_find_command("sync"), &text);
	assert_non_null(strstr(buf_text(&text), "--dry-run"));
	assert_null(strstr(buf_text(&text), "--json"));
	buf_finish(&text);
}

static void test_no_color_wins_over_a_terminal_only(void **state)
{
	struct options options = { .color = COLOR_ALWAYS };

	(void)state;
	assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
	assert_true(options_has_color(&options, 1));
	options.color = COLOR_AUTO;
	assert_false(options_has_color(&options, 1));
	options.color = COLOR_NEVER;
	assert_false(options_has_color(&options, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_read_as_people_mean_them),
		cmocka_unit_test(test_global_options_are_kept),
		cmocka_unit_test(test_a_failure_leaves_the_options_alone),
		cmocka_unit_test(test_help_names_every_command_and_option),
		cmocka_unit_test(test_help_of_a_command_has_its_options_only),
		cmocka_unit_test(test_no_color_wins_over_a_terminal_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
