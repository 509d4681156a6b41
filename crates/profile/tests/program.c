/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A program without a C library that stands for a kernel: it does work, and then writes the memory of its
 * counters to standard output. As a kernel, it has no run time of the compiler.
 */

extern char __start___llvm_prf_cnts[], __stop___llvm_prf_cnts[];

#define NOT_COUNTED __attribute__((no_profile_instrument_function, noinline))

#ifdef __x86_64__
enum { WRITE = 1, EXIT = 60 };
#else
enum { WRITE = 64, EXIT = 93 };
#endif

NOT_COUNTED static void call(long number, long first, const void *second, long third)
{
#ifdef __x86_64__
	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(first), "S"(second), "d"(third)
			 : "rcx", "r11", "memory");
#else
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = first;
	register const void *x1 __asm__("x1") = second;
	register long x2 __asm__("x2") = third;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
#endif
}

static volatile int total;

__attribute__((noinline)) void thrice(void)
{
	total++;
}

__attribute__((noinline)) void never(void)
{
	total--;
}

/* 17 rounds in two calls, 8 of them odd. */
__attribute__((noinline)) static int rounds(int n)
{
	int sum = 0;
	int i;

	for (i = 0; i < n; i++)
		if (i & 1)
			sum += total;
	return sum;
}

int (*volatile pointer)(int) = rounds;

/* A call through a pointer: its target is a value that could be recorded. */
__attribute__((noinline)) void indirect(void)
{
	pointer(10);
	pointer(7);
}

#ifdef VALUES
/* The function of the compiler's run time that records values. */
NOT_COUNTED void __llvm_profile_instrument_target(void)
{
}
#endif

NOT_COUNTED void _start(void)
{
	thrice();
	thrice();
	thrice();
	indirect();
	if (total == 77)
		never();
	call(WRITE, 1, __start___llvm_prf_cnts, __stop___llvm_prf_cnts - __start___llvm_prf_cnts);
	call(EXIT, 0, 0, 0);
	for (;;)
		;
}
