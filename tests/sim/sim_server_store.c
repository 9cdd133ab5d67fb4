/* The account: its mailboxes, what others do to it, and what checks look at. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/sim/sim_server_internal.h"

struct server server;

bool sim_has(uint32_t ability)
{
	return (server.abilities & ability) == ability;
}

bool sim_chance(uint32_t quirk, uint32_t odds, const char *what)
{
	if ((server.forced & quirk) != 0) {
		server.forced &= ~quirk;
		seam_log("server: quirk as wanted: %s", what);
		return true;
	}
	/* 0, of which worlds that are cut down are full, is the usual. */
	if ((server.quirks & quirk) == 0 || seam_choose(odds) + 1 != odds)
		return false;
	seam_log("server: quirk: %s", what);
	return true;
}

bool sim_is_possible(uint32_t quirk)
{
	return ((server.quirks | server.forced) & quirk) != 0;
}

/* ---- What a script wants ---- */

void sim_server_force(uint32_t quirk)
{
	server.forced |= quirk;
}

void sim_server_refuse(
	const char *name, const char *code, const char *words, unsigned count)
{
	server.refusal = (struct refusal){ name, code, words, count };
}

bool sim_refuse_as_wanted(struct sim_connection *connection, const char *name)
{
	struct refusal *refusal = &server.refusal;

	if (refusal->count == 0 || strcmp(refusal->name, name) != 0)
		return false;
	refusal->count--;
	sim_refuse(connection, refusal->code, refusal->words);
	return true;
}

void sim_server_set_late_commands(uint32_t count)
{
	server.late_commands = count;
}

void sim_server_set_answer_hook(
	char *(*hook)(const char *name, const char *line, const char *answer))
{
	server.answer_hook = hook;
}

/* ---- Mailboxes ---- */

/* Where `name` is or would be. */
static size_t find_place(const char *name)
{
	size_t place = 0;

	while (place < server.mailbox_count &&
		strcmp(server.mailboxes[place]->shown.name, name) < 0)
		place++;
	return place;
}

struct server_mailbox *server_find(const char *name)
{
	size_t place = find_place(name);

	if (place == server.mailbox_count ||
		strcmp(server.mailboxes[place]->shown.name, name) != 0)
		return NULL;
	return server.mailboxes[place];
}

static void put(struct server_mailbox *mailbox)
{
	size_t place = find_place(mailbox->shown.name);

	if (server.mailbox_count == server.mailbox_capacity) {
		server.mailbox_capacity = server.mailbox_capacity * 2 + 8;
		server.mailboxes = sim_resize(server.mailboxes,
			server.mailbox_capacity, sizeof(*server.mailboxes));
	}
	memmove(&server.mailboxes[place + 1], &server.mailboxes[place],
		(server.mailbox_count - place) * sizeof(*server.mailboxes));
	server.mailboxes[place] = mailbox;
	server.mailbox_count++;
}

static struct server_mailbox *take_out(const char *name)
{
	size_t place = find_place(name);
	struct server_mailbox *mailbox = server.mailboxes[place];

	server.mailbox_count--;
	memmove(&server.mailboxes[place], &server.mailboxes[place + 1],
		(server.mailbox_count - place) * sizeof(*server.mailboxes));
	return mailbox;
}

static void lose_modseqs(struct server_mailbox *mailbox)
{
	mailbox->shown.has_no_modseq |= sim_has(SIM_CONDSTORE) &&
		sim_chance(SIM_NO_MODSEQ, 3, "a mailbox has no MODSEQ");
}

struct server_mailbox *server_create(const char *name)
{
	struct server_mailbox *mailbox;

	if (server_find(name) != NULL || strlen(name) >= SIM_NAME_SIZE)
		return NULL;
	mailbox = sim_alloc(1, sizeof(*mailbox));
	mailbox->shown.name = sim_copy_text(name);
	mailbox->shown.uid_validity = server.next_uid_validity++;
	mailbox->shown.uid_next = 1;
	mailbox->clock = mailbox->shown.highest_modseq = 1;
	mailbox->id = server.next_mailbox_id++;
	lose_modseqs(mailbox);
	put(mailbox);
	return mailbox;
}

bool server_delete(const char *name)
{
	struct server_mailbox *mailbox = server_find(name);

	if (mailbox == NULL)
		return false;
	sim_evict(mailbox);
	server_mailbox_free(take_out(name));
	return true;
}

static bool is_below(const char *name, const char *parent)
{
	return text_starts_with(name, parent) && name[strlen(parent)] == '/';
}

static void rename_one(const char *from, const char *to, size_t from_size)
{
	struct server_mailbox *mailbox = take_out(from);
	struct sim_text name = { 0 };

	sim_text_put(&name, to);
	sim_text_put(&name, mailbox->shown.name + from_size);
	free((char *)(uintptr_t)mailbox->shown.name);
	mailbox->shown.name = name.data;
	put(mailbox);
}

/* Where others are below the new name, what moves along must find its own free:
   two mailboxes of one name are on no server. */
