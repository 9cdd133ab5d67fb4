/* FETCH and SEARCH. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "proto/imap_date.h"
#include "tests/sim/sim_server_internal.h"

#define OMIT_ODDS       8
#define FIELD_COUNT_MAX 8

enum {
	ITEM_FLAGS = 1 << 0,
	ITEM_MODSEQ = 1 << 1,
	ITEM_DATE = 1 << 2,
	ITEM_SIZE = 1 << 3,
	ITEM_EMAIL_ID = 1 << 4,
	ITEM_BODY = 1 << 5,
	ITEM_HEADER = 1 << 6,
	ITEM_FIELDS = 1 << 7,
	ITEM_UID = 1 << 8,
};

struct fetching {
	unsigned items;
	char fields[FIELD_COUNT_MAX][SIM_KEYWORD_SIZE];
	size_t field_count;
	bool is_since, wants_vanished;
	uint64_t since;
};

/* ---- Parsing ---- */

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool take_fields(struct sim_cursor *cursor, struct fetching *fetching)
{
	do {
		if (fetching->field_count == FIELD_COUNT_MAX)
			return sim_bad(cursor, "too many fields");
		if (!sim_take_string(cursor,
			    fetching->fields[fetching->field_count++],
			    SIM_KEYWORD_SIZE))
			return false;
	} while (sim_take(cursor, " "));
	return sim_expect(cursor, ")]");
}

static bool take_section(struct sim_cursor *cursor, struct fetching *fetching)
{
	if (sim_take(cursor, "]"))
		fetching->items |= ITEM_BODY;
	else if (sim_take(cursor, "HEADER]"))
		fetching->items |= ITEM_HEADER;
	else if (sim_take(cursor, "HEADER.FIELDS (")) {
		fetching->items |= ITEM_FIELDS;
		return take_fields(cursor, fetching);
	} else {
		return sim_bad(cursor, "no such section");
	}
	return true;
}

static const struct {
	const char *name;
	unsigned item;
	uint32_t ability;
} ITEMS[] = {
	{ "UID", ITEM_UID, 0 },
	{ "FLAGS", ITEM_FLAGS, 0 },
	{ "MODSEQ", ITEM_MODSEQ, SIM_CONDSTORE },
	{ "INTERNALDATE", ITEM_DATE, 0 },
	{ "RFC822.SIZE", ITEM_SIZE, 0 },
	{ "EMAILID", ITEM_EMAIL_ID, SIM_OBJECTID },
};

static bool take_item(struct sim_cursor *cursor, struct fetching *fetching)
{
	char name[SIM_WORD_SIZE];

	if (sim_take(cursor, "BODY.PEEK["))
		return take_section(cursor, fetching);
	if (sim_is_next(cursor, "BODY["))
		return sim_bad(cursor, "BODY[] sets \\Seen: forbidden");
	if (!sim_take_atom(cursor, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(ITEMS); i++) {
		if (!text_equal_nocase(ITEMS[i].name, name) ||
			!sim_has(ITEMS[i].ability))
			continue;
		fetching->items |= ITEMS[i].item;
		return true;
	}
	return sim_bad(cursor, "no such FETCH item");
}

static bool take_items(struct sim_cursor *cursor, struct fetching *fetching)
{
	if (!sim_take(cursor, "("))
		return take_item(cursor, fetching);
	do {
		if (!take_item(cursor, fetching))
			return false;
	} while (sim_take(cursor, " "));
	return sim_expect(cursor, ")");
}

/* " (CHANGEDSINCE " mod-sequence-value [" VANISHED"] ")" */
static bool take_modifiers(
	struct sim_connection *connection, struct fetching *fetching)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (!sim_take(cursor, " (CHANGEDSINCE "))
		return true;
	if (!sim_has(SIM_CONDSTORE))
		return sim_bad(cursor, "CONDSTORE was not offered");
	fetching->is_since = true;
	fetching->items |= ITEM_MODSEQ;
	if (!sim_take_u64(cursor, &fetching->since))
		return false;
	fetching->wants_vanished = sim_take(cursor, " VANISHED");
	if (fetching->wants_vanished &&
		(!connection->is_qresync || !connection->is_uid))
		return sim_bad(cursor, "VANISHED needs QRESYNC and UIDs");
	return sim_expect(cursor, ")");
}

