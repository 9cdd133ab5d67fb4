/* The pump: what the session wants said goes out, what comes in is told to the
   flight that runs. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/imap_uid_pairs.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/remote_internal.h"

/* A stream that never pauses must not starve the other sources. */
#define PUMP_EVERY_MS 10

/* ---- Calls ---- */

static uint64_t octet_count(const struct remote *remote)
{
	return remote->sent_total + remote->received_total;
}

static void note_answer(struct remote_flight *flight)
{
	flight->slow_ms = 0;
	flight->slow_from = octet_count(flight->remote);
	flight->unanswered_from = flight->remote->received_total;
}

void remote_flight_init(struct remote_flight *flight, struct remote *remote)
{
	*flight = (struct remote_flight){ .remote = remote,
		.timeout_ms = REMOTE_TIMEOUT_MS };
	note_answer(flight);
}

void remote_flight_finish(struct remote_flight *flight)
{
	for (size_t i = 0; i < flight->call_count; i++) {
		uid_set_finish(&flight->calls[i]->uids);
		free(flight->calls[i]);
	}
	free(flight->calls);
}

struct remote_call *remote_flight_adopt(
	struct remote_flight *flight, uint32_t id)
{
	struct remote_call *call = alloc(1, sizeof(*call));

	if (flight->call_count == flight->call_capacity) {
		flight->call_capacity = flight->call_capacity * 2 + 4;
		flight->calls = alloc_resize(flight->calls,
			flight->call_capacity, sizeof(*flight->calls));
	}
	call->id = id;
	flight->calls[flight->call_count++] = call;
	flight->open_count++;
	return call;
}

struct remote_call *remote_flight_add(
	struct remote_flight *flight, struct imap_command *command)
{
	flight->remote->command_count++;
	return remote_flight_adopt(
		flight, imap_session_submit(flight->remote->session, command));
}

static struct remote_call *find_open(
	const struct remote_flight *flight, uint32_t id)
{
	size_t seen_count = 0;

	/* The open ones are among the youngest. */
	for (size_t i = flight->call_count;
		i > 0 && seen_count < flight->open_count; i--) {
		struct remote_call *call = flight->calls[i - 1];

		if (call->is_done)
			continue;
		if (call->id == id)
			return call;
		seen_count++;
	}
	return NULL;
}

bool remote_is_ok(const struct remote_call *call)
{
	return call->is_done && call->answer.status == IMAP_STATUS_OK;
}

bool remote_text_contains(const char *text, const char *word)
{
	size_t size = strlen(word);

	for (; *text != '\0'; text++)
		if (strnlen(text, size) == size &&
			text_equal_nocase_sized(text, size, word))
			return true;
	return false;
}

static enum error_code refusal_code(const struct remote_answer *answer)
{
	/* Exchange: the password was right, the mailbox is not to be had. */
	if (remote_text_contains(answer->text, "authenticated but not connect"))
		return ERROR_AUTH;
	if (remote_text_contains(answer->text, "throttled"))
		return ERROR_UNREACHABLE;
	return ERROR_REFUSED;
}

bool remote_check(struct remote *remote, const struct remote_call *call,
	const char *what, struct error *error)
{
	struct error failure = { 0 };

	if (remote_is_ok(call))
		return true;
	error_set(&failure, refusal_code(&call->answer), "cannot %s: %s", what,
		call->answer.text[0] == '\0' ? "refused without a word"
					     : call->answer.text);
	if (failure.code != ERROR_REFUSED)
		remote_die(remote, &failure);
	if (error != NULL)
		*error = failure;
	return false;
}

bool remote_do(struct remote *remote, struct imap_command *command,
	const char *what, struct error *error)
{
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	remote_flight_init(&flight, remote);
	call = remote_flight_add(&flight, command);
	is_done = remote_flight_run(&flight, error) &&
		remote_check(remote, call, what, error);
	remote_flight_finish(&flight);
	return is_done;
}

