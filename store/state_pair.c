/* Pairs and their indexes. An index entry is never trusted alone: the pair it
   leads to must claim the same key, else the state is damaged. */
#include <assert.h>
#include <string.h>

#include "base/number.h"
#include "store/state_internal.h"

#define UNIQUE_POSITION 4 /* in its key, behind the folder */

void state_pair_claims(const struct pair *pair, struct pair_claims *claims)
{
	const struct remote_state *remote = &pair->remote;
	const struct local_state *local = &pair->local;

	claims->has_uid = remote->uid != 0 &&
		(remote->presence == PRESENCE_PRESENT ||
			remote->presence == PRESENCE_UNKNOWN);
	if (claims->has_uid)
		claims->uid = state_key_uid(remote->folder_id, remote->uid);
	claims->has_unique = local->name != NULL;
	if (claims->has_unique)
		claims->unique =
			state_key_unique(local->folder_id, local->name);
	claims->has_inode = local->inode != 0;
	if (claims->has_inode)
		claims->inode =
			state_key_inode(local->device, local->inode, pair->mid);
	claims->is_unsettled = !pair_is_settled(pair);
	claims->counts_remote = remote->presence == PRESENCE_PRESENT;
	claims->remote_folder_id = remote->folder_id;
	claims->counts_local = local->presence == PRESENCE_PRESENT;
	claims->local_folder_id = local->folder_id;
}

uint64_t state_read_mid(struct record_bytes value)
{
	return value.size == 8 ? number_read_be64(value.data) : 0;
}

bool state_read_pair(struct state *state, uint64_t mid, struct arena *arena,
	struct pair *pair_out)
{
	struct state_key key = state_key_u64(mid);
	struct record_bytes value;

	if (!state_db_get(state->db, TABLE_PAIR, &key, &value))
		return false;
	if (record_pair_unpack(value, mid, arena, pair_out))
		return true;
	state_db_fail_record(state->db, TABLE_PAIR, &key);
	return false;
}

/* Writing */

static void fail_claimed(
	struct state *state, enum state_table table, uint64_t mid)
{
	struct error error = { 0 };

	error_set(&error, ERROR_CORRUPT,
		"cannot record message %llu: another one has its %s",
		(unsigned long long)mid,
		table == TABLE_BY_UID ? "UID" : "file name");
	state_db_fail(state->db, &error);
}

/* Moves an index entry from the old key to the new one; NULL is none. */
static void update_index(struct state *state, enum state_table table,
	const struct state_key *old, const struct state_key *new, uint64_t mid)
{
	uint8_t data[8];

	if (old != NULL && new != NULL && state_key_equal(old, new))
		return;
	if (old != NULL)
		state_db_delete(state->db, table, old);
	if (new == NULL)
		return;
	number_write_be64(data, mid);
	if (!state_db_put_new(state->db, table, new,
		    (struct record_bytes){ data, sizeof(data) }))
		fail_claimed(state, table, mid);
}

/* Same for entries that are their key alone. */
static void update_member(struct state *state, enum state_table table,
	const struct state_key *old, const struct state_key *new)
{
	if (old != NULL && new != NULL && state_key_equal(old, new))
		return;
	if (old != NULL)
		state_db_delete(state->db, table, old);
	if (new != NULL)
		state_db_put(state->db, table, new, RECORD_NOTHING);
}

static void count(
	struct state *state, const struct pair_claims *claims, bool is_added)
{
	uint64_t change = is_added ? 1 : UINT64_MAX; /* modulo: minus one */
	struct state_count *item;

	if (claims->counts_remote) {
		item = state_counts_of(
			&state->counts, claims->remote_folder_id);
		item->remote += change;
		item->is_changed = true;
	}
	if (claims->counts_local) {
		item = state_counts_of(&state->counts, claims->local_folder_id);
		item->local += change;
		item->is_changed = true;
	}
}

static const struct state_key *key_if(
	bool is_there, const struct state_key *key)
{
	return is_there ? key : NULL;
}

/* From what the pair claimed to what it claims now. */
static void update_indexes(struct state *state, uint64_t mid,
	const struct pair_claims *old, const struct pair_claims *new)
{
	struct state_key key = state_key_u64(mid);

	update_index(state, TABLE_BY_UID, key_if(old->has_uid, &old->uid),
		key_if(new->has_uid, &new->uid), mid);
	update_index(state, TABLE_BY_UNIQUE,
		key_if(old->has_unique, &old->unique),
		key_if(new->has_unique, &new->unique), mid);
	update_member(state, TABLE_BY_INODE,
		key_if(old->has_inode, &old->inode),
		key_if(new->has_inode, &new->inode));
	update_member(state, TABLE_UNSETTLED, key_if(old->is_unsettled, &key),
		key_if(new->is_unsettled, &key));
	count(state, old, false);
	count(state, new, true);
}

/* What the record under `mid` claims; nothing when there is none. */
static void read_claims(
	struct state *state, uint64_t mid, struct pair_claims *claims)
{
	struct pair pair;

