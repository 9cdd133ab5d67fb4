#include "tests/syncd/worker/fake_server.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/remote.h"

#define BATCH_MAX 3
#define LATE_MAX  64

struct fake_server server;

/* Sent on a connection that is dead now, and not stored yet. */
static struct late {
	char *mailbox, *body;
	struct flags flags;
	int64_t date;
	unsigned calls; /* until it is stored */
} late[LATE_MAX];
static size_t late_count;

struct remote {
	const struct remote_options *options;
	struct remote_abilities abilities;
	char *selected;
	bool is_dead;
	struct error death;
};

/* ---- The mailboxes ---- */

void fake_server_init(void)
{
	memset(&server, 0, sizeof(server));
	server.next_validity = 100;
	server.has_qresync = server.has_condstore = true;
	server.has_uidplus = server.has_move = server.has_receipts = true;
	fake_create("INBOX");
}

static void mailbox_clear(struct fake_mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->count; i++)
		free(mailbox->messages[i].body);
	free(mailbox->name);
	memset(mailbox, 0, sizeof(*mailbox));
}

static void late_drop(size_t index)
{
	free(late[index].mailbox);
	free(late[index].body);
	late[index] = late[--late_count];
}

void fake_server_finish(void)
{
	while (late_count > 0)
		late_drop(0);
	for (size_t i = 0; i < FAKE_MAILBOX_MAX; i++)
		mailbox_clear(&server.mailboxes[i]);
}

struct fake_mailbox *fake_mailbox(const char *name)
{
	for (size_t i = 0; i < FAKE_MAILBOX_MAX; i++)
		if (server.mailboxes[i].name != NULL &&
			strcmp(server.mailboxes[i].name, name) == 0)
			return &server.mailboxes[i];
	return NULL;
}

struct fake_mailbox *fake_create(const char *name)
{
	for (size_t i = 0; i < FAKE_MAILBOX_MAX; i++) {
		struct fake_mailbox *mailbox = &server.mailboxes[i];

		if (mailbox->name != NULL)
			continue;
		mailbox->name = alloc_text(name);
		mailbox->number = server.next_validity;
		mailbox->uid_validity = server.next_validity++;
		mailbox->uid_next = 1;
		mailbox->modseq = 1;
		return mailbox;
	}
	abort();
}

struct fake_message *fake_find(struct fake_mailbox *mailbox, uint32_t uid)
{
	for (size_t i = 0; i < mailbox->count; i++)
		if (mailbox->messages[i].uid == uid)
			return &mailbox->messages[i];
	return NULL;
}

/* WORLD_LOG=1 shows what comes and goes. */
static void show(const char *what, const struct fake_mailbox *mailbox,
	uint32_t uid, const char *body)
{
	const char *subject = strstr(body, "Subject: ");

	if (getenv("WORLD_LOG") != NULL)
		printf("(%s %s UID %u %.*s)\n", what, mailbox->name, uid,
			subject == NULL ? 0 : (int)strcspn(subject, "\r"),
			subject == NULL ? "" : subject);
}

static struct fake_message *add(struct fake_mailbox *mailbox, char *body,
	const struct flags *flags, int64_t date)
{
	struct fake_message *message = &mailbox->messages[mailbox->count++];

	if (mailbox->count > FAKE_MESSAGE_MAX)
		abort();
	message->uid = mailbox->uid_next++;
	message->modseq = ++mailbox->modseq;
	message->flags = *flags;
	message->date = date;
	message->email_id = ++server.last_email_id;
	message->body = body;
	show("comes:", mailbox, message->uid, body);
	return message;
}

struct fake_message *fake_deliver(
	struct fake_mailbox *mailbox, const char *body, uint32_t system_flags)
{
	struct flags flags = { .system = system_flags };

	return add(mailbox, alloc_text(body), &flags,
		1500000000 + mailbox->uid_next);
}

void fake_touch(struct fake_mailbox *mailbox, struct fake_message *message)
{
	message->modseq = ++mailbox->modseq;
}

static struct fake_message take(struct fake_mailbox *mailbox, uint32_t uid)
{
	struct fake_message *message = fake_find(mailbox, uid);
	struct fake_message taken;
	size_t index;

