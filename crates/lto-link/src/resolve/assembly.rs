// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The names in assembly. The compiler does not see references in assembly, so it must not change a
//! definition that assembly names.
//!
//! The text is not parsed as an assembler would, which needs the machine and the operands. Every
//! word that may be a symbol counts as one: too many names are safer than too few.
//!
//! Sources: the manual of LLVM's language (inline assembly: `$0`, `${0:x}`, `$$`, `$(a$|b$)`); the manual
//! of the GNU assembler (symbols, labels, macros).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use object_model::{Bitcode, ReadError, ValueIndex};

/// The names in a text of assembly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AssemblyNames {
    /// Every word that may be the name of a symbol.
    pub(crate) words: BTreeSet<String>,
    /// The words that contain an operand or an argument of a macro.
    pub(crate) patterns: BTreeSet<NamePattern>,
    /// Whether the text defines a symbol to which other assembly or another object can refer.
    pub(crate) defines_symbol: bool,
}

/// A name of which only the parts before, between and after operands are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NamePattern(Vec<String>);

impl NamePattern {
    /// Returns whether `name` starts with the first part, ends with the last, and contains the
    /// others in order.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = &self.0[..] else {
            return false;
        };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// The kind of assembly text, which decides the meaning of a dollar sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssemblySource {
    /// Module-level assembly, where a dollar sign stands for itself.
    Module,
    /// Inline assembly of a function, where LLVM's IR uses a dollar sign for operands.
    Function,
}

/// The names in the assembly of a bitcode object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectAssembly {
    /// The module-level assembly.
    pub(crate) module: Texts,
    /// The inline assembly of its functions.
    pub(crate) functions: Texts,
    /// The functions whose inline assembly defines a symbol.
    defining: Vec<ValueIndex>,
}

/// Texts of assembly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts(Vec<Rc<AssemblyNames>>);

impl Texts {
    /// Returns the keys of `known` that the texts may name; `fitting` is that of [`AssemblyNames::among`].
    pub(crate) fn among<'data>(
        &self,
        known: &HashMap<&'data str, usize>,
        fitting: &mut HashMap<NamePattern, Vec<&'data str>>,
    ) -> BTreeSet<&'data str> {
        let texts = self.0.iter();
        texts
            .flat_map(|names| names.among(known, fitting))
            .collect()
    }
}

/// The texts in the objects that were read, with their names: most objects have the texts of the same headers.
#[derive(Debug, Default)]
pub(crate) struct KnownTexts {
    module: HashMap<Vec<u8>, Rc<AssemblyNames>>,
    function: HashMap<Vec<u8>, Rc<AssemblyNames>>,
}

impl KnownTexts {
    /// Returns the names in `text`.
    fn names(&mut self, text: &[u8], source: AssemblySource) -> Rc<AssemblyNames> {
        let known = match source {
            AssemblySource::Module => &mut self.module,
            AssemblySource::Function => &mut self.function,
        };
        if let Some(names) = known.get(text) {
            return Rc::clone(names);
        }
        let names = Rc::new(AssemblyNames::of(text, source));
        known.insert(text.to_owned(), Rc::clone(&names));
        names
    }
}

impl ObjectAssembly {
    /// Reads the assembly of `bitcode`. `known` is shared by all objects of a link.
    ///
    /// # Errors
    /// The errors of [`Bitcode::assembly`].
    pub(crate) fn of(bitcode: &Bitcode<'_>, known: &mut KnownTexts) -> Result<Self, ReadError> {
        let assembly = bitcode.assembly()?;
        let mut found = Self::default();
        for text in &assembly.modules {
            let names = known.names(text, AssemblySource::Module);
            found.module.0.push(names);
        }
        let mut of_object = HashSet::new();
        for function in assembly.functions {
            let mut defines_symbol = false;
            for text in function.texts {
                let names = known.names(&text, AssemblySource::Function);
                defines_symbol |= names.defines_symbol;
                if of_object.insert(text) {
                    found.functions.0.push(names);
                }
            }
            if defines_symbol {
                found.defining.push(function.value);
            }
        }
        Ok(found)
    }

