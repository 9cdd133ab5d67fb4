#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4, struct ucred */
#endif
#include "syncd/control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/exit_code.h"
#include "syncd/ipc.h"
#include "syncd/log.h"

enum call_kind {
	CALL_STATUS,
	CALL_SYNC,
	CALL_COMMAND,
};

/* One question to one worker on behalf of a client. */
struct call {
	struct call *next;
	enum call_kind kind;
	json_int_t id;
	struct client *client;
	char *account;
};

struct client {
	struct client *next;
	struct control *control;
	struct ipc *ipc;
	struct loop_source *source;
	struct loop_timer *timer; /* status: do not wait any longer */
	bool has_asked;
	bool is_status;
	bool is_done; /* to be closed when all is written */
	int code;     /* the highest so far */
};

struct control {
	struct loop *loop;
	struct supervisor *supervisor;
	int fd;
	struct loop_source *source;
	struct client *clients;
	size_t client_count;
	struct call *calls;
	json_int_t last_id;
	void (*stop)(void *data);
	void *data;
};

/* ---- Calls ---- */

static void call_drop(struct call **link)
{
	struct call *call = *link;

	*link = call->next;
	free(call->account);
	free(call);
}

static void drop_calls_of(const struct client *client)
{
	struct call **link = &client->control->calls;

	while (*link != NULL) {
		if ((*link)->client == client)
			call_drop(link);
		else
			link = &(*link)->next;
	}
}

static bool has_calls(const struct client *client)
{
	const struct call *call = client->control->calls;

	while (call != NULL && call->client != client)
		call = call->next;
	return call != NULL;
}

static json_int_t call_add(
	struct client *client, enum call_kind kind, const char *account)
{
	struct control *control = client->control;
	struct call *call = alloc(1, sizeof(*call));

	call->kind = kind;
	call->id = ++control->last_id;
	call->client = client;
	call->account = alloc_text(account);
	call->next = control->calls;
	control->calls = call;
	return call->id;
}

/* ---- Clients ---- */

static void client_free(struct client *client)
{
	drop_calls_of(client);
	loop_timer_free(client->control->loop, client->timer);
	loop_remove(client->control->loop, client->source);
	ipc_free(client->ipc);
	free(client);
}

static void client_leave(struct client *client)
{
	struct client **link = &client->control->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->control->client_count--;
	client_free(client);
}

static void client_send(struct client *client, json_t *message)
{
	/* A client that is gone shows as the end of its stream. */
	if (ipc_send(client->ipc, message) && ipc_wants_write(client->ipc))
		loop_modify(client->control->loop, client->source,
			LOOP_READ | LOOP_WRITE);
}

static void send_statuses(struct client *client)
{
	const struct supervisor *supervisor = client->control->supervisor;
	const char *name;

	for (size_t i = 0; (name = supervisor_name(supervisor, i)) != NULL; i++)
		client_send(client,
			json_pack("{s:s, s:o}", "type", "account", "account",
				supervisor_status(supervisor, name)));
}

static void finish(struct client *client)
{
	if (client->is_done)
		return;
	client->is_done = true;
	drop_calls_of(client);
	if (client->is_status)
		send_statuses(client);
	client_send(client,
		json_pack("{s:s, s:i}", "type", "done", "code", client->code));
}

static void raise_code(struct client *client, int code)
{
	if (code > client->code)
		client->code = code;
}

static void refuse(struct client *client, int code, const char *text)
{
	raise_code(client, code);
	client_send(
		client, json_pack("{s:s, s:s}", "type", "error", "text", text));
}

/* ---- Requests ---- */

static void status_timed_out(void *data)
{
	finish(data);
}

static void ask_status(struct client *client)
{
	struct control *control = client->control;
	const char *name;

	client->is_status = true;
	for (size_t i = 0;
		(name = supervisor_name(control->supervisor, i)) != NULL; i++) {
		if (!supervisor_is_running(control->supervisor, name))
			continue;
		(void)supervisor_send(control->supervisor, name,
			json_pack("{s:s, s:I}", "type", "status-request", "id",
				call_add(client, CALL_STATUS, name)));
	}
	loop_timer_set(control->loop, client->timer, CONTROL_STATUS_MS);
}

