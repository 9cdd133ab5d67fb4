#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/config.h"

static struct config *parse(const char *yaml)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	struct buf text = { 0 };

	if (!config_parse("/etc/mailtwin/config.yaml", 0600,
		    (const uint8_t *)yaml, strlen(yaml), &config, &problems)) {
		config_problems_write(&problems, &text);
		fail_msg("%s", buf_text(&text));
	}
	assert_int_equal(problems.count, 0);
	config_problems_finish(&problems);
	return config;
}

#define SMALLEST                                                               \
	"accounts:\n"                                                          \
	"  home:\n"                                                            \
	"    host: imap.example.org\n"                                         \
	"    user: me@example.org\n"                                           \
	"    password_command: pass show mail/home\n"                          \
	"    maildir: ~/Mail/home\n"

static void test_the_smallest_file_has_all_defaults(void **state)
{
	struct config *config = parse(SMALLEST);
	const struct config_account *account = &config->accounts[0];

	(void)state;
	assert_string_equal(config->path, "/etc/mailtwin/config.yaml");
	assert_string_equal(
		config->state_dir, "/home/user/.local/state/mailtwin");
	assert_string_equal(
		config->runtime_dir, "/home/user/.local/state/mailtwin/run");
	assert_int_equal(config->log_level, CONFIG_LOG_INFO);
	assert_int_equal(config->account_count, 1);
	assert_string_equal(account->name, "home");
	assert_string_equal(account->host, "imap.example.org");
	assert_int_equal(account->port, 993);
	assert_int_equal(account->tls, CONFIG_TLS_IMPLICIT);
	assert_false(account->allow_plaintext);
	assert_null(account->tls_ca_file);
	assert_int_equal(account->tls_pins.count, 0);
	assert_null(account->tls_client_cert);
	assert_null(account->tls_client_key);
	assert_null(account->tunnel);
	assert_string_equal(account->user, "me@example.org");
	assert_null(account->password);
	assert_string_equal(account->password_command, "pass show mail/home");
	assert_int_equal(account->auth, CONFIG_AUTH_AUTO);
	assert_string_equal(account->maildir, "/home/user/Mail/home");
	assert_int_equal(account->layout, CONFIG_LAYOUT_FS);
	assert_int_equal(account->mailboxes.count, 1);
	assert_string_equal(account->mailboxes.items[0], "*");
	assert_int_equal(account->keywords, CONFIG_KEYWORDS_DOVECOT);
	assert_int_equal(account->conflict, CONFIG_CONFLICT_KEEP);
	assert_true(account->has_delete_limit);
	assert_int_equal(account->delete_limit_percent, 50);
	assert_int_equal(account->retention_s, 30 * 24 * 60 * 60);
	assert_int_equal(account->connections, 4);
	assert_true(account->idle);
	assert_int_equal(account->poll_s, 5 * 60);
	assert_int_equal(account->compress, CONFIG_COMPRESS_AUTO);
	assert_int_equal(account->disable.count, 0);
	config_free(config);
}

