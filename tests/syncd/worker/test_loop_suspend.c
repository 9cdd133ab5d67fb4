#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "syncd/worker/clock.h"
#include "syncd/worker/loop.h"

/* A clock of our own: the linker takes it in place of clock.c. */
static uint64_t awake_ms = 1000;
static uint64_t suspended_ms = 0;

uint64_t clock_now_ms(void)
{
	return awake_ms + suspended_ms;
}

uint64_t clock_suspended_ms(void)
{
	return suspended_ms;
}

int64_t clock_wall_seconds(void)
{
	abort();
}

void random_bytes(void *data, size_t size)
{
	(void)data;
	(void)size;
	abort();
}

static void count(void *data)
{
	++*(unsigned *)data;
}

static void test_a_suspended_machine_is_noticed_once(void **state)
{
	struct loop *loop = loop_new(NULL);
	unsigned resume_count = 0;

	(void)state;
	assert_non_null(loop);
	loop_set_resume_callback(loop, count, &resume_count);
	suspended_ms += LOOP_SUSPEND_MS;
	assert_false(loop_run_once(loop, 0));
	assert_int_equal(resume_count, 0);
	suspended_ms += LOOP_SUSPEND_MS + 1;
	assert_false(loop_run_once(loop, 0));
	assert_int_equal(resume_count, 1);
	assert_false(loop_run_once(loop, 0));
	assert_int_equal(resume_count, 1);
	loop_free(loop);
}

static void test_a_long_wait_is_no_suspend(void **state)
{
	struct loop *loop = loop_new(NULL);
	unsigned resume_count = 0;

	(void)state;
	loop_set_resume_callback(loop, count, &resume_count);
	awake_ms += 100 * LOOP_SUSPEND_MS;
	assert_false(loop_run_once(loop, 0));
	assert_int_equal(resume_count, 0);
	loop_free(loop);
}

static void test_suspended_time_counts_for_timers(void **state)
{
	struct loop *loop = loop_new(NULL);
	unsigned fired_count = 0;
	struct loop_timer *timer = loop_timer_new(loop, count, &fired_count);

	(void)state;
	loop_timer_set(loop, timer, 3600 * 1000);
	assert_false(loop_run_once(loop, 0));
	suspended_ms += 3600 * 1000;
	assert_true(loop_run_once(loop, 0));
	assert_int_equal(fired_count, 1);
	loop_timer_free(loop, timer);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_suspended_machine_is_noticed_once),
		cmocka_unit_test(test_a_long_wait_is_no_suspend),
		cmocka_unit_test(test_suspended_time_counts_for_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
