// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What became of each symbol of another build.

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

/// The list of what a link left out because nothing used it, beside vmlinux.
pub const DROPPED: &str = "vmlinux.lto-dropped";

/// What became of a symbol of the other build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It has the same size.
    Same,
    /// It is larger.
    Grew,
    /// It is smaller.
    Shrank,
    /// The other build has none.
    New,
    /// It is gone, as nothing used it: the list says so.
    Dropped,
    /// It is gone otherwise.
    InlinedOrMerged,
}

impl Change {
    /// All of them, in the order in which they are shown.
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

/// One symbol of the source in both builds, or what lies between symbols in one kind of section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The object, or what stands in place of one.
    pub object: String,
    /// The name in the source, or the section of what has no symbol.
    pub name: String,
    /// Where it lies.
    pub group: Group,
    /// Its bytes.
    pub size: u64,
    /// Its bytes in the other build; not without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<u64>,
    /// Not without another build, nor for what has no symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Of how many symbols it consists, in the build that has more.
    pub n_parts: u64,
    /// How many of its instructions were executed; not without a measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed: Option<u64>,
    /// The same in the other build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed_against: Option<u64>,
}

impl Row {
    /// Its bytes in both builds.
    pub fn bytes(&self) -> Size {
        Size {
            size: self.size,
            against: self.against,
        }
    }

    /// By how many bytes it is larger than in the other build.
    pub fn difference(&self) -> i128 {
        i128::from(self.size) - i128::from(self.against.unwrap_or(self.size))
    }
}

/// What a link left out, as [`DROPPED`] says.
#[derive(Debug, Default)]
pub struct DroppedList {
    objects: HashMap<String, HashSet<String>>,
}

impl DroppedList {
    /// Reads the list of the object tree at `root`; without one nothing was left out.
    pub fn read(root: &Path) -> anyhow::Result<Option<Self>> {
        let path = root.join(DROPPED);
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

    /// How many names of the source it has.
    pub fn len(&self) -> usize {
        self.objects.values().map(HashSet::len).sum()
    }

    /// Whether the symbol is listed. One of no known object is known by its name alone.
    fn has(&self, object: &str, name: &str) -> bool {
        let is_unknown = [NO_OBJECT, SEVERAL].contains(&object);
        let objects = self.objects.get(name);
        objects.is_some_and(|objects| is_unknown || objects.contains(object))
    }
}

/// The rows of `build`, compared with `against` if there is one: by object and name, and what only
/// one of them has by name alone, if that leads to one symbol in each.
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

/// Where one build does not tell whose a symbol is, neither does the comparison: what only the other
/// has under that name is taken together as well.
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

/// Joins what is under another object in each build: names that only one symbol of the rest has on
/// either side.
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
