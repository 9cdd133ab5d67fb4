#include "config/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

#define TOP(field)     offsetof(struct config, field)
#define ACCOUNT(field) offsetof(struct config_account, field)

#define MINUTE 60u
#define DAY    (24 * 60 * MINUTE)

static const struct choice LOG_LEVELS[] = {
	{ "error", CONFIG_LOG_ERROR },
	{ "warning", CONFIG_LOG_WARNING },
	{ "info", CONFIG_LOG_INFO },
	{ "debug", CONFIG_LOG_DEBUG },
	{ NULL, 0 },
};

static const struct choice TLS_MODES[] = {
	{ "implicit", CONFIG_TLS_IMPLICIT },
	{ "starttls", CONFIG_TLS_STARTTLS },
	{ "off", CONFIG_TLS_OFF },
	{ NULL, 0 },
};

static const struct choice AUTH_MECHANISMS[] = {
	{ "auto", CONFIG_AUTH_AUTO },
	{ "plain", CONFIG_AUTH_PLAIN },
	{ "login", CONFIG_AUTH_LOGIN },
	{ "scram-sha-256", CONFIG_AUTH_SCRAM_SHA_256 },
	{ "scram-sha-1", CONFIG_AUTH_SCRAM_SHA_1 },
	{ "oauthbearer", CONFIG_AUTH_OAUTHBEARER },
	{ "xoauth2", CONFIG_AUTH_XOAUTH2 },
	{ "external", CONFIG_AUTH_EXTERNAL },
	{ "cram-md5", CONFIG_AUTH_CRAM_MD5 },
	{ NULL, 0 },
};

static const struct choice LAYOUTS[] = {
	{ "fs", CONFIG_LAYOUT_FS },
	{ "maildir++", CONFIG_LAYOUT_MAILDIRPP },
	{ NULL, 0 },
};

static const struct choice KEYWORD_MODES[] = {
	{ "dovecot", CONFIG_KEYWORDS_DOVECOT },
	{ "off", CONFIG_KEYWORDS_OFF },
	{ NULL, 0 },
};

static const struct choice CONFLICT_MODES[] = {
	{ "keep", CONFIG_CONFLICT_KEEP },
	{ "delete", CONFIG_CONFLICT_DELETE },
	{ NULL, 0 },
};

static const struct choice COMPRESS_MODES[] = {
	{ "auto", CONFIG_COMPRESS_AUTO },
	{ "on", CONFIG_COMPRESS_ON },
	{ "off", CONFIG_COMPRESS_OFF },
	{ NULL, 0 },
};

const struct key SCHEMA_TOP_KEYS[] = {
	{ "state_dir", VALUE_PATH, TOP(state_dir),
		.shown = "$XDG_STATE_HOME/mailtwin",
		.help = "directory of the sync state, the journal and what was "
			"removed" },
	{ "runtime_dir", VALUE_PATH, TOP(runtime_dir),
		.shown = "$XDG_RUNTIME_DIR/mailtwin, else state_dir/run",
		.help = "directory of the control socket" },
	{ "log_level", VALUE_CHOICE, TOP(log_level), .choices = LOG_LEVELS,
		.fallback = "info", .help = "least important message to log" },
	{ "defaults", VALUE_ACCOUNT,
		.help = "account keys for every account that does not set them "
			"itself" },
	{ "accounts", VALUE_ACCOUNTS,
		.help = "the accounts by name, required" },
	{ .name = NULL },
};

