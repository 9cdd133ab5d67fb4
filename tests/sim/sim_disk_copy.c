/* Copies of trees, and what is restored from them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "tests/sim/sim_disk_internal.h"

struct copied {
	char *name;
	mode_t type;
	struct attributes attributes;
	struct blob *data;
	struct copied *children;
	size_t child_count;
};

struct sim_disk_copy {
	struct copied root;
};

/* ---- Taking ---- */

static void copy_inode(
	const struct inode *inode, const char *name, struct copied *copied_out)
{
	*copied_out = (struct copied){
		.name = alloc_text(name),
		.type = inode->type,
		.attributes = inode->now,
		.data = blob_share(inode->data),
	};
	(void)blob_share(copied_out->attributes.extended);
	if (inode->directory == NULL)
		return;
	copied_out->child_count = inode->directory->now.count;
	copied_out->children =
		alloc(copied_out->child_count, sizeof(struct copied));
	for (size_t i = 0; i < copied_out->child_count; i++) {
		const struct entry *entry = inode->directory->now.entries[i];

		copy_inode(entry->inode, entry->name, &copied_out->children[i]);
	}
}

struct sim_disk_copy *sim_disk_copy_take(const char *path)
{
	const struct inode *inode = path_inode(path);
	struct sim_disk_copy *copy;

	if (inode == NULL)
		return NULL;
	copy = alloc(1, sizeof(*copy));
	copy_inode(inode, "", &copy->root);
	return copy;
}

static void copied_finish(struct copied *copied)
{
	for (size_t i = 0; i < copied->child_count; i++)
		copied_finish(&copied->children[i]);
	free(copied->children);
	free(copied->name);
	blob_release(copied->data);
	blob_release(copied->attributes.extended);
}

void sim_disk_copy_free(struct sim_disk_copy *copy)
{
	if (copy == NULL)
		return;
	copied_finish(&copy->root);
	free(copy);
}

/* ---- Putting back ---- */

static void look_up(
	struct inode *directory, const char *name, struct found *place_out)
{
	*place_out = (struct found){
		.last = LAST_NAME,
		.directory = directory,
		.entry = slots_find(&directory->directory->now, name),
	};
	memcpy(place_out->name, name, strlen(name) + 1);
	if (place_out->entry != NULL)
		place_out->inode = place_out->entry->inode;
}

static void restore_attributes(const struct copied *copied, struct inode *inode)
{
	blob_release(inode->now.extended);
	inode->now = copied->attributes;
	(void)blob_share(inode->now.extended);
	inode_sync(inode);
}

static void restore_file(const struct copied *copied, const struct found *place)
{
	struct inode *inode;

	if (names_create(place, 0600, &inode) != 0)
		return;
	blob_release(inode->data);
	inode->data = blob_share(copied->data);
	restore_attributes(copied, inode);
	inotify_note(place->directory, IN_CLOSE_WRITE, 0, place->name);
}

static bool is_as_before(const struct copied *copied, const struct inode *inode)
{
	return inode->type == S_IFREG &&
		inode->now.mtime_ns == copied->attributes.mtime_ns &&
		blob_equal(inode->data, copied->data);
}

static bool is_in_copy(const struct copied *copied, const char *name)
{
	for (size_t i = 0; i < copied->child_count; i++) {
		if (strcmp(copied->children[i].name, name) == 0)
			return true;
	}
	return false;
}

static void remove_place(const char *parent, const char *name)
{
	char *path = alloc_format("%s/%s", parent, name);

	(void)sim_disk_remove_tree(path);
	sim_disk.is_other = true;
	free(path);
}

static void restore_directory(
	const struct copied *copied, struct inode *inode, const char *path);

static void restore_child(
	const struct copied *copied, struct inode *directory, const char *path)
{
	struct found place;
	char *child;

	look_up(directory, copied->name, &place);
	if (place.inode != NULL && is_as_before(copied, place.inode))
		return;
	if (place.inode != NULL &&
		(copied->type != S_IFDIR || place.inode->type != S_IFDIR)) {
		remove_place(path, copied->name);
		look_up(directory, copied->name, &place);
	}
	if (copied->type != S_IFDIR) {
		restore_file(copied, &place);
		return;
	}
	if (place.inode == NULL)
		(void)names_make_directory(&place, 0700);
	look_up(directory, copied->name, &place);
	child = alloc_format("%s/%s", path, copied->name);
	restore_directory(copied, place.inode, child);
	free(child);
}

/* What is not in the copy goes. */
static void remove_others(
	const struct copied *copied, struct inode *inode, const char *path)
{
	size_t i = 0;

	while (i < inode->directory->now.count) {
		const char *name = inode->directory->now.entries[i]->name;

		if (is_in_copy(copied, name))
			i++;
		else
			remove_place(path, name);
	}
}

static void restore_directory(
	const struct copied *copied, struct inode *inode, const char *path)
{
	remove_others(copied, inode, path);
	for (size_t i = 0; i < copied->child_count; i++)
		restore_child(&copied->children[i], inode, path);
	restore_attributes(copied, inode);
}

void sim_disk_copy_put(
	const struct sim_disk_copy *copy, const char *path, bool in_place)
{
	struct inode *inode;

	if (!in_place && sim_disk_exists(path))
		(void)sim_disk_remove_tree(path);
	if (!sim_disk_exists(path) && sim_disk_make_directory(path) != 0)
		return;
	sim_disk.is_other = true;
	inode = path_inode(path);
	restore_directory(&copy->root, inode, path);
	sim_disk.is_other = false;
}