void remote_add_unfinished(const struct remote_call *call, struct uid_set *rest)
{
	struct uid_set left = { 0 };
	uint32_t last_uid = call->answer.last_uid;

	if (!remote_is_ok(call) ||
		call->answer.code != IMAP_CODE_MESSAGELIMIT || last_uid == 0)
		return;
	/* Servers work from the highest UID down (RFC 9738, 3.1). */
	uid_set_copy(&left, &call->uids);
	uid_set_remove_range(&left, last_uid, REMOTE_UID_MAX);
	uid_set_add_set(rest, &left);
	uid_set_finish(&left);
}

/* ---- Events ---- */

void remote_die(struct remote *remote, const struct error *error)
{
	if (remote->is_dead)
		return;
	remote->is_dead = true;
	remote->death = *error;
	remote->idle_state = REMOTE_IDLE_OFF;
	remote->is_idle_wanted = false;
	transport_set_ready_callback(remote->transport, NULL, NULL);
	remote_mark_changed(remote);
}

static void take_answer(
	struct remote_answer *answer, const struct imap_status_response *status)
{
	const struct imap_code *code = &status->code;

	answer->status = status->status;
	answer->code = code->is_valid ? code->kind : IMAP_CODE_NONE;
	answer->last_uid = code->is_valid ? code->last_uid : 0;
	(void)snprintf(answer->text, sizeof(answer->text), "%s%s%s%s",
		code->name == NULL ? "" : "[",
		code->name == NULL ? "" : code->name,
		code->name == NULL ? "" : "] ", status->text);
	text_make_printable(answer->text);
}

static void note_status(
	struct remote *remote, const struct imap_status_response *status)
{
	if (status->code.kind == IMAP_CODE_ALERT) {
		(void)snprintf(remote->alert, sizeof(remote->alert), "%s",
			status->text);
		text_make_printable(remote->alert);
	}
	if (status->status == IMAP_STATUS_BYE) {
		remote->has_goodbye = true;
		take_answer(&remote->goodbye, status);
	}
}

static uint32_t less(uint32_t from, uint64_t count)
{
	return count < from ? from - (uint32_t)count : 0;
}

static uint64_t list_count(const struct imap_uid_list *list)
{
	uint64_t count = 0;

	for (size_t i = 0; i < list->range_count; i++) {
		uint32_t first = list->ranges[i].first;
		uint32_t last = list->ranges[i].last;

		count += 1 + (first < last ? last - first : first - last);
	}
	return count;
}

/* Which OWNS bit this is, 0 for what changes no mailbox. */
static unsigned note_mailbox(
	struct remote *remote, const struct imap_response *response)
{
	if (response->kind == IMAP_RESPONSE_EXISTS) {
		remote->exists = response->number;
		return REMOTE_OWNS_EXISTS;
	}
	if (response->kind == IMAP_RESPONSE_EXPUNGE) {
		remote->expunge_count++;
		remote->exists = less(remote->exists, 1);
		return REMOTE_OWNS_EXPUNGE;
	}
	if (response->kind == IMAP_RESPONSE_VANISHED) {
		if (response->vanished.is_earlier)
			return REMOTE_OWNS_EXPUNGE;
		remote->expunge_count++;
		remote->exists = less(
			remote->exists, list_count(&response->vanished.uids));
		return REMOTE_OWNS_EXPUNGE;
	}
	return response->kind == IMAP_RESPONSE_FETCH ? REMOTE_OWNS_FETCH : 0;
}

static bool handle_response(struct remote *remote,
	const struct imap_response *response, struct error *error)
{
	struct remote_flight *flight = remote->flight;
	unsigned kind = note_mailbox(remote, response);

	if (response->kind == IMAP_RESPONSE_STATUS)
		note_status(remote, &response->status);
	if (kind != 0 && (flight == NULL || (flight->owned & kind) == 0))
		remote_mark_changed(remote);
	if (flight == NULL)
		return true;
	flight->has_broken |= response->is_broken;
	return flight->on_response == NULL ||
		flight->on_response(flight, response, error);
}

