// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Jumps and calls that the kernel patches, with tables as objtool writes them and with wrong ones.

use super::{ARM, Kernel, SCRIPT, X86, faults, reason};
use crate::Finding;
use crate::call_sites::{retpolines, returns, static_calls};

const OPTIONS: &[&str] = &[
    "LTO_CLANG",
    "RETHUNK",
    "RETPOLINE",
    "HAVE_STATIC_CALL_INLINE",
];

/// Two functions that return, one of them through `jmp` behind a `cs` prefix of another branch;
/// the thunks; a static call and a static tail call.
const CODE: &str = "\
    .globl __x86_return_thunk, __x86_indirect_thunk_r11, __SCT__sched, __SCK__sched, __SCK__other\n\
    .type f,@function\n f: call *%rax\n f1: call __SCT__sched\n f2: jmp __x86_return_thunk\n\
    .size f, .-f\n\
    .type g,@function\n g: .byte 0x2e\n call __x86_indirect_thunk_r11\n\
    g1: jne __x86_indirect_thunk_r11\n g2: jmp __SCT__sched\n g3: jmp __x86_return_thunk\n\
    .size g, .-g\n\
    __x86_return_thunk: ret\n int3\n\
    __x86_indirect_thunk_r11: jmp *%r11\n\
    .section .static_call.text,\"ax\"\n .balign 8\n __SCT__sched: ret\n\
    .data\n .balign 8\n __SCK__other: .quad 0\n __SCK__sched: .quad 0\n";

const RETURNS: &str = ".section .return_sites,\"a\"\n .long f2 - ., g3 - .\n";
const RETPOLINES: &str = ".section .retpoline_sites,\"a\"\n .long g - ., g1 - .\n";
const STATIC_CALLS: &str = ".section .static_call_sites,\"aw\"\n\
    .long f1 - ., __SCK__sched - ., g2 - ., __SCK__sched + 1 - .\n";

fn code(tables: &[&str]) -> String {
    let mut code = CODE.to_owned();
    for table in tables {
        code.push_str(table);
    }
    code
}

fn good() -> String {
    code(&[RETURNS, RETPOLINES, STATIC_CALLS])
}

/// What the three checks say.
fn all(kernel: &Kernel) -> [Finding; 3] {
    [
        kernel.check(returns),
        kernel.check(retpolines),
        kernel.check(static_calls),
    ]
}

#[test]
fn tables_that_name_every_site_have_no_fault() {
    let module = ".text\n m: call __SCT__sched\n m1: jmp __x86_indirect_thunk_rax\n\
        m2: jmp __x86_return_thunk\n\
        .section .return_sites,\"a\"\n .long m2 - .\n\
        .section .retpoline_sites,\"a\"\n .long m1 - .\n\
        .section .static_call_sites,\"aw\"\n .long m - ., __SCT__sched - .\n";
    let kernel = Kernel::new(X86, OPTIONS, &good()).with_module(module);
    for check in all(&kernel) {
        assert_eq!(faults(&check), [""; 0]);
        assert_eq!(check.figure, "2 in vmlinux, 1 in 1 modules");
    }
}

#[test]
fn what_is_not_configured_is_not_checked() {
    let kernel = Kernel::new(X86, &[], &good());
    let without = ["RETHUNK", "RETPOLINE", "HAVE_STATIC_CALL_INLINE"];
    for (check, option) in all(&kernel).iter().zip(without) {
        let expected = format!("the kernel is configured without {option}");
        assert_eq!(reason(check), expected);
    }
    let kernel = Kernel::new(ARM, OPTIONS, "ret\n");
    for check in all(&kernel) {
        assert_eq!(reason(&check), "there are such tables on 64-bit x86 only");
    }
}

#[test]
fn a_site_without_entry_is_a_fault() {
    let one_each = [
        ".section .return_sites,\"a\"\n .long f2 - .\n",
        ".section .retpoline_sites,\"a\"\n .long g - .\n",
        ".section .static_call_sites,\"aw\"\n .long f1 - ., __SCK__sched - .\n",
    ];
    let kernel = Kernel::new(X86, OPTIONS, &code(&one_each));
    let expected = [
        ("g+0x11", "__x86_return_thunk", ".return_sites"),
        ("g+0x6", "__x86_indirect_thunk_r11", ".retpoline_sites"),
        ("g+0xc", "__SCT__sched", ".static_call_sites"),
    ];
    for (check, (place, target, table)) in all(&kernel).iter().zip(expected) {
        let [fault] = faults(check)[..] else {
            panic!("{check:?}")
        };
        assert!(fault.starts_with("vmlinux.o: "), "{fault}");
        let text = format!("goes to {target} and has no entry in {table}");
        assert!(fault.contains(&text), "{fault}");
        assert!(fault.contains(place), "{fault}");
        assert_eq!(check.figure, "1 in vmlinux, 0 in 0 modules");
    }
    // Without LTO objtool does not see all objects.
    kernel.configure(&OPTIONS[1..]);
    for check in all(&kernel) {
        assert_eq!(faults(&check), [""; 0]);
        assert_eq!(
            check.figure,
            "1 in vmlinux, 0 in 0 modules; 1 have none, in objects that objtool does not see"
        );
    }
}

