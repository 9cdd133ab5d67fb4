#include "state_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

char *sample_path(void)
{
	char directory[] = "/tmp/mailtwin-state-XXXXXX";

	assert_non_null(mkdtemp(directory));
	return alloc_format("%s/state.mdb", directory);
}

void sample_remove(char *path)
{
	char *lock = alloc_format("%s-lock", path);

	(void)unlink(lock);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	free(lock);
	free(path);
}

uint64_t sample_number(struct sample_random *random)
{
	random->seed ^= random->seed >> 12;
	random->seed ^= random->seed << 25;
	random->seed ^= random->seed >> 27;
	return random->seed * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t sample_below(struct sample_random *random, uint64_t limit)
{
	return (sample_number(random) >> 11) % limit;
}

bool sample_chance(struct sample_random *random, unsigned percent)
{
	return sample_below(random, 100) < percent;
}

/* Zero, small, of any width, or the largest. */
static uint64_t any_u64(struct sample_random *random)
{
	switch (sample_below(random, 4)) {
	case 0:
		return 0;
	case 1:
		return sample_below(random, 300);
	case 2:
		return sample_number(random) >> sample_below(random, 64);
	default:
		return UINT64_MAX - sample_below(random, 2);
	}
}

static uint32_t any_u32(struct sample_random *random)
{
	return (uint32_t)any_u64(random);
}

static int64_t any_i64(struct sample_random *random)
{
	return (int64_t)any_u64(random);
}

static struct flags any_flags(struct sample_random *random)
{
	struct flags flags = { .system = (uint32_t)sample_below(random, 32) };

	while (sample_chance(random, 40))
		flags_set_keyword(&flags,
			(unsigned)sample_below(random, KEYWORD_COUNT_MAX));
	return flags;
}

static const char *any_text(
	struct sample_random *random, struct arena *arena, size_t size_max)
{
	size_t size = sample_chance(random, 20)
		? size_max
		: (size_t)sample_below(random, size_max < 40 ? size_max : 40);
	char *text;

	if (sample_chance(random, 30))
		return NULL;
	text = arena_alloc(arena, size + 1, 1);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)(1 + sample_below(random, 126));
	return text;
}

static struct content any_content(struct sample_random *random)
{
	struct content content = {
		.size = any_u64(random),
		.message_id = any_u64(random),
		.header_hash = any_u64(random),
		.email_id = any_u64(random),
		.internal_date = any_i64(random),
	};

	content.has_hash = sample_chance(random, 50);
	for (size_t i = 0; content.has_hash && i < CONTENT_HASH_SIZE; i++)
		content.hash[i] = (uint8_t)sample_number(random);
	return content;
}

struct pair sample_pair(
	struct sample_random *random, struct arena *arena, uint64_t mid)
{
	struct pair pair = { .mid = mid };
	bool is_plain = sample_chance(random, 50);

	pair.synced.is_set = sample_chance(random, 70);
	pair.synced.folder_id = any_u32(random);
	pair.synced.flags = any_flags(random);
	pair.remote.presence = (enum presence)sample_below(random, 4);
	pair.remote.folder_id =
		is_plain ? pair.synced.folder_id : any_u32(random);
	pair.remote.uid = any_u32(random);
	pair.remote.modseq = any_u64(random);
	pair.remote.flags = is_plain ? pair.synced.flags : any_flags(random);
	pair.local.presence = (enum presence)sample_below(random, 4);
	pair.local.folder_id =
		is_plain ? pair.synced.folder_id : any_u32(random);
	pair.local.is_new = sample_chance(random, 50);
	pair.local.name = any_text(random, arena, 255);
	pair.local.flags = is_plain ? pair.synced.flags : any_flags(random);
	pair.local.device = any_u64(random);
	pair.local.inode = any_u64(random);
	pair.local.size = any_u64(random);
	pair.local.mtime = any_i64(random);
	pair.content = any_content(random);
	pair.hold = (enum hold)sample_below(random, HOLD_UNREADABLE + 1);
	pair.reason = any_text(random, arena, 1000);
	if (!is_plain) {
		pair.remote.absent_since = any_u64(random);
		pair.local.absent_since = any_u64(random);
		pair.local.is_leftover = any_u64(random) % 2 == 0;
		pair.attempt_count = any_u32(random);
		pair.retry_at = any_i64(random);
	}
	return pair;
}

