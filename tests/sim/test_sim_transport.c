/* The worker's remote over the simulated line: it notices news, and learns in
   words of its own when the line ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/plain_seam.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_transport.h"
#include "tests/syncd/worker/remote_fixture.h"

static struct fixture fixture;
static struct remote *remote;
static struct error error;

static int begin(void **state)
{
	(void)state;
	error = (struct error){ 0 };
	plain_seam_init(7);
	sim_server_init(SIM_ABILITIES_ALL, 0);
	fixture_init(&fixture, 0);
	remote = fixture_open(&fixture);
	return 0;
}

static int end(void **state)
{
	(void)state;
	remote_close(remote);
	fixture_finish(&fixture);
	sim_server_finish();
	return 0;
}

static void test_idle_notices_news(void **state)
{
	(void)state;
	expect(remote_idle_start(remote, "INBOX", &error), &error);
	(void)remote_take_changed(remote);
	assert_false(sim_transport_poll());
	assert_false(remote_take_changed(remote));
	assert_int_equal(sim_deliver("INBOX", "x", 1, 0, 0), 1);
	assert_true(sim_transport_poll());
	assert_true(remote_take_changed(remote));
	assert_false(sim_transport_poll());
	/* And goes on with other things. */
	expect(remote_probe(remote, &error), &error);
	assert_false(remote_is_idle(remote));
}

static void test_idle_notices_the_end(void **state)
{
	(void)state;
	expect(remote_idle_start(remote, "INBOX", &error), &error);
	sim_server_drop_connections();
	assert_true(sim_transport_poll());
	assert_true(remote_is_dead(remote));
	assert_int_equal(remote_death(remote)->code, ERROR_DISCONNECTED);
}

static void test_a_server_that_is_down_is_unreachable(void **state)
{
	(void)state;
	sim_server_set_down(true);
	assert_int_equal(fixture_open_error(&fixture, NULL), ERROR_UNREACHABLE);
}

static const char *fatal_call;

static void cut(const char *call, bool is_after)
{
	if (strcmp(call, fatal_call) == 0 && !is_after)
		sim_server_drop_connections();
}

static void test_a_cut_is_a_disconnection_wherever_it_comes(void **state)
{
	static const char *const CALLS[] = { "send", "NOOP", "receive" };

	(void)state;
	for (size_t i = 0; i < sizeof(CALLS) / sizeof(*CALLS); i++) {
		fatal_call = CALLS[i];
		plain_seam_set_hook(cut);
		expect_error(remote_probe(remote, &error), &error,
			ERROR_DISCONNECTED);
		assert_non_null(strstr(error.message, "the line broke"));
		plain_seam_set_hook(NULL);
		remote_close(remote);
		remote = fixture_open(&fixture);
	}
}

static void test_a_bye_is_heard_to_its_end(void **state)
{
	struct uid_set uids = { 0 };

	(void)state;
	assert_true(sim_mailbox_create("Work", NULL));
	expect(remote_select(remote, "Work", sim_mailbox("Work")->uid_validity,
		       &error),
		&error);
	assert_true(sim_mailbox_delete("Work"));
	expect_error(remote_search(remote, 1, &uids, &error), &error,
		ERROR_DISCONNECTED);
	assert_non_null(strstr(error.message, "the mailbox is no more"));
	uid_set_finish(&uids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_idle_notices_news, begin, end),
		cmocka_unit_test_setup_teardown(
			test_idle_notices_the_end, begin, end),
		cmocka_unit_test_setup_teardown(
			test_a_server_that_is_down_is_unreachable, begin, end),
		cmocka_unit_test_setup_teardown(
			test_a_cut_is_a_disconnection_wherever_it_comes, begin,
			end),
		cmocka_unit_test_setup_teardown(
			test_a_bye_is_heard_to_its_end, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
