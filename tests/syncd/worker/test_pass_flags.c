/* Flags on their way to servers that do not say what they did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/syncd/worker/world.h"

static void begin_store(struct world *world)
{
	world_init(world, "", 28);
	server.has_qresync = server.has_condstore = false;
	server.hides_stores = true;
	world_deliver_there(world, "INBOX", 1, 0);
	world_converge(world);
	local_set_letters(world, "INBOX", 0, "S");
}

/* The next look shows that it was done. */
static void test_flag_set_without_a_word_is_found_set(void **state)
{
	struct world world;
	unsigned change_count;

	(void)state;
	begin_store(&world);
	change_count = server.change_count;
	world_converge(&world);
	assert_int_equal(server.change_count - change_count, 1);
	world_check_equal(&world, 1);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_flag_that_is_never_set_is_not_set_for_ever(void **state)
{
	struct world world;
	unsigned change_count;
	char *file;

	(void)state;
	begin_store(&world);
	server.ignores_stores = true;
	change_count = server.change_count;
	for (int i = 0; i < 20; i++)
		world_converge(&world);
	assert_in_range(server.change_count - change_count, 2, 20);
	file = local_file(&world, "INBOX", 0);
	assert_non_null(strstr(file, ":2,S"));
	free(file);
	/* It has not been given up either. */
	server.ignores_stores = false;
	world_wait(PAIR_PAUSE_MAX_S);
	world_converge(&world);
	world_check_equal(&world, 1);
	world_finish(&world);
}

static void check_reason(struct world *world, const char *expected)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	assert_true(state_next_unsettled(
		world->account->state, &cursor, &arena, &pair));
	assert_int_equal(pair.hold, HOLD_REFUSED);
	assert_non_null(strstr(pair.reason, expected));
	arena_finish(&arena);
}

static void test_a_flag_that_others_change_each_time_waits(void **state)
{
	struct world world;
	unsigned change_count;

	(void)state;
	world_init(&world, "", 29);
	world_deliver_there(&world, "INBOX", 1, 0);
	world_converge(&world);
	local_set_letters(&world, "INBOX", 0, "S");
	server.says_modified = true;
	change_count = server.change_count;
	for (int i = 0; i < 20; i++)
		world_converge(&world);
	assert_in_range(server.change_count - change_count, 3, 20);
	check_reason(&world, "others changed the flags");
	server.says_modified = false;
	world_wait(PAIR_PAUSE_MAX_S);
	world_converge(&world);
	world_check_equal(&world, 1);
	world_check_quiet(&world);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flag_set_without_a_word_is_found_set),
		cmocka_unit_test(
			test_flag_that_is_never_set_is_not_set_for_ever),
		cmocka_unit_test(
			test_a_flag_that_others_change_each_time_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
