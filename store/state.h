/* The sync state of one account in LMDB: what was observed on both sides, what
   both agreed on, the intents of what cannot be repeated, and the journal of
   what happened. One environment, one process, one thread.

   Reads work at any time. Writes need state_begin(); they stick: after a
   failure the following ones do nothing and state_commit() fails, so errors are
   checked once. state_commit() returns only when the data is durable. After a
   failed commit nothing of the transaction happened; close and reopen. */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/pair.h"
#include "base/uid_set.h"

#define STATE_SCHEMA_VERSION 1

struct state;

/* Opens or creates `path` (a file; its directory exists). Refuses another
   schema version it cannot migrate, a network file system, and a second open
   in this process. Must be called after fork and exec. ERROR_CORRUPT when a
   record's checksum is wrong. */
struct state *state_open(const char *path, struct error *error) MUST_CHECK;
void state_close(struct state *state);

bool state_begin(struct state *state, struct error *error) MUST_CHECK;
bool state_commit(struct state *state, struct error *error) MUST_CHECK;
void state_abort(struct state *state);
bool state_is_writing(const struct state *state);

/* 16 random bytes made when the state was created: the key of all hashes and
   file name tokens of the account. Borrowed. */
const uint8_t *state_secret(const struct state *state);

/* Pairs. Text and arrays of what is read live in `arena`. A read returns false
   when there is no such record or reading failed (then the next commit or
   state_read_error() tells). */
uint64_t state_pair_new_mid(struct state *state);
/* What the next one will be: all there are are lower. */
uint64_t state_pair_next_mid(const struct state *state);
/* Two pairs with one UID or one name in a folder are our mistake: the
   transaction fails with ERROR_CORRUPT. To hand a UID or a name over, put the
   old pair without it first. */
void state_pair_put(struct state *state, const struct pair *pair);
void state_pair_delete(struct state *state, uint64_t mid);
bool state_pair_get(struct state *state, uint64_t mid, struct arena *arena,
	struct pair *pair_out) MUST_CHECK;
/* Index: remote present (or unknown) under this UID. */
bool state_pair_by_uid(struct state *state, uint32_t folder_id, uint32_t uid,
	struct arena *arena, struct pair *pair_out) MUST_CHECK;
/* Index: local name whose unique part (up to ':') is this, whatever the
   presence: also names planned for a download (NEVER with a name), and those of
   absent files until the pair is put without. */
bool state_pair_by_unique(struct state *state, uint32_t folder_id,
	const char *name, struct arena *arena,
	struct pair *pair_out) MUST_CHECK;
/* Of several (hard links, a reused inode) the first that is not known to be
   absent, else the first. */
bool state_pair_by_inode(struct state *state, uint64_t device, uint64_t inode,
	struct arena *arena, struct pair *pair_out) MUST_CHECK;

/* Walks. Start with a zeroed cursor; false at the end. The database may be
   written to between two calls. */
struct state_cursor {
	uint64_t position;
	uint64_t position_low; /* second half of composite keys */
	char text[256];
	bool is_started;
};
/* Pairs that are not settled (pair_is_settled), by mid. */
bool state_next_unsettled(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct pair *pair_out) MUST_CHECK;
uint64_t state_unsettled_count(struct state *state);
/* Pairs whose remote side is present or unknown in the folder, by UID, from the
   one behind cursor->position on. */
bool state_next_by_uid(struct state *state, uint32_t folder_id,
	struct state_cursor *cursor, struct arena *arena,
	struct pair *pair_out) MUST_CHECK;
/* Same walk, UIDs only: all of them replace what `*uids` held. */
void state_folder_uids(
	struct state *state, uint32_t folder_id, struct uid_set *uids);
/* Pairs whose local side has a name in the folder, by unique. */
bool state_next_by_unique(struct state *state, uint32_t folder_id,
	struct state_cursor *cursor, struct arena *arena,
	struct pair *pair_out) MUST_CHECK;
bool state_next_pair(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct pair *pair_out) MUST_CHECK;
/* Pairs whose side is present in the folder, also what the transaction did. */
uint64_t state_folder_remote_count(struct state *state, uint32_t folder_id);
uint64_t state_folder_local_count(struct state *state, uint32_t folder_id);

/* Folders. */
enum folder_state {
	FOLDER_NORMAL,
	FOLDER_EPOCH, /* UIDVALIDITY changed: rebinding, nothing is deleted */
	FOLDER_HELD,  /* `reason` says why; nothing is done */
	FOLDER_EMPTYING_LOCAL,  /* gone on the server */
	FOLDER_EMPTYING_REMOTE, /* gone in the Maildir */
};

#define FOLDER_DELETION_SLOTS 12 /* of five minutes: the guard's hour */

struct folder {
	uint32_t folder_id;  /* never reused; 0 = none */
	const char *path;    /* canonical: UTF-8, '/' between levels */
	const char *mailbox; /* wire name as listed (raw); NULL = none yet */
	char delimiter;
	const char *mailbox_id;     /* OBJECTID, or NULL */
	bool has_remote, has_local; /* existed there when last seen */
	bool is_selectable;
	bool is_discard;         /* \Trash or \Junk */
	bool is_all;             /* \All, \Flagged or \Important: a view */
	const char *special_use; /* attribute, or NULL */
	enum folder_state state;
	const char *reason;
	uint32_t uid_validity; /* 0 = never selected */
	uint32_t uid_next;     /* as of the last complete observation */
	uint32_t exists;
	uint64_t highest_modseq; /* anchor; 0 = none, or NOMODSEQ */
	bool has_no_modseq;
	struct uid_set frontier; /* enumerated and stored; owned when read:
				    uid_set_finish() it */
	struct flags permanent_flags;
	bool allows_new_keywords; /* \* in PERMANENTFLAGS */
	bool is_read_only;
	uint64_t append_limit;  /* 0 = not known */
	uint64_t device, inode; /* of the local directory */
	int64_t new_mtime_ns, cur_mtime_ns, scanned_at_ns; /* racy rule */
	uint64_t scan_count;
	bool is_approved;      /* a person let the held deletions go */
	int64_t deletion_slot; /* start of the newest slot, seconds */
	uint32_t deleted_remote[FOLDER_DELETION_SLOTS];
	uint32_t deleted_local[FOLDER_DELETION_SLOTS];
	int64_t last_success; /* seconds since 1970 */
	const char *error;    /* last failure, or NULL */
};

