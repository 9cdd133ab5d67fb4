#include "syncd/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/suggest.h"

enum {
	LETTER_COLOR = 256,
	LETTER_JSON,
	LETTER_WATCH,
	LETTER_OFFLINE,
	LETTER_VERSION,
};

struct option_help {
	const char *name;
	int letter;
	const char *argument; /* NULL = takes none */
	unsigned bit;         /* OPTION_… of commands that take it, 0 = all */
	const char *help;
};

static const struct option_help OPTIONS[] = {
	{ "config", 'c', "FILE", 0, "read this configuration" },
	{ "verbose", 'v', NULL, 0, "tell more of what happens" },
	{ "quiet", 'q', NULL, 0, "tell only what went wrong" },
	{ "color", LETTER_COLOR, "WHEN", 0, "colours: auto, always or never" },
	{ "dry-run", 'n', NULL, OPTION_DRY_RUN,
		"print what would be done, change nothing" },
	{ "json", LETTER_JSON, NULL, OPTION_JSON, "print JSON" },
	{ "watch", LETTER_WATCH, NULL, OPTION_WATCH,
		"show it again each second, until q" },
	{ "offline", LETTER_OFFLINE, NULL, OPTION_OFFLINE,
		"read the configuration only" },
	{ "help", 'h', NULL, 0, "print this" },
	{ "version", LETTER_VERSION, NULL, 0, "print the version" },
};

#define SHORT_OPTIONS "c:vqnh"

static void fill_long_options(struct option *options)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(OPTIONS); i++)
		options[i] = (struct option){
			.name = OPTIONS[i].name,
			.has_arg = OPTIONS[i].argument == NULL
				? no_argument
				: required_argument,
			.val = OPTIONS[i].letter,
		};
	options[i] = (struct option){ 0 };
}

const struct command *options_find_command(const char *name)
{
	for (size_t i = 0; COMMANDS[i].name != NULL; i++)
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	return NULL;
}

void options_suggest_command(const char *name, char *hint, size_t size)
{
	struct suggestion suggestion;

	suggest_init(&suggestion, name);
	for (size_t i = 0; COMMANDS[i].name != NULL; i++)
		suggest_consider(&suggestion, COMMANDS[i].name);
	(void)snprintf(hint, size, "%s", suggest_hint(&suggestion));
}

/* ---- Reading ---- */

static bool take_color(
	struct options *options, const char *when, struct error *error)
{
	if (strcmp(when, "auto") == 0)
		options->color = COLOR_AUTO;
	else if (strcmp(when, "always") == 0)
		options->color = COLOR_ALWAYS;
	else if (strcmp(when, "never") == 0)
		options->color = COLOR_NEVER;
	else
		return error_set(error, ERROR_CONFIG,
			"--color takes auto, always or never, not '%.60s'",
			when);
	return true;
}

static bool refuse_unknown(const char *written, struct error *error)
{
	const char *name = written + strspn(written, "-");
	struct suggestion suggestion;

	if (strncmp(written, "--", 2) != 0)
		return error_set(
			error, ERROR_CONFIG, "unknown option '-%c'", optopt);
	suggest_init(&suggestion, name);
	for (size_t i = 0; i < ARRAY_LENGTH(OPTIONS); i++)
		suggest_consider(&suggestion, OPTIONS[i].name);
	if (*suggest_hint(&suggestion) != '\0')
		return error_set(error, ERROR_CONFIG,
			"unknown option '%.60s' (did you mean '--%s'?)",
			written, suggestion.nearest);
	return error_set(
		error, ERROR_CONFIG, "unknown option '%.60s'", written);
}

static bool take_option(struct options *options, int letter,
	const char *written, struct error *error)
{
	switch (letter) {
	case 'c':
		options->config_path = optarg;
		return true;
	case 'v':
		options->is_verbose = true;
		return true;
	case 'q':
		options->is_quiet = true;
		return true;
	case 'h':
		options->wants_help = true;
		return true;
	case LETTER_COLOR:
		return take_color(options, optarg, error);
	case LETTER_VERSION:
		options->command = options_find_command("version");
		return true;
	case ':':
		return error_set(error, ERROR_CONFIG,
			"option '%.60s' needs a value", written);
	case '?':
		return refuse_unknown(written, error);
	default:
		break;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(OPTIONS); i++)
		if (OPTIONS[i].letter == letter)
			options->given |= OPTIONS[i].bit;
	return true;
}

