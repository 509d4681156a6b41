// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The first process of a guest: mounts what modules need, loads every module
 * that /modules.load names, one path per line and in that order, runs /script
 * with /bin/sh if the initramfs has one, and powers off.
 *
 * Every line it prints starts with "kbuild-lto: ", so that the host can tell
 * them from the kernel's own. It needs no C library: system calls are all
 * it makes, and the guest's architecture then needs nothing but clang and lld.
 */

typedef unsigned long word;

#if defined(__aarch64__)
enum {
	NR_mkdirat = 34, NR_mount = 40, NR_openat = 56, NR_close = 57,
	NR_read = 63, NR_write = 64, NR_exit = 93, NR_reboot = 142,
	NR_clone = 220, NR_execve = 221, NR_wait4 = 260, NR_finit_module = 273,
	NR_dup3 = 24, NR_sync = 81,
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

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tb start\n");
#elif defined(__x86_64__)
enum {
	NR_mkdirat = 258, NR_mount = 165, NR_openat = 257, NR_close = 3,
	NR_read = 0, NR_write = 1, NR_exit = 60, NR_reboot = 169,
	NR_clone = 56, NR_execve = 59, NR_wait4 = 61, NR_finit_module = 313,
	NR_dup3 = 292, NR_sync = 162,
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

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall start\n");
#else
#error "init.c has no system calls for this architecture"
#endif

enum {
	CURRENT_DIRECTORY = -100,	/* AT_FDCWD */
	READ_WRITE = 2,			/* O_RDWR */
	CHILD_ENDED = 17,		/* SIGCHLD */
};

/* What reboot(2) asks for, so that a stray call does nothing. */
static const word REBOOT_MAGIC = 0xfee1dead;
static const word REBOOT_MAGIC_2 = 672274793;
static const word POWER_OFF = 0x4321fedc;

static char line[512];
static word line_length;

static void add(const char *text)
{
	while (*text && line_length < sizeof(line) - 1)
		line[line_length++] = *text++;
}

static void add_number(long number)
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

static void begin(const char *what)
{
	line_length = 0;
	add("kbuild-lto: ");
	add(what);
}

/*
 * Lines go through the kernel's log, because what a process writes to the
 * console can be torn by a kernel message in its middle.
 */
static long log = 1;

static void end(void)
{
	line[line_length++] = '\n';
	call(NR_write, log, (word)line, line_length, 0, 0);
}

static void mount(const char *kind, const char *where)
{
	long result;

	call(NR_mkdirat, CURRENT_DIRECTORY, (word)where, 0755, 0, 0);
	result = call(NR_mount, (word)kind, (word)where, (word)kind, 0, 0);
	if (result < 0) {
		begin("mount ");
		add(where);
		add(" ");
		add_number(result);
		end();
	}
}

static long open(const char *path, word how)
{
	return call(NR_openat, CURRENT_DIRECTORY, (word)path, how, 0, 0);
}

static void load_module(const char *path)
{
	long result;
	long file = open(path, 0);

	begin("module ");
	add(path);
	end();
	result = file;
	if (file >= 0) {
		result = call(NR_finit_module, file, (word)"", 0, 0, 0);
		call(NR_close, file, 0, 0, 0, 0);
	}
	begin("result ");
	add_number(result);
	add(" ");
	add(path);
	end();
}

static char list[1 << 16];

static void load_modules(void)
{
	word size = 0;
	word start = 0;
	word at;
	long file = open("/modules.load", 0);

	while (file >= 0 && size < sizeof(list) - 1) {
		long n = call(NR_read, file, (word)list + size,
			      sizeof(list) - 1 - size, 0, 0);

		if (n <= 0)
			break;
		size += n;
	}
	call(NR_close, file, 0, 0, 0, 0);
	for (at = 0; at < size; at++) {
		if (list[at] != '\n')
			continue;
		list[at] = 0;
		load_module(list + start);
		start = at + 1;
	}
}

static void run_script(void)
{
	static const char *const arguments[] = { "/bin/sh", "/script", 0 };
	static const char *const environment[] = { "PATH=/bin", "HOME=/", 0 };
	int status = -1;
	long child;
	long file = open("/script", 0);

	if (file < 0)
		return;
	call(NR_close, file, 0, 0, 0, 0);
	child = call(NR_clone, CHILD_ENDED, 0, 0, 0, 0);
	if (child == 0) {
		call(NR_execve, (word)arguments[0], (word)arguments, (word)environment, 0, 0);
		call(NR_exit, 127, 0, 0, 0, 0);
	}
	/* Orphans of the script come here too. */
	while (child > 0) {
		long ended = call(NR_wait4, -1UL, (word)&status, 0, 0, 0);

		if (ended == child || ended < 0)
			break;
	}
	begin("script ");
	add_number(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff);
	end();
}

__attribute__((used, noreturn)) static void start(void)
{
	long console;
	long kmsg;
	word fd;

	mount("devtmpfs", "/dev");
	console = open("/dev/console", READ_WRITE);
	if (console >= 0)
		for (fd = 0; fd < 3; fd++)
			if ((word)console != fd)
				call(NR_dup3, console, fd, 0, 0, 0);
	kmsg = open("/dev/kmsg", READ_WRITE);
	if (kmsg >= 0)
		log = kmsg;
	mount("proc", "/proc");
	mount("sysfs", "/sys");
	mount("debugfs", "/sys/kernel/debug");
	mount("tracefs", "/sys/kernel/tracing");
	begin("guest started");
	end();
	load_modules();
	run_script();
	begin("guest done");
	end();
	call(NR_sync, 0, 0, 0, 0, 0);
	call(NR_reboot, REBOOT_MAGIC, REBOOT_MAGIC_2, POWER_OFF, 0, 0);
	/* Only a kernel that cannot power off comes here; its panic ends the run. */
	call(NR_exit, 1, 0, 0, 0, 0);
	__builtin_unreachable();
}
