#include "syncd/worker/observe.h"

#include <string.h>

#include "syncd/reconciler/merge.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/mailboxes.h"
#include "syncd/worker/observe_changed.h"
#include "syncd/worker/observe_witness.h"

/* Few UIDs are looked up one by one, many by walking what is known. */
#define VANISHED_LOOKUP_MAX 256
/* Looks at a message that is listed and never told of, before all else goes on
   without it. */
#define GAP_LOOK_MAX 3

/* ---- What STATUS tells ---- */

static bool status_equal(const struct account_folder *folder)
{
	const struct folder *record = &folder->record;

	if (folder->has_seen_status)
		return folder->status_uid_validity ==
			folder->seen_uid_validity &&
			folder->status_uid_next == folder->seen_uid_next &&
			folder->status_count == folder->seen_count &&
			folder->status_modseq == folder->seen_modseq &&
			folder->status_unseen == folder->seen_unseen;
	return folder->status_uid_validity == record->uid_validity &&
		folder->status_uid_next == record->uid_next &&
		folder->status_count == record->exists &&
		(folder->status_modseq == 0 ||
			folder->status_modseq == record->highest_modseq);
}

/* MESSAGES, UIDNEXT and UNSEEN say nothing about \Flagged and its like: without
   CONDSTORE all flags are listed now and then. */
static bool needs_sweep(
	const struct account *account, const struct account_folder *folder)
{
	if (folder->status_modseq != 0)
		return false;
	return account->wants_sweep || folder->swept_at_ms == 0 ||
		account->began_at_ms - folder->swept_at_ms >=
		(int64_t)account->config->poll_s * 1000;
}

/* What is not listed cannot be selected: it is gone, or has another name. */
static bool is_observable(const struct account_folder *folder)
{
	return account_folder_is_active(folder) &&
		(!folder->has_failed || folder->has_failed_here) &&
		folder->record.has_remote && folder->is_listed;
}

/* Of a mailbox whose STATUS is refused nothing is known but by looking: once a
   pass, or no pass would ever see the end of it. */
static bool has_changed(
	const struct account *account, const struct account_folder *folder)
{
	if (!folder->has_status)
		return folder->swept_at_ms < account->began_at_ms;
	return !status_equal(folder) || needs_sweep(account, folder);
}

size_t observe_mark_changed(struct account *account)
{
	size_t count = 0;

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (!is_observable(folder))
			continue;
		if (has_changed(account, folder))
			folder->needs_observe = true;
		count += folder->needs_observe;
	}
	return count;
}

static void note_status(struct account_folder *folder)
{
	folder->has_seen_status = folder->has_status;
	folder->seen_uid_validity = folder->status_uid_validity;
	folder->seen_uid_next = folder->status_uid_next;
	folder->seen_count = folder->status_count;
	folder->seen_modseq = folder->status_modseq;
	folder->seen_unseen = folder->status_unseen;
	folder->swept_at_ms = (int64_t)clock_now_ms();
	folder->needs_observe = false;
}

/* ---- Rows ---- */

static void put_arrival(struct account *account,
	const struct account_folder *folder, uint32_t uid_validity,
	const struct remote_message *message, struct arena *arena)
{
	struct pair pair = { .mid = state_pair_new_mid(account->state) };
	struct pair other;

	pair.remote.presence = PRESENCE_PRESENT;
	pair.remote.folder_id = folder->record.folder_id;
	pair.remote.uid = message->uid;
	pair.remote.modseq = message->modseq;
	pair.remote.flags = message->flags;
	pair.content.size = message->size;
	pair.content.internal_date = message->internal_date;
	pair.content.email_id = message->email_id;
	/* The name its file will get: found there after a crash, the file is
	   known to be this message. */
	pair.local.folder_id = folder->record.folder_id;
	pair.local.name =
		account_download_name(account, arena, folder->record.folder_id,
			uid_validity, message->uid, message->internal_date);
	/* The UID was another message's before. */
	if (state_pair_by_unique(account->state, folder->record.folder_id,
		    pair.local.name, arena, &other))
		pair.local.name = NULL;
	state_pair_put(account->state, &pair);
	account_journal(account, JOURNAL_REMOTE, &pair, "new");
}

