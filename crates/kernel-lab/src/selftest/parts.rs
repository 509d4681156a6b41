// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Splits the console of a guest into its tests, and summarizes the outcome of each.

use std::collections::BTreeSet;

use serde::Serialize;

use super::normal::{normal, without_time};
use crate::guest::Said;
use crate::{guest, qemu};

/// The kind of a test, which determines the lines that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A module that does its work when it is loaded. The result of loading it, lines about passing
    /// or failing, and warnings count.
    Module,
    /// A part of the script. Its observations count.
    Facts,
    /// A part of the script that makes the kernel print the stacks of tasks. The outermost
    /// functions count.
    Stacks,
    /// A part of the script that crashes the kernel. The kind and place of the crash count.
    Crash,
}

/// A test: the guest's messages between its begin and its end.
#[derive(Debug)]
pub struct Part<'a> {
    /// The module's path, or the name in the script.
    pub name: &'a str,
    /// The kernel's messages, without the times.
    lines: Vec<&'a str>,
    /// The script's observations.
    saw: Vec<&'a str>,
    /// The error number of loading the module, or the exit status in the script, if the test ended.
    pub end: Option<i32>,
}

/// The messages of a guest.
#[derive(Debug, Default)]
pub struct Session<'a> {
    /// The modules and the parts of the script, in order.
    pub parts: Vec<Part<'a>>,
    /// The kernel's messages between the parts.
    pub between: Vec<&'a str>,
    /// File systems that could not be mounted.
    pub not_mounted: Vec<&'a str>,
    /// The status of the script, if it ended.
    pub script: Option<i32>,
    /// Whether init finished.
    pub done: bool,
}

impl<'a> Session<'a> {
    /// Splits the lines of a console into parts. `between` ends with the first crash, because later
    /// messages of the kernel are consequences.
    pub fn read(console: &'a [String], is_crash: impl Fn(&str) -> bool) -> Self {
        let mut session = Self::default();
        let mut in_part = false;
        let mut crashed = false;
        for line in console {
            let part = session.parts.last_mut().filter(|_| in_part);
            match (guest::said(line), part) {
                (Some(Said::Loading(name) | Said::Begin(name)), _) => {
                    in_part = true;
                    crashed |= is_crash(name);
                    session.parts.push(Part {
                        name,
                        lines: Vec::new(),
                        saw: Vec::new(),
                        end: None,
                    });
                }
                (Some(Said::Loaded(name, end) | Said::End(name, end)), Some(part))
                    if part.name == name =>
                {
                    part.end = Some(end);
                    in_part = false;
                }
                (Some(Said::Saw(fact)), Some(part)) => part.saw.push(fact),
                (Some(Said::NotMounted(what)), _) => session.not_mounted.push(what),
                (Some(Said::Script(status)), _) => session.script = Some(status),
                (Some(Said::Done), _) => session.done = true,
                (Some(_), _) => {}
                (None, Some(part)) => part.lines.push(without_time(line)),
                (None, None) if crashed => {}
                (None, None) => session.between.push(without_time(line)),
            }
        }
        session
    }
}

impl Part<'_> {
    /// Returns the outcome of the test, without the details that differ from boot to boot.
    pub fn outcome(&self, kind: Kind) -> Vec<String> {
        let saw = self.saw.iter().copied().map(normal);
        match kind {
            Kind::Module => std::iter::once(loaded(self.end))
                .chain(self.lines.iter().filter_map(|line| verdict(line)))
                .collect(),
            Kind::Facts => saw.chain(status(self.end)).collect(),
            Kind::Stacks => saw
                .chain(
                    stacks(&self.lines)
                        .iter()
                        .map(|end| format!("stacks end in {end}")),
                )
                .chain(status(self.end))
                .collect(),
            Kind::Crash => {
                let mut outcome: Vec<String> = saw.chain(crash(&self.lines)).collect();
                match self.end {
                    Some(0) if outcome.is_empty() => outcome.push("nothing happened".to_owned()),
                    Some(0) => {}
                    Some(status) => outcome.push(format!("the process ended with {status}")),
                    None => outcome.push("the kernel ended".to_owned()),
                }
                outcome
            }
        }
    }

    /// Returns the kernel's messages that are faults in a test of this kind. A test may warn; then
    /// the warning belongs to its outcome.
    pub fn faults(&self, kind: Kind) -> Vec<String> {
        let is_fault = |line: &str| match kind {
            Kind::Module => qemu::is_fault(line),
            Kind::Facts | Kind::Stacks => qemu::is_fault(line) || qemu::is_warning(line),
            Kind::Crash => false,
        };
        let lines = self.lines.iter().filter(|line| is_fault(line));
        lines.map(|line| format!("{}: {line}", self.name)).collect()
    }
}

