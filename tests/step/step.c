/* Runs a program and counts its system calls of one kind over all its processes
   and threads; at the N-th it kills, or lets the call fail. A filter of seccomp
   stops at these calls only, so that the rest runs at full speed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <getopt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/step/call.h"

#define EXIT_STEP   125 /* the stepper itself could not */
#define PROCESS_MAX 256

static const char USAGE[] =
	"usage: step [OPTION]... MODE [N [ERRNO]] -- PROGRAM [ARGUMENT]...\n"
	"modes:\n"
	"  count                 counts\n"
	"  kill-before N         kills all processes before the N-th call\n"
	"  kill-after N          or when it has run\n"
	"  kill-worker-before N  kills only the process that makes the call\n"
	"  kill-worker-after N\n"
	"  fail N ERRNO          the call is not made and returns the error\n"
	"  fail-from N ERRNO     and so do all later ones of its name\n"
	"  short N               the call writes half of what it was to write\n"
	"options:\n"
	"  --log FILE            a line per call of the kind: its number (0:\n"
	"                        it does not count), thread, name, file, deed\n"
	"  --kind KIND           change (default), open, memory, look\n"
	"  --name NAME           counts only calls of this name\n"
	"  --path TEXT           counts only calls with TEXT in the path\n"
	"Exit code: the program's, 128 + signal, or 125.\n";

enum mode {
	MODE_COUNT,
	MODE_KILL_BEFORE,
	MODE_KILL_AFTER,
	MODE_KILL_WORKER_BEFORE,
	MODE_KILL_WORKER_AFTER,
	MODE_FAIL,
	MODE_FAIL_FROM,
	MODE_SHORT,
};

static const char *const MODE_NAMES[] = {
	[MODE_COUNT] = "count",
	[MODE_KILL_BEFORE] = "kill-before",
	[MODE_KILL_AFTER] = "kill-after",
	[MODE_KILL_WORKER_BEFORE] = "kill-worker-before",
	[MODE_KILL_WORKER_AFTER] = "kill-worker-after",
	[MODE_FAIL] = "fail",
	[MODE_FAIL_FROM] = "fail-from",
	[MODE_SHORT] = "short",
};

static const struct name {
	const char *name;
	int value;
} ERRORS[] = {
	{ "EIO", EIO },
	{ "ENOSPC", ENOSPC },
	{ "EDQUOT", EDQUOT },
	{ "EROFS", EROFS },
	{ "EACCES", EACCES },
	{ "EMFILE", EMFILE },
	{ "ENFILE", ENFILE },
	{ "ENOMEM", ENOMEM },
	{ "EAGAIN", EAGAIN },
	{ "EINTR", EINTR },
	{ "ECONNRESET", ECONNRESET },
	{ NULL, 0 },
}, KINDS[] = {
	{ "change", CALL_CHANGE },
	{ "open", CALL_OPEN },
	{ "memory", CALL_MEMORY },
	{ "look", CALL_LOOK },
	{ NULL, 0 },
};

struct step {
	enum mode mode;
	unsigned long number;
	int error;
	unsigned kind;
	const char *only_name; /* NULL = all */
	const char *only_path;
	FILE *log;

	unsigned long count;
	const struct call *failing; /* of MODE_FAIL_FROM, once it began */
	pid_t dying;                /* killed when its call returns, or 0 */
	bool is_over;               /* all are to die */
	pid_t processes[PROCESS_MAX];
	size_t process_count;
};

/* The first process: it gets the signals that end the stepper. */
static volatile pid_t first_process;

static void stop(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

static void stop(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)fputs("step: ", stderr);
	(void)vfprintf(stderr, format, arguments);
	(void)fputc('\n', stderr);
	va_end(arguments);
	/* What is traced dies with the tracer. */
	exit(EXIT_STEP);
}

/* ---- The program's start ---- */

static struct sock_filter load(size_t offset)
{
	return (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, (unsigned)offset);
}

static struct sock_filter answer(unsigned action)
{
	return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
}

