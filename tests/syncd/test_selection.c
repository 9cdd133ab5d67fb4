#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "syncd/account_equal.h"
#include "syncd/selection.h"

static struct config_account accounts[] = {
	{ .name = "home" },
	{ .name = "work" },
	{ .name = "club" },
};
static const struct config config = { .accounts = accounts,
	.account_count = ARRAY_LENGTH(accounts) };

#define NAME_COUNT_MAX 4

static const struct {
	const char *names[NAME_COUNT_MAX];
	const char *chosen; /* "account:mailboxes…" in one text */
	const char *problem;
} CASES[] = {
	{ { NULL }, "home:* work:* club:* ", NULL },
	{ { "work" }, "work:* ", NULL },
	{ { "club", "home" }, "home:* club:* ", NULL },
	{ { "home", "home" }, "home:* ", NULL },
	{ { "home/INBOX" }, "home:INBOX, ", NULL },
	{ { "home/Work/2024", "home/Größe" }, "home:Work/2024,Größe, ", NULL },
	{ { "home/INBOX", "home" }, "home:* ", NULL },
	{ { "home/" }, "home:* ", NULL },
	{ { "hoem" }, NULL,
		"'hoem' (did you mean 'home'?); the accounts are: "
		"home, work, club" },
	{ { "home", "/INBOX" }, NULL, "no account ''" },
	{ { "home/\xff" }, NULL, "not UTF-8" },
};

static void write_chosen(const struct selection *selection, struct buf *text)
{
	for (size_t i = 0; i < selection->count; i++) {
		const struct selected *selected = &selection->items[i];
		const json_t *name;
		size_t j;

		buf_add_format(text, "%s:", selected->account->name);
		if (selected->mailboxes == NULL)
			buf_add_text(text, "*");
		json_array_foreach(selected->mailboxes, j, name)
			buf_add_format(text, "%s,", json_string_value(name));
		buf_add_text(text, " ");
	}
}

static void test_names_choose_accounts_and_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		char *names[NAME_COUNT_MAX] = { NULL };
		struct selection selection = { 0 };
		struct error error = { 0 };
		struct buf text = { 0 };
		size_t count = 0;
		bool is_good;

		for (; CASES[i].names[count] != NULL; count++)
			names[count] = alloc_text(CASES[i].names[count]);
		is_good = selection_make(
			&selection, &config, names, count, &error);
		assert_int_equal(is_good, CASES[i].problem == NULL);
		write_chosen(&selection, &text);
		if (is_good)
			assert_string_equal(buf_text(&text), CASES[i].chosen);
		else if (strstr(error.message, CASES[i].problem) == NULL)
			fail_msg("case %zu: %s", i, error.message);
		selection_finish(&selection);
		buf_finish(&text);
		for (size_t j = 0; j < count; j++)
			free(names[j]);
	}
}

/* ---- Equal accounts ---- */

static bool differs(const struct config_account *changed)
{
	const struct config_account plain = { .name = "home" };

	assert_true(account_equal(&plain, &plain));
	assert_true(account_equal(changed, changed));
	assert_int_equal(
		account_equal(&plain, changed), account_equal(changed, &plain));
	return !account_equal(&plain, changed);
}

static void test_any_changed_key_makes_another_account(void **state)
{
	const char *words[] = { "x" };
	struct config_pin pin = { { 1 } };
	const struct config_account CHANGED[] = {
		{ .name = "other" },
		{ .name = "home", .host = "x" },
		{ .name = "home", .port = 1 },
		{ .name = "home", .tls = CONFIG_TLS_OFF },
		{ .name = "home", .allow_plaintext = true },
		{ .name = "home", .tls_ca_file = "x" },
		{ .name = "home", .tls_pins = { &pin, 1 } },
		{ .name = "home", .tls_client_cert = "x" },
		{ .name = "home", .tls_client_key = "x" },
		{ .name = "home", .tunnel = "x" },
		{ .name = "home", .user = "x" },
		{ .name = "home", .password = "x" },
		{ .name = "home", .password_command = "x" },
		{ .name = "home", .password_file = "x" },
		{ .name = "home", .token_command = "x" },
		{ .name = "home", .auth = CONFIG_AUTH_PLAIN },
		{ .name = "home", .maildir = "x" },
		{ .name = "home", .layout = CONFIG_LAYOUT_MAILDIRPP },
		{ .name = "home", .mailboxes = { words, 1 } },
		{ .name = "home", .keywords = CONFIG_KEYWORDS_OFF },
		{ .name = "home", .conflict = CONFIG_CONFLICT_DELETE },
		{ .name = "home", .has_delete_limit = true },
		{ .name = "home", .delete_limit_percent = 1 },
		{ .name = "home", .retention_s = 1 },
		{ .name = "home", .connections = 1 },
		{ .name = "home", .idle = true },
		{ .name = "home", .poll_s = 1 },
		{ .name = "home", .compress = CONFIG_COMPRESS_OFF },
		{ .name = "home", .disable = { words, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CHANGED); i++)
		if (!differs(&CHANGED[i]))
			fail_msg("case %zu is taken for the same", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_choose_accounts_and_mailboxes),
		cmocka_unit_test(test_any_changed_key_makes_another_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
