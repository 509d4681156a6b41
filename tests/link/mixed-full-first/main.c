/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int fa(void);

int main(void)
{
	return fa();
}
