/* Files of which it could not be told whether they still are the message. */
#include "base/arena.h"
#include "syncd/worker/local.h"
#include "syncd/worker/local_internal.h"

static struct account_folder *folder_to_look_in(
	const struct account *account, const struct pair *pair)
{
	struct account_folder *folder =
		account_folder(account, pair->local.folder_id);

	if (!local_is_held_unread(pair) ||
		pair->local.presence != PRESENCE_PRESENT || folder == NULL ||
		!folder->is_on_disk || folder->has_failed)
		return NULL;
	return folder->wants_held || !pair_is_waiting(pair, account_now())
		? folder
		: NULL;
}

struct held_files {
	struct sighting *items;
	size_t count, capacity;
};

static void collect(
	struct account *account, struct arena *arena, struct held_files *held)
{
	struct state_cursor cursor = { 0 };
	struct arena row;
	struct pair pair;

	arena_init(&row);
	while (state_next_unsettled(account->state, &cursor, &row, &pair)) {
		struct account_folder *folder =
			folder_to_look_in(account, &pair);

		if (folder != NULL) {
			struct sighting *sighting =
				arena_push(arena, &held->items, &held->count,
					&held->capacity, sizeof(*sighting));

			*sighting = (struct sighting){
				.folder = folder,
				.is_new = pair.local.is_new,
				.name = arena_text(arena, pair.local.name),
				.arena = arena,
			};
		}
		arena_reset(&row);
	}
	arena_finish(&row);
	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->wants_held = false;
}

static bool look(
	struct account *account, struct held_files *held, struct error *error)
{
	size_t row_count = 0;

	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < held->count; i++) {
		struct account_folder *folder = held->items[i].folder;
		struct error failure = { 0 };

		if (folder->has_failed)
			continue;
		if (!local_see(account, &held->items[i], &failure)) {
			account_folder_fail(account, folder, &failure);
			folder->has_failed_here = true;
			folder->needs_scan = true;
		}
		if (!local_breathe(account, &row_count, error))
			return false;
	}
	return local_make_durable(account, error) &&
		state_commit(account->state, error);
}

bool local_look_at_held(struct account *account, struct error *error)
{
	struct held_files held = { 0 };
	struct arena arena;
	bool is_done = true;

	arena_init(&arena);
	collect(account, &arena, &held);
	if (held.count > 0 && !look(account, &held, error)) {
		state_abort(account->state);
		is_done = false;
	}
	arena_finish(&arena);
	return is_done;
}
