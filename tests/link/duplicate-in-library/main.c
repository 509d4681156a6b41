/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int f(void), needed(void);

int user(void)
{
	return f() + needed();
}
