// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Files on tmpfs and ext4, and what the kernel tells in files of its own. */

static char page[PAGE];
static long file;

static long open_and_close(void)
{
	return close_file(must(open_file("/tmp/one/two/three/four/file", 0)));
}

static long create_and_remove(void)
{
	must(close_file(must(open_file("/tmp/created", WRITE_ONLY | CREATE))));
	return remove_file("/tmp/created");
}

static long prepare_tmpfs_file(void)
{
	return file = make_file("/tmp/file", 16 * PAGE);
}

static long next_page(void)
{
	static word n;

	return (n++ % 16) * PAGE;
}

static long read_page(void)
{
	return call(NR_pread64, file, (word)page, PAGE, next_page(), 0);
}

static long write_page(void)
{
	return call(NR_pwrite64, file, (word)page, PAGE, next_page(), 0);
}

static long prepare_many_files(void)
{
	static char name[] = "/tmp/many/00";
	word i;

	must(make_directory("/tmp/many"));
	for (i = 0; i < 40; i++) {
		name[10] = '0' + i / 10;
		name[11] = '0' + i % 10;
		must(close_file(must(make_file(name, 0))));
	}
	return 0;
}

static long list_directory(void)
{
	long directory = must(open_file("/tmp/many", 0));
	long size;

	do
		size = must(call(NR_getdents64, directory, (word)page, sizeof(page), 0, 0));
	while (size);
	return close_file(directory);
}

static long prepare_ext4_file(void)
{
	return file = make_file("/ext4/file", 16 * PAGE);
}

static long prepare_ext4(void)
{
	return make_directory("/ext4/directory");
}

static long write_ext4_file(void)
{
	long written = must(make_file("/ext4/directory/created", 4 * PAGE));

	must(close_file(written));
	return remove_file("/ext4/directory/created");
}

static long read_whole(const char *path)
{
	long opened = must(open_file(path, 0));

	while (must(read_file(opened, page, sizeof(page))) > 0)
		;
	return close_file(opened);
}

static long read_procfs(void)
{
	return read_whole("/proc/self/stat");
}

static long read_procfs_memory(void)
{
	return read_whole("/proc/meminfo");
}

static long read_sysfs(void)
{
	return read_whole("/sys/devices/system/cpu/online");
}
