/* A hostile server and a busy client. The input is a script of octets: the low
   three bits of each name a step, the rest is its argument. Whatever happens,
   the password is not written before TLS. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/imap_session.h"

#define STEPS_MAX     4096
#define PASSWORD      "pa55word"
#define PASSWORD_SIZE 8
/* "\0me\0pa55word" in base64, as AUTHENTICATE PLAIN would say it. */
#define ENCODED "AG1lAHBhNTV3b3Jk"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
	const uint8_t *data;
	size_t size;
	struct imap_session *session;
	bool is_secure;
	bool has_failed;
	struct buf written; /* before TLS */
};

static void check_no_secret(const struct script *script)
{
	const char *text = buf_text(&script->written);

	if (strstr(text, PASSWORD) != NULL || strstr(text, ENCODED) != NULL)
		abort();
}

static void run_events(struct script *script)
{
	struct imap_event event;
	enum imap_event_kind kind;

	do {
		kind = imap_session_next(script->session, &event, NULL);
		if (kind == IMAP_EVENT_DONE && event.command_id == 0)
			abort();
		if (kind == IMAP_EVENT_LITERAL && event.literal->size > 0)
			(void)memchr(
				event.literal->data, 0, event.literal->size);
	} while (kind != IMAP_EVENT_NONE && kind != IMAP_EVENT_ERROR);
	script->has_failed = kind == IMAP_EVENT_ERROR;
}

/* Memory of its own for each piece: borrowed octets must not be kept. */
static void serve(struct script *script, size_t size)
{
	uint8_t *piece;

	if (size > script->size)
		size = script->size;
	piece = alloc(size, 1);
	if (size > 0)
		memcpy(piece, script->data, size);
	script->data += size;
	script->size -= size;

	imap_session_receive(script->session, piece, size);
	run_events(script);
	free(piece);
}

static struct imap_command *append(void)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");

	imap_command_add_string(command, "a\nb", 3);
	imap_command_add_stream(command, 5);
	imap_command_add_stream(command, 70000);
	return command;
}

static struct imap_command *authenticate(void)
{
	struct imap_command *command = imap_command_new(
		IMAP_COMMAND_AUTHENTICATE, "AUTHENTICATE PLAIN");

	imap_command_set_initial_response(
		command, "\0me\0" PASSWORD, 4 + PASSWORD_SIZE);
	return command;
}

static struct imap_command *login(void)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_LOGIN, "LOGIN me");

	imap_command_add_secret(command, PASSWORD, PASSWORD_SIZE);
	return command;
}

static struct imap_command *make_command(unsigned choice)
{
	static const struct {
		enum imap_command_kind kind;
		const char *words;
	} COMMANDS[] = {
		{ IMAP_COMMAND_PLAIN, "UID FETCH 1:* (FLAGS)" },
		{ IMAP_COMMAND_CAPABILITY, "CAPABILITY" },
		{ IMAP_COMMAND_STARTTLS, "STARTTLS" },
		{ IMAP_COMMAND_COMPRESS, "COMPRESS DEFLATE" },
		{ IMAP_COMMAND_ENABLE, "ENABLE QRESYNC" },
		{ IMAP_COMMAND_SELECT, "SELECT INBOX" },
		{ IMAP_COMMAND_UNSELECT, "UNSELECT" },
		{ IMAP_COMMAND_IDLE, "IDLE" },
		{ IMAP_COMMAND_LOGOUT, "LOGOUT" },
		{ IMAP_COMMAND_PLAIN, "ID NIL" },
	};

	if (choice == 10)
		return append();
	if (choice == 11)
		return authenticate();
	if (choice == 12)
		return login();
	choice %= ARRAY_LENGTH(COMMANDS);
	return imap_command_new(COMMANDS[choice].kind, COMMANDS[choice].words);
}

static void submit(struct script *script, unsigned choice)
{
	uint32_t id =
		imap_session_submit(script->session, make_command(choice));

	if (id == 0)
		abort();
	run_events(script);
}

static void write_out(struct script *script, unsigned share)
{
	const uint8_t *data;
	size_t size = imap_session_output(script->session, &data);

	if (share != 0 && size > share)
		size = share;
	if (!script->is_secure)
		buf_add(&script->written, data, size);
	imap_session_sent(script->session, size);
	run_events(script);
}

static void append_data(struct script *script, unsigned blocks)
{
	static const uint8_t BYTES[4096];
	size_t size = blocks < 8 ? blocks : (size_t)blocks * 128;

	if (size > sizeof(BYTES))
		size = sizeof(BYTES);
	if (imap_session_wants_data(script->session))
		(void)imap_session_append_data(script->session, BYTES, size);
	run_events(script);
}

static void talk(struct script *script, unsigned choice)
{
	switch (choice % 3) {
	case 0:
		imap_session_answer(script->session,
			(const uint8_t *)"\0me\0" PASSWORD, 4 + PASSWORD_SIZE);
		break;
	case 1:
		imap_session_cancel_authentication(script->session);
		break;
	default:
		imap_session_idle_done(script->session);
		break;
	}
}

static void change_stream(struct script *script, unsigned choice)
{
	const uint8_t *pending;

	if (choice % 2 == 0) {
		(void)imap_session_take_pending(script->session, &pending);
		return;
	}
	if (imap_session_tls_started(script->session, NULL))
		script->is_secure = true;
}

static void step(struct script *script)
{
	unsigned argument = *script->data >> 3;
	unsigned kind = *script->data & 7;

	script->data++;
	script->size--;
	switch (kind) {
	case 0:
		serve(script, argument);
		break;
	case 1:
		submit(script, argument);
		break;
	case 2:
		write_out(script, argument);
		break;
	case 3:
		append_data(script, argument);
		break;
	case 4:
		talk(script, argument);
		break;
	case 5:
		change_stream(script, argument);
		break;
	default:
		serve(script, (size_t)argument * 8);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_session_options options = { .tag_prefix = "t" };
	struct script script = { 0 };

	if (size == 0)
		return 0;
	script.is_secure = (data[0] & 1) != 0;
	options.is_secure = script.is_secure;
	options.pipeline_max = data[0] >> 4;
	script.data = data + 1;
	script.size = size - 1;
	script.session = imap_session_new(&options);

	for (unsigned i = 0; i < STEPS_MAX && script.size > 0; i++) {
		step(&script);
		check_no_secret(&script);
		if (script.has_failed)
			break;
	}
	imap_session_free(script.session);
	buf_finish(&script.written);
	return 0;
}
