// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The generator: a program from a seed.
//!
//! A program starts as `main` and a few files. Each construct is then added to it with all that it
//! needs to be valid: a function is called only by functions that were there before it, so that every
//! program ends; what is called by assembly is called by C with other arguments, so that a compiler that
//! does not see the assembly is tempted. What a program means must not depend on how it is linked: no
//! address is printed, no entry of a table counts that the compiler may copy or drop, and the order of
//! entries counts only where all are native.

use std::fmt;
use std::str::FromStr;

use crate::program::{
    Function, How, Item, Linkage, MAIN, Place, Program, SourceFile, Spelling, Statement, Value,
};
use crate::random::Random;

/// A kind of constructs that programs may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Inline assembly calls functions, in chains too.
    AsmCalls,
    /// The names in inline assembly are built by macros, operands, aliases.
    AsmSpellings,
    /// Inline assembly reads and writes variables.
    AsmData,
    /// Inline assembly takes addresses of functions.
    AsmAddresses,
    /// Inline assembly takes differences of functions.
    AsmDifferences,
    /// Inline assembly defines functions.
    AsmLabels,
    /// Inline assembly makes tables of handlers.
    AsmTables,
    /// Assembly beside functions.
    ModuleAsm,
    /// The last link overrides what the others linked.
    LastLink,
    /// Weak references to what is missing, or in a library only.
    WeakReferences,
    /// Libraries with members that are needed, and such that are not.
    Library,
    /// Several definitions of one function, in any order.
    DefinitionOrder,
    /// Aliases, marks as used, static variables.
    Linkage,
    /// Functions in COMDAT sections of native objects.
    Comdat,
    /// Constructors.
    Constructors,
    /// Tables of functions in sections.
    Tables,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 16] = [
        Self::AsmCalls,
        Self::AsmSpellings,
        Self::AsmData,
        Self::AsmAddresses,
        Self::AsmDifferences,
        Self::AsmLabels,
        Self::AsmTables,
        Self::ModuleAsm,
        Self::LastLink,
        Self::WeakReferences,
        Self::Library,
        Self::DefinitionOrder,
        Self::Linkage,
        Self::Comdat,
        Self::Constructors,
        Self::Tables,
    ];

    /// The name for command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsmCalls => "asm-calls",
            Self::AsmSpellings => "asm-spellings",
            Self::AsmData => "asm-data",
            Self::AsmAddresses => "asm-addresses",
            Self::AsmDifferences => "asm-differences",
            Self::AsmLabels => "asm-labels",
            Self::AsmTables => "asm-tables",
            Self::ModuleAsm => "module-asm",
            Self::LastLink => "last-link",
            Self::WeakReferences => "weak-references",
            Self::Library => "library",
            Self::DefinitionOrder => "definition-order",
            Self::Linkage => "linkage",
            Self::Comdat => "comdat",
            Self::Constructors => "constructors",
            Self::Tables => "tables",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|feature| feature.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no feature of that name; there are: {names}")
        })
    }
}

/// The version of the generator: other programs from the same seeds have another one.
pub const GENERATOR_VERSION: u32 = 2;

/// How many seeds make a batch. The programs of a batch have the same flags, so that they can be linked together.
/// Its first seed is a multiple of this.
pub(crate) const BATCH: u64 = 16;

/// More than any program has names.
const NAMES_OF_A_PROGRAM: u32 = 10_000;

impl Program {
    /// The program of a seed, with some of `features`. The same seed and features always give the same
    /// program.
    pub fn generate(seed: u64, features: &[Feature]) -> Self {
        Self::numbered(seed, features, 1)
    }

    /// The same program with names that no other program of its batch has.
    pub(crate) fn generate_in_batch(seed: u64, features: &[Feature]) -> Self {
        let position = u32::try_from(seed % BATCH).unwrap_or(0);
        Self::numbered(seed, features, 1 + position * NAMES_OF_A_PROGRAM)
    }

    /// The program whose names are numbered from `first_number` on.
    fn numbered(seed: u64, features: &[Feature], first_number: u32) -> Self {
        let mut builder = Builder::new(seed, features, first_number);
        builder.fill();
        builder.program
    }
}

/// A function that runs, and can be given statements.
#[derive(Clone, Debug)]
struct Host {
    name: String,
    file: usize,
}

/// What a new function is like.
#[derive(Clone, Copy)]
struct New {
    linkage: Linkage,
    is_noinline: bool,
}

struct Builder {
    random: Random,
    program: Program,
    /// The features of this program.
    features: Vec<Feature>,
    /// Numbers of bitcode files that every link takes.
    bitcode: Vec<usize>,
    /// Functions that run, callers before callees.
    hosts: Vec<Host>,
    next_number: u32,
}

