#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "state_sample.h"

#define MODEL_SIZE     200 /* mids 1 to this */
#define FOLDER_COUNT   3
#define UID_MAX        120
#define NAME_COUNT     120
#define INODE_COUNT    100
#define OPERATION_GOAL 100000

/* The naive model: an array, searched from end to end. */
struct model {
	bool is_there[MODEL_SIZE + 1];
	struct pair pairs[MODEL_SIZE + 1];
};

/* Names are constant, so that pairs of the model can be copied. */
static char names[NAME_COUNT][40];

static bool has_uid(const struct pair *pair)
{
	return pair->remote.uid != 0 &&
		(pair->remote.presence == PRESENCE_PRESENT ||
			pair->remote.presence == PRESENCE_UNKNOWN);
}

static const struct pair *model_by_uid(
	const struct model *model, uint32_t folder_id, uint32_t uid)
{
	for (size_t i = 1; i <= MODEL_SIZE; i++) {
		const struct pair *pair = &model->pairs[i];

		if (model->is_there[i] && has_uid(pair) &&
			pair->remote.folder_id == folder_id &&
			pair->remote.uid == uid)
			return pair;
	}
	return NULL;
}

static bool same_unique(const char *a, const char *b)
{
	size_t size = pair_unique_size(a);

	return size == pair_unique_size(b) && memcmp(a, b, size) == 0;
}

static const struct pair *model_by_unique(
	const struct model *model, uint32_t folder_id, const char *name)
{
	for (size_t i = 1; i <= MODEL_SIZE; i++) {
		const struct pair *pair = &model->pairs[i];

		if (model->is_there[i] && pair->local.name != NULL &&
			pair->local.folder_id == folder_id &&
			same_unique(pair->local.name, name))
			return pair;
	}
	return NULL;
}

static const struct pair *model_by_inode(
	const struct model *model, uint64_t device, uint64_t inode)
{
	const struct pair *first = NULL;

	for (size_t i = 1; i <= MODEL_SIZE; i++) {
		const struct pair *pair = &model->pairs[i];

		if (!model->is_there[i] || pair->local.inode == 0 ||
			pair->local.inode != inode ||
			pair->local.device != device)
			continue;
		if (pair->local.presence == PRESENCE_PRESENT ||
			pair->local.presence == PRESENCE_UNKNOWN)
			return pair;
		if (first == NULL)
			first = pair;
	}
	return first;
}

static struct pair random_pair(struct sample_random *random, uint64_t mid)
{
	struct pair pair = { .mid = mid };

	pair.synced.is_set = sample_chance(random, 70);
	pair.synced.folder_id = (uint32_t)sample_below(random, FOLDER_COUNT);
	pair.synced.flags.system = (uint32_t)sample_below(random, 2);
	pair.remote.presence = (enum presence)sample_below(random, 4);
	pair.remote.folder_id = (uint32_t)sample_below(random, FOLDER_COUNT);
	pair.remote.uid = (uint32_t)sample_below(random, UID_MAX);
	pair.remote.flags.system = (uint32_t)sample_below(random, 2);
	pair.local.presence = (enum presence)sample_below(random, 4);
	pair.local.folder_id = pair.remote.folder_id;
	pair.local.flags = pair.remote.flags;
	if (sample_chance(random, 80))
		pair.local.name = names[sample_below(random, NAME_COUNT)];
	pair.local.device = sample_below(random, 2);
	pair.local.inode = sample_below(random, INODE_COUNT);
	pair.content.size = sample_below(random, 100000);
	if (sample_chance(random, 20))
		pair.reason = "a reason that makes the record longer";
	return pair;
}

static bool is_free_for(const struct model *model, const struct pair *pair)
{
	const struct pair *other =
		model_by_uid(model, pair->remote.folder_id, pair->remote.uid);

	if (has_uid(pair) && other != NULL && other->mid != pair->mid)
		return false;
	if (pair->local.name == NULL)
		return true;
	other = model_by_unique(model, pair->local.folder_id, pair->local.name);
	return other == NULL || other->mid == pair->mid;
}

static void operate(
	struct sample_random *random, struct model *model, struct state *state)
{
	uint64_t mid = 1 + sample_below(random, MODEL_SIZE);
	struct pair pair = random_pair(random, mid);

	if (sample_chance(random, 15)) {
		state_pair_delete(state, mid);
		model->is_there[mid] = false;
		return;
	}
	if (!is_free_for(model, &pair))
		return;
	state_pair_put(state, &pair);
	model->pairs[mid] = pair;
	model->is_there[mid] = true;
}

static void compare(
	bool is_there, const struct pair *read, const struct pair *expected)
{
	assert_int_equal(is_there, expected != NULL);
	if (is_there)
		assert_true(sample_pairs_equal(read, expected));
}