	if (message == NULL)
		abort();
	taken = *message;
	index = (size_t)(message - mailbox->messages);
	show("goes:", mailbox, uid, taken.body);
	memmove(message, message + 1,
		(mailbox->count - index - 1) * sizeof(*message));
	mailbox->count--;
	mailbox->gone[mailbox->gone_count++] =
		(struct fake_gone){ uid, ++mailbox->modseq };
	return taken;
}

void fake_expunge(struct fake_mailbox *mailbox, uint32_t uid)
{
	struct fake_message taken;

	if (fake_find(mailbox, uid) == NULL)
		return;
	taken = take(mailbox, uid);
	free(taken.body);
}

void fake_move(struct fake_mailbox *from, uint32_t uid, struct fake_mailbox *to)
{
	struct fake_message taken;

	if (fake_find(from, uid) == NULL)
		return;
	taken = take(from, uid);
	add(to, taken.body, &taken.flags, taken.date)->email_id =
		taken.email_id;
}

void fake_rename(const char *from, const char *to)
{
	struct fake_mailbox *mailbox = fake_mailbox(from);

	free(mailbox->name);
	mailbox->name = alloc_text(to);
}

void fake_delete(const char *name)
{
	mailbox_clear(fake_mailbox(name));
}

void fake_renumber(struct fake_mailbox *mailbox)
{
	mailbox->uid_validity = server.next_validity++;
	mailbox->uid_next = 1000;
	mailbox->modseq = 1;
	mailbox->gone_count = 0;
	for (size_t i = 0; i < mailbox->count; i++) {
		mailbox->messages[i].uid = mailbox->uid_next++;
		mailbox->messages[i].modseq = ++mailbox->modseq;
	}
}

/* ---- What comes late ---- */

static void late_store(size_t index)
{
	struct fake_mailbox *mailbox = fake_mailbox(late[index].mailbox);

	if (mailbox != NULL) {
		if (getenv("WORLD_LOG") != NULL)
			printf("LATE %s UID %u\n", mailbox->name,
				mailbox->uid_next);
		add(mailbox, late[index].body, &late[index].flags,
			late[index].date);
		late[index].body = NULL;
	}
	late_drop(index);
}

void fake_arrive(void)
{
	while (late_count > 0)
		late_store(0);
}

static void late_tick(void)
{
	for (size_t i = late_count; i > 0; i--)
		if (--late[i - 1].calls == 0)
			late_store(i - 1);
}

static void late_add(const struct remote_append *append, const char *body)
{
	if (late_count == LATE_MAX)
		abort();
	late[late_count++] = (struct late){
		.mailbox = alloc_text(append->wire_name),
		.body = alloc_text(body),
		.flags = append->flags,
		.date = append->internal_date,
		.calls = server.late_in,
	};
}

/* ---- The connection ---- */

static void trace(const char *what, const char *name, const char *to,
	const struct uid_set *uids)
{
	struct buf text = { 0 };
	size_t index = 0;

	if (getenv("WORLD_LOG") == NULL)
		return;
	if (uids != NULL && uid_set_write(uids, &index, 200, &text))
		printf("%s %s %s -> %s\n", what, name, buf_text(&text), to);
	else
		printf("%s %s\n", what, name);
	buf_finish(&text);
}

static bool die(struct remote *remote, struct error *error)
{
	trace("CUT", "", "", NULL);
	remote->is_dead = true;
	error_set(&remote->death, ERROR_DISCONNECTED, "cut off by the test");
	return error_set(error, ERROR_DISCONNECTED, "cut off by the test");
}

/* At the start of every call: false = the connection breaks here, before
   anything happened. */
static bool begin(struct remote *remote, const char *call, struct error *error)
{
	server.call_count++;
	server.call = call;
	late_tick();
	if (remote->is_dead)
		return error_set(error, ERROR_DISCONNECTED, "dead");
	if (server.interfere != NULL)
		server.interfere(server.data);
	if (server.cut_in == 1 && !server.cut_after_effect) {
		server.cut_in = 0;
		return die(remote, error);
	}
	return true;
}

