#include "store/folder_path.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

static const char HEX[] = "0123456789ABCDEF";

static int hex_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(HEX, c);

	return at == NULL ? -1 : (int)(at - HEX);
}

static bool is_any_hex(char c)
{
	return hex_value(c) >= 0 || (c >= 'a' && c <= 'f');
}

static bool equals(const char *text, size_t size, const char *other)
{
	return strlen(other) == size && memcmp(text, other, size) == 0;
}

/* C0, DEL, and C1 as its two UTF-8 bytes: the first one is what gets escaped,
   and the second, too. */
static bool is_control(const char *text, size_t size, size_t at)
{
	const uint8_t *bytes = (const uint8_t *)text;

	if (bytes[at] < 0x20 || bytes[at] == 0x7f)
		return true;
	if (bytes[at] == 0xc2)
		return at + 1 < size && bytes[at + 1] < 0xa0;
	return at > 0 && bytes[at - 1] == 0xc2 && bytes[at] < 0xa0;
}

static bool is_reserved(const char *text, size_t size)
{
	return equals(text, size, "cur") || equals(text, size, "new") ||
		equals(text, size, "tmp");
}

/* Must the byte at `at` of one level's real name be escaped? */
static bool needs_escape(const char *text, size_t size, size_t at)
{
	if (at == 0 && (text[0] == '.' || is_reserved(text, size)))
		return true;
	if (text[at] == '%')
		return at + 2 < size && is_any_hex(text[at + 1]) &&
			is_any_hex(text[at + 2]);
	return text[at] == '/' || is_control(text, size, at);
}

static void add_escaped(struct buf *out, char byte)
{
	buf_add_byte(out, '%');
	buf_add_byte(out, (uint8_t)HEX[(uint8_t)byte >> 4]);
	buf_add_byte(out, (uint8_t)HEX[(uint8_t)byte & 15]);
}

/* Appends the encoded form of one level. `extra` is escaped as well; 0 = no
   such byte. */
static void encode_component(
	const char *text, size_t size, char extra, struct buf *out)
{
	for (size_t i = 0; i < size; i++) {
		if (needs_escape(text, size, i) ||
			(extra != '\0' && text[i] == extra))
			add_escaped(out, text[i]);
		else
			buf_add_byte(out, (uint8_t)text[i]);
	}
}

static bool is_escape(const char *text, size_t size, size_t at)
{
	return text[at] == '%' && at + 2 < size &&
		hex_value(text[at + 1]) >= 0 && hex_value(text[at + 2]) >= 0;
}

/* Appends the real name of one encoded level. */
static void decode_component(const char *text, size_t size, struct buf *out)
{
	for (size_t i = 0; i < size; i++) {
		if (!is_escape(text, size, i)) {
			buf_add_byte(out, (uint8_t)text[i]);
			continue;
		}
		buf_add_byte(out,
			(uint8_t)((unsigned)hex_value(text[i + 1]) << 4 |
				(unsigned)hex_value(text[i + 2])));
		i += 2;
	}
}

static bool check_raw(const struct buf *raw, struct error *error)
{
	if (raw->size == 0)
		return error_set(error, ERROR_REFUSED, "it has an empty level");
	if (!text_is_utf8((const char *)raw->data, raw->size))
		return error_set(error, ERROR_REFUSED, "it is not UTF-8");
	return true;
}

/* One level: encoded bytes in, real name out, if the bytes are what encoding
   that name gives. */
static bool component_real(const char *text, size_t size, char extra,
	struct buf *raw_out, struct error *error)
{
	struct buf again = { .data = NULL };
	bool ok = false;

	buf_clear(raw_out);
	decode_component(text, size, raw_out);
	if (!check_raw(raw_out, error))
		goto out;
	encode_component(
		(const char *)raw_out->data, raw_out->size, extra, &again);
	ok = again.size == size && memcmp(buf_text(&again), text, size) == 0;
	if (!ok)
		error_set(error, ERROR_REFUSED,
			"it is not how we write this name: that is '%s'",
			buf_text(&again));
out:
	buf_finish(&again);
	return ok;
}

