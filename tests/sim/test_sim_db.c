/* The simulated database answers as the real one, and keeps what it should when
   it is killed; and so does the real one. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/sim/db_story.h"
#include "tests/sim/sim_db.h"

#define STORY_COUNT 40 /* MAILTWIN_STORIES=N: so many */
#define STEP_COUNT  1500
#define KILL_COUNT  30
#define MODEL_PATH  "model"
#define COMMIT_MAX  4096

static char directory[] = "/tmp/mailtwin-sim-db-XXXXXX";
static char real_path[sizeof(directory) + 16];

/* ---- Around each test ---- */

static int make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(real_path, sizeof(real_path), "%s/state.mdb", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int remove_databases(void **state)
{
	char lock_path[sizeof(real_path) + 8];

	(void)state;
	sim_db_hook = NULL;
	for (int i = 0; i < SIM_DB_FAILURE_COUNT; i++)
		sim_db_set_failure((enum sim_db_failure)i, 0);
	sim_db_crash(false);
	sim_db_remove_all();
	(void)snprintf(lock_path, sizeof(lock_path), "%s-lock", real_path);
	(void)unlink(lock_path);
	(void)unlink(real_path);
	return 0;
}

/* ---- The same answers ---- */

static void check_answers(
	struct answers *real, struct answers *model, uint64_t seed)
{
	size_t count = real->count < model->count ? real->count : model->count;

	for (size_t i = 0; i < count; i++)
		if (real->values[i] != model->values[i])
			fail_msg("seed %llu: answer %zu of %zu is %llx, not "
				 "%llx",
				(unsigned long long)seed, i, real->count,
				(unsigned long long)model->values[i],
				(unsigned long long)real->values[i]);
	assert_int_equal(real->count, model->count);
	assert_true(real->count > 0);
	free(real->values);
	free(model->values);
	*real = *model = (struct answers){ 0 };
}

static uint64_t story_count(void)
{
	const char *text = getenv("MAILTWIN_STORIES");

	return text == NULL ? STORY_COUNT : strtoull(text, NULL, 10);
}

static void test_both_answer_alike(void **state)
{
	struct answers real = { 0 }, model = { 0 };
	uint64_t count = story_count();

	for (uint64_t seed = 1; seed <= count; seed++) {
		story_lmdb.anything(real_path, seed, STEP_COUNT, &real);
		story_sim.anything(MODEL_PATH, seed, STEP_COUNT, &model);
		check_answers(&real, &model, seed);
		/* Every third goes on with what is there. */
		if (seed % 3 != 0)
			(void)remove_databases(state);
	}
}

static void arm_nothing(void)
{
}

static unsigned arm_count;

static void arm_put(void)
{
	if (arm_count++ == 0)
		sim_db_set_failure(SIM_DB_FAIL_PUT, 20);
}

static void test_both_take_a_full_map_alike(void **state)
{
	struct answers real = { 0 }, model = { 0 };

	(void)state;
	arm_count = 0;
	story_lmdb.full(real_path, arm_nothing, &real);
	story_sim.full(MODEL_PATH, arm_put, &model);
	check_answers(&real, &model, 0);
}

static struct rlimit file_size_limit;

/* Nothing can be written any more. */
static void arm_write(void)
{
	struct rlimit none;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &file_size_limit), 0);
	none = file_size_limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
}

static void disarm_write(void)
{
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &file_size_limit), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
}

static void arm_commit(void)
{
	sim_db_set_failure(SIM_DB_FAIL_COMMIT, 1);
}

static void test_both_take_an_unwritable_disk_alike(void **state)
{
	struct answers real = { 0 }, model = { 0 };

	(void)state;
	story_lmdb.unwritable(real_path, arm_write, disarm_write, &real);
	story_sim.unwritable(MODEL_PATH, arm_commit, arm_nothing, &model);
	check_answers(&real, &model, 0);
}

/* What a failed commit has left on the disk, nobody knows. */
static void test_a_failed_commit_may_be_there_all_the_same(void **state)
{
	struct answers ignored = { 0 };
	uint64_t digests[2];

	for (int i = 0; i < 2; i++) {
		sim_db_set_failure(
			i == 0 ? SIM_DB_FAIL_COMMIT : SIM_DB_FAIL_COMMIT_KEPT,
			2);
		story_sim.unwritable(
			MODEL_PATH, arm_nothing, arm_nothing, &ignored);
		digests[i] = story_sim.digest(MODEL_PATH);
		(void)remove_databases(state);
	}
	assert_true(digests[0] != digests[1]);
	free(ignored.values);
}

static void test_a_failed_begin_fails_once(void **state)
{
	struct answers answers = { 0 };

	(void)state;
	sim_db_set_failure(SIM_DB_FAIL_BEGIN, 1);
	story_sim.begin_twice(MODEL_PATH, &answers);
	assert_int_equal(answers.values[0], 1000 + ERROR_SYSTEM);
	assert_int_equal(answers.values[1], 0);
	free(answers.values);
}

/* ---- kill -9 of the real one ---- */

struct killing {
	uint64_t seed;
	uint64_t digests[COMMIT_MAX]; /* after so many commits */
	unsigned digest_count;
	unsigned committed; /* by the real one */
};

/* The model is always as far as it was asked for. */
static uint64_t digest_after(struct killing *killing, unsigned commit_count)
{
	assert_true(commit_count < COMMIT_MAX);
	while (killing->digest_count <= commit_count) {
		if (killing->digest_count > 0)
			story_sim.transactions(MODEL_PATH, killing->seed,
				killing->digest_count - 1, 1, NULL, NULL);
		killing->digests[killing->digest_count++] =
			story_sim.digest(MODEL_PATH);
	}
	return killing->digests[commit_count];
}

