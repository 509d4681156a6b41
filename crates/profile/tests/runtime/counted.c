/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The functions that count: those of the kernel, or with -DMODULE those of a module. */

static volatile int total;

#ifdef MODULE
__attribute__((noinline)) void module_work(void)
{
	total++;
}
#else
__attribute__((noinline)) void kernel_work(void)
{
	total++;
}

__attribute__((noinline)) void never(void)
{
	total--;
}
#endif
