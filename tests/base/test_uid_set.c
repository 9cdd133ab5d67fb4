#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/uid_set.h"

#define UID_MAX 200

/* What a set should be: one flag per UID. */
struct model {
	bool has[UID_MAX + 2];
};

static uint32_t random_below(uint64_t *seed, uint32_t limit)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % limit;
}

static void check_ranges(const struct uid_set *set)
{
	for (size_t i = 0; i < set->range_count; i++) {
		assert_true(set->ranges[i].first >= 1);
		assert_true(set->ranges[i].first <= set->ranges[i].last);
		/* Disjoint, sorted, and a hole in between. */
		if (i > 0)
			assert_true(set->ranges[i].first >
				(uint64_t)set->ranges[i - 1].last + 1);
	}
}

static void check_model(const struct uid_set *set, const struct model *model)
{
	uint32_t next = 0;
	uint64_t count = 0;
	uint32_t last = 0;

	check_ranges(set);
	for (uint32_t uid = UID_MAX; uid >= 1; uid--) {
		assert_int_equal(uid_set_contains(set, uid), model->has[uid]);
		if (model->has[uid]) {
			next = uid;
			last = last > 0 ? last : uid;
			count++;
		}
		assert_int_equal(uid_set_next(set, uid), next);
	}
	assert_int_equal(uid_set_next(set, 0), next);
	assert_int_equal(uid_set_last(set), last);
	assert_int_equal(uid_set_count(set), count);
	assert_int_equal(uid_set_is_empty(set), count == 0);
}

static void set_range(
	struct model *model, uint32_t first, uint32_t last, bool value)
{
	for (uint32_t uid = first; uid <= last; uid++)
		model->has[uid] = value;
}

static void random_range(uint64_t *seed, uint32_t *first, uint32_t *last)
{
	*first = 1 + random_below(seed, UID_MAX);
	*last = *first + random_below(seed, 12);
	if (*last > UID_MAX)
		*last = UID_MAX;
}

static void random_set(uint64_t *seed, struct uid_set *set, struct model *model)
{
	uint32_t range_count = random_below(seed, 15);

	for (uint32_t i = 0; i < range_count; i++) {
		uint32_t first;
		uint32_t last;

		random_range(seed, &first, &last);
		uid_set_add_range(set, first, last);
		set_range(model, first, last, true);
	}
}

static void random_operation(
	uint64_t *seed, struct uid_set *set, struct model *model)
{
	struct uid_set other = { 0 };
	struct model other_model = { 0 };
	bool is_adding = random_below(seed, 2) == 0;
	uint32_t first;
	uint32_t last;

	random_range(seed, &first, &last);
	random_set(seed, &other, &other_model);
	switch (random_below(seed, 3)) {
	case 0:
		uid_set_add(set, first);
		model->has[first] = true;
		break;
	case 1:
		if (is_adding)
			uid_set_add_range(set, first, last);
		else
			uid_set_remove_range(set, first, last);
		set_range(model, first, last, is_adding);
		break;
	default:
		if (is_adding)
			uid_set_add_set(set, &other);
		else
			uid_set_remove_set(set, &other);
		for (uint32_t uid = 1; uid <= UID_MAX; uid++)
			if (other_model.has[uid])
				model->has[uid] = is_adding;
	}
	uid_set_finish(&other);
}

static void check_text_round_trip(const struct uid_set *set, uint64_t *seed)
{
	size_t size_max = random_below(seed, 40);
	struct uid_set whole = { 0 };
	struct buf text = { 0 };
	size_t index = 0;

	for (;;) {
		struct uid_set piece = { 0 };
		size_t index_before = index;

		buf_clear(&text);
		if (!uid_set_write(set, &index, size_max, &text))
			break;
		assert_true(text.size <= size_max || index == index_before + 1);
		assert_true(uid_set_parse(
			&piece, buf_text(&text), text.size, 1000));
		uid_set_add_set(&whole, &piece);
		uid_set_finish(&piece);
	}
	assert_true(uid_set_equal(set, &whole));
	buf_finish(&text);
	uid_set_finish(&whole);
}