impl Builder {
    fn new(seed: u64, features: &[Feature], first_number: u32) -> Self {
        // A program must not have the random numbers of its batch.
        let mut of_batch = Random::new(!(seed / BATCH));
        let mut random = Random::new(seed);
        let mut chosen: Vec<Feature> = Vec::new();
        if !features.is_empty() {
            chosen.push(random.pick(features));
            // A few features a program: the more there are, the more hide each other.
            let percent = random.pick(&[10, 25, 50]);
            for feature in features {
                if random.chance(percent) && !chosen.contains(feature) {
                    chosen.push(*feature);
                }
            }
        }
        let mut flags = vec!["-fno-pie".to_owned()];
        if of_batch.chance(25) {
            flags.push(of_batch.pick(&["-O1", "-Os", "-O3"]).to_owned());
        }
        if of_batch.chance(40) {
            flags.extend(["-ffunction-sections", "-fdata-sections"].map(str::to_owned));
        }
        let program = Program {
            seed,
            n_seeds: 1,
            flags,
            hides_declarations: of_batch.chance(50),
            has_regular_archive: of_batch.chance(20),
            files: Vec::new(),
        };
        let mut builder = Self {
            random,
            program,
            features: chosen,
            bitcode: Vec::new(),
            hosts: Vec::new(),
            next_number: first_number,
        };
        builder.make_files();
        builder
    }

    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// `main` and the bitcode files, in a random order.
    fn make_files(&mut self) {
        let n_bitcode = self.random.pick(&[1, 2, 2, 2, 3]);
        let main_position = self.random.below(n_bitcode + 1);
        for position in 0..=n_bitcode {
            if position == main_position {
                let file = self.file(MAIN, true, Place::Object);
                let main = Function {
                    name: MAIN.to_owned(),
                    linkage: Linkage::Global,
                    is_noinline: false,
                    section: None,
                    uses: [false; 2],
                    body: Vec::new(),
                };
                self.program.files[file].items.push(Item::Function(main));
                let name = MAIN.to_owned();
                self.hosts.push(Host { name, file });
            } else {
                let file = self.file("b", false, Place::Object);
                self.bitcode.push(file);
            }
        }
    }

    /// A new file behind the others, and its number.
    fn file(&mut self, prefix: &str, is_native: bool, place: Place) -> usize {
        let number = self.program.files.len();
        let name = if prefix == MAIN {
            MAIN.to_owned()
        } else {
            format!("{prefix}{number}")
        };
        self.program.files.push(SourceFile {
            name,
            is_native,
            place,
            items: Vec::new(),
        });
        number
    }

    fn fill(&mut self) {
        for _ in 0..self.random.within(1..=4) {
            self.add_ordinary();
        }
        let mut features = self.features.clone();
        while !features.is_empty() {
            let feature = features.swap_remove(self.random.below(features.len()));
            for _ in 0..self.random.pick(&[1, 1, 2]) {
                self.add(feature);
            }
        }
        for _ in 0..self.random.within(0..=2) {
            self.add_ordinary();
        }
    }

    fn add(&mut self, feature: Feature) {
        match feature {
            Feature::AsmCalls => self.add_asm_calls(),
            Feature::AsmSpellings => self.add_asm_call_spelled(),
            Feature::AsmData => self.add_asm_data(),
            Feature::AsmAddresses => self.add_asm_address(),
            Feature::AsmDifferences => self.add_asm_difference(),
            Feature::AsmLabels => self.add_asm_label(),
            Feature::AsmTables => self.add_asm_table(),
            Feature::ModuleAsm => self.add_module_asm(),
            Feature::LastLink => self.add_last_link(),
            Feature::WeakReferences => self.add_weak_reference(),
            Feature::Library => self.add_library(),
            Feature::DefinitionOrder => self.add_definition_order(),
            Feature::Linkage => self.add_linkage(),
            Feature::Comdat => self.add_comdat(),
            Feature::Constructors => self.add_constructor(),
            Feature::Tables => self.add_table(),
        }
    }

    // Names, and what is in files.

    fn name(&mut self, kind: char) -> String {
        let number = self.next_number;
        self.next_number += 1;
        format!("{kind}_{number}")
    }

    fn constant(&mut self) -> u32 {
        u32::try_from(self.random.within(1..=99)).unwrap_or(1)
    }

    fn a_bitcode_file(&mut self) -> usize {
        self.random.pick(&self.bitcode.clone())
    }

    /// A file of any form that every link takes.
    fn an_object_file(&mut self) -> usize {
        if self.random.chance(15) {
            self.a_native_file()
        } else {
            self.a_bitcode_file()
        }
    }

