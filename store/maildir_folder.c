/* Making, renaming and removing folders. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"

/* ---- Making ---- */

/* Makes `name` in the directory at `fd`; `*made` becomes true when it was not
   there. What is there must be a directory. */
static bool make_directory(
	int fd, const char *name, bool *made, struct error *error)
{
	struct stat stat;

	if (mkdirat(fd, name, 0700) == 0) {
		*made = true;
		return true;
	}
	if (errno != EEXIST)
		return error_set_errno(
			error, "cannot create the directory '%s'", name);
	if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(stat.st_mode))
		return true;
	errno = ENOTDIR;
	return error_set_errno(error, "cannot create the directory '%s'", name);
}

/* Makes one level and goes into it: takes `fd` over, returns the next one. What
   is there may be ours, made before a failure or a crash, and not durable. */
static int descend(int fd, const char *name, struct error *error)
{
	bool made = false;
	int next = -1;

	if (!make_directory(fd, name, &made, error) ||
		!directory_sync(fd, name, error))
		goto out;
	next = directory_open(fd, name);
	if (next == -1)
		error_set_errno(error, "cannot open the directory '%s'", name);
out:
	(void)close(fd);
	return next;
}

/* Makes all levels of `place`, durably, and opens the last one. */
static int make_levels(
	const struct maildir *maildir, const char *place, struct error *error)
{
	int fd = maildir_open_place(maildir, ".");

	if (fd == -1)
		error_set_errno(error, "cannot open '%s'", maildir->root);
	while (fd != -1 && *place != '\0') {
		size_t size = strcspn(place, "/");
		char *name = alloc_text_sized(place, size);

		fd = descend(fd, name, error);
		free(name);
		place += size + (place[size] == '/');
	}
	return fd;
}

/* cur comes last: who sees it, sees a whole folder. */
static enum maildir_result make_parts(
	int fd, const char *path, struct error *error)
{
	bool made = false;

	if (!make_directory(fd, "tmp", &made, error) ||
		!make_directory(fd, "new", &made, error) ||
		!make_directory(fd, "cur", &made, error) ||
		!directory_sync(fd, path, error)) {
		error_prefix(error, "cannot create the folder '%s'", path);
		return MAILDIR_ERROR;
	}
	return made ? MAILDIR_DONE : MAILDIR_EXISTS;
}

enum maildir_result maildir_create_folder(
	struct maildir *maildir, const char *path, struct error *error)
{
	struct buf place = { .data = NULL };
	enum maildir_result result = MAILDIR_ERROR;
	int fd = -1;

	if (maildir_place(maildir, path, MAILDIR_FOLDER, &place, error))
		fd = make_levels(maildir, buf_text(&place), error);
	if (fd != -1) {
		result = make_parts(fd, path, error);
		(void)close(fd);
	}
	buf_finish(&place);
	return result;
}

/* ---- Renaming ---- */

static bool is_beneath(const char *path, const char *parent)
{
	size_t size = strlen(parent);

	return strncmp(path, parent, size) == 0 &&
		(path[size] == '/' || path[size] == '\0');
}

static enum maildir_result refused(
	struct error *error, const char *why, const char *from, const char *to)
{
	error_set(error, ERROR_REFUSED,
		"cannot rename the folder '%s' to '%s'"
		": %s",
		from, to, why);
	return MAILDIR_REFUSED;
}

static enum maildir_result rename_failure(
	const char *from, const char *to, struct error *error)
{
	if (errno == ENOENT)
		return MAILDIR_MISSING;
	if (errno == EEXIST || errno == ENOTEMPTY)
		return MAILDIR_EXISTS;
	error_set_errno(
		error, "cannot rename the directory '%s' to '%s'", from, to);
	return MAILDIR_ERROR;
}

/* "A/B" -> an open directory of "A", and "B". */
static int open_parent(const struct maildir *maildir, const char *place,
	bool make, const char **name_out, struct error *error)
{
	const char *slash = strrchr(place, '/');
	char *parent = alloc_text_sized(
		place, slash == NULL ? 0 : (size_t)(slash - place));
	int fd;

	if (make)
		fd = make_levels(maildir, parent, error);
	else
		fd = maildir_open_place(maildir, *parent ? parent : ".");
	if (fd == -1 && !make)
		error_set_errno(error, "cannot open '%s'", parent);
	free(parent);
	*name_out = slash == NULL ? place : slash + 1;
	return fd;
}

static enum maildir_result rename_tree(struct maildir *maildir,
	const char *from, const char *to, struct error *error)
{
	enum maildir_result result = MAILDIR_ERROR;
	const char *from_name, *to_name;
	int to_fd = -1;
	int from_fd = open_parent(maildir, from, false, &from_name, error);
	struct stat stat;

	if (from_fd == -1)
		return missing_or_error(error);
	if (fstatat(from_fd, from_name, &stat, AT_SYMLINK_NOFOLLOW) == -1) {
		result = rename_failure(from, to, error);
		goto out;
	}
	to_fd = open_parent(maildir, to, true, &to_name, error);
	if (to_fd == -1)
		goto out;
	if (renameat2(from_fd, from_name, to_fd, to_name, RENAME_NOREPLACE) ==
		-1)
		result = rename_failure(from, to, error);
	else if (directory_sync(to_fd, to, error) &&
		directory_sync(from_fd, from, error))
		result = MAILDIR_DONE;
out:
	(void)close(from_fd);
	if (to_fd != -1)
		(void)close(to_fd);
	return result;
}

