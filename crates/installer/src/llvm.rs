// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The LLVM that a kernel is to be built with, tried before the install.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::{llvm, process, progress};
use xshell::cmd;

/// Checks that the tools in a directory can build a kernel with LTO, and that what its clang
/// writes can be read.
///
/// # Errors
/// A tool is missing, or its bitcode cannot be made or read.
pub fn check_llvm(dir: &Path) -> anyhow::Result<()> {
    const SOURCE: &str = "int lto_probe(void) { return 0; }\n";
    llvm::complete(dir)?;
    let scratch = tempfile::tempdir().context("a temporary directory")?;
    let (source, object) = (
        scratch.path().join("probe.c"),
        scratch.path().join("probe.o"),
    );
    fs::write(&source, SOURCE).with_context(|| source.display().to_string())?;
    let sh = process::shell()?;
    let clang = dir.join("clang");
    let compile = cmd!(sh, "{clang} -flto=thin -c -o {object} {source}");
    process::read(compile).context("its clang makes no bitcode")?;
    let version = process::read(cmd!(sh, "{clang} --version"))?;
    if let Some(note) = check_version(&version)? {
        progress::note(&format!("{}: {note}", dir.display()));
    }
    let content = fs::read(&object).with_context(|| object.display().to_string())?;
    let unreadable = "the bitcode of its clang cannot be read; use another version of LLVM";
    let bitcode = object_model::Bitcode::parse(&content).context(unreadable)?;
    let mut symbols = bitcode.symbols().iter();
    anyhow::ensure!(
        symbols.any(|symbol| symbol.name == "lto_probe" && symbol.is_defined()),
        "{unreadable}"
    );
    Ok(())
}

/// The oldest LLVM with which Kconfig offers LTO.
const OLDEST_OFFERED: u32 = 14;

/// Refuses an LLVM with which Kconfig does not offer LTO. Returns a note about one that is not among those whose
/// kernels were tested.
fn check_version(said: &str) -> anyhow::Result<Option<String>> {
    let number = said.split("clang version ").nth(1);
    let number = number.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    let Some(version) = number.and_then(|number| number.parse::<u32>().ok()) else {
        return Ok(Some("`clang --version` names no version".to_owned()));
    };
    anyhow::ensure!(
        version >= OLDEST_OFFERED,
        "this is LLVM {version}, and Kconfig offers LTO from LLVM {OLDEST_OFFERED} on; take a newer one"
    );
    Ok((version < llvm::OLDEST).then(|| {
        format!(
            "this is LLVM {version}; the oldest whose kernels are built and booted in every test is LLVM {}",
            llvm::OLDEST
        )
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sample::{collect_notes, notes_about};

    #[test]
    fn an_old_llvm_is_told_or_refused() {
        let said = |version: &str| {
            check_version(&format!(
                "Vendor clang version {version} (abc)\nTarget: x\n"
            ))
        };
        assert_eq!(said("22.1.8").unwrap(), None);
        assert_eq!(said("19.1.0").unwrap(), None);
        let note = said("14.0.6").unwrap().unwrap();
        assert!(note.contains("LLVM 14; the oldest"), "{note}");
        let error = said("13.0.1").unwrap_err().to_string();
        assert!(error.contains("from LLVM 14 on"), "{error}");
        assert!(check_version("gcc").unwrap().is_some());
    }

    #[test]
    fn llvm_is_tried_out() {
        check_llvm(&llvm::bin_dir().unwrap()).unwrap();

        let real = llvm::bin_dir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let error = check_llvm(dir.path()).unwrap_err();
        assert!(error.to_string().contains("no clang"), "{error}");
        // One whose clang makes native code, whatever it is asked for.
        for entry in fs::read_dir(&real).unwrap() {
            let name = entry.unwrap().file_name();
            if name != "clang" {
                symlink(real.join(&name), dir.path().join(&name)).unwrap();
            }
        }
        let clang = dir.path().join("clang");
        let script = |before: &str, after: &str| {
            let real = real.display();
            fs::write(
                &clang,
                format!("#!/bin/sh\n{before}\nexec {real}/clang \"$@\" {after}\n"),
            )
        };
        script("", "-fno-lto").unwrap();
        fs::set_permissions(&clang, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = check_llvm(dir.path()).unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error:#}");
        // One that is old.
        let old = |version: &str| {
            script(
                &format!("[ \"$1\" = --version ] && exec echo clang version {version}"),
                "",
            )
            .unwrap();
            check_llvm(dir.path())
        };
        collect_notes();
        old("14.0.6").unwrap();
        let notes = notes_about(dir.path());
        assert!(
            notes.len() == 1 && notes[0].contains("LLVM 14"),
            "{notes:?}"
        );
        let error = old("13.0.1").unwrap_err();
        assert!(error.to_string().contains("from LLVM 14 on"), "{error:#}");
        script("echo broken >&2; exit 1", "").unwrap();
        let error = format!("{:#}", check_llvm(dir.path()).unwrap_err());
        assert!(
            error.contains("makes no bitcode") && error.contains("broken"),
            "{error}"
        );
    }
}
