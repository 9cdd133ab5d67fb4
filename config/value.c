#define _GNU_SOURCE /* explicit_bzero */

#include "config/value.h"

#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "config/path.h"
#include "config/pattern.h"
#include "config/problem.h"
#include "config/suggest.h"

#define HOST_SIZE_MAX   255 /* octets, RFC 1035, 2.3.4 */
#define CHOICES_SIZE    160
#define PIN_BASE64_SIZE 44

/* One call's arguments, for the setters below. */
struct value {
	struct value_context *context;
	const struct key *key;
	struct yaml_node *node;
	void *field;
	void *record;
};

static void complain(const struct value *value, const struct yaml_node *node,
	const char *what)
{
	problem_add(value->context->problems, node->line, node->column,
		"'%s' %s", value->key->name, what);
}

/* Never for secrets: this quotes the value. */
static void complain_about(const struct value *value,
	const struct yaml_node *node, const char *what, const char *hint)
{
	problem_add(value->context->problems, node->line, node->column,
		"'%s' must be %s, not '%.60s'%s", value->key->name, what,
		node->text, hint);
}

static char *keep(const struct value *value, const struct yaml_node *node)
{
	return arena_text(&value->context->config->arena, node->text);
}

static bool has_control(const struct yaml_node *node, bool is_command)
{
	for (size_t i = 0; i < node->size; i++) {
		unsigned char c = (unsigned char)node->text[i];

		if (is_command && (c == '\n' || c == '\t'))
			continue;
		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

/* A single value, not empty, of a sane size. */
static bool check_text(const struct value *value, const struct yaml_node *node)
{
	bool is_command = value->key->type == VALUE_COMMAND;

	if (node->kind == YAML_KIND_BAD)
		return false;
	if (node->kind == YAML_KIND_LIST)
		complain(value, node, "takes one value, not a list");
	else if (node->kind == YAML_KIND_MAP)
		complain(value, node, "takes a value, not keys");
	else if (node->size == 0)
		complain(value, node,
			node->is_quoted ? "is empty" : "has no value");
	else if (node->size > CONFIG_TEXT_SIZE_MAX)
		complain(value, node, "is too long");
	else if (has_control(node, is_command))
		complain(value, node, "contains a control character");
	else
		return true;
	return false;
}

static void set_text(const struct value *value)
{
	*(const char **)value->field = keep(value, value->node);
}

/* Overwritten in the tree here, and in the configuration when that goes. */
static void set_secret(const struct value *value)
{
	struct config *config = value->context->config;
	struct config_list *secrets = &config->secrets;
	const char **items =
		arena_alloc(&config->arena, secrets->count + 1, sizeof(*items));

	if (secrets->count > 0)
		memcpy(items, secrets->items, secrets->count * sizeof(*items));
	items[secrets->count] = keep(value, value->node);
	secrets->items = items;
	*(const char **)value->field = items[secrets->count++];
	explicit_bzero(value->node->text, value->node->size);
}

static bool is_host_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || strchr(".-_:%", c) != NULL;
}

/* What is wrong with a host, or NULL. It may end up in an argument list, so it
   must not look like an option. */
static const char *judge_host(const char *host, size_t size)
{
	const char *colon = strchr(host, ':');

	if (size > HOST_SIZE_MAX)
		return "is too long";
	if (host[0] == '-')
		return "must not begin with '-'";
	if (strpbrk(host, " \t") != NULL)
		return "must not contain blanks";
	if (strstr(host, "://") != NULL)
		return "must be a name or an address, not a URL";
	if (host[0] == '[')
		return "must be an address without brackets";
	if (colon != NULL && strchr(colon + 1, ':') == NULL)
		return "must not contain the port: write it as 'port: ...'";
	for (size_t i = 0; i < size; i++)
		if (!is_host_character(host[i]))
			return "contains a character no host name has";
	return NULL;
}

static void set_host(const struct value *value)
{
	const char *fault = judge_host(value->node->text, value->node->size);

	if (fault != NULL)
		complain(value, value->node, fault);
	else
		set_text(value);
}

static void set_path(const struct value *value)
{
	struct error error;
	const char *path = path_expand(&value->context->config->arena,
		value->node->text, value->context->directory, &error);

	if (path == NULL)
		problem_add(value->context->problems, value->node->line,
			value->node->column, "'%s': %s", value->key->name,
			error.message);
	else
		*(const char **)value->field = path;
}

static bool read_number(const struct value *value, uint32_t *number_out)
{
	const struct key *key = value->key;
	const struct yaml_node *node = value->node;
	uint32_t number;

	if (!number_parse_u32(node->text, node->size, &number) ||
		number < key->minimum || number > key->maximum) {
		problem_add(value->context->problems, node->line, node->column,
			"'%s' must be a number from %u to %u, not '%.60s'",
			key->name, key->minimum, key->maximum, node->text);
		return false;
	}
	*number_out = number;
	return true;
}

static void set_number(const struct value *value)
{
	uint32_t number;

	if (read_number(value, &number))
		*(uint32_t *)value->field = number;
}

static void set_port(const struct value *value)
{
	uint32_t number;

	if (read_number(value, &number))
		*(uint16_t *)value->field = (uint16_t)number;
}

/* YAML 1.1 people write yes and on, too. */
static void set_boolean(const struct value *value)
{
	static const struct choice WORDS[] = { { "true", 1 }, { "false", 0 },
		{ "yes", 1 }, { "no", 0 }, { "on", 1 }, { "off", 0 } };

	for (size_t i = 0; i < ARRAY_LENGTH(WORDS); i++) {
		if (strcmp(value->node->text, WORDS[i].word) == 0) {
			*(bool *)value->field = WORDS[i].value == 1;
			return;
		}
	}
	complain_about(value, value->node, "true or false", "");
}

static bool read_choice(const struct value *value, const struct yaml_node *node,
	int *number_out)
{
	const struct choice *choices = value->key->choices;
	struct suggestion suggestion;
	char words[CHOICES_SIZE];

	suggest_init(&suggestion, node->text);
	for (size_t i = 0; choices[i].word != NULL; i++) {
		if (strcmp(choices[i].word, node->text) == 0) {
			*number_out = choices[i].value;
			return true;
		}
		suggest_consider(&suggestion, choices[i].word);
	}
	schema_list_choices(choices, words, sizeof(words));
	complain_about(value, node, words, suggest_hint(&suggestion));
	return false;
}

/* All enum fields: gcc and clang give an enum the size of an int. */
_Static_assert(sizeof(enum config_tls) == sizeof(int), "size of an enum");

static void set_choice(const struct value *value)
{
	int number;

	if (read_choice(value, value->node, &number))
		memcpy(value->field, &number, sizeof(number));
}

static uint32_t seconds_of(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 60 * 60;
	case 'd':
		return 24 * 60 * 60;
	case 'w':
		return 7 * 24 * 60 * 60;
	default:
		return 0;
	}
}

