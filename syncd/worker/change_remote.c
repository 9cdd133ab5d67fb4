#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/apply.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/verify.h"

/* STOREs of one message that are not answered for, before it is held. */
#define UNTOLD_MAX    4
#define UNTOLD_REASON "the server does not say that it changed the flags"
#define MODIFIED_REASON                                                        \
	"the server says each time that others changed the flags meanwhile"

/* Messages of one stage's group that are still as planned, reloaded. */
struct group {
	struct account *account;
	struct stage stage;
	struct pair *pairs;
	size_t count, capacity;
	struct uid_set uids;
	uint64_t modseq; /* of a removal: of what was verified */
};

static void group_init(struct group *group, struct account *account,
	const struct operation *operations, size_t count)
{
	memset(group, 0, sizeof(*group));
	group->account = account;
	stage_init(&group->stage, account);
	group->pairs = alloc(count, sizeof(*group->pairs));
	for (size_t i = 0; i < count; i++) {
		struct pair *pair = &group->pairs[group->count];

		if (!state_pair_get(account->state, operations[i].pair->mid,
			    &group->stage.arena, pair) ||
			pair->remote.presence != PRESENCE_PRESENT ||
			pair->remote.folder_id != operations[i].folder_id ||
			!apply_is_still_wanted(
				&group->stage, &operations[i], pair))
			continue;
		uid_set_add(&group->uids, pair->remote.uid);
		group->count++;
	}
}

static void group_finish(struct group *group)
{
	free(group->pairs);
	uid_set_finish(&group->uids);
	stage_finish(&group->stage);
}

static void look_again(struct account *account, struct account_folder *folder)
{
	folder->needs_observe = true;
	account->wants_again = true;
}

/* ---- Flags ---- */

static bool same_change(const struct operation *a, const struct operation *b)
{
	return flags_equal(&a->add, &b->add) &&
		flags_equal(&a->remove, &b->remove);
}

/* All operations of the group with the change of the first. Marks them. */
static size_t take_same(const struct operation *operations, size_t count,
	bool *taken, struct operation *same)
{
	const struct operation *first = NULL;
	size_t same_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (taken[i] ||
			(first != NULL && !same_change(first, &operations[i])))
			continue;
		first = first == NULL ? &operations[i] : first;
		taken[i] = true;
		same[same_count++] = operations[i];
	}
	return same_count;
}

/* It may be gone: who removed it did not know of this. Or somebody else was
   there in between. The next look tells, and what is merged then is tried
   again; but a server that never says what it did is not asked for ever. */
static bool note_untold(struct group *group, const struct uid_set *untold,
	const struct uid_set *modified, const char *reason, struct error *error)
{
	struct account *account = group->account;

	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < group->count; i++) {
		struct pair *pair = &group->pairs[i];

		if (!uid_set_contains(untold, pair->remote.uid))
			continue;
		if (pair->attempt_count >= UNTOLD_MAX) {
			account_hold(account, pair, HOLD_REFUSED,
				uid_set_contains(modified, pair->remote.uid)
					? MODIFIED_REASON
					: reason);
			continue;
		}
		pair->attempt_count++;
		state_pair_put(account->state, pair);
	}
	return state_commit(account->state, error);
}

