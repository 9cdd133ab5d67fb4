/* What was begun and whose outcome is open. By the time this runs both sides
   were observed on a live connection and halves are bound, so most intents
   answer themselves: an upload that happened is bound to its UID, one that did
   not is still on one side only. */
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/apply.h"
#include "syncd/worker/remote_content.h"

/* A server may still be storing what a dead connection sent. */
#define LATE_COMMIT_S 3

static struct account_folder *open_folder(
	const struct account *account, uint32_t folder_id)
{
	struct account_folder *folder = account_folder(account, folder_id);

	return folder == NULL || folder->has_failed ||
			!folder->record.has_remote ||
			folder->record.mailbox == NULL
		? NULL
		: folder;
}

/* From before the clock was set back, it is as old as any. */
static bool is_late(const struct intent *intent)
{
	int64_t age = account_now() - intent->time;

	return age >= 0 && age < LATE_COMMIT_S;
}

/* What happened there shows when it can be looked at. */
static bool is_out_of_sight(const struct account *account, uint32_t folder_id)
{
	const struct account_folder *folder =
		account_folder(account, folder_id);

	return folder != NULL && (folder->has_failed || folder->is_doubtful);
}

/* It is sent again now. Should the first one come after all, it is known by its
   content, and by a UID that is not given out yet. */
static void remember_upload(struct stage *stage, const struct intent *intent)
{
	const struct account_folder *folder =
		account_folder(stage->account, intent->to_folder_id);

	if (folder == NULL || !intent->content.has_hash)
		return;
	stage_bury(stage,
		&(struct tomb){
			.mid = intent->mid,
			.content = intent->content,
			.folder_id = intent->to_folder_id,
			.uid = folder->record.uid_next,
			.time = account_now(),
			.reason = "uploaded, and not found",
			.was_uncertain_upload = true,
			.uid_validity = folder->record.uid_validity,
		});
}

/* The server said that it is stored, and it is not found, not even as what the
   server may have made of it. It may have been removed there, so it is sent
   once more; but a server that changes what it gets would get it for ever. */
static bool hold_upload(
	struct stage *stage, const struct intent *intent, struct pair *pair)
{
	if (intent->phase != INTENT_UNBOUND ||
		pair->local.presence != PRESENCE_PRESENT)
		return false;
	if (pair->hold == HOLD_REFUSED)
		return true;
	if (pair->attempt_count++ > 0) {
		pair->hold = HOLD_REFUSED;
		pair->reason = "stored by the server, and not found there: "
			       "changed by it";
		account_log(stage->account, ACCOUNT_LOG_WARNING, "%s: %s",
			pair->local.name, pair->reason);
	}
	stage_put(stage, pair, NULL);
	return pair->hold == HOLD_REFUSED;
}

/* Observed since, and not bound: it did not happen, or comes too late. */
static void resolve_upload(struct stage *stage, const struct intent *intent)
{
	struct account *account = stage->account;
	struct pair pair;
	bool is_open = state_pair_get(account->state, intent->mid,
			       &stage->arena, &pair) &&
		pair.remote.presence != PRESENCE_PRESENT;

	if (is_open && is_out_of_sight(account, intent->to_folder_id))
		return;
	if (is_open && (is_late(intent) || !account->remote_is_complete)) {
		struct account_folder *folder =
			account_folder(account, intent->to_folder_id);

		if (folder != NULL)
			folder->needs_observe = true;
		account->wants_again = true;
		return;
	}
	if (is_open && hold_upload(stage, intent, &pair))
		return;
	if (is_open && intent->phase != INTENT_UNBOUND)
		remember_upload(stage, intent);
	stage_end_intent(stage, intent->intent_id);
}

/* ---- COPY: the copy, if there is one, must be found before anything ---- */

struct copy_search {
	struct account *account;
	const struct intent *intent;
	const struct account_folder *folder;
	struct uid_set same_size, other_size;
	struct uid_set same_header; /* found so far */
	uint32_t found_uid;
};

/* UIDs of the destination from the intent's frontier on that belong to no
   file. */
