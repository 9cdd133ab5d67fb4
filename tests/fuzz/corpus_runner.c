/* Runs a fuzz target over its seeds, so that they are tests everywhere, also
   where libFuzzer is not: corpus_runner PATH... with files or directories. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

#define INPUT_SIZE_MAX ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool fail(const char *path)
{
	fprintf(stderr, "cannot read '%s': %s\n", path, strerror(errno));
	return false;
}

/* The input is exactly as large as its memory, so that AddressSanitizer sees
   the first byte read too many. */
static bool run_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t size_read;

	if (file == NULL)
		return fail(path);
	data = alloc(size, 1);
	size_read = fread(data, 1, size, file);
	fclose(file);
	if (size_read == size)
		(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	if (size_read != size)
		return fail(path);
	return true;
}

static bool run_path(const char *path, unsigned *count);

static bool run_directory(const char *path, unsigned *count)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	unsigned count_before = *count;
	bool ok = true;

	if (directory == NULL)
		return fail(path);
	while (ok && (entry = readdir(directory)) != NULL) {
		char *inner;

		if (entry->d_name[0] == '.')
			continue;
		inner = alloc_format("%s/%s", path, entry->d_name);
		ok = run_path(inner, count);
		free(inner);
	}
	closedir(directory);
	if (ok && *count == count_before) {
		fprintf(stderr, "no inputs in '%s'\n", path);
		return false;
	}
	return ok;
}

static bool run_path(const char *path, unsigned *count)
{
	struct stat status;

	if (stat(path, &status) == -1)
		return fail(path);
	if (S_ISDIR(status.st_mode))
		return run_directory(path, count);
	if ((uint64_t)status.st_size > INPUT_SIZE_MAX) {
		errno = EFBIG;
		return fail(path);
	}
	(*count)++;
	return run_file(path, (size_t)status.st_size);
}

int main(int argument_count, char **arguments)
{
	unsigned count = 0;

	if (argument_count < 2) {
		fprintf(stderr, "usage: %s PATH...\n", arguments[0]);
		return 2;
	}
	for (int i = 1; i < argument_count; i++)
		if (!run_path(arguments[i], &count))
			return 1;
	printf("%u inputs\n", count);
	return 0;
}
