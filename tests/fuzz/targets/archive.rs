// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Archives, thin ones and nested ones, in link order. All of their members' files have the same bytes.
#![no_main]

use std::io;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use object_model::{Archive, Loader, visit_link_order};

struct Same<'data>(&'data [u8]);

impl<'data> Loader<'data> for Same<'data> {
    fn load(&self, path: &Path) -> io::Result<&'data [u8]> {
        if path.as_os_str().len() > 100 {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.0)
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(archive) = Archive::parse(data) {
        let _ = (archive.kind(), archive.members().len());
    }
    let mut objects = 0;
    let _ = visit_link_order(&Same(data), &["built-in.a"], |_| objects += 1);
});