/* A new message of which the server told too little waits: the frontier does
   not pass it. */
/* First told of since its upload, with the date it was sent with and another
   size: the server has changed it, and what it has is what is compared before
   it is removed. */
static bool take_changed(
	struct pair *pair, const struct remote_message *message)
{
	struct content *content = &pair->content;

	if (!message->has_size || pair->remote.modseq != 0 ||
		message->size == content->size ||
		message->internal_date != content->internal_date)
		return false;
	content->size = message->size;
	content->email_id = message->email_id;
	return true;
}

static void put_row(struct account *account, struct account_folder *folder,
	uint32_t uid_validity, const struct remote_message *message,
	struct arena *arena)
{
	struct flags mask = account_remote_mask(folder);
	struct flags flags;
	struct pair pair;
	bool is_changed;

	if (!state_pair_by_uid(account->state, folder->record.folder_id,
		    message->uid, arena, &pair)) {
		if (message->has_size && message->has_flags)
			put_arrival(
				account, folder, uid_validity, message, arena);
		return;
	}
	is_changed = take_changed(&pair, message);
	if (is_changed)
		uid_set_add(&folder->changed_uids, message->uid);
	/* That it changed is known even where the flags are as they were. */
	if (pair.remote.modseq != 0 && message->modseq > pair.remote.modseq) {
		pair.remote.modseq = message->modseq;
		is_changed = true;
	}
	flags = merge_masked(&message->flags, &pair.synced.flags, &mask);
	if (!message->has_flags || flags_equal(&pair.remote.flags, &flags)) {
		if (is_changed)
			state_pair_put(account->state, &pair);
		return;
	}
	pair.remote.flags = flags;
	pair.remote.modseq = message->modseq;
	pair.retry_at = 0;
	state_pair_put(account->state, &pair);
	account_journal(account, JOURNAL_REMOTE, &pair, "flags");
}

