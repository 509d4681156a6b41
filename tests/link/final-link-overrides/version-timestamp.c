/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
const char linux_banner[] = "Linux version 6.6.0 #7 final";
