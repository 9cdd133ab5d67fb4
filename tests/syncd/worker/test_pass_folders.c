/* Folders that change on both sides at once, in whole passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/syncd/worker/world.h"

static void populate(struct world *world)
{
	fake_create("Work");
	world_deliver_there(world, "INBOX", 3, FLAG_SEEN);
	world_deliver_there(world, "Work", 4, FLAG_SEEN);
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
	world_deliver_there(&world, "Play", 2, FLAG_SEEN);
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

/* What was moved into it has another wish than its end: it is made again. */
static void test_a_mailbox_gone_there_and_moved_into_here_goes_on(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 33);
	populate(&world);
	body_count = server.body_count;
	local_move(&world, "INBOX", 0, "Work", false);
	fake_delete("Work");
	world_converge(&world);
	world_check_equal(&world, SIZE_MAX);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "INBOX"), 2);
	assert_true(local_count(&world, "Work") >= 1);
	assert_int_equal(server.body_count, body_count);
	world_finish(&world);
}

static void test_a_folder_gone_here_and_moved_into_there_goes_on(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 34);
	populate(&world);
	local_remove_folder(&world, "Work");
	inbox = fake_mailbox("INBOX");
	fake_move(inbox, inbox->messages[0].uid, fake_mailbox("Work"));
	world_converge(&world);
	world_check_equal(&world, SIZE_MAX);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "INBOX"), 2);
	assert_true(local_count(&world, "Work") >= 1);
	world_finish(&world);
}

/* What was flagged there stays, and with it the mailbox. */
static void test_a_folder_gone_here_and_flagged_there_goes_on(void **state)
{
	struct world world;
	struct fake_mailbox *work;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 38);
	populate(&world);
	local_remove_folder(&world, "Work");
	work = fake_mailbox("Work");
	work->messages[0].flags.system |= FLAG_FLAGGED;
	fake_touch(work, &work->messages[0]);
	world_converge(&world);
	world_check_equal(&world, SIZE_MAX);
	world_check_quiet(&world);
	assert_true(local_count(&world, "Work") >= 1);
	world_finish(&world);
}

/* A kill came between taking the parts out and the directory itself: that is no
   missing disk, and nobody has to help. */
static void test_a_removal_that_was_cut_off_is_ended(void **state)
{
	struct world world;
	char *path, *strange;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 35);
	populate(&world);
	path = alloc_format("%s/Work", world.maildir);
	strange = alloc_format("%s/Work/notes", world.maildir);
	assert_int_equal(close(creat(strange, 0600)), 0);
	fake_delete("Work");
	(void)world_sync(&world);
	assert_true(local_has_folder(&world, "Work"));
	assert_int_equal(local_count(&world, "Work"), 0);
	world_stop(&world);
	local_remove_folder(&world, "Work");
	assert_int_equal(mkdir(path, 0700), 0);
	check_end(&world, 3);
	assert_int_equal(access(path, F_OK), -1);
	world_finish(&world);
	free(strange);
	free(path);
}

/* All that was known went, and what keeps the directory keeps the folder on its
   way out: what somebody puts into it, and into a new mailbox, is synced. */
static void test_a_folder_on_its_way_out_comes_back(void **state)
{
	struct world world;
	char *strange;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 36);
	populate(&world);
	strange = alloc_format("%s/Work/notes", world.maildir);
	assert_int_equal(close(creat(strange, 0600)), 0);
	fake_delete("Work");
	(void)world_sync(&world);
	assert_int_equal(local_count(&world, "Work"), 0);
	local_make_folder(&world, "Work");
	world_deliver_here(&world, "Work", 1);
	fake_create("Work");
	world_deliver_there(&world, "Work", 2, FLAG_SEEN);
	world_converge(&world);
	world_check_equal(&world, 6);
	world_check_quiet(&world);
	world_finish(&world);
	free(strange);
}

/* Removed here and put back, by whoever did it, before all of it went there. */
static void test_a_folder_that_is_put_back_goes_on(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 42);
	populate(&world);
	local_rename_folder(&world, "Work", "../Work");
	server.refuses = "Work";
	(void)world_sync(&world);
	server.refuses = NULL;
	local_rename_folder(&world, "../Work", "Work");
	world_converge(&world);
	world_check_equal(&world, 7);
	world_check_quiet(&world);
	assert_int_equal(server.append_count, 0);
	world_finish(&world);
}

