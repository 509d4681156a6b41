# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The script of `cargo xtask kernel selftest`, which runs in a guest after the modules are loaded.
# The host appends the calls of these functions.
#
# The messages of each part are between a line `begin NAME` and a line `end NAME STATUS`. `saw TEXT`
# is compared with the same part on another kernel, so it must not differ from boot to boot. All
# lines go through the kernel's log, which keeps them in order with the kernel's messages.

/bin/busybox --install -s /bin
# The shell's messages about dying children would tear lines of the console.
exec >/dev/null 2>/dev/kmsg

tracing=/sys/kernel/tracing
crash_point=/sys/kernel/debug/provoke-crash/DIRECT

say() {
	echo "kbuild-lto: $*" >/dev/kmsg
}

saw() {
	say "saw $*"
}

# part NAME COMMAND...
part() {
	name=$1
	shift
	say "begin $name"
	"$@"
	say "end $name $?"
}

# symbol FUNCTION: its name in the kernel. LTO may have added a suffix to a static one.
symbol() {
	grep -Em1 " [tT] $1(\.llvm\.[0-9]+)?(	|\$)" /proc/kallsyms | cut -f 1 | cut -d ' ' -f 3
}

# quietly COMMAND...: true if it succeeded, else its output is compared.
quietly() {
	said=$("$@" 2>&1) && return
	saw "$* failed: $said"
	return 1
}

write() {
	echo "$2" >"$1"
}

append() {
	echo "$2" >>"$1"
}

# Calls the traced functions.
call_seq_printf() { cat /proc/uptime; }
call_uptime_proc_show() { cat /proc/uptime; }
call_lkdtm_debugfs_read() { cat $crash_point; }

# traced TRACER FUNCTION: whether a tracer sees the calls of a function, and no others.
traced() {
	found=$(symbol "$2")
	[ "$found" ] || { saw "no function $2"; return; }
	grep -qw "$1" $tracing/available_tracers || { saw "no tracer $1"; return; }
	quietly write $tracing/set_ftrace_filter "$found" &&
		quietly write $tracing/current_tracer "$1" &&
		quietly "call_$2" || return
	echo 0 >$tracing/tracing_on
	grep -v '^#' $tracing/trace >/trace
	echo nop >$tracing/current_tracer
	echo >$tracing/set_ftrace_filter
	echo >$tracing/trace
	echo 1 >$tracing/tracing_on
	saw "calls traced: $(grep -cF " $found" /trace), of other functions: $(grep -vcF " $found" /trace)"
}

# probed TYPE FUNCTION [MODULE]: whether a kprobe (p) or kretprobe (r) on a function hits.
probed() {
	found=$(symbol "$2")
	[ "$found" ] || { saw "no function $2"; return; }
	[ -e $tracing/kprobe_events ] || { saw "no kprobe events"; return; }
	quietly append $tracing/kprobe_events "$1:selftest/hit ${3:+$3:}$found" || return
	echo 1 >$tracing/events/selftest/hit/enable
	quietly "call_$2"
	echo 0 >$tracing/events/selftest/hit/enable
	saw "hits: $(grep -c ' hit: ' $tracing/trace)"
	append $tracing/kprobe_events -:selftest/hit
	echo >$tracing/trace
}

# names: the functions of /names, which LTO had renamed, and which kallsyms does not have by that name; and, if
# there are any of them, the names with a suffix of thin LTO.
names() {
	lost=$(awk 'FNR == NR { known[$3 " " $4]; next } !(($1 " " $2) in known)' /proc/kallsyms /names | wc -l)
	[ ! -s /names ] || lost=$((lost + $(grep -c '\.llvm\.[0-9]' /proc/kallsyms)))
	saw "names that kallsyms lacks: $lost"
}

# outermost FILE...: the outermost functions of stacks. An unwinder that gets lost does not reach them.
outermost() {
	for stack in "$@"; do
		sed -n '$s/^\[<0>\] \([^+]*\)+.*/\1/p' "$stack"
	done | sort -u | while read -r function; do
		saw "stacks end in $function"
	done
}

# SysRq's output goes to the log.
show_state() {
	[ -e /proc/sysrq-trigger ] || { saw "no SysRq"; return; }
	echo t >/proc/sysrq-trigger
}

vdso() {
	/bin/vdso | while read -r line; do saw "$line"; done
}

# crash TYPE: triggers one of lkdtm's crashes; the calling shell may die of it.
crash() {
	[ -e $crash_point ] || { saw "no lkdtm"; return; }
	grep -qx "$1" $crash_point || { saw "lkdtm has no $1"; return; }
	(echo "$1" >$crash_point) && return
	status=$?
	# A processor may notice the first oops too late, and warn; not in the middle of the next part.
	[ -e /crashed ] || sleep 1
	echo >/crashed
	return $status
}
