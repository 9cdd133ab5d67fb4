/* One authenticated IMAP connection, in words of mail: the only translator
   between proto and the rest. Calls block in style, not in fact: each pumps the
   event loop until its answer is complete, so timers, the watch and other
   connections stay served. Callbacks run inside the call; they must not call
   the same remote.

   Errors: ERROR_REFUSED (NO: the connection lives on), ERROR_DISCONNECTED,
   ERROR_PROTOCOL, ERROR_LIMIT, ERROR_UNREACHABLE (close it), ERROR_AUTH,
   ERROR_STOPPED (remote_stop() or the loop's stop). After any but REFUSED the
   remote is dead: every further call fails, close it. */
#ifndef SYNCD_WORKER_REMOTE_H
#define SYNCD_WORKER_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/flags.h"
#include "base/hash.h"
#include "base/uid_set.h"
#include "config/config.h"
#include "syncd/worker/loop.h"

struct remote;

struct remote_options {
	const struct config_account *account;
	struct loop *loop;
	struct keyword_table *keywords; /* grows with what servers send */
	const uint8_t *hash_key;        /* HASH_KEY_SIZE bytes, borrowed */
	/* Asked when a secret is needed; a password, or a token when the
	   account has a token_command. The text is wiped and freed by us. */
	char *(*get_secret)(void *data, bool is_retry, struct error *error);
	void *data;
};

/* Connects, negotiates TLS, logs in, sends ID, ENABLE and COMPRESS as the
   server and the account allow. */
struct remote *remote_open(
	const struct remote_options *options, struct error *error) MUST_CHECK;
void remote_close(struct remote *remote); /* NULL is fine */
/* Says goodbye first; waits two seconds at most. */
void remote_logout(struct remote *remote);

/* What this connection can do; decided per connection. */
struct remote_abilities {
	bool has_condstore; /* CONDSTORE, or QRESYNC enabled */
	bool has_qresync;   /* and enabled */
	bool has_uidplus;
	bool has_move;
	bool has_list_status;
	bool has_idle;
	bool has_object_id;
	bool has_multiappend;
	bool is_gmail;
	uint64_t append_limit;  /* 0 = not told */
	uint64_t message_limit; /* same; a COPY of more is refused */
	bool is_tls;
};
const struct remote_abilities *remote_abilities(const struct remote *remote);
/* Space-separated capability words, borrowed. */
const char *remote_capabilities(const struct remote *remote);
/* "TLSv1.3 …" or "none". Borrowed. */
const char *remote_tls_name(const struct remote *remote);

/* The last ALERT (RFC 9051, 7.1), printable, for the log; or NULL. */
const char *remote_alert(const struct remote *remote);

/* Bytes and round trips so far, for progress and benches. */
struct remote_traffic {
	uint64_t bytes_in, bytes_out, command_count;
};
struct remote_traffic remote_traffic(const struct remote *remote);

/* ---- The account ---- */

struct remote_mailbox {
	const char *wire_name; /* as listed: what commands take */
	const char *name;      /* UTF-8 */
	char delimiter;        /* 0 = none */
	bool is_selectable;
	const char *special_use; /* "\Trash", …, or NULL */
	const char *mailbox_id;  /* or NULL */
	/* STATUS; has_status false = unknown, never "empty". */
	bool has_status;
	uint32_t uid_validity, uid_next, message_count, unseen_count;
	uint64_t highest_modseq; /* 0 = not told */
};

/* LIST with STATUS of every selectable mailbox, personal namespace. All text
   in `arena`. Fails rather than leaving mailboxes out. */
bool remote_list(struct remote *remote, struct arena *arena,
	struct remote_mailbox **mailboxes_out, size_t *count_out,
	struct error *error) MUST_CHECK;

/* Mailboxes the last remote_list() left out because their names hold NUL or are
   in no encoding that can be read. While there are any, what is not listed may
   be one of them. */
size_t remote_skipped_count(const struct remote *remote);

/* STATUS of one mailbox, for a quick look. */
bool remote_status(struct remote *remote, const char *wire_name,
	struct arena *arena, struct remote_mailbox *mailbox_out,
	struct error *error) MUST_CHECK;

/* `name` is UTF-8; the wire form is made here and returned in the arena. */
bool remote_create(struct remote *remote, const char *name, struct arena *arena,
	const char **wire_name_out, struct error *error) MUST_CHECK;
bool remote_rename(struct remote *remote, const char *wire_name,
	const char *new_name, struct arena *arena, const char **wire_name_out,
	struct error *error) MUST_CHECK;
/* Only when STATUS says MESSAGES 0 at this moment; REFUSED otherwise. */
bool remote_delete_empty(struct remote *remote, const char *wire_name,
	struct error *error) MUST_CHECK;

/* ---- Observing one mailbox ---- */

struct remote_message {
	uint32_t uid;
	bool has_flags, has_size; /* has_size: date and size are set too */
	uint64_t modseq;          /* 0 = not told */
	uint64_t size;            /* RFC822.SIZE */
	int64_t internal_date;
	uint64_t email_id; /* keyed hash of EMAILID; 0 = none */
	struct flags flags;
};

