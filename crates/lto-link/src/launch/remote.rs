// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Code generation by a server of the Remote Execution API, through the client trexe of `BuildBox`.
//!
//! Source: trexe's help, version 1.4.16; the JSON form of `ActionResult` in `remote_execution.proto`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::actions::digest::Digest;
use crate::actions::hermetic::{folders_on_the_way, has_absolute_path, normal};
use crate::launch::generation::Generation;
use crate::launch::record::Outcome;

/// clang may exit with 0 and leave an empty file. A server must not keep that as a result.
const GUARD: &str = r#""$@" && test -s "$0""#;

/// A remote code generation: what trexe is asked to do, and where its files are.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// trexe's arguments.
    pub(crate) arguments: Vec<OsString>,
    /// The file in which trexe leaves the output.
    output: PathBuf,
    metadata: PathBuf,
    result: PathBuf,
}

/// The part of trexe's metadata that is used.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "actionResultMetadata")]
    action_result: ActionResultMetadata,
}

#[derive(Deserialize)]
struct ActionResultMetadata {
    #[serde(rename = "exitCode")]
    exit_code: i32,
    #[serde(rename = "cachedResult")]
    is_cached: bool,
}

/// The part of the server's result that is used.
#[derive(Deserialize)]
struct ActionResult {
    #[serde(rename = "outputFiles", default)]
    output_files: Vec<OutputFile>,
}

#[derive(Deserialize)]
struct OutputFile {
    digest: ResultDigest,
}

/// A digest in JSON: integers of 64 bits are text.
#[derive(Deserialize)]
struct ResultDigest {
    hash: String,
    #[serde(rename = "sizeBytes")]
    size_bytes: String,
}

impl Remote {
    /// Returns the request for `generation` to the server at `address`, from the directory `root`. trexe's files
    /// are in `files`. The digest `compiler` is a part of the action.
    ///
    /// # Errors
    /// The reason why no other machine can do this code generation.
    pub(crate) fn new(
        generation: &Generation,
        address: &str,
        root: &Path,
        files: &Path,
        compiler: &Digest,
    ) -> Result<Self, String> {
        let command = command(generation, root)?;
        let outside = || "a path leads out of the object tree".to_owned();
        let output = normal(&generation.output).ok_or_else(outside)?;
        let mut arguments = vec![
            OsString::from(format!("--remote={address}")),
            format!("--env=LTO_COMPILER={compiler}").into(),
        ];
        let mut places = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for input in &generation.inputs {
            let place = input.place(root).ok_or_else(outside)?;
            folders.extend(input.folders());
            arguments.push(input_path(&input.path, &place)?);
            places.insert(place);
        }
        folders.extend(folders_on_the_way(&generation.output));
        // A folder that `..` goes through must exist.
        let empty = files.join("empty");
        fs::create_dir_all(&empty).map_err(|error| format!("no file can be made ({error})"))?;
        folders.retain(|folder| !places.iter().any(|place| place.starts_with(folder)));
        for folder in &folders {
            arguments.push(input_path(&empty, folder)?);
        }
        let [download, metadata, result] =
            ["download", "metadata", "result"].map(|name| files.join(name));
        for (option, value) in [
            ("--output-path=", &output),
            ("--d=", &download),
            ("--result-metadata-file=", &metadata),
            ("--action-result-json=", &result),
        ] {
            let mut argument = OsString::from(option);
            argument.push(value);
            arguments.push(argument);
        }
        arguments.extend(["sh", "-c", GUARD].map(OsString::from));
        arguments.push(generation.output.clone().into());
        arguments.extend(command.into_iter().map(OsString::from));
        Ok(Self {
            arguments,
            output: download.join(output),
            metadata,
            result,
        })
    }

