/* Removing one message: it moves to DAY/FOLDER/cur/NAME below the retention
   directory. "cur" is no folder's name, so files and folders never meet. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"
#include "store/maildir_retention.h"

#define TWIN_NAMES_MAX 10000 /* removed on one day, with one name */

int retention_open(struct maildir *maildir, bool make, struct error *error)
{
	const char *path = maildir->retention_path;

	if (maildir->retention_fd != -1)
		return maildir->retention_fd;
	if (make && mkdir(path, 0700) == -1 && errno != EEXIST) {
		error_set_errno(error, "cannot create '%s'", path);
		return -1;
	}
	maildir->retention_fd =
		open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (maildir->retention_fd == -1) {
		error_set_errno(error, "cannot open '%s'", path);
		return -1;
	}
	if (make && !maildir->has_retention &&
		!parent_sync(maildir->retention_fd, path, error)) {
		(void)close(maildir->retention_fd);
		maildir->retention_fd = -1;
	}
	maildir->has_retention |= make && maildir->retention_fd != -1;
	return maildir->retention_fd;
}

bool maildir_prepare_retention(struct maildir *maildir, struct error *error)
{
	return maildir->retention_path == NULL ||
		retention_open(maildir, true, error) != -1;
}

const char *maildir_retention_path(const struct maildir *maildir)
{
	return maildir->retention_path;
}

/* Makes and opens one level; takes `fd` over. */
static int descend(int fd, const char *name, struct error *error)
{
	bool is_made = mkdirat(fd, name, 0700) == 0;
	int next = -1;

	if (!is_made && errno != EEXIST)
		error_set_errno(error, "cannot create '%s'", name);
	else if (!is_made || directory_sync(fd, name, error)) {
		next = directory_open(fd, name);
		if (next == -1)
			error_set_errno(error, "cannot open '%s'", name);
	}
	(void)close(fd);
	return next;
}

/* "DAY/FOLDER/cur", made level by level. The caller's. */
static int make_drawer(
	struct maildir *maildir, const char *drawer, struct error *error)
{
	int base = retention_open(maildir, true, error);
	int fd = base == -1 ? -1 : fcntl(base, F_DUPFD_CLOEXEC, 0);

	while (fd != -1 && *drawer != '\0') {
		size_t size = strcspn(drawer, "/");
		char *name = alloc_text_sized(drawer, size);

		fd = descend(fd, name, error);
		free(name);
		drawer += size + (drawer[size] == '/');
	}
	return fd;
}

void retention_twin_name(const char *name, unsigned number, struct buf *out)
{
	struct maildir_name parts;

	buf_clear(out);
	maildir_name_parse(name, &parts);
	buf_add(out, name, parts.unique_size);
	if (number > 0)
		buf_add_format(out, "_%u", number);
	buf_add_text(out, name + parts.unique_size);
}

enum maildir_result retention_move(int from_fd, const char *from, int to_fd,
	const char *name, struct buf *name_out, struct error *error)
{
	for (unsigned number = 0; number < TWIN_NAMES_MAX; number++) {
		retention_twin_name(name, number, name_out);
		if (rename_exclusive(
			    from_fd, from, to_fd, buf_text(name_out)) == 0)
			return MAILDIR_DONE;
		if (errno == ENOENT)
			return MAILDIR_MISSING;
		if (errno != EEXIST)
			break;
	}
	if (errno != EXDEV)
		error_set_errno(error, "cannot move '%s'", from);
	return MAILDIR_ERROR;
}

/* ---- To another file system ---- */

