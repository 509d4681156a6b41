// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Code generation by the cache on this machine.
//!
//! The key is the digest of the action, as `lto-link actions` prints it. A result is kept only if nothing else can have
//! decided it: every file that the compiler reads is an input of the action, the compiler gets none of the environment
//! that changes code, and no input changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tool_io::Files;

use crate::actions::action::action_of;
use crate::actions::compiler::{KnownCompiler, LIBRARY_PATH};
use crate::actions::digest::Digest;
use crate::actions::hermetic::{normal, place_outside};
use crate::actions::inputs::{InputFile, Role};
use crate::actions::message::root_digest;
use crate::actions::state::FileState;
use crate::cache::entry::Entry;
use crate::cache::store::{CodeCache, Found};
use crate::check::included::file_directives;
use crate::launch::generation::Generation;
use crate::launch::record::Outcome;
use crate::launch::slots::Slots;

/// The variables that the compiler gets: where it finds its libraries, and where it writes reports of its crashes.
const ENVIRONMENT: [&str; 4] = ["HOME", LIBRARY_PATH, "PATH", "TMPDIR"];

/// A variable of clang that changes its options. Source: `ApplyArgsOverride` in clang's driver.
const OVERRIDE: &str = "CCC_OVERRIDE_OPTIONS";

/// Takes the code of `generation` from `cache`, or generates it by `compiler`, in one of `slots`, and keeps it. Returns
/// where it was generated, and the compiler's messages.
///
/// # Errors
/// The reason why the code must be generated without the cache.
pub(crate) fn from_cache(
    cache: &CodeCache,
    generation: &Generation,
    compiler: &KnownCompiler,
    slots: &Slots,
) -> Result<(Outcome, Vec<u8>), String> {
    if let Some(reason) = &compiler.not_alone {
        return Err(reason.clone());
    }
    if env::var_os(OVERRIDE).is_some() {
        return Err(format!("{OVERRIDE} is set, which changes clang's options"));
    }
    let root = env::current_dir().map_err(|error| format!("no directory ({error})"))?;
    let before = states(generation)?;
    let key = key(generation, &root, &compiler.digest)?;
    let reason = match cache.find(&key) {
        Found::Entry(entry) => {
            let written = tool_io::write_atomic(&generation.output, &entry.code);
            written.map_err(|error| error.to_string())?;
            match generation.check_output() {
                Ok(()) => return Ok((Outcome::Cached, entry.messages)),
                Err(what) => {
                    cache.forget(&key);
                    format!("the cache {what}")
                }
            }
        }
        Found::Nothing => "not in the cache".to_owned(),
        Found::Damaged => "the cache had a damaged entry".to_owned(),
    };
    let messages = generate(generation, compiler, slots)?;
    let kept = entry(generation, messages.clone()).and_then(|entry| {
        check_inputs(generation)?;
        if !compiler.is_unchanged() || states(generation)? != before {
            return Err("a file changed while code was generated".to_owned());
        }
        let kept = cache.keep(&key, &entry);
        kept.map_err(|error| error.to_string())
    });
    let reason = match kept {
        Ok(()) => reason,
        Err(why) => format!("{reason}, and not kept: {why}"),
    };
    Ok((Outcome::Local(reason), messages))
}

/// Returns the digest of the action.
///
/// Files outside of the root, such as those of a module that is built elsewhere, have places by their whole paths in the
/// root. `lto-link actions` refuses such an action, because no other machine could run it.
fn key(generation: &Generation, root: &Path, compiler: &Digest) -> Result<Digest, String> {
    let arguments = generation.placed_command(root)?;
    check_words(generation)?;
    let mut places = BTreeMap::new();
    let mut directories = BTreeSet::new();
    for input in &generation.inputs {
        let place = input.place(root);
        if place.is_some() {
            let folders = input.folders().into_iter();
            directories.extend(folders.map(|folder| folder.display().to_string()));
        }
        let place = place.unwrap_or_else(|| place_outside(root, &input.path));
        let other = places.insert(place, input);
        if other.is_some_and(|other| other.path != input.path) {
            return Err("two files of options have the same name".to_owned());
        }
    }
    let mut files = BTreeMap::new();
    for (place, input) in places {
        let place = place.to_str().ok_or("a path is not UTF-8")?;
        files.insert(place.to_owned(), digest(input)?);
    }
    let files = files.iter().map(|(place, digest)| (place.as_str(), digest));
    let input_root = root_digest(files, &directories);
    let output = normal(&generation.output).unwrap_or_else(|| generation.output.clone());
    let (_, key) = action_of(arguments, &output, compiler, &input_root);
    Ok(key)
}

