/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
extern int extra;

int helper(void)
{
	return 3;
}

__attribute__((constructor)) static void set_extra(void)
{
	extra = 99;
}
