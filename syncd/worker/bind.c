#include "syncd/worker/bind.h"

#include <string.h>

#include "base/alloc.h"
#include "syncd/reconciler/match.h"
#include "syncd/worker/local.h"
#include "syncd/worker/remote_content.h"

#define ROUND_COUNT_MAX  8
#define UNREAD_COUNT_MAX 4 /* looks for one that cannot be read */

/* ---- Who plays a part ---- */

struct cast_pair {
	struct pair pair; /* first: match.h hands its address back */
	size_t index;     /* of the item */
};

/* Where messages were on their way to, and the first UID they may have got. */
struct destination {
	uint32_t folder_id, first_uid;
};

/* A copy on its way: it has the EMAILID of its source. */
struct copy {
	uint32_t folder_id;
	uint64_t email_id;
};

struct cast {
	struct arena arena;
	struct destination *destinations;
	size_t destination_count, destination_capacity;
	struct copy *copies;
	size_t copy_count, copy_capacity;
	struct match_item *items;
	size_t item_count, capacity;
	/* Remote arrivals by folder and UID. */
	struct match_item **by_uid;
	size_t by_uid_count;
	/* A message that is missed here is known there now. */
	bool has_new_suspect;
};

static bool is_lost_by_epoch(
	const struct account *account, const struct pair *pair)
{
	const struct account_folder *folder =
		account_folder(account, pair->remote.folder_id);

	/* Also when it was held already: the server may tell of it later. */
	return pair->remote.presence == PRESENCE_UNKNOWN &&
		pair->remote.uid == 0 && folder != NULL &&
		(folder->record.state == FOLDER_EPOCH ||
			pair->hold == HOLD_EPOCH);
}

/* Deleted as far as a server without UIDPLUS can: what comes with the same
   content is another message, not this one moved. */
static bool is_waiting(const struct account *account, const struct pair *pair)
{
	return (pair->remote.flags.system & FLAG_DELETED) != 0 &&
		!remote_abilities(account->remote)->has_uidplus;
}

static bool is_here(const struct pair *pair)
{
	return pair->local.presence == PRESENCE_PRESENT ||
		pair->local.is_leftover;
}

/* An absence that is not proven yet may be a rename that is under way. Taken
   for gone, the message would leave its move there to a copy made here. */
static bool may_be_here(const struct account *account, const struct pair *pair)
{
	return pair->local.presence == PRESENCE_ABSENT &&
		!account->local_is_complete;
}

/* The source of a COPY is nobody's any more: an equal file is another message,
   and would be copied from there once more. */
static bool is_local_suspect(
	const struct account *account, const struct pair *pair)
{
	return pair->local.presence == PRESENCE_ABSENT &&
		!pair->local.is_leftover &&
		pair->remote.presence == PRESENCE_PRESENT &&
		!is_waiting(account, pair);
}

static bool role_of(const struct account *account, const struct pair *pair,
	enum match_role *role_out)
{
	enum presence local = pair->local.presence;
	enum presence remote = pair->remote.presence;

	if (is_lost_by_epoch(account, pair))
		*role_out = MATCH_REMOTE_SUSPECT;
	else if (local == PRESENCE_PRESENT && remote == PRESENCE_NEVER)
		*role_out = MATCH_LOCAL_ARRIVAL;
	else if (remote == PRESENCE_PRESENT && local == PRESENCE_NEVER)
		*role_out = MATCH_REMOTE_ARRIVAL;
	else if (is_local_suspect(account, pair))
		*role_out = MATCH_LOCAL_SUSPECT;
	else if (remote == PRESENCE_ABSENT && is_here(pair))
		*role_out = MATCH_REMOTE_SUSPECT;
	else if (remote == PRESENCE_ABSENT && may_be_here(account, pair))
		*role_out = MATCH_REMOTE_LOST;
	else
		return false;
	return true;
}

static uint32_t folder_of(enum match_role role, const struct pair *pair)
{
	return role == MATCH_LOCAL_ARRIVAL || role == MATCH_LOCAL_SUSPECT
		? pair->local.folder_id
		: pair->remote.folder_id;
}

