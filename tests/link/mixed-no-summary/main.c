/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
int fb(void);

int main(void)
{
	return fb();
}
