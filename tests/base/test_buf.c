#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

static void test_an_empty_buf_reads_as_empty_text(void **state)
{
	struct buf buf = { 0 };
	char *text;

	(void)state;
	assert_string_equal(buf_text(&buf), "");
	buf_clear(&buf);
	buf_consume(&buf, 0);
	buf_truncate(&buf, 0);
	buf_add(&buf, NULL, 0);
	text = buf_steal(&buf);
	assert_string_equal(text, "");
	free(text);
	buf_finish(&buf);
	buf_finish_secret(&buf);
}

static void test_it_is_always_terminated(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf);
	buf_add_text(&buf, "hello ");
	buf_add_format(&buf, "%s %u", "world", 7u);
	buf_add_byte(&buf, '!');
	assert_string_equal(buf_text(&buf), "hello world 7!");
	assert_int_equal(buf.size, 14);
	buf_consume(&buf, 6);
	assert_string_equal(buf_text(&buf), "world 7!");
	buf_truncate(&buf, 5);
	assert_string_equal(buf_text(&buf), "world");
	buf_clear(&buf);
	assert_string_equal(buf_text(&buf), "");
	buf_finish_secret(&buf);
	assert_null(buf.data);
}

static void test_growing_keeps_every_byte(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_add_byte(&buf, (uint8_t)(i * 31));
	assert_int_equal(buf.size, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buf.data[i], (uint8_t)(i * 31));
	buf_finish(&buf);
}

static void test_reserved_room_may_be_filled_directly(void **state)
{
	struct buf buf = { 0 };
	uint8_t *data;

	(void)state;
	buf_add_text(&buf, "x");
	buf_reserve(&buf, 500);
	data = buf.data;
	memset(buf.data + buf.size, 'y', 500);
	buf.size += 500;
	buf_truncate(&buf, buf.size);
	assert_ptr_equal(buf.data, data);
	assert_int_equal(strlen(buf_text(&buf)), 501);
	buf_finish(&buf);
}

static void test_stolen_text_leaves_an_empty_buf(void **state)
{
	struct buf buf = { 0 };
	char *text;

	(void)state;
	buf_add_text(&buf, "mine");
	text = buf_steal(&buf);
	assert_string_equal(text, "mine");
	assert_int_equal(buf.size, 0);
	assert_null(buf.data);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_buf_reads_as_empty_text),
		cmocka_unit_test(test_it_is_always_terminated),
		cmocka_unit_test(test_growing_keeps_every_byte),
		cmocka_unit_test(test_reserved_room_may_be_filled_directly),
		cmocka_unit_test(test_stolen_text_leaves_an_empty_buf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