    /// A native file beside that of `main` that every link takes. Few are made: each is one more run of
    /// the compiler.
    fn a_native_file(&mut self) -> usize {
        let files = self.program.files.iter().enumerate();
        let natives = files.filter(|(number, file)| {
            file.place == Place::Object && file.is_native && *number != self.hosts[0].file
        });
        let natives: Vec<usize> = natives.map(|(number, _)| number).collect();
        if natives.is_empty() || self.random.chance(25) {
            self.file("n", true, Place::Object)
        } else {
            self.random.pick(&natives)
        }
    }

    fn put(&mut self, file: usize, item: Item) {
        self.program.files[file].items.push(item);
    }

    /// A new function in `file`.
    fn function(&mut self, file: usize, new: New) -> String {
        let name = self.name('f');
        self.function_named(file, &name, new);
        name
    }

    fn function_named(&mut self, file: usize, name: &str, new: New) {
        let New {
            linkage,
            is_noinline,
        } = new;
        let uses = self.random.pick(&[
            [true, true],
            [true, true],
            [true, false],
            [false, true],
            [false, false],
        ]);
        let function = Function {
            name: name.to_owned(),
            linkage,
            is_noinline,
            section: None,
            uses,
            body: Vec::new(),
        };
        self.put(file, Item::Function(function));
    }

    /// A new global function, inlined or not.
    fn global(&mut self, file: usize) -> String {
        let is_noinline = self.random.chance(60);
        self.function(
            file,
            New {
                linkage: Linkage::Global,
                is_noinline,
            },
        )
    }

    /// What can be done to the function `name` in `file`.
    fn function_mut(&mut self, file: usize, name: &str) -> &mut Function {
        let items = self.program.files[file].items.iter_mut();
        let mut functions = items.filter_map(|item| match item {
            Item::Function(function) => Some(function),
            _ => None,
        });
        let found = functions.find(|function| function.name == name);
        found.expect("a function is asked for where it was put")
    }

    fn add_statement(&mut self, host: &Host, statement: Statement) {
        self.function_mut(host.file, &host.name)
            .body
            .push(statement);
    }

    // Who runs.

    /// A function that runs already.
    fn host(&mut self) -> Host {
        self.random.pick(&self.hosts.clone())
    }

    /// A function of a bitcode file that already runs; it is made if necessary.
    fn bitcode_host(&mut self) -> Host {
        let hosts: Vec<Host> = self
            .hosts
            .iter()
            .filter(|host| self.bitcode.contains(&host.file))
            .cloned()
            .collect();
        if hosts.is_empty() || self.random.chance(20) {
            let file = self.a_bitcode_file();
            return self.new_host(file);
        }
        self.random.pick(&hosts)
    }

    /// A function of `file` that runs; it is made if necessary.
    fn host_in(&mut self, file: usize) -> Host {
        let hosts = self.hosts.iter().filter(|host| host.file == file);
        let hosts: Vec<Host> = hosts.cloned().collect();
        if hosts.is_empty() {
            self.new_host(file)
        } else {
            self.random.pick(&hosts)
        }
    }

    /// Where inline assembly stands: in bitcode, seldom in native code.
    fn asm_host(&mut self) -> Host {
        if self.random.chance(10) {
            self.host()
        } else {
            self.bitcode_host()
        }
    }

    /// A new global function of `file` that runs.
    fn new_host(&mut self, file: usize) -> Host {
        let caller = self.host();
        let name = self.global(file);
        self.call(&caller, &name, How::C);
        self.run(name, file)
    }

    /// Notes that a function runs.
    fn run(&mut self, name: String, file: usize) -> Host {
        let host = Host { name, file };
        self.hosts.push(host.clone());
        host
    }

    /// A call with the constant that all C callers of a function have, most times.
    fn call(&mut self, caller: &Host, callee: &str, how: How) {
        let number = callee
            .bytes()
            .fold(3, |sum, byte| (sum * 7 + u32::from(byte)) % 97);
        let first = if how != How::C {
            Value::Constant(self.constant())
        } else if self.random.chance(80) {
            Value::Constant(number)
        } else {
            Value::Result
        };
        let second = if self.random.chance(50) {
            Value::Result
        } else {
            Value::Constant(self.constant())
        };
        let callee = callee.to_owned();
        let call = Statement::Call {
            callee,
            how,
            first,
            second,
        };
        self.add_statement(caller, call);
    }

    fn spelling(&mut self) -> Spelling {
        if self.has(Feature::AsmSpellings) {
            self.random.pick(&Spelling::ALL)
        } else {
            Spelling::Plain
        }
    }

