/* Every state of one message, carried out on a model until nothing is left to
   do: two folders, absent, unknown, never; with every combination of a flag
   that protects, one that does not, and \Deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/compiler.h"
#include "syncd/reconciler/merge.h"
#include "syncd/reconciler/plan.h"

#define ROUND_COUNT_MAX 200
#define CLASS_COUNT     8 /* combinations of the three flags */
#define PAIR_COUNT      (CLASS_COUNT * CLASS_COUNT * CLASS_COUNT)
#define FOLDER_COUNT    2
#define PLACE_COUNT     5

static const uint32_t CLASSES[] = { FLAG_FLAGGED, FLAG_SEEN, FLAG_DELETED };

enum place {
	NEVER,
	IN_A,
	IN_B,
	ABSENT,
	UNKNOWN
};

struct setting {
	bool deletion_wins;
	bool is_read_only[FOLDER_COUNT];
	bool remote_is_complete, local_is_complete;
	uint32_t remote_mask, local_mask; /* system flags */
	bool is_discard;                  /* the second folder is the trash */
};

struct model {
	struct arena arena;
	const struct setting *setting;
	struct folder_policy folders[FOLDER_COUNT];
	struct policy policy;
	struct pair before[PAIR_COUNT];
	struct pair pairs[PAIR_COUNT];
	bool is_forgotten[PAIR_COUNT];
	bool is_deleted[PAIR_COUNT]; /* a removal was carried out */
	uint64_t seed;
};

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *seed >> 33;
}

static struct flags flags_of(unsigned combination)
{
	struct flags flags = { 0 };

	for (unsigned i = 0; i < ARRAY_LENGTH(CLASSES); i++)
		if ((combination >> i & 1) != 0)
			flags.system |= CLASSES[i];
	return flags;
}

static enum presence presence_of(enum place place)
{
	switch (place) {
	case NEVER:
		return PRESENCE_NEVER;
	case IN_A:
	case IN_B:
		return PRESENCE_PRESENT;
	case ABSENT:
		return PRESENCE_ABSENT;
	case UNKNOWN:
		break;
	}
	return PRESENCE_UNKNOWN;
}

static void model_start(struct model *model, const struct setting *setting)
{
	model->setting = setting;
	model->seed = 1;
	for (uint32_t i = 0; i < FOLDER_COUNT; i++)
		model->folders[i] = (struct folder_policy){
			.folder_id = i + 1,
			.remote_mask.system = setting->remote_mask,
			.local_mask.system = setting->local_mask,
			.is_remote_writable = !setting->is_read_only[i],
			.is_discard = i == 1 && setting->is_discard,
		};
	model->policy = (struct policy){
		.folders = model->folders,
		.folder_count = FOLDER_COUNT,
		.deletion_wins = setting->deletion_wins,
		.delete_percent = 100,
		.remote_is_complete = setting->remote_is_complete,
		.local_is_complete = setting->local_is_complete,
	};
}

/* One place for each side; the pairs are all combinations of flags. What a
   side cannot store it does not hold. */
static void model_place(struct model *model, unsigned synced, enum place local,
	enum place remote)
{
	for (unsigned i = 0; i < PAIR_COUNT; i++) {
		struct pair *pair = &model->before[i];

		*pair = (struct pair){ .mid = i + 1 };
		pair->synced.is_set = synced != 0;
		pair->synced.folder_id = synced;
		if (synced != 0)
			pair->synced.flags = flags_of(i % CLASS_COUNT);
		pair->local.presence = presence_of(local);
		pair->local.folder_id = local;
		pair->local.flags = flags_of(i / CLASS_COUNT % CLASS_COUNT);
		pair->local.flags.system &= model->setting->local_mask;
		pair->remote.presence = presence_of(remote);
		pair->remote.folder_id = remote;
		pair->remote.uid = i + 1;
		pair->remote.flags =
			flags_of(i / CLASS_COUNT / CLASS_COUNT % CLASS_COUNT);
		pair->remote.flags.system &= model->setting->remote_mask;
		model->pairs[i] = *pair;
		model->is_forgotten[i] = false;
		model->is_deleted[i] = false;
	}
}

static void check_writable(const struct model *model, uint32_t folder_id)
{
	assert_false(model->setting->is_read_only[folder_id - 1]);
}

