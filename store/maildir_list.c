/* Finding the folders of a tree, and looking at one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"

/* One walk over the tree. */
struct listing {
	const struct maildir *maildir;
	struct arena *arena;
	struct maildir_folder *folders;
	size_t count;
	size_t capacity;
	struct error *error;
};

static bool is_part_name(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 ||
		strcmp(name, "tmp") == 0;
}

/* What a name is. What cannot be looked at is not taken for absent. */
enum child {
	CHILD_NONE, /* went away, or nothing that matters */
	CHILD_DIRECTORY,
	CHILD_LINK, /* a symbolic link to a directory */
	CHILD_ERROR,
};

static bool is_away(int number)
{
	return number == ENOENT || number == ENOTDIR;
}

static enum child look_at(struct listing *listing, int fd, const char *name)
{
	struct stat stat;

	if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(stat.st_mode)    ? CHILD_DIRECTORY
			: S_ISLNK(stat.st_mode) ? CHILD_LINK
						: CHILD_NONE;
	if (is_away(errno))
		return CHILD_NONE;
	error_set_errno(listing->error, "cannot stat '%s'", name);
	return CHILD_ERROR;
}

static bool is_folder(struct listing *listing, int fd, bool *is_folder_out)
{
	enum child cur = look_at(listing, fd, "cur");
	enum child new = CHILD_NONE;

	if (cur == CHILD_DIRECTORY)
		new = look_at(listing, fd, "new");
	if (cur == CHILD_ERROR || new == CHILD_ERROR)
		return false;
	*is_folder_out = new == CHILD_DIRECTORY;
	return true;
}

static struct maildir_folder *listing_push(
	struct listing *listing, const char *directory)
{
	struct maildir_folder *folder;

	if (listing->count >= MAILDIR_FOLDER_COUNT_MAX) {
		error_set(listing->error, ERROR_LIMIT,
			"more than %d folders in '%s'",
			MAILDIR_FOLDER_COUNT_MAX, listing->maildir->root);
		return NULL;
	}
	folder = arena_push(listing->arena, &listing->folders, &listing->count,
		&listing->capacity, sizeof(*folder));
	folder->directory = arena_text(listing->arena, directory);
	return folder;
}

static bool add_problem(
	struct listing *listing, const char *directory, const char *problem)
{
	struct maildir_folder *folder = listing_push(listing, directory);

	if (folder == NULL)
		return false;
	folder->problem = arena_text(listing->arena, problem);
	return true;
}

static bool add_folder(struct listing *listing, const char *directory, int fd)
{
	struct maildir_folder *folder = listing_push(listing, directory);
	struct buf path = { .data = NULL };
	struct error problem;
	struct stat stat;

	if (folder == NULL)
		return false;
	if (fstat(fd, &stat) == -1 || !directory_identity(fd, &folder->inode))
		return error_set_errno(
			listing->error, "cannot stat '%s'", directory);
	folder->device = (uint64_t)stat.st_dev;
	if (folder_path_from_directory(
		    directory, listing->maildir->layout, &path, &problem))
		folder->path = arena_text(listing->arena, buf_text(&path));
	else
		folder->problem = arena_text(listing->arena, problem.message);
	buf_finish(&path);
	return true;
}

static enum child look_at_child(
	struct listing *listing, int fd, const struct dirent *entry)
{
	struct stat stat;
	enum child child;

	if (entry->d_type != DT_DIR && entry->d_type != DT_LNK &&
		entry->d_type != DT_UNKNOWN)
		return CHILD_NONE;
	if (entry->d_type == DT_DIR)
		return CHILD_DIRECTORY;
	child = look_at(listing, fd, entry->d_name);
	if (child != CHILD_LINK)
		return child;
	return fstatat(fd, entry->d_name, &stat, 0) == 0 &&
			S_ISDIR(stat.st_mode)
		? CHILD_LINK
		: CHILD_NONE;
}

static bool is_candidate(const struct listing *listing, const char *name)
{
	if (listing->maildir->layout == MAILDIR_LAYOUT_PLUSPLUS)
		return name[0] == '.' && name[1] != '\0' &&
			strcmp(name, "..") != 0;
	/* What mkfs leaves on a disk of its own is root's alone. */
	return name[0] != '.' && !is_part_name(name) &&
		strcmp(name, "lost+found") != 0;
}

static bool walk(
	struct listing *listing, int fd, const char *directory, unsigned depth);

/* A child that went away meanwhile is no error. */
static bool walk_child(struct listing *listing, int fd, const char *name,
	const char *directory, unsigned depth)
{
	int child = directory_open(fd, name);
	bool has_parts = false;
	bool ok;

	if (child == -1 && is_away(errno))
		return true;
	if (child == -1)
		return error_set_errno(listing->error,
			"cannot open the directory '%s'", directory);
	ok = is_folder(listing, child, &has_parts);
	if (ok && has_parts)
		ok = add_folder(listing, directory, child);
	if (ok && listing->maildir->layout == MAILDIR_LAYOUT_FS)
		ok = walk(listing, child, directory, depth + 1);
	(void)close(child);
	return ok;
}

static bool visit(struct listing *listing, int fd, const char *directory,
	const struct dirent *entry, unsigned depth)
{
	struct buf child = { .data = NULL };
	bool ok = true;

	if (!is_candidate(listing, entry->d_name))
		return true;
	if (*directory != '\0')
		buf_add_format(&child, "%s/", directory);
	buf_add_text(&child, entry->d_name);
	switch (look_at_child(listing, fd, entry)) {
	case CHILD_NONE:
		break;
	case CHILD_ERROR:
		ok = false;
		break;
	case CHILD_LINK:
		ok = add_problem(listing, buf_text(&child),
			"it is a symbolic link, and those are not followed");
		break;
	case CHILD_DIRECTORY:
		ok = walk_child(
			listing, fd, entry->d_name, buf_text(&child), depth);
		break;
	}
	buf_finish(&child);
	return ok;
}

