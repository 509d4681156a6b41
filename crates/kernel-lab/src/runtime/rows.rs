// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernels of the results pages, one per row, and their stored results.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use xshell::cmd;

use super::result::Runtime;
use crate::Failure;
use crate::arch::Arch;
use crate::config::{Lto, Profile, Setting};
use crate::variant::{self, Variant};
use crate::{KERNEL, build, llvm, process};

/// The versions of kernels that have results pages.
pub const VERSIONS: [&str; 4] = [KERNEL, "6.1", "6.12", "7.3"];

/// A kernel of a results page.
#[derive(Clone, Debug)]
pub struct Row {
    /// The version of its source, one of [`VERSIONS`].
    pub version: &'static str,
    /// Its name in file names and on the command line.
    pub name: String,
    /// The variant to build.
    pub variant: Variant,
    /// Kconfig settings in addition to those of the variant.
    pub more: Vec<&'static str>,
    /// Whether it is built by a profile of the training set, which the row [`Row::counting`] makes.
    pub by_profile: bool,
}

/// The option for the profile.
const PROFILE: &str = "LTO_PROFILE_USE";

/// The stored result of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The settings of its build.
    pub settings: Vec<String>,
    /// The version of clang.
    pub compiler: String,
    /// Text and data of vmlinux.o.
    pub object: u64,
    /// Text, data and bss of vmlinux, by llvm-size.
    pub vmlinux: [u64; 3],
    /// The size of the file that is booted.
    pub image: u64,
    /// The size of the image, compressed by gzip.
    pub image_gz: u64,
    /// The modules, as loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<Parts>,
    /// What the link dropped, with its sizes in the kernel with the tree's own thin LTO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Parts>,
    /// The measurements.
    pub runtime: Runtime,
}

/// A number of modules or symbols, and their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Their number.
    pub n: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// Returns all rows of the pages of a version, one of [`VERSIONS`].
pub fn rows(version: &'static str, arch: Arch) -> Vec<Row> {
    if version == KERNEL {
        without_own_lto(arch)
    } else {
        with_own_lto(version, arch)
    }
}

/// Returns the rows of a kernel whose own build knows LTO.
fn with_own_lto(version: &'static str, arch: Arch) -> Vec<Row> {
    let none = Variant::new(arch, Profile::Ci, Lto::None);
    let lto = |lto| Variant { lto, ..none };
    let drops = Variant {
        drops: true,
        ..lto(Lto::ThinDist)
    };
    let variants = [none, lto(Lto::Thin), drops];
    let trimmed = variants.map(|variant| Variant {
        trims: true,
        ..variant
    });
    let all = variants.into_iter().chain(trimmed);
    all.map(|variant| Row {
        version,
        ..Row::of(variant, false)
    })
    .collect()
}

/// Returns the rows of 5.10, to which lto-link gives LTO.
fn without_own_lto(arch: Arch) -> Vec<Row> {
    let none = Variant::new(arch, Profile::Ci, Lto::None);
    let with = |lto| Variant { lto, ..none };
    let drops = Variant {
        drops: true,
        ..with(Lto::ThinDist)
    };
    let row = |name: &str, variant, more: &[&'static str]| Row {
        version: KERNEL,
        name: name.to_owned(),
        variant,
        more: more.to_vec(),
        by_profile: false,
    };
    let mut rows = vec![
        row("none", none, &[]),
        row("none-size", none, &["CC_OPTIMIZE_FOR_SIZE=y"]),
        row("thin", with(Lto::Thin), &[]),
        row("full", with(Lto::Full), &[]),
        row("thin-dist", with(Lto::ThinDist), &[]),
        row("thin-dist-drop", drops, &[]),
    ];
    for setting in variant::for_smaller_code(arch) {
        let (option, _) = setting.split_once('=').unwrap_or((setting, ""));
        let option = option.trim_start_matches("LTO_CLANG_").to_lowercase();
        let name = format!("thin-dist-drop-{}", option.replace('_', "-"));
        rows.push(row(&name, drops, &[setting]));
    }
    let smaller = Variant {
        smaller: true,
        ..drops
    };
    rows.push(row("thin-dist-drop-smaller", smaller, &[]));
    let trims = true;
    rows.push(row("none-trim", Variant { trims, ..none }, &[]));
    rows.push(row("thin-dist-drop-trim", Variant { trims, ..drops }, &[]));
    let all = Variant { trims, ..smaller };
    rows.push(row("thin-dist-drop-trim-smaller", all, &[]));
    let by_profile = [none, drops].map(|variant| Row::of(variant, true));
    let mut counting: Vec<_> = by_profile.iter().map(Row::counting).collect();
    counting.dedup_by_key(|row| row.name.clone());
    rows.extend(counting);
    rows.extend(by_profile);
    if arch == Arch::Arm64 {
        let profile = Profile::Defconfig;
        let none = Variant { profile, ..none };
        rows.push(row("defconfig-none", none, &[]));
        let drops = Variant { profile, ..drops };
        rows.push(row("defconfig-thin-dist-drop", drops, &[]));
    }
    rows
}