const struct key SCHEMA_ACCOUNT_KEYS[] = {
	{ "host", VALUE_HOST, ACCOUNT(host),
		.help = "the server to connect to" },
	{ "port", VALUE_PORT, ACCOUNT(port), 1, 65535,
		.shown = "993, or 143 unless tls is implicit",
		.help = "the server's port" },
	{ "tls", VALUE_CHOICE, ACCOUNT(tls), .choices = TLS_MODES,
		.fallback = "implicit", .shown = "implicit; off with tunnel",
		.help = "how the connection is encrypted; off only to the own "
			"machine or with allow_plaintext" },
	{ "allow_plaintext", VALUE_BOOLEAN, ACCOUNT(allow_plaintext),
		.fallback = "false",
		.help = "let tls: off send mail and password readable by "
			"anybody on the way" },
	{ "tls_ca_file", VALUE_PATH, ACCOUNT(tls_ca_file),
		.shown = "the system's",
		.help = "certificate authorities to trust, PEM" },
	{ "tls_pin", VALUE_PINS, ACCOUNT(tls_pins),
		.help = "SHA-256 of the server's public key (SPKI); several "
			"allow it to change" },
	{ "tls_client_cert", VALUE_PATH, ACCOUNT(tls_client_cert),
		.help = "certificate to show to the server, PEM" },
	{ "tls_client_key", VALUE_PATH, ACCOUNT(tls_client_key),
		.shown = "tls_client_cert",
		.help = "private key of the certificate, PEM" },
	{ "tunnel", VALUE_COMMAND, ACCOUNT(tunnel),
		.help = "command whose standard input and output are the "
			"connection" },
	{ "user", VALUE_TEXT, ACCOUNT(user), .help = "name to log in with" },
	{ "password", VALUE_SECRET, ACCOUNT(password),
		.help = "the password itself, if nobody else can read the "
			"file" },
	{ "password_command", VALUE_COMMAND, ACCOUNT(password_command),
		.help = "command that prints the password" },
	{ "password_file", VALUE_PATH, ACCOUNT(password_file),
		.help = "file whose first line is the password" },
	{ "token_command", VALUE_COMMAND, ACCOUNT(token_command),
		.help = "command that prints an OAuth2 access token" },
	{ "auth", VALUE_AUTH, ACCOUNT(auth), .choices = AUTH_MECHANISMS,
		.fallback = "auto",
		.help = "mechanisms to log in with: the strongest offered of "
			"them" },
	{ "maildir", VALUE_PATH, ACCOUNT(maildir),
		.help = "directory to keep in sync, required" },
	{ "layout", VALUE_CHOICE, ACCOUNT(layout), .choices = LAYOUTS,
		.fallback = "fs", .help = "how mailboxes become directories" },
	{ "mailboxes", VALUE_PATTERNS, ACCOUNT(mailboxes), .fallback = "*",
		.help = "which mailboxes to keep in sync: the last pattern "
			"that matches wins, a leading ! excludes" },
	{ "keywords", VALUE_CHOICE, ACCOUNT(keywords), .choices = KEYWORD_MODES,
		.fallback = "dovecot",
		.help = "keywords as letters listed in dovecot-keywords, or "
			"only $Forwarded" },
	{ "conflict", VALUE_CHOICE, ACCOUNT(conflict),
		.choices = CONFLICT_MODES, .fallback = "keep",
		.help = "what wins when one side changes what the other "
			"deletes" },
	{ "delete_limit", VALUE_PERCENT, ACCOUNT(delete_limit_percent), 1, 100,
		.fallback = "50%",
		.help = "hold the deletions of a mailbox when more than this "
			"share would go within an hour" },
	{ "retention", VALUE_DURATION, ACCOUNT(retention_s), 0, 3650 * DAY,
		.fallback = "30d",
		.help = "how long removed local messages are kept; 0 = not" },
	{ "connections", VALUE_NUMBER, ACCOUNT(connections), 1, 32,
		.fallback = "4", .help = "at most so many at once" },
	{ "idle", VALUE_BOOLEAN, ACCOUNT(idle), .fallback = "true",
		.help = "keep watching the server in the daemon" },
	{ "poll", VALUE_DURATION, ACCOUNT(poll_s), 1, DAY, .fallback = "5m",
		.help = "how often to look at mailboxes that the server does "
			"not announce" },
	{ "compress", VALUE_CHOICE, ACCOUNT(compress),
		.choices = COMPRESS_MODES, .fallback = "auto",
		.help = "compress the connection; auto: not to the own machine "
			"or through a tunnel" },
	{ "disable", VALUE_NAMES, ACCOUNT(disable), .shown = "[]",
		.help = "IMAP extensions to do without" },
	{ .name = NULL },
};

int schema_find(const struct key *keys, const char *name)
{
	for (int i = 0; keys[i].name != NULL; i++)
		if (strcmp(keys[i].name, name) == 0)
			return i;
	return -1;
}

void schema_list_choices(const struct choice *choices, char *words, size_t size)
{
	size_t used = 0;

	words[0] = '\0';
	for (size_t i = 0; choices[i].word != NULL && used < size; i++) {
		const char *separator =
			choices[i + 1].word != NULL ? ", " : " or ";

		used += (size_t)snprintf(words + used, size - used, "%s%s",
			i > 0 ? separator : "", choices[i].word);
	}
}

static void describe_range(const struct key *key, char *text)
{
	(void)snprintf(text, CONFIG_TYPE_SIZE, "a number from %u to %u",
		key->minimum, key->maximum);
}

static void describe_type(const struct key *key, char *text)
{
	static const char *const WORDS[] = {
		[VALUE_TEXT] = "text",
		[VALUE_SECRET] = "text",
		[VALUE_COMMAND] = "a shell command",
		[VALUE_HOST] = "a host name or address",
		[VALUE_PATH] = "a path",
		[VALUE_BOOLEAN] = "true or false",
		[VALUE_DURATION] = "a duration such as 10s, 5m, 2h or 30d",
		[VALUE_PERCENT] = "a share such as 50%, or off",
		[VALUE_AUTH] = "auto, or one or a list of ",
		[VALUE_PINS] = "base64, or a list of it",
		[VALUE_PATTERNS] = "a pattern, or a list of them",
		[VALUE_NAMES] = "a name, or a list of them",
		[VALUE_ACCOUNT] = "account keys",
		[VALUE_ACCOUNTS] = "names with account keys",
	};
	size_t used;

	if (key->type == VALUE_NUMBER || key->type == VALUE_PORT) {
		describe_range(key, text);
		return;
	}
	(void)snprintf(text, CONFIG_TYPE_SIZE, "%s",
		key->type == VALUE_CHOICE ? "" : WORDS[key->type]);
	used = strlen(text);
	/* "auto" is said already. */
	if (key->choices != NULL)
		schema_list_choices(
			key->choices + (key->type == VALUE_AUTH ? 1 : 0),
			text + used, CONFIG_TYPE_SIZE - used);
}

static size_t count_keys(const struct key *keys)
{
	size_t count = 0;

	while (keys[count].name != NULL)
		count++;
	return count;
}

bool config_key_describe(size_t index, struct config_key_help *help_out)
{
	size_t top_count = count_keys(SCHEMA_TOP_KEYS);
	const struct key *key;

	if (index >= top_count + count_keys(SCHEMA_ACCOUNT_KEYS))
		return false;
	key = index < top_count ? &SCHEMA_TOP_KEYS[index]
				: &SCHEMA_ACCOUNT_KEYS[index - top_count];
	*help_out = (struct config_key_help){
		.name = key->name,
		.is_account_key = index >= top_count,
		.help = key->help,
		.fallback = "",
	};
	if (key->shown != NULL)
		help_out->fallback = key->shown;
	else if (key->fallback != NULL)
		help_out->fallback = key->fallback;
	describe_type(key, help_out->type);
	return true;
}
