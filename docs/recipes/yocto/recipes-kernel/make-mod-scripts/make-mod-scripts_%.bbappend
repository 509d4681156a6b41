# SPDX-License-Identifier: GPL-2.0-only OR MIT
# It runs `make prepare`, and Kconfig would drop LTO if the compiler were another one.
inherit kbuild-lto-toolchain
