/* sim_story SEED RUNG STEPS: a story told to the server in memory; what it
   answers goes to stdout. Run by test_sim_like_dovecot. What fails ends it:
   cmocka exits when no test runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"
#include "tests/sim/plain_seam.h"
#include "tests/sim/remote_story.h"
#include "tests/sim/sim_server.h"

static void tell(uint32_t seed, enum story_rung rung, uint32_t step_count)
{
	struct sim_server_counts counts;
	struct fixture fixture;
	struct buf text = { 0 };

	plain_seam_init(seed);
	/* Dovecot 2.3 has no OBJECTID. */
	sim_server_init(SIM_ABILITIES_ALL & ~(uint32_t)SIM_OBJECTID, 0);
	assert_true(sim_mailbox_create("Trash", "\\Trash"));
	fixture_init(&fixture, 0);
	story_tell(&fixture, rung, seed, step_count, &text);
	sim_server_counts(&counts);
	if (counts.bads + counts.forbidden > 0)
		fail_msg("%s", sim_server_last_bad());
	(void)fputs(buf_text(&text), stdout);
	buf_finish(&text);
	fixture_finish(&fixture);
	sim_server_finish();
}

static bool read_number(const char *text, uint32_t *number_out)
{
	return number_parse_u32(text, strlen(text), number_out);
}

int main(int argc, char **argv)
{
	uint32_t seed, rung, step_count;

	if (argc != 4 || !read_number(argv[1], &seed) ||
		!read_number(argv[2], &rung) || rung >= STORY_RUNG_COUNT ||
		!read_number(argv[3], &step_count))
		return 64;
	tell(seed, (enum story_rung)rung, step_count);
	return 0;
}
