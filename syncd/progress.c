#include "syncd/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"

#define WIDTH_DEFAULT 80
#define RATE_MS       1000 /* between two measurements of the rate */

struct account_line {
	char *name;
	char *mailbox; /* owned; NULL = none */
	struct progress_numbers numbers;
	uint64_t measured_ms; /* 0 = not yet */
	uint64_t measured_bytes;
	uint64_t written_ms; /* plain: the last line */
	bool is_over;
};

struct progress {
	int fd;
	bool is_terminal;
	struct account_line *lines;
	size_t count;
	size_t drawn_count; /* lines on the terminal */
	uint64_t drawn_ms;
};

/* ---- Writing ---- */

static void write_out(const struct progress *progress, const struct buf *text)
{
	size_t done = 0;

	while (done < text->size) {
		ssize_t size = write(
			progress->fd, text->data + done, text->size - done);

		/* It is for the eye only. */
		if (size <= 0)
			return;
		done += (size_t)size;
	}
}

static size_t width(const struct progress *progress)
{
	struct winsize window;

	if (ioctl(progress->fd, TIOCGWINSZ, &window) == -1 ||
		window.ws_col < 20)
		return WIDTH_DEFAULT;
	return window.ws_col;
}

/* Counts characters, not columns: wide ones are rare in mailbox names. */
static size_t cut(const struct buf *text, size_t start, size_t columns)
{
	size_t at = start;

	while (at < text->size) {
		if ((text->data[at] & 0xc0) != 0x80 && columns-- == 0)
			break;
		at++;
	}
	return at;
}

static void erase(struct progress *progress, struct buf *text)
{
	for (size_t i = 0; i < progress->drawn_count; i++)
		buf_add_text(text, "\033[A\r\033[K");
	progress->drawn_count = 0;
}

static void draw(struct progress *progress)
{
	struct buf text = { 0 };
	size_t columns = width(progress) - 1;

	erase(progress, &text);
	for (size_t i = 0; i < progress->count; i++) {
		const struct account_line *line = &progress->lines[i];
		size_t start = text.size;

		if (line->is_over)
			continue;
		buf_add_format(&text, "%s: ", line->name);
		progress_write(&line->numbers, &text);
		buf_truncate(&text, cut(&text, start, columns));
		buf_add_byte(&text, '\n');
		progress->drawn_count++;
	}
	write_out(progress, &text);
	buf_finish(&text);
}

static void write_plain(
	const struct progress *progress, const struct account_line *line)
{
	struct buf text = { 0 };

	buf_add_format(&text, "%s: ", line->name);
	progress_write(&line->numbers, &text);
	buf_add_byte(&text, '\n');
	write_out(progress, &text);
	buf_finish(&text);
}

/* ---- Numbers ---- */

static struct account_line *find(struct progress *progress, const char *name)
{
	struct account_line *line;

	for (size_t i = 0; i < progress->count; i++)
		if (strcmp(progress->lines[i].name, name) == 0)
			return &progress->lines[i];
	progress->lines = alloc_resize(
		progress->lines, progress->count + 1, sizeof(*line));
	line = &progress->lines[progress->count++];
	*line = (struct account_line){ .name = alloc_text(name) };
	return line;
}

static uint64_t number(const json_t *message, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(message, key));

	return value < 0 ? 0 : (uint64_t)value;
}

/* Smoothed, so that neither the rate nor the time left jumps about. */
static void measure(struct account_line *line, uint64_t now_ms)
{
	struct progress_numbers *numbers = &line->numbers;
	uint64_t bytes = numbers->done_bytes;
	double rate;

	if (line->measured_ms == 0 || bytes < line->measured_bytes) {
		numbers->bytes_per_second = 0;
	} else {
		if (now_ms - line->measured_ms < RATE_MS)
			return;
		rate = (double)(bytes - line->measured_bytes) * 1000 /
			(double)(now_ms - line->measured_ms);
		numbers->bytes_per_second = numbers->bytes_per_second < 1
			? rate
			: 0.7 * numbers->bytes_per_second + 0.3 * rate;
	}
	line->measured_ms = now_ms > 0 ? now_ms : 1;
	line->measured_bytes = bytes;
}

static void update(
	struct account_line *line, const json_t *message, uint64_t now_ms)
{
	const char *mailbox =
		json_string_value(json_object_get(message, "mailbox"));

	free(line->mailbox);
	line->mailbox = mailbox == NULL ? NULL : alloc_text(mailbox);
	line->numbers.mailbox = line->mailbox;
	line->numbers.done_messages = number(message, "done_messages");
	line->numbers.all_messages = number(message, "all_messages");
	line->numbers.done_bytes = number(message, "done_bytes");
	line->numbers.all_bytes = number(message, "all_bytes");
	line->is_over = false;
	measure(line, now_ms);
}

/* ---- Public ---- */

struct progress *progress_new(int fd, bool is_terminal)
{
	struct progress *progress = alloc(1, sizeof(*progress));

	progress->fd = fd;
	progress->is_terminal = is_terminal;
	return progress;
}

void progress_hide(void *data)
{
	struct progress *progress = data;
	struct buf text = { 0 };

	erase(progress, &text);
	write_out(progress, &text);
	buf_finish(&text);
}

void progress_free(struct progress *progress)
{
	if (progress == NULL)
		return;
	progress_hide(progress);
	for (size_t i = 0; i < progress->count; i++) {
		free(progress->lines[i].name);
		free(progress->lines[i].mailbox);
	}
	free(progress->lines);
	free(progress);
}

void progress_take(struct progress *progress, const char *account,
	const json_t *message, uint64_t now_ms)
{
	struct account_line *line = find(progress, account);

	update(line, message, now_ms);
	if (progress->is_terminal) {
		if (now_ms - progress->drawn_ms < PROGRESS_DRAW_MS &&
			progress->drawn_ms != 0)
			return;
		progress->drawn_ms = now_ms;
		draw(progress);
		return;
	}
	/* Nothing to say of a start that is all there is. */
	if (line->numbers.all_messages == 0 ||
		(line->written_ms != 0 &&
			now_ms - line->written_ms < PROGRESS_PLAIN_MS))
		return;
	line->written_ms = now_ms;
	write_plain(progress, line);
}

void progress_end(struct progress *progress, const char *account)
{
	find(progress, account)->is_over = true;
	if (progress->is_terminal)
		draw(progress);
}
