/* Extended attributes: one after the other in a blob, each a name with its NUL,
   a size in four bytes, and the value. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/sim_disk_internal.h"

#define VALUE_SIZE_MAX 4096

struct attribute {
	const char *name;
	uint32_t size;
	const uint8_t *value;
	size_t end; /* offset of the next */
};

static struct attribute read_at(const struct blob *blob, size_t at)
{
	struct attribute attribute = { .name = (const char *)blob->bytes + at };

	at += strlen(attribute.name) + 1;
	memcpy(&attribute.size, blob->bytes + at, sizeof(attribute.size));
	at += sizeof(attribute.size);
	attribute.value = blob->bytes + at;
	attribute.end = at + attribute.size;
	return attribute;
}

ssize_t xattr_get(
	const struct blob *blob, const char *name, void *value, size_t size)
{
	size_t at = 0;

	while (blob != NULL && at < blob->size) {
		struct attribute attribute = read_at(blob, at);

		at = attribute.end;
		if (strcmp(attribute.name, name) != 0)
			continue;
		if (size > 0 && size < attribute.size)
			return -ERANGE;
		if (size > 0)
			memcpy(value, attribute.value, attribute.size);
		return (ssize_t)attribute.size;
	}
	return -ENODATA;
}

static struct blob *append(struct blob *blob, const void *data, size_t size)
{
	blob = blob_own(blob, blob->size + size);
	memcpy(blob->bytes + blob->size, data, size);
	blob->size += size;
	return blob;
}

static struct blob *append_attribute(
	struct blob *blob, const char *name, const void *value, uint32_t size)
{
	blob = append(blob, name, strlen(name) + 1);
	blob = append(blob, &size, sizeof(size));
	return append(blob, value, size);
}

int xattr_set(
	struct blob **blob, const char *name, const void *value, size_t size)
{
	struct blob *new = blob_new(NULL, 0);

	if (size > VALUE_SIZE_MAX) {
		blob_release(new);
		return -ENOSPC;
	}
	for (size_t at = 0; *blob != NULL && at < (*blob)->size;) {
		struct attribute attribute = read_at(*blob, at);

		at = attribute.end;
		if (strcmp(attribute.name, name) != 0)
			new = append_attribute(new, attribute.name,
				attribute.value, attribute.size);
	}
	new = append_attribute(new, name, value, (uint32_t)size);
	blob_release(*blob);
	*blob = new;
	return 0;
}
