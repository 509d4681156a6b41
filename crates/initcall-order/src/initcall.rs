// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Parses the names of initcalls.

use std::fmt;

use object_model::is_number;
use serde::{Serialize, Serializer};

use crate::fault::Malformed;

/// The prefix of all initcall labels.
pub const MARK: &str = "__initcall__";

/// One initcall.
///
/// Its label is `__initcall__MODULE__COUNTER_LINE_FUNCTIONLEVEL`. Source: `___define_initcall` and
/// `__initcall_id` in `include/linux/init.h` of Linux 5.12 and later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Initcall {
    /// The whole name of the label.
    pub symbol: String,
    /// Its object, as messages name it.
    pub object: String,
    /// `kmod_` and the name of the module that the source file belongs to.
    pub module: String,
    /// The number of initcalls and other counted items before it in the source.
    pub counter: u64,
    /// The source line, as text.
    pub line: String,
    /// The function that is called.
    pub function: String,
    /// Its level.
    pub level: Level,
}

impl Initcall {
    /// Parses the name of a label in `object`, which begins with [`MARK`].
    ///
    /// The counter and line are the last two numbers of the form `__COUNTER_LINE_`. A module or function
    /// name of this form is handled as in `generate_initcall_order.pl`.
    ///
    /// # Errors
    /// The name has another form, or the kernel does not have the level.
    pub fn parse(symbol: &str, object: &str) -> Result<Self, Malformed> {
        let rest = symbol.strip_prefix(MARK).ok_or(Malformed::Form)?;
        let (module, counter, line, name) = split(rest).ok_or(Malformed::Form)?;
        let counter = counter.parse().map_err(|_| Malformed::Form)?;
        let (function, level) = Level::split_off(name).ok_or(Malformed::Level)?;
        Ok(Self {
            symbol: symbol.to_owned(),
            object: object.to_owned(),
            module: module.to_owned(),
            counter,
            line: line.to_owned(),
            function: function.to_owned(),
            level,
        })
    }

    /// Returns the name of its input section, such as `.initcall6.init..kmod_dev__1_7_net_dev_init`.
    pub fn section(&self) -> String {
        // The part of the symbol between the mark and the level.
        let end = self.symbol.len() - self.level.name().len();
        format!(
            "{}..{}",
            self.level.section(),
            &self.symbol[MARK.len()..end]
        )
    }
}

/// Splits `MODULE__COUNTER_LINE_NAME` at the last possible place.
fn split(text: &str) -> Option<(&str, &str, &str, &str)> {
    let at = |position: usize| {
        let rest = text[position..].strip_prefix("__")?;
        let (counter, rest) = rest.split_once('_')?;
        let (line, name) = rest.split_once('_')?;
        (is_number(counter) && is_number(line)).then_some((&text[..position], counter, line, name))
    };
    (0..text.len())
        .rev()
        .filter(|&position| text.is_char_boundary(position))
        .find_map(at)
}

/// The level of an initcall. Levels are ordered as in the linker script, which sorts by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(&'static str);

impl Level {
    /// Every level of the kernel: the numbered ones, their `_sync` forms, and the named ones. Source:
    /// `include/linux/init.h`.
    const ALL: [&'static str; 19] = [
        "0", "0s", "1", "1s", "2", "2s", "3", "3s", "4", "4s", "5", "5s", "6", "6s", "7", "7s",
        "con", "early", "rootfs",
    ];

    /// Splits `name` into function and level. No level is the end of another.
    fn split_off(name: &str) -> Option<(&str, Self)> {
        Self::ALL
            .iter()
            .find_map(|level| Some((name.strip_suffix(level)?, Self(level))))
            .filter(|(function, _)| !function.is_empty())
    }

    /// Returns the level as in the names of labels: `6`, `6s`, `early`, `rootfs`, `con`.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Returns the name of its output section, such as `.initcall6.init`.
    pub fn section(self) -> String {
        if self.0 == "con" {
            ".con_initcall.init".to_owned()
        } else {
            format!(".initcall{self}.init")
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}
