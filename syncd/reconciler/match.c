/* Matching in stages. A stage pairs one role with another, by what is known
   for certain; where two items could be one message but something is not
   known, it asks and the later stages wait for the next call, so that no later
   rule takes an item that an earlier one may claim. Every question is answered
   or given up, so the calls come to an end. */
#include "syncd/reconciler/match_internal.h"

#include <stdlib.h>

#include "base/compiler.h"

static const struct stage LOCAL_MOVES[] = {
	{ MATCH_LOCAL_ARRIVAL, MATCH_LOCAL_SUSPECT, true },
	{ MATCH_LOCAL_ARRIVAL, MATCH_LOCAL_SUSPECT, false },
};

static const struct stage REMOTE_STAGES[] = {
	{ MATCH_REMOTE_ARRIVAL, MATCH_REMOTE_SUSPECT, true },
	{ MATCH_REMOTE_ARRIVAL, MATCH_REMOTE_SUSPECT, false },
	{ MATCH_REMOTE_ARRIVAL, MATCH_REMOTE_LOST, true },
	{ MATCH_REMOTE_ARRIVAL, MATCH_REMOTE_LOST, false },
	/* Behind moves: a copy made here beside a move made there is none too
	   few. */
	{ MATCH_LOCAL_ARRIVAL, MATCH_REMOTE_ARRIVAL, true },
	{ MATCH_LOCAL_ARRIVAL, MATCH_REMOTE_ARRIVAL, false },
};

static void bind(
	struct matcher *matcher, struct entry *arrival, struct entry *partner)
{
	struct match_binding *binding = arena_push(matcher->arena,
		&matcher->bindings, &matcher->binding_count,
		&matcher->binding_capacity, sizeof(*binding));

	binding->arrival = arrival->item->pair;
	binding->partner = partner->item->pair;
	arrival->is_bound = true;
	partner->is_bound = true;
}

static void ask(
	struct matcher *matcher, enum match_need_kind kind, struct entry *entry)
{
	struct match_need *need;

	if (entry->is_asked || entry->item->is_given_up)
		return;
	need = arena_push(matcher->arena, &matcher->needs, &matcher->need_count,
		&matcher->need_capacity, sizeof(*need));
	need->kind = kind;
	need->pair = entry->item->pair;
	entry->is_asked = true;
}

/* A suspect without a hash: its other side may still have the bytes. */
static void ask_suspect(struct matcher *matcher, struct entry *entry)
{
	const struct pair *pair = entry->item->pair;

	if (match_is_role(entry, MATCH_REMOTE_SUSPECT) &&
		pair->local.presence == PRESENCE_PRESENT)
		ask(matcher, MATCH_NEED_LOCAL_HASH, entry);
	if (match_is_role(entry, MATCH_LOCAL_SUSPECT) &&
		pair->remote.presence == PRESENCE_PRESENT)
		ask(matcher, MATCH_NEED_REMOTE_HASH, entry);
}

/* Proven equal: the first with the first, until one side has no more. */
static void bind_group(struct matcher *matcher, const struct group *group)
{
	size_t arrivals = 0, partners = 0;

	for (;;) {
		struct entry *arrival = match_next_free(
			group, group->stage->arrival, &arrivals);
		struct entry *partner = match_next_free(
			group, group->stage->partner, &partners);

		if (arrival == NULL || partner == NULL)
			return;
		bind(matcher, arrival, partner);
	}
}

/* Equal size, the suspect's hash not known: it could be the arrival. */
static void ask_moved(struct matcher *matcher, const struct group *group)
{
	size_t position = 0;
	struct entry *entry;

	if (!match_has_both_roles(group))
		return;
	while ((entry = match_next(group, MATCH_LOCAL_SUSPECT, &position)) !=
		NULL)
		if (!match_content(entry)->has_hash)
			ask_suspect(matcher, entry);
}

/* Equal size or date, header not known. */
static void ask_headers(struct matcher *matcher, const struct group *group)
{
	if (!match_has_both_roles(group))
		return;
	for (size_t i = 0; i < group->count; i++) {
		struct entry *entry = group->entries[i];

		if (match_content(entry)->has_hash ||
			match_content(entry)->header_hash != 0)
			continue;
		if (match_is_role(entry, MATCH_REMOTE_ARRIVAL))
			ask(matcher, MATCH_NEED_REMOTE_HEADER, entry);
		else if (match_is_role(entry, MATCH_LOCAL_ARRIVAL))
			ask(matcher, MATCH_NEED_LOCAL_HASH, entry);
		else
			ask_suspect(matcher, entry);
	}
}

