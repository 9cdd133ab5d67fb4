/* Uploads: an intent on disk before the first byte, the binding after the
   server's word. What stays open is found again by observing the mailbox and
   matching content, never by sending twice. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/apply.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/digest.h"
#include "syncd/worker/local.h"

#define READ_SIZE 16384

/* A file on its way up, LF made CRLF while it is read. */
struct departing {
	struct account *account;
	struct pair pair;
	uint64_t intent_id;
	int fd; /* opened when its turn comes; -1 = not open */
	bool was_cr;
	uint8_t data[READ_SIZE];
	size_t size, used;
	struct digest *digest; /* of what was read; NULL before that */
	uint64_t read_size;
	bool is_skipped;
};

/* Files that go up together. */
struct flight {
	struct account *account;
	struct account_folder *folder;
	struct departing *files;
	size_t count;
	/* A command was refused: until it is known which of its messages is to
	   blame, each goes in a command of its own. */
	bool is_careful;
};

/* ---- Reading with CRLF line ends ---- */

static bool refill(struct departing *file)
{
	ssize_t size;

	if (file->fd == -1) {
		struct maildir_place place =
			local_place(file->account, &file->pair);
		struct maildir_file info;
		struct error error = { 0 };

		/* What goes up must be what the intent says. */
		if (maildir_open_message(file->account->maildir, &place,
			    &file->fd, &info, &error) != MAILDIR_DONE ||
			!local_is_file(&file->pair.local, &info))
			return false;
	}
	do
		size = read(file->fd, file->data, sizeof(file->data));
	while (size == -1 && errno == EINTR);
	if (size < 0)
		return false;
	file->size = (size_t)size;
	file->used = 0;
	return true;
}

/* At most `size` octets; stops early at the end of what was read. */
static size_t convert(struct departing *file, uint8_t *bytes, size_t size)
{
	size_t written = 0;

	while (file->used < file->size && written < size) {
		uint8_t byte = file->data[file->used];

		if (byte == '\n' && !file->was_cr) {
			bytes[written++] = '\r';
			file->was_cr = true;
			continue;
		}
		bytes[written++] = byte;
		file->was_cr = byte == '\r';
		file->used++;
	}
	return written;
}

/* Rewritten while it is read, it is neither the old nor the new message: the
   last octets are given only when all of it is what the intent says. */
static bool is_as_intended(
	struct departing *file, const uint8_t *bytes, size_t size)
{
	const struct content *content = &file->pair.content;
	uint8_t hash[DIGEST_SHA256_SIZE];

	if (file->digest == NULL)
		file->digest = digest_new();
	digest_feed(file->digest, bytes, size);
	file->read_size += size;
	if (file->read_size < content->size)
		return true;
	digest_finish(file->digest, hash);
	return memcmp(hash, content->hash, sizeof(hash)) == 0;
}

static int64_t read_message(void *data, uint8_t *bytes, size_t size)
{
	struct departing *file = data;
	size_t written = 0;

	while (written < size) {
		if (file->used == file->size &&
			(!refill(file) || file->size == 0))
			break;
		written += convert(file, bytes + written, size - written);
	}
	if ((written == 0 && size > 0) || !is_as_intended(file, bytes, written))
		return -1;
	return (int64_t)written;
}

static void rewind_file(struct departing *file)
{
	if (file->fd != -1)
		close(file->fd);
	file->fd = -1;
	digest_free(file->digest);
	file->digest = NULL;
	file->read_size = 0;
	file->was_cr = false;
	file->size = file->used = 0;
}

/* ---- Choosing ---- */

/* So many times the next pass tries again; then there are pauses. */
#define PROMPT_UNREADABLE 1
#define PROMPT_NO_MAILBOX 3 /* somebody renames or removes it */

static void hold_later(struct departing *file, enum hold hold,
	unsigned prompt_count, const char *reason, struct stage *stage)
{
	struct pair *pair = &file->pair;

	file->is_skipped = true;
	pair->hold = hold;
	pair->reason = reason;
	pair->attempt_count++;
	pair->retry_at = account_now() +
		(pair->attempt_count > 6 ? 3600 : 60 << pair->attempt_count);
	if (pair->attempt_count <= prompt_count)
		pair->retry_at = 0;
	stage_put(stage, pair, NULL);
	file->account->counters.failed++;
}

/* Fills in content and decides whether the file can go at all. */
static void prepare(struct departing *file, const struct account_folder *folder,
	struct stage *stage)
{
	struct account *account = file->account;
	uint64_t limit = folder->record.append_limit != 0
		? folder->record.append_limit
		: remote_abilities(account->remote)->append_limit;
	struct error error = { 0 };

