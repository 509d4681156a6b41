// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files as the compiler's run time writes them (`.profraw`), which a kernel writes itself.
//!
//! A file has one part or more, each of a program or, here, of vmlinux or a module: a header of words, the identification
//! of the program, records, counters and names, all padded to 8 bytes. (Source: `INSTR_PROF_RAW_HEADER` in LLVM's
//! `InstrProfData.inc`.) A kernel identifies all parts by the build ID of its vmlinux.

use object_model::BuildId;

use crate::layout::{COUNTER_SIZE, Header, Layout, MAGIC};
use crate::{CountingKernel, Error, ProfrawError};

/// The size of a word.
const WORD: usize = 8;

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profraw {
    /// The build ID of the kernel that wrote the file.
    pub build_id: BuildId,
    /// The number of its parts.
    pub n_parts: usize,
    /// The number of functions that count.
    pub n_functions: u64,
    /// The number of functions that were executed.
    pub n_executed: u64,
}

impl Profraw {
    /// Returns whether a file with this content has the format, whole or not.
    pub fn is_one(content: &[u8]) -> bool {
        content.starts_with(&MAGIC.to_le_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is no such file, of an unknown version, not whole, or does not say of which kernel it is.
    pub fn parse(content: &[u8]) -> Result<Self, ProfrawError> {
        let mut rest = Reader(content);
        let mut parts = Vec::new();
        while !rest.0.is_empty() {
            let index = parts.len();
            parts.push(Part::parse(&mut rest, index)?);
        }
        let first = parts.first().ok_or(ProfrawError::Format { part: 0 })?;
        let build_id = first.build_id.clone();
        let mut others = parts.iter().zip(0..);
        if let Some((_, part)) = others.find(|(part, _)| part.build_id != build_id) {
            return Err(ProfrawError::Kernels { part });
        }
        Ok(Self {
            build_id,
            n_parts: parts.len(),
            n_functions: parts.iter().map(|part| part.n_functions).sum(),
            n_executed: parts.iter().map(|part| part.n_executed).sum(),
        })
    }

    /// Checks that this kernel wrote the file.
    ///
    /// # Errors
    /// Another kernel did.
    pub fn check(&self, kernel: &CountingKernel) -> Result<(), Error> {
        if self.build_id != kernel.build_id {
            return Err(Error::OtherKernel {
                kernel: kernel.build_id.clone(),
                raw: self.build_id.clone(),
            });
        }
        Ok(())
    }
}

/// A part of a file.
struct Part {
    build_id: BuildId,
    n_functions: u64,
    n_executed: u64,
}

impl Part {
    /// Reads the first of the parts in `rest`, and takes it away.
    fn parse(rest: &mut Reader, part: usize) -> Result<Self, ProfrawError> {
        let truncated = || ProfrawError::Truncated { part };
        let mut peek = Reader(rest.0);
        let is_magic = peek.word() == Some(MAGIC);
        if !is_magic {
            return Err(ProfrawError::Format { part });
        }
        let raw_version = peek.word().ok_or_else(truncated)?;
        let of_part = |error| ProfrawError::Header { part, error };
        let layout = Layout::of(raw_version).map_err(of_part)?;
        let n_words = layout.header(&Header::default()).len();
        let mut words = Vec::new();
        for _ in 0..n_words {
            words.push(rest.word().ok_or_else(truncated)?);
        }
        let (header, ids_size) = layout.header_of(&words);
        let mut expected = layout.header(&header);
        if let Some(word) = expected.get_mut(Layout::IDS_SIZE) {
            *word = ids_size;
        }
        if words != expected {
            return Err(ProfrawError::More { part });
        }
        let mut take = |n: u64, size: u64| {
            let bytes = n.checked_mul(size).and_then(|size| rest.padded(size));
            bytes.ok_or_else(truncated)
        };
        let ids = take(ids_size, 1)?;
        let records = take(header.n_records, layout.record_size)?;
        let counters = take(header.n_counters, COUNTER_SIZE)?;
        take(header.names_size, 1)?;
        Ok(Self {
            build_id: build_id(ids).ok_or(ProfrawError::NoBuildId { part })?,
            n_functions: header.n_records,
            n_executed: layout.n_executed(records, counters, header.counters_from_records),
        })
    }
}

/// Returns the first identification: its size, and its bytes.
fn build_id(ids: &[u8]) -> Option<BuildId> {
    let mut ids = Reader(ids);
    let size = ids.word()?;
    BuildId::from_bytes(ids.0.get(..usize::try_from(size).ok()?)?)
}

/// Bytes that are read from the start.
struct Reader<'data>(&'data [u8]);

impl<'data> Reader<'data> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// Takes `size` bytes, and the padding behind them.
    fn padded(&mut self, size: u64) -> Option<&'data [u8]> {
        let size = usize::try_from(size).ok()?;
        let (all, rest) = self
            .0
            .split_at_checked(size.checked_next_multiple_of(WORD)?)?;
        self.0 = rest;
        all.get(..size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part of version 8 with two functions, of which one was executed; its names take 5 bytes.
    fn part(id: &[u8]) -> Vec<u8> {
        let layout = Layout::of(1 << 56 | 8).expect("known");
        let header = Header {
            raw_version: 1 << 56 | 8,
            n_records: 2,
            n_counters: 3,
            names_size: 5,
            counters_from_records: 96,
            names_address: 77,
        };
        let mut words = layout.header(&header);
        words[2] = (8 + id.len().next_multiple_of(8)) as u64;
        words.push(id.len() as u64);
        let mut file: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        file.extend_from_slice(id);
        file.resize(file.len().next_multiple_of(8), 0);
        // One has the first two counters, the other the last. Records: hashes, distance, two
        // addresses, number of counters.
        for (distance, n) in [(96_u64, 2_u64), (96 - 48 + 16, 1)] {
            for word in [1, 2, distance, 0, 0, n] {
                file.extend(word.to_le_bytes());
            }
        }
        for counter in [0_u64, 0, 9] {
            file.extend(counter.to_le_bytes());
        }
        file.extend(b"names\0\0\0");
        file
    }

    #[test]
    fn parts_are_added_up() {
        let file = [part(&[1, 2, 3]), part(&[1, 2, 3])].concat();
        assert!(Profraw::is_one(&file));
        let expected = Profraw {
            build_id: BuildId::from_hex("010203").expect("digits"),
            n_parts: 2,
            n_functions: 4,
            n_executed: 2,
        };
        assert_eq!(Profraw::parse(&file), Ok(expected));
    }

    #[test]
    fn a_file_that_ends_too_early_is_refused() {
        let file = part(&[1; 20]);
        for n in 0..file.len() {
            assert!(Profraw::parse(&file[..n]).is_err(), "{n} bytes");
        }
        let longer = [&file[..], b"more"].concat();
        let error = Profraw::parse(&longer).unwrap_err();
        assert_eq!(error, ProfrawError::Format { part: 1 });
    }

    #[test]
    fn a_part_of_another_kernel_is_refused() {
        let file = [part(&[1; 20]), part(&[2; 20])].concat();
        let error = Profraw::parse(&file).unwrap_err();
        assert_eq!(error, ProfrawError::Kernels { part: 1 });
        let error = Profraw::parse(&part(&[])).unwrap_err();
        assert_eq!(error, ProfrawError::NoBuildId { part: 0 });
    }

    #[test]
    fn parts_that_are_not_known_are_refused() {
        let mut file = part(&[1; 20]);
        // Padding before the counters.
        file[4 * 8] = 8;
        assert_eq!(Profraw::parse(&file), Err(ProfrawError::More { part: 0 }));
        let mut file = part(&[1; 20]);
        file[8] = 9;
        let error = Profraw::parse(&file).unwrap_err().to_string();
        assert!(error.contains("version 9 of"), "{error}");
    }
}