static void find_candidates(struct copy_search *search)
{
	const struct content *wanted = &search->intent->content;
	uint32_t first_uid = account_first_uid(search->account, search->intent);
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_uid(search->account->state,
		search->intent->to_folder_id, &cursor, &arena, &pair)) {
		bool is_free = pair.local.presence == PRESENCE_NEVER &&
			pair.remote.uid >= first_uid;

		if (is_free && pair.content.email_id != 0 &&
			pair.content.email_id == wanted->email_id)
			search->found_uid = pair.remote.uid;
		else if (is_free && pair.content.size == wanted->size)
			uid_set_add(&search->same_size, pair.remote.uid);
		else if (is_free)
			uid_set_add(&search->other_size, pair.remote.uid);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static void take_header(void *data, uint32_t uid, const struct content *content)
{
	struct copy_search *search = data;

	if (content->header_hash == search->intent->content.header_hash)
		uid_set_add(&search->same_header, uid);
}

static void take_bytes(void *data, uint32_t uid, const struct content *content)
{
	struct copy_search *search = data;

	if (search->found_uid == 0 &&
		memcmp(content->hash, search->intent->content.hash,
			sizeof(content->hash)) == 0)
		search->found_uid = uid;
}

static bool find_same_header(struct copy_search *search,
	const struct uid_set *uids, struct error *error)
{
	uid_set_finish(&search->same_header);
	return uid_set_is_empty(uids) ||
		remote_content_read(search->account, search->folder, uids,
			REMOTE_CONTENT_HEADER,
			&(struct remote_content_taker){ take_header, search },
			error);
}

/* Some servers tell sizes that are not true. Then its bytes must be known, and
   they decide. */
static bool find_same_bytes(struct copy_search *search, struct error *error)
{
	if (!search->intent->content.has_hash)
		return true;
	if (!find_same_header(search, &search->other_size, error))
		return false;
	return uid_set_is_empty(&search->same_header) ||
		remote_content_read(search->account, search->folder,
			&search->same_header, REMOTE_CONTENT_WHOLE,
			&(struct remote_content_taker){ take_bytes, search },
			error);
}

static bool find_copy(struct account *account, const struct intent *intent,
	uint32_t *uid_out, struct error *error)
{
	struct copy_search search = {
		.account = account,
		.intent = intent,
		.folder = open_folder(account, intent->to_folder_id),
	};
	bool is_done = true;

	if (search.folder == NULL)
		return true;
	find_candidates(&search);
	if (search.found_uid == 0) {
		is_done = find_same_header(&search, &search.same_size, error);
		search.found_uid = uid_set_next(&search.same_header, 1);
	}
	if (is_done && search.found_uid == 0)
		is_done = find_same_bytes(&search, error);
	if (is_done)
		*uid_out = search.found_uid;
	uid_set_finish(&search.same_size);
	uid_set_finish(&search.other_size);
	uid_set_finish(&search.same_header);
	return is_done;
}

/* A UID that stands for nothing any more but its removal. */
static void put_leftover(
	struct stage *stage, struct pair *leftover, uint32_t folder_id)
{
	leftover->local.presence = PRESENCE_ABSENT;
	leftover->local.name = NULL;
	leftover->local.inode = 0;
	leftover->local.is_leftover = true;
	leftover->local.folder_id = folder_id;
	leftover->synced.is_set = true;
	leftover->synced.folder_id = folder_id;
	leftover->synced.flags = leftover->remote.flags;
	stage_put(stage, leftover, "copied, to be removed");
}

/* The copy becomes the message; what is left at the source stands for itself
   until it is removed. If somebody moved the source meanwhile, the message is
   where it was moved to, and the copy is one too many. */
static void take_copy(
	struct stage *stage, const struct intent *intent, uint32_t uid)
{
	struct account *account = stage->account;
	struct pair pair, copy, leftover;
	bool is_at_source, is_elsewhere;

	if (!state_pair_get(
		    account->state, intent->mid, &stage->arena, &pair) ||
		!state_pair_by_uid(account->state, intent->to_folder_id, uid,
			&stage->arena, &copy))
		return;
	is_at_source = pair.remote.presence == PRESENCE_PRESENT &&
		pair.remote.folder_id == intent->folder_id &&
		pair.remote.uid == intent->uid;
	is_elsewhere =
		pair.remote.presence == PRESENCE_PRESENT && !is_at_source;
	if (is_elsewhere) {
		put_leftover(stage, &copy, intent->to_folder_id);
		return;
	}
	leftover = pair;
	leftover.mid = state_pair_new_mid(account->state);
	pair.remote = copy.remote;
	stage_drop(stage, &copy, "a copy of ours");
	stage_put(stage, &pair, "copy found");
	if (is_at_source)
		put_leftover(stage, &leftover, intent->folder_id);
}

static bool is_at_source(struct stage *stage, const struct intent *intent)
{
	struct pair pair;

	return state_pair_get(stage->account->state, intent->mid, &stage->arena,
		       &pair) &&
		pair.remote.presence == PRESENCE_PRESENT &&
		pair.remote.folder_id == intent->folder_id &&
		pair.remote.uid == intent->uid;
}

/* The server said that it is copied, and the copy is not found. Somebody may
   have removed it, so it is copied once more; but who cannot find it would
   copy it for ever. */
static bool hold_copy(struct stage *stage, const struct intent *intent)
{
	struct pair pair;

	if (intent->phase != INTENT_UNBOUND || !is_at_source(stage, intent) ||
		!state_pair_get(stage->account->state, intent->mid,
			&stage->arena, &pair))
		return false;
	if (pair.hold == HOLD_REFUSED)
		return true;
	if (pair.attempt_count++ > 0) {
		pair.hold = HOLD_REFUSED;
		pair.reason = "copied by the server, and not found there";
		account_log(stage->account, ACCOUNT_LOG_WARNING, "%s: %s",
			pair.local.name == NULL ? "" : pair.local.name,
			pair.reason);
	}
	stage_put(stage, &pair, NULL);
	return pair.hold == HOLD_REFUSED;
}

static bool resolve_copy(
	struct stage *stage, const struct intent *intent, struct error *error)
{
	struct account *account = stage->account;
	uint32_t uid = 0;

	if (is_out_of_sight(account, intent->folder_id) ||
		is_out_of_sight(account, intent->to_folder_id))
		return true;
	if (!account->remote_is_complete) {
		account->wants_again = true;
		return true;
	}
	if (!find_copy(account, intent, &uid, error))
		return false;
	if (uid == 0 && is_late(intent)) {
		account->wants_again = true;
		return true;
	}
	if (uid == 0 && hold_copy(stage, intent))
		return stage_commit(stage, error);
	if (uid != 0)
		take_copy(stage, intent, uid);
	stage_end_intent(stage, intent->intent_id);
	/* Twins: the next intent must not find this copy again. */
	return stage_commit(stage, error);
}

/* MOVE leaves each message in at least one of the two mailboxes (RFC
   6851, 3.3). Where it was and gone is bound by what it is; in both, the server
   died between copying and removing, and the rest is ours as after a COPY. */
static bool resolve_move(
	struct stage *stage, const struct intent *intent, struct error *error)
{
	if (is_out_of_sight(stage->account, intent->folder_id) ||
		is_out_of_sight(stage->account, intent->to_folder_id))
		return true;
	if (!stage->account->remote_is_complete) {
		stage->account->wants_again = true;
		return true;
	}
	if (is_at_source(stage, intent))
		return resolve_copy(stage, intent, error);
	stage_end_intent(stage, intent->intent_id);
	return true;
}

/* Our STORE, whose answer was lost, was carried out: else the MODSEQ would be
   the one we saw, or the flags would not. */
static bool was_unmarked(const struct pair *pair, const struct intent *intent)
{
	return intent->modseq != 0 && pair->remote.modseq > intent->modseq &&
		flags_equal(&pair->remote.flags, &intent->flags);
}

/* STORE and EXPUNGE are planned again from what is there now: if the mark was
   taken away meanwhile, that is somebody's wish to keep the message. */
static void resolve_delete(struct stage *stage, const struct intent *intent)
{
	struct account *account = stage->account;
	struct pair pair;

	if (is_out_of_sight(account, intent->folder_id))
		return;
	if (state_pair_get(account->state, intent->mid, &stage->arena, &pair) &&
		pair.remote.presence == PRESENCE_PRESENT &&
		(intent->phase == INTENT_UNBOUND ||
			was_unmarked(&pair, intent)) &&
		(pair.remote.flags.system & FLAG_DELETED) == 0) {
		pair.synced.is_set = false;
		pair.local.presence = PRESENCE_NEVER;
		pair.local.is_leftover = false;
		pair.local.name = NULL;
		pair.local.inode = 0;
		pair.attempt_count = 0;
		stage_put(stage, &pair, "kept: \\Deleted was taken away");
	}
	stage_end_intent(stage, intent->intent_id);
}

static bool resolve(
	struct stage *stage, const struct intent *intent, struct error *error)
{
	switch (intent->kind) {
	case INTENT_UPLOAD:
		resolve_upload(stage, intent);
		return true;
	case INTENT_MOVE:
		return resolve_move(stage, intent, error);
	case INTENT_COPY:
		return resolve_copy(stage, intent, error);
	case INTENT_DELETE_REMOTE:
		resolve_delete(stage, intent);
		return true;
	case INTENT_DELETE_LOCAL:
		stage_end_intent(stage, intent->intent_id);
		return true;
	}
	return true;
}

static bool may_have_become(const struct account *account,
	const struct intent *intent, const struct pair *arrival)
{
	const struct content *content = &arrival->content;

	if ((intent->kind != INTENT_MOVE && intent->kind != INTENT_COPY) ||
		intent->to_folder_id != arrival->remote.folder_id ||
		arrival->remote.uid < account_first_uid(account, intent) ||
		!is_out_of_sight(account, intent->folder_id))
		return false;
	if (intent->content.email_id != 0 && content->email_id != 0)
		return intent->content.email_id == content->email_id;
	return intent->content.size == content->size;
}

bool apply_may_be_moved(struct account *account, const struct pair *arrival)
{
	struct state_cursor cursor = { 0 };
	struct intent intent;

	while (state_next_intent(account->state, &cursor, &intent))
		if (may_have_become(account, &intent, arrival))
			return true;
	return false;
}

bool apply_resolve_intents(struct account *account, struct error *error)
{
	struct state_cursor cursor = { 0 };
	struct intent intent;
	struct stage stage;
	struct error failure = { 0 };
	bool is_done = true;

	if (account->is_dry_run)
		return true;
	stage_init(&stage, account);
	while (is_done && state_next_intent(account->state, &cursor, &intent)) {
		is_done = resolve(&stage, &intent, &failure);
		if (!is_done && failure.code == ERROR_REFUSED) {
			account->wants_again = true;
			is_done = true;
		}
	}
	if (is_done)
		is_done = stage_commit(&stage, &failure);
	stage_finish(&stage);
	if (!is_done)
		*error = failure;
	return is_done;
}
