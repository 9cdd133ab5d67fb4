#include <assert.h>

#include "store/state_internal.h"

void state_tomb_put(struct state *state, const struct tomb *tomb)
{
	struct state_key key = state_key_u64(tomb->mid);

	assert(state_is_writing(state));
	record_tomb_pack(&state->record, tomb);
	state_db_put(state->db, TABLE_TOMB, &key, record_bytes(&state->record));
}

static bool next(struct state *state, struct state_key *key,
	struct arena *arena, struct tomb *tomb_out)
{
	struct record_bytes value;

	if (!state_db_next(state->db, TABLE_TOMB, key, key, &value))
		return false;
	if (record_tomb_unpack(
		    value, state_key_read_u64(key, 0), arena, tomb_out))
		return true;
	state_db_fail_record(state->db, TABLE_TOMB, key);
	return false;
}

bool state_next_tomb(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct tomb *tomb_out)
{
	struct state_key behind = state_key_u64(cursor->position);
	struct state_key key = { 0 };
	bool is_there;

	if (cursor->is_started)
		key = behind;
	if (!state_db_read_begin(state->db))
		return false;
	is_there = next(state, &key, arena, tomb_out);
	state_db_read_end(state->db);
	if (is_there) {
		cursor->position = tomb_out->mid;
		cursor->is_started = true;
	}
	return is_there;
}

void state_tomb_purge(struct state *state, int64_t older_than)
{
	struct state_key key = { 0 };
	struct tomb tomb;

	assert(state_is_writing(state));
	arena_reset(&state->scratch);
	while (next(state, &key, &state->scratch, &tomb)) {
		if (tomb.time < older_than)
			state_db_delete(state->db, TABLE_TOMB, &key);
		arena_reset(&state->scratch);
	}
}
