// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The object tree of a built kernel: what a build left, read once.
//!
//! **Invariant:** this crate reads files of an object tree. It starts no process, writes nothing, and
//! decides nothing about what it finds.
#![warn(missing_docs)]

mod artefact;
mod settings;
mod sizes;

use std::cell::OnceCell;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_facts::command_file;
use lto_disable::BuiltObject;
use lto_link::{KbuildLink, RestoredName, ScriptLink};
use object_model::{Elf, Input, InputError, Loader, WithCauses, link_order};
use tool_io::Files;

pub use artefact::Artefact;
pub use settings::Settings;
pub use sizes::Sizes;

/// The builds that leave a record: a file of their source, a file of their object tree, and the record.
const LEFT_BY: [(&str, &str, &str); 2] = [
    (
        "scripts/lto/bin/lto-link",
        ".lto-flags",
        "vmlinux.o.lto-inputs",
    ),
    // Linux 5.19 and later.
    ("scripts/Makefile.vmlinux_o", "vmlinux.a", ".vmlinux.o.cmd"),
];

/// A built kernel.
pub struct Objtree<'files> {
    /// The directory.
    pub root: PathBuf,
    /// Its configuration.
    pub settings: Settings,
    /// The modules, in the order of `modules.order`.
    pub modules: Vec<Module<'files>>,
    /// The linked kernel.
    pub vmlinux: Elf<'files>,
    /// The object that vmlinux was linked from, or a link of the same objects.
    pub object: Option<Elf<'files>>,
    /// The unreadable files, as messages. The other fields lack them.
    pub unread: Vec<String>,
    /// The reader of its files; each is read once.
    pub files: &'files Files,
    link: OnceCell<Option<Link<'files>>>,
}

/// A module.
pub struct Module<'files> {
    /// Its path, relative to the tree, without `.ko`.
    pub path: String,
    /// The `.ko` file.
    pub elf: Elf<'files>,
    parts: OnceCell<Option<Vec<Input<'files>>>>,
}

/// The inputs of vmlinux.o.
pub struct Link<'files> {
    /// The inputs, in link order.
    pub inputs: Vec<Input<'files>>,
    /// The number of inputs that are always linked; the linker takes the needed ones of the others.
    pub n_objs: usize,
    /// The tool that left a record of it.
    pub by: LinkedBy,
}

/// The tool that linked vmlinux.o.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkedBy {
    /// lto-link.
    LtoLink,
    /// The kernel's own command.
    Kbuild,
}

/// The directory that relative paths of an object tree begin at.
struct Rooted<'files> {
    root: PathBuf,
    files: &'files Files,
}

impl<'files> Loader<'files> for Rooted<'files> {
    fn load(&self, path: &Path) -> io::Result<&'files [u8]> {
        self.files.bytes(&self.root.join(path))
    }
}

impl<'files> Objtree<'files> {
    /// Reads the files of the object tree at `root` that all checks need.
    pub fn open(root: &Path, files: &'files Files) -> anyhow::Result<Self> {
        let settings = Settings::read(&root.join("include/config/auto.conf"))?;
        let order = text_if_there(&root.join("modules.order"))?.unwrap_or_default();
        let vmlinux = files
            .elf(&root.join(Artefact::Vmlinux.to_string()))
            .context("is the kernel built?")?;
        let mut unread = Vec::new();
        let object = root.join(Artefact::VmlinuxO.to_string());
        let object = object.exists().then(|| files.elf(&object));
        let object = object.and_then(|read| or_unread(read, &mut unread));
        let mut modules = Vec::new();
        for path in order.lines().map(module_of_line) {
            let elf = files.elf(&root.join(Artefact::Module(path).to_string()));
            modules.extend(or_unread(elf, &mut unread).map(|elf| Module {
                path: path.to_owned(),
                elf,
                parts: OnceCell::new(),
            }));
        }
        Ok(Self {
            root: root.to_owned(),
            settings,
            modules,
            vmlinux,
            object,
            unread,
            files,
            link: OnceCell::new(),
        })
    }

    /// The source that it was built from, if it is there.
    fn source(&self) -> Option<PathBuf> {
        // In a tree that was built in itself there is no link to the source.
        let roots = [self.root.join("source"), self.root.clone()];
        roots
            .into_iter()
            .find(|root| root.join("scripts/Makefile.build").exists())
    }

    /// Whether a file is in the source that it was built from; `None` if there is no source.
    pub fn source_has(&self, path: &str) -> Option<bool> {
        self.source().map(|source| source.join(path).exists())
    }

    /// Whether the kernel was configured for LTO.
    pub fn has_lto(&self) -> bool {
        self.settings.is_set("LTO_CLANG")
    }

