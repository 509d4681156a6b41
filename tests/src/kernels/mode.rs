// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The modes of linking a kernel that tests build.

use kernel_lab::config::{Lto, Setting};

/// A kind of LTO, and whether the link drops unreferenced definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) lto: Lto,
    pub(super) drops: bool,
}

/// All modes with LTO; those next to each other share most of their work.
pub(super) const WITH_LTO: [Mode; 6] = [
    Mode::dropping(Lto::ThinDist),
    Mode::keeping(Lto::ThinDist),
    Mode::keeping(Lto::Thin),
    Mode::dropping(Lto::Thin),
    Mode::dropping(Lto::Full),
    Mode::keeping(Lto::Full),
];

impl Mode {
    pub(super) const fn keeping(lto: Lto) -> Self {
        Self { lto, drops: false }
    }

    pub(super) const fn dropping(lto: Lto) -> Self {
        Self { lto, drops: true }
    }

    pub(super) fn name(self) -> String {
        let drops = if self.drops { "-drop" } else { "" };
        format!("{}{drops}", self.lto.name())
    }

    /// Returns `settings`, and the one that drops if this mode does.
    pub(super) fn with(self, settings: &[&str]) -> anyhow::Result<Vec<Setting>> {
        let drops = self.drops.then_some("LTO_CLANG_INTERNALIZE=y");
        let all = settings.iter().copied().chain(drops);
        all.map(str::parse).collect()
    }
}
