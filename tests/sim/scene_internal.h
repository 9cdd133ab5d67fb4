/* What the files of the script language share. */
#ifndef TESTS_SIM_SCENE_INTERNAL_H
#define TESTS_SIM_SCENE_INTERNAL_H

#include "base/buf.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/scenario.h"

#define SCENE_TRIGGERS_MAX 16
#define SCENE_PATH_SIZE    400

struct trigger {
	struct scene_call call;
	unsigned left; /* calls until it happens */
	bool is_after;
	enum event event;
	int error;
	void (*act)(struct world *world); /* NULL: the event */
};

/* Where a message was when the script began. */
struct scene_place {
	char *mailbox, *unique;
	uint32_t uid;
	uint64_t inode;
};

struct scene {
	struct trigger triggers[SCENE_TRIGGERS_MAX];
	size_t trigger_count;
	unsigned fired;
	struct buf log;     /* lines since scene_given() */
	char command[1200]; /* the last one, as sent */
	struct scene_place places[ORACLE_NUMBER_MAX];
	struct sim_server_counts counts; /* at scene_given() */
	uint64_t first_step, last_step;
	const struct scene_crash *crash;
	bool is_swept; /* a crash is tried */
};

extern struct scene scene;

/* In scene_expect.c: what holds now is what is meant by "as before". */
void scene_note_places(void);
void scene_forget_places(void);

#endif
