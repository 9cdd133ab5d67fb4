#include "syncd/reconciler/folders_internal.h"

#include <stdlib.h>
#include <string.h>

#define INBOX "INBOX"

/* Lookup by path, built once for each side. */
struct slot {
	const char *path;
	size_t position; /* in the input */
	bool is_taken;
};

struct index {
	struct slot *slots; /* sorted by path */
	size_t count;
};

static bool is_inbox(const char *path)
{
	return path != NULL && strcmp(path, INBOX) == 0;
}

static int compare_slots(const void *a_item, const void *b_item)
{
	const struct slot *a = a_item, *b = b_item;
	int order = strcmp(a->path, b->path);

	return order != 0
		? order
		: (a->position > b->position) - (a->position < b->position);
}

static void index_sort(struct index *index)
{
	if (index->count > 0)
		qsort(index->slots, index->count, sizeof(struct slot),
			compare_slots);
}

static void index_add(struct index *index, const char *path, size_t position)
{
	index->slots[index->count++] = (struct slot){ path, position, false };
}

/* The first of that path that is not taken, or NULL. */
static struct slot *index_find(const struct index *index, const char *path)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(index->slots[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == index->count || strcmp(index->slots[low].path, path) != 0 ||
		index->slots[low].is_taken)
		return NULL;
	return &index->slots[low];
}

static struct folder *add_folder(struct folder_set *set)
{
	return arena_push(set->arena, &set->folders, &set->count,
		&set->capacity, sizeof(struct folder));
}

static void take_remote(struct folder *folder,
	const struct folders_input *input, struct slot *slot)
{
	slot->is_taken = true;
	folder->remote = &input->remote[slot->position];
	folder->remote_path = slot->path;
}

static void take_local(struct folder *folder, const struct folders_input *input,
	struct slot *slot)
{
	slot->is_taken = true;
	folder->local = &input->local[slot->position];
	folder->local_path = slot->path;
}

/* INBOX is INBOX by its name alone: RENAME INBOX leaves it where it is and
   moves its messages (RFC 9051, 6.3.6). */
static bool is_same_mailbox(
	const struct folder_record *record, const struct folder_remote *remote)
{
	return !is_inbox(record->path) && !is_inbox(remote->path) &&
		record->mailbox_id != NULL && remote->mailbox_id != NULL &&
		strcmp(record->mailbox_id, remote->mailbox_id) == 0;
}

static bool is_same_directory(
	const struct folder_record *record, const struct folder_local *local)
{
	return !is_inbox(record->path) && !is_inbox(local->path) &&
		record->had_local && record->inode != 0 &&
		record->inode == local->inode &&
		record->device == local->device;
}

/* Most folders keep path and identity: looked at first, so that only what
   changed is compared with everything. */
static void take_unchanged(struct folder *folder,
	const struct folders_input *input, struct index *remote,
	struct index *local)
{
	const struct folder_record *record = folder->record;
	struct slot *slot = index_find(remote, record->path);

	if (slot != NULL &&
		is_same_mailbox(record, &input->remote[slot->position]))
		take_remote(folder, input, slot);
	slot = index_find(local, record->path);
	if (slot != NULL &&
		is_same_directory(record, &input->local[slot->position]))
		take_local(folder, input, slot);
}

static void take_by_identity(struct folder *folder,
	const struct folders_input *input, struct index *remote,
	struct index *local)
{
	for (size_t i = 0; i < remote->count; i++) {
		struct slot *slot = &remote->slots[i];

		if (folder->remote != NULL ||
			folder->record->mailbox_id == NULL)
			break;

		if (!slot->is_taken &&
			is_same_mailbox(
				folder->record, &input->remote[slot->position]))
			take_remote(folder, input, slot);
	}
	for (size_t i = 0; i < local->count && folder->local == NULL; i++) {
		struct slot *slot = &local->slots[i];

		if (!slot->is_taken &&
			is_same_directory(
				folder->record, &input->local[slot->position]))
			take_local(folder, input, slot);
	}
}

static void take_by_path(struct folder *folder,
	const struct folders_input *input, struct index *remote,
	struct index *local)
{
	struct slot *slot;

	if (folder->remote == NULL) {
		slot = index_find(remote, folder->record->path);
		if (slot != NULL)
			take_remote(folder, input, slot);
	}
	if (folder->local == NULL) {
		slot = index_find(local, folder->record->path);
		if (slot != NULL)
			take_local(folder, input, slot);
	}
}

/* Servers derive UIDVALIDITY from the clock: folders made in one second share
   it, and then it identifies nothing. */
static bool is_unique_validity(
	const struct folders_input *input, uint32_t uid_validity)
{
	size_t remote_count = 0, record_count = 0;

	for (size_t i = 0; i < input->remote_count; i++)
		if (input->remote[i].uid_validity == uid_validity)
			remote_count++;
	for (size_t i = 0; i < input->record_count; i++)
		if (input->records[i].uid_validity == uid_validity)
			record_count++;
	return uid_validity != 0 && remote_count == 1 && record_count == 1;
}

