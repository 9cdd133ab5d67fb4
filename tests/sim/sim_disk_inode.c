/* Files: bytes, attributes, and which of them are durable. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk_internal.h"

#define FIRST_NUMBER  11
#define FILE_SIZE_MAX (64 << 20)

struct disk sim_disk;

/* ---- Bytes ---- */

struct blob *blob_new(const void *data, size_t size)
{
	struct blob *blob = alloc(1, sizeof(*blob));

	blob->owner_count = 1;
	blob->size = size;
	blob->capacity = size;
	blob->bytes = alloc(size, 1);
	if (size > 0)
		memcpy(blob->bytes, data, size);
	return blob;
}

struct blob *blob_share(struct blob *blob)
{
	if (blob != NULL)
		blob->owner_count++;
	return blob;
}

void blob_release(struct blob *blob)
{
	if (blob == NULL || --blob->owner_count > 0)
		return;
	free(blob->bytes);
	free(blob);
}

bool blob_equal(const struct blob *a, const struct blob *b)
{
	if (a == b)
		return true;
	return a != NULL && b != NULL && a->size == b->size &&
		memcmp(a->bytes, b->bytes, a->size) == 0;
}

struct blob *blob_own(struct blob *blob, size_t size)
{
	if (blob->owner_count > 1) {
		struct blob *own = blob_new(blob->bytes, blob->size);

		blob_release(blob);
		blob = own;
	}
	if (size > blob->capacity) {
		blob->capacity =
			size > 2 * blob->capacity ? size : 2 * blob->capacity;
		blob->bytes = alloc_resize(blob->bytes, blob->capacity, 1);
	}
	return blob;
}

/* ---- Inodes ---- */

int64_t disk_now_ns(void)
{
	int64_t now = seam_wall_ns();

	return now - now % sim_disk.options.granularity_ns;
}

/* The one given back last, if it is of the device. */
static void take_number(struct inode *inode)
{
	const struct free_number *last = sim_disk.free_numbers;

	if (sim_disk.free_count > 0)
		last += sim_disk.free_count - 1;
	if (sim_disk.free_count == 0 || last->device != inode->device) {
		inode->number = sim_disk.next_number++;
		return;
	}
	inode->number = last->number;
	inode->number_from = last->removed_by;
	sim_disk.free_count--;
}

static void give_number_back(const struct inode *inode)
{
	if (!sim_disk.options.reuses_inodes)
		return;
	if (sim_disk.free_count == sim_disk.free_capacity) {
		sim_disk.free_capacity = 2 * sim_disk.free_capacity + 64;
		sim_disk.free_numbers = alloc_resize(sim_disk.free_numbers,
			sim_disk.free_capacity, sizeof(struct free_number));
	}
	sim_disk.free_numbers[sim_disk.free_count++] = (struct free_number){
		.number = inode->number,
		.device = inode->device,
		.removed_by = inode->removed_by,
	};
}

struct inode *inode_new(mode_t type, mode_t mode, unsigned device)
{
	struct inode *inode = alloc(1, sizeof(*inode));

	inode->device = device;
	take_number(inode);
	inode->type = type;
	inode->now.mode = mode;
	inode_touch(inode);
	inode->birth_ns = seam_wall_ns();
	inode->durable = inode->now;
	inode->data = blob_new(NULL, 0);
	inode->durable_data = blob_share(inode->data);
	if (type == S_IFDIR)
		inode->directory = alloc(1, sizeof(*inode->directory));
	inode->next = sim_disk.inodes;
	sim_disk.inodes = inode;
	return inode;
}

void inode_free(struct inode *inode)
{
	if (inode->directory != NULL) {
		slots_finish(&inode->directory->now);
		slots_finish(&inode->directory->durable);
		free(inode->directory);
	}
	blob_release(inode->data);
	blob_release(inode->durable_data);
	blob_release(inode->now.extended);
	blob_release(inode->durable.extended);
	free(inode);
}

