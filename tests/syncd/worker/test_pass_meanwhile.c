/* What others do between our look and our act, in whole passes: the act is on
   what was looked at, or it is off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/watch.h"
#include "syncd/worker/pass.h"
#include "tests/syncd/worker/deed.h"
#include "tests/syncd/worker/world.h"

/* Its UIDs are not those a renumbered mailbox begins with. */
static void populate(struct world *world)
{
	fake_create("Work");
	fake_create("Archive");
	for (int i = 0; i < 4; i++) {
		world_deliver_there(world, "INBOX", 2, 0);
		world_deliver_there(world, "Work", 2, FLAG_SEEN);
		world_deliver_there(world, "Archive", 2, FLAG_SEEN);
	}
	for (uint32_t uid = 1; uid <= 4; uid++) {
		fake_expunge(fake_mailbox("INBOX"), uid);
		fake_expunge(fake_mailbox("Archive"), uid);
	}
	world_converge(world);
	world_check_equal(world, 16);
}

static void end(struct world *world, size_t count)
{
	world_converge(world);
	assert_deed_is_done();
	world_converge(world);
	world_check_equal(world, count);
	world_check_quiet(world);
	world_finish(world);
}

/* ---- A removal of what somebody wants to keep now ---- */

static void set_everywhere(uint32_t system_flags)
{
	struct fake_mailbox *work = fake_mailbox("Work");

	for (size_t i = 0; i < work->count; i++) {
		work->messages[i].flags.system |= system_flags;
		fake_touch(work, &work->messages[i]);
	}
}

static void flag_there(struct world *world)
{
	(void)world;
	set_everywhere(FLAG_FLAGGED);
}

/* As a client that marks what others may expunge. */
static void flag_and_mark_there(struct world *world)
{
	(void)world;
	set_everywhere(FLAG_FLAGGED | FLAG_DELETED);
}

static void check_removal(const char *call, void (*act)(struct world *world))
{
	struct world world;

	world_init(&world, "", 1);
	populate(&world);
	local_remove(&world, "Work", 0);
	at_first(&world, call, act);
	end(&world, 16);
}

static void test_flagged_before_it_is_verified_it_stays(void **state)
{
	(void)state;
	check_removal("remote_fetch_messages", flag_there);
}

/* As in an account without keywords in its files: the wish counts. */
static void label_there(struct world *world)
{
	struct fake_mailbox *work = fake_mailbox("Work");
	int keyword = keyword_table_intern(&world->account->keywords, "keep");

	assert_true(keyword >= 0);
	for (size_t i = 0; i < work->count; i++) {
		flags_set_keyword(&work->messages[i].flags, (unsigned)keyword);
		fake_touch(work, &work->messages[i]);
	}
}

static void test_labelled_before_it_is_verified_it_stays(void **state)
{
	(void)state;
	check_removal("remote_fetch_messages", label_there);
}

static void unmark_there(struct world *world)
{
	struct fake_mailbox *work = fake_mailbox("Work");

	(void)world;
	for (size_t i = 0; i < work->count; i++) {
		work->messages[i].flags.system &= ~(uint32_t)FLAG_DELETED;
		fake_touch(work, &work->messages[i]);
	}
}

/* Marked on both sides, and removed here. */
static void test_unmarked_before_it_is_verified_it_stays(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 10);
	populate(&world);
	set_everywhere(FLAG_DELETED);
	world_converge(&world);
	local_remove(&world, "Work", 0);
	at_first(&world, "remote_fetch_messages", unmark_there);
	end(&world, 16);
}

static void test_flagged_after_it_was_verified_it_stays(void **state)
{
	(void)state;
	check_removal("remote_store", flag_there);
}

static void test_what_could_not_be_marked_is_not_expunged(void **state)
{
	(void)state;
	check_removal("remote_store", flag_and_mark_there);
}

static void cut_off(struct world *world)
{
	(void)world;
	server.cut_in = 1;
}

static void test_unmarked_after_a_cut_it_comes_back(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 10);
	populate(&world);
	local_remove(&world, "Work", 0);
	at_first(&world, "remote_expunge", cut_off);
	assert_false(world_sync(&world));
	world_stop(&world);
	unmark_there(&world);
	end(&world, 16);
}