static bool are_names_free(const char *from, const char *to)
{
	bool are_free = server_find(to) == NULL;

	for (size_t i = 0; are_free && i < server.mailbox_count; i++) {
		const char *name = server.mailboxes[i]->shown.name;
		struct sim_text new_name = { 0 };

		if (!is_below(name, from))
			continue;
		sim_text_put(&new_name, to);
		sim_text_put(&new_name, name + strlen(from));
		are_free = server_find(new_name.data) == NULL;
		free(new_name.data);
	}
	return are_free;
}

bool sim_mailbox_can_rename(const char *from, const char *to)
{
	return server_find(from) != NULL && are_names_free(from, to) &&
		!is_below(to, from) && strlen(to) < SIM_NAME_SIZE / 2;
}

/* What is below moves with it (RFC 9051, 6.3.6). */
bool server_rename(const char *from, const char *to)
{
	size_t from_size = strlen(from);

	if (!sim_mailbox_can_rename(from, to))
		return false;
	rename_one(from, to, from_size);
	for (size_t i = 0; i < server.mailbox_count;) {
		const char *name = server.mailboxes[i]->shown.name;

		if (is_below(name, from)) {
			rename_one(name, to, from_size);
			i = 0;
		} else {
			i++;
		}
	}
	return true;
}

void server_clear(void)
{
	while (server.mailbox_count > 0)
		server_mailbox_free(server.mailboxes[--server.mailbox_count]);
}

/* ---- Beginning and end ---- */

void sim_server_init(uint32_t abilities, uint32_t quirks)
{
	server = (struct server){
		.abilities = abilities,
		.next_uid_validity = 1000,
		.next_instance = 1,
		.next_email_id = 1,
		.next_mailbox_id = 1,
	};
	if ((abilities & SIM_QRESYNC) != 0)
		server.abilities |= SIM_CONDSTORE;
	(void)server_create("INBOX");
	sim_server_set_quirks(quirks);
}

static void drop_late(void)
{
	while (server.late != NULL) {
		struct late_append *late = server.late;

		server.late = late->next;
		sim_text_finish(&late->body);
		free(late);
	}
}

static void free_connections(void)
{
	while (server.connections != NULL) {
		struct sim_connection *connection = server.connections;

		server.connections = connection->next;
		connection->is_running = false;
		sim_connection_close(connection);
		free(connection);
	}
}

void sim_server_finish(void)
{
	server.quirks = 0; /* nothing more comes late */
	free_connections();
	drop_late();
	server_clear();
	free(server.mailboxes);
	sim_text_finish(&server.last_bad);
	server = (struct server){ 0 };
}

/* Lasting ones are as they are from the first time on. */
void sim_server_set_quirks(uint32_t quirks)
{
	bool is_new = (server.quirks & SIM_NO_MODSEQ) == 0;

	server.quirks = quirks;
	if ((quirks & SIM_MESSAGE_LIMIT) != 0 && server.message_limit == 0)
		server.message_limit = SIM_MESSAGE_LIMIT_MIN + seam_choose(6);
	for (size_t i = 0; is_new && i < server.mailbox_count; i++)
		lose_modseqs(server.mailboxes[i]);
}

/* ---- Late APPENDs ---- */

static void tell_late(
	const struct server_mailbox *mailbox, const struct late_append *late)
{
	const struct sim_message message = {
		.uid = mailbox->shown.uid_next,
		.body = (const uint8_t *)late->body.data,
		.size = late->body.size,
	};

	if (server.change_hook != NULL)
		server.change_hook("late", mailbox->shown.name, &message);
}

static void store_late(struct late_append *late)
{
	struct server_mailbox *mailbox = server_find(late->mailbox);
	struct server_draft draft = {
		.body = late->body.data,
		.size = late->body.size,
		.flags = &late->flags,
		.internal_date = late->internal_date,
		.is_rewritten = true,
	};

	seam_log("server: quirk: an APPEND to %s comes late", late->mailbox);
	if (mailbox != NULL) {
		tell_late(mailbox, late);
		(void)server_add(mailbox, &draft);
	}
	sim_text_finish(&late->body);
	free(late);
}

void server_count_late(void)
{
	struct late_append **place = &server.late;

	while (*place != NULL) {
		struct late_append *late = *place;

		if (late->command_count > 0) {
			late->command_count--;
			place = &late->next;
			continue;
		}
		*place = late->next;
		store_late(late);
	}
}

void sim_server_settle(void)
{
	while (server.late != NULL) {
		struct late_append *late = server.late;

		server.late = late->next;
		store_late(late);
	}
}

/* ---- Acts of others ---- */

bool sim_mailbox_create(const char *name, const char *special_use)
{
	struct server_mailbox *mailbox = server_create(name);

	if (mailbox != NULL && special_use != NULL)
		mailbox->special_use = sim_copy_text(special_use);
	return mailbox != NULL;
}

bool sim_mailbox_delete(const char *name)
{
	return server_delete(name);
}

