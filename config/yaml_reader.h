/* YAML bytes in, a tree with positions out. Only the plain part of YAML: no
   aliases, anchors, tags, merge keys or second documents. */
#ifndef CONFIG_YAML_READER_H
#define CONFIG_YAML_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "config/config.h"
#include "config/source.h"

#define YAML_DEPTH_MAX      8
#define YAML_NODE_COUNT_MAX 50000

enum yaml_kind {
	YAML_KIND_TEXT,
	YAML_KIND_LIST,
	YAML_KIND_MAP,
	YAML_KIND_BAD, /* a problem was already reported: ask no more of it */
};

struct yaml_node {
	enum yaml_kind kind;
	uint32_t line;   /* from 1 */
	uint32_t column; /* from 1, in characters */
	bool is_quoted;  /* text in quotes or a block */
	char *text;      /* of text; "" for others */
	size_t size;     /* of text, which may hold NULs */
	/* Of a list or map: `keys` is NULL for a list. */
	struct yaml_node **keys;
	struct yaml_node **values;
	size_t count;
	size_t key_capacity;
	size_t value_capacity;
};

/* The root, in `arena`; NULL for an empty file. False after a problem that
   leaves nothing to look at. Other problems are only added. */
bool yaml_read(struct source source, struct arena *arena,
	struct yaml_node **root_out,
	struct config_problems *problems) MUST_CHECK;

#endif
