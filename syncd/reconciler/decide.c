/* The table of the sync (see the rules below it). Three notions prepare it:

   - The barrier. An absence of a side that was not completely observed since
     reads as unknown, so that a move shows before it can look like a deletion.
   - The place of a side relative to the synced folder.
   - The mask. What a side cannot store reads as unchanged there. */
#include "syncd/reconciler/decide.h"

#include <assert.h>

#include "base/compiler.h"
#include "syncd/reconciler/merge.h"

enum place {
	PLACE_SAME, /* in the synced folder */
	PLACE_ELSEWHERE,
	PLACE_ABSENT,
	PLACE_UNKNOWN,
	PLACE_COUNT,
};

enum rule {
	RULE_WAIT,
	RULE_IN_PLACE,
	RULE_MOVED_HERE,  /* the server follows */
	RULE_MOVED_THERE, /* the Maildir follows */
	RULE_MOVED_BOTH,
	RULE_GONE_HERE,  /* deleted in the Maildir */
	RULE_GONE_THERE, /* deleted on the server */
	RULE_FORGET,
	RULE_ONLY_HERE,  /* new in the Maildir */
	RULE_ONLY_THERE, /* new on the server */
	RULE_MEET,       /* two halves of one message */
};

#define PRESENCE_COUNT (PRESENCE_UNKNOWN + 1)

/* Indexed by [local][remote]: never synced. Nothing is deleted here. */
static const enum rule FIRST[PRESENCE_COUNT][PRESENCE_COUNT] = {
	[PRESENCE_NEVER] = {
		[PRESENCE_NEVER] = RULE_FORGET,
		[PRESENCE_PRESENT] = RULE_ONLY_THERE,
		[PRESENCE_ABSENT] = RULE_FORGET,
		[PRESENCE_UNKNOWN] = RULE_WAIT,
	},
	[PRESENCE_PRESENT] = {
		[PRESENCE_NEVER] = RULE_ONLY_HERE,
		[PRESENCE_PRESENT] = RULE_MEET,
		/* It went before both sides were equal: never a deletion. */
		[PRESENCE_ABSENT] = RULE_ONLY_HERE,
		[PRESENCE_UNKNOWN] = RULE_WAIT,
	},
	[PRESENCE_ABSENT] = {
		[PRESENCE_NEVER] = RULE_FORGET,
		[PRESENCE_PRESENT] = RULE_ONLY_THERE,
		[PRESENCE_ABSENT] = RULE_FORGET,
		[PRESENCE_UNKNOWN] = RULE_WAIT,
	},
	/* [PRESENCE_UNKNOWN]: wait */
};

/* Indexed by [local][remote]: synced once. */
static const enum rule RULES[PLACE_COUNT][PLACE_COUNT] = {
	[PLACE_SAME] = {
		[PLACE_SAME] = RULE_IN_PLACE,
		[PLACE_ELSEWHERE] = RULE_MOVED_THERE,
		[PLACE_ABSENT] = RULE_GONE_THERE,
		[PLACE_UNKNOWN] = RULE_WAIT,
	},
	[PLACE_ELSEWHERE] = {
		[PLACE_SAME] = RULE_MOVED_HERE,
		[PLACE_ELSEWHERE] = RULE_MOVED_BOTH,
		[PLACE_ABSENT] = RULE_GONE_THERE,
		[PLACE_UNKNOWN] = RULE_WAIT,
	},
	[PLACE_ABSENT] = {
		[PLACE_SAME] = RULE_GONE_HERE,
		[PLACE_ELSEWHERE] = RULE_GONE_HERE,
		[PLACE_ABSENT] = RULE_FORGET,
		[PLACE_UNKNOWN] = RULE_WAIT,
	},
	/* [PLACE_UNKNOWN]: wait */
};

/* A pair as the table sees it. */
struct view {
	const struct pair *pair;
	const struct policy *policy;
	enum presence remote, local; /* behind the barrier */
	/* Of the folder a present side is in; NULL = none, or not synced. */
	const struct folder_policy *remote_folder;
	const struct folder_policy *local_folder;
	struct flags remote_flags, local_flags; /* masked */
};

static enum presence behind_barrier(enum presence presence, bool is_complete)
{
	if (presence == PRESENCE_ABSENT && !is_complete)
		return PRESENCE_UNKNOWN;
	return presence;
}

