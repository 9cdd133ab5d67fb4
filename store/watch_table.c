#include "store/watch_table.h"

#include <stdlib.h>

#include "base/alloc.h"

#define BUCKETS_MIN 64

/* Cookies and descriptors are ours and the kernel's, small and close together:
   a multiplication spreads them. */
static size_t bucket(const struct watch_table *table, uint64_t key)
{
	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
		(table->bucket_count - 1);
}

static void insert(struct watch_table *table, struct watched *watched)
{
	size_t at = bucket(table, watched->cookie);

	watched->next_by_cookie = table->by_cookie[at];
	table->by_cookie[at] = watched;
	at = bucket(table, (uint64_t)watched->descriptor);
	watched->next_by_descriptor = table->by_descriptor[at];
	table->by_descriptor[at] = watched;
	at = bucket(table, watched->inode);
	watched->next_by_inode = table->by_inode[at];
	table->by_inode[at] = watched;
}

static void grow(struct watch_table *table)
{
	struct watch_table old = *table;
	size_t count =
		old.bucket_count == 0 ? BUCKETS_MIN : 2 * old.bucket_count;

	table->bucket_count = count;
	table->by_cookie = alloc(count, sizeof(struct watched *));
	table->by_descriptor = alloc(count, sizeof(struct watched *));
	table->by_inode = alloc(count, sizeof(struct watched *));
	for (size_t i = 0; i < old.bucket_count; i++) {
		struct watched *watched = old.by_cookie[i];

		while (watched != NULL) {
			struct watched *next = watched->next_by_cookie;

			insert(table, watched);
			watched = next;
		}
	}
	free(old.by_cookie);
	free(old.by_descriptor);
	free(old.by_inode);
}

void watch_table_finish(struct watch_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct watched *watched = table->by_cookie[i];

		while (watched != NULL) {
			struct watched *next = watched->next_by_cookie;

			free(watched);
			watched = next;
		}
	}
	free(table->by_cookie);
	free(table->by_descriptor);
	free(table->by_inode);
	*table = (struct watch_table){ .count = 0 };
}

struct watched *watch_table_by_cookie(
	const struct watch_table *table, uint64_t cookie)
{
	struct watched *watched = NULL;

	if (table->bucket_count > 0)
		watched = table->by_cookie[bucket(table, cookie)];
	while (watched != NULL && watched->cookie != cookie)
		watched = watched->next_by_cookie;
	return watched;
}

struct watched *watch_table_by_descriptor(
	const struct watch_table *table, int descriptor)
{
	struct watched *watched = NULL;

	if (table->bucket_count > 0)
		watched = table->by_descriptor[bucket(
			table, (uint64_t)descriptor)];
	while (watched != NULL && watched->descriptor != descriptor)
		watched = watched->next_by_descriptor;
	return watched;
}

struct watched *watch_table_by_inode(
	const struct watch_table *table, uint64_t device, uint64_t inode)
{
	struct watched *watched = NULL;

	if (table->bucket_count > 0)
		watched = table->by_inode[bucket(table, inode)];
	while (watched != NULL &&
		(watched->inode != inode || watched->device != device))
		watched = watched->next_by_inode;
	return watched;
}

void watch_table_add(struct watch_table *table, const struct watched *watched)
{
	struct watched *copy = alloc(1, sizeof(*copy));

	if (table->count >= table->bucket_count)
		grow(table);
	*copy = *watched;
	insert(table, copy);
	table->count++;
}

void watch_table_doubt_all(struct watch_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct watched *watched = table->by_cookie[i];

		for (; watched != NULL; watched = watched->next_by_cookie)
			watched->since = WATCH_IN_DOUBT;
	}
}

void watch_table_remove(struct watch_table *table, struct watched *watched)
{
	struct watched **link =
		&table->by_cookie[bucket(table, watched->cookie)];

	while (*link != watched)
		link = &(*link)->next_by_cookie;
	*link = watched->next_by_cookie;
	link = &table->by_descriptor[bucket(
		table, (uint64_t)watched->descriptor)];
	while (*link != watched)
		link = &(*link)->next_by_descriptor;
	*link = watched->next_by_descriptor;
	link = &table->by_inode[bucket(table, watched->inode)];
	while (*link != watched)
		link = &(*link)->next_by_inode;
	*link = watched->next_by_inode;
	table->count--;
	free(watched);
}
