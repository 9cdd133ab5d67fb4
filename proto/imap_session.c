#include "proto/imap_session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/imap_session_private.h"

static bool is_tag_prefix(const char *text)
{
	size_t size = strlen(text);

	if (size == 0 || size > TAG_PREFIX_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if ((text[i] < 'a' || text[i] > 'z') &&
			(text[i] < 'A' || text[i] > 'Z'))
			return false;
	}
	return true;
}

struct imap_session *imap_session_new(
	const struct imap_session_options *options)
{
	struct imap_session *session = alloc(1, sizeof(*session));

	/* Ours, never input; a tag that could hold more would inject. */
	if (!is_tag_prefix(options->tag_prefix))
		abort();
	(void)snprintf(session->tag_prefix, sizeof(session->tag_prefix), "%s",
		options->tag_prefix);
	session->limits = options->limits;
	session->parser = imap_parser_new(&session->limits);
	imap_capability_filter_init(
		&session->filter, options->disable, options->disable_count);
	session->pipeline_max = options->pipeline_max != 0
		? options->pipeline_max
		: PIPELINE_DEFAULT;
	session->is_secure = options->is_secure;
	session->last_link = &session->first;
	return session;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	imap_command_free(exchange->command);
	free(exchange->refusal_text);
	free(exchange->refusal_code);
	free(exchange);
}

void imap_session_free(struct imap_session *session)
{
	if (session == NULL)
		return;

	while (session->first != NULL) {
		struct exchange *next = session->first->next;

		exchange_free(session->first);
		session->first = next;
	}
	exchange_free(session->finished);
	imap_parser_free(session->parser);
	imap_capability_filter_finish(&session->filter);
	imap_capabilities_finish(&session->capabilities);
	buf_finish_secret(&session->output);
	buf_finish_secret(&session->challenge);
	free(session);
}

bool session_has_failed(const struct imap_session *session)
{
	return session->failure.code != ERROR_NONE;
}

void session_fail(struct imap_session *session, enum error_code code,
	const char *format, ...)
{
	char message[ERROR_MESSAGE_SIZE];
	va_list arguments;

	if (session_has_failed(session))
		return;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	error_set(&session->failure, code, "%s", message);
}

void imap_session_receive(
	struct imap_session *session, const uint8_t *data, size_t size)
{
	if (size == 0)
		return;
	if (session->halt != HALT_NONE) {
		session_fail(session, ERROR_PROTOCOL,
			"data came where the stream changes its form");
		return;
	}
	session->input = data;
	session->input_size = size;
	imap_parser_feed(session->parser, data, size);
}

void imap_session_closed(struct imap_session *session)
{
	session->state = IMAP_SESSION_LOGOUT;
}

static bool announce_data(
	struct imap_session *session, struct imap_event *event)
{
	if (!session->is_data_due || session->is_data_announced)
		return false;
	session->is_data_announced = true;
	event->kind = IMAP_EVENT_LITERAL_WANTED;
	event->command_id = session->writing->id;
	return true;
}

static bool handle_literal(
	struct imap_session *session, struct imap_event *event)
{
	if (!session->is_secure || session->state == IMAP_SESSION_GREETING)
		return false;
	event->kind = IMAP_EVENT_LITERAL;
	event->literal = imap_parser_literal(session->parser);
	return true;
}

/* One step of the parser; true when it made an event, NONE among them. */
static bool parse(struct imap_session *session, struct imap_event *event)
{
	switch (imap_parser_next(session->parser, &session->failure)) {
	case IMAP_PARSE_MORE:
		return true;
	case IMAP_PARSE_RESPONSE:
		return session_handle_response(
			session, imap_parser_response(session->parser), event);
	case IMAP_PARSE_LITERAL:
		return handle_literal(session, event);
	case IMAP_PARSE_ERROR:
		break;
	}
	/* Without effect when the parser said why, as it should. */
	session_fail(session, ERROR_PROTOCOL, "cannot read from server");
	return false;
}

enum imap_event_kind imap_session_next(struct imap_session *session,
	struct imap_event *event, struct error *error)
{
	bool has_event = false;

	*event = (struct imap_event){ .kind = IMAP_EVENT_NONE };
	exchange_free(session->finished);
	session->finished = NULL;

	while (!has_event && !session_has_failed(session)) {
		session_pump(session);
		has_event = announce_data(session, event) ||
			session_handle_refusal(session, event) ||
			session->halt != HALT_NONE || parse(session, event);
	}
	if (session_has_failed(session)) {
		*event = (struct imap_event){ .kind = IMAP_EVENT_ERROR };
		if (error != NULL)
			*error = session->failure;
	}
	return event->kind;
}

