/* What a command says on the wire, read back by a small reader that shares no
   code with the writer: no argument may end a line or change another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/number.h"
#include "proto/imap_command_parts.h"
#include "tests/proto/dialogue.h"

/* Sends the command and grants every literal. */
static void write_command(struct imap_command *command,
	const char *capabilities, struct buf *wire)
{
	struct dialogue d = { .piece = 0 };
	const uint8_t *data;
	size_t size;

	dialogue_open_greeted(&d, capabilities);
	dialogue_send(&d, command);
	while ((size = imap_session_output(d.session, &data)) > 0) {
		buf_add(wire, data, size);
		imap_session_sent(d.session, size);
		dialogue_serve(&d, "+ go\r\n");
	}
	dialogue_expect_events(&d, "");
	dialogue_close(&d);
}

struct reader {
	const char *text;
	const char *end;
	bool allows_plus;
};

static void expect_text(struct reader *reader, const char *text)
{
	size_t size = strlen(text);

	assert_true((size_t)(reader->end - reader->text) >= size);
	assert_memory_equal(reader->text, text, size);
	reader->text += size;
}

static void read_quoted(struct reader *reader, struct buf *out)
{
	for (reader->text++; *reader->text != '"'; reader->text++) {
		assert_true(reader->text < reader->end);
		assert_true(*reader->text >= 0x20 && *reader->text < 0x7f);
		if (*reader->text == '\\') {
			reader->text++;
			assert_true(
				*reader->text == '\\' || *reader->text == '"');
		}
		buf_add_byte(out, (uint8_t)*reader->text);
	}
	reader->text++;
}

static void read_literal(struct reader *reader, struct buf *out)
{
	const char *digits = reader->text + 1;
	size_t count = strspn(digits, "0123456789");
	uint32_t size;

	assert_true(number_parse_u32(digits, count, &size));
	reader->text = digits + count;
	if (*reader->text == '+') {
		assert_true(reader->allows_plus);
		reader->text++;
	}
	expect_text(reader, "}\r\n");
	assert_true(size <= (size_t)(reader->end - reader->text));
	buf_add(out, reader->text, size);
	reader->text += size;
}

static void read_string(struct reader *reader, struct buf *out)
{
	size_t size;

	if (*reader->text == '"') {
		read_quoted(reader, out);
		return;
	}
	if (*reader->text == '{') {
		read_literal(reader, out);
		return;
	}
	/* ASTRING-CHAR (RFC 9051, 9) */
	size = strcspn(reader->text, "(){ %*\"\\\r\n");
	assert_true(size > 0);
	buf_add(out, reader->text, size);
	reader->text += size;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Mostly octets that mean something to a parser. */
static void add_random(struct buf *out, uint32_t *seed)
{
	static const char MEANING[] = "\r\n\0\"\\{}+()*% ~]&aNIL1\x80\xff";
	size_t size = next_random(seed) % 40;

	if (next_random(seed) % 50 == 0)
		size = next_random(seed) % 12000;
	for (size_t i = 0; i < size; i++) {
		uint32_t random = next_random(seed);

		buf_add_byte(out,
			random % 4 == 0 ? (uint8_t)(random >> 8)
					: (uint8_t)MEANING[(random >> 8) %
						  (sizeof(MEANING) - 1)]);
	}
}

static void check_round_trip(const char *capabilities, uint32_t *seed)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "X (A");
	struct buf strings[4] = { 0 };
	size_t count = 1 + next_random(seed) % ARRAY_LENGTH(strings);
	struct buf wire = { 0 };
	struct reader reader;

	for (size_t i = 0; i < count; i++) {
		add_random(&strings[i], seed);
		if (next_random(seed) % 2 == 0)
			imap_command_add_string(
				command, strings[i].data, strings[i].size);
		else
			imap_command_add_secret(
				command, strings[i].data, strings[i].size);
	}
	imap_command_append_text(command, ")");
	write_command(command, capabilities, &wire);

	reader = (struct reader){ buf_text(&wire), buf_text(&wire) + wire.size,
		strcmp(capabilities, "X") != 0 };
	expect_text(&reader, "t1 X (A");
	for (size_t i = 0; i < count; i++) {
		struct buf read = { 0 };

		expect_text(&reader, " ");
		read_string(&reader, &read);
		assert_int_equal(read.size, strings[i].size);
		if (read.size > 0)
			assert_memory_equal(
				read.data, strings[i].data, read.size);
		buf_finish(&read);
		buf_finish(&strings[i]);
	}
	expect_text(&reader, ")\r\n");
	assert_true(reader.text == reader.end);
	buf_finish(&wire);
}

