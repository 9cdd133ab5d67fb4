#include "tests/sim/db_story.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "store/state_db.h"

#define MAP_SIZE       ((size_t)8 * 1024 * 1024)
#define SMALL_MAP_SIZE ((size_t)1024 * 1024)
#define VALUE_SIZE_MAX 20000
#define FULL_COUNT     200 /* values of that size are more than the map */

struct teller {
	const char *path;
	struct state_db *db;
	uint64_t seed;
	struct answers *answers;
	uint8_t value[VALUE_SIZE_MAX];
};

static uint64_t random_below(struct teller *teller, uint64_t limit)
{
	teller->seed = teller->seed * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (teller->seed >> 33) % limit;
}

/* Also where NDEBUG is defined. */
static void must(bool is_done)
{
	if (!is_done)
		abort();
}

/* ---- Answers ---- */

static void tell(struct teller *teller, uint64_t value)
{
	struct answers *answers = teller->answers;

	if (answers->count == answers->capacity) {
		size_t capacity =
			answers->capacity == 0 ? 1024 : answers->capacity * 2;
		uint64_t *values = alloc(capacity, sizeof(*values));

		if (answers->count > 0)
			memcpy(values, answers->values,
				answers->count * sizeof(*values));
		free(answers->values);
		answers->values = values;
		answers->capacity = capacity;
	}
	answers->values[answers->count++] = value;
}

static void tell_error(
	struct teller *teller, bool is_done, const struct error *error)
{
	tell(teller, is_done ? 0 : 1000 + (uint64_t)error->code);
}

/* FNV-1a. */
static uint64_t mix(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (sum ^ size) * UINT64_C(0x100000001b3);
}

static void tell_entry(struct teller *teller, const struct state_key *key,
	const struct record_bytes *value)
{
	uint64_t sum = mix(1, key->data, key->size);

	if (value != NULL)
		sum = mix(sum, value->data, value->size);
	tell(teller, sum);
}

/* ---- Keys and values ---- */

/* Few, short and alike: most are there, and many begin like others. */
static struct state_key some_key(struct teller *teller)
{
	struct state_key key = { .size = 1 + random_below(teller, 4) };

	if (random_below(teller, 50) == 0)
		key.size = STATE_KEY_SIZE_MAX;
	if (random_below(teller, 200) == 0)
		key.size = 0;
	for (size_t i = 0; i < key.size; i++)
		key.data[i] =
			i < 4 ? (uint8_t)(85 * random_below(teller, 4)) : 7;
	return key;
}

static struct record_bytes some_value(struct teller *teller)
{
	size_t size = random_below(teller, 60);
	uint8_t first = (uint8_t)random_below(teller, 256);

	if (random_below(teller, 30) == 0)
		size = random_below(teller, VALUE_SIZE_MAX);
	memset(teller->value, first, size);
	return (struct record_bytes){ teller->value, size };
}

static enum state_table some_table(struct teller *teller)
{
	static const enum state_table tables[] = { TABLE_INTERNAL, TABLE_PAIR,
		TABLE_BY_UNIQUE, TABLE_PENDING_REMOTE };

	return tables[random_below(teller, ARRAY_LENGTH(tables))];
}

/* ---- Reading ---- */

static void read_get(struct teller *teller, enum state_table table)
{
	struct state_key key = some_key(teller);
	struct record_bytes value;
	bool is_there = state_db_get(teller->db, table, &key, &value);

	tell(teller, is_there);
	if (is_there)
		tell_entry(teller, &key, &value);
}

static void read_next(struct teller *teller, enum state_table table)
{
	struct state_key key = some_key(teller);
	struct record_bytes value;

	while (state_db_next(teller->db, table, &key, &key, &value)) {
		tell_entry(teller, &key, &value);
		if (random_below(teller, 4) == 0)
			return;
	}
	tell(teller, 2);
}

static void read_last(struct teller *teller, enum state_table table)
{
	struct state_key key;
	bool is_there = state_db_last(teller->db, table, &key);

	tell(teller, is_there);
	if (is_there)
		tell_entry(teller, &key, NULL);
}

static void walk(struct teller *teller, enum state_table table,
	const struct state_key *start, uint64_t limit)
{
	struct state_db_walk walk =
		state_db_walk_open(teller->db, table, start);
	struct state_key key;
	struct record_bytes value;

	while (limit-- > 0 && state_db_walk_next(&walk, &key, &value))
		tell_entry(teller, &key, &value);
	tell(teller, walk.cursor == NULL);
	state_db_walk_close(&walk);
}

