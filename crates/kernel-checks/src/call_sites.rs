// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tables of jumps and calls that the kernel of x86 patches: return sites, retpoline sites and
//! static calls. objtool makes them; each must name all such jumps in the code, and no others.
//!
//! Sources, of Linux 5.10: `tools/objtool/check.c` (what goes into the tables),
//! `arch/x86/kernel/vmlinux.lds.S` and `include/asm-generic/vmlinux.lds.h` (the symbols around
//! them), `include/linux/static_call_types.h` (an entry), `arch/x86/kernel/alternative.c` and
//! `arch/x86/kernel/static_call.c` (which instructions can be patched).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use object_model::{
    Elf, Image, ReadError, Relocation, Section, SectionIndex, TableName, TablePart, elf,
};
use object_tree::{Artefact, Objtree};

use super::Finding;
use super::branch::Branch;
use super::prefixed::prefixed;

/// One sort of sites.
struct Sort {
    /// It is there if one of these is set.
    options: &'static [&'static str],
    table: TableName,
    /// Size of an entry in bytes. The distance to the site is its first field.
    stride: u64,
    /// Whether this symbol is what sites go to.
    is_target: fn(&str) -> bool,
    /// That, for messages.
    targets: &'static str,
    /// The instructions that the kernel can patch.
    branches: &'static [Branch],
    /// Whether objtool may leave jumps in this section out.
    is_left_out: fn(&str) -> bool,
}

/// Jumps to the return thunk, which stand where functions return.
const RETURNS: Sort = Sort {
    options: &["RETHUNK", "MITIGATION_RETHUNK"],
    table: TableName {
        section: ".return_sites",
        start: "__return_sites",
        stop: "__return_sites_end",
    },
    stride: 4,
    is_target: |symbol| symbol == "__x86_return_thunk",
    targets: "__x86_return_thunk",
    branches: &[Branch::Jump],
    // What is no part of the kernel's text: templates of alternatives (which later kernels look
    // into), code that only runs before these are chosen, and what no link takes.
    is_left_out: |section| {
        section == ".altinstr_replacement"
            || section == ".altinstr_aux"
            || section.starts_with(".discard.")
    },
};

/// Indirect calls and jumps, which go through a thunk for each register.
const RETPOLINES: Sort = Sort {
    options: &["RETPOLINE", "MITIGATION_RETPOLINE"],
    table: TableName {
        section: ".retpoline_sites",
        start: "__retpoline_sites",
        stop: "__retpoline_sites_end",
    },
    stride: 4,
    is_target: |symbol| symbol.starts_with("__x86_indirect_"),
    targets: "__x86_indirect_thunk_*",
    branches: &[Branch::Call, Branch::Jump, Branch::ConditionalJump],
    is_left_out: |section| section == ".altinstr_replacement",
};

/// Calls of the trampolines of static calls.
const STATIC_CALLS: Sort = Sort {
    options: &["HAVE_STATIC_CALL_INLINE"],
    table: TableName {
        section: ".static_call_sites",
        start: "__start_static_call_sites",
        stop: "__stop_static_call_sites",
    },
    // struct static_call_site: addr, key.
    stride: 8,
    is_target: |symbol| symbol.starts_with(TRAMPOLINE),
    targets: "__SCT__*",
    branches: &[Branch::Call, Branch::Jump],
    is_left_out: |section| section == ".altinstr_replacement",
};

/// Static calls in kernels of 6.3 and later, where conditional jumps can be patched too.
const STATIC_CALLS_AND_CONDITIONS: Sort = Sort {
    branches: &[Branch::Call, Branch::Jump, Branch::ConditionalJump],
    ..STATIC_CALLS
};

/// The file that patches static calls, and a word that it contains if it patches conditional jumps.
const PATCHES_CONDITIONS: (&str, &str) = ("arch/x86/kernel/static_call.c", "JCC");

