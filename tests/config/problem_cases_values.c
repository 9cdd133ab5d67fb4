#include "tests/config/problem_cases.h"

#include <stddef.h>

const struct problem_case PROBLEM_CASES_VALUES[] = {
	{ "a list for one value", ACCOUNT "    tunnel: [a, b]\n",
		"f.yaml:7:13: 'tunnel' takes one value, not a list\n"
		"    tunnel: [a, b]\n"
		"            ^\n" },
	{ "keys for one value", ACCOUNT "    tunnel: {a: b}\n",
		"f.yaml:7:13: 'tunnel' takes a value, not keys\n"
		"    tunnel: {a: b}\n"
		"            ^\n" },
	{ "a key without a value", ACCOUNT "    tunnel:\n",
		"f.yaml:7:12: 'tunnel' has no value\n"
		"    tunnel:\n"
		"           ^\n" },
	{ "an empty value", ACCOUNT "    tunnel: ''\n",
		"f.yaml:7:13: 'tunnel' is empty\n"
		"    tunnel: ''\n"
		"            ^\n" },
	{ "an escaped control character",
		ACCOUNT "    tls_ca_file: \"a\\nb\"\n",
		"f.yaml:7:18: 'tls_ca_file' contains a control character\n"
		"    tls_ca_file: \"a\\nb\"\n"
		"                 ^\n" },
	{ "an escaped NUL", ACCOUNT "    tunnel: \"a\\0b\"\n",
		"f.yaml:7:13: 'tunnel' contains a control character\n"
		"    tunnel: \"a\\0b\"\n"
		"            ^\n" },
	{ "a word that is no mode", ACCOUNT "    tls: starttsl\n",
		"f.yaml:7:10: 'tls' must be implicit, starttls or off, not "
		"'starttsl' (did you mean 'starttls'?)\n"
		"    tls: starttsl\n"
		"         ^\n" },
	{ "a word like no mode", ACCOUNT "    layout: mbox\n",
		"f.yaml:7:13: 'layout' must be fs or maildir++, not 'mbox'\n"
		"    layout: mbox\n"
		"            ^\n" },
	{ "a port out of range", ACCOUNT "    port: 65536\n",
		"f.yaml:7:11: 'port' must be a number from 1 to 65535, not "
		"'65536'\n"
		"    port: 65536\n"
		"          ^\n" },
	{ "a negative number", ACCOUNT "    connections: -1\n",
		"f.yaml:7:18: 'connections' must be a number from 1 to 32, "
		"not '-1'\n"
		"    connections: -1\n"
		"                 ^\n" },
	{ "no boolean", ACCOUNT "    idle: sometimes\n",
		"f.yaml:7:11: 'idle' must be true or false, not 'sometimes'\n"
		"    idle: sometimes\n"
		"          ^\n" },
	{ "a duration without unit", ACCOUNT "    poll: 300\n",
		"f.yaml:7:11: 'poll' must be a duration such as 10s, 5m, 2h "
		"or 30d, not '300'\n"
		"    poll: 300\n"
		"          ^\n" },
	{ "a duration in words", ACCOUNT "    poll: 5 minutes\n",
		"f.yaml:7:11: 'poll' must be a duration such as 10s, 5m, 2h "
		"or 30d, not '5 minutes'\n"
		"    poll: 5 minutes\n"
		"          ^\n" },
	{ "a duration out of range", ACCOUNT "    poll: 0\n",
		"f.yaml:7:11: 'poll' must be from 1s to 1d, not '0'\n"
		"    poll: 0\n"
		"          ^\n" },
	{ "a duration beyond counting", ACCOUNT "    retention: 4294967295w\n",
		"f.yaml:7:16: 'retention' must be from 0s to 3650d, not "
		"'4294967295w'\n"
		"    retention: 4294967295w\n"
		"               ^\n" },
	{ "a share without percent sign", ACCOUNT "    delete_limit: 50\n",
		"f.yaml:7:19: 'delete_limit' must be a share from 1% to 100% "
		"such as 50%, or off, not '50'\n"
		"    delete_limit: 50\n"
		"                  ^\n" },
	{ "a share over all", ACCOUNT "    delete_limit: 101%\n",
		"f.yaml:7:19: 'delete_limit' must be a share from 1% to 100% "
		"such as 50%, or off, not '101%'\n"
		"    delete_limit: 101%\n"
		"                  ^\n" },
	{ "an unknown mechanism", ACCOUNT "    auth: [plain, scram-sha256]\n",
		"f.yaml:7:19: 'auth' must be auto, plain, login, "
		"scram-sha-256, scram-sha-1, oauthbearer, xoauth2, external "
		"or cram-md5, not 'scram-sha256' (did you mean "
		"'scram-sha-256'?)\n"
		"    auth: [plain, scram-sha256]\n"
		"                  ^\n" },
	{ "auto among mechanisms", ACCOUNT "    auth: [plain, auto]\n",
		"f.yaml:7:19: 'auth' has 'auto' among other mechanisms\n"
		"    auth: [plain, auto]\n"
		"                  ^\n" },
	{ "tokens without token_command", ACCOUNT "    auth: xoauth2\n",
		"f.yaml:7:11: these mechanisms need 'token_command'\n"
		"    auth: xoauth2\n"
		"          ^\n" },
	{ "token_command without its mechanisms",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    maildir: /m\n"
		"    token_command: t\n"
		"    auth: plain\n",
		"f.yaml:7:11: 'token_command' needs 'oauthbearer' or "
		"'xoauth2'\n"
		"    auth: plain\n"
		"          ^\n" },
	{ "a pin that is too short", ACCOUNT "    tls_pin: c2hvcnQ=\n",
		"f.yaml:7:14: 'tls_pin' must be a SHA-256 in base64 (44 "
		"characters), not 'c2hvcnQ='\n"
		"    tls_pin: c2hvcnQ=\n"
		"             ^\n" },
	{ "a pin with a bit too many",
		ACCOUNT
		"    tls_pin: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
		"f.yaml:7:14: 'tls_pin' must be a SHA-256 in base64 (44 "
		"characters), not "
		"'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB='\n"
		"    tls_pin: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n"
		"             ^\n" },
	{ "no pattern", ACCOUNT "    mailboxes: []\n",
		"f.yaml:7:16: 'mailboxes' is an empty list\n"
		"    mailboxes: []\n"
		"               ^\n" },
	{ "an exclusion of nothing", ACCOUNT "    mailboxes: ['!']\n",
		"f.yaml:7:17: 'mailboxes' has a '!' without a pattern\n"
		"    mailboxes: ['!']\n"
		"                ^\n" },
	{ "a list in a list", ACCOUNT "    mailboxes: [[a]]\n",
		"f.yaml:7:17: 'mailboxes' takes one value, not a list\n"
		"    mailboxes: [[a]]\n"
		"                ^\n" },
	{ "a name that is no extension",
		ACCOUNT "    disable: [IDLE, 'LIST STATUS']\n",
		"f.yaml:7:21: 'disable' must be the name of an IMAP "
		"extension, not 'LIST STATUS'\n"
		"    disable: [IDLE, 'LIST STATUS']\n"
		"                    ^\n" },
	{ NULL, NULL, NULL },
};
