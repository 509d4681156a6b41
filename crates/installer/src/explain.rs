// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The texts that `install` prints.

use std::fmt::Write as _;
use std::path::Path;

use kernel_lab::{Failure, Outcome, table};
use kernel_tree::{Plan, Preview, Refusal, Report, Tool};
use plugin_table::Needed;

use crate::install::{Installed, Options};

/// Returns what `--dry-run` shows: the difference of the texts, the files, and what would refuse the install.
pub fn shown(plan: &Plan, preview: &Preview) -> Vec<u8> {
    let Preview {
        diff,
        report,
        drift: _,
        refusals,
    } = preview;
    let mut text = diff.clone();
    text.extend(listed("would be new", &report.made).bytes());
    text.extend(listed("would be edited", &report.changed).bytes());
    text.extend(listed("would be removed", &report.removed).bytes());
    text.extend(notes(plan).bytes());
    text.extend(refused(refusals).bytes());
    text.extend(b"Nothing was changed.\n");
    text
}

/// Returns what `--check` found; `None` if the tree is as the install would leave it.
pub fn different(options: &Options<'_>, preview: &Preview) -> Option<String> {
    let Preview {
        diff: _,
        report,
        drift,
        refusals,
    } = preview;
    if !drift && refusals.is_empty() {
        return None;
    }
    let mut text = listed("missing", &report.made);
    text += &listed("different", &report.changed);
    text += &listed("not of these plugins", &report.removed);
    if text.is_empty() {
        text += "the record of the install names other plugins or another version\n";
    }
    text += &refused(refusals);
    let fix = if refusals.is_empty() {
        "makes it so"
    } else {
        "then makes it so"
    };
    Some(format!(
        "{}: not as the install would leave it:\n{text}`{}` {fix}",
        options.tree.display(),
        install_command(options.tree, options.plugins),
    ))
}

/// Returns the reasons why an install would be refused, or nothing.
fn refused(refusals: &[Refusal]) -> String {
    let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    listed("the install would be refused", &reasons)
}

/// Returns the command that installs these plugins, as a shell takes it.
fn install_command(tree: &Path, plugins: &[String]) -> String {
    let tree = quoted(tree);
    match plugins {
        [] => format!("cargo xtask install --tree {tree}"),
        names => format!(
            "cargo xtask install --tree {tree} --plugins {}",
            names.join(",")
        ),
    }
}

/// Paths under a heading, or nothing.
fn listed(heading: &str, paths: &[String]) -> String {
    match paths {
        [] => String::new(),
        paths => format!("{heading}:\n  {}\n", paths.join("\n  ")),
    }
}

/// Returns the notes of the plugins, and the edits that were passed over.
fn notes(plan: &Plan) -> String {
    let notes = plan.notes.iter();
    notes.fold(String::new(), |mut text, note| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}: {}", note.plugin, note.text);
        text
    })
}

/// Returns the text after an install. `llvm` is the directory of the LLVM tools, if it was named.
pub fn installed_text(installed: &Installed, tree: &Path, llvm: Option<&Path>) -> String {
    let Installed {
        plan,
        report,
        missing: _,
        is_native: _,
    } = installed;
    let mut text = format!("{}\n", made_by_plugins(plan));
    text += &notes(plan);
    if !report.foreign.is_empty() {
        text += &listed("left alone in scripts/lto", &report.foreign);
    }
    text += &counted(report, tree);
    let lines = unresolved(&report.unresolved);
    for line in lines.chain(report.notes.iter().cloned()) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{line}");
    }
    text += &path_note(tree);
    text + &next_steps(installed, &quoted(tree), llvm)
}

/// Fails if a plugin does less in this tree than in others.
///
/// # Errors
/// A fault with what the plugins do not do, a line each.
pub fn complete(tree: &Path, plan: &Plan) -> Outcome {
    let lines = plan.withheld.iter();
    let lines: Vec<String> = lines
        .map(|note| format!("  {}: {}", note.plugin, note.text))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(Failure::Fault(anyhow::anyhow!(
        "{}: not everything of these plugins fits this tree; the rest does:\n{}",
        tree.display(),
        lines.join("\n")
    )))
}