/* The mark is ours: nobody says so but the flags, without CONDSTORE. */
static void test_marked_before_a_cut_it_goes_all_the_same(void **state)
{
	struct world world;

	(void)state;
	for (int has_condstore = 0; has_condstore < 2; has_condstore++) {
		world_init(&world, "", 10);
		server.has_qresync = false;
		server.has_condstore = has_condstore != 0;
		populate(&world);
		local_remove(&world, "Work", 0);
		at_first(&world, "remote_expunge", cut_off);
		assert_false(world_sync(&world));
		/* The same call of `sync` tries again. */
		world.account->wants_sweep = false;
		assert_true(pass_run_to_end(world.account, &world.error));
		end(&world, 15);
	}
}

/* ---- Flags ---- */

static void check_that_none_is_flagged(struct world *world)
{
	const struct fake_mailbox *work = fake_mailbox("Work");

	(void)world;
	for (size_t i = 0; i < work->count; i++)
		assert_int_equal(work->messages[i].flags.system, 0);
}

static void clear_there(struct world *world)
{
	struct fake_mailbox *work = fake_mailbox("Work");

	for (size_t i = 0; i < work->count; i++) {
		work->messages[i].flags.system = 0;
		fake_touch(work, &work->messages[i]);
	}
	at_first(world, "remote_observe", check_that_none_is_flagged);
}

/* Else both would be said to have agreed on what the server never had. */
static void test_flags_are_set_on_what_was_looked_at(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 7);
	populate(&world);
	local_set_letters(&world, "Work", 0, "FS");
	at_first(&world, "remote_store", clear_there);
	end(&world, 16);
}

/* ---- Another UIDVALIDITY in an answer ---- */

/* The UID that is given out next is one of the old ones. */
static void renumber(const char *name)
{
	struct fake_mailbox *mailbox = fake_mailbox(name);

	fake_renumber(mailbox);
	for (size_t i = 0; i < mailbox->count; i++)
		mailbox->messages[i].uid = (uint32_t)i + 1;
	mailbox->uid_next = (uint32_t)mailbox->count + 1;
	assert_in_range(mailbox->uid_next, 5, 8);
}

static void renumber_inbox(struct world *world)
{
	(void)world;
	renumber("INBOX");
}

static void renumber_archive(struct world *world)
{
	(void)world;
	renumber("Archive");
}

static void test_a_uid_of_a_renumbered_mailbox_binds_no_upload(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 2);
	populate(&world);
	world_deliver_here(&world, "INBOX", 1);
	at_first(&world, "remote_append", renumber_inbox);
	world_converge(&world);
	assert_int_equal(server.append_count, 1);
	end(&world, 17);
}

static void cut_off_stored(struct world *world)
{
	(void)world;
	server.cut_in = 1;
	server.cut_after_effect = true;
}

static void check_upload_moved(const char *from, const char *to)
{
	struct world world;

	world_init(&world, "", 11);
	populate(&world);
	world_deliver_here(&world, from, 1);
	at_first(&world, "remote_append", cut_off_stored);
	assert_false(world_sync(&world));
	server.cut_after_effect = false;
	world_stop(&world);
	local_move(&world, from, local_count(&world, from) - 1, to, true);
	end(&world, 17);
	assert_int_equal(server.append_count, 1);
}

/* Nobody knows yet that it is stored. */
static void test_an_open_upload_that_is_moved_is_one_message(void **state)
{
	(void)state;
	check_upload_moved("Archive", "Work");
	check_upload_moved("Work", "Archive");
}

static void check_move(bool has_move)
{
	struct world world;

	world_init(&world, "", 3);
	server.has_move = has_move;
	populate(&world);
	local_move(&world, "Work", 0, "Archive", false);
	at_first(&world, "transfer", renumber_archive);
	world_converge(&world);
	assert_int_equal(server.append_count, 0);
	end(&world, 16);
}

static void test_a_uid_of_a_renumbered_mailbox_binds_no_move(void **state)
{
	(void)state;
	check_move(true);
}

static void test_a_uid_of_a_renumbered_mailbox_binds_no_copy(void **state)
{
	(void)state;
	check_move(false);
}

/* One goes, and the server names two others, which nobody here ever had. */
static void vanish_wrongly(struct world *world)
{
	struct fake_mailbox *inbox = fake_mailbox("INBOX");
	struct fake_gone *gone;

	(void)world;
	fake_expunge(inbox, inbox->messages[0].uid);
	gone = &inbox->gone[inbox->gone_count++];
	gone[-1].uid = 1;
	gone[0] = (struct fake_gone){ 2, gone[-1].modseq };
}

