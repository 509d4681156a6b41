// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The load order of the modules of an object tree.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use object_model::Elf;

/// A module file and the properties that determine its load order.
#[derive(Debug)]
pub struct Module {
    /// The kernel's name for it: the file's name with `_` for `-`.
    pub name: String,
    /// The `.ko` file.
    pub path: PathBuf,
    /// Exported symbols.
    exports: Vec<String>,
    /// Symbols that the kernel or other modules must define.
    undefined: Vec<String>,
    /// Other names that a soft dependency may use.
    aliases: Vec<String>,
    /// Modules that should be loaded before it, if they exist.
    soft_before: Vec<String>,
    /// Modules that should be loaded after it, if they exist.
    soft_after: Vec<String>,
}

impl Module {
    /// Reads a `.ko` file.
    ///
    /// # Errors
    /// The file cannot be read, or is not an ELF file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        Self::parse(path, &bytes).with_context(|| path.display().to_string())
    }

    /// Returns a module without exports and undefined symbols.
    #[cfg(test)]
    pub fn bare(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: PathBuf::from(format!("{name}.ko")),
            exports: Vec::new(),
            undefined: Vec::new(),
            aliases: Vec::new(),
            soft_before: Vec::new(),
            soft_after: Vec::new(),
        }
    }

    /// Returns the properties in the contents of a `.ko` file. `path` only names it.
    fn parse(path: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let file = Elf::parse(bytes)?;
        let undefined = file
            .symbols()
            .iter()
            .filter(|symbol| symbol.is_undefined())
            .map(|symbol| symbol.name.to_owned())
            .collect();
        let mut module = Self {
            name: name_of(path),
            path: path.to_owned(),
            exports: strings(&file, "__ksymtab_strings"),
            undefined,
            aliases: Vec::new(),
            soft_before: Vec::new(),
            soft_after: Vec::new(),
        };
        for field in strings(&file, ".modinfo") {
            match field.split_once('=') {
                Some(("alias", alias)) => module.aliases.push(plain(alias)),
                Some(("softdep", wanted)) => module.add_soft_dependencies(wanted),
                _ => {}
            }
        }
        Ok(module)
    }

    /// Returns whether it is one of the kernel's own tests, which run when they are loaded. Their
    /// names tell: `test_printf`, `ext4-inode-test`, `crc32test`, `bitfield_kunit`.
    pub fn is_test(&self) -> bool {
        self.name.starts_with("test_")
            || ["test", "tests", "_kunit"]
                .iter()
                .any(|end| self.name.ends_with(end))
    }

    /// Adds the soft dependencies in `pre: a b post: c`, the format of `MODULE_SOFTDEP` in
    /// linux/module.h.
    fn add_soft_dependencies(&mut self, wanted: &str) {
        let mut before = true;
        for word in wanted.split_ascii_whitespace() {
            match word {
                "pre:" => before = true,
                "post:" => before = false,
                name if before => self.soft_before.push(plain(name)),
                name => self.soft_after.push(plain(name)),
            }
        }
    }
}

/// Returns the wanted modules of `sorted` and those that they depend on, in the same order.
pub fn needed(sorted: Vec<Module>, wanted: impl Fn(&Module) -> bool) -> Vec<Module> {
    let edges = edges(&sorted);
    let mut keep: Vec<bool> = sorted.iter().map(wanted).collect();
    let mut found: Vec<usize> = (0..sorted.len()).filter(|module| keep[*module]).collect();
    while let Some(module) = found.pop() {
        for needed in edges[module].hard.union(&edges[module].soft) {
            if !std::mem::replace(&mut keep[*needed], true) {
                found.push(*needed);
            }
        }
    }
    let kept = sorted.into_iter().zip(keep).filter(|(_, keep)| *keep);
    kept.map(|(module, _)| module).collect()
}

