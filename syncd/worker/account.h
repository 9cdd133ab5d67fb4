/* One account while it is being synced: its parts, its folders, and what the
   engine's files share. Owned by worker.c; single thread. */
#ifndef SYNCD_WORKER_ACCOUNT_H
#define SYNCD_WORKER_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uid_set.h"
#include "config/config.h"
#include "store/maildir.h"
#include "store/maildir_name.h"
#include "store/state.h"
#include "store/watch.h"
#include "syncd/reconciler/policy.h"
#include "syncd/worker/loop.h"
#include "syncd/worker/pool.h"
#include "syncd/worker/remote.h"

/* Absence of a file must hold this long before anything follows from it. */
#define SETTLE_MS       300  /* enough for a reader that copies and deletes */
#define SETTLE_START_MS 2000 /* after a start, an overflow, a resume */

/* How long an upload that was not found may still come. */
#define GHOST_S (24 * 3600)

/* A folder: its record, and what is known about it only while running. */
struct account_folder {
	struct folder record; /* text lives in `arena` */
	struct arena arena;
	struct keyword_letters letters;
	uint32_t taken_letters; /* bits; also by keywords of no use here */
	bool has_letters;
	bool has_durable_letters; /* a power cut does not take them */
	bool is_served;           /* by a Dovecot, which does not know P */
	uint64_t missing_at_ms; /* first left out of a listing; 0 = it is not */
	uint64_t letters_busy_until_ms; /* dovecot-keywords is locked */
	bool needs_scan;                /* its local rows may be stale */
	bool wants_held;    /* see local_look_at_held(): a scan was asked for */
	bool needs_observe; /* its remote rows may be stale */
	bool has_doubts;    /* see account_doubt */
	bool is_listed;     /* in the last LIST */
	bool has_other_name; /* there: renamed, and not yet here */
	bool is_on_disk;     /* in the last listing of the Maildir */
	bool is_watched;     /* new/ and cur/ have a watch */
	/* Each of its files was looked at since, so a file that takes the name
	   of another shows as an event. */
	bool is_followed;
	bool is_made_anew; /* on the server, by us: its mail was gone */
	/* Observations in a row after which the server had more than it ever
	   told of. */
	unsigned gap_count;
	/* Uploads whose size the server tells otherwise, as of the last
	   observation: what it made of them is to be read. */
	struct uid_set changed_uids;
	bool is_doubtful;   /* its last observation left absences open */
	bool wants_listing; /* the last observation's count was off */
	bool is_put_back;   /* the last observation's UIDs are others' */
	bool has_failed;    /* in this pass: leave it alone until the next */
	/* By the server's refusal to select it. When the next listing lacks it,
	   it has not failed: it is gone, or has another name. */
	bool has_been_refused;
	/* Only its directory could not be looked at. Its mailbox is: what was
	   moved out of it has to show, or it would be taken for new. */
	bool has_failed_here;
	/* STATUS of the last LIST. */
	bool has_status;
	uint32_t status_uid_validity, status_uid_next, status_count;
	uint32_t status_unseen;
	uint64_t status_modseq;
	/* The STATUS that the last observation answered: some servers' STATUS
	   and SELECT never agree, so it is compared with itself. */
	bool has_seen_status;
	uint32_t seen_uid_validity, seen_uid_next, seen_count, seen_unseen;
	uint64_t seen_modseq;
	int64_t looked_at_ms;                    /* start of the last scan */
	int64_t swept_at_ms;                     /* last full flag listing */
	uint64_t arrival_count, departure_count; /* to be transferred */
	int64_t active_at_ms; /* last change: which mailboxes to IDLE on */
	/* What was told of a message whose header was found to be its own,
	   although size or date were not: it need not be read again. */
	struct remote_message witness;
};

struct account;

/* What the person at the terminal, or the supervisor, is told. Every member is
   optional. Text is borrowed during the call. */
