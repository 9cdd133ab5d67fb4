/* Mailboxes of the account: LIST, STATUS, NAMESPACE. What is not understood
   fails: a mailbox left out would look like one that was removed. Only names
   that cannot be read are left out, and counted. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/mailbox_name.h"
#include "syncd/worker/remote_internal.h"

struct prefix {
	const char *text;
	char delimiter;
	bool is_personal;
};

struct listing {
	struct remote *remote;
	struct arena *arena;
	struct remote_mailbox *items;
	size_t count, capacity;
	size_t hint; /* where the next STATUS is likely to belong */
	struct prefix *prefixes;
	size_t prefix_count, prefix_capacity;
	bool has_holes; /* what they were is not known */
};

/* ---- Answers ---- */

static bool is_special_use(const char *attribute)
{
	static const char *const USES[] = { "\\All", "\\Archive", "\\Drafts",
		"\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash" };

	for (size_t i = 0; i < ARRAY_LENGTH(USES); i++)
		if (text_equal_nocase(attribute, USES[i]))
			return true;
	return false;
}

/* In the spelling of RFC 6154, whatever the server's is. */
static const char *special_use(struct arena *arena, const char *attribute)
{
	char *use = arena_text(arena, attribute);

	for (char *letter = use + 1; *letter != '\0'; letter++) {
		bool is_first = letter == use + 1;

		if (is_first && *letter >= 'a' && *letter <= 'z')
			*letter = (char)(*letter - 'a' + 'A');
		else if (!is_first && *letter >= 'A' && *letter <= 'Z')
			*letter = (char)(*letter - 'A' + 'a');
	}
	return use;
}

static void read_attributes(struct listing *listing,
	struct remote_mailbox *mailbox, const struct imap_words *attributes)
{
	mailbox->is_selectable = true;
	for (size_t i = 0; i < attributes->count; i++) {
		const char *attribute = attributes->words[i];

		if (text_equal_nocase(attribute, "\\Noselect") ||
			text_equal_nocase(attribute, "\\NonExistent"))
			mailbox->is_selectable = false;
		else if (is_special_use(attribute))
			mailbox->special_use =
				special_use(listing->arena, attribute);
	}
}

static void add_mailbox(struct listing *listing, const struct imap_list *list)
{
	size_t size = list->name_size;
	struct remote_mailbox *mailbox;
	struct buf name = { 0 };

	if (size > 1 && list->delimiter != 0 &&
		list->name[size - 1] == list->delimiter)
		size--;
	if (mailbox_name_decode(list->name, size, &name) ==
		MAILBOX_NAME_INVALID) {
		listing->remote->skipped_count++;
		buf_finish(&name);
		return;
	}
	mailbox = arena_push(listing->arena, &listing->items, &listing->count,
		&listing->capacity, sizeof(*mailbox));
	mailbox->wire_name =
		arena_text_sized(listing->arena, list->name, list->name_size);
	mailbox->name = arena_text(listing->arena, buf_text(&name));
	mailbox->delimiter = list->delimiter;
	if (list->mailbox_id != NULL)
		mailbox->mailbox_id =
			arena_text(listing->arena, list->mailbox_id);
	read_attributes(listing, mailbox, &list->attributes);
	buf_finish(&name);
}

/* STATUS comes behind its LIST, or in the order it was asked for. */
static struct remote_mailbox *find_mailbox(
	struct listing *listing, const char *wire_name)
{
	for (size_t i = 0; i < listing->count; i++) {
		size_t index = (listing->hint + i) % listing->count;

		if (!mailbox_name_equal(
			    listing->items[index].wire_name, wire_name))
			continue;
		listing->hint = index + 1;
		return &listing->items[index];
	}
	return NULL;
}

