#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* process_vm_readv, O_TMPFILE */
#endif
#include "tests/step/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROW(name, kinds, rule, subject)                                        \
	{                                                                      \
		SYS_##name, #name, kinds, RULE_##rule, SUBJECT_##subject       \
	}
#define CHANGE(name, subject)   ROW(name, CALL_CHANGE, ALWAYS, subject)
#define WRITE(name)             ROW(name, CALL_CHANGE, FILE, FD)
#define LOOK(name, subject)     ROW(name, CALL_LOOK, ALWAYS, subject)
#define READ(name)              ROW(name, CALL_LOOK, FILE, FD)
#define GIVES_FD(name)          ROW(name, CALL_OPEN, ALWAYS, NONE)
#define GIVES_MEMORY(name)      ROW(name, CALL_MEMORY, ALWAYS, NONE)
#define OPENS                   (CALL_OPEN | CALL_CHANGE | CALL_LOOK)
#define OPEN(name, rule, where) ROW(name, OPENS, rule, where)

const struct call CALLS[] = {
	OPEN(open, OPEN, PATH),
	OPEN(creat, OPEN, PATH),
	OPEN(openat, OPEN, AT),
	OPEN(openat2, OPEN_HOW, AT),

	WRITE(write),
	WRITE(writev),
	WRITE(pwrite64),
	WRITE(pwritev),
	WRITE(pwritev2),
	WRITE(sendto),
	WRITE(sendmsg),
	WRITE(sendfile),
	WRITE(copy_file_range),

	CHANGE(rename, PATHS),
	CHANGE(renameat, ATS),
	CHANGE(renameat2, ATS),
	CHANGE(link, PATHS),
	CHANGE(linkat, ATS),
	CHANGE(symlink, PATHS),
	CHANGE(symlinkat, PATH),
	CHANGE(unlink, PATH),
	CHANGE(unlinkat, AT),
	CHANGE(mkdir, PATH),
	CHANGE(mkdirat, AT),
	CHANGE(rmdir, PATH),
	CHANGE(fsync, FD),
	CHANGE(fdatasync, FD),
	CHANGE(syncfs, FD),
	CHANGE(sync_file_range, FD),
	CHANGE(msync, NONE),
	CHANGE(truncate, PATH),
	CHANGE(ftruncate, FD),
	CHANGE(fallocate, FD),
	CHANGE(chmod, PATH),
	CHANGE(fchmod, FD),
	CHANGE(fchmodat, AT),
	CHANGE(setxattr, PATH),
	CHANGE(lsetxattr, PATH),
	CHANGE(fsetxattr, FD),
	CHANGE(removexattr, PATH),
	CHANGE(lremovexattr, PATH),
	CHANGE(fremovexattr, FD),
	CHANGE(utimensat, AT),

	GIVES_FD(socket),
	GIVES_FD(socketpair),
	GIVES_FD(accept4),
	GIVES_FD(pipe2),
	GIVES_FD(dup),
	GIVES_FD(dup2),
	GIVES_FD(dup3),
	GIVES_FD(epoll_create1),
	GIVES_FD(eventfd2),
	GIVES_FD(timerfd_create),
	GIVES_FD(signalfd4),
	GIVES_FD(inotify_init),
	GIVES_FD(inotify_init1),
	GIVES_FD(pidfd_open),
	ROW(fcntl, CALL_OPEN, FCNTL, FD),

	GIVES_MEMORY(mmap),
	GIVES_MEMORY(mremap),
	GIVES_MEMORY(mprotect),
	GIVES_MEMORY(brk),
	GIVES_MEMORY(fork),
	GIVES_MEMORY(vfork),
	GIVES_MEMORY(clone),
	GIVES_MEMORY(clone3),

	READ(read),
	READ(readv),
	READ(pread64),
	READ(recvfrom),
	READ(recvmsg),
	LOOK(connect, NONE),
	LOOK(getdents64, FD),
	LOOK(stat, PATH),
	LOOK(lstat, PATH),
	LOOK(fstat, FD),
	LOOK(newfstatat, AT),
	LOOK(statx, AT),
	LOOK(statfs, PATH),
	LOOK(fstatfs, FD),
	LOOK(access, PATH),
	LOOK(faccessat, AT),
	LOOK(faccessat2, AT),
	LOOK(readlink, PATH),
	LOOK(readlinkat, AT),
	LOOK(getxattr, PATH),
	LOOK(lgetxattr, PATH),
	LOOK(fgetxattr, FD),
	LOOK(lseek, FD),
	LOOK(flock, FD),
	LOOK(inotify_add_watch, NONE),
};

const size_t CALL_COUNT = sizeof(CALLS) / sizeof(CALLS[0]);
_Static_assert(sizeof(CALLS) / sizeof(CALLS[0]) <= CALL_MAX, "too many");

const struct call *call_find(long number)
{
	for (size_t i = 0; i < CALL_COUNT; i++)
		if (CALLS[i].number == number)
			return &CALLS[i];
	return NULL;
}

pid_t call_process(pid_t pid)
{
	char path[64], line[128];
	pid_t process = pid;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return pid;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "Tgid:", 5) == 0)
			process = (pid_t)strtol(line + 5, NULL, 10);
	}
	(void)fclose(file);
	return process;
}

