/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_LTO_PREL32_H
#define _LINUX_LTO_PREL32_H

/*
 * Entries of PREL32 tables are written in assembly and name a static function.
 * LTO may rename that function, if two files have one of this name or if it is
 * inlined into another file, and does not change the assembly. So the entry
 * names a global stub instead, which LTO has no reason to rename. The name of
 * the stub contains the module and the function that it calls.
 */
#include <linux/compiler.h>

#if defined(CONFIG_LTO_CLANG) && defined(CONFIG_HAVE_ARCH_PREL32_RELOCATIONS)

#define __initcall_entry(fn, iid, id)	__initcall_name(initstub, iid, id)

#define __define_initcall_entry(fn, entry)				\
	int __init entry(void);						\
	int __init entry(void)						\
	{								\
		return fn();						\
	}								\
	__ADDRESSABLE(entry)

#define __pci_fixup_entry(hook)						\
	__PASTE(__pci_fixup__, __PASTE(__KBUILD_MODNAME, __PASTE(__,	\
		__PASTE(__COUNTER__, __PASTE(_, __PASTE(__LINE__,	\
			__PASTE(_, hook)))))))

/*
 * Many devices share a hook: their stubs jump to it instead of inlining a copy.
 * The attributes have underscores because noinline is a macro of the kernel.
 */
#ifdef __CHECKER__
#define __lto_tail_call
#elif __clang_major__ >= 17
#define __lto_tail_call		[[clang::__noinline__, clang::__musttail__]] return
#else
#define __lto_tail_call
#endif

#define __define_pci_fixup_entry(hook, entry)				\
	void entry(struct pci_dev *dev);				\
	void notrace entry(struct pci_dev *dev)				\
	{								\
		__lto_tail_call hook(dev);				\
	}								\
	__ADDRESSABLE(entry)

#else

#define __pci_fixup_entry(hook)			hook
#define __define_pci_fixup_entry(hook, entry)	__ADDRESSABLE(hook)

#endif

#endif /* _LINUX_LTO_PREL32_H */
