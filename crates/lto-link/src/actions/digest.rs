// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Digests of files: SHA-256 and size.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The size of one read, in bytes.
const BLOCK: usize = 64 << 10;

/// The digest of a file or message, as `Digest` of the Remote Execution API: `Display` gives `hash/size`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest {
    /// The SHA-256 hash in lower-case hexadecimal.
    pub hash: String,
    /// The size in bytes.
    pub size_bytes: u64,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hash, self.size_bytes)
    }
}

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = Sha256::new();
        sum.update(bytes);
        Self {
            hash: hexadecimal(&sum.finalize()),
            size_bytes: bytes.len() as u64,
        }
    }

    /// Returns the digest of the content of the file at `path`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut sum = Sha256::new();
        let mut block = vec![0; BLOCK];
        let mut size_bytes = 0;
        loop {
            let n = match file.read(&mut block) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            sum.update(block.get(..n).unwrap_or_default());
            size_bytes += n as u64;
        }
        Ok(Self {
            hash: hexadecimal(&sum.finalize()),
            size_bytes,
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Digests of files, each read once.
#[derive(Debug, Default)]
pub(crate) struct Digests(HashMap<PathBuf, Digest>);

impl Digests {
    /// Returns the digest of the file at `path`.
    pub(crate) fn of(&mut self, path: &Path) -> io::Result<Digest> {
        if let Some(known) = self.0.get(path) {
            return Ok(known.clone());
        }
        let digest = Digest::of_file(path)?;
        self.0.insert(path.to_owned(), digest.clone());
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of three bytes is the example of FIPS 180-2.
    #[test]
    fn a_digest_is_hash_and_size() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/3";
        assert_eq!(Digest::of(b"abc").to_string(), expected);
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        io::Write::write_all(&mut file, b"abc").expect("written");
        let digest = Digest::of_file(file.path()).expect("read");
        assert_eq!(digest.to_string(), expected);
    }
}
