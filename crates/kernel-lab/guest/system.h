/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * System calls for the programs of a guest. They need no C library: the
 * guest's architecture then needs nothing but clang and lld.
 *
 * A program has `start`, which gets the stack as the kernel left it: the
 * number of arguments, the arguments, the environment, the auxiliary vector.
 */

typedef unsigned long word;

#if defined(__aarch64__)
enum {
	NR_io_setup = 0, NR_io_submit = 2, NR_io_getevents = 4, NR_eventfd2 = 19,
	NR_epoll_create1 = 20, NR_epoll_ctl = 21, NR_epoll_pwait = 22, NR_dup3 = 24,
	NR_inotify_init1 = 26, NR_inotify_add_watch = 27, NR_ioctl = 29, NR_flock = 32,
	NR_mkdirat = 34, NR_unlinkat = 35, NR_symlinkat = 36, NR_umount2 = 39, NR_mount = 40,
	NR_ftruncate = 46, NR_fallocate = 47, NR_faccessat = 48, NR_chdir = 49, NR_openat = 56,
	NR_close = 57, NR_pipe2 = 59, NR_getdents64 = 61, NR_lseek = 62, NR_read = 63,
	NR_write = 64, NR_pread64 = 67, NR_pwrite64 = 68, NR_preadv = 69, NR_pwritev = 70,
	NR_sendfile = 71, NR_pselect6 = 72, NR_ppoll = 73, NR_signalfd4 = 74, NR_vmsplice = 75,
	NR_splice = 76, NR_readlinkat = 78, NR_newfstatat = 79, NR_sync = 81, NR_fsync = 82,
	NR_timerfd_create = 85, NR_timerfd_settime = 86, NR_utimensat = 88, NR_exit = 93,
	NR_futex = 98, NR_setitimer = 103, NR_delete_module = 106, NR_timer_create = 107,
	NR_timer_settime = 110, NR_timer_delete = 111, NR_clock_gettime = 113,
	NR_clock_nanosleep = 115, NR_ptrace = 117, NR_sched_setscheduler = 119,
	NR_sched_setaffinity = 122, NR_sched_yield = 124, NR_kill = 129, NR_rt_sigaction = 134,
	NR_rt_sigprocmask = 135, NR_rt_sigtimedwait = 137, NR_setpriority = 140,
	NR_reboot = 142, NR_getrusage = 165, NR_prctl = 167, NR_gettimeofday = 169,
	NR_getpid = 172, NR_getppid = 173, NR_getuid = 174, NR_socket = 198,
	NR_socketpair = 199, NR_bind = 200, NR_listen = 201, NR_connect = 203,
	NR_getsockname = 204, NR_sendto = 206, NR_recvfrom = 207, NR_setsockopt = 208,
	NR_sendmsg = 211, NR_recvmsg = 212, NR_brk = 214, NR_munmap = 215, NR_mremap = 216,
	NR_clone = 220, NR_execve = 221, NR_mmap = 222, NR_mprotect = 226, NR_mlock = 228,
	NR_munlock = 229, NR_madvise = 233, NR_accept4 = 242, NR_wait4 = 260,
	NR_prlimit64 = 261, NR_process_vm_readv = 270, NR_finit_module = 273,
	NR_renameat2 = 276, NR_getrandom = 278, NR_memfd_create = 279,
};

static inline long call6(long nr, word a, word b, word c, word d, word e, word f)
{
	register long x8 __asm__("x8") = nr;
	register word x0 __asm__("x0") = a;
	register word x1 __asm__("x1") = b;
	register word x2 __asm__("x2") = c;
	register word x3 __asm__("x3") = d;
	register word x4 __asm__("x4") = e;
	register word x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return (long)x0;
}

