/* Folders, three-way: what the server lists, what the Maildir has, and what
   both last agreed on. Names here are local paths in canonical form (UTF-8,
   '/' between levels, "INBOX"): the translators made them. */
#ifndef SYNCD_RECONCILER_FOLDERS_H
#define SYNCD_RECONCILER_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* A mailbox in a complete, plausible listing. */
struct folder_remote {
	const char *path;
	const char *mailbox_id; /* or NULL */
	uint32_t uid_validity;  /* 0 = not known */
	bool is_selectable;     /* false: \Noselect, \NonExistent */
};

struct folder_local {
	const char *path;
	uint64_t device, inode; /* of the folder's directory */
};

/* A folder on record. */
struct folder_record {
	uint32_t folder_id;
	const char *path; /* agreed; NULL = never agreed */
	const char *mailbox_id;
	uint32_t uid_validity;
	uint64_t device, inode;
	bool had_remote, had_local; /* existed there when last agreed */
	/* Gone on one side since, and on its way out on the other: when it is
	   on both again, it is adopted. */
	bool is_leaving;
	/* No message of the folder is unsynced, protected or unknown: a folder
	   gone on one side may go on the other. */
	bool is_removable_local;
	bool is_removable_remote;
	bool is_undecided; /* what it holds is to be looked at first, should one
			      side only have it: neither made nor removed */
	bool is_held; /* for another reason than FOLDER_HOLD, which is found
			 anew each time */
};

struct folders_input {
	const struct folder_remote *remote;
	size_t remote_count;
	const struct folder_local *local;
	size_t local_count;
	const struct folder_record *records;
	size_t record_count;
	bool remote_is_known; /* false: the listing failed or is implausible */
	bool local_is_known;
};

enum folder_operation_kind {
	FOLDER_ADOPT, /* on both sides at `path`: record it and what
			 identifies it; a new record if folder_id is 0 */
	FOLDER_CREATE_LOCAL,
	FOLDER_CREATE_REMOTE,
	FOLDER_RENAME_LOCAL,  /* path -> new_path, children go with it: */
	FOLDER_RENAME_REMOTE, /* they get no operation of their own */
	FOLDER_EMPTY_LOCAL,   /* gone on the server: its messages are absent
				 there; remove the directory once it is empty */
	FOLDER_EMPTY_REMOTE,  /* gone here: delete the mailbox once empty */
	FOLDER_FORGET,        /* gone on both sides */
	FOLDER_RECORD_RENAME, /* renamed alike on both sides, or on the only
				 one that has it: record new_path, of this
				 folder alone */
	FOLDER_HOLD,          /* collision or unrepresentable: `reason` */
};

struct folder_operation {
	enum folder_operation_kind kind;
	uint32_t folder_id; /* 0 = no record yet */
	const char *path;
	const char *new_path; /* renames */
	const char *reason;   /* FOLDER_HOLD */
};

struct folders_plan {
	const struct folder_operation *operations; /* in order of execution */
	size_t operation_count;
};

/* Identity: MAILBOXID first; else same path; else a gone and a new mailbox of
   equal, non-zero UIDVALIDITY that no other shares (rename). Locally: device
   and inode of the directory, else path. INBOX is never renamed, removed or
   created remotely. Renames come parents first and go through a temporary
   name ("NAME-renaming-N") where two swap or form a cycle. Both sides renamed
   differently: the server's name wins. A folder gone on one side whose
   messages are not removable is created there again. A name that is taken by
   another folder is not merged into: the folder renamed here gets its old name
   back, else it is held. But a folder that is here alone, and may not go, goes
   on with the mailbox that was given its name on the server: the folder that
   mailbox had is one without, then. The plan lives in `arena` and borrows the
   input's names. */
struct folders_plan folders_plan_make(
	struct arena *arena, const struct folders_input *input);

#endif
