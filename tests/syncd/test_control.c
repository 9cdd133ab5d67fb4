#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fake_worker.h"
#include "syncd/control.h"
#include "syncd/control_client.h"
#include "syncd/lock.h"
#include "syncd/log.h"
#include "syncd/worker/clock.h"

#define PATIENCE_MS 20000

struct world {
	char directory[64];
	struct loop *loop;
	struct supervisor *supervisor;
	struct control *control;
	struct config config;
	struct config_account accounts[3];
	int stop_count;
};

static void message_came(void *data, const char *account, const char *type,
	const json_t *message)
{
	struct world *world = data;

	control_message(world->control, account, type, message);
}

static void ended(void *data, const char *account, int code)
{
	struct world *world = data;

	control_ended(world->control, account, code);
}

static void stop(void *data)
{
	struct world *world = data;

	world->stop_count++;
}

static void open_world(
	struct world *world, const char *first, const char *second)
{
	struct error error = { 0 };

	*world = (struct world){
		.directory = "/tmp/mailtwin-control-XXXXXX",
		.accounts = { { .name = first }, { .name = second } },
	};
	world->config = (struct config){ .path = "/none.yaml",
		.accounts = world->accounts,
		.account_count = second == NULL ? 1 : 2 };
	assert_non_null(mkdtemp(world->directory));
	world->loop = loop_new(&error);
	world->supervisor = supervisor_new(&(struct supervisor_setup){
		.loop = world->loop,
		.mode = "daemon",
		.is_lasting = true,
		.message = message_came,
		.ended = ended,
		.data = world,
	});
	world->control = control_new(world->loop, world->supervisor,
		world->directory, stop, world, &error);
	assert_non_null(world->control);
	for (size_t i = 0; i < world->config.account_count; i++)
		supervisor_add(world->supervisor, &world->config,
			&world->accounts[i], NULL);
}

static void close_world(struct world *world)
{
	char *path = alloc_format("%s/%s", world->directory, CONTROL_NAME);

	control_free(world->control);
	supervisor_free(world->supervisor);
	loop_free(world->loop);
	(void)unlink(path);
	assert_int_equal(rmdir(world->directory), 0);
	free(path);
}

/* ---- A client ---- */

static struct ipc *ask(struct world *world, json_t *request)
{
	struct error error = { 0 };
	struct ipc *client = control_connect(world->directory, &error);

	assert_non_null(client);
	assert_true(ipc_send(client, request));
	return client;
}

/* All answers up to "done"; the caller's. */
static json_t *answers(struct world *world, struct ipc *client)
{
	uint64_t deadline = clock_now_ms() + PATIENCE_MS;
	json_t *list = json_array();
	struct error error = { 0 };
	json_t *message;

	for (;;) {
		enum ipc_result result = ipc_receive(client, &message, &error);

		assert_true(clock_now_ms() < deadline);
		if (result == IPC_NONE) {
			(void)loop_run_once(world->loop, 10);
			continue;
		}
		assert_int_equal(result, IPC_MESSAGE);
		(void)json_array_append_new(list, message);
		if (strcmp(ipc_text(message, "type"), "done") == 0)
			return list;
	}
}

static int code_of(const json_t *list)
{
	return (int)json_integer_value(json_object_get(
		json_array_get(list, json_array_size(list) - 1), "code"));
}

static size_t count_type(const json_t *list, const char *type)
{
	size_t count = 0;
	const json_t *message;
	size_t i;

	json_array_foreach(list, i, message)
		if (strcmp(ipc_text(message, "type"), type) == 0)
			count++;
	return count;
}

static void run_for(struct world *world, uint64_t time_ms)
{
	uint64_t deadline = clock_now_ms() + time_ms;

	while (clock_now_ms() < deadline)
		(void)loop_run_once(world->loop, 10);
}

static void test_the_socket_is_for_the_user_alone(void **state)
{
	struct world world;
	struct stat status;
	char *path;

	(void)state;
	open_world(&world, "steady", NULL);
	path = alloc_format("%s/%s", world.directory, CONTROL_NAME);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0600);
	free(path);
	close_world(&world);
}