static bool parse_duration(const char *text, size_t size, uint64_t *seconds_out)
{
	uint32_t unit = seconds_of(text[size - 1]);
	uint32_t count;

	if (size == 1 && text[0] == '0') {
		*seconds_out = 0;
		return true;
	}
	if (unit == 0 || !number_parse_u32(text, size - 1, &count))
		return false;
	*seconds_out = (uint64_t)count * unit;
	return true;
}

static void set_duration(const struct value *value)
{
	const struct key *key = value->key;
	const struct yaml_node *node = value->node;
	uint64_t seconds;

	if (!parse_duration(node->text, node->size, &seconds))
		complain_about(value, node,
			"a duration such as 10s, 5m, 2h or 30d", "");
	else if (seconds < key->minimum || seconds > key->maximum)
		problem_add(value->context->problems, node->line, node->column,
			"'%s' must be from %us to %ud, not '%.60s'", key->name,
			key->minimum, key->maximum / seconds_of('d'),
			node->text);
	else
		*(uint32_t *)value->field = (uint32_t)seconds;
}

static void set_percent(const struct value *value)
{
	struct config_account *account = value->record;
	const struct yaml_node *node = value->node;
	uint32_t percent;

	if (strcmp(node->text, "off") == 0) {
		account->has_delete_limit = false;
		return;
	}
	if (node->text[node->size - 1] != '%' ||
		!number_parse_u32(node->text, node->size - 1, &percent) ||
		percent < value->key->minimum ||
		percent > value->key->maximum) {
		complain_about(value, node,
			"a share from 1% to 100% such as 50%, or off", "");
		return;
	}
	account->has_delete_limit = true;
	*(uint32_t *)value->field = percent;
}

/* One value, or a list of them. */
static void set_auth(
	const struct value *value, struct yaml_node *const *items, size_t count)
{
	uint32_t mechanisms = 0;

	for (size_t i = 0; i < count; i++) {
		int mechanism;

		if (!read_choice(value, items[i], &mechanism))
			return;
		if (mechanism == CONFIG_AUTH_AUTO && count > 1) {
			complain(value, items[i],
				"has 'auto' among other mechanisms");
			return;
		}
		mechanisms |= (uint32_t)mechanism;
	}
	*(uint32_t *)value->field = mechanisms;
}

static int base64_digit(char c)
{
	static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(DIGITS, c) : NULL;

	return found != NULL ? (int)(found - DIGITS) : -1;
}

