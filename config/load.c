#define _GNU_SOURCE /* explicit_bzero */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/check.h"
#include "config/config.h"
#include "config/path.h"
#include "config/problem.h"
#include "config/suggest.h"
#include "config/value.h"

#define WORD_CHARACTERS                                                        \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

struct loader {
	struct config *config;
	struct config_problems *problems;
	struct value_context context;
	struct arena tree;
	struct config_account template; /* built-in defaults, then `defaults` */
	struct yaml_node *template_nodes[SCHEMA_KEY_COUNT_MAX];
	struct account_source *sources;
	uint32_t mode;
};

static void complain(const struct loader *loader, const struct yaml_node *node,
	const char *what)
{
	problem_add(loader->problems, node->line, node->column, "%s", what);
}

/* Where a key that is unknown here would be right. */
static const char *other_place(const struct key *keys, const char *name)
{
	if (keys == SCHEMA_TOP_KEYS &&
		schema_find(SCHEMA_ACCOUNT_KEYS, name) >= 0)
		return " here: it belongs to an account or to 'defaults'";
	if (keys == SCHEMA_ACCOUNT_KEYS &&
		schema_find(SCHEMA_TOP_KEYS, name) >= 0)
		return " here: it belongs to the top level";
	return NULL;
}

static void refuse_key(const struct loader *loader, const struct key *keys,
	const struct yaml_node *node)
{
	const char *place = other_place(keys, node->text);
	struct suggestion suggestion;

	if (strcmp(node->text, "<<") == 0) {
		complain(loader, node, "merge keys are not supported");
		return;
	}
	/* Not quoted: "password:x" without a blank is one word to YAML. */
	if (strspn(node->text, WORD_CHARACTERS) != node->size) {
		complain(loader, node,
			"not a key: is a blank missing behind a ':'?");
		return;
	}
	suggest_init(&suggestion, node->text);
	for (size_t i = 0; place == NULL && keys[i].name != NULL; i++)
		suggest_consider(&suggestion, keys[i].name);
	problem_add(loader->problems, node->line, node->column,
		"unknown key '%.60s'%s", node->text,
		place != NULL ? place : suggest_hint(&suggestion));
}

static bool check_key_text(
	const struct loader *loader, const struct yaml_node *node)
{
	if (node->kind == YAML_KIND_LIST || node->kind == YAML_KIND_MAP)
		complain(loader, node, "a key must be a word");
	return node->kind == YAML_KIND_TEXT;
}

static uint32_t first_line(const struct yaml_node *map, const char *name)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->keys[i]->text, name) == 0)
			return map->keys[i]->line;
	return 0;
}

/* Sets the fields of `record` and remembers by index which keys were there. */
static void load_keys(struct loader *loader, const struct key *keys,
	const struct yaml_node *map, void *record, struct yaml_node **nodes)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *name = map->keys[i];
		int index;

		if (!check_key_text(loader, name))
			continue;
		index = schema_find(keys, name->text);
		if (index < 0) {
			refuse_key(loader, keys, name);
		} else if (nodes[index] != NULL) {
			problem_add(loader->problems, name->line, name->column,
				"duplicate key '%s', first in line %u",
				name->text, first_line(map, name->text));
		} else {
			nodes[index] = map->values[i];
			value_set(&loader->context, &keys[index],
				map->values[i], record);
		}
	}
}

static bool is_nothing(const struct yaml_node *node)
{
	return node->kind == YAML_KIND_TEXT && node->size == 0 &&
		!node->is_quoted;
}

/* NULL and a problem unless it is a map; a map with all its lines commented
   out is one, too. */
static const struct yaml_node *expect_map(const struct loader *loader,
	const struct yaml_node *node, const char *name)
{
	static const struct yaml_node EMPTY = { .kind = YAML_KIND_MAP };

	if (node->kind == YAML_KIND_MAP)
		return node;
	if (is_nothing(node))
		return &EMPTY;
	if (node->kind != YAML_KIND_BAD)
		problem_add(loader->problems, node->line, node->column,
			"'%.60s' must have keys below it", name);
	return NULL;
}

