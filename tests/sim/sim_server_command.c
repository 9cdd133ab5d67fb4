/* Commands: which there are, when they are legal, and how they end. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tests/sim/sim_server_internal.h"

#define REFUSAL_ODDS 40
#define GOODBYE_ODDS 120
#define QUOTA_ODDS   4

/* ---- Answers ---- */

void sim_refuse(
	struct sim_connection *connection, const char *code, const char *words)
{
	connection->status = ANSWER_NO;
	connection->words = words;
	sim_text_clear(&connection->code);
	if (code != NULL)
		sim_text_put(&connection->code, code);
}

void sim_reject_gently(struct sim_connection *connection, const char *words)
{
	sim_refuse(connection, NULL, words);
	connection->status = ANSWER_BAD;
}

static void note_bad(struct sim_connection *connection, const char *reason)
{
	sim_text_clear(&server.last_bad);
	sim_text_format(&server.last_bad, "%s: %s", reason,
		connection->line.size == 0 ? "?" : connection->line.data);
	seam_log("imap %u: BAD: %s", connection->number, server.last_bad.data);
}

void sim_reject(struct sim_connection *connection, const char *reason)
{
	server.counts.bads++;
	note_bad(connection, reason);
	sim_reject_gently(connection, reason);
}

void sim_count_forbidden(struct sim_connection *connection, const char *what)
{
	server.counts.forbidden++;
	note_bad(connection, what);
}

static void write_tagged(struct sim_connection *connection)
{
	static const char *const STATUS[] = { "OK", "NO", "BAD", "" };
	struct sim_text *answer = &connection->answer;
	size_t before = answer->size;

	sim_text_format(
		answer, "%s %s ", connection->tag, STATUS[connection->status]);
	if (connection->code.size > 0)
		sim_text_format(answer, "[%s] ", connection->code.data);
	sim_text_format(answer, "%s\r\n",
		connection->words == NULL ? "done" : connection->words);
	seam_log("imap %u: %.*s", connection->number,
		(int)(answer->size - before - 2), answer->data + before);
}

static void clear_answer(struct sim_connection *connection)
{
	connection->status = ANSWER_OK;
	connection->words = NULL;
	connection->has_begun = false;
	sim_text_clear(&connection->code);
	sim_text_clear(&connection->answer);
	connection->part_count = 0;
	connection->destination[0] = connection->other_name[0] = '\0';
	connection->set.count = connection->from.count = connection->to.count =
		0;
}

/* ---- Hooks ---- */

static const char *selected_name(const struct sim_connection *connection)
{
	return connection->mailbox == NULL ? NULL
					   : connection->mailbox->shown.name;
}

void sim_call_command_hook(
	struct sim_connection *connection, const void *body, size_t size)
{
	const struct sim_command command = {
		.name = connection->name,
		.line = connection->line.data,
		.mailbox = selected_name(connection),
		.destination = connection->destination[0] == '\0'
			? NULL
			: connection->destination,
		.body = body,
		.body_size = size,
	};

	if (server.command_hook != NULL)
		server.command_hook(&command);
}

void sim_call_change_hook(const char *change,
	const struct server_mailbox *mailbox, const struct sim_message *message)
{
	server.counts.changes++;
	if (server.change_hook != NULL)
		server.change_hook(change, mailbox->shown.name, message);
}

/* ---- Between parsing and doing ---- */

static bool is_spared(const struct sim_connection *connection)
{
	return strcmp(connection->name, "LOGOUT") == 0;
}

static bool is_refused(struct sim_connection *connection)
{
	static const char *const CODES[] = { NULL, "UNAVAILABLE", "INUSE",
		"SERVERBUG" };
	const char *code = "UNAVAILABLE";

	if (sim_refuse_as_wanted(connection, connection->name))
		return true;
	if (is_spared(connection) ||
		!sim_chance(SIM_REFUSES, REFUSAL_ODDS, "a NO"))
		return false;
	if (connection->state != SESSION_NEW)
		code = CODES[seam_choose(ARRAY_LENGTH(CODES))];
	sim_refuse(connection, code, "not now");
	return true;
}

bool sim_is_over_quota(struct sim_connection *connection)
{
	if (!sim_chance(SIM_OVER_QUOTA, QUOTA_ODDS, "the quota is used up"))
		return false;
	sim_refuse(connection, "OVERQUOTA", "no room");
	return true;
}

