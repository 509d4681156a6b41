// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Distributed thin LTO: code is generated for all changed objects, and only for these.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kernel_lab::Arch;
use kernel_lab::config::Lto;
use kernel_lab::make;
use kernel_lab::variant::Variant;
use kernel_lab::{files, llvm, process};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::rebuild::{copy_objtree, external_module_of, made, nothing_of, of_one_job};
use super::{
    ARCH, PROFILE, REPRODUCIBLE, build, built, built_variant, configure, demonstrate, expect,
    kernel_tree,
};
use crate::outcome::{Failure, Outcome};

/// Uses a copy of the kernel with thin LTO: the files that the other mode needs must be made.
pub fn against_none(workdir: &Path) -> Outcome {
    copy_objtree(
        &built(workdir, Lto::Thin)?,
        &Variant::new(ARCH, PROFILE, Lto::ThinDist).objtree(workdir),
    )?;
    demonstrate(workdir, ARCH, Lto::ThinDist)?;
    as_large_as_in_one_process(workdir, ARCH)
}

/// The same for 64-bit x86.
pub fn x86_64_against_none(workdir: &Path) -> Outcome {
    let of = |lto| Variant::new(Arch::X86_64, PROFILE, lto);
    copy_objtree(
        &built_variant(workdir, of(Lto::Thin))?,
        &of(Lto::ThinDist).objtree(workdir),
    )?;
    demonstrate(workdir, Arch::X86_64, Lto::ThinDist)?;
    as_large_as_in_one_process(workdir, Arch::X86_64)
}

/// Code that is generated object by object, with the flags of each, has the same size as code that the linker
/// generates, to half a per cent: no flag was lost on either way. vmlinux.o has no padding between functions yet
/// if each has a separate section.
fn as_large_as_in_one_process(workdir: &Path, arch: Arch) -> Outcome {
    let files = tool_io::Files::new();
    let text = |lto| -> anyhow::Result<u64> {
        let objtree = Variant::new(arch, PROFILE, lto).objtree(workdir);
        let elf = files.elf(&objtree.join("vmlinux"))?;
        Ok(object_tree::Sizes::of(&elf).text)
    };
    let (distributed, in_one) = (text(Lto::ThinDist)?, text(Lto::Thin)?);
    expect(distributed.abs_diff(in_one) * 200 <= in_one, || {
        format!("{distributed} bytes of text, from one process {in_one}")
    })
}

pub fn nothing(workdir: &Path) -> Outcome {
    nothing_of(workdir, Lto::ThinDist)
}

pub fn external_module(workdir: &Path) -> Outcome {
    external_module_of(workdir, Lto::ThinDist)
}

/// A built-in source that others import from, and a part of a module. The first has no inline assembly: LLVM
/// records its position in the source, so a comment would change the bitcode, too.
const CHANGED: [&str; 2] = ["lib/ctype.c", "fs/ext4/symlink.c"];

/// The objects that are new in every link of vmlinux.
const VERSION: &str = "init/version.o";

/// A change without effect on code, and a change of code that others may import.
const COMMENT: &str = "\n/* changed for a test */\n";
const FUNCTION: &str =
    "\nint changed_for_a_test(void);\nint changed_for_a_test(void)\n{\n\treturn 1;\n}\n";

/// A changed source reaches exactly the objects that import from it according to the thin link; a comment, or a
/// touched file, reaches only its own object.
pub fn changed(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::ThinDist)?;
    let mut originals = Vec::new();
    for source in CHANGED {
        let path = tree.join(source);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        // A killed run may have left its change.
        let original = text.split(COMMENT).next().unwrap_or_default().to_owned();
        originals.push((path, original));
    }
    let build_with = |added: [&str; 2]| -> anyhow::Result<_> {
        for ((path, original), added) in originals.iter().zip(added) {
            fs::write(path, format!("{original}{added}"))
                .with_context(|| path.display().to_string())?;
        }
        Ok(build(&tree, &objtree, None))
    };
    // In a copy, bitcode of another mode records positions in the source that the switch has moved.
    build_with(["", ""])??;
    let commented = build_with([COMMENT, ""])?;
    let function = format!("{COMMENT}{FUNCTION}");
    let with_function = build_with([&function, &function])?;
    build_with(["", ""])??;

    let mut expected = takers(&objtree, VERSION)?;
    expected.insert(VERSION.to_owned());
    expected.extend(CHANGED.map(|source| source.replace(".c", ".o")));
    let found = generated(&commented?);
    expect(found == expected, || {
        format!(
            "a comment in the first of {CHANGED:?}, the other touched: code was generated of {found:?}, expected {expected:?}"
        )
    })?;
    for source in CHANGED {
        let takers = takers(&objtree, &source.replace(".c", ".o"))?;
        expect(!takers.is_empty(), || {
            format!("nothing takes anything from {source}: this tests nothing")
        })?;
        expected.extend(takers);
    }
    let found = generated(&with_function?);
    expect(found == expected, || {
        format!("a function in {CHANGED:?}: code was generated of {found:?}, expected {expected:?}")
    })
}