static json_t *worker_request(
	const json_t *request, const json_t *wish, json_int_t id)
{
	const char *type = ipc_text(request, "type");

	if (strcmp(type, "sync") == 0)
		return json_pack("{s:s, s:I}", "type", "sync", "id", id);
	return json_pack("{s:s, s:I, s:s, s:O*}", "type", "command", "id", id,
		"name", ipc_text(request, "name"), "mailboxes",
		json_object_get(wish, "mailboxes"));
}

static void ask_one(struct client *client, const json_t *request,
	const json_t *wish, enum call_kind kind)
{
	struct supervisor *supervisor = client->control->supervisor;
	const char *name = ipc_text(wish, "name");
	json_int_t id;

	if (name == NULL) {
		refuse(client, CODE_USAGE, "a request names no account");
		return;
	}
	id = call_add(client, kind, name);
	if (supervisor_send(
		    supervisor, name, worker_request(request, wish, id)))
		return;
	/* Unless its end was told while sending. */
	if (client->control->calls != NULL && client->control->calls->id == id)
		call_drop(&client->control->calls);
	refuse(client, CODE_TEMPORARY,
		"the daemon does not run this account; is it new in the "
		"configuration? SIGHUP reloads");
}

static void ask_workers(
	struct client *client, const json_t *request, enum call_kind kind)
{
	const json_t *wishes = json_object_get(request, "accounts");
	const json_t *wish;
	size_t i;

	if (kind == CALL_COMMAND && ipc_text(request, "name") == NULL) {
		refuse(client, CODE_USAGE, "a command without a name");
		return;
	}
	json_array_foreach(wishes, i, wish)
		ask_one(client, request, wish, kind);
}

static void take_request(struct client *client, const json_t *request)
{
	const char *type = ipc_text(request, "type");

	client->has_asked = true;
	if (type == NULL)
		refuse(client, CODE_USAGE, "a request without a type");
	else if (strcmp(type, "status") == 0)
		ask_status(client);
	else if (strcmp(type, "sync") == 0)
		ask_workers(client, request, CALL_SYNC);
	else if (strcmp(type, "command") == 0)
		ask_workers(client, request, CALL_COMMAND);
	else if (strcmp(type, "stop") == 0)
		client->control->stop(client->control->data);
	else
		refuse(client, CODE_USAGE,
			"the daemon does not know this request: is it of "
			"another version?");
	if (!has_calls(client))
		finish(client);
}

/* False when the client is gone. */
static bool client_receive(struct client *client)
{
	struct error error = { 0 };
	json_t *message;

	for (;;) {
		switch (ipc_receive(client->ipc, &message, &error)) {
		case IPC_MESSAGE:
			if (!client->has_asked)
				take_request(client, message);
			json_decref(message);
			continue;
		case IPC_NONE:
			return true;
		case IPC_CLOSED:
		case IPC_ERROR:
			return false;
		}
	}
}

static void client_ready(void *data, unsigned events)
{
	struct client *client = data;

	(void)events;
	(void)ipc_flush(client->ipc);
	if (!client_receive(client)) {
		client_leave(client);
		return;
	}
	loop_modify(client->control->loop, client->source,
		ipc_wants_write(client->ipc) ? LOOP_READ | LOOP_WRITE
					     : LOOP_READ);
}

static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		(peer.uid == geteuid() || peer.uid == 0);
}

static void connected(void *data, unsigned events)
{
	struct control *control = data;
	struct client *client;
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd == -1)
		return;
	if (control->client_count >= CONTROL_CLIENT_COUNT_MAX ||
		!is_trusted(fd)) {
		log_write(LOG_WARNING,
			"a connection to the control socket was refused");
		close(fd);
		return;
	}
	client = alloc(1, sizeof(*client));
	client->control = control;
	client->ipc = ipc_new(fd);
	client->timer = loop_timer_new(control->loop, status_timed_out, client);
	client->source =
		loop_add(control->loop, fd, LOOP_READ, client_ready, client);
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
}

