/* What happens to whole sides: backups brought back, disks not there, databases
   deleted, clocks set. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "store/state.h"
#include "tests/sim/actors.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_guard.h"
#include "tests/sim/sim_db.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_time.h"

static struct sim_disk_copy *maildir_copy;
static struct sim_server_copy *server_copy;
static bool is_unmounted;

void operator_finish(void)
{
	sim_disk_copy_free(maildir_copy);
	sim_server_copy_free(server_copy);
	maildir_copy = NULL;
	server_copy = NULL;
	is_unmounted = false;
}

bool operator_has_maildir(void)
{
	return is_unmounted;
}

static void unmount(bool is_to_be)
{
	if (is_to_be == is_unmounted)
		return;
	is_unmounted = is_to_be;
	seam_log("operator: the Maildir is %smounted", is_to_be ? "un" : "");
	if (is_to_be)
		sim_disk_unmount(WORLD_MAILDIR);
	else
		sim_disk_mount(WORLD_MAILDIR);
}

static void keep_or_restore_maildir(struct world *world)
{
	if (maildir_copy == NULL) {
		seam_log("operator: a copy of the Maildir is made");
		maildir_copy = sim_disk_copy_take(WORLD_MAILDIR);
		return;
	}
	seam_log("operator: the Maildir is restored");
	oracle_before_restore();
	sim_disk_copy_put(maildir_copy, WORLD_MAILDIR, is_one_in(world, 2));
	oracle_after_restore();
	sim_disk_copy_free(maildir_copy);
	maildir_copy = NULL;
}

static void keep_or_restore_server(void)
{
	if (server_copy == NULL) {
		seam_log("operator: a copy of the server is made");
		server_copy = sim_server_copy_take();
		return;
	}
	seam_log("operator: the server is restored");
	oracle_before_restore();
	sim_server_drop_connections();
	sim_server_copy_put(server_copy);
	oracle_after_restore();
	oracle_server_restored();
	sim_server_copy_free(server_copy);
	server_copy = NULL;
}

static void renumber(struct world *world)
{
	const char *mailbox = any_folder(world);

	seam_log("operator: %s is renumbered", mailbox);
	(void)sim_renumber(mailbox);
}

void act_operator(struct world *world)
{
	if (is_unmounted) {
		unmount(false);
		return;
	}
	switch (world_choose(world, 4)) {
	case 0:
		unmount(true);
		break;
	case 1:
		keep_or_restore_maildir(world);
		break;
	case 2:
		keep_or_restore_server();
		break;
	default:
		renumber(world);
		break;
	}
}

void act_time(struct world *world)
{
	int64_t jump = (int64_t)world_choose(world, 7200) - 3600;

	/* No event is on its way for that long. */
	sim_watch_settle();
	switch (world_choose(world, 4)) {
	case 0:
		seam_log("time: the wall clock is set by %d s", (int)jump);
		sim_time_jump(jump);
		break;
	case 1:
		seam_log("time: the machine sleeps");
		sim_time_suspend(UINT64_C(1000) * world_choose(world, 100000));
		break;
	default:
		seam_log("time: goes by");
		sim_time_pass(UINT64_C(1000) * world_choose(world, 3600));
		break;
	}
	/* No event is on its way for that long. */
	sim_watch_settle();
}

void operator_calm(struct world *world)
{
	(void)world;
	unmount(false);
}

static bool is_asked_for(const struct folder *folder)
{
	return folder->has_remote && folder->mailbox != NULL &&
		folder->error != NULL &&
		strstr(folder->error, "the server lists only") != NULL &&
		sim_mailbox(folder->mailbox) == NULL;
}

static void approve_missing(struct state *state)
{
	struct state_cursor cursor = { 0 };
	struct folder folder;
	struct arena arena;

	arena_init(&arena);
	while (state_next_folder(state, &cursor, &arena, &folder)) {
		if (is_asked_for(&folder)) {
			seam_log("operator: %s may go", folder.path);
			oracle_guard_approve();
			folder.is_approved = true;
			state_folder_put(state, &folder);
		}
		uid_set_finish(&folder.frontier);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}

void operator_approve_missing(void)
{
	struct error error = { 0 };
	struct state *state = state_open(WORLD_STATE "/home/state.mdb", &error);

	if (state == NULL || !state_begin(state, &error))
		world_violation(0, "no approval: %s", error.message);
	approve_missing(state);
	if (!state_commit(state, &error))
		world_violation(0, "no approval: %s", error.message);
	state_close(state);
}
