/* The files of one Maildir: folders, messages, delivery, removal. Folders are
   named by canonical path (store/folder_path.h). Everything happens relative to
   directory descriptors and follows no symbolic link below the root. Nothing is
   decided here, and nothing is known about servers.

   One thread, but for maildir_batch_commit(). */
#ifndef STORE_MAILDIR_H
#define STORE_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "store/folder_path.h"
#include "store/maildir_name.h"

#define MAILDIR_FOLDER_COUNT_MAX 100000
#define MAILDIR_ENTRY_COUNT_MAX  20000000 /* messages of one folder */
#define MAILDIR_TMP_AGE_SECONDS  129600   /* 36 h, as everybody does */
#define MAILDIR_ACCOUNT_SIZE_MAX 128

/* The one ioctl() made here: FS_IOC_GETFSUUID of Linux 6.9, which older headers
   lack. */
#define MAILDIR_UUID_COMMAND 0x80111500U

struct maildir;

struct maildir_options {
	const char *root; /* absolute; exists, but for maildir_create_root() */
	enum maildir_layout layout;
	/* Directory for removed messages, made when needed; NULL = removal is
	   unlink(). */
	const char *retention_path;
	const char *host; /* for file names; NULL = gethostname() */
};

/* Makes the root (one level, 0700) and INBOX in it. */
bool maildir_create_root(
	const struct maildir_options *options, struct error *error) MUST_CHECK;

/* Fails when the root is no directory, belongs to another user, or is group or
   world writable. */
struct maildir *maildir_open(
	const struct maildir_options *options, struct error *error) MUST_CHECK;
void maildir_close(struct maildir *maildir);

/* For maildir_unique_format(). Borrowed. */
const char *maildir_host(const struct maildir *maildir);
/* Symbolic links resolved. Borrowed. */
const char *maildir_root(const struct maildir *maildir);

/* Forgets cached descriptors: after folders were renamed or replaced by
   others. */
void maildir_forget_descriptors(struct maildir *maildir);

/* Another directory may have the root's name by now: its disk was mounted, or
   is no longer, or the Maildir was replaced. From then on that one is meant;
   fails as maildir_open() does, and goes on with the one before. */
bool maildir_follow_root(
	struct maildir *maildir, struct error *error) MUST_CHECK;

enum maildir_part {
	MAILDIR_FOLDER, /* the directory of the folder itself */
	MAILDIR_NEW,
	MAILDIR_CUR,
	MAILDIR_TMP,
};

/* Absolute path, for the watch and for messages. */
bool maildir_absolute_path(const struct maildir *maildir, const char *path,
	enum maildir_part part, struct buf *path_out,
	struct error *error) MUST_CHECK;

/* ---- Identity: is this the tree we knew? ---- */

struct maildir_identity {
	uint64_t device;
	uint64_t inode;      /* and time of birth: of no directory made later */
	uint64_t fsid;       /* of the file system; 0 = not known */
	bool has_generation; /* the extended attribute user.mailtwin is there */
	bool supports_generation; /* the file system keeps such attributes */
	char account[MAILDIR_ACCOUNT_SIZE_MAX + 1];
	uint64_t generation;
};

/* `path` NULL = the root. Never from the descriptor cache: looks the name up
   again, but for that of the root (maildir_follow_root()). A missing directory
   is ERROR_SYSTEM with system_error ENOENT. */
bool maildir_identity(struct maildir *maildir, const char *path,
	struct maildir_identity *identity_out, struct error *error) MUST_CHECK;

/* May a folder that is not there be on a disk that is not mounted? Yes when its
   directory is there and empty, as a mount point is, or when what is there of
   its path is not on `device`, where it was last seen. */
bool maildir_may_be_unmounted(
	struct maildir *maildir, const char *path, uint64_t device) MUST_CHECK;

/* True also where attributes are not supported or may not be written: who needs
   to know reads it back. Durable on return. `account`:
   no blank, at most MAILDIR_ACCOUNT_SIZE_MAX. */
bool maildir_set_generation(struct maildir *maildir, const char *path,
	const char *account, uint64_t generation,
	struct error *error) MUST_CHECK;

/* ---- Folders ---- */

struct maildir_folder {
	const char *path;      /* canonical; NULL when `problem` is set */
	const char *directory; /* relative to the root */
	const char *problem;   /* why it cannot be a mailbox, or NULL */
	uint64_t device;
	uint64_t inode; /* and time of birth, as in struct maildir_identity */
};

/* All folders: directories that have cur and new, sorted by path, problems
   last. INBOX is listed when it exists. Arrays and text live in `arena`. False
   when anything could not be read: then nothing may be concluded. */
bool maildir_list_folders(struct maildir *maildir, struct arena *arena,
	struct maildir_folder **folders_out, size_t *count_out,
	struct error *error) MUST_CHECK;

