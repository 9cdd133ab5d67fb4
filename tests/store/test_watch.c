#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/watch.h"
#include "store/watch_queue.h"
#include "store/watch_table.h"
#include "tests/store/mail_tree.h"

#define NEW 7
#define CUR 8

static struct mail_tree tree;
static struct watch *watch;

static void add(const char *directory, uint64_t cookie)
{
	char path[200];
	struct error error = { .code = ERROR_NONE };

	(void)snprintf(path, sizeof(path), "%s/%s", tree.root, directory);
	if (watch_add(watch, path, cookie, &error) != WATCH_ADDED)
		fail_msg("%s: %s", path, error.message);
}

static int setup(void **state)
{
	struct error error;

	(void)state;
	mail_tree_setup(&tree, MAILDIR_LAYOUT_FS);
	watch = watch_open(&error);
	if (watch == NULL)
		fail_msg("%s", error.message);
	add("INBOX/new", NEW);
	add("INBOX/cur", CUR);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	watch_close(watch);
	mail_tree_teardown(&tree);
	return 0;
}

static uint32_t expect(enum watch_kind kind, uint64_t cookie, const char *name)
{
	struct watch_event event;

	if (!watch_next(watch, &event))
		fail_msg("no event for '%s'", name);
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.cookie, cookie);
	assert_string_equal(event.name, name);
	return event.move_cookie;
}

static void expect_nothing(void)
{
	struct watch_event event;

	if (watch_next(watch, &event))
		fail_msg("event %d for '%s'", (int)event.kind, event.name);
}

static void test_what_happens_to_files_is_told(void **state)
{
	uint32_t from, to;

	(void)state;
	expect_nothing();
	mail_tree_write(&tree, "INBOX/new/a", "x");
	expect(WATCH_APPEARED, NEW, "a");
	expect(WATCH_WRITTEN, NEW, "a");
	mail_tree_rename(&tree, "INBOX/new/a", "INBOX/cur/a:2,S");
	from = expect(WATCH_GONE, NEW, "a");
	to = expect(WATCH_APPEARED, CUR, "a:2,S");
	assert_int_equal(from, to);
	assert_int_not_equal(from, 0);
	mail_tree_unlink(&tree, "INBOX/cur/a:2,S");
	assert_int_equal(expect(WATCH_GONE, CUR, "a:2,S"), 0);
	mail_tree_mkdir(&tree, "INBOX/new/d");
	expect(WATCH_DIRECTORY_APPEARED, NEW, "d");
	expect_nothing();
}

static void test_the_descriptor_can_be_polled(void **state)
{
	struct pollfd poll_fd = { .fd = watch_fd(watch), .events = POLLIN };

	(void)state;
	assert_int_equal(
		fcntl(watch_fd(watch), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	mail_tree_write(&tree, "INBOX/new/a", "x");
	assert_int_equal(poll(&poll_fd, 1, 1000), 1);
	expect(WATCH_APPEARED, NEW, "a");
	expect(WATCH_WRITTEN, NEW, "a");
	expect_nothing();
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
}

static void test_there_is_one_watch_per_process(void **state)
{
	struct error error;

	(void)state;
	assert_null(watch_open(&error));
	assert_int_equal(error.code, ERROR_LIMIT);
}

static void test_a_closed_watch_leaves_nothing_to_the_next(void **state)
{
	struct error error;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "INBOX/new/%u", i);
		mail_tree_write(&tree, name, "x");
	}
	expect(WATCH_APPEARED, NEW, "0");
	watch_close(watch);
	watch = watch_open(&error);
	assert_non_null(watch);
	add("INBOX/cur", CUR);
	expect_nothing();
	mail_tree_write(&tree, "INBOX/cur/z", "x");
	expect(WATCH_APPEARED, CUR, "z");
}

static void test_a_removed_directory_ends_its_watch(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		mail_tree_mkdir(&tree, "D");
		add("D", 100);
		assert_true(watch_has(watch, 100));
		mail_tree_write(&tree, "D/x", "x");
		expect(WATCH_APPEARED, 100, "x");
		expect(WATCH_WRITTEN, 100, "x");
		mail_tree_unlink(&tree, "D/x");
		expect(WATCH_GONE, 100, "x");
		assert_int_equal(
			maildir_remove_folder(tree.maildir, "nowhere", NULL),
			MAILDIR_MISSING);
		{
			char path[200];

			(void)snprintf(path, sizeof(path), "%s/D", tree.root);
			assert_int_equal(rmdir(path), 0);
		}
		expect(WATCH_SELF_GONE, 100, "");
		expect_nothing();
		assert_false(watch_has(watch, 100));
		watch_remove(watch, 100);
	}
	assert_int_equal(watch_count(watch), 2);
}