/* What is known already: what the answer may leave out. */
struct remote_known {
	const char *wire_name;
	uint32_t uid_validity;   /* 0 = nothing is known */
	uint64_t highest_modseq; /* anchor; 0 = none */
	uint32_t uid_next;       /* UIDs from here on were never enumerated */
	uint32_t last_uid;       /* bound, from uid_next on; 0 = none */
	uint32_t message_count;  /* we hold bound in this mailbox */
	bool wants_full_listing; /* UIDs and flags of all, whatever is known */
	uint32_t witness; /* below uid_next, to be told in full; 0 = none */
	bool is_put_back; /* the server was: the known UIDs are void */
};

struct remote_view {
	uint32_t uid_validity;
	uint32_t uid_next;       /* never 0: found out some way */
	uint32_t message_count;  /* EXISTS at the end */
	uint64_t highest_modseq; /* new anchor (RFC 7162, 6); 0 = none */
	bool has_no_modseq;
	bool is_uid_not_sticky;
	bool is_read_only;
	struct flags permanent_flags; /* system bits and known keywords */
	bool allows_new_keywords;
	/* NULL when not told. In the arena; in a sink only while it is called.
	 */
	const char *mailbox_id;
	/* The known UIDs became invalid: UIDVALIDITY differs from the known
	   one (or UIDNEXT or HIGHESTMODSEQ went backwards). `messages` are
	   then all there are, under the new UIDVALIDITY. */
	bool is_new_epoch;
	/* With is_new_epoch: one of the three is lower than it was, or it was
	   known to be. */
	bool is_put_back;
	/* What is told of known->witness; its uid is 0 when nothing is. */
	struct remote_message witness;
	/* UIDs reported gone; only those not reported present. */
	struct uid_set vanished;
	/* Every UID there is, when a complete listing was made (with a tagged
	   OK and agreeing with EXISTS). UIDs not in it are proven absent. */
	bool has_listing;
	struct uid_set listing;
	/* Count check failed and no listing was to be had: absences of this
	   view prove nothing. */
	bool is_doubtful;
	/* New ones that are there and were not told in full, though asked for
	   twice: uid_next is the first of them. */
	uint64_t untold_count;
	/* Changed and new ones, by UID: those that no sink took. */
	struct remote_message *messages;
	size_t message_row_count;
};

/* Rows are handed over while they come, so that no mailbox is too big. */
#define REMOTE_ROW_CHUNK ((size_t)1024)

struct remote_row_sink {
	/* At most REMOTE_ROW_CHUNK `messages`, by UID, borrowed. Of the rest of
	   `view` only what SELECT told is set, is_new_epoch and is_put_back. A
	   UID may come again in a later chunk: what is told later counts. False
	   breaks the connection off. */
	bool (*take)(void *data, const struct remote_view *view,
		struct error *error);
	void *data;
};

/* SELECT and everything that changed since `known`, by the best rung the
   connection has (QRESYNC, CONDSTORE, full flags), in one flight where
   possible. Rows go to the sink by the chunk, also when this fails later; the
   last ones, at most one chunk, are in the view and live in the arena. Finish
   the view's sets with remote_view_finish(). The mailbox is selected
   afterwards. */
bool remote_observe(struct remote *remote, const struct remote_known *known,
	const struct remote_row_sink *sink, struct arena *arena,
	struct remote_view *view_out, struct error *error) MUST_CHECK;
void remote_view_finish(struct remote_view *view);

/* SELECT unless it is selected already. `uid_validity` is what the caller's
   UIDs belong to: REFUSED when it is another one now. */
bool remote_select(struct remote *remote, const char *wire_name,
	uint32_t uid_validity, struct error *error) MUST_CHECK;
/* UNSELECT where offered: nothing is selected (before DELETE and RENAME). */
bool remote_unselect(struct remote *remote, struct error *error) MUST_CHECK;

/* ---- In the selected mailbox ---- */

/* FETCH of flags, size, date of these UIDs: those that answer are appended to
   rows. A UID that does not answer proves nothing. */
bool remote_fetch_messages(struct remote *remote, const struct uid_set *uids,
	struct arena *arena, struct remote_message **messages_out,
	size_t *count_out, struct error *error) MUST_CHECK;

/* UID SEARCH of all UIDs from `first` on, complete. */
bool remote_search(struct remote *remote, uint32_t first,
	struct uid_set *uids_out, struct error *error) MUST_CHECK;

/* Bodies or headers, streamed. For each message: begin, data…, end. */
struct remote_sink {
	/* false = skip this message's data. */
	bool (*begin)(void *data, uint32_t uid, uint64_t size);
	bool (*data)(void *data, const uint8_t *bytes, size_t size,
		struct error *error); /* false aborts the connection */
	/* `is_complete`: every announced octet came. flags: as of this FETCH,
	   NULL when not told. */
	bool (*end)(void *data, uint32_t uid, bool is_complete,
		struct error *error);
	void *user;
};
/* UID FETCH (UID BODY.PEEK[]) in commands of bounded length. UIDs the server
   gave nothing for simply do not appear; NO for a batch is retried one by one,
   and single UIDs that are refused are added to `refused` (may be NULL). */
