#include "syncd/worker/mailboxes_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "store/folder_path.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/mailboxes.h"
#include "syncd/worker/observe.h"

/* How long a mailbox must be missing, and refuse its STATUS, to be gone. */
#define MISSING_MS 1000

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
	const struct mailboxes_round *round, const char *path)
{
	for (size_t i = 0; i < round->mailbox_count; i++)
		if (round->mailbox_paths[i] != NULL &&
			strcmp(round->mailbox_paths[i], path) == 0)
			return &round->mailboxes[i];
	return NULL;
}

static struct account_folder *folder_for(
	struct mailboxes_round *round, const struct folder_operation *operation)
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

static void set_remote(struct mailboxes_round *round,
	struct account_folder *folder, const struct remote_mailbox *mailbox)
{
	folder->record.has_remote = true;
	folder->needs_observe = true;
	if (folder->record.state == FOLDER_EMPTYING_LOCAL)
		folder->record.state = FOLDER_NORMAL;
	if (mailbox != NULL)
		mailboxes_note_status(folder, mailbox);
	(void)round;
}

static void set_local(
	struct mailboxes_round *round, struct account_folder *folder)
{
	folder->record.has_local = true;
	folder->is_on_disk = true;
	folder->needs_scan = true;
	folder->has_letters = false; /* of another directory, maybe */
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

/* Made anew after somebody removed it, and all that was in it. Durable before
   mkdir: what a crash leaves behind must neither look like a directory that has
   lost its mail, nor like one that was restored without it. */
static bool forget_directory(struct mailboxes_round *round,
	struct account_folder *folder, struct error *error)
{
	struct account *account = round->account;

