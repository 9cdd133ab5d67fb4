/* A server that changes what it is given, tells untrue sizes, or loses it, and
   tells no UID of it: nothing is sent for ever, and nothing is taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/pass.h"
#include "tests/syncd/worker/world.h"

/* What a server may be able to do. */
static const struct rung {
	bool condstore, multiappend;
} RUNGS[] = { { true, false }, { true, true }, { false, false } };

#define RUNG_COUNT (sizeof(RUNGS) / sizeof(RUNGS[0]))

static void open_rewriting(struct world *world, const struct rung *rung)
{
	world_init(world, "", 1);
	server.has_receipts = false;
	server.has_condstore = server.has_qresync = rung->condstore;
	server.has_multiappend = rung->multiappend;
	server.rewrites = true;
	world_converge(world);
}

/* Files that have what only the server's copies have. */
static size_t count_changed_files(struct world *world)
{
	size_t count = 0;
	char *file;

	for (size_t i = 0; (file = local_file(world, "INBOX", i)) != NULL;
		i++) {
		char *path = alloc_format("%s/INBOX/%s", world->maildir, file);
		FILE *stream = fopen(path, "r");
		char line[20] = "";

		assert_non_null(stream);
		assert_non_null(fgets(line, sizeof(line), stream));
		(void)fclose(stream);
		count += strstr(line, "X-Changed") != NULL;
		free(path);
		free(file);
	}
	return count;
}

static void test_what_the_server_changed_goes_up_once(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		open_rewriting(&world, &RUNGS[i]);
		world_deliver_here(&world, "INBOX", 5);
		world_converge(&world);
		world_converge(&world);
		inbox = fake_mailbox("INBOX");
		assert_int_equal(server.append_count, 5);
		assert_int_equal(inbox->count, 5);
		assert_int_equal(local_count(&world, "INBOX"), 5);
		assert_int_equal(count_changed_files(&world), 0);
		assert_int_equal(
			state_unsettled_count(world.account->state), 0);
		world_check_quiet(&world);
		/* They are one message each. */
		local_set_letters(&world, "INBOX", 0, "F");
		local_remove(&world, "INBOX", 1);
		world_converge(&world);
		assert_int_equal(inbox->count, 4);
		assert_true(inbox->messages[0].flags.system == FLAG_FLAGGED ||
			inbox->messages[1].flags.system == FLAG_FLAGGED);
		world_finish(&world);
	}
}

/* Nothing tells what became of it. */
static void check_sent_twice_at_most(struct world *world, unsigned count)
{
	for (int i = 0; i < 3; i++)
		world_converge(world);
	world_wait(3 * 24 * 3600);
	world_converge(world);
	world_stop(world);
	world_converge(world);
	assert_int_equal(server.append_count, 2 * count);
	assert_int_equal(fake_mailbox("INBOX")->count, 2 * count);
	assert_int_equal(count_changed_files(world), 2 * count);
	assert_int_equal(local_count(world, "INBOX"), 3 * count);
	assert_int_equal(state_unsettled_count(world->account->state), count);
	world_check_quiet(world);
}

static void test_what_cannot_be_told_apart_is_not_sent_for_ever(void **state)
{
	static const char *const BODIES[] = {
		"Subject: no Message-ID\r\n\r\nx",
		"Message-ID: <a@b>\r\nSubject: twin\r\n\r\nx",
	};
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		for (unsigned k = 0; k < 2; k++) {
			open_rewriting(&world, &RUNGS[i]);
			for (unsigned n = 0; n <= k; n++)
				local_deliver(&world, "INBOX", BODIES[k]);
			check_sent_twice_at_most(&world, k + 1);
			world_finish(&world);
		}
	}
}

static void test_a_held_upload_ends_with_its_file(void **state)
{
	struct world world;
	struct state_cursor cursor = { 0 };
	struct intent intent;

	(void)state;
	open_rewriting(&world, &RUNGS[0]);
	local_deliver(&world, "INBOX", "Subject: no Message-ID\r\n\r\nx");
	check_sent_twice_at_most(&world, 1);
	while (local_count(&world, "INBOX") > 0)
		local_remove(&world, "INBOX", 0);
	world_converge(&world);
	world_converge(&world);
	world_check_equal(&world, 0);
	assert_int_equal(state_unsettled_count(world.account->state), 0);
	assert_false(state_next_intent(world.account->state, &cursor, &intent));
	world_finish(&world);
}

