/* A remote against a real server, on every rung. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "dovecot.h"
#include "remote_fixture.h"

static struct dovecot server;
static bool has_server;

#define REQUIRE_SERVER()                                                       \
	do {                                                                   \
		if (!has_server) {                                             \
			print_message("no dovecot here: skipped\n");           \
			skip();                                                \
		}                                                              \
	} while (0)

enum rung {
	QRESYNC,
	CONDSTORE,
	PLAIN,
	BARE, /* nothing but RFC 3501 */
	RUNG_COUNT,
};

static const char *const USERS[RUNG_COUNT] = { "qresync", "condstore", "plain",
	"bare" };

static void open_fixture(struct fixture *fixture, enum rung rung)
{
	fixture_init(fixture, server.port);
	fixture->account.user = USERS[rung];
	if (rung != QRESYNC)
		fixture_disable(fixture, "QRESYNC");
	if (rung != QRESYNC && rung != CONDSTORE)
		fixture_disable(fixture, "CONDSTORE");
	if (rung != BARE)
		return;
	fixture_disable(fixture, "LIST-STATUS");
	fixture_disable(fixture, "LITERAL+");
	fixture_disable(fixture, "ESEARCH");
	fixture_disable(fixture, "UNSELECT");
	fixture_disable(fixture, "SASL-IR");
}

/* ---- Uploads ---- */

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

static uint32_t append(struct remote *remote, const char *mailbox,
	const char *text, uint32_t flags)
{
	struct source source = { .text = text };
	struct remote_append append = {
		.wire_name = mailbox,
		.flags = { .system = flags },
		.internal_date = 1171011723,
		.size = strlen(text),
		.read = read_source,
		.data = &source,
	};
	struct error error = { 0 };

	expect(remote_append(remote, &append, 1, &error), &error);
	assert_int_equal(append.outcome, REMOTE_APPEND_DONE);
	assert_int_not_equal(append.uid, 0);
	return append.uid;
}

static const char *const MAILS[] = {
	"Subject: one\r\n\r\nfirst\r\n",
	"Subject: two\r\n\r\nsecond, no line end",
	"Subject: three\r\n\r\n",
};

/* ---- Downloads ---- */

struct collector {
	struct buf text;
	unsigned count;
	uint32_t last_uid;
};

static bool begin(void *data, uint32_t uid, uint64_t size)
{
	struct collector *collector = data;

	(void)size;
	collector->last_uid = uid;
	buf_clear(&collector->text);
	return true;
}

static bool take(
	void *data, const uint8_t *bytes, size_t size, struct error *error)
{
	struct collector *collector = data;

	(void)error;
	buf_add(&collector->text, bytes, size);
	return true;
}

static bool end(void *data, uint32_t uid, bool is_complete, struct error *error)
{
	struct collector *collector = data;

	(void)error;
	assert_true(is_complete);
	assert_int_equal(uid, collector->last_uid);
	collector->count++;
	return true;
}

static void check_body(struct remote *remote, uint32_t uid, const char *text)
{
	struct collector collector = { 0 };
	struct remote_sink sink = { begin, take, end, &collector };
	struct uid_set uids = { 0 };
	struct error error = { 0 };

	uid_set_add(&uids, uid);
	expect(remote_fetch_bodies(remote, &uids, &sink, NULL, &error), &error);
	assert_int_equal(collector.count, 1);
	assert_string_equal(buf_text(&collector.text), text);
	expect(remote_fetch_headers(remote, &uids, &sink, NULL, &error),
		&error);
	assert_int_equal(collector.count, 2);
	assert_true(collector.text.size <= strlen(text));
	buf_finish(&collector.text);
	uid_set_finish(&uids);
}

/* ---- Views ---- */

