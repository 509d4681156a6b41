// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench`: measures the cost of the plugins, as ratios to the steps that they replace.

mod checks;
mod dropping;
mod rebuilds;
pub mod runtime;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::demo;
use crate::files;
use crate::initcall_script::{Cost, Inputs};
use crate::install;
use crate::kernel::arch::Arch;
use crate::kernel::build;
use crate::kernel::config::{Lto, Profile};
use crate::kernel::fetch;
use crate::kernel::variant::Variant;
use crate::llvm;
use crate::outcome::{Failure, Outcome};
use crate::setup;
use crate::{process, table, workspace};

/// Measures the cost of the plugins, as ratios in one run, and writes docs/results/.
///
/// By default, builds the same kernel from nothing without LTO and with thin LTO. With --rebuilds, builds it
/// without LTO, with distributed thin LTO and with thin LTO, and rebuilds each after small changes. Run
/// nothing else on the machine meanwhile.
///
/// With --dropping, builds it without LTO and with each kind of LTO, with and without dropping what nothing
/// references. With --levers, builds and boots it with the other options for smaller code. With --inlining,
/// builds it with full LTO and several inlining limits.
///
/// With --initcalls or --checks, only the tools are built, and run on a finished build of a tree with its own
/// LTO: initcall-order is compared with the Perl script of that tree, or the checks that single plugins add
/// to such a build are measured, and verify.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cargo xtask bench
  cargo xtask bench --profile ci --results /tmp
  cargo xtask bench --rebuilds
  cargo xtask bench --rebuilds --arch x86_64 --profile ci --kernel 7.3
  cargo xtask bench --dropping --trim
  cargo xtask bench --levers --trim --profile ci
  cargo xtask bench --inlining --profile ci
  cargo xtask bench --initcalls /build/6.12-thin
  cargo xtask bench --checks /build/6.12-thin")]
pub struct Args {
    /// The profile of the kernel.
    #[arg(long, value_enum, default_value = "wide")]
    profile: Profile,
    /// The architecture the kernel is built for.
    #[arg(long, value_enum, default_value = "arm64")]
    arch: Arch,
    /// The directory in which the kernels are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The directory for the result [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Trim unused exports in all kernels.
    #[arg(long, requires = "drops")]
    trim: bool,
    /// The version of the kernel. One with its own distributed thin LTO is built with that and with lto-link
    /// [default: 5.10].
    #[arg(long, value_name = "VERSION", requires = "rebuilds")]
    kernel: Option<String>,
    /// Measure only the changes, on kernels that an earlier run built.
    #[arg(long, requires = "rebuilds")]
    built: bool,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    what: What,
    #[command(subcommand)]
    command: Option<Sub>,
}

/// The measurements of kernels that are built.
#[derive(clap::Subcommand)]
enum Sub {
    Runtime(runtime::Args),
}

/// The measurement, if it is not the cost of the plugins in a build from nothing.
#[derive(clap::Args)]
#[group(multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of the command line, of which one is given"
)]
struct What {
    /// Measure the cost of rebuilding instead.
    #[arg(long)]
    rebuilds: bool,
    /// Measure the cost and gain of dropping what nothing references instead.
    #[arg(long, group = "drops")]
    dropping: bool,
    /// Measure the additional gain of the options for smaller code instead.
    #[arg(long, group = "drops")]
    levers: bool,
    /// Measure the size of the kernel with full LTO and several inlining limits instead.
    #[arg(long)]
    inlining: bool,
    /// Compare initcall-order with the Perl script, on this object tree of a kernel with its own LTO.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "arch", "workdir"])]
    initcalls: Option<PathBuf>,
    /// Measure the cost of the checks of single plugins, on this object tree of a kernel with its own LTO.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "arch", "workdir"])]
    checks: Option<PathBuf>,
}

/// The number of runs of a short command, so that its CPU time can be measured.
const REPEATS: u32 = 20;

