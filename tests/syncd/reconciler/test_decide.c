#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "syncd/reconciler/decide.h"

enum {
	FOLDER_A = 1,
	FOLDER_B,
	FOLDER_TRASH,
	FOLDER_READ_ONLY,
	FOLDER_HELD,
	FOLDER_UNSYNCED,
};

#define ALL                                                                    \
	{                                                                      \
		.keywords = { UINT64_MAX, UINT64_MAX, UINT64_MAX,              \
			UINT64_MAX },                                          \
		.system = FLAG_ALL_SYSTEM,                                     \
	}

static const struct folder_policy FOLDERS[] = {
	{ .folder_id = FOLDER_A, ALL, ALL, .is_remote_writable = true },
	{ .folder_id = FOLDER_B, ALL, ALL, .is_remote_writable = true },
	{ .folder_id = FOLDER_TRASH,
		ALL,
		ALL,
		.is_remote_writable = true,
		.is_discard = true },
	{ .folder_id = FOLDER_READ_ONLY, ALL, ALL },
	{ .folder_id = FOLDER_HELD,
		ALL,
		ALL,
		.is_remote_writable = true,
		.is_held = true },
};

static const struct policy POLICY = {
	.folders = FOLDERS,
	.folder_count = ARRAY_LENGTH(FOLDERS),
	.delete_percent = 100,
	.remote_is_complete = true,
	.local_is_complete = true,
};

/* A letter says where a side is: A, B, T, R, H, U as above; '-' absent, '?'
   unknown, '.' never. */
static uint32_t folder_of(char place)
{
	switch (place) {
	case 'A':
		return FOLDER_A;
	case 'B':
		return FOLDER_B;
	case 'T':
		return FOLDER_TRASH;
	case 'R':
		return FOLDER_READ_ONLY;
	case 'H':
		return FOLDER_HELD;
	case 'U':
		return FOLDER_UNSYNCED;
	default:
		return 0;
	}
}

static enum presence presence_of(char place)
{
	switch (place) {
	case '-':
		return PRESENCE_ABSENT;
	case '?':
		return PRESENCE_UNKNOWN;
	case '.':
		return PRESENCE_NEVER;
	default:
		return PRESENCE_PRESENT;
	}
}

/* `places`: synced, local, remote. */
static struct pair pair_make(const char places[4])
{
	struct pair pair = {
		.mid = 1,
		.synced = { .is_set = places[0] != '.',
			.folder_id = folder_of(places[0]) },
		.local = { .presence = presence_of(places[1]),
			.folder_id = folder_of(places[1]) },
		.remote = { .presence = presence_of(places[2]),
			.folder_id = folder_of(places[2]) },
	};

	return pair;
}

struct row {
	const char places[4]; /* synced, local, remote */
	enum existence existence;
	char folder; /* 0 = any */
};

static void check_rows(const struct row *rows, size_t count,
	const struct policy *policy, uint32_t local_added,
	uint32_t remote_added)
{
	for (size_t i = 0; i < count; i++) {
		struct pair pair = pair_make(rows[i].places);
		struct decision decision;

		pair.local.flags.system = local_added;
		pair.remote.flags.system = remote_added;
		decision = decide(&pair, policy);
		if (decision.existence != rows[i].existence)
			fail_msg("%s: existence %d", rows[i].places,
				(int)decision.existence);
		if (rows[i].folder != 0 &&
			decision.folder_id != folder_of(rows[i].folder))
			fail_msg("%s: folder %u", rows[i].places,
				decision.folder_id);
	}
}

