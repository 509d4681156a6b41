// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The attributes of a file beside its content, permissions and time: they are kept where the user may.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};

/// The attributes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attributes {
    owner: u32,
    group: u32,
    /// The extended attributes, access control lists among them.
    extended: BTreeMap<CString, Vec<u8>>,
    n_names: u64,
}

impl Attributes {
    /// Reads the attributes of a file. Extended ones that cannot be read are left out.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            owner: metadata.uid(),
            group: metadata.gid(),
            extended: extended(path),
            n_names: metadata.nlink(),
        })
    }

    /// Returns what a file that took the place of another one does not have of it.
    pub fn lost(&self, after: &Self) -> Vec<String> {
        let mut lost = Vec::new();
        if self.owner != after.owner {
            lost.push(format!("its owner is {}, not {}", after.owner, self.owner));
        }
        if self.group != after.group {
            lost.push(format!("its group is {}, not {}", after.group, self.group));
        }
        let names = self
            .extended
            .iter()
            .filter(|(name, value)| after.extended.get(*name) != Some(value));
        lost.extend(names.map(|(name, _)| format!("it lost {}", name.to_string_lossy())));
        if self.n_names > 1 {
            lost.push(format!(
                "it is a file of its own now: {} other names, such as those of a copy by `cp -al`, keep the old content",
                self.n_names - 1
            ));
        }
        lost
    }
}

/// Gives a new file the owner and group of `like`, so that an install by root leaves no file of root in another
/// user's tree. A user who may not change the owner keeps the file, and sets the group if that is allowed.
pub(crate) fn give_to_owner_of(path: &Path, like: &Path) -> io::Result<()> {
    let wanted = fs::metadata(like)?;
    let made = fs::metadata(path)?;
    if (made.uid(), made.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    as_far_as_allowed(wanted.uid(), wanted.gid(), |owner, group| {
        chown(path, owner, group)
    })
}

/// Sets owner and group, or the group, or nothing, as the system permits.
fn as_far_as_allowed(
    owner: u32,
    group: u32,
    set: impl Fn(Option<u32>, Option<u32>) -> io::Result<()>,
) -> io::Result<()> {
    for owner in [Some(owner), None] {
        match set(owner, Some(group)) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            // In a container, files may have an owner or a group that has no number there.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            result => return result,
        }
    }
    Ok(())
}

/// Copies the extended attributes of a file to one that takes its place, as far as that is allowed.
pub(crate) fn copy_extended(from: &Path, to: &Path) {
    for (name, value) in extended(from) {
        // Lost attributes are reported after the install.
        let _ = setxattr(to, name.as_c_str(), &value, XattrFlags::empty());
    }
}

fn extended(path: &Path) -> BTreeMap<CString, Vec<u8>> {
    let names = filled(|buffer| listxattr(path, buffer));
    names
        .split_inclusive(|&byte| byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(|name| {
            (
                name.to_owned(),
                filled(|buffer| getxattr(path, name, buffer)),
            )
        })
        .collect()
}

/// Reads a list or a value; nothing if it cannot be read.
fn filled(read: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>) -> Vec<u8> {
    /// No list and no value is longer.
    const LONGEST: usize = 65536;
    let mut value = vec![0; LONGEST];
    let size = read(&mut value).unwrap_or(0);
    value.truncate(size);
    value
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn attributes() -> Attributes {
        Attributes {
            owner: 1000,
            group: 100,
            extended: [(c"user.note".to_owned(), b"x".to_vec())].into(),
            n_names: 1,
        }
    }

    #[test]
    fn the_group_is_kept_where_the_owner_may_not_be_set() {
        let denied = || Err(io::Error::from(ErrorKind::PermissionDenied));
        let set = RefCell::new(Vec::new());
        as_far_as_allowed(1000, 100, |owner, group| {
            set.borrow_mut().push((owner, group));
            if owner.is_some() { denied() } else { Ok(()) }
        })
        .unwrap();
        assert_eq!(*set.borrow(), [(Some(1000), Some(100)), (None, Some(100))]);
        as_far_as_allowed(1000, 100, |_, _| denied()).unwrap();
        // EINVAL: in a container, the owner or the group has no number.
        let unknown = |_, _| Err(io::Error::from_raw_os_error(22));
        as_far_as_allowed(1000, 100, unknown).unwrap();
        let full = |_, _| Err(io::Error::from(ErrorKind::StorageFull));
        assert!(as_far_as_allowed(1000, 100, full).is_err());
    }

    #[test]
    fn what_a_new_file_does_not_have_is_named() {
        let before = attributes();
        assert_eq!(before.lost(&attributes()), [""; 0]);
        let after = Attributes {
            owner: 0,
            group: 0,
            extended: BTreeMap::new(),
            n_names: 1,
        };
        assert_eq!(
            before.lost(&after),
            [
                "its owner is 0, not 1000",
                "its group is 0, not 100",
                "it lost user.note"
            ]
        );
        let shared = Attributes {
            n_names: 3,
            ..attributes()
        };
        assert!(shared.lost(&attributes())[0].contains("2 other names"));
    }
}
