/* Descriptors, what is read and written through them, and streams. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/sim/sim_disk_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "tests/sim/sim_disk_internal.h"

/* The first is the watch's. */
#define FIRST_INDEX 1

/* ---- The table ---- */

struct description *description_of(int fd)
{
	size_t index = (size_t)(fd - SIM_FD_MIN);

	if (fd < SIM_FD_MIN || index >= sim_disk.description_count)
		return NULL;
	return sim_disk.descriptions[index];
}

int descriptor_new(struct description *description)
{
	size_t index = FIRST_INDEX;

	while (index < sim_disk.description_count &&
		sim_disk.descriptions[index] != NULL)
		index++;
	if (index >= sim_disk.description_count) {
		size_t count = 2 * index + 16;

		sim_disk.descriptions = alloc_resize(sim_disk.descriptions,
			count, sizeof(struct description *));
		for (size_t i = sim_disk.description_count; i < count; i++)
			sim_disk.descriptions[i] = NULL;
		sim_disk.description_count = count;
	}
	sim_disk.descriptions[index] = description;
	description->owner_count++;
	return SIM_FD_MIN + (int)index;
}

static bool is_writable(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static void tell_closed(const struct description *description)
{
	const struct entry *entry = description->entry;

	/* IN_EXCL_UNLINK: of an unlinked file nothing is told. */
	if (entry == NULL || entry->directory == NULL ||
		entry->inode->directory != NULL)
		return;
	inotify_note(entry->directory,
		is_writable(description->flags) ? IN_CLOSE_WRITE
						: IN_CLOSE_NOWRITE,
		0, entry->name);
}

/* Also of the directory it is in, which is kept by what is open in it. */
static void let_go(struct entry *entry)
{
	entry->open_count--;
	entry->parent->open_count--;
	inode_settle(entry->parent);
	entry_release(entry);
}

static void description_close(struct description *description, bool is_told)
{
	struct inode *inode = description->inode;

	if (--description->owner_count > 0)
		return;
	if (is_told)
		tell_closed(description);
	if (inode->locked_by == description)
		inode->locked_by = NULL;
	inode->open_count--;
	inode_settle(inode);
	if (description->entry != NULL)
		let_go(description->entry);
	free(description);
}

int descriptor_close(int fd)
{
	struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	sim_disk.descriptions[fd - SIM_FD_MIN] = NULL;
	description_close(description, true);
	return 0;
}

void descriptions_close_all(void)
{
	for (size_t i = 0; i < sim_disk.description_count; i++) {
		struct description *description = sim_disk.descriptions[i];

		sim_disk.descriptions[i] = NULL;
		if (description != NULL)
			description_close(description, true);
	}
}

size_t sim_disk_open_count(void)
{
	size_t count = 0;

	for (size_t i = 0; i < sim_disk.description_count; i++)
		count += sim_disk.descriptions[i] != NULL;
	return count;
}

/* ---- open ---- */

static int check_existing(const struct found *found, int flags)
{
	const struct inode *inode = found->inode;

	if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
		return -EEXIST;
	if (inode->open_error != 0)
		return -inode->open_error;
	if ((flags & O_CREAT) != 0 && inode->directory != NULL)
		return -EISDIR;
	if ((flags & O_DIRECTORY) != 0 && inode->directory == NULL)
		return -ENOTDIR;
	if (inode->type == S_IFLNK)
		return -ELOOP;
	if (inode->directory != NULL &&
		(is_writable(flags) || (flags & O_TRUNC) != 0))
		return -EISDIR;
	return 0;
}

static int describe(const struct found *found, int flags)
{
	struct description *description = alloc(1, sizeof(*description));

	description->inode = found->inode;
	description->flags = flags;
	description->entry = entry_share(found->inode->directory != NULL
			? found->inode->directory->self
			: slots_find(&found->directory->directory->now,
				  found->name));
	if (description->entry != NULL) {
		description->entry->open_count++;
		description->entry->parent->open_count++;
	}
	found->inode->open_count++;
	return descriptor_new(description);
}

int descriptor_open(
	int fd, const char *path, int flags, mode_t mode, unsigned how)
{
	struct found found;
	int error;

	if ((flags & O_NOFOLLOW) == 0 &&
		(flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		how |= LOOKUP_FOLLOW;
	if ((flags & O_CREAT) != 0)
		how |= LOOKUP_CREATE;
	error = path_lookup(fd, path, how, &found);
	if (error == 0 && found.inode == NULL) {
		if ((flags & O_CREAT) == 0)
			return -ENOENT;
		error = names_create(&found, mode, &found.inode);
	} else if (error == 0) {
		error = check_existing(&found, flags);
		if (error == 0 && (flags & O_TRUNC) != 0 &&
			found.inode->data->size > 0) {
			inode_truncate(found.inode, 0);
			names_tell("write",
				path_of(found.directory, found.name), NULL,
				false);
		}
	}
	return error != 0 ? error : describe(&found, flags);
}

int descriptor_duplicate(int fd)
{
	struct description *description = description_of(fd);

	return description == NULL ? -EBADF : descriptor_new(description);
}

/* ---- Bytes ---- */

ssize_t descriptor_read(int fd, void *data, size_t size, const off_t *at)
{
	struct description *description = description_of(fd);
	const struct blob *blob;
	size_t start;

	if (description == NULL || (description->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (description->inode->directory != NULL)
		return -EISDIR;
	blob = description->inode->data;
	start = (size_t)(at == NULL ? description->offset : *at);
	if (start >= blob->size)
		return 0;
	if (size > blob->size - start)
		size = blob->size - start;
	memcpy(data, blob->bytes + start, size);
	if (at == NULL)
		description->offset += (off_t)size;
	return (ssize_t)size;
}

static void tell_written(const struct description *description)
{
	const struct entry *entry = description->entry;

	if (entry->directory == NULL)
		return;
	inotify_note(entry->directory, IN_MODIFY, 0, entry->name);
	if (sim_disk.hook != NULL)
		names_tell("write", path_of(entry->directory, entry->name),
			NULL, false);
}

ssize_t descriptor_write(int fd, const void *data, size_t size, const off_t *at)
{
	struct description *description = description_of(fd);
	off_t offset;
	int written;

	if (description == NULL || !is_writable(description->flags))
		return -EBADF;
	offset = at != NULL ? *at : description->offset;
	if ((description->flags & O_APPEND) != 0)
		offset = (off_t)description->inode->data->size;
	written = inode_write(description->inode, data, size, offset);
	if (written > 0) {
		if (at == NULL)
			description->offset = offset + written;
		tell_written(description);
	}
	return written;
}

off_t descriptor_seek(int fd, off_t offset, int whence)
{
	struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	if (whence == SEEK_CUR)
		offset += description->offset;
	else if (whence == SEEK_END)
		offset += (off_t)description->inode->data->size;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	description->offset = offset;
	return offset;
}

int descriptor_truncate(int fd, off_t size)
{
	struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	if (!is_writable(description->flags) || size < 0 ||
		description->inode->directory != NULL)
		return -EINVAL;
	inode_truncate(description->inode, (size_t)size);
	tell_written(description);
	return 0;
}

int descriptor_lock(int fd, int operation)
{
	struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	if ((operation & LOCK_UN) != 0) {
		if (description->inode->locked_by == description)
			description->inode->locked_by = NULL;
		return 0;
	}
	if (description->inode->locked_by != NULL &&
		description->inode->locked_by != description)
		return -EWOULDBLOCK;
	description->inode->locked_by = description;
	return 0;
}

static bool has_writer(const struct inode *inode)
{
	if (inode->is_written_by_others)
		return true;
	for (size_t i = 0; i < sim_disk.description_count; i++) {
		const struct description *other = sim_disk.descriptions[i];

		if (other != NULL && other->inode == inode &&
			is_writable(other->flags))
			return true;
	}
	return false;
}

int descriptor_lease(int fd, int kind)
{
	const struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	if (description->inode->directory != NULL)
		return -EINVAL;
	return kind == F_RDLCK && has_writer(description->inode) ? -EAGAIN : 0;
}

/* ---- Streams ---- */

struct stream {
	int fd;
	uint64_t position; /* of the last one taken from the directory */
	unsigned dot_count;
	size_t count; /* of the chunk at hand */
	size_t next_entry;
	struct stream *next;
	struct dirent entries[]; /* as many as a chunk has */
};

struct stream *stream_open(int fd)
{
	struct stream *stream;

	if (description_of(fd) == NULL ||
		description_of(fd)->inode->directory == NULL)
		return NULL;
	stream = alloc(1,
		sizeof(*stream) +
			sim_disk.options.readdir_chunk * sizeof(struct dirent));
	stream->fd = fd;
	stream->next = sim_disk.streams;
	sim_disk.streams = stream;
	return stream;
}

struct stream *stream_of(const void *candidate)
{
	struct stream *stream = sim_disk.streams;

	while (stream != NULL && (const void *)stream != candidate)
		stream = stream->next;
	return stream;
}

static void stream_free(struct stream *stream)
{
	struct stream **at = &sim_disk.streams;

	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	free(stream);
}

int stream_close(struct stream *stream)
{
	int fd = stream->fd;

	stream_free(stream);
	return descriptor_close(fd);
}

void streams_close_all(void)
{
	while (sim_disk.streams != NULL)
		stream_free(sim_disk.streams);
}

int stream_descriptor(const struct stream *stream)
{
	return stream->fd;
}

void stream_rewind(struct stream *stream)
{
	stream->position = 0;
	stream->dot_count = 0;
	stream->count = 0;
	stream->next_entry = 0;
}

bool stream_is_used_up(const struct stream *stream)
{
	return stream->next_entry == stream->count;
}

static void put(
	struct stream *stream, const char *name, const struct inode *inode)
{
	struct dirent *entry = &stream->entries[stream->count++];

	entry->d_ino = inode->number;
	entry->d_type = (unsigned char)IFTODT(inode->type);
	memcpy(entry->d_name, name, strlen(name) + 1);
}

static void put_dots(struct stream *stream, const struct inode *inode)
{
	const unsigned chunk = sim_disk.options.readdir_chunk;

	while (stream->dot_count < 2 && stream->count < chunk) {
		if (stream->dot_count++ == 0)
			put(stream, ".", inode);
		else
			put(stream, "..", inode->directory->parent);
	}
}

int stream_fill(struct stream *stream)
{
	struct description *description = description_of(stream->fd);
	const struct directory *directory;
	const struct entry *entry;

	stream->count = 0;
	stream->next_entry = 0;
	if (description == NULL)
		return -EBADF;
	/* Who reads a directory waits for who is changing it. */
	inotify_settle(description->inode, NULL);
	directory = description->inode->directory;
	if (directory->is_removed)
		return 0;
	put_dots(stream, description->inode);
	while (stream->count < sim_disk.options.readdir_chunk &&
		(entry = slots_after(&directory->now, stream->position)) !=
			NULL) {
		put(stream, entry->name, entry->inode);
		stream->position = entry->hash;
	}
	return 0;
}

struct dirent *stream_take(struct stream *stream)
{
	return stream_is_used_up(stream)
		? NULL
		: &stream->entries[stream->next_entry++];
}
