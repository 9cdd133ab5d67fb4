/* What may go wrong or come in between while a pass is at work: nothing is
   lost, doubled or taken for deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/pass.h"
#include "tests/syncd/worker/deed.h"
#include "tests/syncd/worker/world.h"

/* An account with three folders and eleven messages, in sync. */
static void populate(struct world *world)
{
	fake_create("Work");
	fake_create("Archive");
	for (int i = 0; i < 6; i++)
		world_deliver_there(world, "INBOX", 1, 0);
	for (int i = 0; i < 5; i++)
		world_deliver_there(world, "Work", 1, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 11);
}

/* ---- Readers of mail during the transfers ---- */

static void rename_file(struct world *world, const char *from, const char *to)
{
	char *old = alloc_format("%s/%s", world->root, from);
	char *new = alloc_format("%s/%s", world->root, to);

	assert_int_equal(rename(old, new), 0);
	free(new);
	free(old);
}

static char taken_name[256];

static void put_back(struct world *world)
{
	rename_file(world, "away", taken_name);
}

static void test_file_put_back_during_a_transfer_is_not_deleted(void **state)
{
	struct world world;
	char *file;

	(void)state;
	world_init(&world, "", 1);
	populate(&world);
	file = local_file(&world, "Work", 0);
	(void)snprintf(taken_name, sizeof(taken_name), "mail/Work/%s", file);
	free(file);
	rename_file(&world, taken_name, "away");
	world_deliver_there(&world, "INBOX", 1, 0);
	at_first(&world, "fetch", put_back);
	world_converge(&world);
	assert_deed_is_done();
	world_check_equal(&world, 12);
	world_check_quiet(&world);
	world_finish(&world);
}

/* As readers do that copy and delete: another name, another file. */
static void move_slowly(struct world *world)
{
	char *body = local_body(world, "INBOX", 0);

	local_deliver(world, "Work", body);
	local_remove(world, "INBOX", 0);
	free(body);
}

static void test_file_moved_during_a_transfer_is_moved_there(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 30);
	populate(&world);
	world_deliver_there(&world, "Archive", 1, 0);
	world_deliver_here(&world, "Work", 1);
	at_first(&world, "fetch", move_slowly);
	world_converge(&world);
	assert_deed_is_done();
	world_check_equal(&world, 13);
	assert_int_equal(fake_mailbox("Work")->count, 7);
	assert_int_equal(server.append_count, 1);
	world_check_quiet(&world);
	world_finish(&world);
}

static void answer_first(struct world *world)
{
	local_set_letters(world, "Work", 0, "RS");
}

static void test_flag_set_here_during_a_transfer_stays(void **state)
{
	struct world world;
	struct fake_mailbox *work;

	(void)state;
	world_init(&world, "", 2);
	populate(&world);
	work = fake_mailbox("Work");
	for (size_t i = 0; i < work->count; i++) {
		work->messages[i].flags.system |= FLAG_FLAGGED;
		fake_touch(work, &work->messages[i]);
	}
	world_deliver_there(&world, "INBOX", 1, 0);
	at_first(&world, "fetch", answer_first);
	world_converge(&world);
	assert_deed_is_done();
	world_converge(&world);
	world_check_equal(&world, 12);
	assert_int_equal(work->messages[0].flags.system,
		FLAG_SEEN | FLAG_FLAGGED | FLAG_ANSWERED);
	world_check_quiet(&world);
	world_finish(&world);
}

static void clear_first(struct world *world)
{
	local_set_letters(world, "Work", 0, "S");
}

static void test_flag_taken_back_during_a_transfer_stays_away(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 3);
	populate(&world);
	local_set_letters(&world, "Work", 0, "RS");
	world_deliver_there(&world, "INBOX", 1, 0);
	at_first(&world, "fetch", clear_first);
	world_converge(&world);
	assert_deed_is_done();
	world_converge(&world);
	world_check_equal(&world, 12);
	assert_int_equal(
		fake_mailbox("Work")->messages[0].flags.system, FLAG_SEEN);
	world_finish(&world);
}

