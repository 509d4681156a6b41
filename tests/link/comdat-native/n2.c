/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "thunk.h"

THUNK_USER("n2");
