#include "tests/syncd/reconciler/scene_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"

#define KEYWORD_USER 40 /* any that has no meaning */

void scene_fail(const char *file, int line, const char *condition)
{
	fail_msg("%s:%d: %s", file, line, condition);
}

static struct flags flags_of(unsigned classes)
{
	struct flags flags = { 0 };

	if ((classes & CLASS_SEEN) != 0)
		flags.system |= FLAG_SEEN;
	if ((classes & CLASS_FLAGGED) != 0)
		flags.system |= FLAG_FLAGGED;
	if ((classes & CLASS_DELETED) != 0)
		flags.system |= FLAG_DELETED;
	if ((classes & CLASS_KEYWORD) != 0)
		flags_set_keyword(&flags, KEYWORD_USER);
	return flags;
}

static unsigned classes_of(const struct flags *flags)
{
	unsigned classes = 0;

	if ((flags->system & FLAG_SEEN) != 0)
		classes |= CLASS_SEEN;
	if ((flags->system & FLAG_FLAGGED) != 0)
		classes |= CLASS_FLAGGED;
	if ((flags->system & FLAG_DELETED) != 0)
		classes |= CLASS_DELETED;
	if (flags_has_keyword(flags, KEYWORD_USER))
		classes |= CLASS_KEYWORD;
	return classes;
}

/* ---- The world ---- */

void model_init(struct model *model, size_t scene_count)
{
	memset(model, 0, sizeof(*model));
	arena_init(&model->arena);
	model->scenes = alloc(scene_count, sizeof(*model->scenes));
	model->item_of =
		alloc(scene_count * SCENE_SLOTS + 1, sizeof(*model->item_of));
	model->scene_count = scene_count;
}

void model_finish(struct model *model)
{
	free(model->scenes);
	free(model->item_of);
	arena_finish(&model->arena);
}

void model_hide(struct model *model, unsigned local, unsigned remote)
{
	for (unsigned i = 1; i <= FOLDER_COUNT; i++) {
		model->is_local_hidden[i] = (local >> i & 1) != 0;
		model->is_remote_hidden[i] = (remote >> i & 1) != 0;
		model->folders[i - 1].is_held =
			model->is_local_hidden[i] || model->is_remote_hidden[i];
	}
	model->policy.local_is_complete = (local & 1) == 0;
	model->policy.remote_is_complete = (remote & 1) == 0;
	model->policy.local_is_blind = local >> 1 != 0;
	model->policy.remote_is_blind = remote >> 1 != 0;
}

void model_reset(struct model *model, bool deletion_wins,
	enum model_order order, uint64_t seed)
{
	for (uint32_t i = 0; i < FOLDER_COUNT; i++) {
		struct folder_policy *folder = &model->folders[i];

		memset(folder, 0, sizeof(*folder));
		memset(&folder->remote_mask, 0xff, sizeof(struct flags));
		memset(&folder->local_mask, 0xff, sizeof(struct flags));
		folder->folder_id = i + 1;
		folder->is_remote_writable = true;
		folder->is_discard = i + 1 == IN_TRASH;
	}
	model->policy = (struct policy){
		.folders = model->folders,
		.folder_count = FOLDER_COUNT,
		.deletion_wins = deletion_wins,
		.delete_percent = 100,
	};
	model_hide(model, 0, 0);
	model->order = order;
	model->interruption = INTERRUPTION_NONE;
	model->seed = seed;
}

/* Two contents each have one size; every other two are without a Message-ID,
   and have one header too: they differ in their bytes alone. */
static uint64_t size_of(const struct model *model, const struct scene *scene)
{
	return 1000 + (uint64_t)(scene - model->scenes) / 2;
}

/* The bytes of a scene's messages, as whoever read them all knows them. */
void learn_all(const struct model *model, const struct scene *scene,
	struct content *content)
{
	uint32_t index = (uint32_t)(scene - model->scenes);

	content->size = size_of(model, scene);
	content->header_hash = content->size;
	if (index / 2 % 2 == 0)
		content->message_id = content->header_hash = index + 1;
	content->has_hash = true;
	memcpy(content->hash, &index, sizeof(index));
}

struct copy *copy_add(struct scene *scene, struct copy *copies,
	uint32_t folder_id, const struct flags *flags)
{
	unsigned i = 0;

	while (i < SCENE_SLOTS && copies[i].folder_id != NOWHERE)
		i++;
	CHECK(i < SCENE_SLOTS);
	copies[i].folder_id = folder_id;
	copies[i].number = ++scene->number;
	copies[i].flags = *flags;
	return &copies[i];
}

struct copy *copy_find(struct copy *copies, uint64_t number)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		if (copies[i].folder_id != NOWHERE &&
			copies[i].number == number)
			return &copies[i];
	return NULL;
}

static struct pair *pair_add(const struct model *model, struct scene *scene)
{
	uint64_t first = (uint64_t)(scene - model->scenes) * SCENE_SLOTS + 1;

	unsigned i = 0;

