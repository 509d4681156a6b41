// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds kernels to be measured, and writes a page for each measurement.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kernel_lab::config::{Lto, Profile};
use kernel_lab::files::write;
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Failure, KERNEL, table};
use lto_lab::Lab;

use crate::initcall_script::{self, Compared};
use crate::page::{arguments, head, kernel_name, page_name, release};
use crate::{BuildApart, checks, dropping, plugins, rebuilds, scaling};

/// A measurement that was kept.
#[derive(Debug)]
pub struct Kept {
    /// The table for the terminal.
    pub table: String,
    /// The path of its page.
    pub page: PathBuf,
}

/// The kernels to measure.
#[derive(Clone, Copy)]
pub struct Kernels<'a> {
    /// The lab that has their trees and object trees.
    pub lab: &'a Lab,
    /// Their architecture.
    pub arch: Arch,
    /// Their profile.
    pub profile: Profile,
    /// The directory for pages.
    pub results: &'a Path,
    /// Builds them.
    pub build: BuildApart<'a>,
}

/// The texts of a page, except its table.
struct Texts<'a> {
    /// The begin of the page's file name.
    name: &'a str,
    version: &'a str,
    title: &'a str,
    /// The part of the command after `bench`.
    command: &'a str,
}

impl Kernels<'_> {
    /// Measures what it costs to build the kernel of `version` again after small changes. If `is_built`, an
    /// earlier run has built them from scratch.
    ///
    /// # Errors
    /// A build or a change fails, or the page cannot be written.
    pub fn rebuilds(&self, version: Option<&str>, is_built: bool) -> Result<Kept, Failure> {
        let version = version.unwrap_or(KERNEL);
        let (tree, with_lto_link) = if version == KERNEL {
            (self.lab.tree(self.arch)?, None)
        } else {
            self.lab.prepare(self.arch)?;
            let (tree, with_lto_link) = self.lab.native_trees(version)?;
            (tree, Some(with_lto_link))
        };
        let kernel = rebuilds::Kernel {
            build: self.build,
            tree: &tree,
            with_lto_link: with_lto_link.as_deref(),
            workdir: self.lab.workdir(),
            arch: self.arch,
            profile: self.profile,
        };
        let table = rebuilds::measure(kernel, is_built)?;
        let texts = Texts {
            name: "rebuilds",
            version,
            title: "Cost of building again",
            command: if is_built {
                "rebuilds --built"
            } else {
                "rebuilds"
            },
        };
        self.keep(&texts, table)
    }

    /// Measures each of the kinds of LTO (all if there are none), with and without dropping, with unused
    /// exports trimmed if `trims`.
    ///
    /// # Errors
    /// A kernel cannot be built or booted, or the page cannot be written.
    pub fn dropping(&self, trims: bool, kinds: &[Lto]) -> Result<Kept, Failure> {
        let tree = self.lab.tree(self.arch)?;
        let (workdir, none) = (self.lab.workdir(), self.none(trims));
        let all = if kinds.is_empty() {
            &dropping::KINDS
        } else {
            kinds
        };
        let table = dropping::measure(&tree, workdir, none, all, self.build)?;
        let names: Vec<_> = kinds.iter().map(|lto| lto.name()).collect();
        let chosen = match &names[..] {
            [] => String::new(),
            names => format!(" --lto {}", names.join(",")),
        };
        self.keep_trimmed(
            "dropping",
            &chosen,
            "Dropping what nothing references",
            trims,
            table,
        )
    }

    /// Measures the options for smaller code, with unused exports trimmed if `trims`.
    ///
    /// # Errors
    /// A kernel cannot be built or booted, or the page cannot be written.
    pub fn levers(&self, trims: bool) -> Result<Kept, Failure> {
        let tree = self.lab.tree(self.arch)?;
        let table = dropping::levers(&tree, self.lab.workdir(), self.none(trims), self.build)?;
        self.keep_trimmed("levers", "", "What makes code smaller", trims, table)
    }

    /// Measures full LTO with several inlining limits.
    ///
    /// # Errors
    /// A kernel cannot be built, or the page cannot be written.
    pub fn inlining(&self) -> Result<Kept, Failure> {
        let tree = self.lab.tree(self.arch)?;
        let table = dropping::inlining(&tree, self.lab.workdir(), self.none(false), self.build)?;
        self.keep_trimmed("inlining", "", "How far full LTO inlines", false, table)
    }

    /// Measures the cost of the plugins in a clean build with thin LTO.
    ///
    /// # Errors
    /// A build fails, or the page cannot be written.
    pub fn plugins(&self) -> Result<Kept, Failure> {
        let variant = Variant::new(self.arch, self.profile, Lto::Thin);
        let tree = self.lab.tree(self.arch)?;
        let ratios = plugins::measure(&tree, self.lab.workdir(), variant)?;
        let rows = ratios
            .iter()
            .map(|ratio| [ratio.what, &ratio.value, ratio.goal, &ratio.from].map(str::to_owned));
        let name = page_name(KERNEL, self.arch, self.profile);
        let page = self.results.join(format!("bench-{name}"));
        write(&page, &plugins::page(variant, &ratios)?)?;
        Ok(Kept {
            table: table::of(rows).to_string(),
            page,
        })
    }

    /// Returns the kernel that the others are compared with.
    fn none(&self, trims: bool) -> Variant {
        Variant {
            trims,
            ..Variant::new(self.arch, self.profile, Lto::None)
        }
    }

    /// Writes the table of kernels whose unused exports may be trimmed, measured by the command `name` with
    /// `more` arguments.
    fn keep_trimmed(
        &self,
        name: &str,
        more: &str,
        title: &str,
        trims: bool,
        table: String,
    ) -> Result<Kept, Failure> {
        let (title, file, command) = if trims {
            (
                format!("{title}, unused exports trimmed"),
                format!("{name}-trimmed"),
                format!("{name}{more} --trim"),
            )
        } else {
            (title.to_owned(), name.to_owned(), format!("{name}{more}"))
        };
        let texts = Texts {
            name: &file,
            version: KERNEL,
            title: &title,
            command: &command,
        };
        self.keep(&texts, table)
    }

    /// Writes a table as a page.
    fn keep(&self, texts: &Texts<'_>, table: String) -> Result<Kept, Failure> {
        let Texts {
            name,
            version,
            title,
            command,
        } = texts;
        let Self { arch, profile, .. } = *self;
        let title = format!("{title}: {}", kernel_name(version, arch, profile));
        let mut command = format!("bench {command} {}", arguments(arch, profile));
        if *version != KERNEL {
            let _ = write!(command, " --kernel {version}");
        }
        let page = format!("{name}-{}", page_name(version, arch, profile));
        let page = self.results.join(page);
        write(&page, format!("{}{table}", head(&title, &command)?))?;
        Ok(Kept { table, page })
    }
}

