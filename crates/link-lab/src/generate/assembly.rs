// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Constructs of assembly: names that the compiler does not see.

use super::{Builder, Host, New};
use crate::program::{How, Item, Linkage, Spelling, Statement};

impl Builder {
    pub(super) fn add_asm_calls(&mut self) {
        let host = self.asm_host();
        let (name, file) = self.tempting(&host);
        let spelling = self.spelling();
        self.call(&host, &name, How::Asm(spelling));
        let mut caller = self.run(name, file);
        if !self.random.chance(30) {
            return;
        }
        // A chain: only the assembly of the function before it knows each function.
        for _ in 0..self.random.within(1..=8) {
            let file = if self.random.chance(60) && self.bitcode.contains(&caller.file) {
                caller.file
            } else {
                self.a_bitcode_file()
            };
            let name = self.global(file);
            let spelling = self.spelling();
            self.call(&caller, &name, How::Asm(spelling));
            caller = self.run(name, file);
        }
    }

    pub(super) fn add_asm_call_spelled(&mut self) {
        let host = self.asm_host();
        let (name, file) = self.tempting(&host);
        let spelling = self.random.pick(&Spelling::ALL);
        self.call(&host, &name, How::Asm(spelling));
        self.run(name, file);
    }

    pub(super) fn add_asm_data(&mut self) {
        let host = self.asm_host();
        let c_host = self.bitcode_host();
        let (file, linkage) = if c_host.file == host.file && self.random.chance(25) {
            (host.file, Linkage::StaticUsed)
        } else {
            (self.an_object_file(), Linkage::Global)
        };
        let (variable, value) = (self.name('v'), self.constant());
        let other = self.constant();
        let place = self.random.pick(&[None, Some(0), Some(2)]);
        let of_asm = place.unwrap_or(1);
        let shape = self.random.below(5);
        self.put(
            file,
            Item::Variable {
                name: variable.clone(),
                value,
                linkage,
                is_constant: shape == 4,
            },
        );
        let read = |place, by_asm| Statement::Read {
            variable: variable.clone(),
            place,
            by_asm,
        };
        let write = |by_asm| Statement::Write {
            variable: variable.clone(),
            place: of_asm,
            value: other,
            by_asm,
        };
        match shape {
            // C only reads it.
            0..=2 => {
                self.add_statement(&host, write(true));
                self.add_statement(&c_host, read(place, false));
            }
            // C only writes it.
            3 => {
                self.add_statement(&c_host, write(false));
                self.add_statement(&host, read(Some(of_asm), true));
            }
            // C does not refer to it.
            _ => self.add_statement(&host, read(Some(of_asm), true)),
        }
    }

    pub(super) fn add_asm_address(&mut self) {
        let host = self.asm_host();
        let (name, file) = self.tempting(&host);
        self.call(&host, &name, How::AsmAddress);
        self.run(name, file);
    }

    /// Adds a section with two functions, so that the assembler computes their difference.
    pub(super) fn add_asm_difference(&mut self) {
        let file = self.a_bitcode_file();
        let caller = self.host();
        let host = self.function(
            file,
            New {
                linkage: Linkage::Global,
                is_noinline: true,
            },
        );
        self.call(&caller, &host, How::C);
        let host = self.run(host, file);
        let names = [(); 2].map(|()| {
            let linkage = self.random.pick(&[Linkage::Global, Linkage::StaticUsed]);
            let name = self.function(
                file,
                New {
                    linkage,
                    is_noinline: true,
                },
            );
            self.function_mut(file, &name).section = Some(".text.pair");
            if self.random.chance(40) {
                let caller = self.host_in(file);
                self.call(&caller, &name, How::C);
            }
            name
        });
        let [first, second] = names;
        self.add_statement(&host, Statement::Difference { first, second });
    }

    pub(super) fn add_asm_label(&mut self) {
        let file = self.a_bitcode_file();
        let label_caller = self.host();
        let runs = self.random.chance(50);
        let holder = self.function(
            file,
            New {
                linkage: Linkage::Global,
                is_noinline: true,
            },
        );
        if runs {
            let caller = self.host();
            self.call(&caller, &holder, How::C);
        }
        let (name, value) = (self.name('f'), self.constant());
        let label = Statement::Label {
            name: name.clone(),
            value,
        };
        self.add_statement(&Host { name: holder, file }, label);
        let how = if self.random.chance(30) {
            How::Asm(self.spelling())
        } else {
            How::C
        };
        self.call(&label_caller, &name, how);
    }

    pub(super) fn add_asm_table(&mut self) {
        let host = self.asm_host();
        let looker = if self.random.chance(50) {
            self.hosts[0].clone()
        } else {
            self.host()
        };
        let (function, file) = self.tempting(&host);
        let (key, value) = (self.next_number, self.constant());
        self.next_number += 1;
        let name = function.clone();
        // LLVM does not import functions with inline assembly if their file has static symbols
        // marked as used. It overlooks assembly with jump labels (`ModuleSummaryAnalysis.cpp`), so
        // the import would not link.
        let is_static = self.function_mut(file, &name).linkage == Linkage::StaticUsed;
        let is_goto = self.random.chance(30) && !is_static;
        let entry = Statement::TableEntry {
            key,
            function,
            is_goto,
        };
        self.add_statement(&host, entry);
        self.add_statement(&looker, Statement::CallHandler { key, value });
        self.run(name, file);
    }

    pub(super) fn add_module_asm(&mut self) {
        let host = self.host();
        let file = if self.random.chance(80) {
            self.a_bitcode_file()
        } else {
            self.a_native_file()
        };
        let in_file = Host {
            name: String::new(),
            file,
        };
        let value = self.constant();
        match self.random.below(6) {
            0 | 1 => {
                let (target, of_target) = self.tempting(&in_file);
                let name = self.name('f');
                let is_naked = self.random.chance(30);
                self.put(
                    file,
                    Item::AsmFunction {
                        name: name.clone(),
                        target: target.clone(),
                        value,
                        is_naked,
                    },
                );
                let how = if self.random.chance(30) {
                    How::Asm(self.spelling())
                } else {
                    How::C
                };
                self.call(&host, &name, how);
                self.run(target, of_target);
            }
            2 => self.add_asm_alias(&host, file),
            3 => {
                let name = self.name('v');
                self.put(
                    file,
                    Item::AsmVariable {
                        name: name.clone(),
                        value,
                    },
                );
                let by_asm = self.random.chance(40);
                self.add_statement(
                    &host,
                    Statement::Read {
                        variable: name,
                        place: Some(2),
                        by_asm,
                    },
                );
            }
            4 => {
                let (function, of_function) = self.tempting(&in_file);
                let key = self.next_number;
                self.next_number += 1;
                self.put(
                    file,
                    Item::AsmTableEntry {
                        key,
                        function: function.clone(),
                    },
                );
                self.add_statement(&host, Statement::CallHandler { key, value });
                self.run(function, of_function);
            }
            _ => {
                let name = self.optional_function();
                self.put(file, Item::WeakAddress { name });
            }
        }
    }

    /// Returns an alias that assembly defines for a function of `file`.
    fn add_asm_alias(&mut self, host: &Host, file: usize) {
        let linkage = self.random.pick(&[Linkage::Used, Linkage::StaticUsed]);
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
            Item::AsmAlias {
                name: name.clone(),
                target: target.clone(),
                is_weak,
            },
        );
        self.call(host, &name, How::C);
        self.run(target, file);
    }
}
