#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/worker/account_state.h"
#include "syncd/worker/worker_internal.h"

/* Messages of one folder that are not in sync, by why. */
struct folder_tally {
	uint32_t folder_id;
	uint64_t held_count, failed_count;
};

static const char *state_name(const struct worker *worker)
{
	switch (worker->state) {
	case WORKER_STARTING:
		return "starting";
	case WORKER_SYNCING:
		return "syncing";
	case WORKER_WATCHING:
		return "watching";
	case WORKER_OFFLINE:
		return "offline";
	case WORKER_AUTH:
		return "auth";
	case WORKER_HELD:
		return "held";
	case WORKER_STOPPED:
		return "stopped";
	}
	return "starting";
}

static const char *hint(const struct error *error)
{
	switch (error->code) {
	case ERROR_AUTH:
		return "check user and password; the account waits for a "
		       "restart or a reload";
	case ERROR_UNREACHABLE:
	case ERROR_DISCONNECTED:
		return "the server is tried again by itself";
	case ERROR_CORRUPT:
		return "a damaged state is kept aside and made anew at the "
		       "next start, without transferring mail again";
	case ERROR_CONFIG:
		return "correct the configuration, then reload";
	case ERROR_NONE:
	case ERROR_REFUSED:
	case ERROR_SYSTEM:
	case ERROR_PROTOCOL:
	case ERROR_LIMIT:
	case ERROR_STOPPED:
		return NULL;
	}
	return NULL;
}

static json_t *error_object(const struct error *error)
{
	if (error->code == ERROR_NONE)
		return json_null();
	return json_pack("{s:s, s:s, s:s?}", "code",
		error_code_name(error->code), "message", error->message, "hint",
		hint(error));
}

static json_t *words(const char *text)
{
	json_t *list = json_array();

	while (text != NULL && *text != '\0') {
		size_t size = strcspn(text, " ");

		if (size > 0)
			(void)json_array_append_new(
				list, json_stringn(text, size));
		text += size;
		text += strspn(text, " ");
	}
	return list;
}

static json_t *server_object(const struct worker *worker)
{
	const struct account *account = worker->account;
	const struct remote *remote = account == NULL ? NULL : account->remote;

	return json_pack("{s:s?, s:s, s:o}", "host",
		worker->account_config->host, "tls",
		remote == NULL ? "none" : remote_tls_name(remote), "extensions",
		words(remote == NULL ? NULL : remote_capabilities(remote)));
}

static json_t *time_or_null(int64_t time)
{
	return time == 0 ? json_null() : json_integer(time);
}

/* ---- Mailboxes ---- */

static struct folder_tally *tally_of(
	struct folder_tally *tallies, size_t count, uint32_t folder_id)
{
	for (size_t i = 0; i < count; i++)
		if (tallies[i].folder_id == folder_id)
			return &tallies[i];
	return NULL;
}

static bool is_for_a_person(const struct pair *pair)
{
	return pair->hold == HOLD_GUARD || pair->hold == HOLD_EPOCH;
}

static void tally(struct account *account, struct folder_tally *tallies)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		struct folder_tally *tally =
			tally_of(tallies, account->folder_count,
				pair.local.presence == PRESENCE_PRESENT
					? pair.local.folder_id
					: pair.remote.folder_id);

		if (tally != NULL && is_for_a_person(&pair))
			tally->held_count++;
		else if (tally != NULL && pair.hold != HOLD_NONE)
			tally->failed_count++;
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

/* `is_looking` false: nobody has looked, so nothing is pending either. */
static const char *folder_state_name(const struct account_folder *folder,
	const struct folder_tally *tally, bool is_looking)
{
	switch (folder->record.state) {
	case FOLDER_EPOCH:
		return "rebinding";
	case FOLDER_HELD:
		return "held";
	case FOLDER_EMPTYING_LOCAL:
	case FOLDER_EMPTYING_REMOTE:
		return tally->held_count > 0 ? "held" : "removing";
	case FOLDER_NORMAL:
		break;
	}
	if (tally->held_count > 0)
		return "held";
	if (folder->record.error != NULL)
		return "failing";
	return is_looking && (folder->needs_observe || folder->needs_scan)
		? "pending"
		: "ok";
}