bool sim_mailbox_rename(const char *from, const char *to)
{
	return server_rename(from, to);
}

uint32_t sim_deliver(const char *name, const void *body, size_t size,
	uint32_t system_flags, int64_t internal_date)
{
	struct server_mailbox *mailbox = server_find(name);
	const struct sim_flag_list flags = { .system = system_flags };
	const struct server_draft draft = {
		.body = body,
		.size = size,
		.flags = &flags,
		.internal_date = internal_date,
	};

	return mailbox == NULL ? 0 : server_add(mailbox, &draft);
}

static void add_keyword(struct sim_flag_list *flags, const char *keyword)
{
	size_t size = keyword == NULL ? 0 : strlen(keyword);

	if (size == 0 || size >= SIM_KEYWORD_SIZE)
		return;
	memcpy(flags->keywords[0], keyword, size + 1);
	flags->count = 1;
}

static struct sim_message *find_message(
	const char *name, uint32_t uid, struct server_mailbox **mailbox_out)
{
	*mailbox_out = server_find(name);
	return *mailbox_out == NULL ? NULL : server_message(*mailbox_out, uid);
}

bool sim_store(const char *name, uint32_t uid, uint32_t add, uint32_t remove,
	const char *added_keyword, const char *removed_keyword)
{
	struct server_mailbox *mailbox;
	struct sim_message *message = find_message(name, uid, &mailbox);
	struct sim_flag_list adds = { .system = add };
	struct sim_flag_list removes = { .system = remove };

	if (message == NULL)
		return false;
	add_keyword(&adds, added_keyword);
	add_keyword(&removes, removed_keyword);
	(void)server_change_flags(mailbox, message, &adds, &removes);
	return true;
}

bool sim_expunge(const char *name, uint32_t uid)
{
	struct server_mailbox *mailbox;

	if (find_message(name, uid, &mailbox) == NULL)
		return false;
	server_expunge(mailbox, uid);
	return true;
}

static bool transfer(
	const char *from, uint32_t uid, const char *to, bool is_move)
{
	struct server_mailbox *source;
	struct server_mailbox *destination = server_find(to);
	struct sim_message *message = find_message(from, uid, &source);

	if (message == NULL || destination == NULL)
		return false;
	if (is_move)
		sim_call_change_hook("renumber", source, message);
	(void)server_add_copy(destination, message, is_move);
	if (is_move)
		server_expunge(source, uid);
	return true;
}

bool sim_move(const char *from, uint32_t uid, const char *to)
{
	return transfer(from, uid, to, true);
}

bool sim_copy(const char *from, uint32_t uid, const char *to)
{
	return transfer(from, uid, to, false);
}

bool sim_renumber(const char *name)
{
	struct server_mailbox *mailbox = server_find(name);

	if (mailbox == NULL)
		return false;
	sim_evict(mailbox);
	server_renumber(mailbox);
	return true;
}

/* ---- Backups ---- */

struct sim_server_copy {
	size_t count;
	struct server_mailbox *mailboxes[];
};

struct sim_server_copy *sim_server_copy_take(void)
{
	struct sim_server_copy *copy = sim_alloc(1,
		sizeof(*copy) +
			server.mailbox_count * sizeof(*copy->mailboxes));

	copy->count = server.mailbox_count;
	for (size_t i = 0; i < copy->count; i++)
		copy->mailboxes[i] = server_mailbox_copy(server.mailboxes[i]);
	return copy;
}

/* UIDVALIDITYs are made of the time on real servers: what was given out after
   the backup does not come again. */
void sim_server_copy_put(const struct sim_server_copy *copy)
{
	sim_server_drop_connections();
	drop_late();
	server_clear();
	for (size_t i = 0; i < copy->count; i++)
		put(server_mailbox_copy(copy->mailboxes[i]));
}

void sim_server_copy_free(struct sim_server_copy *copy)
{
	if (copy == NULL)
		return;
	for (size_t i = 0; i < copy->count; i++)
		server_mailbox_free(copy->mailboxes[i]);
	free(copy);
}

/* ---- For checks ---- */

const struct sim_mailbox *sim_mailbox(const char *name)
{
	struct server_mailbox *mailbox = server_find(name);

	return mailbox == NULL ? NULL : &mailbox->shown;
}

size_t sim_mailbox_count(void)
{
	return server.mailbox_count;
}

const struct sim_mailbox *sim_mailbox_at(size_t index)
{
	return index < server.mailbox_count ? &server.mailboxes[index]->shown
					    : NULL;
}

void sim_server_set_command_hook(
	void (*hook)(const struct sim_command *command))
{
	server.command_hook = hook;
}

void sim_server_set_change_hook(void (*hook)(const char *change,
	const char *mailbox, const struct sim_message *message))
{
	server.change_hook = hook;
}

void sim_server_counts(struct sim_server_counts *counts_out)
{
	*counts_out = server.counts;
}

const char *sim_server_last_bad(void)
{
	return server.last_bad.data;
}

void sim_server_set_down(bool is_down)
{
	server.is_down = is_down;
}
