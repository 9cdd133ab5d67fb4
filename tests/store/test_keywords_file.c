#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/keywords_file.h"
#include "tests/store/mail_tree.h"

#define FILE_PATH "INBOX/dovecot-keywords"

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

static void test_lines_are_letters(void **state)
{
	static const char TEXT[] = "0 $Forwarded\n1 Junk\n25 z\n26 no\n"
				   "x y\n1 second\n\n3\n4 \n5 a b\n"
				   "7 \x01\n-1 q\n99999999999 q\n12 last";
	struct arena arena = { .block = NULL };
	struct keywords_file file;

	(void)state;
	keywords_file_parse(TEXT, sizeof(TEXT) - 1, &arena, &file);
	assert_string_equal(file.names[0], "$Forwarded");
	assert_string_equal(file.names[1], "Junk");
	assert_string_equal(file.names[25], "z");
	assert_string_equal(file.names[12], "last");
	assert_null(file.names[5]);
	assert_null(file.names[7]);
	assert_int_equal(
		file.taken, 1u | 2u | 1u << 25 | 1u << 12 | 1u << 5 | 1u << 7);
	arena_finish(&arena);
}

static void test_a_missing_file_is_empty(void **state)
{
	struct arena arena = { .block = NULL };
	struct keywords_file file;
	struct error error;

	(void)state;
	assert_true(keywords_file_read(
		tree.maildir, "INBOX", &arena, &file, &error));
	assert_int_equal(file.taken, 0);
	assert_false(keywords_file_read(
		tree.maildir, "nowhere", &arena, &file, &error));
	arena_finish(&arena);
}

static void test_a_dovecot_leaves_its_list_of_uids(void **state)
{
	struct arena arena = { .block = NULL };
	struct keywords_file file;
	struct error error;

	(void)state;
	assert_true(keywords_file_read(
		tree.maildir, "INBOX", &arena, &file, &error));
	assert_false(file.is_served_by_dovecot);
	mail_tree_write(&tree, "INBOX/dovecot-uidlist", "3 V1 N1\n");
	assert_true(keywords_file_read(
		tree.maildir, "INBOX", &arena, &file, &error));
	assert_true(file.is_served_by_dovecot);
	arena_finish(&arena);
}

static void add(const char *name, enum keywords_result expected,
	unsigned expected_letter)
{
	struct error error;
	unsigned letter = 99;

	assert_int_equal(keywords_file_add(tree.maildir, "INBOX", name, 0,
				 &letter, &error),
		expected);
	assert_int_equal(letter, expected_letter);
}

static void test_adding_takes_the_lowest_free_letter(void **state)
{
	char *text;

	(void)state;
	mail_tree_write(&tree, FILE_PATH, "0 a\nodd line\n2 b");
	add("c", KEYWORDS_ADDED, 1);
	add("C", KEYWORDS_ADDED, 1);
	add("d", KEYWORDS_ADDED, 3);
	text = mail_tree_read(&tree, FILE_PATH);
	assert_string_equal(text, "0 a\nodd line\n2 b\n1 c\n3 d\n");
	free(text);
	assert_false(mail_tree_has(&tree, FILE_PATH ".lock"));
	assert_false(mail_tree_has(&tree, "INBOX/dovecot-uidlist.lock"));
}

static void test_all_letters_can_be_taken(void **state)
{
	struct buf text = { .data = NULL };

	(void)state;
	for (unsigned i = 0; i < KEYWORD_LETTER_COUNT; i++)
		buf_add_format(&text, "%u k%u\n", i, i);
	mail_tree_write(&tree, FILE_PATH, buf_text(&text));
	add("k7", KEYWORDS_ADDED, 7);
	add("more", KEYWORDS_FULL, 99);
	assert_false(mail_tree_has(&tree, FILE_PATH ".lock"));
	assert_false(mail_tree_has(&tree, "INBOX/dovecot-uidlist.lock"));
	buf_finish(&text);
}

static void test_locks_of_others_are_respected_for_two_minutes(void **state)
{
	static const char *const LOCKS[] = { "INBOX/dovecot-uidlist.lock",
		"INBOX/dovecot-keywords.lock" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(LOCKS); i++) {
		mail_tree_write(&tree, LOCKS[i], "");
		mail_tree_touch(&tree, LOCKS[i], (long)time(NULL) - 100);
		add("x", KEYWORDS_BUSY, 99);
		assert_true(mail_tree_has(&tree, LOCKS[i]));
		assert_false(mail_tree_has(&tree, LOCKS[1 - i]));
		mail_tree_touch(&tree, LOCKS[i], (long)time(NULL) - 130);
		add("x", KEYWORDS_ADDED, 0);
		assert_false(mail_tree_has(&tree, LOCKS[i]));
		mail_tree_unlink(&tree, FILE_PATH);
	}
}

/* What kill -9 leaves: without this, mail waits two minutes for its keywords.
 */
