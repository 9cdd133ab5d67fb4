/* One file seen, by a scan or an event: which message it is. */
#include <string.h>

#include "base/alloc.h"
#include "syncd/reconciler/merge.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/local_internal.h"

/* A file that is being written is looked at again so soon, where no event tells
   that it is whole. */
#define BUSY_S 10

/* What the letters tell, and no keyword that has none. */
static struct flags told_mask(
	const struct keyword_letters *letters, const char *name)
{
	struct flags mask = maildir_name_flags_mask(letters);
	struct flags told;

	maildir_name_flags(name, letters, &told);
	if (!keyword_letters_has(letters, KEYWORD_FORWARDED) &&
		!flags_has_keyword(&told, KEYWORD_FORWARDED))
		flags_clear_keyword(&mask, KEYWORD_FORWARDED);
	return mask;
}

/* A letter nobody can tell the meaning of (dovecot-keywords is lost, or not yet
   written) may stand for any keyword that has no letter, also for $Forwarded
   where it is not P: nothing is known of those, and nothing was taken away. */
static struct flags readable_mask(
	const struct account *account, const struct sighting *sighting)
{
	const struct keyword_letters *letters = &sighting->folder->letters;
	struct maildir_name parts;

	maildir_name_parse(sighting->name, &parts);
	for (size_t i = 0; i < parts.letters_size; i++) {
		char letter = parts.letters[i];

		if (letter >= 'a' && letter <= 'z' &&
			letters->keywords[letter - 'a'] < 0)
			return told_mask(letters, sighting->name);
	}
	return account_local_mask(account, sighting->folder);
}

/* Where it is and what its name tells. */
static void place_name(
	struct account *account, struct sighting *sighting, struct pair *pair)
{
	struct local_state *local = &pair->local;
	struct flags mask = readable_mask(account, sighting);
	struct flags told;

	local->presence = PRESENCE_PRESENT;
	local->folder_id = sighting->folder->record.folder_id;
	local->is_new = sighting->is_new;
	local->name = sighting->name;
	local->absent_since = 0;
	local->is_leftover = false;
	maildir_name_flags(sighting->name, &sighting->folder->letters, &told);
	local->flags = merge_masked(&told, &pair->synced.flags, &mask);
}

static void place_pair(
	struct account *account, struct sighting *sighting, struct pair *pair)
{
	struct local_state *local = &pair->local;

	place_name(account, sighting, pair);
	local->device = sighting->file.device;
	local->inode = sighting->file.inode;
	local->size = sighting->file.size;
	local->mtime = sighting->file.mtime;
}

static void put_seen(struct account *account, struct sighting *sighting,
	struct pair *pair, const char *change)
{
	place_pair(account, sighting, pair);
	pair->retry_at = 0;
	state_pair_put(account->state, pair);
	account_journal(account, JOURNAL_LOCAL, pair, change);
	sighting->folder->active_at_ms = (int64_t)clock_now_ms();
}

static void put_arrival(struct account *account, struct sighting *sighting)
{
	struct pair pair = { .mid = state_pair_new_mid(account->state) };

	pair.content.internal_date = sighting->file.mtime;
	put_seen(account, sighting, &pair, "new");
}

/* The bytes under a known name are others now: what was there is gone, what is
   there is new (engine rule for drafts rewritten in place). */
static void put_replaced(
	struct account *account, struct sighting *sighting, struct pair *pair)
{
	pair->local.presence = PRESENCE_ABSENT;
	pair->local.name = NULL;
	pair->local.inode = 0;
	account->absent_at_ms = (int64_t)clock_now_ms();
	state_pair_put(account->state, pair);
	put_arrival(account, sighting);
}

/* What a look at a file tells of its bytes. */
enum bytes {
	BYTES_SAME,
	BYTES_OTHER,
	BYTES_GONE,       /* renamed since: another event tells where to */
	BYTES_BUSY,       /* somebody is writing it; `error` is set */
	BYTES_UNREADABLE, /* `error` is set */
};

static enum bytes read_bytes(
	struct account *account, struct pair *probe, struct error *error)
{
	struct maildir_place place = local_place(account, probe);

