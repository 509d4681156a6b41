/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

extern const char linux_banner[];

void start_kernel(void)
{
	print_text(linux_banner);
}
