/* A remote against servers that are odd, unwilling or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "remote_fixture.h"
#include "script_server.h"

struct scene {
	struct script script;
	struct fixture fixture;
	struct remote *remote;
	struct error error;
};

static void scene_open(struct scene *scene)
{
	script_start(&scene->script);
	fixture_init(&scene->fixture, scene->script.peer.port);
	scene->remote = fixture_open(&scene->fixture);
	scene->error = (struct error){ 0 };
}

static void scene_close(struct scene *scene)
{
	remote_close(scene->remote);
	fixture_finish(&scene->fixture);
	script_finish(&scene->script);
}

/* ---- LIST ---- */

static void test_a_server_without_list_status_is_asked_one_by_one(void **state)
{
	struct scene scene;
	struct remote_mailbox *mailboxes;
	size_t count;

	(void)state;
	script_init(&scene.script, "LIST-STATUS NAMESPACE");
	script_add(&scene.script, "NAMESPACE",
		"* NAMESPACE ((\"\" \"/\")) ((\"Others/\" \"/\")) NIL\r\n"
		"% OK\r\n");
	script_add(&scene.script, "RETURN (", "% BAD Argument Error 12\r\n");
	script_add(&scene.script, "LIST \"\" \"*\"\r\n",
		"* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
		"* LIST (\\Noselect) \"/\" Top/\r\n"
		"* LIST (\\Noselect) \"/\" Others\r\n"
		"* LIST () \"/\" Others/bob\r\n"
		"* LIST () \"/\" \"\xe4\"\r\n"
		"* LIST (\\sent) \"/\" Sent\r\n% OK\r\n");
	script_add(&scene.script, "STATUS INBOX (MESSAGES",
		"* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 "
		"UNSEEN 1)\r\n% OK\r\n");
	script_add(&scene.script, "STATUS Sent", "% NO not now\r\n");
	scene_open(&scene);
	expect(remote_list(scene.remote, &scene.fixture.arena, &mailboxes,
		       &count, &scene.error),
		&scene.error);
	assert_int_equal(count, 3);
	assert_int_equal(remote_skipped_count(scene.remote), 1);
	assert_string_equal(mailboxes[0].name, "INBOX");
	assert_true(mailboxes[0].has_status);
	assert_int_equal(mailboxes[0].uid_next, 9);
	assert_string_equal(mailboxes[1].name, "Sent");
	assert_string_equal(mailboxes[1].special_use, "\\Sent");
	assert_false(mailboxes[1].has_status);
	assert_string_equal(mailboxes[2].name, "Top");
	assert_false(mailboxes[2].is_selectable);
	scene_close(&scene);
}

static void test_a_list_with_holes_is_no_list(void **state)
{
	static const char *const ANSWERS[] = {
		"% OK nothing\r\n",
		"% NO not today\r\n",
		"* LIST () \"/\" INBOX\r\n% OK [MESSAGELIMIT 1 1] more\r\n",
		"* LIST () \"/\" INBOX\r\n* LIST () \"/\"\r\n% OK\r\n",
	};
	struct remote_mailbox *mailboxes;
	size_t count;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(ANSWERS); i++) {
		struct scene scene;

		script_init(&scene.script, "");
		script_add(&scene.script, "LIST", ANSWERS[i]);
		script_add_step(&scene.script,
			(struct script_step){
				.wants = "NOOP", .says = "% OK\r\n" });
		scene_open(&scene);
		expect_error(remote_list(scene.remote, &scene.fixture.arena,
				     &mailboxes, &count, &scene.error),
			&scene.error, ERROR_REFUSED);
		expect(remote_probe(scene.remote, &scene.error), &scene.error);
		scene_close(&scene);
	}
}

/* ---- Observing ---- */

#define SELECTED(modseq)                                                       \
	"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 20] n\r\n"      \
	"* OK [PERMANENTFLAGS (\\Seen \\*)] f\r\n" modseq
#define MODSEQ_50 "* OK [HIGHESTMODSEQ 50] m\r\n"

static const struct remote_known KNOWN = {
	.wire_name = "box",
	.uid_validity = 7,
	.highest_modseq = 40,
	.uid_next = 20,
	.message_count = 2,
};

static void open_qresync(struct scene *scene)
{
	script_init(&scene->script, "ENABLE CONDSTORE QRESYNC ESEARCH");
	script_add(&scene->script, "ENABLE QRESYNC",
		"* ENABLED QRESYNC\r\n% OK\r\n");
}

static bool take_nothing(
	void *data, const struct remote_view *view, struct error *error)
{
	(void)data;
	(void)error;
	fail_msg("%zu rows are handed over", view->message_row_count);
	return false;
}

static const struct remote_row_sink NO_SINK = { take_nothing, NULL };

static void observe(struct scene *scene, const struct remote_known *known,
	struct remote_view *view)
{
	scene_open(scene);
	expect(remote_observe(scene->remote, known, &NO_SINK,
		       &scene->fixture.arena, view, &scene->error),
		&scene->error);
}