static bool walk(
	struct listing *listing, int fd, const char *directory, unsigned depth)
{
	DIR *stream;
	const struct dirent *entry;
	bool ok = true;

	if (depth > FOLDER_DEPTH_MAX)
		return add_problem(
			listing, directory, "what is in it is too deep");
	stream = directory_stream(fd);
	if (stream == NULL)
		return error_set_errno(
			listing->error, "cannot read '%s'", directory);
	while (ok) {
		errno = 0;
		entry = readdir(stream);
		if (entry == NULL)
			break;
		ok = visit(listing, fd, directory, entry, depth);
	}
	if (ok && errno != 0)
		ok = error_set_errno(
			listing->error, "cannot read '%s'", directory);
	/* Only read from. */
	(void)closedir(stream);
	return ok;
}

static int compare_folders(const void *a, const void *b)
{
	const struct maildir_folder *first = a;
	const struct maildir_folder *second = b;

	if ((first->path == NULL) != (second->path == NULL))
		return first->path == NULL ? 1 : -1;
	if (first->path == NULL)
		return strcmp(first->directory, second->directory);
	return strcmp(first->path, second->path);
}

bool maildir_list_folders(struct maildir *maildir, struct arena *arena,
	struct maildir_folder **folders_out, size_t *count_out,
	struct error *error)
{
	struct listing listing = {
		.maildir = maildir,
		.arena = arena,
		.error = error,
	};
	bool is_inbox = false;

	if (maildir->layout == MAILDIR_LAYOUT_PLUSPLUS &&
		!is_folder(&listing, maildir->root_fd, &is_inbox))
		return false;
	if (is_inbox && !add_folder(&listing, "", maildir->root_fd))
		return false;
	if (!walk(&listing, maildir->root_fd, "", 1))
		return false;
	if (listing.count > 0)
		qsort(listing.folders, listing.count, sizeof(*listing.folders),
			compare_folders);
	*folders_out = listing.folders;
	*count_out = listing.count;
	return true;
}

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* MISSING also when the name is there, but is no directory. */
static enum maildir_result stat_part(
	int fd, const char *name, struct stat *stat_out, struct error *error)
{
	if (fstatat(fd, name, stat_out, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(stat_out->st_mode) ? MAILDIR_DONE
						  : MAILDIR_MISSING;
	error_set_errno(error, "cannot stat '%s'", name);
	return missing_or_error(error);
}

/* What cannot be read is not known to be empty. */
static bool has_mail(int fd, const char *part)
{
	int own = directory_open(fd, part);
	const struct dirent *entry;
	bool is_found = false;
	DIR *stream;

	if (own == -1)
		return !is_away(errno);
	stream = directory_stream(own);
	(void)close(own);
	if (stream == NULL)
		return true;
	while (!is_found && (entry = readdir(stream)) != NULL)
		is_found = entry->d_name[0] != '.';
	(void)closedir(stream);
	return is_found;
}

/* Both are there, or none, or one that is empty: half a folder is none. With
   mail in that half somebody has removed the other one by mistake, or is about
   to remove it, too: it is not gone yet. */
static enum maildir_result stat_parts(int fd, const char *path,
	struct stat *new_out, struct stat *cur_out, struct error *error)
{
	enum maildir_result new = stat_part(fd, "new", new_out, error);
	enum maildir_result cur = new;

	if (new != MAILDIR_ERROR)
		cur = stat_part(fd, "cur", cur_out, error);
	if (cur == MAILDIR_ERROR || new == cur)
		return cur;
	if (!has_mail(fd, new == MAILDIR_DONE ? "new" : "cur"))
		return MAILDIR_MISSING;
	error_set(error, ERROR_REFUSED,
		"the folder '%s' has mail, and no directory '%s'", path,
		new == MAILDIR_DONE ? "cur" : "new");
	return MAILDIR_REFUSED;
}

enum maildir_result maildir_folder_stat(struct maildir *maildir,
	const char *path, struct maildir_folder_stat *stat_out,
	struct error *error)
{
	struct error failure;
	struct stat folder = { .st_ino = 0 };
	struct stat new = { .st_ino = 0 };
	struct stat cur = { .st_ino = 0 };
	enum maildir_result result = MAILDIR_MISSING;
	uint64_t identity = 0;
	int fd = maildir_descriptor(maildir, path, MAILDIR_FOLDER, &failure);

	if (fd == -1)
		result = missing_or_error(&failure);
	else
		result = stat_part(fd, ".", &folder, &failure);
	if (fd != -1 && result == MAILDIR_DONE)
		result = stat_parts(fd, path, &new, &cur, &failure);
	if (fd != -1 && result == MAILDIR_DONE &&
		!directory_identity(fd, &identity)) {
		error_set_errno(&failure, "cannot stat the folder '%s'", path);
		result = MAILDIR_ERROR;
	}
	if ((result == MAILDIR_ERROR || result == MAILDIR_REFUSED) &&
		error != NULL)
		*error = failure;
	if (result != MAILDIR_DONE)
		return result;

	*stat_out = (struct maildir_folder_stat){
		.device = (uint64_t)folder.st_dev,
		.inode = identity,
		.new_inode = (uint64_t) new.st_ino,
		.cur_inode = (uint64_t)cur.st_ino,
		.new_mtime_ns = nanoseconds(&new.st_mtim),
		.cur_mtime_ns = nanoseconds(&cur.st_mtim),
	};
	return MAILDIR_DONE;
}
