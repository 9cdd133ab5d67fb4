/* STORE, COPY, MOVE, EXPUNGE. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "tests/sim/sim_server_internal.h"

/* SP sequence-set */
static bool take_set(struct sim_connection *connection)
{
	return sim_expect(&connection->cursor, " ") &&
		sim_take_set(&connection->cursor,
			sim_view_star(connection, connection->is_uid),
			&connection->set);
}

static bool is_read_only(struct sim_connection *connection)
{
	if (connection->is_read_only)
		sim_refuse(connection, NULL, "the mailbox is read-only");
	return connection->is_read_only;
}

/* ---- STORE ---- */

struct storing {
	char sign; /* '+', '-', '=' */
	bool is_silent, is_conditional;
	uint64_t unchanged_since;
};

static bool take_condition(
	struct sim_connection *connection, struct storing *storing)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (!sim_take(cursor, "(UNCHANGEDSINCE "))
		return true;
	if (!sim_has(SIM_CONDSTORE))
		return sim_bad(cursor, "CONDSTORE was not offered");
	storing->is_conditional = true;
	return sim_take_u64(cursor, &storing->unchanged_since) &&
		sim_expect(cursor, ") ");
}

static void parse_store(
	struct sim_connection *connection, struct storing *storing)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (!take_set(connection) || !sim_expect(cursor, " ") ||
		!take_condition(connection, storing))
		return;
	storing->sign = '=';
	if (sim_take(cursor, "+"))
		storing->sign = '+';
	else if (sim_take(cursor, "-"))
		storing->sign = '-';
	if (!sim_expect(cursor, "FLAGS"))
		return;
	storing->is_silent = sim_take(cursor, ".SILENT");
	if (sim_expect(cursor, " "))
		(void)sim_take_flags(cursor, &connection->flags);
}

/* What FLAGS without a sign takes away: all that it does not name. */
static void list_others(const struct sim_message *message,
	const struct sim_flag_list *flags, struct sim_flag_list *others)
{
	others->system = FLAG_ALL_SYSTEM & ~flags->system;
	others->count = 0;
	for (char **keyword = message->keywords; *keyword != NULL; keyword++) {
		bool is_named = false;

		for (size_t i = 0; i < flags->count; i++)
			is_named |=
				text_equal_nocase(flags->keywords[i], *keyword);
		if (!is_named && others->count < SIM_KEYWORDS_MAX)
			memcpy(others->keywords[others->count++], *keyword,
				strlen(*keyword) + 1);
	}
}

static bool change(struct sim_connection *connection,
	const struct storing *storing, struct sim_message *message)
{
	struct sim_flag_list *flags = &connection->flags;
	struct sim_flag_list others;

	sim_call_change_hook("store", connection->mailbox, message);
	if (storing->sign == '-')
		return server_change_flags(
			connection->mailbox, message, NULL, flags);
	if (storing->sign == '+')
		return server_change_flags(
			connection->mailbox, message, flags, NULL);
	list_others(message, flags, &others);
	return server_change_flags(
		connection->mailbox, message, flags, &others);
}

/* Even a silent one tells the MODSEQ (RFC 7162, 3.1.3). */
static void write_stored(struct sim_connection *connection,
	const struct storing *storing, size_t index,
	const struct sim_message *message)
{
	struct sim_text *answer = &connection->answer;
	bool has_modseq = connection->is_condstore &&
		!connection->mailbox->shown.has_no_modseq;

	if (storing->is_silent && !has_modseq)
		return;
	sim_text_format(answer, "* %zu FETCH (UID %u", index + 1,
		(unsigned)message->uid);
	if (!storing->is_silent) {
		sim_text_put(answer, " FLAGS ");
		sim_write_flags(answer, message);
	}
	if (has_modseq)
		sim_text_format(
			answer, " MODSEQ (%" PRIu64 ")", message->modseq);
	sim_text_put(answer, ")\r\n");
}

