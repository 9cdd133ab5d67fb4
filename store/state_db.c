/* Longer than a file should be: no other may include <lmdb.h>. */
#define _DEFAULT_SOURCE
#include "store/state_db.h"

#include <assert.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"
#include "store/state_file.h"

#define CHECKSUM_SIZE     8
#define MAP_SIZE_MIN      ((size_t)1024 * 1024)
#define BEGINS_PER_CHECK  1024 /* of readers that died */
#define ENVIRONMENT_FLAGS (MDB_NOSUBDIR | MDB_NOTLS)

/* Part of the file format. */
static const char *const TABLE_NAMES[TABLE_TOTAL] = {
	[TABLE_INTERNAL] = "internal",
	[TABLE_META] = "meta",
	[TABLE_PAIR] = "pair",
	[TABLE_BY_UID] = "by_uid",
	[TABLE_BY_UNIQUE] = "by_unique",
	[TABLE_BY_INODE] = "by_inode",
	[TABLE_UNSETTLED] = "unsettled",
	[TABLE_COUNT_OF] = "count",
	[TABLE_FOLDER] = "folder",
	[TABLE_INTENT] = "intent",
	[TABLE_INTENT_BY_MID] = "intent_by_mid",
	[TABLE_TOMB] = "tomb",
	[TABLE_JOURNAL] = "journal",
	[TABLE_PENDING_LOCAL] = "pending_local",
	[TABLE_PENDING_REMOTE] = "pending_remote",
};

/* Pages read through the map stay in the page cache, but need not count as this
   process's memory. Each look at a place maps sixteen of them, so that few
   places of a big state are many pages. */
#define LOOKS_PER_FORGET 128

struct state_db {
	char *path;
	int fd; /* holds the lock */
	MDB_env *env;
	MDB_dbi tables[TABLE_TOTAL];
	MDB_txn *writer; /* NULL outside of a transaction */
	MDB_txn *reader; /* reset between reads, so that it pins no pages */
	bool is_reading;
	bool is_broken;   /* a commit failed: only closing is left */
	bool is_map_full; /* the last transaction did not fit */
	unsigned begin_count;
	unsigned look_count;
	void *map; /* where LMDB has it; NULL = look it up */
	size_t map_size;
	struct error error;      /* of the transaction */
	struct error read_error; /* first since it was asked for */
};

/* Checksums find damage, not attackers: who can write here can do anything. */
static const uint8_t CHECKSUM_KEY[HASH_KEY_SIZE] = "mailtwin record";

static uint64_t checksum(enum state_table table, const struct state_key *key,
	struct record_bytes value)
{
	uint8_t data[8 + 1 + STATE_KEY_SIZE_MAX];

	number_write_be64(
		data, hash_keyed(CHECKSUM_KEY, value.data, value.size));
	data[8] = (uint8_t)table;
	memcpy(data + 9, key->data, key->size);
	return hash_keyed(CHECKSUM_KEY, data, 9 + key->size);
}

/* LMDB does not write through what it is given for reading. */
static MDB_val val(const void *data, size_t size)
{
	return (MDB_val){ size, (void *)(uintptr_t)data };
}

static enum error_code code_of(int result)
{
	switch (result) {
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_NOTFOUND:
	case MDB_BAD_VALSIZE:
	case MDB_CURSOR_FULL: /* deeper than any tree is: it has no end */
	/* A page was not found where LMDB tells nobody: when it opened a cursor
	   in a table that it had not looked at in this transaction. */
	case MDB_BAD_TXN:
		return ERROR_CORRUPT;
	case MDB_TXN_FULL:
		return ERROR_LIMIT;
	default:
		return ERROR_SYSTEM;
	}
}

static bool set_error(
	struct error *error, int result, const char *what, const char *path)
{
	errno = result;
	/* What LMDB makes of half a write, as on a full disk. */
	if (result == EIO)
		return error_set_errno(error,
			"cannot %s '%s' (no room, or a bad disk)", what, path);
	if (result > 0)
		return error_set_errno(error, "cannot %s '%s'", what, path);
	return error_set(error, code_of(result), "cannot %s '%s': %s", what,
		path, mdb_strerror(result));
}

/* Environment */

