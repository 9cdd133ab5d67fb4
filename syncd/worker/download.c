/* Downloads: bodies stream from the server into tmp/, and a batch of files
   becomes durable and visible at once while the next one streams in. The order
   per batch: data, names, directories, then the pairs (doc/design.md). A file
   that is there after a crash is recognised by its planned name. */
#include <string.h>

#include "base/alloc.h"
#include "store/maildir_name.h"
#include "syncd/worker/apply.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/digest.h"
#include "syncd/worker/local.h"

#define BATCH_FILE_MAX 512
#define BATCH_BYTE_MAX (UINT64_C(48) * 1024 * 1024)
/* FETCHes of one message that give nothing, before it is held. */
#define UNANSWERED_MAX 4

/* One file of a batch, until its pair is written. */
struct arriving {
	uint64_t mid;
	bool is_new;
	const char *name; /* in the batch's arena */
	struct content content;
};

/* A batch, filling or on its way to the disk. */
struct shipment {
	struct maildir_batch *batch;
	struct arena arena;
	struct arriving **files;
	size_t count, capacity;
	struct pool_job *job; /* NULL = still filling */
};

struct download {
	struct account *account;
	struct account_folder *folder;
	struct canonical_digest *digest;
	struct shipment *filling;
	struct shipment *committing;
	/* The message streaming in. */
	struct maildir_writer *writer;
	struct arena arena;
	struct pair pair;
	struct arena policy_arena;
	struct policy policy;
	struct uid_set done;
	uint64_t reported_at_ms;
};

/* ---- Shipments ---- */

static struct shipment *shipment_new(void)
{
	struct shipment *shipment = alloc(1, sizeof(*shipment));

	arena_init(&shipment->arena);
	shipment->batch = maildir_batch_new(0);
	return shipment;
}

static void shipment_free(struct shipment *shipment)
{
	if (shipment == NULL)
		return;
	maildir_batch_free(shipment->batch);
	arena_finish(&shipment->arena);
	free(shipment);
}

static void commit_batch(void *data)
{
	maildir_batch_commit(data);
}

/* ---- Pairs of what was delivered ---- */

static void take_delivered(struct download *download,
	const struct arriving *file, const struct maildir_delivered *delivered,
	struct pair *pair)
{
	struct folder *record = &download->folder->record;
	uint64_t email_id = pair->content.email_id;

	pair->content = file->content;
	pair->content.email_id = email_id;
	pair->local.presence = PRESENCE_PRESENT;
	pair->local.folder_id = record->folder_id;
	pair->local.is_new = file->is_new;
	pair->local.name = file->name;
	pair->local.device = delivered->device;
	pair->local.inode = delivered->inode;
	pair->local.size = delivered->size;
	pair->local.mtime = file->content.internal_date;
	pair->local.absent_since = 0;
	pair->local.is_leftover = false;
	maildir_name_flags(
		file->name, &download->folder->letters, &pair->local.flags);
	pair->synced.is_set = false;
	apply_agree(pair, &download->policy);
}

/* Once is chance, and the next pass fetches it again; a bad place on the disk
   would stop every pass. */
static void hold_failed(struct account *account, struct pair *pair, int reason)
{
	bool is_first = pair->attempt_count == 0;

	account_hold(account, pair, HOLD_REFUSED, strerror(reason));
	if (!is_first)
		return;
	pair->retry_at = 0;
	state_pair_put(account->state, pair);
}

static void write_delivered(struct download *download,
	const struct arriving *file, const struct maildir_delivered *delivered,
	struct arena *arena)
{
	struct account *account = download->account;
	struct pair pair;

	if (!state_pair_get(account->state, file->mid, arena, &pair))
		return;
	switch (delivered->result) {
	case MAILDIR_DELIVERED:
		take_delivered(download, file, delivered, &pair);
		state_pair_put(account->state, &pair);
		state_journal_settle(account->state, pair.mid, "downloaded");
		account->counters.downloaded++;
		account->change_count++;
		break;
	case MAILDIR_OCCUPIED:
		/* Delivered before a crash, or another's file: the scan tells.
		 */
		download->folder->needs_scan = true;
		download->folder->record.scanned_at_ns = 0;
		account->wants_again = true;
		break;
	case MAILDIR_PENDING:
	case MAILDIR_FAILED:
		hold_failed(account, &pair, delivered->system_error);
		break;
	}
}

static bool write_shipment(struct download *download, struct shipment *shipment,
	struct error *error)
{
	struct account *account = download->account;
	struct arena arena;

