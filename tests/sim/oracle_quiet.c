#include "tests/sim/oracle_quiet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/flags.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/sim_db.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"

/* The step of a quiet sync it dies at is below this. */
#define DEATH_STEP_MAX 400

/* ---- Untouched ---- */

/* Where a message is, on both sides. */
struct place {
	unsigned file_count, message_count;
	char *path;
	uint64_t inode;
	char mailbox[64];
	uint32_t uid, uid_validity;
};

static struct place known[ORACLE_NUMBER_MAX];

static void place_clear(struct place *place)
{
	free(place->path);
	memset(place, 0, sizeof(*place));
}

void oracle_quiet_begin(void)
{
	for (size_t i = 0; i < ORACLE_NUMBER_MAX; i++)
		place_clear(&known[i]);
}

static bool is_untouched(unsigned number)
{
	const struct fate *fate = &oracle.fates[number];

	return number != 0 && fate->made == 1 && fate->removed == 0 &&
		!fate->is_touched && !fate->is_lost_sight_of &&
		!fate->shares_uid && !oracle.is_blurred &&
		the_world->kind.weights[EVENT_OPERATOR] == 0;
}

static void find_file(void *data, const struct sim_disk_file *file)
{
	struct place *places = data;
	struct place *place = &places[oracle_number(file->data, file->size)];

	if (strstr(file->path, "/tmp/") != NULL || place->file_count++ > 0)
		return;
	place->path = alloc_text(file->path);
	place->inode = file->inode;
}

static void find_message(struct place *places,
	const struct sim_mailbox *mailbox, const struct sim_message *message)
{
	struct place *place =
		&places[oracle_number(message->body, message->size)];

	if (place->message_count++ > 0)
		return;
	(void)snprintf(
		place->mailbox, sizeof(place->mailbox), "%s", mailbox->name);
	place->uid = message->uid;
	place->uid_validity = mailbox->uid_validity;
}

static void find_all(struct place *places)
{
	sim_disk_walk(WORLD_MAILDIR, false, find_file, places);
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++)
			find_message(places, mailbox, &mailbox->messages[k]);
	}
}

/* What was sent into a mailbox that was renamed there goes along when its
   folder gets that name. */
static bool is_under_one_name(const struct place *place)
{
	size_t root_size = strlen(WORLD_MAILDIR "/");
	size_t size = strlen(place->mailbox);
	const char *rest = place->path + root_size;

	return strlen(rest) > size &&
		strncmp(rest, place->mailbox, size) == 0 &&
		(strncmp(rest + size, "/cur/", 5) == 0 ||
			strncmp(rest + size, "/new/", 5) == 0);
}

/* What was fetched, and is not on record as here, may not be on the disk yet.
 */
static bool is_there_to_stay(unsigned number, const struct place *place)
{
	const struct fate *fate = &oracle.fates[number];

	return place->file_count == 1 && place->message_count == 1 &&
		is_under_one_name(place) &&
		(fate->fetched == 0 || fate->was_settled);
}

/* Some servers give new UIDs, and operators do. */
static bool has_same_uid(const struct place *a, const struct place *b)
{
	return (the_world->kind.quirks & SIM_FALSE_VANISHED) != 0 ||
		a->uid_validity != b->uid_validity || a->uid == b->uid;
}

/* Where numbers are given anew at once, a power cut that undoes a removal gives
   this file another. */
static bool has_same_inode(const struct place *a, const struct place *b)
{
	return the_world->kind.reuses_inodes || a->inode == b->inode;
}

static void compare(
	unsigned number, const struct place *before, const struct place *now)
{
	if (now->file_count > 1)
		return; /* one too many, for a while */
	if (now->file_count == 0 || strcmp(before->path, now->path) != 0 ||
		!has_same_inode(before, now))
		world_violation(29,
			"message %u, which nobody touched, was '%s' and is "
			"'%s', inode %" PRIu64 " and %" PRIu64,
			number, before->path,
			now->path == NULL ? "" : now->path, before->inode,
			now->inode);
	if ((the_world->kind.quirks & SIM_LATE_APPEND) != 0)
		return; /* one more may be there for a while */
	if (now->message_count != 1 || !has_same_uid(before, now) ||
		strcmp(before->mailbox, now->mailbox) != 0)
		world_violation(29,
			"message %u, which nobody touched, was UID %u in %s "
			"and is UID %u in %s",
			number, before->uid, before->mailbox, now->uid,
			now->mailbox);
}