static void test_every_argument_is_read_back_as_given(void **state)
{
	static const char *const CAPABILITIES[] = { "X", "LITERAL+",
		"LITERAL-" };
	uint32_t seed = 4711;

	(void)state;
	for (unsigned i = 0; i < 6000; i++)
		check_round_trip(CAPABILITIES[i % 3], &seed);
}

static void expect_wire(struct imap_command *command, const char *expected)
{
	struct buf wire = { 0 };

	write_command(command, "X", &wire);
	assert_string_equal(buf_text(&wire), expected);
	buf_finish(&wire);
}

static void test_the_shortest_safe_form_is_chosen(void **state)
{
	static const struct {
		const char *string;
		const char *wire;
	} CASES[] = {
		{ "INBOX", "t1 X INBOX\r\n" },
		{ "Work/2024", "t1 X Work/2024\r\n" },
		{ "&AOk-", "t1 X &AOk-\r\n" },
		{ "me+tag@example.org", "t1 X me+tag@example.org\r\n" },
		{ "", "t1 X \"\"\r\n" },
		{ "NIL", "t1 X \"NIL\"\r\n" },
		{ "nil", "t1 X \"nil\"\r\n" },
		{ "Sent Items", "t1 X \"Sent Items\"\r\n" },
		{ "[Gmail]/All Mail", "t1 X \"[Gmail]/All Mail\"\r\n" },
		{ "*", "t1 X \"*\"\r\n" },
		{ "a\"b\\c", "t1 X \"a\\\"b\\\\c\"\r\n" },
		{ "{5}", "t1 X \"{5}\"\r\n" },
		{ "a\nb", "t1 X {3}\r\na\nb\r\n" },
		{ "a\tb", "t1 X {3}\r\na\tb\r\n" },
		{ "\xc3\xa9", "t1 X {2}\r\n\xc3\xa9\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct imap_command *command =
			imap_command_new(IMAP_COMMAND_PLAIN, "X");

		imap_command_add_string(
			command, CASES[i].string, strlen(CASES[i].string));
		expect_wire(command, CASES[i].wire);
	}
}

static void test_blanks_stand_where_they_belong(void **state)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "SELECT");

	(void)state;
	imap_command_add_string(command, "a(", 2);
	imap_command_add_words(command, "(QRESYNC (");
	imap_command_add_number(command, 18446744073709551615U);
	imap_command_add_number(command, 0);
	imap_command_append_text(command, "))");
	expect_wire(command,
		"t1 SELECT \"a(\" (QRESYNC (18446744073709551615 0))\r\n");

	/* A literal that ends in '(' is no parenthesis. */
	command = imap_command_new(IMAP_COMMAND_PLAIN, "X");
	imap_command_add_string(command, "\n(", 2);
	imap_command_add_words(command, "Y");
	expect_wire(command, "t1 X {2}\r\n\n( Y\r\n");
}

