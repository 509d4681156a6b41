// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask bench`: measures the cost of the plugins, as ratios to the steps that they replace.

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
use crate::outcome::{Outcome, print};
use crate::values;

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
  cargo xtask bench rebuilds
  cargo xtask bench rebuilds --arch x86_64 --profile ci --kernel 7.3
  cargo xtask bench dropping --trim
  cargo xtask bench levers --trim --profile ci
  cargo xtask bench inlining --profile ci
  cargo xtask bench initcalls /build/6.12-thin
  cargo xtask bench checks /build/6.12-thin")]
pub struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
    #[command(flatten)]
    old: Old,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(clap::Subcommand)]
enum Sub {
    /// Measure what it costs to build again
    ///
    /// Builds the kernel without LTO, with distributed thin LTO and with thin LTO, and each again after
    /// small changes.
    Rebuilds {
        #[command(flatten)]
        kernels: KernelArgs,
        /// The version of the kernel: one that has distributed thin LTO of its own is built as it comes and
        /// with lto-link [default: 5.10].
        #[arg(long, value_name = "VERSION")]
        kernel: Option<String>,
        /// Build nothing from nothing: measure the changes only, on what an earlier run built.
        #[arg(long)]
        built: bool,
    },
    /// Measure what it costs and gains to drop what nothing references
    ///
    /// Builds the kernel without LTO and with each kind of LTO, with and without dropping.
    Dropping {
        #[command(flatten)]
        kernels: KernelArgs,
        /// With unused exports trimmed in all of them.
        #[arg(long)]
        trim: bool,
    },
    /// Measure what the options for smaller code gain, on top of dropping; boots each kernel
    Levers {
        #[command(flatten)]
        kernels: KernelArgs,
        /// With unused exports trimmed in all of them.
        #[arg(long)]
        trim: bool,
    },
    /// Measure the size of the kernel with full LTO against how far it inlines
    Inlining {
        #[command(flatten)]
        kernels: KernelArgs,
    },
    /// Compare initcall-order with the Perl script of a tree that has LTO of its own
    Initcalls {
        #[command(flatten)]
        built: Built,
    },
    /// Measure what the checks cost that single plugins add to such a build, and verify
    Checks {
        #[command(flatten)]
        built: Built,
    },
    Runtime(runtime::Args),
}

/// Which kernels are built, and where.
#[derive(clap::Args)]
struct KernelArgs {
    /// The profile of the kernel.
    #[arg(long, value_parser = values::profile(), default_value = "wide")]
    profile: Profile,
    /// The architecture the kernel is built for.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// The directory in which the kernels are built [default: target/bench of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The directory for the result [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
}

/// A kernel that was built.
#[derive(clap::Args)]
struct Built {
    /// The object tree of a kernel that was built with LTO by a tree that knows LTO itself.
    objtree: PathBuf,
    /// Where the result is written [default: docs/results of this repository].
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// The measurement, if it is not the cost of the plugins in a build from nothing.
#[derive(clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of the command line, of which one is given"
)]
struct Old {
    #[arg(long, hide = true, requires = "drops")]
    trim: bool,
    #[arg(long, hide = true, requires = "rebuilds")]
    kernel: Option<String>,
    #[arg(long, hide = true, requires = "rebuilds")]
    built: bool,
    #[arg(long, hide = true, group = "old")]
    rebuilds: bool,
    #[arg(long, hide = true, groups = ["old", "drops"])]
    dropping: bool,
    #[arg(long, hide = true, groups = ["old", "drops"])]
    levers: bool,
    #[arg(long, hide = true, group = "old")]
    inlining: bool,
    #[arg(long, hide = true, group = "old", conflicts_with_all = ["profile", "arch", "workdir"])]
    initcalls: Option<PathBuf>,
    #[arg(long, hide = true, group = "old", conflicts_with_all = ["profile", "arch", "workdir"])]
    checks: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        kernels,
        old,
        command,
    } = args;
    match command {
        Some(Sub::Runtime(args)) => runtime::run(args),
        Some(Sub::Rebuilds {
            kernels,
            kernel,
            built,
        }) => kernels.measure(|kernels| kernels.rebuilds(kernel.as_deref(), *built)),
        Some(Sub::Dropping { kernels, trim }) => kernels.measure(|kernels| kernels.dropping(*trim)),
        Some(Sub::Levers { kernels, trim }) => kernels.measure(|kernels| kernels.levers(*trim)),
        Some(Sub::Inlining { kernels }) => kernels.measure(Kernels::inlining),
        Some(Sub::Initcalls { built }) => initcalls(&built.objtree, built.results.as_deref()),
        Some(Sub::Checks { built }) => checks(&built.objtree, built.results.as_deref()),
        None => old.run(kernels),
    }
}

impl Old {
    fn run(&self, kernels: &KernelArgs) -> Outcome {
        let Self {
            trim,
            kernel,
            built,
            rebuilds,
            dropping,
            levers,
            inlining,
            initcalls: initcalls_of,
            checks: checks_of,
        } = self;
        let results = kernels.results.as_deref();
        if let Some(objtree) = initcalls_of {
            renamed("initcalls");
            initcalls(objtree, results)
        } else if let Some(objtree) = checks_of {
            renamed("checks");
            checks(objtree, results)
        } else if *rebuilds {
            renamed("rebuilds");
            kernels.measure(|kernels| kernels.rebuilds(kernel.as_deref(), *built))
        } else if *dropping {
            renamed("dropping");
            kernels.measure(|kernels| kernels.dropping(*trim))
        } else if *levers {
            renamed("levers");
            kernels.measure(|kernels| kernels.levers(*trim))
        } else if *inlining {
            renamed("inlining");
            kernels.measure(Kernels::inlining)
        } else {
            kernels.measure(Kernels::plugins)
        }
    }
}

