/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
__attribute__((noinline)) int f(int a, int b)
{
	asm volatile("");
	return a * 100 + b;
}

int c_user(int x)
{
	return f(1, x);
}
