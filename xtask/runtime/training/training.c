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
	{ "system call: getppid", 0, ask_parent, 20000 },
	{ "system call: clock_gettime", 0, time_now, 10000 },
	{ "path: stat, five levels", prepare_deep_path, look_up_path, 4000 },
	{ "path: stat of what is missing", prepare_deep_path, look_up_missing, 4000 },
	{ "tmpfs: open and close", prepare_deep_path, open_and_close, 3000 },
	{ "tmpfs: create and unlink", 0, create_and_remove, 1000 },
	{ "tmpfs: read a page", prepare_tmpfs_file, read_page, 4000 },
	{ "tmpfs: write a page", prepare_tmpfs_file, write_page, 4000 },
	{ "tmpfs: list a directory", prepare_many_files, list_directory, 400 },
	{ "ext4: create, write, unlink", prepare_ext4, write_ext4_file, 100 },
	{ "ext4: read a page", prepare_ext4_file, read_page, 3000 },
	{ "pipe: write and read", prepare_pipe, pass_through, 3000 },
	{ "pipe: two processes", prepare_two_pipes, ask_partner, 800 },
	{ "unix stream: write and read", prepare_unix_stream, pass_through, 2000 },
	{ "UDP: write and read", prepare_udp, pass_through, 1000 },
	{ "TCP: write and read", prepare_tcp, pass_through, 800 },
	{ "fork, exit, wait", 0, start_and_wait, 100 },
	{ "fork, exec, wait", 0, execute_and_wait, 60 },
	{ "page faults: anonymous", 0, fault_anonymous, 150 },
	{ "page faults: shared file", prepare_mapped_file, fault_shared_file, 150 },
	{ "mmap: mprotect", prepare_mapping, change_protection, 1000 },
	{ "mmap: brk", 0, grow_heap, 400 },
	{ "signal: kill and handle", prepare_signal, signal_self, 2000 },
	{ "epoll: eventfd", prepare_epoll, wait_with_epoll, 2000 },
	{ "poll: 16 pipes", prepare_poll, wait_with_poll, 1500 },
	{ "procfs: /proc/self/stat", 0, read_procfs, 400 },
	{ "procfs: /proc/meminfo", 0, read_procfs_memory, 200 },
	{ "sysfs: a number", 0, read_sysfs, 1500 },
	{ "futex: two processes", prepare_futex, take_own_turn, 800 },
	{ "timer: timerfd", prepare_timer, wait_for_timer, 1000 },
	{ "timer: clock_nanosleep", 0, sleep_shortly, 1000 },
	{ "scheduling: sched_yield", prepare_yield, yield, 2000 },
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