static bool contradicts(
	const struct folder_record *record, const struct folder_remote *remote)
{
	return is_inbox(remote->path) || is_inbox(record->path) ||
		(record->mailbox_id != NULL && remote->mailbox_id != NULL);
}

static void take_by_validity(struct folder *folder,
	const struct folders_input *input, struct index *remote)
{
	const struct folder_record *record = folder->record;

	if (folder->remote != NULL || !record->had_remote ||
		!is_unique_validity(input, record->uid_validity))
		return;
	for (size_t i = 0; i < remote->count; i++) {
		struct slot *slot = &remote->slots[i];
		const struct folder_remote *mailbox =
			&input->remote[slot->position];

		if (slot->is_taken ||
			mailbox->uid_validity != record->uid_validity ||
			contradicts(record, mailbox))
			continue;
		take_remote(folder, input, slot);
		return;
	}
}

/* Left on one side only, where the other has a folder of the very name that has
   no other half either: one folder now, whatever they were. A rename cut off
   half-way looks like this. */
static void take_namesake(struct folder *folder,
	const struct folders_input *input, struct index *remote,
	struct index *local)
{
	struct slot *slot = NULL;

	if (folder->local != NULL && folder->remote == NULL &&
		!is_inbox(folder->local_path))
		slot = index_find(remote, folder->local_path);
	if (slot != NULL)
		take_remote(folder, input, slot);
	slot = NULL;
	if (folder->remote != NULL && folder->local == NULL &&
		!is_inbox(folder->remote_path))
		slot = index_find(local, folder->remote_path);
	if (slot != NULL)
		take_local(folder, input, slot);
}

/* Sorted, equal paths lie together: all but the first collide. */
static void hold_doubles(struct folder_set *set,
	const struct folders_input *input, struct index *remote)
{
	for (size_t i = 1; i < remote->count; i++) {
		struct slot *slot = &remote->slots[i];
		struct folder *folder;

		if (slot->is_taken || strcmp(slot[-1].path, slot->path) != 0)
			continue;
		folder = add_folder(set);
		take_remote(folder, input, slot);
		folder->fate = FATE_HOLD;
		folder->reason = "another mailbox has the same name here";
	}
}

static void add_unrecorded(struct folder_set *set,
	const struct folders_input *input, struct index *remote,
	struct index *local)
{
	for (size_t i = 0; i < remote->count; i++) {
		struct slot *same;
		struct folder *folder;

		if (remote->slots[i].is_taken)
			continue;
		folder = add_folder(set);
		take_remote(folder, input, &remote->slots[i]);
		same = index_find(local, folder->remote_path);
		if (same != NULL)
			take_local(folder, input, same);
	}
	for (size_t i = 0; i < local->count; i++)
		if (!local->slots[i].is_taken)
			take_local(add_folder(set), input, &local->slots[i]);
}

static struct index index_remote(
	struct arena *arena, const struct folders_input *input)
{
	struct index index = { .slots = arena_alloc(arena, input->remote_count,
				       sizeof(struct slot)) };

	/* A name that cannot be selected is no mailbox, only a parent. */
	for (size_t i = 0; i < input->remote_count; i++)
		if (input->remote[i].is_selectable)
			index_add(&index, input->remote[i].path, i);
	index_sort(&index);
	return index;
}

static struct index index_local(
	struct arena *arena, const struct folders_input *input)
{
	struct index index = { .slots = arena_alloc(arena, input->local_count,
				       sizeof(struct slot)) };

	for (size_t i = 0; i < input->local_count; i++)
		index_add(&index, input->local[i].path, i);
	index_sort(&index);
	return index;
}

/* One rule for all records before the next rule: an identity proves more than
   a path that another folder may have taken over. */
void folders_identify(struct folder_set *set, const struct folders_input *input)
{
	struct index remote = index_remote(set->arena, input);
	struct index local = index_local(set->arena, input);

	hold_doubles(set, input, &remote);
	for (size_t i = 0; i < input->record_count; i++)
		add_folder(set)->record = &input->records[i];
	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].record != NULL &&
			set->folders[i].record->path != NULL)
			take_unchanged(
				&set->folders[i], input, &remote, &local);
	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].record != NULL)
			take_by_identity(
				&set->folders[i], input, &remote, &local);
	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].record != NULL &&
			set->folders[i].record->path != NULL)
			take_by_path(&set->folders[i], input, &remote, &local);
	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].record != NULL)
			take_by_validity(&set->folders[i], input, &remote);
	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].record != NULL)
			take_namesake(&set->folders[i], input, &remote, &local);
	add_unrecorded(set, input, &remote, &local);
}
