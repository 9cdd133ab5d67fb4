/* The names seen during a scan, grouped by message (unique part). Pure. */
#ifndef STORE_SCAN_GROUP_H
#define STORE_SCAN_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"
#include "store/maildir.h"

#define SCAN_NONE SIZE_MAX

/* One name. */
struct scan_candidate {
	struct maildir_entry entry;
	bool is_present; /* as last looked at */
	size_t next;     /* of the group, or SCAN_NONE */
};

/* One unique part. */
struct scan_group {
	uint64_t hash;
	size_t first, last; /* candidates, in the order they were seen */
	bool is_doubtful;   /* has several names, or moved during the pass */
	bool was_moved;     /* since it was looked at */
	bool is_settled;    /* looked at, and did not move meanwhile */
};

struct scan_groups {
	uint8_t key[HASH_KEY_SIZE];
	struct scan_candidate *candidates;
	size_t candidate_count;
	size_t candidate_capacity;
	struct scan_group *groups;
	size_t count;
	size_t capacity;
	size_t *buckets; /* index of a group, or SCAN_NONE */
	size_t bucket_count;
};

void scan_groups_init(struct scan_groups *groups);
void scan_groups_finish(struct scan_groups *groups);

/* A name the pass listed; borrowed. */
void scan_groups_entry(
	struct scan_groups *groups, const struct maildir_entry *entry);

/* A name that appeared. `only_doubtful`: of a message in doubt, else it is
   left out. */
void scan_groups_event(struct scan_groups *groups, const char *name,
	bool is_new, bool only_doubtful, struct arena *arena);

/* Some message is doubtful and not settled. */
bool scan_groups_in_doubt(const struct scan_groups *groups);

/* Doubtful messages that did not move since they were looked at are settled. */
void scan_groups_settle(struct scan_groups *groups);

/* Messages that are there, as an array in `arena`: all names of undoubted ones,
   the present names of doubtful ones, one per inode. One that never settled and
   has no present name is there as is_elsewhere, by its latest name. */
void scan_groups_emit(const struct scan_groups *groups, struct arena *arena,
	struct maildir_entry **entries_out, size_t *count_out);

#endif
