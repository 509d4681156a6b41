// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Normalizes lines of the kernel's log, so that boots and builds can be compared.

use object_model::is_number;

use crate::guest::said;

/// Returns a line without the time at its start.
pub fn without_time(line: &str) -> &str {
    let time = |inner: &str| inner.trim_start().starts_with(|c: char| c.is_ascii_digit());
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((inner, rest)) if time(inner) => rest,
        _ => line,
    }
}

/// Returns the lines of a console with interrupted lines joined again. The kernel interrupts a line
/// to report that a timer's interrupt took long; a message from another context ends the line, and
/// init's messages always start a new one.
pub fn whole_lines(console: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::with_capacity(console.len());
    let mut cut = false;
    for line in console {
        let is_cut = whole.last().is_some_and(|last| last.ends_with(' '));
        match whole.last_mut() {
            Some(last) if cut && said(line).is_none() => last.push_str(without_time(line)),
            _ if is_cut && without_time(line).starts_with("hrtimer: interrupt took ") => {
                cut = true;
                continue;
            }
            _ => whole.push(line.clone()),
        }
        cut = false;
    }
    whole
}

/// Returns a line without its time, with `ADDR` for addresses, `N` for durations and for numbers of
/// processes and processors, function names as in the source, and single spaces.
pub fn normal(line: &str) -> String {
    let mut normal = String::new();
    let words: Vec<&str> = without_time(line).split_whitespace().collect();
    let mut mask_numbers = false;
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", |before| words[before]);
        let after = words.get(index + 1).copied().unwrap_or_default();
        mask_numbers = is_counted(word) && (mask_numbers || before.starts_with("jited:"));
        let masked =
            mask_numbers || is_counted(word) && (MEASURED.contains(&before) || is_unit(after));
        // The counter of oopses, `[#2]`.
        if word.starts_with("[#") {
            continue;
        }
        if !normal.is_empty() {
            normal.push(' ');
        }
        if masked {
            normal.push('N');
        } else {
            normal.push_str(&without_address(word));
        }
    }
    normal
}

/// The words before a number that is not compared.
const MEASURED: [&str; 4] = ["CPU:", "PID:", "Time:", "time:"];

/// Returns whether a word is a number, maybe with a comma behind it.
fn is_counted(word: &str) -> bool {
    is_number(word.trim_end_matches(','))
}

/// Returns whether a word is the unit of a duration.
fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 9] = [
        "ns", "nsec", "us", "usec", "ms", "msec", "sec", "seconds", "cycles",
    ];
    UNITS.contains(&word.trim_end_matches([',', '.', ')']))
}

/// Returns a word with `ADDR` for an address, or with the name of the function that it stands for.
fn without_address(word: &str) -> String {
    if let Some((name, _)) = word.split_once("+0x") {
        let (before, name) = name.split_at(name.rfind([':', '(']).map_or(0, |at| at + 1));
        return format!("{before}{}", without_lto_suffix(name));
    }
    let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    // The segment register in `RIP: 0010:0xffff8880…`.
    let inner = inner.rsplit(':').next().unwrap_or_default();
    let is_address = match inner.strip_prefix("0x") {
        Some(digits) => digits.len() >= 8 && is_hexadecimal(digits),
        None => inner.len() == 16 && is_hexadecimal(inner),
    };
    if is_address {
        word.replace(inner, "ADDR")
    } else {
        word.to_owned()
    }
}

fn is_hexadecimal(digits: &str) -> bool {
    digits.chars().all(|c| c.is_ascii_hexdigit())
}