	while (i < SCENE_SLOTS && scene->pairs[i].mid != 0)
		i++;
	CHECK(i < SCENE_SLOTS);
	memset(&scene->pairs[i], 0, sizeof(struct pair));
	scene->pairs[i].mid = first + i;
	return &scene->pairs[i];
}

struct scene *scene_of(struct model *model, const struct pair *pair)
{
	return &model->scenes[(pair->mid - 1) / SCENE_SLOTS];
}

void scene_reset(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
}

void place_local(struct pair *pair, const struct copy *file)
{
	pair->local.presence = PRESENCE_PRESENT;
	pair->local.folder_id = file->folder_id;
	pair->local.inode = file->number;
	pair->local.flags = file->flags;
}

void place_remote(struct pair *pair, const struct copy *mail)
{
	pair->remote.presence = PRESENCE_PRESENT;
	pair->remote.folder_id = mail->folder_id;
	pair->remote.uid = mail->number;
	pair->remote.flags = mail->flags;
}

static bool is_folder(uint32_t place)
{
	return place != NOWHERE && place != UNKNOWN;
}

/* What was known when both sides were last equal. */
static struct pair *add_synced(const struct model *model, struct scene *scene,
	const struct start *start)
{
	struct pair *pair = pair_add(model, scene);
	struct copy known = { start->synced, 0, flags_of(start->synced_flags) };

	learn_all(model, scene, &pair->content);
	pair->local.size = pair->content.size;
	pair->synced.is_set = true;
	pair->synced.folder_id = start->synced;
	pair->synced.flags = known.flags;
	known.number = ++scene->number;
	place_local(pair, &known);
	known.number = ++scene->number;
	place_remote(pair, &known);
	return pair;
}

/* A pair that was never equal on both sides is needed to say that a side of it
   is unknown. */
static struct pair *add_pair(const struct model *model, struct scene *scene,
	const struct start *start)
{
	struct pair *pair;

	if (start->synced != NOWHERE)
		return add_synced(model, scene, start);
	if (start->local != UNKNOWN && start->remote != UNKNOWN)
		return NULL;
	pair = pair_add(model, scene);
	learn_all(model, scene, &pair->content);
	return pair;
}

void scene_add(
	struct model *model, struct scene *scene, const struct start *start)
{
	struct flags local_flags = flags_of(start->local_flags);
	struct flags remote_flags = flags_of(start->remote_flags);
	struct pair *pair = add_pair(model, scene, start);
	struct copy *file = NULL, *mail = NULL;

	if (is_folder(start->local))
		file = copy_add(
			scene, scene->files, start->local, &local_flags);
	if (is_folder(start->remote))
		mail = copy_add(
			scene, scene->mails, start->remote, &remote_flags);
	if (pair == NULL)
		return;
	if (start->local == UNKNOWN)
		pair->local.presence = PRESENCE_UNKNOWN;
	else if (file != NULL && !start->has_new_name)
		place_local(pair, file);
	if (start->remote == UNKNOWN)
		pair->remote.presence = PRESENCE_UNKNOWN;
	else if (mail != NULL && !start->has_new_uid)
		place_remote(pair, mail);
}

/* ---- Looking ---- */

static bool is_bound_local(const struct scene *scene, const struct copy *file)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		if (scene->pairs[i].mid != 0 &&
			scene->pairs[i].local.presence == PRESENCE_PRESENT &&
			scene->pairs[i].local.inode == file->number)
			return true;
	return false;
}

static bool is_bound_remote(const struct scene *scene, const struct copy *mail)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		if (scene->pairs[i].mid != 0 &&
			scene->pairs[i].remote.presence == PRESENCE_PRESENT &&
			scene->pairs[i].remote.uid == mail->number)
			return true;
	return false;
}

static void look_at_file(
	const struct model *model, struct scene *scene, struct pair *pair)
{
	const struct copy *file;

	if (pair->local.presence != PRESENCE_PRESENT &&
		pair->local.presence != PRESENCE_ABSENT)
		return;
	if (model->is_local_hidden[pair->local.folder_id])
		return;
	file = copy_find(scene->files, pair->local.inode);
	if (file != NULL && !model->is_local_hidden[file->folder_id])
		place_local(pair, file);
	else if (pair->remote.presence == PRESENCE_NEVER)
		pair->mid = 0;
	else
		pair->local.presence = PRESENCE_ABSENT;
}

static void look_at_mail(
	const struct model *model, struct scene *scene, struct pair *pair)
{
	const struct copy *mail;

	if (pair->remote.presence != PRESENCE_PRESENT ||
		model->is_remote_hidden[pair->remote.folder_id])
		return;
	mail = copy_find(scene->mails, pair->remote.uid);
	if (mail != NULL)
		place_remote(pair, mail);
	else if (pair->local.presence == PRESENCE_NEVER)
		pair->mid = 0;
	else
		pair->remote.presence = PRESENCE_ABSENT;
}