static bool store_same(struct account *account, struct account_folder *folder,
	const struct operation *operations, size_t count, struct error *error)
{
	struct uid_set modified = { 0 }, told = { 0 }, untold = { 0 };
	struct group group;
	struct remote_store store = {
		.uids = &group.uids,
		.add = &operations[0].add,
		.remove = &operations[0].remove,
		/* All changes up to the anchor are known. */
		.unchanged_since = folder->record.highest_modseq,
		.told = &told,
	};
	bool is_done;

	group_init(&group, account, operations, count);
	is_done = uid_set_is_empty(&group.uids) ||
		remote_store(account->remote, &store, &modified, error);
	uid_set_copy(&untold, &group.uids);
	uid_set_remove_set(&untold, &told);
	if (is_done && !uid_set_is_empty(&untold)) {
		look_again(account, folder);
		is_done = note_untold(
			&group, &untold, &modified, UNTOLD_REASON, error);
	}
	for (size_t i = 0; is_done && i < group.count; i++) {
		struct pair *pair = &group.pairs[i];
		struct flags kept;

		if (!uid_set_contains(&told, pair->remote.uid))
			continue;
		kept = flags_without(
			&pair->remote.flags, &operations[0].remove);
		pair->remote.flags = flags_or(&kept, &operations[0].add);
		apply_agree(pair, &group.stage.policy);
		stage_put(&group.stage, pair, "flags set on the server");
		account->counters.flagged_remote++;
	}
	is_done = is_done && stage_commit(&group.stage, error);
	group_finish(&group);
	uid_set_finish(&modified);
	uid_set_finish(&told);
	uid_set_finish(&untold);
	return is_done;
}

bool apply_flag_remote(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, operations[0].folder_id);
	struct operation *same = alloc(count, sizeof(*same));
	bool *taken = alloc(count, sizeof(*taken));
	size_t same_count;
	bool is_done = remote_select(account->remote, folder->record.mailbox,
		folder->record.uid_validity, error);

	while (is_done &&
		(same_count = take_same(operations, count, taken, same)) > 0)
		is_done = store_same(account, folder, same, same_count, error);
	free(taken);
	free(same);
	return is_done;
}

/* ---- Moves ---- */

static bool put_intents(struct group *group, enum intent_kind kind,
	const struct account_folder *from, const struct account_folder *to,
	struct error *error)
{
	struct account *account = group->account;

	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < group->count; i++) {
		const struct pair *pair = &group->pairs[i];
		struct intent intent = {
			.kind = kind,
			.phase = INTENT_UNCERTAIN,
			.mid = pair->mid,
			.folder_id = from->record.folder_id,
			.uid = pair->remote.uid,
			.modseq = group->modseq,
			.flags = pair->remote.flags,
			.content = pair->content,
			.time = account_now(),
		};

		if (to != NULL) {
			intent.to_folder_id = to->record.folder_id;
			intent.uid_validity = to->record.uid_validity;
			intent.uid_next = to->record.uid_next;
		}
		(void)state_intent_put(account->state, &intent);
	}
	return state_commit(account->state, error);
}

static void end_intent(struct group *group, const struct pair *pair)
{
	struct intent intent;

	if (state_intent_of_mid(group->account->state, pair->mid, &intent))
		stage_end_intent(&group->stage, intent.intent_id);
}

static void end_intents(struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		end_intent(group, &group->pairs[i]);
}

/* Refused, so nothing is open any more. Should this fail, the intents stay and
   the next pass finds out the same. */
static void end_refused(struct group *group)
{
	struct error ignored = { 0 };

	end_intents(group);
	if (!stage_commit(&group->stage, &ignored))
		group->account->wants_again = true;
}

/* The server said that it did so to these. What shows otherwise from here on
   was done by somebody else, or cannot be found. */
static bool note_done(
	struct group *group, const struct uid_set *uids, struct error *error)
{
	struct account *account = group->account;
	struct intent intent;

	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < group->count; i++) {
		if (!uid_set_contains(uids, group->pairs[i].remote.uid) ||
			!state_intent_of_mid(
				account->state, group->pairs[i].mid, &intent))
			continue;
		intent.phase = INTENT_UNBOUND;
		(void)state_intent_put(account->state, &intent);
	}
	return state_commit(account->state, error);
}

static struct pair *group_find(
	struct group *group, const struct account_folder *folder, uint32_t uid)
{
	for (size_t i = 0; i < group->count; i++)
		if (group->pairs[i].remote.uid == uid &&
			group->pairs[i].remote.folder_id ==
				folder->record.folder_id)
			return &group->pairs[i];
	return NULL;
}

/* The new places, as far as the server told them. Pairs not named keep the old
   one, and their intents: the next observation of both mailboxes finds them
   gone there and new here, and binds. */