/* Nothing is deleted because a mailbox was made by us some time ago. */
static void test_a_mailbox_we_made_is_renumbered_like_any_other(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 37);
	populate(&world);
	local_make_folder(&world, "Mine");
	world_deliver_here(&world, "Mine", 3);
	world_converge(&world);
	world_check_equal(&world, 10);
	fake_expunge(fake_mailbox("Mine"), 1);
	fake_renumber(fake_mailbox("Mine"));
	for (int i = 0; i < 3; i++)
		assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Mine"), 3);
	world_finish(&world);
}

/* ---- Listings that are hard to believe ---- */

static const char *const MANY[] = { "A", "B", "C", "D" };

static void populate_many(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LENGTH(MANY); i++) {
		fake_create(MANY[i]);
		world_deliver_there(world, MANY[i], 2, FLAG_SEEN);
	}
	world_converge(world);
	world_check_equal(world, 8);
}

static void approve(struct world *world)
{
	struct account *account = world->account;

	for (size_t i = 0; i < account->folder_count; i++) {
		account->folders[i]->record.is_approved = true;
		assert_true(account_folder_save(
			account, account->folders[i], &world->error));
	}
}

static void test_when_most_mailboxes_are_gone_a_person_is_asked(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 35);
	populate_many(&world);
	for (size_t i = 0; i < 3; i++)
		fake_delete(MANY[i]);
	for (int i = 0; i < 3; i++) {
		world_deliver_there(&world, "INBOX", 1, FLAG_SEEN);
		world_deliver_there(&world, "D", 1, FLAG_SEEN);
		assert_true(world_sync(&world));
	}
	/* New mail comes all the same. */
	assert_int_equal(local_count(&world, "INBOX"), 3);
	assert_int_equal(local_count(&world, "D"), 5);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(local_count(&world, MANY[i]), 2);
	approve(&world);
	world_converge(&world);
	world_check_equal(&world, 8);
	assert_false(local_has_folder(&world, "A"));
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_renamed_mailboxes_are_not_missed(void **state)
{
	static const char *const NEW[] = { "W", "X", "Y", "Z" };
	struct world world;

	(void)state;
	world_init(&world, "", 36);
	populate_many(&world);
	for (size_t i = 0; i < ARRAY_LENGTH(MANY); i++)
		fake_rename(MANY[i], NEW[i]);
	world_converge(&world);
	world_check_equal(&world, 8);
	for (size_t i = 0; i < ARRAY_LENGTH(MANY); i++)
		assert_int_equal(local_count(&world, NEW[i]), 2);
	assert_int_equal(server.append_count, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

/* Its name stays with those below it, and goes with the last of them. */
static void test_of_a_removed_mailbox_only_the_name_is_left(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 46);
	populate(&world);
	fake_create("Work/2024");
	world_deliver_there(&world, "Work/2024", 2, FLAG_SEEN);
	world_converge(&world);
	fake_delete("Work");
	server.only_name = "Work";
	world_converge(&world);
	world_check_equal(&world, 5);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "Work"), 0);
	assert_null(fake_mailbox("Work"));
	fake_delete("Work/2024");
	server.only_name = NULL;
	check_end(&world, 3);
	world_finish(&world);
}

/* ---- A name that goes from one mailbox to another ---- */

static void start_named(struct world *world, uint32_t seed)
{
	world_init(world, "    delete_limit: off\n", seed);
	server.has_mailbox_ids = true;
	populate(world);
	fake_create("Work/2024");
	world_deliver_there(world, "Work/2024", 2, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 9);
	server.body_count = 0;
	fake_delete("Work");
	fake_rename("Work/2024", "Work");
}

/* What it held goes, and the other's folder gets its name. */
static void test_a_mailbox_gets_the_name_of_one_that_is_gone(void **state)
{
	struct world world;

	(void)state;
	start_named(&world, 39);
	world_converge(&world);
	world_check_equal(&world, 5);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "Work"), 2);
	assert_false(local_has_folder(&world, "Work/2024"));
	assert_int_equal(server.body_count, 0);
	world_finish(&world);
}

/* What was moved there is not missing while its folder waits for the name. */
static void test_what_is_in_a_mailbox_that_waits_stays(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	start_named(&world, 41);
	server.has_email_ids = true;
	inbox = fake_mailbox("INBOX");
	fake_move(inbox, inbox->messages[0].uid, fake_mailbox("Work"));
	world_converge(&world);
	world_check_equal(&world, 5);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "Work"), 3);
	assert_int_equal(server.body_count, 0);
	world_finish(&world);
}

/* New here, under the name: it goes into the mailbox that has it now. What the
   one that is gone held is kept until somebody says that it may go. */
