// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Generates code for a link that drops every definition that no root reaches, in one process.
//!
//! With `-r` the linker keeps every global symbol. So a link as for an executable generates code,
//! and only its native objects are used: they are then linked with `-r` like compiled objects.
//!
//! Such a link does not fail where a link with `-r` does, and assumes a fixed address for all code.
//! So its inputs are checked before, its native objects are counted, and position-independent code
//! is generated separately.
//!
//! Sources: lld's options `--lto-obj-path` and `--thinlto-index-only`, which ends a link with full LTO as soon
//! as there is code (`BitcodeCompiler::compile`); `createConfig` there, for the relocation model.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use object_model::{Elf, Input, LtoKind, SymbolIndex, SymbolKind, elf, link_order};
use tool_io::Files;

use crate::error::{LinkError, reading};
use crate::generate::folders::{IndexDir, make_dir, remove_dir};
use crate::generate::link_files::{Code, LinkFiles, ObjectFiles};
use crate::generate::references::update_generated_roots;
use crate::generate::root_lists::{write_dropped, write_roots};
use crate::linker::Linker;
use crate::plan::command::{
    EXECUTABLE, exactly_one_r, given_arguments, joined, root_arguments, thread_flags,
};
use crate::plan::options::LinkOptions;
use crate::read::inputs::{Inputs, is_bitcode, is_elf, object_name};
use crate::record::generated_roots::GeneratedRoots;
use crate::resolve::kept::{Kept, lto_kind};
use crate::resolve::resolution::Resolution;
use crate::resolve::resolved::Resolved;
use crate::resolve::roots::{RootOptions, Roots};

/// Generates the code of all bitcode that the roots reach, in the link's folder of native objects.
///
/// # Errors
/// The roots cannot be collected, the linker fails or leaves out objects, files cannot be written.
pub(crate) fn generate_kept<'all, 'data>(
    options: &LinkOptions,
    roots: &RootOptions,
    inputs: &'all Inputs<'data>,
    resolved: Resolved<'all, 'data>,
) -> Result<Code<'all, 'data>, LinkError> {
    let dir = options.paths().code_dir();
    let independent = PositionIndependent::of(&resolved.resolution)?;
    let (apart, all) = match independent {
        PositionIndependent::Some(apart) => (apart, false),
        PositionIndependent::All => (Vec::new(), true),
    };
    if apart.is_empty() {
        let link = WholeLink {
            options,
            roots,
            inputs,
            files: ObjectFiles::write_members(inputs, &dir, is_elf)?,
            takes_given: true,
            is_position_independent: all,
        };
        let (files, resolution) = link.generate(resolved)?;
        let files = Some(files);
        return Ok(Code { files, resolution });
    }
    let mut files = ObjectFiles::write_members(inputs, &dir, |_| true)?;
    for &object in &apart {
        let bitcode = files.of(object).unwrap_or(Path::new("")).to_owned();
        let native = dir.join(format!("apart-{object}.o"));
        generate_apart(options, &bitcode, &native)?;
        files.set(object, native);
    }
    let maps = Files::new();
    let mut native_inputs: Inputs<'_> = inputs.clone();
    for object in apart {
        let file = files.of(object).unwrap_or(Path::new(""));
        let of_code = maps
            .object(file)
            .map_err(|error| LinkError::Natives(error.into()))?;
        if let Some(input) = native_inputs.objects.get_mut(object) {
            input.object = of_code.object;
            input.data = of_code.data;
        }
    }
    let link = WholeLink {
        options,
        roots,
        inputs: &native_inputs,
        files,
        takes_given: false,
        is_position_independent: false,
    };
    let known = GeneratedRoots::read(options.paths())?;
    // Native objects replace some inputs, so other definitions are roots.
    let (files, _) = link.generate(Resolved {
        resolution: known.resolve(&native_inputs)?,
        kept: None,
    })?;
    let found = GeneratedRoots::read(options.paths())?;
    let resolution = if found.all() == known.all() {
        resolved.resolution
    } else {
        found.resolve(inputs)?
    };
    let files = Some(files);
    Ok(Code { files, resolution })
}

/// The linked bitcode objects whose code may run at any address.
enum PositionIndependent {
    /// The places of some objects among the inputs; may be empty.
    Some(Vec<usize>),
    /// All objects; there is at least one.
    All,
}

