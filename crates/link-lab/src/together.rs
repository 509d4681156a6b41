// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Joins several programs into one, because starting the compiler and the linker costs far more than their
//! work for a small program.
//!
//! The programs of a batch have different names for everything (see [`Program::generate_in_batch`]), so
//! that none refers to another. Their files become common files, in an order that is the link order of each.
//! Members of libraries stay separate files: a member that one program needs must not bring in definitions
//! that another must not get.

use std::collections::BTreeMap;

use crate::program::{Item, MAIN, Place, Program, SourceFile};

/// The position of a file in the link order of the common program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// Before the file of `main`: the position, and whether it is native.
    Before(usize, bool),
    Main,
    /// After the file of `main`.
    Behind(usize, bool),
    /// A member of the library: the program, and its position there.
    Member(usize, usize),
    LastLink,
}

impl Program {
    /// Returns one program that does the work of each of `programs`, one after the other.
    /// `programs` is not empty, and all have the same flags.
    pub(crate) fn together(programs: &[Self]) -> Self {
        let mut files: BTreeMap<Slot, SourceFile> = BTreeMap::new();
        for (number, program) in programs.iter().enumerate() {
            for (slot, file) in program.slots(number).into_iter().zip(&program.files) {
                let name = match slot {
                    Slot::Before(position, is_native) => file_name('b', position, is_native),
                    Slot::Main => MAIN.to_owned(),
                    Slot::Behind(position, is_native) => file_name('e', position, is_native),
                    Slot::Member(program, position) => format!("l{program}_{position}"),
                    Slot::LastLink => "last".to_owned(),
                };
                let common = files.entry(slot).or_insert_with(|| SourceFile {
                    name,
                    items: Vec::new(),
                    ..*file
                });
                common.items.extend(file.items.iter().cloned());
            }
        }
        let mut files: Vec<SourceFile> = files.into_values().collect();
        for file in &mut files {
            join_main(file);
        }
        let first = &programs[0];
        Self {
            seed: first.seed,
            n_seeds: programs.iter().map(|program| program.n_seeds).sum(),
            flags: first.flags.clone(),
            files,
            ..*first
        }
    }

    /// Returns the slot of each of its files, if it is program `number` of a batch.
    fn slots(&self, number: usize) -> Vec<Slot> {
        let mut is_behind = false;
        let mut position = 0;
        let mut member = 0;
        let of_file = |file: &SourceFile| {
            match file.place {
                Place::LastLink => return Slot::LastLink,
                Place::Library => {
                    member += 1;
                    return Slot::Member(number, member);
                }
                Place::Object => {}
            }
            if file.name == MAIN {
                is_behind = true;
                position = 0;
                return Slot::Main;
            }
            position += 1;
            if is_behind {
                Slot::Behind(position, file.is_native)
            } else {
                Slot::Before(position, file.is_native)
            }
        };
        self.files.iter().map(of_file).collect()
    }
}

fn file_name(side: char, position: usize, is_native: bool) -> String {
    let native = if is_native { "n" } else { "" };
    format!("{side}{native}{position}")
}

/// Joins all functions named `main`.
fn join_main(file: &mut SourceFile) {
    let mut statements = Vec::new();
    let mut main = None;
    file.items.retain_mut(|item| match item {
        Item::Function(function) if function.name == MAIN => {
            statements.append(&mut function.body);
            main.get_or_insert(function.clone());
            false
        }
        _ => true,
    });
    if let Some(mut main) = main {
        main.body = statements;
        file.items.push(Item::Function(main));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::feature::Feature;
    use crate::generate::BATCH;

    fn batch() -> Vec<Program> {
        (0..BATCH)
            .map(|seed| Program::generate_in_batch(seed, &Feature::ALL))
            .collect()
    }

    #[test]
    fn nothing_is_lost_and_every_program_keeps_its_link_order() {
        let programs = batch();
        let all = Program::together(&programs);
        assert_eq!(all.n_seeds, BATCH);
        let n_statements = |program: &Program| -> usize {
            program
                .functions()
                .map(|(_, function)| function.body.len())
                .sum()
        };
        assert_eq!(
            n_statements(&all),
            programs.iter().map(n_statements).sum::<usize>()
        );
        // A COMDAT function is in several files.
        let only_file_of = |item: &Item| {
            let files = all.files.iter().enumerate();
            let mut with_it = files.filter(|(_, file)| file.items.contains(item));
            let (number, _) = with_it.next().expect("an item is in some file");
            with_it.next().is_none().then_some(number)
        };
        for program in &programs {
            for place in [Place::Object, Place::Library] {
                let of_place = program.files.iter().filter(|file| file.place == place);
                let positions: Vec<usize> = of_place
                    .filter_map(|file| {
                        let mut items = file.items.iter().filter(|item| item.name() != Some(MAIN));
                        items.find_map(only_file_of)
                    })
                    .collect();
                assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
            }
        }
    }

    #[test]
    fn programs_of_a_batch_share_no_name_and_no_member() {
        let programs = batch();
        let mut names = BTreeSet::new();
        for program in &programs {
            for name in program.defined() {
                assert!(name == MAIN || names.insert(name.to_owned()), "{name}");
            }
        }
        let n_members = |program: &Program| {
            let files = program.files.iter();
            files.filter(|file| file.place == Place::Library).count()
        };
        let n_of_all: usize = programs.iter().map(n_members).sum();
        assert!(n_of_all > 0);
        assert_eq!(n_members(&Program::together(&programs)), n_of_all);
    }
}
