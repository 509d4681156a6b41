// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The inputs of vmlinux.o where `scripts/link-vmlinux.sh` links it, which leaves no record of them: 5.10 based on
//! Android's common kernel, and 5.12 to 5.18.
//!
//! The script takes lists that the top Makefile makes of other lists (`core-y` and so on). Makefiles of these kernels
//! set them in lines that need no make to be understood. Any other line, and any other form of the script, is not
//! guessed: there is no result.
//!
//! Sources: `modpost_link` of the script; `KBUILD_VMLINUX_OBJS` and `KBUILD_VMLINUX_LIBS` in `Makefile`.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::read::kbuild::KbuildLink;

/// The arguments of the link in the script.
const OBJECTS: &str = "
	objects=\"--whole-archive				\\
		${KBUILD_VMLINUX_OBJS}				\\
		--no-whole-archive				\\
		--start-group					\\
		${KBUILD_VMLINUX_LIBS}				\\
		--end-group\"
";

/// The lists in the top Makefile that the script takes.
const LISTS: &str = "
KBUILD_VMLINUX_OBJS := $(head-y) $(patsubst %/,%/built-in.a, $(core-y))
KBUILD_VMLINUX_OBJS += $(addsuffix built-in.a, $(filter %/, $(libs-y)))
ifdef CONFIG_MODULES
KBUILD_VMLINUX_OBJS += $(patsubst %/, %/lib.a, $(filter %/, $(libs-y)))
KBUILD_VMLINUX_LIBS := $(filter-out %/, $(libs-y))
else
KBUILD_VMLINUX_LIBS := $(patsubst %/,%/lib.a, $(libs-y))
endif
KBUILD_VMLINUX_OBJS += $(patsubst %/,%/built-in.a, $(drivers-y))
";

/// The lists of which these are made.
const NAMES: [&str; 4] = ["head", "core", "libs", "drivers"];

/// The files of a kernel's source that say what its script links, and its configuration.
#[derive(Clone, Copy)]
pub struct ScriptLink<'a> {
    /// The text of `scripts/link-vmlinux.sh`.
    pub script: &'a str,
    /// The text of the top Makefile.
    pub makefile: &'a str,
    /// The text of the architecture's Makefile.
    pub arch_makefile: &'a str,
    /// The architecture's folder in `arch`.
    pub srcarch: &'a str,
    /// Returns the value of an option, whose name has no `CONFIG_`, if it is set.
    pub option: &'a dyn Fn(&str) -> Option<String>,
}

impl ScriptLink<'_> {
    /// Returns the inputs; `None` if a line is not understood.
    pub fn inputs(self) -> Option<KbuildLink> {
        if !self.script.contains(OBJECTS) || !self.makefile.contains(LISTS) {
            return None;
        }
        let mut lists = Lists {
            link: self,
            values: HashMap::new(),
        };
        lists.read(self.makefile)?;
        let of = |name: &str| lists.values.get(name).cloned().unwrap_or_default();
        let is_dir = |path: &String| path.ends_with('/');
        let with = |paths: &[String], file: &str| -> Vec<PathBuf> {
            let file_of = |path: &String| if is_dir(path) { file } else { "" };
            let paths = paths.iter();
            paths
                .map(|path| format!("{path}{}", file_of(path)).into())
                .collect()
        };
        let (dirs, others): (Vec<_>, Vec<_>) = of("libs").into_iter().partition(is_dir);
        let mut objs = with(&of("head"), "");
        objs.extend(with(&of("core"), "built-in.a"));
        objs.extend(with(&dirs, "built-in.a"));
        let libs = if lists.is_set("MODULES") {
            objs.extend(with(&dirs, "lib.a"));
            others
        } else {
            of("libs")
        };
        objs.extend(with(&of("drivers"), "built-in.a"));
        let libs = with(&libs, "lib.a");
        (!objs.is_empty()).then_some(KbuildLink { objs, libs })
    }
}

/// The lists, while Makefiles are read.
struct Lists<'a> {
    link: ScriptLink<'a>,
    values: HashMap<String, Vec<String>>,
}

/// How the lines of a conditional block (`ifdef` and so on) are treated: they count, they do not, or nobody knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Read,
    Left,
    Unknown,
}

