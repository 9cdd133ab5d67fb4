#include "syncd/control_client.h"

#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/control.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"

struct ipc *control_connect(const char *runtime_dir, struct error *error)
{
	int fd = control_socket(runtime_dir, false, error);

	return fd == -1 ? NULL : ipc_new(fd);
}

static void wait_for(struct ipc *daemon)
{
	struct pollfd event = {
		.fd = ipc_fd(daemon),
		.events = ipc_wants_write(daemon) ? POLLIN | POLLOUT : POLLIN,
	};

	/* Interrupted or not: the next look tells. */
	(void)poll(&event, 1, -1);
	(void)ipc_flush(daemon);
}

static int code_of(const json_t *message)
{
	json_int_t code = json_integer_value(json_object_get(message, "code"));

	return code < 0 || code > 255 ? CODE_INTERNAL : (int)code;
}

static bool is_last(const json_t *message)
{
	const char *type = ipc_text(message, "type");

	return type != NULL && strcmp(type, "done") == 0;
}

int control_ask(struct ipc *daemon, json_t *request,
	void (*callback)(void *data, const char *type, const json_t *message),
	void *data)
{
	struct error error = { 0 };
	json_t *message;
	int code = -1;

	(void)ipc_send(daemon, request);
	while (code == -1) {
		switch (ipc_receive(daemon, &message, &error)) {
		case IPC_MESSAGE:
			if (is_last(message))
				code = code_of(message);
			else if (ipc_text(message, "type") != NULL)
				callback(data, ipc_text(message, "type"),
					message);
			json_decref(message);
			break;
		case IPC_NONE:
			wait_for(daemon);
			break;
		case IPC_CLOSED:
			log_write(LOG_ERROR, "the daemon ended meanwhile");
			return CODE_TEMPORARY;
		case IPC_ERROR:
			log_write(LOG_ERROR, "%s", error.message);
			return CODE_INTERNAL;
		}
	}
	return code;
}