/* A server that changes nothing; somebody was quick. */
static void expunge_all(void *data)
{
	struct fake_mailbox *inbox = fake_mailbox("INBOX");

	(void)data;
	if (strcmp(server.call, "remote_append") == 0 || inbox->count == 0)
		return;
	server.interfere = NULL;
	fake_expunge(inbox, inbox->messages[0].uid);
}

static void test_what_was_removed_before_it_was_seen_goes_up_again(void **state)
{
	struct world world;

	(void)state;
	open_rewriting(&world, &RUNGS[0]);
	server.rewrites = false;
	world_deliver_here(&world, "INBOX", 1);
	server.interfere = expunge_all;
	world_converge(&world);
	assert_null(server.interfere);
	world_check_equal(&world, 1);
	assert_int_equal(server.append_count, 2);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_no_cut_takes_anything_away(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		bool is_cut = true;

		for (unsigned cut = 1; is_cut && cut < 80; cut++) {
			open_rewriting(&world, &RUNGS[i]);
			world_deliver_here(&world, "INBOX", 2);
			server.cut_in = (cut + 1) / 2;
			server.cut_after_effect = cut % 2 == 1;
			is_cut = !world_sync(&world);
			server.cut_in = 0;
			world_stop(&world);
			world_converge(&world);
			world_converge(&world);
			/* What was cut off may be there twice, as there is no
			   telling, never more often. */
			assert_in_range(fake_mailbox("INBOX")->count, 2, 4);
			assert_int_equal(local_count(&world, "INBOX") -
					count_changed_files(&world),
				2);
			world_check_quiet(&world);
			world_finish(&world);
		}
		assert_false(is_cut);
	}
}

