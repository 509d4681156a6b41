// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects with initcalls.

use std::fmt::Write as _;

use test_support::TestDir;

/// Returns C text with an initcall label for each name (without the mark), in the given order and
/// in the section that the kernel's macros give it.
pub fn source(names: &[&str]) -> String {
    let mut source = String::from("int code(void) { return 0; }\n");
    for name in names {
        let level = [
            "early", "rootfs", "con", "0s", "1s", "2s", "3s", "4s", "5s", "6s", "7s",
        ]
        .into_iter()
        .find(|level| name.ends_with(level))
        .unwrap_or(&name[name.len() - 1..]);
        let id = &name[..name.len() - level.len()];
        let section = match level {
            "con" => format!(".con_initcall.init..{id}"),
            level => format!(".initcall{level}.init..{id}"),
        };
        writeln!(
            source,
            "{}",
            label(&section, &format!("__initcall__{name}"))
        )
        .unwrap();
    }
    source
}

/// Returns C text that defines `symbol` in `section` by module assembly.
pub fn label(section: &str, symbol: &str) -> String {
    format!(r#"asm(".section \"{section}\", \"a\"\n{symbol}:\n.long 0\n.previous\n");"#)
}

/// Makes the object `name` with these initcalls.
pub fn object(dir: &TestDir, name: &str, names: &[&str], flags: &[&str]) {
    dir.c(name, &source(names), flags);
}
