#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"

static int openat_once(int fd, const char *name)
{
	return openat(
		fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* One level at a time: for kernels, and sandboxes, without openat2(). */
static int open_by_level(int fd, const char *path)
{
	int current = openat_once(fd, ".");

	while (current >= 0 && *path != '\0') {
		size_t size = strcspn(path, "/");
		char name[NAME_MAX + 1];
		int next;

		if (size > NAME_MAX ||
			(size == 2 && path[0] == '.' && path[1] == '.')) {
			(void)close(current);
			errno = size > NAME_MAX ? ENAMETOOLONG : EXDEV;
			return -1;
		}
		memcpy(name, path, size);
		name[size] = '\0';
		path += size + (path[size] == '/');
		next = openat_once(current, name);
		/* Nothing is lost when closing what was only read. */
		(void)close(current);
		current = next;
	}
	return current;
}

int directory_open(int fd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long opened = syscall(SYS_openat2, fd, path, &how, sizeof(how));

	if (opened >= 0)
		return (int)opened;
	/* EAGAIN: something was renamed while the kernel looked. */
	if (errno == ENOSYS || errno == EPERM || errno == EAGAIN)
		return open_by_level(fd, path);
	return -1;
}

int rename_exclusive(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(from_fd, from, to_fd, to, 0) == -1)
		return -1;
	return unlinkat(from_fd, from, 0);
}

bool write_fully(int fd, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	while (size > 0) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes += written;
		size -= (size_t)written;
	}
	return true;
}

void *directory_stream(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream;

	if (own == -1)
		return NULL;
	stream = fdopendir(own);
	if (stream == NULL)
		(void)close(own);
	return stream;
}

bool directory_sync(int fd, const char *name, struct error *error)
{
	if (fsync(fd) == -1)
		return error_set_errno(
			error, "cannot sync the directory '%s'", name);
	return true;
}

bool parent_sync(int fd, const char *name, struct error *error)
{
	int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok;

	if (parent == -1)
		return error_set_errno(
			error, "cannot open the parent of '%s'", name);
	ok = directory_sync(parent, name, error);
	(void)close(parent);
	return ok;
}

bool maildir_is_missing(const struct error *error)
{
	return error->code == ERROR_SYSTEM && error->system_error == ENOENT;
}

enum maildir_result missing_or_error(const struct error *error)
{
	return maildir_is_missing(error) ? MAILDIR_MISSING : MAILDIR_ERROR;
}

/* ---- Opening ---- */

