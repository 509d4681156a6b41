// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds import cycles between the files of a crate.
//!
//! A file imports another if it uses a path, `crate::a::b` or `super::a`, in a `use` or elsewhere,
//! that leads to it. A name that a file re-exports (`pub use`) leads to its origin. A file and its
//! parts (`a.rs` and `a/b.rs`; `lib.rs` and all others) belong together and do not form a cycle.
//! Test code does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

/// The path of a module or another item from the root of the crate.
type Path = Vec<String>;

/// Returns the modules of each cycle, in order. `files` has the text of each file by its path in `src/`.
///
/// # Panics
/// A text is not Rust.
pub fn circles(files: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let mut modules = BTreeMap::new();
    for (file, text) in files {
        let module = module_of(file);
        let tokens = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        modules.insert(module.clone(), Names::read(tokens, &module));
    }
    let mut graph = BTreeMap::new();
    for (module, names) in &modules {
        let paths = names.paths.iter();
        let mut imported: BTreeSet<Path> = paths.map(|path| file_of(&modules, path)).collect();
        imported.retain(|other| !other.starts_with(module) && !module.starts_with(other));
        graph.insert(module, imported);
    }
    let from_each: BTreeMap<_, _> = graph
        .keys()
        .map(|&from| (from, reached(&graph, from)))
        .collect();
    let mut circles = BTreeSet::new();
    for (&module, from_here) in &from_each {
        if from_here.contains(module) {
            let comes_back = |other: &&&Path| from_each[**other].contains(module);
            let circle = from_here.iter().filter(comes_back);
            circles.insert(circle.map(|path| path.join("::")).collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

/// Returns the module of a file: `a::b` for `a/b.rs` and `a/b/mod.rs`, an empty path for the root.
fn module_of(file: &str) -> Path {
    let name = file.strip_suffix(".rs").unwrap_or(file);
    let name = name.strip_suffix("/mod").unwrap_or(name);
    match name {
        "lib" | "main" => Path::new(),
        name => name.split('/').map(str::to_owned).collect(),
    }
}

/// Returns all modules that `from` imports directly or indirectly.
fn reached<'graph>(
    graph: &'graph BTreeMap<&Path, BTreeSet<Path>>,
    from: &Path,
) -> BTreeSet<&'graph Path> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Path> = graph[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(&graph[module]);
        }
    }
    found
}

/// Returns the file that defines the item at `path`.
fn file_of(modules: &BTreeMap<Path, Names>, path: &[String]) -> Path {
    // The maximum number of re-exports that a path may go through.
    const MOST: usize = 8;
    let mut path = path.to_vec();
    for _ in 0..MOST {
        let n_modules = (0..=path.len())
            .rev()
            .find(|n| modules.contains_key(&path[..*n]));
        let n_modules = n_modules.unwrap_or_default();
        let (module, rest) = path.split_at(n_modules);
        let Some(imported) = rest
            .first()
            .and_then(|name| modules[module].imported.get(name))
        else {
            return module.to_vec();
        };
        path = [&imported[..], &rest[1..]].concat();
    }
    path
}

/// The paths within the crate that a file uses.
#[derive(Default)]
struct Names {
    paths: BTreeSet<Path>,
    /// Imported names and their meanings.
    imported: BTreeMap<String, Path>,
}

impl Names {
    fn read(tokens: TokenStream, module: &[String]) -> Self {
        let mut names = Self::default();
        names.add(tokens, module);
        names
    }

