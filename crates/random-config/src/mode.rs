// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The modes of LTO in which a configuration is built.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::kconfig::Config;

/// A kind of LTO, with or without dropping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    lto: Lto,
    drops: bool,
}

/// Added to the name of a mode that drops.
const DROPS: &str = "-drop";

/// The options of Kconfig's choice.
const CHOICE: [&str; 4] = [
    "LTO_NONE",
    "LTO_CLANG_THIN",
    "LTO_CLANG_THIN_DIST",
    "LTO_CLANG_FULL",
];

const INTERNALIZE: &str = "LTO_CLANG_INTERNALIZE";

impl Mode {
    /// No LTO.
    pub const NONE: Self = Self {
        lto: Lto::None,
        drops: false,
    };

    /// Distributed thin LTO that drops.
    pub const THIN_DIST_DROP: Self = Self {
        lto: Lto::ThinDist,
        drops: true,
    };

    /// Returns the options that the mode sets to `y`.
    pub(crate) fn options(self) -> Vec<&'static str> {
        let option = match self.lto {
            Lto::None => CHOICE[0],
            Lto::Thin => CHOICE[1],
            Lto::ThinDist => CHOICE[2],
            Lto::Full => CHOICE[3],
        };
        let drops = self.drops.then_some(INTERNALIZE);
        [option].into_iter().chain(drops).collect()
    }

    /// Returns a configuration with only the choice changed to this mode.
    pub(crate) fn chosen_in(self, config: &Config) -> Config {
        let on = self.options();
        let others = CHOICE.into_iter().chain([INTERNALIZE]);
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
            format!("`{text}` is none of thin, full, thin-dist, each with or without {DROPS}")
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
