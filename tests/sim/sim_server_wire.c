/* Connections: octets in, commands one by one, octets out. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_server_internal.h"

#define BYE_ODDS      60
#define UNWANTED_ODDS 8

/* ---- Opening and closing ---- */

static const char GREETING[] = "* OK [CAPABILITY IMAP4rev1 ID";

static void greet(struct sim_connection *connection)
{
	struct sim_text *output = &connection->output;

	connection->is_over =
		sim_chance(SIM_BYE, UNWANTED_ODDS, "BYE is the greeting");
	if (connection->is_over) {
		sim_text_put(output, "* BYE too many of you\r\n");
		return;
	}
	sim_text_put(output, GREETING);
	if (sim_has(SIM_LITERAL_PLUS))
		sim_text_put(output, " LITERAL+");
	if (sim_has(SIM_SASL_IR))
		sim_text_put(output, " SASL-IR");
	sim_text_put(output, " AUTH=PLAIN] sim ready\r\n");
}

struct sim_connection *sim_connection_open(void)
{
	struct sim_connection *connection;

	if (server.is_down)
		return NULL;
	connection = sim_alloc(1, sizeof(*connection));
	connection->number = ++server.connection_count;
	connection->state = SESSION_NEW;
	connection->next = server.connections;
	server.connections = connection;
	greet(connection);
	connection->output_total = connection->output.size;
	seam_log("imap %u: opened", connection->number);
	return connection;
}

static void release(struct sim_connection *connection)
{
	sim_view_close(connection);
	sim_text_finish(&connection->input);
	sim_text_finish(&connection->output);
	sim_text_finish(&connection->line);
	sim_text_finish(&connection->answer);
	sim_text_finish(&connection->code);
	sim_text_finish(&connection->scratch);
	sim_set_finish(&connection->set);
	sim_set_finish(&connection->from);
	sim_set_finish(&connection->to);
	free(connection->parts);
	connection->parts = NULL;
	connection->part_count = connection->part_capacity = 0;
	connection->output_read = 0;
	connection->mailbox = NULL;
}

/* A command that runs still uses its buffers: then its end releases them, or,
   when it never comes to that, the end of the server. */
void sim_connection_close(struct sim_connection *connection)
{
	if (connection == NULL)
		return;
	if (!connection->is_cut) {
		connection->is_cut = true;
		seam_log("imap %u: closed", connection->number);
		sim_note_dead_append(connection);
	}
	if (!connection->is_running)
		release(connection);
}

void sim_server_drop_connections(void)
{
	for (struct sim_connection *connection = server.connections;
		connection != NULL; connection = connection->next)
		sim_connection_close(connection);
}

bool sim_connection_is_closed(const struct sim_connection *connection)
{
	return connection->is_over || connection->is_cut;
}

bool sim_connection_is_cut(const struct sim_connection *connection)
{
	return connection->is_cut;
}

void sim_evict(const struct server_mailbox *mailbox)
{
	for (struct sim_connection *connection = server.connections;
		connection != NULL; connection = connection->next) {
		if (connection->mailbox != mailbox)
			continue;
		connection->mailbox = NULL;
		connection->view_count = 0;
		connection->is_evicted = true;
	}
}

void sim_say_bye(struct sim_connection *connection, const char *words)
{
	sim_text_format(&connection->answer, "* BYE %s\r\n", words);
	connection->status = ANSWER_NONE;
	connection->is_over = true;
}

/* ---- Octets ---- */

void sim_connection_send(
	struct sim_connection *connection, const void *data, size_t size)
{
	if (sim_connection_is_closed(connection))
		return;
	sim_text_add(&connection->input, data, size);
	connection->input_total += size;
	if (connection->read_total < connection->excused_output)
		connection->excused_input = connection->input_total;
}

bool sim_connection_has_output(const struct sim_connection *connection)
{
	return !connection->is_cut &&
		connection->output.size > connection->output_read;
}

size_t sim_connection_receive(
	struct sim_connection *connection, void *data, size_t size)
{
	size_t left;

	if (!sim_connection_has_output(connection))
		return 0;
	left = connection->output.size - connection->output_read;
	if (size > left)
		size = left;
	memcpy(data, connection->output.data + connection->output_read, size);
	connection->output_read += size;
	connection->read_total += size;
	if (size == left) {
		sim_text_clear(&connection->output);
		connection->output_read = 0;
	}
	return size;
}

static void edit_answer(struct sim_connection *connection)
{
	char *text;

	if (server.answer_hook == NULL || connection->answer.size == 0)
		return;
	text = server.answer_hook(connection->name,
		connection->line.data == NULL ? "" : connection->line.data,
		connection->answer.data);
	if (text == NULL)
		return;
	sim_text_clear(&connection->answer);
	sim_text_put(&connection->answer, text);
	free(text);
}

