/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int asm_user(int x)
{
	int result;

	CALL2(result, "f", 2, x);
	return result;
}
