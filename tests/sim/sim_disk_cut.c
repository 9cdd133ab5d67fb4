/* A power cut: which changes and which bytes are there afterwards. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk_change.h"

/* Zeroes come in blocks. */
#define BLOCK 512

/* ---- Changes of directories ---- */

/* How much of what could survive does. */
enum mode {
	MODE_PREFIX, /* of the whole disk: what a plain journal leaves */
	MODE_EACH_PREFIX,
	MODE_ANY,
	MODE_NONE,
	MODE_COUNT,
};

struct cut {
	enum mode mode;
	size_t index; /* of the change looked at */
	size_t limit; /* MODE_PREFIX: changes from here on are lost */
	bool has_lost_move;
};

/* The directory, or one that it is in, is itself not there. */
static bool way_is_lost(const struct inode *directory)
{
	for (; directory->directory->self != NULL;
		directory = directory->directory->parent) {
		const struct change *made = directory->directory->made_by;

		if (made != NULL && made->state != CHANGE_DURABLE)
			return true;
	}
	return false;
}

static bool needs_lost(const struct change *change)
{
	return change->needs != NULL &&
		(change->needs->state == CHANGE_LOST ||
			way_is_lost(change->needs->directory));
}

static bool meets_lost(const struct change *change)
{
	const struct change *earlier =
		change->directory->directory->first_change;

	for (; earlier != NULL && earlier != change; earlier = earlier->next) {
		if (earlier->state == CHANGE_LOST &&
			change_meets(earlier, change))
			return true;
	}
	return false;
}

static bool has_lost_some(const struct inode *inode)
{
	const struct change *change = inode->directory->first_change;

	for (; change != NULL; change = change->next) {
		if (change->state == CHANGE_LOST)
			return true;
	}
	return false;
}

static bool has_lost_before(const struct change *change)
{
	const struct change *earlier =
		change->directory->directory->first_change;

	for (; earlier != NULL && earlier != change; earlier = earlier->next) {
		if (earlier->state == CHANGE_LOST)
			return true;
	}
	return false;
}

static bool has_lost_number(const struct change *change)
{
	const struct change *removal;

	if (change->set == NULL)
		return false;
	removal = change->inode->number_from;
	for (; removal != NULL; removal = removal->earlier_removal) {
		if (removal->state == CHANGE_LOST)
			return true;
	}
	return false;
}

static bool may_survive(const struct cut *cut, const struct change *change)
{
	if (needs_lost(change) || meets_lost(change) || has_lost_number(change))
		return false;
	if (change->emptied != NULL && has_lost_some(change->emptied))
		return false;
	/* Moved into one another in another order, they would lead nowhere. */
	if (change->bound != NULL)
		return !(cut->has_lost_move &&
			       change->inode->directory != NULL) &&
			!meets_lost(change->bound) &&
			!way_is_lost(change->directory);
	return true;
}

static bool survives(const struct cut *cut, const struct change *change)
{
	switch (cut->mode) {
	case MODE_PREFIX:
		return cut->index < cut->limit;
	case MODE_EACH_PREFIX:
		return !has_lost_before(change) && seam_choose(4) != 0;
	case MODE_ANY:
		return seam_choose(2) == 0;
	case MODE_NONE:
	case MODE_COUNT:
		break;
	}
	return false;
}

static void decide(struct cut *cut, struct change *change)
{
	if (may_survive(cut, change) && survives(cut, change)) {
		change_apply(change);
		if (change->bound != NULL)
			change_apply(change->bound);
		return;
	}
	change->state = CHANGE_LOST;
	if (change->bound != NULL) {
		change->bound->state = CHANGE_LOST;
		cut->has_lost_move |= change->inode->directory != NULL;
	}
}

static void decide_all(void)
{
	struct cut cut = { .mode = (enum mode)seam_choose(MODE_COUNT) };

	if (cut.mode == MODE_PREFIX)
		cut.limit = sim_disk.pending_from +
			seam_choose((uint32_t)(sim_disk.change_count -
					    sim_disk.pending_from) +
				1);
	for (cut.index = sim_disk.pending_from;
		cut.index < sim_disk.change_count; cut.index++) {
		struct change *change = sim_disk.changes[cut.index];

		if (change->state == CHANGE_PENDING)
			decide(&cut, change);
	}
}

/* ---- Bytes ---- */

