// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes output files completely or not at all.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// An output that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written", path.display())]
pub struct WriteError {
    /// The output; `-` is standard output.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// Writes `content` to the file at `path`. A temporary file beside it is written first and then renamed,
/// so that no reader sees, and no killed run leaves, a partial file. `-` is standard output. An existing
/// path that is not a regular file, such as `/dev/null`, is written to directly.
///
/// # Errors
/// A file or directory cannot be read or written.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    write(path, content).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// Writes a result to standard output. If the reader has closed it, as `head` does, that is no error.
///
/// # Errors
/// It cannot be written, for example because the disk is full.
pub fn write_stdout(text: &[u8]) -> Result<(), WriteError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => Err(WriteError {
            path: PathBuf::from("standard output"),
            source,
        }),
        _ => Ok(()),
    }
}

/// Replaces the content of the existing file at `path`, like [`write_atomic`], but the file keeps its
/// mode. If `path` is a symbolic link, the file that it leads to is replaced and the link stays.
///
/// # Errors
/// There is no such file, or a file or directory cannot be read or written.
pub fn rewrite_atomic(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    rewrite(path, content).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// Like [`write_atomic`], but a file that already has this content keeps its time stamp, so that
/// make does not run the rules that depend on it. Returns whether the file was written.
///
/// # Errors
/// A file or directory cannot be read or written.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool, WriteError> {
    // If the file cannot be read, writing it will report the reason.
    let unchanged = is_regular(path) && fs::read(path).is_ok_and(|present| present == content);
    if unchanged {
        return Ok(false);
    }
    write_atomic(path, content).map(|()| true)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        let mut stdout = io::stdout().lock();
        stdout.write_all(content)?;
        return stdout.flush();
    }
    if path.exists() && !is_regular(path) {
        return fs::write(path, content);
    }
    beside(path, content)?.persist(path)?;
    Ok(())
}

fn rewrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    let permissions = path.metadata()?.permissions();
    let file = beside(&path, content)?;
    // The umask does not apply: the file had these bits before.
    file.as_file().set_permissions(permissions)?;
    file.persist(path)?;
    Ok(())
}

/// Returns a temporary file with this content, in the folder of `path`.
fn beside(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".tmp_")
        // As for any new file, the process's umask clears its bits.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(content)?;
    Ok(file)
}

fn is_regular(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
