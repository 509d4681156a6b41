// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A module that writes beyond an array on its stack when it is loaded, for the
 * stack protector to notice. lkdtm's CORRUPT_STACK does the same, but compilers
 * see that nobody reads what it writes, and leave it out.
 */

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

static noinline void smash(void)
{
	char array[8];
	volatile char *at = array;
	int i;

	OPTIMIZER_HIDE_VAR(at);
	for (i = 0; i < 64; i++)
		at[i] = 0x5a;
	pr_info("%d bytes written to an array of %zu\n", i, sizeof(array));
}

static int __init smash_init(void)
{
	smash();
	pr_err("FAIL: nobody noticed\n");
	return 0;
}
module_init(smash_init);

MODULE_LICENSE("Dual MIT/GPL");
