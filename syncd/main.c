#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* environ and friends of the headers below */
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/command.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"
#include "syncd/process.h"
#include "syncd/worker/worker.h"

/* Descriptors 0 to 2 exist, so that no file of ours becomes one of them. */
static bool open_standard_files(struct error *error)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	if (fd == -1)
		return error_set_errno(error, "cannot open '/dev/null'");
	close(fd);
	return true;
}

static int give_up(bool is_worker, const struct error *error)
{
	if (is_worker)
		return worker_give_up(PROCESS_SOCKET_FD, error);
	log_write(LOG_ERROR, "%s", error->message);
	return CODE_IO;
}

/* Passwords pass through: nobody reads our memory, and no core holds it. */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "mailtwin", 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Over a limit of file sizes a write fails; that is an answer. */
	(void)signal(SIGXFSZ, SIG_IGN);
}

/* The supervisor tells a worker to stop, or kills it; signals to the whole
   group or control group are for the supervisor. */
static int run_worker(void)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	if (fcntl(PROCESS_SOCKET_FD, F_SETFD, FD_CLOEXEC) == -1) {
		log_write(LOG_ERROR,
			"'worker' is for the supervisor: it has no socket");
		return CODE_USAGE;
	}
	return worker_main(PROCESS_SOCKET_FD);
}

static int print_help(const struct command *command)
{
	struct buf text = { 0 };
	int code;

	options_write_help(command, &text);
	code = command_print(&text);
	buf_finish(&text);
	return code;
}

static int run_command(int argument_count, char **arguments)
{
	struct options options;
	struct error error = { 0 };

	if (!options_parse(argument_count, arguments, &options, &error)) {
		log_write(LOG_ERROR, "%s", error.message);
		log_write(LOG_ERROR, "'mailtwin help' tells what there is");
		return CODE_USAGE;
	}
	if (options.wants_help)
		return print_help(options.command);
	return options.command->run(&options);
}

int main(int argument_count, char **arguments)
{
	/* Not in the table of commands: nobody is to use it. */
	bool is_worker =
		argument_count > 1 && strcmp(arguments[1], "worker") == 0;
	struct error error = { 0 };

	harden();
	log_open(false, LOG_INFO);
	if (!open_standard_files(&error))
		return give_up(is_worker, &error);
	if (is_worker)
		return run_worker();
	return run_command(argument_count, arguments);
}
