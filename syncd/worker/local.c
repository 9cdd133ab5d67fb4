#define _GNU_SOURCE
#include "syncd/worker/local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "store/keywords_file.h"
#include "store/scan.h"
#include "syncd/reconciler/merge.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/digest.h"
#include "syncd/worker/local_internal.h"

#define ROWS_PER_COMMIT 8192
#define READ_SIZE       65536
/* Who writes into a file leaves no trace in its directory: a folder is scanned
   once in so long, however still it seems. */
#define CLEAN_S (24 * 3600)

struct maildir_place local_place(
	const struct account *account, const struct pair *pair)
{
	const struct account_folder *folder =
		account_folder(account, pair->local.folder_id);

	return (struct maildir_place){
		.path = folder == NULL ? "" : folder->record.path,
		.is_new = pair->local.is_new,
		.name = pair->local.name,
	};
}

bool local_is_file(
	const struct local_state *local, const struct maildir_file *file)
{
	return local->inode == file->inode && local->device == file->device &&
		local->size == file->size && local->mtime == file->mtime;
}

/* ---- Reading a file ---- */

/* A read lease is granted only when nobody has the file open for writing; no
   lease at all (another owner, odd file system) tells nothing. */
static bool is_being_written(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == -1)
		return errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

static bool digest_file(
	int fd, struct canonical_digest *digest, struct error *error)
{
	uint8_t data[READ_SIZE];

	for (;;) {
		ssize_t size = read(fd, data, sizeof(data));

		if (size == 0)
			return true;
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return error_set_errno(error, "cannot read message");
		canonical_digest_feed(digest, data, (size_t)size);
	}
}

bool local_digest_open(struct account *account, int fd,
	struct content *content_out, struct error *error)
{
	struct canonical_digest *digest =
		canonical_digest_new(state_secret(account->state));
	bool is_read = digest_file(fd, digest, error);

	if (is_read)
		canonical_digest_finish(digest, content_out);
	canonical_digest_free(digest);
	return is_read;
}

enum local_read local_digest(
	struct account *account, struct pair *pair, struct error *error)
{
	struct maildir_place place = local_place(account, pair);
	struct canonical_digest *digest;
	struct maildir_file file;
	struct stat after;
	enum local_read outcome = LOCAL_READ_FAILED;
	int fd = -1;

