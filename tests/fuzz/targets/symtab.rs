// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Any bytes as symbol table and string table of a bitcode file whose blocks are sound. Bytes that
//! nobody put into blocks would hardly ever come so far.
#![no_main]

#[path = "../../../crates/object-model/tests/support/write_bitcode.rs"]
#[expect(dead_code, reason = "the modules of this target are empty")]
mod write_bitcode;

use libfuzzer_sys::fuzz_target;
use object_model::Bitcode;

use write_bitcode::{Bits, bitcode};

fuzz_target!(
    init: {
        // The blocks are sound: what is refused is the table.
        let error = Bitcode::parse(&bitcode(vec![Bits::default()], &[], &[])).expect_err("there is no table");
        let text = error.to_string();
        assert!(text.ends_with("the symbol table ends too early"), "{text}");
    },
    |tables: (u8, &[u8], &[u8])| {
        let (n_modules, symtab, strtab) = tables;
        let n_modules = usize::from(n_modules % 4);
        let modules = vec![Bits::default(); n_modules];
        if let Ok(bitcode) = Bitcode::parse(&bitcode(modules, symtab, strtab)) {
            assert_eq!(bitcode.modules(), n_modules);
            let _ = bitcode.lto_kind();
        }
    }
);