static void cast_add(
	struct cast *cast, const struct pair *pair, enum match_role role)
{
	struct cast_pair *copy = arena_alloc(&cast->arena, 1, sizeof(*copy));
	struct match_item *item = arena_push(&cast->arena, &cast->items,
		&cast->item_count, &cast->capacity, sizeof(*item));

	copy->pair = *pair;
	copy->index = cast->item_count - 1;
	*item = (struct match_item){
		.role = role,
		.pair = &copy->pair,
		.folder_id = folder_of(role, pair),
	};
}

static int compare_places(const void *a, const void *b)
{
	const struct match_item *first = *(struct match_item *const *)a;
	const struct match_item *second = *(struct match_item *const *)b;
	uint32_t first_uid = first->pair->remote.uid;
	uint32_t second_uid = second->pair->remote.uid;

	if (first->folder_id != second->folder_id)
		return first->folder_id < second->folder_id ? -1 : 1;
	return (first_uid > second_uid) - (first_uid < second_uid);
}

static void cast_index(struct cast *cast)
{
	cast->by_uid = arena_alloc(
		&cast->arena, cast->item_count + 1, sizeof(*cast->by_uid));
	for (size_t i = 0; i < cast->item_count; i++)
		if (cast->items[i].role == MATCH_REMOTE_ARRIVAL)
			cast->by_uid[cast->by_uid_count++] = &cast->items[i];
	qsort(cast->by_uid, cast->by_uid_count, sizeof(*cast->by_uid),
		compare_places);
}

/* Counting first keeps a first sync, where all are of one role, from loading
   every pair. */
static void count_roles(
	struct account *account, size_t counts[MATCH_ROLE_COUNT])
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	enum match_role role;

	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		if (role_of(account, &pair, &role))
			counts[role]++;
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static bool can_match(const size_t counts[MATCH_ROLE_COUNT])
{
	return (counts[MATCH_LOCAL_ARRIVAL] > 0 &&
		       (counts[MATCH_LOCAL_SUSPECT] > 0 ||
			       counts[MATCH_REMOTE_ARRIVAL] > 0)) ||
		(counts[MATCH_REMOTE_ARRIVAL] > 0 &&
			(counts[MATCH_REMOTE_SUSPECT] > 0 ||
				counts[MATCH_REMOTE_LOST] > 0));
}

/* ---- Copies ---- */

static void add_copy(struct cast *cast, const struct intent *intent)
{
	struct copy *copy;

	if (intent->kind != INTENT_COPY || intent->content.email_id == 0)
		return;
	copy = arena_push(&cast->arena, &cast->copies, &cast->copy_count,
		&cast->copy_capacity, sizeof(*copy));
	copy->folder_id = intent->to_folder_id;
	copy->email_id = intent->content.email_id;
}

static void load_copies(struct account *account, struct cast *cast)
{
	struct state_cursor cursor = { 0 };
	struct intent intent;

	while (state_next_intent(account->state, &cursor, &intent))
		add_copy(cast, &intent);
}

/* It is no half of what was sent beside it, with equal bytes. */
static bool is_copy(const struct cast *cast, const struct pair *pair)
{
	for (size_t i = 0; i < cast->copy_count; i++)
		if (cast->copies[i].folder_id == pair->remote.folder_id &&
			cast->copies[i].email_id == pair->content.email_id)
			return true;
	return false;
}

static bool plays(struct account *account, const struct cast *cast,
	const struct pair *pair, enum match_role *role_out)
{
	return role_of(account, pair, role_out) &&
		!(*role_out == MATCH_REMOTE_ARRIVAL && is_copy(cast, pair));
}

/* ---- Loading ---- */

static void cast_load(struct account *account, struct cast *cast)
{
	struct state_cursor cursor = { 0 };
	struct pair pair;
	enum match_role role;

	load_copies(account, cast);
	while (state_next_unsettled(
		account->state, &cursor, &cast->arena, &pair))
		if (plays(account, cast, &pair, &role))
			cast_add(cast, &pair, role);
	cast_index(cast);
}

/* ---- What was under way when a connection died ---- */

static bool is_transfer(const struct intent *intent)
{
	return intent->kind == INTENT_UPLOAD || intent->kind == INTENT_MOVE;
}

