// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The flags of a compilation without those that only concern the source: macros, header folders, files of
//! dependencies, names of folders in debug information.
//!
//! clang ignores them for bitcode. Without them, the command that generates code names no folder of this
//! machine, so that another machine, or another folder, can run the same command.
//!
//! Source: the reference of clang's options, for the options whose argument is a separate word.

/// Options whose argument is the next word, and that code generation gets with this word; so are all options
/// that begin with `-X`.
const WITH_WORD: [&str; 21] = [
    "-A",
    "-B",
    "-F",
    "-L",
    "-arch",
    "-e",
    "-fcoverage-compilation-dir",
    "-fdebug-compilation-dir",
    "-l",
    "-mllvm",
    "-mthread-model",
    "-o",
    "-resource-dir",
    "-serialize-diagnostics",
    "-target",
    "-u",
    "-working-directory",
    "-x",
    "-z",
    "--param",
    "--serialize-diagnostics",
];

/// Options of the source whose argument is the next word, or the rest of their own word.
const OF_SOURCE: [&str; 18] = [
    "-D",
    "-I",
    "-MF",
    "-MJ",
    "-MQ",
    "-MT",
    "-U",
    "-idirafter",
    "-imacros",
    "-include",
    "-include-pch",
    "-iprefix",
    "-iquote",
    "-isysroot",
    "-isystem",
    "-iwithprefix",
    "-iwithprefixbefore",
    "--sysroot",
];

/// Options of the source that are one word.
const OF_SOURCE_ALONE: [&str; 5] = ["-MD", "-MG", "-MMD", "-MP", "-MV"];

/// The beginnings of options of the source that are one word.
const OF_SOURCE_JOINED: [&str; 6] = [
    "-Wp,",
    "-fcoverage-prefix-map=",
    "-fdebug-prefix-map=",
    "-ffile-prefix-map=",
    "-fmacro-prefix-map=",
    "--sysroot=",
];

/// The beginnings of options that say where programs of GCC are: an assembler, a linker. clang's own
/// assembler needs neither.
const OF_PROGRAMS_JOINED: [&str; 4] = ["-B", "--gcc-install-dir=", "--gcc-toolchain=", "--prefix="];

/// Returns whether the last of the options in `flags` that choose an assembler asks for another program
/// than clang.
pub(crate) fn uses_other_assembler(flags: &[String]) -> bool {
    let mut flags = flags.iter().rev().map(String::as_str);
    let chosen = flags.find_map(|flag| match flag {
        "-fintegrated-as" | "-integrated-as" => Some(false),
        "-fno-integrated-as" | "-no-integrated-as" => Some(true),
        _ => None,
    });
    chosen.unwrap_or_default()
}

/// Removes the options that only concern the source, with their arguments.
pub(crate) fn without_frontend_flags(flags: Vec<String>) -> Vec<String> {
    let other_assembler = uses_other_assembler(&flags);
    let mut kept = Vec::new();
    let mut words = flags.into_iter();
    while let Some(word) = words.next() {
        if OF_SOURCE.contains(&word.as_str()) {
            words.next();
        } else if is_of_source(&word) || (!other_assembler && is_of_programs(&word)) {
            // One word, without an argument behind it, except for `-B folder`.
            if word == "-B" {
                words.next();
            }
        } else {
            // `-Xclang` and its like give the next word to a part of clang.
            let takes_word = WITH_WORD.contains(&word.as_str()) || word.starts_with("-X");
            kept.push(word);
            if takes_word {
                kept.extend(words.next());
            }
        }
    }
    kept
}

fn is_of_source(word: &str) -> bool {
    let begins = |option: &&str| word.starts_with(*option);
    OF_SOURCE_ALONE.contains(&word)
        || OF_SOURCE_JOINED.iter().any(begins)
        // A joined argument of a long option with `-i` is a file, as in `-include/linux/kconfig.h`.
        || OF_SOURCE.iter().any(begins)
}

fn is_of_programs(word: &str) -> bool {
    OF_PROGRAMS_JOINED
        .iter()
        .any(|option| word.starts_with(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(flags: &str) -> String {
        let words = shlex::split(flags).expect("words");
        without_frontend_flags(words).join(" ")
    }

    #[test]
    fn options_of_the_source_are_removed_with_their_arguments() {
        for (flags, expected) in [
            (
                "-nostdinc -isystem /usr/include -I./a -include /src/a.h -DA -D B=1 -O2",
                "-nostdinc -O2",
            ),
            ("-MD -MF x.d -MT x.o -Wp,-MMD,y.d -c", "-c"),
            (
                "-fmacro-prefix-map='/a b/'= -ffile-prefix-map=/a=. -g",
                "-g",
            ),
            // Arguments of other options stay, whatever they look like.
            (
                "-Xclang -Ix -mllvm -Dx --param -Ux -O2",
                "-Xclang -Ix -mllvm -Dx --param -Ux -O2",
            ),
            (
                "-target aarch64-linux-gnu -x c",
                "-target aarch64-linux-gnu -x c",
            ),
            // These are no macros and no dependencies.
            (
                "-mcmodel=kernel -march=x86-64 -Wundef -fshort-wchar",
                "-mcmodel=kernel -march=x86-64 -Wundef -fshort-wchar",
            ),
        ] {
            assert_eq!(kept(flags), expected, "{flags}");
        }
    }

    #[test]
    fn folders_of_gcc_are_removed_unless_its_assembler_is_used() {
        let folders = "--prefix=/usr/bin/x- --gcc-toolchain=/usr -B /usr/bin";
        assert_eq!(kept(&format!("-O2 {folders} -c")), "-O2 -c");
        let by_gcc = format!("-O2 {folders} -no-integrated-as -c");
        assert_eq!(kept(&by_gcc), by_gcc);
        assert_eq!(
            kept(&format!("-no-integrated-as {folders} -integrated-as")),
            "-no-integrated-as -integrated-as"
        );
    }
}
