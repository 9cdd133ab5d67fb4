/* What is done to a database, and what it answers. The same stories are told
   over LMDB and over sim_db.c: db_story.c is compiled twice, and the answers
   must be the same. */
#ifndef TESTS_SIM_DB_STORY_H
#define TESTS_SIM_DB_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every answer as a number, in order: 0 = done, 1000 and an error's code = not;
   1 and 0 for yes and no; or a sum of what was read. */
struct answers {
	uint64_t *values;
	size_t count, capacity;
};

struct story {
	/* Everything state_db.h has, in any order; aborts and reopens. */
	void (*anything)(const char *path, uint64_t seed, unsigned step_count,
		struct answers *answers);
	/* Transactions `from` and on: what each does is the seed's, whatever is
	   there. `committed` is called after each commit. */
	void (*transactions)(const char *path, uint64_t seed, unsigned from,
		unsigned count, void (*committed)(void *data), void *data);
	/* Of all that is there. */
	uint64_t (*digest)(const char *path);
	/* A put that finds the map full, and a commit that cannot be written.
	   `arm` makes it so, where it does not come by itself. */
	void (*full)(
		const char *path, void (*arm)(void), struct answers *answers);
	void (*unwritable)(const char *path, void (*arm)(void),
		void (*disarm)(void), struct answers *answers);
	/* The first may fail; a second one follows. */
	void (*begin_twice)(const char *path, struct answers *answers);
};

extern const struct story story_lmdb;
extern const struct story story_sim;

#endif