/* The first table alone: it tells whether the others may be touched. */
static int open_internal(struct state_db *db)
{
	MDB_txn *txn;
	int result = mdb_txn_begin(db->env, NULL, 0, &txn);

	if (result != 0)
		return result;
	result = mdb_dbi_open(txn, TABLE_NAMES[TABLE_INTERNAL], MDB_CREATE,
		&db->tables[TABLE_INTERNAL]);
	if (result == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return result;
}

/* The others, and no stranger among them: a table whose name was damaged would
   be an empty one of ours and a full one of nobody's. */
static int open_all(struct state_db *db, MDB_txn *txn)
{
	MDB_dbi names;
	MDB_stat stat;
	int result = 0;

	for (size_t i = 0; i < TABLE_TOTAL && result == 0; i++)
		result = mdb_dbi_open(
			txn, TABLE_NAMES[i], MDB_CREATE, &db->tables[i]);
	if (result == 0)
		result = mdb_dbi_open(txn, NULL, 0, &names);
	if (result == 0)
		result = mdb_stat(txn, names, &stat);
	if (result == 0 && stat.ms_entries != TABLE_TOTAL)
		result = MDB_CORRUPTED;
	return result;
}

bool state_db_open_tables(struct state_db *db, struct error *error)
{
	MDB_txn *txn;
	int result = mdb_txn_begin(db->env, NULL, 0, &txn);

	if (result == 0) {
		result = open_all(db, txn);
		if (result == 0)
			result = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (result != 0)
		return set_error(error, result, "open state", db->path);
	return true;
}

static int open_environment(struct state_db *db, size_t map_size)
{
	int result = mdb_env_create(&db->env);

	if (result != 0) {
		db->env = NULL;
		return result;
	}
	result = mdb_env_set_maxdbs(db->env, TABLE_TOTAL + 1);
	if (result == 0)
		result = mdb_env_set_mapsize(db->env, map_size);
	if (result == 0)
		result = mdb_env_open(
			db->env, db->path, ENVIRONMENT_FLAGS, 0600);
	if (result != 0) {
		mdb_env_close(db->env);
		db->env = NULL;
	}
	return result;
}

static bool open_mapped(
	struct state_db *db, size_t map_size, struct error *error)
{
	int result = open_environment(db, map_size);

	while (result == ENOMEM && map_size / 2 >= MAP_SIZE_MIN) {
		map_size /= 2;
		result = open_environment(db, map_size);
	}
	if (result != 0)
		return set_error(error, result, "open state", db->path);
	return true;
}

static uint64_t used_size(struct state_db *db, size_t *map_size_out)
{
	MDB_envinfo info;
	MDB_stat stat;

	/* These fail only without an environment. */
	(void)mdb_env_info(db->env, &info);
	(void)mdb_env_stat(db->env, &stat);
	*map_size_out = info.me_mapsize;
	return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

static bool set_up(struct state_db *db, struct error *error)
{
	size_t map_size;
	int dead_count;
	int result;

	if (!state_file_close_on_exec(db->fd, error) ||
		!state_file_extend(db->fd, used_size(db, &map_size), error))
		return false;
	result = mdb_reader_check(db->env, &dead_count);
	if (result == 0)
		result = open_internal(db);
	if (result == 0)
		result = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->reader);
	if (result != 0)
		return set_error(error, result, "open state", db->path);
	mdb_txn_reset(db->reader);
	return true;
}

struct state_db *state_db_open(
	const char *path, size_t map_size, struct error *error)
{
	int fd = state_file_open(path, error);
	struct state_db *db;

	if (fd == -1)
		return NULL;
	db = alloc(1, sizeof(*db));
	db->fd = fd;
	db->path = alloc_text(path);
	if (!open_mapped(db, map_size, error) || !set_up(db, error)) {
		state_db_close(db);
		return NULL;
	}
	return db;
}

void state_db_close(struct state_db *db)
{
	if (db == NULL)
		return;
	state_db_abort(db);
	if (db->reader != NULL)
		mdb_txn_abort(db->reader);
	if (db->env != NULL)
		mdb_env_close(db->env);
	close(db->fd);
	free(db->path);
	free(db);
}

/* Errors */

static void note_read_error(struct state_db *db, const struct error *error)
{
	if (db->read_error.code == ERROR_NONE)
		db->read_error = *error;
}

void state_db_fail(struct state_db *db, const struct error *error)
{
	if (db->writer != NULL && db->error.code == ERROR_NONE)
		db->error = *error;
	note_read_error(db, error);
}

static void fail(struct state_db *db, int result, const char *what)
{
	struct error error = { 0 };

	if (result == MDB_MAP_FULL)
		db->is_map_full = true;
	set_error(&error, result, what, db->path);
	state_db_fail(db, &error);
}

static void write_hex(const struct state_key *key, char *text, size_t text_size)
{
	size_t used = 0;

	for (size_t i = 0; i < key->size && used + 3 <= text_size; i++)
		used += (size_t)snprintf(
			text + used, text_size - used, "%02x", key->data[i]);
	text[used] = '\0';
}

void state_db_fail_record(struct state_db *db, enum state_table table,
	const struct state_key *key)
{
	struct error error = { 0 };
	char text[65];

	write_hex(key, text, sizeof(text));
	error_set(&error, ERROR_CORRUPT,
		"state '%s' is damaged: record %s in table '%s'", db->path,
		text, TABLE_NAMES[table]);
	state_db_fail(db, &error);
}

bool state_db_read_error(struct state_db *db, struct error *error)
{
	if (db->read_error.code == ERROR_NONE)
		return false;
	if (error != NULL)
		*error = db->read_error;
	error_clear(&db->read_error);
	return true;
}

static bool fail_broken(const struct state_db *db, struct error *error)
{
	return error_set(error, ERROR_SYSTEM,
		"cannot use state '%s' after a failed commit", db->path);
}

/* Transactions */

bool state_db_is_writing(const struct state_db *db)
{
	return db->writer != NULL;
}

bool state_db_is_broken(const struct state_db *db)
{
	return db->is_broken;
}

bool state_db_is_good(const struct state_db *db)
{
	return db->writer != NULL && db->error.code == ERROR_NONE;
}

/* LMDB does not tell where its map is, the kernel does. What is borrowed from
   the map stays valid: pages come back when they are looked at. */
static void forget_pages(struct state_db *db)
{
	db->look_count = 0;
	if (db->map == NULL &&
		!state_file_mapping(db->fd, &db->map, &db->map_size))
		db->map = NULL;
	else
		(void)madvise(db->map, db->map_size, MADV_DONTNEED);
}

static void count_look(struct state_db *db)
{
	if (++db->look_count >= LOOKS_PER_FORGET)
		forget_pages(db);
}

/* Tried before LMDB is asked: it gives up the old map before it makes the new
   one, and when that fails it can make none again. */
static bool has_room(const struct state_db *db, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, db->fd, 0);

	if (map == MAP_FAILED)
		return false;
	(void)munmap(map, size);
	return true;
}

static bool grow(struct state_db *db, struct error *error)
{
	size_t size;
	uint64_t used = used_size(db, &size);
	int result;

	if (!db->is_map_full && used <= size / 2)
		return true;
	if (size > SIZE_MAX / 2 || !has_room(db, size * 2))
		return !db->is_map_full ||
			set_error(error, MDB_MAP_FULL, "grow state", db->path);
	db->map = NULL;
	result = mdb_env_set_mapsize(db->env, size * 2);
	if (result != 0) {
		db->is_broken = true;
		return set_error(error, result, "grow state", db->path);
	}
	db->is_map_full = false;
	return true;
}

bool state_db_begin(struct state_db *db, struct error *error)
{
	int dead_count;
	int result;

	assert(db->writer == NULL && !db->is_reading);
	if (db->is_broken)
		return fail_broken(db, error);
	if (!grow(db, error))
		return false;
	/* Best effort: a reader that died only makes the file grow. */
	if (++db->begin_count % BEGINS_PER_CHECK == 0)
		(void)mdb_reader_check(db->env, &dead_count);
	result = mdb_txn_begin(db->env, NULL, 0, &db->writer);
	if (result != 0) {
		db->writer = NULL;
		return set_error(error, result, "write state", db->path);
	}
	error_clear(&db->error);
	return true;
}

bool state_db_commit(struct state_db *db, struct error *error)
{
	MDB_txn *writer = db->writer;
	int result;

	assert(writer != NULL && !db->is_reading);
	if (db->error.code != ERROR_NONE) {
		if (error != NULL)
			*error = db->error;
		state_db_abort(db);
		return false;
	}
	db->writer = NULL;
	result = mdb_txn_commit(writer);
	if (result == 0) {
		forget_pages(db);
		return true;
	}
	/* After a failed write or fsync nobody knows what is on the disk; a
	   full map is found before the first write. */
	if (result == MDB_MAP_FULL)
		db->is_map_full = true;
	else
		db->is_broken = true;
	return set_error(error, result, "commit to state", db->path);
}

void state_db_abort(struct state_db *db)
{
	if (db->writer == NULL)
		return;
	mdb_txn_abort(db->writer);
	db->writer = NULL;
	error_clear(&db->error);
}

/* Reading */

bool state_db_read_begin(struct state_db *db)
{
	struct error error = { 0 };
	int result;

	assert(!db->is_reading);
	if (db->is_broken) {
		fail_broken(db, &error);
		note_read_error(db, &error);
		return false;
	}
	if (db->writer != NULL) {
		db->is_reading = state_db_is_good(db);
		return db->is_reading;
	}
	result = mdb_txn_renew(db->reader);
	if (result != 0) {
		fail(db, result, "read state");
		return false;
	}
	db->is_reading = true;
	return true;
}

void state_db_read_end(struct state_db *db)
{
	assert(db->is_reading);
	db->is_reading = false;
	if (db->writer == NULL)
		mdb_txn_reset(db->reader);
}

static MDB_txn *transaction(const struct state_db *db)
{
	return db->writer != NULL ? db->writer : db->reader;
}

static bool check_value(struct state_db *db, enum state_table table,
	const struct state_key *key, const MDB_val *value,
	struct record_bytes *value_out)
{
	struct record_bytes bytes = { value->mv_data, value->mv_size };

	if (bytes.size < CHECKSUM_SIZE) {
		state_db_fail_record(db, table, key);
		return false;
	}
	bytes.size -= CHECKSUM_SIZE;
	if (number_read_be64(bytes.data + bytes.size) !=
		checksum(table, key, bytes)) {
		state_db_fail_record(db, table, key);
		return false;
	}
	*value_out = bytes;
	return true;
}

/* Looks `key` up for the transaction and outside of it alike: a failed
   transaction reads nothing. */
static int lookup(struct state_db *db, enum state_table table,
	const struct state_key *key, MDB_val *value)
{
	MDB_val key_val = val(key->data, key->size);

	if (db->writer != NULL && db->error.code != ERROR_NONE)
		return MDB_NOTFOUND;
	count_look(db);
	return mdb_get(transaction(db), db->tables[table], &key_val, value);
}

bool state_db_get(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes *value_out)
{
	MDB_val value;
	int result = lookup(db, table, key, &value);

	if (result == MDB_NOTFOUND)
		return false;
	if (result != 0) {
		fail(db, result, "read state");
		return false;
	}
	return check_value(db, table, key, &value, value_out);
}

struct state_db_walk state_db_walk_open(struct state_db *db,
	enum state_table table, const struct state_key *start)
{
	struct state_db_walk walk = { .db = db, .table = table };
	MDB_cursor *cursor;
	int result;

	walk.start = start;
	if (db->writer != NULL && db->error.code != ERROR_NONE)
		return walk;
	result = mdb_cursor_open(transaction(db), db->tables[table], &cursor);
	if (result != 0)
		fail(db, result, "read state");
	else
		walk.cursor = cursor;
	return walk;
}

static int step(struct state_db_walk *walk, MDB_val *key_val, MDB_val *value)
{
	const struct state_key *start = walk->start;

	if (walk->is_started)
		return mdb_cursor_get(walk->cursor, key_val, value, MDB_NEXT);
	walk->is_started = true;
	walk->start = NULL;
	/* LMDB takes no empty key. */
	if (start->size == 0)
		return mdb_cursor_get(walk->cursor, key_val, value, MDB_FIRST);
	*key_val = val(start->data, start->size);
	return mdb_cursor_get(walk->cursor, key_val, value, MDB_SET_RANGE);
}

static bool copy_key(struct state_db *db, enum state_table table,
	const MDB_val *key_val, struct state_key *key_out)
{
	struct state_key key = { 0 };

	if (key_val->mv_size == 0 || key_val->mv_size > STATE_KEY_SIZE_MAX) {
		state_db_fail_record(db, table, &key);
		return false;
	}
	key_out->size = key_val->mv_size;
	memcpy(key_out->data, key_val->mv_data, key_val->mv_size);
	return true;
}

bool state_db_walk_next(struct state_db_walk *walk, struct state_key *key_out,
	struct record_bytes *value_out)
{
	MDB_val key_val, value;
	bool is_there = false;
	int result;

	if (walk->cursor == NULL)
		return false;
	count_look(walk->db);
	result = step(walk, &key_val, &value);
	if (result != 0 && result != MDB_NOTFOUND)
		fail(walk->db, result, "read state");
	if (result == 0)
		is_there = copy_key(walk->db, walk->table, &key_val, key_out) &&
			check_value(walk->db, walk->table, key_out, &value,
				value_out);
	if (!is_there)
		state_db_walk_close(walk);
	return is_there;
}

void state_db_walk_close(struct state_db_walk *walk)
{
	if (walk->cursor != NULL)
		mdb_cursor_close(walk->cursor);
	walk->cursor = NULL;
}

bool state_db_next(struct state_db *db, enum state_table table,
	const struct state_key *key, struct state_key *key_out,
	struct record_bytes *value_out)
{
	struct state_key start = *key;
	struct state_db_walk walk = state_db_walk_open(db, table, &start);
	bool is_there = state_db_walk_next(&walk, key_out, value_out);

	/* `start` itself is not behind it. */
	if (is_there && start.size != 0 && key_out->size == start.size &&
		memcmp(key_out->data, start.data, start.size) == 0)
		is_there = state_db_walk_next(&walk, key_out, value_out);
	state_db_walk_close(&walk);
	return is_there;
}

bool state_db_last(
	struct state_db *db, enum state_table table, struct state_key *key_out)
{
	struct state_key start = { 0 };
	struct state_db_walk walk = state_db_walk_open(db, table, &start);
	MDB_val key_val, value;
	bool is_there = false;
	int result;

	if (walk.cursor == NULL)
		return false;
	result = mdb_cursor_get(walk.cursor, &key_val, &value, MDB_LAST);
	if (result == 0)
		is_there = copy_key(db, table, &key_val, key_out);
	else if (result != MDB_NOTFOUND)
		fail(db, result, "read state");
	state_db_walk_close(&walk);
	return is_there;
}

uint64_t state_db_entry_count(struct state_db *db, enum state_table table)
{
	MDB_stat stat;
	int result = mdb_stat(transaction(db), db->tables[table], &stat);

	if (result != 0) {
		fail(db, result, "read state");
		return 0;
	}
	return stat.ms_entries;
}

/* Writing */

static int put(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value, unsigned flags)
{
	MDB_val key_val = val(key->data, key->size);
	MDB_val room = val(NULL, value.size + CHECKSUM_SIZE);
	uint64_t sum = checksum(table, key, value);
	uint8_t *data;
	int result;

	count_look(db);
	result = mdb_put(db->writer, db->tables[table], &key_val, &room,
		flags | MDB_RESERVE);
	if (result != 0)
		return result;
	data = room.mv_data;
	if (value.size > 0)
		memcpy(data, value.data, value.size);
	number_write_be64(data + value.size, sum);
	return 0;
}

void state_db_put(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	int result;

	if (!state_db_is_good(db))
		return;
	result = put(db, table, key, value, 0);
	if (result != 0)
		fail(db, result, "write state");
}

void state_db_append(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	int result;

	if (!state_db_is_good(db))
		return;
	result = put(db, table, key, value, MDB_APPEND);
	if (result != 0)
		fail(db, result, "write state");
}

bool state_db_put_new(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	int result;

	if (!state_db_is_good(db))
		return true;
	result = put(db, table, key, value, MDB_NOOVERWRITE);
	if (result == MDB_KEYEXIST)
		return false;
	if (result != 0)
		fail(db, result, "write state");
	return true;
}

void state_db_delete(struct state_db *db, enum state_table table,
	const struct state_key *key)
{
	MDB_val key_val = val(key->data, key->size);
	int result;

	if (!state_db_is_good(db))
		return;
	count_look(db);
	result = mdb_del(db->writer, db->tables[table], &key_val, NULL);
	if (result != 0 && result != MDB_NOTFOUND)
		fail(db, result, "write state");
}
