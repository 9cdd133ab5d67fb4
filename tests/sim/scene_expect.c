/* What must be true in the end of a script. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/scene_internal.h"
#include "tests/sim/sim_disk.h"

static void fail(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

static void fail(const char *format, ...)
{
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	oracle_explain(the_world);
	world_violation(0, "%s", text);
}

void expect(bool is_true, const char *format, ...)
{
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!is_true)
		fail("%s", text);
}

/* ---- Both sides ---- */

struct tally {
	unsigned number, count;
	const char *part; /* of the path */
};

static void count_file(void *data, const struct sim_disk_file *file)
{
	struct tally *tally = data;

	if (strstr(file->path, "/tmp/") == NULL &&
		oracle_number(file->data, file->size) == tally->number)
		tally->count++;
}

static unsigned count_here_in(const char *folder, unsigned number)
{
	static const char *const PARTS[] = { "new", "cur" };
	struct tally tally = { .number = number };

	for (size_t i = 0; i < ARRAY_LENGTH(PARTS); i++) {
		char *path =
			alloc_format(WORLD_MAILDIR "/%s/%s", folder, PARTS[i]);

		sim_disk_walk(path, false, count_file, &tally);
		free(path);
	}
	return tally.count;
}

static unsigned count_there_in(const char *name, unsigned number)
{
	const struct sim_mailbox *mailbox = sim_mailbox(name);
	unsigned count = 0;

	for (size_t i = 0; mailbox != NULL && i < mailbox->message_count; i++)
		if (oracle_number(mailbox->messages[i].body,
			    mailbox->messages[i].size) == number)
			count++;
	return count;
}

void expect_copies(unsigned number, unsigned count)
{
	unsigned here = oracle_count_here(number);
	unsigned there = oracle_count_there(number);

	if (here != count || there != count)
		fail("message %u is %u times here and %u times there, not %u",
			number, here, there, count);
}

void expect_in(const char *folder, unsigned number, unsigned count)
{
	unsigned here = count_here_in(folder, number);
	unsigned there = count_there_in(folder, number);

	if (here != count || there != count)
		fail("message %u is %u times here and %u times there in %s, "
		     "not %u",
			number, here, there, folder, count);
}

/* ---- Flags ---- */

static void for_each_there(unsigned number, const void *data,
	void (*check)(const struct sim_message *message, const void *data))
{
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++)
			if (oracle_number(mailbox->messages[k].body,
				    mailbox->messages[k].size) == number)
				check(&mailbox->messages[k], data);
	}
}

static void check_flags(const struct sim_message *message, const void *data)
{
	const uint32_t *flags = data;

	if (message->system_flags != *flags)
		fail("UID %u has flags %u, not %u", message->uid,
			message->system_flags, *flags);
}

void expect_flags(unsigned number, uint32_t flags)
{
	for_each_there(number, &flags, check_flags);
}

struct wanted_keyword {
	const char *name;
	bool has_it;
};

static void check_keyword(const struct sim_message *message, const void *data)
{
	const struct wanted_keyword *wanted = data;
	bool has_it = false;

	for (char **name = message->keywords; *name != NULL; name++)
		has_it |= strcmp(*name, wanted->name) == 0;
	if (has_it != wanted->has_it)
		fail("UID %u and %s", message->uid, wanted->name);
}

void expect_keyword(unsigned number, const char *keyword, bool has_it)
{
	const struct wanted_keyword wanted = { keyword, has_it };

	for_each_there(number, &wanted, check_keyword);
}

/* ---- As before ---- */

static void note_file(void *data, const struct sim_disk_file *file)
{
	unsigned number = oracle_number(file->data, file->size);
	const char *name = strrchr(file->path, '/') + 1;
	struct scene_place *place = &scene.places[number];

	(void)data;
	if (number == 0 || place->unique != NULL)
		return;
	place->unique = alloc_text_sized(name, strcspn(name, ":"));
	place->inode = file->inode;
}

