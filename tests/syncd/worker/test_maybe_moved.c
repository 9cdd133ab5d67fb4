/* What is new on one side while another mailbox or folder cannot be looked at,
   in whole passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"
#include "tests/syncd/worker/world.h"

#define HOUR_S 3600

static const char BODY[] =
	"Message-ID: <a@example>\r\nSubject: a\r\n\r\nhello\r\n";
/* As long as that, and of the same date. */
static const char OTHER[] =
	"Message-ID: <b@example>\r\nSubject: b\r\n\r\nhello\r\n";
static const char LONGER[] =
	"Message-ID: <c@example>\r\nSubject: longer\r\n\r\nhello\r\n";

static void populate(struct world *world)
{
	fake_create("Work");
	fake_create("Archive");
	(void)fake_deliver(fake_mailbox("Work"), BODY, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 1);
}

/* Something came into it, so it is to be looked at. */
static void refuse_work(void)
{
	(void)fake_deliver(fake_mailbox("Work"), LONGER, 0);
	server.refuses = "Work";
}

static unsigned held_count(const struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	unsigned count = 0;

	arena_init(&arena);
	while (state_next_unsettled(
		world->account->state, &cursor, &arena, &pair))
		if (pair.hold == HOLD_MAYBE_MOVED) {
			assert_non_null(pair.reason);
			count++;
		}
	arena_finish(&arena);
	return count;
}

/* The flag would have its file sent as new, if it was missing there. */
static void test_moved_out_of_a_refused_mailbox_is_there_once(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "", 1);
	populate(&world);
	body_count = server.body_count;
	fake_move(fake_mailbox("Work"), 1, fake_mailbox("Archive"));
	server.refuses = "Work";
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Archive"), 0);
	assert_int_equal(held_count(&world), 1);
	local_set_letters(&world, "Work", 0, "FS");
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Archive"), 0);
	server.refuses = NULL;
	world_converge(&world);
	world_check_equal(&world, 1);
	assert_int_equal(local_count(&world, "Archive"), 1);
	assert_int_equal(held_count(&world), 0);
	assert_int_equal(server.append_count, 0);
	assert_int_equal(server.body_count, body_count);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_other_mail_does_not_wait(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 2);
	populate(&world);
	refuse_work();
	(void)fake_deliver(fake_mailbox("Archive"), OTHER, 0);
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Archive"), 1);
	assert_int_equal(held_count(&world), 0);
	world_finish(&world);
}

static void test_a_copy_comes_when_its_source_was_looked_at(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 3);
	populate(&world);
	refuse_work();
	(void)fake_deliver(fake_mailbox("Archive"), BODY, 0);
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Archive"), 0);
	server.refuses = NULL;
	assert_true(world_sync(&world));
	world_check_equal(&world, 3);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_a_mailbox_refused_for_ever_is_not_waited_for(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 4);
	populate(&world);
	refuse_work();
	(void)fake_deliver(fake_mailbox("Archive"), BODY, 0);
	for (int i = 0; i < 10; i++) {
		assert_true(world_sync(&world));
		/* A look too many does not make the wait shorter. */
		if (i == 0)
			for (int k = 0; k < 10; k++)
				assert_true(world_sync(&world));
		if (i < 7)
			assert_int_equal(local_count(&world, "Archive"), 0);
		world_wait(6 * HOUR_S);
	}
	assert_int_equal(local_count(&world, "Archive"), 1);
	assert_int_equal(held_count(&world), 0);
	world_finish(&world);
}

/* ---- New here ---- */

/* Nothing in that folder can be read, then. Caller frees. */
static char *block_work(const struct world *world)
{
	char *path = alloc_format("%s/Work/dovecot-keywords", world->maildir);

	(void)unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	return path;
}

static void copy_away(const struct world *world)
{
	local_run(world,
		"cp -p mail/Work/cur/* mail/Archive/cur/ && "
		"rm mail/Work/cur/*");
}

/* The flag would have its message fetched anew, if its file was missing. */
static void test_moved_out_of_an_unread_folder_is_there_once(void **state)
{
	struct world world;
	struct fake_mailbox *work;
	char *path;

	(void)state;
	world_init(&world, "", 5);
	populate(&world);
	world_stop(&world);
	work = fake_mailbox("Work");
	path = block_work(&world);
	copy_away(&world);
	world_start(&world);
	assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("Archive")->count, 0);
	assert_int_equal(held_count(&world), 1);
	work->messages[0].flags.system |= FLAG_FLAGGED;
	fake_touch(work, &work->messages[0]);
	assert_true(world_sync(&world));
	assert_int_equal(rmdir(path), 0);
	free(path);
	world_converge(&world);
	world_check_equal(&world, 1);
	assert_int_equal(fake_mailbox("Archive")->count, 1);
	assert_int_equal(held_count(&world), 0);
	assert_int_equal(server.append_count, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_other_files_do_not_wait(void **state)
{
	struct world world;
	char *path;

	(void)state;
	world_init(&world, "", 6);
	populate(&world);
	world_stop(&world);
	path = block_work(&world);
	local_deliver(&world, "Archive",
		"Message-ID: <b@example>\nSubject: b\n\nhello\n");
	world_start(&world);
	assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("Archive")->count, 1);
	assert_int_equal(held_count(&world), 0);
	free(path);
	world_finish(&world);
}

static void test_a_folder_never_readable_is_not_waited_for(void **state)
{
	struct world world;
	char *path;

	(void)state;
	world_init(&world, "", 7);
	populate(&world);
	world_stop(&world);
	path = block_work(&world);
	copy_away(&world);
	world_start(&world);
	for (int i = 0; i < 10; i++) {
		assert_true(world_sync(&world));
		if (i < 7)
			assert_int_equal(fake_mailbox("Archive")->count, 0);
		world_wait(6 * HOUR_S);
	}
	assert_int_equal(fake_mailbox("Archive")->count, 1);
	assert_int_equal(held_count(&world), 0);
	free(path);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_moved_out_of_a_refused_mailbox_is_there_once),
		cmocka_unit_test(test_other_mail_does_not_wait),
		cmocka_unit_test(
			test_a_copy_comes_when_its_source_was_looked_at),
		cmocka_unit_test(
			test_a_mailbox_refused_for_ever_is_not_waited_for),
		cmocka_unit_test(
			test_moved_out_of_an_unread_folder_is_there_once),
		cmocka_unit_test(test_other_files_do_not_wait),
		cmocka_unit_test(
			test_a_folder_never_readable_is_not_waited_for),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
