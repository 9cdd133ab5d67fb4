#define _GNU_SOURCE
#include "tests/syncd/worker/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/maildir_name.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/pass.h"

/* ---- The clock: every look at it takes a little time ---- */

static uint64_t virtual_ms;
static unsigned look_ms;
static int64_t wall_ahead_s;
static uint64_t random_state;
static unsigned name_number;
static struct {
	unsigned looks; /* left until then; 0 = never */
	unsigned seconds;
} sleep_at;

uint64_t clock_now_ms(void)
{
	virtual_ms += look_ms;
	if (sleep_at.looks > 0 && --sleep_at.looks == 0)
		world_wait(sleep_at.seconds);
	return virtual_ms;
}

void world_set_look_ms(unsigned duration_ms)
{
	look_ms = duration_ms;
}

bool world_sleep_at(unsigned looks, unsigned seconds)
{
	bool has_slept = sleep_at.looks == 0;

	sleep_at.looks = looks;
	sleep_at.seconds = seconds;
	return has_slept;
}

uint64_t clock_suspended_ms(void)
{
	return 0;
}

int64_t clock_wall_seconds(void)
{
	return 1700000000 + wall_ahead_s + (int64_t)(clock_now_ms() / 1000);
}

void world_set_clock_ahead(int64_t seconds)
{
	wall_ahead_s = seconds;
}

void world_wait(unsigned seconds)
{
	virtual_ms += (uint64_t)seconds * 1000;
}

void random_bytes(void *data, size_t size)
{
	uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		random_state = random_state * UINT64_C(6364136223846793005) +
			1442695040888;
		bytes[i] = (uint8_t)(random_state >> 56);
	}
}

unsigned world_random(struct world *world, unsigned limit)
{
	world->random = world->random * 1664525u + 1013904223u;
	return (world->random >> 8) % limit;
}

/* ---- The account ---- */

static void load_config(struct world *world, const char *options)
{
	struct config_problems problems = { 0 };
	struct buf text = { 0 };
	char *yaml = alloc_format("state_dir: %s/state\n"
				  "runtime_dir: %s/run\n"
				  "accounts:\n"
				  "  home:\n"
				  "    host: 127.0.0.1\n"
				  "    tls: off\n"
				  "    user: me\n"
				  "    password: x\n"
				  "    maildir: %s\n%s",
		world->root, world->root, world->maildir, options);

	if (!config_parse("/etc/mailtwin/config.yaml", 0600,
		    (const uint8_t *)yaml, strlen(yaml), &world->config,
		    &problems)) {
		config_problems_write(&problems, &text);
		fail_msg("%s", buf_text(&text));
	}
	config_problems_finish(&problems);
	free(yaml);
}

static void make_root(struct world *world)
{
	const char *base = getenv("TMPDIR");

	if (base == NULL || strlen(base) > 32)
		base = "/tmp";
	(void)snprintf(world->root, sizeof(world->root),
		"%s/mailtwin-world-XXXXXX", base);
	assert_non_null(mkdtemp(world->root));
}

void world_init(struct world *world, const char *options, uint32_t seed)
{
	memset(world, 0, sizeof(*world));
	world->random = seed * 2654435761u + 1;
	virtual_ms = 1000000;
	look_ms = 100;
	sleep_at.looks = 0;
	wall_ahead_s = 0;
	random_state = seed;
	name_number = 0;
	make_root(world);
	(void)snprintf(
		world->maildir, sizeof(world->maildir), "%s/mail", world->root);
	fake_server_init();
	load_config(world, options);
	world->loop = loop_new(&world->error);
	assert_non_null(world->loop);
}

static int remove_entry(
	const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info;
	(void)kind;
	(void)walk;
	return remove(path);
}

