#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/maildir.h"
#include "tests/store/mail_tree.h"

static struct mail_tree tree;

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

static void full_path(const char *file, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s", tree.root, file);
}

static void test_only_a_private_directory_is_opened(void **state)
{
	struct maildir_options options = { .root = tree.root };
	struct error error = { .code = ERROR_NONE };
	struct maildir *maildir;

	(void)state;
	assert_int_equal(chmod(tree.root, 0770), 0);
	assert_null(maildir_open(&options, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_int_equal(chmod(tree.root, 0755), 0);
	maildir = maildir_open(&options, &error);
	assert_non_null(maildir);
	assert_true(*maildir_host(maildir) != '\0');
	maildir_close(maildir);
	options.root = "/nowhere/at/all";
	assert_null(maildir_open(&options, &error));
	assert_int_equal(error.system_error, ENOENT);
	maildir_close(NULL);
}

static void test_paths_are_absolute(void **state)
{
	struct buf path = { .data = NULL };
	char expected[200];

	(void)state;
	assert_true(maildir_absolute_path(
		tree.maildir, "A/B", MAILDIR_NEW, &path, NULL));
	full_path("A/B/new", expected, sizeof(expected));
	assert_string_equal(buf_text(&path), expected);
	mail_tree_reopen(&tree, MAILDIR_LAYOUT_PLUSPLUS, true);
	buf_clear(&path);
	assert_true(maildir_absolute_path(
		tree.maildir, "INBOX", MAILDIR_FOLDER, &path, NULL));
	assert_string_equal(buf_text(&path), tree.root);
	assert_false(maildir_absolute_path(
		tree.maildir, "../x", MAILDIR_FOLDER, &path, NULL));
	buf_finish(&path);
}

static void test_a_generation_is_kept_with_the_directory(void **state)
{
	struct maildir_identity identity;
	struct maildir_identity again;
	struct error error;

	(void)state;
	assert_true(maildir_identity(tree.maildir, NULL, &identity, &error));
	assert_false(identity.has_generation);
	assert_true(maildir_set_generation(
		tree.maildir, NULL, "home", 18446744073709551615u, &error));
	assert_true(maildir_set_generation(
		tree.maildir, "INBOX", "home", 3, &error));
	assert_true(maildir_identity(tree.maildir, NULL, &again, &error));
	assert_int_equal(identity.device, again.device);
	assert_int_equal(identity.inode, again.inode);
	if (!again.supports_generation)
		skip();
	assert_true(again.has_generation);
	assert_string_equal(again.account, "home");
	assert_true(again.generation == UINT64_MAX);
	assert_true(maildir_identity(tree.maildir, "INBOX", &again, &error));
	assert_int_equal(again.generation, 3);
}

/* File systems hand out the inode of a removed directory again, at once. */
static void test_a_directory_made_again_is_another(void **state)
{
	struct maildir_identity first, second;
	struct error error;
	char path[200];

	(void)state;
	full_path("B", path, sizeof(path));
	mail_tree_mkdir(&tree, "A");
	assert_true(maildir_identity(tree.maildir, "A", &first, &error));
	mail_tree_rename(&tree, "A", "B");
	assert_true(maildir_identity(tree.maildir, "B", &second, &error));
	assert_true(first.inode == second.inode);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(rmdir(path), 0);
		mail_tree_mkdir(&tree, "B");
		assert_true(
			maildir_identity(tree.maildir, "B", &second, &error));
		assert_true(first.inode != second.inode);
	}
}

static void test_a_missing_folder_may_be_an_unmounted_disk(void **state)
{
	struct maildir_identity root;
	struct error error;

	(void)state;
	assert_true(maildir_identity(tree.maildir, NULL, &root, &error));
	mail_tree_mkdir(&tree, "empty");
	mail_tree_mkdir(&tree, "full");
	mail_tree_mkdir(&tree, "full/child");
	assert_true(
		maildir_may_be_unmounted(tree.maildir, "empty", root.device));
	assert_false(
		maildir_may_be_unmounted(tree.maildir, "full", root.device));
	assert_false(
		maildir_may_be_unmounted(tree.maildir, "gone", root.device));
	/* The parent need not go with the child. */
	assert_false(maildir_may_be_unmounted(
		tree.maildir, "empty/gone/too", root.device));
	assert_true(maildir_may_be_unmounted(
		tree.maildir, "gone", root.device + 1));
	assert_true(maildir_may_be_unmounted(
		tree.maildir, "full/gone", root.device + 1));
}

static void test_identity_notices_another_directory(void **state)
{
	struct maildir_identity before, after;
	struct error error;

	(void)state;
	assert_true(maildir_identity(tree.maildir, "INBOX", &before, &error));
	mail_tree_rename(&tree, "INBOX", "Old");
	assert_false(maildir_identity(tree.maildir, "INBOX", &after, &error));
	assert_int_equal(error.system_error, ENOENT);
	assert_int_equal(maildir_create_folder(tree.maildir, "INBOX", NULL),
		MAILDIR_DONE);
	assert_true(maildir_identity(tree.maildir, "INBOX", &after, &error));
	assert_int_not_equal(before.inode, after.inode);
	assert_false(maildir_set_generation(
		tree.maildir, NULL, "two words", 1, &error));
}

static enum maildir_result look(const char *name, struct maildir_file *file)
{
	const struct maildir_place place = {
		.path = "INBOX",
		.name = name,
	};
	struct error error;

	return maildir_stat(tree.maildir, &place, file, &error);
}

static void test_a_message_can_be_looked_at(void **state)
{
	struct maildir_file file;

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a:2,", "12345");
	mail_tree_touch(&tree, "INBOX/cur/a:2,", 1234567);
	assert_int_equal(look("a:2,", &file), MAILDIR_DONE);
	assert_true(file.is_regular);
	assert_int_equal(file.size, 5);
	assert_int_equal(file.mtime, 1234567);
	assert_int_equal(look("b", &file), MAILDIR_MISSING);
	assert_int_equal(look("../cur/a:2,", &file), MAILDIR_ERROR);
	assert_int_equal(look("..", &file), MAILDIR_ERROR);
}

static enum maildir_result open_message(const char *name)
{
	const struct maildir_place place = {
		.path = "INBOX",
		.name = name,
	};
	struct maildir_file file;
	struct error error;
	int fd = -1;
	enum maildir_result result =
		maildir_open_message(tree.maildir, &place, &fd, &file, &error);

	assert_int_equal(fd != -1, result == MAILDIR_DONE);
	if (fd != -1)
		close(fd);
	return result;
}

static void test_only_regular_files_are_opened(void **state)
{
	char path[200];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/file", "x");
	mail_tree_mkdir(&tree, "INBOX/cur/directory");
	full_path("INBOX/cur/link", path, sizeof(path));
	assert_int_equal(symlink("file", path), 0);
	full_path("INBOX/cur/dangling", path, sizeof(path));
	assert_int_equal(symlink("nowhere", path), 0);
	full_path("INBOX/cur/fifo", path, sizeof(path));
	assert_int_equal(mkfifo(path, 0600), 0);
	full_path("INBOX/cur/socket", path, sizeof(path));
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(
		bind(fd, (const struct sockaddr *)&address, sizeof(address)),
		0);
	close(fd);

	assert_int_equal(open_message("file"), MAILDIR_DONE);
	assert_int_equal(open_message("nothing"), MAILDIR_MISSING);
	assert_int_equal(open_message("directory"), MAILDIR_REFUSED);
	assert_int_equal(open_message("link"), MAILDIR_REFUSED);
	assert_int_equal(open_message("dangling"), MAILDIR_REFUSED);
	assert_int_equal(open_message("fifo"), MAILDIR_REFUSED);
	assert_int_equal(open_message("socket"), MAILDIR_REFUSED);
}

static void test_no_symbolic_link_is_followed_below_the_root(void **state)
{
	struct maildir_file file;
	struct arena arena = { .block = NULL };
	struct maildir_folder *folders;
	size_t count;
	struct error error;
	char path[200];

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a", "x");
	full_path("Link", path, sizeof(path));
	assert_int_equal(symlink("INBOX", path), 0);
	assert_int_equal(maildir_create_folder(tree.maildir, "Link", &error),
		MAILDIR_ERROR);
	{
		const struct maildir_place place = {
			.path = "Link",
			.name = "a",
		};

		assert_int_equal(
			maildir_stat(tree.maildir, &place, &file, &error),
			MAILDIR_ERROR);
	}
	assert_true(maildir_list_folders(
		tree.maildir, &arena, &folders, &count, &error));
	assert_int_equal(count, 2);
	assert_string_equal(folders[0].path, "INBOX");
	assert_null(folders[1].path);
	assert_string_equal(folders[1].directory, "Link");
	assert_non_null(folders[1].problem);
	arena_finish(&arena);
}

static enum maildir_result move(
	const char *from, const char *to_path, bool to_new, const char *to)
{
	const struct maildir_place source = {
		.path = "INBOX",
		.name = from,
	};
	const struct maildir_place target = {
		.path = to_path,
		.is_new = to_new,
		.name = to,
	};
	struct error error;

	return maildir_rename(tree.maildir, &source, &target, &error);
}

static void test_renaming_never_overwrites(void **state)
{
	char *text;

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a:2,", "a");
	mail_tree_write(&tree, "INBOX/cur/b:2,", "b");
	assert_int_equal(move("a:2,", "INBOX", false, "b:2,"), MAILDIR_EXISTS);
	text = mail_tree_read(&tree, "INBOX/cur/b:2,");
	assert_string_equal(text, "b");
	free(text);
	assert_int_equal(move("a:2,", "INBOX", false, "a:2,S"), MAILDIR_DONE);
	assert_int_equal(
		move("a:2,", "INBOX", false, "a:2,S"), MAILDIR_MISSING);
	assert_int_equal(move("a:2,S", "Work", true, "a"), MAILDIR_MISSING);
	assert_int_equal(maildir_create_folder(tree.maildir, "Work", NULL),
		MAILDIR_DONE);
	assert_int_equal(move("a:2,S", "Work", true, "a"), MAILDIR_DONE);
	assert_true(mail_tree_has(&tree, "Work/new/a"));
	assert_false(mail_tree_has(&tree, "INBOX/cur/a:2,S"));
	assert_true(
		maildir_sync_folder(tree.maildir, "Work", MAILDIR_NEW, NULL));
	assert_false(maildir_sync_folder(
		tree.maildir, "nowhere", MAILDIR_NEW, NULL));
}

static void make_link(const char *from, const char *to)
{
	int root = open(tree.root, O_RDONLY | O_DIRECTORY);

	assert_true(root >= 0);
	assert_int_equal(linkat(root, from, root, to, 0), 0);
	close(root);
}

/* As a power cut amid a rename may leave it. */
static void test_of_two_names_of_one_file_the_new_one_stays(void **state)
{
	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a:2,", "a");
	make_link("INBOX/cur/a:2,", "INBOX/cur/a:2,S");
	assert_int_equal(move("a:2,", "INBOX", false, "a:2,S"), MAILDIR_DONE);
	assert_false(mail_tree_has(&tree, "INBOX/cur/a:2,"));
	assert_true(mail_tree_has(&tree, "INBOX/cur/a:2,S"));
	/* One name, and a link that somebody keeps elsewhere. */
	make_link("INBOX/cur/a:2,S", "backup");
	assert_int_equal(
		move("a:2,S", "INBOX", false, "a:2,S"), MAILDIR_EXISTS);
	assert_true(mail_tree_has(&tree, "INBOX/cur/a:2,S"));
	assert_int_equal(maildir_create_folder(tree.maildir, "Work", NULL),
		MAILDIR_DONE);
	make_link("backup", "Work/cur/a:2,S");
	assert_int_equal(move("a:2,S", "Work", false, "a:2,S"), MAILDIR_DONE);
	assert_false(mail_tree_has(&tree, "INBOX/cur/a:2,S"));
	assert_true(mail_tree_has(&tree, "Work/cur/a:2,S"));
}

/* A cached descriptor would still lead to the renamed folder. */
static void test_names_lead_to_what_has_them_now(void **state)
{
	struct maildir_file file;

	(void)state;
	mail_tree_write(&tree, "INBOX/cur/a", "1");
	assert_int_equal(look("a", &file), MAILDIR_DONE);
	mail_tree_rename(&tree, "INBOX", "Other");
	assert_int_equal(look("a", &file), MAILDIR_MISSING);
	assert_int_equal(maildir_create_folder(tree.maildir, "INBOX", NULL),
		MAILDIR_DONE);
	assert_int_equal(look("a", &file), MAILDIR_MISSING);
	maildir_forget_descriptors(tree.maildir);
	mail_tree_write(&tree, "INBOX/cur/a", "22");
	assert_int_equal(look("a", &file), MAILDIR_DONE);
	assert_int_equal(file.size, 2);
}

static void test_more_folders_than_descriptors_are_fine(void **state)
{
	struct error error;
	char path[32];
	char file[64];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 150; i++) {
			struct maildir_entry *entries;
			struct arena arena = { .block = NULL };
			size_t count;

			(void)snprintf(path, sizeof(path), "f%u", i);
			if (round == 0) {
				assert_int_equal(
					maildir_create_folder(
						tree.maildir, path, &error),
					MAILDIR_DONE);
				(void)snprintf(
					file, sizeof(file), "f%u/new/%u", i, i);
				mail_tree_write(&tree, file, "x");
			}
			assert_true(maildir_scan(tree.maildir, path, &arena,
				&entries, &count, &error));
			assert_int_equal(count, 1);
			(void)snprintf(file, sizeof(file), "%u", i);
			assert_string_equal(entries[0].name, file);
			arena_finish(&arena);
		}
	}
}

