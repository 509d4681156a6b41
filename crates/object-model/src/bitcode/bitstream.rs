// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the LLVM bitstream container: blocks, records and abbreviations.
//!
//! Source: LLVM's "LLVM Bitcode File Format". All reads are checked against the bounds. A number of
//! elements is compared with the number of remaining bits, so that no input makes the reader run long.

use std::collections::BTreeMap;

use crate::ReadError;

/// The abbreviation ids of every block.
const END_BLOCK: u64 = 0;
const ENTER_SUBBLOCK: u64 = 1;
const DEFINE_ABBREV: u64 = 2;
const UNABBREV_RECORD: u64 = 3;
const FIRST_DEFINED_ABBREV: u64 = 4;

/// The block with abbreviations for other blocks, and its record that names the other block.
const BLOCKINFO: u64 = 0;
const SETBID: u64 = 1;

/// Width of abbreviation ids outside of all blocks.
const TOP_LEVEL_WIDTH: u32 = 2;
/// Fewer bytes than this after the last block are padding; LLVM's own reader also stops there.
const PADDING_BYTES: usize = 8;
/// The largest number of characters that is kept of a record; producer names are shorter.
const MAX_TEXT: usize = 256;
/// The largest number of operands of an abbreviation; those of LLVM have a few dozen. Literal operands
/// take no space in a record: without a limit, a record of two bits could have any number of operands.
const MAX_ABBREV_OPERANDS: u64 = 256;

/// The blocks of one file.
#[derive(Debug)]
pub struct Bitstream<'data> {
    bits: Bits<'data>,
}

/// A block: its id and the place of its content.
#[derive(Clone, Copy, Debug)]
pub struct Block<'data> {
    /// The id of the block.
    pub id: u64,
    abbrev_width: u32,
    body: &'data [u8],
}

/// An item of a block.
#[derive(Debug)]
pub enum Item<'data> {
    /// A nested block, already skipped.
    Block(Block<'data>),
    /// A record.
    Record(Record<'data>),
}

/// The parts of a record that this crate needs.
#[derive(Debug, Default)]
pub struct Record<'data> {
    /// The code of the record.
    pub code: u64,
    /// Its first operands as characters, as long as they are characters. Empty if numbers are kept.
    pub text: String,
    /// Its first operands as numbers, if [`Block::items_with_numbers`] was called.
    pub numbers: Vec<u64>,
    /// The blob at its end, if there is one.
    pub blob: Option<&'data [u8]>,
}

/// Reads the content of one block, item by item.
#[derive(Debug)]
pub struct Items<'data> {
    bits: Bits<'data>,
    abbrev_width: u32,
    abbrevs: Vec<Abbreviation>,
    keep: Keep,
}

/// The operands of a record that are kept.
#[derive(Clone, Copy, Debug)]
enum Keep {
    Text,
    /// The first operands, up to this number.
    Numbers(usize),
}

/// The abbreviations that a module defines for its blocks, by block id.
#[derive(Debug, Default)]
pub struct BlockInfo(BTreeMap<u64, Vec<Abbreviation>>);

/// The form of a record: its code, then its operands.
type Abbreviation = Vec<Operand>;

/// The encoding of one operand in an abbreviation.
#[derive(Clone, Copy, Debug)]
enum Operand {
    Literal(u64),
    Fixed(u32),
    Vbr(u32),
    Char6,
    Array,
    Blob,
}

fn damaged(what: &str) -> ReadError {
    ReadError::Bitcode(what.to_owned())
}

impl<'data> Bitstream<'data> {
    /// Returns a reader at the first block of `data`, which begins with the four bytes of the magic.
    pub fn open(data: &'data [u8]) -> Result<Self, ReadError> {
        match data.strip_prefix(b"BC\xc0\xde") {
            Some(rest) => Ok(Self {
                bits: Bits::new(rest),
            }),
            None => Err(damaged("no bitstream magic")),
        }
    }

    /// Returns the next top-level block, or `None` at the end of the file.
    pub fn next_block(&mut self) -> Result<Option<Block<'data>>, ReadError> {
        if self.bits.bytes_left() < PADDING_BYTES {
            return Ok(None);
        }
        match self.bits.fixed(TOP_LEVEL_WIDTH)? {
            ENTER_SUBBLOCK => self.bits.block().map(Some),
            _ => Err(damaged("something other than a block at the top level")),
        }
    }
}

impl<'data> Block<'data> {
    /// Returns the length of the content in bytes.
    pub fn n_bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// Returns a reader of the content from its start, which keeps the text of records.
    pub fn items(&self) -> Items<'data> {
        Items {
            bits: Bits::new(self.body),
            abbrev_width: self.abbrev_width,
            abbrevs: Vec::new(),
            keep: Keep::Text,
        }
    }

    /// Returns a reader of the content from its start, which keeps up to `limit` numbers of each record.
    /// `info` has the abbreviations that the enclosing block defines for such blocks.
    ///
    /// Even without a limit, a record is no larger than the block, because each number takes at least
    /// a bit, except the literals of an abbreviation.
    pub fn items_with_numbers(&self, limit: usize, info: &BlockInfo) -> Items<'data> {
        Items {
            abbrevs: info.0.get(&self.id).cloned().unwrap_or_default(),
            keep: Keep::Numbers(limit),
            ..self.items()
        }
    }
}