/* It becomes a directory below state_dir, next to `run`. */
static bool check_account_name(
	const struct loader *loader, const struct yaml_node *node)
{
	const char *name = node->text;

	if (!check_key_text(loader, node))
		return false;
	if (node->size == 0 || strspn(name, WORD_CHARACTERS) != node->size ||
		name[0] == '.' || name[0] == '-' ||
		node->size > CONFIG_NAME_SIZE_MAX) {
		problem_add(loader->problems, node->line, node->column,
			"'%.64s' cannot be the name of an account: use "
			"letters, digits, '.', '_' and '-'",
			name);
		return false;
	}
	if (strcmp(name, "run") == 0) {
		complain(loader, node,
			"'run' cannot be the name of an account: that "
			"directory is mailtwin's own");
		return false;
	}
	return true;
}

static bool check_new_account(
	const struct loader *loader, const struct yaml_node *node)
{
	for (size_t i = 0; i < loader->config->account_count; i++) {
		const struct yaml_node *name = loader->sources[i].name;

		if (strcmp(name->text, node->text) != 0)
			continue;
		problem_add(loader->problems, node->line, node->column,
			"duplicate account '%s', first in line %u", node->text,
			name->line);
		return false;
	}
	return true;
}

static void load_account(struct loader *loader, const struct yaml_node *name,
	const struct yaml_node *map)
{
	struct yaml_node *own[SCHEMA_KEY_COUNT_MAX] = { 0 };
	size_t index = loader->config->account_count++;
	struct config_account *account = &loader->config->accounts[index];
	struct account_source *source = &loader->sources[index];

	*account = loader->template;
	account->name = arena_text(&loader->config->arena, name->text);
	source->account = account;
	source->name = name;
	memcpy(source->nodes, loader->template_nodes, sizeof(source->nodes));

	load_keys(loader, SCHEMA_ACCOUNT_KEYS, map, account, own);
	check_choose_secret(source, own);
	for (size_t i = 0; i < SCHEMA_KEY_COUNT_MAX; i++)
		if (own[i] != NULL)
			source->nodes[i] = own[i];
}

static void load_accounts(struct loader *loader, const struct yaml_node *node)
{
	const struct yaml_node *map = expect_map(loader, node, "accounts");
	struct config *config = loader->config;

	if (map == NULL)
		return;
	if (map->count == 0)
		complain(loader, node, "'accounts' has no account");
	if (map->count > CONFIG_ACCOUNT_COUNT_MAX) {
		complain(loader, node, "too many accounts");
		return;
	}
	config->accounts = arena_alloc(
		&config->arena, map->count, sizeof(*config->accounts));
	loader->sources = arena_alloc(
		&loader->tree, map->count, sizeof(*loader->sources));
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *keys;

		if (!check_account_name(loader, map->keys[i]) ||
			!check_new_account(loader, map->keys[i]))
			continue;
		keys = expect_map(loader, map->values[i], map->keys[i]->text);
		if (keys != NULL)
			load_account(loader, map->keys[i], keys);
	}
}

static void load_directories(struct loader *loader)
{
	struct config *config = loader->config;
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (config->state_dir == NULL)
		config->state_dir = path_xdg(
			&config->arena, "XDG_STATE_HOME", ".local/state");
	if (config->state_dir == NULL)
		problem_add(loader->problems, 0, 0,
			"no home directory is known: set 'state_dir'");
	if (config->runtime_dir != NULL || config->state_dir == NULL)
		return;
	if (runtime != NULL && runtime[0] == '/')
		config->runtime_dir =
			arena_format(&config->arena, "%s/mailtwin", runtime);
	else
		config->runtime_dir = arena_format(
			&config->arena, "%s/run", config->state_dir);
}

static void set_fallbacks(
	struct loader *loader, const struct key *keys, void *record)
{
	for (size_t i = 0; keys[i].name != NULL; i++)
		value_set_fallback(&loader->context, &keys[i], record);
}

