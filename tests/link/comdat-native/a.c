/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int a(void)
{
	return 3;
}
