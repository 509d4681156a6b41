// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench`: what the plugins cost, as ratios against what they replace.

pub mod runtime;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use kernel_bench::initcall_script::{self, Compared};
use kernel_bench::page::{arguments, head, kernel_name, page_name, release};
use kernel_bench::{checks, dropping, plugins, rebuilds};
use kernel_lab::config::{Lto, Profile};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, build, fetch, process, setup, table, workspace};

use crate::demo;
use crate::install;
use crate::outcome::Outcome;
use crate::values;

/// Measures what the plugins cost, as ratios in one run, and writes docs/results/.
///
/// Builds the same kernel from nothing without LTO and with thin LTO; with --rebuilds, without LTO, with
/// distributed thin LTO and with thin LTO, and each again after small changes. Leave the machine alone
/// meanwhile.
///
/// With --dropping, builds it without LTO and with each kind of LTO, with and without dropping what
/// nothing references; with --levers, with what else makes it smaller, each booted; with --inlining,
/// with full LTO, by how far that inlines.
///
/// With --initcalls or --checks, nothing is built but the tools, which are run on what a build of a
/// tree that has LTO of its own made: initcall-order against the Perl script of that tree, or the
/// checks that single plugins add to such a build, and verify.
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
    /// What the kernel is to have.
    #[arg(long, value_parser = values::profile(), default_value = "wide")]
    profile: Profile,
    /// The architecture the kernel is built for.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// Where the kernels are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Where the result is written [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// With unused exports trimmed in all of them.
    #[arg(long, requires = "drops")]
    trim: bool,
    /// The version of the kernel: one that has distributed thin LTO of its own is built as it comes and
    /// with lto-link [default: 5.10].
    #[arg(long, value_name = "VERSION", requires = "rebuilds")]
    kernel: Option<String>,
    /// Build nothing from nothing: measure the changes only, on what an earlier run built.
    #[arg(long, requires = "rebuilds")]
    built: bool,
    /// Install no system package: stop, and name what is missing.
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    what: What,
    #[command(subcommand)]
    command: Option<Sub>,
}

/// What is measured of kernels that were built.
#[derive(clap::Subcommand)]
enum Sub {
    Runtime(runtime::Args),
}

/// What is measured, if it is not what the plugins cost in a build from nothing.
#[derive(clap::Args)]
#[group(multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of the command line, of which one is given"
)]
struct What {
    /// Measure what it costs to build again, instead.
    #[arg(long)]
    rebuilds: bool,
    /// Measure what it costs and gains to drop what nothing references, instead.
    #[arg(long, group = "drops")]
    dropping: bool,
    /// Measure what the options for smaller code gain, on top of that, instead.
    #[arg(long, group = "drops")]
    levers: bool,
    /// Measure the size of the kernel with full LTO against how far it inlines, instead.
    #[arg(long)]
    inlining: bool,
    /// The object tree of a kernel that was built with LTO by a tree that knows LTO itself.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "arch", "workdir"])]
    initcalls: Option<PathBuf>,
    /// The same, for what the checks of single plugins cost.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "arch", "workdir"])]
    checks: Option<PathBuf>,
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
        let release = release(objtree)?;
        let tool = install::built_tool("initcall-order")?;
        let Compared { rows, page } = initcall_script::against_perl(objtree, &tool)?;
        println!("{}", table::of(rows));
        return keep(&results.join(format!("initcall-order-{release}.md")), &page);
    }
    if let Some(objtree) = checks {
        let release = release(objtree)?;
        let title = format!("Cost of the checks of single plugins: Linux {release}");
        let table = checks::measure(objtree, install::built_tool)?;
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

    /// Keeps a table as a page, whose name begins with `name`.
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
            build: &build_apart,
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

    /// Keeps the table of kernels that drop, of which all may have unused exports trimmed.
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
        let table = dropping::measure(&self.tree()?, self.workdir, self.none(trims), &build_apart)?;
        self.keep_trimmed(
            "dropping",
            "Dropping what nothing references",
            trims,
            &table,
        )
    }

    fn levers(&self, trims: bool) -> Outcome {
        let table = dropping::levers(&self.tree()?, self.workdir, self.none(trims), &build_apart)?;
        self.keep_trimmed("levers", "What makes code smaller", trims, &table)
    }

    fn inlining(&self) -> Outcome {
        let table =
            dropping::inlining(&self.tree()?, self.workdir, self.none(false), &build_apart)?;
        let title = "How far full LTO inlines";
        self.keep("inlining", demo::KERNEL, title, "--inlining", &table)
    }

    fn plugins(&self) -> Outcome {
        let variant = Variant::new(self.arch, self.profile, Lto::Thin);
        let ratios = plugins::measure(&self.tree()?, self.workdir, variant)?;
        let rows = ratios
            .iter()
            .map(|ratio| [ratio.what, &ratio.value, ratio.goal, &ratio.from].map(str::to_owned));
        println!("{}", table::of(rows));
        let name = page_name(demo::KERNEL, self.arch, self.profile);
        let page = plugins::page(variant, &ratios)?;
        keep(&self.results.join(format!("bench-{name}")), &page)
    }
}

/// A tree of `version` as it comes, and one with lto-link.
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

/// Builds a configured kernel in a process of its own, which has no other children whose memory counts.
fn build_apart(options: build::Options<'_>) -> anyhow::Result<build::Usage> {
    let build::Options {
        tree,
        arch,
        objtree,
        target,
        ..
    } = options;
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
