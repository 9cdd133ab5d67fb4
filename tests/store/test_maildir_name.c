#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/maildir_name.h"

#define FORWARDED UINT64_C(1)
#define KEYWORD_C (UINT64_C(1) << 9)

static struct keyword_letters letters_with_c(void)
{
	struct keyword_letters letters;

	keyword_letters_init(&letters);
	letters.keywords['c' - 'a'] = 9;
	return letters;
}

static void test_names_come_apart(void **state)
{
	static const struct {
		const char *name;
		size_t unique_size;
		bool has_info, has_flags;
		const char *letters, *rest;
	} CASES[] = {
		{ "1.a.h", 5, false, false, "", "" },
		{ "1.a.h:2,", 5, true, true, "", "" },
		{ "1.a.h:2,FS", 5, true, true, "FS", "" },
		{ "1.a.h,S=5:2,FS,x=1", 9, true, true, "FS", ",x=1" },
		{ "u:2,S:2,F", 1, true, true, "S", ":2,F" },
		{ "u:1,x", 1, true, false, "", "1,x" },
		{ "u:", 1, true, false, "", "" },
		{ ":2,S", 0, true, true, "S", "" },
		{ "u:2,Sa9", 1, true, true, "Sa", "9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct maildir_name parts;

		maildir_name_parse(CASES[i].name, &parts);
		assert_int_equal(parts.unique_size, CASES[i].unique_size);
		assert_int_equal(parts.has_info, CASES[i].has_info);
		assert_int_equal(parts.has_flags, CASES[i].has_flags);
		assert_int_equal(parts.letters_size, strlen(CASES[i].letters));
		assert_memory_equal(
			parts.letters, CASES[i].letters, parts.letters_size);
		assert_string_equal(parts.rest, CASES[i].rest);
	}
}

/* Dovecot has no P, and keeps what it does not know. */
static void test_forwarded_is_one_letter_where_dovecot_gave_it_one(void **state)
{
	struct keyword_letters letters = letters_with_c();
	struct flags forwarded = { .keywords = { FORWARDED } };
	struct flags none = { .system = 0 };
	struct flags flags;
	struct buf name = { .data = NULL };

	(void)state;
	letters.keywords['d' - 'a'] = KEYWORD_FORWARDED;
	maildir_name_flags("u:2,d", &letters, &flags);
	assert_true(flags_equal(&flags, &forwarded));
	maildir_name_flags("u:2,P", &letters, &flags);
	assert_true(flags_equal(&flags, &forwarded));
	assert_true(maildir_name_with_flags(
		"u:2,P", &letters, &forwarded, &name, NULL));
	assert_string_equal(buf_text(&name), "u:2,d");
	buf_clear(&name);
	assert_true(maildir_name_with_flags(
		"u:2,Pd", &letters, &none, &name, NULL));
	assert_string_equal(buf_text(&name), "u:2,");
	buf_finish(&name);
}

static void test_letters_are_flags(void **state)
{
	static const struct {
		const char *name;
		uint32_t system;
		uint64_t keywords;
	} CASES[] = {
		{ "u", 0, 0 },
		{ "u:2,", 0, 0 },
		{ "u:2,DFPRST", FLAG_ALL_SYSTEM, FORWARDED },
		{ "u:2,D", FLAG_DRAFT, 0 },
		{ "u:2,F", FLAG_FLAGGED, 0 },
		{ "u:2,R", FLAG_ANSWERED, 0 },
		{ "u:2,S", FLAG_SEEN, 0 },
		{ "u:2,T", FLAG_DELETED, 0 },
		{ "u:2,TS", FLAG_DELETED | FLAG_SEEN, 0 },
		{ "u:2,cd", 0, KEYWORD_C },
		{ "u:2,X,S", 0, 0 },
		{ "u:1,S", 0, 0 },
	};
	struct keyword_letters letters = letters_with_c();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct flags flags;

		maildir_name_flags(CASES[i].name, &letters, &flags);
		assert_int_equal(flags.system, CASES[i].system);
		assert_int_equal(flags.keywords[0], CASES[i].keywords);
	}
}

