/* What is true in a simulated world, kept by who acts in it: each message has a
   number that stands in its subject, and for each number it is known how often
   people made it, removed it and changed it. The rules (numbers as in
   doc/reliability.md) are checked against that. */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/world.h"

#define ORACLE_NUMBER_MAX 2048

void oracle_begin(struct world *world);

/* ---- Told by the actors ---- */

/* No numbers are left: nobody makes messages any more. */
bool oracle_is_full(void);
/* The next number. */
unsigned oracle_new_number(struct world *world);
/* Its bytes, CRLF line ends; caller frees. */
char *oracle_body(struct world *world, unsigned number, size_t *size_out);
/* Bytes of its own for that number, which must stand in its subject; copied.
   `body` NULL = the usual ones. */
void oracle_set_body(unsigned number, const char *body);
/* The number in the bytes of a message, with any line ends; 0 = none. */
unsigned oracle_number(const void *body, size_t size);
/* One more stored copy of it, on that side. */
void oracle_made(unsigned number, bool is_here);
void oracle_removed(unsigned number);
void oracle_removed_here(unsigned number);
/* A folder was made, or got its name, on that side. There may have been another
   one under that name, and nothing tells whether this is it, restored from a
   backup: what the other side still has in it may come back. */
void oracle_folder_made(const char *folder, bool is_here);
/* A change that beats a deletion, maybe. */
void oracle_touched(unsigned number);
/* Its flags are these now, by an act on that side. */
void oracle_flagged(unsigned number, bool is_here, uint32_t flags);
/* Moved by somebody: without MOVE, or with answers lost, one may become two. */
void oracle_moved(unsigned number);
/* An operator changed one side as a whole: how many copies of each there were
   before, and are now. */
void oracle_before_restore(void);
void oracle_after_restore(void);
/* It was the server. */
void oracle_server_restored(void);
/* How many copies are on that side. */
unsigned oracle_count_here(unsigned number);
unsigned oracle_count_there(unsigned number);

/* ---- Checks; world_violation() when one fails ---- */

/* Around the end of a process. */
void oracle_before_death(void);
/* After a death, and between sessions. */
void oracle_after_death(struct world *world);
void oracle_check_all(struct world *world);

/* Both sides hold the same, but for what the state lists as held. */
bool oracle_is_equal(struct world *world);
/* Into the log: what differs. */
void oracle_explain(struct world *world);
/* Everything that must hold once it is quiet. */
void oracle_check_end(struct world *world);
/* The same without further crashes and losses. */
void oracle_check_rest(struct world *world);

#endif