static void test_somebody_else_is_not_heard(void **state)
{
	struct world world;
	struct error error = { 0 };
	int status = -1;
	char *path;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	open_world(&world, "steady", NULL);
	path = alloc_format("%s/%s", world.directory, CONTROL_NAME);
	/* As if the directory did not protect it. */
	assert_int_equal(chmod(world.directory, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct ipc *client = NULL;
		char byte;

		if (setuid(65534) == 0)
			client = control_connect(world.directory, &error);
		if (client == NULL)
			_exit(2);
		(void)ipc_send(client, json_pack("{s:s}", "type", "stop"));
		(void)sleep(1);
		_exit(read(ipc_fd(client), &byte, 1) == 1 ? 1 : 0);
	}
	run_for(&world, 500);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(world.stop_count, 0);
	free(path);
	close_world(&world);
}

static void test_status_tells_all_accounts(void **state)
{
	struct world world;
	struct ipc *client;
	json_t *list;

	(void)state;
	open_world(&world, "steady", "steady-two");
	client = ask(&world, json_pack("{s:s}", "type", "status"));
	list = answers(&world, client);
	assert_int_equal(code_of(list), 0);
	assert_int_equal(count_type(list, "account"), 2);
	assert_string_equal(
		ipc_text(json_object_get(json_array_get(list, 0), "account"),
			"state"),
		"watching");
	json_decref(list);
	ipc_free(client);
	close_world(&world);
}

static void test_sync_waits_for_every_account(void **state)
{
	struct world world;
	struct ipc *client;
	json_t *list;

	(void)state;
	open_world(&world, "steady", "steady-held");
	client = ask(&world,
		json_pack("{s:s, s:[{s:s}, {s:s}]}", "type", "sync", "accounts",
			"name", "steady", "name", "steady-held"));
	list = answers(&world, client);
	assert_int_equal(code_of(list), 1);
	assert_int_equal(count_type(list, "synced"), 2);
	json_decref(list);
	ipc_free(client);
	close_world(&world);
}

static void test_commands_bring_their_lines(void **state)
{
	struct world world;
	struct ipc *client;
	json_t *list;

	(void)state;
	open_world(&world, "steady", NULL);
	client = ask(&world,
		json_pack("{s:s, s:s, s:[{s:s, s:[s]}]}", "type", "command",
			"name", "held", "accounts", "name", "steady",
			"mailboxes", "INBOX"));
	list = answers(&world, client);
	assert_int_equal(code_of(list), 0);
	assert_int_equal(count_type(list, "line"), 2);
	assert_string_equal(ipc_text(json_array_get(list, 0), "text"), "held");
	json_decref(list);
	ipc_free(client);
	close_world(&world);
}

static void test_an_unknown_account_is_temporary(void **state)
{
	struct world world;
	struct ipc *client;
	json_t *list;

	(void)state;
	open_world(&world, "steady", NULL);
	client = ask(&world,
		json_pack("{s:s, s:[{s:s}]}", "type", "sync", "accounts",
			"name", "nobody"));
	list = answers(&world, client);
	assert_int_equal(code_of(list), 75);
	assert_int_equal(count_type(list, "error"), 1);
	json_decref(list);
	ipc_free(client);
	close_world(&world);
}

static void test_a_worker_that_dies_leaves_nobody_waiting(void **state)
{
	struct world world;
	struct ipc *client;
	json_t *list;

	(void)state;
	open_world(&world, "refused", NULL);
	client = ask(&world,
		json_pack("{s:s, s:[{s:s}]}", "type", "sync", "accounts",
			"name", "refused"));
	list = answers(&world, client);
	assert_int_equal(code_of(list), 77);
	json_decref(list);
	ipc_free(client);
	close_world(&world);
}

static void test_requests_that_make_no_sense_are_refused(void **state)
{
	static const char *const REQUESTS[] = { "{}", "{\"type\":7}",
		"{\"type\":\"dance\"}", "{\"type\":\"command\"}",
		"{\"type\":\"command\",\"name\":\"held\",\"accounts\":[7]}",
		"{\"type\":\"sync\",\"accounts\":[{}]}" };
	struct world world;

	(void)state;
	open_world(&world, "steady", NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(REQUESTS); i++) {
		json_t *request = json_loads(REQUESTS[i], 0, NULL);
		struct ipc *client;
		json_t *list;

		assert_non_null(request);
		client = ask(&world, request);
		list = answers(&world, client);
		assert_int_equal(code_of(list), 64);
		json_decref(list);
		ipc_free(client);
	}
	assert_int_equal(world.stop_count, 0);
	close_world(&world);
}

static void test_clients_may_go_at_any_time(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "steady", NULL);
	for (int i = 0; i < 100; i++) {
		struct ipc *client = ask(&world,
			i % 2 == 0
				? json_pack("{s:s}", "type", "status")
				: json_pack("{s:s, s:[{s:s}]}", "type", "sync",
					  "accounts", "name", "steady"));

		if (i % 3 != 0)
			(void)loop_run_once(world.loop, 1);
		ipc_free(client);
		(void)loop_run_once(world.loop, 1);
	}
	run_for(&world, 100);
	close_world(&world);
}

