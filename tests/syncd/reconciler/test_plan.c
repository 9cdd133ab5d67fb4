#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/compiler.h"
#include "syncd/reconciler/plan.h"

#define PAIR_COUNT    200
#define MESSAGE_COUNT 100 /* in each folder */
#define NOW           1000

static const struct flags ALL = {
	.keywords = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
	.system = FLAG_ALL_SYSTEM,
};

struct fixture {
	struct arena arena;
	struct folder_policy folders[2]; /* 1 and 2 */
	struct policy policy;
	struct pair pairs[PAIR_COUNT];
	const struct pair *pointers[PAIR_COUNT];
	size_t count;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ 0 };
	for (uint32_t i = 0; i < 2; i++)
		fixture.folders[i] = (struct folder_policy){
			.folder_id = i + 1,
			.remote_mask = ALL,
			.local_mask = ALL,
			.is_remote_writable = true,
			.pair_count = MESSAGE_COUNT,
		};
	fixture.policy = (struct policy){
		.folders = fixture.folders,
		.folder_count = 2,
		.delete_percent = 50,
		.remote_is_complete = true,
		.local_is_complete = true,
	};
	arena_init(&fixture.arena);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	arena_finish(&fixture->arena);
	return 0;
}

/* 0 = absent */
static struct pair *add_pair(struct fixture *fixture, uint32_t synced_folder,
	uint32_t local_folder, uint32_t remote_folder)
{
	struct pair *pair = &fixture->pairs[fixture->count];

	fixture->pointers[fixture->count++] = pair;
	pair->mid = fixture->count;
	pair->synced.is_set = synced_folder != 0;
	pair->synced.folder_id = synced_folder;
	pair->local.folder_id = local_folder;
	pair->local.presence =
		local_folder != 0 ? PRESENCE_PRESENT : PRESENCE_ABSENT;
	pair->remote.folder_id = remote_folder;
	pair->remote.presence =
		remote_folder != 0 ? PRESENCE_PRESENT : PRESENCE_ABSENT;
	pair->remote.uid = (uint32_t)(1000 - fixture->count);
	return pair;
}

static struct plan make(struct fixture *fixture)
{
	return plan_make(&fixture->arena, fixture->pointers, fixture->count,
		&fixture->policy, NOW);
}

static void test_operations_come_by_stage_folder_and_uid(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan;
	size_t total = 0;

	add_pair(fixture, 1, 0, 1); /* delete remote */
	add_pair(fixture, 2, 0, 2);
	add_pair(fixture, 1, 0, 1);
	add_pair(fixture, 1, 1, 0); /* delete local */
	add_pair(fixture, 0, 2, 0); /* upload */
	add_pair(fixture, 0, 1, 0);
	add_pair(fixture, 0, 0, 1); /* download */
	add_pair(fixture, 1, 2, 1); /* move remote */
	add_pair(fixture, 1, 1, 2); /* move local, both flags */
	add_pair(fixture, 1, 1, 1); /* nothing */
	add_pair(fixture, 1, 2, 2); /* settle */
	add_pair(fixture, 1, 0, 0); /* forget */
	fixture->pairs[8].local.flags.system = FLAG_SEEN;
	fixture->pairs[8].remote.flags.system = FLAG_FLAGGED;
	plan = make(fixture);

	for (size_t i = 0; i < plan.operation_count; i++) {
		const struct operation *a = &plan.operations[i], *b = a + 1;

		total++;
		if (i + 1 == plan.operation_count)
			break;
		assert_true(a->kind <= b->kind);
		if (a->kind == b->kind)
			assert_true(a->folder_id <= b->folder_id);
		if (a->kind == b->kind && a->folder_id == b->folder_id)
			assert_true(a->pair->remote.uid < b->pair->remote.uid);
	}
	assert_int_equal(total, 13);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 3);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_LOCAL], 1);
	assert_int_equal(plan.stage_count[OPERATION_UPLOAD], 2);
	assert_int_equal(plan.stage_count[OPERATION_DOWNLOAD], 1);
	assert_int_equal(plan.stage_count[OPERATION_SETTLE], 1);
	assert_int_equal(plan.stage_count[OPERATION_FORGET], 1);
	assert_int_equal(plan.stage_count[OPERATION_FLAG_LOCAL], 1);
	assert_int_equal(plan.stage_count[OPERATION_FLAG_REMOTE], 1);
}

static struct operation find(const struct plan *plan, enum operation_kind kind)
{
	for (size_t i = 0; i < plan->operation_count; i++)
		if (plan->operations[i].kind == kind)
			return plan->operations[i];
	fail_msg("no %s", operation_kind_name(kind));
	return (struct operation){ 0 };
}

static void test_a_move_names_both_folders_and_flags_follow_it(void **state)
{
	struct fixture *fixture = *state;
	struct pair *pair = add_pair(fixture, 1, 2, 1);
	struct operation operation;
	struct plan plan;

	pair->local.flags.system = FLAG_SEEN;
	pair->remote.flags.system = FLAG_FLAGGED;
	plan = make(fixture);
	operation = find(&plan, OPERATION_MOVE_REMOTE);
	assert_int_equal(operation.folder_id, 1);
	assert_int_equal(operation.to_folder_id, 2);
	operation = find(&plan, OPERATION_FLAG_REMOTE);
	assert_int_equal(operation.folder_id, 2);
	assert_int_equal(operation.add.system, FLAG_SEEN);
	assert_int_equal(operation.remove.system, 0);
	assert_int_equal(operation.merged.system, FLAG_SEEN | FLAG_FLAGGED);
	operation = find(&plan, OPERATION_FLAG_LOCAL);
	assert_int_equal(operation.folder_id, 2);
}

