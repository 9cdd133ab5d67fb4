#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "proto/base64.h"

/* RFC 4648, 10. */
static const struct {
	const char *data;
	const char *text;
} PAIRS[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" },
};

static void test_known_answers_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(PAIRS); i++) {
		struct buf text = { 0 };
		struct buf data = { 0 };

		base64_encode(PAIRS[i].data, strlen(PAIRS[i].data), &text);
		assert_string_equal(buf_text(&text), PAIRS[i].text);
		assert_int_equal(
			text.size, base64_encoded_size(strlen(PAIRS[i].data)));

		assert_true(base64_decode(
			PAIRS[i].text, strlen(PAIRS[i].text), &data));
		assert_string_equal(buf_text(&data), PAIRS[i].data);
		buf_finish(&text);
		buf_finish(&data);
	}
}

static void test_what_is_not_base64_leaves_the_buffer_alone(void **state)
{
	static const char *const BAD[] = {
		"Z",
		"Zg",
		"Zg=",
		"Zg===",
		"=",
		"====",
		"Z===",
		"Zh==",
		"Zm9=",
		"Zm 9v===",
		"Zg==Zg==",
		"Zm9v\n",
		"Zm9*",
		"Z=9v",
		"Zm9vZ=9v",
		"\x80m9v",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++) {
		struct buf data = { 0 };

		buf_add_text(&data, "kept");
		assert_false(base64_decode(BAD[i], strlen(BAD[i]), &data));
		assert_string_equal(buf_text(&data), "kept");
		buf_finish(&data);
	}
}

static void test_every_octet_returns(void **state)
{
	uint8_t octets[256];

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 167);
	for (size_t size = 0; size <= sizeof(octets); size++) {
		struct buf text = { 0 };
		struct buf data = { 0 };

		base64_encode(octets, size, &text);
		assert_true(base64_decode(buf_text(&text), text.size, &data));
		assert_int_equal(data.size, size);
		if (size > 0)
			assert_memory_equal(data.data, octets, size);
		buf_finish(&text);
		buf_finish(&data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers_both_ways),
		cmocka_unit_test(
			test_what_is_not_base64_leaves_the_buffer_alone),
		cmocka_unit_test(test_every_octet_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
