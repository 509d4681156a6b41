/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
void start_kernel(void);

int main(void)
{
	start_kernel();
	return 0;
}
