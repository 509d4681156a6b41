/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int entry(void)
{
	int result;

	CALL(result, "helper");
	return result;
}
