/* The client half of an IMAP connection without I/O: greeting, tags,
   capabilities, pipelining, literals, IDLE, authentication exchanges. The
   caller moves bytes between it and a socket:

     imap_session_receive() what was read, imap_session_next() until
     IMAP_EVENT_NONE, then write imap_session_output().

   One object per connection; nothing survives a reconnect. */
#ifndef PROTO_IMAP_SESSION_H
#define PROTO_IMAP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "proto/imap_command.h"
#include "proto/imap_parser.h"
#include "proto/imap_response.h"

/* Capabilities we know; decided per connection (they differ between
   connections of one account), never remembered. */
enum imap_capability {
	IMAP_CAP_IMAP4REV1 = 1 << 0,
	IMAP_CAP_IMAP4REV2 = 1 << 1,
	IMAP_CAP_STARTTLS = 1 << 2,
	IMAP_CAP_LOGINDISABLED = 1 << 3,
	IMAP_CAP_SASL_IR = 1 << 4,
	IMAP_CAP_ID = 1 << 5,
	IMAP_CAP_ENABLE = 1 << 6,
	IMAP_CAP_IDLE = 1 << 7,
	IMAP_CAP_NAMESPACE = 1 << 8,
	IMAP_CAP_UIDPLUS = 1 << 9,
	IMAP_CAP_MOVE = 1 << 10,
	IMAP_CAP_CONDSTORE = 1 << 11,
	IMAP_CAP_QRESYNC = 1 << 12,
	IMAP_CAP_ESEARCH = 1 << 13,
	IMAP_CAP_LIST_EXTENDED = 1 << 14,
	IMAP_CAP_LIST_STATUS = 1 << 15,
	IMAP_CAP_SPECIAL_USE = 1 << 16,
	IMAP_CAP_LITERAL_PLUS = 1 << 17,
	IMAP_CAP_LITERAL_MINUS = 1 << 18,
	IMAP_CAP_UNSELECT = 1 << 19,
	IMAP_CAP_MULTIAPPEND = 1 << 20,
	IMAP_CAP_OBJECTID = 1 << 21,
	IMAP_CAP_APPENDLIMIT = 1 << 22,
	IMAP_CAP_COMPRESS_DEFLATE = 1 << 23,
	IMAP_CAP_NOTIFY = 1 << 24,
	IMAP_CAP_GMAIL = 1 << 25, /* X-GM-EXT-1 */
};

enum imap_session_state {
	IMAP_SESSION_GREETING,
	IMAP_SESSION_NOT_AUTHENTICATED,
	IMAP_SESSION_AUTHENTICATED,
	IMAP_SESSION_SELECTED,
	IMAP_SESSION_LOGOUT, /* BYE seen */
};

enum imap_event_kind {
	IMAP_EVENT_NONE,     /* feed more bytes */
	IMAP_EVENT_GREETING, /* status in `response`; state is set */
	/* Untagged data in `response`; what is unknown only when broken. */
	IMAP_EVENT_RESPONSE,
	IMAP_EVENT_LITERAL, /* piece of a body in `literal` */
	/* The command with `command_id` ended; `response` is the tagged one. */
	IMAP_EVENT_DONE,
	/* AUTHENTICATE: decoded challenge in `challenge`; answer with
	   imap_session_answer(). */
	IMAP_EVENT_CHALLENGE,
	/* APPEND: the server is ready for the literal's bytes; hand them in
	   with imap_session_append_data(). Without LITERAL+ to wait for, this
	   comes from imap_session_next() right after the submit, so call it
	   then too. A literal of no octets is not asked for. */
	IMAP_EVENT_LITERAL_WANTED,
	IMAP_EVENT_IDLING, /* the + of IDLE came */
	IMAP_EVENT_ERROR,  /* `error` is set; close the connection */
};

struct imap_event {
	enum imap_event_kind kind;
	uint32_t command_id; /* DONE, CHALLENGE, LITERAL_WANTED, IDLING */
	const struct imap_response *response;
	const struct imap_literal *literal;
	const uint8_t *challenge;
	size_t challenge_size;
};

