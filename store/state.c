#define _GNU_SOURCE
#include "store/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/number.h"
#include "store/state_internal.h"

#define KEY_SCHEMA   "schema"
#define KEY_IDS      "ids"
#define KEY_KEYWORDS "keywords"

#define META_NAME_SIZE_MAX ((size_t)100)

#define SCHEMA_SIZE 4
#define IDS_SIZE    (8 + 4 + 8 + 8)

/* One step up from version `from`, inside the transaction that also records
   the new version. */
struct migration {
	uint32_t from;
	void (*migrate)(struct state *state);
};

static const struct migration MIGRATIONS[] = {
	{ UINT32_MAX, NULL }, /* the end: version 1 is the first */
};

static const struct migration *find_migration(uint32_t from)
{
	const struct migration *migration = MIGRATIONS;

	while (migration->migrate != NULL && migration->from != from)
		migration++;
	return migration->migrate == NULL ? NULL : migration;
}

/* Creation and verification, in the transaction of state_open(). */

static void put_schema(struct state *state)
{
	struct state_key key = state_key_text(KEY_SCHEMA);
	uint8_t data[SCHEMA_SIZE];

	number_write_be32(data, STATE_SCHEMA_VERSION);
	state_db_put(state->db, TABLE_INTERNAL, &key,
		(struct record_bytes){ data, sizeof(data) });
}

static void put_ids(struct state *state)
{
	struct state_key key = state_key_text(KEY_IDS);
	uint8_t data[IDS_SIZE];

	number_write_be64(data, state->ids.mid);
	number_write_be32(data + 8, state->ids.folder_id);
	number_write_be64(data + 12, state->ids.intent_id);
	number_write_be64(data + 20, state->ids.sequence);
	state_db_put(state->db, TABLE_INTERNAL, &key,
		(struct record_bytes){ data, sizeof(data) });
}

static bool is_blank(struct state *state)
{
	for (unsigned table = 0; table < TABLE_TOTAL; table++)
		if (state_db_entry_count(state->db, (enum state_table)table) !=
			0)
			return false;
	return true;
}

/* Errors are the transaction's. */
static void create(struct state *state)
{
	struct state_key key = state_key_text(STATE_KEY_SECRET);
	struct error error = { 0 };

	if (!state->has_secret &&
		getrandom(state->secret, sizeof(state->secret), 0) !=
			(ssize_t)sizeof(state->secret)) {
		error_set_errno(&error, "cannot get random bytes");
		state_db_fail(state->db, &error);
		return;
	}
	state->ids = (struct state_ids){ 1, 1, 1, 1 };
	put_schema(state);
	put_ids(state);
	state_db_put(state->db, TABLE_INTERNAL, &key,
		(struct record_bytes){ state->secret, sizeof(state->secret) });
}

/* Before anything is written to it. */
static bool check_version(uint32_t version, struct error *error)
{
	if (version > STATE_SCHEMA_VERSION)
		return error_set(error, ERROR_CONFIG,
			"cannot use the state: a newer mailtwin wrote it "
			"(schema %u, this one knows %d)",
			version, STATE_SCHEMA_VERSION);
	for (; version < STATE_SCHEMA_VERSION; version++)
		if (find_migration(version) == NULL)
			return error_set(error, ERROR_CONFIG,
				"cannot use the state: its schema %u is too "
				"old for this mailtwin",
				version);
	return true;
}

static bool check_schema(struct state *state, struct error *error)
{
	struct state_key key = state_key_text(KEY_SCHEMA);
	struct record_bytes value;
	bool is_known = true;

	if (!state_db_read_begin(state->db))
		return !state_db_read_error(state->db, error);
	/* None: a new state, or a damaged one, which load() finds out. */
	if (state_db_get(state->db, TABLE_INTERNAL, &key, &value) &&
		value.size == SCHEMA_SIZE)
		is_known = check_version(number_read_be32(value.data), error);
	state_db_read_end(state->db);
	return is_known && !state_db_read_error(state->db, error);
}

