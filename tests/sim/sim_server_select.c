/* SELECT and EXAMINE, with what changed since (RFC 7162, 3.2.5). */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "tests/sim/sim_server_internal.h"

#define MEMORY_COUNT 2 /* expunges, with SIM_SHORT_MEMORY */

struct selecting {
	char name[SIM_NAME_SIZE];
	bool is_condstore, is_qresync;
	uint32_t uid_validity;
	uint64_t modseq;
	bool has_known; /* connection->set are the UIDs it knows */
};

/* ---- Parsing ---- */

/* "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids]
   [SP "(" sequence-set SP uid-set ")"] ")" */
static bool take_qresync(
	struct sim_connection *connection, struct selecting *selecting)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (!connection->is_qresync)
		return sim_bad(cursor, "QRESYNC was not enabled");
	selecting->is_qresync = true;
	if (!sim_take_u32(cursor, &selecting->uid_validity) ||
		!sim_expect(cursor, " ") ||
		!sim_take_u64(cursor, &selecting->modseq))
		return false;
	if (selecting->uid_validity == 0 || selecting->modseq == 0)
		return sim_bad(cursor, "QRESYNC with 0");
	if (!sim_is_next(cursor, " (") && sim_take(cursor, " ")) {
		selecting->has_known = true;
		if (!sim_take_set(cursor, 0, &connection->set))
			return false;
	}
	if (sim_take(cursor, " (") &&
		(!sim_take_set(cursor, 0, &connection->from) ||
			!sim_expect(cursor, " ") ||
			!sim_take_set(cursor, 0, &connection->to) ||
			!sim_expect(cursor, ")")))
		return false;
	return sim_expect(cursor, ")");
}

static bool take_parameters(
	struct sim_connection *connection, struct selecting *selecting)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (!sim_take(cursor, " ("))
		return true;
	if (!sim_has(SIM_CONDSTORE))
		return sim_bad(cursor, "CONDSTORE was not offered");
	do {
		if (sim_take(cursor, "CONDSTORE"))
			selecting->is_condstore = true;
		else if (!sim_take(cursor, "QRESYNC ("))
			return sim_bad(cursor, "no such parameter");
		else if (!take_qresync(connection, selecting))
			return false;
	} while (sim_take(cursor, " "));
	return sim_expect(cursor, ")");
}

/* ---- What it is like ---- */

static void write_keyword(struct sim_connection *connection,
	const struct server_mailbox *mailbox, size_t index, const char *keyword)
{
	for (size_t i = 0; i < index; i++)
		if (server_has_keyword(&mailbox->messages[i], keyword))
			return;
	sim_text_format(&connection->answer, " %s", keyword);
}

static void write_flags(struct sim_connection *connection,
	const struct server_mailbox *mailbox, const char *tail)
{
	sim_text_put(&connection->answer,
		"(\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		for (char **keyword = mailbox->messages[i].keywords;
			*keyword != NULL; keyword++)
			write_keyword(connection, mailbox, i, *keyword);
	sim_text_format(&connection->answer, "%s)", tail);
}

static void write_permanent_flags(
	struct sim_connection *connection, const struct server_mailbox *mailbox)
{
	struct sim_text *answer = &connection->answer;

	sim_text_put(answer, "* OK [PERMANENTFLAGS ");
	if (connection->is_read_only)
		sim_text_put(answer, "()");
	else if ((server.quirks & SIM_NO_KEYWORDS) != 0)
		sim_text_put(answer,
			"(\\Answered \\Flagged \\Deleted \\Seen \\Draft)");
	else
		write_flags(connection, mailbox, " \\*");
	sim_text_put(answer, "] flags\r\n");
}

/* What SELECT tells of a mailbox's numbers. */
struct numbers {
	uint32_t uid_next;
	uint64_t highest_modseq;
};

/* As if only the messages that are left had ever got any. */
static struct numbers fallen_numbers(const struct sim_mailbox *mailbox)
{
	struct numbers numbers = { 1, 1 };

	for (size_t i = 0; i < mailbox->message_count; i++) {
		numbers.uid_next = mailbox->messages[i].uid + 1;
		if (mailbox->messages[i].modseq > numbers.highest_modseq)
			numbers.highest_modseq = mailbox->messages[i].modseq;
	}
	return numbers;
}

static struct numbers choose_numbers(const struct sim_mailbox *mailbox)
{
	struct numbers numbers = { mailbox->uid_next, mailbox->highest_modseq };

	if (!sim_chance(SIM_FALLING_NUMBERS, 16, "numbers fall"))
		return numbers;
	server.counts.falls++;
	return fallen_numbers(mailbox);
}

static void write_modseq(struct sim_connection *connection,
	const struct server_mailbox *mailbox, uint64_t highest_modseq)
{
	struct sim_text *answer = &connection->answer;

	if (mailbox->shown.has_no_modseq)
		sim_text_put(answer, "* OK [NOMODSEQ] none\r\n");
	else if (connection->is_condstore)
		sim_text_format(answer,
			"* OK [HIGHESTMODSEQ %" PRIu64 "] it\r\n",
			highest_modseq);
}

static void write_selection(
	struct sim_connection *connection, const struct server_mailbox *mailbox)
{
	const struct numbers numbers = choose_numbers(&mailbox->shown);
	struct sim_text *answer = &connection->answer;

