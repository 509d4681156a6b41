/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
static int callback(void)
{
	return 2;
}

static int (*entry)(void) __attribute__((used, section("table"))) = callback;
