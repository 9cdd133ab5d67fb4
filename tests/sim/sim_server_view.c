/* What a session knows of its mailbox, and when it learns more (RFC 9051, 5.2
   and 7.5; RFC 7162). */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/sim_server_internal.h"

static const uint32_t ALL_FLAGS[] = { FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED,
	FLAG_SEEN, FLAG_DRAFT };

void sim_write_flags(struct sim_text *text, const struct sim_message *message)
{
	const char *space = "";

	sim_text_put(text, "(");
	for (size_t i = 0; i < ARRAY_LENGTH(ALL_FLAGS); i++) {
		if ((message->system_flags & ALL_FLAGS[i]) == 0)
			continue;
		sim_text_format(text, "%s%s", space, flag_name(ALL_FLAGS[i]));
		space = " ";
	}
	for (char **keyword = message->keywords; *keyword != NULL; keyword++) {
		sim_text_format(text, "%s%s", space, *keyword);
		space = " ";
	}
	sim_text_put(text, ")");
}

/* ---- Opening and closing ---- */

static void push(
	struct sim_connection *connection, const struct sim_message *message)
{
	if (connection->view_count == connection->view_capacity) {
		connection->view_capacity = connection->view_capacity * 2 + 16;
		connection->view = sim_resize(connection->view,
			connection->view_capacity, sizeof(*connection->view));
	}
	connection->view[connection->view_count++] = (struct view_entry){
		.uid = message->uid,
		.instance = message->instance,
		.modseq = message->modseq,
	};
}

/* STATUS of a selected mailbox may go on telling this. */
static void note_seen(struct sim_connection *connection)
{
	const struct server_mailbox *mailbox = connection->mailbox;

	connection->seen_clock = mailbox->clock;
	connection->seen_count = (uint32_t)mailbox->shown.message_count;
	connection->seen_uid_next = mailbox->shown.uid_next;
	connection->seen_modseq = mailbox->shown.highest_modseq;
	connection->seen_unseen = 0;
	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		if ((mailbox->messages[i].system_flags & FLAG_SEEN) == 0)
			connection->seen_unseen++;
}

void sim_view_open(
	struct sim_connection *connection, struct server_mailbox *mailbox)
{
	connection->mailbox = mailbox;
	connection->state = SESSION_SELECTED;
	connection->view_count = 0;
	connection->is_late = false;
	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		push(connection, &mailbox->messages[i]);
	note_seen(connection);
}

void sim_view_close(struct sim_connection *connection)
{
	free(connection->view);
	connection->view = NULL;
	connection->view_count = connection->view_capacity = 0;
	connection->mailbox = NULL;
	connection->is_evicted = false;
	if (connection->state == SESSION_SELECTED)
		connection->state = SESSION_AUTHENTICATED;
}

/* ---- Looking ---- */

static struct sim_message *live_message(
	const struct sim_connection *connection, const struct view_entry *entry)
{
	struct sim_message *message =
		server_message(connection->mailbox, entry->uid);

	return message != NULL && message->instance == entry->instance ? message
								       : NULL;
}

struct sim_message *sim_view_message(
	const struct sim_connection *connection, size_t index)
{
	return live_message(connection, &connection->view[index]);
}

uint32_t sim_view_star(const struct sim_connection *connection, bool is_uid)
{
	size_t count = connection->view_count;

	if (count == 0)
		return 1;
	return is_uid ? connection->view[count - 1].uid : (uint32_t)count;
}

bool sim_view_is_named(const struct sim_connection *connection, size_t index)
{
	return sim_set_contains(&connection->set,
		connection->is_uid ? connection->view[index].uid
				   : (uint32_t)index + 1);
}

size_t sim_view_limit(struct sim_connection *connection)
{
	uint32_t left = server.message_limit;
	size_t last = 0;

	if ((server.quirks & SIM_MESSAGE_LIMIT) == 0)
		return 0;
	for (size_t i = connection->view_count; i > 0; i--) {
		if (!sim_view_is_named(connection, i - 1) ||
			sim_view_message(connection, i - 1) == NULL)
			continue;
		if (left == 0) {
			sim_text_clear(&connection->code);
			sim_text_format(&connection->code, "MESSAGELIMIT %u %u",
				(unsigned)server.message_limit,
				(unsigned)connection->view[last].uid);
			seam_log("server: quirk: a part only");
			return last;
		}
		left--;
		last = i - 1;
	}
	return 0;
}

