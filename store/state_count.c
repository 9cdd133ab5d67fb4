#include "store/state_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"

#define VALUE_SIZE 16

/* The first counter at or behind `folder_id`. */
static size_t position_of(const struct state_counts *counts, uint32_t folder_id)
{
	size_t first = 0;
	size_t end = counts->count;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (counts->items[middle].folder_id < folder_id)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

const struct state_count *state_counts_find(
	const struct state_counts *counts, uint32_t folder_id)
{
	size_t i = position_of(counts, folder_id);

	if (i == counts->count || counts->items[i].folder_id != folder_id)
		return NULL;
	return &counts->items[i];
}

struct state_count *state_counts_of(
	struct state_counts *counts, uint32_t folder_id)
{
	size_t i = position_of(counts, folder_id);

	if (i < counts->count && counts->items[i].folder_id == folder_id)
		return &counts->items[i];
	if (counts->count == counts->capacity) {
		counts->capacity = counts->capacity * 2 + 16;
		counts->items = alloc_resize(counts->items, counts->capacity,
			sizeof(*counts->items));
	}
	memmove(counts->items + i + 1, counts->items + i,
		(counts->count - i) * sizeof(*counts->items));
	counts->count++;
	counts->items[i] = (struct state_count){ .folder_id = folder_id };
	return &counts->items[i];
}

void state_counts_finish(struct state_counts *counts)
{
	free(counts->items);
	*counts = (struct state_counts){ 0 };
}

/* False when the entry is damaged. */
static bool load_entry(struct state *state, const struct state_key *key,
	struct record_bytes value)
{
	struct state_count *count;

	if (key->size != 4 || value.size != VALUE_SIZE) {
		state_db_fail_record(state->db, TABLE_COUNT_OF, key);
		return false;
	}
	count = state_counts_of(&state->counts, state_key_read_u32(key, 0));
	count->remote = number_read_be64(value.data);
	count->local = number_read_be64(value.data + 8);
	return true;
}

bool state_counts_load(struct state *state, struct error *error)
{
	struct state_key start = { 0 };
	struct state_key key;
	struct record_bytes value;
	struct state_db_walk walk;

	state_counts_finish(&state->counts);
	if (!state_db_read_begin(state->db))
		return !state_db_read_error(state->db, error);
	walk = state_db_walk_open(state->db, TABLE_COUNT_OF, &start);
	while (state_db_walk_next(&walk, &key, &value) &&
		load_entry(state, &key, value))
		continue;
	state_db_walk_close(&walk);
	state_db_read_end(state->db);
	return !state_db_read_error(state->db, error);
}

static void save(struct state *state, const struct state_count *count)
{
	struct state_key key = state_key_u32(count->folder_id);
	uint8_t data[VALUE_SIZE];

	if (count->remote == 0 && count->local == 0) {
		state_db_delete(state->db, TABLE_COUNT_OF, &key);
		return;
	}
	number_write_be64(data, count->remote);
	number_write_be64(data + 8, count->local);
	state_db_put(state->db, TABLE_COUNT_OF, &key,
		(struct record_bytes){ data, sizeof(data) });
}

void state_counts_save(struct state *state)
{
	for (size_t i = 0; i < state->counts.count; i++) {
		struct state_count *count = &state->counts.items[i];

		if (!count->is_changed)
			continue;
		save(state, count);
		count->is_changed = false;
	}
}

uint64_t state_folder_remote_count(struct state *state, uint32_t folder_id)
{
	const struct state_count *count =
		state_counts_find(&state->counts, folder_id);

	return count == NULL ? 0 : count->remote;
}

uint64_t state_folder_local_count(struct state *state, uint32_t folder_id)
{
	const struct state_count *count =
		state_counts_find(&state->counts, folder_id);

	return count == NULL ? 0 : count->local;
}