/// One measured ratio.
struct Ratio {
    what: &'static str,
    /// The goal for it.
    goal: &'static str,
    value: String,
    /// The figures that it was computed from.
    from: String,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        profile,
        arch,
        workdir,
        results,
        trim,
        kernel,
        built,
        no_install,
        what,
        command,
    } = args;
    if let Some(Sub::Runtime(args)) = command {
        return runtime::run(args);
    }
    let What {
        rebuilds,
        dropping,
        levers,
        inlining,
        initcalls,
        checks,
    } = what;
    let root = workspace::root();
    let workdir = workdir.clone().unwrap_or_else(|| root.join("target/bench"));
    let results = results.clone().unwrap_or_else(|| root.join("docs/results"));
    if let Some(objtree) = initcalls {
        return against_perl(objtree, &results);
    }
    if let Some(objtree) = checks {
        let release = release(objtree)?;
        let title = format!("Cost of the checks of single plugins: Linux {release}");
        let table = checks::measure(objtree)?;
        println!("{table}");
        let page = format!("{}{table}", head(&title, "bench --checks OBJTREE")?);
        return keep(&results.join(format!("checks-{release}.md")), &page);
    }
    let kernels = Kernels {
        arch: *arch,
        profile: *profile,
        workdir: &workdir,
        results: &results,
        install: !no_install,
    };
    if *rebuilds {
        kernels.rebuilds(kernel.as_deref(), *built)
    } else if *dropping {
        kernels.dropping(*trim)
    } else if *levers {
        kernels.levers(*trim)
    } else if *inlining {
        kernels.inlining()
    } else {
        kernels.plugins()
    }
}

/// The kernels that are built to be measured.
#[derive(Clone, Copy)]
struct Kernels<'a> {
    arch: Arch,
    profile: Profile,
    workdir: &'a Path,
    results: &'a Path,
    /// Whether missing system packages are installed.
    install: bool,
}