impl BlockInfo {
    /// Returns whether [`read`](Self::read) can read `block`.
    pub fn is_in(block: &Block<'_>) -> bool {
        block.id == BLOCKINFO
    }

    /// Adds the abbreviations that `block` defines.
    pub fn read(&mut self, block: &Block<'_>) -> Result<(), ReadError> {
        let mut bits = Bits::new(block.body);
        let mut current = None;
        loop {
            match bits.fixed(block.abbrev_width)? {
                END_BLOCK => return Ok(()),
                DEFINE_ABBREV => {
                    let id = current.ok_or_else(|| damaged("an abbreviation for no block"))?;
                    self.0.entry(id).or_default().push(bits.abbreviation()?);
                }
                UNABBREV_RECORD => {
                    let record = bits.plain_record(Keep::Numbers(1))?;
                    // Other records have names of blocks and records for human readers.
                    if record.code == SETBID {
                        let id = record.numbers.first().copied();
                        current = Some(id.ok_or_else(|| damaged("a block info for no block"))?);
                    }
                }
                _ => return Err(damaged("something unknown among abbreviations")),
            }
        }
    }
}

impl<'data> Items<'data> {
    /// Returns the next item, or `None` at the end of the block.
    pub fn next_item(&mut self) -> Result<Option<Item<'data>>, ReadError> {
        loop {
            match self.bits.fixed(self.abbrev_width)? {
                END_BLOCK => return Ok(None),
                ENTER_SUBBLOCK => return Ok(Some(Item::Block(self.bits.block()?))),
                DEFINE_ABBREV => {
                    let abbrev = self.bits.abbreviation()?;
                    self.abbrevs.push(abbrev);
                }
                UNABBREV_RECORD => {
                    let record = self.bits.plain_record(self.keep)?;
                    return Ok(Some(Item::Record(record)));
                }
                id => {
                    let position = usize::try_from(id - FIRST_DEFINED_ABBREV).ok();
                    let abbrev = position
                        .and_then(|position| self.abbrevs.get(position))
                        .ok_or_else(|| damaged("a record of undefined form"))?;
                    let record = self.bits.abbreviated_record(abbrev, self.keep)?;
                    return Ok(Some(Item::Record(record)));
                }
            }
        }
    }
}

/// A position in bits.
#[derive(Clone, Copy, Debug)]
struct Bits<'data> {
    data: &'data [u8],
    /// The offset in bits from the start of `data`.
    position: usize,
}

impl<'data> Bits<'data> {
    fn new(data: &'data [u8]) -> Self {
        Self { data, position: 0 }
    }

    fn bytes_left(&self) -> usize {
        self.data.len().saturating_sub(self.position.div_ceil(8))
    }

    fn bits_left(&self) -> u64 {
        (self.data.len() as u64 * 8).saturating_sub(self.position as u64)
    }

    /// Reads an unsigned number of `width` bits, at most 64, lowest bit first.
    fn fixed(&mut self, width: u32) -> Result<u64, ReadError> {
        if u64::from(width) > self.bits_left() {
            return Err(damaged("it ends too early"));
        }
        let (byte, bit) = (self.position / 8, (self.position % 8) as u32);
        let eight = self.data.get(byte..).and_then(|rest| rest.first_chunk());
        if let Some(eight) = eight
            && (1..=64 - bit).contains(&width)
        {
            // Nearly all numbers take this path.
            self.position += width as usize;
            return Ok(u64::from_le_bytes(*eight) >> bit & (u64::MAX >> (64 - width)));
        }
        let mut value = 0;
        let mut filled = 0;
        while filled < width {
            let byte = self.data[self.position / 8];
            let bit = (self.position % 8) as u32;
            let take = (8 - bit).min(width - filled);
            let chunk = (u64::from(byte) >> bit) & ((1 << take) - 1);
            value |= chunk << filled;
            filled += take;
            self.position += take as usize;
        }
        Ok(value)
    }

    /// Reads a number in chunks of `width` bits; the highest bit of each says that another follows.
    fn vbr(&mut self, width: u32) -> Result<u64, ReadError> {
        let payload = width - 1;
        let mut value = 0_u64;
        let mut shift = 0;
        loop {
            let chunk = self.fixed(width)?;
            let bits = chunk & ((1 << payload) - 1);
            if shift >= 64 || (bits << shift) >> shift != bits {
                return Err(damaged("a number of more than 64 bits"));
            }
            value |= bits << shift;
            if chunk >> payload == 0 {
                return Ok(value);
            }
            shift += payload;
        }
    }

    fn align_to_word(&mut self) {
        self.position = self.position.next_multiple_of(32);
    }