/// Returns the result of loading a module.
fn loaded(end: Option<i32>) -> String {
    match end {
        None => "loading did not end".to_owned(),
        Some(0) => "loaded".to_owned(),
        Some(error) => format!("init returned {error}"),
    }
}

/// Returns the status of a part of the script, if it failed or did not end.
fn status(end: Option<i32>) -> Option<String> {
    match end {
        Some(0) => None,
        Some(status) => Some(format!("ended with {status}")),
        None => Some("did not end".to_owned()),
    }
}

/// Returns whether a line reports that something passed or failed.
fn says_verdict(line: &str) -> bool {
    const WORDS: [&str; 18] = [
        "ok",
        "pass",
        "passed",
        "fail",
        "failed",
        "failure",
        "failures",
        "success",
        "succeeded",
        "successfully",
        "survived",
        "error",
        "errors",
        "expected",
        "mismatch",
        "wrong",
        "xfail",
        "bug",
    ];
    let line = line.to_ascii_lowercase();
    line.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| WORDS.contains(&word))
}

/// Returns a line that reports that something passed or failed, or that the kernel warned. In TAP,
/// which `KUnit` writes, the number depends on the earlier modules, so it is removed.
fn verdict(line: &str) -> Option<String> {
    if let Some(place) = warned_at(line) {
        return Some(place);
    }
    if !qemu::is_fault(line) && !says_verdict(line) {
        return None;
    }
    let line = normal(line);
    for result in ["ok ", "not ok "] {
        let number_and_name = line
            .strip_prefix(result)
            .and_then(|rest| rest.split_once(" - "));
        if let Some((number, name)) = number_and_name
            && number.chars().all(|c| c.is_ascii_digit())
        {
            return Some(format!("{result}{name}"));
        }
    }
    Some(line)
}

/// Returns `warned at FILE:LINE` for the first line of a warning. The function after it is left
/// out, because it depends on inlining.
fn warned_at(line: &str) -> Option<String> {
    let (_, place) = line
        .starts_with("WARNING: ")
        .then(|| line.split_once(" at "))??;
    let place = place.split(' ').next()?;
    Some(format!("warned at {place}"))
}

/// Returns the outcome of a crash: the module's message that the kernel should not have survived,
/// the kernel's first line about it, the function, and the end of the stack.
fn crash(lines: &[&str]) -> Vec<String> {
    let performing = lines
        .iter()
        .position(|line| line.contains("lkdtm: Performing"));
    let lines = &lines[performing.unwrap_or(0)..];
    let mut said: Vec<String> = lines
        .iter()
        .filter(|line| line.contains("FAIL: "))
        .map(|line| normal(line))
        .collect();
    // A processor may warn later about an earlier event.
    let fault = lines.iter().position(|line| qemu::is_fault(line));
    let warning = || lines.iter().position(|line| warned_at(line).is_some());
    let Some(first) = fault.or_else(warning) else {
        return said;
    };
    said.push(warned_at(lines[first]).unwrap_or_else(|| normal(lines[first])));
    for (at, line) in lines.iter().enumerate().skip(first + 1) {
        if line.starts_with("#PF: ") {
            said.push(normal(line));
        }
        let function = ["pc : ", "RIP: 0010:"]
            .iter()
            .find_map(|register| line.strip_prefix(register));
        said.extend(function.map(|function| format!("in {}", normal(function))));
        // Later traces are consequences of the crash.
        if starts_trace(line) {
            if !said.iter().any(|line| is_lost(line)) {
                let end = outermost(&lines[at + 1..]);
                said.extend(end.map(|end| format!("stack ends in {end}")));
            }
            break;
        }
    }
    said
}