static void load_root(struct loader *loader, const struct yaml_node *root)
{
	struct yaml_node *nodes[SCHEMA_KEY_COUNT_MAX] = { 0 };
	const struct yaml_node *node;
	const struct yaml_node *map;

	set_fallbacks(loader, SCHEMA_TOP_KEYS, loader->config);
	set_fallbacks(loader, SCHEMA_ACCOUNT_KEYS, &loader->template);
	load_keys(loader, SCHEMA_TOP_KEYS, root, loader->config, nodes);
	load_directories(loader);

	node = nodes[schema_find(SCHEMA_TOP_KEYS, "defaults")];
	map = node != NULL ? expect_map(loader, node, "defaults") : NULL;
	if (map != NULL)
		load_keys(loader, SCHEMA_ACCOUNT_KEYS, map, &loader->template,
			loader->template_nodes);
	node = nodes[schema_find(SCHEMA_TOP_KEYS, "accounts")];
	if (node == NULL)
		problem_add(loader->problems, 0, 0, "no 'accounts'");
	else
		load_accounts(loader, node);
	check_accounts(&(struct check){ loader->config, loader->sources,
		loader->mode, loader->problems });
}

static void load_tree(struct loader *loader, struct source source)
{
	struct yaml_node *root = NULL;

	if (!yaml_read(source, &loader->tree, &root, loader->problems))
		return;
	if (root == NULL || is_nothing(root))
		problem_add(loader->problems, 0, 0,
			"the file is empty: it needs 'accounts'");
	else if (root->kind == YAML_KIND_MAP)
		load_root(loader, root);
	else if (root->kind != YAML_KIND_BAD)
		complain(loader, root, "expected 'key: value' lines");
}

bool config_parse(const char *path, uint32_t mode, const uint8_t *data,
	size_t size, struct config **config_out,
	struct config_problems *problems)
{
	struct loader loader = { .problems = problems, .mode = mode };
	struct source source = { (const char *)data, size };
	const char *slash = strrchr(path, '/');

	if (problems->path == NULL)
		problems->path = alloc_text(path);
	loader.config = alloc(1, sizeof(*loader.config));
	loader.context = (struct value_context){
		.config = loader.config,
		.problems = problems,
		.directory = path_directory(&loader.config->arena, path),
	};
	loader.config->path = arena_format(&loader.config->arena, "%s/%s",
		loader.context.directory, slash != NULL ? slash + 1 : path);

	if (size > CONFIG_FILE_SIZE_MAX)
		problem_add(problems, 0, 0, "the file is larger than 1 MiB");
	else
		load_tree(&loader, source);
	problem_finish_all(problems, source);
	arena_finish(&loader.tree);
	if (problems->count > 0) {
		config_free(loader.config);
		return false;
	}
	*config_out = loader.config;
	return true;
}

/* All of it, or one byte over the limit, which config_parse() refuses. Growing
   would leave passwords behind in freed memory, so all the room is reserved. */
static bool read_all(int fd, struct buf *data)
{
	buf_reserve(data, CONFIG_FILE_SIZE_MAX + 1);
	while (data->size <= CONFIG_FILE_SIZE_MAX) {
		ssize_t size = read(fd, data->data + data->size,
			CONFIG_FILE_SIZE_MAX + 1 - data->size);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return false;
		if (size == 0)
			return true;
		data->size += (size_t)size;
	}
	return true;
}

static bool fail(struct config_problems *problems)
{
	problem_add(problems, 0, 0, "cannot read the configuration: %s",
		strerror(errno));
	return false;
}

bool config_load(const char *path, struct config **config_out,
	struct config_problems *problems)
{
	struct buf data = { 0 };
	struct stat status;
	bool ok;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	problems->path = alloc_text(path);
	if (fd == -1)
		return fail(problems);
	if (fstat(fd, &status) == -1 || !read_all(fd, &data))
		ok = fail(problems);
	else
		ok = config_parse(path, status.st_mode, data.data, data.size,
			config_out, problems);
	close(fd);
	/* Not all the room: what nobody touched is no memory yet. */
	if (data.size > 0)
		explicit_bzero(data.data, data.size);
	buf_finish(&data);
	return ok;
}

void config_wipe_secrets(struct config *config)
{
	for (size_t i = 0; i < config->secrets.count; i++) {
		const char *secret = config->secrets.items[i];

		/* Kept const so that nobody else writes to it. */
		explicit_bzero((void *)(uintptr_t)secret, strlen(secret));
	}
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	config_wipe_secrets(config);
	arena_finish(&config->arena);
	free(config);
}

const struct config_account *config_find_account(
	const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}
