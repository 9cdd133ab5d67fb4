#include "config/yaml_reader.h"

#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "config/problem.h"

struct reader {
	yaml_parser_t parser;
	struct source source;
	struct arena *arena;
	struct config_problems *problems;
	struct yaml_node *root;
	struct yaml_node *stack[YAML_DEPTH_MAX];
	struct yaml_node *keys[YAML_DEPTH_MAX]; /* waits for its value */
	size_t depth;
	size_t node_count;
	unsigned document_count;
};

static uint32_t line_of(const yaml_mark_t *mark)
{
	return (uint32_t)mark->line + 1;
}

static uint32_t column_of(const yaml_mark_t *mark)
{
	return (uint32_t)mark->column + 1;
}

#define ALIAS_PROBLEM "did not find expected alphabetic or numeric character"

/* libyaml's words in ours. NULL = whatever it says. */
static const struct {
	const char *theirs;
	char character; /* at the position; '\0' = any */
	const char *ours;
} MESSAGES[] = {
	{ "found character that cannot start any token", '\t',
		"a tab: indent with spaces" },
	{ "found character that cannot start any token", '\0',
		"a value that starts with this character must be in quotes" },
	{ "found a tab character that violates indentation", '\0',
		"a tab: indent with spaces" },
	{ "found a tab character where an indentation space is expected", '\0',
		"a tab: indent with spaces" },
	{ ALIAS_PROBLEM, '\0',
		"a value that starts with '*' or '&' must be in quotes" },
	{ "mapping values are not allowed in this context", '\0',
		"unexpected ':' (wrong indentation, or a value that must be in "
		"quotes)" },
	{ "could not find expected ':'", '\0',
		"expected 'key: value', but there is no ':'" },
	{ "did not find expected key", '\0',
		"expected a key: is the indentation right?" },
	{ "did not find expected '-' indicator", '\0',
		"expected '- ' for the next value of the list" },
	{ "did not find expected ',' or ']'", '\0', "expected ',' or ']'" },
	{ "did not find expected ',' or '}'", '\0', "expected ',' or '}'" },
	{ "found unexpected end of stream", '\0', "a quote is never closed" },
	{ "did not find expected <document start>", '\0',
		"text behind the end of the configuration" },
};

static const char *translate(const char *theirs, char character)
{
	for (size_t i = 0; i < ARRAY_LENGTH(MESSAGES); i++)
		if (strcmp(theirs, MESSAGES[i].theirs) == 0 &&
			(MESSAGES[i].character == '\0' ||
				MESSAGES[i].character == character))
			return MESSAGES[i].ours;
	return theirs;
}

/* Noticed only behind the place where something is wrong. */
static bool starts_earlier(const char *theirs)
{
	static const char *const LATE[] = { ALIAS_PROBLEM,
		"found unexpected end of stream",
		"could not find expected ':'" };

	for (size_t i = 0; i < ARRAY_LENGTH(LATE); i++)
		if (strcmp(theirs, LATE[i]) == 0)
			return true;
	return false;
}

static bool add_encoding_problem(const struct reader *reader)
{
	size_t offset = reader->parser.problem_offset;
	bool is_control = reader->parser.problem != NULL &&
		strstr(reader->parser.problem, "control") != NULL;
	uint32_t line;
	uint32_t column;

	if (offset > reader->source.size)
		offset = reader->source.size;
	source_locate(reader->source, offset, &line, &column);
	problem_add(reader->problems, line, column, "%s",
		is_control ? "a control character" : "not UTF-8 text");
	return false;
}

static bool add_syntax_problem(const struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	uint32_t line = line_of(&parser->problem_mark);
	uint32_t column = column_of(&parser->problem_mark);
	const char *problem = parser->problem;

	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	if (parser->error == YAML_READER_ERROR)
		return add_encoding_problem(reader);
	if (problem == NULL)
		problem = "not YAML";
	if (parser->context != NULL &&
		(starts_earlier(problem) ||
			source_character(reader->source, line, column) ==
				'\0')) {
		line = line_of(&parser->context_mark);
		column = column_of(&parser->context_mark);
	}
	problem = translate(
		problem, source_character(reader->source, line, column));
	problem_add(reader->problems, line, column, "%s", problem);
	return false;
}

static struct yaml_node *new_node(
	struct reader *reader, const yaml_event_t *event, enum yaml_kind kind)
{
	struct yaml_node *node = arena_alloc(reader->arena, 1, sizeof(*node));

	node->kind = kind;
	node->line = line_of(&event->start_mark);
	node->column = column_of(&event->start_mark);
	node->text = arena_text(reader->arena, "");
	return node;
}

static void push(struct reader *reader, struct yaml_node ***items,
	size_t *capacity, size_t count, struct yaml_node *node)
{
	struct yaml_node **item = arena_push(
		reader->arena, items, &count, capacity, sizeof(*item));

	*item = node;
}

