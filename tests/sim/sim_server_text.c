/* Octets and sets of numbers, on malloc. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_server_internal.h"

void *sim_alloc(size_t count, size_t size)
{
	void *memory = calloc(count == 0 ? 1 : count, size);

	if (memory == NULL)
		abort();
	return memory;
}

void *sim_resize(void *memory, size_t count, size_t size)
{
	void *resized = realloc(memory, (count == 0 ? 1 : count) * size);

	if (resized == NULL)
		abort();
	return resized;
}

char *sim_copy_text(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(sim_alloc(1, size), text, size);
}

/* ---- Octets ---- */

void sim_text_reserve(struct sim_text *text, size_t size)
{
	if (text->size + size < text->capacity)
		return;
	text->capacity = (text->size + size + 1) * 2;
	text->data = sim_resize(text->data, text->capacity, 1);
	text->data[text->size] = '\0';
}

void sim_text_add(struct sim_text *text, const void *data, size_t size)
{
	sim_text_reserve(text, size);
	if (size > 0)
		memcpy(text->data + text->size, data, size);
	text->size += size;
	text->data[text->size] = '\0';
}

void sim_text_put(struct sim_text *text, const char *words)
{
	sim_text_add(text, words, strlen(words));
}

void sim_text_format(struct sim_text *text, const char *format, ...)
{
	va_list arguments, again;
	int size;

	va_start(arguments, format);
	va_copy(again, arguments);
	size = vsnprintf(NULL, 0, format, arguments);
	if (size < 0)
		abort();
	sim_text_reserve(text, (size_t)size);
	(void)vsnprintf(
		text->data + text->size, (size_t)size + 1, format, again);
	text->size += (size_t)size;
	va_end(again);
	va_end(arguments);
}

void sim_text_quote(struct sim_text *text, const char *words)
{
	sim_text_put(text, "\"");
	for (; *words != '\0'; words++) {
		if (*words == '"' || *words == '\\')
			sim_text_put(text, "\\");
		sim_text_add(text, words, 1);
	}
	sim_text_put(text, "\"");
}

void sim_text_clear(struct sim_text *text)
{
	text->size = 0;
	if (text->data != NULL)
		text->data[0] = '\0';
}

void sim_text_finish(struct sim_text *text)
{
	free(text->data);
	*text = (struct sim_text){ 0 };
}

/* ---- Sets ---- */

void sim_set_add_range(struct sim_set *set, uint32_t first, uint32_t last)
{
	if (set->count == set->capacity) {
		set->capacity = set->capacity * 2 + 8;
		set->ranges = sim_resize(
			set->ranges, set->capacity, sizeof(*set->ranges));
	}
	assert(set->ranges != NULL);
	set->ranges[set->count++] = (struct sim_range){ first, last };
}

void sim_set_add(struct sim_set *set, uint32_t number)
{
	struct sim_range *last =
		set->count > 0 ? &set->ranges[set->count - 1] : NULL;

	if (last != NULL && last->last + 1 == number)
		last->last = number;
	else
		sim_set_add_range(set, number, number);
}

bool sim_set_contains(const struct sim_set *set, uint32_t number)
{
	for (size_t i = 0; i < set->count; i++)
		if (number >= set->ranges[i].first &&
			number <= set->ranges[i].last)
			return true;
	return false;
}

void sim_set_write(const struct sim_set *set, struct sim_text *text)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct sim_range *range = &set->ranges[i];

		sim_text_format(text, "%s%u", i == 0 ? "" : ",",
			(unsigned)range->first);
		if (range->last != range->first)
			sim_text_format(text, ":%u", (unsigned)range->last);
	}
}

void sim_set_finish(struct sim_set *set)
{
	free(set->ranges);
	*set = (struct sim_set){ 0 };
}