static void test_random_operations_agree_with_a_bitmap(void **state)
{
	uint64_t seed = 20240607;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct uid_set set = { 0 };
		struct uid_set copy = { 0 };
		struct model model = { 0 };

		for (unsigned step = 0; step < 40; step++) {
			random_operation(&seed, &set, &model);
			check_model(&set, &model);
			check_text_round_trip(&set, &seed);
		}
		uid_set_copy(&copy, &set);
		assert_true(uid_set_equal(&copy, &set));
		uid_set_add_set(&set, &set);
		assert_true(uid_set_equal(&copy, &set));
		uid_set_remove_set(&set, &set);
		assert_true(uid_set_is_empty(&set));
		uid_set_finish(&copy);
		uid_set_finish(&set);
	}
}

static void test_the_largest_uid_is_a_member_like_others(void **state)
{
	struct uid_set set = { 0 };

	(void)state;
	uid_set_add_range(&set, 1, UINT32_MAX);
	assert_int_equal(set.range_count, 1);
	assert_true(uid_set_count(&set) == UINT32_MAX);
	assert_true(uid_set_contains(&set, UINT32_MAX));
	assert_false(uid_set_contains(&set, 0));
	uid_set_remove_range(&set, UINT32_MAX, UINT32_MAX);
	assert_int_equal(uid_set_last(&set), UINT32_MAX - 1);
	uid_set_add(&set, UINT32_MAX);
	uid_set_add(&set, UINT32_MAX);
	uid_set_add_range(&set, UINT32_MAX - 5, UINT32_MAX);
	assert_int_equal(set.range_count, 1);
	uid_set_remove_range(&set, 1, UINT32_MAX);
	assert_true(uid_set_is_empty(&set));
	assert_int_equal(uid_set_next(&set, UINT32_MAX), 0);
	uid_set_finish(&set);
}

static void check_parse(const char *text, const char *expected)
{
	struct uid_set set = { 0 };
	struct buf written = { 0 };
	size_t index = 0;

	uid_set_add(&set, 99);
	assert_int_equal(
		uid_set_parse(&set, text, strlen(text), 4), expected != NULL);
	assert_true(uid_set_write(&set, &index, 1000, &written));
	check_ranges(&set);
	assert_string_equal(
		buf_text(&written), expected != NULL ? expected : "99");
	buf_finish(&written);
	uid_set_finish(&set);
}

static void test_sequence_sets_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		const char *expected; /* NULL = an error */
	} CASES[] = {
		{ "1", "1" }, { "1:3,7", "1:3,7" }, { "5:1", "1:5" },
		{ "7,1:3", "1:3,7" }, { "4,3,2,1", "1:4" },
		{ "1:10,2:3,11", "1:11" }, { "1:4294967295", "1:4294967295" },
		{ "1:1", "1" }, { "", NULL }, { ",", NULL }, { "1,", NULL },
		{ ",1", NULL }, { "1,,2", NULL }, { "0", NULL },
		{ "0:5", NULL }, { "1:", NULL }, { ":1", NULL },
		{ "1:2:3", NULL }, { "*", NULL }, { "1:*", NULL },
		{ "1 ", NULL }, { " 1", NULL }, { "-1", NULL },
		{ "4294967296", NULL },
		{ "1,2,3,4,5", NULL }, /* over the limit of four */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		check_parse(CASES[i].text, CASES[i].expected);
}

/* Quadratic time would not finish. */
static void test_a_hostile_set_costs_only_its_length(void **state)
{
	struct buf text = { 0 };
	struct uid_set set = { 0 };

	(void)state;
	for (unsigned i = 200000; i > 0; i--)
		buf_add_format(&text, "%u,", i * 2);
	assert_true(
		uid_set_parse(&set, buf_text(&text), text.size - 1, SIZE_MAX));
	assert_int_equal(uid_set_count(&set), 200000);
	assert_false(
		uid_set_parse(&set, buf_text(&text), text.size - 1, 199999));
	buf_finish(&text);
	uid_set_finish(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations_agree_with_a_bitmap),
		cmocka_unit_test(test_the_largest_uid_is_a_member_like_others),
		cmocka_unit_test(test_sequence_sets_are_read_strictly),
		cmocka_unit_test(test_a_hostile_set_costs_only_its_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
