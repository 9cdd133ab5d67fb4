/* The inside of a writer, for the batch that takes it over. */
#ifndef STORE_MAILDIR_WRITER_H
#define STORE_MAILDIR_WRITER_H

#include <sys/types.h>

#include "store/maildir.h"

struct maildir_writer {
	struct maildir *maildir; /* until finished */
	char *unique;
	int directory_fd; /* of tmp; its own */
	dev_t directory_device;
	ino_t directory_inode;
	int fd;
	uint64_t serial;    /* of `fd`: who was opened first */
	struct buf pending; /* not written yet */
	uint64_t size;      /* of the file, with `pending` */
	bool is_verbatim;
	bool has_pending_cr;
	bool has_failed;
	bool is_finished;
	dev_t device;
	ino_t inode;
};

/* Frees, and leaves the file alone. */
void maildir_writer_free(struct maildir_writer *writer);

#endif
