/* The disk under sim_db.c: databases by path, tables as sorted arrays, and
   lists of what to undo. Plain memory: it outlives the program that is
   simulated. */
#ifndef TESTS_SIM_SIM_DB_DISK_H
#define TESTS_SIM_SIM_DB_DISK_H

#include "store/state_db.h"

struct disk_entry {
	size_t key_size, value_size;
	uint8_t bytes[]; /* key, then value */
};

struct disk_table {
	struct disk_entry **entries; /* by key */
	size_t count, capacity;
};

/* One change: the entry that was there, or the one that came where there was
   none. */
struct disk_undo {
	enum state_table table;
	struct disk_entry *entry;
	bool is_insertion; /* then the table owns the entry, else the list */
};

struct disk_undo_list {
	struct disk_undo *undos;
	size_t count, capacity;
};

struct disk_db {
	char *path;
	struct disk_table tables[TABLE_TOTAL];
	struct disk_undo_list open; /* of the transaction */
	struct disk_undo_list last; /* of the commit before it */
	struct state_db *handle;    /* NULL = not open */
	struct disk_db *next;
};

/* NULL = no such database. */
struct disk_db *disk_find(const char *path);
struct disk_db *disk_find_or_make(const char *path);
struct disk_db *disk_first(void);
/* Removes every database; they must have no handle. */
void disk_clear(void);
/* Copies of all databases as a list of their own; and back. */
struct disk_db *disk_copy_all(const struct disk_db *first);
void disk_free_all(struct disk_db *first);
void disk_replace_all(struct disk_db *first);

/* Where `key` is, or would be. */
size_t disk_lower_bound(
	const struct disk_table *table, const struct state_key *key);
bool disk_is_at(const struct disk_table *table, size_t index,
	const struct state_key *key);

/* Each leaves an undo in the open list. */
void disk_put(struct disk_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value);
void disk_delete(struct disk_db *db, enum state_table table, size_t index);

/* The open list becomes the last. */
void disk_commit(struct disk_db *db);
void disk_undo_open(struct disk_db *db);
void disk_undo_last(struct disk_db *db);
/* What was committed before now is durable for good. */
void disk_forget_last(struct disk_db *db);

#endif
