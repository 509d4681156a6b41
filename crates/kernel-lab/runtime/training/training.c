// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The training set: kinds of kernel work that a profile of a kernel may be
 * made of. Nothing of the test set belongs here.
 */

#include "kinds.h"
#include "calls.c"
#include "files.c"
#include "memory.c"
#include "talk.c"
#include "processes.c"

static const struct kind kinds[] = {
	{ "system call: getppid", 0, ask_parent, 50000, 0 },
	{ "system call: clock_gettime", 0, time_now, 30000, 0 },
	{ "path: stat, five levels", prepare_deep_path, look_up_path, 4000, 0 },
	{ "path: stat of what is missing", prepare_deep_path, look_up_missing, 3000, 0 },
	{ "tmpfs: open and close", prepare_deep_path, open_and_close, 2000, 0 },
	{ "tmpfs: create and unlink", 0, create_and_remove, 1100, 0 },
	{ "tmpfs: read a page", prepare_tmpfs_file, read_page, 7000, 0 },
	{ "tmpfs: write a page", prepare_tmpfs_file, write_page, 6000, 0 },
	{ "tmpfs: list a directory", prepare_many_files, list_directory, 600, 0 },
	{ "ext4: create, write, unlink", prepare_ext4, write_ext4_file, 180, 0 },
	{ "ext4: read a page", prepare_ext4_file, read_page, 7000, 0 },
	{ "pipe: write and read", prepare_pipe, pass_through, 7000, 0 },
	{ "pipe: two processes", prepare_two_pipes, ask_partner, 1800, 0 },
	{ "unix stream: write and read", prepare_unix_stream, pass_through, 4000, 0 },
	{ "UDP: write and read", prepare_udp, pass_through, 2000, 0 },
	{ "TCP: write and read", prepare_tcp, pass_through, 1600, 0 },
	{ "fork, exit, wait", 0, start_and_wait, 600, 0 },
	{ "fork, exec, wait", 0, execute_and_wait, 400, 0 },
	{ "page faults: anonymous", 0, fault_anonymous, 180, 0 },
	{ "page faults: shared file", prepare_mapped_file, fault_shared_file, 200, 0 },
	{ "mmap: mprotect", prepare_mapping, change_protection, 2000, 0 },
	{ "mmap: brk", 0, grow_heap, 600, 0 },
	{ "signal: kill and handle", prepare_signal, signal_self, 2000, 0 },
	{ "epoll: eventfd", prepare_epoll, wait_with_epoll, 6000, 0 },
	{ "poll: 16 pipes", prepare_poll, wait_with_poll, 2000, 0 },
	{ "procfs: /proc/self/stat", 0, read_procfs, 700, 0 },
	{ "procfs: /proc/meminfo", 0, read_procfs_memory, 600, 0 },
	{ "sysfs: a number", 0, read_sysfs, 1200, 0 },
	{ "futex: two processes", prepare_futex, take_own_turn, 2000, 0 },
	{ "timer: timerfd", prepare_timer, wait_for_timer, 3000, 0 },
	{ "timer: clock_nanosleep", 0, sleep_shortly, 3000, 0 },
	{ "scheduling: sched_yield", prepare_yield, yield, 11000, 0 },
	{ "modules: load and unload", 0, load_and_unload, 20, 0 },
};

__attribute__((used, noreturn)) static void start(const word *stack)
{
	/* The module to load, or what execute_and_wait() says. */
	module = stack[0] > 1 ? (const char *)stack[2] : "";
	if (equal(module, "end"))
		end_process(0);
	run_kinds(kinds, N_OF(kinds));
	end_process(0);
}
