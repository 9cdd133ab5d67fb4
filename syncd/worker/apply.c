#include "syncd/worker/apply.h"

#include <string.h>

#include "base/alloc.h"
#include "syncd/reconciler/decide.h"
#include "syncd/reconciler/merge.h"
#include "syncd/worker/local.h"

/* Uploads are read and sent by the window, so that memory stays bounded. */
#define UPLOAD_WINDOW 500

/* ---- Stages ---- */

void stage_init(struct stage *stage, struct account *account)
{
	memset(stage, 0, sizeof(*stage));
	stage->account = account;
	arena_init(&stage->arena);
	arena_init(&stage->policy_arena);
	stage->policy = account_policy(account, &stage->policy_arena);
}

void stage_finish(struct stage *stage)
{
	arena_finish(&stage->policy_arena);
	arena_finish(&stage->arena);
}

void stage_touch(struct stage *stage, struct account_folder *folder,
	enum maildir_part part)
{
	struct stage_touched *touched;

	for (size_t i = 0; i < stage->touched_count; i++)
		if (stage->touched[i].folder == folder &&
			stage->touched[i].part == part)
			return;
	touched = arena_push(&stage->arena, &stage->touched,
		&stage->touched_count, &stage->touched_capacity,
		sizeof(*touched));
	touched->folder = folder;
	touched->part = part;
}

static struct stage_change *stage_change(
	struct stage *stage, const struct pair *pair, const char *outcome)
{
	struct stage_change *change = arena_push(&stage->arena, &stage->changes,
		&stage->change_count, &stage->change_capacity, sizeof(*change));

	change->pair = *pair;
	if (pair->local.name != NULL)
		change->pair.local.name =
			arena_text(&stage->arena, pair->local.name);
	if (pair->reason != NULL)
		change->pair.reason = arena_text(&stage->arena, pair->reason);
	change->outcome = outcome;
	change->is_deleted = false;
	return change;
}

void stage_put(
	struct stage *stage, const struct pair *pair, const char *outcome)
{
	(void)stage_change(stage, pair, outcome);
}

void stage_drop(
	struct stage *stage, const struct pair *pair, const char *outcome)
{
	stage_change(stage, pair, outcome)->is_deleted = true;
}

void stage_end_intent(struct stage *stage, uint64_t intent_id)
{
	uint64_t *slot = arena_push(&stage->arena, &stage->intents,
		&stage->intent_count, &stage->intent_capacity, sizeof(*slot));

	*slot = intent_id;
}

void stage_bury(struct stage *stage, const struct tomb *tomb)
{
	struct tomb *slot = arena_push(&stage->arena, &stage->tombs,
		&stage->tomb_count, &stage->tomb_capacity, sizeof(*slot));

	*slot = *tomb;
}

void stage_free_uid(
	struct stage *stage, uint32_t folder_id, uint32_t uid, uint64_t mid)
{
	struct pair other;

	if (!state_pair_by_uid(stage->account->state, folder_id, uid,
		    &stage->arena, &other) ||
		other.mid == mid)
		return;
	if (other.local.presence == PRESENCE_NEVER) {
		stage_drop(stage, &other, "gone again");
		return;
	}
	other.remote.presence = PRESENCE_UNKNOWN;
	other.remote.uid = 0;
	other.remote.modseq = 0;
	other.hold = HOLD_EPOCH;
	other.reason = "the server gave its UID to another message";
	stage_put(stage, &other, NULL);
}

static void write_tombs(const struct stage *stage)
{
	for (size_t i = 0; i < stage->tomb_count; i++) {
		state_tomb_put(stage->account->state, &stage->tombs[i]);
		if (stage->tombs[i].was_uncertain_upload)
			stage->account->ghosts_until = account_now() + GHOST_S;
	}
}

static void write_change(
	struct account *account, const struct stage_change *change)
{
	const struct pair *pair = &change->pair;

	if (change->is_deleted) {
		state_tomb_put(account->state,
			&(struct tomb){
				.mid = pair->mid,
				.content = pair->content,
				.folder_id = pair->synced.folder_id,
				.uid = pair->remote.uid,
				.time = account_now(),
				.reason = change->outcome,
			});
		state_pair_delete(account->state, pair->mid);
	} else {
		state_pair_put(account->state, pair);
	}
	if (change->outcome != NULL)
		state_journal_settle(
			account->state, pair->mid, change->outcome);
}