static void take_receipt(struct group *group,
	const struct remote_receipt *receipt, const struct account_folder *from,
	const struct account_folder *to)
{
	for (size_t i = 0; receipt->has_uids && i < receipt->pair_count; i++) {
		struct pair *pair =
			group_find(group, from, receipt->pairs[i].from);

		if (pair == NULL ||
			receipt->uid_validity != to->record.uid_validity)
			continue;
		stage_free_uid(&group->stage, to->record.folder_id,
			receipt->pairs[i].to, pair->mid);
		pair->remote.folder_id = to->record.folder_id;
		pair->remote.uid = receipt->pairs[i].to;
		pair->remote.modseq = 0;
		apply_agree(pair, &group->stage.policy);
		stage_put(&group->stage, pair, "moved on the server");
		end_intent(group, pair);
		group->account->counters.moved_remote++;
	}
}

static bool move_at_once(struct group *group, struct account_folder *from,
	struct account_folder *to, struct error *error)
{
	struct account *account = group->account;
	struct remote_receipt receipt = { 0 };
	bool is_done;

	if (!put_intents(group, INTENT_MOVE, from, to, error))
		return false;
	is_done = remote_move(account->remote, &group->uids, to->record.mailbox,
		&group->stage.arena, &receipt, error);
	/* A refused MOVE may have moved some; what it did shows when looked
	   at. Only a lost connection leaves the outcome open. */
	if (!is_done && error->code != ERROR_REFUSED)
		return false;
	look_again(account, from);
	to->needs_observe = true;
	if (!is_done) {
		end_refused(group);
		return false;
	}
	take_receipt(group, &receipt, from, to);
	return stage_commit(&group->stage, error);
}

/* The source's UID after a copy: nobody's any more, to be removed. A pair of
   its own stands for it until it is. */
static void put_leftover(struct group *group, const struct pair *moved,
	uint32_t folder_id, uint32_t uid)
{
	struct account *account = group->account;
	struct pair leftover = *moved;

	leftover.mid = state_pair_new_mid(account->state);
	leftover.remote.folder_id = folder_id;
	leftover.remote.uid = uid;
	leftover.local.presence = PRESENCE_ABSENT;
	leftover.local.name = NULL;
	leftover.local.inode = 0;
	leftover.local.is_leftover = true;
	leftover.local.folder_id = folder_id;
	leftover.synced.is_set = true;
	leftover.synced.folder_id = folder_id;
	leftover.synced.flags = leftover.remote.flags;
	leftover.hold = HOLD_NONE;
	stage_put(&group->stage, &leftover, "copied, to be removed");
}

/* COPY, then the removal of the source as a deletion like any other, which is
   planned in the next pass: it verifies, and counts for nobody's guard but
   its own. The binding of the copy is durable before. */
static bool move_by_copy(struct group *group, struct account_folder *from,
	struct account_folder *to, struct error *error)
{
	struct account *account = group->account;
	struct remote_receipt receipt = { 0 };

	if (!put_intents(group, INTENT_COPY, from, to, error))
		return false;
	if (!remote_copy(account->remote, &group->uids, to->record.mailbox,
		    &group->stage.arena, &receipt, error)) {
		/* RFC 9051, 6.4.7: refused, the mailbox is as it was. */
		if (error->code == ERROR_REFUSED)
			end_refused(group);
		return false;
	}
	look_again(account, from);
	to->needs_observe = true;
	if (!receipt.has_uids ||
		receipt.uid_validity != to->record.uid_validity)
		/* The intent finds the copy, then goes on. */
		return note_done(group, &group->uids, error);
	take_receipt(group, &receipt, from, to);
	/* Now that the old UIDs are given up. */
	for (size_t i = 0; i < receipt.pair_count; i++) {
		struct pair *pair = group_find(group, to, receipt.pairs[i].to);

		if (pair != NULL)
			put_leftover(group, pair, from->record.folder_id,
				receipt.pairs[i].from);
	}
	end_intents(group);
	return stage_commit(&group->stage, error);
}

