#include "syncd/worker/mailboxes.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "config/pattern.h"
#include "store/folder_path.h"
#include "syncd/reconciler/folders.h"
#include "syncd/reconciler/guard.h"
#include "syncd/reconciler/merge.h"
#include "syncd/worker/local.h"
#include "syncd/worker/observe.h"

/* One round: both listings in the arena, beside what is on record. */
struct round {
	struct account *account;
	struct arena arena;
	struct remote_mailbox *mailboxes;
	const char **mailbox_paths; /* canonical; NULL = not synced */
	size_t mailbox_count;
	struct folder_remote *remote;
	size_t remote_count;
	struct folder_local *local;
	size_t local_count;
	char delimiter; /* of the personal namespace, as listed */
	size_t known_listed_count, known_count;
	bool has_inbox;
	bool has_changed;
};

/* ---- Listing ---- */

static void skip(struct round *round, const char *name, const char *reason)
{
	account_skip(round->account, name, reason);
}

/* Gmail shows one message in several views; the folders have them all. */
static bool is_view(
	const struct account *account, const struct remote_mailbox *mailbox)
{
	return remote_abilities(account->remote)->is_gmail &&
		mailbox->special_use != NULL &&
		(text_equal_nocase(mailbox->special_use, "\\All") ||
			text_equal_nocase(mailbox->special_use, "\\Flagged") ||
			text_equal_nocase(mailbox->special_use, "\\Important"));
}

static bool is_wanted(
	const struct account *account, const char *name, char delimiter)
{
	return pattern_list_matches(
		&account->config->mailboxes, name, delimiter);
}

static const char *mailbox_path(
	struct round *round, const struct remote_mailbox *mailbox)
{
	struct error error = { 0 };
	struct buf path = { 0 };
	const char *text = NULL;

	if (!is_wanted(round->account, mailbox->name, mailbox->delimiter))
		return NULL;
	if (is_view(round->account, mailbox)) {
		skip(round, mailbox->name,
			"a view of messages that are in other mailboxes");
		return NULL;
	}
	if (folder_path_from_mailbox(
		    mailbox->name, mailbox->delimiter, &path, &error))
		text = arena_text(&round->arena, buf_text(&path));
	else
		skip(round, mailbox->name, error.message);
	buf_finish(&path);
	return text;
}

static bool list_remote(struct round *round, struct error *error)
{
	if (!remote_list(round->account->remote, &round->arena,
		    &round->mailboxes, &round->mailbox_count, error))
		return false;
	round->mailbox_paths = arena_alloc(&round->arena,
		round->mailbox_count + 1, sizeof(*round->mailbox_paths));
	round->remote = arena_alloc(&round->arena, round->mailbox_count + 1,
		sizeof(*round->remote));
	for (size_t i = 0; i < round->mailbox_count; i++) {
		const struct remote_mailbox *mailbox = &round->mailboxes[i];
		const char *path = mailbox_path(round, mailbox);

		if (mailbox->delimiter != 0)
			round->delimiter = mailbox->delimiter;
		round->mailbox_paths[i] = path;
		if (path == NULL)
			continue;
		round->has_inbox |= strcmp(path, FOLDER_INBOX) == 0;
		round->remote[round->remote_count++] = (struct folder_remote){
			.path = path,
			.mailbox_id = mailbox->mailbox_id,
			.uid_validity = mailbox->uid_validity,
			.is_selectable = mailbox->is_selectable,
		};
	}
	/* INBOX may be left out by the patterns, never by the server. */
	for (size_t i = 0; i < round->mailbox_count; i++)
		round->has_inbox |= text_equal_nocase(
			round->mailboxes[i].name, FOLDER_INBOX);
	return true;
}

static bool is_local_wanted(
	struct round *round, const struct maildir_folder *folder)
{
	struct buf name = { 0 };
	struct error error = { 0 };
	bool is_ok = false;

	if (folder->path == NULL)
		skip(round, folder->directory, folder->problem);
	else if (!folder_path_to_mailbox(folder->path,
			 round->delimiter == 0 ? '/' : round->delimiter, &name,
			 &error))
		skip(round, folder->path, error.message);
	else
		is_ok = is_wanted(round->account, buf_text(&name),
			round->delimiter == 0 ? '/' : round->delimiter);
	buf_finish(&name);
	return is_ok;
}