bool stage_commit(struct stage *stage, struct error *error)
{
	struct account *account = stage->account;

	for (size_t i = 0; i < stage->touched_count; i++)
		if (!maildir_sync_folder(account->maildir,
			    stage->touched[i].folder->record.path,
			    stage->touched[i].part, error))
			return false;
	if (stage->change_count == 0 && stage->intent_count == 0 &&
		stage->tomb_count == 0)
		return true;
	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < stage->change_count; i++)
		write_change(account, &stage->changes[i]);
	for (size_t i = 0; i < stage->intent_count; i++)
		state_intent_delete(account->state, stage->intents[i]);
	write_tombs(stage);
	account_keywords_put(account);
	if (!state_commit(account->state, error))
		return false;
	account->change_count += stage->change_count;
	arena_reset(&stage->arena);
	stage->touched = NULL;
	stage->changes = NULL;
	stage->intents = NULL;
	stage->tombs = NULL;
	stage->touched_count = stage->touched_capacity = 0;
	stage->change_count = stage->change_capacity = 0;
	stage->intent_count = stage->intent_capacity = 0;
	stage->tomb_count = stage->tomb_capacity = 0;
	return true;
}

void apply_agree(struct pair *pair, const struct policy *policy)
{
	struct synced_state agreed;

	if (decide_agreement(pair, policy, &agreed))
		pair->synced = agreed;
	pair->hold = HOLD_NONE;
	pair->reason = NULL;
	pair->attempt_count = 0;
	pair->retry_at = 0;
}

static bool is_same_pull(const struct stage *stage,
	const struct operation *operation, const struct pair *pair,
	const struct decision *decision)
{
	const struct folder_policy *folder =
		policy_folder(&stage->policy, decision->folder_id);
	struct flags merged;

	if (!decision->has_pull || folder == NULL)
		return false;
	merged = merge_masked(
		&decision->merged, &pair->local.flags, &folder->local_mask);
	return flags_equal(&merged, &operation->merged);
}

bool apply_is_still_wanted(struct stage *stage,
	const struct operation *operation, const struct pair *pair)
{
	struct decision decision = decide(pair, &stage->policy);
	bool is_wanted = true;

	if (operation->kind == OPERATION_FLAG_LOCAL)
		is_wanted = is_same_pull(stage, operation, pair, &decision);
	else if (operation->kind == OPERATION_FLAG_REMOTE)
		is_wanted = decision.has_push &&
			flags_equal(&decision.push_add, &operation->add) &&
			flags_equal(&decision.push_remove, &operation->remove);
	else if (operation->kind == OPERATION_DELETE_LOCAL)
		is_wanted = decision.existence == EXISTENCE_DELETE_LOCAL;
	else if (operation->kind == OPERATION_DELETE_REMOTE)
		is_wanted = decision.existence == EXISTENCE_DELETE_REMOTE;
	if (!is_wanted)
		stage->account->wants_again = true;
	return is_wanted;
}

/* ---- What there is to plan ---- */

static bool is_local_arrival(const struct pair *pair)
{
	return !pair->synced.is_set &&
		pair->local.presence == PRESENCE_PRESENT &&
		pair->remote.presence == PRESENCE_NEVER;
}

static bool is_remote_arrival(const struct pair *pair)
{
	return !pair->synced.is_set &&
		pair->remote.presence == PRESENCE_PRESENT &&
		pair->local.presence == PRESENCE_NEVER;
}

static bool has_open_intent(struct account *account, uint64_t mid)
{
	struct intent intent;

	return state_intent_of_mid(account->state, mid, &intent);
}

static bool has_any_intent(struct account *account)
{
	struct state_cursor cursor = { 0 };
	struct intent intent;

	return state_next_intent(account->state, &cursor, &intent);
}

/* Everything unsettled but what exists on one side only: of that there may be
   millions, and it needs no comparing. */
static size_t load_changed(struct account *account, struct arena *arena,
	const struct pair ***pairs_out)
{
	struct state_cursor cursor = { 0 };
	const struct pair **pairs = NULL;
	size_t count = 0, capacity = 0;
	struct arena row;
	struct pair pair;

	arena_init(&row);
	while (state_next_unsettled(account->state, &cursor, &row, &pair)) {
		if (!is_local_arrival(&pair) && !is_remote_arrival(&pair) &&
			!has_open_intent(account, pair.mid)) {
			struct pair *copy =
				arena_copy(arena, &pair, sizeof(pair));

			if (pair.local.name != NULL)
				copy->local.name =
					arena_text(arena, pair.local.name);
			if (pair.reason != NULL)
				copy->reason = arena_text(arena, pair.reason);
			*(const struct pair **)arena_push(arena, &pairs, &count,
				&capacity, sizeof(*pairs)) = copy;
		}
		arena_reset(&row);
	}
	arena_finish(&row);
	*pairs_out = pairs;
	return count;
}

