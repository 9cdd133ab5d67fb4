/* Removing a folder, which is careful work: everything is looked at first, and
   the directories that hold messages go by rmdir(), which a message that came
   meanwhile stops. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "store/maildir_internal.h"

/* Files mail readers keep beside cur, new and tmp, all of them derived. */
static const char *const INDEX_PREFIXES[] = {
	"dovecot-keywords",
	"dovecot-uidlist",
	"dovecot-uidvalidity",
	"dovecot.index",
	"dovecot.list.index",
	"dovecot.mailbox.log",
	"courierimapkeywords",
	"courierimapuiddb",
	"courierimapacl",
	"maildirfolder",
	"maildirsize",
};

static bool is_index_file(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(INDEX_PREFIXES); i++) {
		if (text_starts_with(name, INDEX_PREFIXES[i]))
			return true;
	}
	return false;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

struct removal {
	struct maildir *maildir;
	const char *path;
	int fd;               /* the folder's directory */
	bool keeps_directory; /* it has sub-folders */
	struct error *error;
};

static enum maildir_result refuse(
	const struct removal *removal, const char *what, const char *name)
{
	error_set(removal->error, ERROR_REFUSED,
		"cannot remove the folder '%s': there is %s '%s'",
		removal->path, what, name);
	return MAILDIR_REFUSED;
}

static enum maildir_result failed(const struct removal *removal)
{
	error_set_errno(
		removal->error, "cannot remove the folder '%s'", removal->path);
	return MAILDIR_ERROR;
}

static bool is_old(int fd, const char *name)
{
	struct stat stat;

	return fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(stat.st_mode) &&
		stat.st_ctime < time(NULL) - MAILDIR_TMP_AGE_SECONDS;
}

/* What a look at each name in a directory of the folder does. */
typedef enum maildir_result removal_look(struct removal *removal, int fd,
	const char *name, const struct dirent *entry);

static enum maildir_result look_at_message(struct removal *removal, int fd,
	const char *name, const struct dirent *entry)
{
	(void)fd;
	(void)entry;
	return refuse(removal, "a message or another file", name);
}

static enum maildir_result look_at_tmp(struct removal *removal, int fd,
	const char *name, const struct dirent *entry)
{
	(void)entry;
	if (!is_old(fd, name))
		return refuse(removal, "a delivery under way,", name);
	return MAILDIR_DONE;
}

static enum maildir_result unlink_tmp(struct removal *removal, int fd,
	const char *name, const struct dirent *entry)
{
	(void)entry;
	if (!is_old(fd, name))
		return refuse(removal, "a delivery under way,", name);
	if (unlinkat(fd, name, 0) == -1 && errno != ENOENT)
		return failed(removal);
	return MAILDIR_DONE;
}

static bool is_directory(int fd, const struct dirent *entry)
{
	struct stat stat;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(stat.st_mode);
}

static enum maildir_result look_beside(struct removal *removal, int fd,
	const char *name, const struct dirent *entry)
{
	if (strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 ||
		strcmp(name, "tmp") == 0 || is_index_file(name))
		return MAILDIR_DONE;
	if (removal->maildir->layout == MAILDIR_LAYOUT_FS &&
		is_directory(fd, entry)) {
		removal->keeps_directory = true;
		return MAILDIR_DONE;
	}
	return refuse(removal, "a file we do not know,", name);
}

static enum maildir_result unlink_index(struct removal *removal, int fd,
	const char *name, const struct dirent *entry)
{
	(void)entry;
	if (is_index_file(name) && unlinkat(fd, name, 0) == -1 &&
		errno != ENOENT)
		return failed(removal);
	return MAILDIR_DONE;
}

static enum maildir_result for_each(
	struct removal *removal, const char *part, removal_look *look)
{
	int fd = directory_open(removal->fd, part);
	DIR *stream = fd == -1 ? NULL : directory_stream(fd);
	enum maildir_result result = MAILDIR_DONE;
	const struct dirent *entry;

	if (stream == NULL && fd == -1 && errno == ENOENT)
		return MAILDIR_DONE;
	if (stream == NULL) {
		result = failed(removal);
		goto out;
	}
	while (result == MAILDIR_DONE) {
		errno = 0;
		entry = readdir(stream);
		if (entry == NULL)
			break;
		if (!is_dots(entry->d_name))
			result = look(removal, fd, entry->d_name, entry);
	}
	if (result == MAILDIR_DONE && errno != 0)
		result = failed(removal);
	(void)closedir(stream);
out:
	if (fd != -1)
		(void)close(fd);
	return result;
}

