/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What a program of the link lab may call, and what its inline assembly needs. There is no C library. */
#ifndef LAB_H
#define LAB_H

/* Each writes a line to standard output. */
void print_number(long number);
void print_text(const char *text);

/* What generated programs are made of. */
typedef unsigned int function_t(unsigned int, unsigned int);

/* What the last link may override, as it does with init_uts_ns. */
struct version {
	const char *text;
	const unsigned int *data;
	function_t *function;
};

/* An entry of the section `handlers`, which inline assembly makes; it is found by its key. */
struct handler {
	unsigned long key;
	function_t *function;
};

static inline unsigned int version_sum(const struct version *version)
{
	unsigned int sum = version->data ? *version->data : 0;

	for (const char *text = version->text; *text; text++)
		sum = sum * 31 + *text;
	return version->function ? sum + version->function(2, sum) : sum;
}

/* The sum of a table of functions in its order, or in any order. */
static inline unsigned int table_sum(function_t **start, function_t **stop, int in_order)
{
	unsigned int sum = 0;

	for (; start != stop; start++)
		sum = (in_order ? sum * 31 : sum) + (*start)(4, 6);
	return sum;
}

static inline unsigned int call_handler(const struct handler *start, const struct handler *stop,
					unsigned long key, unsigned int x, unsigned int y)
{
	for (; start != stop; start++)
		if (start->key == key)
			return start->function(x, y);
	return 1;
}

/*
 * What inline assembly does in programs, on each architecture. Everything that a callee may change is an output or a
 * clobber. Programs are compiled without a red zone and without vector registers, as kernels are.
 *
 *	CALL(result, "f")			f()
 *	CALL2(result, "f", x, y)		f(x, y)
 *	CALL_TEXT(result, text, x, y)		the same with other instructions: BRANCH_AND_LINK "f"
 *	CALL_HOLE(result, text, value, x, y)	the same; %c[hole] in the text is `value`, a number or a function
 *	READ_SYMBOL(result, "v")		result = v
 *	WRITE_SYMBOL("v", value)		v = value
 *	ADDRESS_OF_SYMBOL(result, "f")		result = &f
 *	DIFFERENCE(result, "f", "g")		whether f and g, of one section, have different addresses
 *	TABLE_ENTRY(key, "f")			an entry of the section `handlers`
 *	TABLE_ENTRY_GOTO(key, "f", label)	the same, by assembly that may jump to a label of C
 *	LABEL("l", value)			a global function l that gives `value`, within another function
 */
#if defined(__x86_64__)
#define BRANCH "jmp "
#define SUFFIX "@PLT"
#define BRANCH_AND_LINK "call "
#define CALL_CLOBBERS "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc"
#define READ_SYMBOL(result, name) asm volatile("movl " name "(%%rip), %0" : "=r"(result) : : "memory")
#define WRITE_SYMBOL(name, value) asm volatile("movl %0, " name "(%%rip)" : : "r"(value) : "memory")
#define ADDRESS_OF_SYMBOL(result, name) asm volatile("leaq " name "(%%rip), %0" : "=r"(result))
#define DIFFERENCE(result, f, g)                                                                    \
	do {                                                                                        \
		int difference_;                                                                    \
		asm volatile("movl $(" g " - " f "), %0" : "=r"(difference_));                      \
		(result) = difference_ != 0;                                                        \
	} while (0)
#define LABEL(name, value)                                                                          \
	asm volatile("jmp 1f\n"                                                                     \
		     ".globl " name "\n"                                                            \
		     name ":\n"                                                                     \
		     "	movl $" #value ", %%eax\n"                                                   \
		     "	ret\n"                                                                      \
		     "1:" : : : "memory")
#define JUMP_WITH(value, name) "movl $" #value ", %edi\n jmp " name "\n"
#define RETURN_VALUE(value) "movl $" #value ", %eax\n ret\n"
#elif defined(__aarch64__)
#define BRANCH "b "
#define SUFFIX ""
#define BRANCH_AND_LINK "bl "
#define CALL_CLOBBERS                                                                               \
	"x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",   \
		"x16", "x17", "x18", "x30", "memory", "cc"
