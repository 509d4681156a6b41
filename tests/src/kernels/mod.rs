// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tests of `cargo xtask test` that build kernels.
//!
//! They run in the order of [`TESTS`] and use the trees and object trees of earlier tests.

mod anywhere;
mod broken;
mod conventions;
mod debug_info;
mod dist;
mod distributed;
mod dropping;
mod farm;
mod farm_kernel;
mod hardening;
mod llvm;
mod modes;
mod mutations;
mod native;
mod objects;
mod parts;
mod profile;
mod randconfig;
mod rebuild;
mod runtime;
mod series;
mod subsets;
mod tree;
mod warnings;
mod x86_64;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use kernel_bench::gains;
use kernel_checks::Report;
use kernel_lab::config::{self, Lto, Profile, Setting};
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Failure, KERNEL, Outcome, boot, build, fetch, progress, selftest, table};
use lto_lab::Lab;

/// A test, which uses and leaves kernels in the directory.
pub type KernelTest = fn(&Path) -> Outcome;

/// All tests except [`WIDE`].
pub const TESTS: [(&str, KernelTest); 39] = [
    ("thin LTO against none", thin),
    ("make again rebuilds nothing", rebuild::nothing),
    (
        "a touched file rebuilds what depends on it",
        rebuild::touched,
    ),
    (
        "what a killed build left unfinished is made again",
        rebuild::unfinished,
    ),
    (
        "an external module keeps to its own directory",
        rebuild::external_module,
    ),
    (
        "distributed thin LTO against none",
        distributed::against_none,
    ),
    (
        "distributed: make again generates no code",
        distributed::nothing,
    ),
    (
        "distributed: a change reaches those who take it, and nobody else",
        distributed::changed,
    ),
    (
        "distributed: one native object by its name",
        distributed::by_name,
    ),
    (
        "distributed: an external module keeps to its own directory",
        distributed::external_module,
    ),
    (
        "modules: a Makefile keeps objects native in the kernel's usual ways",
        conventions::kept_native,
    ),
    (
        "modules: a file that assembly takes in is as new as its content",
        conventions::included_file,
    ),
    (
        "modules: flags reach code generation with their words",
        conventions::flags_with_words,
    ),
    (
        "modules: objects that cannot be merged are named, each time",
        conventions::conflicting_flags,
    ),
    (
        "modules: one of the tree builds from a copy and in its place",
        conventions::module_of_the_tree,
    ),
    (
        "modules: single targets by their names",
        conventions::single_targets,
    ),
    (
        "modules: make -k builds the others",
        conventions::keep_going,
    ),
    (
        "modules: the user's flags, and make clean",
        conventions::own_flags_and_clean,
    ),
    (
        "modules: another compiler is refused at once",
        conventions::another_compiler,
    ),
    (
        "compile_commands.json lists what it lists without LTO",
        conventions::compile_commands,
    ),
    ("dropping: distributed thin LTO", dropping::distributed),
    (
        "every object is read as llvm-nm and goblin read it",
        objects::readers_agree,
    ),
    (
        "every C file with .incbin stays native code",
        objects::included_files,
    ),
    (
        "the initcall script is that of the kernel's own script",
        objects::initcall_script,
    ),
    (
        "verify sees each artefact that is broken on purpose",
        broken::verify_sees,
    ),
    (
        "a file behind .incbin is as new as its content",
        rebuild::included_content,
    ),
    (
        "missing tools stop the build at once",
        broken::missing_tools,
    ),
    ("uninstall gives the tree back", tree::uninstall),
    (
        "Kconfig offers LTO only with the plugins it takes",
        tree::gates,
    ),
    (
        "Kconfig refuses LTO with what does not work with it",
        tree::refusals,
    ),
    (
        "Kconfig knows who makes the table of traced calls",
        tree::recorders,
    ),
    (
        "Kconfig offers profiles with what works with them",
        profile::options,
    ),
    (
        "a tree with LTO of its own takes single plugins and gives them back",
        native::adoption,
    ),
    ("x86_64: a small kernel with thin LTO", x86_64::small),
    (
        "x86_64: a tree built without LTO, with it, and without",
        modes::x86_64_there_and_back,
    ),
    (
        "x86_64: a changed objtool annotates again and compiles nothing",
        x86_64::changed_objtool,
    ),
    (
        "x86_64: verify sees a call site that is broken on purpose",
        x86_64::verify_sees,
    ),
    (
        "every check of verify sees the changes that it must see",
        mutations::all_of_two_kernels,
    ),
    (
        "mcount-loc makes the records of recordmcount",
        objects::entry_calls,
    ),
];

