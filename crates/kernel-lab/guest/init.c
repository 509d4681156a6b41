// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The first process of a guest: mounts what modules need, loads every module
 * that /modules.load names, one path per line and in that order, runs /script
 * with /bin/sh if the initramfs has one, and powers off.
 *
 * Every line it prints starts with "kbuild-lto: ", so that the host can tell
 * them from the kernel's own.
 */

#include "system.h"

/* What reboot(2) asks for, so that a stray call does nothing. */
static const word REBOOT_MAGIC = 0xfee1dead;
static const word REBOOT_MAGIC_2 = 672274793;
static const word POWER_OFF = 0x4321fedc;

static void begin(const char *what)
{
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
	write_line(log);
}

static long try_mount(const char *kind, const char *where)
{
	call(NR_mkdirat, CURRENT_DIRECTORY, (word)where, 0755, 0, 0);
	return call(NR_mount, (word)kind, (word)where, (word)kind, 0, 0);
}

static void must_be(long result, const char *where)
{
	if (result < 0) {
		begin("mount ");
		add(where);
		add(" ");
		add_number(result);
		end();
	}
}

static void mount(const char *kind, const char *where)
{
	must_be(try_mount(kind, where), where);
}

/* The kernel that has no such file system has no place for it either. */
static void mount_if_any(const char *kind, const char *where)
{
	long result = try_mount(kind, where);

	if (result != NO_ENTRY && result != NO_DEVICE)
		must_be(result, where);
}

static long open(const char *path, word how)
{
	return call(NR_openat, CURRENT_DIRECTORY, (word)path, how, 0, 0);
}

/*
 * Without it the kernel takes minutes to be sure of its random numbers, and
 * until then hides pointers in another way, which its tests count differently.
 */
static void seed_random_numbers(void)
{
	static const struct {
		int n_bits, n_bytes;
		unsigned int words[8];
	} seed = { 256, 32, { 0x6b62756c, 0x646c746f } };
	long file = open("/dev/urandom", READ_WRITE);

	if (file < 0)
		return;
	/* RNDADDENTROPY */
	call(NR_ioctl, file, 0x40085203, (word)&seed, 0, 0);
	call(NR_close, file, 0, 0, 0, 0);
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

__attribute__((used, noreturn)) static void start(const word *stack)
{
	long console;
	long kmsg;
	word fd;

	(void)stack;
	MARK(MARK_STARTED);
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
	mount_if_any("debugfs", "/sys/kernel/debug");
	mount_if_any("tracefs", "/sys/kernel/tracing");
	begin("guest started");
	end();
	seed_random_numbers();
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
