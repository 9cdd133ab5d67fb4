/* The inside of a remote, shared by remote*.c. A flight is a set of commands
   under way together; the pump in remote_flight.c runs it. */
#ifndef SYNCD_WORKER_REMOTE_INTERNAL_H
#define SYNCD_WORKER_REMOTE_INTERNAL_H

#include "proto/imap_session.h"
#include "syncd/worker/remote.h"
#include "syncd/worker/transport.h"

#define REMOTE_INPUT_SIZE         65536
#define REMOTE_TIMEOUT_MS         120000 /* without any progress */
#define REMOTE_LOGIN_TIMEOUT_MS   30000
#define REMOTE_ALIVE_TIMEOUT_MS   30000 /* for what is answered at once */
#define REMOTE_PROBE_TIMEOUT_MS   10000
#define REMOTE_GOODBYE_TIMEOUT_MS 2000
/* A server that only says that it is still there may do so for that long. */
#define REMOTE_SLOW_MS       3600000
#define REMOTE_LOGIN_SLOW_MS 60000 /* before it knows who we are */
#define REMOTE_SLOW_RATE     64    /* octets a second, either way */
/* What it may say without an answer, and for each message there is. */
#define REMOTE_UNANSWERED_MAX    (UINT64_C(64) * 1024 * 1024)
#define REMOTE_UNANSWERED_EACH   512
#define REMOTE_QUEUE_MAX         262144 /* octets of a message on its way */
#define REMOTE_MAILBOX_COUNT_MAX 100000
#define REMOTE_TEXT_SIZE         200 /* of a server's words that are kept */
#define REMOTE_UID_MAX           UINT32_MAX

/* How a command ended. */
struct remote_answer {
	enum imap_status status;
	enum imap_code_kind code; /* NONE when its payload was junk */
	uint32_t last_uid;        /* MESSAGELIMIT */
	char text[REMOTE_TEXT_SIZE];
};

struct remote_call {
	uint32_t id;
	bool is_done;
	struct remote_answer answer;
	struct uid_set uids; /* what it was asked about */
};

/* Untagged data that answers a flight; all other is a change. */
enum {
	REMOTE_OWNS_EXISTS = 1 << 0,
	REMOTE_OWNS_EXPUNGE = 1 << 1, /* and VANISHED */
	REMOTE_OWNS_FETCH = 1 << 2,
	REMOTE_OWNS_ALL = (1 << 3) - 1,
};

/* Callbacks may be NULL. False breaks the connection off, with `error`. */
struct remote_flight {
	struct remote *remote;
	struct remote_call **calls;
	size_t call_count, call_capacity, open_count;
	unsigned owned;
	uint64_t timeout_ms;
	/* Since the last answer, or a window before: time, and the octets it
	   began with. */
	uint64_t paced_at_ms, slow_ms, slow_from;
	uint64_t unanswered_from; /* octets of bodies asked for are answers */
	bool waits_for_greeting;
	bool has_broken; /* data came that made no sense: something is missing
			  */
	void *data;
	bool (*on_response)(struct remote_flight *flight,
		const struct imap_response *response, struct error *error);
	bool (*on_literal)(struct remote_flight *flight,
		const struct imap_literal *literal, struct error *error);
	bool (*on_challenge)(struct remote_flight *flight,
		const uint8_t *challenge, size_t size, struct error *error);
	/* After `call->answer` is set. */
	bool (*on_done)(struct remote_flight *flight, struct remote_call *call,
		const struct imap_response *response, struct error *error);
	/* The session wants octets of the literal of this command. */
	bool (*on_feed)(struct remote_flight *flight, uint32_t command_id,
		struct error *error);
};

/* What SELECT told; `name` is NULL while nothing is selected. */
struct remote_selection {
	char *name;
	uint32_t uid_validity, uid_next;
	uint64_t highest_modseq;
	bool has_no_modseq, is_uid_not_sticky, is_read_only;
	bool has_permanent_flags, allows_new_keywords;
	struct flags flags, permanent_flags;
	char *mailbox_id;
};

enum remote_idle_state {
	REMOTE_IDLE_OFF,
	REMOTE_IDLE_STARTING, /* IDLE is sent, the + not there */
	REMOTE_IDLE_ON,
	REMOTE_IDLE_ENDING, /* DONE is sent */
};

struct remote {
	struct remote_options options;
	struct loop *loop;
	struct transport *transport;
	struct imap_session *session;
	char **pins; /* base64, as the transport wants them */
	uint8_t *input;
	struct remote_flight *flight; /* running, or NULL */
	uint32_t feeding_id;          /* whose literal the session wants */
	bool is_busy;                 /* the pump runs, or a handshake */

	struct remote_abilities abilities;
	uint64_t sent_total, received_total; /* octets */
	uint64_t command_count;
	char alert[REMOTE_TEXT_SIZE];

	bool is_dead;
	bool is_closed; /* the server closed its side */
	struct error death;
	bool has_goodbye; /* BYE came */
	struct remote_answer goodbye;

