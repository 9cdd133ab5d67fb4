/* store/ on the simulated disk: it works there, and what it calls durable is
   there after every power cut, wherever the cut comes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "store/keywords_file.h"
#include "store/maildir.h"
#include "store/scan.h"
#include "tests/sim/seam_script.h"
#include "tests/sim/sim_calls.h"
#include "tests/sim/sim_disk.h"

#define ROOT      SIM_ROOT "/mail"
#define RETENTION SIM_ROOT "/removed"
#define NEW       1
#define CUR       2

#define MESSAGE_MAX   48
#define SCANNED_COUNT 24

/* A process that is killed frees nothing. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static const struct maildir_options OPTIONS = {
	.root = ROOT,
	.layout = MAILDIR_LAYOUT_FS,
	.retention_path = RETENTION,
};

static const char TEXT[] = "From: me\r\n\r\nHello\r\n";
static const char STORED[] = "From: me\n\nHello\n";

static struct maildir *maildir;
static unsigned numbers[MESSAGE_MAX]; /* to tell results by */

static void begin_with(uint64_t seed, const struct sim_disk_options *options)
{
	struct error error;

	seam_script_begin(seed);
	sim_disk_init(options);
	if (!maildir_create_root(&OPTIONS, &error))
		fail_msg("%s", error.message);
	maildir = maildir_open(&OPTIONS, &error);
	assert_non_null(maildir);
	sim_disk_sync_all();
}

static void begin(uint64_t seed)
{
	const struct sim_disk_options options = {
		.has_attributes = true,
		.has_birth_times = true,
		.reuses_inodes = true,
		.has_half_renames = true,
		.readdir_chunk = 3,
	};

	begin_with(seed, &options);
}

static void end(void)
{
	maildir_close(maildir);
	sim_disk_finish();
}

static bool has_message(const char *path)
{
	size_t size = 0;
	const void *data = sim_disk_data(path, &size);

	return data != NULL && size == sizeof(STORED) - 1 &&
		memcmp(data, STORED, size) == 0;
}

/* ---- Delivering ---- */

static void add_message(
	struct maildir_batch *batch, const char *path, unsigned number)
{
	struct error error;
	struct maildir_writer *writer;
	char unique[32], name[40];

	numbers[number] = number;
	(void)snprintf(unique, sizeof(unique), "1.%u.sim", number);
	(void)snprintf(name, sizeof(name), "%s%s", unique,
		number % 2 == 0 ? "" : ":2,S");
	writer = maildir_writer_open(maildir, path, unique, &error);
	if (writer == NULL)
		return;
	if (!maildir_writer_write(writer, TEXT, sizeof(TEXT) - 1, &error) ||
		!maildir_writer_finish(writer, 1000, &error)) {
		maildir_writer_cancel(writer);
		return;
	}
	(void)!maildir_batch_add(
		batch, writer, number % 2 == 0, name, &numbers[number], &error);
}

static void place_of(unsigned number, char place[64])
{
	(void)snprintf(place, 64, ROOT "/INBOX/%s/1.%u.sim%s",
		number % 2 == 0 ? "new" : "cur", number,
		number % 2 == 0 ? "" : ":2,S");
}

static void deliver(unsigned count)
{
	struct maildir_batch *batch = maildir_batch_new(0);

	for (unsigned i = 0; i < count; i++)
		add_message(batch, "INBOX", i);
	assert_int_equal(maildir_batch_count(batch), count);
	maildir_batch_commit(batch);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(maildir_batch_result(batch, i)->result,
			MAILDIR_DELIVERED);
	maildir_batch_free(batch);
}

/* ---- It works there ---- */

static void count_file(void *data, const struct sim_disk_file *file)
{
	(void)file;
	++*(unsigned *)data;
}

static unsigned count_files(const char *path, bool durable)
{
	unsigned count = 0;

	sim_disk_walk(path, durable, count_file, &count);
	return count;
}

static void test_batches_are_delivered(void **state)
{
	(void)state;
	for (unsigned count = 1; count <= 40; count += 13) {
		begin(count);
		deliver(count);
		assert_int_equal(count_files(ROOT, true), count);
		assert_int_equal(count_files(ROOT, false), count);
		assert_int_equal(count_files(ROOT "/INBOX/tmp", false), 0);
		assert_true(has_message(ROOT "/INBOX/new/1.0.sim"));
		end();
		assert_int_equal(sim_disk_open_count(), 0);
	}
}

static struct watch *watch_inbox(void)
{
	struct error error;
	struct watch *watch = watch_open(&error);

