#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"

void config_problems_init(struct config_problems *problems)
{
	*problems = (struct config_problems){ 0 };
}

void config_problems_finish(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		free(problems->items[i].message);
		free(problems->items[i].source);
	}
	free(problems->items);
	free(problems->path);
	config_problems_init(problems);
}

void problem_add(struct config_problems *problems, uint32_t line,
	uint32_t column, const char *format, ...)
{
	struct config_problem problem = { .line = line, .column = column };
	char message[ERROR_MESSAGE_SIZE];
	va_list arguments;

	if (problems->count == CONFIG_PROBLEM_COUNT_MAX) {
		problems->dropped_count++;
		return;
	}
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	text_make_printable(message);

	problem.message = alloc_text(message);
	problems->items = alloc_resize(
		problems->items, problems->count + 1, sizeof(*problems->items));
	problems->items[problems->count++] = problem;
}

static bool is_before(
	const struct config_problem *a, const struct config_problem *b)
{
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

/* Few, nearly sorted, and those of one position must keep their order. */
static void sort(struct config_problems *problems)
{
	struct config_problem *items = problems->items;

	for (size_t i = 1; i < problems->count; i++) {
		struct config_problem problem = items[i];
		size_t j = i;

		for (; j > 0 && is_before(&problem, &items[j - 1]); j--)
			items[j] = items[j - 1];
		items[j] = problem;
	}
}

void problem_finish_all(struct config_problems *problems, struct source source)
{
	sort(problems);
	source_attach(source, problems);
}

static void write_problem(const char *path,
	const struct config_problem *problem, struct buf *text)
{
	if (problem->line == 0) {
		buf_add_format(text, "%s: %s\n", path, problem->message);
		return;
	}
	buf_add_format(text, "%s:%u:%u: %s\n", path, problem->line,
		problem->column, problem->message);
	if (problem->source != NULL)
		buf_add_format(text, "%s\n%*s^\n", problem->source,
			(int)problem->caret, "");
}

void config_problems_write(
	const struct config_problems *problems, struct buf *text)
{
	char *path = alloc_text(problems->path != NULL ? problems->path : "");

	text_make_printable(path);
	for (size_t i = 0; i < problems->count; i++)
		write_problem(path, &problems->items[i], text);
	if (problems->dropped_count > 0)
		buf_add_format(text, "%s: %zu more problems\n", path,
			problems->dropped_count);
	free(path);
}
