// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Texts that a build leaves. The first byte chooses the reader.
#![no_main]

use std::str;

use initcall_order::Initcall;
use libfuzzer_sys::fuzz_target;
use modversions::Symvers;
use object_tree::Settings;

fuzz_target!(|data: &[u8]| {
    let Some((reader, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    match reader % 8 {
        // Module.symvers
        0 => {
            if let Ok(symvers) = Symvers::parse(text) {
                assert!(symvers.differences(&symvers).is_empty());
                let _ = symvers.zero_crcs();
            }
        }
        // .mod
        1 => {
            let _ = (mod_dedup::parts(text), mod_dedup::check_parts(text));
            let _ = mod_dedup::has_line_per_part(text);
        }
        // .cmd
        2 => drop(lto_link::kbuild_link(text)),
        // The log of a link
        3 => drop(lto_link::causes_in_log(text, Some("a.o"), Some(1))),
        // vmlinux.lto-dropped
        4 => drop(lto_link::read_dropped(text)),
        // The list of objects without LTO, and the fragment that is made of it
        5 => {
            if let Ok(list) = lto_disable::List::parse(text) {
                assert!(list.disable.len() <= text.len());
            }
            let _ = lto_disable::parse_fragment(text).is_disabled("kernel/fork.o");
        }
        // A symbol of an initcall
        6 => drop(Initcall::parse(text, "a.o")),
        // .config
        _ => {
            let settings = Settings::parse(text);
            let _ = (settings.is_set("LTO_CLANG"), settings.iter().count());
        }
    }
});