static void carry_out_local(
	struct local_state *local, const struct operation *operation)
{
	switch ((int)operation->kind) {
	case OPERATION_MOVE_LOCAL:
		assert_int_equal(local->presence, PRESENCE_PRESENT);
		assert_int_equal(local->folder_id, operation->folder_id);
		local->folder_id = operation->to_folder_id;
		break;
	case OPERATION_DOWNLOAD:
		assert_int_not_equal(local->presence, PRESENCE_PRESENT);
		local->presence = PRESENCE_PRESENT;
		local->folder_id = operation->folder_id;
		local->flags = operation->merged;
		break;
	case OPERATION_FLAG_LOCAL:
		assert_int_equal(local->folder_id, operation->folder_id);
		local->flags = operation->merged;
		break;
	case OPERATION_DELETE_LOCAL:
		assert_int_equal(local->presence, PRESENCE_PRESENT);
		assert_int_equal(local->folder_id, operation->folder_id);
		local->presence = PRESENCE_ABSENT;
		break;
	}
}

static void carry_out_remote(const struct model *model,
	struct remote_state *remote, const struct operation *operation)
{
	check_writable(model, operation->folder_id);
	switch ((int)operation->kind) {
	case OPERATION_MOVE_REMOTE:
		check_writable(model, operation->to_folder_id);
		assert_int_equal(remote->presence, PRESENCE_PRESENT);
		assert_int_equal(remote->folder_id, operation->folder_id);
		remote->folder_id = operation->to_folder_id;
		break;
	case OPERATION_UPLOAD:
		assert_int_not_equal(remote->presence, PRESENCE_PRESENT);
		remote->presence = PRESENCE_PRESENT;
		remote->folder_id = operation->folder_id;
		remote->flags = operation->merged;
		break;
	case OPERATION_FLAG_REMOTE:
		assert_int_equal(remote->folder_id, operation->folder_id);
		remote->flags = flags_or(&remote->flags, &operation->add);
		remote->flags =
			flags_without(&remote->flags, &operation->remove);
		assert_true(flags_equal(&remote->flags, &operation->merged));
		break;
	case OPERATION_DELETE_REMOTE:
		assert_int_equal(remote->presence, PRESENCE_PRESENT);
		assert_int_equal(remote->folder_id, operation->folder_id);
		remote->presence = PRESENCE_ABSENT;
		break;
	}
}

static void check_masks(
	const struct model *model, const struct operation *operation)
{
	uint32_t changed = operation->add.system | operation->remove.system;

	assert_int_equal(changed & ~model->setting->remote_mask, 0);
	if (operation->kind == OPERATION_UPLOAD)
		assert_int_equal(
			operation->merged.system & ~model->setting->remote_mask,
			0);
	if (operation->kind == OPERATION_DOWNLOAD ||
		operation->kind == OPERATION_FLAG_LOCAL)
		assert_int_equal(
			operation->merged.system & ~model->setting->local_mask,
			0);
}

/* A removal needs the proof that the other side has it no more, and that both
   had it once. */
static void check_removal(const struct model *model, size_t index)
{
	const struct pair *pair = &model->before[index];

	assert_true(pair->synced.is_set);
	assert_int_not_equal(pair->local.presence, PRESENCE_UNKNOWN);
	assert_int_not_equal(pair->remote.presence, PRESENCE_UNKNOWN);
}

static void carry_out(struct model *model, const struct operation *operation)
{
	size_t index = (size_t)(operation->pair->mid - 1);
	struct pair *pair = &model->pairs[index];

	check_masks(model, operation);
	switch (operation->kind) {
	case OPERATION_SETTLE:
		pair->synced.is_set = true;
		pair->synced.folder_id = operation->folder_id;
		pair->synced.flags = operation->merged;
		return;
	case OPERATION_FORGET:
		model->is_forgotten[index] = true;
		return;
	case OPERATION_DELETE_LOCAL:
		assert_int_equal(pair->remote.presence, PRESENCE_ABSENT);
		assert_true(model->setting->remote_is_complete);
		model->is_deleted[index] = true;
		check_removal(model, index);
		carry_out_local(&pair->local, operation);
		break;
	case OPERATION_MOVE_LOCAL:
	case OPERATION_DOWNLOAD:
	case OPERATION_FLAG_LOCAL:
		carry_out_local(&pair->local, operation);
		break;
	case OPERATION_DELETE_REMOTE:
		assert_int_equal(pair->local.presence, PRESENCE_ABSENT);
		assert_true(model->setting->local_is_complete);
		model->is_deleted[index] = true;
		check_removal(model, index);
		carry_out_remote(model, &pair->remote, operation);
		break;
	case OPERATION_MOVE_REMOTE:
	case OPERATION_UPLOAD:
	case OPERATION_FLAG_REMOTE:
		carry_out_remote(model, &pair->remote, operation);
		break;
	}
	(void)decide_agreement(pair, &model->policy, &pair->synced);
}

static void shuffle(
	struct model *model, struct operation *operations, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = (size_t)(random_next(&model->seed) % i);
		struct operation swapped = operations[i - 1];

		operations[i - 1] = operations[other];
		operations[other] = swapped;
	}
}

