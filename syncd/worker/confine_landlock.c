/* The C library of Debian 12 has no functions for Landlock, and the headers of
   its kernel know only the first versions: so numbers of our own. They are part
   of the kernel's interface and the same on every architecture. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "syncd/worker/confine_internal.h"

#define CREATE_RULESET 444
#define ADD_RULE       445
#define RESTRICT_SELF  446

#define CREATE_VERSION UINT32_C(1)
#define RULE_PATH      1
#define RULE_PORT      2

enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIRECTORY = 1 << 3,
	REMOVE_DIRECTORY = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_DIRECTORY = 1 << 7,
	MAKE_FILE = 1 << 8,
	MOVE = 1 << 13,
	TRUNCATE = 1 << 14,

	READ = READ_FILE | READ_DIRECTORY,
	WRITE = READ | WRITE_FILE | REMOVE_DIRECTORY | REMOVE_FILE |
		MAKE_DIRECTORY | MAKE_FILE | MOVE | TRUNCATE,
	/* The others are rights to a directory. */
	TO_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE,
};

enum {
	BIND = 1 << 0,
	CONNECT = 1 << 1,
	ABSTRACT_SOCKETS = 1 << 0,
	SIGNALS = 1 << 1,
};

struct ruleset {
	uint64_t files;
	uint64_t ports;
	uint64_t scopes;
};

struct path_rule {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

struct port_rule {
	uint64_t access;
	uint64_t port;
};

/* All rights to files that a version knows: each adds one at the end. */
static uint64_t all_rights(int abi)
{
	static const unsigned counts[] = { 0, 13, 14, 15, 15, 16 };
	const int newest = ARRAY_LENGTH(counts) - 1;

	return (UINT64_C(1) << counts[abi > newest ? newest : abi]) - 1;
}

int landlock_abi(void)
{
	long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

int landlock_open(int abi)
{
	struct ruleset ruleset = { .files = all_rights(abi) };
	size_t size = sizeof(ruleset.files);

	if (abi >= LANDLOCK_ABI_PORTS) {
		ruleset.ports = BIND | CONNECT;
		size += sizeof(ruleset.ports);
	}
	if (abi >= LANDLOCK_ABI_SIGNALS) {
		ruleset.scopes = ABSTRACT_SOCKETS | SIGNALS;
		size += sizeof(ruleset.scopes);
	}
	/* The descriptor is closed on exec. */
	return (int)syscall(CREATE_RULESET, &ruleset, size, 0);
}

static uint64_t rights_of(enum confine_access access)
{
	switch (access) {
	case CONFINE_READ:
		return READ;
	case CONFINE_WRITE:
		return WRITE;
	case CONFINE_REMOVE_DIRECTORIES:
		return REMOVE_DIRECTORY;
	}
	return 0;
}

void landlock_add_path(int rules, int abi, int fd, enum confine_access access)
{
	struct path_rule rule = {
		.access = rights_of(access) & all_rights(abi),
		.fd = fd,
	};
	struct stat status;

	if (fstat(fd, &status) == -1)
		return;
	if (!S_ISDIR(status.st_mode))
		rule.access &= TO_FILES;
	(void)syscall(ADD_RULE, rules, RULE_PATH, &rule, 0);
}

void landlock_add_port(int rules, int abi, uint16_t port)
{
	const struct port_rule rule = { .access = CONNECT, .port = port };

	if (abi >= LANDLOCK_ABI_PORTS)
		(void)syscall(ADD_RULE, rules, RULE_PORT, &rule, 0);
}

bool landlock_enforce(int rules)
{
	return syscall(RESTRICT_SELF, rules, 0) == 0;
}