static void read_walk(struct teller *teller, enum state_table table)
{
	struct state_key start = some_key(teller);

	walk(teller, table, &start, random_below(teller, 100));
}

static void read_count(struct teller *teller, enum state_table table)
{
	tell(teller, state_db_entry_count(teller->db, table));
}

static void read_some(struct teller *teller)
{
	static void (*const reads[])(struct teller *, enum state_table) = {
		read_get,
		read_next,
		read_last,
		read_walk,
		read_count,
	};
	bool is_reading = state_db_read_begin(teller->db);

	tell(teller, is_reading);
	if (!is_reading)
		return;
	for (uint64_t i = random_below(teller, 4); i > 0; i--)
		reads[random_below(teller, ARRAY_LENGTH(reads))](
			teller, some_table(teller));
	state_db_read_end(teller->db);
}

static void read_all(struct teller *teller)
{
	const struct state_key start = { 0 };

	must(state_db_read_begin(teller->db));
	for (unsigned i = 0; i < TABLE_TOTAL; i++)
		walk(teller, (enum state_table)i, &start, UINT64_MAX);
	state_db_read_end(teller->db);
}

/* ---- Writing ---- */

static void write_put(struct teller *teller, enum state_table table)
{
	struct state_key key = some_key(teller);

	state_db_put(teller->db, table, &key, some_value(teller));
}

static void write_put_new(struct teller *teller, enum state_table table)
{
	struct state_key key = some_key(teller);

	tell(teller,
		state_db_put_new(teller->db, table, &key, some_value(teller)));
}

/* Mostly behind the last, as it must be. */
static void write_append(struct teller *teller, enum state_table table)
{
	struct state_key key = some_key(teller);
	bool is_right = random_below(teller, 20) != 0;
	bool is_reading = is_right && state_db_read_begin(teller->db);

	if (is_reading && state_db_last(teller->db, table, &key) &&
		key.size < 8)
		key.data[key.size++] = 1;
	if (is_reading)
		state_db_read_end(teller->db);
	state_db_append(teller->db, table, &key, some_value(teller));
}

static void write_delete(struct teller *teller, enum state_table table)
{
	struct state_key key = some_key(teller);

	state_db_delete(teller->db, table, &key);
}

static void write_some(struct teller *teller)
{
	static void (*const writes[])(struct teller *, enum state_table) = {
		write_put,
		write_put,
		write_put_new,
		write_append,
		write_delete,
		write_delete,
	};

	writes[random_below(teller, ARRAY_LENGTH(writes))](
		teller, some_table(teller));
	tell(teller, state_db_is_good(teller->db));
}

/* ---- Handles and transactions ---- */

static void open_db(struct teller *teller, size_t map_size)
{
	struct error error = { 0 };

	teller->db = state_db_open(teller->path, map_size, &error);
	must(teller->db != NULL);
	must(state_db_open_tables(teller->db, &error));
}

static void reopen(struct teller *teller)
{
	struct error error = { 0 };

	/* Not twice at a time. */
	tell(teller, state_db_open(teller->path, MAP_SIZE, &error) == NULL);
	tell_error(teller, false, &error);
	state_db_close(teller->db);
	open_db(teller, MAP_SIZE);
	read_all(teller);
}

static void begin_or_end(struct teller *teller)
{
	struct error error = { 0 };

	tell(teller, state_db_is_writing(teller->db));
	if (!state_db_is_writing(teller->db))
		tell_error(teller, state_db_begin(teller->db, &error), &error);
	else if (random_below(teller, 4) == 0)
		state_db_abort(teller->db);
	else
		tell_error(teller, state_db_commit(teller->db, &error), &error);
	tell(teller, state_db_is_writing(teller->db));
	tell(teller, state_db_is_good(teller->db));
}

static void tell_read_error(struct teller *teller)
{
	struct error error = { 0 };

	tell_error(teller, !state_db_read_error(teller->db, &error), &error);
}

static void fail_some(struct teller *teller)
{
	const struct error error = { .code = ERROR_LIMIT };
	struct state_key key = some_key(teller);

	if (random_below(teller, 2) == 0)
		state_db_fail(teller->db, &error);
	else
		state_db_fail_record(teller->db, TABLE_PAIR, &key);
	tell(teller, state_db_is_good(teller->db));
}

static void step(struct teller *teller)
{
	uint64_t choice = random_below(teller, 200);

	if (choice < 1)
		reopen(teller);
	else if (choice < 2)
		fail_some(teller);
	else if (choice < 10)
		tell_read_error(teller);
	else if (choice < 30)
		begin_or_end(teller);
	else if (choice < 80)
		read_some(teller);
	else if (state_db_is_writing(teller->db))
		write_some(teller);
	else
		begin_or_end(teller);
}

