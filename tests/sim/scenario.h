/* Scripts for simulated worlds, one for each thing that went wrong somewhere:
   what is given, what happens at which call of the product, and what must then
   be true besides all rules of a quiet world. Each can be run alone, and with a
   crash at any of its calls. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/flags.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/world.h"

struct scenario {
	unsigned number;
	const char *name;
	void (*play)(struct world *world, unsigned variant);
	/* Cases of it, each in a world of its own; 0 = 1. */
	unsigned variant_count;
	/* Those that a sweep tries, where the cases are crashes themselves; 0 =
	   all. */
	unsigned swept_count;
	/* Changes the usual kind of world: a server that can do everything and
	   does nothing wrong, a good disk. NULL = as it is. */
	void (*prepare)(struct world_kind *kind, unsigned variant);
	bool has_no_maildir; /* else the worker ran once: the folders are there
			      */
	/* Why no sweep takes it; NULL = one does. */
	const char *not_swept;
};

/* By number; NULL at the end. One file for each section. */
extern const struct scenario scenarios_crash[];
extern const struct scenario scenarios_maildir[];
extern const struct scenario scenarios_files[];
extern const struct scenario scenarios_server[];
extern const struct scenario scenarios_conflict[];
extern const struct scenario scenarios_folder[];
extern const struct scenario scenarios_limit[];

/* All of them, in order; NULL behind the last. */
const struct scenario *scenario_at(size_t index);
/* By name or number; NULL = none. */
const struct scenario *scenario_find(const char *text);
unsigned scenario_variants(const struct scenario *scenario);

/* A crash at one call of the run: of this number, or the `nth` of this name
   behind the given, which stays the same when the product makes other calls
   elsewhere. Step 0 and no name = none. */
struct scene_crash {
	uint64_t step;
	const char *call;
	unsigned nth;
	enum event event;
};

struct scene_result {
	bool is_good;
	char failure[512];
	/* The calls between the given and the end. */
	uint64_t first_step, last_step;
};

/* One run, in this process: its memory is leaked by crashes. */
void scenario_run(const struct scenario *scenario, unsigned variant,
	const struct scene_crash *crash, bool shows,
	struct scene_result *result_out);

/* Exit codes. `--scenario`, `--scenarios`, `--list`. */
int scenario_run_one(const char *text, bool shows);
int scenario_run_all(unsigned jobs);
int scenario_list(void);

/* ---- For scripts: the course of things ---- */

/* A session until nothing is left to do; both sides are equal then. What
   happens from here on is what expectations look at, and where crashes are
   tried. */
void scene_given(struct world *world);
/* The same without a session before. */
void scene_begin(struct world *world);
/* One pass after the other as `sync` does. True: it ended in order. After a
   crash that is tried, once more. */
bool scene_sync(struct world *world);
/* As the daemon: that many passes with waits in between. */
bool scene_daemon(struct world *world, unsigned passes);
/* Everything that must hold in a quiet world. Triggers that did not happen are
   a failure, but where a crash came between. */
void scene_settle(struct world *world);
/* In place of scene_settle(), where the two sides cannot be compared by it. */
void scene_end(struct world *world);
/* No crash was tried: all is as the script says. Expectations of how it came
   about are checked only then. */
bool scene_is_undisturbed(void);

/* At the `nth` call of that name from now on, before its effect or after it but
   before the product hears of it. Calls are system calls ("renameat2",
   "fsync"), those of the state ("commit"), commands ("UID FETCH"), and "wait".
   `like` is part of the command as sent, or NULL. */
struct scene_call {
	const char *name, *like;
	unsigned nth;  /* 0 = 1 */
	bool is_every; /* each, from the nth on */
};
void scene_do_before(
	const struct scene_call *call, void (*act)(struct world *world));
void scene_do_after(
	const struct scene_call *call, void (*act)(struct world *world));