impl Row {
    /// Returns the row of a variant of 5.10.
    pub fn of(variant: Variant, by_profile: bool) -> Self {
        let Variant {
            profile,
            lto,
            drops,
            trims,
            smaller,
            ..
        } = variant;
        let mut name = match profile {
            Profile::Ci => String::new(),
            profile => format!("{}-", profile.name()),
        };
        name.push_str(lto.name());
        for (is_so, part) in [
            (drops, "-drop"),
            (trims, "-trim"),
            (smaller, "-smaller"),
            (by_profile, "-profile"),
        ] {
            if is_so {
                name.push_str(part);
            }
        }
        Self {
            version: KERNEL,
            name,
            variant,
            more: Vec::new(),
            by_profile,
        }
    }

    /// Returns whether its tree has plugins. Without them, a tree with its own LTO builds with that.
    pub fn has_plugins(&self) -> bool {
        self.version == KERNEL || self.variant.drops
    }

    /// Returns the row of the tree's own thin LTO that a row which drops is compared with.
    pub fn own_lto(&self) -> Option<Self> {
        let is_compared = self.version != KERNEL && self.variant.drops;
        is_compared.then(|| Self {
            version: self.version,
            ..Self::of(
                Variant {
                    lto: Lto::Thin,
                    drops: false,
                    ..self.variant
                },
                false,
            )
        })
    }

    /// Returns the row that counts its executed code, to make a profile for this one. With LTO, some functions have
    /// other code on arm64.
    #[must_use]
    pub fn counting(&self) -> Self {
        let variant = Variant {
            trims: false,
            ..self.variant.without_lto()
        };
        let mut row = Self::of(variant, false);
        row.name.push_str("-count");
        row.more.push("LTO_PROFILE_GENERATE=y");
        if self.variant.lto != Lto::None && variant.arch == Arch::Arm64 {
            row.name.push_str("-for-lto");
            row.more.push("LTO_PROFILE_GENERATE_FOR_LTO=y");
        }
        row
    }

