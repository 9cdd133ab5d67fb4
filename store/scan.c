/* Renames go on while a directory is read, and readdir() then misses files that
   are there. What saves us: the kernel queues the event of a rename while it
   still holds the lock that reading the directory needs. So a file that was not
   renamed during the pass is listed, and one that was has its event queued when
   the pass ends. For the files that moved, their names are looked at one by
   one, in rounds, until none of them moves while looked at. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "store/maildir_internal.h"
#include "store/scan_group.h"

#define ROUNDS_MAX 16

/* Timestamps of directories move in steps; younger than this is too young to
   tell that nothing happened. */
#define QUIET_NS INT64_C(2000000000)

struct pass {
	const struct scan_request *request;
	struct arena *arena;
	struct scan_groups groups;
	uint64_t position; /* events before it are in the groups */
	struct error *error;
};

static int64_t now_ns(void)
{
	struct timespec now;

	/* Cannot fail; zero would only mean that nothing counts as quiet. */
	if (clock_gettime(CLOCK_REALTIME, &now) == -1)
		return 0;
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- Events into groups ---- */

static bool is_arrival(const struct pass *pass, const struct watch_event *event)
{
	return event->kind == WATCH_APPEARED && *event->name != '.' &&
		(event->cookie == pass->request->new_cookie ||
			event->cookie == pass->request->cur_cookie);
}

/* `only_known`: of messages in doubt; others came after the pass, and their
   events wait for who asks for them. */
static void take_events(struct pass *pass, bool only_known)
{
	struct watch *watch = pass->request->watch;
	uint64_t end = watch_position(watch);
	struct watch_event event;

	while (pass->position < end &&
		watch_peek(watch, pass->position, &event) &&
		event.sequence < end) {
		bool is_new = event.cookie == pass->request->new_cookie;

		if (is_arrival(pass, &event))
			scan_groups_event(&pass->groups, event.name, is_new,
				only_known, pass->arena);
		pass->position = event.sequence + 1;
	}
	pass->position = end;
}

/* ---- Messages in doubt ---- */

/* Reading a directory waits for a rename under way in it, which queues its
   event before it lets go: after this, what we saw by name has its events
   queued. */
static bool wait_for_renames(struct pass *pass, bool is_new)
{
	int fd = maildir_descriptor(pass->request->maildir, pass->request->path,
		maildir_part_of(is_new), pass->error);
	DIR *stream;
	bool ok;

	if (fd == -1)
		return false;
	stream = directory_stream(fd);
	if (stream == NULL)
		return error_set_errno(pass->error, "cannot read a directory");
	errno = 0;
	ok = readdir(stream) != NULL || errno == 0;
	if (!ok)
		error_set_errno(pass->error, "cannot read a directory");
	/* Only read from. */
	(void)closedir(stream);
	return ok;
}

static bool look_at_candidate(
	struct pass *pass, struct scan_candidate *candidate)
{
	const struct maildir_place place = {
		.path = pass->request->path,
		.is_new = candidate->entry.is_new,
		.name = candidate->entry.name,
	};
	struct maildir_file file;
	enum maildir_result result = maildir_stat(
		pass->request->maildir, &place, &file, pass->error);

	candidate->is_present = result == MAILDIR_DONE;
	if (result != MAILDIR_DONE)
		return result == MAILDIR_MISSING;
	candidate->entry.inode = file.inode;
	candidate->entry.type =
		file.is_regular ? MAILDIR_TYPE_REGULAR : MAILDIR_TYPE_OTHER;
	return true;
}

static bool look_at_group(struct pass *pass, struct scan_group *group)
{
	for (size_t i = group->first; i != SCAN_NONE;) {
		struct scan_candidate *candidate = &pass->groups.candidates[i];

		if (!look_at_candidate(pass, candidate))
			return false;
		i = candidate->next;
	}
	group->was_moved = false;
	return true;
}

static bool look_at_doubtful(struct pass *pass)
{
	for (size_t i = 0; i < pass->groups.count; i++) {
		struct scan_group *group = &pass->groups.groups[i];

		if (group->is_doubtful && !group->is_settled &&
			!look_at_group(pass, group))
			return false;
	}
	return true;
}

static bool settle_doubtful(struct pass *pass)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		if (!scan_groups_in_doubt(&pass->groups))
			return true;
		if (!look_at_doubtful(pass))
			return false;
		/* Without a watch nothing more can be learned. */
		if (pass->request->watch == NULL)
			return true;
		if (!wait_for_renames(pass, true) ||
			!wait_for_renames(pass, false))
			return false;
		take_events(pass, true);
		scan_groups_settle(&pass->groups);
	}
	return true;
}

