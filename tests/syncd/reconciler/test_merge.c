#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "syncd/reconciler/merge.h"

#define ROUND_COUNT   2000
#define KEYWORD_USERS (KEYWORD_FIXED_COUNT + 2)
#define JUNK_BITS     (UINT64_C(0xf) << KEYWORD_JUNK)

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *seed >> 33;
}

static struct flags random_flags(uint64_t *seed, uint64_t keyword_mask)
{
	struct flags flags = { 0 };

	flags.system = (uint32_t)random_next(seed) & FLAG_ALL_SYSTEM;
	flags.keywords[0] = random_next(seed) & keyword_mask;
	flags.keywords[3] = random_next(seed);
	return flags;
}

static struct flags keywords(uint64_t bits)
{
	return (struct flags){ .keywords = { bits } };
}

static bool is_junk_bit(unsigned bit)
{
	return bit >= KEYWORD_JUNK && bit <= KEYWORD_NON_JUNK;
}

static void test_each_bit_follows_the_side_that_changed_it(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned round = 0; round < ROUND_COUNT; round++) {
		struct flags base = random_flags(&seed, UINT64_MAX);
		struct flags remote = random_flags(&seed, UINT64_MAX);
		struct flags local = random_flags(&seed, UINT64_MAX);
		struct flags merged = merge_flags(&base, &remote, &local);

		for (unsigned bit = 0; bit < KEYWORD_COUNT_MAX; bit++) {
			bool b = flags_has_keyword(&base, bit);
			bool r = flags_has_keyword(&remote, bit);
			bool l = flags_has_keyword(&local, bit);

			if (!is_junk_bit(bit))
				assert_int_equal(
					flags_has_keyword(&merged, bit),
					r != b ? r : l);
		}
		assert_int_equal(merged.system,
			(remote.system & local.system) |
				((remote.system ^ local.system) &
					~base.system));
	}
}

static void test_merging_is_symmetric_but_for_junk(void **state)
{
	uint64_t seed = 12;

	(void)state;
	for (unsigned round = 0; round < ROUND_COUNT; round++) {
		struct flags base = random_flags(&seed, ~JUNK_BITS);
		struct flags remote = random_flags(&seed, ~JUNK_BITS);
		struct flags local = random_flags(&seed, ~JUNK_BITS);
		struct flags one = merge_flags(&base, &remote, &local);
		struct flags other = merge_flags(&base, &local, &remote);

		assert_true(flags_equal(&one, &other));
		one = merge_flags_first(&remote, &local);
		other = merge_flags_first(&local, &remote);
		assert_true(flags_equal(&one, &other));
	}
}

static void test_merging_again_changes_nothing(void **state)
{
	uint64_t seed = 13;

	(void)state;
	for (unsigned round = 0; round < ROUND_COUNT; round++) {
		struct flags base = random_flags(&seed, UINT64_MAX);
		struct flags remote = random_flags(&seed, UINT64_MAX);
		struct flags local = random_flags(&seed, UINT64_MAX);
		struct flags merged = merge_flags(&base, &remote, &local);
		struct flags again;

		again = merge_flags(&base, &merged, &merged);
		assert_true(flags_equal(&again, &merged));
		again = merge_flags(&base, &remote, &merged);
		assert_true(flags_equal(&again, &merged));
		again = merge_flags(&base, &merged, &local);
		assert_true(flags_equal(&again, &merged));
		merged = merge_flags_first(&remote, &local);
		again = merge_flags_first(&merged, &merged);
		assert_true(flags_equal(&again, &merged));
	}
}

