// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the list of a thin link: the objects that need code, and the flags of each.
//!
//! Source: the documentation of `.tmp_<object>.codegen.mk` in `lto-link thin-link`, and make's manual.

use std::collections::HashMap;

/// Objects and their flags, in link order.
pub(crate) fn objects(list: &str) -> Vec<(String, String)> {
    let mut variables: HashMap<&str, &str> = HashMap::new();
    let mut objects = Vec::new();
    for line in list.lines() {
        if let Some(object) = line.strip_prefix("lto-bitcode += ") {
            objects.push(object);
        } else if let Some((name, value)) = line.split_once(" := ").or(line.split_once(" = ")) {
            variables.insert(name, value);
        }
    }
    let flags_of = |object: &str| {
        let value = variables.get(format!("lto-flags-of-{object}").as_str())?;
        Some(expand(value, &variables))
    };
    objects
        .into_iter()
        .map(|object| (object.to_owned(), flags_of(object).unwrap_or_default()))
        .collect()
}

/// Expands `value` like make: variables by their values, `$$` to a dollar sign.
fn expand(value: &str, variables: &HashMap<&str, &str>) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|reference| reference.split_once(')'))
        {
            match variables.get(name) {
                Some(value) => text.push_str(&expand(value, variables)),
                None if name == "pound" => text.push('#'),
                None => {}
            }
            rest = after;
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_flags_that_the_list_says() {
        let list = "lto-bitcode :=\nlto-shared :=\nlto-link-name := x\n\
                    lto-bitcode += a.o\nlto-bitcode += b.o\n\
                    lto-flags-1 := -O2 '-DS=$(pound)$$x'\nlto-flags-2 := -Os\n\
                    lto-flags-of-a.o = $(lto-flags-2)\n\
                    lto-flags-of-b.o = $(lto-flags-1) -DNAME=b $(lto-flags-2)\n\
                    lto-complete := lto-link thin-link --complete\n";
        let pair = |object: &str, flags: &str| (object.to_owned(), flags.to_owned());
        let expected = [
            pair("a.o", "-Os"),
            pair("b.o", "-O2 '-DS=#$x' -DNAME=b -Os"),
        ];
        assert_eq!(objects(list), expected);
    }
}
