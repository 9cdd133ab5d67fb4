/* What comes in. A server's word counts only where it was asked for: tags of
   commands completely sent, a + that something waits for, and before TLS
   nothing but capabilities and status lines. */
#include <string.h>

#include "base/alloc.h"
#include "proto/base64.h"
#include "proto/imap_session_private.h"

static bool set_capabilities(
	struct imap_session *session, const struct imap_words *words)
{
	struct error error = { 0 };

	if (!imap_capabilities_set(
		    &session->capabilities, words, &session->filter, &error)) {
		session_fail(session, error.code, "%s", error.message);
		return false;
	}
	session->has_new_capabilities = true;
	return true;
}

/* True when the code carried capabilities. */
static bool learn_from_code(
	struct imap_session *session, const struct imap_code *code)
{
	if (code->kind != IMAP_CODE_CAPABILITY || !code->is_valid)
		return false;
	return set_capabilities(session, &code->words);
}

static bool emit(struct imap_event *event, enum imap_event_kind kind,
	const struct imap_response *response)
{
	event->kind = kind;
	event->response = response;
	return true;
}

static bool read_greeting_status(
	struct imap_session *session, const struct imap_status_response *status)
{
	switch (status->status) {
	case IMAP_STATUS_OK:
		session->state = IMAP_SESSION_NOT_AUTHENTICATED;
		return true;
	case IMAP_STATUS_PREAUTH:
		if (!session->is_secure) {
			/* TLS could never start (RFC 9051, 11.1). */
			session_fail(session, ERROR_PROTOCOL,
				"server skips authentication before TLS");
			return false;
		}
		session->state = IMAP_SESSION_AUTHENTICATED;
		return true;
	case IMAP_STATUS_BYE:
		session->state = IMAP_SESSION_LOGOUT;
		return true;
	case IMAP_STATUS_NO:
	case IMAP_STATUS_BAD:
		break;
	}
	session_fail(
		session, ERROR_PROTOCOL, "bad greeting: %.200s", status->text);
	return false;
}

static bool handle_greeting(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event)
{
	if (response->kind != IMAP_RESPONSE_STATUS) {
		session_fail(session, ERROR_PROTOCOL,
			"server did not begin with a greeting");
		return false;
	}
	if (!read_greeting_status(session, &response->status))
		return false;
	(void)learn_from_code(session, &response->status.code);
	return emit(event, IMAP_EVENT_GREETING, response);
}

static void learn_enabled(
	struct imap_session *session, const struct imap_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		session->enabled |=
			imap_capability_bit(words->words[i], &session->filter);
	/* RFC 7162, 3.2.3: QRESYNC switches CONDSTORE on. */
	if ((session->enabled & IMAP_CAP_QRESYNC) != 0)
		session->enabled |= IMAP_CAP_CONDSTORE;
}

static bool handle_status(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event)
{
	if (response->status.status == IMAP_STATUS_PREAUTH)
		return false;
	if (response->status.status == IMAP_STATUS_BYE)
		session->state = IMAP_SESSION_LOGOUT;
	(void)learn_from_code(session, &response->status.code);
	return emit(event, IMAP_EVENT_RESPONSE, response);
}

static bool handle_untagged(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event)
{
	if (response->kind == IMAP_RESPONSE_STATUS)
		return handle_status(session, response, event);
	if (response->kind == IMAP_RESPONSE_CAPABILITY) {
		(void)set_capabilities(session, &response->words);
		return emit(event, IMAP_EVENT_RESPONSE, response);
	}
	if (!session->is_secure ||
		(response->kind == IMAP_RESPONSE_UNKNOWN &&
			!response->is_broken))
		return false;

	if (response->kind == IMAP_RESPONSE_ENABLED)
		learn_enabled(session, &response->words);
	return emit(event, IMAP_EVENT_RESPONSE, response);
}