static void write_octet(void *data)
{
	const int *fd = data;

	if (write(*fd, "c", 1) != 1)
		_exit(1);
}

static pid_t start_child(const struct killing *killing, int *fd_out)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(fds[0]);
		story_lmdb.transactions(real_path, killing->seed,
			killing->committed, COMMIT_MAX, write_octet, &fds[1]);
		_exit(0);
	}
	close(fds[1]);
	*fd_out = fds[0];
	return pid;
}

/* Some commits, then at any moment. */
static unsigned count_and_kill(pid_t pid, int fd, unsigned number)
{
	struct timespec pause = { 0, (long)(number * 7919 % 5000) * 1000 };
	unsigned count = 0;
	char octet;

	while (count < number % 7 && read(fd, &octet, 1) == 1)
		count++;
	(void)nanosleep(&pause, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (read(fd, &octet, 1) == 1)
		count++;
	close(fd);
	return count;
}

static void test_what_was_committed_survives_a_kill(void **state)
{
	static struct killing killing;
	unsigned more_count = 0;

	(void)state;
	killing = (struct killing){ .seed = 11 };
	for (unsigned i = 0; i < KILL_COUNT; i++) {
		uint64_t digest;
		pid_t pid;
		int fd;

		pid = start_child(&killing, &fd);
		killing.committed += count_and_kill(pid, fd, i);
		digest = story_lmdb.digest(real_path);
		if (digest != digest_after(&killing, killing.committed)) {
			killing.committed++;
			more_count++;
			assert_true(digest ==
				digest_after(&killing, killing.committed));
		}
	}
	print_message("%d kills, %u commits, %u times one more\n", KILL_COUNT,
		killing.committed, more_count);
	assert_true(killing.committed > 0);
}

/* ---- The simulated crash ---- */

#define CRASH_COMMITS 6

static jmp_buf crash;
static unsigned crash_in; /* calls of the hook */

static void crash_some_time(const char *call)
{
	assert_non_null(call);
	if (crash_in > 0 && --crash_in == 0)
		longjmp(crash, 1);
}

/* False when there was no such call. */
static bool run_and_crash(uint64_t seed, unsigned from, unsigned in_calls)
{
	crash_in = in_calls;
	sim_db_hook = crash_some_time;
	if (setjmp(crash) != 0)
		return true;
	story_sim.transactions(
		MODEL_PATH, seed, from, CRASH_COMMITS, NULL, NULL);
	sim_db_hook = NULL;
	return false;
}

/* At every call, with and without the loss of the last commit; then it goes on
   from there. */
static void test_a_crash_leaves_what_was_committed(void **state)
{
	static struct killing killing;
	bool is_crashed = true;
	unsigned crash_count = 0;

	killing = (struct killing){ .seed = 5 };
	(void)digest_after(&killing, CRASH_COMMITS);
	for (unsigned i = 1; is_crashed; i++) {
		bool loses = i % 2 == 0;
		unsigned done;

		(void)remove_databases(state);
		done = (unsigned)sim_db_commit_count();
		is_crashed = run_and_crash(killing.seed, 0, (i + 1) / 2);
		done = (unsigned)sim_db_commit_count() - done;
		sim_db_crash(loses && is_crashed);
		if (loses && is_crashed && done > 0)
			done--;
		assert_true(
			story_sim.digest(MODEL_PATH) == killing.digests[done]);
		sim_db_hook = NULL;
		story_sim.transactions(MODEL_PATH, killing.seed, done,
			CRASH_COMMITS - done, NULL, NULL);
		assert_true(story_sim.digest(MODEL_PATH) ==
			killing.digests[CRASH_COMMITS]);
		crash_count++;
	}
	assert_true(crash_count > 4 * CRASH_COMMITS);
}

static void test_a_commit_before_it_was_opened_is_not_lost(void **state)
{
	uint64_t digest;

	(void)state;
	story_sim.transactions(MODEL_PATH, 3, 0, 4, NULL, NULL);
	digest = story_sim.digest(MODEL_PATH);
	sim_db_crash(true);
	assert_true(story_sim.digest(MODEL_PATH) == digest);
}

static void test_copies_are_put_back_and_databases_deleted(void **state)
{
	uint64_t empty = story_sim.digest(MODEL_PATH), three, six;
	struct sim_db_snapshot *snapshot;

	(void)state;
	story_sim.transactions(MODEL_PATH, 9, 0, 3, NULL, NULL);
	three = story_sim.digest(MODEL_PATH);
	sim_db_snapshot(&snapshot);
	story_sim.transactions(MODEL_PATH, 9, 3, 3, NULL, NULL);
	six = story_sim.digest(MODEL_PATH);
	assert_true(six != three && three != empty);
	for (int i = 0; i < 2; i++) {
		sim_db_restore(snapshot);
		assert_true(story_sim.digest(MODEL_PATH) == three);
		story_sim.transactions(MODEL_PATH, 9, 3, 3, NULL, NULL);
		assert_true(story_sim.digest(MODEL_PATH) == six);
	}
	sim_db_remove_all();
	assert_true(story_sim.digest(MODEL_PATH) == empty);
	sim_db_snapshot_free(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, remove_databases)
		TEST(test_both_answer_alike),
		TEST(test_both_take_a_full_map_alike),
		TEST(test_both_take_an_unwritable_disk_alike),
		TEST(test_a_failed_commit_may_be_there_all_the_same),
		TEST(test_a_failed_begin_fails_once),
		TEST(test_what_was_committed_survives_a_kill),
		TEST(test_a_crash_leaves_what_was_committed),
		TEST(test_a_commit_before_it_was_opened_is_not_lost),
		TEST(test_copies_are_put_back_and_databases_deleted),
#undef TEST
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