static void compare_lookups(struct sample_random *random,
	const struct model *model, struct state *state, struct arena *arena)
{
	uint64_t mid = 1 + sample_below(random, MODEL_SIZE);
	uint32_t folder_id = (uint32_t)sample_below(random, FOLDER_COUNT);
	uint32_t uid = 1 + (uint32_t)sample_below(random, UID_MAX);
	const char *name = names[sample_below(random, NAME_COUNT)];
	uint64_t inode = 1 + sample_below(random, INODE_COUNT);
	struct pair read;
	bool is_there = state_pair_get(state, mid, arena, &read);

	compare(is_there, &read,
		model->is_there[mid] ? &model->pairs[mid] : NULL);
	is_there = state_pair_by_uid(state, folder_id, uid, arena, &read);
	compare(is_there, &read, model_by_uid(model, folder_id, uid));
	is_there = state_pair_by_unique(state, folder_id, name, arena, &read);
	compare(is_there, &read, model_by_unique(model, folder_id, name));
	is_there = state_pair_by_inode(state, 1, inode, arena, &read);
	compare(is_there, &read, model_by_inode(model, 1, inode));
	arena_reset(arena);
}

static void compare_counts(const struct model *model, struct state *state)
{
	uint64_t unsettled_count = 0;
	uint64_t remote_counts[FOLDER_COUNT] = { 0 };
	uint64_t local_counts[FOLDER_COUNT] = { 0 };

	for (size_t i = 1; i <= MODEL_SIZE; i++) {
		const struct pair *pair = &model->pairs[i];

		if (!model->is_there[i])
			continue;
		unsettled_count += !pair_is_settled(pair);
		if (pair->remote.presence == PRESENCE_PRESENT)
			remote_counts[pair->remote.folder_id]++;
		if (pair->local.presence == PRESENCE_PRESENT)
			local_counts[pair->local.folder_id]++;
	}
	assert_int_equal(state_unsettled_count(state), unsettled_count);
	for (uint32_t i = 0; i < FOLDER_COUNT; i++) {
		assert_int_equal(
			state_folder_remote_count(state, i), remote_counts[i]);
		assert_int_equal(
			state_folder_local_count(state, i), local_counts[i]);
	}
}

static void compare_folder_walks(const struct model *model, struct state *state,
	uint32_t folder_id, struct arena *arena)
{
	struct state_cursor cursor = { 0 };
	struct uid_set uids = { 0 };
	struct pair read;
	uint32_t uid = 0;
	size_t name_count = 0;

	state_folder_uids(state, folder_id, &uids);
	while (state_next_by_uid(state, folder_id, &cursor, arena, &read)) {
		for (uid++; uid < read.remote.uid; uid++)
			assert_null(model_by_uid(model, folder_id, uid));
		compare(true, &read, model_by_uid(model, folder_id, uid));
		assert_true(uid_set_contains(&uids, uid));
		uid_set_remove_range(&uids, uid, uid);
	}
	assert_true(uid_set_is_empty(&uids));
	for (uid++; uid <= UID_MAX; uid++)
		assert_null(model_by_uid(model, folder_id, uid));

	cursor = (struct state_cursor){ 0 };
	while (state_next_by_unique(state, folder_id, &cursor, arena, &read)) {
		compare(true, &read,
			model_by_unique(model, folder_id, read.local.name));
		name_count++;
	}
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (model_by_unique(model, folder_id, names[i]) != NULL)
			name_count--;
	assert_int_equal(name_count, 0);
	uid_set_finish(&uids);
	arena_reset(arena);
}

static void compare_walks(
	const struct model *model, struct state *state, struct arena *arena)
{
	struct state_cursor all = { 0 };
	struct state_cursor unsettled = { 0 };
	struct pair read;

	for (uint64_t mid = 1; mid <= MODEL_SIZE; mid++) {
		if (!model->is_there[mid])
			continue;
		assert_true(state_next_pair(state, &all, arena, &read));
		compare(true, &read, &model->pairs[mid]);
		if (pair_is_settled(&model->pairs[mid]))
			continue;
		assert_true(
			state_next_unsettled(state, &unsettled, arena, &read));
		compare(true, &read, &model->pairs[mid]);
	}
	assert_false(state_next_pair(state, &all, arena, &read));
	assert_false(state_next_unsettled(state, &unsettled, arena, &read));
	for (uint32_t i = 0; i < FOLDER_COUNT; i++)
		compare_folder_walks(model, state, i, arena);
}

/* One transaction; one in ten is taken back. */
static unsigned run_batch(struct sample_random *random, struct model *model,
	struct state *state, struct arena *arena)
{
	unsigned count = 1 + (unsigned)sample_below(random, 400);
	struct model before = *model;

