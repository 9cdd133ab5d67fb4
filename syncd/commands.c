#include "syncd/command.h"

#define ACCOUNTS "[ACCOUNT[/MAILBOX]...]"

const struct command COMMANDS[] = {
	{ "daemon", "", "stay in the foreground and keep all accounts in step",
		0, command_daemon },
	{ "sync", ACCOUNTS, "make one pass, or ask a running daemon for one",
		OPTION_DRY_RUN, command_sync },
	{ "status", ACCOUNTS, "tell what each account and mailbox is doing",
		OPTION_JSON | OPTION_WATCH, command_status },
	{ "check", ACCOUNTS, "read the configuration, connect and log in",
		OPTION_OFFLINE, command_check },
	{ "held", ACCOUNTS, "list the deletions that are held back", 0,
		command_held },
	{ "approve", ACCOUNTS, "let held deletions go", 0, command_held },
	{ "undo", ACCOUNTS, "bring removed local messages back", 0,
		command_held },
	{ "version", "", "print the version", 0, command_version },
	{ "help", "[COMMAND|config]", "explain a command or the configuration",
		0, command_help },
	{ 0 },
};
