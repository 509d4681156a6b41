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
	{ "system call: getrusage", 0, tell_usage, 6500 },
	{ "system call: prlimit64", 0, tell_limits, 15000 },
	{ "system call: getrandom", 0, get_random, 2000 },
	{ "system call: getuid, filtered", prepare_filter, ask_user, 15000 },
	{ "system call: prctl, names", 0, change_name, 7000 },
	{ "path: access through links", prepare_links, access_through_links, 1000 },
	{ "path: readlink", 0, read_link, 1000 },
	{ "tmpfs: rename", prepare_rename, rename_there_and_back, 550 },
	{ "tmpfs: mkdir and rmdir", 0, make_and_remove_directory, 850 },
	{ "tmpfs: pwritev and preadv", prepare_vectors, write_and_read_vectors, 1000 },
	{ "tmpfs: fallocate and truncate", prepare_vectors, allocate_and_cut, 150 },
	{ "tmpfs: sendfile", prepare_copy, send_file, 300 },
	{ "tmpfs: flock", prepare_copy, lock_and_unlock, 3000 },
	{ "tmpfs: utimensat", prepare_rename, set_times, 2500 },
	{ "ext4: mkdir, rename, rmdir", 0, ext4_directories, 90 },
	{ "ext4: append and fsync", prepare_ext4_log, append_and_sync, 70 },
	{ "block device: read", prepare_device, read_device, 90 },
	{ "mount and unmount", prepare_mount, mount_and_unmount, 250 },
	{ "procfs: /proc/self/maps", 0, read_maps, 350 },
	{ "procfs: /proc/self/status", 0, read_status, 250 },
	{ "procfs: /proc/self/mountinfo", 0, read_mounts, 150 },
	{ "sysfs: list a directory", 0, list_sysfs, 500 },
	{ "inotify: create and delete", prepare_watch, watch_files, 400 },
	{ "aio: read a page", prepare_asynchronous, read_asynchronously, 2000 },
	{ "pages: copied on write", prepare_area, copy_on_write, 45 },
	{ "pages: given back", prepare_area, give_back, 100 },
	{ "pages: private file", prepare_private_file, fault_private_file, 65 },
	{ "mmap: mremap", prepare_area, grow_and_shrink, 1500 },
	{ "mmap: mlock", prepare_area, lock_memory, 100 },
	{ "memfd: create and write", 0, write_anonymous_file, 650 },
	{ "memory of another process", prepare_partner, read_partner, 1000 },
	{ "pipe: splice", prepare_splice, splice_pages, 1500 },
	{ "pipe: vmsplice", prepare_splice, map_into_pipe, 2000 },
	{ "unix datagram: pass a file", prepare_datagrams, pass_file, 1000 },
	{ "unix stream: connect", prepare_unix_server, connect_unix, 400 },
	{ "TCP: connect", prepare_tcp_server, connect_tcp, 100 },
	{ "UDP: sendto and recvfrom", prepare_udp_server, send_to, 800 },
	{ "netlink: list devices", prepare_netlink, list_devices, 400 },
	{ "terminal: write and read", prepare_terminal, write_terminal, 900 },
	{ "select: 50 files", prepare_select, select_files, 350 },
	{ "epoll: edges", prepare_edges, wait_for_edge, 2000 },
	{ "vfork, script, wait", prepare_script, execute_script, 80 },
	{ "signal: sigtimedwait", block_signal, wait_for_signal, 3500 },
	{ "signal: signalfd", prepare_signal_file, read_signal, 3000 },
	{ "futex: priority inheritance", prepare_lock, hold_lock, 2000 },
	{ "timer: setitimer", prepare_interval, run_interval, 400 },
	{ "timer: timer_create", 0, own_timer, 2500 },
	{ "scheduling: setscheduler", 0, set_scheduling, 700 },
	{ "scheduling: setaffinity", 0, set_affinity, 10000 },
	{ "ptrace: system calls", prepare_trace, trace_call, 550 },
	{ "modules: load and unload", 0, load_and_unload, 8 },
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