    /// A function that C may call with one constant, and that something else refers to: `host`, or
    /// what is in its file if the function is static.
    fn tempting(&mut self, host: &Host) -> (String, usize) {
        let is_bitcode = self.bitcode.contains(&host.file);
        let (file, linkage) = if is_bitcode && self.random.chance(20) {
            (host.file, Linkage::StaticUsed)
        } else if self.random.chance(40) && is_bitcode {
            (host.file, Linkage::Global)
        } else {
            let linkage = self
                .random
                .pick(&[Linkage::Global, Linkage::Global, Linkage::Used]);
            (self.an_object_file(), linkage)
        };
        let c_caller = self.random.chance(70).then(|| {
            if linkage == Linkage::StaticUsed || self.random.chance(40) {
                self.host_in(file)
            } else {
                self.host()
            }
        });
        let is_noinline = self.random.chance(70);
        let name = self.function(
            file,
            New {
                linkage,
                is_noinline,
            },
        );
        if let Some(caller) = c_caller {
            self.call(&caller, &name, How::C);
        }
        (name, file)
    }

    // The constructs.

    fn add_ordinary(&mut self) {
        let file = self.an_object_file();
        let is_static = self.random.chance(25);
        let caller = if is_static {
            self.host_in(file)
        } else {
            self.host()
        };
        let linkage = if is_static {
            Linkage::Static
        } else {
            Linkage::Global
        };
        let is_noinline = self.random.chance(50);
        let second_caller = self.random.chance(30).then(|| {
            if is_static {
                self.host_in(file)
            } else {
                self.host()
            }
        });
        let name = self.function(
            file,
            New {
                linkage,
                is_noinline,
            },
        );
        let how = self.random.pick(&[How::C, How::C, How::C, How::Pointer]);
        self.call(&caller, &name, how);
        if let Some(second) = second_caller {
            self.call(&second, &name, How::C);
        }
        self.run(name, file);
    }

    fn add_asm_calls(&mut self) {
        let host = self.asm_host();
        let (name, file) = self.tempting(&host);
        let spelling = self.spelling();
        self.call(&host, &name, How::Asm(spelling));
        let mut caller = self.run(name, file);
        if !self.random.chance(30) {
            return;
        }
        // A chain: each function is known to the assembly of the one before it only.
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

    fn add_asm_call_spelled(&mut self) {
        let host = self.asm_host();
        let (name, file) = self.tempting(&host);
        let spelling = self.random.pick(&Spelling::ALL);
        self.call(&host, &name, How::Asm(spelling));
        self.run(name, file);
    }

    fn add_asm_data(&mut self) {
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
            // What C never writes.
            0..=2 => {
                self.add_statement(&host, write(true));
                self.add_statement(&c_host, read(place, false));
            }
            // What C never reads.
            3 => {
                self.add_statement(&c_host, write(false));
                self.add_statement(&host, read(Some(of_asm), true));
            }
            // What C does not know.
            _ => self.add_statement(&host, read(Some(of_asm), true)),
        }
    }

    fn add_asm_address(&mut self) {
        let host = self.asm_host();
        let (name, file) = self.tempting(&host);
        self.call(&host, &name, How::AsmAddress);
        self.run(name, file);
    }

    /// A section that two functions share, so that their difference is a number for the assembler.
    fn add_asm_difference(&mut self) {
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

    fn add_asm_label(&mut self) {
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

    fn add_asm_table(&mut self) {
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
        // LLVM does not import functions with inline assembly if their file has static symbols marked as used. It
        // overlooks assembly with jump labels (`ModuleSummaryAnalysis.cpp`), so the import would not link.
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

    fn add_module_asm(&mut self) {
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

    /// A second name that assembly gives to a function of `file`.
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

    /// The name of a function that is missing, or in a member of the library that nothing needs.
    fn optional_function(&mut self) -> String {
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

    /// Something in a member of the library that is seen if it is linked.
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

    fn add_weak_reference(&mut self) {
        let host = if self.random.chance(80) {
            self.bitcode_host()
        } else {
            self.host()
        };
        let callee = self.optional_function();
        let value = self.constant();
        self.add_statement(&host, Statement::WeakCall { callee, value });
    }

    fn add_last_link(&mut self) {
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

    fn add_library(&mut self) {
        match self.random.below(4) {
            // A member that is needed, and that may need objects and other members.
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
            // A member that is not needed, with what is marked as used.
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
            // A member that is not needed has a function that assembly calls in an object.
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

    /// A member that is not needed refers to another.
    fn add_needless_members(&mut self) {
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

    /// Two definitions of a function; at most one of them is not weak.
    fn add_definition_order(&mut self) {
        let caller = self.host();
        let bitcode = self.a_bitcode_file();
        let native = if self.random.chance(80) {
            // In front of the bitcode or behind it.
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
            // The two must differ in what they give.
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

    fn add_linkage(&mut self) {
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
                    // What a weak alias stands for may be somewhere else.
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

    fn add_comdat(&mut self) {
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

    fn add_constructor(&mut self) {
        let file = self.an_object_file();
        self.burden(file);
    }

    fn add_table(&mut self) {
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
