#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake_worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/ipc.h"
#include "syncd/process.h"

static struct ipc *ipc;

static json_t *next(void)
{
	struct error error = { 0 };
	struct pollfd input = { .fd = ipc_fd(ipc), .events = POLLIN };
	json_t *message;

	for (;;) {
		switch (ipc_receive(ipc, &message, &error)) {
		case IPC_MESSAGE:
			return message;
		case IPC_NONE:
			(void)poll(&input, 1, -1);
			break;
		case IPC_CLOSED:
		case IPC_ERROR:
			exit(75);
		}
	}
}

static void say(const char *text)
{
	(void)ipc_send(
		ipc, json_pack("{s:s, s:s}", "type", "line", "text", text));
}

static void send_status(const char *name, json_t *id)
{
	(void)ipc_send(ipc,
		json_pack("{s:s, s:O*, s:{s:s, s:s, s:i, s:[]}}", "type",
			"status", "id", id, "account", "name", name, "state",
			"watching", "since", 1000, "mailboxes"));
}

static void answer(const char *name, const json_t *message)
{
	const char *type = ipc_text(message, "type");
	json_t *id = json_object_get(message, "id");

	if (strcmp(type, "status-request") == 0)
		send_status(name, id);
	else if (strcmp(type, "sync") == 0)
		(void)ipc_send(ipc,
			json_pack("{s:s, s:O, s:i, s:s, s:{s:i}}", "type",
				"synced", "id", id, "code",
				strcmp(name, "steady-held") == 0 ? 1 : 0,
				"error", "", "summary", "downloaded", 3));
	else if (strcmp(type, "command") == 0)
		(void)ipc_send(ipc,
			json_pack("{s:s, s:O, s:[s, s], s:i}", "type", "answer",
				"id", id, "lines", ipc_text(message, "name"),
				name, "code", 0));
}

static int serve(const char *name, bool is_deaf)
{
	bool is_over = false;

	send_status(name, NULL);
	while (!is_over) {
		json_t *message = next();

		is_over = !is_deaf &&
			strcmp(ipc_text(message, "type"), "stop") == 0;
		answer(name, message);
		json_decref(message);
	}
	ipc_free(ipc);
	return 0;
}

static void ask_secret(void)
{
	json_t *message;
	char text[600];

	(void)ipc_send(ipc,
		json_pack("{s:s, s:b}", "type", "secret-request", "retry", 0));
	message = next();
	if (ipc_text(message, "text") != NULL)
		(void)snprintf(
			text, sizeof(text), "%s", ipc_text(message, "text"));
	else
		(void)snprintf(text, sizeof(text), "error: %s",
			ipc_text(message, "error"));
	say(text);
	json_decref(message);
}

static void count_files(void)
{
	char text[16];
	int count = 0;

	for (int fd = PROCESS_SOCKET_FD + 1; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			count++;
	(void)snprintf(text, sizeof(text), "%d", count);
	say(text);
}

bool fake_worker_is_meant(int argument_count, char **arguments)
{
	return argument_count == 3 && strcmp(arguments[1], "worker") == 0;
}

/* For the sanitizer: these processes end in the middle. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return getenv("FAKE_WORKER") == NULL ? "" : "detect_leaks=0";
}

int fake_worker_main(const char *name)
{
	json_t *start;

	ipc = ipc_new(PROCESS_SOCKET_FD);
	if (strcmp(name, "files") == 0)
		count_files();
	start = next();
	say(ipc_text(start, "mode"));
	json_decref(start);
	if (strcmp(name, "dies") == 0)
		_exit(70);
	if (strcmp(name, "killed") == 0)
		(void)raise(SIGKILL);
	if (strcmp(name, "garbage") == 0)
		if (write(PROCESS_SOCKET_FD, "no message\n", 11) != 11)
			_exit(1);
	if (strcmp(name, "secret") == 0 || strcmp(name, "refused") == 0)
		ask_secret();
	if (strcmp(name, "refused") == 0)
		_exit(77);
	if (strncmp(name, "steady", 6) == 0 || strcmp(name, "deaf") == 0 ||
		strcmp(name, "garbage") == 0)
		return serve(name, strcmp(name, "deaf") == 0);
	_exit(0);
}
