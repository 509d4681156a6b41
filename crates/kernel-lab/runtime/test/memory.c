// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Pages that are copied, moved, given back, and shared without a name. */

enum { MAPPED = 32 * PAGE };

static void *area;

static long prepare_area(void)
{
	area = map(MAPPED, PRIVATE | ANONYMOUS, -1);
	touch(area, MAPPED);
	return 0;
}

/* A child that writes to what it has from its parent. */
static long copy_on_write(void)
{
	long child = must(start_process());

	if (child == 0) {
		touch(area, MAPPED);
		end_process(0);
	}
	return wait_for(child) ? INVALID : 0;
}

static long give_back(void)
{
	must(call(NR_madvise, (word)area, MAPPED, 4 /* MADV_DONTNEED */, 0, 0));
	touch(area, MAPPED);
	return 0;
}

static long grow_and_shrink(void)
{
	/* MREMAP_MAYMOVE */
	area = (void *)must(call(NR_mremap, (word)area, MAPPED, 2 * MAPPED, 1, 0));
	area = (void *)must(call(NR_mremap, (word)area, 2 * MAPPED, MAPPED, 1, 0));
	return 0;
}

static long lock_memory(void)
{
	must(call(NR_mlock, (word)area, MAPPED, 0, 0, 0));
	return call(NR_munlock, (word)area, MAPPED, 0, 0, 0);
}

static long prepare_private_file(void)
{
	return one = make_file("/tmp/private", MAPPED);
}

static long fault_private_file(void)
{
	void *at = map(MAPPED, PRIVATE, one);

	touch(at, MAPPED);
	unmap(at, MAPPED);
	return 0;
}

static long write_anonymous_file(void)
{
	long file = must(call(NR_memfd_create, (word)"test", 0, 0, 0, 0));

	must(write_file(file, bytes, sizeof(bytes)));
	return close_file(file);
}

/* Another process's memory. */
static long partner;

static long rest(void)
{
	return call(NR_ppoll, 0, 0, 0, 0, 8);
}

static long prepare_partner(void)
{
	return partner = start_partner(rest);
}

static long read_partner(void)
{
	static const struct {
		void *at;
		word size;
	} here = { bytes, 1024 };

	return call6(NR_process_vm_readv, partner, (word)&here, 1, (word)&here, 1, 0);
}
