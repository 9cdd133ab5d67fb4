/* Bodies and headers, streamed to a sink; a few commands are under way at any
   time, so that the line is never idle. */
#include <string.h>

#include "syncd/worker/remote_internal.h"

#define COMMANDS_IN_FLIGHT 3

/* How many UIDs a command asks for, first and after each refusal. */
static const uint32_t UIDS_PER_COMMAND[] = { 1000, 50, 1 };

struct fetching {
	struct remote *remote;
	const struct remote_sink *sink;
	const char *items;
	bool is_header;
	const struct uid_set *wanted; /* all of them */
	struct uid_set done;          /* handed to the sink */
	struct uid_set late;          /* their UID came behind the body */
	struct uid_set left;          /* to be asked for in this round */
	struct uid_set refused;       /* in this round */
	uint32_t uids_per_command;
	uint32_t open_uid; /* begun at the sink, not ended; or 0 */
	bool is_skipping;
};

/* ---- Asking ---- */

/* Moves the first UIDs of `left` to `batch`. */
static void take_batch(
	struct uid_set *left, uint32_t count_max, struct uid_set *batch)
{
	uint32_t room = count_max;

	for (size_t i = 0; i < left->range_count && room > 0; i++) {
		const struct uid_range *range = &left->ranges[i];
		uint32_t last = range->last;

		if (last - range->first >= room)
			last = range->first + room - 1;
		uid_set_add_range(batch, range->first, last);
		room -= last - range->first + 1;
	}
	if (!uid_set_is_empty(batch))
		uid_set_remove_range(left, 1, uid_set_last(batch));
}

static void add_fetch(struct remote_flight *flight)
{
	struct fetching *fetching = flight->data;
	struct imap_command *command;
	struct uid_set batch = { 0 }, taken = { 0 };
	size_t range_index = 0;

	if (uid_set_is_empty(&fetching->left))
		return;
	take_batch(&fetching->left, fetching->uids_per_command, &batch);
	command = imap_command_new(IMAP_COMMAND_PLAIN, "UID FETCH");
	if (!remote_add_uids(command, &batch, &range_index, &taken)) {
		uid_set_remove_set(&batch, &taken);
		uid_set_add_set(&fetching->left, &batch);
	}
	imap_command_add_words(command, fetching->items);
	remote_flight_add(flight, command)->uids = taken;
	uid_set_finish(&batch);
}

/* ---- Answers ---- */

/* The oldest command is the one that is answered. */
static uint32_t only_uid_asked_for(const struct remote_flight *flight)
{
	for (size_t i = 0; i < flight->call_count; i++)
		if (!flight->calls[i]->is_done)
			return uid_set_count(&flight->calls[i]->uids) == 1
				? uid_set_last(&flight->calls[i]->uids)
				: 0;
	return 0;
}

static bool is_wanted(const struct fetching *fetching, uint32_t uid)
{
	return uid != 0 && uid_set_contains(fetching->wanted, uid) &&
		!uid_set_contains(&fetching->done, uid);
}

static void begin_message(struct remote_flight *flight,
	const struct imap_literal *literal, uint32_t uid)
{
	struct fetching *fetching = flight->data;
	const struct remote_sink *sink = fetching->sink;

	fetching->is_skipping = !is_wanted(fetching, uid);
	if (fetching->is_skipping)
		return;
	fetching->open_uid = uid;
	fetching->is_skipping = !sink->begin(sink->user, uid, literal->total);
}

static bool end_message(
	struct fetching *fetching, bool is_complete, struct error *error)
{
	const struct remote_sink *sink = fetching->sink;
	uint32_t uid = fetching->open_uid;
	bool is_skipping = fetching->is_skipping;

	fetching->open_uid = 0;
	fetching->is_skipping = false;
	if (uid == 0)
		return true;
	if (is_complete)
		uid_set_add(&fetching->done, uid);
	return is_skipping || sink->end(sink->user, uid, is_complete, error);
}

static bool handle_literal(struct remote_flight *flight,
	const struct imap_literal *literal, struct error *error)
{
	struct fetching *fetching = flight->data;
	const struct remote_sink *sink = fetching->sink;
	uint32_t uid = literal->uid;

	if (fetching->is_header ? !literal->is_header : !literal->is_whole_body)
		return true;
	if (uid == 0)
		uid = only_uid_asked_for(flight);
	if (literal->offset == 0)
		begin_message(flight, literal, uid);
	if (!fetching->is_skipping && literal->size > 0) {
		flight->unanswered_from = flight->remote->received_total;
		if (!sink->data(
			    sink->user, literal->data, literal->size, error))
			return false;
	}
	return !literal->is_last || end_message(fetching, true, error);
}

