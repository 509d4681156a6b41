// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The test set: other system calls than the training set makes, and subsystems
 * that it does not come to. No profile of a kernel may be made of it.
 */

#include "kinds.h"
#include "calls.c"
#include "files.c"
#include "memory.c"
#include "talk.c"
#include "processes.c"

static const struct kind kinds[] = {
	{ "system call: getrusage", 0, tell_usage, 13000, 0 },
	{ "system call: prlimit64", 0, tell_limits, 30000, 0 },
	{ "system call: getrandom", 0, get_random, 4000, 0 },
	{ "system call: getuid, filtered", prepare_filter, ask_user, 30000, 0 },
	{ "system call: prctl, names", 0, change_name, 14000, 0 },
	{ "path: access through links", prepare_links, access_through_links, 2000, 0 },
	{ "path: readlink", 0, read_link, 2000, 0 },
	{ "tmpfs: rename", prepare_rename, rename_there_and_back, 1100, 0 },
	{ "tmpfs: mkdir and rmdir", 0, make_and_remove_directory, 1700, 0 },
	{ "tmpfs: pwritev and preadv", prepare_vectors, write_and_read_vectors, 2000, 0 },
	{ "tmpfs: fallocate and truncate", prepare_vectors, allocate_and_cut, 300, 0 },
	{ "tmpfs: sendfile", prepare_copy, send_file, 600, 0 },
	{ "tmpfs: flock", prepare_copy, lock_and_unlock, 6000, 0 },
	{ "tmpfs: utimensat", prepare_rename, set_times, 5000, 0 },
	{ "ext4: mkdir, rename, rmdir", 0, ext4_directories, 180, 0 },
	{ "ext4: append and fsync", prepare_ext4_log, append_and_sync, 140, 0 },
	{ "block device: read", prepare_device, read_device, 180, 0 },
	{ "mount and unmount", prepare_mount, mount_and_unmount, 500, 0 },
	{ "procfs: /proc/self/maps", 0, read_maps, 700, 0 },
	{ "procfs: /proc/self/status", 0, read_status, 500, 0 },
	{ "procfs: /proc/self/mountinfo", 0, read_mounts, 300, 0 },
	{ "sysfs: list a directory", 0, list_sysfs, 1000, 0 },
	{ "inotify: create and delete", prepare_watch, watch_files, 800, 0 },
	{ "aio: read a page", prepare_asynchronous, read_asynchronously, 4000, 0 },
	{ "pages: copied on write", prepare_area, copy_on_write, 90, 0 },
	{ "pages: given back", prepare_area, give_back, 200, 0 },
	{ "pages: private file", prepare_private_file, fault_private_file, 130, 0 },
	{ "mmap: mremap", prepare_area, grow_and_shrink, 3000, 0 },
	{ "mmap: mlock", prepare_area, lock_memory, 200, 0 },
	{ "memfd: create and write", 0, write_anonymous_file, 1300, 0 },
	{ "memory of another process", prepare_partner, read_partner, 2000, 0 },
	{ "pipe: splice", prepare_splice, splice_pages, 3000, 0 },
	{ "pipe: vmsplice", prepare_splice, map_into_pipe, 4000, 0 },
	{ "unix datagram: pass a file", prepare_datagrams, pass_file, 2000, 0 },
	{ "unix stream: connect", prepare_unix_server, connect_unix, 800, 0 },
	{ "TCP: connect", prepare_tcp_server, connect_tcp, 200, 0 },
	{ "UDP: sendto and recvfrom", prepare_udp_server, send_to, 1600, 0 },
	{ "netlink: list devices", prepare_netlink, list_devices, 800, 0 },
	{ "terminal: write and read", prepare_terminal, write_terminal, 1800, 0 },
	{ "select: 50 files", prepare_select, select_files, 700, 0 },
	{ "epoll: edges", prepare_edges, wait_for_edge, 4000, 0 },
	{ "vfork, script, wait", prepare_script, execute_script, 160, 0 },
	{ "signal: sigtimedwait", block_signal, wait_for_signal, 7000, 0 },
	{ "signal: signalfd", prepare_signal_file, read_signal, 6000, 0 },
	{ "futex: priority inheritance", prepare_lock, hold_lock, 4000, 0 },
	{ "timer: setitimer", prepare_interval, run_interval, 800, 0 },
	{ "timer: timer_create", 0, own_timer, 5000, 0 },
	{ "scheduling: setscheduler", 0, set_scheduling, 1400, 0 },
	{ "scheduling: setaffinity", 0, set_affinity, 20000, 0 },
	{ "ptrace: system calls", prepare_trace, trace_call, 1100, 0 },
	{ "modules: load and unload", 0, load_and_unload, 16, 0 },
};

__attribute__((used, noreturn)) static void start(const word *stack)
{
	/* The module to load, or what the script says. */
	module = stack[0] > 1 ? (const char *)stack[2] : "";
	if (equal(module, "end"))
		end_process(0);
	run_kinds(kinds, N_OF(kinds));
	end_process(0);
}
