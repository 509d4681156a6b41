// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects that export, in every form that the kernel's headers have.

use std::path::PathBuf;

use test_support::{FORMS, TestDir};

/// The expansion of `EXPORT_SYMBOL`: the symbol's name in `__ksymtab_strings`, an entry in
/// `___ksymtab+NAME`, and the place of the CRC in `___kcrctab+NAME`, a weak reference to
/// `__crc_NAME`. With `RELATIVE_CRCS` that reference is relative, with `ABSOLUTE_ENTRIES` the entry
/// is a variable of C, as on architectures without PREL32 relocations.
const HEADER: &str = r#"
#ifdef RELATIVE_CRCS
#define CRC(sym) "__crc_" #sym " - ."
#else
#define CRC(sym) "__crc_" #sym
#endif

#ifdef ABSOLUTE_ENTRIES
struct entry { unsigned long value; const char *name, *name_space; };
#define ENTRY(sym, kind) \
    static const struct entry __ksymtab_##sym \
    __attribute__((used, section("___ksymtab" kind "+" #sym))) = \
        { (unsigned long)&sym, __kstrtab_##sym, __kstrtabns_##sym };
#else
#define ENTRY(sym, kind) \
    asm(".section \"___ksymtab" kind "+" #sym "\", \"a\"\n" \
        ".balign 4\n" \
        "__ksymtab_" #sym ": .long " #sym " - ., __kstrtab_" #sym " - ., __kstrtabns_" #sym " - .\n" \
        ".previous\n");
#endif

#define EXPORT_KIND(sym, kind) \
    extern const char __kstrtab_##sym[], __kstrtabns_##sym[]; \
    asm(".section ___kcrctab" kind "+" #sym ", \"a\"\n" \
        ".weak __crc_" #sym "\n" \
        ".long " CRC(sym) "\n" \
        ".previous\n" \
        ".section __ksymtab_strings, \"aMS\", %progbits, 1\n" \
        "__kstrtab_" #sym ": .asciz \"" #sym "\"\n" \
        "__kstrtabns_" #sym ": .asciz \"\"\n" \
        ".previous\n"); \
    ENTRY(sym, kind)
#define EXPORT(sym) EXPORT_KIND(sym, "")
#define EXPORT_GPL(sym) EXPORT_KIND(sym, "_gpl")
"#;

/// One kind of bitcode, for tests that do not depend on the kind.
pub const BITCODE: &[&str] = FORMS[1];

/// Compiles `source`, which may use `EXPORT` and `EXPORT_GPL`, to the object `name`.
pub fn object(dir: &TestDir, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    dir.c(name, &format!("{HEADER}\n{source}"), flags)
}

/// Returns C text of functions that are exported.
pub fn exporting(symbols: &[&str]) -> String {
    let function =
        |symbol: &&str| format!("int {symbol}(void) {{ return 1; }}\nEXPORT({symbol})\n");
    symbols.iter().map(function).collect::<Vec<_>>().concat()
}

/// Returns the line that genksyms writes for `symbol`, and the one that it writes with relative CRCs.
pub fn lines(symbol: &str, crc: u32) -> [String; 2] {
    [
        format!("__crc_{symbol} = {crc:#010x};\n"),
        format!("SECTIONS {{ .rodata : ALIGN(4) {{ __crc_{symbol} = .; LONG({crc:#010x}); }} }}\n"),
    ]
}

/// Links the native object `from` once more, with `script`, as kbuild gives it its CRCs.
pub fn set_crcs(dir: &TestDir, from: &str, script: &str, to: &str) {
    dir.write("crcs.lds", script);
    dir.run("ld.lld", &["-r", "-T", "crcs.lds", from, "-o", to]);
}

/// Runs the tool; returns exit code, standard output and standard error.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_modversions"), arguments)
}