/// The tests that take hours: kernels built again from scratch, and kernels of trees with their own LTO.
pub const WIDE: [(&str, KernelTest); 83] = [
    ("full LTO against none", full),
    (
        "every object of full LTO is read as llvm-nm and goblin read it",
        objects::readers_agree_full,
    ),
    (
        "full LTO: the initcall script is that of the kernel's own script",
        objects::initcall_script_full,
    ),
    (
        "a link with -j1 in another object directory gives the same order",
        rebuild::one_job,
    ),
    (
        "-j1 from nothing in another object directory gives the same order",
        rebuild::one_job_from_nothing,
    ),
    ("x86_64: thin LTO against none", x86_64::thin),
    (
        "x86_64: mcount-loc makes the records of recordmcount",
        objects::entry_calls_x86_64,
    ),
    (
        "x86_64: distributed thin LTO against none",
        distributed::x86_64_against_none,
    ),
    (
        "distributed: objects that come and go",
        distributed::come_and_go,
    ),
    (
        "distributed: a changed limit of inlining reaches all",
        distributed::limit,
    ),
    (
        "distributed: the same bytes with one job, in another place, after twenty kills",
        distributed::same_bytes,
    ),
    (
        "the same bytes from another tree, place, locale, order of files and number of jobs",
        anywhere::two_places,
    ),
    (
        "with debug information, two object trees give the same stripped kernel",
        anywhere::debug_information,
    ),
    (
        "DWARF 4 and BTF: debuggers, bpftool and pahole see what they see without LTO",
        debug_info::dwarf_4_and_btf,
    ),
    (
        "compressed DWARF of the compiler's default version, and BTF: the same",
        debug_info::compressed,
    ),
    (
        "ccache gives the same bytes, and answers the second time",
        anywhere::with_ccache,
    ),
    (
        "a second build in another place finds generated code and compilations in caches",
        anywhere::found_again,
    ),
    (
        "arm64: what hardens a kernel works as without LTO",
        hardening::arm64,
    ),
    (
        "x86_64: the sanitizers of races and undefined behaviour work as without LTO",
        hardening::x86_64_sanitizers,
    ),
    (
        "a kernel without modules builds and boots in every mode",
        anywhere::without_modules,
    ),
    (
        "modules: prebuilt, joined and generated parts, outside of the tree",
        parts::external,
    ),
    (
        "modules and vmlinux: prebuilt, joined and generated parts, in the tree",
        parts::in_tree,
    ),
    (
        "dropping: thin LTO in one process",
        dropping::in_one_process,
    ),
    ("dropping: full LTO", dropping::full),
    ("dropping: with unused exports trimmed", dropping::trimmed),
    ("dropping: x86_64, distributed thin LTO", dropping::x86_64),
    (
        "dropping: with the options for smaller code",
        dropping::smaller,
    ),
    (
        "verify finds nothing where kallsyms has no data",
        rebuild::without_data_symbols,
    ),
    (
        "W=1 and C=1 give no warning that the tree did not give before",
        warnings::none_is_new,
    ),
    (
        "series --by-maintainer: each patch applies and configures, the last offer LTO",
        series::by_maintainer,
    ),
    (
        "dist: a release installs without a network and without Rust",
        dist::installs_alone,
    ),
    (
        "x86_64: each subset of plugins leaves a kernel without LTO as it was",
        subsets::x86_64,
    ),
    (
        "arm64: each subset of plugins leaves a kernel without LTO as it was",
        subsets::arm64,
    ),
    (
        "x86_64: every switch between modes gives a clean build",
        modes::x86_64_every_switch,
    ),
    (
        "arm64: every switch between modes gives a clean build",
        modes::arm64_every_switch,
    ),
    (
        "LLVM 14, arm64: thin, full, and distributed that drops",
        llvm::arm64::<14>,
    ),
    (
        "LLVM 14, x86_64: thin, full, and distributed that drops",
        llvm::x86_64::<14>,
    ),
    (
        "LLVM 15, arm64: thin, full, and distributed that drops",
        llvm::arm64::<15>,
    ),
    (
        "LLVM 15, x86_64: thin, full, and distributed that drops",
        llvm::x86_64::<15>,
    ),
    (
        "LLVM 16, arm64: thin, full, and distributed that drops",
        llvm::arm64::<16>,
    ),
    (
        "LLVM 16, x86_64: thin, full, and distributed that drops",
        llvm::x86_64::<16>,
    ),
    (
        "LLVM 19, arm64: thin, full, and distributed that drops",
        llvm::arm64::<19>,
    ),
    (
        "LLVM 19, x86_64: thin, full, and distributed that drops",
        llvm::x86_64::<19>,
    ),
    ("6.12 x86_64: verify after thin LTO", |workdir| {
        native::verify_untouched(workdir, &native::X86_6_12)
    }),
    (
        "6.12 x86_64: dropping by lto-link, modules too",
        |workdir| native::drops_adopted(workdir, &native::X86_6_12),
    ),
    (
        "6.12 x86_64: dropping and distributed, by lto-link, modules too",
        |workdir| native::drops_distributed(workdir, &native::X86_6_12),
    ),
    (
        "6.12 x86_64: full LTO and dropping, by lto-link, modules too",
        |workdir| native::drops_with_full_lto(workdir, &native::X86_6_12),
    ),
    (
        "6.12 x86_64: initcall-order in place of the Perl script",
        native::adopted,
    ),
    (
        "6.12 x86_64: every plugin on offer, in a build",
        native::all_adopted,
    ),
    ("6.12 x86_64: verify after full LTO", |workdir| {
        native::verify_untouched(workdir, &native::X86_6_12.with(Lto::Full))
    }),
    ("6.12 arm64: verify after thin LTO", |workdir| {
        native::verify_untouched(workdir, &native::ARM_6_12)
    }),
    ("6.12 arm64: dropping by lto-link, modules too", |workdir| {
        native::drops_adopted(workdir, &native::ARM_6_12)
    }),
    (
        "6.12 arm64: dropping and distributed, by lto-link, modules too",
        |workdir| native::drops_distributed(workdir, &native::ARM_6_12),
    ),
    (
        "6.12 arm64: full LTO and dropping, by lto-link, modules too",
        |workdir| native::drops_with_full_lto(workdir, &native::ARM_6_12),
    ),
    ("6.1 arm64: verify after thin LTO", |workdir| {
        native::verify_untouched(workdir, &native::ARM_6_1)
    }),
    ("6.1 arm64: dropping by lto-link, modules too", |workdir| {
        native::drops_adopted(workdir, &native::ARM_6_1)
    }),
    (
        "6.1 arm64: dropping and distributed, by lto-link, modules too",
        |workdir| native::drops_distributed(workdir, &native::ARM_6_1),
    ),
    (
        "6.1 arm64: full LTO and dropping, by lto-link, modules too",
        |workdir| native::drops_with_full_lto(workdir, &native::ARM_6_1),
    ),
    ("6.1 x86_64: verify after thin LTO", |workdir| {
        native::verify_untouched(workdir, &native::X86_6_1)
    }),
    ("6.1 x86_64: dropping by lto-link, modules too", |workdir| {
        native::drops_adopted(workdir, &native::X86_6_1)
    }),
    (
        "6.1 x86_64: dropping and distributed, by lto-link, modules too",
        |workdir| native::drops_distributed(workdir, &native::X86_6_1),
    ),
    (
        "6.1 x86_64: full LTO and dropping, by lto-link, modules too",
        |workdir| native::drops_with_full_lto(workdir, &native::X86_6_1),
    ),
    ("7.3 x86_64: verify after thin LTO", |workdir| {
        native::verify_untouched(workdir, &native::X86_7_3)
    }),
    ("7.3 x86_64: dropping by lto-link, modules too", |workdir| {
        native::drops_adopted(workdir, &native::X86_7_3)
    }),
    (
        "7.3 x86_64: dropping and distributed, by lto-link, modules too",
        |workdir| native::drops_distributed(workdir, &native::X86_7_3),
    ),
    (
        "7.3 x86_64: full LTO and dropping, by lto-link, modules too",
        |workdir| native::drops_with_full_lto(workdir, &native::X86_7_3),
    ),
    (
        "7.3 x86_64: dropping by lto-link, with unused exports trimmed",
        native::x86_64_7_3_trims,
    ),
    (native::DISTRIBUTED_7_3, native::x86_64_7_3_dist),
    ("7.3 x86_64: adoption", native::adoption_7_3),
    (
        "7.3 x86_64: distributed thin LTO by lto-link, modules too",
        native::distributed_adopted,
    ),
    ("7.3 arm64: verify after thin LTO", |workdir| {
        native::verify_untouched(workdir, &native::ARM_7_3)
    }),
    ("7.3 arm64: dropping by lto-link, modules too", |workdir| {
        native::drops_adopted(workdir, &native::ARM_7_3)
    }),
    (
        "7.3 arm64: dropping and distributed, by lto-link, modules too",
        |workdir| native::drops_distributed(workdir, &native::ARM_7_3),
    ),
    (
        "7.3 arm64: full LTO and dropping, by lto-link, modules too",
        |workdir| native::drops_with_full_lto(workdir, &native::ARM_7_3),
    ),
    (
        "bench runtime counts the kernel alone, and sees what got slower",
        runtime::counts,
    ),
    (
        "bench runtime: programs of Debian's packages",
        runtime::foreign,
    ),
    ("a kernel by a profile does less work", profile::less_work),
    (
        "x86_64: a kernel by a profile does less work",
        profile::less_work_x86_64,
    ),
    (
        "every check sees its changes in each kernel that was built",
        mutations::every_kernel,
    ),
    (
        "a farm on this machine gives the same code, and ends",
        farm::generates_code,
    ),
    (
        "a farm on this machine gives the same kernel, whatever is killed",
        farm_kernel::arm64_ci,
    ),
    (
        "a farm on this machine gives the same large kernel, whatever is killed",
        farm_kernel::arm64_wide,
    ),
    (
        "randconfig: two small configurations of fixed seeds",
        randconfig::two_small,
    ),
];

