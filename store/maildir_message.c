/* Listing, looking at, opening and renaming message files. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"

#define BTRFS_MAGIC 0x9123683E

/* ---- Listing ---- */

struct scan {
	struct arena *arena;
	struct maildir_entry *entries;
	size_t count;
	size_t capacity;
};

static enum maildir_type type_of(unsigned char type)
{
	if (type == DT_UNKNOWN)
		return MAILDIR_TYPE_UNKNOWN;
	return type == DT_REG ? MAILDIR_TYPE_REGULAR : MAILDIR_TYPE_OTHER;
}

static void add_entry(
	struct scan *scan, const struct dirent *found, bool is_new)
{
	struct maildir_entry *entry = arena_push(scan->arena, &scan->entries,
		&scan->count, &scan->capacity, sizeof(*entry));

	entry->name = arena_text(scan->arena, found->d_name);
	entry->is_new = is_new;
	entry->type = type_of(found->d_type);
	entry->inode = (uint64_t)found->d_ino;
}

static bool read_stream(
	DIR *stream, bool is_new, struct scan *scan, struct error *error)
{
	const struct dirent *found;

	for (;;) {
		errno = 0;
		found = readdir(stream);
		if (found == NULL)
			break;
		if (*found->d_name == '.')
			continue;
		if (scan->count >= MAILDIR_ENTRY_COUNT_MAX)
			return error_set(error, ERROR_LIMIT,
				"more than %d messages in one folder",
				MAILDIR_ENTRY_COUNT_MAX);
		add_entry(scan, found, is_new);
	}
	if (errno != 0)
		return error_set_errno(error, "cannot read a directory");
	return true;
}

static bool scan_part(struct maildir *maildir, const char *path, bool is_new,
	struct scan *scan, struct error *error)
{
	int fd = maildir_descriptor(
		maildir, path, maildir_part_of(is_new), error);
	DIR *stream;
	bool ok;

	if (fd == -1)
		return false;
	stream = directory_stream(fd);
	if (stream == NULL)
		return error_set_errno(error, "cannot read a directory");
	ok = read_stream(stream, is_new, scan, error);
	/* Only read from. */
	(void)closedir(stream);
	return ok;
}

bool maildir_scan(struct maildir *maildir, const char *path,
	struct arena *arena, struct maildir_entry **entries_out,
	size_t *count_out, struct error *error)
{
	struct scan scan = { .arena = arena };

	/* Messages go from new to cur: the other order could miss one. */
	if (!scan_part(maildir, path, true, &scan, error) ||
		!scan_part(maildir, path, false, &scan, error)) {
		error_prefix(error, "cannot scan the folder '%s'", path);
		return false;
	}
	*entries_out = scan.entries;
	*count_out = scan.count;
	return true;
}

/* ---- One message ---- */

static void set_file(struct maildir_file *file, const struct stat *stat)
{
	file->device = (uint64_t)stat->st_dev;
	file->inode = (uint64_t)stat->st_ino;
	file->size = (uint64_t)stat->st_size;
	file->mtime = (int64_t)stat->st_mtime;
	file->is_regular = S_ISREG(stat->st_mode);
}

/* The directory of a place; MISSING when it, and so the message, is gone. */
static enum maildir_result place_directory(struct maildir *maildir,
	const struct maildir_place *place, int *fd_out, struct error *error)
{
	struct error failure;
	int fd;

	if (!maildir_name_is_valid(place->name)) {
		error_set(error, ERROR_REFUSED,
			"'%.200s' cannot be a message's name", place->name);
		return MAILDIR_ERROR;
	}
	fd = maildir_descriptor(
		maildir, place->path, maildir_part_of(place->is_new), &failure);
	if (fd != -1) {
		*fd_out = fd;
		return MAILDIR_DONE;
	}
	if (maildir_is_missing(&failure))
		return MAILDIR_MISSING;
	if (error != NULL)
		*error = failure;
	return MAILDIR_ERROR;
}

static enum maildir_result call_failed(const char *verb,
	const struct maildir_place *place, struct error *error)
{
	if (errno == ENOENT)
		return MAILDIR_MISSING;
	error_set_errno(error, "cannot %s '%s' in '%s'", verb, place->name,
		place->path);
	return MAILDIR_ERROR;
}

enum maildir_result maildir_stat(struct maildir *maildir,
	const struct maildir_place *place, struct maildir_file *file_out,
	struct error *error)
{
	struct stat stat;
	int fd = -1;
	enum maildir_result result =
		place_directory(maildir, place, &fd, error);

	if (result != MAILDIR_DONE)
		return result;
	if (fstatat(fd, place->name, &stat, AT_SYMLINK_NOFOLLOW) == -1)
		return call_failed("stat", place, error);
	set_file(file_out, &stat);
	return MAILDIR_DONE;
}

static enum maildir_result not_regular(
	const struct maildir_place *place, struct error *error)
{
	error_set(error, ERROR_REFUSED, "'%s' in '%s' is no regular file",
		place->name, place->path);
	return MAILDIR_REFUSED;
}

enum maildir_result maildir_open_message(struct maildir *maildir,
	const struct maildir_place *place, int *fd_out,
	struct maildir_file *file_out, struct error *error)
{
	struct stat stat;
	int fd = -1;
	int directory = -1;
	enum maildir_result result =
		place_directory(maildir, place, &directory, error);

