// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask kernel config`: an object tree configured from a profile, and the result checked.

use super::arch::Arch;
use crate::llvm;
use crate::outcome::Failure;
use crate::outcome::Outcome;
use crate::process;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

/// Configures a kernel from a profile.
///
/// Everything the profile does not ask for is as small as allnoconfig makes it. An option that
/// Kconfig does not give the value asked for is a fault (exit code 1).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/thin --profile ci --lto thin
  cargo xtask kernel config --tree linux --arch arm64 --objtree /build/none --profile wide --lto none --set TRIM_UNUSED_KSYMS=y")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The architecture the kernel is for.
    #[arg(long, value_enum)]
    arch: Arch,
    /// The object tree; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
    /// What the kernel is to have.
    #[arg(long, value_enum)]
    profile: Profile,
    /// Which link time optimization it is built with.
    #[arg(long, value_enum)]
    lto: Lto,
    /// One more option, which stands above what the profile says; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Setting>,
}

/// A set of options, in xtask/profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// A few minutes to build, every kind of thing LTO can break.
    Ci,
    /// Many subsystems and modules.
    Wide,
}

/// The kinds of link time optimization, as Kconfig's choice has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lto {
    /// No link time optimization.
    None,
    /// A summary of the whole program and parallel code generation.
    Thin,
    /// The whole program as one.
    Full,
}

/// The value that an option is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option, without `CONFIG_`.
    name: String,
    /// The value as a `.config` has it, `n` for an option that is not set.
    value: String,
    /// Only some trees have the option.
    optional: bool,
}

/// What an object tree is configured with.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The architecture the kernel is for.
    pub arch: Arch,
    /// The object tree; it is made if it is not there.
    pub objtree: &'a Path,
    /// What the kernel is to have.
    pub profile: Profile,
    /// Which link time optimization it is built with.
    pub lto: Lto,
    /// Options that stand above what the profile says.
    pub set: &'a [Setting],
}

impl Profile {
    /// The name that `--profile` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Wide => "wide",
        }
    }

    /// The fragments, of which later ones stand above earlier ones.
    fn fragments(self, arch: Arch) -> [&'static str; 3] {
        let for_arch = match arch {
            Arch::Arm64 => include_str!("../../profiles/arm64.config"),
            Arch::X86_64 => include_str!("../../profiles/x86_64.config"),
        };
        let own = match self {
            Self::Ci => include_str!("../../profiles/ci.config"),
            Self::Wide => include_str!("../../profiles/wide.config"),
        };
        [include_str!("../../profiles/base.config"), for_arch, own]
    }
}

impl Lto {
    /// The name that `--lto` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Thin => "thin",
            Self::Full => "full",
        }
    }

    /// The option of the choice. A tree that has no LTO has no choice either, and is what `none`
    /// asks for.
    fn setting(self) -> Setting {
        let name = match self {
            Self::None => "LTO_NONE",
            Self::Thin => "LTO_CLANG_THIN",
            Self::Full => "LTO_CLANG_FULL",
        };
        Setting {
            name: name.to_owned(),
            value: "y".to_owned(),
            optional: self == Self::None,
        }
    }
}

/// `NAME=VALUE` or `CONFIG_NAME=VALUE`; text is put into quotes.
impl FromStr for Setting {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, value) = text
            .split_once('=')
            .context("no `=` between name and value")?;
        let name = name.strip_prefix("CONFIG_").unwrap_or(name);
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        anyhow::ensure!(
            !name.is_empty() && name.chars().all(fits),
            "`{name}` names no option"
        );
        let literal = matches!(value, "y" | "m" | "n")
            || value.starts_with('"')
            || value.starts_with("0x")
            || value.parse::<i64>().is_ok();
        let value = if literal {
            value.to_owned()
        } else {
            format!("\"{value}\"")
        };
        Ok(Self {
            name: name.to_owned(),
            value,
            optional: false,
        })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        tree,
        arch,
        objtree,
        profile,
        lto,
        set,
    } = args;
    let options = Options {
        tree,
        arch: *arch,
        objtree,
        profile: *profile,
        lto: *lto,
        set,
    };
    configure(options)
}