/* Puts `node` where it belongs: the root, a list's next, a key, its value. */
static void attach(struct reader *reader, struct yaml_node *node)
{
	struct yaml_node *parent;
	struct yaml_node **key;

	if (reader->depth == 0) {
		reader->root = node;
		return;
	}
	parent = reader->stack[reader->depth - 1];
	key = &reader->keys[reader->depth - 1];
	if (parent->kind == YAML_KIND_MAP && *key == NULL) {
		*key = node;
		return;
	}
	if (parent->kind == YAML_KIND_MAP)
		push(reader, &parent->keys, &parent->key_capacity,
			parent->count, *key);
	*key = NULL;
	push(reader, &parent->values, &parent->value_capacity, parent->count,
		node);
	parent->count++;
}

static bool add_node(struct reader *reader, struct yaml_node *node)
{
	if (reader->node_count++ < YAML_NODE_COUNT_MAX) {
		attach(reader, node);
		return true;
	}
	problem_add(reader->problems, node->line, node->column,
		"more than %d values", YAML_NODE_COUNT_MAX);
	return false;
}

/* What YAML has and a configuration does not need. */
static void refuse(struct reader *reader, struct yaml_node *node,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (tag != NULL)
		problem_add(reader->problems, node->line, node->column,
			"tags are not supported: a value that starts with '!' "
			"must be in quotes");
	else if (anchor != NULL)
		problem_add(reader->problems, node->line, node->column,
			"anchors are not supported: a value that starts with "
			"'&' must be in quotes");
}

static bool add_scalar(struct reader *reader, const yaml_event_t *event)
{
	struct yaml_node *node = new_node(reader, event, YAML_KIND_TEXT);
	const yaml_char_t *anchor = event->data.scalar.anchor;
	const yaml_char_t *tag = event->data.scalar.tag;

	node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->size = event->data.scalar.length;
	node->text = arena_text_sized(reader->arena,
		(const char *)event->data.scalar.value, node->size);
	refuse(reader, node, anchor, tag);
	if (anchor != NULL || tag != NULL)
		node->kind = YAML_KIND_BAD;
	return add_node(reader, node);
}

static bool add_alias(struct reader *reader, const yaml_event_t *event)
{
	struct yaml_node *node = new_node(reader, event, YAML_KIND_BAD);

	problem_add(reader->problems, node->line, node->column,
		"aliases are not supported: a value that starts with '*' must "
		"be in quotes");
	return add_node(reader, node);
}

static bool enter(
	struct reader *reader, const yaml_event_t *event, enum yaml_kind kind)
{
	struct yaml_node *node = new_node(reader, event, kind);
	bool is_map = kind == YAML_KIND_MAP;

	refuse(reader, node,
		is_map ? event->data.mapping_start.anchor
		       : event->data.sequence_start.anchor,
		is_map ? event->data.mapping_start.tag
		       : event->data.sequence_start.tag);
	if (!add_node(reader, node))
		return false;
	if (reader->depth == YAML_DEPTH_MAX) {
		problem_add(reader->problems, node->line, node->column,
			"nested more than %d levels deep", YAML_DEPTH_MAX);
		return false;
	}
	reader->keys[reader->depth] = NULL;
	reader->stack[reader->depth++] = node;
	return true;
}

static bool start_document(struct reader *reader, const yaml_event_t *event)
{
	if (reader->document_count++ == 0)
		return true;
	problem_add(reader->problems, line_of(&event->start_mark),
		column_of(&event->start_mark), "a second document");
	return false;
}

static bool handle(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return true;
	case YAML_DOCUMENT_START_EVENT:
		return start_document(reader, event);
	case YAML_ALIAS_EVENT:
		return add_alias(reader, event);
	case YAML_SCALAR_EVENT:
		return add_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		return enter(reader, event, YAML_KIND_LIST);
	case YAML_MAPPING_START_EVENT:
		return enter(reader, event, YAML_KIND_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		reader->depth--;
		return true;
	}
	return true;
}

static bool read_events(struct reader *reader)
{
	bool is_end = false;

	while (!is_end) {
		yaml_event_t event;
		bool ok;

		if (!yaml_parser_parse(&reader->parser, &event))
			return add_syntax_problem(reader);
		ok = handle(reader, &event);
		is_end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (!ok)
			return false;
	}
	return true;
}

bool yaml_read(struct source source, struct arena *arena,
	struct yaml_node **root_out, struct config_problems *problems)
{
	struct reader reader = {
		.source = source,
		.arena = arena,
		.problems = problems,
	};
	bool ok;

	if (!yaml_parser_initialize(&reader.parser))
		abort();
	/* Said, not guessed: two zero bytes would make it UTF-16. */
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser,
		(const unsigned char *)source.text, source.size);
	ok = read_events(&reader);
	yaml_parser_delete(&reader.parser);
	if (ok)
		*root_out = reader.root;
	return ok;
}
