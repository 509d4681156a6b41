// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes a generated function as C.

use std::fmt::Write as _;

use crate::program::{Function, How, Linkage, MAIN, Spelling, Statement, Value};

/// Returns the linkage in C, followed by a space.
pub(super) fn linkage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Global => "",
        Linkage::Weak => "__attribute__((weak)) ",
        Linkage::Static => "static ",
        Linkage::StaticUsed => "static __attribute__((used)) ",
        Linkage::Used => "__attribute__((used)) ",
    }
}

pub(super) fn function_text(function: &Function, text: &mut String) {
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

/// Returns whether the variable `x` receives a statement's value.
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

/// Returns the C expression for one of a variable's numbers.
fn element(variable: &str, place: u8) -> String {
    match place {
        0 => variable.to_owned(),
        place => format!("{variable}+{}", 4 * u32::from(place)),
    }
}

/// Returns the initial numbers of a variable.
pub(super) fn four(value: u32) -> String {
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

/// Returns the instructions of a call, and their operand. Names have the form `f_12`.
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
