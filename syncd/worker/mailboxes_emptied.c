/* The end of folders that went away on one side: once empty, they go on the
   other. */
#include "syncd/worker/mailboxes_internal.h"

#include <string.h>

#include "syncd/worker/local.h"
#include "syncd/worker/mailboxes.h"

bool mailboxes_is_fatal(const struct error *error)
{
	return error->code != ERROR_REFUSED && error->code != ERROR_SYSTEM;
}

void mailboxes_release_messages(struct account *account, uint32_t folder_id)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		if (pair.synced.is_set && pair.synced.folder_id == folder_id &&
			(pair.local.presence != PRESENCE_PRESENT ||
				pair.remote.presence != PRESENCE_PRESENT)) {
			pair.synced.is_set = false;
			state_pair_put(account->state, &pair);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

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
		if (!mailboxes_is_fatal(&failure)) {
			account_folder_fail(account, folder, &failure);
			return true;
		}
		*error = failure;
		return false;
	}
	if (!state_begin(account->state, error))
		return false;
	mailboxes_release_messages(account, folder_id);
	state_folder_delete(account->state, folder_id);
	local_unwatch_folder(account, folder);
	account_folder_remove(account, folder_id);
	account->change_count++;
	/* Its name may be what one that is left out waits for. */
	account->wants_again |= account->skipped_count > 0;
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
