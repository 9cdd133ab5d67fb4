#include "syncd/worker/mailboxes.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/pattern.h"
#include "store/folder_path.h"
#include "syncd/reconciler/guard.h"
#include "syncd/reconciler/merge.h"
#include "syncd/worker/local.h"
#include "syncd/worker/mailboxes_internal.h"

/* ---- Listing ---- */

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
	struct mailboxes_round *round, const struct remote_mailbox *mailbox)
{
	struct error error = { 0 };
	struct buf path = { 0 };
	const char *text = NULL;

	if (!is_wanted(round->account, mailbox->name, mailbox->delimiter))
		return NULL;
	if (is_view(round->account, mailbox)) {
		account_skip(round->account, mailbox->name,
			"a view of messages that are in other mailboxes");
		return NULL;
	}
	if (folder_path_from_mailbox(
		    mailbox->name, mailbox->delimiter, &path, &error))
		text = arena_text(&round->arena, buf_text(&path));
	else
		account_skip(round->account, mailbox->name, error.message);
	buf_finish(&path);
	return text;
}

/* Named nowhere else: nobody knows how. */
static void note_unreadable(struct mailboxes_round *round)
{
	size_t count = remote_skipped_count(round->account->remote);
	char reason[80];

	if (count == 0)
		return;
	(void)snprintf(reason, sizeof(reason),
		"the names of %zu mailboxes on the server cannot be read",
		count);
	account_skip(round->account, "?", reason);
}

static bool list_remote(struct mailboxes_round *round, struct error *error)
{
	if (!remote_list(round->account->remote, &round->arena,
		    &round->mailboxes, &round->mailbox_count, error))
		return false;
	note_unreadable(round);
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
	struct mailboxes_round *round, const struct maildir_folder *folder)
{
	struct buf name = { 0 };
	struct error error = { 0 };
	bool is_ok = false;

	if (folder->path == NULL)
		account_skip(
			round->account, folder->directory, folder->problem);
	else if (!folder_path_to_mailbox(folder->path,
			 round->delimiter == 0 ? '/' : round->delimiter, &name,
			 &error))
		account_skip(round->account, folder->path, error.message);
	else
		is_ok = is_wanted(round->account, buf_text(&name),
			round->delimiter == 0 ? '/' : round->delimiter);
	buf_finish(&name);
	return is_ok;
}

/* One pass over a directory others rename in may miss an entry: what is known
   and was not listed is looked for by name. */
static bool add_overlooked(struct mailboxes_round *round, struct error *error)
{
	struct account *account = round->account;

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		struct maildir_folder_stat stat;
		enum maildir_result result;

		if (folder->is_on_disk || !folder->record.has_local)
			continue;
		result = maildir_folder_stat(
			account->maildir, folder->record.path, &stat, error);
		if (result == MAILDIR_ERROR)
			return false;
		if (result != MAILDIR_DONE && result != MAILDIR_REFUSED)
			continue;
		/* Half of it is there: the look into it tells what is wrong. */
		if (result == MAILDIR_REFUSED) {
			stat.device = folder->record.device;
			stat.inode = folder->record.inode;
			folder->needs_scan = true;
		}
		folder->is_on_disk = true;
		round->local[round->local_count++] = (struct folder_local){
			.path = folder->record.path,
			.device = stat.device,
			.inode = stat.inode,
		};
	}
	return true;
}

static bool list_local(struct mailboxes_round *round, struct error *error)
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