static bool move_group(struct account *account, struct account_folder *from,
	struct account_folder *to, const struct operation *operations,
	size_t count, struct error *error)
{
	struct group group;
	bool is_done = true;

	group_init(&group, account, operations, count);
	if (!uid_set_is_empty(&group.uids)) {
		is_done = remote_select(account->remote, from->record.mailbox,
			from->record.uid_validity, error);
		if (is_done && remote_abilities(account->remote)->has_move)
			is_done = move_at_once(&group, from, to, error);
		else if (is_done)
			is_done = move_by_copy(&group, from, to, error);
	}
	group_finish(&group);
	return is_done;
}

/* A MOVE may be of any number; what a server leaves over is asked for again.
   A COPY is done or refused as a whole. */
static size_t move_count_max(const struct account *account)
{
	const struct remote_abilities *abilities =
		remote_abilities(account->remote);

	if (abilities->has_move)
		return SIZE_MAX;
	return abilities->message_limit == 0 ||
			abilities->message_limit > REMOTE_COPY_MAX
		? REMOTE_COPY_MAX
		: (size_t)abilities->message_limit;
}

bool apply_move_remote(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *from =
		account_folder(account, operations[0].folder_id);
	struct account_folder *to =
		account_folder(account, operations[0].to_folder_id);
	size_t count_max = move_count_max(account);
	bool is_done = true;

	if (to == NULL || to->has_failed || to->record.mailbox == NULL)
		return true;
	while (is_done && count > 0) {
		size_t taken = count < count_max ? count : count_max;

		is_done =
			move_group(account, from, to, operations, taken, error);
		operations += taken;
		count -= taken;
	}
	return is_done;
}

/* ---- Deletions ---- */

/* Without UID EXPUNGE nothing can be removed without removing what others
   marked: the mark is all we set, the server or a person does the rest. */
static bool mark_only(
	struct group *group, const struct uid_set *marked, struct error *error)
{
	for (size_t i = 0; i < group->count; i++) {
		struct pair *pair = &group->pairs[i];

		if (!uid_set_contains(marked, pair->remote.uid))
			continue;
		pair->remote.flags.system |= FLAG_DELETED;
		pair->synced.flags.system |= FLAG_DELETED;
		stage_put(&group->stage, pair, "marked \\Deleted");
	}
	end_intents(group);
	return stage_commit(&group->stage, error);
}

/* Before they are removed: should the process die then, the guard still knows
   of them. */
static bool count_removed(struct group *group, struct account_folder *folder,
	const struct uid_set *removed, struct error *error)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct pair *pair = &group->pairs[i];

		if (uid_set_contains(removed, pair->remote.uid) &&
			!pair->local.is_leftover)
			account_count_deletion(folder, true);
	}
	return account_folder_save(group->account, folder, error);
}

/* What stays keeps its intent: the next look tells whether somebody took
   \Deleted away, or whether it is to be tried again. */
static bool drop_removed(struct group *group, const struct uid_set *asked,
	const struct uid_set *gone, struct error *error)
{
	struct account *account = group->account;

	for (size_t i = 0; i < group->count; i++) {
		const struct pair *pair = &group->pairs[i];

		if (!uid_set_contains(asked, pair->remote.uid)) {
			end_intent(group, pair);
			continue;
		}
		if (!uid_set_contains(gone, pair->remote.uid))
			continue;
		end_intent(group, pair);
		stage_drop(&group->stage, pair, "removed on the server");
		account->counters.deleted_remote++;
	}
	return stage_commit(&group->stage, error);
}

static bool expunge(struct group *group, struct account_folder *folder,
	const struct uid_set *uids, struct error *error)
{
	struct uid_set gone = { 0 }, left = { 0 }, modified = { 0 };
	bool is_done =
		remote_expunge(group->account->remote, uids, &gone, error);

	uid_set_copy(&left, uids);
	uid_set_remove_set(&left, &gone);
	if (is_done && !uid_set_is_empty(&left)) {
		look_again(group->account, folder);
		is_done = note_untold(group, &left, &modified,
			"the server does not remove it", error);
	}
	is_done = is_done && drop_removed(group, uids, &gone, error);
	uid_set_finish(&gone);
	uid_set_finish(&left);
	return is_done;
}

