// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The list of dropped definitions, `vmlinux.lto-dropped`. The first line names the columns. Each
//! other line has symbol, object, kind, a function's number of instructions, and a variable's
//! number of bytes, separated by tabs; a dash stands for an unknown number.

use std::fmt::Write as _;

use object_model::GlobalValueKind;

use crate::resolve::explain::Dropped;

/// Names of the columns that every reader needs.
const HEAD: &str = "# symbol\tobject";

/// Returns the list of the definitions `dropped`.
pub(crate) fn dropped_listing(dropped: &[Dropped]) -> String {
    let mut text = format!("{HEAD}\tkind\tinstructions\tbytes\n");
    for Dropped {
        symbol,
        object,
        kind,
        instructions,
        size,
    } in dropped
    {
        let number =
            |number: &Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let (instructions, bytes) = (number(instructions), number(size));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{symbol}\t{object}\t{}\t{instructions}\t{bytes}",
            name_of(*kind)
        );
    }
    text
}

fn name_of(kind: GlobalValueKind) -> &'static str {
    match kind {
        GlobalValueKind::Variable => "variable",
        GlobalValueKind::Function => "function",
        GlobalValueKind::Alias => "alias",
        GlobalValueKind::IndirectFunction => "indirect function",
    }
}

/// A malformed line of a list of dropped definitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DroppedError {
    line: usize,
    what: String,
}

/// Returns symbol and object of each dropped definition in `text`, the content of a list.
///
/// # Errors
/// The first line that cannot be read.
pub fn read_dropped(text: &str) -> Result<Vec<(&str, &str)>, DroppedError> {
    let mut lines = text.lines();
    if !lines.next().is_some_and(|head| head.starts_with(HEAD)) {
        let what = "expected names of columns, of which the first are symbol and object".to_owned();
        return Err(DroppedError { line: 1, what });
    }
    let definition = |(index, line): (usize, _)| {
        let mut columns = str::split(line, '\t');
        columns
            .next()
            .zip(columns.next())
            .ok_or_else(|| DroppedError {
                line: index + 2,
                what: format!("not a symbol and an object: {line}"),
            })
    };
    lines.enumerate().map(definition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_it_was_written() {
        let dropped = |symbol, kind, instructions, size| Dropped {
            symbol,
            object: "lib/a b.o",
            kind,
            instructions,
            size,
        };
        let listing = dropped_listing(&[
            dropped("f", GlobalValueKind::Function, Some(3), None),
            dropped("v", GlobalValueKind::Variable, None, Some(8)),
        ]);
        assert_eq!(
            listing,
            "# symbol\tobject\tkind\tinstructions\tbytes\n\
             f\tlib/a b.o\tfunction\t3\t-\nv\tlib/a b.o\tvariable\t-\t8\n"
        );
        let read = read_dropped(&listing);
        assert_eq!(read, Ok(vec![("f", "lib/a b.o"), ("v", "lib/a b.o")]));
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        let error = |text| read_dropped(text).expect_err("no list").to_string();
        assert!(error("").starts_with("line 1: expected names of columns"));
        assert!(error("symbol\tobject\n").starts_with("line 1: "));
        assert_eq!(
            error("# symbol\tobject\tkind\nf\ta.o\tfunction\nv\n"),
            "line 3: not a symbol and an object: v"
        );
    }
}