/// Writes the `.config` of an object tree.
///
/// # Errors
/// The tree is none, or Kconfig fails; as a fault, that an option did not get its value.
pub fn configure(options: Options<'_>) -> Outcome {
    let Options {
        tree,
        arch,
        objtree,
        profile,
        lto,
        set,
    } = options;
    let settings = settings(profile, arch, lto, set)?;
    std::fs::create_dir_all(objtree).with_context(|| objtree.display().to_string())?;
    let asked = objtree.join("asked.config");
    std::fs::write(&asked, allconfig(&settings)).with_context(|| asked.display().to_string())?;
    let mut make = super::make(tree, arch, objtree, &llvm::bin_dir()?)?;
    // Make runs in another directory.
    let asked = std::path::absolute(&asked).with_context(|| asked.display().to_string())?;
    process::output(make.arg("allnoconfig").env("KCONFIG_ALLCONFIG", &asked))?;

    let config = objtree.join(".config");
    let given = std::fs::read_to_string(&config).with_context(|| config.display().to_string())?;
    let refused = refused(&settings, &given);
    if refused.is_empty() {
        return Ok(());
    }
    let mut message = format!(
        "{}: Kconfig refused {}",
        config.display(),
        refused.join(", ")
    );
    message += &hint(tree, lto, &given);
    Err(Failure::Fault(anyhow::anyhow!(message)))
}

/// What to do if the tree's LTO is what was refused.
fn hint(tree: &Path, lto: Lto, given: &str) -> String {
    let tree = tree.display();
    let is_set = |option: &str| {
        given
            .lines()
            .any(|line| line == format!("CONFIG_{option}=y"))
    };
    if lto == Lto::None || is_set(&lto.setting().name) {
        String::new()
    } else if !given.contains("CONFIG_LTO_NONE") {
        format!("; the tree has no LTO, which `cargo xtask install --tree {tree}` gives it")
    } else if !is_set("HAS_LTO_CLANG") {
        format!(
            "; HAS_LTO_CLANG is not met: its dependencies are in {tree}/scripts/lto/Kconfig or {tree}/arch/Kconfig, \
             and `cargo xtask status --tree {tree}` names the plugins that are installed"
        )
    } else {
        String::new()
    }
}

/// Everything that is asked for, each option once.
fn settings(
    profile: Profile,
    arch: Arch,
    lto: Lto,
    set: &[Setting],
) -> anyhow::Result<BTreeMap<String, Setting>> {
    let mut settings = BTreeMap::new();
    for line in profile.fragments(arch).into_iter().flat_map(str::lines) {
        if let Some(setting) =
            fragment_line(line).with_context(|| format!("profile line `{line}`"))?
        {
            settings.insert(setting.name.clone(), setting);
        }
    }
    for setting in std::iter::once(&lto.setting()).chain(set) {
        settings.insert(setting.name.clone(), setting.clone());
    }
    Ok(settings)
}

/// `CONFIG_NAME=value`, and behind it `# optional: why` if only some trees have the option.
fn fragment_line(line: &str) -> anyhow::Result<Option<Setting>> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (setting, optional) = match line.split_once(" # optional: ") {
        Some((setting, _)) => (setting, true),
        None => (line, false),
    };
    Ok(Some(Setting {
        optional,
        ..setting.parse()?
    }))
}

/// The file that `KCONFIG_ALLCONFIG` names.
fn allconfig(settings: &BTreeMap<String, Setting>) -> String {
    settings
        .values()
        .fold(String::new(), |mut text, Setting { name, value, .. }| {
            let _ = writeln!(text, "CONFIG_{name}={value}");
            text
        })
}

/// `NAME=value (is other)` for each option that has another value in the `.config` given.
fn refused(settings: &BTreeMap<String, Setting>, given: &str) -> Vec<String> {
    let given: BTreeMap<&str, &str> = given.lines().filter_map(config_line).collect();
    settings
        .values()
        .filter_map(
            |Setting {
                 name,
                 value,
                 optional,
             }| {
                let is = match given.get(name.as_str()) {
                    Some(is) => *is,
                    None if *optional => return None,
                    // Kconfig does not write what its dependencies hide.
                    None => "n",
                };
                (is != value).then(|| format!("{name}={value} (is {is})"))
            },
        )
        .collect()
}

