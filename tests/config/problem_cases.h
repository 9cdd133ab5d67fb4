/* Bad configurations and, to the letter, what people read about them. */
#ifndef TESTS_CONFIG_PROBLEM_CASES_H
#define TESTS_CONFIG_PROBLEM_CASES_H

/* A good account, to be spoilt by the lines behind it. */
#define ACCOUNT                                                                \
	"accounts:\n"                                                          \
	"  a:\n"                                                               \
	"    host: h\n"                                                        \
	"    user: u\n"                                                        \
	"    password_command: p\n"                                            \
	"    maildir: /m\n"

struct problem_case {
	const char *what;
	const char *yaml;
	const char *expected;
};

/* Each ends with a NULL `what`. */
extern const struct problem_case PROBLEM_CASES_KEYS[];
extern const struct problem_case PROBLEM_CASES_VALUES[];
extern const struct problem_case PROBLEM_CASES_YAML[];
extern const struct problem_case PROBLEM_CASES_SENSE[];

#endif
