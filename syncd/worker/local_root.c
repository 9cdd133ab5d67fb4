/* Is the Maildir the one that was synced before? An unmounted disk leaves an
   empty directory behind, and nothing may follow from that. */
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/local_internal.h"

#define META_ROOT "maildir-root"
#define META_SIZE 40
/* While the daemon runs, no more often than this, in seconds. */
#define RAISE_S 300

/* What is on record of the root. */
struct known_root {
	uint64_t device, inode, fsid;
	/* The mark on the directory is the one or, when a process ended between
	   two writes, the other. 0: it keeps none. */
	uint64_t generation, next_generation;
};

static bool known_root_get(struct account *account, struct known_root *root_out)
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
		root_out->device = number_read_be64(data);
		root_out->inode = number_read_be64(data + 8);
		root_out->fsid = number_read_be64(data + 16);
		root_out->generation = number_read_be64(data + 24);
		root_out->next_generation = number_read_be64(data + 32);
	}
	arena_finish(&arena);
	return is_known;
}

static bool known_root_put(struct account *account,
	const struct known_root *root, struct error *error)
{
	uint8_t data[META_SIZE];

	number_write_be64(data, root->device);
	number_write_be64(data + 8, root->inode);
	number_write_be64(data + 16, root->fsid);
	number_write_be64(data + 24, root->generation);
	number_write_be64(data + 32, root->next_generation);
	if (!state_begin(account->state, error))
		return false;
	state_meta_put(account->state, META_ROOT, data, sizeof(data));
	return state_commit(account->state, error);
}

/* ---- The mark on the directory ---- */

static bool is_marked_by_us(
	const struct account *account, const struct maildir_identity *identity)
{
	return identity->has_generation &&
		strcmp(identity->account, account->config->name) == 0;
}

/* The state first, so that the mark is never ahead of it: an older mark says
   that the Maildir was put back to what it was. */
static bool raise_generation(
	struct account *account, struct known_root *root, struct error *error)
{
	struct maildir_identity identity;

	root->next_generation = root->generation + 1;
	if (!known_root_put(account, root, error) ||
		!maildir_set_generation(account->maildir, NULL,
			account->config->name, root->next_generation, error) ||
		!maildir_identity(account->maildir, NULL, &identity, error))
		return false;
	/* Some directories show attributes and let nobody write them. */
	root->generation =
		is_marked_by_us(account, &identity) ? identity.generation : 0;
	root->next_generation = root->generation;
	return known_root_put(account, root, error);
}

static bool mark_root(struct account *account,
	const struct maildir_identity *identity, struct error *error)
{
	struct known_root root = { .generation = 0 };

	(void)known_root_get(account, &root);
	root.device = identity->device;
	root.inode = identity->inode;
	root.fsid = identity->fsid;
	if (root.generation < identity->generation)
		root.generation = identity->generation;
	return raise_generation(account, &root, error);
}

bool local_raise_generation(
	struct account *account, bool is_last, struct error *error)
{
	struct known_root root;
	int64_t now = account_now();

	account->is_root_changed |= account->change_count > 0;
	if (!account->is_root_changed || account->is_dry_run ||
		(!is_last && now - account->raised_at < RAISE_S) ||
		!known_root_get(account, &root))
		return true;
	account->is_root_changed = false;
	account->raised_at = now;
	return raise_generation(account, &root, error);
}

/* Where directories keep no attributes, there is nothing to compare. A mark
   ahead of the state is that of a state that was put back: all it knows is
   looked at again anyhow. */
static bool has_known_mark(const struct account *account,
	const struct known_root *root, const struct maildir_identity *identity)
{
	return root->generation == 0 || !identity->supports_generation ||
		(is_marked_by_us(account, identity) &&
			identity->generation >= root->generation);
}

/* ---- Another number for the same disk ---- */

