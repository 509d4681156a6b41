// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The configuration that a kernel was built with.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The settings in `include/config/auto.conf`, which leaves out options that are off.
pub struct Settings(HashMap<String, String>);

impl Settings {
    /// Reads the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: is this the object tree of a kernel?", path.display()))?;
        Ok(Self::parse(&text))
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines();
        let options = lines.filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
        Self(
            options
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// Returns the options and their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let options = self.0.iter();
        options.map(|(option, value)| (option.as_str(), value.as_str()))
    }

    /// Returns the value of the option, named without `CONFIG_`.
    pub fn get(&self, option: &str) -> Option<&str> {
        self.0.get(option).map(String::as_str)
    }

    /// Returns whether the option, named without `CONFIG_`, is built in.
    pub fn is_set(&self, option: &str) -> bool {
        self.0.get(option).is_some_and(|value| value == "y")
    }
}
