/* What the planner is told besides the pairs: the account's choices and what
   each folder can hold. Values only; the caller owns everything. */
#ifndef SYNCD_RECONCILER_POLICY_H
#define SYNCD_RECONCILER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/flags.h"

struct folder_policy {
	uint32_t folder_id;
	/* Flags a side can store; other bits of that side read as equal to the
	   synced ones and are never sent to it. */
	struct flags remote_mask;
	struct flags local_mask;
	bool is_remote_writable; /* false: READ-ONLY or no rights */
	bool is_held;            /* EPOCH or collision: no operation at all */
	bool is_discard; /* \Trash or \Junk: a move there does not protect */
	/* For the guard: messages paired in the folder, deletions of them
	   within the last hour per side, and whether a person approved. */
	uint64_t pair_count;
	uint64_t deleted_remote_count; /* removed on the server by us */
	uint64_t deleted_local_count;  /* removed from the Maildir by us */
	bool is_approved;
};

struct policy {
	/* Sorted by folder_id. A pair that names a folder not in here touches
	   an unsynced folder: nothing is done about it. */
	const struct folder_policy *folders;
	size_t folder_count;
	bool deletion_wins;      /* conflict: delete */
	unsigned delete_percent; /* delete_limit; 100 or more = off */
	/* The barriers of the pass (all folders observed after the absence was
	   seen, and nothing changed meanwhile). False: absences of that side
	   count as unknown and unbound messages wait. */
	bool remote_is_complete;
	bool local_is_complete;
	/* A folder of that side could not be looked at, and may hold what is
	   missing elsewhere: absences count as unknown, the rest goes on. */
	bool remote_is_blind;
	bool local_is_blind;
};

/* NULL when the folder is not synced. */
const struct folder_policy *policy_folder(
	const struct policy *policy, uint32_t folder_id);

#endif
