// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads `ar` archives: GNU, BSD, regular and thin.

use object::read::archive::ArchiveFile;

use crate::{FileKind, ReadError};

/// An archive and its members in archive order, without symbol tables and name tables.
#[derive(Debug)]
pub struct Archive<'data> {
    kind: FileKind,
    members: Vec<Member<'data>>,
}

/// One member of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'data> {
    /// Its name; in a thin archive, the path of the file, relative to the archive's directory.
    pub name: &'data str,
    /// The place of its bytes.
    pub content: MemberContent<'data>,
}

/// The place of the bytes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberContent<'data> {
    /// The archive contains them.
    Embedded(&'data [u8]),
    /// They are in a separate file, whose path is the member's name.
    External,
}

impl<'data> Archive<'data> {
    /// Reads the archive in `data`.
    ///
    /// # Errors
    /// The bytes are not an archive, headers contradict each other, members reach beyond the end,
    /// or names are not UTF-8.
    pub fn parse(data: &'data [u8]) -> Result<Self, ReadError> {
        let kind = FileKind::of(data)
            .filter(|kind| kind.is_archive())
            .ok_or_else(|| ReadError::ArchiveContent("no archive magic".into()))?;
        let damaged = |what: String| move |source| ReadError::Archive { what, source };
        let file = ArchiveFile::parse(data).map_err(damaged("its first members".into()))?;
        let mut members = Vec::new();
        for member in file.members() {
            let member = member.map_err(damaged(format!("member {}", members.len() + 1)))?;
            let name = std::str::from_utf8(member.name()).map_err(|_| {
                ReadError::ArchiveContent(format!(
                    "the member name \"{}\", which is not UTF-8",
                    member.name().escape_ascii()
                ))
            })?;
            let content = if member.is_thin() {
                MemberContent::External
            } else {
                let bytes = member.data(data);
                MemberContent::Embedded(bytes.map_err(damaged(format!("the bytes of {name}")))?)
            };
            members.push(Member { name, content });
        }
        Ok(Self { kind, members })
    }

    /// Returns whether the archive is regular or thin.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Returns the members in archive order.
    pub fn members(&self) -> &[Member<'data>] {
        &self.members
    }
}
