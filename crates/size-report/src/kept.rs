// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Shows why a kernel that drops definitions is still this large: the bytes that each kind of root keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::Context as _;
use lto_link::{Reach, Roots};
use object_model::source_name;
use object_tree::{Objtree, text_if_there};
use serde::Serialize;

use super::compare::Row;
use super::inputs::{Inputs, source_object};

/// The bytes that roots of one kind keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeptFor {
    /// The kind, as in `vmlinux.lto-roots`.
    reason: String,
    /// The number of roots of this kind; definitions kept by bitcode itself are in no list.
    n_roots: u64,
    /// The number of symbols of vmlinux.o that they reach.
    n_symbols: u64,
    /// The size of these symbols.
    size: u64,
    /// The size of the symbols that no other kind reaches.
    only_size: u64,
}

/// Returns the symbols of `rows` that each kind of root keeps, sorted by those that it alone keeps;
/// nothing if the kernel's link dropped nothing.
///
/// # Errors
/// A list or bitcode cannot be read.
pub fn kept_for(
    tree: &Objtree,
    inputs: &Inputs,
    rows: &[Row],
) -> anyhow::Result<Option<Vec<KeptFor>>> {
    let path = tree.root.join(lto_link::roots_path(Path::new("vmlinux.o")));
    let Some(listing) = text_if_there(&path)? else {
        return Ok(None);
    };
    let roots: Vec<(&str, &str)> = Roots::read_listing(&listing)
        .map(|(symbol, reason)| (symbol, reason.split('\t').next().unwrap_or(reason)))
        .collect();
    let reach = Reach::of(inputs.objects(), roots.iter().map(|(symbol, _)| *symbol))
        .with_context(|| format!("what keeps the definitions of {}", tree.root.display()))?;
    // Statics of one name in one object are one symbol here.
    let mut kinds: HashMap<(String, &str), BTreeSet<&str>> = HashMap::new();
    for kept in reach.kept(roots.iter().copied()) {
        let symbol = (source_object(kept.object), source_name(kept.symbol));
        kinds.entry(symbol).or_default().extend(kept.kinds);
    }
    let named: BTreeSet<(&str, &str)> = roots.into_iter().collect();
    let mut found: BTreeMap<&str, KeptFor> = BTreeMap::new();
    for (_, kind) in named {
        found.entry(kind).or_default().n_roots += 1;
    }
    for row in rows.iter().filter(|row| row.size > 0) {
        let kinds = kinds.get(&(row.object.clone(), row.name.as_str()));
        for kind in kinds.into_iter().flatten() {
            let kept = found.entry(kind).or_default();
            kept.n_symbols += 1;
            kept.size += row.size;
            if kinds.is_some_and(|kinds| kinds.len() == 1) {
                kept.only_size += row.size;
            }
        }
    }
    let mut found: Vec<_> = found
        .into_iter()
        .map(|(reason, kept)| KeptFor {
            reason: reason.to_owned(),
            ..kept
        })
        .collect();
    found.sort_by_key(|kept| std::cmp::Reverse((kept.only_size, kept.size)));
    Ok(Some(found))
}

impl KeptFor {
    /// Returns a line of a table: reason, roots, symbols, bytes, and bytes for it alone.
    pub fn cells(&self, number: impl Fn(u64) -> String) -> Vec<String> {
        let Self {
            reason,
            n_roots,
            n_symbols,
            size,
            only_size,
        } = self;
        let numbers = [n_roots, n_symbols, size, only_size].map(|n| number(*n));
        std::iter::once(reason.clone()).chain(numbers).collect()
    }
}
