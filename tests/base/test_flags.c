#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/flags.h"

#define TEXT_16 "0123456789abcdef"
#define TEXT_64 TEXT_16 TEXT_16 TEXT_16 TEXT_16

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *seed >> 33;
}

static struct flags random_flags(uint64_t *seed)
{
	struct flags flags = { 0 };

	flags.system = (uint32_t)random_next(seed) & FLAG_ALL_SYSTEM;
	for (unsigned i = 0; i < 40; i++)
		flags_set_keyword(&flags,
			(unsigned)random_next(seed) % KEYWORD_COUNT_MAX);
	return flags;
}

static void test_set_operations_work_on_every_bit(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct flags a = random_flags(&seed);
		struct flags b = random_flags(&seed);
		struct flags both = flags_and(&a, &b);
		struct flags any = flags_or(&a, &b);
		struct flags one = flags_xor(&a, &b);
		struct flags left = flags_without(&a, &b);

		assert_int_equal(both.system, a.system & b.system);
		assert_int_equal(any.system, a.system | b.system);
		assert_int_equal(one.system, a.system ^ b.system);
		assert_int_equal(left.system, a.system & ~b.system);
		for (unsigned i = 0; i < KEYWORD_COUNT_MAX; i++) {
			bool in_a = flags_has_keyword(&a, i);
			bool in_b = flags_has_keyword(&b, i);

			assert_int_equal(
				flags_has_keyword(&both, i), in_a && in_b);
			assert_int_equal(
				flags_has_keyword(&any, i), in_a || in_b);
			assert_int_equal(
				flags_has_keyword(&one, i), in_a != in_b);
			assert_int_equal(
				flags_has_keyword(&left, i), in_a && !in_b);
		}
		assert_true(flags_equal(&a, &a));
		assert_int_equal(flags_equal(&a, &b), flags_is_empty(&one));
	}
}

static void test_one_bit_makes_flags_differ(void **state)
{
	struct flags empty = { 0 };

	(void)state;
	for (unsigned i = 0; i < KEYWORD_COUNT_MAX; i++) {
		struct flags flags = { 0 };

		flags_set_keyword(&flags, i);
		assert_false(flags_equal(&flags, &empty));
		assert_false(flags_is_empty(&flags));
		assert_int_equal(flags_next_keyword(&flags, 0), (int)i);
		assert_int_equal(flags_next_keyword(&flags, i), (int)i);
		assert_int_equal(flags_next_keyword(&flags, i + 1), -1);
		flags_clear_keyword(&flags, i);
		assert_true(flags_is_empty(&flags));
		assert_int_equal(flags_next_keyword(&flags, 0), -1);
	}
}

static void test_fixed_keywords_have_fixed_numbers(void **state)
{
	struct keyword_table table;

	(void)state;
	keyword_table_init(&table);
	assert_int_equal(table.count, KEYWORD_FIXED_COUNT);
	assert_int_equal(
		keyword_table_find(&table, "$forwarded"), KEYWORD_FORWARDED);
	assert_int_equal(keyword_table_find(&table, "$JUNK"), KEYWORD_JUNK);
	assert_int_equal(
		keyword_table_intern(&table, "$NotJunk"), KEYWORD_NOT_JUNK);
	assert_int_equal(
		keyword_table_intern(&table, "junk"), KEYWORD_JUNK_OLD);
	assert_int_equal(
		keyword_table_intern(&table, "nonjunk"), KEYWORD_NON_JUNK);
	assert_int_equal(table.count, KEYWORD_FIXED_COUNT);
	keyword_table_finish(&table);
	assert_int_equal(table.count, 0);
}

static void test_the_spelling_first_seen_is_kept(void **state)
{
	struct keyword_table table;
	int keyword;

	(void)state;
	keyword_table_init(&table);
	keyword = keyword_table_intern(&table, "ToDo");
	assert_int_equal(keyword, KEYWORD_FIXED_COUNT);
	assert_int_equal(keyword_table_intern(&table, "TODO"), keyword);
	assert_string_equal(
		keyword_table_name(&table, (unsigned)keyword), "ToDo");
	assert_null(keyword_table_name(&table, (unsigned)keyword + 1));
	assert_null(keyword_table_name(&table, KEYWORD_COUNT_MAX + 9));
	assert_int_equal(keyword_table_find(&table, "other"), -1);
	keyword_table_finish(&table);
}

static void test_only_atoms_are_keywords(void **state)
{
	static const char *const BAD[] = { "", "\\Seen", "a b", "a(b", "a)",
		"{a", "a%", "a*", "a\"b", "a\\b", "a]", "a\t", "\x7f",
		"gr\xc3\xbcn", TEXT_64 "x" };
	static const char *const GOOD[] = { "a", "[a", "a}", "$MDNSent",
		"NonJunk2", "a/b:c&d'e", TEXT_64 };
	struct keyword_table table;

	(void)state;
	keyword_table_init(&table);
	for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++)
		assert_int_equal(keyword_table_intern(&table, BAD[i]), -1);
	for (size_t i = 0; i < ARRAY_LENGTH(GOOD); i++)
		assert_int_equal(keyword_table_intern(&table, GOOD[i]),
			KEYWORD_FIXED_COUNT + i);
	keyword_table_finish(&table);
}

static void test_a_full_table_still_knows_its_names(void **state)
{
	struct keyword_table table;
	char name[32];

	(void)state;
	keyword_table_init(&table);
	for (int i = KEYWORD_FIXED_COUNT; i < KEYWORD_COUNT_MAX; i++) {
		(void)snprintf(name, sizeof(name), "k%d", i);
		assert_int_equal(keyword_table_intern(&table, name), i);
	}
	assert_int_equal(keyword_table_intern(&table, "one-more"), -1);
	assert_int_equal(keyword_table_intern(&table, "K255"), 255);
	keyword_table_finish(&table);
}

static void test_system_flags_have_names(void **state)
{
	(void)state;
	for (uint32_t flag = 1; flag <= FLAG_DRAFT; flag <<= 1)
		assert_int_equal(flag_from_name(flag_name(flag)), flag);
	assert_int_equal(flag_from_name("\\SEEN"), FLAG_SEEN);
	assert_int_equal(flag_from_name("\\Recent"), 0);
	assert_int_equal(flag_from_name("Seen"), 0);
	assert_int_equal(flag_from_name(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_operations_work_on_every_bit),
		cmocka_unit_test(test_one_bit_makes_flags_differ),
		cmocka_unit_test(test_fixed_keywords_have_fixed_numbers),
		cmocka_unit_test(test_the_spelling_first_seen_is_kept),
		cmocka_unit_test(test_only_atoms_are_keywords),
		cmocka_unit_test(test_a_full_table_still_knows_its_names),
		cmocka_unit_test(test_system_flags_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
