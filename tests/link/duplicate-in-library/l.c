/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int f(void)
{
	return 2;
}

int needed(void)
{
	return 3;
}