static struct remote_known after(
	const struct remote_view *view, const char *wire_name)
{
	return (struct remote_known){
		.wire_name = wire_name,
		.uid_validity = view->uid_validity,
		.highest_modseq = view->highest_modseq,
		.uid_next = view->uid_next,
		.message_count = view->message_count,
	};
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

static bool count_rows(
	void *data, const struct remote_view *view, struct error *error)
{
	size_t *count = data;

	(void)error;
	assert_in_range(view->message_row_count, 1, REMOTE_ROW_CHUNK);
	*count += view->message_row_count;
	return true;
}

static bool is_gone(const struct remote_view *view, uint32_t uid)
{
	if (view->has_listing)
		return !uid_set_contains(&view->listing, uid);
	return uid_set_contains(&view->vanished, uid);
}

static const struct remote_message *row(
	const struct remote_view *view, uint32_t uid)
{
	for (size_t i = 0; i < view->message_row_count; i++)
		if (view->messages[i].uid == uid)
			return &view->messages[i];
	return NULL;
}

static const struct remote_mailbox *mailbox(
	const struct remote_mailbox *mailboxes, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(mailboxes[i].name, name) == 0)
			return &mailboxes[i];
	return NULL;
}

/* ---- Scenes ---- */

static void mailboxes_come_and_go(enum rung rung)
{
	struct fixture fixture;
	struct remote *remote;
	struct remote_mailbox *mailboxes;
	const struct remote_mailbox *found;
	const char *wire_name, *new_wire_name;
	struct error error = { 0 };
	size_t count;

	open_fixture(&fixture, rung);
	remote = fixture_open(&fixture);
	expect(remote_create(remote, "Jäger & Töchter", &fixture.arena,
		       &wire_name, &error),
		&error);
	assert_string_equal(wire_name, "J&AOQ-ger &- T&APY-chter");
	expect(remote_create(remote, "Jäger & Töchter", &fixture.arena,
		       &wire_name, &error),
		&error);
	expect(remote_list(remote, &fixture.arena, &mailboxes, &count, &error),
		&error);
	found = mailbox(mailboxes, count, "INBOX");
	assert_non_null(found);
	assert_true(found->has_status && found->is_selectable);
	found = mailbox(mailboxes, count, "Trash");
	assert_non_null(found);
	assert_string_equal(found->special_use, "\\Trash");
	assert_non_null(mailbox(mailboxes, count, "Jäger & Töchter"));

	expect(remote_rename(remote, wire_name, "Neu", &fixture.arena,
		       &new_wire_name, &error),
		&error);
	(void)append(remote, "Neu", MAILS[0], 0);
	expect_error(remote_delete_empty(remote, "Neu", &error), &error,
		ERROR_REFUSED);
	expect(remote_list(remote, &fixture.arena, &mailboxes, &count, &error),
		&error);
	assert_null(mailbox(mailboxes, count, "Jäger & Töchter"));
	assert_int_equal(mailbox(mailboxes, count, "Neu")->message_count, 1);
	remote_logout(remote);
	remote_close(remote);
	fixture_finish(&fixture);
}

/* One mailbox that one device changes and the other one observes. */
struct scene {
	enum rung rung;
	struct fixture fixture;
	struct remote *remote, *other;
	struct remote_known known;
	struct remote_view view;
	struct error error;
	uint32_t uids[3];
};

/* Looks again; what was seen is known from then on. */
static void look(struct scene *scene)
{
	remote_view_finish(&scene->view);
	expect(remote_observe(scene->remote, &scene->known, &NO_SINK,
		       &scene->fixture.arena, &scene->view, &scene->error),
		&scene->error);
	assert_false(scene->view.is_doubtful || scene->view.is_new_epoch);
	scene->known = after(&scene->view, "Work");
}

static void see_an_empty_mailbox(struct scene *scene)
{
	look(scene);
	assert_int_equal(scene->view.message_count, 0);
	assert_true(scene->view.allows_new_keywords);
	assert_int_equal(scene->view.permanent_flags.system, FLAG_ALL_SYSTEM);
}

