// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The layouts of records and files in the versions of LLVM.
//!
//! Source: `InstrProfData.inc` of the LLVM versions named here: `INSTR_PROF_DATA` has the fields of a record,
//! `INSTR_PROF_RAW_HEADER` those of the header of a file, `INSTR_PROF_RAW_VERSION` the number.

use crate::Error;

/// The size of a counter in bytes.
pub(crate) const COUNTER_SIZE: u64 = 8;

/// The bits of the version that say which kind of counters these are.
const KIND_BITS: u32 = 8;

/// The kind of counters that `-fprofile-generate` makes: in LLVM's own representation of the code
/// (`VARIANT_MASK_IR_PROF`).
const OF_CODE: u64 = 1 << 56;

/// Kinds that change nothing in what the counters and records are: functions always have a counter at their
/// entry (`VARIANT_MASK_INSTR_ENTRY`), and loops too (`VARIANT_MASK_INSTR_LOOP_ENTRIES`, which takes one more
/// bit of the number).
const ALLOWED: u64 = 1 << 58 | LOOP_ENTRIES;
const LOOP_ENTRIES: u64 = 1 << 55;

/// The layout of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The number of the version.
    pub version: u64,
    /// Size of a record in bytes.
    pub record_size: u64,
    /// The offset of the number of counters in a record; the numbers of recorded values follow.
    n_counters_at: usize,
    /// How many kinds of values can be recorded.
    pub n_value_kinds: u64,
    /// The offset of the size of the bitmap in a record, if this version has bitmaps and tables of virtual
    /// functions.
    bitmap_size_at: Option<usize>,
}

/// LLVM 14 to 16.
const EIGHTH: Layout = Layout {
    version: 8,
    record_size: 48,
    n_counters_at: 40,
    n_value_kinds: 2,
    bitmap_size_at: None,
};

/// LLVM 19 to 22.
const TENTH: Layout = Layout {
    version: 10,
    record_size: 64,
    n_counters_at: 48,
    n_value_kinds: 3,
    bitmap_size_at: Some(60),
};

/// The part of a record that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The distance of its first counter from the record.
    pub counters: u64,
    /// The number of its counters.
    pub n_counters: u64,
    /// Whether it has more than counters: recorded values, or a bitmap.
    pub has_more: bool,
}

/// The offset of the distance of the counters in a record, in all versions.
const COUNTERS_AT: usize = 16;

impl Layout {
    /// Returns the layout of a kernel whose `__llvm_profile_raw_version` has this value.
    pub(crate) fn of(raw_version: u64) -> Result<Self, Error> {
        let number = raw_version << KIND_BITS >> KIND_BITS & !LOOP_ENTRIES;
        let kind = raw_version & !number;
        if kind & OF_CODE == 0 || kind & !(OF_CODE | ALLOWED) != 0 {
            return Err(Error::Kind { kind });
        }
        let layouts = [EIGHTH, TENTH].into_iter();
        let mut fitting = layouts.filter(|layout| layout.version == number);
        fitting.next().ok_or(Error::Version { number })
    }

    /// Returns the record in `bytes`, which has the size of one.
    pub(crate) fn record(&self, bytes: &[u8]) -> Option<Record> {
        let number = |at: usize, size: usize| {
            let bytes = bytes.get(at..at + size)?.iter().rev();
            Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
        };
        let mut has_more = false;
        for kind in 0..self.n_value_kinds as usize {
            has_more |= number(self.n_counters_at + 4 + 2 * kind, 2)? != 0;
        }
        if let Some(at) = self.bitmap_size_at {
            has_more |= number(at, 4)? != 0;
        }
        Some(Record {
            counters: number(COUNTERS_AT, 8)?,
            n_counters: number(self.n_counters_at, 4)?,
            has_more,
        })
    }

    /// Returns the records in `records`, each with the place of its first counter among all counters, if it has one
    /// among `counters_size` bytes. `counters_from_records` is the distance of the first counter from the first record
    /// in memory.
    pub(crate) fn records(
        self,
        records: &[u8],
        counters_from_records: u64,
        counters_size: u64,
    ) -> impl Iterator<Item = (Option<u64>, Record)> {
        let size = self.record_size;
        let records = records.chunks_exact(size as usize).zip(0_u64..);
        records.filter_map(move |(bytes, index)| {
            let record = self.record(bytes)?;
            let from_first = record.counters.wrapping_add(index * size);
            let offset = from_first.wrapping_sub(counters_from_records);
            let is_counter = offset < counters_size && offset.is_multiple_of(COUNTER_SIZE);
            Some((is_counter.then_some(offset / COUNTER_SIZE), record))
        })
    }

