#include "proto/imap_command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/imap_command_parts.h"

#define QUOTED_SIZE_MAX 1000
/* Room that UIDs leave for what follows them on the line. */
#define TAIL_SIZE_MAX 2000

/* What may stand outside quotes in everybody's parser: less than RFC 9051, 9
   ASTRING-CHAR, which some servers read wrongly. */
static const char ATOM_CHARS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz"
				 "0123456789-_.:/@$&+,=";

struct imap_command *imap_command_new(
	enum imap_command_kind kind, const char *words)
{
	struct imap_command *command = alloc(1, sizeof(*command));

	command->kind = kind;
	imap_command_append_text(command, words);
	return command;
}

void imap_command_free(struct imap_command *command)
{
	if (command == NULL)
		return;

	for (size_t i = 0; i < command->part_count; i++) {
		if (command->parts[i].is_secret)
			buf_finish_secret(&command->parts[i].data);
		else
			buf_finish(&command->parts[i].data);
	}
	buf_finish_secret(&command->initial_response);
	free(command->parts);
	free(command);
}

static struct imap_part *add_part(
	struct imap_command *command, enum imap_part_kind kind)
{
	struct imap_part *part;

	if (command->part_count == command->part_capacity) {
		command->part_capacity = command->part_capacity * 2 + 4;
		command->parts = alloc_resize(command->parts,
			command->part_capacity, sizeof(*command->parts));
	}
	assert(command->parts != NULL);
	part = &command->parts[command->part_count++];
	*part = (struct imap_part){ .kind = kind };
	return part;
}

static struct imap_part *last_part(struct imap_command *command)
{
	if (command->part_count == 0)
		return NULL;
	return &command->parts[command->part_count - 1];
}

/* A secret keeps a part of its own: growing a buffer leaves copies behind. */
static struct imap_part *text_part(struct imap_command *command)
{
	struct imap_part *part = last_part(command);

	if (part == NULL || part->kind != IMAP_PART_TEXT || part->is_secret)
		part = add_part(command, IMAP_PART_TEXT);
	return part;
}

static void add_text(
	struct imap_command *command, const void *text, size_t size)
{
	buf_add(&text_part(command)->data, text, size);
	command->line_size += size;
	command->text_size += size;
}

void imap_command_append_text(struct imap_command *command, const char *text)
{
	/* Ours, never input; better no worker than an injected command. */
	if (strpbrk(text, "\r\n") != NULL)
		abort();
	add_text(command, text, strlen(text));
}

static void add_space(struct imap_command *command)
{
	const struct imap_part *part = last_part(command);

	if (part != NULL && part->kind == IMAP_PART_TEXT &&
		part->data.size > 0 &&
		part->data.data[part->data.size - 1] == '(' && !part->is_secret)
		return;
	add_text(command, " ", 1);
}

void imap_command_add_words(struct imap_command *command, const char *words)
{
	add_space(command);
	imap_command_append_text(command, words);
}

void imap_command_add_number(struct imap_command *command, uint64_t number)
{
	char digits[24];
	int size = snprintf(digits, sizeof(digits), "%" PRIu64, number);

	add_space(command);
	add_text(command, digits, (size_t)size);
}

/* NIL is an atom that some servers take for no string at all. */
static bool is_atom(const char *data, size_t size)
{
	if (size == 0 || size > QUOTED_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (memchr(ATOM_CHARS, data[i], sizeof(ATOM_CHARS) - 1) == NULL)
			return false;
	}
	return !text_equal_nocase_sized(data, size, "NIL");
}

static bool is_quotable(const char *data, size_t size)
{
	if (size >= QUOTED_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned char octet = (unsigned char)data[i];

		/* RFC 9051, 9: QUOTED-CHAR is any TEXT-CHAR; other control
		   characters are legal there but not always welcome. */
		if (octet < 0x20 || octet > 0x7e)
			return false;
	}
	return true;
}

static void quote(struct buf *text, const char *data, size_t size)
{
	buf_reserve(text, 2 * size + 2);
	buf_add_byte(text, '"');
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '"' || data[i] == '\\')
			buf_add_byte(text, '\\');
		buf_add_byte(text, (uint8_t)data[i]);
	}
	buf_add_byte(text, '"');
}

/* Puts the string into a part of its own. */
static struct imap_part *add_string_part(
	struct imap_command *command, const char *data, size_t size)
{
	bool fits = command->line_size + 2 * size + 2 <
		IMAP_COMMAND_LINE_MAX - IMAP_TAG_SIZE_MAX;
	struct imap_part *part;

	if (!fits || !is_quotable(data, size)) {
		part = add_part(command, IMAP_PART_LITERAL);
		buf_reserve(&part->data, size);
		buf_add(&part->data, data, size);
		command->line_size = 0;
		command->literal_count++;
		return part;
	}

	part = add_part(command, IMAP_PART_TEXT);
	if (is_atom(data, size)) {
		buf_reserve(&part->data, size);
		buf_add(&part->data, data, size);
	} else {
		quote(&part->data, data, size);
	}
	command->line_size += part->data.size;
	command->text_size += part->data.size;
	return part;
}

void imap_command_add_string(
	struct imap_command *command, const void *data, size_t size)
{
	add_space(command);
	(void)add_string_part(command, data, size);
}

void imap_command_add_secret(
	struct imap_command *command, const void *data, size_t size)
{
	add_space(command);
	add_string_part(command, data, size)->is_secret = true;
}

bool imap_command_add_uids(struct imap_command *command,
	const struct uid_set *uids, size_t *range_index)
{
	size_t room = IMAP_COMMAND_LINE_MAX - IMAP_TAG_SIZE_MAX - TAIL_SIZE_MAX;
	struct buf text;

	add_space(command);
	room = command->line_size < room ? room - command->line_size : 0;

	buf_init(&text);
	(void)uid_set_write(uids, range_index, room, &text);
	add_text(command, text.data, text.size);
	buf_finish(&text);
	return *range_index >= uids->range_count;
}

void imap_command_add_stream(struct imap_command *command, uint64_t size)
{
	add_space(command);
	add_part(command, IMAP_PART_STREAM)->stream_size = size;
	command->line_size = 0;
	command->literal_count++;
}

size_t imap_command_text_size(const struct imap_command *command)
{
	return IMAP_TAG_SIZE_MAX + command->text_size +
		command->literal_count * IMAP_LITERAL_HEADER_SIZE_MAX;
}

void imap_command_set_initial_response(
	struct imap_command *command, const void *data, size_t size)
{
	buf_finish_secret(&command->initial_response);
	buf_reserve(&command->initial_response, size);
	buf_add(&command->initial_response, data, size);
	command->has_initial_response = true;
}
