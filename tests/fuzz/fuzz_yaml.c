#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes are a configuration or a list of problems, never both. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	struct config_problems problems = { 0 };
	struct buf text = { 0 };
	bool ok = config_parse("/etc/mailtwin/config.yaml", 0600, data, size,
		&config, &problems);

	config_problems_write(&problems, &text);
	if (ok != (text.size == 0) || ok != (config != NULL))
		abort();
	buf_finish(&text);
	config_problems_finish(&problems);
	config_free(config);
	return 0;
}
