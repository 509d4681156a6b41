// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Configures an object tree from a profile, and checks the result.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;

use super::arch::Arch;
use crate::{Failure, Outcome, llvm, process};

/// A set of Kconfig options, stored in `profiles` of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Builds in a few minutes, with every kind of code that LTO can break.
    Ci,
    /// Many subsystems and modules.
    Wide,
    /// The architecture's defconfig, with the options for booting and testing it.
    Defconfig,
    /// Tinyconfig, with the options for booting it and loading a module.
    Tiny,
}

/// A kind of link time optimization, as in Kconfig's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lto {
    /// No link time optimization.
    None,
    /// Thin LTO: a summary of the whole program, and parallel code generation.
    Thin,
    /// Distributed thin LTO: make generates the code, object by object.
    ThinDist,
    /// Full LTO: the whole program as one module.
    Full,
}

/// A Kconfig option and its required value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the option, without `CONFIG_`.
    name: String,
    /// The value as in a `.config`; `n` for an option that is not set.
    value: String,
    /// Whether only some trees have the option.
    optional: bool,
}

/// The kernel to configure.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The architecture the kernel is for.
    pub arch: Arch,
    /// The object tree; created if it is missing.
    pub objtree: &'a Path,
    /// The profile with most of the options.
    pub profile: Profile,
    /// The kind of link time optimization.
    pub lto: Lto,
    /// Options that override the profile.
    pub set: &'a [Setting],
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 4] = [Self::Ci, Self::Wide, Self::Defconfig, Self::Tiny];

    /// Returns the name for `--profile`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Wide => "wide",
            Self::Defconfig => "defconfig",
            Self::Tiny => "tiny",
        }
    }

    /// Returns the make target that sets the options that no fragment sets.
    fn base(self) -> &'static str {
        match self {
            Self::Ci | Self::Wide => "allnoconfig",
            Self::Defconfig => "defconfig",
            Self::Tiny => "tinyconfig",
        }
    }

    /// Returns the fragments; later ones override earlier ones.
    fn fragments(self, arch: Arch) -> [&'static str; 3] {
        let for_arch = match arch {
            Arch::Arm64 => include_str!("../profiles/arm64.config"),
            Arch::X86_64 => include_str!("../profiles/x86_64.config"),
        };
        let own = match self {
            Self::Ci => include_str!("../profiles/ci.config"),
            Self::Wide => include_str!("../profiles/wide.config"),
            Self::Defconfig => include_str!("../profiles/defconfig.config"),
            // Tiny shares few options with the other profiles.
            Self::Tiny => {
                let for_arch = match arch {
                    Arch::Arm64 => include_str!("../profiles/tiny-arm64.config"),
                    Arch::X86_64 => include_str!("../profiles/tiny-x86_64.config"),
                };
                return ["", for_arch, include_str!("../profiles/tiny.config")];
            }
        };
        [include_str!("../profiles/base.config"), for_arch, own]
    }
}

impl Lto {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::None, Self::Thin, Self::ThinDist, Self::Full];

    /// Returns the name for `--lto`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Thin => "thin",
            Self::ThinDist => "thin-dist",
            Self::Full => "full",
        }
    }

    /// Returns the name of its option in Kconfig's choice, without `CONFIG_`.
    pub fn option(self) -> &'static str {
        match self {
            Self::None => "LTO_NONE",
            Self::Thin => "LTO_CLANG_THIN",
            Self::ThinDist => "LTO_CLANG_THIN_DIST",
            Self::Full => "LTO_CLANG_FULL",
        }
    }

    /// Returns the setting of the choice. A tree without LTO has no choice, which is the same as `none`.
    pub fn setting(self) -> Setting {
        Setting {
            optional: self == Self::None,
            ..Setting::on(self.option())
        }
    }
}

impl Setting {
    /// Returns the setting of the option `name` (without `CONFIG_`) to `y`.
    pub fn on(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: "y".to_owned(),
            optional: false,
        }
    }
}