void scene_kill_before(const struct scene_call *call);
void scene_kill_after(const struct scene_call *call);
void scene_power_before(const struct scene_call *call);
void scene_power_after(const struct scene_call *call);
void scene_cut_before(const struct scene_call *call);
void scene_cut_after(const struct scene_call *call);
/* The call fails with the errno. */
void scene_fail(const struct scene_call *call, int error);
/* All that is still to come is called off. */
void scene_forget(void);
/* What is by chance is chosen anew from here on, by this number; without it,
   the first of all that is possible. */
void scene_chance(struct world *world, uint64_t seed);
/* The very next choice is this one. */
void scene_choose(struct world *world, uint32_t value);
/* How often the triggers happened. */
unsigned scene_fired(void);

#define SCENE_CALL(...) (&(const struct scene_call){ .name = __VA_ARGS__ })

/* ---- Acts on the server; `in` NULL = wherever it is ---- */

void there_deliver(struct world *world, const char *mailbox, unsigned number,
	uint32_t flags);
void there_flag(unsigned number, uint32_t add, uint32_t remove);
void there_keyword(unsigned number, const char *add, const char *remove);
void there_move(unsigned number, const char *in, const char *to);
void there_copy(unsigned number, const char *to);
void there_expunge(unsigned number, const char *in);
void there_delete_mailbox(const char *name);
void there_rename_mailbox(const char *from, const char *to);
uint32_t there_uid(unsigned number);

/* ---- Acts in the Maildir ---- */

/* Into new/, or with letters (also "") into cur/. */
void here_deliver(struct world *world, const char *folder, unsigned number,
	const char *letters);
/* Exactly these, in cur/. */
void here_letters(unsigned number, const char *letters);
/* With its name, or a new one. */
void here_move(unsigned number, const char *to, bool has_new_name);
void here_copy(unsigned number, const char *to, bool has_new_name);
void here_remove(unsigned number);
void here_make_folder(const char *folder);
void here_remove_folder(const char *folder);
void here_rename_folder(const char *from, const char *to);
/* Of its first file; caller frees. NULL = there is none. */
char *here_path(unsigned number);
uint64_t here_inode(unsigned number);

/* Bytes of message `number` with LF line ends; caller frees. */
char *scene_file(struct world *world, unsigned number, size_t *size_out);
/* ---- The operator ---- */

/* Deletions that are held may go. */
void scene_approve(struct world *world);
/* They are not wanted: the messages come back from the other side. */
void scene_undo(struct world *world);
void scene_lose_state(void);

/* ---- Expectations; a violation when they do not hold ---- */

void expect(bool is_true, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* So many on either side. */
void expect_copies(unsigned number, unsigned count);
/* So many in that folder, on either side. */
void expect_in(const char *folder, unsigned number, unsigned count);
/* Of every copy on the server, system flags. */
void expect_flags(unsigned number, uint32_t flags);
void expect_keyword(unsigned number, const char *keyword, bool has_it);
/* UID and mailbox, file name (but for letters) and inode are those of
   scene_given(). */
void expect_same_uid(unsigned number);
void expect_same_file(unsigned number);
/* The state lists it as held, and the reason has this part; NULL = it does
   not. */
void expect_held(struct world *world, unsigned number, const char *reason);
unsigned scene_held_count(struct world *world);
/* The reason for which a folder is left alone, has this part. */
void expect_folder_told(
	struct world *world, const char *path, const char *reason);
/* What was stored of the folder does not say that the `nth` expunge ever in the
   mailbox was seen. */
void expect_anchor_below(const char *path, unsigned nth);
/* Since scene_given(). */
void expect_logged(const char *part);
void expect_not_logged(const char *part);
/* The next ones only where no crash was tried. */
void expect_commands(const char *start, unsigned count);
unsigned scene_command_count(const char *start);
/* In the transcript. */
void expect_order(const char *first, const char *second);
void expect_bodies_down(unsigned count);
void expect_bodies_up(unsigned count);
void expect_no_transfer(void);

#endif
