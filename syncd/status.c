#include "syncd/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/exit_code.h"
#include "syncd/ipc.h"
#include "syncd/progress.h"

#define MAILBOX_COUNT_PLAIN 20 /* all are shown up to this many */

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

static const struct {
	const char *name;
	const char *color;
} STATES[] = {
	{ "starting", YELLOW },
	{ "syncing", GREEN },
	{ "watching", GREEN },
	{ "ok", GREEN },
	{ "offline", YELLOW },
	{ "held", YELLOW },
	{ "pending", YELLOW },
	{ "rebinding", YELLOW },
	{ "removing", YELLOW },
	{ "auth", RED },
	{ "failing", RED },
};

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value < 0 ? 0 : (uint64_t)value;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *value = ipc_text(object, key);

	return value == NULL ? "" : value;
}

/* Characters, not columns. */
static size_t length(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		if (((unsigned char)*text & 0xc0) != 0x80)
			count++;
	return count;
}

static void write_padded(const char *words, size_t columns, struct buf *text)
{
	char *copy = alloc_text(words);
	size_t size;

	text_make_printable(copy);
	size = length(copy);
	buf_add_text(text, copy);
	for (; size < columns; size++)
		buf_add_byte(text, ' ');
	free(copy);
}

static void write_colored(const char *words, size_t columns, const char *color,
	const struct status_style *style, struct buf *text)
{
	if (style->has_color && color != NULL)
		buf_add_text(text, color);
	write_padded(words, columns, text);
	if (style->has_color && color != NULL)
		buf_add_text(text, PLAIN);
}

static void write_state(const char *state, size_t columns,
	const struct status_style *style, struct buf *text)
{
	const char *color = NULL;

	for (size_t i = 0; i < ARRAY_LENGTH(STATES); i++)
		if (strcmp(STATES[i].name, state) == 0)
			color = STATES[i].color;
	write_colored(state, columns, color, style, text);
}

static void write_age(const json_t *object, const char *key,
	const struct status_style *style, struct buf *text)
{
	json_int_t time = json_integer_value(json_object_get(object, key));

	if (time <= 0) {
		buf_add_text(text, "never");
		return;
	}
	progress_write_time(
		style->now > time ? (uint64_t)(style->now - time) : 0, text);
	buf_add_text(text, " ago");
}

/* ---- Mailboxes ---- */

static bool is_remarkable(const json_t *mailbox)
{
	return strcmp(text_of(mailbox, "state"), "ok") != 0 ||
		number(mailbox, "held") > 0 || number(mailbox, "failed") > 0 ||
		json_is_string(json_object_get(mailbox, "error"));
}

static void write_trouble(const json_t *mailbox, struct buf *text)
{
	uint64_t held = number(mailbox, "held");
	uint64_t failed = number(mailbox, "failed");
	const char *error = text_of(mailbox, "error");

	if (held > 0) {
		buf_add_text(text, ", ");
		progress_write_count(held, text);
		buf_add_text(
			text, held == 1 ? " deletion held" : " deletions held");
	}
	if (failed > 0) {
		buf_add_text(text, ", ");
		progress_write_count(failed, text);
		buf_add_text(text, " failed");
	}
	if (*error != '\0') {
		buf_add_text(text, ": ");
		write_padded(error, 0, text);
	}
}

static void write_mailbox(const json_t *mailbox, size_t columns,
	const struct status_style *style, struct buf *text)
{
	struct buf count = { 0 };

	progress_write_count(number(mailbox, "messages"), &count);
	buf_add_text(text, "  ");
	write_padded(text_of(mailbox, "name"), columns, text);
	buf_add_format(text, " %10s  ", buf_text(&count));
	write_state(text_of(mailbox, "state"), 9, style, text);
	buf_add_text(text, "  ");
	write_age(mailbox, "last_success", style, text);
	write_trouble(mailbox, text);
	buf_add_byte(text, '\n');
	buf_finish(&count);
}

