/* What others do, and what checks look at. No seam is asked; what others do is
   durable at once. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk_internal.h"

#define SECOND_NS INT64_C(1000000000)

/* ---- Acts ---- */

/* Its errno, or 0. */
static int act_ended(int result)
{
	sim_disk.is_other = false;
	return result < 0 ? -result : 0;
}

/* Looks the path up for an act, which begins. */
static int act_on(const char *path, struct found *found_out)
{
	sim_disk.is_other = true;
	return path_lookup(AT_FDCWD, path, LOOKUP_PARENT, found_out);
}

static void set_data(struct inode *inode, const void *data, size_t size)
{
	inode_truncate(inode, 0);
	(void)inode_write(inode, data, size, 0);
}

static void tell_written(const struct found *place)
{
	inotify_note(place->directory, IN_CLOSE_WRITE, 0, place->name);
}

int sim_disk_write_file(
	const char *path, const void *data, size_t size, int64_t mtime_s)
{
	struct found place;
	int error = act_on(path, &place);

	if (error == 0 && place.inode != NULL && place.inode->type != S_IFREG)
		error = -EISDIR;
	if (error == 0 && place.inode == NULL)
		error = names_create(&place, 0600, &place.inode);
	if (error != 0)
		return act_ended(error);
	set_data(place.inode, data, size);
	place.inode->now.mtime_ns = mtime_s * SECOND_NS;
	inode_sync(place.inode);
	tell_written(&place);
	return act_ended(0);
}

void sim_disk_set_open_error(const char *path, int error)
{
	struct found place;

	if (act_on(path, &place) == 0 && place.inode != NULL)
		place.inode->open_error = error;
	(void)act_ended(0);
}

void sim_disk_set_open_by_others(const char *path, bool is_open)
{
	struct found place;

	if (act_on(path, &place) == 0 && place.inode != NULL) {
		place.inode->is_written_by_others = is_open;
		if (!is_open)
			tell_written(&place);
	}
	(void)act_ended(0);
}

int sim_disk_rewrite(const char *path, const void *data, size_t size)
{
	struct found place;
	int error = act_on(path, &place);

	if (error == 0 && place.inode == NULL)
		error = -ENOENT;
	if (error == 0 && place.inode->type != S_IFREG)
		error = -EISDIR;
	if (error != 0)
		return act_ended(error);
	set_data(place.inode, data, size);
	inode_sync(place.inode);
	tell_written(&place);
	return act_ended(0);
}

int sim_disk_make_directory(const char *path)
{
	struct found place;
	int error = act_on(path, &place);

	return act_ended(
		error != 0 ? error : names_make_directory(&place, 0700));
}

int sim_disk_make_device(const char *path)
{
	int error = sim_disk_make_directory(path);

	if (error == 0)
		path_inode(path)->device = sim_disk.device_count++;
	return error;
}

int sim_disk_symlink(const char *target, const char *path)
{
	struct found place;
	int error = act_on(path, &place);

	return act_ended(error != 0 ? error : names_symlink(target, &place));
}

int sim_disk_rename(const char *from, const char *to, bool replaces)
{
	struct found source, target;
	int error = act_on(from, &source);

	if (error == 0)
		error = path_lookup(AT_FDCWD, to, LOOKUP_PARENT, &target);
	return act_ended(
		error != 0 ? error : names_rename(&source, &target, replaces));
}

int sim_disk_link(const char *from, const char *to)
{
	struct found source, target;
	int error = act_on(from, &source);

	if (error == 0)
		error = path_lookup(AT_FDCWD, to, LOOKUP_PARENT, &target);
	return act_ended(error != 0 ? error : names_link(&source, &target));
}

static bool is_directory_at(const struct found *place)
{
	return place->inode != NULL && place->inode->directory != NULL;
}

int sim_disk_remove(const char *path)
{
	struct found place;
	int error = act_on(path, &place);

	return act_ended(error != 0
			? error
			: names_remove(&place, is_directory_at(&place)));
}