static void flag_first(struct world *world)
{
	local_set_letters(world, "Work", 0, "FS");
}

static void test_file_flagged_during_a_transfer_is_not_deleted(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 4);
	populate(&world);
	while (fake_mailbox("Work")->count > 0)
		fake_expunge(fake_mailbox("Work"),
			fake_mailbox("Work")->messages[0].uid);
	world_deliver_there(&world, "INBOX", 1, 0);
	at_first(&world, "fetch", flag_first);
	world_converge(&world);
	assert_deed_is_done();
	world_converge(&world);
	world_check_equal(&world, 8);
	assert_int_equal(fake_mailbox("Work")->count, 1);
	world_finish(&world);
}

/* ---- Folders that cannot be looked at ---- */

static void test_what_may_be_in_a_refused_mailbox_is_not_deleted(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "", 5);
	populate(&world);
	body_count = server.body_count;
	fake_move(fake_mailbox("Work"), 2, fake_mailbox("Archive"));
	world_deliver_there(&world, "INBOX", 1, 0);
	server.refuses = "Archive";
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Work"), 5);
	/* The rest goes on. */
	assert_int_equal(local_count(&world, "INBOX"), 7);
	server.refuses = NULL;
	world_converge(&world);
	world_check_equal(&world, 12);
	assert_int_equal(server.body_count, body_count + 1);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_mailbox_left_out_of_a_listing_is_not_removed(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 17);
	populate(&world);
	body_count = server.body_count;
	server.hides = "Work";
	fake_move(fake_mailbox("INBOX"), 2, fake_mailbox("Work"));
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Work"), 5);
	assert_int_equal(local_count(&world, "INBOX"), 6);
	server.hides = NULL;
	world_converge(&world);
	world_check_equal(&world, 11);
	assert_int_equal(server.body_count, body_count);
	world_check_quiet(&world);
	world_finish(&world);
}

static void list_again(struct world *world)
{
	(void)world;
	server.hides = NULL;
	server.silent = NULL;
}

static void refuse_once(struct world *world)
{
	at_first(world, "remote_status", list_again);
}

/* Left out of a listing, and its STATUS refused: it is asked for once more. */
static void test_a_mailbox_is_not_gone_at_the_first_refusal(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 17);
	populate(&world);
	body_count = server.body_count;
	server.hides = "Work";
	server.silent = "Work";
	at_first(&world, "remote_status", refuse_once);
	assert_true(world_sync(&world));
	assert_deed_is_done();
	assert_int_equal(local_count(&world, "Work"), 5);
	world_converge(&world);
	world_check_equal(&world, 11);
	assert_int_equal(server.body_count, body_count);
	world_finish(&world);
}

/* Nothing of ours was ever in it. */
static void test_mailbox_never_readable_stops_no_deletion(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 6);
	populate(&world);
	fake_create("Secret");
	server.refuses = "Secret";
	fake_expunge(fake_mailbox("Work"), 2);
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "Work"), 4);
	world_finish(&world);
}

static void test_copy_into_a_refused_mailbox_is_found_later(void **state)
{
	struct world world;

	(void)state;
	for (unsigned cut = 1; cut < 60; cut++) {
		bool is_cut;

		world_init(&world, "", 7);
		server.has_move = server.has_receipts = false;
		populate(&world);
		local_move(&world, "Work", 0, "Archive", false);
		server.cut_in = cut;
		server.cut_after_effect = true;
		is_cut = !world_sync(&world);
		server.cut_in = 0;
		world_stop(&world);
		world_start(&world);
		server.refuses = "Archive";
		for (int i = 0; i < 4; i++)
			(void)world_sync(&world);
		server.refuses = NULL;
		world_converge(&world);
		world_converge(&world);
		world_check_equal(&world, 11);
		world_finish(&world);
		if (!is_cut)
			break;
	}
}

/* ---- A state that cannot be written ---- */