	assert_non_null(watch);
	assert_int_equal(
		watch_add(watch, ROOT "/INBOX/new", NEW, &error), WATCH_ADDED);
	assert_int_equal(
		watch_add(watch, ROOT "/INBOX/cur", CUR, &error), WATCH_ADDED);
	return watch;
}

static void scan(struct watch *watch, struct arena *arena,
	struct scan_result *result_out)
{
	const struct scan_request request = {
		.maildir = maildir,
		.path = "INBOX",
		.watch = watch,
		.new_cookie = NEW,
		.cur_cookie = CUR,
	};
	struct error error;

	if (!scan_folder(&request, arena, result_out, &error))
		fail_msg("%s", error.message);
}

static void choose_name(unsigned number, char path[64])
{
	static const char *const INFOS[] = { ":2,S", ":2,FS", ":2,", "" };
	const char *info = INFOS[seam_choose(ARRAY_LENGTH(INFOS))];

	(void)snprintf(path, 64, ROOT "/INBOX/%s/1.%u.sim%s",
		*info == '\0' ? "new" : "cur", number, info);
}

/* Who renames and moves messages while they are listed. */
static void rename_some(void)
{
	unsigned number = seam_choose(SCANNED_COUNT);
	char from[64], to[64];

	choose_name(number, from);
	choose_name(number, to);
	(void)sim_disk_rename(from, to, false);
}

static void require_all_listed(const struct scan_result *result, uint64_t seed)
{
	bool is_there[SCANNED_COUNT] = { false };

	for (size_t i = 0; i < result->entry_count; i++)
		is_there[strtoul(result->entries[i].name + 2, NULL, 10)] = true;
	for (unsigned i = 0; i < SCANNED_COUNT; i++) {
		if (!is_there[i])
			fail_msg("seed %llu: message %u is missing",
				(unsigned long long)seed, i);
	}
}

/* The scan's whole promise: while all is renamed around it, nothing that is
   there is missing in a scan that proves absence. */
static void test_scans_prove_what_they_say(void **state)
{
	unsigned proof_count = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct arena arena = { .block = NULL };
		struct scan_result result;
		struct watch *watch;

		begin(seed);
		deliver(SCANNED_COUNT);
		watch = watch_inbox();
		seam_script.act = rename_some;
		scan(watch, &arena, &result);
		seam_script.act = NULL;
		proof_count += result.proves_absence;
		if (result.proves_absence)
			require_all_listed(&result, seed);
		arena_finish(&arena);
		watch_close(watch);
		end();
	}
	assert_true(proof_count > 200);
}

static void test_folders_and_messages_live(void **state)
{
	struct maildir_place from = {
		.path = "A/B", .is_new = true, .name = "1.1.sim"
	};
	struct maildir_place to = { .path = "INBOX", .name = "1.1.sim:2,F" };
	struct maildir_identity identity;
	struct maildir_file file;
	struct error error = { .code = ERROR_NONE };
	struct arena arena = { .block = NULL };
	struct maildir_folder *folders;
	unsigned letter;
	size_t count;

	(void)state;
	begin(1);
	assert_int_equal(
		maildir_create_folder(maildir, "A/B", &error), MAILDIR_DONE);
	assert_int_equal(sim_disk_write_file(ROOT "/A/B/new/1.1.sim", STORED,
				 sizeof(STORED) - 1, 1),
		0);
	assert_int_equal(
		maildir_rename(maildir, &from, &to, &error), MAILDIR_DONE);
	assert_true(has_message(ROOT "/INBOX/cur/1.1.sim:2,F"));
	assert_int_equal(keywords_file_add(
				 maildir, "A/B", "work", 1000, &letter, &error),
		KEYWORDS_ADDED);
	assert_int_equal(maildir_rename_folder(maildir, "A/B", "C", &error),
		MAILDIR_DONE);
	assert_true(sim_disk_exists(ROOT "/C/dovecot-keywords"));
	assert_true(maildir_list_folders(
		maildir, &arena, &folders, &count, &error));
	assert_int_equal(count, 2);
	assert_int_equal(
		maildir_remove_folder(maildir, "C", &error), MAILDIR_DONE);
	assert_false(sim_disk_exists(ROOT "/C"));
	assert_int_equal(
		maildir_stat(maildir, &to, &file, &error), MAILDIR_DONE);
	assert_int_equal(maildir_remove(maildir, &to, &file, 86400, &error),
		MAILDIR_DONE);
	assert_true(has_message(RETENTION "/1970-01-02/INBOX/cur/1.1.sim:2,F"));
	assert_true(maildir_set_generation(maildir, NULL, "home", 7, &error));
	assert_true(maildir_identity(maildir, NULL, &identity, &error));
	assert_int_equal(identity.generation, 7);
	arena_finish(&arena);
	end();
}

