/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
extern int opt(void) __attribute__((weak));

int f(void)
{
	return opt ? opt() : -1;
}
