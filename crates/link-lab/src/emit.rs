// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes a generated program as a case: C sources and a description.

mod function;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::case::{Archive, Case, Form, Input, Spec};
use crate::program::{Item, Kind, MAIN, Place, Program, SourceFile, Statement};
use function::{four, function_text, linkage};

impl Program {
    /// Returns the program as a case.
    pub fn case(&self) -> Case {
        let Self { seed, n_seeds, .. } = self;
        let (about, name) = if *n_seeds == 1 {
            (
                format!("Program {seed} of the generator."),
                format!("program-{seed}"),
            )
        } else {
            let last = seed + n_seeds - 1;
            (
                format!("Programs {seed} to {last} of the generator, as one."),
                format!("programs-{seed}-{last}"),
            )
        };
        let mut spec = Spec::new(&about, Vec::new());
        spec.flags.clone_from(&self.flags);
        if self.has_regular_archive {
            spec.archive = Archive::Regular;
        }
        let mut sources = BTreeMap::new();
        for file in &self.files {
            let name = format!("{}.c", file.name);
            let input = if file.is_native {
                Input::native(&name)
            } else {
                Input::new(&name)
            };
            match file.place {
                Place::Object => spec.objects.push(input),
                Place::Library => spec.library.push(input),
                Place::LastLink => spec.last_link.push(name.clone()),
            }
            sources.insert(name, source(self, file));
        }
        if spec.archive == Archive::Regular && spec.library.iter().any(|input| !is_native(input)) {
            // Code cannot be generated of members of regular archives one by one: they are not files.
            spec.ways.retain(|way| !way.is_distributed());
        }
        Case {
            name,
            spec,
            sources,
        }
    }
}

fn is_native(input: &Input) -> bool {
    input.form == Form::Native
}

fn source(program: &Program, file: &SourceFile) -> String {
    let mut text = "#include \"lab.h\"\n".to_owned();
    if program.hides_declarations {
        text.push_str("\n#pragma GCC visibility push(hidden)\n");
    }
    declarations(file, &mut text);
    // C needs variables and aliases before their use.
    let mut items: Vec<&Item> = file.items.iter().collect();
    items.sort_by_key(|item| match item {
        Item::Variable { .. } => 0,
        Item::Alias { .. } => 1,
        Item::Version { .. } => 2,
        _ => 3,
    });
    for item in items {
        item_text(item, &mut text);
    }
    text
}

/// Declares all functions of the file, and those that it needs from other files.
fn declarations(file: &SourceFile, text: &mut String) {
    let in_c: BTreeSet<&str> = file
        .items
        .iter()
        .filter(|item| item.is_c_definition())
        .filter_map(Item::name)
        .collect();
    // A name that is only a weak reference somewhere is weak in the whole file.
    let mut foreign: BTreeMap<(&str, Kind), bool> = BTreeMap::new();
    for reference in file.items.iter().flat_map(Item::references) {
        if reference.is_in_c && !in_c.contains(reference.name) {
            let is_weak = foreign.entry((reference.name, reference.kind)).or_default();
            *is_weak |= reference.is_weak;
        }
    }
    let tables: BTreeSet<&str> = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Function(function) => Some(&function.body),
            _ => None,
        })
        .flatten()
        .filter_map(|statement| match statement {
            Statement::WalkTable { table, .. } => Some(table.as_str()),
            _ => None,
        })
        .collect();
    text.push('\n');
    for ((name, kind), is_weak) in foreign {
        let weak = if is_weak {
            " __attribute__((weak))"
        } else {
            ""
        };
        let _ = match kind {
            Kind::Function => writeln!(text, "extern function_t {name}{weak};"),
            Kind::Variable => writeln!(text, "extern unsigned int {name}[4]{weak};"),
            Kind::Version => writeln!(text, "extern const struct version {name}{weak};"),
        };
    }
    for table in tables {
        let _ = writeln!(
            text,
            "extern function_t *__start_{table}[], *__stop_{table}[];"
        );
    }
    let calls_handlers = file.items.iter().any(|item| match item {
        Item::Function(function) => function
            .body
            .iter()
            .any(|statement| matches!(statement, Statement::CallHandler { .. })),
        _ => false,
    });
    if calls_handlers {
        text.push_str("extern const struct handler __start_handlers[], __stop_handlers[];\n");
    }
    for item in &file.items {
        let (name, linkage) = match item {
            Item::Function(function) => (&function.name, linkage(function.linkage)),
            Item::AsmFunction {
                name,
                is_naked: true,
                ..
            } => (name, ""),
            _ => continue,
        };
        if name != MAIN {
            let _ = writeln!(text, "{linkage}function_t {name};");
        }
    }
}

