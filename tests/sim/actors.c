#include "tests/sim/actors.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"

static const char *const FOLDERS[] = { "INBOX", "Work", "Archive",
	"Work/2024" };

/* The number given out last, for messages of equal content. */
static unsigned last;

const char *any_folder(struct world *world)
{
	return FOLDERS[world_choose(world, ARRAY_LENGTH(FOLDERS))];
}

bool is_one_in(struct world *world, unsigned count)
{
	return world_choose(world, count) == count - 1;
}

char *any_new_message(
	struct world *world, size_t *size_out, unsigned *number_out)
{
	if (last == 0 || !world->kind.has_twins || !is_one_in(world, 3))
		last = oracle_new_number(world);
	*number_out = last;
	return oracle_body(world, last, size_out);
}

void actors_begin(struct world *world)
{
	(void)world;
	last = 0;
	(void)sim_disk_make_directory(SIM_ROOT "/run");
	for (size_t i = 0; i < ARRAY_LENGTH(FOLDERS); i++)
		if (strcmp(FOLDERS[i], "INBOX") != 0)
			(void)sim_mailbox_create(FOLDERS[i], NULL);
}

void actors_end(struct world *world)
{
	(void)world;
	operator_finish();
}

void actors_populate(struct world *world)
{
	/* The first start makes the Maildir. */
	(void)world_calm_session(world);
	for (unsigned i = 0; i < world->kind.messages; i++) {
		const char *folder =
			world->kind.is_crowded ? "INBOX" : any_folder(world);

		if (i % 2 == 0)
			deliver_there(world, folder, world_choose(world, 4));
		else
			deliver_here(world, folder);
	}
}

void actors_act(struct world *world, enum event event)
{
	if (event == EVENT_THERE)
		act_there(world);
	else if (event == EVENT_HERE)
		act_here(world);
	else if (event == EVENT_OPERATOR)
		act_operator(world);
	else if (event == EVENT_TIME)
		act_time(world);
}

void actors_calm(struct world *world)
{
	operator_calm(world);
}