static bool is_refused(const char *wire_name)
{
	return server.refuses != NULL && strcmp(server.refuses, wire_name) == 0;
}

/* At the end: false = it happened, and the answer is lost. */
static bool end(struct remote *remote, struct error *error)
{
	if (server.cut_in == 0)
		return true;
	if (--server.cut_in == 0 && server.cut_after_effect)
		return die(remote, error);
	if (server.cut_in == 0)
		server.cut_in = 1;
	return true;
}

struct remote *remote_open(
	const struct remote_options *options, struct error *error)
{
	struct remote *remote = alloc(1, sizeof(*remote));

	(void)error;
	remote->options = options;
	remote->abilities = (struct remote_abilities){
		.has_condstore = server.has_condstore,
		.has_qresync = server.has_qresync,
		.has_uidplus = server.has_uidplus,
		.has_move = server.has_move,
		.has_multiappend = server.has_multiappend,
		.has_list_status = true,
		.message_limit = server.message_limit,
	};
	return remote;
}

void remote_close(struct remote *remote)
{
	if (remote == NULL)
		return;
	free(remote->selected);
	free(remote);
}

void remote_logout(struct remote *remote)
{
	(void)remote;
}

const struct remote_abilities *remote_abilities(const struct remote *remote)
{
	return &remote->abilities;
}

const char *remote_capabilities(const struct remote *remote)
{
	(void)remote;
	return "IMAP4REV1";
}

const char *remote_tls_name(const struct remote *remote)
{
	(void)remote;
	return "none";
}

bool remote_is_dead(const struct remote *remote)
{
	return remote->is_dead;
}

const struct error *remote_death(const struct remote *remote)
{
	return &remote->death;
}

/* ---- Listing ---- */

static struct remote_mailbox describe(
	const struct fake_mailbox *mailbox, struct arena *arena)
{
	if (server.silent != NULL && strcmp(server.silent, mailbox->name) == 0)
		return (struct remote_mailbox){
			.wire_name = arena_text(arena, mailbox->name),
			.name = arena_text(arena, mailbox->name),
			.delimiter = '/',
			.is_selectable = true,
		};
	return (struct remote_mailbox){
		.wire_name = arena_text(arena, mailbox->name),
		.name = arena_text(arena, mailbox->name),
		.delimiter = '/',
		.mailbox_id = server.has_mailbox_ids
			? arena_format(arena, "M%u", mailbox->number)
			: NULL,
		.is_selectable = true,
		.has_status = true,
		.uid_validity = mailbox->uid_validity,
		.uid_next = mailbox->uid_next,
		.message_count = (uint32_t)mailbox->count,
		.highest_modseq = server.has_condstore ? mailbox->modseq : 0,
	};
}

size_t remote_skipped_count(const struct remote *remote)
{
	(void)remote;
	return server.unreadable_count;
}

bool remote_list(struct remote *remote, struct arena *arena,
	struct remote_mailbox **mailboxes_out, size_t *count_out,
	struct error *error)
{
	struct remote_mailbox *mailboxes =
		arena_alloc(arena, FAKE_MAILBOX_MAX + 1, sizeof(*mailboxes));
	size_t count = 0;

	if (!begin(remote, __func__, error))
		return false;
	for (size_t i = 0; i < FAKE_MAILBOX_MAX; i++)
		if (server.mailboxes[i].name != NULL && !server.lists_nothing &&
			(server.hides == NULL ||
				strcmp(server.hides,
					server.mailboxes[i].name) != 0))
			mailboxes[count++] =
				describe(&server.mailboxes[i], arena);
	if (server.only_name != NULL)
		mailboxes[count++] = (struct remote_mailbox){
			.wire_name = server.only_name,
			.name = server.only_name,
			.delimiter = '/',
		};
	*mailboxes_out = mailboxes;
	*count_out = count;
	return end(remote, error);
}

bool remote_status(struct remote *remote, const char *wire_name,
	struct arena *arena, struct remote_mailbox *mailbox_out,
	struct error *error)
{
	struct fake_mailbox *mailbox = fake_mailbox(wire_name);

