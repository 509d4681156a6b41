/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
__attribute__((noinline)) int handler(int kind, int x)
{
	asm volatile("");
	return kind * 1000 + x;
}

int direct(int x)
{
	return handler(1, x);
}

int risky(int x)
{
	asm volatile("1:\n"
		     ".pushsection handlers, \"aw\"\n"
		     ".balign 8\n"
		     ".quad handler\n"
		     ".popsection" : "+r"(x));
	return x;
}