static void fill_ranges(struct sample_random *random, struct uid_set *set)
{
	uint32_t uid = 1;

	while (sample_chance(random, 80) && uid < 1000000) {
		uint32_t first = uid + (uint32_t)sample_below(random, 1000);
		uint32_t last = first + (uint32_t)sample_below(random, 1000);

		uid_set_add_range(set, first, last);
		uid = last + 2;
	}
	if (sample_chance(random, 10))
		uid_set_add_range(set, UINT32_MAX - 1, UINT32_MAX);
}

struct folder sample_folder(
	struct sample_random *random, struct arena *arena, uint32_t folder_id)
{
	struct folder folder = {
		.folder_id = folder_id,
		.path = any_text(random, arena, 4096),
		.mailbox = any_text(random, arena, 4096),
		.delimiter = (char)any_u32(random),
		.mailbox_id = any_text(random, arena, 255),
		.has_remote = sample_chance(random, 50),
		.has_local = sample_chance(random, 50),
		.is_selectable = sample_chance(random, 50),
		.is_discard = sample_chance(random, 50),
		.is_all = sample_chance(random, 50),
		.special_use = any_text(random, arena, 255),
		.state = (enum folder_state)sample_below(random, 5),
		.reason = any_text(random, arena, 1000),
		.uid_validity = any_u32(random),
		.uid_next = any_u32(random),
		.exists = any_u32(random),
		.highest_modseq = any_u64(random),
		.has_no_modseq = sample_chance(random, 50),
		.permanent_flags = any_flags(random),
		.allows_new_keywords = sample_chance(random, 50),
		.is_read_only = sample_chance(random, 50),
		.append_limit = any_u64(random),
		.device = any_u64(random),
		.inode = any_u64(random),
		.new_mtime_ns = any_i64(random),
		.cur_mtime_ns = any_i64(random),
		.scanned_at_ns = any_i64(random),
		.scan_count = any_u64(random),
		.is_approved = sample_chance(random, 50),
		.deletion_slot = any_i64(random),
		.last_success = any_i64(random),
		.error = any_text(random, arena, 1000),
	};

	for (size_t i = 0; i < FOLDER_DELETION_SLOTS; i++) {
		folder.deleted_remote[i] = any_u32(random);
		folder.deleted_local[i] = any_u32(random);
	}
	fill_ranges(random, &folder.frontier);
	return folder;
}

struct intent sample_intent(struct sample_random *random, uint64_t intent_id)
{
	return (struct intent){
		.intent_id = intent_id,
		.kind = (enum intent_kind)sample_below(random, 5),
		.phase = (enum intent_phase)sample_below(random, 3),
		.mid = any_u64(random),
		.folder_id = any_u32(random),
		.uid = any_u32(random),
		.modseq = any_u64(random),
		.to_folder_id = any_u32(random),
		.uid_validity = any_u32(random),
		.uid_next = any_u32(random),
		.flags = any_flags(random),
		.content = any_content(random),
		.attempt_count = any_u32(random),
		.time = any_i64(random),
	};
}

struct tomb sample_tomb(
	struct sample_random *random, struct arena *arena, uint64_t mid)
{
	bool was_uncertain = sample_chance(random, 50);

	return (struct tomb){
		.mid = mid,
		.content = any_content(random),
		.folder_id = any_u32(random),
		.uid = any_u32(random),
		.time = any_i64(random),
		.reason = any_text(random, arena, 1000),
		.was_uncertain_upload = was_uncertain,
		.uid_validity = was_uncertain ? any_u32(random) : 0,
	};
}

