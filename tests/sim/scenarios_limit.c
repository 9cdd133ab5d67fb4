/* Limits, servers that refuse, and the first time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
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

static void sync_some(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		(void)scene_sync(world);
		sim_time_pass(3600000);
	}
}

/* ---- 58: an upload is refused ---- */

static const char WITH_NUL[] =
	WORLD_MAILDIR "/INBOX/cur/1.unfinished.reader:2,S";

static void write_large(unsigned number)
{
	struct buf text = { 0 };
	char *body;

	buf_add_format(&text,
		"From: a@example.org\r\nSubject: number %u\r\n\r\n", number);
	while (text.size <= SIM_APPEND_LIMIT)
		buf_add_text(&text, "a line like any other\r\n");
	body = buf_steal(&text);
	oracle_set_body(number, body);
	free(body);
}

static char *read_only(const char *name, const char *line, const char *answer)
{
	char *text, *place;

	if (strcmp(name, "APPEND") == 0 && strstr(line, "Work") != NULL &&
		strstr(answer, "APPENDUID") == NULL)
		return NULL;
	if (strcmp(name, "SELECT") != 0 || strstr(line, "Work") == NULL)
		return NULL;
	text = strdup(answer);
	place = strstr(text, "[READ-WRITE]");
	if (place != NULL)
		memcpy(place, "[READ-ONLY] ", 12);
	return text;
}

enum {
	TOO_BIG,
	OVER_QUOTA,
	NUL_OCTET,
	READ_ONLY,
	REFUSED_CASES
};

static void refuse(struct world *world, unsigned variant)
{
	static const char NUL[] = "Subject: none\n\na\0b\n";

	switch (variant) {
	case TOO_BIG:
		write_large(2);
		here_deliver(world, "INBOX", 2, "S");
		break;
	case OVER_QUOTA:
		sim_server_refuse("APPEND", "OVERQUOTA", "no room", 1);
		here_deliver(world, "INBOX", 2, "S");
		break;
	case NUL_OCTET:
		(void)sim_disk_write_file(
			WITH_NUL, NUL, sizeof(NUL) - 1, 1700000000);
		break;
	default:
		sim_server_set_answer_hook(read_only);
		here_deliver(world, "Work", 2, "S");
		break;
	}
}

/* Too big, no room, a NUL octet, a mailbox that is read-only: held with the
   reason, and tried again; what comes later is not kept from going. */
static void upload_refused(struct world *world, unsigned variant)
{
	static const char *const REASONS[] = { "larger than the server",
		"no room", "NUL", "" };

	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	refuse(world, variant);
	(void)scene_sync(world);
	here_deliver(world, "INBOX", 3, "S");
	(void)scene_sync(world);
	expect_copies(3, 1);
	if (scene_is_undisturbed() && variant != READ_ONLY) {
		expect_held(
			world, variant == NUL_OCTET ? 0 : 2, REASONS[variant]);
		expect(oracle_count_there(2) == 0, "sent all the same");
	}
	sync_some(world, 3);
	if (variant == TOO_BIG || variant == NUL_OCTET)
		expect_held(
			world, variant == TOO_BIG ? 2 : 0, REASONS[variant]);
	if (variant == TOO_BIG)
		here_remove(2);
	if (variant == NUL_OCTET)
		(void)sim_disk_remove(WITH_NUL);
	sim_server_set_answer_hook(NULL);
	scene_settle(world);
	expect_copies(1, 1);
	expect_copies(3, 1);
	if (variant == OVER_QUOTA || variant == READ_ONLY)
		expect_copies(2, 1);
}

/* ---- 59: COPY refused, others' \Deleted, a part of what was asked ---- */

static void lesser(struct world_kind *kind, unsigned variant)
{
	if (variant == 0)
		kind->abilities &= ~(uint32_t)SIM_MOVE;
	if (variant == 1)
		kind->abilities &= ~(uint32_t)SIM_UIDPLUS;
	if (variant == 3)
		kind->quirks = SIM_MESSAGE_LIMIT;
}

static void copy_refused(struct world *world)
{
	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	here_move(1, "Work", false);
	sim_server_refuse("UID COPY", NULL, "not now", UINT32_MAX);
	(void)scene_sync(world);
	sim_server_refuse("", NULL, NULL, 0);
	expect(oracle_count_there(1) == 1, "the source was touched");
	expect_commands("UID EXPUNGE", 0);
	expect_commands("UID STORE", 0);
	scene_settle(world);
	expect_in("Work", 1, 1);
	expect_copies(1, 1);
}

static void others_deleted(struct world *world)
{
	deliver_many(world, "INBOX", 1, 4);
	there_flag(2, FLAG_DELETED, 0);
	there_flag(3, FLAG_DELETED, 0);
	scene_given(world);
	here_remove(1);
	scene_settle(world);
	expect(oracle_count_there(2) == 1 && oracle_count_there(3) == 1,
		"what others marked was expunged");
	expect(oracle_count_here(2) == 1 && oracle_count_here(3) == 1,
		"what others marked was removed here");
	expect(oracle_count_here(1) == 0, "it is back");
	expect(sim_mailbox("INBOX")->messages[0].uid == 1 ||
			(the_world->kind.abilities & SIM_UIDPLUS) != 0,
		"expunged without UIDPLUS");
	expect_commands("EXPUNGE", 0);
	expect_commands("CLOSE", 0);
	expect_commands("UID EXPUNGE",
		(the_world->kind.abilities & SIM_UIDPLUS) != 0 ? 1 : 0);
}

