#include "tests/proto/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const STATUSES[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

static const char *const KINDS[] = { "TAGGED", "STATUS", "CONTINUATION",
	"CAPABILITY", "ENABLED", "ID", "LIST", "MAILBOX-STATUS", "NAMESPACE",
	"FLAGS", "EXISTS", "RECENT", "EXPUNGE", "VANISHED", "FETCH", "SEARCH",
	"UNKNOWN" };

void dialogue_open(
	struct dialogue *dialogue, const struct imap_session_options *options)
{
	struct imap_session_options own = *options;

	if (own.tag_prefix == NULL)
		own.tag_prefix = "t";
	dialogue->session = imap_session_new(&own);
	buf_init(&dialogue->events);
	error_clear(&dialogue->error);
}

void dialogue_open_greeted(struct dialogue *dialogue, const char *capabilities)
{
	struct imap_session_options options = { .is_secure = true };
	struct buf greeting = { 0 };

	dialogue_open(dialogue, &options);
	if (capabilities != NULL)
		buf_add_format(
			&greeting, "* OK [CAPABILITY %s] hi\r\n", capabilities);
	else
		buf_add_text(&greeting, "* OK hi\r\n");
	dialogue_serve_octets(dialogue, greeting.data, greeting.size);
	dialogue_expect_events(dialogue, "GREETING OK");
	buf_finish(&greeting);
}

void dialogue_close(struct dialogue *dialogue)
{
	imap_session_free(dialogue->session);
	buf_finish(&dialogue->events);
}

static void note_response(
	struct buf *events, const struct imap_response *response)
{
	if (response->kind == IMAP_RESPONSE_STATUS ||
		response->kind == IMAP_RESPONSE_TAGGED)
		buf_add_format(
			events, " %s", STATUSES[response->status.status]);
	else
		buf_add_format(events, " %s", KINDS[response->kind]);
}

static void note(struct dialogue *dialogue, const struct imap_event *event)
{
	struct buf *events = &dialogue->events;

	if (events->size > 0)
		buf_add_text(events, "; ");
	switch (event->kind) {
	case IMAP_EVENT_NONE:
		buf_add_text(events, "NONE");
		break;
	case IMAP_EVENT_GREETING:
		buf_add_text(events, "GREETING");
		note_response(events, event->response);
		break;
	case IMAP_EVENT_RESPONSE:
		buf_add_text(events, "RESPONSE");
		note_response(events, event->response);
		break;
	case IMAP_EVENT_LITERAL:
		buf_add_format(events, "LITERAL %zu", event->literal->size);
		break;
	case IMAP_EVENT_DONE:
		buf_add_format(events, "DONE %u", (unsigned)event->command_id);
		note_response(events, event->response);
		break;
	case IMAP_EVENT_CHALLENGE:
		buf_add_format(events, "CHALLENGE %u '%.*s'",
			(unsigned)event->command_id, (int)event->challenge_size,
			(const char *)event->challenge);
		break;
	case IMAP_EVENT_LITERAL_WANTED:
		buf_add_format(
			events, "WANTED %u", (unsigned)event->command_id);
		break;
	case IMAP_EVENT_IDLING:
		buf_add_format(
			events, "IDLING %u", (unsigned)event->command_id);
		break;
	case IMAP_EVENT_ERROR:
		buf_add_format(events, "ERROR %s",
			error_code_name(dialogue->error.code));
		break;
	}
}

void dialogue_run(struct dialogue *dialogue)
{
	struct imap_event event;
	enum imap_event_kind kind;

	do {
		kind = imap_session_next(
			dialogue->session, &event, &dialogue->error);
		if (kind != IMAP_EVENT_NONE)
			note(dialogue, &event);
	} while (kind != IMAP_EVENT_NONE && kind != IMAP_EVENT_ERROR);
}

void dialogue_serve_octets(
	struct dialogue *dialogue, const void *data, size_t size)
{
	const uint8_t *octets = data;
	size_t piece = dialogue->piece != 0 ? dialogue->piece : size;

	for (size_t i = 0; i < size; i += piece) {
		imap_session_receive(dialogue->session, octets + i,
			size - i < piece ? size - i : piece);
		dialogue_run(dialogue);
		if (dialogue->error.code != ERROR_NONE)
			return;
	}
}

void dialogue_serve(struct dialogue *dialogue, const char *text)
{
	dialogue_serve_octets(dialogue, text, strlen(text));
}

void dialogue_expect_output(struct dialogue *dialogue, const char *text)
{
	const uint8_t *data;
	size_t size = imap_session_output(dialogue->session, &data);

	if (size != strlen(text) || memcmp(data, text, size) != 0)
		fail_msg("wrote '%.*s', not '%s'", (int)size,
			(const char *)data, text);
	imap_session_sent(dialogue->session, size);
}

void dialogue_expect_events(struct dialogue *dialogue, const char *events)
{
	if (strcmp(buf_text(&dialogue->events), events) != 0)
		fail_msg("'%s' happened, not '%s' (%s)",
			buf_text(&dialogue->events), events,
			dialogue->error.message);
	buf_clear(&dialogue->events);
}

uint32_t dialogue_send(struct dialogue *dialogue, struct imap_command *command)
{
	return imap_session_submit(dialogue->session, command);
}

uint32_t dialogue_submit(struct dialogue *dialogue, enum imap_command_kind kind,
	const char *words)
{
	return dialogue_send(dialogue, imap_command_new(kind, words));
}

void dialogue_append(struct dialogue *dialogue, uint64_t size)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");

	imap_command_add_string(command, "INBOX", 5);
	imap_command_add_stream(command, size);
	dialogue_send(dialogue, command);
}
