/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What a program of the link lab may call, and what its inline assembly needs. There is no C library. */
#ifndef LAB_H
#define LAB_H

/* Each writes a line to standard output. */
void print_number(long number);
void print_text(const char *text);

/*
 * A call in inline assembly: CALL(result, "name") calls a function without arguments, CALL2 one with two int
 * arguments. Everything that a callee may change is an output or a clobber. Programs are compiled without a red zone
 * and without vector registers, as kernels are.
 */
#if defined(__x86_64__)
#define CALL(result, name)                                                                          \
	asm volatile("call " name : "=a"(result)                                                    \
		     : : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc")
#define CALL2(result, name, first, second)                                                          \
	do {                                                                                        \
		int first_ = (first), second_ = (second);                                           \
		asm volatile("call " name : "=a"(result), "+D"(first_), "+S"(second_)               \
			     : : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");           \
	} while (0)
#elif defined(__aarch64__)
#define CALL_CLOBBERS                                                                               \
	"x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",   \
		"x16", "x17", "x18", "x30", "memory", "cc"
#define CALL2(result, name, first, second)                                                          \
	do {                                                                                        \
		register int first_ asm("w0") = (first);                                            \
		register int second_ asm("w1") = (second);                                          \
		asm volatile("bl " name : "+r"(first_), "+r"(second_) : : CALL_CLOBBERS);           \
		(result) = first_;                                                                  \
	} while (0)
#define CALL(result, name) CALL2(result, name, 0, 0)
#else
#error "the link lab does not know this architecture"
#endif

#endif
