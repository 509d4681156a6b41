// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Debug information that clang and ld.lld make, with and without LTO.

use std::collections::BTreeSet;

use debug_info::{DebugInfo, SymbolFault};
use object_model::Elf;
use proptest::prelude::*;
use test_support::{ARM64, Damage, TestDir, damaged_words, flipped_bits};

/// A function that other files inline, with a static function that they then call.
const LIBRARY: &str = "
extern int base;
static __attribute__((noinline)) int helper(int x)
{
	return x * base;
}
int twice(int x)
{
	return helper(x) + 2;
}
";

const PROGRAM: &str = "
int base;
int twice(int x);
int (*pointer)(int) = twice;
static inline int more(int x)
{
	return twice(x)
		+ 1;
}
int entry(int x)
{
	return more(x)
		+ pointer(x);
}
void _start(void)
{
	base = entry(base); asm volatile(\".subsection 1\\n nop\\n .previous\");
}
";

const FORMATS: [&[&str]; 3] = [&["-gdwarf-4"], &["-gdwarf-5"], &["-gdwarf-5", "-gz=zlib"]];

/// Compiles and links both files.
fn linked(flags: &[&str], [library, program]: [&str; 2]) -> Vec<u8> {
    let dir = TestDir::new();
    let flags = [&[ARM64, "-O2", "-ffreestanding"], flags].concat();
    dir.c("library.o", library, &flags);
    dir.c("program.o", program, &flags);
    dir.run("ld.lld", &["-o", "linked", "program.o", "library.o"]);
    dir.read("linked")
}

fn read(bytes: &[u8]) -> DebugInfo {
    let elf = Elf::parse(bytes).expect("an ELF file");
    // Each build is in another folder; the names of the files are enough here.
    let info = DebugInfo::read(&elf, &prefixes(&elf));
    info.expect("good debug information").expect("some")
}

/// Returns the directory that the file was compiled in.
fn prefixes(elf: &Elf<'_>) -> Vec<String> {
    let info = DebugInfo::read(elf, &[]).expect("good debug information");
    let (_, file) = info
        .iter()
        .flat_map(|info| info.definitions.keys())
        .next()
        .expect("a file");
    let (dir, _) = file.rsplit_once('/').expect("an absolute path");
    vec![dir.to_owned()]
}

fn calls(info: &DebugInfo) -> BTreeSet<String> {
    let calls = info.calls.iter();
    calls
        .map(|call| format!("{} {} {}", call.caller, call.callee, call.place))
        .collect()
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn functions_and_calls_have_their_lines() {
    for format in FORMATS {
        let bytes = linked(format, [LIBRARY, PROGRAM]);
        let info = read(&bytes);
        let definitions = info.definitions.iter();
        let definitions: BTreeSet<_> = definitions
            .map(|((name, file), lines)| format!("{name} {file} {lines:?}"))
            .collect();
        let expected = set(&[
            "helper library.c {3}",
            "twice library.c {7}",
            "more program.c {5}",
            "entry program.c {10}",
            "_start program.c {15}",
        ]);
        assert_eq!(definitions, expected, "{format:?}");
        let expected = set(&[
            "twice helper library.c:9",
            "more twice program.c:7",
            "entry more program.c:12",
            "_start entry program.c:17",
        ]);
        assert_eq!(calls(&info), expected, "{format:?}");
        let indirect: Vec<_> = info.indirect.iter().collect();
        let [one] = indirect[..] else {
            panic!("{format:?}: {indirect:?}")
        };
        assert_eq!((one.caller.as_ref(), one.place.line), ("entry", 13));
        assert_eq!(info.n_without_line, 0);
        let elf = Elf::parse(&bytes).unwrap();
        let n_functions = info.functions.len();
        assert_eq!(info.symbol_faults(&elf), (n_functions, vec![]));
    }
}

#[test]
fn objects_are_read_as_linked_files_are() {
    for format in FORMATS {
        let dir = TestDir::new();
        let flags = [&[ARM64, "-O2", "-ffreestanding"], format].concat();
        dir.c("program.o", PROGRAM, &flags);
        let bytes = dir.read("program.o");
        let info = read(&bytes);
        let expected = set(&[
            "more twice program.c:7",
            "entry more program.c:12",
            "_start entry program.c:17",
        ]);
        assert_eq!(calls(&info), expected, "{format:?}");
        let elf = Elf::parse(&bytes).unwrap();
        assert_eq!(info.symbol_faults(&elf), (2, vec![]), "{format:?}");
    }
}

#[test]
fn a_kernel_with_lto_has_the_lines_of_one_without() {
    for format in FORMATS {
        for mode in ["-flto=thin", "-flto=full"] {
            let plain = read(&linked(format, [LIBRARY, PROGRAM]));
            let bytes = linked(&[format, &[mode]].concat(), [LIBRARY, PROGRAM]);
            let info = read(&bytes);
            let compared = info.differences(&plain);
            assert_eq!(compared.differences, [], "{format:?} {mode}");
            assert_eq!(compared.n_functions, 5);
            assert!(compared.n_calls >= 4, "{compared:?}");
        }
    }
}

#[test]
fn another_line_and_another_call_are_differences() {
    let plain = read(&linked(FORMATS[0], [LIBRARY, PROGRAM]));
    let moved = LIBRARY.replace("int twice", "\nint twice");
    let text = |library: &str, program: &str| {
        let info = read(&linked(FORMATS[0], [library, program]));
        let differences = info.differences(&plain).differences;
        let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    assert_eq!(
        text(&moved, PROGRAM),
        "function twice of library.c: expected line 7, found 8\n\
         twice calls helper at library.c:10, where the build to compare with has no such call"
    );
    assert_eq!(
        text(LIBRARY, &PROGRAM.replace("return more", "return twice")),
        "entry calls twice at program.c:12, where the build to compare with has no such call"
    );
    assert_eq!(text(LIBRARY, PROGRAM), "");
}

#[test]
fn a_symbol_with_another_name_is_a_fault() {
    // ld.lld keeps the names that thin LTO gives.
    let bytes = linked(&["-gdwarf-4", "-flto=thin"], [LIBRARY, PROGRAM]);
    let elf = Elf::parse(&bytes).unwrap();
    let (_, faults) = read(&bytes).symbol_faults(&elf);
    let [SymbolFault::Name { name, found, .. }] = &faults[..] else {
        panic!("{faults:?}")
    };
    assert_eq!(name, "helper");
    assert!(found.starts_with("helper.llvm."), "{found}");
}

#[test]
fn a_file_without_debug_information_has_none() {
    let bytes = linked(&[], [LIBRARY, PROGRAM]);
    let elf = Elf::parse(&bytes).unwrap();
    assert!(DebugInfo::read(&elf, &[]).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_are_read_or_refused(damages in (flipped_bits(), damaged_words())) {
        static SAMPLES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
            FORMATS.map(|format| linked(format, [LIBRARY, PROGRAM])).into()
        });
        let (one, other): (Damage, Damage) = damages;
        for damage in [one, other] {
            let bytes = damage.of(&SAMPLES);
            if let Ok(elf) = Elf::parse(&bytes) {
                match DebugInfo::read(&elf, &[]) {
                    Ok(Some(info)) => drop(info.symbol_faults(&elf)),
                    Ok(None) => {}
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
