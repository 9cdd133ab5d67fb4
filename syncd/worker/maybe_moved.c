#include "syncd/worker/maybe_moved.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/uid_set.h"
#include "syncd/worker/observe_changed.h"

/* Looks at what is held, from a minute to hours apart. */
#define LOOK_COUNT_MAX 8

static const char REASON[] =
	"it may have been moved from a mailbox that cannot be looked at";

bool maybe_moved_from(const struct account_folder *folder)
{
	return account_folder_is_active(folder) && folder->record.has_remote &&
		folder->record.last_success != 0 &&
		(folder->has_failed || folder->is_doubtful);
}

/* ---- What may have been moved ---- */

enum trait {
	TRAIT_SIZE,
	TRAIT_DATE,
	TRAIT_SIZE_AND_DATE,
	TRAIT_BARE, /* size and date where the header is not known */
	TRAIT_HEADER,
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
	/* Of messages of ours in mailboxes that could not be looked at. */
	struct traits traits[TRAIT_COUNT];
};

static uint64_t trait_of(const struct content *content, enum trait trait)
{
	uint64_t date = (uint64_t)content->internal_date;

	switch (trait) {
	case TRAIT_SIZE:
		return content->size;
	case TRAIT_DATE:
		return date;
	case TRAIT_SIZE_AND_DATE:
	case TRAIT_BARE:
		return content->size << 32 ^ content->size >> 32 ^ date;
	case TRAIT_HEADER:
	case TRAIT_COUNT:
		break;
	}
	return content->header_hash;
}

static void note(struct search *search, const struct content *content)
{
	for (enum trait trait = 0; trait < TRAIT_COUNT; trait++) {
		struct traits *traits = &search->traits[trait];
		uint64_t *slot;

		if ((trait == TRAIT_HEADER && content->header_hash == 0) ||
			(trait == TRAIT_BARE && content->header_hash != 0))
			continue;
		slot = arena_push(&search->arena, &traits->items,
			&traits->count, &traits->capacity, sizeof(*slot));
		*slot = trait_of(content, trait);
	}
}

static void note_folder(
	struct search *search, const struct account_folder *folder)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_uid(search->account->state,
		folder->record.folder_id, &cursor, &arena, &pair)) {
		if (pair.local.presence != PRESENCE_NEVER)
			note(search, &pair.content);
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

	for (size_t i = 0; i < account->folder_count; i++)
		if (maybe_moved_from(account->folders[i]))
			note_folder(search, account->folders[i]);
	for (enum trait trait = 0; trait < TRAIT_COUNT; trait++)
		if (search->traits[trait].count > 0)
			qsort(search->traits[trait].items,
				search->traits[trait].count, sizeof(uint64_t),
				compare);
}

static bool has(const struct search *search, enum trait trait,
	const struct content *content)
{
	const struct traits *traits = &search->traits[trait];
	uint64_t wanted = trait_of(content, trait);

	return traits->count > 0 &&
		bsearch(&wanted, traits->items, traits->count, sizeof(wanted),
			compare) != NULL;
}

/* What a header has to be read for: some servers tell sizes that are not true,
   and some give what is moved another date. */
static bool has_likeness(
	const struct search *search, const struct content *content)
{
	return has(search, TRAIT_SIZE, content) ||
		has(search, TRAIT_DATE, content);
}

static bool may_be_moved(
	const struct search *search, const struct content *content)
{
	if (content->header_hash == 0)
		return has(search, TRAIT_SIZE_AND_DATE, content);
	return has(search, TRAIT_HEADER, content) ||
		has(search, TRAIT_BARE, content);
}

/* ---- What is new ---- */

static bool is_arrival(const struct pair *pair)
{
	return !pair->synced.is_set &&
		pair->remote.presence == PRESENCE_PRESENT &&
		pair->local.presence == PRESENCE_NEVER;
}

/* One that was held for long enough is not held again. */
static bool can_be_held(const struct pair *pair)
{
	return is_arrival(pair) && pair->attempt_count < LOOK_COUNT_MAX;
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
		if (can_be_held(&pair) &&
			pair.remote.folder_id == folder->record.folder_id &&
			pair.content.header_hash == 0 &&
			has_likeness(search, &pair.content))
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

	if (can_be_held(pair) && may_be_moved(search, &pair->content)) {
		if (!is_held || !pair_is_waiting(pair, account_now()))
			account_hold(account, pair, HOLD_MAYBE_MOVED, REASON);
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
			(account->remote_is_blind && can_be_held(&pair));
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
	if (!account->remote_is_blind && account->has_no_maybe_moved)
		return true;
	account->has_no_maybe_moved = !is_there_any(account);
	if (account->has_no_maybe_moved)
		return true;
	arena_init(&search.arena);
	note_all(&search);
	is_done = read_headers(&search, error) && hold_all(&search, error);
	arena_finish(&search.arena);
	return is_done;
}
