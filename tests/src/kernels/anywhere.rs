// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds small kernels in unusual surroundings: in other places, with ccache, with debug information, without
//! modules. Builds of one configuration have the same bytes everywhere.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::mode::{Mode, WITH_LTO};
use kernel_lab::{Failure, Outcome, boot, build, files, llvm, make, process, progress};
use object_model::Elf;

use super::{ARCH, REPRODUCIBLE, expect, fault, kernel_tree};

/// The modes whose names of statics depend on the content of objects.
const THIN_MODES: [Mode; 2] = [Mode::dropping(Lto::ThinDist), Mode::dropping(Lto::Thin)];

/// The compared files of a build.
const FILES: [&str; 6] = [
    "vmlinux",
    "vmlinux.o",
    "lib/crc7.ko",
    "System.map",
    "Module.symvers",
    "arch/arm64/boot/Image",
];

/// The files of a build that are compared without their debug information.
const STRIPPED: [&str; 2] = ["vmlinux", "lib/crc7.ko"];

/// A small kernel that does not contain the time and number of its build.
struct Kernel {
    tree: PathBuf,
    objtree: PathBuf,
    /// Arguments of make.
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl Kernel {
    /// Returns a kernel without any built file, in the folder `name` of the tests' folder.
    fn new(tree: PathBuf, workdir: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let objtree = workdir.join("anywhere").join(name);
        files::remove_dir(&objtree)?;
        Ok(Self {
            tree,
            objtree,
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            environment: Vec::new(),
        })
    }

    fn with(self, variable: &'static str, value: impl Into<String>) -> Self {
        let mut environment = self.environment;
        environment.push((variable, value.into()));
        Self {
            environment,
            ..self
        }
    }

    fn make(&self) -> anyhow::Result<Command> {
        let mut make = make(&self.tree, ARCH, &self.objtree, &llvm::bin_dir()?)?;
        make.args(REPRODUCIBLE).args(&self.arguments);
        make.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(make)
    }

    /// Configures it in this mode and with these settings, and builds it.
    fn build(&self, mode: Mode, settings: &[&str]) -> Outcome {
        config::configure(config::Options {
            tree: &self.tree,
            arch: ARCH,
            objtree: &self.objtree,
            profile: Profile::Tiny,
            lto: mode.lto,
            set: &mode.settings(settings)?,
        })?;
        process::output(self.make()?.args(["-s", "all"]))?;
        Ok(())
    }

    /// Runs the saved commands of all code generations again, with this launcher. Returns the CPU time in seconds.
    fn generate(&self, launcher: &str) -> anyhow::Result<f64> {
        let mut script = String::new();
        for entry in walkdir::WalkDir::new(&self.objtree) {
            let path = entry?.into_path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(name) = name.strip_prefix('.')
                && name.ends_with(".native.o.cmd")
            {
                let text = fs::read_to_string(&path)?;
                let line = text.lines().next().unwrap_or_default();
                let command = line.split_once(" := ").context("no saved command")?.1;
                let command = command.replace("$(pound)", "#").replace("$$", "$");
                // Writing to a string does not fail.
                let _ = writeln!(script, "({command}) || exit");
                fs::remove_file(path.with_file_name(name.trim_end_matches(".cmd")))?;
            }
        }
        let file = self.objtree.join("generate.sh");
        fs::write(&file, script)?;
        let before = build::children_seconds()?;
        let path = std::env::join_paths([llvm::bin_dir()?, "/usr/bin".into(), "/bin".into()])?;
        process::output(
            Command::new("sh")
                .arg(&file)
                .current_dir(&self.objtree)
                .env("PATH", path)
                .env("LTO_LAUNCHER", launcher)
                .env("LTO_LAUNCHED", self.objtree.join(".lto-launched"))
                .env("LTO_TOOLS", self.tree.join("scripts/lto/bin"))
                .envs(self.environment.iter().map(|(name, value)| (name, value))),
        )?;
        Ok(build::children_seconds()? - before)
    }

    fn read(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.objtree.join(file);
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// Returns a file without debug information and without its build ID, which is a hash of all its content.
    fn stripped(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let objcopy = llvm::bin_dir()?.join("llvm-objcopy");
        let path = self.objtree.join(file);
        let stripped = self.objtree.join("stripped");
        let mut command = Command::new(objcopy);
        process::output(command.arg("--strip-debug").args([&path, &stripped]))?;
        let mut bytes = self.read("stripped")?;
        let id = Elf::parse(&bytes)?.build_id();
        let id = id.with_context(|| format!("{}: no build ID", path.display()))?;
        let id = id.to_string();
        let digits: Vec<&str> = (0..id.len() / 2)
            .map(|byte| &id[2 * byte..2 * byte + 2])
            .collect();
        let id: Vec<u8> = digits
            .into_iter()
            .map(|digits| u8::from_str_radix(digits, 16))
            .collect::<Result<_, _>>()?;
        let at = bytes.windows(id.len()).position(|window| window == id);
        let at = at.with_context(|| format!("{}: no build ID", path.display()))?;
        bytes[at..at + id.len()].fill(0);
        Ok(bytes)
    }
}

/// Fails if the files that `read` returns differ between two kernels.
fn same(
    what: &str,
    kernels: [&Kernel; 2],
    names: &[&str],
    read: impl Fn(&Kernel, &str) -> anyhow::Result<Vec<u8>>,
) -> Outcome {
    let mut differing = Vec::new();
    for name in names {
        let [one, other] = kernels.map(|kernel| read(kernel, name));
        let (one, other) = (one?, other?);
        let place = one.iter().zip(&other).position(|(one, other)| one != other);
        if one != other {
            let place = place.unwrap_or_else(|| one.len().min(other.len()));
            differing.push(format!(
                "{name} ({} and {} bytes, first at {place:#x})",
                one.len(),
                other.len()
            ));
        }
    }
    expect(differing.is_empty(), || {
        let [one, other] = kernels.map(|kernel| kernel.objtree.display());
        format!("{what}: {one} and {other} differ: {}", differing.join(", "))
    })
}

/// Copies a folder; the entries of each folder are made in the reverse order of their names.
fn copy_in_reverse(from: &Path, to: &Path) -> anyhow::Result<()> {
    let named = |path: &Path| path.display().to_string();
    fs::create_dir_all(to).with_context(|| named(to))?;
    let entries = fs::read_dir(from).with_context(|| named(from))?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>()?;
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_in_reverse(&path, &copy)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, &copy).with_context(|| named(&copy))?;
        } else {
            fs::copy(&path, &copy).with_context(|| named(&copy))?;
        }
    }
    Ok(())
}

