#include "tests/sim/oracle_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/digest.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/sim_db.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"

/* The longest pause between two tries, and by how much a clock that is set in
   the meantime may seem to lengthen it. */
#define RETRY_MAX_S PAIR_PAUSE_MAX_S
#define LEAP_MAX_S  INT64_C(7200)

static void (*asked_before)(const char *call);

/* ---- Everything a commit left ---- */

struct survey {
	struct world *world;
	struct account *account;
	struct arena arena;
	struct pair *pairs;
	size_t pair_count, pair_capacity;
};

static void load(struct survey *survey)
{
	struct state_cursor cursor = { 0 };
	struct pair pair;

	while (state_next_pair(
		survey->account->state, &cursor, &survey->arena, &pair)) {
		struct pair *slot = arena_push(&survey->arena, &survey->pairs,
			&survey->pair_count, &survey->pair_capacity,
			sizeof(*slot));

		*slot = pair;
	}
}

static bool is_here(const struct pair *pair)
{
	return pair->local.presence == PRESENCE_PRESENT;
}

static bool is_there(const struct pair *pair)
{
	return pair->remote.presence == PRESENCE_PRESENT;
}

/* ---- One place, one message ---- */

static bool has_same_place(const struct pair *a, const struct pair *b)
{
	size_t size;

	if (!is_here(a) || !is_here(b) ||
		a->local.folder_id != b->local.folder_id)
		return false;
	size = pair_unique_size(a->local.name);
	return size == pair_unique_size(b->local.name) &&
		memcmp(a->local.name, b->local.name, size) == 0;
}

static bool has_same_uid(const struct pair *a, const struct pair *b)
{
	return is_there(a) && is_there(b) &&
		a->remote.folder_id == b->remote.folder_id &&
		a->remote.uid == b->remote.uid;
}

static void check_places(const struct survey *survey)
{
	for (size_t i = 0; i < survey->pair_count; i++)
		for (size_t k = i + 1; k < survey->pair_count; k++) {
			const struct pair *a = &survey->pairs[i];
			const struct pair *b = &survey->pairs[k];

			if (has_same_uid(a, b))
				world_violation(10,
					"UID %u in %u is of two messages",
					a->remote.uid, a->remote.folder_id);
			if (has_same_place(a, b))
				world_violation(10, "'%s' is of two messages",
					a->local.name);
		}
}

/* ---- What is said to be here is on the disk ---- */

struct sight {
	bool is_seen;
	unsigned number;
	uint64_t inode;
	size_t size;
	int64_t mtime_s;
};

static void note_sight(void *data, const struct sim_disk_file *file)
{
	struct sight *sight = data;

	sight->is_seen = true;
	sight->number = oracle_number(file->data, file->size);
	sight->inode = file->inode;
	sight->size = file->size;
	sight->mtime_s = file->mtime_s;
}

static char *path_of(const struct survey *survey, const struct pair *pair)
{
	const struct account_folder *folder =
		account_folder(survey->account, pair->local.folder_id);

	return alloc_format(WORLD_MAILDIR "/%s/%s/%s",
		folder == NULL ? "?" : folder->record.path,
		pair->local.is_new ? "new" : "cur", pair->local.name);
}

/* Whether the file that the pair speaks of is under its name: readers of mail
   may have renamed or replaced it since, twice even, so that the inode is that
   of the first again. */
static bool see_file(const struct survey *survey, const struct pair *pair,
	bool is_durable, struct sight *sight)
{
	char *path = path_of(survey, pair);

	*sight = (struct sight){ .is_seen = false };
	sim_disk_walk(path, is_durable, note_sight, sight);
	free(path);
	return sight->is_seen && sight->inode == pair->local.inode &&
		sight->size == pair->local.size &&
		sight->mtime_s == pair->local.mtime;
}

struct search {
	const struct pair *pair;
	bool is_found;
};

static void note_same_file(void *data, const struct sim_disk_file *file)
{
	struct search *search = data;

	search->is_found |= file->inode == search->pair->local.inode &&
		file->size == search->pair->local.size &&
		strstr(file->path, "/tmp/") == NULL;
}