    /// Returns the functions whose inline assembly defines a symbol.
    pub(crate) fn defining(&self) -> impl Iterator<Item = ValueIndex> + '_ {
        self.defining.iter().copied()
    }
}

/// One piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// An operand, an argument of a macro, or a running number.
    Unknown,
}

/// A word, or a character between words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Vec<Piece>),
    /// The unchanged text between two quotation marks.
    Quoted(String),
    Other(char),
}

impl AssemblyNames {
    /// Returns the names in `text`.
    pub(crate) fn of(text: &[u8], source: AssemblySource) -> Self {
        let text = String::from_utf8_lossy(text);
        let tokens = tokens(&text, source);
        let mut names = Self::default();
        for token in &tokens {
            match token {
                Token::Word(pieces) => names.add_word(pieces),
                Token::Quoted(text) => {
                    names.words.insert(unescaped(text, source));
                    // It may also be a string that contains names.
                    for token in self::tokens(&text.replace('"', " "), source) {
                        if let Token::Word(pieces) = token {
                            names.add_word(&pieces);
                        }
                    }
                }
                Token::Other(_) => {}
            }
        }
        names.defines_symbol = defines_symbol(&tokens);
        names
    }

    /// Returns the keys of `known` that the text may name. `fitting` caches the names that match
    /// each pattern for later calls.
    pub(crate) fn among<'data>(
        &self,
        known: &HashMap<&'data str, usize>,
        fitting: &mut HashMap<NamePattern, Vec<&'data str>>,
    ) -> Vec<&'data str> {
        let words = self.words.iter();
        let words = words.filter_map(|word| Some(*known.get_key_value(word.as_str())?.0));
        let mut names: Vec<&str> = words.collect();
        for pattern in &self.patterns {
            let fit = fitting.entry(pattern.clone()).or_insert_with(|| {
                let names = known.keys().copied();
                names.filter(|name| pattern.matches(name)).collect()
            });
            names.extend(fit.iter());
        }
        names
    }

    fn add_word(&mut self, pieces: &[Piece]) {
        if let [Piece::Text(word)] = pieces {
            self.words.insert(word.clone());
            self.words.extend(function_of_btf_label(word));
            // A dollar sign may start an immediate number, and a dot may separate an instruction from its size.
            for part in word.split('$').chain(word.split('.')) {
                if !part.is_empty() {
                    self.words.insert(part.to_owned());
                }
            }
            return;
        }
        let mut parts = vec![String::new()];
        for piece in pieces {
            match (piece, parts.last_mut()) {
                (Piece::Text(text), Some(last)) => last.push_str(text),
                _ => parts.push(String::new()),
            }
        }
        // The compiler sees a name that is only an operand, and a macro's argument is in its call.
        if parts.iter().any(|part| !part.is_empty()) {
            self.patterns.insert(NamePattern(parts));
        }
    }
}

/// Returns the name of the function whose BTF the build looks up because of a label. Nothing else in the object
/// refers to the function. Source: `BTF_ID` in `include/linux/btf_ids.h`, `__BTF_ID__func__NAME__NUMBER`, which
/// `tools/bpf/resolve_btfids` takes apart.
fn function_of_btf_label(word: &str) -> Option<String> {
    let (name, number) = word.strip_prefix("__BTF_ID__func__")?.rsplit_once("__")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| name.to_owned())
}

/// Returns the name in quotation marks without its escapes.
fn unescaped(quoted: &str, source: AssemblySource) -> String {
    let mut name = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.extend(characters.next()),
            '$' if source == AssemblySource::Function => {
                characters.next_if_eq(&'$');
                name.push('$');
            }
            character => name.push(character),
        }
    }
    name
}

/// Returns whether a character can occur in a name.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.') || !character.is_ascii()
}