static void test_junk_is_one_value(void **state)
{
	const uint64_t junk = UINT64_C(1) << KEYWORD_JUNK;
	const uint64_t not_junk = UINT64_C(1) << KEYWORD_NOT_JUNK;
	const uint64_t non_junk = UINT64_C(1) << KEYWORD_NON_JUNK;
	const struct {
		uint64_t synced, remote, local, merged;
	} rows[] = {
		{ 0, 0, junk, junk },
		{ 0, junk, 0, junk },
		{ junk, junk, not_junk, not_junk },
		{ junk, not_junk, junk, not_junk },
		/* Both changed it: the server's. */
		{ 0, junk, not_junk, junk },
		{ junk, not_junk, non_junk, not_junk },
		{ junk, not_junk, 0, not_junk },
		{ junk, 0, not_junk, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct flags synced = keywords(rows[i].synced);
		struct flags remote = keywords(rows[i].remote);
		struct flags local = keywords(rows[i].local);
		struct flags merged = merge_flags(&synced, &remote, &local);

		if (merged.keywords[0] != rows[i].merged)
			fail_msg("row %zu: %llx", i,
				(unsigned long long)merged.keywords[0]);
	}
}

static void test_the_first_meeting_unites_all_but_deleted(void **state)
{
	struct flags remote = { .system = FLAG_SEEN | FLAG_DELETED };
	struct flags local = { .system = FLAG_FLAGGED };
	struct flags merged;

	(void)state;
	merged = merge_flags_first(&remote, &local);
	assert_int_equal(merged.system, FLAG_SEEN | FLAG_FLAGGED);
	local.system |= FLAG_DELETED;
	merged = merge_flags_first(&remote, &local);
	assert_int_equal(
		merged.system, FLAG_SEEN | FLAG_FLAGGED | FLAG_DELETED);

	flags_set_keyword(&remote, KEYWORD_NOT_JUNK);
	flags_set_keyword(&local, KEYWORD_JUNK);
	merged = merge_flags_first(&remote, &local);
	assert_true(flags_has_keyword(&merged, KEYWORD_NOT_JUNK));
	assert_false(flags_has_keyword(&merged, KEYWORD_JUNK));
}

static void test_what_a_side_cannot_store_reads_as_synced(void **state)
{
	struct flags observed = { .system = FLAG_SEEN };
	struct flags synced = { .system = FLAG_FLAGGED | FLAG_ANSWERED };
	struct flags mask = { .system = FLAG_SEEN | FLAG_ANSWERED };
	struct flags masked = merge_masked(&observed, &synced, &mask);

	(void)state;
	assert_int_equal(masked.system, FLAG_SEEN | FLAG_FLAGGED);
}

static void test_only_wishes_to_keep_protect(void **state)
{
	static const struct {
		uint32_t synced, changed;
		int keyword; /* added; -1 = none */
		bool is_protecting;
	} rows[] = {
		{ 0, 0, -1, false },
		{ 0, FLAG_FLAGGED, -1, true },
		{ FLAG_FLAGGED, FLAG_FLAGGED, -1, false },
		{ FLAG_FLAGGED, 0, -1, false },
		{ FLAG_DELETED, 0, -1, true },
		{ 0, FLAG_DELETED, -1, false },
		{ 0, FLAG_SEEN | FLAG_ANSWERED | FLAG_DRAFT, -1, false },
		{ FLAG_SEEN, 0, -1, false },
		{ 0, 0, KEYWORD_FORWARDED, false },
		{ 0, 0, KEYWORD_USERS, true },
		{ 0, 0, KEYWORD_COUNT_MAX - 1, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct flags synced = { .system = rows[i].synced };
		struct flags changed = { .system = rows[i].changed };

		if (rows[i].keyword >= 0)
			flags_set_keyword(&changed, (unsigned)rows[i].keyword);
		if (merge_is_protecting(&synced, &changed) !=
			rows[i].is_protecting)
			fail_msg("row %zu", i);
		/* A keyword taken away protects nothing. */
		if (rows[i].keyword >= 0)
			assert_false(merge_is_protecting(&changed, &synced));
	}
}

static void test_recording_agreement_does_not_change_the_outcome(void **state)
{
	uint64_t seed = 14;

	(void)state;
	for (unsigned round = 0; round < 2 * ROUND_COUNT; round++) {
		struct synced_state synced = { .is_set = round % 2 == 0 };
		struct flags remote = random_flags(&seed, UINT64_MAX);
		struct flags local = random_flags(&seed, UINT64_MAX);
		struct flags before, after, agreed;

		if (synced.is_set)
			synced.flags = random_flags(&seed, UINT64_MAX);
		before = synced.is_set
			? merge_flags(&synced.flags, &remote, &local)
			: merge_flags_first(&remote, &local);
		agreed = merge_agreed(&synced, &remote, &local);
		after = merge_flags(&agreed, &remote, &local);
		assert_true(flags_equal(&before, &after));
		agreed = merge_agreed(&synced, &local, &local);
		assert_true(flags_equal(&agreed, &local));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_each_bit_follows_the_side_that_changed_it),
		cmocka_unit_test(test_merging_is_symmetric_but_for_junk),
		cmocka_unit_test(test_merging_again_changes_nothing),
		cmocka_unit_test(test_junk_is_one_value),
		cmocka_unit_test(test_the_first_meeting_unites_all_but_deleted),
		cmocka_unit_test(test_what_a_side_cannot_store_reads_as_synced),
		cmocka_unit_test(test_only_wishes_to_keep_protect),
		cmocka_unit_test(
			test_recording_agreement_does_not_change_the_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