static enum maildir_result look_at_all(struct removal *removal)
{
	static const struct {
		const char *part;
		removal_look *look;
	} LOOKS[] = {
		{ "new", look_at_message },
		{ "cur", look_at_message },
		{ "tmp", look_at_tmp },
		{ ".", look_beside },
	};
	enum maildir_result result = MAILDIR_DONE;

	for (size_t i = 0; i < ARRAY_LENGTH(LOOKS); i++) {
		result = for_each(removal, LOOKS[i].part, LOOKS[i].look);
		if (result != MAILDIR_DONE)
			return result;
	}
	return result;
}

static bool remove_part(int fd, const char *part)
{
	return unlinkat(fd, part, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static const char *const PARTS[] = { "new", "cur", "tmp" };

/* After a power cut, too: without new it would be no folder any more, and what
   is in it would look removed. */
static bool make_whole(const struct removal *removal, size_t part_count)
{
	for (size_t i = 0; i < part_count; i++)
		(void)mkdirat(removal->fd, PARTS[i], 0700);
	return part_count == 0 ||
		directory_sync(removal->fd, removal->path, removal->error);
}

/* new goes first, then nobody delivers any more. If a message came after we
   looked, the folder is made whole again. */
static enum maildir_result remove_parts(struct removal *removal)
{
	enum maildir_result result;

	for (size_t i = 0; i < ARRAY_LENGTH(PARTS); i++) {
		if (remove_part(removal->fd, PARTS[i]))
			continue;
		if (errno == ENOTEMPTY || errno == EEXIST)
			result = refuse(removal, "a new file in", PARTS[i]);
		else
			result = failed(removal);
		return make_whole(removal, i) ? result : MAILDIR_ERROR;
	}
	return MAILDIR_DONE;
}

/* The folder's directory by name, from the root: it is empty now, unless
   somebody made something in it again, and then it stays. */
static enum maildir_result remove_directory(struct removal *removal)
{
	struct buf place = { .data = NULL };
	enum maildir_result result = MAILDIR_ERROR;

	if (!maildir_place(removal->maildir, removal->path, MAILDIR_FOLDER,
		    &place, removal->error))
		goto out;
	result = MAILDIR_DONE;
	if (unlinkat(removal->maildir->root_fd, buf_text(&place),
		    AT_REMOVEDIR) == -1 &&
		errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		result = failed(removal);
out:
	buf_finish(&place);
	return result;
}

static enum maildir_result remove_looked_at(struct removal *removal)
{
	int parent =
		openat(removal->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum maildir_result result = for_each(removal, "tmp", unlink_tmp);

	if (result == MAILDIR_DONE)
		result = remove_parts(removal);
	if (result == MAILDIR_DONE)
		result = for_each(removal, ".", unlink_index);
	if (result == MAILDIR_DONE && !removal->keeps_directory)
		result = remove_directory(removal);
	if (result == MAILDIR_DONE && removal->keeps_directory &&
		!directory_sync(removal->fd, removal->path, removal->error))
		result = MAILDIR_ERROR;
	if (result == MAILDIR_DONE && parent != -1 &&
		!directory_sync(parent, removal->path, removal->error))
		result = MAILDIR_ERROR;
	if (parent != -1)
		(void)close(parent);
	return result;
}

enum maildir_result maildir_remove_folder(
	struct maildir *maildir, const char *path, struct error *error)
{
	struct error failure = { .code = ERROR_NONE };
	struct removal removal = {
		.maildir = maildir,
		.path = path,
		.error = &failure,
	};
	enum maildir_result result;

	if (strcmp(path, FOLDER_INBOX) == 0) {
		error_set(error, ERROR_REFUSED, "INBOX cannot be removed");
		return MAILDIR_REFUSED;
	}
	removal.fd =
		maildir_descriptor(maildir, path, MAILDIR_FOLDER, &failure);
	if (removal.fd == -1) {
		result = missing_or_error(&failure);
	} else {
		result = look_at_all(&removal);
		if (result == MAILDIR_DONE)
			result = remove_looked_at(&removal);
	}
	if (result != MAILDIR_DONE && result != MAILDIR_MISSING &&
		error != NULL)
		*error = failure;
	return result;
}
