#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2, pidfd_open, explicit_bzero, environ */
#endif
#include "syncd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

struct secret {
	struct loop *loop;
	void (*done)(void *data, const char *text, const struct error *error);
	void *data;
	struct loop_timer *timer; /* the answer is there, or time is up */
	struct buf text;          /* with room for all of it from the start */
	struct error error;
	bool is_ready; /* `text` or `error` is the answer */

	/* Of a command. */
	const char *what; /* the key it stands under */
	pid_t pid;        /* 0 = none, or reaped */
	int pid_fd;
	int fd; /* reads its output; -1 = at its end */
	struct loop_source *source;
	struct loop_source *pid_source;
	int status; /* of waitpid() */
};

/* ---- The answer ---- */

static void answer_soon(struct secret *secret)
{
	secret->is_ready = true;
	loop_timer_set(secret->loop, secret->timer, 0);
}

static void cut_at_line_end(struct buf *text)
{
	size_t size = strcspn(buf_text(text), "\r\n");

	explicit_bzero(text->data + size, text->size - size);
	buf_truncate(text, size);
}

/* One line of printable UTF-8 is for whoever uses it to judge; here only what
   cannot be a secret at all. */
static void check_text(struct secret *secret, const char *what)
{
	if (secret->error.code != ERROR_NONE)
		return;
	if (secret->text.size > 0 &&
		memchr(secret->text.data, '\0', secret->text.size) != NULL) {
		(void)error_set(&secret->error, ERROR_AUTH,
			"%s gave a zero byte", what);
		return;
	}
	if (secret->text.size > 0)
		cut_at_line_end(&secret->text);
	if (secret->text.size == 0)
		(void)error_set(&secret->error, ERROR_AUTH,
			"%s gave no text in the first line", what);
}

static void close_output(struct secret *secret)
{
	loop_remove(secret->loop, secret->source);
	secret->source = NULL;
	if (secret->fd != -1)
		close(secret->fd);
	secret->fd = -1;
}

static void close_process(struct secret *secret)
{
	loop_remove(secret->loop, secret->pid_source);
	secret->pid_source = NULL;
	if (secret->pid_fd != -1)
		close(secret->pid_fd);
	secret->pid_fd = -1;
}

/* The whole group: a shell's children too. */
static void kill_command(struct secret *secret)
{
	if (secret->pid == 0)
		return;
	(void)kill(-secret->pid, SIGKILL);
	while (waitpid(secret->pid, NULL, 0) == -1 && errno == EINTR)
		;
	secret->pid = 0;
}

static void timer_fired(void *data)
{
	struct secret *secret = data;
	const char *text;

	if (!secret->is_ready) {
		kill_command(secret);
		close_output(secret);
		close_process(secret);
		secret->is_ready = true;
		(void)error_set(&secret->error, ERROR_AUTH,
			"%s was killed: it did not end in time", secret->what);
	}
	text = secret->error.code == ERROR_NONE ? buf_text(&secret->text)
						: NULL;
	/* May free the secret. */
	secret->done(secret->data, text, &secret->error);
}

/* ---- A command ---- */

static void judge(struct secret *secret)
{
	int status = secret->status;

	if (secret->error.code != ERROR_NONE)
		return;
	if (WIFSIGNALED(status))
		(void)error_set(&secret->error, ERROR_AUTH,
			"%s was ended by signal %d", secret->what,
			WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		(void)error_set(&secret->error, ERROR_AUTH,
			"%s ended with exit status %d", secret->what,
			WEXITSTATUS(status));
}

/* Its output may be held open by a child that stays, as agents do: the end of
   the command itself counts. */
static void command_ended(struct secret *secret)
{
	close_output(secret);
	close_process(secret);
	judge(secret);
	check_text(secret, secret->what);
	answer_soon(secret);
}

static void refuse_long(struct secret *secret)
{
	const uint8_t *data = secret->text.data;

	if (memchr(data, '\n', secret->text.size) == NULL)
		(void)error_set(&secret->error, ERROR_AUTH,
			"%s gave a first line of more than %d octets",
			secret->what, SECRET_SIZE_MAX);
}

static void read_output(struct secret *secret)
{
	char rest[4096];

	while (secret->fd != -1) {
		size_t room = SECRET_SIZE_MAX + 1 - secret->text.size;
		ssize_t size;

		if (room > 0)
			size = read(secret->fd,
				secret->text.data + secret->text.size, room);
		else
			size = read(secret->fd, rest, sizeof(rest));
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN)
			break;
		if (size <= 0) {
			close_output(secret);
			break;
		}
		if (room > 0)
			secret->text.size += (size_t)size;
		if (secret->text.size > SECRET_SIZE_MAX)
			refuse_long(secret);
	}
	explicit_bzero(rest, sizeof(rest));
}

static void output_ready(void *data, unsigned events)
{
	(void)events;
	read_output(data);
}