struct account_report {
	void (*log)(void *data, int level, const char *text);
	void (*progress)(void *data, const struct account *account);
	void (*planned)(void *data, const char *line); /* --dry-run */
	char *(*get_secret)(void *data, bool is_retry, struct error *error);
	void *data;
};

enum account_log_level { /* as in syslog */
	ACCOUNT_LOG_ERROR = 3,
	ACCOUNT_LOG_WARNING = 4,
	ACCOUNT_LOG_INFO = 6,
	ACCOUNT_LOG_DEBUG = 7,
};

/* A mailbox or folder that is not synced, and why: shown by status. */
struct account_skipped {
	char *name;
	char *reason;
};

/* Counted since the process started. */
struct account_counters {
	uint64_t downloaded, uploaded, moved_local, moved_remote;
	uint64_t flagged_local, flagged_remote, deleted_local, deleted_remote;
	uint64_t bytes_down, bytes_up;
	uint64_t failed;
	/* Of the work at hand, for progress. */
	uint64_t to_download, to_upload;
	uint64_t done_messages, all_messages;
	uint64_t done_bytes, all_bytes;
	const char *folder_path; /* at work in; NULL = none. Borrowed */
};

/* A file somebody else brought, which may not be on the disk yet, or one that
   is gone, whose name may be there still. */
struct account_doubt {
	uint32_t folder_id;
	bool is_new;
	char *name; /* NULL: gone */
};

/* So many are made durable one by one, more by syncfs(). */
#define DOUBT_COUNT_MAX 16

struct account {
	const struct config_account *config;
	struct loop *loop;
	struct pool *pool;
	struct state *state;
	struct maildir *maildir;
	struct watch *watch;   /* NULL: one pass, or no inotify to be had */
	struct remote *remote; /* NULL = not connected */
	struct keyword_table keywords;
	unsigned saved_keyword_count;
	struct account_folder **folders;
	size_t folder_count, folder_capacity;
	struct account_report report;
	struct account_counters counters;
	char host[MAILDIR_HOST_SIZE_MAX + 1]; /* in file names */
	char *directory;                      /* of the state */
	int lock_fd;            /* the account is ours while this is open */
	int64_t verified_at;    /* the whole state; seconds since 1970 */
	bool is_state_doubtful; /* damage was met */

	char **plain_paths; /* watched directories that are no folders */
	size_t plain_count;
	bool has_watch_shortage;
	struct account_doubt doubts[DOUBT_COUNT_MAX]; /* the first ones */
	size_t doubt_count;                           /* of all */
	struct account_skipped *skipped;
	size_t skipped_count;
	struct account_skipped *skipped_before; /* of the listing before */
	size_t skipped_before_count;

	bool is_dry_run;
	struct buf told_folders; /* lines a dry run printed of folders */
	bool is_stopping;        /* finish the message at hand, then stop */
	bool wants_sweep;        /* full flags where there is no CONDSTORE */
	bool wants_folder_list;  /* the Maildir's folders may have changed */
	bool is_root_changed;    /* since its mark was raised */
	int64_t raised_at;       /* seconds since 1970 */
	bool has_local_loss;     /* root missing or replaced: nothing follows */
	bool remote_is_complete; /* see struct policy */
	bool local_is_complete;
	bool remote_is_blind;
	bool local_is_blind;
	bool awaits_listing;   /* a mailbox is missing, and looked for again */
	bool has_listing;      /* the last LIST was complete and plausible */
	bool wants_again;      /* something was left for another pass */
	uint64_t bound_mid;    /* what came since this pass bound arrivals */
	bool is_starting;      /* no pass has ended yet */
	int64_t began_at_ms;   /* this pass */
	uint64_t change_count; /* operations carried out in this pass */
	int64_t absent_at_ms;  /* last time a file was first found absent */
	int64_t drained_at_ms; /* just before the events were last read */
	int64_t settle_ms;
	int64_t last_success;    /* seconds since 1970 */
	uint64_t held_count;     /* deletions over delete_limit, last pass */
	uint64_t retry_count;    /* messages waiting for another try */
	bool has_no_maybe_moved; /* HOLD_MAYBE_MOVED is nowhere; once looked */
	int64_t ghosts_until; /* late uploads are looked for; maintained_at */
};

