/* An IMAP server in memory that speaks the protocol, octet by octet: parser of
   commands, sessions with views of their own, mailboxes with UIDVALIDITY,
   UIDNEXT, MODSEQ and a history without end. What it offers and what it does
   wrong are bits. One per world; outlives a crash of the product, its
   connections do not.

   Names of mailboxes are as on the wire (modified UTF-7), levels are parted by
   "/". Any user may log in, with any password but SIM_WRONG_PASSWORD. The seam
   is asked before and after each command, with its name; seam_choose() and
   seam_log() must return. */
#ifndef TESTS_SIM_SIM_SERVER_H
#define TESTS_SIM_SIM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_WRONG_PASSWORD    "wrong"
#define SIM_APPEND_LIMIT      100000 /* octets, with SIM_APPENDLIMIT */
#define SIM_MESSAGE_LIMIT_MIN 3      /* messages, with SIM_MESSAGE_LIMIT */

enum sim_ability {
	SIM_UIDPLUS = 1 << 0,
	SIM_MOVE = 1 << 1,
	SIM_CONDSTORE = 1 << 2, /* with ENABLE */
	SIM_QRESYNC = 1 << 3,   /* with SIM_CONDSTORE */
	SIM_OBJECTID = 1 << 4,
	SIM_LITERAL_PLUS = 1 << 5,
	SIM_MULTIAPPEND = 1 << 6,
	SIM_ESEARCH = 1 << 7,
	SIM_LIST_STATUS = 1 << 8, /* with LIST-EXTENDED and SPECIAL-USE */
	SIM_IDLE = 1 << 9,
	SIM_UNSELECT = 1 << 10,
	SIM_APPENDLIMIT = 1 << 11,
	SIM_SASL_IR = 1 << 12,
	SIM_ABILITIES_ALL = (1 << 13) - 1,
};

/* What real servers were seen to do. Each happens now and then, by
   seam_choose(), once its bit is set. */
enum sim_quirk {
	/* A message that is there is told VANISHED or EXPUNGE and comes back
	   under a new UID. */
	SIM_FALSE_VANISHED = 1 << 0,
	/* VANISHED (EARLIER) names UIDs that exist. */
	SIM_VANISHED_TOO_MUCH = 1 << 1,
	SIM_NO_APPENDUID = 1 << 2, /* UIDPLUS, but the code is left out */
	SIM_NO_COPYUID = 1 << 3,
	/* What an APPEND of a connection that died had sent whole is stored
	   later: after some more commands of anybody. */
	SIM_LATE_APPEND = 1 << 4,
	SIM_UID_REUSE = 1 << 5,     /* after an expunge of the highest UID */
	SIM_NO_MODSEQ = 1 << 6,     /* some mailboxes are NOMODSEQ */
	SIM_PARTIAL_LIST = 1 << 7,  /* LIST leaves a mailbox out */
	SIM_LATE_VANISHED = 1 << 8, /* an expunge is told one round later */
	SIM_SPURIOUS_MODIFIED = 1 << 9,
	SIM_REFUSES = 1 << 10, /* NO to anything, now and then */
	SIM_BYE = 1 << 11, /* BYE and close at any octet, or as the greeting */
	SIM_REWRITES = 1 << 12,   /* a header is added to what is appended */
	SIM_WRONG_SIZE = 1 << 13, /* RFC822.SIZE counts LF line ends */
	SIM_NO_DATE_ON_COPY = 1 << 14, /* COPY and MOVE set INTERNALDATE anew */
	SIM_FETCH_OMITS = 1 << 15, /* a live UID is missing in a FETCH answer */
	SIM_MESSAGE_LIMIT = 1 << 16, /* RFC 9738: a tagged OK for a part */
	SIM_STALE_STATUS = 1 << 17,  /* of the selected mailbox, as Dovecot */
	SIM_PARTIAL_MOVE = 1 << 18,  /* NO, and some were moved */
	SIM_NO_KEYWORDS = 1 << 19,   /* no \* in PERMANENTFLAGS (always) */
	/* What was expunged above the highest UID that is left is not among
	   VANISHED (EARLIER), as with Cyrus (always). */
	SIM_VISIBLE_STAR = 1 << 20,
	/* An APPEND of what is in the mailbox already gets a UID and is thrown
	   away, as with Gmail. */
	SIM_DEDUPES = 1 << 21,
	SIM_OVER_QUOTA = 1 << 22, /* APPEND, COPY, MOVE: NO, now and then */
	/* SELECT tells the UIDNEXT and HIGHESTMODSEQ that its messages have,
	   not those it gave out, as where an index was made anew: they fall,
	   and no UID is used again. */
	SIM_FALLING_NUMBERS = 1 << 23,
	/* The latest expunges are remembered, no more: of earlier ones VANISHED
	   (EARLIER) names every UID that is not there (RFC 7162, 5.3). */
	SIM_SHORT_MEMORY = 1 << 24,
	SIM_QUIRKS_ALL = (1 << 25) - 1,
	/* Those that are how the server is, not what it does now and then. */
	SIM_QUIRKS_LASTING = SIM_NO_APPENDUID | SIM_NO_COPYUID | SIM_NO_MODSEQ |
		SIM_REWRITES | SIM_WRONG_SIZE | SIM_NO_DATE_ON_COPY |
		SIM_STALE_STATUS | SIM_NO_KEYWORDS | SIM_MESSAGE_LIMIT |
		SIM_VISIBLE_STAR | SIM_SHORT_MEMORY,
};