static void read_status(struct arena *arena, struct remote_mailbox *mailbox,
	const struct imap_mailbox_status *status)
{
	if (status->mailbox_id != NULL)
		mailbox->mailbox_id = arena_text(arena, status->mailbox_id);
	if (!status->has_messages || !status->has_uid_next ||
		!status->has_uid_validity)
		return;
	mailbox->has_status = true;
	mailbox->uid_validity = status->uid_validity;
	mailbox->uid_next = status->uid_next;
	mailbox->message_count = status->messages;
	mailbox->unseen_count = status->has_unseen ? status->unseen : 0;
	mailbox->highest_modseq =
		status->has_highest_modseq ? status->highest_modseq : 0;
}

static void add_prefixes(struct listing *listing,
	const struct imap_namespace *namespaces, size_t count, bool is_personal)
{
	for (size_t i = 0; i < count; i++) {
		struct prefix *prefix = arena_push(listing->arena,
			&listing->prefixes, &listing->prefix_count,
			&listing->prefix_capacity, sizeof(*prefix));

		prefix->text = arena_text(listing->arena, namespaces[i].prefix);
		prefix->delimiter = namespaces[i].delimiter;
		prefix->is_personal = is_personal;
	}
}

static void read_namespaces(
	struct listing *listing, const struct imap_namespaces *namespaces)
{
	add_prefixes(listing, namespaces->personal, namespaces->personal_count,
		true);
	add_prefixes(
		listing, namespaces->other, namespaces->other_count, false);
	add_prefixes(
		listing, namespaces->shared, namespaces->shared_count, false);
}

/* A name with NUL in it is one that cannot be read, like those above. */
static void note_broken(
	struct listing *listing, const struct imap_response *response)
{
	if (response->has_nul && response->name != NULL &&
		(strcmp(response->name, "LIST") == 0 ||
			strcmp(response->name, "XLIST") == 0))
		listing->remote->skipped_count++;
	else
		listing->has_holes = true;
}

static bool handle_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	struct listing *listing = flight->data;
	struct remote_mailbox *mailbox;

	if (response->is_broken)
		note_broken(listing, response);

	if (response->kind == IMAP_RESPONSE_NAMESPACE)
		read_namespaces(listing, &response->namespaces);
	if (response->kind == IMAP_RESPONSE_LIST)
		add_mailbox(listing, &response->list);
	if (listing->count > REMOTE_MAILBOX_COUNT_MAX)
		return error_set(error, ERROR_LIMIT,
			"server lists more than %d mailboxes",
			REMOTE_MAILBOX_COUNT_MAX);
	if (response->kind != IMAP_RESPONSE_MAILBOX_STATUS)
		return true;
	if (listing->count > 0 && listing->hint >= listing->count)
		listing->hint = listing->count - 1;
	mailbox = find_mailbox(listing, response->mailbox_status.name);
	if (mailbox != NULL)
		read_status(listing->arena, mailbox, &response->mailbox_status);
	return true;
}

/* ---- LIST ---- */

static void add_status_items(
	const struct remote *remote, struct imap_command *command)
{
	imap_command_add_words(command, "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN");
	if (remote->abilities.has_condstore)
		imap_command_add_words(command, "HIGHESTMODSEQ");
	/* Cyrus 3.6 answers MAILBOXID in STATUS with memory it has freed, which
	   is junk or, worse, looks like an id; in SELECT it is right. */
	if (remote->abilities.has_object_id && !remote->is_cyrus)
		imap_command_add_words(command, "MAILBOXID");
	imap_command_append_text(command, ")");
}

static struct imap_command *plain_list_command(void)
{
	return imap_command_new(IMAP_COMMAND_PLAIN, "LIST \"\" \"*\"");
}

/* Servers with LIST-EXTENDED tell only what RETURN asks for. */
static struct imap_command *list_command(const struct remote *remote)
{
	struct imap_command *command = plain_list_command();
	const struct imap_session *session = remote->session;

	imap_command_add_words(command, "RETURN (");
	if (imap_session_has(session, IMAP_CAP_SPECIAL_USE))
		imap_command_add_words(command, "SPECIAL-USE");
	if (imap_session_has(session, IMAP_CAP_LIST_EXTENDED))
		imap_command_add_words(command, "CHILDREN");
	imap_command_add_words(command, "STATUS");
	add_status_items(remote, command);
	imap_command_append_text(command, ")");
	return command;
}

