#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/maildir.h"
#include "tests/store/mail_tree.h"

static struct mail_tree tree;
static struct error error;

static int setup_fs(void **state)
{
	(void)state;
	mail_tree_setup(&tree, MAILDIR_LAYOUT_FS);
	return 0;
}

static int setup_plusplus(void **state)
{
	(void)state;
	mail_tree_setup(&tree, MAILDIR_LAYOUT_PLUSPLUS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mail_tree_teardown(&tree);
	return 0;
}

static void create(const char *path)
{
	if (maildir_create_folder(tree.maildir, path, &error) != MAILDIR_DONE)
		fail_msg("'%s': %s", path, error.message);
}

/* All folders, as "INBOX A/B …"; problems as "!directory". */
static void expect_folders(const char *expected)
{
	struct arena arena = { .block = NULL };
	struct maildir_folder *folders;
	struct buf list = { .data = NULL };
	size_t count;

	if (!maildir_list_folders(
		    tree.maildir, &arena, &folders, &count, &error))
		fail_msg("%s", error.message);
	for (size_t i = 0; i < count; i++) {
		if (folders[i].path == NULL)
			buf_add_format(&list, " !%s", folders[i].directory);
		else
			buf_add_format(&list, " %s", folders[i].path);
		assert_int_equal(
			folders[i].path == NULL, folders[i].problem != NULL);
	}
	assert_string_equal(buf_text(&list), expected);
	buf_finish(&list);
	arena_finish(&arena);
}

static void test_folders_are_directories_in_directories(void **state)
{
	struct stat stat_cur;
	char path[200];

	(void)state;
	create("Work/2024/Q1");
	create("%63ur/x");
	create("B");
	assert_true(mail_tree_has(&tree, "Work/2024/Q1/cur"));
	assert_false(mail_tree_has(&tree, "Work/cur"));
	expect_folders(" %63ur/x B INBOX Work/2024/Q1");
	create("Work");
	expect_folders(" %63ur/x B INBOX Work Work/2024/Q1");
	assert_int_equal(maildir_create_folder(tree.maildir, "Work", &error),
		MAILDIR_EXISTS);
	(void)snprintf(path, sizeof(path), "%s/Work/cur", tree.root);
	assert_int_equal(stat(path, &stat_cur), 0);
	assert_int_equal(stat_cur.st_mode & 077, 0);
}

static void test_folders_are_names_with_dots(void **state)
{
	(void)state;
	create("Work/2024");
	create("a.b");
	assert_true(mail_tree_has(&tree, "cur"));
	assert_true(mail_tree_has(&tree, ".Work.2024/cur"));
	assert_true(mail_tree_has(&tree, ".a%2Eb/new"));
	mail_tree_mkdir(&tree, ".nothing");
	mail_tree_mkdir(&tree, "plain");
	expect_folders(" INBOX Work/2024 a.b");
}

static void test_half_made_folders_are_completed(void **state)
{
	(void)state;
	mail_tree_mkdir(&tree, "A");
	mail_tree_mkdir(&tree, "A/tmp");
	mail_tree_mkdir(&tree, "A/new");
	expect_folders(" INBOX");
	create("A");
	expect_folders(" A INBOX");
}

static void test_a_file_in_the_way_is_an_error(void **state)
{
	(void)state;
	mail_tree_write(&tree, "A", "x");
	assert_int_equal(maildir_create_folder(tree.maildir, "A/B", &error),
		MAILDIR_ERROR);
	assert_int_equal(maildir_create_folder(tree.maildir, "../B", &error),
		MAILDIR_ERROR);
	assert_int_equal(error.code, ERROR_REFUSED);
}

static void test_a_setgid_parent_is_passed_on(void **state)
{
	char path[200];
	struct stat made;

	(void)state;
	assert_int_equal(chmod(tree.root, 02700), 0);
	create("A");
	(void)snprintf(path, sizeof(path), "%s/A/new", tree.root);
	assert_int_equal(stat(path, &made), 0);
	assert_int_equal(made.st_mode & 07777, 02700);
}

static void test_strange_directories_are_named(void **state)
{
	static const char *const DIRECTORIES[] = { "inbox", "x%41", "bad\xff" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(DIRECTORIES); i++) {
		mail_tree_mkdir(&tree, DIRECTORIES[i]);
		(void)snprintf(path, sizeof(path), "%s/cur", DIRECTORIES[i]);
		mail_tree_mkdir(&tree, path);
		(void)snprintf(path, sizeof(path), "%s/new", DIRECTORIES[i]);
		mail_tree_mkdir(&tree, path);
	}
	mail_tree_mkdir(&tree, ".notmuch");
	expect_folders(" INBOX !bad\xff !inbox !x%41");
}

static void test_a_folder_is_renamed_with_all_below_it(void **state)
{
	(void)state;
	create("A");
	create("A/B");
	create("Axe");
	mail_tree_write(&tree,
		mail_tree_has(&tree, "cur") ? ".A.B/new/m" : "A/B/new/m", "x");
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "A", "C/D", &error),
		MAILDIR_DONE);
	expect_folders(" Axe C/D C/D/B INBOX");
	assert_true(mail_tree_has(&tree, "C/D/B/new/m") ||
		mail_tree_has(&tree, ".C.D.B/new/m"));
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "A", "C/D", &error),
		MAILDIR_MISSING);
}

