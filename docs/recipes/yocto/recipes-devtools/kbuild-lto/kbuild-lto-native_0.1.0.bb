# SPDX-License-Identifier: GPL-2.0-only OR MIT
SUMMARY = "Programs that link Linux kernels from LLVM bitcode"
LICENSE = "GPL-2.0-only | MIT"
LIC_FILES_CHKSUM = "file://LICENSE-GPL-2.0;md5=b234ee4d69f5fce4486a80fdaf4a4263 \
                    file://LICENSE-MIT;md5=d0a77c616b7b87715412b4892c74ebfb"

# The archive that `cargo xtask dist` makes: put it into the directory files beside this recipe.
SRC_URI = "file://kbuild-lto-${PV}.tar.xz"
S = "${UNPACKDIR}/kbuild-lto-${PV}"

inherit native

do_configure[noexec] = "1"
do_compile[noexec] = "1"
INHIBIT_SYSROOT_STRIP = "1"

# The programs find each other by the file VERSION, two directories above them..
do_install() {
	install -d ${D}${libexecdir}/kbuild-lto
	cp -r --no-preserve=ownership ${S}/VERSION ${S}/bin ${D}${libexecdir}/kbuild-lto/
}
