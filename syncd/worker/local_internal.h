/* Shared by the files of local.h only. */
#ifndef SYNCD_WORKER_LOCAL_INTERNAL_H
#define SYNCD_WORKER_LOCAL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "store/maildir.h"
#include "syncd/worker/account.h"

/* A file name met in a folder, by a scan or an event. */
struct sighting {
	struct account_folder *folder;
	bool is_new;
	const char *name;
	uint64_t inode_hint; /* as listed; 0 = look at the file itself */
	struct maildir_file file;
	struct arena *arena;
};

/* In an open transaction: binds the sighting to a pair, or makes one. */
bool local_see(struct account *account, struct sighting *sighting,
	struct error *error) MUST_CHECK;

/* Whether its file is still the message could not be told when it was seen.
   (What could not be sent is held by the same name.) */
bool local_is_held_unread(const struct pair *pair);

/* In an open transaction: the file is not there. `is_proof` false: the
   directory is not the one we knew, so nothing was deleted. */
void local_lose(struct account *account, struct pair *pair, bool is_proof);

/* In an open transaction, after each row: commits now and then, so that it
   stays small; every row is true by itself. */
bool local_breathe(struct account *account, size_t *row_count,
	struct error *error) MUST_CHECK;

/* Cookie of a folder's directory in the watch. */
static inline uint64_t local_cookie(
	const struct account_folder *folder, enum maildir_part part)
{
	return (uint64_t)folder->record.folder_id * 4 + (uint64_t)part;
}

#endif