	if (!begin(remote, __func__, error))
		return false;
	if (mailbox == NULL ||
		(server.silent != NULL &&
			strcmp(wire_name, server.silent) == 0))
		return error_set(error, ERROR_REFUSED, "no such mailbox");
	*mailbox_out = describe(mailbox, arena);
	return end(remote, error);
}

bool remote_create(struct remote *remote, const char *name, struct arena *arena,
	const char **wire_name_out, struct error *error)
{
	if (!begin(remote, __func__, error))
		return false;
	server.change_count++;
	if (fake_mailbox(name) == NULL)
		fake_create(name);
	*wire_name_out = arena_text(arena, name);
	return end(remote, error);
}

bool remote_rename(struct remote *remote, const char *wire_name,
	const char *new_name, struct arena *arena, const char **wire_name_out,
	struct error *error)
{
	if (!begin(remote, __func__, error))
		return false;
	server.change_count++;
	if (fake_mailbox(wire_name) == NULL || fake_mailbox(new_name) != NULL)
		return error_set(error, ERROR_REFUSED, "cannot rename");
	fake_rename(wire_name, new_name);
	*wire_name_out = arena_text(arena, new_name);
	return end(remote, error);
}

bool remote_delete_empty(
	struct remote *remote, const char *wire_name, struct error *error)
{
	struct fake_mailbox *mailbox = fake_mailbox(wire_name);

	if (!begin(remote, __func__, error))
		return false;
	if (mailbox != NULL && mailbox->count > 0)
		return error_set(error, ERROR_REFUSED, "not empty");
	server.change_count++;
	if (mailbox != NULL)
		mailbox_clear(mailbox);
	return end(remote, error);
}

/* ---- One mailbox ---- */

bool remote_select(struct remote *remote, const char *wire_name,
	uint32_t uid_validity, struct error *error)
{
	struct fake_mailbox *mailbox;

	if (!begin(remote, __func__, error))
		return false;
	mailbox = fake_mailbox(wire_name);
	if (mailbox == NULL || mailbox->uid_validity != uid_validity ||
		is_refused(wire_name))
		return error_set(error, ERROR_REFUSED, "no such mailbox");
	free(remote->selected);
	remote->selected = alloc_text(wire_name);
	return end(remote, error);
}

bool remote_unselect(struct remote *remote, struct error *error)
{
	if (!begin(remote, __func__, error))
		return false;
	free(remote->selected);
	remote->selected = NULL;
	return end(remote, error);
}

static struct fake_mailbox *selected(const struct remote *remote)
{
	return remote->selected == NULL ? NULL : fake_mailbox(remote->selected);
}

static struct remote_message row(const struct fake_message *message)
{
	return (struct remote_message){
		.uid = message->uid,
		.has_flags = true,
		.has_size = true,
		.modseq = server.has_condstore ? message->modseq : 0,
		.size = strlen(message->body) - (server.miscounts ? 1 : 0),
		.internal_date = message->date,
		.email_id = server.has_email_ids ? message->email_id : 0,
		.flags = message->flags,
	};
}

static struct remote_message *put_row(struct arena *arena,
	struct remote_view *view, size_t *capacity,
	const struct fake_message *message)
{
	struct remote_message *item = arena_push(arena, &view->messages,
		&view->message_row_count, capacity, sizeof(*item));

	*item = row(message);
	return item;
}

static void list_all(
	const struct fake_mailbox *mailbox, struct remote_view *view)
{
	for (size_t i = 0; i < mailbox->count; i++)
		uid_set_add(&view->listing, mailbox->messages[i].uid);
	view->has_listing = true;
}

/* Without a listing the counts must agree, as in the real one. */
static void check_counts(const struct remote_known *known,
	const struct fake_mailbox *mailbox, struct remote_view *view)
{
	uint64_t vanished, fresh = 0;

	vanished = uid_set_count(&view->vanished);
	for (size_t i = 0; i < mailbox->count; i++)
		fresh += mailbox->messages[i].uid >= known->uid_next;
	if (known->message_count - vanished + fresh != mailbox->count)
		list_all(mailbox, view);
}