/* 32 octets in base64: 43 digits, the last with two bits to spare, and '='. */
static bool parse_pin(const struct yaml_node *node, struct config_pin *pin)
{
	uint32_t bits = 0;
	unsigned bit_count = 0;
	size_t size = 0;

	if (node->size != PIN_BASE64_SIZE ||
		node->text[PIN_BASE64_SIZE - 1] != '=')
		return false;
	for (size_t i = 0; i < PIN_BASE64_SIZE - 1; i++) {
		int digit = base64_digit(node->text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (unsigned)digit;
		bit_count += 6;
		if (bit_count < 8)
			continue;
		bit_count -= 8;
		pin->sha256[size++] = (uint8_t)(bits >> bit_count);
	}
	return (bits & 3) == 0;
}

static void set_pins(
	const struct value *value, struct yaml_node *const *items, size_t count)
{
	struct config_pins *pins = value->field;
	struct config_pin *parsed = arena_alloc(
		&value->context->config->arena, count, sizeof(*parsed));

	for (size_t i = 0; i < count; i++) {
		if (!parse_pin(items[i], &parsed[i])) {
			complain_about(value, items[i],
				"a SHA-256 in base64 (44 characters)", "");
			return;
		}
	}
	*pins = (struct config_pins){ parsed, count };
}

static bool check_pattern(
	const struct value *value, const struct yaml_node *node)
{
	if (strcmp(node->text, "!") == 0)
		complain(value, node, "has a '!' without a pattern");
	else if (node->size > PATTERN_SIZE_MAX)
		complain(value, node, "has a pattern that is too long");
	else
		return true;
	return false;
}

/* capability = atom (RFC 9051, 9) */
static bool check_name(const struct value *value, const struct yaml_node *node)
{
	for (size_t i = 0; i < node->size; i++) {
		unsigned char c = (unsigned char)node->text[i];

		if (c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL)
			continue;
		complain_about(
			value, node, "the name of an IMAP extension", "");
		return false;
	}
	return true;
}

static void set_list(
	const struct value *value, struct yaml_node *const *items, size_t count)
{
	struct config_list *list = value->field;
	const char **texts = arena_alloc(
		&value->context->config->arena, count, sizeof(*texts));

	for (size_t i = 0; i < count; i++) {
		bool ok = value->key->type == VALUE_PATTERNS
			? check_pattern(value, items[i])
			: check_name(value, items[i]);

		if (!ok)
			return;
		texts[i] = keep(value, items[i]);
	}
	*list = (struct config_list){ texts, count };
}

static bool check_items(
	const struct value *value, struct yaml_node *const *items, size_t count)
{
	bool ok = true;

	if (count > CONFIG_LIST_COUNT_MAX) {
		complain(value, value->node, "has too many values");
		return false;
	}
	if (count == 0 && value->key->type != VALUE_NAMES) {
		complain(value, value->node, "is an empty list");
		return false;
	}
	for (size_t i = 0; i < count; i++)
		ok = check_text(value, items[i]) && ok;
	return ok;
}

static void set_items(const struct value *value)
{
	bool is_list = value->node->kind == YAML_KIND_LIST;
	struct yaml_node *const *items =
		is_list ? value->node->values : &value->node;
	size_t count = is_list ? value->node->count : 1;

	if (!check_items(value, items, count))
		return;
	if (value->key->type == VALUE_AUTH)
		set_auth(value, items, count);
	else if (value->key->type == VALUE_PINS)
		set_pins(value, items, count);
	else
		set_list(value, items, count);
}

static void (*const SETTERS[])(const struct value *value) = {
	[VALUE_TEXT] = set_text,
	[VALUE_SECRET] = set_secret,
	[VALUE_COMMAND] = set_text,
	[VALUE_HOST] = set_host,
	[VALUE_PATH] = set_path,
	[VALUE_NUMBER] = set_number,
	[VALUE_PORT] = set_port,
	[VALUE_BOOLEAN] = set_boolean,
	[VALUE_CHOICE] = set_choice,
	[VALUE_DURATION] = set_duration,
	[VALUE_PERCENT] = set_percent,
	[VALUE_AUTH] = set_items,
	[VALUE_PINS] = set_items,
	[VALUE_PATTERNS] = set_items,
	[VALUE_NAMES] = set_items,
};

static size_t count_problems(const struct config_problems *problems)
{
	return problems->count + problems->dropped_count;
}

void value_set(struct value_context *context, const struct key *key,
	struct yaml_node *node, void *record)
{
	struct value value = {
		.context = context,
		.key = key,
		.node = node,
		.field = (char *)record + key->offset,
		.record = record,
	};
	bool takes_list = key->type >= VALUE_AUTH && key->type <= VALUE_NAMES;
	size_t before = count_problems(context->problems);

	if (key->type == VALUE_ACCOUNT || key->type == VALUE_ACCOUNTS)
		return;
	if (takes_list || check_text(&value, node))
		SETTERS[key->type](&value);
	if (count_problems(context->problems) > before)
		node->kind = YAML_KIND_BAD;
}

void value_set_fallback(
	struct value_context *context, const struct key *key, void *record)
{
	struct yaml_node node = { .kind = YAML_KIND_TEXT };

	if (key->fallback == NULL)
		return;
	node.text = arena_text(&context->config->arena, key->fallback);
	node.size = strlen(node.text);
	value_set(context, key, &node, record);
}
