#include "config/source.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "config/mask.h"

#define SHOWN_MAX 100 /* characters of a line that are shown */
#define MASK      " ***"
#define CUT       "..."

/* Line ends of YAML 1.1, as libyaml counts them. */
static size_t line_end_size(const char *text, size_t size)
{
	if (size >= 2 && memcmp(text, "\r\n", 2) == 0)
		return 2;
	if (text[0] == '\n' || text[0] == '\r')
		return 1;
	if (size >= 2 && memcmp(text, "\xc2\x85", 2) == 0)
		return 2;
	if (size >= 3 &&
		(memcmp(text, "\xe2\x80\xa8", 3) == 0 ||
			memcmp(text, "\xe2\x80\xa9", 3) == 0))
		return 3;
	return 0;
}

bool source_next(struct source *source, struct source_line *line_out)
{
	size_t size = 0;
	size_t end_size = 0;

	if (source->size == 0)
		return false;
	while (size < source->size) {
		end_size =
			line_end_size(source->text + size, source->size - size);
		if (end_size > 0)
			break;
		size++;
	}
	*line_out = (struct source_line){ source->text, size };
	source->text += size + end_size;
	source->size -= size + end_size;
	return true;
}

size_t source_character_size(const char *text, size_t size)
{
	for (size_t length = 1; length <= 4 && length <= size; length++)
		if (text_is_utf8(text, length))
			return length;
	return 1;
}

void source_locate(struct source source, size_t offset, uint32_t *line_out,
	uint32_t *column_out)
{
	const char *target = source.text + offset;
	struct source_line line = { source.text, 0 };
	uint32_t line_number = 0;
	uint32_t column = 1;

	while (source.text <= target && source_next(&source, &line))
		line_number++;
	for (const char *text = line.text; text < target; column++)
		text += source_character_size(text, (size_t)(target - text));
	*line_out = line_number > 0 ? line_number : 1;
	*column_out = column;
}

static size_t column_offset(const struct source_line *line, uint32_t column)
{
	size_t offset = 0;

	for (uint32_t i = 1; i < column && offset < line->size; i++)
		offset += source_character_size(
			line->text + offset, line->size - offset);
	return offset;
}

char source_character(struct source source, uint32_t line, uint32_t column)
{
	struct source_line found = { source.text, 0 };
	size_t offset;

	for (uint32_t i = 0; i < line; i++)
		if (!source_next(&source, &found))
			return '\0';
	offset = column_offset(&found, column);
	return offset < found.size ? found.text[offset] : '\0';
}

static uint32_t count_characters(const char *text, size_t size)
{
	uint32_t count = 0;

	for (size_t offset = 0; offset < size; count++)
		offset += source_character_size(text + offset, size - offset);
	return count;
}

/* One character of the file: always one character on the screen, so that the
   caret stays right. */
static void show_character(struct buf *text, const char *bytes, size_t size)
{
	char character[5] = { 0 };

	memcpy(character, bytes, size);
	if (character[0] == '\t')
		character[0] = ' ';
	text_make_printable(character);
	/* A C1 control of two octets becomes two. */
	if (size > 1 && character[0] == '?')
		character[1] = '\0';
	if (character[0] == '\0')
		character[0] = '?';
	buf_add_text(text, character);
}

/* Of a long line, the part around the problem. */
static void show_line(struct config_problem *problem,
	const struct source_line *line, size_t shown)
{
	struct buf text = { 0 };
	uint32_t caret = problem->column > 0 ? problem->column - 1 : 0;
	uint32_t first = caret > SHOWN_MAX - 10 ? caret - SHOWN_MAX / 2 : 0;
	size_t offset;

	if (shown < line->size) {
		uint32_t end = count_characters(line->text, shown);

		if (caret > end)
			caret = end + 1;
		first = first > end ? end : first;
	}
	offset = column_offset(line, first + 1);
	if (first > 0)
		buf_add_text(&text, CUT);
	problem->caret = caret - first + (uint32_t)text.size;
	for (uint32_t i = 0; i < SHOWN_MAX && offset < shown; i++) {
		size_t size = source_character_size(
			line->text + offset, shown - offset);

		show_character(&text, line->text + offset, size);
		offset += size;
	}
	if (offset < shown)
		buf_add_text(&text, CUT);
	else if (shown < line->size)
		buf_add_text(&text, MASK);
	free(problem->source);
	problem->source = buf_steal(&text);
}

void source_attach(struct source source, struct config_problems *problems)
{
	struct mask mask = { 0 };
	struct source_line line;
	uint32_t number = 0;
	size_t i = 0;

	while (i < problems->count && problems->items[i].line == 0)
		i++;
	while (i < problems->count && source_next(&source, &line)) {
		size_t shown = mask_line(&mask, &line);

		number++;
		for (; i < problems->count && problems->items[i].line == number;
			i++)
			show_line(&problems->items[i], &line, shown);
	}
}
