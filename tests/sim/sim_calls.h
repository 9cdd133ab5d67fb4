/* Comes before all else when files of the product are compiled for the
   simulator (-include): their file system calls go to the simulated disk, and
   from there to the system when the path or descriptor is not the disk's. Time,
   chance and the names of host and process are the world's. */
#ifndef TESTS_SIM_SIM_CALLS_H
#define TESTS_SIM_SIM_CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* ---- Descriptors ---- */

int sim_open(const char *path, int flags, ...);
int sim_openat(int fd, const char *path, int flags, ...);
long sim_syscall_openat2(
	int fd, const char *path, const struct open_how *how, size_t size);
int sim_close(int fd);
int sim_dup(int fd);
int sim_fcntl(int fd, int command, ...);
int sim_flock(int fd, int operation);
ssize_t sim_read(int fd, void *data, size_t size);
ssize_t sim_pread(int fd, void *data, size_t size, off_t offset);
ssize_t sim_write(int fd, const void *data, size_t size);
ssize_t sim_pwrite(int fd, const void *data, size_t size, off_t offset);
off_t sim_lseek(int fd, off_t offset, int whence);
int sim_ftruncate(int fd, off_t size);
int sim_fsync(int fd);
int sim_fdatasync(int fd);
int sim_syncfs(int fd);

/* ---- Attributes ---- */

int sim_fstat(int fd, struct stat *stat_out);
int sim_fstatat(int fd, const char *path, struct stat *stat_out, int flags);
int sim_stat(const char *path, struct stat *stat_out);
int sim_lstat(const char *path, struct stat *stat_out);
int sim_statx(int fd, const char *path, int flags, unsigned mask,
	struct statx *stat_out);
int sim_fstatfs(int fd, struct statfs *stat_out);
int sim_statfs(const char *path, struct statfs *stat_out);
int sim_fchmod(int fd, mode_t mode);
int sim_futimens(int fd, const struct timespec times[2]);
int sim_utimensat(
	int fd, const char *path, const struct timespec times[2], int flags);
int sim_fsetxattr(
	int fd, const char *name, const void *value, size_t size, int flags);
ssize_t sim_fgetxattr(int fd, const char *name, void *value, size_t size);

/* ---- Directories and names ---- */

DIR *sim_opendir(const char *path);
DIR *sim_fdopendir(int fd);
struct dirent *sim_readdir(DIR *directory);
void sim_rewinddir(DIR *directory);
int sim_closedir(DIR *directory);
int sim_dirfd(DIR *directory);
int sim_mkdir(const char *path, mode_t mode);
int sim_mkdirat(int fd, const char *path, mode_t mode);
int sim_rmdir(const char *path);
int sim_unlink(const char *path);
int sim_unlinkat(int fd, const char *path, int flags);
int sim_rename(const char *from, const char *to);
int sim_renameat(int from_fd, const char *from, int to_fd, const char *to);
int sim_renameat2(int from_fd, const char *from, int to_fd, const char *to,
	unsigned flags);
int sim_linkat(
	int from_fd, const char *from, int to_fd, const char *to, int flags);
int sim_access(const char *path, int mode);
ssize_t sim_readlink(const char *path, char *text, size_t size);
ssize_t sim_readlinkat(int fd, const char *path, char *text, size_t size);
char *sim_realpath(const char *path, char *resolved);

/* ---- The process and its world ---- */

pid_t sim_getpid(void);
int sim_kill(pid_t pid, int signal);
uid_t sim_geteuid(void);
int sim_gethostname(char *name, size_t size);
int sim_clock_gettime(clockid_t clock, struct timespec *time_out);
time_t sim_time(time_t *time_out);
int sim_nanosleep(const struct timespec *duration, struct timespec *rest);
ssize_t sim_getrandom(void *data, size_t size, unsigned flags);

#ifndef SIM_CALLS_DECLARE_ONLY

/* These are names of members, too, which then are all called otherwise. */
#define close sim_close
#define open  sim_open
#define read  sim_read
#define write sim_write

#define openat(...)          sim_openat(__VA_ARGS__)
#define syscall(number, ...) sim_##number(__VA_ARGS__)
#define sim_SYS_openat2(...) sim_syscall_openat2(__VA_ARGS__)
#define dup(fd)              sim_dup(fd)
#define fcntl(...)           sim_fcntl(__VA_ARGS__)
#define flock(fd, operation) sim_flock(fd, operation)
#define pread(...)           sim_pread(__VA_ARGS__)
#define pwrite(...)          sim_pwrite(__VA_ARGS__)
#define lseek(...)           sim_lseek(__VA_ARGS__)
#define ftruncate(fd, size)  sim_ftruncate(fd, size)
#define fsync(fd)            sim_fsync(fd)
#define fdatasync(fd)        sim_fdatasync(fd)
#define syncfs(fd)           sim_syncfs(fd)
#define fstat(fd, stat)      sim_fstat(fd, stat)
#define fstatat(...)         sim_fstatat(__VA_ARGS__)
#define stat(path, stat)     sim_stat(path, stat)
#define lstat(path, stat)    sim_lstat(path, stat)
#define statx(...)           sim_statx(__VA_ARGS__)
#define fstatfs(fd, stat)    sim_fstatfs(fd, stat)
#define statfs(path, stat)   sim_statfs(path, stat)
#define fchmod(fd, mode)     sim_fchmod(fd, mode)
#define futimens(fd, times)  sim_futimens(fd, times)
#define utimensat(...)       sim_utimensat(__VA_ARGS__)
#define fsetxattr(...)       sim_fsetxattr(__VA_ARGS__)
#define fgetxattr(...)       sim_fgetxattr(__VA_ARGS__)
#define opendir(path)        sim_opendir(path)
#define fdopendir(fd)        sim_fdopendir(fd)
#define readdir(stream)      sim_readdir(stream)
#define rewinddir(stream)    sim_rewinddir(stream)
#define closedir(stream)     sim_closedir(stream)
#define dirfd(stream)        sim_dirfd(stream)
#define mkdir(path, mode)    sim_mkdir(path, mode)
#define mkdirat(...)         sim_mkdirat(__VA_ARGS__)
#define rmdir(path)          sim_rmdir(path)
#define unlink(path)         sim_unlink(path)
#define unlinkat(...)        sim_unlinkat(__VA_ARGS__)
#define rename(from, to)     sim_rename(from, to)
#define renameat(...)        sim_renameat(__VA_ARGS__)
#define renameat2(...)       sim_renameat2(__VA_ARGS__)
#define linkat(...)          sim_linkat(__VA_ARGS__)
#define access(path, mode)   sim_access(path, mode)
#define readlink(...)        sim_readlink(__VA_ARGS__)
#define readlinkat(...)      sim_readlinkat(__VA_ARGS__)
#define realpath(path, text) sim_realpath(path, text)
#define getpid()             sim_getpid()
#define kill(pid, signal)    sim_kill(pid, signal)
#define geteuid()            sim_geteuid()
#define gethostname(...)     sim_gethostname(__VA_ARGS__)
#define clock_gettime(...)   sim_clock_gettime(__VA_ARGS__)
#define time(time_out)       sim_time(time_out)
#define nanosleep(...)       sim_nanosleep(__VA_ARGS__)
#define getrandom(...)       sim_getrandom(__VA_ARGS__)

#endif

#endif
