#define _GNU_SOURCE
#include "syncd/worker/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/text.h"
#include "syncd/worker/account_state.h"
#include "syncd/worker/clock.h"

#define LOG_TEXT_SIZE   1024
#define HOLD_DELAY_S    60
#define DELETION_SLOT_S 300
#define LOCK_ATTEMPTS   40 /* two seconds */
#define META_MAINTAINED "maintained"

int64_t account_now(void)
{
	return clock_wall_seconds();
}

void account_log(const struct account *account, enum account_log_level level,
	const char *format, ...)
{
	char text[LOG_TEXT_SIZE];
	va_list arguments;

	if (account->report.log == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_make_printable(text);
	account->report.log(account->report.data, (int)level, text);
}

void account_progress(const struct account *account)
{
	if (account->report.progress != NULL)
		account->report.progress(account->report.data, account);
}

void account_plan_line(const struct account *account, const char *format, ...)
{
	char text[LOG_TEXT_SIZE];
	va_list arguments;

	if (account->report.planned == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_make_printable(text);
	account->report.planned(account->report.data, text);
}

/* ---- What is left out ---- */

static void skipped_free(struct account_skipped *skipped, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(skipped[i].name);
		free(skipped[i].reason);
	}
	free(skipped);
}

static bool was_skipped(const struct account_skipped *skipped, size_t count,
	const char *name, const char *reason)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(skipped[i].name, name) == 0 &&
			strcmp(skipped[i].reason, reason) == 0)
			return true;
	return false;
}

void account_skip_reset(struct account *account)
{
	skipped_free(account->skipped_before, account->skipped_before_count);
	account->skipped_before = account->skipped;
	account->skipped_before_count = account->skipped_count;
	account->skipped = NULL;
	account->skipped_count = 0;
}

void account_skip(struct account *account, const char *name, const char *reason)
{
	if (was_skipped(account->skipped, account->skipped_count, name, reason))
		return;
	if (!was_skipped(account->skipped_before, account->skipped_before_count,
		    name, reason))
		account_log(account, ACCOUNT_LOG_WARNING,
			"'%s' is not synced: %s", name, reason);
	account->skipped = alloc_resize(account->skipped,
		account->skipped_count + 1, sizeof(*account->skipped));
	account->skipped[account->skipped_count++] = (struct account_skipped){
		.name = alloc_text(name),
		.reason = alloc_text(reason),
	};
}

/* ---- Folders ---- */

struct account_folder *account_folder(
	const struct account *account, uint32_t folder_id)
{
	for (size_t i = 0; i < account->folder_count; i++)
		if (account->folders[i]->record.folder_id == folder_id)
			return account->folders[i];
	return NULL;
}

struct account_folder *account_folder_by_path(
	const struct account *account, const char *path)
{
	for (size_t i = 0; i < account->folder_count; i++)
		if (strcmp(account->folders[i]->record.path, path) == 0)
			return account->folders[i];
	return NULL;
}

const char *account_folder_text(struct account_folder *folder, const char *text)
{
	return text == NULL ? NULL : arena_text(&folder->arena, text);
}

static struct account_folder *folder_push(struct account *account)
{
	struct account_folder *folder = alloc(1, sizeof(*folder));

	if (account->folder_count == account->folder_capacity) {
		account->folder_capacity = account->folder_capacity * 2 + 16;
		account->folders = alloc_resize(account->folders,
			account->folder_capacity, sizeof(*account->folders));
	}
	account->folders[account->folder_count++] = folder;
	arena_init(&folder->arena);
	keyword_letters_init(&folder->letters);
	folder->needs_scan = true;
	folder->needs_observe = true;
	return folder;
}

struct account_folder *account_folder_add(
	struct account *account, const char *path)
{
	struct account_folder *folder = folder_push(account);

	folder->record.folder_id = state_folder_new_id(account->state);
	folder->record.path = account_folder_text(folder, path);
	folder->record.is_selectable = true;
	uid_set_init(&folder->record.frontier);
	return folder;
}

static void folder_free(struct account_folder *folder)
{
	uid_set_finish(&folder->record.frontier);
	uid_set_finish(&folder->changed_uids);
	arena_finish(&folder->arena);
	free(folder);
}

