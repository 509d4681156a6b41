/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int flags[4] = { 1, 2, 3, 4 };

int read_flag(int i)
{
	return flags[i];
}
