#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/pass.h"
#include "syncd/worker/worker_internal.h"

#define COPY_SIZE 65536

static void add_line(json_t *lines, const char *format, ...) PRINTF_LIKE(2, 3);

static void add_line(json_t *lines, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_make_printable(text);
	(void)json_array_append_new(lines, json_string(text));
}

/* No names: all mailboxes. */
static bool is_named(const json_t *mailboxes, const char *path)
{
	size_t i;
	const json_t *name;

	if (json_array_size(mailboxes) == 0)
		return true;
	json_array_foreach(mailboxes, i, name)
		if (json_is_string(name) &&
			strcmp(json_string_value(name), path) == 0)
			return true;
	return false;
}

/* ---- held ---- */

static const struct account_folder *folder_of(
	const struct account *account, const struct pair *pair)
{
	return account_folder(account,
		pair->local.presence == PRESENCE_PRESENT
			? pair->local.folder_id
			: pair->remote.folder_id);
}

static void list_pair(const struct account *account, const struct pair *pair,
	const json_t *mailboxes, json_t *lines)
{
	const struct account_folder *folder = folder_of(account, pair);
	const char *path = folder == NULL ? "?" : folder->record.path;

	if (pair->hold == HOLD_NONE || !is_named(mailboxes, path))
		return;
	add_line(lines, "%s/%s: UID %u, file %s: %s", account->config->name,
		path, pair->remote.uid,
		pair->local.name == NULL ? "-" : pair->local.name,
		pair->reason == NULL ? "held" : pair->reason);
}

static void list_held(
	struct account *account, const json_t *mailboxes, json_t *lines)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		list_pair(account, &pair, mailboxes, lines);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	for (size_t i = 0; i < account->skipped_count; i++)
		add_line(lines, "%s/%s: %s", account->config->name,
			account->skipped[i].name, account->skipped[i].reason);
}

static int held(struct account *account, const json_t *mailboxes, json_t *lines)
{
	list_held(account, mailboxes, lines);
	return json_array_size(lines) > 0 ? EXIT_LEFT_OVER : EXIT_IN_SYNC;
}

static const char *failure_of(const struct account_folder *folder)
{
	if (folder->has_failed && folder->record.error != NULL)
		return folder->record.error;
	if (folder->is_doubtful)
		return "the server does not tell of all its messages";
	return NULL;
}

void worker_list_left(struct account *account, json_t *lines)
{
	list_held(account, NULL, lines);
	for (size_t i = 0; i < account->folder_count; i++) {
		const struct account_folder *folder = account->folders[i];
		const char *failure = failure_of(folder);

		if (failure != NULL)
			add_line(lines, "%s/%s: %s", account->config->name,
				folder->record.path, failure);
	}
	if (!account->remote_is_complete)
		add_line(lines,
			"%s: mailboxes on the server change all the time: not "
			"all was seen, nothing missing there was removed here",
			account->config->name);
	if (!account->local_is_complete)
		add_line(lines,
			"%s: files in the Maildir change all the time: not "
			"all was seen, nothing missing here was removed there",
			account->config->name);
}

/* ---- A word about what is held ---- */

/* Held pairs of these mailboxes go through `settle`; how many is added to
   `*count`. */
static bool settle_held(struct account *account, const json_t *mailboxes,
	bool (*settle)(struct account *account, struct pair *pair),
	size_t *count, struct error *error)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	if (!state_begin(account->state, error))
		return false;
	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		const struct account_folder *folder = folder_of(account, &pair);

		if (folder != NULL &&
			is_named(mailboxes, folder->record.path) &&
			settle(account, &pair))
			*count += 1;
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return state_commit(account->state, error);
}

/* ---- approve ---- */

/* What was not found when the server renumbered its messages, or was put back
   to an older state, was deleted there. */