static void store_one(struct sim_connection *connection,
	const struct storing *storing, size_t index)
{
	struct sim_message *message = sim_view_message(connection, index);
	struct view_entry *entry = &connection->view[index];
	bool knew_flags = entry->modseq == message->modseq;
	bool has_changed;

	if (storing->is_conditional &&
		(message->modseq > storing->unchanged_since ||
			sim_chance(SIM_SPURIOUS_MODIFIED, 8,
				"MODIFIED without a reason"))) {
		sim_set_add(&connection->to,
			connection->is_uid ? message->uid
					   : (uint32_t)index + 1);
		return;
	}
	has_changed = change(connection, storing, message);
	if (has_changed || storing->is_conditional || !storing->is_silent)
		write_stored(connection, storing, index, message);
	if (knew_flags || !storing->is_silent)
		entry->modseq = message->modseq;
}

static void store(
	struct sim_connection *connection, const struct storing *storing)
{
	/* There is room for one code: MODIFIED is the more important one. */
	size_t first = storing->is_conditional ? 0 : sim_view_limit(connection);

	if ((server.quirks & SIM_NO_KEYWORDS) != 0)
		connection->flags.count = 0;
	for (size_t i = first; i < connection->view_count; i++)
		if (sim_view_is_named(connection, i) &&
			sim_view_message(connection, i) != NULL)
			store_one(connection, storing, i);
	if (connection->to.count == 0)
		return;
	sim_text_put(&connection->code, "MODIFIED ");
	sim_set_write(&connection->to, &connection->code);
}

void sim_do_store(struct sim_connection *connection)
{
	struct storing storing = { 0 };

	parse_store(connection, &storing);
	if (!sim_begin(connection) || is_read_only(connection))
		return;
	if (storing.sign == '=')
		sim_count_forbidden(connection, "FLAGS replaces all");
	if (storing.is_conditional &&
		connection->mailbox->shown.has_no_modseq) {
		sim_reject_gently(connection, "this mailbox has no MODSEQ");
		return;
	}
	connection->is_condstore |= storing.is_conditional;
	store(connection, &storing);
}

/* ---- COPY and MOVE ---- */

static void parse_transfer(struct sim_connection *connection)
{
	if (take_set(connection) && sim_expect(&connection->cursor, " "))
		(void)sim_take_mailbox(
			&connection->cursor, connection->destination);
}

static size_t count_named(const struct sim_connection *connection, size_t first)
{
	size_t count = 0;

	for (size_t i = first; i < connection->view_count; i++)
		if (sim_view_is_named(connection, i) &&
			sim_view_message(connection, i) != NULL)
			count++;
	return count;
}

/* At most `limit` of those named from `first` on; their UIDs go to from and
   to. */
static void transfer(struct sim_connection *connection,
	struct server_mailbox *destination, size_t first, size_t limit)
{
	bool is_move = connection->may_move;

	for (size_t i = first; i < connection->view_count && limit > 0; i++) {
		const struct sim_message *message =
			sim_view_message(connection, i);
		uint32_t uid;

		if (!sim_view_is_named(connection, i) || message == NULL)
			continue;
		uid = message->uid;
		sim_call_change_hook(is_move ? "move" : "copy",
			connection->mailbox, message);
		sim_set_add(&connection->from, uid);
		sim_set_add(&connection->to,
			server_add_copy(destination, message, is_move));
		if (is_move)
			server_expunge(connection->mailbox, uid);
		limit--;
	}
}

/* "COPYUID" SP nz-number SP uid-set SP uid-set; false when it is not told. */
static bool write_copyuid(const struct sim_connection *connection,
	const struct server_mailbox *destination, struct sim_text *text)
{
	if (connection->from.count == 0 || !sim_has(SIM_UIDPLUS) ||
		sim_chance(SIM_NO_COPYUID, 2, "no COPYUID"))
		return false;
	sim_text_format(
		text, "COPYUID %u ", (unsigned)destination->shown.uid_validity);
	sim_set_write(&connection->from, text);
	sim_text_put(text, " ");
	sim_set_write(&connection->to, text);
	return true;
}