static void test_lines_stay_short(void **state)
{
	struct uid_set uids = { 0 };
	size_t range_index = 0;
	uint32_t next = 1;
	bool is_complete;

	(void)state;
	for (uint32_t uid = 1; uid < 20000; uid += 2)
		uid_set_add(&uids, 4294900000U + uid);
	do {
		struct imap_command *command =
			imap_command_new(IMAP_COMMAND_PLAIN, "UID STORE");
		struct buf wire = { 0 };
		char *text;

		is_complete =
			imap_command_add_uids(command, &uids, &range_index);
		imap_command_add_words(command, "+FLAGS.SILENT (\\Seen)");
		write_command(command, "X", &wire);
		assert_true(wire.size < IMAP_COMMAND_LINE_MAX);
		assert_true(is_complete || wire.size > 5000);

		/* Each UID once, in order. */
		text = (char *)wire.data + strlen("t1 UID STORE ");
		while (*text != ' ') {
			size_t size = strspn(text, "0123456789");
			uint32_t uid;

			assert_true(number_parse_u32(text, size, &uid));
			assert_int_equal(uid, 4294900000U + next);
			next += 2;
			text += size + (text[size] == ',');
		}
		buf_finish(&wire);
	} while (!is_complete);
	assert_int_equal(next, 20001);
	uid_set_finish(&uids);
}

static void test_many_long_strings_become_literals(void **state)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "X");
	struct buf wire = { 0 };
	char text[990];
	const char *line;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (unsigned i = 0; i < 40; i++)
		imap_command_add_string(command, text, sizeof(text));
	write_command(command, "X", &wire);
	for (line = buf_text(&wire); line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');

		assert_true(end != NULL && end - line < IMAP_COMMAND_LINE_MAX);
		line = end + 1;
	}
	buf_finish(&wire);
}

/* Never less than what goes over the wire, and not much more. */
static void test_text_is_counted_without_literals(void **state)
{
	static const char quoted[] = "quoted \"and\\ escaped";
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");
	struct buf wire = { 0 };
	size_t literal_size = 0, size;

	(void)state;
	imap_command_add_string(command, quoted, strlen(quoted));
	for (int i = 0; i < 20; i++) {
		imap_command_add_words(command, "(\\Seen) \"date\"");
		imap_command_add_string(command, "a\nb", 3);
		literal_size += 3;
	}
	size = imap_command_text_size(command);
	write_command(command, NULL, &wire);
	assert_true(size + literal_size + 2 >= wire.size);
	assert_true(size + literal_size <= wire.size + 20 * 25);
	buf_finish(&wire);
}

static void test_a_stream_counts_as_what_announces_it(void **state)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");
	size_t size = imap_command_text_size(command);

	(void)state;
	imap_command_add_stream(command, UINT64_MAX);
	assert_int_equal(imap_command_text_size(command),
		size + strlen(" {18446744073709551615+}\r\n"));
	imap_command_free(command);
}

static void test_a_secret_keeps_to_itself(void **state)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_LOGIN, "LOGIN");

	(void)state;
	imap_command_add_string(command, "me", 2);
	imap_command_add_secret(command, "pass word", 9);
	imap_command_add_words(command, "X");
	assert_int_equal(command->part_count, 4);
	assert_true(command->parts[2].is_secret);
	assert_string_equal(buf_text(&command->parts[2].data), "\"pass word\"");
	assert_false(command->parts[3].is_secret);
	expect_wire(command, "t1 LOGIN me \"pass word\" X\r\n");
}

static void test_nothing_to_free_is_fine(void **state)
{
	(void)state;
	imap_command_free(NULL);
	imap_session_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_argument_is_read_back_as_given),
		cmocka_unit_test(test_the_shortest_safe_form_is_chosen),
		cmocka_unit_test(test_blanks_stand_where_they_belong),
		cmocka_unit_test(test_lines_stay_short),
		cmocka_unit_test(test_many_long_strings_become_literals),
		cmocka_unit_test(test_text_is_counted_without_literals),
		cmocka_unit_test(test_a_stream_counts_as_what_announces_it),
		cmocka_unit_test(test_a_secret_keeps_to_itself),
		cmocka_unit_test(test_nothing_to_free_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
