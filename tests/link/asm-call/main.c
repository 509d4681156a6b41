/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int c_user(int), asm_user(int);

int main(void)
{
	print_number(c_user(5));
	print_number(asm_user(5));
	return 0;
}