static void test_a_moved_directory_ends_its_watch(void **state)
{
	(void)state;
	mail_tree_mkdir(&tree, "D");
	add("D", 100);
	mail_tree_rename(&tree, "D", "E");
	expect(WATCH_SELF_GONE, 100, "");
	mail_tree_write(&tree, "E/x", "x");
	expect_nothing();
	add("E", 101);
	mail_tree_write(&tree, "E/y", "x");
	expect(WATCH_APPEARED, 101, "y");
}

/* new and cur of a renamed folder do not notice: the next owner takes over. */
static void test_a_directory_has_one_cookie(void **state)
{
	(void)state;
	mail_tree_rename(&tree, "INBOX", "Other");
	add("Other/new", 200);
	assert_false(watch_has(watch, NEW));
	assert_true(watch_has(watch, 200));
	mail_tree_write(&tree, "Other/new/a", "x");
	expect(WATCH_APPEARED, 200, "a");
	expect(WATCH_WRITTEN, 200, "a");
	expect_nothing();
}

static void test_a_cookie_follows_its_name(void **state)
{
	struct maildir_folder_stat stat;
	uint64_t position = watch_position(watch);

	(void)state;
	assert_true(watch_is_gapless(watch, NEW, position));
	mail_tree_rename(&tree, "INBOX", "Old");
	assert_int_equal(maildir_create_folder(tree.maildir, "INBOX", NULL),
		MAILDIR_DONE);
	assert_int_equal(
		maildir_folder_stat(tree.maildir, "INBOX", &stat, NULL),
		MAILDIR_DONE);
	assert_false(
		watch_is_directory(watch, NEW, stat.device, stat.new_inode));
	add("INBOX/new", NEW);
	assert_true(
		watch_is_directory(watch, NEW, stat.device, stat.new_inode));
	mail_tree_write(&tree, "Old/new/x", "x");
	expect_nothing();
	mail_tree_write(&tree, "INBOX/new/y", "x");
	assert_false(watch_is_gapless(watch, NEW, 0) && position > 0);
	expect(WATCH_APPEARED, NEW, "y");
}

static void test_events_of_a_removed_cookie_are_dropped(void **state)
{
	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "x");
	mail_tree_write(&tree, "INBOX/cur/b", "x");
	(void)watch_position(watch);
	watch_remove(watch, NEW);
	expect(WATCH_APPEARED, CUR, "b");
	expect(WATCH_WRITTEN, CUR, "b");
	mail_tree_write(&tree, "INBOX/new/c", "x");
	expect_nothing();
	watch_remove(watch, 12345);
}

static void test_peeking_takes_nothing(void **state)
{
	struct watch_event event;
	uint64_t start = watch_position(watch);

	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "x");
	assert_false(watch_peek(watch, start, &event));
	assert_int_equal(watch_position(watch), start + 2);
	assert_true(watch_peek(watch, start, &event));
	assert_int_equal(event.kind, WATCH_APPEARED);
	assert_int_equal(event.sequence, start);
	assert_true(watch_peek(watch, start + 1, &event));
	assert_int_equal(event.kind, WATCH_WRITTEN);
	assert_false(watch_peek(watch, start + 2, &event));
	expect(WATCH_APPEARED, NEW, "a");
	assert_true(watch_peek(watch, start, &event));
	assert_int_equal(event.sequence, start + 1);
}

static void test_what_cannot_be_watched_is_said(void **state)
{
	char path[200];
	char link_path[200];
	struct error error;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/nowhere", tree.root);
	assert_int_equal(watch_add(watch, path, 1, &error), WATCH_NO_DIRECTORY);
	mail_tree_write(&tree, "file", "x");
	(void)snprintf(path, sizeof(path), "%s/file", tree.root);
	assert_int_equal(watch_add(watch, path, 1, &error), WATCH_NO_DIRECTORY);
	(void)snprintf(path, sizeof(path), "%s/INBOX", tree.root);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", tree.root);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(
		watch_add(watch, link_path, 1, &error), WATCH_NO_DIRECTORY);
	assert_false(watch_has(watch, 1));
}