/* One pass over a directory others rename in may miss an entry: what is known
   and was not listed is looked for by name. */
static bool add_overlooked(struct round *round, struct error *error)
{
	struct account *account = round->account;

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		struct maildir_folder_stat stat;
		enum maildir_result result;

		if (folder->is_on_disk || !folder->record.has_local)
			continue;
		result = maildir_folder_stat(account->maildir,
			folder->record.path, &stat, error);
		if (result == MAILDIR_ERROR)
			return false;
		if (result != MAILDIR_DONE)
			continue;
		folder->is_on_disk = true;
		round->local[round->local_count++] = (struct folder_local){
			.path = folder->record.path,
			.device = stat.device,
			.inode = stat.inode,
		};
	}
	return true;
}

static bool list_local(struct round *round, struct error *error)
{
	struct account *account = round->account;
	struct maildir_folder *folders;
	size_t count;

	if (!maildir_list_folders(
		    account->maildir, &round->arena, &folders, &count, error))
		return false;
	round->local = arena_alloc(&round->arena,
		count + account->folder_count + 1, sizeof(*round->local));
	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->is_on_disk = false;
	for (size_t i = 0; i < count; i++) {
		struct account_folder *folder;

		if (!is_local_wanted(round, &folders[i]))
			continue;
		folder = account_folder_by_path(account, folders[i].path);
		if (folder != NULL)
			folder->is_on_disk = true;
		round->local[round->local_count++] = (struct folder_local){
			.path = folders[i].path,
			.device = folders[i].device,
			.inode = folders[i].inode,
		};
	}
	account->wants_folder_list = false;
	return add_overlooked(round, error);
}

static void note_status(
	struct account_folder *folder, const struct remote_mailbox *mailbox)
{
	struct folder *record = &folder->record;

	if (record->mailbox == NULL ||
		strcmp(record->mailbox, mailbox->wire_name) != 0)
		record->mailbox =
			account_folder_text(folder, mailbox->wire_name);
	if (mailbox->special_use != NULL &&
		(record->special_use == NULL ||
			strcmp(record->special_use, mailbox->special_use) != 0))
		record->special_use =
			account_folder_text(folder, mailbox->special_use);
	record->is_discard = mailbox->special_use != NULL &&
		(text_equal_nocase(mailbox->special_use, "\\Trash") ||
			text_equal_nocase(mailbox->special_use, "\\Junk"));
	record->delimiter = mailbox->delimiter;
	record->is_selectable = mailbox->is_selectable;
	folder->is_listed = true;
	folder->has_status = mailbox->has_status;
	folder->status_uid_validity = mailbox->uid_validity;
	folder->status_uid_next = mailbox->uid_next;
	folder->status_count = mailbox->message_count;
	folder->status_unseen = mailbox->unseen_count;
	folder->status_modseq = mailbox->highest_modseq;
	if (mailbox->mailbox_id != NULL && record->mailbox_id == NULL)
		record->mailbox_id =
			account_folder_text(folder, mailbox->mailbox_id);
}

static void note_listing(struct round *round)
{
	struct account *account = round->account;

	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->is_listed = false;
	for (size_t i = 0; i < round->mailbox_count; i++) {
		struct account_folder *folder = NULL;

		if (round->mailbox_paths[i] != NULL)
			folder = account_folder_by_path(
				account, round->mailbox_paths[i]);
		if (folder != NULL && folder->record.has_remote)
			note_status(folder, &round->mailboxes[i]);
	}
	for (size_t i = 0; i < account->folder_count; i++) {
		if (!account->folders[i]->record.has_remote)
			continue;
		round->known_count++;
		round->known_listed_count += account->folders[i]->is_listed;
	}
}

/* ---- What a folder that is gone on one side would lose on the other ---- */

static bool is_local_removable(
	struct account *account, const struct account_folder *folder)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	bool is_removable = !folder->needs_scan;

	arena_init(&arena);
	while (is_removable &&
		state_next_by_unique(account->state, folder->record.folder_id,
			&cursor, &arena, &pair)) {
		if (pair.local.presence == PRESENCE_PRESENT)
			is_removable = pair.synced.is_set &&
				!merge_is_protecting(
					&pair.synced.flags, &pair.local.flags);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_removable;
}