/* Few rows are a chunk, so that most listings are of several. The sink gets
   nothing of the view but what SELECT told. */
static bool hand_over(struct remote *remote, const struct remote_row_sink *sink,
	struct remote_view *view, struct error *error)
{
	struct remote_view part = {
		.uid_validity = view->uid_validity,
		.permanent_flags = view->permanent_flags,
		.allows_new_keywords = view->allows_new_keywords,
		.mailbox_id = view->mailbox_id,
		.is_new_epoch = view->is_new_epoch,
		.is_put_back = view->is_put_back,
		.message_row_count = FAKE_ROW_CHUNK,
	};

	while (view->message_row_count > FAKE_ROW_CHUNK) {
		part.messages = view->messages;
		view->messages += FAKE_ROW_CHUNK;
		view->message_row_count -= FAKE_ROW_CHUNK;
		if (!sink->take(sink->data, &part, error)) {
			remote->is_dead = true;
			return false;
		}
		if (!end(remote, error))
			return false;
	}
	return true;
}

static void note_epoch(const struct remote_known *known,
	const struct fake_mailbox *mailbox, struct remote_view *view)
{
	bool is_same = known->uid_validity == mailbox->uid_validity;

	view->is_put_back = known->is_put_back ||
		known->uid_validity > mailbox->uid_validity ||
		(is_same &&
			(known->uid_next > mailbox->uid_next ||
				known->last_uid >= mailbox->uid_next));
	view->is_new_epoch =
		view->is_put_back || (known->uid_validity != 0 && !is_same);
}

bool remote_observe(struct remote *remote, const struct remote_known *known,
	const struct remote_row_sink *sink, struct arena *arena,
	struct remote_view *view_out, struct error *error)
{
	struct remote_view view = { 0 };
	struct fake_mailbox *mailbox;
	uint64_t anchor = known->highest_modseq;
	size_t capacity = 0;
	bool is_afresh;

	if (!begin(remote, __func__, error))
		return false;
	trace("OBSERVE", known->wire_name, "", NULL);
	mailbox = fake_mailbox(known->wire_name);
	if (mailbox == NULL || is_refused(known->wire_name))
		return error_set(error, ERROR_REFUSED, "no such mailbox");
	view.mailbox_id = server.has_mailbox_ids
		? arena_format(arena, "M%u", mailbox->number)
		: NULL;
	view.uid_validity = mailbox->uid_validity;
	view.uid_next = mailbox->uid_next;
	view.message_count = (uint32_t)mailbox->count;
	view.highest_modseq = server.has_condstore ? mailbox->modseq : 0;
	view.permanent_flags.system = FLAG_ALL_SYSTEM;
	view.allows_new_keywords = true;
	note_epoch(known, mailbox, &view);
	if (getenv("WORLD_LOG") != NULL)
		printf("  anchor %u -> %u, next %u -> %u\n", (unsigned)anchor,
			(unsigned)view.highest_modseq, known->uid_next,
			view.uid_next);
	is_afresh = known->uid_validity == 0 || view.is_new_epoch;
	if (is_afresh || !server.has_condstore)
		anchor = 0;
	for (size_t i = 0; i < mailbox->count; i++) {
		const struct fake_message *message = &mailbox->messages[i];

		if (message->uid == known->witness)
			view.witness = row(message);
		/* Of old ones only what changes is told. */
		if (message->uid >= known->uid_next || is_afresh)
			(void)put_row(arena, &view, &capacity, message);
		else if (message->modseq > anchor)
			put_row(arena, &view, &capacity, message)->has_size =
				false;
	}
	for (size_t i = 0; i < mailbox->gone_count; i++)
		if (server.has_qresync &&
			mailbox->gone[i].modseq > known->highest_modseq)
			uid_set_add(&view.vanished, mailbox->gone[i].uid);
	if (!server.has_qresync || is_afresh || known->wants_full_listing)
		list_all(mailbox, &view);
	else
		check_counts(known, mailbox, &view);
	if (server.doubtful != NULL &&
		strcmp(server.doubtful, known->wire_name) == 0) {
		view.is_doubtful = true;
		view.has_listing = false;
	}
	free(remote->selected);
	remote->selected = alloc_text(known->wire_name);
	if (!hand_over(remote, sink, &view, error) || !end(remote, error)) {
		remote_view_finish(&view);
		return false;
	}
	if (server.breaks_off != NULL &&
		strcmp(server.breaks_off, known->wire_name) == 0) {
		remote_view_finish(&view);
		return error_set(error, ERROR_REFUSED, "no more of it");
	}
	*view_out = view;
	return true;
}

