// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Mappings and page faults. */

enum { FAULTED = 32 * PAGE };

static long fault_anonymous(void)
{
	void *at = map(FAULTED, PRIVATE | ANONYMOUS, -1);

	touch(at, FAULTED);
	unmap(at, FAULTED);
	return 0;
}

static long mapped_file;

static long prepare_mapped_file(void)
{
	return mapped_file = make_file("/tmp/mapped", FAULTED);
}

static long fault_shared_file(void)
{
	void *at = map(FAULTED, SHARED, mapped_file);

	touch(at, FAULTED);
	unmap(at, FAULTED);
	return 0;
}

static void *mapped;

static long prepare_mapping(void)
{
	mapped = map(FAULTED, PRIVATE | ANONYMOUS, -1);
	touch(mapped, FAULTED);
	return 0;
}

static long change_protection(void)
{
	/* One page in the middle, so that mappings are split and joined. */
	word at = (word)mapped + 8 * PAGE;

	must(call(NR_mprotect, at, PAGE, 1, 0, 0));
	return call(NR_mprotect, at, PAGE, 3, 0, 0);
}

static long grow_heap(void)
{
	static word start;

	if (!start)
		start = call(NR_brk, 0, 0, 0, 0, 0);
	call(NR_brk, start + 8 * PAGE, 0, 0, 0, 0);
	touch((void *)start, 8 * PAGE);
	call(NR_brk, start, 0, 0, 0, 0);
	return 0;
}
