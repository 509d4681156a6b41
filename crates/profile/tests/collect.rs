// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Profiles of a small program that stands for a kernel: the counts are those of its source, read by
//! llvm-profdata; and what is not its own is refused.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use object_model::Elf;
use profile::{CountingKernel, Error, Raw, collect};
use proptest::prelude::*;
use test_support::{TestDir, damaged_words, flipped_bits, llvm_bin, output, stdout, texts};

const PROGRAM: &str = include_str!("program.c");
const LINKER_SCRIPT: &str = include_str!("program.lds");

/// The flags of the plugin's counting kernel.
const COUNTING: [&str; 3] = ["-fprofile-generate", "-mllvm", "-disable-vp=true"];

fn target(architecture: &str) -> String {
    format!("--target={architecture}-linux-gnu")
}

/// Links the program for this architecture as `name`.
fn link(dir: &TestDir, name: &str, architecture: &str, flags: &[&str]) {
    let (object, target) = (format!("{name}.o"), target(architecture));
    let mut all = vec![&*target, "-O2", "-ffreestanding", "-fno-stack-protector"];
    all.extend(flags);
    dir.c(&object, PROGRAM, &all);
    dir.write("program.lds", LINKER_SCRIPT);
    let arguments = [
        "-N",
        "--build-id=sha1",
        "-T",
        "program.lds",
        &*object,
        "-o",
        name,
    ];
    dir.run("ld.lld", &arguments);
}

/// Links the program for this machine, runs it, and writes its counters to `raw`.
fn run(dir: &TestDir, flags: &[&str]) {
    link(dir, "vmlinux", std::env::consts::ARCH, flags);
    let ran = output(&mut Command::new(dir.join("vmlinux")));
    assert!(ran.status.success(), "{ran:?}");
    write_raw(dir, "raw", &build_id(dir, "vmlinux"), &ran.stdout);
}

/// Returns the build ID of a file as another reader says it.
fn build_id(dir: &TestDir, name: &str) -> String {
    let said = dir.run("llvm-readelf", &["--notes", name]);
    let id = said.split("Build ID: ").nth(1).expect(&said);
    id.split_whitespace().next().expect(&said).to_owned()
}

fn write_raw(dir: &TestDir, name: &str, build_id: &str, counters: &[u8]) {
    let size = counters.len();
    let head = format!("kbuild-lto counters 1\nbuild-id {build_id}\nsize {size}\n\n");
    dir.write(name, [head.as_bytes(), counters].concat());
}

/// Returns the path of llvm-profdata, which knows no `--version` before LLVM 17.
fn llvm_profdata() -> PathBuf {
    llvm_bin().unwrap_or_default().join("llvm-profdata")
}

/// Runs `profile collect` with these counters.
fn run_collect(dir: &TestDir, raws: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile"));
    command.args(["collect", "--vmlinux", "vmlinux", "-o", "profdata"]);
    command
        .arg("--llvm-profdata")
        .arg(llvm_profdata())
        .args(raws);
    texts(output(command.current_dir(dir.path())))
}

/// Returns what llvm-profdata says of the functions in the profile: a line for each, with its counts.
fn counts(dir: &TestDir) -> Vec<String> {
    let mut command = Command::new(llvm_profdata());
    command.args(["show", "--all-functions", "--counts", "profdata"]);
    let said = stdout(command.current_dir(dir.path()));
    let lines = said.lines().map(str::trim);
    let name = |line: &&str| line.ends_with(':') && !line.contains(' ') && *line != "Counters:";
    let names = lines.clone().filter(name);
    let counts = lines.filter_map(|line| line.strip_prefix("Block counts: "));
    let mut counts: Vec<_> = names
        .zip(counts)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    counts.sort();
    counts
}

/// Returns the only name of the function `rounds`, which LLVM 17 and later write with another separator.
fn static_function(counts: &[String]) -> &str {
    let line = counts.iter().find(|line| line.contains("rounds"));
    line.expect("a static function")
        .split(": ")
        .next()
        .expect("a name")
}

#[test]
fn counts_are_those_of_the_source() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    let said = run_collect(&dir, &["raw"]);
    let expected = "raw: 3 of 4 functions were executed\n";
    assert_eq!(said, (Some(0), expected.to_owned(), String::new()));
    let counts = counts(&dir);
    let rounds = static_function(&counts);
    assert!(
        ["vmlinux.c:rounds", "vmlinux.c;rounds"].contains(&rounds),
        "{rounds}"
    );
    let expected = [
        "indirect: [1]",
        "never: [0]",
        "thrice: [3]",
        &format!("{rounds}: [17, 8, 2]"),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn counts_of_several_runs_are_added_up() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    let (code, said, errors) = run_collect(&dir, &["raw", "raw"]);
    assert_eq!(code, Some(0), "{said}{errors}");
    let counts = counts(&dir);
    assert_eq!(counts[2], "thrice: [6]");
    assert!(counts[3].ends_with(": [34, 16, 4]"), "{counts:?}");
}