    /// Reads the next `length` bytes; `self` is at a whole byte.
    fn bytes(&mut self, length: u64) -> Result<&'data [u8], ReadError> {
        let range = || {
            let start = self.position / 8;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            self.data.get(start..end)
        };
        let bytes = range().ok_or_else(|| damaged("it ends too early"))?;
        self.position += bytes.len() * 8;
        Ok(bytes)
    }

    /// Reads the header of the next block, and skips its content.
    fn block(&mut self) -> Result<Block<'data>, ReadError> {
        let id = self.vbr(8)?;
        let abbrev_width = self.vbr(4)?;
        // Ids 0 to 3 need two bits; LLVM writes a few and reads up to 32.
        let abbrev_width = u32::try_from(abbrev_width)
            .ok()
            .filter(|width| (2..=32).contains(width))
            .ok_or_else(|| damaged("a block with abbreviation ids of impossible width"))?;
        self.align_to_word();
        let words = self.fixed(32)?;
        let body = self.bytes(words * 4)?;
        Ok(Block {
            id,
            abbrev_width,
            body,
        })
    }

    fn abbreviation(&mut self) -> Result<Abbreviation, ReadError> {
        let count = self.vbr(5)?;
        if count > MAX_ABBREV_OPERANDS {
            return Err(damaged("an abbreviation with more operands than any has"));
        }
        let mut operands = Vec::new();
        for _ in 0..count {
            let is_literal = self.fixed(1)? == 1;
            let operand = if is_literal {
                Operand::Literal(self.vbr(8)?)
            } else {
                match self.fixed(3)? {
                    1 => match self.width()? {
                        0 => Operand::Literal(0),
                        width => Operand::Fixed(width),
                    },
                    2 => match self.width()? {
                        0 => Operand::Literal(0),
                        1 => return Err(damaged("a number in chunks without room for it")),
                        width => Operand::Vbr(width),
                    },
                    3 => Operand::Array,
                    4 => Operand::Char6,
                    5 => Operand::Blob,
                    _ => return Err(damaged("an abbreviation of unknown form")),
                }
            };
            operands.push(operand);
        }
        Ok(operands)
    }

    fn width(&mut self) -> Result<u32, ReadError> {
        u32::try_from(self.vbr(5)?)
            .ok()
            .filter(|&width| width <= 64)
            .ok_or_else(|| damaged("a number of more than 64 bits"))
    }

    /// Reads a number of elements, each of which takes at least `bits`.
    fn count(&mut self, bits: u32) -> Result<u64, ReadError> {
        let count = self.vbr(6)?;
        if count > self.bits_left() / u64::from(bits) {
            return Err(damaged("more elements than it has room for"));
        }
        Ok(count)
    }

    fn plain_record(&mut self, keep: Keep) -> Result<Record<'data>, ReadError> {
        let mut record = Record {
            code: self.vbr(6)?,
            ..Record::default()
        };
        for _ in 0..self.count(6)? {
            record.push(self.vbr(6)?, keep);
        }
        Ok(record)
    }

    fn abbreviated_record(
        &mut self,
        abbrev: &[Operand],
        keep: Keep,
    ) -> Result<Record<'data>, ReadError> {
        let mut record = Record::default();
        let (first, rest) = abbrev
            .split_first()
            .ok_or_else(|| damaged("an abbreviation without operands"))?;
        record.code = self.scalar(*first)?;
        let mut operands = rest.iter();
        while let Some(operand) = operands.next() {
            match operand {
                Operand::Array => {
                    let element = *operands
                        .next()
                        .ok_or_else(|| damaged("an array without elements' form"))?;
                    // As in LLVM, each takes space: literals cannot be elements.
                    let bits = match element {
                        Operand::Fixed(width) | Operand::Vbr(width) => width,
                        Operand::Char6 => 6,
                        Operand::Literal(_) | Operand::Array | Operand::Blob => {
                            return Err(damaged("an array of elements without a form"));
                        }
                    };
                    for _ in 0..self.count(bits)? {
                        record.push(self.scalar(element)?, keep);
                    }
                }
                Operand::Blob => {
                    let length = self.vbr(6)?;
                    self.align_to_word();
                    record.blob = Some(self.bytes(length)?);
                    self.align_to_word();
                }
                scalar => record.push(self.scalar(*scalar)?, keep),
            }
        }
        Ok(record)
    }

    fn scalar(&mut self, operand: Operand) -> Result<u64, ReadError> {
        const CHAR6: &[u8; 64] =
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";
        match operand {
            Operand::Literal(value) => Ok(value),
            Operand::Fixed(width) => self.fixed(width),
            Operand::Vbr(width) => self.vbr(width),
            // A number of six bits is an index below 64.
            Operand::Char6 => Ok(u64::from(CHAR6[self.fixed(6)? as usize])),
            Operand::Array | Operand::Blob => Err(damaged("a list where a number is expected")),
        }
    }
}

impl Record<'_> {
    fn push(&mut self, operand: u64, keep: Keep) {
        match keep {
            Keep::Text => {
                if self.text.len() < MAX_TEXT
                    && let Some(character) = u8::try_from(operand).ok().filter(u8::is_ascii_graphic)
                {
                    self.text.push(char::from(character));
                }
            }
            Keep::Numbers(limit) => {
                if self.numbers.len() < limit {
                    self.numbers.push(operand);
                }
            }
        }
    }
}
