// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Applies a series that is split by maintainers, and configures the tree after each patch.

use std::path::Path;

use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::{Arch, Failure, Outcome, files, process, progress};
use xshell::cmd;

use super::{expect, fault, fetch_into};

/// LTO can be chosen once the patch of the architecture is applied, and not before.
pub fn by_maintainer(workdir: &Path) -> Outcome {
    let (trees, patches) = (workdir.join("series"), workdir.join("series-patches"));
    files::remove_dir(&trees)?;
    let tree = fetch_into(&trees)?;
    let written = installer::write_series(&installer::SeriesOptions {
        tree: &tree,
        into: &patches,
        plugins: &[],
        sender: "A Tester <tester@example.org>",
        patches: installer::Patches::ByMaintainer,
    })?;
    let patches = written
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "patch"));
    let sh = process::shell_in(&tree)?;
    let mut offered: Vec<Arch> = Vec::new();
    for patch in patches {
        let patch = std::path::absolute(patch).map_err(anyhow::Error::from)?;
        let name = patch.file_name().unwrap_or_default().to_string_lossy();
        progress::note(&name);
        process::read(cmd!(
            sh,
            "patch --strip=1 --fuzz=0 --silent --input={patch}"
        ))?;
        for arch in Arch::ALL {
            let subject = match arch {
                Arch::Arm64 => "-arm64-lto-",
                Arch::X86_64 => "-x86-lto-",
            };
            if name.contains(subject) {
                offered.push(arch);
            }
            let thin = config::configure(config::Options {
                tree: &tree,
                arch,
                objtree: &trees.join(arch.name()),
                profile: Profile::Tiny,
                lto: Lto::Thin,
                set: &[],
            });
            match (offered.contains(&arch), thin) {
                (true, result) => result?,
                (false, Err(Failure::Fault(error)))
                    if error.to_string().contains("LTO_CLANG_THIN") => {}
                (false, Err(error)) => return Err(error),
                (false, Ok(())) => {
                    return Err(fault(format!("{name}: LTO is offered for {}", arch.name())));
                }
            }
        }
    }
    expect(offered == Arch::ALL, || {
        format!(
            "no patch offers LTO for all of {:?}",
            Arch::ALL.map(Arch::name)
        )
    })?;
    Ok(files::remove_dir(&trees)?)
}
