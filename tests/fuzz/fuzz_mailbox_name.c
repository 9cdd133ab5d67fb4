/* Any octets as a mailbox name of a server. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/mailbox_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_decoding(const char *wire, size_t size)
{
	struct buf name = { 0 };
	struct buf again = { 0 };
	enum mailbox_name_outcome outcome =
		mailbox_name_decode(wire, size, &name);

	require((outcome == MAILBOX_NAME_INVALID) == (name.size == 0));
	require(text_is_utf8(buf_text(&name), name.size));
	if (outcome == MAILBOX_NAME_RAW)
		require(name.size == size &&
			memcmp(name.data, wire, size) == 0);
	if (outcome == MAILBOX_NAME_CANONICAL) {
		require(mailbox_name_encode(
			buf_text(&name), name.size, &again));
		require(again.size == size &&
			memcmp(again.data, wire, size) == 0);
	}
	buf_finish(&name);
	buf_finish(&again);
}

static void check_encoding(const char *name, size_t size)
{
	struct buf wire = { 0 };
	struct buf again = { 0 };

	if (mailbox_name_encode(name, size, &wire)) {
		require(mailbox_name_decode(buf_text(&wire), wire.size,
				&again) == MAILBOX_NAME_CANONICAL);
		require(again.size == size &&
			memcmp(again.data, name, size) == 0);
	}
	buf_finish(&wire);
	buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_decoding((const char *)data, size);
	check_encoding((const char *)data, size);
	return 0;
}
