#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
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

#include "store/maildir.h"
#include "tests/store/mail_tree.h"

#define DAY      INT64_C(86400)
#define LEAP_DAY INT64_C(1709208000) /* 2024-02-29 12:00 */

static struct mail_tree tree;
static struct error error;

static int setup(void **state)
{
	(void)state;
	mail_tree_setup(&tree, MAILDIR_LAYOUT_FS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mail_tree_teardown(&tree);
	return 0;
}

static enum maildir_result take_away(
	const char *path, bool is_new, const char *name, int64_t now)
{
	const struct maildir_place place = {
		.path = path,
		.is_new = is_new,
		.name = name,
	};

	struct maildir_file file;
	enum maildir_result result =
		maildir_stat(tree.maildir, &place, &file, &error);

	return result != MAILDIR_DONE
		? result
		: maildir_remove(tree.maildir, &place, &file, now, &error);
}

static void expect_retained(const char *expected)
{
	struct arena arena = { .block = NULL };
	struct maildir_retained *files;
	struct buf list = { .data = NULL };
	size_t count;

	if (!maildir_retention_list(
		    tree.maildir, &arena, &files, &count, &error))
		fail_msg("%s", error.message);
	for (size_t i = 0; i < count; i++)
		buf_add_format(&list, "%s %s %s %llu;", files[i].day,
			files[i].path, files[i].name,
			(unsigned long long)files[i].size);
	assert_string_equal(buf_text(&list), expected);
	buf_finish(&list);
	arena_finish(&arena);
}

static void expect_restored(
	size_t index, enum maildir_result expected, const char *expected_name)
{
	struct arena arena = { .block = NULL };
	struct maildir_retained *files;
	struct buf name = { .data = NULL };
	size_t count;

	assert_true(maildir_retention_list(
		tree.maildir, &arena, &files, &count, &error));
	assert_true(index < count);
	assert_int_equal(maildir_retention_restore(
				 tree.maildir, &files[index], &name, &error),
		expected);
	assert_string_equal(buf_text(&name), expected_name);
	buf_finish(&name);
	arena_finish(&arena);
}

static void test_a_removed_message_is_kept_by_day_and_folder(void **state)
{
	(void)state;
	expect_retained("");
	assert_int_equal(maildir_create_folder(tree.maildir, "Work/2024", NULL),
		MAILDIR_DONE);
	mail_tree_write(&tree, "INBOX/new/a", "1");
	mail_tree_write(&tree, "Work/2024/cur/b:2,S", "22");
	mail_tree_write(&tree, "INBOX/cur/a", "333");
	assert_int_equal(take_away("INBOX", true, "a", LEAP_DAY), MAILDIR_DONE);
	assert_int_equal(
		take_away("INBOX", true, "a", LEAP_DAY), MAILDIR_MISSING);
	assert_int_equal(
		take_away("nowhere", true, "a", LEAP_DAY), MAILDIR_MISSING);
	assert_int_equal(take_away("Work/2024", false, "b:2,S", LEAP_DAY + DAY),
		MAILDIR_DONE);
	/* The same name again on the same day. */
	assert_int_equal(
		take_away("INBOX", false, "a", LEAP_DAY), MAILDIR_DONE);
	expect_retained("2024-02-29 INBOX a 1;2024-02-29 INBOX a_1 3;"
			"2024-03-01 Work/2024 b:2,S 2;");
	assert_false(mail_tree_has(&tree, "INBOX/new/a"));
}

/* Written by somebody after it was looked at. */
static void test_another_message_under_the_name_stays(void **state)
{
	const struct maildir_place place = { .path = "INBOX", .name = "a:2,D" };
	struct maildir_file known;

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a:2,D", "draft");
	assert_int_equal(maildir_stat(tree.maildir, &place, &known, &error),
		MAILDIR_DONE);
	mail_tree_write(&tree, "INBOX/tmp/b", "other");
	mail_tree_rename(&tree, "INBOX/tmp/b", "INBOX/cur/a:2,D");
	assert_int_equal(
		maildir_remove(tree.maildir, &place, &known, LEAP_DAY, &error),
		MAILDIR_MISSING);
	assert_true(mail_tree_has(&tree, "INBOX/cur/a:2,D"));
	expect_retained("");
}

static void test_a_removed_message_comes_back(void **state)
{
	struct maildir_retained bad = {
		.day = "..",
		.path = "INBOX",
		.name = "x",
	};
	struct buf name = { .data = NULL };
	char *text;

	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "1");
	mail_tree_write(&tree, "INBOX/cur/b:2,S", "22");
	assert_int_equal(take_away("INBOX", true, "a", LEAP_DAY), MAILDIR_DONE);
	assert_int_equal(
		take_away("INBOX", false, "b:2,S", LEAP_DAY), MAILDIR_DONE);
	mail_tree_write(&tree, "INBOX/cur/b:2,S", "other");
	expect_restored(1, MAILDIR_DONE, "b_1:2,S");
	expect_restored(0, MAILDIR_DONE, "a");
	expect_retained("");
	text = mail_tree_read(&tree, "INBOX/cur/b_1:2,S");
	assert_string_equal(text, "22");
	free(text);
	assert_true(mail_tree_has(&tree, "INBOX/new/a"));
	assert_int_equal(
		maildir_retention_restore(tree.maildir, &bad, &name, &error),
		MAILDIR_MISSING);
	bad.day = "2024-02-29";
	bad.path = "../../..";
	assert_int_equal(
		maildir_retention_restore(tree.maildir, &bad, &name, &error),
		MAILDIR_MISSING);
}

