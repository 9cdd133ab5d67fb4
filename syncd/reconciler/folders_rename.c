/* The renames of one side, in an order in which each finds its target free.

   A rename takes the children with it, so the paths are kept up to date while
   the list grows, and a child that arrived with its parent needs no rename of
   its own. Shallow targets come first. Where folders wait for each other (two
   names swapped, a folder that goes below itself), one of them steps aside. */
#include "syncd/reconciler/folders_internal.h"

#include <stdlib.h>
#include <string.h>

#define TEMPORARY_INFIX "-renaming-"

struct mover {
	struct folder *folder;
	size_t depth; /* of the target */
	bool has_stepped_aside;
};

struct renaming {
	struct folder_set *set;
	struct mover *movers;
	size_t mover_count;
	bool is_remote;
};

static bool is_temporary_name(const char *name, size_t size)
{
	size_t digits = 0;
	size_t infix_size = strlen(TEMPORARY_INFIX);

	while (digits < size && name[size - digits - 1] >= '0' &&
		name[size - digits - 1] <= '9')
		digits++;
	return digits > 0 && size - digits > infix_size &&
		memcmp(name + size - digits - infix_size, TEMPORARY_INFIX,
			infix_size) == 0;
}

bool folders_is_temporary(const char *path)
{
	while (*path != '\0') {
		size_t size = strcspn(path, "/");

		if (is_temporary_name(path, size))
			return true;
		path += size + (path[size] == '/');
	}
	return false;
}

static const char **path_of(struct folder *folder, bool is_remote)
{
	return is_remote ? &folder->remote_path : &folder->local_path;
}

static size_t depth_of(const char *path)
{
	size_t depth = 0;

	for (; *path != '\0'; path++)
		if (*path == '/')
			depth++;
	return depth;
}

static bool is_below(const char *path, const char *parent)
{
	size_t size = strlen(parent);

	return strncmp(path, parent, size) == 0 && path[size] == '/';
}

static int compare_movers(const void *a_item, const void *b_item)
{
	const struct mover *a = a_item, *b = b_item;

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return strcmp(a->folder->target, b->folder->target);
}

static bool is_pending(const struct renaming *renaming, struct folder *folder)
{
	return strcmp(*path_of(folder, renaming->is_remote), folder->target) !=
		0;
}

static struct renaming renaming_make(struct folder_set *set, bool is_remote)
{
	struct renaming renaming = {
		.set = set,
		.movers = arena_alloc(
			set->arena, set->count, sizeof(struct mover)),
		.is_remote = is_remote,
	};

	/* Folders that are in place may be carried away and move later. */
	for (size_t i = 0; i < set->count; i++)
		if (set->folders[i].fate == FATE_KEEP)
			renaming.movers[renaming.mover_count++] =
				(struct mover){
					.folder = &set->folders[i],
					.depth = depth_of(
						set->folders[i].target),
				};
	if (renaming.mover_count > 0)
		qsort(renaming.movers, renaming.mover_count,
			sizeof(struct mover), compare_movers);
	return renaming;
}

/* What `path` is called after `from` became `to`; NULL = it is not concerned.
 */
static const char *renamed(
	struct arena *arena, const char *path, const char *from, const char *to)
{
	if (strcmp(path, from) == 0)
		return to;
	if (!is_below(path, from))
		return NULL;
	return arena_format(arena, "%s%s", to, path + strlen(from));
}

/* Somebody who does not move along sits at `path`. */
static bool is_taken(
	const struct renaming *renaming, const char *path, const char *from)
{
	for (size_t i = 0; i < renaming->set->count; i++) {
		const char *other = *path_of(
			&renaming->set->folders[i], renaming->is_remote);

		if (other != NULL && strcmp(other, path) == 0 &&
			strcmp(other, from) != 0 && !is_below(other, from))
			return true;
	}
	return false;
}

/* Neither the folder nor one of its children would meet another. */
static bool is_free(
	const struct renaming *renaming, const char *from, const char *to)
{
	struct folder_set *set = renaming->set;

	for (size_t i = 0; i < set->count; i++) {
		const char *path =
			*path_of(&set->folders[i], renaming->is_remote);
		const char *after;

		if (path == NULL)
			continue;
		after = renamed(set->arena, path, from, to);
		if (after != NULL && is_taken(renaming, after, from))
			return false;
	}
	return true;
}

/* A parent that is yet to move would take it away again. */
static bool is_settled_ground(const struct renaming *renaming, const char *to)
{
	for (size_t i = 0; i < renaming->mover_count; i++) {
		struct folder *other = renaming->movers[i].folder;

		if (is_pending(renaming, other) &&
			is_below(to, *path_of(other, renaming->is_remote)))
			return false;
	}
	return true;
}