/// Returns a function's name without the suffix that only a kernel with LTO gives it: `.llvm.<hash>` if thin
/// LTO made a static function global, `.<number>` if full LTO merged two of the same name. `.cold` and the
/// like stay, because kernels without LTO have them as well.
fn without_lto_suffix(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((name, suffix)) if is_number(suffix) => name.strip_suffix(".llvm").unwrap_or(name),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_do_not_count() {
        assert_eq!(
            normal(
                "[    9.152370] crc32: self tests passed, processed 225944 bytes in 400368 nsec"
            ),
            "crc32: self tests passed, processed 225944 bytes in N nsec"
        );
        assert_eq!(
            normal(
                "[   17.453452] test_bitmap: parselist: 14: input is '0-2047:128/256' OK, Time: 15824"
            ),
            "test_bitmap: parselist: 14: input is '0-2047:128/256' OK, Time: N"
        );
        assert_eq!(
            normal("[    9.282205]  -> test 1 (latency of nnodes insert+delete): 729 cycles"),
            "-> test 1 (latency of nnodes insert+delete): N cycles"
        );
        assert_eq!(
            normal("[   11.269696] Average test time: 140931400"),
            "Average test time: N"
        );
    }

    #[test]
    fn a_line_that_a_late_timer_cut_is_whole_again() {
        let whole = |text: &str| -> Vec<String> {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            whole_lines(&lines)
        };
        assert_eq!(
            whole(
                "[    9.1] test_bpf: #78 TAX \n\
                 [    9.2] hrtimer: interrupt took 23905872 ns\n\
                 [    9.2] jited:1 10 20 PASS\n\
                 [    9.3] test_bpf: #79 TXA "
            ),
            [
                "[    9.1] test_bpf: #78 TAX jited:1 10 20 PASS",
                "[    9.3] test_bpf: #79 TXA ",
            ]
        );
        // A line may be no more than a space at its end.
        assert_eq!(
            whole(
                "[    9.1] a list: \n\
                 [    9.2] hrtimer: interrupt took 5 ns\n\
                 [    9.3] kbuild-lto: result 0 /modules/a.ko"
            ),
            [
                "[    9.1] a list: ",
                "[    9.3] kbuild-lto: result 0 /modules/a.ko",
            ]
        );
        let apart =
            "[    9.1] test passed\n[    9.2] hrtimer: interrupt took 5 ns\n[    9.3] test failed";
        assert_eq!(whole(apart).join("\n"), apart);
        let other = "[    9.1] a list: \n[    9.2] usb 1-1: new device\n[    9.3] one";
        assert_eq!(whole(other).join("\n"), other);
    }

    #[test]
    fn counts_stay() {
        assert_eq!(
            normal("[    1.119988] test_printf: all 364 tests passed"),
            "test_printf: all 364 tests passed"
        );
        assert_eq!(
            normal("[   10.570009] IDA: 147357 of 147357 tests passed"),
            "IDA: 147357 of 147357 tests passed"
        );
    }

    #[test]
    fn the_durations_of_test_bpf_do_not_count_and_whether_it_was_compiled_does() {
        assert_eq!(
            normal("[    8.315550] test_bpf: #0 TAX jited:0 487 308 306 PASS"),
            "test_bpf: #0 TAX jited:0 N N N PASS"
        );
    }

    #[test]
    fn addresses_do_not_count() {
        assert_eq!(
            normal(
                "[   13.441935] Unable to handle kernel execute from non-executable memory at virtual address ffffffc0085d7308"
            ),
            "Unable to handle kernel execute from non-executable memory at virtual address ADDR"
        );
        assert_eq!(
            normal("[    4.178121] RIP: 0010:0xffff88800325fda0"),
            "RIP: 0010:ADDR"
        );
        assert_eq!(normal("[   13.522112] pc : 0x7fad05c000"), "pc : ADDR");
        // The null pointer is the same in every build.
        assert_eq!(normal("[   13.540199] pc : 0x0"), "pc : 0x0");
        assert_eq!(
            normal("[    4.177577] #PF: error_code(0x0011) - permissions violation"),
            "#PF: error_code(0x0011) - permissions violation"
        );
    }

    #[test]
    fn oopses_are_not_counted() {
        assert_eq!(
            normal("[    1.5] general protection fault: 0000 [#3] SMP PTI"),
            "general protection fault: 0000 SMP PTI"
        );
    }

    #[test]
    fn functions_have_their_names_of_the_source() {
        assert_eq!(
            normal(
                "[    4.084426] WARNING: CPU: 1 PID: 118 at drivers/misc/lkdtm/bugs.c:83 lkdtm_WARNING+0x12/0x20 [lkdtm]"
            ),
            "WARNING: CPU: N PID: N at drivers/misc/lkdtm/bugs.c:83 lkdtm_WARNING [lkdtm]"
        );
        assert_eq!(
            normal("[    4.102143] RIP: 0010:lkdtm_BUG.llvm.1187430021+0x5/0x10 [lkdtm]"),
            "RIP: 0010:lkdtm_BUG [lkdtm]"
        );
        assert_eq!(without_lto_suffix("seq_show.llvm.98"), "seq_show");
        assert_eq!(without_lto_suffix("seq_show.98"), "seq_show");
        assert_eq!(without_lto_suffix("memcpy.cold"), "memcpy.cold");
    }

    #[test]
    fn only_a_time_at_the_beginning_is_one() {
        assert_eq!(without_time("[    0.1] [drm] ready"), "[drm] ready");
        assert_eq!(
            without_time("[<0>] seq_read+0x1/0x2"),
            "[<0>] seq_read+0x1/0x2"
        );
        assert_eq!(without_time("[drm] ready"), "[drm] ready");
    }
}