static void part_only(struct world *world)
{
	scene_given(world);
	deliver_many(world, "INBOX", 1, 60);
	(void)scene_sync(world);
	for (unsigned i = 1; i <= 60; i += 2)
		here_letters(i, "FS");
	for (unsigned i = 2; i <= 60; i += 4)
		here_move(i, "Work", false);
	for (unsigned i = 4; i <= 60; i += 8)
		here_remove(i);
	scene_settle(world);
	for (unsigned i = 1; i <= 60; i++)
		expect_copies(i, i % 8 == 4 ? 0 : 1);
	for (unsigned i = 1; i <= 60; i += 2)
		expect_flags(i, FLAG_SEEN | FLAG_FLAGGED);
	for (unsigned i = 2; i <= 60; i += 4)
		expect_in("Work", i, 1);
	expect_bodies_down(60);
}

static void refusals(struct world *world, unsigned variant)
{
	if (variant == 0)
		copy_refused(world);
	else if (variant < 3)
		others_deleted(world);
	else
		part_only(world);
}

/* ---- 60: two sides that are full already ---- */

static void write_named(
	struct world *world, const char *path, unsigned number, bool has_crlf)
{
	size_t size;
	char *text;

	while (oracle.number_count < number)
		(void)oracle_new_number(world);
	text = has_crlf ? oracle_body(world, number, &size)
			: scene_file(world, number, &size);
	if (sim_disk_write_file(
		    path, text, size, seam_wall_ns() / 1000000000 - 86400) == 0)
		oracle_made(number, true);
	free(text);
}

/* With LF and with CRLF line ends, with names of mbsync's. */
static void fill_here(struct world *world)
{
	(void)sim_disk_make_directory(WORLD_MAILDIR);
	here_make_folder("INBOX");
	here_make_folder("Work");
	for (unsigned i = 7; i <= 16; i++) {
		char *path = i % 2 == 0
			? alloc_format(WORLD_MAILDIR
				  "/INBOX/cur/%u.M%uP1.host,U=%u:2,%s",
				  1690000000 + i, i, i, i % 3 == 0 ? "FS" : "S")
			: alloc_format(WORLD_MAILDIR "/INBOX/new/%u.M%uP1.host",
				  1690000000 + i, i);

		write_named(world, path, i, i == 8);
		free(path);
	}
	here_deliver(world, "INBOX", 20, "S");
	here_deliver(world, "INBOX", 20, "S");
	here_deliver(world, "Work", 21, "S");
}

static void start_second(struct world *world)
{
	struct account_report report = { 0 };
	struct error error = { 0 };
	struct account *second = account_open(world->config,
		&world->config->accounts[0], &report, world->loop, &error);

	expect(second == NULL && error.code == ERROR_STOPPED,
		"two workers have one account: %s", error.message);
	seam_log("the second one: %s", error.message);
}

static void be_active(struct world *world)
{
	start_second(world);
	here_deliver(world, "INBOX", 30, NULL);
	there_flag(8, FLAG_ANSWERED, 0);
	here_letters(16, "RS");
}

static void expect_union(void)
{
	for (unsigned i = 1; i <= 16; i++)
		expect_copies(i, 1);
	expect_in("INBOX", 20, 2);
	expect_copies(21, 1);
	expect_copies(30, 1);
	/* Flags of both, as nobody took any away. */
	expect_flags(8, FLAG_ANSWERED | FLAG_SEEN | FLAG_FLAGGED);
	expect_flags(9, FLAG_SEEN | FLAG_FLAGGED);
}

/* Thirty of a hundred are on both sides, some twice on purpose, one in another
   folder; flags differ; somebody is at work; a second worker is started. The
   union, once; nothing is removed. The second case: then the state is lost;
   nothing is sent again, and read again are only those without Message-ID. */
static void first_merge(struct world *world, unsigned variant)
{
	for (unsigned i = 1; i <= 10; i++)
		there_deliver(world, "INBOX", i,
			i == 8 || i == 9 ? FLAG_SEEN | FLAG_FLAGGED : 0);
	there_deliver(world, "INBOX", 20, 0);
	there_deliver(world, "INBOX", 20, FLAG_SEEN);
	there_deliver(world, "Archive", 21, 0);
	fill_here(world);
	scene_begin(world);
	scene_do_before(SCENE_CALL("UID FETCH", .nth = 3), be_active);
	(void)scene_sync(world);
	scene_settle(world);
	expect_union();
	expect_bodies_up(6 + 1);
	expect_commands("UID EXPUNGE", 0);
	if (variant == 0)
		return;
	scene_lose_state();
	scene_begin(world);
	scene_settle(world);
	expect_union();
	expect_bodies_up(0);
	expect_bodies_down(6);
	expect_commands("UID EXPUNGE", 0);
	for (unsigned i = 1; i <= 16; i++) {
		expect_same_file(i);
		expect_same_uid(i);
	}
}

/* ---- The list ---- */

const struct scenario scenarios_limit[] = {
	{ .number = 58,
		.name = "upload-refused",
		.play = upload_refused,
		.variant_count = REFUSED_CASES },
	{ .number = 59,
		.name = "copy-refused-or-others-marks",
		.play = refusals,
		.prepare = lesser,
		.variant_count = 4 },
	{ .number = 60,
		.name = "first-merge-and-lost-state",
		.play = first_merge,
		.variant_count = 2,
		.has_no_maildir = true },
	{ .name = NULL },
};