static bool let_go(struct account *account, struct pair *pair)
{
	if (pair->hold != HOLD_EPOCH)
		return false;
	pair->hold = HOLD_NONE;
	pair->reason = NULL;
	pair->remote.presence = PRESENCE_ABSENT;
	pair->remote.absent_since = clock_now_ms();
	state_pair_put(account->state, pair);
	return true;
}

static bool release(
	struct worker *worker, const json_t *mailboxes, size_t *count_out)
{
	struct account *account = worker->account;
	size_t lost_count = 0;

	*count_out = 0;
	if (!settle_held(
		    account, mailboxes, let_go, &lost_count, &worker->error))
		return false;
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (!is_named(mailboxes, folder->record.path))
			continue;
		folder->record.is_approved = true;
		if (!account_folder_save(account, folder, &worker->error))
			return false;
		*count_out += 1;
	}
	return true;
}

static int approve(
	struct worker *worker, const json_t *mailboxes, json_t *lines)
{
	struct account *account = worker->account;
	struct error error = { 0 };
	size_t count;

	/* The whole Maildir may be what waits for a word. */
	if (!local_check_root(account, &error) &&
		(error.code != ERROR_CONFIG ||
			!local_approve_root(account, &worker->error)))
		return worker_exit_code(&error);
	if (!release(worker, mailboxes, &count))
		return worker_exit_code(&worker->error);
	if (count == 0) {
		add_line(lines, "%s: no such mailbox", account->config->name);
		return EXIT_LEFT_OVER;
	}
	add_line(lines, "%s: held deletions of %zu mailboxes may go",
		account->config->name, count);
	worker->is_woken = true;
	return EXIT_IN_SYNC;
}

/* ---- undo ---- */

/* A held deletion that is not wanted: the message is as if it had never been
   on the side that lost it, and comes back from the other. */
static bool keep(struct account *account, struct pair *pair)
{
	if (pair->hold != HOLD_GUARD && pair->hold != HOLD_EPOCH)
		return false;
	pair->synced.is_set = false;
	pair->hold = HOLD_NONE;
	pair->reason = NULL;
	if (pair->local.presence == PRESENCE_ABSENT) {
		pair->local.presence = PRESENCE_NEVER;
		pair->local.name = NULL;
		pair->local.inode = 0;
	} else {
		pair->remote.presence = PRESENCE_NEVER;
		pair->remote.uid = 0;
	}
	state_pair_put(account->state, pair);
	return true;
}

/* Those of the named mailboxes, in the place of all. */
static size_t choose(
	struct maildir_retained *files, size_t count, const json_t *mailboxes)
{
	size_t chosen = 0;

	for (size_t i = 0; i < count; i++)
		if (is_named(mailboxes, files[i].path))
			files[chosen++] = files[i];
	return chosen;
}

static bool bring_back(struct account *account,
	const struct maildir_retained *file, json_t *lines)
{
	struct error error = { 0 };
	struct buf name = { 0 };
	bool is_back = maildir_retention_restore(account->maildir, file, &name,
			       &error) == MAILDIR_DONE;

	if (!is_back)
		add_line(lines, "%s/%s: cannot bring back %s: %s",
			account->config->name, file->path, file->name,
			error.message[0] == '\0' ? "its folder is gone"
						 : error.message);
	buf_finish(&name);
	return is_back;
}

/* False: some could not be brought back, as the lines say. */
static bool bring_all_back(struct account *account,
	struct maildir_retained *files, size_t count, json_t *lines,
	size_t *restored_count)
{
	size_t there_count = 0, failed_count = 0;
	struct arena arena;
	const bool *is_there;

	arena_init(&arena);
	is_there = worker_find_returned(account, files, count, &arena);
	for (size_t i = 0; i < count; i++)
		if (is_there[i])
			there_count++;
		else if (bring_back(account, &files[i], lines))
			*restored_count += 1;
		else
			failed_count++;
	if (there_count > 0)
		add_line(lines, "%s: %zu removed messages are there again",
			account->config->name, there_count);
	arena_finish(&arena);
	return failed_count == 0;
}

