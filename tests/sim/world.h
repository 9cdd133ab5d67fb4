/* One simulated world: an account whose worker runs on a simulated disk, state,
   clock and server, people who act on both sides, and everything that can fail.
   What happens is decided by one seed and one array of choices. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "syncd/worker/account.h"
#include "tests/sim/choices.h"
#include "tests/sim/seam.h"

#define WORLD_MAILDIR   "/sim/mail"
#define WORLD_STATE     "/sim/state"
#define WORLD_RETENTION "/sim/state/home"

enum event {
	EVENT_NOTHING,
	EVENT_THERE,        /* somebody acts on the server */
	EVENT_HERE,         /* a mail reader acts on the Maildir */
	EVENT_OPERATOR,     /* restores, unmounts, deletes the database … */
	EVENT_KILL_BEFORE,  /* the process dies before the call's effect */
	EVENT_KILL_AFTER,   /* after it, before its result is known */
	EVENT_POWER_BEFORE, /* the same with the machine */
	EVENT_POWER_AFTER,
	EVENT_CUT,  /* connections break */
	EVENT_FAIL, /* the call fails */
	EVENT_TIME, /* time passes; the machine sleeps; the clock is set */
	EVENT_COUNT,
};

/* What kind of world it is. From the seed alone, so that it stays the same
   while a failing run is cut down. */
struct world_kind {
	uint32_t abilities, quirks; /* sim_server.h */
	unsigned gap; /* mean number of seam calls between events; 0 = none */
	unsigned weights[EVENT_COUNT];
	unsigned sessions; /* starts of the worker before it becomes quiet */
	unsigned messages; /* at first, on both sides together */
	bool has_twins;    /* messages of equal content */
	bool has_keywords;
	bool has_folder_acts; /* folders are made, renamed, removed */
	bool is_one_pass;     /* `sync`; else passes as the daemon makes them */
	bool conflict_delete;
	bool is_crowded;   /* most mail is in INBOX, and may go at once */
	bool has_in_place; /* files are rewritten in place */
	bool is_daemon;    /* waits and connections that idle between passes */
	int64_t granularity_ns;
	bool has_attributes, reuses_inodes, has_birth_times;
	unsigned event_queue_max;
	const char *delete_limit; /* NULL = off */
};

struct world {
	uint64_t seed;
	struct world_kind kind;
	struct choices choices;
	struct config *config;
	struct loop *loop;
	struct account *account; /* NULL = not running */
	struct error error;
	unsigned message_count; /* numbers given out */
	unsigned name_count;
	/* The seam. */
	bool is_product; /* its code is at work: calls are steps */
	bool is_calm;    /* no events any more */
	uint64_t step, next_event_step;
	unsigned happened_count; /* by chance, in all sessions */
	enum event pending;      /* an AFTER event, at the end of this call */
	jmp_buf death;
	bool is_power_cut; /* how it died */
	/* A crash at a chosen step instead of chance (crash sweep): 0 = none.
	 */
	uint64_t sweep_step;
	enum event sweep_event;
	/* Or at the `sweep_left`-th call of this name from now on: NULL = not
	   yet, or not any more. */
	const char *sweep_call;
	unsigned sweep_left;
	/* A script, asked before each call and after it (tests/sim/scenario.h),
	   and told each line of the transcript. NULL = none. */
	enum event (*script)(const char *call, bool is_after);
	int script_errno; /* with EVENT_FAIL */
	void (*listener)(const char *line);
	/* Findings. */
	char failure[512]; /* "" = none yet */
	uint64_t hash;     /* of the transcript */
	bool shows;        /* print the transcript */
	jmp_buf failed;
	bool can_fail; /* `failed` is set */
};

/* There is one world at a time: seams have no argument for it. */
extern struct world *the_world;

/* `kind` NULL: from the seed. Takes the choices over. */
void world_begin(struct world *world, uint64_t seed,
	const struct world_kind *kind, const struct choices *choices);
void world_end(struct world *world);
struct world_kind world_kind_from_seed(uint64_t seed);

/* What may be in a world at all: all of it, unless somebody wants to look at
   less. Without any: a server that has MOVE and UIDPLUS and does nothing wrong,
   no operators, no failing calls, no equal messages, no acts on folders, no
   files rewritten in place, no daemon. */
enum feature {
	FEATURE_EQUAL = 1 << 0,
	FEATURE_LESSER = 1 << 1, /* without MOVE or UIDPLUS */
	FEATURE_QUIRKS = 1 << 2,
	FEATURE_OPERATOR = 1 << 3,
	FEATURE_FAILURES = 1 << 4,
	FEATURE_FOLDERS = 1 << 5,
	FEATURE_IN_PLACE = 1 << 6,
	FEATURE_DAEMON = 1 << 7,
	FEATURES_ALL = (1 << 8) - 1,
};
extern uint32_t world_features;

/* Runs the worker once, from its start to its end or death: a sync, or some
   passes with waits in between. True: it ended by itself, in order. */
bool world_session(struct world *world, unsigned passes);
/* As `session`, whatever was decided about events. */
bool world_calm_session(struct world *world);

/* Sessions until both sides are equal, then all checks of a quiet world. */
void world_settle(struct world *world);
/* Without the checks. */
void world_become_quiet(struct world *world);

/* A violated rule: notes it and leaves the run by longjmp. `rule` is the number
   of the invariant in doc/reliability.md; 0 = it is not as a script expects. */
void world_violation(unsigned rule, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void world_require(bool is_good, unsigned rule, const char *what);

/* A number below `limit` from the world's choices. */
unsigned world_choose(struct world *world, unsigned limit);

/* The whole run: populate, sessions with events, calm, checks. False: failure
   is set. */
bool world_run(struct world *world);
/* Any other run. */
bool world_play(struct world *world, void (*play)(struct world *world));

#endif
