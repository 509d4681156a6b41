# SPDX-License-Identifier: GPL-2.0-only OR MIT
include $(sort $(wildcard $(BR2_EXTERNAL_KBUILD_LTO_PATH)/package/*/*.mk))
