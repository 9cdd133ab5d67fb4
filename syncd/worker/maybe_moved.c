#include "syncd/worker/maybe_moved.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/number.h"
#include "base/uid_set.h"
#include "syncd/worker/local.h"
#include "syncd/worker/observe_changed.h"

/* Looks at what is held, from a minute to hours apart. */
#define LOOK_COUNT_MAX 8

static const char REASON_THERE[] =
	"it may have been moved from a mailbox that cannot be looked at";
static const char REASON_HERE[] =
	"it may have been moved from a folder that cannot be read";

bool maybe_moved_from(const struct account_folder *folder)
{
	return account_folder_is_active(folder) && folder->record.has_remote &&
		folder->record.last_success != 0 &&
		(folder->has_failed || folder->is_doubtful);
}

bool maybe_moved_from_here(const struct account_folder *folder)
{
	return account_folder_is_active(folder) && folder->record.has_local &&
		folder->has_failed && folder->needs_scan;
}

/* ---- What may have been moved ---- */

enum trait {
	TRAIT_SIZE,
	TRAIT_DATE,
	TRAIT_SIZE_AND_DATE,
	TRAIT_BARE, /* size and date where the header is not known */
	TRAIT_HEADER,
	/* Of those in folders that could not be read. */
	TRAIT_FILE_SIZE,
	TRAIT_FILE_BARE, /* size where the bytes are not known */
	TRAIT_HASH,
	TRAIT_COUNT,
};

/* Sorted. */
struct traits {
	uint64_t *items;
	size_t count, capacity;
};

struct search {
	struct account *account;
	struct arena arena;
	/* Of messages of ours in mailboxes and folders that could not be looked
	   at. */
	struct traits traits[TRAIT_COUNT];
};

static uint64_t trait_of(const struct pair *pair, enum trait trait)
{
	const struct content *content = &pair->content;
	uint64_t date = (uint64_t)content->internal_date;

	switch (trait) {
	case TRAIT_SIZE:
		return content->size;
	case TRAIT_DATE:
		return date;
	case TRAIT_SIZE_AND_DATE:
	case TRAIT_BARE:
		return content->size << 32 ^ content->size >> 32 ^ date;
	case TRAIT_FILE_SIZE:
	case TRAIT_FILE_BARE:
		return pair->local.size;
	case TRAIT_HASH:
		return number_read_be64(content->hash);
	case TRAIT_HEADER:
	case TRAIT_COUNT:
		break;
	}
	return content->header_hash;
}

static void note(
	struct search *search, const struct pair *pair, enum trait trait)
{
	struct traits *traits = &search->traits[trait];
	uint64_t *slot = arena_push(&search->arena, &traits->items,
		&traits->count, &traits->capacity, sizeof(*slot));

	*slot = trait_of(pair, trait);
}