void world_finish(struct world *world)
{
	world_stop(world);
	loop_free(world->loop);
	config_free(world->config);
	fake_server_finish();
	(void)nftw(world->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Every change of the state, for the seed that failed. */
void world_show_journal(struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct journal_entry entry;
	struct arena arena;

	if (getenv("WORLD_LOG") == NULL)
		return;
	print_message("Maildir: %s\n", world->maildir);
	arena_init(&arena);
	while (state_next_journal(
		world->account->state, &cursor, &arena, &entry))
		print_message("%u %s %s mid %u in %u %s: %s\n",
			(unsigned)entry.sequence,
			entry.side == JOURNAL_LOCAL ? "here" : "there",
			entry.change, (unsigned)entry.mid, entry.folder_id,
			entry.detail == NULL ? "" : entry.detail,
			entry.outcome == NULL ? "pending" : entry.outcome);
	arena_finish(&arena);
}

static void print_log(void *data, int level, const char *text)
{
	(void)data;
	if (getenv("WORLD_LOG") != NULL)
		print_message("<%d> %s\n", level, text);
}

void world_start(struct world *world)
{
	struct account_report report = { .log = print_log };

	world->account =
		account_open(world->config, &world->config->accounts[0],
			&report, world->loop, &world->error);
	if (world->account == NULL)
		fail_msg("%s", world->error.message);
	world->account->wants_sweep = true;
	assert_true(local_watch(world->account, &world->error));
}

void world_stop(struct world *world)
{
	account_close(world->account);
	world->account = NULL;
}

bool world_sync(struct world *world)
{
	struct error error = { 0 };
	bool is_done;

	world->error.message[0] = '\0';
	world->account->wants_sweep = true;
	is_done = pass_run_to_end(world->account, &world->error);
	if (!is_done && world->error.code != ERROR_DISCONNECTED)
		fail_msg("%s", world->error.message);
	if (!state_check(world->account->state, &error))
		fail_msg("state: %s", error.message);
	return is_done;
}

void world_converge(struct world *world)
{
	for (int i = 0; i < 20; i++) {
		if (world->account == NULL)
			world_start(world);
		if (world_sync(world))
			return;
		world_stop(world);
	}
	fail_msg("no sync goes through");
}

/* ---- Comparing ---- */

struct item {
	char *text; /* folder, flags, bytes */
};

struct items {
	struct item *items;
	size_t count;
};

static int compare_items(const void *a, const void *b)
{
	const struct item *first = a, *second = b;

	return strcmp(first->text, second->text);
}

static void items_add(struct items *items, const char *folder,
	const struct flags *flags, const char *body)
{
	items->items = alloc_resize(
		items->items, items->count + 1, sizeof(*items->items));
	items->items[items->count++].text =
		alloc_format("%s flags %u %s", folder, flags->system, body);
}

static void items_free(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free(items->items[i].text);
	free(items->items);
}

static char *read_crlf(const char *path)
{
	struct buf body = { 0 };
	FILE *file = fopen(path, "r");
	int byte;

	assert_non_null(file);
	while ((byte = fgetc(file)) != EOF) {
		if (byte == '\n')
			buf_add_byte(&body, '\r');
		buf_add_byte(&body, (uint8_t)byte);
	}
	(void)fclose(file);
	return buf_steal(&body);
}

static char *folder_directory(struct world *world, const char *folder)
{
	return alloc_format("%s/%s", world->maildir, folder);
}

static void local_items(
	struct world *world, const char *folder, struct items *items)
{
	char *file;

	for (size_t i = 0; (file = local_file(world, folder, i)) != NULL; i++) {
		char *directory = folder_directory(world, folder);
		char *path = alloc_format("%s/%s", directory, file);
		char *body = read_crlf(path);
		struct flags flags;

		maildir_name_flags(strchr(file, '/') + 1, NULL, &flags);
		items_add(items, folder, &flags, body);
		free(body);
		free(path);
		free(directory);
		free(file);
	}
}

static void items_sort(struct items *items)
{
	if (items->count > 0)
		qsort(items->items, items->count, sizeof(*items->items),
			compare_items);
}

static void show(const char *side, const struct items *items)
{
	print_message("%s:\n", side);
	for (size_t i = 0; i < items->count; i++)
		print_message("  %.70s\n", items->items[i].text);
}

/* What the state knows about what is not equal. */
static void show_unsettled(struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(
		world->account->state, &cursor, &arena, &pair))
		print_message("unsettled %u: synced %d in %u, here %u in %u "
			      "%s, there %u in %u UID %u, hold %u %s retry %d, "
			      "size %u\n",
			(unsigned)pair.mid, pair.synced.is_set,
			pair.synced.folder_id, pair.local.presence,
			pair.local.folder_id,
			pair.local.name == NULL ? "-" : pair.local.name,
			pair.remote.presence, pair.remote.folder_id,
			pair.remote.uid, pair.hold,
			pair.reason == NULL ? "" : pair.reason,
			(int)(pair.retry_at - account_now()),
			(unsigned)pair.content.size);
	arena_finish(&arena);
}

void world_check_equal(struct world *world, size_t count)
{
	struct items here = { 0 }, there = { 0 };
	bool is_equal;

	for (size_t i = 0; i < FAKE_MAILBOX_MAX; i++) {
		const struct fake_mailbox *mailbox = &server.mailboxes[i];

		if (mailbox->name == NULL)
			continue;
		for (size_t k = 0; k < mailbox->count; k++)
			items_add(&there, mailbox->name,
				&mailbox->messages[k].flags,
				mailbox->messages[k].body);
		if (!local_has_folder(world, mailbox->name))
			fail_msg("no folder '%s' here", mailbox->name);
		local_items(world, mailbox->name, &here);
	}
	items_sort(&here);
	items_sort(&there);
	is_equal = here.count == there.count &&
		(count == SIZE_MAX || here.count == count);
	for (size_t i = 0; is_equal && i < here.count; i++)
		is_equal = strcmp(here.items[i].text, there.items[i].text) == 0;
	if (!is_equal) {
		show("here", &here);
		show("there", &there);
		show_unsettled(world);
	}
	items_free(&here);
	items_free(&there);
	if (!is_equal)
		world_show_journal(world);
	assert_true(is_equal);
}

void world_check_quiet(struct world *world)
{
	unsigned change_count = server.change_count;
	unsigned body_count = server.body_count;

	assert_true(world_sync(world));
	assert_int_equal(server.change_count, change_count);
	assert_int_equal(server.body_count, body_count);
	if (state_unsettled_count(world->account->state) > 0)
		return;
	assert_int_equal(
		state_journal_pending(world->account->state, JOURNAL_LOCAL), 0);
	assert_int_equal(
		state_journal_pending(world->account->state, JOURNAL_REMOTE),
		0);
}

/* ---- Readers of mail ---- */

void local_deliver(struct world *world, const char *folder, const char *body)
{
	char *directory = folder_directory(world, folder);
	char *tmp = alloc_format("%s/tmp/t%u", directory, ++name_number);
	char *new = alloc_format(
		"%s/new/1600000000.M%uP1.reader", directory, name_number);
	FILE *file = fopen(tmp, "w");

	assert_non_null(file);
	for (const char *c = body; *c != '\0'; c++)
		if (*c != '\r')
			(void)fputc(*c, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(tmp, new), 0);
	free(new);
	free(tmp);
	free(directory);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list(
	struct world *world, const char *folder, char **names, size_t limit)
{
	static const char *const parts[] = { "new", "cur" };
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
		char *path = alloc_format(
			"%s/%s/%s", world->maildir, folder, parts[i]);
		DIR *directory = opendir(path);
		struct dirent *entry;

		while (directory != NULL &&
			(entry = readdir(directory)) != NULL)
			if (entry->d_name[0] != '.' && count < limit)
				names[count++] = alloc_format(
					"%s/%s", parts[i], entry->d_name);
		if (directory != NULL)
			(void)closedir(directory);
		free(path);
	}
	qsort(names, count, sizeof(*names), compare_texts);
	return count;
}

size_t local_count(struct world *world, const char *folder)
{
	char *names[FAKE_MESSAGE_MAX];
	size_t count = list(world, folder, names, FAKE_MESSAGE_MAX);

	for (size_t i = 0; i < count; i++)
		free(names[i]);
	return count;
}

char *local_file(struct world *world, const char *folder, size_t index)
{
	char *names[FAKE_MESSAGE_MAX];
	size_t count = list(world, folder, names, FAKE_MESSAGE_MAX);
	char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		if (i == index)
			found = names[i];
		else
			free(names[i]);
	}
	return found;
}