static bool copy_data(int from_fd, int to_fd)
{
	char *data = alloc(1, IO_SIZE);
	ssize_t size = 1;
	bool ok = true;

	while (ok && size != 0) {
		size = read(from_fd, data, IO_SIZE);
		if (size > 0)
			ok = write_fully(to_fd, data, (size_t)size);
		else if (size < 0 && errno != EINTR)
			ok = false;
	}
	free(data);
	return ok;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
		a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The file did not change while it was copied, and the copy is on disk. */
static bool copy_checked(int from_fd, int to_fd)
{
	struct stat before, after;
	struct timespec times[2];

	if (fstat(from_fd, &before) == -1 || !copy_data(from_fd, to_fd) ||
		fstat(from_fd, &after) == -1)
		return false;
	if (!is_same_file(&before, &after)) {
		errno = EBUSY;
		return false;
	}
	times[0] = before.st_atim;
	times[1] = before.st_mtim;
	return futimens(to_fd, times) == 0 && fsync(to_fd) == 0;
}

static enum maildir_result copy_to(const struct retention_copy *copy,
	int source, struct buf *name_out, struct error *error)
{
	enum maildir_result result = MAILDIR_ERROR;
	int fd;

	/* What an interrupted copy left is worth nothing. */
	(void)unlinkat(copy->via_fd, copy->via, 0);
	fd = openat(copy->via_fd, copy->via,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1 || !copy_checked(source, fd))
		error_set_errno(error, "cannot copy '%s'", copy->name);
	else
		result = retention_move(copy->via_fd, copy->via, copy->to_fd,
			copy->name, name_out, error);
	if (fd != -1)
		(void)close(fd);
	return result;
}

enum maildir_result retention_move_across(const struct retention_copy *copy,
	struct buf *name_out, struct error *error)
{
	int source = openat(copy->from_fd, copy->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum maildir_result result;

	if (source == -1 && errno == ENOENT)
		return MAILDIR_MISSING;
	if (source == -1) {
		error_set_errno(error, "cannot open '%s'", copy->name);
		return MAILDIR_ERROR;
	}
	result = copy_to(copy, source, name_out, error);
	(void)close(source);
	if (result != MAILDIR_DONE)
		return result;
	if (!directory_sync(copy->to_fd, copy->name, error))
		return MAILDIR_ERROR;
	if (unlinkat(copy->from_fd, copy->name, 0) == 0 || errno == ENOENT)
		return MAILDIR_DONE;
	error_set_errno(error, "cannot unlink '%s'", copy->name);
	return MAILDIR_ERROR;
}

/* The copy has a dot name at first, which no listing shows. */
static enum maildir_result move_across(
	int from_fd, const char *name, int to_fd, struct error *error)
{
	const struct retention_copy copy = {
		.from_fd = from_fd,
		.name = name,
		.via_fd = to_fd,
		.via = RETENTION_COPY_NAME,
		.to_fd = to_fd,
	};
	struct buf named = { .data = NULL };
	enum maildir_result result =
		retention_move_across(&copy, &named, error);

	buf_finish(&named);
	return result;
}

static bool is_known(const struct maildir_file *known, int fd, const char *name)
{
	struct stat stat;

	return fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		stat.st_ino == known->inode && stat.st_dev == known->device &&
		(uint64_t)stat.st_size == known->size &&
		stat.st_mtim.tv_sec == known->mtime;
}

/* Somebody wrote another message under the name after we looked: it goes back,
   under a name of its own if there is one more by now. */
static enum maildir_result put_back(int from_fd, const char *name, int to_fd,
	const char *retained, struct error *error)
{
	struct buf named = { .data = NULL };
	enum maildir_result result =
		retention_move(to_fd, retained, from_fd, name, &named, error);

	buf_finish(&named);
	return result == MAILDIR_DONE ? MAILDIR_MISSING : result;
}

static enum maildir_result move_to_drawer(int from_fd, const char *name,
	const struct maildir_file *known, int to_fd, struct error *error)
{
	struct buf named = { .data = NULL };
	struct error failure = { .code = ERROR_NONE };
	enum maildir_result result =
		retention_move(from_fd, name, to_fd, name, &named, &failure);

	if (result == MAILDIR_DONE && !is_known(known, to_fd, buf_text(&named)))
		result = put_back(
			from_fd, name, to_fd, buf_text(&named), &failure);
	buf_finish(&named);
	if (result == MAILDIR_ERROR && failure.code == ERROR_NONE)
		return is_known(known, from_fd, name)
			? move_across(from_fd, name, to_fd, error)
			: MAILDIR_MISSING;
	if (result == MAILDIR_ERROR && error != NULL)
		*error = failure;
	if (result == MAILDIR_DONE &&
		!directory_sync(to_fd, "the retention directory", error))
		return MAILDIR_ERROR;
	return result;
}

/* ---- The whole ---- */

void retention_day(int64_t seconds, char day_out[RETENTION_DAY_SIZE])
{
	time_t when = (time_t)seconds;
	struct tm parts;

	/* Beyond what a calendar can say there is one day, the first. */
	if (gmtime_r(&when, &parts) == NULL ||
		strftime(day_out, RETENTION_DAY_SIZE, "%Y-%m-%d", &parts) !=
			RETENTION_DAY_SIZE - 1)
		memcpy(day_out, "1970-01-01", RETENTION_DAY_SIZE);
}

static enum maildir_result retain(struct maildir *maildir, int from_fd,
	const struct maildir_place *place, const struct maildir_file *known,
	int64_t now, struct error *error)
{
	struct buf drawer = { .data = NULL };
	char day[RETENTION_DAY_SIZE];
	enum maildir_result result = MAILDIR_ERROR;
	int to_fd;

	retention_day(now, day);
	buf_add_format(&drawer, "%s/%s/cur", day, place->path);
	to_fd = make_drawer(maildir, buf_text(&drawer), error);
	if (to_fd != -1) {
		result = move_to_drawer(
			from_fd, place->name, known, to_fd, error);
		(void)close(to_fd);
	}
	buf_finish(&drawer);
	return result;
}

static enum maildir_result unlink_message(int from_fd,
	const struct maildir_place *place, const struct maildir_file *known,
	struct error *error)
{
	if (!is_known(known, from_fd, place->name))
		return MAILDIR_MISSING;
	if (unlinkat(from_fd, place->name, 0) == 0)
		return MAILDIR_DONE;
	if (errno == ENOENT)
		return MAILDIR_MISSING;
	error_set_errno(error, "cannot unlink '%s'", place->name);
	return MAILDIR_ERROR;
}

enum maildir_result maildir_remove(struct maildir *maildir,
	const struct maildir_place *place, const struct maildir_file *known,
	int64_t now, struct error *error)
{
	struct maildir_file file;
	enum maildir_result result = maildir_stat(maildir, place, &file, error);
	int from_fd;

	if (result != MAILDIR_DONE)
		return result;
	if (!file.is_regular) {
		error_set(error, ERROR_REFUSED, "'%s' in '%s' is no message",
			place->name, place->path);
		return MAILDIR_ERROR;
	}
	from_fd = maildir_descriptor(
		maildir, place->path, maildir_part_of(place->is_new), error);
	if (from_fd == -1)
		return MAILDIR_ERROR;
	if (maildir->retention_path == NULL)
		result = unlink_message(from_fd, place, known, error);
	else
		result = retain(maildir, from_fd, place, known, now, error);
	if (result == MAILDIR_DONE &&
		!directory_sync(from_fd, place->path, error))
		result = MAILDIR_ERROR;
	return result;
}
