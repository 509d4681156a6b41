/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
struct ops {
	int x;
};

struct uts {
	const char *version;
	const struct ops *ops;
};

extern const struct ops utsns_operations;
struct uts init_uts_ns = { "#7 final", &utsns_operations };