static void add_destination(
	struct cast *cast, const struct intent *intent, uint32_t first_uid)
{
	struct destination *destination;

	for (size_t i = 0; i < cast->destination_count; i++) {
		destination = &cast->destinations[i];
		if (destination->folder_id != intent->to_folder_id)
			continue;
		if (destination->first_uid > first_uid)
			destination->first_uid = first_uid;
		return;
	}
	destination = arena_push(&cast->arena, &cast->destinations,
		&cast->destination_count, &cast->destination_capacity,
		sizeof(*destination));
	destination->folder_id = intent->to_folder_id;
	destination->first_uid = first_uid;
}

static void load_destinations(struct account *account, struct cast *cast)
{
	struct state_cursor cursor = { 0 };
	struct intent intent;

	while (state_next_intent(account->state, &cursor, &intent))
		if (is_transfer(&intent))
			add_destination(cast, &intent,
				account_first_uid(account, &intent));
}

static bool may_have_arrived(const struct cast *cast, const struct pair *pair)
{
	for (size_t i = 0; i < cast->destination_count; i++)
		if (cast->destinations[i].folder_id == pair->remote.folder_id)
			return pair->remote.uid >=
				cast->destinations[i].first_uid;
	return false;
}

static bool was_under_way(struct account *account, const struct cast *cast,
	const struct pair *pair, enum match_role role)
{
	struct intent intent;

	if (role == MATCH_REMOTE_ARRIVAL)
		return may_have_arrived(cast, pair);
	return role != MATCH_LOCAL_SUSPECT &&
		state_intent_of_mid(account->state, pair->mid, &intent) &&
		is_transfer(&intent);
}

/* Of equal messages that changed places each is where it was sent to, or they
   would be sent to and fro for ever. */
static void expect_there(struct account *account, struct match_item *item)
{
	struct intent intent;

	if ((item->role == MATCH_REMOTE_SUSPECT ||
		    item->role == MATCH_REMOTE_LOST) &&
		state_intent_of_mid(account->state, item->pair->mid, &intent) &&
		intent.kind == INTENT_MOVE)
		item->folder_id = intent.to_folder_id;
}

static void cast_load_under_way(struct account *account, struct cast *cast)
{
	struct state_cursor cursor = { 0 };
	struct pair pair;
	enum match_role role;

	load_copies(account, cast);
	while (state_next_unsettled(
		account->state, &cursor, &cast->arena, &pair)) {
		if (!plays(account, cast, &pair, &role) ||
			!was_under_way(account, cast, &pair, role))
			continue;
		cast_add(cast, &pair, role);
		expect_there(account, &cast->items[cast->item_count - 1]);
	}
	cast_index(cast);
}

static struct match_item *cast_find(struct cast *cast, const struct pair *pair)
{
	const struct cast_pair *copy = (const struct cast_pair *)pair;

	return &cast->items[copy->index];
}

/* The arena owns the pairs; match.h only reads them. */
static struct pair *mutable_pair(struct match_item *item)
{
	union {
		const struct pair *shared;
		struct pair *own;
	} access = { .shared = item->pair };

	return access.own;
}

/* ---- Answering needs ---- */

/* Renamed since it was looked at. Where it is now shows at the next look; until
   then it may be the one that another is about to be taken for. */
static void miss_file(struct account *account, struct match_item *item)
{
	struct account_folder *folder =
		account_folder(account, item->pair->local.folder_id);

	item->is_given_up = true;
	if (folder != NULL)
		folder->needs_scan = true;
	account->local_is_complete = false;
	account->wants_again = true;
}

/* Until the next look it may be any. One that can never be read is not waited
   for. */
static bool wait_for_file(
	struct account *account, struct match_item *item, struct error *error)
{
	struct pair *pair = mutable_pair(item);

	item->is_given_up = true;
	if (pair->attempt_count >= UNREAD_COUNT_MAX)
		return true;
	pair->attempt_count++;
	account->local_is_complete = false;
	account->wants_again = true;
	if (!state_begin(account->state, error))
		return false;
	state_pair_put(account->state, pair);
	return state_commit(account->state, error);
}

