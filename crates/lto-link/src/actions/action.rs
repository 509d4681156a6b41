// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The actions of a link: each code generation with its exact inputs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use object_model::Faults;
use serde::Serialize;

use crate::actions::codegen_list::CodegenList;
use crate::actions::compiler::{Compiler, WARNINGS_OFF};
use crate::actions::digest::{Digest, Digests};
use crate::actions::error::ActionError;
use crate::actions::hermetic::{has_absolute_path, normal, placed_argument};
use crate::actions::inputs::{InputFile, Role, input_files, read_imports};
use crate::actions::message::{Command, EnvironmentVariable, action_digest, root_digest};
use crate::generate::codegen_flags::{uses_other_assembler, without_frontend_flags};
use crate::paths::LinkPaths;

/// The variable of an action's environment that names the compiler by its digest. No program reads it; it
/// makes actions of different compilers different.
const COMPILER_VARIABLE: &str = "LTO_COMPILER";

/// The link whose code generations are listed.
#[derive(Clone, Debug)]
pub struct ActionOptions {
    /// The output of the link.
    pub output: PathBuf,
    /// The directory that all paths of actions are below. The tool runs in it.
    pub root: PathBuf,
    /// The flags of code generation that every object gets (`LTO_CODEGEN_FLAGS`).
    pub flags: Vec<String>,
    /// The suffix of native objects.
    pub native_suffix: String,
}

/// One code generation.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    /// The digest of the whole action, which names its result in a cache.
    pub digest: Digest,
    /// The digest of the command.
    pub command_digest: Digest,
    /// The digest of the root with all inputs.
    pub input_root_digest: Digest,
    /// The command.
    pub command: Command,
    /// The files that it reads: object, index, objects that it imports from, files that options name.
    pub inputs: Vec<ActionInput>,
    /// Directories that must exist besides those of the files, because `..` in a path goes through them.
    pub directories: BTreeSet<String>,
}

/// A file that an action reads.
#[derive(Clone, Debug, Serialize)]
pub struct ActionInput {
    /// Its path in the root.
    pub path: String,
    /// The reason why it is read.
    pub role: Role,
    /// The digest of its content.
    pub digest: Digest,
    /// Its path in the command and in indexes, which may go through `..`.
    #[serde(skip)]
    pub(crate) named: String,
    /// Its path on this machine.
    #[serde(skip)]
    pub(crate) source: PathBuf,
}

impl Action {
    /// Returns the native object that the action makes.
    pub fn output(&self) -> &str {
        self.command.output_files.first().map_or("", String::as_str)
    }

    /// Returns the bitcode object whose code is generated.
    pub fn object(&self) -> &str {
        self.inputs.first().map_or("", |input| &input.path)
    }

    /// Returns the number of objects that it imports from.
    pub fn n_imports(&self) -> usize {
        let inputs = self.inputs.iter();
        inputs.filter(|input| input.role == Role::Import).count()
    }

    /// Returns the size of all inputs in bytes.
    pub fn input_bytes(&self) -> u64 {
        self.inputs
            .iter()
            .map(|input| input.digest.size_bytes)
            .sum()
    }
}

/// Returns the code generations of a link whose thin link has run, in link order. Reads every input once.
///
/// # Errors
/// The list of the thin link cannot be read; every input that cannot be read; every command with a path of this
/// machine.
pub fn actions(
    options: &ActionOptions,
    compiler: &Compiler,
) -> Result<Vec<Action>, Faults<ActionError>> {
    let list = CodegenList::read(LinkPaths::new(&options.output))?;
    let mut digests = Digests::default();
    let mut actions = Vec::new();
    let mut faults = Vec::new();
    for (object, flags) in &list.objects {
        // Lists of earlier versions have flags of the source.
        let flags = without_frontend_flags(flags.clone());
        let paths = LinkPaths::with_shared(&options.output, &list.shared);
        let mut reader = Reader::new(options, object, &mut digests);
        reader.read(paths, &flags);
        match reader.finish(options, compiler, paths, &flags) {
            Ok(action) => actions.push(action),
            Err(of_object) => faults.extend(of_object),
        }
    }
    Faults::check(actions, faults)
}

/// Returns the command of an action that runs `arguments` by the compiler with this digest, and makes `output`; and the
/// digest of the action in this root.
pub(crate) fn action_of(
    arguments: Vec<String>,
    output: &Path,
    compiler: &Digest,
    input_root: &Digest,
) -> (Command, Digest) {
    let command = Command {
        arguments,
        environment_variables: vec![EnvironmentVariable {
            name: COMPILER_VARIABLE.to_owned(),
            value: compiler.to_string(),
        }],
        output_files: vec![output.display().to_string()],
        working_directory: String::new(),
    };
    let digest = action_digest(&command.digest(), input_root);
    (command, digest)
}

