// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds files that assembly includes when code is generated. lld's cache does not know them.
//!
//! Source: the manual of the GNU assembler (`.incbin`, `.include`), which LLVM follows. Names of directives are
//! case-insensitive.

use object_model::{Bitcode, ReadError};

const DIRECTIVES: [&str; 2] = [".incbin", ".include"];

/// Returns the directives in the assembly of `bitcode`, also within functions, that include a file.
///
/// A directive in a comment counts; a directive composed by a macro does not.
///
/// # Errors
/// The errors of [`Bitcode::assembly`].
pub fn file_directives(bitcode: &Bitcode) -> Result<Vec<&'static str>, ReadError> {
    let assembly = bitcode.assembly()?;
    let of_functions = assembly.functions.iter().flat_map(|of| &of.texts);
    let texts: Vec<_> = assembly.modules.iter().chain(of_functions).collect();
    let is_in = |directive: &str, text: &[u8]| {
        let mut windows = text.windows(directive.len());
        windows.any(|window| window.eq_ignore_ascii_case(directive.as_bytes()))
    };
    let found = DIRECTIVES.into_iter();
    Ok(found
        .filter(|directive| texts.iter().any(|text| is_in(directive, text)))
        .collect())
}