/* With the upload that is known already, its count agrees with what it told. */
static void test_what_went_without_a_word_is_found(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 13);
	populate(&world);
	world_deliver_here(&world, "INBOX", 1);
	at_first(&world, "remote_append", vanish_wrongly);
	end(&world, 16);
}

/* Told to have vanished is another one, and no listing can be had. */
static void test_in_doubt_nothing_is_absent(void **state)
{
	struct fake_mailbox *work;
	struct world world;
	unsigned body_count;
	uint32_t uid;

	(void)state;
	world_init(&world, "", 14);
	populate(&world);
	body_count = server.body_count;
	work = fake_mailbox("Work");
	uid = work->messages[0].uid;
	fake_expunge(work, uid);
	work->gone[work->gone_count - 1].uid = uid + 1;
	server.doubtful = "Work";
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Work"), 8);
	server.doubtful = NULL;
	work->gone[work->gone_count - 1].uid = uid;
	end(&world, 15);
	assert_int_equal(server.body_count, body_count);
}

/* ---- Names ---- */

static void write_file(
	const struct world *world, const char *path, const char *text)
{
	char *whole = alloc_format("%s/%s", world->maildir, path);
	FILE *file = fopen(whole, "w");

	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
	free(whole);
}

/* A file with the unique part of the first in Work, of another message. Some
   mail readers number the files of each folder by themselves. */
static void deliver_namesake(struct world *world, const char *folder)
{
	char *file = local_file(world, "Work", 0);
	const char *name = strchr(file, '/') + 1;
	char *path = alloc_format(
		"%s/cur/%.*s:2,F", folder, (int)strcspn(name, ":"), name);

	write_file(world, path, "Subject: another\n\nx\n");
	free(path);
	free(file);
}

static void test_a_name_of_another_message_is_not_taken(void **state)
{
	struct world world;
	struct fake_mailbox *work;

	(void)state;
	world_init(&world, "", 4);
	populate(&world);
	deliver_namesake(&world, "INBOX");
	world_converge(&world);
	work = fake_mailbox("Work");
	while (work->count > 0)
		fake_move(work, work->messages[0].uid, fake_mailbox("INBOX"));
	end(&world, 17);
}

static void test_two_files_of_one_name_are_two_messages(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 8);
	populate(&world);
	deliver_namesake(&world, "Work");
	world_converge(&world);
	assert_int_equal(server.append_count, 1);
	end(&world, 17);
}

/* "cur/NAME", as a download of the newest message in INBOX would call it. */
static char *planned_path(struct world *world)
{
	const struct fake_mailbox *inbox = fake_mailbox("INBOX");
	struct arena arena;
	struct pair pair;
	char *path;

	arena_init(&arena);
	assert_true(state_pair_by_uid(world->account->state,
		account_folder_by_path(world->account, "INBOX")
			->record.folder_id,
		inbox->messages[inbox->count - 1].uid, &arena, &pair));
	assert_int_equal(pair.local.presence, PRESENCE_NEVER);
	path = alloc_format("INBOX/cur/%s:2,", pair.local.name);
	arena_finish(&arena);
	return path;
}

/* The download was cut off; what has its name now is not what came. */
static void test_a_planned_name_alone_is_not_the_message(void **state)
{
	struct world world;
	char *path;

	(void)state;
	world_init(&world, "", 9);
	populate(&world);
	world_deliver_there(&world, "INBOX", 1, 0);
	at_first(&world, "fetch", cut_off);
	assert_false(world_sync(&world));
	path = planned_path(&world);
	world_stop(&world);
	write_file(&world, path, "Subject: another\n\nx\n");
	free(path);
	end(&world, 18);
}

/* Wanted again there, it was fetched, and a power cut left the file and took
   its record: neither side is where it was, and it is one message. */