struct maildir_folder_stat {
	uint64_t device; /* of the folder's directory */
	uint64_t inode;
	uint64_t new_inode;
	uint64_t cur_inode;
	int64_t new_mtime_ns; /* since 1970 */
	int64_t cur_mtime_ns;
};

enum maildir_result {
	MAILDIR_DONE,
	MAILDIR_MISSING, /* the source (or folder) is not there */
	MAILDIR_EXISTS,  /* the destination is there already */
	MAILDIR_REFUSED, /* would lose something: `error` says what */
	MAILDIR_ERROR,   /* `error` is set */
};
/* `error` is set for REFUSED and ERROR only. */

/* REFUSED: cur or new is not there, and the other one has mail in it. */
enum maildir_result maildir_folder_stat(struct maildir *maildir,
	const char *path, struct maildir_folder_stat *stat_out,
	struct error *error) MUST_CHECK;

/* tmp, new, cur in this order, so that a half-made folder is none; it is
   completed when found. Parents become plain directories (fs). EXISTS when it
   was complete. Durable on return. */
enum maildir_result maildir_create_folder(struct maildir *maildir,
	const char *path, struct error *error) MUST_CHECK;

/* With all sub-folders. INBOX is REFUSED. Durable on return. A directory that
   is only there for the folders below it does not stand in the way: they move
   along (fs); a crash in between leaves the folder as "NEW-renaming-N". In the
   layout maildir++ several renames: after a crash in between do it again,
   MISSING then means that nothing is left to do. */
enum maildir_result maildir_rename_folder(struct maildir *maildir,
	const char *from, const char *to, struct error *error) MUST_CHECK;

/* Takes away index files of mail readers and the directories; in the layout fs
   a folder with sub-folders keeps its directory and loses cur, new, tmp.
   REFUSED, with nothing changed, while there is a message in new or cur, a
   young file in tmp or a file we do not know, and for INBOX. Durable. */
enum maildir_result maildir_remove_folder(struct maildir *maildir,
	const char *path, struct error *error) MUST_CHECK;

/* ---- Messages ---- */

enum maildir_type {
	MAILDIR_TYPE_UNKNOWN, /* the file system does not tell: stat it */
	MAILDIR_TYPE_REGULAR,
	MAILDIR_TYPE_OTHER, /* no message */
};

struct maildir_entry {
	const char *name;
	bool is_new;
	bool is_elsewhere; /* scan_folder() only: in the folder, but renamed so
			      often that this name may be an older one */
	enum maildir_type type;
	uint64_t inode; /* as listed; on overlay file systems a hint */
};

/* One pass over new, then cur. Dot files are left out, no file is touched. The
   pass proves no absence: see store/scan.h. Arrays and names live in
   `arena`. */
bool maildir_scan(struct maildir *maildir, const char *path,
	struct arena *arena, struct maildir_entry **entries_out,
	size_t *count_out, struct error *error) MUST_CHECK;

/* Where a message is. All borrowed. */
struct maildir_place {
	const char *path;
	bool is_new;
	const char *name;
};

struct maildir_file {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	int64_t mtime; /* seconds */
	bool is_regular;
};

/* DONE, MISSING, ERROR. */
enum maildir_result maildir_stat(struct maildir *maildir,
	const struct maildir_place *place, struct maildir_file *file_out,
	struct error *error) MUST_CHECK;

/* Opens a regular file (else REFUSED) for reading, close-on-exec. The
   descriptor is the caller's. DONE, MISSING, REFUSED, ERROR. */
enum maildir_result maildir_open_message(struct maildir *maildir,
	const struct maildir_place *place, int *fd_out,
	struct maildir_file *file_out, struct error *error) MUST_CHECK;

/* Renames, never over another file; of a file with both names the new one
   stays. Not durable: maildir_sync_folder() for
   both ends. DONE, MISSING, EXISTS, ERROR; ERROR_REFUSED with ERROR when `to`
   is on another file system (system_error EXDEV). */
enum maildir_result maildir_rename(struct maildir *maildir,
	const struct maildir_place *from, const struct maildir_place *to,
	struct error *error) MUST_CHECK;

/* fsync of a message's file, which somebody else may have delivered without;
   its name needs maildir_sync_folder(). DONE, MISSING, REFUSED: it cannot be
   opened, so nothing was tried; ERROR: after which reading it gives what is on
   the disk, whatever was written. */
enum maildir_result maildir_sync_message(struct maildir *maildir,
	const struct maildir_place *place, struct error *error) MUST_CHECK;

/* fsync of one directory. */
bool maildir_sync_folder(struct maildir *maildir, const char *path,
	enum maildir_part part, struct error *error) MUST_CHECK;

/* syncfs() of the folder's file system: all files and names on it. */
bool maildir_sync_disk(struct maildir *maildir, const char *path,
	struct error *error) MUST_CHECK;

/* Takes files out of tmp that are older than 36 h and have names like ours.
   Failures are left for the next time. Returns how many. */
size_t maildir_clean_tmp(
	struct maildir *maildir, const char *path, int64_t now);