/// How the trampoline of a static call, and its key, begin.
const TRAMPOLINE: &str = "__SCT__";
const KEY: &str = "__SCK__";
/// Where the key stands in an entry, and what its low bits say: the site is a jump.
const KEY_FIELD: u64 = 4;
const KEY_FLAGS: u64 = 3;
const KEY_FLAG_TAIL: u64 = 1;

/// Every jump to the return thunk has its entry.
pub fn returns(tree: &Objtree) -> anyhow::Result<Finding> {
    check(tree, &RETURNS)
}

/// Every call of a retpoline has its entry.
pub fn retpolines(tree: &Objtree) -> anyhow::Result<Finding> {
    check(tree, &RETPOLINES)
}

/// Every static call has its entry, with its key.
pub fn static_calls(tree: &Objtree) -> anyhow::Result<Finding> {
    let (source, condition) = PATCHES_CONDITIONS;
    let has_conditions = tree.source_contains(source, condition)?;
    check(
        tree,
        if has_conditions {
            &STATIC_CALLS_AND_CONDITIONS
        } else {
            &STATIC_CALLS
        },
    )
}

fn check(tree: &Objtree, sort: &Sort) -> anyhow::Result<Finding> {
    if tree.vmlinux.machine() != elf::EM_X86_64 || !tree.vmlinux.is_64() {
        return Ok(Finding::not_applicable(
            "there are such tables on 64-bit x86 only",
        ));
    }
    if !sort
        .options
        .iter()
        .any(|option| tree.settings.is_set(option))
    {
        let reason = format!("the kernel is configured without {}", sort.options[0]);
        return Ok(Finding::not_applicable(&reason));
    }
    let linked = linked(&tree.vmlinux, sort).context("vmlinux")?;
    let mut faults = prefixed(Artefact::Vmlinux, &linked.faults);
    faults.extend(tree.object_fault());
    if linked.n_sites == 0 && linked.faults.is_empty() {
        faults.push(format!("vmlinux: {} is empty", sort.table.section));
    }
    let mut n_in_modules = 0;
    let mut n_without_entry = 0;
    for (artefact, elf) in tree.relocatable() {
        let mut found = relocatable(elf, sort).with_context(|| artefact.to_string())?;
        if tree.has_lto() {
            found.faults.append(&mut found.without_entry);
        }
        n_without_entry += found.without_entry.len();
        faults.extend(prefixed(artefact, &found.faults));
        if artefact != Artefact::VmlinuxO {
            n_in_modules += found.n_sites;
        } else if found.n_sites != linked.n_sites {
            faults.push(format!(
                "vmlinux: expected the {} entries of vmlinux.o in {}, found {}",
                found.n_sites, sort.table.section, linked.n_sites
            ));
        }
    }
    let mut figures = vec![format!(
        "{} in vmlinux, {n_in_modules} in {} modules",
        linked.n_sites,
        tree.modules.len()
    )];
    // Without LTO, objtool is kept away from some objects; with it, it sees them in vmlinux.o.
    if n_without_entry > 0 {
        figures.push(format!(
            "{n_without_entry} have none, in objects that objtool does not see"
        ));
    }
    Ok(Finding::new(figures.join("; "), faults))
}

/// The table of one file, and its faults.
#[derive(Debug, Default)]
struct Found {
    /// Entries of the table.
    n_sites: usize,
    faults: Vec<String>,
    /// Jumps that the table lacks.
    without_entry: Vec<String>,
}

impl Found {
    fn entry_fault(&mut self, sort: &Sort, index: usize, what: &str) {
        let table = sort.table.section;
        self.faults.push(format!("{table} entry {index}: {what}"));
    }
}

/// A jump to a target, as a relocation tells of it.
struct Reference<'data> {
    branch: Branch,
    target: &'data str,
    has_entry: bool,
    /// Not in data that may have been code.
    needs_entry: bool,
}

