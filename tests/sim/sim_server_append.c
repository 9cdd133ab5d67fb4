/* APPEND and MULTIAPPEND (RFC 3502), and what comes of them when the client
   does not live to see it. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_server_internal.h"

#define LATE_COMMANDS_MAX 12

/* ---- Parsing ---- */

static struct append_part *push_part(struct sim_connection *connection)
{
	if (connection->part_count == connection->part_capacity) {
		connection->part_capacity = connection->part_capacity * 2 + 1;
		connection->parts = sim_resize(connection->parts,
			connection->part_capacity, sizeof(*connection->parts));
	}
	return &connection->parts[connection->part_count];
}

/* append-message = [SP flag-list] [SP date-time] SP literal */
static bool take_part(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	struct append_part *part = push_part(connection);

	part->flags.system = 0;
	part->flags.count = 0;
	part->internal_date = seam_wall_ns() / 1000000000;
	if (!sim_expect(cursor, " "))
		return false;
	if (sim_is_next(cursor, "(") &&
		(!sim_take_flags(cursor, &part->flags) ||
			!sim_expect(cursor, " ")))
		return false;
	if (sim_is_next(cursor, "\"") &&
		(!sim_take_date(cursor, &part->internal_date) ||
			!sim_expect(cursor, " ")))
		return false;
	if (!sim_take_literal(cursor, &part->body, &part->size))
		return false;
	connection->part_count++;
	return true;
}

bool sim_parse_append(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;

	connection->part_count = 0;
	if (!sim_expect(cursor, " ") ||
		!sim_take_mailbox(cursor, connection->destination))
		return false;
	do {
		if (!take_part(connection))
			return false;
	} while (sim_is_next(cursor, " "));
	if (connection->part_count > 1 && !sim_has(SIM_MULTIAPPEND))
		return sim_bad(cursor, "MULTIAPPEND was not offered");
	return true;
}

/* ---- Storing ---- */

static bool is_acceptable(struct sim_connection *connection)
{
	for (size_t i = 0; i < connection->part_count; i++) {
		size_t size = connection->parts[i].size;

		if (size == 0) {
			sim_refuse(connection, NULL, "a message of no octets");
			return false;
		}
		/* CHAR8 is every octet but NUL (RFC 9051, 9); Cyrus says so. */
		if (memchr(connection->parts[i].body, '\0', size) != NULL) {
			sim_refuse(connection, NULL,
				"Message contains NUL characters");
			return false;
		}
		if (sim_has(SIM_APPENDLIMIT) && size > SIM_APPEND_LIMIT) {
			sim_refuse(connection, "TOOBIG", "too big");
			return false;
		}
	}
	return true;
}

static void call_hooks(struct sim_connection *connection,
	const struct server_mailbox *mailbox, const struct append_part *part)
{
	static char *no_keywords[1];
	const struct sim_message message = {
		.uid = mailbox->shown.uid_next,
		.system_flags = part->flags.system,
		.keywords = no_keywords,
		.internal_date = part->internal_date,
		.body = (const uint8_t *)part->body,
		.size = part->size,
	};

	sim_call_command_hook(connection, part->body, part->size);
	sim_call_change_hook("append", mailbox, &message);
}

static bool is_known(
	const struct server_mailbox *mailbox, const struct append_part *part)
{
	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		if (mailbox->messages[i].size == part->size &&
			memcmp(mailbox->messages[i].body, part->body,
				part->size) == 0)
			return true;
	return false;
}

/* It gets a UID, and is no more before anybody sees it. */
static void discard(struct server_mailbox *mailbox, uint32_t uid)
{
	sim_call_change_hook("discard", mailbox, server_message(mailbox, uid));
	server_expunge(mailbox, uid);
}

static void append_part(struct sim_connection *connection,
	struct server_mailbox *mailbox, struct append_part *part)
{
	const struct server_draft draft = {
		.body = part->body,
		.size = part->size,
		.flags = &part->flags,
		.internal_date = part->internal_date,
		.is_rewritten = true,
	};
	bool is_thrown_away;
	uint32_t uid;

	if ((server.quirks & SIM_NO_KEYWORDS) != 0)
		part->flags.count = 0;
	server.counts.bodies_in++;
	is_thrown_away = is_known(mailbox, part) &&
		sim_chance(SIM_DEDUPES, 2, "a second one is thrown away");
	uid = server_add(mailbox, &draft);
	sim_set_add(&connection->to, uid);
	if (is_thrown_away)
		discard(mailbox, uid);
}

static void write_appenduid(
	struct sim_connection *connection, const struct server_mailbox *mailbox)
{
	if (!sim_has(SIM_UIDPLUS) ||
		sim_chance(SIM_NO_APPENDUID, 2, "no APPENDUID"))
		return;
	sim_text_format(&connection->code, "APPENDUID %u ",
		(unsigned)mailbox->shown.uid_validity);
	sim_set_write(&connection->to, &connection->code);
}

void sim_do_append(struct sim_connection *connection)
{
	struct server_mailbox *mailbox;

	(void)sim_parse_append(connection);
	if (!sim_begin(connection))
		return;
	mailbox = server_find(connection->destination);
	if (mailbox == NULL) {
		sim_refuse(connection, "TRYCREATE", "no such mailbox");
		return;
	}
	if (!is_acceptable(connection) || sim_is_over_quota(connection))
		return;
	/* First all hooks: whoever ends the world there finds none stored. */
	for (size_t i = 0; i < connection->part_count; i++)
		call_hooks(connection, mailbox, &connection->parts[i]);
	for (size_t i = 0; i < connection->part_count; i++)
		append_part(connection, mailbox, &connection->parts[i]);
	write_appenduid(connection, mailbox);
}

/* ---- Without a client ---- */

static void make_late(
	const struct sim_connection *connection, const struct append_part *part)
{
	struct late_append *late = sim_alloc(1, sizeof(*late));

	memcpy(late->mailbox, connection->destination, SIM_NAME_SIZE);
	late->flags = part->flags;
	late->internal_date = part->internal_date;
	sim_text_add(&late->body, part->body, part->size);
	late->command_count = server.late_commands != 0
		? server.late_commands
		: seam_choose(LATE_COMMANDS_MAX);
	late->next = server.late;
	server.late = late;
}

void sim_note_dead_append(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	char tag[SIM_TAG_SIZE];

	if (!sim_is_possible(SIM_LATE_APPEND) || connection->has_begun ||
		connection->state == SESSION_NEW)
		return;
	*cursor = (struct sim_cursor){
		.data = connection->input.data,
		.size = connection->input.size,
		.has_literal_plus = true,
	};
	if (connection->input.size == 0 ||
		!sim_take_atom(cursor, tag, sizeof(tag)) ||
		!sim_take(cursor, " APPEND"))
		return;
	(void)sim_parse_append(connection);
	for (size_t i = 0; i < connection->part_count; i++)
		if (connection->parts[i].size > 0 &&
			sim_chance(SIM_LATE_APPEND, 2, "an APPEND is late"))
			make_late(connection, &connection->parts[i]);
}
