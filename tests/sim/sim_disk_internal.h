/* What the files of the simulated disk share. Functions that can fail return
   0 or more, or a negative errno, as in a kernel; they ask no seam. */
#ifndef TESTS_SIM_SIM_DISK_INTERNAL_H
#define TESTS_SIM_SIM_DISK_INTERNAL_H

#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "tests/sim/sim_disk.h"

#define SIM_UID   1000
#define SIM_MODES 0755 /* as umask 022 leaves them */

struct change;

/* Bytes shared by what processes see, what is durable, and copies. Only one
   that has a single owner is written to. */
struct blob {
	size_t owner_count;
	size_t size;
	size_t capacity;
	uint8_t *bytes;
};

struct attributes {
	mode_t mode; /* permissions */
	int64_t mtime_ns;
	struct blob *extended; /* see sim_disk_xattr.c; NULL = none */
};

/* A name in a directory. It moves with a rename; who has the file open under
   it keeps it. */
struct entry {
	uint64_t hash;
	char *name;
	struct inode *inode;
	struct inode *directory; /* NULL: unlinked */
	struct inode *parent;    /* even then; stays while this is open */
	size_t open_count;
	size_t owner_count;
};

/* Entries by hash, which is the order they are listed in: so a renamed one is
   found elsewhere, as on ext4. */
struct slots {
	struct entry **entries;
	size_t count;
	size_t capacity;
};

struct directory {
	struct slots now;
	struct slots durable;
	struct inode *parent;
	struct entry *self; /* NULL: the top, or removed */
	/* In order; those that are durable by now are still among them until
	   the directory is synced. */
	struct change *first_change;
	struct change *last_change;
	struct change *made_by;
	bool is_removed;
};

struct inode {
	uint64_t number;
	/* The removals of who had the number before, newest first. What is
	   durable with a number has it alone. */
	struct change *number_from;
	unsigned device;
	mode_t type; /* S_IFREG, S_IFDIR, S_IFLNK */
	int64_t ctime_ns;
	int64_t birth_ns;
	size_t link_count; /* of entries that processes see */
	size_t open_count;
	bool is_unmounted; /* no link, and there */
	bool is_gone;      /* no link, not open: its number may be another's */
	struct attributes now;
	struct attributes durable;
	struct blob *data; /* or the target of a symbolic link */
	struct blob *durable_data;
	bool is_dirty;
	bool has_lost;               /* data, to an fsync that failed */
	struct directory *directory; /* NULL: no directory */
	struct description *locked_by;
	struct change *linked_by;  /* the newest link to it */
	struct change *removed_by; /* the newest removal of one */
	int watch;                 /* descriptor of its watch; 0 = none */
	bool is_marked;
	int open_error;            /* for the product; 0 = none */
	bool is_written_by_others; /* right now */
	struct inode *next;        /* all there are */
};

/* What open() made, shared by descriptors that were duplicated. */
struct description {
	struct inode *inode;
	struct entry *entry; /* NULL: the top, or an unlinked directory */
	int flags;
	off_t offset;
	size_t owner_count;
	bool has_lease;
};

struct mount {
	struct inode *directory; /* that holds the mount point */
	char *name;
	struct inode *other; /* what is not to be seen now */
	bool is_mounted;
	struct mount *next;
};

struct free_number {
	uint64_t number;
	unsigned device;
	struct change *removed_by;
};

struct disk {
	struct sim_disk_options options;
	struct inode *inodes;
	struct inode *top; /* "/"; SIM_ROOT is all it has */
	uint64_t next_number;
	struct free_number *free_numbers;
	size_t free_count;
	size_t free_capacity;
	unsigned device_count;
	struct change **changes; /* in order */
	size_t change_count;
	size_t change_capacity;
	size_t pending_from;               /* no earlier one is pending */
	struct description **descriptions; /* by descriptor */
	size_t description_count;
	struct stream *streams;
	struct mount *mounts;
	struct sim_disk_counts counts;
	void (*hook)(const char *change, const char *path, const char *new_path,
		bool replaced);
	pid_t pid;
	uint64_t random; /* of getrandom() */
	/* The act of another process is under way. */
	bool is_other;
};

extern struct disk sim_disk;

/* ---- sim_disk_inode.c ---- */

struct blob *blob_new(const void *data, size_t size);
struct blob *blob_share(struct blob *blob); /* NULL stays NULL */
void blob_release(struct blob *blob);
bool blob_equal(const struct blob *a, const struct blob *b);
/* The same bytes with room for `size`, owned by the caller alone. */
struct blob *blob_own(struct blob *blob, size_t size);

int64_t disk_now_ns(void); /* in steps of the disk */
struct inode *inode_new(mode_t type, mode_t mode, unsigned device);
void inode_free(struct inode *inode);
void inode_touch(struct inode *inode); /* mtime and ctime */
/* If nobody can reach it any more, its number may be used again and who
   watches it hears of it. */