/* With no base to assume, a side that cannot hold a flag reads as the other. */
static void mask_flags(struct view *view)
{
	const struct pair *pair = view->pair;
	bool is_set = pair->synced.is_set;
	const struct flags *assumed;

	view->remote_flags = pair->remote.flags;
	view->local_flags = pair->local.flags;
	if (view->remote_folder != NULL &&
		(is_set || view->local_folder != NULL)) {
		assumed = is_set ? &pair->synced.flags : &pair->local.flags;
		view->remote_flags = merge_masked(&pair->remote.flags, assumed,
			&view->remote_folder->remote_mask);
	}
	if (view->local_folder != NULL &&
		(is_set || view->remote_folder != NULL)) {
		assumed = is_set ? &pair->synced.flags : &pair->remote.flags;
		view->local_flags = merge_masked(&pair->local.flags, assumed,
			&view->local_folder->local_mask);
	}
}

static struct view view_make(
	const struct pair *pair, const struct policy *policy)
{
	struct view view = {
		.pair = pair,
		.policy = policy,
		.remote = behind_barrier(pair->remote.presence,
			policy->remote_is_complete && !policy->remote_is_blind),
		.local = behind_barrier(pair->local.presence,
			policy->local_is_complete && !policy->local_is_blind),
	};

	if (view.remote == PRESENCE_PRESENT)
		view.remote_folder =
			policy_folder(policy, pair->remote.folder_id);
	if (view.local == PRESENCE_PRESENT)
		view.local_folder =
			policy_folder(policy, pair->local.folder_id);
	mask_flags(&view);
	return view;
}

static bool is_open(const struct folder_policy *folder)
{
	return folder != NULL && !folder->is_held;
}

/* Every folder that the pair touches is synced and not held: no rule but
   RULE_WAIT meets a present side without its folder. */
static bool view_is_open(const struct view *view)
{
	bool is_remote_present = view->remote == PRESENCE_PRESENT;
	bool is_local_present = view->local == PRESENCE_PRESENT;

	if (is_remote_present && !is_open(view->remote_folder))
		return false;
	if (is_local_present && !is_open(view->local_folder))
		return false;
	if (!view->pair->synced.is_set ||
		(is_remote_present && is_local_present))
		return true;
	return is_open(
		policy_folder(view->policy, view->pair->synced.folder_id));
}

static enum place place_of(enum presence presence, uint32_t folder_id,
	const struct synced_state *synced)
{
	switch (presence) {
	case PRESENCE_PRESENT:
		return folder_id == synced->folder_id ? PLACE_SAME
						      : PLACE_ELSEWHERE;
	case PRESENCE_ABSENT:
		return PLACE_ABSENT;
	case PRESENCE_NEVER: /* synced, yet never there: a contradiction */
	case PRESENCE_UNKNOWN:
		break;
	}
	return PLACE_UNKNOWN;
}

/* Not found when the server renumbered its messages, and gone here since:
   nobody has it, and nothing is left to be held for a person. */
static bool is_lost_on_both_sides(const struct view *view)
{
	const struct folder_policy *folder =
		policy_folder(view->policy, view->pair->remote.folder_id);

	return view->pair->hold == HOLD_EPOCH &&
		view->local == PRESENCE_ABSENT &&
		view->remote == PRESENCE_UNKNOWN &&
		view->pair->remote.uid == 0 &&
		(folder == NULL || !folder->is_held);
}

static enum rule find_rule(const struct view *view)
{
	const struct pair *pair = view->pair;

	if (is_lost_on_both_sides(view))
		return RULE_FORGET;
	if (pair->hold == HOLD_EPOCH || !view_is_open(view))
		return RULE_WAIT;
	if (!pair->synced.is_set)
		return FIRST[view->local][view->remote];
	return RULES[place_of(view->local, pair->local.folder_id,
		&pair->synced)][place_of(view->remote, pair->remote.folder_id,
		&pair->synced)];
}

/* Deleted in the Maildir. A move to the trash on the server meant the same:
   then both have it in the trash, nothing is expunged. */
static enum existence decide_gone_here(const struct view *view)
{
	const struct synced_state *synced = &view->pair->synced;
	bool is_moved = view->pair->remote.folder_id != synced->folder_id;
	bool is_protected = is_moved ||
		merge_is_protecting(&synced->flags, &view->remote_flags);