	switch (local_digest(account, &file->pair, &error)) {
	case LOCAL_READ_DONE:
		break;
	case LOCAL_READ_MISSING:
		account->wants_again = true;
		file->is_skipped = true;
		return;
	case LOCAL_READ_BUSY:
		file->is_skipped = true; /* its CLOSE_WRITE wakes us */
		return;
	case LOCAL_READ_FAILED:
		hold_later(file, HOLD_UNREADABLE, PROMPT_UNREADABLE,
			arena_text(&stage->arena, error.message), stage);
		return;
	}
	file->pair.content.internal_date = file->pair.local.mtime;
	if (file->pair.content.size == 0)
		hold_later(file, HOLD_REFUSED, 0, "the file is empty", stage);
	else if (limit != 0 && file->pair.content.size > limit)
		hold_later(file, HOLD_REFUSED, 0,
			"larger than the server accepts", stage);
}

/* Who delivered it may have done without fsync(). Then it would be on the
   server and, after a power cut, empty or gone here, which looks like a
   removal. */
static void make_durable(struct departing *file, struct stage *stage)
{
	struct account *account = file->account;
	struct maildir_place place = local_place(account, &file->pair);
	struct error error = { 0 };

	switch (maildir_sync_message(account->maildir, &place, &error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
		account->wants_again = true;
		file->is_skipped = true;
		break;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		hold_later(file, HOLD_UNREADABLE, PROMPT_UNREADABLE,
			arena_text(&stage->arena, error.message), stage);
		break;
	}
}

static bool make_names_durable(const struct flight *flight, struct error *error)
{
	bool is_used[2] = { false, false }; /* cur, new */
	const char *path = flight->folder->record.path;

	for (size_t i = 0; i < flight->count; i++)
		if (!flight->files[i].is_skipped)
			is_used[flight->files[i].pair.local.is_new] = true;
	return (!is_used[0] ||
		       maildir_sync_folder(flight->account->maildir, path,
			       MAILDIR_CUR, error)) &&
		(!is_used[1] ||
			maildir_sync_folder(flight->account->maildir, path,
				MAILDIR_NEW, error));
}

static bool put_intents(const struct flight *flight, struct error *error)
{
	struct account *account = flight->account;
	const struct account_folder *folder = flight->folder;

	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < flight->count; i++) {
		struct departing *file = &flight->files[i];
		struct intent intent = {
			.kind = INTENT_UPLOAD,
			.phase = INTENT_UNCERTAIN,
			.mid = file->pair.mid,
			.to_folder_id = folder->record.folder_id,
			.uid_validity = folder->record.uid_validity,
			.uid_next = folder->record.uid_next,
			.flags = file->pair.local.flags,
			.content = file->pair.content,
			.time = account_now(),
		};

		if (file->is_skipped)
			continue;
		file->pair.hold = HOLD_NONE;
		file->pair.reason = NULL;
		file->intent_id = state_intent_put(account->state, &intent);
		state_pair_put(account->state, &file->pair);
	}
	return state_commit(account->state, error);
}

/* ---- Outcomes ---- */

static void bind(struct departing *file, struct account_folder *folder,
	const struct remote_append *append, struct stage *stage)
{
	struct account *account = file->account;
	struct pair *pair = &file->pair;

	stage_end_intent(stage, file->intent_id);
	stage_free_uid(stage, folder->record.folder_id, append->uid, pair->mid);
	pair->remote.presence = PRESENCE_PRESENT;
	pair->remote.folder_id = folder->record.folder_id;
	pair->remote.uid = append->uid;
	pair->remote.modseq = 0;
	pair->remote.absent_since = 0;
	pair->remote.flags = append->flags;
	/* Was it there before, its id went with it (RFC 8474, 5.1). */
	pair->content.email_id = 0;
	pair->synced.is_set = false;
	apply_agree(pair, &stage->policy);
	stage_put(stage, pair, "uploaded");
	account->counters.uploaded++;
	account->counters.bytes_up += append->size;
}

static void take_outcome(struct departing *file, struct account_folder *folder,
	const struct remote_append *append, struct stage *stage)
{
	struct account *account = file->account;

	account->counters.done_messages++;
	account->counters.done_bytes += append->size;
	switch (append->outcome) {
	case REMOTE_APPEND_DONE:
		if (append->uid != 0 &&
			append->uid_validity == folder->record.uid_validity) {
			bind(file, folder, append, stage);
			break;
		}
		/* Stored, UID unknown: the next observation finds it. */
		folder->needs_observe = true;
		account->wants_again = true;
		account->change_count++;
		break;
	case REMOTE_APPEND_UNSENT:
	case REMOTE_APPEND_REFUSED_TOGETHER:
		stage_end_intent(stage, file->intent_id);
		account->wants_again = true;
		break;
	case REMOTE_APPEND_REFUSED:
		stage_end_intent(stage, file->intent_id);
		hold_later(file, HOLD_REFUSED,
			append->wants_create ? PROMPT_NO_MAILBOX : 0,
			arena_text(&stage->arena, append->message), stage);
		account->wants_again |= file->pair.retry_at == 0;
		break;
	case REMOTE_APPEND_UNCERTAIN:
		folder->needs_observe = true;
		break;
	}
}