/* A lock of a process that is gone is broken; one of a living process is waited
   for, on the world's clock. */
static void test_locks_are_broken_or_waited_for(void **state)
{
	static const char LOCK[] = ROOT "/INBOX/dovecot-uidlist.lock";
	struct error error;
	unsigned letter;

	(void)state;
	begin(1);
	assert_int_equal(sim_disk_write_file(LOCK, "1001:sim", 8,
				 seam_wall_ns() / 1000000000),
		0);
	sim_disk_kill();
	maildir = maildir_open(&OPTIONS, &error);
	assert_int_equal(keywords_file_add(maildir, "INBOX", "work", 100,
				 &letter, &error),
		KEYWORDS_ADDED);
	assert_int_equal(sim_disk_write_file(LOCK, "17:sim", 6,
				 seam_wall_ns() / 1000000000),
		0);
	assert_int_equal(keywords_file_add(maildir, "INBOX", "home", 100,
				 &letter, &error),
		KEYWORDS_BUSY);
	end();
}

/* ---- The end may come at any call ---- */

static struct {
	bool was_delivered[MESSAGE_MAX];
	bool was_removed;
	bool was_renamed;
	bool was_moved;
	unsigned count;
} record;

/* What is called done is noted at once. */
static void deliver_and_note(void)
{
	struct maildir_batch *batch = maildir_batch_new(0);

	for (unsigned i = 0; i < record.count; i++)
		add_message(batch, "INBOX", i);
	maildir_batch_commit(batch);
	for (unsigned i = 0; i < maildir_batch_count(batch); i++) {
		const struct maildir_delivered *delivered =
			maildir_batch_result(batch, i);

		record.was_delivered[*(unsigned *)delivered->user] =
			delivered->result == MAILDIR_DELIVERED;
	}
	maildir_batch_free(batch);
}

static bool are_delivered_there(void)
{
	char place[64];

	for (unsigned i = 0; i < record.count; i++) {
		place_of(i, place);
		if (record.was_delivered[i] && !has_message(place))
			return false;
	}
	return true;
}

static void rename_and_note(void)
{
	const struct maildir_place from = {
		.path = "INBOX", .is_new = true, .name = "1.0.sim"
	};
	const struct maildir_place to = { .path = "A", .name = "1.0.sim:2,F" };
	struct error error;

	if (maildir_rename(maildir, &from, &to, &error) != MAILDIR_DONE)
		return;
	record.was_renamed =
		maildir_sync_folder(maildir, "A", MAILDIR_CUR, &error);
	record.was_moved = record.was_renamed &&
		maildir_sync_folder(maildir, "INBOX", MAILDIR_NEW, &error);
}

static bool is_renamed_there(void)
{
	bool is_old = has_message(ROOT "/INBOX/new/1.0.sim");
	bool is_new = has_message(ROOT "/A/cur/1.0.sim:2,F");

	if (record.was_renamed && !is_new)
		return false;
	if (record.was_moved && is_old)
		return false;
	return is_old || is_new;
}

static void remove_and_note(void)
{
	const struct maildir_place place = {
		.path = "INBOX", .is_new = true, .name = "1.0.sim"
	};
	struct maildir_file file;
	struct error error;

	record.was_removed =
		maildir_stat(maildir, &place, &file, &error) == MAILDIR_DONE &&
		maildir_remove(maildir, &place, &file, 86400, &error) ==
			MAILDIR_DONE;
}

static bool is_removed_there(void)
{
	bool is_old = has_message(ROOT "/INBOX/new/1.0.sim");
	bool is_new = has_message(RETENTION "/1970-01-02/INBOX/cur/1.0.sim");

	if (record.was_removed)
		return is_new && !is_old;
	return is_old || is_new;
}

static void rename_folder_and_note(void)
{
	struct error error;

	record.was_renamed = maildir_rename_folder(maildir, "A", "B/C",
				     &error) == MAILDIR_DONE;
}

static bool is_folder_there(void)
{
	bool is_old = sim_disk_exists(ROOT "/A/cur");
	bool is_new = sim_disk_exists(ROOT "/B/C/cur");

	return record.was_renamed ? is_new && !is_old : is_old != is_new;
}