static int remove_tree(struct found *place)
{
	while (is_directory_at(place) &&
		place->inode->directory->now.count > 0) {
		struct entry *entry = place->inode->directory->now.entries[0];
		struct found child = {
			.last = LAST_NAME,
			.directory = place->inode,
			.entry = entry,
			.inode = entry->inode,
		};
		int error;

		memcpy(child.name, entry->name, strlen(entry->name) + 1);
		error = remove_tree(&child);
		if (error != 0)
			return error;
	}
	return names_remove(place, is_directory_at(place));
}

int sim_disk_remove_tree(const char *path)
{
	struct found place;
	int error = act_on(path, &place);

	return act_ended(error != 0 ? error : remove_tree(&place));
}

bool sim_disk_exists(const char *path)
{
	return path_inode(path) != NULL;
}

const void *sim_disk_data(const char *path, size_t *size_out)
{
	const struct inode *inode = path_inode(path);

	if (inode == NULL || inode->type != S_IFREG)
		return NULL;
	*size_out = inode->data->size;
	return inode->data->bytes;
}

/* ---- Mounts ---- */

static void unmount_below(struct inode *inode)
{
	inotify_note_self(inode, IN_UNMOUNT);
	for (size_t i = 0;
		inode->directory != NULL && i < inode->directory->now.count;
		i++)
		unmount_below(inode->directory->now.entries[i]->inode);
}

static struct mount *mount_of(const struct found *place)
{
	struct mount *mount = sim_disk.mounts;

	while (mount != NULL &&
		(mount->directory != place->directory ||
			strcmp(mount->name, place->name) != 0))
		mount = mount->next;
	return mount;
}

static struct mount *add_mount(const struct found *place)
{
	struct mount *mount = alloc(1, sizeof(*mount));

	mount->directory = place->directory;
	mount->name = alloc_text(place->name);
	mount->other = inode_new(S_IFDIR, 0755, sim_disk.device_count++);
	mount->other->is_unmounted = true;
	mount->is_mounted = true;
	mount->next = sim_disk.mounts;
	sim_disk.mounts = mount;
	return mount;
}

/* Both are directories of the disk all the time; only one has the name. */
static void exchange(struct mount *mount, const struct found *place)
{
	struct inode *seen = place->inode;

	sim_disk.is_other = true;
	inode_sync(seen);
	mount->other->is_unmounted = false;
	names_put(mount->directory, mount->name, mount->other);
	/* Who has it open may go on in it. */
	seen->directory->parent = mount->directory;
	mount->other = seen;
	mount->other->is_unmounted = true;
	mount->is_mounted = !mount->is_mounted;
	sim_disk.is_other = false;
}

void sim_disk_unmount(const char *path)
{
	struct found place;
	struct mount *mount;

	if (path_lookup(AT_FDCWD, path, 0, &place) != 0 ||
		!is_directory_at(&place))
		return;
	mount = mount_of(&place);
	if (mount == NULL)
		mount = add_mount(&place);
	if (!mount->is_mounted)
		return;
	/* With descriptors open it goes later, and nobody hears of it. */
	if (seam_choose(2) == 0)
		unmount_below(place.inode);
	exchange(mount, &place);
}

void sim_disk_mount(const char *path)
{
	struct found place;
	struct mount *mount;

	if (path_lookup(AT_FDCWD, path, 0, &place) != 0 ||
		!is_directory_at(&place))
		return;
	mount = mount_of(&place);
	if (mount != NULL && !mount->is_mounted)
		exchange(mount, &place);
}

/* ---- Looking through ---- */

struct tour {
	bool is_durable;
	bool (*is_sure)(
		const struct inode *directory, const struct entry *entry);
	void (*visit)(void *data, const struct sim_disk_file *file);
	void *data;
};

static bool is_whole(const struct inode *inode)
{
	return inode->now.mtime_ns == inode->durable.mtime_ns &&
		blob_equal(inode->data, inode->durable_data);
}