static bool is_remote_removable(
	struct account *account, const struct account_folder *folder)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	bool is_removable = !folder->needs_observe;

	arena_init(&arena);
	while (is_removable &&
		state_next_by_uid(account->state, folder->record.folder_id,
			&cursor, &arena, &pair)) {
		is_removable = pair.synced.is_set &&
			pair.remote.presence == PRESENCE_PRESENT &&
			!merge_is_protecting(
				&pair.synced.flags, &pair.remote.flags);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_removable;
}

static struct folder_record *records(struct round *round)
{
	struct account *account = round->account;
	struct folder_record *records = arena_alloc(
		&round->arena, account->folder_count + 1, sizeof(*records));

	for (size_t i = 0; i < account->folder_count; i++) {
		const struct account_folder *folder = account->folders[i];
		const struct folder *record = &folder->record;

		records[i] = (struct folder_record){
			.folder_id = record->folder_id,
			.path = record->path,
			.mailbox_id = record->mailbox_id,
			.uid_validity = record->uid_validity,
			.device = record->device,
			.inode = record->inode,
			/* Still on its way out: gone there, not forgotten. */
			.had_remote = record->has_remote ||
				record->state == FOLDER_EMPTYING_LOCAL,
			.had_local = record->has_local ||
				record->state == FOLDER_EMPTYING_REMOTE,
			.is_held = record->state == FOLDER_HELD,
		};
		if (records[i].had_remote && !folder->is_listed)
			records[i].is_removable_local =
				is_local_removable(account, folder);
		if (records[i].had_local && !folder->is_on_disk)
			records[i].is_removable_remote =
				is_remote_removable(account, folder);
	}
	return records;
}

/* ---- Carrying out ---- */

static void journal(struct account *account, enum journal_side side,
	const char *change, uint32_t folder_id, const char *detail)
{
	(void)state_journal_append(account->state,
		&(struct journal_entry){
			.time = account_now(),
			.side = side,
			.change = change,
			.folder_id = folder_id,
			.detail = detail,
			.outcome = "done",
		});
}

static const struct remote_mailbox *find_mailbox(
	const struct round *round, const char *path)
{
	for (size_t i = 0; i < round->mailbox_count; i++)
		if (round->mailbox_paths[i] != NULL &&
			strcmp(round->mailbox_paths[i], path) == 0)
			return &round->mailboxes[i];
	return NULL;
}

static struct account_folder *folder_for(
	struct round *round, const struct folder_operation *operation)
{
	struct account_folder *folder = NULL;

	if (operation->folder_id != 0)
		folder = account_folder(round->account, operation->folder_id);
	if (folder == NULL)
		folder =
			account_folder_by_path(round->account, operation->path);
	if (folder == NULL)
		folder = account_folder_add(round->account, operation->path);
	return folder;
}

static void set_remote(struct round *round, struct account_folder *folder,
	const struct remote_mailbox *mailbox)
{
	folder->record.has_remote = true;
	folder->needs_observe = true;
	if (folder->record.state == FOLDER_EMPTYING_LOCAL)
		folder->record.state = FOLDER_NORMAL;
	if (mailbox != NULL)
		note_status(folder, mailbox);
	(void)round;
}

static void set_local(struct round *round, struct account_folder *folder)
{
	folder->record.has_local = true;
	folder->is_on_disk = true;
	folder->needs_scan = true;
	if (folder->record.state == FOLDER_EMPTYING_REMOTE)
		folder->record.state = FOLDER_NORMAL;
	for (size_t i = 0; i < round->local_count; i++) {
		if (strcmp(round->local[i].path, folder->record.path) != 0)
			continue;
		/* Another directory than the one scanned was restored or
		   copied: the scan must see that. */
		if (folder->record.scan_count > 0)
			continue;
		folder->record.device = round->local[i].device;
		folder->record.inode = round->local[i].inode;
	}
}

static void note_new_directory(
	struct account *account, struct account_folder *folder)
{
	struct maildir_folder_stat stat;
	struct error error = { 0 };

	if (maildir_folder_stat(account->maildir, folder->record.path, &stat,
		    &error) != MAILDIR_DONE)
		return;
	folder->record.device = stat.device;
	folder->record.inode = stat.inode;
	local_watch_folder(account, folder);
}

