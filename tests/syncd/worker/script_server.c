#define _GNU_SOURCE
#include "script_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool read_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && read(fd, &line[used], 1) == 1) {
		if (line[used++] != '\n')
			continue;
		line[used] = '\0';
		return true;
	}
	line[used] = '\0';
	return false;
}

static bool swallow(int fd, size_t count)
{
	char octet;

	while (count > 0 && read(fd, &octet, 1) == 1)
		count--;
	return count == 0;
}

static void say(int fd, const char *text, const char *tag)
{
	for (; *text != '\0'; text++) {
		if (*text == '%')
			peer_write_all(fd, tag, strlen(tag));
		else if (*text == '\x01')
			peer_write_all(fd, "", 1);
		else
			peer_write_all(fd, text, 1);
	}
}

static bool take(struct script *script, int fd, const struct script_step *step,
	char *tag, size_t tag_size)
{
	char line[4096];
	size_t size;

	if (!swallow(fd, step->octets) || !read_line(fd, line, sizeof(line)) ||
		strstr(line, step->wants) == NULL) {
		(void)snprintf(script->failure, sizeof(script->failure),
			"wanted '%.100s', got '%.150s'", step->wants, line);
		return false;
	}
	if (step->is_untagged)
		return true;
	size = strcspn(line, " ");
	(void)snprintf(tag, tag_size, "%.*s", (int)size, line);
	return true;
}

static void serve(int fd, void *data)
{
	struct script *script = data;
	char tag[40] = "";

	for (unsigned i = 0; i < script->count; i++) {
		const struct script_step *step = &script->steps[i];

		if (step->wants != NULL &&
			!take(script, fd, step, tag, sizeof(tag)))
			return;
		if (step->says != NULL)
			say(fd, step->says, tag);
	}
}

void script_add_step(struct script *script, struct script_step step)
{
	assert_true(script->count < SCRIPT_STEP_MAX);
	script->steps[script->count++] = step;
}

void script_add(struct script *script, const char *wants, const char *says)
{
	script_add_step(
		script, (struct script_step){ .wants = wants, .says = says });
}

void script_init(struct script *script, const char *capabilities)
{
	memset(script, 0, sizeof(*script));
	script_add(script, NULL, "* OK [CAPABILITY IMAP4rev1] hello\r\n");
	script_add(script, "LOGIN user pass", "* CAPABILITY IMAP4rev1 ");
	script_add(script, NULL, capabilities);
	script_add(script, NULL, "\r\n% OK welcome\r\n");
}

void script_start(struct script *script)
{
	peer_init(&script->peer, serve, script);
}

void script_finish(struct script *script)
{
	peer_finish(&script->peer);
	if (script->failure[0] != '\0')
		fail_msg("%s", script->failure);
}
