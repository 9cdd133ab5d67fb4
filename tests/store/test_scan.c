/* The race that makes a plain listing useless as a proof: files renamed while
   the directory is read. MAILTWIN_TEST_RACE_SECONDS makes it longer. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/number.h"
#include "store/scan.h"
#include "store/scan_group.h"
#include "tests/store/mail_tree.h"

#define NEW        1
#define CUR        2
#define FILE_COUNT 6000

static struct mail_tree tree;
static struct watch *watch;

static void add_watch(enum maildir_part part, uint64_t cookie)
{
	struct buf path = { .data = NULL };
	struct error error;

	assert_true(maildir_absolute_path(
		tree.maildir, "INBOX", part, &path, &error));
	assert_int_equal(
		watch_add(watch, buf_text(&path), cookie, &error), WATCH_ADDED);
	buf_finish(&path);
}

static int setup(void **state)
{
	struct error error;

	(void)state;
	mail_tree_setup(&tree, MAILDIR_LAYOUT_FS);
	watch = watch_open(&error);
	assert_non_null(watch);
	add_watch(MAILDIR_NEW, NEW);
	add_watch(MAILDIR_CUR, CUR);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	watch_close(watch);
	mail_tree_teardown(&tree);
	return 0;
}

static void scan(
	bool is_watched, struct arena *arena, struct scan_result *result_out)
{
	const struct scan_request request = {
		.maildir = tree.maildir,
		.path = "INBOX",
		.watch = is_watched ? watch : NULL,
		.new_cookie = NEW,
		.cur_cookie = CUR,
	};
	struct error error;

	if (!scan_folder(&request, arena, result_out, &error))
		fail_msg("%s", error.message);
}

static void test_a_scan_lists_new_then_cur(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_result result;

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/b:2,S", "x");
	mail_tree_write(&tree, "INBOX/new/a", "x");
	mail_tree_write(&tree, "INBOX/new/.hidden", "x");
	mail_tree_mkdir(&tree, "INBOX/cur/d");
	scan(true, &arena, &result);
	assert_int_equal(result.entry_count, 3);
	assert_string_equal(result.entries[0].name, "a");
	assert_true(result.entries[0].is_new);
	assert_int_equal(result.entries[0].type, MAILDIR_TYPE_REGULAR);
	assert_false(result.entries[1].is_new);
	assert_true(result.proves_absence);
	arena_finish(&arena);
}

/* A message that goes from one to the other meanwhile is read once at least. */
static void test_new_is_read_before_cur(void **state)
{
	struct arena arena = { .block = NULL };
	struct maildir_entry *entries;
	struct error error;
	size_t count;

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a:2,S", "x");
	mail_tree_write(&tree, "INBOX/new/b", "x");
	assert_true(maildir_scan(
		tree.maildir, "INBOX", &arena, &entries, &count, &error));
	assert_int_equal(count, 2);
	assert_true(entries[0].is_new);
	assert_false(entries[1].is_new);
	arena_finish(&arena);
}

static void test_events_stay_for_their_reader(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_result result;
	struct watch_event event;

	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "x");
	scan(true, &arena, &result);
	assert_int_equal(result.entry_count, 1);
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_APPEARED);
	assert_string_equal(event.name, "a");
	assert_true(event.sequence < result.first_sequence);
	arena_finish(&arena);
}

/* One unique part twice: a hard link is one message, another inode another. */
static void test_twins_are_told_apart_by_inode(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_result result;
	char from[200];
	char to[200];

	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "x");
	mail_tree_write(&tree, "INBOX/cur/a:2,S", "x");
	scan(true, &arena, &result);
	assert_int_equal(result.entry_count, 2);
	mail_tree_unlink(&tree, "INBOX/cur/a:2,S");
	(void)snprintf(from, sizeof(from), "%s/INBOX/new/a", tree.root);
	(void)snprintf(to, sizeof(to), "%s/INBOX/cur/a:2,S", tree.root);
	assert_int_equal(link(from, to), 0);
	scan(true, &arena, &result);
	assert_int_equal(result.entry_count, 1);
	scan(false, &arena, &result);
	assert_int_equal(result.entry_count, 1);
	arena_finish(&arena);
}

