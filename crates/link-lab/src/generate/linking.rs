// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Constructs of linking: libraries, weak symbols, order of definitions, tables.

use super::{Builder, Host, New};
use crate::program::{How, Item, Linkage, Place, Statement};
use crate::random::Random;

impl Builder {
    /// Returns the name of a function that is missing, or in an unneeded member of the library.
    pub(super) fn optional_function(&mut self) -> String {
        if self.random.chance(30) {
            return self.name('f');
        }
        let file = self.library_member();
        let name = self.global(file);
        if self.random.chance(50) {
            self.burden(file);
        }
        name
    }

    fn library_member(&mut self) -> usize {
        let is_native = self.random.chance(35);
        self.file("l", is_native, Place::Library)
    }

    /// Adds an observable effect to a member of the library, which shows whether it is linked.
    fn burden(&mut self, file: usize) {
        let host = self.bitcode_host();
        let (variable, value) = (self.name('v'), self.constant());
        let home = self.a_bitcode_file();
        self.put(
            home,
            Item::Variable {
                name: variable.clone(),
                value,
                linkage: Linkage::Global,
                is_constant: false,
            },
        );
        self.add_statement(
            &host,
            Statement::Read {
                variable: variable.clone(),
                place: Some(1),
                by_asm: false,
            },
        );
        self.put(file, Item::Constructor { variable, value });
    }

    pub(super) fn add_weak_reference(&mut self) {
        let host = if self.random.chance(80) {
            self.bitcode_host()
        } else {
            self.host()
        };
        let callee = self.optional_function();
        let value = self.constant();
        self.add_statement(&host, Statement::WeakCall { callee, value });
    }

    pub(super) fn add_last_link(&mut self) {
        let [home, of_data, of_function] = [(); 3].map(|()| self.a_bitcode_file());
        let host = self.bitcode_host();
        let (name, value) = (self.name('v'), self.constant());
        let is_constant = self.random.chance(50);
        let data = self.random.chance(60).then(|| {
            let name = self.name('v');
            let variable = Item::Variable {
                name: name.clone(),
                value,
                linkage: Linkage::Global,
                is_constant: false,
            };
            self.put(of_data, variable);
            name
        });
        let function = self.random.chance(40).then(|| {
            let caller = self.random.chance(50).then(|| self.host());
            let name = self.global(of_function);
            if let Some(caller) = caller {
                self.call(&caller, &name, How::C);
            }
            name
        });
        let last = self
            .program
            .files
            .iter()
            .position(|file| file.place == Place::LastLink);
        let last = last.unwrap_or_else(|| self.file("last", true, Place::LastLink));
        let kept =
            |random: &mut Random, name: &Option<String>| name.clone().filter(|_| random.chance(75));
        let of_last = (
            kept(&mut self.random, &data),
            kept(&mut self.random, &function),
        );
        for (file, text, (data, function), is_weak) in [
            (home, "0 tmp", (data, function), true),
            (last, "7 final", of_last, false),
        ] {
            let version = Item::Version {
                name: name.clone(),
                text: text.to_owned(),
                data,
                function,
                is_weak,
                is_constant,
            };
            self.put(file, version);
        }
        self.add_statement(&host, Statement::ReadVersion { name });
    }

    pub(super) fn add_library(&mut self) {
        match self.random.below(4) {
            // A needed member, which may need objects and other members.
            0 => {
                let caller = self.bitcode_host();
                let file = self.library_member();
                let name = self.global(file);
                self.call(&caller, &name, How::C);
                let member = self.run(name, file);
                if self.random.chance(50) {
                    let home = self.a_bitcode_file();
                    let back = self.global(home);
                    self.call(&member, &back, How::C);
                    self.run(back, home);
                }
                if self.random.chance(50) {
                    let second = self.library_member();
                    let next = self.global(second);
                    let how = if self.random.chance(30) {
                        How::Pointer
                    } else {
                        How::C
                    };
                    self.call(&member, &next, how);
                    if self.random.chance(50) {
                        self.burden(second);
                    }
                    self.run(next, second);
                }
            }
            // An unneeded member with definitions marked as used.
            1 => {
                let file = self.library_member();
                self.function(
                    file,
                    New {
                        linkage: Linkage::Used,
                        is_noinline: false,
                    },
                );
                self.burden(file);
            }
            2 => self.add_needless_members(),
            // An unneeded member with a function that assembly in an object calls.
            _ => {
                let host = self.asm_host();
                let home = self.a_bitcode_file();
                let name = self.global(home);
                let spelling = self.spelling();
                self.call(&host, &name, How::Asm(spelling));
                self.run(name.clone(), home);
                let file = self.library_member();
                self.function_named(
                    file,
                    &name,
                    New {
                        linkage: Linkage::Global,
                        is_noinline: false,
                    },
                );
                let value = self.constant();
                let filler = Statement::WeakCall {
                    callee: self.name('f'),
                    value,
                };
                self.function_mut(file, &name).body.push(filler);
            }
        }
    }

    /// Adds an unneeded member that refers to another.
    pub(super) fn add_needless_members(&mut self) {
        let file = self.library_member();
        let second = self.library_member();
        let helper = self.global(second);
        self.burden(second);
        let (key, value) = (self.next_number, self.constant());
        self.next_number += 1;
        match self.random.below(3) {
            0 => self.put(
                file,
                Item::AsmTableEntry {
                    key,
                    function: helper,
                },
            ),
            1 => {
                let name = self.name('f');
                self.put(
                    file,
                    Item::AsmFunction {
                        name,
                        target: helper,
                        value,
                        is_naked: false,
                    },
                );
            }
            _ => {
                let linkage = self.random.pick(&[Linkage::Global, Linkage::Used]);
                let name = self.function(
                    file,
                    New {
                        linkage,
                        is_noinline: true,
                    },
                );
                self.call(&Host { name, file }, &helper, How::C);
            }
        }
    }

