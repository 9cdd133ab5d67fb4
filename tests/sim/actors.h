/* Who acts in a simulated world besides the product: another client of the
   server, readers of the Maildir with habits of their own, an operator. */
#ifndef TESTS_SIM_ACTORS_H
#define TESTS_SIM_ACTORS_H

#include "tests/sim/world.h"

void actors_begin(struct world *world);
void actors_end(struct world *world);

/* The mail of the first day, on both sides. */
void actors_populate(struct world *world);

/* One act. */
void actors_act(struct world *world, enum event event);

/* What an operator took away is there again: disks, the server. */
void actors_calm(struct world *world);

/* ---- The three, one file each ---- */

void act_there(struct world *world);
void act_here(struct world *world);
void act_operator(struct world *world);
void act_time(struct world *world);
/* Undoes what is temporary; frees what is kept. */
void operator_calm(struct world *world);

/* Who removed most of the mailboxes there, and is asked whether they may go,
   says so: `mailtwin approve` of what is held for that, and is not there. */
void operator_approve_missing(void);
void operator_finish(void);
/* The Maildir's disk is unmounted. */
bool operator_has_maildir(void);

/* One of the folders the world begins with. */
const char *any_folder(struct world *world);
bool is_one_in(struct world *world, unsigned count);
/* A message nobody has had before, or sometimes a second one of equal content;
   its number. Bytes with CRLF; caller frees. */
char *any_new_message(
	struct world *world, size_t *size_out, unsigned *number_out);
void deliver_there(struct world *world, const char *mailbox, uint32_t flags);
void deliver_here(struct world *world, const char *folder);

#endif
