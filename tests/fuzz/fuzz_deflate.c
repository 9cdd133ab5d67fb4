/* Any octets as the compressed stream of a server: what comes out does not
   depend on the pieces, and is never more than the ratio allows. The first
   octet is the size of the pieces. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "syncd/worker/transport.h"
#include "syncd/worker/transport_deflate.h"

/* A window of deflate and more; what is longer is not unpacked twice. */
#define COMPARED_SIZE_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

struct outcome {
	bool is_good;
	uint64_t size;
	uLong sum; /* of the octets, to tell two streams apart */
};

static bool drain(
	struct transport_deflate *deflate, size_t room, struct outcome *outcome)
{
	uint8_t out[4096];
	size_t got;

	do {
		struct error error = { 0 };

		if (!transport_deflate_unpack(
			    deflate, out, room, &got, &error)) {
			require(error.code == ERROR_PROTOCOL ||
				error.code == ERROR_LIMIT);
			return false;
		}
		require(got <= room);
		outcome->sum = adler32(outcome->sum, out, (uInt)got);
		outcome->size += got;
	} while (got > 0);
	require(!transport_deflate_has_more(deflate));
	return true;
}

static struct outcome unpack(
	const uint8_t *data, size_t size, size_t step, size_t room)
{
	struct transport_deflate *deflate = transport_deflate_new();
	struct outcome outcome = { .is_good = true };

	for (size_t from = 0; from < size && outcome.is_good; from += step) {
		transport_deflate_feed(deflate, data + from,
			step < size - from ? step : size - from);
		outcome.is_good = drain(deflate, room, &outcome);
	}
	require(outcome.size <= TRANSPORT_INFLATE_RATIO_FROM + 4096 ||
		outcome.size <=
			(size + 1) * (TRANSPORT_INFLATE_RATIO_MAX + 1) + 4096);
	transport_deflate_free(deflate);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;

	if (size < 2)
		return 0;
	whole = unpack(data + 1, size - 1, size, 4096);
	if (whole.size > COMPARED_SIZE_MAX)
		return 0;
	pieces = unpack(data + 1, size - 1, (size_t)data[0] + 1, 512);
	if (whole.is_good && pieces.is_good)
		require(whole.size == pieces.size && whole.sum == pieces.sum);
	return 0;
}