/* check_version() has seen that each step is there. */
static void migrate(struct state *state, uint32_t version)
{
	const struct migration *step;

	if (version == STATE_SCHEMA_VERSION)
		return;
	while ((step = find_migration(version++)) != NULL)
		step->migrate(state);
	put_schema(state);
}

/* A small record that must be there. */
static bool get_internal(struct state *state, const char *name, size_t size,
	struct record_bytes *value_out)
{
	struct state_key key = state_key_text(name);

	if (state_db_get(state->db, TABLE_INTERNAL, &key, value_out) &&
		value_out->size == size)
		return true;
	state_db_fail_record(state->db, TABLE_INTERNAL, &key);
	return false;
}

/* Errors are the transaction's. */
static void load(struct state *state)
{
	struct record_bytes value;

	if (!get_internal(state, KEY_SCHEMA, SCHEMA_SIZE, &value))
		return;
	migrate(state, number_read_be32(value.data));
	if (!get_internal(
		    state, STATE_KEY_SECRET, sizeof(state->secret), &value))
		return;
	memcpy(state->secret, value.data, sizeof(state->secret));
	if (!get_internal(state, KEY_IDS, IDS_SIZE, &value))
		return;
	state->ids.mid = number_read_be64(value.data);
	state->ids.folder_id = number_read_be32(value.data + 8);
	state->ids.intent_id = number_read_be64(value.data + 12);
	state->ids.sequence = number_read_be64(value.data + 20);
}

/* An id that was given out must not be given out again. */
static void check_ids(struct state *state)
{
	const struct {
		enum state_table table;
		uint64_t next;
	} checks[] = {
		{ TABLE_PAIR, state->ids.mid },
		{ TABLE_INTENT, state->ids.intent_id },
		{ TABLE_JOURNAL, state->ids.sequence },
	};
	struct state_key key;

	for (size_t i = 0; i < ARRAY_LENGTH(checks); i++)
		if (state_db_last(state->db, checks[i].table, &key) &&
			state_key_read_u64(&key, 0) >= checks[i].next)
			state_db_fail_record(state->db, checks[i].table, &key);
	if (state_db_last(state->db, TABLE_FOLDER, &key) &&
		state_key_read_u32(&key, 0) >= state->ids.folder_id)
		state_db_fail_record(state->db, TABLE_FOLDER, &key);
	if (state_db_last(state->db, TABLE_PAIR, &key))
		state->mid_last = state_key_read_u64(&key, 0);
}

static bool set_up(struct state *state, const char *path, struct error *error)
{
	if (!check_schema(state, error))
		return error_prefix(error, "state '%s'", path);
	if (!state_db_open_tables(state->db, error) ||
		!state_db_begin(state->db, error))
		return false;
	if (is_blank(state))
		create(state);
	else
		load(state);
	check_ids(state);
	return state_db_commit(state->db, error) &&
		state_counts_load(state, error);
}

static struct state *open_with_secret(const char *path, size_t map_size,
	const uint8_t *secret, struct error *error)
{
	struct state_db *db = state_db_open(path, map_size, error);
	struct state *state;

	if (db == NULL)
		return NULL;
	state = alloc(1, sizeof(*state));
	state->db = db;
	state->has_secret = secret != NULL;
	if (secret != NULL)
		memcpy(state->secret, secret, sizeof(state->secret));
	if (!set_up(state, path, error)) {
		state_close(state);
		return NULL;
	}
	return state;
}

struct state *state_open_sized(
	const char *path, size_t map_size, struct error *error)
{
	return open_with_secret(path, map_size, NULL, error);
}

struct state *state_open_new(
	const char *path, const uint8_t *secret, struct error *error)
{
	return open_with_secret(path, STATE_DB_MAP_SIZE, secret, error);
}

struct state *state_open(const char *path, struct error *error)
{
	return state_open_sized(path, STATE_DB_MAP_SIZE, error);
}