static bool read_file(
	struct account *account, struct match_item *item, struct error *error)
{
	struct pair *pair = mutable_pair(item);
	struct error failure = { 0 };

	switch (local_digest(account, pair, &failure)) {
	case LOCAL_READ_DONE:
		if (!state_begin(account->state, error))
			return false;
		state_pair_put(account->state, pair);
		return state_commit(account->state, error);
	case LOCAL_READ_MISSING:
		miss_file(account, item);
		return true;
	case LOCAL_READ_BUSY:
	case LOCAL_READ_FAILED:
		return wait_for_file(account, item, error);
	}
	return true;
}

struct remote_reading {
	struct cast *cast;
	uint32_t folder_id;
};

static struct match_item *find_uid(
	struct cast *cast, uint32_t folder_id, uint32_t uid)
{
	struct pair pair = { .remote.uid = uid };
	struct match_item wanted = { .pair = &pair, .folder_id = folder_id };
	struct match_item *key = &wanted;
	struct match_item **found = bsearch(&key, cast->by_uid,
		cast->by_uid_count, sizeof(key), compare_places);

	return found == NULL ? NULL : *found;
}

static void take_content(
	void *data, uint32_t uid, const struct content *content)
{
	const struct remote_reading *reading = data;
	struct match_item *item =
		find_uid(reading->cast, reading->folder_id, uid);
	struct pair *pair;

	if (item == NULL)
		return;
	pair = mutable_pair(item);
	pair->content.header_hash = content->header_hash;
	pair->content.message_id = content->message_id;
	if (content->has_hash) {
		memcpy(pair->content.hash, content->hash, CONTENT_HASH_SIZE);
		pair->content.has_hash = true;
		pair->content.size = content->size;
	}
}

static bool fetch_some(struct account *account, struct cast *cast,
	struct account_folder *folder, const struct uid_set *uids,
	enum match_need_kind kind, struct error *error)
{
	struct remote_reading reading = { cast, folder->record.folder_id };

	return remote_content_read(account, folder, uids,
		kind == MATCH_NEED_REMOTE_HEADER ? REMOTE_CONTENT_HEADER
						 : REMOTE_CONTENT_WHOLE,
		&(struct remote_content_taker){ take_content, &reading },
		error);
}

/* Moved or removed between the look at its mailbox and this: what it is now
   shows at the next look, and until then no half may be taken for whole. A
   server that never hands it out is not waited for. */
static bool look_again(
	struct account *account, struct match_item *item, struct error *error)
{
	struct account_folder *folder =
		account_folder(account, item->folder_id);
	struct pair *pair = mutable_pair(item);

	if (folder == NULL || pair->attempt_count >= UNREAD_COUNT_MAX)
		return true;
	pair->attempt_count++;
	folder->needs_observe = true;
	account->remote_is_complete = false;
	account->wants_again = true;
	if (!state_begin(account->state, error))
		return false;
	state_pair_put(account->state, pair);
	return state_commit(account->state, error);
}

static bool give_up_unanswered(struct account *account, struct cast *cast,
	const struct match *match, enum match_need_kind kind,
	struct error *error)
{
	for (size_t i = 0; i < match->need_count; i++) {
		const struct match_need *need = &match->needs[i];
		const struct content *content = &need->pair->content;

		if (need->kind != kind)
			continue;
		if (kind == MATCH_NEED_REMOTE_HEADER ? content->header_hash != 0
						     : content->has_hash)
			continue;
		cast_find(cast, need->pair)->is_given_up = true;
		if (!look_again(account, cast_find(cast, need->pair), error))
			return false;
	}
	return true;
}

static bool fetch_kind(struct account *account, struct cast *cast,
	const struct match *match, enum match_need_kind kind,
	struct error *error)
{
	for (size_t i = 0; i < account->folder_count; i++) {
		struct account_folder *folder = account->folders[i];
		struct uid_set uids = { 0 };
		struct error failure = { 0 };
		bool is_done = true;

		for (size_t k = 0; k < match->need_count; k++)
			if (match->needs[k].kind == kind &&
				match->needs[k].pair->remote.folder_id ==
					folder->record.folder_id)
				uid_set_add(&uids,
					match->needs[k].pair->remote.uid);
		if (!uid_set_is_empty(&uids))
			is_done = fetch_some(
				account, cast, folder, &uids, kind, &failure);
		uid_set_finish(&uids);
		if (!is_done && failure.code != ERROR_REFUSED) {
			*error = failure;
			return false;
		}
	}
	return give_up_unanswered(account, cast, match, kind, error);
}

