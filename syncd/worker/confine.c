#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, SYS_capset */
#endif
#include "syncd/worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "syncd/worker/confine_internal.h"

#define PORT_DNS      53
#define LAST_WORD_MAX 512

struct known_file {
	char *path;
	bool was_there;
	dev_t device;
	ino_t inode;
};

struct confine {
	/* Readable files, writable directories, and what did not exist. */
	struct known_file *files;
	size_t file_count;
	struct buf missing;
};

/* Of the process, as a signal handler has no other way to it. */
static struct {
	int fd;
	char before[LAST_WORD_MAX];
	char after[LAST_WORD_MAX];
} last_word = { .fd = -1 };

/* ---- Files ---- */

/* Of directories, those alone that may be mounted, or put back, anew. */
static void note_file(
	struct confine *confine, const struct confine_path *path, int fd)
{
	struct known_file file = { .path = NULL };
	struct stat status;

	if (fd != -1) {
		if (fstat(fd, &status) == -1 ||
			(S_ISDIR(status.st_mode) &&
				path->access != CONFINE_WRITE))
			return;
		file.was_there = true;
		file.device = status.st_dev;
		file.inode = status.st_ino;
	}
	file.path = alloc_text(path->path);
	confine->files = alloc_resize(confine->files, confine->file_count + 1,
		sizeof(*confine->files));
	confine->files[confine->file_count++] = file;
}

static void add_path(struct confine *confine, int rules, int abi,
	const struct confine_path *path)
{
	int fd = open(path->path, O_PATH | O_CLOEXEC);

	if (path->access != CONFINE_REMOVE_DIRECTORIES)
		note_file(confine, path, fd);
	if (fd == -1)
		return;
	landlock_add_path(rules, abi, fd, path->access);
	/* Directories of /proc are made when they are looked at, and the rule
	   is for the one that was made now: it stays while it is open. */
	if (strncmp(path->path, "/proc/", 6) != 0)
		(void)close(fd);
}

static bool restrict_files(
	struct confine *confine, int abi, const struct confine_options *options)
{
	int rules = landlock_open(abi);
	bool is_done;

	if (rules == -1)
		return false;
	for (size_t i = 0; i < options->path_count; i++)
		add_path(confine, rules, abi, &options->paths[i]);
	landlock_add_port(rules, abi, options->port);
	landlock_add_port(rules, abi, PORT_DNS);
	is_done = landlock_enforce(rules);
	(void)close(rules);
	return is_done;
}

/* ---- Privileges ---- */

/* For root: its files stay its own, the network and the machine do not. */
static void drop_capabilities(void)
{
	const uint32_t kept = UINT32_C(1) << CAP_DAC_OVERRIDE |
		UINT32_C(1) << CAP_FOWNER |
		(uint32_t)CONFINE_SANITIZED << CAP_SYS_PTRACE;
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) == -1)
		return;
	data[0].effective &= kept;
	data[0].permitted &= kept;
	data[0].inheritable = 0;
	memset(&data[1], 0, sizeof(data[1]));
	(void)syscall(SYS_capset, &header, data);
}

/* No memory of ours in a core, nor for a debugger of the same user. */
static void keep_secrets(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- The last word ---- */

static void say(const char *text, size_t size)
{
	/* Nobody is left to be told when it fails. */
	if (size > 0 && write(last_word.fd, text, size) == -1)
		return;
}

static void forbidden_call(int number, siginfo_t *info, void *context)
{
	char text[2 * LAST_WORD_MAX + 16];
	char digits[16];
	size_t digit_count = 0;
	size_t size = strlen(last_word.before);
	unsigned call = (unsigned)info->si_syscall;

	(void)context;
	do
		digits[digit_count++] = (char)('0' + call % 10);
	while ((call /= 10) > 0);
	memcpy(text, last_word.before, size);
	while (digit_count > 0)
		text[size++] = digits[--digit_count];
	memcpy(text + size, last_word.after, strlen(last_word.after));
	if (last_word.fd != -1)
		say(text, size + strlen(last_word.after));
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void prepare_last_word(const struct confine_options *options)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	last_word.fd = options->told_fd;
	if (options->told_fd != -1) {
		(void)snprintf(last_word.before, sizeof(last_word.before), "%s",
			options->told_before);
		(void)snprintf(last_word.after, sizeof(last_word.after), "%s",
			options->told_after);
	}
	action.sa_sigaction = forbidden_call;
	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGSYS);
	(void)sigaction(SIGSYS, &action, NULL);
}

/* ---- Public ---- */

static void miss(struct confine *confine, const char *text)
{
	buf_add_format(&confine->missing, "%s%s",
		confine->missing.size > 0 ? ", " : "", text);
}

static void miss_files(struct confine *confine, int abi, bool is_restricted)
{
	if (!is_restricted)
		miss(confine, "files (Landlock, Linux 5.19)");
	if (!is_restricted || abi < LANDLOCK_ABI_PORTS)
		miss(confine, "TCP ports (Linux 6.7)");
	if (!is_restricted || abi < LANDLOCK_ABI_SIGNALS)
		miss(confine, "signals (Linux 6.12)");
}

struct confine *confine_start(const struct confine_options *options)
{
	struct confine *confine = alloc(1, sizeof(*confine));
	int abi = landlock_abi();
	bool is_restricted;

	keep_secrets();
	is_restricted = abi >= LANDLOCK_ABI_MOVES &&
		restrict_files(confine, abi, options);
	miss_files(confine, abi, is_restricted);
	drop_capabilities();
	prepare_last_word(options);
	if (!calls_enforce(options->allows_local_sockets))
		miss(confine, "system calls (seccomp)");
	else if (options->allows_local_sockets)
		miss(confine,
			"sockets of this machine (for the name's lookup)");
	return confine;
}

const char *confine_missing(const struct confine *confine)
{
	return buf_text(&confine->missing);
}

static bool is_replaced(const struct known_file *file)
{
	struct stat status;

	if (stat(file->path, &status) == -1)
		return file->was_there;
	return !file->was_there || status.st_dev != file->device ||
		status.st_ino != file->inode;
}

const char *confine_replaced(const struct confine *confine)
{
	for (size_t i = 0; confine != NULL && i < confine->file_count; i++)
		if (is_replaced(&confine->files[i]))
			return confine->files[i].path;
	return NULL;
}

void confine_end(struct confine *confine)
{
	if (confine == NULL)
		return;
	for (size_t i = 0; i < confine->file_count; i++)
		free(confine->files[i].path);
	free(confine->files);
	buf_finish(&confine->missing);
	free(confine);
}
