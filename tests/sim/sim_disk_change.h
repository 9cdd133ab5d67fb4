/* Changes of directories that may not be durable yet, for the two files that
   make them so or lose them. */
#ifndef TESTS_SIM_SIM_DISK_CHANGE_H
#define TESTS_SIM_SIM_DISK_CHANGE_H

#include "tests/sim/sim_disk_internal.h"

enum change_state {
	CHANGE_PENDING,
	CHANGE_DURABLE,
	CHANGE_LOST,
};

struct change {
	enum change_state state;
	struct inode *directory;
	char *gone;
	char *set;
	uint64_t gone_hash;
	uint64_t set_hash;
	struct inode *inode;
	struct inode *emptied;
	struct change *earlier_removal; /* of a name of the same inode */
	struct change *needs;
	struct change *bound; /* the other half, both ways */
	struct change *next;  /* of this directory */
};

/* Both are about one name of one directory. */
bool change_meets(const struct change *a, const struct change *b);

/* What the directory holds for good, with this change. */
void change_apply(struct change *change);

#endif