static struct account_folder *trash(const struct account *account)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		const char *use = account->folders[i]->record.special_use;

		if (use != NULL && strcmp(use, "\\Trash") == 0)
			return account->folders[i];
	}
	return NULL;
}

/* Gmail keeps what is expunged in All Mail; what its users call deleting is
   the move to the bin. */
static bool remove_verified(struct group *group, struct account_folder *folder,
	struct verified *verified, struct error *error)
{
	struct account *account = group->account;
	const struct remote_abilities *abilities =
		remote_abilities(account->remote);
	struct account_folder *bin =
		abilities->is_gmail ? trash(account) : NULL;
	struct flags deleted = { .system = FLAG_DELETED };
	struct uid_set *uids = &verified->uids;
	struct remote_store store = {
		.uids = uids,
		.add = &deleted,
		.unchanged_since = verified->modseq,
	};
	struct uid_set modified = { 0 };
	struct remote_receipt receipt;
	bool is_done;

	if (bin != NULL && bin != folder && bin->record.mailbox != NULL)
		return count_removed(group, folder, uids, error) &&
			remote_move(account->remote, uids, bin->record.mailbox,
				&group->stage.arena, &receipt, error) &&
			drop_removed(group, uids, uids, error);
	is_done = remote_store(account->remote, &store, &modified, error);
	if (is_done && !uid_set_is_empty(&modified)) {
		uid_set_remove_set(uids, &modified);
		look_again(account, folder);
	}
	uid_set_finish(&modified);
	if (!is_done || uid_set_is_empty(uids))
		return is_done;
	if (!abilities->has_uidplus)
		return mark_only(group, uids, error);
	return count_removed(group, folder, uids, error) &&
		note_done(group, uids, error) &&
		expunge(group, folder, uids, error);
}

/* Those that wait for somebody else's EXPUNGE need nothing from us. */
static size_t without_marked(const struct account *account,
	const struct operation *operations, size_t count,
	struct operation *wanted)
{
	bool has_uidplus = remote_abilities(account->remote)->has_uidplus;
	size_t wanted_count = 0;

	for (size_t i = 0; i < count; i++)
		if (has_uidplus ||
			(operations[i].pair->remote.flags.system &
				FLAG_DELETED) == 0)
			wanted[wanted_count++] = operations[i];
	return wanted_count;
}

static bool delete_wanted(struct account *account,
	struct account_folder *folder, const struct operation *operations,
	size_t count, struct error *error)
{
	struct verified verified = { .modseq = 0 };
	struct group group;
	bool is_done;

	group_init(&group, account, operations, count);
	is_done = remote_select(account->remote, folder->record.mailbox,
			  folder->record.uid_validity, error) &&
		verify_before_delete(account, folder, group.pairs, group.count,
			&verified, error);
	group.modseq = verified.modseq;
	if (is_done && !uid_set_is_empty(&verified.uids))
		is_done = put_intents(&group, INTENT_DELETE_REMOTE, folder,
				  NULL, error) &&
			remove_verified(&group, folder, &verified, error);
	if (!is_done && error->code == ERROR_REFUSED)
		end_refused(&group);
	/* What our STORE did is to be seen before the intents are resolved. */
	if (!is_done)
		folder->needs_observe = true;
	uid_set_finish(&verified.uids);
	group_finish(&group);
	return is_done;
}

bool apply_delete_remote(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, operations[0].folder_id);
	struct operation *wanted = alloc(count, sizeof(*wanted));
	size_t wanted_count =
		without_marked(account, operations, count, wanted);
	bool is_done = wanted_count == 0 ||
		delete_wanted(account, folder, wanted, wanted_count, error);

	free(wanted);
	return is_done;
}
