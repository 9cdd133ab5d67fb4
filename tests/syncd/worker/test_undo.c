/* What was removed here, and whether it is here again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/maildir.h"
#include "syncd/worker/worker_internal.h"
#include "tests/syncd/worker/world.h"

static const char BODY[] = "Subject: once\r\n\r\nmore\r\n";

static void deliver_there(const char *mailbox)
{
	fake_deliver(fake_mailbox(mailbox), BODY, FLAG_SEEN);
}

static void remove_there(struct world *world, const char *mailbox, uint32_t uid)
{
	fake_expunge(fake_mailbox(mailbox), uid);
	world_converge(world);
}

/* How many of the removed files are found again. */
static size_t found_again(struct world *world, size_t removed_count)
{
	struct maildir_retained *files;
	struct arena arena;
	const bool *is_there;
	size_t count, found = 0;

	arena_init(&arena);
	assert_true(maildir_retention_list(world->account->maildir, &arena,
		&files, &count, &world->error));
	assert_int_equal(count, removed_count);
	is_there = worker_find_returned(world->account, files, count, &arena);
	for (size_t i = 0; i < count; i++)
		found += is_there[i];
	arena_finish(&arena);
	return found;
}

static void start(struct world *world)
{
	world_init(world, "    delete_limit: off\n", 41);
	fake_create("Work");
	world_deliver_there(world, "INBOX", 3, FLAG_SEEN);
	deliver_there("INBOX");
	world_converge(world);
}

static void test_what_came_again_is_there(void **state)
{
	struct world world;

	(void)state;
	start(&world);
	remove_there(&world, "INBOX", 4);
	assert_int_equal(found_again(&world, 1), 0);
	deliver_there("Work");
	world_converge(&world);
	assert_int_equal(found_again(&world, 1), 0);
	deliver_there("INBOX");
	world_converge(&world);
	assert_int_equal(found_again(&world, 1), 1);
	world_finish(&world);
}

static void test_one_message_stands_for_one_file(void **state)
{
	struct world world;

	(void)state;
	start(&world);
	deliver_there("INBOX");
	world_converge(&world);
	remove_there(&world, "INBOX", 4);
	remove_there(&world, "INBOX", 5);
	remove_there(&world, "INBOX", 1);
	assert_int_equal(found_again(&world, 3), 0);
	deliver_there("INBOX");
	world_converge(&world);
	assert_int_equal(found_again(&world, 3), 1);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_came_again_is_there),
		cmocka_unit_test(test_one_message_stands_for_one_file),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