/// An option that is off in the profile, its object, and a function in that object.
const OPTION: (&str, &str, &str) = ("CRC7", "lib/crc7.o", "crc7_be");

/// Objects are added and removed: code is generated of the newly compiled objects and of those that import from
/// them or export to them; a removed object is not linked, although its native code still exists.
pub fn come_and_go(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::ThinDist)?;
    let (option, object, function) = OPTION;
    for is_on in [true, false] {
        let setting = format!("{option}={}", if is_on { "y" } else { "n" });
        configure(&tree, &objtree, Lto::ThinDist, &[setting.parse()?])?;
        let lines = build(&tree, &objtree, None)?;
        let found = generated(&lines);
        let all = bitcode(&objtree)?;
        let compiled: BTreeSet<String> = made(&lines, "CC")
            .into_iter()
            .map(str::to_owned)
            .filter(|object| all.contains(object))
            .collect();
        let mut allowed = compiled.clone();
        for object in compiled.iter().map(String::as_str).chain([object]) {
            allowed.extend(takers(&objtree, object)?);
            // A static function is promoted as long as another object imports its caller.
            allowed.extend(takes_from(&objtree, object)?);
        }
        expect(
            found.is_superset(&compiled) && found.is_subset(&allowed),
            || format!("{setting}: compiled {compiled:?}, code was generated of {found:?}"),
        )?;
        expect(found.contains(object) == is_on, || {
            format!("{setting}: code of {object}: {found:?}")
        })?;
        let files = tool_io::Files::new();
        let vmlinux = files.elf(&objtree.join("vmlinux"))?;
        let is_there = vmlinux
            .symbols()
            .iter()
            .any(|symbol| symbol.name == function);
        expect(is_there == is_on, || {
            format!("{setting}: {function} in vmlinux: {is_there}")
        })?;
    }
    Ok(())
}

/// A setting that is not among an object's own flags reaches all objects: here the import limit.
pub fn limit(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::ThinDist)?;
    let path = tree.join("scripts/lto/Makefile.top");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let changed = text.replace("-import-instr-limit=5", "-import-instr-limit=6");
    expect(changed != text, || format!("{}: no limit", path.display()))?;
    fs::write(&path, changed).with_context(|| path.display().to_string())?;
    let built = build(&tree, &objtree, None);
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    let found = generated(&built?);
    let all = bitcode(&objtree)?;
    expect(all.len() > 100 && found == all, || {
        let missing: Vec<_> = all.difference(&found).collect();
        format!("a changed limit did not reach {missing:?}")
    })
}

/// Returns the bitcode objects of vmlinux and of modules of several objects, from the files of the thin links.
fn bitcode(objtree: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut objects = BTreeSet::new();
    for entry in walkdir::WalkDir::new(objtree) {
        let path = entry?.into_path();
        if !path.to_string_lossy().ends_with(".codegen.mk") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let listed = text
            .lines()
            .filter_map(|line| line.strip_prefix("lto-bitcode += "));
        objects.extend(listed.map(str::to_owned));
    }
    Ok(objects)
}

/// Returns the bitcode objects whose code was generated.
fn generated(lines: &[String]) -> BTreeSet<String> {
    made(lines, "THINLTO")
        .into_iter()
        .filter_map(|native| Some(format!("{}.o", native.strip_suffix(".native.o")?)))
        .collect()
}

