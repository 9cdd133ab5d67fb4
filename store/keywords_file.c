#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/keywords_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/text.h"
#include "store/dotlock.h"
#include "store/maildir_internal.h"

/* Taken in this order, as Dovecot does. */
static const char UIDLIST_LOCK[] = KEYWORDS_UIDLIST_NAME ".lock";
static const char KEYWORDS_LOCK[] = KEYWORDS_FILE_NAME ".lock";
/* One that a crash left behind is written anew. */
static const char NEW_FILE[] = KEYWORDS_FILE_NAME ".new";

/* ---- The text ---- */

/* "INDEX NAME" */
static bool parse_line(const char *line, size_t size, unsigned *letter_out,
	size_t *name_at_out)
{
	const char *blank = memchr(line, ' ', size);
	size_t index_size = blank == NULL ? 0 : (size_t)(blank - line);
	uint32_t index;

	if (index_size == 0 || index_size + 1 == size ||
		!number_parse_u32(line, index_size, &index) ||
		index >= KEYWORD_LETTER_COUNT)
		return false;
	*letter_out = index;
	*name_at_out = index_size + 1;
	return true;
}

static bool is_keyword(const char *name, size_t size)
{
	if (size == 0 || size > KEYWORD_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	}
	return true;
}

void keywords_file_parse(const char *text, size_t size, struct arena *arena,
	struct keywords_file *file_out)
{
	struct keywords_file file = { .taken = 0 };

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t line = end == NULL ? size : (size_t)(end - text);
		unsigned letter;
		size_t name_at;

		if (parse_line(text, line, &letter, &name_at) &&
			(file.taken >> letter & 1) == 0) {
			file.taken |= UINT32_C(1) << letter;
			if (is_keyword(text + name_at, line - name_at))
				file.names[letter] = arena_text_sized(
					arena, text + name_at, line - name_at);
		}
		text += line + (end != NULL);
		size -= line + (end != NULL);
	}
	*file_out = file;
}

bool keywords_file_add_line(const char *text, size_t size, const char *name,
	struct buf *text_out, unsigned *letter_out)
{
	struct arena arena = { .block = NULL };
	struct keywords_file file;
	unsigned letter = 0;

	keywords_file_parse(text, size, &arena, &file);
	arena_finish(&arena);
	while (letter < KEYWORD_LETTER_COUNT && (file.taken >> letter & 1) != 0)
		letter++;
	if (letter == KEYWORD_LETTER_COUNT)
		return false;
	buf_add(text_out, text, size);
	if (size > 0 && text[size - 1] != '\n')
		buf_add_byte(text_out, '\n');
	buf_add_format(text_out, "%u %s\n", letter, name);
	*letter_out = letter;
	return true;
}

/* ---- The file ---- */

static bool read_text(int fd, struct buf *text, struct error *error)
{
	ssize_t size;

	do {
		if (text->size > KEYWORDS_FILE_SIZE_MAX)
			return error_set(error, ERROR_LIMIT,
				"'%s' is larger than %d bytes",
				KEYWORDS_FILE_NAME, KEYWORDS_FILE_SIZE_MAX);
		buf_reserve(text, 4096);
		size = read(fd, text->data + text->size, 4096);
		if (size > 0)
			text->size += (size_t)size;
	} while (size > 0 || (size < 0 && errno == EINTR));
	if (size < 0)
		return error_set_errno(
			error, "cannot read '%s'", KEYWORDS_FILE_NAME);
	return true;
}

/* `stat_out` is all zero when there is no file. */
static bool load(int directory, struct buf *text, struct stat *stat_out,
	struct error *error)
{
	struct stat stat = { .st_size = 0 };
	bool ok;
	int fd = openat(directory, KEYWORDS_FILE_NAME,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT) {
		*stat_out = stat;
		return true;
	}
	if (fd == -1 || fstat(fd, &stat) == -1)
		ok = error_set_errno(
			error, "cannot open '%s'", KEYWORDS_FILE_NAME);
	else if (!S_ISREG(stat.st_mode))
		ok = error_set(error, ERROR_REFUSED, "'%s' is no regular file",
			KEYWORDS_FILE_NAME);
	else
		ok = read_text(fd, text, error);
	if (fd != -1)
		(void)close(fd);
	if (ok)
		*stat_out = stat;
	return ok;
}

bool keywords_file_read(struct maildir *maildir, const char *path,
	struct arena *arena, struct keywords_file *file_out,
	struct error *error)
{
	struct buf text = { .data = NULL };
	struct stat stat;
	bool ok = false;
	int fd = maildir_descriptor(maildir, path, MAILDIR_FOLDER, error);

	if (fd != -1 && load(fd, &text, &stat, error)) {
		keywords_file_parse(
			buf_text(&text), text.size, arena, file_out);
		file_out->is_served_by_dovecot =
			fstatat(fd, KEYWORDS_UIDLIST_NAME, &stat,
				AT_SYMLINK_NOFOLLOW) == 0;
		ok = true;
	} else {
		error_prefix(error, "folder '%s'", path);
	}
	buf_finish(&text);
	return ok;
}

/* ---- Making durable ---- */