	switch (local_digest(account, probe, error)) {
	case LOCAL_READ_DONE:
		break;
	case LOCAL_READ_MISSING:
		return BYTES_GONE;
	case LOCAL_READ_BUSY:
		error_set(error, ERROR_REFUSED, "'%s' in '%s' is being written",
			place.name, place.path);
		return BYTES_BUSY;
	case LOCAL_READ_FAILED:
		return BYTES_UNREADABLE;
	}
	return BYTES_SAME;
}

static enum bytes compare_bytes(struct account *account,
	struct sighting *sighting, const struct pair *pair, struct error *error)
{
	struct pair probe = *pair;
	enum bytes bytes;
	bool is_same;

	place_pair(account, sighting, &probe);
	bytes = read_bytes(account, &probe, error);
	if (bytes != BYTES_SAME)
		return bytes;
	is_same = pair->content.has_hash
		? memcmp(probe.content.hash, pair->content.hash,
			  CONTENT_HASH_SIZE) == 0
		: probe.content.size == pair->content.size;
	return is_same ? BYTES_SAME : BYTES_OTHER;
}

/* Whether it is still the message cannot be told: nothing is, then, and nothing
   was removed. local_look_at_held() looks again. */
static void hold_unread(struct account *account, struct sighting *sighting,
	struct pair *pair, enum bytes bytes, const struct error *error)
{
	uint32_t attempt_count = pair->attempt_count;

	/* Its own file may have no name any more, but this may be it. */
	if (pair->local.presence != PRESENCE_NEVER)
		place_name(account, sighting, pair);
	account_hold(account, pair, HOLD_UNREADABLE,
		arena_text(sighting->arena, error->message));
	if (bytes != BYTES_BUSY)
		return;
	/* It will not take long. */
	pair->attempt_count = attempt_count;
	pair->retry_at = account_now() + BUSY_S;
	state_pair_put(account->state, pair);
}

bool local_is_held_unread(const struct pair *pair)
{
	return pair->hold == HOLD_UNREADABLE && pair->synced.is_set;
}

/* It can be told again, whatever it is. */
static void note_read(struct pair *pair)
{
	if (pair->hold != HOLD_UNREADABLE)
		return;
	pair->hold = HOLD_NONE;
	pair->attempt_count = 0;
	pair->retry_at = 0;
}

/* A name that was planned for a download: the download was cut off between
   delivery and commit, so the file is the message. */
static void see_planned(
	struct account *account, struct sighting *sighting, struct pair *pair)
{
	struct pair probe = *pair;
	struct error error = { 0 };
	enum bytes bytes;

	place_pair(account, sighting, &probe);
	bytes = read_bytes(account, &probe, &error);
	if (bytes == BYTES_GONE)
		return;
	if (bytes != BYTES_SAME) {
		hold_unread(account, sighting, pair, bytes, &error);
		return;
	}
	note_read(pair);
	if (probe.content.size == pair->content.size) {
		pair->content = probe.content;
		pair->content.internal_date = sighting->file.mtime;
		put_seen(account, sighting, pair, "new");
		local_doubt(account, pair);
		return;
	}
	pair->local.name = NULL;
	state_pair_put(account->state, pair);
	put_arrival(account, sighting);
}

static void see_known(
	struct account *account, struct sighting *sighting, struct pair *pair)
{
	struct flags before = pair->local.flags;
	bool was_present = pair->local.presence == PRESENCE_PRESENT;
	bool was_unread = local_is_held_unread(pair);
	struct error error = { 0 };
	enum bytes bytes = BYTES_SAME;
	bool is_same, is_quiet;

