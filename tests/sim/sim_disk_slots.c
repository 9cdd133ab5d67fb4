/* Entries of a directory, sorted by the hash of their names. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/sim_disk_internal.h"

uint64_t name_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *name != '\0'; name++) {
		hash ^= (uint8_t)*name;
		hash *= UINT64_C(0x100000001b3);
	}
	/* The last bytes of names differ: spread them over all bits. */
	hash ^= hash >> 29;
	hash *= UINT64_C(0xbf58476d1ce4e5b9);
	hash ^= hash >> 32;
	/* 0 stands before all. */
	return hash == 0 ? 1 : hash;
}

struct entry *entry_new(const char *name, struct inode *inode)
{
	struct entry *entry = alloc(1, sizeof(*entry));

	entry->name = alloc_text(name);
	entry->hash = name_hash(name);
	entry->inode = inode;
	entry->owner_count = 1;
	return entry;
}

struct entry *entry_share(struct entry *entry)
{
	if (entry != NULL)
		entry->owner_count++;
	return entry;
}

void entry_release(struct entry *entry)
{
	if (entry == NULL || --entry->owner_count > 0)
		return;
	free(entry->name);
	free(entry);
}

/* Where this one is, or would be. */
static size_t position(
	const struct slots *slots, uint64_t hash, const char *name)
{
	size_t low = 0;
	size_t high = slots->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct entry *entry = slots->entries[middle];

		if (entry->hash < hash ||
			(entry->hash == hash && strcmp(entry->name, name) < 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *slots_find(const struct slots *slots, const char *name)
{
	uint64_t hash = name_hash(name);
	size_t at = position(slots, hash, name);

	if (at < slots->count && slots->entries[at]->hash == hash &&
		strcmp(slots->entries[at]->name, name) == 0)
		return slots->entries[at];
	return NULL;
}

struct entry *slots_after(const struct slots *slots, uint64_t hash)
{
	/* No name is larger than this in any order. */
	size_t at = hash == UINT64_MAX ? slots->count
				       : position(slots, hash + 1, "");

	return at < slots->count ? slots->entries[at] : NULL;
}

void slots_add(struct slots *slots, struct entry *entry)
{
	size_t at = position(slots, entry->hash, entry->name);

	if (slots->count == slots->capacity) {
		slots->capacity = 2 * slots->capacity + 8;
		slots->entries = alloc_resize(slots->entries, slots->capacity,
			sizeof(struct entry *));
	}
	memmove(&slots->entries[at + 1], &slots->entries[at],
		(slots->count - at) * sizeof(struct entry *));
	slots->entries[at] = entry;
	slots->count++;
}

void slots_take(struct slots *slots, struct entry *entry)
{
	size_t at = position(slots, entry->hash, entry->name);

	slots->count--;
	memmove(&slots->entries[at], &slots->entries[at + 1],
		(slots->count - at) * sizeof(struct entry *));
}

void slots_finish(struct slots *slots)
{
	for (size_t i = 0; i < slots->count; i++)
		entry_release(slots->entries[i]);
	free(slots->entries);
	*slots = (struct slots){ .count = 0 };
}
