/* Two clients and somebody else act at random; a naive model knows what the
   server must hold and what each client must have been told.
   More of them: test_sim_server_random STORIES */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/flags.h"
#include "base/number.h"
#include "base/uid_set.h"
#include "tests/sim/dialogue.h"
#include "tests/sim/plain_seam.h"

#define MESSAGE_MAX 600
#define LINE_SIZE   200
#define STEP_COUNT  150

static uint32_t story_count = 200;

/* What the mailbox holds, by UID. */
static struct {
	bool is_there;
	uint32_t flags;
} truth[MESSAGE_MAX];
static uint32_t uid_next;

/* What a client believes, by number. */
struct client {
	struct sim_connection *connection;
	bool has_qresync;
	struct {
		uint32_t uid, flags;
	} view[MESSAGE_MAX];
	unsigned count;
	uint32_t last_uid; /* of all it ever heard of */
	uint64_t modseq;
};

static struct client clients[2];
static uint64_t random_state;

static uint32_t choose(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % limit;
}

/* ---- What a client understands ---- */

static uint32_t read_flags(const char *text)
{
	const char *end = strchr(text, ')');
	uint32_t flags = 0;

	for (uint32_t flag = 1; flag <= FLAG_ALL_SYSTEM; flag <<= 1) {
		const char *found = strstr(text, flag_name(flag));

		if (found != NULL && found < end)
			flags |= flag;
	}
	return flags;
}

static void forget(struct client *client, unsigned index)
{
	assert_true(index < client->count);
	client->count--;
	memmove(&client->view[index], &client->view[index + 1],
		(client->count - index) * sizeof(*client->view));
}

/* One whose UID it never learned is as good as any other of them. */
static void forget_uid(struct client *client, uint32_t uid)
{
	unsigned index = 0;

	while (index < client->count && client->view[index].uid != uid &&
		client->view[index].uid != 0)
		index++;
	forget(client, index);
}

static void take_vanished(struct client *client, const char *set)
{
	struct uid_set uids = { 0 };

	assert_true(uid_set_parse(&uids, set, strcspn(set, "\r"), 1000));
	for (uint32_t uid = uid_set_next(&uids, 1); uid != 0;
		uid = uid_set_next(&uids, uid + 1))
		forget_uid(client, uid);
	uid_set_finish(&uids);
}

/* The number at `text`, and where it ends; 0 = none. */
static uint32_t take_number(const char **text)
{
	size_t size = strspn(*text, "0123456789");
	uint32_t number = 0;

	if (!number_parse_u32(*text, size, &number))
		return 0;
	*text += size;
	return number;
}

/* "* n FETCH (UID u FLAGS (…)": what it tells of a message it knows by number
   must be about the UID it knows by that number. */
static void take_fetch(struct client *client, unsigned number, const char *text)
{
	const char *flags = strstr(text, "FLAGS (");
	const char *end = strstr(text, "\r\n");
	uint32_t uid;

	text += strlen("(UID ");
	uid = take_number(&text);
	assert_int_not_equal(uid, 0);
	assert_in_range(number, 1, client->count);
	if (client->view[number - 1].uid == 0)
		client->view[number - 1].uid = uid;
	assert_int_equal(client->view[number - 1].uid, uid);
	if (flags != NULL && flags < end)
		client->view[number - 1].flags = read_flags(flags);
	if (uid > client->last_uid)
		client->last_uid = uid;
}

static void take_line(struct client *client, const char *line)
{
	uint32_t number;

	if (strncmp(line, "* VANISHED (", 12) == 0)
		return;
	if (strncmp(line, "* VANISHED ", 11) == 0) {
		assert_true(client->has_qresync);
		take_vanished(client, line + 11);
		return;
	}
	line += 2;
	number = take_number(&line);
	if (strncmp(line, " EXPUNGE\r\n", 10) == 0) {
		assert_false(client->has_qresync);
		forget(client, number - 1);
	} else if (strncmp(line, " EXISTS\r\n", 9) == 0) {
		assert_true(number > client->count);
		while (client->count < number)
			memset(&client->view[client->count++], 0,
				sizeof(*client->view));
	} else if (strncmp(line, " FETCH (UID ", 12) == 0) {
		take_fetch(client, number, line + 7);
	}
}

static void say(struct client *client, const char *line)
{
	uint64_t bads;
	struct sim_server_counts counts;
	const char *answer;

	sim_server_counts(&counts);
	bads = counts.bads;
	answer = dialogue(client->connection, line);
	while (*answer != '\0') {
		take_line(client, answer);
		answer = strstr(answer, "\r\n") + 2;
	}
	sim_server_counts(&counts);
	if (counts.bads != bads)
		fail_msg("%s", sim_server_last_bad());
}

/* Numbers that came without a UID are asked for. */
static void learn(struct client *client)
{
	do
		say(client, "x UID FETCH 1:* (FLAGS)");
	while (client->count > 0 && client->view[client->count - 1].uid == 0);
}