void remote_view_finish(struct remote_view *view)
{
	uid_set_finish(&view->vanished);
	uid_set_finish(&view->listing);
}

bool remote_fetch_messages(struct remote *remote, const struct uid_set *uids,
	struct arena *arena, struct remote_message **messages_out,
	size_t *count_out, struct error *error)
{
	struct fake_mailbox *mailbox = selected(remote);
	struct remote_view view = { 0 };
	size_t capacity = 0;

	if (!begin(remote, __func__, error))
		return false;
	for (size_t i = 0; mailbox != NULL && i < mailbox->count; i++)
		if (uid_set_contains(uids, mailbox->messages[i].uid))
			(void)put_row(
				arena, &view, &capacity, &mailbox->messages[i]);
	*messages_out = view.messages;
	*count_out = view.message_row_count;
	return end(remote, error);
}

static bool stream(const struct remote_sink *sink,
	const struct fake_message *message, size_t size, struct error *error)
{
	size_t half = size / 2;
	const uint8_t *bytes = (const uint8_t *)message->body;

	if (!sink->begin(sink->user, message->uid, size))
		return true;
	return sink->data(sink->user, bytes, half, error) &&
		sink->data(sink->user, bytes + half, size - half, error) &&
		sink->end(sink->user, message->uid, true, error);
}

static bool fetch(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, bool is_header, struct error *error)
{
	struct fake_mailbox *mailbox = selected(remote);

	if (!begin(remote, __func__, error))
		return false;
	for (size_t i = 0; mailbox != NULL && i < mailbox->count; i++) {
		const struct fake_message *message = &mailbox->messages[i];
		const char *blank = strstr(message->body, "\r\n\r\n");
		size_t size = strlen(message->body);

		if (!uid_set_contains(uids, message->uid) ||
			(server.withholds != NULL &&
				strstr(message->body, server.withholds) !=
					NULL))
			continue;
		if (is_header && blank != NULL)
			size = (size_t)(blank - message->body) + 4;
		server.body_count += !is_header;
		if (!stream(sink, message, size, error))
			return false;
	}
	return end(remote, error);
}

bool remote_fetch_bodies(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, struct uid_set *refused,
	struct error *error)
{
	(void)refused;
	return fetch(remote, uids, sink, false, error);
}

bool remote_fetch_headers(struct remote *remote, const struct uid_set *uids,
	const struct remote_sink *sink, struct uid_set *refused,
	struct error *error)
{
	(void)refused;
	return fetch(remote, uids, sink, true, error);
}

/* ---- Changes ---- */

static void store_one(struct fake_mailbox *mailbox,
	struct fake_message *message, const struct remote_store *store)
{
	if (store->add != NULL)
		message->flags = flags_or(&message->flags, store->add);
	if (store->remove != NULL)
		message->flags = flags_without(&message->flags, store->remove);
	fake_touch(mailbox, message);
}

bool remote_store(struct remote *remote, const struct remote_store *store,
	struct uid_set *modified, struct error *error)
{
	struct fake_mailbox *mailbox = selected(remote);

	if (!begin(remote, __func__, error))
		return false;
	server.change_count++;
	trace("STORE", remote->selected, "", store->uids);
	for (size_t i = 0; mailbox != NULL && i < mailbox->count; i++) {
		struct fake_message *message = &mailbox->messages[i];

		if (!uid_set_contains(store->uids, message->uid))
			continue;
		if (server.has_condstore && store->unchanged_since != 0 &&
			(message->modseq > store->unchanged_since ||
				server.says_modified)) {
			uid_set_add(modified, message->uid);
			continue;
		}
		if (!server.ignores_stores)
			store_one(mailbox, message, store);
		if (store->told != NULL && !server.hides_stores)
			uid_set_add(store->told, message->uid);
	}
	return end(remote, error);
}

