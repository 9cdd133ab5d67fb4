#include <assert.h>

#include "store/state_internal.h"

void state_folder_put(struct state *state, const struct folder *folder)
{
	struct state_key key = state_key_u32(folder->folder_id);
	struct error error = { 0 };

	assert(state_is_writing(state) && folder->folder_id != 0);
	if (!record_folder_pack(&state->record, folder, &error)) {
		state_db_fail(state->db, &error);
		return;
	}
	state_db_put(
		state->db, TABLE_FOLDER, &key, record_bytes(&state->record));
	if (folder->folder_id >= state->ids.folder_id) {
		state->ids.folder_id = folder->folder_id + 1;
		state->has_new_ids = true;
	}
}

void state_folder_delete(struct state *state, uint32_t folder_id)
{
	struct state_key key = state_key_u32(folder_id);

	assert(state_is_writing(state));
	state_db_delete(state->db, TABLE_FOLDER, &key);
}

/* A key of another size is damage too: it is folder 0. */
static bool unpack(struct state *state, const struct state_key *key,
	struct record_bytes value, struct arena *arena,
	struct folder *folder_out)
{
	uint32_t folder_id = state_key_read_u32(key, 0);

	if (folder_id != 0 && key->size == 4 &&
		record_folder_unpack(value, folder_id, arena, folder_out))
		return true;
	state_db_fail_record(state->db, TABLE_FOLDER, key);
	return false;
}

bool state_folder_get(struct state *state, uint32_t folder_id,
	struct arena *arena, struct folder *folder_out)
{
	struct state_key key = state_key_u32(folder_id);
	struct record_bytes value;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_db_get(state->db, TABLE_FOLDER, &key, &value) &&
		unpack(state, &key, value, arena, folder_out);
	state_db_read_end(state->db);
	return is_there;
}

bool state_next_folder(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct folder *folder_out)
{
	/* There is no folder 0: starting behind it is starting. */
	struct state_key key = state_key_u32((uint32_t)cursor->position);
	struct record_bytes value;
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = state_db_next(state->db, TABLE_FOLDER, &key, &key, &value);
	if (is_there) {
		cursor->position = state_key_read_u32(&key, 0);
		is_there = unpack(state, &key, value, arena, folder_out);
	}
	state_db_read_end(state->db);
	return is_there;
}
