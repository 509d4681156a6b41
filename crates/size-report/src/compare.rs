// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares each symbol with another build.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use object_model::source_name;
use object_tree::text_if_there;
use serde::Serialize;

use super::Size;
use super::attribution::{Attributed, Entry, Key, NO_OBJECT, NO_SYMBOL, SEVERAL};
use super::inputs::source_object;
use super::sections::Group;

/// The name in messages of the list of the definitions that a link dropped as unreferenced.
pub const DROPPED: &str = "vmlinux.lto-dropped";

/// The change of a symbol against the other build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It has the same size.
    Same,
    /// It is larger.
    Grew,
    /// It is smaller.
    Shrank,
    /// The other build lacks it.
    New,
    /// It is gone: the list of dropped definitions has it.
    Dropped,
    /// It is gone for another reason.
    InlinedOrMerged,
}

impl Change {
    /// All changes, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::Same,
        Self::Grew,
        Self::Shrank,
        Self::New,
        Self::Dropped,
        Self::InlinedOrMerged,
    ];
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Same => "the same",
            Self::Grew => "grew",
            Self::Shrank => "shrank",
            Self::New => "new",
            Self::Dropped => "dropped",
            Self::InlinedOrMerged => "inlined away or merged",
        })
    }
}

/// One symbol of the source in both builds, or the bytes without a symbol in one kind of section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The object or its substitute.
    pub object: String,
    /// The name in the source, or the section of bytes without a symbol.
    pub name: String,
    /// The group with most of its bytes.
    pub group: Group,
    /// Its size in bytes.
    pub size: u64,
    /// Its size in the other build, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<u64>,
    /// The change, if there is another build; not for bytes without a symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The number of its symbols, in the build with more.
    pub n_parts: u64,
    /// The number of its executed instructions, if measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed: Option<u64>,
    /// The same in the other build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed_against: Option<u64>,
}

impl Row {
    /// Returns its size in both builds.
    pub fn bytes(&self) -> Size {
        Size {
            size: self.size,
            against: self.against,
        }
    }

    /// Returns its growth against the other build, in bytes.
    pub fn difference(&self) -> i128 {
        i128::from(self.size) - i128::from(self.against.unwrap_or(self.size))
    }
}

/// The definitions that a link dropped.
#[derive(Debug, Default)]
pub struct DroppedList {
    objects: HashMap<String, HashSet<String>>,
}

