/* Is the Maildir the one that was synced before? An unmounted disk leaves an
   empty directory behind, and nothing may follow from that. */
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/local_internal.h"

#define META_ROOT "maildir-root"
#define META_SIZE 16 /* device, inode */

static bool known_root(
	struct account *account, uint64_t *device_out, uint64_t *inode_out)
{
	struct arena arena;
	const uint8_t *data;
	size_t size;
	bool is_known;

	arena_init(&arena);
	is_known = state_meta_get(
			   account->state, META_ROOT, &arena, &data, &size) &&
		size == META_SIZE;
	if (is_known) {
		*device_out = number_read_be64(data);
		*inode_out = number_read_be64(data + 8);
	}
	arena_finish(&arena);
	return is_known;
}

/* The mark on the directory, where the file system keeps such things: a copy
   that brought it along is known to be one of this account. */
static bool mark_root(struct account *account,
	const struct maildir_identity *identity, struct error *error)
{
	uint8_t data[META_SIZE];

	number_write_be64(data, identity->device);
	number_write_be64(data + 8, identity->inode);
	if (!maildir_set_generation(account->maildir, NULL,
		    account->config->name, identity->generation + 1, error) ||
		!state_begin(account->state, error))
		return false;
	state_meta_put(account->state, META_ROOT, data, sizeof(data));
	return state_commit(account->state, error);
}

/* At least half of the folders that were there are there. */
static bool has_folders(struct account *account)
{
	struct maildir_folder *folders;
	struct error error = { 0 };
	struct arena arena;
	size_t count = 0, known_count = 0, found_count = 0;

	arena_init(&arena);
	if (!maildir_list_folders(
		    account->maildir, &arena, &folders, &count, &error))
		count = 0;
	for (size_t i = 0; i < account->folder_count; i++) {
		const struct folder *record = &account->folders[i]->record;

		if (!record->has_local)
			continue;
		known_count++;
		for (size_t k = 0; k < count; k++)
			found_count += folders[k].path != NULL &&
				strcmp(folders[k].path, record->path) == 0;
	}
	arena_finish(&arena);
	return found_count * 2 >= known_count;
}

static bool refuse(struct account *account, struct error *error)
{
	account->has_local_loss = true;
	return error_set(error, ERROR_CONFIG,
		"'%s' is not the Maildir that was synced before, and does not "
		"hold its folders: is its disk mounted? Nothing is done; "
		"'mailtwin approve %s' takes it as it is",
		account->config->maildir, account->config->name);
}

/* What a copy lacks was not removed from it. */
static bool forget_missing_folder(struct account *account,
	struct account_folder *folder, struct error *error)
{
	struct state_cursor cursor = { 0 };
	struct maildir_folder_stat stat;
	struct error failure = { 0 };
	struct arena arena;
	struct pair pair;

	if (!folder->record.has_local ||
		maildir_folder_stat(account->maildir, folder->record.path,
			&stat, &failure) != MAILDIR_MISSING)
		return true;
	if (!state_begin(account->state, error))
		return false;
	arena_init(&arena);
	while (state_next_by_unique(account->state, folder->record.folder_id,
		&cursor, &arena, &pair)) {
		if (pair.local.presence == PRESENCE_PRESENT)
			local_lose(account, &pair, false);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	folder->record.has_local = false;
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

/* Every folder is another directory than the one on record now, so the scan
   takes what is missing as not restored yet, never as deleted. */
static bool accept_copy(struct account *account,
	const struct maildir_identity *identity, struct error *error)
{
	account_log(account, ACCOUNT_LOG_WARNING,
		"'%s' was copied or restored: what is missing in it is "
		"fetched again",
		account->config->maildir);
	maildir_forget_descriptors(account->maildir);
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		folder->needs_scan = true;
		local_unwatch_folder(account, folder);
		if (!forget_missing_folder(account, folder, error))
			return false;
	}
	account->wants_folder_list = true;
	account->settle_ms = SETTLE_START_MS;
	return mark_root(account, identity, error);
}

bool local_check_root(struct account *account, struct error *error)
{
	struct maildir_identity identity;
	uint64_t device, inode;

	account->has_local_loss = false;
	if (!maildir_identity(account->maildir, NULL, &identity, error)) {
		account->has_local_loss = true;
		return false;
	}
	if (!known_root(account, &device, &inode))
		return account->is_dry_run ||
			mark_root(account, &identity, error);
	if (device == identity.device && inode == identity.inode)
		return true;
	if (account->is_dry_run)
		return refuse(account, error);
	if (!has_folders(account))
		return refuse(account, error);
	return accept_copy(account, &identity, error);
}

bool local_approve_root(struct account *account, struct error *error)
{
	struct maildir_identity identity;

	account->has_local_loss = false;
	return maildir_identity(account->maildir, NULL, &identity, error) &&
		accept_copy(account, &identity, error);
}
