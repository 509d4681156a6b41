/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_LTO_PROFILE_H
#define _LINUX_LTO_PROFILE_H

#include <linux/types.h>

/*
 * What a part of the kernel that counts consists of: a record for each
 * function, the counters of all functions, and their names. The compiler makes
 * these tables, and the linker puts each of them into one piece.
 */
struct lto_profile_tables {
	const char *records;
	u64 *counters;
	const char *names;
	/* In bytes. */
	unsigned int records_size;
	unsigned int counters_size;
	unsigned int names_size;
};

#endif /* _LINUX_LTO_PROFILE_H */
