/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int f(void);

int main(void)
{
	print_number(f());
	return 0;
}
