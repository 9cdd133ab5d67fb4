#include "tests/sim/remote_story.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"

#define BODY_SIZE     400
#define SPREAD        3 /* UIDs beyond the last that are tried, too */
#define KEYWORD_COUNT 3
#define UIDS_MAX      4

static const char *const MAILBOXES[] = { "Work", "INBOX" };
static const char *const KEYWORDS[KEYWORD_COUNT] = { "$Forwarded", "cat",
	"dog" };

struct device {
	struct remote *remote;
	struct remote_known known[ARRAY_LENGTH(MAILBOXES)];
};

struct story {
	struct fixture *fixture;
	struct buf *text;
	struct device devices[2];
	uint64_t random;
	unsigned message_count;
	struct error error;
};

static unsigned choose(struct story *story, unsigned limit)
{
	story->random = story->random * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (unsigned)(story->random >> 33) % limit;
}

/* ---- Writing down ---- */

static void write_set(
	struct story *story, const char *name, const struct uid_set *set)
{
	size_t range_index = 0;

	buf_add_format(story->text, " %s ", name);
	(void)uid_set_write(set, &range_index, 4000, story->text);
}

static bool has_keyword(const struct story *story, const struct flags *flags,
	const char *keyword)
{
	int number = keyword_table_find(&story->fixture->keywords, keyword);

	return number >= 0 && flags_has_keyword(flags, (unsigned)number);
}

static void write_row(struct story *story, const struct remote_message *row)
{
	buf_add_format(story->text, " (%u", (unsigned)row->uid);
	if (row->has_flags) {
		buf_add_format(story->text, " %x", (unsigned)row->flags.system);
		for (unsigned i = 0; i < KEYWORD_COUNT; i++)
			if (has_keyword(story, &row->flags, KEYWORDS[i]))
				buf_add_format(story->text, " %s", KEYWORDS[i]);
	}
	if (row->has_size)
		buf_add_format(story->text, " %" PRIu64 " @%" PRId64, row->size,
			row->internal_date);
	buf_add_text(story->text, ")");
}

static void write_rows(
	struct story *story, const struct remote_message *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		write_row(story, &rows[i]);
}

static void write_receipt(
	struct story *story, const struct remote_receipt *receipt)
{
	if (!receipt->has_uids)
		buf_add_text(story->text, " no receipt");
	for (size_t i = 0; i < receipt->pair_count; i++)
		buf_add_format(story->text, " %u>%u",
			(unsigned)receipt->pairs[i].from,
			(unsigned)receipt->pairs[i].to);
	buf_add_text(story->text, "\n");
}

/* ---- Observing ---- */

static bool take_nothing(
	void *data, const struct remote_view *view, struct error *error)
{
	(void)data;
	(void)error;
	fail_msg("%zu rows are handed over", view->message_row_count);
	return false;
}

/* Of what vanished only what was known counts: servers may tell more. */
static void write_view(struct story *story, const struct remote_known *known,
	struct remote_view *view)
{
	struct uid_set vanished = { 0 };

	uid_set_copy(&vanished, &view->vanished);
	if (known->uid_next == 0)
		uid_set_clear(&vanished);
	else
		uid_set_remove_range(&vanished, known->uid_next, UINT32_MAX);
	buf_add_format(story->text, " %u messages, next %u%s%s%s%s%s%s",
		(unsigned)view->message_count, (unsigned)view->uid_next,
		view->is_new_epoch ? " EPOCH" : "",
		view->is_doubtful ? " DOUBTFUL" : "",
		view->is_read_only ? " READ-ONLY" : "",
		view->has_no_modseq ? " no modseq" : "",
		view->highest_modseq == known->highest_modseq ? " as before"
							      : "",
		view->allows_new_keywords ? "" : " no keywords");
	if (view->has_listing)
		write_set(story, "listing", &view->listing);
	else
		write_set(story, "vanished", &vanished);
	write_rows(story, view->messages, view->message_row_count);
	buf_add_text(story->text, "\n");
	uid_set_finish(&vanished);
}