static void add_keyword_and_note(void)
{
	struct error error;
	unsigned letter;

	record.was_renamed = keywords_file_add(maildir, "A", "work", 100,
				     &letter, &error) == KEYWORDS_ADDED;
}

static bool is_keyword_there(void)
{
	static const char OLD[] = "0 home\n";
	static const char BOTH[] = "0 home\n1 work\n";
	size_t size = 0;
	const char *text = sim_disk_data(ROOT "/A/dovecot-keywords", &size);

	if (text == NULL)
		return false;
	if (size == sizeof(OLD) - 1 && memcmp(text, OLD, size) == 0)
		return !record.was_renamed;
	return size == sizeof(BOTH) - 1 && memcmp(text, BOTH, size) == 0;
}

/* The retention directory on a disk of its own: copied, not renamed. */
static void use_other_disk(void)
{
	assert_int_equal(sim_disk_make_device(RETENTION), 0);
}

struct story {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	bool (*is_good)(void);
	unsigned count;
};

static const struct story STORIES[] = {
	{ "one delivered", NULL, deliver_and_note, are_delivered_there, 1 },
	{ "three delivered", NULL, deliver_and_note, are_delivered_there, 3 },
	{ "many delivered", NULL, deliver_and_note, are_delivered_there, 20 },
	{ "renamed", NULL, rename_and_note, is_renamed_there, 0 },
	{ "removed", NULL, remove_and_note, is_removed_there, 0 },
	{ "removed to another disk", use_other_disk, remove_and_note,
		is_removed_there, 0 },
	{ "folder renamed", NULL, rename_folder_and_note, is_folder_there, 0 },
	{ "keyword added", NULL, add_keyword_and_note, is_keyword_there, 0 },
};

static void prepare(const struct story *story, uint64_t seed)
{
	struct error error;

	begin(seed);
	memset(&record, 0, sizeof(record));
	record.count = story->count;
	assert_int_equal(
		maildir_create_folder(maildir, "A", &error), MAILDIR_DONE);
	assert_int_equal(sim_disk_write_file(
				 ROOT "/A/dovecot-keywords", "0 home\n", 7, 1),
		0);
	if (story->count == 0)
		assert_int_equal(sim_disk_write_file(ROOT "/INBOX/new/1.0.sim",
					 STORED, sizeof(STORED) - 1, 1),
			0);
	if (story->prepare != NULL)
		story->prepare();
	sim_disk_sync_all();
	seam_script.call_count = 0;
}

/* How many calls it takes when nothing happens. */
static uint64_t count_calls(const struct story *story)
{
	uint64_t count;

	prepare(story, 1);
	story->run();
	count = seam_script.call_count;
	if (!story->is_good())
		fail_msg("%s: not even without a cut", story->name);
	end();
	return count;
}

/* Kills at this call, and cuts the power; once more, only kills. */
static void end_at(const struct story *story, uint64_t call, uint64_t seed)
{
	prepare(story, seed);
	seam_script.kill_at = call;
	seam_script.kills_after = seed % 2 == 0;
	if (setjmp(seam_script.death) == 0)
		story->run();
	seam_script.kill_at = 0;
	if (seed % 8 == 0)
		sim_disk_kill();
	else
		sim_disk_power_cut();
	if (!story->is_good())
		fail_msg("%s: not after the end at call %llu, seed %llu",
			story->name, (unsigned long long)call,
			(unsigned long long)seed);
	sim_disk_finish();
}

static void test_what_is_done_outlives_every_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(STORIES); i++) {
		uint64_t count = count_calls(&STORIES[i]);

		for (uint64_t call = 1; call <= count + 1; call++) {
			for (uint64_t seed = 1; seed <= 12; seed++)
				end_at(&STORIES[i], call, seed);
		}
	}
}

/* ---- Calls fail ---- */

static const char *const CALLS[] = { "openat", "openat2", "write", "fsync",
	"syncfs", "renameat2", "unlinkat", "mkdirat", "fstat", "fstatat",
	"utimensat", "getdents64", "read", "fcntl" };

static void fail_one(const struct story *story, const char *call,
	unsigned which, uint64_t seed)
{
	prepare(story, seed);
	seam_script.fail_call = call;
	seam_script.fail_in = which;
	seam_script.fail_errno = seed % 2 == 0 ? EIO : ENOSPC;
	story->run();
	seam_script.fail_call = NULL;
	sim_disk_power_cut();
	if (!story->is_good())
		fail_msg("%s: not after %s %u failed, seed %llu", story->name,
			call, which, (unsigned long long)seed);
	sim_disk_finish();
}