void mailboxes_note_status(
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
	folder->missing_at_ms = 0;
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

/* The reconciler goes by it, too: INBOX is INBOX by its name alone. */
static bool has_mailbox_id(
	const struct account_folder *folder, const char *mailbox_id)
{
	return folder->record.mailbox_id != NULL &&
		strcmp(folder->record.path, FOLDER_INBOX) != 0 &&
		strcmp(folder->record.mailbox_id, mailbox_id) == 0;
}

static struct account_folder *find_by_mailbox_id(
	const struct account *account, const char *mailbox_id)
{
	for (size_t i = 0; i < account->folder_count; i++)
		if (has_mailbox_id(account->folders[i], mailbox_id))
			return account->folders[i];
	return NULL;
}

bool mailboxes_is_of_another(const struct account *account,
	const struct account_folder *folder, const char *mailbox_id)
{
	return mailbox_id != NULL && !has_mailbox_id(folder, mailbox_id) &&
		strcmp(folder->record.path, FOLDER_INBOX) != 0 &&
		find_by_mailbox_id(account, mailbox_id) != NULL;
}

static bool is_id_listed(const struct mailboxes_round *round,
	const struct account_folder *folder)
{
	for (size_t i = 0; i < round->mailbox_count; i++)
		if (round->mailbox_paths[i] != NULL &&
			round->mailboxes[i].mailbox_id != NULL &&
			has_mailbox_id(folder, round->mailboxes[i].mailbox_id))
			return true;
	return false;
}

/* Renamed there, it is looked at under its new name, before it has that name
   here; what has the old one there is another mailbox. */
static struct account_folder *find_listed(const struct mailboxes_round *round,
	const char *path, const char *mailbox_id)
{
	struct account *account = round->account;
	struct account_folder *folder = account_folder_by_path(account, path);

	if (mailbox_id == NULL || strcmp(path, FOLDER_INBOX) == 0 ||
		(folder != NULL && has_mailbox_id(folder, mailbox_id)))
		return folder;
	if (folder == NULL || is_id_listed(round, folder) ||
		mailboxes_is_of_another(account, folder, mailbox_id))
		folder = find_by_mailbox_id(account, mailbox_id);
	return folder;
}

/* Refused because it is not there, or not under that name: not failing. */
static void forgive_missing(struct account *account)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (!folder->has_been_refused ||
			(folder->is_listed && !folder->has_other_name))
			continue;
		folder->has_been_refused = false;
		folder->has_failed = false;
	}
}

static void note_listing(struct mailboxes_round *round)
{
	struct account *account = round->account;

	for (size_t i = 0; i < account->folder_count; i++) {
		account->folders[i]->is_listed = false;
		account->folders[i]->has_other_name = false;
	}
	for (size_t i = 0; i < round->mailbox_count; i++) {
		const char *path = round->mailbox_paths[i];
		struct account_folder *folder = NULL;

		/* A name that is left because others are below it: what was a
		   mailbox is gone. */
		if (path != NULL && round->mailboxes[i].is_selectable)
			folder = find_listed(
				round, path, round->mailboxes[i].mailbox_id);
		if (folder == NULL || !folder->record.has_remote)
			continue;
		mailboxes_note_status(folder, &round->mailboxes[i]);
		folder->has_other_name = strcmp(path, folder->record.path) != 0;
	}
	forgive_missing(account);
}

/* ---- Is the listing all there is? ---- */

static bool is_same_mailbox(const struct account_folder *folder,
	const struct remote_mailbox *mailbox)
{
	if (folder->record.mailbox_id != NULL && mailbox->mailbox_id != NULL)
		return has_mailbox_id(folder, mailbox->mailbox_id);
	return folder->record.uid_validity != 0 &&
		folder->record.uid_validity == mailbox->uid_validity;
}

/* Listed under a name nobody knows yet, or that was given up for it. */
static bool is_renamed_there(const struct mailboxes_round *round,
	const struct account_folder *folder, bool *is_taken)
{
	for (size_t i = 0; i < round->mailbox_count; i++) {
		const char *path = round->mailbox_paths[i];
		const struct account_folder *other;

		if (path == NULL || is_taken[i] ||
			!is_same_mailbox(folder, &round->mailboxes[i]))
			continue;
		other = account_folder_by_path(round->account, path);
		if (other != NULL && other->is_listed)
			continue;
		is_taken[i] = true;
		return true;
	}
	return false;
}

/* What a person said may go is not missed. */
static void count_known(struct mailboxes_round *round)
{
	bool *is_taken = arena_alloc(
		&round->arena, round->mailbox_count + 1, sizeof(*is_taken));

	for (size_t i = 0; i < round->account->folder_count; i++) {
		const struct account_folder *folder =
			round->account->folders[i];

		if (!folder->record.has_remote)
			continue;
		round->known_count++;
		round->known_listed_count += folder->is_listed ||
			folder->record.is_approved ||
			is_renamed_there(round, folder, is_taken);
	}
}

/* Those that are listed go on; the others are left alone. */
static void leave_unlisted_alone(struct mailboxes_round *round)
{
	struct account *account = round->account;
	struct error failure = { 0 };

	error_set(&failure, ERROR_REFUSED,
		"the server lists only %zu of %zu known mailboxes, and not "
		"this one: nothing is removed; 'mailtwin approve %s' takes it "
		"as it is",
		round->known_listed_count, round->known_count,
		account->config->name);
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (folder->record.has_remote && !folder->is_listed &&
			!folder->has_failed)
			account_folder_fail(account, folder, &failure);
	}
}

