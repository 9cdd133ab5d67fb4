#include <string.h>

#include "syncd/worker/clock.h"
#include "syncd/worker/worker_internal.h"

#define RETRY_MS 60000

static void wake(void *data)
{
	struct worker *worker = data;

	worker->is_woken = true;
}

static void close_one(struct watcher *watcher)
{
	remote_close(watcher->remote);
	watcher->remote = NULL;
	watcher->folder_id = 0;
}

void worker_close_watchers(struct worker *worker)
{
	for (size_t i = 0; i < WATCHER_COUNT_MAX; i++)
		close_one(&worker->watchers[i]);
}

static bool can_watch(const struct account_folder *folder)
{
	return account_folder_is_active(folder) && !folder->has_failed &&
		folder->record.has_remote &&
		folder->record.state == FOLDER_NORMAL;
}

/* INBOX first, then whatever changed last. */
static bool is_better(
	const struct account_folder *a, const struct account_folder *b)
{
	bool a_is_inbox = strcmp(a->record.path, FOLDER_INBOX) == 0;
	bool b_is_inbox = strcmp(b->record.path, FOLDER_INBOX) == 0;

	if (a_is_inbox != b_is_inbox)
		return a_is_inbox;
	return a->active_at_ms > b->active_at_ms;
}

/* The `count` folders most worth watching; marks them in `chosen`. */
static size_t choose(const struct account *account,
	struct account_folder **chosen, size_t count)
{
	size_t chosen_count = 0;

	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		size_t place = chosen_count;

		if (!can_watch(folder))
			continue;
		while (place > 0 && is_better(folder, chosen[place - 1]))
			place--;
		if (place >= count)
			continue;
		if (chosen_count < count)
			chosen_count++;
		for (size_t k = chosen_count - 1; k > place; k--)
			chosen[k] = chosen[k - 1];
		chosen[place] = folder;
	}
	return chosen_count;
}

static bool is_chosen(
	struct account_folder *const *chosen, size_t count, uint32_t folder_id)
{
	for (size_t i = 0; i < count; i++)
		if (chosen[i]->record.folder_id == folder_id)
			return true;
	return false;
}

static struct watcher *watcher_of(struct worker *worker, uint32_t folder_id)
{
	for (size_t i = 0; i < WATCHER_COUNT_MAX; i++)
		if (worker->watchers[i].remote != NULL &&
			worker->watchers[i].folder_id == folder_id)
			return &worker->watchers[i];
	return NULL;
}

/* One that idles on what is no longer wanted, or is not connected. */
static struct watcher *free_watcher(struct worker *worker,
	struct account_folder *const *chosen, size_t count, size_t limit)
{
	struct watcher *unused = NULL;

	for (size_t i = 0; i < limit; i++) {
		struct watcher *watcher = &worker->watchers[i];

		if (watcher->remote == NULL)
			unused = unused == NULL ? watcher : unused;
		else if (!is_chosen(chosen, count, watcher->folder_id))
			return watcher;
	}
	return unused;
}

static bool connect_watcher(struct worker *worker, struct watcher *watcher)
{
	struct account *account = worker->account;
	struct remote_options options = {
		.account = worker->account_config,
		.loop = worker->loop,
		.keywords = &account->keywords,
		.hash_key = state_secret(account->state),
		.get_secret = account->report.get_secret,
		.data = account->report.data,
	};
	struct error error = { 0 };

	if (watcher->remote != NULL)
		return true;
	if (clock_now_ms() < watcher->retry_at_ms)
		return false;
	watcher->remote = remote_open(&options, &error);
	if (watcher->remote == NULL) {
		watcher->retry_at_ms = clock_now_ms() + RETRY_MS;
		account_log(account, ACCOUNT_LOG_DEBUG,
			"no further connection: %s", error.message);
		return false;
	}
	remote_set_wakeup(watcher->remote, wake, worker);
	return true;
}

static void idle_on(struct worker *worker, struct watcher *watcher,
	struct account_folder *folder)
{
	struct error error = { 0 };

	if (!connect_watcher(worker, watcher))
		return;
	if (!remote_abilities(watcher->remote)->has_idle) {
		close_one(watcher);
		watcher->retry_at_ms = LOOP_FOREVER;
		return;
	}
	watcher->folder_id = folder->record.folder_id;
	if (remote_idle_start(
		    watcher->remote, folder->record.mailbox, &error)) {
		/* What came before the server began to watch shows now. */
		folder->has_seen_status = false;
		worker->is_woken = true;
		return;
	}
	account_log(worker->account, ACCOUNT_LOG_DEBUG, "%s: cannot idle: %s",
		folder->record.path, error.message);
	close_one(watcher);
	watcher->retry_at_ms = clock_now_ms() + RETRY_MS;
}

void worker_watch_mailboxes(struct worker *worker)
{
	struct account_folder *chosen[WATCHER_COUNT_MAX];
	size_t limit = worker->account_config->connections;
	size_t count;

	if (!worker->account_config->idle || limit < 2 ||
		!remote_abilities(worker->account->remote)->has_idle)
		return;
	limit = limit - 1 < WATCHER_COUNT_MAX ? limit - 1 : WATCHER_COUNT_MAX;
	count = choose(worker->account, chosen, limit);
	for (size_t i = 0; i < count; i++) {
		struct watcher *watcher;

		if (watcher_of(worker, chosen[i]->record.folder_id) != NULL)
			continue;
		watcher = free_watcher(worker, chosen, count, limit);
		if (watcher != NULL)
			idle_on(worker, watcher, chosen[i]);
	}
}

bool worker_take_announced(struct worker *worker)
{
	bool has_any = false;

	for (size_t i = 0; i < WATCHER_COUNT_MAX; i++) {
		struct watcher *watcher = &worker->watchers[i];
		struct account_folder *folder;

		if (watcher->remote == NULL)
			continue;
		if (remote_take_changed(watcher->remote)) {
			folder = account_folder(
				worker->account, watcher->folder_id);
			if (folder != NULL)
				folder->needs_observe = true;
			has_any = true;
		}
		if (remote_is_dead(watcher->remote))
			close_one(watcher);
	}
	return has_any;
}
