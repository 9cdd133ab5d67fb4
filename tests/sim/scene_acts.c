/* What people do in a script, by the number of the message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/actors.h"
#include "tests/sim/oracle_guard.h"
#include "tests/sim/scene_internal.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_db.h"
#include "tests/sim/sim_disk.h"

/* ---- Messages ---- */

static void number_is_given(struct world *world, unsigned number)
{
	while (oracle.number_count < number)
		(void)oracle_new_number(world);
}

char *scene_file(struct world *world, unsigned number, size_t *size_out)
{
	size_t size;
	char *body = oracle_body(world, number, &size);

	*size_out = 0;
	for (size_t i = 0; i < size; i++)
		if (body[i] != '\r')
			body[(*size_out)++] = body[i];
	return body;
}

/* ---- On the server ---- */

struct spot {
	const struct sim_mailbox *mailbox;
	const struct sim_message *message;
};

static bool find_in(const struct sim_mailbox *mailbox, unsigned number,
	struct spot *spot_out)
{
	for (size_t i = 0; mailbox != NULL && i < mailbox->message_count; i++) {
		const struct sim_message *message = &mailbox->messages[i];

		if (oracle_number(message->body, message->size) != number)
			continue;
		*spot_out = (struct spot){ mailbox, message };
		return true;
	}
	return false;
}

/* The first one. An act on what is not there is a mistake of the script, but
   for what a crash did. */
static bool find_there(unsigned number, const char *in, struct spot *spot_out)
{
	if (in != NULL)
		return find_in(sim_mailbox(in), number, spot_out);
	for (size_t i = 0; i < sim_mailbox_count(); i++)
		if (find_in(sim_mailbox_at(i), number, spot_out))
			return true;
	if (scene_is_undisturbed())
		world_violation(0, "message %u is not there", number);
	return false;
}

uint32_t there_uid(unsigned number)
{
	struct spot spot;

	return find_there(number, NULL, &spot) ? spot.message->uid : 0;
}

void there_deliver(struct world *world, const char *mailbox, unsigned number,
	uint32_t flags)
{
	size_t size;
	char *body;

	number_is_given(world, number);
	body = oracle_body(world, number, &size);
	seam_log("there: message %u arrives in %s", number, mailbox);
	if (sim_deliver(mailbox, body, size, flags,
		    seam_wall_ns() / 1000000000 - 86400) != 0)
		oracle_made(number, false);
	free(body);
}

void there_flag(unsigned number, uint32_t add, uint32_t remove)
{
	struct spot spot;

	if (!find_there(number, NULL, &spot))
		return;
	oracle_touched(number);
	seam_log("there: message %u gets flags %u, loses %u", number, add,
		remove);
	(void)sim_store(
		spot.mailbox->name, spot.message->uid, add, remove, NULL, NULL);
}

void there_keyword(unsigned number, const char *add, const char *remove)
{
	struct spot spot;

	if (!find_there(number, NULL, &spot))
		return;
	oracle_touched(number);
	seam_log("there: message %u gets %s, loses %s", number,
		add == NULL ? "-" : add, remove == NULL ? "-" : remove);
	(void)sim_store(
		spot.mailbox->name, spot.message->uid, 0, 0, add, remove);
}

void there_move(unsigned number, const char *in, const char *to)
{
	struct spot spot;

	if (!find_there(number, in, &spot))
		return;
	oracle_moved(number);
	seam_log("there: message %u moves to %s", number, to);
	(void)sim_move(spot.mailbox->name, spot.message->uid, to);
}

void there_copy(unsigned number, const char *to)
{
	struct spot spot;

	if (!find_there(number, NULL, &spot))
		return;
	oracle_made(number, false);
	oracle_touched(number);
	seam_log("there: message %u is copied to %s", number, to);
	(void)sim_copy(spot.mailbox->name, spot.message->uid, to);
}

void there_expunge(unsigned number, const char *in)
{
	struct spot spot;

	if (!find_there(number, in, &spot))
		return;
	oracle_removed(number);
	seam_log("there: message %u is removed", number);
	(void)sim_expunge(spot.mailbox->name, spot.message->uid);
}

static void note_all(const char *name, void (*note)(unsigned number))
{
	const struct sim_mailbox *mailbox = sim_mailbox(name);

	for (size_t i = 0; mailbox != NULL && i < mailbox->message_count; i++)
		note(oracle_number(
			mailbox->messages[i].body, mailbox->messages[i].size));
}

