/* A message on its way into tmp. Lines end in CRLF on the wire and in LF on
   disk, as long as every line of the message does; the first one that does not
   makes the whole file one that is kept as it came. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/maildir_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_internal.h"

static int create_file(int directory, const char *name)
{
	return openat(directory, name,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* A leftover of an earlier try has this name, too, and is of no use. */
static int create_anew(int directory, const char *name)
{
	int fd = create_file(directory, name);

	if (fd != -1 || errno != EEXIST)
		return fd;
	if (unlinkat(directory, name, 0) == -1)
		return -1;
	return create_file(directory, name);
}

static bool open_tmp(struct maildir *maildir, const char *path,
	struct maildir_writer *writer, struct error *error)
{
	struct stat stat;
	int cached = maildir_descriptor(maildir, path, MAILDIR_TMP, error);

	if (cached == -1)
		return false;
	writer->directory_fd = fcntl(cached, F_DUPFD_CLOEXEC, 0);
	if (writer->directory_fd == -1 ||
		fstat(writer->directory_fd, &stat) == -1)
		return error_set_errno(error, "cannot open tmp of '%s'", path);
	writer->directory_device = stat.st_dev;
	writer->directory_inode = stat.st_ino;
	return true;
}

static bool is_unique(const char *unique)
{
	return maildir_name_is_valid(unique) && strchr(unique, ':') == NULL;
}

struct maildir_writer *maildir_writer_open(struct maildir *maildir,
	const char *path, const char *unique, struct error *error)
{
	struct maildir_writer *writer;

	if (!is_unique(unique)) {
		error_set(error, ERROR_REFUSED,
			"'%.200s' cannot be a message's name", unique);
		return NULL;
	}
	writer = alloc(1, sizeof(*writer));
	writer->maildir = maildir;
	writer->directory_fd = -1;
	writer->fd = -1;
	writer->unique = alloc_text(unique);
	writer->serial = ++maildir->writer_count;
	if (!open_tmp(maildir, path, writer, error))
		goto failed;
	writer->fd = create_anew(writer->directory_fd, unique);
	if (writer->fd == -1) {
		error_set_errno(
			error, "cannot create 'tmp/%s' in '%s'", unique, path);
		goto failed;
	}
	buf_reserve(&writer->pending, IO_SIZE);
	return writer;

failed:
	maildir_writer_free(writer);
	return NULL;
}

void maildir_writer_free(struct maildir_writer *writer)
{
	if (writer == NULL)
		return;
	/* Whoever needed the data on disk has called fsync(). */
	if (writer->fd != -1)
		(void)close(writer->fd);
	if (writer->directory_fd != -1)
		(void)close(writer->directory_fd);
	buf_finish(&writer->pending);
	free(writer->unique);
	free(writer);
}

void maildir_writer_cancel(struct maildir_writer *writer)
{
	if (writer == NULL)
		return;
	/* What stays behind goes with the next try, or by age. */
	(void)unlinkat(writer->directory_fd, writer->unique, 0);
	maildir_writer_free(writer);
}

static bool fail(struct maildir_writer *writer, struct error *error)
{
	writer->has_failed = true;
	return error_set_errno(error, "cannot write 'tmp/%s'", writer->unique);
}

static bool flush(struct maildir_writer *writer, struct error *error)
{
	if (!write_fully(
		    writer->fd, writer->pending.data, writer->pending.size))
		return fail(writer, error);
	buf_clear(&writer->pending);
	return true;
}

/* Through the buffer, which never grows beyond IO_SIZE. */
static bool put(struct maildir_writer *writer, const char *data, size_t size,
	struct error *error)
{
	writer->size += size;
	while (size > 0) {
		size_t room = IO_SIZE - writer->pending.size;
		size_t part = size < room ? size : room;

		buf_add(&writer->pending, data, part);
		data += part;
		size -= part;
		if (writer->pending.size == IO_SIZE && !flush(writer, error))
			return false;
	}
	return true;
}

/* ---- Back to CRLF ---- */

static bool put_as_crlf(struct maildir_writer *writer, const char *data,
	size_t size, struct error *error)
{
	while (size > 0) {
		const char *lf = memchr(data, '\n', size);
		size_t line = lf == NULL ? size : (size_t)(lf - data);

		if (!put(writer, data, line, error))
			return false;
		if (lf == NULL)
			return true;
		if (!put(writer, "\r\n", 2, error))
			return false;
		data += line + 1;
		size -= line + 1;
	}
	return true;
}

