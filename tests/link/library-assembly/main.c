/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int fa(void);
int extra;

int main(void)
{
	print_number(fa());
	print_number(extra);
	return 0;
}