static int undo(struct worker *worker, const json_t *mailboxes, json_t *lines)
{
	struct account *account = worker->account;
	struct maildir_retained *files;
	struct error error = { 0 };
	struct arena arena;
	size_t count, restored_count = 0;
	int code = EXIT_IN_SYNC;

	arena_init(&arena);
	if (!maildir_retention_list(
		    account->maildir, &arena, &files, &count, &error)) {
		add_line(lines, "%s: %s", account->config->name, error.message);
		code = worker_exit_code(&error);
	} else if (!bring_all_back(account, files,
			   choose(files, count, mailboxes), lines,
			   &restored_count)) {
		code = EXIT_LEFT_OVER;
	}
	if (!settle_held(account, mailboxes, keep, &restored_count, &error)) {
		add_line(lines, "%s: %s", account->config->name, error.message);
		code = worker_exit_code(&error);
	}
	add_line(lines, "%s: %zu messages brought back", account->config->name,
		restored_count);
	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->needs_scan = true;
	worker->is_woken = true;
	arena_finish(&arena);
	return code;
}

int worker_command(struct worker *worker, const char *name,
	const json_t *mailboxes, json_t *lines)
{
	if (strcmp(name, "held") == 0)
		return held(worker->account, mailboxes, lines);
	if (strcmp(name, "approve") == 0)
		return approve(worker, mailboxes, lines);
	if (strcmp(name, "undo") == 0)
		return undo(worker, mailboxes, lines);
	add_line(lines, "unknown command '%s'", name);
	return EXIT_INTERNAL;
}

/* ---- check ---- */

static void describe(
	struct worker *worker, struct remote *remote, size_t mailbox_count)
{
	const struct remote_abilities *can = remote_abilities(remote);

	worker_line(worker, "%s: logged in to %s", worker->account_config->name,
		worker->account_config->host == NULL
			? "the tunnel"
			: worker->account_config->host);
	worker_line(worker, "  tls: %s", remote_tls_name(remote));
	worker_line(worker, "  offers: %s", remote_capabilities(remote));
	worker_line(worker, "  changes by: %s",
		can->has_qresync             ? "QRESYNC"
			: can->has_condstore ? "CONDSTORE"
					     : "full listings of flags");
	worker_line(worker, "  moves by: %s",
		can->has_move ? "MOVE" : "COPY and deletion");
	worker_line(worker, "  deletes by: %s",
		can->has_uidplus ? "UID EXPUNGE"
				 : "\\Deleted only (no UIDPLUS)");
	worker_line(worker, "  watches by: %s",
		can->has_idle && worker->account_config->idle ? "IDLE"
							      : "polling");
	worker_line(worker, "  mailboxes: %zu", mailbox_count);
}

int worker_check(struct worker *worker)
{
	struct keyword_table keywords;
	uint8_t key[HASH_KEY_SIZE] = { 0 };
	struct remote_options options = {
		.account = worker->account_config,
		.loop = worker->loop,
		.keywords = &keywords,
		.hash_key = key,
		.get_secret = worker->report.get_secret,
		.data = worker,
	};
	struct remote_mailbox *mailboxes;
	struct remote *remote;
	struct arena arena;
	size_t count;
	bool is_done;

	worker_confine(worker, NULL, NULL);
	keyword_table_init(&keywords);
	arena_init(&arena);
	remote = remote_open(&options, &worker->error);
	is_done = remote != NULL &&
		remote_list(remote, &arena, &mailboxes, &count, &worker->error);
	if (is_done) {
		describe(worker, remote, count);
		remote_logout(remote);
	}
	remote_close(remote);
	arena_finish(&arena);
	keyword_table_finish(&keywords);
	return is_done ? EXIT_IN_SYNC : worker_exit_code(&worker->error);
}

/* ---- dry-run ---- */

