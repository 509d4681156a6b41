// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds a kernel by a profile, in all steps, and compares it with the same kernel without the profile and with the
//! one without LTO.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::runtime::rows::Row;
use kernel_lab::runtime::table::percent;
use kernel_lab::runtime::{Meter, Runtime, Set, TIME, Workload, workloads};
use kernel_lab::variant::{Variant, file_size, object_size};
use kernel_lab::{Failure, Outcome, boot};
use lto_lab::Lab;

use crate::dropping::ratio;
use crate::profile::{self, Trained};

/// The work that the profile contains, and work that it does not contain.
const SETS: [Set; 2] = [Set::Training, Set::Test];

/// The columns of the table.
const HEADER: [&str; 6] = [
    "kernel",
    "text and data of vmlinux.o",
    "image",
    "instructions, training set",
    "instructions, test set",
    "modules loaded",
];

/// The kernels, the one without LTO first and the one by the profile last.
pub struct Guided(Vec<Kernel>);

/// A kernel that was built, booted and measured.
struct Kernel {
    title: String,
    object: u64,
    image: u64,
    runtime: Runtime,
    /// The numbers of modules that were loaded, and of all.
    modules: (usize, usize),
    faults: Vec<String>,
}

/// Builds a kernel that counts, makes a profile of it with the training set, builds the kernel `variant` by the
/// profile, the same without the profile and the same without LTO, and boots and measures them.
///
/// # Errors
/// A step cannot run; as a fault, a kernel cannot be built or measured. Findings of the checks are in the result.
pub fn demonstrate(lab: &Lab, variant: Variant) -> Result<Guided, Failure> {
    let timeout = Duration::from_secs(TIME);
    let by_profile = Row::of(variant, true);
    let Trained { profile, .. } = profile::of_training(lab, &by_profile, timeout)?;
    let mut rows = vec![Row::of(variant.without_lto(), false)];
    if variant.lto != Lto::None {
        rows.push(Row::of(variant, false));
    }
    rows.push(by_profile);
    let meter = Meter::new(variant.arch, timeout)?;
    let work = workloads(variant.arch, &SETS, None)?;
    let kernel = |row: &Row| {
        let objtree = lab.row(row, row.by_profile.then_some(&*profile))?;
        Kernel::of(row, &objtree, &meter, &work)
    };
    Ok(Guided(rows.iter().map(kernel).collect::<Result<_, _>>()?))
}

impl Kernel {
    fn of(row: &Row, objtree: &Path, meter: &Meter, work: &[Workload]) -> Result<Self, Failure> {
        let boot = boot::boot_built(row.variant.arch, objtree)?;
        let runtime = meter.measure(objtree, work)?;
        let verified = kernel_checks::verify(objtree, None)?;
        let mut faults = boot.problems();
        faults.extend(runtime.unfinished());
        faults.extend(verified.faults());
        let image = row.variant.arch.built_image(objtree)?;
        let object = object_size(objtree)?;
        Ok(Self {
            title: row.title(),
            object: object.with_context(|| format!("{}: no vmlinux.o", objtree.display()))?,
            image: file_size(&image)?,
            runtime,
            modules: (boot.loaded(), boot.modules.len()),
            faults,
        })
    }

    /// Returns the mean ratio of the instructions of a set, if both kernels can do any of its work.
    fn ratio(&self, set: Set, base: &Self) -> anyhow::Result<Option<f64>> {
        let measured = self.runtime.set_of(set, &self.runtime)?;
        let other = self.runtime.set_of(set, &base.runtime)?;
        Ok(measured.ratios(other, |counts| counts.kernel)?.mean())
    }
}

impl Guided {
    /// Returns the table: a line for each kernel, compared with the first.
    ///
    /// # Errors
    /// The kernels did not do the same work.
    pub fn cells(&self) -> anyhow::Result<Vec<[String; 6]>> {
        let mut lines = vec![HEADER.map(str::to_owned)];
        let Some(base) = self.0.first() else {
            return Ok(lines);
        };
        for kernel in &self.0 {
            let executed = SETS.map(|set| kernel.ratio(set, base));
            let [training, test] = executed;
            let (loaded, all) = kernel.modules;
            lines.push([
                kernel.title.clone(),
                compared(kernel.object, base.object),
                compared(kernel.image, base.image),
                percent(training?),
                percent(test?),
                format!("{loaded} of {all}"),
            ]);
        }
        Ok(lines)
    }

    /// Checks that no kernel has a fault, and that the profile saves instructions for the work that it contains.
    ///
    /// # Errors
    /// A fault that names all of them.
    pub fn judge(&self) -> Outcome {
        let mut faults: Vec<String> = self
            .0
            .iter()
            .flat_map(|kernel| {
                kernel
                    .faults
                    .iter()
                    .map(|fault| format!("{}: {fault}", kernel.title))
            })
            .collect();
        if let [.., without, by_profile] = &self.0[..] {
            let ratio = by_profile.ratio(Set::Training, without)?;
            faults.extend(no_gain(&by_profile.title, ratio));
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::Fault(anyhow::Error::msg(faults.join("\n"))))
    }
}

/// Returns a fault, unless the ratio to the kernel without the profile is below one.
fn no_gain(title: &str, ratio: Option<f64>) -> Option<String> {
    match ratio {
        Some(ratio) if ratio < 1.0 => None,
        Some(_) => Some(format!(
            "{title}: executes {} instructions for the work of its own profile",
            percent(ratio)
        )),
        None => Some(format!(
            "{title}: this configuration supports no work of the training set, so there is nothing to learn; choose \
             another one with `--profile`"
        )),
    }
}

fn compared(size: u64, base: u64) -> String {
    format!("{size} ({})", percent(Some(ratio(size, base))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_compared_with_the_first_kernel() {
        assert_eq!(compared(983, 1000), "983 (-1.70 %)");
        assert_eq!(percent(None), "not in both");
    }

    #[test]
    fn a_profile_that_saves_nothing_is_a_fault() {
        assert_eq!(no_gain("kernel", Some(0.9)), None);
        for (ratio, percent) in [(1.0, "+0.00 %"), (1.2, "+20.00 %")] {
            let fault = no_gain("kernel", Some(ratio)).expect("a fault");
            let expected = format!("kernel: executes {percent} instructions");
            assert!(fault.starts_with(&expected), "{fault}");
        }
        let fault = no_gain("kernel", None).expect("a fault");
        assert!(
            fault.ends_with("choose another one with `--profile`"),
            "{fault}"
        );
    }
}