bool remote_fetch_bodies(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, struct uid_set *refused,
	struct error *error) MUST_CHECK;
/* Same with BODY.PEEK[HEADER]. */
bool remote_fetch_headers(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, struct uid_set *refused,
	struct error *error) MUST_CHECK;

/* UID STORE +FLAGS / -FLAGS, with .SILENT where nothing is asked that only the
   answer tells; an empty set is skipped.
   `unchanged_since` 0 = unconditional. UIDs somebody else changed since are
   added to `modified` and were not touched. */
struct remote_store {
	const struct uid_set *uids;
	const struct flags *add, *remove; /* NULL = none */
	uint64_t unchanged_since;
	/* Those the server told of, so that they were there and were changed,
	   are added. STORE for a UID that is gone is OK, too. NULL = not
	   wanted. */
	struct uid_set *told;
};
bool remote_store(struct remote *remote, const struct remote_store *store,
	struct uid_set *modified, struct error *error) MUST_CHECK;

#define REMOTE_COPY_MAX 500 /* 5,500 octets of UIDs */

/* What MOVE, COPY and APPEND said about new UIDs. */
struct remote_receipt {
	bool has_uids;         /* false: unknown, not failure */
	uint32_t uid_validity; /* of the destination */
	struct {
		uint32_t from, to;
	} * pairs; /* in the arena */
	size_t pair_count;
};
/* UID MOVE; abilities.has_move only. A REFUSED move may have moved some. */
bool remote_move(struct remote *remote, const struct uid_set *uids,
	const char *to_wire_name, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error) MUST_CHECK;
/* UID COPY of REMOTE_COPY_MAX messages or abilities.message_limit at most: one
   command, so when it is REFUSED none was copied (RFC 9051, 6.4.7). */
bool remote_copy(struct remote *remote, const struct uid_set *uids,
	const char *to_wire_name, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error) MUST_CHECK;
/* UID EXPUNGE; abilities.has_uidplus only. Those of `uids` that are not there
   any more are added to `gone`: it is OK, too, when somebody else took \Deleted
   away, and the message stays. */
bool remote_expunge(struct remote *remote, const struct uid_set *uids,
	struct uid_set *gone, struct error *error) MUST_CHECK;

/* ---- Uploading, no mailbox need be selected ---- */

enum remote_append_outcome {
	REMOTE_APPEND_UNSENT,  /* not one byte went out */
	REMOTE_APPEND_DONE,    /* OK; uid is 0 without UIDPLUS */
	REMOTE_APPEND_REFUSED, /* NO or BAD: certainly not stored */
	/* Same, but in one command with others: any of them may be the reason.
	   Alone it gets an answer of its own. */
	REMOTE_APPEND_REFUSED_TOGETHER,
	REMOTE_APPEND_UNCERTAIN, /* the connection ended in between */
};

struct remote_append {
	const char *wire_name;
	struct flags flags;
	int64_t internal_date;
	uint64_t size;   /* octets that read() will give in total, not 0 */
	bool goes_alone; /* in no command with others */
	/* Gives up to `size` octets of the message with CRLF line ends; the
	   number, or -1 on a read error (the upload is then broken off in a
	   way that stores nothing). */
	int64_t (*read)(void *data, uint8_t *bytes, size_t size);
	void *data;
	/* Set here: */
	enum remote_append_outcome outcome;
	uint32_t uid_validity, uid;
	bool is_too_big; /* TOOBIG, LIMIT, OVERQUOTA: no use in retrying soon */
	bool wants_create; /* TRYCREATE */
	char message[200]; /* the server's words when refused */
};
/* APPENDs one after the other, pipelined where the server allows it; neighbours
   for one mailbox in one command where it has MULTIAPPEND: of them the server
   stores all or none. True when the connection lives; outcomes are in the
   elements either way. */
bool remote_append(struct remote *remote, struct remote_append *appends,
	size_t count, struct error *error) MUST_CHECK;

/* ---- Watching ---- */

/* IDLE on a mailbox; returns when the server said it idles. From then on the
   remote notices changes by itself while the loop runs: remote_has_changed().
   Re-issues IDLE every nine minutes. Any other call ends the IDLE first. */
bool remote_idle_start(struct remote *remote, const char *wire_name,
	struct error *error) MUST_CHECK;
bool remote_is_idle(const struct remote *remote);
/* Something was announced since the last call (cleared by it), or the
   connection broke (then remote_is_dead()). */
bool remote_take_changed(struct remote *remote);
bool remote_is_dead(const struct remote *remote);
const struct error *remote_death(const struct remote *remote);
/* Called in the loop when something changed or the remote died; must only
   record. */
void remote_set_wakeup(
	struct remote *remote, void (*wakeup)(void *data), void *data);
/* NOOP with a short deadline: is the server still there? (after suspend) */
bool remote_probe(struct remote *remote, struct error *error) MUST_CHECK;

#endif
