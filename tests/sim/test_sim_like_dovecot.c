/* The server in memory is like a real one: the same story, told to it by
   sim_story and to a private Dovecot here, is answered alike on every rung.
   More of them: test_sim_like_dovecot STORIES STEPS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/number.h"
#include "tests/sim/remote_story.h"
#include "tests/syncd/worker/dovecot.h"

#define PATH_SIZE 4096

static struct dovecot server;
static bool has_server;
static uint32_t story_count = 3, step_count = 80;

static void tell_dovecot(enum story_rung rung, uint32_t seed, struct buf *text)
{
	struct fixture fixture;
	char user[40];

	(void)snprintf(
		user, sizeof(user), "story-%u-%d", (unsigned)seed, (int)rung);
	fixture_init(&fixture, server.port);
	fixture.account.user = user;
	story_tell(&fixture, rung, seed, step_count, text);
	fixture_finish(&fixture);
}

/* It stands beside this program. */
static void find_story_teller(char path_out[PATH_SIZE])
{
	ssize_t size = readlink("/proc/self/exe", path_out, PATH_SIZE - 20);

	assert_true(size > 0);
	path_out[size] = '\0';
	(void)snprintf(strrchr(path_out, '/') + 1, 20, "sim_story");
}

static void run_story_teller(const char *path, enum story_rung rung,
	uint32_t seed, const int pipe_fds[2])
{
	char seed_text[16], rung_text[16], count_text[16];

	(void)snprintf(seed_text, sizeof(seed_text), "%u", (unsigned)seed);
	(void)snprintf(rung_text, sizeof(rung_text), "%d", (int)rung);
	(void)snprintf(
		count_text, sizeof(count_text), "%u", (unsigned)step_count);
	(void)dup2(pipe_fds[1], STDOUT_FILENO);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	(void)execl(path, path, seed_text, rung_text, count_text, (char *)NULL);
	_exit(127);
}

static void tell_sim(enum story_rung rung, uint32_t seed, struct buf *text)
{
	char path[PATH_SIZE], piece[4096];
	int pipe_fds[2], status = -1;
	ssize_t size;
	pid_t pid;

	find_story_teller(path);
	assert_int_equal(pipe(pipe_fds), 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_story_teller(path, rung, seed, pipe_fds);
	close(pipe_fds[1]);
	while ((size = read(pipe_fds[0], piece, sizeof(piece))) > 0)
		buf_add(text, piece, (size_t)size);
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s %u %d fails", path, (unsigned)seed, (int)rung);
}

/* Lines that are shown before the one that differs. */
#define SHOWN_COUNT 12

static const char *some_lines_before(const char *text, const char *line)
{
	for (unsigned count = 0; line > text && count <= SHOWN_COUNT; line--)
		if (line[-1] == '\n')
			count++;
	return line;
}

/* False, with what differs first, when something does. */
static bool is_alike(const char *dovecot, const char *sim, const char *name)
{
	const char *left = dovecot, *right = sim;

	while (*left != '\0' || *right != '\0') {
		size_t left_size = strcspn(left, "\n");
		size_t right_size = strcspn(right, "\n");
		const char *before = some_lines_before(dovecot, left);

		if (left_size != right_size ||
			memcmp(left, right, left_size) != 0) {
			print_error("%s\n%.*sdovecot: %.*s\nsim:     %.*s\n",
				name, (int)(left - before), before,
				(int)left_size, left, (int)right_size, right);
			return false;
		}
		left += left_size + (left[left_size] == '\n');
		right += right_size + (right[right_size] == '\n');
	}
	return true;
}

static void answers_are_alike(enum story_rung rung)
{
	if (!has_server) {
		print_message("no dovecot here: skipped\n");
		skip();
	}
	for (uint32_t seed = 1; seed <= story_count; seed++) {
		struct buf dovecot = { 0 }, sim = { 0 };
		char name[40];
		bool is_good;

		(void)snprintf(name, sizeof(name), "story %u, rung %d",
			(unsigned)seed, (int)rung);
		tell_dovecot(rung, seed, &dovecot);
		tell_sim(rung, seed, &sim);
		is_good = is_alike(buf_text(&dovecot), buf_text(&sim), name);
		buf_finish(&dovecot);
		buf_finish(&sim);
		assert_true(is_good);
	}
}

static void test_answers_are_alike_with_qresync(void **state)
{
	(void)state;
	answers_are_alike(STORY_QRESYNC);
}

static void test_answers_are_alike_with_condstore(void **state)
{
	(void)state;
	answers_are_alike(STORY_CONDSTORE);
}

static void test_answers_are_alike_with_plain_flags(void **state)
{
	(void)state;
	answers_are_alike(STORY_PLAIN);
}

static void test_answers_are_alike_with_nothing(void **state)
{
	(void)state;
	answers_are_alike(STORY_BARE);
}

static int start(void **state)
{
	(void)state;
	has_server = dovecot_start(&server);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	dovecot_stop(&server);
	return 0;
}

static bool read_number(const char *text, uint32_t *number_out)
{
	return number_parse_u32(text, strlen(text), number_out);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_are_alike_with_qresync),
		cmocka_unit_test(test_answers_are_alike_with_condstore),
		cmocka_unit_test(test_answers_are_alike_with_plain_flags),
		cmocka_unit_test(test_answers_are_alike_with_nothing),
	};

	if (argc == 3 &&
		(!read_number(argv[1], &story_count) ||
			!read_number(argv[2], &step_count)))
		return 64;
	return cmocka_run_group_tests(tests, start, stop);
}
