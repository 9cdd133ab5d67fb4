/* The inside of a session, shared by imap_session.c (what the caller sees),
   imap_session_write.c (what goes out) and imap_session_read.c (what comes
   in). */
#ifndef PROTO_IMAP_SESSION_PRIVATE_H
#define PROTO_IMAP_SESSION_PRIVATE_H

#include "proto/imap_capability.h"
#include "proto/imap_command_parts.h"
#include "proto/imap_session.h"

#define TAG_PREFIX_SIZE_MAX 8
#define CHALLENGE_SIZE_MAX  12288 /* octets, decoded */
#define PIPELINE_DEFAULT    20

/* A command from submit to its tagged response. */
struct exchange {
	struct exchange *next;
	struct imap_command *command;
	uint32_t id;
	char tag[IMAP_TAG_SIZE_MAX];
	bool is_started;
	size_t part_index;      /* the part to write */
	bool is_header_written; /* "{n}" of that part */
	bool is_waiting;        /* for the + of a literal */
	bool is_written;        /* nothing is left to write */
	bool has_idled;         /* the + of IDLE came */
	/* Output offset of its last octet so far: a server that answers
	   before these were sent answers something else. */
	uint64_t end_offset;
	/* A NO or BAD that came before all was sent, to be told later. */
	bool is_refused;
	struct imap_response refusal;
	char *refusal_text;
	char *refusal_code;
};

struct imap_session {
	struct imap_parser *parser;
	struct imap_limits limits;
	struct imap_capability_filter filter;
	struct imap_capabilities capabilities;
	uint32_t enabled;
	enum imap_session_state state;
	bool is_secure;
	struct error failure; /* ERROR_NONE while all is well */

	/* What was received last; the parser tells how much is unused. */
	const uint8_t *input;
	size_t input_size;

	struct buf output;
	size_t output_used;    /* octets of it already sent */
	uint64_t queued_total; /* octets ever put into output */
	uint64_t sent_total;
	bool is_output_secret;

	char tag_prefix[TAG_PREFIX_SIZE_MAX + 1];
	unsigned pipeline_max;
	uint32_t last_id;
	struct exchange *first;      /* oldest; started ones come first */
	struct exchange **last_link; /* where the next one is linked */
	size_t pending_count;
	size_t in_flight_count;
	struct exchange *writing; /* the one being written, or NULL */
	/* STARTTLS, COMPRESS, LOGIN, AUTHENTICATE, IDLE or LOGOUT under way:
	   nothing else is written. */
	struct exchange *blocker;
	struct exchange *finished; /* told in the last event */

	bool is_data_due;       /* of a stream part */
	bool is_data_announced; /* by LITERAL_WANTED */
	uint64_t data_left;
	bool is_challenged; /* an answer is due */
	struct buf challenge;
	bool is_idling;
	bool has_new_capabilities; /* came while logging in */
	/* The stream changes its form here: TLS or DEFLATE follows. */
	enum {
		HALT_NONE,
		HALT_TLS,
		HALT_COMPRESS
	} halt;
};

bool session_has_failed(const struct imap_session *session);
/* Keeps the first failure. */
void session_fail(struct imap_session *session, enum error_code code,
	const char *format, ...) PRINTF_LIKE(3, 4);

/* Writes all that may be written now. */
void session_pump(struct imap_session *session);
/* All of it, or all up to the literal it waits with, was sent. */
bool exchange_is_sent(
	const struct imap_session *session, const struct exchange *exchange);
/* The + of a literal came. */
void session_continue_literal(struct imap_session *session);
/* `data` in base64 and a line end. */
void session_write_answer(
	struct imap_session *session, const uint8_t *data, size_t size);
/* Takes it out of the queue; it lives until the next event. */
void session_finish_exchange(
	struct imap_session *session, struct exchange *exchange);
void exchange_free(struct exchange *exchange);

/* True when the response is an event, which is then filled in. */
bool session_handle_response(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event);
/* A refusal whose command was sent to its end meanwhile. */
bool session_handle_refusal(
	struct imap_session *session, struct imap_event *event);

#endif
