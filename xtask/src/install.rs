// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask install`: plugins into a kernel tree.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use kernel_tree::{KnownLto, Offer, Plan, Report, Table, Tool, Tree};
use plugin_table::Needed;
use serde::Deserialize;

use crate::llvm;
use crate::outcome::{Failure, Outcome, print};
use crate::process;
use crate::status;
use crate::table;

/// Puts plugins into a kernel tree.
///
/// A tree without LTO gets LTO. To a tree whose own build knows it, single plugins are offered that
/// replace or check what it does; without --plugins they are explained, and nothing is changed.
///
/// New files go into scripts/lto of the tree; existing files get a few lines each, at places that
/// must be exactly as the plugins know them. Every edited file is kept, and `uninstall` gives it
/// back. A tree that has plugins already gets those that are named now, and no others.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask install --tree ~/linux-5.10 --dry-run
  cargo xtask install --tree ~/linux-5.10
  cargo xtask install --tree ~/linux-5.10 --plugins lto-link,modversions --check
  cargo xtask install --tree ~/linux-6.12
  cargo xtask install --tree ~/linux-6.12 --plugins initcall-order

Exit code: 0 done; 1 --check found the tree different; 2 the tree was refused, and not changed.")]
pub struct Args {
    /// The kernel tree.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The plugins, with all that they require [default: all, or none in a tree with LTO].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    plugins: Vec<String>,
    /// Change nothing: show what would be changed.
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Change nothing: fail if the tree is not as this install would leave it.
    #[arg(long, conflicts_with = "discard_changes")]
    check: bool,
    /// Give up changes that were made to installed files since they were installed.
    #[arg(long)]
    discard_changes: bool,
    /// The directory of the LLVM tools to build with: check that they are fit for LTO.
    #[arg(long, value_name = "DIR")]
    llvm: Option<PathBuf>,
}

/// The options of an install.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The names of the plugins; all if there are none, in a tree without LTO.
    pub plugins: &'a [String],
    /// Whether changes to installed files may be overwritten.
    pub discard_changes: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    let Args {
        tree,
        plugins,
        dry_run,
        check,
        discard_changes,
        llvm,
    } = args;
    let options = Options {
        tree: &tree,
        plugins: &plugins,
        discard_changes,
    };
    if let Some(dir) = &llvm {
        check_llvm(dir).with_context(|| format!("--llvm {}", dir.display()))?;
    }
    if plugins.is_empty() && !check {
        // What only looks changes nothing, and tells of an interrupted command.
        if !dry_run {
            status::recover(&tree)?;
        }
        if Tree::open(&tree)?.known_lto()? == KnownLto::Native {
            return explain(&tree);
        }
    }
    if dry_run {
        return show(&options);
    }
    if check {
        return compare(&options);
    }
    let table = plugin_table::table()?;
    let (plan, report) = install_with(&table, &options, build_tools)?;
    let missing = missing_for_lto(&table, &plan, &tree)?;
    print(&done(&plan, &report, &tree, llvm.as_deref(), &missing))?;
    Ok(())
}

/// Installs the plugins: finishes what an interrupted command left, plans, builds the tools, and
/// writes.
///
/// # Errors
/// The tree is refused, the tools cannot be built, the tree cannot be written.
pub fn install(options: &Options<'_>) -> anyhow::Result<(Plan, Report)> {
    install_with(&plugin_table::table()?, options, build_tools)
}

fn install_with(
    table: &Table,
    options: &Options<'_>,
    build: impl FnOnce(&[Tool]) -> anyhow::Result<BTreeMap<String, Vec<u8>>>,
) -> anyhow::Result<(Plan, Report)> {
    let Options {
        tree,
        plugins,
        discard_changes,
    } = *options;
    status::recover(tree)?;
    let before = Tree::open(tree)?;
    let plan = planned(table, &before, plugins)?;
    kernel_tree::check_install(&before, &plan, discard_changes)?;
    let tools = plan.tools;
    let binaries = build(&tools)?;
    // Building takes a minute. The plan is made of the tree as it is then, so that no edit is lost.
    let tree = Tree::open(tree)?;
    let plan = planned(table, &tree, plugins)?;
    anyhow::ensure!(
        plan.tools == tools,
        "{}: changed while the tools were built, so that it needs others; run the command again",
        tree.dir().display()
    );
    let report = kernel_tree::install(&tree, &plan, &binaries, discard_changes)?;
    Ok((plan, report))
}

