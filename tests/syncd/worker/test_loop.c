#define _GNU_SOURCE
#include "syncd/worker/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "syncd/worker/clock.h"

struct fixture {
	struct loop *loop;
	int pair[2];
	struct loop_source *source;
	struct loop_source *other;
	struct loop_timer *timer;
	unsigned call_count;
	unsigned events;
	bool is_done;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ .loop = loop_new(NULL) };
	assert_non_null(fixture.loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fixture.pair), 0);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	loop_remove(fixture->loop, fixture->source);
	loop_remove(fixture->loop, fixture->other);
	loop_timer_free(fixture->loop, fixture->timer);
	loop_free(fixture->loop);
	close(fixture->pair[0]);
	if (fixture->pair[1] != -1)
		close(fixture->pair[1]);
	return 0;
}

static void record(void *data, unsigned events)
{
	struct fixture *fixture = data;

	fixture->call_count++;
	fixture->events = events;
	fixture->is_done = true;
}

static void record_time(void *data)
{
	record(data, 0);
}

static void test_a_readable_descriptor_calls_back(void **state)
{
	struct fixture *fixture = *state;

	fixture->source = loop_add(
		fixture->loop, fixture->pair[0], LOOP_READ, record, fixture);
	assert_false(loop_run_once(fixture->loop, 0));
	assert_int_equal(write(fixture->pair[1], "x", 1), 1);
	assert_true(loop_run_once(fixture->loop, 1000));
	assert_int_equal(fixture->call_count, 1);
	assert_int_equal(fixture->events, LOOP_READ);
}

static void test_a_source_without_interest_stays_quiet_even_hung_up(
	void **state)
{
	struct fixture *fixture = *state;

	fixture->source = loop_add(
		fixture->loop, fixture->pair[0], LOOP_READ, record, fixture);
	loop_modify(fixture->loop, fixture->source, 0);
	close(fixture->pair[1]);
	fixture->pair[1] = -1;
	assert_false(loop_run_once(fixture->loop, 10));
	loop_modify(fixture->loop, fixture->source, LOOP_READ);
	assert_true(loop_run_once(fixture->loop, 1000));
	assert_int_equal(fixture->events, LOOP_READ | LOOP_HANGUP);
}

static void test_a_timer_fires_once_and_in_time(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_now_ms();

	fixture->timer = loop_timer_new(fixture->loop, record_time, fixture);
	assert_false(loop_run_once(fixture->loop, 20));
	loop_timer_set(fixture->loop, fixture->timer, 30);
	assert_true(loop_run_once(fixture->loop, LOOP_FOREVER));
	assert_in_range(clock_now_ms() - start, 50, 1000);
	assert_false(loop_run_once(fixture->loop, 40));
	assert_int_equal(fixture->call_count, 1);
}

static void test_a_cancelled_timer_does_not_fire(void **state)
{
	struct fixture *fixture = *state;

	fixture->timer = loop_timer_new(fixture->loop, record_time, fixture);
	loop_timer_set(fixture->loop, fixture->timer, 5);
	loop_timer_cancel(fixture->loop, fixture->timer);
	assert_false(loop_run_once(fixture->loop, 20));
}

static void set_again(void *data)
{
	struct fixture *fixture = data;

	fixture->call_count++;
	loop_timer_set(fixture->loop, fixture->timer, 0);
}

static void test_a_timer_set_by_itself_waits_for_the_next_round(void **state)
{
	struct fixture *fixture = *state;

	fixture->timer = loop_timer_new(fixture->loop, set_again, fixture);
	loop_timer_set(fixture->loop, fixture->timer, 0);
	for (unsigned i = 1; i < 5; i++) {
		assert_true(loop_run_once(fixture->loop, 0));
		assert_int_equal(fixture->call_count, i);
	}
}

