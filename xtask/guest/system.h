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
	NR_dup3 = 24, NR_ioctl = 29, NR_mkdirat = 34, NR_mount = 40,
	NR_openat = 56, NR_close = 57, NR_read = 63, NR_write = 64, NR_sync = 81, NR_exit = 93,
	NR_clock_gettime = 113, NR_reboot = 142, NR_prctl = 167,
	NR_gettimeofday = 169, NR_clone = 220, NR_execve = 221, NR_wait4 = 260,
	NR_finit_module = 273,
};

static long call(long nr, word a, word b, word c, word d, word e)
{
	register long x8 __asm__("x8") = nr;
	register word x0 __asm__("x0") = a;
	register word x1 __asm__("x1") = b;
	register word x2 __asm__("x2") = c;
	register word x3 __asm__("x3") = d;
	register word x4 __asm__("x4") = e;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return (long)x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tb start\n");
#elif defined(__x86_64__)
enum {
	NR_read = 0, NR_write = 1, NR_close = 3, NR_ioctl = 16, NR_clone = 56,
	NR_execve = 59, NR_exit = 60, NR_wait4 = 61, NR_gettimeofday = 96,
	NR_prctl = 157, NR_sync = 162, NR_mount = 165, NR_reboot = 169, NR_clock_gettime = 228,
	NR_openat = 257, NR_mkdirat = 258, NR_dup3 = 292, NR_finit_module = 313,
};

static long call(long nr, word a, word b, word c, word d, word e)
{
	register word r10 __asm__("r10") = d;
	register word r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n"
	"\tand $-16, %rsp\n\tcall start\n");
#else
#error "no system calls for this architecture"
#endif

enum {
	CURRENT_DIRECTORY = -100,	/* AT_FDCWD */
	READ_WRITE = 2,			/* O_RDWR */
	NO_ENTRY = -2,			/* -ENOENT */
	NO_DEVICE = -19,		/* -ENODEV */
	CHILD_ENDED = 17,		/* SIGCHLD */
};

/* A line that is put together, and written at once. */
static char line[512];
static word line_length;

static void add(const char *text)
{
	while (*text && line_length < sizeof(line) - 1)
		line[line_length++] = *text++;
}

static void write_line(long file)
{
	line[line_length++] = '\n';
	call(NR_write, file, (word)line, line_length, 0, 0);
	line_length = 0;
}