static json_t *mailbox_object(struct account *account,
	const struct account_folder *folder, const struct folder_tally *tally,
	bool is_looking)
{
	const struct folder *record = &folder->record;

	return json_pack("{s:s, s:I, s:s, s:o, s:I, s:I, s:s?}", "name",
		record->path, "messages",
		(json_int_t)state_folder_local_count(
			account->state, record->folder_id),
		"state", folder_state_name(folder, tally, is_looking),
		"last_success", time_or_null(record->last_success), "held",
		(json_int_t)tally->held_count, "failed",
		(json_int_t)tally->failed_count, "error", record->error);
}

static json_t *skipped_object(const struct account_skipped *skipped)
{
	return json_pack("{s:s, s:I, s:s, s:n, s:I, s:I, s:s}", "name",
		skipped->name, "messages", (json_int_t)0, "state", "skipped",
		"last_success", "held", (json_int_t)0, "failed", (json_int_t)0,
		"error", skipped->reason);
}

static int compare_names(const void *a, const void *b)
{
	const struct account_folder *const *first = a;
	const struct account_folder *const *second = b;

	return strcmp((*first)->record.path, (*second)->record.path);
}

static json_t *mailbox_list(struct account *account, bool is_looking)
{
	size_t count = account->folder_count;
	struct folder_tally *tallies = alloc(count, sizeof(*tallies));
	struct account_folder **sorted = alloc(count, sizeof(*sorted));
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		sorted[i] = account->folders[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < count; i++)
		tallies[i].folder_id = sorted[i]->record.folder_id;
	tally(account, tallies);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list,
			mailbox_object(
				account, sorted[i], &tallies[i], is_looking));
	for (size_t i = 0; i < account->skipped_count; i++)
		(void)json_array_append_new(
			list, skipped_object(&account->skipped[i]));
	free(sorted);
	free(tallies);
	return list;
}

/* Of a process that has made no pass: when a mailbox was last in sync. */
static int64_t last_success(const struct account *account)
{
	int64_t newest = account->last_success;

	for (size_t i = 0; i < account->folder_count; i++)
		if (account->folders[i]->record.last_success > newest)
			newest = account->folders[i]->record.last_success;
	return newest;
}

/* A damaged state is made anew by itself; that it was has to be seen. */
static json_t *damaged_object(const struct account *account)
{
	int64_t newest = 0;
	size_t count = account == NULL
		? 0
		: account_state_damaged_count(account, &newest);

	return count == 0 ? json_null()
			  : json_pack("{s:I, s:I}", "count", (json_int_t)count,
				    "newest", (json_int_t)newest);
}

json_t *worker_status(struct worker *worker)
{
	struct account *account = worker->account;
	uint64_t local = 0, remote = 0;

	if (account != NULL) {
		local = state_journal_pending(account->state, JOURNAL_LOCAL);
		remote = state_journal_pending(account->state, JOURNAL_REMOTE);
	}
	return json_pack(
		"{s:s, s:s, s:I, s:o, s:o, s:{s:I, s:I}, s:o, s:o, s:o}",
		"name", worker->account_config->name, "state",
		state_name(worker), "since", (json_int_t)worker->since,
		"last_success",
		time_or_null(account == NULL ? 0 : last_success(account)),
		"error", error_object(&worker->error), "pending", "local",
		(json_int_t)local, "remote", (json_int_t)remote, "server",
		server_object(worker), "damaged", damaged_object(account),
		"mailboxes",
		account == NULL ? json_array()
				: mailbox_list(account,
					  worker->state != WORKER_STOPPED));
}

void worker_send_status(struct worker *worker, json_t *id)
{
	json_t *message;

	if (worker->account_config == NULL)
		return;
	message = json_pack("{s:s, s:o}", "type", "status", "account",
		worker_status(worker));
	if (id != NULL)
		(void)json_object_set(message, "id", id);
	(void)ipc_send(worker->ipc, message);
}