static bool answer_needs(struct account *account, struct cast *cast,
	const struct match *match, struct error *error)
{
	bool needs_header = false, needs_hash = false;

	for (size_t i = 0; i < match->need_count; i++) {
		const struct match_need *need = &match->needs[i];

		needs_header |= need->kind == MATCH_NEED_REMOTE_HEADER;
		needs_hash |= need->kind == MATCH_NEED_REMOTE_HASH;
		if (need->kind == MATCH_NEED_LOCAL_HASH &&
			!read_file(account, cast_find(cast, need->pair), error))
			return false;
	}
	if (needs_header &&
		!fetch_kind(
			account, cast, match, MATCH_NEED_REMOTE_HEADER, error))
		return false;
	return !needs_hash ||
		fetch_kind(account, cast, match, MATCH_NEED_REMOTE_HASH, error);
}

/* ---- Writing bindings down ---- */

/* The mark that the pair holds what the server showed under the new UID. */
static void take_remote(struct pair *partner, const struct pair *arrival)
{
	partner->remote = arrival->remote;
	if (arrival->content.email_id != 0)
		partner->content.email_id = arrival->content.email_id;
	if (partner->hold == HOLD_EPOCH)
		partner->hold = HOLD_NONE;
	partner->retry_at = 0;
}

/* The hash is that of the file, the size is that on the server, which changed
   what was uploaded. */
static bool has_changed_there(
	const struct pair *partner, const struct pair *arrival)
{
	const struct content *known = &partner->content;

	return known->has_hash && known->size != arrival->content.size &&
		memcmp(known->hash, arrival->content.hash, CONTENT_HASH_SIZE) ==
		0;
}

/* What the server has is what is compared before a removal, and by what a copy
   of it is found. */
static void take_local(struct pair *partner, const struct pair *arrival)
{
	uint64_t email_id = partner->content.email_id;
	int64_t internal_date = partner->content.internal_date;

	partner->local = arrival->local;
	if (arrival->content.has_hash && !has_changed_there(partner, arrival)) {
		partner->content = arrival->content;
		partner->content.email_id = email_id;
		partner->content.internal_date = internal_date;
	}
	partner->retry_at = 0;
}

static void bind(struct account *account, struct cast *cast,
	const struct match_binding *binding)
{
	struct match_item *arrival = cast_find(cast, binding->arrival);
	struct match_item *partner = cast_find(cast, binding->partner);
	struct match_item *kept = partner, *dropped = arrival;

	/* Of two halves the server's stays: it has the UID. */
	if (arrival->role == MATCH_REMOTE_ARRIVAL &&
		partner->role == MATCH_LOCAL_ARRIVAL) {
		kept = arrival;
		dropped = partner;
	}
	state_pair_delete(account->state, dropped->pair->mid);
	if (dropped->role == MATCH_REMOTE_ARRIVAL) {
		take_remote(mutable_pair(kept), dropped->pair);
	} else {
		local_doubt_gone(account, kept->pair);
		take_local(mutable_pair(kept), dropped->pair);
	}
	if (arrival->role == MATCH_LOCAL_ARRIVAL ||
		partner->role == MATCH_LOCAL_ARRIVAL)
		local_doubt(account, kept->pair);
	state_pair_put(account->state, kept->pair);
	cast->has_new_suspect |= is_local_suspect(account, kept->pair);
	state_journal_settle(
		account->state, dropped->pair->mid, "known message, moved");
	/* It is where it was before. */
	if (pair_is_settled(kept->pair))
		state_journal_settle(account->state, kept->pair->mid, "undone");
}

/* Two halves are what is left when every move is known. Of half a view one may
   be a message that was moved, and whose old place was not looked at since:
   with the other half taken for it there would be one too few. They are not
   transferred before that either. And one that was sent, taken for the file of
   an equal message that is missed, would be one too many: with whole views it
   is bound to its UID before. */
