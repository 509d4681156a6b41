/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exports as variables. modpost reads the same bytes as from the assembly in
 * <linux/export.h>, but nothing marks a variable as used: with
 * LTO_CLANG_INTERNALIZE, the link drops exports that nothing uses, and what
 * only they refer to.
 */
#ifndef _LINUX_LTO_EXPORT_H
#define _LINUX_LTO_EXPORT_H

#define __EXPORT_SYMBOL(sym, license, ns)				\
	__LTO_EXPORT_SYMBOL(sym, license, ns)

#define __LTO_EXPORT_SYMBOL(sym, license, ns)				\
	extern typeof(sym) sym;						\
	struct __lto_export_##sym {					\
		char license_and_ns[sizeof(license) + sizeof(ns)];	\
		void *symbol;						\
	};								\
	extern const struct __lto_export_##sym __export_symbol_##sym;	\
	const struct __lto_export_##sym __export_symbol_##sym		\
	__section(".export_symbol") = {					\
		license "\0" ns, (void *)(unsigned long)&sym		\
	}

#endif /* _LINUX_LTO_EXPORT_H */
