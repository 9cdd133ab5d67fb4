#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "store/maildir.h"
#include "tests/store/mail_tree.h"

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

static struct maildir_writer *open_writer(const char *path, const char *unique)
{
	struct maildir_writer *writer =
		maildir_writer_open(tree.maildir, path, unique, &error);

	if (writer == NULL)
		fail_msg("%s", error.message);
	return writer;
}

static void feed(struct maildir_writer *writer, const char *data, size_t size)
{
	if (!maildir_writer_write(writer, data, size, &error))
		fail_msg("%s", error.message);
}

/* What is on disk after these bytes came in pieces: first `split` bytes, then
   `step` at a time. */
static void check_stored(const char *data, size_t size, size_t split,
	size_t step, const char *expected)
{
	struct maildir_writer *writer = open_writer("INBOX", "u");
	char *text;
	size_t at = split;

	feed(writer, data, split);
	while (at < size) {
		size_t part = size - at < step ? size - at : step;

		feed(writer, data + at, part);
		at += part;
	}
	assert_true(maildir_writer_finish(writer, 5, &error));
	text = mail_tree_read(&tree, "INBOX/tmp/u");
	assert_string_equal(text, expected);
	assert_int_equal(maildir_writer_size(writer), strlen(expected));
	free(text);
	maildir_writer_cancel(writer);
	assert_false(mail_tree_has(&tree, "INBOX/tmp/u"));
}

static void test_line_ends_are_kept_or_converted_as_a_whole(void **state)
{
	static const struct {
		const char *server, *stored;
	} CASES[] = {
		{ "", "" },
		{ "a", "a" },
		{ "a\r\nb\r\n", "a\nb\n" },
		{ "\r\n\r\n", "\n\n" },
		{ "a\r\nb\nc\r\n", "a\r\nb\nc\r\n" },
		{ "a\r\nb\rc\r\n", "a\r\nb\rc\r\n" },
		{ "a\nb\r\n", "a\nb\r\n" },
		{ "\n", "\n" },
		{ "\r", "\r" },
		{ "a\r\nb\r", "a\r\nb\r" },
		{ "a\r\r\nb", "a\r\r\nb" },
		{ "a\r\n\n", "a\r\n\n" },
		{ "a\r\n\r", "a\r\n\r" },
		{ "\r\n\rx\r\n", "\r\n\rx\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		size_t size = strlen(CASES[i].server);

		for (size_t split = 0; split <= size; split++) {
			for (size_t step = 1; step <= size + 1; step++)
				check_stored(CASES[i].server, size, split, step,
					CASES[i].stored);
		}
	}
}

/* Larger than every buffer, and the bare LF comes last. */
static void test_a_late_bare_line_end_restores_everything(void **state)
{
	struct buf server = { .data = NULL };
	struct maildir_writer *writer = open_writer("INBOX", "u");
	char *text;

	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		buf_add_format(&server, "line %u\r\n", i);
	feed(writer, buf_text(&server), server.size);
	assert_false(maildir_writer_is_verbatim(writer));
	feed(writer, "\n", 1);
	buf_add_byte(&server, '\n');
	assert_true(maildir_writer_is_verbatim(writer));
	assert_true(maildir_writer_finish(writer, 5, &error));
	text = mail_tree_read(&tree, "INBOX/tmp/u");
	assert_string_equal(text, buf_text(&server));
	assert_int_equal(maildir_writer_size(writer), server.size);
	free(text);
	buf_finish(&server);
	maildir_writer_cancel(writer);
}

static void test_a_leftover_in_tmp_is_replaced(void **state)
{
	struct maildir_writer *writer;
	char *text;

	(void)state;
	mail_tree_write(&tree, "INBOX/tmp/u", "of an earlier try");
	writer = open_writer("INBOX", "u");
	feed(writer, "x", 1);
	assert_true(maildir_writer_finish(writer, 5, &error));
	text = mail_tree_read(&tree, "INBOX/tmp/u");
	assert_string_equal(text, "x");
	free(text);
	maildir_writer_cancel(writer);
	assert_null(
		maildir_writer_open(tree.maildir, "INBOX", "a:2,S", &error));
	assert_null(
		maildir_writer_open(tree.maildir, "INBOX", "../new/x", &error));
	assert_null(maildir_writer_open(tree.maildir, "nowhere", "u", &error));
	maildir_writer_cancel(NULL);
}

static void add(struct maildir_batch *batch, const char *path, bool is_new,
	const char *unique, const char *name)
{
	struct maildir_writer *writer = open_writer(path, unique);

	feed(writer, unique, strlen(unique));
	assert_true(maildir_writer_finish(writer, 1000000, &error));
	if (!maildir_batch_add(batch, writer, is_new, name, NULL, &error))
		fail_msg("%s", error.message);
}

static void check_delivered(
	const struct maildir_delivered *delivered, const char *file)
{
	struct stat stat;
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", tree.root, file);
	assert_int_equal(delivered->result, MAILDIR_DELIVERED);
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(delivered->device, stat.st_dev);
	assert_int_equal(delivered->inode, stat.st_ino);
	assert_int_equal(delivered->size, stat.st_size);
	assert_int_equal(stat.st_mtime, 1000000);
	assert_int_equal(stat.st_mode & 07777, 0600);
}

static void test_a_batch_delivers_where_it_should(void **state)
{
	struct maildir_batch *batch = maildir_batch_new(0);

	(void)state;
	assert_int_equal(maildir_create_folder(tree.maildir, "Work", NULL),
		MAILDIR_DONE);
	add(batch, "INBOX", true, "a", "a");
	add(batch, "Work", false, "b", "b:2,S");
	add(batch, "INBOX", false, "c", "c:2,");
	assert_int_equal(maildir_batch_count(batch), 3);
	assert_int_equal(maildir_batch_bytes(batch), 3);
	assert_false(mail_tree_has(&tree, "INBOX/new/a"));
	maildir_batch_commit(batch);
	check_delivered(maildir_batch_result(batch, 0), "INBOX/new/a");
	check_delivered(maildir_batch_result(batch, 1), "Work/cur/b:2,S");
	check_delivered(maildir_batch_result(batch, 2), "INBOX/cur/c:2,");
	assert_false(mail_tree_has(&tree, "INBOX/tmp/a"));
	maildir_batch_free(batch);
	assert_true(mail_tree_has(&tree, "INBOX/new/a"));
}

static void test_a_taken_name_is_not_overwritten(void **state)
{
	struct maildir_batch *batch = maildir_batch_new(0);
	char *text;

	(void)state;
	mail_tree_write(&tree, "INBOX/new/a", "theirs");
	add(batch, "INBOX", true, "a", "a");
	add(batch, "INBOX", true, "b", "b");
	maildir_batch_commit(batch);
	assert_int_equal(
		maildir_batch_result(batch, 0)->result, MAILDIR_OCCUPIED);
	check_delivered(maildir_batch_result(batch, 1), "INBOX/new/b");
	text = mail_tree_read(&tree, "INBOX/new/a");
	assert_string_equal(text, "theirs");
	free(text);
	assert_false(mail_tree_has(&tree, "INBOX/tmp/a"));
	maildir_batch_free(batch);
}

static void test_a_vanished_tmp_file_fails_alone(void **state)
{
	struct maildir_batch *batch = maildir_batch_new(0);

	(void)state;
	add(batch, "INBOX", true, "a", "a");
	add(batch, "INBOX", true, "b", "b");
	mail_tree_unlink(&tree, "INBOX/tmp/a");
	maildir_batch_commit(batch);
	assert_int_equal(
		maildir_batch_result(batch, 0)->result, MAILDIR_FAILED);
	assert_int_equal(maildir_batch_result(batch, 0)->system_error, ENOENT);
	check_delivered(maildir_batch_result(batch, 1), "INBOX/new/b");
	maildir_batch_free(batch);
}

static void test_a_batch_not_committed_leaves_nothing(void **state)
{
	struct maildir_batch *batch = maildir_batch_new(2);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "%u", i);
		add(batch, "INBOX", true, name, name);
		assert_true(mail_tree_has(&tree, "INBOX/tmp/0"));
	}
	maildir_batch_free(batch);
	assert_false(mail_tree_has(&tree, "INBOX/tmp/0"));
	assert_false(mail_tree_has(&tree, "INBOX/new/0"));
	maildir_batch_free(NULL);
}