static void test_absence_needs_a_watch_or_quiet(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_result result;

	(void)state;
	scan(true, &arena, &result);
	assert_true(result.proves_absence);
	scan(false, &arena, &result);
	assert_false(result.proves_absence);
	mail_tree_touch(&tree, "INBOX/new", (long)time(NULL) - 10);
	mail_tree_touch(&tree, "INBOX/cur", (long)time(NULL) - 10);
	scan(false, &arena, &result);
	assert_true(result.proves_absence);
	watch_remove(watch, CUR);
	mail_tree_touch(&tree, "INBOX/cur", (long)time(NULL));
	scan(true, &arena, &result);
	assert_false(result.proves_absence);
	arena_finish(&arena);
}

/* The watch is on the directory that was moved away: it saw nothing of this
   one. */
static void test_a_watch_on_another_directory_proves_nothing(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_result result;

	(void)state;
	mail_tree_rename(&tree, "INBOX", "Old");
	assert_int_equal(maildir_create_folder(tree.maildir, "INBOX", NULL),
		MAILDIR_DONE);
	scan(true, &arena, &result);
	assert_false(result.proves_absence);
	arena_finish(&arena);
}

static void test_a_missing_folder_is_an_error(void **state)
{
	const struct scan_request request = {
		.maildir = tree.maildir,
		.path = "nowhere",
	};
	struct arena arena = { .block = NULL };
	struct scan_result result;
	struct error error;

	(void)state;
	assert_false(scan_folder(&request, &arena, &result, &error));
	assert_int_equal(error.code, ERROR_SYSTEM);
	arena_finish(&arena);
}

/* ---- Groups, without files ---- */

static struct maildir_entry *emit(
	const struct scan_groups *groups, struct arena *arena, size_t *count)
{
	struct maildir_entry *entries;

	scan_groups_emit(groups, arena, &entries, count);
	return entries;
}

static void test_a_message_that_never_settles_is_still_there(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_groups groups;
	struct maildir_entry listed = { .name = "a:2,", .inode = 5 };
	const struct maildir_entry *entries;
	size_t count;

	(void)state;
	scan_groups_init(&groups);
	scan_groups_entry(&groups, &listed);
	scan_groups_event(&groups, "a:2,S", false, false, &arena);
	scan_groups_settle(&groups);
	assert_true(scan_groups_in_doubt(&groups));
	entries = emit(&groups, &arena, &count);
	assert_int_equal(count, 1);
	assert_true(entries[0].is_elsewhere);
	assert_string_equal(entries[0].name, "a:2,S");
	scan_groups_finish(&groups);
	arena_finish(&arena);
}

static void test_a_message_seen_to_be_gone_is_left_out(void **state)
{
	struct arena arena = { .block = NULL };
	struct scan_groups groups;
	size_t count;

	(void)state;
	scan_groups_init(&groups);
	scan_groups_event(&groups, "a:2,S", false, false, &arena);
	/* Looked at, not found, and no further event. */
	groups.groups[0].was_moved = false;
	scan_groups_settle(&groups);
	assert_false(scan_groups_in_doubt(&groups));
	(void)emit(&groups, &arena, &count);
	assert_int_equal(count, 0);
	scan_groups_finish(&groups);
	arena_finish(&arena);
}

/* ---- The race ---- */

struct renamer {
	char root[200];
	atomic_bool stops;
	atomic_ulong count;
	unsigned first; /* of the files it renames */
	long pause_ns;
};

/* Which flags a file has; each renamer has files of its own. */
static unsigned char at[FILE_COUNT];