/// Faults of vmlinux.o and of vmlinux, without the names of the files.
fn faults_of_both(check: &Finding) -> Vec<String> {
    let [object, linked]: [Vec<&str>; 2] = ["vmlinux.o: ", "vmlinux: "].map(|file| {
        let faults = faults(check).into_iter();
        faults
            .filter_map(|fault| fault.strip_prefix(file))
            .collect()
    });
    assert_eq!(object.len(), linked.len(), "{check:?}");
    object.into_iter().map(str::to_owned).collect()
}

#[test]
fn an_entry_of_another_instruction_is_a_fault() {
    let wrong = [
        ".section .return_sites,\"a\"\n .long f2 - ., g3 - ., f - .\n",
        ".section .retpoline_sites,\"a\"\n .long g - ., g1 - ., f - .\n",
        ".section .static_call_sites,\"aw\"\n\
         .long f1 - ., __SCK__sched - ., g2 - ., __SCK__sched + 1 - ., f - ., __SCK__sched - .\n",
    ];
    let kernel = Kernel::new(X86, OPTIONS, &code(&wrong));
    let expected = [
        (".return_sites", "__x86_return_thunk"),
        (".retpoline_sites", "__x86_indirect_thunk_*"),
        (".static_call_sites", "__SCT__*"),
    ];
    for (check, (table, target)) in all(&kernel).iter().zip(expected) {
        let text =
            format!("{table} entry 2: expected a jump or call to {target} at f+0x0 (.text+0x0)");
        assert_eq!(faults_of_both(check), [text]);
    }
    // A jump to something else.
    let elsewhere = ".section .return_sites,\"a\"\n .long f2 - ., g2 - ., g3 - .\n";
    let check = Kernel::new(X86, OPTIONS, &code(&[elsewhere])).check(returns);
    let [fault] = &faults_of_both(&check)[..] else {
        panic!("{check:?}")
    };
    assert!(
        fault.contains("entry 1: expected a jump or call"),
        "{fault}"
    );
}

#[test]
fn an_entry_that_stands_there_twice_is_a_fault() {
    let twice = ".section .return_sites,\"a\"\n .long f2 - ., g3 - ., f2 - .\n";
    let check = Kernel::new(X86, OPTIONS, &code(&[twice])).check(returns);
    assert_eq!(
        faults_of_both(&check),
        [".return_sites entry 2: f+0x7 (.text+0x7), like an earlier entry"]
    );
}

#[test]
fn an_entry_that_refers_to_nothing_is_a_fault() {
    let nothing = ".section .return_sites,\"a\"\n .long f2 - ., g3 - ., 0x40000000\n";
    let check = Kernel::new(X86, OPTIONS, &code(&[nothing])).check(returns);
    let [object, linked] = faults(&check)[..] else {
        panic!("{check:?}")
    };
    assert!(linked.contains("entry 2: refers to nothing"), "{check:?}");
    assert!(
        object.contains("entry 2: expected a jump or call"),
        "{check:?}"
    );
    assert!(object.contains(", where nothing is"), "{check:?}");
}

#[test]
fn a_branch_that_the_kernel_cannot_patch_is_a_fault() {
    let code = "\
        .globl __x86_return_thunk, __SCT__sched, __SCK__sched\n\
        .type f,@function\n f: je __x86_return_thunk\n f1: jne __SCT__sched\n\
        __x86_return_thunk: ret\n\
        .section .static_call.text,\"ax\"\n __SCT__sched: ret\n\
        .data\n .balign 8\n __SCK__sched: .quad 0\n\
        .section .return_sites,\"a\"\n .long f - .\n\
        .section .static_call_sites,\"aw\"\n .long f1 - ., __SCK__sched - .\n";
    let kernel = Kernel::new(X86, OPTIONS, code);
    assert_eq!(
        faults_of_both(&kernel.check(returns)),
        [
            ".return_sites entry 0: f+0x0 (.text+0x0) is a conditional jump, \
          which the kernel cannot patch"
        ]
    );
    assert_eq!(
        faults_of_both(&kernel.check(static_calls)),
        [
            ".static_call_sites entry 0: f+0x6 (.text+0x6) is a conditional jump, \
          which the kernel cannot patch"
        ]
    );
    // Where the kernel's source patches those, they must say that they are jumps.
    kernel.dir.write(
        "source/arch/x86/kernel/static_call.c",
        "enum insn_type { CALL, JCC };",
    );
    assert_eq!(
        faults_of_both(&kernel.check(static_calls)),
        [
            ".static_call_sites entry 0: f+0x6 (.text+0x6) is a conditional jump: \
          expected flags 1, found 0"
        ]
    );
}

