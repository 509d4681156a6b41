/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a program needs that runs kinds of kernel work, each in a process of
 * its own, between two marks that the plugin of QEMU sees.
 *
 * Around each kind there is a line `begin NAME` and a line `end NAME STATUS`,
 * with a line `saw times N` between them. A kind that the kernel has no
 * support for ends with the status ABSENT, one that failed with FAILED.
 */

#include "system.h"

struct kind {
	const char *name;
	/* What is done before, and not counted: 0, or a negative error number. */
	long (*prepare)(void);
	/* The work, once; a negative error number if it failed. */
	long (*once)(void);
	word times;
	/* Whether what the kernel has put off is left to it. */
	word is_unsettled;
};

enum { MARK_KIND = 2, MARK_BEGIN = 3, MARK_END = 4 };

enum { ABSENT = 100, FAILED = 101 };

enum {
	WRITE_ONLY = 1,			/* O_WRONLY */
	CREATE = 0100,			/* O_CREAT */
	TRUNCATE = 01000,		/* O_TRUNC */
	APPEND = 02000,			/* O_APPEND */
	NONBLOCK = 04000,		/* O_NONBLOCK */
	REMOVE_DIRECTORY = 0x200,	/* AT_REMOVEDIR */
	PAGE = 4096,
};

enum {
	NOT_PERMITTED = -1,		/* -EPERM */
	INTERRUPTED = -4,		/* -EINTR */
	TRY_AGAIN = -11,		/* -EAGAIN */
	INVALID = -22,			/* -EINVAL */
	NO_CALL = -38,			/* -ENOSYS */
	NO_PROTOCOL = -93,		/* -EPROTONOSUPPORT */
	NOT_SUPPORTED = -95,		/* -EOPNOTSUPP */
	NO_FAMILY = -97,		/* -EAFNOSUPPORT */
	NO_ADDRESS = -99,		/* -EADDRNOTAVAIL */
};

/* Whether the kernel says with this error that it has no such thing. */
static inline int is_absent(long error)
{
	return error == NO_ENTRY || error == NO_DEVICE || error == NO_CALL ||
	       error == NO_PROTOCOL || error == NOT_SUPPORTED || error == NO_FAMILY;
}

/* clang calls them for what it makes of assignments and loops. */
__attribute__((used)) void *memset(void *to, int byte, word size)
{
	unsigned char *at = to;

	while (size--) {
		*at++ = byte;
		__asm__ volatile("" : : : "memory");
	}
	return to;
}

__attribute__((used)) void *memcpy(void *to, const void *from, word size)
{
	unsigned char *at = to;
	const unsigned char *next = from;

	while (size--) {
		*at++ = *next++;
		__asm__ volatile("" : : : "memory");
	}
	return to;
}

static inline word text_length(const char *text)
{
	word length = 0;

	while (text[length])
		length++;
	return length;
}

static inline word equal(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return *one == *other;
}

static long log_file;

static inline void begin_line(const char *what)
{
	add("kbuild-lto: ");
	add(what);
	add(" ");
}

static inline void end_line(void)
{
	write_line(log_file);
}

static inline void open_log(void)
{
	log_file = call(NR_openat, CURRENT_DIRECTORY, (word)"/dev/kmsg", WRITE_ONLY, 0, 0);
}

/* Ends the process if `result` is an error, which the parent then tells of. */
static inline long must(long result)
{
	if (result < 0)
		call(NR_exit, is_absent(result) ? ABSENT : FAILED, 0, 0, 0, 0);
	return result;
}

static inline long open_file(const char *path, word how)
{
	return call(NR_openat, CURRENT_DIRECTORY, (word)path, how, 0644, 0);
}

static inline long close_file(long file)
{
	return call(NR_close, file, 0, 0, 0, 0);
}

static inline long read_file(long file, void *to, word size)
{
	return call(NR_read, file, (word)to, size, 0, 0);
}

static inline long write_file(long file, const void *from, word size)
{
	return call(NR_write, file, (word)from, size, 0, 0);
}

static inline long remove_file(const char *path)
{
	return call(NR_unlinkat, CURRENT_DIRECTORY, (word)path, 0, 0, 0);
}

static inline long make_directory(const char *path)
{
	long result = call(NR_mkdirat, CURRENT_DIRECTORY, (word)path, 0755, 0, 0);

	return result == -17 /* -EEXIST */ ? 0 : result;
}

/* A file with this many bytes of zeros. */
static inline long make_file(const char *path, word size)
{
	static const char zeros[PAGE];
	long file = open_file(path, READ_WRITE | CREATE | TRUNCATE);
	word done;

	for (done = 0; file >= 0 && done < size; done += sizeof(zeros)) {
		long result = write_file(file, zeros, sizeof(zeros));

		if (result < 0)
			return result;
	}
	return file;
}

static inline long start_process(void)
{
	return call(NR_clone, CHILD_ENDED, 0, 0, 0, 0);
}

