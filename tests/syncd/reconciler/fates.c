#include "tests/syncd/reconciler/fates.h"

#include <string.h>

#define COPIES_MAX (2 * FATES_STARTS_MAX)

/* ---- One message ---- */

/* \Flagged or a keyword added, \Deleted taken away. */
static bool is_protected(unsigned synced, unsigned flags)
{
	unsigned added = flags & ~synced, removed = synced & ~flags;

	return (added & (CLASS_FLAGGED | CLASS_KEYWORD)) != 0 ||
		(removed & CLASS_DELETED) != 0;
}

static unsigned merge(const struct start *start)
{
	unsigned both = start->local_flags & start->remote_flags;
	unsigned changed_here = start->local_flags ^ start->synced_flags;

	if (start->synced == NOWHERE)
		return ((start->local_flags | start->remote_flags) &
			       ~(unsigned)CLASS_DELETED) |
			(both & CLASS_DELETED);
	return (start->local_flags & changed_here) |
		(start->remote_flags & ~changed_here);
}

static struct fate kept(uint32_t folder_id, unsigned flags)
{
	return (struct fate){ true, folder_id, flags };
}

static struct fate fate_of_both(const struct start *start)
{
	if (start->remote == start->synced)
		return kept(start->local, merge(start));
	return kept(start->remote, merge(start));
}

static struct fate fate_of_remote_only(
	const struct start *start, bool deletion_wins)
{
	bool is_moved = start->remote != start->synced;

	/* Deleted on both sides, each in its way: it lies in the trash. */
	if (is_moved && start->remote == IN_TRASH)
		return kept(start->remote, start->remote_flags);
	if (!deletion_wins &&
		(is_moved ||
			is_protected(start->synced_flags, start->remote_flags)))
		return kept(start->remote, start->remote_flags);
	return (struct fate){ 0 };
}

static struct fate fate_of_local_only(
	const struct start *start, bool deletion_wins)
{
	bool is_moved =
		start->local != start->synced && start->local != IN_TRASH;

	if (!deletion_wins &&
		(is_moved ||
			is_protected(start->synced_flags, start->local_flags)))
		return kept(start->local, start->local_flags);
	return (struct fate){ 0 };
}

struct fate fate_of(const struct start *start, bool deletion_wins)
{
	bool is_here = start->local != NOWHERE;
	bool is_there = start->remote != NOWHERE;

	if (is_here && is_there)
		return fate_of_both(start);
	if (!is_here && !is_there)
		return (struct fate){ 0 };
	if (start->synced == NOWHERE)
		return is_here ? kept(start->local, start->local_flags)
			       : kept(start->remote, start->remote_flags);
	return is_here ? fate_of_local_only(start, deletion_wins)
		       : fate_of_remote_only(start, deletion_wins);
}

/* ---- Several of one content ---- */

/* Copies that came, and what they turned out to be. */
struct arrival {
	uint32_t folder_id;
	unsigned flags;
	bool is_taken;
};

struct puzzle {
	/* Messages; those behind `synced_count` were made of arrivals. */
	struct start messages[COPIES_MAX + FATES_STARTS_MAX];
	size_t message_count;
	struct arrival files[COPIES_MAX], mails[COPIES_MAX];
	size_t file_count, mail_count;
	bool deletion_wins;
	const unsigned *wanted; /* NULL: only their number is compared */
	size_t wanted_count;
};

static bool is_unknown(const struct start *start)
{
	return start->local == UNKNOWN || start->remote == UNKNOWN;
}

static void add_arrival(struct arrival *arrivals, size_t *count,
	uint32_t folder_id, unsigned flags)
{
	if (folder_id != NOWHERE && folder_id != UNKNOWN)
		arrivals[(*count)++] =
			(struct arrival){ folder_id, flags, false };
}

/* What the records say of one message, and what they do not know. */
static void add_start(struct puzzle *puzzle, const struct start *start)
{
	struct start known = *start;

	if (start->synced == NOWHERE && is_unknown(start))
		return;
	if (start->synced == NOWHERE || start->has_new_name) {
		add_arrival(puzzle->files, &puzzle->file_count, start->local,
			start->local_flags);
		known.local = NOWHERE;
	}
	if (start->synced == NOWHERE || start->has_new_uid) {
		add_arrival(puzzle->mails, &puzzle->mail_count, start->remote,
			start->remote_flags);
		known.remote = NOWHERE;
	}
	/* Gone on both sides: nothing is left to find it by. */
	if (start->synced != NOWHERE && !is_unknown(start) &&
		(known.local != NOWHERE || known.remote != NOWHERE))
		puzzle->messages[puzzle->message_count++] = known;
}

static void insert_sorted(unsigned *results, size_t count, unsigned value)
{
	while (count > 0 && results[count - 1] > value) {
		results[count] = results[count - 1];
		count--;
	}
	results[count] = value;
}

static size_t add_result(unsigned *results, size_t count,
	const struct start *start, bool deletion_wins)
{
	struct fate fate = fate_of(start, deletion_wins);

	if (!fate.is_kept)
		return count;
	insert_sorted(results, count, scene_encode(fate.folder_id, fate.flags));
	return count + 1;
}

/* Nothing is left to explain: is this what came of it? */
static bool is_wanted(const struct puzzle *puzzle)
{
	unsigned results[3 * COPIES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < puzzle->message_count; i++)
		count = add_result(results, count, &puzzle->messages[i],
			puzzle->deletion_wins);
	for (size_t i = 0; i < puzzle->file_count; i++)
		if (!puzzle->files[i].is_taken)
			insert_sorted(results, count++,
				scene_encode(puzzle->files[i].folder_id,
					puzzle->files[i].flags));
	for (size_t i = 0; i < puzzle->mail_count; i++)
		if (!puzzle->mails[i].is_taken)
			insert_sorted(results, count++,
				scene_encode(puzzle->mails[i].folder_id,
					puzzle->mails[i].flags));
	return count == puzzle->wanted_count &&
		(puzzle->wanted == NULL ||
			memcmp(results, puzzle->wanted,
				count * sizeof(*results)) == 0);
}

