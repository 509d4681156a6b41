// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Links a built kernel again, or a part of it, in each mode, and measures what that takes. The object tree is only
//! read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use kernel_lab::variant::file_size;
use kernel_lab::{Arch, build, files, llvm, process, progress, workspace};
use lto_link::{InputKind, Inputs, LinkSizes, RecordedInput, inputs_path, read_record, read_usage};
use object_model::LtoKind;
use tool_io::Files;
use xshell::{Shell, cmd};

use super::links::{Link, Step};

/// The output of all links.
const OUTPUT: &str = "x.o";
/// The limit of inlining in full LTO, as `LTO_CLANG_FULL_INLINE_LIMIT` has it.
const FULL_LIMIT: [&str; 2] = ["-mllvm", "-inline-threshold=20"];

/// A kernel to link again.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// Its object tree.
    pub objtree: &'a Path,
    /// Its name for readers.
    pub name: &'a str,
    /// The part of it to link: the objects of each directory of this number.
    pub share: usize,
    /// The number of jobs.
    pub jobs: usize,
    /// The program lto-link.
    pub lto_link: &'a Path,
}

/// The copied objects of a part of a kernel.
struct Copied<'a> {
    kernel: Kernel<'a>,
    dir: tempfile::TempDir,
    objects: Vec<RecordedInput>,
    /// The linker and its flags.
    linker: Vec<String>,
    bin: PathBuf,
}

/// Links the kernel in each mode that its bitcode allows. Thin bitcode is linked with full LTO, too: LLVM's `opt` takes
/// the summary away.
///
/// # Errors
/// The object tree has no record of a link, or a link fails.
pub fn measure(kernel: Kernel<'_>) -> anyhow::Result<Vec<Link>> {
    let copied = Copied::of(kernel)?;
    let (sizes, kind) = copied.sizes("")?;
    if kind == LtoKind::Full {
        return Ok(vec![copied.link(Step::Full, sizes, "", &FULL_LIMIT)?]);
    }
    // First, because the memory of programs that have ended is known for all of them together.
    let mut links = copied.distributed(sizes)?;
    links.push(copied.link(Step::Thin, sizes, "", &[])?);
    copied.without_summary()?;
    links.push(copied.link(Step::Full, sizes, "full", &FULL_LIMIT)?);
    Ok(links)
}

impl<'a> Copied<'a> {
    fn of(kernel: Kernel<'a>) -> anyhow::Result<Self> {
        let objtree = kernel.objtree;
        let record = inputs_path(&objtree.join("vmlinux.o"));
        let mut objects = read_record(&record).with_context(|| record.display().to_string())?;
        let directories: BTreeSet<&Path> = objects.iter().map(directory).collect();
        let chosen: BTreeSet<PathBuf> = directories
            .into_iter()
            .step_by(kernel.share.max(1))
            .map(Path::to_owned)
            .collect();
        objects.retain(|object| chosen.contains(directory(object)));
        let dir = tempfile::tempdir_in(workspace::root().join("target")).context("target")?;
        for directory in &chosen {
            fs::create_dir_all(dir.path().join(directory))?;
        }
        for object in &objects {
            let object = Path::new(&object.path);
            let name = object.file_name().unwrap_or_default().display();
            let command = object.with_file_name(format!(".{name}.cmd"));
            for file in [object, &command] {
                let from = objtree.join(file);
                fs::copy(&from, dir.path().join(file))
                    .with_context(|| from.display().to_string())?;
            }
        }
        let emulation: &[&str] = match Arch::of_objtree(objtree)? {
            Arch::Arm64 => &["-EL", "-maarch64elf"],
            Arch::X86_64 => &["-m", "elf_x86_64"],
        };
        let flags = files::read(&objtree.join(".lto-flags"))?;
        let flags = flags.lines().next().unwrap_or_default();
        let bin = llvm::bin_dir()?;
        let mut linker = vec![bin.join("ld.lld").display().to_string()];
        linker.extend(emulation.iter().copied().map(str::to_owned));
        linker.extend(flags.split_whitespace().map(str::to_owned));
        Ok(Self {
            kernel,
            dir,
            objects,
            linker,
            bin,
        })
    }

    /// Returns the sizes of the objects below `folder`, and the kind of their bitcode.
    fn sizes(&self, folder: &str) -> anyhow::Result<(LinkSizes, LtoKind)> {
        let maps = Files::new();
        let paths: Vec<PathBuf> = self
            .objects
            .iter()
            .map(|object| self.dir.path().join(folder).join(&object.path))
            .collect();
        let inputs = Inputs::read(&&maps, &paths, &[])?;
        let bitcode = inputs
            .objects
            .iter()
            .find_map(|input| input.object.as_bitcode());
        let kind = bitcode.context("no object is bitcode")?.lto_kind()?;
        Ok((LinkSizes::of(&inputs)?, kind))
    }

    fn shell(&self) -> anyhow::Result<Shell> {
        process::shell_in(self.dir.path())
    }

