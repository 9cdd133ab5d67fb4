/* A whole account for tests: a real Maildir and a real state in a temporary
   directory (below TMPDIR, if it is set), the server in memory (fake_server.h),
   and a clock that runs fast so that settling takes no time. */
#ifndef TESTS_SYNCD_WORKER_WORLD_H
#define TESTS_SYNCD_WORKER_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "syncd/worker/account.h"
#include "tests/syncd/worker/fake_server.h"

struct world {
	char root[64];
	char maildir[80];
	struct config *config;
	struct loop *loop;
	struct account *account;
	struct error error;
	uint32_t random;
};

/* `options`: further account keys as YAML lines, or "". */
void world_init(struct world *world, const char *options, uint32_t seed);
void world_finish(struct world *world);

/* Opens and closes the account, as a process does. */
void world_start(struct world *world);
void world_stop(struct world *world);
/* Passes to the end; false when the server cut it off (then restart). */
bool world_sync(struct world *world);
/* Restarts and syncs until a sync goes through. */
void world_converge(struct world *world);

/* Lets so much time pass. */
void world_wait(unsigned seconds);
/* How long a look at the clock takes, 100 ms unless told. */
void world_set_look_ms(unsigned duration_ms);
/* The machine sleeps so long once the clock has been looked at so many times,
   0 = not any more. False: it was to, and has not yet. */
bool world_sleep_at(unsigned looks, unsigned seconds);
/* Somebody sets the wall clock; the others go on. Negative = behind. */
void world_set_clock_ahead(int64_t seconds);

/* With WORLD_LOG=1: what was seen and what came of it. */
void world_show_journal(struct world *world);

/* A number below `limit`, from the seed. */
unsigned world_random(struct world *world, unsigned limit);

/* Fails the test unless both sides hold the same messages with the same flags
   in the same folders, `count` in all (SIZE_MAX = any number). */
void world_check_equal(struct world *world, size_t count);
/* Fails unless one more sync changes nothing and fetches nothing; and unless
   nothing is pending, where no message has anything left to do. */
void world_check_quiet(struct world *world);

/* That many of them arrive. */
void world_deliver_there(struct world *world, const char *mailbox,
	unsigned count, uint32_t system_flags);
void world_deliver_here(
	struct world *world, const char *folder, unsigned count);

/* What readers of the Maildir do. `folder` is a path; names are as on disk. */
void local_deliver(struct world *world, const char *folder, const char *body);
size_t local_count(struct world *world, const char *folder);
/* The n-th file of the folder, as "cur/NAME"; caller frees. NULL = none. */
char *local_file(struct world *world, const char *folder, size_t index);
/* Its message with CRLF line ends; caller frees. NULL = none. */
char *local_body(struct world *world, const char *folder, size_t index);
void local_set_letters(struct world *world, const char *folder, size_t index,
	const char *letters);
void local_move(struct world *world, const char *from, size_t index,
	const char *to, bool has_new_name);
void local_remove(struct world *world, const char *folder, size_t index);
void local_make_folder(struct world *world, const char *folder);
void local_rename_folder(struct world *world, const char *from, const char *to);
void local_remove_folder(struct world *world, const char *folder);
/* A shell's, in the directory that holds the Maildir, "mail". */
void local_run(const struct world *world, const char *command);
bool local_has_folder(struct world *world, const char *folder);

/* A message nobody has seen before, CRLF line ends; caller frees. */
char *world_message(struct world *world);

#endif