const ARCH: Arch = Arch::Arm64;
const PROFILE: Profile = Profile::Ci;

fn thin(workdir: &Path) -> Outcome {
    demonstrate(workdir, ARCH, Lto::Thin)
}

fn full(workdir: &Path) -> Outcome {
    demonstrate(workdir, ARCH, Lto::Full)
}

fn demonstrate(workdir: &Path, arch: Arch, lto: Lto) -> Outcome {
    demonstrate_variant(workdir, Variant::new(arch, PROFILE, lto))
}

fn demonstrate_variant(workdir: &Path, variant: Variant) -> Outcome {
    let gains = gains::demonstrate(&Lab::new(workdir), variant, false)?;
    progress::note(&table::of(gains.cells()).to_string());
    gains.judge()
}

/// Returns the kernel tree with all plugins in `workdir`.
fn kernel_tree(workdir: &Path) -> anyhow::Result<PathBuf> {
    Lab::new(workdir).tree(ARCH)
}

/// Fails with every fault of the report, and with everything that could not be checked.
fn verified(report: &Report) -> Outcome {
    let lines = [report.faults(), report.could_not_run()].concat();
    expect(lines.is_empty(), || lines.join("\n"))
}

fn fetch_into(into: &Path) -> anyhow::Result<PathBuf> {
    fetch::fetch(fetch::Options {
        version: KERNEL,
        package_version: None,
        into,
    })
}