static struct sock_filter skip_unless(unsigned value)
{
	return (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
}

static int install_filter(unsigned kind)
{
	struct sock_filter code[2 * CALL_MAX + 5];
	struct sock_fprog program = { .filter = code };
	size_t size = 0;

	code[size++] = load(offsetof(struct seccomp_data, arch));
	code[size++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	code[size++] = answer(SECCOMP_RET_ALLOW);
	code[size++] = load(offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < CALL_COUNT; i++) {
		if ((CALLS[i].kinds & kind) == 0)
			continue;
		code[size++] = skip_unless((unsigned)CALLS[i].number);
		code[size++] = answer(SECCOMP_RET_TRACE);
	}
	code[size++] = answer(SECCOMP_RET_ALLOW);
	program.len = (unsigned short)size;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static void become_program(const struct step *step, int gate, char **arguments)
{
	char byte;

	/* Nobody is there to stop for until the tracer opens the gate. */
	if (read(gate, &byte, 1) == -1 || install_filter(step->kind) == -1)
		_exit(EXIT_STEP);
	(void)close(gate);
	(void)execvp(arguments[0], arguments);
	(void)fprintf(stderr, "step: cannot run '%s': %s\n", arguments[0],
		strerror(errno));
	_exit(EXIT_STEP);
}

static void start(const struct step *step, char **arguments)
{
	long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP |
		PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	int gate[2];

	if (pipe(gate) == -1)
		stop("cannot make a pipe: %s", strerror(errno));
	first_process = fork();
	if (first_process == 0) {
		(void)close(gate[1]);
		become_program(step, gate[0], arguments);
	}
	if (first_process == -1)
		stop("cannot fork: %s", strerror(errno));
	if (ptrace(PTRACE_SEIZE, first_process, NULL, options) == -1)
		stop("cannot trace: %s", strerror(errno));
	(void)close(gate[0]);
	(void)close(gate[1]);
}

/* ---- Its processes ---- */

static void remember(struct step *step, pid_t pid)
{
	for (size_t i = 0; i < step->process_count; i++)
		if (step->processes[i] == pid)
			return;
	if (step->process_count == PROCESS_MAX)
		stop("more than %d processes and threads", PROCESS_MAX);
	step->processes[step->process_count++] = pid;
}

static void forget(struct step *step, pid_t pid)
{
	for (size_t i = 0; i < step->process_count; i++) {
		if (step->processes[i] == pid) {
			step->processes[i] =
				step->processes[--step->process_count];
			return;
		}
	}
}

static void resume(enum __ptrace_request how, pid_t pid, int signal_number)
{
	/* It may have been killed meanwhile: then there is nothing to do. */
	(void)ptrace(how, pid, NULL, (long)signal_number);
}

static void kill_all(struct step *step)
{
	step->is_over = true;
	for (size_t i = 0; i < step->process_count; i++)
		(void)kill(step->processes[i], SIGKILL);
}

static void kill_for(struct step *step, pid_t pid)
{
	if (step->mode == MODE_KILL_BEFORE || step->mode == MODE_KILL_AFTER)
		kill_all(step);
	else
		(void)kill(call_process(pid), SIGKILL);
}

/* ---- Their calls ---- */

static void fail_call(
	const struct step *step, pid_t pid, struct user_regs_struct *regs)
{
	/* There is no such call: the kernel skips it and leaves the result. */
	regs->orig_rax = (unsigned long long)-1;
	regs->rax = (unsigned long long)-(long long)step->error;
	if (ptrace(PTRACE_SETREGS, pid, NULL, regs) == -1)
		stop("cannot change a call: %s", strerror(errno));
}

/* Bytes, or pieces: both are the third argument. */
static bool shorten_call(
	const struct call *call, pid_t pid, struct user_regs_struct *regs)
{
	if (call->rule != RULE_FILE || regs->rdx < 2)
		return false;
	regs->rdx /= 2;
	if (ptrace(PTRACE_SETREGS, pid, NULL, regs) == -1)
		stop("cannot change a call: %s", strerror(errno));
	return true;
}

/* What is done about the call; the text is for the log. */
static const char *act(struct step *step, const struct call *call, pid_t pid,
	struct user_regs_struct *regs)
{
	switch (step->mode) {
	case MODE_COUNT:
		break;
	case MODE_KILL_BEFORE:
	case MODE_KILL_WORKER_BEFORE:
		kill_for(step, pid);
		return "killed before";
	case MODE_KILL_AFTER:
	case MODE_KILL_WORKER_AFTER:
		step->dying = pid;
		return "killed after";
	case MODE_FAIL:
	case MODE_FAIL_FROM:
		fail_call(step, pid, regs);
		return "failed";
	case MODE_SHORT:
		return shorten_call(call, pid, regs) ? "shortened" : "whole";
	}
	return "";
}

static bool is_wanted(
	const struct step *step, const struct call *call, const char *subject)
{
	return (step->only_name == NULL ||
		       strcmp(step->only_name, call->name) == 0) &&
		(step->only_path == NULL ||
			strstr(subject, step->only_path) != NULL);
}

static bool is_due(struct step *step, const struct call *call)
{
	if (step->count == step->number && step->mode == MODE_FAIL_FROM)
		step->failing = call;
	return step->count == step->number || step->failing == call;
}

static void count_call(struct step *step, pid_t pid, const struct call *call,
	struct user_regs_struct *regs)
{
	char subject[CALL_SUBJECT_SIZE];
	unsigned long number = 0;
	const char *done = "";

	call_describe(call, pid, regs, subject);
	if (is_wanted(step, call, subject)) {
		number = ++step->count;
		if (is_due(step, call))
			done = act(step, call, pid, regs);
	}
	if (step->log != NULL)
		(void)fprintf(step->log, "%lu\t%d\t%s\t%s\t%s\n", number,
			(int)pid, call->name, subject, done);
}

/* The thread stands before a call that the filter knows. */
static void call_came(struct step *step, pid_t pid)
{
	struct user_regs_struct regs;
	const struct call *call;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) == -1)
		return;
	call = call_find((long)regs.orig_rax);
	if (call != NULL && (call_kinds(call, pid, &regs) & step->kind) != 0)
		count_call(step, pid, call, &regs);
	resume(step->dying == pid ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0);
}

static void call_returned(struct step *step, pid_t pid)
{
	if (step->dying == pid) {
		step->dying = 0;
		kill_for(step, pid);
	}
	resume(PTRACE_CONT, pid, 0);
}

/* ---- The loop ---- */

static bool is_group_stop(int signal_number)
{
	return signal_number == SIGSTOP || signal_number == SIGTSTP ||
		signal_number == SIGTTIN || signal_number == SIGTTOU;
}

static void stopped(struct step *step, pid_t pid, int status)
{
	int signal_number = WSTOPSIG(status);

	remember(step, pid);
	if (step->is_over)
		(void)kill(pid, SIGKILL);
	switch (status >> 16) {
	case PTRACE_EVENT_SECCOMP:
		if (!step->is_over)
			call_came(step, pid);
		break;
	case PTRACE_EVENT_STOP:
		resume(is_group_stop(signal_number) ? PTRACE_LISTEN
						    : PTRACE_CONT,
			pid, 0);
		break;
	case 0:
		if (signal_number == (SIGTRAP | 0x80))
			call_returned(step, pid);
		else
			resume(PTRACE_CONT, pid, signal_number);
		break;
	default:
		resume(PTRACE_CONT, pid, 0);
	}
}

/* Returns when the last process has ended: what the first ended with. */
static int follow(struct step *step)
{
	int code = EXIT_STEP;
	int status;

	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid == -1 && errno == EINTR)
			continue;
		if (pid == -1)
			return code;
		if (WIFSTOPPED(status)) {
			stopped(step, pid, status);
			continue;
		}
		forget(step, pid);
		if (pid == first_process)
			code = WIFEXITED(status) ? WEXITSTATUS(status)
						 : 128 + WTERMSIG(status);
	}
}