void oracle_quiet_look(void)
{
	struct place *now = alloc(ORACLE_NUMBER_MAX, sizeof(*now));

	find_all(now);
	for (unsigned i = 1; i <= oracle.number_count; i++) {
		if (!is_untouched(i)) {
			place_clear(&known[i]);
		} else if (known[i].path != NULL) {
			compare(i, &known[i], &now[i]);
		} else if (is_there_to_stay(i, &now[i])) {
			known[i] = now[i];
			now[i].path = NULL;
		}
	}
	for (size_t i = 0; i < ORACLE_NUMBER_MAX; i++)
		free(now[i].path);
	free(now);
}

/* ---- Undone, and lost ---- */

/* Servers that take back what they said, or give new numbers, leave no way to
   tell what was removed, and what is missing where numbers fell is held, for
   the server may have been put back; so is a removal of most of a mailbox. */
static bool is_confused(const struct world *world)
{
	const uint32_t quirks = SIM_LATE_APPEND | SIM_FALSE_VANISHED |
		SIM_VANISHED_TOO_MUCH | SIM_UID_REUSE;
	struct sim_server_counts counts;

	sim_server_counts(&counts);
	return oracle.is_blurred || counts.falls > 0 ||
		world->kind.is_crowded || (world->kind.quirks & quirks) != 0 ||
		world->kind.weights[EVENT_OPERATOR] > 0;
}

/* On both sides it may have been the same copy. */
static unsigned removed_at_least(const struct fate *fate)
{
	unsigned there = fate->removed - fate->removed_here;

	return fate->removed_here > there ? fate->removed_here : there;
}

/* Only a change on the other side undoes a removal. */
static void check_undone(struct world *world)
{
	struct census here, there;

	census_here(&here);
	census_there(&there, false);
	for (unsigned i = 1; i <= oracle.number_count; i++) {
		const struct fate *fate = &oracle.fates[i];
		unsigned gone = removed_at_least(fate);
		unsigned left;

		if (fate->made != 1 || fate->removed == 0 ||
			fate->was_removed_early || fate->is_touched ||
			is_confused(world))
			continue;
		/* Who removes one of the two that the server made leaves the
		   other. */
		left = fate->made + oracle_changed_allowed(world, i);
		left = left > gone ? left - gone : 0;
		if (here.counts[i] > left || there.counts[i] > left)
			world_violation(31,
				"message %u was removed, nobody changed it, "
				"and it is back",
				i);
	}
}

/* ---- Directions ---- */

/* Who moves the copy that was made without MOVE, before it is seen, leaves two
   of one message, and each goes on with flags of its own. So does what the
   server changed and what nothing tells to be the same. */
static bool is_split(unsigned number)
{
	const struct fate *fate = &oracle.fates[number];

	return (fate->copied > 0 && fate->is_moved) ||
		oracle_changed_allowed(the_world, number) > 0;
}

static void check_flags(unsigned number, uint32_t flags, const char *where)
{
	const struct fate *fate = &oracle.fates[number];

	if (fate->made == 1 && fate->removed == 0 && !is_split(number) &&
		!is_confused(the_world) &&
		(fate->flagged_sides == FLAGGED_HERE ||
			fate->flagged_sides == FLAGGED_THERE) &&
		fate->wanted_flags != flags)
		world_violation(30,
			"message %u has flags %u %s, and was given %u by the "
			"one side that changed it",
			number, flags, where, fate->wanted_flags);
}

static void check_file_flags(void *data, const struct sim_disk_file *file)
{
	(void)data;
	if (strstr(file->path, "/tmp/") == NULL)
		check_flags(oracle_number(file->data, file->size),
			view_path_flags(file->path), "here");
}

