#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "proto/sasl.h"

#define BIT(name) SASL_BIT(SASL_##name)

static const struct choice {
	const char *label;
	struct sasl_offer offer;
	enum sasl_mechanism chosen; /* SASL_MECHANISM_COUNT = refused */
} CHOICES[] = {
	{ "strongest of all",
		{ BIT(PLAIN) | BIT(LOGIN) | BIT(SCRAM_SHA_1) |
				BIT(SCRAM_SHA_256) | BIT(CRAM_MD5) |
				BIT(EXTERNAL) | BIT(XOAUTH2),
			0, false, false, true },
		SASL_SCRAM_SHA_256 },
	{ "SCRAM before PLAIN",
		{ BIT(PLAIN) | BIT(SCRAM_SHA_1), 0, false, false, true },
		SASL_SCRAM_SHA_1 },
	{ "PLAIN before LOGIN",
		{ BIT(PLAIN) | BIT(LOGIN), 0, false, false, true },
		SASL_PLAIN },
	{ "LOGIN the mechanism before the command",
		{ BIT(LOGIN), 0, false, false, true }, SASL_LOGIN },
	{ "the command when nothing is offered", { 0, 0, false, false, true },
		SASL_LOGIN_COMMAND },
	{ "but not with LOGINDISABLED", { 0, 0, true, false, true },
		SASL_MECHANISM_COUNT },
	{ "no CRAM-MD5 unasked", { BIT(CRAM_MD5), 0, true, false, true },
		SASL_MECHANISM_COUNT },
	{ "CRAM-MD5 when asked",
		{ BIT(CRAM_MD5) | BIT(PLAIN), BIT(CRAM_MD5), false, false,
			true },
		SASL_CRAM_MD5 },
	{ "EXTERNAL when asked",
		{ BIT(EXTERNAL) | BIT(PLAIN), BIT(EXTERNAL), false, false,
			true },
		SASL_EXTERNAL },
	{ "no plaintext without TLS",
		{ BIT(PLAIN) | BIT(LOGIN), 0, false, false, false },
		SASL_MECHANISM_COUNT },
	{ "SCRAM without TLS",
		{ BIT(PLAIN) | BIT(SCRAM_SHA_1), 0, false, false, false },
		SASL_SCRAM_SHA_1 },
	{ "only what is wanted",
		{ BIT(PLAIN) | BIT(SCRAM_SHA_256), BIT(PLAIN), false, false,
			true },
		SASL_PLAIN },
	{ "wanted login means the command too",
		{ BIT(PLAIN), BIT(LOGIN), false, false, true },
		SASL_LOGIN_COMMAND },
	{ "wanted but not offered",
		{ BIT(PLAIN), BIT(SCRAM_SHA_256), false, false, true },
		SASL_MECHANISM_COUNT },
	{ "a token takes OAUTHBEARER",
		{ BIT(PLAIN) | BIT(XOAUTH2) | BIT(OAUTHBEARER), 0, false, true,
			true },
		SASL_OAUTHBEARER },
	{ "a token takes XOAUTH2 where only that is",
		{ BIT(PLAIN) | BIT(XOAUTH2), 0, false, true, true },
		SASL_XOAUTH2 },
	{ "a token is no password",
		{ BIT(PLAIN) | BIT(LOGIN), 0, false, true, true },
		SASL_MECHANISM_COUNT },
	{ "a password is no token", { BIT(XOAUTH2), 0, true, false, true },
		SASL_MECHANISM_COUNT },
	{ "no token without TLS",
		{ BIT(XOAUTH2) | BIT(OAUTHBEARER), 0, false, true, false },
		SASL_MECHANISM_COUNT },
};

static void test_the_strongest_that_fits_is_chosen(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CHOICES); i++) {
		enum sasl_mechanism chosen = SASL_MECHANISM_COUNT;
		struct error error = { 0 };
		bool found = sasl_choose(&CHOICES[i].offer, &chosen, &error);

		if (chosen != CHOICES[i].chosen ||
			found != (error.code == ERROR_NONE))
			fail_msg("%s: %d", CHOICES[i].label, (int)chosen);
	}
}

static void test_names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SASL_LOGIN_COMMAND; i++) {
		enum sasl_mechanism mechanism;

		assert_true(sasl_mechanism_from_name(
			sasl_mechanism_name((enum sasl_mechanism)i),
			&mechanism));
		assert_int_equal(mechanism, i);
	}
	{
		enum sasl_mechanism mechanism;

		assert_true(
			sasl_mechanism_from_name("scram-sha-256", &mechanism));
		assert_int_equal(mechanism, SASL_SCRAM_SHA_256);
		assert_false(sasl_mechanism_from_name("GSSAPI", &mechanism));
		assert_false(sasl_mechanism_from_name("", &mechanism));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_strongest_that_fits_is_chosen),
		cmocka_unit_test(test_names_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