void account_folder_remove(struct account *account, uint32_t folder_id)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		if (account->folders[i]->record.folder_id != folder_id)
			continue;
		folder_free(account->folders[i]);
		account->folders[i] = account->folders[--account->folder_count];
		return;
	}
}

bool account_folder_is_active(const struct account_folder *folder)
{
	const struct folder *record = &folder->record;

	if (record->state == FOLDER_HELD || record->mailbox == NULL ||
		!record->is_selectable)
		return false;
	return (record->has_remote && record->has_local) ||
		record->state == FOLDER_EMPTYING_LOCAL ||
		record->state == FOLDER_EMPTYING_REMOTE;
}

void account_folder_put(
	struct account *account, const struct account_folder *folder)
{
	state_folder_put(account->state, &folder->record);
}

bool account_folder_save(struct account *account,
	const struct account_folder *folder, struct error *error)
{
	if (!state_begin(account->state, error))
		return false;
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

void account_keywords_put(struct account *account)
{
	if (account->keywords.count == account->saved_keyword_count)
		return;
	state_keywords_put(account->state, &account->keywords);
	account->saved_keyword_count = account->keywords.count;
}

void account_folder_fail(struct account *account, struct account_folder *folder,
	const struct error *error)
{
	folder->has_failed = true;
	folder->has_failed_here = false;
	if (folder->record.error == NULL ||
		strcmp(folder->record.error, error->message) != 0) {
		folder->record.error =
			account_folder_text(folder, error->message);
		account_log(account, ACCOUNT_LOG_WARNING, "%s: %s",
			folder->record.path, error->message);
	}
	account->counters.failed++;
}

/* ---- The guard's hour ---- */

/* In slots. What was counted while the clock was ahead is as if of now: a guard
   that forgot it would let a slow leak pass. */
static int64_t slot_age(const struct folder *record, int64_t now)
{
	int64_t age = (now - record->deletion_slot) / DELETION_SLOT_S;

	return age < 0 ? 0 : age;
}

/* Slot 0 is the newest. */
static void age_slots(struct folder *record, int64_t now)
{
	int64_t age = slot_age(record, now);
	size_t kept;

	if (record->deletion_slot > now)
		record->deletion_slot = now - now % DELETION_SLOT_S;

	if (record->deletion_slot != 0 && age == 0)
		return;
	if (record->deletion_slot == 0 || age > FOLDER_DELETION_SLOTS)
		age = FOLDER_DELETION_SLOTS;
	kept = (size_t)(FOLDER_DELETION_SLOTS - age);
	memmove(record->deleted_remote + age, record->deleted_remote,
		kept * sizeof(record->deleted_remote[0]));
	memmove(record->deleted_local + age, record->deleted_local,
		kept * sizeof(record->deleted_local[0]));
	memset(record->deleted_remote, 0,
		(size_t)age * sizeof(record->deleted_remote[0]));
	memset(record->deleted_local, 0,
		(size_t)age * sizeof(record->deleted_local[0]));
	record->deletion_slot = now - now % DELETION_SLOT_S;
}

void account_count_deletion(struct account_folder *folder, bool is_remote)
{
	age_slots(&folder->record, account_now());
	if (is_remote)
		folder->record.deleted_remote[0]++;
	else
		folder->record.deleted_local[0]++;
}

void account_uncount_deletions(struct account_folder *folder, uint32_t count)
{
	uint32_t *newest = &folder->record.deleted_local[0];

	/* The slot may have begun since. */
	*newest -= count < *newest ? count : *newest;
}

bool account_recount_deletions(
	struct account_folder *folder, uint32_t count, int64_t since)
{
	if (count == 0 || account_now() - since < DELETION_SLOT_S)
		return false;
	age_slots(&folder->record, account_now());
	folder->record.deleted_local[0] += count;
	return true;
}

/* ---- Policy ---- */

static uint64_t recent_deletions(
	const struct folder *record, const uint32_t *slots, int64_t now)
{
	int64_t age = slot_age(record, now);
	uint64_t count = 0;

	for (int64_t slot = 0; slot < FOLDER_DELETION_SLOTS; slot++)
		if (slot + age < FOLDER_DELETION_SLOTS)
			count += slots[slot];
	return count;
}

struct flags account_remote_mask(const struct account_folder *folder)
{
	struct flags mask = folder->record.permanent_flags;

	if (folder->record.allows_new_keywords)
		memset(mask.keywords, 0xff, sizeof(mask.keywords));
	return mask;
}

/* Letters not given out yet can still become any keyword's. */
struct flags account_local_mask(
	const struct account *account, const struct account_folder *folder)
{
	struct flags mask = maildir_name_flags_mask(&folder->letters);

	if (account->config->keywords != CONFIG_KEYWORDS_DOVECOT)
		return mask;
	for (size_t i = 0; i < KEYWORD_LETTER_COUNT; i++)
		if ((folder->taken_letters & UINT32_C(1) << i) == 0) {
			memset(mask.keywords, 0xff, sizeof(mask.keywords));
			break;
		}
	return mask;
}

static void folder_policy(const struct account *account,
	const struct account_folder *folder, struct folder_policy *policy)
{
	const struct folder *record = &folder->record;
	int64_t now = account_now();
	uint64_t local_count;

	policy->folder_id = record->folder_id;
	policy->remote_mask = account_remote_mask(folder);
	policy->local_mask = account_local_mask(account, folder);
	policy->is_remote_writable =
		record->has_remote && !record->is_read_only;
	policy->is_held = record->state == FOLDER_EPOCH || folder->has_failed;
	policy->is_discard = record->is_discard;
	/* Of one side all may be gone: that is what the guard is for. */
	local_count =
		state_folder_local_count(account->state, record->folder_id);
	policy->pair_count =
		state_folder_remote_count(account->state, record->folder_id);
	if (local_count > policy->pair_count)
		policy->pair_count = local_count;
	policy->deleted_remote_count =
		recent_deletions(record, record->deleted_remote, now);
	policy->deleted_local_count =
		recent_deletions(record, record->deleted_local, now);
	policy->is_approved = record->is_approved;
}

static int compare_policies(const void *a, const void *b)
{
	const struct folder_policy *first = a, *second = b;

	return (first->folder_id > second->folder_id) -
		(first->folder_id < second->folder_id);
}

struct policy account_policy(const struct account *account, struct arena *arena)
{
	struct policy policy = { 0 };
	struct folder_policy *folders =
		arena_alloc(arena, account->folder_count + 1, sizeof(*folders));

	for (size_t i = 0; i < account->folder_count; i++)
		if (account_folder_is_active(account->folders[i]))
			folder_policy(account, account->folders[i],
				&folders[policy.folder_count++]);
	qsort(folders, policy.folder_count, sizeof(*folders), compare_policies);
	policy.folders = folders;
	policy.deletion_wins =
		account->config->conflict == CONFIG_CONFLICT_DELETE;
	policy.delete_percent = account->config->has_delete_limit
		? account->config->delete_limit_percent
		: 100;
	policy.remote_is_complete = account->remote_is_complete;
	policy.local_is_complete = account->local_is_complete;
	policy.remote_is_blind = account->remote_is_blind;
	policy.local_is_blind = account->local_is_blind;
	return policy;
}

uint32_t account_first_uid(
	const struct account *account, const struct intent *intent)
{
	const struct account_folder *folder =
		account_folder(account, intent->to_folder_id);

	return folder != NULL &&
			folder->record.uid_validity != intent->uid_validity
		? 1
		: intent->uid_next;
}

const char *account_download_name(const struct account *account,
	struct arena *arena, uint32_t folder_id, uint32_t uid_validity,
	uint32_t uid, int64_t internal_date)
{
	uint8_t place[12];
	struct buf name = { 0 };
	const char *text;

	number_write_be32(place, folder_id);
	number_write_be32(place + 4, uid_validity);
	number_write_be32(place + 8, uid);
	maildir_unique_format(internal_date,
		hash_keyed(state_secret(account->state), place, sizeof(place)),
		account->host, &name);
	text = arena_text(arena, buf_text(&name));
	buf_finish(&name);
	return text;
}

void account_hold(struct account *account, struct pair *pair, enum hold hold,
	const char *reason)
{
	int64_t delay = HOLD_DELAY_S;

	for (uint32_t i = 0;
		i < pair->attempt_count && delay < PAIR_PAUSE_MAX_S; i++)
		delay *= 2;
	pair->hold = hold;
	pair->reason = reason;
	pair->attempt_count++;
	pair->retry_at = account_now() +
		(delay > PAIR_PAUSE_MAX_S ? PAIR_PAUSE_MAX_S : delay);
	state_pair_put(account->state, pair);
	account->counters.failed++;
}

void account_journal(struct account *account, enum journal_side side,
	const struct pair *pair, const char *change)
{
	bool is_undone = pair_is_settled(pair);
	struct journal_entry entry = {
		.time = account_now(),
		.side = side,
		.change = change,
		.mid = pair->mid,
		.folder_id = pair->remote.folder_id,
		.outcome = is_undone ? "undone" : NULL,
	};

	if (side == JOURNAL_LOCAL) {
		entry.folder_id = pair->local.folder_id;
		entry.detail = pair->local.name;
	}
	(void)state_journal_append(account->state, &entry);
	if (is_undone)
		state_journal_settle(account->state, pair->mid, "undone");
}

/* ---- Once a day ---- */

int64_t account_maintained_at(struct account *account)
{
	struct arena arena;
	const uint8_t *data;
	size_t size;
	int64_t time = 0;

	arena_init(&arena);
	if (state_meta_get(
		    account->state, META_MAINTAINED, &arena, &data, &size) &&
		size == sizeof(uint64_t))
		time = (int64_t)number_read_be64(data);
	arena_finish(&arena);
	return time;
}

void account_put_maintained(struct account *account, int64_t now)
{
	uint8_t time[sizeof(uint64_t)];

	number_write_be64(time, (uint64_t)now);
	state_meta_put(account->state, META_MAINTAINED, time, sizeof(time));
}

/* ---- Opening ---- */

/* Directories are ours alone: 0700, parents included where they are new. */
static bool make_directory(const char *path, struct error *error)
{
	char *parent;
	char *slash;
	bool is_made;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	if (errno != ENOENT)
		return error_set_errno(error, "cannot create '%s'", path);
	parent = alloc_text(path);
	slash = strrchr(parent, '/');
	is_made = slash != NULL && slash != parent;
	if (is_made) {
		*slash = '\0';
		is_made = make_directory(parent, error);
	}
	free(parent);
	if (!is_made)
		return false;
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return error_set_errno(error, "cannot create '%s'", path);
	return true;
}

static bool same_file_system(const char *a, const char *b)
{
	struct stat first, second;

	return stat(a, &first) == 0 && stat(b, &second) == 0 &&
		first.st_dev == second.st_dev;
}

/* Where removed messages are kept: with the state when a rename gets there,
   else beside the Maildir, never inside it. */
static char *retention_path(
	const struct config_account *config, const char *state_directory)
{
	const char *slash = strrchr(config->maildir, '/');
	char *parent;
	char *path;

	if (config->retention_s == 0)
		return NULL;
	parent = alloc_text_sized(config->maildir,
		slash == NULL ? 0 : (size_t)(slash - config->maildir));
	if (same_file_system(state_directory, config->maildir) ||
		(access(config->maildir, F_OK) != 0 &&
			same_file_system(state_directory, parent)))
		path = alloc_format("%s/removed", state_directory);
	else
		path = alloc_format(
			"%s/.mailtwin-removed/%s", parent, config->name);
	free(parent);
	return path;
}

/* `status` and its like hold it for a moment. */
static bool wait_for_lock(int fd)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };

	for (int i = 0; i < LOCK_ATTEMPTS; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	errno = EWOULDBLOCK;
	return false;
}

