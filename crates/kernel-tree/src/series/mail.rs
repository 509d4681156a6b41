// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The form of a mailed patch, as `git format-patch` writes and `git am` reads it.

use std::fmt::Write as _;
use std::path::Path;

/// The sender and the date of the patches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The sender, in the form of the `From` line: `Name <mail>`.
    pub name_and_mail: String,
    /// The date, in the form of the `Date` line.
    pub date: String,
}

/// One file of the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The name of the file, `0001-….patch`.
    pub file_name: String,
    /// Its content.
    pub text: Vec<u8>,
}

/// The people and lists that a patch is sent to, each in the form of a `To` line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients {
    /// The maintainers.
    pub to: Vec<String>,
    /// Reviewers and lists.
    pub cc: Vec<String>,
}

impl Recipients {
    /// Adds those of another patch. Nobody is named twice; a maintainer stays one.
    pub fn add(&mut self, other: &Self) {
        let new = |known: &[String], others: &[String]| -> Vec<String> {
            let others = others.iter().filter(|other| !known.contains(other));
            others.cloned().collect()
        };
        self.to.extend(new(&self.to, &other.to));
        self.cc.extend(new(&self.cc, &other.cc));
        self.cc.retain(|one| !self.to.contains(one));
    }
}

impl Patch {
    /// Returns whether this is the cover letter of a series.
    pub fn is_cover_letter(&self) -> bool {
        self.file_name == COVER_LETTER
    }

    /// Adds `To` and `Cc` lines, which `git send-email` reads.
    pub fn address(&mut self, recipients: &Recipients) {
        let Recipients { to, cc } = recipients;
        let mut lines = String::new();
        for (key, addresses) in [("To", to), ("Cc", cc)] {
            if !addresses.is_empty() {
                let _ = writeln!(lines, "{key}: {}", addresses.join(",\n\t"));
            }
        }
        let mut parts = self.text.windows(MIME.len());
        if let Some(at) = parts.position(|part| part == MIME.as_bytes()) {
            self.text.splice(at..at, lines.into_bytes());
        }
    }
}

/// The file name of the cover letter. It is not that of a patch, because `git am` refuses a patch without a
/// change.
pub const COVER_LETTER: &str = "0000-cover-letter.txt";

/// The start of every file of a series. The date is the one that git always writes there.
const FIRST_LINE: &str = concat!(
    "From 0000000000000000000000000000000000000000",
    " Mon Sep 17 00:00:00 2001\n"
);

/// The last lines of the head of a mail.
const MIME: &str = "MIME-Version: 1.0\n\
                    Content-Type: text/plain; charset=UTF-8\n\
                    Content-Transfer-Encoding: 8bit\n\n";

/// The end of a mailed patch.
pub const SIGNATURE: &str = concat!("-- \nkbuild-lto ", env!("CARGO_PKG_VERSION"), "\n\n");

/// The start of [`SIGNATURE`], in every version.
const SIGNATURE_START: &str = "\n-- \nkbuild-lto ";

/// Returns whether a file is of a series that this crate made: a patch or a cover letter.
pub fn is_of_series(file_name: &str, text: &[u8]) -> bool {
    let is_patch = Path::new(file_name)
        .extension()
        .is_some_and(|end| end == "patch");
    (is_patch || file_name == COVER_LETTER)
        && text.starts_with(FIRST_LINE.as_bytes())
        && text
            .windows(SIGNATURE_START.len())
            .any(|part| part == SIGNATURE_START.as_bytes())
}

/// Returns the head of a mail.
pub fn head(subject: &str, place: Option<(usize, usize)>, author: &Author) -> String {
    let Author {
        name_and_mail,
        date,
    } = author;
    let place = place.map_or_else(String::new, |(number, total)| {
        let width = total.to_string().len();
        format!(" {number:0width$}/{total}")
    });
    format!(
        "{FIRST_LINE}From: {name_and_mail}\n\
         Date: {date}\n\
         Subject: [PATCH{place}] {subject}\n\
         {MIME}"
    )
}

/// The tree of the patches that no other maintainer's tree takes.
pub const KBUILD: &str = "kbuild";

/// Returns the subject of a patch: the subsystem, and the title in lower case unless it begins with an
/// abbreviation.
pub fn subject(subsystem: &str, title: &str) -> String {
    let mut letters = title.chars();
    let first = letters.next().unwrap_or_default();
    let rest = letters.as_str();
    if rest.starts_with(|second: char| second.is_ascii_uppercase()) {
        format!("{subsystem}: lto: {title}")
    } else {
        format!("{subsystem}: lto: {}{rest}", first.to_lowercase())
    }
}

/// Returns a subject in the form that it has in file names.
pub fn slug(subject: &str) -> String {
    /// The length that `git format-patch` uses.
    const LONGEST: usize = 52;
    let mut slug = String::new();
    for letter in subject.chars() {
        if letter.is_ascii_alphanumeric() || letter == '.' || letter == '_' {
            slug.push(letter);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(LONGEST);
    slug.trim_end_matches(['-', '.']).to_owned()
}

/// Breaks an item of a list into lines that a mail can hold.
pub fn wrapped(item: &str) -> String {
    const WIDTH: usize = 74;
    let mut lines = vec![String::new()];
    for word in item.split_whitespace() {
        let last = lines.last_mut().map_or(0, |line| line.len());
        if last > 0 && last + 1 + word.len() > WIDTH {
            lines.push(format!("  {word}"));
        } else if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_subject() {
        assert_eq!(
            subject(KBUILD, "Merge sections"),
            "kbuild: lto: merge sections"
        );
        assert_eq!(subject("x86", "LTO for all"), "x86: lto: LTO for all");
    }

    #[test]
    fn a_subject_becomes_a_file_name() {
        assert_eq!(
            slug("init: lto: ensure initcall ordering"),
            "init-lto-ensure-initcall-ordering"
        );
        assert_eq!(slug("a.b (c)"), "a.b-c");
        assert!(slug(&"word ".repeat(30)).len() <= 52);
    }

    #[test]
    fn long_items_are_broken() {
        let text = wrapped(&format!("- {}", "word ".repeat(30)));
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.len() <= 74), "{text}");
        assert!(
            text.lines().skip(1).all(|line| line.starts_with("  word")),
            "{text}"
        );
    }

    #[test]
    fn recipients_stand_in_the_head_once() {
        let named = |to: &[&str], cc: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let (to, cc) = (owned(to), owned(cc));
            Recipients { to, cc }
        };
        let mut all = named(&["A <a@b>"], &["l@b", "C <c@b>"]);
        all.add(&named(&["A <a@b>", "C <c@b>"], &["l@b", "m@b"]));
        assert_eq!(all, named(&["A <a@b>", "C <c@b>"], &["l@b", "m@b"]));
        let author = Author {
            name_and_mail: "S <s@b>".into(),
            date: "today".into(),
        };
        let mut patch = Patch {
            file_name: "0001.patch".into(),
            text: (head("s", None, &author) + "body\n").into_bytes(),
        };
        patch.address(&all);
        let text = String::from_utf8_lossy(&patch.text);
        let expected =
            "Subject: [PATCH] s\nTo: A <a@b>,\n\tC <c@b>\nCc: l@b,\n\tm@b\nMIME-Version: 1.0\n";
        assert!(
            text.contains(expected) && text.ends_with("\n\nbody\n"),
            "{text}"
        );
    }
}
