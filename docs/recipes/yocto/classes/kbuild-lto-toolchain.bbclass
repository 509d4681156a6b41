# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Build with clang, ld.lld and the tools of kbuild-lto: for each recipe that builds a kernel module, and for
# make-mod-scripts, which configures the kernel again. The kernel's own recipe inherits kbuild-lto.

KERNEL_TOOLCHAIN = "clang"
# Without this line, it is the GNU linker unless DISTRO_FEATURES has ld-is-lld.
KERNEL_LD:toolchain-clang = "ld.lld ${TARGET_LD_KERNEL_ARCH}"
DEPENDS += "clang-native lld-native llvm-native kbuild-lto-native"

KBUILD_LTO_TOOLS = "${STAGING_LIBEXECDIR_NATIVE}/kbuild-lto/bin/${BUILD_ARCH}-unknown-linux-gnu"

# In the environment, because Kconfig is also run without EXTRA_OEMAKE: it would drop LTO if llvm-nm were not
# known there.
export LLVM = "1"
export LLVM_IAS = "1"
export LTO_TOOLS = "${KBUILD_LTO_TOOLS}"
