#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Armbian's build framework: a kernel with Clang LTO. Copy this file to userpatches/extensions, unpack the release
# in userpatches, and call compile.sh with KERNEL_COMPILER=clang ENABLE_EXTENSIONS=kbuild-lto.

# The unpacked release. A path below the framework also exists in its container.
declare -g KBUILD_LTO_RELEASE="${KBUILD_LTO_RELEASE:-"${SRC}/userpatches/kbuild-lto-0.1.0"}"

function custom_kernel_config__kbuild_lto() {
	opts_n+=("LTO_NONE")
	opts_y+=("LTO_CLANG_THIN_DIST" "LTO_CLANG_INTERNALIZE")
}

function custom_kernel_make_params__kbuild_lto() {
	[[ "${KERNEL_COMPILER}" == "clang" ]] || exit_with_error "kbuild-lto needs KERNEL_COMPILER=clang"
	declare tools
	tools="${KBUILD_LTO_RELEASE}/bin/$(uname -m)-unknown-linux-gnu"
	[[ -x "${tools}/lto-link" ]] || exit_with_error "no tools of kbuild-lto in ${tools}"
	# Kconfig has written .config, and dropped LTO silently, because something that LTO needs is missing.
	if grep -qs ' Kernel Configuration$' .config && ! grep -q '^CONFIG_LTO_CLANG.*=y' .config; then
		exit_with_error "the kernel's configuration has no LTO"
	fi
	common_make_params_quoted+=("LLVM_IAS=1" "LTO_TOOLS=${tools}")
	# The framework names no target with clang. Kernels up to 5.14 know it only by this variable.
	if [[ "${ARCHITECTURE}" == "arm64" ]]; then
		common_make_params_quoted+=("CROSS_COMPILE=aarch64-linux-gnu-")
	fi
}
