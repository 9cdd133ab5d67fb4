/* Who delivered, copied or restored a file may have done without fsync(). Once
   the state says that it is on both sides, a file that a power cut took would
   look removed by the user, and be removed on the server. */
#include <stdlib.h>

#include "base/alloc.h"
#include "store/folder_path.h"
#include "syncd/worker/local.h"

static void add_doubt(struct account *account, struct account_folder *folder,
	bool is_new, const char *name)
{
	folder->has_doubts = true;
	if (account->doubt_count < DOUBT_COUNT_MAX)
		account->doubts[account->doubt_count] = (struct account_doubt){
			.folder_id = folder->record.folder_id,
			.is_new = is_new,
			.name = name == NULL ? NULL : alloc_text(name),
		};
	account->doubt_count++;
}

void local_doubt(struct account *account, const struct pair *pair)
{
	struct account_folder *folder =
		account_folder(account, pair->local.folder_id);

	if (folder != NULL)
		add_doubt(
			account, folder, pair->local.is_new, pair->local.name);
}

/* Which of the two it was in is not known any more. */
void local_doubt_gone(struct account *account, const struct pair *pair)
{
	struct account_folder *folder =
		account_folder(account, pair->local.folder_id);

	if (pair->local.presence != PRESENCE_ABSENT || folder == NULL ||
		!folder->record.has_local)
		return;
	add_doubt(account, folder, false, NULL);
	add_doubt(account, folder, true, NULL);
}

void local_doubt_name(struct account *account, const struct pair *pair)
{
	struct account_folder *folder =
		account_folder(account, pair->local.folder_id);

	if (folder != NULL)
		add_doubt(account, folder, pair->local.is_new, NULL);
}

static void forget_doubts(struct account *account)
{
	for (size_t i = 0; i < DOUBT_COUNT_MAX; i++) {
		free(account->doubts[i].name);
		account->doubts[i].name = NULL;
	}
	account->doubt_count = 0;
	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->has_doubts = false;
}

/* A directory that went with its files can not be opened: what tells of it is
   on the disk of the others. */
static bool sync_disk(struct account *account,
	const struct account_folder *folder, struct error *error)
{
	return maildir_sync_disk(account->maildir,
		folder->is_on_disk ? folder->record.path : FOLDER_INBOX, error);
}

static bool sync_disks(struct account *account, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++)
		if (account->folders[i]->has_doubts &&
			!sync_disk(account, account->folders[i], error))
			return false;
	return true;
}

/* Renamed since it was seen, or not to be opened by us, it is somewhere on its
   disk: nothing else waits for a file that cannot be read. */
static bool sync_file(struct account *account,
	const struct account_doubt *doubt, struct error *error)
{
	const struct account_folder *folder =
		account_folder(account, doubt->folder_id);
	struct maildir_place place = {
		.is_new = doubt->is_new,
		.name = doubt->name,
	};

	if (folder == NULL || doubt->name == NULL)
		return true; /* given up, or a name that is gone */
	place.path = folder->record.path;
	switch (maildir_sync_message(account->maildir, &place, error)) {
	case MAILDIR_DONE:
		return true;
	case MAILDIR_MISSING:
	case MAILDIR_REFUSED:
		return sync_disk(account, folder, error);
	case MAILDIR_EXISTS:
	case MAILDIR_ERROR:
		break;
	}
	return false;
}

static bool sync_names(struct account *account,
	const struct account_folder *folder, bool is_new, struct error *error)
{
	if (!folder->is_on_disk)
		return sync_disk(account, folder, error);
	for (size_t i = 0; i < account->doubt_count; i++)
		if (account->doubts[i].folder_id == folder->record.folder_id &&
			account->doubts[i].is_new == is_new)
			return maildir_sync_folder(account->maildir,
				folder->record.path,
				is_new ? MAILDIR_NEW : MAILDIR_CUR, error);
	return true;
}

static bool sync_each(struct account *account, struct error *error)
{
	for (size_t i = 0; i < account->doubt_count; i++)
		if (!sync_file(account, &account->doubts[i], error))
			return false;
	for (size_t i = 0; i < account->folder_count; i++) {
		const struct account_folder *folder = account->folders[i];

		if (folder->has_doubts &&
			(!sync_names(account, folder, false, error) ||
				!sync_names(account, folder, true, error)))
			return false;
	}
	return true;
}

bool local_make_durable(struct account *account, struct error *error)
{
	bool is_done;

	if (account->doubt_count == 0)
		return true;
	is_done = account->doubt_count <= DOUBT_COUNT_MAX
		? sync_each(account, error)
		: sync_disks(account, error);
	forget_doubts(account);
	return is_done;
}
