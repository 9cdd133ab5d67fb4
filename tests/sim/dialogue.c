#include "tests/sim/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/plain_seam.h"

#define ANSWER_SIZE 65536

static char answer[ANSWER_SIZE];

void dialogue_begin(uint32_t abilities, uint32_t quirks)
{
	plain_seam_init(0);
	sim_server_init(abilities, quirks);
	assert_true(sim_mailbox_create("Work", NULL));
}

void dialogue_end(void)
{
	sim_server_finish();
}

static const char *read_answer(struct sim_connection *connection)
{
	size_t size;

	while (sim_connection_run(connection))
		;
	size = sim_connection_receive(connection, answer, ANSWER_SIZE - 1);
	answer[size] = '\0';
	return answer;
}

const char *dialogue_raw(struct sim_connection *connection, const char *text)
{
	sim_connection_send(connection, text, strlen(text));
	return read_answer(connection);
}

const char *dialogue(struct sim_connection *connection, const char *line)
{
	sim_connection_send(connection, line, strlen(line));
	return dialogue_raw(connection, "\r\n");
}

void expect_part(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no '%s' in:\n%s", part, text);
}

void expect_no_part(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("'%s' in:\n%s", part, text);
}

static uint64_t count_bads(void)
{
	struct sim_server_counts counts;

	sim_server_counts(&counts);
	return counts.bads;
}

void expect_answer(
	struct sim_connection *connection, const char *line, const char *part)
{
	uint64_t before = count_bads();
	const char *text = dialogue(connection, line);

	expect_part(text, part);
	if (count_bads() != before)
		fail_msg("counted as bad: %s", sim_server_last_bad());
}

void expect_bad(struct sim_connection *connection, const char *line)
{
	uint64_t before = count_bads();
	const char *text = dialogue(connection, line);

	expect_part(text, " BAD ");
	if (count_bads() != before + 1)
		fail_msg("not counted as bad: %s", line);
}

struct sim_connection *dialogue_connect(void)
{
	struct sim_connection *connection = sim_connection_open();

	assert_non_null(connection);
	expect_part(read_answer(connection), "* OK [CAPABILITY IMAP4rev1");
	return connection;
}

struct sim_connection *dialogue_login(void)
{
	struct sim_connection *connection = dialogue_connect();
	const char *text = dialogue(connection, "l LOGIN me secret");

	expect_part(text, "l OK [CAPABILITY");
	if (strstr(text, "QRESYNC") != NULL)
		expect_answer(connection, "e ENABLE QRESYNC", "e OK");
	else if (strstr(text, "CONDSTORE") != NULL)
		expect_answer(connection, "e ENABLE CONDSTORE", "e OK");
	return connection;
}
