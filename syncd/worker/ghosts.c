/* Late twins of our own uploads. An APPEND whose answer was lost was looked
   for, not found, and sent again; but a server may still store what a dead
   connection left it. The tomb written before the second try is the intent: it
   names the content, and the UID below which the first one was not. What comes
   with that content from there on, bound to nothing, beside the bound one, is
   the first one. One of the two goes, and only after both were read. */
#include <string.h>

#include "syncd/worker/apply.h"
#include "syncd/worker/remote_content.h"

struct ghosts {
	struct account *account;
	struct arena arena;
	struct tomb *tombs; /* of lost uploads that may still come */
	size_t tomb_count, tomb_capacity;
	struct pair *pairs; /* that may be one of them */
	size_t pair_count, pair_capacity;
};

/* ---- Who it may be ---- */

/* Its day is over with the first whole pass after it: what came in time is
   known also where nobody looked for long. */
static void load_tombs(struct ghosts *ghosts)
{
	struct account *account = ghosts->account;
	struct state_cursor cursor = { 0 };
	int64_t looked_at = account_maintained_at(account);
	struct arena arena;
	struct tomb tomb;

	arena_init(&arena);
	account->ghosts_until = 0;
	while (state_next_tomb(account->state, &cursor, &arena, &tomb)) {
		struct tomb *copy;

		arena_reset(&arena);
		if (!tomb.was_uncertain_upload ||
			looked_at - tomb.time >= GHOST_S)
			continue;
		copy = arena_push(&ghosts->arena, &ghosts->tombs,
			&ghosts->tomb_count, &ghosts->tomb_capacity,
			sizeof(*copy));
		*copy = tomb;
		copy->reason = NULL;
		if (account->ghosts_until < tomb.time + GHOST_S)
			account->ghosts_until = tomb.time + GHOST_S;
	}
	arena_finish(&arena);
}

static bool may_be(const struct pair *pair, const struct tomb *tomb)
{
	return tomb->was_uncertain_upload &&
		pair->remote.folder_id == tomb->folder_id &&
		pair->remote.uid >= tomb->uid &&
		pair->content.size == tomb->content.size &&
		pair->content.internal_date == tomb->content.internal_date;
}

static bool is_suspect(const struct ghosts *ghosts, const struct pair *pair)
{
	if (pair->local.presence != PRESENCE_NEVER ||
		pair->remote.presence != PRESENCE_PRESENT ||
		pair->synced.is_set)
		return false;
	for (size_t i = 0; i < ghosts->tomb_count; i++)
		if (may_be(pair, &ghosts->tombs[i]))
			return true;
	return false;
}

static void find_suspects(struct ghosts *ghosts)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(
		ghosts->account->state, &cursor, &arena, &pair)) {
		struct pair *copy;

		arena_reset(&arena);
		if (!is_suspect(ghosts, &pair))
			continue;
		copy = arena_push(&ghosts->arena, &ghosts->pairs,
			&ghosts->pair_count, &ghosts->pair_capacity,
			sizeof(*copy));
		*copy = pair;
		copy->local.name = NULL;
		copy->reason = NULL;
	}
	arena_finish(&arena);
}

/* ---- Reading a message ---- */

static void take_content(
	void *data, uint32_t uid, const struct content *content)
{
	struct content *taken = data;

	(void)uid;
	*taken = *content;
}

/* `content_out` has no hash when the server did not hand it out. */
static bool read_message(struct account *account,
	const struct account_folder *folder, uint32_t uid,
	struct content *content_out, struct error *error)
{
	struct uid_set uids = { 0 };
	bool is_done;

	*content_out = (struct content){ 0 };
	uid_set_add(&uids, uid);
	is_done = remote_content_read(account, folder, &uids,
		REMOTE_CONTENT_WHOLE,
		&(struct remote_content_taker){ take_content, content_out },
		error);
	uid_set_finish(&uids);
	return is_done;
}

static bool is_equal(const struct content *a, const struct content *b)
{
	return a->has_hash && b->has_hash &&
		memcmp(a->hash, b->hash, CONTENT_HASH_SIZE) == 0;
}

/* ---- Who it is ---- */

