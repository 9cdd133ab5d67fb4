#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "syncd/reconciler/guard.h"

static void test_a_mass_deletion_is_held_and_a_small_one_is_not(void **state)
{
	static const struct {
		uint64_t pair_count, deleted, wanted;
		unsigned percent;
		bool is_approved, is_discard, is_allowed;
	} rows[] = {
		{ 100, 0, 50, 50, false, false, true },
		{ 100, 0, 51, 50, false, false, false },
		/* A slow leak is counted over the hour. */
		{ 60, 40, 10, 50, false, false, true },
		{ 60, 40, 11, 50, false, false, false },
		{ 50, 50, 1, 50, false, false, false },
		/* Nothing more is wanted: nothing to hold. */
		{ 10, 90, 0, 50, false, false, true },
		/* Small folders are not guarded. */
		{ 19, 0, 19, 50, false, false, true },
		{ 20, 0, 20, 50, false, false, false },
		{ 19, 1, 19, 50, false, false, false },
		/* Off, approved, trash. */
		{ 100, 0, 100, 100, false, false, true },
		{ 100, 0, 100, 200, false, false, true },
		{ 100, 0, 100, 50, true, false, true },
		{ 100, 0, 100, 50, false, true, true },
		{ 100, 0, 1, 0, false, false, false },
		{ 33, 0, 3, 10, false, false, true },
		{ 33, 0, 4, 10, false, false, false },
		{ UINT64_MAX, 0, UINT64_MAX / 2, 99, false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct folder_policy folder = {
			.pair_count = rows[i].pair_count,
			.is_approved = rows[i].is_approved,
			.is_discard = rows[i].is_discard,
		};
		struct guard_request request = {
			.deleted = rows[i].deleted,
			.wanted = rows[i].wanted,
		};

		if (guard_allows(&folder, rows[i].percent, &request) !=
			rows[i].is_allowed)
			fail_msg("row %zu", i);
	}
}

static void test_what_was_held_waits_for_a_word(void **state)
{
	struct folder_policy folder = { .pair_count = 1000 };
	struct guard_request request = { .wanted = 1, .has_held = true };

	(void)state;
	assert_false(guard_allows(&folder, 50, &request));
	assert_true(guard_allows(&folder, 100, &request));
	folder.pair_count = 1;
	assert_false(guard_allows(&folder, 50, &request));
	folder.is_approved = true;
	assert_true(guard_allows(&folder, 50, &request));
}

static void test_half_a_listing_is_no_listing(void **state)
{
	static const struct {
		bool has_inbox;
		uint64_t listed, known;
		bool is_plausible;
	} rows[] = {
		{ true, 0, 0, true },
		{ true, 1, 1, true },
		{ true, 5, 10, true },
		{ true, 4, 10, false },
		{ true, 6, 11, true },
		{ true, 5, 11, false },
		{ false, 10, 10, false },
		{ false, 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		if (guard_listing_is_plausible(rows[i].has_inbox,
			    rows[i].listed,
			    rows[i].known) != rows[i].is_plausible)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_mass_deletion_is_held_and_a_small_one_is_not),
		cmocka_unit_test(test_what_was_held_waits_for_a_word),
		cmocka_unit_test(test_half_a_listing_is_no_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
