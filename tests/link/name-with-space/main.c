/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int n(void);

int main(void)
{
	print_number(n());
	return 0;
}
