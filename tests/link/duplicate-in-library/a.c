/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int f(void)
{
	return 1;
}
