/* The inside of the server in memory, shared by sim_server*.c.

   Memory comes from malloc directly, never from base/alloc: it must outlive a
   crash of the product, whatever that does to the product's heap. For the same
   reason nothing is owned by the stack while the seam is asked: that call may
   not return. */
#ifndef TESTS_SIM_SIM_SERVER_INTERNAL_H
#define TESTS_SIM_SIM_SERVER_INTERNAL_H

#include "base/compiler.h"
#include "base/flags.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_server.h"

#define SIM_NAME_SIZE    256 /* of a mailbox, NUL included */
#define SIM_KEYWORD_SIZE 65
#define SIM_KEYWORDS_MAX 64
#define SIM_LINE_MAX     8192 /* octets of a command, literals left out */
#define SIM_LITERAL_MAX  (64 << 20)
#define SIM_TAG_SIZE     32
#define SIM_WORD_SIZE    32 /* of a command's name */

/* ---- Text and sets (sim_server_text.c) ---- */

/* Octets that grow; NUL-terminated for convenience. Zeroed is empty. */
struct sim_text {
	char *data;
	size_t size, capacity;
};
void *sim_alloc(size_t count, size_t size) MUST_CHECK; /* zeroed */
void *sim_resize(void *memory, size_t count, size_t size) MUST_CHECK;
char *sim_copy_text(const char *text) MUST_CHECK;
void sim_text_reserve(struct sim_text *text, size_t size);
void sim_text_add(struct sim_text *text, const void *data, size_t size);
void sim_text_put(struct sim_text *text, const char *words);
void sim_text_format(struct sim_text *text, const char *format, ...)
	PRINTF_LIKE(2, 3);
/* "a\"b" */
void sim_text_quote(struct sim_text *text, const char *words);
void sim_text_clear(struct sim_text *text);
void sim_text_finish(struct sim_text *text);

/* A sequence-set or a uid-set, in the order it was given. Zeroed is empty. */
struct sim_set {
	struct sim_range {
		uint32_t first, last;
	} * ranges;
	size_t count, capacity;
};
/* Joins the last range where it can. */
void sim_set_add(struct sim_set *set, uint32_t number);
void sim_set_add_range(struct sim_set *set, uint32_t first, uint32_t last);
bool sim_set_contains(const struct sim_set *set, uint32_t number);
void sim_set_write(const struct sim_set *set, struct sim_text *text);
void sim_set_finish(struct sim_set *set);

/* ---- Parsing (sim_server_parse.c): strict, RFC 9051, 9 ---- */

/* The octets of a command, literals in their places. The first thing that is
   wrong makes it bad for good, with the reason. */
struct sim_cursor {
	const char *data;
	size_t size, position;
	const char *reason; /* NULL while all is well */
	bool has_literal_plus;
};

struct sim_flag_list {
	uint32_t system;
	size_t count;
	char keywords[SIM_KEYWORDS_MAX][SIM_KEYWORD_SIZE];
};

bool sim_bad(struct sim_cursor *cursor, const char *reason); /* false */
bool sim_is_next(const struct sim_cursor *cursor, const char *words);
/* Takes the words if they are next, whatever their case. */
bool sim_take(struct sim_cursor *cursor, const char *words);
bool sim_expect(struct sim_cursor *cursor, const char *words);
bool sim_take_atom(struct sim_cursor *cursor, char *atom_out, size_t size);
/* astring; at most `size` - 1 octets, without NUL. */
bool sim_take_string(struct sim_cursor *cursor, char *string_out, size_t size);
bool sim_take_mailbox(struct sim_cursor *cursor, char name_out[SIM_NAME_SIZE]);
/* list-mailbox: wildcards may stand outside of quotes. */
bool sim_take_pattern(
	struct sim_cursor *cursor, char pattern_out[SIM_NAME_SIZE]);
bool sim_take_literal(
	struct sim_cursor *cursor, const char **data_out, size_t *size_out);
bool sim_take_u32(struct sim_cursor *cursor, uint32_t *number_out);
bool sim_take_u64(struct sim_cursor *cursor, uint64_t *number_out);
/* `star` is what "*" stands for; 0 = it may not stand here. */
bool sim_take_set(
	struct sim_cursor *cursor, uint32_t star, struct sim_set *set_out);
bool sim_take_flags(struct sim_cursor *cursor, struct sim_flag_list *flags_out);
bool sim_take_date(struct sim_cursor *cursor, int64_t *seconds_out);
/* Nothing but the line's end follows. */
bool sim_take_end(struct sim_cursor *cursor);
/* The "{size}" or "{size+}" that ends a line of `size` octets. */
bool sim_find_literal(const char *line, size_t size, uint64_t *size_out,
	bool *is_waited_for_out);

/* ---- The store (sim_server_store.c, sim_server_message.c) ---- */

struct server_mailbox {
	struct sim_mailbox shown; /* for checks; its name is ours */
	struct sim_message *messages;
	size_t message_capacity;
	struct sim_gone *gone;
	size_t gone_capacity;
	uint64_t clock; /* one more for every change, expunges too */
	uint64_t id;    /* MAILBOXID */
	char *special_use;
	bool is_subscribed;
};

