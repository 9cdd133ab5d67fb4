/* A server that goes on and on without an answer, on a clock that runs a
   thousand times as fast. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"
#include "remote_fixture.h"
#include "remote_scene.h"
#include "syncd/worker/clock.h"

#define SPEED    1000
#define PAUSE_US 15000 /* a quarter of a minute, as Dovecot pauses */

/* A clock of our own: the linker takes it in place of clock.c. */
static uint64_t fast_since_ms; /* 0 = not yet */

static uint64_t real_ms(void)
{
	struct timespec time;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &time), 0);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t clock_now_ms(void)
{
	uint64_t now_ms = real_ms();

	return fast_since_ms == 0
		? now_ms
		: fast_since_ms + (now_ms - fast_since_ms) * SPEED;
}

uint64_t clock_suspended_ms(void)
{
	return 0;
}

int64_t clock_wall_seconds(void)
{
	return 0;
}

void random_bytes(void *data, size_t size)
{
	memset(data, 7, size);
}

/* ---- The server ---- */

struct drip {
	const char *piece;
	unsigned count; /* then the answer */
};

static bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) ==
		(ssize_t)strlen(text);
}

static bool read_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && read(fd, &line[used], 1) == 1)
		if (line[used++] == '\n') {
			line[used] = '\0';
			return true;
		}
	return false;
}

static bool answer(int fd, char *line, const struct drip *drip)
{
	char tagged[100];

	if (strstr(line, " SELECT ") != NULL) {
		for (unsigned i = 0; i < drip->count; i++) {
			if (!say(fd, drip->piece))
				return false;
			usleep(PAUSE_US);
		}
		(void)say(fd, SELECTED(""));
	}
	(void)snprintf(tagged, sizeof(tagged), "%.*s OK\r\n",
		(int)strcspn(line, " "), line);
	return say(fd, tagged);
}

static void serve(int fd, void *data)
{
	char line[1000];

	if (!say(fd, "* OK [CAPABILITY IMAP4rev1] hi\r\n"))
		return;
	while (read_line(fd, line, sizeof(line)))
		if (!answer(fd, line, data))
			return;
}

static bool select_from(struct drip *drip, struct error *error)
{
	struct fixture fixture;
	struct peer peer;
	struct remote *remote;
	bool is_done;

	fast_since_ms = 0;
	peer_init(&peer, serve, drip);
	fixture_init(&fixture, peer.port);
	remote = fixture_open(&fixture);
	fast_since_ms = real_ms();
	is_done = remote_select(remote, "box", 7, error);
	fast_since_ms = 0;
	remote_close(remote);
	fixture_finish(&fixture);
	peer_finish(&peer);
	return is_done;
}

/* ---- Tests ---- */

static void test_a_line_without_an_end_ends_after_an_hour(void **state)
{
	struct drip drip = { "x", 1000000 };
	struct error error = { 0 };

	(void)state;
	assert_false(select_from(&drip, &error));
	assert_int_equal(error.code, ERROR_DISCONNECTED);
	assert_non_null(strstr(error.message, "too slow: "));
	assert_non_null(strstr(error.message, "no answer in 3600 s"));
}

static void test_lines_without_an_answer_end_after_an_hour(void **state)
{
	struct drip drip = { "* OK Hang in there..\r\n", 1000000 };
	struct error error = { 0 };

	(void)state;
	assert_false(select_from(&drip, &error));
	assert_non_null(strstr(error.message, "no answer in 3600 s"));
}

static void test_a_server_at_work_for_half_an_hour_is_waited_for(void **state)
{
	struct drip drip = { "* OK Hang in there..\r\n", 100 };
	struct error error = { 0 };

	(void)state;
	expect(select_from(&drip, &error), &error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_without_an_end_ends_after_an_hour),
		cmocka_unit_test(
			test_lines_without_an_answer_end_after_an_hour),
		cmocka_unit_test(
			test_a_server_at_work_for_half_an_hour_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
