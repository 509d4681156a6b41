/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
__attribute__((section(".pair.text"), noinline)) int f1(void)
{
	return 1;
}

__attribute__((section(".pair.text"), noinline)) int f2(void)
{
	return 2;
}

int entry(void)
{
	int difference;

#if defined(__x86_64__)
	asm volatile("movl $(f2 - f1), %0" : "=r"(difference));
#else
	long address;

	asm volatile(".pushsection .rodata.difference, \"a\"\n"
		     ".balign 4\n"
		     "1: .long f2 - f1\n"
		     ".popsection\n"
		     "adrp %1, 1b\n"
		     "ldr %w0, [%1, :lo12:1b]" : "=r"(difference), "=&r"(address));
#endif
	return difference;
}
