// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The names that LTO gives to the sections that it splits.

/// Returns whether `suffix` is the name of the symbol, optionally after a prefix with the
/// compiler's profile information (`unlikely.`, `hot.`).
pub(crate) fn is_named_after(suffix: &str, symbol: &str) -> bool {
    !symbol.is_empty()
        && suffix
            .strip_suffix(symbol)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}
