#include "tests/config/problem_cases.h"

#include <stddef.h>

const struct problem_case PROBLEM_CASES_YAML[] = {
	{ "an unquoted star", ACCOUNT "    mailboxes: [*]\n",
		"f.yaml:7:17: a value that starts with '*' or '&' must be in "
		"quotes\n"
		"    mailboxes: [*]\n"
		"                ^\n" },
	{ "an unquoted star in a line",
		ACCOUNT "    mailboxes:\n"
			"      - *work\n",
		"f.yaml:8:9: aliases are not supported: a value that starts "
		"with '*' must be in quotes\n"
		"      - *work\n"
		"        ^\n" },
	{ "an unquoted exclamation mark",
		ACCOUNT "    mailboxes:\n"
			"      - !Trash\n",
		"f.yaml:8:9: tags are not supported: a value that starts "
		"with '!' must be in quotes\n"
		"      - !Trash\n"
		"        ^\n" },
	{ "an unquoted percent sign", ACCOUNT "    mailboxes: %\n",
		"f.yaml:7:16: a value that starts with this character must "
		"be in quotes\n"
		"    mailboxes: %\n"
		"               ^\n" },
	{ "an anchor", ACCOUNT "    mailboxes: &all Work\n",
		"f.yaml:7:16: anchors are not supported: a value that starts "
		"with '&' must be in quotes\n"
		"    mailboxes: &all Work\n"
		"               ^\n" },
	{ "a merge key", ACCOUNT "    <<: Work\n",
		"f.yaml:7:5: merge keys are not supported\n"
		"    <<: Work\n"
		"    ^\n" },
	{ "a key that is no word", ACCOUNT "    idle:true: 1\n",
		"f.yaml:7:5: not a key: is a blank missing behind a ':'?\n"
		"    idle:true: 1\n"
		"    ^\n" },
	{ "a key that is a list",
		"? [a, b]\n"
		": c\n"
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user: u\n"
		"    password_command: p\n"
		"    maildir: /m\n",
		"f.yaml:1:3: a key must be a word\n"
		"? [a, b]\n"
		"  ^\n" },
	{ "a second document",
		ACCOUNT "---\n"
			"accounts:\n"
			"  a:\n"
			"    host: h\n"
			"    user: u\n"
			"    password_command: p\n"
			"    maildir: /m\n",
		"f.yaml:7:1: a second document\n"
		"---\n"
		"^\n" },
	{ "a tab",
		"accounts:\n"
		"  a:\n"
		"\thost: h\n",
		"f.yaml:3:1: a tab: indent with spaces\n"
		" host: h\n"
		"^\n" },
	{ "a tab behind blanks",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		" \tuser: u\n",
		"f.yaml:4:2: a tab: indent with spaces\n"
		"  user: u\n"
		" ^\n" },
	{ "a wrong indentation",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"     user: u\n",
		"f.yaml:4:10: unexpected ':' (wrong indentation, or a value "
		"that must be in quotes)\n"
		"     user: u\n"
		"         ^\n" },
	{ "a line without colon",
		"accounts:\n"
		"  a:\n"
		"    host: h\n"
		"    user\n"
		"    maildir: /m\n",
		"f.yaml:4:5: expected 'key: value', but there is no ':'\n"
		"    user\n"
		"    ^\n" },
	{ "an open quote",
		"accounts:\n"
		"  a:\n"
		"    host: 'h\n"
		"    user: u\n",
		"f.yaml:3:11: a quote is never closed\n"
		"    host: 'h\n"
		"          ^\n" },
	{ "an open list", ACCOUNT "    mailboxes: [a, b\n",
		"f.yaml:7:16: expected ',' or ']'\n"
		"    mailboxes: [a, b\n"
		"               ^\n" },
	{ "deep nesting", "a: [[[[[[[[[1]]]]]]]]]\n",
		"f.yaml:1:11: nested more than 8 levels deep\n"
		"a: [[[[[[[[[1]]]]]]]]]\n"
		"          ^\n" },
	{ "a control character",
		"accounts:\n"
		"  a:\n"
		"    host: h\001\n",
		"f.yaml:3:12: a control character\n"
		"    host: h?\n"
		"           ^\n" },
	{ "bytes that are no UTF-8",
		"accounts:\n"
		"  a:\n"
		"    host: h\377\n",
		"f.yaml:3:12: not UTF-8 text\n"
		"    host: h?\n"
		"           ^\n" },
	{ NULL, NULL, NULL },
};
