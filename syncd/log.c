#include "syncd/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

static struct {
	bool is_journal;
	bool has_time;
	enum log_level level;
	void (*hook)(void *data);
	void *hook_data;
} log_state = { .level = LOG_INFO };

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[64];

	if (stream == NULL || fstat(STDERR_FILENO, &status) == -1)
		return false;
	(void)snprintf(own, sizeof(own), "%" PRIuMAX ":%" PRIuMAX,
		(uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(stream, own) == 0;
}

void log_open(bool has_time, enum log_level level)
{
	log_state.is_journal = is_journal();
	log_state.has_time = has_time;
	log_state.level = level;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

void log_set_hook(void (*hook)(void *data), void *data)
{
	log_state.hook = hook;
	log_state.hook_data = data;
}

static void write_prefix(char *prefix, size_t size, enum log_level level)
{
	time_t now = time(NULL);
	struct tm parts;

	if (log_state.is_journal)
		(void)snprintf(prefix, size, "<%d>", (int)level);
	else if (!log_state.has_time)
		(void)snprintf(prefix, size, "mailtwin: ");
	else if (localtime_r(&now, &parts) == NULL ||
		strftime(prefix, size, "%Y-%m-%d %H:%M:%S ", &parts) == 0)
		*prefix = '\0';
}

static const char *level_word(enum log_level level)
{
	if (log_state.is_journal)
		return "";
	switch (level) {
	case LOG_ERROR:
		return log_state.has_time ? "error: " : "";
	case LOG_WARNING:
		return "warning: ";
	case LOG_INFO:
	case LOG_DEBUG:
		break;
	}
	return "";
}

void log_write(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_SIZE];
	char line[LOG_LINE_SIZE + 64];
	char prefix[40] = "";
	va_list arguments;
	int size;

	if (level > log_state.level)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_make_printable(text);
	write_prefix(prefix, sizeof(prefix), level);
	size = snprintf(line, sizeof(line), "%s%s%s\n", prefix,
		level_word(level), text);
	if (log_state.hook != NULL)
		log_state.hook(log_state.hook_data);
	/* One write per line: workers and commands share the stream. Nobody
	   is left to be told when it fails. */
	if (size > 0 && write(STDERR_FILENO, line, (size_t)size) == -1)
		return;
}

void log_account(int level, const char *account, const char *text)
{
	enum log_level known = LOG_DEBUG;

	if (level <= LOG_ERROR)
		known = LOG_ERROR;
	else if (level == LOG_WARNING)
		known = LOG_WARNING;
	else if (level <= LOG_INFO)
		known = LOG_INFO;
	log_write(known, "%s: %s", account, text);
}
