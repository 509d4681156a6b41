// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The run time that the plugin puts into kernels, in a program that stands for a kernel: the file that it writes
//! is taken by llvm-profdata, and its counts are those of the source.

use std::path::PathBuf;
use std::process::Command;

use profile::{Profraw, functions, text_of};
use test_support::{TestDir, llvm_bin, output, texts};

const RUN_TIME: &str = include_str!("../../../kconfig/profile/lto_profile.c");
const RUN_TIME_H: &str = include_str!("../../../kconfig/profile/lto_profile.h");
const KERNEL_H: &str = include_str!("runtime/kernel.h");
const COUNTED: &str = include_str!("runtime/counted.c");
const MAIN: &str = include_str!("runtime/main.c");
const LINKER_SCRIPT: &str = include_str!("runtime/runtime.lds");

/// The headers of the kernel that the run time includes.
fn headers() -> impl Iterator<Item = &'static str> {
    let lines = RUN_TIME.lines().chain(RUN_TIME_H.lines());
    let included = lines.filter_map(|line| line.strip_prefix("#include <")?.strip_suffix('>'));
    included.filter(|header| *header != "linux/lto_profile.h")
}

/// Links the program as `name` for this machine, runs it, and returns what it wrote.
fn run(dir: &TestDir, name: &str, flags: &[&str]) -> Vec<u8> {
    for header in headers() {
        dir.write(header, "#include <kernel.h>\n");
    }
    dir.write("linux/lto_profile.h", RUN_TIME_H);
    dir.write("kernel.h", KERNEL_H);
    dir.write("runtime.lds", LINKER_SCRIPT);
    let include = format!("-I{}", dir.path().display());
    let target = format!("--target={}-linux-gnu", std::env::consts::ARCH);
    let common = [&*target, "-O2", "-ffreestanding", "-fno-stack-protector"];
    let counting = ["-fprofile-generate", "-mllvm", "-disable-vp=true"];
    // An implementation of memcpy must not be compiled to a call of it.
    let plain = [&*include, "-fno-builtin", "-Wall", "-Werror"];
    let compile = |object: &str, source: &str, more: &[&str]| {
        dir.c(object, source, &[&common[..], more].concat());
    };
    compile("counted.o", COUNTED, &counting);
    compile(
        "module.o",
        COUNTED,
        &[&counting[..], &["-DMODULE"]].concat(),
    );
    compile("lto_profile.o", RUN_TIME, &plain);
    compile("main.o", MAIN, &[&plain[..], flags].concat());
    let arguments = [
        "-N",
        "--build-id=sha1",
        "-T",
        "runtime.lds",
        "main.o",
        "lto_profile.o",
        "counted.o",
        "module.o",
        "-o",
        name,
    ];
    dir.run("ld.lld", &arguments);
    let ran = output(&mut Command::new(dir.join(name)));
    assert!(ran.status.success(), "{ran:?}");
    ran.stdout
}

fn llvm_profdata() -> PathBuf {
    llvm_bin().unwrap_or_default().join("llvm-profdata")
}

/// Returns the counts of the functions in a file, as llvm-profdata reads them.
fn counts(dir: &TestDir, profraw: &[u8]) -> Vec<(String, u64)> {
    let path = dir.write("profraw", profraw);
    let text = text_of(&llvm_profdata(), &path).expect("a file for llvm-profdata");
    let functions = functions(&text).expect("counts");
    let counts = functions
        .into_iter()
        .map(|counted| (counted.name, counted.count));
    let mut counts: Vec<_> = counts.collect();
    counts.sort();
    counts
}

fn expected(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    let counts = counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    counts.collect()
}

#[test]
fn the_file_has_the_counts_of_the_kernel_and_of_modules_that_were_unloaded() {
    let dir = TestDir::new();
    let profraw = run(&dir, "vmlinux", &[]);
    let all = [("kernel_work", 3), ("module_work", 7), ("never", 0)];
    assert_eq!(counts(&dir, &profraw), expected(&all));
    // The kernel, the module as it is loaded, and what was left of it twice.
    let read = Profraw::parse(&profraw).expect("parts");
    assert_eq!((read.n_parts, read.n_functions, read.n_executed), (3, 4, 3));
}

#[test]
fn reset_sets_all_counts_to_zero() {
    let dir = TestDir::new();
    let profraw = run(&dir, "vmlinux", &["-DRESET"]);
    let once = [("kernel_work", 1), ("module_work", 1), ("never", 0)];
    assert_eq!(counts(&dir, &profraw), expected(&once));
    assert_eq!(Profraw::parse(&profraw).expect("parts").n_parts, 2);
}

#[test]
fn a_kernel_that_powers_off_leaves_the_counts_of_modules() {
    let dir = TestDir::new();
    let profraw = run(&dir, "vmlinux", &["-DPOWER_OFF"]);
    assert_eq!(counts(&dir, &profraw), expected(&[("module_work", 7)]));
}

/// Runs `profile collect` with the file.
fn collect(dir: &TestDir, vmlinux: &str, profraw: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile"));
    command.args(["collect", "--vmlinux", vmlinux, profraw, "-o", "profdata"]);
    command.arg("--llvm-profdata").arg(llvm_profdata());
    texts(output(command.current_dir(dir.path())))
}

#[test]
fn collect_takes_the_file_of_the_same_kernel_only() {
    let dir = TestDir::new();
    let profraw = run(&dir, "vmlinux", &[]);
    dir.write("copy", &profraw);
    let said = "copy: 3 of 4 functions were executed\n".to_owned();
    assert_eq!(
        collect(&dir, "vmlinux", "copy"),
        (Some(0), said, String::new())
    );
    assert!(dir.join("profdata").exists());
    let nothing = run(&dir, "vmlinux", &["-DNOTHING"]);
    dir.write("nothing", &nothing);
    let (code, _, errors) = collect(&dir, "vmlinux", "nothing");
    assert_eq!(code, Some(1));
    assert!(errors.contains("no function was executed"), "{errors}");
    run(&dir, "vmlinux", &[]);
    dir.write("cut", &profraw[..profraw.len() - 8]);
    let (code, _, errors) = collect(&dir, "vmlinux", "cut");
    assert_eq!(code, Some(1));
    assert!(errors.contains("cut: part 2 is not whole"), "{errors}");
    run(&dir, "other", &["-DRESET"]);
    let (code, _, errors) = collect(&dir, "other", "copy");
    assert_eq!(code, Some(1));
    assert!(errors.contains("copy: other has build ID"), "{errors}");
}