#define READ_SYMBOL(result, name)                                                                   \
	do {                                                                                        \
		unsigned long address_;                                                             \
		asm volatile("adrp %1, " name "\n"                                                  \
			     "ldr %w0, [%1, :lo12:" name "]"                                        \
			     : "=r"(result), "=&r"(address_) : : "memory");                         \
	} while (0)
#define WRITE_SYMBOL(name, value)                                                                   \
	do {                                                                                        \
		unsigned long address_;                                                             \
		asm volatile("adrp %0, " name "\n"                                                  \
			     "str %w1, [%0, :lo12:" name "]"                                        \
			     : "=&r"(address_) : "r"(value) : "memory");                            \
	} while (0)
#define ADDRESS_OF_SYMBOL(result, name)                                                             \
	asm volatile("adrp %0, " name "\n"                                                          \
		     "add %0, %0, :lo12:" name : "=r"(result))
#define DIFFERENCE(result, f, g)                                                                    \
	do {                                                                                        \
		unsigned long address_;                                                             \
		int difference_;                                                                    \
		asm volatile(".pushsection .rodata.difference, \"a\"\n"                             \
			     ".balign 4\n"                                                          \
			     "1: .long " g " - " f "\n"                                             \
			     ".popsection\n"                                                        \
			     "adrp %1, 1b\n"                                                        \
			     "ldr %w0, [%1, :lo12:1b]" : "=r"(difference_), "=&r"(address_));       \
		(result) = difference_ != 0;                                                        \
	} while (0)
#define LABEL(name, value)                                                                          \
	asm volatile("b 1f\n"                                                                       \
		     ".globl " name "\n"                                                            \
		     name ":\n"                                                                     \
		     "	mov w0, #" #value "\n"                                                       \
		     "	ret\n"                                                                      \
		     "1:" : : : "memory")
#define JUMP_WITH(value, name) "mov w0, #" #value "\n b " name "\n"
#define RETURN_VALUE(value) "mov w0, #" #value "\n ret\n"
#else
#error "the link lab does not know this architecture"
#endif

#if defined(__x86_64__)
#define CALL_ASM(result, text, inputs, x, y)                                                        \
	do {                                                                                        \
		unsigned int x_ = (x), y_ = (y), result_;                                           \
		asm volatile(text : "=a"(result_), "+D"(x_), "+S"(y_) : inputs : CALL_CLOBBERS);       \
		(result) = result_;                                                                 \
	} while (0)
#else
#define CALL_ASM(result, text, inputs, x, y)                                                        \
	do {                                                                                        \
		unsigned int first_ = (x), second_ = (y);                                           \
		register unsigned int x_ asm("w0") = first_;                                        \
		register unsigned int y_ asm("w1") = second_;                                       \
		asm volatile(text : "+r"(x_), "+r"(y_) : inputs : CALL_CLOBBERS);                   \
		(result) = x_;                                                                      \
	} while (0)
#endif
#define NO_INPUT
#define CALL_TEXT(result, text, x, y) CALL_ASM(result, text, NO_INPUT, x, y)
#define CALL_HOLE(result, text, value, x, y) CALL_ASM(result, text, [hole] "i"(value), x, y)
#define CALL2(result, name, x, y) CALL_TEXT(result, BRANCH_AND_LINK name, x, y)
#define CALL(result, name) CALL2(result, name, 0, 0)

#define TABLE_ENTRY(key, name)                                                                      \
	asm volatile(".pushsection handlers, \"aw\"\n"                                              \
		     ".balign 8\n"                                                                  \
		     ".quad " #key ", " name "\n"                                                   \
		     ".popsection")
#define TABLE_ENTRY_GOTO(key, name, label)                                                          \
	asm goto(".pushsection handlers, \"aw\"\n"                                                  \
		 ".balign 8\n"                                                                      \
		 ".quad " #key ", " name "\n"                                                       \
		 ".popsection" : : : : label)

#endif
