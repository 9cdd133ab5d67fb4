#define _GNU_SOURCE
#include "syncd/worker/confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Each try runs in a child that is confined first: it returns an errno, 0 for
   "went well". Two accounts, "own" and "other", below one directory. */

enum {
	FORBIDDEN = -1
}; /* ended by SIGSYS */

static char top[] = "/tmp/mailtwin-confine-XXXXXX";
static int told[2];

/* What of the kernel is not there is no failure of ours. */
static bool is_lacking(const struct confine *confine, const char *what)
{
	return *what != '\0' && strstr(confine_missing(confine), what) != NULL;
}

static struct confine *confine_child(uint16_t port)
{
	const struct confine_path paths[] = {
		{ "own", CONFINE_WRITE },
		{ "readable", CONFINE_READ },
		{ "/etc/hosts", CONFINE_READ },
		{ "/etc/resolv.conf", CONFINE_READ },
		{ "/etc/nsswitch.conf", CONFINE_READ },
		{ "/usr/lib", CONFINE_READ },
		{ "/proc/self", CONFINE_READ },
	};
	const struct confine_options options = {
		.paths = paths,
		.path_count = sizeof(paths) / sizeof(paths[0]),
		.port = port,
		.told_fd = told[1],
		.told_before = "call ",
		.told_after = " is forbidden",
	};

	return confine_start(&options);
}

static int try_on_port(int (*attempt)(void), const char *needs, uint16_t port)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct confine *confine = confine_child(port);
		int result = is_lacking(confine, needs) ? 77 : attempt();

		confine_end(confine);
		_exit(result);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return FORBIDDEN;
	}
	if (WEXITSTATUS(status) == 77) {
		print_message("this kernel cannot confine %s\n", needs);
		skip();
	}
	return WEXITSTATUS(status);
}

static int try(int (*attempt)(void), const char *needs)
{
	return try_on_port(attempt, needs, 993);
}

static int opening(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

/* ---- Files ---- */

static int read_other(void)
{
	return opening("other/mail", O_RDONLY);
}

static int list_other(void)
{
	return opening("other", O_RDONLY | O_DIRECTORY);
}

static int read_through_link(void)
{
	return opening("own/link", O_RDONLY);
}

static int read_passwd(void)
{
	return opening("/etc/passwd", O_RDONLY);
}

static int write_outside(void)
{
	return opening("new", O_WRONLY | O_CREAT);
}

static int write_readable(void)
{
	return opening("readable", O_WRONLY);
}

static int move_out(void)
{
	return rename("own/mail", "other/stolen") == 0 ? 0 : errno;
}

static int move_in(void)
{
	return rename("other/mail", "own/stolen") == 0 ? 0 : errno;
}

static int remove_other(void)
{
	return unlink("other/mail") == 0 ? 0 : errno;
}

static void test_other_files_are_out_of_reach(void **state)
{
	int result;

	(void)state;
	assert_int_equal(try(read_other, "files"), EACCES);
	assert_int_equal(try(list_other, "files"), EACCES);
	assert_int_equal(try(read_through_link, "files"), EACCES);
	assert_int_equal(try(read_passwd, "files"), EACCES);
	assert_int_equal(try(write_outside, "files"), EACCES);
	assert_int_equal(try(write_readable, "files"), EACCES);
	assert_int_equal(try(remove_other, "files"), EACCES);
	result = try(move_out, "files");
	assert_true(result == EACCES || result == EXDEV);
	result = try(move_in, "files");
	assert_true(result == EACCES || result == EXDEV);
	assert_int_equal(access("other/mail", F_OK), 0);
	assert_int_equal(access("new", F_OK), -1);
}

/* A state that may be damaged is read apart. */
static int read_apart(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(opening("readable", O_RDONLY));
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return errno;
	return status;
}

static int work(void)
{
	struct stat status;
	int fd;

	if (mkdir("own/cur", 0700) == -1 || mkdir("own/tmp", 0700) == -1)
		return errno;
	fd = open("own/tmp/a", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd == -1 || write(fd, "x", 1) != 1 || fsync(fd) == -1 ||
		ftruncate(fd, 0) == -1 || fstat(fd, &status) == -1)
		return errno;
	close(fd);
	if (rename("own/tmp/a", "own/cur/a") == -1 ||
		link("own/cur/a", "own/tmp/b") == -1 ||
		unlink("own/tmp/b") == -1 || rmdir("own/tmp") == -1)
		return errno;
	fd = open("own/cur", O_RDONLY | O_DIRECTORY);
	if (fd == -1 || fsync(fd) == -1)
		return errno;
	return read_apart();
}

static void test_its_own_work_goes_on(void **state)
{
	(void)state;
	assert_int_equal(try(work, ""), 0);
}

/* In the child, once it is confined. */
static _Noreturn void notice_and_exit(const char *path)
{
	struct confine *confine = confine_child(993);
	int difference;

	if (confine_replaced(confine) != NULL)
		_exit(1);
	/* The parent replaces it, once it is told. */
	(void)!write(told[1], "?", 1);
	while (confine_replaced(confine) == NULL)
		(void)usleep(1000);
	difference = strcmp(confine_replaced(confine), path);
	confine_end(confine);
	_exit(difference == 0 ? 0 : 2);
}

static void exchange(const char *path)
{
	assert_int_equal(
		renameat2(AT_FDCWD, "fresh", AT_FDCWD, path, RENAME_EXCHANGE),
		0);
}

static void check_noticed(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		notice_and_exit(path);
	assert_int_equal(read(told[0], &status, 1), 1);
	exchange(path);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	exchange(path);
	assert_int_equal(status, 0);
}

static void test_a_replaced_file_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(opening("fresh", O_WRONLY | O_CREAT), 0);
	check_noticed("readable");
	assert_int_equal(unlink("fresh"), 0);
}