	sample_begin(state);
	for (unsigned i = 0; i < count; i++)
		operate(random, model, state);
	compare_lookups(random, model, state, arena);
	compare_counts(model, state);
	if (sample_chance(random, 10)) {
		state_abort(state);
		*model = before;
	} else {
		sample_commit(state);
	}
	for (unsigned i = 0; i < 10; i++)
		compare_lookups(random, model, state, arena);
	compare_counts(model, state);
	return count;
}

static void test_the_indexes_agree_with_a_naive_model(void **fixture)
{
	struct sample_random random = { 7 };
	static struct model model;
	struct arena arena = { 0 };
	char *path = sample_path();
	struct state *state = sample_open(path);
	unsigned done_count = 0;

	(void)fixture;
	for (unsigned i = 0; i < NAME_COUNT; i++)
		(void)snprintf(names[i], sizeof(names[i]), "%u.R%u.host%s", i,
			i * 7, i % 3 == 0 ? ":2,S" : "");
	for (unsigned batch = 0; done_count < OPERATION_GOAL; batch++) {
		done_count += run_batch(&random, &model, state, &arena);
		if (batch % 25 != 0)
			continue;
		compare_walks(&model, state, &arena);
		sample_check(state);
		state_close(state);
		state = sample_open(path);
	}
	compare_walks(&model, state, &arena);
	sample_check(state);
	state_close(state);
	sample_remove(path);
	arena_finish(&arena);
}

/* Fixture: a state with the settled pairs 1 to 10. */

struct ten {
	char *path;
	struct state *state;
	struct arena arena;
};

static int set_up(void **fixture)
{
	struct ten *ten = alloc(1, sizeof(*ten));

	ten->path = sample_path();
	ten->state = sample_open(ten->path);
	sample_begin(ten->state);
	for (unsigned i = 1; i <= 10; i++) {
		struct pair pair = sample_settled(
			&ten->arena, state_pair_new_mid(ten->state));

		assert_int_equal(pair.mid, i);
		state_pair_put(ten->state, &pair);
	}
	sample_commit(ten->state);
	*fixture = ten;
	return 0;
}

static int tear_down(void **fixture)
{
	struct ten *ten = *fixture;

	sample_check(ten->state);
	state_close(ten->state);
	sample_remove(ten->path);
	arena_finish(&ten->arena);
	free(ten);
	return 0;
}

static void expect_failure(struct state *state, enum error_code code)
{
	struct error error = { 0 };

	assert_false(state_commit(state, &error));
	assert_int_equal(error.code, code);
	(void)state_read_error(state, NULL);
}

static void test_a_second_pair_with_the_uid_fails_the_transaction(
	void **fixture)
{
	struct ten *ten = *fixture;
	struct pair pair = sample_settled(&ten->arena, 11);
	struct pair read;

	pair.remote.uid = 3;
	sample_begin(ten->state);
	state_pair_put(ten->state, &pair);
	expect_failure(ten->state, ERROR_CORRUPT);
	assert_false(state_pair_get(ten->state, 11, &ten->arena, &read));
	assert_true(state_pair_by_uid(ten->state, 1, 3, &ten->arena, &read));
	assert_int_equal(read.mid, 3);
}

static void test_a_second_pair_with_the_name_fails_the_transaction(
	void **fixture)
{
	struct ten *ten = *fixture;
	struct pair pair = sample_settled(&ten->arena, 11);
	struct pair third = sample_settled(&ten->arena, 3);

	pair.local.name = third.local.name;
	sample_begin(ten->state);
	state_pair_put(ten->state, &pair);
	expect_failure(ten->state, ERROR_CORRUPT);

	/* In another folder it is another name. */
	pair.local.folder_id = 2;
	sample_begin(ten->state);
	state_pair_put(ten->state, &pair);
	sample_commit(ten->state);
}

static void test_a_uid_is_handed_over_by_giving_it_up_first(void **fixture)
{
	struct ten *ten = *fixture;
	struct pair old = sample_settled(&ten->arena, 3);
	struct pair new = sample_settled(&ten->arena, 11);
	struct pair read;

	old.remote.uid = 0;
	old.remote.presence = PRESENCE_NEVER;
	new.remote.uid = 3;
	sample_begin(ten->state);
	state_pair_put(ten->state, &old);
	state_pair_put(ten->state, &new);
	sample_commit(ten->state);
	assert_true(state_pair_by_uid(ten->state, 1, 3, &ten->arena, &read));
	assert_int_equal(read.mid, 11);
}

