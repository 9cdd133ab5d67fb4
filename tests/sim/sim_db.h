/* store/state_db.h in memory: the same keys, values, transactions and errors as
   over LMDB, on a disk that the simulator can take away. A database outlives
   its handle; what is durable is what was committed, or, where the disk lost a
   write, all but the last commit.

   The process has one such disk. Link `sim_db` beside `store`: its objects come
   in place of store/state_db.c. */
#ifndef TESTS_SIM_SIM_DB_H
#define TESTS_SIM_SIM_DB_H

#include <stdbool.h>
#include <stdint.h>

/* The program is gone: with it every handle and the open transaction. With
   `loses_last_commit` each database is as it was before its last commit, if
   there was one since it was opened. */
void sim_db_crash(bool loses_last_commit);

/* What an operator does while no handle is open: deletes every database; keeps
   a copy of all of them; puts one back. A copy can be put back many times. */
struct sim_db_snapshot;
void sim_db_remove_all(void);
void sim_db_snapshot(struct sim_db_snapshot **snapshot_out);
void sim_db_restore(const struct sim_db_snapshot *snapshot);
void sim_db_snapshot_free(struct sim_db_snapshot *snapshot);

enum sim_db_failure {
	SIM_DB_FAIL_BEGIN,       /* out of memory */
	SIM_DB_FAIL_PUT,         /* a put or delete finds the map full */
	SIM_DB_FAIL_COMMIT,      /* EIO: nothing of it is on the disk */
	SIM_DB_FAIL_COMMIT_KEPT, /* EIO: it is on the disk all the same */
	SIM_DB_FAILURE_COUNT,
};

/* The in_calls-th such call from here fails, once; 0 = none. */
void sim_db_set_failure(enum sim_db_failure failure, unsigned in_calls);

/* Commits that came to be durable, since the program was started. */
uint64_t sim_db_commit_count(void);

/* Called before ("begin") and after ("begin done") each begin, put (also append
   and put_new), delete and commit that does something. May not return: then
   sim_db_crash() comes next. NULL = nobody asks. */
extern void (*sim_db_hook)(const char *call);

#endif