static void test_new_mail_goes_to_the_mailbox_that_has_the_name(void **state)
{
	struct world world;

	(void)state;
	start_named(&world, 40);
	local_deliver(&world, "Work", "Subject: new\r\n\r\nx\r\n");
	world_converge(&world);
	assert_int_equal(fake_mailbox("Work")->count, 3);
	assert_int_equal(local_count(&world, "Work"), 3 + 4);
	assert_false(local_has_folder(&world, "Work/2024"));
	assert_null(fake_mailbox("Work/2024"));
	assert_int_equal(server.body_count, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

static void give_name_away(void *data)
{
	(void)data;
	if (strcmp(server.call, "remote_observe") != 0)
		return;
	server.interfere = NULL;
	fake_delete("Work");
	fake_rename("Archive", "Work");
}

/* Between the listing and the look at it: that is not Work, renumbered. */
static void test_a_name_given_away_before_the_look_tells_nothing(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 43);
	server.has_mailbox_ids = true;
	populate(&world);
	fake_create("Archive");
	world_deliver_there(&world, "Archive", 2, FLAG_SEEN);
	world_converge(&world);
	world_check_equal(&world, 9);
	world_deliver_there(&world, "Work", 1, FLAG_SEEN);
	server.body_count = 0;
	server.interfere = give_name_away;
	(void)world_sync(&world);
	assert_null(server.interfere);
	world_converge(&world);
	world_check_equal(&world, 5);
	world_check_quiet(&world);
	assert_int_equal(server.body_count, 0);
	assert_int_equal(local_count(&world, "Work"), 2);
	world_finish(&world);
}

/* The folder waits for the name its mailbox has there, which a new one has had
   before: what was moved into its mailbox is not missing. */
static void test_a_new_mailbox_of_the_old_name_is_another(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	start_named(&world, 45);
	server.has_email_ids = true;
	fake_create("Listed before");
	fake_create("Work/2024");
	world_deliver_there(&world, "Work/2024", 1, FLAG_SEEN);
	inbox = fake_mailbox("INBOX");
	fake_move(inbox, inbox->messages[0].uid, fake_mailbox("Work"));
	world_converge(&world);
	world_check_equal(&world, 6);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "Work"), 3);
	assert_int_equal(local_count(&world, "Work/2024"), 1);
	assert_int_equal(server.body_count, 1);
	world_finish(&world);
}

static void move_and_delete(void *data)
{
	struct fake_mailbox *work = fake_mailbox("Work");

	(void)data;
	if (strcmp(server.call, "remote_observe") != 0)
		return;
	server.interfere = NULL;
	fake_move(work, work->messages[0].uid, fake_mailbox("INBOX"));
	fake_delete("Work");
}

/* Gone between the listing and the look at it, and not failing: what was moved
   out of it before is known where it is now. */
static void test_a_mailbox_gone_before_the_look_has_not_failed(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 46);
	server.has_email_ids = true;
	populate(&world);
	server.body_count = 0;
	world_deliver_there(&world, "Work", 1, FLAG_SEEN);
	server.interfere = move_and_delete;
	(void)world_sync(&world);
	assert_null(server.interfere);
	check_end(&world, 4);
	assert_int_equal(server.body_count, 0);
	world_finish(&world);
}

/* Its UIDVALIDITY is lower than that of the one that had the name, and says
   nothing of the other mailboxes. */
static void test_an_older_mailbox_of_the_name_is_no_older_state(void **state)
{
	struct world world;
	struct fake_mailbox *zoo;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 48);
	fake_create("Old");
	zoo = fake_create("Zoo");
	world_deliver_there(&world, "Zoo", 3, FLAG_SEEN);
	fake_create("Work");
	world_converge(&world);
	fake_expunge(zoo, zoo->messages[0].uid);
	fake_delete("Work");
	fake_rename("Old", "Work");
	(void)world_sync(&world);
	assert_int_equal(local_count(&world, "Zoo"), 2);
	assert_int_equal(
		account_folder_by_path(world.account, "Zoo")->record.state,
		FOLDER_NORMAL);
	world_finish(&world);
}

/* What is held keeps its folder, but not the name from the mailbox that got it.
 */