	assert(view->remote_folder != NULL);
	/* Whatever was done to it, the message itself is elsewhere. */
	if (view->pair->local.is_leftover)
		return EXISTENCE_DELETE_REMOTE;
	if (is_moved && view->remote_folder->is_discard)
		return EXISTENCE_DOWNLOAD;
	if (is_protected && !view->policy->deletion_wins)
		return EXISTENCE_DOWNLOAD;
	return EXISTENCE_DELETE_REMOTE;
}

/* Deleted on the server. The file goes to the retention directory. */
static enum existence decide_gone_there(const struct view *view)
{
	const struct synced_state *synced = &view->pair->synced;
	bool is_moved = view->pair->local.folder_id != synced->folder_id;
	bool is_protected;

	assert(view->local_folder != NULL);
	is_protected = (is_moved && !view->local_folder->is_discard) ||
		merge_is_protecting(&synced->flags, &view->local_flags);
	if (is_protected && !view->policy->deletion_wins)
		return EXISTENCE_UPLOAD;
	return EXISTENCE_DELETE_LOCAL;
}

/* The Maildir follows to where the server has it. */
static enum existence decide_follow_remote(const struct view *view)
{
	if (view->pair->local.folder_id == view->pair->remote.folder_id)
		return EXISTENCE_KEEP;
	return EXISTENCE_MOVE_LOCAL;
}

static enum existence decide_unbound(
	const struct view *view, enum existence existence)
{
	const struct policy *policy = view->policy;

	/* Its other half, or the place it came from, may not be seen yet. */
	if (!policy->remote_is_complete || !policy->local_is_complete)
		return EXISTENCE_WAIT;
	return existence;
}

/* What is new on the side where it is missing may be this message, moved and
   not recognised. Then that copy comes first: a removal does not run ahead of
   the transfers of its pass. */
static enum existence decide_removal(
	const struct view *view, enum existence existence)
{
	if (existence == EXISTENCE_DELETE_REMOTE ||
		existence == EXISTENCE_DELETE_LOCAL)
		return decide_unbound(view, existence);
	return existence;
}

static enum existence decide_existence(const struct view *view, enum rule rule)
{
	switch (rule) {
	case RULE_WAIT:
		return EXISTENCE_WAIT;
	case RULE_IN_PLACE:
		return EXISTENCE_KEEP;
	case RULE_MOVED_HERE:
		return EXISTENCE_MOVE_REMOTE;
	case RULE_MOVED_THERE:
	case RULE_MOVED_BOTH:
	case RULE_MEET:
		return decide_follow_remote(view);
	case RULE_GONE_HERE:
		return decide_removal(view, decide_gone_here(view));
	case RULE_GONE_THERE:
		return decide_removal(view, decide_gone_there(view));
	case RULE_FORGET:
		return EXISTENCE_FORGET;
	case RULE_ONLY_HERE:
		return decide_unbound(view, EXISTENCE_UPLOAD);
	case RULE_ONLY_THERE:
		return decide_unbound(view, EXISTENCE_DOWNLOAD);
	}
	return EXISTENCE_WAIT;
}

/* Where it happens: each existence follows one side's place. */
static uint32_t decide_folder(const struct pair *pair, enum existence existence)
{
	switch (existence) {
	case EXISTENCE_MOVE_REMOTE:
	case EXISTENCE_UPLOAD:
	case EXISTENCE_DELETE_LOCAL:
		return pair->local.folder_id;
	case EXISTENCE_KEEP:
	case EXISTENCE_MOVE_LOCAL:
	case EXISTENCE_DOWNLOAD:
	case EXISTENCE_DELETE_REMOTE:
		return pair->remote.folder_id;
	case EXISTENCE_WAIT:
	case EXISTENCE_FORGET:
		break;
	}
	return pair->synced.folder_id;
}

static bool is_writable(const struct view *view, enum existence existence)
{
	switch (existence) {
	case EXISTENCE_MOVE_REMOTE:
		assert(view->remote_folder != NULL &&
			view->local_folder != NULL);
		return view->remote_folder->is_remote_writable &&
			view->local_folder->is_remote_writable;
	case EXISTENCE_UPLOAD:
		assert(view->local_folder != NULL);
		return view->local_folder->is_remote_writable;
	case EXISTENCE_DELETE_REMOTE:
		assert(view->remote_folder != NULL);
		return view->remote_folder->is_remote_writable;
	case EXISTENCE_WAIT:
	case EXISTENCE_KEEP:
	case EXISTENCE_DOWNLOAD:
	case EXISTENCE_MOVE_LOCAL:
	case EXISTENCE_DELETE_LOCAL:
	case EXISTENCE_FORGET:
		break;
	}
	return true;
}