/* A disk is mounted there, or no longer. */
static void test_a_replaced_directory_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(mkdir("fresh", 0700), 0);
	check_noticed("own");
	assert_int_equal(rmdir("fresh"), 0);
}

/* ---- Network ---- */

static struct sockaddr_in listening;

static int reach(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1)
		return errno;
	return connect(fd, (struct sockaddr *)&listening, sizeof(listening)) ==
			0
		? 0
		: errno;
}

static int bind_a_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0
		? 0
		: errno;
}

static int listen_anyhow(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return listen(fd, 1) == 0 ? 0 : errno;
}

static int open_local(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? errno : 0;
}

static void test_one_port_and_no_other(void **state)
{
	socklen_t size = sizeof(listening);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	listening.sin_family = AF_INET;
	listening.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&listening, size), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(
		getsockname(fd, (struct sockaddr *)&listening, &size), 0);
	assert_int_equal(
		try_on_port(reach, "TCP ports", ntohs(listening.sin_port)), 0);
	assert_int_equal(try(reach, "TCP ports"), EACCES);
	assert_int_equal(try(bind_a_port, "TCP ports"), EACCES);
	close(fd);
}

static void test_no_listening_and_no_local_sockets(void **state)
{
	(void)state;
	assert_int_equal(try(listen_anyhow, "system calls"), ENOSYS);
	assert_int_equal(try(open_local, "system calls"), EAFNOSUPPORT);
}

/* ---- System calls ---- */

static int run_a_program(void)
{
	char name[] = "/bin/true";
	char *arguments[] = { name, NULL };

	return execv(name, arguments) == -1 ? errno : 0;
}

static int read_by_handle(void)
{
	return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY) == -1
		? errno
		: 0;
}

static int read_another_process(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) ==
			-1
		? errno
		: 0;
}

static int signal_another(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 ? errno : 0;
}

static int type_on_the_terminal(void)
{
	char octet = 'x';

	return ioctl(STDERR_FILENO, TIOCSTI, &octet) == -1 ? errno : 0;
}

static int call_from_the_future(void)
{
	return syscall(4000) == -1 ? errno : 0;
}

static void test_attacks_end_the_process(void **state)
{
	char text[64] = "";
	char wanted[64];

	(void)state;
	assert_int_equal(try(run_a_program, "system calls"), FORBIDDEN);
	assert_true(read(told[0], text, sizeof(text) - 1) > 0);
	(void)snprintf(wanted, sizeof(wanted), "call %d is forbidden",
		(int)SYS_execve);
	assert_string_equal(text, wanted);
	assert_int_equal(try(read_by_handle, "system calls"), FORBIDDEN);
	assert_int_equal(try(read_another_process, "system calls"), FORBIDDEN);
	assert_true(read(told[0], text, sizeof(text) - 1) > 0);
}

static void test_other_calls_fail(void **state)
{
	(void)state;
	assert_int_equal(try(signal_another, "system calls"), EPERM);
	assert_int_equal(try(type_on_the_terminal, "system calls"), ENOTTY);
	assert_int_equal(try(call_from_the_future, "system calls"), ENOSYS);
}

static void *resolve(void *data)
{
	struct addrinfo *list = NULL;

	(void)data;
	if (getaddrinfo("localhost", "993", NULL, &list) != 0)
		return NULL;
	freeaddrinfo(list);
	return &listening;
}

static int resolve_in_a_thread(void)
{
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, resolve, NULL) != 0)
		return 1;
	(void)pthread_join(thread, &result);
	return result == NULL ? 2 : 0;
}

static void test_names_are_resolved_in_threads(void **state)
{
	(void)state;
	assert_int_equal(try(resolve_in_a_thread, ""), 0);
}

/* ---- Secrets ---- */

static int count_ways_out(void)
{
	struct rlimit limit = { 1, 1 };

	(void)getrlimit(RLIMIT_CORE, &limit);
	return limit.rlim_max == 0 && prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1;
}

static void test_no_core_is_written(void **state)
{
	(void)state;
	assert_int_equal(try(count_ways_out, ""), 0);
}

/* ---- Setup ---- */

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(top) == NULL || chdir(top) == -1 || pipe(told) == -1)
		return -1;
	return mkdir("own", 0700) == 0 && mkdir("other", 0700) == 0 &&
			opening("own/mail", O_WRONLY | O_CREAT) == 0 &&
			opening("other/mail", O_WRONLY | O_CREAT) == 0 &&
			opening("readable", O_WRONLY | O_CREAT) == 0 &&
			symlink("../other/mail", "own/link") == 0
		? 0
		: -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", top);
	return system(command); /* NOLINT(cert-env33-c): a path of ours */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_files_are_out_of_reach),
		cmocka_unit_test(test_its_own_work_goes_on),
		cmocka_unit_test(test_a_replaced_file_is_noticed),
		cmocka_unit_test(test_a_replaced_directory_is_noticed),
		cmocka_unit_test(test_one_port_and_no_other),
		cmocka_unit_test(test_no_listening_and_no_local_sockets),
		cmocka_unit_test(test_attacks_end_the_process),
		cmocka_unit_test(test_other_calls_fail),
		cmocka_unit_test(test_names_are_resolved_in_threads),
		cmocka_unit_test(test_no_core_is_written),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
