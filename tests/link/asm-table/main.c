/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int direct(int), risky(int);
extern int (*__start_handlers[])(int, int);

int main(void)
{
	int a = direct(5), b = risky(5);

	print_number(a);
	print_number(__start_handlers[0](2, b));
	return 0;
}
