# SPDX-License-Identifier: GPL-2.0-only OR MIT
################################################################################
#
# kbuild-lto: static programs for the machine that builds the kernel
#
################################################################################

KBUILD_LTO_VERSION = 0.1.0
KBUILD_LTO_SOURCE = kbuild-lto-$(KBUILD_LTO_VERSION).tar.xz
KBUILD_LTO_SITE = $(call qstrip,$(BR2_LINUX_KERNEL_EXT_KBUILD_LTO_SITE))
KBUILD_LTO_LICENSE = GPL-2.0 or MIT
KBUILD_LTO_LICENSE_FILES = LICENSE-GPL-2.0 LICENSE-MIT

# You make the archive, so only you know its hash: put it into kbuild-lto.hash beside this file, and
# remove this line.
BR_NO_CHECK_HASH_FOR += $(KBUILD_LTO_SOURCE)

# The programs find each other by the file VERSION, two directories above them.
define HOST_KBUILD_LTO_INSTALL_CMDS
	mkdir -p $(HOST_DIR)/libexec/kbuild-lto
	cp -a $(@D)/VERSION $(@D)/bin $(HOST_DIR)/libexec/kbuild-lto/
endef

$(eval $(host-generic-package))