static void pass_on(int signal_number)
{
	if (first_process > 0)
		(void)kill(first_process, signal_number);
}

/* ---- Arguments ---- */

static void usage(void)
{
	(void)fputs(USAGE, stderr);
	exit(EXIT_STEP);
}

static int find_value(const struct name *names, const char *name)
{
	for (; names->name != NULL; names++)
		if (strcmp(names->name, name) == 0)
			return names->value;
	usage();
	return 0;
}

static enum mode find_mode(const char *name)
{
	size_t count = sizeof(MODE_NAMES) / sizeof(MODE_NAMES[0]);

	for (size_t i = 0; i < count; i++)
		if (strcmp(MODE_NAMES[i], name) == 0)
			return (enum mode)i;
	usage();
	return MODE_COUNT;
}

static void take_option(struct step *step, int option)
{
	switch (option) {
	case 'l':
		step->log = fopen(optarg, "we");
		if (step->log == NULL)
			stop("cannot write '%s': %s", optarg, strerror(errno));
		/* Whoever follows a daemon reads it line by line. */
		(void)setvbuf(step->log, NULL, _IOLBF, BUFSIZ);
		break;
	case 'k':
		step->kind = (unsigned)find_value(KINDS, optarg);
		break;
	case 'n':
		step->only_name = optarg;
		break;
	case 'p':
		step->only_path = optarg;
		break;
	default:
		usage();
	}
}

/* Returns the program and its arguments. */
static char **take_arguments(struct step *step, int count, char **arguments)
{
	static const struct option OPTIONS[] = {
		{ "log", required_argument, NULL, 'l' },
		{ "kind", required_argument, NULL, 'k' },
		{ "name", required_argument, NULL, 'n' },
		{ "path", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(count, arguments, "+", OPTIONS, NULL)) !=
		-1)
		take_option(step, option);
	arguments += optind;
	if (*arguments == NULL)
		usage();
	step->mode = find_mode(*arguments++);
	if (step->mode != MODE_COUNT && *arguments != NULL)
		step->number = strtoul(*arguments++, NULL, 10);
	if ((step->mode == MODE_FAIL || step->mode == MODE_FAIL_FROM) &&
		*arguments != NULL)
		step->error = find_value(ERRORS, *arguments++);
	if (*arguments == NULL || strcmp(*arguments, "--") != 0 ||
		arguments[1] == NULL)
		usage();
	return arguments + 1;
}

int main(int count, char **arguments)
{
	struct step step = { .kind = CALL_CHANGE };
	struct sigaction action = { .sa_handler = pass_on };
	char **program = take_arguments(&step, count, arguments);
	int code;

	start(&step, program);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGUSR1, &action, NULL);
	code = follow(&step);
	if (step.log != NULL && fclose(step.log) != 0)
		stop("cannot write the log: %s", strerror(errno));
	return code;
}