static void process_ready(void *data, unsigned events)
{
	struct secret *secret = data;
	pid_t pid = waitpid(secret->pid, &secret->status, WNOHANG);

	(void)events;
	if (pid == 0 || (pid == -1 && errno == EINTR))
		return;
	secret->pid = 0;
	read_output(secret);
	if (secret->text.size > 0)
		secret->text.data[secret->text.size] = '\0';
	command_ended(secret);
}

static void set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	/* A group of its own, so that all of it can be killed. */
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(attributes,
		POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
			POSIX_SPAWN_SETPGROUP);
}

/* 0 or an errno. */
static int spawn_shell(const char *command, int output, pid_t *pid_out)
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
	set_attributes(&attributes);
	result = posix_spawn_file_actions_addopen(
		&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(
			&actions, output, STDOUT_FILENO);
	if (result == 0)
		result = posix_spawn(pid_out, "/bin/sh", &actions, &attributes,
			arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	return result;
}

static bool start_command(struct secret *secret, const char *command)
{
	int ends[2];
	int result;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return error_set_errno(&secret->error, "cannot make a pipe");
	result = spawn_shell(command, ends[1], &secret->pid);
	close(ends[1]);
	secret->fd = ends[0];
	errno = result;
	if (result != 0) {
		secret->pid = 0;
		return error_set_errno(
			&secret->error, "cannot run %s", secret->what);
	}
	secret->pid_fd = pidfd_open(secret->pid, 0);
	if (secret->pid_fd == -1 || fcntl(ends[0], F_SETFL, O_NONBLOCK) == -1) {
		(void)error_set_errno(
			&secret->error, "cannot watch %s", secret->what);
		kill_command(secret);
		return false;
	}
	secret->source = loop_add(
		secret->loop, secret->fd, LOOP_READ, output_ready, secret);
	secret->pid_source = loop_add(
		secret->loop, secret->pid_fd, LOOP_READ, process_ready, secret);
	loop_timer_set(secret->loop, secret->timer, SECRET_TIMEOUT_MS);
	return true;
}

/* ---- A file ---- */

static bool check_file(int fd, const char *path, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) == -1)
		return error_set_errno(error, "cannot look at '%s'", path);
	if (!S_ISREG(status.st_mode))
		return error_set(error, ERROR_AUTH,
			"password_file '%s' is no regular file", path);
	if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return error_set(error, ERROR_AUTH,
			"password_file '%s' can be read by others: chmod 600 "
			"it",
			path);
	return true;
}

static void read_file(struct secret *secret, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t size;

	if (fd == -1) {
		(void)error_set_errno(
			&secret->error, "cannot open password_file '%s'", path);
		return;
	}
	if (check_file(fd, path, &secret->error)) {
		do
			size = read(fd, secret->text.data, SECRET_SIZE_MAX);
		while (size == -1 && errno == EINTR);
		if (size == -1)
			(void)error_set_errno(&secret->error,
				"cannot read password_file '%s'", path);
		else
			secret->text.size = (size_t)size;
		secret->text.data[secret->text.size] = '\0';
		check_text(secret, "password_file");
	}
	close(fd);
}

/* ---- Public ---- */

static void ask(struct secret *secret, const struct config_account *account)
{
	const char *command = account->password_command;

	secret->what = "password_command";
	if (account->token_command != NULL) {
		secret->what = "token_command";
		command = account->token_command;
	}
	if (account->password != NULL)
		buf_add_text(&secret->text, account->password);
	else if (account->password_file != NULL)
		read_file(secret, account->password_file);
	else if (command != NULL && start_command(secret, command))
		return;
	else if (command == NULL)
		(void)error_set(&secret->error, ERROR_AUTH,
			"the server wants a password, and the account has "
			"none");
	answer_soon(secret);
}

struct secret *secret_ask(struct loop *loop,
	const struct config_account *account,
	void (*done)(void *data, const char *text, const struct error *error),
	void *data)
{
	struct secret *secret = alloc(1, sizeof(*secret));

	secret->loop = loop;
	secret->done = done;
	secret->data = data;
	secret->fd = -1;
	secret->pid_fd = -1;
	secret->timer = loop_timer_new(loop, timer_fired, secret);
	/* All of it at once: growing would leave copies. */
	buf_reserve(&secret->text, SECRET_SIZE_MAX + 1);
	ask(secret, account);
	return secret;
}

void secret_free(struct secret *secret)
{
	if (secret == NULL)
		return;
	kill_command(secret);
	close_output(secret);
	close_process(secret);
	loop_timer_free(secret->loop, secret->timer);
	buf_finish_secret(&secret->text);
	free(secret);
}

void secret_set_timeout(struct secret *secret, uint64_t timeout_ms)
{
	if (!secret->is_ready)
		loop_timer_set(secret->loop, secret->timer, timeout_ms);
}
