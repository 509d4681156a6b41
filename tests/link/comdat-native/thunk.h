/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#if defined(__x86_64__)
#define RETURN_5 "movl $5, %eax\n ret\n"
#define JUMP "jmp "
#else
#define RETURN_5 "mov w0, #5\n ret\n"
#define JUMP "b "
#endif

#define THUNK_USER(name)                                                    \
	asm(".section .text.thunk, \"axG\", %progbits, thunk, comdat\n"      \
	    ".globl thunk\n"                                                 \
	    ".hidden thunk\n"                                                \
	    "thunk: " RETURN_5                                               \
	    ".text\n"                                                        \
	    ".globl " name "\n"                                              \
	    name ": " JUMP "thunk\n")
