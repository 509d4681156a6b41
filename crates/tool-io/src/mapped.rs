// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Maps files into memory, and ends the process if one of them becomes shorter.
//!
//! Reading a page that the file no longer has raises SIGBUS (`mmap(2)`). The handler finds the file of
//! the page, prints its name and ends the process with 2, as for any input that cannot be read.

use std::ffi::{OsStr, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use memmap2::{Mmap, MmapOptions};

/// A file mapped into memory.
pub(crate) struct Mapped {
    map: Mmap,
    entry: &'static Entry,
}

/// A map, as the handler knows it. Entries are never freed, because the handler may walk the list at any
/// time.
struct Entry {
    /// Address of the first byte; 0 after the map is removed.
    start: AtomicUsize,
    length: usize,
    /// The message for standard error.
    message: Box<[u8]>,
    next: AtomicPtr<Entry>,
}

/// The entry that was added last.
static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

impl Mapped {
    /// Maps the first `length` bytes of `file`, which messages call `path`.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub(crate) fn new(file: &File, length: usize, path: &Path) -> io::Result<Self> {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(set_handler);
        // SAFETY: the map is read-only. If another process truncates the file, the handler ends
        // this process at the first access to a missing page.
        let map = unsafe { MmapOptions::new().len(length).map(file)? };
        let entry = Box::new(Entry {
            start: AtomicUsize::new(map.as_ptr() as usize),
            length,
            message: message(path),
            next: AtomicPtr::new(ptr::null_mut()),
        });
        let entry = add(entry);
        Ok(Self { map, entry })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.entry.start.store(0, Ordering::Release);
    }
}

/// Puts an entry in front of the list.
fn add(entry: Box<Entry>) -> &'static Entry {
    let entry = Box::into_raw(entry);
    let mut head = ENTRIES.load(Ordering::Acquire);
    loop {
        // SAFETY: no other code knows the entry before it is in the list.
        unsafe { (*entry).next.store(head, Ordering::Relaxed) };
        match ENTRIES.compare_exchange_weak(head, entry, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: it was made from a box and is never freed, and only its atomic is changed.
            Ok(_) => return unsafe { &*entry },
            Err(now) => head = now,
        }
    }
}

fn message(path: &Path) -> Box<[u8]> {
    let tool = std::env::args_os().next().unwrap_or_default();
    let tool = Path::new(&tool).file_name().unwrap_or(OsStr::new("?"));
    [
        tool.as_bytes(),
        b": error: ",
        path.as_os_str().as_bytes(),
        b": became shorter while it was read; run this again when nothing writes to it\n",
    ]
    .concat()
    .into()
}

fn set_handler() {
    // SAFETY: all of the structure is set, and the handler calls only functions of signal-safety(7).
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as usize;
        // Without SA_NODEFER and with a reset, a second SIGBUS ends the process as without this handler.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut());
    }
}

extern "C" fn on_bus_error(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel gives a valid structure to a handler with SA_SIGINFO, and for SIGBUS the
    // address is set. Entries are never freed.
    unsafe {
        let address = (*info).si_addr() as usize;
        let mut entry = ENTRIES.load(Ordering::Acquire);
        while let Some(found) = entry.as_ref() {
            let start = found.start.load(Ordering::Acquire);
            if start != 0 && address.wrapping_sub(start) < found.length {
                let message = &found.message;
                libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
                libc::_exit(2);
            }
            entry = found.next.load(Ordering::Relaxed);
        }
    }
    // The address is in none of our maps. Returning repeats the access, and the default action ends
    // the process.
}