    /// Returns the name of the row that this one is compared with.
    pub fn base(&self) -> &'static str {
        match (self.variant.profile, self.variant.trims) {
            (Profile::Defconfig, _) => "defconfig-none",
            (_, true) => "none-trim",
            (_, false) => "none",
        }
    }

    /// Returns the row's name in the ledger.
    pub fn test(&self) -> String {
        let Variant { arch, .. } = self.variant;
        format!(
            "bench runtime: {} {}, {}",
            self.version,
            arch.name(),
            self.name
        )
    }

    /// Returns the setting of the profile that it is built by.
    ///
    /// # Errors
    /// The path is not UTF-8.
    pub fn by(&self, profile: &Path) -> anyhow::Result<Setting> {
        let path = std::path::absolute(profile).with_context(|| profile.display().to_string())?;
        let path = path.to_str().context("a path that is not UTF-8")?;
        format!("{PROFILE}=\"{path}\"").parse()
    }

    /// Returns the settings of its build, without the path of a profile.
    pub fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        let mut settings = self.variant.settings()?;
        for setting in &self.more {
            settings.push(setting.parse()?);
        }
        Ok(settings)
    }

    /// Returns the target of make that builds it. The thousands of modules of defconfig are not measured.
    pub fn target(&self) -> &'static str {
        match self.variant.profile {
            Profile::Defconfig => "Image",
            Profile::Ci | Profile::Wide | Profile::Tiny => build::ALL,
        }
    }

    /// Returns the row's object tree in `workdir`.
    pub fn objtree(&self, workdir: &Path) -> PathBuf {
        let arch = self.variant.arch.name();
        let kernel = if self.version == KERNEL {
            arch.to_owned()
        } else {
            format!("{}-{arch}", self.version)
        };
        workdir.join(format!("runtime-{kernel}-{}", self.name))
    }

    /// Returns the command that makes the row.
    pub fn command(&self) -> String {
        let arch = self.variant.arch.name();
        let mut command = format!("cargo xtask bench runtime row {} --arch {arch}", self.name);
        if self.version != KERNEL {
            let _ = write!(command, " --kernel {}", self.version);
        }
        command
    }

    /// Returns the row's title for readers.
    pub fn title(&self) -> String {
        let Variant {
            profile,
            lto,
            drops,
            trims,
            smaller,
            ..
        } = self.variant;
        let mut title = match lto {
            Lto::None => "no LTO".to_owned(),
            lto if self.has_plugins() => lto.name().to_owned(),
            lto => format!("{}, by the kernel's own build", lto.name()),
        };
        for (is_so, what) in [
            (drops, "dropping"),
            (trims, "exports trimmed"),
            (smaller, "all options for smaller code"),
        ] {
            if is_so {
                title.push_str(", ");
                title.push_str(what);
            }
        }
        for setting in &self.more {
            let _ = write!(title, ", `{setting}`");
        }
        if self.by_profile {
            title.push_str(", by a profile of the training set");
        }
        if profile == Profile::Defconfig {
            title.push_str(" (defconfig)");
        }
        title
    }

    /// Checks that the kernel in `objtree` is this row.
    ///
    /// # Errors
    /// It is another kernel, or is not configured.
    pub fn check(&self, objtree: &Path) -> Result<(), Failure> {
        let path = objtree.join(".config");
        let config = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut settings = self.settings()?;
        settings.push(self.variant.lto.setting());
        let mut missing: Vec<_> = settings
            .iter()
            .filter(|setting| !setting.is_in(&config))
            .map(Setting::to_string)
            .collect();
        let profile = format!("CONFIG_{PROFILE}=\"");
        let mut lines = config.lines();
        let named = lines.find_map(|line| line.strip_prefix(&profile));
        let is_by_profile = named.is_some_and(|path| path != "\"");
        if self.by_profile != is_by_profile {
            let which = if self.by_profile { "a profile" } else { "none" };
            missing.push(format!("{which} in {PROFILE}"));
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::Fault(anyhow::anyhow!(
            "{}: not the row {}, which has {}",
            path.display(),
            self.name,
            missing.join(", ")
        )))
    }

    /// Returns the record of the measured kernel in `objtree`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn record(&self, objtree: &Path, runtime: Runtime) -> anyhow::Result<Record> {
        let (sh, clang) = (process::shell()?, llvm::bin_dir()?.join("clang"));
        let compiler = process::read(cmd!(sh, "{clang} --version"))?;
        let image = self.variant.arch.built_image(objtree)?;
        let content = std::fs::read(&image).with_context(|| image.display().to_string())?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&content).context("compressing")?;
        let compressed = encoder.finish().context("compressing")?;
        let object = variant::object_size(objtree)?;
        let settings = self.settings()?;
        let mut settings: Vec<_> = settings.iter().map(Setting::to_string).collect();
        settings.insert(0, self.variant.lto.setting().to_string());
        Ok(Record {
            settings,
            compiler: compiler.lines().next().unwrap_or_default().to_owned(),
            object: object.with_context(|| format!("{}: no vmlinux.o", objtree.display()))?,
            vmlinux: llvm_size(&objtree.join("vmlinux"))?,
            image: content.len() as u64,
            image_gz: compressed.len() as u64,
            modules: None,
            dropped: None,
            runtime,
        })
    }
}

/// Returns text, data and bss, by llvm-size.
fn llvm_size(file: &Path) -> anyhow::Result<[u64; 3]> {
    let (sh, llvm_size) = (process::shell()?, llvm::bin_dir()?.join("llvm-size"));
    let said = process::read(cmd!(sh, "{llvm_size} {file}"))?;
    let parse = || {
        let mut numbers = said.lines().nth(1)?.split_whitespace();
        let mut number = || numbers.next()?.parse().ok();
        Some([number()?, number()?, number()?])
    };
    parse().with_context(|| format!("llvm-size {}: {said}", file.display()))
}

/// Returns the path of a row's record, in `results`.
fn record_path(row: &Row, results: &Path) -> PathBuf {
    let (arch, version) = (row.variant.arch.name(), row.version);
    results.join(format!("runtime/{arch}-{version}/{}.toml", row.name))
}

/// The first lines of a record.
const LICENCE: &str = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n";

