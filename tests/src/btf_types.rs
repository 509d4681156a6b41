// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the types of exported functions in the BTF of two kernels, as bpftool and pahole read them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use kernel_lab::{process, setup};
use serde_json::Value;

/// The number of equal types, and the differences.
#[derive(Debug, Default)]
pub struct Compared {
    /// The exported functions with the same type.
    pub n_functions: usize,
    /// The types with names that these lead to, which are the same.
    pub n_types: usize,
    /// The differences.
    pub differences: Vec<String>,
}

/// Compares the functions that vmlinux exports in both object trees, and all types that they lead to.
///
/// # Errors
/// bpftool or pfunct cannot run or cannot read a kernel.
pub fn compare(objtree: &Path, none: &Path) -> anyhow::Result<Compared> {
    let exported = exported(none)?;
    let (found, expected) = (Types::read(objtree)?, Types::read(none)?);
    let mut compared = Compared::default();
    let mut walks = [Walk::default(), Walk::default()];
    for function in &exported {
        let [found, expected] = [(&found, 0), (&expected, 1)].map(|(of, side)| {
            let id = of.function(function)?;
            Some(of.describe(id, walks.get_mut(side)?))
        });
        match expected {
            // pahole leaves out functions without debug information, such as those in assembly.
            None => {}
            expected if found == expected => compared.n_functions += 1,
            expected => compared.differences.push(format!(
                "bpftool: {function}: expected {expected:?}, found {found:?}"
            )),
        }
    }
    let [found, expected] = walks.map(|walk| walk.definitions);
    for (name, expected) in expected {
        if found.get(&name) == Some(&expected) {
            compared.n_types += 1;
        } else {
            compared.differences.push(format!(
                "bpftool: {name}: expected {expected:?}, found {:?}",
                found.get(&name)
            ));
        }
    }
    let (found, expected) = (prototypes(objtree)?, prototypes(none)?);
    for function in &exported {
        let (found, expected) = (found.get(function), expected.get(function));
        if expected.is_some() && found != expected {
            compared.differences.push(format!(
                "pfunct: {function}: expected {expected:?}, found {found:?}"
            ));
        }
    }
    Ok(compared)
}

/// Returns the symbols that vmlinux exports.
fn exported(objtree: &Path) -> anyhow::Result<BTreeSet<String>> {
    let path = objtree.join("Module.symvers");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let fields = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let of_vmlinux = fields.filter(|fields| fields.get(2) == Some(&"vmlinux"));
    Ok(of_vmlinux
        .filter_map(|fields| fields.get(1).map(|name| (*name).to_owned()))
        .collect())
}

/// Returns the prototype of each function, as pahole's pfunct prints it from BTF.
fn prototypes(objtree: &Path) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut pfunct = Command::new("pfunct");
    pfunct
        .args(["-F", "btf", "-P"])
        .arg(objtree.join("vmlinux"));
    let text = process::output(&mut pfunct).context("pfunct, of Debian's package dwarves")?;
    let mut prototypes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let name = line.split('(').next().unwrap_or_default();
        let name = name.rsplit([' ', '*']).next().unwrap_or_default();
        let of_name = prototypes.entry(name.to_owned()).or_default();
        of_name.insert(line.to_owned());
    }
    anyhow::ensure!(
        !prototypes.is_empty(),
        "{}: pfunct finds no function",
        objtree.display()
    );
    Ok(prototypes)
}

/// The types that were described.
#[derive(Default)]
struct Walk {
    seen: HashSet<u64>,
    /// The definitions of the structures and other types with names. Several may have one name.
    definitions: BTreeMap<String, BTreeSet<String>>,
}

/// The types of a kernel by their numbers, as bpftool prints them.
struct Types {
    by_id: BTreeMap<u64, Value>,
    functions: BTreeMap<String, u64>,
}

