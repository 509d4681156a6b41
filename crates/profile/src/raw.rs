// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The file with the counters that were read from a kernel's memory.
//!
//! It begins with three lines of text: the name and version of the format, the build ID of the kernel, and the
//! size of the counters in bytes. An empty line follows, and then the counters as they were in memory.

use object_model::BuildId;

use crate::RawError;

/// The first line.
const FORMAT: &str = "kbuild-lto counters 1";

/// The longest beginning of a file up to the counters, in bytes; build IDs are much shorter.
const LONGEST_HEAD: usize = 4096;

/// Counters that were read from a kernel's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw<'data> {
    /// The build ID that was in the memory of the same kernel.
    pub build_id: BuildId,
    /// The counters.
    pub counters: &'data [u8],
}

impl<'data> Raw<'data> {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no such file, or ends too early.
    pub fn parse(content: &'data [u8]) -> Result<Self, RawError> {
        let mut head_end = content.windows(2).take(LONGEST_HEAD);
        let head_end = head_end.position(|pair| pair == b"\n\n");
        let is_ours = content.starts_with(FORMAT.as_bytes());
        let Some(head_end) = head_end.filter(|_| is_ours) else {
            return Err(RawError::Format);
        };
        let (head, counters) = content.split_at(head_end);
        let counters = counters.get(2..).unwrap_or_default();
        let head = str::from_utf8(head).map_err(|_| RawError::Format)?;
        let mut lines = head.lines();
        if lines.next() != Some(FORMAT) {
            return Err(RawError::Format);
        }
        let mut value = |name: &'static str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            line.and_then(|line| line.strip_prefix(' '))
                .ok_or(RawError::Head { name })
        };
        let build_id = BuildId::from_hex(value("build-id")?);
        let build_id = build_id.ok_or(RawError::Head { name: "build-id" })?;
        let size: Option<u64> = value("size")?.parse().ok();
        let size = size.ok_or(RawError::Head { name: "size" })?;
        let found = counters.len() as u64;
        if found != size {
            return Err(RawError::Size { size, found });
        }
        Ok(Self { build_id, counters })
    }

    /// Returns the content of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { build_id, counters } = self;
        let size = counters.len();
        let mut content = format!("{FORMAT}\nbuild-id {build_id}\nsize {size}\n\n").into_bytes();
        content.extend_from_slice(counters);
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> Raw<'static> {
        Raw {
            build_id: BuildId::from_hex("00ff12").expect("digits"),
            counters: b"\n\n\0\x01counters",
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let content = raw().to_bytes();
        assert!(content.starts_with(b"kbuild-lto counters 1\nbuild-id 00ff12\nsize 12\n\n"));
        assert_eq!(Raw::parse(&content).unwrap(), raw());
    }

    #[test]
    fn a_file_that_ends_too_early_is_refused() {
        let content = raw().to_bytes();
        for n in 0..content.len() {
            assert!(Raw::parse(&content[..n]).is_err(), "{n} bytes");
        }
        let longer = [&content[..], b"x"].concat();
        let error = RawError::Size {
            size: 12,
            found: 13,
        };
        assert_eq!(Raw::parse(&longer).unwrap_err(), error);
    }

    #[test]
    fn another_file_is_refused() {
        let content = String::from_utf8(raw().to_bytes()).unwrap();
        for (from, to) in [
            ("counters 1", "counters 2"),
            ("counters 1", "counters 10"),
            ("build-id ", "build-id x"),
            ("size 12", "size -12"),
            ("size", "length"),
        ] {
            let other = content.replacen(from, to, 1);
            assert!(Raw::parse(other.as_bytes()).is_err(), "{other}");
        }
        assert_eq!(Raw::parse(b"\xfflprofr\x81\n\n"), Err(RawError::Format));
    }
}
