#include "syncd/account_equal.h"

#include <string.h>

#include "base/compiler.h"

#define OFFSET(member) offsetof(struct config_account, member)

/* Every member of struct config_account is either here or in one of the
   functions below. */
static const size_t TEXTS[] = {
	OFFSET(name),
	OFFSET(host),
	OFFSET(tls_ca_file),
	OFFSET(tls_client_cert),
	OFFSET(tls_client_key),
	OFFSET(tunnel),
	OFFSET(user),
	OFFSET(password),
	OFFSET(password_command),
	OFFSET(password_file),
	OFFSET(token_command),
	OFFSET(maildir),
};

static bool text_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool texts_equal(
	const struct config_account *a, const struct config_account *b)
{
	for (size_t i = 0; i < ARRAY_LENGTH(TEXTS); i++) {
		const char *first, *second;

		memcpy(&first, (const char *)a + TEXTS[i], sizeof(first));
		memcpy(&second, (const char *)b + TEXTS[i], sizeof(second));
		if (!text_equal(first, second))
			return false;
	}
	return true;
}

static bool list_equal(const struct config_list *a, const struct config_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static bool lists_equal(
	const struct config_account *a, const struct config_account *b)
{
	const struct config_pins *pins = &a->tls_pins;

	return pins->count == b->tls_pins.count &&
		(pins->count == 0 ||
			memcmp(pins->items, b->tls_pins.items,
				pins->count * sizeof(*pins->items)) == 0) &&
		list_equal(&a->mailboxes, &b->mailboxes) &&
		list_equal(&a->disable, &b->disable);
}

static bool connection_equal(
	const struct config_account *a, const struct config_account *b)
{
	return a->port == b->port && a->tls == b->tls &&
		a->allow_plaintext == b->allow_plaintext &&
		a->auth == b->auth && a->connections == b->connections &&
		a->idle == b->idle && a->poll_s == b->poll_s &&
		a->compress == b->compress;
}

static bool mail_equal(
	const struct config_account *a, const struct config_account *b)
{
	return a->layout == b->layout && a->keywords == b->keywords &&
		a->conflict == b->conflict &&
		a->has_delete_limit == b->has_delete_limit &&
		a->delete_limit_percent == b->delete_limit_percent &&
		a->retention_s == b->retention_s;
}

bool account_equal(
	const struct config_account *a, const struct config_account *b)
{
	return texts_equal(a, b) && lists_equal(a, b) &&
		connection_equal(a, b) && mail_equal(a, b);
}
