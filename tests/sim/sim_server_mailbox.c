/* Commands about mailboxes: LIST, STATUS, CREATE, DELETE, RENAME. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "tests/sim/sim_server_internal.h"

#define PARTIAL_ODDS 4

/* ---- STATUS ---- */

enum {
	ITEM_MESSAGES = 1 << 0,
	ITEM_RECENT = 1 << 1,
	ITEM_UIDNEXT = 1 << 2,
	ITEM_UIDVALIDITY = 1 << 3,
	ITEM_UNSEEN = 1 << 4,
	ITEM_HIGHESTMODSEQ = 1 << 5,
	ITEM_MAILBOXID = 1 << 6,
	ITEM_APPENDLIMIT = 1 << 7,
};

static const struct {
	const char *name;
	unsigned item;
	uint32_t ability;
} ITEMS[] = {
	{ "MESSAGES", ITEM_MESSAGES, 0 },
	{ "RECENT", ITEM_RECENT, 0 },
	{ "UIDNEXT", ITEM_UIDNEXT, 0 },
	{ "UIDVALIDITY", ITEM_UIDVALIDITY, 0 },
	{ "UNSEEN", ITEM_UNSEEN, 0 },
	{ "HIGHESTMODSEQ", ITEM_HIGHESTMODSEQ, SIM_CONDSTORE },
	{ "MAILBOXID", ITEM_MAILBOXID, SIM_OBJECTID },
	{ "APPENDLIMIT", ITEM_APPENDLIMIT, SIM_APPENDLIMIT },
};

