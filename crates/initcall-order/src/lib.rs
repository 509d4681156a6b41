// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the initcalls of a link and writes the linker script that keeps them in order.
//!
//! Initcalls run in link order. LTO compiles all objects as one and keeps no link order. So a kernel
//! with LTO gives every initcall a separate section with its name, and passes the linker a script that
//! lists these sections in the order of the objects, and within an object in the order of the source.
//!
//! The input is a list of objects in link order; the output is the script, or the same list as JSON.
//!
//! **Invariant:** knows names of initcalls and the order of objects; starts no process, opens no
//! file and knows no other plugin.
#![warn(missing_docs)]

mod fault;
mod initcall;
mod object;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use object_model::{Architecture, Binding, Faults, Input, Symbol};
use serde::Serialize;

pub use fault::{Fault, Malformed};
pub use initcall::{Initcall, Level, MARK};
pub use tables::{OrderFault, Tables};

/// All initcalls of a link, by level, in the order in which they must run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initcalls {
    levels: BTreeMap<Level, Vec<Initcall>>,
}

/// Collects the initcalls of `inputs`, which are in link order.
///
/// # Errors
/// As [`Collector::finish`].
pub fn collect(inputs: &[Input<'_>]) -> Result<Initcalls, Faults<Fault>> {
    let mut collector = Collector::default();
    for input in inputs {
        collector.add(input);
    }
    collector.finish()
}

/// Collects the initcalls of objects one by one, in link order.
///
/// An initcall is a defined symbol whose name begins with `__initcall__`.
#[derive(Debug, Default)]
pub struct Collector {
    initcalls: Initcalls,
    faults: Vec<Fault>,
    /// The object in which each section name came first.
    sections: HashMap<String, String>,
    /// The first object and its architecture.
    first: Option<(String, Architecture)>,
    objects: usize,
}

impl Collector {
    /// Adds the initcalls of the next object.
    pub fn add(&mut self, input: &Input<'_>) {
        self.objects += 1;
        self.check_architecture(input);
        let object = &input.name;
        let unlabelled = object::unlabelled_sections(&input.object).into_iter();
        self.faults
            .extend(unlabelled.map(|section| Fault::Unlabelled {
                object: object.clone(),
                section: section.to_owned(),
            }));
        for initcall in of_object(input, &mut self.faults) {
            let section = initcall.section();
            if let Some(first) = self.sections.get(&section) {
                self.faults.push(Fault::Duplicate {
                    section,
                    first: first.clone(),
                    second: input.name.clone(),
                });
            } else {
                self.sections.insert(section, input.name.clone());
            }
            let level = self.initcalls.levels.entry(initcall.level).or_default();
            level.push(initcall);
        }
    }

    fn check_architecture(&mut self, input: &Input<'_>) {
        let architecture = Architecture::of(&input.object);
        match &self.first {
            None => self.first = Some((input.name.clone(), architecture)),
            Some((first, expected)) if !expected.goes_with(&architecture) => {
                self.faults.push(Fault::Architecture {
                    object: input.name.clone(),
                    architecture: architecture.to_string(),
                    first: first.clone(),
                    expected: expected.to_string(),
                });
            }
            Some(_) => {}
        }
    }

    /// Returns all collected initcalls.
    ///
    /// # Errors
    /// All faults found: names that cannot be parsed, labels that are not local or not in the
    /// section that the script will name, initcalls without a label, two initcalls of one section or
    /// of one counter within an object, objects of two architectures, and no initcall at all.
    pub fn finish(mut self) -> Result<Initcalls, Faults<Fault>> {
        if self.initcalls.is_empty() && self.faults.is_empty() {
            self.faults.push(Fault::None {
                objects: self.objects,
            });
        }
        Faults::check(self.initcalls, self.faults)
    }
}

/// Returns the initcalls of one object in the order of its source, which is that of their counters.
fn of_object(input: &Input<'_>, faults: &mut Vec<Fault>) -> Vec<Initcall> {
    let mut initcalls = Vec::new();
    let symbols = input.object.linker_symbols();
    let symbols: Vec<_> = symbols
        .filter(|symbol| !symbol.is_undefined() && symbol.name.starts_with(MARK))
        .collect();
    let has_unknown_section = symbols.iter().any(|symbol| symbol.section_name.is_none());
    let mut assembly = String::new();
    if let Some(bitcode) = input.object.as_bitcode().filter(|_| has_unknown_section) {
        match bitcode.module_assembly() {
            Ok(texts) => assembly = String::from_utf8_lossy(&texts.join(&b'\n')).into_owned(),
            Err(error) => faults.push(Fault::Assembly {
                object: input.name.clone(),
                reason: error.to_string(),
            }),
        }
    }
    let sections = object::sections_of_labels(&assembly);
    for symbol in symbols {
        // The symbol table of bitcode does not tell in which section assembly defines a label.
        let section = symbol
            .section_name
            .or_else(|| sections.get(symbol.name).copied());
        match of_symbol(symbol, section, input) {
            Ok(initcall) => initcalls.push(initcall),
            Err(why) => faults.push(Fault::Malformed {
                object: input.name.clone(),
                symbol: symbol.name.to_owned(),
                why,
            }),
        }
    }
    // Equal counters are a fault; sorting by name makes the messages the same each time.
    initcalls.sort_by(|a, b| (a.counter, &a.symbol).cmp(&(b.counter, &b.symbol)));
    for pair in initcalls.windows(2) {
        if pair[0].counter == pair[1].counter && pair[0].section() != pair[1].section() {
            faults.push(Fault::SameCounter {
                object: input.name.clone(),
                first: pair[0].symbol.clone(),
                second: pair[1].symbol.clone(),
            });
        }
    }
    initcalls
}

fn of_symbol(
    symbol: &Symbol<'_>,
    section: Option<&str>,
    input: &Input<'_>,
) -> Result<Initcall, Malformed> {
    let initcall = Initcall::parse(symbol.name, &input.name)?;
    if symbol.binding != Binding::Local {
        return Err(Malformed::NotLocal);
    }
    match section {
        Some(section) if section != initcall.section() => Err(Malformed::Section {
            found: section.to_owned(),
            expected: initcall.section(),
        }),
        _ => Ok(initcall),
    }
}

impl Initcalls {
    /// Returns the levels that have initcalls, in the order of the linker script, each with its initcalls
    /// in the order in which they run.
    pub fn levels(&self) -> impl Iterator<Item = (Level, &[Initcall])> {
        self.levels
            .iter()
            .map(|(&level, initcalls)| (level, initcalls.as_slice()))
    }

    /// Returns the number of initcalls.
    pub fn len(&self) -> usize {
        self.levels.values().map(Vec::len).sum()
    }

    /// Returns whether there are none; [`collect`] never returns an empty list.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Returns the linker script, which has for each level the input sections in order. It is byte for
    /// byte the output of `scripts/generate_initcall_order.pl` of Linux 5.12 and later.
    pub fn linker_script(&self) -> String {
        let mut script = String::from("SECTIONS {\n");
        for (level, initcalls) in self.levels() {
            // Writing to a string does not fail.
            let _ = writeln!(script, "\t{} : {{", level.section());
            for initcall in initcalls {
                let _ = writeln!(script, "\t\t*({}) ;", initcall.section());
            }
            script.push_str("\t}\n");
        }
        script.push_str("}\n");
        script
    }

    /// Returns the list as JSON, in the order of the linker script: an array of levels, each with its
    /// `level`, its output `section` and its `initcalls`.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct LevelEntry<'a> {
            level: Level,
            section: String,
            initcalls: Vec<InitcallEntry<'a>>,
        }
        #[derive(Serialize)]
        struct InitcallEntry<'a> {
            section: String,
            #[serde(flatten)]
            initcall: &'a Initcall,
        }
        let entry = |initcall| InitcallEntry {
            section: Initcall::section(initcall),
            initcall,
        };
        let levels: Vec<_> = self
            .levels()
            .map(|(level, initcalls)| LevelEntry {
                level,
                section: level.section(),
                initcalls: initcalls.iter().map(entry).collect(),
            })
            .collect();
        format!("{:#}\n", serde_json::json!(levels))
    }
}