static void observe(struct story *story, struct device *device, size_t mailbox)
{
	static const struct remote_row_sink SINK = { take_nothing, NULL };
	struct remote_known *known = &device->known[mailbox];
	struct remote_view view;

	known->wire_name = MAILBOXES[mailbox];
	known->wants_full_listing = choose(story, 8) == 0;
	expect(remote_observe(device->remote, known, &SINK,
		       &story->fixture->arena, &view, &story->error),
		&story->error);
	buf_add_format(story->text, "observe %s:", MAILBOXES[mailbox]);
	write_view(story, known, &view);
	if (known->uid_validity != 0)
		assert_int_equal(known->uid_validity, view.uid_validity);
	assert_true(view.highest_modseq >= known->highest_modseq);
	known->uid_validity = view.uid_validity;
	known->highest_modseq = view.highest_modseq;
	known->uid_next = view.uid_next;
	known->message_count = view.message_count;
	remote_view_finish(&view);
}

/* ---- Acts ---- */

struct source {
	const char *text;
	size_t offset;
};

static int64_t read_source(void *data, uint8_t *bytes, size_t size)
{
	struct source *source = data;

	memcpy(bytes, source->text + source->offset, size);
	source->offset += size;
	return (int64_t)size;
}

static struct flags choose_flags(struct story *story)
{
	struct flags flags = { .system = choose(story, FLAG_ALL_SYSTEM + 1) };

	for (unsigned i = 0; i < KEYWORD_COUNT; i++)
		if (choose(story, 3) == 0)
			flags_set_keyword(&flags,
				(unsigned)keyword_table_intern(
					&story->fixture->keywords,
					KEYWORDS[i]));
	return flags;
}

static void upload(struct story *story, struct device *device, size_t mailbox)
{
	enum {
		MAX = 3
	};
	static char bodies[MAX][BODY_SIZE];
	struct source sources[MAX];
	struct remote_append appends[MAX];
	size_t count = 1 + choose(story, MAX);

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(bodies[i], BODY_SIZE, "Subject: %u\r\n\r\n%.*s",
			++story->message_count, (int)choose(story, 20),
			"a body of some octets\r\n");
		sources[i] = (struct source){ .text = bodies[i] };
		appends[i] = (struct remote_append){
			.wire_name = MAILBOXES[mailbox],
			.flags = choose_flags(story),
			.internal_date = 1171011723 + story->message_count,
			.size = strlen(bodies[i]),
			.read = read_source,
			.data = &sources[i],
		};
	}
	expect(remote_append(device->remote, appends, count, &story->error),
		&story->error);
	buf_add_format(story->text, "append %s:", MAILBOXES[mailbox]);
	for (size_t i = 0; i < count; i++)
		buf_add_format(story->text, " %d %u", (int)appends[i].outcome,
			(unsigned)appends[i].uid);
	buf_add_text(story->text, "\n");
}

/* Some that are there, and some that are not. */
static void choose_uids(struct story *story, const struct remote_known *known,
	struct uid_set *uids)
{
	unsigned count = 1 + choose(story, UIDS_MAX);

	for (unsigned i = 0; i < count; i++)
		uid_set_add(uids, 1 + choose(story, known->uid_next + SPREAD));
}

static void store(struct story *story, struct device *device,
	const struct remote_known *known, const struct uid_set *uids)
{
	struct flags add = choose_flags(story), remove = choose_flags(story);
	struct uid_set modified = { 0 };
	struct remote_store store = {
		.uids = uids,
		.add = choose(story, 3) == 0 ? NULL : &add,
		.unchanged_since =
			choose(story, 2) == 0 ? 0 : known->highest_modseq,
	};

	remove = flags_without(&remove, &add);
	store.remove = choose(story, 3) == 0 ? NULL : &remove;
	expect(remote_store(device->remote, &store, &modified, &story->error),
		&story->error);
	write_set(story, "modified", &modified);
	buf_add_text(story->text, "\n");
	uid_set_finish(&modified);
}

static void transfer(struct story *story, struct device *device,
	const struct uid_set *uids, const char *to, bool is_move)
{
	struct remote_receipt receipt = { 0 };

	if (is_move)
		expect(remote_move(device->remote, uids, to,
			       &story->fixture->arena, &receipt, &story->error),
			&story->error);
	else
		expect(remote_copy(device->remote, uids, to,
			       &story->fixture->arena, &receipt, &story->error),
			&story->error);
	write_receipt(story, &receipt);
}

static void expunge(
	struct story *story, struct device *device, const struct uid_set *uids)
{
	struct flags deleted = { .system = FLAG_DELETED };
	struct remote_store store = { .uids = uids, .add = &deleted };
	struct uid_set gone = { 0 };

