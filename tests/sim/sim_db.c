#include "tests/sim/sim_db.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_db_disk.h"

struct state_db {
	struct disk_db *disk;
	bool has_tables; /* opened by this handle */
	bool is_writing;
	bool is_reading;
	bool is_broken;
	struct error error;      /* of the transaction */
	struct error read_error; /* first since it was asked for */
};

struct sim_db_snapshot {
	struct disk_db *first;
};

void (*sim_db_hook)(const char *call);

static unsigned failing_in[SIM_DB_FAILURE_COUNT]; /* calls; 0 = never */
static uint64_t commit_count;

static void ask(const char *call)
{
	if (sim_db_hook != NULL)
		sim_db_hook(call);
}

static bool fails(enum sim_db_failure failure)
{
	return failing_in[failure] > 0 && --failing_in[failure] == 0;
}

/* ---- What the simulator does ---- */

void sim_db_set_failure(enum sim_db_failure failure, unsigned in_calls)
{
	failing_in[failure] = in_calls;
}

uint64_t sim_db_commit_count(void)
{
	return commit_count;
}

void sim_db_crash(bool loses_last_commit)
{
	for (struct disk_db *db = disk_first(); db != NULL; db = db->next) {
		disk_undo_open(db);
		if (loses_last_commit)
			disk_undo_last(db);
		free(db->handle);
		db->handle = NULL;
	}
}

void sim_db_remove_all(void)
{
	disk_clear();
}

void sim_db_snapshot(struct sim_db_snapshot **snapshot_out)
{
	struct sim_db_snapshot *snapshot = malloc(sizeof(*snapshot));

	if (snapshot == NULL)
		abort();
	snapshot->first = disk_copy_all(disk_first());
	*snapshot_out = snapshot;
}

void sim_db_restore(const struct sim_db_snapshot *snapshot)
{
	disk_replace_all(disk_copy_all(snapshot->first));
}

void sim_db_snapshot_free(struct sim_db_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	disk_free_all(snapshot->first);
	free(snapshot);
}

/* ---- Handles ---- */

struct state_db *state_db_open(
	const char *path, size_t map_size, struct error *error)
{
	struct disk_db *disk = disk_find_or_make(path);
	struct state_db *db;

	(void)map_size;
	if (disk->handle != NULL) {
		error_set(error, ERROR_SYSTEM,
			"cannot open state '%s': it is in use", path);
		return NULL;
	}
	db = calloc(1, sizeof(*db));
	if (db == NULL)
		abort();
	db->disk = disk;
	disk->handle = db;
	disk_forget_last(disk);
	return db;
}

bool state_db_open_tables(struct state_db *db, struct error *error)
{
	(void)error;
	db->has_tables = true;
	return true;
}

void state_db_close(struct state_db *db)
{
	if (db == NULL)
		return;
	state_db_abort(db);
	db->disk->handle = NULL;
	free(db);
}

/* ---- Errors ---- */

static void note_read_error(struct state_db *db, const struct error *error)
{
	if (db->read_error.code == ERROR_NONE)
		db->read_error = *error;
}

void state_db_fail(struct state_db *db, const struct error *error)
{
	if (db->is_writing && db->error.code == ERROR_NONE)
		db->error = *error;
	note_read_error(db, error);
}

static void fail(struct state_db *db, enum error_code code, const char *what)
{
	struct error error = { 0 };

	error_set(&error, code, "cannot %s state '%s'", what, db->disk->path);
	state_db_fail(db, &error);
}

void state_db_fail_record(struct state_db *db, enum state_table table,
	const struct state_key *key)
{
	struct error error = { 0 };

	error_set(&error, ERROR_CORRUPT,
		"state '%s' is damaged: a record of %zu octets' key in table "
		"%d",
		db->disk->path, key->size, (int)table);
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
		"cannot use state '%s' after a failed commit", db->disk->path);
}

static bool fail_errno(const struct state_db *db, int number, const char *what,
	struct error *error)
{
	errno = number;
	return error_set_errno(error, "cannot %s '%s'", what, db->disk->path);
}

/* ---- Transactions ---- */

bool state_db_is_writing(const struct state_db *db)
{
	return db->is_writing;
}

bool state_db_is_broken(const struct state_db *db)
{
	return db->is_broken;
}

bool state_db_is_good(const struct state_db *db)
{
	return db->is_writing && db->error.code == ERROR_NONE;
}

bool state_db_begin(struct state_db *db, struct error *error)
{
	assert(!db->is_writing && !db->is_reading);
	if (db->is_broken)
		return fail_broken(db, error);
	ask("begin");
	if (fails(SIM_DB_FAIL_BEGIN))
		return fail_errno(db, ENOMEM, "write state", error);
	db->is_writing = true;
	error_clear(&db->error);
	ask("begin done");
	return true;
}

static bool fail_commit(struct state_db *db, bool is_kept, struct error *error)
{
	db->is_broken = true;
	if (is_kept)
		disk_commit(db->disk);
	else
		disk_undo_open(db->disk);
	return fail_errno(db, EIO, "commit to state", error);
}

bool state_db_commit(struct state_db *db, struct error *error)
{
	assert(db->is_writing && !db->is_reading);
	if (db->error.code != ERROR_NONE) {
		if (error != NULL)
			*error = db->error;
		state_db_abort(db);
		return false;
	}
	ask("commit");
	db->is_writing = false;
	if (fails(SIM_DB_FAIL_COMMIT))
		return fail_commit(db, false, error);
	if (fails(SIM_DB_FAIL_COMMIT_KEPT))
		return fail_commit(db, true, error);
	disk_commit(db->disk);
	commit_count++;
	ask("commit done");
	return true;
}