/* A's directory is there for what is below it alone; with B it becomes a
   folder, the one that was B. */
static void test_a_rename_goes_onto_a_directory_that_is_no_folder(void **state)
{
	(void)state;
	create("A/X");
	create("B");
	create("B/Y");
	mail_tree_write(&tree,
		mail_tree_has(&tree, "cur") ? ".B/new/m" : "B/new/m", "x");
	assert_int_equal(maildir_rename_folder(tree.maildir, "B", "A", &error),
		MAILDIR_DONE);
	expect_folders(" A A/X A/Y INBOX");
	assert_true(mail_tree_has(&tree, "A/new/m") ||
		mail_tree_has(&tree, ".A/new/m"));
}

static void test_a_folder_gets_the_name_of_the_one_above_it(void **state)
{
	(void)state;
	create("A/X");
	create("A/X/Z");
	create("A/Y");
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "A/X", "A", &error),
		MAILDIR_DONE);
	expect_folders(" A A/Y A/Z INBOX");
}

/* Nor is anything moved when one of the names below is taken. */
static void test_a_name_below_stops_a_rename(void **state)
{
	(void)state;
	create("A/X");
	create("A/X/Y");
	create("A/Y");
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "A/X", "A", &error),
		MAILDIR_EXISTS);
	expect_folders(" A/X A/X/Y A/Y INBOX");
}

static void test_a_rename_replaces_nothing(void **state)
{
	(void)state;
	create("A");
	create("A/X");
	create("B/X");
	create("C");
	assert_int_equal(maildir_rename_folder(tree.maildir, "C", "A", &error),
		MAILDIR_EXISTS);
	assert_int_equal(maildir_rename_folder(tree.maildir, "A", "B", &error),
		MAILDIR_EXISTS);
	expect_folders(" A A/X B/X C INBOX");
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "A", "A/Y", &error),
		MAILDIR_REFUSED);
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "INBOX", "Y", &error),
		MAILDIR_REFUSED);
	assert_int_equal(
		maildir_rename_folder(tree.maildir, "C", "INBOX", &error),
		MAILDIR_REFUSED);
	expect_folders(" A A/X B/X C INBOX");
}

/* Stopped between two renames: doing it again finishes it. */
static void test_a_rename_cut_short_is_finished(void **state)
{
	(void)state;
	create("A");
	create("A/X");
	create("A/Y");
	mail_tree_rename(&tree, ".A.X", ".B.X");
	assert_int_equal(maildir_rename_folder(tree.maildir, "A", "B", &error),
		MAILDIR_DONE);
	expect_folders(" B B/X B/Y INBOX");
}