/// The plan of these plugins; of all, if none is named, in a tree without LTO.
fn planned(table: &Table, tree: &Tree, names: &[String]) -> anyhow::Result<Plan> {
    if names.is_empty() && tree.known_lto()? == KnownLto::Native {
        anyhow::bail!(
            "{}: its own build knows LTO: name the plugins; without --check, this command explains \
             which there are",
            tree.dir().display()
        );
    }
    Ok(Plan::new(
        tree,
        &table.choose(tree, names)?,
        plugin_table::VERSION,
    )?)
}

/// Says what is offered to a tree whose own build knows LTO.
fn explain(dir: &Path) -> Outcome {
    let tree = Tree::open(dir)?;
    let table = plugin_table::table()?;
    let offers = table.offers(&tree)?;
    let installed = kernel_tree::status(&tree)?.installed;
    let installed = installed.map_or_else(Vec::new, |installed| installed.plugins);
    print(explanation(dir, &tree, &offers, &installed).as_bytes())?;
    Ok(())
}

fn explanation(dir: &Path, tree: &Tree, offers: &[Offer<'_>], installed: &[String]) -> String {
    let dir = dir.display();
    let heading = [
        "plugin",
        "offered",
        "what it does there, or why it is not offered",
    ];
    let rows = offers.iter().map(|offer| {
        let name = offer.plugin.name;
        let is_installed = installed.iter().any(|installed| installed == name);
        let (offered, what) = match (offer.refused, offer.does) {
            (Some(reason), _) => ("no", reason),
            (None, does) if is_installed => ("installed", does.unwrap_or_default()),
            (None, does) => ("yes", does.unwrap_or_default()),
        };
        [name, offered, what].map(str::to_owned)
    });
    let mut text = format!(
        "{dir}: linux {}, whose own build knows LTO. Single plugins are offered; each stands \
         alone:\n\n{}\n",
        tree.version(),
        table::of(std::iter::once(heading.map(str::to_owned)).chain(rows))
    );
    let names: Vec<&str> = offers
        .iter()
        .filter(|offer| offer.is_made())
        .map(|offer| offer.plugin.name)
        .collect();
    let (verb, names) = if installed.is_empty() {
        ("To take some", names.join(","))
    } else {
        ("To install again what is installed", installed.join(","))
    };
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "{verb} (docs/adopting.md):\n  cargo xtask install --tree {dir} --plugins {names}\n\
         Nothing was changed.\n"
    );
    text
}

/// Returns the names of the plugins that are offered to a tree whose own build knows LTO.
///
/// # Errors
/// The tree cannot be read.
pub fn offered(tree: &Path) -> anyhow::Result<Vec<String>> {
    let table = plugin_table::table()?;
    let offers = table.offers(&Tree::open(tree)?)?;
    let made = offers.iter().filter(|offer| offer.is_made());
    Ok(made.map(|offer| offer.plugin.name.to_owned()).collect())
}

/// Returns the plan of an install, and its difference to the present tree.
///
/// # Errors
/// The tree is refused.
pub fn previewed(options: &Options<'_>) -> anyhow::Result<(Plan, kernel_tree::Preview)> {
    let tree = Tree::open(options.tree)?;
    let plan = planned(&plugin_table::table()?, &tree, options.plugins)?;
    let preview = kernel_tree::preview(&tree, &plan)?;
    Ok((plan, preview))
}