	if (choose(story, 4) != 0)
		expect(remote_store(
			       device->remote, &store, NULL, &story->error),
			&story->error);
	expect(remote_expunge(device->remote, uids, &gone, &story->error),
		&story->error);
	write_set(story, "gone", &gone);
	uid_set_finish(&gone);
	buf_add_text(story->text, "\n");
}

static void look_at(
	struct story *story, struct device *device, const struct uid_set *uids)
{
	struct remote_message *rows;
	size_t count;

	expect(remote_fetch_messages(device->remote, uids,
		       &story->fixture->arena, &rows, &count, &story->error),
		&story->error);
	write_rows(story, rows, count);
	buf_add_text(story->text, "\n");
}

static void search(struct story *story, struct device *device)
{
	uint32_t first = 1 + choose(story, 6);
	struct uid_set uids = { 0 };

	expect(remote_search(device->remote, first, &uids, &story->error),
		&story->error);
	write_set(story, "found", &uids);
	buf_add_text(story->text, "\n");
	uid_set_finish(&uids);
}

/* ---- Bodies ---- */

static bool begin_body(void *data, uint32_t uid, uint64_t size)
{
	struct story *story = data;

	buf_add_format(story->text, " [%u %" PRIu64 " ", (unsigned)uid, size);
	return true;
}

static bool take_body(
	void *data, const uint8_t *bytes, size_t size, struct error *error)
{
	struct story *story = data;

	(void)error;
	for (size_t i = 0; i < size; i++)
		buf_add_byte(story->text,
			bytes[i] == '\r' || bytes[i] == '\n' ? '|' : bytes[i]);
	return true;
}

static bool end_body(
	void *data, uint32_t uid, bool is_complete, struct error *error)
{
	struct story *story = data;

	(void)uid;
	(void)error;
	buf_add_text(story->text, is_complete ? "]" : " CUT]");
	return true;
}

static void read_bodies(
	struct story *story, struct device *device, const struct uid_set *uids)
{
	const struct remote_sink sink = { begin_body, take_body, end_body,
		story };

	if (choose(story, 2) == 0)
		expect(remote_fetch_headers(device->remote, uids, &sink, NULL,
			       &story->error),
			&story->error);
	else
		expect(remote_fetch_bodies(device->remote, uids, &sink, NULL,
			       &story->error),
			&story->error);
	buf_add_text(story->text, "\n");
}

/* ---- Mailboxes ---- */

static void list(struct story *story, struct device *device)
{
	struct remote_mailbox *mailboxes;
	size_t count;

	expect(remote_list(device->remote, &story->fixture->arena, &mailboxes,
		       &count, &story->error),
		&story->error);
	buf_add_text(story->text, "list:");
	for (size_t i = 0; i < count; i++)
		buf_add_format(story->text, " (%s %c %s %u %u %u %s)",
			mailboxes[i].name, mailboxes[i].delimiter,
			mailboxes[i].is_selectable ? "" : "no",
			(unsigned)mailboxes[i].message_count,
			(unsigned)mailboxes[i].uid_next,
			(unsigned)mailboxes[i].unseen_count,
			mailboxes[i].special_use == NULL
				? "-"
				: mailboxes[i].special_use);
	buf_add_text(story->text, "\n");
}

static void come_and_go(struct story *story, struct device *device)
{
	const char *wire_name, *new_wire_name;

	expect(remote_create(device->remote, "Jäger/&", &story->fixture->arena,
		       &wire_name, &story->error),
		&story->error);
	list(story, device);
	expect(remote_rename(device->remote, wire_name, "Neu",
		       &story->fixture->arena, &new_wire_name, &story->error),
		&story->error);
	list(story, device);
	expect(remote_delete_empty(
		       device->remote, new_wire_name, &story->error),
		&story->error);
	buf_add_text(story->text, "made, renamed, deleted\n");
}

/* ---- The story ---- */

enum act {
	ACT_OBSERVE,
	ACT_APPEND,
	ACT_STORE,
	ACT_EXPUNGE,
	ACT_MOVE,
	ACT_COPY,
	ACT_LOOK,
	ACT_SEARCH,
	ACT_READ,
	ACT_LIST,
	ACT_COUNT,
};