/// Runs `profile show` on the profile.
fn run_show(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile"));
    command.args(["show", "profdata", "--llvm-profdata"]);
    command.arg(llvm_profdata()).args(arguments);
    texts(output(command.current_dir(dir.path())))
}

#[test]
fn show_lists_the_counts_of_the_source() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    assert_eq!(run_collect(&dir, &["raw"]).0, Some(0));
    let expected = "\
3 of 4 functions were executed; all counts: 31
50 % of all counts are in 1 functions
90 % of all counts are in 2 functions
99 % of all counts are in 3 functions

               count       %  function
                  27   87.10  rounds  (vmlinux.c)
                   3    9.68  thrice
";
    let said = run_show(&dir, &["--top", "2"]);
    assert_eq!(said, (Some(0), expected.to_owned(), String::new()));
}

#[test]
fn show_says_where_the_compiler_put_the_functions() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    assert_eq!(run_collect(&dir, &["raw"]).0, Some(0));
    let target = target(std::env::consts::ARCH);
    let common = [&*target, "-O2", "-ffreestanding", "-ffunction-sections"];
    let by_profile = ["-fprofile-use=profdata", "-mllvm", "-disable-vp=true"];
    dir.c("vmlinux.o", PROGRAM, &[&common[..], &by_profile].concat());
    dir.c("against.o", PROGRAM, &common);
    let sections = dir.run("llvm-nm", &["--format=sysv", "vmlinux.o"]);
    let is_cold = |line: &&str| line.starts_with("never ") && line.contains(".text.unlikely");
    assert!(sections.lines().any(|line| is_cold(&line)), "{sections}");
    let arguments = ["--object", "vmlinux.o", "--against", "against.o"];
    let (code, said, _) = run_show(&dir, &[&arguments[..], &["--format", "json"]].concat());
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(0), "{said}");
    let layout = &said["layout"];
    // The symbol table as another reader says it.
    let amount = |of: &str| {
        let functions = sections.lines().filter(|line| line.contains("FUNC"));
        let there = functions.filter(|line| line.contains(of));
        let sizes = there.map(|line| u64::from_str_radix(line.split('|').nth(4).unwrap(), 16));
        let sizes: Vec<u64> = sizes.map(Result::unwrap).collect();
        (sizes.len(), sizes.iter().sum::<u64>())
    };
    let (n_cold, cold) = amount("|.text.unlikely");
    for (place, (n, bytes)) in [("cold", (n_cold, cold)), ("hot", amount("|.text.hot"))] {
        assert!(n > 0, "{sections}");
        assert_eq!(
            (&layout[place]["n"], &layout[place]["bytes"]),
            (&n.into(), &bytes.into())
        );
    }
    // Nothing that is marked `noinline` goes away.
    assert_eq!(
        (&said["inlined"]["n"], &said["inlined"]["n_by_profile"]),
        (&0.into(), &0.into())
    );
    let (code, text, _) = run_show(&dir, &arguments);
    assert_eq!(code, Some(0));
    let cold = format!("{n_cold:>9} {cold:>10}  cold: made small\n");
    assert!(text.contains(&cold), "{text}");
}

#[test]
fn show_refuses_what_is_no_profile() {
    let dir = TestDir::new();
    dir.write("profdata", "no profile");
    let (code, said, errors) = run_show(&dir, &[]);
    assert_eq!((code, &*said), (Some(2), ""));
    assert!(errors.contains("llvm-profdata failed"), "{errors}");
    assert!(errors.contains("profdata"), "{errors}");
}

#[test]
fn counters_of_another_kernel_are_refused() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    let ran = build_id(&dir, "vmlinux");
    let other = ["-fno-inline", "-O1"];
    link(
        &dir,
        "vmlinux",
        std::env::consts::ARCH,
        &[&COUNTING, &other[..]].concat(),
    );
    let found = build_id(&dir, "vmlinux");
    assert_ne!(ran, found);
    let (code, said, errors) = run_collect(&dir, &["raw"]);
    assert_eq!((code, &*said), (Some(1), ""));
    assert!(errors.starts_with("profile: error: raw: "), "{errors}");
    assert!(
        errors.contains(&format!("vmlinux has build ID {found}")),
        "{errors}"
    );
    assert!(errors.contains(&format!("with build ID {ran}")), "{errors}");
    assert!(!dir.join("profdata").exists());
}

#[test]
fn counters_that_are_not_all_there_are_refused() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    let build_id = build_id(&dir, "vmlinux");
    let whole = dir.read("raw");
    dir.write("cut", &whole[..whole.len() - 1]);
    let (code, _, errors) = run_collect(&dir, &["cut"]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("cut: has 47 bytes of counters and says 48"),
        "{errors}"
    );
    write_raw(&dir, "fewer", &build_id, &[1; 40]);
    let (code, _, errors) = run_collect(&dir, &["fewer"]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("has 48 bytes of counters, and 40 were read"),
        "{errors}"
    );
    write_raw(&dir, "zero", &build_id, &[0; 48]);
    let (code, _, errors) = run_collect(&dir, &["zero"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("no counter is above zero"), "{errors}");
    let (code, _, errors) = run_collect(&dir, &["vmlinux"]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("vmlinux: is not a file with counters"),
        "{errors}"
    );
}

