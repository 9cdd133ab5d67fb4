#include "config/check.h"

#include <string.h>

#include "base/number.h"
#include "base/text.h"
#include "config/path.h"
#include "config/problem.h"

#define PORT_IMPLICIT 993
#define PORT_PLAIN    143

static const char *const SECRET_KEYS[] = { "password", "password_command",
	"password_file", "token_command" };

static struct yaml_node *given(
	const struct account_source *source, const char *name)
{
	return source->nodes[schema_find(SCHEMA_ACCOUNT_KEYS, name)];
}

void check_choose_secret(struct account_source *source,
	struct yaml_node *const own[SCHEMA_KEY_COUNT_MAX])
{
	bool has_own = false;

	for (size_t i = 0; i < ARRAY_LENGTH(SECRET_KEYS); i++)
		if (own[schema_find(SCHEMA_ACCOUNT_KEYS, SECRET_KEYS[i])] !=
			NULL)
			has_own = true;
	for (size_t i = 0; has_own && i < ARRAY_LENGTH(SECRET_KEYS); i++) {
		int key = schema_find(SCHEMA_ACCOUNT_KEYS, SECRET_KEYS[i]);
		size_t offset = SCHEMA_ACCOUNT_KEYS[key].offset;

		if (own[key] != NULL)
			continue;
		source->nodes[key] = NULL;
		memcpy((char *)source->account + offset,
			&(const char *){ NULL }, sizeof(const char *));
	}
}

static void complete(const struct account_source *source)
{
	struct config_account *account = source->account;

	if (given(source, "tunnel") != NULL && given(source, "tls") == NULL)
		account->tls = CONFIG_TLS_OFF;
	if (account->port == 0)
		account->port = account->tls == CONFIG_TLS_IMPLICIT
			? PORT_IMPLICIT
			: PORT_PLAIN;
	if (account->tls_client_key == NULL)
		account->tls_client_key = account->tls_client_cert;
}

static void complain(const struct check *check, const struct yaml_node *node,
	const char *what)
{
	problem_add(check->problems, node->line, node->column, "%s", what);
}

static void need(const struct check *check, const struct account_source *source,
	const char *what)
{
	problem_add(check->problems, source->name->line, source->name->column,
		"account '%s' has no %s", source->account->name, what);
}

static void check_required(
	const struct check *check, const struct account_source *source)
{
	const struct config_account *account = source->account;
	bool has_tunnel = given(source, "tunnel") != NULL;
	bool has_external = (account->auth & CONFIG_AUTH_EXTERNAL) != 0 ||
		given(source, "tls_client_cert") != NULL;
	bool has_secret = false;

	for (size_t i = 0; i < ARRAY_LENGTH(SECRET_KEYS); i++)
		if (given(source, SECRET_KEYS[i]) != NULL)
			has_secret = true;
	if (given(source, "host") == NULL && !has_tunnel)
		need(check, source, "'host' (or 'tunnel')");
	if (given(source, "maildir") == NULL)
		need(check, source, "'maildir'");
	if (given(source, "user") == NULL && !has_tunnel &&
		(account->auth & CONFIG_AUTH_EXTERNAL) == 0)
		need(check, source, "'user'");
	if (!has_secret && !has_tunnel && !has_external)
		need(check, source,
			"'password_command', 'password_file', 'token_command' "
			"or 'password'");
}

static void check_secret(
	const struct check *check, const struct account_source *source)
{
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_LENGTH(SECRET_KEYS); i++) {
		const struct yaml_node *node = given(source, SECRET_KEYS[i]);

		if (node == NULL)
			continue;
		if (first == NULL)
			first = SECRET_KEYS[i];
		else
			problem_add(check->problems, node->line, node->column,
				"'%s' and '%s' exclude each other", first,
				SECRET_KEYS[i]);
	}
}

/* Once for the file: in `defaults` every account has the same node. */
static void check_privacy(
	const struct check *check, const struct yaml_node *password)
{
	if ((check->mode & 0044) != 0)
		problem_add(check->problems, password->line, password->column,
			"a password in a file that others can read: chmod 600 "
			"it, or use 'password_command'");
}

/* 127.0.0.0/8, and nothing that only begins like it: 127.example.org is a name
   that leads anywhere. */
static bool is_loopback_address(const char *host)
{
	for (unsigned i = 0; i < 4; i++) {
		size_t size = strcspn(host, ".");
		uint32_t number;

		if (!number_parse_u32(host, size, &number) || number > 255 ||
			(i == 0 && number != 127) ||
			(host[size] == '.') != (i < 3))
			return false;
		host += size + 1;
	}
	return true;
}

