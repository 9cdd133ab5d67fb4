/* From paths to inodes, as the kernel walks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/sim_disk_internal.h"

#define LINK_COUNT_MAX 40

struct walk {
	struct inode *start; /* not to be left, with LOOKUP_BENEATH */
	struct inode *current;
	unsigned how;
	unsigned link_count;
	char rest[PATH_MAX]; /* what is still to be walked */
	struct found *found;
};

bool path_is_ours(int fd, const char *path)
{
	const size_t size = sizeof(SIM_ROOT) - 1;

	if (path != NULL && *path == '/')
		return strncmp(path, SIM_ROOT, size) == 0 &&
			(path[size] == '/' || path[size] == '\0');
	return fd >= SIM_FD_MIN;
}

/* Cuts the first component off `rest`; false = there is none. */
static bool take_component(char *rest, const char **name_out, bool *is_last_out)
{
	size_t start = strspn(rest, "/");
	size_t size = strcspn(rest + start, "/");
	size_t end = start + size;

	if (size == 0)
		return false;
	*is_last_out = rest[end + strspn(rest + end, "/")] == '\0';
	*name_out = rest + start;
	return true;
}

static int go_up(struct walk *walk)
{
	if ((walk->how & LOOKUP_BENEATH) != 0 && walk->current == walk->start)
		return -EXDEV;
	if (walk->current != sim_disk.top)
		walk->current = walk->current->directory->parent;
	return 0;
}

static void look_at(struct walk *walk, const char *name)
{
	struct found *found = walk->found;

	found->last = LAST_NAME;
	found->directory = walk->current;
	memcpy(found->name, name, strlen(name) + 1);
	found->entry = slots_find(&walk->current->directory->now, name);
	found->inode = found->entry == NULL ? NULL : found->entry->inode;
}

/* What stands in the link comes before the rest of the path. */
static int follow(struct walk *walk, const struct inode *link, const char *rest)
{
	char text[PATH_MAX];
	int size;

	if ((walk->how & LOOKUP_NO_LINKS) != 0 ||
		++walk->link_count > LINK_COUNT_MAX)
		return -ELOOP;
	size = snprintf(text, sizeof(text), "%.*s%s", (int)link->data->size,
		(const char *)link->data->bytes, rest);
	if (size < 0 || (size_t)size >= sizeof(text))
		return -ENAMETOOLONG;
	if (text[0] == '/' && (walk->how & LOOKUP_BENEATH) != 0)
		return -EXDEV;
	if (text[0] == '/')
		walk->current = sim_disk.top;
	memcpy(walk->rest, text, (size_t)size + 1);
	return 0;
}

/* A link that is the last component. */
static bool is_followed(unsigned how, bool has_slash)
{
	return (how & LOOKUP_PARENT) == 0 &&
		(has_slash || (how & LOOKUP_FOLLOW) != 0);
}

/* One component. 1: that was the last. */
static int step(struct walk *walk, const char *name, size_t size, bool is_last)
{
	struct found *found = walk->found;
	const char *rest = name + size;
	char component[NAME_MAX + 1];
	bool is_dot = size == 1 && name[0] == '.';
	bool is_dots = size == 2 && name[0] == '.' && name[1] == '.';
	int error = 0;

	if (walk->current->directory == NULL)
		return -ENOTDIR;
	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	if (is_dots)
		error = go_up(walk);
	if (is_dot || is_dots) {
		found->last = is_dot ? LAST_DOT : LAST_DOTS;
		found->entry = NULL;
		found->inode = walk->current;
		memmove(walk->rest, rest, strlen(rest) + 1);
		return error != 0 ? error : is_last;
	}
	memcpy(component, name, size);
	component[size] = '\0';
	look_at(walk, component);
	found->has_slash = is_last && *rest == '/';
	if (found->has_slash && (walk->how & LOOKUP_CREATE) != 0)
		return -EISDIR;
	if (found->inode != NULL && found->inode->type == S_IFLNK &&
		(!is_last || is_followed(walk->how, found->has_slash)))
		return follow(walk, found->inode, rest);
	if (is_last)
		return 1;
	if (found->inode == NULL)
		return -ENOENT;
	walk->current = found->inode;
	memmove(walk->rest, rest, strlen(rest) + 1);
	return 0;
}

static int walk_path(struct walk *walk)
{
	const char *name;
	bool is_last;

	walk->found->last = LAST_ROOT;
	walk->found->inode = walk->current;
	while (take_component(walk->rest, &name, &is_last)) {
		int result = step(walk, name, strcspn(name, "/"), is_last);

		if (result < 0)
			return result;
		if (result > 0)
			break;
	}
	if ((walk->how & LOOKUP_PARENT) == 0 && walk->found->has_slash &&
		walk->found->inode != NULL &&
		walk->found->inode->directory == NULL)
		return -ENOTDIR;
	return 0;
}

static int find_start(int fd, struct walk *walk, const char *path)
{
	const struct description *description;

	if (*path == '/') {
		if ((walk->how & LOOKUP_BENEATH) != 0)
			return -EXDEV;
		walk->start = sim_disk.top;
		return 0;
	}
	description = description_of(fd);
	if (description == NULL)
		return -EBADF;
	walk->start = description->inode;
	return *path != '\0' && walk->start->directory == NULL ? -ENOTDIR : 0;
}

int path_lookup(int fd, const char *path, unsigned how, struct found *found_out)
{
	struct found found = { .last = LAST_ROOT };
	struct walk walk = { .how = how, .found = &found };
	size_t size = strlen(path);
	int error;

	if (size == 0 && (how & LOOKUP_EMPTY) == 0)
		return -ENOENT;
	if (size >= sizeof(walk.rest))
		return -ENAMETOOLONG;
	error = find_start(fd, &walk, path);
	if (error != 0)
		return error;
	walk.current = walk.start;
	memcpy(walk.rest, path, size + 1);
	error = walk_path(&walk);
	if (error == 0)
		*found_out = found;
	return error;
}

struct inode *path_inode(const char *path)
{
	struct found found;

	return path_lookup(AT_FDCWD, path, 0, &found) == 0 ? found.inode : NULL;
}

char *path_of(const struct inode *directory, const char *name)
{
	char *path = alloc_text(name == NULL ? "" : name);

	for (; directory != NULL && directory->directory->self != NULL;
		directory = directory->directory->parent) {
		char *longer =
			alloc_format("%s%s%s", directory->directory->self->name,
				*path == '\0' ? "" : "/", path);

		free(path);
		path = longer;
	}
	if (directory == sim_disk.top) {
		char *whole = alloc_format("/%s", path);

		free(path);
		return whole;
	}
	return path;
}
