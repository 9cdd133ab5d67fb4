#include "syncd/reconciler/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "syncd/reconciler/guard.h"
#include "syncd/reconciler/merge.h"

static const char *const NAMES[OPERATION_KIND_COUNT] = {
	[OPERATION_SETTLE] = "settle",
	[OPERATION_FORGET] = "forget",
	[OPERATION_MOVE_LOCAL] = "move-local",
	[OPERATION_MOVE_REMOTE] = "move-remote",
	[OPERATION_DOWNLOAD] = "download",
	[OPERATION_UPLOAD] = "upload",
	[OPERATION_FLAG_LOCAL] = "flag-local",
	[OPERATION_FLAG_REMOTE] = "flag-remote",
	[OPERATION_DELETE_LOCAL] = "delete-local",
	[OPERATION_DELETE_REMOTE] = "delete-remote",
};

const char *operation_kind_name(enum operation_kind kind)
{
	return NAMES[kind];
}

struct planner {
	struct arena *arena;
	const struct policy *policy;
	struct operation *operations;
	size_t operation_count, operation_capacity;
	struct held_deletion *held;
	size_t held_count, held_capacity;
};

static struct operation *add_operation(struct planner *planner,
	enum operation_kind kind, const struct pair *pair,
	const struct decision *decision)
{
	struct operation *operation = arena_push(planner->arena,
		&planner->operations, &planner->operation_count,
		&planner->operation_capacity, sizeof(*operation));

	operation->kind = kind;
	operation->pair = pair;
	operation->folder_id = decision->folder_id;
	operation->to_folder_id = decision->folder_id;
	operation->merged = decision->merged;
	return operation;
}

static void add_flags(struct planner *planner, const struct pair *pair,
	const struct decision *decision)
{
	const struct folder_policy *folder =
		policy_folder(planner->policy, decision->folder_id);
	struct operation *operation;

	if (decision->has_pull) {
		operation = add_operation(
			planner, OPERATION_FLAG_LOCAL, pair, decision);
		operation->merged = merge_masked(&decision->merged,
			&pair->local.flags, &folder->local_mask);
	}
	if (decision->has_push) {
		operation = add_operation(
			planner, OPERATION_FLAG_REMOTE, pair, decision);
		operation->merged = merge_masked(&decision->merged,
			&pair->remote.flags, &folder->remote_mask);
		operation->add = decision->push_add;
		operation->remove = decision->push_remove;
	}
}

static void add_keep(struct planner *planner, const struct pair *pair,
	const struct decision *decision)
{
	if (decision->has_settle)
		(void)add_operation(planner, OPERATION_SETTLE, pair, decision);
	add_flags(planner, pair, decision);
}

static void add_move(struct planner *planner, enum operation_kind kind,
	const struct pair *pair, const struct decision *decision)
{
	struct operation *operation =
		add_operation(planner, kind, pair, decision);

	operation->folder_id = kind == OPERATION_MOVE_LOCAL
		? pair->local.folder_id
		: pair->remote.folder_id;
	add_flags(planner, pair, decision);
}

static void add_copy(struct planner *planner, enum operation_kind kind,
	const struct pair *pair, const struct decision *decision)
{
	const struct folder_policy *folder =
		policy_folder(planner->policy, decision->folder_id);
	struct operation *operation =
		add_operation(planner, kind, pair, decision);

	operation->merged = flags_and(&decision->merged,
		kind == OPERATION_DOWNLOAD ? &folder->local_mask
					   : &folder->remote_mask);
}

