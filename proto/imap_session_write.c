/* What goes out. One command is written at a time, part by part; a part that
   must wait (for a +, for the caller's bytes) stops everything behind it
   (RFC 9051, 5.5). */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/base64.h"
#include "proto/imap_session_private.h"

/* Literals that need no + (RFC 7888): small ones only, so that a server can
   refuse the others before they are sent. */
#define LITERAL_PLUS_SIZE_MAX  65536
#define LITERAL_MINUS_SIZE_MAX 4096

#define OUTPUT_KEEP_MAX 65536 /* sent octets kept before moving the rest */

/* Growing by copy, so that no secret is left behind in freed memory. */
static void grow_secretly(struct buf *output, size_t size)
{
	struct buf grown;

	if (output->capacity > output->size + size)
		return;
	buf_init(&grown);
	buf_reserve(&grown, 2 * (output->size + size));
	buf_add(&grown, output->data, output->size);
	buf_finish_secret(output);
	*output = grown;
}

static void write_octets(
	struct imap_session *session, const void *data, size_t size)
{
	if (session->is_output_secret)
		grow_secretly(&session->output, size);
	buf_add(&session->output, data, size);
	session->queued_total += size;
}

static void write_text(struct imap_session *session, const char *text)
{
	write_octets(session, text, strlen(text));
}

static void begin_secret(struct imap_session *session)
{
	session->is_output_secret = true;
}

size_t imap_session_output(
	struct imap_session *session, const uint8_t **data_out)
{
	size_t size;

	session_pump(session);
	size = session->output.size - session->output_used;
	*data_out = (const uint8_t *)buf_text(&session->output) +
		session->output_used;
	return session_has_failed(session) ? 0 : size;
}

void imap_session_sent(struct imap_session *session, size_t size)
{
	assert(size <= session->output.size - session->output_used);
	session->output_used += size;
	session->sent_total += size;

	if (session->output_used == session->output.size) {
		if (session->is_output_secret)
			buf_finish_secret(&session->output);
		else
			buf_clear(&session->output);
		session->is_output_secret = false;
		session->output_used = 0;
		return;
	}
	if (session->output_used >= OUTPUT_KEEP_MAX &&
		session->output_used >= session->output.size / 2) {
		buf_consume(&session->output, session->output_used);
		session->output_used = 0;
	}
}

bool exchange_is_sent(
	const struct imap_session *session, const struct exchange *exchange)
{
	return (exchange->is_written || exchange->is_waiting) &&
		session->sent_total >= exchange->end_offset;
}

static uint64_t literal_size(const struct imap_part *part)
{
	return part->kind == IMAP_PART_STREAM ? part->stream_size
					      : part->data.size;
}

static bool needs_continuation(
	const struct imap_session *session, uint64_t size)
{
	if (imap_session_has(session, IMAP_CAP_LITERAL_PLUS))
		return size > LITERAL_PLUS_SIZE_MAX;
	if (imap_session_has(session, IMAP_CAP_LITERAL_MINUS))
		return size > LITERAL_MINUS_SIZE_MAX;
	return true;
}

static void write_literal_header(
	struct imap_session *session, struct exchange *exchange, uint64_t size)
{
	bool is_waiting = needs_continuation(session, size);
	char header[32];

	(void)snprintf(header, sizeof(header), "{%" PRIu64 "%s}\r\n", size,
		is_waiting ? "" : "+");
	write_text(session, header);
	exchange->is_header_written = true;
	exchange->is_waiting = is_waiting;
	exchange->end_offset = session->queued_total;
}

static void next_part(struct exchange *exchange)
{
	exchange->part_index++;
	exchange->is_header_written = false;
}

/* False when it has to wait. */
static bool write_stream(struct imap_session *session,
	struct exchange *exchange, const struct imap_part *part)
{
	if (session->is_data_due)
		return false;
	if (part->stream_size == 0) {
		next_part(exchange);
		return true;
	}
	session->is_data_due = true;
	session->is_data_announced = false;
	session->data_left = part->stream_size;
	return false;
}

/* False when it has to wait. */
static bool write_part(struct imap_session *session, struct exchange *exchange,
	const struct imap_part *part)
{
	if (part->is_secret)
		begin_secret(session);
	if (part->kind == IMAP_PART_TEXT) {
		write_octets(session, part->data.data, part->data.size);
		next_part(exchange);
		return true;
	}
	if (!exchange->is_header_written)
		write_literal_header(session, exchange, literal_size(part));
	if (exchange->is_waiting)
		return false;
	if (part->kind == IMAP_PART_STREAM)
		return write_stream(session, exchange, part);

	write_octets(session, part->data.data, part->data.size);
	next_part(exchange);
	return true;
}

/* The initial response goes on the command line with SASL-IR (RFC 4959) and
   while the line stays short; else it answers the first challenge. */
static void write_initial_response(
	struct imap_session *session, struct imap_command *command)
{
	size_t size = base64_encoded_size(command->initial_response.size);
	struct buf text;

	if (!command->has_initial_response ||
		!imap_session_has(session, IMAP_CAP_SASL_IR) ||
		command->line_size + size + IMAP_TAG_SIZE_MAX >=
			IMAP_COMMAND_LINE_MAX)
		return;