/* Newlines, bytes that are no UTF-8, the longest name: all are listed as they
   are. */
static void test_hostile_names_are_listed_as_they_are(void **state)
{
	static const char *const NAMES[] = { "a\nb:2,S", "\xff\xfe:2,",
		"a:2,S:2,F", "-rf", " ", "%s%n", "a\x1b[31m" };
	char longest[256];
	struct arena arena = { .block = NULL };
	struct maildir_entry *entries;
	struct error error;
	size_t count;
	char file[300];

	(void)state;
	memset(longest, 'x', 255);
	longest[255] = '\0';
	(void)snprintf(file, sizeof(file), "INBOX/cur/%s", longest);
	mail_tree_write(&tree, file, "x");
	for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
		(void)snprintf(file, sizeof(file), "INBOX/cur/%s", NAMES[i]);
		mail_tree_write(&tree, file, "x");
	}
	assert_true(maildir_scan(
		tree.maildir, "INBOX", &arena, &entries, &count, &error));
	assert_int_equal(count, ARRAY_LENGTH(NAMES) + 1);
	for (size_t i = 0; i < count; i++) {
		struct maildir_file looked;

		assert_int_equal(look(entries[i].name, &looked), MAILDIR_DONE);
		assert_int_equal(looked.inode, entries[i].inode);
	}
	arena_finish(&arena);
}

