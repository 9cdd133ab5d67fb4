#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "store/keywords_file.h"
#include "store/watch.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/local_internal.h"

/* Cookies of directories that are no folders: the root and, in the layout fs,
   those that only hold others. Folder cookies are below. */
#define COOKIE_PLAIN        (UINT64_C(1) << 40)
#define PLAIN_COUNT_MAX     4096
#define KEYWORD_PATIENCE_MS 2000
#define KEYWORD_BUSY_MS     5000 /* not waited for again */

/* ---- Keyword letters ---- */

bool local_load_letters(struct account *account, struct account_folder *folder,
	struct error *error)
{
	struct keywords_file file;
	struct arena arena;
	bool is_read;

	if (folder->has_letters ||
		account->config->keywords != CONFIG_KEYWORDS_DOVECOT)
		return true;
	arena_init(&arena);
	is_read = keywords_file_read(
		account->maildir, folder->record.path, &arena, &file, error);
	for (size_t i = 0; is_read && i < KEYWORD_LETTER_COUNT; i++) {
		int keyword = -1;

		folder->taken_letters &= ~(UINT32_C(1) << i);
		if (file.names[i] != NULL) {
			folder->taken_letters |= UINT32_C(1) << i;
			keyword = keyword_table_intern(
				&account->keywords, file.names[i]);
		}
		folder->letters.keywords[i] = keyword;
	}
	if (is_read)
		folder->is_served = file.is_served_by_dovecot;
	folder->has_letters = is_read;
	folder->has_durable_letters = false;
	arena_finish(&arena);
	return is_read;
}

static bool has_letter(const struct account_folder *folder, int keyword)
{
	return keyword_letters_has(&folder->letters, keyword) ||
		/* It has one of its own, P. */
		(keyword == KEYWORD_FORWARDED && !folder->is_served);
}

static bool uses_letter(
	const struct account_folder *folder, const struct flags *flags)
{
	for (int keyword = flags_next_keyword(flags, 0); keyword >= 0;
		keyword = flags_next_keyword(flags, (unsigned)keyword + 1))
		if (keyword_letters_has(&folder->letters, keyword))
			return true;
	return false;
}

/* Before a name has one of them. */
static bool make_letters_durable(struct account *account,
	struct account_folder *folder, const struct flags *flags,
	struct error *error)
{
	if (folder->has_durable_letters || !uses_letter(folder, flags))
		return true;
	folder->has_durable_letters = keywords_file_sync(
		account->maildir, folder->record.path, error);
	/* Read again then: it may be gone. */
	folder->has_letters = folder->has_durable_letters;
	return folder->has_durable_letters;
}

static bool busy(const struct account_folder *folder, struct error *error)
{
	return error_set(error, ERROR_REFUSED,
		"dovecot-keywords of '%s' is locked", folder->record.path);
}

static bool add_letter(struct account *account, struct account_folder *folder,
	int keyword, struct error *error)
{
	unsigned letter;

	if (clock_now_ms() < folder->letters_busy_until_ms)
		return busy(folder, error);
	switch (keywords_file_add(account->maildir, folder->record.path,
		keyword_table_name(&account->keywords, (unsigned)keyword),
		KEYWORD_PATIENCE_MS, &letter, error)) {
	case KEYWORDS_ADDED:
		folder->letters.keywords[letter] = keyword;
		folder->taken_letters |= UINT32_C(1) << letter;
		return true;
	case KEYWORDS_FULL:
		account_log(account, ACCOUNT_LOG_WARNING,
			"%s: no letter is left for keyword '%s'",
			folder->record.path,
			keyword_table_name(
				&account->keywords, (unsigned)keyword));
		return true;
	case KEYWORDS_BUSY:
		folder->letters_busy_until_ms =
			clock_now_ms() + KEYWORD_BUSY_MS;
		return busy(folder, error);
	case KEYWORDS_ERROR:
		return false;
	}
	return false;
}

bool local_add_letters(struct account *account, struct account_folder *folder,
	const struct flags *flags, struct error *error)
{
	if (account->config->keywords != CONFIG_KEYWORDS_DOVECOT)
		return true;
	if (!local_load_letters(account, folder, error))
		return false;
	for (int keyword = flags_next_keyword(flags, 0); keyword >= 0;
		keyword = flags_next_keyword(flags, (unsigned)keyword + 1))
		if (!has_letter(folder, keyword) &&
			!add_letter(account, folder, keyword, error))
			return false;
	return make_letters_durable(account, folder, flags, error);
}

/* ---- Watches ---- */

static void no_space(struct account *account)
{
	struct watch_limits limits;

	if (account->has_watch_shortage)
		return;
	account->has_watch_shortage = true;
	watch_get_limits(&limits);
	account_log(account, ACCOUNT_LOG_WARNING,
		"the kernel's limit of %ld inotify watches is reached: some "
		"folders are only scanned every poll (raise "
		"fs.inotify.max_user_watches)",
		limits.max_user_watches);
}