/* Bodies that came before their UID was known are asked for one by one. */
static bool handle_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	struct fetching *fetching = flight->data;
	const struct imap_fetch *fetch = &response->fetch;

	(void)error;
	if (response->kind == IMAP_RESPONSE_FETCH && fetch->has_uid &&
		fetch->body == IMAP_BODY_STREAMED &&
		is_wanted(fetching, fetch->uid) &&
		fetching->uids_per_command > 1) {
		uid_set_add(&fetching->late, fetch->uid);
		flight->remote->has_late_uids = true;
	}
	return true;
}

static bool handle_done(struct remote_flight *flight, struct remote_call *call,
	const struct imap_response *response, struct error *error)
{
	struct fetching *fetching = flight->data;

	(void)response;
	(void)error;
	if (!remote_is_ok(call)) {
		uid_set_remove_set(&call->uids, &fetching->done);
		uid_set_add_set(&fetching->refused, &call->uids);
	}
	remote_add_unfinished(call, &fetching->left);
	uid_set_finish(&call->uids);
	add_fetch(flight);
	return true;
}

/* ---- Rounds ---- */

static bool fly(struct fetching *fetching, struct error *error)
{
	struct remote_flight flight;
	struct error failure = { 0 };
	bool is_done;

	remote_flight_init(&flight, fetching->remote);
	flight.owned = REMOTE_OWNS_FETCH;
	flight.data = fetching;
	flight.on_literal = handle_literal;
	flight.on_response = handle_response;
	flight.on_done = handle_done;
	for (unsigned i = 0; i < COMMANDS_IN_FLIGHT; i++)
		add_fetch(&flight);
	is_done = remote_flight_run(&flight, error);
	/* The connection broke in the middle of a message. */
	if (!end_message(fetching, false, is_done ? error : &failure))
		is_done = false;
	for (size_t i = 0; is_done && i < flight.call_count; i++) {
		is_done = remote_check(fetching->remote, flight.calls[i],
				  "fetch messages", &failure) ||
			failure.code == ERROR_REFUSED;
		if (!is_done)
			*error = failure;
	}
	remote_flight_finish(&flight);
	return is_done;
}

/* Until nothing is refused in a batch that might be had alone. */
static bool fly_all(struct fetching *fetching, struct error *error)
{
	size_t step = fetching->remote->has_late_uids
		? ARRAY_LENGTH(UIDS_PER_COMMAND) - 1
		: 0;

	uid_set_copy(&fetching->left, fetching->wanted);
	for (; step < ARRAY_LENGTH(UIDS_PER_COMMAND); step++) {
		fetching->uids_per_command = UIDS_PER_COMMAND[step];
		uid_set_clear(&fetching->refused);
		if (!fly(fetching, error))
			return false;
		if (!uid_set_is_empty(&fetching->late))
			step = ARRAY_LENGTH(UIDS_PER_COMMAND) - 2;
		uid_set_copy(&fetching->left, &fetching->refused);
		uid_set_add_set(&fetching->left, &fetching->late);
		uid_set_remove_set(&fetching->left, &fetching->done);
		uid_set_clear(&fetching->late);
		if (uid_set_is_empty(&fetching->left))
			break;
	}
	return true;
}

static bool fetch(struct remote *remote, struct fetching *fetching,
	struct uid_set *refused, struct error *error)
{
	bool is_done = remote_begin(remote, error) && fly_all(fetching, error);

	if (is_done && refused != NULL)
		uid_set_add_set(refused, &fetching->refused);
	uid_set_finish(&fetching->done);
	uid_set_finish(&fetching->late);
	uid_set_finish(&fetching->left);
	uid_set_finish(&fetching->refused);
	return is_done;
}

bool remote_fetch_bodies(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, struct uid_set *refused,
	struct error *error)
{
	struct fetching fetching = {
		.remote = remote,
		.sink = sink,
		.items = "(UID BODY.PEEK[])",
		.wanted = uids,
	};

	return fetch(remote, &fetching, refused, error);
}

bool remote_fetch_headers(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, struct uid_set *refused,
	struct error *error)
{
	struct fetching fetching = {
		.remote = remote,
		.sink = sink,
		.items = "(UID BODY.PEEK[HEADER])",
		.is_header = true,
		.wanted = uids,
	};

	return fetch(remote, &fetching, refused, error);
}