static void test_copies_carry_what_the_other_side_can_store(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan;

	fixture->folders[0].remote_mask.system = FLAG_SEEN;
	fixture->folders[0].local_mask.system = FLAG_FLAGGED;
	add_pair(fixture, 0, 1, 0)->local.flags.system =
		FLAG_SEEN | FLAG_FLAGGED;
	add_pair(fixture, 0, 0, 1)->remote.flags.system =
		FLAG_SEEN | FLAG_FLAGGED;
	plan = make(fixture);
	assert_int_equal(
		find(&plan, OPERATION_UPLOAD).merged.system, FLAG_SEEN);
	assert_int_equal(
		find(&plan, OPERATION_DOWNLOAD).merged.system, FLAG_FLAGGED);
}

static void test_a_mass_deletion_is_held_on_its_side_and_folder(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan;

	for (unsigned i = 0; i < 51; i++)
		add_pair(fixture, 1, 0, 1);
	for (unsigned i = 0; i < 10; i++)
		add_pair(fixture, 1, 1, 0);
	for (unsigned i = 0; i < 10; i++)
		add_pair(fixture, 2, 0, 2);
	add_pair(fixture, 0, 1, 0);
	plan = make(fixture);
	assert_int_equal(plan.held_count, 51);
	for (size_t i = 0; i < plan.held_count; i++) {
		assert_true(plan.held[i].is_remote);
		assert_int_equal(plan.held[i].folder_id, 1);
	}
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 10);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_LOCAL], 10);
	assert_int_equal(plan.stage_count[OPERATION_UPLOAD], 1);
	assert_int_equal(plan.operation_count, 21);

	/* More mail came, and they are half of it; a person has not spoken. */
	for (unsigned i = 0; i < 51; i++)
		fixture->pairs[i].hold = HOLD_GUARD;
	fixture->folders[0].pair_count = 1000;
	plan = make(fixture);
	assert_int_equal(plan.held_count, 51);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 10);

	/* A person let them go. */
	fixture->folders[0].is_approved = true;
	plan = make(fixture);
	assert_int_equal(plan.held_count, 0);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 61);
}

/* Without MOVE, moving a whole mailbox ends with removing all that was copied.
 */
static void test_what_is_left_of_a_copy_is_not_guarded(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan;

	for (unsigned i = 0; i < 60; i++)
		add_pair(fixture, 1, 0, 1)->local.is_leftover = true;
	plan = make(fixture);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 60);
	for (unsigned i = 0; i < 51; i++)
		add_pair(fixture, 1, 0, 1);
	plan = make(fixture);
	assert_int_equal(plan.held_count, 51);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 60);
}

static void test_deletions_of_the_last_hour_count_per_side(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan;

	for (unsigned i = 0; i < 10; i++)
		add_pair(fixture, 1, 0, 1);
	for (unsigned i = 0; i < 10; i++)
		add_pair(fixture, 1, 1, 0);
	fixture->folders[0].deleted_remote_count = 95;
	plan = make(fixture);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_REMOTE], 0);
	assert_int_equal(plan.stage_count[OPERATION_DELETE_LOCAL], 10);
	assert_int_equal(plan.held_count, 10);
}

static void test_a_refused_message_waits_for_its_time(void **state)
{
	struct fixture *fixture = *state;
	struct pair *pair = add_pair(fixture, 0, 1, 0);

	pair->hold = HOLD_REFUSED;
	pair->retry_at = NOW + 1;
	assert_int_equal(make(fixture).operation_count, 0);
	pair->retry_at = NOW;
	assert_int_equal(make(fixture).operation_count, 1);
}

/* A clock years ahead, when it was refused: nobody waits for years. */
static void test_a_time_too_far_off_has_come(void **state)
{
	struct fixture *fixture = *state;
	struct pair *pair = add_pair(fixture, 0, 1, 0);

	pair->hold = HOLD_REFUSED;
	pair->retry_at = NOW + PAIR_PAUSE_MAX_S;
	assert_int_equal(make(fixture).operation_count, 0);
	pair->retry_at = NOW + PAIR_PAUSE_MAX_S + 1;
	assert_int_equal(make(fixture).operation_count, 1);
	pair->retry_at = INT64_MAX;
	assert_int_equal(make(fixture).operation_count, 1);
}

static void test_what_is_held_for_nothing_is_released_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct pair *pair = add_pair(fixture, 1, 1, 1);

	pair->hold = HOLD_GUARD;
	pair->retry_at = NOW + 1;
	assert_int_equal(make(fixture).stage_count[OPERATION_SETTLE], 1);
}

static void test_no_pairs_no_plan(void **state)
{
	struct plan plan = make(*state);

	assert_int_equal(plan.operation_count, 0);
	assert_int_equal(plan.held_count, 0);
}

static void test_every_kind_has_a_name(void **state)
{
	(void)state;
	for (int kind = 0; kind < OPERATION_KIND_COUNT; kind++)
		assert_non_null(operation_kind_name((enum operation_kind)kind));
	assert_string_equal(
		operation_kind_name(OPERATION_MOVE_REMOTE), "move-remote");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_operations_come_by_stage_folder_and_uid, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_move_names_both_folders_and_flags_follow_it,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_copies_carry_what_the_other_side_can_store, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_mass_deletion_is_held_on_its_side_and_folder,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_left_of_a_copy_is_not_guarded, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_deletions_of_the_last_hour_count_per_side, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_refused_message_waits_for_its_time, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_time_too_far_off_has_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_held_for_nothing_is_released_at_once,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_no_pairs_no_plan, set_up, tear_down),
		cmocka_unit_test(test_every_kind_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