static bool transfer(struct remote *remote, const struct uid_set *uids,
	const char *to_name, bool is_move, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error)
{
	struct fake_mailbox *from = selected(remote);
	struct fake_mailbox *to = fake_mailbox(to_name);
	struct remote_receipt receipt = { .has_uids = server.has_receipts };
	size_t capacity = 0;

	if (!begin(remote, __func__, error))
		return false;
	server.change_count++;
	trace(is_move ? "MOVE" : "COPY", remote->selected, to_name, uids);
	if (from == NULL || to == NULL)
		return error_set(error, ERROR_REFUSED, "[TRYCREATE] no");
	if (!is_move && server.message_limit != 0 &&
		uid_set_count(uids) > server.message_limit)
		return error_set(error, ERROR_REFUSED, "[MESSAGELIMIT] no");
	receipt.uid_validity = to->uid_validity;
	for (uint32_t uid = uid_set_next(uids, 1); uid != 0;
		uid = uid_set_next(uids, uid + 1)) {
		struct fake_message *message = fake_find(from, uid);

		if (message == NULL)
			continue;
		if (arena_push(arena, &receipt.pairs, &receipt.pair_count,
			    &capacity, sizeof(*receipt.pairs)) == NULL)
			abort();
		receipt.pairs[receipt.pair_count - 1].from = uid;
		receipt.pairs[receipt.pair_count - 1].to = to->uid_next;
		if (is_move)
			fake_move(from, uid, to);
		else if (!server.loses_copies)
			add(to, alloc_text(message->body), &message->flags,
				message->date)
				->email_id = message->email_id;
	}
	*receipt_out = receipt;
	return end(remote, error);
}

bool remote_move(struct remote *remote, const struct uid_set *uids,
	const char *to_wire_name, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error)
{
	return transfer(
		remote, uids, to_wire_name, true, arena, receipt_out, error);
}

bool remote_copy(struct remote *remote, const struct uid_set *uids,
	const char *to_wire_name, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error)
{
	return transfer(
		remote, uids, to_wire_name, false, arena, receipt_out, error);
}

bool remote_expunge(struct remote *remote, const struct uid_set *uids,
	struct uid_set *gone, struct error *error)
{
	struct fake_mailbox *mailbox = selected(remote);

	if (!begin(remote, __func__, error))
		return false;
	server.change_count++;
	trace("EXPUNGE", remote->selected, "", uids);
	for (uint32_t uid = uid_set_next(uids, 1); mailbox != NULL && uid != 0;
		uid = uid_set_next(uids, uid + 1)) {
		struct fake_message *message = fake_find(mailbox, uid);

		if (message != NULL && !server.keeps_expunged &&
			(message->flags.system & FLAG_DELETED) != 0)
			fake_expunge(mailbox, uid);
		if (fake_find(mailbox, uid) == NULL)
			uid_set_add(gone, uid);
	}
	return end(remote, error);
}

static bool read_all(struct remote_append *append, char *body)
{
	size_t got = 0;

	while (got < append->size) {
		int64_t size = append->read(append->data, (uint8_t *)body + got,
			append->size - got);

		if (size <= 0)
			return false;
		got += (size_t)size;
	}
	body[got] = '\0';
	return true;
}

/* The messages of one APPEND, read but not stored. */
struct batch {
	struct remote_append *appends;
	char *bodies[BATCH_MAX];
	size_t count;
};

static void batch_set(
	struct batch *batch, size_t first, enum remote_append_outcome outcome)
{
	for (size_t i = first; i < batch->count; i++)
		batch->appends[i].outcome = outcome;
}

static struct batch batch_make(struct remote_append *appends, size_t count)
{
	struct batch batch = { .appends = appends };

	do
		batch.count++;
	while (server.has_multiappend && batch.count < count &&
		batch.count < BATCH_MAX && !appends[0].goes_alone &&
		!appends[batch.count].goes_alone &&
		strcmp(appends[0].wire_name, appends[batch.count].wire_name) ==
			0);
	return batch;
}