static void cut_short(struct inode *inode)
{
	size_t size = seam_choose((uint32_t)inode->data->size + 1);

	inode->data = blob_own(inode->data, inode->data->size);
	inode->data->size = size;
}

static void zero_some(struct inode *inode)
{
	size_t start = seam_choose((uint32_t)inode->data->size + 1);
	size_t end = inode->data->size;

	start -= start % BLOCK;
	if (end - start > BLOCK && seam_choose(2) == 0)
		end = start + BLOCK;
	inode->data = blob_own(inode->data, inode->data->size);
	memset(inode->data->bytes + start, 0, end - start);
}

static void take_durable_data(struct inode *inode)
{
	blob_release(inode->data);
	inode->data = blob_share(inode->durable_data);
}

static void settle_data(struct inode *inode)
{
	if (blob_equal(inode->data, inode->durable_data))
		return;
	switch (seam_choose(5)) {
	case 0:
		break;
	case 1:
		cut_short(inode);
		break;
	case 2:
		zero_some(inode);
		break;
	case 3:
		blob_release(inode->data);
		inode->data = blob_new(NULL, 0);
		break;
	default:
		take_durable_data(inode);
		break;
	}
}

static void settle_attributes(struct inode *inode)
{
	bool is_same;

	/* Of a directory it was decided with its entries. */
	if (inode->directory != NULL)
		inode->durable.mtime_ns = inode->now.mtime_ns;
	is_same = inode->now.mode == inode->durable.mode &&
		inode->now.mtime_ns == inode->durable.mtime_ns &&
		inode->now.extended == inode->durable.extended;
	if (is_same || seam_choose(2) == 0)
		return;
	blob_release(inode->now.extended);
	inode->now = inode->durable;
	(void)blob_share(inode->now.extended);
}

/* ---- The tree as it is found afterwards ---- */

static void revive(struct inode *inode);

/* A directory's time goes to the journal with its entries: one that was changed
   does not look unchanged afterwards, nor as it was with what is lost. */
static void settle_time(struct inode *inode)
{
	if (has_lost_some(inode))
		inode->now.mtime_ns--;
}

static void revive_directory(struct inode *inode)
{
	struct directory *directory = inode->directory;

	settle_time(inode);
	slots_finish(&directory->now);
	directory->first_change = NULL;
	directory->last_change = NULL;
	directory->made_by = NULL;
	directory->is_removed = false;
	for (size_t i = 0; i < directory->durable.count; i++) {
		const struct entry *durable = directory->durable.entries[i];
		struct entry *entry = entry_new(durable->name, durable->inode);

		entry->directory = inode;
		entry->parent = inode;
		slots_add(&directory->now, entry);
		durable->inode->link_count++;
		if (durable->inode->directory != NULL) {
			durable->inode->directory->parent = inode;
			durable->inode->directory->self = entry;
		}
		revive(durable->inode);
	}
}

static void revive(struct inode *inode)
{
	if (inode->is_marked)
		return;
	inode->is_marked = true;
	inode->is_gone = false;
	inode->linked_by = NULL;
	inode->removed_by = NULL;
	inode->number_from = NULL;
	if (inode->directory != NULL)
		revive_directory(inode);
	else
		settle_data(inode);
	settle_attributes(inode);
	inode->has_lost = false;
	inode->is_dirty = false;
	inode_sync(inode);
}

static void drop_unreachable(void)
{
	struct inode **at = &sim_disk.inodes;

	while (*at != NULL) {
		struct inode *inode = *at;

		if (inode->is_marked) {
			inode->is_marked = false;
			at = &inode->next;
		} else {
			*at = inode->next;
			inode_free(inode);
		}
	}
}

static void rebuild(void)
{
	for (struct inode *inode = sim_disk.inodes; inode != NULL;
		inode = inode->next) {
		inode->link_count = 0;
		if (inode->directory != NULL)
			inode->directory->self = NULL;
	}
	sim_disk.top->link_count = 1;
	revive(sim_disk.top);
	for (struct mount *mount = sim_disk.mounts; mount != NULL;
		mount = mount->next) {
		revive(mount->directory);
		revive(mount->other);
	}
	changes_finish();
	drop_unreachable();
	/* Some of them may have come back. */
	sim_disk.free_count = 0;
}

void sim_disk_power_cut(void)
{
	sim_disk_kill();
	decide_all();
	rebuild();
	seam_log("power cut");
}