    /// Returns whether a file of the kernel's source contains `text`; `false` if the source is gone.
    pub fn source_contains(&self, path: &str, text: &str) -> anyhow::Result<bool> {
        // A tree that was built in place has no link to the source.
        for root in [self.root.join("source"), self.root.clone()] {
            if let Some(found) = text_if_there(&root.join(path))? {
                return Ok(found.contains(text));
            }
        }
        Ok(false)
    }

    /// Returns the module with this path.
    pub fn module(&self, path: &str) -> Option<&Module<'files>> {
        self.modules.iter().find(|module| module.path == path)
    }

    /// Returns the path of a file beside a module.
    pub fn beside(&self, module: &Module, suffix: &str) -> PathBuf {
        self.root.join(format!("{}{suffix}", module.path))
    }

    /// Returns the text of a file beside a module, if it exists.
    pub fn text_beside(&self, module: &Module, suffix: &str) -> anyhow::Result<Option<String>> {
        text_if_there(&self.beside(module, suffix))
    }

    /// Returns vmlinux.o and the modules: the files that still have relocations.
    pub fn relocatable(&self) -> impl Iterator<Item = (Artefact<'_>, &Elf<'files>)> {
        let object = self.object.iter().map(|elf| (Artefact::VmlinuxO, elf));
        object.chain(self.modules.iter().map(Module::file))
    }

    /// Returns a fault if vmlinux.o is missing: many checks need its relocations.
    pub fn object_fault(&self) -> Option<String> {
        let text = "there is no vmlinux.o of this build, so vmlinux cannot be checked against it; run make again";
        self.object.is_none().then(|| text.to_owned())
    }

    /// Returns vmlinux and the modules: the files that run.
    pub fn running(&self) -> impl Iterator<Item = (Artefact<'_>, &Elf<'files>)> {
        let vmlinux = (Artefact::Vmlinux, &self.vmlinux);
        std::iter::once(vmlinux).chain(self.modules.iter().map(Module::file))
    }

    /// Returns the file of this build that corresponds to `artefact`, if there is one.
    pub fn elf(&self, artefact: Artefact) -> Option<&Elf<'files>> {
        match artefact {
            Artefact::Vmlinux => Some(&self.vmlinux),
            Artefact::VmlinuxO => self.object.as_ref(),
            Artefact::Module(path) => self.module(path).map(|module| &module.elf),
        }
    }

    /// Returns the record of the inputs of vmlinux.o that the build leaves with LTO; `None` if it leaves none.
    pub fn due_record(&self) -> Option<&'static str> {
        let mut builds = LEFT_BY.iter();
        let build = builds.find(|(source, built, _)| {
            self.source_has(source) == Some(true) || self.root.join(built).exists()
        });
        build.map(|(.., record)| *record)
    }

    /// Returns the inputs of vmlinux.o, read once; `None` if the tree has no record of them, and must have one or
    /// does not show them otherwise.
    pub fn link(&self) -> anyhow::Result<Option<&Link<'files>>> {
        if self.link.get().is_none() {
            let link = self.read_link().context("what vmlinux.o was linked from")?;
            // Nothing else sets it meanwhile.
            let _ = self.link.set(link);
        }
        Ok(self.link.get().and_then(Option::as_ref))
    }

    fn read_link(&self) -> anyhow::Result<Option<Link<'files>>> {
        if let Some(paths) = self.record(&Artefact::VmlinuxO.object())? {
            let inputs = self.inputs(&paths)?;
            return Ok(Some(Link {
                n_objs: inputs.len(),
                inputs,
                by: LinkedBy::LtoLink,
            }));
        }
        let command = text_if_there(&command_file(&self.root.join("vmlinux.o")))?;
        let by_command = command.and_then(|text| lto_link::kbuild_link(&text));
        let link = match by_command {
            Some(link) => Some(link),
            None if self.due_record().is_none() => self.script_link()?,
            None => None,
        };
        let Some(link) = link else {
            return Ok(None);
        };
        let mut inputs = self.inputs(&link.objs)?;
        let n_objs = inputs.len();
        inputs.extend(self.inputs(&link.libs)?);
        Ok(Some(Link {
            inputs,
            n_objs,
            by: LinkedBy::Kbuild,
        }))
    }

    /// Returns the inputs of vmlinux.o where a script of the kernel's source links it with LTO; `None` if the source
    /// is gone, or does not show them.
    fn script_link(&self) -> anyhow::Result<Option<KbuildLink>> {
        let architectures = [("ARM64", "arm64"), ("X86", "x86")];
        let srcarch = architectures
            .iter()
            .find(|(option, _)| self.settings.is_set(option));
        let (Some(source), Some((_, srcarch)), true) = (self.source(), srcarch, self.has_lto())
        else {
            return Ok(None);
        };
        let read = |path: &str| text_if_there(&source.join(path));
        let (Some(script), Some(makefile), Some(arch_makefile)) = (
            read("scripts/link-vmlinux.sh")?,
            read("Makefile")?,
            read(&format!("arch/{srcarch}/Makefile"))?,
        ) else {
            return Ok(None);
        };
        let link = ScriptLink {
            script: &script,
            makefile: &makefile,
            arch_makefile: &arch_makefile,
            srcarch,
            option: &|option| self.settings.get(option).map(str::to_owned),
        };
        Ok(link.inputs())
    }

    /// Returns the objects that `module` was linked from, read once; `None` if its `.mod` file is
    /// missing.
    pub fn parts<'a>(
        &self,
        module: &'a Module<'files>,
    ) -> anyhow::Result<Option<&'a [Input<'files>]>> {
        if module.parts.get().is_none() {
            let parts = self
                .read_parts(module)
                .with_context(|| module.path.clone())?;
            let _ = module.parts.set(parts);
        }
        Ok(module.parts.get().and_then(Option::as_deref))
    }

    fn read_parts(&self, module: &Module) -> anyhow::Result<Option<Vec<Input<'files>>>> {
        let object = module.artefact().object();
        let path = Path::new(&object);
        // A record may remain from a build in which lto-link linked the module.
        let command = self.root.join(command_file(path));
        let command = text_if_there(&command)?.unwrap_or_default();
        if command.contains("/lto-link module ")
            && let Some(paths) = self.record(&object)?
        {
            return self.inputs(&paths).map(Some);
        }
        let Some(text) = self.text_beside(module, ".mod")? else {
            return Ok(None);
        };
        let paths: Vec<PathBuf> = mod_dedup::parts(&text)
            .into_iter()
            .map(Into::into)
            .collect();
        self.inputs(&paths).map(Some)
    }

    /// Returns the objects and archives at `paths`, which are relative to the tree.
    pub fn inputs(&self, paths: &[PathBuf]) -> anyhow::Result<Vec<Input<'files>>> {
        let rooted = Rooted {
            root: self.root.clone(),
            files: self.files,
        };
        Ok(link_order(&rooted, paths)?)
    }

    /// Returns the inputs of the link of `object`, if lto-link left a record of it.
    fn record(&self, object: &str) -> anyhow::Result<Option<Vec<PathBuf>>> {
        let path = self.root.join(lto_link::inputs_path(Path::new(object)));
        match lto_link::read_record(&path) {
            Ok(record) => Ok(Some(
                record.into_iter().map(|input| input.path.into()).collect(),
            )),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(path.display().to_string()),
        }
    }

    /// Returns the symbols of `object` that lto-link gave their names of the source; none if it left no list.
    pub fn restored_names(&self, object: &str) -> anyhow::Result<Vec<RestoredName>> {
        restored_names(&self.root.join(object))
    }

    /// Returns `input` with its origin.
    pub fn built_object(&self, input: &Input) -> BuiltObject {
        let path = input.path.as_deref().unwrap_or(Path::new(&input.name));
        BuiltObject::new(path, input.object.as_bitcode().is_some(), &self.root)
    }
}

