#include "syncd/worker/pass.h"

#include "syncd/worker/apply.h"
#include "syncd/worker/bind.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/mailboxes.h"
#include "syncd/worker/maybe_moved.h"
#include "syncd/worker/observe.h"

/* Rounds of looking until nothing changes any more. */
#define ROUND_COUNT_MAX 6
#define PASS_COUNT_MAX  12
#define PAUSE_MS        100

#define DAY_S         (24 * 3600)
#define MAINTENANCE_S DAY_S
#define TOMB_S        (90 * DAY_S)
/* A clock that leapt so far, either way, has to go on from there for a day
   before anything is removed for its age. */
#define LEAP_S (40 * DAY_S)

static bool connect_remote(struct account *account, struct error *error)
{
	struct remote_options options = {
		.account = account->config,
		.loop = account->loop,
		.keywords = &account->keywords,
		.hash_key = state_secret(account->state),
		.get_secret = account->report.get_secret,
		.data = account->report.data,
	};

	if (account->remote != NULL && !remote_is_dead(account->remote))
		return true;
	remote_close(account->remote);
	account->remote = remote_open(&options, error);
	if (account->remote == NULL)
		return false;
	/* A connection that broke may have taken answers with it. */
	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->has_seen_status = false;
	return true;
}

static void begin(struct account *account)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		folder->has_failed = false;
		folder->has_failed_here = false;
		folder->has_been_refused = false;
		folder->needs_observe |=
			folder->is_doubtful || folder->gap_count > 0;
	}
	account->remote_is_complete = false;
	account->local_is_complete = false;
	account->awaits_listing = false;
	account->wants_again = false;
	account->began_at_ms = (int64_t)clock_now_ms();
	/* Of a pass that was cut off. */
	account->is_root_changed |= account->change_count > 0;
	account->change_count = 0;
	account->counters.failed = 0;
}

static bool look_here(struct account *account, struct error *error)
{
	return local_check_root(account, error) &&
		local_drain(account, error) && local_observe(account, error);
}

/* One look at everything. `is_quiet_out`: the server's counts are those of
   what is known, so that everything was observed after everything else. */
static bool look(
	struct account *account, bool *is_quiet_out, struct error *error)
{
	bool has_changed;

	if (!look_here(account, error) ||
		!mailboxes_sync(account, &has_changed, error))
		return false;
	if (account->watch != NULL && !local_watch(account, error))
		return false;
	if (!local_observe(account, error))
		return false;
	*is_quiet_out = observe_mark_changed(account) == 0 && !has_changed;
	return *is_quiet_out || observe_folders(account, error);
}

static bool look_until_quiet(struct account *account, struct error *error)
{
	bool is_quiet = false;

	for (int i = 0; !is_quiet && i < ROUND_COUNT_MAX; i++) {
		if (account->is_stopping)
			return error_set(error, ERROR_STOPPED, "stopping");
		if (!look(account, &is_quiet, error))
			return false;
		/* A full look once a pass is enough without CONDSTORE. */
		account->wants_sweep = false;
	}
	account->remote_is_complete = is_quiet && !account->awaits_listing &&
		!observe_has_gap(account);
	return true;
}

/* What a folder that could not be looked at may hold is not missing. One that
   never could holds nothing of ours. */
static void find_blind_spots(struct account *account)
{
	account->remote_is_blind = !account->has_listing;
	account->local_is_blind = false;
	for (size_t i = 0; i < account->folder_count; i++) {
		account->remote_is_blind |=
			maybe_moved_from(account->folders[i]);
		account->local_is_blind |=
			maybe_moved_from_here(account->folders[i]);
	}
}

static bool end_epochs(struct account *account, struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];

		if (folder->record.state == FOLDER_EPOCH &&
			!folder->has_failed && !folder->needs_observe &&
			account->remote_is_complete &&
			!observe_end_epoch(account, folder, error))
			return false;
	}
	return true;
}

/* ---- Once a day ---- */

