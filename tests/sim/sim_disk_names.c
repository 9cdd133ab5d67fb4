/* Names come, go and change: effects on what processes see, what has to become
   durable for that, and what watchers hear. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "tests/sim/sim_disk_internal.h"

static uint32_t kind_of(const struct inode *inode)
{
	return inode->directory == NULL ? 0 : IN_ISDIR;
}

/* Of what the product does. */
static void count(uint64_t *counter)
{
	*counter += !sim_disk.is_other;
}

/* What others do is durable at once. */
static void note_change(struct change *change)
{
	if (sim_disk.is_other)
		change_sync(change);
}

void names_tell(const char *change, char *path, char *new_path, bool replaced)
{
	if (sim_disk.hook != NULL && !sim_disk.is_other)
		sim_disk.hook(change, path, new_path, replaced);
	free(path);
	free(new_path);
}

static void tell_of(const char *change, const struct found *place)
{
	if (sim_disk.hook != NULL)
		names_tell(change, path_of(place->directory, place->name), NULL,
			false);
}

/* ---- Entries ---- */

static void attach(struct inode *directory, struct entry *entry)
{
	struct inode *inode = entry->inode;

	struct inode *old = entry->parent;

	entry->directory = directory;
	entry->parent = directory;
	directory->open_count += entry->open_count;
	slots_add(&directory->directory->now, entry);
	inode->link_count++;
	inode->is_gone = false;
	if (inode->directory != NULL) {
		inode->directory->parent = directory;
		inode->directory->self = entry;
	}
	inode_touch(directory);
	inode->ctime_ns = directory->ctime_ns;
	if (old != NULL) {
		old->open_count -= entry->open_count;
		inode_settle(old);
	}
}

/* The caller owns the entry then. */
static void detach(struct entry *entry)
{
	struct inode *inode = entry->inode;

	slots_take(&entry->directory->directory->now, entry);
	inode_touch(entry->directory);
	inode->ctime_ns = entry->directory->ctime_ns;
	inode->link_count--;
	entry->directory = NULL;
	if (inode->directory != NULL)
		inode->directory->self = NULL;
}

/* Whoever has it open may still read it. */
static void drop(struct entry *entry)
{
	struct inode *inode = entry->inode;

	if (inode->directory != NULL)
		inode->directory->is_removed = true;
	entry_release(entry);
	inode_settle(inode);
}

static struct change *add_name(
	const struct found *place, struct inode *inode, uint32_t event)
{
	struct change *change;

	attach(place->directory, entry_new(place->name, inode));
	change = change_add(&(struct change_request){
		.directory = place->directory,
		.set = place->name,
		.inode = inode,
	});
	inotify_note(place->directory, event, 0, place->name);
	return change;
}

void names_put(struct inode *directory, const char *name, struct inode *inode)
{
	struct entry *old = slots_find(&directory->directory->now, name);

	if (old != NULL) {
		detach(old);
		entry_release(old);
	}
	attach(directory, entry_new(name, inode));
	change_sync(change_add(&(struct change_request){
		.directory = directory,
		.set = name,
		.inode = inode,
	}));
}

/* ---- Making ---- */

static int check_place(const struct found *place)
{
	if (place->last != LAST_NAME || place->inode != NULL)
		return -EEXIST;
	if (place->directory->directory->is_removed)
		return -ENOENT;
	return 0;
}

int names_create(
	const struct found *place, mode_t mode, struct inode **inode_out)
{
	int error = check_place(place);

	if (error != 0)
		return error;
	if (place->has_slash)
		return -EISDIR;
	inotify_settle(place->directory, NULL);
	*inode_out =
		inode_new(S_IFREG, mode & SIM_MODES, place->directory->device);
	count(&sim_disk.counts.creations);
	note_change(add_name(place, *inode_out, IN_CREATE));
	tell_of("create", place);
	return 0;
}

int names_make_directory(const struct found *place, mode_t mode)
{
	struct inode *inode;
	int error = check_place(place);

	if (error != 0)
		return error;
	inotify_settle(place->directory, NULL);
	inode = inode_new(S_IFDIR, mode & SIM_MODES, place->directory->device);
	inode->directory->made_by =
		add_name(place, inode, IN_CREATE | IN_ISDIR);
	note_change(inode->directory->made_by);
	tell_of("mkdir", place);
	return 0;
}

int names_symlink(const char *target, const struct found *place)
{
	struct inode *inode;
	int error = check_place(place);

	if (error != 0)
		return error;
	inotify_settle(place->directory, NULL);
	inode = inode_new(S_IFLNK, 0777, place->directory->device);
	(void)inode_write(inode, target, strlen(target), 0);
	inode_sync(inode);
	note_change(add_name(place, inode, IN_CREATE));
	return 0;
}

int names_link(const struct found *from, const struct found *to)
{
	int error;

	if (from->inode == NULL)
		return -ENOENT;
	error = check_place(to);
	if (error != 0)
		return error;
	if (to->has_slash)
		return -ENOENT;
	if (from->inode->device != to->directory->device)
		return -EXDEV;
	if (from->inode->directory != NULL)
		return -EPERM;
	inotify_settle(to->directory, NULL);
	count(&sim_disk.counts.creations);
	note_change(add_name(to, from->inode, IN_CREATE));
	tell_of("create", to);
	return 0;
}

/* ---- Removing ---- */