static void fill_append(struct remote_append *append, struct departing *file,
	const struct account_folder *folder)
{
	struct flags mask = account_remote_mask(folder);

	*append = (struct remote_append){
		.wire_name = folder->record.mailbox,
		.flags = flags_and(&file->pair.local.flags, &mask),
		.internal_date = file->pair.local.mtime,
		.size = file->pair.content.size,
		.read = read_message,
		.data = file,
	};
}

/* Of a command that was refused all, as one of them may not be to blame. */
static bool send_one_by_one(struct flight *flight,
	struct remote_append *appends, size_t count, struct error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (appends[i].outcome != REMOTE_APPEND_REFUSED_TOGETHER)
			continue;
		flight->is_careful = true;
		rewind_file(appends[i].data);
		if (!remote_append(
			    flight->account->remote, &appends[i], 1, error))
			return false;
	}
	return true;
}

/* From here on it is certain that they are stored: not found by their content,
   they were changed. */
static bool note_stored(struct flight *flight,
	const struct remote_append *appends, size_t count, struct error *error)
{
	struct state *state = flight->account->state;
	struct intent intent;

	if (!state_begin(state, error))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct departing *file = appends[i].data;

		if (appends[i].outcome != REMOTE_APPEND_DONE ||
			!state_intent_of_mid(state, file->pair.mid, &intent))
			continue;
		intent.phase = INTENT_UNBOUND;
		(void)state_intent_put(state, &intent);
	}
	return state_commit(state, error);
}

static bool has_open_intents(const struct remote_append *appends, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (appends[i].outcome == REMOTE_APPEND_DONE &&
			appends[i].uid == 0)
			return true;
	return false;
}

static bool take_outcomes(struct flight *flight,
	const struct remote_append *appends, size_t count, struct error *error)
{
	struct stage stage;
	bool is_done;

	stage_init(&stage, flight->account);
	for (size_t i = 0; i < count; i++)
		take_outcome(
			appends[i].data, flight->folder, &appends[i], &stage);
	is_done = stage_commit(&stage, error);
	stage_finish(&stage);
	account_progress(flight->account);
	return is_done;
}

static bool send(struct flight *flight, struct error *error)
{
	struct remote_append *appends = alloc(flight->count, sizeof(*appends));
	size_t count = 0;
	struct error failure = { 0 };
	bool is_sent = true;
	bool is_done;

	for (size_t i = 0; i < flight->count; i++) {
		if (flight->files[i].is_skipped)
			continue;
		fill_append(&appends[count], &flight->files[i], flight->folder);
		appends[count++].goes_alone = flight->is_careful;
	}
	if (count > 0)
		is_sent = remote_append(flight->account->remote, appends, count,
				  &failure) &&
			send_one_by_one(flight, appends, count, &failure);
	is_done = take_outcomes(flight, appends, count, error) &&
		(!has_open_intents(appends, count) ||
			note_stored(flight, appends, count, error));
	free(appends);
	if (is_done && !is_sent)
		*error = failure;
	return is_done && is_sent;
}

/* Small enough that reading ahead costs little memory. */
#define FLIGHT_MAX 50

static bool upload_flight(struct flight *flight,
	const struct pair *const *pairs, size_t count, struct error *error)
{
	struct departing *files = alloc(count, sizeof(*files));
	struct stage stage;
	bool is_done;

	flight->files = files;
	flight->count = count;
	stage_init(&stage, flight->account);
	for (size_t i = 0; i < count; i++) {
		files[i].account = flight->account;
		files[i].fd = -1;
		files[i].pair = *pairs[i];
		prepare(&files[i], flight->folder, &stage);
		if (!files[i].is_skipped)
			make_durable(&files[i], &stage);
	}
	is_done = stage_commit(&stage, error) &&
		make_names_durable(flight, error) &&
		put_intents(flight, error) && send(flight, error);
	stage_finish(&stage);
	for (size_t i = 0; i < count; i++)
		rewind_file(&files[i]);
	free(files);
	return is_done;
}

bool upload_pairs(struct account *account, struct account_folder *folder,
	const struct pair *const *pairs, size_t count, struct error *error)
{
	struct flight flight = { .account = account, .folder = folder };

	account->counters.folder_path = folder->record.path;
	account_progress(account);
	if (folder->record.uid_validity == 0 || folder->record.uid_next == 0) {
		/* Its frontier is not known: observed first. */
		folder->needs_observe = true;
		account->wants_again = true;
		return true;
	}
	for (size_t i = 0; i < count && !account->is_stopping;
		i += FLIGHT_MAX) {
		size_t size = count - i < FLIGHT_MAX ? count - i : FLIGHT_MAX;

		if (!upload_flight(&flight, pairs + i, size, error))
			return false;
	}
	return true;
}
