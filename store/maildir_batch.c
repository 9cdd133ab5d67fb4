/* Delivery of many messages for the price of a few disk flushes: data, then
   names, then directories. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"
#include "store/maildir_writer.h"

#define SYNCFS_FROM 16

/* The directories of one folder, shared by its items. */
struct target {
	dev_t device; /* of tmp */
	ino_t inode;
	int tmp_fd;
	int fds[2]; /* cur, new; -1 until needed */
	bool is_touched[2];
	int sync_errors[2];
};

struct item {
	struct maildir_delivered delivered; /* what is handed out */
	size_t target;                      /* index */
	bool is_new;
	char *unique;
	char *name;
	int fd;          /* of the file, or -1 */
	uint64_t serial; /* of the writer */
};

/* The descriptor syncfs() is called on. It must be the one opened first of
   all: it tells of failures since its opening. */
struct keeper {
	uint64_t device;
	uint64_t serial;
	int fd;
};

struct maildir_batch {
	size_t syncfs_from;
	struct item *items;
	size_t count;
	size_t capacity;
	struct target *targets;
	size_t target_count;
	size_t target_capacity;
	struct keeper *keepers; /* one per file system, or none */
	size_t keeper_count;
	uint64_t bytes;
	bool is_committed;
};

struct maildir_batch *maildir_batch_new(size_t syncfs_from)
{
	struct maildir_batch *batch = alloc(1, sizeof(*batch));

	batch->syncfs_from = syncfs_from == 0 ? SYNCFS_FROM : syncfs_from;
	return batch;
}

/* Closing loses nothing: fsync() was called, or the file is given up. */
static void close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

static void item_drop(
	const struct maildir_batch *batch, struct item *item, int reason)
{
	(void)unlinkat(batch->targets[item->target].tmp_fd, item->unique, 0);
	item->delivered.result = MAILDIR_FAILED;
	item->delivered.system_error = reason;
}

void maildir_batch_free(struct maildir_batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];

		if (item->delivered.result == MAILDIR_PENDING)
			item_drop(batch, item, ECANCELED);
		close_fd(&item->fd);
		free(item->unique);
		free(item->name);
	}
	for (size_t i = 0; i < batch->target_count; i++) {
		close_fd(&batch->targets[i].tmp_fd);
		close_fd(&batch->targets[i].fds[0]);
		close_fd(&batch->targets[i].fds[1]);
	}
	for (size_t i = 0; i < batch->keeper_count; i++)
		close_fd(&batch->keepers[i].fd);
	free(batch->items);
	free(batch->targets);
	free(batch->keepers);
	free(batch);
}

/* ---- Adding ---- */

static struct target *find_target(
	struct maildir_batch *batch, const struct maildir_writer *writer)
{
	for (size_t i = batch->target_count; i-- > 0;) {
		struct target *target = &batch->targets[i];

		if (target->device == writer->directory_device &&
			target->inode == writer->directory_inode)
			return target;
	}
	return NULL;
}

/* Takes the writer's descriptor of tmp over. */
static struct target *add_target(
	struct maildir_batch *batch, struct maildir_writer *writer)
{
	struct target *target;

	if (batch->target_count == batch->target_capacity) {
		batch->target_capacity = 2 * batch->target_capacity + 4;
		batch->targets = alloc_resize(batch->targets,
			batch->target_capacity, sizeof(*batch->targets));
	}
	target = &batch->targets[batch->target_count++];
	*target = (struct target){
		.device = writer->directory_device,
		.inode = writer->directory_inode,
		.tmp_fd = writer->directory_fd,
		.fds = { -1, -1 },
	};
	writer->directory_fd = -1;
	return target;
}

static bool open_destination(
	struct target *target, bool is_new, struct error *error)
{
	int *fd = &target->fds[is_new];
	const char *name = is_new ? "../new" : "../cur";

	if (*fd != -1)
		return true;
	*fd = openat(target->tmp_fd, name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd == -1)
		return error_set_errno(
			error, "cannot open the directory '%s'", name + 3);
	return true;
}

static struct keeper *find_keeper(
	struct maildir_batch *batch, const struct item *item)
{
	for (size_t i = 0; i < batch->keeper_count; i++) {
		if (batch->keepers[i].device == item->delivered.device)
			return &batch->keepers[i];
	}
	batch->keepers = alloc_resize(batch->keepers, batch->keeper_count + 1,
		sizeof(*batch->keepers));
	batch->keepers[batch->keeper_count] = (struct keeper){
		.device = item->delivered.device,
		.fd = -1,
	};
	return &batch->keepers[batch->keeper_count++];
}

/* With syncfs() one descriptor per file system is enough. */
static void give_to_keeper(struct maildir_batch *batch, struct item *item)
{
	struct keeper *keeper = find_keeper(batch, item);

	if (keeper->fd != -1 && keeper->serial < item->serial) {
		close_fd(&item->fd);
		return;
	}
	close_fd(&keeper->fd);
	keeper->fd = item->fd;
	keeper->serial = item->serial;
	item->fd = -1;
}