	claims->has_uid = claims->has_unique = claims->has_inode = false;
	claims->is_unsettled = false;
	claims->counts_remote = claims->counts_local = false;
	arena_reset(&state->scratch);
	if (state_read_pair(state, mid, &state->scratch, &pair))
		state_pair_claims(&pair, claims);
}

static void put_record(struct state *state, uint64_t mid)
{
	struct state_key key = state_key_u64(mid);

	if (mid > state->mid_last) {
		state_db_append(state->db, TABLE_PAIR, &key,
			record_bytes(&state->record));
		state->mid_last = mid;
	} else {
		state_db_put(state->db, TABLE_PAIR, &key,
			record_bytes(&state->record));
	}
	if (mid >= state->ids.mid) {
		state->ids.mid = mid + 1;
		state->has_new_ids = true;
	}
}

void state_pair_put(struct state *state, const struct pair *pair)
{
	struct pair_claims old, new;
	struct error error = { 0 };

	assert(state_is_writing(state) && pair->mid != 0);
	if (!state_db_is_good(state->db))
		return;
	if (!record_pair_pack(&state->record, pair, &error)) {
		state_db_fail(state->db, &error);
		return;
	}
	read_claims(state, pair->mid, &old);
	state_pair_claims(pair, &new);
	put_record(state, pair->mid);
	update_indexes(state, pair->mid, &old, &new);
}

void state_pair_delete(struct state *state, uint64_t mid)
{
	struct state_key key = state_key_u64(mid);
	struct pair_claims old;
	struct pair_claims none = { 0 };

	assert(state_is_writing(state));
	if (!state_db_is_good(state->db))
		return;
	read_claims(state, mid, &old);
	state_db_delete(state->db, TABLE_PAIR, &key);
	update_indexes(state, mid, &old, &none);
}

/* Reading */

bool state_pair_get(struct state *state, uint64_t mid, struct arena *arena,
	struct pair *pair_out)
{
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_read_pair(state, mid, arena, pair_out);
	state_db_read_end(state->db);
	return is_there;
}

static bool claims_key(const struct pair *pair, enum state_table table,
	const struct state_key *key)
{
	struct pair_claims claims;

	state_pair_claims(pair, &claims);
	if (table == TABLE_BY_UID)
		return claims.has_uid && state_key_equal(&claims.uid, key);
	if (table == TABLE_BY_UNIQUE)
		return claims.has_unique &&
			state_key_equal(&claims.unique, key);
	if (table == TABLE_BY_INODE)
		return claims.has_inode && state_key_equal(&claims.inode, key);
	assert(table == TABLE_UNSETTLED);
	return claims.is_unsettled;
}

/* The pair an index entry leads to. */
static bool follow(struct state *state, enum state_table table,
	const struct state_key *key, uint64_t mid, struct arena *arena,
	struct pair *pair_out)
{
	struct pair pair;

	if (!state_read_pair(state, mid, arena, &pair) ||
		!claims_key(&pair, table, key)) {
		state_db_fail_record(state->db, table, key);
		return false;
	}
	*pair_out = pair;
	return true;
}

static bool get_by_key(struct state *state, enum state_table table,
	const struct state_key *key, struct arena *arena, struct pair *pair_out)
{
	struct record_bytes value;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_db_get(state->db, table, key, &value) &&
		follow(state, table, key, state_read_mid(value), arena,
			pair_out);
	state_db_read_end(state->db);
	return is_there;
}

bool state_pair_by_uid(struct state *state, uint32_t folder_id, uint32_t uid,
	struct arena *arena, struct pair *pair_out)
{
	struct state_key key = state_key_uid(folder_id, uid);

	return get_by_key(state, TABLE_BY_UID, &key, arena, pair_out);
}

bool state_pair_by_unique(struct state *state, uint32_t folder_id,
	const char *name, struct arena *arena, struct pair *pair_out)
{
	struct state_key key;

	/* No pair can have such a name. */
	if (pair_unique_size(name) > RECORD_NAME_SIZE_MAX)
		return false;
	key = state_key_unique(folder_id, name);
	return get_by_key(state, TABLE_BY_UNIQUE, &key, arena, pair_out);
}

static bool is_better_place(const struct pair *pair)
{
	return pair->local.presence == PRESENCE_PRESENT ||
		pair->local.presence == PRESENCE_UNKNOWN;
}

/* Hard links and reused inodes: of several pairs the first that may still have
   its file, else the first. */
static bool find_by_inode(struct state *state, const struct state_key *prefix,
	struct arena *arena, struct pair *pair_out)
{
	struct state_key key = *prefix;
	struct record_bytes value;
	struct state_db_walk walk;
	struct pair pair;
	bool is_found = false;