impl Kernels<'_> {
    fn tree(&self) -> anyhow::Result<PathBuf> {
        demo::prepare(None, self.workdir, self.arch, self.install)
    }

    /// Writes a table as a page whose name begins with `name`.
    fn keep(&self, name: &str, version: &str, title: &str, option: &str, table: &str) -> Outcome {
        let Self {
            arch,
            profile,
            results,
            ..
        } = self;
        println!("{table}");
        let title = format!("{title}: {}", kernel_name(version, *arch, *profile));
        let mut command = format!("bench {option} {}", arguments(*arch, *profile));
        if version != demo::KERNEL {
            let _ = write!(command, " --kernel {version}");
        }
        let page = format!("{}{table}", head(&title, &command)?);
        let name = format!("{name}-{}", page_name(version, *arch, *profile));
        keep(&results.join(name), &page)
    }

    fn rebuilds(&self, version: Option<&str>, is_built: bool) -> Outcome {
        let version = version.unwrap_or(demo::KERNEL);
        let (tree, with_lto_link) = if version == demo::KERNEL {
            (self.tree()?, None)
        } else {
            setup::ensure(setup::Options {
                arch: self.arch,
                install: self.install,
            })?;
            let (tree, with_lto_link) = native_trees(version, self.workdir)?;
            (tree, Some(with_lto_link))
        };
        let kernel = rebuilds::Kernel {
            tree: &tree,
            with_lto_link: with_lto_link.as_deref(),
            workdir: self.workdir,
            arch: self.arch,
            profile: self.profile,
        };
        let table = rebuilds::measure(kernel, is_built)?;
        let title = "Cost of building again";
        let option = if is_built {
            "--rebuilds --built"
        } else {
            "--rebuilds"
        };
        self.keep("rebuilds", version, title, option, &table)
    }

    /// The kernel that the others are compared with.
    fn none(&self, trims: bool) -> Variant {
        Variant {
            trims,
            ..Variant::new(self.arch, self.profile, Lto::None)
        }
    }

    /// Writes the table of kernels that drop; all of them may have unused exports trimmed.
    fn keep_trimmed(&self, name: &str, title: &str, trims: bool, table: &str) -> Outcome {
        let option = format!("--{name}");
        if trims {
            let title = format!("{title}, unused exports trimmed");
            let (name, option) = (format!("{name}-trimmed"), format!("{option} --trim"));
            self.keep(&name, demo::KERNEL, &title, &option, table)
        } else {
            self.keep(name, demo::KERNEL, title, &option, table)
        }
    }

    fn dropping(&self, trims: bool) -> Outcome {
        let table = dropping::measure(&self.tree()?, self.workdir, self.none(trims))?;
        self.keep_trimmed(
            "dropping",
            "Dropping what nothing references",
            trims,
            &table,
        )
    }

    fn levers(&self, trims: bool) -> Outcome {
        let table = dropping::levers(&self.tree()?, self.workdir, self.none(trims))?;
        self.keep_trimmed("levers", "What makes code smaller", trims, &table)
    }

    fn inlining(&self) -> Outcome {
        let table = dropping::inlining(&self.tree()?, self.workdir, self.none(false))?;
        let title = "How far full LTO inlines";
        self.keep("inlining", demo::KERNEL, title, "--inlining", &table)
    }

    fn plugins(&self) -> Outcome {
        let tree = self.tree()?;
        let variant = Variant::new(self.arch, self.profile, Lto::Thin);
        let none = clean_build(variant.without_lto(), &tree, self.workdir)?;
        let thin = clean_build(variant, &tree, self.workdir)?;
        let objtree = std::path::absolute(variant.objtree(self.workdir))?;
        let without = std::path::absolute(variant.without_lto().objtree(self.workdir))?;
        let tools = tree.join("scripts/lto/bin");
        let mut ratios = vec![
            build_ratio(none.cpu_seconds, thin.cpu_seconds),
            tools_ratio(&tools, &objtree, thin.cpu_seconds)?,
            initcall_ratio(&tools, &objtree)?,
        ];
        ratios.extend(mcount_ratio(&tools, &without)?);
        let rows = ratios
            .iter()
            .map(|ratio| [ratio.what, &ratio.value, ratio.goal, &ratio.from].map(str::to_owned));
        println!("{}", table::of(rows));
        let name = page_name(demo::KERNEL, self.arch, self.profile);
        keep(
            &self.results.join(format!("bench-{name}")),
            &page(self.arch, self.profile, &ratios)?,
        )
    }
}

/// Returns the end of the names of pages about a kernel.
fn page_name(version: &str, arch: Arch, profile: Profile) -> String {
    format!("{}-{version}-{}.md", arch.name(), profile.name())
}

/// Returns an unchanged tree of `version`, and one with lto-link.
fn native_trees(version: &str, workdir: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let fetch = |into: &Path| {
        fetch::fetch(fetch::Options {
            version,
            package_version: None,
            into,
        })
    };
    let tree = fetch(&workdir.join("trees"))?;
    let with_lto_link = fetch(&workdir.join("with-lto-link/trees"))?;
    install::install(&install::Options {
        tree: &with_lto_link,
        plugins: &["lto-link".to_owned()],
        discard_changes: false,
    })?;
    Ok((tree, with_lto_link))
}

fn keep(path: &Path, page: &str) -> Outcome {
    fs::write(path, page).with_context(|| path.display().to_string())?;
    println!("written to {}", path.display());
    Ok(())
}