static void *commit(void *batch)
{
	maildir_batch_commit(batch);
	return NULL;
}

/* Far more files than descriptors may be open, committed by another thread
   while the Maildir is in use and after its folder was renamed. */
static void test_large_batches_need_few_descriptors(void **state)
{
	enum {
		COUNT = 400
	};
	struct maildir_batch *batch = maildir_batch_new(0);
	struct rlimit limit, few;
	pthread_t thread;
	char name[32];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		add(batch, "INBOX", i % 2 == 0, name, name);
	}
	mail_tree_rename(&tree, "INBOX", "Moved");
	assert_int_equal(pthread_create(&thread, NULL, commit, batch), 0);
	assert_int_equal(maildir_create_folder(tree.maildir, "INBOX", NULL),
		MAILDIR_DONE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "Moved/%s/%u",
			i % 2 == 0 ? "new" : "cur", i);
		check_delivered(maildir_batch_result(batch, i), name);
	}
	maildir_batch_free(batch);
}

/* A file may not grow beyond this here: what a full disk looks like. */
static void test_a_full_disk_is_an_error_and_leaves_nothing(void **state)
{
	struct rlimit limit, small;
	struct maildir_writer *writer;
	char *data = alloc(200000, 1);
	bool ok;

	(void)state;
	memset(data, 'x', 200000);
	assert_int_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	writer = open_writer("INBOX", "u");
	ok = maildir_writer_write(writer, data, 200000, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_false(ok);
	assert_int_equal(error.system_error, EFBIG);
	assert_false(maildir_writer_write(writer, data, 1, &error));
	assert_false(maildir_writer_finish(writer, 5, &error));
	maildir_writer_cancel(writer);
	assert_false(mail_tree_has(&tree, "INBOX/tmp/u"));
	free(data);
}

static void test_a_name_that_is_none_drops_the_writer(void **state)
{
	struct maildir_batch *batch = maildir_batch_new(0);
	struct maildir_writer *writer = open_writer("INBOX", "u");

	(void)state;
	assert_true(maildir_writer_finish(writer, 5, &error));
	assert_false(maildir_batch_add(
		batch, writer, true, "../../x", NULL, &error));
	assert_int_equal(maildir_batch_count(batch), 0);
	assert_false(mail_tree_has(&tree, "INBOX/tmp/u"));
	maildir_batch_commit(batch);
	maildir_batch_free(batch);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_line_ends_are_kept_or_converted_as_a_whole),
		IN_TREE(test_a_late_bare_line_end_restores_everything),
		IN_TREE(test_a_leftover_in_tmp_is_replaced),
		IN_TREE(test_a_batch_delivers_where_it_should),
		IN_TREE(test_a_taken_name_is_not_overwritten),
		IN_TREE(test_a_vanished_tmp_file_fails_alone),
		IN_TREE(test_a_batch_not_committed_leaves_nothing),
		IN_TREE(test_large_batches_need_few_descriptors),
		IN_TREE(test_a_full_disk_is_an_error_and_leaves_nothing),
		IN_TREE(test_a_name_that_is_none_drops_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