	if (!state_begin(account->state, error))
		return false;
	arena_init(&arena);
	for (size_t i = 0; i < shipment->count; i++) {
		write_delivered(download, shipment->files[i],
			maildir_batch_result(shipment->batch, i), &arena);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	account_keywords_put(account);
	return state_commit(account->state, error);
}

/* A full disk fails all alike: no use in going on with the folder. */
static bool check_disk(const struct shipment *shipment, struct error *error)
{
	for (size_t i = 0; i < shipment->count; i++) {
		const struct maildir_delivered *delivered =
			maildir_batch_result(shipment->batch, i);

		if (delivered->result == MAILDIR_FAILED)
			return error_set(error, ERROR_SYSTEM,
				"cannot deliver messages: %s",
				strerror(delivered->system_error));
	}
	return true;
}

static bool finish_committing(struct download *download, struct error *error)
{
	struct shipment *shipment = download->committing;
	bool is_done;

	if (shipment == NULL)
		return true;
	pool_wait(download->account->pool, shipment->job);
	download->committing = NULL;
	/* Our own renames come back as events: taken before they pile up. */
	is_done = write_shipment(download, shipment, error) &&
		check_disk(shipment, error) &&
		local_drain(download->account, error);
	shipment_free(shipment);
	return is_done;
}

/* Hands the full batch to a thread; one at a time is on its way, so that
   memory and what a crash leaves behind stay bounded. */
static bool ship(struct download *download, struct error *error)
{
	struct shipment *shipment = download->filling;

	if (!finish_committing(download, error))
		return false;
	if (shipment == NULL || shipment->count == 0)
		return true;
	shipment->job = pool_submit(
		download->account->pool, commit_batch, shipment->batch);
	download->committing = shipment;
	download->filling = NULL;
	return true;
}

/* ---- One message ---- */

static bool is_wanted(const struct download *download, const struct pair *pair)
{
	return pair->local.presence != PRESENCE_PRESENT &&
		pair->remote.presence == PRESENCE_PRESENT &&
		!uid_set_contains(&download->done, pair->remote.uid);
}

/* The planned name, or another when that was taken by a foreign file, or the
   message was on disk before and is made again. */
static const char *unique_of(struct download *download)
{
	struct account *account = download->account;
	struct pair *pair = &download->pair;
	struct buf name = { 0 };
	const char *text;
	uint64_t token;

	if (pair->local.presence == PRESENCE_NEVER && pair->local.name != NULL)
		return pair->local.name;
	random_bytes(&token, sizeof(token));
	maildir_unique_format(
		pair->content.internal_date, token, account->host, &name);
	text = arena_text(&download->arena, buf_text(&name));
	buf_finish(&name);
	return text;
}

static bool begin_message(void *data, uint32_t uid, uint64_t size)
{
	struct download *download = data;
	struct account *account = download->account;
	struct error error = { 0 };

	(void)size;
	arena_reset(&download->arena);
	canonical_digest_reset(download->digest);
	if (!state_pair_by_uid(account->state,
		    download->folder->record.folder_id, uid, &download->arena,
		    &download->pair) ||
		!is_wanted(download, &download->pair))
		return false;
	download->pair.local.name = unique_of(download);
	download->writer = maildir_writer_open(account->maildir,
		download->folder->record.path, download->pair.local.name,
		&error);
	if (download->writer == NULL)
		account_folder_fail(account, download->folder, &error);
	return download->writer != NULL;
}

static bool message_data(
	void *data, const uint8_t *bytes, size_t size, struct error *error)
{
	struct download *download = data;
	struct error failure = { 0 };

	(void)error;
	if (download->writer == NULL)
		return true;
	canonical_digest_feed(download->digest, bytes, size);
	download->account->counters.bytes_down += size;
	download->account->counters.done_bytes += size;
	if (maildir_writer_write(download->writer, bytes, size, &failure))
		return true;
	/* The stream goes on; the message is fetched again another time. */
	account_folder_fail(download->account, download->folder, &failure);
	maildir_writer_cancel(download->writer);
	download->writer = NULL;
	return true;
}

/* While dovecot-keywords is locked, mail comes without its new keywords: they
   are set when the flags of both sides are compared. */
static bool add_letters(struct download *download, struct error *error)
{
	struct error failure = { 0 };

	if (local_add_letters(download->account, download->folder,
		    &download->pair.remote.flags, &failure))
		return true;
	if (failure.code != ERROR_REFUSED) {
		*error = failure;
		return false;
	}
	download->account->wants_again = true;
	return true;
}

static bool wanted_name(struct download *download, bool *is_new_out,
	struct buf *name, struct error *error)
{
	const struct flags *flags = &download->pair.remote.flags;
	struct account_folder *folder = download->folder;
	bool is_new = flags_is_empty(flags);