	if (pair->local.presence == PRESENCE_NEVER) {
		see_planned(account, sighting, pair);
		return;
	}
	is_same = local_is_file(&pair->local, &sighting->file);
	if (!is_same)
		bytes = compare_bytes(account, sighting, pair, &error);
	if (bytes == BYTES_GONE)
		return;
	if (bytes == BYTES_BUSY || bytes == BYTES_UNREADABLE) {
		hold_unread(account, sighting, pair, bytes, &error);
		return;
	}
	if (!is_same || was_unread)
		note_read(pair);
	if (bytes == BYTES_OTHER) {
		put_replaced(account, sighting, pair);
		return;
	}
	is_quiet = was_present && is_same && !was_unread &&
		pair->local.is_new == sighting->is_new &&
		strcmp(pair->local.name, sighting->name) == 0;
	place_pair(account, sighting, pair);
	if (!is_same)
		local_doubt(account, pair);
	/* Our own renames come back as events. */
	if (is_quiet && flags_equal(&before, &pair->local.flags))
		return;
	if (!flags_equal(&before, &pair->local.flags))
		local_doubt_name(account, pair);
	if (was_present && flags_equal(&before, &pair->local.flags))
		state_pair_put(account->state, pair);
	else
		put_seen(account, sighting, pair, "flags");
}

/* A power cut amid our rename to where the message is on the server left the
   file with both names: the rename is ended. Another link to it, made by
   somebody, has another name or is in another folder. */
static bool end_half_move(struct account *account,
	const struct sighting *sighting, const struct pair *pair,
	const struct maildir_file *file)
{
	struct maildir_place from = local_place(account, pair);
	struct maildir_place to = { sighting->folder->record.path,
		sighting->is_new, sighting->name };
	size_t size = pair_unique_size(sighting->name);
	struct error error = { 0 };

	return !account->is_dry_run && file->inode == sighting->file.inode &&
		file->device == sighting->file.device && pair->synced.is_set &&
		pair->remote.presence == PRESENCE_PRESENT &&
		pair->remote.folder_id == sighting->folder->record.folder_id &&
		pair->synced.folder_id == pair->local.folder_id &&
		pair->local.folder_id != pair->remote.folder_id &&
		size == pair_unique_size(pair->local.name) &&
		memcmp(sighting->name, pair->local.name, size) == 0 &&
		maildir_rename(account->maildir, &from, &to, &error) ==
		MAILDIR_DONE;
}

enum moved {
	MOVED_HERE,
	MOVED_NOT,     /* another file */
	MOVED_AGAIN,   /* renamed since: another event tells where to */
	MOVED_UNKNOWN, /* `error` is set */
};

/* The file that is known by that inode may have its old name, still. */
static enum moved look_for_old_name(struct account *account,
	const struct sighting *sighting, const struct pair *pair,
	struct error *error)
{
	struct maildir_place old = local_place(account, pair);
	struct maildir_file file;

	if (pair->local.presence != PRESENCE_PRESENT)
		return MOVED_HERE;
	switch (maildir_stat(account->maildir, &old, &file, error)) {
	case MAILDIR_MISSING:
		return MOVED_HERE;
	case MAILDIR_DONE:
		return end_half_move(account, sighting, pair, &file)
			? MOVED_HERE
			: MOVED_NOT;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		break;
	}
	return MOVED_UNKNOWN;
}

/* The inode is known from elsewhere: moved, when the old name is gone. File
   systems give the inode of a removed file to the next one at once, so the
   bytes decide wherever they are known. */
static enum moved see_moved(struct account *account, struct sighting *sighting,
	struct pair *pair, struct error *error)
{
	struct error failure = { 0 };
	enum bytes bytes = BYTES_SAME;
	enum moved moved;

	if (pair->local.size != sighting->file.size ||
		pair->local.mtime != sighting->file.mtime)
		return MOVED_NOT;
	moved = look_for_old_name(account, sighting, pair, error);
	if (moved != MOVED_HERE)
		return moved;
	if (pair->content.has_hash)
		bytes = compare_bytes(account, sighting, pair, &failure);
	if (bytes == BYTES_GONE)
		return MOVED_AGAIN;
	/* The bytes of one that cannot be read tell nothing against it. */
	if (bytes == BYTES_OTHER)
		return MOVED_NOT;
	put_seen(account, sighting, pair, "moved");
	local_doubt(account, pair);
	return MOVED_HERE;
}

/* Its name is in no record. */
static bool see_unknown(
	struct account *account, struct sighting *sighting, struct error *error)
{
	struct pair pair;