void there_delete_mailbox(const char *name)
{
	note_all(name, oracle_removed);
	seam_log("there: mailbox %s is deleted", name);
	(void)sim_mailbox_delete(name);
}

void there_rename_mailbox(const char *from, const char *to)
{
	note_all(from, oracle_moved);
	seam_log("there: mailbox %s is renamed to %s", from, to);
	(void)sim_mailbox_rename(from, to);
}

/* ---- In the Maildir ---- */

struct search {
	unsigned number;
	char path[SCENE_PATH_SIZE];
	uint64_t inode;
};

static void look_at(void *data, const struct sim_disk_file *file)
{
	struct search *search = data;

	if (search->path[0] == '\0' && strstr(file->path, "/tmp/") == NULL &&
		oracle_number(file->data, file->size) == search->number) {
		(void)snprintf(
			search->path, sizeof(search->path), "%s", file->path);
		search->inode = file->inode;
	}
}

static bool search_here(unsigned number, struct search *search_out)
{
	*search_out = (struct search){ .number = number };
	sim_disk_walk(WORLD_MAILDIR, false, look_at, search_out);
	return search_out->path[0] != '\0';
}

static bool find_here(unsigned number, struct search *search_out)
{
	if (search_here(number, search_out))
		return true;
	if (scene_is_undisturbed())
		world_violation(0, "message %u is not here", number);
	return false;
}

char *here_path(unsigned number)
{
	struct search search;

	return search_here(number, &search) ? alloc_text(search.path) : NULL;
}

uint64_t here_inode(unsigned number)
{
	struct search search;

	return search_here(number, &search) ? search.inode : 0;
}

/* Of a path ROOT/FOLDER/cur/NAME. */
static char *unique_of(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return alloc_text_sized(name, strcspn(name, ":"));
}

static const char *info_of(const char *path)
{
	const char *info = strchr(strrchr(path, '/'), ':');

	return info == NULL ? ":2," : info;
}

static char *new_unique(struct world *world)
{
	unsigned count = ++world->name_count;

	return alloc_format("%lld.M%uP%u.reader",
		(long long)(seam_wall_ns() / 1000000000), count, count);
}

void here_deliver(struct world *world, const char *folder, unsigned number,
	const char *letters)
{
	char *unique = new_unique(world);
	char *path = letters == NULL
		? alloc_format(WORLD_MAILDIR "/%s/new/%s", folder, unique)
		: alloc_format(WORLD_MAILDIR "/%s/cur/%s:2,%s", folder, unique,
			  letters);
	size_t size;
	char *text;

	number_is_given(world, number);
	text = scene_file(world, number, &size);
	seam_log("here: message %u is delivered as %s", number, path);
	if (sim_disk_write_file(
		    path, text, size, seam_wall_ns() / 1000000000 - 3600) == 0)
		oracle_made(number, true);
	free(text);
	free(path);
	free(unique);
}

static void rename_to(const struct search *search, char *to)
{
	seam_log("here: %s becomes %s", search->path, to);
	(void)sim_disk_rename(search->path, to, false);
	free(to);
}

void here_letters(unsigned number, const char *letters)
{
	struct search search;
	char *unique;

	if (!find_here(number, &search))
		return;
	unique = unique_of(search.path);
	oracle_touched(number);
	rename_to(&search,
		alloc_format("%.*scur/%s:2,%s",
			(int)(strrchr(search.path, '/') - 3 - search.path),
			search.path, unique, letters));
	free(unique);
}

void here_move(unsigned number, const char *to, bool has_new_name)
{
	struct search search;
	char *unique;

	if (!find_here(number, &search))
		return;
	unique = has_new_name ? new_unique(the_world) : unique_of(search.path);
	oracle_moved(number);
	rename_to(&search,
		alloc_format(WORLD_MAILDIR "/%s/cur/%s%s", to, unique,
			info_of(search.path)));
	free(unique);
}

