// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The modes of linking a kernel.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;

use crate::config::{Lto, Setting};
use crate::kconfig::Config;

/// A kind of LTO, and whether the link drops unreferenced definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The kind of LTO.
    pub lto: Lto,
    /// Whether the link drops.
    pub drops: bool,
}

/// All modes with LTO; those next to each other share most of their work.
pub const WITH_LTO: [Mode; 6] = [
    Mode::dropping(Lto::ThinDist),
    Mode::keeping(Lto::ThinDist),
    Mode::keeping(Lto::Thin),
    Mode::dropping(Lto::Thin),
    Mode::dropping(Lto::Full),
    Mode::keeping(Lto::Full),
];

/// Added to the name of a mode that drops.
const DROPS: &str = "-drop";

/// The option of a mode that drops.
pub(crate) const INTERNALIZE: &str = "LTO_CLANG_INTERNALIZE";

impl Mode {
    /// No LTO.
    pub const NONE: Self = Self::keeping(Lto::None);

    /// Distributed thin LTO that drops.
    pub const THIN_DIST_DROP: Self = Self::dropping(Lto::ThinDist);

    /// Returns the mode of a kind of LTO that keeps all definitions.
    pub const fn keeping(lto: Lto) -> Self {
        Self { lto, drops: false }
    }

    /// Returns the mode of a kind of LTO that drops.
    pub const fn dropping(lto: Lto) -> Self {
        Self { lto, drops: true }
    }

    /// Returns the options that the mode sets to `y`.
    pub fn options(self) -> Vec<&'static str> {
        let drops = self.drops.then_some(INTERNALIZE);
        [self.lto.option()].into_iter().chain(drops).collect()
    }

    /// Returns `settings`, and the one that drops if this mode does, for a configuration with its kind of LTO.
    ///
    /// # Errors
    /// A setting is invalid.
    pub fn settings(self, settings: &[&str]) -> anyhow::Result<Vec<Setting>> {
        let given = settings.iter().map(|setting| setting.parse());
        let drops = self.drops.then(|| Ok(Setting::on(INTERNALIZE)));
        given.chain(drops).collect()
    }

    /// Returns a configuration with only the choice changed to this mode.
    #[must_use]
    pub fn chosen_in(self, config: &Config) -> Config {
        let on = self.options();
        let others = Lto::ALL.map(Lto::option).into_iter().chain([INTERNALIZE]);
        let off = others.filter(|option| !on.contains(option));
        let off = off.map(|option| (option, "n"));
        let changed: BTreeMap<&str, &str> =
            on.iter().map(|option| (*option, "y")).chain(off).collect();
        config.with(&changed)
    }
}

/// Prints the name, as in `thin-dist-drop`.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lto.name())?;
        f.write_str(if self.drops { DROPS } else { "" })
    }
}

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, drops) = match text.strip_suffix(DROPS) {
            Some(name) => (name, true),
            None => (text, false),
        };
        let lto = Lto::ALL.into_iter().find(|lto| lto.name() == name);
        let lto = lto.filter(|lto| *lto != Lto::None).with_context(|| {
            format!("`{text}` is no mode: use thin, full or thin-dist, or one of them followed by {DROPS}")
        })?;
        Ok(Self { lto, drops })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_the_names_of_object_trees() {
        for name in [
            "thin",
            "thin-drop",
            "full",
            "full-drop",
            "thin-dist",
            "thin-dist-drop",
        ] {
            assert_eq!(name.parse::<Mode>().unwrap().to_string(), name);
        }
        assert_eq!(
            "thin-dist-drop".parse::<Mode>().unwrap(),
            Mode::THIN_DIST_DROP
        );
        for wrong in ["", "none", "none-drop", "dist", "thin-dropped"] {
            assert!(wrong.parse::<Mode>().is_err(), "{wrong}");
        }
        assert_eq!(Mode::NONE.to_string(), "none");
    }

    #[test]
    fn a_mode_that_drops_adds_its_setting() {
        let of = |mode: Mode| -> Vec<String> {
            let settings = mode.settings(&["A=m"]).unwrap();
            settings.iter().map(ToString::to_string).collect()
        };
        assert_eq!(of(Mode::NONE), ["A=m"]);
        assert_eq!(of(Mode::THIN_DIST_DROP), ["A=m", "LTO_CLANG_INTERNALIZE=y"]);
        assert!(Mode::NONE.settings(&["A"]).is_err());
    }

    #[test]
    fn only_the_choice_changes() {
        let config =
            Config::new("CONFIG_A=y\nCONFIG_LTO_NONE=y\n# CONFIG_LTO_CLANG_THIN is not set\n");
        let changed = Mode::THIN_DIST_DROP.chosen_in(&config);
        let differing = changed.differing(&config);
        assert_eq!(
            differing.iter().collect::<Vec<_>>(),
            ["LTO_CLANG_INTERNALIZE", "LTO_CLANG_THIN_DIST", "LTO_NONE"]
        );
        let back = Mode::NONE.chosen_in(&changed);
        assert!(back.differing(&config).is_empty());
    }
}
