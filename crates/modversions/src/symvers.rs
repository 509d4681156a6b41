// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads `Module.symvers`: the exports of a kernel and its modules, with CRCs.

use std::collections::BTreeMap;

/// One line of `Module.symvers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// CRC of the symbol's type.
    pub crc: u32,
    /// `vmlinux`, or the module's path without `.ko`.
    pub exporter: String,
    /// The rest of the line: the kind of export and the namespace.
    pub rest: String,
}

/// The lines of a `Module.symvers`, by symbol name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symvers(BTreeMap<String, Export>);

/// A line that is not one of `Module.symvers`. Lines are counted from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SymversError {
    /// The line has another form.
    #[error("line {line}: not CRC, symbol, exporter and kind of export separated by tabs: {text}")]
    Form {
        /// The line's number.
        line: usize,
        /// The line.
        text: String,
    },
    /// A symbol has two lines, although modpost writes one per symbol.
    #[error(
        "line {line}: {symbol} is also in line {first}, and which CRC counts is not known; remove \
         the file and run make again"
    )]
    Repeated {
        /// The number of the later line.
        line: usize,
        /// The exported name.
        symbol: String,
        /// The number of the first line of the symbol.
        first: usize,
    },
}

/// A fault of a kernel's exports.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymversFault {
    /// The CRC is zero, so loading a module that uses the symbol checks nothing.
    #[error("{symbol} of {exporter}: the CRC is zero")]
    Zero {
        /// The exported name.
        symbol: String,
        /// The exporter.
        exporter: String,
    },
    /// The reference does not export the symbol.
    #[error("{symbol} of {exporter}: not exported by the build that this one is compared with")]
    Added {
        /// The exported name.
        symbol: String,
        /// The exporter.
        exporter: String,
    },
    /// Only the reference exports the symbol.
    #[error("{symbol} of {exporter}: exported only by the build to compare with")]
    Lost {
        /// The exported name.
        symbol: String,
        /// The exporter in the reference.
        exporter: String,
    },
    /// The two builds differ.
    #[error("{symbol}: expected {expected}, found {found}")]
    Differs {
        /// The exported name.
        symbol: String,
        /// CRC, exporter and kind of the reference.
        expected: String,
        /// The same of this build.
        found: String,
    },
}

impl std::fmt::Display for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:#010x} from {} ({})",
            self.crc,
            self.exporter,
            self.rest.trim()
        )
    }
}

impl Symvers {
    /// Reads the text of a `Module.symvers` (`scripts/mod/modpost.c`, `write_dump`).
    ///
    /// # Errors
    /// The first line that has another form, or whose symbol an earlier line has.
    pub fn parse(text: &str) -> Result<Self, SymversError> {
        let mut exports = BTreeMap::new();
        for (index, text_of_line) in text.lines().enumerate() {
            let line = index + 1;
            let (symbol, export) = parse_line(text_of_line).ok_or_else(|| SymversError::Form {
                line,
                text: text_of_line.to_owned(),
            })?;
            if exports.insert(symbol.to_owned(), export).is_some() {
                let mut symbols = text.lines().filter_map(parse_line).map(|(name, _)| name);
                let first = symbols.position(|name| name == symbol).unwrap_or(index) + 1;
                let symbol = symbol.to_owned();
                return Err(SymversError::Repeated {
                    line,
                    symbol,
                    first,
                });
            }
        }
        Ok(Self(exports))
    }

    /// Returns the number of exported symbols.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether nothing is exported.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the export of `symbol`.
    pub fn get(&self, symbol: &str) -> Option<&Export> {
        self.0.get(symbol)
    }

    /// Returns all exports, by symbol name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Export)> {
        self.0
            .iter()
            .map(|(symbol, export)| (symbol.as_str(), export))
    }

    /// Returns faults for the exports with a zero CRC.
    pub fn zero_crcs(&self) -> Vec<SymversFault> {
        let zero = self.0.iter().filter(|(_, export)| export.crc == 0);
        zero.map(|(symbol, export)| SymversFault::Zero {
            symbol: symbol.clone(),
            exporter: export.exporter.clone(),
        })
        .collect()
    }

    /// Returns the differences between these exports and those of a `reference` build.
    pub fn differences(&self, reference: &Self) -> Vec<SymversFault> {
        let mut faults = Vec::new();
        for (symbol, expected) in &reference.0 {
            let symbol = symbol.clone();
            match self.0.get(&symbol) {
                None => {
                    let exporter = expected.exporter.clone();
                    faults.push(SymversFault::Lost { symbol, exporter });
                }
                Some(found) if found != expected => faults.push(SymversFault::Differs {
                    symbol,
                    expected: expected.to_string(),
                    found: found.to_string(),
                }),
                Some(_) => {}
            }
        }
        for (symbol, export) in &self.0 {
            if !reference.0.contains_key(symbol) {
                let (symbol, exporter) = (symbol.clone(), export.exporter.clone());
                faults.push(SymversFault::Added { symbol, exporter });
            }
        }
        faults
    }
}

fn parse_line(line: &str) -> Option<(&str, Export)> {
    let mut fields = line.splitn(4, '\t');
    let crc = u32::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()?;
    let symbol = fields.next()?;
    let exporter = fields.next()?.to_owned();
    let rest = fields.next()?.to_owned();
    Some((
        symbol,
        Export {
            crc,
            exporter,
            rest,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "0x037a0cba\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n\
                             0x12345678\tjbd2_log\tfs/jbd2/jbd2\tEXPORT_SYMBOL\t\n";

    fn symvers(text: &str) -> Symvers {
        Symvers::parse(text).expect("well-formed")
    }

    #[test]
    fn equal_exports_have_no_differences() {
        assert_eq!(symvers(REFERENCE).differences(&symvers(REFERENCE)), []);
        assert_eq!(symvers(REFERENCE).zero_crcs(), []);
        assert_eq!(symvers(REFERENCE).len(), 2);
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let found = symvers(
            "0x00000000\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n0x1\tnew\tvmlinux\tEXPORT_SYMBOL\t\n",
        );
        let faults = found.differences(&symvers(REFERENCE));
        assert_eq!(
            faults,
            [
                SymversFault::Lost {
                    symbol: "jbd2_log".into(),
                    exporter: "fs/jbd2/jbd2".into()
                },
                SymversFault::Differs {
                    symbol: "kfree".into(),
                    expected: "0x037a0cba from vmlinux (EXPORT_SYMBOL)".into(),
                    found: "0x00000000 from vmlinux (EXPORT_SYMBOL)".into(),
                },
                SymversFault::Added {
                    symbol: "new".into(),
                    exporter: "vmlinux".into()
                },
            ]
        );
        assert_eq!(
            found.zero_crcs(),
            [SymversFault::Zero {
                symbol: "kfree".into(),
                exporter: "vmlinux".into()
            }]
        );
    }

    #[test]
    fn a_malformed_line_is_named() {
        let error = Symvers::parse("0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\nkfree\n").unwrap_err();
        let (line, text) = (2, "kfree".into());
        assert_eq!(error, SymversError::Form { line, text });
    }

    #[test]
    fn a_symbol_that_is_listed_twice_is_refused() {
        let again = "0x00000001\tkfree\tfs/x\tEXPORT_SYMBOL\t\n";
        let error = Symvers::parse(&format!("{REFERENCE}{again}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3: kfree is also in line 1, and which CRC counts is not known; remove the file and \
             run make again"
        );
    }
}