/* ---- Answers ---- */

static json_t *with_account(const json_t *message, const char *account)
{
	/* json_copy() takes no const, and changes nothing. */
	json_t *copy = json_object();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)message, key, value)
		(void)json_object_set(copy, key, value);
	(void)json_object_set_new(copy, "account", json_string(account));
	return copy;
}

static void give_progress(
	struct control *control, const char *account, const json_t *message)
{
	for (const struct call *call = control->calls; call != NULL;
		call = call->next)
		if (call->kind == CALL_SYNC &&
			strcmp(call->account, account) == 0)
			client_send(
				call->client, with_account(message, account));
}

static void give_lines(
	struct client *client, const char *account, const json_t *lines)
{
	const json_t *line;
	size_t i;

	json_array_foreach(lines, i, line)
		if (json_is_string(line))
			client_send(client,
				json_pack("{s:s, s:s, s:s}", "type", "line",
					"account", account, "text",
					json_string_value(line)));
}

static void answered(struct call **link, const json_t *message)
{
	struct call *call = *link;
	struct client *client = call->client;

	if (call->kind == CALL_SYNC)
		client_send(client, with_account(message, call->account));
	else if (call->kind == CALL_COMMAND)
		give_lines(client, call->account,
			json_object_get(message, "lines"));
	raise_code(client,
		(int)json_integer_value(json_object_get(message, "code")));
	call_drop(link);
	if (!has_calls(client))
		finish(client);
}

static enum call_kind kind_of(const char *type)
{
	if (strcmp(type, "synced") == 0)
		return CALL_SYNC;
	return strcmp(type, "answer") == 0 ? CALL_COMMAND : CALL_STATUS;
}

void control_message(struct control *control, const char *account,
	const char *type, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");
	struct call **link = &control->calls;

	if (strcmp(type, "progress") == 0) {
		give_progress(control, account, message);
		return;
	}
	if (!json_is_integer(id))
		return;
	for (; *link != NULL; link = &(*link)->next)
		if ((*link)->id == json_integer_value(id) &&
			(*link)->kind == kind_of(type) &&
			strcmp((*link)->account, account) == 0) {
			answered(link, message);
			return;
		}
}

static struct call **find_call_to(struct control *control, const char *account)
{
	struct call **link = &control->calls;

	while (*link != NULL && strcmp((*link)->account, account) != 0)
		link = &(*link)->next;
	return link;
}

void control_ended(struct control *control, const char *account, int code)
{
	struct call **link;

	while (*(link = find_call_to(control, account)) != NULL) {
		struct client *client = (*link)->client;
		bool is_status = (*link)->kind == CALL_STATUS;

		call_drop(link);
		if (!is_status) {
			raise_code(client,
				code > CODE_LEFT_OVER ? code : CODE_TEMPORARY);
			client_send(client,
				json_pack("{s:s, s:i, s:s, s:s}", "type", "log",
					"level", (int)LOG_ERROR, "account",
					account, "text",
					"the worker ended meanwhile"));
		}
		if (!has_calls(client))
			finish(client);
	}
}

/* ---- Start and end ---- */

struct control *control_new(struct loop *loop, struct supervisor *supervisor,
	const char *directory, void (*stop)(void *data), void *data,
	struct error *error)
{
	struct control *control;
	int fd = control_socket(directory, true, error);

	if (fd == -1)
		return NULL;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
		(void)error_set_errno(error, "cannot set up the socket");
		close(fd);
		return NULL;
	}
	control = alloc(1, sizeof(*control));
	control->loop = loop;
	control->supervisor = supervisor;
	control->fd = fd;
	control->stop = stop;
	control->data = data;
	control->source = loop_add(loop, fd, LOOP_READ, connected, control);
	return control;
}

void control_free(struct control *control)
{
	if (control == NULL)
		return;
	while (control->clients != NULL) {
		struct client *client = control->clients;

		control->clients = client->next;
		client_free(client);
	}
	loop_remove(control->loop, control->source);
	close(control->fd);
	free(control);
}
