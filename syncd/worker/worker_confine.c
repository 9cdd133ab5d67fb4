/* What the process of one account needs once it has read its configuration,
   opened its state and its Maildir, and before it connects. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/maildir.h"
#include "syncd/worker/confine.h"
#include "syncd/worker/transport_tls.h"
#include "syncd/worker/worker_internal.h"

#define PATH_COUNT_MAX 48

/* The resolver, the loader of its modules, OpenSSL, the inotify limits. */
static const char *const SYSTEM_PATHS[] = {
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/nsswitch.conf",
	"/etc/host.conf",
	"/etc/gai.conf",
	"/etc/services",
	"/etc/protocols",
	"/etc/ld.so.cache",
	"/usr/lib",
	"/usr/lib64",
	"/usr/local/lib",
	"/lib",
	"/lib64",
	"/nix/store",
	"/gnu/store",
	"/etc/ssl/openssl.cnf",
	"/etc/ssl/certs",
	"/etc/pki/tls",
	"/etc/pki/ca-trust",
	"/etc/ca-certificates",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/etc/localtime",
	"/usr/share/zoneinfo",
	"/dev/urandom",
	"/proc/self",
	"/proc/sys/fs/inotify",
	"/sys/devices/system/cpu/online",
};

struct path_list {
	struct confine_path items[PATH_COUNT_MAX];
	size_t count;
};

static void add(
	struct path_list *list, const char *path, enum confine_access access)
{
	if (path != NULL && list->count < PATH_COUNT_MAX)
		list->items[list->count++] =
			(struct confine_path){ path, access };
}

static void add_readable(
	struct path_list *list, const struct config_account *account)
{
	for (size_t i = 0; i < ARRAY_LENGTH(SYSTEM_PATHS); i++)
		add(list, SYSTEM_PATHS[i], CONFINE_READ);
	add(list, transport_tls_store_file(), CONFINE_READ);
	add(list, transport_tls_store_directory(), CONFINE_READ);
	add(list, account->tls_ca_file, CONFINE_READ);
	add(list, account->tls_client_cert, CONFINE_READ);
	add(list, account->tls_client_key, CONFINE_READ);
}

/* Names under .local are asked for through a program on this machine. */
static bool has_local_name(const struct config_account *account)
{
	static const char suffix[] = ".local";
	size_t size = strlen(account->host);

	if (size > 0 && account->host[size - 1] == '.')
		size--;
	return size >= sizeof(suffix) &&
		memcmp(account->host + size - (sizeof(suffix) - 1), suffix,
			sizeof(suffix) - 1) == 0;
}

static void start(struct worker *worker, const struct path_list *list)
{
	const struct config_account *account = worker->account_config;
	char *before = alloc_format("{\"type\":\"log\",\"level\":%d,\"text\":"
				    "\"a worker may not make system call ",
		(int)ACCOUNT_LOG_ERROR);
	const struct confine_options options = {
		.paths = list->items,
		.path_count = list->count,
		.port = account->port,
		.allows_local_sockets = has_local_name(account),
		.told_fd = ipc_fd(worker->ipc),
		.told_before = before,
		.told_after = ", and is ended\"}\n",
	};

	worker->confine = confine_start(&options);
	if (*confine_missing(worker->confine) != '\0')
		worker_log(worker, ACCOUNT_LOG_INFO, "not confined: %s",
			confine_missing(worker->confine));
	free(before);
}

void worker_confine(struct worker *worker, const char *state_directory,
	const char *removable)
{
	const struct account *account = worker->account;
	struct path_list list = { .count = 0 };

	/* Opened anew: what was given up stays so. */
	if (worker->confine != NULL)
		return;
	if (worker->account_config->tunnel != NULL) {
		worker_log(worker, ACCOUNT_LOG_INFO,
			"not confined: the tunnel command may need anything");
		return;
	}
	add_readable(&list, worker->account_config);
	add(&list, state_directory, CONFINE_WRITE);
	add(&list, removable, CONFINE_REMOVE_DIRECTORIES);
	if (account != NULL)
		add(&list, maildir_root(account->maildir),
			account->is_dry_run ? CONFINE_READ : CONFINE_WRITE);
	if (account != NULL)
		add(&list, maildir_retention_path(account->maildir),
			CONFINE_WRITE);
	start(worker, &list);
}