static void test_a_message_of_a_gone_folder_waits(void **state)
{
	(void)state;
	assert_int_equal(
		maildir_create_folder(tree.maildir, "A", NULL), MAILDIR_DONE);
	mail_tree_write(&tree, "A/new/a", "1");
	assert_int_equal(take_away("A", true, "a", LEAP_DAY), MAILDIR_DONE);
	assert_int_equal(
		maildir_remove_folder(tree.maildir, "A", &error), MAILDIR_DONE);
	expect_restored(0, MAILDIR_MISSING, "");
	assert_int_equal(
		maildir_create_folder(tree.maildir, "A", NULL), MAILDIR_DONE);
	expect_restored(0, MAILDIR_DONE, "a");
}

static void test_purging_takes_only_old_days(void **state)
{
	(void)state;
	assert_true(
		maildir_retention_purge(tree.maildir, 30, LEAP_DAY, &error));
	for (int64_t i = 0; i < 4; i++) {
		mail_tree_write(&tree, "INBOX/new/a", "1");
		assert_int_equal(
			take_away("INBOX", true, "a", LEAP_DAY + i * DAY),
			MAILDIR_DONE);
	}
	assert_true(maildir_retention_purge(
		tree.maildir, 30, LEAP_DAY + 32 * DAY, &error));
	expect_retained("2024-03-02 INBOX a 1;2024-03-03 INBOX a 1;");
	assert_true(maildir_retention_purge(
		tree.maildir, 30, LEAP_DAY + 300 * DAY, &error));
	expect_retained("");
}

static void test_without_retention_a_message_is_gone(void **state)
{
	(void)state;
	mail_tree_reopen(&tree, MAILDIR_LAYOUT_FS, false);
	mail_tree_write(&tree, "INBOX/new/a", "1");
	assert_int_equal(take_away("INBOX", true, "a", LEAP_DAY), MAILDIR_DONE);
	assert_false(mail_tree_has(&tree, "INBOX/new/a"));
	assert_int_equal(access(tree.retention, F_OK), -1);
	expect_retained("");
}

static void test_only_messages_are_removed(void **state)
{
	(void)state;
	mail_tree_mkdir(&tree, "INBOX/cur/d");
	assert_int_equal(
		take_away("INBOX", false, "d", LEAP_DAY), MAILDIR_ERROR);
	assert_int_equal(
		take_away("INBOX", false, "../new", LEAP_DAY), MAILDIR_ERROR);
	assert_true(mail_tree_has(&tree, "INBOX/cur/d"));
}

/* Nothing goes when it cannot be kept. */
static void test_a_message_that_cannot_be_kept_stays(void **state)
{
	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "1");
	/* A file where the directory should be. */
	mail_tree_write(&tree, "../r", "x");
	assert_int_equal(
		take_away("INBOX", true, "a", LEAP_DAY), MAILDIR_ERROR);
	assert_true(mail_tree_has(&tree, "INBOX/new/a"));
	assert_int_equal(unlink(tree.retention), 0);
}

/* Another file system, where the machine has one: /dev/shm. */
static void test_retention_works_across_file_systems(void **state)
{
	char other[] = "/dev/shm/mtXXXXXX";
	struct stat here, there;
	char *text;
	char file[128];

	(void)state;
	if (stat(tree.top, &here) == -1 || stat("/dev/shm", &there) == -1 ||
		here.st_dev == there.st_dev || mkdtemp(other) == NULL)
		skip();
	(void)snprintf(tree.retention, sizeof(tree.retention), "%s/r", other);
	mail_tree_reopen(&tree, MAILDIR_LAYOUT_FS, true);
	mail_tree_write(&tree, "INBOX/cur/a:2,S", "text");
	mail_tree_touch(&tree, "INBOX/cur/a:2,S", 1234567);
	assert_int_equal(
		take_away("INBOX", false, "a:2,S", LEAP_DAY), MAILDIR_DONE);
	assert_false(mail_tree_has(&tree, "INBOX/cur/a:2,S"));
	expect_retained("2024-02-29 INBOX a:2,S 4;");
	expect_restored(0, MAILDIR_DONE, "a:2,S");
	text = mail_tree_read(&tree, "INBOX/cur/a:2,S");
	assert_string_equal(text, "text");
	free(text);
	(void)snprintf(file, sizeof(file), "%s/INBOX/cur/a:2,S", tree.root);
	assert_int_equal(stat(file, &here), 0);
	assert_int_equal(here.st_mtime, 1234567);
	assert_false(mail_tree_has(&tree, "INBOX/tmp/a"));
	expect_retained("");
	assert_true(maildir_retention_purge(
		tree.maildir, 0, LEAP_DAY + DAY, &error));
	assert_int_equal(rmdir(tree.retention), 0);
	assert_int_equal(rmdir(other), 0);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_a_removed_message_is_kept_by_day_and_folder),
		IN_TREE(test_another_message_under_the_name_stays),
		IN_TREE(test_a_removed_message_comes_back),
		IN_TREE(test_a_message_of_a_gone_folder_waits),
		IN_TREE(test_purging_takes_only_old_days),
		IN_TREE(test_without_retention_a_message_is_gone),
		IN_TREE(test_only_messages_are_removed),
		IN_TREE(test_a_message_that_cannot_be_kept_stays),
		IN_TREE(test_retention_works_across_file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
