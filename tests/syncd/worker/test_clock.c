/* Somebody sets the clock wrong, and right again: nothing is removed early, and
   the guard forgets nothing. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"
#include "syncd/worker/local.h"
#include "tests/syncd/worker/world.h"

#define DAY_S     (24 * 3600)
#define TEN_YEARS (INT64_C(3653) * DAY_S)

static void fill(struct world *world, unsigned count)
{
	world_deliver_there(world, "INBOX", count, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, count);
}

static void remove_some(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		local_remove(world, "INBOX", 0);
	world_converge(world);
}

/* Half of forty may go within an hour, whatever the clock says. */
static void check_guard(int64_t first, int64_t second)
{
	struct world world;

	world_init(&world, "", 1);
	fill(&world, 40);
	world_set_clock_ahead(first);
	remove_some(&world, 15);
	assert_int_equal(world.account->held_count, 0);
	world_set_clock_ahead(second);
	remove_some(&world, 14);
	assert_int_equal(world.account->held_count, 14);
	world_finish(&world);
}

static void test_guard_counts_on_when_the_clock_goes_back(void **state)
{
	(void)state;
	check_guard(0, 0);
	check_guard(TEN_YEARS, 0);
	check_guard(0, -TEN_YEARS);
}

static size_t retained_count(const struct world *world)
{
	char pattern[160];
	glob_t found;
	size_t count;

	(void)snprintf(pattern, sizeof(pattern),
		"%s/*/home/removed/*/INBOX/cur/*", world->root);
	count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}

static void retain_one(struct world *world)
{
	fill(world, 5);
	fake_expunge(fake_mailbox("INBOX"), 1);
	world_converge(world);
	world_check_equal(world, 4);
	assert_int_equal(retained_count(world), 1);
}

static void test_a_leap_removes_nothing_from_retention(void **state)
{
	const int64_t leaps[] = { TEN_YEARS, -TEN_YEARS, 0, TEN_YEARS, 0 };
	struct world world;

	(void)state;
	world_init(&world, "", 2);
	retain_one(&world);
	for (size_t i = 0; i < ARRAY_LENGTH(leaps); i++) {
		world_set_clock_ahead(leaps[i]);
		world_converge(&world);
		world_wait(3600);
		world_converge(&world);
		assert_int_equal(retained_count(&world), 1);
	}
	world_finish(&world);
}

/* Also when a clock that was ahead made the last one. */
static void test_what_is_old_goes(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 3);
	retain_one(&world);
	world_set_clock_ahead(TEN_YEARS);
	world_converge(&world);
	world_set_clock_ahead(0);
	for (unsigned day = 0; day < 40; day += 5) {
		world_converge(&world);
		world_wait(5 * DAY_S);
	}
	world_converge(&world);
	assert_int_equal(retained_count(&world), 0);
	world_finish(&world);
}

/* What a stopped process did not read may tell where a file went. */
static void test_time_nobody_reads_in_settles_nothing(void **state)
{
	struct world world;
	struct error error = { 0 };

	(void)state;
	world_init(&world, "", 4);
	fill(&world, 2);
	local_remove(&world, "INBOX", 0);
	assert_true(local_drain(world.account, &error));
	assert_false(local_is_complete(world.account));
	world_wait(600);
	assert_false(local_is_complete(world.account));
	assert_true(local_drain(world.account, &error));
	assert_true(local_is_complete(world.account));
	world_finish(&world);
}

/* Refused while the clock was ahead: not put off for ten years. */
static void test_what_was_refused_is_tried_again(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 4);
	fill(&world, 3);
	world_set_clock_ahead(TEN_YEARS);
	server.poison = "arsenic";
	local_deliver(&world, "INBOX", "Subject: arsenic\r\n\r\nx\r\n");
	world_converge(&world);
	server.poison = NULL;
	world_set_clock_ahead(0);
	world_wait(120);
	world_converge(&world);
	world_check_equal(&world, 4);
	world_finish(&world);
}

static void cut_append(void *data)
{
	(void)data;
	if (strcmp(server.call, "remote_append") == 0)
		server.cut_in = 1;
}

/* Cut off while the clock was ahead: not waited for for ten years. What was
   sent is not stored for as long as this goes on. */
static void test_what_was_cut_off_is_sent_again(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 5);
	fill(&world, 3);
	world_set_clock_ahead(TEN_YEARS);
	world_deliver_here(&world, "INBOX", 1);
	server.interfere = cut_append;
	server.late_in = 1000000;
	assert_false(world_sync(&world));
	server.interfere = NULL;
	server.cut_in = server.late_in = 0;
	world_stop(&world);
	world_set_clock_ahead(0);
	world_converge(&world);
	world_check_equal(&world, 4);
	world_check_quiet(&world);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guard_counts_on_when_the_clock_goes_back),
		cmocka_unit_test(test_a_leap_removes_nothing_from_retention),
		cmocka_unit_test(test_what_is_old_goes),
		cmocka_unit_test(test_time_nobody_reads_in_settles_nothing),
		cmocka_unit_test(test_what_was_refused_is_tried_again),
		cmocka_unit_test(test_what_was_cut_off_is_sent_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
