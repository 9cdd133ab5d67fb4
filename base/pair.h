/* The three states of one message, the words every layer shares: what the
   server holds (remote), what the Maildir holds (local), and what both last
   agreed on (synced). The store keeps pairs, the reconciler compares them, the
   worker observes and acts. */
#ifndef BASE_PAIR_H
#define BASE_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/flags.h"

#define CONTENT_HASH_SIZE 32 /* SHA-256 of the bytes with CRLF line ends */

/* Absence is a claim that needs a proof: a side is PRESENCE_ABSENT only by a
   complete, checked observation, else PRESENCE_UNKNOWN. */
enum presence {
	PRESENCE_NEVER, /* this side has not held the message yet */
	PRESENCE_PRESENT,
	PRESENCE_ABSENT,
	PRESENCE_UNKNOWN, /* held once; no action may follow */
};

/* What both sides last agreed on. */
struct synced_state {
	bool is_set; /* false: never equal on both sides yet */
	uint32_t folder_id;
	struct flags flags;
};

struct remote_state {
	enum presence presence;
	uint32_t folder_id;
	uint32_t uid;    /* under the folder's UIDVALIDITY */
	uint64_t modseq; /* of `flags`; 0 = unknown */
	struct flags flags;
	uint64_t absent_since; /* observation number that proved absence */
};

struct local_state {
	enum presence presence;
	uint32_t folder_id;
	bool is_new;      /* in new/, else in cur/ */
	const char *name; /* whole file name; borrowed, NULL = none */
	struct flags flags;
	uint64_t device;
	uint64_t inode;
	uint64_t size; /* bytes on disk */
	int64_t mtime; /* seconds */
	uint64_t absent_since;
	/* ABSENT, and never anybody's file: the UID was copied to where the
	   file is, and only waits for its removal. */
	bool is_leftover;
};

/* What identifies the bytes. Zero = not known yet. */
struct content {
	uint64_t size; /* octets with CRLF line ends; compare RFC822.SIZE */
	bool has_hash;
	uint8_t hash[CONTENT_HASH_SIZE];
	uint64_t message_id;  /* keyed hash of the Message-ID header's value */
	uint64_t header_hash; /* keyed hash of the header with CRLF line ends */
	uint64_t email_id;    /* keyed hash of EMAILID (RFC 8474) */
	int64_t internal_date; /* seconds since 1970 */
};

/* Why a message is not synced although it should be. */
enum hold {
	HOLD_NONE,
	HOLD_GUARD,      /* its deletion is over delete_limit */
	HOLD_EPOCH,      /* lost its UID when UIDVALIDITY changed */
	HOLD_REFUSED,    /* server or file system refused it; retried */
	HOLD_UNREADABLE, /* the file is not a readable regular file */
	/* New on one side, and maybe moved from a mailbox or folder that cannot
	   be looked at; waited with for some hours */
	HOLD_MAYBE_MOVED,
};

struct pair {
	uint64_t mid; /* message number, never reused */
	struct synced_state synced;
	struct remote_state remote;
	struct local_state local;
	struct content content;
	enum hold hold;
	const char *reason; /* of the hold; borrowed, NULL = none */
	uint32_t attempt_count;
	int64_t retry_at; /* seconds since 1970; 0 = now */
};

/* The longest pause before something refused is tried again. */
#define PAIR_PAUSE_MAX_S (6 * 3600)

/* Its time has not come. A time further off than the longest pause was set by
   a clock that was wrong then, or is wrong now: it has come. */
bool pair_is_waiting(const struct pair *pair, int64_t now);

/* Both sides present, in the synced folder, with the synced flags, not held:
   nothing to do. */
bool pair_is_settled(const struct pair *pair);

/* Part of a Maildir file name before its first ':' (the unique part). */
size_t pair_unique_size(const char *name);

#endif