static void see_three_arrive(struct scene *scene)
{
	uint32_t *uids = scene->uids;

	for (size_t i = 0; i < 3; i++)
		uids[i] = append(scene->other, "Work", MAILS[i], 0);
	look(scene);
	assert_int_equal(scene->view.message_row_count, 3);
	assert_int_equal(scene->view.uid_next, uids[2] + 1);
	assert_int_equal(row(&scene->view, uids[1])->size, strlen(MAILS[1]));
	assert_int_equal(row(&scene->view, uids[1])->internal_date, 1171011723);
	assert_int_equal(
		scene->view.highest_modseq != 0, scene->rung <= CONDSTORE);
	for (size_t i = 0; i < 3; i++)
		check_body(scene->remote, uids[i], MAILS[i]);
}

static void add_flags(struct scene *scene, uint32_t uid, struct flags flags)
{
	struct uid_set uids = { 0 }, modified = { 0 };
	struct remote_store store = { .uids = &uids, .add = &flags };

	uid_set_add(&uids, uid);
	expect(remote_store(scene->other, &store, &modified, &scene->error),
		&scene->error);
	assert_true(uid_set_is_empty(&modified));
	uid_set_finish(&uids);
	uid_set_finish(&modified);
}

static void see_flags_and_a_removal(struct scene *scene)
{
	uint32_t *uids = scene->uids;
	unsigned cat =
		(unsigned)keyword_table_intern(&scene->fixture.keywords, "cat");
	struct flags both = { .system = FLAG_SEEN };
	struct flags deleted = { .system = FLAG_DELETED };
	struct uid_set removed = { 0 }, gone = { 0 };

	expect(remote_select(scene->other, "Work", scene->known.uid_validity,
		       &scene->error),
		&scene->error);
	flags_set_keyword(&both, cat);
	add_flags(scene, uids[0], both);
	add_flags(scene, uids[1], deleted);
	uid_set_add(&removed, uids[0]);
	uid_set_add(&removed, uids[1]);
	expect(remote_expunge(scene->other, &removed, &gone, &scene->error),
		&scene->error);
	assert_false(uid_set_contains(&gone, uids[0]));
	assert_true(uid_set_contains(&gone, uids[1]));
	uid_set_finish(&removed);
	uid_set_finish(&gone);
	look(scene);
	assert_int_equal(scene->view.message_count, 2);
	assert_non_null(row(&scene->view, uids[0]));
	assert_true(flags_equal(&row(&scene->view, uids[0])->flags, &both));
	assert_false(is_gone(&scene->view, uids[0]));
	assert_true(is_gone(&scene->view, uids[1]));
	assert_false(is_gone(&scene->view, uids[2]));
}

static void see_nothing(struct scene *scene)
{
	uint64_t modseq = scene->known.highest_modseq;

	look(scene);
	assert_int_equal(scene->view.message_row_count,
		scene->rung <= CONDSTORE ? 0 : 2);
	assert_int_equal(scene->view.highest_modseq, modseq);
}

static void see_all_leave(struct scene *scene)
{
	uint32_t *uids = scene->uids;
	struct remote_receipt receipt;
	struct uid_set both = { 0 };

	uid_set_add(&both, uids[0]);
	uid_set_add(&both, uids[2]);
	expect(remote_copy(scene->remote, &both, "Trash", &scene->fixture.arena,
		       &receipt, &scene->error),
		&scene->error);
	assert_true(receipt.has_uids);
	assert_int_equal(receipt.pair_count, 2);
	assert_int_equal(receipt.pairs[1].from, uids[2]);
	expect(remote_move(scene->remote, &both, "Trash", &scene->fixture.arena,
		       &receipt, &scene->error),
		&scene->error);
	assert_int_equal(receipt.pair_count, 2);
	assert_true(receipt.pairs[0].to < receipt.pairs[1].to);
	uid_set_finish(&both);
	look(scene);
	assert_int_equal(scene->view.message_count, 0);
	assert_true(is_gone(&scene->view, uids[0]));
	assert_true(is_gone(&scene->view, uids[2]));
	expect(remote_delete_empty(scene->remote, "Work", &scene->error),
		&scene->error);
}

