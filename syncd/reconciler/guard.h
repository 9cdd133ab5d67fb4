/* The mass-delete guard: how many deletions a folder may see before a person
   is asked. */
#ifndef SYNCD_RECONCILER_GUARD_H
#define SYNCD_RECONCILER_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "syncd/reconciler/policy.h"

#define GUARD_MESSAGE_COUNT_MIN 20 /* smaller folders are not guarded */

/* Deletions in a folder on one side. */
struct guard_request {
	uint64_t deleted; /* within the last hour */
	uint64_t wanted;
	bool has_held; /* some of `wanted` were held before */
};

/* May they go? Counted against the messages there were at the hour's start
   (pair_count + deleted). What was held once is not let go by new mail or the
   time: delete_percent of 100 or more, an approval, or a \Trash or \Junk folder
   lets all go. */
bool guard_allows(const struct folder_policy *folder, unsigned delete_percent,
	const struct guard_request *request);

/* Whole-side check before any folder is judged: a listing without INBOX, or
   with fewer than half of the folders known, is a failed observation. */
bool guard_listing_is_plausible(
	bool has_inbox, uint64_t listed_known_count, uint64_t known_count);

#endif