/* ---- account.c ---- */

/* Opens state and Maildir, loads folders and keywords. The report and the
   configuration are borrowed. */
struct account *account_open(const struct config *config,
	const struct config_account *account_config,
	const struct account_report *report, struct loop *loop,
	struct error *error) MUST_CHECK;
void account_close(struct account *account);

struct account_folder *account_folder(
	const struct account *account, uint32_t folder_id);
struct account_folder *account_folder_by_path(
	const struct account *account, const char *path);
/* A new record, not saved yet. */
struct account_folder *account_folder_add(
	struct account *account, const char *path);
void account_folder_remove(struct account *account, uint32_t folder_id);
/* Copies text into the folder's arena. */
const char *account_folder_text(
	struct account_folder *folder, const char *text);
/* Part of the sync: both sides exist, not held. */
bool account_folder_is_active(const struct account_folder *folder);
/* Puts the record into the open transaction, or into one of its own. */
void account_folder_put(
	struct account *account, const struct account_folder *folder);
bool account_folder_save(struct account *account,
	const struct account_folder *folder, struct error *error) MUST_CHECK;
/* Keywords met since the last save go with the open transaction. */
void account_keywords_put(struct account *account);

/* What is left out, anew with each listing; logged the first time. */
void account_skip_reset(struct account *account);
void account_skip(
	struct account *account, const char *name, const char *reason);

/* One line of --dry-run. */
void account_plan_line(const struct account *account, const char *format, ...)
	PRINTF_LIKE(2, 3);
void account_log(const struct account *account, enum account_log_level level,
	const char *format, ...) PRINTF_LIKE(3, 4);
void account_progress(const struct account *account);

/* One more message of the folder removed by us on that side. The record is to
   be put. */
void account_count_deletion(struct account_folder *folder, bool is_remote);
/* So many of those counted just now were not even tried, here. */
void account_uncount_deletions(struct account_folder *folder, uint32_t count);
/* Where the machine slept amid of them, those counted at `since` went only now:
   counted again. True: the record is to be saved. */
bool account_recount_deletions(struct account_folder *folder, uint32_t count,
	int64_t since) MUST_CHECK;

/* Policy as the planner wants it; arrays in the arena. */
struct policy account_policy(
	const struct account *account, struct arena *arena);

/* Flags the side can store. What it cannot is taken to be as last agreed, so
   that no side removes what it cannot hold. */
struct flags account_remote_mask(const struct account_folder *folder);
struct flags account_local_mask(
	const struct account *account, const struct account_folder *folder);

/* From this UID on may be what the intent sent to its destination: a mailbox
   that was renumbered since may have it anywhere. */
uint32_t account_first_uid(
	const struct account *account, const struct intent *intent);

/* The file name a download of this UID gets: the same at every try. */
const char *account_download_name(const struct account *account,
	struct arena *arena, uint32_t folder_id, uint32_t uid_validity,
	uint32_t uid, int64_t internal_date);

/* Remembers a failure on the pair: held as `hold`, next try with back-off. In
   the open transaction. */
void account_hold(struct account *account, struct pair *pair, enum hold hold,
	const char *reason);

/* The folder is left alone until the next pass; the reason goes into its record
   and, when it is a new one, into the log. */
void account_folder_fail(struct account *account, struct account_folder *folder,
	const struct error *error);

/* Wall clock, seconds. */
int64_t account_now(void);
/* When a pass that went to its end last did what is due once a day, in seconds
   since 1970; 0 = never. The put is part of a transaction. */
int64_t account_maintained_at(struct account *account);
void account_put_maintained(struct account *account, int64_t now);

/* Notes what was seen of a pair, after it was put. When that leaves nothing to
   do, the change came undone, and with it what was pending. */
void account_journal(struct account *account, enum journal_side side,
	const struct pair *pair, const char *change);

#endif