static void judge_listing(struct mailboxes_round *round)
{
	struct account *account = round->account;

	count_known(round);
	account->has_listing = guard_listing_is_plausible(round->has_inbox,
		round->known_listed_count, round->known_count);
	/* What is not listed may be one whose name cannot be read. */
	if (remote_skipped_count(account->remote) > 0 &&
		round->known_listed_count < round->known_count)
		account->has_listing = false;
	if (!account->has_listing)
		leave_unlisted_alone(round);
}

/* ---- What a folder that is gone on one side would lose on the other ---- */

/* One moved there since is wanted there: with it the folder goes on. */
static bool is_agreed_in(const struct pair *pair, uint32_t folder_id)
{
	return pair->synced.is_set && pair->synced.folder_id == folder_id;
}

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
		/* What waits for a person would keep it for ever. */
		if (pair.local.presence == PRESENCE_PRESENT)
			is_removable = pair.hold != HOLD_EPOCH &&
				is_agreed_in(&pair, folder->record.folder_id) &&
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
		is_removable = is_agreed_in(&pair, folder->record.folder_id) &&
			pair.remote.presence == PRESENCE_PRESENT &&
			!merge_is_protecting(
				&pair.synced.flags, &pair.remote.flags);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_removable;
}

/* Under the name on record it is gone on one side, and what the other has is
   not known yet. Unless it was only renamed, that is no reason to make it anew,
   nor to remove it. Decided when it was looked at. */
static bool is_undecided(struct mailboxes_round *round,
	const struct account_folder *folder, const struct folder_record *record)
{
	bool must_scan = record->had_remote &&
		(!folder->is_listed || folder->has_other_name) &&
		folder->is_on_disk && folder->record.has_local &&
		folder->needs_scan;
	bool must_observe = record->had_local && !folder->is_on_disk &&
		folder->is_listed && account_folder_is_active(folder) &&
		folder->needs_observe;

	if (!must_scan && !must_observe)
		return false;
	if (!folder->has_failed)
		round->has_changed = true;
	return true;
}

/* No reason to remove a mailbox: a disk may be missing. */
static bool is_unmounted(struct account *account, struct account_folder *folder)
{
	const struct folder *record = &folder->record;
	struct error failure = { 0 };

	/* With no mailbox left it is a removal of ours that was cut off. */
	if (record->state == FOLDER_EMPTYING_LOCAL)
		return false;
	if (folder->is_on_disk || !record->has_local || record->inode == 0 ||
		!maildir_may_be_unmounted(
			account->maildir, record->path, record->device))
		return false;
	error_set(&failure, ERROR_REFUSED,
		"its directory is empty or on another disk than before: is "
		"its disk mounted? To remove the mailbox, remove the "
		"directory itself");
	if (!folder->has_failed)
		account_folder_fail(account, folder, &failure);
	return true;
}

static struct folder_record *records(struct mailboxes_round *round)
{
	struct account *account = round->account;
	struct folder_record *records = arena_alloc(
		&round->arena, account->folder_count + 1, sizeof(*records));

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
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
			.is_leaving = record->state == FOLDER_EMPTYING_LOCAL ||
				record->state == FOLDER_EMPTYING_REMOTE,
			.is_held = record->state == FOLDER_HELD,
		};
		records[i].is_undecided =
			is_undecided(round, folder, &records[i]);
		records[i].is_held |= is_unmounted(account, folder);
		if (records[i].had_remote &&
			(!folder->is_listed || folder->has_other_name))
			records[i].is_removable_local =
				is_local_removable(account, folder);
		if (records[i].had_local && !folder->is_on_disk)
			records[i].is_removable_remote =
				is_remote_removable(account, folder);
	}
	return records;
}

/* ---- The round ---- */

static bool plan_and_carry_out(
	struct mailboxes_round *round, struct error *error)
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
	return mailboxes_carry_out(round, &plan, error);
}

bool mailboxes_sync(
	struct account *account, bool *changed_out, struct error *error)
{
	struct mailboxes_round round = { .account = account };
	bool is_done;

	account_skip_reset(account);
	arena_init(&round.arena);
	is_done = list_remote(&round, error) && list_local(&round, error);
	if (is_done && !local_has_root(account)) {
		account->wants_folder_list = true;
		round.has_changed = true;
	} else if (is_done) {
		note_listing(&round);
		judge_listing(&round);
		is_done = plan_and_carry_out(&round, error);
	}
	if (is_done)
		*changed_out = round.has_changed;
	arena_finish(&round.arena);
	return is_done;
}