char *local_body(struct world *world, const char *folder, size_t index)
{
	char *file = local_file(world, folder, index);
	char *path, *body;

	if (file == NULL)
		return NULL;
	path = alloc_format("%s/%s/%s", world->maildir, folder, file);
	body = read_crlf(path);
	free(path);
	free(file);
	return body;
}

static void rename_in(struct world *world, const char *from, const char *to)
{
	char *old = alloc_format("%s/%s", world->maildir, from);
	char *new = alloc_format("%s/%s", world->maildir, to);

	if (rename(old, new) == -1)
		fail_msg("rename %s %s: %s", old, new, strerror(errno));
	free(old);
	free(new);
}

/* What stands between the directory and the info. */
static char *unique_of(const char *file)
{
	const char *name = strchr(file, '/') + 1;

	return alloc_text_sized(name, strcspn(name, ":"));
}

void local_set_letters(struct world *world, const char *folder, size_t index,
	const char *letters)
{
	char *file = local_file(world, folder, index);
	char *unique, *from, *to;

	if (file == NULL)
		return;
	unique = unique_of(file);
	from = alloc_format("%s/%s", folder, file);
	to = alloc_format("%s/cur/%s:2,%s", folder, unique, letters);
	rename_in(world, from, to);
	free(to);
	free(from);
	free(unique);
	free(file);
}

