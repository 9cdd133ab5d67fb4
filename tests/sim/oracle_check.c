/* The rules that are checked between sessions, and in the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/oracle_quiet.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"

/* Of `made`, those that were not transferred. What was removed, or taken back
   by a power cut, or moved, may have been transferred twice. */
static unsigned kept_count(const struct fate *fate, unsigned made,
	unsigned transferred, unsigned moved)
{
	unsigned all = made + fate->removed + fate->lost + moved;
	unsigned kept = all > transferred ? all - transferred : 0;

	return kept < made ? kept : made;
}

/* What somebody moved on the server out of a mailbox that is not seen, or
   cannot be known there, is fetched again, and its file is put away later. */
static unsigned fetched_again(const struct fate *fate)
{
	return fate->put_away < fate->renumbered ? fate->put_away
						 : fate->renumbered;
}

/* One made here and one made there, of equal content, may be taken for one
   message: then neither is transferred. What the server changed and is fetched
   for that was not made there. */
static unsigned merges_allowed(unsigned number)
{
	const struct fate *fate = &oracle.fates[number];
	unsigned here = kept_count(fate, fate->made_here, fate->sent, 0);
	unsigned there = kept_count(fate, fate->made_there, fate->fetched,
		fetched_again(fate) +
			oracle_changed_allowed(the_world, number));

	return here < there ? here : there;
}

/* How many copies there must be, whatever was taken for whatever. */
static unsigned least_count(unsigned number)
{
	const struct fate *fate = &oracle.fates[number];
	unsigned gone = fate->removed + merges_allowed(number) +
		(fate->made > 1 && fate->is_mistakable);

	return fate->made > gone ? fate->made - gone : 0;
}

/* ---- Nothing lost, nothing made up ---- */

static void check_conservation(void)
{
	struct census durable, there;

	census_durable(&durable);
	census_there(&there, true);
	for (unsigned i = 1; i <= oracle.number_count; i++) {
		if (least_count(i) > 0 && durable.counts[i] == 0 &&
			there.counts[i] == 0)
			world_violation(1, "message %u is lost", i);
	}
}

struct bodies {
	struct world *world;
};

/* LF line ends become CRLF; caller frees. */
static char *with_crlf(const char *data, size_t size, size_t *size_out)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
			buf_add_byte(&text, '\r');
		buf_add_byte(&text, (uint8_t)data[i]);
	}
	*size_out = text.size;
	return buf_steal(&text);
}

static void check_body(
	struct world *world, const char *where, const char *data, size_t size)
{
	unsigned number = oracle_number(data, size);
	size_t wanted_size;
	char *wanted = oracle_body(world, number, &wanted_size);
	bool is_same = number != 0 && size == wanted_size &&
		memcmp(data, wanted, size) == 0;

	free(wanted);
	if (!is_same)
		world_violation(2, "bytes nobody made, in %s", where);
}

static void check_file(void *data, const struct sim_disk_file *file)
{
	struct world *world = data;
	size_t size;
	char *text;

	if (strstr(file->path, "/cur/") == NULL &&
		strstr(file->path, "/new/") == NULL)
		return;
	/* Somebody's own, which is no message, or not yet. */
	if (strstr(file->path, ".unfinished.") != NULL)
		return;
	text = with_crlf(file->data, file->size, &size);
	check_body(world, file->path, text, size);
	free(text);
}

static void check_bodies(struct world *world)
{
	if ((world->kind.quirks & SIM_REWRITES) != 0)
		return;
	sim_disk_walk(WORLD_MAILDIR, false, check_file, world);
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++)
			check_body(world, mailbox->name,
				(const char *)mailbox->messages[k].body,
				mailbox->messages[k].size);
	}
}

static void check_wire(void)
{
	struct sim_server_counts counts;

	sim_server_counts(&counts);
	if (counts.bads > 0)
		world_violation(38, "the server answered BAD");
}

void oracle_check_all(struct world *world)
{
	check_conservation();
	check_bodies(world);
	check_wire();
	oracle_quiet_look();
}

/* The indexes are those of the records, whatever moment it died in. */
static void check_state(void)
{
	struct error error = { 0 };
	struct state *state = state_open(WORLD_STATE "/home/state.mdb", &error);

	/* Maybe there is none yet. */
	if (state == NULL)
		return;
	if (!state_check(state, &error)) {
		state_close(state);
		world_violation(21, "%s", error.message);
	}
	state_close(state);
}

static void note_lost(void)
{
	struct census here;

	census_here(&here);
	for (unsigned i = 0; i < ORACLE_NUMBER_MAX; i++) {
		struct fate *fate = &oracle.fates[i];

		if (fate->before_here > here.counts[i])
			fate->lost = (uint16_t)(fate->lost + fate->before_here -
				here.counts[i]);
	}
}