static void changes_are_seen(enum rung rung)
{
	struct scene scene = { .rung = rung, .known = { .wire_name = "Work" } };
	const char *wire_name;

	open_fixture(&scene.fixture, rung);
	scene.remote = fixture_open(&scene.fixture);
	scene.other = fixture_open(&scene.fixture);
	expect(remote_create(scene.remote, "Work", &scene.fixture.arena,
		       &wire_name, &scene.error),
		&scene.error);
	see_an_empty_mailbox(&scene);
	see_three_arrive(&scene);
	see_flags_and_a_removal(&scene);
	see_nothing(&scene);
	see_all_leave(&scene);
	remote_view_finish(&scene.view);
	remote_close(scene.other);
	remote_close(scene.remote);
	fixture_finish(&scene.fixture);
}

#define ON_EVERY_RUNG(scene)                                                   \
	static void test_##scene##_with_qresync(void **state)                  \
	{                                                                      \
		(void)state;                                                   \
		REQUIRE_SERVER();                                              \
		scene(QRESYNC);                                                \
	}                                                                      \
	static void test_##scene##_with_condstore(void **state)                \
	{                                                                      \
		(void)state;                                                   \
		REQUIRE_SERVER();                                              \
		scene(CONDSTORE);                                              \
	}                                                                      \
	static void test_##scene##_with_plain_flags(void **state)              \
	{                                                                      \
		(void)state;                                                   \
		REQUIRE_SERVER();                                              \
		scene(PLAIN);                                                  \
	}                                                                      \
	static void test_##scene##_with_nothing(void **state)                  \
	{                                                                      \
		(void)state;                                                   \
		REQUIRE_SERVER();                                              \
		scene(BARE);                                                   \
	}

ON_EVERY_RUNG(mailboxes_come_and_go)
ON_EVERY_RUNG(changes_are_seen)

static void set_flag(void *data)
{
	bool *flag = data;

	*flag = true;
}

static void test_idle_notices_what_another_device_does(void **state)
{
	struct fixture fixture;
	struct remote *watcher, *other;
	struct error error = { 0 };
	bool is_woken = false;

	(void)state;
	REQUIRE_SERVER();
	open_fixture(&fixture, QRESYNC);
	watcher = fixture_open(&fixture);
	other = fixture_open(&fixture);
	expect(remote_idle_start(watcher, "INBOX", &error), &error);
	assert_true(remote_is_idle(watcher));
	remote_set_wakeup(watcher, set_flag, &is_woken);
	(void)remote_take_changed(watcher);
	is_woken = false;
	(void)append(other, "INBOX", MAILS[0], 0);
	assert_true(fixture_wait(&fixture, &is_woken));
	assert_true(remote_take_changed(watcher));
	assert_false(remote_is_dead(watcher));

	/* Anything else ends it, and it can begin again. */
	expect(remote_probe(watcher, &error), &error);
	assert_false(remote_is_idle(watcher));
	expect(remote_idle_start(watcher, "INBOX", &error), &error);
	is_woken = false;
	(void)append(other, "INBOX", MAILS[1], FLAG_SEEN);
	assert_true(fixture_wait(&fixture, &is_woken));
	remote_close(other);
	remote_logout(watcher);
	remote_close(watcher);
	fixture_finish(&fixture);
}

static void test_every_mechanism_logs_in(void **state)
{
	static const uint32_t AUTHS[] = { CONFIG_AUTH_AUTO, CONFIG_AUTH_PLAIN,
		CONFIG_AUTH_LOGIN, CONFIG_AUTH_SCRAM_SHA_1,
		CONFIG_AUTH_SCRAM_SHA_256, CONFIG_AUTH_CRAM_MD5 };
	struct fixture fixture;

	(void)state;
	REQUIRE_SERVER();
	for (size_t i = 0; i < ARRAY_LENGTH(AUTHS); i++) {
		open_fixture(&fixture, i % 2 == 0 ? QRESYNC : BARE);
		fixture.account.auth = AUTHS[i];
		remote_close(fixture_open(&fixture));
		fixture.secret = "wrong";
		assert_int_equal(
			fixture_open_error(&fixture, NULL), ERROR_AUTH);
		fixture_finish(&fixture);
	}
}