/// Splits a text into words, quoted texts and other characters.
fn tokens(text: &str, source: AssemblySource) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Vec<Piece> = Vec::new();
    let mut characters = text.chars().peekable();
    let push = |word: &mut Vec<Piece>, text: char| match word.last_mut() {
        Some(Piece::Text(last)) => last.push(text),
        _ => word.push(Piece::Text(text.to_string())),
    };
    while let Some(character) = characters.next() {
        match character {
            '$' if source == AssemblySource::Function => match characters.next() {
                // An operand: `${0:x}`, `${:uid}`.
                Some('{') => {
                    characters.by_ref().find(|inner| *inner == '}');
                    word.push(Piece::Unknown);
                    continue;
                }
                Some(digit) if digit.is_ascii_digit() => {
                    while characters.next_if(char::is_ascii_digit).is_some() {}
                    word.push(Piece::Unknown);
                    continue;
                }
                // A dollar sign within a name, or before a number.
                Some('$') if !word.is_empty() => {
                    push(&mut word, '$');
                    continue;
                }
                // `$(`, `$|` and `$)` separate the dialects of x86.
                _ => {}
            },
            '$' if !word.is_empty() => {
                push(&mut word, '$');
                continue;
            }
            // An argument of a macro: `\name`, `\@`; `\()` ends it.
            '\\' => {
                match characters.peek() {
                    Some('(') => {
                        characters.next();
                        characters.next_if_eq(&')');
                    }
                    Some('@') => drop(characters.next()),
                    _ => {
                        while characters
                            .next_if(|next| is_of_name(*next) && *next != '.')
                            .is_some()
                        {}
                    }
                }
                word.push(Piece::Unknown);
                continue;
            }
            '"' => {
                if !word.is_empty() {
                    tokens.push(Token::Word(std::mem::take(&mut word)));
                }
                // A quote that is not closed, as in a comment, ends with its line.
                let mut quoted = String::new();
                let mut ended = false;
                while let Some(inner) = characters.next_if(|next| *next != '\n') {
                    match inner {
                        '"' => {
                            ended = true;
                            break;
                        }
                        '\\' => {
                            quoted.push(inner);
                            quoted.extend(characters.next());
                        }
                        inner => quoted.push(inner),
                    }
                }
                if !ended {
                    tokens.push(Token::Other('"'));
                }
                tokens.push(Token::Quoted(quoted));
                continue;
            }
            character if is_of_name(character) => {
                push(&mut word, character);
                continue;
            }
            _ => {}
        }
        if !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(&mut word)));
        }
        tokens.push(Token::Other(character));
    }
    if !word.is_empty() {
        tokens.push(Token::Word(word));
    }
    tokens
}

/// Directives that define a symbol or make it global. Source: the manual of the GNU assembler.
const DEFINING: [&str; 9] = [
    ".globl", ".global", ".weak", ".set", ".equ", ".equiv", ".comm", ".lcomm", ".symver",
];