impl PositionIndependent {
    /// Finds the position-independent objects.
    ///
    /// # Errors
    /// The first damaged object.
    fn of(resolution: &Resolution) -> Result<Self, LinkError> {
        let mut found = Vec::new();
        let mut n_bitcode = 0;
        for &object in resolution.link_order() {
            if let Some(input) = resolution.object(object)
                && let Some(bitcode) = input.object.as_bitcode()
            {
                n_bitcode += 1;
                let is_independent = bitcode.is_position_independent();
                if is_independent.map_err(|error| LinkError::Summary(input.locate(error)))? {
                    found.push(object);
                }
            }
        }
        let is_all = !found.is_empty() && found.len() == n_bitcode;
        Ok(if is_all { Self::All } else { Self::Some(found) })
    }
}

/// Generates the native object `native` from one bitcode object, with its original flags.
fn generate_apart(options: &LinkOptions, bitcode: &Path, native: &Path) -> Result<(), LinkError> {
    let mut linker = Linker::new(&options.linker, options.paths(), options.capture.as_deref());
    linker.argv.push("-r".into());
    linker.argv.extend(thread_flags(options.jobs));
    linker
        .argv
        .extend(["-o".into(), native.into(), bitcode.into()]);
    let said = linker.run_quietly(".apart")?;
    if fs::metadata(native).is_ok_and(|native| native.len() > 0) {
        return Ok(());
    }
    let objects = vec![bitcode.display().to_string()];
    Err(linker.no_code(objects, said))
}

/// A link of all inputs as for an executable. The inputs are compatible.
struct WholeLink<'link, 'all, 'data> {
    options: &'link LinkOptions,
    roots: &'link RootOptions,
    inputs: &'all Inputs<'data>,
    files: ObjectFiles,
    /// Whether the linker can read the objects and archives as given on the command line.
    takes_given: bool,
    is_position_independent: bool,
}

impl<'all, 'data> WholeLink<'_, 'all, 'data> {
    /// Generates code until it refers to no dropped definition. Returns the files to link, and the last resolution.
    fn generate(
        mut self,
        resolved: Resolved<'all, 'data>,
    ) -> Result<(LinkFiles, Resolution<'all, 'data>), LinkError> {
        let Resolved {
            mut resolution,
            mut kept,
        } = resolved;
        let output = &self.options.output;
        let paths = self.options.paths();
        GeneratedRoots::write_start_of_build(paths)?;
        // Every pass adds a root, or removes one of an earlier build, so the loop ends.
        loop {
            let kept = if let Some(kept) = kept.take() {
                kept
            } else {
                let generated = GeneratedRoots::read(paths)?.all();
                Kept::of(self.roots, output, &resolution, &generated)?
            };
            write_roots(paths, &kept)?;
            let code = self.run(&resolution, &kept.roots)?;
            let maps = Files::new();
            let natives = link_order(&&maps, &code).map_err(LinkError::Natives)?;
            let natives: Vec<_> = natives
                .into_iter()
                .map(|native| (source_of(&native), native))
                .collect();
            if update_generated_roots(paths, &resolution, &natives)? {
                resolution = GeneratedRoots::read(paths)?.resolve(self.inputs)?;
                continue;
            }
            write_dropped(paths, &kept, &resolution)?;
            self.remove_overridden(&resolution)?;
            let files = LinkFiles::with_code(self.inputs, &resolution, &self.files, &code);
            return Ok((files, resolution));
        }
    }

    /// Runs the linker once, and returns its native objects.
    fn run(&self, resolution: &Resolution, roots: &Roots) -> Result<Vec<PathBuf>, LinkError> {
        let options = self.options;
        let paths = options.paths();
        let dir = paths.code_dir().join("generated");
        remove_dir(&dir)?;
        make_dir(&dir)?;
        let kind = lto_kind(resolution);
        let mut text = root_arguments(roots);
        if self.takes_given {
            text.push_str(&given_arguments(options));
        } else {
            let own_file = |_, path: &Path| path.to_owned();
            let files = LinkFiles::object_by_object(self.inputs, resolution, &self.files, own_file);
            text.push_str(&files.map_err(LinkError::Embedded)?.response());
        }
        let flags = exactly_one_r(&options.linker);
        let mut linker = Linker::new(&flags, paths, options.capture.as_deref());
        linker.argv.extend(EXECUTABLE.map(OsString::from));
        linker.argv.extend(thread_flags(options.jobs));
        if self.is_position_independent {
            linker
                .argv
                .extend(["-mllvm", "-relocation-model=pic"].map(OsString::from));
        }
        match kind {
            LtoKind::Full => {
                linker.argv.push("--thinlto-index-only".into());
                // lld also writes an empty index for each object; nothing reads them.
                let unused = IndexDir::make(&dir.join("unused-indexes"), self.inputs)?;
                linker.argv.push(unused.prefix_option());
            }
            // Nothing ends this link once code exists. Its errors about addresses do not matter.
            LtoKind::Thin => linker.argv.push("--noinhibit-exec".into()),
        }
        linker
            .argv
            .push(joined("--lto-obj-path=", dir.join(CODE).as_os_str()));
        linker.argv.extend(["-o".into(), dir.join("unused").into()]);
        linker.respond(paths.response(), &text)?;
        let said = linker.run_quietly(".code")?;
        let code = numbered_code(&dir)?;
        let without_code = objects_without_code(kind, resolution, &code);
        if !without_code.is_empty() {
            return Err(linker.no_code(without_code, said));
        }
        Ok(code.into_iter().map(|(_, path)| path).collect())
    }

    /// Replaces native objects whose weak definitions give way to definitions in bitcode. The
    /// copies lack these definitions, because the code of the bitcode is linked after them.
    fn remove_overridden(&mut self, resolution: &Resolution) -> Result<(), LinkError> {
        let dir = self.options.paths().code_dir();
        for (object, symbols) in resolution.overridden() {
            if let Some(input) = resolution.object(object)
                && let Some(elf) = input.object.as_elf()
            {
                let path = dir.join(format!("native-{object}.o"));
                tool_io::write_atomic(&path, &without_definitions(input.data, elf, &symbols))?;
                self.files.set(object, path);
            }
        }
        Ok(())
    }
}

