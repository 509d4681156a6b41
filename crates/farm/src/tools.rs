// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The programs of a farm: finds them, and fetches missing ones.
//!
//! `PostgreSQL` and Python are packages of the system. `BuildBox` is unpacked with its own libraries, because Debian
//! 12 does not have it, and `BuildGrid` has a virtual environment; both are in a directory of this repository.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::apt::Suites;
use kernel_lab::progress::Step;
use kernel_lab::{apt, files, packages, process, progress, workspace};
use xshell::cmd;

/// The programs of the package buildbox that are used.
const BUILDBOX: [&str; 4] = [
    "buildbox-casd",
    "buildbox-worker",
    "buildbox-run-hosttools",
    "trexe",
];

/// The suite of Debian that buildbox is taken from, if the machine does not have it.
const SUITE: &str = "forky";

/// The version of `BuildGrid`, and the package with the extra parts for a database.
const BUILDGRID_VERSION: &str = "0.4.4";
const BUILDGRID: &str = "buildgrid[database]==0.4.4";

/// The directory with a folder for each version of `PostgreSQL`.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// The file that a finished virtual environment has.
const COMPLETE: &str = "complete";

/// The programs of a farm, with their paths.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The server that also executes.
    pub(crate) casd: PathBuf,
    pub(crate) worker: PathBuf,
    /// The program that runs one action for a worker.
    pub(crate) runner: PathBuf,
    /// The client.
    pub(crate) trexe: PathBuf,
    /// `BuildGrid`, and the directory with the programs of `PostgreSQL`, if they are needed.
    pub(crate) grid: Option<(PathBuf, PathBuf)>,
}

/// Finds the programs; with `install`, fetches those that are missing.
///
/// # Errors
/// Something is missing, and may not or could not be fetched; the error names the packages.
pub(crate) fn ensure(is_single: bool, install: bool) -> anyhow::Result<Tools> {
    let dir = workspace::root().join("target/farm-tools");
    let mut of_system = Vec::new();
    if !is_single {
        let needs = [
            ("postgresql", postgresql().is_some()),
            ("python3-venv", has_venv()),
        ];
        let missing = needs.iter().filter(|(_, is_there)| !is_there);
        of_system.extend(missing.map(|(package, _)| (*package).to_owned()));
    }
    let has_buildbox = buildbox(&dir).is_some();
    let has_buildgrid = is_single || buildgrid(&dir).is_some();
    let named = missing_text(&of_system, has_buildbox, has_buildgrid, &dir);
    if let Some(named) = named {
        anyhow::ensure!(install, named);
        if !of_system.is_empty() {
            apt::update().with_context(|| named.clone())?;
            progress::note(&format!("installing {}", of_system.join(" ")));
            apt::install(&of_system).with_context(|| named.clone())?;
        }
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        if !has_buildbox {
            unpack_buildbox(&dir).with_context(|| named.clone())?;
        }
        if !has_buildgrid {
            install_buildgrid(&dir).with_context(|| named.clone())?;
        }
    }
    let absent = |what: &str| format!("{what} was installed, but is not found");
    let [casd, worker, runner, trexe] = buildbox(&dir).with_context(|| absent("buildbox"))?;
    let grid = if is_single {
        None
    } else {
        let bgd = buildgrid(&dir).with_context(|| absent("buildgrid"))?;
        let programs = postgresql().with_context(|| absent("postgresql"))?;
        Some((bgd, programs))
    };
    Ok(Tools {
        casd,
        worker,
        runner,
        trexe,
        grid,
    })
}

/// Returns the text that names missing packages; `None` if nothing is missing.
fn missing_text(
    of_system: &[String],
    has_buildbox: bool,
    has_buildgrid: bool,
    dir: &Path,
) -> Option<String> {
    let mut missing = of_system.to_vec();
    if !has_buildbox {
        missing.push(format!(
            "buildbox (of Debian {SUITE}, to be unpacked in {})",
            dir.display()
        ));
    }
    if !has_buildgrid {
        missing.push(format!(
            "{BUILDGRID} (of Python, for a virtual environment in {})",
            dir.display()
        ));
    }
    (!missing.is_empty()).then(|| format!("missing packages: {}", missing.join(", ")))
}

/// Returns whether Python can make a virtual environment.
fn has_venv() -> bool {
    let script = "import ensurepip, venv";
    let asked = process::shell().and_then(|sh| process::answer(cmd!(sh, "python3 -c {script}")));
    asked.unwrap_or(false)
}

/// Returns the directory with the programs of the newest `PostgreSQL`.
pub(crate) fn postgresql() -> Option<PathBuf> {
    newest_version(Path::new(POSTGRESQL))
}

