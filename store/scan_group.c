#include "store/scan_group.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/pair.h"

#define BUCKETS_MIN 1024

void scan_groups_init(struct scan_groups *groups)
{
	*groups = (struct scan_groups){ .count = 0 };
	/* Names come from anybody; a key nobody knows keeps chains short. If
	   there is no randomness, the scan is only slower at worst. */
	if (getrandom(groups->key, sizeof(groups->key), GRND_NONBLOCK) == -1)
		memset(groups->key, 0, sizeof(groups->key));
}

void scan_groups_finish(struct scan_groups *groups)
{
	free(groups->candidates);
	free(groups->groups);
	free(groups->buckets);
	*groups = (struct scan_groups){ .count = 0 };
}

static void place_group(struct scan_groups *groups, size_t index)
{
	size_t mask = groups->bucket_count - 1;
	size_t at = (size_t)groups->groups[index].hash & mask;

	while (groups->buckets[at] != SCAN_NONE)
		at = (at + 1) & mask;
	groups->buckets[at] = index;
}

static void grow_buckets(struct scan_groups *groups)
{
	groups->bucket_count = groups->bucket_count == 0
		? BUCKETS_MIN
		: 2 * groups->bucket_count;
	groups->buckets = alloc_resize(groups->buckets, groups->bucket_count,
		sizeof(*groups->buckets));
	for (size_t i = 0; i < groups->bucket_count; i++)
		groups->buckets[i] = SCAN_NONE;
	for (size_t i = 0; i < groups->count; i++)
		place_group(groups, i);
}

static uint64_t hash_of(const struct scan_groups *groups, const char *name)
{
	return hash_keyed(groups->key, name, pair_unique_size(name));
}

static struct scan_group *find_group(
	const struct scan_groups *groups, const char *name, uint64_t hash)
{
	size_t mask = groups->bucket_count - 1;
	size_t at = (size_t)hash & mask;

	if (groups->bucket_count == 0)
		return NULL;
	for (; groups->buckets[at] != SCAN_NONE; at = (at + 1) & mask) {
		struct scan_group *group = &groups->groups[groups->buckets[at]];

		if (group->hash == hash &&
			maildir_name_same_unique(name,
				groups->candidates[group->first].entry.name))
			return group;
	}
	return NULL;
}

static struct scan_group *add_group(struct scan_groups *groups, uint64_t hash)
{
	if (2 * (groups->count + 1) > groups->bucket_count)
		grow_buckets(groups);
	if (groups->count == groups->capacity) {
		groups->capacity = 2 * groups->capacity + 256;
		groups->groups = alloc_resize(groups->groups, groups->capacity,
			sizeof(*groups->groups));
	}
	groups->groups[groups->count] = (struct scan_group){
		.hash = hash,
		.first = SCAN_NONE,
		.last = SCAN_NONE,
	};
	place_group(groups, groups->count);
	return &groups->groups[groups->count++];
}

static void add_candidate(struct scan_groups *groups, struct scan_group *group,
	const struct maildir_entry *entry)
{
	size_t index = groups->candidate_count;

	if (index == groups->candidate_capacity) {
		groups->candidate_capacity =
			2 * groups->candidate_capacity + 256;
		groups->candidates = alloc_resize(groups->candidates,
			groups->candidate_capacity,
			sizeof(*groups->candidates));
	}
	groups->candidates[index] = (struct scan_candidate){
		.entry = *entry,
		.next = SCAN_NONE,
	};
	groups->candidate_count++;
	if (group->last == SCAN_NONE)
		group->first = index;
	else
		groups->candidates[group->last].next = index;
	group->last = index;
}

/* readdir() can list one name twice. */
static bool has_candidate(const struct scan_groups *groups,
	const struct scan_group *group, const char *name, bool is_new)
{
	for (size_t i = group->first; i != SCAN_NONE;
		i = groups->candidates[i].next) {
		const struct maildir_entry *entry =
			&groups->candidates[i].entry;

		if (entry->is_new == is_new && strcmp(entry->name, name) == 0)
			return true;
	}
	return false;
}

void scan_groups_entry(
	struct scan_groups *groups, const struct maildir_entry *entry)
{
	uint64_t hash = hash_of(groups, entry->name);
	struct scan_group *group = find_group(groups, entry->name, hash);

	if (group == NULL) {
		group = add_group(groups, hash);
	} else if (has_candidate(groups, group, entry->name, entry->is_new)) {
		return;
	} else {
		group->is_doubtful = true;
	}
	add_candidate(groups, group, entry);
}

void scan_groups_event(struct scan_groups *groups, const char *name,
	bool is_new, bool only_doubtful, struct arena *arena)
{
	uint64_t hash = hash_of(groups, name);
	struct scan_group *group = find_group(groups, name, hash);
	struct maildir_entry entry = { .is_new = is_new };

	if (only_doubtful &&
		(group == NULL || !group->is_doubtful || group->is_settled))
		return;
	if (group == NULL)
		group = add_group(groups, hash);
	group->is_doubtful = true;
	group->was_moved = true;
	if (has_candidate(groups, group, name, is_new))
		return;
	entry.name = arena_text(arena, name);
	add_candidate(groups, group, &entry);
}

bool scan_groups_in_doubt(const struct scan_groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		if (groups->groups[i].is_doubtful &&
			!groups->groups[i].is_settled)
			return true;
	}
	return false;
}

void scan_groups_settle(struct scan_groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		struct scan_group *group = &groups->groups[i];

		if (group->is_doubtful && !group->was_moved)
			group->is_settled = true;
	}
}

struct output {
	struct arena *arena;
	struct maildir_entry *entries;
	size_t count;
	size_t capacity;
};

static struct maildir_entry *put(
	struct output *output, const struct maildir_entry *entry)
{
	struct maildir_entry *copy = arena_push(output->arena, &output->entries,
		&output->count, &output->capacity, sizeof(*copy));

	*copy = *entry;
	return copy;
}

/* Entries from `start` on are of the same message. */
static bool has_inode(const struct output *output, size_t start, uint64_t inode)
{
	for (size_t i = start; i < output->count; i++) {
		if (output->entries[i].inode == inode)
			return true;
	}
	return false;
}

static void emit_doubtful(const struct scan_groups *groups,
	const struct scan_group *group, struct output *output)
{
	size_t start = output->count;

	for (size_t i = group->first; i != SCAN_NONE;
		i = groups->candidates[i].next) {
		const struct scan_candidate *candidate = &groups->candidates[i];

		if (candidate->is_present &&
			!has_inode(output, start, candidate->entry.inode))
			(void)put(output, &candidate->entry);
	}
	if (output->count == start && !group->is_settled)
		put(output, &groups->candidates[group->last].entry)
			->is_elsewhere = true;
}

static int compare_entries(const void *a, const void *b)
{
	const struct maildir_entry *first = a;
	const struct maildir_entry *second = b;

	return (int)second->is_new - (int)first->is_new;
}

void scan_groups_emit(const struct scan_groups *groups, struct arena *arena,
	struct maildir_entry **entries_out, size_t *count_out)
{
	struct output output = { .arena = arena };

	for (size_t i = 0; i < groups->count; i++) {
		const struct scan_group *group = &groups->groups[i];

		if (group->is_doubtful)
			emit_doubtful(groups, group, &output);
		else
			(void)put(&output,
				&groups->candidates[group->first].entry);
	}
	if (output.count > 0)
		qsort(output.entries, output.count, sizeof(*output.entries),
			compare_entries);
	*entries_out = output.entries;
	*count_out = output.count;
}