static const char *in_folder(const char *file, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s",
		mail_tree_has(&tree, "cur") ? ".A" : "A", file);
	return path;
}

static void test_an_empty_folder_goes_with_its_indexes(void **state)
{
	static const char *const FILES[] = { "dovecot-keywords",
		"dovecot.index.cache", "dovecot-uidlist", "maildirfolder" };
	char path[64];

	(void)state;
	create("A");
	for (size_t i = 0; i < ARRAY_LENGTH(FILES); i++)
		mail_tree_write(
			&tree, in_folder(FILES[i], path, sizeof(path)), "x");
	assert_int_equal(
		maildir_remove_folder(tree.maildir, "A", &error), MAILDIR_DONE);
	expect_folders(" INBOX");
	assert_false(mail_tree_has(&tree, in_folder("", path, sizeof(path))));
	assert_int_equal(maildir_remove_folder(tree.maildir, "A", &error),
		MAILDIR_MISSING);
	assert_int_equal(maildir_remove_folder(tree.maildir, "INBOX", &error),
		MAILDIR_REFUSED);
}

static void test_a_folder_with_anything_in_it_stays_whole(void **state)
{
	static const char *const FILES[] = { "new/m", "cur/m:2,S",
		"new/.hidden", "tmp/now", "notes.txt" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(FILES); i++) {
		create("A");
		mail_tree_write(&tree,
			in_folder("dovecot-keywords", path, sizeof(path)), "x");
		mail_tree_write(
			&tree, in_folder(FILES[i], path, sizeof(path)), "x");
		assert_int_equal(
			maildir_remove_folder(tree.maildir, "A", &error),
			MAILDIR_REFUSED);
		assert_int_equal(error.code, ERROR_REFUSED);
		expect_folders(" A INBOX");
		assert_true(mail_tree_has(&tree,
			in_folder("dovecot-keywords", path, sizeof(path))));
		mail_tree_unlink(
			&tree, in_folder(FILES[i], path, sizeof(path)));
		assert_int_equal(
			maildir_remove_folder(tree.maildir, "A", &error),
			MAILDIR_DONE);
	}
}

static void test_a_parent_becomes_a_plain_directory(void **state)
{
	(void)state;
	create("A");
	create("A/B");
	assert_int_equal(
		maildir_remove_folder(tree.maildir, "A", &error), MAILDIR_DONE);
	expect_folders(" A/B INBOX");
	create("A");
	expect_folders(" A A/B INBOX");
}

static void test_a_stat_shows_changes(void **state)
{
	struct maildir_folder_stat before, after;

	(void)state;
	assert_int_equal(
		maildir_folder_stat(tree.maildir, "INBOX", &before, &error),
		MAILDIR_DONE);
	mail_tree_touch(&tree, "INBOX/new", 1000);
	assert_int_equal(
		maildir_folder_stat(tree.maildir, "INBOX", &after, &error),
		MAILDIR_DONE);
	assert_int_equal(after.new_mtime_ns, INT64_C(1000000000000));
	assert_int_equal(before.cur_mtime_ns, after.cur_mtime_ns);
	assert_int_equal(before.inode, after.inode);
	mail_tree_mkdir(&tree, "plain");
	assert_int_equal(
		maildir_folder_stat(tree.maildir, "plain", &after, &error),
		MAILDIR_MISSING);
	assert_int_equal(
		maildir_folder_stat(tree.maildir, "nowhere", &after, &error),
		MAILDIR_MISSING);
}

static void check_half(const char *part, const char *file)
{
	struct maildir_folder_stat stat;

	mail_tree_rename(&tree, part, "A/away");
	assert_int_equal(maildir_folder_stat(tree.maildir, "A", &stat, &error),
		MAILDIR_MISSING);
	mail_tree_write(&tree, file, "Subject: a\r\n\r\n");
	assert_int_equal(maildir_folder_stat(tree.maildir, "A", &stat, &error),
		MAILDIR_REFUSED);
	assert_non_null(strstr(error.message, part + 2));
	mail_tree_rename(&tree, "A/away", part);
	assert_int_equal(maildir_folder_stat(tree.maildir, "A", &stat, &error),
		MAILDIR_DONE);
	mail_tree_unlink(&tree, file);
}

