// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The one table of plugins, in the order in which they are installed.