/* Who changes a message alone has the last word. */
static void check_directions(void)
{
	sim_disk_walk(WORLD_MAILDIR, false, check_file_flags, NULL);
	/* Without UIDPLUS what was moved away is still there, marked. */
	if ((the_world->kind.abilities & SIM_UIDPLUS) == 0)
		return;
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++)
			check_flags(oracle_number(mailbox->messages[k].body,
					    mailbox->messages[k].size),
				mailbox->messages[k].system_flags, "there");
	}
}

/* ---- The same again ---- */

struct picture {
	struct view here, there;
	struct sim_server_counts counts;
	uint64_t maildir_changes;
};

static struct picture picture_take(struct world *world)
{
	struct picture picture = {
		.maildir_changes = oracle.maildir_changes,
	};

	view_here(world, &picture.here);
	view_there(world, &picture.there);
	sim_server_counts(&picture.counts);
	return picture;
}

static void picture_finish(struct picture *picture)
{
	view_finish(&picture->here);
	view_finish(&picture->there);
}

static void check_unchanged(struct world *world, const struct picture *before,
	unsigned rule, const char *what)
{
	struct picture now = picture_take(world);

	if (!view_equal(&before->here, &now.here) ||
		!view_equal(&before->there, &now.there)) {
		oracle_explain(world);
		world_violation(rule, "not the same %s", what);
	}
	if (now.counts.changes != before->counts.changes ||
		now.maildir_changes != before->maildir_changes)
		oracle_explain(world);
	if (now.counts.changes != before->counts.changes)
		world_violation(rule, "the server is changed %s", what);
	if (now.maildir_changes != before->maildir_changes)
		world_violation(rule, "the Maildir is changed %s", what);
	picture_finish(&now);
}

/* The power is cut in the middle of a sync that has nothing to do. */
static void check_death(struct world *world)
{
	struct picture before = picture_take(world);

	world->sweep_step =
		world->step + 1 + world_choose(world, DEATH_STEP_MAX);
	world->sweep_event = EVENT_POWER_AFTER;
	(void)world_calm_session(world);
	world->sweep_step = 0;
	if (!world_calm_session(world))
		world_violation(27, "no sync after a power cut: %s",
			world->error.message);
	check_unchanged(world, &before, 27, "after a power cut");
	picture_finish(&before);
}

/* A message is recognised by its header, but for those without a Message-ID. */
static unsigned body_count_allowed(void)
{
	struct census there;
	unsigned count = 0;

	census_there(&there, true);
	for (unsigned i = 1; i <= oracle.number_count; i++)
		if (i % 5 == 0)
			count += there.counts[i];
	return count;
}

static bool has_equals(void)
{
	struct census there;

	census_there(&there, true);
	for (unsigned i = 1; i <= oracle.number_count; i++)
		if (there.counts[i] > 1)
			return true;
	return false;
}

/* What was marked \Deleted here, and could not be expunged there, is known by
   the state alone; so is which of several equal messages is which. */
static bool needs_state(const struct world *world, const struct picture *before)
{
	return (world->kind.abilities & SIM_UIDPLUS) == 0 || has_equals() ||
		(world->kind.quirks & (SIM_REWRITES | SIM_WRONG_SIZE)) != 0 ||
		!view_equal(&before->here, &before->there);
}

static void check_without_state(
	struct world *world, const struct picture *before)
{
	struct sim_server_counts counts;

	sim_db_remove_all();
	if (!world_calm_session(world))
		world_violation(28, "no sync without the state: %s",
			world->error.message);
	check_unchanged(world, before, 28, "without the state");
	sim_server_counts(&counts);
	if (counts.bodies_out - before->counts.bodies_out >
		body_count_allowed())
		world_violation(28,
			"without the state %u bodies are fetched, not %u",
			(unsigned)(counts.bodies_out -
				before->counts.bodies_out),
			body_count_allowed());
}

static void check_state_loss(struct world *world)
{
	struct picture before = picture_take(world);

	if (!needs_state(world, &before))
		check_without_state(world, &before);
	picture_finish(&before);
}

void oracle_quiet_check(struct world *world)
{
	oracle_quiet_look();
	check_undone(world);
	check_directions();
	check_death(world);
	check_state_loss(world);
}
