// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `ar` archives: GNU, BSD, regular and thin.

use object::read::archive::ArchiveFile;

use crate::{FileKind, ReadError};

/// An archive and its members in archive order, symbol tables and name tables left out.
#[derive(Debug)]
pub struct Archive<'data> {
    kind: FileKind,
    members: Vec<Member<'data>>,
}

/// One member of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'data> {
    /// Its name. In a thin archive the path of the file, relative to the archive's directory.
    pub name: &'data str,
    /// Where its bytes are.
    pub content: MemberContent<'data>,
}

/// Where the bytes of a member are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberContent<'data> {
    /// In the archive.
    Embedded(&'data [u8]),
    /// In the file that the member's name is the path of.
    External,
}

impl<'data> Archive<'data> {
    /// Reads the archive in `data`.
    ///
    /// # Errors
    /// Bytes that are no archive, headers that contradict each other, members that reach beyond
    /// the end, names that are not UTF-8.
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

    /// Regular or thin.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// The members in archive order.
    pub fn members(&self) -> &[Member<'data>] {
        &self.members
    }
}
