# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Lists the objects that a configuration builds, without building one: `make list-objects`, with the path of this file
# in MAKEFILES. make then reads it before each Makefile of the kernel, which computes the lists below as for a build:
# build-dirs or build-dir in the top Makefile, the others in scripts/Makefile.lib. A recipe is expanded after that.

ifdef obj
listed-dirs = $(subdir-ym)
listed-objects = $(filter %.o,$(real-obj-y) $(real-obj-m) $(lib-y) $(extra-y))
else
listed-dirs = $(or $(build-dirs),$(build-dir))
listed-objects =
endif

# Only where the kernel's Makefiles run in the object tree.
ifneq ($(obj)$(sub_make_done),)
.PHONY: list-objects
list-objects:
	@$(foreach object,$(listed-objects),$(info object $(object))) \
	$(foreach dir,$(listed-dirs),$(MAKE) $(build)=$(dir) list-objects &&) :
endif
