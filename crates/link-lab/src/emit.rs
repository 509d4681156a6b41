// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A generated program as C sources and a description: a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::case::{Archive, Case, Form, Input, Spec};
use crate::program::{
    Function, How, Item, Kind, Linkage, MAIN, Place, Program, SourceFile, Spelling, Statement,
    Value,
};

impl Program {
    /// The program as a case.
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
            // Members of regular archives are no files that code could be generated of one by one.
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
    // C wants variables and second names before they are used.
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

/// Declares all functions of the file, and what it needs of others.
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

/// Linkage in C, with a space behind it.
fn linkage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Global => "",
        Linkage::Weak => "__attribute__((weak)) ",
        Linkage::Static => "static ",
        Linkage::StaticUsed => "static __attribute__((used)) ",
        Linkage::Used => "__attribute__((used)) ",
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

/// An item that is assembly; nothing for others.
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

/// Assembly beside functions.
fn asm(text: &mut String, lines: &[&str]) -> std::fmt::Result {
    let lines: Vec<String> = lines.iter().map(|line| format!("\"{line}\\n\"")).collect();
    writeln!(text, "asm({});", lines.join("\n    "))
}

fn function_text(function: &Function, text: &mut String) {
    let Function {
        name,
        linkage: of_function,
        is_noinline,
        section,
        uses,
        body,
    } = function;
    if name == MAIN {
        text.push_str("int main(void)\n{\n\tunsigned int r = 1;\n");
    } else {
        let mut attributes = Vec::new();
        attributes.extend(is_noinline.then(|| "noinline".to_owned()));
        attributes.extend(section.map(|section| format!("section(\"{section}\")")));
        if !attributes.is_empty() {
            let _ = write!(text, "__attribute__(({})) ", attributes.join(", "));
        }
        let linkage = linkage(*of_function);
        let start = match uses {
            [true, true] => "a * 3 + b",
            [true, false] => "a + 7",
            [false, true] => "b + 7",
            [false, false] => "7",
        };
        let _ = writeln!(
            text,
            "{linkage}unsigned int {name}(unsigned int a, unsigned int b)\n{{\n\tunsigned int r = {start};"
        );
    }
    if body.iter().any(needs_result) {
        text.push_str("\tunsigned int x;\n");
    }
    text.push('\n');
    for statement in body {
        statement_text(statement, text);
        if name == MAIN {
            text.push_str("\tprint_number(r);\n");
        }
    }
    let result = if name == MAIN { "0" } else { "r" };
    let _ = writeln!(text, "\treturn {result};\n}}");
}

/// Whether the variable `x` takes what a statement gives.
fn needs_result(statement: &Statement) -> bool {
    match statement {
        Statement::Call { how, .. } => matches!(how, How::Asm(_)),
        Statement::Read { by_asm, .. } => *by_asm,
        Statement::Difference { .. } => true,
        _ => false,
    }
}

fn statement_text(statement: &Statement, text: &mut String) {
    const ADD: &str = "\tr = r * 31 + x;";
    let _ = match statement {
        Statement::Call {
            callee,
            how,
            first,
            second,
        } => {
            let (first, second) = (value(*first), value(*second));
            match how {
                How::C => writeln!(text, "\tr = r * 31 + {callee}({first}, {second});"),
                How::Pointer => writeln!(
                    text,
                    "\t{{\n\t\tfunction_t *volatile pointer = {callee};\n\n\t\tr = r * 31 + pointer({first}, {second});\n\t}}"
                ),
                How::AsmAddress => writeln!(
                    text,
                    "\t{{\n\t\tfunction_t *pointer;\n\n\t\tADDRESS_OF_SYMBOL(pointer, \"{callee}\");\n\t\t\
                     r = r * 31 + pointer({first}, {second});\n\t}}"
                ),
                How::Asm(spelling) => {
                    let (instructions, hole) = spelled(*spelling, callee);
                    match hole {
                        Some(hole) => writeln!(
                            text,
                            "\tCALL_HOLE(x, {instructions}, {hole}, {first}, {second});\n{ADD}"
                        ),
                        None => writeln!(
                            text,
                            "\tCALL_TEXT(x, {instructions}, {first}, {second});\n{ADD}"
                        ),
                    }
                }
            }
        }
        Statement::WeakCall { callee, value } => writeln!(
            text,
            "\tr = r * 31 + ({callee} ? {callee}({value}, r) : {value});"
        ),
        Statement::Read {
            variable,
            place,
            by_asm,
        } => match (by_asm, place) {
            (false, None) => writeln!(text, "\tr = r * 31 + {variable}[r & 3];"),
            (false, Some(place)) => writeln!(text, "\tr = r * 31 + {variable}[{place}];"),
            (true, place) => {
                let symbol = element(variable, place.unwrap_or(0));
                writeln!(text, "\tREAD_SYMBOL(x, \"{symbol}\");\n{ADD}")
            }
        },
        Statement::Write {
            variable,
            place,
            value,
            by_asm: false,
        } => writeln!(text, "\t{variable}[{place}] = {value};"),
        Statement::Write {
            variable,
            place,
            value,
            by_asm: true,
        } => {
            let symbol = element(variable, *place);
            writeln!(text, "\tWRITE_SYMBOL(\"{symbol}\", {value});")
        }
        Statement::Difference { first, second } => {
            writeln!(text, "\tDIFFERENCE(x, \"{first}\", \"{second}\");\n{ADD}")
        }
        Statement::TableEntry {
            key,
            function,
            is_goto: false,
        } => writeln!(text, "\tTABLE_ENTRY({key}, \"{function}\");"),
        Statement::TableEntry {
            key,
            function,
            is_goto: true,
        } => writeln!(
            text,
            "\tTABLE_ENTRY_GOTO({key}, \"{function}\", behind_{key});\nbehind_{key}:"
        ),
        Statement::CallHandler { key, value } => writeln!(
            text,
            "\tr = r * 31 + call_handler(__start_handlers, __stop_handlers, {key}, {value}, r);"
        ),
        Statement::WalkTable { table, in_order } => writeln!(
            text,
            "\tr = r * 31 + table_sum(__start_{table}, __stop_{table}, {});",
            i32::from(*in_order)
        ),
        Statement::Label { name, value } => writeln!(text, "\tLABEL(\"{name}\", {value});"),
        Statement::ReadVersion { name } => writeln!(text, "\tr = r * 31 + version_sum(&{name});"),
    };
}

/// The symbol of one of the numbers of a variable.
fn element(variable: &str, place: u8) -> String {
    match place {
        0 => variable.to_owned(),
        place => format!("{variable}+{}", 4 * u32::from(place)),
    }
}

/// The numbers of a variable.
fn four(value: u32) -> String {
    [0, 1, 2, 3]
        .map(|place| (value + place).to_string())
        .join(", ")
}

fn value(value: Value) -> String {
    match value {
        Value::Constant(number) => number.to_string(),
        Value::Result => "r".to_owned(),
    }
}

/// The instructions of a call, and the operand in them. Names are of the form `f_12`.
fn spelled(spelling: Spelling, name: &str) -> (String, Option<String>) {
    const BRANCH: &str = "BRANCH_AND_LINK";
    let (stem, number) = name.rsplit_once('_').unwrap_or((name, ""));
    let (front, last) = name.split_at(name.len().saturating_sub(1));
    let plain = |text: String| (text, None);
    match spelling {
        Spelling::Plain => plain(format!("{BRANCH} \"{name}\"")),
        Spelling::Quoted => plain(format!("{BRANCH} \"\\\"{name}\\\"\"")),
        Spelling::NumberOperand => (
            format!("{BRANCH} \"{stem}_%c[hole]\""),
            Some(number.to_owned()),
        ),
        Spelling::FunctionOperand => (format!("{BRANCH} \"%c[hole]\""), Some(name.to_owned())),
        Spelling::MacroArgument => plain(format!(
            "\".macro lab_call name\\n\" {BRANCH} \"\\\\name\\\\()_{number}\\n.endm\\nlab_call {stem}\\n.purgem lab_call\""
        )),
        Spelling::MacroDefault => plain(format!(
            "\".macro lab_call name={name}\\n\" {BRANCH} \"\\\\name\\n.endm\\nlab_call\\n.purgem lab_call\""
        )),
        Spelling::Repeated => plain(format!(
            "\".irp number, {number}\\n\" {BRANCH} \"{stem}_\\\\number\\n.endr\""
        )),
        Spelling::RepeatedCharacters => plain(format!(
            "\".irpc digit, {last}\\n\" {BRANCH} \"{front}\\\\digit\\n.endr\""
        )),
        Spelling::Set => plain(format!(
            "\".set lab_alias_%=, {name}\\n\" {BRANCH} \"lab_alias_%=\""
        )),
        Spelling::Assigned => plain(format!(
            "\"lab_alias_%= = {name}\\n\" {BRANCH} \"lab_alias_%=\""
        )),
        Spelling::Conditional => plain(format!(
            "\".if 1\\n\" {BRANCH} \"{name}\\n.else\\n\" {BRANCH} \"no_such_function\\n.endif\""
        )),
        Spelling::Suffixed => plain(format!("{BRANCH} \"{name}\" SUFFIX")),
        Spelling::Sum => plain(format!("{BRANCH} \"{name}+0\"")),
        Spelling::Crowded => plain(format!("\"/* {name}x */;\" {BRANCH} \"{name};/**/\"")),
        Spelling::OtherSection => plain(format!(
            "\".pushsection .text.other, \\\"ax\\\"\\nlab_thunk_%=:\\n\" BRANCH \"{name}\\n.popsection\\n\" \
             {BRANCH} \"lab_thunk_%=\""
        )),
    }
}
