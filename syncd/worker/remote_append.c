/* APPEND (RFC 9051, 6.3.12) and MULTIAPPEND (RFC 3502), one command behind the
   other. What counts is to know exactly which of the messages can be on the
   server when the connection ends. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/imap_date.h"
#include "proto/imap_uid_pairs.h"
#include "syncd/worker/remote_internal.h"

#define COMMANDS_QUEUED 8
#define PIECE_SIZE      65536

/* Of one command. Together they are refused, and together they are sent again
   when the connection breaks: what one costs then stays small. */
#define BATCH_COUNT_MAX 25
#define BATCH_SIZE_MAX  1048576
#define HEADER_SIZE_MAX 40 /* octets that announce a literal, and blanks */

/* How far the literal of one message is. */
struct progress {
	uint64_t fed; /* octets given to the session */
	uint64_t end; /* the transport's count that has the last octet */
};

/* The messages of one command. */
struct batch {
	const struct remote_call *call;
	size_t first, count; /* in `appends` */
	size_t feeding;      /* whose octets are due */
	uint64_t size;       /* octets of all messages */
};

struct uploading {
	struct remote *remote;
	struct remote_append *appends;
	struct progress *progress;
	size_t count;
	size_t next; /* to be submitted */
	struct batch *batches;
	size_t batch_count;
	uint8_t *piece;
};

/* ---- Commands ---- */

static void write_words(const struct remote *remote,
	const struct remote_append *append, struct buf *words)
{
	char date[IMAP_DATE_SIZE];

	if (!flags_is_empty(&append->flags)) {
		remote_write_flags(remote, &append->flags, words);
		buf_add_byte(words, ' ');
	}
	imap_date_format(append->internal_date, date);
	buf_add_text(words, date);
}

static void add_message(const struct uploading *uploading,
	const struct remote_append *append, struct imap_command *command)
{
	struct buf words = { 0 };

	write_words(uploading->remote, append, &words);
	imap_command_add_words(command, buf_text(&words));
	imap_command_add_stream(command, append->size);
	buf_finish(&words);
}

static bool fits_line(const struct uploading *uploading,
	const struct imap_command *command, const struct remote_append *append)
{
	struct buf words = { 0 };
	size_t size;

	write_words(uploading->remote, append, &words);
	size = imap_command_text_size(command) + words.size + HEADER_SIZE_MAX;
	buf_finish(&words);
	return size <= IMAP_COMMAND_LINE_MAX;
}

/* May the next message go with those of the batch? */
static bool joins(const struct uploading *uploading, const struct batch *batch,
	const struct imap_command *command)
{
	const struct remote_append *first = &uploading->appends[batch->first];
	const struct remote_append *next = &uploading->appends[uploading->next];

	return uploading->remote->abilities.has_multiappend &&
		uploading->next < uploading->count &&
		batch->count < BATCH_COUNT_MAX && !first->goes_alone &&
		!next->goes_alone && batch->size <= BATCH_SIZE_MAX &&
		next->size <= BATCH_SIZE_MAX - batch->size &&
		strcmp(first->wire_name, next->wire_name) == 0 &&
		fits_line(uploading, command, next);
}

static void submit_next(struct remote_flight *flight)
{
	struct uploading *uploading = flight->data;
	struct imap_command *command;
	const char *wire_name;
	struct batch *batch;

	if (uploading->next == uploading->count)
		return;
	batch = &uploading->batches[uploading->batch_count++];
	batch->first = batch->feeding = uploading->next;
	wire_name = uploading->appends[batch->first].wire_name;
	command = imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");
	imap_command_add_string(command, wire_name, strlen(wire_name));
	do {
		const struct remote_append *append =
			&uploading->appends[uploading->next++];

		add_message(uploading, append, command);
		batch->size += append->size;
		batch->count++;
	} while (joins(uploading, batch, command));
	batch->call = remote_flight_add(flight, command);
}

static size_t find_batch(const struct uploading *uploading, uint32_t id)
{
	size_t i = 0;

	while (i < uploading->batch_count &&
		uploading->batches[i].call->id != id)
		i++;
	return i;
}

/* ---- Octets ---- */