static bool is_ended(struct sim_connection *connection)
{
	if (connection->is_evicted)
		sim_say_bye(connection, "the mailbox is no more");
	else if (!is_spared(connection) &&
		sim_chance(SIM_BYE, GOODBYE_ODDS, "a BYE"))
		sim_say_bye(connection, "try again later");
	return connection->is_over;
}

bool sim_begin(struct sim_connection *connection)
{
	if (!sim_take_end(&connection->cursor)) {
		sim_reject(connection, connection->cursor.reason);
		return false;
	}
	(void)seam_before(SEAM_WIRE, connection->name, false);
	if (connection->is_cut)
		return false;
	server.counts.commands++;
	if (is_ended(connection) || is_refused(connection))
		return false;
	connection->has_begun = true;
	if (strcmp(connection->name, "APPEND") != 0)
		sim_call_command_hook(connection, NULL, 0);
	return true;
}

/* ---- Capabilities and login ---- */

static const struct {
	uint32_t ability;
	const char *words;
} CAPABILITIES[] = {
	{ SIM_UIDPLUS, " UIDPLUS" },
	{ SIM_MOVE, " MOVE" },
	{ SIM_CONDSTORE, " CONDSTORE ENABLE" },
	{ SIM_QRESYNC, " QRESYNC" },
	{ SIM_OBJECTID, " OBJECTID" },
	{ SIM_LITERAL_PLUS, " LITERAL+" },
	{ SIM_MULTIAPPEND, " MULTIAPPEND" },
	{ SIM_ESEARCH, " ESEARCH" },
	{ SIM_LIST_STATUS, " LIST-EXTENDED LIST-STATUS SPECIAL-USE" },
	{ SIM_IDLE, " IDLE" },
	{ SIM_UNSELECT, " UNSELECT" },
	{ SIM_SASL_IR, " SASL-IR" },
};

static void write_capabilities(
	const struct sim_connection *connection, struct sim_text *text)
{
	bool is_new = connection->state == SESSION_NEW;
	uint32_t early = SIM_LITERAL_PLUS | SIM_SASL_IR;

	sim_text_put(text, "CAPABILITY IMAP4rev1 ID");
	for (size_t i = 0; i < ARRAY_LENGTH(CAPABILITIES); i++)
		if (sim_has(CAPABILITIES[i].ability) &&
			(!is_new || (CAPABILITIES[i].ability & early) != 0))
			sim_text_put(text, CAPABILITIES[i].words);
	if (is_new) {
		sim_text_put(text, " AUTH=PLAIN");
		return;
	}
	sim_text_put(text, " NAMESPACE");
	if (sim_has(SIM_APPENDLIMIT))
		sim_text_format(text, " APPENDLIMIT=%d", SIM_APPEND_LIMIT);
	if ((server.quirks & SIM_MESSAGE_LIMIT) != 0)
		sim_text_format(text, " MESSAGELIMIT=%u",
			(unsigned)server.message_limit);
}

static void do_capability(struct sim_connection *connection)
{
	if (!sim_begin(connection))
		return;
	sim_text_put(&connection->answer, "* ");
	write_capabilities(connection, &connection->answer);
	sim_text_put(&connection->answer, "\r\n");
}

static void let_in(struct sim_connection *connection, const char *password)
{
	if (strcmp(password, SIM_WRONG_PASSWORD) == 0) {
		sim_refuse(connection, "AUTHENTICATIONFAILED", "wrong");
		return;
	}
	connection->state = SESSION_AUTHENTICATED;
	write_capabilities(connection, &connection->code);
}

static void do_login(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	char user[SIM_NAME_SIZE], password[SIM_NAME_SIZE];

	if (sim_expect(cursor, " ") &&
		sim_take_string(cursor, user, sizeof(user)) &&
		sim_expect(cursor, " "))
		(void)sim_take_string(cursor, password, sizeof(password));
	if (sim_begin(connection))
		let_in(connection, password);
}

/* The value of a Base64 digit, or 64. */
static unsigned digit_value(char digit)
{
	static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = digit == '\0' ? NULL : strchr(DIGITS, digit);

	return found == NULL ? 64 : (unsigned)(found - DIGITS);
}

