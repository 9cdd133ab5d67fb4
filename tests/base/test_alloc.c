#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"

static void test_memory_is_zeroed_and_never_null(void **state)
{
	unsigned char *bytes = alloc(3, 100);
	void *nothing = alloc(0, 8);

	(void)state;
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(bytes[i], 0);
	assert_non_null(nothing);
	free(bytes);
	free(nothing);
}

static void test_resizing_keeps_what_was_there(void **state)
{
	char *text = alloc_text("abc");

	(void)state;
	text = alloc_resize(text, 1000, 2);
	assert_string_equal(text, "abc");
	text = alloc_resize(text, 0, 2);
	assert_non_null(text);
	free(text);
}

static void test_text_is_copied_whole_or_in_part(void **state)
{
	char *whole = alloc_text("mail");
	char *part = alloc_text_sized("mailbox", 4);
	char *formatted = alloc_format("%s:%d", "x", 7);

	(void)state;
	assert_string_equal(whole, "mail");
	assert_string_equal(part, "mail");
	assert_string_equal(formatted, "x:7");
	free(whole);
	free(part);
	free_secret(formatted);
	free_secret(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed_and_never_null),
		cmocka_unit_test(test_resizing_keeps_what_was_there),
		cmocka_unit_test(test_text_is_copied_whole_or_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
