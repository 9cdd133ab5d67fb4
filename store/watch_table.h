/* The watched directories, found by the kernel's watch descriptor, by our
   cookie, and by what they are. */
#ifndef STORE_WATCH_TABLE_H
#define STORE_WATCH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Events were lost; the watch itself may be gone. */
#define WATCH_IN_DOUBT UINT64_MAX

struct watched {
	uint64_t cookie;
	int descriptor;
	uint64_t since;  /* sequence of the first event it can have sent; or
			    WATCH_IN_DOUBT */
	uint64_t device; /* of the directory */
	uint64_t inode;
	struct watched *next_by_cookie; /* chains */
	struct watched *next_by_descriptor;
	struct watched *next_by_inode;
};

/* A zeroed table is valid and empty. */
struct watch_table {
	struct watched **by_cookie;
	struct watched **by_descriptor;
	struct watched **by_inode;
	size_t bucket_count; /* a power of two, or 0 */
	size_t count;
};

void watch_table_finish(struct watch_table *table);

/* Borrowed until removed; NULL when not there. */
struct watched *watch_table_by_cookie(
	const struct watch_table *table, uint64_t cookie);
struct watched *watch_table_by_descriptor(
	const struct watch_table *table, int descriptor);

struct watched *watch_table_by_inode(
	const struct watch_table *table, uint64_t device, uint64_t inode);

/* Copies `*watched`, of which nothing is there yet. */
void watch_table_add(struct watch_table *table, const struct watched *watched);

void watch_table_doubt_all(struct watch_table *table);

/* `watched` is one of the table; it is freed. */
void watch_table_remove(struct watch_table *table, struct watched *watched);

#endif
