// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Paths of an action: all of them from its root, none of this machine.

use std::path::{Component, Path, PathBuf};

/// Options that read a file of code generation, whose name is joined to them.
const WITH_FILE: [&str; 8] = [
    "-fauto-profile=",
    "-fbasic-block-sections=list=",
    "-fprofile-instr-use=",
    "-fprofile-list=",
    "-fprofile-remapping-file=",
    "-fprofile-sample-use=",
    "-fprofile-use=",
    "-fsanitize-ignorelist=",
];

/// The folder of an action's root for files that are outside of the root on this machine.
const OUTSIDE: &str = ".lto-outside";

/// Returns the file that the option `argument` reads, with the option in front of it.
pub(crate) fn file_of_option(argument: &str) -> Option<(&'static str, &str)> {
    WITH_FILE
        .iter()
        .find_map(|option| Some((*option, argument.strip_prefix(option)?)))
        .filter(|(_, file)| !file.is_empty())
}

/// Returns `argument` with the place in an action's root of the file that it reads, if it is such an option.
pub(crate) fn placed_argument(root: &Path, argument: &str) -> String {
    match file_of_option(argument) {
        Some((option, file)) => {
            let place = place_of_file(root, Path::new(file));
            format!("{option}{}", place.display())
        }
        None => argument.to_owned(),
    }
}

/// Returns the path of a file in an action's root: its path below `root`, or for a file elsewhere its name in
/// a folder for such files.
pub(crate) fn place_of_file(root: &Path, file: &Path) -> PathBuf {
    let below = file.strip_prefix(root).unwrap_or(file);
    match normal(below) {
        Some(place) => place,
        None => Path::new(OUTSIDE).join(file.file_name().unwrap_or_default()),
    }
}

/// Returns the place of a file outside of `root` that keeps apart files of the same name in different folders.
pub(crate) fn place_outside(root: &Path, file: &Path) -> PathBuf {
    let mut place = PathBuf::from(OUTSIDE);
    for part in root.join(file).components() {
        match part {
            Component::Normal(name) => place.push(name),
            // The name stays, so that no other path has this place.
            Component::ParentDir => place.push(".lto-parent"),
            _ => {}
        }
    }
    place
}

/// Returns `path` without `.` and `..`, or nothing if it is absolute or leads out of the folder that it is in.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}

/// Returns the folders that must exist so that the system finds `path`, whose `..` go through them.
pub(crate) fn folders_on_the_way(path: &Path) -> Vec<PathBuf> {
    let mut here = PathBuf::new();
    let mut folders = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                folders.push(here.clone());
                here.pop();
            }
            Component::Normal(name) => here.push(name),
            _ => {}
        }
    }
    folders.retain(|folder| !folder.as_os_str().is_empty());
    folders
}

/// Returns whether `argument` has an absolute path: at its start, behind an option of one letter, or behind a
/// character that separates.
pub(crate) fn has_absolute_path(argument: &str) -> bool {
    let bytes = argument.as_bytes();
    bytes.iter().enumerate().any(|(position, byte)| {
        let before = position.checked_sub(1).and_then(|before| bytes.get(before));
        *byte == b'/'
            && match before {
                None | Some(b'=' | b':' | b',' | b';' | b'"' | b'\'' | b' ') => true,
                Some(letter) => {
                    position == 2 && bytes.first() == Some(&b'-') && letter.is_ascii_alphabetic()
                }
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_from_the_root() {
        for (path, expected) in [
            ("kernel/fork.o", Some("kernel/fork.o")),
            ("./a/../b.o", Some("b.o")),
            ("arch/x86/kvm/../../../virt/kvm.o", Some("virt/kvm.o")),
            ("a/../../b.o", None),
            ("/a/b.o", None),
        ] {
            assert_eq!(
                normal(Path::new(path)),
                expected.map(PathBuf::from),
                "{path}"
            );
        }
        let folders = folders_on_the_way(Path::new("a/b/../../c/d.o"));
        assert_eq!(folders, [Path::new("a/b"), Path::new("a")]);
    }

    #[test]
    fn files_outside_of_the_root_get_a_place_in_it() {
        for (file, expected) in [
            ("/tree/x/p.profdata", "x/p.profdata"),
            ("x/p.profdata", "x/p.profdata"),
            ("/home/p.profdata", ".lto-outside/p.profdata"),
            ("../p.profdata", ".lto-outside/p.profdata"),
        ] {
            let place = place_of_file(Path::new("/tree"), Path::new(file));
            assert_eq!(place, Path::new(expected), "{file}");
        }
        for (file, expected) in [
            ("/m/a.o", ".lto-outside/m/a.o"),
            ("../m/a.o", ".lto-outside/tree/.lto-parent/m/a.o"),
        ] {
            let place = place_outside(Path::new("/tree"), Path::new(file));
            assert_eq!(place, Path::new(expected), "{file}");
        }
    }

    #[test]
    fn absolute_paths_are_seen_in_every_form_of_option() {
        for argument in ["/a", "-I/a", "-B/usr", "-fx=/a", "-Wa,/a", "-fmap=a:/b"] {
            assert!(has_absolute_path(argument), "{argument}");
        }
        for argument in [
            "a/b",
            "-Ia/b",
            "-fx=a/b",
            "--target=x",
            "-Dx/y",
            "./a",
            "../a",
        ] {
            assert!(!has_absolute_path(argument), "{argument}");
        }
    }
}