__attribute__((noreturn)) static void end_process(word status)
{
	call(NR_exit, status, 0, 0, 0, 0);
	__builtin_unreachable();
}

/* The status that a child ended with. */
static inline int wait_for(long child)
{
	int status = -1;

	while (call(NR_wait4, child, (word)&status, 0, 0, 0) == INTERRUPTED)
		;
	return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}

/* The last process that start_partner() started. */
static long partner_process;

/* A child of this process that does `work` until it is killed. */
static inline long start_partner(long (*work)(void))
{
	long child = start_process();

	if (child == 0) {
		/* PR_SET_PDEATHSIG, SIGKILL */
		call(NR_prctl, 1, 9, 0, 0, 0);
		while (work() >= 0)
			;
		end_process(FAILED);
	}
	partner_process = child;
	return child;
}

/*
 * Sleeps until the kernel has done what it has put off, such as freeing what
 * nobody can see any more: it belongs to the work before.
 */
static inline void settle(void)
{
	static const long while_idle[2] = { 0, 40000000 };

	if (partner_process)
		must(call(NR_kill, partner_process, 19 /* SIGSTOP */, 0, 0, 0));
	must(call(NR_clock_nanosleep, 1 /* CLOCK_MONOTONIC */, 0, (word)while_idle, 0, 0));
}

static inline void *map(word size, word how, long file)
{
	enum { READ_AND_WRITE = 3 };

	return (void *)must(call6(NR_mmap, 0, size, READ_AND_WRITE, how, file, 0));
}

enum { SHARED = 1, PRIVATE = 2, ANONYMOUS = 0x20 };

static inline void unmap(void *at, word size)
{
	must(call(NR_munmap, (word)at, size, 0, 0, 0));
}

/* Writes to each page. */
static inline void touch(void *at, word size)
{
	volatile char *byte = at;
	word offset;

	for (offset = 0; offset < size; offset += PAGE)
		byte[offset] = 1;
}

/* The name of a module whose file is in /modules, and that nobody has loaded. */
static const char *module = "";

static inline long load_and_unload(void)
{
	static char path[64];
	long opened;

	line_length = 0;
	add("/modules/");
	add(module);
	add(".ko");
	memcpy(path, line, line_length);
	path[line_length] = 0;
	line_length = 0;
	opened = must(open_file(path, 0));
	must(call(NR_finit_module, opened, (word)"", 0, 0, 0));
	must(close_file(opened));
	return call(NR_delete_module, (word)module, NONBLOCK, 0, 0, 0);
}

typedef void (*signal_handler)(int number);

#if defined(__x86_64__)
/* The kernel returns from a handler to this; arm64 has it in the vDSO. */
void return_from_signal(void);
__asm__("return_from_signal:\n\tmov $15, %eax\n\tsyscall\n");
enum { RESTORER = 0x04000000 };
#else
enum { RESTORER = 0 };
static inline void return_from_signal(void)
{
}
#endif

static inline long handle_signal(int number, signal_handler handler)
{
	/* struct sigaction as the kernel has it */
	struct {
		signal_handler handler;
		word flags;
		void (*restorer)(void);
		word mask;
	} action = { handler, RESTORER, return_from_signal, 0 };

	return call(NR_rt_sigaction, number, (word)&action, 0, 8, 0);
}

static inline void run_once(const struct kind *kind, word times)
{
	while (times--)
		must(kind->once());
}

__attribute__((noreturn)) static void run_in_child(const struct kind *kind)
{
	/* What waits for ever ends by SIGALRM, after seconds of the guest's clock. */
	static const long limit[4] = { 0, 0, 20, 0 };

	must(call(NR_setitimer, 0 /* ITIMER_REAL */, (word)limit, 0, 0, 0));
	if (kind->prepare)
		must(kind->prepare());
	/* What is allocated or looked up at the first time only is not what is measured. */
	run_once(kind, kind->times / 8 + 2);
	settle();
	if (partner_process)
		must(call(NR_kill, partner_process, 18 /* SIGCONT */, 0, 0, 0));
	MARK(MARK_BEGIN);
	run_once(kind, kind->times);
	if (!kind->is_unsettled)
		settle();
	MARK(MARK_END);
	end_process(0);
}

/* Runs kinds in their order. */
static inline void run_kinds(const struct kind *kinds, word n)
{
	word i;

	open_log();
	for (i = 0; i < n; i++) {
		const struct kind *kind = &kinds[i];
		int status;
		long child;

		MARK(MARK_KIND);
		begin_line("begin");
		add(kind->name);
		end_line();
		begin_line("saw times");
		add_number(kind->times);
		end_line();
		child = start_process();
		if (child == 0)
			run_in_child(kind);
		status = wait_for(child);
		begin_line("end");
		add(kind->name);
		add(" ");
		add_number(status);
		end_line();
	}
}

#define N_OF(array) (sizeof(array) / sizeof(*(array)))
