#include "tests/sim/sim_db_disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct disk_db *first_db;

static void *take(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- Databases ---- */

struct disk_db *disk_first(void)
{
	return first_db;
}

struct disk_db *disk_find(const char *path)
{
	struct disk_db *db = first_db;

	while (db != NULL && strcmp(db->path, path) != 0)
		db = db->next;
	return db;
}

static struct disk_db *db_make(const char *path)
{
	struct disk_db *db = take(calloc(1, sizeof(*db)));
	size_t size = strlen(path) + 1;

	db->path = take(malloc(size));
	memcpy(db->path, path, size);
	return db;
}

struct disk_db *disk_find_or_make(const char *path)
{
	struct disk_db *db = disk_find(path);

	if (db != NULL)
		return db;
	db = db_make(path);
	db->next = first_db;
	first_db = db;
	return db;
}

/* ---- Entries ---- */

static struct disk_entry *entry_make(
	const struct state_key *key, struct record_bytes value)
{
	struct disk_entry *entry =
		take(malloc(sizeof(*entry) + key->size + value.size));

	entry->key_size = key->size;
	entry->value_size = value.size;
	memcpy(entry->bytes, key->data, key->size);
	if (value.size > 0)
		memcpy(entry->bytes + key->size, value.data, value.size);
	return entry;
}

static int compare(
	const struct disk_entry *entry, const uint8_t *key, size_t key_size)
{
	size_t size = entry->key_size < key_size ? entry->key_size : key_size;
	int order = memcmp(entry->bytes, key, size);

	if (order != 0)
		return order;
	return (entry->key_size > key_size) - (entry->key_size < key_size);
}

static size_t lower_bound(
	const struct disk_table *table, const uint8_t *key, size_t key_size)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(table->entries[middle], key, key_size) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t disk_lower_bound(
	const struct disk_table *table, const struct state_key *key)
{
	return lower_bound(table, key->data, key->size);
}

bool disk_is_at(const struct disk_table *table, size_t index,
	const struct state_key *key)
{
	return index < table->count &&
		compare(table->entries[index], key->data, key->size) == 0;
}

/* Room for one more. */
static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity == 0 ? 16 : 2 * *capacity;
	return take(realloc(items, *capacity * size));
}

static void insert_at(
	struct disk_table *table, size_t index, struct disk_entry *entry)
{
	table->entries = grow(table->entries, table->count, &table->capacity,
		sizeof(struct disk_entry *));
	memmove(&table->entries[index + 1], &table->entries[index],
		(table->count - index) * sizeof(struct disk_entry *));
	table->entries[index] = entry;
	table->count++;
}

static void remove_at(struct disk_table *table, size_t index)
{
	table->count--;
	memmove(&table->entries[index], &table->entries[index + 1],
		(table->count - index) * sizeof(struct disk_entry *));
}

/* ---- Changes ---- */

static void note_undo(struct disk_db *db, enum state_table table,
	struct disk_entry *entry, bool is_insertion)
{
	struct disk_undo_list *list = &db->open;

	list->undos = grow(list->undos, list->count, &list->capacity,
		sizeof(*list->undos));
	list->undos[list->count++] =
		(struct disk_undo){ table, entry, is_insertion };
}

void disk_put(struct disk_db *db, enum state_table table,
	const struct state_key *key, struct record_bytes value)
{
	struct disk_table *entries = &db->tables[table];
	struct disk_entry *entry = entry_make(key, value);
	size_t index = disk_lower_bound(entries, key);

	if (disk_is_at(entries, index, key)) {
		note_undo(db, table, entries->entries[index], false);
		entries->entries[index] = entry;
	} else {
		note_undo(db, table, entry, true);
		insert_at(entries, index, entry);
	}
}

void disk_delete(struct disk_db *db, enum state_table table, size_t index)
{
	note_undo(db, table, db->tables[table].entries[index], false);
	remove_at(&db->tables[table], index);
}

/* ---- Undoing ---- */

static void undo_one(struct disk_db *db, const struct disk_undo *undo)
{
	struct disk_table *table = &db->tables[undo->table];
	struct disk_entry *entry = undo->entry;
	size_t index = lower_bound(table, entry->bytes, entry->key_size);
	bool is_there = index < table->count &&
		compare(table->entries[index], entry->bytes, entry->key_size) ==
			0;

	if (undo->is_insertion) {
		assert(is_there && table->entries[index] == entry);
		remove_at(table, index);
		free(entry);
	} else if (is_there) {
		free(table->entries[index]);
		table->entries[index] = entry;
	} else {
		insert_at(table, index, entry);
	}
}

static void undo_all(struct disk_db *db, struct disk_undo_list *list)
{
	while (list->count > 0)
		undo_one(db, &list->undos[--list->count]);
}

void disk_undo_open(struct disk_db *db)
{
	undo_all(db, &db->open);
}

void disk_undo_last(struct disk_db *db)
{
	assert(db->open.count == 0);
	undo_all(db, &db->last);
}

void disk_forget_last(struct disk_db *db)
{
	struct disk_undo_list *list = &db->last;

	for (size_t i = 0; i < list->count; i++)
		if (!list->undos[i].is_insertion)
			free(list->undos[i].entry);
	list->count = 0;
}

void disk_commit(struct disk_db *db)
{
	struct disk_undo_list emptied;

	disk_forget_last(db);
	emptied = db->last;
	db->last = db->open;
	db->open = emptied;
}

/* ---- Copies ---- */

static void table_copy(struct disk_table *to, const struct disk_table *from)
{
	to->count = to->capacity = from->count;
	to->entries = from->count == 0
		? NULL
		: take(malloc(from->count * sizeof(struct disk_entry *)));
	for (size_t i = 0; i < from->count; i++) {
		const struct disk_entry *entry = from->entries[i];
		size_t size =
			sizeof(*entry) + entry->key_size + entry->value_size;

		to->entries[i] = take(malloc(size));
		memcpy(to->entries[i], entry, size);
	}
}

struct disk_db *disk_copy_all(const struct disk_db *first)
{
	struct disk_db *copies = NULL;

	for (const struct disk_db *db = first; db != NULL; db = db->next) {
		struct disk_db *copy = db_make(db->path);

		assert(db->handle == NULL && db->open.count == 0);
		for (unsigned i = 0; i < TABLE_TOTAL; i++)
			table_copy(&copy->tables[i], &db->tables[i]);
		copy->next = copies;
		copies = copy;
	}
	return copies;
}

static void db_free(struct disk_db *db)
{
	assert(db->handle == NULL);
	disk_undo_open(db);
	disk_forget_last(db);
	for (unsigned i = 0; i < TABLE_TOTAL; i++) {
		for (size_t k = 0; k < db->tables[i].count; k++)
			free(db->tables[i].entries[k]);
		free(db->tables[i].entries);
	}
	free(db->open.undos);
	free(db->last.undos);
	free(db->path);
	free(db);
}

void disk_free_all(struct disk_db *first)
{
	while (first != NULL) {
		struct disk_db *next = first->next;

		db_free(first);
		first = next;
	}
}

void disk_clear(void)
{
	disk_replace_all(NULL);
}

void disk_replace_all(struct disk_db *first)
{
	disk_free_all(first_db);
	first_db = first;
}