static void forget_mailboxes(struct listing *listing)
{
	listing->items = NULL;
	listing->count = listing->capacity = listing->hint = 0;
	listing->remote->skipped_count = 0;
	listing->has_holes = false;
}

static bool check_list(struct listing *listing, const struct remote_call *call,
	struct error *error)
{
	if (!remote_check(listing->remote, call, "list the mailboxes", error))
		return false;
	if (listing->has_holes || call->answer.code == IMAP_CODE_MESSAGELIMIT)
		return error_set(error, ERROR_REFUSED,
			"server's list of mailboxes cannot be read in full");
	if (listing->count == 0)
		return error_set(
			error, ERROR_REFUSED, "server lists no mailbox at all");
	return true;
}

/* STATUS of the selected mailbox may be as old as the last command that looked
   at it (Dovecot). NOOP looks, but not before what is sent along with it. */
static bool refresh_selected(struct remote *remote, struct error *error)
{
	if (imap_session_has(remote->session, IMAP_CAP_UNSELECT))
		return true;
	return remote_do(remote, imap_command_new(IMAP_COMMAND_PLAIN, "NOOP"),
		"look at the mailbox", error);
}

static void add_unselect(struct remote_flight *flight)
{
	if (!imap_session_has(flight->remote->session, IMAP_CAP_UNSELECT))
		return;
	(void)remote_flight_add(
		flight, imap_command_new(IMAP_COMMAND_UNSELECT, "UNSELECT"));
	remote_forget_selection(flight->remote);
}

/* It lives, and may take its time for the list. */
static bool handle_done(struct remote_flight *flight, struct remote_call *call,
	const struct imap_response *response, struct error *error)
{
	(void)call;
	(void)response;
	(void)error;
	flight->timeout_ms = REMOTE_TIMEOUT_MS;
	return true;
}

static bool run_list(struct listing *listing, struct imap_command *command,
	struct error *error)
{
	struct remote *remote = listing->remote;
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	forget_mailboxes(listing);
	remote_flight_init(&flight, remote);
	flight.data = listing;
	flight.on_response = handle_response;
	if (remote->selection.name != NULL)
		add_unselect(&flight);
	if (listing->prefix_count == 0 &&
		imap_session_has(remote->session, IMAP_CAP_NAMESPACE))
		(void)remote_flight_add(&flight,
			imap_command_new(IMAP_COMMAND_PLAIN, "NAMESPACE"));
	/* Every pass begins here, so that a dead connection shows here. */
	flight.on_done = handle_done;
	if (flight.call_count > 0)
		flight.timeout_ms = REMOTE_ALIVE_TIMEOUT_MS;
	call = remote_flight_add(&flight, command);
	is_done = remote_flight_run(&flight, error) &&
		check_list(listing, call, error);
	remote_flight_finish(&flight);
	return is_done;
}

/* Exchange answers BAD to RETURN, Strato lists nothing. */
static bool list_mailboxes(struct listing *listing, struct error *error)
{
	if (listing->remote->selection.name != NULL &&
		!refresh_selected(listing->remote, error))
		return false;
	if (listing->remote->abilities.has_list_status) {
		if (run_list(listing, list_command(listing->remote), error))
			return true;
		if (listing->remote->is_dead)
			return false;
		error_clear(error);
	}
	return run_list(listing, plain_list_command(), error);
}

/* ---- Which are ours ---- */

static bool is_below(const char *name, const struct prefix *prefix)
{
	size_t size = strlen(prefix->text);

	if (text_starts_with(name, prefix->text))
		return true;
	/* "Other Users" itself, for "Other Users/". */
	return size > 1 && prefix->delimiter != 0 &&
		prefix->text[size - 1] == prefix->delimiter &&
		strlen(name) == size - 1 &&
		strncmp(name, prefix->text, size - 1) == 0;
}