static void test_only_our_old_leftovers_leave_tmp(void **state)
{
	struct stat stat;
	char path[200];

	(void)state;
	mail_tree_write(&tree, "INBOX/tmp/5.R0123456789abcdef.test", "x");
	mail_tree_write(&tree, "INBOX/tmp/5.M1P2.other", "x");
	/* The modification time of a finished download is the message's. */
	mail_tree_touch(&tree, "INBOX/tmp/5.R0123456789abcdef.test", 5);
	full_path("INBOX/tmp/5.R0123456789abcdef.test", path, sizeof(path));
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(
		maildir_clean_tmp(tree.maildir, "INBOX",
			(int64_t)stat.st_ctime + MAILDIR_TMP_AGE_SECONDS),
		0);
	assert_int_equal(
		maildir_clean_tmp(tree.maildir, "INBOX",
			(int64_t)stat.st_ctime + MAILDIR_TMP_AGE_SECONDS + 1),
		1);
	assert_true(mail_tree_has(&tree, "INBOX/tmp/5.M1P2.other"));
	assert_int_equal(maildir_clean_tmp(tree.maildir, "nowhere", 0), 0);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_only_a_private_directory_is_opened),
		IN_TREE(test_paths_are_absolute),
		IN_TREE(test_a_generation_is_kept_with_the_directory),
		IN_TREE(test_a_directory_made_again_is_another),
		IN_TREE(test_a_missing_folder_may_be_an_unmounted_disk),
		IN_TREE(test_identity_notices_another_directory),
		IN_TREE(test_a_message_can_be_looked_at),
		IN_TREE(test_only_regular_files_are_opened),
		IN_TREE(test_no_symbolic_link_is_followed_below_the_root),
		IN_TREE(test_renaming_never_overwrites),
		IN_TREE(test_of_two_names_of_one_file_the_new_one_stays),
		IN_TREE(test_names_lead_to_what_has_them_now),
		IN_TREE(test_more_folders_than_descriptors_are_fine),
		IN_TREE(test_hostile_names_are_listed_as_they_are),
		IN_TREE(test_only_our_old_leftovers_leave_tmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