struct journal_entry sample_entry(
	struct sample_random *random, struct arena *arena, uint64_t sequence)
{
	const char *change = any_text(random, arena, 60);

	return (struct journal_entry){
		.sequence = sequence,
		.time = any_i64(random),
		.side = sample_chance(random, 50) ? JOURNAL_LOCAL
						  : JOURNAL_REMOTE,
		.change = change == NULL ? "" : change,
		.mid = any_u64(random),
		.folder_id = any_u32(random),
		.detail = any_text(random, arena, 1000),
		.outcome = any_text(random, arena, 1000),
	};
}

struct pair sample_settled(struct arena *arena, uint64_t mid)
{
	struct sample_random random = { mid * 2 + 1 };
	struct pair pair = { .mid = mid };

	pair.synced.is_set = true;
	pair.synced.folder_id = 1;
	pair.synced.flags.system = FLAG_SEEN;
	pair.remote.presence = PRESENCE_PRESENT;
	pair.remote.folder_id = 1;
	pair.remote.uid = (uint32_t)mid;
	pair.remote.modseq = 100000 + mid;
	pair.remote.flags = pair.synced.flags;
	pair.local.presence = PRESENCE_PRESENT;
	pair.local.folder_id = 1;
	pair.local.flags = pair.synced.flags;
	pair.local.name = arena_format(arena,
		"17%08u.R%016llx.mail.example.org:2,S", (unsigned)mid,
		(unsigned long long)sample_number(&random));
	pair.local.device = 0xfd01;
	pair.local.inode = 12000000 + mid;
	pair.local.size = 4000 + mid % 4000;
	pair.local.mtime = 1700000000 + (int64_t)mid;
	pair.content.size = 4100 + mid % 4000;
	pair.content.has_hash = true;
	for (size_t i = 0; i < CONTENT_HASH_SIZE; i++)
		pair.content.hash[i] = (uint8_t)sample_number(&random);
	pair.content.message_id = sample_number(&random);
	pair.content.header_hash = sample_number(&random);
	pair.content.internal_date = pair.local.mtime;
	return pair;
}

static bool texts_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool contents_equal(const struct content *a, const struct content *b)
{
	return a->size == b->size && a->has_hash == b->has_hash &&
		memcmp(a->hash, b->hash, CONTENT_HASH_SIZE) == 0 &&
		a->message_id == b->message_id &&
		a->header_hash == b->header_hash &&
		a->email_id == b->email_id &&
		a->internal_date == b->internal_date;
}

static bool locals_equal(
	const struct local_state *a, const struct local_state *b)
{
	return a->presence == b->presence && a->folder_id == b->folder_id &&
		a->is_new == b->is_new && texts_equal(a->name, b->name) &&
		flags_equal(&a->flags, &b->flags) && a->device == b->device &&
		a->inode == b->inode && a->size == b->size &&
		a->mtime == b->mtime && a->absent_since == b->absent_since &&
		a->is_leftover == b->is_leftover;
}

static bool remotes_equal(
	const struct remote_state *a, const struct remote_state *b)
{
	return a->presence == b->presence && a->folder_id == b->folder_id &&
		a->uid == b->uid && a->modseq == b->modseq &&
		flags_equal(&a->flags, &b->flags) &&
		a->absent_since == b->absent_since;
}

bool sample_pairs_equal(const struct pair *a, const struct pair *b)
{
	return a->mid == b->mid && a->synced.is_set == b->synced.is_set &&
		a->synced.folder_id == b->synced.folder_id &&
		flags_equal(&a->synced.flags, &b->synced.flags) &&
		remotes_equal(&a->remote, &b->remote) &&
		locals_equal(&a->local, &b->local) &&
		contents_equal(&a->content, &b->content) &&
		a->hold == b->hold && texts_equal(a->reason, b->reason) &&
		a->attempt_count == b->attempt_count &&
		a->retry_at == b->retry_at;
}