static bool decode_challenge(struct imap_session *session, const char *text)
{
	size_t size = strlen(text);

	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	buf_finish_secret(&session->challenge);
	if (size > base64_encoded_size(CHALLENGE_SIZE_MAX)) {
		session_fail(session, ERROR_LIMIT,
			"server's challenge is over %d octets",
			CHALLENGE_SIZE_MAX);
		return false;
	}
	if (!base64_decode(text, size, &session->challenge)) {
		session_fail(session, ERROR_PROTOCOL,
			"server's challenge is not base64");
		return false;
	}
	return true;
}

static bool handle_challenge(struct imap_session *session, const char *text,
	struct imap_event *event)
{
	struct imap_command *command = session->blocker->command;

	if (command->has_initial_response) {
		command->has_initial_response = false;
		session_write_answer(session, command->initial_response.data,
			command->initial_response.size);
		return false;
	}
	if (!decode_challenge(session, text))
		return false;

	session->is_challenged = true;
	event->kind = IMAP_EVENT_CHALLENGE;
	event->command_id = session->blocker->id;
	event->challenge = (const uint8_t *)buf_text(&session->challenge);
	event->challenge_size = session->challenge.size;
	return true;
}

static bool handle_idling(
	struct imap_session *session, struct imap_event *event)
{
	struct exchange *exchange = session->blocker;

	if (exchange->has_idled)
		return false;
	exchange->has_idled = true;
	session->is_idling = true;
	event->kind = IMAP_EVENT_IDLING;
	event->command_id = exchange->id;
	return true;
}

/* A + that nothing waits for, or that comes before the server can have read
   what it would answer, is ignored. */
static bool handle_continuation(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event)
{
	const struct exchange *writing = session->writing;
	const struct exchange *blocker = session->blocker;

	if (writing != NULL) {
		if (writing->is_waiting && !writing->is_refused &&
			exchange_is_sent(session, writing))
			session_continue_literal(session);
		return false;
	}
	if (blocker == NULL || blocker->is_refused || session->is_challenged ||
		!exchange_is_sent(session, blocker))
		return false;
	if (blocker->command->kind == IMAP_COMMAND_AUTHENTICATE)
		return handle_challenge(session, response->status.text, event);
	if (blocker->command->kind == IMAP_COMMAND_IDLE)
		return handle_idling(session, event);
	return false;
}

static void halt_for_tls(struct imap_session *session)
{
	session->halt = HALT_TLS;
	if (imap_parser_pending(session->parser) > 0)
		session_fail(session, ERROR_PROTOCOL,
			"server sent data between STARTTLS and TLS");
}

static void apply_ok(struct imap_session *session, enum imap_command_kind kind,
	const struct imap_code *code)
{
	bool has_told = learn_from_code(session, code);

	switch (kind) {
	case IMAP_COMMAND_LOGIN:
	case IMAP_COMMAND_AUTHENTICATE:
		session->state = IMAP_SESSION_AUTHENTICATED;
		if (!has_told && !session->has_new_capabilities)
			imap_capabilities_forget(&session->capabilities);
		break;
	case IMAP_COMMAND_SELECT:
		session->state = IMAP_SESSION_SELECTED;
		break;
	case IMAP_COMMAND_UNSELECT:
		session->state = IMAP_SESSION_AUTHENTICATED;
		break;
	case IMAP_COMMAND_LOGOUT:
		session->state = IMAP_SESSION_LOGOUT;
		break;
	case IMAP_COMMAND_STARTTLS:
		halt_for_tls(session);
		break;
	case IMAP_COMMAND_COMPRESS:
		session->halt = HALT_COMPRESS;
		break;
	case IMAP_COMMAND_PLAIN:
	case IMAP_COMMAND_CAPABILITY:
	case IMAP_COMMAND_ENABLE:
	case IMAP_COMMAND_IDLE:
		break;
	}
}

