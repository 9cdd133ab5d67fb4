/* The calls on descriptors and their bytes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/sim/seam.h"
#include "tests/sim/sim_calls_internal.h"
#include "tests/sim/sim_disk_internal.h"
#include "tests/sim/sim_disk_open.h"

/* ---- Opening and closing ---- */

static mode_t mode_of(int flags, va_list arguments)
{
	return (flags & O_CREAT) != 0 ? (mode_t)va_arg(arguments, int) : 0;
}

static int open_at(int fd, const char *path, int flags, mode_t mode)
{
	if (!path_is_ours(fd, path))
		return openat(fd, path, flags, mode);
	return (int)CALL(
		"openat", true, descriptor_open(fd, path, flags, mode, 0));
}

int sim_open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_at(AT_FDCWD, path, flags, mode);
}

int sim_openat(int fd, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_at(fd, path, flags, mode);
}

long sim_syscall_openat2(
	int fd, const char *path, const struct open_how *how, size_t size)
{
	unsigned lookup = 0;

	if (!path_is_ours(fd, path) && fd < SIM_FD_MIN)
		return syscall(SYS_openat2, fd, path, how, size);
	if ((how->resolve & RESOLVE_BENEATH) != 0)
		lookup |= LOOKUP_BENEATH;
	if ((how->resolve & RESOLVE_NO_SYMLINKS) != 0)
		lookup |= LOOKUP_NO_LINKS;
	return CALL("openat2", true,
		descriptor_open(
			fd, path, (int)how->flags, (mode_t)how->mode, lookup));
}

int sim_close(int fd)
{
	if (fd == SIM_FD_MIN)
		return 0;
	if (fd < SIM_FD_MIN)
		return close(fd);
	return (int)CALL("close", false, descriptor_close(fd));
}

int sim_dup(int fd)
{
	if (fd < SIM_FD_MIN)
		return dup(fd);
	return (int)CALL("dup", true, descriptor_duplicate(fd));
}

static int do_fcntl(int fd, int command, int argument)
{
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return descriptor_duplicate(fd);
	case F_SETLEASE:
		return descriptor_lease(fd, argument);
	case F_GETFL:
		return description_of(fd) == NULL ? -EBADF
						  : description_of(fd)->flags;
	case F_GETFD:
	case F_SETFD:
	case F_SETFL:
		return description_of(fd) == NULL ? -EBADF : 0;
	default:
		return -EINVAL;
	}
}

int sim_fcntl(int fd, int command, ...)
{
	va_list arguments;
	int argument = 0;

	va_start(arguments, command);
	if (command != F_GETFD && command != F_GETFL)
		argument = va_arg(arguments, int);
	va_end(arguments);
	if (fd == SIM_FD_MIN)
		return 0;
	if (fd < SIM_FD_MIN)
		return fcntl(fd, command, argument);
	return (int)CALL("fcntl", true, do_fcntl(fd, command, argument));
}

int sim_flock(int fd, int operation)
{
	if (fd < SIM_FD_MIN)
		return flock(fd, operation);
	return (int)CALL("flock", true, descriptor_lock(fd, operation));
}

/* ---- Bytes ---- */

ssize_t sim_read(int fd, void *data, size_t size)
{
	if (fd < SIM_FD_MIN)
		return read(fd, data, size);
	return CALL("read", true, descriptor_read(fd, data, size, NULL));
}

ssize_t sim_pread(int fd, void *data, size_t size, off_t offset)
{
	if (fd < SIM_FD_MIN)
		return pread(fd, data, size, offset);
	return CALL("pread", true, descriptor_read(fd, data, size, &offset));
}

ssize_t sim_write(int fd, const void *data, size_t size)
{
	if (fd < SIM_FD_MIN)
		return write(fd, data, size);
	return CALL("write", true, descriptor_write(fd, data, size, NULL));
}

ssize_t sim_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (fd < SIM_FD_MIN)
		return pwrite(fd, data, size, offset);
	return CALL("pwrite", true, descriptor_write(fd, data, size, &offset));
}