	buf_init(&text);
	buf_reserve(&text, size + 2);
	buf_add_byte(&text, ' ');
	if (size == 0)
		buf_add_byte(&text, '=');
	base64_encode(command->initial_response.data,
		command->initial_response.size, &text);
	begin_secret(session);
	write_octets(session, text.data, text.size);
	buf_finish_secret(&text);
	command->has_initial_response = false;
}

static void finish_writing(
	struct imap_session *session, struct exchange *exchange)
{
	if (exchange->command->kind == IMAP_COMMAND_AUTHENTICATE)
		write_initial_response(session, exchange->command);
	write_text(session, "\r\n");
	exchange->is_written = true;
	exchange->end_offset = session->queued_total;
	session->writing = NULL;
}

/* False when it has to wait. */
static bool write_exchange(
	struct imap_session *session, struct exchange *exchange)
{
	struct imap_command *command = exchange->command;

	while (exchange->part_index < command->part_count) {
		/* Refused while a literal was on its way: the line ends
		   behind that literal, the rest is never sent. */
		if (exchange->is_refused && !exchange->is_header_written)
			break;
		if (!write_part(session, exchange,
			    &command->parts[exchange->part_index]))
			return false;
	}
	finish_writing(session, exchange);
	return true;
}

static bool blocks(enum imap_command_kind kind)
{
	return kind == IMAP_COMMAND_STARTTLS || kind == IMAP_COMMAND_COMPRESS ||
		kind == IMAP_COMMAND_LOGIN ||
		kind == IMAP_COMMAND_AUTHENTICATE ||
		kind == IMAP_COMMAND_IDLE || kind == IMAP_COMMAND_LOGOUT;
}

/* What voids capabilities starts when no answer is under way that could be
   taken for one of its own. */
static bool starts_alone(enum imap_command_kind kind)
{
	return kind == IMAP_COMMAND_STARTTLS || kind == IMAP_COMMAND_LOGIN ||
		kind == IMAP_COMMAND_AUTHENTICATE;
}

static struct exchange *next_to_start(const struct imap_session *session)
{
	struct exchange *exchange = session->first;

	while (exchange != NULL && exchange->is_started)
		exchange = exchange->next;
	if (exchange == NULL || session->blocker != NULL ||
		session->in_flight_count >= session->pipeline_max)
		return NULL;
	if (starts_alone(exchange->command->kind) &&
		session->in_flight_count > 0)
		return NULL;
	return exchange;
}

static bool start_next(struct imap_session *session)
{
	struct exchange *exchange = next_to_start(session);

	if (exchange == NULL)
		return false;

	exchange->is_started = true;
	session->in_flight_count++;
	session->writing = exchange;
	if (blocks(exchange->command->kind))
		session->blocker = exchange;
	if (starts_alone(exchange->command->kind))
		session->has_new_capabilities = false;
	if (exchange->command->kind == IMAP_COMMAND_LOGIN)
		begin_secret(session);
	write_text(session, exchange->tag);
	write_text(session, " ");
	return true;
}

void session_pump(struct imap_session *session)
{
	if (session_has_failed(session) || session->halt != HALT_NONE ||
		session->state == IMAP_SESSION_GREETING ||
		session->state == IMAP_SESSION_LOGOUT)
		return;

	do {
		if (session->writing != NULL &&
			!write_exchange(session, session->writing))
			return;
	} while (start_next(session));
}

void session_continue_literal(struct imap_session *session)
{
	session->writing->is_waiting = false;
	session_pump(session);
}

void session_write_answer(
	struct imap_session *session, const uint8_t *data, size_t size)
{
	struct buf text;

	buf_init(&text);
	buf_reserve(&text, base64_encoded_size(size) + 2);
	base64_encode(data, size, &text);
	buf_add_text(&text, "\r\n");
	begin_secret(session);
	write_octets(session, text.data, text.size);
	buf_finish_secret(&text);
	session->blocker->end_offset = session->queued_total;
}

void imap_session_answer(
	struct imap_session *session, const uint8_t *data, size_t size)
{
	/* The exchange may have ended since the challenge was told. */
	if (!session->is_challenged || session_has_failed(session))
		return;
	session->is_challenged = false;
	session_write_answer(session, data, size);
}

void imap_session_cancel_authentication(struct imap_session *session)
{
	if (!session->is_challenged || session_has_failed(session))
		return;
	session->is_challenged = false;
	write_text(session, "*\r\n");
	session->blocker->end_offset = session->queued_total;
}

bool imap_session_wants_data(const struct imap_session *session)
{
	return session->is_data_due && !session_has_failed(session) &&
		session->state != IMAP_SESSION_LOGOUT;
}

size_t imap_session_append_data(
	struct imap_session *session, const uint8_t *data, size_t size)
{
	if (session->state == IMAP_SESSION_LOGOUT)
		return 0;
	/* More octets than announced would be read as commands. */
	if (!session->is_data_due || size > session->data_left) {
		session_fail(session, ERROR_PROTOCOL,
			"a literal is longer than announced");
		return 0;
	}

	write_octets(session, data, size);
	session->data_left -= size;
	if (session->data_left == 0) {
		session->is_data_due = false;
		next_part(session->writing);
		session_pump(session);
	}
	return session->output.size - session->output_used;
}

void imap_session_idle_done(struct imap_session *session)
{
	if (!session->is_idling || session_has_failed(session))
		return;
	session->is_idling = false;
	/* A server may end IDLE by itself, and its OK cross our DONE: so that
	   OK counts, and what the DONE then earns is an unknown tag. */
	write_text(session, "DONE\r\n");
}