static bool check_root(int fd, const char *root, struct error *error)
{
	struct stat stat;

	if (fstat(fd, &stat) == -1)
		return error_set_errno(error, "cannot stat '%s'", root);
	if (stat.st_uid != geteuid())
		return error_set(error, ERROR_CONFIG,
			"the Maildir '%s' belongs to another user", root);
	if ((stat.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return error_set(error, ERROR_CONFIG,
			"others may write to the Maildir '%s': chmod go-w it",
			root);
	return true;
}

/* -1: `error` is set. */
static int open_root(const char *root, struct error *error)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1) {
		error_set_errno(error, "cannot open the Maildir '%s'", root);
	} else if (!check_root(fd, root, error)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static char *host_name(const char *host)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (host != NULL)
		return alloc_text(host);
	if (gethostname(name, sizeof(name) - 1) == -1 || *name == '\0')
		return alloc_text("localhost");
	return alloc_text(name);
}

static char *copy_or_null(const char *text)
{
	return text == NULL ? NULL : alloc_text(text);
}

struct maildir *maildir_open(
	const struct maildir_options *options, struct error *error)
{
	struct maildir *maildir = alloc(1, sizeof(*maildir));

	maildir->root_fd = -1;
	maildir->retention_fd = -1;
	maildir->layout = options->layout;
	maildir->host = host_name(options->host);
	maildir->retention_path = copy_or_null(options->retention_path);
	maildir->root = realpath(options->root, NULL);
	if (maildir->root == NULL)
		error_set_errno(
			error, "cannot open the Maildir '%s'", options->root);
	else
		maildir->root_fd = open_root(maildir->root, error);
	if (maildir->root_fd != -1)
		return maildir;
	maildir_close(maildir);
	return NULL;
}

void maildir_close(struct maildir *maildir)
{
	if (maildir == NULL)
		return;
	maildir_forget_descriptors(maildir);
	/* Directories only: closing cannot lose anything. */
	if (maildir->root_fd != -1)
		(void)close(maildir->root_fd);
	free(maildir->root);
	free(maildir->host);
	free(maildir->retention_path);
	free(maildir);
}

bool maildir_create_root(
	const struct maildir_options *options, struct error *error)
{
	struct maildir *maildir;
	enum maildir_result result;

	if (mkdir(options->root, 0700) == -1 && errno != EEXIST)
		return error_set_errno(
			error, "cannot create '%s'", options->root);
	maildir = maildir_open(options, error);
	if (maildir == NULL)
		return false;
	result = maildir_create_folder(maildir, FOLDER_INBOX, error);
	if ((result == MAILDIR_DONE || result == MAILDIR_EXISTS) &&
		!parent_sync(maildir->root_fd, maildir->root, error))
		result = MAILDIR_ERROR;
	maildir_close(maildir);
	return result == MAILDIR_DONE || result == MAILDIR_EXISTS;
}

const char *maildir_host(const struct maildir *maildir)
{
	return maildir->host;
}

const char *maildir_root(const struct maildir *maildir)
{
	return maildir->root;
}

/* ---- Places and their descriptors ---- */

static const char *part_name(enum maildir_part part)
{
	switch (part) {
	case MAILDIR_FOLDER:
		return "";
	case MAILDIR_NEW:
		return "new";
	case MAILDIR_CUR:
		return "cur";
	case MAILDIR_TMP:
		return "tmp";
	}
	return "";
}

bool maildir_place(const struct maildir *maildir, const char *path,
	enum maildir_part part, struct buf *place_out, struct error *error)
{
	const char *name = part_name(part);

	buf_clear(place_out);
	if (!folder_path_to_directory(path, maildir->layout, place_out, error))
		return false;
	if (place_out->size > 0 && *name != '\0')
		buf_add_byte(place_out, '/');
	buf_add_text(place_out, name);
	if (place_out->size == 0)
		buf_add_byte(place_out, '.');
	return true;
}

bool maildir_absolute_path(const struct maildir *maildir, const char *path,
	enum maildir_part part, struct buf *path_out, struct error *error)
{
	struct buf place = { .data = NULL };
	bool ok = maildir_place(maildir, path, part, &place, error);

	if (ok) {
		buf_add_text(path_out, maildir->root);
		if (strcmp(buf_text(&place), ".") != 0)
			buf_add_format(path_out, "/%s", buf_text(&place));
	}
	buf_finish(&place);
	return ok;
}

int maildir_open_place(const struct maildir *maildir, const char *place)
{
	return directory_open(maildir->root_fd, place);
}

static void slot_clear(struct cached_descriptor *slot)
{
	if (slot->place == NULL)
		return;
	(void)close(slot->fd);
	free(slot->place);
	slot->place = NULL;
}

void maildir_forget_descriptors(struct maildir *maildir)
{
	for (size_t i = 0; i < DESCRIPTOR_CACHE_SIZE; i++)
		slot_clear(&maildir->cache[i]);
	if (maildir->retention_fd != -1)
		(void)close(maildir->retention_fd);
	maildir->retention_fd = -1;
}

static bool is_same_directory(int a, int b)
{
	struct stat first, second;

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
		first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool maildir_follow_root(struct maildir *maildir, struct error *error)
{
	int fd = open_root(maildir->root, error);

	if (fd == -1)
		return false;
	if (is_same_directory(fd, maildir->root_fd)) {
		(void)close(fd);
		return true;
	}
	maildir_forget_descriptors(maildir);
	(void)close(maildir->root_fd);
	maildir->root_fd = fd;
	return true;
}

/* Mail readers rename folders: a cached descriptor counts only while its name
   still leads to the same directory. */
static bool slot_is_current(
	const struct maildir *maildir, const struct cached_descriptor *slot)
{
	struct stat stat;

	return fstatat(maildir->root_fd, slot->place, &stat,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
		stat.st_dev == slot->device && stat.st_ino == slot->inode;
}

/* The slot of this place, else a free one, else the one longest not used. */
static struct cached_descriptor *find_slot(
	struct maildir *maildir, const char *place)
{
	struct cached_descriptor *best = &maildir->cache[0];

	for (size_t i = 0; i < DESCRIPTOR_CACHE_SIZE; i++) {
		struct cached_descriptor *slot = &maildir->cache[i];

		if (slot->place != NULL && strcmp(slot->place, place) == 0)
			return slot;
		if (best->place != NULL &&
			(slot->place == NULL || slot->used_at < best->used_at))
			best = slot;
	}
	return best;
}

static int fill_slot(const struct maildir *maildir,
	struct cached_descriptor *slot, const char *place, struct error *error)
{
	struct stat stat;
	int fd = maildir_open_place(maildir, place);

	if (fd == -1 || fstat(fd, &stat) == -1) {
		error_set_errno(error, "cannot open the directory '%s'", place);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	slot_clear(slot);
	slot->place = alloc_text(place);
	slot->fd = fd;
	slot->device = stat.st_dev;
	slot->inode = stat.st_ino;
	return fd;
}

int maildir_descriptor(struct maildir *maildir, const char *path,
	enum maildir_part part, struct error *error)
{
	struct buf place = { .data = NULL };
	struct cached_descriptor *slot;
	int fd = -1;

	if (!maildir_place(maildir, path, part, &place, error))
		goto out;
	slot = find_slot(maildir, buf_text(&place));
	slot->used_at = ++maildir->clock;
	if (slot->place != NULL && strcmp(slot->place, buf_text(&place)) == 0 &&
		slot_is_current(maildir, slot))
		fd = slot->fd;
	else
		fd = fill_slot(maildir, slot, buf_text(&place), error);
out:
	buf_finish(&place);
	return fd;
}

bool maildir_sync_disk(
	struct maildir *maildir, const char *path, struct error *error)
{
	int fd = maildir_descriptor(maildir, path, MAILDIR_CUR, error);

	if (fd == -1)
		return false;
	return syncfs(fd) == 0 ||
		error_set_errno(error, "cannot sync the disk of '%s'", path);
}

bool maildir_sync_folder(struct maildir *maildir, const char *path,
	enum maildir_part part, struct error *error)
{
	int fd = maildir_descriptor(maildir, path, part, error);

	return fd != -1 && directory_sync(fd, path, error);
}
