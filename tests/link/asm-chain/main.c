/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int f1(void);

int main(void)
{
	print_number(f1());
	return 0;
}
