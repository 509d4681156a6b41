// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The inputs of links by a kernel's own build, without lto-link.

use std::path::PathBuf;

/// The inputs that the command of the link of vmlinux.o names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KbuildLink {
    /// Archives that are linked completely.
    pub objs: Vec<PathBuf>,
    /// Libraries of which the linker takes the needed members.
    pub libs: Vec<PathBuf>,
}

/// Returns the inputs of the link whose command is in the text of `.vmlinux.o.cmd`; `None` if there is no
/// such command. Source: `cmd_ld_vmlinux.o` in `scripts/Makefile.vmlinux_o`, since Linux 5.19. Before,
/// `scripts/link-vmlinux.sh` linked vmlinux.o, and left no command.
pub fn kbuild_link(cmd_file: &str) -> Option<KbuildLink> {
    let is_command = |line: &&str| {
        let command = line.strip_prefix("saved").unwrap_or(line);
        command.starts_with("cmd_vmlinux.o ")
    };
    let line = cmd_file.lines().find(is_command)?;
    let (_, command) = line.split_once(":=")?;
    let mut link = KbuildLink::default();
    let mut into: Option<&mut Vec<PathBuf>> = None;
    for word in command.split_ascii_whitespace() {
        match word {
            "--whole-archive" => into = Some(&mut link.objs),
            "--start-group" => into = Some(&mut link.libs),
            "--no-whole-archive" | "--end-group" => into = None,
            // The next command is objtool.
            ";" => break,
            word => {
                if let Some(paths) = &mut into {
                    paths.push(word.into());
                }
            }
        }
    }
    (!link.objs.is_empty()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_archives_and_libraries() {
        let command = "ld.lld -m elf_x86_64 -z noexecstack -r -o vmlinux.o -T .tmp_initcalls.lds \
                       --whole-archive vmlinux.a --no-whole-archive --start-group lib/lib.a \
                       arch/x86/lib/lib.a --end-group ; ./tools/objtool/objtool --link vmlinux.o";
        let expected = KbuildLink {
            objs: vec!["vmlinux.a".into()],
            libs: vec!["lib/lib.a".into(), "arch/x86/lib/lib.a".into()],
        };
        for name in ["savedcmd_vmlinux.o", "cmd_vmlinux.o"] {
            let text = format!("{name} := {command}\n\nvmlinux.o: $(wildcard objtool)\n");
            assert_eq!(kbuild_link(&text), Some(expected.clone()));
        }
    }

    #[test]
    fn another_command_names_nothing() {
        assert_eq!(kbuild_link(""), None);
        assert_eq!(kbuild_link("cmd_vmlinux := link-vmlinux.sh ld.lld\n"), None);
        assert_eq!(
            kbuild_link("cmd_vmlinux.o := ld.lld -r -o vmlinux.o\n"),
            None
        );
    }
}
