/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int sprintf(char *to, const char *format, ...);

int format_one(char *to, const char *format, const char *text)
{
	return sprintf(to, format, text);
}