static bool create_local(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder = folder_for(round, operation);
	const struct remote_mailbox *mailbox =
		find_mailbox(round, operation->path);

	switch (maildir_create_folder(
		account->maildir, operation->path, error)) {
	case MAILDIR_DONE:
	case MAILDIR_EXISTS:
		break;
	case MAILDIR_MISSING:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	set_local(round, folder);
	note_new_directory(account, folder);
	if (mailbox != NULL)
		set_remote(round, folder, mailbox);
	if (!state_begin(account->state, error))
		return false;
	journal(account, JOURNAL_REMOTE, "folder-made",
		folder->record.folder_id, operation->path);
	account_folder_put(account, folder);
	round->has_changed = true;
	return state_commit(account->state, error);
}

static char remote_delimiter(const struct round *round)
{
	return round->delimiter == 0 ? '/' : round->delimiter;
}

static bool create_remote(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder;
	struct buf name = { 0 };
	const char *wire_name;
	bool is_done;

	is_done = folder_path_to_mailbox(operation->path,
			  remote_delimiter(round), &name, error) &&
		remote_create(account->remote, buf_text(&name), &round->arena,
			&wire_name, error);
	buf_finish(&name);
	if (!is_done)
		return false;
	folder = folder_for(round, operation);
	folder->record.mailbox = account_folder_text(folder, wire_name);
	folder->record.delimiter = remote_delimiter(round);
	/* A new mailbox has nothing of the old one's numbering. */
	folder->record.uid_validity = 0;
	folder->record.highest_modseq = 0;
	folder->record.mailbox_id = NULL;
	uid_set_clear(&folder->record.frontier);
	set_remote(round, folder, NULL);
	set_local(round, folder);
	if (!state_begin(account->state, error))
		return false;
	journal(account, JOURNAL_LOCAL, "folder-made", folder->record.folder_id,
		operation->path);
	account_folder_put(account, folder);
	round->has_changed = true;
	return state_commit(account->state, error);
}

static bool adopt(struct round *round, const struct folder_operation *operation,
	struct error *error)
{
	struct account_folder *folder = folder_for(round, operation);

	folder->record.mailbox_id = NULL;
	set_local(round, folder);
	set_remote(round, folder, find_mailbox(round, operation->path));
	return account_folder_save(round->account, folder, error);
}

/* The folder and everything below it has a new path. */
static void repath(
	struct account *account, const char *path, const char *new_path)
{
	size_t size = strlen(path);

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		const char *old = folder->record.path;
		char *renamed;

		if (strncmp(old, path, size) != 0 ||
			(old[size] != '\0' && old[size] != '/'))
			continue;
		renamed = alloc_format("%s%s", new_path, old + size);
		folder->record.path = account_folder_text(folder, renamed);
		free(renamed);
		local_unwatch_folder(account, folder);
		folder->needs_scan = true;
		state_folder_put(account->state, &folder->record);
	}
}

static bool commit_rename(struct round *round, enum journal_side side,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;

	round->has_changed = true;
	maildir_forget_descriptors(account->maildir);
	if (!state_begin(account->state, error))
		return false;
	journal(account, side, "folder-renamed", operation->folder_id,
		operation->new_path);
	repath(account, operation->path, operation->new_path);
	return state_commit(account->state, error);
}

static bool rename_local(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	switch (maildir_rename_folder(round->account->maildir, operation->path,
		operation->new_path, error)) {
	case MAILDIR_DONE:
	case MAILDIR_MISSING:
		break;
	case MAILDIR_EXISTS:
		return error_set(error, ERROR_REFUSED,
			"cannot rename '%s' to '%s': it exists",
			operation->path, operation->new_path);
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	return commit_rename(round, JOURNAL_REMOTE, operation, error);
}

static bool rename_remote(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);
	struct buf name = { 0 };
	const char *wire_name;
	bool is_done;

	if (folder == NULL || folder->record.mailbox == NULL)
		return true;
	is_done = folder_path_to_mailbox(operation->new_path,
			  remote_delimiter(round), &name, error) &&
		remote_unselect(account->remote, error) &&
		remote_rename(account->remote, folder->record.mailbox,
			buf_text(&name), &round->arena, &wire_name, error);
	buf_finish(&name);
	if (!is_done)
		return false;
	folder->record.mailbox = account_folder_text(folder, wire_name);
	return commit_rename(round, JOURNAL_LOCAL, operation, error);
}