	if (!add_letters(download, error))
		return false;
	*is_new_out = is_new;
	return is_new ? maildir_name_with_flags(download->pair.local.name,
				&folder->letters, flags, name, error)
		      : maildir_name_for_cur(download->pair.local.name,
				&folder->letters, flags, name, error);
}

static bool add_to_batch(struct download *download, struct error *error)
{
	struct shipment *shipment = download->filling;
	struct maildir_writer *writer = download->writer;
	struct arriving *file;
	struct buf name = { 0 };
	bool is_new;
	bool is_done;

	download->writer = NULL;
	if (!maildir_writer_finish(
		    writer, download->pair.content.internal_date, error) ||
		!wanted_name(download, &is_new, &name, error)) {
		maildir_writer_cancel(writer);
		buf_finish(&name);
		return false;
	}
	file = arena_alloc(&shipment->arena, 1, sizeof(*file));
	file->mid = download->pair.mid;
	file->is_new = is_new;
	file->name = arena_text(&shipment->arena, buf_text(&name));
	file->content.internal_date = download->pair.content.internal_date;
	canonical_digest_finish(download->digest, &file->content);
	is_done = maildir_batch_add(
		shipment->batch, writer, is_new, file->name, file, error);
	if (is_done)
		*(struct arriving **)arena_push(&shipment->arena,
			&shipment->files, &shipment->count, &shipment->capacity,
			sizeof(*shipment->files)) = file;
	buf_finish(&name);
	return is_done;
}

static bool is_full(const struct shipment *shipment)
{
	return shipment->count >= BATCH_FILE_MAX ||
		maildir_batch_bytes(shipment->batch) >= BATCH_BYTE_MAX;
}

static void report(struct download *download)
{
	uint64_t now = clock_now_ms();

	download->account->counters.done_messages++;
	if (now - download->reported_at_ms < 200)
		return;
	download->reported_at_ms = now;
	account_progress(download->account);
}

static bool end_message(
	void *data, uint32_t uid, bool is_complete, struct error *error)
{
	struct download *download = data;
	struct error failure = { 0 };

	if (download->writer == NULL)
		return true;
	if (!is_complete) {
		maildir_writer_cancel(download->writer);
		download->writer = NULL;
		return true;
	}
	if (download->filling == NULL)
		download->filling = shipment_new();
	if (!add_to_batch(download, &failure)) {
		account_folder_fail(
			download->account, download->folder, &failure);
		return true;
	}
	uid_set_add(&download->done, uid);
	report(download);
	if (download->account->is_stopping)
		return error_set(error, ERROR_STOPPED, "stopping");
	return !is_full(download->filling) || ship(download, error);
}

/* ---- A folder ---- */

/* What is not handed out may be gone again, or left out this once: the next
   look tells. But it is not asked for as if nothing were amiss for ever. */
static void note_unanswered(struct download *download, struct pair *pair)
{
	struct account *account = download->account;

	if (pair->attempt_count >= UNANSWERED_MAX) {
		account_hold(account, pair, HOLD_REFUSED,
			"the server does not hand it out");
		return;
	}
	pair->attempt_count++;
	state_pair_put(account->state, pair);
	download->folder->needs_observe = true;
	account->wants_again = true;
}

static void note_failed(struct download *download, struct pair *pair,
	const struct uid_set *refused)
{
	if (uid_set_contains(refused, pair->remote.uid))
		account_hold(download->account, pair, HOLD_REFUSED,
			"the server refuses to hand it out");
	else if (!download->folder->has_failed)
		note_unanswered(download, pair);
}

static bool note_missing(struct download *download,
	const struct uid_set *missing, const struct uid_set *refused,
	struct error *error)
{
	struct account *account = download->account;
	struct arena arena;
	struct pair pair;

	if (uid_set_is_empty(missing))
		return true;
	if (!state_begin(account->state, error))
		return false;
	arena_init(&arena);
	for (uint32_t uid = uid_set_next(missing, 1); uid != 0;
		uid = uid == UINT32_MAX ? 0 : uid_set_next(missing, uid + 1)) {
		if (state_pair_by_uid(account->state,
			    download->folder->record.folder_id, uid, &arena,
			    &pair) &&
			is_wanted(download, &pair))
			note_failed(download, &pair, refused);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return state_commit(account->state, error);
}

static bool fetch(struct download *download, const struct uid_set *uids,
	struct error *error)
{
	struct account *account = download->account;
	struct folder *record = &download->folder->record;
	struct remote_sink sink = { begin_message, message_data, end_message,
		download };
	struct uid_set refused = { 0 }, missing = { 0 };
	bool is_done = remote_select(account->remote, record->mailbox,
			       record->uid_validity, error) &&
		remote_fetch_bodies(
			account->remote, uids, &sink, &refused, error);

	maildir_writer_cancel(download->writer);
	download->writer = NULL;
	uid_set_copy(&missing, uids);
	uid_set_remove_set(&missing, &download->done);
	if (is_done)
		is_done = note_missing(download, &missing, &refused, error);
	uid_set_finish(&missing);
	uid_set_finish(&refused);
	return is_done;
}

bool download_uids(struct account *account, struct account_folder *folder,
	const struct uid_set *uids, struct error *error)
{
	struct download download = {
		.account = account,
		.folder = folder,
		.digest = canonical_digest_new(state_secret(account->state)),
	};
	struct error failure = { 0 };
	bool is_done;

	account->counters.folder_path = folder->record.path;
	account_progress(account);
	arena_init(&download.arena);
	arena_init(&download.policy_arena);
	download.policy = account_policy(account, &download.policy_arena);
	is_done = local_load_letters(account, folder, error) &&
		fetch(&download, uids, error);
	/* What has come is kept, also when the connection has not. */
	if (!ship(&download, &failure) ||
		!finish_committing(&download, &failure)) {
		if (is_done)
			*error = failure;
		is_done = false;
	}
	shipment_free(download.filling);
	canonical_digest_free(download.digest);
	uid_set_finish(&download.done);
	arena_finish(&download.policy_arena);
	arena_finish(&download.arena);
	return is_done;
}
