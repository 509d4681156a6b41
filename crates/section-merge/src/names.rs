// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The names that LTO gives to the sections that it splits.

/// Whether `suffix` is the name of the symbol, or such a name behind what the compiler knows about
/// it (`unlikely.`, `hot.`).
pub(crate) fn is_named_after(suffix: &str, symbol: &str) -> bool {
    !symbol.is_empty()
        && suffix
            .strip_suffix(symbol)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}
