/* Uploads: what is known of each message when they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "remote_scene.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
