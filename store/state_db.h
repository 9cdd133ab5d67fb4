/* Keys and values in LMDB, behind a transaction with a sticky error. Every
   value carries a checksum over its table, its key and itself, because LMDB
   has none: a flipped bit is ERROR_CORRUPT, never another value.

   Errors inside a transaction stick and fail its commit. All errors are also
   kept for state_db_read_error(). */
#ifndef STORE_STATE_DB_H
#define STORE_STATE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "store/state_record.h"

/* What state_open() uses; half, and half again, where RLIMIT_AS forbids it. */
#if SIZE_MAX > UINT32_MAX
#define STATE_DB_MAP_SIZE ((size_t)16 * 1024 * 1024 * 1024)
#else
#define STATE_DB_MAP_SIZE ((size_t)1024 * 1024 * 1024)
#endif

/* The longest is by_unique: folder id and a file name. */
#define STATE_KEY_SIZE_MAX (4 + RECORD_NAME_SIZE_MAX)

/* Checksums cover these numbers: they are part of the file format. */
enum state_table {
	TABLE_INTERNAL,      /* name -> schema, secret, ids, keywords */
	TABLE_META,          /* name -> bytes */
	TABLE_PAIR,          /* mid -> pair */
	TABLE_BY_UID,        /* folder, uid -> mid */
	TABLE_BY_UNIQUE,     /* folder, unique -> mid */
	TABLE_BY_INODE,      /* device, inode, mid -> nothing */
	TABLE_UNSETTLED,     /* mid -> nothing */
	TABLE_COUNT_OF,      /* folder -> remote count, local count */
	TABLE_FOLDER,        /* folder id -> folder */
	TABLE_INTENT,        /* intent id -> intent */
	TABLE_INTENT_BY_MID, /* mid, intent id -> nothing */
	TABLE_TOMB,          /* mid -> tomb */
	TABLE_JOURNAL,       /* sequence -> entry */
	TABLE_PENDING_LOCAL, /* mid, sequence -> nothing */
	TABLE_PENDING_REMOTE,
	TABLE_TOTAL,
};

/* Big-endian, so that the order of bytes is the order of numbers. */
struct state_key {
	size_t size;
	uint8_t data[STATE_KEY_SIZE_MAX];
};

struct state_db;

/* `map_size`: bytes of address space at first; grows. Only TABLE_INTERNAL can
   be used until state_db_open_tables() has opened, or made, the others. */
struct state_db *state_db_open(
	const char *path, size_t map_size, struct error *error) MUST_CHECK;
bool state_db_open_tables(struct state_db *db, struct error *error) MUST_CHECK;
void state_db_close(struct state_db *db);

/* Grows the map when more than half of it is used, or when it was full. */
bool state_db_begin(struct state_db *db, struct error *error) MUST_CHECK;
/* Ends the transaction in any case. When LMDB itself could not commit,
   everything fails from then on. */
bool state_db_commit(struct state_db *db, struct error *error) MUST_CHECK;
void state_db_abort(struct state_db *db);
bool state_db_is_writing(const struct state_db *db);
/* Everything fails from then on; the disk may have something else than what was
   read. */
bool state_db_is_broken(const struct state_db *db);
/* A transaction is open and nothing in it has failed. */
bool state_db_is_good(const struct state_db *db);

/* Makes `error` the transaction's, if it is the first. */
void state_db_fail(struct state_db *db, const struct error *error);
/* Same, ERROR_CORRUPT: the record under `key` is damaged, or missing. */
void state_db_fail_record(struct state_db *db, enum state_table table,
	const struct state_key *key);
bool state_db_read_error(struct state_db *db, struct error *error);

/* Around all reads. Inside a transaction they see its writes; outside, what
   was committed last. False when nothing can be read. */
bool state_db_read_begin(struct state_db *db) MUST_CHECK;
void state_db_read_end(struct state_db *db);

/* Values are borrowed until the next write or state_db_read_end(). False when
   there is none or reading failed. */
bool state_db_get(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes *value_out) MUST_CHECK;
/* First entry whose key is strictly behind `key`; an empty key is before all.
   `key` and `key_out` may be the same. */
bool state_db_next(struct state_db *db, enum state_table table,
	const struct state_key *key, struct state_key *key_out,
	struct record_bytes *value_out) MUST_CHECK;
/* False when the table is empty (or reading failed). */
bool state_db_last(struct state_db *db, enum state_table table,
	struct state_key *key_out) MUST_CHECK;
uint64_t state_db_entry_count(struct state_db *db, enum state_table table);

/* A walk over many entries in a row, without writes in between: from the first
   entry whose key is at or behind `key` on. Close it also after the end. */
struct state_db_walk {
	struct state_db *db;
	void *cursor; /* NULL: at the end, or failed */
	enum state_table table;
	bool is_started;
	const struct state_key *start; /* borrowed until the first step */
};
struct state_db_walk state_db_walk_open(struct state_db *db,
	enum state_table table, const struct state_key *start);
bool state_db_walk_next(struct state_db_walk *walk, struct state_key *key_out,
	struct record_bytes *value_out) MUST_CHECK;
void state_db_walk_close(struct state_db_walk *walk);

/* Writes do nothing when the transaction has failed. The value must not be
   borrowed from the database. */
void state_db_put(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value);
/* Same, for a key behind all others: faster, and fills pages. */
void state_db_append(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value);
/* False when the key is taken: nothing was written, and the caller decides. */
bool state_db_put_new(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value) MUST_CHECK;
/* No such key is fine. */
void state_db_delete(struct state_db *db, enum state_table table,
	const struct state_key *key);

#endif
