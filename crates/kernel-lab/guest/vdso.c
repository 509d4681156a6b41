// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Calls the time functions of the vDSO, and prints for each clock whether the
 * result agrees with that of the system call, and whether it needed one.
 *
 * That it needed none is shown by a seccomp filter, which ends the process at
 * either system call; that the filter works is shown by a call that it ends.
 * (Strict seccomp would not do: on x86 it forbids reading the TSC too.)
 */

#include "system.h"

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

struct time {
	long seconds;
	long part;	/* nanoseconds, of gettimeofday microseconds */
};

typedef long (*time_call)(word a, word b);

/* One way to ask for the time: by a system call, or by a function of the vDSO. */
struct clock {
	const char *name;
	const char *function;
	long nr;
	word first;	/* the clock, or for gettimeofday where the time goes */
};

static struct time told;

static const struct clock clocks[] = {
	{ "CLOCK_REALTIME", "clock_gettime", NR_clock_gettime, 0 },
	{ "CLOCK_MONOTONIC", "clock_gettime", NR_clock_gettime, 1 },
	{ "CLOCK_REALTIME_COARSE", "clock_gettime", NR_clock_gettime, 5 },
	{ "CLOCK_MONOTONIC_COARSE", "clock_gettime", NR_clock_gettime, 6 },
	{ "CLOCK_BOOTTIME", "clock_gettime", NR_clock_gettime, 7 },
	{ "time of day", "gettimeofday", NR_gettimeofday, (word)&told },
};

/* What vdso(7) puts before a function's name. */
static const char *const prefixes[] = { "__vdso_", "__kernel_" };

/* As in elf.h, as far as it is read here. */
struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	word entry, program_headers, section_headers;
	u32 flags;
	u16 size, program_header_size, n_program_headers;
	u16 section_header_size, n_section_headers, names;
};

struct section_header {
	u32 name, type;
	word flags, address, offset, size;
	u32 link, info;
	word alignment, entry_size;
};

struct symbol {
	u32 name;
	u8 info, other;
	u16 section;
	word value, size;
};

enum { DYNAMIC_SYMBOLS = 11 /* SHT_DYNSYM */ };

static word equal(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return *one == *other;
}

/* The rest of `text` behind `prefix`, or nothing. */
static const char *behind(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return 0;
	return text;
}

/* The function of this name. The image is mapped as it is in the file, and linked at address 0. */
static time_call look_up(word vdso, const char *function)
{
	const struct elf_header *header = (void *)vdso;
	const struct section_header *sections = (void *)(vdso + header->section_headers);
	word i, j, p;

	for (i = 0; i < header->n_section_headers; i++) {
		const struct symbol *symbols = (void *)(vdso + sections[i].offset);
		const char *names;

		if (sections[i].type != DYNAMIC_SYMBOLS)
			continue;
		names = (void *)(vdso + sections[sections[i].link].offset);
		for (j = 0; j < sections[i].size / sizeof(*symbols); j++)
			for (p = 0; p < sizeof(prefixes) / sizeof(*prefixes); p++) {
				const char *rest = behind(names + symbols[j].name, prefixes[p]);

				if (symbols[j].section && rest && equal(rest, function))
					return (time_call)(vdso + symbols[j].value);
			}
	}
	return 0;
}

static long ask_kernel(const struct clock *clock)
{
	told.seconds = -1;
	return call(clock->nr, clock->first, clock->first == (word)&told ? 0 : (word)&told, 0, 0, 0);
}

static long ask_vdso(time_call function, const struct clock *clock)
{
	told.seconds = -1;
	return function(clock->first, clock->first == (word)&told ? 0 : (word)&told);
}

static word not_after(struct time one, struct time other)
{
	return one.seconds < other.seconds ||
	       (one.seconds == other.seconds && one.part <= other.part);
}

static word agrees(time_call function, const struct clock *clock)
{
	struct time before, between;

	if (ask_kernel(clock))
		return 0;
	before = told;
	if (ask_vdso(function, clock))
		return 0;
	between = told;
	return !ask_kernel(clock) && not_after(before, between) && not_after(between, told);
}

/* Ends this process at either system call that tells the time, with SIGSYS. */
static long forbid_time_calls(void)
{
	static const struct {
		u16 code;
		u8 if_true, if_false;
		u32 value;
	} filter[] = {
		{ 0x20, 0, 0, 0 },			/* load the number of the call */
		{ 0x15, 1, 0, NR_clock_gettime },	/* jump if equal */
		{ 0x15, 0, 1, NR_gettimeofday },
		{ 0x06, 0, 0, 0 },			/* SECCOMP_RET_KILL_THREAD */
		{ 0x06, 0, 0, 0x7fff0000 },		/* SECCOMP_RET_ALLOW */
	};
	struct {
		u16 length;
		const void *filter;
	} program = { sizeof(filter) / sizeof(*filter), filter };

	/* PR_SET_SECCOMP, SECCOMP_MODE_FILTER */
	return call(NR_prctl, 22, 2, (word)&program, 0, 0);
}

enum how { WITHOUT_SYSTEM_CALL, WITH_SYSTEM_CALL, NO_SECCOMP };

/* How a clock is asked, by the vDSO's function or by the system call if there is none. */
static enum how asked(time_call function, const struct clock *clock)
{
	int status = 0;
	long child = call(NR_clone, CHILD_ENDED, 0, 0, 0, 0);

	if (child == 0) {
		word exit_code = forbid_time_calls() ? NO_SECCOMP : WITHOUT_SYSTEM_CALL;

		if (function)
			ask_vdso(function, clock);
		else
			ask_kernel(clock);
		call(NR_exit, exit_code, 0, 0, 0, 0);
	}
	call(NR_wait4, child, (word)&status, 0, 0, 0);
	if (status & 0x7f)
		return WITH_SYSTEM_CALL;
	return status >> 8 & 0xff;
}

static void check(word vdso, const struct clock *clock)
{
	time_call function = look_up(vdso, clock->function);

	add(clock->name);
	add(": ");
	if (!function) {
		add("not in the vDSO");
	} else {
		enum how how = asked(function, clock);

		add(agrees(function, clock) ? "agrees with" : "differs from");
		add(" the system call, ");
		add(how == WITHOUT_SYSTEM_CALL ? "made without one" :
		    how == WITH_SYSTEM_CALL ? "made with one" :
		    "no seccomp filter to tell how it was made");
	}
	write_line(1);
}

__attribute__((used, noreturn)) static void start(const word *stack)
{
	word vdso = 0;
	word i;

	/* The auxiliary vector follows the arguments and the environment. */
	stack += 1 + *stack + 1;
	while (*stack++)
		;
	for (; stack[0]; stack += 2)
		if (stack[0] == 33) /* AT_SYSINFO_EHDR */
			vdso = stack[1];
	if (!vdso) {
		add("no vDSO");
		write_line(1);
		call(NR_exit, 1, 0, 0, 0, 0);
	}
	for (i = 0; i < sizeof(clocks) / sizeof(*clocks); i++)
		check(vdso, &clocks[i]);
	add("system call under the filter: ");
	add(asked(0, &clocks[0]) == WITH_SYSTEM_CALL ? "ended" : "not ended");
	write_line(1);
	call(NR_exit, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}
