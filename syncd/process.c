#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* close_range, pidfd_open, SOCK_CLOEXEC */
#endif
#include "syncd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/exit_code.h"
#include "syncd/ipc.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/worker.h"

struct process {
	struct loop *loop;
	struct process_events events;
	pid_t pid; /* 0 = reaped */
	int pid_fd;
	struct ipc *ipc;
	struct loop_source *source; /* NULL = the worker closed its end */
	struct loop_source *pid_source;
	uint64_t heard_ms;
	struct error error;
	bool is_giving; /* an event is being told */
	bool is_freed;  /* during it: the memory goes afterwards */
};

/* ---- Messages ---- */

static void deaf(struct process *process)
{
	loop_remove(process->loop, process->source);
	process->source = NULL;
}

/* False when the event freed the process. */
static bool give(struct process *process, json_t *message)
{
	const char *type = ipc_text(message, "type");

	process->heard_ms = clock_now_ms();
	process->is_giving = true;
	if (type != NULL)
		process->events.message(process->events.data, type, message);
	process->is_giving = false;
	json_decref(message);
	if (!process->is_freed)
		return true;
	free(process);
	return false;
}

/* Same. */
static bool receive(struct process *process)
{
	json_t *message;

	for (;;) {
		switch (ipc_receive(process->ipc, &message, &process->error)) {
		case IPC_MESSAGE:
			if (!give(process, message))
				return false;
			continue;
		case IPC_NONE:
			return true;
		case IPC_CLOSED:
			deaf(process);
			return true;
		case IPC_ERROR:
			/* Not one of ours any more. */
			deaf(process);
			process_kill(process);
			return true;
		}
	}
}

static void update_source(struct process *process)
{
	if (process->source != NULL)
		loop_modify(process->loop, process->source,
			ipc_wants_write(process->ipc) ? LOOP_READ | LOOP_WRITE
						      : LOOP_READ);
}

static void socket_ready(void *data, unsigned events)
{
	struct process *process = data;

	(void)events;
	(void)ipc_flush(process->ipc);
	if (receive(process))
		update_source(process);
}

bool process_send(struct process *process, json_t *message)
{
	bool is_sent = ipc_send(process->ipc, message);

	update_source(process);
	return is_sent;
}

/* ---- Its end ---- */

static int code_of(int status, struct error *error)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* What went wrong before the signal says more. */
	if (error->code == ERROR_NONE)
		(void)error_set(error, ERROR_CORRUPT,
			"the worker was ended by signal %d", WTERMSIG(status));
	return CODE_INTERNAL;
}

static void exited(void *data, unsigned events)
{
	struct process *process = data;
	int status = 0;
	pid_t pid = waitpid(process->pid, &status, WNOHANG);
	int code;

	(void)events;
	if (pid == 0 || (pid == -1 && errno == EINTR))
		return;
	process->pid = 0;
	loop_remove(process->loop, process->pid_source);
	process->pid_source = NULL;
	if (process->source != NULL && !receive(process))
		return;
	code = code_of(status, &process->error);
	process->events.ended(process->events.data, code, &process->error);
}

void process_kill(struct process *process)
{
	if (process->pid != 0)
		(void)kill(process->pid, SIGKILL);
}

void process_free(struct process *process)
{
	if (process == NULL)
		return;
	process_kill(process);
	while (process->pid != 0 && waitpid(process->pid, NULL, 0) == -1 &&
		errno == EINTR)
		;
	loop_remove(process->loop, process->source);
	loop_remove(process->loop, process->pid_source);
	if (process->pid_fd != -1)
		close(process->pid_fd);
	ipc_free(process->ipc);
	if (process->is_giving)
		process->is_freed = true;
	else
		free(process);
}

uint64_t process_heard_ms(const struct process *process)
{
	return process->heard_ms;
}

/* ---- Its start ---- */

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The socket under its number, nothing to read, nowhere to write, and no other
   descriptor. Standard error stays: it is where a crash, or the sanitizers,
   would be heard. */
static bool arrange_files(int *socket_fd, struct error *error)
{
	int null_fd;

	/* dup2() onto itself does not clear the flag. */
	if (dup2(*socket_fd, PROCESS_SOCKET_FD) == -1 ||
		fcntl(PROCESS_SOCKET_FD, F_SETFD, 0) == -1)
		return error_set_errno(error, "cannot pass on a socket");
	*socket_fd = PROCESS_SOCKET_FD;
	if (close_range(PROCESS_SOCKET_FD + 1, ~0U, 0) == -1)
		return error_set_errno(error, "cannot close files");
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd == -1)
		return error_set_errno(error, "cannot open '/dev/null'");
	if (dup2(null_fd, STDIN_FILENO) == -1 ||
		dup2(null_fd, STDOUT_FILENO) == -1)
		return error_set_errno(error, "cannot pass on '/dev/null'");
	return true;
}

/* Between fork and exec. */
static void become_worker(const char *program, char *name, int socket_fd)
{
	char own_name[] = "mailtwin";
	char command[] = "worker";
	char *arguments[] = { own_name, command, name, NULL };
	struct error error = { 0 };

	reset_signals();
	if (program == NULL)
		program = "/proc/self/exe";
	if (arrange_files(&socket_fd, &error)) {
		(void)execv(program, arguments);
		(void)error_set_errno(&error, "cannot start '%s'", program);
	}
	_exit(worker_give_up(socket_fd, &error));
}

static pid_t fork_worker(
	const char *program, const char *name, int *fd_out, struct error *error)
{
	char *copy;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		(void)error_set_errno(error, "cannot make a socket pair");
		return -1;
	}
	copy = alloc_text(name);
	pid = fork();
	if (pid == 0)
		become_worker(program, copy, pair[1]);
	if (pid == -1)
		(void)error_set_errno(error, "cannot start a worker");
	free(copy);
	close(pair[1]);
	if (pid == -1)
		close(pair[0]);
	else
		*fd_out = pair[0];
	return pid;
}

struct process *process_start(struct loop *loop, const char *program,
	const char *name, const struct process_events *events,
	struct error *error)
{
	struct process *process;
	int fd;
	pid_t pid = fork_worker(program, name, &fd, error);

	if (pid == -1)
		return NULL;
	process = alloc(1, sizeof(*process));
	process->loop = loop;
	process->events = *events;
	process->pid = pid;
	process->ipc = ipc_new(fd);
	process->heard_ms = clock_now_ms();
	process->pid_fd = pidfd_open(pid, 0);
	if (process->pid_fd == -1) {
		(void)error_set_errno(error, "cannot watch a worker");
		process_free(process);
		return NULL;
	}
	process->source = loop_add(loop, fd, LOOP_READ, socket_ready, process);
	process->pid_source =
		loop_add(loop, process->pid_fd, LOOP_READ, exited, process);
	return process;
}