/* ---- Acts ---- */

static void flags_text(uint32_t flags, char text[LINE_SIZE])
{
	text[0] = '\0';
	for (uint32_t flag = 1; flag <= FLAG_ALL_SYSTEM; flag <<= 1)
		if ((flags & flag) != 0) {
			(void)strncat(text, text[0] == '\0' ? "" : " ", 2);
			(void)strncat(text, flag_name(flag), 12);
		}
}

static bool knows(const struct client *client, uint32_t uid)
{
	for (unsigned i = 0; i < client->count; i++)
		if (client->view[i].uid == uid)
			return true;
	return false;
}

static void add_truth(uint32_t flags)
{
	assert_true(uid_next < MESSAGE_MAX);
	truth[uid_next].is_there = true;
	truth[uid_next++].flags = flags;
}

static void store(struct client *client, uint32_t uid)
{
	uint32_t flags = 1 + choose(FLAG_ALL_SYSTEM);
	bool is_add = choose(2) == 0;
	char line[LINE_SIZE * 2], names[LINE_SIZE];

	flags_text(flags, names);
	(void)snprintf(line, sizeof(line), "a UID STORE %u %cFLAGS%s (%s)",
		(unsigned)uid, is_add ? '+' : '-',
		choose(2) == 0 ? "" : ".SILENT", names);
	if (truth[uid].is_there && knows(client, uid))
		truth[uid].flags = is_add ? truth[uid].flags | flags
					  : truth[uid].flags & ~flags;
	/* A silent one changes what the client knows without being told. */
	for (unsigned i = 0; i < client->count; i++)
		if (client->view[i].uid == uid)
			client->view[i].flags = is_add
				? client->view[i].flags | flags
				: client->view[i].flags & ~flags;
	say(client, line);
}

static void expunge(struct client *client, uint32_t uid)
{
	char line[LINE_SIZE];

	(void)snprintf(line, sizeof(line), "a UID EXPUNGE %u", (unsigned)uid);
	if (truth[uid].is_there && knows(client, uid) &&
		(truth[uid].flags & FLAG_DELETED) != 0)
		truth[uid].is_there = false;
	say(client, line);
}

static void move(struct client *client, uint32_t uid, bool is_here)
{
	char line[LINE_SIZE];

	(void)snprintf(line, sizeof(line), "a UID MOVE %u %s", (unsigned)uid,
		is_here ? "INBOX" : "Work");
	if (truth[uid].is_there && knows(client, uid)) {
		truth[uid].is_there = false;
		if (is_here)
			add_truth(truth[uid].flags);
	}
	say(client, line);
}

static void act_elsewhere(uint32_t uid)
{
	uint32_t flags = 1 + choose(FLAG_ALL_SYSTEM);

	if (choose(3) == 0) {
		assert_int_equal(
			sim_deliver("INBOX", "x", 1, flags, 0), uid_next);
		add_truth(flags);
	} else if (choose(2) == 0) {
		assert_int_equal(
			sim_expunge("INBOX", uid), truth[uid].is_there);
		truth[uid].is_there = false;
	} else {
		assert_int_equal(sim_store("INBOX", uid, flags, 0, NULL, NULL),
			truth[uid].is_there);
		truth[uid].flags |= flags;
	}
}

static void act(void)
{
	struct client *client = &clients[choose(2)];
	uint32_t uid = 1 + choose(uid_next + 1);

	learn(client);
	switch (choose(8)) {
	case 0:
		say(client, "a APPEND INBOX (\\Seen) {1+}\r\nx");
		add_truth(FLAG_SEEN);
		break;
	case 1:
	case 2:
		store(client, uid);
		break;
	case 3:
		expunge(client, uid);
		break;
	case 4:
		move(client, uid, choose(2) == 0);
		break;
	case 5:
		say(client, choose(2) == 0 ? "a NOOP" : "a FETCH 1:* (FLAGS)");
		break;
	default:
		act_elsewhere(uid);
		break;
	}
}

/* ---- Checks ---- */

static void check_server(void)
{
	const struct sim_mailbox *mailbox = sim_mailbox("INBOX");
	size_t index = 0;

	assert_int_equal(mailbox->uid_next, uid_next);
	for (uint32_t uid = 1; uid < uid_next; uid++) {
		if (!truth[uid].is_there)
			continue;
		assert_true(index < mailbox->message_count);
		assert_int_equal(mailbox->messages[index].uid, uid);
		assert_int_equal(mailbox->messages[index++].system_flags,
			truth[uid].flags);
	}
	assert_int_equal(index, mailbox->message_count);
	assert_int_equal(index + mailbox->gone_count, uid_next - 1);
}

static void check_client(struct client *client)
{
	unsigned index = 0;

	say(client, "c NOOP");
	learn(client);
	for (uint32_t uid = 1; uid < uid_next; uid++) {
		if (!truth[uid].is_there)
			continue;
		assert_true(index < client->count);
		assert_int_equal(client->view[index].uid, uid);
		assert_int_equal(client->view[index++].flags, truth[uid].flags);
	}
	assert_int_equal(index, client->count);
}