	if (result != MAILDIR_DONE)
		return result;
	/* O_NONBLOCK: a FIFO must not make us wait. */
	fd = openat(directory, place->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1 && (errno == ELOOP || errno == ENXIO))
		return not_regular(place, error);
	if (fd == -1)
		return call_failed("open", place, error);
	if (fstat(fd, &stat) == -1) {
		result = call_failed("stat", place, error);
		(void)close(fd);
		return result;
	}
	if (!S_ISREG(stat.st_mode)) {
		(void)close(fd);
		return not_regular(place, error);
	}
	*fd_out = fd;
	set_file(file_out, &stat);
	return MAILDIR_DONE;
}

enum maildir_result maildir_sync_message(struct maildir *maildir,
	const struct maildir_place *place, struct error *error)
{
	struct maildir_file file;
	int fd = -1;
	enum maildir_result result =
		maildir_open_message(maildir, place, &fd, &file, error);

	if (result != MAILDIR_DONE)
		return result == MAILDIR_MISSING ? result : MAILDIR_REFUSED;
	if (fsync(fd) == -1) {
		result = call_failed("sync", place, error);
		/* The next fsync() would find nothing to do and succeed. */
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	(void)close(fd);
	return result;
}

/* btrfs makes two directories durable one after the other: in between, a power
   cut leaves a renamed file with both names. Of the file itself it makes all
   names durable at once. */
static bool sync_renamed(int from_fd, int to_fd, const char *name)
{
	struct statfs system;
	struct stat from_stat, to_stat;
	bool is_done;
	int fd;

	if (fstatfs(to_fd, &system) == -1 ||
		(uint32_t)system.f_type != BTRFS_MAGIC ||
		(fstat(from_fd, &from_stat) == 0 &&
			fstat(to_fd, &to_stat) == 0 &&
			from_stat.st_ino == to_stat.st_ino))
		return true;
	fd = openat(to_fd, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* Somebody has renamed it again: that is on the disk when it is. */
	if (fd == -1)
		return true;
	is_done = fsync(fd) == 0;
	(void)close(fd);
	return is_done;
}

static bool is_same_name(
	int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat from_stat, to_stat;

	return strcmp(from, to) == 0 &&
		(fstat(from_fd, &from_stat) == -1 ||
			fstat(to_fd, &to_stat) == -1 ||
			(from_stat.st_dev == to_stat.st_dev &&
				from_stat.st_ino == to_stat.st_ino));
}

/* A power cut amid a rename can leave a file with both names (btrfs does). Done
   again, it ends as one. */
static bool end_rename(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat from_stat, to_stat;

	return !is_same_name(from_fd, from, to_fd, to) &&
		fstatat(from_fd, from, &from_stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		fstatat(to_fd, to, &to_stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(from_stat.st_mode) &&
		from_stat.st_dev == to_stat.st_dev &&
		from_stat.st_ino == to_stat.st_ino &&
		unlinkat(from_fd, from, 0) == 0;
}

enum maildir_result maildir_rename(struct maildir *maildir,
	const struct maildir_place *from, const struct maildir_place *to,
	struct error *error)
{
	int from_fd = -1;
	int to_fd = -1;
	enum maildir_result result =
		place_directory(maildir, to, &to_fd, error);

	/* Asked for last, the source cannot push the other out of the cache,
	   which holds more than two. */
	if (result == MAILDIR_DONE)
		result = place_directory(maildir, from, &from_fd, error);
	if (result != MAILDIR_DONE)
		return result;
	if (rename_exclusive(from_fd, from->name, to_fd, to->name) == 0) {
		if (sync_renamed(from_fd, to_fd, to->name))
			return MAILDIR_DONE;
		error_set_errno(
			error, "cannot sync '%s' in '%s'", to->name, to->path);
		return MAILDIR_ERROR;
	}
	if (errno == EEXIST)
		return end_rename(from_fd, from->name, to_fd, to->name)
			? MAILDIR_DONE
			: MAILDIR_EXISTS;
	if (errno == ENOENT)
		return MAILDIR_MISSING;
	error_set_errno(error, "cannot rename '%s' in '%s' to '%s' in '%s'",
		from->name, from->path, to->name, to->path);
	return MAILDIR_ERROR;
}

/* ---- Leftovers ---- */

/* By the time of the last change of the inode: a finished download has the
   message's own, older modification time. */
static bool is_leftover(int fd, const char *name, int64_t now)
{
	struct stat stat;
	uint64_t token;

	return maildir_unique_token(name, &token) &&
		fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(stat.st_mode) &&
		(int64_t)stat.st_ctime < now - MAILDIR_TMP_AGE_SECONDS;
}

size_t maildir_clean_tmp(struct maildir *maildir, const char *path, int64_t now)
{
	struct error ignored; /* there is a next time */
	int fd = maildir_descriptor(maildir, path, MAILDIR_TMP, &ignored);
	DIR *stream = fd == -1 ? NULL : directory_stream(fd);
	const struct dirent *entry;
	size_t count = 0;

	if (stream == NULL)
		return 0;
	while ((entry = readdir(stream)) != NULL) {
		if (is_leftover(fd, entry->d_name, now) &&
			unlinkat(fd, entry->d_name, 0) == 0)
			count++;
	}
	(void)closedir(stream);
	return count;
}