static void put_rows(struct account *account, struct account_folder *folder,
	const struct remote_view *view)
{
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < view->message_row_count; i++) {
		put_row(account, folder, view->uid_validity, &view->messages[i],
			&arena);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

/* ---- Absence ---- */

static void lose(struct account *account, struct pair *pair)
{
	/* Never on disk: nothing is left to know. */
	if (pair->local.presence == PRESENCE_NEVER) {
		state_journal_settle(account->state, pair->mid, "gone again");
		state_pair_delete(account->state, pair->mid);
		return;
	}
	pair->remote.presence = PRESENCE_ABSENT;
	pair->remote.absent_since = clock_now_ms();
	pair->retry_at = 0;
	state_pair_put(account->state, pair);
	account_journal(account, JOURNAL_REMOTE, pair, "gone");
}

static void lose_uid(struct account *account, uint32_t folder_id, uint32_t uid,
	struct arena *arena)
{
	struct pair pair;

	if (state_pair_by_uid(account->state, folder_id, uid, arena, &pair) &&
		pair.remote.presence == PRESENCE_PRESENT)
		lose(account, &pair);
	arena_reset(arena);
}

static void lose_uids(
	struct account *account, uint32_t folder_id, const struct uid_set *gone)
{
	struct arena arena;

	arena_init(&arena);
	for (uint32_t uid = uid_set_next(gone, 1); uid != 0;
		uid = uid == UINT32_MAX ? 0 : uid_set_next(gone, uid + 1))
		lose_uid(account, folder_id, uid, &arena);
	arena_finish(&arena);
}

/* `vanished` may name millions we never had; what is walked is what we have. */
static void lose_vanished(struct account *account, uint32_t folder_id,
	const struct remote_view *view)
{
	struct uid_set gone = { 0 };

	if (view->has_listing) {
		state_folder_uids(account->state, folder_id, &gone);
		uid_set_remove_set(&gone, &view->listing);
	} else if (uid_set_count(&view->vanished) <= VANISHED_LOOKUP_MAX) {
		uid_set_copy(&gone, &view->vanished);
	} else {
		struct uid_set known = { 0 };

		state_folder_uids(account->state, folder_id, &known);
		uid_set_copy(&gone, &known);
		uid_set_remove_set(&gone, &view->vanished);
		uid_set_remove_set(&known, &gone);
		uid_set_copy(&gone, &known);
		uid_set_finish(&known);
	}
	lose_uids(account, folder_id, &gone);
	uid_set_finish(&gone);
}

void observe_mailbox_gone(
	struct account *account, struct account_folder *folder)
{
	struct folder *record = &folder->record;
	struct uid_set known = { 0 };

	state_folder_uids(account->state, record->folder_id, &known);
	lose_uids(account, record->folder_id, &known);
	uid_set_finish(&known);
	record->uid_next = 0;
	record->highest_modseq = 0;
	uid_set_clear(&record->frontier);
}

/* ---- Epochs ---- */

/* Every UID of the folder is void. The pairs keep what both sides agreed on,
   and wait to be found again among what is enumerated now. Those never on
   disk are simply enumerated anew. */
static void unbind_all(struct account *account, uint32_t folder_id)
{
	struct uid_set known = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	state_folder_uids(account->state, folder_id, &known);
	for (uint32_t uid = uid_set_next(&known, 1); uid != 0;
		uid = uid == UINT32_MAX ? 0 : uid_set_next(&known, uid + 1)) {
		if (!state_pair_by_uid(
			    account->state, folder_id, uid, &arena, &pair))
			continue;
		if (pair.local.presence == PRESENCE_NEVER) {
			state_journal_settle(
				account->state, pair.mid, "looked for anew");
			state_pair_delete(account->state, pair.mid);
			continue;
		}
		pair.remote.presence = PRESENCE_UNKNOWN;
		pair.remote.uid = 0;
		pair.remote.modseq = 0;
		state_pair_put(account->state, &pair);
		arena_reset(&arena);
	}
	uid_set_finish(&known);
	arena_finish(&arena);
}

/* In the record while the epoch lasts, so that a crash does not turn what is
   gone into what is held. */
static const char MADE_ANEW[] = "made anew by us: what it held was gone";

static const char RENUMBERED[] =
	"the server renumbered its messages (UIDVALIDITY)";
static const char PUT_BACK[] = "the server was put back to an older state";

static void begin_epoch(struct account *account, struct account_folder *folder,
	const char *reason)
{
	struct folder *record = &folder->record;

	account_log(account, ACCOUNT_LOG_WARNING,
		"%s: %s: matching messages by content, nothing is deleted",
		record->path, reason);
	record->state = FOLDER_EPOCH;
	record->highest_modseq = 0;
	uid_set_clear(&record->frontier);
	unbind_all(account, record->folder_id);
}

/* Not one that is being emptied. */
static bool can_begin_epoch(const struct folder *record)
{
	return record->uid_validity != 0 &&
		(record->state == FOLDER_NORMAL ||
			record->state == FOLDER_EPOCH);
}

/* One mailbox that was put back is a sign that all were. Where others wrote
   since, the numbers may have caught up, and stand for other messages: also
   where an epoch began before, and what was seen in it was then. */
static void begin_other_epochs(
	struct account *account, const struct account_folder *first)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (folder == first || !is_observable(folder) ||
			!can_begin_epoch(&folder->record))
			continue;
		begin_epoch(account, folder, PUT_BACK);
		folder->needs_observe = true;
		account_folder_put(account, folder);
	}
}

static bool is_lost_in_epoch(const struct pair *pair, uint32_t folder_id)
{
	return pair->remote.presence == PRESENCE_UNKNOWN &&
		pair->remote.folder_id == folder_id && pair->remote.uid == 0;
}