static void test_held_mail_keeps_no_name_from_another(void **state)
{
	struct world world;
	struct fake_mailbox *work;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 50);
	server.has_mailbox_ids = true;
	fake_create("Play");
	world_deliver_there(&world, "Play", 2, FLAG_SEEN);
	fake_create("Work");
	world_deliver_there(&world, "Work", 4, FLAG_SEEN);
	world_converge(&world);
	work = fake_mailbox("Work");
	fake_expunge(work, work->messages[0].uid);
	fake_renumber(work);
	world_converge(&world);
	assert_int_equal(local_count(&world, "Work"), 4);
	fake_delete("Work");
	fake_rename("Play", "Work");
	world_converge(&world);
	assert_int_equal(local_count(&world, "Work"), 4 + 2);
	assert_int_equal(fake_mailbox("Work")->count, 2);
	assert_false(local_has_folder(&world, "Play"));
	world_finish(&world);
}

/* A listing that leaves it out is no proof that it is gone on both sides: its
   messages would be new when it is listed again. */
static void test_a_folder_gone_here_and_left_out_there_goes_there(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 47);
	populate(&world);
	local_remove_folder(&world, "Work");
	server.hides = "Work";
	(void)world_sync(&world);
	server.hides = NULL;
	check_end(&world, 3);
	world_finish(&world);
}

/* ---- Disks that are not mounted ---- */

static void test_an_empty_mount_point_removes_no_mailbox(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 33);
	populate(&world);
	world_stop(&world);
	local_run(&world, "rm -r mail/Work/*");
	world_start(&world);
	for (int i = 0; i < 3; i++)
		assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("Work")->count, 4);
	assert_non_null(strstr(
		account_folder_by_path(world.account, "Work")->record.error,
		"is its disk mounted?"));
	/* The others go on. */
	world_deliver_there(&world, "INBOX", 2, 0);
	world_deliver_here(&world, "INBOX", 1);
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "INBOX"), 6);
	assert_int_equal(fake_mailbox("INBOX")->count, 6);
	assert_true(world.account->local_is_complete);
	local_run(&world, "rmdir mail/Work");
	check_end(&world, 6);
	world_finish(&world);
}

/* Half of a folder went, by mistake or first: with mail in the other half it is
   not removed, and nothing on the server is. */
static void test_half_a_folder_with_mail_removes_no_mailbox(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 34);
	populate(&world);
	local_run(&world, "rm -r mail/Work/new");
	for (int i = 0; i < 3; i++)
		assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("Work")->count, 4);
	assert_non_null(strstr(
		account_folder_by_path(world.account, "Work")->record.error,
		"no directory 'new'"));
	world_stop(&world);
	world_start(&world);
	assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("Work")->count, 4);
	local_run(&world, "mkdir mail/Work/new");
	world_converge(&world);
	world_check_equal(&world, 7);
	local_run(&world, "rm -r mail/Work");
	check_end(&world, 3);
	world_finish(&world);
}

/* Removed here, and its directory is made by us for what is below it for a
   while: no person has to help. */
static void test_a_parent_made_by_us_is_no_mount_point(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 49);
	fake_create("Play");
	world_deliver_there(&world, "Play", 2, FLAG_SEEN);
	fake_create("Work");
	world_deliver_there(&world, "INBOX", 3, FLAG_SEEN);
	world_deliver_there(&world, "Work", 4, FLAG_SEEN);
	world_converge(&world);
	world_stop(&world);
	local_remove_folder(&world, "Work");
	fake_rename("Play", "Work/2024");
	world_start(&world);
	server.refuses = "Work";
	(void)world_sync(&world);
	assert_true(local_has_folder(&world, "Work/2024"));
	server.refuses = NULL;
	fake_rename("Work/2024", "Play");
	world_converge(&world);
	world_check_equal(&world, 5);
	world_check_quiet(&world);
	assert_int_equal(local_count(&world, "Play"), 2);
	world_finish(&world);
}

/* The Maildir as it was before Work was made. */
static void test_what_a_restored_copy_lacks_comes_back(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 34);
	populate(&world);
	world_stop(&world);
	local_run(&world,
		"cp -a mail copy && rm -r copy/Work mail && "
		"mv copy mail");
	world_start(&world);
	world_converge(&world);
	world_check_equal(&world, 7);
	assert_int_equal(local_count(&world, "Work"), 4);
	world_check_quiet(&world);
	world_finish(&world);
}

/* One that is not listed may have the name that nobody can read. */
static void test_an_unreadable_name_removes_no_mailbox(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 34);
	populate(&world);
	server.unreadable_count = 1;
	world_deliver_there(&world, "INBOX", 1, 0);
	world_converge(&world);
	world_check_equal(&world, 8);
	assert_int_equal(world.account->skipped_count, 1);
	fake_delete("Work");
	for (int i = 0; i < 3; i++) {
		world_wait(1000);
		world_converge(&world);
	}
	assert_int_equal(local_count(&world, "Work"), 4);
	server.unreadable_count = 0;
	for (int i = 0; i < 3; i++) {
		world_wait(1000);
		world_converge(&world);
	}
	assert_false(local_has_folder(&world, "Work"));
	world_check_equal(&world, 4);
	world_finish(&world);
}

