/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Does what a kernel does with the plugin's run time: starts it, works, loads a module three times,
 * and unloads it twice. Then it writes the file of debugfs to standard output; with -DRESET after all
 * counters were set to zero and one call of each function, with -DNOTHING without a call, and with
 * -DPOWER_OFF what is left in memory for those who read it.
 */

#include <linux/module.h>

#ifdef __x86_64__
enum { WRITE = 1, EXIT = 60 };
#else
enum { WRITE = 64, EXIT = 93 };
#endif

static long call(long number, long first, const void *second, long third)
{
#ifdef __x86_64__
	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(first), "S"(second), "d"(third)
			 : "rcx", "r11", "memory");
	return number;
#else
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = first;
	register const void *x1 __asm__("x1") = second;
	register long x2 __asm__("x2") = third;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

void *memcpy(void *to, const void *from, size_t n)
{
	char *a = to;
	const char *b = from;

	while (n--)
		*a++ = *b++;
	return to;
}

void *memset(void *to, int value, size_t n)
{
	char *a = to;

	while (n--)
		*a++ = value;
	return to;
}

int memcmp(const void *one, const void *other, size_t n)
{
	const unsigned char *a = one, *b = other;

	for (; n--; a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

size_t strlen(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

int strcmp(const char *one, const char *other)
{
	return memcmp(one, other, strlen(one) + 1);
}

/* Memory that is given away and filled with rubbish, as memory of a kernel is. */
static char memory[1 << 16] __attribute__((aligned(16)));
static size_t used;

void *vmalloc(size_t size)
{
	char *start = memory + used;

	used += ALIGN(size, 16);
	if (used > sizeof(memory))
		return NULL;
	return memset(start, 0x55, size);
}

void *kzalloc(size_t size, int flags)
{
	return memset(vmalloc(size), 0, size);
}

void vfree(const void *memory)
{
}

void kfree(const void *memory)
{
}

ssize_t simple_read_from_buffer(void *to, size_t n, loff_t *at, const void *from, size_t size)
{
	size_t left = size - *at;

	n = n < left ? n : left;
	memcpy(to, (const char *)from + *at, n);
	*at += n;
	return n;
}

static const struct file_operations *profraw, *reset_file;

struct dentry *debugfs_create_dir(const char *name, struct dentry *parent)
{
	return NULL;
}

void debugfs_create_file(const char *name, int mode, struct dentry *parent, void *data,
			 const struct file_operations *operations)
{
	if (strcmp(name, "profraw"))
		reset_file = operations;
	else
		profraw = operations;
}

static struct notifier_block *modules, *reboots;

void register_module_notifier(struct notifier_block *block)
{
	modules = block;
}

void register_reboot_notifier(struct notifier_block *block)
{
	reboots = block;
}

extern int (*start_call)(void), (*show_call)(void);
extern struct { u64 address, size; } lto_profile_modules;
extern char module_data[], module_data_end[], module_names[], module_names_end[];
extern u64 module_counters[], module_counters_end[];

void kernel_work(void);
void module_work(void);

static struct module module;

static void notify(unsigned long state)
{
	modules->notifier_call(modules, state, &module);
}

static void load(void)
{
	memset(module_counters, 0, (char *)module_counters_end - (char *)module_counters);
	module.name = "module";
	module.lto_profile = (struct lto_profile_tables) {
		module_data,
		module_counters,
		module_names,
		module_data_end - module_data,
		(char *)module_counters_end - (char *)module_counters,
		module_names_end - module_names,
	};
	notify(MODULE_STATE_COMING);
}

static void work_in_module(int times)
{
	while (times--)
		module_work();
}

#ifndef POWER_OFF
static void write_file(void)
{
	struct file file = { 0 };
	loff_t at = 0;
	char part[10];
	ssize_t n;

	if (profraw->open(NULL, &file))
		call(EXIT, 1, NULL, 0);
	/* The counters are those when the file was opened. */
	kernel_work();
	while ((n = profraw->read(&file, part, sizeof(part), &at)) > 0)
		call(WRITE, 1, part, n);
	profraw->release(NULL, &file);
}
#endif

void _start(void)
{
	start_call();
	show_call();
	kernel_work();
	kernel_work();
	kernel_work();
	load();
	work_in_module(2);
	notify(MODULE_STATE_GOING);
	load();
	work_in_module(1);
	notify(MODULE_STATE_GOING);
	load();
	work_in_module(4);
#ifdef RESET
	reset_file->write(NULL, "1", 1, NULL);
	kernel_work();
	work_in_module(1);
#endif
#ifdef NOTHING
	reset_file->write(NULL, "1", 1, NULL);
#endif
#ifdef POWER_OFF
	reboots->notifier_call(reboots, 0, NULL);
	call(WRITE, 1, (void *)lto_profile_modules.address, lto_profile_modules.size);
#else
	write_file();
#endif
	call(EXIT, 0, NULL, 0);
	for (;;)
		;
}