/* With an empty INBOX. */
void sim_server_init(uint32_t abilities, uint32_t quirks);
void sim_server_finish(void);

/* ---- Connections, for sim_transport.c ---- */

struct sim_connection;
/* With the greeting waiting. NULL: the server is down. */
struct sim_connection *sim_connection_open(void);
/* Takes octets in; carries nothing out yet. */
void sim_connection_send(
	struct sim_connection *connection, const void *data, size_t size);
/* Carries out the next complete command (or takes the next literal, or ends
   IDLE); false when there is none. Asks the seam (SEAM_WIRE) around it. */
bool sim_connection_run(struct sim_connection *connection);
/* Octets that wait for the client: copies and takes at most `size`. */
size_t sim_connection_receive(
	struct sim_connection *connection, void *data, size_t size);
bool sim_connection_has_output(const struct sim_connection *connection);
/* In IDLE, and there is something to tell: it is put into the output. */
void sim_connection_notify(struct sim_connection *connection);
/* BYE or a broken line: after its output is read there is no more. */
bool sim_connection_is_closed(const struct sim_connection *connection);
/* By the client's side, or on the way: output is lost. */
bool sim_connection_is_cut(const struct sim_connection *connection);
/* The client is gone, now. What was not carried out has no effect, but for
   SIM_LATE_APPEND. The connection stays valid, as a closed one, until
   sim_server_finish(): this may be called again, and from within the seam or a
   hook. NULL is fine. */
void sim_connection_close(struct sim_connection *connection);
/* All of them: the client died, the line broke, or the server was restarted.
 */
void sim_server_drop_connections(void);
void sim_server_set_down(bool is_down);

/* ---- Acts of other clients and of the operator. No seam ---- */

struct sim_flags {
	uint32_t system; /* FLAG_ bits of base/flags.h */
	const char *const *keywords;
	size_t keyword_count;
};

struct sim_message {
	uint32_t uid;
	uint64_t modseq;
	uint32_t system_flags;
	char **keywords; /* sorted, NULL at the end; never NULL itself */
	int64_t internal_date;
	const uint8_t *body; /* CRLF line ends */
	size_t size;
	uint64_t instance; /* never reused: this stored copy. A MOVE keeps it */
	uint64_t email_id;
};

/* False: no such mailbox, or there is one already. Sessions that have it
   selected are told BYE when it is deleted or renumbered. */
bool sim_mailbox_create(const char *name, const char *special_use);
bool sim_mailbox_delete(const char *name);
bool sim_mailbox_rename(const char *from, const char *to);
bool sim_mailbox_can_rename(const char *from, const char *to);
/* The UID; 0 = no such mailbox. */
uint32_t sim_deliver(const char *name, const void *body, size_t size,
	uint32_t system_flags, int64_t internal_date);
bool sim_store(const char *name, uint32_t uid, uint32_t add, uint32_t remove,
	const char *added_keyword, const char *removed_keyword);