/* More events than the kernel keeps: all is unknown, until added again. */
static void test_an_overflow_is_told_and_survived(void **state)
{
	struct watch_limits limits;
	struct watch_event event;
	uint64_t start = watch_position(watch);
	unsigned lost = 0;
	char path[200];
	char other[200];

	(void)state;
	watch_get_limits(&limits);
	if (limits.max_queued_events < 0 || limits.max_queued_events > 100000)
		skip();
	mail_tree_write(&tree, "INBOX/new/a", "x");
	(void)snprintf(path, sizeof(path), "%s/INBOX/new/a", tree.root);
	(void)snprintf(other, sizeof(other), "%s/INBOX/new/b", tree.root);
	for (long i = 0; i < limits.max_queued_events; i++) {
		assert_int_equal(rename(i % 2 == 0 ? path : other,
					 i % 2 == 0 ? other : path),
			0);
	}
	while (watch_next(watch, &event))
		lost += event.kind == WATCH_LOST;
	assert_int_equal(lost, 1);
	assert_false(watch_is_gapless(watch, NEW, start));
	assert_false(watch_is_gapless(watch, NEW, watch_position(watch)));
	add("INBOX/new", NEW);
	assert_true(watch_is_gapless(watch, NEW, watch_position(watch)));
	assert_false(watch_is_gapless(watch, CUR, watch_position(watch)));
	mail_tree_write(&tree, "INBOX/new/z", "x");
	expect(WATCH_APPEARED, NEW, "z");
}

static void test_limits_are_known(void **state)
{
	struct watch_limits limits;

	(void)state;
	watch_get_limits(&limits);
	assert_true(limits.max_user_watches > 0);
	assert_true(limits.max_user_instances > 0);
	assert_true(limits.max_queued_events > 0);
}

static void test_tables_of_any_size_find_everything(void **state)
{
	struct watch_table table = { .count = 0 };

	(void)state;
	for (int i = 1; i <= 5000; i++) {
		const struct watched watched = { .descriptor = i,
			.cookie = (uint64_t)i << 3 };

		watch_table_add(&table, &watched);
	}
	for (int i = 1; i <= 5000; i += 2)
		watch_table_remove(
			&table, watch_table_by_descriptor(&table, i));
	assert_int_equal(table.count, 2500);
	for (int i = 1; i <= 5000; i++) {
		const struct watched *watched =
			watch_table_by_descriptor(&table, i);

		assert_ptr_equal(watched,
			watch_table_by_cookie(&table, (uint64_t)i << 3));
		assert_int_equal(watched == NULL, i % 2);
	}
	watch_table_finish(&table);
}

static void test_the_queue_keeps_order_and_numbers(void **state)
{
	struct watch_queue queue = { .count = 0 };
	uint64_t taken = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		watch_queue_add(&queue, WATCH_GONE, i, 0, name);
		if (i % 3 != 0)
			continue;
		assert_int_equal(queue.first, taken);
		free(watch_queue_take(&queue).name);
		taken++;
	}
	assert_int_equal(watch_queue_next(&queue), 5000);
	for (uint64_t i = taken; i < 5000; i++)
		assert_int_equal(watch_queue_at(&queue, i)->cookie, i);
	assert_null(watch_queue_at(&queue, taken - 1));
	assert_null(watch_queue_at(&queue, 5000));
	watch_queue_finish(&queue);
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHED(test_what_happens_to_files_is_told),
		WATCHED(test_the_descriptor_can_be_polled),
		WATCHED(test_there_is_one_watch_per_process),
		WATCHED(test_a_closed_watch_leaves_nothing_to_the_next),
		WATCHED(test_a_removed_directory_ends_its_watch),
		WATCHED(test_a_moved_directory_ends_its_watch),
		WATCHED(test_a_directory_has_one_cookie),
		WATCHED(test_a_cookie_follows_its_name),
		WATCHED(test_events_of_a_removed_cookie_are_dropped),
		WATCHED(test_peeking_takes_nothing),
		WATCHED(test_what_cannot_be_watched_is_said),
		WATCHED(test_an_overflow_is_told_and_survived),
		cmocka_unit_test(test_limits_are_known),
		cmocka_unit_test(test_tables_of_any_size_find_everything),
		cmocka_unit_test(test_the_queue_keeps_order_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
