/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash, for indexes
   and file name tokens that outsiders must not be able to make collide. Not
   for content identity, which is SHA-256. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_KEY_SIZE 16

uint64_t hash_keyed(
	const uint8_t key[HASH_KEY_SIZE], const void *data, size_t size);

#endif