bool sim_view_has_news(const struct sim_connection *connection)
{
	return connection->mailbox != NULL &&
		connection->seen_clock != connection->mailbox->clock;
}

/* ---- Telling ---- */

static void tell_vanished(struct sim_connection *connection)
{
	sim_text_put(&connection->answer, "* VANISHED ");
	sim_set_write(&connection->from, &connection->answer);
	sim_text_put(&connection->answer, "\r\n");
}

/* Entries whose message is no more leave the view. */
static void tell_expunges(struct sim_connection *connection)
{
	size_t kept = 0;

	connection->from.count = 0;
	for (size_t i = 0; i < connection->view_count; i++) {
		const struct view_entry entry = connection->view[i];

		if (live_message(connection, &entry) != NULL)
			connection->view[kept++] = entry;
		else if (connection->is_qresync)
			sim_set_add(&connection->from, entry.uid);
		else
			sim_text_format(&connection->answer,
				"* %zu EXPUNGE\r\n", kept + 1);
	}
	connection->view_count = kept;
	if (connection->from.count > 0)
		tell_vanished(connection);
}

static bool has_expunges(const struct sim_connection *connection)
{
	for (size_t i = 0; i < connection->view_count; i++)
		if (live_message(connection, &connection->view[i]) == NULL)
			return true;
	return false;
}

static void tell_new(struct sim_connection *connection)
{
	const struct server_mailbox *mailbox = connection->mailbox;
	size_t count = connection->view_count;

	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		if (connection->view_count == 0 ||
			mailbox->messages[i].uid >
				connection->view[connection->view_count - 1]
					.uid)
			push(connection, &mailbox->messages[i]);
	if (connection->view_count != count)
		sim_text_format(&connection->answer, "* %zu EXISTS\r\n",
			connection->view_count);
}

static void tell_flags(struct sim_connection *connection)
{
	struct sim_text *answer = &connection->answer;

	for (size_t i = 0; i < connection->view_count; i++) {
		struct view_entry *entry = &connection->view[i];
		const struct sim_message *message =
			live_message(connection, entry);

		if (message == NULL || message->modseq == entry->modseq)
			continue;
		sim_text_format(answer, "* %zu FETCH (UID %u FLAGS ", i + 1,
			(unsigned)entry->uid);
		sim_write_flags(answer, message);
		if (connection->is_condstore &&
			!connection->mailbox->shown.has_no_modseq)
			sim_text_format(answer, " MODSEQ (%" PRIu64 ")",
				message->modseq);
		sim_text_put(answer, ")\r\n");
		entry->modseq = message->modseq;
	}
}

/* Kept back once, told the next time for sure. */
static bool keeps_back(struct sim_connection *connection)
{
	if (connection->is_late) {
		connection->is_late = false;
		return false;
	}
	connection->is_late =
		sim_chance(SIM_LATE_VANISHED, 4, "an expunge is told later");
	return connection->is_late;
}

static void make_one_come_back(struct sim_connection *connection)
{
	struct server_mailbox *mailbox = connection->mailbox;
	size_t count = mailbox->shown.message_count;

	if (count > 0 &&
		sim_chance(SIM_FALSE_VANISHED, 16, "a message is renumbered"))
		server_reissue(mailbox,
			mailbox->messages[seam_choose((uint32_t)count)].uid);
}

void sim_view_tell(struct sim_connection *connection, bool may_expunge)
{
	bool is_whole;

	if (connection->mailbox == NULL)
		return;
	if (may_expunge)
		make_one_come_back(connection);
	if (!sim_view_has_news(connection))
		return;
	is_whole = !has_expunges(connection);
	if (!is_whole && may_expunge && !keeps_back(connection)) {
		tell_expunges(connection);
		is_whole = true;
	}
	tell_new(connection);
	tell_flags(connection);
	note_seen(connection);
	if (!is_whole)
		connection->seen_clock = 0; /* there is more to tell */
}