/* Halves of one message. */
static bool explain_meetings(struct puzzle *puzzle)
{
	struct start *met = &puzzle->messages[puzzle->message_count];
	bool is_explained = false, has_some = false;

	for (size_t i = 0; i < puzzle->file_count; i++)
		for (size_t k = 0; k < puzzle->mail_count; k++) {
			struct arrival *file = &puzzle->files[i];
			struct arrival *mail = &puzzle->mails[k];

			if (file->is_taken || mail->is_taken || is_explained)
				continue;
			has_some = true;
			file->is_taken = mail->is_taken = true;
			*met = (struct start){
				.local = file->folder_id,
				.local_flags = file->flags,
				.remote = mail->folder_id,
				.remote_flags = mail->flags,
			};
			puzzle->message_count++;
			is_explained = explain_meetings(puzzle);
			puzzle->message_count--;
			file->is_taken = mail->is_taken = false;
		}
	return has_some ? is_explained : is_wanted(puzzle);
}

static bool explain_remote_moves(struct puzzle *puzzle)
{
	bool is_explained = false, has_some = false;

	for (size_t i = 0; i < puzzle->message_count; i++)
		for (size_t k = 0; k < puzzle->mail_count; k++) {
			struct start *start = &puzzle->messages[i];
			struct arrival *mail = &puzzle->mails[k];

			if (start->remote != NOWHERE || mail->is_taken ||
				is_explained)
				continue;
			has_some = true;
			mail->is_taken = true;
			start->remote = mail->folder_id;
			start->remote_flags = mail->flags;
			is_explained = explain_remote_moves(puzzle);
			start->remote = NOWHERE;
			mail->is_taken = false;
		}
	return has_some ? is_explained : explain_meetings(puzzle);
}

static bool explain_local_moves(struct puzzle *puzzle)
{
	bool is_explained = false, has_some = false;

	for (size_t i = 0; i < puzzle->message_count; i++)
		for (size_t k = 0; k < puzzle->file_count; k++) {
			struct start *start = &puzzle->messages[i];
			struct arrival *file = &puzzle->files[k];

			if (start->local != NOWHERE || file->is_taken ||
				is_explained)
				continue;
			has_some = true;
			file->is_taken = true;
			start->local = file->folder_id;
			start->local_flags = file->flags;
			is_explained = explain_local_moves(puzzle);
			start->local = NOWHERE;
			file->is_taken = false;
		}
	return has_some ? is_explained : explain_remote_moves(puzzle);
}

static bool explain(
	const struct start *starts, size_t start_count, struct puzzle *puzzle)
{
	for (size_t i = 0; i < start_count; i++)
		add_start(puzzle, &starts[i]);
	return explain_local_moves(puzzle);
}

bool fates_allow(const struct start *starts, size_t start_count,
	bool deletion_wins, const unsigned *results, size_t result_count)
{
	struct puzzle puzzle = {
		.deletion_wins = deletion_wins,
		.wanted = results,
		.wanted_count = result_count,
	};

	return explain(starts, start_count, &puzzle);
}

/* Two halves that never met count as one; see the puzzle. */
static bool has_copy(const struct start *start)
{
	bool is_here = start->local != NOWHERE && start->local != UNKNOWN;
	bool is_there = start->remote != NOWHERE && start->remote != UNKNOWN;

	if (is_unknown(start))
		return start->synced != NOWHERE &&
			((is_here && start->has_new_name) ||
				(is_there && start->has_new_uid));
	return is_here || is_there;
}

/* Some number up to the one given has an explanation. */
static bool allows_as_many(const struct start *starts, size_t start_count,
	bool deletion_wins, size_t result_count)
{
	for (size_t i = 0; i <= result_count; i++) {
		struct puzzle puzzle = {
			.deletion_wins = deletion_wins,
			.wanted_count = i,
		};

		if (explain(starts, start_count, &puzzle))
			return true;
	}
	return false;
}

/* Which of two twins the server removed is known no more once one of them was
   moved there and that was not written down. */
static void swap_remote_sides(struct start *starts)
{
	struct start first = starts[0];

	starts[0].remote = starts[1].remote;
	starts[0].remote_flags = starts[1].remote_flags;
	starts[0].has_new_uid = starts[1].has_new_uid;
	starts[1].remote = first.remote;
	starts[1].remote_flags = first.remote_flags;
	starts[1].has_new_uid = first.has_new_uid;
}

static bool allows_swapped(const struct start *starts, bool deletion_wins,
	size_t result_count, bool is_bound)
{
	struct start swapped[2];

	memcpy(swapped, starts, sizeof(swapped));
	for (unsigned i = 0; is_bound && i < 2; i++)
		swapped[i].has_new_name = swapped[i].has_new_uid = false;
	swap_remote_sides(swapped);
	return allows_as_many(swapped, 2, deletion_wins, result_count);
}

bool fates_allow_count(const struct start *starts, size_t start_count,
	bool deletion_wins, size_t result_count)
{
	size_t most = 0;

	for (size_t i = 0; i < start_count; i++)
		most += has_copy(&starts[i]);
	if (result_count > most)
		return false;
	if (allows_as_many(starts, start_count, deletion_wins, result_count))
		return true;
	return start_count == 2 &&
		(allows_swapped(starts, deletion_wins, result_count, false) ||
			allows_swapped(
				starts, deletion_wins, result_count, true));
}
