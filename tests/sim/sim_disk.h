/* A disk in memory: what processes see, and what would be there after a power
   cut. Paths begin with SIM_ROOT; all others, and descriptors that are not the
   disk's, go to the real system. tests/sim/sim_calls.h sends the file system
   calls of the product here.

   Each file has the data processes see and the data that is durable; each
   directory the entries processes see, the entries that are durable, and the
   operations in between. fsync of a file makes its data and attributes durable
   (not its name); fsync of a directory its entries; syncfs everything.
   A file renamed between two directories is afterwards, after a cut, in either,
   and in the new one for good once one of the two was synced. With
   has_half_renames it may be seen in both: what btrfs makes of a rename when
   one directory is synced, but at any time and whatever was synced.
   sim_disk_change.c has the rules. An fsync that fails loses the file's data
   and is not made good by another; of a directory nothing is lost.

   Calls ask the seam first (SEAM_DISK), by the name of the system call:
   "openat" for open(), "unlinkat" for rmdir(), "getdents64" for each chunk of
   readdir(), "read inotify" for the watch. Memory of the disk outlives a crash
   of the product; its descriptors do not. */
#ifndef TESTS_SIM_SIM_DISK_H
#define TESTS_SIM_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_ROOT "/sim"

/* Descriptors of the disk begin here; the first is the watch's. */
#define SIM_FD_MIN 1000000

/* The product has a new process number after each kill, from here on; all
   smaller ones are of living processes. */
#define SIM_PID_MIN 1000

struct sim_disk_options {
	int64_t granularity_ns; /* of mtime and ctime; 1 = exact */
	bool has_attributes;    /* user.* extended attributes */
	bool reuses_inodes;     /* at once, as ext4 does */
	bool has_birth_times;   /* statx tells btime */
	bool has_half_renames;  /* see above */
	unsigned readdir_chunk; /* entries per getdents; 0 = 32 */
};

void sim_disk_init(const struct sim_disk_options *options);
void sim_disk_finish(void);

/* ---- Ends ---- */

/* kill -9: descriptors are closed, locks released; nothing else is lost. */
void sim_disk_kill(void);
/* Power cut: kill, then of what was not durable any subset the rules above
   allow survives, chosen by seam_choose(): data of unsynced files complete,
   cut short, zeroed in part or empty; entries made, renamed or removed or not,
   each directory's in order or any order. Then all of it is durable. */
void sim_disk_power_cut(void);
/* Everything becomes durable. */
void sim_disk_sync_all(void);

/* ---- Acts of others. No seam, effects are durable at once ---- */

/* 0 or an errno. Parents must exist. Nobody sees a file half written. A file
   that is there already gets other bytes in place. */
int sim_disk_write_file(
	const char *path, const void *data, size_t size, int64_t mtime_s);
int sim_disk_make_directory(const char *path);
/* One on a device of its own, to and from which nothing can be renamed. */
int sim_disk_make_device(const char *path);
int sim_disk_symlink(const char *target, const char *path);
int sim_disk_rename(const char *from, const char *to, bool replaces);
int sim_disk_link(const char *from, const char *to);
int sim_disk_remove(const char *path); /* a file or an empty directory */
int sim_disk_remove_tree(const char *path);
/* The file gets other bytes in place (same inode). */
int sim_disk_rewrite(const char *path, const void *data, size_t size);
/* The product cannot open the file: the errno it gets; 0 = it can again. */
void sim_disk_set_open_error(const char *path, int error);
/* Somebody has the file open to write to it, or closes it now. */
void sim_disk_set_open_by_others(const char *path, bool is_open);
bool sim_disk_exists(const char *path);
/* Borrowed until the next change. NULL = no such file. */
const void *sim_disk_data(const char *path, size_t *size_out);

/* As cp -a would make a copy of a tree, and bring it back later: other inodes
   and times of birth, same mtimes and extended attributes. `in_place`: files
   are restored into the directories that are there (rsync --delete: files that
   have not changed are left alone), else the tree is replaced. */
struct sim_disk_copy;
struct sim_disk_copy *sim_disk_copy_take(const char *path);
void sim_disk_copy_put(
	const struct sim_disk_copy *copy, const char *path, bool in_place);
void sim_disk_copy_free(struct sim_disk_copy *copy);

/* The directory `path` is empty and on another device until mounted again. What
   the product has open in it stays usable; whether watchers hear of it is
   chosen. */
void sim_disk_unmount(const char *path);
void sim_disk_mount(const char *path);

/* ---- For checks ---- */

struct sim_disk_file {
	const char *path; /* absolute */
	const void *data;
	size_t size;
	uint64_t inode;
	int64_t mtime_s;
};
/* Every regular file at or below `path`, in order of path. `durable`: those
   only that would be there, whole and under this path, after any power cut now;
   else what processes see. Text is borrowed during the call. */
void sim_disk_walk(const char *path, bool durable,
	void (*visit)(void *data, const struct sim_disk_file *file),
	void *data);
/* Those that would be there, whole, under the path they had when it was durable
   or one they were renamed to since; those of a disk that is not mounted, too,
   under the path they have when it is. */
void sim_disk_walk_kept(const char *path,
	void (*visit)(void *data, const struct sim_disk_file *file),
	void *data);
/* Counts of what the product did since init; fsyncs has syncfs, too. */
struct sim_disk_counts {
	uint64_t renames, unlinks, creations, fsyncs, overwrites;
};
/* Descriptors the product has open. */
size_t sim_disk_open_count(void);
void sim_disk_counts(struct sim_disk_counts *counts_out);
/* Called for each change the product makes, after it, with what was done:
   "rename", "unlink", "unname" (a file that has other names), "create",
   "write", "rmdir", "mkdir". For invariants. NULL removes it. */
void sim_disk_set_change_hook(void (*hook)(const char *change, const char *path,
	const char *new_path, bool replaced));

/* ---- inotify: store/watch.c over a kernel and a library of our own ---- */

/* Unread events above this many become one overflow. sim_disk_init() sets
   16384, and 8192 watches. */
void sim_watch_set_queue_max(unsigned limit);
void sim_watch_set_watch_max(unsigned limit);
/* Adjacent identical events merge. Between the halves of a move that others
   made there may be other events, and a read may get the first one only; the
   second comes before anybody can read the directory, chosen by
   seam_choose(). */
/* Time went by: what was on its way is there. The halves of a move are never
   milliseconds apart. */
void sim_watch_settle(void);
/* The watch's descriptor, SIM_FD_MIN, would be readable. */
bool sim_watch_is_ready(void);
void sim_watch_kill(void); /* with the process; sim_disk_kill() does it */

#endif
