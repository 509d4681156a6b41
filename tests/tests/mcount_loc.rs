// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares mcount-loc with the kernel's own recordmcount: over objects that clang makes here, and
//! over all objects of a built kernel.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_tests::object_differential::object_files;
use mcount_loc::{Fault, check, plan, rewrite};
use object_model::{Elf, elf};
use test_support::TestDir;

/// The variable with the source tree of a Linux 5.10.
const TREE_VARIABLE: &str = "KBUILD_LTO_TREE_5_10";
/// The variable with the object tree (`O=`) of the built kernel.
const OBJTREE_VARIABLE: &str = "KBUILD_LTO_OBJTREE";
/// The number of objects in one run of recordmcount.
const OBJECTS_PER_RUN: usize = 200;

fn directory(variable: &str, what: &str) -> PathBuf {
    let directory = env::var_os(variable);
    directory
        .unwrap_or_else(|| panic!("this test needs {what}: set {variable}"))
        .into()
}

/// Builds recordmcount with the kernel's own flags.
fn recordmcount(dir: &TestDir) -> PathBuf {
    let tree = directory(TREE_VARIABLE, "the sources of Linux 5.10");
    let source = tree.join("scripts/recordmcount.c");
    let program = dir.join("recordmcount");
    let mut command = Command::new("cc");
    test_support::stdout(command.args(["-O2", "-o"]).arg(&program).arg(source));
    program
}

/// The results that must be equal for both tools: the targets of the table, and the code.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Section, by name and index, and offset.
    records: Vec<(String, usize, u64)>,
    /// Bytes and relocations of each section of code.
    code: BTreeMap<usize, (Vec<u8>, Vec<String>)>,
}

fn outcome(bytes: &[u8]) -> Outcome {
    let elf = Elf::parse(bytes).unwrap();
    let mut records = Vec::new();
    let mut code = BTreeMap::new();
    for section in elf.sections() {
        if section.is_executable() {
            let relocations = elf.relocations(section.index).unwrap();
            let relocations = relocations.iter().map(|one| format!("{one:?}")).collect();
            code.insert(section.index.0, (section.data.to_vec(), relocations));
        }
        if section.name == "__mcount_loc" {
            for relocation in elf.relocations(section.index).unwrap() {
                let symbol = elf.symbol(relocation.symbol.unwrap()).unwrap();
                let offset = symbol.value.wrapping_add_signed(relocation.addend.unwrap());
                let target = elf.section(symbol.section.unwrap()).unwrap();
                records.push((target.name.to_owned(), target.index.0, offset));
            }
        }
    }
    records.sort();
    Outcome { records, code }
}

/// Returns the object after mcount-loc.
fn ours(bytes: &[u8]) -> Outcome {
    match plan(&Elf::parse(bytes).unwrap()).unwrap() {
        Some(records) => outcome(&rewrite(bytes, &records).unwrap()),
        None => outcome(bytes),
    }
}

/// Runs both tools over these objects, which recordmcount changes. Returns the differences, and the
/// total number of records.
fn compare(recordmcount: &Path, objects: &[PathBuf]) -> (Vec<String>, usize) {
    let mut differences = Vec::new();
    let mut n_records = 0;
    for objects in objects.chunks(OBJECTS_PER_RUN) {
        let read = |path: &PathBuf| fs::read(path).unwrap();
        let ours: Vec<_> = objects.iter().map(|path| ours(&read(path))).collect();
        test_support::stdout(Command::new(recordmcount).args(objects));
        for (object, ours) in objects.iter().zip(ours) {
            let theirs = outcome(&read(object));
            n_records += theirs.records.len();
            if ours != theirs {
                differences.push(format!(
                    "{}: {} records, recordmcount has {}",
                    object.display(),
                    ours.records.len(),
                    theirs.records.len()
                ));
            }
        }
    }
    (differences, n_records)
}

/// Returns C text of a few hundred functions, in sections that count and sections that do not.
fn source(seed: usize) -> String {
    let sections = [
        "",
        "",
        "",
        ".init.text",
        ".ref.text",
        ".sched.text",
        ".spinlock.text",
        ".irqentry.text",
        ".softirqentry.text",
        ".kprobes.text",
        ".cpuidle.text",
        ".text.unlikely",
        ".text..special",
        ".exit.text",
        ".meminit.text",
        ".noinstr.text",
        ".init.text.more",
    ];
    let mut source = "int outside(int);\n".to_owned();
    for number in 0..200 {
        let section = sections[(number * 7 + seed) % sections.len()];
        let attribute = match section {
            "" if number % 5 == 0 => "static __attribute__((noinline, used))".to_owned(),
            "" if number % 7 == 0 => "__attribute__((no_instrument_function))".to_owned(),
            "" => String::new(),
            section => format!("__attribute__((section(\"{section}\")))"),
        };
        writeln!(
            source,
            "{attribute} int f{number}(int x) {{ return outside(x * {seed}) + {number}; }}"
        )
        .unwrap();
    }
    source
}