	struct remote_selection selection;
	uint32_t exists;        /* in the selected mailbox, now */
	uint64_t expunge_count; /* answers that told of expunges, ever */
	size_t skipped_count;
	bool has_late_uids; /* UIDs come behind the bodies here */
	bool is_cyrus;      /* so says its ID */

	bool has_changed;
	void (*wakeup)(void *data);
	void *wakeup_data;
	enum remote_idle_state idle_state;
	uint32_t idle_id;
	bool is_idle_wanted; /* IDLE is begun again when it ends */
	struct loop_timer *idle_timer;
};

/* ---- Flights (remote_flight.c) ---- */

void remote_flight_init(struct remote_flight *flight, struct remote *remote);
void remote_flight_finish(struct remote_flight *flight);
/* Takes the command. The call lives until finish. */
struct remote_call *remote_flight_add(
	struct remote_flight *flight, struct imap_command *command);
/* Waits for a command that was submitted before. */
struct remote_call *remote_flight_adopt(
	struct remote_flight *flight, uint32_t id);
/* Until all calls are done; callbacks may add some. When false the remote is
   dead. True says nothing about what was answered. */
bool remote_flight_run(
	struct remote_flight *flight, struct error *error) MUST_CHECK;

/* Handles what is there, without waiting: for the loop's callbacks. */
void remote_drain(struct remote *remote);

void remote_die(struct remote *remote, const struct error *error);
/* Every public call begins here: alive, and not idling. */
bool remote_begin(struct remote *remote, struct error *error) MUST_CHECK;

bool remote_is_ok(const struct remote_call *call);
/* OK, or the error that the refusal is: "cannot <what>: <words>". */
bool remote_check(struct remote *remote, const struct remote_call *call,
	const char *what, struct error *error) MUST_CHECK;
/* One command, nothing but its outcome wanted. */
bool remote_do(struct remote *remote, struct imap_command *command,
	const char *what, struct error *error) MUST_CHECK;
/* RFC 9738: the call did less than asked; what is left is added to `rest`. */
void remote_add_unfinished(
	const struct remote_call *call, struct uid_set *rest);

bool remote_text_contains(const char *text, const char *word);

/* ---- Login (remote_login.c) ---- */

bool remote_login(struct remote *remote, struct error *error) MUST_CHECK;

/* ---- Selecting (remote_select.c) ---- */

/* `parameters` as in "(CONDSTORE)", or NULL for what suits. */
struct remote_call *remote_add_select(struct remote_flight *flight,
	const char *wire_name, const char *parameters);
/* For on_response, while the SELECT is not done. */
void remote_note_selection(
	struct remote *remote, const struct imap_response *response);
/* For on_done of the SELECT. */
void remote_note_selected(struct remote *remote, const char *wire_name,
	const struct remote_call *call);
void remote_forget_selection(struct remote *remote);
bool remote_select_any(struct remote *remote, const char *wire_name,
	uint64_t timeout_ms, struct error *error) MUST_CHECK;
struct flags remote_read_flags(
	struct remote *remote, const struct imap_words *words);

/* ---- Messages (remote_rows.c) ---- */

/* Answers to FETCH, in order of arrival until remote_rows_merge(). */
struct remote_rows {
	struct remote *remote;
	struct arena *arena;
	struct remote_message *items;
	size_t count, capacity;
	bool has_zero_modseq; /* "MODSEQ (0)": junk */
	/* Called with REMOTE_ROW_CHUNK rows and with each one more; may leave
	   none behind. NULL = all are kept. */
	bool (*hand_over)(struct remote_rows *rows, struct error *error);
	void *data;
};

/* Items of FETCH that give a complete row. */
const char *remote_row_items(const struct remote *remote, bool with_modseq);
bool remote_rows_add(struct remote_rows *rows, const struct imap_fetch *fetch,
	struct error *error) MUST_CHECK;
/* One row per UID, by UID. */
void remote_rows_merge(struct remote_rows *rows);
/* FETCH of these UIDs; appended to rows. REFUSED when any part was. */
bool remote_rows_fetch(struct remote_rows *rows, const struct uid_set *uids,
	const char *items, struct error *error) MUST_CHECK;

/* UIDs of a list of the server's, zeros left out. */
/* UID SEARCH of the UIDs from `first` to `last`, complete. */
bool remote_search_range(struct remote *remote, uint32_t first, uint32_t last,
	struct uid_set *uids_out, struct error *error) MUST_CHECK;
void remote_add_list(struct uid_set *set, const struct imap_uid_list *list);
/* imap_command_add_uids(), and what it took is added to `taken`. */
bool remote_add_uids(struct imap_command *command, const struct uid_set *uids,
	size_t *range_index, struct uid_set *taken) MUST_CHECK;

/* Appends "(\Seen $Forwarded)". */
void remote_write_flags(const struct remote *remote, const struct flags *flags,
	struct buf *text);

/* ---- Idling (remote_idle.c) ---- */

void remote_idle_init(struct remote *remote);
void remote_idle_finish(struct remote *remote);
bool remote_idle_end(struct remote *remote, struct error *error) MUST_CHECK;
void remote_idle_begun(struct remote *remote);
void remote_idle_ended(struct remote *remote);
void remote_mark_changed(struct remote *remote);

#endif
