/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int *early(int);

int user(void)
{
	return *early(1);
}
