// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Computes, and asks the kernel for nothing: what is counted for the kernel
 * while it does is a fault of how it is counted. A tick of the clock may come
 * into it, so it is short, and done several times.
 */

#include "kinds.h"

static volatile word result;

static long compute(void)
{
	word i, sum = 0;

	for (i = 0; i < 50000; i++) {
		sum = sum * 31 + i;
		__asm__ volatile("" : "+r"(sum));
	}
	result = sum;
	return 0;
}

static const struct kind kinds[] = {
	{ "computing 1", 0, compute, 4, 1 },
	{ "computing 2", 0, compute, 4, 1 },
	{ "computing 3", 0, compute, 4, 1 },
	{ "computing 4", 0, compute, 4, 1 },
	{ "computing 5", 0, compute, 4, 1 },
};

__attribute__((used, noreturn)) static void start(const word *stack)
{
	(void)stack;
	run_kinds(kinds, N_OF(kinds));
	end_process(0);
}