fn digest(input: &InputFile) -> Result<Digest, String> {
    Digest::of_file(&input.path)
        .map_err(|error| format!("{} cannot be read ({error})", input.path.display()))
}

/// Checks that no argument names another file than the inputs and the output.
fn check_words(generation: &Generation) -> Result<(), String> {
    let inputs = generation.inputs.iter().map(|input| input.path.as_path());
    let known: BTreeSet<&Path> = inputs.chain([generation.output.as_path()]).collect();
    for word in generation.arguments() {
        let word = word.as_bytes();
        let separators = word.iter().enumerate();
        let starts = separators
            .filter(|(_, byte)| matches!(byte, b'=' | b','))
            .map(|(position, _)| position + 1);
        for start in starts.chain([0]) {
            let rest = word.get(start..).unwrap_or_default();
            let path = PathBuf::from(OsStr::from_bytes(rest));
            if !known.contains(path.as_path()) && path.is_file() {
                return Err(format!(
                    "an argument names {}, which is no input of an action",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

/// Checks that the compiler reads no file besides the inputs: that no assembly in them includes one.
fn check_inputs(generation: &Generation) -> Result<(), String> {
    let files = Files::new();
    let has_assembly = |input: &&InputFile| matches!(input.role, Role::Object | Role::Import);
    for input in generation.inputs.iter().filter(has_assembly) {
        let object = files.object(&input.path);
        let object = object.map_err(|error| error.to_string())?;
        let Some(bitcode) = object.object.as_bitcode() else {
            continue;
        };
        let directives = file_directives(bitcode);
        let directives = directives.map_err(|error| object.locate(error).to_string())?;
        if let Some(directive) = directives.first() {
            return Err(format!("assembly includes a file ({directive})"));
        }
    }
    Ok(())
}

fn states(generation: &Generation) -> Result<Vec<FileState>, String> {
    let inputs = generation.inputs.iter();
    inputs
        .map(|input| {
            FileState::of(&input.path)
                .map_err(|error| format!("{} cannot be read ({error})", input.path.display()))
        })
        .collect()
}

/// Runs the compiler; returns its messages.
fn generate(
    generation: &Generation,
    compiler: &KnownCompiler,
    slots: &Slots,
) -> Result<Vec<u8>, String> {
    let slot = slots.wait();
    let _slot = slot.map_err(|error| format!("make's job slots cannot be used ({error})"))?;
    let _ = fs::remove_file(&generation.output);
    let variable = |name: &'static str| Some((name, env::var_os(name)?));
    let environment: Vec<(&str, OsString)> = ENVIRONMENT.into_iter().filter_map(variable).collect();
    let done = Command::new(compiler.program())
        .args(generation.arguments())
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("clang cannot be run ({error})"))?;
    if !done.status.success() {
        return Err(format!("clang failed ({})", done.status));
    }
    Ok([done.stdout, done.stderr].concat())
}

/// Returns the result that the compiler has left.
fn entry(generation: &Generation, messages: Vec<u8>) -> Result<Entry, String> {
    generation
        .check_output()
        .map_err(|what| format!("clang {what}"))?;
    let code = fs::read(&generation.output);
    let code = code.map_err(|error| format!("clang left no file ({error})"))?;
    Ok(Entry { messages, code })
}