/// Returns the error of a kernel that cannot be read.
fn error_of(dir: &TestDir, name: &str) -> Error {
    let content = dir.read(name);
    let elf = Elf::parse(&content).expect("an ELF file");
    CountingKernel::read(&elf).expect_err("an error")
}

#[test]
fn a_file_without_counters_is_refused() {
    let dir = TestDir::new();
    let host = std::env::consts::ARCH;
    dir.c("plain.o", "int variable = 1;", &[&target(host)]);
    dir.run(
        "ld.lld",
        &["--build-id=sha1", "-e", "0", "plain.o", "-o", "plain"],
    );
    assert_eq!(error_of(&dir, "plain"), Error::CountsNothing);
    assert_eq!(error_of(&dir, "plain.o"), Error::NoKernel);
}

#[test]
fn recorded_values_are_refused() {
    let dir = TestDir::new();
    let ignored = ["-fprofile-generate", "-DVALUES"];
    link(&dir, "vmlinux", std::env::consts::ARCH, &ignored);
    let error = error_of(&dir, "vmlinux");
    assert!(matches!(error, Error::Values { .. }), "{error}");
}

#[test]
fn an_unknown_version_is_refused_by_its_number() {
    let dir = TestDir::new();
    run(&dir, &COUNTING);
    let mut content = dir.read("vmlinux");
    let versions = [8_u64, 10].map(|version| (version | 1 << 56).to_le_bytes());
    let at = content
        .windows(8)
        .position(|bytes| versions.iter().any(|version| bytes == version));
    content[at.expect("a version")] = 11;
    dir.write("vmlinux", content);
    assert_eq!(error_of(&dir, "vmlinux"), Error::Version { number: 11 });
}

#[test]
fn records_that_refer_to_no_counters_are_refused() {
    let dir = TestDir::new();
    link(&dir, "vmlinux", "aarch64", &COUNTING);
    let content = dir.read("vmlinux");
    let elf = Elf::parse(&content).expect("an ELF file");
    let symbols = elf.symbol_map();
    let address = |name: &str| symbols.named(name).first().expect(name).value;
    let (start, stop) = (
        address("__start___llvm_prf_data"),
        address("__stop___llvm_prf_data"),
    );
    let holds = |section: &&object_model::Section| {
        section.is_allocated() && (section.address..section.address + section.size).contains(&start)
    };
    let section = elf.sections().iter().find(holds).expect("a section");
    let file_start = section.offset + (start - section.address);
    let record_size = (stop - start) / 4;
    // The distance of its counters is at the same place in records of all versions.
    let with_counters_at = |target: u64| {
        let mut damaged = content.clone();
        for index in 0..4 {
            let at = usize::try_from(file_start + index * record_size + 16).expect("an offset");
            let distance = target.wrapping_sub(start + index * record_size);
            damaged[at..at + 8].copy_from_slice(&distance.to_le_bytes());
        }
        dir.write("damaged", damaged);
        error_of(&dir, "damaged")
    };
    let first = with_counters_at(address("__stop___llvm_prf_cnts"));
    assert!(matches!(first, Error::Record { index: 0, .. }), "{first}");
    let odd = with_counters_at(address("__start___llvm_prf_cnts") + 4);
    assert!(matches!(odd, Error::Record { index: 0, .. }), "{odd}");
    // One function has three counters.
    let last = with_counters_at(address("__stop___llvm_prf_cnts") - 8);
    assert!(
        matches!(last, Error::Record { n_counters: 3, .. }),
        "{last}"
    );
}

#[test]
fn a_kernel_of_each_architecture_is_read() {
    let dir = TestDir::new();
    for architecture in ["aarch64", "x86_64"] {
        link(&dir, architecture, architecture, &COUNTING);
        let content = dir.read(architecture);
        let elf = Elf::parse(&content).expect("an ELF file");
        let kernel = CountingKernel::read(&elf).expect(architecture);
        let symbol = elf
            .symbols()
            .iter()
            .find(|symbol| symbol.name == "__start___llvm_prf_cnts");
        assert_eq!(kernel.counters.address, symbol.expect("a symbol").value);
        assert_eq!(kernel.counters.size, 48);
        assert_eq!(kernel.build_id.to_string(), build_id(&dir, architecture));
    }
}

proptest! {
    #[test]
    fn damaged_kernels_are_read_or_refused(damage in prop_oneof![flipped_bits(), damaged_words()]) {
        let content = damage.of(&[sample()]);
        if let Ok(elf) = Elf::parse(&content)
            && let Ok(kernel) = CountingKernel::read(&elf)
        {
            let counters = vec![1; usize::try_from(kernel.counters.size).expect("a size")];
            let build_id = kernel.build_id.clone();
            let collected = collect(&kernel, &Raw { build_id, counters: &counters });
            prop_assert!(collected.is_ok());
        }
    }
}

/// Returns a good kernel, which is linked once.
fn sample() -> &'static [u8] {
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let dir = TestDir::new();
        link(&dir, "vmlinux", "aarch64", &COUNTING);
        dir.read("vmlinux")
    })
}
