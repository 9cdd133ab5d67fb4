#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/secret.h"
#include "syncd/worker/clock.h"

struct answer {
	bool is_there;
	int count;
	char *text; /* NULL = an error */
	struct error error;
};

static void done(void *data, const char *text, const struct error *error)
{
	struct answer *answer = data;

	answer->is_there = true;
	answer->count++;
	answer->text = text == NULL ? NULL : alloc_text(text);
	answer->error = *error;
}

/* `timeout_ms` 0 = as it is. */
static struct answer ask(
	const struct config_account *account, uint64_t timeout_ms)
{
	struct error error = { 0 };
	struct loop *loop = loop_new(&error);
	struct answer answer = { 0 };
	struct secret *secret = secret_ask(loop, account, done, &answer);

	/* Never from within. */
	assert_false(answer.is_there);
	if (timeout_ms > 0)
		secret_set_timeout(secret, timeout_ms);
	assert_int_equal(
		loop_run_until(loop, &answer.is_there, clock_now_ms() + 20000),
		LOOP_DONE);
	for (int i = 0; i < 3; i++)
		(void)loop_run_once(loop, 0);
	assert_int_equal(answer.count, 1);
	secret_free(secret);
	loop_free(loop);
	return answer;
}

static struct answer ask_command(const char *command)
{
	struct config_account account = { .password_command = command };

	return ask(&account, 0);
}

static void expect_text(struct answer answer, const char *text)
{
	if (answer.text == NULL)
		fail_msg("'%s' in place of a text", answer.error.message);
	assert_string_equal(answer.text, text);
	free(answer.text);
}

static void expect_error(struct answer answer, const char *part)
{
	assert_null(answer.text);
	assert_int_not_equal(answer.error.code, ERROR_NONE);
	if (strstr(answer.error.message, part) == NULL)
		fail_msg("'%s' has no '%s'", answer.error.message, part);
	assert_null(strstr(answer.error.message, "canary"));
}

static void test_the_first_line_is_the_password(void **state)
{
	static const struct {
		const char *command, *text;
	} CASES[] = {
		{ "echo secret", "secret" },
		{ "printf secret", "secret" },
		{ "printf 'one\\r\\ntwo\\n'", "one" },
		{ "echo ' with blanks '", " with blanks " },
		{ "echo secret; yes | head -c 300000", "secret" },
		{ "echo noise >&2; echo secret", "secret" },
		{ "sleep 0.1; echo late", "late" },
		/* What an agent does: stay, and keep the pipe. */
		{ "sleep 30 & echo agent", "agent" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		expect_text(ask_command(CASES[i].command), CASES[i].text);
}

static void test_failures_say_how_and_not_what(void **state)
{
	static const struct {
		const char *command, *part;
	} CASES[] = {
		{ "echo canary; exit 3", "exit status 3" },
		{ "echo canary; kill -9 $$", "signal 9" },
		{ "true", "no text" },
		{ "echo; echo canary", "no text" },
		{ "printf 'canary\\000canary\\n'", "zero byte" },
		{ "/no/such/canary-command 2>/dev/null", "exit status 127" },
		{ "head -c 70000 /dev/zero | tr '\\000' x", "65536 octets" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		expect_error(ask_command(CASES[i].command), CASES[i].part);
}

static void test_standard_input_is_empty(void **state)
{
	(void)state;
	expect_text(ask_command("cat; echo end"), "end");
}

static void test_a_command_that_hangs_is_killed_with_its_children(void **state)
{
	char directory[] = "/tmp/mailtwin-secret-XXXXXX";
	const struct timespec pause = { .tv_sec = 1, .tv_nsec = 500000000 };
	struct config_account account = { 0 };
	char *path, *command;

	(void)state;
	assert_non_null(mkdtemp(directory));
	path = alloc_format("%s/survivor", directory);
	command = alloc_format("(sleep 1; echo x > %s) & wait", path);
	account.password_command = command;
	expect_error(ask(&account, 200), "did not end in time");
	(void)nanosleep(&pause, NULL);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(directory), 0);
	free(command);
	free(path);
}

static void test_nothing_is_kept_between_two_requests(void **state)
{
	char name[] = "/tmp/mailtwin-secret-XXXXXX";
	int fd = mkstemp(name);
	char *command;

	(void)state;
	assert_int_not_equal(fd, -1);
	close(fd);
	command = alloc_format(
		"echo x >> %s; wc -l < %s | tr -d ' '", name, name);
	expect_text(ask_command(command), "1");
	expect_text(ask_command(command), "2");
	free(command);
	(void)unlink(name);
}

static void test_a_token_command_is_run_too(void **state)
{
	struct config_account account = { .token_command = "echo token" };

	(void)state;
	expect_text(ask(&account, 0), "token");
}

static void test_the_password_of_the_configuration_is_given(void **state)
{
	struct config_account account = { .password = "plain words" };

	(void)state;
	expect_text(ask(&account, 0), "plain words");
}

static void test_no_password_is_an_error(void **state)
{
	struct config_account account = { 0 };

	(void)state;
	expect_error(ask(&account, 0), "wants a password");
}

static void test_a_password_file_is_for_the_user_alone(void **state)
{
	static const struct {
		mode_t mode;
		const char *problem; /* NULL = none */
	} CASES[] = {
		{ 0600, NULL },
		{ 0400, NULL },
		{ 0640, "others" },
		{ 0604, "others" },
		{ 0620, "others" },
	};
	char name[] = "/tmp/mailtwin-secret-XXXXXX";
	int fd = mkstemp(name);
	struct config_account account = { .password_file = name };

	(void)state;
	assert_int_equal(write(fd, "one\ntwo\n", 8), 8);
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		assert_int_equal(fchmod(fd, CASES[i].mode), 0);
		if (CASES[i].problem == NULL)
			expect_text(ask(&account, 0), "one");
		else
			expect_error(ask(&account, 0), CASES[i].problem);
	}
	close(fd);
	(void)unlink(name);
	expect_error(ask(&account, 0), "No such file");
	account.password_file = "/tmp";
	expect_error(ask(&account, 0), "no regular file");
}

static void test_freed_in_time_it_never_answers(void **state)
{
	struct config_account account = { .password_command = "sleep 0.1" };
	struct error error = { 0 };
	struct loop *loop = loop_new(&error);
	struct answer answer = { 0 };
	struct secret *secret = secret_ask(loop, &account, done, &answer);

	(void)state;
	secret_free(secret);
	(void)loop_run_once(loop, 200);
	assert_false(answer.is_there);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_line_is_the_password),
		cmocka_unit_test(test_failures_say_how_and_not_what),
		cmocka_unit_test(test_standard_input_is_empty),
		cmocka_unit_test(
			test_a_command_that_hangs_is_killed_with_its_children),
		cmocka_unit_test(test_nothing_is_kept_between_two_requests),
		cmocka_unit_test(test_a_token_command_is_run_too),
		cmocka_unit_test(
			test_the_password_of_the_configuration_is_given),
		cmocka_unit_test(test_no_password_is_an_error),
		cmocka_unit_test(test_a_password_file_is_for_the_user_alone),
		cmocka_unit_test(test_freed_in_time_it_never_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