/* Bigger than any buffer, over a compressed connection. */
static void test_big_messages_survive_compression(void **state)
{
	struct fixture fixture;
	struct remote *remote;
	struct buf mail = { 0 };
	struct error error = { 0 };
	uint32_t uid;

	(void)state;
	REQUIRE_SERVER();
	open_fixture(&fixture, QRESYNC);
	fixture.account.compress = CONFIG_COMPRESS_ON;
	remote = fixture_open(&fixture);
	buf_add_text(&mail, "Subject: big\r\n\r\n");
	for (unsigned i = 0; mail.size < 3000000; i++)
		buf_add_format(&mail, "line %u of many\r\n", i);
	uid = append(remote, "INBOX", buf_text(&mail), 0);
	assert_true(remote_traffic(remote).bytes_out < mail.size / 2);
	expect(remote_idle_start(remote, "INBOX", &error), &error);
	check_body(remote, uid, buf_text(&mail));
	buf_finish(&mail);
	remote_close(remote);
	fixture_finish(&fixture);
}

static void test_many_messages_go_up_and_come_down(void **state)
{
	enum {
		COUNT = 2500
	};
	static struct remote_append appends[COUNT];
	static struct source sources[COUNT];
	struct collector collector = { 0 };
	struct remote_sink sink = { begin, take, end, &collector };
	struct remote_known known = { .wire_name = "INBOX" };
	struct remote_view view;
	struct uid_set uids = { 0 };
	struct fixture fixture;
	struct remote *remote;
	struct error error = { 0 };
	size_t handed_count = 0;
	struct remote_row_sink counting = { count_rows, &handed_count };

	(void)state;
	REQUIRE_SERVER();
	open_fixture(&fixture, QRESYNC);
	fixture.account.user = "many";
	remote = fixture_open(&fixture);
	for (size_t i = 0; i < COUNT; i++) {
		sources[i].text = MAILS[i % 3];
		appends[i] = (struct remote_append){
			.wire_name = "INBOX",
			.size = strlen(MAILS[i % 3]),
			.read = read_source,
			.data = &sources[i],
		};
	}
	expect(remote_append(remote, appends, COUNT, &error), &error);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(appends[i].outcome, REMOTE_APPEND_DONE);
		uid_set_add(&uids, appends[i].uid);
	}
	assert_int_equal(uid_set_count(&uids), COUNT);
	expect(remote_observe(remote, &known, &counting, &fixture.arena, &view,
		       &error),
		&error);
	assert_int_equal(handed_count + view.message_row_count, COUNT);
	assert_true(view.has_listing);
	assert_true(uid_set_equal(&view.listing, &uids));
	remote_view_finish(&view);
	/* UIDs in many ranges: more than one command line. */
	for (uint32_t uid = 2; uid < COUNT; uid += 2)
		uid_set_remove_range(&uids, uid, uid);
	expect(remote_fetch_bodies(remote, &uids, &sink, NULL, &error), &error);
	assert_int_equal(collector.count, uid_set_count(&uids));
	buf_finish(&collector.text);
	uid_set_finish(&uids);
	remote_close(remote);
	fixture_finish(&fixture);
}

static int start(void **state)
{
	(void)state;
	has_server = dovecot_start(&server);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	dovecot_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes_come_and_go_with_qresync),
		cmocka_unit_test(test_mailboxes_come_and_go_with_condstore),
		cmocka_unit_test(test_mailboxes_come_and_go_with_plain_flags),
		cmocka_unit_test(test_mailboxes_come_and_go_with_nothing),
		cmocka_unit_test(test_changes_are_seen_with_qresync),
		cmocka_unit_test(test_changes_are_seen_with_condstore),
		cmocka_unit_test(test_changes_are_seen_with_plain_flags),
		cmocka_unit_test(test_changes_are_seen_with_nothing),
		cmocka_unit_test(test_idle_notices_what_another_device_does),
		cmocka_unit_test(test_every_mechanism_logs_in),
		cmocka_unit_test(test_big_messages_survive_compression),
		cmocka_unit_test(test_many_messages_go_up_and_come_down),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
