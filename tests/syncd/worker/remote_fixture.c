#include "remote_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"

static const uint8_t HASH_KEY[HASH_KEY_SIZE] = "0123456789abcde";

static char *get_secret(void *data, bool is_retry, struct error *error)
{
	struct fixture *fixture = data;

	(void)error;
	fixture->secret_count++;
	return alloc_text(is_retry && fixture->fresh_secret != NULL
			? fixture->fresh_secret
			: fixture->secret);
}

void fixture_init(struct fixture *fixture, uint16_t port)
{
	struct error error = { 0 };

	*fixture = (struct fixture){
		.loop = loop_new(&error),
		.account = {
			.name = "test",
			.host = "127.0.0.1",
			.port = port,
			.tls = CONFIG_TLS_OFF,
			.user = "user",
			.password = "pass",
		},
		.secret = "pass",
	};
	assert_non_null(fixture->loop);
	keyword_table_init(&fixture->keywords);
	fixture->account.disable.items = fixture->disable;
	fixture->options = (struct remote_options){
		.account = &fixture->account,
		.loop = fixture->loop,
		.keywords = &fixture->keywords,
		.hash_key = HASH_KEY,
		.get_secret = get_secret,
		.data = fixture,
	};
	arena_init(&fixture->arena);
}

void fixture_finish(struct fixture *fixture)
{
	arena_finish(&fixture->arena);
	keyword_table_finish(&fixture->keywords);
	loop_free(fixture->loop);
}

void fixture_disable(struct fixture *fixture, const char *word)
{
	assert_true(fixture->account.disable.count <
		ARRAY_LENGTH(fixture->disable));
	fixture->disable[fixture->account.disable.count++] = word;
}

struct remote *fixture_open(struct fixture *fixture)
{
	struct error error = { 0 };
	struct remote *remote = remote_open(&fixture->options, &error);

	if (remote == NULL)
		fail_msg("cannot open: %s", error.message);
	return remote;
}

enum error_code fixture_open_error(
	struct fixture *fixture, char message_out[ERROR_MESSAGE_SIZE])
{
	struct error error = { 0 };

	assert_null(remote_open(&fixture->options, &error));
	if (message_out != NULL)
		(void)snprintf(
			message_out, ERROR_MESSAGE_SIZE, "%s", error.message);
	return error.code;
}

void expect(bool is_done, const struct error *error)
{
	if (!is_done)
		fail_msg(
			"%s: %s", error_code_name(error->code), error->message);
}

void expect_error(bool is_done, const struct error *error, enum error_code code)
{
	assert_false(is_done);
	if (error->code != code)
		fail_msg("%s instead of %s: %s", error_code_name(error->code),
			error_code_name(code), error->message);
}

bool fixture_wait(struct fixture *fixture, const bool *flag)
{
	return loop_run_until(fixture->loop, flag, clock_now_ms() + 10000) ==
		LOOP_DONE;
}
