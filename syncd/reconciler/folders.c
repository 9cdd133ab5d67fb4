/* Folders in three steps: who is who (folders_identity.c), what shall become
   of each and under which name, and the operations in order. */
#include "syncd/reconciler/folders.h"

#include <stdlib.h>
#include <string.h>

#include "syncd/reconciler/folders_internal.h"

#define NOT_FREE "its name is not free yet"

struct folder_operation *folders_add(struct folder_set *set,
	enum folder_operation_kind kind, const struct folder *folder,
	const char *path)
{
	struct folder_operation *operation =
		arena_push(set->arena, &set->operations, &set->operation_count,
			&set->operation_capacity, sizeof(*operation));

	operation->kind = kind;
	operation->path = path;
	if (folder->record != NULL)
		operation->folder_id = folder->record->folder_id;
	return operation;
}

static bool is_inbox(const struct folder *folder)
{
	const char *path = folder->local_path;

	if (folder->record != NULL && folder->record->path != NULL)
		path = folder->record->path;
	else if (folder->remote_path != NULL)
		path = folder->remote_path;
	return path != NULL && strcmp(path, "INBOX") == 0;
}

/* Its name changed since both sides agreed, and not because a rename of ours
   was interrupted. */
static bool has_moved(const struct folder *folder, const char *path)
{
	const char *agreed = folder->record->path;

	return agreed == NULL ||
		(strcmp(agreed, path) != 0 && !folders_is_temporary(path));
}

static bool is_interrupted(const struct folder *folder, const char *path)
{
	return folder->record->path != NULL &&
		strcmp(folder->record->path, path) != 0 &&
		folders_is_temporary(path);
}

/* On both sides: which name wins. The server's, unless only ours changed. */
static void judge_name(struct folder *folder)
{
	folder->fate = FATE_KEEP;
	folder->target = folder->remote_path;
	if (folder->record == NULL || is_inbox(folder) ||
		has_moved(folder, folder->remote_path))
		return;
	if (has_moved(folder, folder->local_path)) {
		folder->is_local_driven = true;
		folder->target = folder->local_path;
	} else if (is_interrupted(folder, folder->remote_path)) {
		folder->is_local_driven = true;
		folder->target = folder->record->path;
	}
}

static enum fate judge_remote_only(const struct folder *folder)
{
	const struct folder_record *record = folder->record;

	if (record != NULL && record->is_undecided)
		return FATE_HOLD;
	if (record != NULL && record->had_local && !is_inbox(folder) &&
		record->is_removable_remote)
		return FATE_DROP_REMOTE;
	return FATE_MAKE_LOCAL;
}

static enum fate judge_local_only(const struct folder *folder)
{
	const struct folder_record *record = folder->record;

	if (is_inbox(folder) || (record != NULL && record->is_undecided))
		return FATE_HOLD;
	if (record != NULL && record->had_remote && record->is_removable_local)
		return FATE_DROP_LOCAL;
	return FATE_MAKE_REMOTE;
}

static void judge(struct folder *folder)
{
	if (folder->record != NULL && folder->record->is_held)
		folder->fate = FATE_HOLD;
	if (folder->fate != FATE_NONE)
		return;
	if (folder->remote != NULL && folder->local != NULL) {
		judge_name(folder);
	} else if (folder->remote != NULL) {
		folder->fate = judge_remote_only(folder);
		folder->target = folder->remote_path;
	} else if (folder->local != NULL) {
		folder->fate = judge_local_only(folder);
		folder->target = folder->local_path;
		folder->is_local_driven = true;
	} else {
		folder->fate = is_inbox(folder) ? FATE_HOLD : FATE_FORGET;
	}
}

/* The name it will have on the server, or NULL. */
static const char *end_on_server(const struct folder *folder)
{
	switch (folder->fate) {
	case FATE_KEEP:
	case FATE_MAKE_LOCAL:
	case FATE_MAKE_REMOTE:
		return folder->target;
	case FATE_DROP_REMOTE:
	case FATE_HOLD:
		return folder->remote_path;
	case FATE_NONE:
	case FATE_DROP_LOCAL:
	case FATE_FORGET:
		break;
	}
	return NULL;
}

/* The name in the Maildir of one that will not give it away, or NULL. */
static const char *stays_here(const struct folder *folder)
{
	if (folder->fate == FATE_DROP_LOCAL || folder->fate == FATE_HOLD)
		return folder->local_path;
	return NULL;
}

static bool is_target(const struct folder *folder, const char *path)
{
	return path != NULL && strcmp(path, folder->target) == 0;
}

/* Renamed there onto the name of a folder that is here alone. */
static bool was_renamed_onto(
	const struct folder *other, const struct folder *folder)
{
	if (folder->fate != FATE_MAKE_REMOTE || other->record == NULL ||
		!is_target(folder, other->remote_path))
		return false;
	return other->fate == FATE_MAKE_LOCAL ||
		(other->fate == FATE_KEEP && !other->is_local_driven &&
			!is_target(folder, other->local_path));
}