static void add_decision(struct planner *planner, const struct pair *pair,
	const struct decision *decision)
{
	switch (decision->existence) {
	case EXISTENCE_WAIT:
		return;
	case EXISTENCE_KEEP:
		add_keep(planner, pair, decision);
		return;
	case EXISTENCE_DOWNLOAD:
		add_copy(planner, OPERATION_DOWNLOAD, pair, decision);
		return;
	case EXISTENCE_UPLOAD:
		add_copy(planner, OPERATION_UPLOAD, pair, decision);
		return;
	case EXISTENCE_MOVE_REMOTE:
		add_move(planner, OPERATION_MOVE_REMOTE, pair, decision);
		return;
	case EXISTENCE_MOVE_LOCAL:
		add_move(planner, OPERATION_MOVE_LOCAL, pair, decision);
		return;
	case EXISTENCE_DELETE_REMOTE:
		(void)add_operation(
			planner, OPERATION_DELETE_REMOTE, pair, decision);
		return;
	case EXISTENCE_DELETE_LOCAL:
		(void)add_operation(
			planner, OPERATION_DELETE_LOCAL, pair, decision);
		return;
	case EXISTENCE_FORGET:
		(void)add_operation(planner, OPERATION_FORGET, pair, decision);
		return;
	}
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_pairs(const struct pair *a, const struct pair *b)
{
	int order = compare_numbers(a->remote.uid, b->remote.uid);

	return order != 0 ? order : compare_numbers(a->mid, b->mid);
}

static int compare_operations(const void *a_item, const void *b_item)
{
	const struct operation *a = a_item, *b = b_item;
	int order = compare_numbers(a->kind, b->kind);

	if (order == 0)
		order = compare_numbers(a->folder_id, b->folder_id);
	return order != 0 ? order : compare_pairs(a->pair, b->pair);
}

static void sort_operations(struct planner *planner)
{
	if (planner->operation_count > 0)
		qsort(planner->operations, planner->operation_count,
			sizeof(*planner->operations), compare_operations);
}

static bool is_deletion(enum operation_kind kind)
{
	return kind == OPERATION_DELETE_LOCAL ||
		kind == OPERATION_DELETE_REMOTE;
}

static void hold_deletion(
	struct planner *planner, const struct operation *operation)
{
	struct held_deletion *held = arena_push(planner->arena, &planner->held,
		&planner->held_count, &planner->held_capacity, sizeof(*held));

	held->pair = operation->pair;
	held->folder_id = operation->folder_id;
	held->is_remote = operation->kind == OPERATION_DELETE_REMOTE;
}

/* What was copied is not deleted. */
static bool is_guarded(const struct operation *operation)
{
	return !operation->pair->local.is_leftover;
}

static size_t guarded_count(const struct operation *operations, size_t count)
{
	size_t guarded = 0;

	for (size_t i = 0; i < count; i++)
		guarded += is_guarded(&operations[i]);
	return guarded;
}

static bool has_held(const struct operation *operations, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (operations[i].pair->hold == HOLD_GUARD)
			return true;
	return false;
}

/* One folder's deletions on one side. */
static bool group_is_allowed(const struct planner *planner,
	const struct operation *operations, size_t count)
{
	const struct folder_policy *folder =
		policy_folder(planner->policy, operations[0].folder_id);
	const struct guard_request request = {
		.deleted = operations[0].kind == OPERATION_DELETE_REMOTE
			? folder->deleted_remote_count
			: folder->deleted_local_count,
		.wanted = guarded_count(operations, count),
		.has_held = has_held(operations, count),
	};

	return guard_allows(folder, planner->policy->delete_percent, &request);
}

static size_t group_size(const struct planner *planner, size_t first)
{
	const struct operation *operations = planner->operations;
	size_t end = first + 1;

	while (end < planner->operation_count &&
		operations[end].kind == operations[first].kind &&
		operations[end].folder_id == operations[first].folder_id)
		end++;
	return end - first;
}

/* A folder's deletions on one side go together or not at all: half of a mass
   deletion is no better. Operations are sorted, groups lie together. */
static void apply_guard(struct planner *planner)
{
	size_t kept = 0, count;

	for (size_t i = 0; i < planner->operation_count; i += count) {
		const struct operation *first = &planner->operations[i];

		count = group_size(planner, i);
		if (!is_deletion(first->kind) ||
			group_is_allowed(planner, first, count)) {
			memmove(&planner->operations[kept], first,
				count * sizeof(*first));
			kept += count;
			continue;
		}
		for (size_t k = 0; k < count; k++) {
			if (is_guarded(&first[k]))
				hold_deletion(planner, &first[k]);
			else
				planner->operations[kept++] = first[k];
		}
	}
	planner->operation_count = kept;
}

/* Nothing in it that a server or a disk could refuse once more. */
static bool is_record_only(const struct decision *decision)
{
	return decision->has_settle || decision->existence == EXISTENCE_FORGET;
}

struct plan plan_make(struct arena *arena, const struct pair *const *pairs,
	size_t pair_count, const struct policy *policy, int64_t now)
{
	struct planner planner = { .arena = arena, .policy = policy };
	struct plan plan = { 0 };

	for (size_t i = 0; i < pair_count; i++) {
		struct decision decision;

		decision = decide(pairs[i], policy);
		if (pair_is_waiting(pairs[i], now) &&
			!is_record_only(&decision))
			continue;
		add_decision(&planner, pairs[i], &decision);
	}
	sort_operations(&planner);
	apply_guard(&planner);

	for (size_t i = 0; i < planner.operation_count; i++)
		plan.stage_count[planner.operations[i].kind]++;
	plan.operations = planner.operations;
	plan.operation_count = planner.operation_count;
	plan.held = planner.held;
	plan.held_count = planner.held_count;
	return plan;
}
