/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int helper(void)
{
	return 2;
}