static void test_a_message_that_was_never_synced_is_only_added(void **state)
{
	static const struct row rows[] = {
		{ ".A.", EXISTENCE_UPLOAD, 'A' },
		{ "..A", EXISTENCE_DOWNLOAD, 'A' },
		{ ".A-", EXISTENCE_UPLOAD, 'A' },
		{ ".-A", EXISTENCE_DOWNLOAD, 'A' },
		{ ".A?", EXISTENCE_WAIT, 0 },
		{ ".?A", EXISTENCE_WAIT, 0 },
		{ ".AA", EXISTENCE_KEEP, 'A' },
		{ ".AB", EXISTENCE_MOVE_LOCAL, 'B' },
		{ ".BA", EXISTENCE_MOVE_LOCAL, 'A' },
		{ ".AR", EXISTENCE_MOVE_LOCAL, 'R' },
		{ ".--", EXISTENCE_FORGET, 0 },
		{ ".-.", EXISTENCE_FORGET, 0 },
		{ "..-", EXISTENCE_FORGET, 0 },
		{ "...", EXISTENCE_FORGET, 0 },
		{ ".?.", EXISTENCE_WAIT, 0 },
		{ ".?-", EXISTENCE_WAIT, 0 },
		{ "..?", EXISTENCE_WAIT, 0 },
		{ ".R.", EXISTENCE_WAIT, 0 },
		{ "..R", EXISTENCE_DOWNLOAD, 'R' },
		{ ".H.", EXISTENCE_WAIT, 0 },
		{ "..H", EXISTENCE_WAIT, 0 },
		{ ".AH", EXISTENCE_WAIT, 0 },
		{ "..U", EXISTENCE_WAIT, 0 },
		{ ".U.", EXISTENCE_WAIT, 0 },
		{ ".T-", EXISTENCE_UPLOAD, 'T' },
	};
	struct policy policy = POLICY;

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows), &policy, 0, 0);
	policy.deletion_wins = true;
	check_rows(rows, ARRAY_LENGTH(rows), &policy, 0, 0);
}

static void test_a_synced_message_follows_the_side_that_changed(void **state)
{
	static const struct row rows[] = {
		{ "AAA", EXISTENCE_KEEP, 'A' },
		{ "ABA", EXISTENCE_MOVE_REMOTE, 'B' },
		{ "AAB", EXISTENCE_MOVE_LOCAL, 'B' },
		{ "ABB", EXISTENCE_KEEP, 'B' },
		{ "ATB", EXISTENCE_MOVE_LOCAL, 'B' },
		{ "A-A", EXISTENCE_DELETE_REMOTE, 'A' },
		{ "AA-", EXISTENCE_DELETE_LOCAL, 'A' },
		{ "A--", EXISTENCE_FORGET, 0 },
		/* A move protects against a deletion, in the trash too where
		   the server holds it. */
		{ "A-B", EXISTENCE_DOWNLOAD, 'B' },
		{ "AB-", EXISTENCE_UPLOAD, 'B' },
		{ "A-T", EXISTENCE_DOWNLOAD, 'T' },
		{ "AT-", EXISTENCE_DELETE_LOCAL, 'T' },
		{ "T-T", EXISTENCE_DELETE_REMOTE, 'T' },
		{ "TA-", EXISTENCE_UPLOAD, 'A' },
		{ "TT-", EXISTENCE_DELETE_LOCAL, 'T' },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows), &POLICY, 0, 0);
	check_rows(rows, ARRAY_LENGTH(rows), &POLICY, FLAG_SEEN, FLAG_SEEN);
}

static void test_what_is_unknown_waits(void **state)
{
	static const char places[] = { 'A', 'B', '-', '?', '.', 0 };

	(void)state;
	for (const char *other = places; *other != 0; other++) {
		struct row rows[4] = {
			{ "A??", EXISTENCE_WAIT, 0 },
			{ { 'A', '?', *other, 0 }, EXISTENCE_WAIT, 0 },
			{ { 'A', *other, '?', 0 }, EXISTENCE_WAIT, 0 },
			/* Synced and never there contradict each other. */
			{ { 'A', '.', *other, 0 }, EXISTENCE_WAIT, 0 },
		};

		check_rows(rows, ARRAY_LENGTH(rows), &POLICY, FLAG_FLAGGED, 0);
	}
}

static void test_what_is_left_of_a_copy_is_removed_in_any_case(void **state)
{
	struct pair pair = pair_make("A-B");

	(void)state;
	assert_int_equal(decide(&pair, &POLICY).existence, EXISTENCE_DOWNLOAD);
	pair.local.is_leftover = true;
	assert_int_equal(
		decide(&pair, &POLICY).existence, EXISTENCE_DELETE_REMOTE);
	pair = pair_make("A-A");
	pair.local.is_leftover = true;
	pair.remote.flags.system = FLAG_FLAGGED;
	assert_int_equal(
		decide(&pair, &POLICY).existence, EXISTENCE_DELETE_REMOTE);
}

