/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
extern int state[64];

__attribute__((noinline)) int *early(int i)
{
	return &state[i];
}
