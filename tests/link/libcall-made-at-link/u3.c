/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int format_one(char *to, const char *format, const char *text);

void u3(char *to, const char *text)
{
	format_one(to, "%s", text);
}
