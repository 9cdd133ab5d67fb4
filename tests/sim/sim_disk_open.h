/* Descriptors and streams, for the calls. 0 or more, or a negative errno. */
#ifndef TESTS_SIM_SIM_DISK_OPEN_H
#define TESTS_SIM_SIM_DISK_OPEN_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct description;
struct stream;

/* `how` has bits of LOOKUP_; O_NOFOLLOW is looked at here. */
int descriptor_open(
	int fd, const char *path, int flags, mode_t mode, unsigned how);
int descriptor_new(struct description *description);
int descriptor_close(int fd);
int descriptor_duplicate(int fd);
/* `at` NULL: where the descriptor stands. */
ssize_t descriptor_read(int fd, void *data, size_t size, const off_t *at);
ssize_t descriptor_write(
	int fd, const void *data, size_t size, const off_t *at);
off_t descriptor_seek(int fd, off_t offset, int whence);
int descriptor_truncate(int fd, off_t size);
int descriptor_lock(int fd, int operation);
int descriptor_lease(int fd, int kind);

/* Takes the descriptor over; NULL when it is of no directory. */
struct stream *stream_open(int fd);
/* The stream at this address; NULL when it is not the disk's. */
struct stream *stream_of(const void *candidate);
int stream_close(struct stream *stream);
int stream_descriptor(const struct stream *stream);
void stream_rewind(struct stream *stream);
/* Then stream_fill() reads the next chunk. */
bool stream_is_used_up(const struct stream *stream);
int stream_fill(struct stream *stream);
struct dirent *stream_take(struct stream *stream);

#endif
