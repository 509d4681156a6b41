/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __ASM_RWONCE_H
#define __ASM_RWONCE_H

/*
 * With LTO the compiler optimizes across files, and may turn an address
 * dependency, which orders two loads, into a control dependency, which does not.
 * So every READ_ONCE() of a size that the CPU reads with one load is an acquire.
 *
 * The 32-bit vDSO includes this header, too, and is built without LTO.
 */
#if defined(CONFIG_LTO) && defined(__aarch64__) && !defined(__ASSEMBLY__)

#include <linux/compiler_types.h>

#define __lto_load_acquire(insn, reg, from, to)				\
	asm volatile(insn "\t%" reg "0, %1"				\
		     : "=r" (*(to)) : "Q" (*(from)) : "memory")

#define __READ_ONCE(x)							\
({									\
	const volatile __unqual_scalar_typeof(x) *__from =		\
		(const volatile __unqual_scalar_typeof(x) *)&(x);	\
	union {								\
		__unqual_scalar_typeof(x) value;			\
		__u8 u8;						\
		__u16 u16;						\
		__u32 u32;						\
		__u64 u64;						\
	} __to;								\
									\
	switch (sizeof(x)) {						\
	case 1:								\
		__lto_load_acquire("ldarb", "w",			\
			(const volatile __u8 *)__from, &__to.u8);	\
		break;							\
	case 2:								\
		__lto_load_acquire("ldarh", "w",			\
			(const volatile __u16 *)__from, &__to.u16);	\
		break;							\
	case 4:								\
		__lto_load_acquire("ldar", "w",				\
			(const volatile __u32 *)__from, &__to.u32);	\
		break;							\
	case 8:								\
		__lto_load_acquire("ldar", "x",				\
			(const volatile __u64 *)__from, &__to.u64);	\
		break;							\
	}								\
	/* Other sizes need several loads, and are read as before. */	\
	__builtin_choose_expr(sizeof(x) == 1 || sizeof(x) == 2 ||	\
			      sizeof(x) == 4 || sizeof(x) == 8,		\
			      __to.value, *__from);			\
})

#endif

#include <asm-generic/rwonce.h>

#endif /* __ASM_RWONCE_H */
