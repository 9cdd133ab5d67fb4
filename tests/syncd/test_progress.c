#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/progress.h"

static void test_counts_sizes_and_times_read_well(void **state)
{
	static const struct {
		uint64_t number;
		const char *count, *size, *time;
	} CASES[] = {
		{ 0, "0", "0 kB", "0 s" },
		{ 999, "999", "1.0 kB", "17 min" },
		{ 1000, "1,000", "1.0 kB", "17 min" },
		{ 12345, "12,345", "12 kB", "3 h" },
		{ 999499, "999,499", "999 kB", "12 days" },
		{ 999500, "999,500", "1.0 MB", "12 days" },
		{ 45600000, "45,600,000", "46 MB", "528 days" },
		{ 1234567890, "1,234,567,890", "1.2 GB", "14289 days" },
	};
	struct buf text = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		progress_write_count(CASES[i].number, &text);
		assert_string_equal(buf_text(&text), CASES[i].count);
		buf_clear(&text);
		progress_write_size(CASES[i].number, &text);
		assert_string_equal(buf_text(&text), CASES[i].size);
		buf_clear(&text);
		progress_write_time(CASES[i].number, &text);
		assert_string_equal(buf_text(&text), CASES[i].time);
		buf_clear(&text);
	}
	buf_finish(&text);
}

static void test_a_line_tells_what_is_known(void **state)
{
	static const struct {
		struct progress_numbers numbers;
		const char *text;
	} CASES[] = {
		{ { NULL, 0, 0, 0, 0, 0 }, "looking" },
		{ { "INBOX", 0, 0, 0, 0, 0 }, "INBOX" },
		{ { "INBOX", 0, 1, 0, 0, 0 }, "INBOX: 0 of 1 message" },
		{ { "INBOX", 12, 6046, 1200000, 45000000, 0 },
			"INBOX: 12 of 6,046 messages, 1.2 MB of 45 MB" },
		{ { "INBOX", 12, 6046, 5000000, 45000000, 8e6 },
			"INBOX: 12 of 6,046 messages, 5.0 MB of 45 MB, "
			"8.0 MB/s, 5 s left" },
		{ { "a\033[2Jb", 0, 0, 0, 0, 0 }, "a?[2Jb" },
	};
	struct buf text = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		buf_clear(&text);
		progress_write(&CASES[i].numbers, &text);
		assert_string_equal(buf_text(&text), CASES[i].text);
	}
	buf_finish(&text);
}

static void expect_summary(json_t *summary, const char *expected)
{
	struct buf text = { 0 };

	progress_write_summary(summary, &text);
	assert_string_equal(buf_text(&text), expected);
	buf_finish(&text);
	json_decref(summary);
}

static void test_a_summary_has_these_words(void **state)
{
	(void)state;
	expect_summary(json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f}",
			       "downloaded", 12, "uploaded", 3, "flagged", 4,
			       "moved", 1, "deleted", 0, "failed", 0, "held", 0,
			       "seconds", 1.26),
		"12 new here, 3 new there, 4 flags, 1 moved, 0 deleted "
		"(1.3 s)");
	expect_summary(json_pack("{s:i, s:i, s:i, s:f}", "flagged", 1, "failed",
			       2, "held", 1500, "seconds", 0.0),
		"0 new here, 0 new there, 1 flag, 0 moved, 0 deleted, "
		"2 failed, 1,500 deletions held (0.0 s)");
	expect_summary(json_object(),
		"0 new here, 0 new there, 0 flags, 0 moved, 0 deleted (0.0 s)");
}

/* ---- Drawing, into a pipe ---- */

static json_t *message(int done)
{
	return json_pack("{s:s, s:i, s:i, s:i, s:i}", "mailbox", "INBOX",
		"done_messages", done, "all_messages", 100, "done_bytes",
		done * 1000, "all_bytes", 100000);
}

static void take(struct progress *progress, int done, uint64_t now_ms)
{
	json_t *each = message(done);

	progress_take(progress, "home", each, now_ms);
	json_decref(each);
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	while ((text = strstr(text, part)) != NULL) {
		count++;
		text++;
	}
	return count;
}

static void draw_for_a_minute(bool is_terminal, char *text, size_t size)
{
	struct progress *progress;
	ssize_t got;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	progress = progress_new(ends[1], is_terminal);
	for (int i = 0; i < 100; i++)
		take(progress, i, 1000 + (uint64_t)i * 600);
	progress_free(progress);
	close(ends[1]);
	got = read(ends[0], text, size - 1);
	close(ends[0]);
	assert_true(got > 0);
	text[got] = '\0';
}

static void test_off_a_terminal_there_is_a_line_each_half_minute(void **state)
{
	char text[65536];

	(void)state;
	draw_for_a_minute(false, text, sizeof(text));
	assert_int_equal(count_of(text, "home: INBOX: "), 2);
	assert_int_equal(count_of(text, "\033"), 0);
	assert_int_equal(count_of(text, "\r"), 0);
}

static void test_on_a_terminal_one_line_is_drawn_again(void **state)
{
	char text[65536];

	(void)state;
	draw_for_a_minute(true, text, sizeof(text));
	assert_int_equal(count_of(text, "home: INBOX: "), 100);
	assert_int_equal(count_of(text, "\033[A\r\033[K"), 100);
	assert_int_equal(count_of(text, "1.7 kB/s"), 98);
}

static void test_a_terminal_is_not_drawn_on_too_often(void **state)
{
	struct progress *progress;
	char text[4096] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	progress = progress_new(ends[1], true);
	for (int i = 0; i < 100; i++)
		take(progress, i, 1000 + (uint64_t)i * 10);
	progress_free(progress);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_int_equal(count_of(text, "INBOX"), 4);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_sizes_and_times_read_well),
		cmocka_unit_test(test_a_line_tells_what_is_known),
		cmocka_unit_test(test_a_summary_has_these_words),
		cmocka_unit_test(
			test_off_a_terminal_there_is_a_line_each_half_minute),
		cmocka_unit_test(test_on_a_terminal_one_line_is_drawn_again),
		cmocka_unit_test(test_a_terminal_is_not_drawn_on_too_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
