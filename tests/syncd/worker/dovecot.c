#define _GNU_SOURCE
#include "dovecot.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* "@D" and its like stand for the values of write_value(). */
static const char CONFIG[] =
	"base_dir = @D/run\n"
	"state_dir = @D/state\n"
	"log_path = @D/dovecot.log\n"
	"instance_name = mailtwin-remote\n"
	"protocols = imap\n"
	"listen = 127.0.0.1\n"
	"ssl = no\n"
	"disable_plaintext_auth = no\n"
	"auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256\n"
	"auth_failure_delay = 0\n"
	"first_valid_uid = 1\n"
	"mail_uid = @U\n"
	"mail_gid = @G\n"
	"mail_home = @D/mail/%u\n"
	"mail_location = mdbox:~/mdbox\n"
	"mail_max_userip_connections = 100\n"
	"default_internal_user = @I\n"
	"default_internal_group = @J\n"
	"default_login_user = @L\n"
	"passdb {\n  driver = static\n  args = password=pass\n}\n"
	"userdb {\n  driver = static\n"
	"  args = uid=@U gid=@G home=@D/mail/%u\n}\n"
	"namespace inbox {\n  inbox = yes\n  separator = /\n"
	"  mailbox Trash {\n    special_use = \\Trash\n"
	"    auto = create\n  }\n}\n"
	"service imap-login {\n  chroot =\n  inet_listener imap {\n"
	"    port = @P\n  }\n  inet_listener imaps {\n    port = 0\n  }\n}\n"
	"service anvil {\n  chroot =\n"
	"  unix_listener anvil-auth-penalty {\n"
	"    mode = 0\n  }\n}\n"
	"service stats {\n  chroot =\n}\n"
	"mail_plugins = zlib\n"
	"protocol imap {\n  mail_plugins = zlib imap_zlib\n}\n";

static const char *find_program(void)
{
	static const char *const PATHS[] = { "/usr/sbin/dovecot",
		"/usr/local/sbin/dovecot", "/usr/bin/dovecot" };

	for (size_t i = 0; i < sizeof(PATHS) / sizeof(*PATHS); i++)
		if (access(PATHS[i], X_OK) == 0)
			return PATHS[i];
	return NULL;
}

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static uint16_t free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, size) == -1 ||
		getsockname(fd, (struct sockaddr *)&address, &size) == -1)
		abort();
	close(fd);
	return ntohs(address.sin_port);
}

/* Dovecot reads no mail as root. */
static void find_owner(uid_t *uid, gid_t *gid)
{
	const struct passwd *nobody = getpwnam("nobody");

	*uid = getuid();
	*gid = getgid();
	if (*uid == 0 && nobody != NULL) {
		*uid = nobody->pw_uid;
		*gid = nobody->pw_gid;
	}
}

static void write_value(FILE *file, const struct dovecot *dovecot, char letter)
{
	bool is_root = getuid() == 0;
	uid_t uid;
	gid_t gid;

	find_owner(&uid, &gid);
	if (letter == 'D')
		(void)fputs(dovecot->directory, file);
	if (letter == 'U')
		(void)fprintf(file, "%u", (unsigned)uid);
	if (letter == 'G')
		(void)fprintf(file, "%u", (unsigned)gid);
	if (letter == 'P')
		(void)fprintf(file, "%u", (unsigned)dovecot->port);
	if (letter == 'I')
		(void)fputs(is_root ? "dovecot" : getpwuid(uid)->pw_name, file);
	if (letter == 'J')
		(void)fputs(is_root ? "dovecot" : getgrgid(gid)->gr_name, file);
	if (letter == 'L')
		(void)fputs(
			is_root ? "dovenull" : getpwuid(uid)->pw_name, file);
}

static void write_config(const struct dovecot *dovecot)
{
	char path[128];
	FILE *file;

	(void)snprintf(
		path, sizeof(path), "%s/dovecot.conf", dovecot->directory);
	file = fopen(path, "we");
	if (file == NULL)
		abort();
	for (const char *text = CONFIG; *text != '\0'; text++) {
		if (*text == '@')
			write_value(file, dovecot, *++text);
		else
			(void)fputc(*text, file);
	}
	(void)fclose(file);
}

static void make_mail_directory(const struct dovecot *dovecot)
{
	char path[128];
	uid_t uid;
	gid_t gid;

	find_owner(&uid, &gid);
	(void)snprintf(path, sizeof(path), "%s/mail", dovecot->directory);
	if (mkdir(path, 0700) == -1 ||
		(getuid() == 0 && chown(path, uid, gid) == -1))
		abort();
}

static bool is_listening(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_up =
		connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return is_up;
}

static void run(const struct dovecot *dovecot, const char *program)
{
	char path[128];
	int null = open("/dev/null", O_RDWR);

	(void)snprintf(
		path, sizeof(path), "%s/dovecot.conf", dovecot->directory);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	(void)execl(program, program, "-F", "-c", path, (char *)NULL);
	_exit(127);
}

bool dovecot_start(struct dovecot *dovecot)
{
	const char *program = find_program();
	struct timespec pause = { .tv_nsec = 20000000 };

	if (program == NULL)
		return false;
	(void)snprintf(dovecot->directory, sizeof(dovecot->directory),
		"/tmp/mailtwin-remote-XXXXXX");
	if (mkdtemp(dovecot->directory) == NULL ||
		chmod(dovecot->directory, 0755) == -1)
		abort();
	dovecot->port = free_port();
	make_mail_directory(dovecot);
	write_config(dovecot);
	dovecot->pid = fork();
	if (dovecot->pid == 0)
		run(dovecot, program);
	for (int i = 0; i < 500 && !is_listening(dovecot->port); i++)
		(void)nanosleep(&pause, NULL);
	return is_listening(dovecot->port);
}

static int remove_entry(const char *path, const struct stat *status, int kind,
	struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

void dovecot_stop(struct dovecot *dovecot)
{
	if (dovecot->pid <= 0)
		return;
	(void)kill(dovecot->pid, SIGTERM);
	(void)waitpid(dovecot->pid, NULL, 0);
	(void)nftw(dovecot->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
