// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels built by every supported LLVM that Debian packages: they build, boot and pass verify.

use std::path::Path;

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::process::{self, End};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Outcome, llvm, progress, setup};
use xshell::cmd;

use super::rebuild::copy_objtree;
use super::{PROFILE, expect};

/// The options of `cargo xtask demo` for each kernel.
const MODES: [&[&str]; 3] = [&["--lto", "thin"], &DISTRIBUTED, &["--lto", "full"]];

/// Its bitcode is that of the kernel before.
const DISTRIBUTED: [&str; 3] = ["--lto", "thin-dist", "--drop"];

pub fn arm64<const VERSION: u32>(workdir: &Path) -> Outcome {
    demonstrate(workdir, VERSION, Arch::Arm64)
}

pub fn x86_64<const VERSION: u32>(workdir: &Path) -> Outcome {
    demonstrate(workdir, VERSION, Arch::X86_64)
}

/// Runs the demo of each mode with this LLVM. The environment chooses the LLVM, so each demo is a process.
fn demonstrate(workdir: &Path, version: u32, arch: Arch) -> Outcome {
    let tools = setup::ensure_llvm(version)?;
    let program = std::env::current_exe().context("the path of this program")?;
    let sh = process::shell()?;
    let workdir = &workdir.join(format!("llvm-{version}"));
    for mode in MODES {
        let (arch_name, profile) = (arch.name(), PROFILE.name());
        if *mode == DISTRIBUTED {
            start_from_thin(workdir, arch)?;
        }
        let demo = cmd!(
            sh,
            "{program} demo --arch {arch_name} --profile {profile} {mode...} --no-measure --workdir {workdir}"
        );
        let demo = demo.env(llvm::VARIABLE, &tools);
        let mut lines = Vec::new();
        let end = process::follow(demo.into(), None, |line| {
            progress::note(line);
            lines.push(line.to_owned());
            Ok(())
        })?;
        let is_good = matches!(end, End::Exited(status) if status.success());
        expect(
            is_good && lines.iter().any(|line| line == "demo: ok"),
            || {
                let said = process::last_lines(&lines.join("\n"));
                format!(
                    "LLVM {version}, {}: demo {}:\n{said}",
                    arch.name(),
                    mode.join(" ")
                )
            },
        )?;
    }
    Ok(())
}

/// Makes a kernel of distributed thin LTO begin with the bitcode of thin LTO, which saves compiling it again.
fn start_from_thin(workdir: &Path, arch: Arch) -> anyhow::Result<()> {
    let thin = Variant::new(arch, PROFILE, Lto::Thin);
    let dropping = Variant {
        drops: true,
        ..Variant::new(arch, PROFILE, Lto::ThinDist)
    };
    let to = dropping.objtree(workdir);
    if to.join("vmlinux").exists() {
        return Ok(());
    }
    copy_objtree(&thin.objtree(workdir), &to)
}