void inode_touch(struct inode *inode)
{
	inode->ctime_ns = disk_now_ns();
	inode->now.mtime_ns = inode->ctime_ns;
}

void inode_settle(struct inode *inode)
{
	if (inode->link_count > 0 || inode->open_count > 0 || inode->is_gone ||
		inode->is_unmounted)
		return;
	inode->is_gone = true;
	give_number_back(inode);
	inotify_note_self(inode, IN_DELETE_SELF);
}

/* ---- Data ---- */

static void own_data(struct inode *inode, size_t size)
{
	inode->data = blob_own(inode->data, size);
	if (size > inode->data->size)
		memset(inode->data->bytes + inode->data->size, 0,
			size - inode->data->size);
	inode->is_dirty = true;
}

int inode_write(
	struct inode *inode, const void *data, size_t size, off_t offset)
{
	size_t start = (size_t)offset;
	size_t end = start + size;

	if (offset > FILE_SIZE_MAX || size > FILE_SIZE_MAX)
		return -EFBIG;
	if (size == 0)
		return 0;
	own_data(inode, end);
	memcpy(inode->data->bytes + start, data, size);
	if (end > inode->data->size)
		inode->data->size = end;
	inode_touch(inode);
	return (int)size;
}

void inode_truncate(struct inode *inode, size_t size)
{
	own_data(inode, size);
	inode->data->size = size;
	/* None of what was lost is left. */
	if (size == 0)
		inode->has_lost = false;
	inode_touch(inode);
}

static void sync_attributes(struct inode *inode)
{
	blob_release(inode->durable.extended);
	inode->durable = inode->now;
	(void)blob_share(inode->durable.extended);
}

void inode_sync(struct inode *inode)
{
	sync_attributes(inode);
	if (inode->directory != NULL)
		changes_sync(inode);
	/* What the page cache calls clean is not written again. */
	if (!inode->has_lost) {
		blob_release(inode->durable_data);
		inode->durable_data = blob_share(inode->data);
	}
	inode->is_dirty = false;
}

void inode_lose(struct inode *inode)
{
	if (inode->is_dirty)
		inode->has_lost = true;
	inode->is_dirty = false;
}

/* ---- The disk ---- */

static void make_root(void)
{
	sim_disk.top = inode_new(S_IFDIR, 0755, 0);
	sim_disk.top->link_count = 1;
	names_put(sim_disk.top, &SIM_ROOT[1], inode_new(S_IFDIR, 0700, 1));
}

void sim_disk_init(const struct sim_disk_options *options)
{
	sim_disk = (struct disk){
		.options = *options,
		.next_number = FIRST_NUMBER,
		.device_count = 2,
		.pid = 1001,
	};
	if (sim_disk.options.granularity_ns <= 0)
		sim_disk.options.granularity_ns = 1;
	if (sim_disk.options.readdir_chunk == 0)
		sim_disk.options.readdir_chunk = 32;
	inotify_begin();
	make_root();
}

void sim_disk_finish(void)
{
	struct inode *next;
	struct mount *mount;

	sim_disk_kill();
	changes_finish();
	for (struct inode *inode = sim_disk.inodes; inode != NULL;
		inode = next) {
		next = inode->next;
		inode_free(inode);
	}
	while ((mount = sim_disk.mounts) != NULL) {
		sim_disk.mounts = mount->next;
		free(mount->name);
		free(mount);
	}
	free(sim_disk.free_numbers);
	free(sim_disk.descriptions);
	sim_disk = (struct disk){ .inodes = NULL };
}

void sim_disk_kill(void)
{
	sim_disk.is_other = false;
	sim_watch_kill();
	streams_close_all();
	descriptions_close_all();
	sim_disk.pid++;
}

void sim_disk_sync_all(void)
{
	for (struct inode *inode = sim_disk.inodes; inode != NULL;
		inode = inode->next) {
		/* What a failed fsync left in the cache alone, too. */
		inode->has_lost = false;
		inode_sync(inode);
	}
	changes_sync_all();
}
