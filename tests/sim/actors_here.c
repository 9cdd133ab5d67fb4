/* Readers of the Maildir, each with habits of its own. Their work is durable at
   once: what they lose in a power cut is not ours to keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/actors.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_time.h"

#define FILE_COUNT_MAX 256
#define PATH_SIZE      400

static char *part_path(const char *folder, const char *part)
{
	return alloc_format(WORLD_MAILDIR "/%s/%s", folder, part);
}

static bool has_folder(const char *folder)
{
	char *path = part_path(folder, "cur");
	bool has_it = sim_disk_exists(path);

	free(path);
	return has_it;
}

static char *lf_only(const char *body, size_t size, size_t *size_out)
{
	char *text = alloc(size + 1, 1);

	*size_out = 0;
	for (size_t i = 0; i < size; i++)
		if (body[i] != '\r')
			text[(*size_out)++] = body[i];
	return text;
}

/* Names by several programs; each is new. */
static char *new_unique(struct world *world)
{
	unsigned number = ++world->name_count;
	long long now = seam_wall_ns() / 1000000000;

	switch (number % 3) {
	case 0:
		return alloc_format("%lld.M%uP%u.reader", now, number, number);
	case 1:
		return alloc_format("%lld.%u_0.host,S=%u", now, number, number);
	default:
		return alloc_format("%lld.V801I%xM%u.box", now, number, number);
	}
}

void deliver_here(struct world *world, const char *folder)
{
	size_t size, file_size;
	unsigned number;
	char *body, *text, *unique, *path;

	if (!has_folder(folder) || oracle_is_full())
		return;
	body = any_new_message(world, &size, &number);
	text = lf_only(body, size, &file_size);
	unique = new_unique(world);
	path = is_one_in(world, 3)
		? alloc_format(WORLD_MAILDIR "/%s/cur/%s:2,%s", folder, unique,
			  world->name_count % 4 == 0 ? "SX,M=1" : "S")
		: alloc_format(WORLD_MAILDIR "/%s/new/%s", folder, unique);
	if (sim_disk_write_file(path, text, file_size,
		    seam_wall_ns() / 1000000000 - 3600) == 0) {
		oracle_made(number, true);
		seam_log("here: message %u is delivered as %s", number, path);
	}
	free(path);
	free(unique);
	free(text);
	free(body);
}

/* ---- Any message ---- */

struct pick {
	char paths[FILE_COUNT_MAX][PATH_SIZE];
	unsigned count;
};

static void note_file(void *data, const struct sim_disk_file *file)
{
	struct pick *pick = data;

	if (pick->count < FILE_COUNT_MAX && strlen(file->path) < PATH_SIZE &&
		oracle_number(file->data, file->size) != 0)
		(void)snprintf(pick->paths[pick->count++], PATH_SIZE, "%s",
			file->path);
}

/* In new/ or cur/ of any folder. */
static bool any_file(struct world *world, char path[PATH_SIZE])
{
	static struct pick pick;

	pick.count = 0;
	sim_disk_walk(WORLD_MAILDIR, false, note_file, &pick);
	if (pick.count == 0)
		return false;
	(void)snprintf(path, PATH_SIZE, "%s",
		pick.paths[world_choose(world, pick.count)]);
	return strstr(path, "/tmp/") == NULL;
}

static unsigned number_at(const char *path)
{
	size_t size;
	const void *data = sim_disk_data(path, &size);

	return data == NULL ? 0 : oracle_number(data, size);
}

/* The directory, with the '/'. */
static char *directory_of(const char *path)
{
	return alloc_text_sized(path, (size_t)(strrchr(path, '/') + 1 - path));
}

/* DIRECTORY/cur/ of the folder the file is in. */
static char *cur_of(const char *path)
{
	char *directory = directory_of(path);
	char *cur = alloc_format(
		"%.*scur/", (int)(strlen(directory) - 4), directory);

	free(directory);
	return cur;
}

static char *unique_of(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	const char *colon = strchr(name, ':');

	return colon == NULL ? alloc_text(name)
			     : alloc_text_sized(name, (size_t)(colon - name));
}

/* ---- Acts ---- */

static const char *any_letters(struct world *world)
{
	static const char *const LETTERS[] = { "", "S", "FS", "RS", "DS", "FRS",
		"ST", "PS" };

	return LETTERS[world_choose(world, world->kind.has_keywords ? 8 : 7)];
}