impl Setting {
    /// Returns whether a configuration contains the setting.
    pub fn is_in(&self, config: &str) -> bool {
        let Self { name, value, .. } = self;
        if value == "n" {
            return !config
                .lines()
                .any(|line| line.starts_with(&format!("CONFIG_{name}=")));
        }
        config
            .lines()
            .any(|line| line == format!("CONFIG_{name}={value}"))
    }
}

/// Prints `NAME=VALUE`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// Parses `NAME=VALUE` or `CONFIG_NAME=VALUE`, and puts text into quotes.
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

/// Writes the `.config` of an object tree.
///
/// # Errors
/// `tree` is not a kernel tree, or Kconfig fails. An option with another value than required is a fault.
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
    let make = |target: &str| -> anyhow::Result<()> {
        let mut make = super::make(tree, arch, objtree, &llvm::bin_dir()?)?;
        // The path must be absolute because make runs in another directory.
        let asked = std::path::absolute(&asked).with_context(|| asked.display().to_string())?;
        process::output(make.arg(target).env("KCONFIG_ALLCONFIG", asked)).map(drop)
    };
    make(profile.base())?;
    let config = objtree.join(".config");
    if profile.base() != "allnoconfig" {
        // This target does not read the file in KCONFIG_ALLCONFIG. Of two lines, the later one counts.
        let mut text =
            std::fs::read_to_string(&config).with_context(|| config.display().to_string())?;
        text += &allconfig(&settings);
        std::fs::write(&config, text).with_context(|| config.display().to_string())?;
        make("olddefconfig")?;
    }
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

/// Returns advice if the tree's LTO option is the refused one.
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

/// Returns all required settings, each option once.
fn settings(
    profile: Profile,
    arch: Arch,
    lto: Lto,
    set: &[Setting],
) -> anyhow::Result<BTreeMap<String, Setting>> {
    let mut settings = of_fragments(profile.fragments(arch))?;
    for setting in std::iter::once(&lto.setting()).chain(set) {
        settings.insert(setting.name.clone(), setting.clone());
    }
    Ok(settings)
}

/// Returns the settings of fragments by name. Of two settings of an option, the later one counts.
///
/// # Errors
/// A line is neither a comment nor a setting.
pub fn of_fragments<'a>(
    fragments: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<BTreeMap<String, Setting>> {
    let mut settings = BTreeMap::new();
    for line in fragments.into_iter().flat_map(str::lines) {
        if let Some(setting) =
            fragment_line(line).with_context(|| format!("profile line `{line}`"))?
        {
            settings.insert(setting.name.clone(), setting);
        }
    }
    Ok(settings)
}

/// Parses `CONFIG_NAME=value`, followed by `# optional: why` if only some trees have the option.
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

/// Returns the text of the file that `KCONFIG_ALLCONFIG` names.
pub(crate) fn allconfig(settings: &BTreeMap<String, Setting>) -> String {
    settings
        .values()
        .fold(String::new(), |mut text, Setting { name, value, .. }| {
            let _ = writeln!(text, "CONFIG_{name}={value}");
            text
        })
}

/// Returns `NAME=value (is other)` for each option with another value in the `.config` `given`.
pub fn refused(settings: &BTreeMap<String, Setting>, given: &str) -> Vec<String> {
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
                    // Kconfig writes no line for an option with an unmet dependency.
                    None => "n",
                };
                (is != value).then(|| format!("{name}={value} (is {is})"))
            },
        )
        .collect()
}

/// Returns name and value on a line of a `.config`.
pub(crate) fn config_line(line: &str) -> Option<(&str, &str)> {
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
        for profile in &Profile::ALL {
            for arch in [Arch::Arm64, Arch::X86_64] {
                let set = [setting("LKDTM=n"), setting("LTO_CLANG_THIN=n")];
                let settings = settings(*profile, arch, Lto::Thin, &set).unwrap();
                assert_eq!(settings["MODULES"].value, "y");
                // tinyconfig has no symbol versions.
                let has_versions = settings.get("MODVERSIONS").map(|set| set.value.as_str());
                let expected = (*profile != Profile::Tiny).then_some("y");
                assert_eq!(has_versions, expected);
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
