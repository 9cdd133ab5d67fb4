/* When a change of a directory is durable. The rules, which all file systems
   with a journal keep and which a program may count on:

   - changes of one name are durable in their order;
   - a rename within a directory is one change;
   - the old name of a file goes only with the new one, be it by rename or by
     link and unlink, and the directory of the new one can be reached;
   - a directory that was moved has one place;
   - a directory goes only after what it held went;
   - what has an inode number used before comes only after who had it went.

   All else may be lost or not in any order, until fsync() of the directory. */
#include "tests/sim/sim_disk_change.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static bool is_name(
	const char *name, uint64_t hash, const struct change *change)
{
	if (name == NULL)
		return false;
	return (change->gone != NULL && change->gone_hash == hash &&
		       strcmp(change->gone, name) == 0) ||
		(change->set != NULL && change->set_hash == hash &&
			strcmp(change->set, name) == 0);
}

bool change_meets(const struct change *a, const struct change *b)
{
	return is_name(a->gone, a->gone_hash, b) ||
		is_name(a->set, a->set_hash, b);
}

static void remember(struct change *change)
{
	struct directory *directory = change->directory->directory;

	if (sim_disk.change_count == sim_disk.change_capacity) {
		sim_disk.change_capacity = 2 * sim_disk.change_capacity + 64;
		sim_disk.changes = alloc_resize(sim_disk.changes,
			sim_disk.change_capacity, sizeof(struct change *));
	}
	sim_disk.changes[sim_disk.change_count++] = change;
	if (directory->last_change == NULL)
		directory->first_change = change;
	else
		directory->last_change->next = change;
	directory->last_change = change;
}

static void note_removal(struct change *change, struct inode *inode)
{
	if (inode == NULL)
		return;
	change->earlier_removal = inode->removed_by;
	inode->removed_by = change;
}

struct change *change_add(const struct change_request *request)
{
	struct change *change = alloc(1, sizeof(*change));

	change->directory = request->directory;
	change->inode = request->inode;
	change->emptied = request->emptied;
	change->needs = request->needs;
	if (request->gone != NULL) {
		change->gone = alloc_text(request->gone);
		change->gone_hash = name_hash(request->gone);
	}
	if (request->set != NULL) {
		change->set = alloc_text(request->set);
		change->set_hash = name_hash(request->set);
		request->inode->linked_by = change;
	}
	if (request->is_bound) {
		change->bound = request->needs;
		request->needs->bound = change;
	}
	note_removal(change,
		request->set == NULL ? request->inode : request->replaced);
	remember(change);
	return change;
}

static void durable_remove(struct directory *directory, const char *name)
{
	struct entry *entry = slots_find(&directory->durable, name);

	if (entry == NULL)
		return;
	slots_take(&directory->durable, entry);
	entry_release(entry);
}

void change_apply(struct change *change)
{
	struct directory *directory = change->directory->directory;

	change->state = CHANGE_DURABLE;
	if (change->gone != NULL)
		durable_remove(directory, change->gone);
	if (change->set != NULL) {
		durable_remove(directory, change->set);
		slots_add(&directory->durable,
			entry_new(change->set, change->inode));
	}
}

/* What is in it can be reached after a cut. */
static void sync_way_to(const struct inode *directory)
{
	for (; directory != NULL && directory->directory->self != NULL;
		directory = directory->directory->parent) {
		if (directory->directory->made_by != NULL)
			change_sync(directory->directory->made_by);
	}
}

static void sync_earlier(const struct change *change)
{
	struct change *earlier = change->directory->directory->first_change;

	for (; earlier != NULL && earlier != change; earlier = earlier->next) {
		if (earlier->state == CHANGE_PENDING &&
			change_meets(earlier, change))
			change_sync(earlier);
	}
}

static void sync_number(const struct change *change)
{
	struct change *removal;

	if (change->set == NULL)
		return;
	removal = change->inode->number_from;
	for (; removal != NULL; removal = removal->earlier_removal)
		change_sync(removal);
}

void change_sync(struct change *change)
{
	if (change->state != CHANGE_PENDING)
		return;
	change->state = CHANGE_DURABLE;
	sync_earlier(change);
	sync_number(change);
	if (change->needs != NULL) {
		change_sync(change->needs);
		sync_way_to(change->needs->directory);
	}
	if (change->emptied != NULL)
		changes_sync(change->emptied);
	change_apply(change);
	if (change->bound != NULL)
		change_sync(change->bound);
}

void changes_sync(struct inode *inode)
{
	struct directory *directory = inode->directory;

	while (directory->first_change != NULL) {
		struct change *change = directory->first_change;

		change_sync(change);
		/* Unless that took it off already, by way of another. */
		if (directory->first_change == change)
			directory->first_change = change->next;
	}
	directory->last_change = NULL;
}

void changes_sync_all(void)
{
	for (size_t i = sim_disk.pending_from; i < sim_disk.change_count; i++)
		change_sync(sim_disk.changes[i]);
	sim_disk.pending_from = sim_disk.change_count;
}

bool changes_is_sure(const struct inode *directory, const struct entry *entry)
{
	const struct change *change = directory->directory->first_change;

	for (; change != NULL; change = change->next) {
		if (change->state == CHANGE_PENDING &&
			is_name(entry->name, entry->hash, change))
			return false;
	}
	return true;
}

/* What is behind the name is there afterwards, under this or another one. After
   a move only what comes later counts: it may have been moved back. */
static bool is_kept(const struct change *change, const char *name,
	uint64_t hash, const struct inode *inode)
{
	for (; change != NULL; change = change->next) {
		const struct change *arrival =
			change->set != NULL ? change : change->bound;

		if (change->state != CHANGE_PENDING ||
			!is_name(name, hash, change))
			continue;
		if (change->gone == NULL || strcmp(change->gone, name) != 0) {
			if (change->inode != inode)
				return false;
			continue;
		}
		return arrival != NULL && arrival->set != NULL &&
			is_kept(arrival->next, arrival->set, arrival->set_hash,
				inode);
	}
	return true;
}

bool changes_keep(const struct inode *directory, const struct entry *entry)
{
	return is_kept(directory->directory->first_change, entry->name,
		entry->hash, entry->inode);
}

void changes_finish(void)
{
	for (size_t i = 0; i < sim_disk.change_count; i++) {
		free(sim_disk.changes[i]->gone);
		free(sim_disk.changes[i]->set);
		free(sim_disk.changes[i]);
	}
	free(sim_disk.changes);
	sim_disk.changes = NULL;
	sim_disk.change_count = 0;
	sim_disk.change_capacity = 0;
	sim_disk.pending_from = 0;
}
