/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int entry_label(void);

int main(void)
{
	print_number(entry_label());
	return 0;
}
