/* What was removed here and is here again, so that it is not brought back a
   second time: a server that was put back to an older state, or another client
   who copied it, brought it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/maildir.h"
#include "syncd/worker/local.h"
#include "syncd/worker/worker_internal.h"

struct returning {
	size_t index; /* of the file */
	uint32_t folder_id;
	uint8_t hash[CONTENT_HASH_SIZE];
	bool is_there;
};

static int compare(const void *a, const void *b)
{
	const struct returning *one = a, *other = b;

	if (one->folder_id != other->folder_id)
		return one->folder_id < other->folder_id ? -1 : 1;
	return memcmp(one->hash, other->hash, sizeof(one->hash));
}

/* What cannot be read now is brought back. */
static bool read_file(struct account *account,
	const struct maildir_retained *file, struct returning *returning)
{
	const struct account_folder *folder =
		account_folder_by_path(account, file->path);
	struct content content = { 0 };
	struct error error = { 0 };
	bool is_read;
	int fd;

	if (folder == NULL)
		return false;
	fd = maildir_retention_open_message(account->maildir, file, &error);
	if (fd == -1)
		return false;
	is_read = local_digest_open(account, fd, &content, &error);
	(void)close(fd);
	returning->folder_id = folder->record.folder_id;
	memcpy(returning->hash, content.hash, sizeof(content.hash));
	return is_read;
}

/* Each message that is there stands for one file. */
static void mark_one(
	struct returning *files, size_t count, const struct pair *pair)
{
	struct returning wanted = { .folder_id = pair->local.folder_id };
	struct returning *found;

	memcpy(wanted.hash, pair->content.hash, sizeof(wanted.hash));
	found = bsearch(&wanted, files, count, sizeof(*files), compare);
	if (found == NULL)
		return;
	while (found > files && compare(found - 1, &wanted) == 0)
		found--;
	while (found < files + count && compare(found, &wanted) == 0) {
		if (!found->is_there) {
			found->is_there = true;
			return;
		}
		found++;
	}
}

static void mark_all(
	struct account *account, struct returning *files, size_t count)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_pair(account->state, &cursor, &arena, &pair)) {
		if (pair.local.presence == PRESENCE_PRESENT &&
			pair.content.has_hash)
			mark_one(files, count, &pair);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

const bool *worker_find_returned(struct account *account,
	const struct maildir_retained *files, size_t count, struct arena *arena)
{
	bool *is_there = arena_alloc(arena, count + 1, sizeof(*is_there));
	struct returning *returning =
		arena_alloc(arena, count + 1, sizeof(*returning));
	size_t read_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct returning *next = &returning[read_count];

		is_there[i] = false;
		next->index = i;
		next->is_there = false;
		if (read_file(account, &files[i], next))
			read_count++;
	}
	if (read_count == 0)
		return is_there;
	qsort(returning, read_count, sizeof(*returning), compare);
	mark_all(account, returning, read_count);
	for (size_t i = 0; i < read_count; i++)
		is_there[returning[i].index] = returning[i].is_there;
	return is_there;
}