static void tour_file(
	const struct tour *tour, const char *path, const struct inode *inode)
{
	const struct sim_disk_file file = {
		.path = path,
		.data = inode->data->bytes,
		.size = inode->data->size,
		.inode = inode->number,
		.mtime_s = inode->now.mtime_ns / SECOND_NS,
	};

	if (inode->type == S_IFREG && (!tour->is_durable || is_whole(inode)))
		tour->visit(tour->data, &file);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *first = *(struct entry *const *)a;
	const struct entry *second = *(struct entry *const *)b;

	return strcmp(first->name, second->name);
}

static void tour_directory(
	const struct tour *tour, const char *path, const struct inode *inode);

static void tour_one(
	const struct tour *tour, const char *path, const struct inode *inode)
{
	if (inode->directory != NULL)
		tour_directory(tour, path, inode);
	else
		tour_file(tour, path, inode);
}

static void tour_directory(
	const struct tour *tour, const char *path, const struct inode *inode)
{
	const struct slots *slots = tour->is_durable
		? &inode->directory->durable
		: &inode->directory->now;
	size_t count = slots->count;
	struct entry **entries = alloc(count, sizeof(struct entry *));

	if (count > 0)
		memcpy(entries, slots->entries, count * sizeof(struct entry *));
	qsort(entries, count, sizeof(struct entry *), compare_entries);
	for (size_t i = 0; i < count; i++) {
		char *child;

		if (tour->is_durable && !tour->is_sure(inode, entries[i]))
			continue;
		child = alloc_format("%s/%s", path, entries[i]->name);
		tour_one(tour, child, entries[i]->inode);
		free(child);
	}
	free(entries);
}

/* What is durable, and on the way to it. */
static const struct inode *durable_inode(const char *path)
{
	const struct inode *inode = sim_disk.top;
	char name[NAME_MAX + 1];

	while (inode != NULL && *(path += strspn(path, "/")) != '\0') {
		size_t size = strcspn(path, "/");
		const struct entry *entry;

		if (inode->directory == NULL || size > NAME_MAX)
			return NULL;
		memcpy(name, path, size);
		name[size] = '\0';
		path += size;
		entry = slots_find(&inode->directory->durable, name);
		inode = entry != NULL && changes_is_sure(inode, entry)
			? entry->inode
			: NULL;
	}
	return inode;
}

void sim_disk_walk(const char *path, bool durable,
	void (*visit)(void *data, const struct sim_disk_file *file), void *data)
{
	const struct tour tour = {
		.is_durable = durable,
		.is_sure = changes_is_sure,
		.visit = visit,
		.data = data,
	};
	const struct inode *inode =
		durable ? durable_inode(path) : path_inode(path);

	if (inode != NULL)
		tour_one(&tour, path, inode);
}

static bool is_at_or_below(const char *path, const char *root)
{
	size_t size = strlen(root);

	return strncmp(path, root, size) == 0 &&
		(path[size] == '/' || path[size] == '\0');
}

/* They are not lost with the name that leads to them. */
static void tour_unmounted(const struct tour *tour, const char *root)
{
	for (const struct mount *mount = sim_disk.mounts; mount != NULL;
		mount = mount->next) {
		char *path = path_of(mount->directory, mount->name);

		if (!mount->is_mounted && is_at_or_below(path, root))
			tour_one(tour, path, mount->other);
		free(path);
	}
}

void sim_disk_walk_kept(const char *path,
	void (*visit)(void *data, const struct sim_disk_file *file), void *data)
{
	const struct tour tour = {
		.is_durable = true,
		.is_sure = changes_keep,
		.visit = visit,
		.data = data,
	};
	const struct inode *inode = durable_inode(path);

	if (inode != NULL)
		tour_one(&tour, path, inode);
	tour_unmounted(&tour, path);
}

void sim_disk_counts(struct sim_disk_counts *counts_out)
{
	*counts_out = sim_disk.counts;
}

void sim_disk_set_change_hook(void (*hook)(const char *change, const char *path,
	const char *new_path, bool replaced))
{
	sim_disk.hook = hook;
}
