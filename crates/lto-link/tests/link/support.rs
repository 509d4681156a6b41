// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects like a kernel's, runs of the tool, and goblin as a second reader of its output.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use goblin::elf::Elf;
use goblin::elf::section_header::SHN_ABS;
use test_support::TestDir;

/// clang's flags for making bitcode.
pub const LTO: [&str; 2] = ["-flto=full", "-flto=thin"];

/// Returns C text of a function `function` that is called at `level`, with the section and label of
/// the kernel's headers under LTO.
pub fn initcall(module: &str, counter: u32, function: &str, level: &str) -> String {
    let id = format!("kmod_{module}__{counter}_1_{function}");
    let section = match level {
        "con" => ".con_initcall.init".to_owned(),
        level => format!(".initcall{level}.init"),
    };
    format!(
        "int {function}(void) {{ return {counter}; }}\n\
         asm(\".section \\\"{section}..{id}\\\", \\\"a\\\"\\n\"\n\
         \"__initcall__{id}{level}:\\n.long {function} - .\\n.previous\\n\");\n"
    )
}

/// Returns C text of an exported function `symbol`, with the additions of `EXPORT_SYMBOL` if CRCs
/// are on: name, table entry, and the place of the CRC, which is a weak reference.
pub fn export(symbol: &str) -> String {
    format!(
        "int {symbol}(void) {{ return 1; }}\n\
         asm(\".section __ksymtab_strings, \\\"aMS\\\", %progbits, 1\\n\"\n\
         \"__kstrtab_{symbol}: .asciz \\\"{symbol}\\\"\\n\"\n\
         \"__kstrtabns_{symbol}: .asciz \\\"\\\"\\n\"\n\
         \".previous\\n.section \\\"___ksymtab+{symbol}\\\", \\\"a\\\"\\n.balign 4\\n\"\n\
         \"__ksymtab_{symbol}:\\n.long {symbol} - .\\n\"\n\
         \".long __kstrtab_{symbol} - .\\n.long __kstrtabns_{symbol} - .\\n\"\n\
         \".previous\\n.section \\\"___kcrctab+{symbol}\\\", \\\"a\\\"\\n\"\n\
         \".weak __crc_{symbol}\\n.long __crc_{symbol}\\n.previous\\n\");\n"
    )
}

/// Returns the command `lto-link ARGUMENT...` in `dir`, outside of any make.
pub fn lto_link(dir: &TestDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lto-link"));
    command.args(arguments).current_dir(dir.path());
    without_make(&mut command);
    command
}

/// Removes from `command` the variables of a make around the tests.
pub fn without_make(command: &mut Command) {
    for variable in ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        command.env_remove(variable);
    }
}

/// Runs the tool with `arguments`, then `--` and ld.lld, and returns its standard output. It must succeed.
pub fn link(dir: &TestDir, arguments: &[&str]) -> String {
    let linker = ld_lld();
    let mut arguments = arguments.to_vec();
    arguments.extend(["--", &linker]);
    test_support::stdout(&mut lto_link(dir, &arguments))
}

/// Returns the path of ld.lld.
pub fn ld_lld() -> String {
    test_support::llvm_tool("ld.lld").display().to_string()
}

/// Runs the tool with `arguments`, and returns exit code, standard output and standard error.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    test_support::texts(test_support::output(&mut lto_link(dir, arguments)))
}

/// Makes a linker in shell that runs `before`, then ld.lld with the same arguments. Tests call it
/// by `-- sh fake-ld`, because a script that was just written cannot always be executed.
pub fn fake_linker(dir: &TestDir, before: &str) {
    let linker = ld_lld();
    dir.write("fake-ld", format!("{before}\nexec {linker} \"$@\"\n"));
}

/// Makes a fake linker that appends its arguments to the file `arguments`, one on each line.
pub fn logging_linker(dir: &TestDir) {
    fake_linker(dir, "printf '%s\\n' \"$@\" >> arguments");
}

/// Returns the values of `--OPTION=VALUE` in the arguments of the logging linker, in the order of
/// its runs.
pub fn logged(dir: &TestDir, option: &str) -> Vec<String> {
    let log = dir.read_text("arguments");
    let value = |line: &str| Some(line.strip_prefix(option)?.strip_prefix('=')?.to_owned());
    log.lines().filter_map(value).collect()
}

/// Returns the names of the files in the directory `path`, sorted.
pub fn files(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("the directory can be read");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("the entry can be read").file_name())
        .map(|name| name.into_string().expect("names in tests are UTF-8"))
        .collect();
    names.sort();
    names
}

/// Parses the native object in `bytes`.
pub fn elf(bytes: &[u8]) -> Elf<'_> {
    Elf::parse(bytes).expect("the output is an ELF file")
}

/// Returns the names of the functions and variables that the object defines for others.
pub fn defined(elf: &Elf) -> Vec<String> {
    let defined = elf
        .syms
        .iter()
        .filter(|symbol| symbol.st_shndx != 0 && symbol.st_bind() != 0);
    let mut names: Vec<_> = defined
        .map(|symbol| elf.strtab.get_at(symbol.st_name).unwrap_or("?").to_owned())
        .collect();
    names.sort();
    names
}

/// Returns the value of each absolute symbol whose name begins with `prefix`.
pub fn absolutes(elf: &Elf, prefix: &str) -> BTreeMap<String, u64> {
    let absolute = elf
        .syms
        .iter()
        .filter(|symbol| symbol.st_shndx == SHN_ABS as usize);
    absolute
        .filter_map(|symbol| Some((elf.strtab.get_at(symbol.st_name)?, symbol.st_value)))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns, for each section whose name contains `part`, the symbols that its relocations refer to,
/// by ascending place.
pub fn references(elf: &Elf, part: &str) -> BTreeMap<String, Vec<String>> {
    let mut references = BTreeMap::new();
    for (index, section) in elf.section_headers.iter().enumerate() {
        let name = elf.shdr_strtab.get_at(section.sh_name).unwrap_or("?");
        if !name.contains(part) || name.starts_with(".rel") {
            continue;
        }
        let mut entries: Vec<(u64, String)> = elf
            .shdr_relocs
            .iter()
            .filter(|(header, _)| elf.section_headers[*header].sh_info as usize == index)
            .flat_map(|(_, relocations)| relocations.iter())
            .map(|relocation| {
                let symbol = elf.syms.get(relocation.r_sym).expect("a symbol");
                let target = elf.strtab.get_at(symbol.st_name).unwrap_or("?");
                (relocation.r_offset, target.to_owned())
            })
            .collect();
        entries.sort();
        let offsets: Vec<_> = entries.iter().map(|(offset, _)| *offset).collect();
        let expected: Vec<_> = (0..section.sh_size).step_by(4).collect();
        assert_eq!(offsets, expected, "an entry in every 4 bytes of {name}");
        let targets = entries.into_iter().map(|(_, target)| target);
        references.insert(name.to_owned(), targets.collect());
    }
    references
}