fn item_text(item: &Item, text: &mut String) {
    text.push('\n');
    let _ = match item {
        Item::Function(function) => {
            function_text(function, text);
            Ok(())
        }
        Item::Variable {
            name,
            value,
            linkage: of_variable,
            is_constant,
        } => {
            let constant = if *is_constant { "const " } else { "" };
            let linkage = linkage(*of_variable);
            let values = four(*value);
            writeln!(
                text,
                "{linkage}{constant}unsigned int {name}[4] = {{ {values} }};"
            )
        }
        Item::Alias {
            name,
            target,
            is_weak,
        } => {
            let weak = if *is_weak { "weak, " } else { "" };
            writeln!(
                text,
                "function_t {name} __attribute__(({weak}alias(\"{target}\")));"
            )
        }
        Item::TableEntry { table, function } => writeln!(
            text,
            "static function_t *entry_of_{function} __attribute__((used, section(\"{table}\"))) = {function};"
        ),
        Item::Constructor { variable, value } => writeln!(
            text,
            "__attribute__((constructor)) static void add_to_{variable}(void)\n{{\n\t{variable}[1] += {value};\n}}"
        ),
        Item::Version {
            name,
            text: words,
            data,
            function,
            is_weak,
            is_constant,
        } => {
            let constant = if *is_constant { "const " } else { "" };
            if *is_weak {
                let _ = writeln!(
                    text,
                    "{constant}struct version {name} __attribute__((weak));"
                );
            }
            let address = |name: &'_ Option<String>| name.clone().unwrap_or("0".to_owned());
            writeln!(
                text,
                "{constant}struct version {name} = {{ \"{words}\", {}, {} }};",
                address(data),
                address(function)
            )
        }
        _ => assembly_text(item, text),
    };
}

/// Writes an item that is assembly; writes nothing for other items.
fn assembly_text(item: &Item, text: &mut String) -> std::fmt::Result {
    match item {
        Item::AsmAlias {
            name,
            target,
            is_weak,
        } => {
            let binding = if *is_weak { "weak" } else { "globl" };
            asm(
                text,
                &[
                    &format!(".{binding} {name}"),
                    &format!(".set {name}, {target}"),
                ],
            )
        }
        Item::AsmFunction {
            name,
            target,
            value,
            is_naked: false,
        } => writeln!(
            text,
            "asm(\".text\\n\"\n    \".globl {name}\\n\"\n    \".type {name}, %function\\n\"\n    \
             \"{name}:\\n\"\n    JUMP_WITH({value}, \"{target}\"));"
        ),
        Item::AsmFunction {
            name,
            target,
            value,
            is_naked: true,
        } => writeln!(
            text,
            "__attribute__((naked, noinline)) unsigned int {name}(unsigned int a, unsigned int b)\n{{\n\t\
             asm volatile(JUMP_WITH({value}, \"{target}\"));\n}}"
        ),
        Item::AsmVariable { name, value } => asm(
            text,
            &[
                ".pushsection .data",
                ".balign 4",
                &format!(".globl {name}"),
                &format!("{name}:"),
                &format!(".long {}", four(*value)),
                ".popsection",
            ],
        ),
        Item::WeakAddress { name } => asm(
            text,
            &[
                ".pushsection .data",
                ".balign 8",
                &format!(".weak {name}"),
                &format!(".quad {name}"),
                ".popsection",
            ],
        ),
        Item::AsmTableEntry { key, function } => asm(
            text,
            &[
                ".pushsection handlers, \\\"aw\\\"",
                ".balign 8",
                &format!(".quad {key}, {function}"),
                ".popsection",
            ],
        ),
        Item::Comdat { name, value } => writeln!(
            text,
            "asm(\".section .text.{name}, \\\"axG\\\", %progbits, {name}, comdat\\n\"\n    \
             \".globl {name}\\n\"\n    \".hidden {name}\\n\"\n    \"{name}:\\n\"\n    \
             RETURN_VALUE({value})\n    \".text\\n\");"
        ),
        _ => Ok(()),
    }
}

/// Writes assembly beside functions.
fn asm(text: &mut String, lines: &[&str]) -> std::fmt::Result {
    let lines: Vec<String> = lines.iter().map(|line| format!("\"{line}\\n\"")).collect();
    writeln!(text, "asm({});", lines.join("\n    "))
}
