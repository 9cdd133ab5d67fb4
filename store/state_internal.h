/* What the files of the state share. Nobody else includes this, tests apart. */
#ifndef STORE_STATE_INTERNAL_H
#define STORE_STATE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "store/state.h"
#include "store/state_db.h"

/* The next one to be given out of each kind. Kept in memory, committed with the
   transaction; an abort does not take them back, so no number is met twice. */
struct state_ids {
	uint64_t mid;
	uint32_t folder_id;
	uint64_t intent_id;
	uint64_t sequence;
};

/* Pairs with a present side in a folder. */
struct state_count {
	uint32_t folder_id;
	uint64_t remote;
	uint64_t local;
	bool is_changed; /* since the last commit */
};

/* Sorted by folder id. A zeroed one is empty. */
struct state_counts {
	struct state_count *items;
	size_t count;
	size_t capacity;
};

struct state {
	struct state_db *db;
	uint8_t secret[HASH_KEY_SIZE];
	bool has_secret; /* given: a new state takes it and makes none */
	struct state_ids ids;
	bool has_new_ids;  /* since the last commit */
	uint64_t mid_last; /* no pair on record is behind this */
	struct state_counts counts;
	struct buf record;    /* being packed */
	struct arena scratch; /* what a write has to look at */
};

/* In the internal table. Part of the file format. */
#define STATE_KEY_SECRET "secret"

/* state_open() of one that is not there yet, with this secret; NULL = a new
   one. */
struct state *state_open_new(const char *path, const uint8_t *secret,
	struct error *error) MUST_CHECK;

/* state_open() with another size of the map at first. */
struct state *state_open_sized(
	const char *path, size_t map_size, struct error *error) MUST_CHECK;

/* Keys. */
struct state_key state_key_text(const char *text);
struct state_key state_key_u32(uint32_t number);
struct state_key state_key_u64(uint64_t number);
struct state_key state_key_u64_pair(uint64_t first, uint64_t second);
struct state_key state_key_uid(uint32_t folder_id, uint32_t uid);
/* Up to the ':' of `name`, at most RECORD_NAME_SIZE_MAX bytes. */
struct state_key state_key_unique(uint32_t folder_id, const char *name);
struct state_key state_key_inode(uint64_t device, uint64_t inode, uint64_t mid);
/* The number at byte `position` of the key; 0 when the key is shorter. */
uint32_t state_key_read_u32(const struct state_key *key, size_t position);
uint64_t state_key_read_u64(const struct state_key *key, size_t position);
bool state_key_equal(const struct state_key *a, const struct state_key *b);
bool state_key_starts_with(
	const struct state_key *key, const struct state_key *prefix);

extern const struct record_bytes RECORD_NOTHING;

/* Counters, in memory; state_counts_save() puts what changed. */
bool state_counts_load(struct state *state, struct error *error) MUST_CHECK;
void state_counts_save(struct state *state);
void state_counts_finish(struct state_counts *counts);
/* The folder's, added when new. Borrowed until the next call. */
struct state_count *state_counts_of(
	struct state_counts *counts, uint32_t folder_id) MUST_CHECK;
const struct state_count *state_counts_find(
	const struct state_counts *counts, uint32_t folder_id);

/* What the indexes hold about a pair. */
struct pair_claims {
	bool has_uid, has_unique, has_inode, is_unsettled;
	bool counts_remote, counts_local;
	struct state_key uid, unique, inode;
	uint32_t remote_folder_id, local_folder_id;
};
void state_pair_claims(const struct pair *pair, struct pair_claims *claims);
/* Inside a read: the record under `mid`. */
bool state_read_pair(struct state *state, uint64_t mid, struct arena *arena,
	struct pair *pair_out) MUST_CHECK;
/* The number in the value of by_uid and by_unique; 0 when it is none. */
uint64_t state_read_mid(struct record_bytes value);

/* The table of an entry that has no outcome yet. */
enum state_table state_pending_table(enum journal_side side);

#endif
