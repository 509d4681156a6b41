// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The errors of this crate.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use object_model::BuildId;

/// The reason why there is no profile of a kernel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is an object, or of an architecture that was not tried.
    #[error(
        "is no linked 64-bit little-endian kernel: give the vmlinux of the kernel that counted"
    )]
    NoKernel,
    /// It has no counters.
    #[error("has no counters: build it with LTO_PROFILE_GENERATE=y, and do not strip it")]
    CountsNothing,
    /// Its tables are not between symbols.
    #[error("{reason}: was it linked with the linker script of a tree with the plugin profile?")]
    Table {
        /// The reason: which symbol is missing.
        reason: String,
    },
    /// It has no build ID, so counters cannot be known to be its own.
    #[error("has no build ID in its .notes; link it with --build-id, as kernels are")]
    NoBuildId,
    /// Its compiler has another layout of records.
    #[error(
        "its compiler writes version {number} of raw profiles; \
         known are 8 (LLVM 14 to 16) and 10 (LLVM 19 to 22)"
    )]
    Version {
        /// The version.
        number: u64,
    },
    /// It was not compiled as the plugin does it.
    #[error("its counters are of kind {kind:#x}, and not those of -fprofile-generate")]
    Kind {
        /// The upper bits of `__llvm_profile_raw_version`.
        kind: u64,
    },
    /// Records or counters are not whole.
    #[error(
        "has {records} bytes of records, {record_size} each, and {counters} bytes of counters: \
         it is damaged, or was linked of objects of several compilers"
    )]
    Sizes {
        /// The size of all records.
        records: u64,
        /// The size of one.
        record_size: u64,
        /// The size of all counters.
        counters: u64,
    },
    /// A record refers to something other than counters.
    #[error(
        "record {index} of __llvm_prf_data has {n_counters} counters outside of __llvm_prf_cnts: \
         it is damaged, or was linked of objects of several compilers"
    )]
    Record {
        /// Its place.
        index: u64,
        /// The number of its counters.
        n_counters: u64,
    },
    /// Values are recorded as well.
    #[error(
        "record {index} of __llvm_prf_data has recorded values or a bitmap; \
         compile with -mllvm -disable-vp=true and without -fcoverage-mcdc"
    )]
    Values {
        /// Its place.
        index: u64,
    },
    /// The counters are of another kernel.
    #[error(
        "has build ID {kernel}, and the counters are of a kernel with build ID {raw}: \
         give the vmlinux of the kernel that ran"
    )]
    OtherKernel {
        /// The build ID of vmlinux.
        kernel: BuildId,
        /// The build ID in the memory that was read.
        raw: BuildId,
    },
    /// There are more or fewer counters than the kernel has.
    #[error("has {kernel} bytes of counters, and {raw} were read: read its memory again")]
    CountersSize {
        /// The size that vmlinux says.
        kernel: u64,
        /// The size that was read.
        raw: u64,
    },
    /// All counters are zero.
    #[error(
        "no counter is above zero: read the memory while the kernel runs, without KASLR (nokaslr)"
    )]
    NothingExecuted,
}

/// The reason why a file that a kernel has written cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfrawError {
    /// Something else begins where a part should.
    #[error("part {part} is not in the format of -fprofile-generate: it is damaged")]
    Format {
        /// The place of the part.
        part: usize,
    },
    /// Its version or kind is not known.
    #[error("part {part}: {error}")]
    Header {
        /// The place of the part.
        part: usize,
        /// The reason.
        error: Error,
    },
    /// A part has more than counters.
    #[error("part {part} has bitmaps, tables of virtual functions, or paddings that are not known")]
    More {
        /// The place of the part.
        part: usize,
    },
    /// It has been cut.
    #[error("part {part} is not whole: the file is truncated; copy it again")]
    Truncated {
        /// The place of the part.
        part: usize,
    },
    /// It does not say of which kernel it is.
    #[error("part {part} has no build ID: it was not written by a kernel with the plugin profile")]
    NoBuildId {
        /// The place of the part.
        part: usize,
    },
    /// It was joined of files of several kernels.
    #[error("part {part} is of another kernel than the first: give a file for each kernel")]
    Kernels {
        /// The place of the part.
        part: usize,
    },
}

/// The reason why a file has no counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// It is another file.
    #[error(
        "is not a file with counters of a kernel, as debugfs has it (lto_profile/profraw) or \
         `cargo xtask kernel profile --keep` leaves it"
    )]
    Format,
    /// A line of its beginning is missing or wrong.
    #[error("its line `{name}` is missing or damaged")]
    Head {
        /// The first word of the line.
        name: &'static str,
    },
    /// It has been cut.
    #[error("has {found} bytes of counters and says {size}: it is truncated or damaged")]
    Size {
        /// The size that it should have.
        size: u64,
        /// The size of what is there.
        found: u64,
    },
}

/// llvm-profdata made no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file for it cannot be written.
    #[error("a file for llvm-profdata cannot be written")]
    Write(#[source] io::Error),
    /// It cannot be started.
    #[error("{} cannot be started; give the one of the compiler with --llvm-profdata", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// It failed.
    #[error("{} failed ({status}); it must be of the LLVM that compiled the kernel\n{said}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Its messages.
        said: String,
    },
}