static bool add(struct account *account, const char *path, uint64_t cookie)
{
	struct error error = { 0 };

	switch (watch_add(account->watch, path, cookie, &error)) {
	case WATCH_ADDED:
		return true;
	case WATCH_NO_SPACE:
		no_space(account);
		return false;
	case WATCH_NO_DIRECTORY:
		account->wants_folder_list = true;
		return false;
	case WATCH_ERROR:
		account_log(account, ACCOUNT_LOG_WARNING, "%s", error.message);
		return false;
	}
	return false;
}

static bool add_part(struct account *account,
	const struct account_folder *folder, enum maildir_part part)
{
	struct buf path = { 0 };
	struct error error = { 0 };
	bool is_added;

	is_added = maildir_absolute_path(account->maildir, folder->record.path,
			   part, &path, &error) &&
		add(account, buf_text(&path), local_cookie(folder, part));
	buf_finish(&path);
	return is_added;
}

void local_watch_folder(struct account *account, struct account_folder *folder)
{
	bool was_watched = folder->is_watched;

	if (account->watch == NULL)
		return;
	folder->is_watched = add_part(account, folder, MAILDIR_NEW) &&
		add_part(account, folder, MAILDIR_CUR) &&
		add_part(account, folder, MAILDIR_FOLDER);
	/* What happened before the watch was there shows in a scan only. */
	if (!was_watched || !folder->is_watched)
		folder->is_followed = false;
	if (!was_watched) {
		folder->needs_scan = true;
		folder->has_letters = false;
	}
}

void local_unwatch_folder(
	struct account *account, struct account_folder *folder)
{
	if (account->watch == NULL)
		return;
	watch_remove(account->watch, local_cookie(folder, MAILDIR_NEW));
	watch_remove(account->watch, local_cookie(folder, MAILDIR_CUR));
	watch_remove(account->watch, local_cookie(folder, MAILDIR_FOLDER));
	folder->is_watched = false;
	folder->is_followed = false;
}

/* One directory has one watch: a folder's tells more. */
static bool is_watched_folder(const struct account *account, const char *path)
{
	bool is_folder = false;

	for (size_t i = 0; i < account->folder_count && !is_folder; i++) {
		const struct account_folder *folder = account->folders[i];
		struct buf own = { 0 };
		struct error error = { 0 };

		is_folder = folder->is_watched &&
			maildir_absolute_path(account->maildir,
				folder->record.path, MAILDIR_FOLDER, &own,
				&error) &&
			strcmp(buf_text(&own), path) == 0;
		buf_finish(&own);
	}
	return is_folder;
}

static void watch_plain(struct account *account, const char *path)
{
	size_t i = 0;

	if (is_watched_folder(account, path))
		return;
	while (i < account->plain_count &&
		strcmp(account->plain_paths[i], path) != 0)
		i++;
	if (i == PLAIN_COUNT_MAX || !add(account, path, COOKIE_PLAIN + i) ||
		i < account->plain_count)
		return;
	account->plain_paths = alloc_resize(account->plain_paths,
		account->plain_count + 1, sizeof(*account->plain_paths));
	account->plain_paths[account->plain_count++] = alloc_text(path);
}

/* "Work" of "Work/2024" may be no folder itself. */
static void watch_parents(
	struct account *account, const struct account_folder *folder)
{
	const char *path = folder->record.path;

	for (const char *slash = strchr(path, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		char *parent = alloc_text_sized(path, (size_t)(slash - path));
		char *absolute;

		if (account_folder_by_path(account, parent) == NULL) {
			absolute = alloc_format("%s/%s",
				maildir_root(account->maildir), parent);
			watch_plain(account, absolute);
			free(absolute);
		}
		free(parent);
	}
}

bool local_watch(struct account *account, struct error *error)
{
	if (account->watch == NULL) {
		account->watch = watch_open(error);
		if (account->watch == NULL)
			return false;
	}
	watch_plain(account, maildir_root(account->maildir));
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (!folder->is_on_disk || folder->is_watched)
			continue;
		local_watch_folder(account, folder);
		if (account->config->layout == CONFIG_LAYOUT_FS)
			watch_parents(account, folder);
	}
	return true;
}

/* ---- Events ---- */

static void lost(struct account *account)
{
	account_log(account, ACCOUNT_LOG_INFO,
		"inotify lost events: scanning all folders");
	for (size_t i = 0; i < account->folder_count; i++) {
		account->folders[i]->needs_scan = true;
		/* No scan is exact until its watch is made anew. */
		account->folders[i]->is_watched = false;
		account->folders[i]->is_followed = false;
	}
	account->wants_folder_list = true;
	account->absent_at_ms = (int64_t)clock_now_ms();
	account->settle_ms = SETTLE_START_MS;
}

static bool file_gone(struct account *account, struct account_folder *folder,
	bool is_new, const char *name, struct arena *arena)
{
	struct pair pair;

	if (state_pair_by_unique(account->state, folder->record.folder_id, name,
		    arena, &pair) &&
		pair.local.presence == PRESENCE_PRESENT &&
		pair.local.is_new == is_new &&
		strcmp(pair.local.name, name) == 0)
		local_lose(account, &pair, true);
	return true;
}

