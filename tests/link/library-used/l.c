/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
extern int extra;

__attribute__((used)) int marked(void)
{
	return 2;
}

__attribute__((constructor)) static void set_extra(void)
{
	extra = 99;
}