/* One tomb is one lost upload: no more than one can come late. */
static struct tomb *find_tomb(struct ghosts *ghosts, const struct pair *pair,
	const struct content *content)
{
	for (size_t i = 0; i < ghosts->tomb_count; i++)
		if (may_be(pair, &ghosts->tombs[i]) &&
			is_equal(content, &ghosts->tombs[i].content))
			return &ghosts->tombs[i];
	return NULL;
}

static bool is_bound_twin(const struct pair *pair, const struct tomb *tomb)
{
	return pair->local.presence == PRESENCE_PRESENT &&
		pair->remote.presence == PRESENCE_PRESENT &&
		is_equal(&pair->content, &tomb->content);
}

/* The one that was sent again, or 0. */
static uint32_t find_bound_twin(
	struct account *account, const struct tomb *tomb)
{
	struct uid_set uids = { 0 };
	struct arena arena;
	struct pair pair;
	uint32_t found_uid = 0;
	uint32_t uid;

	arena_init(&arena);
	state_folder_uids(account->state, tomb->folder_id, &uids);
	for (uid = uid_set_next(&uids, tomb->uid); uid != 0 && found_uid == 0;
		uid = uid == UINT32_MAX ? 0 : uid_set_next(&uids, uid + 1)) {
		if (state_pair_by_uid(account->state, tomb->folder_id, uid,
			    &arena, &pair) &&
			is_bound_twin(&pair, tomb))
			found_uid = uid;
		arena_reset(&arena);
	}
	uid_set_finish(&uids);
	arena_finish(&arena);
	return found_uid;
}

/* ---- Removing it ---- */

static const struct remote_message *find_message(
	const struct remote_message *messages, size_t count, uint32_t uid)
{
	for (size_t i = 0; i < count; i++)
		if (messages[i].uid == uid && messages[i].has_flags)
			return &messages[i];
	return NULL;
}

/* Both are there, the one that stays is not about to go, and nobody has made
   the other one something of its own. */
static bool may_go(
	const struct remote_message *late, const struct remote_message *twin)
{
	struct flags extra;

	if (late == NULL || twin == NULL ||
		(twin->flags.system & FLAG_DELETED) != 0)
		return false;
	extra = flags_without(&late->flags, &twin->flags);
	return (extra.system & FLAG_FLAGGED) == 0 &&
		flags_next_keyword(&extra, 0) < 0;
}

/* Somebody copied the one that was sent again: a copy has the id of its source,
   what is appended has one of its own. Some servers give equal messages one id
   (RFC 8474, 5.1): there it cannot be told, and stays. */
static bool is_copy(
	const struct remote_message *late, const struct remote_message *twin)
{
	return late != NULL && twin != NULL && late->email_id != 0 &&
		late->email_id == twin->email_id;
}

enum late_end {
	LATE_GONE,
	LATE_KEPT,
	LATE_COPIED, /* not the late one at all */
};

static bool expunge(struct account *account, const struct remote_message *late,
	enum late_end *end_out, struct error *error)
{
	struct flags deleted = { .system = FLAG_DELETED };
	struct uid_set uids = { 0 }, modified = { 0 }, gone = { 0 };
	struct remote_store store = {
		.uids = &uids,
		.add = &deleted,
		.unchanged_since = late->modseq,
	};
	bool is_done;

	uid_set_add(&uids, late->uid);
	is_done = remote_store(account->remote, &store, &modified, error);
	if (is_done && uid_set_is_empty(&modified)) {
		is_done = remote_expunge(account->remote, &uids, &gone, error);
		if (is_done && !uid_set_is_empty(&gone))
			*end_out = LATE_GONE;
	}
	uid_set_finish(&gone);
	uid_set_finish(&modified);
	uid_set_finish(&uids);
	return is_done;
}

/* Without UIDPLUS, and on Gmail, where a removal is a move, it stays: it comes
   down as a message of its own. */
static bool can_remove(const struct account *account)
{
	const struct remote_abilities *abilities =
		remote_abilities(account->remote);

	return abilities->has_uidplus && !abilities->is_gmail;
}

