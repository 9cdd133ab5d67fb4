/* What power, disks and cosmic rays do to the state: the worst is an error. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/number.h"
#include "state_sample.h"
#include "store/state_internal.h"

#define KILL_COUNT   50
#define KILL_PAIRS   40
#define FLIP_COUNT   300
#define FLIP_PAIRS   150
#define SMALL_MAP    ((size_t)1024 * 1024)
#define WAIT_SECONDS 60

/* kill -9 */

static void put_round(struct state *state, struct arena *arena, uint64_t round)
{
	uint8_t data[8];

	for (uint64_t mid = 1; mid <= KILL_PAIRS; mid++) {
		struct pair pair = sample_settled(arena, mid);

		pair.remote.modseq = round;
		state_pair_put(state, &pair);
	}
	number_write_be64(data, round);
	state_meta_put(state, "round", data, sizeof(data));
	arena_reset(arena);
}

/* Commits rounds, and tells each one, until it is killed. */
static void write_for_ever(const char *path, int fd, uint64_t round)
{
	struct state *state = state_open(path, NULL);
	struct arena arena = { 0 };

	alarm(WAIT_SECONDS);
	while (state != NULL && state_begin(state, NULL)) {
		put_round(state, &arena, ++round);
		if (!state_commit(state, NULL) ||
			write(fd, &round, sizeof(round)) != sizeof(round))
			break;
	}
	_exit(1);
}

static uint64_t last_told(int fd, uint64_t round)
{
	uint64_t told;

	while (read(fd, &told, sizeof(told)) == sizeof(told))
		round = told;
	return round;
}

/* Returns the last round the child said it had committed. */
static uint64_t write_until_killed(
	const char *path, uint64_t round, long delay_us)
{
	struct timespec delay = { 0, delay_us * 1000 };
	int fds[2];
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		close(fds[0]);
		write_for_ever(path, fds[1], round);
	}
	close(fds[1]);
	(void)nanosleep(&delay, NULL);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	round = last_told(fds[0], round);
	close(fds[0]);
	return round;
}

/* All of one round, and none older than what was told. */
static uint64_t check_round(const char *path, uint64_t told)
{
	struct state *state = sample_open(path);
	struct arena arena = { 0 };
	const uint8_t *data;
	size_t size;
	uint64_t round = 0;
	struct pair pair;

	sample_check(state);
	if (state_meta_get(state, "round", &arena, &data, &size))
		round = number_read_be64(data);
	assert_true(round >= told);
	for (uint64_t mid = 1; round > 0 && mid <= KILL_PAIRS; mid++) {
		assert_true(state_pair_get(state, mid, &arena, &pair));
		assert_true(pair.remote.modseq == round);
	}
	state_close(state);
	arena_finish(&arena);
	return round;
}

static void test_killed_at_any_moment_whole_rounds_are_kept(void **fixture)
{
	struct sample_random random = { 21 };
	char *path = sample_path();
	uint64_t round = 0;

	(void)fixture;
	for (unsigned i = 0; i < KILL_COUNT; i++) {
		long delay_us = (long)sample_below(&random, 40000);

		round = write_until_killed(path, round, delay_us);
		round = check_round(path, round);
	}
	assert_true(round > 0);
	sample_remove(path);
}

/* Flipped bits */

