/* Uploads that the server stored, told no UID of, and changed: neither size nor
   bytes tell which message they became, and sending them again would go on for
   ever. What has their Message-ID and their date, in that mailbox, above the
   frontier, and is the only such message there as they are here, is taken for
   them. Both sides keep their bytes. */
#include "base/alloc.h"
#include "syncd/worker/apply.h"
#include "syncd/worker/remote_content.h"

/* An upload, or a message that may have become of one. */
struct half {
	uint64_t message_id;  /* 0 = not known yet */
	uint64_t header_hash; /* on the server; the same */
	int64_t date;
	uint32_t folder_id;
	uint32_t uid; /* the frontier of an upload */
	uint64_t size;
	uint64_t mid;
	uint64_t intent_id; /* of an upload, else 0 */
};

struct halves {
	struct account *account;
	struct arena arena;
	struct half *items; /* uploads first, until they are sorted */
	size_t count, capacity;
	size_t upload_count;
};

static void push(struct halves *halves, const struct half *half)
{
	struct half *slot = arena_push(&halves->arena, &halves->items,
		&halves->count, &halves->capacity, sizeof(*slot));

	*slot = *half;
}

/* ---- Who takes part ---- */

static void find_uploads(struct halves *halves)
{
	struct state *state = halves->account->state;
	struct state_cursor cursor = { 0 };
	struct intent intent;
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_intent(state, &cursor, &intent)) {
		if (intent.kind == INTENT_UPLOAD &&
			intent.phase == INTENT_UNBOUND &&
			intent.content.message_id != 0 &&
			state_pair_get(state, intent.mid, &arena, &pair) &&
			pair.local.presence == PRESENCE_PRESENT &&
			(pair.remote.presence == PRESENCE_NEVER ||
				pair.remote.presence == PRESENCE_ABSENT))
			push(halves,
				&(struct half){
					.message_id = intent.content.message_id,
					.date = intent.content.internal_date,
					.folder_id = intent.to_folder_id,
					.uid = account_first_uid(
						halves->account, &intent),
					.size = intent.content.size,
					.mid = intent.mid,
					.intent_id = intent.intent_id,
				});
		arena_reset(&arena);
	}
	arena_finish(&arena);
	halves->upload_count = halves->count;
}

/* Of the same size it is found by its content, or is another one. */
static bool can_be_any(const struct halves *halves, const struct pair *pair)
{
	if (pair->local.presence != PRESENCE_NEVER ||
		pair->remote.presence != PRESENCE_PRESENT ||
		pair->synced.is_set)
		return false;
	for (size_t i = 0; i < halves->upload_count; i++) {
		const struct half *upload = &halves->items[i];

		if (pair->remote.folder_id == upload->folder_id &&
			pair->remote.uid >= upload->uid &&
			pair->content.internal_date == upload->date &&
			pair->content.size != upload->size)
			return true;
	}
	return false;
}

