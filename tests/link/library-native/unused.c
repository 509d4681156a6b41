/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int helper(void);

int unused(void)
{
	return helper();
}