fn show(options: &Options<'_>) -> Outcome {
    let (plan, preview) = previewed(options)?;
    let mut text = preview.diff;
    text.extend(listed("would be new", &preview.report.made).bytes());
    text.extend(listed("would be edited", &preview.report.changed).bytes());
    text.extend(listed("would be removed", &preview.report.removed).bytes());
    text.extend(notes(&plan).bytes());
    text.extend(b"Nothing was changed.\n");
    print(&text)?;
    Ok(())
}

fn compare(options: &Options<'_>) -> Outcome {
    let (_, preview) = previewed(options)?;
    if !preview.drift {
        return Ok(());
    }
    let report = &preview.report;
    let mut text = listed("missing", &report.made);
    text += &listed("different", &report.changed);
    text += &listed("not of these plugins", &report.removed);
    if text.is_empty() {
        text += "the record of the install names other plugins or another version\n";
    }
    Err(Failure::Fault(anyhow::anyhow!(
        "{}: not as the install would leave it:\n{text}`cargo xtask install --tree {}` mends it",
        options.tree.display(),
        options.tree.display(),
    )))
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

/// Returns the plugins that LTO still needs; none in a tree whose own build knows LTO.
fn missing_for_lto(table: &Table, plan: &Plan, dir: &Path) -> anyhow::Result<Vec<Needed>> {
    let tree = Tree::open(dir)?;
    if tree.known_lto()? == KnownLto::Native {
        return Ok(Vec::new());
    }
    let all = table.choose::<&str>(&tree, &[])?;
    let mut needed = plugin_table::needed_for_lto();
    needed.retain(|Needed { plugin, .. }| {
        let is_offered = all.plugins().any(|one| one.name == plugin);
        is_offered && !plan.plugins.contains(plugin)
    });
    Ok(needed)
}

/// Returns the text after an install; `missing` are the plugins that LTO still needs.
fn done(
    plan: &Plan,
    report: &Report,
    tree: &Path,
    llvm: Option<&Path>,
    missing: &[Needed],
) -> Vec<u8> {
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
    let mut text = format!("{}\n", table::of(std::iter::once(heading).chain(rows)));
    text += &notes(plan);
    if !report.foreign.is_empty() {
        text += &listed("left alone in scripts/lto", &report.foreign);
    }
    let shown = tree.display();
    if report.is_unchanged() {
        let _ = writeln!(text, "{shown}: was already so, nothing was changed");
    } else {
        let Report {
            made,
            changed,
            removed,
            foreign: _,
        } = report;
        let _ = writeln!(
            text,
            "{shown}: {} files made, {} changed, {} removed",
            made.len(),
            changed.len(),
            removed.len()
        );
    }
    let full = tree.canonicalize().unwrap_or_else(|_| tree.to_owned());
    if full.to_string_lossy().contains([' ', '\t', ':']) {
        let _ = writeln!(
            text,
            "{}: the kernel's make takes no path with blanks or colons; move the tree before you \
             build it",
            full.display()
        );
    }
    text += &next_steps(plan, &quoted(tree), llvm, missing);
    text.into_bytes()
}

/// Returns the next commands: build a kernel with LTO, or install the plugins that LTO still needs.
fn next_steps(plan: &Plan, tree: &str, llvm: Option<&Path>, missing: &[Needed]) -> String {
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
    let always = missing.iter().filter(|needed| needed.with.is_none());
    let always: Vec<_> = always.map(|needed| needed.plugin.as_str()).collect();
    if !always.is_empty() {
        return format!(
            "\nKconfig does not offer LTO yet: that also takes {}. To install all that it may \
             need:\n  {install}\n",
            always.join(", ")
        );
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
    text + &format!(
        "\nNext, for instance:\n  {make} defconfig\n  {tree}/scripts/config --file build/.config \
         -d LTO_NONE -e LTO_CLANG_THIN\n  {make} olddefconfig all -j$(nproc)\n"
    )
}

/// A path as a word of a shell command.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    // Only a NUL cannot be quoted, and no path has one.
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |word| word.to_string())
}

