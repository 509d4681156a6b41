// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whether a tree knows LTO without the plugins.

use crate::facts::Facts;

/// What a tree knows of LTO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownLto {
    /// Nothing, or parts that the plugins know how to meet.
    None,
    /// Its own build knows `LTO_CLANG`.
    Native,
    /// Some of it, as one gets it by patching by hand.
    ByHand {
        /// What shows it.
        facts: Vec<String>,
    },
}

impl KnownLto {
    /// Asks a tree for the facts that show it.
    ///
    /// # Errors
    /// A question has no answer.
    pub fn of<Tree: Facts>(tree: &Tree) -> Result<Self, Tree::Error> {
        const OPTION: (&str, &str) = ("arch/Kconfig", "\nconfig LTO_CLANG\n");
        const SHOWN_BY: [(&str, &str, &str); 3] = [
            ("Makefile", "CC_FLAGS_LTO", "`CC_FLAGS_LTO`"),
            ("scripts/Makefile.build", "CC_FLAGS_LTO", "`CC_FLAGS_LTO`"),
            (
                "include/linux/init.h",
                "__initcall_stub",
                "`__initcall_stub`",
            ),
        ];
        // Without the option, the rest may be a back-ported part that plugins know how to meet.
        if !tree.contains(OPTION.0, OPTION.1)? {
            return Ok(Self::None);
        }
        let mut facts = vec!["arch/Kconfig has `config LTO_CLANG`".to_owned()];
        for (file, text, name) in SHOWN_BY {
            if tree.contains(file, text)? {
                facts.push(format!("{file} has {name}"));
            }
        }
        // Upstream came to all of these together; a hand-made port seldom has them all.
        let all = facts.len() == SHOWN_BY.len() + 1;
        if all || tree.has("scripts/Makefile.vmlinux_o")? {
            return Ok(Self::Native);
        }
        Ok(Self::ByHand { facts })
    }
}