bool sim_expunge(const char *name, uint32_t uid);
bool sim_move(const char *from, uint32_t uid, const char *to);
bool sim_copy(const char *from, uint32_t uid, const char *to);
/* New UIDVALIDITY, new UIDs. */
bool sim_renumber(const char *name);
/* The whole server as it is now, and back to it: UIDNEXT and MODSEQ too.
   Putting it back drops all connections. */
struct sim_server_copy;
struct sim_server_copy *sim_server_copy_take(void);
void sim_server_copy_put(const struct sim_server_copy *copy);
void sim_server_copy_free(struct sim_server_copy *copy);
/* Late APPENDs that are still to come are stored now. */
void sim_server_settle(void);
/* Quirks from now on (a world that becomes quiet has none but the constant
   ones: NO_APPENDUID, NO_COPYUID, NO_MODSEQ, REWRITES, WRONG_SIZE,
   NO_DATE_ON_COPY, STALE_STATUS, NO_KEYWORDS, MESSAGE_LIMIT, VISIBLE_STAR,
   SHORT_MEMORY). */
void sim_server_set_quirks(uint32_t quirks);

/* ---- What a script wants, once ---- */

/* The next time the quirk may happen it does, whatever its bit. */
void sim_server_force(uint32_t quirk);
/* The next `count` commands of that name are answered NO [code] words, and have
   no effect. `code` NULL = none. Text is borrowed until sim_server_init(). */
void sim_server_refuse(
	const char *name, const char *code, const char *words, unsigned count);
/* So many commands go by before a late APPEND is stored; 0 = by chance. */
void sim_server_set_late_commands(uint32_t count);
/* May put another text in place of an answer (all of it, "tag OK" too) before
   it is sent: returns it, from malloc, or NULL to leave it. NULL = nobody. */
void sim_server_set_answer_hook(
	char *(*hook)(const char *name, const char *line, const char *answer));

/* ---- For checks ---- */

struct sim_mailbox {
	const char *name;
	uint32_t uid_validity, uid_next;
	uint64_t highest_modseq;
	bool has_no_modseq;
	size_t message_count;
	const struct sim_message *messages; /* by UID */
	size_t gone_count;
	const struct sim_gone {
		uint32_t uid;
		uint64_t modseq;
	} * gone; /* every expunge since the UIDVALIDITY, by MODSEQ */
};
/* Borrowed until anything changes. NULL = no such mailbox. */
const struct sim_mailbox *sim_mailbox(const char *name);
size_t sim_mailbox_count(void);
const struct sim_mailbox *sim_mailbox_at(size_t index); /* by name */

/* A command that is about to be carried out, for invariants on the wire; once
   for each message of an APPEND. Hooks may leave by longjmp. */
struct sim_command {
	const char *name;    /* "UID EXPUNGE", upper case */
	const char *line;    /* as sent, literals as {size}, no password */
	const char *mailbox; /* selected, or NULL */
	/* Of APPEND, COPY and MOVE: where to; NULL else. */
	const char *destination;
	/* Of an APPEND: what is stored. */
	const void *body;
	size_t body_size;
};
void sim_server_set_command_hook(
	void (*hook)(const struct sim_command *command));
/* Called before a message is stored, removed or its flags changed by a command
   of the product, but not for late APPENDs. Of an APPEND the message is what
   is to come: no keywords, MODSEQ and ids yet; `mailbox` is where it goes to,
   else where it is. `change`: "store", "expunge", "append", "copy", "move"; or
   "discard", when it was said to be stored and is thrown away. And, whoever
   does it, "reuse" for each of two messages that get one UID: for the first
   when it goes, for the second when it is there; "rewrite" for one that was
   changed when it was stored; "renumber" for one that gets another UID, but by
   a command of the product; and "late" for a late APPEND that is stored now. */
void sim_server_set_change_hook(void (*hook)(const char *change,
	const char *mailbox, const struct sim_message *message));
struct sim_server_counts {
	uint64_t commands, changes, bodies_out, bodies_in;
	uint64_t bads; /* wrong commands; none for what a client cannot know */
	/* Legal ones that this client must never send: EXPUNGE without UIDs,
	   FLAGS without a sign. */
	uint64_t forbidden;
	uint64_t falls; /* SELECTs that told numbers that had fallen */
};
void sim_server_counts(struct sim_server_counts *counts_out);
/* The last bad or forbidden command, and why; or NULL. Borrowed. */
const char *sim_server_last_bad(void);

#endif