bool observe_end_epoch(struct account *account, struct account_folder *folder,
	struct error *error)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	size_t lost_count = 0;

	if (!state_begin(account->state, error))
		return false;
	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		bool is_lost =
			is_lost_in_epoch(&pair, folder->record.folder_id);

		if (is_lost && pair.local.presence == PRESENCE_ABSENT)
			state_pair_delete(account->state, pair.mid);
		else if (is_lost && folder->record.reason != NULL)
			lose(account, &pair);
		else if (is_lost && pair.hold != HOLD_EPOCH) {
			pair.hold = HOLD_EPOCH;
			pair.reason = "not found when the server renumbered "
				      "its messages";
			state_pair_put(account->state, &pair);
			lost_count++;
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
	folder->record.state = FOLDER_NORMAL;
	folder->record.reason = NULL;
	folder->is_made_anew = false;
	account_folder_put(account, folder);
	if (lost_count > 0)
		account_log(account, ACCOUNT_LOG_WARNING,
			"%s: %zu messages were not found again; they stay in "
			"the Maildir and are held",
			folder->record.path, lost_count);
	return state_commit(account->state, error);
}

/* ---- One folder ---- */

static void note_view(
	struct account_folder *folder, const struct remote_view *view)
{
	struct folder *record = &folder->record;

	record->uid_validity = view->uid_validity;
	record->uid_next = view->uid_next;
	record->exists = view->message_count;
	record->highest_modseq = view->highest_modseq;
	record->has_no_modseq = view->has_no_modseq;
	record->permanent_flags = view->permanent_flags;
	record->allows_new_keywords = view->allows_new_keywords;
	record->is_read_only = view->is_read_only;
	record->last_success = account_now();
	if (!folder->has_failed_here)
		record->error = NULL;
	if (view->mailbox_id != NULL && record->mailbox_id == NULL)
		record->mailbox_id =
			account_folder_text(folder, view->mailbox_id);
	if (view->uid_next > 1)
		uid_set_add_range(&record->frontier, 1, view->uid_next - 1);
}

static bool is_gap_open(const struct account_folder *folder)
{
	return folder->gap_count > 0 && folder->gap_count <= GAP_LOOK_MAX;
}

bool observe_has_gap(const struct account *account)
{
	bool has_gap = false;

	for (size_t i = 0; i < account->folder_count; i++)
		has_gap |= account_folder_is_active(account->folders[i]) &&
			!account->folders[i]->has_failed &&
			is_gap_open(account->folders[i]);
	return has_gap;
}

static bool cut_frontier(struct account *account, struct account_folder *folder,
	const struct uid_set *listing)
{
	struct folder *record = &folder->record;
	struct uid_set known = { 0 }, unknown = { 0 };
	uint32_t first;

	state_folder_uids(account->state, record->folder_id, &known);
	uid_set_copy(&unknown, listing);
	uid_set_remove_set(&unknown, &known);
	first = uid_set_next(&unknown, 1);
	if (first != 0)
		uid_set_remove_range(&record->frontier, first, UINT32_MAX);
	uid_set_finish(&unknown);
	uid_set_finish(&known);
	return first != 0;
}

/* A message given up by us that is there all the same: enumerated anew from
   there on, for of what lies below the frontier only changes are told. And one
   that is not told of: STATUS is as it was, and nothing else asks again. */
static void find_gap(struct account *account, struct account_folder *folder,
	const struct remote_view *view)
{
	bool has_gap = view->untold_count > 0;

	if (view->has_listing)
		has_gap |= cut_frontier(account, folder, &view->listing);
	folder->gap_count = has_gap ? folder->gap_count + 1 : 0;
	account->wants_again |= is_gap_open(folder);
}

/* One observation, written down in several transactions. */
struct observing {
	struct account *account;
	struct account_folder *folder;
	uint64_t row_count;
	/* Until the first of them is on disk: what the record said before. */
	bool has_begun;
	uint32_t uid_validity, uid_next;
	enum folder_state state;
	const char *reason;
};

/* Nothing of it is on disk: all is asked for again, and a new epoch is found
   to be one again. */
static void take_back(const struct observing *observing)
{
	struct folder *record = &observing->folder->record;

	if (observing->has_begun)
		return;
	record->uid_validity = observing->uid_validity;
	record->uid_next = observing->uid_next;
	record->state = observing->state;
	record->reason = observing->reason;
	record->highest_modseq = 0;
	uid_set_clear(&record->frontier);
}

/* UIDs that were found to be other messages now are as void as those of another
   UIDVALIDITY. */
