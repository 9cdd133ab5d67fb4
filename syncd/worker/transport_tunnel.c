#define _GNU_SOURCE
#include "syncd/worker/transport_tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define POLL_MS 5

struct transport_tunnel {
	pid_t pid;
};

/* We block and ignore signals that a command expects to work. */
static void reset_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

/* 0 or an errno. No process group of its own: ssh may ask for a passphrase on
   the terminal. */
static int spawn_shell(const char *command, int fd, pid_t *pid_out)
{
	char *copy = alloc_text(command);
	char shell[] = "sh";
	char option[] = "-c";
	char *arguments[] = { shell, option, copy, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int result;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	reset_signals(&attributes);
	result = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(
			&actions, fd, STDOUT_FILENO);
	if (result == 0)
		result = posix_spawn(pid_out, "/bin/sh", &actions, &attributes,
			arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	return result;
}

struct transport_tunnel *transport_tunnel_open(
	const char *command, int *fd_out, struct error *error)
{
	struct transport_tunnel *tunnel;
	pid_t pid;
	int pair[2];
	int result = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		(void)error_set_errno(error, "cannot make a socket pair");
		return NULL;
	}
	/* Only our end: the command expects its stdin to block. */
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1)
		result = errno;
	if (result == 0)
		result = spawn_shell(command, pair[1], &pid);
	close(pair[1]);
	if (result != 0) {
		close(pair[0]);
		errno = result;
		(void)error_set_errno(error, "cannot run the tunnel command");
		return NULL;
	}
	tunnel = alloc(1, sizeof(*tunnel));
	tunnel->pid = pid;
	*fd_out = pair[0];
	return tunnel;
}

static bool is_reaped(const struct transport_tunnel *tunnel, int flags)
{
	pid_t pid;

	do
		pid = waitpid(tunnel->pid, NULL, flags);
	while (pid == -1 && errno == EINTR);
	/* -1: somebody else has reaped it. */
	return pid != 0;
}

void transport_tunnel_close(struct transport_tunnel *tunnel)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	if (tunnel == NULL)
		return;
	if (!is_reaped(tunnel, WNOHANG)) {
		bool is_gone = false;

		(void)kill(tunnel->pid, SIGTERM);
		for (int ms = 0; ms < TRANSPORT_TUNNEL_GRACE_MS && !is_gone;
			ms += POLL_MS) {
			(void)nanosleep(&pause, NULL);
			is_gone = is_reaped(tunnel, WNOHANG);
		}
		if (!is_gone) {
			(void)kill(tunnel->pid, SIGKILL);
			(void)is_reaped(tunnel, 0);
		}
	}
	free(tunnel);
}