static void fill_disk(struct world *world)
{
	struct rlimit limit;

	(void)world;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void free_disk(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Nothing can be put into today's drawer. */
static char *block_retention(const struct world *world)
{
	time_t now = (time_t)clock_wall_seconds();
	char day[16];
	struct tm date;
	char *path;
	int fd;

	assert_non_null(gmtime_r(&now, &date));
	assert_true(strftime(day, sizeof(day), "%Y-%m-%d", &date) > 0);
	path = alloc_format("%s/state/home/removed/%s", world->root, day);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(close(fd), 0);
	return path;
}

static void test_removals_that_fail_are_not_held_as_too_many(void **state)
{
	struct world world;
	struct error error = { 0 };
	char *path;

	(void)state;
	world_init(&world, "", 35);
	world_deliver_there(&world, "INBOX", 40, 0);
	world_converge(&world);
	path = block_retention(&world);
	for (uint32_t uid = 1; uid <= 10; uid++)
		fake_expunge(fake_mailbox("INBOX"), uid);
	for (int i = 0; i < 5; i++) {
		error_clear(&error);
		assert_true(pass_run(world.account, &error) ||
			error.code == ERROR_SYSTEM);
		world_wait(10);
	}
	assert_int_equal(local_count(&world, "INBOX"), 40);
	assert_int_equal(unlink(path), 0);
	free(path);
	world_converge(&world);
	assert_int_equal(world.account->held_count, 0);
	world_check_equal(&world, 30);
	world_finish(&world);
}

static void test_disk_full_while_looking_there_forgets_nothing(void **state)
{
	struct world world;
	struct error error = { 0 };

	(void)state;
	world_init(&world, "", 8);
	populate(&world);
	world_deliver_there(&world, "INBOX", 1, 0);
	at_first(&world, "remote_observe", fill_disk);
	assert_false(pass_run(world.account, &error));
	free_disk();
	assert_deed_is_done();
	world_stop(&world);
	world_converge(&world);
	world_check_equal(&world, 12);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_disk_full_while_looking_here_forgets_nothing(void **state)
{
	struct world world;
	struct error error = { 0 };

	(void)state;
	for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
		world_init(&world, "", 9);
		populate(&world);
		world_stop(&world);
		if (is_restarted == 0) {
			world_start(&world);
			assert_true(world_sync(&world));
		}
		world_deliver_here(&world, "INBOX", 1);
		local_move(&world, "Work", 0, "Archive", true);
		if (is_restarted != 0)
			world_start(&world);
		fill_disk(&world);
		assert_false(pass_run(world.account, &error));
		free_disk();
		world_stop(&world);
		world_converge(&world);
		world_check_equal(&world, 12);
		assert_int_equal(server.append_count, 1);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

/* ---- Listings that break off ---- */

static void test_listing_that_breaks_off_proves_no_absence(void **state)
{
	struct world world;

	(void)state;
	for (int has_modseqs = 0; has_modseqs < 2; has_modseqs++) {
		world_init(&world, "    delete_limit: off\n", 21);
		server.has_qresync = server.has_condstore = has_modseqs != 0;
		populate(&world);
		fake_expunge(fake_mailbox("Work"), 2);
		for (int i = 0; i < 5; i++)
			world_deliver_there(&world, "Work", 1, 0);
		server.breaks_off = "Work";
		assert_true(world_sync(&world));
		assert_int_equal(local_count(&world, "Work"), 5);
		server.breaks_off = NULL;
		world_converge(&world);
		world_check_equal(&world, 15);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void cut_after_two_chunks(struct world *world)
{
	(void)world;
	server.cut_in = 2;
	server.cut_after_effect = true;
}

static uint64_t mid_of_uid(struct world *world, const char *path, uint32_t uid)
{
	const struct account_folder *folder =
		account_folder_by_path(world->account, path);
	struct arena arena;
	struct pair pair;
	uint64_t mid = 0;

	arena_init(&arena);
	if (state_pair_by_uid(world->account->state, folder->record.folder_id,
		    uid, &arena, &pair))
		mid = pair.mid;
	arena_finish(&arena);
	return mid;
}

/* What came is kept, known to be of this UIDVALIDITY, and not all there is. */
static void test_first_listing_cut_off_goes_on_from_there(void **state)
{
	const struct folder *record;
	struct world world;
	uint64_t mid;

	(void)state;
	world_init(&world, "", 22);
	for (int i = 0; i < 9; i++)
		world_deliver_there(&world, "INBOX", 1, 0);
	world_start(&world);
	at_first(&world, "remote_observe", cut_after_two_chunks);
	assert_false(world_sync(&world));
	assert_deed_is_done();
	mid = mid_of_uid(&world, "INBOX", 2 * FAKE_ROW_CHUNK);
	assert_int_not_equal(mid, 0);
	assert_int_equal(
		mid_of_uid(&world, "INBOX", 2 * FAKE_ROW_CHUNK + 1), 0);
	world_stop(&world);
	world_start(&world);
	record = &account_folder_by_path(world.account, "INBOX")->record;
	assert_int_equal(
		record->uid_validity, fake_mailbox("INBOX")->uid_validity);
	assert_int_equal(record->uid_next, 0);
	assert_true(uid_set_is_empty(&record->frontier));
	assert_int_equal(record->state, FOLDER_NORMAL);
	fake_expunge(fake_mailbox("INBOX"), 1);
	world_converge(&world);
	world_check_equal(&world, 8);
	assert_int_equal(mid_of_uid(&world, "INBOX", 2 * FAKE_ROW_CHUNK), mid);
	assert_int_equal(server.body_count, 8);
	world_check_quiet(&world);
	world_finish(&world);
}

/* The pairs that wait to be found again still wait after a restart. */
static void test_listing_of_a_new_epoch_cut_off_goes_on_from_there(void **state)
{
	const struct folder *record;
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "", 23);
	populate(&world);
	body_count = server.body_count;
	fake_renumber(fake_mailbox("INBOX"));
	at_first(&world, "remote_observe", cut_after_two_chunks);
	assert_false(world_sync(&world));
	assert_deed_is_done();
	world_stop(&world);
	world_start(&world);
	record = &account_folder_by_path(world.account, "INBOX")->record;
	assert_int_equal(record->state, FOLDER_EPOCH);
	assert_int_equal(
		record->uid_validity, fake_mailbox("INBOX")->uid_validity);
	assert_int_equal(record->uid_next, 0);
	world_converge(&world);
	world_check_equal(&world, 11);
	assert_int_equal(server.body_count, body_count);
	assert_int_equal(server.append_count, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

/* ---- Other messages under known numbers ---- */

static const char OTHER_BODY[] = "Message-ID: <other@example.org>\r\n"
				 "Subject: quite another one\r\n\r\nx\r\n";

/* Another message takes the place of UID 1, `size` octets long. */
static void reuse_uid(struct fake_message *message, size_t size)
{
	size_t own_size = sizeof(OTHER_BODY) - 1;

	assert_true(size >= own_size);
	free(message->body);
	message->body = alloc(size + 1, 1);
	memset(message->body, 'x', size);
	memcpy(message->body, OTHER_BODY, own_size);
	message->body[size] = '\0';
}

static void check_reuse(size_t longer, int64_t later)
{
	struct world world;
	struct fake_message *reused;

	world_init(&world, "", 10);
	populate(&world);
	reused = fake_find(fake_mailbox("Work"), 1);
	reuse_uid(reused, strlen(reused->body) + longer);
	reused->date += later;
	/* The file of the message that had this UID. */
	for (size_t i = 0; i < 5; i++)
		local_remove(&world, "Work", 0);
	world_converge(&world);
	world_converge(&world);
	assert_non_null(strstr(
		fake_mailbox("Work")->messages[0].body, "quite another one"));
	world_check_equal(&world, fake_mailbox("Work")->count + 6);
	world_finish(&world);
}

static void test_other_message_under_a_known_uid_is_kept_and_read(void **state)
{
	(void)state;
	check_reuse(7, 1000);
	check_reuse(0, 1000);
	check_reuse(7, 0);
}

static void do_nothing(struct world *world)
{
	(void)world;
}

/* Kept here, it is a new message there, with another EMAILID: not one that has
   taken the place of the old. */
static void test_message_sent_once_more_is_removed_all_the_same(void **state)
{
	struct fake_mailbox *inbox;
	struct world world;

	(void)state;
	world_init(&world, "", 29);
	server.has_email_ids = true;
	inbox = fake_mailbox("INBOX");
	world_deliver_there(&world, "INBOX", 2, 0);
	world_converge(&world);
	local_set_letters(&world, "INBOX", 0, "F");
	local_set_letters(&world, "INBOX", 1, "F");
	fake_expunge(inbox, 1);
	world_converge(&world);
	world_check_equal(&world, 2);
	assert_int_equal(inbox->messages[1].uid, 3);
	local_remove(&world, "INBOX", 0);
	local_remove(&world, "INBOX", 0);
	at_first(&world, "fetch", do_nothing);
	world_converge(&world);
	/* Nothing had to be recognised by its header. */
	assert_false(is_deed_done());
	server.interfere = NULL;
	world_check_equal(&world, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

/* Some servers forget the date they were given: the header is the message. */
static void test_message_with_a_wrong_date_is_deleted_all_the_same(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 10);
	populate(&world);
	fake_find(fake_mailbox("Work"), 1)->date += 1000;
	fake_find(fake_mailbox("Work"), 2)->date += 1000;
	for (size_t i = 0; i < 2; i++)
		local_remove(&world, "Work", 0);
	world_converge(&world);
	world_check_equal(&world, 9);
	world_check_quiet(&world);
	world_finish(&world);
}

static void undelete_all(struct world *world)
{
	struct fake_mailbox *work = fake_mailbox("Work");

	(void)world;
	for (size_t i = 0; i < work->count; i++) {
		work->messages[i].flags.system &= ~(uint32_t)FLAG_DELETED;
		fake_touch(work, &work->messages[i]);
	}
}

static void test_message_undeleted_before_the_expunge_comes_back(void **state)
{
	struct world world;

	(void)state;
	for (int has_qresync = 0; has_qresync < 2; has_qresync++) {
		world_init(&world, "", 11);
		server.has_qresync = has_qresync != 0;
		populate(&world);
		local_remove(&world, "Work", 0);
		at_first(&world, "remote_expunge", undelete_all);
		world_converge(&world);
		assert_deed_is_done();
		world_converge(&world);
		world_check_equal(&world, 11);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void check_held(struct world *world, const char *reason)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	int held_count = 0;

	arena_init(&arena);
	while (state_next_pair(world->account->state, &cursor, &arena, &pair))
		if (pair.hold == HOLD_REFUSED) {
			assert_string_equal(pair.reason, reason);
			held_count++;
		}
	assert_int_equal(held_count, 1);
	arena_finish(&arena);
}

/* It says OK and removes nothing: what is removed here is not to come back for
   it, and it is not asked for ever. */
static void test_server_that_does_not_expunge_is_told_of(void **state)
{
	struct world world;

	(void)state;
	for (int has_qresync = 0; has_qresync < 2; has_qresync++) {
		world_init(&world, "", 11);
		server.has_qresync = has_qresync != 0;
		populate(&world);
		local_remove(&world, "Work", 0);
		server.keeps_expunged = true;
		for (int i = 0; i < 8; i++)
			(void)world_sync(&world);
		assert_int_equal(local_count(&world, "Work"), 4);
		check_held(&world, "the server does not remove it");
		world_finish(&world);
	}
}

/* ---- Without a watch ---- */

static void make_old(struct world *world, const char *folder)
{
	static const char *const parts[] = { "new", "cur" };
	const struct timespec times[2] = { { .tv_sec = 1500000000 },
		{ .tv_sec = 1500000000 } };

	for (size_t i = 0; i < 2; i++) {
		char *path = alloc_format(
			"%s/%s/%s", world->maildir, folder, parts[i]);

		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		free(path);
	}
}

static void move_to_inbox(struct world *world)
{
	local_move(world, "Work", 0, "INBOX", false);
	make_old(world, "Work");
}

/* Work is too young to be believed in the first pass, INBOX is not. */
static void move_in_next_pass(struct world *world)
{
	at_first(world, "remote_list", move_to_inbox);
}

static void test_move_between_two_scans_is_no_deletion(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 12);
	populate(&world);
	make_old(&world, "INBOX");
	make_old(&world, "Archive");
	world_stop(&world);
	world_start(&world);
	watch_close(world.account->watch);
	world.account->watch = NULL;
	for (size_t i = 0; i < world.account->folder_count; i++)
		world.account->folders[i]->is_watched = false;
	at_first(&world, "remote_list", move_in_next_pass);
	(void)world_sync(&world);
	assert_deed_is_done();
	make_old(&world, "INBOX");
	assert_int_equal(
		fake_mailbox("Work")->count + fake_mailbox("INBOX")->count, 11);
	world_converge(&world);
	world_check_equal(&world, 11);
	assert_int_equal(server.append_count, 0);
	world_finish(&world);
}

/* ---- Folders that are gone ---- */

static void test_message_of_a_forgotten_folder_is_still_synced(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 13);
	populate(&world);
	local_move(&world, "Work", 0, "INBOX", false);
	local_remove_folder(&world, "Work");
	fake_delete("Work");
	world_converge(&world);
	world_converge(&world);
	world_check_equal(&world, 7);
	assert_int_equal(fake_mailbox("INBOX")->count, 7);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_mail_unseen_in_a_folder_removed_here_is_kept(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 14);
	populate(&world);
	world_deliver_there(&world, "Work", 1, 0);
	local_remove_folder(&world, "Work");
	world_converge(&world);
	world_converge(&world);
	assert_non_null(fake_mailbox("Work"));
	assert_int_equal(
		local_count(&world, "Work"), fake_mailbox("Work")->count);
	world_check_equal(&world, 6 + fake_mailbox("Work")->count);
	assert_true(fake_mailbox("Work")->count >= 1);
	world_finish(&world);
}

static void deliver_to_work(struct world *world)
{
	if (fake_mailbox("Work") != NULL)
		world_deliver_there(world, "Work", 1, 0);
}

/* Its UIDs start anew: none is taken for one of the old mailbox. */
static void test_mailbox_made_anew_gets_no_old_bindings(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 16);
	populate(&world);
	fake_delete("Work");
	world_deliver_here(&world, "Work", 1);
	at_first(&world, "remote_observe", deliver_to_work);
	world_converge(&world);
	assert_deed_is_done();
	world_converge(&world);
	world_check_equal(&world, 8);
	assert_int_equal(fake_mailbox("Work")->count, 2);
	world_check_quiet(&world);
	world_finish(&world);
}

/* ---- Files that change on their way up ---- */

static void replace_file(struct world *world)
{
	char *file = local_file(world, "INBOX", 0);
	char *path = alloc_format("%s/INBOX/%s", world->maildir, file);
	char *other = alloc_format("%s/other", world->root);
	FILE *stream = fopen(other, "w");

	assert_non_null(stream);
	(void)fputs("Subject: bbbb\n\nx\n", stream);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(rename(other, path), 0);
	free(other);
	free(path);
	free(file);
}

/* The file, its size and its time stay. */
static void rewrite_file(struct world *world)
{
	char *file = local_file(world, "INBOX", 0);
	char *path = alloc_format("%s/INBOX/%s", world->maildir, file);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	FILE *stream = fopen(path, "r+");
	struct stat info;

	assert_non_null(stream);
	assert_int_equal(fstat(fileno(stream), &info), 0);
	(void)fputs("Subject: bbbb", stream);
	assert_int_equal(fflush(stream), 0);
	times[1] = info.st_mtim;
	assert_int_equal(futimens(fileno(stream), times), 0);
	assert_int_equal(fclose(stream), 0);
	free(path);
	free(file);
}

static void cut_append(struct world *world)
{
	(void)world;
	server.cut_in = 1;
}

static void test_upload_cut_off_is_forgotten_with_its_file(void **state)
{
	struct world world;

	(void)state;
	for (int is_stored = 0; is_stored < 2; is_stored++) {
		world_init(&world, "", 19);
		populate(&world);
		world_deliver_here(&world, "Archive", 1);
		server.cut_after_effect = is_stored != 0;
		at_first(&world, "remote_append", cut_append);
		assert_false(world_sync(&world));
		assert_deed_is_done();
		world_stop(&world);
		local_remove(&world, "Archive", 0);
		world_converge(&world);
		world_converge(&world);
		/* What got there is a message of the server's. */
		world_check_equal(&world, 11 + (size_t)is_stored);
		assert_int_equal(
			state_unsettled_count(world.account->state), 0);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

static void send_meanwhile(void (*act)(struct world *world))
{
	struct world world;

	world_init(&world, "", 15);
	world_converge(&world);
	local_deliver(&world, "INBOX", "Subject: aaaa\r\n\r\nx\r\n");
	at_first(&world, "remote_append", act);
	(void)world_sync(&world);
	assert_deed_is_done();
	assert_int_equal(fake_mailbox("INBOX")->count, 0);
	world_converge(&world);
	world_converge(&world);
	world_check_equal(&world, 1);
	assert_int_equal(server.append_count, 1);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_file_replaced_before_it_is_sent_is_not_mixed_up(void **state)
{
	(void)state;
	send_meanwhile(replace_file);
}

static void test_file_rewritten_before_it_is_sent_is_not_mixed_up(void **state)
{
	(void)state;
	send_meanwhile(rewrite_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_file_put_back_during_a_transfer_is_not_deleted),
		cmocka_unit_test(
			test_file_moved_during_a_transfer_is_moved_there),
		cmocka_unit_test(test_flag_set_here_during_a_transfer_stays),
		cmocka_unit_test(
			test_flag_taken_back_during_a_transfer_stays_away),
		cmocka_unit_test(
			test_file_flagged_during_a_transfer_is_not_deleted),
		cmocka_unit_test(
			test_what_may_be_in_a_refused_mailbox_is_not_deleted),
		cmocka_unit_test(
			test_mailbox_left_out_of_a_listing_is_not_removed),
		cmocka_unit_test(
			test_a_mailbox_is_not_gone_at_the_first_refusal),
		cmocka_unit_test(test_mailbox_never_readable_stops_no_deletion),
		cmocka_unit_test(
			test_copy_into_a_refused_mailbox_is_found_later),
		cmocka_unit_test(
			test_removals_that_fail_are_not_held_as_too_many),
		cmocka_unit_test(
			test_disk_full_while_looking_there_forgets_nothing),
		cmocka_unit_test(
			test_disk_full_while_looking_here_forgets_nothing),
		cmocka_unit_test(
			test_listing_that_breaks_off_proves_no_absence),
		cmocka_unit_test(test_first_listing_cut_off_goes_on_from_there),
		cmocka_unit_test(
			test_listing_of_a_new_epoch_cut_off_goes_on_from_there),
		cmocka_unit_test(
			test_other_message_under_a_known_uid_is_kept_and_read),
		cmocka_unit_test(
			test_message_sent_once_more_is_removed_all_the_same),
		cmocka_unit_test(
			test_message_with_a_wrong_date_is_deleted_all_the_same),
		cmocka_unit_test(test_server_that_does_not_expunge_is_told_of),
		cmocka_unit_test(
			test_message_undeleted_before_the_expunge_comes_back),
		cmocka_unit_test(test_move_between_two_scans_is_no_deletion),
		cmocka_unit_test(
			test_message_of_a_forgotten_folder_is_still_synced),
		cmocka_unit_test(
			test_mail_unseen_in_a_folder_removed_here_is_kept),
		cmocka_unit_test(test_mailbox_made_anew_gets_no_old_bindings),
		cmocka_unit_test(
			test_upload_cut_off_is_forgotten_with_its_file),
		cmocka_unit_test(
			test_file_replaced_before_it_is_sent_is_not_mixed_up),
		cmocka_unit_test(
			test_file_rewritten_before_it_is_sent_is_not_mixed_up),
	};

	/* A full disk is told by write(), not by a signal. */
	(void)signal(SIGXFSZ, SIG_IGN);
	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
