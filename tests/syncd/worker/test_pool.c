#define _GNU_SOURCE
#include "syncd/worker/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "syncd/worker/clock.h"

struct fixture {
	struct loop *loop;
	struct pool *pool;
};

struct work {
	pthread_t thread;
	bool blocks_signals;
	unsigned pause_ms;
	bool has_run;
	int release_fd; /* a byte goes here */
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture.loop = loop_new(NULL);
	fixture.pool = pool_new(fixture.loop, NULL);
	assert_non_null(fixture.pool);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	pool_free(fixture->pool);
	loop_free(fixture->loop);
	return 0;
}

static void work(void *data)
{
	struct work *work = data;
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	work->thread = pthread_self();
	work->blocks_signals = sigismember(&blocked, SIGTERM) == 1 &&
		sigismember(&blocked, SIGHUP) == 1;
	if (work->pause_ms > 0)
		usleep(work->pause_ms * 1000);
	work->has_run = true;
}

static void release(void *data)
{
	struct work *done = data;

	(void)!write(done->release_fd, "x", 1);
}

static void test_a_job_runs_in_another_thread_without_signals(void **state)
{
	struct fixture *fixture = *state;
	struct work done = { 0 };

	pool_wait(fixture->pool, pool_submit(fixture->pool, work, &done));
	assert_true(done.has_run);
	assert_true(done.blocks_signals);
	assert_false(pthread_equal(done.thread, pthread_self()));
}

static void test_many_jobs_all_run(void **state)
{
	struct fixture *fixture = *state;
	struct work works[50] = { 0 };
	struct pool_job *jobs[50];

	for (size_t i = 0; i < 50; i++)
		jobs[i] = pool_submit(fixture->pool, work, &works[i]);
	for (size_t i = 50; i-- > 0;)
		pool_wait(fixture->pool, jobs[i]);
	for (size_t i = 0; i < 50; i++)
		assert_true(works[i].has_run);
}

static void count(void *data)
{
	++*(unsigned *)data;
}

static void test_the_loop_goes_on_while_a_job_blocks(void **state)
{
	struct fixture *fixture = *state;
	struct work done = { .pause_ms = 60 };
	struct pool_job *job = pool_submit(fixture->pool, work, &done);
	unsigned fired_count = 0;
	struct loop_timer *timer =
		loop_timer_new(fixture->loop, count, &fired_count);

	loop_timer_set(fixture->loop, timer, 10);
	assert_false(pool_is_done(job));
	assert_int_equal(
		pool_wait_until(fixture->pool, job, clock_now_ms() + 20),
		LOOP_TIMEOUT);
	assert_int_equal(
		pool_wait_until(fixture->pool, job, LOOP_FOREVER), LOOP_DONE);
	assert_true(pool_is_done(job));
	assert_int_equal(fired_count, 1);
	pool_wait(fixture->pool, job);
	loop_timer_free(fixture->loop, timer);
}

static void test_a_stopped_loop_still_waits_for_its_job(void **state)
{
	struct fixture *fixture = *state;
	struct work done = { .pause_ms = 30 };
	struct pool_job *job = pool_submit(fixture->pool, work, &done);

	loop_stop(fixture->loop);
	pool_wait(fixture->pool, job);
	assert_true(done.has_run);
}

static void test_an_abandoned_job_is_released_in_every_state(void **state)
{
	struct fixture *fixture = *state;
	int pipe_fds[2];
	struct work works[5];
	struct pool_job *jobs[5];
	char byte;

	assert_int_equal(pipe(pipe_fds), 0);
	for (size_t i = 0; i < 5; i++) {
		works[i] = (struct work){ .pause_ms = 20,
			.release_fd = pipe_fds[1] };
		jobs[i] = pool_submit(fixture->pool, work, &works[i]);
	}
	/* The first is done and told, or running, the last is queued. */
	assert_int_equal(pool_wait_until(fixture->pool, jobs[0], LOOP_FOREVER),
		LOOP_DONE);
	for (size_t i = 0; i < 5; i++)
		pool_abandon(fixture->pool, jobs[i], release);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_false(works[4].has_run);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void test_the_pool_may_go_before_an_abandoned_job_ends(void **state)
{
	struct loop *loop = loop_new(NULL);
	struct pool *pool = pool_new(loop, NULL);
	int pipe_fds[2];
	struct work slow = { .pause_ms = 400 };
	struct pool_job *job;
	uint64_t start;
	char byte;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	slow.release_fd = pipe_fds[1];
	job = pool_submit(pool, work, &slow);
	assert_int_equal(
		pool_wait_until(pool, job, clock_now_ms() + 10), LOOP_TIMEOUT);
	start = clock_now_ms();
	pool_abandon(pool, job, release);
	pool_free(pool);
	loop_free(loop);
	assert_true(clock_now_ms() - start < 300);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_true(slow.has_run);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	/* The thread lets go of what it shared with the pool. */
	usleep(20000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_job_runs_in_another_thread_without_signals),
		TEST(test_many_jobs_all_run),
		TEST(test_the_loop_goes_on_while_a_job_blocks),
		TEST(test_a_stopped_loop_still_waits_for_its_job),
		TEST(test_an_abandoned_job_is_released_in_every_state),
		TEST(test_the_pool_may_go_before_an_abandoned_job_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#undef TEST
