/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int f1(void) asm("a b");

int f1(void)
{
	return 1;
}