/// Returns the object tree of this kernel; builds it if no earlier test has.
fn built(workdir: &Path, lto: Lto) -> Result<PathBuf, Failure> {
    built_variant(workdir, Variant::new(ARCH, PROFILE, lto))
}

fn built_variant(workdir: &Path, variant: Variant) -> Result<PathBuf, Failure> {
    Lab::new(workdir).kernel(variant)
}

fn configure(tree: &Path, objtree: &Path, lto: Lto, set: &[Setting]) -> Outcome {
    config::configure(config::Options {
        tree,
        arch: ARCH,
        objtree,
        profile: PROFILE,
        lto,
        set,
    })
}

/// Builds for arm64, and returns the lines that make printed.
fn build(tree: &Path, objtree: &Path, jobs: Option<usize>) -> Result<Vec<String>, Failure> {
    build_for(ARCH, tree, objtree, jobs)
}

fn build_for(
    arch: Arch,
    tree: &Path,
    objtree: &Path,
    jobs: Option<usize>,
) -> Result<Vec<String>, Failure> {
    let jobs = jobs.and_then(std::num::NonZero::new);
    build::build(build::Options {
        tree,
        arch,
        objtree,
        jobs,
        target: build::ALL,
    })?;
    Ok(build::last_log(objtree)?
        .lines()
        .map(str::to_owned)
        .collect())
}

/// The variables of make for a kernel that does not contain the time, place and number of its build.
const REPRODUCIBLE: [&str; 4] = [
    "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER=user",
    "KBUILD_BUILD_HOST=host",
    "KBUILD_BUILD_VERSION=1",
];

/// Runs make, which may fail; returns whether it succeeded, and its whole output.
fn ended(make: &mut Command) -> anyhow::Result<(bool, String)> {
    let output = make.stdin(Stdio::null()).output().context("running make")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((output.status.success(), said))
}

/// Checks that the kernel in `objtree` boots without a fault and loads its modules.
fn boots(arch: Arch, objtree: &Path) -> Outcome {
    let report = boot::boot_built(arch, objtree)?;
    report.outcome(objtree)?;
    expect(report.loaded() > 0, || "no module was loaded".into())
}

/// The time limit of a guest with the kernel's own tests.
const SELFTEST_TIME: Duration = Duration::from_secs(600);

/// Runs the kernel's own tests, and compares them with those of another kernel.
fn self_tested(arch: Arch, objtree: &Path, against: &Path) -> anyhow::Result<selftest::Report> {
    selftest::selftest(selftest::Options {
        arch,
        objtree,
        against: Some(against),
        output: None,
        busybox: None,
        timeout: SELFTEST_TIME,
    })
}

/// Returns a fault with this text.
fn fault(text: impl Into<String>) -> Failure {
    Failure::Fault(anyhow::anyhow!(text.into()))
}

/// Returns a fault with this text, unless `good`.
fn expect(good: bool, text: impl FnOnce() -> String) -> Outcome {
    if good { Ok(()) } else { Err(fault(text())) }
}
