// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Shows the instructions that `cargo xtask bench runtime` counted beside the sizes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Read;
use super::attribution::Attributed;

/// The instructions executed by a build, and by the one to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The sets of kernel work that were run.
    pub sets: Vec<&'static str>,
    /// All instructions of the kernel.
    #[serde(flatten)]
    pub executed: Executed,
    /// Instructions outside of vmlinux's symbols, most of them in modules.
    pub elsewhere: Executed,
}

/// Instructions in both builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Executed {
    /// Instructions.
    pub instructions: u64,
    /// Instructions in the other build, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions_against: Option<u64>,
}

/// The counts of a run of a kernel: the number of executed instructions by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The sets of kernel work that were run.
    pub sets: Vec<&'static str>,
    /// The counts of the kernel.
    pub addresses: BTreeMap<u64, u64>,
    /// The counts of the kernel to compare with, for the same work.
    pub against: Option<BTreeMap<u64, u64>>,
}

/// Adds the executed instructions to the symbols of a build and of the one to compare with. Does
/// nothing unless all of these builds were measured.
pub fn add(
    (read, attributed): (&Read, &mut Attributed),
    against: Option<(&Read, &mut Attributed)>,
    counted: Option<&Counted>,
) -> Option<Total> {
    let Counted {
        sets,
        addresses,
        against: addresses_against,
    } = counted?;
    if against.is_some() != addresses_against.is_some() {
        return None;
    }
    let add = |read: &Read, attributed: &mut Attributed, addresses: &BTreeMap<u64, u64>| {
        let vmlinux = &read.tree.vmlinux;
        let elsewhere = attributed.add_executed(vmlinux, read.inputs.objects(), addresses);
        (addresses.values().sum(), elsewhere)
    };
    let (executed, elsewhere) = add(read, attributed, addresses);
    let other = against.zip(addresses_against.as_ref());
    let other = other.map(|((read, attributed), addresses)| add(read, attributed, addresses));
    let (executed_other, elsewhere_other): (Option<u64>, Option<u64>) = other.unzip();
    Some(Total {
        sets: sets.clone(),
        executed: Executed {
            instructions: executed,
            instructions_against: executed_other,
        },
        elsewhere: Executed {
            instructions: elsewhere,
            instructions_against: elsewhere_other,
        },
    })
}
