// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks the recipes for build systems in `docs/recipes` against the sources: the options, commands, files and
//! versions that they name, and the form of their scripts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::TestDir;
use walkdir::WalkDir;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the workspace of this package").to_owned()
}

fn recipes() -> PathBuf {
    root().join("docs/recipes")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the files below a directory of the repository, with their text.
fn texts(dir: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in WalkDir::new(root().join(dir)).sort_by_file_name() {
        let path = entry.expect("an entry").into_path();
        if path.is_file() {
            let name = path.strip_prefix(root()).expect("below the repository");
            files.push((name.display().to_string(), read(&path)));
        }
    }
    assert!(!files.is_empty(), "no file in {dir}");
    files
}

/// Returns the words of a text, which consist of letters, digits and `_`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// Returns the options that Kconfig files define.
fn defined_options(kconfig: &str) -> BTreeSet<&str> {
    let lines = kconfig.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix("config "))
        .collect()
}

/// Returns the options of LTO that a text names, with `CONFIG_` or, as in scripts of build systems, without.
fn named_options(text: &str) -> BTreeSet<&str> {
    words(text)
        .map(|word| word.strip_prefix("CONFIG_").unwrap_or(word))
        .filter(|word| word.starts_with("LTO_") && *word != "LTO_TOOLS")
        .collect()
}

#[test]
fn options_of_the_kernel_exist() {
    let mut kconfig = String::new();
    for (name, text) in texts("kconfig") {
        if name.contains("/Kconfig") {
            kconfig.push_str(&text);
        }
    }
    let defined = defined_options(&kconfig);
    let mut n_named = 0;
    for (name, text) in texts("docs/recipes") {
        for option in named_options(&text) {
            assert!(defined.contains(option), "{name}: no option {option}");
            n_named += 1;
        }
    }
    assert!(n_named > 10, "only {n_named} options are named");
}

#[test]
fn options_are_taken_from_texts() {
    let text = "CONFIG_LTO_NONE is; opts_y+=(\"LTO_CLANG_THIN\") KBUILD_LTO_X LTO_TOOLS=/b";
    assert_eq!(named_options(text), ["LTO_CLANG_THIN", "LTO_NONE"].into());
    assert_eq!(
        defined_options("config A\n\tbool\nmenuconfig C\n"),
        ["A"].into()
    );
}

/// Returns the command of xtask and its flags in each line of a text that calls it.
fn xtask_calls(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut calls = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("xtask ") {
            let mut words = line[at..].split_whitespace().skip(1);
            let command = words.next().unwrap_or_default();
            let command = command.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let flags = words.take_while(|word| *word != "#");
            let flags = flags.filter_map(|word| word.strip_prefix("--"));
            calls.push((command, flags.collect()));
        }
    }
    calls
}

/// The commands of xtask exist, with their flags, and the plugins that they name.
#[test]
fn commands_of_xtask_exist() {
    let plugins: BTreeSet<&str> = plugin_table::names().collect();
    let mut n_calls = 0;
    for (name, text) in texts("docs/recipes") {
        for (command, flags) in xtask_calls(&text) {
            let source = read(format!("xtask/src/{command}.rs"));
            for flag in flags {
                let flag = flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                let field = format!("    {}: ", flag.replace('-', "_"));
                assert!(source.contains(&field), "{name}: {command} --{flag}");
            }
            n_calls += 1;
        }
        for (_, rest) in text
            .match_indices("--plugins ")
            .map(|(at, found)| (at, &text[at + found.len()..]))
        {
            let list = rest.split_whitespace().next().unwrap_or_default();
            for plugin in list.split(',').filter(|plugin| !plugin.starts_with('$')) {
                assert!(plugins.contains(plugin), "{name}: no plugin {plugin}");
            }
        }
    }
    assert!(n_calls > 8, "only {n_calls} calls");
}

#[test]
fn calls_are_taken_from_lines() {
    let text = "  a/xtask series --tree . --in-order   # --not\n`xtask install`, and\nno tasks\n";
    assert_eq!(
        xtask_calls(text),
        [("series", vec!["tree", "in-order"]), ("install", vec![])]
    );
}

