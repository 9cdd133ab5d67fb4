/* The system calls of a worker, as a filter for the kernel. Three kinds:

   - listed: allowed, some with certain arguments only (else an error);
   - attacks: no code of ours, nor of a library, makes them: SIGSYS;
   - all others: ENOSYS, as on a kernel that is older. What a later C library
     tries first it then does without. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* CLONE_… */
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/maildir.h"
#include "syncd/worker/confine_internal.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

/* 64-bit numbers with this bit are x32's: another table. */
#define X32_BIT 0x40000000

/* A thread, or a process like this one, confined as it is: a doubtful state is
   read in one. No namespace. */
#define CLONE_MASK                                                             \
	(CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |         \
		CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Later than the headers of Debian 12's C library. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Later than the headers of Debian 11; the same on every architecture. */
#define EPOLL_PWAIT2 441
#define FUTEX_WAITV  449

static const uint32_t ALLOWED[] = {
#ifdef __x86_64__
	/* Newer architectures have only what came in their place. */
	__NR_open,
	__NR_stat,
	__NR_lstat,
	__NR_access,
	__NR_readlink,
	__NR_rename,
	__NR_link,
	__NR_unlink,
	__NR_rmdir,
	__NR_mkdir,
	__NR_getdents,
	__NR_dup2,
	__NR_pipe,
	__NR_poll,
	__NR_select,
	__NR_epoll_wait,
	__NR_inotify_init,
	__NR_time,
	__NR_arch_prctl,
#endif
	EPOLL_PWAIT2,
	FUTEX_WAITV,

	/* Files; which ones is for Landlock to say. */
	__NR_openat,
	__NR_openat2,
	__NR_faccessat2,
	__NR_renameat,
	__NR_getrlimit,
	__NR_close,
	__NR_close_range,
	__NR_read,
	__NR_readv,
	__NR_pread64,
	__NR_preadv,
	__NR_preadv2,
	__NR_write,
	__NR_writev,
	__NR_pwrite64,
	__NR_pwritev,
	__NR_pwritev2,
	__NR_lseek,
	__NR_newfstatat,
	__NR_fstat,
	__NR_statx,
	__NR_statfs,
	__NR_fstatfs,
	__NR_faccessat,
	__NR_readlinkat,
	__NR_getcwd,
	__NR_getdents64,
	__NR_renameat2,
	__NR_linkat,
	__NR_unlinkat,
	__NR_mkdirat,
	__NR_utimensat,
	__NR_fchmod,
	__NR_ftruncate,
	__NR_fallocate,
	__NR_fsync,
	__NR_fdatasync,
	__NR_syncfs,
	__NR_sync_file_range,
	__NR_fadvise64,
	__NR_readahead,
	__NR_copy_file_range,
	__NR_sendfile,
	__NR_flock,
	__NR_fgetxattr,
	__NR_fsetxattr,
	__NR_umask,
	__NR_fcntl,
	__NR_ioctl,
	__NR_dup,
	__NR_dup3,
	__NR_pipe2,
	__NR_inotify_init1,
	__NR_inotify_add_watch,
	__NR_inotify_rm_watch,

	/* Waiting and time. */
	__NR_ppoll,
	__NR_pselect6,
	__NR_epoll_create1,
	__NR_epoll_ctl,
	__NR_epoll_pwait,
	__NR_eventfd2,
	__NR_timerfd_create,
	__NR_timerfd_settime,
	__NR_timerfd_gettime,
	__NR_clock_gettime,
	__NR_clock_getres,
	__NR_clock_nanosleep,
	__NR_nanosleep,
	__NR_gettimeofday,
	__NR_times,
	__NR_restart_syscall,

	/* Memory and threads. */
	__NR_brk,
	__NR_mmap,
	__NR_mremap,
	__NR_munmap,
	__NR_mprotect,
	__NR_madvise,
	__NR_msync,
	__NR_mincore,
	__NR_mlock,
	__NR_mlock2,
	__NR_munlock,
	__NR_clone,
	__NR_exit,
	__NR_exit_group,
	__NR_futex,
	__NR_set_robust_list,
	__NR_get_robust_list,
	__NR_rseq,
	__NR_membarrier,
	__NR_set_tid_address,
	__NR_sched_yield,
	__NR_sched_getaffinity,
	__NR_getcpu,
	__NR_rt_sigaction,
	__NR_rt_sigprocmask,
	__NR_rt_sigreturn,
	__NR_rt_sigpending,
	__NR_rt_sigtimedwait,
	__NR_sigaltstack,
	__NR_tgkill,

	/* What one may know of oneself and the machine. */
	__NR_getpid,
	__NR_getppid,
	__NR_gettid,
	__NR_getuid,
	__NR_geteuid,
	__NR_getgid,
	__NR_getegid,
	__NR_getpgid,
	__NR_getrusage,
	__NR_prlimit64,
	__NR_prctl,
	__NR_sysinfo,
	__NR_uname,
	__NR_getrandom,

	/* Sockets that connect; which ports is for Landlock to say. The
	   resolver binds those of NETLINK. Nothing listens. */
	__NR_socket,
	__NR_connect,
	__NR_bind,
	__NR_getsockname,
	__NR_getpeername,
	__NR_getsockopt,
	__NR_setsockopt,
	__NR_sendto,
	__NR_sendmsg,
	__NR_sendmmsg,
	__NR_recvfrom,
	__NR_recvmsg,
	__NR_recvmmsg,
	__NR_shutdown,

	/* Is the holder of a lock alive? */
	__NR_kill,

	__NR_wait4,
#if CONFINE_SANITIZED
	__NR_ptrace,
#endif
};

static const uint32_t ATTACKS[] = {
#ifdef __x86_64__
	__NR_fork,
	__NR_vfork,
#endif
	__NR_execve,
	__NR_execveat,
#if !CONFINE_SANITIZED
	__NR_ptrace,
#endif
	__NR_process_vm_readv,
	__NR_process_vm_writev,
	__NR_open_by_handle_at,
	__NR_mount,
	__NR_umount2,
	__NR_pivot_root,
	__NR_chroot,
	__NR_unshare,
	__NR_setns,
	__NR_setuid,
	__NR_setgid,
	__NR_setresuid,
	__NR_setresgid,
	__NR_capset,
	__NR_bpf,
	__NR_perf_event_open,
	__NR_userfaultfd,
	__NR_init_module,
	__NR_finit_module,
	__NR_kexec_load,
	__NR_add_key,
	__NR_request_key,
	__NR_keyctl,
	__NR_personality,
};

/* ---- Arguments ---- */

struct argument {
	uint32_t call;
	unsigned index;
	uint32_t mask;
	/* The masked argument must be one of these. The kernel, too, takes no
	   more than the lower half of any of them. */
	const uint32_t *values;
	size_t count;
	int failure; /* errno otherwise */
};

static const uint32_t FAMILIES[] = { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX };
static const uint32_t FILE_COMMANDS[] = { F_DUPFD, F_GETFD, F_SETFD, F_GETFL,
	F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK,
	F_OFD_SETLKW, F_DUPFD_CLOEXEC, F_GETPIPE_SZ };
/* Not TIOCSTI, which types on the terminal that standard error may be. */
static const uint32_t DEVICE_COMMANDS[] = { TCGETS, TIOCGWINSZ, FIONREAD,
	FIONBIO, FIOCLEX, FIONCLEX, MAILDIR_UUID_COMMAND };
#if !CONFINE_SANITIZED
static const uint32_t PROCESS_COMMANDS[] = { PR_SET_NAME, PR_GET_NAME,
	PR_GET_DUMPABLE, PR_SET_VMA };
static const uint32_t COPIES[] = { CLONE_THREAD, 0 };
#endif
static const uint32_t NOTHING[] = { 0 };

static const struct argument ARGUMENTS[] = {
	{ __NR_fcntl, 1, UINT32_MAX, FILE_COMMANDS, ARRAY_LENGTH(FILE_COMMANDS),
		EPERM },
	{ __NR_ioctl, 1, UINT32_MAX, DEVICE_COMMANDS,
		ARRAY_LENGTH(DEVICE_COMMANDS), ENOTTY },
	/* Of this process only. */
	{ __NR_prlimit64, 0, UINT32_MAX, NOTHING, 1, EPERM },
#if !CONFINE_SANITIZED
	{ __NR_clone, 0, CLONE_MASK, COPIES, ARRAY_LENGTH(COPIES), EPERM },
	{ __NR_prctl, 0, UINT32_MAX, PROCESS_COMMANDS,
		ARRAY_LENGTH(PROCESS_COMMANDS), EPERM },
	/* Signal 0, which asks and ends nobody. */
	{ __NR_kill, 1, UINT32_MAX, NOTHING, 1, EPERM },
#endif
#ifdef __x86_64__
	/* On aarch64 the loader does this to libraries with landing pads. */
	{ __NR_mprotect, 2, PROT_EXEC, NOTHING, 1, EPERM },
#endif
};

/* ---- The filter ---- */

struct program {
	struct sock_filter *filter;
	size_t size;
};

static void add(struct program *program, unsigned code, uint32_t operand,
	size_t if_true, size_t if_false)
{
	program->filter[program->size++] = (struct sock_filter){
		.code = (uint16_t)code,
		.jt = (uint8_t)if_true,
		.jf = (uint8_t)if_false,
		.k = operand,
	};
}

static void load(struct program *program, size_t offset)
{
	add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void load_number(struct program *program)
{
	load(program, offsetof(struct seccomp_data, nr));
}

static void give(struct program *program, uint32_t answer)
{
	add(program, BPF_RET | BPF_K, answer, 0, 0);
}

static void give_if(struct program *program, unsigned test, uint32_t operand,
	uint32_t give_it)
{
	add(program, BPF_JMP | test | BPF_K, operand, 0, 1);
	give(program, give_it);
}

static void give_unless_equal(
	struct program *program, uint32_t operand, uint32_t answer)
{
	add(program, BPF_JMP | BPF_JEQ | BPF_K, operand, 1, 0);
	give(program, answer);
}

/* Goes on behind it with the number loaded, or ends with the failure. */
static void add_argument(
	struct program *program, const struct argument *argument)
{
	const size_t size = argument->count + 4;

	add(program, BPF_JMP | BPF_JEQ | BPF_K, argument->call, 0, size);
	load(program,
		offsetof(struct seccomp_data, args) +
			argument->index * sizeof(uint64_t));
	add(program, BPF_ALU | BPF_AND | BPF_K, argument->mask, 0, 0);
	for (size_t i = 0; i < argument->count; i++)
		add(program, BPF_JMP | BPF_JEQ | BPF_K, argument->values[i],
			argument->count - i, 0);
	give(program, SECCOMP_RET_ERRNO | (uint32_t)argument->failure);
	load_number(program);
}

/* AF_UNIX, the last of them, only where it is needed. */
static void add_families(struct program *program, bool allows_local_sockets)
{
	const struct argument families = { __NR_socket, 0, UINT32_MAX, FAMILIES,
		ARRAY_LENGTH(FAMILIES) - !allows_local_sockets, EAFNOSUPPORT };

	add_argument(program, &families);
}

/* To threads of our own only: abort() does it. */
static void add_signals(struct program *program)
{
	const uint32_t own[] = { (uint32_t)getpid() };
	const struct argument target = { __NR_tgkill, 0, UINT32_MAX, own, 1,
		EPERM };

	add_argument(program, &target);
}

size_t calls_make_filter(
	struct sock_filter filter[CALLS_FILTER_MAX], bool allows_local_sockets)
{
	struct program program = { .filter = filter };

	load(&program, offsetof(struct seccomp_data, arch));
	give_unless_equal(&program, ARCHITECTURE, SECCOMP_RET_KILL_PROCESS);
	load_number(&program);
#ifdef __x86_64__
	give_if(&program, BPF_JGE, X32_BIT, SECCOMP_RET_KILL_PROCESS);
#endif
	for (size_t i = 0; i < ARRAY_LENGTH(ARGUMENTS); i++)
		add_argument(&program, &ARGUMENTS[i]);
	add_families(&program, allows_local_sockets);
	add_signals(&program);
	for (size_t i = 0; i < ARRAY_LENGTH(ALLOWED); i++)
		give_if(&program, BPF_JEQ, ALLOWED[i], SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ARRAY_LENGTH(ATTACKS); i++)
		give_if(&program, BPF_JEQ, ATTACKS[i], SECCOMP_RET_TRAP);
	give(&program, SECCOMP_RET_ERRNO | ENOSYS);
	return program.size;
}

bool calls_enforce(bool allows_local_sockets)
{
	struct sock_filter filter[CALLS_FILTER_MAX];
	const struct sock_fprog program = {
		.filter = filter,
		.len = (unsigned short)calls_make_filter(
			filter, allows_local_sockets),
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

#else

bool calls_enforce(bool allows_local_sockets)
{
	(void)allows_local_sockets;
	errno = ENOSYS;
	return false;
}

#endif
