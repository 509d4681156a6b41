/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
char *stpcpy(char *to, const char *from)
{
	*to = *from;
	return to;
}

char *strcpy(char *to, const char *from)
{
	*to = *from;
	return to;
}
