/* Shared by folders.c and its two helpers; nobody else includes this. */
#ifndef SYNCD_RECONCILER_FOLDERS_INTERNAL_H
#define SYNCD_RECONCILER_FOLDERS_INTERNAL_H

#include "syncd/reconciler/folders.h"

enum fate {
	FATE_NONE,
	FATE_KEEP,        /* on both sides, under `target` in the end */
	FATE_MAKE_LOCAL,  /* only on the server */
	FATE_MAKE_REMOTE, /* only here */
	FATE_DROP_LOCAL,  /* gone on the server */
	FATE_DROP_REMOTE, /* gone here */
	FATE_FORGET,      /* gone on both sides */
	FATE_HOLD,        /* stays as it is */
};

/* One folder: what is on record, on the server and here. */
struct folder {
	const struct folder_record *record; /* or NULL */
	const struct folder_remote *remote; /* or NULL */
	const struct folder_local *local;   /* or NULL */
	/* Where it is while the plan is made; NULL = nowhere. */
	const char *remote_path;
	const char *local_path;
	const char *target;
	bool is_local_driven; /* `target` is the name it has here */
	enum fate fate;
	const char *reason; /* FATE_HOLD; NULL = nothing to report */
};

struct folder_set {
	struct arena *arena;
	struct folder *folders;
	size_t count, capacity;
	struct folder_operation *operations;
	size_t operation_count, operation_capacity;
};

/* folders_identity.c: one struct folder for every record, mailbox and
   directory, joined where they are the same one. */
void folders_identify(
	struct folder_set *set, const struct folders_input *input);

/* "NAME-renaming-N", what a rename was interrupted at, or below that. */
bool folders_is_temporary(const char *path);

/* folders_rename.c: appends the renames of one side. */
void folders_rename(struct folder_set *set, bool is_remote);

struct folder_operation *folders_add(struct folder_set *set,
	enum folder_operation_kind kind, const struct folder *folder,
	const char *path);

#endif
