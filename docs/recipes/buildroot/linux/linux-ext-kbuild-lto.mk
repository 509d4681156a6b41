# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Buildroot reads this file in linux/linux.mk, before the rules of the kernel are made.

ifeq ($(BR2_LINUX_KERNEL_EXT_KBUILD_LTO),y)

LINUX_KBUILD_LTO_BIN = bin/x86_64-unknown-linux-gnu

# Kconfig tries the compiler, the linker and lto-link.
LINUX_KCONFIG_DEPENDENCIES += host-kbuild-lto

LINUX_KBUILD_LTO_LLVM = $(call qstrip,$(BR2_LINUX_KERNEL_EXT_KBUILD_LTO_LLVM))
ifeq ($(LINUX_KBUILD_LTO_LLVM),)
LINUX_KBUILD_LTO_LLVM = $(HOST_DIR)/bin
# The program clang there is a wrapper, which adds flags for programs of the target.
LINUX_KBUILD_LTO_CLANG = $(HOST_DIR)/bin/clang.br_real
LINUX_KCONFIG_DEPENDENCIES += host-clang host-lld host-llvm
else
LINUX_KBUILD_LTO_CLANG = $(LINUX_KBUILD_LTO_LLVM)/clang
endif

# All programs by their paths, because some packages with modules set another PATH. Not LLVM=1, which
# would build programs of the host by clang, too.
LINUX_MAKE_FLAGS += \
	CC=$(LINUX_KBUILD_LTO_CLANG) \
	LD=$(LINUX_KBUILD_LTO_LLVM)/ld.lld \
	AR=$(LINUX_KBUILD_LTO_LLVM)/llvm-ar \
	NM=$(LINUX_KBUILD_LTO_LLVM)/llvm-nm \
	OBJCOPY=$(LINUX_KBUILD_LTO_LLVM)/llvm-objcopy \
	OBJDUMP=$(LINUX_KBUILD_LTO_LLVM)/llvm-objdump \
	READELF=$(LINUX_KBUILD_LTO_LLVM)/llvm-readelf \
	STRIP=$(LINUX_KBUILD_LTO_LLVM)/llvm-strip \
	LLVM_IAS=1 \
	LTO_TOOLS=$(HOST_DIR)/libexec/kbuild-lto/$(LINUX_KBUILD_LTO_BIN)

# linux.mk puts flags into it that only gcc knows; clang would refuse them in every file.
LINUX_CFLAGS =

ifeq ($(BR2_LINUX_KERNEL_EXT_KBUILD_LTO_INSTALL),y)
# The packages that a patch depends on are unpacked then, but not yet installed.
LINUX_PATCH_DEPENDENCIES += host-kbuild-lto

LINUX_KBUILD_LTO_PLUGINS = $(call qstrip,$(BR2_LINUX_KERNEL_EXT_KBUILD_LTO_PLUGINS))
define LINUX_KBUILD_LTO_INSTALL
	$(HOST_KBUILD_LTO_DIR)/$(LINUX_KBUILD_LTO_BIN)/xtask install --tree $(@D) \
		$(if $(LINUX_KBUILD_LTO_PLUGINS),--plugins $(LINUX_KBUILD_LTO_PLUGINS))
	$(Q)test -e $(@D)/scripts/lto/VERSION || \
		{ echo "Name plugins in BR2_LINUX_KERNEL_EXT_KBUILD_LTO_PLUGINS" >&2; exit 1; }
endef
LINUX_POST_PATCH_HOOKS += LINUX_KBUILD_LTO_INSTALL
# With LINUX_OVERRIDE_SRCDIR, Buildroot copies a tree and patches nothing.
LINUX_POST_RSYNC_HOOKS += LINUX_KBUILD_LTO_INSTALL
endif

# Kconfig drops an option silently if something that it needs is missing.
define LINUX_KBUILD_LTO_CHECK_CONFIG
	$(Q)grep -q '^CONFIG_LTO_CLANG=y' $(@D)/.config || \
		{ echo "The kernel's configuration has no LTO, or Kconfig dropped it" >&2; exit 1; }
endef
LINUX_POST_CONFIGURE_HOOKS += LINUX_KBUILD_LTO_CHECK_CONFIG

endif
