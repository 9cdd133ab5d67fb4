/* A worker that cannot even start says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "syncd/exit_code.h"
#include "syncd/worker/worker.h"

static void test_no_descriptor_for_the_loop(void **state)
{
	struct rlimit before, none;
	char line[512];
	ssize_t size;
	int pair[2], code;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	code = worker_main(pair[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(code, CODE_IO);
	size = read(pair[0], line, sizeof(line) - 1);
	assert_true(size > 0);
	line[size] = '\0';
	assert_non_null(strstr(line, "\"log\""));
	assert_non_null(strstr(line, "cannot"));
	assert_non_null(strstr(line, "Too many open files"));
	assert_int_equal(close(pair[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_descriptor_for_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
