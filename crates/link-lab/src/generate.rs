// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The generator: makes a program from a seed.
//!
//! A program starts as `main` and a few files. Each construct is then added with everything that makes it
//! valid. Only earlier functions call a function, so every program ends. A function that assembly calls is
//! also called by C with other arguments, which tempts a compiler that does not see the assembly. The
//! meaning of a program must not depend on the link: no address is printed, table entries that the compiler
//! may copy or drop do not count, and the order of entries counts only if all are native.

mod assembly;
mod linking;

use crate::feature::Feature;
use crate::program::{
    Function, How, Item, Linkage, MAIN, Place, Program, SourceFile, Spelling, Statement, Value,
};
use crate::random::Random;

/// The version of the generator, which changes when the same seeds give other programs.
pub const GENERATOR_VERSION: u32 = 2;

/// The number of seeds in a batch. The first seed of a batch is a multiple of it. The programs of a
/// batch have the same flags, so that they can be linked together.
pub(crate) const BATCH: u64 = 16;

/// A number larger than any program's number of names.
const NAMES_OF_A_PROGRAM: u32 = 10_000;

impl Program {
    /// Returns the program of a seed, with some of `features`. The same seed and features always give the same
    /// program.
    pub fn generate(seed: u64, features: &[Feature]) -> Self {
        Self::numbered(seed, features, 1)
    }

    /// Returns the same program with names that are unique in its batch.
    pub(crate) fn generate_in_batch(seed: u64, features: &[Feature]) -> Self {
        let position = u32::try_from(seed % BATCH).unwrap_or(0);
        Self::numbered(seed, features, 1 + position * NAMES_OF_A_PROGRAM)
    }

    /// Returns the program with names numbered from `first_number`.
    fn numbered(seed: u64, features: &[Feature], first_number: u32) -> Self {
        let mut builder = Builder::new(seed, features, first_number);
        builder.fill();
        builder.program
    }
}

/// A function that runs and can receive statements.
#[derive(Clone, Debug)]
struct Host {
    name: String,
    file: usize,
}

/// The properties of a new function.
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
    /// Numbers of bitcode files in every link.
    bitcode: Vec<usize>,
    /// Functions that run, callers before callees.
    hosts: Vec<Host>,
    next_number: u32,
}

impl Builder {
    fn new(seed: u64, features: &[Feature], first_number: u32) -> Self {
        // A program must not use the random numbers of its batch.
        let mut of_batch = Random::new(!(seed / BATCH));
        let mut random = Random::new(seed);
        let mut chosen: Vec<Feature> = Vec::new();
        if !features.is_empty() {
            chosen.push(random.pick(features));
            // Only a few features per program, because many features hide each other.
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

    /// Adds `main` and the bitcode files, in a random order.
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

    /// Adds a file after the others, and returns its number.
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

    // Names, and the contents of files.

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

    /// Returns a file of any form that is in every link.
    fn an_object_file(&mut self) -> usize {
        if self.random.chance(15) {
            self.a_native_file()
        } else {
            self.a_bitcode_file()
        }
    }

    /// Returns a native file that is in every link, other than that of `main`. Few are made,
    /// because each needs another run of the compiler.
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

    /// Adds a function to `file`.
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

    /// Adds a global function, inlined or not.
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

    /// Returns the function `name` in `file` for changes.
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

    // Functions that run.

    /// Returns a function that already runs.
    fn host(&mut self) -> Host {
        self.random.pick(&self.hosts.clone())
    }

    /// Returns a function of a bitcode file that already runs, and makes one if necessary.
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

    /// Returns a function of `file` that runs, and makes one if necessary.
    fn host_in(&mut self, file: usize) -> Host {
        let hosts = self.hosts.iter().filter(|host| host.file == file);
        let hosts: Vec<Host> = hosts.cloned().collect();
        if hosts.is_empty() {
            self.new_host(file)
        } else {
            self.random.pick(&hosts)
        }
    }

    /// Returns the function for inline assembly: in bitcode, seldom in native code.
    fn asm_host(&mut self) -> Host {
        if self.random.chance(10) {
            self.host()
        } else {
            self.bitcode_host()
        }
    }

    /// Adds a global function to `file` that runs.
    fn new_host(&mut self, file: usize) -> Host {
        let caller = self.host();
        let name = self.global(file);
        self.call(&caller, &name, How::C);
        self.run(name, file)
    }

    /// Records that a function runs.
    fn run(&mut self, name: String, file: usize) -> Host {
        let host = Host { name, file };
        self.hosts.push(host.clone());
        host
    }

    /// Returns a call, usually with the constant that all C callers of a function use.
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

    /// Returns a function that C may call with one constant, and that something else refers to:
    /// `host`, or code in its file if the function is static.
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
}
