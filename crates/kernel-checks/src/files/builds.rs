// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! vmlinux, vmlinux.o and the modules are of one architecture and of one build.

use std::collections::BTreeMap;

use object_model::{Binding, Elf, elf};
use object_tree::{Artefact, Module, Objtree, text_if_there};

/// The options of architectures, and the machines of their ELF files.
const MACHINES: [(&str, elf::Machine); 9] = [
    ("ARM64", elf::EM_AARCH64),
    ("X86_64", elf::EM_X86_64),
    ("X86_32", elf::EM_386),
    ("ARM", elf::EM_ARM),
    ("RISCV", elf::EM_RISCV),
    ("LOONGARCH", elf::EM_LOONGARCH),
    ("S390", elf::EM_S390),
    ("PPC64", elf::EM_PPC64),
    ("MIPS", elf::EM_MIPS),
];

/// Returns why vmlinux cannot be checked at all.
pub fn kernel_faults(tree: &Objtree, against: Option<&Objtree>) -> Vec<String> {
    let vmlinux = &tree.vmlinux;
    let found = vmlinux.machine();
    let configured = MACHINES
        .iter()
        .find(|(option, _)| tree.settings.is_set(option));
    let mut faults = Vec::new();
    if let Some((option, expected)) = configured.filter(|(_, expected)| *expected != found) {
        faults.push(format!(
            "vmlinux: is for ELF machine {}, and the configuration, which has CONFIG_{option}, for {}: it is of another \
             architecture; give the object tree that it was built in",
            found.0, expected.0
        ));
    }
    if let Some(against) = against.filter(|against| against.vmlinux.machine() != found) {
        faults.push(format!(
            "vmlinux: is for ELF machine {}, and the one to compare with for {}: they are of different architectures; give \
             two builds of one architecture",
            found.0,
            against.vmlinux.machine().0
        ));
    }
    let mut code = vmlinux
        .sections()
        .iter()
        .filter(|section| section.is_executable());
    if code.all(|section| section.data.is_empty()) {
        faults.push(
            "vmlinux: has no bytes of code, as after objcopy --only-keep-debug; give the vmlinux that make built"
                .to_owned(),
        );
    }
    if !vmlinux.has_symbol_table() {
        faults.push(
            "vmlinux: has no symbol table, as after strip, so nothing is found in it; give the vmlinux that make built"
                .to_owned(),
        );
    }
    faults
}

/// Returns the fault of a vmlinux that is not the last one that was built: it has another number or time.
pub fn banner_fault(tree: &Objtree) -> anyhow::Result<Option<String>> {
    let Some(found) = banner(&tree.vmlinux) else {
        return Ok(None);
    };
    // Since Linux 6.1 the first file has it.
    for path in [
        "include/generated/utsversion.h",
        "include/generated/compile.h",
    ] {
        let text = text_if_there(&tree.root.join(path))?.unwrap_or_default();
        let mut lines = text.lines();
        let version = lines.find_map(|line| {
            line.strip_prefix("#define UTS_VERSION \"")?
                .strip_suffix('"')
        });
        let Some(expected) = version else {
            continue;
        };
        if found.contains(expected) {
            return Ok(None);
        }
        return Ok(Some(format!(
            "vmlinux: is of another build: it says \"{}\", and {path} has \"{expected}\"; run make again",
            number_and_time(found)
        )));
    }
    Ok(None)
}

/// Returns the line that the kernel prints first. It ends with number and time of the build.
fn banner<'data>(elf: &Elf<'data>) -> Option<&'data str> {
    let mut symbols = elf.symbols().iter();
    let symbol =
        symbols.find(|symbol| symbol.name == "linux_banner" && symbol.section.is_some())?;
    let section = elf.section(symbol.section?)?;
    // Addresses of a relocatable file count from the start of the section.
    let start = if elf.is_relocatable() {
        symbol.value
    } else {
        symbol.value.checked_sub(section.address)?
    };
    let text = section.data.get(usize::try_from(start).ok()?..)?;
    let text = text.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text).ok().map(str::trim_end)
}

/// Returns number and time of the build, for messages.
fn number_and_time(banner: &str) -> &str {
    banner
        .rfind('#')
        .and_then(|start| banner.get(start..))
        .unwrap_or(banner)
}