void state_close(struct state *state)
{
	if (state == NULL)
		return;
	state_db_close(state->db);
	state_counts_finish(&state->counts);
	buf_finish(&state->record);
	arena_finish(&state->scratch);
	free(state);
}

bool state_begin(struct state *state, struct error *error)
{
	return state_db_begin(state->db, error);
}

/* What the transaction counted did not happen. */
static void reload_counts(struct state *state)
{
	struct error error = { 0 };

	if (!state_counts_load(state, &error))
		state_db_fail(state->db, &error);
}

bool state_commit(struct state *state, struct error *error)
{
	if (state->has_new_ids)
		put_ids(state);
	state_counts_save(state);
	if (state_db_commit(state->db, error)) {
		state->has_new_ids = false;
		return true;
	}
	reload_counts(state);
	return false;
}

void state_abort(struct state *state)
{
	if (!state_db_is_writing(state->db))
		return;
	state_db_abort(state->db);
	reload_counts(state);
}

bool state_is_writing(const struct state *state)
{
	return state_db_is_writing(state->db);
}

bool state_is_broken(const struct state *state)
{
	return state_db_is_broken(state->db);
}

bool state_read_error(struct state *state, struct error *error)
{
	return state_db_read_error(state->db, error);
}

const uint8_t *state_secret(const struct state *state)
{
	return state->secret;
}

uint64_t state_pair_new_mid(struct state *state)
{
	state->has_new_ids = true;
	return state->ids.mid++;
}

uint64_t state_pair_next_mid(const struct state *state)
{
	return state->ids.mid;
}

uint32_t state_folder_new_id(struct state *state)
{
	state->has_new_ids = true;
	return state->ids.folder_id++;
}

/* Small things by name */

static bool check_meta(const char *name, size_t size, struct error *error)
{
	if (name[0] == '\0' || size > STATE_META_SIZE_MAX)
		return error_set(error, ERROR_LIMIT,
			"cannot record '%s': %zu bytes", name, size);
	return record_check_text("name", name, META_NAME_SIZE_MAX, error);
}

void state_meta_put(
	struct state *state, const char *name, const void *data, size_t size)
{
	struct error error = { 0 };
	struct state_key key;

	assert(state_is_writing(state));
	if (!check_meta(name, size, &error)) {
		state_db_fail(state->db, &error);
		return;
	}
	key = state_key_text(name);
	state_db_put(state->db, TABLE_META, &key,
		(struct record_bytes){ data, size });
}

bool state_meta_get(struct state *state, const char *name, struct arena *arena,
	const uint8_t **data_out, size_t *size_out)
{
	struct record_bytes value;
	struct state_key key;
	bool is_there;

	if (!check_meta(name, 0, NULL) || !state_db_read_begin(state->db))
		return false;
	key = state_key_text(name);
	is_there = state_db_get(state->db, TABLE_META, &key, &value);
	if (is_there) {
		*data_out = arena_copy(arena, value.data, value.size);
		*size_out = value.size;
	}
	state_db_read_end(state->db);
	return is_there;
}

void state_keywords_put(struct state *state, const struct keyword_table *table)
{
	struct state_key key = state_key_text(KEY_KEYWORDS);

	assert(state_is_writing(state));
	record_keywords_pack(&state->record, table);
	state_db_put(
		state->db, TABLE_INTERNAL, &key, record_bytes(&state->record));
}

void state_keywords_get(struct state *state, struct keyword_table *table)
{
	struct state_key key = state_key_text(KEY_KEYWORDS);
	struct record_bytes value;

	keyword_table_finish(table);
	keyword_table_init(table);
	if (!state_db_read_begin(state->db))
		return;
	if (state_db_get(state->db, TABLE_INTERNAL, &key, &value) &&
		!record_keywords_unpack(value, table))
		state_db_fail_record(state->db, TABLE_INTERNAL, &key);
	state_db_read_end(state->db);
}