/// Returns the release of the kernel that was built in `objtree`.
fn release(objtree: &Path) -> anyhow::Result<String> {
    let path = objtree.join("include/config/kernel.release");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// Compares initcall-order with the Perl script of the tree that was built in `objtree`, on the inputs of that
/// build.
fn against_perl(objtree: &Path, results: &Path) -> Outcome {
    let inputs = Inputs::of(objtree)?;
    let release = release(objtree)?;
    let tool = install::built_tool("initcall-order")?;
    // This runs first, so that the inputs are in memory when the others read them.
    let (script, ours) = inputs.by_tool(&tool)?;
    let sections = script.lines().filter(|line| line.starts_with("\t\t*("));
    let mut rows = Vec::new();
    for jobs in [1, 2] {
        let (theirs_script, theirs) = inputs.by_perl(jobs)?;
        if theirs_script != script {
            return Err(Failure::Fault(anyhow::anyhow!(
                "{}: initcall-order and the Perl script do not write the same",
                objtree.display()
            )));
        }
        let seconds = |cost: Cost| format!("{:.3} s CPU, {:.3} s wall", cost.cpu, cost.wall);
        rows.push([
            format!("-j{jobs}"),
            seconds(theirs),
            seconds(ours),
            format!("{:.0}", theirs.cpu / ours.cpu),
            format!("{:.0}", theirs.wall / ours.wall),
        ]);
    }
    let heading = [
        "jobs",
        "generate_initcall_order.pl",
        "initcall-order",
        "CPU",
        "wall",
    ];
    let title = format!("initcall-order against the Perl script: Linux {release}");
    let mut page = head(&title, "bench --initcalls OBJTREE")?;
    write!(
        page,
        "Both wrote the same {} bytes, with {} initcalls, from the {} inputs that the build gave \
         them. The tool uses one CPU, however many jobs there are; asked is at least 50 times less \
         CPU time.\n\n| {} |\n|---|---|---|---|---|\n",
        script.len(),
        sections.count(),
        inputs.files().len(),
        heading.join(" | "),
    )?;
    for row in &rows {
        writeln!(page, "| {} |", row.join(" | "))?;
    }
    println!(
        "{}",
        table::of(std::iter::once(heading.map(str::to_owned)).chain(rows))
    );
    keep(&results.join(format!("initcall-order-{release}.md")), &page)
}

/// Builds a kernel from nothing.
fn clean_build(variant: Variant, tree: &Path, workdir: &Path) -> Result<build::Usage, Failure> {
    files::remove_dir(&variant.objtree(workdir))?;
    variant.build(tree, workdir)
}

/// Builds `target` of a configured kernel in a separate process, which has no other children whose memory
/// would count.
fn build_apart(
    tree: &Path,
    arch: Arch,
    objtree: &Path,
    target: &str,
) -> anyhow::Result<build::Usage> {
    let program = std::env::current_exe().context("this program")?;
    let mut command = Command::new(program);
    command
        .args(["kernel", "build", "--arch", arch.name()])
        .args(["--target", target, "--tree"])
        .arg(tree)
        .arg("--objtree")
        .arg(objtree);
    eprintln!("building {}", objtree.display());
    process::output(&mut command)?;
    build::read_usage(objtree)
}

fn build_ratio(none: f64, thin: f64) -> Ratio {
    Ratio {
        what: "CPU of the thin LTO build, against none",
        goal: "at most 1.10",
        value: format!("{:.2}", thin / none),
        from: format!("{thin:.0} s, {none:.0} s"),
    }
}

/// Compares the CPU time of our tools in the build at `objtree` with that of the whole build. The links have
/// recorded their cost; the other tools run once more.
fn tools_ratio(tools: &Path, objtree: &Path, build: f64) -> anyhow::Result<Ratio> {
    let mut links = 0.0;
    let mut bitcode = Vec::new();
    let mut modules = Vec::new();
    for entry in walkdir::WalkDir::new(objtree) {
        let path = entry?.into_path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".o.lto-usage.json") {
            let usage = lto_link::read_usage(&path).with_context(|| path.display().to_string())?;
            links += usage.own_cpu_seconds;
        } else if name.ends_with(".o.lto-inputs") {
            let record =
                lto_link::read_record(&path).with_context(|| path.display().to_string())?;
            let inputs = record
                .into_iter()
                .filter(|input| input.kind == lto_link::InputKind::Bitcode);
            bitcode.extend(inputs.map(|input| input.path));
        } else if path.extension().is_some_and(|extension| extension == "mod") {
            modules.push(path.with_extension("o"));
        }
    }
    let exports = cpu_of(|| {
        for object in &bitcode {
            process::output(
                Command::new(tools.join("modversions"))
                    .current_dir(objtree)
                    .arg("exports")
                    .arg(object),
            )?;
        }
        Ok(())
    })?;
    let mod_files = cpu_of(|| {
        for object in &modules {
            process::output(
                Command::new(tools.join("mod-dedup"))
                    .args(["-o", "/dev/null", "--"])
                    .arg(object),
            )?;
        }
        Ok(())
    })?;
    let config = objtree.join("include/config/auto.conf");
    let config = fs::read_to_string(&config).with_context(|| config.display().to_string())?;
    let has_mcount_loc = config.contains("CONFIG_FTRACE_MCOUNT_USE_MCOUNT_LOC=y");
    let tables = cpu_of(|| {
        if has_mcount_loc {
            // The tables exist now, but it reads as much as when it made them.
            let mut command = Command::new(tools.join("mcount-loc"));
            command.arg("--check").arg(objtree.join("vmlinux.o"));
            process::output(command.args(&modules))?;
        }
        Ok(())
    })?;
    let ours = links + exports + mod_files + tables;
    Ok(Ratio {
        what: "CPU of all our tools, against the whole build",
        goal: "under 1 %",
        value: format!("{:.2} %", ours / build * 100.0),
        from: format!(
            "links {links:.2} s, modversions {exports:.2} s ({} runs), mod-dedup {mod_files:.2} s ({} runs), mcount-loc {tables:.2} s, of {build:.0} s",
            bitcode.len(),
            modules.len()
        ),
    })
}

