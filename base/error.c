#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const CODE_NAMES[] = {
	[ERROR_NONE] = "none",
	[ERROR_REFUSED] = "refused",
	[ERROR_SYSTEM] = "system",
	[ERROR_DISCONNECTED] = "disconnected",
	[ERROR_PROTOCOL] = "protocol",
	[ERROR_LIMIT] = "limit",
	[ERROR_UNREACHABLE] = "unreachable",
	[ERROR_AUTH] = "auth",
	[ERROR_CORRUPT] = "corrupt",
	[ERROR_CONFIG] = "config",
	[ERROR_STOPPED] = "stopped",
};

/* Octets of the printable character `text` starts with; 0 when it is a control
   character (C0, DEL, or C1, which some terminals obey) or no UTF-8. */
static size_t printable_size(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t size;

	if (bytes[0] < 0x80)
		return bytes[0] >= 0x20 && bytes[0] != 0x7f ? 1 : 0;
	if (bytes[0] == 0xc2 && bytes[1] < 0xa0)
		return 0;
	size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	if (strnlen(text, size) < size || !text_is_utf8(text, size))
		return 0;
	return size;
}

static void make_printable(char *text)
{
	while (*text != '\0') {
		size_t size = printable_size(text);

		if (size == 0) {
			*text = '?';
			size = 1;
		}
		text += size;
	}
}

static void PRINTF_LIKE(2, 0)
	set_message(struct error *error, const char *format, va_list arguments)
{
	(void)vsnprintf(
		error->message, sizeof(error->message), format, arguments);
	make_printable(error->message);
}

bool error_set(
	struct error *error, enum error_code code, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return false;
	error->code = code;
	error->system_error = 0;
	va_start(arguments, format);
	set_message(error, format, arguments);
	va_end(arguments);
	return false;
}

bool error_set_errno(struct error *error, const char *format, ...)
{
	int system_error = errno;
	char reason[128];
	size_t size;
	va_list arguments;

	if (error == NULL)
		return false;
	error->code = ERROR_SYSTEM;
	error->system_error = system_error;
	va_start(arguments, format);
	set_message(error, format, arguments);
	va_end(arguments);

	if (strerror_r(system_error, reason, sizeof(reason)) != 0)
		(void)snprintf(
			reason, sizeof(reason), "error %d", system_error);
	size = strlen(error->message);
	(void)snprintf(error->message + size, sizeof(error->message) - size,
		": %s", reason);
	make_printable(error->message);
	return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
	struct error inner;
	size_t size;
	va_list arguments;

	if (error == NULL)
		return false;
	inner = *error;
	va_start(arguments, format);
	set_message(error, format, arguments);
	va_end(arguments);

	size = strlen(error->message);
	(void)snprintf(error->message + size, sizeof(error->message) - size,
		": %s", inner.message);
	make_printable(error->message);
	return false;
}

void error_clear(struct error *error)
{
	if (error != NULL)
		*error = (struct error){ 0 };
}

const char *error_code_name(enum error_code code)
{
	return CODE_NAMES[code];
}