	switch (maildir_open_message(
		account->maildir, &place, &fd, &file, error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
		return LOCAL_READ_MISSING;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return LOCAL_READ_FAILED;
	}
	if (is_being_written(fd)) {
		close(fd);
		return LOCAL_READ_BUSY;
	}
	digest = canonical_digest_new(state_secret(account->state));
	if (digest_file(fd, digest, error) && fstat(fd, &after) == 0) {
		outcome = (uint64_t)after.st_size == file.size &&
				after.st_mtim.tv_sec == file.mtime
			? LOCAL_READ_DONE
			: LOCAL_READ_BUSY;
		canonical_digest_finish(digest, &pair->content);
		pair->local.device = file.device;
		pair->local.inode = file.inode;
		pair->local.size = file.size;
		pair->local.mtime = file.mtime;
	}
	canonical_digest_free(digest);
	close(fd);
	return outcome;
}

/* ---- One file gone ---- */

void local_lose(struct account *account, struct pair *pair, bool is_proof)
{
	struct intent intent;

	if (pair->local.presence == PRESENCE_NEVER)
		return; /* planned only */
	if (!is_proof) {
		/* Copied or restored from elsewhere: fetched again, never a
		   deletion. */
		pair->local.presence = PRESENCE_NEVER;
		pair->local.name = NULL;
		pair->local.inode = 0;
		pair->synced.is_set = false;
		if (pair->remote.presence == PRESENCE_PRESENT)
			state_pair_put(account->state, pair);
		else
			state_pair_delete(account->state, pair->mid);
		return;
	}
	/* Of a new one, too, the rest of a rename may not be told yet: it may
	   be what is about to be fetched. */
	account->absent_at_ms = (int64_t)clock_now_ms();
	/* An upload whose outcome is open may have stored it: not forgotten. */
	if (pair->remote.presence == PRESENCE_NEVER &&
		!state_intent_of_mid(account->state, pair->mid, &intent)) {
		state_journal_settle(account->state, pair->mid, "gone again");
		state_pair_delete(account->state, pair->mid);
		return;
	}
	pair->local.presence = PRESENCE_ABSENT;
	pair->local.absent_since = clock_now_ms();
	state_pair_put(account->state, pair);
	account_journal(account, JOURNAL_LOCAL, pair, "gone");
}

void local_lose_file(struct account *account, struct pair *pair)
{
	local_lose(account, pair, true);
}

/* ---- Scanning a folder ---- */

static int compare_uniques(const void *a, const void *b)
{
	const struct maildir_entry *first = a, *second = b;
	size_t first_size = pair_unique_size(first->name);
	size_t second_size = pair_unique_size(second->name);
	size_t size = first_size < second_size ? first_size : second_size;
	int order = memcmp(first->name, second->name, size);

	if (order != 0)
		return order;
	return (first_size > second_size) - (first_size < second_size);
}

bool local_breathe(
	struct account *account, size_t *row_count, struct error *error)
{
	if (++*row_count % ROWS_PER_COMMIT != 0)
		return true;
	return local_make_durable(account, error) &&
		state_commit(account->state, error) &&
		state_begin(account->state, error);
}

/* Name and inode are no proof that it is the file we knew: who writes a draft
   anew twice gets the inode of the first back. Only while every change comes
   as an event are they enough. */
static bool see_entries(struct account *account, struct account_folder *folder,
	const struct scan_result *scan, struct error *error)
{
	struct arena arena;
	size_t row_count = 0;
	bool is_done = true;

	arena_init(&arena);
	for (size_t i = 0; is_done && i < scan->entry_count; i++) {
		struct sighting sighting = {
			.folder = folder,
			.is_new = scan->entries[i].is_new,
			.name = scan->entries[i].name,
			.inode_hint = folder->is_followed
				? scan->entries[i].inode
				: 0,
			.arena = &arena,
		};

		is_done = local_see(account, &sighting, error) &&
			local_breathe(account, &row_count, error);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_done;
}

static bool is_listed(const struct scan_result *scan, const char *name)
{
	struct maildir_entry wanted = { .name = name };

	return scan->entry_count > 0 &&
		bsearch(&wanted, scan->entries, scan->entry_count,
			sizeof(wanted), compare_uniques) != NULL;
}

static bool lose_missing(struct account *account, struct account_folder *folder,
	const struct scan_result *scan, bool is_proof, struct error *error)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	size_t row_count = 0;
	bool is_done = true;

	if (scan->entry_count > 0)
		qsort(scan->entries, scan->entry_count, sizeof(*scan->entries),
			compare_uniques);
	arena_init(&arena);
	while (is_done &&
		state_next_by_unique(account->state, folder->record.folder_id,
			&cursor, &arena, &pair)) {
		/* Absences of before are none of a copy either. */
		bool is_open = pair.local.presence == PRESENCE_PRESENT ||
			(!is_proof && pair.local.presence == PRESENCE_ABSENT);

		if (is_open && !is_listed(scan, pair.local.name)) {
			local_lose(account, &pair, is_proof);
			is_done = local_breathe(account, &row_count, error);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_done;
}

/* Nothing can have changed since the last scan: same directories, times from
   before it by more than the clock's grain (the rule git uses). */
static bool is_clean(const struct folder *record,
	const struct maildir_folder_stat *stat, int64_t now)
{
	const int64_t grain_ns = INT64_C(2000000000);
	int64_t age = now - record->scanned_at_ns / INT64_C(1000000000);

	return record->scan_count > 0 && age >= 0 && age < CLEAN_S &&
		record->device == stat->device &&
		record->inode == stat->inode &&
		record->new_mtime_ns == stat->new_mtime_ns &&
		record->cur_mtime_ns == stat->cur_mtime_ns &&
		stat->new_mtime_ns < record->scanned_at_ns - grain_ns &&
		stat->cur_mtime_ns < record->scanned_at_ns - grain_ns;
}

static void note_scan(
	struct account_folder *folder, const struct scan_result *scan)
{
	struct folder *record = &folder->record;

	record->device = scan->stat.device;
	record->inode = scan->stat.inode;
	record->new_mtime_ns = scan->stat.new_mtime_ns;
	record->cur_mtime_ns = scan->stat.cur_mtime_ns;
	record->scanned_at_ns = scan->started_at_ns;
	record->scan_count++;
}

static bool write_scan(struct account *account, struct account_folder *folder,
	const struct scan_result *scan, struct error *error)
{
	/* A directory that is not the one we knew was copied or restored. */
	bool is_same = folder->record.scan_count == 0 ||
		(folder->record.device == scan->stat.device &&
			folder->record.inode == scan->stat.inode);

	if (!state_begin(account->state, error))
		return false;
	folder->needs_scan = !scan->proves_absence;
	if (!see_entries(account, folder, scan, error) ||
		(scan->proves_absence &&
			!lose_missing(account, folder, scan, is_same, error)) ||
		!local_make_durable(account, error)) {
		state_abort(account->state);
		folder->needs_scan = true;
		return false;
	}
	if (scan->proves_absence)
		note_scan(folder, scan);
	account_folder_put(account, folder);
	account_keywords_put(account);
	if (state_commit(account->state, error)) {
		folder->is_followed =
			folder->is_watched && scan->proves_absence;
		return true;
	}
	folder->needs_scan = true;
	folder->is_followed = false;
	folder->record.scanned_at_ns = 0;
	return false;
}

static bool scan(struct account *account, struct account_folder *folder,
	struct error *error)
{
	struct scan_request request = {
		.maildir = account->maildir,
		.path = folder->record.path,
		.watch = folder->is_watched ? account->watch : NULL,
		.new_cookie = local_cookie(folder, MAILDIR_NEW),
		.cur_cookie = local_cookie(folder, MAILDIR_CUR),
	};
	struct maildir_folder_stat stat;
	struct scan_result result;
	struct arena arena;
	bool is_done;

	folder->looked_at_ms = (int64_t)clock_now_ms();
	switch (maildir_folder_stat(
		account->maildir, folder->record.path, &stat, error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
		/* Nothing is concluded here: the next listing of folders is. */
		folder->is_on_disk = false;
		account->wants_folder_list = true;
		account->wants_again = true;
		return true;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	/* Nobody tells of new ones. */
	if (!folder->is_watched)
		folder->has_letters = false;
	if (!local_load_letters(account, folder, error))
		return false;
	if (is_clean(&folder->record, &stat, account_now())) {
		folder->needs_scan = false;
		folder->wants_held = true;
		return true;
	}
	arena_init(&arena);
	is_done = scan_folder(&request, &arena, &result, error) &&
		write_scan(account, folder, &result, error);
	arena_finish(&arena);
	return is_done;
}

static bool is_fatal(const struct error *error)
{
	return error->code == ERROR_CORRUPT || error->code == ERROR_STOPPED;
}

/* What is missing elsewhere may have come here since, and no event tells. */
static bool is_outdated(
	const struct account *account, const struct account_folder *folder)
{
	return !folder->is_watched && account->absent_at_ms != 0 &&
		folder->looked_at_ms <= account->absent_at_ms;
}

bool local_observe(struct account *account, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		struct error failure = { 0 };

		if (!folder->record.has_local || !folder->is_on_disk)
			continue;
		folder->needs_scan |= is_outdated(account, folder);
		if (!folder->needs_scan)
			continue;
		if (scan(account, folder, &failure))
			continue;
		if (is_fatal(&failure)) {
			*error = failure;
			return false;
		}
		account_folder_fail(account, folder, &failure);
		folder->has_failed_here = true;
	}
	return true;
}

uint64_t local_settle_left_ms(const struct account *account)
{
	int64_t left;

	if (account->absent_at_ms == 0)
		return 0;
	left = account->absent_at_ms + account->settle_ms -
		(int64_t)clock_now_ms();
	return left > 0 ? (uint64_t)left : 0;
}

/* Time that goes by while nobody reads (the machine is busy, the process is
   stopped) settles nothing: where a file went may be the next event. */
static bool has_settled(const struct account *account)
{
	return account->absent_at_ms == 0 ||
		account->absent_at_ms + account->settle_ms <=
		account->drained_at_ms;
}

bool local_is_complete(const struct account *account)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		const struct account_folder *folder = account->folders[i];

		if ((folder->needs_scan || is_outdated(account, folder)) &&
			!folder->has_failed && folder->record.has_local &&
			account_folder_is_active(folder))
			return false;
	}
	return !account->has_local_loss && has_settled(account);
}