/// Compares initcall-order with the script of kernels with native LTO, over the same archives.
fn initcall_ratio(tools: &Path, objtree: &Path) -> anyhow::Result<Ratio> {
    let scripts = fetch::fetch(fetch::Options {
        version: "6.1",
        package_version: None,
        into: &workspace::trees(),
    })?;
    let archives: Vec<PathBuf> = archives(objtree)?;
    let ours = cpu_of(|| {
        for _ in 0..REPEATS {
            process::output(
                Command::new(tools.join("initcall-order"))
                    .current_dir(objtree)
                    .args(["-o", "/dev/null"])
                    .args(&archives),
            )?;
        }
        Ok(())
    })? / f64::from(REPEATS);
    let theirs = cpu_of(|| {
        let mut perl = Command::new("perl");
        perl.arg(scripts.join("scripts/generate_initcall_order.pl"))
            .args(&archives)
            .env("NM", llvm::bin_dir()?.join("llvm-nm"))
            .env("objtree", objtree)
            .current_dir(objtree);
        process::output(&mut perl).map(drop)
    })?;
    Ok(Ratio {
        what: "CPU of generate_initcall_order.pl, against initcall-order",
        goal: "at least 50",
        value: format!("{:.0}", theirs / ours),
        from: format!(
            "{theirs:.2} s, {:.1} ms, over {} archives",
            ours * 1000.0,
            archives.len()
        ),
    })
}

