# SPDX-License-Identifier: GPL-2.0-only OR MIT
# A kernel with the plugins of kbuild-lto: inherit this class in a .bbappend of the kernel's recipe.

inherit kbuild-lto-toolchain

# The plugins, separated by commas; all if it is empty. A kernel whose own build knows LTO needs names.
KBUILD_LTO_PLUGINS ??= ""
# Set this to 0 if patches of `xtask series` are in SRC_URI.
KBUILD_LTO_INSTALL ??= "1"

do_kbuild_lto_install() {
	if [ "${KBUILD_LTO_INSTALL}" = "1" ]; then
		plugins="${KBUILD_LTO_PLUGINS}"
		${KBUILD_LTO_TOOLS}/xtask install --tree ${S} ${plugins:+--plugins $plugins}
		# LTO_TOOLS has the programs. In the tree they would get into packages for the target.
		rm -rf ${S}/scripts/lto/bin
	fi
	if [ ! -e ${S}/scripts/lto/VERSION ]; then
		bbfatal "${S} has no plugins: name them in KBUILD_LTO_PLUGINS, or add patches to SRC_URI"
	fi
}
addtask kbuild_lto_install after do_patch do_prepare_recipe_sysroot before do_configure do_kernel_configme

# Kconfig drops an option silently if something that it needs is missing.
do_configure:append() {
	if ! grep -q '^CONFIG_LTO_CLANG=y' ${B}/.config; then
		bbfatal "The kernel's configuration has no LTO, or Kconfig dropped it"
	fi
}