/* What turns the levels of one kind of name into those of another. */
struct conversion {
	char from_separator; /* 0 = there is one level */
	char to_separator;
	/* Appends the level `text` as the other kind has it. */
	bool (*component)(struct conversion *conversion, const char *text,
		size_t size, struct buf *out, struct error *error);
	size_t component_size_max;
	struct buf raw; /* scratch */
};

static size_t component_size(const char *text, char separator)
{
	const char *end = separator == '\0' ? NULL : strchr(text, separator);

	return end == NULL ? strlen(text) : (size_t)(end - text);
}

static bool convert_component(struct conversion *conversion, const char *text,
	size_t size, struct buf *out, struct error *error)
{
	size_t start = out->size;

	if (!conversion->component(conversion, text, size, out, error))
		return false;
	if (out->size - start > conversion->component_size_max)
		return error_set(error, ERROR_LIMIT,
			"a level is longer than %zu bytes",
			conversion->component_size_max);
	return true;
}

static bool convert_levels(struct conversion *conversion, const char *text,
	struct buf *out, struct error *error)
{
	for (unsigned depth = 1;; depth++) {
		size_t size = component_size(text, conversion->from_separator);

		if (depth > FOLDER_DEPTH_MAX)
			return error_set(error, ERROR_LIMIT,
				"it is deeper than %d levels",
				FOLDER_DEPTH_MAX);
		if (size > FOLDER_PATH_SIZE_MAX)
			return error_set(
				error, ERROR_LIMIT, "a level is too long");
		if (!convert_component(conversion, text, size, out, error))
			return false;
		if (text[size] == '\0')
			return true;
		if (conversion->to_separator == '\0')
			return error_set(error, ERROR_REFUSED,
				"the server has no levels");
		buf_add_byte(out, (uint8_t)conversion->to_separator);
		text += size + 1;
	}
}

/* All or nothing, and the subject in front of the reason. */
static bool convert(struct conversion *conversion, const char *text,
	struct buf *out, struct error *error)
{
	size_t start = out->size;
	bool ok = convert_levels(conversion, text, out, error);

	if (ok && out->size - start > FOLDER_PATH_SIZE_MAX)
		ok = error_set(error, ERROR_LIMIT, "it is longer than %d bytes",
			FOLDER_PATH_SIZE_MAX);
	if (!ok) {
		buf_truncate(out, start);
		error_prefix(
			error, "cannot use the folder name '%.200s'", text);
	}
	buf_finish(&conversion->raw);
	return ok;
}

static bool refuse(const char *name, const char *why, struct error *error)
{
	return error_set(error, ERROR_REFUSED,
		"cannot use the folder name '%.200s': %s", name, why);
}

static bool is_false_inbox(const char *name)
{
	return text_equal_nocase(name, FOLDER_INBOX) &&
		strcmp(name, FOLDER_INBOX) != 0;
}

static bool mailbox_component(struct conversion *conversion, const char *text,
	size_t size, struct buf *out, struct error *error)
{
	buf_clear(&conversion->raw);
	buf_add(&conversion->raw, text, size);
	if (!check_raw(&conversion->raw, error))
		return false;
	encode_component(text, size, '\0', out);
	return true;
}

bool folder_path_from_mailbox(const char *mailbox, char delimiter,
	struct buf *path_out, struct error *error)
{
	struct conversion conversion = {
		.from_separator = delimiter,
		.to_separator = '/',
		.component = mailbox_component,
		.component_size_max = FOLDER_COMPONENT_SIZE_MAX,
	};

	if (text_equal_nocase(mailbox, FOLDER_INBOX)) {
		buf_add_text(path_out, FOLDER_INBOX);
		return true;
	}
	return convert(&conversion, mailbox, path_out, error);
}

static bool component_for_server(struct conversion *conversion,
	const char *text, size_t size, struct buf *out, struct error *error)
{
	char delimiter = conversion->to_separator;

	if (!component_real(text, size, '\0', &conversion->raw, error))
		return false;
	if (delimiter != '\0' &&
		memchr(conversion->raw.data, delimiter, conversion->raw.size) !=
			NULL)
		return error_set(error, ERROR_REFUSED,
			"the server separates levels with '%c'", delimiter);
	buf_add(out, conversion->raw.data, conversion->raw.size);
	return true;
}