/* What may be said before TLS (RFC 8314, 5.2). */
static bool is_harmless(const struct imap_command *command)
{
	const char *words;

	if (command->kind == IMAP_COMMAND_CAPABILITY ||
		command->kind == IMAP_COMMAND_STARTTLS ||
		command->kind == IMAP_COMMAND_LOGOUT)
		return true;
	if (command->kind != IMAP_COMMAND_PLAIN || command->part_count == 0)
		return false;
	words = buf_text(&command->parts[0].data);
	return text_starts_with(words, "ID (") || strcmp(words, "ID") == 0 ||
		text_starts_with(words, "ID NIL");
}

uint32_t imap_session_submit(
	struct imap_session *session, struct imap_command *command)
{
	struct exchange *exchange = alloc(1, sizeof(*exchange));

	if (!session->is_secure && !is_harmless(command))
		session_fail(session, ERROR_PROTOCOL,
			"refusing to send a command before TLS");

	session->last_id++;
	if (session->last_id == 0)
		session->last_id = 1;
	exchange->id = session->last_id;
	exchange->command = command;
	(void)snprintf(exchange->tag, sizeof(exchange->tag), "%s%u",
		session->tag_prefix, (unsigned)exchange->id);

	*session->last_link = exchange;
	session->last_link = &exchange->next;
	session->pending_count++;
	return exchange->id;
}

void session_finish_exchange(
	struct imap_session *session, struct exchange *exchange)
{
	struct exchange **link = &session->first;

	while (*link != exchange)
		link = &(*link)->next;
	*link = exchange->next;
	if (*link == NULL)
		session->last_link = link;

	session->pending_count--;
	session->in_flight_count--;
	if (session->writing == exchange) {
		session->writing = NULL;
		session->is_data_due = false;
	}
	if (session->blocker == exchange) {
		session->blocker = NULL;
		session->is_challenged = false;
		session->is_idling = false;
		buf_finish_secret(&session->challenge);
	}
	session->finished = exchange;
}

size_t imap_session_pending_count(const struct imap_session *session)
{
	return session->pending_count;
}

enum imap_session_state imap_session_state(const struct imap_session *session)
{
	return session->state;
}

bool imap_session_has(
	const struct imap_session *session, enum imap_capability capability)
{
	return (session->capabilities.bits & (uint32_t)capability) != 0;
}

const char *imap_session_capabilities(const struct imap_session *session)
{
	return buf_text(&session->capabilities.words);
}

bool imap_session_knows_capabilities(const struct imap_session *session)
{
	return session->capabilities.is_known;
}

bool imap_session_has_auth(
	const struct imap_session *session, const char *mechanism)
{
	char word[64];
	int size = snprintf(word, sizeof(word), "AUTH=%s", mechanism);

	return size > 0 && (size_t)size < sizeof(word) &&
		imap_capabilities_has_word(&session->capabilities, word);
}

uint64_t imap_session_append_limit(const struct imap_session *session)
{
	return session->capabilities.append_limit;
}

uint64_t imap_session_message_limit(const struct imap_session *session)
{
	return session->capabilities.message_limit;
}

bool imap_session_is_enabled(
	const struct imap_session *session, enum imap_capability capability)
{
	return (session->enabled & (uint32_t)capability) != 0;
}

/* A fresh parser: nothing fed before can reach what comes now. */
static void restart_parser(struct imap_session *session)
{
	imap_parser_free(session->parser);
	session->parser = imap_parser_new(&session->limits);
	session->halt = HALT_NONE;
	session->input = NULL;
	session->input_size = 0;
}

bool imap_session_tls_started(struct imap_session *session, struct error *error)
{
	if (session->halt != HALT_TLS)
		session_fail(session, ERROR_PROTOCOL,
			"TLS started where none was agreed on");
	if (imap_parser_pending(session->parser) > 0)
		session_fail(session, ERROR_PROTOCOL,
			"server sent data between STARTTLS and TLS");
	if (session_has_failed(session)) {
		if (error != NULL)
			*error = session->failure;
		return false;
	}

	restart_parser(session);
	imap_capabilities_forget(&session->capabilities);
	session->enabled = 0;
	session->is_secure = true;
	return true;
}

size_t imap_session_take_pending(
	struct imap_session *session, const uint8_t **data_out)
{
	size_t size = 0;

	*data_out = (const uint8_t *)"";
	if (session->halt != HALT_COMPRESS)
		return 0;

	size = imap_parser_pending(session->parser);
	if (size > session->input_size)
		size = session->input_size;
	if (size > 0)
		*data_out = session->input + (session->input_size - size);
	restart_parser(session);
	return size;
}