impl DroppedList {
    /// Reads the list of the object tree at `root`; without a list, nothing was dropped.
    pub fn read(root: &Path) -> anyhow::Result<Option<Self>> {
        let path = lto_link::dropped_path(&root.join("vmlinux.o"));
        let text = text_if_there(&path)?;
        let list = text.map(|text| Self::parse(&text)).transpose();
        list.with_context(|| format!("{}: build the kernel again", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut list = Self::default();
        for (symbol, object) in lto_link::read_dropped(text)? {
            let objects = list.objects.entry(source_name(symbol).to_owned());
            objects.or_default().insert(source_object(object));
        }
        Ok(list)
    }

    /// Returns the number of names in the source.
    pub fn len(&self) -> usize {
        self.objects.values().map(HashSet::len).sum()
    }

    /// Returns whether the symbol is listed. If its object is unknown, its name alone decides.
    fn has(&self, object: &str, name: &str) -> bool {
        let is_unknown = [NO_OBJECT, SEVERAL].contains(&object);
        let objects = self.objects.get(name);
        objects.is_some_and(|objects| is_unknown || objects.contains(object))
    }
}

/// Returns the rows of `build`, compared with `against` if there is one. Symbols match by object
/// and name. The rest matches by name alone, if each build has only one symbol of that name.
pub fn rows(
    build: Attributed,
    against: Option<Attributed>,
    dropped: Option<&DroppedList>,
) -> Vec<Row> {
    let compared = against.is_some();
    let against = against.unwrap_or_default();
    let mut pairs: BTreeMap<Key, [Option<Entry>; 2]> = BTreeMap::new();
    for (key, entry) in build.symbols {
        pairs.entry(key).or_default()[0] = Some(entry);
    }
    for (key, entry) in against.symbols {
        pairs.entry(key).or_default()[1] = Some(entry);
    }
    join_several(&mut pairs);
    join_moved(&mut pairs);
    let of_symbols = pairs.into_iter().filter_map(|((object, name), entries)| {
        let larger = entries.iter().flatten().max_by_key(|entry| entry.size)?;
        let [size, other] = entries.map(|entry| entry.map(|entry| entry.size));
        let change = || match (size, other) {
            (Some(size), Some(other)) if size > other => Change::Grew,
            (Some(size), Some(other)) if size < other => Change::Shrank,
            (Some(_), Some(_)) => Change::Same,
            (Some(_), None) => Change::New,
            (None, _) if dropped.is_some_and(|list| list.has(&object, &name)) => Change::Dropped,
            (None, _) => Change::InlinedOrMerged,
        };
        Some(Row {
            change: compared.then(change),
            group: entries[0].map_or(larger.group, |entry| entry.group),
            size: size.unwrap_or_default(),
            against: compared.then(|| other.unwrap_or_default()),
            n_parts: entries.iter().flatten().map(|entry| entry.n_parts).max()?,
            executed: Some(entries[0].map_or(0, |entry| entry.executed)),
            executed_against: compared.then(|| entries[1].map_or(0, |entry| entry.executed)),
            object,
            name,
        })
    });
    let mut rows: Vec<_> = of_symbols.collect();
    let mut gaps: BTreeMap<(Group, String), [u64; 2]> = BTreeMap::new();
    for (place, size) in build.without_symbol {
        gaps.entry(place).or_default()[0] = size;
    }
    for (place, size) in against.without_symbol {
        gaps.entry(place).or_default()[1] = size;
    }
    rows.extend(gaps.into_iter().map(|((group, name), [size, other])| Row {
        object: NO_SYMBOL.to_owned(),
        name,
        group,
        size,
        against: compared.then_some(other),
        change: None,
        n_parts: 0,
        executed: None,
        executed_against: None,
    }));
    rows
}

/// Joins symbols of unknown object: if one build does not tell the object of a name, the symbols
/// that only the other build has under that name are counted together too.
fn join_several(pairs: &mut BTreeMap<Key, [Option<Entry>; 2]>) {
    let of_several = pairs.iter().filter(|((object, _), _)| object == SEVERAL);
    let of_several: HashMap<_, _> = of_several
        .map(|((_, name), entries)| (name.clone(), *entries))
        .collect();
    let mut joined: HashMap<String, [Option<Entry>; 2]> = HashMap::new();
    pairs.retain(|(object, name), entries| {
        let Some(unknown) = of_several.get(name).filter(|_| object != SEVERAL) else {
            return true;
        };
        let side = match entries {
            [Some(_), None] => 0,
            [None, Some(_)] => 1,
            _ => return true,
        };
        if unknown[1 - side].is_none() {
            return true;
        }
        let sum = &mut joined.entry(name.clone()).or_insert(*unknown)[side];
        *sum = match (*sum, entries[side]) {
            (Some(one), Some(other)) => Some(one.and(&other)),
            (one, other) => one.or(other),
        };
        false
    });
    for (name, entries) in joined {
        pairs.insert((SEVERAL.to_owned(), name), entries);
    }
}

/// Joins symbols with another object in each build, if only one of the rest has that name on either side.
fn join_moved(pairs: &mut BTreeMap<Key, [Option<Entry>; 2]>) {
    let mut alone: HashMap<String, [Vec<String>; 2]> = HashMap::new();
    for ((object, name), entries) in &*pairs {
        let side = match entries {
            [Some(_), None] => 0,
            [None, Some(_)] => 1,
            _ => continue,
        };
        alone.entry(name.clone()).or_default()[side].push(object.clone());
    }
    for (name, objects) in alone {
        let ([object], [other]) = (&objects[0][..], &objects[1][..]) else {
            continue;
        };
        let is_known = ![NO_OBJECT, SEVERAL].contains(&object.as_str());
        let (kept, gone, side) = if is_known {
            (object, other, 1)
        } else {
            (other, object, 0)
        };
        let Some(entries) = pairs.remove(&(gone.clone(), name.clone())) else {
            continue;
        };
        if let Some(joined) = pairs.get_mut(&(kept.clone(), name)) {
            joined[side] = entries[side];
        }
    }
}
