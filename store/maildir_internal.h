/* What the maildir_*.c files share. */
#ifndef STORE_MAILDIR_INTERNAL_H
#define STORE_MAILDIR_INTERNAL_H

#include <sys/stat.h>

#include "store/maildir.h"

#define DESCRIPTOR_CACHE_SIZE 64
#define IO_SIZE               65536

struct cached_descriptor {
	char *place; /* relative to the root; NULL = slot is free */
	int fd;
	dev_t device;
	ino_t inode;
	uint64_t used_at;
};

struct maildir {
	int root_fd;
	char *root;
	enum maildir_layout layout;
	char *host;
	char *retention_path; /* NULL = removed is gone */
	int retention_fd;     /* -1 until needed */
	bool has_retention;   /* made by us, durably */
	struct cached_descriptor cache[DESCRIPTOR_CACHE_SIZE];
	uint64_t clock; /* of the cache */
	uint64_t writer_count;
};

/* Opens a directory below `fd`, following no symbolic link and leaving neither
   upwards. -1 and errno when it fails. */
int directory_open(int fd, const char *path) MUST_CHECK;

/* What tells a directory from another one made later, also when that one got
   the same inode, as after a restore: the inode, and the time of birth where
   the file system keeps one. False and errno when it cannot be told now. */
bool directory_identity(int fd, uint64_t *identity_out) MUST_CHECK;

/* renameat2(RENAME_NOREPLACE) of a file, or link and unlink where the file
   system cannot do that. 0, or -1 and errno. */
int rename_exclusive(
	int from_fd, const char *from, int to_fd, const char *to) MUST_CHECK;

/* write() until all is written. */
bool write_fully(int fd, const void *data, size_t size) MUST_CHECK;

/* Path of a folder's part relative to the root: "A/B/new", "." for the root. */
bool maildir_place(const struct maildir *maildir, const char *path,
	enum maildir_part part, struct buf *place_out,
	struct error *error) MUST_CHECK;

/* Descriptor of a folder's part, owned by the cache, good until the next call.
   -1 with `error` set, system_error is ENOENT when it is not there. */
int maildir_descriptor(struct maildir *maildir, const char *path,
	enum maildir_part part, struct error *error) MUST_CHECK;

/* Same by place, not cached: the caller's. -1 and errno. */
int maildir_open_place(
	const struct maildir *maildir, const char *place) MUST_CHECK;

/* fsync of an open directory; `name` for the message. */
bool directory_sync(int fd, const char *name, struct error *error) MUST_CHECK;

/* fsync of the directory that holds the one at `fd`. */
bool parent_sync(int fd, const char *name, struct error *error) MUST_CHECK;

/* A fresh stream over the directory at `fd`, which stays open. NULL and errno
   when it fails. The type is DIR *. */
void *directory_stream(int fd) MUST_CHECK;

/* MISSING when the failed call met ENOENT, else ERROR. */
enum maildir_result missing_or_error(const struct error *error);

bool maildir_is_missing(const struct error *error);

static inline enum maildir_part maildir_part_of(bool is_new)
{
	return is_new ? MAILDIR_NEW : MAILDIR_CUR;
}

#endif