void oracle_after_death(struct world *world)
{
	note_lost();
	check_state();
	oracle_check_all(world);
}

/* ---- Equal ---- */

static const char *folder_path(struct world *world, uint32_t folder_id)
{
	struct account_folder *folder =
		account_folder(world->account, folder_id);

	return folder == NULL ? "?" : folder->record.path;
}

static unsigned number_of_file(struct world *world, const struct pair *pair)
{
	static const char *const PARTS[] = { "cur", "new" };
	unsigned number = 0;

	if (pair->local.presence != PRESENCE_PRESENT ||
		pair->local.name == NULL)
		return 0;
	for (size_t i = 0; i < 2 && number == 0; i++) {
		char *path = alloc_format(WORLD_MAILDIR "/%s/%s/%s",
			folder_path(world, pair->local.folder_id), PARTS[i],
			pair->local.name);
		size_t size;
		const void *data = sim_disk_data(path, &size);

		if (data != NULL)
			number = oracle_number(data, size);
		free(path);
	}
	return number;
}

static const struct sim_message *message_of(
	const char *mailbox_name, const struct pair *pair)
{
	const struct sim_mailbox *mailbox = sim_mailbox(mailbox_name);

	if (pair->remote.presence != PRESENCE_PRESENT || mailbox == NULL)
		return NULL;
	for (size_t i = 0; i < mailbox->message_count; i++)
		if (mailbox->messages[i].uid == pair->remote.uid)
			return &mailbox->messages[i];
	return NULL;
}

static unsigned number_of_uid(struct world *world, const struct pair *pair)
{
	const struct sim_message *message =
		message_of(folder_path(world, pair->remote.folder_id), pair);

	return message == NULL ? 0
			       : oracle_number(message->body, message->size);
}

static bool open_account(struct world *world)
{
	struct account_report report = { 0 };

	world->loop = loop_new(&world->error);
	world->account =
		account_open(world->config, &world->config->accounts[0],
			&report, world->loop, &world->error);
	return world->account != NULL;
}

static void close_account(struct world *world)
{
	account_close(world->account);
	world->account = NULL;
	loop_free(world->loop);
	world->loop = NULL;
}

/* Listed with its reason, and not to be tried again later: what waits for that
   becomes equal when its time has come. */
static bool is_held(const struct pair *pair)
{
	return pair->hold != HOLD_NONE && pair->retry_at <= account_now();
}

static void rename_in(struct view *view, const char *from, const char *to)
{
	char *start = alloc_format("%s number ", from);

	for (size_t i = 0; i < view->count; i++) {
		char *text = view->items[i].text;

		if (strncmp(text, start, strlen(start)) != 0)
			continue;
		view->items[i].text =
			alloc_format("%s%s", to, text + strlen(from));
		free(text);
	}
	free(start);
	view_sort(view);
}

/* A mailbox got the name of a folder that has none any more, and stays for what
   is held in it: till somebody decides about that, the other one is synced
   under its old name. */
static void rename_behind(
	struct world *world, const struct pair *held, struct view *here)
{
	const struct account_folder *stays =
		account_folder(world->account, held->local.folder_id);

	for (size_t i = 0; stays != NULL && !stays->record.has_remote &&
		i < world->account->folder_count;
		i++) {
		const struct folder *folder =
			&world->account->folders[i]->record;

		if (folder->has_remote && folder->mailbox != NULL &&
			strcmp(folder->mailbox, stays->record.path) == 0 &&
			strcmp(folder->mailbox, folder->path) != 0)
			rename_in(here, folder->path, folder->mailbox);
	}
}