static void write_mailboxes(const json_t *mailboxes,
	const struct status_style *style, struct buf *text)
{
	bool has_all = style->has_all ||
		json_array_size(mailboxes) <= MAILBOX_COUNT_PLAIN;
	size_t left_out = 0;
	size_t columns = 12;
	const json_t *mailbox;
	size_t i;

	json_array_foreach(mailboxes, i, mailbox) {
		size_t size = length(text_of(mailbox, "name"));

		if (size > columns && (has_all || is_remarkable(mailbox)))
			columns = size > 40 ? 40 : size;
	}
	json_array_foreach(mailboxes, i, mailbox) {
		if (has_all || is_remarkable(mailbox))
			write_mailbox(mailbox, columns, style, text);
		else
			left_out++;
	}
	if (left_out == 0)
		return;
	buf_add_text(text, "  and ");
	progress_write_count(left_out, text);
	buf_add_text(text, " mailboxes that are in sync\n");
}

/* ---- Accounts ---- */

static void write_pending(const json_t *account, struct buf *text)
{
	const json_t *pending = json_object_get(account, "pending");
	uint64_t local = number(pending, "local");
	uint64_t remote = number(pending, "remote");

	if (local == 0 && remote == 0)
		return;
	buf_add_text(text, "  pending: ");
	progress_write_count(local, text);
	buf_add_text(text, " from here, ");
	progress_write_count(remote, text);
	buf_add_text(text, " from the server\n");
}

static void write_error(const json_t *account, const struct status_style *style,
	struct buf *text)
{
	const json_t *error = json_object_get(account, "error");
	const char *hint = text_of(error, "hint");

	if (!json_is_object(error))
		return;
	buf_add_text(text, "  ");
	write_colored(text_of(error, "message"), 0, RED, style, text);
	buf_add_byte(text, '\n');
	if (*hint == '\0')
		return;
	buf_add_text(text, "  ");
	write_padded(hint, 0, text);
	buf_add_byte(text, '\n');
}

static void write_damaged(const json_t *account,
	const struct status_style *style, struct buf *text)
{
	const json_t *damaged = json_object_get(account, "damaged");
	uint64_t count = number(damaged, "count");

	if (count == 0)
		return;
	buf_add_text(text, "  its state was damaged ");
	write_age(damaged, "newest", style, text);
	buf_add_text(text, " and made anew; kept as state.mdb.damaged-");
	buf_add_format(text, "%" PRIu64, number(damaged, "newest"));
	if (count > 1) {
		buf_add_text(text, " (and ");
		progress_write_count(count - 1, text);
		buf_add_text(text, " before)");
	}
	buf_add_byte(text, '\n');
}

static void write_account(const json_t *account,
	const struct status_style *style, struct buf *text)
{
	const char *host = text_of(json_object_get(account, "server"), "host");

	write_colored(text_of(account, "name"), 12, BOLD, style, text);
	buf_add_byte(text, ' ');
	write_state(text_of(account, "state"), 9, style, text);
	if (*host != '\0') {
		buf_add_text(text, "  ");
		write_padded(host, 0, text);
	}
	buf_add_text(text, "  in sync: ");
	write_age(account, "last_success", style, text);
	buf_add_byte(text, '\n');
	write_error(account, style, text);
	write_damaged(account, style, text);
	write_pending(account, text);
	write_mailboxes(json_object_get(account, "mailboxes"), style, text);
}

void status_write(const json_t *accounts, const struct status_style *style,
	struct buf *text)
{
	const json_t *account;
	size_t i;

	json_array_foreach(accounts, i, account) {
		if (i > 0)
			buf_add_byte(text, '\n');
		write_account(account, style, text);
	}
}

static int account_code(const json_t *account)
{
	const json_t *mailboxes = json_object_get(account, "mailboxes");
	const json_t *mailbox;
	size_t i;

	if (json_is_object(json_object_get(account, "error")) ||
		strcmp(text_of(account, "state"), "held") == 0)
		return CODE_LEFT_OVER;
	json_array_foreach(mailboxes, i, mailbox)
		if (number(mailbox, "held") > 0 ||
			number(mailbox, "failed") > 0)
			return CODE_LEFT_OVER;
	return CODE_IN_SYNC;
}

int status_code(const json_t *accounts)
{
	int code = CODE_IN_SYNC;
	const json_t *account;
	size_t i;

	json_array_foreach(accounts, i, account)
		if (account_code(account) > code)
			code = account_code(account);
	return code;
}
