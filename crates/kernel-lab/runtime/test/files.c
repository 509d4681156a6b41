// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Files moved, cut, copied and locked; other file systems; what is told of all. */

static char bytes[PAGE];
static long one, other;

static long prepare_rename(void)
{
	return close_file(must(make_file("/tmp/from", 0)));
}

static long rename_there_and_back(void)
{
	must(call(NR_renameat2, CURRENT_DIRECTORY, (word)"/tmp/from", CURRENT_DIRECTORY,
		  (word)"/tmp/to", 0));
	return call(NR_renameat2, CURRENT_DIRECTORY, (word)"/tmp/to", CURRENT_DIRECTORY,
		    (word)"/tmp/from", 0);
}

static long make_and_remove_directory(void)
{
	must(make_directory("/tmp/made"));
	return call(NR_unlinkat, CURRENT_DIRECTORY, (word)"/tmp/made", REMOVE_DIRECTORY, 0, 0);
}

static long prepare_vectors(void)
{
	return one = make_file("/tmp/vectors", 8 * PAGE);
}

/* struct iovec */
static struct {
	void *at;
	word size;
} vectors[4] = {
	{ bytes, 100 },
	{ bytes + 512, 700 },
	{ bytes + 2048, 1 },
	{ bytes + 3000, 1000 },
};

static long write_and_read_vectors(void)
{
	must(call(NR_pwritev, one, (word)vectors, N_OF(vectors), 4000, 0));
	return call(NR_preadv, one, (word)vectors, N_OF(vectors), 8000, 0);
}

static long allocate_and_cut(void)
{
	must(call(NR_fallocate, one, 0, 0, 16 * PAGE, 0));
	return call(NR_ftruncate, one, 0, 0, 0, 0);
}

static long prepare_copy(void)
{
	one = must(make_file("/tmp/copied", 8 * PAGE));
	return other = make_file("/tmp/copy", 0);
}

static long send_file(void)
{
	word offset = 0;

	must(call(NR_lseek, other, 0, 0, 0, 0));
	return call(NR_sendfile, other, one, (word)&offset, 8 * PAGE, 0);
}

static long lock_and_unlock(void)
{
	must(call(NR_flock, one, 2 /* LOCK_EX */, 0, 0, 0));
	return call(NR_flock, one, 8 /* LOCK_UN */, 0, 0, 0);
}

static long set_times(void)
{
	static const long times[4] = { 1, 2, 3, 4 };

	return call(NR_utimensat, CURRENT_DIRECTORY, (word)"/tmp/from", (word)times, 0, 0);
}

static long ext4_directories(void)
{
	must(make_directory("/ext4/made"));
	must(call(NR_renameat2, CURRENT_DIRECTORY, (word)"/ext4/made", CURRENT_DIRECTORY,
		  (word)"/ext4/moved", 0));
	return call(NR_unlinkat, CURRENT_DIRECTORY, (word)"/ext4/moved", REMOVE_DIRECTORY, 0, 0);
}

static long prepare_ext4_log(void)
{
	return one = open_file("/ext4/log", READ_WRITE | CREATE | TRUNCATE | APPEND);
}

static long append_and_sync(void)
{
	must(write_file(one, bytes, 100));
	return call(NR_fsync, one, 0, 0, 0, 0);
}

/* The blocks of the RAM disk, as no file system sees them. */
static long prepare_device(void)
{
	return one = open_file("/dev/loop0", 0);
}

static long read_device(void)
{
	/* BLKFLSBUF, so that the blocks are read again */
	must(call(NR_ioctl, one, 0x1261, 0, 0, 0));
	return call(NR_pread64, one, (word)bytes, sizeof(bytes), 8 * PAGE, 0);
}

static long prepare_mount(void)
{
	return make_directory("/tmp/mounted");
}

static long mount_and_unmount(void)
{
	must(call(NR_mount, (word)"tmpfs", (word)"/tmp/mounted", (word)"tmpfs", 0, 0));
	return call(NR_umount2, (word)"/tmp/mounted", 0, 0, 0, 0);
}

static long read_all(const char *path)
{
	long opened = must(open_file(path, 0));

	while (must(read_file(opened, bytes, sizeof(bytes))) > 0)
		;
	return close_file(opened);
}

static long read_maps(void)
{
	return read_all("/proc/self/maps");
}

static long read_status(void)
{
	return read_all("/proc/self/status");
}

static long read_mounts(void)
{
	return read_all("/proc/self/mountinfo");
}

static long list_sysfs(void)
{
	long directory = must(open_file("/sys/class", 0));

	while (must(call(NR_getdents64, directory, (word)bytes, sizeof(bytes), 0, 0)) > 0)
		;
	return close_file(directory);
}

/* inotify tells of a file that comes and goes. */
static long prepare_watch(void)
{
	must(make_directory("/tmp/watched"));
	one = must(call(NR_inotify_init1, NONBLOCK, 0, 0, 0, 0));
	/* IN_CREATE | IN_DELETE */
	return call(NR_inotify_add_watch, one, (word)"/tmp/watched", 0x300, 0, 0);
}

static long watch_files(void)
{
	must(close_file(must(open_file("/tmp/watched/file", WRITE_ONLY | CREATE))));
	must(remove_file("/tmp/watched/file"));
	return read_file(one, bytes, sizeof(bytes));
}

/* Asynchronous reads. */
static word context;

static long prepare_asynchronous(void)
{
	one = must(make_file("/tmp/asynchronous", PAGE));
	return call(NR_io_setup, 4, (word)&context, 0, 0, 0);
}

static long read_asynchronously(void)
{
	/* struct iocb, IOCB_CMD_PREAD */
	struct {
		word data;
		unsigned int key, flags;
		unsigned short operation;
		short priority;
		unsigned int file;
		word at, size, offset;
		word reserved;
		unsigned int more, event;
	} request = { .file = one, .at = (word)bytes, .size = sizeof(bytes) };
	void *requests[] = { &request };
	word event[4];

	must(call(NR_io_submit, context, 1, (word)requests, 0, 0));
	return call(NR_io_getevents, context, 1, 1, (word)event, 0);
}
