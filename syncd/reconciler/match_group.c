#include "syncd/reconciler/match_internal.h"

#include <stdlib.h>
#include <string.h>

const struct content *match_content(const struct entry *entry)
{
	return &entry->item->pair->content;
}

bool match_is_role(const struct entry *entry, enum match_role role)
{
	return entry->item->role == role;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* A file that goes up takes its mtime along. */
static int64_t date_of(const struct entry *entry)
{
	return match_is_role(entry, MATCH_LOCAL_ARRIVAL)
		? entry->item->pair->local.mtime
		: match_content(entry)->internal_date;
}

static int compare_dates(const struct entry *a, const struct entry *b)
{
	int64_t first = date_of(a), second = date_of(b);

	return (first > second) - (first < second);
}

/* With LF line ends, as files have; what a server says that counts so. */
static uint64_t disk_size_of(const struct entry *entry)
{
	return match_is_role(entry, MATCH_REMOTE_ARRIVAL)
		? match_content(entry)->size
		: entry->item->pair->local.size;
}

static int compare_keys(
	const struct entry *a_entry, const struct entry *b_entry, enum key key)
{
	const struct content *a = match_content(a_entry);
	const struct content *b = match_content(b_entry);
	int order;

	switch (key) {
	case KEY_EMAIL:
		return compare_numbers(a->email_id, b->email_id);
	case KEY_HASH:
		return memcmp(a->hash, b->hash, sizeof(a->hash));
	case KEY_SIZE:
		return compare_numbers(a->size, b->size);
	case KEY_HEADER:
		order = compare_numbers(a->size, b->size);
		return order != 0
			? order
			: compare_numbers(a->header_hash, b->header_hash);
	case KEY_DATE:
		return compare_dates(a_entry, b_entry);
	case KEY_DISK:
		return compare_numbers(
			disk_size_of(a_entry), disk_size_of(b_entry));
	case KEY_HEADER_ALONE:
		return compare_numbers(a->header_hash, b->header_hash);
	}
	return 0;
}

static int compare_folders(const struct entry *a, const struct entry *b)
{
	return compare_numbers(a->item->folder_id, b->item->folder_id);
}

static int compare_indexes(const struct entry *a, const struct entry *b)
{
	return compare_numbers(a->index, b->index);
}

/* qsort() takes no argument: one function for each key, with and without the
   folder before it. */
#define DEFINE_COMPARE(name, key)                                              \
	static int name(const void *a_item, const void *b_item)                \
	{                                                                      \
		const struct entry *a = *(struct entry *const *)a_item;        \
		const struct entry *b = *(struct entry *const *)b_item;        \
		int order = compare_keys(a, b, key);                           \
                                                                               \
		return order != 0 ? order : compare_indexes(a, b);             \
	}                                                                      \
	static int name##_in_folder(const void *a_item, const void *b_item)    \
	{                                                                      \
		const struct entry *a = *(struct entry *const *)a_item;        \
		const struct entry *b = *(struct entry *const *)b_item;        \
		int order = compare_folders(a, b);                             \
                                                                               \
		return order != 0 ? order : name(a_item, b_item);              \
	}

DEFINE_COMPARE(compare_email, KEY_EMAIL)
DEFINE_COMPARE(compare_hash, KEY_HASH)
DEFINE_COMPARE(compare_size, KEY_SIZE)
DEFINE_COMPARE(compare_header, KEY_HEADER)
DEFINE_COMPARE(compare_date, KEY_DATE)
DEFINE_COMPARE(compare_disk, KEY_DISK)
DEFINE_COMPARE(compare_header_alone, KEY_HEADER_ALONE)
#undef DEFINE_COMPARE

static int (*const COMPARE[][2])(const void *, const void *) = {
	[KEY_EMAIL] = { compare_email, compare_email_in_folder },
	[KEY_HASH] = { compare_hash, compare_hash_in_folder },
	[KEY_SIZE] = { compare_size, compare_size_in_folder },
	[KEY_HEADER] = { compare_header, compare_header_in_folder },
	[KEY_DATE] = { compare_date, compare_date_in_folder },
	[KEY_DISK] = { compare_disk, compare_disk_in_folder },
	[KEY_HEADER_ALONE] = { compare_header_alone,
		compare_header_alone_in_folder },
};

static bool has_key(const struct entry *entry, enum key key)
{
	const struct content *content = match_content(entry);

	switch (key) {
	case KEY_EMAIL:
		return content->email_id != 0;
	case KEY_HASH:
		return content->has_hash;
	case KEY_SIZE:
		return content->size != 0 || content->has_hash;
	case KEY_HEADER:
		return content->size != 0 && content->header_hash != 0;
	case KEY_DATE:
		return date_of(entry) != 0;
	case KEY_DISK:
		return disk_size_of(entry) != 0;
	case KEY_HEADER_ALONE:
		return content->header_hash != 0;
	}
	return false;
}

static bool takes_part(
	const struct entry *entry, const struct stage *stage, enum key key)
{
	return !entry->is_bound && has_key(entry, key) &&
		(match_is_role(entry, stage->arrival) ||
			match_is_role(entry, stage->partner));
}

void match_for_each_group(struct matcher *matcher, const struct stage *stage,
	enum key key, group_handler *handle)
{
	struct entry **sorted = matcher->sorted;
	size_t count = 0, end;

	for (size_t i = 0; i < matcher->entry_count; i++)
		if (takes_part(&matcher->entries[i], stage, key))
			sorted[count++] = &matcher->entries[i];
	if (count > 0)
		qsort(sorted, count, sizeof(struct entry *),
			COMPARE[key][stage->is_within_folder]);
	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count; end++) {
			if (compare_keys(sorted[i], sorted[end], key) != 0)
				break;
			if (stage->is_within_folder &&
				compare_folders(sorted[i], sorted[end]) != 0)
				break;
		}
		handle(matcher, &(struct group){ &sorted[i], end - i, stage });
	}
}

struct entry *match_next(
	const struct group *group, enum match_role role, size_t *position)
{
	while (*position < group->count) {
		struct entry *entry = group->entries[(*position)++];

		if (match_is_role(entry, role))
			return entry;
	}
	return NULL;
}

struct entry *match_next_free(
	const struct group *group, enum match_role role, size_t *position)
{
	struct entry *entry;

	do
		entry = match_next(group, role, position);
	while (entry != NULL && entry->item->is_given_up);
	return entry;
}

size_t match_count_role(const struct group *group, enum match_role role)
{
	size_t position = 0, count = 0;

	while (match_next(group, role, &position) != NULL)
		count++;
	return count;
}

bool match_has_both_roles(const struct group *group)
{
	size_t arrivals = 0, partners = 0;

	return match_next_free(group, group->stage->arrival, &arrivals) !=
		NULL &&
		match_next_free(group, group->stage->partner, &partners) !=
		NULL;
}