static bool sync_file(int directory, struct error *error)
{
	int fd = openat(directory, KEYWORDS_FILE_NAME,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_synced = fd != -1 && fsync(fd) == 0;

	if (!is_synced)
		error_set_errno(error, "cannot sync '%s'", KEYWORDS_FILE_NAME);
	if (fd != -1)
		(void)close(fd);
	return is_synced &&
		directory_sync(directory, KEYWORDS_FILE_NAME, error);
}

bool keywords_file_sync(
	struct maildir *maildir, const char *path, struct error *error)
{
	int fd = maildir_descriptor(maildir, path, MAILDIR_FOLDER, error);

	if (fd != -1 && sync_file(fd, error))
		return true;
	error_prefix(error, "folder '%s'", path);
	return false;
}

/* ---- Adding ---- */

static bool find_letter(
	const struct buf *text, const char *name, unsigned *letter_out)
{
	struct arena arena = { .block = NULL };
	struct keywords_file file;
	bool is_found = false;

	keywords_file_parse(buf_text(text), text->size, &arena, &file);
	for (unsigned i = 0; i < KEYWORD_LETTER_COUNT && !is_found; i++) {
		is_found = file.names[i] != NULL &&
			text_equal_nocase(file.names[i], name);
		if (is_found)
			*letter_out = i;
	}
	arena_finish(&arena);
	return is_found;
}

/* Readers look at the time of the last change in seconds: it must rise. */
static bool write_file(int fd, const struct buf *text, const struct stat *old)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_nsec = UTIME_OMIT } };
	struct stat new;

	if (!write_fully(fd, text->data, text->size) || fstat(fd, &new) == -1)
		return false;
	if (old->st_nlink > 0 && fchmod(fd, old->st_mode & 0666) == -1)
		return false;
	if (new.st_mtime <= old->st_mtime) {
		times[1] = (struct timespec){ .tv_sec = old->st_mtime + 1 };
		if (futimens(fd, times) == -1)
			return false;
	}
	return fsync(fd) == 0;
}

/* Durable under its own name before it takes the place of the old one. */
static bool replace_file(int directory, const struct buf *text,
	const struct stat *old, struct error *error)
{
	bool is_written;
	int fd = openat(directory, NEW_FILE,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return error_set_errno(error, "cannot create '%s'", NEW_FILE);
	is_written = write_file(fd, text, old) &&
		renameat(directory, NEW_FILE, directory, KEYWORDS_FILE_NAME) !=
			-1;
	if (!is_written) {
		error_set_errno(error, "cannot write '%s'", KEYWORDS_FILE_NAME);
		(void)unlinkat(directory, NEW_FILE, 0);
	}
	(void)close(fd);
	return is_written &&
		directory_sync(directory, KEYWORDS_FILE_NAME, error);
}

/* Both locks are held. */
static enum keywords_result add_locked(int directory, const char *name,
	unsigned *letter_out, struct error *error)
{
	struct buf text = { .data = NULL };
	struct buf new_text = { .data = NULL };
	struct stat old;
	unsigned letter;
	enum keywords_result result = KEYWORDS_ERROR;

	if (!load(directory, &text, &old, error))
		goto out;
	if (find_letter(&text, name, letter_out)) {
		if (sync_file(directory, error))
			result = KEYWORDS_ADDED;
		goto out;
	}
	result = KEYWORDS_FULL;
	if (!keywords_file_add_line(
		    buf_text(&text), text.size, name, &new_text, &letter))
		goto out;
	result = KEYWORDS_ERROR;
	if (replace_file(directory, &new_text, &old, error)) {
		*letter_out = letter;
		result = KEYWORDS_ADDED;
	}
out:
	buf_finish(&text);
	buf_finish(&new_text);
	return result;
}

static enum keywords_result add_in(int directory, int tmp, const char *name,
	unsigned patience_ms, unsigned *letter_out, struct error *error)
{
	enum dotlock_result outer, inner;
	enum keywords_result result = KEYWORDS_BUSY;

	outer = dotlock_take(directory, tmp, UIDLIST_LOCK, patience_ms, error);
	if (outer != DOTLOCK_TAKEN)
		return outer == DOTLOCK_BUSY ? KEYWORDS_BUSY : KEYWORDS_ERROR;
	inner = dotlock_take(directory, tmp, KEYWORDS_LOCK, patience_ms, error);
	if (inner == DOTLOCK_TAKEN) {
		result = add_locked(directory, name, letter_out, error);
		dotlock_release(directory, KEYWORDS_LOCK);
	} else if (inner == DOTLOCK_ERROR) {
		result = KEYWORDS_ERROR;
	}
	dotlock_release(directory, UIDLIST_LOCK);
	return result;
}

enum keywords_result keywords_file_add(struct maildir *maildir,
	const char *path, const char *name, unsigned patience_ms,
	unsigned *letter_out, struct error *error)
{
	int tmp, directory;

	if (!is_keyword(name, strlen(name))) {
		error_set(error, ERROR_REFUSED, "'%.100s' is no keyword", name);
		return KEYWORDS_ERROR;
	}
	/* The cache holds more than two: the first is still good. */
	tmp = maildir_descriptor(maildir, path, MAILDIR_TMP, error);
	if (tmp == -1)
		return KEYWORDS_ERROR;
	directory = maildir_descriptor(maildir, path, MAILDIR_FOLDER, error);
	if (directory == -1)
		return KEYWORDS_ERROR;
	return add_in(directory, tmp, name, patience_ms, letter_out, error);
}