static void test_what_is_new_on_both_sides_is_the_one_missed(void **state)
{
	struct world world;
	struct fake_mailbox *work;

	(void)state;
	world_init(&world, "", 5);
	populate(&world);
	work = fake_mailbox("Work");
	local_remove(&world, "Work", 0);
	work->messages[0].flags.system |= FLAG_FLAGGED;
	fake_touch(work, &work->messages[0]);
	at_first(&world, "fetch", cut_off);
	assert_false(world_sync(&world));
	world_stop(&world);
	local_deliver(&world, "Work", work->messages[0].body);
	fake_renumber(work);
	world_start(&world);
	world_converge(&world);
	assert_int_equal(server.append_count, 0);
	end(&world, 16);
}

static FILE *written;
static unsigned list_count;

/* With the first transfer, or in the second pass: each looks twice. */
static void end_writing(void *data)
{
	(void)data;
	list_count += strcmp(server.call, "remote_list") == 0;
	if (list_count < 3 && strcmp(server.call, "fetch") != 0)
		return;
	server.interfere = NULL;
	assert_int_equal(fclose(written), 0);
}

/* While it could not be read nobody knew that it is the one missed; it is not
   sent as another, though it can be read by then. */
static void test_what_cannot_be_read_yet_may_be_the_one_missed(void **state)
{
	struct world world;
	struct fake_mailbox *work;
	char *file, *path;

	(void)state;
	world_init(&world, "", 5);
	populate(&world);
	work = fake_mailbox("Work");
	local_remove(&world, "Work", 0);
	work->messages[0].flags.system |= FLAG_FLAGGED;
	fake_touch(work, &work->messages[0]);
	at_first(&world, "fetch", cut_off);
	assert_false(world_sync(&world));
	world_stop(&world);
	local_deliver(&world, "Archive", work->messages[0].body);
	file = local_file(&world, "Archive", 4);
	path = alloc_format("%s/Archive/%s", world.maildir, file);
	written = fopen(path, "r+");
	assert_non_null(written);
	world_deliver_there(&world, "INBOX", 1, 0);
	world_start(&world);
	list_count = 0;
	server.interfere = end_writing;
	world_converge(&world);
	assert_null(server.interfere);
	assert_int_equal(server.append_count, 0);
	end(&world, 17);
	free(path);
	free(file);
}

static char *moved_body;

static void deliver_equal(struct world *world)
{
	local_deliver(world, "Archive", moved_body);
}

/* What is left where a message was copied from belongs to no file: it is not
   copied once more for an equal one, which may have been sent already. */
static void test_a_source_is_copied_once(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 5);
	server.has_move = false;
	populate(&world);
	moved_body = local_body(&world, "Work", 0);
	local_move(&world, "Work", 0, "Archive", false);
	at_first(&world, "transfer", deliver_equal);
	world_converge(&world);
	assert_int_equal(server.append_count, 1);
	end(&world, 17);
	free(moved_body);
}

/* No COPYUID: which of the two is which shows by where it was moved to. */
static void test_equal_messages_change_places_once(void **state)
{
	static const char BODY[] = "Subject: twin\r\n\r\nx\r\n";
	struct world world;
	unsigned move_count;

	(void)state;
	world_init(&world, "", 5);
	server.has_receipts = false;
	populate(&world);
	local_deliver(&world, "Work", BODY);
	local_deliver(&world, "Archive", BODY);
	world_converge(&world);
	local_run(&world,
		"cd mail && a=$(basename Work/new/16*) && "
		"b=$(basename Archive/new/16*) && "
		"mv Work/new/$a Archive/cur/$a:2,S && "
		"mv Archive/new/$b Work/cur/$b:2,S");
	move_count = server.change_count;
	world_converge(&world);
	/* Two moves, two flags. */
	assert_in_range(server.change_count - move_count, 1, 4);
	end(&world, 18);
}

/* ---- What could not be looked at ---- */

static char *keywords_path(const struct world *world)
{
	return alloc_format("%s/Archive/dovecot-keywords", world->maildir);
}

/* Nothing in that folder can be read, then. Caller frees. */
static char *block_archive(const struct world *world)
{
	char *path = keywords_path(world);

	(void)unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	return path;
}

static void test_what_may_be_in_an_unread_folder_is_not_removed(void **state)
{
	struct world world;
	char *path;

	(void)state;
	world_init(&world, "", 5);
	populate(&world);
	world_stop(&world);
	local_move(&world, "Work", 0, "Archive", false);
	path = block_archive(&world);
	world_start(&world);
	assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("Work")->count, 8);
	assert_int_equal(rmdir(path), 0);
	free(path);
	world_stop(&world);
	world_converge(&world);
	assert_int_equal(server.append_count, 0);
	assert_int_equal(fake_mailbox("Work")->count, 7);
	end(&world, 16);
}

