// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! LLVM bitcode: symbols, assembly, summaries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use object_model::{Bitcode, Object};

fuzz_target!(|data: &[u8]| {
    let Ok(bitcode) = Bitcode::parse(data) else {
        return;
    };
    let _ = (bitcode.symbols().len(), bitcode.modules());
    let _ = (bitcode.triple(), bitcode.source_file(), bitcode.producer());
    let _ = bitcode.lto_kind();
    let _ = bitcode.summary_kind();
    let _ = bitcode.summary();
    let _ = bitcode.part_sizes();
    let _ = bitcode.assembly();
    let _ = bitcode.module_assembly();
    let _ = bitcode.strings_beside(".modinfo");
    let _ = bitcode.is_position_independent();
    let _ = lto_link::file_directives(&bitcode);
    if let Ok(object) = Object::parse(data) {
        let _ = object.linker_symbols().count();
        let _ = modversions::exports(&object).count();
    }
});