/* ---- Bulk: what exists on one side only ---- */

static void collect_downloads(struct account *account,
	const struct policy *policy, uint32_t folder_id, struct uid_set *uids)
{
	struct state_cursor cursor = { 0 };
	bool has_intents = has_any_intent(account);
	int64_t now = account_now();
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_uid(
		account->state, folder_id, &cursor, &arena, &pair)) {
		if (is_remote_arrival(&pair) && !pair_is_waiting(&pair, now) &&
			decide(&pair, policy).existence == EXISTENCE_DOWNLOAD &&
			!(has_intents && apply_may_be_moved(account, &pair)))
			uid_set_add(uids, pair.remote.uid);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static bool print_downloads(struct account *account,
	const struct account_folder *folder, const struct uid_set *uids)
{
	for (uint32_t uid = uid_set_next(uids, 1); uid != 0;
		uid = uid == UINT32_MAX ? 0 : uid_set_next(uids, uid + 1))
		account_plan_line(account, "%s: download UID %u",
			folder->record.path, uid);
	return true;
}

/* Counted in one walk, so that a quiet pass does not walk every folder. */
static void count_arrivals(
	struct account *account, uint64_t *local_out, uint64_t *remote_out)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	*local_out = *remote_out = 0;
	for (size_t i = 0; i < account->folder_count; i++) {
		account->folders[i]->arrival_count = 0;
		account->folders[i]->departure_count = 0;
	}
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		struct account_folder *folder = NULL;

		if (is_remote_arrival(&pair)) {
			folder = account_folder(account, pair.remote.folder_id);
			*remote_out += 1;
			if (folder != NULL)
				folder->arrival_count++;
		} else if (is_local_arrival(&pair)) {
			folder = account_folder(account, pair.local.folder_id);
			*local_out += 1;
			if (folder != NULL)
				folder->departure_count++;
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static bool download_folder(struct account *account,
	struct account_folder *folder, const struct policy *policy,
	struct error *error)
{
	struct uid_set uids = { 0 };
	bool is_done = true;

	if (folder->arrival_count == 0 || folder->has_failed)
		return true;
	collect_downloads(account, policy, folder->record.folder_id, &uids);
	if (!uid_set_is_empty(&uids))
		is_done = account->is_dry_run
			? print_downloads(account, folder, &uids)
			: download_uids(account, folder, &uids, error);
	uid_set_finish(&uids);
	return is_done;
}

/* The next local arrivals of the folder, a window of them. */
static size_t collect_uploads(struct account *account,
	const struct policy *policy, uint32_t folder_id,
	struct state_cursor *cursor, struct arena *arena,
	const struct pair **pairs)
{
	int64_t now = account_now();
	struct pair pair;
	size_t count = 0;

	while (count < UPLOAD_WINDOW &&
		state_next_by_unique(
			account->state, folder_id, cursor, arena, &pair)) {
		if (!is_local_arrival(&pair) || pair_is_waiting(&pair, now) ||
			has_open_intent(account, pair.mid) ||
			decide(&pair, policy).existence != EXISTENCE_UPLOAD)
			continue;
		/* Seen during the transfers: it may be one that is known. */
		if (pair.mid < account->bound_mid)
			pairs[count++] = arena_copy(arena, &pair, sizeof(pair));
	}
	return count;
}

static bool upload_folder(struct account *account,
	struct account_folder *folder, const struct policy *policy,
	struct error *error)
{
	struct state_cursor cursor = { 0 };
	const struct pair *pairs[UPLOAD_WINDOW];
	struct arena arena;
	size_t count;
	bool is_done = true;

	if (folder->departure_count == 0)
		return true;
	arena_init(&arena);
	while (is_done && !account->is_stopping && !folder->has_failed) {
		count = collect_uploads(account, policy,
			folder->record.folder_id, &cursor, &arena, pairs);
		if (count == 0)
			break;
		for (size_t i = 0; account->is_dry_run && i < count; i++)
			account_plan_line(account, "%s: upload %s",
				folder->record.path, pairs[i]->local.name);
		if (!account->is_dry_run)
			is_done = upload_pairs(
				account, folder, pairs, count, error);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_done;
}

/* What did not come from the server may be what is missing elsewhere: moved,
   and not recognised. Then nothing is missing in this pass. */
static void look_for_left(struct account *account, const struct policy *policy)
{
	struct state_cursor cursor = { 0 };
	int64_t now = account_now();
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (!account->remote_is_blind &&
		state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		account->remote_is_blind = is_remote_arrival(&pair) &&
			!pair_is_waiting(&pair, now) &&
			decide(&pair, policy).existence == EXISTENCE_DOWNLOAD;
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static bool transfer_arrivals(struct account *account,
	const struct policy *policy, struct error *error)
{
	uint64_t local_count, remote_count;
	bool is_done = true;

	count_arrivals(account, &local_count, &remote_count);
	account->counters.done_messages = 0;
	account->counters.done_bytes = 0;
	account->counters.all_messages = local_count + remote_count;
	for (size_t i = 0; is_done && remote_count > 0 &&
		i < account->folder_count && !account->is_stopping;
		i++)
		is_done = download_folder(
			account, account->folders[i], policy, error);
	for (size_t i = 0; is_done && local_count > 0 &&
		i < account->folder_count && !account->is_stopping;
		i++)
		is_done = upload_folder(
			account, account->folders[i], policy, error);
	if (state_pair_next_mid(account->state) > account->bound_mid)
		account->wants_again = true;
	if (remote_count > 0 && !account->is_dry_run)
		look_for_left(account, policy);
	account->counters.folder_path = NULL;
	account_progress(account);
	return is_done;
}

/* ---- Stages of the plan ---- */

/* What both sides have alike may be here by a rename of ours that was cut off
   before it was durable. A power cut would undo it, and that would look like
   somebody's change. */
static bool apply_settle(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct stage stage;
	bool is_done;

	stage_init(&stage, account);
	for (size_t i = 0; i < count; i++) {
		struct pair pair = *operations[i].pair;

		/* What is new was made durable when it was bound. */
		if (pair.synced.is_set &&
			pair.local.presence == PRESENCE_PRESENT)
			local_doubt(account, &pair);
		apply_agree(&pair, &stage.policy);
		stage_put(&stage, &pair, "in agreement");
	}
	is_done = local_make_durable(account, error) &&
		stage_commit(&stage, error);
	stage_finish(&stage);
	return is_done;
}

/* What is gone here may be so by a rename of ours that was cut off before it
   was durable: undone by a power cut, it would look new. */
static void touch_gone(struct stage *stage, const struct pair *pair)
{
	struct account_folder *folder =
		account_folder(stage->account, pair->local.folder_id);

	if (pair->local.presence != PRESENCE_ABSENT || folder == NULL ||
		!folder->record.has_local)
		return;
	stage_touch(stage, folder, MAILDIR_NEW);
	stage_touch(stage, folder, MAILDIR_CUR);
}

static bool apply_forget(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct stage stage;
	bool is_done;

	stage_init(&stage, account);
	for (size_t i = 0; i < count; i++) {
		touch_gone(&stage, operations[i].pair);
		stage_drop(&stage, operations[i].pair, "gone on both sides");
	}
	is_done = stage_commit(&stage, error);
	stage_finish(&stage);
	return is_done;
}

static bool apply_download(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, operations[0].pair->remote.folder_id);
	struct uid_set uids = { 0 };
	bool is_done = true;

	for (size_t i = 0; i < count; i++)
		uid_set_add(&uids, operations[i].pair->remote.uid);
	if (folder != NULL)
		is_done = download_uids(account, folder, &uids, error);
	uid_set_finish(&uids);
	return is_done;
}

static bool apply_upload(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, operations[0].to_folder_id);
	const struct pair **pairs = alloc(count, sizeof(*pairs));
	bool is_done = true;

	for (size_t i = 0; i < count; i++)
		pairs[i] = operations[i].pair;
	if (folder != NULL)
		is_done = upload_pairs(account, folder, pairs, count, error);
	free(pairs);
	return is_done;
}

static bool (*const STAGES[])(
	struct account *, const struct operation *, size_t, struct error *) = {
	[OPERATION_SETTLE] = apply_settle,
	[OPERATION_FORGET] = apply_forget,
	[OPERATION_MOVE_LOCAL] = apply_move_local,
	[OPERATION_MOVE_REMOTE] = apply_move_remote,
	[OPERATION_DOWNLOAD] = apply_download,
	[OPERATION_UPLOAD] = apply_upload,
	[OPERATION_FLAG_LOCAL] = apply_flag_local,
	[OPERATION_FLAG_REMOTE] = apply_flag_remote,
	[OPERATION_DELETE_LOCAL] = apply_delete_local,
	[OPERATION_DELETE_REMOTE] = apply_delete_remote,
};

static bool is_same_group(const struct operation *a, const struct operation *b)
{
	return a->kind == b->kind && a->folder_id == b->folder_id &&
		a->to_folder_id == b->to_folder_id;
}

static bool is_fatal(const struct error *error)
{
	return error->code != ERROR_REFUSED && error->code != ERROR_SYSTEM;
}

static bool apply_group(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, operations[0].folder_id);
	struct error failure = { 0 };

	/* What was never synced is in no folder. */
	if (operations[0].kind != OPERATION_FORGET &&
		(folder == NULL || folder->has_failed))
		return true;
	if (STAGES[operations[0].kind](account, operations, count, &failure))
		return true;
	if (folder == NULL || is_fatal(&failure)) {
		*error = failure;
		return false;
	}
	account_folder_fail(account, folder, &failure);
	account->wants_again = true;
	return true;
}

static void print_operation(
	const struct account *account, const struct operation *operation)
{
	const struct account_folder *from =
		account_folder(account, operation->folder_id);
	const struct account_folder *to =
		account_folder(account, operation->to_folder_id);
	const struct pair *pair = operation->pair;
	bool is_move = operation->to_folder_id != operation->folder_id;

	account_plan_line(account, "%s: %s UID %u %s%s%s",
		from == NULL ? "?" : from->record.path,
		operation_kind_name(operation->kind), pair->remote.uid,
		pair->local.name == NULL ? "-" : pair->local.name,
		is_move && to != NULL ? " -> " : "",
		is_move && to != NULL ? to->record.path : "");
}

/* Operations of the kinds from `first` to `last`, group by group. */
static bool apply_kinds(struct account *account, const struct plan *plan,
	enum operation_kind first, enum operation_kind last,
	struct error *error)
{
	size_t i = 0;

	while (i < plan->operation_count && !account->is_stopping) {
		const struct operation *group = &plan->operations[i];
		size_t count = 1;

		while (i + count < plan->operation_count &&
			is_same_group(group, group + count))
			count++;
		i += count;
		if (group->kind < first || group->kind > last)
			continue;
		if (account->is_dry_run)
			for (size_t k = 0; k < count; k++)
				print_operation(account, group + k);
		else if (!apply_group(account, group, count, error))
			return false;
	}
	return true;
}

/* ---- Held deletions ---- */

static bool hold_deletions(
	struct account *account, const struct plan *plan, struct error *error)
{
	bool is_logged = false;

	account->held_count = plan->held_count;
	if (plan->held_count == 0 || account->is_dry_run)
		return true;
	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < plan->held_count; i++) {
		const struct held_deletion *held = &plan->held[i];
		struct pair pair = *held->pair;

		if (pair.hold == HOLD_GUARD)
			continue;
		pair.hold = HOLD_GUARD;
		pair.reason = held->is_remote
			? "gone here, over delete_limit"
			: "gone on the server, over delete_limit";
		state_pair_put(account->state, &pair);
		is_logged = true;
	}
	if (is_logged)
		account_log(account, ACCOUNT_LOG_WARNING,
			"%zu deletions are over delete_limit and held; see "
			"'mailtwin held', release with 'mailtwin approve'",
			plan->held_count);
	return state_commit(account->state, error);
}

/* Whoever approved, approved what was held then. */
static bool end_approvals(struct account *account, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (!folder->record.is_approved || folder->has_failed)
			continue;
		folder->record.is_approved = false;
		if (!account_folder_save(account, folder, error))
			return false;
	}
	return true;
}

bool apply_plan(struct account *account, struct error *error)
{
	struct arena arena;
	const struct pair **pairs;
	struct policy policy;
	struct plan plan;
	size_t count;
	bool is_done;

	arena_init(&arena);
	policy = account_policy(account, &arena);
	count = load_changed(account, &arena, &pairs);
	plan = plan_make(&arena, pairs, count, &policy, account_now());
	is_done = hold_deletions(account, &plan, error) &&
		apply_kinds(account, &plan, OPERATION_SETTLE,
			OPERATION_MOVE_REMOTE, error) &&
		transfer_arrivals(account, &policy, error) &&
		apply_kinds(account, &plan, OPERATION_DOWNLOAD,
			OPERATION_DELETE_REMOTE, error);
	if (is_done && account->remote_is_complete &&
		account->local_is_complete && !account->is_dry_run)
		is_done = end_approvals(account, error);
	arena_finish(&arena);
	return is_done;
}
