/* One round of the sync: look, bind, plan, act. Binding and the checks before
   an operation are those of syncd/worker. */
#include "tests/syncd/reconciler/scene_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/reconciler/match.h"
#include "syncd/reconciler/merge.h"

#define MATCH_ROUND_COUNT_MAX 8 /* as the worker's */

static uint64_t random_below(struct model *model, uint64_t limit)
{
	model->seed = model->seed * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (model->seed >> 33) % limit;
}

/* ---- Binding ---- */

static bool role_of(const struct pair *pair, enum match_role *role_out)
{
	enum presence local = pair->local.presence;
	enum presence remote = pair->remote.presence;

	if (local == PRESENCE_PRESENT && remote == PRESENCE_NEVER)
		*role_out = MATCH_LOCAL_ARRIVAL;
	else if (remote == PRESENCE_PRESENT && local == PRESENCE_NEVER)
		*role_out = MATCH_REMOTE_ARRIVAL;
	else if (local == PRESENCE_ABSENT && remote == PRESENCE_PRESENT)
		*role_out = MATCH_LOCAL_SUSPECT;
	else if (remote == PRESENCE_ABSENT && local == PRESENCE_PRESENT)
		*role_out = MATCH_REMOTE_SUSPECT;
	else
		return false;
	return true;
}

struct cast {
	struct match_item *items;
	size_t count, capacity;
};

static void cast_add(struct model *model, struct cast *cast, struct pair *pair)
{
	struct match_item *item;
	enum match_role role;

	if (pair->mid == 0 || !role_of(pair, &role))
		return;
	item = arena_push(&model->arena, &cast->items, &cast->count,
		&cast->capacity, sizeof(*item));
	model->item_of[pair->mid] = cast->count - 1;
	item->role = role;
	item->pair = pair;
	item->folder_id =
		role == MATCH_LOCAL_ARRIVAL || role == MATCH_LOCAL_SUSPECT
		? pair->local.folder_id
		: pair->remote.folder_id;
}

static struct match_item *cast_find(const struct model *model,
	const struct cast *cast, const struct pair *pair)
{
	struct match_item *item = &cast->items[model->item_of[pair->mid]];

	CHECK(item->pair == pair && !item->is_given_up);
	return item;
}

static struct pair *own(struct model *model, const struct pair *pair)
{
	struct scene *scene = scene_of(model, pair);

	return &scene->pairs[pair - scene->pairs];
}

static void bind(struct model *model, struct cast *cast,
	const struct match_binding *binding)
{
	struct match_item *arrival = cast_find(model, cast, binding->arrival);
	struct match_item *partner = cast_find(model, cast, binding->partner);
	struct pair *kept = own(model, binding->partner);
	struct pair *dropped = own(model, binding->arrival);
	bool takes_remote = arrival->role == MATCH_REMOTE_ARRIVAL;

	CHECK(scene_of(model, kept) == scene_of(model, dropped));
	if (takes_remote && partner->role == MATCH_LOCAL_ARRIVAL) {
		kept = own(model, binding->arrival);
		dropped = own(model, binding->partner);
		takes_remote = false;
	}
	if (takes_remote)
		kept->remote = dropped->remote;
	else
		kept->local = dropped->local;
	if (!takes_remote && dropped->content.has_hash)
		kept->content = dropped->content;
	dropped->mid = 0;
	arrival->is_given_up = true;
	partner->is_given_up = true;
}

static void answer(struct model *model, const struct match_need *need)
{
	struct pair *pair = own(model, need->pair);
	struct content content = { 0 };

	learn_all(model, scene_of(model, pair), &content);
	if (need->kind == MATCH_NEED_REMOTE_HEADER) {
		CHECK(pair->content.header_hash == 0);
		pair->content.header_hash = content.header_hash;
		pair->content.message_id = content.message_id;
	} else {
		CHECK(!pair->content.has_hash);
		pair->content = content;
	}
}