static bool file_event(struct account *account, struct account_folder *folder,
	const struct watch_event *event, struct error *error)
{
	bool is_new = event->cookie % 4 == MAILDIR_NEW;
	struct sighting sighting = { .folder = folder, .is_new = is_new };
	struct arena arena;
	bool is_done = true;

	arena_init(&arena);
	sighting.arena = &arena;
	sighting.name = arena_text(&arena, event->name);
	if (event->kind == WATCH_GONE)
		is_done = file_gone(
			account, folder, is_new, sighting.name, &arena);
	else if (event->kind == WATCH_APPEARED || event->kind == WATCH_WRITTEN)
		is_done = local_load_letters(account, folder, error) &&
			local_see(account, &sighting, error);
	arena_finish(&arena);
	return is_done;
}

/* A directory that is made is no folder yet: its parts are still to come. */
static void directory_appeared(struct account *account, const char *parent,
	const struct watch_event *event)
{
	char *path;

	account->wants_folder_list = true;
	if (account->config->layout != CONFIG_LAYOUT_FS)
		return;
	path = alloc_format("%s/%s", parent, event->name);
	watch_plain(account, path);
	free(path);
}

static bool is_part(const char *name)
{
	return strcmp(name, "new") == 0 || strcmp(name, "cur") == 0 ||
		strcmp(name, "tmp") == 0;
}

/* The folder's own directory: sub-folders come and go, and Dovecot writes the
   keyword letters. */
static void directory_event(struct account *account,
	struct account_folder *folder, const struct watch_event *event)
{
	struct buf path = { 0 };
	struct error error = { 0 };

	/* Written often; only its coming and going says something. */
	if (strcmp(event->name, KEYWORDS_UIDLIST_NAME) == 0) {
		if (folder->is_served != (event->kind != WATCH_GONE))
			folder->has_letters = false;
		return;
	}
	if (strcmp(event->name, KEYWORDS_FILE_NAME) == 0 &&
		event->kind != WATCH_GONE) {
		folder->has_letters = false;
		folder->record.scanned_at_ns =
			0; /* letters may mean others now */
		folder->needs_scan = true;
		return;
	}
	if (event->kind == WATCH_DIRECTORY_GONE)
		account->wants_folder_list = true;
	if (event->kind != WATCH_DIRECTORY_APPEARED || is_part(event->name))
		return;
	if (maildir_absolute_path(account->maildir, folder->record.path,
		    MAILDIR_FOLDER, &path, &error))
		directory_appeared(account, buf_text(&path), event);
	buf_finish(&path);
}

static void plain_event(
	struct account *account, const struct watch_event *event)
{
	size_t index = (size_t)(event->cookie - COOKIE_PLAIN);

	if (event->kind == WATCH_DIRECTORY_GONE ||
		event->kind == WATCH_SELF_GONE)
		account->wants_folder_list = true;
	if (event->kind != WATCH_DIRECTORY_APPEARED)
		return;
	if (is_part(event->name) || index >= account->plain_count)
		account->wants_folder_list = true;
	else
		directory_appeared(account, account->plain_paths[index], event);
}

static bool take_event(struct account *account, const struct watch_event *event,
	struct error *error)
{
	struct account_folder *folder;

	if (event->kind == WATCH_LOST) {
		lost(account);
		return true;
	}
	if (event->cookie >= COOKIE_PLAIN) {
		plain_event(account, event);
		return true;
	}
	folder = account_folder(account, (uint32_t)(event->cookie / 4));
	if (folder == NULL)
		return true;
	if (event->kind == WATCH_SELF_GONE) {
		local_unwatch_folder(account, folder);
		folder->needs_scan = true;
		account->wants_folder_list = true;
		maildir_forget_descriptors(account->maildir);
		return true;
	}
	if (event->cookie % 4 == MAILDIR_FOLDER) {
		directory_event(account, folder, event);
		return true;
	}
	/* A stale folder is scanned as a whole anyway. */
	if (folder->needs_scan)
		return true;
	return file_event(account, folder, event, error);
}

bool local_drain(struct account *account, struct error *error)
{
	struct watch_event event;
	uint64_t end;
	bool is_done = true;

	account->drained_at_ms = (int64_t)clock_now_ms();
	if (account->watch == NULL)
		return true;
	/* In a storm of renames the queue is never empty. */
	end = watch_position(account->watch);
	if (!watch_peek(account->watch, 0, &event))
		return true;
	if (!state_begin(account->state, error))
		return false;
	while (is_done && watch_peek(account->watch, 0, &event) &&
		event.sequence < end && watch_next(account->watch, &event))
		is_done = take_event(account, &event, error);
	account_keywords_put(account);
	is_done = is_done && local_make_durable(account, error);
	if (is_done && state_commit(account->state, error))
		return true;
	/* Events are gone with the transaction: the scan finds them again. */
	state_abort(account->state);
	lost(account);
	return !is_done && error->code != ERROR_CORRUPT;
}
