// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Determines whether a tree supports LTO without the plugins.

use crate::facts::Facts;

/// A tree's own support of LTO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownLto {
    /// None, or only parts that the plugins can handle.
    None,
    /// Its own build knows `LTO_CLANG`.
    Native,
    /// Parts of it, as after patching by hand.
    ByHand {
        /// The facts that show it.
        facts: Vec<String>,
    },
}

impl KnownLto {
    /// Determines the support from the facts of a tree.
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
        // Without the option, the rest may be a back-ported part that plugins can handle.
        if !tree.contains(OPTION.0, OPTION.1)? {
            return Ok(Self::None);
        }
        let mut facts = vec!["arch/Kconfig has `config LTO_CLANG`".to_owned()];
        for (file, text, name) in SHOWN_BY {
            if tree.contains(file, text)? {
                facts.push(format!("{file} has {name}"));
            }
        }
        // Upstream added all of these together; a port by hand rarely has them all.
        let all = facts.len() == SHOWN_BY.len() + 1;
        if all || tree.has("scripts/Makefile.vmlinux_o")? {
            return Ok(Self::Native);
        }
        Ok(Self::ByHand { facts })
    }
}
