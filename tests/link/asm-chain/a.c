/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lab.h"

int f9(void)
{
	return 9;
}

int f8(void)
{
	int result;

	CALL(result, "f9");
	return result;
}

int f7(void)
{
	int result;

	CALL(result, "f8");
	return result;
}

int f6(void)
{
	int result;

	CALL(result, "f7");
	return result;
}

int f5(void)
{
	int result;

	CALL(result, "f6");
	return result;
}

int f4(void)
{
	int result;

	CALL(result, "f5");
	return result;
}

int f3(void)
{
	int result;

	CALL(result, "f4");
	return result;
}

int f2(void)
{
	int result;

	CALL(result, "f3");
	return result;
}

int f1(void)
{
	int result;

	CALL(result, "f2");
	return result;
}
