/* What a remote makes of a SELECT and its FETCHes, however odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "remote_scene.h"

/* ---- Observing ---- */

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

/* As with Cyrus: what was expunged above the highest UID that is left is not
   among EARLIER. Beside one that is, and should not be, the count agrees. */
static void test_a_witness_without_a_word_is_looked_for(void **state)
{
	struct scene scene;
	struct remote_known known = KNOWN;
	struct remote_view view;

	(void)state;
	known.witness = 19;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT box (QRESYNC (7 40))",
		"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n"
		"* OK [UIDNEXT 20] n\r\n* OK [HIGHESTMODSEQ 50] m\r\n"
		"* VANISHED (EARLIER) 5\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 19:4294967295", "% OK\r\n");
	script_add(&scene.script, "UID SEARCH RETURN (ALL COUNT) ALL",
		"* ESEARCH (TAG \"%\") UID ALL 5 COUNT 1\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_true(view.has_listing);
	assert_true(uid_set_contains(&view.listing, 5));
	assert_false(uid_set_contains(&view.vanished, 5));
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
	assert_false(view.is_put_back);
	assert_true(uid_set_is_empty(&view.vanished));
	assert_int_equal(view.uid_validity, 8);
	assert_int_equal(view.uid_next, 2);
	assert_int_equal(view.message_row_count, 1);
	assert_true(view.messages[0].has_size);
	remote_view_finish(&view);
	scene_close(&scene);
}