    /// Returns the number of `records` with a counter above zero.
    pub(crate) fn n_executed(
        self,
        records: &[u8],
        counters: &[u8],
        counters_from_records: u64,
    ) -> u64 {
        let is_executed = |first: u64, n: u64| {
            let place = |counter: u64| usize::try_from(counter.checked_mul(COUNTER_SIZE)?).ok();
            let bytes = place(first).zip(first.checked_add(n).and_then(place));
            let bytes = bytes.and_then(|(start, end)| counters.get(start..end));
            bytes.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0))
        };
        let records = self.records(records, counters_from_records, counters.len() as u64);
        let executed = records.filter(|(first, record)| {
            first.is_some_and(|first| is_executed(first, record.n_counters))
        });
        executed.count() as u64
    }

    /// The place of the size of the identification among the words of a header.
    pub(crate) const IDS_SIZE: usize = 2;

    /// Returns the values in the words of a header, and the size of the identification.
    pub(crate) fn header_of(&self, words: &[u64]) -> (Header, u64) {
        let word = |place: usize| words.get(place).copied().unwrap_or_default();
        // Version 10 has the size of bitmaps before, and their distance behind the distance of the counters.
        let names_size_at = if self.bitmap_size_at.is_some() { 9 } else { 7 };
        let names_at = if self.bitmap_size_at.is_some() { 12 } else { 9 };
        let header = Header {
            raw_version: word(1),
            n_records: word(3),
            n_counters: word(5),
            names_size: word(names_size_at),
            counters_from_records: word(names_size_at + 1),
            names_address: word(names_at),
        };
        (header, word(Self::IDS_SIZE))
    }

    /// Returns the header of a file as the words that it consists of.
    pub(crate) fn header(&self, file: &Header) -> Vec<u64> {
        let Header {
            raw_version,
            n_records,
            n_counters,
            names_size,
            counters_from_records,
            names_address,
        } = *file;
        // The identification of the program, which may be left out, would be behind the version.
        let mut words = vec![MAGIC, raw_version, 0, n_records];
        // Paddings before and after the counters.
        words.extend([0, n_counters, 0]);
        if self.bitmap_size_at.is_some() {
            words.extend([0, 0]);
        }
        words.extend([names_size, counters_from_records]);
        if self.bitmap_size_at.is_some() {
            words.push(0);
        }
        words.push(names_address);
        if self.bitmap_size_at.is_some() {
            words.extend([0, 0]);
        }
        // The last kind of values.
        words.push(self.n_value_kinds - 1);
        words
    }
}

/// The first word of a file with 64-bit addresses: `\xfflprofr\x81`.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"\xfflprofr\x81");

/// The values in the header of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The version and kind, as in `__llvm_profile_raw_version`.
    pub raw_version: u64,
    pub n_records: u64,
    pub n_counters: u64,
    /// The size of the names, in bytes.
    pub names_size: u64,
    /// The distance of the counters from the records in memory.
    pub counters_from_records: u64,
    pub names_address: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_versions_have_a_layout() {
        assert_eq!(Layout::of(OF_CODE | EIGHTH.version).unwrap(), EIGHTH);
        assert_eq!(Layout::of(OF_CODE | TENTH.version).unwrap(), TENTH);
        assert_eq!(
            Layout::of(OF_CODE | ALLOWED | TENTH.version).unwrap(),
            TENTH
        );
    }

    #[test]
    fn headers_have_the_fields_of_their_version() {
        let header = Header {
            raw_version: 1,
            n_records: 2,
            n_counters: 3,
            names_size: 4,
            counters_from_records: 5,
            names_address: 6,
        };
        for layout in [EIGHTH, TENTH] {
            assert_eq!(layout.header_of(&layout.header(&header)), (header, 0));
        }
        let magic = 0xff6c_7072_6f66_7281;
        assert_eq!(
            EIGHTH.header(&header),
            [magic, 1, 0, 2, 0, 3, 0, 4, 5, 6, 1]
        );
        let tenth = [magic, 1, 0, 2, 0, 3, 0, 0, 0, 4, 5, 0, 6, 0, 0, 2];
        assert_eq!(TENTH.header(&header), tenth);
    }

    #[test]
    fn unknown_versions_are_refused_by_number() {
        for number in [0, 7, 9, 11] {
            let error = Layout::of(OF_CODE | number).unwrap_err().to_string();
            assert!(error.contains(&format!("version {number} of")), "{error}");
        }
    }

    #[test]
    fn other_kinds_of_counters_are_refused() {
        // Of the source (-fprofile-instr-generate), of contexts, of single bytes.
        for kind in [0, OF_CODE | 1 << 57, OF_CODE | 1 << 60, OF_CODE | 1 << 63] {
            assert!(matches!(
                Layout::of(kind | TENTH.version),
                Err(Error::Kind { .. })
            ));
        }
    }
}