off_t sim_lseek(int fd, off_t offset, int whence)
{
	if (fd < SIM_FD_MIN)
		return lseek(fd, offset, whence);
	return CALL("lseek", true, descriptor_seek(fd, offset, whence));
}

int sim_ftruncate(int fd, off_t size)
{
	if (fd < SIM_FD_MIN)
		return ftruncate(fd, size);
	return (int)CALL("ftruncate", true, descriptor_truncate(fd, size));
}

/* ---- Making durable ---- */

static int do_sync(int fd, int error)
{
	struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	sim_disk.counts.fsyncs++;
	if (error == 0)
		inode_sync(description->inode);
	else
		inode_lose(description->inode);
	return -error;
}

static int sync_one(int fd, const char *call)
{
	int error = seam_before(SEAM_DISK, call, true);

	return (int)call_leave(call, do_sync(fd, error));
}

int sim_fsync(int fd)
{
	return fd < SIM_FD_MIN ? fsync(fd) : sync_one(fd, "fsync");
}

int sim_fdatasync(int fd)
{
	return fd < SIM_FD_MIN ? fdatasync(fd) : sync_one(fd, "fdatasync");
}

/* What was written out and what failed is not told. */
static void lose_some(unsigned device)
{
	for (struct inode *inode = sim_disk.inodes; inode != NULL;
		inode = inode->next) {
		if (inode->device != device || !inode->is_dirty)
			continue;
		if (seam_choose(2) == 0)
			inode_lose(inode);
		else
			inode_sync(inode);
	}
}

static void sync_device(unsigned device)
{
	for (struct inode *inode = sim_disk.inodes; inode != NULL;
		inode = inode->next) {
		if (inode->device == device)
			inode_sync(inode);
	}
}

static int do_syncfs(int fd, int error)
{
	const struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	sim_disk.counts.fsyncs++;
	if (error == 0)
		sync_device(description->inode->device);
	else
		lose_some(description->inode->device);
	return -error;
}

int sim_syncfs(int fd)
{
	int error;

	if (fd < SIM_FD_MIN)
		return syncfs(fd);
	error = seam_before(SEAM_DISK, "syncfs", true);
	return (int)call_leave("syncfs", do_syncfs(fd, error));
}

/* ---- Streams ---- */

/* Those of the disk are known by their addresses; nobody looks inside. */
static DIR *as_directory(struct stream *stream)
{
	return (DIR *)(void *)stream;
}

static int do_fdopendir(int fd, struct stream **stream_out)
{
	*stream_out = stream_open(fd);
	if (*stream_out != NULL)
		return 0;
	return description_of(fd) == NULL ? -EBADF : -ENOTDIR;
}

DIR *sim_fdopendir(int fd)
{
	struct stream *stream = NULL;

	if (fd < SIM_FD_MIN)
		return fdopendir(fd);
	if (CALL("fdopendir", true, do_fdopendir(fd, &stream)) < 0)
		return NULL;
	return as_directory(stream);
}

DIR *sim_opendir(const char *path)
{
	DIR *stream;
	int fd;

	if (!path_is_ours(AT_FDCWD, path))
		return opendir(path);
	fd = sim_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	stream = sim_fdopendir(fd);
	if (stream == NULL)
		(void)sim_close(fd);
	return stream;
}

struct dirent *sim_readdir(DIR *directory)
{
	struct stream *stream = stream_of(directory);

	if (stream == NULL)
		return readdir(directory);
	if (stream_is_used_up(stream) &&
		CALL("getdents64", true, stream_fill(stream)) < 0)
		return NULL;
	return stream_take(stream);
}

void sim_rewinddir(DIR *directory)
{
	struct stream *stream = stream_of(directory);

	if (stream == NULL)
		rewinddir(directory);
	else
		stream_rewind(stream);
}

int sim_closedir(DIR *directory)
{
	if (stream_of(directory) == NULL)
		return closedir(directory);
	return (int)CALL("close", false, stream_close(stream_of(directory)));
}

int sim_dirfd(DIR *directory)
{
	struct stream *stream = stream_of(directory);

	return stream == NULL ? dirfd(directory) : stream_descriptor(stream);
}
