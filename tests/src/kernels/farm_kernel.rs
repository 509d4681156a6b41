// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A farm on this machine generates the code of a whole kernel, and loses parts of itself meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use ::farm::{self, Up};
use anyhow::Context as _;
use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::runtime::image_hash;
use kernel_lab::{Arch, Outcome, files, llvm, make, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use walkdir::WalkDir;

use super::farm::start;
use super::{REPRODUCIBLE, expect, kernel_tree};

/// The number of code generations at a time.
const AT_A_TIME: &str = "LTO_REMOTE_JOBS=4";

/// The ends of the names of files with generated code, and of what is linked from it.
const FROM_CODE: [&str; 4] = [".native.o", ".ko", "vmlinux", "vmlinux.o"];

pub fn arm64_ci(workdir: &Path) -> Outcome {
    whole(workdir, Arch::Arm64, Profile::Ci)
}

pub fn arm64_wide(workdir: &Path) -> Outcome {
    whole(workdir, Arch::Arm64, Profile::Wide)
}

fn whole(workdir: &Path, arch: Arch, profile: Profile) -> Outcome {
    let run = workdir.join("farm-kernel");
    // A run that failed may have left it.
    farm::down(&run)?;
    files::remove_dir(&run)?;
    let outcome = by_farm(workdir, arch, profile, &run);
    farm::down(&run)?;
    outcome
}

fn by_farm(workdir: &Path, arch: Arch, profile: Profile, run: &Path) -> Outcome {
    let name = |by: &str| workdir.join(format!("farm-{}-{}-{by}", arch.name(), profile.name()));
    let local = Kernel::configured(workdir, arch, profile, name("local"))?;
    local.build(&llvm::bin_dir()?, None)?;
    let expected = local.digests()?;
    let kernel = Kernel::configured(workdir, arch, profile, name("farm"))?;

    let up = start(run, false)?;
    kernel.build_remotely(&llvm::bin_dir()?, &up, run)?;
    kernel.is(&expected, "by the farm")?;

    kernel.forget_code()?;
    let tools = without_code_generation(run)?;
    kernel.build_remotely(&tools, &up, run)?;
    kernel.is(
        &expected,
        "by the farm, with a clang here that generates no code",
    )?;

    // Each round needs a farm that has not executed these actions yet.
    for (victim, goes_on) in [("worker-1", true), ("server", false)] {
        farm::down(run)?;
        files::remove_dir(run)?;
        let up = start(run, false)?;
        kernel.forget_code()?;
        let said = kernel.build(&llvm::bin_dir()?, Some((&up, Some(pid(run, victim)?))))?;
        let [remote, cached, here] = counted(&said)?;
        expect(remote > 0 && cached == 0 && goes_on == (here == 0), || {
            format!("with {victim} killed: {remote} remote, {cached} cached, {here} local")
        })?;
        kernel.is(&expected, &format!("with {victim} killed"))?;
    }
    Ok(())
}

/// Returns the process of a part of the farm.
fn pid(run: &Path, part: &str) -> anyhow::Result<i32> {
    let parts = farm::status(run)?.parts.into_iter();
    let part = parts.into_iter().find(|found| found.name == part);
    Ok(part.context("no such part")?.pid)
}

/// Returns how many actions the server has counted.
fn executed(run: &Path) -> anyhow::Result<usize> {
    let text = farm::status(run)?.text;
    let words: Vec<&str> = text.split_whitespace().collect();
    let count = words.windows(3).find_map(|words| match words {
        ["actions:", count, "executed," | "executed"] => count.parse().ok(),
        _ => None,
    });
    count.with_context(|| format!("no number of actions in {text}"))
}

/// Returns the numbers of code generations in the last line of a build: remote, cached, local.
fn counted(said: &str) -> anyhow::Result<[usize; 3]> {
    let line = said.lines().rev().find_map(|line| {
        let line = line.trim().strip_prefix("LAUNCH ")?;
        let mut words = line.split_whitespace();
        let mut number = |of: &str| {
            let number = words.next()?.parse().ok()?;
            (words.next()?.trim_end_matches(',') == of).then_some(number)
        };
        Some([number("remote")?, number("cached")?, number("local")?])
    });
    line.with_context(|| format!("no line LAUNCH: {}", process::last_lines(said)))
}

/// Makes a directory with LLVM's tools, whose clang compiles but generates no code from bitcode.
fn without_code_generation(run: &Path) -> anyhow::Result<PathBuf> {
    let dir = run.join("tools");
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let tools = llvm::bin_dir()?;
    for tool in fs::read_dir(&tools).with_context(|| tools.display().to_string())? {
        let tool = tool?;
        let place = dir.join(tool.file_name());
        if tool.file_name() != "clang" {
            symlink(tool.path(), &place).with_context(|| place.display().to_string())?;
        }
    }
    let clang = dir.join("clang");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *-fthinlto-index=*) exit 1;; esac\nexec {} \"$@\"\n",
        tools.join("clang").display()
    );
    files::write(&clang, script)?;
    fs::set_permissions(&clang, fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

struct Kernel {
    arch: Arch,
    tree: PathBuf,
    objtree: PathBuf,
}

impl Kernel {
    /// Configures a kernel with distributed thin LTO, in a new object tree.
    fn configured(
        workdir: &Path,
        arch: Arch,
        profile: Profile,
        objtree: PathBuf,
    ) -> Result<Self, kernel_lab::Failure> {
        files::remove_dir(&objtree)?;
        let tree = kernel_tree(workdir)?;
        config::configure(config::Options {
            tree: &tree,
            arch,
            objtree: &objtree,
            profile,
            lto: Lto::ThinDist,
            set: &[],
        })?;
        Ok(Self {
            arch,
            tree,
            objtree,
        })
    }

    /// Builds it; on a farm, if one is given, one process of which is killed after a hundred code generations. Returns
    /// make's output.
    fn build(&self, tools: &Path, farm: Option<(&Up, Option<i32>)>) -> anyhow::Result<String> {
        let mut make = make(&self.tree, self.arch, &self.objtree, tools)?;
        make.arg(format!("-j{}", tool_io::cpus())).arg("all");
        make.args(REPRODUCIBLE);
        let Some((up, victim)) = farm else {
            return process::output(&mut make);
        };
        make.arg(format!("LTO_LAUNCHER=remote:{}", up.address))
            .arg(format!("LTO_TREXE={}", up.trexe))
            .arg(AT_A_TIME);
        let log = self.objtree.join("farm.log");
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        make.stdin(Stdio::null()).stdout(file.try_clone()?);
        let mut make = make.stderr(file).spawn().context("running make")?;
        let mut victim = victim;
        let status = loop {
            if let Some(status) = make.try_wait().context("waiting for make")? {
                break status;
            }
            if let Some(pid) = victim.filter(|_| self.n_launched() >= 100) {
                kill(Pid::from_raw(pid), Signal::SIGKILL).context("killing a part of the farm")?;
                victim = None;
            }
            sleep(Duration::from_millis(200));
        };
        let said = files::read(&log)?;
        let last = || process::last_lines(&said);
        anyhow::ensure!(status.success(), "{}: {}", log.display(), last());
        anyhow::ensure!(victim.is_none(), "nothing was killed: {}", last());
        Ok(said)
    }

    /// Returns how much code this build has generated.
    fn n_launched(&self) -> usize {
        let record = fs::read_to_string(self.objtree.join(".lto-launched"));
        record.unwrap_or_default().lines().count()
    }

    /// Builds it with all code generated by the farm, as the server counts.
    fn build_remotely(&self, tools: &Path, up: &Up, run: &Path) -> Outcome {
        let before = executed(run)?;
        let said = self.build(tools, Some((up, None)))?;
        let [remote, cached, here] = counted(&said)?;
        let executed = executed(run)? - before;
        expect(remote > 100 && [cached, here] == [0, 0], || {
            format!("{remote} remote, {cached} cached, {here} local")
        })?;
        expect(executed == remote, || {
            format!("{remote} remote, and the server has executed {executed}")
        })
    }

    /// Removes all generated code, and what was linked from it.
    fn forget_code(&self) -> anyhow::Result<()> {
        for file in WalkDir::new(&self.objtree) {
            let file = file?;
            let name = file.file_name().to_string_lossy();
            if file.file_type().is_file() && FROM_CODE.iter().any(|end| name.ends_with(end)) {
                fs::remove_file(file.path()).with_context(|| file.path().display().to_string())?;
            }
        }
        Ok(())
    }

    /// Returns the digests of the kernel and its modules.
    fn digests(&self) -> anyhow::Result<BTreeMap<PathBuf, String>> {
        let mut digests = BTreeMap::new();
        for file in WalkDir::new(&self.objtree) {
            let file = file?;
            let is_module = file.path().extension().is_some_and(|suffix| suffix == "ko");
            if is_module || file.path() == self.objtree.join("vmlinux") {
                let name = file.path().strip_prefix(&self.objtree)?.to_owned();
                digests.insert(name, image_hash(file.path())?);
            }
        }
        anyhow::ensure!(
            digests.len() > 1,
            "no modules in {}",
            self.objtree.display()
        );
        Ok(digests)
    }

    /// Checks that kernel and modules are these.
    fn is(&self, expected: &BTreeMap<PathBuf, String>, how: &str) -> Outcome {
        let found = self.digests()?;
        let other = expected.keys().chain(found.keys());
        let other = other.filter(|name| expected.get(*name) != found.get(*name));
        let other: Vec<String> = other.map(|name| name.display().to_string()).collect();
        expect(other.is_empty(), || {
            format!(
                "{}: {how}, not as built on this machine: {}",
                self.objtree.display(),
                other.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_build_has_three_numbers() {
        let said =
            "  LD vmlinux\n  LAUNCH  700 remote, 50 cached, 13 local (13: the launcher failed)\n";
        assert_eq!(counted(said).expect("a line"), [700, 50, 13]);
        assert!(counted("  LAUNCH  nothing\n").is_err());
    }
}