static bool remove_late(struct account *account, uint32_t uid,
	uint32_t twin_uid, enum late_end *end_out, struct error *error)
{
	struct remote_message *messages = NULL;
	const struct remote_message *late, *twin;
	struct uid_set uids = { 0 };
	struct arena arena;
	size_t count = 0;
	bool is_done;

	arena_init(&arena);
	uid_set_add(&uids, uid);
	uid_set_add(&uids, twin_uid);
	is_done = remote_fetch_messages(
		account->remote, &uids, &arena, &messages, &count, error);
	late = find_message(messages, count, uid);
	twin = find_message(messages, count, twin_uid);
	if (is_done && is_copy(late, twin))
		*end_out = LATE_COPIED;
	else if (is_done && may_go(late, twin))
		is_done = expunge(account, late, end_out, error);
	uid_set_finish(&uids);
	arena_finish(&arena);
	return is_done;
}

/* The tomb has done its duty. */
static bool lay_to_rest(struct account *account, struct tomb *tomb,
	const struct pair *late, bool is_gone, struct error *error)
{
	struct stage stage;
	bool is_done;

	tomb->was_uncertain_upload = false;
	tomb->uid_validity = 0;
	tomb->reason = "uploaded twice, the first time late";
	stage_init(&stage, account);
	if (is_gone)
		stage_drop(&stage, late, "a late copy of ours");
	stage_bury(&stage, tomb);
	is_done = stage_commit(&stage, error);
	stage_finish(&stage);
	return is_done;
}

static bool remove_ghost(struct ghosts *ghosts,
	const struct account_folder *folder, const struct pair *pair,
	struct error *error)
{
	struct account *account = ghosts->account;
	uint32_t uid = pair->remote.uid;
	struct content content, twin_content;
	struct tomb *tomb;
	uint32_t twin_uid;
	enum late_end end = LATE_KEPT;

	if (!read_message(account, folder, uid, &content, error))
		return false;
	tomb = find_tomb(ghosts, pair, &content);
	if (tomb == NULL || tomb->uid_validity != folder->record.uid_validity)
		return true;
	twin_uid = find_bound_twin(account, tomb);
	if (twin_uid == 0)
		return true;
	if (!read_message(account, folder, twin_uid, &twin_content, error) ||
		(can_remove(account) && is_equal(&content, &twin_content) &&
			!remove_late(account, uid, twin_uid, &end, error)))
		return false;
	if (end == LATE_COPIED)
		return true;
	account_log(account,
		end == LATE_GONE ? ACCOUNT_LOG_INFO : ACCOUNT_LOG_WARNING,
		"%s: UID %u is a late copy of UID %u, which was sent because "
		"its answer was lost: %s",
		folder->record.path, uid, twin_uid,
		end == LATE_GONE ? "removed" : "kept");
	return lay_to_rest(account, tomb, pair, end == LATE_GONE, error);
}

static bool look_at(
	struct ghosts *ghosts, const struct pair *pair, struct error *error)
{
	struct account *account = ghosts->account;
	const struct account_folder *folder =
		account_folder(account, pair->remote.folder_id);
	struct error failure = { 0 };

	if (folder == NULL || !account_folder_is_active(folder) ||
		folder->has_failed || folder->record.state != FOLDER_NORMAL)
		return true;
	if (remove_ghost(ghosts, folder, pair, &failure))
		return true;
	/* Refused: then it is a message like any other. */
	if (failure.code == ERROR_REFUSED)
		return true;
	*error = failure;
	return false;
}

bool apply_remove_ghosts(struct account *account, struct error *error)
{
	struct ghosts ghosts = { .account = account };
	bool is_done = true;

	if (account->is_dry_run || state_unsettled_count(account->state) == 0 ||
		account->ghosts_until <= account_maintained_at(account))
		return true;
	arena_init(&ghosts.arena);
	load_tombs(&ghosts);
	if (ghosts.tomb_count > 0)
		find_suspects(&ghosts);
	for (size_t i = 0; is_done && i < ghosts.pair_count; i++)
		is_done = look_at(&ghosts, &ghosts.pairs[i], error);
	arena_finish(&ghosts.arena);
	return is_done;
}