/* ---- One message ---- */

static size_t header_size(const struct sim_message *message)
{
	const uint8_t *body = message->body;

	for (size_t i = 0; i + 1 < message->size; i++) {
		if (i == 0 && body[0] == '\r' && body[1] == '\n')
			return 2;
		if (i + 3 < message->size &&
			memcmp(body + i, "\r\n\r\n", 4) == 0)
			return i + 4;
	}
	return message->size;
}

static void write_literal(
	struct sim_text *text, const char *name, const void *data, size_t size)
{
	sim_text_format(text, "%s {%zu}\r\n", name, size);
	sim_text_add(text, data, size);
}

static bool is_wanted_field(
	const struct fetching *fetching, const char *line, size_t size)
{
	for (size_t i = 0; i < fetching->field_count; i++) {
		size_t name_size = strlen(fetching->fields[i]);

		if (size > name_size && line[name_size] == ':' &&
			text_equal_nocase_sized(
				line, name_size, fetching->fields[i]))
			return true;
	}
	return false;
}

/* The wanted fields with their folded lines, and the empty line. */
static void add_fields(const struct sim_message *message,
	const struct fetching *fetching, struct sim_text *fields)
{
	const char *line = (const char *)message->body;
	const char *end = line + header_size(message);
	bool is_wanted = false;

	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		size_t size = (size_t)((next == NULL ? end : next + 1) - line);

		if (*line != ' ' && *line != '\t')
			is_wanted = is_wanted_field(fetching, line, size);
		if (is_wanted)
			sim_text_add(fields, line, size);
		line += size;
	}
	sim_text_put(fields, "\r\n");
}

static void write_fields(struct sim_connection *connection,
	const struct fetching *fetching, const struct sim_message *message)
{
	struct sim_text *fields = &connection->scratch;

	sim_text_clear(fields);
	add_fields(message, fetching, fields);
	sim_text_put(&connection->answer, " BODY[HEADER.FIELDS (");
	for (size_t i = 0; i < fetching->field_count; i++)
		sim_text_format(&connection->answer, "%s%s", i == 0 ? "" : " ",
			fetching->fields[i]);
	write_literal(&connection->answer, ")]", fields->data, fields->size);
}

static size_t told_size(const struct sim_message *message)
{
	size_t size = message->size;

	if ((server.quirks & SIM_WRONG_SIZE) == 0)
		return size;
	for (size_t i = 0; i + 1 < message->size; i++)
		if (message->body[i] == '\r' && message->body[i + 1] == '\n')
			size--;
	return size;
}

static void write_metadata(struct sim_text *answer, unsigned items,
	const struct sim_message *message)
{
	char date[IMAP_DATE_SIZE];

	if ((items & ITEM_FLAGS) != 0) {
		sim_text_put(answer, " FLAGS ");
		sim_write_flags(answer, message);
	}
	if ((items & ITEM_MODSEQ) != 0)
		sim_text_format(
			answer, " MODSEQ (%" PRIu64 ")", message->modseq);
	if ((items & ITEM_DATE) != 0) {
		imap_date_format(message->internal_date, date);
		sim_text_format(answer, " INTERNALDATE %s", date);
	}
	if ((items & ITEM_SIZE) != 0)
		sim_text_format(answer, " RFC822.SIZE %zu", told_size(message));
	if ((items & ITEM_EMAIL_ID) != 0)
		sim_text_format(
			answer, " EMAILID (M%" PRIu64 ")", message->email_id);
}