/* Held until the process ends. The file is never unlinked: a lock on an inode
   that no name leads to protects nothing. */
static bool lock_account(const char *directory, const char *name, int *fd_out,
	struct error *error)
{
	char *path = alloc_format("%s/lock", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool is_locked = fd != -1 && wait_for_lock(fd);

	if (fd == -1)
		error_set_errno(error, "cannot open '%s'", path);
	else if (is_locked)
		errno = 0;
	else if (errno == EWOULDBLOCK)
		error_set(error, ERROR_STOPPED,
			"account '%s' is being synced by another mailtwin",
			name);
	else
		error_set_errno(error, "cannot lock '%s'", path);
	free(path);
	if (is_locked)
		*fd_out = fd;
	else if (fd != -1)
		close(fd);
	return is_locked;
}

static void load_folders(struct account *account)
{
	struct state_cursor cursor = { 0 };
	struct account_folder *folder = folder_push(account);

	while (state_next_folder(
		account->state, &cursor, &folder->arena, &folder->record))
		folder = folder_push(account);
	account->folder_count--;
	folder_free(folder);
}

static bool prepare_retention(
	struct account *account, const char *path, struct error *error)
{
	return path == NULL ||
		(make_directory(path, error) &&
			maildir_prepare_retention(account->maildir, error));
}

static bool open_maildir(struct account *account, const char *state_directory,
	struct error *error)
{
	char *retention = retention_path(account->config, state_directory);
	struct maildir_options options = {
		.root = account->config->maildir,
		.layout = account->config->layout == CONFIG_LAYOUT_FS
			? MAILDIR_LAYOUT_FS
			: MAILDIR_LAYOUT_PLUSPLUS,
		.retention_path = retention,
	};
	bool is_open = false;

