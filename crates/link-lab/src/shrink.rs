// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes a program that shows a difference as small as possible.
//!
//! Delta debugging over the description: parts are removed in groups, then one by one, as long as the
//! difference stays; then the rest is simplified.

use crate::program::{How, Item, Linkage, MAIN, Program, Spelling, Statement, Value};

/// A part that can be removed: a file, an item of a file, a statement of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    File(usize),
    Item(usize, usize),
    Statement(usize, usize, usize),
}

impl Program {
    /// Returns the smallest program found for which `shows` is true, as it is for this one. Calls
    /// `shows` at most `limit` times.
    #[must_use]
    pub fn shrink(&self, limit: usize, mut shows: impl FnMut(&Self) -> bool) -> Self {
        let mut asked = 0;
        let mut ask = |candidate: &Self| {
            asked += 1;
            asked <= limit && shows(candidate)
        };
        let mut smallest = self.clone();
        loop {
            let before = smallest.clone();
            smallest.remove_parts(&mut ask);
            smallest.make_plainer(&mut ask);
            if smallest == before {
                return smallest;
            }
        }
    }

    fn remove_parts(&mut self, shows: &mut impl FnMut(&Self) -> bool) {
        let mut group = self.parts().len().div_ceil(2).max(1);
        loop {
            let mut start = 0;
            while start < self.parts().len() {
                let parts = self.parts();
                let end = parts.len().min(start + group);
                let candidate = self.without(&parts[start..end]);
                if candidate != *self && shows(&candidate) {
                    *self = candidate;
                } else {
                    start += group;
                }
            }
            if group == 1 {
                return;
            }
            group = group.div_ceil(2);
        }
    }

    /// Returns all parts, larger ones first.
    fn parts(&self) -> Vec<Part> {
        let mut files = Vec::new();
        let mut items = Vec::new();
        let mut statements = Vec::new();
        for (f, file) in self.files.iter().enumerate() {
            if file.name != MAIN {
                files.push(Part::File(f));
            }
            for (i, item) in file.items.iter().enumerate() {
                if item.name() != Some(MAIN) {
                    items.push(Part::Item(f, i));
                }
                if let Item::Function(function) = item {
                    let of_function = 0..function.body.len();
                    statements.extend(of_function.map(|s| Part::Statement(f, i, s)));
                }
            }
        }
        [files, items, statements].concat()
    }

    fn without(&self, parts: &[Part]) -> Self {
        let mut program = self.clone();
        for (f, file) in program.files.iter_mut().enumerate() {
            for (i, item) in file.items.iter_mut().enumerate() {
                if let Item::Function(function) = item {
                    let mut s = 0;
                    function.body.retain(|_| {
                        s += 1;
                        !parts.contains(&Part::Statement(f, i, s - 1))
                    });
                }
            }
            let mut i = 0;
            file.items.retain(|_| {
                i += 1;
                !parts.contains(&Part::Item(f, i - 1))
            });
        }
        let mut f = 0;
        program.files.retain(|_| {
            f += 1;
            !parts.contains(&Part::File(f - 1))
        });
        program.tidy();
        program
    }

    /// Tries one simplification after the other.
    fn make_plainer(&mut self, shows: &mut impl FnMut(&Self) -> bool) {
        let mut attempt = |program: &mut Self, change: &dyn Fn(&mut Self)| {
            let mut candidate = program.clone();
            change(&mut candidate);
            candidate.tidy();
            if candidate != *program && shows(&candidate) {
                *program = candidate;
            }
        };
        attempt(self, &|program| program.flags.truncate(1));
        attempt(self, &|program| program.hides_declarations = false);
        attempt(self, &|program| program.has_regular_archive = false);
        for f in 0..self.files.len() {
            for i in 0..self.files[f].items.len() {
                for change in PLAINER {
                    attempt(self, &|program| {
                        if let Some(Item::Function(function)) = program
                            .files
                            .get_mut(f)
                            .and_then(|file| file.items.get_mut(i))
                        {
                            change(function);
                        }
                    });
                }
            }
        }
    }
}

/// The simplifications that are tried for each function.
const PLAINER: [fn(&mut crate::program::Function); 7] = [
    |function| function.is_noinline = false,
    |function| {
        if matches!(function.linkage, Linkage::Used | Linkage::Static) {
            function.linkage = Linkage::Global;
        }
    },
    |function| {
        if function.linkage == Linkage::StaticUsed {
            function.linkage = Linkage::Used;
        }
    },
    |function| function.uses = [true, false],
    |function| {
        each_call(function, |how, _, _| {
            if *how == How::Pointer {
                *how = How::C;
            }
        });
    },
    |function| {
        each_call(function, |how, _, _| {
            if matches!(how, How::Asm(_)) {
                *how = How::Asm(Spelling::Plain);
            }
        });
    },
    |function| each_call(function, |_, _, second| *second = Value::Constant(1)),
];

fn each_call(
    function: &mut crate::program::Function,
    change: impl Fn(&mut How, &mut Value, &mut Value),
) {
    for statement in &mut function.body {
        if let Statement::Call {
            how, first, second, ..
        } = statement
        {
            change(how, first, second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Feature;

    fn has_label(program: &Program) -> bool {
        let mut statements = program.functions().flat_map(|(_, function)| &function.body);
        statements.any(|statement| matches!(statement, Statement::Label { .. }))
    }

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let programs = (0..50).map(|seed| Program::generate(seed, &Feature::ALL));
        let with_label: Vec<Program> = programs.filter(has_label).collect();
        assert!(!with_label.is_empty());
        for program in with_label {
            let small = program.shrink(10_000, has_label);
            assert!(has_label(&small));
            // `main`, and the function with the label.
            assert_eq!(small.functions().count(), 2, "{small:?}");
            assert_eq!(
                small.functions().map(|(_, f)| f.body.len()).sum::<usize>(),
                1
            );
        }
    }

    #[test]
    fn the_number_of_questions_is_limited() {
        let program = Program::generate(1, &Feature::ALL);
        let mut asked = 0;
        let same = program.shrink(5, |_| {
            asked += 1;
            false
        });
        assert_eq!(same, program);
        assert_eq!(asked, 5);
    }
}