fn newest_version(dir: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(dir).into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        let is_whole = ["initdb", "postgres", "psql"]
            .iter()
            .all(|program| programs.join(program).is_file());
        is_whole.then_some((version, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

/// Returns the programs of buildbox: those of the system if it has all, else those in `dir`.
fn buildbox(dir: &Path) -> Option<[PathBuf; 4]> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = dir.join("buildbox/bin");
    std::env::split_paths(&path)
        .chain([own])
        .map(|dir| BUILDBOX.map(|program| dir.join(program)))
        .find(|programs| programs.iter().all(|program| program.is_file()))
}

/// Returns the program of `BuildGrid` in `dir`.
fn buildgrid(dir: &Path) -> Option<PathBuf> {
    let dir = dir.join(format!("buildgrid-{BUILDGRID_VERSION}"));
    dir.join(COMPLETE)
        .is_file()
        .then(|| dir.join("bin/bgd"))
        .filter(|program| program.is_file())
}

/// Unpacks buildbox and all libraries that it needs, and writes a program for each of its programs that runs it
/// with these libraries. The programs that it starts use the libraries of the system.
fn unpack_buildbox(dir: &Path) -> anyhow::Result<()> {
    let step = Step::start("fetching buildbox");
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(dir);
    let work = work.with_context(|| dir.display().to_string())?;
    let part = work.path().join("buildbox");
    for folder in ["root", "bin"] {
        let folder = part.join(folder);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    step.at("reading the package lists");
    let suites = Suites::read(&[SUITE], work.path())?;
    step.at("downloading");
    packages::unpack_from(&suites, &["buildbox"], work.path(), &part.join("root"))?;
    let kept = dir.join("buildbox");
    let loader = loader(&part.join("root"))?;
    let loader = kept.join("root").join(loader);
    for name in BUILDBOX {
        let program = part.join("bin").join(name);
        let real = kept.join("root/usr/bin").join(name);
        fs::write(&program, starter(&loader, &real)?)
            .and_then(|()| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)))
            .with_context(|| program.display().to_string())?;
    }
    files::remove_dir(&kept)?;
    fs::rename(&part, &kept).with_context(|| kept.display().to_string())?;
    step.finish("unpacked");
    Ok(())
}

/// Returns the path of the loader of programs below `root`; the libraries are beside it.
fn loader(root: &Path) -> anyhow::Result<PathBuf> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name();
    let found = entries.into_iter().flatten().find(|entry| {
        let name = entry.file_name().to_string_lossy();
        name.starts_with("ld-linux") && entry.path().is_file()
    });
    let found = found.with_context(|| format!("{}: no loader ld-linux*", root.display()))?;
    Ok(found.path().strip_prefix(root)?.to_owned())
}

/// Returns a shell script that runs `program` with `loader` and the libraries beside it.
fn starter(loader: &Path, program: &Path) -> anyhow::Result<String> {
    let libraries = loader.parent().unwrap_or(loader);
    let [loader, libraries, program] = [loader, libraries, program].map(quoted);
    Ok(format!(
        "#!/bin/sh\nexec {} --library-path {} {} \"$@\"\n",
        loader?, libraries?, program?
    ))
}

/// Returns a path as a word for a shell.
pub(crate) fn quoted(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().and_then(|text| shlex::try_quote(text).ok());
    let text = text.with_context(|| format!("{}: is no word for a shell", path.display()))?;
    Ok(text.into_owned())
}

/// Makes a virtual environment with `BuildGrid`. It cannot be moved, so a file says that it is complete.
fn install_buildgrid(dir: &Path) -> anyhow::Result<()> {
    let step = Step::start(format!("installing {BUILDGRID} for Python"));
    let place = dir.join(format!("buildgrid-{BUILDGRID_VERSION}"));
    files::remove_dir(&place)?;
    let sh = process::shell()?;
    process::read(cmd!(sh, "python3 -m venv {place}"))?;
    let pip = place.join("bin/pip");
    let options = ["--quiet", "--disable-pip-version-check", "--no-input"];
    process::read(cmd!(sh, "{pip} install {options...} {BUILDGRID}"))?;
    let complete = place.join(COMPLETE);
    fs::write(&complete, "").with_context(|| complete.display().to_string())?;
    step.finish("installed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_packages_are_named() {
        let dir = Path::new("/r");
        assert_eq!(missing_text(&[], true, true, dir), None);
        let system = ["postgresql".to_owned()];
        assert_eq!(
            missing_text(&system, false, false, dir).unwrap(),
            "missing packages: postgresql, buildbox (of Debian forky, to be unpacked in /r), \
             buildgrid[database]==0.4.4 (of Python, for a virtual environment in /r)"
        );
        assert!(BUILDGRID.ends_with(BUILDGRID_VERSION));
    }

    #[test]
    fn the_newest_whole_version_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        for (version, programs) in [
            ("9", &["initdb", "postgres", "psql"][..]),
            ("15", &["initdb", "postgres", "psql"]),
            ("17", &["psql"]),
        ] {
            let bin = dir.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
        }
        let newest = newest_version(dir.path());
        assert_eq!(newest, Some(dir.path().join("15/bin")));
        assert_eq!(newest_version(&dir.path().join("none")), None);
    }

    #[test]
    fn an_unfinished_environment_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("buildgrid-0.4.4/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("bgd"), "").unwrap();
        assert_eq!(buildgrid(dir.path()), None);
        fs::write(dir.path().join("buildgrid-0.4.4/complete"), "").unwrap();
        assert_eq!(buildgrid(dir.path()), Some(bin.join("bgd")));
    }

    #[test]
    fn a_program_runs_with_the_libraries_beside_its_loader() {
        let dir = tempfile::tempdir().unwrap();
        let libraries = dir.path().join("usr/lib/x86_64-linux-gnu");
        fs::create_dir_all(&libraries).unwrap();
        assert!(loader(dir.path()).is_err());
        fs::write(libraries.join("ld-linux-x86-64.so.2"), "").unwrap();
        let found = loader(dir.path()).unwrap();
        assert_eq!(
            found,
            Path::new("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        );
        assert_eq!(
            starter(Path::new("/a b/ld"), Path::new("/bin/x")).unwrap(),
            "#!/bin/sh\nexec '/a b/ld' --library-path '/a b' /bin/x \"$@\"\n"
        );
    }
}
