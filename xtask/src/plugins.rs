// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The one table of plugins.

use kernel_tree::Table;

/// What is installed, and what the tools say to `--version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All plugins, in the order in which they are installed: each after those it requires, and after
/// those whose fragments it builds upon.
pub fn table() -> kernel_tree::Result<Table> {
    Table::new(
        include_str!("../../kconfig/hooks/edits.toml"),
        vec![
            lto_link::plugin(),
            initcall_order::plugin(),
            modversions::plugin(),
            section_merge::plugin(),
            mod_dedup::plugin(),
            prel32_fix::plugin(),
            lto_disable::plugin(),
            mcount_loc::plugin(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_makes_sense() {
        let table = table().unwrap_or_else(|error| panic!("{:#}", anyhow::Error::new(error)));
        assert!(table.plugins().count() >= 8);
    }

    #[test]
    fn every_plugin_says_what_it_stands_for() {
        for plugin in table().expect("a table").plugins() {
            assert!(
                !plugin.title.is_empty() && !plugin.title.ends_with('.'),
                "{}",
                plugin.name
            );
            assert!(!plugin.upstream.is_empty(), "{}", plugin.name);
        }
    }
}