static size_t bind_arrivals(struct model *model)
{
	struct cast cast = { 0 };
	struct match match;
	size_t bound_count = 0;

	for (size_t i = 0; i < model->scene_count; i++)
		for (unsigned k = 0; k < SCENE_SLOTS; k++)
			cast_add(model, &cast, &model->scenes[i].pairs[k]);
	if (cast.count == 0)
		return 0;
	for (unsigned i = 0; i < MATCH_ROUND_COUNT_MAX; i++) {
		match = match_make(&model->arena, cast.items, cast.count);
		for (size_t k = 0; k < match.binding_count; k++)
			bind(model, &cast, &match.bindings[k]);
		for (size_t k = 0; k < match.need_count; k++)
			answer(model, &match.needs[k]);
		bound_count += match.binding_count;
		if (match.need_count == 0)
			return bound_count;
	}
	fail_msg("matching does not end");
	return bound_count;
}

/* ---- Acting ---- */

/* Would it still be planned for the pair as it is now? */
static bool is_still_wanted(const struct model *model,
	const struct operation *operation, const struct pair *pair)
{
	struct decision decision = decide(pair, &model->policy);

	switch (operation->kind) {
	case OPERATION_FLAG_LOCAL:
		return decision.has_pull &&
			flags_equal(&decision.merged, &operation->merged);
	case OPERATION_FLAG_REMOTE:
		return decision.has_push &&
			flags_equal(&decision.push_add, &operation->add) &&
			flags_equal(&decision.push_remove, &operation->remove);
	case OPERATION_DELETE_LOCAL:
		return decision.existence == EXISTENCE_DELETE_LOCAL;
	case OPERATION_DELETE_REMOTE:
		return decision.existence == EXISTENCE_DELETE_REMOTE;
	case OPERATION_SETTLE:
	case OPERATION_FORGET:
	case OPERATION_MOVE_LOCAL:
	case OPERATION_MOVE_REMOTE:
	case OPERATION_DOWNLOAD:
	case OPERATION_UPLOAD:
		break;
	}
	return true;
}

/* The pair's file, under the exact name that is known. */
static struct copy *exact_file(struct scene *scene, const struct pair *pair)
{
	struct copy *file = copy_find(scene->files, pair->local.inode);

	if (pair->local.presence != PRESENCE_PRESENT || file == NULL ||
		file->folder_id != pair->local.folder_id ||
		!flags_equal(&file->flags, &pair->local.flags))
		return NULL;
	return file;
}

static struct copy *exact_mail(struct scene *scene,
	const struct operation *operation, const struct pair *pair)
{
	struct copy *mail = copy_find(scene->mails, pair->remote.uid);

	if (pair->remote.presence != PRESENCE_PRESENT || mail == NULL ||
		pair->remote.folder_id != operation->folder_id ||
		mail->folder_id != pair->remote.folder_id ||
		!flags_equal(&mail->flags, &pair->remote.flags))
		return NULL;
	return mail;
}

static bool is_there(const struct copy *copies, uint64_t number)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		if (copies[i].folder_id != NOWHERE &&
			copies[i].number == number)
			return true;
	return false;
}

/* Only what both had once goes, and only when the other side, every folder of
   it, is known to have it no more: in the records and in truth. */
static bool is_proven(const struct model *model, const struct scene *scene,
	const struct pair *pair, bool is_remote)
{
	const struct policy *policy = &model->policy;

	if (!pair->synced.is_set)
		return false;
	if (is_remote)
		return policy->local_is_complete && !policy->local_is_blind &&
			pair->local.presence == PRESENCE_ABSENT &&
			!is_there(scene->files, pair->local.inode);
	return policy->remote_is_complete && !policy->remote_is_blind &&
		pair->remote.presence == PRESENCE_ABSENT &&
		!is_there(scene->mails, pair->remote.uid);
}

static void remove_copy(const struct model *model, struct scene *scene,
	const struct pair *pair, struct copy *copy, bool is_remote)
{
	if (!is_proven(model, scene, pair, is_remote)) {
		scene_print(scene);
		fail_msg("removed without a proof");
	}
	copy->folder_id = NOWHERE;
	scene->removal_count++;
}

