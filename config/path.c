#define _GNU_SOURCE /* realpath */

#include "config/path.h"

#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/config.h"

#define SYSTEM_PATH "/etc/mailtwin/config.yaml"

/* An absolute path from the environment, or NULL. */
static const char *environment_path(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] == '/' ? value : NULL;
}

char *path_home(struct arena *arena)
{
	const char *home = environment_path("HOME");
	const struct passwd *user;

	if (home == NULL) {
		user = getpwuid(geteuid());
		home = user != NULL ? user->pw_dir : NULL;
	}
	return home != NULL ? arena_text(arena, home) : NULL;
}

static size_t name_size(const char *text)
{
	size_t size = strspn(text,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
		"0123456789");

	return text[0] >= '0' && text[0] <= '9' ? 0 : size;
}

/* Appends the variable that `*text` (behind the '$') starts with and moves
   behind it. A '$' without a name stands for itself. */
static bool add_variable(
	struct buf *path, const char **text, struct error *error)
{
	bool has_brace = **text == '{';
	const char *start = *text + (has_brace ? 1 : 0);
	size_t size = name_size(start);
	char *name;
	const char *value;

	if (has_brace && (size == 0 || start[size] != '}'))
		return error_set(error, ERROR_CONFIG, "'${' without '}'");
	if (size == 0) {
		buf_add_byte(path, '$');
		return true;
	}
	name = alloc_text_sized(start, size);
	value = getenv(name);
	if (value == NULL || value[0] == '\0') {
		error_set(error, ERROR_CONFIG, "'$%s' is not set", name);
		free(name);
		return false;
	}
	free(name);
	buf_add_text(path, value);
	*text = start + size + (has_brace ? 1 : 0);
	return true;
}

/* What comes before the path itself: home, the directory, or nothing. */
static bool add_start(struct buf *path, const char **text,
	const char *directory, struct error *error)
{
	struct arena arena = { 0 };
	const char *home;

	if (**text != '~') {
		if (**text != '/' && **text != '$')
			buf_add_format(path, "%s/", directory);
		return true;
	}
	if ((*text)[1] != '\0' && (*text)[1] != '/')
		return error_set(error, ERROR_CONFIG,
			"'~user' is not supported: write the directory");
	home = path_home(&arena);
	if (home != NULL)
		buf_add_text(path, home);
	arena_finish(&arena);
	if (home == NULL)
		return error_set(error, ERROR_CONFIG,
			"no home directory is known for '~'");
	(*text)++;
	return true;
}

/* Appends `path` to `clean` without "//", "." and "..". */
static void add_clean(struct buf *clean, const char *path)
{
	while (*path != '\0') {
		size_t size = strcspn(path, "/");
		bool is_up = size == 2 && memcmp(path, "..", 2) == 0;
		bool is_here = size == 0 || (size == 1 && path[0] == '.');

		if (is_up) {
			while (clean->size > 0 &&
				clean->data[clean->size - 1] != '/')
				buf_truncate(clean, clean->size - 1);
			if (clean->size > 0)
				buf_truncate(clean, clean->size - 1);
		} else if (!is_here) {
			buf_add_byte(clean, '/');
			buf_add(clean, path, size);
		}
		path += size;
		path += *path == '/' ? 1 : 0;
	}
	if (clean->size == 0)
		buf_add_byte(clean, '/');
}

static bool expand(struct buf *path, const char *text, const char *directory,
	struct error *error)
{
	if (!add_start(path, &text, directory, error))
		return false;
	while (*text != '\0') {
		char c = *text++;

		if (c != '$')
			buf_add_byte(path, (uint8_t)c);
		else if (!add_variable(path, &text, error))
			return false;
		if (path->size > PATH_SIZE_MAX)
			return error_set(
				error, ERROR_CONFIG, "the path is too long");
	}
	return true;
}

char *path_expand(struct arena *arena, const char *text, const char *directory,
	struct error *error)
{
	struct buf path = { 0 };
	struct buf clean = { 0 };
	char *result = NULL;

	if (expand(&path, text, directory, error)) {
		/* "$DIR/x" may turn out relative only now. */
		if (path.size > 0 && path.data[0] != '/')
			add_clean(&clean, directory);
		if (clean.size == 1)
			buf_clear(&clean);
		add_clean(&clean, buf_text(&path));
		result = arena_text(arena, buf_text(&clean));
	}
	buf_finish(&path);
	buf_finish(&clean);
	return result;
}

char *path_directory(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash != NULL
		? arena_text_sized(arena, path, (size_t)(slash - path))
		: arena_text(arena, ".");
	struct buf clean = { 0 };
	char here[PATH_MAX];
	char *result;

	if (path[0] != '/' && getcwd(here, sizeof(here)) != NULL)
		directory = arena_format(arena, "%s/%s", here, directory);
	add_clean(&clean, directory);
	result = arena_text(arena, buf_text(&clean));
	buf_finish(&clean);
	return result;
}

char *path_resolve(struct arena *arena, const char *path)
{
	char *existing = arena_text(arena, path);
	char resolved[PATH_MAX];

	/* From the whole path up to the part that exists. */
	for (;;) {
		char *slash = strrchr(existing, '/');

		if (realpath(existing, resolved) != NULL)
			break;
		if (slash == NULL || slash == existing)
			return arena_text(arena, path);
		*slash = '\0';
	}
	if (path[strlen(existing)] == '\0')
		return arena_text(arena, resolved);
	return arena_format(arena, "%s%s",
		strcmp(resolved, "/") != 0 ? resolved : "",
		path + strlen(existing));
}

bool path_is_within(const char *path, const char *directory)
{
	size_t size = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return true;
	return strncmp(path, directory, size) == 0 &&
		(path[size] == '\0' || path[size] == '/');
}

char *path_xdg(struct arena *arena, const char *variable, const char *home_part)
{
	const char *base = environment_path(variable);
	const char *home;

	if (base != NULL)
		return arena_format(arena, "%s/mailtwin", base);
	home = path_home(arena);
	if (home == NULL)
		return NULL;
	return arena_format(arena, "%s/%s/mailtwin", home, home_part);
}

char *config_default_path(void)
{
	struct arena arena = { 0 };
	const char *directory = path_xdg(&arena, "XDG_CONFIG_HOME", ".config");
	char *path = NULL;

	if (directory != NULL)
		path = alloc_format("%s/config.yaml", directory);
	arena_finish(&arena);
	if (geteuid() != 0)
		return path;
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	return alloc_text(SYSTEM_PATH);
}
