// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes a file for llvm-profdata of a kernel and its counters.

use crate::layout::Header;
use crate::{CountingKernel, Error, Raw};

/// A file for llvm-profdata, and what it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The content of the file (`.profraw`).
    pub profraw: Vec<u8>,
    /// The number of functions that count.
    pub n_functions: u64,
    /// The number of functions that were executed.
    pub n_executed: u64,
}

/// Joins what was read from the memory of `kernel` with the descriptions in its file.
///
/// # Errors
/// `raw` is of another kernel, or nothing was executed.
pub fn collect(kernel: &CountingKernel, raw: &Raw) -> Result<Collected, Error> {
    if raw.build_id != kernel.build_id {
        return Err(Error::OtherKernel {
            kernel: kernel.build_id.clone(),
            raw: raw.build_id.clone(),
        });
    }
    let found = raw.counters.len() as u64;
    if found != kernel.counters.size {
        return Err(Error::CountersSize {
            kernel: kernel.counters.size,
            raw: found,
        });
    }
    let (records, distance) = (kernel.records.bytes, kernel.counters_from_records());
    let n_executed = kernel.layout.n_executed(records, raw.counters, distance);
    if n_executed == 0 {
        return Err(Error::NothingExecuted);
    }
    Ok(Collected {
        profraw: profraw(kernel, raw),
        n_functions: kernel.n_records(),
        n_executed,
    })
}

fn profraw(kernel: &CountingKernel, raw: &Raw) -> Vec<u8> {
    let header = kernel.layout.header(&Header {
        raw_version: kernel.raw_version,
        n_records: kernel.n_records(),
        n_counters: kernel.n_counters(),
        names_size: kernel.names.memory.size,
        counters_from_records: kernel.counters_from_records(),
        names_address: kernel.names.memory.address,
    });
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    file.extend_from_slice(kernel.records.bytes);
    file.extend_from_slice(raw.counters);
    file.extend_from_slice(kernel.names.bytes);
    // All parts but the names consist of words.
    file.resize(file.len().next_multiple_of(8), 0);
    file
}