static bool handle_done(struct remote *remote, const struct imap_event *event,
	struct error *error)
{
	struct remote_flight *flight = remote->flight;
	struct remote_call *call = NULL;

	if (event->command_id == remote->feeding_id)
		remote->feeding_id = 0;
	if (event->command_id == remote->idle_id)
		remote_idle_ended(remote);
	if (flight != NULL)
		call = find_open(flight, event->command_id);
	if (call == NULL)
		return true;
	call->is_done = true;
	flight->open_count--;
	note_answer(flight);
	take_answer(&call->answer, &event->response->status);
	note_status(remote, &event->response->status);
	return flight->on_done == NULL ||
		flight->on_done(flight, call, event->response, error);
}

static void handle_greeting(
	struct remote *remote, const struct imap_response *response)
{
	note_status(remote, &response->status);
	if (remote->flight != NULL)
		remote->flight->waits_for_greeting = false;
}

static void handle_idling(struct remote *remote, uint32_t command_id)
{
	struct remote_call *call = NULL;

	if (remote->flight != NULL)
		call = find_open(remote->flight, command_id);
	remote_idle_begun(remote);
	/* Who starts IDLE waits for the +, who ends it for the end. */
	if (call == NULL || remote->idle_state == REMOTE_IDLE_ENDING)
		return;
	call->is_done = true;
	remote->flight->open_count--;
}

static bool handle_event(struct remote *remote, const struct imap_event *event,
	struct error *error)
{
	struct remote_flight *flight = remote->flight;

	switch (event->kind) {
	case IMAP_EVENT_NONE:
	case IMAP_EVENT_ERROR:
		break;
	case IMAP_EVENT_GREETING:
		handle_greeting(remote, event->response);
		break;
	case IMAP_EVENT_RESPONSE:
		return handle_response(remote, event->response, error);
	case IMAP_EVENT_LITERAL:
		return flight == NULL || flight->on_literal == NULL ||
			flight->on_literal(flight, event->literal, error);
	case IMAP_EVENT_DONE:
		return handle_done(remote, event, error);
	case IMAP_EVENT_CHALLENGE:
		return flight == NULL || flight->on_challenge == NULL ||
			flight->on_challenge(flight, event->challenge,
				event->challenge_size, error);
	case IMAP_EVENT_LITERAL_WANTED:
		remote->feeding_id = event->command_id;
		break;
	case IMAP_EVENT_IDLING:
		handle_idling(remote, event->command_id);
		break;
	}
	return true;
}

static bool handle_events(struct remote *remote, struct error *error)
{
	struct imap_event event;

	for (;;) {
		enum imap_event_kind kind =
			imap_session_next(remote->session, &event, error);

		if (kind == IMAP_EVENT_NONE)
			return true;
		if (kind == IMAP_EVENT_ERROR)
			return false;
		if (!handle_event(remote, &event, error))
			return false;
	}
}

/* ---- Bytes ---- */

static bool feed(struct remote *remote, bool *has_moved, struct error *error)
{
	struct remote_flight *flight = remote->flight;
	const uint8_t *data;

	if (flight == NULL || flight->on_feed == NULL)
		return true;
	while (imap_session_wants_data(remote->session) &&
		remote->feeding_id != 0 &&
		imap_session_output(remote->session, &data) <
			REMOTE_QUEUE_MAX) {
		if (!flight->on_feed(flight, remote->feeding_id, error))
			return false;
		*has_moved = true;
	}
	return true;
}

static bool closed_error(const struct remote *remote, struct error *error)
{
	if (remote->has_goodbye)
		return error_set(error, ERROR_DISCONNECTED,
			"server said goodbye: %s", remote->goodbye.text);
	return error_set(
		error, ERROR_DISCONNECTED, "server closed the connection");
}

