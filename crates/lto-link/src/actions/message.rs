// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The messages of the Remote Execution API that an action consists of, and their digests.
//!
//! Source: `build/bazel/remote/execution/v2/remote_execution.proto` (the numbers of the fields; a directory's
//! entries are sorted by name); the encoding of Protocol Buffers (a field is its number and kind, then for text
//! and messages the length and the bytes, and for integers a variable-length number; defaults are left out).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Serialize;

use crate::actions::digest::Digest;

/// The command of an action, as `Command` of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The name of the program and its arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment_variables: Vec<EnvironmentVariable>,
    /// The files that the command makes, from its working directory.
    pub output_files: Vec<String>,
    /// The directory in the root in which it runs; empty for the root.
    pub working_directory: String,
}

/// A variable of an action's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A message in the encoding of Protocol Buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0
                .push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or_default());
    }

    /// Appends a field with text or a message. Repeated fields have it even if it is empty.
    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.number(field << 3 | 2);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Appends a field with text, unless it is empty.
    fn text(&mut self, field: u64, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// Appends a field with an integer, unless it is 0.
    fn integer(&mut self, field: u64, integer: u64) {
        if integer != 0 {
            self.number(field << 3);
            self.number(integer);
        }
    }

    fn digest(&mut self, field: u64, digest: &Digest) {
        let mut message = Self::default();
        message.text(1, &digest.hash);
        message.integer(2, digest.size_bytes);
        self.bytes(field, &message.0);
    }
}

impl Command {
    /// Returns the digest of the message.
    pub fn digest(&self) -> Digest {
        let Self {
            arguments,
            environment_variables,
            output_files,
            working_directory,
        } = self;
        let mut message = Message::default();
        for argument in arguments {
            message.bytes(1, argument.as_bytes());
        }
        for EnvironmentVariable { name, value } in environment_variables {
            let mut variable = Message::default();
            variable.text(1, name);
            variable.text(2, value);
            message.bytes(2, &variable.0);
        }
        for file in output_files {
            message.bytes(3, file.as_bytes());
        }
        message.text(6, working_directory);
        Digest::of(&message.0)
    }
}

/// Returns the digest of the message `Action` of a command in an input root.
pub(crate) fn action_digest(command: &Digest, input_root: &Digest) -> Digest {
    let mut message = Message::default();
    message.digest(1, command);
    message.digest(2, input_root);
    Digest::of(&message.0)
}

/// A directory of an input root.
#[derive(Default)]
struct Directory<'a> {
    files: BTreeMap<&'a str, &'a Digest>,
    directories: BTreeMap<&'a str, Directory<'a>>,
}

impl<'a> Directory<'a> {
    fn directory(&mut self, path: &'a Path) -> &mut Self {
        names(path).fold(self, |directory, name| {
            directory.directories.entry(name).or_default()
        })
    }

    fn digest(&self) -> Digest {
        let mut message = Message::default();
        for (name, digest) in &self.files {
            let mut file = Message::default();
            file.text(1, name);
            file.digest(2, digest);
            message.bytes(1, &file.0);
        }
        for (name, directory) in &self.directories {
            let mut node = Message::default();
            node.text(1, name);
            node.digest(2, &directory.digest());
            message.bytes(2, &node.0);
        }
        Digest::of(&message.0)
    }
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

/// Returns the digest of the message `Directory` of an input root with these files and directories.
pub(crate) fn root_digest<'a>(
    files: impl Iterator<Item = (&'a str, &'a Digest)>,
    directories: &'a BTreeSet<String>,
) -> Digest {
    let mut root = Directory::default();
    for (path, digest) in files {
        let path = Path::new(path);
        let name = names(path).last().unwrap_or_default();
        let parent = path.parent().unwrap_or(Path::new(""));
        root.directory(parent).files.insert(name, digest);
    }
    for path in directories {
        root.directory(Path::new(path));
    }
    root.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of an empty directory and an empty command is that of no bytes.
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0";

    #[test]
    fn messages_have_the_encoding_of_protocol_buffers() {
        let mut message = Message::default();
        message.text(1, "ab");
        message.text(2, "");
        message.integer(2, 300);
        message.integer(3, 0);
        assert_eq!(message.0, [0x0a, 2, b'a', b'b', 0x10, 0xac, 0x02]);
        let command = Command {
            arguments: Vec::new(),
            environment_variables: Vec::new(),
            output_files: Vec::new(),
            working_directory: String::new(),
        };
        assert_eq!(command.digest().to_string(), NOTHING);
        let none = BTreeSet::new();
        assert_eq!(root_digest([].into_iter(), &none).to_string(), NOTHING);
    }

    #[test]
    fn every_part_of_a_command_is_in_its_digest() {
        let command = Command {
            arguments: vec!["clang".into(), "-O2".into()],
            environment_variables: vec![EnvironmentVariable {
                name: "A".into(),
                value: "1".into(),
            }],
            output_files: vec!["a.o".into()],
            working_directory: "x".into(),
        };
        let mut others = vec![command.clone(); 4];
        others[0].arguments[1].push('3');
        others[1].environment_variables[0].value.clear();
        others[2].output_files[0] = "b.o".into();
        others[3].working_directory.clear();
        for other in others {
            assert_ne!(other.digest(), command.digest(), "{other:?}");
        }
    }

    /// The digest does not depend on the order of files, and does on names, folders and contents.
    #[test]
    fn an_input_root_is_a_tree_of_directories() {
        let [one, two] = [Digest::of(b"1"), Digest::of(b"2")];
        let empty = BTreeSet::from(["e".to_owned()]);
        let none = BTreeSet::new();
        let root = |files: &[(&str, &Digest)], directories| {
            root_digest(files.iter().copied(), directories).to_string()
        };
        let first = root(&[("a/x", &one), ("b", &two)], &none);
        assert_eq!(root(&[("b", &two), ("a/x", &one)], &none), first);
        for other in [
            root(&[("a/x", &two), ("b", &two)], &none),
            root(&[("a/y", &one), ("b", &two)], &none),
            root(&[("x", &one), ("b", &two)], &none),
            root(&[("a/x", &one), ("b", &two)], &empty),
        ] {
            assert_ne!(other, first);
        }
    }
}