static void test_a_protecting_flag_beats_a_deletion(void **state)
{
	static const struct row kept[] = {
		{ "A-A", EXISTENCE_DOWNLOAD, 'A' },
		{ "AA-", EXISTENCE_UPLOAD, 'A' },
		{ "AT-", EXISTENCE_UPLOAD, 'T' },
		{ "T-T", EXISTENCE_DOWNLOAD, 'T' },
	};
	static const struct row deleted[] = {
		{ "A-A", EXISTENCE_DELETE_REMOTE, 'A' },
		{ "AA-", EXISTENCE_DELETE_LOCAL, 'A' },
		{ "A-B", EXISTENCE_DELETE_REMOTE, 'B' },
		{ "AB-", EXISTENCE_DELETE_LOCAL, 'B' },
		/* Both threw it away: the trash is the agreement. */
		{ "A-T", EXISTENCE_DOWNLOAD, 'T' },
	};
	struct policy policy = POLICY;

	(void)state;
	check_rows(
		kept, ARRAY_LENGTH(kept), &policy, FLAG_FLAGGED, FLAG_FLAGGED);
	policy.deletion_wins = true;
	check_rows(deleted, ARRAY_LENGTH(deleted), &policy, FLAG_FLAGGED,
		FLAG_FLAGGED);
}

static void test_a_held_or_unsynced_folder_waits(void **state)
{
	static const struct row rows[] = {
		{ "HHH", EXISTENCE_WAIT, 0 },
		{ "H-H", EXISTENCE_WAIT, 0 },
		{ "H-A", EXISTENCE_WAIT, 0 },
		{ "AAH", EXISTENCE_WAIT, 0 },
		{ "AHA", EXISTENCE_WAIT, 0 },
		{ "A-H", EXISTENCE_WAIT, 0 },
		{ "AH-", EXISTENCE_WAIT, 0 },
		{ "UUU", EXISTENCE_WAIT, 0 },
		{ "AUA", EXISTENCE_WAIT, 0 },
		{ "AAU", EXISTENCE_WAIT, 0 },
		{ "U-U", EXISTENCE_WAIT, 0 },
		{ "U-A", EXISTENCE_WAIT, 0 },
		{ "U--", EXISTENCE_WAIT, 0 },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows), &POLICY, 0, 0);
}

static void test_a_read_only_mailbox_is_only_read(void **state)
{
	static const struct row rows[] = {
		{ "R-R", EXISTENCE_WAIT, 0 },
		{ "RAR", EXISTENCE_WAIT, 0 },
		{ "ARA", EXISTENCE_WAIT, 0 },
		{ "RR-", EXISTENCE_DELETE_LOCAL, 'R' },
		{ "RRA", EXISTENCE_MOVE_LOCAL, 'A' },
		{ "AAR", EXISTENCE_MOVE_LOCAL, 'R' },
		{ "R-A", EXISTENCE_DOWNLOAD, 'A' },
		{ "RA-", EXISTENCE_UPLOAD, 'A' },
		{ "AR-", EXISTENCE_WAIT, 0 },
	};
	struct pair pair = pair_make("RRR");
	struct decision decision;

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows), &POLICY, 0, 0);
	pair.local.flags.system = FLAG_FLAGGED;
	pair.remote.flags.system = FLAG_SEEN;
	decision = decide(&pair, &POLICY);
	assert_false(decision.has_push);
	assert_true(decision.has_pull);
	assert_int_equal(decision.merged.system, FLAG_FLAGGED | FLAG_SEEN);
	/* Pulled: what both have is agreed, what could not be pushed is not. */
	pair.local.flags = decision.merged;
	decision = decide(&pair, &POLICY);
	assert_false(decision.has_push || decision.has_pull);
	assert_true(decision.has_settle);
	assert_int_equal(decision.merged.system, FLAG_SEEN);
}