/* ---- Removal and retention ---- */

/* Makes the directory, durably, while it may still be made. True also when
   nothing is retained. */
bool maildir_prepare_retention(
	struct maildir *maildir, struct error *error) MUST_CHECK;

/* NULL = removed is gone. Borrowed. */
const char *maildir_retention_path(const struct maildir *maildir);

/* Moves the file below the retention directory, to DAY/FOLDER/cur/NAME by the
   day of `now` (UTC); the unique part gets a number when the name is taken.
   Durable on both sides, in this order. DONE, MISSING (also when another file
   than `known` has the name: it stays), ERROR. */
enum maildir_result maildir_remove(struct maildir *maildir,
	const struct maildir_place *place, const struct maildir_file *known,
	int64_t now, struct error *error) MUST_CHECK;

struct maildir_retained {
	const char *day;  /* "2024-02-29" */
	const char *path; /* canonical path of the folder it was in */
	const char *name;
	uint64_t size;
};

/* Oldest day first. */
bool maildir_retention_list(struct maildir *maildir, struct arena *arena,
	struct maildir_retained **files_out, size_t *count_out,
	struct error *error) MUST_CHECK;

/* Opens it for reading, close-on-exec; the descriptor is the caller's. -1 with
   `error` set. */
int maildir_retention_open_message(struct maildir *maildir,
	const struct maildir_retained *file, struct error *error) MUST_CHECK;

/* Back into its folder: new/ when the name has no info, else cur/. A number is
   added to the unique part when the name is taken. Durable; the name it got is
   appended to `name_out`. DONE, MISSING (file or folder), ERROR. */
enum maildir_result maildir_retention_restore(struct maildir *maildir,
	const struct maildir_retained *file, struct buf *name_out,
	struct error *error) MUST_CHECK;

/* Unlinks what was removed more than `days` days before `now`. */
bool maildir_retention_purge(struct maildir *maildir, unsigned days,
	int64_t now, struct error *error) MUST_CHECK;

/* ---- Delivery: write into tmp, then commit in batches ---- */

struct maildir_writer;

/* Creates tmp/UNIQUE, 0600; a leftover of that name is replaced. `unique` has
   no ':' and no '/'. */
struct maildir_writer *maildir_writer_open(struct maildir *maildir,
	const char *path, const char *unique, struct error *error) MUST_CHECK;

/* Server bytes, in pieces of any size. CRLF is stored as LF unless the message
   has a bare CR or LF: then all of it is stored as it came. After a failure
   only cancelling is left. */
bool maildir_writer_write(struct maildir_writer *writer, const void *data,
	size_t size, struct error *error) MUST_CHECK;

/* Writes out what is buffered and sets the file's times; not durable yet.
   `mtime` in seconds since 1970. Then the writer belongs into a batch. */
bool maildir_writer_finish(struct maildir_writer *writer, int64_t mtime,
	struct error *error) MUST_CHECK;

/* Bytes in the file, and whether it was kept as it came. */
uint64_t maildir_writer_size(const struct maildir_writer *writer);
bool maildir_writer_is_verbatim(const struct maildir_writer *writer);

/* Unlinks and frees. NULL is fine. */
void maildir_writer_cancel(struct maildir_writer *writer);

enum maildir_delivery {
	MAILDIR_PENDING, /* not committed yet */
	MAILDIR_DELIVERED,
	MAILDIR_OCCUPIED, /* a file of that name is there; ours is dropped */
	MAILDIR_FAILED,   /* dropped; deliver again from the start */
};

struct maildir_delivered {
	enum maildir_delivery result;
	int system_error; /* of FAILED */
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	void *user; /* given to maildir_batch_add() */
};

struct maildir_batch;

/* More than `syncfs_from` files are made durable by one syncfs(), fewer by one
   fsync() each; 0 = the default, 16. */
struct maildir_batch *maildir_batch_new(size_t syncfs_from);

/* Cancels what was not committed. NULL is fine. */
void maildir_batch_free(struct maildir_batch *batch);

/* Takes a finished writer over, whatever the result. `name` is copied; the
   folder is the writer's. */
bool maildir_batch_add(struct maildir_batch *batch,
	struct maildir_writer *writer, bool is_new, const char *name,
	void *user, struct error *error) MUST_CHECK;

size_t maildir_batch_count(const struct maildir_batch *batch);
uint64_t maildir_batch_bytes(const struct maildir_batch *batch);

/* Data durable, then names, then directories durable. Blocks; touches nothing
   but the batch, so a pool thread may run it while the maildir is in use (the
   batch holds descriptors of its own). Once per batch. An fsync that failed is
   never tried again: its file is dropped, for the page cache may hold what the
   disk does not. */
void maildir_batch_commit(struct maildir_batch *batch);

/* By index in order of adding; borrowed until free. */
const struct maildir_delivered *maildir_batch_result(
	const struct maildir_batch *batch, size_t index);

#endif
