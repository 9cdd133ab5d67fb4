/* An entry without outcome is also in the pending table of its side, under its
   message: so counting them and settling a message touch nothing else. */
#include <assert.h>

#include "store/state_internal.h"

#define ENTRY_COUNT_MAX ((uint64_t)100000) /* finished ones */
#define ENTRY_AGE_MAX   ((int64_t)30 * 24 * 60 * 60)

enum state_table state_pending_table(enum journal_side side)
{
	return side == JOURNAL_LOCAL ? TABLE_PENDING_LOCAL
				     : TABLE_PENDING_REMOTE;
}

static bool unpack(struct state *state, const struct state_key *key,
	struct record_bytes value, struct arena *arena,
	struct journal_entry *entry_out)
{
	if (key->size == 8 &&
		record_journal_unpack(
			value, state_key_read_u64(key, 0), arena, entry_out))
		return true;
	state_db_fail_record(state->db, TABLE_JOURNAL, key);
	return false;
}

uint64_t state_journal_append(
	struct state *state, const struct journal_entry *entry)
{
	uint64_t sequence = state->ids.sequence++;
	struct state_key key = state_key_u64(sequence);

	assert(state_is_writing(state));
	state->has_new_ids = true;
	record_journal_pack(&state->record, entry);
	state_db_append(
		state->db, TABLE_JOURNAL, &key, record_bytes(&state->record));
	if (entry->outcome == NULL) {
		key = state_key_u64_pair(entry->mid, sequence);
		state_db_put(state->db, state_pending_table(entry->side), &key,
			RECORD_NOTHING);
	}
	return sequence;
}

void state_journal_set_outcome(
	struct state *state, uint64_t sequence, const char *outcome)
{
	struct state_key key = state_key_u64(sequence);
	struct record_bytes value;
	struct journal_entry entry;

	assert(state_is_writing(state));
	arena_reset(&state->scratch);
	if (!state_db_get(state->db, TABLE_JOURNAL, &key, &value) ||
		!unpack(state, &key, value, &state->scratch, &entry))
		return;
	entry.outcome = outcome;
	record_journal_pack(&state->record, &entry);
	state_db_put(
		state->db, TABLE_JOURNAL, &key, record_bytes(&state->record));
	key = state_key_u64_pair(entry.mid, sequence);
	state_db_delete(state->db, state_pending_table(entry.side), &key);
}

/* Every entry of the table whose key starts with `prefix`. */
static void settle(struct state *state, enum state_table table,
	const struct state_key *prefix, const char *outcome)
{
	struct state_key key = *prefix;
	struct record_bytes value;

	while (state_db_next(state->db, table, &key, &key, &value) &&
		state_key_starts_with(&key, prefix)) {
		state_journal_set_outcome(
			state, state_key_read_u64(&key, 8), outcome);
		/* Also an entry that has no record, or this never ends. */
		state_db_delete(state->db, table, &key);
	}
}

void state_journal_settle(
	struct state *state, uint64_t mid, const char *outcome)
{
	struct state_key message = state_key_u64(mid);
	struct state_key prefix = { 0 };

	assert(state_is_writing(state));
	if (mid != 0)
		prefix = message;
	settle(state, TABLE_PENDING_LOCAL, &prefix, outcome);
	settle(state, TABLE_PENDING_REMOTE, &prefix, outcome);
}

uint64_t state_journal_pending(struct state *state, enum journal_side side)
{
	uint64_t pending;

	if (!state_db_read_begin(state->db))
		return 0;
	pending = state_db_entry_count(state->db, state_pending_table(side));
	state_db_read_end(state->db);
	return pending;
}

static bool next(struct state *state, struct state_key *key,
	struct arena *arena, struct journal_entry *entry_out)
{
	struct record_bytes value;

	return state_db_next(state->db, TABLE_JOURNAL, key, key, &value) &&
		unpack(state, key, value, arena, entry_out);
}

bool state_next_journal(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct journal_entry *entry_out)
{
	/* There is no entry 0: starting behind it is starting. */
	struct state_key key = state_key_u64(cursor->position);
	bool is_there;

	if (!state_db_read_begin(state->db))
		return false;
	is_there = next(state, &key, arena, entry_out);
	state_db_read_end(state->db);
	if (is_there)
		cursor->position = entry_out->sequence;
	return is_there;
}

static uint64_t finished_count(struct state *state)
{
	return state_db_entry_count(state->db, TABLE_JOURNAL) -
		state_db_entry_count(state->db, TABLE_PENDING_LOCAL) -
		state_db_entry_count(state->db, TABLE_PENDING_REMOTE);
}

void state_journal_purge(struct state *state, int64_t now)
{
	struct state_key key = { 0 };
	struct journal_entry entry;
	uint64_t count;

	assert(state_is_writing(state));
	if (!state_db_is_good(state->db))
		return;
	count = finished_count(state);
	arena_reset(&state->scratch);
	while (next(state, &key, &state->scratch, &entry)) {
		bool is_finished = entry.outcome != NULL;
		bool is_old = entry.time < now - ENTRY_AGE_MAX;

		if (is_finished && !is_old && count <= ENTRY_COUNT_MAX)
			break;
		if (is_finished) {
			state_db_delete(state->db, TABLE_JOURNAL, &key);
			count--;
		}
		arena_reset(&state->scratch);
	}
}