/* "authorization NUL user NUL password"; false when it is none. */
static bool take_plain(struct sim_cursor *cursor, char password_out[])
{
	char plain[3 * SIM_NAME_SIZE] = { 0 };
	size_t size = 0, count = 0, nul_count = 0, start = 0;
	unsigned bits = 0;

	for (; cursor->position < cursor->size; cursor->position++) {
		unsigned value = digit_value(cursor->data[cursor->position]);

		if (value == 64 || size + 1 >= sizeof(plain))
			break;
		bits = bits << 6 | value;
		if (++count % 4 != 1)
			plain[size++] = (char)(bits >> (4 - count % 4) % 4 * 2);
	}
	while (sim_take(cursor, "="))
		count++;
	for (size_t i = 0; i < size; i++)
		if (plain[i] == '\0' && ++nul_count == 2)
			start = i + 1;
	if (count % 4 != 0 || nul_count < 2 || size - start >= SIM_NAME_SIZE)
		return sim_bad(cursor, "no PLAIN credentials");
	memcpy(password_out, plain + start, size - start + 1);
	return true;
}

static void authenticate(struct sim_connection *connection)
{
	char password[SIM_NAME_SIZE] = "";

	(void)take_plain(&connection->cursor, password);
	if (sim_begin(connection))
		let_in(connection, password);
}

static void do_authenticate(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;

	(void)sim_expect(cursor, " PLAIN");
	if (sim_take(cursor, " ")) {
		if (!sim_has(SIM_SASL_IR))
			(void)sim_bad(cursor, "SASL-IR was not offered");
		authenticate(connection);
		return;
	}
	if (!sim_take_end(cursor)) {
		sim_reject(connection, cursor->reason);
		return;
	}
	sim_text_put(&connection->answer, "+ \r\n");
	connection->status = ANSWER_NONE;
	connection->awaited = AWAITS_CREDENTIALS;
}

void sim_take_credentials(struct sim_connection *connection)
{
	clear_answer(connection);
	connection->awaited = AWAITS_COMMAND;
	if (sim_take(&connection->cursor, "*"))
		sim_reject_gently(connection, "given up");
	else
		authenticate(connection);
	if (connection->status != ANSWER_NONE && !connection->is_cut)
		write_tagged(connection);
}

static void do_id(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	char text[SIM_NAME_SIZE];

	(void)sim_expect(cursor, " ");
	if (!sim_take(cursor, "NIL") && sim_expect(cursor, "(")) {
		do {
			if (!sim_take_string(cursor, text, sizeof(text)))
				break;
		} while (sim_take(cursor, " "));
		(void)sim_expect(cursor, ")");
	}
	if (sim_begin(connection))
		sim_text_put(
			&connection->answer, "* ID (\"name\" \"sim\")\r\n");
}

static void do_enable(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	bool is_qresync = false, is_condstore = false;
	char word[SIM_WORD_SIZE];

	while (sim_take(cursor, " ")) {
		if (!sim_take_atom(cursor, word, sizeof(word)))
			break;
		is_qresync |= text_equal_nocase(word, "QRESYNC");
		is_condstore |= text_equal_nocase(word, "CONDSTORE");
	}
	if (!sim_begin(connection))
		return;
	is_qresync &= sim_has(SIM_QRESYNC);
	connection->is_qresync |= is_qresync;
	connection->is_condstore |= is_qresync || is_condstore;
	sim_text_format(&connection->answer, "* ENABLED%s%s\r\n",
		is_condstore ? " CONDSTORE" : "", is_qresync ? " QRESYNC" : "");
}