/* A rename that is lost gives the old name back, which has the same unique
   part: a flag is, the message is not. */
static bool is_in_folder(const struct survey *survey, const struct pair *pair)
{
	const struct account_folder *folder =
		account_folder(survey->account, pair->local.folder_id);
	struct search search = { .pair = pair };
	char *path;

	if (folder == NULL)
		return false;
	path = alloc_format(WORLD_MAILDIR "/%s", folder->record.path);
	sim_disk_walk_kept(path, note_same_file, &search);
	free(path);
	return search.is_found;
}

/* Else a power cut would leave a pair without a file: it looks like a removal,
   and is carried out on the server. */
static void check_durable(const struct survey *survey)
{
	struct sight sight;

	for (size_t i = 0; i < survey->pair_count; i++) {
		const struct pair *pair = &survey->pairs[i];

		if (is_here(pair) && pair->synced.is_set &&
			see_file(survey, pair, false, &sight) &&
			!see_file(survey, pair, true, &sight) &&
			!is_in_folder(survey, pair))
			world_violation(15,
				"the state has '%s', the disk may lose it",
				pair->local.name);
	}
}

/* ---- Both sides of a pair are one message ---- */

static const struct sim_mailbox *mailbox_of(
	const struct survey *survey, uint32_t folder_id)
{
	const struct account_folder *folder =
		account_folder(survey->account, folder_id);
	const struct sim_mailbox *mailbox =
		folder == NULL || folder->record.mailbox == NULL
		? NULL
		: sim_mailbox(folder->record.mailbox);

	return mailbox != NULL &&
			mailbox->uid_validity == folder->record.uid_validity
		? mailbox
		: NULL;
}

static const struct sim_message *message_of(
	const struct sim_mailbox *mailbox, uint32_t uid)
{
	for (size_t i = 0; mailbox != NULL && i < mailbox->message_count; i++)
		if (mailbox->messages[i].uid == uid)
			return &mailbox->messages[i];
	return NULL;
}

/* A server that gives a UID twice, or is put back to what it was, has other
   messages under known UIDs; a file written anew in place is found out later.
 */
static bool can_be_mistaken(const struct survey *survey)
{
	return oracle.is_blurred || survey->world->kind.has_in_place ||
		(survey->world->kind.quirks & SIM_UID_REUSE) != 0;
}

/* What the server made of it was read, and not only its size. */
static bool is_known_rewritten(
	const struct survey *survey, const struct pair *pair, unsigned number)
{
	struct canonical_digest *digest;
	struct content made = { 0 };
	size_t size;
	char *body;

	if (oracle.fates[number].rewritten == 0 ||
		oracle_is_as_made(number, pair->content.size))
		return false;
	body = oracle_body(survey->world, number, &size);
	digest = canonical_digest_new(state_secret(survey->account->state));
	canonical_digest_feed(digest, body, size);
	canonical_digest_finish(digest, &made);
	canonical_digest_free(digest);
	free(body);
	return pair->content.header_hash != made.header_hash;
}

/* From here on a change on one side can be told from one on the other. */
static void note_settled(const struct survey *survey)
{
	struct sight sight;

	for (size_t i = 0; i < survey->pair_count; i++) {
		const struct pair *pair = &survey->pairs[i];

		if (!pair_is_settled(pair) ||
			!see_file(survey, pair, false, &sight))
			continue;
		oracle.fates[sight.number].was_settled = true;
		oracle.fates[sight.number].is_known_rewritten |=
			is_known_rewritten(survey, pair, sight.number);
	}
}

/* A UIDNEXT that is lower than before, or a UID that is another's now, is that
   of a server put back to what it was: no UID is trusted any more. */
static void note_void(const struct survey *survey)
{
	const uint32_t quirks = SIM_UID_REUSE | SIM_FALLING_NUMBERS;
	struct sight sight;

	if ((survey->world->kind.quirks & quirks) == 0)
		return;
	for (size_t i = 0; i < survey->pair_count; i++) {
		const struct pair *pair = &survey->pairs[i];

		if (pair->remote.presence == PRESENCE_UNKNOWN &&
			pair->remote.uid == 0 &&
			see_file(survey, pair, false, &sight))
			oracle_lose(sight.number);
	}
}