static void clean_tmp(struct account *account, int64_t now)
{
	for (size_t i = 0; i < account->folder_count; i++)
		if (account->folders[i]->is_on_disk)
			(void)maildir_clean_tmp(account->maildir,
				account->folders[i]->record.path, now);
}

static void purge(struct account *account, int64_t now)
{
	struct error failure = { 0 };

	clean_tmp(account, now);
	if (!maildir_retention_purge(account->maildir,
		    account->config->retention_s / DAY_S, now, &failure))
		account_log(
			account, ACCOUNT_LOG_WARNING, "%s", failure.message);
	state_journal_purge(account->state, now);
	state_tomb_purge(account->state, now - TOMB_S);
}

/* What is kept for a time only, and what crashes left behind. */
static bool maintain(struct account *account, struct error *error)
{
	int64_t now = account_now();
	int64_t age = now - account_maintained_at(account);

	if (age >= 0 && age < MAINTENANCE_S)
		return true;
	if (!state_begin(account->state, error))
		return false;
	if (age >= 0 && age < LEAP_S)
		purge(account, now);
	account_put_maintained(account, now);
	return state_commit(account->state, error);
}

static bool finish(struct account *account, struct error *error)
{
	if (account->is_dry_run)
		return true;
	if (!mailboxes_remove_emptied(account, error))
		return false;
	if (account->settle_ms != SETTLE_MS &&
		local_settle_left_ms(account) == 0)
		account->settle_ms = SETTLE_MS;
	account->is_starting = false;
	account->last_success = account_now();
	return local_raise_generation(account, false, error) &&
		maintain(account, error);
}

static bool is_complete(const struct account *account)
{
	return account->local_is_complete && account->remote_is_complete;
}

bool pass_run(struct account *account, struct error *error)
{
	begin(account);
	if (!local_check_root(account, error) ||
		!connect_remote(account, error) ||
		!look_until_quiet(account, error) ||
		!local_drain(account, error) ||
		!local_observe(account, error) ||
		!local_look_at_held(account, error))
		return false;
	account->local_is_complete = local_is_complete(account);
	find_blind_spots(account);
	account->bound_mid = state_pair_next_mid(account->state);
	if (!bind_arrivals(account, error) ||
		!apply_bind_rewritten(account, error) ||
		!maybe_moved_hold(account, error) ||
		!apply_resolve_intents(account, error) ||
		!apply_remove_ghosts(account, error) ||
		!end_epochs(account, error))
		return false;
	/* What is told of half a view would not be what is done. */
	if (account->is_dry_run && !is_complete(account))
		return true;
	return apply_plan(account, error) && finish(account, error);
}

/* Gives the event loop its turn: the watch, the supervisor, timers. */
static bool pause_ms(
	struct account *account, uint64_t duration_ms, struct error *error)
{
	uint64_t deadline = clock_now_ms() + duration_ms;
	bool is_never = false;

	while (clock_now_ms() < deadline) {
		if (account->is_stopping ||
			loop_run_until(account->loop, &is_never,
				clock_now_ms() + PAUSE_MS) == LOOP_STOPPED)
			return error_set(error, ERROR_STOPPED, "stopping");
	}
	return true;
}

static bool wants_more(const struct account *account)
{
	return !is_complete(account) ||
		(account->wants_again && !account->is_dry_run);
}

bool pass_run_to_end(struct account *account, struct error *error)
{
	for (int i = 0; i < PASS_COUNT_MAX; i++) {
		uint64_t wait_ms;

		if (!pass_run(account, error))
			return false;
		if (!wants_more(account) || account->is_stopping)
			return local_raise_generation(account, true, error);
		wait_ms = local_settle_left_ms(account);
		if (wait_ms == 0 && i > 0)
			wait_ms = PAUSE_MS * (uint64_t)i * 2;
		if (!pause_ms(account, wait_ms, error))
			return false;
	}
	account_log(account, ACCOUNT_LOG_INFO,
		"%s is never quiet for long enough: not all could be done yet",
		account->local_is_complete ? "the server" : "the Maildir");
	return true;
}