/* ---- The proof ---- */

static bool is_same_tree(const struct maildir_folder_stat *a,
	const struct maildir_folder_stat *b)
{
	return a->device == b->device && a->inode == b->inode &&
		a->new_inode == b->new_inode && a->cur_inode == b->cur_inode;
}

static bool was_quiet(const struct scan_result *result,
	const struct maildir_folder_stat *after)
{
	const struct maildir_folder_stat *before = &result->stat;
	int64_t limit = result->started_at_ns - QUIET_NS;

	return before->new_mtime_ns == after->new_mtime_ns &&
		before->cur_mtime_ns == after->cur_mtime_ns &&
		after->new_mtime_ns < limit && after->cur_mtime_ns < limit;
}

static bool was_watched(
	const struct scan_request *request, const struct scan_result *result)
{
	const struct maildir_folder_stat *stat = &result->stat;
	const struct watch *watch = request->watch;

	return watch != NULL &&
		watch_is_gapless(
			watch, request->new_cookie, result->first_sequence) &&
		watch_is_gapless(
			watch, request->cur_cookie, result->first_sequence) &&
		watch_is_directory(watch, request->new_cookie, stat->device,
			stat->new_inode) &&
		watch_is_directory(watch, request->cur_cookie, stat->device,
			stat->cur_inode);
}

static bool stat_folder(const struct scan_request *request,
	struct maildir_folder_stat *stat_out, struct error *error)
{
	enum maildir_result result = maildir_folder_stat(
		request->maildir, request->path, stat_out, error);

	if (result == MAILDIR_MISSING) {
		errno = ENOENT;
		error_set_errno(
			error, "cannot scan the folder '%s'", request->path);
	}
	return result == MAILDIR_DONE;
}

/* ---- The whole ---- */

static bool run(struct pass *pass, struct scan_result *result)
{
	const struct scan_request *request = pass->request;
	struct maildir_entry *entries;
	size_t count;

	if (!maildir_scan(request->maildir, request->path, pass->arena,
		    &entries, &count, pass->error))
		return false;
	for (size_t i = 0; i < count; i++)
		scan_groups_entry(&pass->groups, &entries[i]);
	if (request->watch != NULL)
		take_events(pass, false);
	if (!settle_doubtful(pass))
		return false;
	scan_groups_emit(&pass->groups, pass->arena, &result->entries,
		&result->entry_count);
	return true;
}

bool scan_folder(const struct scan_request *request, struct arena *arena,
	struct scan_result *result_out, struct error *error)
{
	struct scan_result result = { .started_at_ns = now_ns() };
	struct pass pass = {
		.request = request,
		.arena = arena,
		.error = error,
	};
	struct maildir_folder_stat after;
	bool ok = false;

	scan_groups_init(&pass.groups);
	if (!stat_folder(request, &result.stat, error))
		goto out;
	if (request->watch != NULL)
		pass.position = watch_position(request->watch);
	result.first_sequence = pass.position;
	if (!run(&pass, &result) || !stat_folder(request, &after, error))
		goto out;
	result.proves_absence = is_same_tree(&result.stat, &after) &&
		(was_watched(request, &result) || was_quiet(&result, &after));
	*result_out = result;
	ok = true;
out:
	scan_groups_finish(&pass.groups);
	return ok;
}