	/* A root that was there once and is not any more is an unmounted disk,
	   and no reason to start afresh. */
	if (account->folder_count == 0 && access(options.root, F_OK) == -1 &&
		errno == ENOENT && !maildir_create_root(&options, error))
		goto out;
	account->maildir = maildir_open(&options, error);
	if (account->maildir == NULL)
		goto out;
	(void)snprintf(account->host, sizeof(account->host), "%s",
		maildir_host(account->maildir));
	/* Later the process is confined to what is there. */
	is_open = prepare_retention(account, retention, error);
out:
	free(retention);
	return is_open;
}

static bool open_parts(struct account *account, struct error *error)
{
	if (!make_directory(account->directory, error) ||
		!lock_account(account->directory, account->config->name,
			&account->lock_fd, error) ||
		!account_state_open(account, error))
		return false;
	keyword_table_init(&account->keywords);
	state_keywords_get(account->state, &account->keywords);
	account->saved_keyword_count = account->keywords.count;
	load_folders(account);
	if (state_read_error(account->state, error))
		return false;
	return open_maildir(account, account->directory, error);
}

struct account *account_open(const struct config *config,
	const struct config_account *account_config,
	const struct account_report *report, struct loop *loop,
	struct error *error)
{
	struct account *account = alloc(1, sizeof(*account));
	bool is_open;