static uint8_t *read_file(const char *path, size_t *size_out)
{
	int fd = open(path, O_RDONLY);
	struct stat status;
	uint8_t *data;

	assert_int_equal(fstat(fd, &status), 0);
	*size_out = (size_t)status.st_size;
	data = alloc(*size_out, 1);
	assert_int_equal(read(fd, data, *size_out), *size_out);
	close(fd);
	return data;
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

enum verdict {
	SAME,
	FOUND,
	WRONG, /* and nobody said so */
};

static bool all_are_same(struct state *state, struct arena *arena)
{
	struct uid_set uids = { 0 };
	struct pair read;

	state_folder_uids(state, 1, &uids);
	if (uid_set_count(&uids) != FLIP_PAIRS ||
		state_folder_local_count(state, 1) != FLIP_PAIRS ||
		state_unsettled_count(state) != 0)
		return false;
	for (uint64_t mid = 1; mid <= FLIP_PAIRS; mid++) {
		struct pair pair = sample_settled(arena, mid);

		if (!state_pair_get(state, mid, arena, &read) ||
			!sample_pairs_equal(&pair, &read) ||
			!state_pair_by_uid(
				state, 1, (uint32_t)mid, arena, &read) ||
			read.mid != mid ||
			!state_pair_by_unique(
				state, 1, pair.local.name, arena, &read) ||
			read.mid != mid ||
			!state_pair_by_inode(state, pair.local.device,
				pair.local.inode, arena, &read) ||
			read.mid != mid)
			return false;
	}
	return true;
}

static enum verdict judge(const char *path)
{
	struct arena arena = { 0 };
	struct state *state = state_open(path, NULL);
	bool is_same;

	if (state == NULL)
		return FOUND;
	if (!state_check(state, NULL))
		return FOUND;
	is_same = all_are_same(state, &arena);
	if (state_read_error(state, NULL))
		return FOUND;
	return is_same ? SAME : WRONG;
}

/* A crash must end the child, not go on with cmocka's next test there. */
static void die_quietly(void)
{
	static const int SIGNALS[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
		SIGILL };
	struct rlimit no_core = { 0, 0 };
	int null = open("/dev/null", O_WRONLY);

	for (size_t i = 0; i < ARRAY_LENGTH(SIGNALS); i++)
		(void)signal(SIGNALS[i], SIG_DFL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)dup2(null, STDERR_FILENO);
	(void)alarm(WAIT_SECONDS);
}

/* In a child: LMDB trusts its pages and may crash. */
static enum verdict judge_apart(const char *path)
{
	pid_t child = fork();
	int status;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		die_quietly();
		_exit((int)judge(path));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status))
		return FOUND;
	/* AddressSanitizer ends a crashed program with 1: FOUND. */
	return (enum verdict)WEXITSTATUS(status);
}

static char *make_pairs(uint64_t count)
{
	char *path = sample_path();
	struct state *state = sample_open(path);
	struct arena arena = { 0 };

	sample_begin(state);
	for (uint64_t mid = 1; mid <= count; mid++) {
		struct pair pair = sample_settled(&arena, mid);

		state_pair_put(state, &pair);
	}
	sample_commit(state);
	state_close(state);
	arena_finish(&arena);
	return path;
}

/* Not in LMDB's two first pages, which say what was committed last: there a
   flip can also undo the last commit, as if it had never been made. */
static void test_a_flipped_bit_is_found_or_harmless(void **fixture)
{
	struct sample_random random = { 22 };
	char *path = make_pairs(FLIP_PAIRS);
	size_t size;
	uint8_t *data = read_file(path, &size);
	size_t start = 2 * (size_t)sysconf(_SC_PAGESIZE);
	unsigned found_count = 0;

	(void)fixture;
	assert_int_equal(judge_apart(path), SAME);
	for (unsigned i = 0; i < FLIP_COUNT; i++) {
		uint64_t position =
			start * 8 + sample_below(&random, (size - start) * 8);
		uint8_t bit = (uint8_t)(1 << position % 8);
		enum verdict verdict;

		data[position / 8] ^= bit;
		write_file(path, data, size);
		verdict = judge_apart(path);
		if (verdict == WRONG)
			fail_msg("bit %llu", (unsigned long long)position);
		found_count += verdict == FOUND;
		data[position / 8] ^= bit;
	}
	assert_in_range(found_count, 10, FLIP_COUNT);
	free(data);
	sample_remove(path);
}

static void test_a_truncated_file_is_found_without_a_crash(void **fixture)
{
	char *path = make_pairs(FLIP_PAIRS);
	size_t size;
	uint8_t *data = read_file(path, &size);

	(void)fixture;
	for (size_t kept = size / 4096 - 1; kept >= 2; kept--) {
		struct error error = { 0 };
		struct state *state;
		bool is_good;

		write_file(path, data, kept * 4096);
		state = state_open(path, &error);
		if (state == NULL)
			continue;
		is_good = state_check(state, &error);
		state_close(state);
		/* The last pages may be free ones. */
		assert_true(!is_good || kept * 2 > size / 4096);
	}
	free(data);
	sample_remove(path);
}

/* No room */

static struct state *open_sized(const char *path, size_t size)
{
	struct error error = { 0 };
	struct state *state = state_open_sized(path, size, &error);

	if (state == NULL)
		fail_msg("%s", error.message);
	return state;
}

static void put_pairs(
	struct state *state, struct arena *arena, uint64_t first, uint64_t last)
{
	for (uint64_t mid = first; mid <= last; mid++) {
		struct pair pair = sample_settled(arena, mid);

		state_pair_put(state, &pair);
		arena_reset(arena);
	}
}