struct late_append {
	struct late_append *next;
	char mailbox[SIM_NAME_SIZE];
	struct sim_flag_list flags;
	int64_t internal_date;
	struct sim_text body;
	uint32_t command_count; /* until it is stored */
};

struct sim_connection;

struct server {
	uint32_t abilities, quirks;
	struct server_mailbox **mailboxes; /* by name */
	size_t mailbox_count, mailbox_capacity;
	uint32_t next_uid_validity;
	uint64_t next_instance, next_email_id, next_mailbox_id;
	uint32_t message_limit;
	uint32_t forced;        /* quirks: once */
	uint32_t late_commands; /* 0 = by chance */
	struct refusal {
		const char *name, *code, *words;
		unsigned count;
	} refusal;
	char *(*answer_hook)(
		const char *name, const char *line, const char *answer);
	struct late_append *late;
	struct sim_connection *connections; /* every one there ever was */
	unsigned connection_count;
	bool is_down;
	struct sim_server_counts counts;
	struct sim_text last_bad;
	void (*command_hook)(const struct sim_command *command);
	void (*change_hook)(const char *change, const char *mailbox,
		const struct sim_message *message);
};
extern struct server server;

/* One time in `odds`, where the quirk is on. */
bool sim_chance(uint32_t quirk, uint32_t odds, const char *what);
/* It may happen at all. */
bool sim_is_possible(uint32_t quirk);
/* sim_server_refuse() wants this one refused; done. */
bool sim_refuse_as_wanted(struct sim_connection *connection, const char *name);
bool sim_has(uint32_t ability);

struct server_mailbox *server_find(const char *name);
struct server_mailbox *server_create(const char *name);
bool server_delete(const char *name);
bool server_rename(const char *from, const char *to);
void server_clear(void); /* all mailboxes */

struct sim_message *server_message(
	struct server_mailbox *mailbox, uint32_t uid);
/* What a new message is made of. */
struct server_draft {
	const void *body;
	size_t size;
	const struct sim_flag_list *flags;
	int64_t internal_date;
	bool is_rewritten; /* SIM_REWRITES applies */
};
uint32_t server_add(
	struct server_mailbox *mailbox, const struct server_draft *draft);
/* A copy with a UID of its own; `is_move`: the same instance. */
uint32_t server_add_copy(struct server_mailbox *mailbox,
	const struct sim_message *message, bool is_move);
void server_expunge(struct server_mailbox *mailbox, uint32_t uid);
/* Whether anything changed; then it has a new MODSEQ. */
bool server_change_flags(struct server_mailbox *mailbox,
	struct sim_message *message, const struct sim_flag_list *add,
	const struct sim_flag_list *remove);
bool server_has_keyword(const struct sim_message *message, const char *keyword);
/* The message gets a new UID, as if it had gone and come. */
void server_reissue(struct server_mailbox *mailbox, uint32_t uid);
void server_renumber(struct server_mailbox *mailbox);
void server_mailbox_free(struct server_mailbox *mailbox);
struct server_mailbox *server_mailbox_copy(
	const struct server_mailbox *mailbox);
void server_count_late(void);

/* ---- Connections (sim_server_wire.c) ---- */

enum session_state {
	SESSION_NEW = 1 << 0,
	SESSION_AUTHENTICATED = 1 << 1,
	SESSION_SELECTED = 1 << 2,
};

enum awaited {
	AWAITS_COMMAND,
	AWAITS_CREDENTIALS, /* of AUTHENTICATE */
	AWAITS_DONE,        /* of IDLE */
};

enum answer_status {
	ANSWER_OK,
	ANSWER_NO,
	ANSWER_BAD,
	ANSWER_NONE, /* not yet: IDLE, AUTHENTICATE */
};

/* What the client was told of a message. */
struct view_entry {
	uint32_t uid;
	uint64_t instance;
	uint64_t modseq; /* of the flags it knows */
};

struct append_part {
	struct sim_flag_list flags;
	int64_t internal_date;
	const char *body; /* in `input` */
	size_t size;
};

struct sim_connection {
	struct sim_connection *next;
	unsigned number;
	bool is_running; /* or was, when the product was killed */
	bool is_over;    /* the server hung up */
	bool is_cut;     /* the client is gone */
	bool is_evicted; /* the selected mailbox is no more */
	enum session_state state;
	enum awaited awaited;
	bool is_condstore, is_qresync, is_read_only;

	/* What came, from the first octet of the next command on. */
	struct sim_text input;
	size_t line_start;  /* of the line that is looked for the end of */
	size_t literal_end; /* 0 = no literal is awaited */
	uint64_t input_total, output_total, read_total;
	/* Octets of commands up to here were sent before the client could know
	   that its SELECT failed. */
	uint64_t excused_input, excused_output;
	struct sim_text output; /* from output_read on it waits */
	size_t output_read;

