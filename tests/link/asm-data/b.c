/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
void write_flag(void)
{
#if defined(__x86_64__)
	asm volatile("movl $77, flags(%%rip)" : : : "memory");
#else
	asm volatile("adrp x9, flags\n"
		     "mov w10, #77\n"
		     "str w10, [x9, :lo12:flags]" : : : "x9", "x10", "memory");
#endif
}