static bool flush(struct remote *remote, bool *has_moved, struct error *error)
{
	for (;;) {
		const uint8_t *data;
		size_t size = imap_session_output(remote->session, &data);
		size_t written = 0;

		if (size == 0)
			return true;
		switch (transport_write(
			remote->transport, data, size, &written, error)) {
		case TRANSPORT_DATA:
			imap_session_sent(remote->session, written);
			remote->sent_total += written;
			*has_moved = true;
			break;
		case TRANSPORT_AGAIN:
			return true;
		case TRANSPORT_CLOSED:
			return closed_error(remote, error);
		case TRANSPORT_ERROR:
			return false;
		}
	}
}

static bool receive(struct remote *remote, bool *has_moved, struct error *error)
{
	size_t got = 0;

	if (remote->is_closed)
		return closed_error(remote, error);
	switch (transport_read(remote->transport, remote->input,
		REMOTE_INPUT_SIZE, &got, error)) {
	case TRANSPORT_DATA:
		imap_session_receive(remote->session, remote->input, got);
		remote->received_total += got;
		*has_moved = true;
		return true;
	case TRANSPORT_AGAIN:
		return true;
	case TRANSPORT_CLOSED:
		/* A refusal that waits for its literal's end can be told. */
		imap_session_closed(remote->session);
		remote->is_closed = true;
		*has_moved = true;
		return true;
	case TRANSPORT_ERROR:
		break;
	}
	if (remote->has_goodbye)
		return closed_error(remote, error);
	return false;
}

static bool move(struct remote *remote, bool *has_moved, struct error *error)
{
	return feed(remote, has_moved, error) &&
		flush(remote, has_moved, error) &&
		receive(remote, has_moved, error);
}

/* ---- A server that never comes to an end ---- */

static bool check_flood(const struct remote_flight *flight, struct error *error)
{
	const struct remote *remote = flight->remote;
	uint64_t count = remote->received_total - flight->unanswered_from;
	uint64_t count_max = REMOTE_UNANSWERED_MAX +
		(uint64_t)(remote->exists < IMAP_UID_PAIRS_MAX
				? remote->exists
				: IMAP_UID_PAIRS_MAX) *
			REMOTE_UNANSWERED_EACH;

	if (count <= count_max)
		return true;
	return error_set(error, ERROR_LIMIT,
		"server says more and more without an answer (%" PRIu64
		" octets)",
		count);
}

/* Time in which this process was stopped counts for no more than a wait. */
static bool check_pace(struct remote_flight *flight, struct error *error)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t step_ms = now_ms - flight->paced_at_ms;
	uint64_t moved = octet_count(flight->remote) - flight->slow_from;
	uint64_t slow_max_ms = imap_session_state(flight->remote->session) <
			IMAP_SESSION_AUTHENTICATED
		? REMOTE_LOGIN_SLOW_MS
		: REMOTE_SLOW_MS;

	flight->paced_at_ms = now_ms;
	flight->slow_ms +=
		step_ms < flight->timeout_ms ? step_ms : flight->timeout_ms;
	if (flight->slow_ms < slow_max_ms)
		return true;
	if (moved < slow_max_ms / 1000 * REMOTE_SLOW_RATE)
		return error_set(error, ERROR_DISCONNECTED,
			"server is too slow: %" PRIu64
			" octets and no answer in %" PRIu64 " s",
			moved, slow_max_ms / 1000);
	flight->slow_ms = 0;
	flight->slow_from = octet_count(flight->remote);
	return true;
}

/* ---- Running ---- */

