// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Asks the kernel tree who gets a patch.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use kernel_lab::process;
use kernel_tree::Recipients;

/// The program that reads MAINTAINERS.
const SCRIPT: &str = "scripts/get_maintainer.pl";

/// A file that the maintainers of kbuild have.
const OF_KBUILD: &str = "Makefile";

/// Returns those to whom the tree's MAINTAINERS sends this patch: to the maintainers of its files, or to those of
/// kbuild if it has only new files and files that nobody maintains; a copy to the others that the script names,
/// some of whom look for a word.
///
/// # Errors
/// The tree has no such script, perl or a module of it is missing, or the script fails.
pub(crate) fn recipients(tree: &Path, patch: &Path) -> anyhow::Result<Recipients> {
    recipients_by("perl", tree, patch)
}

/// The same with another name of perl.
fn recipients_by(perl: &str, tree: &Path, patch: &Path) -> anyhow::Result<Recipients> {
    anyhow::ensure!(
        tree.join(SCRIPT).is_file(),
        "{}: no {SCRIPT}, so nothing says who maintains which file; without --by-maintainer, the series needs no \
         recipients",
        tree.display()
    );
    let patch = std::path::absolute(patch).with_context(|| patch.display().to_string())?;
    let patch = patch.display().to_string();
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(perl);
        command
            .current_dir(tree)
            .arg(SCRIPT)
            // Who has committed to a file is not asked: the answer would depend on the clone.
            .args(["--no-git", "--no-git-fallback", "--roles", "--norolestats"])
            .args(arguments)
            .env("LC_ALL", "C");
        let said = process::output(&mut command).with_context(|| {
            format!("{SCRIPT} needs the package perl (perl-base does not have File::Find)")
        })?;
        Ok::<_, anyhow::Error>(read(&said))
    };
    let mut found = ask(&["--no-keywords", &patch])?;
    if found.to.is_empty() {
        found.add(&ask(&["--no-keywords", "-f", OF_KBUILD])?);
    }
    let Recipients { to, cc } = ask(&[&patch])?;
    found.add(&Recipients {
        to: Vec::new(),
        cc: [cc, to].concat(),
    });
    Ok(found)
}

/// Reads the output of the script: one address in a line, then what it is in brackets.
fn read(said: &str) -> Recipients {
    let mut all = Recipients::default();
    for line in said.lines() {
        let end_of_mail = line.rfind("> (").map_or(0, |at| at + 1);
        let (address, role) = match line[end_of_mail..].split_once(" (") {
            Some((rest, role)) => (format!("{}{rest}", &line[..end_of_mail]), role),
            None => (line.to_owned(), ""),
        };
        let maintains = ["maintainer", "supporter", "odd fixer"];
        let (mut to, mut cc) = (Vec::new(), Vec::new());
        if maintains.iter().any(|start| role.starts_with(start)) {
            to.push(address);
        } else if !address.trim().is_empty() {
            cc.push(address);
        }
        all.add(&Recipients { to, cc });
    }
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn maintainers_are_told_from_reviewers_and_lists() {
        let said = "Arnd B <a@example.org> (maintainer:GENERIC INCLUDE/ASM HEADER FILES)\n\
                    \"H. P. A\" <h@example.org> (reviewer:X86 ARCHITECTURE (32-BIT AND 64-BIT))\n\
                    x86@example.org (maintainer:X86 ARCHITECTURE (32-BIT AND 64-BIT))\n\
                    B <b@example.org> (supporter:BPF (Safe dynamic programs and tools))\n\
                    linux-kernel@example.org (open list)\n\
                    l@example.org (moderated list:ARM64 PORT (AARCH64 ARCHITECTURE))\n\
                    l@example.org (open list)\n";
        let Recipients { to, cc } = read(said);
        let maintainers = [
            "Arnd B <a@example.org>",
            "x86@example.org",
            "B <b@example.org>",
        ];
        assert_eq!(to, maintainers);
        let others = [
            "\"H. P. A\" <h@example.org>",
            "linux-kernel@example.org",
            "l@example.org",
        ];
        assert_eq!(cc, others);
    }

    /// Sends patches of Kconfig to A, all others to K, and a copy to C, who looks for words.
    const SAMPLE: &str = r"
        my $keywords = !grep { $_ eq '--no-keywords' } @ARGV;
        if (grep { $_ eq '-f' } @ARGV) {
            print qq(K <k\@b> (maintainer:KERNEL BUILD)\n);
            exit;
        }
        open(my $patch, '<', $ARGV[-1]) or die 'no patch';
        my $text = join('', <$patch>);
        print qq(A <a\@b> (maintainer:KCONFIG)\n) if $text =~ /^diff .*Kconfig$/m;
        print qq(C <c\@b> (supporter:CLANG)\n) if $keywords;
        print qq(l\@b (open list)\n);
    ";

    #[test]
    fn a_patch_goes_to_the_maintainers_of_its_files_or_of_kbuild() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("scripts")).unwrap();
        fs::write(tree.path().join(SCRIPT), SAMPLE).unwrap();
        for (text, to) in [
            ("diff --git a/Kconfig b/Kconfig\n", "A <a@b>"),
            ("diff --git a/new b/new\n", "K <k@b>"),
        ] {
            let patch = tree.path().join("a.patch");
            fs::write(&patch, text).unwrap();
            let found = recipients(tree.path(), &patch).unwrap();
            assert_eq!(found.to, [to], "{text}");
            assert_eq!(found.cc, ["l@b", "C <c@b>"], "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let tree = tempfile::tempdir().unwrap();
        let patch = tree.path().join("a.patch");
        let error = |perl: &str| {
            let error = recipients_by(perl, tree.path(), &patch).unwrap_err();
            format!("{error:#}")
        };
        assert!(error("perl").contains("no scripts/get_maintainer.pl"));
        fs::create_dir(tree.path().join("scripts")).unwrap();
        fs::write(tree.path().join(SCRIPT), "die 'No such module';\n").unwrap();
        let told = error("no-such-perl");
        assert!(
            told.contains("the package perl") && told.contains("starting `no-such-perl"),
            "{told}"
        );
        let told = error("perl");
        assert!(
            told.contains("the package perl") && told.contains("No such module"),
            "{told}"
        );
    }
}