	sim_text_put(answer, "* FLAGS ");
	write_flags(connection, mailbox, "");
	sim_text_put(answer, "\r\n");
	write_permanent_flags(connection, mailbox);
	sim_text_format(answer, "* %zu EXISTS\r\n* 0 RECENT\r\n",
		mailbox->shown.message_count);
	sim_text_format(answer, "* OK [UIDVALIDITY %u] it\r\n",
		(unsigned)mailbox->shown.uid_validity);
	sim_text_format(
		answer, "* OK [UIDNEXT %u] it\r\n", (unsigned)numbers.uid_next);
	write_modseq(connection, mailbox, numbers.highest_modseq);
	if (sim_has(SIM_OBJECTID))
		sim_text_format(answer,
			"* OK [MAILBOXID (F%" PRIu64 ")] it\r\n", mailbox->id);
}

/* ---- What changed since ---- */

/* Cyrus takes "*" for the highest UID that is left. */
static uint32_t highest_told(const struct server_mailbox *mailbox)
{
	size_t count = mailbox->shown.message_count;

	if ((server.quirks & SIM_VISIBLE_STAR) == 0)
		return UINT32_MAX;
	return count == 0 ? 0 : mailbox->messages[count - 1].uid;
}

static bool is_forgotten(const struct server_mailbox *mailbox, uint64_t modseq)
{
	size_t count = mailbox->shown.gone_count;

	return (server.quirks & SIM_SHORT_MEMORY) != 0 &&
		count > MEMORY_COUNT &&
		mailbox->gone[count - MEMORY_COUNT - 1].modseq > modseq;
}

static void add_gone(
	struct sim_connection *connection, uint32_t uid, bool names_all)
{
	struct server_mailbox *mailbox = connection->mailbox;

	/* It may be there where UIDs are used again. */
	if (uid <= highest_told(mailbox) &&
		(names_all || sim_set_contains(&connection->set, uid)) &&
		server_message(mailbox, uid) == NULL)
		sim_set_add(&connection->to, uid);
}

static void add_all_gone(
	struct sim_connection *connection, uint64_t modseq, bool names_all)
{
	const struct server_mailbox *mailbox = connection->mailbox;

	if (is_forgotten(mailbox, modseq)) {
		for (uint32_t i = 1; i < mailbox->shown.uid_next; i++)
			add_gone(connection, i, names_all);
		return;
	}
	for (size_t i = 0; i < mailbox->shown.gone_count; i++)
		if (mailbox->gone[i].modseq > modseq)
			add_gone(connection, mailbox->gone[i].uid, names_all);
}

void sim_write_earlier(
	struct sim_connection *connection, uint64_t modseq, bool names_all)
{
	struct server_mailbox *mailbox = connection->mailbox;
	size_t count = mailbox->shown.message_count;

	connection->to.count = 0;
	add_all_gone(connection, modseq, names_all);
	if (count > 0 &&
		sim_chance(SIM_VANISHED_TOO_MUCH, 8, "EARLIER is too much"))
		sim_set_add(&connection->to,
			mailbox->messages[seam_choose((uint32_t)count)].uid);
	if (connection->to.count == 0)
		return;
	sim_text_put(&connection->answer, "* VANISHED (EARLIER) ");
	sim_set_write(&connection->to, &connection->answer);
	sim_text_put(&connection->answer, "\r\n");
}

static void write_changed(
	struct sim_connection *connection, const struct selecting *selecting)
{
	struct sim_text *answer = &connection->answer;

	for (size_t i = 0; i < connection->view_count; i++) {
		const struct sim_message *message =
			sim_view_message(connection, i);

		if (message->modseq <= selecting->modseq ||
			(selecting->has_known &&
				!sim_set_contains(
					&connection->set, message->uid)))
			continue;
		sim_text_format(answer, "* %zu FETCH (UID %u FLAGS ", i + 1,
			(unsigned)message->uid);
		sim_write_flags(answer, message);
		sim_text_format(
			answer, " MODSEQ (%" PRIu64 "))\r\n", message->modseq);
	}
}

static void write_changes(
	struct sim_connection *connection, const struct selecting *selecting)
{
	const struct server_mailbox *mailbox = connection->mailbox;

	if (!selecting->is_qresync || mailbox->shown.has_no_modseq ||
		mailbox->shown.uid_validity != selecting->uid_validity)
		return;
	sim_write_earlier(connection, selecting->modseq, !selecting->has_known);
	write_changed(connection, selecting);
}

/* ---- Commands ---- */

static void leave(struct sim_connection *connection)
{
	if (connection->state == SESSION_SELECTED && sim_has(SIM_CONDSTORE))
		sim_text_put(&connection->answer,
			"* OK [CLOSED] the one before\r\n");
	sim_view_close(connection);
}

void sim_do_select(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	struct selecting selecting = { 0 };
	struct server_mailbox *mailbox;

	if (sim_expect(cursor, " ") && sim_take_mailbox(cursor, selecting.name))
		(void)take_parameters(connection, &selecting);
	if (!sim_begin(connection)) {
		/* A refused one leaves nothing selected (RFC 9051, 6.3.2). */
		if (connection->status == ANSWER_NO)
			leave(connection);
		return;
	}
	leave(connection);
	mailbox = server_find(selecting.name);
	if (mailbox == NULL) {
		sim_refuse(connection, "NONEXISTENT", "no such mailbox");
		return;
	}
	connection->is_condstore |=
		selecting.is_condstore || selecting.is_qresync;
	connection->is_read_only = strcmp(connection->name, "EXAMINE") == 0;
	sim_view_open(connection, mailbox);
	write_selection(connection, mailbox);
	write_changes(connection, &selecting);
	sim_text_put(&connection->code,
		connection->is_read_only ? "READ-ONLY" : "READ-WRITE");
}

void sim_do_unselect(struct sim_connection *connection)
{
	if (sim_begin(connection))
		sim_view_close(connection);
}