static bool is_void(struct account *account, const struct folder *record,
	const struct remote_view *view)
{
	if (record->uid_validity != 0)
		return view->is_new_epoch;
	return state_folder_remote_count(account->state, record->folder_id) > 0;
}

/* What is known now, UIDs bound by receipts included, is not as many as there
   are: something went without a word. Only a listing tells what. */
static bool is_off_count(struct account *account,
	const struct account_folder *folder, const struct remote_view *view)
{
	return !view->has_listing &&
		state_folder_remote_count(
			account->state, folder->record.folder_id) +
			view->untold_count !=
		view->message_count;
}

/* A mailbox that another folder had was given this one's name: its number says
   nothing of an older state. Mailboxes made within a second may share one; then
   both are listed with it. */
static bool is_number_of_another(const struct account *account,
	const struct account_folder *folder, uint32_t uid_validity)
{
	bool is_listed_here = folder->status_uid_validity == uid_validity;

	if (folder->record.uid_validity == uid_validity)
		return false;
	for (size_t i = 0; i < account->folder_count; i++) {
		const struct account_folder *other = account->folders[i];
		bool is_shared = is_listed_here && other->is_listed &&
			other->status_uid_validity == uid_validity;

		if (other != folder && !is_shared &&
			other->record.uid_validity == uid_validity)
			return true;
	}
	return false;
}

/* From the first rows on the record says whose UIDs they have; UIDNEXT comes
   with the last, and without it nothing is uploaded. */
static void begin_view(
	struct observing *observing, const struct remote_view *view)
{
	struct account *account = observing->account;
	struct account_folder *folder = observing->folder;
	struct folder *record = &folder->record;
	bool is_put_back = view->is_put_back &&
		!is_number_of_another(account, folder, view->uid_validity);

	record->permanent_flags = view->permanent_flags;
	record->allows_new_keywords = view->allows_new_keywords;
	if (observing->has_begun)
		return;
	if (is_void(account, record, view)) {
		/* No numbering at all is on record: made by us, maybe before a
		   crash. */
		if (folder->is_made_anew ||
			(record->uid_validity == 0 && record->uid_next == 0))
			record->reason = MADE_ANEW;
		begin_epoch(
			account, folder, is_put_back ? PUT_BACK : RENUMBERED);
		if (is_put_back)
			begin_other_epochs(account, folder);
	}
	/* It has a numbering from here on, and can be renumbered. */
	folder->is_made_anew = false;
	if (record->uid_validity != view->uid_validity)
		record->uid_next = 0;
	record->uid_validity = view->uid_validity;
	account_folder_put(account, folder);
}

static bool commit_view(struct observing *observing, struct error *error)
{
	struct account *account = observing->account;

	account_keywords_put(account);
	if (!state_commit(account->state, error)) {
		take_back(observing);
		return false;
	}
	observing->has_begun = true;
	return true;
}

/* Given to another between the listing and this, its name says nothing of what
   it held: the next listing tells which folder has what. */
static bool is_of_another(
	const struct observing *observing, const struct remote_view *view)
{
	return mailboxes_is_of_another(
		observing->account, observing->folder, view->mailbox_id);
}

/* Rows are what is there, however the observation ends: until it has ended the
   anchor and the frontier stay, and nothing is absent. */
static bool take_rows(
	void *data, const struct remote_view *view, struct error *error)
{
	struct observing *observing = data;

	if (is_of_another(observing, view))
		return true;
	if (!state_begin(observing->account->state, error))
		return false;
	begin_view(observing, view);
	put_rows(observing->account, observing->folder, view);
	observing->row_count += view->message_row_count;
	return commit_view(observing, error);
}

static bool write_view(struct observing *observing, struct remote_view *view,
	struct error *error)
{
	struct account *account = observing->account;
	struct account_folder *folder = observing->folder;