static bool handle_feed(
	struct remote_flight *flight, uint32_t command_id, struct error *error)
{
	struct uploading *uploading = flight->data;
	struct imap_session *session = flight->remote->session;
	struct batch *batch =
		&uploading->batches[find_batch(uploading, command_id)];
	struct progress *progress = &uploading->progress[batch->feeding];
	struct remote_append *append = &uploading->appends[batch->feeding];
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
	if (progress->fed == append->size) {
		flight->remote->feeding_id = 0;
		batch->feeding++;
	}
	(void)imap_session_append_data(session, uploading->piece, (size_t)got);
	return true;
}

/* ---- Outcomes ---- */

static void note_refusal(struct uploading *uploading, const struct batch *batch,
	const struct imap_response *response,
	const struct remote_answer *answer)
{
	enum imap_code_kind kind = response->status.code.kind;

	for (size_t i = 0; i < batch->count; i++) {
		struct remote_append *append =
			&uploading->appends[batch->first + i];

		append->outcome = batch->count == 1
			? REMOTE_APPEND_REFUSED
			: REMOTE_APPEND_REFUSED_TOGETHER;
		append->wants_create = kind == IMAP_CODE_TRYCREATE;
		append->is_too_big = kind == IMAP_CODE_TOOBIG ||
			kind == IMAP_CODE_LIMIT || kind == IMAP_CODE_OVERQUOTA;
		(void)snprintf(append->message, sizeof(append->message), "%s",
			answer->text);
	}
	/* It promises what it does not understand. */
	if (batch->count > 1 && response->status.status == IMAP_STATUS_BAD)
		uploading->remote->abilities.has_multiappend = false;
}

/* UIDs in the order of the messages (RFC 4315, 3). A set that names one twice,
   or not as many as there are messages, tells of none which it is. */
static bool read_uids(
	const struct imap_code *code, size_t count, uint32_t *uids)
{
	const struct imap_uid_list *list = &code->destination;
	struct imap_uid_pairs pairs;
	struct uid_set seen = { 0 };
	uint32_t again;
	bool is_good;

	if (code->kind != IMAP_CODE_APPENDUID || !code->is_valid ||
		code->uid_validity == 0 || imap_uid_list_count(list) != count ||
		!imap_uid_pairs_start(&pairs, list, list))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!imap_uid_pairs_next(&pairs, &uids[i], &again))
			break;
		uid_set_add(&seen, uids[i]);
	}
	is_good = uid_set_count(&seen) == count;
	uid_set_finish(&seen);
	return is_good;
}

static void note_stored(struct uploading *uploading, const struct batch *batch,
	const struct imap_code *code)
{
	uint32_t uids[BATCH_COUNT_MAX] = { 0 };
	bool has_uids = read_uids(code, batch->count, uids);

	for (size_t i = 0; i < batch->count; i++) {
		struct remote_append *append =
			&uploading->appends[batch->first + i];

		append->outcome = REMOTE_APPEND_DONE;
		append->uid_validity = has_uids ? code->uid_validity : 0;
		append->uid = has_uids ? uids[i] : 0;
	}
}

static bool handle_done(struct remote_flight *flight, struct remote_call *call,
	const struct imap_response *response, struct error *error)
{
	struct uploading *uploading = flight->data;
	size_t index = find_batch(uploading, call->id);
	const struct batch *batch = &uploading->batches[index];

	(void)error;
	if (index == uploading->batch_count)
		return true;
	if (remote_is_ok(call))
		note_stored(uploading, batch, &response->status.code);
	else
		note_refusal(uploading, batch, response, &call->answer);
	submit_next(flight);
	return true;
}

/* Without an answer: stored is what the server can have got in full, whether or
   not it keeps its promise to store all of a command or none. */
static void settle(struct uploading *uploading, const struct batch *batch)
{
	for (size_t i = batch->first; i < batch->first + batch->count; i++) {
		const struct progress *progress = &uploading->progress[i];
		struct remote_append *append = &uploading->appends[i];

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
	for (size_t i = 0; i < uploading->batch_count; i++)
		if (!uploading->batches[i].call->is_done)
			settle(uploading, &uploading->batches[i]);
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
	uploading.batches = alloc(count, sizeof(*uploading.batches));
	uploading.piece = alloc(1, PIECE_SIZE);
	is_done = upload(&uploading, error);
	free(uploading.piece);
	free(uploading.batches);
	free(uploading.progress);
	return is_done;
}