	if (state_pair_by_inode(account->state, sighting->file.device,
		    sighting->file.inode, sighting->arena, &pair))
		switch (see_moved(account, sighting, &pair, error)) {
		case MOVED_HERE:
		case MOVED_AGAIN:
			return true;
		case MOVED_NOT:
			break;
		case MOVED_UNKNOWN:
			return false;
		}
	put_arrival(account, sighting);
	return true;
}

/* A letter may have got its meaning since. */
static bool has_known_flags(const struct account *account,
	const struct sighting *sighting, const struct pair *pair)
{
	struct flags mask = readable_mask(account, sighting);
	struct flags told;

	maildir_name_flags(sighting->name, &sighting->folder->letters, &told);
	told = merge_masked(&told, &pair->synced.flags, &mask);
	return flags_equal(&told, &pair->local.flags);
}

static bool is_unchanged(const struct account *account,
	const struct sighting *sighting, const struct pair *pair)
{
	return pair->local.presence == PRESENCE_PRESENT &&
		!local_is_held_unread(pair) &&
		pair->local.is_new == sighting->is_new &&
		strcmp(pair->local.name, sighting->name) == 0 &&
		sighting->inode_hint != 0 &&
		pair->local.inode == sighting->inode_hint &&
		has_known_flags(account, sighting, pair);
}

/* Two files of one unique part in one folder: both are messages. The pair has
   one of them; the other gets a name of its own, never over another file. */
static bool separate_twin(
	struct account *account, struct sighting *sighting, struct error *error)
{
	struct maildir_place from = { sighting->folder->record.path,
		sighting->is_new, sighting->name };
	struct maildir_place to = from;
	struct buf name = { 0 };
	uint64_t token;
	bool is_done;

	random_bytes(&token, sizeof(token));
	maildir_unique_format(
		sighting->file.mtime, token, account->host, &name);
	buf_add_text(&name, sighting->name + pair_unique_size(sighting->name));
	to.name = buf_text(&name);
	is_done = maildir_rename(account->maildir, &from, &to, error) !=
		MAILDIR_ERROR;
	sighting->folder->needs_scan = true;
	buf_finish(&name);
	return is_done;
}

/* The pair's own file is still there under its own name, so the one seen is
   another file. */
static bool is_twin(const struct account *account,
	const struct sighting *sighting, const struct pair *pair)
{
	struct maildir_place place = local_place(account, pair);
	struct maildir_file file;
	struct error error = { 0 };

	if (pair->local.presence != PRESENCE_PRESENT ||
		(pair->local.is_new == sighting->is_new &&
			strcmp(pair->local.name, sighting->name) == 0))
		return false;
	return maildir_stat(account->maildir, &place, &file, &error) ==
		MAILDIR_DONE &&
		(file.inode != sighting->file.inode ||
			file.device != sighting->file.device);
}

bool local_see(
	struct account *account, struct sighting *sighting, struct error *error)
{
	struct maildir_place place = { sighting->folder->record.path,
		sighting->is_new, sighting->name };
	struct pair pair;
	bool is_known;

	if (!maildir_name_is_valid(sighting->name))
		return true;
	is_known = state_pair_by_unique(account->state,
		sighting->folder->record.folder_id, sighting->name,
		sighting->arena, &pair);
	if (is_known && is_unchanged(account, sighting, &pair))
		return true;
	switch (maildir_stat(
		account->maildir, &place, &sighting->file, error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
		/* Renamed since: another event tells where to. Until then it
		   may be what is missing under the name before. */
		account->absent_at_ms = (int64_t)clock_now_ms();
		return true;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	if (!sighting->file.is_regular) {
		account_log(account, ACCOUNT_LOG_WARNING,
			"'%s' in '%s' is no regular file: not synced",
			sighting->name, sighting->folder->record.path);
		return true;
	}
	if (is_known && is_twin(account, sighting, &pair))
		return account->is_dry_run ||
			separate_twin(account, sighting, error);
	if (!is_known)
		return see_unknown(account, sighting, error);
	see_known(account, sighting, &pair);
	return true;
}
