/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int read_flag(int);
void write_flag(void);

int main(void)
{
	write_flag();
	print_number(read_flag(0));
	return 0;
}
