#include "syncd/worker/transport_deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#include <cmocka.h>

#include "syncd/worker/transport.h"

/* Feeds `packed` in pieces and collects what comes out. */
static bool unpack_all(struct transport_deflate *deflate,
	const struct buf *packed, size_t piece_max, struct buf *out,
	struct error *error)
{
	uint8_t data[300];
	size_t got;

	for (size_t at = 0; at < packed->size;) {
		size_t piece = packed->size - at;

		if (piece > piece_max)
			piece = piece_max;
		transport_deflate_feed(deflate, packed->data + at, piece);
		at += piece;
		do {
			if (!transport_deflate_unpack(
				    deflate, data, sizeof(data), &got, error))
				return false;
			buf_add(out, data, got);
		} while (got > 0);
		assert_false(transport_deflate_has_more(deflate));
	}
	return true;
}

static void test_what_is_packed_comes_out_again_at_every_flush(void **state)
{
	static const size_t PIECES[] = { 1, 2, 7, 100, 65536 };

	(void)state;
	srand(3);
	for (size_t i = 0; i < sizeof(PIECES) / sizeof(*PIECES); i++) {
		struct transport_deflate *near = transport_deflate_new();
		struct transport_deflate *far = transport_deflate_new();

		for (int round = 0; round < 20; round++) {
			uint8_t data[5000];
			size_t size = 1 + (size_t)rand() % sizeof(data);
			struct buf packed = { 0 }, out = { 0 };

			for (size_t j = 0; j < size; j++)
				data[j] = (uint8_t)(rand() % (1 + round * 13));
			transport_deflate_pack(near, data, size, &packed);
			assert_true(unpack_all(
				far, &packed, PIECES[i], &out, NULL));
			assert_int_equal(out.size, size);
			assert_memory_equal(out.data, data, size);
			buf_finish(&packed);
			buf_finish(&out);
		}
		transport_deflate_free(near);
		transport_deflate_free(far);
	}
}

static void deflate_zeros(struct buf *packed, size_t size, int flush)
{
	static const uint8_t ZEROS[1 << 16];
	z_stream stream = { 0 };

	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8,
				 Z_DEFAULT_STRATEGY),
		Z_OK);
	while (size > 0) {
		stream.avail_in =
			(uInt)(size < sizeof(ZEROS) ? size : sizeof(ZEROS));
		stream.next_in = ZEROS;
		size -= stream.avail_in;
		do {
			buf_reserve(packed, 4096);
			stream.next_out = packed->data + packed->size;
			stream.avail_out = 4096;
			(void)deflate(&stream, size == 0 ? flush : Z_NO_FLUSH);
			packed->size += 4096 - stream.avail_out;
		} while (stream.avail_out == 0);
	}
	(void)deflateEnd(&stream);
}

static void test_a_bomb_is_refused_soon(void **state)
{
	struct transport_deflate *deflate = transport_deflate_new();
	struct buf packed = { 0 }, out = { 0 };
	struct error error = { 0 };

	(void)state;
	deflate_zeros(&packed, 64 << 20, Z_SYNC_FLUSH);
	assert_false(unpack_all(deflate, &packed, 16384, &out, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	assert_true(out.size < TRANSPORT_INFLATE_RATIO_FROM + 1000);
	buf_finish(&packed);
	buf_finish(&out);
	transport_deflate_free(deflate);
}

static void test_a_little_well_packed_text_is_no_bomb(void **state)
{
	struct transport_deflate *deflate = transport_deflate_new();
	struct buf packed = { 0 }, out = { 0 };

	(void)state;
	deflate_zeros(&packed, 1 << 20, Z_SYNC_FLUSH);
	assert_true(unpack_all(deflate, &packed, 16384, &out, NULL));
	assert_int_equal(out.size, 1 << 20);
	buf_finish(&packed);
	buf_finish(&out);
	transport_deflate_free(deflate);
}

static void test_junk_is_an_error(void **state)
{
	struct transport_deflate *deflate = transport_deflate_new();
	struct error error = { 0 };
	uint8_t data[10];
	size_t got = 77;

	(void)state;
	transport_deflate_feed(deflate, "\xff\xff\xff\xff", 4);
	assert_false(transport_deflate_unpack(
		deflate, data, sizeof(data), &got, &error));
	assert_int_equal(error.code, ERROR_PROTOCOL);
	assert_int_equal(got, 77);
	transport_deflate_free(deflate);
	transport_deflate_free(NULL);
}

static void test_the_end_of_the_stream_comes_after_its_data(void **state)
{
	struct transport_deflate *deflate = transport_deflate_new();
	struct buf packed = { 0 }, out = { 0 };
	struct error error = { 0 };

	(void)state;
	deflate_zeros(&packed, 1000, Z_FINISH);
	assert_false(unpack_all(deflate, &packed, 16384, &out, &error));
	assert_int_equal(error.code, ERROR_PROTOCOL);
	assert_non_null(strstr(error.message, "ended"));
	assert_int_equal(out.size, 1000);
	buf_finish(&packed);
	buf_finish(&out);
	transport_deflate_free(deflate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_what_is_packed_comes_out_again_at_every_flush),
		cmocka_unit_test(test_a_bomb_is_refused_soon),
		cmocka_unit_test(test_a_little_well_packed_text_is_no_bomb),
		cmocka_unit_test(test_junk_is_an_error),
		cmocka_unit_test(
			test_the_end_of_the_stream_comes_after_its_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