static void test_without_the_barriers_nothing_is_removed_or_added(void **state)
{
	static const struct row no_remote[] = {
		{ "AA-", EXISTENCE_WAIT, 0 },
		{ "A--", EXISTENCE_WAIT, 0 },
		/* Not ahead of the uploads, of which it may be one, moved. */
		{ "A-A", EXISTENCE_WAIT, 0 },
		{ ".A.", EXISTENCE_WAIT, 0 },
		{ "..A", EXISTENCE_WAIT, 0 },
		{ ".A-", EXISTENCE_WAIT, 0 },
		{ ".AA", EXISTENCE_KEEP, 'A' },
		{ "AAB", EXISTENCE_MOVE_LOCAL, 'B' },
		{ "ABA", EXISTENCE_MOVE_REMOTE, 'B' },
		{ "AAA", EXISTENCE_KEEP, 'A' },
	};
	static const struct row no_local[] = {
		{ "A-A", EXISTENCE_WAIT, 0 },
		{ "A--", EXISTENCE_WAIT, 0 },
		{ "A-B", EXISTENCE_WAIT, 0 },
		/* Nor ahead of the downloads. */
		{ "AA-", EXISTENCE_WAIT, 0 },
		{ ".A.", EXISTENCE_WAIT, 0 },
		{ "..A", EXISTENCE_WAIT, 0 },
		{ ".-A", EXISTENCE_WAIT, 0 },
	};
	struct policy policy = POLICY;

	(void)state;
	policy.remote_is_complete = false;
	check_rows(no_remote, ARRAY_LENGTH(no_remote), &policy, 0, 0);
	policy.remote_is_complete = true;
	policy.local_is_complete = false;
	check_rows(no_local, ARRAY_LENGTH(no_local), &policy, 0, 0);
}

static void test_only_a_lost_uid_stops_a_pair(void **state)
{
	struct pair pair = pair_make("A-A");

	(void)state;
	for (int hold = HOLD_NONE; hold <= HOLD_UNREADABLE; hold++) {
		enum existence expected = hold == HOLD_EPOCH
			? EXISTENCE_WAIT
			: EXISTENCE_DELETE_REMOTE;

		pair.hold = (enum hold)hold;
		assert_int_equal(decide(&pair, &POLICY).existence, expected);
	}
}