/* With a change here that would keep it, had it been removed there. */
static void test_what_the_server_changed_is_known_when_it_is_moved(void **state)
{
	struct world world;
	struct fake_mailbox *inbox, *work;

	(void)state;
	for (size_t i = 0; i < 2 * RUNG_COUNT; i++) {
		open_rewriting(&world, &RUNGS[i / 2]);
		server.has_receipts = i % 2 == 0;
		work = fake_create("Work");
		world_deliver_here(&world, "INBOX", 1);
		world_converge(&world);
		world_converge(&world);
		inbox = fake_mailbox("INBOX");
		fake_move(inbox, inbox->messages[0].uid, work);
		local_set_letters(&world, "INBOX", 0, "F");
		world_converge(&world);
		assert_int_equal(server.append_count, 1);
		assert_int_equal(inbox->count, 0);
		assert_int_equal(work->count, 1);
		assert_int_equal(local_count(&world, "INBOX"), 0);
		assert_int_equal(local_count(&world, "Work"), 1);
		assert_int_equal(work->messages[0].flags.system, FLAG_FLAGGED);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

/* As a reader does that copies and removes. */
static void move_by_copying(
	struct world *world, const char *from, const char *to)
{
	char *body = local_body(world, from, 0);

	local_deliver(world, to, body);
	local_remove(world, from, 0);
	free(body);
}

/* A copy is compared with what the server has, not with the file. */
static void test_the_copy_of_what_the_server_changed_is_found(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		open_rewriting(&world, &RUNGS[i]);
		server.has_receipts = true;
		(void)fake_create("Work");
		world_deliver_here(&world, "INBOX", 1);
		world_converge(&world);
		world_converge(&world);
		server.has_move = server.has_receipts = false;
		move_by_copying(&world, "INBOX", "Work");
		world_converge(&world);
		world_converge(&world);
		assert_int_equal(fake_mailbox("INBOX")->count, 0);
		assert_int_equal(fake_mailbox("Work")->count, 1);
		assert_int_equal(fake_mailbox("Work")->uid_next, 2);
		assert_int_equal(local_count(&world, "INBOX"), 0);
		assert_int_equal(local_count(&world, "Work"), 1);
		assert_int_equal(count_changed_files(&world), 0);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

/* A message moved here, on a server without MOVE and without receipts. */
static void move_here(struct world *world)
{
	world_init(world, "", 1);
	server.has_receipts = server.has_move = false;
	server.miscounts = true;
	(void)fake_create("Work");
	world_deliver_there(world, "INBOX", 1, 0);
	world_converge(world);
	local_move(world, "INBOX", 0, "Work", false);
}

static void test_a_copy_of_untrue_size_is_found(void **state)
{
	struct world world;

	(void)state;
	move_here(&world);
	world_converge(&world);
	world_converge(&world);
	assert_int_equal(fake_mailbox("INBOX")->count, 0);
	assert_int_equal(fake_mailbox("Work")->count, 1);
	assert_int_equal(fake_mailbox("Work")->uid_next, 2);
	assert_int_equal(local_count(&world, "Work"), 1);
	assert_int_equal(local_count(&world, "INBOX"), 0);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_what_is_not_found_is_not_copied_for_ever(void **state)
{
	struct world world;

	(void)state;
	move_here(&world);
	server.loses_copies = true;
	world_stop(&world);
	server.change_count = 0;
	for (int i = 0; i < 4; i++) {
		world_start(&world);
		(void)world_sync(&world);
		world_stop(&world);
		world_wait(3600);
	}
	assert_int_equal(server.change_count, 2);
	assert_int_equal(fake_mailbox("INBOX")->count, 1);
	assert_int_equal(local_count(&world, "Work"), 1);
	world_start(&world);
	assert_int_equal(state_unsettled_count(world.account->state), 1);
	world_finish(&world);
}

/* One is gone, and there is one that may be it, which is not handed out. */
static void withhold_one(struct world *world)
{
	struct fake_mailbox *inbox;

	world_init(world, "", 1);
	world_deliver_there(world, "INBOX", 3, 0);
	world_converge(world);
	inbox = fake_mailbox("INBOX");
	fake_expunge(inbox, inbox->messages[0].uid);
	(void)fake_deliver(inbox, "Subject: as changed\r\n\r\nx", 0);
	server.withholds = "as changed";
}

static void test_nothing_goes_before_what_may_be_it_has_come(void **state)
{
	struct world world;

	(void)state;
	withhold_one(&world);
	for (int i = 0; i < 3; i++) {
		assert_true(pass_run(world.account, &world.error));
		assert_int_equal(local_count(&world, "INBOX"), 3);
	}
	server.withholds = NULL;
	world_converge(&world);
	world_check_equal(&world, 3);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_what_never_comes_is_not_waited_for(void **state)
{
	struct world world;

	(void)state;
	withhold_one(&world);
	world_converge(&world);
	assert_int_equal(local_count(&world, "INBOX"), 2);
	assert_int_equal(state_unsettled_count(world.account->state), 1);
	server.withholds = NULL;
	world_wait(24 * 3600);
	world_converge(&world);
	world_check_equal(&world, 3);
	world_finish(&world);
}

/* Its date is not what it was, so that only its header tells whether it is the
   message that is removed here. */
static void test_what_cannot_be_told_is_not_removed(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	world_init(&world, "", 2);
	inbox = fake_mailbox("INBOX");
	for (unsigned i = 0; i < 3; i++)
		(void)fake_deliver(
			inbox, "Subject: the same\r\n\r\nx", FLAG_SEEN);
	world_converge(&world);
	inbox->messages[0].date += 1000;
	local_remove(&world, "INBOX", 0);
	local_remove(&world, "INBOX", 0);
	local_remove(&world, "INBOX", 0);
	server.withholds = "the same";
	world_converge(&world);
	assert_int_equal(inbox->count, 1);
	server.withholds = NULL;
	world_converge(&world);
	world_check_equal(&world, 0);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_server_changed_goes_up_once),
		cmocka_unit_test(
			test_what_cannot_be_told_apart_is_not_sent_for_ever),
		cmocka_unit_test(test_a_held_upload_ends_with_its_file),
		cmocka_unit_test(
			test_what_was_removed_before_it_was_seen_goes_up_again),
		cmocka_unit_test(
			test_what_the_server_changed_is_known_when_it_is_moved),
		cmocka_unit_test(
			test_the_copy_of_what_the_server_changed_is_found),
		cmocka_unit_test(test_no_cut_takes_anything_away),
		cmocka_unit_test(test_a_copy_of_untrue_size_is_found),
		cmocka_unit_test(test_what_is_not_found_is_not_copied_for_ever),
		cmocka_unit_test(
			test_nothing_goes_before_what_may_be_it_has_come),
		cmocka_unit_test(test_what_never_comes_is_not_waited_for),
		cmocka_unit_test(test_what_cannot_be_told_is_not_removed),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