static void refuse_work(struct world *world)
{
	(void)world;
	server.refuses = "Work";
}

/* No COPYUID, and where it was cannot be looked at: what comes to where it was
   moved is the message, and no other. */
static void check_unseen_source(bool has_email_ids)
{
	struct world world;

	world_init(&world, "", 5);
	server.has_receipts = false;
	server.has_email_ids = has_email_ids;
	populate(&world);
	server.body_count = 0;
	local_move(&world, "Work", 0, "Archive", false);
	at_first(&world, "transfer", refuse_work);
	assert_true(world_sync(&world));
	world_stop(&world);
	/* Others go on. */
	world_deliver_there(&world, "Archive", 1, 0);
	world_start(&world);
	/* For as long as that takes. */
	for (int i = 0; i < 12; i++) {
		assert_true(world_sync(&world));
		assert_int_equal(local_count(&world, "Archive"), 6);
		world_wait(12 * 3600);
	}
	server.refuses = NULL;
	world_converge(&world);
	assert_int_equal(server.append_count, 0);
	end(&world, 17);
}

static void test_what_was_moved_from_an_unseen_mailbox_is_no_other(void **state)
{
	(void)state;
	check_unseen_source(false);
	check_unseen_source(true);
}

/* What is on record is what the server has. */
static void check_email_ids(struct world *world)
{
	const struct account_folder *folder =
		account_folder_by_path(world->account, "Archive");
	const struct fake_mailbox *archive = fake_mailbox("Archive");
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	for (size_t i = 0; i < archive->count; i++) {
		const struct fake_message *message = &archive->messages[i];

		assert_true(state_pair_by_uid(world->account->state,
			folder->record.folder_id, message->uid, &arena, &pair));
		assert_true(pair.content.email_id == 0 ||
			pair.content.email_id == message->email_id);
	}
	arena_finish(&arena);
}

/* Copied there, and an equal one sent beside it: each is the one it was. Taken
   for each other, they would not have the EMAILID on record, and the server
   would pass for one put back to an older state. */
static void test_a_copy_is_not_what_was_sent_beside_it(void **state)
{
	struct world world;
	char *body;

	(void)state;
	world_init(&world, "", 6);
	server.has_move = server.has_receipts = false;
	server.has_email_ids = true;
	populate(&world);
	body = local_body(&world, "Work", 0);
	local_deliver(&world, "Archive", body);
	local_move(&world, "Work", 0, "Archive", true);
	world_converge(&world);
	server.body_count = 0;
	world_converge(&world);
	assert_int_equal(
		account_folder_by_path(world.account, "Archive")->record.state,
		FOLDER_NORMAL);
	check_email_ids(&world);
	world_check_equal(&world, 17);
	world_check_quiet(&world);
	world_finish(&world);
	free(body);
}

/* Its mailbox is looked at all the same: it is no new message there, and none
   of its own here. */
static void test_what_was_moved_out_of_an_unread_folder_is_known(void **state)
{
	struct world world;
	struct fake_mailbox *archive;
	char *path;

	(void)state;
	world_init(&world, "", 20);
	populate(&world);
	world_deliver_there(&world, "Archive", 1, 0);
	world_converge(&world);
	world_stop(&world);
	server.body_count = 0;
	path = block_archive(&world);
	archive = fake_mailbox("Archive");
	fake_move(archive, archive->messages[0].uid, fake_mailbox("Work"));
	world_start(&world);
	assert_true(world_sync(&world));
	local_set_letters(&world, "Archive", 0, "F");
	assert_int_equal(rmdir(path), 0);
	free(path);
	world_stop(&world);
	world_converge(&world);
	assert_int_equal(server.append_count, 0);
	assert_int_equal(server.body_count, 0);
	end(&world, 17);
}

static void deliver_to_work(struct world *world)
{
	world_deliver_here(world, "Work", 1);
}

/* So that a scan believes what it sees. */
static void make_old(const struct world *world, const char *part)
{
	const struct timespec times[2] = { { .tv_sec = 1500000000 },
		{ .tv_sec = 1500000000 } };
	char *path = alloc_format("%s/Work/%s", world->maildir, part);

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	free(path);
}