/// Returns a copy of the kernel tree in another place, with a longer path.
fn tree_elsewhere(workdir: &Path) -> anyhow::Result<PathBuf> {
    let copy = workdir.join("anywhere/a/much/longer/path/linux");
    files::remove_dir(&copy)?;
    copy_in_reverse(&kernel_tree(workdir)?, &copy)?;
    Ok(copy)
}

/// Another tree, object tree, locale, time zone, home, order of files, and number of jobs.
pub fn two_places(workdir: &Path) -> Outcome {
    let here = Kernel::new(kernel_tree(workdir)?, workdir, "here", &["-j3"])?;
    let elsewhere = tree_elsewhere(workdir)?;
    let there = Kernel::new(elsewhere, workdir, "b/elsewhere", &["-j1"])?
        .with("LC_ALL", "C.UTF-8")
        .with("TZ", "Asia/Tokyo")
        .with("HOME", "/nonexistent");
    for mode in THIN_MODES {
        for kernel in [&here, &there] {
            kernel.build(mode, &["MODVERSIONS=y"])?;
        }
        same(&mode.to_string(), [&here, &there], &FILES, Kernel::read)?;
    }
    Ok(())
}

/// Two object trees. Debug information contains the path of each, everything else is the same.
pub fn debug_information(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let jobs = format!("-j{}", tool_io::cpus());
    let kernels = ["debug-1", "elsewhere/debug-2"];
    let [one, other] = kernels.map(|name| Kernel::new(tree.clone(), workdir, name, &[&jobs]));
    let (one, other) = (one?, other?);
    for mode in THIN_MODES {
        for kernel in [&one, &other] {
            kernel.build(mode, &["DEBUG_INFO=y", "MODVERSIONS=y"])?;
        }
        let bytes = one.read("vmlinux")?;
        let is_debugged = Elf::parse(&bytes)?.section_by_name(".debug_info").is_some();
        expect(is_debugged, || {
            "vmlinux has no debug information".to_owned()
        })?;
        same(
            &mode.to_string(),
            [&one, &other],
            &STRIPPED,
            Kernel::stripped,
        )?;
    }
    Ok(())
}

/// The program ccache.
const CCACHE: &str = "ccache";

/// Returns the number of compilations that ccache answered, and of those that it did not, and resets both.
fn ccache_counts(cache: &Path) -> anyhow::Result<(u64, u64)> {
    let ccache = |argument: &str| {
        let mut ccache = Command::new(CCACHE);
        process::output(ccache.env("CCACHE_DIR", cache).arg(argument))
            .context("this test needs ccache; install Debian's package of this name")
    };
    let text = ccache("--print-stats")?;
    ccache("--zero-stats")?;
    let count = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        let counts = lines.filter(|(key, _)| *key == name);
        counts
            .filter_map(|(_, count)| count.parse::<u64>().ok())
            .sum::<u64>()
    };
    let hits = count("direct_cache_hit") + count("preprocessed_cache_hit");
    Ok((hits, count("cache_miss")))
}