static bool copy_as_crlf(
	int from_fd, struct maildir_writer *writer, struct error *error)
{
	char *data = alloc(1, IO_SIZE);
	off_t offset = 0;
	bool ok = true;

	while (ok) {
		ssize_t size = pread(from_fd, data, IO_SIZE, offset);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			ok = fail(writer, error);
		if (size <= 0)
			break;
		ok = put_as_crlf(writer, data, (size_t)size, error);
		offset += size;
	}
	free(data);
	return ok;
}

/* Writes what is there once more, into a new file of the same name. */
static bool become_verbatim(struct maildir_writer *writer, struct error *error)
{
	int lf_fd = writer->fd;
	bool ok;

	writer->is_verbatim = true;
	if (!flush(writer, error))
		return false;
	if (unlinkat(writer->directory_fd, writer->unique, 0) == -1)
		return fail(writer, error);
	writer->fd = create_file(writer->directory_fd, writer->unique);
	if (writer->fd == -1) {
		writer->fd = lf_fd;
		return fail(writer, error);
	}
	writer->serial = ++writer->maildir->writer_count;
	writer->size = 0;
	ok = copy_as_crlf(lf_fd, writer, error);
	/* Unlinked: nothing in it is wanted any more. */
	(void)close(lf_fd);
	return ok;
}

/* ---- From CRLF ---- */

/* Stores lines as long as they end in CRLF; `*used` tells how far it came.
   `data` starts behind a pending CR, if there is one. */
static bool put_lines(struct maildir_writer *writer, const char *data,
	size_t size, size_t *used, struct error *error)
{
	size_t at = 0;

	while (at < size) {
		const char *cr = memchr(data + at, '\r', size - at);
		size_t end = cr == NULL ? size : (size_t)(cr - data);

		if (memchr(data + at, '\n', end - at) != NULL)
			break;
		if (!put(writer, data + at, end - at, error))
			return false;
		at = end;
		if (cr == NULL)
			break;
		if (end + 1 < size && data[end + 1] != '\n')
			break;
		if (end + 1 == size) {
			writer->has_pending_cr = true;
			at = size;
			break;
		}
		if (!put(writer, "\n", 1, error))
			return false;
		at = end + 2;
	}
	*used = at;
	return true;
}

/* A CR was the last byte of the piece before this one. */
static bool settle_pending_cr(
	struct maildir_writer *writer, bool is_crlf, struct error *error)
{
	writer->has_pending_cr = false;
	if (is_crlf)
		return put(writer, "\n", 1, error);
	return become_verbatim(writer, error) && put(writer, "\r", 1, error);
}

bool maildir_writer_write(struct maildir_writer *writer, const void *data,
	size_t size, struct error *error)
{
	const char *text = data;
	size_t used = 0;

	if (writer->has_failed)
		return error_set(error, ERROR_SYSTEM,
			"'tmp/%s' could not be written", writer->unique);
	if (size > 0 && writer->has_pending_cr) {
		bool is_crlf = *text == '\n';

		if (!settle_pending_cr(writer, is_crlf, error))
			return false;
		text += is_crlf;
		size -= is_crlf;
	}
	if (!writer->is_verbatim) {
		if (!put_lines(writer, text, size, &used, error))
			return false;
		if (used < size && !become_verbatim(writer, error))
			return false;
	}
	return put(writer, text + used, size - used, error);
}

bool maildir_writer_finish(
	struct maildir_writer *writer, int64_t mtime, struct error *error)
{
	struct timespec times[2] = {
		{ .tv_sec = (time_t)mtime },
		{ .tv_sec = (time_t)mtime },
	};
	struct stat stat;

	if (writer->has_failed)
		return error_set(error, ERROR_SYSTEM,
			"'tmp/%s' could not be written", writer->unique);
	if (writer->has_pending_cr && !settle_pending_cr(writer, false, error))
		return false;
	if (!flush(writer, error))
		return false;
	if (futimens(writer->fd, times) == -1 || fstat(writer->fd, &stat) == -1)
		return fail(writer, error);
	buf_finish(&writer->pending);
	buf_init(&writer->pending);
	writer->device = stat.st_dev;
	writer->inode = stat.st_ino;
	writer->maildir = NULL;
	writer->is_finished = true;
	return true;
}

uint64_t maildir_writer_size(const struct maildir_writer *writer)
{
	return writer->size;
}

bool maildir_writer_is_verbatim(const struct maildir_writer *writer)
{
	return writer->is_verbatim;
}