	if (is_of_another(observing, view)) {
		folder->is_listed = false;
		return true;
	}
	if (!state_begin(account->state, error))
		return false;
	begin_view(observing, view);
	put_rows(account, folder, view);
	observing->row_count += view->message_row_count;
	folder->is_doubtful = view->is_doubtful;
	if (view->is_doubtful) {
		account_log(account, ACCOUNT_LOG_INFO,
			"%s: the server's counts disagree: looking again later",
			folder->record.path);
	} else {
		lose_vanished(account, folder->record.folder_id, view);
		/* What it says is gone may be there: none of it is believed. */
		folder->wants_listing = is_off_count(account, folder, view);
		if (folder->wants_listing) {
			state_abort(account->state);
			return true;
		}
		note_view(folder, view);
		find_gap(account, folder, view);
	}
	account_folder_put(account, folder);
	return commit_view(observing, error);
}

/* Receipts told of those behind the frontier: there are few. */
static uint32_t last_uid(struct account *account, const struct folder *record)
{
	struct state_cursor cursor = {
		.position = uid_set_last(&record->frontier),
	};
	struct arena arena;
	struct pair pair;
	uint32_t uid = 0;

	arena_init(&arena);
	while (state_next_by_uid(
		account->state, record->folder_id, &cursor, &arena, &pair)) {
		uid = pair.remote.uid;
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return uid;
}

/* What is asked of the server: what the state knows. */
static struct remote_known known_of(
	struct account *account, const struct folder *record)
{
	return (struct remote_known){
		.wire_name = record->mailbox,
		.uid_validity = record->uid_validity,
		.highest_modseq = record->highest_modseq,
		.uid_next = uid_set_last(&record->frontier) + 1,
		.last_uid = last_uid(account, record),
		.message_count = (uint32_t)state_folder_remote_count(
			account->state, record->folder_id),
		.witness = observe_witness(account, record),
	};
}

/* Nothing of the view is believed where the witness is another message: then
   all UIDs are void. */
static bool take_view(struct observing *observing, struct remote_view *view,
	struct error *error)
{
	struct account_folder *folder = observing->folder;

	if (view->is_uid_not_sticky)
		return error_set(error, ERROR_REFUSED,
			"the server gives no lasting UIDs here");
	folder->is_put_back = false;
	if (!view->is_new_epoch &&
		!observe_witness_check(observing->account, folder,
			&view->witness, &folder->is_put_back, error))
		return false;
	return folder->is_put_back || write_view(observing, view, error);
}

static bool observe_once(struct account *account, struct account_folder *folder,
	const struct remote_known *known, struct error *error)
{
	struct folder *record = &folder->record;
	struct observing observing = {
		.account = account,
		.folder = folder,
		.uid_validity = record->uid_validity,
		.uid_next = record->uid_next,
		.state = record->state,
		.reason = record->reason,
	};
	struct remote_row_sink sink = { take_rows, &observing };
	struct remote_view view = { 0 };
	struct arena arena;
	bool is_done;

	arena_init(&arena);
	is_done = remote_observe(account->remote, known, &sink, &arena, &view,
			  error) &&
		take_view(&observing, &view, error);
	if (is_done && observing.row_count > 0)
		folder->active_at_ms = (int64_t)clock_now_ms();
	remote_view_finish(&view);
	arena_finish(&arena);
	return is_done;
}

bool observe_folder(struct account *account, struct account_folder *folder,
	struct error *error)
{
	struct remote_known known = known_of(account, &folder->record);

	account->counters.folder_path = folder->record.path;
	account_progress(account);
	folder->wants_listing = false;
	if (!observe_once(account, folder, &known, error))
		return false;
	if (folder->is_put_back || folder->wants_listing) {
		known = known_of(account, &folder->record);
		known.is_put_back = folder->is_put_back;
		known.wants_full_listing = folder->wants_listing;
		if (!observe_once(account, folder, &known, error))
			return false;
	}
	if (!folder->is_listed)
		return true;
	if (!observe_changed(account, folder, error))
		return false;
	note_status(folder);
	return true;
}

bool observe_folders(struct account *account, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		struct error failure = { 0 };

		if (!folder->needs_observe || !is_observable(folder))
			continue;
		if (observe_folder(account, folder, &failure))
			continue;
		if (failure.code != ERROR_REFUSED) {
			*error = failure;
			return false;
		}
		folder->has_been_refused = !folder->has_failed;
		account_folder_fail(account, folder, &failure);
	}
	return true;
}