static bool folder_remotes_equal(const struct folder *a, const struct folder *b)
{
	return texts_equal(a->mailbox, b->mailbox) &&
		a->delimiter == b->delimiter &&
		texts_equal(a->mailbox_id, b->mailbox_id) &&
		a->has_remote == b->has_remote &&
		a->is_selectable == b->is_selectable &&
		a->is_discard == b->is_discard && a->is_all == b->is_all &&
		texts_equal(a->special_use, b->special_use) &&
		a->uid_validity == b->uid_validity &&
		a->uid_next == b->uid_next && a->exists == b->exists &&
		a->highest_modseq == b->highest_modseq &&
		a->has_no_modseq == b->has_no_modseq &&
		uid_set_equal(&a->frontier, &b->frontier) &&
		flags_equal(&a->permanent_flags, &b->permanent_flags) &&
		a->allows_new_keywords == b->allows_new_keywords &&
		a->is_read_only == b->is_read_only &&
		a->append_limit == b->append_limit;
}

bool sample_folders_equal(const struct folder *a, const struct folder *b)
{
	return a->folder_id == b->folder_id && texts_equal(a->path, b->path) &&
		folder_remotes_equal(a, b) && a->has_local == b->has_local &&
		a->state == b->state && texts_equal(a->reason, b->reason) &&
		a->device == b->device && a->inode == b->inode &&
		a->new_mtime_ns == b->new_mtime_ns &&
		a->cur_mtime_ns == b->cur_mtime_ns &&
		a->scanned_at_ns == b->scanned_at_ns &&
		a->scan_count == b->scan_count &&
		a->is_approved == b->is_approved &&
		a->deletion_slot == b->deletion_slot &&
		memcmp(a->deleted_remote, b->deleted_remote,
			sizeof(a->deleted_remote)) == 0 &&
		memcmp(a->deleted_local, b->deleted_local,
			sizeof(a->deleted_local)) == 0 &&
		a->last_success == b->last_success &&
		texts_equal(a->error, b->error);
}

bool sample_intents_equal(const struct intent *a, const struct intent *b)
{
	return a->intent_id == b->intent_id && a->kind == b->kind &&
		a->phase == b->phase && a->mid == b->mid &&
		a->folder_id == b->folder_id && a->uid == b->uid &&
		a->modseq == b->modseq && a->to_folder_id == b->to_folder_id &&
		a->uid_validity == b->uid_validity &&
		a->uid_next == b->uid_next &&
		flags_equal(&a->flags, &b->flags) &&
		contents_equal(&a->content, &b->content) &&
		a->attempt_count == b->attempt_count && a->time == b->time;
}

bool sample_tombs_equal(const struct tomb *a, const struct tomb *b)
{
	return a->mid == b->mid && contents_equal(&a->content, &b->content) &&
		a->folder_id == b->folder_id && a->uid == b->uid &&
		a->time == b->time && texts_equal(a->reason, b->reason) &&
		a->was_uncertain_upload == b->was_uncertain_upload &&
		a->uid_validity == b->uid_validity;
}

bool sample_entries_equal(
	const struct journal_entry *a, const struct journal_entry *b)
{
	return a->sequence == b->sequence && a->time == b->time &&
		a->side == b->side && texts_equal(a->change, b->change) &&
		a->mid == b->mid && a->folder_id == b->folder_id &&
		texts_equal(a->detail, b->detail) &&
		texts_equal(a->outcome, b->outcome);
}

struct state *sample_open(const char *path)
{
	struct error error = { 0 };
	struct state *state = state_open(path, &error);

	assert_string_equal(error.message, "");
	assert_non_null(state);
	return state;
}

void sample_begin(struct state *state)
{
	struct error error = { 0 };

	if (!state_begin(state, &error))
		fail_msg("%s", error.message);
}

void sample_commit(struct state *state)
{
	struct error error = { 0 };

	if (!state_commit(state, &error))
		fail_msg("%s", error.message);
}

void sample_check(struct state *state)
{
	struct error error = { 0 };

	if (!state_check(state, &error))
		fail_msg("%s", error.message);
	if (state_read_error(state, &error))
		fail_msg("%s", error.message);
}