    /// Returns `lto-link KIND` for the objects below `folder`, with `arguments`.
    fn lto_link(
        &self,
        kind: &str,
        arguments: &[&str],
        folder: &str,
        flags: &[&str],
    ) -> anyhow::Result<Command> {
        let list = "objects";
        let paths = self
            .objects
            .iter()
            .map(|object| Path::new(folder).join(&object.path));
        let mut text = String::new();
        for path in paths {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}", path.display());
        }
        files::write(&self.dir.path().join(list), text)?;
        let Kernel { lto_link, jobs, .. } = self.kernel;
        let linker = &self.linker;
        let (sh, jobs) = (self.shell()?, jobs.to_string());
        let command = cmd!(
            sh,
            "{lto_link} {kind} -o {OUTPUT} {arguments...} --jobs {jobs} --objs @{list} -- {linker...} {flags...}"
        );
        let mut command: Command = command.env("LTO_MEMORY", "any").into();
        command.current_dir(self.dir.path());
        // lto-link takes its job slots from a jobserver, like that of make.
        jobserver::Client::new(self.kernel.jobs - 1)?.configure_make(&mut command);
        Ok(command)
    }

    /// Links the objects below `folder`.
    fn link(
        &self,
        step: Step,
        sizes: LinkSizes,
        folder: &str,
        flags: &[&str],
    ) -> anyhow::Result<Link> {
        let arguments: &[&str] = if step == Step::Join {
            &["--distributed"]
        } else {
            &[]
        };
        progress::note(&format!("{step:?}: linking"));
        process::output(&mut self.lto_link("module", arguments, folder, flags)?)?;
        let usage = lto_link::usage_path(&self.dir.path().join(OUTPUT));
        let usage = read_usage(&usage).with_context(|| usage.display().to_string())?;
        Ok(self.measured(
            step,
            usage.jobs,
            usage.cpu_seconds,
            usage.peak_rss_kib,
            sizes,
        ))
    }

    fn measured(
        &self,
        step: Step,
        jobs: usize,
        cpu_seconds: f64,
        peak_rss_kib: u64,
        sizes: LinkSizes,
    ) -> Link {
        Link {
            kernel: self.kernel.name.to_owned(),
            share: self.kernel.share,
            step,
            jobs,
            cpu_seconds,
            peak_rss_kib,
            sizes,
        }
    }

    /// Measures the three steps of distributed thin LTO.
    fn distributed(&self, sizes: LinkSizes) -> anyhow::Result<Vec<Link>> {
        let jobs = self.kernel.jobs;
        let mut links = Vec::new();
        let before = build::children_peak_kib()?;
        let mut measured = |step, run: &mut dyn FnMut() -> anyhow::Result<()>| {
            progress::note(&format!("{step:?}: linking"));
            let seconds = build::children_seconds()?;
            run()?;
            let seconds = build::children_seconds()? - seconds;
            let peak = build::children_peak_kib()?;
            links.push(self.measured(step, jobs, seconds, peak, sizes));
            anyhow::Ok(())
        };
        measured(Step::ThinLink, &mut || {
            process::output(&mut self.lto_link("thin-link", &[], "", &[])?).map(drop)
        })?;
        measured(Step::Generate, &mut || self.generate())?;
        anyhow::ensure!(
            build::children_peak_kib()? > before,
            "the largest program was one that built lto-link: run the command again"
        );
        let native = self.objects.iter().map(|object| {
            let path = self.dir.path().join(&object.path);
            let path = match object.kind {
                InputKind::Bitcode => path.with_extension("native.o"),
                InputKind::Elf => path,
            };
            file_size(&path)
        });
        let native_bytes = native.sum::<anyhow::Result<u64>>()?;
        let sizes = LinkSizes {
            native_bytes,
            ..sizes
        };
        links.push(self.link(Step::Join, sizes, "", &[])?);
        Ok(links)
    }

    /// Generates the code of all objects, by the Makefile that kernel builds use.
    fn generate(&self) -> anyhow::Result<()> {
        let source = self.kernel.objtree.join("source");
        let makefile = source.join("scripts/lto/Makefile.codegen");
        let (sh, jobs) = (self.shell()?, self.kernel.jobs.to_string());
        let clang = self.bin.join("clang");
        let tools = self.kernel.lto_link.parent().unwrap_or(Path::new("."));
        process::read(
            cmd!(
                sh,
                "make -s -f {makefile} -j{jobs} srctree={source} objtree=. lto-output={OUTPUT} CC={clang}"
            )
            .env("LTO_TOOLS", tools)
            .env_remove("MAKEFLAGS"),
        )?;
        Ok(())
    }

    /// Copies the objects into the folder `full`, bitcode without its summary.
    fn without_summary(&self) -> anyhow::Result<()> {
        let sh = self.shell()?;
        let opt = self.bin.join("opt");
        for object in &self.objects {
            let from = &object.path;
            let to = Path::new("full").join(from);
            fs::create_dir_all(self.dir.path().join(&to).parent().unwrap_or(Path::new("")))?;
            match object.kind {
                InputKind::Bitcode => process::read(cmd!(sh, "{opt} {from} -o {to}")).map(drop)?,
                InputKind::Elf => {
                    fs::copy(self.dir.path().join(from), self.dir.path().join(&to))?;
                }
            }
        }
        Ok(())
    }
}

fn directory(object: &RecordedInput) -> &Path {
    Path::new(&object.path).parent().unwrap_or(Path::new(""))
}