/* The file it acted on; NULL = the precondition did not hold. */
static struct copy *act_on_files(struct model *model, struct scene *scene,
	const struct operation *operation, const struct pair *pair)
{
	struct copy *file = exact_file(scene, pair);

	if (operation->kind == OPERATION_DOWNLOAD) {
		if (pair->local.presence == PRESENCE_PRESENT ||
			exact_mail(scene, operation, pair) == NULL)
			return NULL;
		scene->transfer_count++;
		return copy_add(scene, scene->files, pair->remote.folder_id,
			&pair->remote.flags);
	}
	if (file == NULL || !is_still_wanted(model, operation, pair))
		return NULL;
	if (operation->kind == OPERATION_MOVE_LOCAL) {
		file->folder_id = operation->to_folder_id;
	} else if (operation->kind == OPERATION_FLAG_LOCAL) {
		file->flags = operation->merged;
	} else {
		remove_copy(model, scene, pair, file, false);
	}
	return file;
}

/* The message on the server it acted on; NULL = likewise. */
static struct copy *act_on_mails(struct model *model, struct scene *scene,
	const struct operation *operation, const struct pair *pair)
{
	struct copy *mail = exact_mail(scene, operation, pair);

	if (operation->kind == OPERATION_UPLOAD) {
		if (exact_file(scene, pair) == NULL)
			return NULL;
		scene->transfer_count++;
		return copy_add(scene, scene->mails, operation->to_folder_id,
			&pair->local.flags);
	}
	if (mail == NULL || !is_still_wanted(model, operation, pair))
		return NULL;
	if (operation->kind == OPERATION_MOVE_REMOTE) {
		mail->folder_id = operation->to_folder_id;
		mail->number = ++scene->number;
	} else if (operation->kind == OPERATION_FLAG_REMOTE) {
		mail->flags = flags_or(&mail->flags, &operation->add);
		mail->flags = flags_without(&mail->flags, &operation->remove);
	} else {
		remove_copy(model, scene, pair, mail, true);
	}
	return mail;
}

enum outcome {
	OUTCOME_DONE,
	OUTCOME_UNRECORDED, /* the effect is there, the record is not */
	OUTCOME_SKIPPED,
	OUTCOME_TOTAL,
};

static void carry_out_local(struct model *model, struct pair *pair,
	const struct operation *operation, enum outcome outcome)
{
	const struct copy *file =
		act_on_files(model, scene_of(model, pair), operation, pair);

	if (file == NULL || outcome == OUTCOME_UNRECORDED)
		return;
	if (operation->kind == OPERATION_DELETE_LOCAL) {
		pair->mid = 0;
		return;
	}
	place_local(pair, file);
	if (operation->kind == OPERATION_DOWNLOAD)
		pair->synced.is_set = false;
	(void)decide_agreement(pair, &model->policy, &pair->synced);
}

static void carry_out_remote(struct model *model, struct pair *pair,
	const struct operation *operation, enum outcome outcome)
{
	const struct copy *mail =
		act_on_mails(model, scene_of(model, pair), operation, pair);

	if (mail == NULL || outcome == OUTCOME_UNRECORDED)
		return;
	if (operation->kind == OPERATION_DELETE_REMOTE) {
		pair->mid = 0;
		return;
	}
	place_remote(pair, mail);
	if (operation->kind == OPERATION_UPLOAD)
		pair->synced.is_set = false;
	(void)decide_agreement(pair, &model->policy, &pair->synced);
}

static void carry_out(struct model *model, const struct operation *operation,
	enum outcome outcome)
{
	struct pair *pair;

	if (operation->pair->mid == 0 || outcome == OUTCOME_SKIPPED)
		return;
	CHECK(!model->is_local_hidden[operation->folder_id] &&
		!model->is_remote_hidden[operation->folder_id]);
	pair = own(model, operation->pair);
	switch (operation->kind) {
	case OPERATION_SETTLE:
		(void)decide_agreement(pair, &model->policy, &pair->synced);
		break;
	case OPERATION_FORGET:
		pair->mid = 0;
		break;
	case OPERATION_MOVE_LOCAL:
	case OPERATION_DOWNLOAD:
	case OPERATION_FLAG_LOCAL:
	case OPERATION_DELETE_LOCAL:
		carry_out_local(model, pair, operation, outcome);
		break;
	case OPERATION_MOVE_REMOTE:
	case OPERATION_UPLOAD:
	case OPERATION_FLAG_REMOTE:
	case OPERATION_DELETE_REMOTE:
		carry_out_remote(model, pair, operation, outcome);
		break;
	}
}