/* The longest prefix decides: the shared namespace may be "". */
static bool is_personal(const struct listing *listing, const char *name)
{
	const struct prefix *best = NULL;

	if (mailbox_name_is_inbox(name, strlen(name)))
		return true;
	for (size_t i = 0; i < listing->prefix_count; i++) {
		const struct prefix *prefix = &listing->prefixes[i];

		if (!is_below(name, prefix))
			continue;
		if (best == NULL || strlen(prefix->text) > strlen(best->text))
			best = prefix;
	}
	return best == NULL || best->is_personal;
}

static int compare_names(const void *a, const void *b)
{
	const struct remote_mailbox *left = a;
	const struct remote_mailbox *right = b;

	return strcmp(left->name, right->name);
}

/* Those of others go, and what was listed twice. */
static void tidy(struct listing *listing)
{
	size_t count = 0;

	qsort(listing->items, listing->count, sizeof(*listing->items),
		compare_names);
	for (size_t i = 0; i < listing->count; i++) {
		struct remote_mailbox *item = &listing->items[i];

		if (!is_personal(listing, item->wire_name))
			continue;
		if (count > 0 &&
			mailbox_name_equal(
				listing->items[count - 1].name, item->name)) {
			if (item->is_selectable)
				listing->items[count - 1] = *item;
			continue;
		}
		listing->items[count++] = *item;
	}
	listing->count = count;
	listing->hint = 0;
}

/* ---- STATUS ---- */

static void add_status(struct remote_flight *flight, const char *wire_name)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "STATUS");

	imap_command_add_string(command, wire_name, strlen(wire_name));
	add_status_items(flight->remote, command);
	(void)remote_flight_add(flight, command);
}

/* A refused STATUS leaves the mailbox unknown, which is no failure. */
static bool ask_status(struct listing *listing, struct error *error)
{
	struct remote_flight flight;
	bool is_done;

	remote_flight_init(&flight, listing->remote);
	flight.data = listing;
	flight.on_response = handle_response;
	for (size_t i = 0; i < listing->count; i++)
		if (listing->items[i].is_selectable &&
			!listing->items[i].has_status)
			add_status(&flight, listing->items[i].wire_name);
	is_done = remote_flight_run(&flight, error);
	for (size_t i = 0; is_done && i < flight.call_count; i++) {
		struct error refusal = { 0 };

		if (remote_check(listing->remote, flight.calls[i],
			    "ask for STATUS", &refusal) ||
			refusal.code == ERROR_REFUSED)
			continue;
		*error = refusal;
		is_done = false;
	}
	remote_flight_finish(&flight);
	return is_done;
}

bool remote_list(struct remote *remote, struct arena *arena,
	struct remote_mailbox **mailboxes_out, size_t *count_out,
	struct error *error)
{
	struct listing listing = { .remote = remote, .arena = arena };

	if (!remote_begin(remote, error) || !list_mailboxes(&listing, error))
		return false;
	tidy(&listing);
	if (!ask_status(&listing, error))
		return false;
	*mailboxes_out = listing.items;
	*count_out = listing.count;
	return true;
}

bool remote_status(struct remote *remote, const char *wire_name,
	struct arena *arena, struct remote_mailbox *mailbox_out,
	struct error *error)
{
	struct remote_mailbox mailbox = { .wire_name = wire_name,
		.is_selectable = true };
	struct listing listing = {
		.remote = remote, .arena = arena, .items = &mailbox, .count = 1
	};
	struct remote_flight flight;
	bool is_done;

	if (!remote_begin(remote, error))
		return false;
	remote_flight_init(&flight, remote);
	flight.data = &listing;
	flight.on_response = handle_response;
	add_status(&flight, wire_name);
	is_done = remote_flight_run(&flight, error) &&
		remote_check(remote, flight.calls[0], "ask for STATUS", error);
	remote_flight_finish(&flight);
	if (is_done && !mailbox.has_status)
		is_done = error_set(
			error, ERROR_REFUSED, "server tells no STATUS");
	if (is_done)
		*mailbox_out = mailbox;
	return is_done;
}