void here_copy(unsigned number, const char *to, bool has_new_name)
{
	struct search search;
	char *unique, *path, *text;
	size_t size;

	if (!find_here(number, &search))
		return;
	unique = has_new_name ? new_unique(the_world) : unique_of(search.path);
	path = alloc_format(
		WORLD_MAILDIR "/%s/cur/%s%s", to, unique, info_of(search.path));
	text = scene_file(the_world, number, &size);
	seam_log("here: %s is copied to %s", search.path, path);
	if (sim_disk_write_file(
		    path, text, size, seam_wall_ns() / 1000000000) == 0) {
		oracle_made(number, true);
		oracle_touched(number);
	}
	free(text);
	free(path);
	free(unique);
}

void here_remove(unsigned number)
{
	struct search search;

	if (!find_here(number, &search))
		return;
	oracle_removed(number);
	seam_log("here: %s is removed", search.path);
	(void)sim_disk_remove(search.path);
}

/* ---- Folders ---- */

void here_make_folder(const char *folder)
{
	static const char *const PARTS[] = { "", "/tmp", "/new", "/cur" };

	seam_log("here: folder %s is made", folder);
	for (size_t i = 0; i < ARRAY_LENGTH(PARTS); i++) {
		char *path =
			alloc_format(WORLD_MAILDIR "/%s%s", folder, PARTS[i]);

		(void)sim_disk_make_directory(path);
		free(path);
	}
}

static void note_removed(void *data, const struct sim_disk_file *file)
{
	(void)data;
	if (strstr(file->path, "/tmp/") == NULL)
		oracle_removed(oracle_number(file->data, file->size));
}

static void note_moved(void *data, const struct sim_disk_file *file)
{
	(void)data;
	oracle_moved(oracle_number(file->data, file->size));
}

void here_remove_folder(const char *folder)
{
	char *path = alloc_format(WORLD_MAILDIR "/%s", folder);

	seam_log("here: folder %s is removed", folder);
	sim_disk_walk(path, false, note_removed, NULL);
	(void)sim_disk_remove_tree(path);
	free(path);
}

void here_rename_folder(const char *from, const char *to)
{
	char *path = alloc_format(WORLD_MAILDIR "/%s", from);
	char *new_path = alloc_format(WORLD_MAILDIR "/%s", to);

	seam_log("here: folder %s is renamed to %s", from, to);
	sim_disk_walk(path, false, note_moved, NULL);
	(void)sim_disk_rename(path, new_path, false);
	free(new_path);
	free(path);
}

/* ---- The operator ---- */

void scene_lose_state(void)
{
	seam_log("operator: the state is deleted");
	sim_db_remove_all();
}

/* As `mailtwin approve` does. */
void scene_approve(struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct error error = { 0 };
	struct state *state = state_open(WORLD_STATE "/home/state.mdb", &error);
	struct folder folder;
	struct arena arena;

	(void)world;
	seam_log("operator: held deletions may go");
	oracle_guard_approve();
	if (state == NULL || !state_begin(state, &error))
		world_violation(0, "no approval: %s", error.message);
	arena_init(&arena);
	while (state_next_folder(state, &cursor, &arena, &folder)) {
		folder.is_approved = true;
		state_folder_put(state, &folder);
		uid_set_finish(&folder.frontier);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	if (!state_commit(state, &error))
		world_violation(0, "no approval: %s", error.message);
	state_close(state);
}

static void keep(struct state *state, struct pair *pair)
{
	pair->synced.is_set = false;
	pair->hold = HOLD_NONE;
	pair->reason = NULL;
	if (pair->local.presence == PRESENCE_ABSENT) {
		pair->local.presence = PRESENCE_NEVER;
		pair->local.name = NULL;
		pair->local.inode = 0;
	} else {
		pair->remote.presence = PRESENCE_NEVER;
		pair->remote.uid = 0;
	}
	state_pair_put(state, pair);
}

/* As `mailtwin undo` does with what is held. */
void scene_undo(struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct error error = { 0 };
	struct state *state = state_open(WORLD_STATE "/home/state.mdb", &error);
	struct arena arena;
	struct pair pair;

	(void)world;
	seam_log("operator: what is held is to stay");
	if (state == NULL || !state_begin(state, &error))
		world_violation(0, "no undo: %s", error.message);
	arena_init(&arena);
	while (state_next_unsettled(state, &cursor, &arena, &pair)) {
		if (pair.hold == HOLD_GUARD || pair.hold == HOLD_EPOCH)
			keep(state, &pair);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	if (!state_commit(state, &error))
		world_violation(0, "no undo: %s", error.message);
	state_close(state);
}
