// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reports several faults together.

use std::error::Error;
use std::fmt;

/// One or more faults of one scan. A scan collects all faults and then fails once.
///
/// `Display` gives one fault per line, each with its causes.
#[derive(Debug)]
pub struct Faults<E>(Vec<E>);

impl<E> Faults<E> {
    /// Returns `value` if the scan found no fault, otherwise all of its faults.
    pub fn check<T>(value: T, faults: Vec<E>) -> Result<T, Self> {
        if faults.is_empty() {
            Ok(value)
        } else {
            Err(Self(faults))
        }
    }

    /// Returns the faults, at least one, in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, E> {
        self.0.iter()
    }
}

impl<E> From<E> for Faults<E> {
    fn from(fault: E) -> Self {
        Self(vec![fault])
    }
}

impl<E> IntoIterator for Faults<E> {
    type Item = E;
    type IntoIter = std::vec::IntoIter<E>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, E> IntoIterator for &'a Faults<E> {
    type Item = &'a E;
    type IntoIter = std::slice::Iter<'a, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E: Error + 'static> fmt::Display for Faults<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", WithCauses(fault))?;
        }
        Ok(())
    }
}

impl<E: Error + 'static> Error for Faults<E> {}

/// Shows an error and its causes in one line: `error: cause: cause of the cause`.
pub struct WithCauses<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
