/* Uploads that are stored long after their connection broke: they were sent
   again meanwhile, and one of the two goes; never the only one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"
#include "tests/syncd/worker/world.h"

/* What a server may be able to do. */
static const struct rung {
	const char *name;
	bool condstore, receipts, multiappend, uidplus;
} RUNGS[] = {
	{ "all", true, true, true, true },
	{ "no MULTIAPPEND", true, true, false, true },
	{ "no receipts", true, false, false, true },
	{ "MULTIAPPEND, no receipts", true, false, true, true },
	{ "no CONDSTORE", false, true, true, true },
};

#define RUNG_COUNT (sizeof(RUNGS) / sizeof(RUNGS[0]))

static void use_rung(const struct rung *rung)
{
	server.has_condstore = server.has_qresync = rung->condstore;
	server.has_receipts = rung->receipts;
	server.has_multiappend = rung->multiappend;
	server.has_uidplus = rung->uidplus;
}

static void cut_append(void *data)
{
	(void)data;
	if (strcmp(server.call, "remote_append") != 0)
		return;
	server.interfere = NULL;
	server.cut_in = 1;
	server.cut_after_effect = false;
}

/* The connection breaks in the next upload; what it had sent is stored so many
   calls later. */
static void lose_upload(struct world *world, unsigned late_in)
{
	server.interfere = cut_append;
	server.late_in = late_in;
	assert_false(world_sync(world));
	assert_null(server.interfere);
	world_stop(world);
	world_start(world);
}

/* `count` messages, the first command with some of them lost, then all sent
   again: in sync, and the first ones yet to come. */
static void open_haunted(
	struct world *world, const struct rung *rung, unsigned count)
{
	world_init(world, "", 1);
	use_rung(rung);
	world_converge(world);
	world_deliver_here(world, "INBOX", count);
	lose_upload(world, UINT32_MAX);
	world_converge(world);
	world_check_equal(world, count);
}

static void check_kept(struct world *world, size_t count)
{
	world_converge(world);
	world_check_equal(world, count);
	world_check_quiet(world);
	world_finish(world);
}

static void test_a_late_upload_is_removed(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		print_message("%s\n", RUNGS[i].name);
		open_haunted(&world, &RUNGS[i], 4);
		fake_arrive();
		assert_true(fake_mailbox("INBOX")->count > 4);
		world_converge(&world);
		world_check_equal(&world, 4);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

/* Before it is looked for, while, and after. */
static void test_whenever_it_comes_there_is_one_of_each(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		for (unsigned late_in = 1; late_in < 40; late_in++) {
			world_init(&world, "", late_in);
			use_rung(&RUNGS[i]);
			world_converge(&world);
			world_deliver_here(&world, "INBOX", 3);
			/* No Message-ID: told apart by nothing but bytes. */
			local_deliver(&world, "INBOX", "Subject: a\r\n\r\nx");
			local_deliver(&world, "INBOX", "Subject: a\r\n\r\nx");
			lose_upload(&world, late_in);
			world_converge(&world);
			fake_arrive();
			world_converge(&world);
			world_check_equal(&world, 5);
			world_check_quiet(&world);
			world_finish(&world);
		}
	}
}

static uint64_t stored_at_ms;

static void store_late(void *data)
{
	(void)data;
	if (clock_now_ms() < stored_at_ms)
		return;
	server.interfere = NULL;
	fake_arrive();
}

/* A server that is a moment behind: what was sent is waited for. */
static void check_soon(const char *from, const char *to, bool is_told)
{
	struct world world;

	world_init(&world, "", 1);
	world_set_look_ms(10);
	fake_create("Work");
	world_converge(&world);
	world_deliver_here(&world, from, 1);
	lose_upload(&world, UINT32_MAX);
	if (!is_told)
		world_stop(&world);
	local_move(&world, from, 0, to, true);
	if (!is_told)
		world_start(&world);
	stored_at_ms = clock_now_ms() + 1500;
	server.interfere = store_late;
	world_converge(&world);
	assert_null(server.interfere);
	assert_int_equal(server.append_count, 0);
	check_kept(&world, 1);
}

static void test_what_comes_soon_is_not_sent_again(void **state)
{
	(void)state;
	check_soon("INBOX", "INBOX", true);
	check_soon("INBOX", "INBOX", false);
	/* Also when its file is elsewhere by then. */
	check_soon("INBOX", "Work", true);
	check_soon("INBOX", "Work", false);
	check_soon("Work", "INBOX", true);
	check_soon("Work", "INBOX", false);
}

static void test_a_removal_cut_off_anywhere_is_made_good(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		bool is_cut = true;

		for (unsigned cut = 1; is_cut && cut < 60; cut++) {
			open_haunted(&world, &RUNGS[i], 3);
			fake_arrive();
			server.cut_in = (cut + 1) / 2;
			server.cut_after_effect = cut % 2 == 1;
			is_cut = !world_sync(&world);
			server.cut_in = 0;
			world_stop(&world);
			world_converge(&world);
			world_check_equal(&world, 3);
			world_check_quiet(&world);
			world_finish(&world);
		}
		assert_false(is_cut);
	}
}

/* ---- What is not removed ---- */