static bool finish(struct imap_session *session, struct exchange *exchange,
	const struct imap_response *response, struct imap_event *event)
{
	enum imap_command_kind kind = exchange->command->kind;
	enum imap_status status = response->status.status;

	session_finish_exchange(session, exchange);
	/* After BYE there is nothing to come back to. */
	if (session->state != IMAP_SESSION_LOGOUT) {
		if (status == IMAP_STATUS_OK)
			apply_ok(session, kind, &response->status.code);
		/* RFC 9051, 6.3.2: a failed SELECT leaves none selected. */
		if (status == IMAP_STATUS_NO && kind == IMAP_COMMAND_SELECT)
			session->state = IMAP_SESSION_AUTHENTICATED;
	}
	event->command_id = exchange->id;
	return emit(event, IMAP_EVENT_DONE, response);
}

static struct exchange *find_started(
	const struct imap_session *session, const char *tag)
{
	struct exchange *exchange = session->first;

	for (; exchange != NULL && exchange->is_started;
		exchange = exchange->next) {
		if (strcmp(exchange->tag, tag) == 0)
			return exchange;
	}
	return NULL;
}

/* The parser's words die before the literal under way ends. */
static void keep_refusal(
	struct exchange *exchange, const struct imap_response *response)
{
	const struct imap_code *code = &response->status.code;
	struct imap_response *kept = &exchange->refusal;

	exchange->is_refused = true;
	exchange->refusal_text = alloc_text(response->status.text);
	if (code->name != NULL)
		exchange->refusal_code = alloc_text(code->name);

	kept->kind = IMAP_RESPONSE_TAGGED;
	kept->tag = exchange->tag;
	kept->status.status = response->status.status;
	kept->status.text = exchange->refusal_text;
	kept->status.code.kind = code->kind;
	kept->status.code.name = exchange->refusal_code;
	kept->status.code.number = code->number;
	kept->status.code.is_valid = code->is_valid && code->atom == NULL &&
		code->words.count == 0 && code->source.range_count == 0 &&
		code->destination.range_count == 0;
}

/* A server that accepts now accepts what it has not been told. */
static bool is_answer_due(
	const struct imap_session *session, const struct exchange *exchange)
{
	return exchange->is_waiting ||
		exchange->command->has_initial_response ||
		(session->is_challenged && session->blocker == exchange);
}

static bool handle_tagged(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event)
{
	struct exchange *exchange = find_started(session, response->tag);
	bool is_ok = response->status.status == IMAP_STATUS_OK;

	if (exchange == NULL || exchange->is_refused)
		return false;

	if (is_ok &&
		(!exchange_is_sent(session, exchange) ||
			is_answer_due(session, exchange))) {
		session_fail(session, ERROR_PROTOCOL,
			"server accepted a command before it was sent");
		return false;
	}
	if (exchange_is_sent(session, exchange))
		return finish(session, exchange, response, event);
	keep_refusal(exchange, response);
	return false;
}

bool session_handle_refusal(
	struct imap_session *session, struct imap_event *event)
{
	/* Where nothing can be sent any more, the end has come too. */
	bool is_over = session->state == IMAP_SESSION_LOGOUT;
	struct exchange *exchange = session->first;

	for (; exchange != NULL && exchange->is_started;
		exchange = exchange->next) {
		if (exchange->is_refused &&
			(is_over || exchange_is_sent(session, exchange)))
			return finish(
				session, exchange, &exchange->refusal, event);
	}
	return false;
}

bool session_handle_response(struct imap_session *session,
	const struct imap_response *response, struct imap_event *event)
{
	if (session->state == IMAP_SESSION_GREETING)
		return handle_greeting(session, response, event);
	if (response->kind == IMAP_RESPONSE_TAGGED)
		return handle_tagged(session, response, event);
	if (response->kind == IMAP_RESPONSE_CONTINUATION)
		return handle_continuation(session, response, event);
	return handle_untagged(session, response, event);
}