bool folder_path_to_mailbox(const char *path, char delimiter,
	struct buf *mailbox_out, struct error *error)
{
	struct conversion conversion = {
		.from_separator = '/',
		.to_separator = delimiter,
		.component = component_for_server,
		.component_size_max = FOLDER_COMPONENT_SIZE_MAX,
	};

	if (strcmp(path, FOLDER_INBOX) == 0) {
		buf_add_text(mailbox_out, FOLDER_INBOX);
		return true;
	}
	if (is_false_inbox(path))
		return refuse(path, "servers take it for INBOX", error);
	return convert(&conversion, path, mailbox_out, error);
}

static bool component_same(struct conversion *conversion, const char *text,
	size_t size, struct buf *out, struct error *error)
{
	if (!component_real(text, size, '\0', &conversion->raw, error))
		return false;
	buf_add(out, text, size);
	return true;
}

static bool copy_path(
	const char *path, struct buf *path_out, struct error *error)
{
	struct conversion conversion = {
		.from_separator = '/',
		.to_separator = '/',
		.component = component_same,
		.component_size_max = FOLDER_COMPONENT_SIZE_MAX,
	};

	if (is_false_inbox(path))
		return refuse(path, "servers take it for INBOX", error);
	return convert(&conversion, path, path_out, error);
}

bool folder_path_check(const char *path, struct error *error)
{
	struct buf copy = { .data = NULL };
	bool ok = copy_path(path, &copy, error);

	buf_finish(&copy);
	return ok;
}

static bool component_to_dotted(struct conversion *conversion, const char *text,
	size_t size, struct buf *out, struct error *error)
{
	if (!component_real(text, size, '\0', &conversion->raw, error))
		return false;
	encode_component((const char *)conversion->raw.data,
		conversion->raw.size, '.', out);
	return true;
}

static bool component_from_dotted(struct conversion *conversion,
	const char *text, size_t size, struct buf *out, struct error *error)
{
	if (!component_real(text, size, '.', &conversion->raw, error))
		return false;
	encode_component((const char *)conversion->raw.data,
		conversion->raw.size, '\0', out);
	return true;
}

static bool to_dotted(
	const char *path, struct buf *directory_out, struct error *error)
{
	struct conversion conversion = {
		.from_separator = '/',
		.to_separator = '.',
		.component = component_to_dotted,
		.component_size_max = FOLDER_COMPONENT_SIZE_MAX,
	};
	size_t start = directory_out->size;

	if (strcmp(path, FOLDER_INBOX) == 0)
		return true;
	if (is_false_inbox(path))
		return refuse(path, "servers take it for INBOX", error);
	buf_add_byte(directory_out, '.');
	if (!convert(&conversion, path, directory_out, error)) {
		buf_truncate(directory_out, start);
		return false;
	}
	if (directory_out->size - start <= FOLDER_COMPONENT_SIZE_MAX)
		return true;
	buf_truncate(directory_out, start);
	return error_set(error, ERROR_LIMIT,
		"the folder name '%.200s' is too long for a directory", path);
}

static bool from_dotted(
	const char *directory, struct buf *path_out, struct error *error)
{
	struct conversion conversion = {
		.from_separator = '.',
		.to_separator = '/',
		.component = component_from_dotted,
		.component_size_max = FOLDER_COMPONENT_SIZE_MAX,
	};

	if (*directory == '\0') {
		buf_add_text(path_out, FOLDER_INBOX);
		return true;
	}
	if (*directory != '.')
		return refuse(directory, "it does not start with a dot", error);
	if (text_equal_nocase(directory + 1, FOLDER_INBOX))
		return refuse(directory, "INBOX is the root", error);
	if (strlen(directory) > FOLDER_COMPONENT_SIZE_MAX)
		return refuse(directory, "it is too long", error);
	return convert(&conversion, directory + 1, path_out, error);
}

bool folder_path_to_directory(const char *path, enum maildir_layout layout,
	struct buf *directory_out, struct error *error)
{
	if (layout == MAILDIR_LAYOUT_PLUSPLUS)
		return to_dotted(path, directory_out, error);
	return copy_path(path, directory_out, error);
}

bool folder_path_from_directory(const char *directory,
	enum maildir_layout layout, struct buf *path_out, struct error *error)
{
	if (layout == MAILDIR_LAYOUT_PLUSPLUS)
		return from_dotted(directory, path_out, error);
	return copy_path(directory, path_out, error);
}
