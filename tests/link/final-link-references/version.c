/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

struct ops {
	int x;
};

struct uts {
	const char *version;
	const struct ops *ops;
};

extern const struct ops utsns_operations;
struct uts init_uts_ns __attribute__((weak));
struct uts init_uts_ns = { "#0 tmp", &utsns_operations };

void start_kernel(void)
{
	print_text(init_uts_ns.version);
	print_number(init_uts_ns.ops->x);
}
