/* What the server made of uploads it changed: their headers, by which such a
   message is known when somebody moves it there. */
#include "syncd/worker/observe_changed.h"

#include "syncd/worker/remote_content.h"

struct learned {
	uint32_t uid;
	uint64_t header_hash, message_id;
};

struct learning {
	struct arena arena;
	struct learned *items;
	size_t count, capacity;
};

static void take_header(void *data, uint32_t uid, const struct content *content)
{
	struct learning *learning = data;
	struct learned *learned = arena_push(&learning->arena, &learning->items,
		&learning->count, &learning->capacity, sizeof(*learned));

	learned->uid = uid;
	learned->header_hash = content->header_hash;
	learned->message_id = content->message_id;
}

static bool write_headers(struct account *account, uint32_t folder_id,
	struct learning *learning, struct error *error)
{
	struct pair pair;

	if (learning->count == 0)
		return true;
	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < learning->count; i++) {
		const struct learned *learned = &learning->items[i];

		if (!state_pair_by_uid(account->state, folder_id, learned->uid,
			    &learning->arena, &pair))
			continue;
		pair.content.header_hash = learned->header_hash;
		pair.content.message_id = learned->message_id;
		state_pair_put(account->state, &pair);
	}
	return state_commit(account->state, error);
}

bool observe_headers(struct account *account,
	const struct account_folder *folder, const struct uid_set *uids,
	struct error *error)
{
	struct learning learning = { 0 };
	struct error failure = { 0 };
	bool is_done;

	arena_init(&learning.arena);
	is_done = remote_content_read(account, folder, uids,
			  REMOTE_CONTENT_HEADER,
			  &(struct remote_content_taker){
				  take_header, &learning },
			  &failure) ||
		failure.code == ERROR_REFUSED;
	if (!is_done)
		*error = failure;
	is_done = is_done &&
		write_headers(
			account, folder->record.folder_id, &learning, error);
	arena_finish(&learning.arena);
	return is_done;
}

bool observe_changed(struct account *account, struct account_folder *folder,
	struct error *error)
{
	bool is_done;

	if (uid_set_is_empty(&folder->changed_uids))
		return true;
	is_done =
		observe_headers(account, folder, &folder->changed_uids, error);
	uid_set_clear(&folder->changed_uids);
	return is_done;
}