/* Keyword letters, and what nobody knows, are kept. */
static char *other_letters(const char *path)
{
	const char *letters = strstr(strrchr(path, '/'), ":2,");
	char *kept = alloc_text("");

	if (letters == NULL)
		return kept;
	for (letters += 3; *letters != '\0'; letters++)
		if (strchr("DFPRST", *letters) == NULL) {
			char *longer = alloc_format("%s%c", kept, *letters);

			free(kept);
			kept = longer;
		}
	return kept;
}

static void set_letters(struct world *world, const char *path)
{
	char *cur = cur_of(path);
	char *unique = unique_of(path);
	char *kept = other_letters(path);
	char *to = alloc_format(
		"%s%s:2,%s%s", cur, unique, any_letters(world), kept);

	if (strcmp(path, to) != 0) {
		oracle_touched(number_at(path));
		seam_log("here: %s becomes %s", path, to);
		if (sim_disk_rename(path, to, false) == 0)
			oracle_flagged(
				number_at(to), true, view_path_flags(to));
	}
	free(to);
	free(kept);
	free(unique);
	free(cur);
}

/* The same name or another, in one step or by copying and deleting. */
static void move(struct world *world, const char *path)
{
	const char *folder = any_folder(world);
	bool has_new_name = is_one_in(world, 2);
	char *unique = has_new_name ? new_unique(world) : unique_of(path);
	char *to = alloc_format(WORLD_MAILDIR "/%s/cur/%s:2,S", folder, unique);

	if (has_folder(folder) && !sim_disk_exists(to)) {
		oracle_moved(number_at(path));
		seam_log("here: %s moves to %s", path, to);
		if (sim_disk_rename(path, to, false) == 0)
			oracle_flagged(
				number_at(to), true, view_path_flags(to));
	}
	free(to);
	free(unique);
}

static void copy(struct world *world, const char *path)
{
	const char *folder = any_folder(world);
	char *unique = new_unique(world);
	char *to = alloc_format(WORLD_MAILDIR "/%s/cur/%s:2,S", folder, unique);
	unsigned number = number_at(path);
	size_t size;
	const void *data = sim_disk_data(path, &size);
	char *bytes = alloc(size + 1, 1);

	if (data != NULL)
		memcpy(bytes, data, size);
	if (has_folder(folder) && data != NULL) {
		int error = is_one_in(world, 3)
			? sim_disk_link(path, to)
			: sim_disk_write_file(
				  to, bytes, size, seam_wall_ns() / 1000000000);

		if (error == 0) {
			oracle_made(number, true);
			oracle_touched(number);
			seam_log("here: %s is copied to %s", path, to);
		}
	}
	free(bytes);
	free(to);
	free(unique);
}

static void remove_file(const char *path)
{
	oracle_removed_here(number_at(path));
	seam_log("here: %s is removed", path);
	(void)sim_disk_remove(path);
}

/* Names of one file, as hard links make them: rewritten in place, all of them
   are. */
struct names {
	uint64_t inode;
	unsigned count;
	bool is_marked; /* one of them */
};

static bool is_marked(const char *path)
{
	const char *letters = strstr(strrchr(path, '/'), ":2,");

	return letters != NULL && strchr(letters, 'T') != NULL;
}

static void note_inode(void *data, const struct sim_disk_file *file)
{
	struct names *names = data;

	names->inode = file->inode;
}

static void count_name(void *data, const struct sim_disk_file *file)
{
	struct names *names = data;

	if (file->inode != names->inode || strstr(file->path, "/tmp/") != NULL)
		return;
	names->count++;
	names->is_marked |= is_marked(file->path);
}

static struct names names_of(const char *path)
{
	struct names names = { 0 };

	sim_disk_walk(path, false, note_inode, &names);
	sim_disk_walk(WORLD_MAILDIR, false, count_name, &names);
	return names;
}

/* There: the mark may be on its way to the name. */
static bool is_marked_there(unsigned number)
{
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++) {
			const struct sim_message *message =
				&mailbox->messages[k];

			if ((message->system_flags & FLAG_DELETED) != 0 &&
				oracle_number(message->body, message->size) ==
					number)
				return true;
		}
	}
	return false;
}

/* With as many bytes, and within the second in which it was written, it would
   look as it did before. */
static void take_a_second(const char *path, size_t size)
{
	size_t old_size;

	(void)sim_disk_data(path, &old_size);
	if (old_size != size)
		return;
	/* No event is on its way for that long. */
	sim_watch_settle();
	sim_time_pass(1000);
}

/* A draft is written anew: another message under the old name, or in the old
   file. */