/* ---- Kinds ---- */

static int borrow_fd(pid_t pid, int number)
{
	int process_fd = pidfd_open(call_process(pid), 0);
	int fd;

	if (process_fd == -1)
		return -1;
	fd = pidfd_getfd(process_fd, number, 0);
	(void)close(process_fd);
	return fd;
}

static bool is_network(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
		(address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

/* The standard three are for people, whatever they are. */
static bool is_file(pid_t pid, int number)
{
	struct stat stat;
	bool result;
	int fd;

	if (number <= STDERR_FILENO)
		return false;
	fd = borrow_fd(pid, number);
	if (fd == -1)
		return false;
	result = (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) ||
		is_network(fd);
	(void)close(fd);
	return result;
}

static bool copy_in(pid_t pid, unsigned long long from, void *data, size_t size)
{
	struct iovec here = { data, size };
	struct iovec there = { (void *)(uintptr_t)from, size };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static unsigned kinds_of_open(unsigned long long flags)
{
	bool may_change = (flags & (O_CREAT | O_TRUNC)) != 0 ||
		(flags & O_TMPFILE) == O_TMPFILE;

	return CALL_OPEN | (may_change ? CALL_CHANGE : CALL_LOOK);
}

static unsigned long long open_flags(
	const struct call *call, pid_t pid, const struct user_regs_struct *regs)
{
	struct open_how how = { 0 };

	if (call->number == SYS_creat)
		return O_CREAT;
	if (call->number == SYS_open)
		return regs->rsi;
	if (call->rule == RULE_OPEN)
		return regs->rdx;
	(void)copy_in(pid, regs->rdx, &how, sizeof(how));
	return how.flags;
}

unsigned call_kinds(
	const struct call *call, pid_t pid, const struct user_regs_struct *regs)
{
	switch (call->rule) {
	case RULE_ALWAYS:
		break;
	case RULE_FILE:
		return is_file(pid, (int)regs->rdi) ? call->kinds : 0;
	case RULE_OPEN:
	case RULE_OPEN_HOW:
		return kinds_of_open(open_flags(call, pid, regs));
	case RULE_FCNTL:
		return regs->rsi == F_DUPFD || regs->rsi == F_DUPFD_CLOEXEC
			? call->kinds
			: 0;
	}
	return call->kinds;
}

/* ---- Subjects ---- */

struct text {
	char *data; /* of CALL_SUBJECT_SIZE */
	size_t size;
};

static void add(struct text *text, const char *piece)
{
	size_t room = CALL_SUBJECT_SIZE - text->size;
	int size = snprintf(text->data + text->size, room, "%s", piece);

	if (size > 0)
		text->size += (size_t)size < room ? (size_t)size : room - 1;
}

static void add_fd(struct text *text, pid_t pid, int fd)
{
	char link[64], target[512];
	ssize_t size;

	if (fd == AT_FDCWD)
		(void)snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	else
		(void)snprintf(
			link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
	size = readlink(link, target, sizeof(target) - 1);
	target[size < 0 ? 0 : size] = '\0';
	add(text, target);
}

/* Page by page: what follows the string may not be there. */
static void read_string(
	pid_t pid, unsigned long long from, char *data, size_t size)
{
	size_t used = 0;

	memset(data, 0, size);
	while (used + 1 < size && from != 0) {
		size_t part = 4096 - (size_t)((from + used) % 4096);

		if (part > size - 1 - used)
			part = size - 1 - used;
		if (!copy_in(pid, from + used, data + used, part) ||
			memchr(data + used, '\0', part) != NULL)
			return;
		used += part;
	}
}

static void add_at(
	struct text *text, pid_t pid, int directory, unsigned long long path)
{
	char name[512];

	read_string(pid, path, name, sizeof(name));
	if (name[0] != '/')
		add_fd(text, pid, directory);
	if (name[0] != '/' && name[0] != '\0')
		add(text, "/");
	add(text, name);
}

/* One line of the log, whatever is in a name. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ')
			*text = '?';
	}
}

void call_describe(const struct call *call, pid_t pid,
	const struct user_regs_struct *regs, char *data)
{
	struct text text = { .data = data };

	data[0] = '\0';
	switch (call->subject) {
	case SUBJECT_NONE:
		break;
	case SUBJECT_FD:
		add_fd(&text, pid, (int)regs->rdi);
		break;
	case SUBJECT_PATHS:
		add_at(&text, pid, AT_FDCWD, regs->rdi);
		add(&text, " -> ");
		add_at(&text, pid, AT_FDCWD, regs->rsi);
		break;
	case SUBJECT_PATH:
		add_at(&text, pid, AT_FDCWD, regs->rdi);
		break;
	case SUBJECT_AT:
		add_at(&text, pid, (int)regs->rdi, regs->rsi);
		break;
	case SUBJECT_ATS:
		add_at(&text, pid, (int)regs->rdi, regs->rsi);
		add(&text, " -> ");
		add_at(&text, pid, (int)regs->rdx, regs->r10);
		break;
	}
	if (text.size == 0)
		add(&text, "-");
	make_printable(data);
}