/// Name and value on a line of a `.config`.
fn config_line(line: &str) -> Option<(&str, &str)> {
    let unset = line
        .strip_prefix("# CONFIG_")
        .and_then(|rest| rest.strip_suffix(" is not set"));
    unset
        .map(|name| (name, "n"))
        .or_else(|| line.strip_prefix("CONFIG_")?.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(text: &str) -> Setting {
        text.parse().unwrap()
    }

    #[test]
    fn settings_are_read_with_and_without_prefix_and_text_is_quoted() {
        assert_eq!(setting("CONFIG_BTRFS_FS=m"), setting("BTRFS_FS=m"));
        assert_eq!(setting("NR_CPUS=4").value, "4");
        assert_eq!(setting("PHYSICAL_START=0x1000").value, "0x1000");
        assert_eq!(setting("LOCALVERSION=-thin").value, "\"-thin\"");
        assert_eq!(setting("LOCALVERSION=\"-thin\"").value, "\"-thin\"");
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        assert!(
            "EXT4_FS"
                .parse::<Setting>()
                .unwrap_err()
                .to_string()
                .contains("no `=`")
        );
        assert!(
            "=y".parse::<Setting>()
                .unwrap_err()
                .to_string()
                .contains("names no option")
        );
        assert!(
            "A B=y"
                .parse::<Setting>()
                .unwrap_err()
                .to_string()
                .contains("names no option")
        );
    }

    #[test]
    fn every_profile_can_be_read_and_set_stands_above_it() {
        for profile in [Profile::Ci, Profile::Wide] {
            for arch in [Arch::Arm64, Arch::X86_64] {
                let set = [setting("LKDTM=n"), setting("LTO_CLANG_THIN=n")];
                let settings = settings(profile, arch, Lto::Thin, &set).unwrap();
                assert_eq!(settings["MODVERSIONS"].value, "y");
                assert_eq!(settings["LKDTM"].value, "n");
                assert_eq!(settings["LTO_CLANG_THIN"].value, "n");
            }
        }
    }

    #[test]
    fn only_options_that_some_trees_lack_may_be_absent() {
        let lines = [
            "CONFIG_SLS=y # optional: newer trees",
            "CONFIG_KVM=y",
            "CONFIG_EXPERT=n",
        ];
        let settings: BTreeMap<_, _> = lines
            .iter()
            .filter_map(|line| fragment_line(line).unwrap())
            .map(|setting| (setting.name.clone(), setting))
            .collect();
        assert_eq!(refused(&settings, "CONFIG_KVM=y\n"), Vec::<String>::new());
        assert_eq!(refused(&settings, "CONFIG_SLS=y\n"), ["KVM=y (is n)"]);
        assert_eq!(
            refused(
                &settings,
                "CONFIG_KVM=m\n# CONFIG_SLS is not set\nCONFIG_EXPERT=y\n"
            ),
            ["EXPERT=n (is y)", "KVM=y (is m)", "SLS=y (is n)"]
        );
    }

    #[test]
    fn a_tree_that_refuses_lto_is_told_what_to_look_at() {
        let hint = |lto, given| hint(Path::new("linux"), lto, given);
        assert!(hint(Lto::Thin, "CONFIG_MODULES=y\n").contains("install --tree linux"));
        assert!(hint(Lto::Full, "CONFIG_LTO_NONE=y\n").contains("HAS_LTO_CLANG is not met"));
        assert_eq!(
            hint(
                Lto::Thin,
                "CONFIG_HAS_LTO_CLANG=y\n# CONFIG_LTO_NONE is not set\n"
            ),
            ""
        );
        assert_eq!(hint(Lto::None, "CONFIG_MODULES=y\n"), "");
        // Another option was refused.
        assert_eq!(hint(Lto::Thin, "CONFIG_LTO_CLANG_THIN=y\n"), "");
    }

    #[test]
    fn a_tree_that_has_no_lto_is_what_none_asks_for() {
        let none = BTreeMap::from([("LTO_NONE".to_owned(), Lto::None.setting())]);
        assert!(refused(&none, "CONFIG_MODULES=y\n").is_empty());
        let thin = BTreeMap::from([("LTO_CLANG_THIN".to_owned(), Lto::Thin.setting())]);
        assert_eq!(
            refused(&thin, "CONFIG_MODULES=y\n"),
            ["LTO_CLANG_THIN=y (is n)"]
        );
    }
}