impl Lists<'_> {
    fn is_set(&self, option: &str) -> bool {
        (self.link.option)(option).is_some()
    }

    /// Reads the lines of a Makefile that set lists, and the architecture's Makefile where this one includes it.
    fn read(&mut self, text: &str) -> Option<()> {
        // The configuration has an own include of it, in a block that is left out.
        let text = text.replace("\\\n", " ");
        let mut blocks: Vec<Block> = Vec::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim_end();
            let (word, rest) = line.split_once([' ', '\t', '(']).unwrap_or((line, ""));
            match word {
                "ifdef" | "ifndef" | "ifeq" | "ifneq" => blocks.push(self.block(word, line)),
                "else" => {
                    let block = blocks.last_mut()?;
                    *block = match *block {
                        // A further condition is not followed.
                        _ if !rest.trim().is_empty() => Block::Unknown,
                        Block::Read => Block::Left,
                        Block::Left => Block::Read,
                        Block::Unknown => Block::Unknown,
                    };
                }
                "endif" => drop(blocks.pop()?),
                _ if blocks.contains(&Block::Left) => {}
                "include" if rest.ends_with("arch/$(SRCARCH)/Makefile") => {
                    if blocks.contains(&Block::Unknown) {
                        return None;
                    }
                    self.read(self.link.arch_makefile)?;
                }
                _ => {
                    if let Some((list, operator, value)) = assignment(line) {
                        if blocks.contains(&Block::Unknown) {
                            return None;
                        }
                        self.assign(list, operator, value)?;
                    }
                }
            }
        }
        Some(())
    }

    fn block(&self, word: &str, line: &str) -> Block {
        let condition = line.strip_prefix(word).unwrap_or_default().trim();
        let holds = match (word, condition) {
            // External modules, other goals than the kernel, and make calling itself.
            ("ifeq", "($(KBUILD_EXTMOD),)" | "($(need-sub-make),)") => true,
            ("ifneq", "($(KBUILD_EXTMOD),)" | "($(need-sub-make),)")
            | ("ifdef", "mixed-build" | "config-build" | "single-build" | "need-sub-make") => false,
            ("ifdef" | "ifndef", name) => match name.strip_prefix("CONFIG_") {
                Some(option) => self.is_set(option) == (word == "ifdef"),
                None => return Block::Unknown,
            },
            _ => return Block::Unknown,
        };
        if holds { Block::Read } else { Block::Left }
    }

    fn assign(&mut self, list: &str, operator: &str, value: &str) -> Option<()> {
        let (name, kind) = list.split_once('-')?;
        let is_linked = match kind.strip_prefix("$(CONFIG_") {
            Some(option) => {
                (self.link.option)(option.strip_suffix(')')?).is_some_and(|value| value == "y")
            }
            None => kind == "y",
        };
        if !is_linked {
            return Some(());
        }
        let mut words = Vec::new();
        for word in value.split_ascii_whitespace() {
            let list = word
                .strip_prefix("$(")
                .and_then(|word| word.strip_suffix("-y)"));
            if let Some(list) = list.filter(|list| NAMES.contains(list)) {
                words.extend(self.values.get(list).cloned().unwrap_or_default());
                continue;
            }
            let bits = if self.is_set("64BIT") { "64" } else { "32" };
            let word = word
                .replace("$(SRCARCH)", self.link.srcarch)
                .replace("$(BITS)", bits)
                .replace("$(objtree)/", "");
            if word.contains('$') {
                return None;
            }
            words.push(word);
        }
        let values = self.values.entry(name.to_owned()).or_default();
        match operator {
            "+=" => values.extend(words),
            _ => *values = words,
        }
        Some(())
    }
}

