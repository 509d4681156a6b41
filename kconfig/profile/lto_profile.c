// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters of a kernel that is built for a profile.
 *
 * A program that is compiled with -fprofile-generate writes its counters into
 * a file when it ends. A kernel does not end, so this file has them at any
 * time, for the kernel and for all modules, also for those that were unloaded:
 *
 *	/sys/kernel/debug/lto_profile/profraw
 *
 * `llvm-profdata merge` takes it as it is. Writing to "reset", beside it, sets
 * all counters to zero. A guest needs no debugfs: when it powers off, the part
 * of the file that is for modules is left in memory, see lto_profile_modules.
 *
 * The format is that of the compiler's run time. Its source is InstrProfData.inc,
 * which LLVM installs with the headers of that run time.
 */

#define pr_fmt(fmt) "lto_profile: " fmt

#include <linux/debugfs.h>
#include <linux/elf.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/lto_profile.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

/* Between these symbols are the tables of vmlinux, and its notes. */
extern const char __start___llvm_prf_data[], __stop___llvm_prf_data[];
extern u64 __start___llvm_prf_cnts[], __stop___llvm_prf_cnts[];
extern const char __start___llvm_prf_names[], __stop___llvm_prf_names[];
extern const char __start_notes[], __stop_notes[];

/* The compiler defines it in every object that counts. */
extern const u64 __llvm_profile_raw_version;

#define MAGIC		0xff6c70726f667281ULL
/* The upper bits say which kind of counters these are. */
#define VERSION_MASK	((1ULL << 55) - 1)
/* LLVM 14 to 16, and 19 to 22; others have other headers. */
#define VERSION_8	8
#define VERSION_10	10
#define LONGEST_HEADER	16

/* A part of the kernel: vmlinux, or a module. */
struct part {
	struct list_head list;
	const char *name;
	struct lto_profile_tables tables;
	/*
	 * The distance from the records to the counters, and the address of
	 * the names, as they were when the part was loaded.
	 */
	u64 counters_from_records;
	u64 names_address;
};

static struct part vmlinux = { .name = "vmlinux" };

static DEFINE_MUTEX(parts_lock);
static LIST_HEAD(loaded_modules);
static LIST_HEAD(unloaded_modules);

/*
 * The content of the file for modules when the kernel has powered off, for
 * who reads the memory of a guest.
 */
struct {
	u64 address;
	u64 size;
} lto_profile_modules;

static u64 version(void)
{
	return __llvm_profile_raw_version & VERSION_MASK;
}

static bool is_known(void)
{
	return version() == VERSION_8 || version() == VERSION_10;
}

/* The first bytes of a record are the hashes of a function's name and code. */
#define HASHES_SIZE	16

static size_t record_size(void)
{
	return version() == VERSION_8 ? 48 : 64;
}

static void set_tables(struct part *part, const struct lto_profile_tables *tables)
{
	part->tables = *tables;
	part->counters_from_records = (u64)(unsigned long)tables->counters -
				      (u64)(unsigned long)tables->records;
	part->names_address = (u64)(unsigned long)tables->names;
}

/* The build ID of the kernel: a note whose name is GNU and whose type is 3. */
static const char *build_id(u32 *size)
{
	const char *at = __start_notes;

	while (at + sizeof(struct elf64_note) <= __stop_notes) {
		const struct elf64_note *note = (const struct elf64_note *)at;
		const char *name = at + sizeof(*note);
		const char *desc = name + ALIGN(note->n_namesz, 4);

		at = desc + ALIGN(note->n_descsz, 4);
		if (note->n_type == 3 && note->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
			*size = note->n_descsz;
			return desc;
		}
	}
	*size = 0;
	return NULL;
}

static size_t header_words(u64 *words, const struct part *part, u64 ids_size)
{
	const struct lto_profile_tables *tables = &part->tables;
	bool has_bitmaps = version() == VERSION_10;
	size_t n = 0;

	words[n++] = MAGIC;
	words[n++] = __llvm_profile_raw_version;
	words[n++] = ids_size;
	words[n++] = tables->records_size / record_size();
	words[n++] = 0;	/* padding */
	words[n++] = tables->counters_size / sizeof(u64);
	words[n++] = 0;	/* padding */
	if (has_bitmaps) {
		words[n++] = 0;	/* their size */
		words[n++] = 0;	/* padding */
	}
	words[n++] = tables->names_size;
	words[n++] = part->counters_from_records;
	if (has_bitmaps)
		words[n++] = 0;	/* their distance */
	words[n++] = part->names_address;
	if (has_bitmaps) {
		words[n++] = 0;	/* tables of virtual functions */
		words[n++] = 0;	/* size of their names */
	}
	/* The last kind of values that could be recorded; none are. */
	words[n++] = has_bitmaps ? 2 : 1;
	return n;
}