static bool empty_local(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);

	if (folder == NULL || folder->record.state == FOLDER_EMPTYING_LOCAL)
		return true;
	if (!state_begin(account->state, error))
		return false;
	folder->record.has_remote = false;
	folder->record.state = FOLDER_EMPTYING_LOCAL;
	observe_mailbox_gone(account, folder);
	journal(account, JOURNAL_REMOTE, "folder-gone", operation->folder_id,
		operation->path);
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

static bool lose_files(struct account *account, uint32_t folder_id)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_unique(
		account->state, folder_id, &cursor, &arena, &pair)) {
		if (pair.local.presence == PRESENCE_PRESENT)
			local_lose_file(account, &pair);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return true;
}

static bool empty_remote(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);

	if (folder == NULL || folder->record.state == FOLDER_EMPTYING_REMOTE)
		return true;
	if (!state_begin(account->state, error))
		return false;
	folder->record.has_local = false;
	folder->record.state = FOLDER_EMPTYING_REMOTE;
	(void)lose_files(account, operation->folder_id);
	local_unwatch_folder(account, folder);
	journal(account, JOURNAL_LOCAL, "folder-gone", operation->folder_id,
		operation->path);
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

static bool forget(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);
	bool is_empty;

	if (folder == NULL)
		return true;
	if (!state_begin(account->state, error))
		return false;
	observe_mailbox_gone(account, folder);
	(void)lose_files(account, operation->folder_id);
	is_empty = state_folder_remote_count(
			   account->state, operation->folder_id) == 0 &&
		state_folder_local_count(
			account->state, operation->folder_id) == 0;
	folder->record.has_local = false;
	folder->record.has_remote = false;
	if (is_empty)
		state_folder_delete(account->state, operation->folder_id);
	else
		account_folder_put(account, folder);
	local_unwatch_folder(account, folder);
	if (is_empty)
		account_folder_remove(account, operation->folder_id);
	return state_commit(account->state, error);
}

static bool hold(struct round *round, const struct folder_operation *operation)
{
	skip(round, operation->path, operation->reason);
	return true;
}

static bool carry_out(struct round *round,
	const struct folder_operation *operation, struct error *error)
{
	switch (operation->kind) {
	case FOLDER_ADOPT:
		return adopt(round, operation, error);
	case FOLDER_CREATE_LOCAL:
		return create_local(round, operation, error);
	case FOLDER_CREATE_REMOTE:
		return create_remote(round, operation, error);
	case FOLDER_RENAME_LOCAL:
		return rename_local(round, operation, error);
	case FOLDER_RENAME_REMOTE:
		return rename_remote(round, operation, error);
	case FOLDER_EMPTY_LOCAL:
		return empty_local(round, operation, error);
	case FOLDER_EMPTY_REMOTE:
		return empty_remote(round, operation, error);
	case FOLDER_FORGET:
		return forget(round, operation, error);
	case FOLDER_RECORD_RENAME:
		return commit_rename(round, JOURNAL_REMOTE, operation, error);
	case FOLDER_HOLD:
		return hold(round, operation);
	}
	return true;
}

static bool is_fatal(const struct error *error)
{
	return error->code != ERROR_REFUSED && error->code != ERROR_SYSTEM;
}

static const char *const OPERATION_WORDS[] = {
	[FOLDER_ADOPT] = "pair folder",
	[FOLDER_CREATE_LOCAL] = "create folder here",
	[FOLDER_CREATE_REMOTE] = "create mailbox",
	[FOLDER_RENAME_LOCAL] = "rename folder here",
	[FOLDER_RENAME_REMOTE] = "rename mailbox",
	[FOLDER_EMPTY_LOCAL] = "remove folder here",
	[FOLDER_EMPTY_REMOTE] = "remove mailbox",
	[FOLDER_FORGET] = "forget folder",
	[FOLDER_RECORD_RENAME] = "record renamed folder",
	[FOLDER_HOLD] = "hold folder",
};

static bool carry_out_all(struct round *round, const struct folders_plan *plan,
	struct error *error)
{
	struct account *account = round->account;