/// The release that recipes unpack, and the directory of its programs.
#[test]
fn the_release_is_this_version() {
    let version = plugin_table::VERSION;
    let mut n_named = 0;
    for (name, text) in texts("docs/recipes") {
        for (at, start) in text.match_indices("kbuild-lto-0") {
            let rest = &text[at + start.len() - 1..];
            let found: String = rest
                .chars()
                .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
                .collect();
            assert_eq!(found.trim_end_matches('.'), version, "{name}");
            n_named += 1;
        }
        for (at, _) in text.match_indices("-unknown-linux-gnu") {
            let target = installer::HOST.split_once('-').expect("a target").1;
            assert!(text[at + 1..].starts_with(target), "{name}");
        }
    }
    assert!(n_named > 4, "the release is named {n_named} times");
    let package = read("docs/recipes/buildroot/package/kbuild-lto/kbuild-lto.mk");
    assert!(package.contains(&format!("\nKBUILD_LTO_VERSION = {version}\n")));
    let recipe =
        format!("docs/recipes/yocto/recipes-devtools/kbuild-lto/kbuild-lto-native_{version}.bb");
    let recipe = read(recipe);
    for licence in ["LICENSE-GPL-2.0", "LICENSE-MIT"] {
        let mut md5sum = Command::new("md5sum");
        let sum = test_support::stdout(md5sum.arg(root().join(licence)));
        let sum = sum.split(' ').next().unwrap_or_default();
        assert!(
            recipe.contains(&format!("file://{licence};md5={sum}")),
            "{licence} has the sum {sum}"
        );
    }
}

/// Each page names the files of its directory, and only such.
#[test]
fn pages_name_the_files_that_are_there() {
    for system in ["buildroot", "yocto", "debian", "armbian"] {
        let folder = format!("docs/recipes/{system}");
        let page = read(format!("{folder}/README.md"));
        let table = page.split("## Use").next().expect("a page");
        // The first cell of each row that begins with a name.
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split(" | ").next());
        let named: BTreeSet<&str> = cells
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        let files = texts(&folder);
        let files: BTreeSet<&str> = files
            .iter()
            .map(|(path, _)| &path[folder.len() + 1..])
            .filter(|path| *path != "README.md")
            .collect();
        for file in &files {
            let is_named = named.iter().any(|name| file.ends_with(name));
            assert!(is_named, "{folder}/README.md does not name {file}");
        }
        for name in named {
            let is_there = files.iter().any(|file| file.ends_with(name));
            assert!(is_there, "{folder}/README.md names {name}");
        }
    }
}

fn accepts(shell: &str, name: &str, script: &str) {
    let dir = TestDir::new();
    let path = dir.write("script", script);
    let output = Command::new(shell).arg("-n").arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
}

/// Returns the tasks of a class that are written in shell.
fn shell_tasks(class: &str) -> Vec<String> {
    let mut tasks = Vec::new();
    let mut task: Option<String> = None;
    for line in class.lines() {
        if line.starts_with("do_") && line.ends_with("() {") {
            task = Some("task() {\n".to_owned());
        } else if let Some(text) = &mut task {
            text.push_str(line);
            text.push('\n');
            if line == "}" {
                tasks.extend(task.take());
            }
        }
    }
    tasks
}

#[test]
fn scripts_are_shell() {
    accepts(
        "bash",
        "the extension",
        &read("docs/recipes/armbian/extensions/kbuild-lto.sh"),
    );
    accepts(
        "sh",
        "tools-package",
        &read("docs/recipes/debian/tools-package"),
    );
    let mut n_tasks = 0;
    for (name, text) in texts("docs/recipes/yocto") {
        for task in shell_tasks(&text) {
            accepts("sh", &name, &task);
            n_tasks += 1;
        }
    }
    assert_eq!(n_tasks, 3, "tasks of the layer");
    // The commands of the pages are short lines without placeholders of the shell.
    for (name, text) in texts("docs/recipes") {
        for block in text.split("```").skip(1).step_by(2) {
            if name.ends_with("/README.md") && !block.contains("BR2_LINUX_KERNEL_EXT_KBUILD_LTO=y")
            {
                accepts("sh", &name, block);
            }
        }
    }
}

/// Classes that a recipe of the layer inherits are in the layer or in OpenEmbedded-Core, and so are files.
#[test]
fn the_layer_has_its_classes_and_files() {
    const OF_CORE: [&str; 1] = ["native"];
    let layer = recipes().join("yocto");
    let mut n_inherited = 0;
    for (name, text) in texts("docs/recipes/yocto") {
        if name.ends_with("/README.md") {
            continue;
        }
        for class in text
            .lines()
            .filter_map(|line| line.strip_prefix("inherit "))
        {
            let path = layer.join(format!("classes/{class}.bbclass"));
            assert!(
                OF_CORE.contains(&class) || path.is_file(),
                "{name}: no class {class}"
            );
            n_inherited += 1;
        }
        let folder = root().join(&name).parent().map(Path::to_owned);
        for (at, scheme) in text.match_indices("\"file://") {
            let file = text[at + scheme.len()..].split(['"', ';', ' ']).next();
            let file = file.unwrap_or_default();
            // The release and the licences in it are not part of the layer.
            if file.contains("${PV}") || file.starts_with("LICENSE-") {
                continue;
            }
            let path = folder
                .as_ref()
                .map(|folder| folder.join("files").join(file));
            assert!(
                path.is_some_and(|path| path.is_file()),
                "{name}: no files/{file}"
            );
        }
    }
    assert_eq!(n_inherited, 4);
}