/// Stores a record.
///
/// # Errors
/// The file cannot be written.
pub fn write(row: &Row, results: &Path, record: &Record) -> anyhow::Result<()> {
    let path = record_path(row, results);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let text = toml::to_string(record).with_context(|| path.display().to_string())?;
    std::fs::write(&path, format!("{LICENCE}{text}")).with_context(|| path.display().to_string())
}

/// Reads the record of a row, if there is one.
///
/// # Errors
/// The file exists and cannot be read.
pub fn read(row: &Row, results: &Path) -> anyhow::Result<Option<Record>> {
    let path = record_path(row, results);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let record = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(Some(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_own_name_and_a_base() {
        let pages = VERSIONS.map(|version| Arch::ALL.map(|arch| rows(version, arch)));
        for rows in pages.as_flattened() {
            let mut names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
            for row in rows {
                assert!(names.contains(&row.base()), "{}", row.name);
                let own = row.own_lto();
                let own = own.is_none_or(|own| names.contains(&own.name.as_str()));
                assert!(own, "{}", row.name);
            }
            names.sort_unstable();
            let n = names.len();
            names.dedup();
            assert_eq!(names.len(), n);
        }
    }

    #[test]
    fn a_row_by_a_profile_names_the_kernel_that_counts_for_it() {
        let of = |arch| {
            let rows = rows(KERNEL, arch);
            let by_profile = rows.iter().filter(|row| row.by_profile);
            let pairs = by_profile.map(|row| (row.name.clone(), row.counting().name));
            let pairs: Vec<_> = pairs.collect();
            for (name, counting) in &pairs {
                assert!(rows.iter().any(|row| row.name == *counting), "{name}");
            }
            pairs
        };
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let none = pair("none-profile", "none-count");
        let drop = |counting| pair("thin-dist-drop-profile", counting);
        assert_eq!(of(Arch::Arm64), [none.clone(), drop("none-count-for-lto")]);
        assert_eq!(of(Arch::X86_64), [none, drop("none-count")]);
        let tiny = Variant::new(Arch::X86_64, Profile::Tiny, Lto::Thin);
        assert_eq!(Row::of(tiny, true).counting().name, "tiny-none-count");
    }

    #[test]
    fn of_another_version_only_rows_that_drop_have_plugins() {
        let rows = rows("7.3", Arch::X86_64);
        let with: Vec<_> = rows.iter().filter(|row| row.has_plugins()).collect();
        assert_eq!(with.len(), 2);
        let own = with.iter().map(|row| row.own_lto().unwrap().name);
        assert_eq!(own.collect::<Vec<_>>(), ["thin", "thin-trim"]);
        let [none, ..] = &rows[..] else {
            panic!("no rows")
        };
        assert_eq!(
            none.command(),
            "cargo xtask bench runtime row none --arch x86_64 --kernel 7.3"
        );
        let objtree = none.objtree(Path::new("dir"));
        assert_eq!(objtree, Path::new("dir/runtime-7.3-x86_64-none"));
        assert_eq!(none.test(), "bench runtime: 7.3 x86_64, none");
    }

    #[test]
    fn another_kernel_is_not_taken_for_a_row() {
        let objtree = tempfile::tempdir().unwrap();
        let rows = rows(KERNEL, Arch::Arm64);
        let row = rows.iter().find(|row| row.name == "none-size").unwrap();
        let config = objtree.path().join(".config");
        std::fs::write(
            &config,
            "CONFIG_LTO_NONE=y\nCONFIG_CC_OPTIMIZE_FOR_SIZE=y\n",
        )
        .unwrap();
        assert!(row.check(objtree.path()).is_ok());
        let row_of = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        let by_profile = "CONFIG_LTO_NONE=y\nCONFIG_LTO_PROFILE_USE=";
        for (path, fits, not) in [
            ("\"/a.profdata\"", "none-profile", "none"),
            ("\"\"", "none", "none-profile"),
        ] {
            std::fs::write(&config, format!("{by_profile}{path}\n")).unwrap();
            assert!(row_of(fits).check(objtree.path()).is_ok(), "{path}");
            assert!(row_of(not).check(objtree.path()).is_err(), "{path}");
        }
        std::fs::write(&config, "CONFIG_LTO_NONE=y\n").unwrap();
        let Err(Failure::Fault(error)) = row.check(objtree.path()) else {
            panic!("taken");
        };
        assert!(
            error.to_string().contains("CC_OPTIMIZE_FOR_SIZE=y"),
            "{error}"
        );
    }
}
