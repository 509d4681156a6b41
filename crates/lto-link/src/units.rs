// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Times and amounts of memory in words, and sizes as users write them.

const KIB: f64 = 1024.0;

/// The units of sizes, and their powers of two.
const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

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

/// Reads an amount of memory, such as `16G`, `900MiB` or `1048576`: a number of bytes, or with a unit of powers of
/// 1024. Returns `None` for any other text.
pub fn read_memory(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.len().saturating_sub("iB".len());
    let short = text.split_at_checked(end).filter(|(number, end)| {
        end.eq_ignore_ascii_case("iB") && number.ends_with(|unit: char| unit.is_ascii_alphabetic())
    });
    parse_size(short.map_or(text, |(number, _)| number)).ok()
}

/// Returns the size that `text` gives, in bytes: a number, with one of the units K, M, G and T (powers of 1024).
///
/// # Errors
/// It is no such text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit = UNITS
        .iter()
        .find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
    let digits = unit.map_or(text, |_| text.get(..text.len() - 1).unwrap_or_default());
    let shift = unit.map_or(0, |(_, shift)| *shift);
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| {
            format!("{text} is no size; it is a number of bytes, or with K, M, G, T: 5G")
        })
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

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("5G", Some(5 << 30)),
            ("300k", Some(300 << 10)),
            ("12", Some(12)),
            ("", None),
            ("G", None),
            ("5 G", None),
            ("-1", None),
            ("99999999999999T", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }
}