static bool take_item(struct sim_cursor *cursor, unsigned *items)
{
	char name[SIM_WORD_SIZE];

	if (!sim_take_atom(cursor, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(ITEMS); i++) {
		if (!text_equal_nocase(ITEMS[i].name, name) ||
			!sim_has(ITEMS[i].ability))
			continue;
		*items |= ITEMS[i].item;
		return true;
	}
	return sim_bad(cursor, "no such STATUS item");
}

/* "(" status-att *(SP status-att) ")" */
static bool take_items(struct sim_cursor *cursor, unsigned *items_out)
{
	unsigned items = 0;

	if (!sim_expect(cursor, "("))
		return false;
	do {
		if (!take_item(cursor, &items))
			return false;
	} while (sim_take(cursor, " "));
	*items_out = items;
	return sim_expect(cursor, ")");
}

struct totals {
	uint32_t count, uid_next, unseen;
	uint64_t highest_modseq;
};

/* Dovecot: of the selected mailbox it knows what it has told. */
static bool is_stale(const struct sim_connection *connection,
	const struct server_mailbox *mailbox)
{
	return connection->mailbox == mailbox &&
		sim_view_has_news(connection) &&
		sim_chance(SIM_STALE_STATUS, 2, "STATUS is old");
}

static struct totals count_totals(const struct sim_connection *connection,
	const struct server_mailbox *mailbox)
{
	struct totals totals = {
		.count = (uint32_t)mailbox->shown.message_count,
		.uid_next = mailbox->shown.uid_next,
		.highest_modseq = mailbox->shown.highest_modseq,
	};

	if (is_stale(connection, mailbox))
		return (struct totals){
			.count = connection->seen_count,
			.uid_next = connection->seen_uid_next,
			.unseen = connection->seen_unseen,
			.highest_modseq = connection->seen_modseq,
		};
	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		if ((mailbox->messages[i].system_flags & FLAG_SEEN) == 0)
			totals.unseen++;
	return totals;
}

static void write_number(struct sim_text *text, unsigned items, unsigned item,
	const char *name, uint64_t number)
{
	if ((items & item) != 0)
		sim_text_format(text, "%s %" PRIu64 " ", name, number);
}

static void write_status(struct sim_connection *connection,
	const struct server_mailbox *mailbox, unsigned items)
{
	struct totals totals = count_totals(connection, mailbox);
	struct sim_text *answer = &connection->answer;

	if (mailbox->shown.has_no_modseq)
		totals.highest_modseq = 0;
	if ((items & ITEM_HIGHESTMODSEQ) != 0)
		connection->is_condstore = true;
	sim_text_put(answer, "* STATUS ");
	sim_text_quote(answer, mailbox->shown.name);
	sim_text_put(answer, " (");
	write_number(answer, items, ITEM_MESSAGES, "MESSAGES", totals.count);
	write_number(answer, items, ITEM_RECENT, "RECENT", 0);
	write_number(answer, items, ITEM_UIDNEXT, "UIDNEXT", totals.uid_next);
	write_number(answer, items, ITEM_UIDVALIDITY, "UIDVALIDITY",
		mailbox->shown.uid_validity);
	write_number(answer, items, ITEM_UNSEEN, "UNSEEN", totals.unseen);
	write_number(answer, items, ITEM_HIGHESTMODSEQ, "HIGHESTMODSEQ",
		totals.highest_modseq);
	write_number(answer, items, ITEM_APPENDLIMIT, "APPENDLIMIT",
		SIM_APPEND_LIMIT);
	if ((items & ITEM_MAILBOXID) != 0)
		sim_text_format(
			answer, "MAILBOXID (F%" PRIu64 ") ", mailbox->id);
	answer->size--; /* the last blank */
	sim_text_put(answer, ")\r\n");
}

void sim_do_status(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	const struct server_mailbox *mailbox;
	char name[SIM_NAME_SIZE];
	unsigned items = 0;

	if (sim_expect(cursor, " ") && sim_take_mailbox(cursor, name) &&
		sim_expect(cursor, " "))
		(void)take_items(cursor, &items);
	if (!sim_begin(connection))
		return;
	mailbox = server_find(name);
	if (mailbox == NULL)
		sim_refuse(connection, "NONEXISTENT", "no such mailbox");
	else
		write_status(connection, mailbox, items);
}

/* ---- LIST ---- */

struct listing {
	char reference[SIM_NAME_SIZE], pattern[SIM_NAME_SIZE];
	bool tells_children, tells_uses;
	unsigned items;
};

static bool take_return_option(
	struct sim_cursor *cursor, struct listing *listing)
{
	if (sim_take(cursor, "CHILDREN"))
		listing->tells_children = true;
	else if (sim_take(cursor, "SPECIAL-USE"))
		listing->tells_uses = true;
	else if (sim_take(cursor, "STATUS "))
		return take_items(cursor, &listing->items);
	else if (!sim_take(cursor, "SUBSCRIBED"))
		return sim_bad(cursor, "no such return option");
	return true;
}

/* " RETURN (" option *(SP option) ")" */
static bool take_return(struct sim_cursor *cursor, struct listing *listing)
{
	listing->tells_children = listing->tells_uses = true;
	if (!sim_take(cursor, " RETURN ("))
		return true;
	if (!sim_has(SIM_LIST_STATUS))
		return sim_bad(cursor, "LIST-EXTENDED was not offered");
	listing->tells_children = listing->tells_uses = false;
	if (sim_take(cursor, ")"))
		return true;
	do {
		if (!take_return_option(cursor, listing))
			return false;
	} while (sim_take(cursor, " "));
	return sim_expect(cursor, ")");
}

static bool matches(const char *pattern, const char *name)
{
	for (; *pattern != '*' && *pattern != '%'; pattern++, name++)
		if (*pattern != *name)
			return false;
		else if (*pattern == '\0')
			return true;
	do {
		if (matches(pattern + 1, name))
			return true;
	} while (*name != '\0' && (*pattern == '*' || *name != '/') &&
		*name++ != '\0');
	return false;
}

static bool has_children(const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < server.mailbox_count; i++) {
		const char *other = server.mailboxes[i]->shown.name;

		if (text_starts_with(other, name) && other[size] == '/')
			return true;
	}
	return false;
}

static void write_list(struct sim_connection *connection,
	const struct listing *listing, const char *name,
	const struct server_mailbox *mailbox)
{
	struct sim_text *answer = &connection->answer;

	sim_text_put(answer, "* LIST (");
	if (mailbox == NULL)
		sim_text_put(answer, "\\Noselect ");
	if (listing->tells_children)
		sim_text_put(answer,
			has_children(name) ? "\\HasChildren "
					   : "\\HasNoChildren ");
	if (listing->tells_uses && mailbox != NULL &&
		mailbox->special_use != NULL)
		sim_text_format(answer, "%s ", mailbox->special_use);
	if (answer->data[answer->size - 1] == ' ')
		answer->size--;
	sim_text_put(answer, ") \"/\" ");
	sim_text_quote(answer, name);
	sim_text_put(answer, "\r\n");
	if (mailbox != NULL && listing->items != 0)
		write_status(connection, mailbox, listing->items);
}