	/* The command that is carried out. */
	struct sim_cursor cursor;
	char tag[SIM_TAG_SIZE];
	char name[SIM_WORD_SIZE];
	char destination[SIM_NAME_SIZE];
	char other_name[SIM_NAME_SIZE];
	struct sim_text line; /* for hook and log */
	bool is_uid;
	bool may_expunge; /* untagged EXPUNGE is legal at its end */
	bool may_move;    /* what is copied goes away */
	bool has_begun;   /* its effect may be there */
	struct sim_text answer;
	enum answer_status status;
	struct sim_text code; /* behind the status, without brackets */
	const char *words;
	struct sim_text scratch;
	struct sim_set set; /* what it names */
	struct sim_set from, to;
	struct sim_flag_list flags;
	struct append_part *parts;
	size_t part_count, part_capacity;

	/* The session's view of the selected mailbox. */
	struct server_mailbox *mailbox;
	struct view_entry *view;
	size_t view_count, view_capacity;
	uint64_t seen_clock; /* the view is of this moment */
	bool is_late;        /* expunges were kept back once */
	/* As of that moment, for SIM_STALE_STATUS. */
	uint32_t seen_count, seen_uid_next, seen_unseen;
	uint64_t seen_modseq;
};

/* Those that have the mailbox selected lose it. */
void sim_evict(const struct server_mailbox *mailbox);
/* "* BYE …", and no more. */
void sim_say_bye(struct sim_connection *connection, const char *words);
/* Octets of an APPEND that was never carried out: what is whole may come late.
 */
void sim_note_dead_append(struct sim_connection *connection);

/* ---- Commands (sim_server_command.c) ---- */

/* Carries out the command that the cursor is at; fills answer. */
void sim_carry_out(struct sim_connection *connection);
void sim_take_credentials(struct sim_connection *connection);
void sim_take_done(struct sim_connection *connection);
/* "+", or the early refusal of a literal. */
void sim_welcome_literal(struct sim_connection *connection, uint64_t size);

/* Between parsing and doing: is the line at its end and well-formed? Then asks
   the seam and the quirks. False: the answer is settled, do nothing. */
bool sim_begin(struct sim_connection *connection);
/* Once more, for each message of an APPEND. */
void sim_call_command_hook(
	struct sim_connection *connection, const void *body, size_t size);
void sim_call_change_hook(const char *change,
	const struct server_mailbox *mailbox,
	const struct sim_message *message);
/* NO, with a code or NULL. */
void sim_refuse(
	struct sim_connection *connection, const char *code, const char *words);
/* BAD, counted. */
void sim_reject(struct sim_connection *connection, const char *reason);
/* BAD that the client could not foresee: not counted. */
void sim_reject_gently(struct sim_connection *connection, const char *words);
/* Of what would store something: refused, now and then. */
bool sim_is_over_quota(struct sim_connection *connection);
void sim_count_forbidden(struct sim_connection *connection, const char *what);

/* One function each; the cursor stands behind the command's name. */
void sim_do_select(struct sim_connection *connection);
void sim_do_unselect(struct sim_connection *connection);
void sim_do_list(struct sim_connection *connection);
void sim_do_status(struct sim_connection *connection);
void sim_do_create(struct sim_connection *connection);
void sim_do_delete(struct sim_connection *connection);
void sim_do_rename(struct sim_connection *connection);
void sim_do_subscribe(struct sim_connection *connection);
void sim_do_fetch(struct sim_connection *connection);
void sim_do_search(struct sim_connection *connection);
void sim_do_store(struct sim_connection *connection);
void sim_do_copy(struct sim_connection *connection);
void sim_do_move(struct sim_connection *connection);
void sim_do_expunge(struct sim_connection *connection);
void sim_do_append(struct sim_connection *connection);

/* mailbox SP [flags SP] [date SP] literal …, as far as it is there. True when
   the command is whole. */
bool sim_parse_append(struct sim_connection *connection);

/* "* VANISHED (EARLIER) …": what of connection->set, or of all, is gone since.
 */
void sim_write_earlier(
	struct sim_connection *connection, uint64_t modseq, bool names_all);

/* ---- The view (sim_server_view.c) ---- */

void sim_view_open(
	struct sim_connection *connection, struct server_mailbox *mailbox);
void sim_view_close(struct sim_connection *connection);
/* EXPUNGE or VANISHED (where it may be told), EXISTS, FETCH. */
void sim_view_tell(struct sim_connection *connection, bool may_expunge);
bool sim_view_has_news(const struct sim_connection *connection);
/* The live message of an entry; NULL when it is gone. */
struct sim_message *sim_view_message(
	const struct sim_connection *connection, size_t index);
/* What "*" stands for. */
uint32_t sim_view_star(const struct sim_connection *connection, bool is_uid);
/* Is the entry named by connection->set? */
bool sim_view_is_named(const struct sim_connection *connection, size_t index);
/* The first entry to work on when all named from `index` 0 on are too many
   (RFC 9738); sets the code then. */
size_t sim_view_limit(struct sim_connection *connection);
void sim_write_flags(struct sim_text *text, const struct sim_message *message);

#endif