#[test]
fn objects_made_here_get_the_records_of_recordmcount() {
    let dir = TestDir::new();
    let recordmcount = recordmcount(&dir);
    let targets: [&[&str]; 4] = [
        &["--target=x86_64-linux-gnu", "-mfentry", "-mcmodel=kernel"],
        &["--target=x86_64-linux-gnu", "-mcmodel=kernel"],
        &["--target=aarch64-linux-gnu"],
        &["--target=aarch64_be-linux-gnu"],
    ];
    let sorts: [&[&str]; 3] = [&["-O2"], &["-O2", "-ffunction-sections"], &["-O0", "-g"]];
    // Within one run, recordmcount keeps what it learned from the machine of an earlier object.
    for target in targets {
        let mut objects = Vec::new();
        for sort in sorts {
            let flags = [target, sort, &["-pg", "-fno-pic"]].concat();
            let seed = objects.len();
            objects.push(dir.c(&format!("{seed}.o"), &source(seed), &flags));
        }
        let (differences, n_records) = compare(&recordmcount, &objects);
        assert_eq!(differences, [""; 0], "{target:?}");
        assert!(n_records > 100 * objects.len(), "only {n_records} records");
    }
}

/// Returns the relocatable objects and modules of the built kernel that mcount-loc handles, with
/// their bytes.
fn kernel_objects() -> Vec<(PathBuf, Vec<u8>)> {
    let objtree = directory(OBJTREE_VARIABLE, "a built kernel");
    let mut objects = Vec::new();
    for file in object_files(&objtree) {
        let bytes = fs::read(&file).unwrap();
        let is_ours = Elf::parse(&bytes).is_ok_and(|object| {
            let machines = [elf::EM_X86_64, elf::EM_AARCH64];
            object.is_relocatable() && object.is_64() && machines.contains(&object.machine())
        });
        if is_ours {
            objects.push((file, bytes));
        }
    }
    let has_vmlinux = objects.iter().any(|(file, _)| file.ends_with("vmlinux.o"));
    assert!(has_vmlinux, "{} has no vmlinux.o", objtree.display());
    objects
}

/// Returns whether the option is set in the configuration of the built kernel.
fn is_set(option: &str) -> bool {
    let objtree = directory(OBJTREE_VARIABLE, "a built kernel");
    let config = fs::read_to_string(objtree.join(".config")).expect("a configuration");
    config.lines().any(|line| line == format!("{option}=y"))
}

/// Returns whether the built kernel has entry calls. Some compilers reserve space at the entry of
/// functions instead.
fn has_calls() -> bool {
    let is_patchable = is_set("CONFIG_ARM64") && is_set("CONFIG_DYNAMIC_FTRACE_WITH_REGS");
    is_set("CONFIG_FTRACE_MCOUNT_RECORD") && !is_patchable
}

/// Tables of the kernel's build are removed before. recordmcount skips objects with the names of ftrace's
/// own, whose references to the entry function are not calls but would be recorded. So these keep their
/// names here, all others get another name, and `vmlinux.o` is left out.
#[test]
fn objects_of_a_kernel_get_the_records_of_recordmcount() {
    let dir = TestDir::new();
    let recordmcount = recordmcount(&dir);
    let mut objects = Vec::new();
    for (file, bytes) in kernel_objects() {
        let name = file.file_name().unwrap().to_str().unwrap();
        if file.extension().is_none_or(|extension| extension != "o") || name == "vmlinux.o" {
            continue;
        }
        let is_ftrace = ["kernel/trace/ftrace.o", "kernel/ftrace.o"].map(|end| file.ends_with(end));
        let copy = if is_ftrace.contains(&true) {
            format!("{}/{name}", objects.len())
        } else {
            format!("{}/copy-of-{name}", objects.len())
        };
        objects.push(dir.write(&copy, &bytes));
        if Elf::parse(&bytes)
            .unwrap()
            .section_by_name("__mcount_loc")
            .is_some()
        {
            let sections = ["__mcount_loc", ".rela__mcount_loc"];
            let remove = sections.map(|name| format!("--remove-section={name}"));
            dir.run("llvm-objcopy", &[&remove[..], &[copy]].concat());
        }
    }
    let (differences, n_records) = compare(&recordmcount, &objects);
    assert_eq!(differences, [""; 0]);
    assert_eq!(n_records > 0, has_calls(), "{n_records} records");
}

/// The tables that the kernel's build left, also those of its compiler: of the objects that have one, and
/// of all files that run. recordmcount leaves out the calls of objects with the names of ftrace's own.
#[test]
fn tables_of_a_kernel_have_every_entry_call_and_no_more() {
    let mut differences = Vec::new();
    let (mut n_records, mut n_missing, mut n_left_out) = (0, 0, 0);
    for (file, bytes) in kernel_objects() {
        let elf = Elf::parse(&bytes).unwrap();
        let runs = file.ends_with("vmlinux.o") || file.extension().is_some_and(|e| e == "ko");
        if runs || elf.section_by_name("__mcount_loc").is_some() {
            let (report, mut faults) = check(&elf).unwrap();
            n_records += report.n_records;
            let n_faults = faults.len();
            faults.retain(|fault| !matches!(fault, Fault::Missing { .. }));
            n_missing += n_faults - faults.len();
            differences.extend(faults.iter().map(|f| format!("{}: {f}", file.display())));
        } else if file.ends_with("ftrace.o")
            && let Some(records) = plan(&elf).unwrap()
        {
            n_left_out += records.records().len();
        }
    }
    assert_eq!(differences, [""; 0]);
    assert_eq!(n_missing, n_left_out);
    let expects_records = is_set("CONFIG_FTRACE_MCOUNT_RECORD");
    assert_eq!(n_records > 0, expects_records, "{n_records} records");
}