static void *rename_flags(void *argument)
{
	static const char *const FLAGS[] = { "", "S", "FS", "RS", "F", "FRS" };
	struct renamer *renamer = argument;
	const struct timespec pause = { .tv_nsec = renamer->pause_ns };
	uint32_t seed = renamer->first + 1;

	while (!atomic_load(&renamer->stops)) {
		char from[300];
		char to[300];
		unsigned file;

		seed = seed * 1664525 + 1013904223;
		file = (seed >> 8) % (FILE_COUNT / 2) + renamer->first;
		(void)snprintf(from, sizeof(from), "%s/INBOX/cur/%u.x:2,%s",
			renamer->root, file, FLAGS[at[file]]);
		at[file] = (unsigned char)((at[file] + 1) % 6);
		(void)snprintf(to, sizeof(to), "%s/INBOX/cur/%u.x:2,%s",
			renamer->root, file, FLAGS[at[file]]);
		if (rename(from, to) == -1)
			abort();
		atomic_fetch_add(&renamer->count, 1);
		if (renamer->pause_ns > 0)
			(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

struct tally {
	unsigned long scans, missed, doubled, unproved, elsewhere;
};

static void count_entries(
	const struct maildir_entry *entries, size_t count, struct tally *tally)
{
	static unsigned char seen[FILE_COUNT];

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < count; i++) {
		uint32_t file;
		const char *dot = strchr(entries[i].name, '.');

		assert_non_null(dot);
		assert_true(number_parse_u32(entries[i].name,
			(size_t)(dot - entries[i].name), &file));
		assert_true(file < FILE_COUNT);
		if (seen[file] > 0)
			tally->doubled++;
		seen[file] = 1;
		tally->elsewhere += entries[i].is_elsewhere;
	}
	for (size_t i = 0; i < FILE_COUNT; i++)
		tally->missed += seen[i] == 0;
	tally->scans++;
}

static void take_all_events(void)
{
	uint64_t end = watch_position(watch);
	struct watch_event event = { .sequence = 0 };

	while (event.sequence + 1 < end && watch_next(watch, &event)) {
		if (event.kind == WATCH_LOST) {
			add_watch(MAILDIR_NEW, NEW);
			add_watch(MAILDIR_CUR, CUR);
		}
	}
}

static void scan_both_ways(struct tally *plain, struct tally *exact)
{
	struct arena arena = { .block = NULL };
	struct maildir_entry *entries;
	struct scan_result result;
	size_t count;
	struct error error;

	assert_true(maildir_scan(
		tree.maildir, "INBOX", &arena, &entries, &count, &error));
	count_entries(entries, count, plain);
	arena_reset(&arena);
	take_all_events();
	scan(true, &arena, &result);
	/* A scan with a gap claims nothing, so it cannot be wrong. */
	if (result.proves_absence)
		count_entries(result.entries, result.entry_count, exact);
	else
		exact->unproved++;
	arena_finish(&arena);
}

static unsigned race_seconds(void)
{
	const char *text = getenv("MAILTWIN_TEST_RACE_SECONDS");
	uint32_t seconds = 3;

	if (text != NULL && !number_parse_u32(text, strlen(text), &seconds))
		fail_msg("MAILTWIN_TEST_RACE_SECONDS is no number");
	return seconds;
}

static void race(long pause_ns, unsigned seconds)
{
	struct renamer renamers[2] = { { .pause_ns = pause_ns },
		{ .pause_ns = pause_ns, .first = FILE_COUNT / 2 } };
	pthread_t threads[2];
	struct tally plain = { .scans = 0 };
	struct tally exact = { .scans = 0 };
	time_t end = time(NULL) + (time_t)seconds;

	for (size_t i = 0; i < 2; i++) {
		memcpy(renamers[i].root, tree.root, sizeof(tree.root));
		assert_int_equal(pthread_create(&threads[i], NULL, rename_flags,
					 &renamers[i]),
			0);
	}
	while (time(NULL) < end)
		scan_both_ways(&plain, &exact);
	for (size_t i = 0; i < 2; i++) {
		atomic_store(&renamers[i].stops, true);
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	print_message("%lu renames; plain: %lu scans missed %lu, doubled %lu; "
		      "exact: %lu scans missed %lu, doubled %lu, elsewhere "
		      "%lu, unproved %lu\n",
		atomic_load(&renamers[0].count) +
			atomic_load(&renamers[1].count),
		plain.scans, plain.missed, plain.doubled, exact.scans,
		exact.missed, exact.doubled, exact.elsewhere, exact.unproved);
	assert_true(exact.scans > 0);
	assert_int_equal(exact.missed, 0);
	assert_int_equal(exact.doubled, 0);
}

static void test_renames_during_a_scan_hide_nothing(void **state)
{
	unsigned seconds = race_seconds();

	(void)state;
	for (unsigned i = 0; i < FILE_COUNT; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "INBOX/cur/%u.x:2,", i);
		mail_tree_write(&tree, name, "");
	}
	take_all_events();
	race(200000, (seconds + 1) / 2);
	race(0, (seconds + 1) / 2);
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHED(test_a_scan_lists_new_then_cur),
		WATCHED(test_new_is_read_before_cur),
		WATCHED(test_events_stay_for_their_reader),
		WATCHED(test_twins_are_told_apart_by_inode),
		WATCHED(test_absence_needs_a_watch_or_quiet),
		WATCHED(test_a_watch_on_another_directory_proves_nothing),
		WATCHED(test_a_missing_folder_is_an_error),
		cmocka_unit_test(
			test_a_message_that_never_settles_is_still_there),
		cmocka_unit_test(test_a_message_seen_to_be_gone_is_left_out),
		WATCHED(test_renames_during_a_scan_hide_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