static int compare_sizes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Is there a size from `low` to `high`? */
static bool has_size_between(
	const uint64_t *sizes, size_t count, uint64_t low, uint64_t high)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (sizes[middle] < low)
			from = middle + 1;
		else
			to = middle;
	}
	return from < count && sizes[from] <= high;
}

/* One that was given up before its header was known could belong to any group
   of its size, so the group is not as small as it looks. */
static bool has_unread_rival(
	const struct matcher *matcher, const struct group *group)
{
	uint64_t size = match_content(group->entries[0])->size;

	return has_size_between(
		matcher->unread, matcher->unread_count, size, size);
}

/* Size, whole header and Message-ID are equal and there is nothing to confuse
   it with: good enough without reading the body. */
static bool is_unambiguous(
	const struct matcher *matcher, const struct group *group)
{
	return match_count_role(group, group->stage->arrival) == 1 &&
		match_count_role(group, group->stage->partner) == 1 &&
		match_content(group->entries[0])->message_id != 0 &&
		match_content(group->entries[0])->message_id ==
		match_content(group->entries[1])->message_id &&
		!has_unread_rival(matcher, group);
}

static void ask_hashes(struct matcher *matcher, const struct group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		struct entry *entry = group->entries[i];

		if (match_content(entry)->has_hash)
			continue;
		if (match_is_role(entry, MATCH_REMOTE_ARRIVAL))
			ask(matcher, MATCH_NEED_REMOTE_HASH, entry);
		else
			ask_suspect(matcher, entry);
	}
}

static bool all_hashes_are_known(const struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		if (!match_content(group->entries[i])->has_hash)
			return false;
	return true;
}

/* Equal size and header. Equal hashes are bound already: whoever is left with
   a hash differs from everybody who has one. */
static void bind_or_ask(struct matcher *matcher, const struct group *group)
{
	if (!match_has_both_roles(group) || all_hashes_are_known(group))
		return;
	if (is_unambiguous(matcher, group))
		bind_group(matcher, group);
	else
		ask_hashes(matcher, group);
}

static void find_unread(struct matcher *matcher)
{
	matcher->unread = arena_alloc(
		matcher->arena, matcher->entry_count, sizeof(uint64_t));
	for (size_t i = 0; i < matcher->entry_count; i++) {
		const struct entry *entry = &matcher->entries[i];

		if (entry->item->is_given_up &&
			match_content(entry)->header_hash == 0)
			matcher->unread[matcher->unread_count++] =
				match_content(entry)->size;
	}
	if (matcher->unread_count > 0)
		qsort(matcher->unread, matcher->unread_count, sizeof(uint64_t),
			compare_sizes);
}

static void match_email(struct matcher *matcher)
{
	for (size_t i = 0; i < ARRAY_LENGTH(LOCAL_MOVES); i++)
		match_for_each_group(
			matcher, &LOCAL_MOVES[i], KEY_EMAIL, bind_group);
	for (size_t i = 0; i < ARRAY_LENGTH(REMOTE_STAGES); i++)
		match_for_each_group(
			matcher, &REMOTE_STAGES[i], KEY_EMAIL, bind_group);
}

struct sizes {
	uint64_t *on_disk; /* suspects' files */
	size_t on_disk_count;
	uint64_t *octets; /* with CRLF: everything else to compare with */
	size_t octet_count;
};

static struct sizes sizes_make(struct matcher *matcher)
{
	struct sizes sizes = {
		.on_disk = arena_alloc(
			matcher->arena, matcher->entry_count, sizeof(uint64_t)),
		.octets = arena_alloc(
			matcher->arena, matcher->entry_count, sizeof(uint64_t)),
	};

	for (size_t i = 0; i < matcher->entry_count; i++) {
		const struct entry *entry = &matcher->entries[i];
		uint64_t on_disk = entry->item->pair->local.size;

		if (entry->is_bound || entry->item->is_given_up)
			continue;
		if (match_is_role(entry, MATCH_LOCAL_SUSPECT) && on_disk != 0)
			sizes.on_disk[sizes.on_disk_count++] = on_disk;
		else if (match_is_role(entry, MATCH_LOCAL_SUSPECT) ||
			match_is_role(entry, MATCH_REMOTE_ARRIVAL))
			sizes.octets[sizes.octet_count++] =
				match_content(entry)->size;
	}
	if (sizes.on_disk_count > 0)
		qsort(sizes.on_disk, sizes.on_disk_count, sizeof(uint64_t),
			compare_sizes);
	if (sizes.octet_count > 0)
		qsort(sizes.octets, sizes.octet_count, sizeof(uint64_t),
			compare_sizes);
	return sizes;
}

