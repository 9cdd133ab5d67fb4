/* Looking through what was removed, bringing it back, letting it go. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/maildir_retention.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/maildir_internal.h"

#define SECONDS_PER_DAY 86400

static bool is_day(const char *name)
{
	static const char FORM[] = "dddd-dd-dd";

	if (strlen(name) != sizeof(FORM) - 1)
		return false;
	for (size_t i = 0; i < sizeof(FORM) - 1; i++) {
		bool is_digit = name[i] >= '0' && name[i] <= '9';

		if (FORM[i] == 'd' ? !is_digit : name[i] != FORM[i])
			return false;
	}
	return true;
}

/* ---- Names in a directory, all at once: it may be changed then ---- */

struct names {
	char **items;
	size_t count;
	size_t capacity;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Dot names are left out. */
static bool read_names(
	int fd, struct arena *arena, struct names *names, struct error *error)
{
	DIR *stream = directory_stream(fd);
	const struct dirent *entry;
	bool ok = true;

	if (stream == NULL)
		return error_set_errno(
			error, "cannot read the retention directory");
	errno = 0;
	while ((entry = readdir(stream)) != NULL) {
		if (*entry->d_name != '.') {
			char **name = arena_push(arena, &names->items,
				&names->count, &names->capacity, sizeof(*name));

			*name = arena_text(arena, entry->d_name);
		}
		errno = 0;
	}
	if (errno != 0)
		ok = error_set_errno(
			error, "cannot read the retention directory");
	/* Only read from. */
	(void)closedir(stream);
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items),
			compare_names);
	return ok;
}

/* ---- Listing ---- */

struct inventory {
	struct arena *arena;
	struct maildir_retained *files;
	size_t count;
	size_t capacity;
	const char *day;
	struct error *error;
};

static void add_file(
	struct inventory *inventory, int fd, const char *path, const char *name)
{
	struct maildir_retained *file;
	struct stat stat;

	if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == -1 ||
		!S_ISREG(stat.st_mode))
		return;
	file = arena_push(inventory->arena, &inventory->files,
		&inventory->count, &inventory->capacity, sizeof(*file));
	file->day = inventory->day;
	file->path = path;
	file->name = name;
	file->size = (uint64_t)stat.st_size;
}

static bool list_drawer(struct inventory *inventory, int fd, const char *path)
{
	struct names names = { .count = 0 };
	int drawer = directory_open(fd, "cur");
	bool ok;

	if (drawer == -1)
		return errno == ENOENT ||
			error_set_errno(inventory->error,
				"cannot open 'cur' of '%s'", path);
	ok = read_names(drawer, inventory->arena, &names, inventory->error);
	for (size_t i = 0; ok && i < names.count; i++)
		add_file(inventory, drawer, path, names.items[i]);
	(void)close(drawer);
	return ok;
}

static bool list_folder(
	struct inventory *inventory, int fd, const char *path, unsigned depth)
{
	struct names names = { .count = 0 };
	bool ok = true;

	if (depth > 0)
		ok = list_drawer(inventory, fd, path);
	if (ok)
		ok = read_names(fd, inventory->arena, &names, inventory->error);
	for (size_t i = 0; ok && i < names.count; i++) {
		const char *name = names.items[i];
		int child;

		if (strcmp(name, "cur") == 0 || depth >= FOLDER_DEPTH_MAX)
			continue;
		child = directory_open(fd, name);
		if (child == -1)
			continue;
		ok = list_folder(inventory, child,
			arena_format(inventory->arena, "%s%s%s", path,
				*path == '\0' ? "" : "/", name),
			depth + 1);
		(void)close(child);
	}
	return ok;
}

static bool list_day(struct inventory *inventory, int fd, const char *day)
{
	int child = directory_open(fd, day);
	bool ok;

	if (child == -1)
		return error_set_errno(
			inventory->error, "cannot open '%s'", day);
	inventory->day = day;
	ok = list_folder(inventory, child, "", 0);
	(void)close(child);
	return ok;
}

/* -1 with `*is_empty_out` true: nothing was ever removed. */
static int open_existing(
	struct maildir *maildir, bool *is_empty_out, struct error *error)
{
	struct error failure = { .code = ERROR_NONE };
	int fd = -1;

	if (maildir->retention_path != NULL)
		fd = retention_open(maildir, false, &failure);
	*is_empty_out = fd == -1 &&
		(failure.code == ERROR_NONE || maildir_is_missing(&failure));
	if (fd == -1 && !*is_empty_out && error != NULL)
		*error = failure;
	return fd;
}

bool maildir_retention_list(struct maildir *maildir, struct arena *arena,
	struct maildir_retained **files_out, size_t *count_out,
	struct error *error)
{
	struct inventory inventory = { .arena = arena, .error = error };
	struct names days = { .count = 0 };
	bool is_empty = false;
	int fd = open_existing(maildir, &is_empty, error);

	if (fd == -1 && !is_empty)
		return false;
	if (fd != -1 && !read_names(fd, arena, &days, error))
		return false;
	for (size_t i = 0; i < days.count; i++) {
		if (is_day(days.items[i]) &&
			!list_day(&inventory, fd, days.items[i]))
			return false;
	}
	*files_out = inventory.files;
	*count_out = inventory.count;
	return true;
}

/* ---- Bringing back ---- */

/* The directory a file lies in. -1: it is gone, or (with `error`) cannot be
   opened. */