void state_db_abort(struct state_db *db)
{
	if (!db->is_writing)
		return;
	disk_undo_open(db->disk);
	db->is_writing = false;
	error_clear(&db->error);
}

/* ---- Reading ---- */

bool state_db_read_begin(struct state_db *db)
{
	struct error error = { 0 };

	assert(!db->is_reading);
	if (db->is_broken) {
		fail_broken(db, &error);
		note_read_error(db, &error);
		return false;
	}
	db->is_reading = !db->is_writing || state_db_is_good(db);
	return db->is_reading;
}

void state_db_read_end(struct state_db *db)
{
	assert(db->is_reading);
	db->is_reading = false;
}

static struct disk_table *table_of(struct state_db *db, enum state_table table)
{
	assert(db->is_reading || db->is_writing);
	assert(db->has_tables || table == TABLE_INTERNAL);
	return &db->disk->tables[table];
}

static struct record_bytes value_of(const struct disk_entry *entry)
{
	return (struct record_bytes){ entry->bytes + entry->key_size,
		entry->value_size };
}

/* LMDB takes no empty key. */
static bool check_key(
	struct state_db *db, const struct state_key *key, const char *what)
{
	if (key->size == 0)
		fail(db, ERROR_CORRUPT, what);
	return key->size != 0;
}

bool state_db_get(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes *value_out)
{
	const struct disk_table *entries = table_of(db, table);
	size_t index;

	if (db->is_writing && !state_db_is_good(db))
		return false;
	if (!check_key(db, key, "read"))
		return false;
	index = disk_lower_bound(entries, key);
	if (!disk_is_at(entries, index, key))
		return false;
	*value_out = value_of(entries->entries[index]);
	return true;
}

/* The cursor is the number of the next entry, counted from one: nothing to free
   when the program is killed. */
static void *cursor_make(size_t index)
{
	return (void *)(uintptr_t)(index + 1);
}

struct state_db_walk state_db_walk_open(struct state_db *db,
	enum state_table table, const struct state_key *start)
{
	struct state_db_walk walk = { .db = db, .table = table };

	(void)table_of(db, table);
	walk.start = start;
	if (!db->is_writing || state_db_is_good(db))
		walk.cursor = cursor_make(0);
	return walk;
}

static void copy_key(const struct disk_entry *entry, struct state_key *key_out)
{
	key_out->size = entry->key_size;
	memcpy(key_out->data, entry->bytes, entry->key_size);
}

bool state_db_walk_next(struct state_db_walk *walk, struct state_key *key_out,
	struct record_bytes *value_out)
{
	const struct disk_table *entries = table_of(walk->db, walk->table);
	size_t index;

	if (walk->cursor == NULL)
		return false;
	index = walk->is_started ? (size_t)(uintptr_t)walk->cursor - 1
				 : disk_lower_bound(entries, walk->start);
	walk->is_started = true;
	walk->start = NULL;
	if (index >= entries->count) {
		state_db_walk_close(walk);
		return false;
	}
	copy_key(entries->entries[index], key_out);
	*value_out = value_of(entries->entries[index]);
	walk->cursor = cursor_make(index + 1);
	return true;
}

void state_db_walk_close(struct state_db_walk *walk)
{
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
	const struct disk_table *entries = table_of(db, table);

	if ((db->is_writing && !state_db_is_good(db)) || entries->count == 0)
		return false;
	copy_key(entries->entries[entries->count - 1], key_out);
	return true;
}

uint64_t state_db_entry_count(struct state_db *db, enum state_table table)
{
	return table_of(db, table)->count;
}

/* ---- Writing ---- */

/* May the write go on? */
static bool begin_write(
	struct state_db *db, const struct state_key *key, const char *call)
{
	if (!state_db_is_good(db))
		return false;
	ask(call);
	if (fails(SIM_DB_FAIL_PUT)) {
		fail(db, ERROR_SYSTEM, "write");
		return false;
	}
	return check_key(db, key, "write");
}

void state_db_put(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	(void)table_of(db, table);
	if (!begin_write(db, key, "put"))
		return;
	disk_put(db->disk, table, key, value);
	ask("put done");
}

void state_db_append(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	const struct disk_table *entries = table_of(db, table);

	if (!begin_write(db, key, "put"))
		return;
	if (disk_lower_bound(entries, key) < entries->count) {
		fail(db, ERROR_SYSTEM, "write");
		return;
	}
	disk_put(db->disk, table, key, value);
	ask("put done");
}

bool state_db_put_new(struct state_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	const struct disk_table *entries = table_of(db, table);

	if (!begin_write(db, key, "put"))
		return true;
	if (disk_is_at(entries, disk_lower_bound(entries, key), key))
		return false;
	disk_put(db->disk, table, key, value);
	ask("put done");
	return true;
}

void state_db_delete(struct state_db *db, enum state_table table,
	const struct state_key *key)
{
	const struct disk_table *entries = table_of(db, table);
	size_t index;

	if (!begin_write(db, key, "delete"))
		return;
	index = disk_lower_bound(entries, key);
	if (disk_is_at(entries, index, key))
		disk_delete(db->disk, table, index);
	ask("delete done");
}
