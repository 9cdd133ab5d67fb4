#include "syncd/worker/transport_deflate.h"

#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST /* lets input be const */
#include <zlib.h>

#include "base/alloc.h"
#include "syncd/worker/transport.h"

struct transport_deflate {
	z_stream packer;
	z_stream unpacker;
	struct buf input;
	bool is_full; /* the last unpacking ended for lack of room */
	uint64_t packed_count;
	uint64_t unpacked_count;
};

struct transport_deflate *transport_deflate_new(void)
{
	struct transport_deflate *deflate = alloc(1, sizeof(*deflate));

	/* Negative window bits: no zlib header. Fails for lack of memory. */
	if (deflateInit2(&deflate->packer, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
		    -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
		inflateInit2(&deflate->unpacker, -MAX_WBITS) != Z_OK)
		abort();
	return deflate;
}

void transport_deflate_free(struct transport_deflate *deflate)
{
	if (deflate == NULL)
		return;
	(void)deflateEnd(&deflate->packer);
	(void)inflateEnd(&deflate->unpacker);
	buf_finish(&deflate->input);
	free(deflate);
}

/* zlib has taken the word deflate for its function. */
static void run_packer(z_stream *packer)
{
	(void)deflate(packer, Z_SYNC_FLUSH);
}

void transport_deflate_pack(struct transport_deflate *deflate, const void *data,
	size_t size, struct buf *out)
{
	z_stream *packer = &deflate->packer;
	size_t room = 1024 + size / 2;

	packer->next_in = data;
	packer->avail_in = (uInt)size;
	do {
		buf_reserve(out, room);
		packer->next_out = out->data + out->size;
		packer->avail_out = (uInt)room;
		run_packer(packer);
		out->size += room - packer->avail_out;
	} while (packer->avail_out == 0);
}

void transport_deflate_feed(
	struct transport_deflate *deflate, const void *data, size_t size)
{
	z_stream *unpacker = &deflate->unpacker;

	buf_consume(&deflate->input, deflate->input.size - unpacker->avail_in);
	buf_add(&deflate->input, data, size);
	unpacker->next_in = deflate->input.data;
	unpacker->avail_in = (uInt)deflate->input.size;
}

static bool check_ratio(
	const struct transport_deflate *deflate, struct error *error)
{
	if (deflate->unpacked_count > TRANSPORT_INFLATE_RATIO_FROM &&
		deflate->unpacked_count / TRANSPORT_INFLATE_RATIO_MAX >
			deflate->packed_count)
		return error_set(error, ERROR_LIMIT,
			"server's compressed data grows more than %d times",
			TRANSPORT_INFLATE_RATIO_MAX);
	return true;
}

bool transport_deflate_unpack(struct transport_deflate *deflate, void *data,
	size_t size, size_t *got_out, struct error *error)
{
	z_stream *unpacker = &deflate->unpacker;
	uInt room = size < INT_MAX ? (uInt)size : INT_MAX;
	uInt fed = unpacker->avail_in;
	int result;

	unpacker->next_out = data;
	unpacker->avail_out = room;
	result = inflate(unpacker, Z_SYNC_FLUSH);
	deflate->packed_count += fed - unpacker->avail_in;
	deflate->unpacked_count += room - unpacker->avail_out;
	deflate->is_full = unpacker->avail_out == 0;
	/* Z_BUF_ERROR: there was nothing to do. The end of the stream waits
	   until everything before it is delivered. */
	if (result == Z_STREAM_END && unpacker->avail_out < room)
		result = Z_OK;
	if (result != Z_OK && result != Z_BUF_ERROR)
		return error_set(error, ERROR_PROTOCOL,
			result == Z_STREAM_END
				? "server ended the compressed stream"
				: "server's compressed data is damaged");
	if (!check_ratio(deflate, error))
		return false;
	*got_out = room - unpacker->avail_out;
	return true;
}

bool transport_deflate_has_more(const struct transport_deflate *deflate)
{
	return deflate->is_full || deflate->unpacker.avail_in > 0;
}
