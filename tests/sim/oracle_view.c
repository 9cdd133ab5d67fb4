/* Both sides as lists that can be compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/flags.h"
#include "store/maildir_name.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"

#define KEYWORD_MAX 26
#define FOLDER_SIZE 200

void view_add(struct view *view, unsigned number, char *text)
{
	if (view->count == view->capacity) {
		view->capacity = view->capacity == 0 ? 64 : view->capacity * 2;
		view->items = alloc_resize(
			view->items, view->capacity, sizeof(*view->items));
	}
	view->items[view->count].number = number;
	view->items[view->count++].text = text;
}

static int compare_items(const void *a, const void *b)
{
	const struct view_item *first = a, *second = b;

	return strcmp(first->text, second->text);
}

void view_sort(struct view *view)
{
	if (view->count > 0)
		qsort(view->items, view->count, sizeof(*view->items),
			compare_items);
}

void view_drop(struct view *view, unsigned number)
{
	size_t kept = 0;

	for (size_t i = 0; i < view->count; i++)
		if (view->items[i].number == number)
			free(view->items[i].text);
		else
			view->items[kept++] = view->items[i];
	view->count = kept;
}

bool view_equal(const struct view *a, const struct view *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i].text, b->items[i].text) != 0)
			return false;
	return true;
}

void view_finish(struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		free(view->items[i].text);
	free(view->items);
	memset(view, 0, sizeof(*view));
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *describe(const char *folder, unsigned number, uint32_t flags,
	const char **keywords, size_t keyword_count, int64_t date)
{
	struct buf text = { 0 };

	qsort(keywords, keyword_count, sizeof(*keywords), compare_texts);
	buf_add_format(&text, "%s number %u flags %u date %" PRId64, folder,
		number, flags, date);
	for (size_t i = 0; i < keyword_count; i++)
		buf_add_format(&text, " %s", keywords[i]);
	return buf_steal(&text);
}

static bool ignores_keywords(const struct world *world)
{
	return (world->kind.quirks & SIM_NO_KEYWORDS) != 0;
}

/* Of several equal messages any may be taken for any; and some servers forget
   it when they copy. */
static int64_t date_of(const struct world *world, unsigned number, int64_t date)
{
	return (world->kind.quirks & SIM_NO_DATE_ON_COPY) != 0 ||
			oracle.fates[number].made != 1
		? 0
		: date;
}

/* Without UIDPLUS nothing is expunged: marked is as good as gone. */
static bool is_as_good_as_gone(const struct world *world, uint32_t flags)
{
	return (world->kind.abilities & SIM_UIDPLUS) == 0 &&
		(flags & FLAG_DELETED) != 0;
}

/* ---- The server ---- */

static void add_mailbox(struct world *world, struct view *view,
	const struct sim_mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->message_count; i++) {
		const struct sim_message *message = &mailbox->messages[i];
		const char *keywords[KEYWORD_MAX];
		size_t count = 0;

		if (is_as_good_as_gone(world, message->system_flags))
			continue;
		for (char **name = message->keywords; *name != NULL &&
			count < KEYWORD_MAX && !ignores_keywords(world);
			name++)
			keywords[count++] = *name;
		view_add(view, oracle_number(message->body, message->size),
			describe(mailbox->name,
				oracle_number(message->body, message->size),
				message->system_flags, keywords, count,
				date_of(world,
					oracle_number(
						message->body, message->size),
					message->internal_date)));
	}
}

void view_there(struct world *world, struct view *view)
{
	for (size_t i = 0; i < sim_mailbox_count(); i++)
		add_mailbox(world, view, sim_mailbox_at(i));
	view_sort(view);
}

/* ---- The Maildir ---- */

struct here {
	struct world *world;
	struct view *view;
};

/* "cur" or "new" in ROOT/FOLDER/cur/NAME; false: no message. */
static bool split(const char *path, char *folder, const char **name_out)
{
	const char *relative = path + strlen(WORLD_MAILDIR) + 1;
	const char *name = strrchr(relative, '/');
	size_t size;

	if (name == NULL || name - relative < 4)
		return false;
	if (strncmp(name - 4, "/cur", 4) != 0 &&
		strncmp(name - 4, "/new", 4) != 0)
		return false;
	size = (size_t)(name - 4 - relative);
	if (size >= FOLDER_SIZE)
		return false;
	memcpy(folder, relative, size);
	folder[size] = '\0';
	*name_out = name + 1;
	return true;
}

/* The name behind the letter in the folder's dovecot-keywords; caller frees. */
static char *keyword_name(const char *folder, char letter)
{
	char *path = alloc_format(WORLD_MAILDIR "/%s/dovecot-keywords", folder);
	size_t size;
	const char *text = sim_disk_data(path, &size);
	char *start = alloc_format("%d ", letter - 'a');
	char *name = NULL;

	for (const char *line = text; text != NULL && line < text + size;) {
		const char *end =
			memchr(line, '\n', (size_t)(text + size - line));

		if (end == NULL)
			break;
		if (strncmp(line, start, strlen(start)) == 0) {
			line += strlen(start);
			name = alloc_text_sized(line, (size_t)(end - line));
			break;
		}
		line = end + 1;
	}
	free(start);
	free(path);
	return name;
}

static uint32_t letter_flag(char letter)
{
	switch (letter) {
	case 'D':
		return FLAG_DRAFT;
	case 'F':
		return FLAG_FLAGGED;
	case 'R':
		return FLAG_ANSWERED;
	case 'S':
		return FLAG_SEEN;
	case 'T':
		return FLAG_DELETED;
	default:
		return 0;
	}
}

uint32_t view_path_flags(const char *path)
{
	const char *letters = strstr(strrchr(path, '/'), ":2,");
	uint32_t flags = 0;

	for (letters = letters == NULL ? "" : letters + 3;
		*letters != '\0' && *letters != ','; letters++)
		flags |= letter_flag(*letters);
	return flags;
}

static void add_file(void *data, const struct sim_disk_file *file)
{
	struct here *here = data;
	const char *keywords[KEYWORD_MAX];
	char *owned[KEYWORD_MAX];
	char folder[FOLDER_SIZE];
	struct maildir_name parts;
	uint32_t flags = 0;
	size_t count = 0;
	const char *name;
	unsigned number = oracle_number(file->data, file->size);

	if (!split(file->path, folder, &name))
		return;
	maildir_name_parse(name, &parts);
	for (size_t i = 0; i < parts.letters_size; i++) {
		char letter = parts.letters[i];
		char *keyword;

		flags |= letter_flag(letter);
		if (letter == 'P' && !ignores_keywords(here->world) &&
			count < KEYWORD_MAX) {
			owned[count] = alloc_text("$Forwarded");
			keywords[count] = owned[count];
			count++;
		}
		if (letter < 'a' || letter > 'z' || count >= KEYWORD_MAX ||
			ignores_keywords(here->world))
			continue;
		keyword = keyword_name(folder, letter);
		if (keyword == NULL)
			continue;
		owned[count] = keyword;
		keywords[count++] = keyword;
	}
	if (!is_as_good_as_gone(here->world, flags))
		view_add(here->view, number,
			describe(folder, number, flags, keywords, count,
				date_of(here->world, number, file->mtime_s)));
	for (size_t i = 0; i < count; i++)
		free(owned[i]);
}

void view_here(struct world *world, struct view *view)
{
	struct here here = { world, view };

	sim_disk_walk(WORLD_MAILDIR, false, add_file, &here);
	view_sort(view);
}