/* What is new here under a name belongs into the mailbox that has it now. What
   that mailbox held is found there again, as if it had been moved. */
static void take_over(struct folder *folder, struct folder *other)
{
	folder->remote = other->remote;
	folder->remote_path = other->remote_path;
	folder->fate = FATE_KEEP;
	folder->is_local_driven = false;
	other->remote = NULL;
	other->remote_path = NULL;
	other->fate = FATE_NONE;
	judge(other);
}

/* Our name is taken on the server: back to the server's, if it has one. */
static bool yield_name(struct folder_set *set, struct folder *folder)
{
	for (size_t i = 0; i < set->count; i++) {
		struct folder *other = &set->folders[i];

		if (other == folder || !is_target(folder, end_on_server(other)))
			continue;
		if (was_renamed_onto(other, folder)) {
			take_over(folder, other);
			return true;
		}
		folder->is_local_driven = false;
		if (folder->fate == FATE_KEEP) {
			folder->target = folder->remote_path;
		} else {
			folder->fate = FATE_HOLD;
			folder->reason = "the server has another mailbox of "
					 "this name";
		}
		return true;
	}
	return false;
}

/* Its name in the Maildir belongs to a folder that stays. */
static bool hold_collision(struct folder_set *set, struct folder *folder)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct folder *other = &set->folders[i];

		if (other == folder || !is_target(folder, stays_here(other)))
			continue;
		folder->fate = FATE_HOLD;
		folder->is_local_driven = false;
		folder->reason = "another folder has this name in the maildir";
		return true;
	}
	return false;
}

static bool has_target(const struct folder *folder)
{
	return folder->fate == FATE_KEEP || folder->fate == FATE_MAKE_LOCAL ||
		folder->fate == FATE_MAKE_REMOTE;
}

static bool yield_names(struct folder_set *set)
{
	bool is_changed = false;

	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].is_local_driven &&
			has_target(&set->folders[i]))
			is_changed |= yield_name(set, &set->folders[i]);
	return is_changed;
}

static bool hold_collisions(struct folder_set *set)
{
	bool is_changed = false;
	size_t stay_count = 0;

	for (size_t i = 0; i < set->count; i++)
		if (stays_here(&set->folders[i]) != NULL)
			stay_count++;
	for (size_t i = 0; i < set->count && stay_count > 0; i++)
		if (has_target(&set->folders[i]))
			is_changed |= hold_collision(set, &set->folders[i]);
	return is_changed;
}

/* Folders only ever lose claims here, so it ends. */
static void resolve_names(struct folder_set *set)
{
	bool is_changed;

	do {
		is_changed = yield_names(set);
		is_changed |= hold_collisions(set);
	} while (is_changed);
}

static const char *any_path(const struct folder *folder)
{
	if (folder->remote_path != NULL)
		return folder->remote_path;
	return folder->local_path != NULL ? folder->local_path
					  : folder->record->path;
}

static void emit_holds(struct folder_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct folder *folder = &set->folders[i];

		if (folder->fate == FATE_HOLD && folder->reason != NULL)
			folders_add(set, FOLDER_HOLD, folder, any_path(folder))
				->reason = folder->reason;
	}
}

static bool is_in_place(const struct folder *folder)
{
	return folder->fate == FATE_KEEP &&
		strcmp(folder->remote_path, folder->target) == 0 &&
		strcmp(folder->local_path, folder->target) == 0;
}

static bool is_recorded_elsewhere(
	const struct folder_set *set, const struct folder *folder)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct folder *other = &set->folders[i];

		if (other != folder && other->record != NULL &&
			other->record->path != NULL &&
			strcmp(other->record->path, any_path(folder)) == 0)
			return true;
	}
	return false;
}

/* Renamed where it still is, and gone on the other side: whatever is done with
   it now, is done under its new name. */
static bool is_left_renamed(
	const struct folder_set *set, const struct folder *folder)
{
	switch (folder->fate) {
	case FATE_MAKE_LOCAL:
	case FATE_MAKE_REMOTE:
	case FATE_DROP_LOCAL:
	case FATE_DROP_REMOTE:
		break;
	case FATE_NONE:
	case FATE_KEEP:
	case FATE_FORGET:
	case FATE_HOLD:
		return false;
	}
	return folder->record != NULL && folder->record->path != NULL &&
		has_moved(folder, any_path(folder)) &&
		!is_recorded_elsewhere(set, folder);
}

/* Renamed alike on both sides, or on the only one that has it. */
static void emit_record_renames(struct folder_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct folder *folder = &set->folders[i];
		bool is_renamed = is_in_place(folder)
			? folder->record != NULL &&
				folder->record->path != NULL &&
				strcmp(folder->record->path, folder->target) !=
					0
			: is_left_renamed(set, folder);

		if (is_renamed)
			folders_add(set, FOLDER_RECORD_RENAME, folder,
				folder->record->path)
				->new_path = any_path(folder);
	}
}

