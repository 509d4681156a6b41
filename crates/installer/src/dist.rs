// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes the archive of a release: the sources, the crates that they use, and static programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::{files, process, progress, workspace};
use object_model::Elf;
use walkdir::WalkDir;
use xshell::cmd;

use crate::tools::executables_of;

/// The machine that a release has programs for, if none is named.
pub const HOST: &str = "x86_64-unknown-linux-gnu";

/// The programs besides the tools: all commands, and the page about a running kernel.
const OTHERS: [&str; 2] = ["xtask", "running-kernel"];

/// Makes the archive of the last commit in `into`, with programs for these targets of the compiler, and returns
/// its path.
///
/// # Errors
/// A file is not committed, a program is missing, or a crate cannot be fetched or built.
pub fn dist(into: &Path, targets: &[String]) -> anyhow::Result<PathBuf> {
    let root = workspace::root();
    let commit = workspace::commit().unwrap_or_default();
    anyhow::ensure!(
        root.join(".git").exists() && !commit.is_empty(),
        "{}: no git repository with a commit, so nothing says what belongs to the release",
        root.display()
    );
    anyhow::ensure!(
        !commit.ends_with("-dirty"),
        "{}: the release has the files of the last commit, and there are others: commit or stash them",
        root.display()
    );
    let into = std::path::absolute(into).with_context(|| into.display().to_string())?;
    fs::create_dir_all(&into).with_context(|| into.display().to_string())?;
    let name = format!("kbuild-lto-{}", plugin_table::VERSION);
    let work = root.join("target/dist");
    let release = work.join(&name);
    files::remove_dir(&release)?;
    fs::create_dir_all(&release).with_context(|| release.display().to_string())?;

    unpack_sources(root, &work, &release)?;
    vendor(&release)?;
    let text = workspace::release_text(plugin_table::VERSION, &commit);
    files::write(&release.join(workspace::RELEASE_FILE), &text)?;
    for target in targets {
        build(&release, &work.join("build"), target)?;
    }
    let archive = into.join(format!("{name}.tar.xz"));
    pack(root, &work, &name, &archive)?;
    Ok(archive)
}

/// Unpacks the committed files.
fn unpack_sources(root: &Path, work: &Path, release: &Path) -> anyhow::Result<()> {
    let sh = process::shell_in(root)?;
    let sources = work.join("sources.tar");
    process::read(cmd!(sh, "git archive --output={sources} HEAD"))?;
    // Files of an older commit have an older time, by which cargo would take what it built of a newer one.
    process::read(cmd!(
        sh,
        "tar --extract --touch --file={sources} --directory={release}"
    ))?;
    fs::remove_file(&sources).with_context(|| sources.display().to_string())
}

/// Copies the crates that the sources use, and tells cargo to take these.
fn vendor(release: &Path) -> anyhow::Result<()> {
    progress::note("copying the crates: cargo vendor");
    let (sh, cargo) = (process::shell_in(release)?, process::cargo());
    let replacement = process::read(cmd!(sh, "{cargo} vendor --locked vendor"))?;
    remove_import_libraries(&release.join("vendor"))?;
    let config = release.join(".cargo/config.toml");
    let text = fs::read_to_string(&config).with_context(|| config.display().to_string())?;
    files::write(&config, format!("{text}\n{replacement}"))
}