void scene_note_places(void)
{
	scene_forget_places();
	sim_disk_walk(WORLD_MAILDIR, false, note_file, NULL);
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++) {
			struct scene_place *place = &scene.places[oracle_number(
				mailbox->messages[k].body,
				mailbox->messages[k].size)];

			if (place->mailbox != NULL)
				continue;
			place->mailbox = alloc_text(mailbox->name);
			place->uid = mailbox->messages[k].uid;
		}
	}
}

void scene_forget_places(void)
{
	for (size_t i = 0; i < ORACLE_NUMBER_MAX; i++) {
		free(scene.places[i].mailbox);
		free(scene.places[i].unique);
		scene.places[i] = (struct scene_place){ 0 };
	}
}

void expect_same_uid(unsigned number)
{
	const struct scene_place *place = &scene.places[number];
	const struct sim_mailbox *mailbox =
		place->mailbox == NULL ? NULL : sim_mailbox(place->mailbox);

	for (size_t i = 0; mailbox != NULL && i < mailbox->message_count; i++)
		if (mailbox->messages[i].uid == place->uid &&
			oracle_number(mailbox->messages[i].body,
				mailbox->messages[i].size) == number)
			return;
	fail("message %u has another UID than before", number);
}

void expect_same_file(unsigned number)
{
	const struct scene_place *place = &scene.places[number];
	char *path = here_path(number);
	bool is_same;

	if (path == NULL || place->unique == NULL)
		fail("message %u has no file", number);
	is_same = here_inode(number) == place->inode &&
		strncmp(strrchr(path, '/') + 1, place->unique,
			strlen(place->unique)) == 0;
	free(path);
	if (!is_same)
		fail("message %u is in another file than before", number);
}

/* ---- What is held ---- */

static struct state *open_state(void)
{
	struct error error = { 0 };
	struct state *state = state_open(WORLD_STATE "/home/state.mdb", &error);

	if (state == NULL)
		fail("no state: %s", error.message);
	return state;
}

static unsigned number_of_uid(struct state *state, const struct pair *pair)
{
	struct arena arena;
	struct folder folder;
	unsigned number = 0;

	if (pair->remote.presence != PRESENCE_PRESENT)
		return 0;
	arena_init(&arena);
	if (state_folder_get(state, pair->remote.folder_id, &arena, &folder)) {
		const struct sim_mailbox *mailbox = folder.mailbox == NULL
			? NULL
			: sim_mailbox(folder.mailbox);

		for (size_t i = 0;
			mailbox != NULL && i < mailbox->message_count; i++)
			if (mailbox->messages[i].uid == pair->remote.uid)
				number =
					oracle_number(mailbox->messages[i].body,
						mailbox->messages[i].size);
		uid_set_finish(&folder.frontier);
	}
	arena_finish(&arena);
	return number;
}

static unsigned number_of_file(struct state *state, const struct pair *pair)
{
	struct arena arena;
	struct folder folder;
	unsigned number = 0;

	if (pair->local.presence != PRESENCE_PRESENT ||
		pair->local.name == NULL)
		return 0;
	arena_init(&arena);
	if (state_folder_get(state, pair->local.folder_id, &arena, &folder)) {
		char *path = alloc_format(WORLD_MAILDIR "/%s/%s/%s",
			folder.path, pair->local.is_new ? "new" : "cur",
			pair->local.name);
		size_t size;
		const void *data = sim_disk_data(path, &size);

		if (data != NULL)
			number = oracle_number(data, size);
		free(path);
		uid_set_finish(&folder.frontier);
	}
	arena_finish(&arena);
	return number;
}

/* Held messages: of that number, or all; those with the reason. */
static unsigned count_held(unsigned number, const char *reason)
{
	struct state *state = open_state();
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	unsigned count = 0;

	arena_init(&arena);
	while (state_next_unsettled(state, &cursor, &arena, &pair)) {
		if (pair.hold != HOLD_NONE &&
			(number == 0 || number_of_uid(state, &pair) == number ||
				number_of_file(state, &pair) == number) &&
			(reason == NULL ||
				(pair.reason != NULL &&
					strstr(pair.reason, reason) != NULL)))
			count++;
		arena_reset(&arena);
	}
	arena_finish(&arena);
	state_close(state);
	return count;
}