/* A child that may not move along, for one, is in its way. */
static void emit_stuck(struct folder_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct folder *folder = &set->folders[i];

		if (folder->fate == FATE_KEEP && !is_in_place(folder))
			folders_add(set, FOLDER_HOLD, folder, any_path(folder))
				->reason = NOT_FREE;
	}
}

/* Known by its path alone: what identifies it is another mailbox or directory
   now, or was never noted. */
static bool is_replaced(const struct folder *folder)
{
	const struct folder_record *record = folder->record;
	const char *id = folder->remote->mailbox_id;

	if (record->inode != folder->local->inode ||
		record->device != folder->local->device)
		return true;
	return id != NULL &&
		(record->mailbox_id == NULL ||
			strcmp(record->mailbox_id, id) != 0);
}

static void emit_adoptions(struct folder_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct folder *folder = &set->folders[i];
		const struct folder_record *record = folder->record;

		if (is_in_place(folder) &&
			(record == NULL || record->path == NULL ||
				!record->had_remote || !record->had_local ||
				record->is_leaving || is_replaced(folder)))
			folders_add(set, FOLDER_ADOPT, folder, folder->target);
	}
}

static int compare_paths(const void *a_item, const void *b_item)
{
	const struct folder *a = *(struct folder *const *)a_item;
	const struct folder *b = *(struct folder *const *)b_item;
	const char *a_path = any_path(a), *b_path = any_path(b);

	if (a_path == NULL || b_path == NULL)
		return (a_path != NULL) - (b_path != NULL);
	return strcmp(a_path, b_path);
}

/* A prefix sorts before what it is a prefix of: parents before children. */
static struct folder **sort_by_path(struct folder_set *set)
{
	struct folder **sorted =
		arena_alloc(set->arena, set->count, sizeof(struct folder *));

	for (size_t i = 0; i < set->count; i++)
		sorted[i] = &set->folders[i];
	if (set->count > 0)
		qsort(sorted, set->count, sizeof(struct folder *),
			compare_paths);
	return sorted;
}

/* A rename that could not be planned yet may still sit on the name. */
static bool is_vacant(
	const struct folder_set *set, const char *path, bool is_remote)
{
	for (size_t i = 0; i < set->count; i++) {
		const char *other = is_remote ? set->folders[i].remote_path
					      : set->folders[i].local_path;

		if (other != NULL && strcmp(other, path) == 0)
			return false;
	}
	return true;
}

static void emit_creations(struct folder_set *set)
{
	struct folder **sorted = sort_by_path(set);

	for (size_t i = 0; i < set->count; i++) {
		const struct folder *folder = sorted[i];
		bool is_remote = folder->fate == FATE_MAKE_REMOTE;
		const char *path = any_path(folder);

		if (folder->fate != FATE_MAKE_LOCAL && !is_remote)
			continue;
		if (!is_vacant(set, path, is_remote))
			folders_add(set, FOLDER_HOLD, folder, path)->reason =
				NOT_FREE;
		else
			folders_add(set,
				is_remote ? FOLDER_CREATE_REMOTE
					  : FOLDER_CREATE_LOCAL,
				folder, path);
	}
}

static void emit_removals(struct folder_set *set)
{
	struct folder **sorted = sort_by_path(set);

	for (size_t i = set->count; i > 0; i--) {
		const struct folder *folder = sorted[i - 1];

		if (folder->fate == FATE_DROP_LOCAL)
			folders_add(set, FOLDER_EMPTY_LOCAL, folder,
				folder->local_path);
		if (folder->fate == FATE_DROP_REMOTE)
			folders_add(set, FOLDER_EMPTY_REMOTE, folder,
				folder->remote_path);
		if (folder->fate == FATE_FORGET)
			folders_add(set, FOLDER_FORGET, folder,
				folder->record->path);
	}
}

struct folders_plan folders_plan_make(
	struct arena *arena, const struct folders_input *input)
{
	struct folder_set set = { .arena = arena };

	/* Of a side that is not known nothing can be said to be missing. */
	if (!input->remote_is_known || !input->local_is_known)
		return (struct folders_plan){ 0 };
	folders_identify(&set, input);
	for (size_t i = 0; i < set.count; i++)
		judge(&set.folders[i]);
	resolve_names(&set);

	emit_holds(&set);
	emit_record_renames(&set);
	folders_rename(&set, true);
	folders_rename(&set, false);
	emit_stuck(&set);
	emit_adoptions(&set);
	emit_creations(&set);
	emit_removals(&set);
	return (struct folders_plan){
		.operations = set.operations,
		.operation_count = set.operation_count,
	};
}
