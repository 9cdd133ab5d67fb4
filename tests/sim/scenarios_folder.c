/* Folders and mailboxes that are made, renamed, removed, or not to be seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_time.h"

static void deliver_many(
	struct world *world, const char *mailbox, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		there_deliver(world, mailbox, i, FLAG_SEEN);
}

static void expect_same_files(unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		expect_copies(i, 1);
		expect_same_file(i);
	}
}

static void expect_untouched(unsigned first, unsigned last)
{
	expect_same_files(first, last);
	for (unsigned i = first; i <= last; i++)
		expect_same_uid(i);
}

static bool has_folder(const char *folder)
{
	char *path = alloc_format(WORLD_MAILDIR "/%s/cur", folder);
	bool has_it = sim_disk_exists(path);

	free(path);
	return has_it;
}

/* ---- 51: a mailbox with children gets another name ---- */

static void without_objectid(struct world_kind *kind, unsigned variant)
{
	if (variant == 1)
		kind->abilities &= ~(uint32_t)SIM_OBJECTID;
}

/* By MAILBOXID, or by what is in it (NOTIFY is not asked for): the folder is
   renamed, nothing is transferred. */
static void renamed_there(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "Work", 1, 5);
	deliver_many(world, "Work/2024", 6, 9);
	scene_given(world);
	there_rename_mailbox("Work", "Projects");
	scene_settle(world);
	for (unsigned i = 1; i < 6; i++)
		expect_in("Projects", i, 1);
	for (unsigned i = 6; i < 10; i++)
		expect_in("Projects/2024", i, 1);
	expect_same_files(1, 9);
	expect_no_transfer();
	expect(!has_folder("Work"), "the old folder is there, still");
}

/* ---- 52: a folder gets another name while the old one gets mail ---- */

static void arrive(struct world *world)
{
	there_deliver(world, "Archive", 5, 0);
}

static void renamed_here(struct world *world, unsigned variant)
{
	deliver_many(world, "Archive", 1, 4);
	scene_given(world);
	here_rename_folder("Archive", "Old");
	if (variant == 0)
		arrive(world);
	else
		scene_do_before(SCENE_CALL("RENAME"), arrive);
	(void)scene_sync(world);
	scene_settle(world);
	expect_commands("RENAME", 1);
	expect_commands("APPEND", 0);
	expect_same_files(1, 4);
	for (unsigned i = 1; i < 6; i++)
		expect_in("Old", i, 1);
	expect(sim_mailbox("Archive") == NULL, "Archive is there, still");
	expect_bodies_down(1);
}

/* ---- 53: names change in circles ---- */

static void swap_there(struct world *world)
{
	(void)world;
	there_rename_mailbox("A", "T");
	there_rename_mailbox("B", "A");
	there_rename_mailbox("T", "B");
}

static void swap_here(struct world *world)
{
	(void)world;
	here_rename_folder("A", "T");
	here_rename_folder("B", "A");
	here_rename_folder("T", "B");
}

static void turn_there(struct world *world)
{
	(void)world;
	there_rename_mailbox("A", "T");
	there_rename_mailbox("B", "A");
	there_rename_mailbox("C", "B");
	there_rename_mailbox("T", "C");
}

static void turn_here(struct world *world)
{
	(void)world;
	here_rename_folder("A", "T");
	here_rename_folder("B", "A");
	here_rename_folder("C", "B");
	here_rename_folder("T", "C");
}

/* One half of a swap on each side; of a turn, a third and the rest. */
static void swap_by_halves(struct world *world)
{
	(void)world;
	there_rename_mailbox("A", "T");
	here_rename_folder("B", "U");
	here_rename_folder("A", "B");
	here_rename_folder("U", "A");
}

static void turn_by_parts(struct world *world)
{
	(void)world;
	there_rename_mailbox("A", "T");
	there_rename_mailbox("B", "A");
	here_rename_folder("C", "U");
	here_rename_folder("B", "C");
	here_rename_folder("U", "B");
}

/* It comes to rest, with every message once, in the file it had. */
static void circles(struct world *world, unsigned variant)
{
	static void (*const ACTS[])(struct world * world) = { swap_there,
		swap_here, turn_there, turn_here, swap_by_halves,
		turn_by_parts };

	(void)sim_mailbox_create("A", NULL);
	(void)sim_mailbox_create("B", NULL);
	(void)sim_mailbox_create("C", NULL);
	deliver_many(world, "A", 1, 3);
	deliver_many(world, "B", 4, 6);
	deliver_many(world, "C", 7, 9);
	scene_given(world);
	ACTS[variant](world);
	scene_settle(world);
	for (unsigned i = 1; i < 10; i++)
		expect_copies(i, 1);
	expect_bodies_up(0);
	if (!scene_is_undisturbed())
		return;
	expect_same_files(1, 9);
	if (variant < 2)
		expect_in("B", 1, 1);
	else if (variant < 4)
		expect_in("C", 1, 1);
}

