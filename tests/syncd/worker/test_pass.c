/* Whole passes: a real Maildir, a real state, a server in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "syncd/worker/pass.h"
#include "tests/syncd/worker/rungs.h"
#include "tests/syncd/worker/world.h"

/* An account with three folders and some mail, in sync. */
static void populate(struct world *world)
{
	fake_create("Work");
	fake_create("Archive");
	world_deliver_there(world, "INBOX", 6, 0);
	world_deliver_there(world, "Work", 5, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 11);
}

static void test_first_sync_brings_mail_down_and_then_is_quiet(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		world_init(&world, "", 1);
		use_rung(&RUNGS[i]);
		populate(&world);
		world_check_quiet(&world);
		world_stop(&world);
		world_start(&world);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void test_an_account_is_opened_once(void **state)
{
	const struct account_report report = { 0 };
	struct error error = { 0 };
	struct world world;

	(void)state;
	world_init(&world, "", 1);
	world_start(&world);
	assert_null(account_open(world.config, &world.config->accounts[0],
		&report, world.loop, &error));
	assert_int_equal(error.code, ERROR_STOPPED);
	world_finish(&world);
}

static void test_local_mail_goes_up(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		world_init(&world, "", 2);
		use_rung(&RUNGS[i]);
		world_converge(&world);
		local_make_folder(&world, "Drafts");
		world_deliver_here(&world, "INBOX", 4);
		world_deliver_here(&world, "Drafts", 3);
		world_converge(&world);
		world_check_equal(&world, 7);
		assert_int_equal(server.append_count, 7);
		assert_int_equal(
			server.batch_count, RUNGS[i].multiappend ? 2 : 0);
		assert_int_equal(server.body_count, 0);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static size_t find_body(const char *mailbox, const char *text)
{
	const struct fake_mailbox *found = fake_mailbox(mailbox);
	size_t count = 0;

	for (size_t i = 0; i < found->count; i++)
		count += strstr(found->messages[i].body, text) != NULL;
	return count;
}

/* What makes the server refuse a command holds back only itself. */
static void test_a_refused_message_holds_back_no_other(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		world_init(&world, "", 2);
		use_rung(&RUNGS[i]);
		world_converge(&world);
		server.poison = "arsenic";
		world_deliver_here(&world, "INBOX", 1);
		local_deliver(&world, "INBOX",
			"Subject: arsenic\r\n\r\nand lace\r\n");
		world_deliver_here(&world, "INBOX", 5);
		assert_true(world_sync(&world));
		assert_int_equal(fake_mailbox("INBOX")->count, 6);
		assert_int_equal(find_body("INBOX", "Message-ID"), 6);
		assert_int_equal(
			state_unsettled_count(world.account->state), 1);
		world_check_quiet(&world);
		server.poison = NULL;
		world_wait(300);
		world_converge(&world);
		world_check_equal(&world, 7);
		assert_int_equal(server.append_count, 7);
		world_finish(&world);
	}
}

static void test_flags_merge_bit_by_bit(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		struct fake_mailbox *work;

		world_init(&world, "", 3);
		use_rung(&RUNGS[i]);
		populate(&world);
		work = fake_mailbox("Work");
		/* Here: \Seen goes, \Answered comes. There: \Flagged. */
		local_set_letters(&world, "Work", 0, "R");
		for (size_t k = 0; k < work->count; k++) {
			work->messages[k].flags.system |= FLAG_FLAGGED;
			fake_touch(work, &work->messages[k]);
		}
		world_converge(&world);
		world_check_equal(&world, 11);
		assert_int_equal(work->messages[0].flags.system,
			FLAG_ANSWERED | FLAG_FLAGGED);
		assert_int_equal(work->messages[1].flags.system,
			FLAG_SEEN | FLAG_FLAGGED);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void test_moves_move_and_transfer_nothing(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		unsigned body_count;

		world_init(&world, "", 4);
		use_rung(&RUNGS[i]);
		populate(&world);
		body_count = server.body_count;
		local_move(&world, "INBOX", 0, "Archive", false);
		local_move(&world, "INBOX", 0, "Work", true);
		fake_move(fake_mailbox("Work"), 2, fake_mailbox("Archive"));
		world_converge(&world);
		world_check_equal(&world, 11);
		assert_int_equal(fake_mailbox("Archive")->count, 2);
		assert_int_equal(fake_mailbox("Work")->count, 5);
		assert_int_equal(server.append_count, 0);
		assert_int_equal(server.body_count, body_count);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

/* RFC 9738: a COPY of more than it allows is refused, all of it. */
static void test_moves_keep_to_the_servers_message_limit(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 4);
	server.has_move = false;
	server.message_limit = 3;
	(void)fake_create("Archive");
	world_deliver_there(&world, "INBOX", 8, FLAG_SEEN);
	world_deliver_there(&world, "Archive", 2, FLAG_SEEN);
	world_converge(&world);
	for (unsigned i = 0; i < 8; i++)
		local_move(&world, "INBOX", 0, "Archive", false);
	world_converge(&world);
	world_check_equal(&world, 10);
	assert_int_equal(fake_mailbox("Archive")->count, 10);
	assert_int_equal(server.append_count, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_deletions_go_both_ways(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		world_init(&world, "", 5);
		use_rung(&RUNGS[i]);
		populate(&world);
		local_remove(&world, "INBOX", 0);
		fake_expunge(fake_mailbox("Work"), 3);
		world_converge(&world);
		world_check_equal(&world, 9);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void test_a_flagged_message_survives_a_deletion_elsewhere(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	world_init(&world, "", 6);
	populate(&world);
	inbox = fake_mailbox("INBOX");
	for (size_t i = 0; i < inbox->count; i++) {
		inbox->messages[i].flags.system |= FLAG_FLAGGED;
		fake_touch(inbox, &inbox->messages[i]);
	}
	local_remove(&world, "INBOX", 0);
	world_converge(&world);
	world_check_equal(&world, 11);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_folders_are_made_renamed_and_removed(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 7);
	populate(&world);
	body_count = server.body_count;
	local_make_folder(&world, "New");
	fake_create("Fresh");
	world_converge(&world);
	assert_non_null(fake_mailbox("New"));
	assert_true(local_has_folder(&world, "Fresh"));

	local_rename_folder(&world, "New", "Newer");
	fake_rename("Work", "Office");
	world_converge(&world);
	assert_non_null(fake_mailbox("Newer"));
	assert_null(fake_mailbox("New"));
	assert_true(local_has_folder(&world, "Office"));
	assert_false(local_has_folder(&world, "Work"));
	world_check_equal(&world, 11);
	assert_int_equal(server.body_count, body_count);
	assert_int_equal(server.append_count, 0);

	fake_delete("Fresh");
	local_remove_folder(&world, "Newer");
	local_remove_folder(&world, "Office");
	world_converge(&world);
	assert_false(local_has_folder(&world, "Fresh"));
	assert_null(fake_mailbox("Newer"));
	assert_null(fake_mailbox("Office"));
	world_check_equal(&world, 6);
	world_check_quiet(&world);
	world_finish(&world);
}

/* A process that starts has scanned nothing and selected nothing yet. */
static void test_folders_changed_while_nobody_looked_follow(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		world_init(&world, "    delete_limit: off\n", 14);
		use_rung(&RUNGS[i]);
		populate(&world);
		fake_create("Fresh");
		world_deliver_there(&world, "Fresh", 2, FLAG_SEEN);
		world_converge(&world);
		world_stop(&world);
		local_remove_folder(&world, "Work");
		fake_delete("Fresh");
		fake_rename("Archive", "Old");
		world_start(&world);
		world_converge(&world);
		assert_null(fake_mailbox("Work"));
		assert_false(local_has_folder(&world, "Work"));
		assert_false(local_has_folder(&world, "Fresh"));
		assert_false(local_has_folder(&world, "Archive"));
		assert_true(local_has_folder(&world, "Old"));
		world_check_equal(&world, 6);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void write_keywords(const struct world *world, const char *folder)
{
	char path[160];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s/dovecot-keywords",
		world->maildir, folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("0 work\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_a_letter_counts_once_it_has_a_meaning(void **state)
{
	struct world world;
	struct fake_mailbox *work;
	size_t keyword_count = 0;

	(void)state;
	world_init(&world, "", 15);
	populate(&world);
	work = fake_mailbox("Work");
	local_set_letters(&world, "Work", 0, "Sa");
	world_converge(&world);
	assert_int_equal(flags_next_keyword(&work->messages[0].flags, 0), -1);
	write_keywords(&world, "Work");
	world_stop(&world);
	world_start(&world);
	world_converge(&world);
	for (size_t i = 0; i < work->count; i++)
		if (flags_next_keyword(&work->messages[i].flags, 0) >= 0)
			keyword_count++;
	assert_int_equal(keyword_count, 1);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_a_mailbox_without_status_holds_up_nothing(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 16);
	populate(&world);
	server.silent = "Work";
	world_deliver_there(&world, "INBOX", 2, 0);
	world_deliver_there(&world, "Work", 3, 0);
	world_deliver_here(&world, "Archive", 1);
	assert_true(world_sync(&world));
	assert_true(world.account->remote_is_complete);
	world_check_equal(&world, 17);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_renumbered_mailbox_is_rebound_without_transfer(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		world_init(&world, "", 8);
		use_rung(&RUNGS[i]);
		populate(&world);
		body_count = server.body_count;
		fake_renumber(fake_mailbox("Work"));
		local_set_letters(&world, "Work", 0, "F");
		world_converge(&world);
		world_check_equal(&world, 11);
		assert_int_equal(server.body_count, body_count);
		assert_int_equal(server.append_count, 0);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void remove_keyword_letters(struct world *world)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/INBOX/dovecot-keywords",
		world->maildir);
	assert_int_equal(remove(path), 0);
}

static void test_lost_keyword_letters_take_no_keyword_away(void **state)
{
	struct world world;
	struct fake_message *message;
	int keyword;

	(void)state;
	world_init(&world, "", 14);
	world_start(&world);
	keyword = keyword_table_intern(&world.account->keywords, "work");
	assert_true(keyword >= 0);
	world_deliver_there(&world, "INBOX", 1, FLAG_SEEN);
	message = &fake_mailbox("INBOX")->messages[0];
	flags_set_keyword(&message->flags, (unsigned)keyword);
	world_converge(&world);
	world_stop(&world);
	remove_keyword_letters(&world);
	local_set_letters(&world, "INBOX", 0, "FSa");
	world_converge(&world);
	assert_true(flags_has_keyword(&message->flags, (unsigned)keyword));
	assert_int_equal(message->flags.system, FLAG_SEEN | FLAG_FLAGGED);
	world_finish(&world);
}

static void test_empty_listing_removes_nothing(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 9);
	populate(&world);
	server.lists_nothing = true;
	(void)world_sync(&world);
	assert_int_equal(local_count(&world, "INBOX"), 6);
	assert_int_equal(local_count(&world, "Work"), 5);
	server.lists_nothing = false;
	world_converge(&world);
	world_check_equal(&world, 11);
	world_finish(&world);
}

static void test_mass_deletion_is_held_until_approved(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 10);
	world_deliver_there(&world, "INBOX", 40, 0);
	world_converge(&world);
	for (int i = 0; i < 40; i++)
		local_remove(&world, "INBOX", 0);
	world_converge(&world);
	assert_int_equal(fake_mailbox("INBOX")->count, 40);
	assert_int_equal(world.account->held_count, 40);
	/* New mail still comes. */
	world_deliver_there(&world, "INBOX", 1, 0);
	world_converge(&world);
	assert_int_equal(local_count(&world, "INBOX"), 1);

	account_folder_by_path(world.account, "INBOX")->record.is_approved =
		true;
	world_converge(&world);
	assert_int_equal(world.account->held_count, 0);
	world_check_equal(&world, 1);
	world_finish(&world);
}

static void test_emptied_mailbox_is_held(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 13);
	world_deliver_there(&world, "INBOX", 30, 0);
	world_converge(&world);
	while (fake_mailbox("INBOX")->count > 0)
		fake_expunge(fake_mailbox("INBOX"),
			fake_mailbox("INBOX")->messages[0].uid);
	world_converge(&world);
	assert_int_equal(local_count(&world, "INBOX"), 30);
	assert_int_equal(world.account->held_count, 30);
	world_finish(&world);
}

static void test_unmounted_maildir_stops_everything(void **state)
{
	struct world world;
	char away[96];

	(void)state;
	world_init(&world, "", 11);
	populate(&world);
	world_stop(&world);
	(void)snprintf(away, sizeof(away), "%s.away", world.maildir);
	assert_int_equal(rename(world.maildir, away), 0);
	local_make_folder(&world, "");
	world_start(&world);
	assert_false(pass_run_to_end(world.account, &world.error));
	assert_int_equal(world.error.code, ERROR_CONFIG);
	assert_int_equal(fake_mailbox("INBOX")->count, 6);
	world_stop(&world);
	local_remove_folder(&world, "");
	assert_int_equal(rename(away, world.maildir), 0);
	world_converge(&world);
	world_check_equal(&world, 11);
	world_finish(&world);
}

static void test_lost_state_pairs_again_without_transfer(void **state)
{
	struct world world;
	char path[128];
	unsigned body_count;

	(void)state;
	world_init(&world, "", 12);
	populate(&world);
	/* Twins stay twins. */
	local_deliver(&world, "INBOX", "Subject: twin\r\n\r\nx\r\n");
	local_deliver(&world, "INBOX", "Subject: twin\r\n\r\nx\r\n");
	world_converge(&world);
	world_check_equal(&world, 13);
	world_stop(&world);
	(void)snprintf(
		path, sizeof(path), "%s/state/home/state.mdb", world.root);
	assert_int_equal(remove(path), 0);
	body_count = server.body_count;
	world_converge(&world);
	world_check_equal(&world, 13);
	assert_int_equal(server.append_count, 2);
	/* Only the twins, which have no Message-ID, are read to be sure. */
	assert_true(server.body_count - body_count <= 2);
	world_check_quiet(&world);
	world_finish(&world);
}

/* ---- Cut off anywhere ---- */

static void change_everything(struct world *world)
{
	world_deliver_there(world, "INBOX", 2, 0);
	world_deliver_here(world, "Work", 4);
	local_set_letters(world, "INBOX", 1, "SF");
	local_move(world, "INBOX", 2, "Archive", false);
	local_move(world, "Work", 3, "Archive", true);
	local_remove(world, "INBOX", 0);
	local_make_folder(world, "Made");
	world_deliver_here(world, "Made", 1);
	fake_expunge(fake_mailbox("Work"), 1);
	fake_move(fake_mailbox("INBOX"), 6, fake_mailbox("Archive"));
}

/* At every call, before and after its effect: the next start ends equal,
   nothing lost, nothing doubled. */
static void test_every_cut_converges(void **state)
{
	(void)state;
	for (size_t i = 0; i < RUNG_COUNT; i++) {
		for (unsigned cut = 1; cut < 200; cut++) {
			struct world world;
			bool is_cut;

			world_init(&world, "", 20);
			use_rung(&RUNGS[i]);
			populate(&world);
			change_everything(&world);
			print_message("%s, cut %u\n", RUNGS[i].name, cut);
			server.cut_in = (cut + 1) / 2;
			server.cut_after_effect = cut % 2 == 1;
			is_cut = !world_sync(&world);
			server.cut_in = 0;
			world_stop(&world);
			world_converge(&world);
			fake_arrive();
			world_converge(&world);
			world_check_equal(&world, 16);
			world_check_quiet(&world);
			world_finish(&world);
			if (!is_cut)
				break;
		}
	}
}

/* Changed and changed back, while nobody could tell the server: no work, and
   nothing that counts as such. */
static void test_what_came_undone_is_not_pending(void **state)
{
	bool is_cut = true;

	(void)state;
	for (unsigned cut = 1; is_cut; cut++) {
		struct world world;
		struct fake_mailbox *work;

		world_init(&world, "", 21);
		populate(&world);
		work = fake_mailbox("Work");
		local_set_letters(&world, "INBOX", 0, "F");
		work->messages[0].flags.system |= FLAG_ANSWERED;
		fake_touch(work, &work->messages[0]);
		server.cut_in = cut;
		is_cut = !world_sync(&world);
		server.cut_in = 0;
		world_stop(&world);
		local_set_letters(&world, "INBOX", 0, "");
		work->messages[0].flags.system &= ~(uint32_t)FLAG_ANSWERED;
		fake_touch(work, &work->messages[0]);
		world_converge(&world);
		world_check_equal(&world, 11);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_first_sync_brings_mail_down_and_then_is_quiet),
		cmocka_unit_test(test_an_account_is_opened_once),
		cmocka_unit_test(test_local_mail_goes_up),
		cmocka_unit_test(test_a_refused_message_holds_back_no_other),
		cmocka_unit_test(test_flags_merge_bit_by_bit),
		cmocka_unit_test(test_moves_move_and_transfer_nothing),
		cmocka_unit_test(test_moves_keep_to_the_servers_message_limit),
		cmocka_unit_test(test_deletions_go_both_ways),
		cmocka_unit_test(
			test_a_flagged_message_survives_a_deletion_elsewhere),
		cmocka_unit_test(test_folders_are_made_renamed_and_removed),
		cmocka_unit_test(
			test_folders_changed_while_nobody_looked_follow),
		cmocka_unit_test(test_a_letter_counts_once_it_has_a_meaning),
		cmocka_unit_test(
			test_a_mailbox_without_status_holds_up_nothing),
		cmocka_unit_test(
			test_renumbered_mailbox_is_rebound_without_transfer),
		cmocka_unit_test(
			test_lost_keyword_letters_take_no_keyword_away),
		cmocka_unit_test(test_empty_listing_removes_nothing),
		cmocka_unit_test(test_mass_deletion_is_held_until_approved),
		cmocka_unit_test(test_emptied_mailbox_is_held),
		cmocka_unit_test(test_unmounted_maildir_stops_everything),
		cmocka_unit_test(test_lost_state_pairs_again_without_transfer),
		cmocka_unit_test(test_every_cut_converges),
		cmocka_unit_test(test_what_came_undone_is_not_pending),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