static void act_in(struct story *story, struct device *device, size_t mailbox,
	enum act act)
{
	static const char *const NAMES[] = { "observe", "append", "store",
		"expunge", "move", "copy", "look", "search", "read", "list" };
	const struct remote_known *known = &device->known[mailbox];
	struct uid_set uids = { 0 };

	if (known->uid_validity == 0)
		return;
	choose_uids(story, known, &uids);
	expect(remote_select(device->remote, MAILBOXES[mailbox],
		       known->uid_validity, &story->error),
		&story->error);
	/* When a session is told what others did is a server's own affair:
	   both know all from here on. */
	expect(remote_probe(device->remote, &story->error), &story->error);
	buf_add_format(story->text, "%s in %s", NAMES[act], MAILBOXES[mailbox]);
	write_set(story, "uids", &uids);
	buf_add_text(story->text, ":");
	if (act == ACT_STORE)
		store(story, device, known, &uids);
	else if (act == ACT_EXPUNGE)
		expunge(story, device, &uids);
	else if (act == ACT_MOVE || act == ACT_COPY)
		transfer(story, device, &uids, MAILBOXES[choose(story, 2)],
			act == ACT_MOVE);
	else if (act == ACT_LOOK)
		look_at(story, device, &uids);
	else if (act == ACT_SEARCH)
		search(story, device);
	else
		read_bodies(story, device, &uids);
	uid_set_finish(&uids);
}

static void step(struct story *story)
{
	static const enum act ACTS[] = { ACT_OBSERVE, ACT_OBSERVE, ACT_OBSERVE,
		ACT_APPEND, ACT_APPEND, ACT_STORE, ACT_STORE, ACT_STORE,
		ACT_EXPUNGE, ACT_MOVE, ACT_COPY, ACT_LOOK, ACT_SEARCH, ACT_READ,
		ACT_LIST };
	struct device *device = &story->devices[choose(story, 2)];
	size_t mailbox = choose(story, ARRAY_LENGTH(MAILBOXES));
	enum act act = ACTS[choose(story, ARRAY_LENGTH(ACTS))];

	buf_add_format(
		story->text, "%d: ", device == &story->devices[0] ? 1 : 2);
	if (act == ACT_OBSERVE)
		observe(story, device, mailbox);
	else if (act == ACT_APPEND)
		upload(story, device, mailbox);
	else if (act == ACT_LIST && choose(story, 4) == 0)
		come_and_go(story, device);
	else if (act == ACT_LIST)
		list(story, device);
	else
		act_in(story, device, mailbox, act);
}

static void disable(struct fixture *fixture, enum story_rung rung)
{
	if (rung != STORY_QRESYNC)
		fixture_disable(fixture, "QRESYNC");
	if (rung != STORY_QRESYNC && rung != STORY_CONDSTORE)
		fixture_disable(fixture, "CONDSTORE");
	if (rung != STORY_BARE)
		return;
	fixture_disable(fixture, "LIST-STATUS");
	fixture_disable(fixture, "LITERAL+");
	fixture_disable(fixture, "ESEARCH");
	fixture_disable(fixture, "UNSELECT");
	fixture_disable(fixture, "SASL-IR");
	fixture_disable(fixture, "MULTIAPPEND");
}

void story_tell(struct fixture *fixture, enum story_rung rung, uint64_t seed,
	unsigned step_count, struct buf *text)
{
	struct story story = {
		.fixture = fixture,
		.text = text,
		.random = seed * UINT64_C(0x9e3779b97f4a7c15),
	};
	const char *wire_name;

	disable(fixture, rung);
	for (size_t i = 0; i < 2; i++)
		story.devices[i].remote = fixture_open(fixture);
	expect(remote_create(story.devices[0].remote, "Work", &fixture->arena,
		       &wire_name, &story.error),
		&story.error);
	for (size_t i = 0; i < 2; i++) {
		observe(&story, &story.devices[i], 0);
		observe(&story, &story.devices[i], 1);
	}
	for (unsigned i = 0; i < step_count; i++)
		step(&story);
	for (size_t i = 0; i < 2; i++) {
		observe(&story, &story.devices[i], 0);
		observe(&story, &story.devices[i], 1);
		remote_logout(story.devices[i].remote);
		remote_close(story.devices[i].remote);
	}
}
