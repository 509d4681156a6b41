// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Changes built kernels in small ways, each of which `verify` must see.

use std::collections::BTreeSet;
use std::path::Path;

use kernel_lab::config::{Lto, Profile};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Failure, Outcome, progress};
use kernel_mutations::{Seen, missed, mutations, try_all};
use walkdir::WalkDir;

use super::{ARCH, PROFILE, built_variant, expect};

/// The check of debug information, which neither of these kernels has.
const DEBUG_INFO: &str = "debug-info";

/// Makes every change of debug information in the kernel in `objtree`.
pub fn of_debug_info(objtree: &Path) -> Outcome {
    let meant: Vec<_> = mutations()
        .filter(|mutation| mutation.check == DEBUG_INFO)
        .collect();
    let tried = try_all(objtree, None, &meant)?;
    let not_seen: Vec<_> = tried
        .iter()
        .filter(|(_, seen)| *seen != Seen::Yes)
        .map(|(mutation, seen)| format!("{}: {seen:?}", mutation.change))
        .collect();
    expect(not_seen.is_empty(), || {
        format!("changes that verify did not see: {not_seen:?}")
    })
}

/// Two kernels that have, together, all that can be changed.
pub fn all_of_two_kernels(workdir: &Path) -> Outcome {
    let dropping = Variant {
        drops: true,
        ..Variant::new(ARCH, PROFILE, Lto::ThinDist)
    };
    let small = Variant::new(Arch::X86_64, Profile::Tiny, Lto::Thin);
    let mut left_out: Option<BTreeSet<&str>> = None;
    for variant in [dropping, small] {
        let objtree = built_variant(workdir, variant)?;
        let of_kernel: BTreeSet<_> = all_are_seen(&objtree, None)?.into_iter().collect();
        left_out = Some(match left_out {
            Some(left_out) => &left_out & &of_kernel,
            None => of_kernel,
        });
    }
    let mut left_out = left_out.unwrap_or_default();
    // `debug_info` changes kernels with debug information, which are large.
    for mutation in mutations().filter(|mutation| mutation.check == DEBUG_INFO) {
        left_out.remove(mutation.change);
    }
    expect(left_out.is_empty(), || {
        format!("changes that neither kernel has anything for: {left_out:?}")
    })
}

/// Every kernel that the tests before have built, and that has no fault now.
pub fn every_kernel(workdir: &Path) -> Outcome {
    let mut n_kernels = 0;
    // Trees of native kernels are in folders of their own.
    for entry in WalkDir::new(workdir).max_depth(3) {
        let Ok(entry) = entry else {
            continue;
        };
        let objtree = entry.path();
        let is_kernel =
            objtree.join("include/config/auto.conf").exists() && objtree.join("vmlinux").exists();
        if !is_kernel {
            continue;
        }
        let report = kernel_checks::verify(objtree, None)?;
        // Some tests leave a tree broken, or uninstall what it was built with.
        if report.n_faults() > 0 || !report.could_not_run().is_empty() {
            progress::note(&format!(
                "{}: has faults, so it is not changed",
                objtree.display()
            ));
            continue;
        }
        progress::note(&objtree.display().to_string());
        all_are_seen(objtree, None)?;
        n_kernels += 1;
    }
    expect(n_kernels > 0, || {
        format!("{}: no built kernel without faults", workdir.display())
    })
}

/// Makes every change of the kernel in `objtree`, and returns the changes that it has nothing for.
fn all_are_seen(objtree: &Path, against: Option<&Path>) -> Result<Vec<&'static str>, Failure> {
    let all: Vec<_> = mutations().collect();
    let tried = try_all(objtree, against, &all)?;
    let missed = missed(&tried);
    expect(missed.is_empty(), || {
        let objtree = objtree.display();
        format!(
            "{objtree}: changes that verify did not see:\n{}",
            missed.join("\n")
        )
    })?;
    let left_out = tried
        .into_iter()
        .filter(|(_, seen)| *seen == Seen::NotApplicable);
    Ok(left_out.map(|(mutation, _)| mutation.change).collect())
}
