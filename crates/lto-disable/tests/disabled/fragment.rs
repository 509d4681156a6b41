// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The fragment: written, read back, and read by a real make as the kernel's Makefiles do.

use std::process::Command;

use lto_disable::{DisabledEntry, Matcher, parse_fragment};
use test_support::TestDir;

use crate::support::{entry, resolve, tree};

/// Returns the fragment for a tree that has files for every kind of entry.
fn fragment() -> String {
    let dir = tree(&[
        "kernel/configs.c",
        "kernel/kheaders.c",
        "arch/arm64/kernel/vdso/note.S",
        "arch/arm64/kvm/hyp/nvhe/switch.c",
        "drivers/firmware/efi/libstub/file.c",
    ]);
    let list = entry("source", "kernel/{configs,kheaders}.c")
        + &entry("folder", "arch/*/kernel/vdso*")
        + &entry("source", "gone/*.c")
        + &entry("folder", "arch/arm64/kvm/hyp/nvhe")
        + &entry("folder", "drivers/firmware/efi/libstub");
    DisabledEntry::fragment(&resolve(&list, &dir))
}

/// Returns the `objects` that a real make finds with `$(filter ...)`, like the rules of lto-link, after it has
/// read the text that the plugin adds to the kernel's Makefiles.
fn filtered_by_make(fragment: &str, objects: &[&str]) -> Vec<String> {
    let dir = TestDir::new();
    dir.write("scripts/lto/lto-disabled.mk", fragment);
    dir.write(
        "Makefile.build",
        include_str!("../../../../kconfig/lto-disable/Makefile.build"),
    );
    let makefile = format!(
        "srctree := .\n\
         include Makefile.build\n\
         objects := {}\n\
         all: ; @:\n\
         $(foreach @,$(objects),$(if $(filter $(lto-disabled-objs), $@),$(info $@)))\n",
        objects.join(" ")
    );
    dir.write("objects.mk", makefile);
    let mut make = Command::new("make");
    make.args(["-s", "-f", "objects.mk"])
        .current_dir(dir.path());
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        make.env_remove(variable);
    }
    let output = test_support::stdout(&mut make);
    output.lines().map(str::to_owned).collect()
}

/// Returns the disabled `objects`.
fn matched(matcher: &Matcher, objects: &[&str]) -> Vec<String> {
    let disabled = objects.iter().filter(|path| matcher.is_disabled(path));
    disabled.map(|&path| path.to_owned()).collect()
}

#[test]
fn the_text_says_what_why_and_what_is_not_there() {
    assert_eq!(
        fragment(),
        "# SPDX-License-Identifier: GPL-2.0-only\n\
         # Made by lto-disable when it was installed: the objects that stay native code.\n\
         \n\
         lto-disabled-objs :=\n\
         \n\
         # kernel/{configs,kheaders}.c: because of kernel/{configs,kheaders}.c\n\
         lto-disabled-objs += kernel/configs.o\n\
         lto-disabled-objs += kernel/kheaders.o\n\
         \n\
         # arch/*/kernel/vdso*: because of arch/*/kernel/vdso*\n\
         lto-disabled-objs += arch/arm64/kernel/vdso/%\n\
         \n\
         # gone/*.c: because of gone/*.c\n\
         # (nothing in this tree)\n\
         \n\
         # arch/arm64/kvm/hyp/nvhe: because of arch/arm64/kvm/hyp/nvhe\n\
         lto-disabled-objs += arch/arm64/kvm/hyp/nvhe/%\n\
         \n\
         # drivers/firmware/efi/libstub: because of drivers/firmware/efi/libstub\n\
         lto-disabled-objs += drivers/firmware/efi/libstub/%\n"
    );
}

#[test]
fn what_is_read_back_is_what_make_filters() {
    let objects = [
        "kernel/configs.o",
        "kernel/configs.ko",
        "kernel/config.o",
        "xkernel/configs.o",
        "kernel/kheaders.o",
        "kernel/sched/configs.o",
        "arch/arm64/kernel/vdso/note.o",
        "arch/arm64/kernel/vdso/deeper/note.o",
        "arch/arm64/kernel/vdso.o",
        "arch/arm64/kernel/vdso32/note.o",
        "arch/arm64/kvm/hyp/nvhe/switch.nvhe.o",
        "arch/arm64/kvm/hyp/vhe/switch.o",
        "drivers/firmware/efi/libstub/lib-fdt.o",
        "drivers/firmware/efi/libstub.o",
        "gone/a.o",
        "init/main.o",
    ];
    let fragment = fragment();
    let expected = [
        "kernel/configs.o",
        "kernel/kheaders.o",
        "arch/arm64/kernel/vdso/note.o",
        "arch/arm64/kernel/vdso/deeper/note.o",
        "arch/arm64/kvm/hyp/nvhe/switch.nvhe.o",
        "drivers/firmware/efi/libstub/lib-fdt.o",
    ];
    assert_eq!(filtered_by_make(&fragment, &objects), expected);
    assert_eq!(matched(&parse_fragment(&fragment), &objects), expected);
}

/// Makefiles name objects through `..`: nVHE the ones it shares with VHE, which become native code
/// of another name there, KVM those in virt/. Archives may name the same file by another way.
#[test]
fn a_path_through_its_parents_is_disabled_by_either_name() {
    let fragment = fragment();
    let matcher = parse_fragment(&fragment);
    let as_written = ["arch/arm64/kvm/hyp/nvhe/../entry.nvhe.o"];
    let by_place = [
        "arch/arm64/lib/../kernel/vdso/note.o",
        "kernel/sched/../configs.o",
        "./kernel/configs.o",
        "arch/./arm64/kernel/vdso/note.o",
    ];
    let neither = [
        "arch/arm64/kvm/../../../virt/kvm/kvm_main.o",
        "../kernel/configs.o",
        "kernel/../../kernel/configs.o",
    ];
    let all = [&as_written[..], &by_place, &neither].concat();
    let disabled = [&as_written[..], &by_place].concat();
    assert_eq!(filtered_by_make(&fragment, &all), disabled);
    assert_eq!(matched(&matcher, &all), disabled);
}

#[test]
fn an_empty_list_disables_nothing() {
    let fragment = DisabledEntry::fragment(&[]);
    assert_eq!(filtered_by_make(&fragment, &["a.o"]), [""; 0]);
    assert!(!parse_fragment(&fragment).is_disabled("a.o"));
    assert!(!Matcher::default().is_disabled("a.o"));
}