static bool is_loopback(const char *host)
{
	return text_equal_nocase(host, "localhost") ||
		strcmp(host, "::1") == 0 || is_loopback_address(host);
}

static void check_tls(
	const struct check *check, const struct account_source *source)
{
	const struct config_account *account = source->account;
	const struct yaml_node *tls = given(source, "tls");
	const struct yaml_node *key = given(source, "tls_client_key");

	if (key != NULL && given(source, "tls_client_cert") == NULL)
		complain(check, key,
			"'tls_client_key' without 'tls_client_cert'");
	if (tls == NULL || tls->kind == YAML_KIND_BAD)
		return;
	if (given(source, "tunnel") != NULL) {
		if (account->tls != CONFIG_TLS_OFF &&
			given(source, "host") == NULL)
			complain(check, tls,
				"'tls' inside a tunnel needs 'host', the name "
				"on the certificate");
		return;
	}
	if (account->tls == CONFIG_TLS_OFF && !account->allow_plaintext &&
		account->host != NULL && !is_loopback(account->host))
		complain(check, tls,
			"'tls: off' lets anybody on the way read mail and "
			"password; if you want that, add 'allow_plaintext: "
			"true'");
}

static void check_auth(
	const struct check *check, const struct account_source *source)
{
	uint32_t tokens = CONFIG_AUTH_OAUTHBEARER | CONFIG_AUTH_XOAUTH2;
	uint32_t mechanisms = source->account->auth;
	const struct yaml_node *auth = given(source, "auth");
	bool has_token = given(source, "token_command") != NULL;

	if (auth == NULL || auth->kind == YAML_KIND_BAD ||
		mechanisms == CONFIG_AUTH_AUTO)
		return;
	if ((mechanisms & ~tokens) == 0 && !has_token)
		complain(check, auth, "these mechanisms need 'token_command'");
	if ((mechanisms & tokens) == 0 && has_token)
		complain(check, auth,
			"'token_command' needs 'oauthbearer' or 'xoauth2'");
}

/* Every directory in a Maildir is a mailbox: not the whole home, then, and
   not our own state, which would be uploaded. */
static void check_maildir(
	const struct check *check, const struct account_source *source)
{
	const char *maildir = source->account->maildir;
	const struct yaml_node *node = given(source, "maildir");
	struct arena arena = { 0 };
	const char *home = path_home(&arena);

	if (maildir != NULL &&
		(strcmp(maildir, "/") == 0 ||
			(home != NULL && strcmp(maildir, home) == 0)))
		complain(check, node, "'maildir' needs a directory of its own");
	else if (maildir != NULL && check->config->state_dir != NULL &&
		path_is_within(check->config->state_dir, maildir))
		complain(check, node, "'maildir' must not contain 'state_dir'");
	arena_finish(&arena);
}

static void compare_maildirs(const struct check *check,
	const char *const *maildirs, size_t first, size_t second)
{
	const struct account_source *source = &check->sources[second];
	const struct yaml_node *node = given(source, "maildir");
	const char *other = check->sources[first].account->name;
	bool is_within = path_is_within(maildirs[second], maildirs[first]);
	bool contains = path_is_within(maildirs[first], maildirs[second]);
	const char *what = is_within ? "lies inside" : "contains";

	if (!is_within && !contains)
		return;
	problem_add(check->problems, node->line, node->column,
		"'maildir' of account '%s' %s that of '%s'",
		source->account->name, is_within && contains ? "is" : what,
		other);
}

static void check_overlap(const struct check *check)
{
	size_t count = check->config->account_count;
	struct arena arena = { 0 };
	const char **maildirs = arena_alloc(&arena, count, sizeof(*maildirs));

	for (size_t i = 0; i < count; i++) {
		const char *maildir = check->sources[i].account->maildir;

		if (maildir == NULL)
			continue;
		maildirs[i] = path_resolve(&arena, maildir);
		for (size_t j = 0; j < i; j++)
			if (maildirs[j] != NULL)
				compare_maildirs(check, maildirs, j, i);
	}
	arena_finish(&arena);
}

void check_accounts(const struct check *check)
{
	const struct yaml_node *password = NULL;

	for (size_t i = 0; i < check->config->account_count; i++) {
		const struct account_source *source = &check->sources[i];
		const struct yaml_node *node = given(source, "password");

		complete(source);
		check_required(check, source);
		check_secret(check, source);
		check_tls(check, source);
		check_auth(check, source);
		check_maildir(check, source);
		if (node != NULL && node != password)
			check_privacy(check, node);
		if (node != NULL)
			password = node;
	}
	check_overlap(check);
}
