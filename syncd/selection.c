#include "syncd/selection.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "config/suggest.h"

/* What was asked of one account. */
struct wish {
	bool is_named;
	bool is_whole;
	json_t *mailboxes;
};

static bool refuse(
	const struct config *config, const char *name, struct error *error)
{
	struct suggestion suggestion;
	struct buf list = { 0 };

	suggest_init(&suggestion, name);
	for (size_t i = 0; i < config->account_count; i++) {
		suggest_consider(&suggestion, config->accounts[i].name);
		buf_add_format(&list, "%s%s", i == 0 ? "" : ", ",
			config->accounts[i].name);
	}
	(void)error_set(error, ERROR_CONFIG,
		"there is no account '%.60s'%s; the accounts are: %.300s", name,
		suggest_hint(&suggestion), buf_text(&list));
	buf_finish(&list);
	return false;
}

static bool take_name(const struct config *config, struct wish *wishes,
	const char *text, struct error *error)
{
	const char *slash = strchr(text, '/');
	size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);
	char *name = alloc_text_sized(text, size);
	const struct config_account *account =
		config_find_account(config, name);
	struct wish *wish;
	bool is_known = account != NULL;

	if (!is_known)
		(void)refuse(config, name, error);
	free(name);
	if (!is_known)
		return false;
	wish = &wishes[account - config->accounts];
	wish->is_named = true;
	if (slash == NULL || slash[1] == '\0') {
		wish->is_whole = true;
		return true;
	}
	if (!text_is_utf8(slash + 1, strlen(slash + 1)))
		return error_set(error, ERROR_CONFIG,
			"the mailbox in '%.200s' is not UTF-8", text);
	if (wish->mailboxes == NULL)
		wish->mailboxes = json_array();
	(void)json_array_append_new(wish->mailboxes, json_string(slash + 1));
	return true;
}

static void fill(struct selection *selection, const struct config *config,
	const struct wish *wishes, bool has_all)
{
	selection->items =
		alloc(config->account_count, sizeof(*selection->items));
	selection->count = 0;
	for (size_t i = 0; i < config->account_count; i++) {
		const struct wish *wish = &wishes[i];

		if (!wish->is_named && !has_all)
			continue;
		selection->items[selection->count++] = (struct selected){
			.account = &config->accounts[i],
			.mailboxes = wish->is_whole
				? NULL
				: json_incref(wish->mailboxes),
		};
	}
}

bool selection_make(struct selection *selection, const struct config *config,
	char *const *names, size_t name_count, struct error *error)
{
	struct wish *wishes = alloc(config->account_count, sizeof(*wishes));
	bool is_good = true;

	for (size_t i = 0; is_good && i < name_count; i++)
		is_good = take_name(config, wishes, names[i], error);
	if (is_good)
		fill(selection, config, wishes, name_count == 0);
	for (size_t i = 0; i < config->account_count; i++)
		json_decref(wishes[i].mailboxes);
	free(wishes);
	return is_good;
}

void selection_finish(struct selection *selection)
{
	for (size_t i = 0; i < selection->count; i++)
		json_decref(selection->items[i].mailboxes);
	free(selection->items);
	*selection = (struct selection){ 0 };
}