fn number(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    let found = of.get(key).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

impl Types {
    fn read(objtree: &Path) -> anyhow::Result<Self> {
        let mut bpftool = Command::new(setup::BPFTOOL);
        bpftool
            .args(["-j", "btf", "dump", "file"])
            .arg(objtree.join("vmlinux"));
        let text = process::output(&mut bpftool).context("bpftool, of Debian's package bpftool")?;
        let dump: Value = serde_json::from_str(&text).context("the output of bpftool")?;
        let mut types = Self {
            by_id: BTreeMap::new(),
            functions: BTreeMap::new(),
        };
        for found in list(&dump, "types") {
            let id = number(found, "id");
            if self::text(found, "kind") == "FUNC" {
                let name = self::text(found, "name").to_owned();
                types.functions.insert(name, number(found, "type_id"));
            }
            types.by_id.insert(id, found.clone());
        }
        anyhow::ensure!(
            !types.functions.is_empty(),
            "{}: bpftool finds no function",
            objtree.display()
        );
        Ok(types)
    }

    fn function(&self, name: &str) -> Option<u64> {
        self.functions.get(name).copied()
    }

    /// Returns a type as text. The definitions of the structures that it leads to are added to `walk`.
    fn describe(&self, id: u64, walk: &mut Walk) -> String {
        let mut open = Vec::new();
        let described = self.short(id, &mut open);
        while let Some(id) = open.pop() {
            if !walk.seen.insert(id) {
                continue;
            }
            let Some(of) = self.by_id.get(&id) else {
                continue;
            };
            let name = format!("{} {}", text(of, "kind"), text(of, "name"));
            let definition = self.definition(of, &mut open);
            walk.definitions.entry(name).or_default().insert(definition);
        }
        described
    }

    /// Returns a type as text, with the names of structures only, which are added to `open`.
    fn short(&self, id: u64, open: &mut Vec<u64>) -> String {
        let Some(of) = self.by_id.get(&id) else {
            return "void".to_owned();
        };
        let (kind, name) = (text(of, "kind"), text(of, "name"));
        let to = number(of, "type_id");
        let is_named = !name.is_empty() && name != "(anon)";
        match kind {
            "STRUCT" | "UNION" | "ENUM" | "TYPEDEF" if is_named => {
                open.push(id);
                format!("{kind} {name}")
            }
            "STRUCT" | "UNION" | "ENUM" => self.definition(of, open),
            "FWD" => format!("{} {name}", text(of, "fwd_kind").to_uppercase()),
            "INT" | "FLOAT" => format!("{name}:{}", number(of, "size")),
            "ARRAY" => format!("{}[{}]", self.short(to, open), number(of, "nr_elems")),
            "FUNC_PROTO" => {
                let returned = self.short(number(of, "ret_type_id"), open);
                let parameters = list(of, "params").iter();
                let parameters: Vec<_> = parameters
                    .map(|parameter| self.short(number(parameter, "type_id"), open))
                    .collect();
                format!("{returned} ({})", parameters.join(", "))
            }
            _ => format!("{kind} {}", self.short(to, open)),
        }
    }

    /// Returns a structure, enumeration or name of a type with all that it consists of.
    fn definition(&self, of: &Value, open: &mut Vec<u64>) -> String {
        let members = list(of, "members").iter();
        let mut parts: Vec<_> = members
            .map(|member| {
                format!(
                    "{} {}@{}:{}",
                    self.short(number(member, "type_id"), open),
                    text(member, "name"),
                    number(member, "bits_offset"),
                    number(member, "bitfield_size")
                )
            })
            .collect();
        let values = list(of, "values").iter();
        parts.extend(values.map(|value| format!("{} {}", text(value, "name"), value["val"])));
        if of.get("type_id").is_some() {
            parts.push(self.short(number(of, "type_id"), open));
        }
        format!(
            "{} {} {{{}}}",
            text(of, "kind"),
            number(of, "size"),
            parts.join("; ")
        )
    }
}