/// Compares initcall-order with the Perl script, on the inputs of the build of `objtree`.
///
/// # Errors
/// A program fails, or the page cannot be written; other results are a fault.
pub fn initcalls(objtree: &Path, results: &Path) -> Result<Kept, Failure> {
    let release = release(objtree)?;
    let tool = installer::built_tool("initcall-order")?;
    let Compared { rows, page: text } = initcall_script::against_perl(objtree, &tool)?;
    let page = results.join(format!("initcall-order-{release}.md"));
    write(&page, &text)?;
    Ok(Kept {
        table: table::of(rows).to_string(),
        page,
    })
}

/// Measures the cost of the checks of single plugins on the build of `objtree`.
///
/// # Errors
/// A check fails, or the page cannot be written.
pub fn checks_of(objtree: &Path, results: &Path) -> Result<Kept, Failure> {
    let release = release(objtree)?;
    let title = format!("Cost of the checks of single plugins: Linux {release}");
    let table = checks::measure(objtree, installer::built_tool)?;
    let page = results.join(format!("checks-{release}.md"));
    let text = format!("{}{table}", head(&title, "bench checks OBJTREE")?);
    write(&page, &text)?;
    Ok(Kept { table, page })
}

/// The CPU time that an action takes on the client, in seconds: lto-link with trexe, measured with the farm
/// of one machine (docs/scaling.md).
const CLIENT_CPU: f64 = 0.03;

/// Measures the code generations of the kernel of `objtree`, and simulates farms of several sizes.
///
/// # Errors
/// The kernel was not built with distributed thin LTO, a program fails, or the page cannot be written.
pub fn scaling(objtree: &Path, results: &Path) -> Result<Kept, Failure> {
    let release = release(objtree)?;
    let lto_link = installer::built_tool("lto-link")?;
    let measured = scaling::measure(objtree, &lto_link)?;
    let table = measured.page(CLIENT_CPU, tool_io::cpus().get());
    let name = objtree.file_name().unwrap_or_default().to_string_lossy();
    let page = results.join(format!("scaling-{name}.md"));
    let title = format!("Code generation on several machines: Linux {release}, {name}");
    let text = format!("{}{table}", head(&title, "bench scaling OBJTREE")?);
    write(&page, &text)?;
    Ok(Kept { table, page })
}
