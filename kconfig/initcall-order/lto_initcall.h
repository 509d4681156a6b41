/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_LTO_INITCALL_H
#define _LINUX_LTO_INITCALL_H

/*
 * Initcalls of one level run in link order. With LTO the linker sees all files
 * at once and keeps no order among them. So each initcall is put into a separate
 * section, and a linker script made by initcall-order lists these sections in
 * link order. Section and label contain
 *
 *	<module>__<counter>_<line>_<function>
 *
 * The counter gives the order within a file, and distinguishes two initcalls of
 * the same function and line. The label ends in the level.
 */
#include <linux/stringify.h>
#include <linux/compiler_types.h>

#define __initcall_id(fn)						\
	__PASTE(__KBUILD_MODNAME, __PASTE(__, __PASTE(__COUNTER__,	\
		__PASTE(_, __PASTE(__LINE__, __PASTE(_, fn))))))

#define __initcall_name(prefix, iid, id)				\
	__PASTE(__, __PASTE(prefix, __PASTE(__, __PASTE(iid, id))))

#define __initcall_section(sec, iid)	#sec ".init.." #iid

/* prel32-fix defines these so that the table entry refers to a stub. */
#ifndef __initcall_entry
#define __initcall_entry(fn, iid, id)		fn
#define __define_initcall_entry(fn, entry)	__ADDRESSABLE(fn)
#endif

#ifdef CONFIG_HAVE_ARCH_PREL32_RELOCATIONS
#define __initcall_in_section(fn, entry, label, sec)			\
	__define_initcall_entry(fn, entry)				\
	asm(".section	\"" sec "\", \"a\"\n"				\
	    __stringify(label) ":\n"					\
	    "	.long	" __stringify(entry) " - .\n"			\
	    ".previous\n");
#else
#define __initcall_in_section(fn, entry, label, sec)			\
	static initcall_t label __used					\
		__attribute__((__section__(sec))) = fn;
#endif

#define __initcall_with_id(fn, id, sec, iid)				\
	__initcall_in_section(fn, __initcall_entry(fn, iid, id),	\
			      __initcall_name(initcall, iid, id),	\
			      __initcall_section(sec, iid))

#define ___define_initcall(fn, id, sec)					\
	__initcall_with_id(fn, id, sec, __initcall_id(fn))

#endif /* _LINUX_LTO_INITCALL_H */