/* Its directory is another one now, which was looked at without a watch. */
static void test_what_comes_before_the_watch_is_found(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 12);
	populate(&world);
	local_rename_folder(&world, "Work", ".old");
	local_make_folder(&world, "Work");
	for (int i = 0; i < 8; i++)
		local_move(&world, ".old", 0, "Work", false);
	local_remove_folder(&world, ".old");
	make_old(&world, "new");
	make_old(&world, "cur");
	at_first(&world, "remote_list", deliver_to_work);
	end(&world, 17);
}

/* More than the kernel keeps. */
static void flood_events(struct world *world)
{
	char *file = local_file(world, "INBOX", 0);
	char *from = alloc_format("%s/INBOX/%s", world->maildir, file);
	char *to = alloc_format("%s/INBOX/cur/flood", world->maildir);
	struct watch_limits limits;

	watch_get_limits(&limits);
	for (long i = 0; i < limits.max_queued_events / 4 + 1; i++) {
		assert_int_equal(rename(from, to), 0);
		assert_int_equal(rename(to, from), 0);
	}
	free(to);
	free(from);
	free(file);
}

static void test_what_lost_events_told_is_found_by_scans(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 6);
	populate(&world);
	flood_events(&world);
	world_deliver_here(&world, "Archive", 1);
	local_remove(&world, "Work", 0);
	world_converge(&world);
	end(&world, 16);
}

/* ---- A rename that is seen in halves ---- */

static struct {
	char *path, *away;
} renamed;

static void rename_half(struct world *world)
{
	(void)world;
	assert_int_equal(rename(renamed.path, renamed.away), 0);
}

/* While the match asks what the arrival is. */
static void rename_whole(void *data)
{
	do_deed(data);
	if (strcmp(server.call, "fetch") == 0 &&
		access(renamed.away, F_OK) == 0)
		assert_int_equal(rename(renamed.away, renamed.path), 0);
}

static void test_a_copy_does_not_take_the_place_of_what_is_renamed(void **state)
{
	struct fake_mailbox *inbox;
	struct world world;
	char *file, *body;

	(void)state;
	world_init(&world, "", 1);
	populate(&world);
	inbox = fake_mailbox("INBOX");
	file = local_file(&world, "INBOX", 0);
	body = local_body(&world, "INBOX", 0);
	renamed.path = alloc_format("%s/INBOX/%s", world.maildir, file);
	renamed.away = alloc_format("%s/away", world.root);
	local_deliver(&world, "Archive", body);
	for (size_t i = 0; i < inbox->count; i++)
		if (strcmp(inbox->messages[i].body, body) == 0)
			fake_move(inbox, inbox->messages[i].uid,
				fake_mailbox("Work"));
	at_first(&world, "remote_list", rename_half);
	server.interfere = rename_whole;
	end(&world, 17);
	free(renamed.path);
	free(renamed.away);
	free(body);
	free(file);
}

/* ---- Asleep, at any moment of a pass with a removal ---- */

static void test_a_pass_ends_also_when_the_machine_slept(void **state)
{
	struct world world;
	bool has_slept = true;

	(void)state;
	for (unsigned looks = 1; has_slept; looks++) {
		world_init(&world, "", looks);
		populate(&world);
		fake_expunge(fake_mailbox("Archive"), 5);
		(void)world_sleep_at(looks, 2 * 3600);
		assert_true(world_sync(&world));
		has_slept = world_sleep_at(0, 0);
		world_converge(&world);
		world_check_equal(&world, 15);
		world_finish(&world);
		assert_true(looks < 1000);
	}
}

/* ---- UIDs given twice ---- */

static void free_last_uid(struct world *world)
{
	struct fake_mailbox *mailbox = fake_mailbox("Archive");

	(void)world;
	mailbox->uid_next = mailbox->messages[mailbox->count - 1].uid;
	fake_expunge(mailbox, mailbox->uid_next);
}

/* Whose UID it is on record as shows when the mailbox is looked at. */
static void converge_with_one_more(struct world *world, size_t count)
{
	world_converge(world);
	assert_deed_is_done();
	world_converge(world);
	assert_int_equal(fake_mailbox("Archive")->count, count);
	world_finish(world);
}

