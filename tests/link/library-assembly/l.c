/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
asm(".section .tab, \"aw\"\n"
    ".quad helper\n"
    ".previous");

int unneeded(void)
{
	return 2;
}