static void test_a_false_vanished_is_checked_by_a_listing(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT box (QRESYNC (7 40))",
		SELECTED(MODSEQ_50) "* VANISHED (EARLIER) 1:18\r\n"
				    "* 1 FETCH (UID 5 FLAGS (\\Seen) "
				    "MODSEQ (48))\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295", "% OK\r\n");
	script_add(&scene.script, "UID SEARCH RETURN (ALL COUNT) ALL",
		"* ESEARCH (TAG \"%\") UID ALL 5,12 COUNT 2\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(view.has_listing);
	assert_false(uid_set_contains(&view.vanished, 5));
	assert_false(uid_set_contains(&view.vanished, 12));
	assert_true(uid_set_contains(&view.vanished, 11));
	assert_int_equal(view.highest_modseq, 50);
	assert_int_equal(view.uid_next, 20);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_counts_that_agree_need_no_listing(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT box (QRESYNC (7 40))",
		SELECTED(MODSEQ_50) "* VANISHED (EARLIER) 5\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295",
		"* 2 FETCH (UID 30 FLAGS () MODSEQ (60) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_false(view.has_listing || view.is_doubtful);
	assert_true(uid_set_contains(&view.vanished, 5));
	assert_int_equal(view.message_row_count, 1);
	assert_int_equal(view.uid_next, 31);
	/* RFC 7162, 6: what was said at SELECT, not the highest seen. */
	assert_int_equal(view.highest_modseq, 50);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_when_nothing_can_be_listed_absence_proves_nothing(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT",
		SELECTED(MODSEQ_50) "* VANISHED (EARLIER) 1:18\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID SEARCH", "% NO no search\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295 (UID)",
		"* 1 FETCH (UID 5)\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(view.is_doubtful);
	assert_false(view.has_listing);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_another_uidvalidity_is_a_new_epoch(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT",
		"* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n"
		"* OK [UIDNEXT 2] n\r\n* OK [HIGHESTMODSEQ 3] m\r\n"
		"* VANISHED (EARLIER) 1:18\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295 (UID FLAGS INTERNAL",
		"* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(view.is_new_epoch && view.has_listing);
	assert_true(uid_set_is_empty(&view.vanished));
	assert_int_equal(view.uid_validity, 8);
	assert_int_equal(view.uid_next, 2);
	assert_int_equal(view.message_row_count, 1);
	assert_true(view.messages[0].has_size);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_without_modseqs_all_flags_are_read(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	script_init(&scene.script, "CONDSTORE");
	script_add(&scene.script, "SELECT box (CONDSTORE)",
		SELECTED("* OK [NOMODSEQ] no\r\n") "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:19 (UID FLAGS MODSEQ) (CHANGED",
		"% BAD no mod-sequences\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295", "% BAD no\r\n");
	script_add(&scene.script, "UID FETCH 1:19 (UID FLAGS)\r\n",
		"* 1 FETCH (UID 5 FLAGS ())\r\n"
		"* 2 FETCH (UID 6 FLAGS (x))\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295 (UID FLAGS INT",
		"% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(view.has_no_modseq && view.has_listing);
	assert_int_equal(view.highest_modseq, 0);
	assert_int_equal(view.message_row_count, 2);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_the_frontier_stops_at_what_was_not_told(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.highest_modseq = 0;
	known.message_count = 0;
	known.uid_next = 1;
	script_init(&scene.script, "");
	script_add(&scene.script, "SELECT box\r\n", SELECTED("") "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295",
		"* 1 FETCH (UID 5 FLAGS () RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n"
		"* 2 FETCH (UID 6 FLAGS ())\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 6 (", "% OK\r\n");
	observe(&scene, &known, &view);
	assert_int_equal(view.uid_next, 6);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_a_mailbox_without_uidvalidity_is_refused(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	script_init(&scene.script, "");
	script_add(&scene.script, "SELECT", "* 0 EXISTS\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:19", "% BAD empty\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% BAD empty\r\n");
	scene_open(&scene);
	assert_false(remote_observe(scene.remote, &KNOWN, &NO_SINK,
		&scene.fixture.arena, &view, &scene.error));
	assert_int_equal(scene.error.code, ERROR_REFUSED);
	scene_close(&scene);
}

/* ---- Rows by the chunk ---- */

#define MANY 2500

struct taken {
	struct uid_set uids, flagged;
	size_t chunk_count;
	bool is_new_epoch, fails;
};

static bool take(
	void *data, const struct remote_view *view, struct error *error)
{
	struct taken *taken = data;

	if (taken->fails)
		return error_set(error, ERROR_SYSTEM, "disk full");
	assert_in_range(view->message_row_count, 1, REMOTE_ROW_CHUNK);
	assert_int_not_equal(view->uid_validity, 0);
	assert_true(view->allows_new_keywords);
	for (size_t i = 0; i < view->message_row_count; i++) {
		const struct remote_message *row = &view->messages[i];

		uid_set_add(&taken->uids, row->uid);
		if ((row->flags.system & FLAG_FLAGGED) != 0)
			uid_set_add(&taken->flagged, row->uid);
	}
	taken->is_new_epoch |= view->is_new_epoch;
	taken->chunk_count++;
	return true;
}

static void taken_finish(struct taken *taken)
{
	uid_set_finish(&taken->uids);
	uid_set_finish(&taken->flagged);
}

static void say_row(struct buf *text, uint32_t uid, const char *flags)
{
	buf_add_format(text,
		"* 1 FETCH (UID %u FLAGS (%s) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n",
		(unsigned)uid, flags);
}

static void say_select(struct scene *scene, struct buf *text,
	uint32_t uid_validity, uint32_t uid_next)
{
	buf_add_format(text,
		"* %d EXISTS\r\n* OK [UIDVALIDITY %u] v\r\n"
		"* OK [UIDNEXT %u] n\r\n"
		"* OK [PERMANENTFLAGS (\\Seen \\*)] f\r\n%% OK\r\n",
		MANY, (unsigned)uid_validity, (unsigned)uid_next);
	script_add(&scene->script, "SELECT box\r\n", buf_text(text));
}

static void observe_many(struct scene *scene, const struct remote_known *known,
	struct taken *taken, struct remote_view *view)
{
	struct remote_row_sink sink = { take, taken };

	scene_open(scene);
	expect(remote_observe(scene->remote, known, &sink,
		       &scene->fixture.arena, view, &scene->error),
		&scene->error);
	assert_in_range(view->message_row_count, 0, REMOTE_ROW_CHUNK);
	/* The last ones count like those before. */
	if (view->message_row_count > 0)
		assert_true(take(taken, view, &scene->error));
}

static const struct remote_known UNKNOWN = { .wire_name = "box" };

/* Rows in no order, some twice, one told in two parts. */
static void test_rows_of_a_big_mailbox_are_handed_over(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct taken taken = { 0 };
	struct buf selected = { 0 }, rows = { 0 }, again = { 0 };

	(void)state;
	script_init(&scene.script, "");
	say_select(&scene, &selected, 7, MANY + 1);
	for (uint32_t uid = MANY; uid > 0; uid--)
		if (uid != 2000)
			say_row(&rows, uid, uid % 2 == 0 ? "\\Seen" : "");
	buf_add_text(&rows, "* 1 FETCH (UID 2000 FLAGS (\\Flagged))\r\n");
	for (uint32_t uid = 1; uid <= REMOTE_ROW_CHUNK; uid++)
		say_row(&rows, uid, uid == 9 ? "\\Flagged" : "");
	buf_add_text(&rows, "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295", buf_text(&rows));
	say_row(&again, 2000, "\\Flagged");
	buf_add_text(&again, "% OK\r\n");
	script_add(&scene.script, "UID FETCH 2000 (", buf_text(&again));
	observe_many(&scene, &UNKNOWN, &taken, &view);
	assert_true(view.has_listing);
	assert_int_equal(uid_set_count(&view.listing), MANY);
	assert_int_equal(view.uid_next, MANY + 1);
	assert_int_equal(uid_set_count(&taken.uids), MANY);
	assert_int_equal(uid_set_count(&taken.flagged), 2);
	assert_true(uid_set_contains(&taken.flagged, 9));
	assert_in_range(taken.chunk_count, 3, 5);
	remote_view_finish(&view);
	taken_finish(&taken);
	scene_close(&scene);
	buf_finish(&again);
	buf_finish(&rows);
	buf_finish(&selected);
}

/* What comes under another UIDVALIDITY before it is seen to be another is of
   no message we know, and nobody is to hear of it. */
static void test_rows_of_a_new_epoch_are_handed_over_as_such(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;
	struct taken taken = { 0 };
	struct buf selected = { 0 }, rows = { 0 }, again = { 0 };

	(void)state;
	known.highest_modseq = 0;
	known.uid_next = MANY + 1;
	known.message_count = MANY;
	script_init(&scene.script, "");
	say_select(&scene, &selected, 8, MANY + 1);
	for (uint32_t uid = 1; uid <= MANY; uid++)
		say_row(&rows, uid, "\\Flagged");
	buf_add_text(&rows, "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:2500 (UID FLAGS)\r\n",
		buf_text(&rows));
	script_add(&scene.script, "UID FETCH 2501:4294967295", "% OK\r\n");
	for (uint32_t uid = 1; uid <= MANY; uid++)
		say_row(&again, uid, "");
	buf_add_text(&again, "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295", buf_text(&again));
	observe_many(&scene, &known, &taken, &view);
	assert_true(view.is_new_epoch && taken.is_new_epoch);
	assert_int_equal(uid_set_count(&taken.uids), MANY);
	assert_true(uid_set_is_empty(&taken.flagged));
	remote_view_finish(&view);
	taken_finish(&taken);
	scene_close(&scene);
	buf_finish(&again);
	buf_finish(&rows);
	buf_finish(&selected);
}

static void test_rows_nobody_can_take_end_the_observation(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct taken taken = { .fails = true };
	struct remote_row_sink sink = { take, &taken };
	struct buf selected = { 0 }, rows = { 0 };

	(void)state;
	script_init(&scene.script, "");
	say_select(&scene, &selected, 7, MANY + 1);
	for (uint32_t uid = 1; uid <= MANY; uid++)
		say_row(&rows, uid, "");
	script_add(&scene.script, "UID FETCH 1:4294967295", buf_text(&rows));
	scene_open(&scene);
	expect_error(remote_observe(scene.remote, &UNKNOWN, &sink,
			     &scene.fixture.arena, &view, &scene.error),
		&scene.error, ERROR_SYSTEM);
	assert_true(remote_is_dead(scene.remote));
	scene_close(&scene);
	buf_finish(&rows);
	buf_finish(&selected);
}

/* ---- Bodies ---- */

struct heard {
	struct buf text;
	unsigned begun, complete, broken;
};

static bool hear_begin(void *data, uint32_t uid, uint64_t size)
{
	struct heard *heard = data;

	(void)size;
	heard->begun++;
	buf_add_format(&heard->text, "%u:", (unsigned)uid);
	return true;
}

static bool hear(
	void *data, const uint8_t *bytes, size_t size, struct error *error)
{
	struct heard *heard = data;

	(void)error;
	buf_add(&heard->text, bytes, size);
	return true;
}

static bool hear_end(
	void *data, uint32_t uid, bool is_complete, struct error *error)
{
	struct heard *heard = data;

	(void)error;
	(void)uid;
	heard->complete += is_complete;
	heard->broken += !is_complete;
	buf_add_byte(&heard->text, ';');
	return true;
}

static void open_selected(struct scene *scene)
{
	script_init(&scene->script, "UIDPLUS MOVE CONDSTORE");
	script_add(
		&scene->script, "SELECT box", SELECTED(MODSEQ_50) "% OK\r\n");
}

static void select_box(struct scene *scene)
{
	scene_open(scene);
	expect(remote_select(scene->remote, "box", 7, &scene->error),
		&scene->error);
}

static void test_odd_bodies_are_told_apart(void **state)
{
	struct scene scene;
	struct heard heard = { 0 };
	struct remote_sink sink = { hear_begin, hear, hear_end, &heard };
	struct uid_set uids = { 0 }, refused = { 0 };

	(void)state;
	open_selected(&scene);
	/* NIL is no body; a UID behind the body is asked for again. */
	script_add(&scene.script, "UID FETCH 1:4 (UID BODY.PEEK[])",
		"* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n"
		"* 2 FETCH (UID 2 BODY[] NIL)\r\n"
		"* 3 FETCH (BODY[] {2}\r\nxy UID 3)\r\n"
		"* 4 FETCH (UID 4 BODY[] \"\")\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 3 (UID BODY.PEEK[])",
		"* 3 FETCH (BODY[] {2}\r\nxy UID 3)\r\n% OK\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 4);
	expect(remote_fetch_bodies(
		       scene.remote, &uids, &sink, &refused, &scene.error),
		&scene.error);
	assert_string_equal(buf_text(&heard.text), "1:abc;4:;3:xy;");
	assert_int_equal(heard.complete, 3);
	assert_true(uid_set_is_empty(&refused));
	buf_finish(&heard.text);
	uid_set_finish(&uids);
	scene_close(&scene);
}

static void test_one_refused_message_does_not_hide_the_others(void **state)
{
	struct scene scene;
	struct heard heard = { 0 };
	struct remote_sink sink = { hear_begin, hear, hear_end, &heard };
	struct uid_set uids = { 0 }, refused = { 0 };

	(void)state;
	open_selected(&scene);
	script_add(&scene.script, "UID FETCH 1:2 ",
		"% NO [UNAVAILABLE] error while fetching\r\n");
	script_add(&scene.script, "UID FETCH 1:2 ",
		"% NO [UNAVAILABLE] error while fetching\r\n");
	script_add(&scene.script, "UID FETCH 1 ", "% NO [UNAVAILABLE]\r\n");
	script_add(&scene.script, "UID FETCH 2 ",
		"* 2 FETCH (UID 2 BODY[] {1}\r\nz)\r\n% OK\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 2);
	expect(remote_fetch_bodies(
		       scene.remote, &uids, &sink, &refused, &scene.error),
		&scene.error);
	assert_string_equal(buf_text(&heard.text), "2:z;");
	assert_int_equal(uid_set_count(&refused), 1);
	assert_true(uid_set_contains(&refused, 1));
	buf_finish(&heard.text);
	uid_set_finish(&uids);
	uid_set_finish(&refused);
	scene_close(&scene);
}

static void test_a_cut_in_a_body_is_told_to_the_sink(void **state)
{
	struct scene scene;
	struct heard heard = { 0 };
	struct remote_sink sink = { hear_begin, hear, hear_end, &heard };
	struct uid_set uids = { 0 };

	(void)state;
	open_selected(&scene);
	script_add(&scene.script, "UID FETCH",
		"* 1 FETCH (UID 1 BODY[] {9}\r\nabc");
	select_box(&scene);
	uid_set_add(&uids, 1);
	expect_error(remote_fetch_bodies(
			     scene.remote, &uids, &sink, NULL, &scene.error),
		&scene.error, ERROR_DISCONNECTED);
	assert_int_equal(heard.broken, 1);
	assert_true(remote_is_dead(scene.remote));
	assert_false(remote_probe(scene.remote, &scene.error));
	buf_finish(&heard.text);
	uid_set_finish(&uids);
	scene_close(&scene);
}

/* ---- Changes ---- */

static void test_what_somebody_else_changed_is_left_alone(void **state)
{
	struct scene scene;
	struct flags seen = { .system = FLAG_SEEN };
	struct flags draft = { .system = FLAG_DRAFT };
	struct uid_set uids = { 0 }, modified = { 0 };
	struct remote_store store = { &uids, &seen, &draft, 45 };

	(void)state;
	open_selected(&scene);
	script_add(&scene.script,
		"UID STORE 1:3 (UNCHANGEDSINCE 45) +FLAGS.SILENT (\\Seen)",
		"* 1 FETCH (UID 1 MODSEQ (51))\r\n% OK [MODIFIED 2] some\r\n");
	script_add(&scene.script, "UID STORE 1,3 -FLAGS.SILENT (\\Draft)",
		"% OK\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 3);
	expect(remote_store(scene.remote, &store, &modified, &scene.error),
		&scene.error);
	assert_int_equal(uid_set_count(&modified), 1);
	assert_true(uid_set_contains(&modified, 2));
	uid_set_finish(&uids);
	uid_set_finish(&modified);
	scene_close(&scene);
}

static void test_a_receipt_that_does_not_add_up_is_none(void **state)
{
	struct scene scene;
	struct uid_set uids = { 0 };
	struct remote_receipt receipt;

	(void)state;
	open_selected(&scene);
	script_add(&scene.script, "UID MOVE 1:2 Trash",
		"* OK [COPYUID 9 1:2 8,7] moved\r\n* 1 EXPUNGE\r\n% OK\r\n");
	script_add(&scene.script, "UID COPY 1:2 Trash",
		"% OK [COPYUID 9 1:2 8] copied\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 2);
	expect(remote_move(scene.remote, &uids, "Trash", &scene.fixture.arena,
		       &receipt, &scene.error),
		&scene.error);
	assert_true(receipt.has_uids);
	assert_int_equal(receipt.pair_count, 2);
	assert_int_equal(receipt.pairs[0].from, 1);
	assert_int_equal(receipt.pairs[0].to, 8);
	assert_int_equal(receipt.pairs[1].to, 7);
	expect(remote_copy(scene.remote, &uids, "Trash", &scene.fixture.arena,
		       &receipt, &scene.error),
		&scene.error);
	assert_false(receipt.has_uids);
	uid_set_finish(&uids);
	scene_close(&scene);
}

/* ---- Uploads ---- */

static int64_t read_letters(void *data, uint8_t *bytes, size_t size)
{
	(void)data;
	memset(bytes, 'a', size);
	return (int64_t)size;
}

static int64_t read_failure(void *data, uint8_t *bytes, size_t size)
{
	(void)data;
	(void)bytes;
	(void)size;
	return -1;
}

static void fill(struct remote_append *appends, size_t count)
{
	for (size_t i = 0; i < count; i++)
		appends[i] = (struct remote_append){
			.wire_name = "box",
			.size = 10,
			.read = read_letters,
		};
}

static void test_every_upload_knows_how_it_ended(void **state)
{
	struct scene scene;
	struct remote_append appends[4];

	(void)state;
	script_init(&scene.script, "UIDPLUS");
	script_add(&scene.script, "APPEND box ", "+ go\r\n");
	script_add_step(&scene.script,
		(struct script_step){ .wants = "\r\n",
			.says = "% OK [APPENDUID 7 20] done\r\n",
			.octets = 10,
			.is_untagged = true });
	script_add(&scene.script, "APPEND box ", "% NO [TOOBIG] no\r\n");
	script_add(&scene.script, "APPEND box ", "+ go\r\n");
	script_add_step(&scene.script,
		(struct script_step){
			.wants = "\r\n", .octets = 10, .is_untagged = true });
	/* Then the fourth's line comes, and the connection ends. */
	script_add(&scene.script, "APPEND box ", NULL);
	scene_open(&scene);
	fill(appends, 4);
	expect_error(remote_append(scene.remote, appends, 4, &scene.error),
		&scene.error, ERROR_DISCONNECTED);
	assert_int_equal(appends[0].outcome, REMOTE_APPEND_DONE);
	assert_int_equal(appends[0].uid, 20);
	assert_int_equal(appends[0].uid_validity, 7);
	assert_int_equal(appends[1].outcome, REMOTE_APPEND_REFUSED);
	assert_true(appends[1].is_too_big);
	assert_string_equal(appends[1].message, "[TOOBIG] no");
	assert_int_equal(appends[2].outcome, REMOTE_APPEND_UNCERTAIN);
	assert_int_equal(appends[3].outcome, REMOTE_APPEND_UNSENT);
	scene_close(&scene);
}

/* A command with `count` messages of ten octets, to the end of its line. */
static void add_batch(struct script *script, unsigned count, const char *says)
{
	script_add(script, "APPEND box ", NULL);
	for (unsigned i = 0; i < count; i++)
		script_add_step(script,
			(struct script_step){
				.wants = i + 1 < count ? "{10+}\r\n" : "\r\n",
				.says = i + 1 < count ? NULL : says,
				.octets = 10,
				.is_untagged = true,
			});
}

static void open_multiappend(struct scene *scene)
{
	script_init(&scene->script, "UIDPLUS LITERAL+ MULTIAPPEND");
}

static void test_neighbours_go_up_in_one_command(void **state)
{
	struct scene scene;
	struct remote_append appends[5];
	static const uint32_t uids[] = { 20, 23, 22, 30, 31 };

	(void)state;
	open_multiappend(&scene);
	add_batch(&scene.script, 3, "% OK [APPENDUID 7 20,23:22] done\r\n");
	add_batch(&scene.script, 1, "% OK [APPENDUID 7 30] done\r\n");
	add_batch(&scene.script, 1, "% OK [APPENDUID 7 31] done\r\n");
	script_add(&scene.script, "NOOP", "% OK\r\n");
	scene_open(&scene);
	fill(appends, 5);
	appends[3].goes_alone = true;
	expect(remote_append(scene.remote, appends, 5, &scene.error),
		&scene.error);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(appends[i].outcome, REMOTE_APPEND_DONE);
		assert_int_equal(appends[i].uid_validity, 7);
		assert_int_equal(appends[i].uid, uids[i]);
	}
	expect(remote_probe(scene.remote, &scene.error), &scene.error);
	scene_close(&scene);
}

static void test_uids_that_fit_no_messages_bind_none(void **state)
{
	static const char *const ANSWERS[] = {
		"% OK done\r\n",
		"% OK [APPENDUID 7 20] done\r\n",
		"% OK [APPENDUID 7 20:21] done\r\n",
		"% OK [APPENDUID 7 20:23] done\r\n",
		"% OK [APPENDUID 7 20,21,20] done\r\n",
		"% OK [APPENDUID 0 20:22] done\r\n",
		"% OK [APPENDUID 7 1:4294967295] done\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(ANSWERS); i++) {
		struct scene scene;
		struct remote_append appends[3];

		open_multiappend(&scene);
		add_batch(&scene.script, 3, ANSWERS[i]);
		scene_open(&scene);
		fill(appends, 3);
		expect(remote_append(scene.remote, appends, 3, &scene.error),
			&scene.error);
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(
				appends[k].outcome, REMOTE_APPEND_DONE);
			assert_int_equal(appends[k].uid, 0);
		}
		scene_close(&scene);
	}
}

static void test_a_refused_batch_tells_of_all_its_messages(void **state)
{
	static const char *const ANSWERS[] = {
		"% NO [OVERQUOTA] full\r\n",
		"% BAD what is this\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(ANSWERS); i++) {
		struct scene scene;
		struct remote_append appends[2];

		open_multiappend(&scene);
		add_batch(&scene.script, 2, ANSWERS[i]);
		script_add(&scene.script, "NOOP", "% OK\r\n");
		scene_open(&scene);
		fill(appends, 2);
		expect(remote_append(scene.remote, appends, 2, &scene.error),
			&scene.error);
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(appends[k].outcome,
				REMOTE_APPEND_REFUSED_TOGETHER);
			assert_int_equal(appends[k].is_too_big, i == 0);
			assert_string_equal(appends[k].message,
				i == 0 ? "[OVERQUOTA] full" : "what is this");
		}
		/* BAD: a server that cannot do what it promises. */
		assert_int_equal(
			remote_abilities(scene.remote)->has_multiappend,
			i == 0);
		expect(remote_probe(scene.remote, &scene.error), &scene.error);
		scene_close(&scene);
	}
}

/* Two of three were sent: both can be there, the third cannot. */
static void test_a_broken_batch_is_uncertain_as_far_as_sent(void **state)
{
	struct scene scene;
	struct remote_append appends[3];

	(void)state;
	script_init(&scene.script, "UIDPLUS MULTIAPPEND");
	script_add(&scene.script, "APPEND box ", "+ go\r\n");
	for (int i = 0; i < 2; i++)
		script_add_step(&scene.script,
			(struct script_step){
				.wants = "{10}\r\n",
				.says = i == 0 ? "+ go\r\n" : NULL,
				.octets = 10,
				.is_untagged = true,
			});
	scene_open(&scene);
	fill(appends, 3);
	expect_error(remote_append(scene.remote, appends, 3, &scene.error),
		&scene.error, ERROR_DISCONNECTED);
	assert_int_equal(appends[0].outcome, REMOTE_APPEND_UNCERTAIN);
	assert_int_equal(appends[1].outcome, REMOTE_APPEND_UNCERTAIN);
	assert_int_equal(appends[2].outcome, REMOTE_APPEND_UNSENT);
	scene_close(&scene);
}

/* A thousand octets of keywords each: seven of them under 8,000. */
static void test_a_batch_keeps_its_line_short(void **state)
{
	struct scene scene;
	struct remote_append appends[9];
	struct flags flags = { 0 };

	(void)state;
	open_multiappend(&scene);
	add_batch(&scene.script, 7, "% OK [APPENDUID 7 1:7] done\r\n");
	add_batch(&scene.script, 2, "% OK [APPENDUID 7 8:9] done\r\n");
	scene_open(&scene);
	for (int i = 0; i < 20; i++) {
		char name[50];
		int keyword;

		(void)snprintf(name, sizeof(name), "%049d", i);
		keyword = keyword_table_intern(&scene.fixture.keywords, name);
		assert_true(keyword >= 0);
		flags_set_keyword(&flags, (unsigned)keyword);
	}
	fill(appends, 9);
	for (size_t i = 0; i < 9; i++)
		appends[i].flags = flags;
	expect(remote_append(scene.remote, appends, 9, &scene.error),
		&scene.error);
	assert_int_equal(appends[8].uid, 9);
	scene_close(&scene);
}

static void test_a_batch_keeps_small(void **state)
{
	enum {
		SIZE = 600000
	};
	struct scene scene;
	struct remote_append appends[2];

	(void)state;
	open_multiappend(&scene);
	for (int i = 0; i < 2; i++) {
		script_add(&scene.script, "{600000}\r\n", "+ go\r\n");
		script_add_step(&scene.script,
			(struct script_step){
				.wants = "\r\n",
				.says = "% OK [APPENDUID 7 1] done\r\n",
				.octets = SIZE,
				.is_untagged = true,
			});
	}
	scene_open(&scene);
	fill(appends, 2);
	appends[0].size = appends[1].size = SIZE;
	expect(remote_append(scene.remote, appends, 2, &scene.error),
		&scene.error);
	assert_int_equal(appends[1].outcome, REMOTE_APPEND_DONE);
	scene_close(&scene);
}

static void test_a_message_that_cannot_be_read_is_not_stored(void **state)
{
	struct scene scene;
	struct remote_append append;

	(void)state;
	script_init(&scene.script, "");
	script_add(&scene.script, "APPEND box ", "+ go\r\n");
	scene_open(&scene);
	fill(&append, 1);
	append.read = read_failure;
	expect_error(remote_append(scene.remote, &append, 1, &scene.error),
		&scene.error, ERROR_SYSTEM);
	assert_int_equal(append.outcome, REMOTE_APPEND_UNSENT);
	assert_true(remote_is_dead(scene.remote));
	scene_close(&scene);
}

/* ---- Login ---- */

static void test_login_failures_say_what_can_be_done(void **state)
{
	static const struct {
		const char *greeting, *answer;
		enum error_code code;
		const char *words;
	} CASES[] = {
		{ "* BYE too busy\r\n", NULL, ERROR_UNREACHABLE, "too busy" },
		{ "* OK [CAPABILITY IMAP4rev1] hi\r\n",
			"% NO [AUTHENTICATIONFAILED] wrong\r\n", ERROR_AUTH,
			"wrong" },
		{ "* OK [CAPABILITY IMAP4rev1] hi\r\n",
			"% NO [UNAVAILABLE] later\r\n", ERROR_UNREACHABLE,
			"later" },
		{ "* OK [CAPABILITY IMAP4rev1] hi\r\n",
			"* BYE wrong password\r\n", ERROR_AUTH,
			"wrong password" },
		{ "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n", NULL,
			ERROR_AUTH, "offers no mechanism" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct script script = { 0 };
		struct fixture fixture;
		char message[ERROR_MESSAGE_SIZE];

		script_add(&script, NULL, CASES[i].greeting);
		if (CASES[i].answer != NULL)
			script_add(&script, "LOGIN user pass", CASES[i].answer);
		script_start(&script);
		fixture_init(&fixture, script.peer.port);
		assert_int_equal(
			fixture_open_error(&fixture, message), CASES[i].code);
		assert_non_null(strstr(message, CASES[i].words));
		fixture_finish(&fixture);
		script_finish(&script);
	}
}

static void test_exchange_lets_in_who_has_no_mailbox(void **state)
{
	struct script script;
	struct fixture fixture;

	(void)state;
	script_init(&script, "ID");
	script_add(&script, "ID (\"name\" \"mailtwin\"",
		"% BAD User is authenticated but not connected.\r\n");
	script_start(&script);
	fixture_init(&fixture, script.peer.port);
	assert_int_equal(fixture_open_error(&fixture, NULL), ERROR_AUTH);
	fixture_finish(&fixture);
	script_finish(&script);
}

static void test_what_plain_refuses_login_may_take_once(void **state)
{
	struct script script = { 0 };
	struct fixture fixture;

	(void)state;
	script_add(&script, NULL,
		"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
	script_add(&script, "AUTHENTICATE PLAIN AHVzZXIAcGFzcw==",
		"% NO AUTHENTICATE failed\r\n");
	script_add(&script, "LOGIN user pass",
		"% OK [CAPABILITY IMAP4rev1] in\r\n");
	script_start(&script);
	fixture_init(&fixture, script.peer.port);
	remote_close(fixture_open(&fixture));
	assert_int_equal(fixture.secret_count, 1);
	fixture_finish(&fixture);
	script_finish(&script);
}

static void test_a_stale_token_is_fetched_anew_once(void **state)
{
	struct script script = { 0 };
	struct fixture fixture;

	(void)state;
	script_add(&script, NULL,
		"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\r\n");
	/* {"status":"401"} */
	script_add(&script, "AUTHENTICATE XOAUTH2 ",
		"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n");
	script_add_step(&script,
		(struct script_step){ .wants = "\r\n",
			.says = "% NO invalid\r\n",
			.is_untagged = true });
	script_add(&script, "AUTHENTICATE XOAUTH2 ",
		"% OK [CAPABILITY IMAP4rev1] in\r\n");
	script_start(&script);
	fixture_init(&fixture, script.peer.port);
	fixture.account.password = NULL;
	fixture.account.token_command = "print-token";
	fixture.secret = "old";
	fixture.fresh_secret = "new";
	remote_close(fixture_open(&fixture));
	assert_int_equal(fixture.secret_count, 2);
	fixture_finish(&fixture);
	script_finish(&script);
}

static void test_without_starttls_nothing_goes_on_in_plaintext(void **state)
{
	struct script script = { 0 };
	struct fixture fixture;
	char message[ERROR_MESSAGE_SIZE];

	(void)state;
	script_add(&script, NULL, "* OK hi\r\n");
	script_add(&script, "CAPABILITY", "* CAPABILITY IMAP4rev1\r\n% OK\r\n");
	script_start(&script);
	fixture_init(&fixture, script.peer.port);
	fixture.account.tls = CONFIG_TLS_STARTTLS;
	assert_int_equal(
		fixture_open_error(&fixture, message), ERROR_UNREACHABLE);
	assert_non_null(strstr(message, "STARTTLS"));
	assert_int_equal(fixture.secret_count, 0);
	fixture_finish(&fixture);
	script_finish(&script);
}

/* ---- Watching ---- */

static void set_flag(void *data)
{
	bool *flag = data;

	*flag = true;
}

static void test_a_connection_lost_while_idling_wakes(void **state)
{
	struct scene scene;
	bool is_woken = false;

	(void)state;
	script_init(&scene.script, "IDLE");
	script_add(&scene.script, "SELECT box", SELECTED("") "% OK\r\n");
	script_add(
		&scene.script, "IDLE", "+ idling\r\n* BYE shutting down\r\n");
	scene_open(&scene);
	remote_set_wakeup(scene.remote, set_flag, &is_woken);
	expect(remote_idle_start(scene.remote, "box", &scene.error),
		&scene.error);
	assert_true(is_woken || fixture_wait(&scene.fixture, &is_woken));
	assert_true(remote_take_changed(scene.remote));
	assert_true(remote_is_dead(scene.remote));
	assert_non_null(
		strstr(remote_death(scene.remote)->message, "shutting down"));
	scene_close(&scene);
}

static void test_an_idle_that_is_refused_is_no_disaster(void **state)
{
	struct scene scene;

	(void)state;
	script_init(&scene.script, "IDLE");
	script_add(&scene.script, "SELECT box", SELECTED("") "% OK\r\n");
	script_add(&scene.script, "IDLE", "% NO not here\r\n");
	script_add(&scene.script, "NOOP", "* 3 EXISTS\r\n% OK\r\n");
	scene_open(&scene);
	expect_error(remote_idle_start(scene.remote, "box", &scene.error),
		&scene.error, ERROR_REFUSED);
	assert_false(remote_is_idle(scene.remote));
	assert_false(remote_take_changed(scene.remote));
	expect(remote_probe(scene.remote, &scene.error), &scene.error);
	assert_true(remote_take_changed(scene.remote));
	scene_close(&scene);
}

static void test_idle_begins_again_when_the_server_ends_it(void **state)
{
	struct scene scene;
	bool is_woken = false;

	(void)state;
	script_init(&scene.script, "IDLE");
	script_add(&scene.script, "SELECT box", SELECTED("") "% OK\r\n");
	script_add(&scene.script, "IDLE", "+ idling\r\n% OK enough\r\n");
	script_add(&scene.script, "IDLE", "+ idling\r\n* 3 EXISTS\r\n");
	script_add_step(&scene.script,
		(struct script_step){ .wants = "DONE",
			.says = "% OK\r\n",
			.is_untagged = true });
	script_add(&scene.script, "NOOP", "% OK\r\n");
	scene_open(&scene);
	remote_set_wakeup(scene.remote, set_flag, &is_woken);
	expect(remote_idle_start(scene.remote, "box", &scene.error),
		&scene.error);
	assert_true(is_woken || fixture_wait(&scene.fixture, &is_woken));
	assert_false(remote_is_dead(scene.remote));
	expect(remote_probe(scene.remote, &scene.error), &scene.error);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_server_without_list_status_is_asked_one_by_one),
		cmocka_unit_test(test_a_list_with_holes_is_no_list),
		cmocka_unit_test(test_a_false_vanished_is_checked_by_a_listing),
		cmocka_unit_test(test_counts_that_agree_need_no_listing),
		cmocka_unit_test(
			test_when_nothing_can_be_listed_absence_proves_nothing),
		cmocka_unit_test(test_another_uidvalidity_is_a_new_epoch),
		cmocka_unit_test(test_without_modseqs_all_flags_are_read),
		cmocka_unit_test(test_the_frontier_stops_at_what_was_not_told),
		cmocka_unit_test(test_a_mailbox_without_uidvalidity_is_refused),
		cmocka_unit_test(test_rows_of_a_big_mailbox_are_handed_over),
		cmocka_unit_test(
			test_rows_of_a_new_epoch_are_handed_over_as_such),
		cmocka_unit_test(test_rows_nobody_can_take_end_the_observation),
		cmocka_unit_test(test_odd_bodies_are_told_apart),
		cmocka_unit_test(
			test_one_refused_message_does_not_hide_the_others),
		cmocka_unit_test(test_a_cut_in_a_body_is_told_to_the_sink),
		cmocka_unit_test(test_what_somebody_else_changed_is_left_alone),
		cmocka_unit_test(test_a_receipt_that_does_not_add_up_is_none),
		cmocka_unit_test(test_every_upload_knows_how_it_ended),
		cmocka_unit_test(test_neighbours_go_up_in_one_command),
		cmocka_unit_test(test_uids_that_fit_no_messages_bind_none),
		cmocka_unit_test(
			test_a_refused_batch_tells_of_all_its_messages),
		cmocka_unit_test(
			test_a_broken_batch_is_uncertain_as_far_as_sent),
		cmocka_unit_test(test_a_batch_keeps_its_line_short),
		cmocka_unit_test(test_a_batch_keeps_small),
		cmocka_unit_test(
			test_a_message_that_cannot_be_read_is_not_stored),
		cmocka_unit_test(test_login_failures_say_what_can_be_done),
		cmocka_unit_test(test_exchange_lets_in_who_has_no_mailbox),
		cmocka_unit_test(test_what_plain_refuses_login_may_take_once),
		cmocka_unit_test(test_a_stale_token_is_fetched_anew_once),
		cmocka_unit_test(
			test_without_starttls_nothing_goes_on_in_plaintext),
		cmocka_unit_test(test_a_connection_lost_while_idling_wakes),
		cmocka_unit_test(test_an_idle_that_is_refused_is_no_disaster),
		cmocka_unit_test(
			test_idle_begins_again_when_the_server_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
