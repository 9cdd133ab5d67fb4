#include "tests/syncd/worker/deed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct {
	struct world *world;
	const char *call;
	void (*act)(struct world *world);
} deed;

void do_deed(void *data)
{
	(void)data;
	if (deed.call == NULL || strcmp(server.call, deed.call) != 0)
		return;
	deed.call = NULL;
	deed.act(deed.world);
}

void at_first(
	struct world *world, const char *call, void (*act)(struct world *world))
{
	deed.world = world;
	deed.call = call;
	deed.act = act;
	server.interfere = do_deed;
}

bool is_deed_done(void)
{
	return deed.call == NULL;
}

void assert_deed_is_done(void)
{
	assert_true(is_deed_done());
	server.interfere = NULL;
}