/// `CC="ccache clang"`, and a folder before the compiler's in PATH in which clang is ccache.
pub fn with_ccache(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let cache = workdir.join("anywhere/ccache");
    files::remove_dir(&cache)?;
    ccache_counts(&cache)?;
    let masks = workdir.join("anywhere/masks");
    files::remove_dir(&masks)?;
    fs::create_dir_all(&masks).with_context(|| masks.display().to_string())?;
    let which = process::output(Command::new("sh").args(["-c", "command -v ccache"]))?;
    symlink(which.trim(), masks.join("clang")).context("a link to ccache")?;
    let path = std::env::join_paths([masks, llvm::bin_dir()?])?;
    let path = format!(
        "{}:{}",
        path.display(),
        std::env::var("PATH").context("PATH")?
    );
    let jobs = format!("-j{}", tool_io::cpus());
    let mode = THIN_MODES[0];
    let settings = ["MODVERSIONS=y"];
    let plain = Kernel::new(tree.clone(), workdir, "plain", &[&jobs])?;
    plain.build(mode, &settings)?;
    let command = [jobs.as_str(), "CC=ccache clang"];
    let mut n_compiled = 0;
    for (name, arguments) in [
        ("cold", &command[..]),
        ("warm", &command),
        ("masked", &command[..1]),
    ] {
        // An object tree of one name, because its path is among the arguments.
        let mut kernel = Kernel::new(tree.clone(), workdir, "cached", arguments)?
            .with("CCACHE_DIR", cache.display().to_string());
        if name == "masked" {
            kernel = kernel.with("PATH", path.clone());
        }
        kernel.build(mode, &settings)?;
        same(name, [&plain, &kernel], &FILES, Kernel::read)?;
        let (hits, misses) = ccache_counts(&cache)?;
        if name == "cold" {
            n_compiled = misses;
            expect(misses > 400, || format!("{name}: {misses} compilations"))?;
        } else {
            let is_good = hits * 100 >= n_compiled * 95;
            expect(is_good, || {
                format!("{name}: {hits} hits and {misses} misses, after {n_compiled} compilations")
            })?;
        }
    }
    Ok(())
}

/// A second build in another object tree finds its generated code in the cache, and its compilations in ccache.
pub fn found_again(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let caches = workdir.join("anywhere/caches");
    files::remove_dir(&caches)?;
    let launcher = |name: &str| format!("cache:{}", caches.join(name).display());
    let arguments = [
        format!("-j{}", tool_io::cpus()),
        "CC=ccache clang".to_owned(),
        format!("LTO_LAUNCHER={}", launcher("code")),
    ];
    let arguments = arguments.each_ref().map(String::as_str);
    let mut kernels = Vec::new();
    let mut builds = Vec::new();
    for name in ["found/first", "found/in/another/place"] {
        let ccache = caches.join("ccache").display().to_string();
        let kernel = Kernel::new(tree.clone(), workdir, name, &arguments)?
            .with("CCACHE_DIR", ccache)
            .with("CCACHE_NOHASHDIR", "1");
        let before = build::children_seconds()?;
        kernel.build(THIN_MODES[0], &["MODVERSIONS=y"])?;
        builds.push(build::children_seconds()? - before);
        kernels.push(kernel);
    }
    let [first, second] = &kernels[..] else {
        return Err(fault("two kernels were not built"));
    };
    same("code from the cache", [first, second], &FILES, Kernel::read)?;
    let record = second.read(".lto-launched")?;
    let record = String::from_utf8_lossy(&record);
    let others: Vec<&str> = record.lines().filter(|line| *line != "cached").collect();
    expect(others.is_empty() && !record.is_empty(), || {
        format!("the second build generated code: {others:?}")
    })?;
    let whole = builds[1] / builds[0];
    let generated = [
        first.generate(&launcher("empty"))?,
        second.generate(&launcher("code"))?,
    ];
    let code = generated[1] / generated[0];
    progress::note(&format!(
        "the second build takes {whole:.2} times the CPU of the first, its code generation {code:.3} times \
         ({} objects)",
        record.lines().count()
    ));
    expect(whole <= 0.25 && code <= 0.1, || {
        format!("CPU of builds: {builds:?} s, of code generation: {generated:?} s")
    })
}

/// A kernel that cannot load modules builds and boots in every mode.
pub fn without_modules(workdir: &Path) -> Outcome {
    let jobs = format!("-j{}", tool_io::cpus());
    let kernel = Kernel::new(kernel_tree(workdir)?, workdir, "no-modules", &[&jobs])?;
    for mode in WITH_LTO.into_iter().chain([Mode::keeping(Lto::None)]) {
        kernel.build(mode, &["MODULES=n", "CRC7=y"])?;
        let report = boot::boot_built(ARCH, &kernel.objtree)?;
        report
            .outcome(&kernel.objtree)
            .map_err(|failure| located(mode, failure))?;
        expect(report.loaded() == 0, || {
            format!("{mode}: modules were loaded")
        })?;
    }
    Ok(())
}

fn located(mode: Mode, failure: Failure) -> Failure {
    match failure {
        Failure::Fault(error) => Failure::Fault(error.context(mode.to_string())),
        Failure::CannotRun(error) => Failure::CannotRun(error.context(mode.to_string())),
    }
}