/* ---- Renaming onto a directory that is no folder ---- */

/* A folder that is gone leaves its directory for the folders below it. When
   another gets its name, those move below that one first: it is known by its
   directory, which must stay the one it is. */

#define ASIDE_COUNT_MAX 100

/* What is in the directory at `from_fd` goes into the one at `to_fd`, or is
   only looked at: all of it must be folders, of names that are free there. */
typedef enum maildir_result child_deed(
	int from_fd, int to_fd, const char *name, struct error *error);

static enum maildir_result look_at_child(
	int from_fd, int to_fd, const char *name, struct error *error)
{
	struct stat stat;

	(void)error;
	if (strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 ||
		strcmp(name, "tmp") == 0 ||
		fstatat(from_fd, name, &stat, AT_SYMLINK_NOFOLLOW) == -1 ||
		!S_ISDIR(stat.st_mode) ||
		fstatat(to_fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
		return MAILDIR_EXISTS;
	return MAILDIR_DONE;
}

static enum maildir_result move_child(
	int from_fd, int to_fd, const char *name, struct error *error)
{
	if (renameat2(from_fd, name, to_fd, name, RENAME_NOREPLACE) == -1)
		return rename_failure(name, name, error);
	return MAILDIR_DONE;
}

static enum maildir_result for_each_child(
	int from_fd, int to_fd, child_deed *deed, struct error *error)
{
	DIR *stream = directory_stream(from_fd);
	enum maildir_result result = MAILDIR_DONE;
	const struct dirent *entry;

	errno = stream == NULL ? errno : 0;
	while (stream != NULL && result == MAILDIR_DONE &&
		(entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			result = deed(from_fd, to_fd, entry->d_name, error);
		errno = 0;
	}
	if (result == MAILDIR_DONE && errno != 0) {
		error_set_errno(error, "cannot read a directory");
		result = MAILDIR_ERROR;
	}
	if (stream != NULL)
		(void)closedir(stream);
	return result;
}

static enum maildir_result deal_with_children(const struct maildir *maildir,
	const char *from, const char *to, child_deed *deed, struct error *error)
{
	enum maildir_result result = MAILDIR_ERROR;
	int from_fd = maildir_open_place(maildir, from);
	int to_fd = maildir_open_place(maildir, to);

	if (from_fd == -1 || to_fd == -1) {
		error_set_errno(
			error, "cannot open '%s'", from_fd == -1 ? from : to);
		goto out;
	}
	result = for_each_child(from_fd, to_fd, deed, error);
	if (result == MAILDIR_DONE &&
		(!directory_sync(to_fd, to, error) ||
			!directory_sync(from_fd, from, error)))
		result = MAILDIR_ERROR;
out:
	if (from_fd != -1)
		(void)close(from_fd);
	if (to_fd != -1)
		(void)close(to_fd);
	return result;
}

/* All that is in `to` was looked at. */
static enum maildir_result replace(struct maildir *maildir, const char *from,
	const char *to, struct error *error)
{
	enum maildir_result result =
		deal_with_children(maildir, to, from, move_child, error);

	if (result != MAILDIR_DONE)
		return result;
	if (unlinkat(maildir->root_fd, to, AT_REMOVEDIR) == -1)
		return rename_failure(from, to, error);
	return rename_tree(maildir, from, to, error);
}

static enum maildir_result rename_onto(struct maildir *maildir,
	const char *from, const char *to, struct error *error)
{
	enum maildir_result result =
		deal_with_children(maildir, to, from, look_at_child, error);

	return result == MAILDIR_DONE ? replace(maildir, from, to, error)
				      : result;
}

static enum maildir_result step_aside(struct maildir *maildir, const char *from,
	const char *to, char **aside_out, struct error *error)
{
	enum maildir_result result = MAILDIR_EXISTS;
	char *aside = NULL;

	for (unsigned i = 1; i <= ASIDE_COUNT_MAX && result == MAILDIR_EXISTS;
		i++) {
		free(aside);
		aside = alloc_format("%s-renaming-%u", to, i);
		result = rename_tree(maildir, from, aside, error);
	}
	*aside_out = aside;
	return result;
}

/* From below the directory whose name it gets: it leaves it first. */
static enum maildir_result rename_upwards(struct maildir *maildir,
	const char *from, const char *to, struct error *error)
{
	char *aside;
	enum maildir_result result =
		step_aside(maildir, from, to, &aside, error);

	if (result != MAILDIR_DONE)
		goto out;
	result = deal_with_children(maildir, to, aside, look_at_child, error);
	if (result == MAILDIR_DONE)
		result = replace(maildir, aside, to, error);
	else if (rename_tree(maildir, aside, from, error) == MAILDIR_ERROR)
		result = MAILDIR_ERROR;
out:
	free(aside);
	return result;
}

static enum maildir_result rename_in_tree(struct maildir *maildir,
	const char *from, const char *to, struct error *error)
{
	enum maildir_result result = rename_tree(maildir, from, to, error);

	if (result != MAILDIR_EXISTS)
		return result;
	return is_beneath(from, to) ? rename_upwards(maildir, from, to, error)
				    : rename_onto(maildir, from, to, error);
}

/* ---- Renaming in maildir++ ---- */

/* The directories ".A", ".A.B" … that a folder consists of in maildir++, and
   what they will be called. */
struct member {
	const char *from;
	const char *to;
};

struct family {
	struct arena arena;
	struct member *members;
	size_t count;
	size_t capacity;
};

static void add_member(struct family *family, const char *name,
	const char *from, const char *to)
{
	size_t size = strlen(from);
	struct member *member;

	if (strncmp(name, from, size) != 0 ||
		(name[size] != '\0' && name[size] != '.'))
		return;
	member = arena_push(&family->arena, &family->members, &family->count,
		&family->capacity, sizeof(*member));
	member->from = arena_text(&family->arena, name);
	member->to = arena_format(&family->arena, "%s%s", to, name + size);
}

static bool find_family(const struct maildir *maildir, const char *from,
	const char *to, struct family *family, struct error *error)
{
	DIR *stream = directory_stream(maildir->root_fd);
	const struct dirent *entry;

	errno = stream == NULL ? errno : 0;
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		add_member(family, entry->d_name, from, to);
		errno = 0;
		if (family->count <= MAILDIR_FOLDER_COUNT_MAX)
			continue;
		error_set(error, ERROR_LIMIT, "more than %d folders in '%s'",
			MAILDIR_FOLDER_COUNT_MAX, maildir->root);
		break;
	}
	if (errno != 0)
		error_set_errno(error, "cannot read '%s'", maildir->root);
	if (stream == NULL)
		return false;
	/* closedir() keeps its own errno; what counts was looked at. */
	return closedir(stream) == 0 && error->code == ERROR_NONE;
}

/* All new names are possible and free, before anything is renamed. */
static enum maildir_result check_family(const struct maildir *maildir,
	const struct family *family, struct error *error)
{
	struct stat stat;

	for (size_t i = 0; i < family->count; i++) {
		const struct member *member = &family->members[i];

		if (strlen(member->to) > MAILDIR_NAME_SIZE_MAX)
			return refused(error, "the new name is too long",
				member->from, member->to);
		if (fstatat(maildir->root_fd, member->to, &stat,
			    AT_SYMLINK_NOFOLLOW) == 0)
			return MAILDIR_EXISTS;
	}
	return family->count == 0 ? MAILDIR_MISSING : MAILDIR_DONE;
}

static enum maildir_result rename_members(const struct maildir *maildir,
	const struct family *family, struct error *error)
{
	for (size_t i = 0; i < family->count; i++) {
		const struct member *member = &family->members[i];

		if (renameat2(maildir->root_fd, member->from, maildir->root_fd,
			    member->to, RENAME_NOREPLACE) == -1)
			return rename_failure(member->from, member->to, error);
	}
	return directory_sync(maildir->root_fd, maildir->root, error)
		? MAILDIR_DONE
		: MAILDIR_ERROR;
}

static enum maildir_result rename_family(struct maildir *maildir,
	const char *from, const char *to, struct error *error)
{
	struct family family = { .count = 0 };
	enum maildir_result result = MAILDIR_ERROR;

	if (find_family(maildir, from, to, &family, error))
		result = check_family(maildir, &family, error);
	if (result == MAILDIR_DONE)
		result = rename_members(maildir, &family, error);
	arena_finish(&family.arena);
	return result;
}

enum maildir_result maildir_rename_folder(struct maildir *maildir,
	const char *from, const char *to, struct error *error)
{
	struct buf from_place = { .data = NULL };
	struct buf to_place = { .data = NULL };
	enum maildir_result result = MAILDIR_ERROR;
	struct error failure = { .code = ERROR_NONE };

	if (strcmp(from, FOLDER_INBOX) == 0 || strcmp(to, FOLDER_INBOX) == 0)
		return refused(error, "INBOX stays", from, to);
	if (is_beneath(to, from))
		return refused(error, "it cannot go into itself", from, to);
	if (!maildir_place(
		    maildir, from, MAILDIR_FOLDER, &from_place, &failure) ||
		!maildir_place(
			maildir, to, MAILDIR_FOLDER, &to_place, &failure))
		goto out;
	if (maildir->layout == MAILDIR_LAYOUT_PLUSPLUS)
		result = rename_family(maildir, buf_text(&from_place),
			buf_text(&to_place), &failure);
	else
		result = rename_in_tree(maildir, buf_text(&from_place),
			buf_text(&to_place), &failure);
out:
	if (failure.code != ERROR_NONE && error != NULL &&
		(result == MAILDIR_ERROR || result == MAILDIR_REFUSED))
		*error = failure;
	buf_finish(&from_place);
	buf_finish(&to_place);
	return result;
}
