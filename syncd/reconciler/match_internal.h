/* Shared by match.c and match_group.c; nobody else includes this. */
#ifndef SYNCD_RECONCILER_MATCH_INTERNAL_H
#define SYNCD_RECONCILER_MATCH_INTERNAL_H

#include "syncd/reconciler/match.h"

struct entry {
	const struct match_item *item;
	size_t index; /* the caller's order */
	bool is_bound;
	bool is_asked;
};

enum key {
	KEY_EMAIL,  /* email_id */
	KEY_HASH,   /* hash */
	KEY_SIZE,   /* size */
	KEY_HEADER, /* size, then header hash */
	KEY_DATE,   /* INTERNALDATE; of a file on its way there its mtime */
	KEY_DISK,   /* size as on disk: some servers count line ends once */
	KEY_HEADER_ALONE, /* header hash, whatever the sizes */
};

/* Which roles meet, and whether only within one folder. */
struct stage {
	enum match_role arrival, partner;
	bool is_within_folder;
};

struct matcher {
	struct arena *arena;
	struct entry *entries;
	size_t entry_count;
	struct entry **sorted; /* room for all of them */
	uint64_t *unread;      /* sizes given up without a header, sorted */
	size_t unread_count;
	struct match_binding *bindings;
	size_t binding_count, binding_capacity;
	struct match_need *needs;
	size_t need_count, need_capacity;
};

/* One run of `sorted` that is equal by key; what a group handler gets. */
struct group {
	struct entry **entries;
	size_t count;
	const struct stage *stage;
};

typedef void group_handler(struct matcher *matcher, const struct group *group);

const struct content *match_content(const struct entry *entry);
bool match_is_role(const struct entry *entry, enum match_role role);

/* match_group.c: calls `handle` for every group of free entries of the stage's
   roles with equal keys; who does not have the key takes no part. */
void match_for_each_group(struct matcher *matcher, const struct stage *stage,
	enum key key, group_handler *handle);

/* The next entry of a role from `*position` on, or NULL; _free leaves out who
   was given up. */
struct entry *match_next(
	const struct group *group, enum match_role role, size_t *position);
struct entry *match_next_free(
	const struct group *group, enum match_role role, size_t *position);

size_t match_count_role(const struct group *group, enum match_role role);

/* Both have somebody who was not given up. */
bool match_has_both_roles(const struct group *group);

#endif
