// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Times and amounts of memory in words, and amounts as users write them.

const KIB: f64 = 1024.0;

/// Returns an amount of memory in words, such as `1.4 GiB` or `350 MiB`.
pub fn memory_text(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded")]
    let mib = bytes as f64 / KIB / KIB;
    if mib >= KIB {
        format!("{:.1} GiB", mib / KIB)
    } else {
        format!("{mib:.0} MiB")
    }
}

/// Returns a time in words, such as `40 seconds` or `3 minutes`.
pub fn time_text(seconds: f64) -> String {
    let (number, unit) = match seconds {
        seconds if seconds < 90.0 => (seconds.round().max(1.0), "second"),
        seconds if seconds < 90.0 * 60.0 => ((seconds / 60.0).round(), "minute"),
        seconds => ((seconds / 360.0).round() / 10.0, "hour"),
    };
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// Reads an amount of memory, such as `16G`, `900M` or `1048576`: a number of bytes, or with a unit of powers of
/// 1024. Returns `None` for any other text.
pub fn read_memory(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        "T" | "TIB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_rounded_for_people() {
        assert_eq!(time_text(0.2), "1 second");
        assert_eq!(time_text(59.6), "60 seconds");
        assert_eq!(time_text(95.0), "2 minutes");
        assert_eq!(time_text(2400.0), "40 minutes");
        assert_eq!(time_text(5400.0), "1.5 hours");
        assert_eq!(memory_text(350 << 20), "350 MiB");
        assert_eq!(memory_text(35 << 30), "35.0 GiB");
    }

    #[test]
    fn amounts_are_read_with_and_without_a_unit() {
        assert_eq!(read_memory("4096"), Some(4096));
        assert_eq!(read_memory(" 16G\n"), Some(16 << 30));
        assert_eq!(read_memory("3MiB"), Some(3 << 20));
        for text in [
            "",
            "G",
            "1.5G",
            "-1",
            "4X",
            "99999999999999999999",
            "99999999999T",
        ] {
            assert_eq!(read_memory(text), None, "{text}");
        }
    }
}
