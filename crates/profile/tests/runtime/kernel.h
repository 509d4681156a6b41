/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the plugin's run time needs of a kernel, for a program without a C library. All headers of the
 * kernel that it includes are this one.
 */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long size_t;
typedef long ssize_t;
typedef long long loff_t;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#include <linux/lto_profile.h>

#define CONFIG_MODULES 1
#define INT_MIN (-__INT_MAX__ - 1)
#define ENOMEM 12
#define GFP_KERNEL 0
#define NOTIFY_OK 1
#define THIS_MODULE NULL
#define __init
#define __user
#define pr_warn(...) do { } while (0)
#define ALIGN(n, to) (((n) + (to) - 1) / (to) * (to))

/* The program calls these instead of a kernel. */
#define core_initcall(function) int (*start_call)(void) = function
#define late_initcall(function) int (*show_call)(void) = function

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *one, const void *other, size_t n);
int strcmp(const char *one, const char *other);
size_t strlen(const char *text);

void *vmalloc(size_t size);
void vfree(const void *memory);
void *kzalloc(size_t size, int flags);
void kfree(const void *memory);

struct mutex { int unused; };
#define DEFINE_MUTEX(name) struct mutex name
static inline void mutex_lock(struct mutex *mutex) { mutex->unused++; }
static inline void mutex_unlock(struct mutex *mutex) { mutex->unused--; }

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(name) struct list_head name = { &name, &name }
static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	entry->next = head;
	entry->prev = head->prev;
	head->prev->next = entry;
	head->prev = entry;
}
static inline void list_del(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
}
#define list_entry(at, of, member) \
	((__typeof__(of))((char *)(at) - __builtin_offsetof(__typeof__(*of), member)))
#define list_for_each_entry(at, head, member)			\
	for (at = list_entry((head)->next, at, member);		\
	     &at->member != (head);				\
	     at = list_entry(at->member.next, at, member))
#define list_for_each_entry_safe(at, after, head, member)	\
	for (at = list_entry((head)->next, at, member),		\
	     after = list_entry(at->member.next, at, member);	\
	     &at->member != (head);				\
	     at = after, after = list_entry(after->member.next, after, member))

struct elf64_note { u32 n_namesz, n_descsz, n_type; };

struct inode;
struct dentry;
struct file { void *private_data; };
struct file_operations {
	void *owner;
	int (*open)(struct inode *inode, struct file *file);
	ssize_t (*read)(struct file *file, char *to, size_t n, loff_t *at);
	ssize_t (*write)(struct file *file, const char *from, size_t n, loff_t *at);
	int (*release)(struct inode *inode, struct file *file);
	void *llseek;
};
#define default_llseek NULL
#define noop_llseek NULL

ssize_t simple_read_from_buffer(void *to, size_t n, loff_t *at, const void *from, size_t size);
struct dentry *debugfs_create_dir(const char *name, struct dentry *parent);
void debugfs_create_file(const char *name, int mode, struct dentry *parent, void *data,
			 const struct file_operations *operations);

enum { MODULE_STATE_LIVE, MODULE_STATE_COMING, MODULE_STATE_GOING };
struct module {
	const char *name;
	struct lto_profile_tables lto_profile;
};

struct notifier_block {
	int (*notifier_call)(struct notifier_block *block, unsigned long action, void *data);
	int priority;
};
void register_module_notifier(struct notifier_block *block);
void register_reboot_notifier(struct notifier_block *block);

#endif /* KERNEL_H */