static void test_the_map_grows_before_it_is_full(void **fixture)
{
	char *path = sample_path();
	struct state *state = open_sized(path, SMALL_MAP);
	struct arena arena = { 0 };
	struct pair pair;

	(void)fixture;
	for (uint64_t batch = 0; batch < 100; batch++) {
		sample_begin(state);
		put_pairs(state, &arena, batch * 200 + 1, batch * 200 + 200);
		sample_commit(state);
		assert_true(state_pair_get(state, 1, &arena, &pair));
	}
	sample_check(state);
	assert_int_equal(state_folder_remote_count(state, 1), 20000);
	state_close(state);
	sample_remove(path);
	arena_finish(&arena);
}

static void test_what_does_not_fit_fails_and_fits_later(void **fixture)
{
	char *path = sample_path();
	struct state *state = open_sized(path, SMALL_MAP);
	struct arena arena = { 0 };
	unsigned failure_count = 0;

	(void)fixture;
	sample_begin(state);
	put_pairs(state, &arena, 1, 10);
	sample_commit(state);
	for (;;) {
		struct error error = { 0 };

		sample_begin(state);
		put_pairs(state, &arena, 11, 20000);
		if (state_commit(state, &error))
			break;
		assert_int_equal(error.code, ERROR_SYSTEM);
		assert_true(state_read_error(state, NULL));
		assert_int_equal(state_folder_remote_count(state, 1), 10);
		sample_check(state);
		assert_in_range(++failure_count, 1, 10);
	}
	assert_true(failure_count > 0);
	sample_check(state);
	assert_int_equal(state_folder_remote_count(state, 1), 20000);
	state_close(state);
	sample_remove(path);
	arena_finish(&arena);
}

/* Files cannot grow beyond `size`, as on a full disk. */
static void limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_after_a_failed_commit_only_reopening_helps(void **fixture)
{
	char *path = make_pairs(FLIP_PAIRS);
	struct state *state = sample_open(path);
	struct arena arena = { 0 };
	struct error error = { 0 };
	struct stat status;
	struct pair pair;

	(void)fixture;
	assert_int_equal(stat(path, &status), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	limit_files((rlim_t)status.st_size);
	sample_begin(state);
	put_pairs(state, &arena, FLIP_PAIRS + 1, FLIP_PAIRS + 2000);
	assert_false(state_commit(state, &error));
	assert_int_equal(error.code, ERROR_SYSTEM);
	assert_false(state_begin(state, &error));
	assert_false(state_pair_get(state, 1, &arena, &pair));
	assert_true(state_read_error(state, &error));
	assert_non_null(strstr(error.message, "after a failed commit"));
	state_close(state);
	limit_files(RLIM_INFINITY);

	state = sample_open(path);
	sample_check(state);
	assert_int_equal(state_folder_remote_count(state, 1), FLIP_PAIRS);
	sample_begin(state);
	put_pairs(state, &arena, FLIP_PAIRS + 1, FLIP_PAIRS + 2000);
	sample_commit(state);
	sample_check(state);
	state_close(state);
	sample_remove(path);
	arena_finish(&arena);
}

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

static void limit_addresses(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static void test_little_address_space_gives_a_smaller_map(void **fixture)
{
	char *path;
	struct state *state;
	struct arena arena = { 0 };

	(void)fixture;
#ifdef HAS_SANITIZER
	print_message("skipped: the sanitizer needs the address space\n");
	skip();
#endif
	path = sample_path();
	limit_addresses((rlim_t)256 * 1024 * 1024);
	state = sample_open(path);
	sample_begin(state);
	put_pairs(state, &arena, 1, 1000);
	sample_commit(state);
	sample_check(state);
	state_close(state);
	limit_addresses(RLIM_INFINITY);
	sample_remove(path);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_killed_at_any_moment_whole_rounds_are_kept),
		cmocka_unit_test(test_a_flipped_bit_is_found_or_harmless),
		cmocka_unit_test(
			test_a_truncated_file_is_found_without_a_crash),
		cmocka_unit_test(test_the_map_grows_before_it_is_full),
		cmocka_unit_test(test_what_does_not_fit_fails_and_fits_later),
		cmocka_unit_test(
			test_after_a_failed_commit_only_reopening_helps),
		cmocka_unit_test(test_little_address_space_gives_a_smaller_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