/* Levels above that are no mailboxes are told before the first below. */
static void write_parents(struct sim_connection *connection,
	const struct listing *listing, const char *name, const char *previous)
{
	char parent[SIM_NAME_SIZE];

	for (const char *slash = strchr(name, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		size_t size = (size_t)(slash - name);

		memcpy(parent, name, size);
		parent[size] = '\0';
		if ((previous == NULL ||
			    strncmp(previous, name, size + 1) != 0) &&
			server_find(parent) == NULL &&
			matches(listing->pattern, parent))
			write_list(connection, listing, parent, NULL);
	}
}

static void write_lists(
	struct sim_connection *connection, const struct listing *listing)
{
	size_t left_out = SIZE_MAX;
	const char *previous = NULL;

	if (server.mailbox_count > 1 &&
		sim_chance(SIM_PARTIAL_LIST, PARTIAL_ODDS,
			"LIST leaves a mailbox out"))
		left_out = seam_choose((uint32_t)server.mailbox_count);
	for (size_t i = 0; i < server.mailbox_count; i++) {
		const struct server_mailbox *mailbox = server.mailboxes[i];
		const char *name = mailbox->shown.name;

		write_parents(connection, listing, name, previous);
		previous = name;
		if (i != left_out && matches(listing->pattern, name))
			write_list(connection, listing, name, mailbox);
	}
}

void sim_do_list(struct sim_connection *connection)
{
	struct sim_cursor *cursor = &connection->cursor;
	struct listing listing = { 0 };

	if (sim_expect(cursor, " ") &&
		sim_take_string(cursor, listing.reference, SIM_NAME_SIZE) &&
		sim_expect(cursor, " ") &&
		sim_take_pattern(cursor, listing.pattern))
		(void)take_return(cursor, &listing);
	if (listing.reference[0] != '\0')
		(void)sim_bad(cursor, "a reference name");
	if (!sim_begin(connection))
		return;
	if (listing.pattern[0] == '\0')
		sim_text_put(&connection->answer,
			"* LIST (\\Noselect) \"/\" \"\"\r\n");
	else
		write_lists(connection, &listing);
}

/* ---- CREATE and its like ---- */

static bool is_good_name(const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < size; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == '*' ||
			name[i] == '%' ||
			(name[i] == '/' && (i == 0 || name[i + 1] == '/')))
			return false;
	return size > 0 && name[size - 1] != '/' && size < SIM_NAME_SIZE / 2;
}

static void take_name(struct sim_connection *connection, char *name_out)
{
	if (sim_expect(&connection->cursor, " "))
		(void)sim_take_mailbox(&connection->cursor, name_out);
}

void sim_do_create(struct sim_connection *connection)
{
	char *name = connection->destination;

	take_name(connection, name);
	if (!sim_begin(connection))
		return;
	if (server_find(name) != NULL)
		sim_refuse(connection, "ALREADYEXISTS", "it is there already");
	else if (!is_good_name(name))
		sim_refuse(connection, "CANNOT", "no name for a mailbox");
	else
		(void)server_create(name);
}

void sim_do_delete(struct sim_connection *connection)
{
	char *name = connection->destination;

	take_name(connection, name);
	if (!sim_begin(connection))
		return;
	if (strcmp(name, "INBOX") == 0)
		sim_refuse(connection, "CANNOT", "INBOX stays");
	else if (!server_delete(name))
		sim_refuse(connection, "NONEXISTENT", "no such mailbox");
}

void sim_do_rename(struct sim_connection *connection)
{
	char *from = connection->other_name;
	char *to = connection->destination;

	take_name(connection, from);
	take_name(connection, to);
	if (!sim_begin(connection))
		return;
	if (strcmp(from, "INBOX") == 0 || !is_good_name(to))
		sim_refuse(connection, "CANNOT", "not this one");
	else if (server_find(from) == NULL)
		sim_refuse(connection, "NONEXISTENT", "no such mailbox");
	else if (server_find(to) != NULL)
		sim_refuse(connection, "ALREADYEXISTS", "it is there already");
	else if (!server_rename(from, to))
		sim_refuse(connection, "CANNOT", "not to there");
}

void sim_do_subscribe(struct sim_connection *connection)
{
	struct server_mailbox *mailbox;

	take_name(connection, connection->destination);
	if (!sim_begin(connection))
		return;
	mailbox = server_find(connection->destination);
	if (mailbox != NULL)
		mailbox->is_subscribed =
			strcmp(connection->name, "SUBSCRIBE") == 0;
}