/// Returns whether the build has a number. Since Linux 6.2 vmlinux.o has none, but kinds of preemption, as in
/// `# SMP`: only the last link brings number and time (`init/version-timestamp.c`).
fn has_number(banner: &str) -> bool {
    let number = number_and_time(banner).strip_prefix('#');
    number.is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

/// Returns the release of the kernel, such as `5.10.262`.
fn release(banner: &str) -> Option<&str> {
    banner.strip_prefix("Linux version ")?.split(' ').next()
}

/// Returns the fault of a vmlinux.o that vmlinux was not linked from. System.map shows which of the two is of
/// another build, if it `is_map_of_vmlinux`.
pub fn object_fault(tree: &Objtree, is_map_of_vmlinux: bool) -> Option<String> {
    let object = tree.object.as_ref()?;
    if let Some(fault) = machine_fault(object, &tree.vmlinux) {
        return Some(format!("{}: {fault}", Artefact::VmlinuxO));
    }
    let (of_object, of_kernel) = (banner(object), banner(&tree.vmlinux));
    let difference = match (of_object, of_kernel) {
        (Some(first), Some(second)) if first != second && has_number(first) => {
            let (first, second) = (number_and_time(first), number_and_time(second));
            Some(format!("it says \"{first}\", and vmlinux \"{second}\""))
        }
        _ => difference(object, &tree.vmlinux, "vmlinux"),
    };
    let foreign = if is_map_of_vmlinux {
        "vmlinux.o"
    } else {
        "vmlinux or vmlinux.o"
    };
    let difference = difference?;
    Some(format!(
        "{foreign}: is of another build: {difference}; run make again"
    ))
}

/// Returns a note if vmlinux has the build ID of the one to compare with: a comparison of a build with itself
/// shows nothing.
pub fn same_build(tree: &Objtree, against: Option<&Objtree>) -> Option<String> {
    let found = tree.vmlinux.build_id()?;
    let is_same = against?.vmlinux.build_id().as_ref() == Some(&found);
    is_same.then(|| {
        format!(
            "vmlinux has the build ID of the one to compare with, {found}: both are the same build"
        )
    })
}

fn machine_fault(found: &Elf, vmlinux: &Elf) -> Option<String> {
    let (found, expected) = (found.machine().0, vmlinux.machine().0);
    (found != expected).then(|| {
        format!("is for ELF machine {found}, and vmlinux for {expected}: it is of another architecture; run make again")
    })
}

/// Returns the first function whose size in `object` is not that in `linked`, which messages call `name`.
fn difference(object: &Elf, linked: &Elf, name: &str) -> Option<String> {
    let (of_object, of_linked) = (sizes(object), sizes(linked));
    let mut n_in_both = 0_usize;
    for (function, size) in &of_object {
        let Some(in_linked) = of_linked.get(function) else {
            continue;
        };
        n_in_both += 1;
        if let (Some(size), Some(in_linked)) = (size, in_linked)
            && size != in_linked
        {
            return Some(format!(
                "{function} has {size} bytes in it, and {in_linked} in {name}"
            ));
        }
    }
    // The last link drops few functions.
    (n_in_both < of_object.len() / 2).then(|| {
        format!(
            "{name} has only {n_in_both} of its {} functions",
            of_object.len()
        )
    })
}

/// Returns the functions of `elf` with their sizes, if there is one function of the name, and the size is
/// known. Another definition may take the place of a weak one.
fn sizes<'data>(elf: &Elf<'data>) -> BTreeMap<&'data str, Option<u64>> {
    let mut sizes = BTreeMap::new();
    for symbol in elf
        .symbols()
        .iter()
        .filter(|symbol| elf.is_function(symbol))
    {
        let is_certain = symbol.binding != Binding::Weak && symbol.size > 0;
        let size = is_certain.then_some(symbol.size);
        let of_name = sizes.entry(symbol.name).or_insert(size);
        if *of_name != size {
            *of_name = None;
        }
    }
    sizes
}

/// Returns the modules of other builds, each with the evidence.
pub fn module_faults(tree: &Objtree) -> Vec<(String, String)> {
    let banner = banner(&tree.vmlinux).unwrap_or_default();
    let release = release(banner);
    let fault = |module: &Module| {
        let fault = machine_fault(&module.elf, &tree.vmlinux)
            .or_else(|| release_fault(&module.elf, release))
            .or_else(|| other_build(tree, module))?;
        Some((module.path.clone(), fault))
    };
    tree.modules.iter().filter_map(fault).collect()
}

/// Returns the fault of a module that the loader refuses. Source: `check_modinfo` in `kernel/module.c`,
/// `VERMAGIC_STRING` in `include/linux/vermagic.h`.
fn release_fault(module: &Elf, release: Option<&str>) -> Option<String> {
    const THIS_MODULE: &str = ".gnu.linkonce.this_module";
    if module
        .section_by_name(THIS_MODULE)
        .is_none_or(|section| section.size == 0)
    {
        return Some(format!(
            "is no module, because it has no {THIS_MODULE}; run make again"
        ));
    }
    let info = module
        .section_by_name(".modinfo")
        .map_or(&[][..], |section| section.data);
    let mut entries = info.split(|byte| *byte == 0);
    let magic = entries.find_map(|entry| entry.strip_prefix(b"vermagic="));
    let Some(magic) = magic.and_then(|magic| std::str::from_utf8(magic).ok()) else {
        return Some(
            "has no vermagic, by which the kernel knows its modules; run make again".to_owned(),
        );
    };
    let expected = release?;
    let found = magic.split(' ').next().unwrap_or_default();
    (found != expected)
        .then(|| format!("is for \"{magic}\", and vmlinux is release {expected}; run make again"))
}

/// Returns the fault of a module that was not linked from the object beside it.
fn other_build(tree: &Objtree, module: &Module) -> Option<String> {
    let path = tree.beside(module, ".o");
    if !path.exists() {
        return None;
    }
    // With a kernel's native LTO it is bitcode.
    let object = tree.files.object(&path).ok()?;
    let name = module.artefact().object();
    let difference = difference(object.object.as_elf()?, &module.elf, "the module")?;
    Some(format!(
        "is of another build than {name}: {difference}; run make again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_in_the_banner() {
        assert_eq!(
            release("Linux version 5.10.262-ci (user@host) #1"),
            Some("5.10.262-ci")
        );
        assert_eq!(release("another"), None);
    }

    #[test]
    fn the_banner_of_a_later_vmlinux_o_has_no_number() {
        let with = |end: &str| has_number(&format!("Linux version 6.12 (user@host) {end}"));
        assert!(with("#1 SMP Mon Nov 30 03:29:40 UTC 2026"));
        assert!(!with("# SMP"));
        assert!(!with("# SMP PREEMPT_DYNAMIC"));
        assert!(!with("#"));
    }
}