/* What is held for good is not expected to be equal. */
static void drop_held(
	struct world *world, struct view *here, struct view *there)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	if (!open_account(world)) {
		close_account(world);
		return;
	}
	arena_init(&arena);
	while (state_next_unsettled(
		world->account->state, &cursor, &arena, &pair)) {
		unsigned number = number_of_file(world, &pair);

		if (number == 0)
			number = number_of_uid(world, &pair);
		if (is_held(&pair) && number != 0) {
			view_drop(here, number);
			view_drop(there, number);
			rename_behind(world, &pair, here);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
	close_account(world);
}

/* Who has known a UID as one message, and is told of no other, has the first
   one for the second, or lacks it. */
static void drop_sharing(struct view *here, struct view *there)
{
	for (unsigned i = 1; i <= oracle.number_count; i++)
		if (oracle.fates[i].shares_uid) {
			view_drop(here, i);
			view_drop(there, i);
		}
}

/* An operator put the server back to an older state, and HIGHESTMODSEQ and
   UIDNEXT were reached again before they were told. What was flagged until then
   has an older MODSEQ than it had, what was flagged since may have one that was
   given out before: nothing but a listing of all would tell. */
static bool is_older(const struct folder *folder, const struct pair *pair,
	const struct sim_message *message)
{
	return message->modseq < pair->remote.modseq ||
		(pair->remote.modseq != 0 &&
			message->modseq > pair->remote.modseq &&
			message->modseq <= folder->highest_modseq);
}

static void drop_older_in(struct world *world, const struct folder *folder,
	struct view *here, struct view *there)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_by_uid(world->account->state, folder->folder_id,
		&cursor, &arena, &pair)) {
		const struct sim_message *message =
			message_of(folder->mailbox, &pair);

		if (message != NULL && is_older(folder, &pair, message)) {
			unsigned number =
				oracle_number(message->body, message->size);

			view_drop(here, number);
			view_drop(there, number);
		}
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

static void drop_older(
	struct world *world, struct view *here, struct view *there)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct folder folder;

	if (!oracle.is_blurred || !open_account(world)) {
		close_account(world);
		return;
	}
	arena_init(&arena);
	while (state_next_folder(
		world->account->state, &cursor, &arena, &folder)) {
		if (folder.mailbox != NULL)
			drop_older_in(world, &folder, here, there);
		uid_set_finish(&folder.frontier);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	close_account(world);
}

bool oracle_is_equal(struct world *world)
{
	struct view here = { 0 }, there = { 0 };
	bool is_equal;

	view_here(world, &here);
	view_there(world, &there);
	is_equal = view_equal(&here, &there);
	if (!is_equal) {
		drop_held(world, &here, &there);
		drop_sharing(&here, &there);
		drop_older(world, &here, &there);
		is_equal = view_equal(&here, &there);
	}
	view_finish(&here);
	view_finish(&there);
	return is_equal;
}

static void log_view(
	const char *side, const struct view *view, const struct view *other)
{
	for (size_t i = 0; i < view->count; i++) {
		bool is_there = false;

		for (size_t k = 0; k < other->count && !is_there; k++)
			is_there = strcmp(view->items[i].text,
					   other->items[k].text) == 0;
		seam_log("%s%s: %s", is_there ? "both, " : "only ", side,
			view->items[i].text);
	}
}

static void log_unsettled(struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	if (!open_account(world)) {
		close_account(world);
		return;
	}
	arena_init(&arena);
	while (state_next_unsettled(
		world->account->state, &cursor, &arena, &pair)) {
		seam_log("unsettled %u: synced %d in %u; here %u in %u as %s; "
			 "there %u in %u UID %u; hold %u (%s), retry in %d s",
			(unsigned)pair.mid, pair.synced.is_set,
			pair.synced.folder_id, pair.local.presence,
			pair.local.folder_id,
			pair.local.name == NULL ? "-" : pair.local.name,
			pair.remote.presence, pair.remote.folder_id,
			pair.remote.uid, pair.hold,
			pair.reason == NULL ? "" : pair.reason,
			(int)(pair.retry_at - account_now()));
		arena_reset(&arena);
	}
	arena_finish(&arena);
	close_account(world);
}

static void log_journal(struct world *world)
{
	struct state_cursor cursor = { 0 };
	struct journal_entry entry;
	struct arena arena;

	(void)open_account(world);
	arena_init(&arena);
	while (world->account != NULL &&
		state_next_journal(
			world->account->state, &cursor, &arena, &entry))
		seam_log("journal %u: %s %s %u in %u %s: %s",
			(unsigned)entry.sequence,
			entry.side == JOURNAL_LOCAL ? "here" : "there",
			entry.change, (unsigned)entry.mid, entry.folder_id,
			entry.detail == NULL ? "" : entry.detail,
			entry.outcome == NULL ? "pending" : entry.outcome);
	arena_finish(&arena);
	close_account(world);
}

void oracle_explain(struct world *world)
{
	struct view here = { 0 }, there = { 0 };

	view_here(world, &here);
	view_there(world, &there);
	log_view("here", &here, &there);
	log_view("there", &there, &here);
	view_finish(&here);
	view_finish(&there);
	log_unsettled(world);
	log_journal(world);
}

/* ---- In the end ---- */

static bool tells_uids(const struct world *world)
{
	return (world->kind.abilities & SIM_UIDPLUS) != 0 &&
		(world->kind.quirks & SIM_NO_APPENDUID) == 0;
}

/* What the server changed cannot be told from another message: without an
   APPENDUID, where it has no Message-ID, or one that others have, too, each of
   them is one more. Else it is sent twice where the answer was lost,
   or it was moved there before anybody looked at what became of it; and it is
   taken for another one when it got another UID before. */
unsigned oracle_changed_allowed(const struct world *world, unsigned number)
{
	const struct fate *fate = &oracle.fates[number];
	unsigned unknown =
		(fate->sent > 0 ? fate->sent - 1U : 0) + fate->is_lost_sight_of;

	if (fate->rewritten == 0 ||
		(!tells_uids(world) && !oracle_has_name(number)))
		return fate->rewritten;
	return unknown < fate->rewritten ? unknown : fate->rewritten;
}

/* Without MOVE a message is in two places for a moment, and somebody who moves
   one of the two right then leaves two, each time that happens; so does a
   server that gives it another UID; an APPEND that is committed after its
   connection died and whose copy is moved before it is seen stays. */
static unsigned doubles_allowed(
	const struct world *world, const struct fate *fate)
{
	bool has_no_move = (world->kind.abilities & SIM_MOVE) == 0;
	bool is_late = (world->kind.quirks & SIM_LATE_APPEND) != 0;
	unsigned once = fate->is_moved && (has_no_move || is_late);
	unsigned split =
		fate->split < fate->copied ? fate->split : fate->copied;

	return has_no_move && split > once ? split : once;
}

static bool can_hide(const struct world *world, const struct fate *fate)
{
	return (world->kind.abilities & SIM_UIDPLUS) == 0 && fate->is_touched;
}

static void check_number(struct world *world, unsigned number, unsigned count)
{
	const struct fate *fate = &oracle.fates[number];
	unsigned least = least_count(number);

	if (fate->shares_uid || fate->is_blurred)
		return;
	if (count > fate->made + doubles_allowed(world, fate) &&
		count > fate->made + oracle_changed_allowed(world, number)) {
		oracle_explain(world);
		world_violation(3,
			"message %u is there %u times, made %u, removed %u",
			number, count, fate->made, fate->removed);
	}
	/* Somebody marked it: as good as gone, to who cannot expunge. */
	if (count < least && !can_hide(world, fate)) {
		oracle_explain(world);
		world_violation(32,
			"message %u is there %u times, made %u, removed %u",
			number, count, fate->made, fate->removed);
	}
}

/* How many there are to be, nobody can tell; a restore may bring back a mark
   of what was removed since. */
static void check_restored(unsigned number, unsigned count)
{
	const struct fate *fate = &oracle.fates[number];

	if (fate->is_blurred && !fate->shares_uid && count == 0 &&
		least_count(number) > 0)
		world_violation(1, "lost after a restore");
}

static void check_numbers(struct world *world)
{
	struct census here, there, marked_too;

	census_here(&here);
	census_there(&there, false);
	census_there(&marked_too, true);
	for (unsigned i = 1; i <= oracle.number_count; i++) {
		check_restored(i, here.counts[i]);
		check_restored(i, marked_too.counts[i]);
		check_number(world, i, here.counts[i]);
		check_number(world, i, there.counts[i]);
	}
}

static bool has_shared_uid(void)
{
	for (unsigned i = 1; i <= oracle.number_count; i++)
		if (oracle.fates[i].shares_uid)
			return true;
	return false;
}

/* Without CONDSTORE all flags are listed, and a server that tells of a few
   messages at a time is asked so often. */
static size_t part_count(const struct world *world)
{
	size_t count = 0;

	if ((world->kind.quirks & SIM_MESSAGE_LIMIT) == 0 ||
		(world->kind.abilities & SIM_CONDSTORE) != 0)
		return 0;
	for (size_t i = 0; i < sim_mailbox_count(); i++)
		count += sim_mailbox_at(i)->message_count;
	return count / SIM_MESSAGE_LIMIT_MIN;
}

static void check_quiet(struct world *world)
{
	struct sim_server_counts before, after;
	uint64_t changes;

	/* What a UID stands for shows at a look behind the one that put it on
	   record: messages that are not compared can come even then. */
	if (has_shared_uid())
		(void)world_calm_session(world);
	changes = oracle.maildir_changes;
	sim_server_counts(&before);
	if (!world_calm_session(world))
		world_violation(
			26, "a further sync fails: %s", world->error.message);
	sim_server_counts(&after);
	if (after.changes != before.changes)
		world_violation(26, "a further sync changes the server");
	if (oracle.maildir_changes != changes)
		world_violation(26, "a further sync changes the Maildir");
	if (after.bodies_out != before.bodies_out)
		world_violation(35, "a further sync fetches bodies");
	if (after.commands - before.commands >
		20 * (1 + sim_mailbox_count()) + part_count(world))
		world_violation(36, "a further sync takes %u commands",
			(unsigned)(after.commands - before.commands));
}

void oracle_check_rest(struct world *world)
{
	oracle_check_all(world);
	check_numbers(world);
	check_quiet(world);
	check_state();
}

void oracle_check_end(struct world *world)
{
	oracle_check_rest(world);
	oracle_quiet_check(world);
}