/// Compares mcount-loc with the kernel's own recordmcount, over the objects of a build without LTO for which
/// recordmcount made a table. The tables are removed first. Returns nothing if the compiler makes them.
fn mcount_ratio(tools: &Path, objtree: &Path) -> anyhow::Result<Option<Ratio>> {
    let recordmcount = objtree.join("scripts/recordmcount");
    if !recordmcount.exists() {
        return Ok(None);
    }
    let dir = tempfile::tempdir().context("a directory for copies of objects")?;
    let objcopy = llvm::bin_dir()?.join("llvm-objcopy");
    let mut copies = [Vec::new(), Vec::new()];
    for entry in walkdir::WalkDir::new(objtree) {
        let object = entry?.into_path();
        if !has_mcount_table(&object) {
            continue;
        }
        let name = format!("{}.o", copies[0].len());
        let (ours, theirs) = (dir.path().join(&name), dir.path().join(format!("r{name}")));
        process::output(
            Command::new(&objcopy)
                .args(["-R", mcount_loc::TABLE, "-R"])
                .arg(format!(".rela{}", mcount_loc::TABLE))
                .args([&object, &ours]),
        )?;
        fs::copy(&ours, &theirs).with_context(|| theirs.display().to_string())?;
        copies[0].push(ours);
        copies[1].push(theirs);
    }
    let [ours, theirs] = copies;
    anyhow::ensure!(
        !ours.is_empty(),
        "{}: no object with {}",
        objtree.display(),
        mcount_loc::TABLE
    );
    let objects = ours.len();
    let ours =
        cpu_of(|| process::output(Command::new(tools.join("mcount-loc")).args(&ours)).map(drop))?;
    let theirs = cpu_of(|| {
        for object in &theirs {
            process::output(Command::new(&recordmcount).arg(object))?;
        }
        Ok(())
    })?;
    Ok(Some(Ratio {
        what: "CPU of recordmcount, against mcount-loc",
        goal: "at least 3",
        value: format!("{:.1}", theirs / ours),
        from: format!("{theirs:.2} s, {ours:.2} s, over the same {objects} objects"),
    }))
}

/// Returns whether it is an object other than vmlinux.o with the table of entry calls.
fn has_mcount_table(path: &Path) -> bool {
    let is_object = path.extension().is_some_and(|extension| extension == "o");
    if !is_object || path.file_name().is_some_and(|name| name == "vmlinux.o") {
        return false;
    }
    let files = tool_io::Files::new();
    files
        .elf(path)
        .is_ok_and(|elf| elf.section_by_name(mcount_loc::TABLE).is_some())
}

/// Returns the archives of the object tree's top directories, which together contain all of vmlinux.
fn archives(objtree: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut archives = Vec::new();
    for entry in fs::read_dir(objtree).with_context(|| objtree.display().to_string())? {
        let archive = entry?.path().join("built-in.a");
        if archive.is_file() {
            archives.push(archive.strip_prefix(objtree)?.to_owned());
        }
    }
    archives.sort();
    Ok(archives)
}

/// Returns the CPU seconds of the processes that `work` runs.
fn cpu_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let before = build::children_seconds()?;
    work()?;
    Ok(build::children_seconds()? - before)
}

fn kernel_name(version: &str, arch: Arch, profile: Profile) -> String {
    format!("{version} {}, profile {}", arch.name(), profile.name())
}

fn arguments(arch: Arch, profile: Profile) -> String {
    format!("--arch {} --profile {}", arch.name(), profile.name())
}

/// Returns the head of every page: the command that made it, and the machine.
fn head(title: &str, command: &str) -> anyhow::Result<String> {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let clang = process::output(Command::new(llvm::bin_dir()?.join("clang")).arg("--version"))?;
    Ok(format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n# {title}\n\n\
         Made by `cargo xtask {command}`, all in one run.\n\n\
         - machine: {} CPUs, {}\n- compiler: {}\n\n",
        build::cpus(),
        model.map_or("of an unknown kind", |(_, model)| model),
        clang.lines().next().unwrap_or_default(),
    ))
}

/// Returns the page with the result.
fn page(arch: Arch, profile: Profile, ratios: &[Ratio]) -> anyhow::Result<String> {
    let title = format!(
        "Cost of the plugins: {}",
        kernel_name(demo::KERNEL, arch, profile)
    );
    let mut page = head(&title, &format!("bench {}", arguments(arch, profile)))?;
    page.push_str("| what | measured | asked | from |\n|---|---|---|---|\n");
    for Ratio {
        what,
        goal,
        value,
        from,
    } in ratios
    {
        writeln!(page, "| {what} | {value} | {goal} | {from} |")?;
    }
    Ok(page)
}