void local_move(struct world *world, const char *from, size_t index,
	const char *to, bool has_new_name)
{
	char *file = local_file(world, from, index);
	char *old, *new;

	if (file == NULL)
		return;
	old = alloc_format("%s/%s", from, file);
	new = has_new_name
		? alloc_format("%s/cur/1600000001.N%u.reader%s", to,
			  ++name_number,
			  strchr(file, ':') == NULL ? ":2," : strchr(file, ':'))
		: alloc_format("%s/%s", to, file);
	rename_in(world, old, new);
	free(new);
	free(old);
	free(file);
}

void local_remove(struct world *world, const char *folder, size_t index)
{
	char *file = local_file(world, folder, index);
	char *path;

	if (file == NULL)
		return;
	path = alloc_format("%s/%s/%s", world->maildir, folder, file);
	assert_int_equal(unlink(path), 0);
	free(path);
	free(file);
}

void local_make_folder(struct world *world, const char *folder)
{
	static const char *const parts[] = { "", "/tmp", "/new", "/cur" };

	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
		char *path = alloc_format(
			"%s/%s%s", world->maildir, folder, parts[i]);

		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		free(path);
	}
}

void local_rename_folder(struct world *world, const char *from, const char *to)
{
	rename_in(world, from, to);
}

void local_remove_folder(struct world *world, const char *folder)
{
	char *path = folder_directory(world, folder);

	(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

void local_run(const struct world *world, const char *command)
{
	char *line = alloc_format("cd '%s' && %s", world->root, command);

	/* NOLINTNEXTLINE(cert-env33-c): names and words of ours */
	assert_int_equal(system(line), 0);
	free(line);
}

bool local_has_folder(struct world *world, const char *folder)
{
	char *path = alloc_format("%s/%s/cur", world->maildir, folder);
	bool has_folder = access(path, F_OK) == 0;

	free(path);
	return has_folder;
}

char *world_message(struct world *world)
{
	name_number++;
	return alloc_format("From: a@example.org\r\n"
			    "Message-ID: <%u.%u@example.org>\r\n"
			    "Subject: number %u\r\n\r\n"
			    "Body %u of %u\r\n",
		name_number, world->random, name_number, name_number,
		world_random(world, 1000000));
}

void world_deliver_there(struct world *world, const char *mailbox,
	unsigned count, uint32_t system_flags)
{
	for (unsigned i = 0; i < count; i++) {
		char *body = world_message(world);

		fake_deliver(fake_mailbox(mailbox), body, system_flags);
		free(body);
	}
}

void world_deliver_here(struct world *world, const char *folder, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char *body = world_message(world);

		local_deliver(world, folder, body);
		free(body);
	}
}