static void decide_push(const struct view *view,
	const struct folder_policy *folder, struct decision *decision)
{
	const struct flags *held = &view->pair->remote.flags;
	struct flags add = flags_without(&decision->merged, held);
	struct flags remove = flags_without(held, &decision->merged);

	if (!folder->is_remote_writable)
		return;
	decision->push_add = flags_and(&add, &folder->remote_mask);
	decision->push_remove = flags_and(&remove, &folder->remote_mask);
	decision->has_push = !flags_is_empty(&decision->push_add) ||
		!flags_is_empty(&decision->push_remove);
}

static void decide_pull(const struct view *view,
	const struct folder_policy *folder, struct decision *decision)
{
	const struct flags *held = &view->pair->local.flags;
	struct flags wanted =
		merge_masked(&decision->merged, held, &folder->local_mask);

	decision->has_pull = !flags_equal(&wanted, held);
}

/* Both sides are there and agree on the folder, or will after the move. */
static void decide_flags(const struct view *view, struct decision *decision)
{
	const struct folder_policy *folder =
		policy_folder(view->policy, decision->folder_id);
	const struct synced_state *synced = &view->pair->synced;
	struct synced_state agreed;

	decision->merged = synced->is_set
		? merge_flags(&synced->flags, &view->remote_flags,
			  &view->local_flags)
		: merge_flags_first(&view->remote_flags, &view->local_flags);
	decide_push(view, folder, decision);
	decide_pull(view, folder, decision);
	if (decision->existence != EXISTENCE_KEEP || decision->has_push ||
		decision->has_pull)
		return;
	decision->has_settle =
		decide_agreement(view->pair, view->policy, &agreed);
	if (decision->has_settle)
		decision->merged = agreed.flags;
	/* Whatever it was held for is done, or wanted no more; whether the file
	   is the message, only reading it tells. */
	decision->has_settle |= view->pair->hold != HOLD_NONE &&
		view->pair->hold != HOLD_UNREADABLE;
}

struct decision decide(const struct pair *pair, const struct policy *policy)
{
	struct view view = view_make(pair, policy);
	enum rule rule = find_rule(&view);
	struct decision decision = { .existence =
					     decide_existence(&view, rule) };

	if (!is_writable(&view, decision.existence))
		decision.existence = EXISTENCE_WAIT;
	decision.folder_id = decide_folder(pair, decision.existence);
	switch (decision.existence) {
	case EXISTENCE_KEEP:
	case EXISTENCE_MOVE_REMOTE:
	case EXISTENCE_MOVE_LOCAL:
		decide_flags(&view, &decision);
		break;
	case EXISTENCE_DOWNLOAD:
		decision.merged = view.remote_flags;
		break;
	case EXISTENCE_UPLOAD:
		decision.merged = view.local_flags;
		break;
	case EXISTENCE_WAIT:
	case EXISTENCE_DELETE_REMOTE:
	case EXISTENCE_DELETE_LOCAL:
	case EXISTENCE_FORGET:
		break;
	}
	decision.is_resolved_conflict = rule == RULE_MOVED_BOTH &&
		decision.existence == EXISTENCE_MOVE_LOCAL;
	return decision;
}

bool decide_agreement(const struct pair *pair, const struct policy *policy,
	struct synced_state *agreed_out)
{
	const struct synced_state *synced = &pair->synced;
	struct view view = view_make(pair, policy);
	struct synced_state agreed = { .is_set = true };
	struct flags common, held;

	if (!is_open(view.remote_folder) ||
		view.remote_folder != view.local_folder)
		return false;
	agreed.folder_id = view.remote_folder->folder_id;
	agreed.flags =
		merge_agreed(synced, &pair->remote.flags, &pair->local.flags);
	/* With no base, a flag that only one side can store is no agreement:
	   recorded, it would look removed on the day the other learns it. */
	common = flags_and(&view.remote_folder->remote_mask,
		&view.remote_folder->local_mask);
	held = flags_and(&pair->remote.flags, &pair->local.flags);
	if (!synced->is_set)
		agreed.flags = merge_masked(&agreed.flags, &held, &common);
	if (synced->is_set && synced->folder_id == agreed.folder_id &&
		flags_equal(&synced->flags, &agreed.flags))
		return false;
	*agreed_out = agreed;
	return true;
}
