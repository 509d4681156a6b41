/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

__attribute__((noinline)) int f(int a, int b)
{
	asm volatile("");
	return a * 100 + b;
}

int c_user(int x)
{
	return f(1, x);
}

int asm_user(int x)
{
	int result;

	CALL2(result, "f", 2, x);
	return result;
}