/// Returns the path of a module by its line in `modules.order`, without `.ko`. Linux 6.4 and later name the
/// objects.
pub fn module_of_line(line: &str) -> &str {
    line.strip_suffix(".ko")
        .or_else(|| line.strip_suffix(".o"))
        .unwrap_or(line)
}

/// Returns the symbols of the object at `path` that lto-link gave their names of the source; none if it left no
/// list.
pub fn restored_names(path: &Path) -> anyhow::Result<Vec<RestoredName>> {
    let path = lto_link::names_path(path);
    lto_link::read_names(&path).with_context(|| path.display().to_string())
}

/// Returns what could be read, or adds why not.
fn or_unread<T>(read: Result<T, InputError>, unread: &mut Vec<String>) -> Option<T> {
    let unreadable = |error: InputError| unread.push(WithCauses(&error).to_string());
    read.map_err(unreadable).ok()
}

/// The text of a file, if it is there.
pub fn text_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(path.display().to_string()),
    }
}

impl<'files> Module<'files> {
    /// Returns the kind of this file.
    pub fn artefact(&self) -> Artefact<'_> {
        Artefact::Module(&self.path)
    }

    fn file(&self) -> (Artefact<'_>, &Elf<'files>) {
        (self.artefact(), &self.elf)
    }
}