void inode_settle(struct inode *inode);
int inode_write(
	struct inode *inode, const void *data, size_t size, off_t offset);
void inode_truncate(struct inode *inode, size_t size);
/* As fsync(); a directory's entries, too. */
void inode_sync(struct inode *inode);
/* As an fsync() that failed. */
void inode_lose(struct inode *inode);

/* ---- sim_disk_slots.c ---- */

uint64_t name_hash(const char *name);
struct entry *entry_new(const char *name, struct inode *inode);
struct entry *entry_share(struct entry *entry);
void entry_release(struct entry *entry);
struct entry *slots_find(const struct slots *slots, const char *name);
/* The first with a larger hash; NULL = none. */
struct entry *slots_after(const struct slots *slots, uint64_t hash);
void slots_add(struct slots *slots, struct entry *entry);
void slots_take(struct slots *slots, struct entry *entry);
void slots_finish(struct slots *slots);

/* ---- sim_disk_change.c: what is durable when ---- */

/* One change of a directory: a name goes, or comes to mean `inode`, or both. */
struct change_request {
	struct inode *directory;
	const char *gone;       /* or NULL */
	const char *set;        /* or NULL */
	struct inode *inode;    /* what `set` names, or what `gone` named */
	struct inode *replaced; /* what `set` named before, or NULL */
	/* A directory that goes, in whatever way. */
	struct inode *emptied;
	/* The other half of a rename, which must not be lost alone. */
	struct change *needs;
	/* Neither half without the other. */
	bool is_bound;
};
struct change *change_add(const struct change_request *request);
void changes_sync(struct inode *inode);
void changes_sync_all(void);
void change_sync(struct change *change);
/* A cut or not, nothing else than this entry can be under this name. */
bool changes_is_sure(const struct inode *directory, const struct entry *entry);
/* The file is there, maybe under a later name of it. */
bool changes_keep(const struct inode *directory, const struct entry *entry);
void changes_finish(void);

/* ---- sim_disk_path.c ---- */

enum {
	LOOKUP_FOLLOW = 1 << 0, /* the last component, too */
	LOOKUP_BENEATH = 1 << 1,
	LOOKUP_NO_LINKS = 1 << 2,
	LOOKUP_EMPTY = 1 << 3,  /* "" is the descriptor itself */
	LOOKUP_CREATE = 1 << 4, /* a file, so no slash behind it */
	LOOKUP_PARENT = 1 << 5, /* the last name is to be changed, whatever it
				   leads to */
};

enum last {
	LAST_NAME,
	LAST_DOT,
	LAST_DOTS,
	LAST_ROOT,
};

struct found {
	enum last last;
	bool has_slash;          /* behind the last name */
	struct inode *directory; /* of the last name */
	char name[NAME_MAX + 1];
	struct entry *entry; /* NULL: no such name, or no name at all */
	struct inode *inode; /* NULL: nothing is there */
};

bool path_is_ours(int fd, const char *path);
int path_lookup(
	int fd, const char *path, unsigned how, struct found *found_out);
/* Of an absolute path, for who needs no more. NULL = nothing there. */
struct inode *path_inode(const char *path);
/* Absolute, the caller's. */
char *path_of(const struct inode *directory, const char *name);

/* ---- sim_disk_names.c: effects ---- */

int names_create(
	const struct found *place, mode_t mode, struct inode **inode_out);
int names_make_directory(const struct found *place, mode_t mode);
int names_remove(const struct found *place, bool is_directory);
int names_link(const struct found *from, const struct found *to);
int names_symlink(const char *target, const struct found *place);
int names_rename(
	const struct found *from, const struct found *to, bool replaces);
/* Gives a directory a name, or changes what is under it, for good. */
void names_put(struct inode *directory, const char *name, struct inode *inode);
/* Tells the hook, when the product did it. */
void names_tell(const char *change, char *path, char *new_path, bool replaced);

/* ---- sim_disk_open.c ---- */

struct description *description_of(int fd); /* NULL = not open */
void descriptions_close_all(void);
void streams_close_all(void);

/* ---- sim_disk_xattr.c ---- */

int xattr_set(
	struct blob **blob, const char *name, const void *value, size_t size);
ssize_t xattr_get(
	const struct blob *blob, const char *name, void *value, size_t size);

/* ---- sim_inotify.c ---- */

/* The usual limits. */
void inotify_begin(void);
void inotify_note(struct inode *directory, uint32_t mask, uint32_t cookie,
	const char *name);
void inotify_note_self(struct inode *inode, uint32_t mask);
/* When others did it, the second half may be on its way for a while. */
void inotify_note_move(struct inode *from, const char *name, struct inode *to,
	const char *new_name, struct inode *moved);
/* Who takes the lock of a directory waits until what was done in it is told.
   One of the two may be NULL. */
void inotify_settle(const struct inode *a, const struct inode *b);

#endif