static void rewrite(struct world *world, const char *path)
{
	unsigned old = number_at(path);
	unsigned number = oracle_new_number(world);
	size_t size, file_size;
	char *body = oracle_body(world, number, &size);
	char *text = lf_only(body, size, &file_size);
	bool is_in_place = world->kind.has_in_place && is_one_in(world, 2);
	struct names names = { .count = 1, .is_marked = is_marked(path) };
	int error;

	if (is_in_place)
		names = names_of(path);

	seam_log("here: %s is rewritten%s: message %u", path,
		is_in_place ? " in place" : "", number);
	if (is_in_place) {
		take_a_second(path, file_size);
		error = sim_disk_rewrite(path, text, file_size);
	} else {
		char *directory = directory_of(path);
		char *tmp = alloc_format("%s../tmp/draft", directory);

		error = sim_disk_write_file(
			tmp, text, file_size, seam_wall_ns() / 1000000000);
		if (error == 0)
			error = sim_disk_rename(tmp, path, true);
		free(tmp);
		free(directory);
	}
	for (unsigned i = 0; error == 0 && i < names.count; i++) {
		oracle_removed_here(old);
		oracle_made(number, true);
	}
	/* Under that name it is marked from the first moment on, or soon. */
	if (names.is_marked || is_marked_there(old))
		oracle_touched(number);
	free(text);
	free(body);
}

/* All of INBOX, or every other message. */
static void sweep(struct world *world)
{
	static struct pick pick;
	unsigned step = 1 + world_choose(world, 2);

	pick.count = 0;
	sim_disk_walk(WORLD_MAILDIR "/INBOX", false, note_file, &pick);
	for (unsigned i = 0; i < pick.count; i += step)
		if (strstr(pick.paths[i], "/tmp/") == NULL)
			remove_file(pick.paths[i]);
}

static void act_on_message(struct world *world)
{
	char path[PATH_SIZE];

	if (!any_file(world, path))
		return;
	switch (world_choose(world, 9)) {
	case 0:
	case 1:
	case 2:
		set_letters(world, path);
		break;
	case 3:
	case 4:
	case 5:
		move(world, path);
		break;
	case 6:
		copy(world, path);
		break;
	case 7:
		remove_file(path);
		break;
	default:
		if (!oracle_is_full())
			rewrite(world, path);
		break;
	}
}

/* ---- Folders ---- */

static void make_folder(const char *folder)
{
	static const char *const PARTS[] = { "tmp", "new", "cur" };
	char *path = alloc_format(WORLD_MAILDIR "/%s", folder);

	seam_log("here: folder %s is made", folder);
	oracle_folder_made(folder, true);
	(void)sim_disk_make_directory(path);
	free(path);
	for (size_t i = 0; i < 3; i++) {
		path = part_path(folder, PARTS[i]);
		(void)sim_disk_make_directory(path);
		free(path);
	}
}

static void note_removed(void *data, const struct sim_disk_file *file)
{
	(void)data;
	if (strstr(file->path, "/tmp/") == NULL)
		oracle_removed_here(oracle_number(file->data, file->size));
}

static void note_moved(void *data, const struct sim_disk_file *file)
{
	(void)data;
	oracle_moved(oracle_number(file->data, file->size));
}

static void act_on_folder(struct world *world)
{
	const char *folder = any_folder(world);
	const char *other = any_folder(world);
	char *path, *to;

	/* Nor is one made in an empty mount point: what is delivered there is
	   hidden when the disk is back, and nobody looks at it. */
	if (strcmp(folder, "INBOX") == 0 || strncmp(folder, "Work", 4) == 0 ||
		operator_has_maildir())
		return;
	path = alloc_format(WORLD_MAILDIR "/%s", folder);
	to = alloc_format(WORLD_MAILDIR "/%s", other);
	if (!sim_disk_exists(path)) {
		make_folder(folder);
	} else if (is_one_in(world, 2)) {
		seam_log("here: folder %s is removed", folder);
		sim_disk_walk(path, false, note_removed, NULL);
		(void)sim_disk_remove_tree(path);
	} else if (!sim_disk_exists(to)) {
		seam_log("here: folder %s is renamed to %s", folder, other);
		sim_disk_walk(path, false, note_moved, NULL);
		oracle_folder_made(other, true);
		(void)sim_disk_rename(path, to, false);
	}
	free(to);
	free(path);
}

void act_here(struct world *world)
{
	if (world->kind.has_folder_acts && is_one_in(world, 8))
		act_on_folder(world);
	else if (world->kind.is_crowded && is_one_in(world, 8))
		sweep(world);
	else if (is_one_in(world, 4))
		deliver_here(world, any_folder(world));
	else
		act_on_message(world);
}
