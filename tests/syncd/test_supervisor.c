#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "fake_worker.h"
#include "syncd/ipc.h"
#include "syncd/log.h"
#include "syncd/supervisor.h"
#include "syncd/worker/clock.h"

#define PATIENCE_MS 20000

/* The seam of clock.h: time that can be pushed on. */
static uint64_t pushed_ms;

static uint64_t real_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_now_ms(void)
{
	return real_ms() + pushed_ms;
}

uint64_t clock_suspended_ms(void)
{
	return 0;
}

int64_t clock_wall_seconds(void)
{
	return (int64_t)(clock_now_ms() / 1000);
}

void random_bytes(void *data, size_t size)
{
	memset(data, 0, size);
}

struct world {
	struct loop *loop;
	struct supervisor *supervisor;
	struct config config;
	struct config_account accounts[2];
	struct buf lines; /* "NAME: TEXT\n" */
	int end_count;
	int code;
};

static void message_came(void *data, const char *account, const char *type,
	const json_t *message)
{
	struct world *world = data;

	if (strcmp(type, "line") == 0)
		buf_add_format(&world->lines, "%s: %s\n", account,
			ipc_text(message, "text"));
}

static void ended(void *data, const char *account, int code)
{
	struct world *world = data;

	(void)account;
	world->end_count++;
	world->code = code;
}

static void open_world(struct world *world, const char *name, bool is_lasting)
{
	struct error error = { 0 };

	*world = (struct world){ .config = { .path = "/none.yaml",
					 .accounts = world->accounts,
					 .account_count = 1 } };
	world->accounts[0] = (struct config_account){ .name = name,
		.password = "the secret" };
	world->loop = loop_new(&error);
	world->supervisor = supervisor_new(&(struct supervisor_setup){
		.loop = world->loop,
		.mode = "daemon",
		.is_lasting = is_lasting,
		.message = message_came,
		.ended = ended,
		.data = world,
	});
	supervisor_add(
		world->supervisor, &world->config, &world->accounts[0], NULL);
}

static void close_world(struct world *world)
{
	supervisor_free(world->supervisor);
	loop_free(world->loop);
	buf_finish(&world->lines);
}

static bool has_state(const struct world *world, const char *state)
{
	json_t *status =
		supervisor_status(world->supervisor, world->accounts[0].name);
	bool is_equal = strcmp(ipc_text(status, "state"), state) == 0;

	json_decref(status);
	return is_equal;
}

static void wait_for_state(struct world *world, const char *state)
{
	uint64_t deadline = real_ms() + PATIENCE_MS;

	while (!has_state(world, state)) {
		if (real_ms() > deadline)
			fail_msg("no state '%s'", state);
		(void)loop_run_once(world->loop, 10);
	}
}

static void wait_for_ends(struct world *world, int count)
{
	uint64_t deadline = real_ms() + PATIENCE_MS;

	while (world->end_count < count) {
		if (real_ms() > deadline)
			fail_msg("%d ends of %d", world->end_count, count);
		(void)loop_run_once(world->loop, 10);
	}
}

static void run_for(struct world *world, uint64_t time_ms)
{
	uint64_t deadline = real_ms() + time_ms;

	while (real_ms() < deadline)
		(void)loop_run_once(world->loop, 10);
}

static void expect_line(const struct world *world, const char *line)
{
	if (strstr(buf_text(&world->lines), line) == NULL)
		fail_msg("no '%s' in '%s'", line, buf_text(&world->lines));
}

static void test_a_worker_is_told_what_to_do(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "steady", true);
	wait_for_state(&world, "watching");
	expect_line(&world, "steady: daemon\n");
	supervisor_stop(world.supervisor);
	wait_for_ends(&world, 1);
	assert_int_equal(world.code, 0);
	assert_true(supervisor_is_done(world.supervisor));
	close_world(&world);
}

static void test_nothing_but_the_socket_is_inherited(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "files", false);
	wait_for_ends(&world, 1);
	expect_line(&world, "files: 0\n");
	close_world(&world);
}

static void test_the_secret_is_handed_over(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "secret", false);
	wait_for_ends(&world, 1);
	expect_line(&world, "secret: the secret\n");
	close_world(&world);
}

static void test_a_dying_worker_comes_back_with_growing_pauses(void **state)
{
	/* random_bytes() gives zeros: the least of each step. */
	static const uint64_t PAUSES_MS[] = { 5000, 10000, 20000, 40000, 80000,
		160000, 320000, 450000, 450000 };
	struct world world;

	(void)state;
	open_world(&world, "dies", true);
	for (size_t i = 0; i < ARRAY_LENGTH(PAUSES_MS); i++) {
		wait_for_ends(&world, (int)i + 1);
		assert_true(has_state(&world, "offline"));
		pushed_ms += PAUSES_MS[i] - 1000;
		run_for(&world, 30);
		assert_int_equal(world.end_count, i + 1);
		pushed_ms += 1000;
	}
	wait_for_ends(&world, (int)ARRAY_LENGTH(PAUSES_MS) + 1);
	close_world(&world);
}

