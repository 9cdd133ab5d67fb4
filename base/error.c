#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
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

static void PRINTF_LIKE(2, 0)
	set_message(struct error *error, const char *format, va_list arguments)
{
	(void)vsnprintf(
		error->message, sizeof(error->message), format, arguments);
	text_make_printable(error->message);
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
	text_make_printable(error->message);
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
	text_make_printable(error->message);
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
