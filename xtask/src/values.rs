// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Values of arguments, with the lab's names and their text in `--help`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use kernel_lab::config::{Lto, Profile};
use kernel_lab::runtime::Set;
use kernel_lab::runtime::rows::VERSIONS;
use kernel_lab::{Arch, KERNEL};

/// The format of a result.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Returns a parser of an architecture.
pub fn arch() -> impl TypedValueParser<Value = Arch> {
    one_of(&Arch::ALL, Arch::name, |arch| match arch {
        Arch::Arm64 => "64-bit Arm",
        Arch::X86_64 => "64-bit x86",
    })
}

/// Returns a parser of a profile.
pub fn profile() -> impl TypedValueParser<Value = Profile> {
    one_of(&Profile::ALL, Profile::name, |profile| match profile {
        Profile::Ci => "Builds in a few minutes, with every kind of code that LTO can break",
        Profile::Wide => "Many subsystems and modules",
        Profile::Defconfig => {
            "The architecture's defconfig, with the options for booting and testing it"
        }
        Profile::Tiny => "Tinyconfig, with the options for booting it and loading a module",
    })
}

/// Returns a parser of a kind of link time optimization.
pub fn lto() -> impl TypedValueParser<Value = Lto> {
    one_of(&Lto::ALL, Lto::name, |lto| match lto {
        Lto::None => "No link time optimization",
        Lto::Thin => "Thin LTO: a summary of the whole program, and parallel code generation",
        Lto::ThinDist => "Distributed thin LTO: make generates the code, object by object",
        Lto::Full => "Full LTO: the whole program as one module",
    })
}

/// Returns a parser of a kernel version that has results pages.
pub fn measured_version() -> impl TypedValueParser<Value = &'static str> {
    one_of(
        &VERSIONS,
        |version| version,
        |version| match version {
            KERNEL => "LTO by the plugins",
            _ => "LTO of its own, and dropping by the plugins",
        },
    )
}

/// The sets that `--set` takes. [`Set::Own`] is not among them, because only `--workload` names its file.
const SETS: [Set; 5] = [
    Set::Training,
    Set::Test,
    Set::Shell,
    Set::Compute,
    Set::Foreign,
];

/// Returns a parser of a set of kernel work.
pub fn set() -> impl TypedValueParser<Value = Set> {
    one_of(&SETS, Set::name, |set| match set {
        Set::Training => "Kinds of kernel work that may be used to record a profile",
        Set::Test => "Other system calls and subsystems",
        Set::Shell => "Programs of busybox, in a shell",
        Set::Compute => "Work that only computes",
        Set::Foreign => "Programs of Debian's packages",
        Set::Own => "The program or script of --workload",
    })
}

fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
    help: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let value = |value: &T| PossibleValue::new(name(*value)).help(help(*value));
    let values: Vec<PossibleValue> = all.iter().map(value).collect();
    PossibleValuesParser::new(values).try_map(move |text| {
        let mut all = all.iter().copied();
        all.find(|value| name(*value) == text)
            .ok_or("no such value")
    })
}
