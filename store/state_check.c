/* Every index is what the records say: each entry a record asks for is there,
   and there are no more entries than that. */
#include "store/state_internal.h"

#include <string.h>

#include "base/number.h"

struct checker {
	struct state *state;
	struct arena arena;
	uint64_t expected[TABLE_TOTAL]; /* entries of the indexes */
	struct state_counts counts;
	struct error *error; /* the first difference */
};

static bool differ(struct checker *checker, const char *what, uint64_t number)
{
	return error_set(checker->error, ERROR_CORRUPT,
		"state is damaged: %s of %llu", what,
		(unsigned long long)number);
}

/* The entry is there, with this number (0: none) as its value. */
static bool check_entry(struct checker *checker, enum state_table table,
	const struct state_key *key, uint64_t number)
{
	struct record_bytes value;

	checker->expected[table]++;
	return state_db_get(checker->state->db, table, key, &value) &&
		value.size == (number == 0 ? 0 : 8) &&
		(number == 0 || state_read_mid(value) == number);
}

static void add_counts(
	struct checker *checker, const struct pair_claims *claims)
{
	if (claims->counts_remote)
		state_counts_of(&checker->counts, claims->remote_folder_id)
			->remote++;
	if (claims->counts_local)
		state_counts_of(&checker->counts, claims->local_folder_id)
			->local++;
}

static bool check_pair(struct checker *checker, const struct state_key *key,
	struct record_bytes value)
{
	uint64_t mid = state_key_read_u64(key, 0);
	struct pair pair;
	struct pair_claims claims;

	if (key->size != 8 || mid == 0 || mid >= checker->state->ids.mid ||
		!record_pair_unpack(value, mid, &checker->arena, &pair))
		return differ(checker, "record of message", mid);
	state_pair_claims(&pair, &claims);
	add_counts(checker, &claims);
	if (claims.has_uid &&
		!check_entry(checker, TABLE_BY_UID, &claims.uid, mid))
		return differ(checker, "UID index of message", mid);
	if (claims.has_unique &&
		!check_entry(checker, TABLE_BY_UNIQUE, &claims.unique, mid))
		return differ(checker, "name index of message", mid);
	if (claims.has_inode &&
		!check_entry(checker, TABLE_BY_INODE, &claims.inode, 0))
		return differ(checker, "inode index of message", mid);
	if (claims.is_unsettled &&
		!check_entry(checker, TABLE_UNSETTLED, key, 0))
		return differ(checker, "unsettled index of message", mid);
	return true;
}

static bool check_folder(struct checker *checker, const struct state_key *key,
	struct record_bytes value)
{
	uint32_t folder_id = state_key_read_u32(key, 0);
	struct folder folder;

	if (key->size != 4 || folder_id == 0 ||
		folder_id >= checker->state->ids.folder_id ||
		!record_folder_unpack(
			value, folder_id, &checker->arena, &folder))
		return differ(checker, "record of folder", folder_id);
	uid_set_finish(&folder.frontier);
	return true;
}

static bool check_intent(struct checker *checker, const struct state_key *key,
	struct record_bytes value)
{
	uint64_t intent_id = state_key_read_u64(key, 0);
	struct intent intent;
	struct state_key by_mid;

	if (key->size != 8 || intent_id == 0 ||
		intent_id >= checker->state->ids.intent_id ||
		!record_intent_unpack(value, intent_id, &intent))
		return differ(checker, "record of intent", intent_id);
	by_mid = state_key_u64_pair(intent.mid, intent_id);
	if (!check_entry(checker, TABLE_INTENT_BY_MID, &by_mid, 0))
		return differ(checker, "index of intent", intent_id);
	return true;
}

static bool check_tomb(struct checker *checker, const struct state_key *key,
	struct record_bytes value)
{
	uint64_t mid = state_key_read_u64(key, 0);
	struct tomb tomb;

	if (key->size != 8 ||
		!record_tomb_unpack(value, mid, &checker->arena, &tomb))
		return differ(checker, "tomb of message", mid);
	return true;
}

static bool check_journal(struct checker *checker, const struct state_key *key,
	struct record_bytes value)
{
	uint64_t sequence = state_key_read_u64(key, 0);
	struct journal_entry entry;
	struct state_key pending;

	if (key->size != 8 || sequence == 0 ||
		sequence >= checker->state->ids.sequence ||
		!record_journal_unpack(
			value, sequence, &checker->arena, &entry))
		return differ(checker, "record of journal entry", sequence);
	if (entry.outcome != NULL)
		return true;
	pending = state_key_u64_pair(entry.mid, sequence);
	if (!check_entry(checker, state_pending_table(entry.side), &pending, 0))
		return differ(checker, "index of journal entry", sequence);
	return true;
}

