// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads and writes cases: sources, and a description of their link.
//!
//! A case is a folder with C sources (`.c`), assembly sources (`.s`) and a file `case.toml`:
//!
//! ```toml
//! about = "Inline assembly calls a function of another object."
//! objects = ["a.c", "n.s", "b.c as full", "main.c as native"]
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `about` | the fault that the case stands for |
//! | `objects` | the sources of all objects, in link order |
//! | `library` | the sources of the members of `lib.a`, of which the linker takes the needed ones |
//! | `archive` | `"thin"` (the default) or `"regular"`: the kind of `lib.a` |
//! | `last-link` | sources that only the link of the program takes; they are native |
//! | `flags` | further flags for clang, for all sources |
//! | `flags-of` | further flags for single sources: `flags-of."a.c" = ["-fPIC"]` |
//! | `architectures` | `"x86_64"`, `"arm64"`; both by default |
//! | `ways` | the ways of linking that are tried; all by default |
//! | `run` | `false`: the sources are not a complete program, and are not run |
//! | `compare` | counts over the linked object that must also be equal: see [`Count`] |
//! | `may-refuse` | `true`: instead of linking, lto-link may stop with an error that names an object |
//!
//! A source is `FILE` or `FILE as FORM`. Without a form, C becomes bitcode of the kind that is tried, and
//! assembly native code. The forms are `native`, `thin`, `full`, and `no-summary` (bitcode without a summary,
//! of `-emit-llvm`). Sources include `lab.h`, which has `print_number`, `print_text` and calls by
//! inline assembly.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::error::LabError;
use crate::way::Way;

/// The file that describes a case.
const DESCRIPTION: &str = "case.toml";

/// A program and the description of its link.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// The content of `case.toml`.
    pub spec: Spec,
    /// Its sources by their names.
    pub sources: BTreeMap<String, String>,
}

/// The description of a case: the content of `case.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// The fault that the case stands for.
    pub about: String,
    /// All objects in link order.
    pub objects: Vec<Input>,
    /// The members of `lib.a`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library: Vec<Input>,
    /// The kind of `lib.a`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub archive: Archive,
    /// Sources that only the link of the program takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_link: Vec<String>,
    /// Further flags for all sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Further flags for single sources.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags_of: BTreeMap<String, Vec<String>>,
    /// Its architectures.
    #[serde(default = "all_architectures", skip_serializing_if = "are_all")]
    pub architectures: Vec<Arch>,
    /// The ways of linking that are tried.
    #[serde(default = "all_ways", skip_serializing_if = "are_all_ways")]
    pub ways: Vec<Way>,
    /// Whether it is made into a program and run.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub run: bool,
    /// The things that are counted in the linked object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<Count>,
    /// Whether an error that names an object is also right.
    #[serde(default, skip_serializing_if = "is_default")]
    pub may_refuse: bool,
}

fn all_architectures() -> Vec<Arch> {
    Arch::ALL.to_vec()
}

fn are_all(architectures: &Vec<Arch>) -> bool {
    *architectures == Arch::ALL
}

fn all_ways() -> Vec<Way> {
    Way::ALL.to_vec()
}

fn are_all_ways(ways: &Vec<Way>) -> bool {
    *ways == Way::ALL
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_yes(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Spec {
    /// Returns a description with only these objects.
    pub fn new(about: &str, objects: Vec<Input>) -> Self {
        Self {
            about: about.to_owned(),
            objects,
            library: Vec::new(),
            archive: Archive::Thin,
            last_link: Vec::new(),
            flags: Vec::new(),
            flags_of: BTreeMap::new(),
            architectures: all_architectures(),
            ways: all_ways(),
            run: true,
            compare: Vec::new(),
            may_refuse: false,
        }
    }
}

/// The kind of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Archive {
    /// It has the names of its members, as in kernel builds.
    #[default]
    Thin,
    /// It has the members themselves, as vendors deliver it.
    Regular,
}

/// A number that is taken from the linked object.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Count {
    /// Defined symbols whose names contain this.
    Symbols(String),
    /// Sections of this name.
    Sections(String),
    /// Relocations of this type, a number of the architecture's ELF supplement.
    Relocations(u32),
}

/// The kind of object that a source is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Bitcode of the kind that the way of linking takes.
    Bitcode,
    /// Native code.
    Native,
    /// Bitcode for thin LTO, always.
    Thin,
    /// Bitcode for full LTO, always.
    Full,
    /// Bitcode without a summary.
    NoSummary,
}

/// A source, and the kind of its object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Input {
    /// The name of the source.
    pub file: String,
    /// The kind of object that it is compiled to.
    pub form: Form,
}

impl Input {
    /// Returns the source `file` in its default form.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            form: default_form(file),
        }
    }

    /// Returns the C source `file` as native code.
    pub fn native(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            form: Form::Native,
        }
    }

    /// Returns the name of the object.
    pub fn object(&self) -> String {
        object_name(&self.file)
    }
}

/// Returns the name of the object of a source.
pub(crate) fn object_name(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("{stem}.o")
}

fn default_form(file: &str) -> Form {
    if is_assembly(file) {
        Form::Native
    } else {
        Form::Bitcode
    }
}

/// Returns whether a source is assembly.
pub(crate) fn is_assembly(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|suffix| suffix == "s")
}