static void test_every_key_can_be_set(void **state)
{
	struct config *config =
		parse("state_dir: /var/lib/mt\n"
		      "runtime_dir: $HOME/run\n"
		      "log_level: debug\n"
		      "accounts:\n"
		      "  a.B_c-9:\n"
		      "    host: fe80::1%eth0\n"
		      "    port: 1143\n"
		      "    tls: starttls\n"
		      "    allow_plaintext: yes\n"
		      "    tls_ca_file: ca.pem\n"
		      "    tls_pin:\n"
		      "      - AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
		      "      - //////////////////////////////////////////8=\n"
		      "    tls_client_cert: ../cert.pem\n"
		      "    tls_client_key: /key.pem\n"
		      "    user: 'me: the #1'\n"
		      "    token_command: |\n"
		      "      token \\\n"
		      "        show\n"
		      "    auth: [xoauth2, oauthbearer]\n"
		      "    maildir: /m\n"
		      "    layout: maildir++\n"
		      "    mailboxes: ['!Trash', \"W\\u00f6rk/%\"]\n"
		      "    keywords: off\n"
		      "    conflict: delete\n"
		      "    delete_limit: 7%\n"
		      "    retention: 0\n"
		      "    connections: 1\n"
		      "    idle: off\n"
		      "    poll: 90s\n"
		      "    compress: on\n"
		      "    disable: [QRESYNC, LITERAL+]\n");
	const struct config_account *account = &config->accounts[0];

	(void)state;
	assert_string_equal(config->state_dir, "/var/lib/mt");
	assert_string_equal(config->runtime_dir, "/home/user/run");
	assert_int_equal(config->log_level, CONFIG_LOG_DEBUG);
	assert_string_equal(account->host, "fe80::1%eth0");
	assert_int_equal(account->port, 1143);
	assert_int_equal(account->tls, CONFIG_TLS_STARTTLS);
	assert_true(account->allow_plaintext);
	assert_string_equal(account->tls_ca_file, "/etc/mailtwin/ca.pem");
	assert_int_equal(account->tls_pins.count, 2);
	for (uint8_t i = 0; i < CONFIG_PIN_SIZE; i++) {
		assert_int_equal(account->tls_pins.items[0].sha256[i], i);
		assert_int_equal(account->tls_pins.items[1].sha256[i], 255);
	}
	assert_string_equal(account->tls_client_cert, "/etc/cert.pem");
	assert_string_equal(account->tls_client_key, "/key.pem");
	assert_string_equal(account->user, "me: the #1");
	assert_string_equal(account->token_command, "token \\\n  show\n");
	assert_int_equal(
		account->auth, CONFIG_AUTH_XOAUTH2 | CONFIG_AUTH_OAUTHBEARER);
	assert_int_equal(account->layout, CONFIG_LAYOUT_MAILDIRPP);
	assert_int_equal(account->mailboxes.count, 2);
	assert_string_equal(account->mailboxes.items[0], "!Trash");
	assert_string_equal(account->mailboxes.items[1], "W\xc3\xb6rk/%");
	assert_int_equal(account->keywords, CONFIG_KEYWORDS_OFF);
	assert_int_equal(account->conflict, CONFIG_CONFLICT_DELETE);
	assert_true(account->has_delete_limit);
	assert_int_equal(account->delete_limit_percent, 7);
	assert_int_equal(account->retention_s, 0);
	assert_int_equal(account->connections, 1);
	assert_false(account->idle);
	assert_int_equal(account->poll_s, 90);
	assert_int_equal(account->compress, CONFIG_COMPRESS_ON);
	assert_int_equal(account->disable.count, 2);
	assert_string_equal(account->disable.items[1], "LITERAL+");
	config_free(config);
}

static void test_defaults_apply_unless_an_account_says_otherwise(void **state)
{
	struct config *config = parse("accounts:\n"
				      "  a:\n"
				      "    host: a\n"
				      "    maildir: /a\n"
				      "  b:\n"
				      "    host: b\n"
				      "    maildir: /b\n"
				      "    password_file: /b.pass\n"
				      "    poll: 1h\n"
				      "    delete_limit: 10%\n"
				      "    mailboxes: [INBOX]\n"
				      "defaults:\n"
				      "  user: me\n"
				      "  password: hunter2\n"
				      "  poll: 1d\n"
				      "  delete_limit: off\n"
				      "  mailboxes: [A, B]\n");
	const struct config_account *a = config_find_account(config, "a");
	const struct config_account *b = config_find_account(config, "b");

	(void)state;
	assert_null(config_find_account(config, "c"));
	assert_string_equal(a->user, "me");
	assert_string_equal(a->password, "hunter2");
	assert_int_equal(a->poll_s, 24 * 60 * 60);
	assert_false(a->has_delete_limit);
	assert_int_equal(a->mailboxes.count, 2);
	assert_string_equal(b->user, "me");
	/* Another source of the secret replaces the inherited one. */
	assert_null(b->password);
	assert_string_equal(b->password_file, "/b.pass");
	assert_int_equal(b->poll_s, 60 * 60);
	assert_true(b->has_delete_limit);
	assert_int_equal(b->mailboxes.count, 1);
	config_free(config);
}