static void test_locks_of_dead_processes_are_taken_over_at_once(void **state)
{
	static const char *const LOCKS[] = { "INBOX/dovecot-uidlist.lock",
		"INBOX/dovecot-keywords.lock" };
	char host[256] = "", owner[300];
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	(void)snprintf(owner, sizeof(owner), "%ld:%s", (long)child, host);
	for (size_t i = 0; i < ARRAY_LENGTH(LOCKS); i++)
		mail_tree_write(&tree, LOCKS[i], owner);
	add("x", KEYWORDS_ADDED, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(LOCKS); i++)
		assert_false(mail_tree_has(&tree, LOCKS[i]));
}

/* A lock that tells nobody would be waited for: whoever dies before he has
   written his number must not hold one. */
static void test_a_lock_has_an_owner_from_the_start(void **state)
{
	const struct rlimit none = { 0, 0 };
	unsigned letter;
	struct error error;
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		/* The first byte that is written is its last act. */
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)setrlimit(RLIMIT_FSIZE, &none);
		(void)signal(SIGXFSZ, SIG_DFL);
		_exit((int)keywords_file_add(
			tree.maildir, "INBOX", "x", 0, &letter, &error));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXFSZ);
	add("x", KEYWORDS_ADDED, 0);
}

static void test_locks_of_the_living_and_of_other_hosts_stay(void **state)
{
	char host[256] = "", owner[300];

	(void)state;
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	(void)snprintf(owner, sizeof(owner), "%ld:%s", (long)getppid(), host);
	mail_tree_write(&tree, "INBOX/dovecot-uidlist.lock", owner);
	add("x", KEYWORDS_BUSY, 99);
	mail_tree_write(&tree, "INBOX/dovecot-uidlist.lock", "1:elsewhere.x");
	add("x", KEYWORDS_BUSY, 99);
	mail_tree_write(&tree, "INBOX/dovecot-uidlist.lock", "x:y:z\n");
	add("x", KEYWORDS_BUSY, 99);
}

static void test_a_half_written_file_is_written_anew(void **state)
{
	char *text;

	(void)state;
	mail_tree_write(&tree, FILE_PATH ".new", "0 abcdefghijklmnopqr\n1 s");
	add("x", KEYWORDS_ADDED, 0);
	text = mail_tree_read(&tree, FILE_PATH);
	assert_string_equal(text, "0 x\n");
	free(text);
	assert_false(mail_tree_has(&tree, FILE_PATH ".new"));
}

static void test_readers_see_that_the_file_changed(void **state)
{
	struct stat before, after;
	struct buf path = { .data = NULL };

	(void)state;
	buf_add_format(&path, "%s/" FILE_PATH, tree.root);
	mail_tree_write(&tree, FILE_PATH, "0 a\n");
	assert_int_equal(chmod(buf_text(&path), 0640), 0);
	mail_tree_touch(&tree, FILE_PATH, (long)time(NULL) + 50);
	assert_int_equal(stat(buf_text(&path), &before), 0);
	add("b", KEYWORDS_ADDED, 1);
	assert_int_equal(stat(buf_text(&path), &after), 0);
	assert_true(after.st_mtime > before.st_mtime);
	assert_int_equal(after.st_mode & 0777, 0640);
	buf_finish(&path);
}

static void test_hostile_files_are_refused(void **state)
{
	struct arena arena = { .block = NULL };
	struct keywords_file file;
	struct error error;
	struct buf text = { .data = NULL };
	unsigned letter;

	(void)state;
	while (text.size <= KEYWORDS_FILE_SIZE_MAX + 5000)
		buf_add_text(&text, "0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	mail_tree_write(&tree, FILE_PATH, buf_text(&text));
	assert_false(keywords_file_read(
		tree.maildir, "INBOX", &arena, &file, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	mail_tree_unlink(&tree, FILE_PATH);
	mail_tree_mkdir(&tree, FILE_PATH);
	assert_false(keywords_file_read(
		tree.maildir, "INBOX", &arena, &file, &error));
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_int_equal(keywords_file_add(tree.maildir, "INBOX", "a b", 0,
				 &letter, &error),
		KEYWORDS_ERROR);
	assert_int_equal(keywords_file_add(tree.maildir, "INBOX", "a\nb", 0,
				 &letter, &error),
		KEYWORDS_ERROR);
	buf_finish(&text);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_letters),
		cmocka_unit_test_setup_teardown(
			test_a_dovecot_leaves_its_list_of_uids, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_missing_file_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_adding_takes_the_lowest_free_letter, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_all_letters_can_be_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_locks_of_others_are_respected_for_two_minutes,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_locks_of_dead_processes_are_taken_over_at_once,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_lock_has_an_owner_from_the_start, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_locks_of_the_living_and_of_other_hosts_stay, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_half_written_file_is_written_anew, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_readers_see_that_the_file_changed, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_hostile_files_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
