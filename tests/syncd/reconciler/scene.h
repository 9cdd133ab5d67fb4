/* A small world for the planner: what lies on the disk and on the server, and
   the pairs that were made of looking at it. Operations change the model; what
   is known of it comes from looking again. A scene is one to two messages of
   one content; a world plans many scenes at once, of different contents. */
#ifndef TESTS_SYNCD_RECONCILER_SCENE_H
#define TESTS_SYNCD_RECONCILER_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/pair.h"
#include "syncd/reconciler/plan.h"

/* Folder ids; the third is a \Trash. */
enum {
	NOWHERE,
	IN_A,
	IN_B,
	IN_TRASH,
	UNKNOWN, /* no folder: nothing can be known of that side */
};
#define FOLDER_COUNT    3
#define ROUND_COUNT_MAX 200

/* Classes of flags, as bits. */
enum {
	CLASS_SEEN = 1 << 0,    /* protects nothing */
	CLASS_FLAGGED = 1 << 1, /* protects when added */
	CLASS_KEYWORD = 1 << 2, /* protects when added */
	CLASS_DELETED = 1 << 3, /* protects when taken away */
	CLASS_COUNT = 1 << 4,
};

/* One message as the test wants it to stand at first. */
struct start {
	uint32_t synced; /* folder both agreed on; NOWHERE = never */
	uint32_t local, remote;
	bool has_new_name; /* the file looks like another one */
	bool has_new_uid;  /* a remote move always has */
	unsigned synced_flags, local_flags, remote_flags; /* CLASS_… bits */
};

/* A file, or a message on the server. */
struct copy {
	uint32_t folder_id; /* NOWHERE = free */
	uint32_t number;    /* inode, or UID: never given twice */
	struct flags flags;
};

#define SCENE_SLOTS 6

struct scene {
	struct copy files[SCENE_SLOTS];
	struct copy mails[SCENE_SLOTS];
	struct pair pairs[SCENE_SLOTS]; /* mid 0 = free */
	uint32_t number;                /* last given */
	unsigned transfer_count, removal_count;
};

enum model_order {
	ORDER_STAGES, /* as plan.h says: any order within a stage */
	ORDER_ANY,    /* none at all */
};

enum interruption {
	INTERRUPTION_NONE,
	/* Some operations are done, some are not, and of some the effect is
	   there but nothing was written down. */
	INTERRUPTION_SOME,
	/* The same, for the first, the last and one of the operations. */
	INTERRUPTION_CUT,
};

struct model {
	struct arena arena;
	struct scene *scenes;
	size_t scene_count;
	size_t *item_of; /* by mid, while binding */
	struct folder_policy folders[FOLDER_COUNT];
	struct policy policy;
	enum model_order order;
	enum interruption interruption;
	unsigned interrupted_rounds; /* still to come */
	/* Folders that cannot be looked at, by folder id. */
	bool is_local_hidden[FOLDER_COUNT + 1];
	bool is_remote_hidden[FOLDER_COUNT + 1];
	uint64_t seed;
	uint64_t operation_count, round_count;
};

/* What came of a scene: each message as scene_encode() has it; sorted. */
struct result {
	unsigned messages[SCENE_SLOTS];
	size_t count;
};

void model_init(struct model *model, size_t scene_count);
void model_finish(struct model *model);
/* Everything can be seen, and no operation fails. */
void model_reset(struct model *model, bool deletion_wins,
	enum model_order order, uint64_t seed);
/* Bits by folder id; bit 0: what is new on that side was not seen yet. */
void model_hide(struct model *model, unsigned local, unsigned remote);

void scene_reset(struct scene *scene);
void scene_add(
	struct model *model, struct scene *scene, const struct start *start);

/* Looks, binds, plans and acts until there is nothing to do. Asserts that it
   ends, that nothing is removed without a proof, and that one more round does
   nothing at all. */
void model_run(struct model *model);

/* False when files and messages are not alike, pair for pair, but for pairs
   with an unknown side. Else the messages, each as folder and flags; sorted. */
bool scene_result(struct scene *scene, struct result *result_out);
/* To the last byte: nothing was done, and nothing written down. */
bool scene_is_same(const struct scene *a, const struct scene *b);
unsigned scene_encode(uint32_t folder_id, unsigned flags);
/* For a failing test: the scene as it is. */
void scene_print(const struct scene *scene);

#endif