/* ---- A batch ---- */

static void shuffle(
	struct model *model, struct operation *operations, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = (size_t)random_below(model, i);
		struct operation swapped = operations[i - 1];

		operations[i - 1] = operations[other];
		operations[other] = swapped;
	}
}

static void shuffle_plan(struct model *model, const struct plan *plan,
	struct operation *operations)
{
	size_t first = 0;

	if (model->order == ORDER_ANY) {
		shuffle(model, operations, plan->operation_count);
		return;
	}
	for (size_t kind = 0; kind < OPERATION_KIND_COUNT; kind++) {
		shuffle(model, &operations[first], plan->stage_count[kind]);
		first += plan->stage_count[kind];
	}
	CHECK(first == plan->operation_count);
}

static enum outcome outcome_of(struct model *model, size_t index, size_t cut)
{
	if (model->interrupted_rounds == 0)
		return OUTCOME_DONE;
	if (model->interruption == INTERRUPTION_SOME)
		return (enum outcome)random_below(model, OUTCOME_TOTAL);
	if (index == cut)
		return OUTCOME_UNRECORDED;
	return index < cut ? OUTCOME_DONE : OUTCOME_SKIPPED;
}

static void carry_out_plan(struct model *model, const struct plan *plan)
{
	struct operation *operations = arena_copy(&model->arena,
		plan->operations, plan->operation_count * sizeof(*operations));
	size_t cut = (size_t)random_below(model, plan->operation_count);

	shuffle_plan(model, plan, operations);
	for (size_t i = 0; i < plan->operation_count; i++)
		carry_out(model, &operations[i], outcome_of(model, i, cut));
	if (model->interrupted_rounds > 0)
		model->interrupted_rounds--;
	model->operation_count += plan->operation_count;
}

/* ---- Rounds ---- */

static size_t collect_pairs(struct model *model, const struct pair ***out)
{
	const struct pair **pairs = arena_alloc(&model->arena,
		model->scene_count * SCENE_SLOTS, sizeof(*pairs));
	size_t count = 0;

	for (size_t i = 0; i < model->scene_count; i++)
		for (unsigned k = 0; k < SCENE_SLOTS; k++) {
			const struct pair *pair = &model->scenes[i].pairs[k];

			if (pair->mid != 0 && !pair_is_settled(pair))
				pairs[count++] = pair;
		}
	*out = pairs;
	return count;
}

static size_t run_round(struct model *model)
{
	const struct pair **pairs;
	struct plan plan;
	size_t count, pair_count;

	arena_reset(&model->arena);
	for (size_t i = 0; i < model->scene_count; i++)
		scene_look(model, &model->scenes[i]);
	count = bind_arrivals(model);
	pair_count = collect_pairs(model, &pairs);
	plan = plan_make(&model->arena, pairs, pair_count, &model->policy, 0);
	CHECK(plan.held_count == 0);
	model->round_count++;
	if (plan.operation_count > 0)
		carry_out_plan(model, &plan);
	return count + plan.operation_count;
}

static void check_quiet(struct model *model)
{
	struct scene *before = alloc(model->scene_count, sizeof(*before));

	memcpy(before, model->scenes, model->scene_count * sizeof(*before));
	CHECK(run_round(model) == 0);
	for (size_t i = 0; i < model->scene_count; i++)
		CHECK(scene_is_same(&before[i], &model->scenes[i]));
	free(before);
}

void model_run(struct model *model)
{
	for (unsigned i = 0; i < ROUND_COUNT_MAX; i++)
		if (run_round(model) == 0) {
			check_quiet(model);
			return;
		}
	fail_msg("no end");
}
