/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int a(void), n1(void), n2(void);

int main(void)
{
	print_number(a());
	print_number(n1());
	print_number(n2());
	return 0;
}
