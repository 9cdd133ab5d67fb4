#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "config/suggest.h"
#include "syncd/command.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"

int command_version(const struct options *options)
{
	struct buf text = { 0 };
	int code;

	(void)options;
	buf_add_text(&text, "mailtwin " MAILTWIN_VERSION "\n");
	code = command_print(&text);
	buf_finish(&text);
	return code;
}

static void write_key(const struct config_key_help *key, struct buf *text)
{
	buf_add_format(text, "  %s", key->name);
	if (key->type[0] != '\0')
		buf_add_format(text, ": %s", key->type);
	if (key->fallback != NULL && key->fallback[0] != '\0')
		buf_add_format(text, " (default %s)", key->fallback);
	buf_add_format(text, "\n      %s\n", key->help);
}

static void write_keys(bool is_account_key, struct buf *text)
{
	struct config_key_help key;

	for (size_t i = 0; config_key_describe(i, &key); i++)
		if (key.is_account_key == is_account_key)
			write_key(&key, text);
}

static void write_config_help(struct buf *text)
{
	char *path = config_default_path();

	buf_add_format(text, "The configuration, %s:\n\n",
		path == NULL ? "--config FILE" : path);
	buf_add_text(text,
		"accounts:\n"
		"  home:\n"
		"    host: imap.example.org\n"
		"    user: me@example.org\n"
		"    password_command: pass show mail/home\n"
		"    maildir: ~/Mail/home\n\n"
		"At the top level:\n");
	write_keys(false, text);
	buf_add_text(text, "\nOf an account, or under 'defaults':\n");
	write_keys(true, text);
	free(path);
}

static bool write_topic(const char *name, struct buf *text)
{
	const struct command *command = options_find_command(name);
	char hint[SUGGEST_SIZE_MAX + 32];

	if (strcmp(name, "config") == 0) {
		write_config_help(text);
		return true;
	}
	if (command != NULL) {
		options_write_help(command, text);
		return true;
	}
	options_suggest_command(name, hint, sizeof(hint));
	log_write(LOG_ERROR, "there is no command '%.60s'%s", name, hint);
	return false;
}

int command_help(const struct options *options)
{
	struct buf text = { 0 };
	int code = CODE_USAGE;

	if (options->name_count == 0)
		options_write_help(NULL, &text);
	if (options->name_count == 0 || write_topic(options->names[0], &text))
		code = command_print(&text);
	buf_finish(&text);
	return code;
}