impl TryFrom<String> for Input {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some((file, form)) = text.split_once(" as ") else {
            return Ok(Self::new(&text));
        };
        let form = match form {
            "native" => Form::Native,
            "thin" => Form::Thin,
            "full" => Form::Full,
            "no-summary" => Form::NoSummary,
            _ => {
                return Err(format!(
                    "`{text}`: a form is native, thin, full or no-summary"
                ));
            }
        };
        if is_assembly(file) && form != Form::Native {
            return Err(format!("`{text}`: assembly is always native"));
        }
        let file = file.to_owned();
        Ok(Self { file, form })
    }
}

impl From<Input> for String {
    fn from(input: Input) -> Self {
        input.to_string()
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, form } = self;
        f.write_str(file)?;
        if *form == default_form(file) {
            return Ok(());
        }
        f.write_str(match form {
            Form::Bitcode => "",
            Form::Native => " as native",
            Form::Thin => " as thin",
            Form::Full => " as full",
            Form::NoSummary => " as no-summary",
        })
    }
}

impl Case {
    /// Reads the case in `folder`.
    ///
    /// # Errors
    /// A file cannot be read, or `case.toml` has a fault or names a missing source.
    pub fn read(folder: &Path) -> Result<Self, LabError> {
        let description = folder.join(DESCRIPTION);
        let text = fs::read_to_string(&description).map_err(LabError::file(&description))?;
        let spec: Spec = toml::from_str(&text).map_err(|source| LabError::Description {
            path: description,
            source: Box::new(source),
        })?;
        let mut case = Self {
            name: folder.file_name().unwrap_or_default().display().to_string(),
            spec,
            sources: BTreeMap::new(),
        };
        for entry in fs::read_dir(folder).map_err(LabError::file(folder))? {
            let path = entry.map_err(LabError::file(folder))?.path();
            let name = path.file_name().unwrap_or_default().display().to_string();
            if name != DESCRIPTION {
                let text = fs::read_to_string(&path).map_err(LabError::file(&path))?;
                case.sources.insert(name, text);
            }
        }
        let missing = case.files().find(|file| !case.sources.contains_key(*file));
        if let Some(file) = missing {
            return Err(LabError::NoSource {
                case: case.name.clone(),
                file: file.to_owned(),
            });
        }
        Ok(case)
    }

    /// Returns every source that is compiled.
    fn files(&self) -> impl Iterator<Item = &str> {
        let Spec {
            objects,
            library,
            last_link,
            ..
        } = &self.spec;
        let inputs = objects.iter().chain(library);
        inputs
            .map(|input| &input.file)
            .chain(last_link)
            .map(String::as_str)
    }

    /// Makes `folder` and writes the case into it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), LabError> {
        fs::create_dir_all(folder).map_err(LabError::file(folder))?;
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(LabError::file(&path))
        };
        let spec = toml::to_string(&self.spec).map_err(|source| LabError::Describe {
            case: self.name.clone(),
            source,
        })?;
        put(
            DESCRIPTION,
            &format!("# SPDX-License-Identifier: GPL-2.0-only OR MIT\n{spec}"),
        )?;
        for (name, text) in &self.sources {
            put(name, &with_licence_line(name, text))?;
        }
        Ok(())
    }
}

/// Returns the source with the first line of every file of the repository.
fn with_licence_line(name: &str, text: &str) -> String {
    const KEY: &str = "SPDX-License-Identifier:";
    if text.contains(KEY) {
        return text.to_owned();
    }
    let line = format!("{KEY} GPL-2.0-only OR MIT");
    if is_assembly(name) {
        format!("# {line}\n{text}")
    } else {
        format!("/* {line} */\n{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_and_written_as_it_stands_in_the_description() {
        for text in [
            "a.c",
            "n.s",
            "a.c as native",
            "a.c as thin",
            "a.c as full",
            "a.c as no-summary",
        ] {
            let input = Input::try_from(text.to_owned()).unwrap();
            assert_eq!(input.to_string(), text);
        }
        let form = |text: &str| Input::try_from(text.to_owned()).map(|input| input.form);
        assert_eq!(form("a.c"), Ok(Form::Bitcode));
        assert_eq!(form("n.s"), Ok(Form::Native));
        assert!(form("a.c as elf").is_err());
        assert!(form("n.s as thin").is_err());
    }

    #[test]
    fn a_case_is_the_same_when_it_was_written_and_read() {
        let mut spec = Spec::new(
            "Two objects.",
            vec![Input::new("a.c"), Input::native("m.c")],
        );
        spec.library.push(Input::new("l.c"));
        spec.archive = Archive::Regular;
        spec.flags_of.insert("a.c".into(), vec!["-fPIC".into()]);
        spec.ways = vec![Way::FullDropping];
        spec.compare = vec![Count::Symbols("x".into()), Count::Relocations(11)];
        spec.run = false;
        let source = |name: &str| (name.to_owned(), with_licence_line(name, "int a;\n"));
        let case = Case {
            name: "two".into(),
            spec,
            sources: ["a.c", "m.c", "l.c"].map(source).into(),
        };
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("two");
        case.write(&folder).unwrap();
        assert_eq!(Case::read(&folder).unwrap(), case);

        fs::remove_file(folder.join("l.c")).unwrap();
        let error = Case::read(&folder).unwrap_err().to_string();
        assert_eq!(error, "two: names l.c, which is not there");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(DESCRIPTION);
        fs::write(&file, "about = \"x\"\nobjects = []\nobject = []\n").unwrap();
        let error = Case::read(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with(&file.display().to_string()), "{error}");
        assert!(error.contains("unknown field `object`"), "{error}");
    }
}