static void test_what_we_do_not_know_stays(void **state)
{
	static const struct {
		const char *name;
		uint32_t system;
		uint64_t keywords;
		const char *result, *in_cur;
	} CASES[] = {
		{ "u", 0, 0, "u", "u:2," },
		{ "u", FLAG_SEEN, 0, "u:2,S", "u:2,S" },
		{ "u:2,S", 0, 0, "u:2,", "u:2," },
		{ "u:2,", FLAG_SEEN | FLAG_DRAFT, 0, "u:2,DS", "u:2,DS" },
		{ "u:2,zZSA", FLAG_FLAGGED, 0, "u:2,AFZz", "u:2,AFZz" },
		{ "u:2,SSxx", FLAG_SEEN, KEYWORD_C, "u:2,Scx", "u:2,Scx" },
		{ "u:2,c", 0, 0, "u:2,", "u:2," },
		{ "u:2,S,W=9,x", FLAG_ALL_SYSTEM, FORWARDED, "u:2,DFPRST,W=9,x",
			"u:2,DFPRST,W=9,x" },
		{ "u:1,x", 0, 0, "u:1,x", "u:2,,1,x" },
		{ "u:1,x", FLAG_SEEN, 0, "u:2,S,1,x", "u:2,S,1,x" },
		{ "u:", FLAG_SEEN, 0, "u:2,S", "u:2,S" },
		{ "u:2,S:2,F", 0, 0, "u:2,:2,F", "u:2,:2,F" },
		/* A keyword without a letter is not written. */
		{ "u", 0, UINT64_C(1) << 20, "u", "u:2," },
	};
	struct keyword_letters letters = letters_with_c();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct flags flags = { .system = CASES[i].system,
			.keywords = { CASES[i].keywords } };
		struct buf name = { .data = NULL };

		assert_true(maildir_name_with_flags(
			CASES[i].name, &letters, &flags, &name, NULL));
		assert_string_equal(buf_text(&name), CASES[i].result);
		buf_clear(&name);
		assert_true(maildir_name_for_cur(
			CASES[i].name, &letters, &flags, &name, NULL));
		assert_string_equal(buf_text(&name), CASES[i].in_cur);
		buf_finish(&name);
	}
}

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void random_name(uint32_t *seed, char *name, size_t size_max)
{
	static const char BYTES[] = "u1.:2,,SFTDRPabcXYZ:2,\x80\xff=";
	size_t size = random_next(seed) % size_max;

	name[0] = 'u';
	for (size_t i = 1; i <= size; i++)
		name[i] = BYTES[random_next(seed) % (sizeof(BYTES) - 1)];
	name[size + 1] = '\0';
}

/* Whatever the name: flags written are the flags read, writing the same again
   changes nothing, the unique part and the rest never change. */
static void test_flags_survive_any_name(void **state)
{
	struct keyword_letters letters = letters_with_c();
	uint32_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		char name[64];
		struct buf once = { .data = NULL };
		struct buf twice = { .data = NULL };
		struct flags read;
		struct flags flags = {
			.system = random_next(&seed) & FLAG_ALL_SYSTEM,
			.keywords = { (random_next(&seed) & 1) |
				((random_next(&seed) & 1) << 9) },
		};

		random_name(&seed, name, sizeof(name) - 2);
		assert_true(maildir_name_with_flags(
			name, &letters, &flags, &once, NULL));
		maildir_name_flags(buf_text(&once), &letters, &read);
		if (!flags_equal(&read, &flags))
			fail_msg("'%s' became '%s'", name, buf_text(&once));
		assert_true(maildir_name_with_flags(
			buf_text(&once), &letters, &flags, &twice, NULL));
		assert_string_equal(buf_text(&once), buf_text(&twice));
		assert_true(maildir_name_same_unique(name, buf_text(&once)));
		buf_finish(&once);
		buf_finish(&twice);
	}
}