static bool check_fit(const struct options *options, struct error *error)
{
	for (size_t i = 0; i < ARRAY_LENGTH(OPTIONS); i++) {
		unsigned bit = OPTIONS[i].bit;

		if ((options->given & bit) != 0 &&
			(options->command->options & bit) == 0)
			return error_set(error, ERROR_CONFIG,
				"'%s' takes no --%s", options->command->name,
				OPTIONS[i].name);
	}
	if (options->is_quiet && options->is_verbose)
		return error_set(error, ERROR_CONFIG,
			"--quiet and --verbose exclude each other");
	if (options->command->arguments[0] == '\0' && options->name_count > 0)
		return error_set(error, ERROR_CONFIG, "'%s' takes no arguments",
			options->command->name);
	return true;
}

static bool take_command(struct options *options, int argument_count,
	char **arguments, struct error *error)
{
	char hint[SUGGEST_SIZE_MAX + 32];

	/* --version */
	if (options->command != NULL)
		return true;
	if (optind >= argument_count && options->wants_help)
		return true;
	if (optind >= argument_count)
		return error_set(error, ERROR_CONFIG, "no command given");
	options->command = options_find_command(arguments[optind]);
	if (options->command == NULL) {
		options_suggest_command(arguments[optind], hint, sizeof(hint));
		return error_set(error, ERROR_CONFIG,
			"there is no command '%.60s'%s", arguments[optind],
			hint);
	}
	options->names = arguments + optind + 1;
	options->name_count = (size_t)(argument_count - optind - 1);
	return check_fit(options, error);
}

bool options_parse(int argument_count, char **arguments,
	struct options *options_out, struct error *error)
{
	struct option long_options[ARRAY_LENGTH(OPTIONS) + 1];
	struct options options = { 0 };

	fill_long_options(long_options);
	opterr = 0;
	optind = 0; /* from the start, also the second time (glibc) */
	for (;;) {
		int letter = getopt_long(argument_count, arguments,
			":" SHORT_OPTIONS, long_options, NULL);

		if (letter == -1)
			break;
		if (!take_option(
			    &options, letter, arguments[optind - 1], error))
			return false;
	}
	if (!take_command(&options, argument_count, arguments, error))
		return false;
	*options_out = options;
	return true;
}

/* ---- Help ---- */

static void write_options(unsigned bits, struct buf *text)
{
	for (size_t i = 0; i < ARRAY_LENGTH(OPTIONS); i++) {
		const struct option_help *option = &OPTIONS[i];
		char name[40];

		if (option->bit != 0 && (option->bit & bits) == 0)
			continue;
		(void)snprintf(name, sizeof(name), "--%s%s%s", option->name,
			option->argument == NULL ? "" : " ",
			option->argument == NULL ? "" : option->argument);
		if (option->letter < 256)
			buf_add_format(text, "  -%c, %-16s %s\n",
				option->letter, name, option->help);
		else
			buf_add_format(
				text, "      %-16s %s\n", name, option->help);
	}
}

static void write_all(struct buf *text)
{
	buf_add_text(text,
		"Keeps a Maildir and an IMAP account identical, both ways.\n\n"
		"Usage: mailtwin [OPTION...] COMMAND "
		"[ACCOUNT[/MAILBOX]...]\n\nCommands:\n");
	for (size_t i = 0; COMMANDS[i].name != NULL; i++)
		buf_add_format(text, "  %-10s %s\n", COMMANDS[i].name,
			COMMANDS[i].summary);
	buf_add_text(text, "\nOptions:\n");
	write_options(~0U, text);
	buf_add_text(text,
		"\n'mailtwin help COMMAND' tells more of a command, "
		"'mailtwin help config' of the\nconfiguration. "
		"See mailtwin(1) and mailtwin.yaml(5).\n");
}

void options_write_help(const struct command *command, struct buf *text)
{
	if (command == NULL) {
		write_all(text);
		return;
	}
	buf_add_format(text, "Usage: mailtwin %s [OPTION...]%s%s\n\n",
		command->name, command->arguments[0] == '\0' ? "" : " ",
		command->arguments);
	buf_add_format(text, "%s\n\nOptions:\n", command->summary);
	write_options(command->options, text);
}

bool options_has_color(const struct options *options, int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	if (options->color != COLOR_AUTO)
		return options->color == COLOR_ALWAYS;
	if (no_color != NULL && *no_color != '\0')
		return false;
	return isatty(fd) == 1 && terminal != NULL &&
		strcmp(terminal, "dumb") != 0;
}