static int open_drawer(struct maildir *maildir,
	const struct maildir_retained *file, struct error *error)
{
	struct buf place = { .data = NULL };
	bool is_empty = false;
	int drawer = -1;
	int base = open_existing(maildir, &is_empty, error);

	if (base == -1 || !is_day(file->day) ||
		!maildir_name_is_valid(file->name) ||
		!folder_path_check(file->path, NULL))
		return -1;
	buf_add_format(&place, "%s/%s/cur", file->day, file->path);
	drawer = directory_open(base, buf_text(&place));
	buf_finish(&place);
	return drawer;
}

int maildir_retention_open_message(struct maildir *maildir,
	const struct maildir_retained *file, struct error *error)
{
	int drawer = open_drawer(maildir, file, error);
	int fd = -1;

	if (drawer != -1) {
		fd = openat(drawer, file->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		(void)close(drawer);
	}
	if (fd == -1)
		error_set_errno(error, "cannot open '%s'", file->name);
	return fd;
}

static enum maildir_result copy_back(struct maildir *maildir, int drawer,
	const struct maildir_retained *file, int fd, struct buf *named,
	struct error *error)
{
	struct retention_copy copy = {
		.from_fd = drawer,
		.name = file->name,
		.to_fd = fd,
	};
	struct buf via = { .data = NULL };
	enum maildir_result result = MAILDIR_ERROR;
	struct maildir_name parts;

	maildir_name_parse(file->name, &parts);
	buf_add(&via, file->name, parts.unique_size);
	copy.via = buf_text(&via);
	copy.via_fd =
		maildir_descriptor(maildir, file->path, MAILDIR_TMP, error);
	if (copy.via_fd != -1)
		result = retention_move_across(&copy, named, error);
	buf_finish(&via);
	return result;
}

static enum maildir_result move_back(struct maildir *maildir, int drawer,
	const struct maildir_retained *file, struct buf *named,
	struct error *error)
{
	struct maildir_name parts;
	enum maildir_result result;
	int fd;

	maildir_name_parse(file->name, &parts);
	fd = maildir_descriptor(
		maildir, file->path, maildir_part_of(!parts.has_info), error);
	if (fd == -1)
		return missing_or_error(error);
	result = retention_move(
		drawer, file->name, fd, file->name, named, error);
	if (result == MAILDIR_ERROR && error->code == ERROR_NONE)
		result = copy_back(maildir, drawer, file, fd, named, error);
	if (result == MAILDIR_DONE && !directory_sync(fd, file->path, error))
		result = MAILDIR_ERROR;
	if (result == MAILDIR_DONE && !directory_sync(drawer, file->day, error))
		result = MAILDIR_ERROR;
	return result;
}

enum maildir_result maildir_retention_restore(struct maildir *maildir,
	const struct maildir_retained *file, struct buf *name_out,
	struct error *error)
{
	struct error failure = { .code = ERROR_NONE };
	struct buf named = { .data = NULL };
	enum maildir_result result = MAILDIR_MISSING;
	int drawer = open_drawer(maildir, file, &failure);

	if (drawer != -1) {
		result = move_back(maildir, drawer, file, &named, &failure);
		(void)close(drawer);
	} else if (failure.code != ERROR_NONE) {
		result = MAILDIR_ERROR;
	}
	if (result == MAILDIR_ERROR && error != NULL)
		*error = failure;
	if (result == MAILDIR_DONE)
		buf_add_text(name_out, buf_text(&named));
	buf_finish(&named);
	return result;
}

/* ---- Letting go ---- */

static bool empty_directory(
	int fd, unsigned depth, struct arena *arena, struct error *error);

static bool remove_name(int fd, const char *name, unsigned depth,
	struct arena *arena, struct error *error)
{
	int child;
	bool ok;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return error_set_errno(error, "cannot unlink '%s'", name);
	child = directory_open(fd, name);
	if (child == -1)
		return error_set_errno(error, "cannot open '%s'", name);
	ok = empty_directory(child, depth + 1, arena, error);
	(void)close(child);
	if (ok && unlinkat(fd, name, AT_REMOVEDIR) == -1)
		ok = error_set_errno(error, "cannot remove '%s'", name);
	return ok;
}

static bool empty_directory(
	int fd, unsigned depth, struct arena *arena, struct error *error)
{
	struct names names = { .count = 0 };
	bool ok = read_names(fd, arena, &names, error);

	if (depth > FOLDER_DEPTH_MAX + 2)
		return error_set(error, ERROR_LIMIT,
			"the retention directory is too deep");
	/* What an interrupted copy left. */
	(void)unlinkat(fd, RETENTION_COPY_NAME, 0);
	for (size_t i = 0; ok && i < names.count; i++)
		ok = remove_name(fd, names.items[i], depth, arena, error);
	return ok;
}

bool maildir_retention_purge(struct maildir *maildir, unsigned days,
	int64_t now, struct error *error)
{
	struct arena arena = { .block = NULL };
	struct names names = { .count = 0 };
	char first_kept[RETENTION_DAY_SIZE];
	bool is_empty = false;
	int fd = open_existing(maildir, &is_empty, error);
	bool ok;

	if (fd == -1)
		return is_empty;
	retention_day(now - (int64_t)days * SECONDS_PER_DAY, first_kept);
	ok = read_names(fd, &arena, &names, error);
	for (size_t i = 0; ok && i < names.count; i++) {
		if (is_day(names.items[i]) &&
			strcmp(names.items[i], first_kept) < 0)
			ok = remove_name(fd, names.items[i], 0, &arena, error);
	}
	arena_finish(&arena);
	return ok;
}