static bool check_count(struct checker *checker, const struct state_key *key,
	struct record_bytes value)
{
	uint32_t folder_id = state_key_read_u32(key, 0);

	(void)value; /* compared below, as loaded */
	if (key->size != 4 ||
		state_counts_find(&checker->state->counts, folder_id) == NULL)
		return differ(checker, "counter of folder", folder_id);
	return true;
}

typedef bool check_function(struct checker *checker,
	const struct state_key *key, struct record_bytes value);

/* Tables without a function are indexes, or were checked when opened. */
static check_function *const CHECKS[TABLE_TOTAL] = {
	[TABLE_PAIR] = check_pair,
	[TABLE_FOLDER] = check_folder,
	[TABLE_INTENT] = check_intent,
	[TABLE_TOMB] = check_tomb,
	[TABLE_JOURNAL] = check_journal,
	[TABLE_COUNT_OF] = check_count,
};

static const enum state_table INDEXES[] = {
	TABLE_BY_UID,
	TABLE_BY_UNIQUE,
	TABLE_BY_INODE,
	TABLE_UNSETTLED,
	TABLE_INTENT_BY_MID,
	TABLE_PENDING_LOCAL,
	TABLE_PENDING_REMOTE,
};

static bool is_behind(
	const struct state_key *key, const struct state_key *previous)
{
	size_t size = key->size < previous->size ? key->size : previous->size;
	int order = memcmp(key->data, previous->data, size);

	return order > 0 || (order == 0 && key->size > previous->size);
}

/* A damaged branch page hides records from lookups alone, or makes a walk meet
   some twice and others never. */
static bool check_place(struct checker *checker, enum state_table table,
	const struct state_key *key, struct state_key *previous)
{
	struct state_db *db = checker->state->db;
	struct record_bytes value;

	if (!is_behind(key, previous) ||
		!state_db_get(db, table, key, &value)) {
		state_db_fail_record(db, table, key);
		(void)state_db_read_error(db, checker->error);
		return false;
	}
	*previous = *key;
	return true;
}

/* Reads all of it, so that every checksum is verified, and counts. */
static bool check_table(struct checker *checker, enum state_table table)
{
	struct state_db *db = checker->state->db;
	struct state_key start = { 0 };
	struct state_key previous = { 0 };
	struct state_key key;
	struct record_bytes value;
	struct state_db_walk walk = state_db_walk_open(db, table, &start);
	uint64_t count = 0;
	bool is_good = true;

	while (is_good && state_db_walk_next(&walk, &key, &value)) {
		count++;
		is_good = check_place(checker, table, &key, &previous);
		if (is_good && CHECKS[table] != NULL)
			is_good = CHECKS[table](checker, &key, value);
		arena_reset(&checker->arena);
	}
	state_db_walk_close(&walk);
	if (!is_good || state_db_read_error(db, checker->error))
		return false;
	if (count != state_db_entry_count(db, table))
		return differ(checker, "number of entries in table", table);
	return true;
}

static bool check_index_sizes(struct checker *checker)
{
	for (size_t i = 0; i < ARRAY_LENGTH(INDEXES); i++)
		if (state_db_entry_count(checker->state->db, INDEXES[i]) !=
			checker->expected[INDEXES[i]])
			return differ(checker, "number of entries in index",
				INDEXES[i]);
	return true;
}

/* Each counter of `a` is the same in `b`, where a missing one is zero. */
static bool check_counts(struct checker *checker, const struct state_counts *a,
	const struct state_counts *b)
{
	static const struct state_count ZERO = { 0 };

	for (size_t i = 0; i < a->count; i++) {
		const struct state_count *item = &a->items[i];
		const struct state_count *other =
			state_counts_find(b, item->folder_id);

		if (other == NULL)
			other = &ZERO;
		if (item->remote != other->remote ||
			item->local != other->local)
			return differ(
				checker, "counter of folder", item->folder_id);
	}
	return true;
}

static bool check_all(struct checker *checker)
{
	const struct state_counts *counts = &checker->state->counts;

	for (unsigned table = 0; table < TABLE_TOTAL; table++)
		if (!check_table(checker, (enum state_table)table))
			return false;
	return check_index_sizes(checker) &&
		check_counts(checker, counts, &checker->counts) &&
		check_counts(checker, &checker->counts, counts);
}

bool state_check(struct state *state, struct error *error)
{
	struct checker checker = { .state = state, .error = error };
	bool is_good;

	if (state_db_read_error(state->db, error) ||
		!state_db_read_begin(state->db)) {
		(void)state_db_read_error(state->db, error);
		return false;
	}
	is_good = check_all(&checker);
	state_db_read_end(state->db);
	/* What a read found is in `error`, in other words. */
	(void)state_db_read_error(state->db, NULL);
	arena_finish(&checker.arena);
	state_counts_finish(&checker.counts);
	return is_good;
}