/// Returns the modules of an object tree in load order: each after the modules whose exports it
/// uses and after its soft dependencies, else in the order of `modules.order`. A kernel without
/// `CONFIG_MODULES` has none.
///
/// # Errors
/// `modules.order` or a module cannot be read, or the dependencies have a cycle.
pub fn load_order(objtree: &Path) -> anyhow::Result<Vec<Module>> {
    if loads_none(objtree) {
        return Ok(Vec::new());
    }
    let list = objtree.join("modules.order");
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("{}: build the kernel first", list.display()))?;
    let modules = text
        .lines()
        .map(|line| {
            // Trees from 6.3 on list the object, older trees list the module.
            Module::read(&objtree.join(line).with_extension("ko"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    in_order(modules)
}

/// Returns whether the kernel in an object tree is configured without modules. make then writes no
/// `modules.order`, and leaves that of an earlier configuration.
fn loads_none(objtree: &Path) -> bool {
    let config = std::fs::read_to_string(objtree.join(".config"));
    config.is_ok_and(|config| !config.lines().any(|line| line == "CONFIG_MODULES=y"))
}

/// Sorts `modules` by their dependencies; the sort is stable.
fn in_order(modules: Vec<Module>) -> anyhow::Result<Vec<Module>> {
    let edges = edges(&modules);
    let mut slots: Vec<Option<Module>> = modules.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(slots.len());
    let mut left: Vec<usize> = (0..slots.len()).collect();
    while !left.is_empty() {
        let waits = |needed: &BTreeSet<usize>| needed.iter().any(|needed| slots[*needed].is_some());
        // A soft dependency that cannot be met is given up, but a needed symbol never is.
        let ready = left
            .iter()
            .position(|module| !waits(&edges[*module].hard) && !waits(&edges[*module].soft))
            .or_else(|| left.iter().position(|module| !waits(&edges[*module].hard)));
        let Some(ready) = ready else {
            let circle: Vec<_> = left
                .iter()
                .filter_map(|module| slots[*module].as_ref().map(|module| module.name.as_str()))
                .collect();
            anyhow::bail!(
                "modules that need each other in a circle: {}",
                circle.join(", ")
            );
        };
        sorted.extend(slots[left.remove(ready)].take());
    }
    Ok(sorted)
}

/// Indices of the modules that must, or should, be loaded before a module.
#[derive(Clone, Default)]
struct Edges {
    hard: BTreeSet<usize>,
    soft: BTreeSet<usize>,
}

fn edges(modules: &[Module]) -> Vec<Edges> {
    let mut exporter: HashMap<&str, usize> = HashMap::new();
    let mut named: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, module) in modules.iter().enumerate() {
        exporter.extend(module.exports.iter().map(|symbol| (symbol.as_str(), index)));
        for name in std::iter::once(&module.name).chain(&module.aliases) {
            named.entry(name).or_default().push(index);
        }
    }
    let found = |names: &[String]| -> BTreeSet<usize> {
        names
            .iter()
            .filter_map(|name| named.get(name.as_str()))
            .flatten()
            .copied()
            .collect()
    };
    let mut edges = vec![Edges::default(); modules.len()];
    for (index, module) in modules.iter().enumerate() {
        edges[index].hard = module
            .undefined
            .iter()
            .filter_map(|symbol| exporter.get(symbol.as_str()).copied())
            .collect();
        edges[index].soft.extend(found(&module.soft_before));
        for after in found(&module.soft_after) {
            edges[after].soft.insert(index);
        }
    }
    // A module may have an alias that is also its soft dependency.
    for (index, edges) in edges.iter_mut().enumerate() {
        edges.soft.remove(&index);
    }
    edges
}

fn name_of(path: &Path) -> String {
    plain(&path.file_stem().unwrap_or_default().to_string_lossy())
}

/// Returns a module name with `_` for `-`: the kernel does not distinguish them.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// Returns the NUL-terminated strings of a section; empty if it is missing.
fn strings(file: &Elf<'_>, section: &str) -> Vec<String> {
    let data = file
        .section_by_name(section)
        .map_or(&[][..], |section| section.data);
    data.split(|byte| *byte == 0)
        .filter(|string| !string.is_empty())
        .map(|string| String::from_utf8_lossy(string).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, exports: &[&str], undefined: &[&str]) -> Module {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        Module {
            exports: owned(exports),
            undefined: owned(undefined),
            ..Module::bare(name)
        }
    }

    fn names(modules: Vec<Module>) -> Vec<String> {
        in_order(modules)
            .unwrap()
            .into_iter()
            .map(|module| module.name)
            .collect()
    }

    #[test]
    fn a_kernel_without_modules_needs_no_list_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join(".config");
        std::fs::write(&config, "CONFIG_MODULES=y\n").unwrap();
        let error = load_order(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("modules.order: build the kernel first"),
            "{error}"
        );
        std::fs::write(&config, "# CONFIG_MODULES is not set\n").unwrap();
        assert!(load_order(dir.path()).unwrap().is_empty());
        // The list of an earlier configuration does not count.
        std::fs::write(dir.path().join("modules.order"), "lib/crc7.ko\n").unwrap();
        assert!(load_order(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn a_module_comes_after_those_whose_symbols_it_uses() {
        let order = names(vec![
            module("ext4", &[], &["jbd2_start", "mb_cache", "printk"]),
            module("dummy", &[], &["printk"]),
            module("jbd2", &["jbd2_start"], &[]),
            module("mbcache", &["mb_cache"], &[]),
        ]);
        assert_eq!(order, ["dummy", "jbd2", "mbcache", "ext4"]);
    }

    #[test]
    fn soft_dependencies_go_by_name_and_by_alias_both_ways() {
        let mut btrfs = module("btrfs", &[], &[]);
        btrfs.add_soft_dependencies("pre: crypto-crc32c absent post: late");
        let mut crc32c = module("crc32c_generic", &[], &[]);
        crc32c.aliases.push("crypto_crc32c".to_owned());
        assert_eq!(
            names(vec![module("late", &[], &[]), btrfs, crc32c]),
            ["crc32c_generic", "btrfs", "late"]
        );
    }

    #[test]
    fn a_circle_of_soft_dependencies_is_broken_but_not_one_of_symbols() {
        let mut one = module("one", &[], &[]);
        one.add_soft_dependencies("pre: two");
        let mut two = module("two", &[], &[]);
        two.add_soft_dependencies("pre: one");
        assert_eq!(names(vec![one, two]), ["one", "two"]);

        let error = in_order(vec![
            module("a", &["in_a"], &["in_b"]),
            module("free", &[], &[]),
            module("b", &["in_b"], &["in_a"]),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "modules that need each other in a circle: a, b"
        );
    }

    #[test]
    fn tests_are_known_by_their_names() {
        let is_test = |name: &str| module(name, &[], &[]).is_test();
        for name in [
            "test_printf",
            "test_static_key_base",
            "ext4_inode_test",
            "crc32test",
            "utf8_selftest",
            "dmabuf_selftests",
            "bitfield_kunit",
        ] {
            assert!(is_test(name), "{name}");
        }
        // KUnit's tests need the last one.
        for name in ["ext4", "lkdtm", "attestation", "testing_x", "kunit"] {
            assert!(!is_test(name), "{name}");
        }
    }

    #[test]
    fn what_a_wanted_module_needs_is_kept_with_it() {
        let mut vfat = module("vfat", &[], &["fat_attach"]);
        vfat.add_soft_dependencies("pre: nls_utf8");
        let sorted = in_order(vec![
            module("vfat_test", &["tested"], &["kunit_run"]),
            module("kunit", &["kunit_run"], &[]),
            vfat,
            module("fat", &["fat_attach"], &["nls_load"]),
            module("nls_base", &["nls_load"], &[]),
            module("nls_utf8", &[], &["nls_load"]),
            module("loop", &[], &[]),
        ]);
        let names = |modules: &[Module]| -> Vec<String> {
            modules.iter().map(|module| module.name.clone()).collect()
        };
        let wanted = needed(sorted.unwrap(), |module| module.name == "vfat");
        assert_eq!(names(&wanted), ["nls_base", "fat", "nls_utf8", "vfat"]);
    }

    #[test]
    fn a_missing_list_and_a_file_that_is_no_module_are_named() {
        let objtree = tempfile::tempdir().unwrap();
        let error = format!("{:#}", load_order(objtree.path()).unwrap_err());
        assert!(
            error.contains("modules.order: build the kernel first"),
            "{error}"
        );

        std::fs::write(objtree.path().join("modules.order"), "fs/fat/fat.ko\n").unwrap();
        let error = format!("{:#}", load_order(objtree.path()).unwrap_err());
        assert!(error.contains("fs/fat/fat.ko: No such file"), "{error}");

        std::fs::create_dir_all(objtree.path().join("fs/fat")).unwrap();
        std::fs::write(objtree.path().join("fs/fat/fat.ko"), "not ELF").unwrap();
        let error = format!("{:#}", load_order(objtree.path()).unwrap_err());
        assert!(error.contains("fs/fat/fat.ko: "), "{error}");
    }
}