    /// Adds the names in `tokens`. `module` contains the tokens: it is the module of the file, or
    /// one inside the file.
    fn add(&mut self, tokens: TokenStream, module: &[String]) {
        let mut tokens = tokens.into_iter().peekable();
        let mut for_tests = false;
        // The number of colons right before a token: after two of them a path continues.
        let mut n_colons = 0;
        while let Some(token) = tokens.next() {
            let goes_on = n_colons == 2;
            n_colons = if is_colon(&token) { n_colons + 1 } else { 0 };
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    let attribute = group.stream().to_string().replace(' ', "");
                    for_tests |= attribute == "cfg(test)";
                    self.add(group.stream(), module);
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && for_tests => {
                    for_tests = false;
                }
                TokenTree::Group(group) => self.add(group.stream(), module),
                TokenTree::Punct(punct) if punct.as_char() == ';' => for_tests = false,
                TokenTree::Ident(word) if word == "use" && !for_tests => {
                    for (name, path) in used(&mut tokens, &Path::new()) {
                        if let Some(path) = within_crate(&path, module) {
                            self.imported.insert(name, path.clone());
                            self.paths.insert(path);
                        }
                    }
                }
                TokenTree::Ident(word) if word == "mod" && !for_tests => {
                    let Some(TokenTree::Ident(name)) = tokens.next() else {
                        continue;
                    };
                    if let Some(TokenTree::Group(body)) = tokens.peek() {
                        let inner = [module, &[name.to_string()]].concat();
                        self.add(body.stream(), &inner);
                        tokens.next();
                    }
                }
                TokenTree::Ident(word) if !goes_on => {
                    let path = rest_of_path(&mut tokens, word.to_string());
                    let is_named = ["crate", "super"].contains(&path[0].as_str());
                    if let Some(path) =
                        within_crate(&path, module).filter(|_| is_named && !for_tests)
                    {
                        self.paths.insert(path);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':')
}

type Tokens = Peekable<token_stream::IntoIter>;

/// Returns the path that begins with `first`, as far as it consists of names.
fn rest_of_path(tokens: &mut Tokens, first: String) -> Path {
    let mut path = vec![first];
    while tokens.next_if(is_colon).is_some() && tokens.next_if(is_colon).is_some() {
        match tokens.next_if(|token| matches!(token, TokenTree::Ident(_))) {
            Some(name) => path.push(name.to_string()),
            None => break,
        }
    }
    path
}

/// Returns names and paths of a `use`, after that word or within braces; `*` adds no name.
fn used(tokens: &mut Tokens, before: &[String]) -> Vec<(String, Path)> {
    let mut found = Vec::new();
    let mut path = before.to_vec();
    let mut name = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            TokenTree::Punct(punct) if punct.as_char() == ',' => {
                found.extend(named(name.take(), &path, before));
                path = before.to_vec();
            }
            TokenTree::Ident(word) if word == "as" => {
                name = tokens.next().map(|token| token.to_string());
            }
            TokenTree::Ident(word) if word == "self" && path.len() > before.len().min(1) => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                let mut inner = group.stream().into_iter().peekable();
                found.extend(used(&mut inner, &path));
                path = before.to_vec();
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found.extend(named(name, &path, before));
    found
}

fn named(name: Option<String>, path: &[String], before: &[String]) -> Option<(String, Path)> {
    let last = path.last()?;
    let is_new = path != before || before.len() > 1 || name.is_some();
    is_new.then(|| (name.unwrap_or_else(|| last.clone()), path.to_vec()))
}

/// Returns the path from the root of the crate; `None` for a path outside. A path that begins with
/// none of the three words may begin with a part of the module.
fn within_crate(path: &[String], module: &[String]) -> Option<Path> {
    let n_supers = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let parent = &module[..module.len().checked_sub(n_supers)?];
            Some([parent, &path[n_supers..]].concat())
        }
        _ => Some([module, path].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let files = files
            .iter()
            .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
        circles(&files.collect())
    }

    const ROOT: &str = "mod a; mod b; mod c; pub use b::{inner::C as D, B}; use a::A;";

    #[test]
    fn files_that_import_each_other_are_found() {
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::A;"),
            (
                "use crate::{x::Y, b::{self, B}};",
                "fn f(a: crate::a::A) {}",
            ),
            ("use super::b;", "fn f() { let x = [super::a::f::<u8>()]; }"),
            // Through a re-exported name of the root, also if it is renamed.
            ("use crate::B;", "use crate::A;"),
            ("fn f(d: crate::D) {}", "impl crate::a::Trait for B {}"),
            (
                "mod inner { fn f() { super::super::b::f() } }",
                "use crate::a::*;",
            ),
        ] {
            let found = circles_of(&[
                ("lib.rs", ROOT),
                ("a.rs", a),
                ("b.rs", b),
                ("c.rs", "use crate::a::A;"),
            ]);
            assert_eq!(found, [["a", "b"]], "{a} {b}");
        }
    }

    #[test]
    fn a_circle_of_three_is_one() {
        let found = circles_of(&[
            ("lib.rs", ROOT),
            ("a.rs", "use crate::b::part::B;"),
            ("b.rs", "mod part;"),
            ("b/part.rs", "use crate::c::C;"),
            ("c.rs", "use crate::a::A;"),
        ]);
        assert_eq!(found, [["a", "b::part", "c"]]);
    }

    #[test]
    fn what_is_no_circle_is_not_found() {
        let found = circles_of(&[
            ("lib.rs", ROOT),
            (
                "a.rs",
                "use crate::b::B; // crate::c::C\n/// [`crate::c::C`]\nfn f() { crate::own() }",
            ),
            (
                "b.rs",
                "mod part; use part::P; use crate::c::C; struct B { c: c::C, a: a::A }",
            ),
            ("b/part.rs", "use super::{B, C}; fn f() { super::f() }"),
            (
                "c.rs",
                "pub(crate) struct C; use std::a; #[cfg(test)] use crate::a::A;\n\
                 #[cfg(test)] mod tests { use crate::b::B; }",
            ),
        ]);
        assert_eq!(found, [[""; 0]; 0]);
    }
}
