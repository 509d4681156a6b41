// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An object tree, and what is read of it once.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lto_disable::BuiltObject;
use object_model::{Elf, FileKind};
use prel32_fix::Table;
use tool_io::Files;

use super::Sizes;
use super::settings::Settings;

/// A kernel that was built.
pub struct Objtree<'files> {
    pub root: PathBuf,
    pub settings: Settings,
    pub modules: Vec<Module<'files>>,
    pub vmlinux: Elf<'files>,
    /// What vmlinux was linked from, or a link of the same objects.
    pub object: Option<Elf<'files>>,
    /// The PREL32 tables of vmlinux.
    pub tables: Vec<Table>,
    pub files: &'files Files,
}

/// One module of it.
pub struct Module<'files> {
    /// Its path, relative to the tree, without `.ko`.
    pub path: String,
    pub elf: Elf<'files>,
}

impl<'files> Objtree<'files> {
    /// Reads what all checks need of the object tree at `root`.
    pub fn open(root: &Path, files: &'files Files) -> anyhow::Result<Self> {
        let settings = Settings::read(&root.join("include/config/auto.conf"))?;
        let order = match fs::read_to_string(root.join("modules.order")) {
            Ok(order) => order,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).context(root.join("modules.order").display().to_string());
            }
        };
        let vmlinux = files
            .elf(&root.join("vmlinux"))
            .context("is the kernel built?")?;
        let (tables, _) = prel32_fix::tables(&vmlinux);
        let object = root.join("vmlinux.o");
        let object = object.exists().then(|| files.elf(&object)).transpose()?;
        let module = |line: &str| -> anyhow::Result<_> {
            let path = line.trim_end_matches(".ko").to_owned();
            let elf = files.elf(&root.join(format!("{path}.ko")))?;
            Ok(Module { path, elf })
        };
        Ok(Self {
            root: root.to_owned(),
            settings,
            modules: order.lines().map(module).collect::<anyhow::Result<_>>()?,
            vmlinux,
            object,
            tables,
            files,
        })
    }

    /// Whether the kernel was configured for LTO.
    pub fn has_lto(&self) -> bool {
        self.settings.is_set("LTO_CLANG")
    }

    /// The size of its vmlinux.
    pub fn sizes(&self) -> Sizes {
        Sizes::of(&self.vmlinux)
    }

    /// The module with this path.
    pub fn module(&self, path: &str) -> Option<&Module<'files>> {
        self.modules.iter().find(|module| module.path == path)
    }

    /// A file beside a module.
    pub fn beside(&self, module: &Module, suffix: &str) -> PathBuf {
        self.root.join(format!("{}{suffix}", module.path))
    }

    /// vmlinux.o and the modules, by name: what still has relocations.
    pub fn relocatable(&self) -> impl Iterator<Item = (String, &Elf<'files>)> {
        let object = self.object.iter().map(|elf| ("vmlinux.o".to_owned(), elf));
        object.chain(self.modules.iter().map(Module::named))
    }

    /// A fault where there is no vmlinux.o: much can be told only by relocations.
    pub fn object_fault(&self) -> Option<String> {
        let text = "vmlinux.o: is not there to be held against vmlinux; build the kernel again";
        self.object.is_none().then(|| text.to_owned())
    }

    /// vmlinux and the modules, by name: what runs.
    pub fn running(&self) -> impl Iterator<Item = (String, &Elf<'files>)> {
        let vmlinux = ("vmlinux".to_owned(), &self.vmlinux);
        std::iter::once(vmlinux).chain(self.modules.iter().map(Module::named))
    }

    /// The inputs of the link of `object`, if a record of it was left.
    pub fn record(&self, object: &str) -> anyhow::Result<Option<Vec<BuiltObject>>> {
        let path = self.root.join(lto_link::inputs_path(Path::new(object)));
        let record = match lto_link::read_record(&path) {
            Ok(record) => record,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        let inputs = record
            .into_iter()
            .map(|input| self.built_object(Path::new(&input.path)));
        inputs.collect::<anyhow::Result<_>>().map(Some)
    }

    /// What `path` is now, whatever a record says.
    pub fn built_object(&self, path: &Path) -> anyhow::Result<BuiltObject> {
        let file = self.root.join(path);
        let mut magic = Vec::new();
        fs::File::open(&file)
            .and_then(|file| file.take(8).read_to_end(&mut magic))
            .with_context(|| file.display().to_string())?;
        let is_bitcode = matches!(
            FileKind::of(&magic),
            Some(FileKind::RawBitcode | FileKind::WrappedBitcode)
        );
        Ok(BuiltObject::new(path, is_bitcode, &self.root))
    }
}

impl<'files> Module<'files> {
    fn named(&self) -> (String, &Elf<'files>) {
        (format!("{}.ko", self.path), &self.elf)
    }
}