static void find_new_files(const struct model *model, struct scene *scene)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++) {
		const struct copy *file = &scene->files[i];
		struct pair *pair;

		if (file->folder_id == NOWHERE ||
			model->is_local_hidden[file->folder_id] ||
			is_bound_local(scene, file))
			continue;
		pair = pair_add(model, scene);
		place_local(pair, file);
		pair->local.size = size_of(model, scene);
	}
}

static void find_new_mails(const struct model *model, struct scene *scene)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++) {
		const struct copy *mail = &scene->mails[i];
		struct pair *pair;

		if (mail->folder_id == NOWHERE ||
			model->is_remote_hidden[mail->folder_id] ||
			is_bound_remote(scene, mail))
			continue;
		pair = pair_add(model, scene);
		place_remote(pair, mail);
		pair->content.size = size_of(model, scene);
	}
}

void scene_look(const struct model *model, struct scene *scene)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++) {
		if (scene->pairs[i].mid != 0)
			look_at_file(model, scene, &scene->pairs[i]);
		if (scene->pairs[i].mid != 0)
			look_at_mail(model, scene, &scene->pairs[i]);
	}
	if (model->policy.local_is_complete)
		find_new_files(model, scene);
	if (model->policy.remote_is_complete)
		find_new_mails(model, scene);
}

/* ---- What came of it ---- */

unsigned scene_encode(uint32_t folder_id, unsigned flags)
{
	return folder_id * CLASS_COUNT + flags;
}

static const struct pair *pair_of_file(
	const struct scene *scene, const struct copy *file)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		if (scene->pairs[i].mid != 0 &&
			scene->pairs[i].local.presence == PRESENCE_PRESENT &&
			scene->pairs[i].local.inode == file->number)
			return &scene->pairs[i];
	return NULL;
}

static bool is_unknown(const struct pair *pair)
{
	return pair->local.presence == PRESENCE_UNKNOWN ||
		pair->remote.presence == PRESENCE_UNKNOWN;
}

static unsigned count_copies(const struct copy *copies)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		count += copies[i].folder_id != NOWHERE;
	return count;
}

static void insert_sorted(unsigned *results, size_t count, unsigned value)
{
	while (count > 0 && results[count - 1] > value) {
		results[count] = results[count - 1];
		count--;
	}
	results[count] = value;
}

/* The file's message, the pair between them settled; NULL = it has none. */
static const struct copy *twin_of(
	struct scene *scene, const struct copy *file, const struct pair *pair)
{
	const struct copy *mail;

	if (!pair_is_settled(pair))
		return NULL;
	mail = copy_find(scene->mails, pair->remote.uid);
	if (mail == NULL || mail->folder_id != file->folder_id ||
		!flags_equal(&mail->flags, &file->flags))
		return NULL;
	return mail;
}

static unsigned count_unknown_mails(const struct scene *scene)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		count += scene->pairs[i].mid != 0 &&
			is_unknown(&scene->pairs[i]) &&
			scene->pairs[i].remote.presence == PRESENCE_PRESENT;
	return count;
}

bool scene_result(struct scene *scene, struct result *result_out)
{
	size_t count = 0;

	for (unsigned i = 0; i < SCENE_SLOTS; i++) {
		const struct copy *file = &scene->files[i];
		const struct pair *pair;

		if (file->folder_id == NOWHERE)
			continue;
		pair = pair_of_file(scene, file);
		if (pair != NULL && is_unknown(pair))
			continue;
		if (pair == NULL || twin_of(scene, file, pair) == NULL)
			return false;
		insert_sorted(result_out->messages, count++,
			scene_encode(
				file->folder_id, classes_of(&file->flags)));
	}
	result_out->count = count;
	return count_copies(scene->mails) == count + count_unknown_mails(scene);
}

bool scene_is_same(const struct scene *a, const struct scene *b)
{
	const void *first = a, *second = b;

	return memcmp(first, second, sizeof(*a)) == 0;
}

static void print_copies(const char *what, const struct copy *copies)
{
	for (unsigned i = 0; i < SCENE_SLOTS; i++)
		if (copies[i].folder_id != NOWHERE)
			print_error("  %s %u in %u, flags %x\n", what,
				copies[i].number, copies[i].folder_id,
				classes_of(&copies[i].flags));
}

void scene_print(const struct scene *scene)
{
	print_copies("file", scene->files);
	print_copies("mail", scene->mails);
	for (unsigned i = 0; i < SCENE_SLOTS; i++) {
		const struct pair *pair = &scene->pairs[i];

		if (pair->mid == 0)
			continue;
		print_error("  pair: synced %d in %u %x, local %d in %u as "
			    "%u, remote %d in %u as %u\n",
			pair->synced.is_set, pair->synced.folder_id,
			classes_of(&pair->synced.flags),
			(int)pair->local.presence, pair->local.folder_id,
			(unsigned)pair->local.inode, (int)pair->remote.presence,
			pair->remote.folder_id, pair->remote.uid);
	}
}
