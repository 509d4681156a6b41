# SPDX-License-Identifier: GPL-2.0-only OR MIT
FILESEXTRAPATHS:prepend := "${THISDIR}/files:"

inherit kbuild-lto

SRC_URI += "file://lto.cfg"

# The build of linux-yocto knows LTO. For a kernel that does not, such as 5.10, make this line empty.
KBUILD_LTO_PLUGINS ?= "lto-link"
