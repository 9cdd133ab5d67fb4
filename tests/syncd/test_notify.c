#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/log.h"
#include "syncd/notify.h"

static int listen_at(const char *name, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, size);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (const struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				size)),
		0);
	return fd;
}

static void expect_datagram(int fd, const char *expected)
{
	char text[512] = "";

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, expected);
}

static void test_both_kinds_of_addresses_are_told(void **state)
{
	char directory[] = "/tmp/mailtwin-notify-XXXXXX";
	char *names[2];

	(void)state;
	assert_non_null(mkdtemp(directory));
	names[0] = alloc_format("%s/socket", directory);
	names[1] = alloc_format("@%s", directory + 5);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		int fd = listen_at(names[i], strlen(names[i]));

		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		notify_send("READY=1\nSTATUS=%d accounts", 3);
		expect_datagram(fd, "READY=1\nSTATUS=3 accounts");
		close(fd);
		/* Nobody listens any more. */
		notify_send("READY=1");
	}
	assert_int_equal(unlink(names[0]), 0);
	assert_int_equal(rmdir(directory), 0);
	free(names[0]);
	free(names[1]);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	notify_send("READY=1");
}

static void test_the_watchdog_is_fed_twice_as_often(void **state)
{
	char own[32], other[32];

	(void)state;
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	(void)snprintf(other, sizeof(other), "%d", (int)getppid());
	assert_int_equal(notify_watchdog_ms(), 0);
	assert_int_equal(setenv("WATCHDOG_USEC", "120000000", 1), 0);
	assert_int_equal(notify_watchdog_ms(), 60000);
	assert_int_equal(setenv("WATCHDOG_PID", own, 1), 0);
	assert_int_equal(notify_watchdog_ms(), 60000);
	assert_int_equal(setenv("WATCHDOG_PID", other, 1), 0);
	assert_int_equal(notify_watchdog_ms(), 0);
	assert_int_equal(unsetenv("WATCHDOG_PID"), 0);
	assert_int_equal(setenv("WATCHDOG_USEC", "soon", 1), 0);
	assert_int_equal(notify_watchdog_ms(), 0);
}

/* ---- The log ---- */

static int log_pipe[2];

static void expect_log(const char *expected)
{
	char text[LOG_LINE_SIZE * 2] = "";

	assert_true(read(log_pipe[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, expected);
}

static void test_log_lines_are_one_line_each(void **state)
{
	int before = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(log_pipe), 0);
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_int_equal(dup2(log_pipe[1], STDERR_FILENO), STDERR_FILENO);
	log_open(false, LOG_INFO);
	log_write(LOG_DEBUG, "not wanted");
	log_write(LOG_ERROR, "two\nlines\033[2J");
	expect_log("mailtwin: two?lines?[2J\n");
	log_account(4, "home", "careful");
	expect_log("mailtwin: warning: home: careful\n");
	log_account(-7, "home", "unheard-of level");
	expect_log("mailtwin: home: unheard-of level\n");
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
}

static void test_the_journal_gets_priorities(void **state)
{
	int before = dup(STDERR_FILENO);
	struct stat status;
	char *stream;

	(void)state;
	assert_int_equal(fstat(log_pipe[1], &status), 0);
	stream = alloc_format(
		"%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	assert_int_equal(dup2(log_pipe[1], STDERR_FILENO), STDERR_FILENO);
	log_open(true, LOG_INFO);
	log_write(LOG_WARNING, "careful");
	expect_log("<4>careful\n");
	/* Another stream: not for us. */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	log_open(false, LOG_INFO);
	log_write(LOG_INFO, "plain");
	expect_log("mailtwin: plain\n");
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_kinds_of_addresses_are_told),
		cmocka_unit_test(test_the_watchdog_is_fed_twice_as_often),
		cmocka_unit_test(test_log_lines_are_one_line_each),
		cmocka_unit_test(test_the_journal_gets_priorities),
	};

	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
