/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
struct ops {
	int x;
};

const struct ops utsns_operations = { 5 };