    /// Adds two definitions of a function, at least one of them weak.
    pub(super) fn add_definition_order(&mut self) {
        let caller = self.host();
        let bitcode = self.a_bitcode_file();
        let native = if self.random.chance(80) {
            // Before or after the bitcode.
            let main = self.hosts[0].file;
            if self.random.chance(50) {
                main
            } else {
                self.a_native_file()
            }
        } else {
            let others: Vec<usize> = self
                .bitcode
                .iter()
                .copied()
                .filter(|f| *f != bitcode)
                .collect();
            if others.is_empty() {
                self.a_native_file()
            } else {
                self.random.pick(&others)
            }
        };
        let linkages = self.random.pick(&[
            [Linkage::Weak, Linkage::Weak],
            [Linkage::Weak, Linkage::Weak],
            [Linkage::Weak, Linkage::Global],
            [Linkage::Global, Linkage::Weak],
        ]);
        let name = self.name('f');
        for (file, linkage) in [bitcode, native].into_iter().zip(linkages) {
            self.function_named(
                file,
                &name,
                New {
                    linkage,
                    is_noinline: false,
                },
            );
            // The two must return different values.
            let (variable, value) = (self.name('v'), self.next_number);
            self.put(
                file,
                Item::Variable {
                    name: variable.clone(),
                    value,
                    linkage: Linkage::Static,
                    is_constant: true,
                },
            );
            let read = Statement::Read {
                variable,
                place: Some(0),
                by_asm: false,
            };
            self.function_mut(file, &name).body.push(read);
        }
        self.call(&caller, &name, How::C);
        if self.random.chance(40) {
            let second = self.host();
            let how = if self.random.chance(50) {
                How::Asm(self.spelling())
            } else {
                How::C
            };
            self.call(&second, &name, how);
        }
    }

    pub(super) fn add_linkage(&mut self) {
        let caller = self.host();
        let file = self.an_object_file();
        match self.random.below(3) {
            0 | 1 => {
                let linkage = self
                    .random
                    .pick(&[Linkage::Global, Linkage::Static, Linkage::Used]);
                let is_noinline = self.random.chance(50);
                let target = self.function(
                    file,
                    New {
                        linkage,
                        is_noinline,
                    },
                );
                let name = self.name('f');
                let is_weak = self.random.chance(50);
                self.put(
                    file,
                    Item::Alias {
                        name: name.clone(),
                        target: target.clone(),
                        is_weak,
                    },
                );
                self.call(&caller, &name, How::C);
                if is_weak && self.random.chance(40) {
                    // The target of a weak alias may be in another file.
                    let home = self.an_object_file();
                    if home != file {
                        self.function_named(
                            home,
                            &name,
                            New {
                                linkage: Linkage::Global,
                                is_noinline: true,
                            },
                        );
                        return;
                    }
                }
                self.run(target, file);
            }
            _ => {
                let (variable, value) = (self.name('v'), self.constant());
                let linkage = self
                    .random
                    .pick(&[Linkage::Global, Linkage::Static, Linkage::Used]);
                let host = if linkage == Linkage::Static {
                    self.host_in(file)
                } else {
                    caller
                };
                self.put(
                    file,
                    Item::Variable {
                        name: variable.clone(),
                        value,
                        linkage,
                        is_constant: false,
                    },
                );
                let other = self.constant();
                let place = self.random.pick(&[None, Some(3)]);
                self.add_statement(
                    &host,
                    Statement::Read {
                        variable: variable.clone(),
                        place,
                        by_asm: false,
                    },
                );
                if self.random.chance(50) {
                    self.add_statement(
                        &host,
                        Statement::Write {
                            variable,
                            place: 3,
                            value: other,
                            by_asm: false,
                        },
                    );
                }
            }
        }
    }

    pub(super) fn add_comdat(&mut self) {
        let (name, value) = (self.name('f'), self.constant());
        let caller = self.host();
        let main = self.hosts[0].file;
        for file in [main, self.a_native_file()] {
            self.put(
                file,
                Item::Comdat {
                    name: name.clone(),
                    value,
                },
            );
        }
        self.call(&caller, &name, How::C);
    }

    pub(super) fn add_constructor(&mut self) {
        let file = self.an_object_file();
        self.burden(file);
    }

    pub(super) fn add_table(&mut self) {
        let walker = self.host();
        let table = format!("table_{}", self.next_number);
        self.next_number += 1;
        let mut all_native = true;
        for _ in 0..self.random.within(1..=3) {
            let file = if self.random.chance(20) {
                self.a_native_file()
            } else {
                self.a_bitcode_file()
            };
            all_native &= self.program.files[file].is_native;
            let linkage = self.random.pick(&[Linkage::Global, Linkage::Static]);
            let is_noinline = self.random.chance(50);
            let function = self.function(
                file,
                New {
                    linkage,
                    is_noinline,
                },
            );
            self.put(
                file,
                Item::TableEntry {
                    table: table.clone(),
                    function,
                },
            );
        }
        let in_order = all_native;
        self.add_statement(&walker, Statement::WalkTable { table, in_order });
    }
}