static void test_half_a_folder_with_mail_is_not_missing(void **state)
{
	(void)state;
	create("A");
	check_half("A/new", "A/cur/1.a:2,S");
	check_half("A/cur", "A/new/1.a");
}

/* Links to directories are listed, too, as what cannot be a folder. */
static void link_folders(int root, unsigned from, unsigned to)
{
	char name[32];

	for (unsigned i = from; i < to; i++) {
		(void)snprintf(name, sizeof(name), ".A.%u", i);
		assert_int_equal(symlinkat("cur", root, name), 0);
	}
}

static void test_so_many_folders_and_no_more(void **state)
{
	int root = open(tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct maildir_folder *folders;
	struct arena arena = { .block = NULL };
	size_t count;

	(void)state;
	create("A");
	/* With INBOX and A. */
	link_folders(root, 2, MAILDIR_FOLDER_COUNT_MAX);
	assert_true(maildir_list_folders(
		tree.maildir, &arena, &folders, &count, &error));
	assert_int_equal(count, MAILDIR_FOLDER_COUNT_MAX);
	link_folders(
		root, MAILDIR_FOLDER_COUNT_MAX, MAILDIR_FOLDER_COUNT_MAX + 1);
	assert_false(maildir_list_folders(
		tree.maildir, &arena, &folders, &count, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	/* A and all below it, or nothing. */
	link_folders(root, MAILDIR_FOLDER_COUNT_MAX + 1,
		MAILDIR_FOLDER_COUNT_MAX + 2);
	error = (struct error){ 0 };
	assert_int_equal(maildir_rename_folder(tree.maildir, "A", "B", &error),
		MAILDIR_ERROR);
	assert_int_equal(error.code, ERROR_LIMIT);
	assert_true(mail_tree_has(&tree, ".A/cur"));
	assert_int_equal(close(root), 0);
	arena_finish(&arena);
}

#define FS(test) cmocka_unit_test_setup_teardown(test, setup_fs, teardown)
#define PLUSPLUS(test)                                                         \
	cmocka_unit_test_setup_teardown(test, setup_plusplus, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FS(test_folders_are_directories_in_directories),
		PLUSPLUS(test_folders_are_names_with_dots),
		FS(test_half_made_folders_are_completed),
		FS(test_a_file_in_the_way_is_an_error),
		FS(test_a_setgid_parent_is_passed_on),
		FS(test_strange_directories_are_named),
		FS(test_a_folder_is_renamed_with_all_below_it),
		PLUSPLUS(test_a_folder_is_renamed_with_all_below_it),
		FS(test_a_rename_goes_onto_a_directory_that_is_no_folder),
		PLUSPLUS(test_a_rename_goes_onto_a_directory_that_is_no_folder),
		FS(test_a_folder_gets_the_name_of_the_one_above_it),
		PLUSPLUS(test_a_folder_gets_the_name_of_the_one_above_it),
		FS(test_a_name_below_stops_a_rename),
		PLUSPLUS(test_a_name_below_stops_a_rename),
		FS(test_a_rename_replaces_nothing),
		PLUSPLUS(test_a_rename_replaces_nothing),
		PLUSPLUS(test_a_rename_cut_short_is_finished),
		FS(test_an_empty_folder_goes_with_its_indexes),
		PLUSPLUS(test_an_empty_folder_goes_with_its_indexes),
		FS(test_a_folder_with_anything_in_it_stays_whole),
		PLUSPLUS(test_a_folder_with_anything_in_it_stays_whole),
		FS(test_a_parent_becomes_a_plain_directory),
		FS(test_a_stat_shows_changes),
		FS(test_half_a_folder_with_mail_is_not_missing),
		PLUSPLUS(test_so_many_folders_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