/* ---- 54: a folder is removed, its mailbox has mail that was not seen ---- */

static void guarded(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->delete_limit = "50%";
}

/* It comes back with what was flagged there; the others go, also when the
   process was killed while it was made anew. */
static void removed_with_flagged(struct world *world)
{
	deliver_many(world, "Archive", 1, 3);
	scene_given(world);
	here_remove_folder("Archive");
	there_flag(1, FLAG_FLAGGED, 0);
	scene_settle(world);
	expect_in("Archive", 1, 1);
	expect_copies(2, 0);
	expect_copies(3, 0);
	expect_commands("DELETE", 0);
}

/* What was known goes, as the guard lets it; the folder comes back with what
   was not. Killed while the folder is made anew, what was known may come back,
   too. */
static void removed_with_unseen(struct world *world, unsigned variant)
{
	unsigned last = variant == 0 ? 3 : 30;

	if (variant == 2) {
		removed_with_flagged(world);
		return;
	}
	deliver_many(world, "Archive", 1, last);
	scene_given(world);
	here_remove_folder("Archive");
	there_deliver(world, "Archive", 40, 0);
	for (unsigned i = 0; i < 3; i++)
		(void)scene_sync(world);
	if (scene_is_undisturbed())
		expect_in("Archive", 40, 1);
	if (variant == 1 && scene_is_undisturbed()) {
		for (unsigned i = 1; i <= last; i++)
			expect(oracle_count_there(i) == 1, "%u went", i);
		expect_logged("over delete_limit");
		scene_approve(world);
	}
	scene_settle(world);
	expect_in("Archive", 40, 1);
	for (unsigned i = 1; i <= last && scene_is_undisturbed(); i++)
		expect_copies(i, 0);
	expect_commands("DELETE", 0);
}

/* ---- 55: neither side is to be had ---- */

static void neither_side(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 5);
	deliver_many(world, "Work", 6, 20);
	scene_given(world);
	sim_disk_unmount(WORLD_MAILDIR);
	sim_server_set_down(true);
	sim_server_drop_connections();
	for (unsigned i = 0; i < 3; i++) {
		(void)scene_sync(world);
		sim_time_pass(60000);
	}
	sim_server_set_down(false);
	(void)scene_sync(world);
	sim_server_set_down(true);
	sim_disk_mount(WORLD_MAILDIR);
	(void)scene_sync(world);
	sim_server_set_down(false);
	scene_settle(world);
	expect_untouched(1, 20);
	expect_no_transfer();
}

/* ---- 56: LIST ---- */

static bool lists_inbox_only;

static bool is_listed(const char *line)
{
	if (strncmp(line, "* LIST ", 7) != 0 &&
		strncmp(line, "* STATUS ", 9) != 0)
		return true;
	return lists_inbox_only && strncmp(line, "* LIST ", 7) == 0 &&
		strstr(line, "INBOX") != NULL;
}

static char *list_less(const char *name, const char *line, const char *answer)
{
	char *text = strdup(answer);
	size_t size = 0;

	(void)line;
	if (strcmp(name, "LIST") != 0) {
		free(text);
		return NULL;
	}
	while (*answer != '\0') {
		size_t length = (size_t)(strchr(answer, '\n') + 1 - answer);

		if (is_listed(answer)) {
			memcpy(text + size, answer, length);
			size += length;
		}
		answer += length;
	}
	text[size] = '\0';
	return text;
}

/* Empty, INBOX only, refused, and the line breaks: nothing is removed here, no
   folder, no message. */
static void list_fails(struct world *world, unsigned variant)
{
	static const char *const FOLDERS[] = { "INBOX", "Work", "Work/2024",
		"Archive" };

	deliver_many(world, "INBOX", 1, 3);
	deliver_many(world, "Work", 4, 6);
	deliver_many(world, "Archive", 7, 9);
	scene_given(world);
	lists_inbox_only = variant == 1;
	if (variant < 2)
		sim_server_set_answer_hook(list_less);
	else if (variant == 2)
		sim_server_refuse("LIST", "UNAVAILABLE", "not now", 12);
	else
		scene_cut_before(SCENE_CALL("LIST", .is_every = true));
	for (unsigned i = 0; i < 4; i++) {
		(void)scene_sync(world);
		sim_time_pass(600000);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(FOLDERS); i++)
		expect(has_folder(FOLDERS[i]), "%s was removed", FOLDERS[i]);
	for (unsigned i = 1; i < 10; i++)
		expect(oracle_count_here(i) == 1, "message %u was removed", i);
	sim_server_set_answer_hook(NULL);
	sim_server_refuse("", NULL, NULL, 0);
	scene_forget();
	scene_settle(world);
	expect_untouched(1, 9);
	expect_no_transfer();
	expect_commands("CREATE", 0);
}