/// Collects the inputs of one action, and all of its faults.
struct Reader<'a> {
    root: &'a Path,
    object: &'a Path,
    digests: &'a mut Digests,
    inputs: Vec<ActionInput>,
    directories: BTreeSet<String>,
    faults: Vec<ActionError>,
}

impl<'a> Reader<'a> {
    fn new(options: &'a ActionOptions, object: &'a Path, digests: &'a mut Digests) -> Self {
        Self {
            root: &options.root,
            object,
            digests,
            inputs: Vec::new(),
            directories: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    fn name(&self) -> String {
        self.object.display().to_string()
    }

    fn read(&mut self, paths: LinkPaths<'_>, flags: &[String]) {
        let list = paths.imports(self.object);
        let imports = read_imports(&list).unwrap_or_else(|source| {
            self.faults.push(ActionError::Input {
                object: self.name(),
                path: list.display().to_string(),
                role: "the list of the objects from which it imports",
                source,
            });
            Vec::new()
        });
        let words = flags.iter().map(String::as_str);
        for input in input_files(self.object, &paths.index(self.object), imports, words) {
            self.add(&input);
        }
    }

    fn add(&mut self, input: &InputFile) {
        let path = input.path.display().to_string();
        let Some(place) = input.place(self.root) else {
            self.faults.push(ActionError::OutsideRoot {
                object: self.name(),
                path,
                root: self.root.to_owned(),
            });
            return;
        };
        let folders = input.folders().into_iter();
        self.directories
            .extend(folders.map(|folder| folder.display().to_string()));
        let place = place.display().to_string();
        if self.inputs.iter().any(|known| known.path == place) {
            return;
        }
        let source = self.root.join(&input.path);
        match self.digests.of(&source) {
            Ok(digest) => self.inputs.push(ActionInput {
                named: match input.role {
                    Role::Option => place.clone(),
                    Role::Object | Role::Index | Role::Import => path,
                },
                path: place,
                role: input.role,
                digest,
                source,
            }),
            Err(source) => self.faults.push(ActionError::Input {
                object: self.name(),
                path,
                role: input.role.words(),
                source,
            }),
        }
    }

    fn finish(
        mut self,
        options: &ActionOptions,
        compiler: &Compiler,
        paths: LinkPaths<'_>,
        flags: &[String],
    ) -> Result<Action, Vec<ActionError>> {
        let output = paths.native_as(self.object, &options.native_suffix);
        let arguments = self.arguments(options, compiler, paths, flags, &output);
        if uses_other_assembler(&arguments) {
            self.faults.push(ActionError::OtherAssembler {
                object: self.name(),
            });
        }
        for argument in arguments.iter().filter(|word| has_absolute_path(word)) {
            self.faults.push(ActionError::AbsoluteArgument {
                object: self.name(),
                argument: argument.clone(),
            });
        }
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let output = normal(&output).unwrap_or(output);
        let files = self.inputs.iter();
        let files = files.map(|input| (input.path.as_str(), &input.digest));
        let input_root_digest = root_digest(files, &self.directories);
        let (command, digest) = action_of(arguments, &output, &compiler.digest, &input_root_digest);
        Ok(Action {
            digest,
            command_digest: command.digest(),
            input_root_digest,
            command,
            inputs: self.inputs,
            directories: self.directories,
        })
    }

    /// Returns the command of `cmd_lto_codegen` in `Makefile.codegen`, with the places of files in the root.
    fn arguments(
        &self,
        options: &ActionOptions,
        compiler: &Compiler,
        paths: LinkPaths<'_>,
        flags: &[String],
        output: &Path,
    ) -> Vec<String> {
        let mut arguments = vec![compiler.name.clone()];
        let flags = flags.iter();
        arguments.extend(flags.map(|flag| placed_argument(self.root, flag)));
        arguments.push("-fno-lto".to_owned());
        arguments.extend(options.flags.iter().cloned());
        arguments.push(WARNINGS_OFF.to_owned());
        let index = paths.index(self.object);
        arguments.push(format!("-fthinlto-index={}", index.display()));
        arguments.extend(["-c", "-o"].map(str::to_owned));
        arguments.push(output.display().to_string());
        arguments.extend(["-x", "ir"].map(str::to_owned));
        arguments.push(self.name());
        arguments
    }
}