/// Returns the table of the files that each plugin edited or made.
fn made_by_plugins(plan: &Plan) -> String {
    let joined = |paths: &mut dyn Iterator<Item = &str>| paths.collect::<Vec<_>>().join("\n");
    let heading = ["plugin", "edits", "new files"].map(str::to_owned);
    let rows = plan.plugins.iter().map(|name| {
        let tools = plan.tools.iter().filter(|tool| tool.plugin == *name);
        let tools: Vec<String> = tools.map(Tool::path).collect();
        let mut new = plan
            .created_by(name)
            .chain(tools.iter().map(String::as_str));
        [
            name.clone(),
            joined(&mut plan.edited_by(name)),
            joined(&mut new),
        ]
    });
    table::of(std::iter::once(heading).chain(rows)).to_string()
}

/// Returns the line that says how many files were changed.
fn counted(report: &Report, tree: &Path) -> String {
    let shown = tree.display();
    if report.is_unchanged() {
        return format!("{shown}: was already so, nothing was changed\n");
    }
    format!(
        "{shown}: {} files made, {} changed, {} removed\n",
        report.made.len(),
        report.changed.len(),
        report.removed.len()
    )
}

/// Returns a line for each file that has marks of a merge.
pub(crate) fn unresolved(paths: &[String]) -> impl Iterator<Item = String> {
    paths.iter().map(|path| {
        format!(
            "{path}: your change and that of this command meet: edit the file at the marks \
             <<<<<<< and >>>>>>>"
        )
    })
}

/// Returns a note for a path that the kernel's make does not take.
fn path_note(tree: &Path) -> String {
    let full = tree.canonicalize().unwrap_or_else(|_| tree.to_owned());
    if !full.to_string_lossy().contains([' ', '\t', ':']) {
        return String::new();
    }
    format!(
        "{}: the kernel's make takes no path with blanks or colons; move the tree before you \
         build it\n",
        full.display()
    )
}

/// Returns the next commands: build a kernel with LTO, or install the plugins that LTO still needs.
fn next_steps(installed: &Installed, tree: &str, llvm: Option<&Path>) -> String {
    let Installed {
        plan,
        report: _,
        missing,
        is_native,
    } = installed;
    let names = missing.iter().map(|needed| needed.plugin.as_str());
    let all: Vec<_> = plan
        .plugins
        .iter()
        .map(String::as_str)
        .chain(names)
        .collect();
    let install = format!(
        "cargo xtask install --tree {tree} --plugins {}",
        all.join(",")
    );
    if let Some(text) = not_offered(missing) {
        return format!("\n{text} To install all that it may need:\n  {install}\n");
    }
    let mut text = String::new();
    for Needed { plugin, with } in missing {
        let option = with.as_deref().unwrap_or_default();
        let _ = write!(
            text,
            "\nWith {option}, Kconfig does not offer LTO without {plugin}."
        );
    }
    if !missing.is_empty() {
        let _ = writeln!(text, " To install all that it may need:\n  {install}");
    }
    let path = llvm.map_or_else(String::new, |dir| format!("PATH={}:$PATH ", quoted(dir)));
    let make = format!(
        "{path}make -C {tree} O=$PWD/build ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- LLVM=1 \
         LLVM_IAS=1"
    );
    // Not every tree with its own LTO has distributed thin LTO, or takes the option that drops.
    let options = if *is_native {
        "-e LTO_CLANG_THIN"
    } else {
        "-e LTO_CLANG_THIN_DIST -e LTO_CLANG_INTERNALIZE"
    };
    text + &format!(
        "\nNext, for instance:\n  {make} defconfig\n  {tree}/scripts/config --file build/.config \
         -d LTO_NONE {options}\n  {make} olddefconfig all -j$(nproc)\n"
    )
}

/// Returns the sentence that names the plugins without which Kconfig never offers LTO.
pub(crate) fn not_offered(missing: &[Needed]) -> Option<String> {
    let always = missing.iter().filter(|needed| needed.with.is_none());
    let always: Vec<_> = always.map(|needed| needed.plugin.as_str()).collect();
    let names = always.join(", ");
    (!always.is_empty())
        .then(|| format!("Kconfig does not offer LTO yet: that also takes {names}."))
}