static void fail_each(const struct story *story, const char *call)
{
	for (unsigned which = 1; which <= 8; which++) {
		for (uint64_t seed = 1; seed <= 6; seed++)
			fail_one(story, call, which, seed);
	}
}

static void test_what_is_done_outlives_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(STORIES); i++) {
		for (size_t call = 0; call < ARRAY_LENGTH(CALLS); call++)
			fail_each(&STORIES[i], CALLS[call]);
	}
}

/* ---- Looks that fail ---- */

static bool look_for_folders(void)
{
	struct maildir_folder *folders;
	struct error error = { 0 };
	struct arena arena;
	size_t count = 0;
	bool is_done;

	arena_init(&arena);
	is_done =
		maildir_list_folders(maildir, &arena, &folders, &count, &error);
	if (is_done && (count != 2 || folders[1].inode == 0))
		fail_msg("only %zu folders are listed", count);
	arena_finish(&arena);
	return is_done;
}

static bool look_at_folder(void)
{
	static uint64_t inode;
	struct maildir_folder_stat stat = { .inode = 0 };
	struct error error = { 0 };
	enum maildir_result result;

	maildir_forget_descriptors(maildir);
	result = maildir_folder_stat(maildir, "Work", &stat, &error);
	if (inode == 0)
		inode = stat.inode;
	if (result == MAILDIR_MISSING ||
		(result == MAILDIR_DONE && stat.inode != inode))
		fail_msg("the folder is taken for another");
	return result == MAILDIR_DONE;
}

static bool look_at_root(void)
{
	static uint64_t inode;
	struct maildir_identity identity = { .inode = 0 };
	struct error error = { 0 };

	if (!maildir_identity(maildir, NULL, &identity, &error))
		return false;
	if (inode == 0)
		inode = identity.inode;
	if (identity.inode != inode || identity.generation != 7)
		fail_msg("the root is taken for another");
	return true;
}

/* Each of these calls that the look makes. */
static void look_with_one_failing(const char *call, bool (*look)(void))
{
	unsigned which = 0;

	do {
		seam_script.fail_call = call;
		seam_script.fail_in = ++which;
		seam_script.fail_errno = EIO;
		if (look() && seam_script.fail_in == 0)
			fail_msg(
				"%s %u fails, and nobody says so", call, which);
	} while (seam_script.fail_in == 0);
	seam_script.fail_call = NULL;
}

static void look_with_each_failing(bool (*look)(void))
{
	static const char *const LOOKS[] = { "openat", "openat2", "fstat",
		"fstatat", "fstatfs", "statx", "fgetxattr", "getdents64" };

	assert_true(look());
	for (size_t i = 0; i < ARRAY_LENGTH(LOOKS); i++)
		look_with_one_failing(LOOKS[i], look);
}

/* A process that was killed had made the directory, and no more. */
static void test_what_is_left_of_a_folder_becomes_durable(void **state)
{
	struct error error;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		begin(seed);
		assert_int_equal(sim_mkdir(ROOT "/A", 0700), 0);
		assert_int_equal(maildir_create_folder(maildir, "A", &error),
			MAILDIR_DONE);
		maildir_close(maildir);
		sim_disk_power_cut();
		assert_true(sim_disk_exists(ROOT "/A/cur"));
		sim_disk_finish();
	}
}

static void test_what_cannot_be_looked_at_is_an_error(void **state)
{
	struct error error;

	(void)state;
	begin(1);
	assert_int_equal(maildir_create_folder(maildir, "INBOX", &error),
		MAILDIR_EXISTS);
	assert_int_equal(
		maildir_create_folder(maildir, "Work", &error), MAILDIR_DONE);
	assert_true(maildir_set_generation(maildir, NULL, "me", 7, &error));
	look_with_each_failing(look_for_folders);
	look_with_each_failing(look_at_folder);
	look_with_each_failing(look_at_root);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches_are_delivered),
		cmocka_unit_test(test_scans_prove_what_they_say),
		cmocka_unit_test(test_folders_and_messages_live),
		cmocka_unit_test(test_locks_are_broken_or_waited_for),
		cmocka_unit_test(test_what_is_done_outlives_every_end),
		cmocka_unit_test(test_what_is_done_outlives_failures),
		cmocka_unit_test(test_what_is_left_of_a_folder_becomes_durable),
		cmocka_unit_test(test_what_cannot_be_looked_at_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
