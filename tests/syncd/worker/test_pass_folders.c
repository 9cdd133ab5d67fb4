/* Folders that change on both sides at once, in whole passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/syncd/worker/world.h"

static void deliver(struct world *world, const char *mailbox, int count)
{
	for (int i = 0; i < count; i++) {
		char *body = world_message(world);

		fake_deliver(fake_mailbox(mailbox), body, FLAG_SEEN);
		free(body);
	}
}

static void populate(struct world *world)
{
	fake_create("Work");
	deliver(world, "INBOX", 3);
	deliver(world, "Work", 4);
	world_converge(world);
	world_check_equal(world, 7);
}

static void check_end(struct world *world, size_t count)
{
	world_converge(world);
	world_check_equal(world, count);
	world_check_quiet(world);
	assert_false(local_has_folder(world, "Work"));
	assert_null(fake_mailbox("Work"));
}

/* Removed here, renamed there, and the message that came meanwhile must not be
   waited for under the old name. */
static void check_removed_and_renamed(bool is_known_before)
{
	struct world world;

	world_init(&world, "    delete_limit: off\n", 31);
	populate(&world);
	local_remove_folder(&world, "Work");
	if (is_known_before) {
		/* The removal has begun when the rename is seen. */
		server.refuses = "Work";
		(void)world_sync(&world);
		server.refuses = NULL;
	}
	fake_rename("Work", "Play");
	deliver(&world, "Play", 2);
	check_end(&world, 5);
	assert_int_equal(local_count(&world, "Play"), 2);
	world_finish(&world);
}

static void test_a_folder_removed_here_and_renamed_there_is_found(void **state)
{
	(void)state;
	check_removed_and_renamed(false);
	check_removed_and_renamed(true);
}

static void test_a_folder_renamed_here_and_removed_there_is_found(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 32);
	populate(&world);
	local_rename_folder(&world, "Work", "Play");
	local_deliver(&world, "Play", "Subject: new\r\n\r\nx\r\n");
	fake_delete("Work");
	check_end(&world, 4);
	assert_int_equal(local_count(&world, "Play"), 1);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_folder_removed_here_and_renamed_there_is_found),
		cmocka_unit_test(
			test_a_folder_renamed_here_and_removed_there_is_found),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