static void test_a_name_that_would_not_fit_is_refused(void **state)
{
	const struct flags seen = { .system = FLAG_SEEN };
	struct error error = { .code = ERROR_NONE };
	struct buf out = { .data = NULL };
	char name[MAILDIR_NAME_SIZE_MAX + 1];

	(void)state;
	memset(name, 'u', sizeof(name));
	name[251] = '\0';
	buf_add_text(&out, "before");
	assert_true(maildir_name_with_flags(name, NULL, &seen, &out, &error));
	assert_int_equal(out.size, 6 + 255);
	buf_truncate(&out, 6);
	name[251] = 'u';
	name[252] = '\0';
	assert_false(maildir_name_with_flags(name, NULL, &seen, &out, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	assert_string_equal(buf_text(&out), "before");
	buf_finish(&out);
}

static void test_the_mask_is_what_letters_can_say(void **state)
{
	struct keyword_letters letters = letters_with_c();
	struct flags mask = maildir_name_flags_mask(&letters);

	(void)state;
	assert_int_equal(mask.system, FLAG_ALL_SYSTEM);
	assert_int_equal(mask.keywords[0], KEYWORD_C | FORWARDED);
	mask = maildir_name_flags_mask(NULL);
	assert_int_equal(mask.keywords[0], FORWARDED);
}

static void test_unique_names_carry_their_token(void **state)
{
	static const struct {
		int64_t seconds;
		uint64_t token;
		const char *host, *name;
	} CASES[] = {
		{ 1700000000, 0x0123456789abcdef, "mail.example.org",
			"1700000000.R0123456789abcdef.mail.example.org" },
		{ -5, 1, "a/b:c", "0.R0000000000000001.a\\057b\\072c" },
		{ 1, 2, "", "1.R0000000000000002.localhost" },
		{ 1, 2, "a,b c", "1.R0000000000000002.a\\054b\\040c" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct buf name = { .data = NULL };
		uint64_t token = 0;

		maildir_unique_format(
			CASES[i].seconds, CASES[i].token, CASES[i].host, &name);
		assert_string_equal(buf_text(&name), CASES[i].name);
		assert_true(maildir_unique_token(buf_text(&name), &token));
		assert_int_equal(token, CASES[i].token);
		buf_add_text(&name, ":2,S");
		assert_true(maildir_unique_token(buf_text(&name), &token));
		buf_finish(&name);
	}
}

static void test_foreign_names_have_no_token(void **state)
{
	static const char *const NAMES[] = { "", "1", "1.", "1.R", "x",
		"1.R0123456789abcde.h", "1.R0123456789abcdef",
		"1.R0123456789abcdeg.h", "1.R0123456789ABCDEF.h",
		"1.R0123456789abcdef0.h", ".R0123456789abcdef.h",
		"1.M0123456789abcdef.h" };
	uint64_t token;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++)
		assert_false(maildir_unique_token(NAMES[i], &token));
}

static void test_some_names_are_no_messages(void **state)
{
	char name[MAILDIR_NAME_SIZE_MAX + 2];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[MAILDIR_NAME_SIZE_MAX + 1] = '\0';
	assert_false(maildir_name_is_valid(name));
	name[MAILDIR_NAME_SIZE_MAX] = '\0';
	assert_true(maildir_name_is_valid(name));
	assert_false(maildir_name_is_valid(""));
	assert_false(maildir_name_is_valid(".x"));
	assert_false(maildir_name_is_valid("a/b"));
	assert_true(maildir_name_is_valid("a\nb:2,S"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_come_apart),
		cmocka_unit_test(test_letters_are_flags),
		cmocka_unit_test(
			test_forwarded_is_one_letter_where_dovecot_gave_it_one),
		cmocka_unit_test(test_what_we_do_not_know_stays),
		cmocka_unit_test(test_flags_survive_any_name),
		cmocka_unit_test(test_a_name_that_would_not_fit_is_refused),
		cmocka_unit_test(test_the_mask_is_what_letters_can_say),
		cmocka_unit_test(test_unique_names_carry_their_token),
		cmocka_unit_test(test_foreign_names_have_no_token),
		cmocka_unit_test(test_some_names_are_no_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
