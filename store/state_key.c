#include "store/state_internal.h"

#include <assert.h>
#include <string.h>

#include "base/number.h"

const struct record_bytes RECORD_NOTHING = { NULL, 0 };

static void add_u32(struct state_key *key, uint32_t number)
{
	number_write_be32(key->data + key->size, number);
	key->size += 4;
}

static void add_u64(struct state_key *key, uint64_t number)
{
	number_write_be64(key->data + key->size, number);
	key->size += 8;
}

static void add_bytes(struct state_key *key, const char *bytes, size_t size)
{
	assert(size <= STATE_KEY_SIZE_MAX - key->size);
	memcpy(key->data + key->size, bytes, size);
	key->size += size;
}

struct state_key state_key_text(const char *text)
{
	struct state_key key;

	key.size = 0;
	add_bytes(&key, text, strlen(text));
	return key;
}

struct state_key state_key_u32(uint32_t number)
{
	struct state_key key;

	key.size = 0;
	add_u32(&key, number);
	return key;
}

struct state_key state_key_u64(uint64_t number)
{
	struct state_key key;

	key.size = 0;
	add_u64(&key, number);
	return key;
}

struct state_key state_key_u64_pair(uint64_t first, uint64_t second)
{
	struct state_key key;

	key.size = 0;
	add_u64(&key, first);
	add_u64(&key, second);
	return key;
}

struct state_key state_key_uid(uint32_t folder_id, uint32_t uid)
{
	struct state_key key;

	key.size = 0;
	add_u32(&key, folder_id);
	add_u32(&key, uid);
	return key;
}

struct state_key state_key_unique(uint32_t folder_id, const char *name)
{
	struct state_key key;

	key.size = 0;
	add_u32(&key, folder_id);
	add_bytes(&key, name, pair_unique_size(name));
	return key;
}

struct state_key state_key_inode(uint64_t device, uint64_t inode, uint64_t mid)
{
	struct state_key key;

	key.size = 0;
	add_u64(&key, device);
	add_u64(&key, inode);
	add_u64(&key, mid);
	return key;
}

uint32_t state_key_read_u32(const struct state_key *key, size_t position)
{
	if (position + 4 > key->size)
		return 0;
	return number_read_be32(key->data + position);
}

uint64_t state_key_read_u64(const struct state_key *key, size_t position)
{
	if (position + 8 > key->size)
		return 0;
	return number_read_be64(key->data + position);
}

bool state_key_equal(const struct state_key *a, const struct state_key *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

bool state_key_starts_with(
	const struct state_key *key, const struct state_key *prefix)
{
	return key->size >= prefix->size &&
		memcmp(key->data, prefix->data, prefix->size) == 0;
}
