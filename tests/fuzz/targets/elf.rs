// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! ELF objects and kernels, and every check that reads one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use object_model::Elf;

fuzz_target!(|data: &[u8]| {
    let Ok(elf) = Elf::parse(data) else {
        return;
    };
    let symbols = elf.symbol_map();
    for symbol in elf.symbols() {
        let _ = (symbols.named(symbol.name).len(), elf.is_function(symbol));
    }
    for section in elf.sections() {
        let _ = elf.relocations_in(section);
        let _ = elf.read_unsigned(section, section.size.saturating_sub(4), 4);
    }
    let _ = (elf.comdats(), elf.build_id());
    let _ = section_merge::mismatches(&elf);
    let _ = section_merge::check_module(&elf, None);
    let _ = section_merge::check_kernel(&elf, &elf);
    let _ = section_merge::check_once(&elf, &elf);
    let _ = section_merge::check_thunks(&elf);
    let _ = prel32_fix::tables(&elf);
    let _ = prel32_fix::lost(&elf, &elf);
    let _ = initcall_order::Tables::of_kernel(&elf);
    let _ = mcount_loc::sites(&elf);
    let _ = mcount_loc::check(&elf);
    let _ = (lto_link::kernel_names(&elf), lto_link::suffixed(&elf));
    let _ = debug_info::DebugInfo::read(&elf, &["/tree/".to_owned()]);
    let _ = (profile::layout(&elf), object_tree::Sizes::of(&elf));
    // What mcount-loc writes is an object, with a table that its own check takes.
    if let Ok(Some(records)) = mcount_loc::plan(&elf)
        && let Ok(written) = mcount_loc::rewrite(data, &records)
    {
        Elf::parse(&written).expect("the object that mcount-loc writes");
    }
});
