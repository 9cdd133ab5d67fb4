#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/path.h"

static void test_paths_expand_and_become_absolute(void **state)
{
	static const struct {
		const char *text;
		const char *path; /* NULL = an error */
	} CASES[] = {
		{ "/a/b", "/a/b" },
		{ "~", "/home/user" },
		{ "~/Mail", "/home/user/Mail" },
		{ "a", "/etc/mt/a" },
		{ "./a//b/./c/", "/etc/mt/a/b/c" },
		{ "../a", "/etc/a" },
		{ "../../../../a", "/a" },
		{ "/a/b/../../..", "/" },
		{ "/", "/" },
		{ "/...", "/..." },
		{ "a~", "/etc/mt/a~" },
		{ "/~", "/~" },
		{ "$HOME/x", "/home/user/x" },
		{ "${HOME}x", "/home/userx" },
		{ "/a$NAME/b", "/aplain/b" },
		{ "/a${NAME}b", "/aplainb" },
		{ "$NAME/b", "/etc/mt/plain/b" },
		{ "/a$", "/a$" },
		{ "/a$/b", "/a$/b" },
		{ "/a$1", "/a$1" },
		{ "/$$NAME", "/$plain" },
		{ "~joe", NULL },
		{ "$UNSET/x", NULL },
		{ "$EMPTY/x", NULL },
		{ "${NAME", NULL },
		{ "${}", NULL },
		{ "${NA ME}", NULL },
	};
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct error error = { 0 };
		const char *path =
			path_expand(&arena, CASES[i].text, "/etc/mt", &error);

		assert_int_equal(path == NULL, CASES[i].path == NULL);
		assert_int_equal(path == NULL, error.code == ERROR_CONFIG);
		if (path != NULL)
			assert_string_equal(path, CASES[i].path);
	}
	arena_finish(&arena);
}

static void test_an_expanded_path_meets_a_limit(void **state)
{
	struct arena arena = { 0 };
	struct error error = { 0 };
	char *big = alloc(3001, 1);

	(void)state;
	memset(big, 'x', 3000);
	setenv("BIG", big, 1);
	assert_non_null(path_expand(&arena, "/$BIG", "/", &error));
	assert_null(path_expand(&arena, "/$BIG$BIG", "/", &error));
	unsetenv("BIG");
	free(big);
	arena_finish(&arena);
}

static void test_within_means_the_same_or_below(void **state)
{
	(void)state;
	assert_true(path_is_within("/a", "/a"));
	assert_true(path_is_within("/a/b", "/a"));
	assert_true(path_is_within("/a", "/"));
	assert_false(path_is_within("/ab", "/a"));
	assert_false(path_is_within("/a", "/a/b"));
}

static void test_links_resolve_as_far_as_they_exist(void **state)
{
	char directory[] = "/tmp/mailtwin-test-XXXXXX";
	struct arena arena = { 0 };
	char *link;
	const char *below;

	(void)state;
	assert_non_null(mkdtemp(directory));
	link = arena_format(&arena, "%s/link", directory);
	assert_int_equal(symlink("/usr", link), 0);
	assert_string_equal(path_resolve(&arena, link), "/usr");
	below = arena_format(&arena, "%s/no/such", link);
	assert_string_equal(path_resolve(&arena, below), "/usr/no/such");
	assert_string_equal(path_resolve(&arena, "/no-such"), "/no-such");
	assert_string_equal(path_resolve(&arena, "/"), "/");
	unlink(link);
	rmdir(directory);
	arena_finish(&arena);
}

static void check_default(const char *expected)
{
	char *path = config_default_path();

	assert_string_equal(path, expected);
	free(path);
}

static void test_the_default_path_follows_xdg(void **state)
{
	const char *system = "/etc/mailtwin/config.yaml";
	bool is_root = geteuid() == 0;

	(void)state;
	setenv("HOME", "/nonexistent", 1);
	unsetenv("XDG_CONFIG_HOME");
	check_default(
		is_root ? system : "/nonexistent/.config/mailtwin/config.yaml");
	setenv("XDG_CONFIG_HOME", "/nonexistent/x", 1);
	check_default(is_root ? system : "/nonexistent/x/mailtwin/config.yaml");
	/* A relative one is to be ignored. */
	setenv("XDG_CONFIG_HOME", "x", 1);
	check_default(
		is_root ? system : "/nonexistent/.config/mailtwin/config.yaml");
	unsetenv("XDG_CONFIG_HOME");
	setenv("HOME", "/home/user", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_expand_and_become_absolute),
		cmocka_unit_test(test_an_expanded_path_meets_a_limit),
		cmocka_unit_test(test_within_means_the_same_or_below),
		cmocka_unit_test(test_links_resolve_as_far_as_they_exist),
		cmocka_unit_test(test_the_default_path_follows_xdg),
	};

	setenv("HOME", "/home/user", 1);
	setenv("NAME", "plain", 1);
	setenv("EMPTY", "", 1);
	unsetenv("UNSET");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