/// Buildroot's options are defined in the external tree, and make reads what the tree adds to the kernel.
#[test]
fn the_external_tree_of_buildroot_is_whole() {
    let folder = "docs/recipes/buildroot";
    let defined = read(format!("{folder}/linux/Config.ext.in"));
    let defined = defined_options(&defined);
    for (name, text) in texts(folder) {
        for option in words(&text).filter(|word| word.contains("_EXT_KBUILD_LTO")) {
            assert!(defined.contains(option), "{name}: no option {option}");
        }
    }
    let flags = |settings: &str| {
        let dir = TestDir::new();
        let extension = root().join(folder).join("linux/linux-ext-kbuild-lto.mk");
        let makefile = format!(
            "qstrip = $(strip $(subst \",,$(1)))\nHOST_DIR = /host\nLINUX_CFLAGS = -Wno-gcc\n{settings}\n\
             include {}\nall:\n\t@echo 'cflags=$(LINUX_CFLAGS)' '$(LINUX_MAKE_FLAGS)' \
             '$(LINUX_KCONFIG_DEPENDENCIES)' '$(LINUX_POST_PATCH_HOOKS)'\n",
            extension.display()
        );
        let makefile = dir.write("Makefile", makefile);
        let mut make = Command::new("make");
        test_support::stdout(make.arg("-s").arg("-f").arg(makefile))
    };
    assert_eq!(flags("").trim(), "cflags=-Wno-gcc");
    let on = "BR2_LINUX_KERNEL_EXT_KBUILD_LTO = y\n";
    let own = flags(on);
    let tools = format!("LTO_TOOLS=/host/libexec/kbuild-lto/bin/{}", installer::HOST);
    for part in [
        "cflags= ",
        "CC=/host/bin/clang.br_real ",
        "LLVM_IAS=1 ",
        &tools,
        "host-kbuild-lto host-clang host-lld host-llvm",
    ] {
        assert!(own.contains(part), "no `{part}` in {own}");
    }
    assert!(!own.contains("LINUX_KBUILD_LTO_INSTALL"), "{own}");
    let machines = flags(&format!(
        "{on}BR2_LINUX_KERNEL_EXT_KBUILD_LTO_LLVM = \"/llvm\"\n\
         BR2_LINUX_KERNEL_EXT_KBUILD_LTO_INSTALL = y\n"
    ));
    for part in [
        "CC=/llvm/clang ",
        "LD=/llvm/ld.lld ",
        "LINUX_KBUILD_LTO_INSTALL",
    ] {
        assert!(machines.contains(part), "no `{part}` in {machines}");
    }
    assert!(!machines.contains("host-clang"), "{machines}");
}

/// The package of the tools has them where the patch of the packaging tells make, and the patch is a patch.
#[test]
fn the_tools_of_debians_kernel_are_in_their_package() {
    let patch = "docs/recipes/debian/clang.patch";
    let text = read(patch);
    let at = "'export LTO_TOOLS = ";
    let directory = text
        .split(at)
        .nth(1)
        .and_then(|rest| rest.split('\'').next());
    let directory = directory.expect("the directory of the tools");
    let mut git = Command::new("git");
    git.args(["apply", "--numstat"]).arg(root().join(patch));
    let files = test_support::stdout(git.current_dir(std::env::temp_dir()));
    for file in [
        "rules.real",
        "rules.d/scripts/Makefile",
        "rules.d/scripts/lto/Makefile",
    ] {
        assert!(files.contains(&format!("debian/{file}")), "{files}");
    }
    let dir = TestDir::new();
    let bin = format!("release/bin/{}", installer::HOST);
    dir.write("release/VERSION", "kbuild-lto 1.2.3\ncommit abc\n");
    for program in ["lto-link", "xtask"] {
        dir.write(format!("{bin}/{program}"), program);
    }
    let mut script = Command::new("sh");
    script.arg(recipes().join("debian/tools-package"));
    test_support::stdout(script.arg(dir.join("release")).arg(dir.path()));
    let mut list = Command::new("dpkg-deb");
    let package = dir.join("kbuild-lto-tools_1.2.3_amd64.deb");
    let listed = test_support::stdout(list.arg("--contents").arg(package));
    assert!(
        listed.contains(&format!(".{directory}/lto-link\n")),
        "{listed}"
    );
    assert!(!listed.contains("xtask"), "{listed}");
    let defines = read("docs/recipes/debian/defines");
    let relations = defines.lines().filter(|line| line.contains("clang-19: "));
    let relations: Vec<_> = relations.collect();
    assert_eq!(relations.len(), 2, "{defines}");
    for line in relations {
        assert!(line.contains("kbuild-lto-tools"), "{line}");
    }
}
