/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int other(void)
{
	return 1;
}

void holder(void)
{
#if defined(__x86_64__)
	asm volatile(".globl entry_label\n"
		     "entry_label:\n"
		     "	movl $7, %eax\n"
		     "	ret");
#else
	asm volatile(".globl entry_label\n"
		     "entry_label:\n"
		     "	mov w0, #7\n"
		     "	ret");
#endif
}