/// A path as a word of a shell command.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    // Only a NUL cannot be quoted, and no path has one.
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |word| word.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sample::{installed, options, previewed, tree};

    #[test]
    fn what_was_done_is_told_with_the_next_command() {
        let tree = tree();
        let path = Path::new("/llvm/bin");
        let mut installed_first = installed(&options(&tree));
        let lost = "Kconfig: it lost user.note";
        installed_first.report.notes.push(lost.to_owned());
        let text = installed_text(&installed_first, tree.path(), Some(path));
        for part in [
            lost,
            " sample  Kconfig  scripts/lto/VERSION",
            "scripts/lto/bin/sample-tool",
            "sample: passed over: the edit of Kconfig at `x` (only when no is there)\n",
            ": 2 files made, 1 changed, 0 removed\n",
            "  PATH=/llvm/bin:$PATH make -C ",
            " -e LTO_CLANG_THIN_DIST -e LTO_CLANG_INTERNALIZE\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let mut again = installed(&options(&tree));
        let text = installed_text(&again, tree.path(), None);
        assert!(text.contains("nothing was changed"), "{text}");
        again.is_native = true;
        let text = installed_text(&again, tree.path(), None);
        assert!(text.contains(" -d LTO_NONE -e LTO_CLANG_THIN\n"), "{text}");
    }

    #[test]
    fn what_lto_needs_besides_is_told_in_place_of_a_build_without_it() {
        let tree = tree();
        let mut installed = installed(&options(&tree));
        let needed = |plugin: &str, with: Option<&str>| Needed {
            plugin: plugin.to_owned(),
            with: with.map(str::to_owned),
        };
        let mod_dedup = needed("mod-dedup", Some("TRIM_UNUSED_KSYMS"));
        installed.missing = vec![
            needed("lto-disable", None),
            needed("section-merge", None),
            mod_dedup.clone(),
        ];
        let text = installed_text(&installed, tree.path(), None);
        let path = tree.path().display();
        let expected = format!(
            "\nKconfig does not offer LTO yet: that also takes lto-disable, section-merge. To \
             install all that it may need:\n  cargo xtask install --tree {path} --plugins \
             sample,lto-disable,section-merge,mod-dedup\n"
        );
        assert!(text.ends_with(&expected), "{text}");
        assert!(!text.contains("LTO_CLANG_THIN"), "{text}");

        installed.missing = vec![mod_dedup];
        let text = installed_text(&installed, tree.path(), None);
        let expected =
            "\nWith TRIM_UNUSED_KSYMS, Kconfig does not offer LTO without mod-dedup. To ";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("LTO_CLANG_THIN"), "{text}");
    }

    #[test]
    fn a_check_names_the_plugins_and_what_would_refuse_the_install() {
        let tree = tree();
        let plugins = ["sample".to_owned()];
        let options = Options::new(tree.path(), &plugins);
        installed(&options);
        let check = || different(&options, &previewed(&options).1);
        assert_eq!(check(), None);
        fs::write(tree.path().join("scripts/lto/bin/sample-tool"), "mine").unwrap();
        let text = check().unwrap();
        let command = format!(
            "`cargo xtask install --tree {} --plugins sample` then makes it so",
            tree.path().display()
        );
        for part in [
            "different:\n  scripts/lto/bin/sample-tool\n",
            "the install would be refused:\n  scripts/lto/bin/sample-tool was changed",
            &command,
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let (plan, preview) = previewed(&options);
        let text = String::from_utf8(shown(&plan, &preview)).unwrap();
        assert!(text.contains("the install would be refused"), "{text}");
    }

    #[test]
    fn paths_that_make_does_not_take_are_told_and_words_are_quoted() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("my linux");
        fs::rename(tree().path(), &path).unwrap();
        let text = installed_text(&installed(&Options::new(&path, &[])), &path, None);
        assert!(
            text.contains("takes no path with blanks or colons"),
            "{text}"
        );
        let word = format!("make -C '{}' O=$PWD/build", path.display());
        assert!(text.contains(&word), "`{word}` is not in: {text}");
    }
}