static void do_namespace(struct sim_connection *connection)
{
	if (sim_begin(connection))
		sim_text_put(&connection->answer,
			"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
}

static void do_noop(struct sim_connection *connection)
{
	(void)sim_begin(connection);
}

static void do_close(struct sim_connection *connection)
{
	sim_reject(connection, "CLOSE expunges: forbidden");
}

static void do_logout(struct sim_connection *connection)
{
	if (!sim_begin(connection))
		return;
	sim_view_close(connection);
	sim_text_put(&connection->answer, "* BYE until next time\r\n");
	connection->is_over = true;
}

/* ---- IDLE ---- */

static void do_idle(struct sim_connection *connection)
{
	if (!sim_begin(connection))
		return;
	sim_text_put(&connection->answer, "+ idling\r\n");
	connection->status = ANSWER_NONE;
	connection->awaited = AWAITS_DONE;
	sim_connection_notify(connection);
}

void sim_take_done(struct sim_connection *connection)
{
	clear_answer(connection);
	connection->awaited = AWAITS_COMMAND;
	if (!sim_expect(&connection->cursor, "DONE") ||
		!sim_take_end(&connection->cursor))
		sim_reject(connection, "not DONE");
	else if (connection->is_evicted)
		sim_say_bye(connection, "the mailbox is no more");
	else
		sim_view_tell(connection, true);
	if (connection->status != ANSWER_NONE)
		write_tagged(connection);
}

/* ---- The table ---- */

enum {
	ANY = SESSION_NEW | SESSION_AUTHENTICATED | SESSION_SELECTED,
	INSIDE = SESSION_AUTHENTICATED | SESSION_SELECTED,
};

enum form {
	ALONE,
	WITH_UID, /* also as UID … */
	/* Also as UID …; else numbers must stay what they are while it runs
	   (RFC 9051, 7.5.1). */
	WITH_UID_OR_STILL,
};

static const struct command {
	const char *name;
	unsigned states;
	uint32_t ability;
	enum form form;
	void (*run)(struct sim_connection *connection);
} COMMANDS[] = {
	{ "CAPABILITY", ANY, 0, ALONE, do_capability },
	{ "NOOP", ANY, 0, ALONE, do_noop },
	{ "LOGOUT", ANY, 0, ALONE, do_logout },
	{ "ID", ANY, 0, ALONE, do_id },
	{ "LOGIN", SESSION_NEW, 0, ALONE, do_login },
	{ "AUTHENTICATE", SESSION_NEW, 0, ALONE, do_authenticate },
	{ "ENABLE", SESSION_AUTHENTICATED, SIM_CONDSTORE, ALONE, do_enable },
	{ "NAMESPACE", INSIDE, 0, ALONE, do_namespace },
	{ "LIST", INSIDE, 0, ALONE, sim_do_list },
	{ "STATUS", INSIDE, 0, ALONE, sim_do_status },
	{ "CREATE", INSIDE, 0, ALONE, sim_do_create },
	{ "DELETE", INSIDE, 0, ALONE, sim_do_delete },
	{ "RENAME", INSIDE, 0, ALONE, sim_do_rename },
	{ "SUBSCRIBE", INSIDE, 0, ALONE, sim_do_subscribe },
	{ "UNSUBSCRIBE", INSIDE, 0, ALONE, sim_do_subscribe },
	{ "APPEND", INSIDE, 0, ALONE, sim_do_append },
	{ "SELECT", INSIDE, 0, ALONE, sim_do_select },
	{ "EXAMINE", INSIDE, 0, ALONE, sim_do_select },
	{ "IDLE", INSIDE, SIM_IDLE, ALONE, do_idle },
	{ "UNSELECT", SESSION_SELECTED, SIM_UNSELECT, ALONE, sim_do_unselect },
	{ "CLOSE", SESSION_SELECTED, 0, ALONE, do_close },
	{ "FETCH", SESSION_SELECTED, 0, WITH_UID_OR_STILL, sim_do_fetch },
	{ "SEARCH", SESSION_SELECTED, 0, WITH_UID_OR_STILL, sim_do_search },
	{ "STORE", SESSION_SELECTED, 0, WITH_UID_OR_STILL, sim_do_store },
	{ "COPY", SESSION_SELECTED, 0, WITH_UID, sim_do_copy },
	{ "MOVE", SESSION_SELECTED, SIM_MOVE, WITH_UID, sim_do_move },
	{ "EXPUNGE", SESSION_SELECTED, 0, WITH_UID, sim_do_expunge },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(COMMANDS); i++)
		if (text_equal_nocase(COMMANDS[i].name, name))
			return &COMMANDS[i];
	return NULL;
}

static const struct command *take_name(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	const struct command *command = NULL;
	char word[SIM_WORD_SIZE];

	connection->is_uid = sim_take(cursor, "UID ");
	if (sim_take_atom(cursor, word, sizeof(word)))
		command = find_command(word);
	if (command == NULL || (connection->is_uid && command->form == ALONE))
		return NULL;
	connection->may_expunge =
		connection->is_uid || command->form != WITH_UID_OR_STILL;
	(void)snprintf(connection->name, sizeof(connection->name), "%s%s",
		connection->is_uid ? "UID " : "", command->name);
	return command;
}

