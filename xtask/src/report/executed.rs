// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The instructions that `cargo xtask bench runtime` counted, beside the sizes.

use kernel_lab::runtime;
use serde::Serialize;

use super::Read;
use super::attribution::Attributed;

/// What was counted of a build, and of the one to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The sets of kernel work that were run.
    pub sets: Vec<&'static str>,
    /// All instructions of the kernel.
    #[serde(flatten)]
    pub executed: Executed,
    /// Those that are of no symbol of vmlinux: of modules above all.
    pub elsewhere: Executed,
}

/// Instructions in both builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Executed {
    /// Instructions.
    pub instructions: u64,
    /// Instructions in the other build; not without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions_against: Option<u64>,
}

/// Adds to the symbols of a build, and to those of the one to compare with, what was executed of each;
/// nothing if it was not measured, of both and with the same work.
///
/// # Errors
/// A result that cannot be read.
pub fn add(
    (read, attributed): (&Read, &mut Attributed),
    against: Option<(&Read, &mut Attributed)>,
) -> anyhow::Result<Option<Total>> {
    let Some(mut runtime) = runtime::of_built(&read.tree.root)? else {
        return Ok(None);
    };
    if let Some((other, _)) = &against {
        match runtime::of_built(&other.tree.root)? {
            Some(other) => runtime.keep_common(&other),
            None => return Ok(None),
        }
    }
    let sets: Vec<_> = runtime.sets.into_keys().collect();
    if sets.is_empty() {
        eprintln!(
            "{}: the instructions are not compared: the two builds were measured with different versions of \
             the sets, or of QEMU; run `cargo xtask bench runtime` on both",
            read.tree.root.display()
        );
        return Ok(None);
    }
    let add = |read: &Read, attributed: &mut Attributed| -> anyhow::Result<(u64, u64)> {
        let addresses = runtime::addresses(&read.tree.root, &sets)?;
        let vmlinux = &read.tree.vmlinux;
        let elsewhere = attributed.add_executed(vmlinux, read.inputs.objects(), &addresses);
        Ok((addresses.values().sum(), elsewhere))
    };
    let (executed, elsewhere) = add(read, attributed)?;
    let other = against.map(|(read, attributed)| add(read, attributed));
    let (executed_other, elsewhere_other) = other.transpose()?.unzip();
    Ok(Some(Total {
        sets: sets.iter().map(|set| set.name()).collect(),
        executed: Executed {
            instructions: executed,
            instructions_against: executed_other,
        },
        elsewhere: Executed {
            instructions: elsewhere,
            instructions_against: elsewhere_other,
        },
    }))
}