static bool copy_bytes(int from, int to)
{
	uint8_t *data = alloc(COPY_SIZE, 1);
	ssize_t size;
	bool is_copied = true;

	while (is_copied && (size = read(from, data, COPY_SIZE)) > 0)
		is_copied = write(to, data, (size_t)size) == size;
	free(data);
	return is_copied && size == 0;
}

/* What is observed is written down; here into a copy that is thrown away. */
static bool copy_state(const char *from_directory, const char *to_directory,
	struct error *error)
{
	char *lock_path = alloc_format("%s/lock", from_directory);
	char *from_path = alloc_format("%s/state.mdb", from_directory);
	char *to_path = alloc_format("%s/state.mdb", to_directory);
	int lock = open(lock_path, O_RDWR | O_CLOEXEC);
	int from = open(from_path, O_RDONLY | O_CLOEXEC);
	int to = -1;
	bool is_copied = true;

	if (lock != -1 && flock(lock, LOCK_EX | LOCK_NB) == -1) {
		is_copied = error_set(error, ERROR_STOPPED,
			"the account is being synced by another mailtwin");
	} else if (from != -1) {
		to = open(
			to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (to == -1 || !copy_bytes(from, to))
			is_copied = error_set_errno(
				error, "cannot copy '%s'", from_path);
	}
	if (to != -1)
		close(to);
	if (from != -1)
		close(from);
	if (lock != -1)
		close(lock);
	free(lock_path);
	free(from_path);
	free(to_path);
	return is_copied;
}

static void remove_files(const char *directory)
{
	static const char *const names[] = { "state.mdb", "state.mdb-lock",
		"lock", "maildir/INBOX/cur", "maildir/INBOX/new",
		"maildir/INBOX/tmp", "maildir/INBOX", "maildir/cur",
		"maildir/new", "maildir/tmp", "maildir", "" };

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		char *path = alloc_format("%s/%s", directory, names[i]);

		if (unlink(path) == -1)
			(void)rmdir(path);
		free(path);
	}
}

static int plan_only(
	struct worker *worker, const char *root, const char *directory)
{
	struct config config = *worker->config;
	struct config_account copy = *worker->account_config;
	char *maildir = alloc_format("%s/maildir", directory);
	bool is_watched;
	int code;

	config.state_dir = root;
	if (access(copy.maildir, F_OK) == -1 && errno == ENOENT)
		copy.maildir = maildir;
	copy.retention_s = 0;
	worker->account = account_open(
		&config, &copy, &worker->report, worker->loop, &worker->error);
	if (worker->account != NULL) {
		worker->account->is_dry_run = true;
		worker->account->wants_sweep = true;
	}
	/* Without a watch only what has been quiet for long is certain. */
	is_watched = worker->account != NULL &&
		local_watch(worker->account, &worker->error);
	if (is_watched)
		worker_confine(worker, directory, "/tmp");
	if (is_watched && pass_run_to_end(worker->account, &worker->error))
		code = worker_pass_code(worker->account);
	else
		code = worker_exit_code(&worker->error);
	account_close(worker->account);
	worker->account = NULL;
	free(maildir);
	return code;
}

int worker_dry_run(struct worker *worker)
{
	const char *name = worker->account_config->name;
	char root[] = "/tmp/mailtwin-XXXXXX";
	char *from, *directory;
	int code;

	if (mkdtemp(root) == NULL) {
		error_set_errno(&worker->error, "cannot create '%s'", root);
		return EXIT_CANNOT_CREATE;
	}
	from = alloc_format("%s/%s", worker->config->state_dir, name);
	directory = alloc_format("%s/%s", root, name);
	if (mkdir(directory, 0700) == 0 &&
		copy_state(from, directory, &worker->error))
		code = plan_only(worker, root, directory);
	else
		code = worker_exit_code(&worker->error);
	remove_files(directory);
	(void)rmdir(root);
	free(directory);
	free(from);
	return code;
}
