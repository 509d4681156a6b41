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
	{ "system call: getppid", 0, ask_parent, 25000 },
	{ "system call: clock_gettime", 0, time_now, 15000 },
	{ "path: stat, five levels", prepare_deep_path, look_up_path, 2000 },
	{ "path: stat of what is missing", prepare_deep_path, look_up_missing, 1500 },
	{ "tmpfs: open and close", prepare_deep_path, open_and_close, 1000 },
	{ "tmpfs: create and unlink", 0, create_and_remove, 550 },
	{ "tmpfs: read a page", prepare_tmpfs_file, read_page, 3500 },
	{ "tmpfs: write a page", prepare_tmpfs_file, write_page, 3000 },
	{ "tmpfs: list a directory", prepare_many_files, list_directory, 300 },
	{ "ext4: create, write, unlink", prepare_ext4, write_ext4_file, 90 },
	{ "ext4: read a page", prepare_ext4_file, read_page, 3500 },
	{ "pipe: write and read", prepare_pipe, pass_through, 3500 },
	{ "pipe: two processes", prepare_two_pipes, ask_partner, 900 },
	{ "unix stream: write and read", prepare_unix_stream, pass_through, 2000 },
	{ "UDP: write and read", prepare_udp, pass_through, 1000 },
	{ "TCP: write and read", prepare_tcp, pass_through, 800 },
	{ "fork, exit, wait", 0, start_and_wait, 150 },
	{ "fork, exec, wait", 0, execute_and_wait, 70 },
	{ "page faults: anonymous", 0, fault_anonymous, 90 },
	{ "page faults: shared file", prepare_mapped_file, fault_shared_file, 100 },
	{ "mmap: mprotect", prepare_mapping, change_protection, 1000 },
	{ "mmap: brk", 0, grow_heap, 300 },
	{ "signal: kill and handle", prepare_signal, signal_self, 1000 },
	{ "epoll: eventfd", prepare_epoll, wait_with_epoll, 3000 },
	{ "poll: 16 pipes", prepare_poll, wait_with_poll, 1000 },
	{ "procfs: /proc/self/stat", 0, read_procfs, 350 },
	{ "procfs: /proc/meminfo", 0, read_procfs_memory, 300 },
	{ "sysfs: a number", 0, read_sysfs, 600 },
	{ "futex: two processes", prepare_futex, take_own_turn, 1000 },
	{ "timer: timerfd", prepare_timer, wait_for_timer, 1500 },
	{ "timer: clock_nanosleep", 0, sleep_shortly, 1500 },
	{ "scheduling: sched_yield", prepare_yield, yield, 5500 },
	{ "modules: load and unload", 0, load_and_unload, 10 },
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