/* The command without its tag, literals as {size}. */
static void write_line(struct sim_connection *connection)
{
	const struct sim_cursor *cursor = &connection->cursor;
	size_t position = cursor->position;
	bool is_waited_for;
	uint64_t size;

	sim_text_clear(&connection->line);
	while (position < cursor->size) {
		const char *line = cursor->data + position;
		const char *end = memchr(line, '\n', cursor->size - position);
		size_t line_size = (size_t)(end - line) - 1;

		sim_text_add(&connection->line, line, line_size);
		position += line_size + 2;
		if (sim_find_literal(line, line_size, &size, &is_waited_for))
			position += (size_t)size;
	}
	/* No secrets in logs. */
	if (text_starts_with(connection->line.data, "LOGIN ") ||
		text_starts_with(connection->line.data, "AUTHENTICATE "))
		connection->line.size = strcspn(connection->line.data, " ");
	sim_text_add(&connection->line, "", 0);
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
static bool take_tag(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;

	return sim_take_atom(
		       cursor, connection->tag, sizeof(connection->tag)) &&
		(strchr(connection->tag, '+') == NULL ||
			sim_bad(cursor, "a tag with +")) &&
		sim_expect(cursor, " ");
}

/* The client sent it before it could know that its SELECT failed. */
static bool is_excused(const struct sim_connection *connection)
{
	return connection->state == SESSION_AUTHENTICATED &&
		connection->input_total - connection->input.size <
		connection->excused_input;
}

static void dispatch(struct sim_connection *connection)
{
	const struct command *command = take_name(connection);

	if (command == NULL)
		sim_reject(connection, "no such command");
	else if ((command->states & connection->state) == 0 &&
		is_excused(connection))
		sim_reject_gently(connection, "no mailbox is selected");
	else if ((command->states & connection->state) == 0)
		sim_reject(connection, "not in this state");
	else if (!sim_has(command->ability))
		sim_reject(connection, "was not offered");
	else
		command->run(connection);
}

static void note_failed_select(struct sim_connection *connection)
{
	connection->excused_input = connection->input_total;
	connection->excused_output =
		connection->output_total + connection->answer.size;
}

void sim_carry_out(struct sim_connection *connection)
{
	bool was_selecting;

	clear_answer(connection);
	memcpy(connection->tag, "*", 2);
	connection->line.size = 0;
	connection->name[0] = '\0';
	if (!take_tag(connection)) {
		sim_reject(connection, "no tag");
	} else {
		write_line(connection);
		seam_log("imap %u: %s", connection->number,
			connection->line.data);
		dispatch(connection);
	}
	if (connection->is_cut || connection->status == ANSWER_NONE)
		return;
	if (connection->status != ANSWER_BAD && !connection->is_over)
		sim_view_tell(connection, connection->may_expunge);
	write_tagged(connection);
	was_selecting = strcmp(connection->name, "SELECT") == 0 ||
		strcmp(connection->name, "EXAMINE") == 0;
	if (was_selecting && connection->status != ANSWER_OK)
		note_failed_select(connection);
}

/* ---- Literals ---- */

/* An APPEND that cannot succeed is refused before its octets come. */
static void check_append(struct sim_connection *connection, uint64_t size)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (!take_tag(connection) || !sim_take(cursor, "APPEND ") ||
		!sim_take_mailbox(cursor, connection->destination))
		return;
	write_line(connection);
	if (server_find(connection->destination) == NULL)
		sim_refuse(connection, "TRYCREATE", "no such mailbox");
	else if (sim_has(SIM_APPENDLIMIT) && size > SIM_APPEND_LIMIT)
		sim_refuse(connection, "TOOBIG", "too big");
	else if (sim_refuse_as_wanted(connection, "APPEND literal"))
		return;
	else if (sim_chance(SIM_REFUSES, REFUSAL_ODDS, "a literal refused"))
		sim_refuse(connection, NULL, "not now");
}

void sim_welcome_literal(struct sim_connection *connection, uint64_t size)
{
	clear_answer(connection);
	connection->name[0] = '\0';
	connection->status = ANSWER_NONE;
	if ((connection->state & INSIDE) != 0)
		check_append(connection, size);
	if (connection->status == ANSWER_NONE)
		sim_text_put(&connection->answer, "+ go on\r\n");
	else
		write_tagged(connection);
}