/// Holds the table of a relocatable object against its relocations.
fn relocatable(elf: &Elf, sort: &Sort) -> Result<Found, ReadError> {
    let image = Image::new(elf);
    let mut references = references(&image, sort)?;
    let mut found = Found::default();
    for part in image.table(sort.table).unwrap_or_default() {
        let sites = sites(&image, sort, &part, &mut found)?;
        let keys = keys(&image, sort, &part)?;
        for (index, site) in sites {
            let branch = image.bytes(site).and_then(Branch::at);
            // Relocations are where the distance is.
            let distance = branch.map(|(_, length)| site + length);
            let reference = distance.and_then(|at| references.get_mut(&at));
            let Some(reference) = reference else {
                let what = no_branch(&image, sort, site);
                found.entry_fault(sort, index, &what);
                continue;
            };
            if reference.has_entry {
                let what = format!("{}, like an earlier entry", image.place(site));
                found.entry_fault(sort, index, &what);
            }
            reference.has_entry = true;
            let (branch, target) = (reference.branch, reference.target);
            if let Some(what) = site_fault(&image, sort, site, branch, target, keys.get(index)) {
                found.entry_fault(sort, index, &what);
            }
        }
    }
    for (at, reference) in &references {
        if reference.needs_entry && !reference.has_entry {
            found.without_entry.push(format!(
                "{} goes to {} and has no entry in {}; was objtool run on the linked object?",
                image.place(at - reference.branch.opcode_length()),
                reference.target,
                sort.table.section
            ));
        }
    }
    Ok(found)
}

/// Holds the table of the linked kernel against the instructions that it names.
fn linked(elf: &Elf, sort: &Sort) -> Result<Found, ReadError> {
    let image = Image::new(elf);
    let targets = targets(&image, sort);
    let mut found = Found::default();
    let parts = match image.table(sort.table) {
        Ok(parts) => parts,
        Err(reason) => {
            found.faults.push(reason);
            return Ok(found);
        }
    };
    let mut seen = BTreeSet::new();
    for part in parts {
        let sites = sites(&image, sort, &part, &mut found)?;
        let keys = keys(&image, sort, &part)?;
        for (index, site) in sites {
            if !seen.insert(site) {
                let what = format!("{}, like an earlier entry", image.place(site));
                found.entry_fault(sort, index, &what);
            }
            let branch = branch_at(&image, site);
            let branch = branch.and_then(|(branch, to)| Some((branch, *targets.get(&to)?)));
            let Some((branch, target)) = branch else {
                let what = no_branch(&image, sort, site);
                found.entry_fault(sort, index, &what);
                continue;
            };
            if let Some(what) = site_fault(&image, sort, site, branch, target, keys.get(index)) {
                found.entry_fault(sort, index, &what);
            }
        }
    }
    Ok(found)
}

/// Address and name of what sites go to.
fn targets<'data>(image: &Image<'_, 'data>, sort: &Sort) -> BTreeMap<u64, &'data str> {
    let symbols = image.elf.symbols().iter();
    symbols
        .filter(|symbol| (sort.is_target)(symbol.name))
        .map(|symbol| (image.address(symbol), symbol.name))
        .collect()
}

/// The jumps to targets in what is loaded of a relocatable object, by the place of their distance.
fn references<'data>(
    image: &Image<'_, 'data>,
    sort: &Sort,
) -> Result<BTreeMap<u64, Reference<'data>>, ReadError> {
    let targets = targets(image, sort);
    let mut references = BTreeMap::new();
    let loaded = image
        .elf
        .sections()
        .iter()
        .filter(|section| section.is_allocated());
    let loaded: BTreeMap<SectionIndex, &Section> =
        loaded.map(|section| (section.index, section)).collect();
    for relocations in image.elf.sections() {
        if relocations.section_type != elf::SHT_RELA {
            continue;
        }
        let Some(section) = loaded.get(&SectionIndex(relocations.info as usize)) else {
            continue;
        };
        let found = image.elf.relocations_in(relocations)?;
        for relocation in found.iter().filter(|found| Relocation::is_prel32(found)) {
            // The distance counts from the end of its four bytes.
            let target = image
                .target(relocation)
                .map(|target| target.wrapping_add(4));
            let Some(target) = target.and_then(|target| targets.get(&target)) else {
                continue;
            };
            let offset = usize::try_from(relocation.offset).unwrap_or(usize::MAX);
            let before = section.data.get(..offset).unwrap_or_default();
            // Anything else takes an address.
            if let Some(branch) = Branch::before_distance(before) {
                let at = image.base(section).wrapping_add(relocation.offset);
                let reference = Reference {
                    branch,
                    target,
                    has_entry: false,
                    needs_entry: section.is_executable() && !(sort.is_left_out)(section.name),
                };
                references.insert(at, reference);
            }
        }
    }
    Ok(references)
}