static void test_nothing_of_a_failed_transaction_happens(void **fixture)
{
	struct ten *ten = *fixture;
	char name[257] = { 0 };
	struct pair good = sample_settled(&ten->arena, 11);
	struct pair bad = sample_settled(&ten->arena, 12);
	struct pair read;

	memset(name, 'x', 256);
	bad.local.name = name;
	sample_begin(ten->state);
	state_pair_put(ten->state, &good);
	assert_true(state_pair_get(ten->state, 11, &ten->arena, &read));
	state_pair_put(ten->state, &bad);
	/* From here on writes do nothing, also good ones. */
	state_pair_delete(ten->state, 1);
	state_meta_put(ten->state, "x", "y", 1);
	assert_false(state_pair_get(ten->state, 1, &ten->arena, &read));
	expect_failure(ten->state, ERROR_LIMIT);

	assert_false(state_is_writing(ten->state));
	assert_false(state_pair_get(ten->state, 11, &ten->arena, &read));
	assert_true(state_pair_get(ten->state, 1, &ten->arena, &read));
	assert_int_equal(state_folder_local_count(ten->state, 1), 10);
	sample_begin(ten->state);
	state_pair_put(ten->state, &good);
	sample_commit(ten->state);
	assert_int_equal(state_folder_local_count(ten->state, 1), 11);
}

static void test_an_aborted_mid_is_not_given_out_again(void **fixture)
{
	struct ten *ten = *fixture;
	uint64_t mid;

	sample_begin(ten->state);
	mid = state_pair_new_mid(ten->state);
	state_abort(ten->state);
	sample_begin(ten->state);
	assert_true(state_pair_new_mid(ten->state) > mid);
	sample_commit(ten->state);

	mid = state_pair_new_mid(ten->state);
	sample_begin(ten->state);
	sample_commit(ten->state);
	state_close(ten->state);
	ten->state = sample_open(ten->path);
	assert_true(state_pair_new_mid(ten->state) > mid);
}

static void test_walks_go_on_while_the_state_is_written(void **fixture)
{
	struct ten *ten = *fixture;
	struct state_cursor by_uid = { 0 }, by_name = { 0 }, unsettled = { 0 };
	struct pair pair;
	unsigned count = 0;

	while (state_next_by_uid(ten->state, 1, &by_uid, &ten->arena, &pair)) {
		assert_int_equal(pair.mid, ++count);
		sample_begin(ten->state);
		pair.hold = HOLD_REFUSED;
		state_pair_put(ten->state, &pair);
		sample_commit(ten->state);
	}
	assert_int_equal(count, 10);

	/* What is deleted under the cursor is no trouble. */
	while (state_next_by_unique(
		ten->state, 1, &by_name, &ten->arena, &pair)) {
		sample_begin(ten->state);
		if (pair.mid % 2 == 0)
			state_pair_delete(ten->state, pair.mid);
		sample_commit(ten->state);
		count--;
	}
	assert_int_equal(count, 0);

	/* Inside one transaction too; settling takes them off the list. */
	sample_begin(ten->state);
	while (state_next_unsettled(
		ten->state, &unsettled, &ten->arena, &pair)) {
		pair.hold = HOLD_NONE;
		state_pair_put(ten->state, &pair);
		count++;
	}
	sample_commit(ten->state);
	assert_int_equal(count, 5);
	assert_int_equal(state_unsettled_count(ten->state), 0);
}

static void test_a_planned_name_is_found_before_its_file_is_there(
	void **fixture)
{
	struct ten *ten = *fixture;
	struct pair pair = { .mid = 20 };
	struct pair read;

	pair.local.folder_id = 1;
	pair.local.name = "1700000000.Rabc.host";
	sample_begin(ten->state);
	state_pair_put(ten->state, &pair);
	sample_commit(ten->state);
	assert_true(state_pair_by_unique(ten->state, 1,
		"1700000000.Rabc.host:2,FS", &ten->arena, &read));
	assert_int_equal(read.mid, 20);
	assert_false(state_pair_by_unique(
		ten->state, 1, "1700000000.Rab", &ten->arena, &read));
	assert_int_equal(state_folder_local_count(ten->state, 1), 10);
}

#define WITH_TEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_indexes_agree_with_a_naive_model),
		WITH_TEN(test_a_second_pair_with_the_uid_fails_the_transaction),
		WITH_TEN(
			test_a_second_pair_with_the_name_fails_the_transaction),
		WITH_TEN(test_a_uid_is_handed_over_by_giving_it_up_first),
		WITH_TEN(test_nothing_of_a_failed_transaction_happens),
		WITH_TEN(test_an_aborted_mid_is_not_given_out_again),
		WITH_TEN(test_walks_go_on_while_the_state_is_written),
		WITH_TEN(test_a_planned_name_is_found_before_its_file_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
