#include "tests/config/problem_cases.h"

#include <stddef.h>

const struct problem_case PROBLEM_CASES_KEYS[] = {
	{ "nothing in the file", "",
		"f.yaml: the file is empty: it needs 'accounts'\n" },
	{ "comments only", "# none\n",
		"f.yaml: the file is empty: it needs 'accounts'\n" },
	{ "a bare document", "---\n",
		"f.yaml: the file is empty: it needs 'accounts'\n" },
	{ "a list instead of keys",
		"- a\n"
		"- b\n",
		"f.yaml:1:1: expected 'key: value' lines\n"
		"- a\n"
		"^\n" },
	{ "plain text", "hello\n",
		"f.yaml:1:1: expected 'key: value' lines\n"
		"hello\n"
		"^\n" },
	{ "no accounts", "log_level: info\n", "f.yaml: no 'accounts'\n" },
	{ "accounts without an account", "accounts:\n",
		"f.yaml:1:10: 'accounts' has no account\n"
		"accounts:\n"
		"         ^\n" },
	{ "accounts that are a list", "accounts: [a, b]\n",
		"f.yaml:1:11: 'accounts' must have keys below it\n"
		"accounts: [a, b]\n"
		"          ^\n" },
	{ "an account that is text",
		"accounts:\n"
		"  a: 7\n",
		"f.yaml:2:6: 'a' must have keys below it\n"
		"  a: 7\n"
		"     ^\n" },
	{ "an account with no keys",
		"accounts:\n"
		"  a:\n",
		"f.yaml:2:3: account 'a' has no 'host' (or 'tunnel')\n"
		"  a:\n"
		"  ^\n"
		"f.yaml:2:3: account 'a' has no 'maildir'\n"
		"  a:\n"
		"  ^\n"
		"f.yaml:2:3: account 'a' has no 'user'\n"
		"  a:\n"
		"  ^\n"
		"f.yaml:2:3: account 'a' has no 'password_command', "
		"'password_file', 'token_command' or 'password'\n"
		"  a:\n"
		"  ^\n" },
	{ "an unknown top-level key",
		"state_dri: /x\n"
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:1:1: unknown key 'state_dri' (did you mean "
		"'state_dir'?)\n"
		"state_dri: /x\n"
		"^\n" },
	{ "an unknown account key", ACCOUNT "    conections: 3\n",
		"f.yaml:7:5: unknown key 'conections' (did you mean "
		"'connections'?)\n"
		"    conections: 3\n"
		"    ^\n" },
	{ "an unknown key like nothing known", ACCOUNT "    frobnicate: 3\n",
		"f.yaml:7:5: unknown key 'frobnicate'\n"
		"    frobnicate: 3\n"
		"    ^\n" },
	{ "an account key at the top",
		"host: x\n"
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:1:1: unknown key 'host' here: it belongs to an "
		"account or to 'defaults'\n"
		"host: x\n"
		"^\n" },
	{ "a top-level key in an account", ACCOUNT "    log_level: debug\n",
		"f.yaml:7:5: unknown key 'log_level' here: it belongs to the "
		"top level\n"
		"    log_level: debug\n"
		"    ^\n" },
	{ "a duplicate key", ACCOUNT "    host: other\n",
		"f.yaml:7:5: duplicate key 'host', first in line 3\n"
		"    host: other\n"
		"    ^\n" },
	{ "a duplicate account",
		ACCOUNT "  a:\n"
			"    host: h\n"
			"    user: u\n"
			"    password_command: p\n"
			"    maildir: /m\n",
		"f.yaml:7:3: duplicate account 'a', first in line 2\n"
		"  a:\n"
		"  ^\n" },
	{ "a duplicate top-level key", ACCOUNT "accounts: {}\n",
		"f.yaml:7:1: duplicate key 'accounts', first in line 1\n"
		"accounts: {}\n"
		"^\n" },
	{ "no host",
		"accounts:\n"
		"  a:\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:2:3: account 'a' has no 'host' (or 'tunnel')\n"
		"  a:\n"
		"  ^\n" },
	{ "no user",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:2:3: account 'a' has no 'user'\n"
		"  a:\n"
		"  ^\n" },
	{ "no maildir",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n",
		"f.yaml:2:3: account 'a' has no 'maildir'\n"
		"  a:\n"
		"  ^\n" },
	{ "no secret",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    maildir: /m\n",
		"f.yaml:2:3: account 'a' has no 'password_command', "
		"'password_file', 'token_command' or 'password'\n"
		"  a:\n"
		"  ^\n" },
	{ "two secrets", ACCOUNT "    token_command: t\n",
		"f.yaml:7:20: 'password_command' and 'token_command' exclude "
		"each other\n"
		"    token_command: t\n"
		"                   ^\n" },
	{ NULL, NULL, NULL },
};