/// Number and place of each entry's site, those that refer to no code left out.
fn sites(
    image: &Image,
    sort: &Sort,
    part: &TablePart,
    found: &mut Found,
) -> Result<Vec<(usize, u64)>, ReadError> {
    if !part.size.is_multiple_of(sort.stride) {
        found.faults.push(format!(
            "{}: {} bytes are not a multiple of the entry size, {} bytes",
            sort.table.section, part.size, sort.stride
        ));
    }
    let mut sites = Vec::new();
    for (index, site) in image.prel32(part, sort.stride, 0)?.into_iter().enumerate() {
        found.n_sites += 1;
        match site {
            Some(site) => sites.push((index, site)),
            None => found.entry_fault(sort, index, "refers to nothing"),
        }
    }
    Ok(sites)
}

/// For each entry of static calls the address of its key, flags in the low bits.
fn keys(image: &Image, sort: &Sort, part: &TablePart) -> Result<Vec<Option<u64>>, ReadError> {
    if sort.stride <= KEY_FIELD {
        return Ok(Vec::new());
    }
    image.prel32(part, sort.stride, KEY_FIELD)
}

/// The branch at this address of a linked file, and where it goes.
fn branch_at(image: &Image, address: u64) -> Option<(Branch, u64)> {
    let code = image.bytes(address)?;
    let (branch, length) = Branch::at(code)?;
    let distance = code.get(usize::try_from(length).ok()?..)?.get(..4)?;
    let distance = i32::from_le_bytes(distance.try_into().ok()?);
    let end = address.wrapping_add(length + 4);
    Some((branch, end.wrapping_add_signed(i64::from(distance))))
}

fn no_branch(image: &Image, sort: &Sort, site: u64) -> String {
    format!(
        "expected a jump or call to {} at {}",
        sort.targets,
        image.place(site)
    )
}

/// Returns the fault of a site that goes to a target.
fn site_fault(
    image: &Image,
    sort: &Sort,
    site: u64,
    branch: Branch,
    target: &str,
    key: Option<&Option<u64>>,
) -> Option<String> {
    if !sort.branches.contains(&branch) {
        let place = image.place(site);
        return Some(format!(
            "{place} is a {branch}, which the kernel cannot patch"
        ));
    }
    key.and_then(|key| key_fault(image, site, branch, target, *key))
}

/// Returns the fault of the key of a static call. A module that must not change what is called has
/// the trampoline in its place.
fn key_fault(
    image: &Image,
    site: u64,
    branch: Branch,
    target: &str,
    key: Option<u64>,
) -> Option<String> {
    let key = key.unwrap_or_default();
    let (key, flags) = (key & !KEY_FLAGS, key & KEY_FLAGS);
    let expected = match branch {
        Branch::Call => 0,
        Branch::Jump | Branch::ConditionalJump => KEY_FLAG_TAIL,
    };
    let place = image.place(site);
    if flags != expected {
        return Some(format!(
            "{place} is a {branch}: expected flags {expected}, found {flags}"
        ));
    }
    let name = target.strip_prefix(TRAMPOLINE)?;
    let is_key = |prefix: &str| {
        let symbols = image.symbols.named(&format!("{prefix}{name}")).iter();
        symbols
            .map(|symbol| image.address(symbol))
            .any(|address| address == key)
    };
    let in_module = image.elf.is_relocatable() && is_key(TRAMPOLINE);
    (!is_key(KEY) && !in_module)
        .then(|| format!("{place} calls {TRAMPOLINE}{name}: expected the key {KEY}{name}"))
}