#[test]
fn static_calls_have_their_own_keys_and_flags() {
    for (entry, expected) in [
        (
            "f1 - ., __SCK__other - ., g2 - ., __SCK__sched + 1 - .",
            "entry 0: f+0x2 (.text+0x2) calls __SCT__sched: expected the key __SCK__sched",
        ),
        (
            "f1 - ., __SCK__sched - ., g2 - ., __SCK__sched - .",
            "entry 1: g+0xc (.text+0x18) is a jump: expected flags 1, found 0",
        ),
        (
            "f1 - ., __SCK__sched + 1 - ., g2 - ., __SCK__sched + 1 - .",
            "entry 0: f+0x2 (.text+0x2) is a call: expected flags 0, found 1",
        ),
        // Only a module may have the trampoline in its place.
        ("f1 - ., __SCT__sched - ., g2 - ., __SCK__sched + 1 - .", ""),
    ] {
        let table = format!(".section .static_call_sites,\"aw\"\n .long {entry}\n");
        let check = Kernel::new(X86, OPTIONS, &code(&[&table])).check(static_calls);
        if expected.is_empty() {
            let [fault] = faults(&check)[..] else {
                panic!("{check:?}")
            };
            assert!(fault.starts_with("vmlinux: "), "{fault}");
            assert!(fault.ends_with("expected the key __SCK__sched"), "{fault}");
        } else {
            let expected = format!(".static_call_sites {expected}");
            assert_eq!(faults_of_both(&check), [expected]);
        }
    }
}

/// What objtool leaves out, of its own accord or because it is no code any more.
#[test]
fn sections_that_are_left_out_need_no_entry() {
    let left_out = "\
        .section .altinstr_replacement,\"ax\"\n jmp __x86_return_thunk\n\
        jmp __x86_indirect_thunk_r11\n call __SCT__sched\n\
        .section .altinstr_aux,\"ax\"\n jmp __x86_return_thunk\n\
        .section .discard.text,\"ax\"\n jmp __x86_return_thunk\n\
        .section .rodata,\"a\"\n jmp __x86_return_thunk\n";
    let kernel = Kernel::new(X86, OPTIONS, &(good() + left_out));
    for check in all(&kernel) {
        assert_eq!(faults(&check), [""; 0]);
    }
    let elsewhere = ".section .other,\"ax\"\n jmp __x86_return_thunk\n";
    let check = Kernel::new(X86, OPTIONS, &(good() + elsewhere)).check(returns);
    assert_eq!(faults(&check).len(), 1, "{check:?}");
    // They may have one: the module of this function made data of it after objtool saw it.
    let in_data = ".section .rodata,\"a\"\n d: jmp __x86_return_thunk\n\
        .section .return_sites,\"a\"\n .long d - .\n";
    let check = Kernel::new(X86, OPTIONS, &(good() + in_data)).check(returns);
    assert_eq!(faults(&check), [""; 0]);
}

#[test]
fn a_linked_kernel_that_lost_a_table_is_a_fault() {
    let kernel = Kernel::new(X86, OPTIONS, &good());
    kernel.link(
        "vmlinux.o",
        &SCRIPT.replace("*(.return_sites)", "").replace(
            "/DISCARD/ : { *(.discard.*) }",
            "/DISCARD/ : { *(.discard.*) *(.return_sites) }",
        ),
    );
    assert_eq!(
        faults(&kernel.check(returns)),
        [
            "vmlinux: .return_sites is empty",
            "vmlinux: expected the 2 entries of vmlinux.o in .return_sites, found 0"
        ]
    );
    kernel.link("vmlinux.o", &SCRIPT.replace("__return_sites_end = .;", ""));
    assert_eq!(
        faults(&kernel.check(returns)),
        [
            "vmlinux: there is no __return_sites_end",
            "vmlinux: expected the 2 entries of vmlinux.o in .return_sites, found 0"
        ]
    );
}

/// What clang makes, and no objtool has seen.
#[test]
fn sites_are_found_in_code_that_clang_makes() {
    let kernel = Kernel::new(X86, OPTIONS, &good());
    let source = "void __SCT__sched(void);\n\
        int f(int (*call)(int), int x) { return call(x) + 1; }\n\
        void g(void) { __SCT__sched(); }\n\
        int h(int x) { __SCT__sched(); return x; }\n";
    let flags = [
        X86,
        "-O2",
        "-mcmodel=kernel",
        "-fno-pic",
        "-ffunction-sections",
        "-mretpoline-external-thunk",
        "-mretpoline",
        "-mfunction-return=thunk-extern",
    ];
    kernel.dir.c("m.ko", source, &flags);
    kernel.dir.write("modules.order", "m.ko\n");
    let found = all(&kernel).map(|check| {
        let functions = check.faults.iter().map(|fault| {
            let place = fault.strip_prefix("m.ko: ").unwrap();
            place.split_once('+').unwrap().0.to_owned()
        });
        functions.collect::<Vec<_>>()
    });
    assert_eq!(found[0], ["f", "h"]);
    assert_eq!(found[1], ["f"]);
    assert_eq!(found[2], ["g", "h"]);
}