static bool renumber_folder(struct account *account,
	struct account_folder *folder, uint64_t from, uint64_t to,
	struct error *error)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	size_t row_count = 0;
	bool is_done = state_begin(account->state, error);

	arena_init(&arena);
	while (is_done &&
		state_next_by_unique(account->state, folder->record.folder_id,
			&cursor, &arena, &pair)) {
		if (pair.local.device == from) {
			pair.local.device = to;
			state_pair_put(account->state, &pair);
			is_done = local_breathe(account, &row_count, error);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
	if (!is_done)
		return false;
	if (folder->record.device == from)
		folder->record.device = to;
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

/* Some file systems get their device number when they are mounted. */
static bool renumber(struct account *account, struct known_root *root,
	const struct maildir_identity *identity, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++)
		if (!renumber_folder(account, account->folders[i], root->device,
			    identity->device, error))
			return false;
	root->device = identity->device;
	return known_root_put(account, root, error);
}

/* ---- Is it the one? ---- */

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
		if (pair.local.presence != PRESENCE_NEVER)
			local_lose(account, &pair, false);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	folder->record.has_local = false;
	account_folder_put(account, folder);
	return state_commit(account->state, error);
}

/* From now on every folder is another directory than the one on record: the
   scan takes what is missing as not restored yet, never as deleted. */
static bool forget_directory(struct account *account,
	struct account_folder *folder, struct error *error)
{
	folder->needs_scan = true;
	local_unwatch_folder(account, folder);
	folder->record.device = 0;
	folder->record.inode = 0;
	return account_folder_save(account, folder, error) &&
		forget_missing_folder(account, folder, error);
}

static bool accept_copy(struct account *account,
	const struct maildir_identity *identity, struct error *error)
{
	account_log(account, ACCOUNT_LOG_WARNING,
		"'%s' was copied or restored: what is missing in it is "
		"fetched again",
		account->config->maildir);
	maildir_forget_descriptors(account->maildir);
	for (size_t i = 0; i < account->folder_count; i++)
		if (!forget_directory(account, account->folders[i], error))
			return false;
	account->wants_folder_list = true;
	account->settle_ms = SETTLE_START_MS;
	return mark_root(account, identity, error);
}

static bool is_same_disk(
	const struct known_root *root, const struct maildir_identity *identity)
{
	return root->device == identity->device ||
		(root->fsid != 0 && root->fsid == identity->fsid);
}

static bool is_known_root(const struct account *account,
	const struct known_root *root, const struct maildir_identity *identity)
{
	return is_same_disk(root, identity) && root->inode == identity->inode &&
		has_known_mark(account, root, identity);
}

bool local_check_root(struct account *account, struct error *error)
{
	struct maildir_identity identity;
	struct known_root root;

	account->has_local_loss = false;
	if (!maildir_follow_root(account->maildir, error) ||
		!maildir_identity(account->maildir, NULL, &identity, error)) {
		account->has_local_loss = true;
		return false;
	}
	if (!known_root_get(account, &root))
		return account->is_dry_run ||
			mark_root(account, &identity, error);
	if (is_known_root(account, &root, &identity))
		return root.device == identity.device || account->is_dry_run ||
			renumber(account, &root, &identity, error);
	if (account->is_dry_run || !has_folders(account))
		return refuse(account, error);
	return accept_copy(account, &identity, error);
}

bool local_has_root(struct account *account)
{
	struct maildir_identity identity;
	struct known_root root;
	struct error ignored = { 0 };

	return maildir_follow_root(account->maildir, &ignored) &&
		maildir_identity(account->maildir, NULL, &identity, &ignored) &&
		(!known_root_get(account, &root) ||
			is_known_root(account, &root, &identity));
}

bool local_approve_root(struct account *account, struct error *error)
{
	struct maildir_identity identity;

	account->has_local_loss = false;
	return maildir_identity(account->maildir, NULL, &identity, error) &&
		accept_copy(account, &identity, error);
}
