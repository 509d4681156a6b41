/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
__attribute__((weak)) int f(void)
{
	return 2;
}