/* ---- 57: names ---- */

#define FIFTY     "fifty-octets-of-a-name-that-goes-on-and-on-and-on-"
#define LONG_NAME FIFTY FIFTY FIFTY FIFTY FIFTY

static const char *const NAMES[] = {
	"inbox/x",
	"INBOX/y",
	"a",
	"a/b",
	"a.b",
	"&AGE-", /* "a", written as nobody should */
	"&AOk-t&AOk-",
	"e&AwE-te&AwE-", /* one word, composed and not */
	"Case",
	"case",
	".hidden",
	"a/.b",
	"..",
	"cur",
	"a/new",
	"Tab&AAk-",
	LONG_NAME,
};

struct homes {
	char *directories[ARRAY_LENGTH(NAMES) + 1]; /* by number */
	unsigned counts[ARRAY_LENGTH(NAMES) + 1];
};

static void note_home(void *data, const struct sim_disk_file *file)
{
	struct homes *homes = data;
	unsigned number = oracle_number(file->data, file->size);

	if (number == 0 || number > ARRAY_LENGTH(NAMES) ||
		strstr(file->path, "/tmp/") != NULL)
		return;
	homes->counts[number]++;
	free(homes->directories[number]);
	/* ROOT/FOLDER/cur/NAME */
	homes->directories[number] = alloc_text_sized(file->path,
		(size_t)(strrchr(file->path, '/') - 4 - file->path));
}

static void check_homes(const struct homes *homes)
{
	for (unsigned i = 1; i <= ARRAY_LENGTH(NAMES); i++) {
		expect(homes->counts[i] <= 1, "'%s' is there %u times",
			NAMES[i - 1], homes->counts[i]);
		if (homes->counts[i] == 0) {
			char *line = alloc_format(
				"'%s' is not synced: ", NAMES[i - 1]);

			expect_logged(line);
			free(line);
		}
		for (unsigned k = 1; k < i && homes->counts[i] == 1; k++)
			expect(homes->counts[k] == 0 ||
					strcmp(homes->directories[i],
						homes->directories[k]) != 0,
				"'%s' and '%s' are one folder", NAMES[i - 1],
				NAMES[k - 1]);
	}
}

/* Each mailbox has a folder of its own, or is not synced, and the log says so.
   Nothing leads out of the Maildir. What is made here with such a name goes the
   other way. */
static void names(struct world *world, unsigned variant)
{
	struct homes homes = { 0 };
	struct sim_server_counts before, after;

	(void)variant;
	scene_given(world);
	for (unsigned i = 0; i < ARRAY_LENGTH(NAMES); i++) {
		(void)sim_mailbox_create(NAMES[i], NULL);
		there_deliver(world, NAMES[i], i + 1, FLAG_SEEN);
	}
	here_make_folder("Gr\xc3\xb6\xc3\x9f"
			 "e");
	here_deliver(world,
		"Gr\xc3\xb6\xc3\x9f"
		"e",
		40, "S");
	for (unsigned i = 0; i < 3; i++)
		(void)scene_sync(world);
	sim_server_counts(&before);
	(void)scene_sync(world);
	sim_server_counts(&after);
	scene_end(world);
	expect(before.changes == after.changes, "it does not come to rest");
	sim_disk_walk(SIM_ROOT, false, note_home, &homes);
	check_homes(&homes);
	for (unsigned i = 1; i <= ARRAY_LENGTH(NAMES); i++) {
		expect(homes.counts[i] == 0 ||
				strncmp(homes.directories[i], WORLD_MAILDIR "/",
					strlen(WORLD_MAILDIR) + 1) == 0,
			"'%s' is outside", NAMES[i - 1]);
		free(homes.directories[i]);
	}
	expect(sim_mailbox("Gr&APYA3w-e") != NULL &&
			sim_mailbox("Gr&APYA3w-e")->message_count == 1,
		"what was made here is not there");
}

/* ---- The list ---- */

const struct scenario scenarios_folder[] = {
	{ .number = 51,
		.name = "mailbox-renamed-there",
		.play = renamed_there,
		.prepare = without_objectid,
		.variant_count = 2 },
	{ .number = 52,
		.name = "folder-renamed-here",
		.play = renamed_here,
		.variant_count = 2 },
	{ .number = 53,
		.name = "names-in-circles",
		.play = circles,
		.variant_count = 6 },
	{ .number = 54,
		.name = "folder-removed-with-unseen-mail",
		.play = removed_with_unseen,
		.prepare = guarded,
		.variant_count = 3 },
	{ .number = 55,
		.name = "neither-side-to-be-had",
		.play = neither_side },
	{ .number = 56,
		.name = "list-fails",
		.play = list_fails,
		.variant_count = 4 },
	{ .number = 57, .name = "names-of-mailboxes", .play = names },
	{ .name = NULL },
};