uint32_t state_folder_new_id(struct state *state);
void state_folder_put(struct state *state, const struct folder *folder);
void state_folder_delete(struct state *state, uint32_t folder_id);
bool state_folder_get(struct state *state, uint32_t folder_id,
	struct arena *arena, struct folder *folder_out) MUST_CHECK;
bool state_next_folder(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct folder *folder_out) MUST_CHECK;

/* Intents: what is written before the first byte of something that cannot be
   repeated, and taken away with its outcome. */
enum intent_kind {
	INTENT_UPLOAD,        /* APPEND */
	INTENT_COPY,          /* COPY, first half of a move without MOVE */
	INTENT_MOVE,          /* UID MOVE */
	INTENT_DELETE_REMOTE, /* STORE \Deleted, UID EXPUNGE */
	INTENT_DELETE_LOCAL,
};
enum intent_phase {
	INTENT_PREPARED,
	INTENT_UNCERTAIN, /* sent, and the answer was lost */
	INTENT_UNBOUND,   /* done, but the new UID is not known */
};
struct intent {
	uint64_t intent_id;
	enum intent_kind kind;
	enum intent_phase phase;
	uint64_t mid;
	uint32_t folder_id; /* where the message is (remote), or 0 */
	uint32_t uid;       /* its UID there */
	uint64_t modseq;    /* DELETE_REMOTE: the last one before our STORE */
	uint32_t to_folder_id; /* destination */
	uint32_t uid_validity; /* of the destination when prepared */
	uint32_t uid_next;     /* destination's UIDNEXT before the first byte */
	struct flags flags;    /* sent with it */
	struct content content;
	uint32_t attempt_count;
	int64_t time; /* seconds since 1970 */
};
/* intent_id 0 = a new one; returns the id. */
uint64_t state_intent_put(struct state *state, const struct intent *intent);
void state_intent_delete(struct state *state, uint64_t intent_id);
bool state_next_intent(struct state *state, struct state_cursor *cursor,
	struct intent *intent_out) MUST_CHECK;
bool state_intent_of_mid(struct state *state, uint64_t mid,
	struct intent *intent_out) MUST_CHECK;

/* Tombs: what a dropped pair was, to explain later; and of pairs that live on,
   an upload that was not found when its answer was lost, to recognise it should
   it come late. Never a reason to delete anything but that. */
struct tomb {
	uint64_t mid;
	struct content content;
	uint32_t folder_id;
	uint32_t uid; /* of a lost upload: below this it was not */
	int64_t time;
	const char *reason;
	bool was_uncertain_upload;
	uint32_t uid_validity; /* of a lost upload only, else 0 */
};
void state_tomb_put(struct state *state, const struct tomb *tomb);
bool state_next_tomb(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct tomb *tomb_out) MUST_CHECK;
void state_tomb_purge(struct state *state, int64_t older_than);

/* Journal: append-only, for people and for `status`. */
enum journal_side {
	JOURNAL_LOCAL,
	JOURNAL_REMOTE
};
struct journal_entry {
	uint64_t sequence;
	int64_t time;
	enum journal_side side; /* where the change was seen */
	const char *change; /* "new", "gone", "moved", "flags", "folder-…" */
	uint64_t mid;       /* 0 = a folder */
	uint32_t folder_id;
	const char *detail;  /* or NULL */
	const char *outcome; /* NULL = pending */
};
uint64_t state_journal_append(
	struct state *state, const struct journal_entry *entry);
void state_journal_set_outcome(
	struct state *state, uint64_t sequence, const char *outcome);
/* Settles every pending entry of the message (or of all messages when the
   account is quiet: mid 0). */
void state_journal_settle(
	struct state *state, uint64_t mid, const char *outcome);
uint64_t state_journal_pending(struct state *state, enum journal_side side);
bool state_next_journal(struct state *state, struct state_cursor *cursor,
	struct arena *arena, struct journal_entry *entry_out) MUST_CHECK;
/* Finished entries go after 30 days or above 100,000. */
void state_journal_purge(struct state *state, int64_t now);

/* Small things by name, of up to 100 bytes. */
#define STATE_META_SIZE_MAX ((size_t)1024 * 1024) /* bytes of data */

void state_meta_put(
	struct state *state, const char *name, const void *data, size_t size);
bool state_meta_get(struct state *state, const char *name, struct arena *arena,
	const uint8_t **data_out, size_t *size_out) MUST_CHECK;
void state_keywords_put(struct state *state, const struct keyword_table *table);
/* Replaces what `table` held, zeroed or initialised; the fixed names when there
   is no record. keyword_table_finish() it. */
void state_keywords_get(struct state *state, struct keyword_table *table);

/* A commit has failed on the disk: everything fails from now on, and all of it
   is to be read before it is used again. */
bool state_is_broken(const struct state *state);

/* The first failed read since the last call, if any. */
bool state_read_error(struct state *state, struct error *error);

/* Rebuilds every index and counter from the records and compares. False and
   ERROR_CORRUPT with the first difference. */
bool state_check(struct state *state, struct error *error) MUST_CHECK;

#endif
