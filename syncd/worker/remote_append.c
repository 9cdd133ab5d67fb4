/* APPEND (RFC 9051, 6.3.12), one command behind the other. What counts is to
   know exactly which of them can be on the server when the connection ends. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/imap_date.h"
#include "syncd/worker/remote_internal.h"

#define COMMANDS_QUEUED 8
#define PIECE_SIZE      65536

/* How far the literal of one APPEND is. */
struct progress {
	const struct remote_call *call; /* NULL before it is submitted */
	uint64_t fed;                   /* octets given to the session */
	uint64_t end; /* the transport's count that has the last octet */
};

struct uploading {
	struct remote *remote;
	struct remote_append *appends;
	struct progress *progress;
	size_t count;
	size_t next; /* to be submitted */
	uint8_t *piece;
};

static void submit_next(struct remote_flight *flight)
{
	struct uploading *uploading = flight->data;
	const struct remote_append *append;
	struct imap_command *command;
	char date[IMAP_DATE_SIZE];

	if (uploading->next == uploading->count)
		return;
	append = &uploading->appends[uploading->next];
	command = imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");
	imap_command_add_string(
		command, append->wire_name, strlen(append->wire_name));
	if (!flags_is_empty(&append->flags))
		remote_add_flags(command, uploading->remote, &append->flags);
	imap_date_format(append->internal_date, date);
	imap_command_add_words(command, date);
	imap_command_add_stream(command, append->size);
	uploading->progress[uploading->next++].call =
		remote_flight_add(flight, command);
}

static size_t find_call(const struct uploading *uploading, uint32_t id)
{
	size_t i = 0;

	while (i < uploading->next && uploading->progress[i].call->id != id)
		i++;
	return i;
}

/* ---- Octets ---- */

static bool handle_feed(
	struct remote_flight *flight, uint32_t command_id, struct error *error)
{
	struct uploading *uploading = flight->data;
	struct imap_session *session = flight->remote->session;
	size_t index = find_call(uploading, command_id);
	struct progress *progress = &uploading->progress[index];
	struct remote_append *append = &uploading->appends[index];
	uint64_t left = append->size - progress->fed;
	size_t wanted = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
	const uint8_t *queued;
	size_t queued_size;
	int64_t got = append->read(append->data, uploading->piece, wanted);

	/* The server waits for octets there are none of: only hanging up
	   keeps it from storing something else. */
	if (got <= 0 || (uint64_t)got > wanted)
		return error_set(error, ERROR_SYSTEM,
			"a message could not be read to its end while it was "
			"uploaded");
	queued_size = imap_session_output(session, &queued);
	progress->fed += (uint64_t)got;
	progress->end =
		flight->remote->sent_total + queued_size + (uint64_t)got;
	/* The next literal is announced by an event of its own. */
	if (progress->fed == append->size)
		flight->remote->feeding_id = 0;
	(void)imap_session_append_data(session, uploading->piece, (size_t)got);
	return true;
}

/* ---- Outcomes ---- */

static void note_refusal(struct remote_append *append,
	const struct imap_response *response,
	const struct remote_answer *answer)
{
	enum imap_code_kind kind = response->status.code.kind;

	append->outcome = REMOTE_APPEND_REFUSED;
	append->wants_create = kind == IMAP_CODE_TRYCREATE;
	append->is_too_big = kind == IMAP_CODE_TOOBIG ||
		kind == IMAP_CODE_LIMIT || kind == IMAP_CODE_OVERQUOTA;
	(void)snprintf(
		append->message, sizeof(append->message), "%s", answer->text);
}

static void note_stored(
	struct remote_append *append, const struct imap_code *code)
{
	append->outcome = REMOTE_APPEND_DONE;
	if (code->kind != IMAP_CODE_APPENDUID || !code->is_valid ||
		code->uid_validity == 0 || code->destination.range_count != 1 ||
		code->destination.ranges[0].first !=
			code->destination.ranges[0].last)
		return;
	append->uid_validity = code->uid_validity;
	append->uid = code->destination.ranges[0].first;
}

static bool handle_done(struct remote_flight *flight, struct remote_call *call,
	const struct imap_response *response, struct error *error)
{
	struct uploading *uploading = flight->data;
	size_t index = find_call(uploading, call->id);

	(void)error;
	if (index == uploading->next)
		return true;
	if (remote_is_ok(call))
		note_stored(&uploading->appends[index], &response->status.code);
	else
		note_refusal(
			&uploading->appends[index], response, &call->answer);
	submit_next(flight);
	return true;
}

/* Without an answer: stored is what the server can have got in full. */
static void settle(struct uploading *uploading)
{
	for (size_t i = 0; i < uploading->next; i++) {
		const struct progress *progress = &uploading->progress[i];
		struct remote_append *append = &uploading->appends[i];

		if (progress->call->is_done)
			continue;
		if (progress->fed == append->size &&
			progress->end <= uploading->remote->sent_total)
			append->outcome = REMOTE_APPEND_UNCERTAIN;
	}
}

static bool upload(struct uploading *uploading, struct error *error)
{
	struct remote_flight flight;
	bool is_done;

	remote_flight_init(&flight, uploading->remote);
	flight.data = uploading;
	flight.on_done = handle_done;
	flight.on_feed = handle_feed;
	for (unsigned i = 0; i < COMMANDS_QUEUED; i++)
		submit_next(&flight);
	is_done = remote_flight_run(&flight, error);
	settle(uploading);
	/* Exchange says by a refusal that it wants to be left alone. */
	for (size_t i = 0; is_done && i < flight.call_count; i++) {
		struct error failure = { 0 };

		if (remote_check(uploading->remote, flight.calls[i],
			    "store a message", &failure) ||
			failure.code == ERROR_REFUSED)
			continue;
		*error = failure;
		is_done = false;
	}
	remote_flight_finish(&flight);
	return is_done;
}

bool remote_append(struct remote *remote, struct remote_append *appends,
	size_t count, struct error *error)
{
	struct uploading uploading = {
		.remote = remote,
		.appends = appends,
		.count = count,
	};
	bool is_done;

	for (size_t i = 0; i < count; i++) {
		appends[i].outcome = REMOTE_APPEND_UNSENT;
		appends[i].uid_validity = appends[i].uid = 0;
		appends[i].is_too_big = appends[i].wants_create = false;
		appends[i].message[0] = '\0';
	}
	if (!remote_begin(remote, error))
		return false;
	uploading.progress = alloc(count, sizeof(*uploading.progress));
	uploading.piece = alloc(1, PIECE_SIZE);
	is_done = upload(&uploading, error);
	free(uploading.piece);
	free(uploading.progress);
	return is_done;
}