static void thin_out(struct maildir_batch *batch, struct item *newest)
{
	if (batch->count <= batch->syncfs_from)
		return;
	if (batch->keeper_count > 0) {
		give_to_keeper(batch, newest);
		return;
	}
	for (size_t i = 0; i < batch->count; i++)
		give_to_keeper(batch, &batch->items[i]);
}

static struct item *push_item(struct maildir_batch *batch)
{
	if (batch->count == batch->capacity) {
		batch->capacity = 2 * batch->capacity + 16;
		batch->items = alloc_resize(
			batch->items, batch->capacity, sizeof(*batch->items));
	}
	return &batch->items[batch->count++];
}

bool maildir_batch_add(struct maildir_batch *batch,
	struct maildir_writer *writer, bool is_new, const char *name,
	void *user, struct error *error)
{
	struct target *target = find_target(batch, writer);
	struct item *item;

	assert(writer->is_finished && !batch->is_committed);
	if (!maildir_name_is_valid(name)) {
		maildir_writer_cancel(writer);
		return error_set(error, ERROR_REFUSED,
			"'%.200s' cannot be a message's name", name);
	}
	if (target == NULL)
		target = add_target(batch, writer);
	if (!open_destination(target, is_new, error)) {
		(void)unlinkat(target->tmp_fd, writer->unique, 0);
		maildir_writer_free(writer);
		return false;
	}
	item = push_item(batch);
	*item = (struct item){
		.delivered = { .user = user,
			.size = writer->size,
			.device = (uint64_t)writer->device,
			.inode = (uint64_t)writer->inode },
		.target = (size_t)(target - batch->targets),
		.is_new = is_new,
		.unique = writer->unique,
		.name = alloc_text(name),
		.fd = writer->fd,
		.serial = writer->serial,
	};
	batch->bytes += writer->size;
	writer->unique = NULL;
	writer->fd = -1;
	maildir_writer_free(writer);
	thin_out(batch, item);
	return true;
}

size_t maildir_batch_count(const struct maildir_batch *batch)
{
	return batch->count;
}

uint64_t maildir_batch_bytes(const struct maildir_batch *batch)
{
	return batch->bytes;
}

const struct maildir_delivered *maildir_batch_result(
	const struct maildir_batch *batch, size_t index)
{
	assert(index < batch->count);
	return &batch->items[index].delivered;
}

/* ---- Committing ---- */

static void drop_device(
	struct maildir_batch *batch, uint64_t device, int reason)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];

		if (item->delivered.device == device &&
			item->delivered.result == MAILDIR_PENDING)
			item_drop(batch, item, reason);
	}
}

static void sync_file_systems(struct maildir_batch *batch)
{
	for (size_t i = 0; i < batch->keeper_count; i++) {
		struct keeper *keeper = &batch->keepers[i];

		if (syncfs(keeper->fd) == -1)
			drop_device(batch, keeper->device, errno);
	}
}

static void sync_files(struct maildir_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];

		if (fsync(item->fd) == -1)
			item_drop(batch, item, errno);
	}
}

static void name_item(struct maildir_batch *batch, struct item *item)
{
	struct target *target = &batch->targets[item->target];

	close_fd(&item->fd);
	if (item->delivered.result != MAILDIR_PENDING)
		return;
	if (rename_exclusive(target->tmp_fd, item->unique,
		    target->fds[item->is_new], item->name) == -1) {
		bool is_occupied = errno == EEXIST;

		item_drop(batch, item, errno);
		if (is_occupied)
			item->delivered.result = MAILDIR_OCCUPIED;
		return;
	}
	target->is_touched[item->is_new] = true;
}

static void sync_targets(struct maildir_batch *batch)
{
	for (size_t i = 0; i < batch->target_count; i++) {
		struct target *target = &batch->targets[i];

		for (size_t part = 0; part < 2; part++) {
			if (target->is_touched[part] &&
				fsync(target->fds[part]) == -1)
				target->sync_errors[part] = errno;
		}
	}
}

/* A message whose name may not be on disk stays where it is, for somebody may
   have seen it; the next try finds the name occupied. */
static void conclude(struct maildir_batch *batch, struct item *item)
{
	int reason = batch->targets[item->target].sync_errors[item->is_new];

	if (item->delivered.result != MAILDIR_PENDING)
		return;
	item->delivered.result =
		reason == 0 ? MAILDIR_DELIVERED : MAILDIR_FAILED;
	item->delivered.system_error = reason;
}

void maildir_batch_commit(struct maildir_batch *batch)
{
	assert(!batch->is_committed);
	batch->is_committed = true;
	if (batch->keeper_count > 0)
		sync_file_systems(batch);
	else
		sync_files(batch);
	for (size_t i = 0; i < batch->count; i++)
		name_item(batch, &batch->items[i]);
	sync_targets(batch);
	for (size_t i = 0; i < batch->count; i++)
		conclude(batch, &batch->items[i]);
}