/*
 * Each of these functions writes something into @to, from @at on, and returns
 * where it ends; it only calculates the end if @to is NULL.
 */
static size_t put(char *to, size_t at, const void *from, size_t size)
{
	if (to) {
		memcpy(to + at, from, size);
		memset(to + at + size, 0, ALIGN(size, 8) - size);
	}
	return at + ALIGN(size, 8);
}

static size_t put_part(char *to, size_t at, const struct part *part)
{
	const struct lto_profile_tables *tables = &part->tables;
	u64 words[LONGEST_HEADER];
	u32 id_size;
	const char *id = build_id(&id_size);
	u64 id_word = id_size;
	u64 ids_size = id ? sizeof(id_word) + ALIGN(id_size, 8) : 0;
	size_t n_words;

	if (!tables->counters_size)
		return at;
	n_words = header_words(words, part, ids_size);
	at = put(to, at, words, n_words * sizeof(u64));
	if (id) {
		at = put(to, at, &id_word, sizeof(id_word));
		at = put(to, at, id, id_size);
	}
	at = put(to, at, tables->records, tables->records_size);
	at = put(to, at, tables->counters, tables->counters_size);
	return put(to, at, tables->names, tables->names_size);
}

static size_t put_parts(char *to, bool has_vmlinux)
{
	struct part *part;
	size_t at = 0;

	if (has_vmlinux)
		at = put_part(to, at, &vmlinux);
	list_for_each_entry(part, &loaded_modules, list)
		at = put_part(to, at, part);
	list_for_each_entry(part, &unloaded_modules, list)
		at = put_part(to, at, part);
	return at;
}

/* What a reader of the file gets: the counters when it was opened. */
struct snapshot {
	size_t size;
	char content[];
};

static struct snapshot *take_snapshot(bool has_vmlinux)
{
	struct snapshot *snapshot;
	size_t size;

	mutex_lock(&parts_lock);
	size = put_parts(NULL, has_vmlinux);
	snapshot = vmalloc(sizeof(*snapshot) + size);
	if (snapshot) {
		snapshot->size = size;
		put_parts(snapshot->content, has_vmlinux);
	}
	mutex_unlock(&parts_lock);
	return snapshot;
}

static int profraw_open(struct inode *inode, struct file *file)
{
	file->private_data = take_snapshot(true);
	return file->private_data ? 0 : -ENOMEM;
}

static ssize_t profraw_read(struct file *file, char __user *to, size_t n, loff_t *at)
{
	struct snapshot *snapshot = file->private_data;

	return simple_read_from_buffer(to, n, at, snapshot->content, snapshot->size);
}

static int profraw_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

static const struct file_operations profraw_operations = {
	.owner = THIS_MODULE,
	.open = profraw_open,
	.read = profraw_read,
	.release = profraw_release,
	.llseek = default_llseek,
};

static void reset_part(struct part *part)
{
	memset(part->tables.counters, 0, part->tables.counters_size);
}

static void reset(void)
{
	struct part *part, *next;

	mutex_lock(&parts_lock);
	reset_part(&vmlinux);
	list_for_each_entry(part, &loaded_modules, list)
		reset_part(part);
	list_for_each_entry_safe(part, next, &unloaded_modules, list) {
		list_del(&part->list);
		vfree(part);
	}
	mutex_unlock(&parts_lock);
}

static ssize_t reset_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
	reset();
	return n;
}

static const struct file_operations reset_operations = {
	.owner = THIS_MODULE,
	.write = reset_write,
	.llseek = noop_llseek,
};

#ifdef CONFIG_MODULES

static void module_coming(struct module *module)
{
	const struct lto_profile_tables *tables = &module->lto_profile;
	struct part *part;

	if (!tables->counters_size)
		return;
	part = kzalloc(sizeof(*part), GFP_KERNEL);
	if (!part) {
		pr_warn("%s: no memory, its counters are lost\n", module->name);
		return;
	}
	part->name = module->name;
	set_tables(part, tables);
	mutex_lock(&parts_lock);
	list_add_tail(&part->list, &loaded_modules);
	mutex_unlock(&parts_lock);
}

/* Whether both have the same functions, so that their counters can be added. */
static bool are_same(const struct part *one, const struct part *other)
{
	const struct lto_profile_tables *a = &one->tables, *b = &other->tables;
	size_t at;

	if (strcmp(one->name, other->name) ||
	    one->counters_from_records != other->counters_from_records ||
	    a->records_size != b->records_size || a->counters_size != b->counters_size ||
	    a->names_size != b->names_size || memcmp(a->names, b->names, a->names_size))
		return false;
	for (at = 0; at + HASHES_SIZE <= a->records_size; at += record_size())
		if (memcmp(a->records + at, b->records + at, HASHES_SIZE))
			return false;
	return true;
}