static void check_same_message(const struct survey *survey)
{
	struct sight sight;

	for (size_t i = 0; !can_be_mistaken(survey) && i < survey->pair_count;
		i++) {
		const struct pair *pair = &survey->pairs[i];
		const struct sim_message *message = NULL;
		unsigned number;

		if (pair->synced.is_set && is_here(pair) && is_there(pair))
			message = message_of(
				mailbox_of(survey, pair->remote.folder_id),
				pair->remote.uid);
		if (message == NULL || !see_file(survey, pair, false, &sight))
			continue;
		number = oracle_number(message->body, message->size);
		if (number != sight.number)
			world_violation(11,
				"message %u there and message %u here are "
				"taken for one",
				number, sight.number);
	}
}

/* ---- Holds, tries and intents ---- */

static void check_waiting(const struct survey *survey)
{
	int64_t latest = account_now() + RETRY_MAX_S + LEAP_MAX_S;

	for (size_t i = 0; i < survey->pair_count; i++) {
		const struct pair *pair = &survey->pairs[i];

		if (pair->hold != HOLD_NONE && pair->reason == NULL)
			world_violation(33,
				"pair %" PRIu64 " is held without a reason",
				pair->mid);
		if (pair->retry_at > latest)
			world_violation(23,
				"pair %" PRIu64 " is not tried again for "
				"%" PRId64 " s",
				pair->mid, pair->retry_at - account_now());
	}
}

static unsigned count_from(
	const struct sim_mailbox *mailbox, uint32_t first_uid, unsigned number)
{
	unsigned count = 0;

	for (size_t i = 0; i < mailbox->message_count; i++) {
		const struct sim_message *message = &mailbox->messages[i];

		count += message->uid >= first_uid &&
			oracle_number(message->body, message->size) == number;
	}
	return count;
}

/* Whether a MOVE or COPY was begun only its copy can tell, and somebody else's
   looks the same when it came there since. */
static void note_mistakable(
	const struct survey *survey, const struct intent *intent)
{
	const struct sim_mailbox *to = mailbox_of(survey, intent->to_folder_id);
	const struct sim_message *message =
		message_of(mailbox_of(survey, intent->folder_id), intent->uid);
	uint32_t first_uid;
	unsigned number;

	if ((intent->kind != INTENT_MOVE && intent->kind != INTENT_COPY) ||
		to == NULL || message == NULL)
		return;
	first_uid =
		intent->uid_validity == to->uid_validity ? intent->uid_next : 1;
	number = oracle_number(message->body, message->size);
	if (count_from(to, first_uid, number) > oracle.fates[number].copied)
		oracle.fates[number].is_mistakable = true;
}

/* What is open is open once, or it could be begun twice. */
static void check_intents(struct survey *survey)
{
	struct state_cursor cursor = { 0 };
	struct intent *intents = NULL;
	struct intent intent;
	size_t count = 0, capacity = 0;

	while (state_next_intent(survey->account->state, &cursor, &intent)) {
		struct intent *slot = arena_push(&survey->arena, &intents,
			&count, &capacity, sizeof(*slot));

		*slot = intent;
		note_mistakable(survey, &intent);
		for (size_t i = 0; i + 1 < count; i++)
			if (intents[i].mid == intent.mid)
				world_violation(22,
					"pair %" PRIu64 " has two open intents",
					intent.mid);
	}
}

/* ---- How far the server was looked at ---- */

static const struct pair *pair_of_uid(
	const struct survey *survey, uint32_t folder_id, uint32_t uid)
{
	for (size_t i = 0; i < survey->pair_count; i++)
		if (survey->pairs[i].remote.presence == PRESENCE_PRESENT &&
			survey->pairs[i].remote.folder_id == folder_id &&
			survey->pairs[i].remote.uid == uid)
			return &survey->pairs[i];
	return NULL;
}