	walk = state_db_walk_open(state->db, TABLE_BY_INODE, prefix);
	while (state_db_walk_next(&walk, &key, &value) &&
		state_key_starts_with(&key, prefix)) {
		if (!follow(state, TABLE_BY_INODE, &key,
			    state_key_read_u64(&key, 16), arena, &pair)) {
			is_found = false;
			break;
		}
		if (!is_found || is_better_place(&pair))
			*pair_out = pair;
		is_found = true;
		if (is_better_place(&pair))
			break;
	}
	state_db_walk_close(&walk);
	return is_found;
}

bool state_pair_by_inode(struct state *state, uint64_t device, uint64_t inode,
	struct arena *arena, struct pair *pair_out)
{
	struct state_key prefix = state_key_u64_pair(device, inode);
	struct pair pair;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = find_by_inode(state, &prefix, arena, &pair);
	state_db_read_end(state->db);
	if (is_there)
		*pair_out = pair;
	return is_there;
}

/* Walks */

static struct state_key start_key(
	const struct state_cursor *cursor, const struct state_key *behind)
{
	return cursor->is_started ? *behind : (struct state_key){ 0 };
}

bool state_next_unsettled(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct pair *pair_out)
{
	struct state_key behind = state_key_u64(cursor->position);
	struct state_key key = start_key(cursor, &behind);
	struct record_bytes value;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there =
		state_db_next(state->db, TABLE_UNSETTLED, &key, &key, &value);
	if (is_there) {
		cursor->position = state_key_read_u64(&key, 0);
		cursor->is_started = true;
		is_there = follow(state, TABLE_UNSETTLED, &key,
			cursor->position, arena, pair_out);
	}
	state_db_read_end(state->db);
	return is_there;
}

uint64_t state_unsettled_count(struct state *state)
{
	uint64_t unsettled_count;

	if (!state_db_read_begin(state->db))
		return 0;
	unsettled_count = state_db_entry_count(state->db, TABLE_UNSETTLED);
	state_db_read_end(state->db);
	return unsettled_count;
}

bool state_next_pair(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct pair *pair_out)
{
	struct state_key behind = state_key_u64(cursor->position);
	struct state_key key = start_key(cursor, &behind);
	struct record_bytes value;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_db_next(state->db, TABLE_PAIR, &key, &key, &value);
	if (is_there) {
		cursor->position = state_key_read_u64(&key, 0);
		cursor->is_started = true;
		is_there = record_pair_unpack(
			value, cursor->position, arena, pair_out);
		if (!is_there)
			state_db_fail_record(state->db, TABLE_PAIR, &key);
	}
	state_db_read_end(state->db);
	return is_there;
}

/* The entry behind `behind` that still belongs to `folder_id`. */
static bool next_in_folder(struct state *state, enum state_table table,
	uint32_t folder_id, struct state_key *key, struct arena *arena,
	struct pair *pair_out)
{
	struct record_bytes value;

	return state_db_next(state->db, table, key, key, &value) &&
		state_key_read_u32(key, 0) == folder_id &&
		follow(state, table, key, state_read_mid(value), arena,
			pair_out);
}

bool state_next_by_uid(struct state *state, uint32_t folder_id,
	struct state_cursor *cursor, struct arena *arena, struct pair *pair_out)
{
	struct state_key key =
		state_key_uid(folder_id, (uint32_t)cursor->position);
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	/* UID 0 is in no index: starting behind it is starting. */
	is_there = next_in_folder(
		state, TABLE_BY_UID, folder_id, &key, arena, pair_out);
	state_db_read_end(state->db);
	if (is_there)
		cursor->position = pair_out->remote.uid;
	return is_there;
}

void state_folder_uids(
	struct state *state, uint32_t folder_id, struct uid_set *uids)
{
	struct state_key key = state_key_u32(folder_id);
	struct state_key start = key;
	struct record_bytes value;
	struct state_db_walk walk;

	uid_set_clear(uids);
	if (!state_db_read_begin(state->db))
		return;
	walk = state_db_walk_open(state->db, TABLE_BY_UID, &start);
	while (state_db_walk_next(&walk, &key, &value) &&
		state_key_read_u32(&key, 0) == folder_id)
		uid_set_add(uids, state_key_read_u32(&key, 4));
	state_db_walk_close(&walk);
	state_db_read_end(state->db);
}

static void remember_unique(
	struct state_cursor *cursor, const struct state_key *key)
{
	size_t size = key->size - UNIQUE_POSITION;

	memcpy(cursor->text, key->data + UNIQUE_POSITION, size);
	cursor->text[size] = '\0';
	cursor->is_started = true;
}

bool state_next_by_unique(struct state *state, uint32_t folder_id,
	struct state_cursor *cursor, struct arena *arena, struct pair *pair_out)
{
	struct state_key key = state_key_u32(folder_id);
	bool is_there;

	if (cursor->is_started)
		key = state_key_unique(folder_id, cursor->text);
	if (!state_db_read_begin(state->db))
		return false;
	is_there = next_in_folder(
		state, TABLE_BY_UNIQUE, folder_id, &key, arena, pair_out);
	state_db_read_end(state->db);
	if (is_there)
		remember_unique(cursor, &key);
	return is_there;
}