static void test_a_uid_on_record_is_given_to_what_is_sent(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 20);
	populate(&world);
	world_deliver_there(&world, "Archive", 3, 0);
	world_converge(&world);
	world_deliver_here(&world, "Archive", 1);
	at_first(&world, "remote_append", free_last_uid);
	converge_with_one_more(&world, 7);
}

static void test_a_uid_on_record_is_given_to_what_is_moved(void **state)
{
	struct world world;

	(void)state;
	for (int i = 0; i < 2; i++) {
		world_init(&world, "", 21);
		server.has_move = i == 0;
		populate(&world);
		world_deliver_there(&world, "Archive", 3, 0);
		world_converge(&world);
		local_move(&world, "Work", 0, "Archive", false);
		at_first(&world, "transfer", free_last_uid);
		converge_with_one_more(&world, 7);
	}
}

/* ---- Asleep ---- */

/* Counted before they are carried out: the guard's hour is over before. */
static void test_what_goes_after_a_sleep_counts_from_then(void **state)
{
	struct account_folder *folder;
	struct policy policy;
	struct world world;
	struct arena arena;
	int64_t since;

	(void)state;
	world_init(&world, "", 19);
	populate(&world);
	folder = account_folder_by_path(world.account, "INBOX");
	since = account_now();
	account_count_deletion(folder, false);
	assert_false(account_recount_deletions(folder, 1, since));
	world_wait(2 * 3600);
	assert_true(account_recount_deletions(folder, 1, since));
	arena_init(&arena);
	policy = account_policy(world.account, &arena);
	assert_int_equal(policy_folder(&policy, folder->record.folder_id)
				 ->deleted_local_count,
		1);
	arena_finish(&arena);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_copy_does_not_take_the_place_of_what_is_renamed),
		cmocka_unit_test(test_flagged_before_it_is_verified_it_stays),
		cmocka_unit_test(test_labelled_before_it_is_verified_it_stays),
		cmocka_unit_test(test_unmarked_before_it_is_verified_it_stays),
		cmocka_unit_test(test_flagged_after_it_was_verified_it_stays),
		cmocka_unit_test(test_what_could_not_be_marked_is_not_expunged),
		cmocka_unit_test(test_unmarked_after_a_cut_it_comes_back),
		cmocka_unit_test(test_marked_before_a_cut_it_goes_all_the_same),
		cmocka_unit_test(test_flags_are_set_on_what_was_looked_at),
		cmocka_unit_test(
			test_a_uid_of_a_renumbered_mailbox_binds_no_upload),
		cmocka_unit_test(
			test_an_open_upload_that_is_moved_is_one_message),
		cmocka_unit_test(
			test_a_uid_of_a_renumbered_mailbox_binds_no_move),
		cmocka_unit_test(
			test_a_uid_of_a_renumbered_mailbox_binds_no_copy),
		cmocka_unit_test(test_what_went_without_a_word_is_found),
		cmocka_unit_test(test_in_doubt_nothing_is_absent),
		cmocka_unit_test(test_a_name_of_another_message_is_not_taken),
		cmocka_unit_test(test_two_files_of_one_name_are_two_messages),
		cmocka_unit_test(test_a_planned_name_alone_is_not_the_message),
		cmocka_unit_test(
			test_what_may_be_in_an_unread_folder_is_not_removed),
		cmocka_unit_test(
			test_what_is_new_on_both_sides_is_the_one_missed),
		cmocka_unit_test(
			test_what_cannot_be_read_yet_may_be_the_one_missed),
		cmocka_unit_test(test_a_source_is_copied_once),
		cmocka_unit_test(test_equal_messages_change_places_once),
		cmocka_unit_test(
			test_what_was_moved_from_an_unseen_mailbox_is_no_other),
		cmocka_unit_test(test_a_copy_is_not_what_was_sent_beside_it),
		cmocka_unit_test(
			test_what_was_moved_out_of_an_unread_folder_is_known),
		cmocka_unit_test(test_what_comes_before_the_watch_is_found),
		cmocka_unit_test(test_what_lost_events_told_is_found_by_scans),
		cmocka_unit_test(test_a_uid_on_record_is_given_to_what_is_sent),
		cmocka_unit_test(
			test_a_uid_on_record_is_given_to_what_is_moved),
		cmocka_unit_test(test_what_goes_after_a_sleep_counts_from_then),
		cmocka_unit_test(test_a_pass_ends_also_when_the_machine_slept),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
