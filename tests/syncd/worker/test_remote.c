/* A remote against servers that are odd, unwilling or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "remote_scene.h"

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
		"* LIST () \"/\" a\x01\r\n"
		"* LIST () \"/\" {2}\r\n\x01y\r\n"
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
	assert_int_equal(remote_skipped_count(scene.remote), 3);
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
	struct remote_store store = { &uids, &seen, &draft, 45, NULL };

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

/* STORE of what is gone is OK, so only the answer tells who was there; one
   without UID tells of nobody. */
static void test_without_a_condition_the_answer_tells_who_is_there(void **state)
{
	struct scene scene;
	struct flags seen = { .system = FLAG_SEEN };
	struct flags draft = { .system = FLAG_DRAFT };
	struct uid_set uids = { 0 }, told = { 0 };
	struct remote_store store = { &uids, &seen, &draft, 0, &told };

	(void)state;
	script_init(&scene.script, "UIDPLUS MOVE");
	script_add(&scene.script, "SELECT box", SELECTED("") "% OK\r\n");
	script_add(&scene.script, "UID STORE 1:3 +FLAGS (\\Seen)",
		"* 1 FETCH (FLAGS (\\Seen) UID 1)\r\n"
		"* 2 FETCH (FLAGS (\\Seen))\r\n"
		"* 3 FETCH (FLAGS (\\Seen) UID 3)\r\n% OK\r\n");
	script_add(&scene.script, "UID STORE 1,3 -FLAGS (\\Draft)",
		"* 1 FETCH (FLAGS (\\Seen) UID 1)\r\n% OK\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 3);
	expect(remote_store(scene.remote, &store, NULL, &scene.error),
		&scene.error);
	assert_int_equal(uid_set_count(&told), 1);
	assert_true(uid_set_contains(&told, 1));
	uid_set_finish(&uids);
	uid_set_finish(&told);
	scene_close(&scene);
}

static void expect_gone(
	struct scene *scene, const struct uid_set *uids, const char *expected)
{
	struct uid_set gone = { 0 };
	struct buf text = { 0 };
	size_t range_index = 0;

	expect(remote_expunge(scene->remote, uids, &gone, &scene->error),
		&scene->error);
	(void)uid_set_write(&gone, &range_index, 100, &text);
	assert_string_equal(buf_text(&text), expected);
	buf_finish(&text);
	uid_set_finish(&gone);
}

/* Somebody else may have taken \\Deleted away. EXPUNGE names no UIDs, and may
   be of others; what was gone before is not told again. */
static void test_what_was_removed_is_what_is_not_there(void **state)
{
	struct scene scene;
	struct uid_set uids = { 0 };

	(void)state;
	open_selected(&scene);
	script_add(&scene.script, "UID EXPUNGE 1:4",
		"* VANISHED 1:3\r\n* VANISHED 4,9\r\n% OK\r\n");
	script_add(
		&scene.script, "UID EXPUNGE 1:4", "* VANISHED 2\r\n% OK\r\n");
	script_add(
		&scene.script, "UID SEARCH UID 1:4", "* SEARCH 3\r\n% OK\r\n");
	script_add(&scene.script, "UID EXPUNGE 1:4",
		"* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n"
		"* 1 EXPUNGE\r\n% OK\r\n");
	script_add(&scene.script, "UID SEARCH UID 1:4",
		"* SEARCH 4 1\r\n% OK\r\n");
	script_add(
		&scene.script, "UID EXPUNGE 1:4", "* VANISHED 2\r\n% OK\r\n");
	script_add(&scene.script, "UID SEARCH UID 1:4", "% NO not now\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 4);
	expect_gone(&scene, &uids, "1:4");
	expect_gone(&scene, &uids, "1:2,4");
	expect_gone(&scene, &uids, "2:3");
	expect_gone(&scene, &uids, "2");
	uid_set_finish(&uids);
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

#define ROW(number)                                                            \
	"* " number " FETCH (UID " number " FLAGS () RFC822.SIZE 9 "           \
	"INTERNALDATE \" 9-Feb-2007 01:02:03 +0000\")\r\n"

/* RFC 9738, 3.1: from the highest UID down, and OK at the end of a part. */
static void test_what_a_limit_left_out_is_asked_for(void **state)
{
	struct scene scene;
	struct uid_set uids = { 0 };
	struct remote_message *messages;
	size_t count;

	(void)state;
	open_selected(&scene);
	script_add(&scene.script, "UID FETCH 1:3 (",
		ROW("3") "% OK [MESSAGELIMIT 1 3] more\r\n");
	script_add(
		&scene.script, "UID FETCH 1:2 (", ROW("1") ROW("2") "% OK\r\n");
	select_box(&scene);
	uid_set_add_range(&uids, 1, 3);
	expect(remote_fetch_messages(scene.remote, &uids, &scene.fixture.arena,
		       &messages, &count, &scene.error),
		&scene.error);
	assert_int_equal(count, 3);
	uid_set_finish(&uids);
	scene_close(&scene);
}

static void test_a_mailbox_with_messages_is_not_deleted(void **state)
{
	struct scene scene;

	(void)state;
	script_init(&scene.script, "");
	script_add(&scene.script, "STATUS Old (",
		"* STATUS Old (MESSAGES 1 UIDNEXT 9 UIDVALIDITY 7 UNSEEN 0)\r\n"
		"% OK\r\n");
	scene_open(&scene);
	assert_false(remote_delete_empty(scene.remote, "Old", &scene.error));
	assert_int_equal(scene.error.code, ERROR_REFUSED);
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
		cmocka_unit_test(test_odd_bodies_are_told_apart),
		cmocka_unit_test(
			test_one_refused_message_does_not_hide_the_others),
		cmocka_unit_test(test_a_cut_in_a_body_is_told_to_the_sink),
		cmocka_unit_test(test_what_somebody_else_changed_is_left_alone),
		cmocka_unit_test(
			test_without_a_condition_the_answer_tells_who_is_there),
		cmocka_unit_test(test_what_was_removed_is_what_is_not_there),
		cmocka_unit_test(test_a_receipt_that_does_not_add_up_is_none),
		cmocka_unit_test(test_what_a_limit_left_out_is_asked_for),
		cmocka_unit_test(test_a_mailbox_with_messages_is_not_deleted),
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