static void test_without_uidplus_it_stays(void **state)
{
	static const struct rung rung = { "no UIDPLUS", true, false, false,
		false };
	struct world world;

	(void)state;
	open_haunted(&world, &rung, 1);
	fake_arrive();
	check_kept(&world, 2);
}

static void test_after_a_day_it_is_a_message_like_any_other(void **state)
{
	struct world world;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	world_wait(25 * 3600);
	world_converge(&world);
	fake_arrive();
	check_kept(&world, 2);
}

/* Nobody ran for two days: it came in time all the same. */
static void test_one_that_came_while_nobody_looked_is_removed(void **state)
{
	struct world world;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	fake_arrive();
	world_stop(&world);
	world_wait(50 * 3600);
	world_start(&world);
	check_kept(&world, 1);
}

static void test_only_as_many_go_as_were_lost(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;
	struct fake_message *copy;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	inbox = fake_mailbox("INBOX");
	copy = fake_deliver(inbox, inbox->messages[0].body, 0);
	copy->date = inbox->messages[0].date;
	fake_arrive();
	check_kept(&world, 2);
}

static void test_one_that_somebody_flagged_stays(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	fake_arrive();
	inbox = fake_mailbox("INBOX");
	inbox->messages[1].flags.system |= FLAG_FLAGGED;
	check_kept(&world, 2);
}

/* Its id is that of the one that was sent again: somebody copied that. */
static void test_one_that_somebody_copied_stays(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;
	struct fake_message *copy;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	server.has_email_ids = true;
	inbox = fake_mailbox("INBOX");
	copy = fake_deliver(inbox, inbox->messages[0].body, 0);
	copy->date = inbox->messages[0].date;
	copy->email_id = inbox->messages[0].email_id;
	world_converge(&world);
	world_check_equal(&world, 2);
	fake_arrive();
	check_kept(&world, 2);
}

/* The other one would be the only one soon. */
static void test_one_beside_a_deleted_one_stays(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	fake_arrive();
	inbox = fake_mailbox("INBOX");
	inbox->messages[0].flags.system |= FLAG_DELETED;
	fake_touch(inbox, &inbox->messages[0]);
	check_kept(&world, 2);
}

/* Same size, date and header. */
static void test_other_bytes_are_another_message(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;
	char *body;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	fake_arrive();
	inbox = fake_mailbox("INBOX");
	body = inbox->messages[1].body;
	body[strlen(body) - 3] = 'X';
	check_kept(&world, 2);
}

static const char *deed_call;
static uint32_t deed_uid;

static void expunge_bound(void *data)
{
	(void)data;
	if (strcmp(server.call, deed_call) != 0)
		return;
	server.interfere = NULL;
	fake_expunge(fake_mailbox("INBOX"), deed_uid);
}

/* Somebody removes the bound one just before the late one would go. */
static void test_the_only_copy_is_never_removed(void **state)
{
	static const char *const CALLS[] = { "remote_select", "fetch",
		"remote_fetch_messages" };
	struct world world;

	(void)state;
	for (size_t i = 0; i < sizeof(CALLS) / sizeof(CALLS[0]); i++) {
		struct fake_mailbox *inbox;

		open_haunted(&world, &RUNGS[0], 1);
		inbox = fake_mailbox("INBOX");
		deed_uid = inbox->messages[0].uid;
		deed_call = CALLS[i];
		fake_arrive();
		server.interfere = expunge_bound;
		world_converge(&world);
		assert_null(server.interfere);
		check_kept(&world, 1);
	}
}

/* The one that was sent again is on its way out. */
static void test_one_that_is_alone_stays(void **state)
{
	struct world world;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	local_remove(&world, "INBOX", 0);
	fake_arrive();
	check_kept(&world, 1);
}

/* A new UIDVALIDITY numbers everything anew: no UID says what is late. */
static void test_a_renumbered_mailbox_has_no_ghosts(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	open_haunted(&world, &RUNGS[0], 1);
	inbox = fake_mailbox("INBOX");
	fake_arrive();
	fake_renumber(inbox);
	check_kept(&world, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_late_upload_is_removed),
		cmocka_unit_test(test_whenever_it_comes_there_is_one_of_each),
		cmocka_unit_test(test_what_comes_soon_is_not_sent_again),
		cmocka_unit_test(test_a_removal_cut_off_anywhere_is_made_good),
		cmocka_unit_test(test_without_uidplus_it_stays),
		cmocka_unit_test(
			test_after_a_day_it_is_a_message_like_any_other),
		cmocka_unit_test(
			test_one_that_came_while_nobody_looked_is_removed),
		cmocka_unit_test(test_only_as_many_go_as_were_lost),
		cmocka_unit_test(test_one_that_somebody_flagged_stays),
		cmocka_unit_test(test_one_that_somebody_copied_stays),
		cmocka_unit_test(test_one_beside_a_deleted_one_stays),
		cmocka_unit_test(test_other_bytes_are_another_message),
		cmocka_unit_test(test_the_only_copy_is_never_removed),
		cmocka_unit_test(test_one_that_is_alone_stays),
		cmocka_unit_test(test_a_renumbered_mailbox_has_no_ghosts),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