static void expect(struct ipc *client, enum ipc_result expected)
{
	struct error error = { 0 };
	json_t *message;

	assert_int_equal(ipc_receive(client, &message, &error), expected);
}

static void test_so_many_clients_and_no_more(void **state)
{
	struct ipc *clients[CONTROL_CLIENT_COUNT_MAX + 1];
	struct world world;
	struct error error = { 0 };

	(void)state;
	open_world(&world, "steady", NULL);
	for (int i = 0; i <= CONTROL_CLIENT_COUNT_MAX; i++) {
		clients[i] = control_connect(world.directory, &error);
		assert_non_null(clients[i]);
		run_for(&world, 5);
	}
	run_for(&world, 100);
	for (int i = 0; i < CONTROL_CLIENT_COUNT_MAX; i++)
		expect(clients[i], IPC_NONE);
	expect(clients[CONTROL_CLIENT_COUNT_MAX], IPC_CLOSED);
	ipc_free(clients[0]);
	run_for(&world, 100);
	clients[0] = control_connect(world.directory, &error);
	run_for(&world, 100);
	expect(clients[0], IPC_NONE);
	for (int i = 0; i <= CONTROL_CLIENT_COUNT_MAX; i++)
		ipc_free(clients[i]);
	close_world(&world);
}

static void test_stop_is_passed_on(void **state)
{
	struct world world;
	struct ipc *client;

	(void)state;
	open_world(&world, "steady", NULL);
	client = ask(&world, json_pack("{s:s}", "type", "stop"));
	json_decref(answers(&world, client));
	assert_int_equal(world.stop_count, 1);
	ipc_free(client);
	close_world(&world);
}

static void test_no_daemon_is_no_daemon(void **state)
{
	char directory[] = "/tmp/mailtwin-control-XXXXXX";
	struct error error = { 0 };

	(void)state;
	assert_null(control_connect("/no/such/place", &error));
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_non_null(mkdtemp(directory));
	error_clear(&error);
	assert_null(control_connect(directory, &error));
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_int_equal(rmdir(directory), 0);
}

static void test_a_lock_has_one_owner(void **state)
{
	char directory[] = "/tmp/mailtwin-control-XXXXXX";
	struct error error = { 0 };
	char *below, *path;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	below = alloc_format("%s/a/b", directory);
	path = alloc_format("%s/lock", below);
	assert_true(lock_make_directory(below, &error));
	assert_true(lock_make_directory(below, &error));
	fd = lock_take(below, "lock", &error);
	assert_int_not_equal(fd, -1);
	assert_int_equal(lock_take(below, "lock", &error), -1);
	assert_int_equal(error.code, ERROR_STOPPED);
	close(fd);
	fd = lock_take(below, "lock", &error);
	assert_int_not_equal(fd, -1);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(below), 0);
	below[strlen(below) - 2] = '\0';
	assert_int_equal(rmdir(below), 0);
	assert_int_equal(rmdir(directory), 0);
	free(below);
	free(path);
}

int main(int argument_count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_socket_is_for_the_user_alone),
		cmocka_unit_test(test_somebody_else_is_not_heard),
		cmocka_unit_test(test_status_tells_all_accounts),
		cmocka_unit_test(test_sync_waits_for_every_account),
		cmocka_unit_test(test_commands_bring_their_lines),
		cmocka_unit_test(test_an_unknown_account_is_temporary),
		cmocka_unit_test(test_a_worker_that_dies_leaves_nobody_waiting),
		cmocka_unit_test(test_requests_that_make_no_sense_are_refused),
		cmocka_unit_test(test_clients_may_go_at_any_time),
		cmocka_unit_test(test_so_many_clients_and_no_more),
		cmocka_unit_test(test_stop_is_passed_on),
		cmocka_unit_test(test_no_daemon_is_no_daemon),
		cmocka_unit_test(test_a_lock_has_one_owner),
	};

	if (fake_worker_is_meant(argument_count, arguments))
		return fake_worker_main(arguments[2]);
	(void)setenv("FAKE_WORKER", "1", 1);
	log_open(true, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