static void test_a_refused_login_waits_for_a_person(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "refused", true);
	wait_for_ends(&world, 1);
	assert_true(has_state(&world, "auth"));
	pushed_ms += 24 * 3600 * 1000;
	run_for(&world, 50);
	assert_int_equal(world.end_count, 1);
	assert_false(supervisor_is_done(world.supervisor));
	/* Who asks for a sync has corrected something. */
	assert_true(supervisor_send(world.supervisor, "refused",
		json_pack("{s:s, s:i}", "type", "sync", "id", 1)));
	wait_for_ends(&world, 2);
	supervisor_reload(world.supervisor, &world.config);
	wait_for_ends(&world, 3);
	close_world(&world);
}

static void test_a_signal_is_an_internal_error(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "killed", false);
	wait_for_ends(&world, 1);
	assert_int_equal(world.code, 70);
	assert_int_equal(supervisor_code(world.supervisor), 70);
	assert_true(supervisor_is_done(world.supervisor));
	close_world(&world);
}

static void test_who_talks_garbage_is_killed(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "garbage", false);
	wait_for_ends(&world, 1);
	assert_int_equal(world.code, 70);
	close_world(&world);
}

static void test_who_does_not_stop_is_killed_in_time(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "deaf", true);
	wait_for_state(&world, "watching");
	supervisor_stop(world.supervisor);
	pushed_ms += SUPERVISOR_STOP_MS - 1000;
	run_for(&world, 50);
	assert_int_equal(world.end_count, 0);
	pushed_ms += 1000;
	wait_for_ends(&world, 1);
	assert_true(supervisor_is_done(world.supervisor));
	close_world(&world);
}

static void test_the_second_stop_kills_at_once(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "deaf", true);
	wait_for_state(&world, "watching");
	supervisor_stop(world.supervisor);
	supervisor_stop(world.supervisor);
	wait_for_ends(&world, 1);
	close_world(&world);
}

static void test_a_silent_worker_is_killed_and_comes_back(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "deaf", true);
	wait_for_state(&world, "watching");
	assert_true(supervisor_is_alive(world.supervisor));
	pushed_ms += SUPERVISOR_SILENCE_MS + 60 * 1000;
	assert_false(supervisor_is_alive(world.supervisor));
	wait_for_ends(&world, 1);
	assert_true(supervisor_is_alive(world.supervisor));
	pushed_ms += 10 * 1000;
	wait_for_state(&world, "watching");
	close_world(&world);
}

static void test_a_reload_touches_changed_accounts_only(void **state)
{
	struct world world;
	struct config_account accounts[2];
	struct config config = {
		.path = "/none.yaml", .accounts = accounts, .account_count = 2
	};

	(void)state;
	open_world(&world, "steady", true);
	wait_for_state(&world, "watching");
	accounts[0] = world.accounts[0];
	accounts[1] = (struct config_account){ .name = "steady-two" };
	supervisor_reload(world.supervisor, &config);
	run_for(&world, 100);
	assert_int_equal(world.end_count, 0);
	assert_true(supervisor_is_running(world.supervisor, "steady-two"));

	accounts[0].poll_s = 17;
	accounts[1].poll_s = 0;
	world.accounts[0].poll_s = 3;
	world.config.accounts = world.accounts;
	supervisor_reload(world.supervisor, &world.config);
	wait_for_ends(&world, 2);
	run_for(&world, 50);
	assert_true(supervisor_is_running(world.supervisor, "steady"));
	assert_null(supervisor_status(world.supervisor, "steady-two"));
	assert_null(supervisor_name(world.supervisor, 1));
	close_world(&world);
}

static void test_an_unknown_account_gets_nothing(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "steady", true);
	assert_false(supervisor_send(world.supervisor, "nobody",
		json_pack("{s:s}", "type", "sync")));
	assert_null(supervisor_status(world.supervisor, "nobody"));
	close_world(&world);
}

int main(int argument_count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_worker_is_told_what_to_do),
		cmocka_unit_test(test_nothing_but_the_socket_is_inherited),
		cmocka_unit_test(test_the_secret_is_handed_over),
		cmocka_unit_test(
			test_a_dying_worker_comes_back_with_growing_pauses),
		cmocka_unit_test(test_a_refused_login_waits_for_a_person),
		cmocka_unit_test(test_a_signal_is_an_internal_error),
		cmocka_unit_test(test_who_talks_garbage_is_killed),
		cmocka_unit_test(test_who_does_not_stop_is_killed_in_time),
		cmocka_unit_test(test_the_second_stop_kills_at_once),
		cmocka_unit_test(test_a_silent_worker_is_killed_and_comes_back),
		cmocka_unit_test(test_a_reload_touches_changed_accounts_only),
		cmocka_unit_test(test_an_unknown_account_gets_nothing),
	};

	if (fake_worker_is_meant(argument_count, arguments))
		return fake_worker_main(arguments[2]);
	(void)setenv("FAKE_WORKER", "1", 1);
	log_open(true, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