static bool add_to_unloaded(const struct part *part)
{
	struct part *old;
	size_t i;

	list_for_each_entry(old, &unloaded_modules, list) {
		if (!are_same(old, part))
			continue;
		for (i = 0; i < part->tables.counters_size / sizeof(u64); i++)
			old->tables.counters[i] += part->tables.counters[i];
		return true;
	}
	return false;
}

/* Returns a copy of a part that stays when the module goes. */
static struct part *copy_of(const struct part *part)
{
	const struct lto_profile_tables *tables = &part->tables;
	size_t records_at = ALIGN(sizeof(*part), 8);
	size_t counters_at = put(NULL, records_at, NULL, tables->records_size);
	size_t names_at = put(NULL, counters_at, NULL, tables->counters_size);
	size_t name_at = put(NULL, names_at, NULL, tables->names_size);
	size_t name_size = strlen(part->name) + 1;
	struct part *copy;
	char *to;

	to = vmalloc(put(NULL, name_at, NULL, name_size));
	if (!to)
		return NULL;
	copy = (struct part *)to;
	*copy = *part;
	put(to, records_at, tables->records, tables->records_size);
	put(to, counters_at, tables->counters, tables->counters_size);
	put(to, names_at, tables->names, tables->names_size);
	put(to, name_at, part->name, name_size);
	copy->tables.records = to + records_at;
	copy->tables.counters = (u64 *)(to + counters_at);
	copy->tables.names = to + names_at;
	copy->name = to + name_at;
	return copy;
}

static struct part *loaded_part(const struct module *module)
{
	struct part *part;

	list_for_each_entry(part, &loaded_modules, list)
		if (part->tables.counters == module->lto_profile.counters)
			return part;
	return NULL;
}

static void module_going(struct module *module)
{
	struct part *part, *copy;

	if (!module->lto_profile.counters_size)
		return;
	mutex_lock(&parts_lock);
	part = loaded_part(module);
	if (part) {
		list_del(&part->list);
		if (!add_to_unloaded(part)) {
			copy = copy_of(part);
			if (copy)
				list_add_tail(&copy->list, &unloaded_modules);
			else
				pr_warn("%s: no memory, its counters are lost\n", module->name);
		}
		kfree(part);
	}
	mutex_unlock(&parts_lock);
}

static int on_module(struct notifier_block *block, unsigned long state, void *module)
{
	if (state == MODULE_STATE_COMING)
		module_coming(module);
	else if (state == MODULE_STATE_GOING)
		module_going(module);
	return NOTIFY_OK;
}

static struct notifier_block module_block = {
	.notifier_call = on_module,
};

static void watch_modules(void)
{
	register_module_notifier(&module_block);
}

#else

static void watch_modules(void)
{
}

#endif /* CONFIG_MODULES */

static int on_reboot(struct notifier_block *block, unsigned long action, void *command)
{
	struct snapshot *snapshot = take_snapshot(false);

	if (snapshot) {
		lto_profile_modules.address = (u64)(unsigned long)snapshot->content;
		lto_profile_modules.size = snapshot->size;
	}
	return NOTIFY_OK;
}

/* Others may still do work that counts, so this is the last. */
static struct notifier_block reboot_block = {
	.notifier_call = on_reboot,
	.priority = INT_MIN,
};

static int __init lto_profile_start(void)
{
	const struct lto_profile_tables tables = {
		.records = __start___llvm_prf_data,
		.counters = __start___llvm_prf_cnts,
		.names = __start___llvm_prf_names,
		.records_size = __stop___llvm_prf_data - __start___llvm_prf_data,
		.counters_size = (char *)__stop___llvm_prf_cnts -
				 (char *)__start___llvm_prf_cnts,
		.names_size = __stop___llvm_prf_names - __start___llvm_prf_names,
	};

	set_tables(&vmlinux, &tables);
	if (!is_known()) {
		pr_warn("version %llu of raw profiles is not known, so there is no file\n",
			(unsigned long long)version());
		return 0;
	}
	watch_modules();
	register_reboot_notifier(&reboot_block);
	return 0;
}
core_initcall(lto_profile_start);

static int __init lto_profile_show(void)
{
	struct dentry *dir;

	if (!is_known())
		return 0;
	dir = debugfs_create_dir("lto_profile", NULL);
	debugfs_create_file("profraw", 0400, dir, NULL, &profraw_operations);
	debugfs_create_file("reset", 0200, dir, NULL, &reset_operations);
	return 0;
}
late_initcall(lto_profile_show);
