#include <string.h>

#include "base/alloc.h"
#include "store/maildir_name.h"
#include "syncd/worker/apply.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"

#define NAME_ATTEMPTS 4

/* The pair as it stands now, not as it stood when the plan was made. */
static bool reload(struct stage *stage, const struct operation *operation,
	struct pair *pair_out)
{
	return state_pair_get(stage->account->state, operation->pair->mid,
		&stage->arena, pair_out);
}

/* The reader of mail was faster: look again, then merge again. */
static void look_again(struct account *account, uint32_t folder_id)
{
	struct account_folder *folder = account_folder(account, folder_id);

	if (folder != NULL) {
		folder->needs_scan = true;
		/* However still the directory is, and whatever the names say: a
		   file may be another, and not even an event told of it. */
		folder->record.scanned_at_ns = 0;
		folder->is_followed = false;
	}
	account->wants_again = true;
}

/* A file with any flag lies in cur. */
static bool stays_new(const struct pair *pair, const struct flags *flags)
{
	return pair->local.is_new && flags_is_empty(flags);
}

/* The name without its letters, but for those unknown: in the folder it comes
   from, because a to z mean something else in every folder. */
static bool bare_name(struct account *account, const struct pair *pair,
	struct buf *name, struct error *error)
{
	struct account_folder *from =
		account_folder(account, pair->local.folder_id);
	const struct flags none = { 0 };

	return local_load_letters(account, from, error) &&
		maildir_name_with_flags(
			pair->local.name, &from->letters, &none, name, error);
}

static bool wanted_name(struct account *account, struct account_folder *folder,
	const struct pair *pair, const struct flags *flags, struct buf *name,
	struct error *error)
{
	struct buf bare = { 0 };
	bool is_done = false;

	if (bare_name(account, pair, &bare, error) &&
		local_add_letters(account, folder, flags, error))
		is_done = stays_new(pair, flags)
			? maildir_name_with_flags(buf_text(&bare),
				  &folder->letters, flags, name, error)
			: maildir_name_for_cur(buf_text(&bare),
				  &folder->letters, flags, name, error);
	buf_finish(&bare);
	return is_done;
}

/* A fresh unique part for a name that is taken. */
static void freshen(const struct account *account, const struct pair *pair,
	struct buf *name)
{
	size_t unique_size = pair_unique_size(buf_text(name));
	char *info = alloc_text(buf_text(name) + unique_size);
	uint64_t token;

	random_bytes(&token, sizeof(token));
	buf_clear(name);
	maildir_unique_format(pair->local.mtime, token, account->host, name);
	buf_add_text(name, info);
	free(info);
}

/* The unique part belongs to another message of the folder: also when its file
   has other flags now, or is gone and not yet forgotten. */
static bool is_claimed(struct account *account, const struct pair *pair,
	const struct account_folder *folder, const struct buf *name)
{
	struct arena arena;
	struct pair other;
	bool is_claimed;

	arena_init(&arena);
	is_claimed =
		state_pair_by_unique(account->state, folder->record.folder_id,
			buf_text(name), &arena, &other) &&
		other.mid != pair->mid;
	arena_finish(&arena);
	return is_claimed;
}

/* Renames the pair's file to where and how `to` says, with a fresh name when
   the wanted one is taken. */
static enum maildir_result rename_file(struct account *account,
	struct pair *pair, struct account_folder *to, bool is_new,
	struct buf *name, struct error *error)
{
	struct maildir_place from = local_place(account, pair);
	struct maildir_place place = { to->record.path, is_new, NULL };
	enum maildir_result result = MAILDIR_EXISTS;

	if (is_claimed(account, pair, to, name))
		freshen(account, pair, name);
	for (int i = 0; result == MAILDIR_EXISTS && i < NAME_ATTEMPTS; i++) {
		if (i > 0)
			freshen(account, pair, name);
		place.name = buf_text(name);
		result = maildir_rename(account->maildir, &from, &place, error);
	}
	return result;
}

/* One file to a folder, place and flags. True when the stage may go on. */
static bool place_file(struct stage *stage, struct pair *pair,
	struct account_folder *to, const struct flags *flags,
	struct error *error)
{
	struct account *account = stage->account;
	struct account_folder *from =
		account_folder(account, pair->local.folder_id);
	bool is_new = stays_new(pair, flags);
	struct buf name = { 0 };
	bool is_done = false;

	if (!wanted_name(account, to, pair, flags, &name, error))
		goto out;
	is_done = true;
	if (from == to && is_new == pair->local.is_new &&
		strcmp(buf_text(&name), pair->local.name) == 0)
		goto named;
	switch (rename_file(account, pair, to, is_new, &name, error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
	case MAILDIR_EXISTS:
		look_again(account, pair->local.folder_id);
		pair->local.name = NULL;
		goto out;
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		is_done = false;
		goto out;
	}
	stage_touch(stage, to, is_new ? MAILDIR_NEW : MAILDIR_CUR);
	stage_touch(
		stage, from, pair->local.is_new ? MAILDIR_NEW : MAILDIR_CUR);
named:
	pair->local.folder_id = to->record.folder_id;
	pair->local.is_new = is_new;
	pair->local.name = arena_text(&stage->arena, buf_text(&name));
	pair->local.flags = *flags;
out:
	buf_finish(&name);
	return is_done;
}

/* Whether nobody has renamed or replaced the file since it was observed is
   checked by the rename itself: it starts from the exact name. */
static bool move_one(struct stage *stage, const struct operation *operation,
	struct error *error)
{
	struct account *account = stage->account;
	struct account_folder *to =
		account_folder(account, operation->to_folder_id);
	struct flags flags;
	struct pair pair;

