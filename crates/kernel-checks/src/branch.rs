// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Jumps and calls of x86 with a distance of 32 bits.

use std::fmt;

/// A jump or call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    Call,
    Jump,
    ConditionalJump,
}

impl Branch {
    /// The branch with a distance of 32 bits that begins `code`, and how many bytes are before the
    /// distance. The `cs` prefix, which compilers use as padding, is part of the instruction.
    pub fn at(code: &[u8]) -> Option<(Self, u64)> {
        let (prefix_length, code) = match code.strip_prefix(&[0x2e]) {
            Some(rest) => (1, rest),
            None => (0, code),
        };
        let branch = Self::without_prefix(code)?;
        Some((branch, prefix_length + branch.opcode_length()))
    }

    fn without_prefix(code: &[u8]) -> Option<Self> {
        match code {
            [0xe8, ..] => Some(Self::Call),
            [0xe9, ..] => Some(Self::Jump),
            [0x0f, 0x80..=0x8f, ..] => Some(Self::ConditionalJump),
            _ => None,
        }
    }

    /// How many bytes of the instruction are before the distance, without prefix.
    pub fn opcode_length(self) -> u64 {
        match self {
            Self::Call | Self::Jump => 1,
            Self::ConditionalJump => 2,
        }
    }

    /// The branch whose distance comes after `code`.
    pub fn before_distance(code: &[u8]) -> Option<Self> {
        match code {
            [.., 0xe8] => Some(Self::Call),
            [.., 0xe9] => Some(Self::Jump),
            [.., 0x0f, 0x80..=0x8f] => Some(Self::ConditionalJump),
            _ => None,
        }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call => "call",
            Self::Jump => "jump",
            Self::ConditionalJump => "conditional jump",
        })
    }
}