/* The server was put back to what it was some time ago. */
static void check_went_back(const char *selected)
{
	struct scene scene;
	struct remote_view view;

	open_qresync(&scene);
	script_add(&scene.script, "SELECT", selected);
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295 (UID FLAGS INTERNAL",
		"* 1 FETCH (UID 5 FLAGS (\\Seen) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(view.is_new_epoch && view.has_listing);
	assert_true(uid_set_is_empty(&view.vanished));
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_numbers_that_went_back_are_a_new_epoch(void **state)
{
	(void)state;
	check_went_back("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n"
			"* OK [UIDNEXT 12] n\r\n"
			"* OK [HIGHESTMODSEQ 50] m\r\n% OK\r\n");
	check_went_back("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n"
			"* OK [UIDNEXT 20] n\r\n"
			"* OK [HIGHESTMODSEQ 39] m\r\n% OK\r\n");
}

/* Another one went without a word, so that the counts would agree. */
static void test_what_is_told_of_has_not_vanished(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT",
		"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n"
		"* OK [UIDNEXT 20] n\r\n* OK [HIGHESTMODSEQ 50] m\r\n"
		"* VANISHED (EARLIER) 5\r\n"
		"* 1 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (48))\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID SEARCH RETURN (ALL COUNT) ALL",
		"* ESEARCH (TAG \"%\") UID ALL 5 COUNT 1\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(view.has_listing && uid_set_contains(&view.listing, 5));
	assert_false(uid_set_contains(&view.vanished, 5));
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_what_came_before_closed_is_of_another_mailbox(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT",
		"* VANISHED 12\r\n* 1 FETCH (UID 5 FLAGS (\\Deleted))\r\n"
		"* OK [CLOSED] c\r\n" SELECTED(MODSEQ_50) "% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_true(uid_set_is_empty(&view.vanished));
	assert_int_equal(view.message_row_count, 0);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_the_anchor_stays_behind_what_could_not_be_read(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT",
		SELECTED(MODSEQ_50) "* 1 FETCH (UID 5 UID 6)\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID SEARCH RETURN (ALL COUNT) ALL",
		"* ESEARCH (TAG \"%\") UID ALL 5,12 COUNT 2\r\n% OK\r\n");
	observe(&scene, &KNOWN, &view);
	assert_int_equal(view.highest_modseq, KNOWN.highest_modseq);
	remote_view_finish(&view);
	scene_close(&scene);
}

/* It was given out, as a receipt told. */
static void test_a_bound_uid_that_is_still_to_come_is_a_new_epoch(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.last_uid = 20;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT", SELECTED("") "% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295 (UID FLAGS INTERNAL",
		"* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n"
		"* 2 FETCH (UID 2 FLAGS (\\Seen) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_true(view.is_new_epoch && view.is_put_back);
	assert_int_equal(view.message_row_count, 2);
	remote_view_finish(&view);
	scene_close(&scene);
}

/* In the FETCH of new ones; it is no change. */
static void test_the_witness_is_told_with_the_new_ones(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.witness = 19;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT", SELECTED(MODSEQ_50) "% OK\r\n");
	script_add(&scene.script, "UID FETCH 19:4294967295 (UID FLAGS MODSEQ",
		"* 2 FETCH (UID 19 FLAGS () MODSEQ (40) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_false(view.is_new_epoch || view.has_listing);
	assert_int_equal(view.witness.uid, 19);
	assert_int_equal(view.witness.size, 9);
	assert_int_equal(view.message_row_count, 1);
	assert_false(view.messages[0].has_size);
	remote_view_finish(&view);
	scene_close(&scene);
}

static void test_a_server_known_to_be_put_back_is_read_anew(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.is_put_back = true;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT", SELECTED(MODSEQ_50) "% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:", "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:4294967295 (UID FLAGS INTERNAL",
		"* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n"
		"* 2 FETCH (UID 2 FLAGS (\\Seen) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_true(view.is_new_epoch && view.is_put_back);
	assert_int_equal(view.message_row_count, 2);
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

/* A call of the second flight may have the place in memory that SELECT's had in
   the first: its NO is not one to SELECT, after which nothing is there. */
static void test_what_is_refused_twice_is_not_an_empty_mailbox(void **state)
{
	struct scene scene;
	struct remote_view view;

	(void)state;
	script_init(&scene.script, "CONDSTORE");
	script_add(&scene.script, "SELECT box (CONDSTORE)",
		SELECTED(MODSEQ_50) "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:19 (UID FLAGS MODSEQ) (CHANGED",
		"% NO not now\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295", "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:19 (UID FLAGS)\r\n",
		"% NO not now\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295 (UID FLAGS INT",
		"% OK\r\n");
	scene_open(&scene);
	assert_false(remote_observe(scene.remote, &KNOWN, &NO_SINK,
		&scene.fixture.arena, &view, &scene.error));
	assert_int_equal(scene.error.code, ERROR_REFUSED);
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
	assert_int_equal(view.untold_count, 1);
	remote_view_finish(&view);
	scene_close(&scene);
}

/* One went without a word and one that came is left out: as many as before.
   What UIDNEXT leaves room for tells. */
static void test_new_ones_left_out_are_searched_for(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.uid_next = 15;
	script_init(&scene.script, "CONDSTORE");
	script_add(&scene.script, "SELECT box (CONDSTORE)",
		SELECTED(MODSEQ_50) "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:14 (", "% OK\r\n");
	script_add(&scene.script, "UID FETCH 15:4294967295 (", "% OK\r\n");
	script_add(&scene.script, "UID SEARCH UID 15:4294967295",
		"* SEARCH 19\r\n% OK\r\n");
	script_add(
		&scene.script, "UID SEARCH ALL", "* SEARCH 5 19\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 19 (",
		"* 2 FETCH (UID 19 FLAGS () RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_true(view.has_listing);
	assert_int_equal(uid_set_count(&view.listing), 2);
	assert_int_equal(view.message_row_count, 1);
	assert_int_equal(view.uid_next, 20);
	assert_int_equal(view.untold_count, 0);
	remote_view_finish(&view);
	scene_close(&scene);
}

/* UID 18 was bound by a receipt, and went. */
static void test_new_ones_told_of_are_not_searched_for(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.uid_next = 18;
	open_qresync(&scene);
	script_add(&scene.script, "SELECT box (QRESYNC (7 40))",
		SELECTED(MODSEQ_50) "* VANISHED (EARLIER) 18\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 18:4294967295",
		"* 2 FETCH (UID 19 FLAGS () MODSEQ (49) RFC822.SIZE 9 "
		"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_false(view.has_listing || view.is_doubtful);
	assert_int_equal(view.message_row_count, 1);
	assert_int_equal(view.uid_next, 20);
	remote_view_finish(&view);
	scene_close(&scene);
}

/* UID 5 is told and goes, UID 6 is left out: as many as there are. */
static void test_a_listing_some_vanish_from_is_none(void **state)
{
	struct scene scene;
	struct remote_view view;
	struct remote_known known = KNOWN;

	(void)state;
	known.highest_modseq = 0;
	script_init(&scene.script, "");
	script_add(&scene.script, "SELECT box\r\n", SELECTED("") "% OK\r\n");
	script_add(&scene.script, "UID FETCH 1:19 (UID FLAGS)",
		"* 1 FETCH (UID 5 FLAGS ())\r\n% OK\r\n");
	script_add(&scene.script, "UID FETCH 20:4294967295",
		"* 1 EXPUNGE\r\n% OK\r\n");
	script_add(&scene.script, "UID SEARCH ALL", "* SEARCH 6\r\n% OK\r\n");
	observe(&scene, &known, &view);
	assert_true(view.has_listing);
	assert_true(uid_set_contains(&view.listing, 6));
	assert_false(uid_set_contains(&view.listing, 5));
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

struct taken {
	struct uid_set uids, flagged;
	size_t chunk_count;
	bool is_new_epoch, fails;
};

#define MANY 2500

static bool take(
	void *data, const struct remote_view *view, struct error *error)
{
	struct taken *taken = data;

	if (taken->fails)
		return error_set(error, ERROR_SYSTEM, "disk full");
	assert_in_range(view->message_row_count, 1, REMOTE_ROW_CHUNK);
	assert_int_not_equal(view->uid_validity, 0);
	assert_true(view->allows_new_keywords);
	assert_string_equal(view->mailbox_id, "M7");
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
		"* OK [UIDNEXT %u] n\r\n* OK [MAILBOXID (M7)] i\r\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_false_vanished_is_checked_by_a_listing),
		cmocka_unit_test(test_a_witness_without_a_word_is_looked_for),
		cmocka_unit_test(test_counts_that_agree_need_no_listing),
		cmocka_unit_test(
			test_when_nothing_can_be_listed_absence_proves_nothing),
		cmocka_unit_test(test_another_uidvalidity_is_a_new_epoch),
		cmocka_unit_test(test_numbers_that_went_back_are_a_new_epoch),
		cmocka_unit_test(test_what_is_told_of_has_not_vanished),
		cmocka_unit_test(
			test_what_came_before_closed_is_of_another_mailbox),
		cmocka_unit_test(
			test_the_anchor_stays_behind_what_could_not_be_read),
		cmocka_unit_test(
			test_a_bound_uid_that_is_still_to_come_is_a_new_epoch),
		cmocka_unit_test(test_the_witness_is_told_with_the_new_ones),
		cmocka_unit_test(
			test_a_server_known_to_be_put_back_is_read_anew),
		cmocka_unit_test(test_without_modseqs_all_flags_are_read),
		cmocka_unit_test(
			test_what_is_refused_twice_is_not_an_empty_mailbox),
		cmocka_unit_test(test_the_frontier_stops_at_what_was_not_told),
		cmocka_unit_test(test_new_ones_left_out_are_searched_for),
		cmocka_unit_test(test_new_ones_told_of_are_not_searched_for),
		cmocka_unit_test(test_a_listing_some_vanish_from_is_none),
		cmocka_unit_test(test_a_mailbox_without_uidvalidity_is_refused),
		cmocka_unit_test(test_rows_of_a_big_mailbox_are_handed_over),
		cmocka_unit_test(
			test_rows_of_a_new_epoch_are_handed_over_as_such),
		cmocka_unit_test(test_rows_nobody_can_take_end_the_observation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