	if (to == NULL || !reload(stage, operation, &pair) ||
		pair.local.presence != PRESENCE_PRESENT)
		return true;
	flags = pair.local.flags;
	if (!place_file(stage, &pair, to, &flags, error))
		return false;
	if (pair.local.name == NULL)
		return true;
	apply_agree(&pair, &stage->policy);
	stage_put(stage, &pair, "moved here");
	account->counters.moved_local++;
	return true;
}

static bool flag_one(struct stage *stage, const struct operation *operation,
	struct error *error)
{
	struct account *account = stage->account;
	struct account_folder *folder;
	struct pair pair;

	if (!reload(stage, operation, &pair) ||
		pair.local.presence != PRESENCE_PRESENT ||
		!apply_is_still_wanted(stage, operation, &pair))
		return true;
	folder = account_folder(account, pair.local.folder_id);
	if (folder == NULL)
		return true;
	if (!place_file(stage, &pair, folder, &operation->merged, error))
		return false;
	if (pair.local.name == NULL)
		return true;
	apply_agree(&pair, &stage->policy);
	stage_put(stage, &pair, "flags set here");
	account->counters.flagged_local++;
	return true;
}

/* Ends with the first that fails; `tried_out` counts it. */
static bool run_each(struct account *account,
	const struct operation *operations, size_t count,
	bool (*one)(struct stage *stage, const struct operation *operation,
		struct error *error),
	size_t *tried_out, struct error *error)
{
	struct stage stage;
	struct error failure = { 0 };
	bool is_done = true;
	size_t i;

	stage_init(&stage, account);
	for (i = 0; is_done && i < count && !account->is_stopping; i++)
		is_done = one(&stage, &operations[i], &failure);
	*tried_out = i;
	/* What was done before a failure is written down all the same. */
	if (!stage_commit(&stage, error)) {
		stage_finish(&stage);
		return false;
	}
	stage_finish(&stage);
	if (!is_done)
		*error = failure;
	return is_done;
}

bool apply_move_local(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	size_t tried;

	return run_each(account, operations, count, move_one, &tried, error);
}

bool apply_flag_local(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	size_t tried;

	return run_each(account, operations, count, flag_one, &tried, error);
}

/* Moved to the retention directory, when its exact name is still there and it
   is still the same file. */
static bool delete_one(struct stage *stage, const struct operation *operation,
	struct error *error)
{
	struct account *account = stage->account;
	struct account_folder *folder;
	struct maildir_place place;
	struct maildir_file file;
	struct pair pair;

	if (!reload(stage, operation, &pair) ||
		pair.local.presence != PRESENCE_PRESENT ||
		!apply_is_still_wanted(stage, operation, &pair))
		return true;
	folder = account_folder(account, pair.local.folder_id);
	place = local_place(account, &pair);
	switch (maildir_stat(account->maildir, &place, &file, error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
		look_again(account, pair.local.folder_id);
		return true;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	if (folder == NULL || !local_is_file(&pair.local, &file)) {
		look_again(account, pair.local.folder_id);
		return true;
	}
	switch (maildir_remove(
		account->maildir, &place, &file, account_now(), error)) {
	case MAILDIR_DONE:
		break;
	case MAILDIR_MISSING:
		look_again(account, pair.local.folder_id);
		return true;
	case MAILDIR_EXISTS:
	case MAILDIR_REFUSED:
	case MAILDIR_ERROR:
		return false;
	}
	stage_drop(stage, &pair, "removed here");
	account->counters.deleted_local++;
	return true;
}

/* When the machine slept amid of them. */
static bool save_recount(struct account *account, struct account_folder *folder,
	uint32_t count, int64_t since, struct error *error)
{
	return folder == NULL ||
		!account_recount_deletions(folder, count, since) ||
		account_folder_save(account, folder, error);
}

bool apply_delete_local(struct account *account,
	const struct operation *operations, size_t count, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, operations[0].folder_id);
	int64_t now = account_now();
	struct error failure = { 0 };
	size_t tried = 0;
	bool is_done;

	/* The count is written first: should the process die amid of it, too
	   many are counted, which is safe. */
	for (size_t i = 0; folder != NULL && i < count; i++)
		account_count_deletion(folder, false);
	is_done = (folder == NULL ||
			  account_folder_save(account, folder, error)) &&
		run_each(account, operations, count, delete_one, &tried, error);
	/* Where nothing can be removed for hours, it is not removed again and
	   again. */
	if (folder != NULL)
		account_uncount_deletions(folder, (uint32_t)(count - tried));
	return save_recount(account, folder, (uint32_t)tried, now,
		       is_done ? error : &failure) &&
		is_done;
}