static void note_mailbox(
	struct search *search, const struct account_folder *folder)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_uid(search->account->state,
		folder->record.folder_id, &cursor, &arena, &pair)) {
		if (pair.local.presence != PRESENCE_NEVER) {
			note(search, &pair, TRAIT_SIZE);
			note(search, &pair, TRAIT_DATE);
			note(search, &pair, TRAIT_SIZE_AND_DATE);
			note(search, &pair,
				pair.content.header_hash == 0 ? TRAIT_BARE
							      : TRAIT_HEADER);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static void note_folder(
	struct search *search, const struct account_folder *folder)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_unique(search->account->state,
		folder->record.folder_id, &cursor, &arena, &pair)) {
		if (pair.local.presence != PRESENCE_NEVER &&
			pair.remote.presence != PRESENCE_NEVER) {
			note(search, &pair, TRAIT_FILE_SIZE);
			note(search, &pair,
				pair.content.has_hash ? TRAIT_HASH
						      : TRAIT_FILE_BARE);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static int compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static void note_all(struct search *search)
{
	const struct account *account = search->account;

	for (size_t i = 0; i < account->folder_count; i++) {
		if (maybe_moved_from(account->folders[i]))
			note_mailbox(search, account->folders[i]);
		if (maybe_moved_from_here(account->folders[i]))
			note_folder(search, account->folders[i]);
	}
	for (enum trait trait = 0; trait < TRAIT_COUNT; trait++)
		if (search->traits[trait].count > 0)
			qsort(search->traits[trait].items,
				search->traits[trait].count, sizeof(uint64_t),
				compare);
}

static bool has(
	const struct search *search, enum trait trait, const struct pair *pair)
{
	const struct traits *traits = &search->traits[trait];
	uint64_t wanted = trait_of(pair, trait);

	return traits->count > 0 &&
		bsearch(&wanted, traits->items, traits->count, sizeof(wanted),
			compare) != NULL;
}

/* What a header has to be read for: some servers tell sizes that are not true,
   and some give what is moved another date. */
static bool has_likeness(const struct search *search, const struct pair *pair)
{
	return has(search, TRAIT_SIZE, pair) || has(search, TRAIT_DATE, pair);
}

static bool may_be_moved_there(
	const struct search *search, const struct pair *pair)
{
	if (pair->content.header_hash == 0)
		return has(search, TRAIT_SIZE_AND_DATE, pair);
	return has(search, TRAIT_HEADER, pair) || has(search, TRAIT_BARE, pair);
}

static bool may_be_moved_here(
	const struct search *search, const struct pair *pair)
{
	if (!pair->content.has_hash)
		return has(search, TRAIT_FILE_SIZE, pair);
	return has(search, TRAIT_HASH, pair) ||
		has(search, TRAIT_FILE_BARE, pair);
}

/* ---- What is new ---- */

static bool is_new_there(const struct pair *pair)
{
	return !pair->synced.is_set &&
		pair->remote.presence == PRESENCE_PRESENT &&
		pair->local.presence == PRESENCE_NEVER;
}

static bool is_new_here(const struct pair *pair)
{
	return !pair->synced.is_set &&
		pair->local.presence == PRESENCE_PRESENT &&
		pair->remote.presence == PRESENCE_NEVER;
}

/* One that was held for long enough is not held again; of one that was sent the
   intent tells what to do. */
static bool can_be_held(struct account *account, const struct pair *pair)
{
	struct intent intent;

	return pair->attempt_count < LOOK_COUNT_MAX &&
		!state_intent_of_mid(account->state, pair->mid, &intent);
}

static bool may_be_moved(const struct search *search, const struct pair *pair)
{
	return ((is_new_there(pair) && may_be_moved_there(search, pair)) ||
		       (is_new_here(pair) &&
			       may_be_moved_here(search, pair))) &&
		can_be_held(search->account, pair);
}

static void find_unread(const struct search *search,
	const struct account_folder *folder, struct uid_set *uids)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(
		search->account->state, &cursor, &arena, &pair)) {
		if (is_new_there(&pair) &&
			pair.remote.folder_id == folder->record.folder_id &&
			pair.content.header_hash == 0 &&
			has_likeness(search, &pair) &&
			can_be_held(search->account, &pair))
			uid_set_add(uids, pair.remote.uid);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static bool read_headers(struct search *search, struct error *error)
{
	struct account *account = search->account;
	bool is_done = true;

	for (size_t i = 0; is_done && i < account->folder_count; i++) {
		const struct account_folder *folder = account->folders[i];
		struct uid_set uids = { 0 };

		if (!account_folder_is_active(folder) || folder->has_failed)
			continue;
		find_unread(search, folder, &uids);
		if (!uid_set_is_empty(&uids))
			is_done =
				observe_headers(account, folder, &uids, error);
		uid_set_finish(&uids);
	}
	return is_done;
}

static bool read_file(
	struct account *account, struct pair *pair, struct error *error)
{
	struct error failure = { 0 };

	if (local_digest(account, pair, &failure) != LOCAL_READ_DONE)
		return true;
	if (!state_begin(account->state, error))
		return false;
	state_pair_put(account->state, pair);
	return state_commit(account->state, error);
}

static bool read_files(struct search *search, struct error *error)
{
	struct account *account = search->account;
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	bool is_done = true;

	arena_init(&arena);
	while (is_done && search->traits[TRAIT_FILE_SIZE].count > 0 &&
		state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		if (is_new_here(&pair) && !pair.content.has_hash &&
			has(search, TRAIT_FILE_SIZE, &pair) &&
			can_be_held(account, &pair))
			is_done = read_file(account, &pair, error);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_done;
}

static void let_go(struct account *account, struct pair *pair)
{
	pair->hold = HOLD_NONE;
	pair->reason = NULL;
	pair->retry_at = 0;
	state_pair_put(account->state, pair);
}

static void hold_or_let_go(struct search *search, struct pair *pair)
{
	struct account *account = search->account;
	bool is_held = pair->hold == HOLD_MAYBE_MOVED;

	if (may_be_moved(search, pair)) {
		if (!is_held || !pair_is_waiting(pair, account_now()))
			account_hold(account, pair, HOLD_MAYBE_MOVED,
				is_new_here(pair) ? REASON_HERE : REASON_THERE);
	} else if (is_held) {
		let_go(account, pair);
	}
}

static bool hold_all(struct search *search, struct error *error)
{
	struct state *state = search->account->state;
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	if (!state_begin(state, error))
		return false;
	arena_init(&arena);
	while (state_next_unsettled(state, &cursor, &arena, &pair)) {
		hold_or_let_go(search, &pair);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return state_commit(state, error);
}

static bool is_there_any(struct account *account)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	bool is_any = false;

	arena_init(&arena);
	while (!is_any &&
		state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		is_any = pair.hold == HOLD_MAYBE_MOVED ||
			(account->remote_is_blind && is_new_there(&pair)) ||
			(account->local_is_blind && is_new_here(&pair));
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return is_any;
}

bool maybe_moved_hold(struct account *account, struct error *error)
{
	struct search search = { .account = account };
	bool is_done;

	/* There may be millions that are new. */
	if (!account->remote_is_blind && !account->local_is_blind &&
		account->has_no_maybe_moved)
		return true;
	account->has_no_maybe_moved = !is_there_any(account);
	if (account->has_no_maybe_moved)
		return true;
	arena_init(&search.arena);
	note_all(&search);
	is_done = read_headers(&search, error) && read_files(&search, error) &&
		hold_all(&search, error);
	arena_finish(&search.arena);
	return is_done;
}