static void open_client(struct client *client, bool has_qresync)
{
	memset(client, 0, sizeof(*client));
	client->connection = dialogue_connect();
	client->has_qresync = has_qresync;
	say(client, "l LOGIN me x");
	if (has_qresync)
		say(client, "e ENABLE QRESYNC");
	expect_answer(client->connection, "s SELECT INBOX", "s OK");
}

static void test_random_acts_are_told_in_full(void **state)
{
	(void)state;
	for (uint32_t story = 1; story <= story_count; story++) {
		dialogue_begin(SIM_ABILITIES_ALL,
			choose(2) == 0 ? 0 : SIM_LATE_VANISHED);
		plain_seam_init(story);
		random_state = story * UINT64_C(0x9e3779b97f4a7c15);
		memset(truth, 0, sizeof(truth));
		uid_next = 1;
		open_client(&clients[0], false);
		open_client(&clients[1], true);
		for (unsigned i = 0; i < STEP_COUNT; i++) {
			act();
			check_server();
		}
		sim_server_set_quirks(0);
		for (unsigned i = 0; i < 2; i++)
			check_client(&clients[i]);
		dialogue_end();
	}
}

/* ---- With everything wrong ---- */

static void check_whole(const struct sim_mailbox *mailbox)
{
	uint32_t uid = 0;

	for (size_t i = 0; i < mailbox->message_count; i++) {
		const struct sim_message *message = &mailbox->messages[i];

		assert_in_range(message->uid, uid + 1, mailbox->uid_next - 1);
		assert_in_range(message->modseq, 1, mailbox->highest_modseq);
		assert_non_null(message->body);
		uid = message->uid;
	}
	for (size_t i = 1; i < mailbox->gone_count; i++)
		assert_true(
			mailbox->gone[i - 1].modseq < mailbox->gone[i].modseq);
}

static struct sim_connection *connect_again(void)
{
	struct sim_connection *connection = sim_connection_open();

	(void)dialogue(connection, "l LOGIN me x");
	if (choose(2) == 0)
		(void)dialogue(connection, "e ENABLE QRESYNC");
	(void)dialogue(connection,
		choose(2) == 0 ? "s SELECT INBOX"
			       : "s SELECT Work (QRESYNC "
				 "(1001 1))");
	return connection;
}

static void act_with_quirks(struct sim_connection **connection)
{
	static const char *const LINES[] = { "a UID FETCH 1:* (FLAGS MODSEQ)",
		"a UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 3 VANISHED)",
		"a UID STORE 2:7 (UNCHANGEDSINCE 20) +FLAGS (\\Deleted cat)",
		"a UID STORE 1:3 -FLAGS.SILENT (\\Deleted)",
		"a UID EXPUNGE 4:7", "a UID MOVE 3:6 Work",
		"a UID MOVE 3:6 INBOX", "a UID COPY 1:3 INBOX",
		"a SELECT INBOX (QRESYNC (1000 3))", "a IDLE", "DONE",
		"a LIST \"\" * RETURN (STATUS (MESSAGES HIGHESTMODSEQ))",
		"a APPEND INBOX {1}", "x", "a APPEND Work {2+}\r\nxy {1+}\r\nz",
		"a APPEND INBOX {3+}\r\nxyz", "a UID SEARCH ALL",
		"a UID FETCH 1:9 (BODY.PEEK[])" };

	if (choose(8) == 0) {
		sim_connection_close(*connection);
		*connection = connect_again();
	}
	if (choose(8) == 0)
		(void)sim_renumber("Work");
	if (choose(4) == 0)
		(void)sim_deliver("INBOX", "x", 1, 0, 0);
	if (choose(4) == 0)
		(void)sim_expunge("INBOX", sim_mailbox("INBOX")->uid_next - 1);
	(void)dialogue(
		*connection, LINES[choose(sizeof(LINES) / sizeof(*LINES))]);
	sim_connection_notify(*connection);
}

static void test_a_server_with_every_quirk_stays_whole(void **state)
{
	(void)state;
	for (uint32_t story = 1; story <= story_count; story++) {
		struct sim_connection *connection;

		dialogue_begin(SIM_ABILITIES_ALL, 0);
		plain_seam_init(story);
		sim_server_set_quirks(SIM_QUIRKS_ALL);
		random_state = story * UINT64_C(0x9e3779b97f4a7c15);
		connection = connect_again();
		for (unsigned i = 0; i < STEP_COUNT; i++) {
			act_with_quirks(&connection);
			check_whole(sim_mailbox("INBOX"));
			check_whole(sim_mailbox("Work"));
		}
		dialogue_end();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_acts_are_told_in_full),
		cmocka_unit_test(test_a_server_with_every_quirk_stays_whole),
	};

	if (argc == 2 &&
		!number_parse_u32(argv[1], strlen(argv[1]), &story_count))
		return 64;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
