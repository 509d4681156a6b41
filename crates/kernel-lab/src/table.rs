// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tables on the terminal, all in the same style.

use comfy_table::Table;
use comfy_table::presets;

/// Returns the difference of a ratio from 1 in percent, with `n_digits` digits behind the point: `+1.2 %`.
pub fn percent(ratio: f64, n_digits: usize) -> String {
    format!("{:+.n_digits$} %", (ratio - 1.0) * 100.0)
}

/// Returns a table with `rows`.
pub fn of<const COLUMNS: usize>(rows: impl IntoIterator<Item = [String; COLUMNS]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in rows {
        table.add_row(row);
    }
    table
}