static struct server_mailbox *find_destination(
	struct sim_connection *connection)
{
	struct server_mailbox *mailbox = server_find(connection->destination);

	if (mailbox == NULL)
		sim_refuse(connection, "TRYCREATE", "no such mailbox");
	else if (sim_is_over_quota(connection))
		return NULL;
	return mailbox;
}

void sim_do_copy(struct sim_connection *connection)
{
	struct server_mailbox *destination;

	parse_transfer(connection);
	if (!sim_begin(connection))
		return;
	destination = find_destination(connection);
	if (destination == NULL)
		return;
	connection->may_move = false;
	/* All or nothing (RFC 9738, 3.2). */
	if (sim_view_limit(connection) > 0) {
		connection->status = ANSWER_NO;
		connection->words = "too many at once";
		return;
	}
	transfer(connection, destination, 0, SIZE_MAX);
	(void)write_copyuid(connection, destination, &connection->code);
}

static void note_highest_modseq(struct sim_connection *connection)
{
	if (connection->is_qresync && connection->code.size == 0 &&
		connection->status == ANSWER_OK &&
		!connection->mailbox->shown.has_no_modseq &&
		(server.quirks & SIM_LATE_VANISHED) == 0)
		sim_text_format(&connection->code, "HIGHESTMODSEQ %" PRIu64,
			connection->mailbox->shown.highest_modseq);
}

/* RFC 6851, 4.3: the mapping comes before the messages go. */
static void move(
	struct sim_connection *connection, struct server_mailbox *destination)
{
	size_t first = sim_view_limit(connection);
	size_t limit = count_named(connection, first);
	struct sim_text *answer = &connection->answer;
	size_t start;

	connection->may_move = true;
	if (limit > 0 && sim_chance(SIM_PARTIAL_MOVE, 4, "a MOVE of some")) {
		limit = seam_choose((uint32_t)limit);
		sim_refuse(connection, NULL, "some could not be moved");
	}
	transfer(connection, destination, first, limit);
	start = answer->size;
	sim_text_put(answer, "* OK [");
	if (write_copyuid(connection, destination, answer))
		sim_text_put(answer, "] moved\r\n");
	else
		answer->size = start;
	if (connection->from.count > 0)
		note_highest_modseq(connection);
}

void sim_do_move(struct sim_connection *connection)
{
	struct server_mailbox *destination;

	parse_transfer(connection);
	if (!sim_begin(connection) || is_read_only(connection))
		return;
	destination = find_destination(connection);
	if (destination != NULL)
		move(connection, destination);
}

/* ---- EXPUNGE ---- */

static bool is_doomed(const struct sim_connection *connection, size_t index)
{
	const struct sim_message *message = sim_view_message(connection, index);

	return message != NULL && (message->system_flags & FLAG_DELETED) != 0 &&
		(!connection->is_uid || sim_view_is_named(connection, index));
}

static void expunge(struct sim_connection *connection)
{
	size_t first = connection->is_uid ? sim_view_limit(connection) : 0;
	bool has_any = false;

	for (size_t i = first; i < connection->view_count; i++) {
		uint32_t uid = connection->view[i].uid;

		if (!is_doomed(connection, i))
			continue;
		sim_call_change_hook("expunge", connection->mailbox,
			sim_view_message(connection, i));
		server_expunge(connection->mailbox, uid);
		has_any = true;
	}
	if (has_any)
		note_highest_modseq(connection);
}

void sim_do_expunge(struct sim_connection *connection)
{
	if (connection->is_uid && !sim_has(SIM_UIDPLUS))
		(void)sim_bad(&connection->cursor, "UIDPLUS was not offered");
	if (connection->is_uid)
		(void)take_set(connection);
	if (!sim_begin(connection) || is_read_only(connection))
		return;
	if (!connection->is_uid)
		sim_count_forbidden(
			connection, "EXPUNGE of what others marked");
	expunge(connection);
}