static bool is_ready(const struct renaming *renaming, struct folder *folder)
{
	const char *from = *path_of(folder, renaming->is_remote);

	return !is_below(folder->target, from) &&
		is_settled_ground(renaming, folder->target) &&
		is_free(renaming, from, folder->target);
}

/* `folder` sits where `other` wants to go, or above that. */
static bool blocks_target(const struct renaming *renaming,
	struct folder *folder, struct folder *other)
{
	const char *path = *path_of(folder, renaming->is_remote);

	return is_pending(renaming, folder) &&
		(is_below(other->target, path) ||
			(other != folder && strcmp(other->target, path) == 0));
}

/* `other` would carry `folder` along to a name that is taken. */
static bool blocks_parent(const struct renaming *renaming,
	struct folder *folder, struct folder *other)
{
	const char *path = *path_of(folder, renaming->is_remote);
	const char *from = *path_of(other, renaming->is_remote);

	return is_below(path, from) &&
		is_taken(renaming,
			renamed(renaming->set->arena, path, from,
				other->target),
			from);
}

static bool is_in_the_way(
	const struct renaming *renaming, struct folder *folder)
{
	for (size_t i = 0; i < renaming->mover_count; i++) {
		struct folder *other = renaming->movers[i].folder;

		if (is_pending(renaming, other) &&
			(blocks_target(renaming, folder, other) ||
				blocks_parent(renaming, folder, other)))
			return true;
	}
	return false;
}

static void emit_rename(
	struct renaming *renaming, struct folder *folder, const char *to)
{
	struct folder_set *set = renaming->set;
	const char *from = *path_of(folder, renaming->is_remote);
	struct folder_operation *operation = folders_add(set,
		renaming->is_remote ? FOLDER_RENAME_REMOTE
				    : FOLDER_RENAME_LOCAL,
		folder, from);

	operation->new_path = to;
	for (size_t i = 0; i < set->count; i++) {
		const char **path =
			path_of(&set->folders[i], renaming->is_remote);
		const char *after;

		if (*path == NULL)
			continue;
		after = renamed(set->arena, *path, from, to);
		if (after != NULL)
			*path = after;
	}
}

static bool has_pending(const struct renaming *renaming)
{
	for (size_t i = 0; i < renaming->mover_count; i++)
		if (is_pending(renaming, renaming->movers[i].folder))
			return true;
	return false;
}

static bool move_one(struct renaming *renaming)
{
	for (size_t i = 0; i < renaming->mover_count; i++) {
		struct folder *folder = renaming->movers[i].folder;

		if (!is_pending(renaming, folder) ||
			!is_ready(renaming, folder))
			continue;
		emit_rename(renaming, folder, folder->target);
		return true;
	}
	return false;
}

/* Only who blocks another: the other goes on then, and clears the way back.
   The one nearest to the root, so that its children need not do the same. */
static struct mover *find_blocker(const struct renaming *renaming)
{
	struct mover *found = NULL;
	size_t found_depth = 0;

	for (size_t i = 0; i < renaming->mover_count; i++) {
		struct mover *mover = &renaming->movers[i];
		size_t depth =
			depth_of(*path_of(mover->folder, renaming->is_remote));

		if ((found != NULL && depth >= found_depth) ||
			mover->has_stepped_aside ||
			!is_in_the_way(renaming, mover->folder))
			continue;
		found = mover;
		found_depth = depth;
	}
	return found;
}

static bool step_aside(struct renaming *renaming)
{
	struct mover *mover = find_blocker(renaming);
	const char *from, *to;
	unsigned number = 1;

	if (mover == NULL)
		return false;
	from = *path_of(mover->folder, renaming->is_remote);
	do
		to = arena_format(renaming->set->arena,
			"%s" TEMPORARY_INFIX "%u", from, number++);
	while (!is_free(renaming, from, to));
	mover->has_stepped_aside = true;
	emit_rename(renaming, mover->folder, to);
	return true;
}

void folders_rename(struct folder_set *set, bool is_remote)
{
	struct renaming renaming = renaming_make(set, is_remote);
	/* Far more than any order needs; what is left comes in the next pass,
	   from what is observed then. */
	size_t step_count_max = 4 * renaming.mover_count + 4;

	for (size_t i = 0; i < step_count_max && has_pending(&renaming); i++)
		if (!move_one(&renaming) && !step_aside(&renaming))
			return;
}