static void write_message(struct sim_connection *connection,
	const struct fetching *fetching, size_t index,
	const struct sim_message *message)
{
	struct sim_text *answer = &connection->answer;

	sim_text_format(answer, "* %zu FETCH (UID %u", index + 1,
		(unsigned)message->uid);
	write_metadata(answer, fetching->items, message);
	if ((fetching->items & ITEM_FLAGS) != 0)
		connection->view[index].modseq = message->modseq;
	if ((fetching->items & ITEM_HEADER) != 0)
		write_literal(answer, " BODY[HEADER]", message->body,
			header_size(message));
	if ((fetching->items & ITEM_FIELDS) != 0)
		write_fields(connection, fetching, message);
	if ((fetching->items & ITEM_BODY) != 0) {
		server.counts.bodies_out++;
		write_literal(answer, " BODY[]", message->body, message->size);
	}
	sim_text_put(answer, ")\r\n");
}

/* ---- FETCH ---- */

/* Not where it would not be asked for again. */
static size_t choose_omitted(const struct sim_connection *connection,
	const struct fetching *fetching)
{
	if (fetching->is_since || connection->view_count == 0 ||
		!sim_chance(SIM_FETCH_OMITS, OMIT_ODDS, "FETCH leaves one out"))
		return SIZE_MAX;
	return seam_choose((uint32_t)connection->view_count);
}

static void fetch(
	struct sim_connection *connection, const struct fetching *fetching)
{
	size_t omitted = choose_omitted(connection, fetching);
	bool lacks_some = false;

	if (fetching->wants_vanished)
		sim_write_earlier(connection, fetching->since, false);
	for (size_t i = sim_view_limit(connection); i < connection->view_count;
		i++) {
		const struct sim_message *message =
			sim_view_message(connection, i);

		if (!sim_view_is_named(connection, i) || i == omitted)
			continue;
		if (message == NULL)
			lacks_some = true;
		else if (!fetching->is_since ||
			message->modseq > fetching->since)
			write_message(connection, fetching, i, message);
	}
	if (lacks_some && !connection->is_uid)
		sim_refuse(connection, "EXPUNGEISSUED", "some are gone");
}

void sim_do_fetch(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	struct fetching fetching = { 0 };

	if (sim_expect(cursor, " ") &&
		sim_take_set(cursor,
			sim_view_star(connection, connection->is_uid),
			&connection->set) &&
		sim_expect(cursor, " ") && take_items(cursor, &fetching))
		(void)take_modifiers(connection, &fetching);
	if (!sim_begin(connection))
		return;
	if ((fetching.items & ITEM_MODSEQ) != 0 &&
		connection->mailbox->shown.has_no_modseq) {
		sim_reject_gently(connection, "this mailbox has no MODSEQ");
		return;
	}
	connection->is_condstore |= (fetching.items & ITEM_MODSEQ) != 0;
	fetch(connection, &fetching);
}

/* ---- SEARCH ---- */

enum {
	RETURN_ALL = 1 << 0,
	RETURN_COUNT = 1 << 1,
	RETURN_MIN = 1 << 2,
	RETURN_MAX = 1 << 3,
};

struct searching {
	unsigned returns; /* 0 = as RFC 3501 */
	bool is_by_uid, has_set;
	uint32_t needs, lacks; /* system flags */
};

static bool take_return(struct sim_cursor *cursor, struct searching *searching)
{
	if (!sim_take(cursor, "RETURN ("))
		return true;
	if (!sim_has(SIM_ESEARCH))
		return sim_bad(cursor, "ESEARCH was not offered");
	do {
		if (sim_take(cursor, "ALL"))
			searching->returns |= RETURN_ALL;
		else if (sim_take(cursor, "COUNT"))
			searching->returns |= RETURN_COUNT;
		else if (sim_take(cursor, "MIN"))
			searching->returns |= RETURN_MIN;
		else if (sim_take(cursor, "MAX"))
			searching->returns |= RETURN_MAX;
		else
			return sim_bad(cursor, "no such return option");
	} while (sim_take(cursor, " "));
	return sim_expect(cursor, ") ");
}

