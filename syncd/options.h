/* The command line, and the one table of commands that explains it. */
#ifndef SYNCD_OPTIONS_H
#define SYNCD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"

struct options;

/* Options that only some commands take. */
enum {
	OPTION_DRY_RUN = 1 << 0,
	OPTION_JSON = 1 << 1,
	OPTION_WATCH = 1 << 2,
	OPTION_OFFLINE = 1 << 3,
};

struct command {
	const char *name;
	const char *arguments; /* as in the synopsis, "" = none */
	const char *summary;   /* a phrase without full stop */
	unsigned options;      /* OPTION_… bits it takes */
	int (*run)(const struct options *options); /* the exit code */
};

/* Ends with a NULL name. In commands.c. */
extern const struct command COMMANDS[];

enum color {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

/* Text is borrowed from the arguments. */
struct options {
	const struct command *command;
	const char *config_path; /* NULL = the default */
	bool is_verbose;
	bool is_quiet;
	bool wants_help; /* about `command`, or in general when it is NULL */
	enum color color;
	unsigned given; /* OPTION_… bits */
	char **names;   /* what stands behind the command */
	size_t name_count;
};

/* Permutes `arguments` as getopt does. False when they make no sense; the
   error says why. */
bool options_parse(int argument_count, char **arguments,
	struct options *options_out, struct error *error) MUST_CHECK;

/* NULL when there is none of that name. */
const struct command *options_find_command(const char *name);

/* " (did you mean 'x'?)" or "", into `hint`. */
void options_suggest_command(const char *name, char *hint, size_t size);

/* All commands and options, or those of one command. */
void options_write_help(const struct command *command, struct buf *text);

/* Colours on a terminal `fd`? Looks at NO_COLOR and TERM for COLOR_AUTO. */
bool options_has_color(const struct options *options, int fd);

#endif