static void check_connection(
	const char *keys, enum config_tls tls, uint16_t port)
{
	char *yaml = alloc_format("accounts:\n  a:\n    maildir: /m\n"
				  "    user: u\n    password_file: /p\n%s",
		keys);
	struct config *config = parse(yaml);

	assert_int_equal(config->accounts[0].tls, tls);
	assert_int_equal(config->accounts[0].port, port);
	config_free(config);
	free(yaml);
}

static void test_tls_decides_the_port_and_a_tunnel_tls(void **state)
{
	(void)state;
	check_connection("    host: h\n", CONFIG_TLS_IMPLICIT, 993);
	check_connection(
		"    host: h\n    tls: starttls\n", CONFIG_TLS_STARTTLS, 143);
	check_connection("    host: h\n    tls: starttls\n    port: 7\n",
		CONFIG_TLS_STARTTLS, 7);
	check_connection(
		"    host: localhost\n    tls: off\n", CONFIG_TLS_OFF, 143);
	check_connection(
		"    host: 127.4.5.6\n    tls: off\n", CONFIG_TLS_OFF, 143);
	check_connection(
		"    host: '::1'\n    tls: off\n", CONFIG_TLS_OFF, 143);
	check_connection("    host: h\n    tls: off\n    allow_plaintext: on\n",
		CONFIG_TLS_OFF, 143);
	check_connection("    tunnel: t\n", CONFIG_TLS_OFF, 143);
	check_connection("    tunnel: t\n    host: h\n    tls: implicit\n",
		CONFIG_TLS_IMPLICIT, 993);
}

static void test_a_login_can_do_without_user_or_secret(void **state)
{
	static const char *const CASES[] = {
		"    tunnel: ssh host imapd\n",
		"    host: h\n    auth: external\n    tls_client_cert: /c\n",
		"    host: h\n    user: u\n    tls_client_cert: /c\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		char *yaml = alloc_format(
			"accounts:\n  a:\n    maildir: /m\n%s", CASES[i]);
		struct config *config = parse(yaml);
		const struct config_account *account = &config->accounts[0];

		if (account->tls_client_cert != NULL)
			assert_string_equal(account->tls_client_key, "/c");
		config_free(config);
		free(yaml);
	}
}

static void test_yaml_may_be_written_in_other_ways(void **state)
{
	static const char *const CASES[] = {
		"\xef\xbb\xbf" SMALLEST,
		"---\n" SMALLEST "...\n",
		"# comment\n\n" SMALLEST "defaults:\n",
		"{accounts: {home: {host: h, user: u, password_file: p, "
		"\"maildir\": m}}}",
		"accounts:\r\n  home: {host: h, user: u, token_command: t,\r\n"
		"    maildir: m}\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct config *config = parse(CASES[i]);

		assert_int_equal(config->account_count, 1);
		config_free(config);
	}
}

static void test_a_file_is_loaded_relative_to_itself(void **state)
{
	char directory[] = "/tmp/mailtwin-test-XXXXXX";
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	char *path;
	char *maildir;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	path = alloc_format("%s/c.yaml", directory);
	maildir = alloc_format("%s/Mail/x", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	dprintf(fd,
		"accounts: {a: {host: h, user: u, password: p, "
		"maildir: ./Mail//x/}}\n");
	close(fd);

	assert_true(config_load(path, &config, &problems));
	assert_string_equal(config->path, path);
	assert_string_equal(config->accounts[0].maildir, maildir);
	config_problems_finish(&problems);
	config_free(config);
	assert_int_equal(chmod(path, 0644), 0);
	assert_false(config_load(path, &config, &problems));
	assert_int_equal(problems.count, 1);
	config_problems_finish(&problems);

	unlink(path);
	rmdir(directory);
	free(path);
	free(maildir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_smallest_file_has_all_defaults),
		cmocka_unit_test(test_every_key_can_be_set),
		cmocka_unit_test(
			test_defaults_apply_unless_an_account_says_otherwise),
		cmocka_unit_test(test_tls_decides_the_port_and_a_tunnel_tls),
		cmocka_unit_test(test_a_login_can_do_without_user_or_secret),
		cmocka_unit_test(test_yaml_may_be_written_in_other_ways),
		cmocka_unit_test(test_a_file_is_loaded_relative_to_itself),
	};

	setenv("HOME", "/home/user", 1);
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
