// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A plugin of QEMU that counts what a guest's kernel executes, and what its
 * programs execute, apart: the kernel's code has addresses in the upper half.
 *
 * It prints a line with all counters whenever a program executes one of the
 * instructions that system.h calls marks, and at the end where the kernel was
 * between the marks that begin and end what is measured. It needs no header of QEMU's: what
 * it calls is declared here, as version 1 of the interface has it.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

enum flags { NO_REGISTERS };
enum operation { ADD_U64 };

typedef void (*executed_callback)(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(u64 id, void (*)(u64 id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_callback,
					  enum flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, executed_callback,
					    enum flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum operation,
						void *counter, u64 by);
u64 qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, u64 index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
u64 qemu_plugin_insn_size(const struct qemu_plugin_insn *);
u64 qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_atexit_cb(u64 id, void (*)(u64 id, void *data), void *data);
void qemu_plugin_outs(const char *);

/* Of the C library that QEMU itself is linked with. */
void *malloc(u64 size);
void abort(void);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

/* Whose code is executed. */
enum owner { PROGRAM, KERNEL, N_OWNERS };

/* Instructions without a branch in or out, as QEMU translates them at once. */
struct block {
	/* The one that was translated before. */
	struct block *before;
	u64 start, end, last;
	/* How many of its instructions were executed while something was measured. */
	u64 n_measured;
	enum owner owner;
	/* Whether all of it is one string instruction that x86 repeats. */
	u8 is_repeated;
	u32 n_lines;
	/* The cache lines it lies in, by their place in the guest's memory. */
	u64 lines[];
};

/* Counted by the translated code itself. */
static u64 n_executed;

/* Up to when `n_executed` has been handed to an owner. */
static u64 n_handed;

static u64 n_instructions[N_OWNERS];
/* In the kernel: branches that were taken, and lines that were not in the cache. */
static u64 n_taken, n_missed;

/* What was executed last. */
static struct block *current;
static enum owner owner;
static u64 last, next;

static struct block *all_blocks;

static u8 is_measuring;

/*
 * A first-level instruction cache as many processors have it: 32 KiB, eight
 * ways, lines of 64 bytes, the least recently used one is replaced.
 */
enum { LINE_BITS = 6, N_SETS = 64, N_WAYS = 8 };

static u64 cache[N_SETS][N_WAYS];

/* Whether the line was in the cache; it is there now, in the first way. */
static int fetch_line(u64 line)
{
	u64 *set = cache[line % N_SETS];
	u64 moved = line;
	u32 way;

	for (way = 0; way < N_WAYS; way++) {
		u64 held = set[way];

		set[way] = moved;
		if (held == line)
			return 1;
		moved = held;
	}
	return 0;
}

static void hand_over(void)
{
	u64 n = n_executed - n_handed;

	n_instructions[owner] += n;
	if (is_measuring && current)
		current->n_measured += n;
	n_handed = n_executed;
}

static void enter_block(unsigned int cpu, void *data)
{
	struct block *block = data;
	u32 line;

	(void)cpu;
	hand_over();
	/*
	 * QEMU executes each repetition of a string instruction as an
	 * instruction. A processor does not, so only the first one counts.
	 */
	if (block->is_repeated && last == block->start) {
		n_handed++;
	} else if (block->owner == KERNEL && owner == KERNEL && next != block->start) {
		n_taken++;
	}
	current = block;
	owner = block->owner;
	last = block->last;
	next = block->end;
	for (line = 0; line < block->n_lines; line++)
		if (!fetch_line(block->lines[line]) && owner == KERNEL)
			n_missed++;
}

static char text[160];
static u32 length;

static void add_number(u64 number)
{
	char digits[24];
	u32 at = sizeof(digits);

	do
		digits[--at] = '0' + number % 10;
	while (number /= 10);
	text[length++] = ' ';
	while (at < sizeof(digits))
		text[length++] = digits[at++];
}

static void begin_line(const char *word)
{
	for (length = 0; word[length]; length++)
		text[length] = word[length];
}

static void end_line(void)
{
	text[length++] = '\n';
	text[length] = 0;
	qemu_plugin_outs(text);
}

/* As in kinds.h. */
enum { MARK_BEGIN = 3, MARK_END = 4 };

/* `mark NUMBER`, and what was counted since the start. */
static void print_mark(unsigned int cpu, void *data)
{
	u64 number = (u64)data;

	(void)cpu;
	hand_over();
	if (number == MARK_BEGIN)
		is_measuring = 1;
	if (number == MARK_END)
		is_measuring = 0;
	begin_line("mark");
	add_number(number);
	add_number(n_instructions[KERNEL]);
	add_number(n_instructions[PROGRAM]);
	add_number(n_taken);
	add_number(n_missed);
	end_line();
}

/* `block ADDRESS N`: how many instructions of the kernel were executed there while something was measured. */
static void print_blocks(u64 id, void *data)
{
	const struct block *block;

	(void)id;
	(void)data;
	for (block = all_blocks; block; block = block->before) {
		if (block->owner != KERNEL || !block->n_measured)
			continue;
		begin_line("block");
		add_number(block->start);
		add_number(block->n_measured);
		end_line();
	}
}

static u32 word_at(const u8 *bytes)
{
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (u32)bytes[3] << 24;
}

/* The number of the mark that an instruction is, or 0. */
static u32 mark_of(const struct qemu_plugin_insn *insn)
{
	const u8 *bytes = qemu_plugin_insn_data(insn);

#if defined(GUEST_ARM64)
	/* movz xzr, #0x4bNN */
	u32 code = word_at(bytes);

	return (code & 0xffffe01f) == (0xd280001f | 0x4b << 13) ? code >> 5 & 0xff : 0;
#elif defined(GUEST_X86_64)
	/* nopl 0x4b4c54NN(%rax) */
	if (qemu_plugin_insn_size(insn) != 7 || bytes[0] != 0x0f || bytes[1] != 0x1f ||
	    bytes[2] != 0x80)
		return 0;
	return word_at(bytes + 3) >> 8 == 0x4b4c54 ? bytes[3] : 0;
#else
#error "no marks for this guest"
#endif
}

/* Whether x86 repeats the instruction: it has a prefix for that, and is one of those on strings. */
static int is_repeated(const struct qemu_plugin_insn *insn)
{
#if defined(GUEST_X86_64)
	const u8 *bytes = qemu_plugin_insn_data(insn);
	u64 size = qemu_plugin_insn_size(insn);
	u8 opcode = bytes[size - 1];
	u64 i;

	/* ins, outs, movs, cmps, stos, lods, scas: all of them without operands. */
	if ((opcode < 0x6c || opcode > 0x6f) && (opcode < 0xa4 || opcode > 0xa7) &&
	    (opcode < 0xaa || opcode > 0xaf))
		return 0;
	for (i = 0; i + 1 < size; i++) {
		u8 prefix = bytes[i];

		if (prefix == 0xf2 || prefix == 0xf3)
			return 1;
		/* Sizes, and the registers of 64 bits. */
		if (prefix != 0x66 && prefix != 0x67 && prefix >> 4 != 4)
			return 0;
	}
#else
	(void)insn;
#endif
	return 0;
}

/* The line that an instruction begins in. The guest's memory is aligned to pages in the host's. */
static u64 line_of(const struct qemu_plugin_insn *insn)
{
	u64 address = (u64)qemu_plugin_insn_haddr(insn);

	if (!address)
		address = qemu_plugin_insn_vaddr(insn);
	return address >> LINE_BITS;
}

static void translate(u64 id, struct qemu_plugin_tb *tb)
{
	u64 n = qemu_plugin_tb_n_insns(tb);
	/* An instruction begins in one line, or in the one it shares with the instruction before. */
	struct block *block = malloc(sizeof(*block) + n * sizeof(block->lines[0]));
	u64 i;

	(void)id;
	if (!block || !n)
		abort();
	block->n_lines = 0;
	block->n_measured = 0;
	block->before = all_blocks;
	all_blocks = block;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		u64 address = qemu_plugin_insn_vaddr(insn);
		u64 line = line_of(insn);
		u32 mark;

		if (i == 0) {
			block->start = address;
			block->owner = address >> 63 ? KERNEL : PROGRAM;
			block->is_repeated = n == 1 && is_repeated(insn);
		}
		block->last = address;
		block->end = address + qemu_plugin_insn_size(insn);
		if (!block->n_lines || block->lines[block->n_lines - 1] != line)
			block->lines[block->n_lines++] = line;
		qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &n_executed, 1);
		mark = block->owner == PROGRAM ? mark_of(insn) : 0;
		if (mark)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, print_mark, NO_REGISTERS,
							       (void *)(u64)mark);
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, enter_block, NO_REGISTERS, block);
}

EXPORT int qemu_plugin_install(u64 id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, print_blocks, 0);
	return 0;
}
