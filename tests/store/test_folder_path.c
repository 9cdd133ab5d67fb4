#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "store/folder_path.h"

static void test_mailboxes_have_paths(void **state)
{
	static const struct {
		const char *mailbox;
		char delimiter;
		const char *path;
	} CASES[] = {
		{ "Work", '/', "Work" },
		{ "Work/2024", '/', "Work/2024" },
		{ "Work.2024", '.', "Work/2024" },
		{ "Work.2024", '/', "Work.2024" },
		{ "Work/2024", '.', "Work%2F2024" },
		{ "Work/2024", '\0', "Work%2F2024" },
		{ "Work.2024", '\0', "Work.2024" },
		{ "Work\\2024", '\\', "Work/2024" },
		{ "inbox", '/', "INBOX" },
		{ "InBoX", '\0', "INBOX" },
		{ "inbox/x", '/', "inbox/x" },
		{ "INBOX.x", '.', "INBOX/x" },
		{ "Inbox2", '/', "Inbox2" },
		{ "..", '/', "%2E." },
		{ ".", '/', "%2E" },
		{ "../../etc/passwd", '/', "%2E./%2E./etc/passwd" },
		{ "../../etc", '.', "" },
		{ ".hidden", '/', "%2Ehidden" },
		{ "...", '/', "%2E.." },
		{ "cur", '/', "%63ur" },
		{ "new", '/', "%6Eew" },
		{ "tmp", '/', "%74mp" },
		{ "a/cur", '/', "a/%63ur" },
		{ "Cur", '/', "Cur" },
		{ "current", '/', "current" },
		{ "a\tb", '/', "a%09b" },
		{ "a\nb", '/', "a%0Ab" },
		{ "a\x7f", '/', "a%7F" },
		{ "a\xc2\x85z", '/', "a%C2%85z" },
		{ "a\xc2\xa0z", '/', "a\xc2\xa0z" },
		{ "100%", '/', "100%" },
		{ "100%a", '/', "100%a" },
		{ "100%ab", '/', "100%25ab" },
		{ "%41", '/', "%2541" },
		{ "%2541", '/', "%252541" },
		{ "%%41", '/', "%%2541" },
		{ "%zz", '/', "%zz" },
		{ "Entw\xc3\xbcrfe", '/', "Entw\xc3\xbcrfe" },
		{ "-rf", '/', "-rf" },
		{ "~", '/', "~" },
		{ "a b", '/', "a b" },
		{ " ", '/', " " },
		{ "*", '/', "*" },
		/* Refused. */
		{ "", '/', "" },
		{ "/", '/', "" },
		{ "a/", '/', "" },
		{ "/a", '/', "" },
		{ "a//b", '/', "" },
		{ ".a", '.', "" },
		{ "a\xff", '/', "" },
		{ "a\xc0\xaf", '/', "" },
		{ "a\xed\xa0\x80", '/', "" },
		{ "\x80", '/', "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct buf path = { .data = NULL };
		bool ok = folder_path_from_mailbox(
			CASES[i].mailbox, CASES[i].delimiter, &path, NULL);

		if (strcmp(buf_text(&path), CASES[i].path) != 0)
			fail_msg("'%s' became '%s'", CASES[i].mailbox,
				buf_text(&path));
		assert_int_equal(ok, *CASES[i].path != '\0');
		buf_finish(&path);
	}
}

static void test_paths_have_mailboxes(void **state)
{
	static const struct {
		const char *path;
		char delimiter;
		const char *mailbox; /* NULL = refused */
	} CASES[] = {
		{ "INBOX", '.', "INBOX" },
		{ "INBOX", 'N', "INBOX" },
		{ "Inbox", '.', NULL },
		{ "inbox/x", '.', "inbox.x" },
		{ "a/b", '.', "a.b" },
		{ "a/b", '\0', NULL },
		{ "a", '\0', "a" },
		{ "a.b", '.', NULL },
		{ "a%2Fb", '.', "a/b" },
		{ "a%2Fb", '/', NULL },
		{ "%63ur", '/', "cur" },
		{ "%2E.", '/', ".." },
		/* Not how we write these names. */
		{ "cur", '/', NULL },
		{ "..", '/', NULL },
		{ "a/../b", '/', NULL },
		{ ".x", '/', NULL },
		{ "%41", '/', NULL },
		{ "a%2fb", '.', NULL },
		{ "a%2Eb", '/', NULL },
		{ "%00", '/', NULL },
		{ "a\tb", '/', NULL },
		{ "", '/', NULL },
		{ "a//b", '/', NULL },
		{ "/a", '/', NULL },
		{ "a/", '/', NULL },
		{ "\xff", '/', NULL },
		{ "%FF", '/', NULL },
		{ "%C2%85", '/', "\xc2\x85" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct buf mailbox = { .data = NULL };
		struct error error = { .code = ERROR_NONE };
		bool ok = folder_path_to_mailbox(
			CASES[i].path, CASES[i].delimiter, &mailbox, &error);

		if (ok != (CASES[i].mailbox != NULL))
			fail_msg("'%s'", CASES[i].path);
		if (ok)
			assert_string_equal(
				buf_text(&mailbox), CASES[i].mailbox);
		else
			assert_int_equal(error.code, ERROR_REFUSED);
		buf_finish(&mailbox);
	}
}

static void test_paths_have_directories(void **state)
{
	static const struct {
		const char *path, *fs, *plusplus;
	} CASES[] = {
		{ "INBOX", "INBOX", "" },
		{ "INBOX/x", "INBOX/x", ".INBOX.x" },
		{ "Work", "Work", ".Work" },
		{ "Work/2024", "Work/2024", ".Work.2024" },
		{ "a.b/c", "a.b/c", ".a%2Eb.c" },
		{ "%2Ex", "%2Ex", ".%2Ex" },
		{ "%2E.", "%2E.", ".%2E%2E" },
		{ "x.%252E", "x.%252E", ".x%2E%252E" },
		{ "a/%63ur", "a/%63ur", ".a.%63ur" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct buf text = { .data = NULL };

		assert_true(folder_path_to_directory(
			CASES[i].path, MAILDIR_LAYOUT_FS, &text, NULL));
		assert_string_equal(buf_text(&text), CASES[i].fs);
		buf_clear(&text);
		assert_true(folder_path_from_directory(
			CASES[i].fs, MAILDIR_LAYOUT_FS, &text, NULL));
		assert_string_equal(buf_text(&text), CASES[i].path);
		buf_clear(&text);
		assert_true(folder_path_to_directory(
			CASES[i].path, MAILDIR_LAYOUT_PLUSPLUS, &text, NULL));
		assert_string_equal(buf_text(&text), CASES[i].plusplus);
		buf_clear(&text);
		assert_true(folder_path_from_directory(CASES[i].plusplus,
			MAILDIR_LAYOUT_PLUSPLUS, &text, NULL));
		assert_string_equal(buf_text(&text), CASES[i].path);
		buf_finish(&text);
	}
}

static void test_strange_directories_are_refused(void **state)
{
	static const struct {
		const char *directory;
		enum maildir_layout layout;
	} CASES[] = {
		{ "..", MAILDIR_LAYOUT_FS },
		{ "a/cur", MAILDIR_LAYOUT_FS },
		{ "inbox", MAILDIR_LAYOUT_FS },
		{ "%41", MAILDIR_LAYOUT_FS },
		{ "\xfc", MAILDIR_LAYOUT_FS },
		{ "Work", MAILDIR_LAYOUT_PLUSPLUS },
		{ ".", MAILDIR_LAYOUT_PLUSPLUS },
		{ "..", MAILDIR_LAYOUT_PLUSPLUS },
		{ ".a..b", MAILDIR_LAYOUT_PLUSPLUS },
		{ ".INBOX", MAILDIR_LAYOUT_PLUSPLUS },
		{ ".Inbox", MAILDIR_LAYOUT_PLUSPLUS },
		{ ".a/b", MAILDIR_LAYOUT_PLUSPLUS },
		{ ".cur", MAILDIR_LAYOUT_PLUSPLUS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct buf path = { .data = NULL };

		if (folder_path_from_directory(
			    CASES[i].directory, CASES[i].layout, &path, NULL))
			fail_msg("'%s' became '%s'", CASES[i].directory,
				buf_text(&path));
		assert_int_equal(path.size, 0);
		buf_finish(&path);
	}
}

/* What no directory may hold, whatever the mailbox is called. */
static void check_safe(const char *path, enum maildir_layout layout)
{
	struct buf directory = { .data = NULL };
	const char *level;

	if (!folder_path_to_directory(path, layout, &directory, NULL)) {
		buf_finish(&directory);
		return;
	}
	level = buf_text(&directory);
	for (;;) {
		size_t size = strcspn(level, "/");

		assert_true(size <= 255);
		assert_false(size == 0 && directory.size > 0);
		assert_false(size == 1 && level[0] == '.');
		assert_false(size == 2 && memcmp(level, "..", 2) == 0);
		assert_false(size == 3 &&
			(memcmp(level, "cur", 3) == 0 ||
				memcmp(level, "new", 3) == 0 ||
				memcmp(level, "tmp", 3) == 0));
		for (size_t i = 0; i < size; i++)
			assert_true((unsigned char)level[i] >= 0x20 &&
				level[i] != 0x7f);
		if (layout == MAILDIR_LAYOUT_FS)
			assert_true(*level != '.');
		if (level[size] == '\0')
			break;
		level += size + 1;
	}
	buf_finish(&directory);
}

static void check_round_trip(const char *mailbox, char delimiter)
{
	static const enum maildir_layout LAYOUTS[] = { MAILDIR_LAYOUT_FS,
		MAILDIR_LAYOUT_PLUSPLUS };
	struct buf path = { .data = NULL };
	struct buf back = { .data = NULL };

	if (!folder_path_from_mailbox(mailbox, delimiter, &path, NULL)) {
		buf_finish(&path);
		return;
	}
	assert_true(folder_path_check(buf_text(&path), NULL));
	assert_true(folder_path_to_mailbox(
		buf_text(&path), delimiter, &back, NULL));
	if (strcmp(buf_text(&path), FOLDER_INBOX) != 0)
		assert_string_equal(buf_text(&back), mailbox);
	for (size_t i = 0; i < ARRAY_LENGTH(LAYOUTS); i++) {
		struct buf directory = { .data = NULL };

		check_safe(buf_text(&path), LAYOUTS[i]);
		buf_clear(&back);
		if (!folder_path_to_directory(
			    buf_text(&path), LAYOUTS[i], &directory, NULL)) {
			buf_finish(&directory);
			continue;
		}
		assert_true(folder_path_from_directory(
			buf_text(&directory), LAYOUTS[i], &back, NULL));
		assert_string_equal(buf_text(&back), buf_text(&path));
		buf_finish(&directory);
	}
	buf_finish(&path);
	buf_finish(&back);
}

/* Pieces that hurt somewhere, in all pairs and triples: 2,744 + 196 names. */
static void test_nasty_names_round_trip(void **state)
{
	static const char *const PIECES[] = { ".", "/", "%", "2E", "2e", "cur",
		"new", "\n", "INBOX", "\xc2\x85", "\xc2\xa0", "a", "%2F",
		"\x7f" };
	static const char DELIMITERS[] = { '/', '.', '\0', '%', '\\' };
	const size_t count = ARRAY_LENGTH(PIECES);
	char name[64];

	(void)state;
	for (size_t i = 0; i < count * count * count; i++) {
		for (size_t d = 0; d < ARRAY_LENGTH(DELIMITERS); d++) {
			(void)snprintf(name, sizeof(name), "%s%s%s",
				PIECES[i % count], PIECES[i / count % count],
				PIECES[i / count / count]);
			check_round_trip(name, DELIMITERS[d]);
			(void)snprintf(name, sizeof(name), "%s%s",
				PIECES[i % count], PIECES[i / count % count]);
			check_round_trip(name, DELIMITERS[d]);
		}
	}
}

/* Two names for one directory would merge two mailboxes. */
static void test_different_names_have_different_directories(void **state)
{
	static const char BYTES[] = "./%2Ecurnw\x01";
	const size_t count = sizeof(BYTES) - 1;
	static char made[1331][128];
	size_t made_count = 0;

	(void)state;
	for (size_t i = 0; i < count * count * count; i++) {
		const char name[4] = { BYTES[i % count],
			BYTES[i / count % count], BYTES[i / count / count], 0 };
		struct buf path = { .data = NULL };
		struct buf directory = { .data = NULL };

		if (!folder_path_from_mailbox(name, '\0', &path, NULL) ||
			!folder_path_to_directory(buf_text(&path),
				MAILDIR_LAYOUT_PLUSPLUS, &directory, NULL)) {
			buf_finish(&path);
			buf_finish(&directory);
			continue;
		}
		for (size_t k = 0; k < made_count; k++) {
			if (strcmp(made[k], buf_text(&directory)) == 0)
				fail_msg("two names for '%s'", made[k]);
		}
		assert_true(directory.size < sizeof(made[0]));
		memcpy(made[made_count++], directory.data, directory.size + 1);
		buf_finish(&path);
		buf_finish(&directory);
	}
	assert_true(made_count > 800);
}

static void test_names_have_limits(void **state)
{
	char name[1200];
	struct buf path = { .data = NULL };
	struct error error;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[255] = '\0';
	assert_true(folder_path_from_mailbox(name, '/', &path, &error));
	buf_clear(&path);
	name[0] = '.';
	assert_false(folder_path_from_mailbox(name, '/', &path, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	name[0] = 'a';
	name[255] = 'a';
	name[256] = '\0';
	assert_false(folder_path_from_mailbox(name, '/', &path, &error));
	assert_int_equal(error.code, ERROR_LIMIT);

	memset(name, 'a', sizeof(name));
	for (size_t i = 100; i < sizeof(name); i += 100)
		name[i] = '/';
	name[1000] = '\0';
	assert_true(folder_path_from_mailbox(name, '/', &path, &error));
	name[1000] = 'a';
	name[1001] = '\0';
	buf_clear(&path);
	assert_false(folder_path_from_mailbox(name, '/', &path, &error));
	assert_int_equal(error.code, ERROR_LIMIT);

	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '/';
	name[2 * FOLDER_DEPTH_MAX - 1] = '\0';
	assert_true(folder_path_from_mailbox(name, '/', &path, &error));
	name[2 * FOLDER_DEPTH_MAX - 1] = '/';
	name[2 * FOLDER_DEPTH_MAX + 1] = '\0';
	buf_clear(&path);
	assert_false(folder_path_from_mailbox(name, '/', &path, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	buf_finish(&path);
}

static void test_a_maildirplusplus_name_is_one_directory(void **state)
{
	char path[400];
	struct buf directory = { .data = NULL };
	struct error error;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[127] = '/';
	path[254] = '\0';
	assert_true(folder_path_to_directory(
		path, MAILDIR_LAYOUT_PLUSPLUS, &directory, &error));
	assert_int_equal(directory.size, 255);
	path[254] = 'a';
	path[255] = '\0';
	buf_clear(&directory);
	assert_false(folder_path_to_directory(
		path, MAILDIR_LAYOUT_PLUSPLUS, &directory, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	assert_int_equal(directory.size, 0);
	buf_finish(&directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes_have_paths),
		cmocka_unit_test(test_paths_have_mailboxes),
		cmocka_unit_test(test_paths_have_directories),
		cmocka_unit_test(test_strange_directories_are_refused),
		cmocka_unit_test(test_nasty_names_round_trip),
		cmocka_unit_test(
			test_different_names_have_different_directories),
		cmocka_unit_test(test_names_have_limits),
		cmocka_unit_test(test_a_maildirplusplus_name_is_one_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