/* Lost when the server renumbered its messages, and removed here since. */
static void test_what_is_on_neither_side_is_not_held_for_ever(void **state)
{
	static const struct {
		char local, folder;
		bool is_complete;
		enum existence existence;
	} cases[] = {
		{ '-', 'A', true, EXISTENCE_FORGET },
		{ '-', 'U', true, EXISTENCE_FORGET }, /* removed, too */
		/* It may have been moved, or be matched yet. */
		{ '-', 'A', false, EXISTENCE_WAIT },
		{ '-', 'H', true, EXISTENCE_WAIT },
		{ '?', 'A', true, EXISTENCE_WAIT },
		{ 'A', 'A', true, EXISTENCE_WAIT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const char places[] = { 'A', cases[i].local, '?', '\0' };
		struct policy policy = POLICY;
		struct pair pair = pair_make(places);

		pair.hold = HOLD_EPOCH;
		pair.remote.folder_id = folder_of(cases[i].folder);
		policy.local_is_complete = cases[i].is_complete;
		assert_int_equal(
			decide(&pair, &policy).existence, cases[i].existence);
	}
}

static void test_flags_go_both_ways_and_along_with_a_move(void **state)
{
	static const char *const places[] = { "AAA", "ABA", "AAB", "ABB",
		"ABT" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
		struct pair pair = pair_make(places[i]);
		struct decision decision;

		pair.synced.flags.system = FLAG_SEEN | FLAG_DRAFT;
		pair.local.flags.system = FLAG_SEEN | FLAG_FLAGGED;
		pair.remote.flags.system = FLAG_DRAFT | FLAG_ANSWERED;
		decision = decide(&pair, &POLICY);
		assert_int_equal(
			decision.merged.system, FLAG_FLAGGED | FLAG_ANSWERED);
		assert_true(decision.has_push && decision.has_pull);
		assert_int_equal(decision.push_add.system, FLAG_FLAGGED);
		assert_int_equal(decision.push_remove.system, FLAG_DRAFT);
		assert_false(decision.has_settle);
		assert_int_equal(
			decision.is_resolved_conflict, places[i][2] == 'T');
	}
}

static void test_equal_sides_are_only_recorded(void **state)
{
	struct pair pair = pair_make("ABB");
	struct decision decision;

	(void)state;
	decision = decide(&pair, &POLICY);
	assert_true(decision.has_settle);
	assert_int_equal(decision.folder_id, FOLDER_B);
	pair = pair_make("AAA");
	assert_false(decide(&pair, &POLICY).has_settle);
	pair.local.flags.system = FLAG_SEEN;
	pair.remote.flags.system = FLAG_SEEN;
	decision = decide(&pair, &POLICY);
	assert_true(decision.has_settle);
	assert_int_equal(decision.merged.system, FLAG_SEEN);
	pair = pair_make(".AA");
	assert_true(decide(&pair, &POLICY).has_settle);
}

static void test_what_is_held_for_nothing_is_released(void **state)
{
	struct pair pair = pair_make("AAA");

	(void)state;
	pair.hold = HOLD_GUARD;
	assert_true(decide(&pair, &POLICY).has_settle);
	pair.hold = HOLD_EPOCH;
	assert_false(decide(&pair, &POLICY).has_settle);
	/* Only who reads the file can tell that it is the message. */
	pair.hold = HOLD_UNREADABLE;
	assert_false(decide(&pair, &POLICY).has_settle);
	pair.hold = HOLD_REFUSED;
	pair.local.flags.system = FLAG_SEEN;
	assert_false(decide(&pair, &POLICY).has_settle);
}

static void test_a_flag_one_side_cannot_store_stays_on_the_other(void **state)
{
	struct folder_policy folder = FOLDERS[0];
	struct policy policy = POLICY;
	struct pair pair = pair_make("AAA");
	struct synced_state agreed;
	struct decision decision;

	(void)state;
	folder.remote_mask.system = FLAG_SEEN;
	folder.local_mask.system = FLAG_SEEN | FLAG_FLAGGED | FLAG_DELETED;
	policy.folders = &folder;
	policy.folder_count = 1;
	pair.local.flags.system = FLAG_FLAGGED;
	pair.remote.flags.system = FLAG_ANSWERED;
	decision = decide(&pair, &policy);
	assert_false(decision.has_push || decision.has_pull);
	assert_false(decision.has_settle);
	assert_false(decide_agreement(&pair, &policy, &agreed));

	/* Once synced, it is not taken away by the side that lost the skill. */
	pair.synced.flags.system = FLAG_FLAGGED;
	decision = decide(&pair, &policy);
	assert_false(decision.has_push || decision.has_pull);
	assert_int_equal(decision.merged.system & FLAG_FLAGGED, FLAG_FLAGGED);

	/* Nor at the first meeting. */
	pair = pair_make(".AA");
	pair.local.flags.system = FLAG_FLAGGED | FLAG_DELETED | FLAG_SEEN;
	pair.remote.flags.system = FLAG_SEEN;
	decision = decide(&pair, &policy);
	assert_false(decision.has_push || decision.has_pull);
	assert_true(decision.has_settle);
	assert_int_equal(decision.merged.system, FLAG_SEEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_message_that_was_never_synced_is_only_added),
		cmocka_unit_test(
			test_a_synced_message_follows_the_side_that_changed),
		cmocka_unit_test(test_what_is_unknown_waits),
		cmocka_unit_test(
			test_what_is_left_of_a_copy_is_removed_in_any_case),
		cmocka_unit_test(test_a_protecting_flag_beats_a_deletion),
		cmocka_unit_test(test_a_held_or_unsynced_folder_waits),
		cmocka_unit_test(test_a_read_only_mailbox_is_only_read),
		cmocka_unit_test(
			test_without_the_barriers_nothing_is_removed_or_added),
		cmocka_unit_test(test_only_a_lost_uid_stops_a_pair),
		cmocka_unit_test(
			test_what_is_on_neither_side_is_not_held_for_ever),
		cmocka_unit_test(test_flags_go_both_ways_and_along_with_a_move),
		cmocka_unit_test(test_equal_sides_are_only_recorded),
		cmocka_unit_test(test_what_is_held_for_nothing_is_released),
		cmocka_unit_test(
			test_a_flag_one_side_cannot_store_stays_on_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