unsigned scene_held_count(struct world *world)
{
	(void)world;
	return count_held(0, NULL);
}

void expect_held(struct world *world, unsigned number, const char *reason)
{
	(void)world;
	if (reason == NULL) {
		if (count_held(number, NULL) > 0)
			fail("message %u is held", number);
	} else if (count_held(number, reason) == 0) {
		fail("message %u is not held for '%s'", number, reason);
	}
}

void expect_folder_told(
	struct world *world, const char *path, const char *reason)
{
	struct state *state = open_state();
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct folder folder;
	bool is_told = false;

	(void)world;
	arena_init(&arena);
	while (state_next_folder(state, &cursor, &arena, &folder)) {
		is_told |= strcmp(folder.path, path) == 0 &&
			((folder.reason != NULL &&
				 strstr(folder.reason, reason) != NULL) ||
				(folder.error != NULL &&
					strstr(folder.error, reason) != NULL));
		uid_set_finish(&folder.frontier);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	state_close(state);
	if (!is_told)
		fail("nothing is told of %s like '%s'", path, reason);
}

void expect_anchor_below(const char *path, unsigned nth)
{
	const struct sim_mailbox *mailbox = sim_mailbox(path);
	struct state *state = open_state();
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct folder folder;

	arena_init(&arena);
	while (state_next_folder(state, &cursor, &arena, &folder)) {
		uid_set_finish(&folder.frontier);
		if (strcmp(folder.path, path) == 0 &&
			(mailbox->gone_count < nth ||
				folder.highest_modseq >=
					mailbox->gone[nth - 1].modseq))
			fail("the anchor of %s is %u", path,
				(unsigned)folder.highest_modseq);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	state_close(state);
}

/* ---- How it came about ---- */

static unsigned count_lines(const char *part)
{
	const char *place = scene.log.size == 0 ? NULL : buf_text(&scene.log);
	unsigned count = 0;

	while (place != NULL && (place = strstr(place, part)) != NULL) {
		count++;
		place = strchr(place, '\n');
	}
	return count;
}

void expect_logged(const char *part)
{
	if (count_lines(part) == 0)
		fail("the log does not say '%s'", part);
}

void expect_not_logged(const char *part)
{
	if (count_lines(part) > 0)
		fail("the log says '%s'", part);
}

/* "imap 3: UID MOVE …" */
unsigned scene_command_count(const char *start)
{
	const char *line = scene.log.size == 0 ? NULL : buf_text(&scene.log);
	unsigned count = 0;

	while (line != NULL && *line != '\0') {
		const char *sent = strchr(line, ':');

		if (strncmp(line, "imap ", 5) == 0 && sent != NULL &&
			strncmp(sent + 2, start, strlen(start)) == 0)
			count++;
		line = strchr(line, '\n') + 1;
	}
	return count;
}

void expect_commands(const char *start, unsigned count)
{
	if (scene_is_undisturbed() && scene_command_count(start) != count)
		fail("%u commands %s, not %u", scene_command_count(start),
			start, count);
}

void expect_order(const char *first, const char *second)
{
	const char *log = buf_text(&scene.log);
	const char *one = strstr(log, first);
	const char *other = strstr(log, second);

	if (!scene_is_undisturbed())
		return;
	if (one == NULL || other == NULL || one > other)
		fail("'%s' does not come before '%s'", first, second);
}

void expect_bodies_down(unsigned count)
{
	struct sim_server_counts now;

	sim_server_counts(&now);
	if (scene_is_undisturbed() &&
		now.bodies_out - scene.counts.bodies_out != count)
		fail("%u bodies were fetched, not %u",
			(unsigned)(now.bodies_out - scene.counts.bodies_out),
			count);
}

void expect_bodies_up(unsigned count)
{
	struct sim_server_counts now;

	sim_server_counts(&now);
	if (scene_is_undisturbed() &&
		now.bodies_in - scene.counts.bodies_in != count)
		fail("%u bodies were sent, not %u",
			(unsigned)(now.bodies_in - scene.counts.bodies_in),
			count);
}

void expect_no_transfer(void)
{
	expect_bodies_down(0);
	expect_bodies_up(0);
}