/* Tells the plugin of QEMU that counts instructions: one that does nothing, and that no compiler makes. */
#define MARK(number) __asm__ volatile("movz xzr, %0" : : "i"(0x4b00 | (number)) : "memory")

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tb start\n");
#elif defined(__x86_64__)
enum {
	NR_read = 0, NR_write = 1, NR_close = 3, NR_lseek = 8, NR_mmap = 9, NR_mprotect = 10,
	NR_munmap = 11, NR_brk = 12, NR_rt_sigaction = 13, NR_rt_sigprocmask = 14,
	NR_ioctl = 16, NR_pread64 = 17, NR_pwrite64 = 18, NR_sched_yield = 24, NR_mremap = 25,
	NR_madvise = 28, NR_setitimer = 38, NR_getpid = 39, NR_sendfile = 40, NR_socket = 41,
	NR_connect = 42, NR_sendto = 44, NR_recvfrom = 45, NR_sendmsg = 46, NR_recvmsg = 47,
	NR_bind = 49, NR_listen = 50, NR_getsockname = 51, NR_socketpair = 53,
	NR_setsockopt = 54, NR_clone = 56, NR_execve = 59, NR_exit = 60, NR_wait4 = 61,
	NR_kill = 62, NR_flock = 73, NR_fsync = 74, NR_ftruncate = 77, NR_chdir = 80,
	NR_gettimeofday = 96, NR_getrusage = 98, NR_ptrace = 101, NR_getuid = 102,
	NR_getppid = 110, NR_rt_sigtimedwait = 128, NR_setpriority = 141,
	NR_sched_setscheduler = 144, NR_mlock = 149, NR_munlock = 150, NR_prctl = 157,
	NR_sync = 162, NR_mount = 165, NR_umount2 = 166, NR_reboot = 169,
	NR_delete_module = 176, NR_futex = 202, NR_sched_setaffinity = 203, NR_io_setup = 206,
	NR_io_getevents = 208, NR_io_submit = 209, NR_getdents64 = 217, NR_timer_create = 222,
	NR_timer_settime = 223, NR_timer_delete = 226, NR_clock_gettime = 228,
	NR_clock_nanosleep = 230, NR_epoll_ctl = 233, NR_inotify_add_watch = 254,
	NR_openat = 257, NR_mkdirat = 258, NR_newfstatat = 262, NR_unlinkat = 263,
	NR_symlinkat = 266, NR_readlinkat = 267, NR_faccessat = 269, NR_pselect6 = 270,
	NR_ppoll = 271, NR_splice = 275, NR_vmsplice = 278, NR_utimensat = 280,
	NR_epoll_pwait = 281, NR_timerfd_create = 283, NR_fallocate = 285,
	NR_timerfd_settime = 286, NR_accept4 = 288, NR_signalfd4 = 289, NR_eventfd2 = 290,
	NR_epoll_create1 = 291, NR_dup3 = 292, NR_pipe2 = 293, NR_inotify_init1 = 294,
	NR_preadv = 295, NR_pwritev = 296, NR_prlimit64 = 302, NR_process_vm_readv = 310,
	NR_finit_module = 313, NR_renameat2 = 316, NR_getrandom = 318, NR_memfd_create = 319,
};

static inline long call6(long nr, word a, word b, word c, word d, word e, word f)
{
	register word r10 __asm__("r10") = d;
	register word r8 __asm__("r8") = e;
	register word r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#define MARK(number) \
	__asm__ volatile("nopl %c0(%%rax)" : : "i"(0x4b4c5400 | (number)) : "memory")

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n"
	"\tand $-16, %rsp\n\tcall start\n");
#else
#error "no system calls for this architecture"
#endif

static inline long call(long nr, word a, word b, word c, word d, word e)
{
	return call6(nr, a, b, c, d, e, 0);
}

enum {
	MARK_STARTED = 1,		/* the first process has started */
	CURRENT_DIRECTORY = -100,	/* AT_FDCWD */
	READ_WRITE = 2,			/* O_RDWR */
	NO_ENTRY = -2,			/* -ENOENT */
	NO_DEVICE = -19,		/* -ENODEV */
	CHILD_ENDED = 17,		/* SIGCHLD */
};

/* A line that is put together, and written at once. */
static char line[512];
static word line_length;

static inline void add(const char *text)
{
	while (*text && line_length < sizeof(line) - 1)
		line[line_length++] = *text++;
}

static inline void add_number(long number)
{
	char digits[24];
	word at = sizeof(digits) - 1;
	word rest = number < 0 ? -(word)number : (word)number;

	digits[at] = 0;
	do
		digits[--at] = '0' + rest % 10;
	while (rest /= 10);
	if (number < 0)
		digits[--at] = '-';
	add(digits + at);
}

static inline void write_line(long file)
{
	line[line_length++] = '\n';
	call(NR_write, file, (word)line, line_length, 0, 0);
	line_length = 0;
}