    /// Checks the file that trexe has left by the server's digest, and moves it to `place`. Returns where the code
    /// was generated.
    ///
    /// # Errors
    /// The reason why the result does not count.
    pub(crate) fn take(&self, place: &Path) -> Result<Outcome, String> {
        let unknown = "gave a result in an unknown form".to_owned();
        let metadata: Metadata = read(&self.metadata).ok_or_else(|| unknown.clone())?;
        let result: ActionResult = read(&self.result).ok_or(unknown)?;
        if metadata.action_result.exit_code != 0 {
            return Err("failed on the server".to_owned());
        }
        let digest = Digest::of_file(&self.output).map_err(|_| "left no file".to_owned())?;
        let of_server = result.output_files.first().map(|file| &file.digest);
        let is_same = of_server.is_some_and(|of_server| {
            of_server.hash == digest.hash && of_server.size_bytes == digest.size_bytes.to_string()
        });
        if !is_same {
            return Err("left a file with another digest than the server's result".to_owned());
        }
        // The folder may be on another file system.
        fs::rename(&self.output, place)
            .or_else(|_| fs::copy(&self.output, place).map(drop))
            .map_err(|error| format!("left a file that cannot be moved ({error})"))?;
        Ok(if metadata.action_result.is_cached {
            Outcome::Cached
        } else {
            Outcome::Remote
        })
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Returns trexe's option for the input `local` at `place`.
fn input_path(local: &Path, place: &Path) -> Result<OsString, String> {
    let paths = [local, place].map(|path| path.to_str().filter(|path| !path.contains(':')));
    match paths {
        [Some(local), Some(place)] => Ok(format!("--input-path={local}:{place}").into()),
        _ => {
            Err("trexe takes no path with a colon, or with other characters than UTF-8".to_owned())
        }
    }
}

/// Returns the command of `generation` for another machine: without absolute paths.
fn command(generation: &Generation, root: &Path) -> Result<Vec<String>, String> {
    let command = generation.placed_command(root)?;
    if command.iter().any(|word| has_absolute_path(word)) {
        return Err("an argument has an absolute path; `lto-link actions` names it".to_owned());
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::inputs::{InputFile, Role};

    fn generation(words: &str) -> Generation {
        let command: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        Generation {
            command,
            object: "a/../v/o.o".into(),
            output: "a/../v/o.native.o".into(),
            inputs: vec![
                InputFile::new("a/../v/o.o", Role::Object),
                InputFile::new("i.bc", Role::Index),
                InputFile::new("/p/x.profdata", Role::Option),
            ],
        }
    }

    #[test]
    fn a_request_has_paths_from_the_root() {
        let files = tempfile::tempdir().expect("a directory");
        let digest = Digest::of(b"");
        let new = |words| {
            let root = Path::new("/tree");
            Remote::new(
                &generation(words),
                "http://x:1",
                root,
                files.path(),
                &digest,
            )
        };
        let remote =
            new("ccache /opt/clang -O2 -fprofile-use=/p/x.profdata -c").expect("a request");
        let text: Vec<_> = remote
            .arguments
            .iter()
            .map(|word| word.display().to_string())
            .collect();
        let files = files.path().display();
        assert_eq!(
            text,
            [
                "--remote=http://x:1",
                &format!("--env=LTO_COMPILER={digest}"),
                "--input-path=a/../v/o.o:v/o.o",
                "--input-path=i.bc:i.bc",
                "--input-path=/p/x.profdata:.lto-outside/x.profdata",
                &format!("--input-path={files}/empty:a"),
                "--output-path=v/o.native.o",
                &format!("--d={files}/download"),
                &format!("--result-metadata-file={files}/metadata"),
                &format!("--action-result-json={files}/result"),
                "sh",
                "-c",
                "\"$@\" && test -s \"$0\"",
                "a/../v/o.native.o",
                "clang",
                "-O2",
                "-fprofile-use=.lto-outside/x.profdata",
                "-c",
            ]
        );
        for words in ["clang -resource-dir /usr -c", "clang -no-integrated-as -c"] {
            assert!(new(words).is_err(), "{words}");
        }
    }
}
