/* Shared by scene.c and scene_round.c; nobody else includes this. */
#ifndef TESTS_SYNCD_RECONCILER_SCENE_INTERNAL_H
#define TESTS_SYNCD_RECONCILER_SCENE_INTERNAL_H

#include "tests/syncd/reconciler/scene.h"

/* cmocka's asserts are calls: too dear for what holds millions of times. */
#define CHECK(condition)                                                       \
	((condition) ? (void)0 : scene_fail(__FILE__, __LINE__, #condition))

void scene_fail(const char *file, int line, const char *condition);

/* The bytes of a scene's messages, as whoever read them all knows them. */
void learn_all(const struct model *model, const struct scene *scene,
	struct content *content);

struct copy *copy_add(struct scene *scene, struct copy *copies,
	uint32_t folder_id, const struct flags *flags);
/* NULL = there is none of that number. */
struct copy *copy_find(struct copy *copies, uint64_t number);

struct scene *scene_of(struct model *model, const struct pair *pair);
void place_local(struct pair *pair, const struct copy *file);
void place_remote(struct pair *pair, const struct copy *mail);

/* Writes what can be seen into the pairs, and makes pairs of what is new. */
void scene_look(const struct model *model, struct scene *scene);

#endif