/* ---- Stories ---- */

static void anything(const char *path, uint64_t seed, unsigned step_count,
	struct answers *answers)
{
	struct teller teller = {
		.path = path, .seed = seed, .answers = answers
	};

	open_db(&teller, MAP_SIZE);
	for (unsigned i = 0; i < step_count; i++)
		step(&teller);
	reopen(&teller);
	state_db_close(teller.db);
}

static void transaction(struct teller *teller)
{
	struct error error = { 0 };
	uint64_t count = 1 + random_below(teller, 30);
	struct state_key key;

	must(state_db_begin(teller->db, &error));
	for (uint64_t i = 0; i < count; i++) {
		enum state_table table = some_table(teller);

		key = some_key(teller);
		if (key.size == 0)
			continue;
		if (random_below(teller, 3) == 0)
			state_db_delete(teller->db, table, &key);
		else
			state_db_put(
				teller->db, table, &key, some_value(teller));
	}
	must(state_db_commit(teller->db, &error));
}

static void transactions(const char *path, uint64_t seed, unsigned from,
	unsigned count, void (*committed)(void *data), void *data)
{
	struct teller teller = { .path = path };

	open_db(&teller, MAP_SIZE);
	for (unsigned i = from; i < from + count; i++) {
		teller.seed =
			(seed * 1000003 + i) * UINT64_C(0x9e3779b97f4a7c15);
		transaction(&teller);
		if (committed != NULL)
			committed(data);
	}
	state_db_close(teller.db);
}

static uint64_t digest(const char *path)
{
	struct answers answers = { 0 };
	struct teller teller = { .path = path, .answers = &answers };
	uint64_t sum;

	open_db(&teller, MAP_SIZE);
	read_all(&teller);
	state_db_close(teller.db);
	sum = mix(1, answers.values, answers.count * sizeof(uint64_t));
	free(answers.values);
	return sum;
}

static void put_numbered(struct teller *teller, uint8_t number, size_t size)
{
	struct state_key key = { .size = 1, .data = { number } };

	memset(teller->value, number, size);
	state_db_put(teller->db, TABLE_PAIR, &key,
		(struct record_bytes){ teller->value, size });
}

static void full(const char *path, void (*arm)(void), struct answers *answers)
{
	struct teller teller = { .path = path, .answers = answers };
	struct error error = { 0 };

	open_db(&teller, SMALL_MAP_SIZE);
	for (unsigned round = 0; round < 3; round++) {
		arm();
		begin_or_end(&teller);
		for (unsigned i = 0; i < FULL_COUNT; i++)
			put_numbered(&teller, (uint8_t)i,
				round == 0 ? VALUE_SIZE_MAX : 1 + round);
		tell(&teller, state_db_is_good(teller.db));
		tell(&teller, state_db_read_begin(teller.db));
		if (state_db_is_good(teller.db))
			state_db_read_end(teller.db);
		tell_error(&teller, state_db_commit(teller.db, &error), &error);
		tell_read_error(&teller);
		tell_read_error(&teller);
		read_all(&teller);
	}
	state_db_close(teller.db);
}

static void unwritable(const char *path, void (*arm)(void),
	void (*disarm)(void), struct answers *answers)
{
	struct teller teller = { .path = path, .answers = answers };
	struct error error = { 0 };

	open_db(&teller, MAP_SIZE);
	begin_or_end(&teller);
	put_numbered(&teller, 1, 100);
	tell_error(&teller, state_db_commit(teller.db, &error), &error);
	begin_or_end(&teller);
	put_numbered(&teller, 2, VALUE_SIZE_MAX);
	arm();
	tell_error(&teller, state_db_commit(teller.db, &error), &error);
	tell(&teller, state_db_is_writing(teller.db));
	tell_error(&teller, state_db_begin(teller.db, &error), &error);
	tell(&teller, state_db_read_begin(teller.db));
	tell_read_error(&teller);
	tell_read_error(&teller);
	state_db_close(teller.db);
	disarm();
	tell(&teller, digest(path));
}

static void begin_twice(const char *path, struct answers *answers)
{
	struct teller teller = { .path = path, .answers = answers };
	struct error error = { 0 };

	open_db(&teller, MAP_SIZE);
	for (int i = 0; i < 2; i++)
		tell_error(&teller, state_db_begin(teller.db, &error), &error);
	state_db_close(teller.db);
}

const struct story STORY_OF = {
	.anything = anything,
	.transactions = transactions,
	.digest = digest,
	.full = full,
	.unwritable = unwritable,
	.begin_twice = begin_twice,
};