/// Removes the import libraries of Windows, which are half of the copied crates, and which no build on Linux
/// reads.
fn remove_import_libraries(dir: &Path) -> anyhow::Result<()> {
    for entry in WalkDir::new(dir) {
        let path = entry.context("the copied crates")?.into_path();
        let is_library = path
            .extension()
            .is_some_and(|end| end == "a" || end == "lib");
        if is_library && path.is_file() {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Builds the programs from the unpacked sources and the copied crates alone, and puts them into `bin`.
fn build(release: &Path, build_dir: &Path, target: &str) -> anyhow::Result<()> {
    let names = programs()?;
    let packages: Vec<&str> = names.iter().map(String::as_str).collect();
    let (sh, cargo) = (process::shell_in(release)?, process::cargo());
    // Static programs run where no library of their version is, and know no path of this machine's crates.
    let flags = format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=.",
        release.display()
    );
    let build = cmd!(
        sh,
        "{cargo} build --release --frozen --target {target} --target-dir {build_dir}"
    );
    let build = build
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let built = executables_of(build, &packages)?;
    let bin = release.join("bin").join(target);
    fs::create_dir_all(&bin).with_context(|| bin.display().to_string())?;
    for name in &names {
        let path = built
            .get(name)
            .with_context(|| format!("the package {name} builds no binary of that name"))?;
        let content = fs::read(path).with_context(|| path.display().to_string())?;
        check_static(path, &content)?;
        let copy = bin.join(name);
        fs::copy(path, &copy).with_context(|| copy.display().to_string())?;
    }
    Ok(())
}

/// Returns the names of all tools and [`OTHERS`].
fn programs() -> anyhow::Result<Vec<String>> {
    let table = plugin_table::table()?;
    let tools = table.plugins().flat_map(|plugin| plugin.tools.clone());
    Ok(tools.chain(OTHERS.map(str::to_owned)).collect())
}

/// Checks that a program needs no loader of libraries.
fn check_static(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let elf = Elf::parse(content).with_context(|| path.display().to_string())?;
    anyhow::ensure!(
        elf.section_by_name(".interp").is_none(),
        "{}: the program is not static, so it would not run everywhere",
        path.display()
    );
    Ok(())
}

/// Packs the directory `name` of `work`. The same files give the same bytes: names are sorted, and times, owners
/// and modes do not depend on the machine.
fn pack(root: &Path, work: &Path, name: &str, archive: &Path) -> anyhow::Result<()> {
    let sh = process::shell_in(root)?;
    let time = process::read(cmd!(sh, "git log -1 --format=%ct"))?;
    packed(work, name, archive, time.trim())
}

/// The same with the time of all files, in seconds since 1970.
fn packed(work: &Path, name: &str, archive: &Path, time: &str) -> anyhow::Result<()> {
    let sh = process::shell_in(work)?;
    // A killed run leaves no half-written archive of this name.
    let unfinished = archive.with_extension("unfinished");
    // Two threads would give other bytes than one.
    let compress = "--use-compress-program=xz -6 --threads=1";
    let tar = cmd!(
        sh,
        "tar --create --file={unfinished} --mtime=@{time} --format=gnu --sort=name --owner=0 --group=0
            --numeric-owner --mode=u+rw,go=rX {compress} {name}"
    );
    process::read(tar.env("LC_ALL", "C"))
        .context("an archive is made by GNU tar and xz (packages tar, xz-utils)")?;
    fs::rename(&unfinished, archive).with_context(|| archive.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_same_files_give_the_same_archive() {
        let archive = |names: [&str; 2], mode: u32| {
            let work = tempfile::tempdir().unwrap();
            let dir = work.path().join("r");
            fs::create_dir(&dir).unwrap();
            for name in names {
                files::write(&dir.join(name), name).unwrap();
            }
            fs::set_permissions(dir.join("a"), fs::Permissions::from_mode(mode)).unwrap();
            let archive = work.path().join("r.tar.xz");
            packed(work.path(), "r", &archive, "1000000000").unwrap();
            fs::read(archive).unwrap()
        };
        let first = archive(["a", "b"], 0o644);
        assert!(!first.is_empty());
        assert_eq!(archive(["b", "a"], 0o600), first);
        assert_ne!(archive(["a", "b"], 0o755), first);
        assert_ne!(archive(["a", "c"], 0o644), first);
    }

    #[test]
    fn a_program_that_needs_libraries_is_refused() {
        // Programs of tests are linked dynamically.
        let program = std::env::current_exe().unwrap();
        let error = check_static(&program, &fs::read(&program).unwrap()).unwrap_err();
        assert!(error.to_string().contains("is not static"), "{error}");
    }

    #[test]
    fn a_release_has_every_tool_and_the_installer() {
        let programs = programs().unwrap();
        for name in [
            "lto-link",
            "profile",
            "lto-disable",
            "xtask",
            "running-kernel",
        ] {
            assert!(
                programs.iter().any(|program| program == name),
                "{programs:?}"
            );
        }
    }
}