static size_t run_round(struct model *model)
{
	const struct pair *pointers[PAIR_COUNT];
	struct operation *operations;
	size_t count = 0, first = 0;
	struct plan plan;

	for (size_t i = 0; i < PAIR_COUNT; i++)
		if (!model->is_forgotten[i])
			pointers[count++] = &model->pairs[i];
	arena_reset(&model->arena);
	plan = plan_make(&model->arena, pointers, count, &model->policy, 0);
	if (plan.operation_count == 0)
		return 0;
	operations = arena_copy(&model->arena, plan.operations,
		plan.operation_count * sizeof(struct operation));
	for (size_t kind = 0; kind < OPERATION_KIND_COUNT; kind++) {
		shuffle(model, &operations[first], plan.stage_count[kind]);
		first += plan.stage_count[kind];
	}
	assert_int_equal(first, plan.operation_count);
	for (size_t i = 0; i < plan.operation_count; i++)
		carry_out(model, &operations[i]);
	return plan.operation_count;
}

static void run_until_quiet(struct model *model)
{
	for (unsigned round = 0; round < ROUND_COUNT_MAX; round++)
		if (run_round(model) == 0)
			return;
	fail_msg("no end");
}

static bool is_there(enum place place)
{
	return place == IN_A || place == IN_B;
}

static void check_both_equal(const struct pair *pair)
{
	assert_int_equal(pair->local.presence, PRESENCE_PRESENT);
	assert_int_equal(pair->remote.presence, PRESENCE_PRESENT);
	assert_true(pair_is_settled(pair));
}

/* Each flag ends as the side says that changed it. */
static void check_flags(const struct pair *before, const struct pair *after)
{
	const struct flags *synced = &before->synced.flags;
	struct flags expected = before->synced.is_set
		? merge_flags(
			  synced, &before->remote.flags, &before->local.flags)
		: merge_flags_first(
			  &before->remote.flags, &before->local.flags);

	assert_int_equal(after->local.flags.system, expected.system);
}

static void check_both_there(
	const struct pair *before, const struct pair *after)
{
	const struct synced_state *synced = &before->synced;
	uint32_t expected = before->remote.folder_id;

	/* Moved here only: the server follows; else the server's place. */
	if (synced->is_set && synced->folder_id == before->remote.folder_id)
		expected = before->local.folder_id;
	check_both_equal(after);
	assert_int_equal(after->local.folder_id, expected);
	check_flags(before, after);
}

static void check_one_gone(
	const struct model *model, size_t index, bool is_remote_gone)
{
	const struct pair *before = &model->before[index];
	const struct pair *after = &model->pairs[index];
	const struct flags *flags =
		is_remote_gone ? &before->local.flags : &before->remote.flags;
	uint32_t folder_id = is_remote_gone ? before->local.folder_id
					    : before->remote.folder_id;
	bool is_moved = folder_id != before->synced.folder_id;
	bool is_protected =
		is_moved || merge_is_protecting(&before->synced.flags, flags);

	if (is_protected && !model->setting->deletion_wins) {
		check_both_equal(after);
		assert_int_equal(after->local.folder_id, folder_id);
		assert_true(flags_equal(&after->local.flags, flags));
		assert_false(model->is_deleted[index]);
	} else {
		assert_true(model->is_forgotten[index]);
		assert_true(model->is_deleted[index]);
	}
}

/* The final state, from the state before, in a world where all is allowed. */
static void check_outcome(const struct model *model, size_t index)
{
	const struct pair *before = &model->before[index];
	const struct pair *after = &model->pairs[index];
	bool here = before->local.presence == PRESENCE_PRESENT;
	bool there = before->remote.presence == PRESENCE_PRESENT;

	if (here && there) {
		check_both_there(before, after);
	} else if (!here && !there) {
		assert_true(model->is_forgotten[index]);
	} else if (before->synced.is_set) {
		check_one_gone(model, index, here);
	} else {
		check_both_equal(after);
		assert_true(flags_equal(&after->local.flags,
			here ? &before->local.flags : &before->remote.flags));
		assert_false(model->is_deleted[index]);
	}
}

static void check_untouched(const struct model *model, size_t index)
{
	assert_false(model->is_forgotten[index]);
	assert_memory_equal(&model->before[index], &model->pairs[index],
		sizeof(struct pair));
}

/* Synced once and never there: the records contradict each other. */
static bool waits(unsigned synced, enum place local, enum place remote)
{
	return local == UNKNOWN || remote == UNKNOWN ||
		(synced != 0 && (local == NEVER || remote == NEVER));
}

