#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "config/config.h"
#include "config/schema.h"

/* contract: what exists outside must not change by accident. */
static void test_the_keys_are_those_of_the_manual(void **state)
{
	static const char *const KEYS[] = { "state_dir", "runtime_dir",
		"log_level", "defaults", "accounts", "host", "port", "tls",
		"allow_plaintext", "tls_ca_file", "tls_pin", "tls_client_cert",
		"tls_client_key", "tunnel", "user", "password",
		"password_command", "password_file", "token_command", "auth",
		"maildir", "layout", "mailboxes", "keywords", "conflict",
		"delete_limit", "retention", "connections", "idle", "poll",
		"compress", "disable" };
	struct config_key_help help;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(KEYS); i++) {
		assert_true(config_key_describe(i, &help));
		assert_string_equal(help.name, KEYS[i]);
		assert_int_equal(help.is_account_key, i >= 5);
		assert_true(strlen(help.type) > 0);
		assert_true(strlen(help.help) > 0);
		assert_non_null(help.fallback);
		/* Nothing was cut. */
		assert_true(strlen(help.type) < CONFIG_TYPE_SIZE - 1);
	}
	assert_false(config_key_describe(ARRAY_LENGTH(KEYS), &help));
	assert_true(ARRAY_LENGTH(KEYS) <= SCHEMA_KEY_COUNT_MAX);
}

static void test_types_and_defaults_are_told(void **state)
{
	static const struct {
		const char *name;
		const char *type;
		const char *fallback;
	} CASES[] = {
		{ "tls", "implicit, starttls or off",
			"implicit; off with tunnel" },
		{ "port", "a number from 1 to 65535",
			"993, or 143 unless tls is implicit" },
		{ "layout", "fs or maildir++", "fs" },
		{ "poll", "a duration such as 10s, 5m, 2h or 30d", "5m" },
		{ "host", "a host name or address", "" },
		{ "auth",
			"auto, or one or a list of plain, login, "
			"scram-sha-256, scram-sha-1, oauthbearer, xoauth2, "
			"external or cram-md5",
			"auto" },
	};
	struct config_key_help help;

	(void)state;
	for (size_t i = 0; config_key_describe(i, &help); i++) {
		for (size_t j = 0; j < ARRAY_LENGTH(CASES); j++) {
			if (strcmp(help.name, CASES[j].name) != 0)
				continue;
			assert_string_equal(help.type, CASES[j].type);
			assert_string_equal(help.fallback, CASES[j].fallback);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_keys_are_those_of_the_manual),
		cmocka_unit_test(test_types_and_defaults_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
