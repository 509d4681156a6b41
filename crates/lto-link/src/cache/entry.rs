// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The file of one result in the cache.
//!
//! Its first line has the name of the format, and the digest of all that follows. Its second line has the key, and
//! the number of bytes of messages. Messages and native object follow.

use std::str;

use crate::actions::digest::Digest;

/// The name of the format, with its version. Files of other versions are made again.
const FORMAT: &str = "lto-link-cache-1";

/// The result of a code generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The messages of the compiler, which a build shows again.
    pub(crate) messages: Vec<u8>,
    /// The native object.
    pub(crate) code: Vec<u8>,
}

impl Entry {
    /// Returns the content of the file for `key`.
    pub(crate) fn to_bytes(&self, key: &Digest) -> Vec<u8> {
        let mut body = format!("{} {}\n", key.hash, self.messages.len()).into_bytes();
        body.extend_from_slice(&self.messages);
        body.extend_from_slice(&self.code);
        let mut bytes = format!("{FORMAT} {}\n", Digest::of(&body)).into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads the content of the file for `key`. Returns `None` if it was truncated or changed, or is that of another
    /// key.
    pub(crate) fn from_bytes(bytes: &[u8], key: &Digest) -> Option<Self> {
        let (first, body) = line(bytes)?;
        let digest = first.strip_prefix(FORMAT)?.strip_prefix(' ')?;
        if digest != Digest::of(body).to_string() {
            return None;
        }
        let (second, rest) = line(body)?;
        let n_messages = second.strip_prefix(&key.hash)?.strip_prefix(' ')?;
        let (messages, code) = rest.split_at_checked(n_messages.parse().ok()?)?;
        (!code.is_empty()).then(|| Self {
            messages: messages.to_owned(),
            code: code.to_owned(),
        })
    }
}

/// Returns the first line of `bytes`, and what follows it.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((str::from_utf8(line).ok()?, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_or_changed_file_is_no_entry() {
        let [key, other] = [Digest::of(b"key"), Digest::of(b"other")];
        let entry = Entry {
            messages: b"warning\n".to_vec(),
            code: b"code\n1 2\n".to_vec(),
        };
        let bytes = entry.to_bytes(&key);
        assert_eq!(Entry::from_bytes(&bytes, &key), Some(entry.clone()));
        assert_eq!(Entry::from_bytes(&bytes, &other), None);
        for length in 0..bytes.len() {
            assert_eq!(Entry::from_bytes(&bytes[..length], &key), None, "{length}");
        }
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert_eq!(Entry::from_bytes(&changed, &key), None, "{position}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(Entry::from_bytes(&longer, &key), None);
        let empty = Entry {
            code: Vec::new(),
            ..entry
        };
        assert_eq!(Entry::from_bytes(&empty.to_bytes(&key), &key), None);
    }
}
