#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/progress.h"

void progress_write_count(uint64_t count, struct buf *text)
{
	char digits[32];
	int size = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int i = 0; i < size; i++) {
		if (i > 0 && (size - i) % 3 == 0)
			buf_add_byte(text, ',');
		buf_add_byte(text, (uint8_t)digits[i]);
	}
}

void progress_write_size(uint64_t size, struct buf *text)
{
	static const char *const UNITS[] = { "kB", "MB", "GB", "TB" };
	double number = (double)size / 1000;
	size_t unit = 0;

	while (number >= 999.5 && unit + 1 < ARRAY_LENGTH(UNITS)) {
		number /= 1000;
		unit++;
	}
	buf_add_format(text,
		number >= 9.95 || size == 0 ? "%.0f %s" : "%.1f %s", number,
		UNITS[unit]);
}

void progress_write_time(uint64_t seconds, struct buf *text)
{
	if (seconds < 100)
		buf_add_format(text, "%" PRIu64 " s", seconds);
	else if (seconds < 100 * 60)
		buf_add_format(text, "%" PRIu64 " min", (seconds + 30) / 60);
	else if (seconds < 48 * 3600)
		buf_add_format(text, "%" PRIu64 " h", (seconds + 1800) / 3600);
	else
		buf_add_format(
			text, "%" PRIu64 " days", (seconds + 43200) / 86400);
}

static void write_printable(const char *words, struct buf *text)
{
	char *copy = alloc_text(words);

	text_make_printable(copy);
	buf_add_text(text, copy);
	free(copy);
}

static void write_rate(const struct progress_numbers *numbers, struct buf *text)
{
	double rate = numbers->bytes_per_second;
	uint64_t left = 0;

	if (rate < 1)
		return;
	buf_add_text(text, ", ");
	progress_write_size((uint64_t)rate, text);
	buf_add_text(text, "/s");
	if (numbers->all_bytes > numbers->done_bytes)
		left = numbers->all_bytes - numbers->done_bytes;
	if (left == 0)
		return;
	buf_add_text(text, ", ");
	progress_write_time((uint64_t)ceil((double)left / rate), text);
	buf_add_text(text, " left");
}

void progress_write(const struct progress_numbers *numbers, struct buf *text)
{
	if (numbers->mailbox != NULL)
		write_printable(numbers->mailbox, text);
	else
		buf_add_text(text, "looking");
	if (numbers->all_messages == 0)
		return;
	buf_add_text(text, ": ");
	progress_write_count(numbers->done_messages, text);
	buf_add_text(text, " of ");
	progress_write_count(numbers->all_messages, text);
	buf_add_text(
		text, numbers->all_messages == 1 ? " message" : " messages");
	if (numbers->all_bytes == 0)
		return;
	buf_add_text(text, ", ");
	progress_write_size(numbers->done_bytes, text);
	buf_add_text(text, " of ");
	progress_write_size(numbers->all_bytes, text);
	write_rate(numbers, text);
}

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value < 0 ? 0 : (uint64_t)value;
}

void progress_write_summary(const json_t *summary, struct buf *text)
{
	/* Words behind the number; the last two only when there are any. */
	static const struct {
		const char *key, *one, *many;
		bool is_always;
	} PARTS[] = {
		{ "downloaded", "new here", "new here", true },
		{ "uploaded", "new there", "new there", true },
		{ "flagged", "flag", "flags", true },
		{ "moved", "moved", "moved", true },
		{ "deleted", "deleted", "deleted", true },
		{ "failed", "failed", "failed", false },
		{ "held", "deletion held", "deletions held", false },
	};
	bool is_first = true;

	for (size_t i = 0; i < ARRAY_LENGTH(PARTS); i++) {
		uint64_t count = number(summary, PARTS[i].key);

		if (count == 0 && !PARTS[i].is_always)
			continue;
		if (!is_first)
			buf_add_text(text, ", ");
		is_first = false;
		progress_write_count(count, text);
		buf_add_format(
			text, " %s", count == 1 ? PARTS[i].one : PARTS[i].many);
	}
	buf_add_format(text, " (%.1f s)",
		json_number_value(json_object_get(summary, "seconds")));
}