static int check_removal(const struct found *place, bool is_directory)
{
	if (place->last == LAST_ROOT)
		return is_directory ? -EBUSY : -EISDIR;
	if (place->last == LAST_DOT)
		return is_directory ? -EINVAL : -EISDIR;
	if (place->last == LAST_DOTS)
		return is_directory ? -ENOTEMPTY : -EISDIR;
	if (place->inode == NULL)
		return -ENOENT;
	if (!is_directory && place->inode->directory != NULL)
		return -EISDIR;
	if ((is_directory || place->has_slash) &&
		place->inode->directory == NULL)
		return -ENOTDIR;
	if (is_directory && place->inode->directory->now.count > 0)
		return -ENOTEMPTY;
	return 0;
}

/* The newest of the other names has to be there before this one goes. */
static struct change *other_name(const struct inode *inode)
{
	return inode->directory == NULL && inode->link_count > 0
		? inode->linked_by
		: NULL;
}

int names_remove(const struct found *place, bool is_directory)
{
	int error = check_removal(place, is_directory);
	struct inode *inode = place->inode;
	struct entry *entry = place->entry;
	bool has_other;

	if (error != 0)
		return error;
	inotify_settle(place->directory, NULL);
	detach(entry);
	has_other = inode->link_count > 0;
	count(&sim_disk.counts.unlinks);
	note_change(change_add(&(struct change_request){
		.directory = place->directory,
		.gone = place->name,
		.inode = inode,
		.emptied = is_directory ? inode : NULL,
		.needs = other_name(inode),
	}));
	/* In this order: a directory hears of its own end first. */
	drop(entry);
	inotify_note(
		place->directory, IN_DELETE | kind_of(inode), 0, place->name);
	tell_of(is_directory        ? "rmdir"
			: has_other ? "unname"
				    : "unlink",
		place);
	return 0;
}

/* ---- Renaming ---- */

static bool is_in(const struct inode *inner, const struct inode *outer)
{
	for (; inner != NULL; inner = inner == sim_disk.top
			? NULL
			: inner->directory->parent) {
		if (inner == outer)
			return true;
	}
	return false;
}

static int check_names(
	const struct found *from, const struct found *to, bool replaces)
{
	if (from->directory != NULL && to->directory != NULL &&
		from->directory->device != to->directory->device)
		return -EXDEV;
	if (from->last != LAST_NAME)
		return -EBUSY;
	if (to->last != LAST_NAME)
		return replaces ? -EBUSY : -EEXIST;
	if (from->inode == NULL || to->directory->directory->is_removed)
		return -ENOENT;
	if (!replaces && to->inode != NULL)
		return -EEXIST;
	if (from->inode->directory == NULL &&
		(from->has_slash || to->has_slash))
		return -ENOTDIR;
	if (from->inode->directory != NULL && is_in(to->directory, from->inode))
		return -EINVAL;
	if (to->inode != NULL && to->inode->directory != NULL &&
		is_in(from->directory, to->inode))
		return -ENOTEMPTY;
	return 0;
}

static int check_kinds(const struct found *from, const struct found *to)
{
	bool is_directory = from->inode->directory != NULL;

	if (to->inode == NULL || to->inode == from->inode)
		return 0;
	if (is_directory && to->inode->directory == NULL)
		return -ENOTDIR;
	if (!is_directory && to->inode->directory != NULL)
		return -EISDIR;
	if (is_directory && to->inode->directory->now.count > 0)
		return -ENOTEMPTY;
	return 0;
}

static void record_rename(const struct found *from, const struct found *to)
{
	struct inode *replaced = to->inode;
	struct change_request in = {
		.directory = to->directory,
		.set = to->name,
		.inode = from->inode,
		.replaced = replaced == from->inode ? NULL : replaced,
		.emptied = replaced != NULL && replaced->directory != NULL
			? replaced
			: NULL,
	};
	struct change_request out = {
		.directory = from->directory,
		.gone = from->name,
		.inode = from->inode,
		.is_bound = from->inode->directory != NULL ||
			!sim_disk.options.has_half_renames,
	};

	if (from->directory == to->directory) {
		in.gone = from->name;
		note_change(change_add(&in));
		return;
	}
	out.needs = change_add(&in);
	note_change(change_add(&out));
	note_change(out.needs);
}

static void move_entry(const struct found *from, const struct found *to)
{
	struct entry *moved = from->entry;
	struct entry *replaced = to->entry;

	if (replaced != NULL)
		detach(replaced);
	detach(moved);
	free(moved->name);
	moved->name = alloc_text(to->name);
	moved->hash = name_hash(to->name);
	attach(to->directory, moved);
	record_rename(from, to);
	inotify_note_move(from->directory, from->name, to->directory, to->name,
		from->inode);
	if (replaced != NULL)
		drop(replaced);
}

int names_rename(
	const struct found *from, const struct found *to, bool replaces)
{
	int error = check_names(from, to, replaces);
	bool is_replaced = to->inode != NULL;

	if (error == 0)
		error = check_kinds(from, to);
	if (error != 0 || from->inode == to->inode)
		return error;
	inotify_settle(from->directory, to->directory);
	move_entry(from, to);
	count(&sim_disk.counts.renames);
	if (is_replaced)
		count(&sim_disk.counts.overwrites);
	if (sim_disk.hook != NULL)
		names_tell("rename", path_of(from->directory, from->name),
			path_of(to->directory, to->name), is_replaced);
	return 0;
}