/// Checks that the tools in a directory can build a kernel with LTO, and that what its clang
/// writes can be read.
fn check_llvm(dir: &Path) -> anyhow::Result<()> {
    const SOURCE: &str = "int lto_probe(void) { return 0; }\n";
    llvm::complete(dir)?;
    let scratch = tempfile::tempdir().context("a temporary directory")?;
    let (source, object) = (
        scratch.path().join("probe.c"),
        scratch.path().join("probe.o"),
    );
    fs::write(&source, SOURCE).with_context(|| source.display().to_string())?;
    let mut clang = Command::new(dir.join("clang"));
    clang
        .args(["-flto=thin", "-c", "-o"])
        .args([&object, &source]);
    process::output(&mut clang).context("its clang makes no bitcode")?;
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

/// One line of what cargo writes about a build; the others have no such `reason`.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the tools, and reads them.
fn build_tools(tools: &[Tool]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    if tools.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let executables = built(&names)?;
    tools
        .iter()
        .map(|Tool { name, plugin }| {
            let path = executables.get(name).with_context(|| {
                format!("{plugin}: the package {name} builds no binary of that name")
            })?;
            let content = fs::read(path).with_context(|| path.display().to_string())?;
            Ok((name.clone(), content))
        })
        .collect()
}

/// Builds one tool, and gives its path.
///
/// # Errors
/// It cannot be built.
pub fn built_tool(name: &str) -> anyhow::Result<PathBuf> {
    let path = built(&[name])?.remove(name);
    path.with_context(|| format!("the package {name} builds no binary of that name"))
}

/// Builds packages, and gives the paths of their executables by name.
fn built(packages: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--quiet"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(crate::workspace::root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    for package in packages {
        command.args(["--package", package]);
    }
    let shown = process::shown(&command);
    eprintln!("building the tools: {shown}");
    let output = command
        .output()
        .with_context(|| format!("starting `{shown}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{shown}` failed ({})",
        output.status
    );
    let said = String::from_utf8(output.stdout).with_context(|| format!("what `{shown}` wrote"))?;
    executables(&said).with_context(|| format!("what `{shown}` wrote"))
}

/// The executables that cargo says it built, by name.
fn executables(said: &str) -> serde_json::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for line in said.lines() {
        let Artifact {
            reason,
            target,
            executable,
        } = serde_json::from_str(line)?;
        if reason == "compiler-artifact"
            && let (Some(Target { name }), Some(path)) = (target, executable)
        {
            found.insert(name, path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use kernel_tree::{Folder, GlueFile};

    use super::*;

    const PLUGIN: Folder = Folder {
        name: "sample",
        files: &[GlueFile {
            name: "edits.toml",
            text: "[plugin]\ntitle = 'Be a sample'\ntools = ['sample-tool']\n\
                   [[edit]]\nfile = 'Kconfig'\nanchor = 'a'\nreplace = 'b'\nreason = 'r'\n\
                   [[edit]]\nfile = 'Kconfig'\nanchor = 'x'\nreplace = 'y'\nreason = 'r'\n\
                   when = [{ exists = 'no' }]\n",
        }],
        generate: None,
    };

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().expect("a temporary directory");
        for dir in ["arch", "scripts"] {
            fs::create_dir(tree.path().join(dir)).expect(dir);
        }
        for (path, text) in [
            ("Makefile", "VERSION = 5\nPATCHLEVEL = 10\n"),
            ("Kconfig", "a"),
            ("scripts/Makefile.build", ""),
        ] {
            fs::write(tree.path().join(path), text).expect(path);
        }
        tree
    }

    fn options(tree: &tempfile::TempDir) -> Options<'_> {
        Options {
            tree: tree.path(),
            plugins: &[],
            discard_changes: false,
        }
    }

    fn installed(tree: &tempfile::TempDir, table: &Table) -> (Plan, Report) {
        let build = |tools: &[Tool]| {
            let binary = |tool: &Tool| (tool.name.clone(), b"binary".to_vec());
            Ok(tools.iter().map(binary).collect())
        };
        install_with(table, &options(tree), build).expect("an install")
    }

    #[test]
    fn what_was_done_is_told_with_the_next_command() {
        let tree = tree();
        let table = Table::new("", vec![PLUGIN]).unwrap();
        let (plan, report) = installed(&tree, &table);
        let path = Path::new("/llvm/bin");
        let text = String::from_utf8(done(&plan, &report, tree.path(), Some(path), &[])).unwrap();
        for part in [
            " sample  Kconfig  scripts/lto/VERSION",
            "scripts/lto/bin/sample-tool",
            "sample: passed over: the edit of Kconfig at `x` (only when no is there)\n",
            ": 2 files made, 1 changed, 0 removed\n",
            "  PATH=/llvm/bin:$PATH make -C ",
            " -e LTO_CLANG_THIN\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let (plan, report) = installed(&tree, &table);
        let text = String::from_utf8(done(&plan, &report, tree.path(), None, &[])).unwrap();
        assert!(text.contains("nothing was changed"), "{text}");
    }

    #[test]
    fn a_tree_with_lto_of_its_own_is_told_what_is_offered() {
        let tree = tree();
        for (path, text) in [
            ("arch/Kconfig", "\nconfig LTO_CLANG\n\tbool\n"),
            (
                "scripts/Makefile.vmlinux_o",
                "generate_initcall_order.pl\ndefine rule_ld_vmlinux.o\n",
            ),
        ] {
            fs::write(tree.path().join(path), text).expect(path);
        }
        let known = Tree::open(tree.path()).unwrap().known_lto().unwrap();
        assert!(known == KnownLto::Native);
        let table = plugin_table::table().unwrap();
        let opened = Tree::open(tree.path()).unwrap();
        let offers = table.offers(&opened).unwrap();
        let told = |installed: &[&str]| {
            let installed: Vec<String> = installed.iter().map(|&name| name.into()).collect();
            explanation(tree.path(), &opened, &offers, &installed)
        };
        let text = told(&[]);
        for part in [
            " initcall-order  yes      writes the same .tmp_initcalls.lds as ",
            " mcount-loc      no       objtool or the compiler ",
            " modversions     no       its scripts/Makefile.modpost ",
            " --plugins lto-link,initcall-order,",
            "Nothing was changed.\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let text = told(&["prel32-fix"]);
        assert!(
            text.contains(" prel32-fix      installed  checks at "),
            "{text}"
        );
        assert!(text.contains("--plugins prel32-fix\n"), "{text}");
        // To compare with all plugins makes no sense there.
        let error = planned(&table, &opened, &[]).unwrap_err();
        assert!(error.to_string().contains("name the plugins"), "{error}");
    }

    #[test]
    fn every_plugin_says_what_it_is_to_a_tree_with_lto() {
        let tree = tree();
        let table = plugin_table::table().unwrap();
        let offers = table.offers(&Tree::open(tree.path()).unwrap()).unwrap();
        let silent: Vec<_> = offers
            .iter()
            .filter(|offer| offer.refused == Some("it is for trees without LTO only"))
            .map(|offer| offer.plugin.name)
            .collect();
        assert_eq!(silent, [""; 0]);
    }

    #[test]
    fn nothing_is_built_for_a_tree_that_is_refused() {
        let tree = tree();
        fs::remove_file(tree.path().join("Kconfig")).unwrap();
        symlink("Makefile", tree.path().join("Kconfig")).unwrap();
        let table = Table::new("", vec![PLUGIN]).unwrap();
        let build = |_: &[Tool]| panic!("the tools were built");
        let error = install_with(&table, &options(&tree), build).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn what_lto_needs_besides_is_told_in_place_of_a_build_without_it() {
        let tree = tree();
        let (plan, report) = installed(&tree, &Table::new("", vec![PLUGIN]).unwrap());
        let needed = |plugin: &str, with: Option<&str>| Needed {
            plugin: plugin.to_owned(),
            with: with.map(str::to_owned),
        };
        let mod_dedup = needed("mod-dedup", Some("TRIM_UNUSED_KSYMS"));
        let missing = [
            needed("lto-disable", None),
            needed("section-merge", None),
            mod_dedup.clone(),
        ];
        let text = done(&plan, &report, tree.path(), None, &missing);
        let text = String::from_utf8(text).unwrap();
        let path = tree.path().display();
        let expected = format!(
            "\nKconfig does not offer LTO yet: that also takes lto-disable, section-merge. To \
             install all that it may need:\n  cargo xtask install --tree {path} --plugins \
             sample,lto-disable,section-merge,mod-dedup\n"
        );
        assert!(text.ends_with(&expected), "{text}");
        assert!(!text.contains("LTO_CLANG_THIN"), "{text}");

        let text = done(&plan, &report, tree.path(), None, &[mod_dedup]);
        let text = String::from_utf8(text).unwrap();
        let expected =
            "\nWith TRIM_UNUSED_KSYMS, Kconfig does not offer LTO without mod-dedup. To ";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("LTO_CLANG_THIN"), "{text}");
    }

    #[test]
    fn paths_that_make_does_not_take_are_told_and_words_are_quoted() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("my linux");
        fs::rename(tree().path(), &path).unwrap();
        let table = Table::new("", vec![PLUGIN]).unwrap();
        let options = Options {
            tree: &path,
            plugins: &[],
            discard_changes: false,
        };
        let build = |_: &[Tool]| Ok([("sample-tool".to_owned(), b"binary".to_vec())].into());
        let (plan, report) = install_with(&table, &options, build).unwrap();
        let text = String::from_utf8(done(&plan, &report, &path, None, &[])).unwrap();
        assert!(
            text.contains("takes no path with blanks or colons"),
            "{text}"
        );
        let word = format!("make -C '{}' O=$PWD/build", path.display());
        assert!(text.contains(&word), "`{word}` is not in: {text}");
    }

    #[test]
    fn an_edit_made_while_the_tools_are_built_stays() {
        let tree = tree();
        let kconfig = tree.path().join("Kconfig");
        let build = |_: &[Tool]| {
            fs::write(&kconfig, "# mine\na")?;
            Ok([("sample-tool".to_owned(), b"binary".to_vec())].into())
        };
        let table = Table::new("", vec![PLUGIN]).unwrap();
        install_with(&table, &options(&tree), build).unwrap();
        assert_eq!(fs::read_to_string(&kconfig).unwrap(), "# mine\nb");
    }

    #[test]
    fn nothing_is_written_if_the_tools_cannot_be_built() {
        let tree = tree();
        let table = Table::new("", vec![PLUGIN]).unwrap();
        let build = |_: &[Tool]| anyhow::bail!("no compiler");
        let error = install_with(&table, &options(&tree), build).unwrap_err();
        assert_eq!(error.to_string(), "no compiler");
        assert!(!tree.path().join("scripts/lto").exists());
    }

    #[test]
    fn what_cargo_built_is_read_from_what_it_says() {
        let said = r#"{"reason":"compiler-artifact","target":{"name":"a-lib"},"executable":null}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"a-tool","kind":["bin"]},"executable":"/t/a-tool"}
{"reason":"build-finished","success":true}
"#;
        let found = executables(said).unwrap();
        assert_eq!(found, [("a-tool".into(), "/t/a-tool".into())].into());
        assert!(executables("Compiling").is_err());
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
        let script = format!("#!/bin/sh\nexec {}/clang \"$@\" -fno-lto\n", real.display());
        fs::write(&clang, script).unwrap();
        fs::set_permissions(&clang, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = check_llvm(dir.path()).unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error:#}");
        fs::write(&clang, "#!/bin/sh\necho broken >&2; exit 1\n").unwrap();
        let error = format!("{:#}", check_llvm(dir.path()).unwrap_err());
        assert!(
            error.contains("makes no bitcode") && error.contains("broken"),
            "{error}"
        );
    }
}
