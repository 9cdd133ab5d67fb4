/* The calls that make, change and remove names. Those of other paths go to the
   system. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_calls_internal.h"
#include "tests/sim/sim_disk_internal.h"

bool call_enter(const char *call, bool can_fail)
{
	int error = seam_before(SEAM_DISK, call, can_fail);

	if (error != 0)
		errno = error;
	return error == 0;
}

long call_leave(const char *call, long result)
{
	int before = errno;

	seam_after(SEAM_DISK, call);
	/* A call that succeeds leaves errno alone. */
	errno = result < 0 ? (int)-result : before;
	return result < 0 ? -1 : result;
}

static int do_mkdir(int fd, const char *path, mode_t mode)
{
	struct found place;
	int error = path_lookup(fd, path, LOOKUP_PARENT, &place);

	return error != 0 ? error : names_make_directory(&place, mode);
}

int sim_mkdirat(int fd, const char *path, mode_t mode)
{
	if (!path_is_ours(fd, path))
		return mkdirat(fd, path, mode);
	return (int)CALL("mkdirat", true, do_mkdir(fd, path, mode));
}

int sim_mkdir(const char *path, mode_t mode)
{
	return sim_mkdirat(AT_FDCWD, path, mode);
}

static int do_unlink(int fd, const char *path, int flags)
{
	struct found place;
	int error = path_lookup(fd, path, LOOKUP_PARENT, &place);

	return error != 0 ? error
			  : names_remove(&place, (flags & AT_REMOVEDIR) != 0);
}

int sim_unlinkat(int fd, const char *path, int flags)
{
	if (!path_is_ours(fd, path))
		return unlinkat(fd, path, flags);
	return (int)CALL("unlinkat", true, do_unlink(fd, path, flags));
}

int sim_unlink(const char *path)
{
	return sim_unlinkat(AT_FDCWD, path, 0);
}

int sim_rmdir(const char *path)
{
	return sim_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static int do_rename(int from_fd, const char *from, int to_fd, const char *to,
	unsigned flags)
{
	struct found source, target;
	int error;

	if ((flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return -EINVAL;
	if (!path_is_ours(from_fd, from) || !path_is_ours(to_fd, to))
		return -EXDEV;
	error = path_lookup(from_fd, from, LOOKUP_PARENT, &source);
	if (error == 0)
		error = path_lookup(to_fd, to, LOOKUP_PARENT, &target);
	return error != 0 ? error : names_rename(&source, &target, flags == 0);
}

int sim_renameat2(int from_fd, const char *from, int to_fd, const char *to,
	unsigned flags)
{
	if (!path_is_ours(from_fd, from) && !path_is_ours(to_fd, to))
		return renameat2(from_fd, from, to_fd, to, flags);
	return (int)CALL(
		"renameat2", true, do_rename(from_fd, from, to_fd, to, flags));
}

int sim_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return sim_renameat2(from_fd, from, to_fd, to, 0);
}

int sim_rename(const char *from, const char *to)
{
	return sim_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int do_link(
	int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	struct found source, target;
	unsigned how = (flags & AT_SYMLINK_FOLLOW) != 0 ? LOOKUP_FOLLOW : 0;
	int error;

	if (!path_is_ours(from_fd, from) || !path_is_ours(to_fd, to))
		return -EXDEV;
	error = path_lookup(from_fd, from, how, &source);
	if (error == 0)
		error = source.inode == NULL
			? -ENOENT
			: path_lookup(to_fd, to, LOOKUP_PARENT, &target);
	return error != 0 ? error : names_link(&source, &target);
}

int sim_linkat(
	int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	if (!path_is_ours(from_fd, from) && !path_is_ours(to_fd, to))
		return linkat(from_fd, from, to_fd, to, flags);
	return (int)CALL(
		"linkat", true, do_link(from_fd, from, to_fd, to, flags));
}

/* ---- Asking for names ---- */

static int do_access(int fd, const char *path)
{
	struct found found;
	int error = path_lookup(fd, path, LOOKUP_FOLLOW, &found);

	if (error == 0 && found.inode == NULL)
		error = -ENOENT;
	return error;
}

int sim_access(const char *path, int mode)
{
	if (!path_is_ours(AT_FDCWD, path))
		return access(path, mode);
	return (int)CALL("access", true, do_access(AT_FDCWD, path));
}

static ssize_t do_readlink(int fd, const char *path, char *text, size_t size)
{
	struct found found;
	int error = path_lookup(fd, path, 0, &found);

	if (error != 0)
		return error;
	if (found.inode == NULL)
		return -ENOENT;
	if (found.inode->type != S_IFLNK)
		return -EINVAL;
	if (size > found.inode->data->size)
		size = found.inode->data->size;
	memcpy(text, found.inode->data->bytes, size);
	return (ssize_t)size;
}

ssize_t sim_readlinkat(int fd, const char *path, char *text, size_t size)
{
	if (!path_is_ours(fd, path))
		return readlinkat(fd, path, text, size);
	return CALL("readlinkat", true, do_readlink(fd, path, text, size));
}

ssize_t sim_readlink(const char *path, char *text, size_t size)
{
	return sim_readlinkat(AT_FDCWD, path, text, size);
}

static int do_realpath(const char *path, char **text_out)
{
	struct found found;
	int error = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &found);

	if (error != 0)
		return error;
	if (found.inode == NULL)
		return -ENOENT;
	*text_out = found.inode->directory != NULL
		? path_of(found.inode, NULL)
		: path_of(found.directory, found.name);
	return 0;
}

char *sim_realpath(const char *path, char *resolved)
{
	char *text = NULL;

	if (!path_is_ours(AT_FDCWD, path))
		return realpath(path, resolved);
	if (!call_enter("realpath", true))
		return NULL;
	/* What the caller would free is made when it cannot be lost. */
	if (call_leave("realpath", do_access(AT_FDCWD, path)) < 0)
		return NULL;
	if (do_realpath(path, &text) < 0)
		errno = ENOENT;
	return text;
}
