/* IDLE (RFC 2177): once begun it goes on in the loop's callbacks. What the
   server announces is a reason to look, never a journal. */
#include "syncd/worker/remote_internal.h"

#define REISSUE_MS (9 * 60 * 1000)
/* The server has this long to take a DONE or to say + again. */
#define ANSWER_MS 60000

void remote_mark_changed(struct remote *remote)
{
	remote->has_changed = true;
	if (remote->wakeup != NULL)
		remote->wakeup(remote->wakeup_data);
}

static void handle_ready(void *data)
{
	remote_drain(data);
}

static void submit_idle(struct remote *remote)
{
	remote->command_count++;
	remote->idle_state = REMOTE_IDLE_STARTING;
	remote->idle_id = imap_session_submit(
		remote->session, imap_command_new(IMAP_COMMAND_IDLE, "IDLE"));
}

static void send_done(struct remote *remote)
{
	remote->idle_state = REMOTE_IDLE_ENDING;
	imap_session_idle_done(remote->session);
}

static void handle_timer(void *data)
{
	struct remote *remote = data;
	struct error failure = { 0 };

	if (remote->is_dead || remote->idle_state == REMOTE_IDLE_OFF)
		return;
	if (remote->idle_state != REMOTE_IDLE_ON) {
		error_set(&failure, ERROR_DISCONNECTED,
			"server does not answer while idling");
		remote_die(remote, &failure);
		return;
	}
	loop_timer_set(remote->loop, remote->idle_timer, ANSWER_MS);
	send_done(remote);
	remote_drain(remote);
}

void remote_idle_init(struct remote *remote)
{
	remote->idle_timer = loop_timer_new(remote->loop, handle_timer, remote);
	transport_set_ready_callback(remote->transport, handle_ready, remote);
}

void remote_idle_finish(struct remote *remote)
{
	if (remote->idle_timer != NULL)
		loop_timer_free(remote->loop, remote->idle_timer);
	remote->idle_timer = NULL;
}

void remote_idle_begun(struct remote *remote)
{
	if (!remote->is_idle_wanted) {
		send_done(remote);
		return;
	}
	remote->idle_state = REMOTE_IDLE_ON;
	loop_timer_set(remote->loop, remote->idle_timer, REISSUE_MS);
}

void remote_idle_ended(struct remote *remote)
{
	bool has_begun = remote->idle_state != REMOTE_IDLE_STARTING;
	struct error failure = { 0 };

	remote->idle_id = 0;
	remote->idle_state = REMOTE_IDLE_OFF;
	if (!remote->is_idle_wanted)
		return;
	if (has_begun) {
		loop_timer_set(remote->loop, remote->idle_timer, ANSWER_MS);
		submit_idle(remote);
		return;
	}
	/* Refused. Who waits for it learns that from the answer. */
	remote->is_idle_wanted = false;
	if (remote->flight != NULL)
		return;
	error_set(&failure, ERROR_DISCONNECTED, "server does not idle again");
	remote_die(remote, &failure);
}

bool remote_idle_end(struct remote *remote, struct error *error)
{
	struct remote_flight flight;
	bool is_done;

	remote->is_idle_wanted = false;
	if (remote->idle_state == REMOTE_IDLE_OFF)
		return true;
	loop_timer_cancel(remote->loop, remote->idle_timer);
	if (remote->idle_state == REMOTE_IDLE_ON)
		send_done(remote);
	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_LOGIN_TIMEOUT_MS;
	(void)remote_flight_adopt(&flight, remote->idle_id);
	is_done = remote_flight_run(&flight, error);
	remote_flight_finish(&flight);
	return is_done;
}

bool remote_idle_start(
	struct remote *remote, const char *wire_name, struct error *error)
{
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	if (!remote_begin(remote, error) ||
		!remote_select_any(
			remote, wire_name, REMOTE_ALIVE_TIMEOUT_MS, error))
		return false;
	remote->is_idle_wanted = true;
	submit_idle(remote);
	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_ALIVE_TIMEOUT_MS;
	call = remote_flight_adopt(&flight, remote->idle_id);
	is_done = remote_flight_run(&flight, error) &&
		(remote->idle_state == REMOTE_IDLE_ON ||
			remote_check(remote, call, "idle", error));
	remote_flight_finish(&flight);
	return is_done;
}

bool remote_is_idle(const struct remote *remote)
{
	return remote->is_idle_wanted && !remote->is_dead;
}

bool remote_take_changed(struct remote *remote)
{
	bool has_changed = remote->has_changed;

	remote->has_changed = false;
	return has_changed;
}

void remote_set_wakeup(
	struct remote *remote, void (*wakeup)(void *data), void *data)
{
	remote->wakeup = wakeup;
	remote->wakeup_data = data;
}