struct imap_session_options {
	struct imap_limits limits;
	const char *tag_prefix; /* unpredictable, 1 to 8 letters; copied */
	/* Extensions to act as if absent, comma-free words; copied. */
	const char *const *disable;
	size_t disable_count;
	unsigned pipeline_max; /* commands in flight; 0 = 20 */
	/* TLS is up already, or not needed. While false only CAPABILITY, ID,
	   STARTTLS and LOGOUT may be submitted (anything else is an error at
	   imap_session_next()), and only capabilities and status lines are
	   listened to. */
	bool is_secure;
};

struct imap_session *imap_session_new(
	const struct imap_session_options *options);
void imap_session_free(struct imap_session *session);

/* Bytes from the server; borrowed until imap_session_next() says NONE. */
void imap_session_receive(
	struct imap_session *session, const uint8_t *data, size_t size);

/* The connection ended without BYE: nothing is written any more, and refusals
   that waited for the end of a literal are told by imap_session_next(). */
void imap_session_closed(struct imap_session *session);

/* The next thing that happened; pointers in `*event` live until the next
   call. Do not call receive or free from within handling an event's data. */
enum imap_event_kind imap_session_next(struct imap_session *session,
	struct imap_event *event, struct error *error) MUST_CHECK;

/* Bytes to write now, borrowed until the next call; 0 = nothing. */
size_t imap_session_output(
	struct imap_session *session, const uint8_t **data_out);
void imap_session_sent(struct imap_session *session, size_t size);

/* Queues a command; the session owns it from here. Returns its id, never 0.
   It is written as soon as the pipeline bound, literals that wait for a
   continuation and the RFC's ordering rules allow. */
uint32_t imap_session_submit(
	struct imap_session *session, struct imap_command *command) MUST_CHECK;
/* Commands queued or in flight. */
size_t imap_session_pending_count(const struct imap_session *session);

/* Answers a challenge; encoded to base64 here and wiped after writing. */
void imap_session_answer(
	struct imap_session *session, const uint8_t *data, size_t size);
/* "*": gives the exchange up (RFC 9051, 6.2.2). */
void imap_session_cancel_authentication(struct imap_session *session);

/* The next bytes of a literal announced by size (imap_command_add_stream);
   exactly the announced number must come. Returns octets not yet taken by
   imap_session_output(), so that the caller can stay below a bound. */
size_t imap_session_append_data(
	struct imap_session *session, const uint8_t *data, size_t size);
/* True while a streamed literal's bytes are due, also when the server refused
   the command meanwhile: DONE comes when they are all sent. */
bool imap_session_wants_data(const struct imap_session *session);

/* DONE (RFC 2177). Only after IMAP_EVENT_IDLING; without effect when the
   server ended IDLE by itself. Other commands wait until then. */
void imap_session_idle_done(struct imap_session *session);

enum imap_session_state imap_session_state(const struct imap_session *session);
bool imap_session_has(
	const struct imap_session *session, enum imap_capability capability);
/* Capability words as sent, upper case, space-separated; borrowed. Disabled
   ones are left out. "" when the server has not told. */
const char *imap_session_capabilities(const struct imap_session *session);
bool imap_session_knows_capabilities(const struct imap_session *session);
/* "AUTH=" mechanism offered, by upper-case name. */
bool imap_session_has_auth(
	const struct imap_session *session, const char *mechanism);
/* APPENDLIMIT=n, or 0. */
uint64_t imap_session_append_limit(const struct imap_session *session);
/* MESSAGELIMIT=n (RFC 9738), or 0. */
uint64_t imap_session_message_limit(const struct imap_session *session);
/* What ENABLE switched on (only what ENABLED listed). */
bool imap_session_is_enabled(
	const struct imap_session *session, enum imap_capability capability);

/* After the tagged OK of STARTTLS, when the handshake is done: forgets
   capabilities and everything else learned in plaintext. Fails when bytes were
   already buffered behind that OK: an injection. */
bool imap_session_tls_started(
	struct imap_session *session, struct error *error) MUST_CHECK;
/* After the tagged OK of COMPRESS, before the next receive: the bytes behind
   it, which belong to the deflate stream. Borrowed from what was received, and
   gone from the session, which goes on from here. */
size_t imap_session_take_pending(
	struct imap_session *session, const uint8_t **data_out);

#endif