/// Returns the name of the list that the line sets, the operator and the value.
fn assignment(line: &str) -> Option<(&str, &str, &str)> {
    let (name, _) = line.split_once('-')?;
    if !NAMES.contains(&name) {
        return None;
    }
    let equals = line.find('=')?;
    let (left, value) = (line.get(..equals)?, line.get(equals + 1..)?);
    let operator = match left.chars().last()? {
        '+' => "+=",
        _ => ":=",
    };
    Some((
        left.trim_end_matches(['+', ':']).trim_end(),
        operator,
        value,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of 5.15 that matter, and some around them.
    fn makefile() -> String {
        let lists = "core-y\t\t:= init/ usr/ arch/$(SRCARCH)/\ndrivers-y\t:= drivers/ sound/\n\
                     drivers-$(CONFIG_SAMPLES) += samples/\ndrivers-$(CONFIG_NET) += net/\n\
                     drivers-y\t+= virt/\nlibs-y\t\t:= lib/\n";
        format!(
            "ifeq ($(need-sub-make),)\nifdef mixed-build\n\techo\nelse # !mixed-build\n\
             ifdef config-build\ninclude $(srctree)/arch/$(SRCARCH)/Makefile\nelse #!config-build\n\
             ifeq ($(KBUILD_EXTMOD),)\n{lists}endif # KBUILD_EXTMOD\n\
             ifeq ($(shell test),y)\nKBUILD_CFLAGS += -g\nendif\n\
             include $(srctree)/arch/$(SRCARCH)/Makefile\n\
             ifeq ($(KBUILD_EXTMOD),)\ncore-y\t\t\t+= kernel/ certs/ \\\n\tmm/\n\
             core-$(CONFIG_BLOCK)\t+= block/\n\
             vmlinux-dirs := $(core-y)\n{LISTS}endif\nendif\nendif\nendif\n"
        )
    }

    const ARCH: &str = "head-y := arch/x86/kernel/head_$(BITS).o\nhead-y += arch/x86/kernel/ebda.o\n\
                        libs-y  += arch/x86/lib/\nlibs-$(CONFIG_EFI_STUB) += $(objtree)/efi/lib.a\n\
                        drivers-$(CONFIG_PCI)            += arch/x86/pci/ # buses\n";

    fn inputs(makefile: &str, arch_makefile: &str, set: &[&str]) -> Option<(String, String)> {
        let link = ScriptLink {
            script: OBJECTS,
            makefile,
            arch_makefile,
            srcarch: "x86",
            option: &|option| set.contains(&option).then(|| "y".to_owned()),
        };
        let text = |paths: Vec<PathBuf>| {
            let paths = paths.iter().map(|path| path.display().to_string());
            paths.collect::<Vec<_>>().join(" ")
        };
        let KbuildLink { objs, libs } = link.inputs()?;
        Some((text(objs), text(libs)))
    }

    #[test]
    fn the_lists_are_those_of_the_makefiles() {
        let all = ["64BIT", "MODULES", "NET", "BLOCK", "EFI_STUB", "PCI"];
        let (objs, libs) = inputs(&makefile(), ARCH, &all).expect("a link");
        assert_eq!(
            objs,
            "arch/x86/kernel/head_64.o arch/x86/kernel/ebda.o init/built-in.a usr/built-in.a \
             arch/x86/built-in.a kernel/built-in.a certs/built-in.a mm/built-in.a block/built-in.a \
             lib/built-in.a arch/x86/lib/built-in.a lib/lib.a arch/x86/lib/lib.a drivers/built-in.a \
             sound/built-in.a net/built-in.a virt/built-in.a arch/x86/pci/built-in.a"
        );
        assert_eq!(libs, "efi/lib.a");
    }

    #[test]
    fn without_modules_the_linker_chooses_from_all_libraries() {
        let (objs, libs) = inputs(&makefile(), ARCH, &[]).expect("a link");
        assert!(objs.starts_with("arch/x86/kernel/head_32.o "), "{objs}");
        assert!(!objs.contains("lib.a") && !objs.contains("pci"), "{objs}");
        assert_eq!(libs, "lib/lib.a arch/x86/lib/lib.a");
    }

    #[test]
    fn lines_that_only_make_understands_give_no_result() {
        for line in [
            "core-y += $(shell find vendor)\n",
            "ifeq ($(VENDOR),y)\ncore-y += vendor/\nendif\n",
        ] {
            assert_eq!(inputs(&makefile(), &format!("{ARCH}{line}"), &[]), None);
        }
        let other = makefile().replace("$(filter-out %/, $(libs-y))", "$(libs-y)");
        assert_eq!(inputs(&other, ARCH, &[]), None);
    }
}