static void test_an_earlier_timer_shortens_the_wait(void **state)
{
	struct fixture *fixture = *state;
	struct loop_timer *late =
		loop_timer_new(fixture->loop, record_time, fixture);
	uint64_t start = clock_now_ms();

	fixture->timer = loop_timer_new(fixture->loop, record_time, fixture);
	loop_timer_set(fixture->loop, late, 5000);
	assert_false(loop_run_once(fixture->loop, 5));
	loop_timer_set(fixture->loop, fixture->timer, 20);
	assert_true(loop_run_once(fixture->loop, 10000));
	assert_in_range(clock_now_ms() - start, 20, 2000);
	loop_timer_free(fixture->loop, late);
}

static void free_timer(void *data)
{
	struct fixture *fixture = data;

	fixture->call_count++;
	loop_timer_free(fixture->loop, fixture->timer);
	fixture->timer = NULL;
}

static void test_a_callback_may_free_its_timer(void **state)
{
	struct fixture *fixture = *state;

	fixture->timer = loop_timer_new(fixture->loop, free_timer, fixture);
	loop_timer_set(fixture->loop, fixture->timer, 1);
	assert_true(loop_run_once(fixture->loop, 1000));
	assert_int_equal(fixture->call_count, 1);
}

static void remove_both(void *data, unsigned events)
{
	struct fixture *fixture = data;

	(void)events;
	fixture->call_count++;
	loop_remove(fixture->loop, fixture->source);
	loop_remove(fixture->loop, fixture->other);
	fixture->source = NULL;
	fixture->other = NULL;
}

static void test_a_callback_may_remove_sources_of_the_same_batch(void **state)
{
	struct fixture *fixture = *state;

	fixture->source = loop_add(fixture->loop, fixture->pair[0], LOOP_WRITE,
		remove_both, fixture);
	fixture->other = loop_add(fixture->loop, fixture->pair[1], LOOP_WRITE,
		remove_both, fixture);
	assert_true(loop_run_once(fixture->loop, 1000));
	assert_int_equal(fixture->call_count, 1);
}

static void pump_inside(void *data, unsigned events)
{
	struct fixture *fixture = data;

	(void)events;
	loop_remove(fixture->loop, fixture->source);
	fixture->source = NULL;
	fixture->other = loop_add(
		fixture->loop, fixture->pair[1], LOOP_WRITE, record, fixture);
	assert_int_equal(
		loop_run_until(fixture->loop, &fixture->is_done, LOOP_FOREVER),
		LOOP_DONE);
}

static void test_a_nested_pump_serves_the_other_sources(void **state)
{
	struct fixture *fixture = *state;

	fixture->source = loop_add(fixture->loop, fixture->pair[0], LOOP_WRITE,
		pump_inside, fixture);
	assert_true(loop_run_once(fixture->loop, 1000));
	assert_int_equal(fixture->call_count, 1);
}

static void test_running_until_ends_for_three_reasons(void **state)
{
	struct fixture *fixture = *state;
	bool is_done = true;

	assert_int_equal(loop_run_until(fixture->loop, &is_done, 0), LOOP_DONE);
	is_done = false;
	assert_int_equal(
		loop_run_until(fixture->loop, &is_done, clock_now_ms() + 20),
		LOOP_TIMEOUT);
	fixture->timer = loop_timer_new(fixture->loop, record_time, fixture);
	loop_timer_set(fixture->loop, fixture->timer, 5);
	assert_int_equal(
		loop_run_until(fixture->loop, &fixture->is_done, LOOP_FOREVER),
		LOOP_DONE);
	loop_stop(fixture->loop);
	assert_true(loop_is_stopping(fixture->loop));
	assert_int_equal(loop_run_until(fixture->loop, &is_done, LOOP_FOREVER),
		LOOP_STOPPED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_readable_descriptor_calls_back),
		TEST(test_a_source_without_interest_stays_quiet_even_hung_up),
		TEST(test_a_timer_fires_once_and_in_time),
		TEST(test_a_cancelled_timer_does_not_fire),
		TEST(test_a_timer_set_by_itself_waits_for_the_next_round),
		TEST(test_an_earlier_timer_shortens_the_wait),
		TEST(test_a_callback_may_free_its_timer),
		TEST(test_a_callback_may_remove_sources_of_the_same_batch),
		TEST(test_a_nested_pump_serves_the_other_sources),
		TEST(test_running_until_ends_for_three_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#undef TEST