/// Returns the objects that import from `object`, from the files of the thin links.
fn takers(objtree: &Path, object: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut takers = BTreeSet::new();
    for entry in walkdir::WalkDir::new(objtree) {
        let path = entry?.into_path();
        let Some(taker) = path.to_str().and_then(|path| path.strip_suffix(".imports")) else {
            continue;
        };
        let imports = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if imports.lines().any(|line| line == object) {
            let taker = Path::new(taker).strip_prefix(objtree)?;
            takers.insert(taker.display().to_string());
        }
    }
    Ok(takers)
}

/// Returns the objects that `object` imports from.
fn takes_from(objtree: &Path, object: &str) -> anyhow::Result<Vec<String>> {
    let path = objtree.join(format!("{object}.imports"));
    let imports = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(imports.lines().map(str::to_owned).collect())
}

/// make makes a missing native object by its name, and no other.
pub fn by_name(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::ThinDist)?;
    let make = |target: &str| -> anyhow::Result<String> {
        process::output(make(&tree, ARCH, &objtree, &llvm::bin_dir()?)?.args(["V=1", target]))
    };
    let command = "-fthinlto-index=";
    let native = "fs/ext4/balloc.native.o";
    let done = make(native)?;
    expect(!done.contains(command), || {
        format!("{native}: made again: {done}")
    })?;
    let path = objtree.join(native);
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    let again = make(native)?;
    let commands: Vec<&str> = again
        .lines()
        .filter(|line| line.contains(command))
        .collect();
    expect(commands.len() == 1 && commands[0].contains(native), || {
        format!("{native}: the commands were {commands:?}")
    })?;
    expect(path.exists(), || format!("{native}: not made"))
}

/// The number of times that a build is killed.
const KILLS: usize = 20;

/// The largest number of seconds before a kill.
const LONGEST: u64 = 40;

/// vmlinux has the same bytes from a build with two jobs and, in another object directory, from a build with one
/// job that was killed again and again. The latter never uses more than one CPU.
pub fn same_bytes(workdir: &Path) -> Outcome {
    let expected = Reproducible::new(workdir, "same", 2)?.built()?;
    let kernel = Reproducible::new(workdir, "same-elsewhere", 1)?;
    for _ in 0..KILLS {
        kernel.kill_build()?;
    }
    let started = Instant::now();
    let before = build::children_seconds()?;
    let found = kernel.built()?;
    let wall = started.elapsed().as_secs_f64();
    let cpu = build::children_seconds()? - before;
    of_one_job(cpu, wall)?;
    expect(expected.len() > 1_000_000 && found == expected, || {
        let objtree = kernel.objtree.display();
        format!(
            "{objtree}: vmlinux is not as in {}",
            workdir.join("same").display()
        )
    })
}

/// A kernel that does not contain the time, place and number of its build.
struct Reproducible {
    tree: PathBuf,
    objtree: PathBuf,
    jobs: usize,
}

impl Reproducible {
    /// Returns a kernel of which nothing is built.
    fn new(workdir: &Path, name: &str, jobs: usize) -> Result<Self, Failure> {
        let tree = kernel_tree(workdir)?;
        let objtree = workdir.join(name);
        files::remove_dir(&objtree)?;
        configure(&tree, &objtree, Lto::ThinDist, &[])?;
        Ok(Self {
            tree,
            objtree,
            jobs,
        })
    }

    fn make(&self) -> anyhow::Result<Command> {
        let mut make = make(&self.tree, ARCH, &self.objtree, &llvm::bin_dir()?)?;
        make.args(["-s", &format!("-j{}", self.jobs), "all"]);
        make.args(REPRODUCIBLE);
        Ok(make)
    }

    /// Builds everything and returns the bytes of vmlinux.
    fn built(&self) -> anyhow::Result<Vec<u8>> {
        process::output(&mut self.make()?)?;
        let vmlinux = self.objtree.join("vmlinux");
        fs::read(&vmlinux).with_context(|| vmlinux.display().to_string())
    }

    /// Starts the build, and kills all of its processes at a random instant.
    fn kill_build(&self) -> anyhow::Result<()> {
        let mut make = self.make()?;
        make.process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = make.spawn().context("starting make")?;
        let random = RandomState::new().build_hasher().finish();
        std::thread::sleep(Duration::from_millis(random % (LONGEST * 1000)));
        let group = Pid::from_raw(child.id().try_into()?);
        killpg(group, Signal::SIGKILL).context("killing make")?;
        child.wait().context("waiting for make")?;
        Ok(())
    }
}