static void batch_finish(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		free(batch->bodies[i]);
}

static bool batch_read(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct remote_append *append = &batch->appends[i];

		batch->bodies[i] = alloc(append->size + 1, 1);
		if (!read_all(append, batch->bodies[i]))
			return false;
	}
	return true;
}

static bool batch_is_refused(const struct batch *batch)
{
	if (fake_mailbox(batch->appends[0].wire_name) == NULL)
		return true;
	for (size_t i = 0; server.poison != NULL && i < batch->count; i++)
		if (strstr(batch->bodies[i], server.poison) != NULL)
			return true;
	return false;
}

static void rewrite(char **body)
{
	char *longer = alloc_format("X-Changed: yes\r\n%s", *body);

	free(*body);
	*body = longer;
}

static void batch_store(struct batch *batch)
{
	struct fake_mailbox *mailbox =
		fake_mailbox(batch->appends[0].wire_name);

	for (size_t i = 0; i < batch->count; i++) {
		struct remote_append *append = &batch->appends[i];

		if (getenv("WORLD_LOG") != NULL)
			printf("APPEND %s UID %u\n", mailbox->name,
				mailbox->uid_next);
		append->uid_validity = mailbox->uid_validity;
		append->uid = mailbox->uid_next;
		if (!server.has_uidplus || !server.has_receipts)
			append->uid = 0;
		if (server.rewrites)
			rewrite(&batch->bodies[i]);
		add(mailbox, batch->bodies[i], &append->flags,
			append->internal_date);
		batch->bodies[i] = NULL;
		server.append_count++;
	}
}

/* Cut off when half of it was on its way. */
static void batch_break(struct batch *batch)
{
	size_t count = (batch->count + 1) / 2;

	if (server.late_in == 0 && count == batch->count)
		return;
	for (size_t i = 0; i < count; i++)
		batch->appends[i].outcome = REMOTE_APPEND_UNCERTAIN;
	if (server.late_in == 0 || !batch_read(batch))
		return;
	for (size_t i = 0; i < count; i++)
		late_add(&batch->appends[i], batch->bodies[i]);
}

static bool append_batch(
	struct remote *remote, struct batch *batch, struct error *error)
{
	server.change_count++;
	server.batch_count += batch->count > 1;
	if (!batch_read(batch))
		return die(remote, error);
	if (batch_is_refused(batch)) {
		for (size_t i = 0; i < batch->count; i++)
			batch->appends[i].wants_create =
				fake_mailbox(batch->appends[i].wire_name) ==
				NULL;
		batch_set(batch, 0,
			batch->count == 1 ? REMOTE_APPEND_REFUSED
					  : REMOTE_APPEND_REFUSED_TOGETHER);
		return end(remote, error);
	}
	batch_store(batch);
	batch_set(batch, 0, REMOTE_APPEND_UNCERTAIN);
	if (!end(remote, error))
		return false;
	batch_set(batch, 0, REMOTE_APPEND_DONE);
	return true;
}

bool remote_append(struct remote *remote, struct remote_append *appends,
	size_t count, struct error *error)
{
	for (size_t i = 0; i < count; i++)
		appends[i].outcome = REMOTE_APPEND_UNSENT;
	for (size_t i = 0; i < count;) {
		struct batch batch = batch_make(&appends[i], count - i);
		bool is_done = begin(remote, __func__, error);

		if (is_done)
			is_done = append_batch(remote, &batch, error);
		else
			batch_break(&batch);
		batch_finish(&batch);
		if (!is_done)
			return false;
		i += batch.count;
	}
	return true;
}

/* ---- Not used by a pass, named by the worker's other files ---- */

bool remote_idle_start(
	struct remote *remote, const char *wire_name, struct error *error)
{
	(void)remote;
	(void)wire_name;
	return error_set(error, ERROR_REFUSED, "no IDLE here");
}

bool remote_take_changed(struct remote *remote)
{
	(void)remote;
	return false;
}

void remote_set_wakeup(
	struct remote *remote, void (*wakeup)(void *data), void *data)
{
	(void)remote;
	(void)wakeup;
	(void)data;
}