	account->directory =
		alloc_format("%s/%s", config->state_dir, account_config->name);
	account->config = account_config;
	account->report = *report;
	account->loop = loop;
	account->lock_fd = -1;
	account->settle_ms = SETTLE_START_MS;
	account->wants_folder_list = true;
	account->ghosts_until = INT64_MAX; /* not known: looked up */
	is_open = open_parts(account, error);
	if (is_open)
		account->pool = pool_new(loop, error);
	if (account->pool == NULL) {
		account_close(account);
		return NULL;
	}
	return account;
}

void account_close(struct account *account)
{
	if (account == NULL)
		return;
	remote_close(account->remote);
	watch_close(account->watch);
	maildir_close(account->maildir);
	account_state_close(account);
	pool_free(account->pool);
	keyword_table_finish(&account->keywords);
	for (size_t i = 0; i < account->folder_count; i++)
		folder_free(account->folders[i]);
	free(account->folders);
	for (size_t i = 0; i < account->plain_count; i++)
		free(account->plain_paths[i]);
	free(account->plain_paths);
	for (size_t i = 0; i < DOUBT_COUNT_MAX; i++)
		free(account->doubts[i].name);
	skipped_free(account->skipped, account->skipped_count);
	skipped_free(account->skipped_before, account->skipped_before_count);
	buf_finish(&account->told_folders);
	if (account->lock_fd != -1)
		close(account->lock_fd);
	free(account->directory);
	free(account);
}