static void rename_before_append(void *data)
{
	(void)data;
	if (strcmp(server.call, "remote_append") != 0)
		return;
	server.interfere = NULL;
	fake_rename("Work", "Elsewhere");
}

/* It is the mailbox that is refused, not the message. */
static void test_mail_for_a_mailbox_that_is_renamed_goes_up(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 32);
	populate(&world);
	world_deliver_here(&world, "Work", 2);
	server.interfere = rename_before_append;
	assert_true(world_sync(&world));
	assert_null(server.interfere);
	world_check_equal(&world, 9);
	assert_int_equal(fake_mailbox("Elsewhere")->count, 6);
	world_check_quiet(&world);
	world_finish(&world);
}

/* Counts the APPENDs to Work, which is there at any other time. */
static void away_for_appends(void *data)
{
	unsigned *count = data;

	if (fake_mailbox("Away") != NULL)
		fake_rename("Away", "Work");
	if (strcmp(server.call, "remote_append") != 0)
		return;
	fake_rename("Work", "Away");
	*count += 1;
}

static void test_mail_for_a_mailbox_never_there_can_wait(void **state)
{
	struct world world;
	unsigned count = 0;

	(void)state;
	world_init(&world, "", 33);
	populate(&world);
	world_deliver_here(&world, "Work", 1);
	server.interfere = away_for_appends;
	server.data = &count;
	for (int i = 0; i < 3; i++)
		assert_true(world_sync(&world));
	server.interfere = NULL;
	assert_int_equal(count, 4);
	if (fake_mailbox("Away") != NULL)
		fake_rename("Away", "Work");
	world_wait(1000);
	world_converge(&world);
	world_check_equal(&world, 8);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_folder_removed_here_and_renamed_there_is_found),
		cmocka_unit_test(
			test_a_folder_renamed_here_and_removed_there_is_found),
		cmocka_unit_test(
			test_a_mailbox_gone_there_and_moved_into_here_goes_on),
		cmocka_unit_test(
			test_a_folder_gone_here_and_moved_into_there_goes_on),
		cmocka_unit_test(
			test_a_folder_gone_here_and_flagged_there_goes_on),
		cmocka_unit_test(test_a_removal_that_was_cut_off_is_ended),
		cmocka_unit_test(test_a_folder_on_its_way_out_comes_back),
		cmocka_unit_test(test_a_folder_that_is_put_back_goes_on),
		cmocka_unit_test(
			test_a_mailbox_we_made_is_renumbered_like_any_other),
		cmocka_unit_test(
			test_when_most_mailboxes_are_gone_a_person_is_asked),
		cmocka_unit_test(test_renamed_mailboxes_are_not_missed),
		cmocka_unit_test(test_an_unreadable_name_removes_no_mailbox),
		cmocka_unit_test(
			test_of_a_removed_mailbox_only_the_name_is_left),
		cmocka_unit_test(
			test_a_mailbox_gets_the_name_of_one_that_is_gone),
		cmocka_unit_test(test_what_is_in_a_mailbox_that_waits_stays),
		cmocka_unit_test(
			test_new_mail_goes_to_the_mailbox_that_has_the_name),
		cmocka_unit_test(
			test_a_name_given_away_before_the_look_tells_nothing),
		cmocka_unit_test(test_a_new_mailbox_of_the_old_name_is_another),
		cmocka_unit_test(
			test_a_mailbox_gone_before_the_look_has_not_failed),
		cmocka_unit_test(
			test_an_older_mailbox_of_the_name_is_no_older_state),
		cmocka_unit_test(test_held_mail_keeps_no_name_from_another),
		cmocka_unit_test(
			test_a_folder_gone_here_and_left_out_there_goes_there),
		cmocka_unit_test(
			test_mail_for_a_mailbox_that_is_renamed_goes_up),
		cmocka_unit_test(test_mail_for_a_mailbox_never_there_can_wait),
		cmocka_unit_test(test_an_empty_mount_point_removes_no_mailbox),
		cmocka_unit_test(
			test_half_a_folder_with_mail_removes_no_mailbox),
		cmocka_unit_test(test_a_parent_made_by_us_is_no_mount_point),
		cmocka_unit_test(test_what_a_restored_copy_lacks_comes_back),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