static void find_stored(struct halves *halves)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(
		halves->account->state, &cursor, &arena, &pair)) {
		if (can_be_any(halves, &pair))
			push(halves,
				&(struct half){
					.message_id = pair.content.message_id,
					.header_hash = pair.content.header_hash,
					.date = pair.content.internal_date,
					.folder_id = pair.remote.folder_id,
					.uid = pair.remote.uid,
					.mid = pair.mid,
				});
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

/* ---- Their Message-IDs ---- */

struct header_reading {
	struct halves *halves;
	uint32_t folder_id;
};

static void take_header(void *data, uint32_t uid, const struct content *content)
{
	const struct header_reading *reading = data;
	struct halves *halves = reading->halves;

	for (size_t i = halves->upload_count; i < halves->count; i++)
		if (halves->items[i].uid == uid &&
			halves->items[i].folder_id == reading->folder_id) {
			halves->items[i].message_id = content->message_id;
			halves->items[i].header_hash = content->header_hash;
		}
}

static bool learn_message_ids(struct halves *halves, struct error *error)
{
	struct account *account = halves->account;
	bool is_done = true;

	for (size_t i = 0; is_done && i < account->folder_count; i++) {
		const struct account_folder *folder = account->folders[i];
		struct header_reading reading = { halves,
			folder->record.folder_id };
		struct uid_set uids = { 0 };
		struct error failure = { 0 };

		for (size_t k = halves->upload_count; k < halves->count; k++)
			if (halves->items[k].message_id == 0 &&
				halves->items[k].folder_id ==
					folder->record.folder_id)
				uid_set_add(&uids, halves->items[k].uid);
		if (!uid_set_is_empty(&uids) && !folder->has_failed)
			is_done = remote_content_read(account, folder, &uids,
				REMOTE_CONTENT_HEADER,
				&(struct remote_content_taker){
					take_header, &reading },
				&failure);
		uid_set_finish(&uids);
		/* Refused: not known, so none of them matches. */
		is_done = is_done || failure.code == ERROR_REFUSED;
		if (!is_done)
			*error = failure;
	}
	return is_done;
}

/* ---- Binding ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_keys(const struct half *a, const struct half *b)
{
	int order = compare_numbers(a->message_id, b->message_id);

	if (order == 0)
		order = compare_numbers(a->folder_id, b->folder_id);
	if (order == 0)
		order = (a->date > b->date) - (a->date < b->date);
	return order;
}

/* Of equal ones the upload is the last. */
static int compare_halves(const void *first, const void *second)
{
	const struct half *a = first, *b = second;
	int order = compare_keys(a, b);

	return order != 0 ? order : compare_numbers(a->intent_id, b->intent_id);
}

static void bind(struct stage *stage, const struct half *upload,
	const struct half *stored)
{
	struct state *state = stage->account->state;
	const struct account_folder *folder =
		account_folder(stage->account, stored->folder_id);
	struct pair pair, copy;

	if (folder == NULL ||
		!state_pair_get(state, upload->mid, &stage->arena, &pair) ||
		!state_pair_get(state, stored->mid, &stage->arena, &copy))
		return;
	pair.remote = copy.remote;
	/* The hash stays that of the file. What is compared with the server, as
	   before a removal, is what the server has. */
	pair.content.size = copy.content.size;
	pair.content.header_hash = stored->header_hash;
	pair.content.email_id = copy.content.email_id;
	pair.synced.is_set = false;
	pair.hold = HOLD_NONE;
	pair.reason = NULL;
	pair.attempt_count = 0;
	stage_drop(stage, &copy, "ours, changed by the server");
	stage_put(stage, &pair, "uploaded, and changed by the server");
	stage_end_intent(stage, upload->intent_id);
	stage->account->counters.uploaded++;
	account_log(stage->account, ACCOUNT_LOG_INFO,
		"%s: the server has changed what was uploaded as UID %u",
		folder->record.path, stored->uid);
}

static bool bind_unique(struct halves *halves, struct error *error)
{
	struct stage stage;
	size_t size;
	bool is_done;

	qsort(halves->items, halves->count, sizeof(*halves->items),
		compare_halves);
	stage_init(&stage, halves->account);
	for (size_t i = 0; i < halves->count; i += size) {
		const struct half *first = &halves->items[i];

		size = 1;
		while (i + size < halves->count &&
			compare_keys(first, &first[size]) == 0)
			size++;
		if (size == 2 && first[0].intent_id == 0 &&
			first[1].intent_id != 0 && first[0].uid >= first[1].uid)
			bind(&stage, &first[1], &first[0]);
	}
	is_done = stage_commit(&stage, error);
	stage_finish(&stage);
	return is_done;
}

bool apply_bind_rewritten(struct account *account, struct error *error)
{
	struct halves halves = { .account = account };
	bool is_done = true;

	if (account->is_dry_run)
		return true;
	arena_init(&halves.arena);
	find_uploads(&halves);
	if (halves.upload_count > 0)
		find_stored(&halves);
	if (halves.count > halves.upload_count)
		is_done = learn_message_ids(&halves, error) &&
			bind_unique(&halves, error);
	arena_finish(&halves.arena);
	return is_done;
}