/// Returns whether a line shows that the end of the stack is unknown: the stack is overwritten, or
/// the kernel executed something that is not code. An unwinder knows no function there. The one of
/// x86 finds the caller only if objtool saw the function before it was moved there.
fn is_lost(line: &str) -> bool {
    [
        "non-executable memory",
        "execution of user memory",
        "instruction fetch",
        "stack is corrupted",
    ]
    .iter()
    .any(|lost| line.contains(lost))
}

/// Returns whether a stack trace follows.
fn starts_trace(line: &str) -> bool {
    line.eq_ignore_ascii_case("call trace:")
}

/// Returns the ends of the stacks of tasks that did not run while their stack was printed, each
/// place once.
fn stacks(lines: &[&str]) -> BTreeSet<String> {
    let mut ends = BTreeSet::new();
    let mut runs = false;
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("task:") {
            runs = line.contains(" state:R ");
        }
        if starts_trace(line) && !runs {
            ends.extend(outermost(&lines[at + 1..]));
        }
    }
    ends
}

/// Returns the outermost function of the trace at the start of these lines, after `? ` if the
/// unwinder did not reach it.
///
/// Every trace of x86 has entries with `?`: values on the stack that look like an address of code,
/// but that the unwinder did not reach. Most remain from earlier calls, and differ from boot to
/// boot. When the unwinder gets lost, all later entries have a `?`.
fn outermost(lines: &[&str]) -> Option<String> {
    let mut outermost = None;
    for line in lines {
        let Some(entry) = line.strip_prefix(' ') else {
            break;
        };
        let entry = entry.trim_start();
        // `<IRQ>` and the like name the stack of the next entries.
        if entry.starts_with('<') {
            continue;
        }
        let (mark, function) = match entry.strip_prefix("? ") {
            Some(function) => ("? ", function),
            None => ("", entry),
        };
        let function = normal(function.split(' ').next()?);
        outermost = Some(format!("{mark}{function}"));
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the outcome of the only part of a console.
    fn outcome(kind: Kind, console: &str) -> Vec<String> {
        let console = lines(console);
        let session = Session::read(&console, |_| kind == Kind::Crash);
        assert_eq!(session.parts.len(), 1);
        session.parts[0].outcome(kind)
    }

    #[test]
    fn a_module_says_whether_it_was_loaded_and_what_passed() {
        assert_eq!(
            outcome(
                Kind::Module,
                "\
[   17.451083] kbuild-lto: module /modules/test_bitmap.ko
[   17.451958] test_bitmap: loaded.
[   17.453452] test_bitmap: parselist: 14: input is '0-2047:128/256' OK, Time: 15632
[   17.457704] test_bitmap: all 1679 tests passed
[   17.787583] hrtimer: interrupt took 23905872 ns
[   17.459487] kbuild-lto: result 0 /modules/test_bitmap.ko"
            ),
            [
                "loaded",
                "test_bitmap: parselist: 14: input is '0-2047:128/256' OK, Time: N",
                "test_bitmap: all 1679 tests passed",
            ]
        );
        assert_eq!(
            outcome(
                Kind::Module,
                "\
[    9.754296] kbuild-lto: module /modules/percpu_test.ko
[    9.756083] percpu test start
[    9.756361] percpu test done
[    9.786013] kbuild-lto: result -11 /modules/percpu_test.ko"
            ),
            ["init returned -11"]
        );
    }

    #[test]
    fn tests_of_kunit_have_their_names_and_not_their_numbers() {
        assert_eq!(
            outcome(
                Kind::Module,
                "\
[    9.837091] kbuild-lto: module /modules/test_bits.ko
[    9.839368]     # Subtest: bits-test
[    9.839377]     1..3
[    9.839750]     ok 1 - genmask_test
[    9.840020]     not ok 2 - genmask_ull_test
[    9.840339] ok 10 - bits-test
[    9.840519] kbuild-lto: result 0 /modules/test_bits.ko"
            ),
            [
                "loaded",
                "ok genmask_test",
                "not ok genmask_ull_test",
                "ok bits-test",
            ]
        );
    }

    const WARNS: &str = "\
[   10.190572] kbuild-lto: module /modules/test_ida.ko
[   10.243502] ------------[ cut here ]------------
[   10.243736] ida_free called for id=0 which is not allocated.
[   10.244044] WARNING: CPU: 0 PID: 1 at lib/idr.c:527 ida_free+0x13c/0x1c4
[   10.570009] IDA: 147357 of 147357 tests passed
[   10.611904] kbuild-lto: result -22 /modules/test_ida.ko";

    #[test]
    fn a_warning_in_a_test_is_part_of_its_outcome_and_no_fault() {
        let console = lines(WARNS);
        let session = Session::read(&console, |_| false);
        assert_eq!(
            session.parts[0].outcome(Kind::Module),
            [
                "init returned -22",
                "warned at lib/idr.c:527",
                "IDA: 147357 of 147357 tests passed",
            ]
        );
        assert_eq!(session.parts[0].faults(Kind::Module), [""; 0]);
        // In a part of the script, it is a fault.
        assert_eq!(session.parts[0].faults(Kind::Facts).len(), 2);
    }

    #[test]
    fn an_oops_in_a_test_is_a_fault_too() {
        let console = lines(
            "\
[    1.0] kbuild-lto: module /modules/test_xarray.ko
[    1.1] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
[    1.2] Internal error: Oops: 0000000096000046 [#2] SMP",
        );
        let session = Session::read(&console, |_| false);
        assert!(!session.done);
        assert_eq!(
            session.parts[0].faults(Kind::Module),
            [
                "/modules/test_xarray.ko: Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
                "/modules/test_xarray.ko: Internal error: Oops: 0000000096000046 [#2] SMP",
            ]
        );
        assert_eq!(
            session.parts[0].outcome(Kind::Module)[0],
            "loading did not end"
        );
    }

    #[test]
    fn what_the_script_saw_and_how_it_ended_count() {
        assert_eq!(
            outcome(
                Kind::Facts,
                "\
[   12.096755] kbuild-lto: begin kprobe, static function
[   12.454379] kbuild-lto: saw hits: 1
[   12.454886] kbuild-lto: end kprobe, static function 0"
            ),
            ["hits: 1"]
        );
        assert_eq!(
            outcome(
                Kind::Facts,
                "\
[   12.096755] kbuild-lto: begin vDSO
[   12.454886] kbuild-lto: end vDSO 139"
            ),
            ["ended with 139"]
        );
    }

    #[test]
    fn a_crash_on_arm64_has_its_kind_its_function_and_its_stack() {
        assert_eq!(
            outcome(
                Kind::Crash,
                "\
[   13.496381] kbuild-lto: begin lkdtm WRITE_RO
[   13.499330] lkdtm: Performing direct entry WRITE_RO
[   13.499509] lkdtm: attempting bad rodata write at ffffffc0085d2720
[   13.499584] Unable to handle kernel write to read-only memory at virtual address ffffffc0085d2720
[   13.500231] Internal error: Oops: 000000009600004f [#12] SMP
[   13.501371] pc : lkdtm_WRITE_RO+0x34/0x54 [lkdtm]
[   13.501459] lr : lkdtm_WRITE_RO+0x24/0x54 [lkdtm]
[   13.502764] Call trace:
[   13.502811]  lkdtm_WRITE_RO+0x34/0x54 [lkdtm]
[   13.503413]  el0_sync_handler+0xc4/0xd8
[   13.503462]  el0_sync+0x148/0x180
[   13.503513] Code: 085cfaf8 ffffffc0 aa55aa55 00000000 (d65f03c0)
[   13.504000] WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:625 rcu_eqs_enter+0x60/0x68
[   13.504001] pc : rcu_eqs_enter+0x60/0x68
[   13.504002] Call trace:
[   13.504003]  start_kernel+0x410/0x4c4
[   13.507718] kbuild-lto: end lkdtm WRITE_RO 139"
            ),
            [
                "Unable to handle kernel write to read-only memory at virtual address ADDR",
                "in lkdtm_WRITE_RO [lkdtm]",
                "stack ends in el0_sync",
                "the process ended with 139",
            ]
        );
    }

    /// Returns the outcome of a write to read-only memory on x86, if the unwinder puts `mark` in
    /// front of functions that it does not reach.
    fn x86_crash(access: &str, mark: &str) -> Vec<String> {
        outcome(
            Kind::Crash,
            &format!(
                "\
[    4.207111] kbuild-lto: begin lkdtm WRITE_RO
[    4.212839] lkdtm: Performing direct entry WRITE_RO
[    4.213000] lkdtm: attempting bad rodata write at ffffffffa019b4e0
[    4.213306] BUG: unable to handle page fault for address: ffffffffa019b4e0
[    4.213402] #PF: supervisor {access} in kernel mode
[    4.213482] #PF: error_code(0x0003) - permissions violation
[    4.214036] RIP: 0010:lkdtm_WRITE_RO.llvm.77+0x1d/0x30 [lkdtm]
[    4.215265] Call Trace:
[    4.215327]  {mark}direct_entry+0xfa/0x110 [lkdtm]
[    4.215589]  ? do_user_addr_fault+0x221/0x410
[    4.215762]  {mark}entry_SYSCALL_64_after_hwframe+0x44/0xae
[    4.215840] RIP: 0033:0x47b7a0
[    4.216798] RIP: 0010:lkdtm_BUG+0x5/0x10 [lkdtm]
[    4.219072] kbuild-lto: end lkdtm WRITE_RO 137"
            ),
        )
    }

    #[test]
    fn a_crash_on_x86_says_where_the_unwinder_was_lost() {
        assert_eq!(
            x86_crash("write access", ""),
            [
                "BUG: unable to handle page fault for address: ADDR",
                "#PF: supervisor write access in kernel mode",
                "#PF: error_code(0x0003) - permissions violation",
                "in lkdtm_WRITE_RO [lkdtm]",
                "stack ends in entry_SYSCALL_64_after_hwframe",
                "the process ended with 137",
            ]
        );
        assert_eq!(
            x86_crash("write access", "? ")[4],
            "stack ends in ? entry_SYSCALL_64_after_hwframe"
        );
    }

    #[test]
    fn where_the_unwinder_comes_to_from_data_does_not_count() {
        assert_eq!(
            x86_crash("instruction fetch", ""),
            x86_crash("instruction fetch", "? ")
        );
    }

    #[test]
    fn a_panic_ends_a_crash_and_so_does_nothing() {
        assert_eq!(
            outcome(
                Kind::Crash,
                "\
[    0.613736] kbuild-lto: module /modules/smash.ko
[    0.614301] smash: 64 bytes written to an array of 8
[    0.614500] Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: smash+0x1f4/0x1f8 [smash]
[    0.614600] CPU: 0 PID: 1 Comm: init Tainted: G           O      5.10.262-ci #1
[    0.614700] Call trace:
[    0.614800]  0x5a5a5a5a5a5a5a5a"
            ),
            [
                "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: smash [smash]",
                "the kernel ended",
            ]
        );
        assert_eq!(
            outcome(
                Kind::Crash,
                "\
[    0.596224] kbuild-lto: begin lkdtm CORRUPT_STACK_STRONG
[    0.613736] lkdtm: Performing direct entry CORRUPT_STACK_STRONG
[    0.614301] lkdtm: Corrupting stack containing union ...
[    0.616142] kbuild-lto: end lkdtm CORRUPT_STACK_STRONG 0"
            ),
            ["nothing happened"]
        );
    }

    #[test]
    fn a_warning_counts_if_it_is_what_was_asked_for() {
        assert_eq!(
            outcome(
                Kind::Crash,
                "\
[   13.339760] kbuild-lto: begin lkdtm WARNING
[   13.340000] WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:625 rcu_eqs_enter+0x60/0x68
[   13.350330] lkdtm: Performing direct entry WARNING
[   13.350671] WARNING: CPU: 0 PID: 214 at drivers/misc/lkdtm/bugs.c:83 lkdtm_WARNING+0x20/0x28 [lkdtm]
[   13.351848] pc : lkdtm_WARNING+0x20/0x28 [lkdtm]
[   13.353021] Call trace:
[   13.353126]  direct_entry+0x130/0x178 [lkdtm]
[   13.353509]  el0_sync+0x148/0x180
[   13.353554] ---[ end trace b98b9f162cdbb3bb ]---
[   13.356356] kbuild-lto: end lkdtm WARNING 0"
            ),
            [
                "warned at drivers/misc/lkdtm/bugs.c:83",
                "in lkdtm_WARNING [lkdtm]",
                "stack ends in el0_sync",
            ]
        );
    }

    #[test]
    fn what_lkdtm_survives_is_told() {
        assert_eq!(
            outcome(
                Kind::Crash,
                "\
[   13.544758] kbuild-lto: begin lkdtm WRITE_RO
[   13.547894] lkdtm: Performing direct entry WRITE_RO
[   13.548113] lkdtm: attempting bad rodata write at ffffffffa000b4d0
[   13.548190] lkdtm: FAIL: survived bad write
[   13.548995] kbuild-lto: end lkdtm WRITE_RO 0"
            ),
            ["lkdtm: FAIL: survived bad write"]
        );
    }

    #[test]
    fn stacks_of_tasks_that_run_do_not_count() {
        assert_eq!(
            outcome(
                Kind::Stacks,
                "\
[   14.286647] kbuild-lto: begin stacks
[   14.287164] sysrq: Show State
[   14.287274] task:init            state:S stack:    0 pid:    1 ppid:     0 flags:0x00004000
[   14.287395] Call Trace:
[   14.287456]  __schedule+0x344/0x480
[   14.287600]  ? kill_orphaned_pgrp+0x130/0x130
[   14.287715]  entry_SYSCALL_64_after_hwframe+0x44/0xae
[   14.287770] RIP: 0033:0x201e0f
[   14.288000] task:rcu_sched       state:R  running task     stack:    0 pid:   11 ppid:     2 flags:0x00004000
[   14.288100] Call Trace:
[   14.288200]  0x0
[   14.291079] task:kthreadd        state:S stack:    0 pid:    2 ppid:     0 flags:0x00004000
[   14.291165] Call Trace:
[   14.291198]  <IRQ>
[   14.291266]  schedule+0x6f/0xa0
[   14.291299]  ? kthread_stop+0x120/0x120
[   14.291335]  ret_from_fork+0x22/0x30
[   14.291336]  </TASK>
[   14.291372] task:rcu_gp          state:I stack:    0 pid:    3 ppid:     2 flags:0x00004000
[   14.291516] Call Trace:
[   14.291544]  __schedule+0x344/0x480
[   14.291786]  ? ret_from_fork+0x22/0x30
[   14.319072] kbuild-lto: end stacks 0"
            ),
            [
                "stacks end in ? ret_from_fork",
                "stacks end in entry_SYSCALL_64_after_hwframe",
                "stacks end in ret_from_fork",
            ]
        );
    }

    #[test]
    fn what_the_kernel_says_between_parts_is_kept_until_the_first_crash() {
        let console = lines(
            "\
[    0.1] Linux version 5.10.262-ci
[    0.2] kbuild-lto: mount /sys/kernel/debug -19
[    0.3] kbuild-lto: begin vDSO
[    0.4] kbuild-lto: end vDSO 0
[    0.5] WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:625 rcu_eqs_enter+0x60/0x68
[    0.6] kbuild-lto: begin lkdtm BUG
[    0.7] kbuild-lto: end lkdtm BUG 139
[    0.8] WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:614 rcu_eqs_enter+0x60/0x68
[    0.9] kbuild-lto: guest done",
        );
        let session = Session::read(&console, |name| name.starts_with("lkdtm "));
        assert!(session.done);
        assert_eq!(session.not_mounted, ["/sys/kernel/debug -19"]);
        assert_eq!(
            session.between,
            [
                "Linux version 5.10.262-ci",
                "WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:625 rcu_eqs_enter+0x60/0x68",
            ]
        );
    }
}