static bool wait(struct remote_flight *flight, uint64_t quiet_since_ms,
	struct error *error)
{
	struct remote *remote = flight->remote;
	uint64_t timeout_ms = remote->has_goodbye ? REMOTE_GOODBYE_TIMEOUT_MS
						  : flight->timeout_ms;
	uint64_t quiet_ms = clock_now_ms() - quiet_since_ms;
	unsigned wanted = TRANSPORT_READ;
	enum transport_ready ready = TRANSPORT_TIMEOUT;
	const uint8_t *data;

	if (imap_session_output(remote->session, &data) > 0)
		wanted |= TRANSPORT_WRITE;
	if (quiet_ms < timeout_ms)
		ready = transport_wait(remote->transport, wanted,
			timeout_ms - quiet_ms, error);
	if (ready == TRANSPORT_READY)
		return true;
	if (ready == TRANSPORT_STOPPED)
		return false;
	if (remote->has_goodbye)
		return closed_error(remote, error);
	return error_set(error, ERROR_DISCONNECTED,
		"server has not answered for %" PRIu64 " s", timeout_ms / 1000);
}

static bool may_go_on(struct remote_flight *flight, struct error *error)
{
	if (loop_is_stopping(flight->remote->loop))
		return error_set(error, ERROR_STOPPED, "asked to stop");
	return check_flood(flight, error) && check_pace(flight, error);
}

static bool run(struct remote_flight *flight, struct error *error)
{
	struct remote *remote = flight->remote;
	uint64_t pumped_at_ms = clock_now_ms();
	uint64_t quiet_since_ms = 0; /* 0 = not quiet */

	flight->paced_at_ms = pumped_at_ms;
	for (;;) {
		bool has_moved = false;
		uint64_t now_ms;

		if (!handle_events(remote, error))
			return false;
		if (flight->open_count == 0 && !flight->waits_for_greeting)
			return true;
		if (!may_go_on(flight, error) ||
			!move(remote, &has_moved, error))
			return false;
		now_ms = clock_now_ms();
		if (!has_moved) {
			if (quiet_since_ms == 0)
				quiet_since_ms = now_ms;
			if (!wait(flight, quiet_since_ms, error))
				return false;
			pumped_at_ms = clock_now_ms();
			continue;
		}
		quiet_since_ms = 0;
		if (now_ms - pumped_at_ms >= PUMP_EVERY_MS) {
			(void)loop_run_once(remote->loop, 0);
			pumped_at_ms = now_ms;
		}
	}
}

bool remote_flight_run(struct remote_flight *flight, struct error *error)
{
	struct remote *remote = flight->remote;
	struct error failure = { 0 };
	bool is_done = false, has_moved;

	assert(remote->flight == NULL);
	if (remote->is_dead) {
		failure = remote->death;
	} else {
		remote->flight = flight;
		remote->is_busy = true;
		/* The last answer may have made us say more: IDLE again. */
		is_done = run(flight, &failure) &&
			flush(remote, &has_moved, &failure);
		remote->is_busy = false;
		remote->flight = NULL;
	}
	if (!is_done) {
		remote_die(remote, &failure);
		if (error != NULL)
			*error = failure;
	} else if (remote->is_closed) {
		closed_error(remote, &failure);
		remote_die(remote, &failure);
	}
	return is_done;
}

static bool drain(struct remote *remote, struct error *error)
{
	bool has_moved = true;

	while (has_moved) {
		has_moved = false;
		if (!handle_events(remote, error) ||
			!move(remote, &has_moved, error))
			return false;
	}
	return !remote->is_closed || closed_error(remote, error);
}

void remote_drain(struct remote *remote)
{
	struct error failure = { 0 };

	if (remote->is_busy || remote->is_dead)
		return;
	remote->is_busy = true;
	if (!drain(remote, &failure))
		remote_die(remote, &failure);
	remote->is_busy = false;
}

bool remote_begin(struct remote *remote, struct error *error)
{
	assert(remote->flight == NULL);
	if (!remote->is_dead)
		return remote_idle_end(remote, error);
	if (error != NULL)
		*error = remote->death;
	return false;
}