	for (size_t i = 0; i < plan->operation_count; i++) {
		const struct folder_operation *operation = &plan->operations[i];
		struct error failure = { 0 };

		if (account->is_dry_run && operation->kind != FOLDER_ADOPT) {
			account_plan_line(account, "%s: %s%s%s",
				OPERATION_WORDS[operation->kind],
				operation->path,
				operation->new_path == NULL ? "" : " -> ",
				operation->new_path == NULL
					? ""
					: operation->new_path);
			continue;
		}
		if (operation->kind != FOLDER_ADOPT)
			account_log(account, ACCOUNT_LOG_DEBUG, "%s: %s",
				OPERATION_WORDS[operation->kind],
				operation->path);
		if (carry_out(round, operation, &failure))
			continue;
		if (is_fatal(&failure)) {
			*error = failure;
			return false;
		}
		skip(round, operation->path, failure.message);
	}
	return true;
}

static bool plan_and_carry_out(struct round *round, struct error *error)
{
	struct account *account = round->account;
	struct folders_input input = {
		.remote = round->remote,
		.remote_count = round->remote_count,
		.local = round->local,
		.local_count = round->local_count,
		.record_count = account->folder_count,
		.remote_is_known = account->has_listing,
		.local_is_known = !account->has_local_loss,
	};
	struct folders_plan plan;

	input.records = records(round);
	plan = folders_plan_make(&round->arena, &input);
	return carry_out_all(round, &plan, error);
}

bool mailboxes_sync(
	struct account *account, bool *changed_out, struct error *error)
{
	struct round round = { .account = account };
	bool is_done;

	account_skip_reset(account);
	arena_init(&round.arena);
	is_done = list_remote(&round, error) && list_local(&round, error);
	if (is_done) {
		note_listing(&round);
		account->has_listing =
			guard_listing_is_plausible(round.has_inbox,
				round.known_listed_count, round.known_count);
		if (!account->has_listing)
			account_log(account, ACCOUNT_LOG_WARNING,
				"the server lists only %zu of %zu known "
				"mailboxes: no folder is removed",
				round.known_listed_count, round.known_count);
		is_done = plan_and_carry_out(&round, error);
	}
	if (is_done)
		*changed_out = round.has_changed;
	arena_finish(&round.arena);
	return is_done;
}

/* ---- The end of emptied folders ---- */

static bool remove_here(struct account *account, struct account_folder *folder,
	struct error *error)
{
	switch (maildir_remove_folder(
		account->maildir, folder->record.path, error)) {
	case MAILDIR_DONE:
	case MAILDIR_MISSING:
		return true;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	return false;
}

static bool remove_there(struct account *account, struct account_folder *folder,
	struct error *error)
{
	return remote_unselect(account->remote, error) &&
		remote_delete_empty(
			account->remote, folder->record.mailbox, error);
}

static bool is_emptied(struct account *account, struct account_folder *folder)
{
	uint32_t folder_id = folder->record.folder_id;

	if (folder->record.state != FOLDER_EMPTYING_LOCAL &&
		folder->record.state != FOLDER_EMPTYING_REMOTE)
		return false;
	return state_folder_remote_count(account->state, folder_id) == 0 &&
		state_folder_local_count(account->state, folder_id) == 0;
}

static bool remove_emptied(struct account *account,
	struct account_folder *folder, struct error *error)
{
	uint32_t folder_id = folder->record.folder_id;
	bool is_local = folder->record.state == FOLDER_EMPTYING_LOCAL;
	struct error failure = { 0 };

	if (!(is_local ? remove_here(account, folder, &failure)
		       : remove_there(account, folder, &failure))) {
		if (!is_fatal(&failure)) {
			account_folder_fail(account, folder, &failure);
			return true;
		}
		*error = failure;
		return false;
	}
	if (!state_begin(account->state, error))
		return false;
	state_folder_delete(account->state, folder_id);
	local_unwatch_folder(account, folder);
	account_folder_remove(account, folder_id);
	account->change_count++;
	return state_commit(account->state, error);
}

/* Deepest first, so that a parent is empty when its turn comes. */
static struct account_folder *next_emptied(struct account *account)
{
	struct account_folder *deepest = NULL;

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (!folder->has_failed && is_emptied(account, folder) &&
			(deepest == NULL ||
				strlen(folder->record.path) >
					strlen(deepest->record.path)))
			deepest = folder;
	}
	return deepest;
}

bool mailboxes_remove_emptied(struct account *account, struct error *error)
{
	struct account_folder *folder;

	if (account->is_dry_run)
		return true;
	while ((folder = next_emptied(account)) != NULL)
		if (!remove_emptied(account, folder, error))
			return false;
	return true;
}
