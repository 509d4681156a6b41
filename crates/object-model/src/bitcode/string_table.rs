// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the string table that the symbol table and the modules of a bitcode file share.

use crate::ReadError;

/// A table of names without separators.
#[derive(Clone, Copy, Debug)]
pub struct StringTable<'data> {
    bytes: &'data [u8],
    /// The same table, if all of it is text. Checking it as a whole takes a fraction of the time of
    /// checking name by name.
    text: Option<&'data str>,
}

impl<'data> StringTable<'data> {
    pub fn new(bytes: &'data [u8]) -> Self {
        Self {
            bytes,
            text: std::str::from_utf8(bytes).ok(),
        }
    }

    /// Returns the string of `length` bytes at `start`.
    pub fn string(self, start: usize, length: usize) -> Result<&'data str, ReadError> {
        let range = start..start.saturating_add(length);
        if let Some(name) = self.text.and_then(|text| text.get(range.clone())) {
            return Ok(name);
        }
        let bytes = self.bytes.get(range).ok_or_else(|| {
            ReadError::Bitcode("a name reaches beyond the string table".to_owned())
        })?;
        std::str::from_utf8(bytes).map_err(|_| {
            ReadError::Bitcode(format!(
                "the name \"{}\" is not UTF-8",
                bytes.escape_ascii()
            ))
        })
    }
}