static void for_each_place(struct model *model,
	void (*check)(const struct model *, unsigned, enum place, enum place))
{
	for (unsigned synced = 0; synced <= FOLDER_COUNT; synced++) {
		for (int i = 0; i < PLACE_COUNT * PLACE_COUNT; i++) {
			enum place local = (enum place)(i / PLACE_COUNT);
			enum place remote = (enum place)(i % PLACE_COUNT);

			model_place(model, synced, local, remote);
			run_until_quiet(model);
			check(model, synced, local, remote);
		}
	}
}

static void check_all_allowed(const struct model *model, unsigned synced,
	enum place local, enum place remote)
{
	for (size_t i = 0; i < PAIR_COUNT; i++) {
		if (waits(synced, local, remote))
			check_untouched(model, i);
		else
			check_outcome(model, i);
	}
}

/* Whatever the policy: nothing unknown is touched, nothing is deleted that was
   not deleted on one side, and no copy vanishes without a deletion. */
static void check_nothing_lost(const struct model *model, unsigned synced,
	enum place local, enum place remote)
{
	for (size_t i = 0; i < PAIR_COUNT; i++) {
		const struct pair *pair = &model->pairs[i];

		if (waits(synced, local, remote)) {
			check_untouched(model, i);
			continue;
		}
		if (is_there(local) && is_there(remote))
			assert_false(model->is_deleted[i]);
		if (model->is_deleted[i])
			continue;
		if (is_there(local))
			assert_int_equal(
				pair->local.presence, PRESENCE_PRESENT);
		if (is_there(remote))
			assert_int_equal(
				pair->remote.presence, PRESENCE_PRESENT);
	}
}

/* What both can store is equal; the rest is where it was. */
static void check_masked(const struct model *model, unsigned synced,
	enum place local, enum place remote)
{
	const struct setting *setting = model->setting;
	uint32_t common = setting->remote_mask & setting->local_mask;

	check_nothing_lost(model, synced, local, remote);
	if (waits(synced, local, remote) || !is_there(local) ||
		!is_there(remote))
		return;
	for (size_t i = 0; i < PAIR_COUNT; i++) {
		const struct pair *before = &model->before[i];
		const struct pair *after = &model->pairs[i];
		uint32_t here = after->local.flags.system;
		uint32_t there = after->remote.flags.system;

		assert_int_equal(
			after->local.folder_id, after->remote.folder_id);
		assert_int_equal(here & common, there & common);
		assert_int_equal(
			here & common, after->synced.flags.system & common);
		assert_int_equal(
			here & ~common, before->local.flags.system & ~common);
		assert_int_equal(
			there & ~common, before->remote.flags.system & ~common);
	}
}

static struct model *model_new(void)
{
	static struct model model;

	model = (struct model){ 0 };
	arena_init(&model.arena);
	return &model;
}

static const struct setting PLAIN = {
	.remote_is_complete = true,
	.local_is_complete = true,
	.remote_mask = FLAG_ALL_SYSTEM,
	.local_mask = FLAG_ALL_SYSTEM,
};

static void test_every_state_ends_equal_as_the_changes_say(void **state)
{
	struct model *model = model_new();
	struct setting setting = PLAIN;

	(void)state;
	model_start(model, &setting);
	for_each_place(model, check_all_allowed);
	setting.deletion_wins = true;
	model_start(model, &setting);
	for_each_place(model, check_all_allowed);
	arena_finish(&model->arena);
}

static void test_no_policy_or_missing_barrier_loses_anything(void **state)
{
	struct model *model = model_new();

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct setting setting = PLAIN;

		setting.deletion_wins = (i & 1) != 0;
		setting.is_read_only[0] = (i & 2) != 0;
		setting.is_read_only[1] = (i & 4) != 0;
		setting.remote_is_complete = (i & 8) != 0;
		setting.local_is_complete = (i & 16) != 0;
		setting.is_discard = (i & 32) != 0;
		model_start(model, &setting);
		for_each_place(model, check_nothing_lost);
	}
	arena_finish(&model->arena);
}

static void test_flags_that_a_side_cannot_store_stay_on_the_other(void **state)
{
	struct model *model = model_new();

	(void)state;
	for (unsigned i = 0; i < CLASS_COUNT * CLASS_COUNT; i++) {
		struct setting setting = PLAIN;

		setting.remote_mask = flags_of(i % CLASS_COUNT).system;
		setting.local_mask = flags_of(i / CLASS_COUNT).system;
		model_start(model, &setting);
		for_each_place(model, check_masked);
	}
	arena_finish(&model->arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_every_state_ends_equal_as_the_changes_say),
		cmocka_unit_test(
			test_no_policy_or_missing_barrier_loses_anything),
		cmocka_unit_test(
			test_flags_that_a_side_cannot_store_stay_on_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
