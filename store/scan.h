/* An exact listing of a folder while others rename in it. A plain readdir()
   pass misses messages whose file is renamed meanwhile, so it proves nothing
   about absence; here the names that appeared during the pass, as the watch
   saw them, are added. */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "store/maildir.h"
#include "store/watch.h"

struct scan_request {
	struct maildir *maildir;
	const char *path;    /* canonical */
	struct watch *watch; /* NULL = none */
	uint64_t new_cookie; /* of the folder's new/ in the watch */
	uint64_t cur_cookie;
};

struct scan_result {
	struct maildir_entry *entries; /* new/ first; in the arena. One per
		message: of a file seen under two names only the present one
		is here. Two files with one unique part are two entries. */
	size_t entry_count;
	/* What is not in here was not in the folder at one moment of the scan:
	   either the watch had no gap, or the directories did not change and
	   had not for two seconds. False: nothing may be concluded from
	   absence. */
	bool proves_absence;
	uint64_t first_sequence;         /* of the watch when the scan began */
	struct maildir_folder_stat stat; /* from before the scan */
	int64_t started_at_ns;           /* CLOCK_REALTIME */
};

/* Events stay queued for watch_next(). */
bool scan_folder(const struct scan_request *request, struct arena *arena,
	struct scan_result *result_out, struct error *error) MUST_CHECK;

#endif