/* A file's size with CRLF line ends is known only after reading it, but lies
   between its size on disk and the double of that. */
static void ask_files(struct matcher *matcher)
{
	struct sizes sizes = sizes_make(matcher);

	for (size_t i = 0; i < matcher->entry_count; i++) {
		struct entry *entry = &matcher->entries[i];
		uint64_t size = entry->item->pair->local.size;

		if (!match_is_role(entry, MATCH_LOCAL_ARRIVAL) ||
			entry->is_bound || match_content(entry)->has_hash)
			continue;
		if (has_size_between(
			    sizes.on_disk, sizes.on_disk_count, size, size) ||
			has_size_between(sizes.octets, sizes.octet_count, size,
				size > UINT64_MAX / 2 ? UINT64_MAX : 2 * size))
			ask(matcher, MATCH_NEED_LOCAL_HASH, entry);
	}
}

static void match_local_moves(struct matcher *matcher)
{
	for (size_t i = 0; i < ARRAY_LENGTH(LOCAL_MOVES); i++)
		match_for_each_group(
			matcher, &LOCAL_MOVES[i], KEY_HASH, bind_group);
	match_for_each_group(matcher, &LOCAL_MOVES[1], KEY_SIZE, ask_moved);
}

static void ask_all_headers(struct matcher *matcher)
{
	for (size_t i = 0; i < ARRAY_LENGTH(REMOTE_STAGES); i++)
		match_for_each_group(
			matcher, &REMOTE_STAGES[i], KEY_SIZE, ask_headers);
}

static void match_remote(struct matcher *matcher)
{
	for (size_t i = 0; i < ARRAY_LENGTH(REMOTE_STAGES); i++) {
		const struct stage *stage = &REMOTE_STAGES[i];

		match_for_each_group(matcher, stage, KEY_HASH, bind_group);
		match_for_each_group(matcher, stage, KEY_HEADER, bind_or_ask);
		if (matcher->need_count > 0)
			return;
	}
}

/* Equal header: its bytes decide, whatever the server tells of their number. */
static void ask_bytes(struct matcher *matcher, const struct group *group)
{
	if (match_has_both_roles(group) && !all_hashes_are_known(group))
		ask_hashes(matcher, group);
}

/* Who is left may have a size that is not true. A message that is moved keeps
   its date, and one that was sent has that of its file; and where the date is
   new, too, the size may be that of the file. */
static void ask_lied_about(struct matcher *matcher)
{
	for (size_t i = 0; i < ARRAY_LENGTH(REMOTE_STAGES); i++) {
		match_for_each_group(
			matcher, &REMOTE_STAGES[i], KEY_DATE, ask_headers);
		match_for_each_group(
			matcher, &REMOTE_STAGES[i], KEY_DISK, ask_headers);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(REMOTE_STAGES); i++)
		match_for_each_group(matcher, &REMOTE_STAGES[i],
			KEY_HEADER_ALONE, ask_bytes);
}

struct match match_make(
	struct arena *arena, const struct match_item *items, size_t item_count)
{
	static void (*const steps[])(struct matcher *) = {
		find_unread,
		match_email,
		ask_files,
		match_local_moves,
		ask_all_headers,
		match_remote,
		ask_lied_about,
	};
	struct matcher matcher = {
		.arena = arena,
		.entries = arena_alloc(arena, item_count, sizeof(struct entry)),
		.entry_count = item_count,
		.sorted =
			arena_alloc(arena, item_count, sizeof(struct entry *)),
	};

	for (size_t i = 0; i < item_count; i++) {
		matcher.entries[i].item = &items[i];
		matcher.entries[i].index = i;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		if (matcher.need_count > 0)
			break;
		steps[i](&matcher);
	}
	return (struct match){
		.bindings = matcher.bindings,
		.binding_count = matcher.binding_count,
		.needs = matcher.needs,
		.need_count = matcher.need_count,
	};
}