static bool can_bind(struct account *account, struct cast *cast,
	const struct match_binding *binding)
{
	struct intent intent;
	bool are_halves = cast_find(cast, binding->arrival)->role ==
			MATCH_LOCAL_ARRIVAL &&
		cast_find(cast, binding->partner)->role == MATCH_REMOTE_ARRIVAL;

	if (account->local_is_complete && account->remote_is_complete)
		return true;
	return !are_halves &&
		!(state_intent_of_mid(
			  account->state, binding->arrival->mid, &intent) &&
			intent.kind == INTENT_UPLOAD);
}

static bool write_bindings(struct account *account, struct cast *cast,
	const struct match *match, struct error *error)
{
	if (match->binding_count == 0)
		return true;
	if (!state_begin(account->state, error))
		return false;
	for (size_t i = 0; i < match->binding_count; i++)
		if (can_bind(account, cast, &match->bindings[i]))
			bind(account, cast, &match->bindings[i]);
	if (local_make_durable(account, error))
		return state_commit(account->state, error);
	state_abort(account->state);
	return false;
}

static bool match_once(struct account *account, struct cast *cast,
	bool *is_settled_out, struct error *error)
{
	struct arena arena;
	struct match match;
	bool is_done;

	arena_init(&arena);
	match = match_make(&arena, cast->items, cast->item_count);
	*is_settled_out = match.need_count == 0;
	is_done = write_bindings(account, cast, &match, error) &&
		(match.need_count == 0 ||
			answer_needs(account, cast, &match, error));
	/* Bound items must not be matched a second time. */
	for (size_t i = 0; i < match.binding_count; i++) {
		cast_find(cast, match.bindings[i].arrival)->is_given_up = true;
		cast_find(cast, match.bindings[i].partner)->is_given_up = true;
	}
	arena_finish(&arena);
	return is_done;
}

static bool bind_cast(
	struct account *account, struct cast *cast, struct error *error)
{
	bool is_settled = false;
	bool is_done = true;

	for (int i = 0; is_done && !is_settled && i < ROUND_COUNT_MAX; i++)
		is_done = match_once(account, cast, &is_settled, error);
	return is_done;
}

/* Before all others: what was stored or moved without a word belongs to whom it
   was done for, and to none of his twins that is missed at the same time. */
static bool bind_under_way(struct account *account, struct error *error)
{
	struct cast cast = { 0 };
	bool is_done = true;

	arena_init(&cast.arena);
	load_destinations(account, &cast);
	if (cast.destination_count > 0) {
		cast_load_under_way(account, &cast);
		is_done = bind_cast(account, &cast, error);
	}
	arena_finish(&cast.arena);
	return is_done;
}

static void cast_load_local(struct account *account, struct cast *cast)
{
	struct state_cursor cursor = { 0 };
	struct pair pair;
	enum match_role role;

	while (state_next_unsettled(
		account->state, &cursor, &cast->arena, &pair))
		if (role_of(account, &pair, &role) &&
			(role == MATCH_LOCAL_ARRIVAL ||
				role == MATCH_LOCAL_SUSPECT))
			cast_add(cast, &pair, role);
	cast_index(cast);
}

/* What was found again there under a new UID, and is missed here, may have come
   back here, too, under a new name: else it would be sent, and the other one
   fetched. */
static bool bind_found_again(struct account *account, struct error *error)
{
	struct cast cast = { 0 };
	bool is_done;

	arena_init(&cast.arena);
	cast_load_local(account, &cast);
	is_done = bind_cast(account, &cast, error);
	arena_finish(&cast.arena);
	return is_done;
}

bool bind_arrivals(struct account *account, struct error *error)
{
	struct cast cast = { 0 };
	size_t counts[MATCH_ROLE_COUNT] = { 0 };
	bool is_done;

	if (!bind_under_way(account, error))
		return false;
	count_roles(account, counts);
	if (!can_match(counts))
		return true;
	arena_init(&cast.arena);
	cast_load(account, &cast);
	is_done = bind_cast(account, &cast, error);
	arena_finish(&cast.arena);
	return is_done &&
		(!cast.has_new_suspect || bind_found_again(account, error));
}