/// Names the new spelling of a command.
fn renamed(command: &str) {
    eprintln!("`cargo xtask bench --{command}` is now `cargo xtask bench {command}`");
}

fn results_dir(results: Option<&Path>) -> PathBuf {
    results.map_or_else(|| workspace::root().join("docs/results"), Path::to_owned)
}

impl KernelArgs {
    fn measure(&self, measure: impl FnOnce(&Kernels) -> Outcome) -> Outcome {
        let Self {
            profile,
            arch,
            workdir,
            results,
            no_install,
        } = self;
        let workdir = workdir
            .clone()
            .unwrap_or_else(|| workspace::root().join("target/bench"));
        measure(&Kernels {
            arch: *arch,
            profile: *profile,
            workdir,
            results: results_dir(results.as_deref()),
            install: !no_install,
        })
    }
}

/// initcall-order against the Perl script, on what the build of `objtree` gave to it.
fn initcalls(objtree: &Path, results: Option<&Path>) -> Outcome {
    let release = release(objtree)?;
    let tool = install::built_tool("initcall-order")?;
    let Compared { rows, page } = initcall_script::against_perl(objtree, &tool)?;
    print(format!("{}\n", table::of(rows)).as_bytes())?;
    let name = format!("initcall-order-{release}.md");
    keep(&results_dir(results).join(name), &page)
}

/// What the checks of single plugins cost on what the build of `objtree` left.
fn checks(objtree: &Path, results: Option<&Path>) -> Outcome {
    let release = release(objtree)?;
    let title = format!("Cost of the checks of single plugins: Linux {release}");
    let table = checks::measure(objtree, install::built_tool)?;
    print(format!("{table}\n").as_bytes())?;
    let page = format!("{}{table}", head(&title, "bench checks OBJTREE")?);
    keep(
        &results_dir(results).join(format!("checks-{release}.md")),
        &page,
    )
}

/// The kernels that are built to be measured.
struct Kernels {
    arch: Arch,
    profile: Profile,
    workdir: PathBuf,
    results: PathBuf,
    /// Whether missing system packages are installed.
    install: bool,
}

impl Kernels {
    fn tree(&self) -> anyhow::Result<PathBuf> {
        demo::prepare(None, &self.workdir, self.arch, self.install)
    }

    /// Writes a table as a page whose name begins with `name`.
    fn keep(&self, name: &str, version: &str, title: &str, option: &str, table: &str) -> Outcome {
        let Self {
            arch,
            profile,
            results,
            ..
        } = self;
        print(format!("{table}\n").as_bytes())?;
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
            let (tree, with_lto_link) = native_trees(version, &self.workdir)?;
            (tree, Some(with_lto_link))
        };
        let kernel = rebuilds::Kernel {
            build: &build_apart,
            tree: &tree,
            with_lto_link: with_lto_link.as_deref(),
            workdir: &self.workdir,
            arch: self.arch,
            profile: self.profile,
        };
        let table = rebuilds::measure(kernel, is_built)?;
        let title = "Cost of building again";
        let option = if is_built {
            "rebuilds --built"
        } else {
            "rebuilds"
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
        if trims {
            let title = format!("{title}, unused exports trimmed");
            let (page, command) = (format!("{name}-trimmed"), format!("{name} --trim"));
            self.keep(&page, demo::KERNEL, &title, &command, table)
        } else {
            self.keep(name, demo::KERNEL, title, name, table)
        }
    }

    fn dropping(&self, trims: bool) -> Outcome {
        let table =
            dropping::measure(&self.tree()?, &self.workdir, self.none(trims), &build_apart)?;
        self.keep_trimmed(
            "dropping",
            "Dropping what nothing references",
            trims,
            &table,
        )
    }

    fn levers(&self, trims: bool) -> Outcome {
        let table = dropping::levers(&self.tree()?, &self.workdir, self.none(trims), &build_apart)?;
        self.keep_trimmed("levers", "What makes code smaller", trims, &table)
    }

    fn inlining(&self) -> Outcome {
        let table =
            dropping::inlining(&self.tree()?, &self.workdir, self.none(false), &build_apart)?;
        let title = "How far full LTO inlines";
        self.keep("inlining", demo::KERNEL, title, "inlining", &table)
    }

    fn plugins(&self) -> Outcome {
        let variant = Variant::new(self.arch, self.profile, Lto::Thin);
        let ratios = plugins::measure(&self.tree()?, &self.workdir, variant)?;
        let rows = ratios
            .iter()
            .map(|ratio| [ratio.what, &ratio.value, ratio.goal, &ratio.from].map(str::to_owned));
        print(format!("{}\n", table::of(rows)).as_bytes())?;
        let name = page_name(demo::KERNEL, self.arch, self.profile);
        let page = plugins::page(variant, &ratios)?;
        keep(&self.results.join(format!("bench-{name}")), &page)
    }
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
    Ok(print(
        format!("written to {}\n", path.display()).as_bytes(),
    )?)
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