/// Returns the linked bitcode objects that have no native object in `code`.
fn objects_without_code(
    kind: LtoKind,
    resolution: &Resolution,
    code: &[(usize, PathBuf)],
) -> Vec<String> {
    let bitcode = resolution.linked().filter(|input| is_bitcode(input));
    match kind {
        // There is one native object for all.
        LtoKind::Full if code.is_empty() => bitcode.map(object_name).collect(),
        LtoKind::Full => Vec::new(),
        // The native object of the first bitcode object has the number 1.
        LtoKind::Thin => {
            let numbers: HashSet<usize> = code.iter().map(|(number, _)| *number).collect();
            let missing = (1..).zip(bitcode);
            let missing = missing.filter(|(number, _)| !numbers.contains(number));
            missing.map(|(_, input)| object_name(input)).collect()
        }
    }
}

/// Returns the bytes `data` of `elf` with `symbols` undefined, so that references resolve to the
/// definitions of another object.
fn without_definitions(data: &[u8], elf: &Elf, symbols: &[SymbolIndex]) -> Vec<u8> {
    let mut data = data.to_owned();
    let mut tables = elf.sections().iter();
    let Some(table) = tables.find(|section| section.section_type == elf::SHT_SYMTAB) else {
        return data;
    };
    // Offset and size of section, value and size in `Elf64_Sym` and `Elf32_Sym`.
    let (size, fields) = if elf.is_64() {
        (24, [(6, 2), (8, 8), (16, 8)])
    } else {
        (16, [(14, 2), (4, 4), (8, 4)])
    };
    for symbol in symbols {
        for (offset, length) in fields {
            let start = usize::try_from(table.offset).unwrap_or(usize::MAX);
            let start = start.saturating_add(symbol.0 * size + offset);
            if let Some(field) = data.get_mut(start..start.saturating_add(length)) {
                field.fill(0);
            }
        }
    }
    data
}

/// The file name of full LTO's native object. Thin LTO appends a number.
const CODE: &str = "code.o";

/// Returns the native objects in `dir` with their numbers, which follow the order of the bitcode objects.
fn numbered_code(dir: &Path) -> Result<Vec<(usize, PathBuf)>, LinkError> {
    let mut numbered = Vec::new();
    for entry in fs::read_dir(dir).map_err(reading(dir))? {
        let path = entry.map_err(reading(dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_empty = path.metadata().map_err(reading(dir))?.len() == 0;
        if let Some(number) = name.strip_prefix(CODE).filter(|_| !is_empty) {
            numbered.push((number.parse::<usize>().unwrap_or_default(), path.clone()));
        }
    }
    numbered.sort();
    Ok(numbered)
}

/// Returns the name of the source in the symbol table of `native`, else the name of `native`.
fn source_of(native: &Input) -> String {
    let mut symbols = native.object.symbols().iter();
    let file = symbols.find(|symbol| symbol.kind == SymbolKind::File);
    file.map_or_else(|| native.name.clone(), |symbol| symbol.name.to_owned())
}