static bool take_flag_key(
	struct sim_cursor *cursor, struct searching *searching)
{
	for (uint32_t flag = 1; flag <= FLAG_ALL_SYSTEM; flag <<= 1) {
		char word[SIM_WORD_SIZE] = "UN";

		(void)strncat(word, flag_name(flag) + 1, sizeof(word) - 3);
		if (sim_take(cursor, word))
			searching->lacks |= flag;
		else if (sim_take(cursor, word + 2))
			searching->needs |= flag;
		else
			continue;
		return true;
	}
	return false;
}

static bool take_key(
	struct sim_connection *connection, struct searching *searching)
{
	struct sim_cursor *cursor = &connection->cursor;

	if (sim_take(cursor, "ALL") || take_flag_key(cursor, searching))
		return true;
	searching->is_by_uid = sim_take(cursor, "UID ");
	searching->has_set = true;
	return sim_take_set(cursor,
		sim_view_star(connection, searching->is_by_uid),
		&connection->set);
}

static bool is_found(const struct sim_connection *connection,
	const struct searching *searching, size_t index)
{
	const struct sim_message *message = sim_view_message(connection, index);
	uint32_t number = searching->is_by_uid ? connection->view[index].uid
					       : (uint32_t)index + 1;

	return message != NULL &&
		(message->system_flags & searching->needs) ==
		searching->needs &&
		(message->system_flags & searching->lacks) == 0 &&
		(!searching->has_set ||
			sim_set_contains(&connection->set, number));
}

/* RFC 4731 */
static void write_esearch(
	struct sim_connection *connection, unsigned returns, uint32_t count)
{
	struct sim_text *answer = &connection->answer;
	const struct sim_set *found = &connection->from;

	sim_text_format(answer, "* ESEARCH (TAG \"%s\")%s", connection->tag,
		connection->is_uid ? " UID" : "");
	if ((returns & RETURN_COUNT) != 0)
		sim_text_format(answer, " COUNT %u", (unsigned)count);
	if (count > 0 && (returns & RETURN_MIN) != 0)
		sim_text_format(
			answer, " MIN %u", (unsigned)found->ranges[0].first);
	if (count > 0 && (returns & RETURN_MAX) != 0)
		sim_text_format(answer, " MAX %u",
			(unsigned)found->ranges[found->count - 1].last);
	if (count > 0 && (returns & RETURN_ALL) != 0) {
		sim_text_put(answer, " ALL ");
		sim_set_write(found, answer);
	}
	sim_text_put(answer, "\r\n");
}

static void write_search(struct sim_connection *connection)
{
	const struct sim_set *found = &connection->from;

	sim_text_put(&connection->answer, "* SEARCH");
	for (size_t i = 0; i < found->count; i++)
		for (uint32_t number = found->ranges[i].first;
			number <= found->ranges[i].last; number++)
			sim_text_format(
				&connection->answer, " %u", (unsigned)number);
	sim_text_put(&connection->answer, "\r\n");
}

void sim_do_search(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	struct searching searching = { 0 };
	uint32_t count = 0;

	if (sim_expect(cursor, " ") && take_return(cursor, &searching)) {
		do {
			if (!take_key(connection, &searching))
				break;
		} while (sim_take(cursor, " "));
	}
	if (!sim_begin(connection))
		return;
	for (size_t i = 0; i < connection->view_count; i++) {
		if (!is_found(connection, &searching, i))
			continue;
		sim_set_add(&connection->from,
			connection->is_uid ? connection->view[i].uid
					   : (uint32_t)i + 1);
		count++;
	}
	if (searching.returns != 0)
		write_esearch(connection, searching.returns, count);
	else
		write_search(connection);
}
