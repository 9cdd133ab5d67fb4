#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/status.h"

#define NOW 1000000

static const char ACCOUNTS[] =
	"[{\"name\": \"home\", \"state\": \"held\", \"since\": 999000,"
	"  \"last_success\": 999940, \"error\": null,"
	"  \"pending\": {\"local\": 2, \"remote\": 0},"
	"  \"damaged\": {\"count\": 3, \"newest\": 996400},"
	"  \"server\": {\"host\": \"imap.example.org\"},"
	"  \"mailboxes\": ["
	"   {\"name\": \"INBOX\", \"messages\": 12345, \"state\": \"ok\","
	"    \"last_success\": 999940, \"held\": 0, \"failed\": 0,"
	"    \"error\": null},"
	"   {\"name\": \"Größe\", \"messages\": 7, \"state\": \"held\","
	"    \"last_success\": 996400, \"held\": 21, \"failed\": 1,"
	"    \"error\": \"bad\\u001b[2J\"}]},"
	" {\"name\": \"work\", \"state\": \"auth\", \"last_success\": null,"
	"  \"error\": {\"code\": \"auth\", \"message\": \"login refused\","
	"   \"hint\": \"check the password\"}, \"mailboxes\": []}]";

static char *render(const json_t *accounts, bool has_color, bool has_all)
{
	const struct status_style style = {
		.has_color = has_color,
		.has_all = has_all,
		.now = NOW,
	};
	struct buf text = { 0 };

	status_write(accounts, &style, &text);
	return buf_steal(&text);
}

static void test_status_fits_a_glance(void **state)
{
	json_t *accounts = json_loads(ACCOUNTS, 0, NULL);
	char *text = render(accounts, false, false);

	(void)state;
	assert_string_equal(text,
		"home         held       imap.example.org  in sync: 60 s ago\n"
		"  its state was damaged 60 min ago and made anew; "
		"kept as state.mdb.damaged-996400 (and 2 before)\n"
		"  pending: 2 from here, 0 from the server\n"
		"  INBOX            12,345  ok         60 s ago\n"
		"  Größe                 7  held       60 min ago, "
		"21 deletions held, 1 failed: bad?[2J\n"
		"\n"
		"work         auth       in sync: never\n"
		"  login refused\n"
		"  check the password\n");
	free(text);
	json_decref(accounts);
}

static void test_colours_are_the_only_difference(void **state)
{
	json_t *accounts = json_loads(ACCOUNTS, 0, NULL);
	char *plain = render(accounts, false, false);
	char *colored = render(accounts, true, false);
	char *to = colored;

	(void)state;
	assert_non_null(strstr(colored, "\033[31mlogin refused\033[0m"));
	for (const char *from = colored; *from != '\0'; from++) {
		if (*from == '\033')
			from = strchr(from, 'm');
		else
			*to++ = *from;
	}
	*to = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
	json_decref(accounts);
}

static json_t *many_mailboxes(int count)
{
	json_t *mailboxes = json_array();

	for (int i = 0; i < count; i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "box-%d", i);
		(void)json_array_append_new(mailboxes,
			json_pack("{s:s, s:i, s:s, s:i, s:i, s:n}", "name",
				name, "messages", i, "state",
				i == 7 ? "failing" : "ok", "held", 0, "failed",
				0, "error"));
	}
	return json_pack("[{s:s, s:s, s:o}]", "name", "home", "state",
		"watching", "mailboxes", mailboxes);
}

static void test_of_many_mailboxes_the_odd_ones_are_shown(void **state)
{
	json_t *accounts = many_mailboxes(1500);
	char *text = render(accounts, false, false);
	char *all = render(accounts, false, true);

	(void)state;
	assert_non_null(strstr(text, "box-7 "));
	assert_null(strstr(text, "box-8 "));
	assert_non_null(strstr(text, "and 1,499 mailboxes that are in sync"));
	assert_non_null(strstr(all, "box-1499 "));
	free(text);
	free(all);
	json_decref(accounts);
}

static void test_what_is_missing_is_left_out(void **state)
{
	static const char *const TEXTS[] = { "[]", "[{}]", "[7]", "{}",
		"[{\"mailboxes\": [{}, 7]}]",
		"[{\"name\": 3, \"error\": {}, \"pending\": 4, "
		"\"damaged\": {\"count\": 1, \"newest\": \"x\"}}]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(TEXTS); i++) {
		json_t *accounts = json_loads(TEXTS[i], 0, NULL);

		assert_non_null(accounts);
		free(render(accounts, true, false));
		json_decref(accounts);
	}
}

static void test_the_code_tells_whether_all_is_well(void **state)
{
	static const struct {
		const char *text;
		int code;
	} CASES[] = {
		{ "[]", 0 },
		{ "[{\"state\": \"watching\", \"error\": null}]", 0 },
		{ "[{\"state\": \"held\"}]", 1 },
		{ "[{\"error\": {\"code\": \"auth\"}}]", 1 },
		{ "[{\"mailboxes\": [{\"held\": 1}]}]", 1 },
		{ "[{\"mailboxes\": [{\"failed\": 1}]}]", 1 },
		{ "[{\"mailboxes\": [{\"failed\": 0}]}]", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		json_t *accounts = json_loads(CASES[i].text, 0, NULL);

		assert_int_equal(status_code(accounts), CASES[i].code);
		json_decref(accounts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_fits_a_glance),
		cmocka_unit_test(test_colours_are_the_only_difference),
		cmocka_unit_test(test_of_many_mailboxes_the_odd_ones_are_shown),
		cmocka_unit_test(test_what_is_missing_is_left_out),
		cmocka_unit_test(test_the_code_tells_whether_all_is_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
