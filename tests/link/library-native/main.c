/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int entry(void);

int main(void)
{
	print_number(entry());
	return 0;
}