/* A UID that is done with is on record, if it is there. */
static void check_frontier(const struct survey *survey,
	const struct folder *folder, const struct sim_mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->message_count; i++) {
		uint32_t uid = mailbox->messages[i].uid;

		if (uid_set_contains(&folder->frontier, uid) &&
			pair_of_uid(survey, folder->folder_id, uid) == NULL)
			world_violation(13,
				"UID %u in %s is passed over, and not known",
				uid, mailbox->name);
	}
}

/* What was expunged before the anchor is never told again, by a server that
   tells of it: without QRESYNC it is found out by counting. */
static void check_gone(const struct survey *survey, const struct folder *folder,
	const struct sim_mailbox *mailbox)
{
	if ((survey->world->kind.abilities & SIM_QRESYNC) == 0)
		return;
	for (size_t i = 0; i < mailbox->gone_count; i++) {
		const struct sim_gone *gone = &mailbox->gone[i];

		if (gone->modseq <= folder->highest_modseq &&
			message_of(mailbox, gone->uid) == NULL &&
			pair_of_uid(survey, folder->folder_id, gone->uid) !=
				NULL)
			world_violation(12,
				"UID %u in %s went at %" PRIu64
				", the anchor is %" PRIu64 ", and it is known",
				gone->uid, mailbox->name, gone->modseq,
				folder->highest_modseq);
	}
}

/* Nor are flags that were set before it. */
static void check_flags(const struct survey *survey,
	const struct folder *folder, const struct sim_mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->message_count; i++) {
		const struct sim_message *message = &mailbox->messages[i];
		const struct pair *pair =
			pair_of_uid(survey, folder->folder_id, message->uid);

		if (pair != NULL && message->modseq <= folder->highest_modseq &&
			pair->remote.flags.system != message->system_flags)
			world_violation(12,
				"flags of UID %u in %s changed at %" PRIu64
				", the anchor is %" PRIu64
				", and they are not known",
				message->uid, mailbox->name, message->modseq,
				folder->highest_modseq);
	}
}

/* Servers that tell wrong things can be believed. */
static bool tells_truth(const struct survey *survey)
{
	return !oracle.is_blurred && survey->world->kind.quirks == 0;
}

static void check_folders(struct survey *survey)
{
	struct state_cursor cursor = { 0 };
	struct folder folder;

	while (tells_truth(survey) &&
		state_next_folder(survey->account->state, &cursor,
			&survey->arena, &folder)) {
		const struct sim_mailbox *mailbox = folder.mailbox == NULL
			? NULL
			: sim_mailbox(folder.mailbox);

		if (mailbox != NULL &&
			mailbox->uid_validity == folder.uid_validity) {
			check_frontier(survey, &folder, mailbox);
			check_gone(survey, &folder, mailbox);
			check_flags(survey, &folder, mailbox);
		}
		uid_set_finish(&folder.frontier);
	}
}

static void check_indexes(const struct survey *survey)
{
	struct error error = { 0 };

	/* After a failed write it refuses to be looked at. */
	if (!state_check(survey->account->state, &error) &&
		error.code == ERROR_CORRUPT)
		world_violation(21, "%s", error.message);
}

/* ---- The hook ---- */

static void check_all(struct world *world)
{
	struct survey survey = { .world = world, .account = world->account };

	arena_init(&survey.arena);
	load(&survey);
	check_indexes(&survey);
	check_places(&survey);
	check_durable(&survey);
	check_same_message(&survey);
	check_waiting(&survey);
	check_intents(&survey);
	check_folders(&survey);
	note_void(&survey);
	note_settled(&survey);
	arena_finish(&survey.arena);
}

static void ask(const char *call)
{
	struct world *world = the_world;

	if (strcmp(call, "commit done") == 0 && world != NULL &&
		world->is_product && world->account != NULL) {
		/* Looking is no step. */
		world->is_product = false;
		check_all(world);
		world->is_product = true;
	}
	asked_before(call);
}

void oracle_state_begin(void)
{
	asked_before = sim_db_hook;
	sim_db_hook = ask;
}
