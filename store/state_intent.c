#include <assert.h>

#include "store/state_internal.h"

static bool unpack(struct state *state, const struct state_key *key,
	struct record_bytes value, struct intent *intent_out)
{
	uint64_t intent_id = state_key_read_u64(key, 0);

	if (intent_id != 0 && key->size == 8 &&
		record_intent_unpack(value, intent_id, intent_out))
		return true;
	state_db_fail_record(state->db, TABLE_INTENT, key);
	return false;
}

static bool read_intent(
	struct state *state, uint64_t intent_id, struct intent *intent_out)
{
	struct state_key key = state_key_u64(intent_id);
	struct record_bytes value;

	return state_db_get(state->db, TABLE_INTENT, &key, &value) &&
		unpack(state, &key, value, intent_out);
}

static void forget_mid(struct state *state, uint64_t intent_id)
{
	struct intent old;
	struct state_key key;

	if (!read_intent(state, intent_id, &old))
		return;
	key = state_key_u64_pair(old.mid, intent_id);
	state_db_delete(state->db, TABLE_INTENT_BY_MID, &key);
}

uint64_t state_intent_put(struct state *state, const struct intent *intent)
{
	uint64_t intent_id = intent->intent_id;
	struct state_key key;

	assert(state_is_writing(state));
	if (intent_id == 0)
		intent_id = state->ids.intent_id;
	else
		forget_mid(state, intent_id);
	if (intent_id >= state->ids.intent_id) {
		state->ids.intent_id = intent_id + 1;
		state->has_new_ids = true;
	}
	record_intent_pack(&state->record, intent);
	key = state_key_u64(intent_id);
	state_db_put(
		state->db, TABLE_INTENT, &key, record_bytes(&state->record));
	key = state_key_u64_pair(intent->mid, intent_id);
	state_db_put(state->db, TABLE_INTENT_BY_MID, &key, RECORD_NOTHING);
	return intent_id;
}

void state_intent_delete(struct state *state, uint64_t intent_id)
{
	struct state_key key = state_key_u64(intent_id);

	assert(state_is_writing(state));
	forget_mid(state, intent_id);
	state_db_delete(state->db, TABLE_INTENT, &key);
}

bool state_next_intent(struct state *state, struct state_cursor *cursor,
	struct intent *intent_out)
{
	/* There is no intent 0: starting behind it is starting. */
	struct state_key key = state_key_u64(cursor->position);
	struct record_bytes value;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_db_next(state->db, TABLE_INTENT, &key, &key, &value);
	if (is_there) {
		cursor->position = state_key_read_u64(&key, 0);
		is_there = unpack(state, &key, value, intent_out);
	}
	state_db_read_end(state->db);
	return is_there;
}

bool state_intent_of_mid(
	struct state *state, uint64_t mid, struct intent *intent_out)
{
	struct state_key prefix = state_key_u64(mid);
	struct state_key key;
	struct record_bytes value;
	struct intent intent;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_db_next(state->db, TABLE_INTENT_BY_MID, &prefix, &key,
			   &value) &&
		state_key_starts_with(&key, &prefix);
	if (is_there) {
		is_there = read_intent(
			state, state_key_read_u64(&key, 8), &intent);
		if (!is_there || intent.mid != mid) {
			state_db_fail_record(
				state->db, TABLE_INTENT_BY_MID, &key);
			is_there = false;
		}
	}
	state_db_read_end(state->db);
	if (is_there)
		*intent_out = intent;
	return is_there;
}
