// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `READ_ONCE` on 64-bit Arm: with LTO it acquires, because the compiler may turn the address dependency that
//! orders two loads into one of control, which orders none.
//!
//! An emulated CPU of another architecture does not show a missing barrier, so that no boot tests this.
//!
//! Sources: `arch/arm64/include/asm/rwonce.h`; `parse_config_file` in `scripts/basic/fixdep.c`, which lists
//! the options that a header asks for; Arm Architecture Reference Manual, "LDAR", "LDAPR".

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use object_model::{Elf, Input, elf};
use object_tree::{Objtree, text_if_there};

use super::Finding;
use super::links::parts;

/// Every object that has `READ_ONCE` was compiled with the header that makes it acquire with LTO.
pub fn read_once(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Finding> {
    if tree.vmlinux.machine() != elf::EM_AARCH64 {
        return Ok(Finding::not_applicable(
            "the kernel strengthens READ_ONCE on 64-bit Arm only",
        ));
    }
    if !tree.has_lto() {
        return Ok(Finding::not_applicable(
            "the kernel is configured without LTO",
        ));
    }
    let mut n_acquiring = 0;
    let mut faults = Vec::new();
    let mut unknown = Vec::new();
    let mut look_at = |inputs: &[Input]| -> anyhow::Result<()> {
        for input in inputs {
            let path = input.path.as_deref().unwrap_or(Path::new(&input.name));
            let cmd_file = command_file(path);
            let Some(text) = text_if_there(&tree.root.join(&cmd_file))? else {
                if input.object.as_bitcode().is_some() {
                    faults.push(format!(
                        "{} is missing, so it is not known how {} was compiled; run make again",
                        cmd_file.display(),
                        path.display()
                    ));
                }
                continue;
            };
            match header_of(&text) {
                Header::NotIncluded => {}
                Header::Acquiring => n_acquiring += 1,
                Header::Plain => faults.push(format!(
                    "{}: its READ_ONCE does not acquire: the header that it was compiled with does not ask for \
                     CONFIG_LTO",
                    path.display()
                )),
            }
        }
        Ok(())
    };
    if let Some(link) = tree.link()? {
        look_at(&link.inputs)?;
    }
    for module in &tree.modules {
        look_at(parts(tree, module, &mut unknown)?)?;
    }
    faults.extend(unknown);
    if n_acquiring == 0 && faults.is_empty() {
        faults.push("no object depends on the header that defines READ_ONCE".to_owned());
    }
    let n_loads = acquiring_loads(&tree.vmlinux);
    let mut figure = format!(
        "{n_acquiring} objects with the form that acquires; {n_loads} such loads in vmlinux"
    );
    if let Some(against) = against.filter(|against| !against.has_lto()) {
        let n_without = acquiring_loads(&against.vmlinux);
        // Writing to a string does not fail.
        let _ = write!(figure, ", {n_without} without LTO");
        if n_loads <= n_without {
            faults.push(format!(
                "vmlinux: expected more loads that acquire than the {n_without} without LTO, found {n_loads}"
            ));
        }
    }
    Ok(Finding::new(figure, faults))
}

/// Returns the file with the command that made an object. The bitcode of a module of one object, `.lto_foo.o`, is
/// made by the command of `foo.o`.
fn command_file(object: &Path) -> PathBuf {
    let file_name = object.file_name().unwrap_or_default().display().to_string();
    let file_name = file_name.strip_prefix(".lto_").unwrap_or(&file_name);
    kernel_facts::command_file(&object.with_file_name(file_name))
}

/// The `READ_ONCE` that an object was compiled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    NotIncluded,
    /// A header that asks for `CONFIG_LTO`.
    Acquiring,
    Plain,
}

/// Tells the header from the dependencies in a `.cmd` file.
fn header_of(cmd_file: &str) -> Header {
    let words = || cmd_file.split_ascii_whitespace();
    let is_included = words().any(|word| word.ends_with("/asm-generic/rwonce.h"));
    let is_of_arch = words().any(|word| word.ends_with("arch/arm64/include/asm/rwonce.h"));
    // Since Linux 5.12 the name of the option as it is.
    let asks = words().any(|word| {
        matches!(
            word.trim_end_matches(')'),
            "include/config/lto.h" | "include/config/LTO"
        )
    });
    match (is_included, is_of_arch && asks) {
        (_, true) => Header::Acquiring,
        (true, false) => Header::Plain,
        (false, false) => Header::NotIncluded,
    }
}

/// How many instructions of a kernel's code load and acquire: LDAR, and LDAPR that takes its place where
/// the CPU has it.
fn acquiring_loads(vmlinux: &Elf) -> usize {
    // Any size, any registers.
    const ANY: u32 = 0x3fff_fc00;
    const LDAR: u32 = 0x08df_fc00;
    const LDAPR: u32 = 0x38bf_c000;
    let code = vmlinux.sections().iter();
    let code = code.filter(|section| section.is_executable());
    let words = code.flat_map(|section| section.data.as_chunks::<4>().0);
    words
        .map(|bytes| u32::from_le_bytes(*bytes) & ANY)
        .filter(|word| matches!(*word, LDAR | LDAPR))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_told_by_what_it_asks_for() {
        let own = "  /tree/arch/arm64/include/asm/rwonce.h \\\n";
        let generic = "  /tree/include/asm-generic/rwonce.h \\\n";
        for option in ["include/config/lto.h", "include/config/LTO"] {
            let asks = format!("    $(wildcard {option}) \\\n");
            for (text, header) in [
                (format!("{own}{asks}{generic}"), Header::Acquiring),
                (format!("{own}{generic}"), Header::Plain),
                (format!("{generic}{asks}"), Header::Plain),
                (
                    format!("  /tree/include/linux/a.h \\\n{asks}"),
                    Header::NotIncluded,
                ),
            ] {
                assert_eq!(header_of(&text), header, "{text}");
            }
        }
        let other = format!("{own}    $(wildcard include/config/lto/clang.h) \\\n{generic}");
        assert_eq!(header_of(&other), Header::Plain);
    }

    #[test]
    fn the_command_of_a_module_of_one_object_is_that_of_the_module() {
        for (object, file) in [
            ("mm/slub.o", "mm/.slub.o.cmd"),
            ("fs/.lto_mbcache.o", "fs/.mbcache.o.cmd"),
        ] {
            assert_eq!(command_file(Path::new(object)), Path::new(file));
        }
    }
}