/* What was said becomes readable, maybe only its first part. */
static void hand_out(struct sim_connection *connection)
{
	size_t size;

	edit_answer(connection);
	size = connection->answer.size;
	if (size > 0 && !connection->is_over &&
		sim_chance(SIM_BYE, BYE_ODDS, "the line breaks")) {
		size = seam_choose((uint32_t)size + 1);
		connection->is_over = true;
	}
	sim_text_add(&connection->output, connection->answer.data, size);
	connection->output_total += size;
	sim_text_clear(&connection->answer);
}

/* ---- Commands out of octets ---- */

enum step {
	STEP_NONE,    /* more octets are needed */
	STEP_COMMAND, /* a whole one: up to line_start */
	STEP_LITERAL, /* the client waits for a "+" */
	STEP_BROKEN,
};

static enum step take_line(struct sim_connection *connection)
{
	const char *line = connection->input.data + connection->line_start;
	size_t left = connection->input.size - connection->line_start;
	const char *end = left == 0 ? NULL : memchr(line, '\n', left);
	uint64_t literal_size;
	bool is_waited_for;
	size_t size;

	if (end == NULL)
		return left > SIM_LINE_MAX ? STEP_BROKEN : STEP_NONE;
	size = (size_t)(end - line);
	if (size == 0 || line[size - 1] != '\r' || size > SIM_LINE_MAX)
		return STEP_BROKEN;
	connection->line_start += size + 1;
	if (connection->awaited != AWAITS_COMMAND ||
		!sim_find_literal(
			line, size - 1, &literal_size, &is_waited_for))
		return STEP_COMMAND;
	if (literal_size > SIM_LITERAL_MAX)
		return STEP_BROKEN;
	connection->literal_end = connection->line_start + (size_t)literal_size;
	return is_waited_for ? STEP_LITERAL : STEP_NONE;
}

static enum step next_step(struct sim_connection *connection)
{
	for (;;) {
		enum step step;

		if (connection->literal_end > connection->input.size)
			return STEP_NONE;
		if (connection->literal_end > 0)
			connection->line_start = connection->literal_end;
		connection->literal_end = 0;
		step = take_line(connection);
		if (step != STEP_NONE || connection->literal_end == 0)
			return step;
	}
}

static void consume(struct sim_connection *connection)
{
	struct sim_text *input = &connection->input;
	size_t size = connection->line_start;

	memmove(input->data, input->data + size, input->size - size);
	input->size -= size;
	input->data[input->size] = '\0';
	connection->line_start = connection->literal_end = 0;
}

static void point_cursor(struct sim_connection *connection)
{
	connection->cursor = (struct sim_cursor){
		.data = connection->input.data,
		.size = connection->line_start,
		.has_literal_plus = sim_has(SIM_LITERAL_PLUS),
	};
}

/* Effects are there, nobody knows: the last moment for the product to die. */
static void end_command(struct sim_connection *connection)
{
	consume(connection);
	connection->has_begun = false;
	server_count_late();
	seam_after(SEAM_WIRE, connection->name);
}

static void run_command(struct sim_connection *connection)
{
	enum awaited awaited = connection->awaited;

	point_cursor(connection);
	if (awaited == AWAITS_CREDENTIALS)
		sim_take_credentials(connection);
	else if (awaited == AWAITS_DONE)
		sim_take_done(connection);
	else
		sim_carry_out(connection);
	if (!connection->is_cut)
		end_command(connection);
}

static void run_step(struct sim_connection *connection, enum step step)
{
	if (step == STEP_COMMAND) {
		run_command(connection);
	} else if (step == STEP_LITERAL) {
		point_cursor(connection);
		sim_welcome_literal(connection,
			connection->literal_end - connection->line_start);
		/* Refused: the octets will not come. */
		if (connection->status != ANSWER_NONE)
			consume(connection);
	} else {
		sim_reject(connection, "no line, or too long a one");
		sim_say_bye(connection, "that is no IMAP");
	}
}

bool sim_connection_run(struct sim_connection *connection)
{
	enum step step;

	if (sim_connection_is_closed(connection))
		return false;
	step = next_step(connection);
	if (step == STEP_NONE)
		return false;
	connection->is_running = true;
	run_step(connection, step);
	connection->is_running = false;
	if (connection->is_cut)
		release(connection);
	else
		hand_out(connection);
	return true;
}

void sim_connection_notify(struct sim_connection *connection)
{
	if (sim_connection_is_closed(connection) ||
		connection->awaited != AWAITS_DONE)
		return;
	if (connection->is_evicted)
		sim_say_bye(connection, "the mailbox is no more");
	else if (sim_view_has_news(connection))
		sim_view_tell(connection, true);
	if (connection->answer.size > 0)
		hand_out(connection);
}
