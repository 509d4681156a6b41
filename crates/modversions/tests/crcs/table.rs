// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of CRCs that the kernel reads, in kernels and modules of both forms.

use modversions::{CrcForm, Symvers, check_table};
use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

const SYMVERS: &str = "0x11111111\tone\tvmlinux\tEXPORT_SYMBOL\t\n\
                       0x22222222\ttwo\tvmlinux\tEXPORT_SYMBOL\t\n";

const SCRIPT: &str = "SECTIONS {
. = 0x10000;
.text : { *(.text) }
__ksymtab : { __start___ksymtab = .; *(__ksymtab) __stop___ksymtab = .; }
__kcrctab : { __start___kcrctab = .; *(__kcrctab) __stop___kcrctab = .; }
.rodata : { *(.rodata) *(__ksymtab_strings) }
}
";

/// Returns a file that exports `one` and `two`, whose CRCs are `crcs` in the order of the table.
fn source(form: CrcForm, crcs: &[u32]) -> String {
    let mut text = String::from(
        ".text\n.globl one, two\none: .quad 0\ntwo: .quad 0\n\
         .section __ksymtab_strings, \"a\"\nname_one: .asciz \"one\"\nname_two: .asciz \"two\"\n\
         .section __ksymtab, \"a\"\n.balign 4\n\
         .long one - ., name_one - ., 0\n.long two - ., name_two - ., 0\n",
    );
    for (index, crc) in crcs.iter().enumerate() {
        let entry = match form {
            CrcForm::InPlace => format!(".section __kcrctab, \"a\"\n.long {crc:#x}\n"),
            CrcForm::Relative => format!(
                ".section .rodata, \"a\"\n.balign 4\ncrc_{index}: .long {crc:#x}\n\
                 .section __kcrctab, \"a\"\n.long crc_{index} - .\n"
            ),
        };
        text.push_str(&entry);
    }
    text
}

/// Returns the numbers of entries read from the module and from the kernel, and the faults of each.
fn checked(target: &str, form: CrcForm, crcs: &[u32]) -> [(usize, Vec<String>); 2] {
    let dir = TestDir::new();
    dir.asm("m.ko", &source(form, crcs), &[target]);
    dir.write("vmlinux.lds", SCRIPT);
    let arguments = ["-e", "0", "-T", "vmlinux.lds", "m.ko", "-o", "vmlinux"];
    dir.run("ld.lld", &arguments);
    let symvers = Symvers::parse(SYMVERS).unwrap();
    ["m.ko", "vmlinux"].map(|name| {
        let files = Files::new();
        let elf = files.elf(&dir.join(name)).unwrap();
        let (n_entries, faults) = check_table(&elf, form, &symvers).unwrap();
        (n_entries, faults.iter().map(ToString::to_string).collect())
    })
}

#[test]
fn each_export_has_the_crc_at_its_place() {
    for target in KERNEL_TARGETS {
        for form in [CrcForm::Relative, CrcForm::InPlace] {
            let good = (2, Vec::<String>::new());
            let found = checked(target, form, &[0x1111_1111, 0x2222_2222]);
            assert_eq!(found, [good.clone(), good], "{target}, {form:?}");

            let swapped = checked(target, form, &[0x2222_2222, 0x1111_1111]);
            let expected = [
                "__kcrctab entry 0: one has CRC 0x22222222, expected 0x11111111 of Module.symvers",
                "__kcrctab entry 1: two has CRC 0x11111111, expected 0x22222222 of Module.symvers",
            ];
            let expected = (2, expected.map(str::to_owned).to_vec());
            assert_eq!(swapped, [expected.clone(), expected], "{target}, {form:?}");
        }
    }
}

#[test]
fn the_crc_of_a_module_may_be_the_value_of_a_symbol() {
    let entries = |of_one: &str, of_two: &str| {
        source(CrcForm::InPlace, &[])
            + &format!(
                ".globl __crc_one, __crc_two\n__crc_one = 0x11111111\n__crc_two = 0x22222222\n\
                 .section __kcrctab, \"a\"\n.long {of_one}, {of_two}\n"
            )
    };
    for target in KERNEL_TARGETS {
        let check = |source: &str| {
            let dir = TestDir::new();
            dir.asm("m.ko", source, &[target]);
            let files = Files::new();
            let elf = files.elf(&dir.join("m.ko")).unwrap();
            let symvers = Symvers::parse(SYMVERS).unwrap();
            let (n_entries, faults) = check_table(&elf, CrcForm::InPlace, &symvers).unwrap();
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            (n_entries, faults)
        };
        assert_eq!(check(&entries("__crc_one", "__crc_two")), (2, vec![]));
        let (_, faults) = check(&entries("__crc_two", "__crc_missing"));
        let expected = [
            "__kcrctab entry 0: one has CRC 0x22222222, expected 0x11111111 of Module.symvers",
            "__kcrctab entry 1: two has CRC nothing, expected 0x22222222 of Module.symvers",
        ];
        assert_eq!(faults, expected, "{target}");
    }
}

#[test]
fn a_table_of_another_length_belongs_to_no_exports() {
    for form in [CrcForm::Relative, CrcForm::InPlace] {
        let found = checked(KERNEL_TARGETS[0], form, &[0x1111_1111]);
        let expected = (
            0,
            vec!["__kcrctab has 1 entries, __ksymtab has 2".to_owned()],
        );
        assert_eq!(found, [expected.clone(), expected], "{form:?}");
    }
}

#[test]
fn a_module_without_the_table_is_a_fault_and_one_without_exports_is_none() {
    let [module, _] = checked(KERNEL_TARGETS[0], CrcForm::InPlace, &[]);
    assert_eq!(module.1, ["__kcrctab has 0 entries, __ksymtab has 2"]);
    let dir = TestDir::new();
    dir.asm("m.ko", ".text\n.quad 0\n", &[KERNEL_TARGETS[0]]);
    let files = Files::new();
    let elf = files.elf(&dir.join("m.ko")).unwrap();
    let symvers = Symvers::parse(SYMVERS).unwrap();
    assert_eq!(
        check_table(&elf, CrcForm::InPlace, &symvers).unwrap(),
        (0, vec![])
    );
}
