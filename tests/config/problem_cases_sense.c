#include "tests/config/problem_cases.h"

#include <stddef.h>

const struct problem_case PROBLEM_CASES_SENSE[] = {
	{ "tls off to far away", ACCOUNT "    tls: off\n",
		"f.yaml:7:10: 'tls: off' lets anybody on the way read mail "
		"and password; if you want that, add 'allow_plaintext: true'\n"
		"    tls: off\n"
		"         ^\n" },
	{ "tls off to 127.example.org",
		"accounts:\n"
		"  a:\n"
		"    host: 127.example.org\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    tls: off\n",
		"f.yaml:7:10: 'tls: off' lets anybody on the way read mail "
		"and password; if you want that, add 'allow_plaintext: true'\n"
		"    tls: off\n"
		"         ^\n" },
	{ "tls off to 127.0.0.1.example.org",
		"accounts:\n"
		"  a:\n"
		"    host: 127.0.0.1.example.org\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    tls: off\n",
		"f.yaml:7:10: 'tls: off' lets anybody on the way read mail "
		"and password; if you want that, add 'allow_plaintext: true'\n"
		"    tls: off\n"
		"         ^\n" },
	{ "tls off to 128.0.0.1",
		"accounts:\n"
		"  a:\n"
		"    host: 128.0.0.1\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    tls: off\n",
		"f.yaml:7:10: 'tls: off' lets anybody on the way read mail "
		"and password; if you want that, add 'allow_plaintext: true'\n"
		"    tls: off\n"
		"         ^\n" },
	{ "tls off to 127.0.0.256",
		"accounts:\n"
		"  a:\n"
		"    host: 127.0.0.256\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    tls: off\n",
		"f.yaml:7:10: 'tls: off' lets anybody on the way read mail "
		"and password; if you want that, add 'allow_plaintext: true'\n"
		"    tls: off\n"
		"         ^\n" },
	{ "tls off to 127.0.0",
		"accounts:\n"
		"  a:\n"
		"    host: 127.0.0\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    tls: off\n",
		"f.yaml:7:10: 'tls: off' lets anybody on the way read mail "
		"and password; if you want that, add 'allow_plaintext: true'\n"
		"    tls: off\n"
		"         ^\n" },
	{ "a host like an option",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    host: -oProxyCommand=x\n",
		"f.yaml:6:11: 'host' must not begin with '-'\n"
		"    host: -oProxyCommand=x\n"
		"          ^\n" },
	{ "a host with a port",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    host: imap.example.org:993\n",
		"f.yaml:6:11: 'host' must not contain the port: write it as "
		"'port: ...'\n"
		"    host: imap.example.org:993\n"
		"          ^\n" },
	{ "a host with a blank",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    host: a b\n",
		"f.yaml:6:11: 'host' must not contain blanks\n"
		"    host: a b\n"
		"          ^\n" },
	{ "a URL as host",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    host: imaps://a\n",
		"f.yaml:6:11: 'host' must be a name or an address, not a URL\n"
		"    host: imaps://a\n"
		"          ^\n" },
	{ "a host with a slash",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    host: a/b\n",
		"f.yaml:6:11: 'host' contains a character no host name has\n"
		"    host: a/b\n"
		"          ^\n" },
	{ "an address in brackets",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    host: '[::1]'\n",
		"f.yaml:6:11: 'host' must be an address without brackets\n"
		"    host: '[::1]'\n"
		"          ^\n" },
	{ "a key without certificate", ACCOUNT "    tls_client_key: /k\n",
		"f.yaml:7:21: 'tls_client_key' without 'tls_client_cert'\n"
		"    tls_client_key: /k\n"
		"                    ^\n" },
	{ "tls in a tunnel without a name",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    tunnel: t\n"
		"    tls: implicit\n",
		"f.yaml:7:10: 'tls' inside a tunnel needs 'host', the name "
		"on the certificate\n"
		"    tls: implicit\n"
		"         ^\n" },
	{ "somebody's home",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: ~joe/Mail\n",
		"f.yaml:6:14: 'maildir': '~user' is not supported: write the "
		"directory\n"
		"    maildir: ~joe/Mail\n"
		"             ^\n" },
	{ "a variable that is not set",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: $NO_SUCH_THING/x\n",
		"f.yaml:6:14: 'maildir': '$NO_SUCH_THING' is not set\n"
		"    maildir: $NO_SUCH_THING/x\n"
		"             ^\n" },
	{ "a brace left open",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: ${HOME/x\n",
		"f.yaml:6:14: 'maildir': '${' without '}'\n"
		"    maildir: ${HOME/x\n"
		"             ^\n" },
	{ "the home directory as Maildir",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: $HOME/\n",
		"f.yaml:6:14: 'maildir' needs a directory of its own\n"
		"    maildir: $HOME/\n"
		"             ^\n" },
	{ "the root as Maildir",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /x/..\n",
		"f.yaml:6:14: 'maildir' needs a directory of its own\n"
		"    maildir: /x/..\n"
		"             ^\n" },
	{ "a Maildir around state_dir",
		"state_dir: /m/state\n"
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:7:14: 'maildir' must not contain 'state_dir'\n"
		"    maildir: /m\n"
		"             ^\n" },
	{ "two accounts, one Maildir",
		ACCOUNT "  b:\n"
			"    host: h\n"
			"    user: u\n"
			"    password_command: p\n"
			"    maildir: /x/../m/\n",
		"f.yaml:11:14: 'maildir' of account 'b' is that of 'a'\n"
		"    maildir: /x/../m/\n"
		"             ^\n" },
	{ "a Maildir within another",
		ACCOUNT "  b:\n"
			"    host: h\n"
			"    user: u\n"
			"    password_command: p\n"
			"    maildir: /m/b\n",
		"f.yaml:11:14: 'maildir' of account 'b' lies inside that of "
		"'a'\n"
		"    maildir: /m/b\n"
		"             ^\n" },
	{ "a Maildir around another",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m/b\n"
		"  b:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:11:14: 'maildir' of account 'b' contains that of 'a'\n"
		"    maildir: /m\n"
		"             ^\n" },
	{ "an account that hides",
		"accounts:\n"
		"  .a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:2:3: '.a' cannot be the name of an account: use "
		"letters, digits, '.', '_' and '-'\n"
		"  .a:\n"
		"  ^\n" },
	{ "an account with a slash",
		"accounts:\n"
		"  a/b:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:2:3: 'a/b' cannot be the name of an account: use "
		"letters, digits, '.', '_' and '-'\n"
		"  a/b:\n"
		"  ^\n" },
	{ "an account named as our directory",
		"accounts:\n"
		"  run:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:2:3: 'run' cannot be the name of an account: that "
		"directory is mailtwin's own\n"
		"  run:\n"
		"  ^\n" },
	{ "a problem in defaults, reported once",
		"defaults:\n"
		"  poll: soon\n"
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"  b:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /n\n",
		"f.yaml:2:9: 'poll' must be a duration such as 10s, 5m, 2h "
		"or 30d, not 'soon'\n"
		"  poll: soon\n"
		"        ^\n" },
	{ "problems everywhere, in order",
		"log_level: loud\n"
		"accounts:\n"
		"  a:\n"
		"    hots: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n"
		"    port: http\n",
		"f.yaml:1:12: 'log_level' must be error, warning, info or "
		"debug, not 'loud'\n"
		"log_level: loud\n"
		"           ^\n"
		"f.yaml:3:3: account 'a' has no 'host' (or 'tunnel')\n"
		"  a:\n"
		"  ^\n"
		"f.yaml:4:5: unknown key 'hots' (did you mean 'host'?)\n"
		"    hots: h\n"
		"    ^\n"
		"f.yaml:8:11: 'port' must be a number from 1 to 65535, not "
		"'http'\n"
		"    port: http\n"
		"          ^\n" },
	{ "words beyond ASCII", ACCOUNT "    tls: \303\274ber\n",
		"f.yaml:7:10: 'tls' must be implicit, starttls or off, not "
		"'\303\274ber'\n"
		"    tls: \303\274ber\n"
		"         ^\n" },
	{ "a long line",
		ACCOUNT
		"    auth: [plain, plain, plain, plain, plain, plain, plain, "
		"plain, plain, plain, plain, plain, plain, plain, plain, "
		"plain, plain, plain, plain, plain, plain, plain, plain, "
		"plain, plain, plain, plain, plain, plain, plain, plain, "
		"plain, plain, plain, plain, plain, plain, plain, plain, "
		"plain, x]\n",
		"f.yaml:7:292: 'auth' must be auto, plain, login, "
		"scram-sha-256, scram-sha-1, oauthbearer, xoauth2, external "
		"or cram-md5, not 'x'\n"
		"... plain, plain, plain, plain, plain, plain, plain, x]\n"
		"                                                     ^\n" },
	{ NULL, NULL, NULL },
};
