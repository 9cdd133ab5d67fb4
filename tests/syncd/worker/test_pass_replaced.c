/* Files that are written anew under the same name while nobody looks, in whole
   passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/syncd/worker/world.h"

#define OTHER "Subject: another message\n\nlonger than before\n"

static void populate(struct world *world)
{
	world_deliver_there(world, "INBOX", 5, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 5);
	world_stop(world);
}

/* The same inode, as of a file replaced twice: that of the first is free then,
   and file systems give it to the next file. */
static void write_anew(struct world *world, size_t index)
{
	char *name = local_file(world, "INBOX", index);
	char *path = alloc_format("%s/INBOX/%s", world->maildir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	(void)fputs(OTHER, file);
	assert_int_equal(fclose(file), 0);
	free(path);
	free(name);
}

static void test_file_replaced_while_nobody_looked_is_a_new_message(
	void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 1);
	populate(&world);
	write_anew(&world, 0);
	/* The directory changes, too. */
	world_deliver_here(&world, "INBOX", 1);
	world_converge(&world);
	world_converge(&world);
	world_check_equal(&world, 6);
	assert_int_equal(server.append_count, 2);
	world_check_quiet(&world);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_file_replaced_while_nobody_looked_is_a_new_message),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
