/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

void u3(char *, const char *);

int main(void)
{
	char buffer[40] = { 0 };

	u3(buffer, "h");
	print_text(buffer);
	return 0;
}