/// Returns whether the text defines a symbol that can be used outside of it: a label, a word before `=`,
/// or a symbol in one of the directives above. Names that begin with `.L` and numeric labels cannot.
fn defines_symbol(tokens: &[Token]) -> bool {
    let mut starts_statement = true;
    // Returns the token at a place, skipping blanks.
    let next_at = |mut at: usize| {
        while let Some(Token::Other(' ' | '\t')) = tokens.get(at) {
            at += 1;
        }
        tokens.get(at)
    };
    let first = |pieces: &[Piece]| match pieces.first() {
        Some(Piece::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let is_private = |name: &str| name.starts_with(".L");
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Other('\n' | ';') => starts_statement = true,
            Token::Other(space) if space.is_whitespace() => {}
            Token::Word(_) | Token::Quoted(_) if starts_statement => {
                let (name, is_number) = match token {
                    Token::Word(pieces) => {
                        let name = first(pieces);
                        let digits = name.bytes().all(|byte| byte.is_ascii_digit());
                        let is_number = digits && pieces.len() == 1;
                        (name, is_number)
                    }
                    Token::Quoted(name) => (name.clone(), false),
                    Token::Other(_) => (String::new(), false),
                };
                if tokens.get(at) == Some(&Token::Other(':')) {
                    at += 1;
                    if !is_private(&name) && !is_number {
                        return true;
                    }
                } else if next_at(at) == Some(&Token::Other('=')) {
                    if !is_private(&name) && name != "." {
                        return true;
                    }
                    starts_statement = false;
                } else {
                    let named = match next_at(at) {
                        Some(Token::Word(pieces)) => first(pieces),
                        Some(Token::Quoted(name)) => name.clone(),
                        _ => String::new(),
                    };
                    if DEFINING.contains(&name.as_str()) && !is_private(&named) {
                        return true;
                    }
                    starts_statement = false;
                }
            }
            _ => starts_statement = false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_function(text: &str) -> AssemblyNames {
        AssemblyNames::of(text.as_bytes(), AssemblySource::Function)
    }

    fn has(names: &AssemblyNames, name: &str) -> bool {
        names.words.contains(name) || names.patterns.iter().any(|pattern| pattern.matches(name))
    }

    #[test]
    fn every_word_may_be_a_name() {
        for (text, name) in [
            ("call f", "f"),
            ("movl $$77, flags(%rip)", "flags"),
            ("movl $$(f2 - f1), $0", "f1"),
            ("movl $$f, $0", "f"),
            ("jmp f@PLT", "f"),
            (".quad handler\n", "handler"),
            (".quad 1b - handler", "handler"),
            ("ldr x0, =f", "f"),
            ("add x0, x0, #:lo12:f", "f"),
            ("call \"a b\"", "a b"),
            (".set alias, f", "f"),
            ("call f$$1", "f$1"),
            ("call {f", "f"),
            ("call $(f$|g$)", "g"),
            (".irp name, f, g\n .quad \\name\n .endr", "g"),
            ("bl größe", "größe"),
        ] {
            assert!(
                has(&in_function(text), name),
                "{text}: {:?}",
                in_function(text)
            );
        }
    }

    #[test]
    fn a_name_with_operands_may_be_any_that_fits() {
        for (text, fits, does_not) in [
            ("call f_${0:P}", "f_8", "g_8"),
            ("call get_$0_user", "get_4_user", "get_4_users"),
            (".quad \\name\\()_entry", "a_entry", "a_entries"),
            ("call \\a\\()_x_\\b", "f_x_g", "f_y_g"),
            ("call f\\@", "f12", "ff"),
        ] {
            let names = in_function(text);
            assert!(has(&names, fits), "{text}: {names:?}");
            // `f\@` is `f` and anything.
            assert_eq!(has(&names, does_not), does_not == "ff", "{text}: {names:?}");
        }
        assert_eq!(in_function("call $0; call \\name").patterns.len(), 0);
    }

    #[test]
    fn in_module_assembly_a_dollar_sign_is_none_of_an_operand() {
        let names = AssemblyNames::of(b"movl $f, %eax; call g$0", AssemblySource::Module);
        assert!(has(&names, "f") && has(&names, "g$0"), "{names:?}");
        assert!(names.patterns.is_empty(), "{names:?}");
    }

    #[test]
    fn a_label_of_btf_names_its_function() {
        let text = b".pushsection .BTF_ids,\"a\"; .local __BTF_ID__func__vfs_truncate__3107 ; \
            __BTF_ID__func__vfs_truncate__3107: .zero 4; .popsection; \
            __BTF_ID__struct__file__8: .zero 4; __BTF_ID__func____put__x__2: .zero 4";
        let names = AssemblyNames::of(text, AssemblySource::Module);
        assert!(
            has(&names, "vfs_truncate") && has(&names, "__put__x"),
            "{names:?}"
        );
        assert!(!has(&names, "file"), "{names:?}");
    }

    #[test]
    fn labels_and_directives_define() {
        for text in [
            "entry: nop",
            "nop\nentry:\n",
            "nop; entry: nop",
            ".globl entry",
            "1: entry: nop",
            ".set a, b",
            "a = b",
            "\"an entry\": nop",
            "entry_${:uid}:",
            "\\name\\()_x:",
        ] {
            assert!(in_function(text).defines_symbol, "{text}");
        }
        for text in [
            "1: nop",
            ".Lentry: nop",
            ".Lentry_${:uid}: nop",
            "movl %gs:x, $0",
            "adrp x0, :got:f",
            "add x0, x0, #:lo12:f",
            "call f",
            ".equ .L_x, 3",
            ".equ\t.L_x\\num, \\num",
            ".if a == b",
            "# don't \"stop\nnop",
            "771:\n\t999:\n\t.pushsection .discard",
        ] {
            assert!(!in_function(text).defines_symbol, "{text}");
        }
    }
}