	if (!folder->record.has_local && folder->record.inode == 0)
		return true;
	if (!state_begin(account->state, error))
		return false;
	(void)lose_files(account, folder->record.folder_id);
	folder->record.has_local = false;
	folder->record.device = 0;
	folder->record.inode = 0;
	folder->record.scan_count = 0;
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

static bool is_below(const char *path, const char *parent)
{
	size_t size = strlen(parent);

	return strncmp(path, parent, size) == 0 && path[size] == '/';
}

/* One that was gone before is made by us as the parent of another: that it is
   empty then says nothing of a disk. Durable before it is made. */
static bool let_parents_go(
	struct account *account, const char *path, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		struct folder *record = &folder->record;

		if (!is_below(path, record->path) || folder->is_on_disk ||
			!record->has_local || record->inode == 0 ||
			maildir_may_be_unmounted(
				account->maildir, record->path, record->device))
			continue;
		record->device = 0;
		record->inode = 0;
		if (!account_folder_save(account, folder, error))
			return false;
	}
	return true;
}

static bool create_local(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder = folder_for(round, operation);
	const struct remote_mailbox *mailbox =
		find_mailbox(round, operation->path);

	if (!forget_directory(round, folder, error) ||
		!let_parents_go(account, operation->path, error))
		return false;
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

static char remote_delimiter(const struct mailboxes_round *round)
{
	return round->delimiter == 0 ? '/' : round->delimiter;
}

/* A new mailbox has nothing of the old one's numbering; if it was there all the
   time, its messages are found again by content. */
static void forget_numbering(struct account_folder *folder)
{
	folder->record.uid_validity = 0;
	folder->record.uid_next = 0;
	folder->record.highest_modseq = 0;
	folder->record.mailbox_id = NULL;
	uid_set_clear(&folder->record.frontier);
}

/* Durable before CREATE: what a crash leaves behind must not look like a
   mailbox that was renumbered. */
static bool begin_anew(struct mailboxes_round *round,
	struct account_folder *folder, struct error *error)
{
	folder->is_made_anew = true;
	forget_numbering(folder);
	return account_folder_save(round->account, folder, error);
}

/* Missing in a listing, and there all the same: some leave out what they cannot
   reach for the moment. False with ERROR_REFUSED: it is gone. */
static bool is_there(struct mailboxes_round *round,
	const struct account_folder *folder, struct error *error)
{
	struct remote_mailbox mailbox;

	if (folder->record.mailbox == NULL)
		return error_set(error, ERROR_REFUSED, "it has no name there");
	if (!remote_status(round->account->remote, folder->record.mailbox,
		    &round->arena, &mailbox, error))
		return false;
	if (mailboxes_is_of_another(round->account, folder, mailbox.mailbox_id))
		return error_set(error, ERROR_REFUSED,
			"another mailbox was given its name");
	return true;
}

/* Left out of the listing: neither gone nor to be made. */
static void fail_unlisted(
	struct account *account, struct account_folder *folder)
{
	struct error failure = { 0 };

	error_set(&failure, ERROR_REFUSED,
		"the server has the mailbox and does not list it");
	account_folder_fail(account, folder, &failure);
}

static bool create_remote(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder = folder_for(round, operation);
	struct buf name = { 0 };
	struct error failure = { 0 };
	const char *wire_name;
	bool is_done;

	if (folder->record.has_remote && is_there(round, folder, &failure)) {
		fail_unlisted(account, folder);
		return true;
	}
	if (failure.code != ERROR_NONE && failure.code != ERROR_REFUSED) {
		*error = failure;
		return false;
	}
	is_done = folder_path_to_mailbox(operation->path,
			  remote_delimiter(round), &name, error) &&
		begin_anew(round, folder, error) &&
		remote_create(account->remote, buf_text(&name), &round->arena,
			&wire_name, error);
	buf_finish(&name);
	if (!is_done)
		return false;
	folder->record.mailbox = account_folder_text(folder, wire_name);
	folder->record.delimiter = remote_delimiter(round);
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

/* The folder that had the mailbox before has none. */
static bool disown_others(struct account *account,
	const struct account_folder *owner, struct error *error)
{
	const char *mailbox_id = owner->record.mailbox_id;

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (folder == owner || folder->record.mailbox_id == NULL ||
			mailbox_id == NULL ||
			strcmp(folder->record.mailbox_id, mailbox_id) != 0)
			continue;
		forget_numbering(folder);
		folder->is_listed = false;
		if (!account_folder_save(account, folder, error))
			return false;
	}
	return true;
}

static bool adopt(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account_folder *folder = folder_for(round, operation);

	/* There again, before all that it held was gone here: what it has now
	   is new. */
	if (folder->record.state == FOLDER_EMPTYING_LOCAL)
		forget_numbering(folder);
	folder->record.mailbox_id = NULL;
	set_local(round, folder);
	set_remote(round, folder, find_mailbox(round, operation->path));
	return disown_others(round->account, folder, error) &&
		account_folder_save(round->account, folder, error);
}

static void repath_one(struct account *account, struct account_folder *folder,
	const char *new_path)
{
	folder->record.path = account_folder_text(folder, new_path);
	local_unwatch_folder(account, folder);
	folder->needs_scan = true;
	/* Under which name the server has it, the next listing says. */
	folder->is_listed = false;
	state_folder_put(account->state, &folder->record);
}

/* The folder and everything below it has a new path. The folder by its number:
   after a crash another one may be on record under the path it had. */
static void repath(
	struct account *account, const struct folder_operation *operation)
{
	size_t size = strlen(operation->path);

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		const char *old = folder->record.path;
		char *renamed;

		if (folder->record.folder_id == operation->folder_id) {
			repath_one(account, folder, operation->new_path);
			continue;
		}
		if (!is_below(old, operation->path))
			continue;
		renamed = alloc_format("%s%s", operation->new_path, old + size);
		repath_one(account, folder, renamed);
		free(renamed);
	}
}

static bool begin_rename(struct mailboxes_round *round, enum journal_side side,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;

	round->has_changed = true;
	maildir_forget_descriptors(account->maildir);
	if (!state_begin(account->state, error))
		return false;
	journal(account, side, "folder-renamed", operation->folder_id,
		operation->new_path);
	return true;
}

static bool commit_rename(struct mailboxes_round *round, enum journal_side side,
	const struct folder_operation *operation, struct error *error)
{
	if (!begin_rename(round, side, operation, error))
		return false;
	repath(round->account, operation);
	return state_commit(round->account->state, error);
}

/* A rename of ours that a crash kept from being recorded may not be durable: a
   power cut would take the name back that the state has. */
static bool sync_new_name(struct mailboxes_round *round,
	const struct account_folder *folder, struct error *error)
{
	for (size_t i = 0; i < round->local_count; i++)
		if (round->local[i].inode == folder->record.inode &&
			round->local[i].device == folder->record.device)
			return maildir_sync_disk(round->account->maildir,
				round->local[i].path, error);
	return true;
}

/* What is below it has operations of its own. */
static bool record_rename(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account_folder *folder =
		account_folder(round->account, operation->folder_id);
	const struct remote_mailbox *mailbox =
		find_mailbox(round, operation->new_path);

	if (folder == NULL)
		return true;
	maildir_forget_descriptors(round->account->maildir);
	if (!sync_new_name(round, folder, error) ||
		!begin_rename(round, JOURNAL_REMOTE, operation, error))
		return false;
	if (mailbox != NULL)
		folder->record.mailbox =
			account_folder_text(folder, mailbox->wire_name);
	repath_one(round->account, folder, operation->new_path);
	return state_commit(round->account->state, error);
}

static bool rename_local(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	if (!let_parents_go(round->account, operation->new_path, error))
		return false;
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

static bool rename_remote(struct mailboxes_round *round,
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

/* A listing may leave one out, and a refusal may be a passing one: only what is
   missing for a while is gone. */
static bool is_missing_long_enough(
	struct account *account, struct account_folder *folder)
{
	uint64_t now = clock_now_ms();

	if (folder->missing_at_ms == 0)
		folder->missing_at_ms = now;
	if (now - folder->missing_at_ms >= MISSING_MS)
		return true;
	account->awaits_listing = true;
	account->wants_again = true;
	return false;
}

static bool check_gone(struct mailboxes_round *round,
	struct account_folder *folder, bool *is_gone_out, struct error *error)
{
	struct error failure = { 0 };

	*is_gone_out = false;
	if (is_there(round, folder, &failure)) {
		fail_unlisted(round->account, folder);
		return true;
	}
	if (failure.code != ERROR_REFUSED) {
		*error = failure;
		return false;
	}
	*is_gone_out = is_missing_long_enough(round->account, folder);
	return true;
}

static bool empty_local(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);
	bool is_gone;

	if (folder == NULL || folder->has_failed ||
		folder->record.state == FOLDER_EMPTYING_LOCAL)
		return true;
	if (!check_gone(round, folder, &is_gone, error))
		return false;
	if (!is_gone)
		return true;
	/* What was not found again by now, nobody will find. */
	if (folder->record.state == FOLDER_EPOCH &&
		!observe_end_epoch(account, folder, error))
		return false;
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

static bool empty_remote(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);

	if (folder == NULL || folder->record.state == FOLDER_EMPTYING_REMOTE)
		return true;
	/* What it held is to be found again first. */
	if (folder->record.state == FOLDER_EPOCH) {
		account->wants_again = true;
		return true;
	}
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

/* Its name may be given to another in this very round: nothing is waited for
   but what is there. */
static bool check_left_out(struct mailboxes_round *round,
	struct account_folder *folder, bool *is_left_out_out,
	struct error *error)
{
	struct error failure = { 0 };

	*is_left_out_out = folder->record.has_remote &&
		find_mailbox(round, folder->record.path) == NULL &&
		is_there(round, folder, &failure);
	if (failure.code != ERROR_NONE && failure.code != ERROR_REFUSED) {
		*error = failure;
		return false;
	}
	if (*is_left_out_out)
		fail_unlisted(round->account, folder);
	return true;
}

static bool forget(struct mailboxes_round *round,
	const struct folder_operation *operation, struct error *error)
{
	struct account *account = round->account;
	struct account_folder *folder =
		account_folder(account, operation->folder_id);
	struct error failure = { 0 };
	bool is_empty, is_left_out;

	if (folder == NULL)
		return true;
	if (!check_left_out(round, folder, &is_left_out, error))
		return false;
	if (is_left_out)
		return true;
	/* What a removal that was cut off left of it; what somebody put there
	   stays. */
	if (folder->record.state == FOLDER_EMPTYING_LOCAL &&
		maildir_remove_folder(account->maildir, operation->path,
			&failure) == MAILDIR_ERROR)
		account_log(
			account, ACCOUNT_LOG_WARNING, "%s", failure.message);
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
		mailboxes_release_messages(account, operation->folder_id);
	if (is_empty)
		state_folder_delete(account->state, operation->folder_id);
	else
		account_folder_put(account, folder);
	local_unwatch_folder(account, folder);
	if (!state_commit(account->state, error))
		return false;
	if (is_empty)
		account_folder_remove(account, operation->folder_id);
	return true;
}

static bool hold(
	struct mailboxes_round *round, const struct folder_operation *operation)
{
	account_skip(round->account, operation->path, operation->reason);
	return true;
}

static bool carry_out(struct mailboxes_round *round,
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
		return record_rename(round, operation, error);
	case FOLDER_HOLD:
		return hold(round, operation);
	}
	return true;
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

/* Its messages come into no plan before the folder is there. */
static void write_content(const struct mailboxes_round *round,
	const struct folder_operation *operation, struct buf *line)
{
	const struct remote_mailbox *mailbox;

	if (operation->kind == FOLDER_CREATE_REMOTE)
		buf_add_text(line, ", and upload what is in it");
	if (operation->kind != FOLDER_CREATE_LOCAL)
		return;
	mailbox = find_mailbox(round, operation->path);
	if (mailbox != NULL && mailbox->has_status)
		buf_add_format(line, ", and download %u message%s",
			mailbox->message_count,
			mailbox->message_count == 1 ? "" : "s");
}

/* Every look at the mailboxes finds the same again: it is told once. */
static void tell(const struct mailboxes_round *round,
	const struct folder_operation *operation)
{
	struct account *account = round->account;
	struct buf line = { 0 };

	buf_add_format(&line, "%s: %s", OPERATION_WORDS[operation->kind],
		operation->path);
	if (operation->new_path != NULL)
		buf_add_format(&line, " -> %s", operation->new_path);
	write_content(round, operation, &line);
	buf_add_byte(&line, '\n');
	if (strstr(buf_text(&account->told_folders), buf_text(&line)) == NULL) {
		buf_add_text(&account->told_folders, buf_text(&line));
		account_plan_line(
			account, "%.*s", (int)line.size - 1, buf_text(&line));
	}
	buf_finish(&line);
}

bool mailboxes_carry_out(struct mailboxes_round *round,
	const struct folders_plan *plan, struct error *error)
{
	struct account *account = round->account;

	for (size_t i = 0; i < plan->operation_count; i++) {
		const struct folder_operation *operation = &plan->operations[i];
		struct error failure = { 0 };

		if (account->is_dry_run && operation->kind != FOLDER_ADOPT) {
			tell(round, operation);
			continue;
		}
		if (operation->kind != FOLDER_ADOPT)
			account_log(account, ACCOUNT_LOG_DEBUG, "%s: %s",
				OPERATION_WORDS[operation->kind],
				operation->path);
		if (carry_out(round, operation, &failure))
			continue;
		if (mailboxes_is_fatal(&failure)) {
			*error = failure;
			return false;
		}
		account_skip(round->account, operation->path, failure.message);
	}
	return true;
}
