// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Random configurations by the Kconfig of a real tree, Linux 6.1. Nothing is built.

use std::path::{Path, PathBuf};

use kernel_lab::Arch;
use random_config::Base;
use random_config::configuration::{Kconfigs as _, OPTIONS};

fn tree() -> PathBuf {
    let scripts = test_support::linux61_scripts();
    scripts.parent().expect("the kernel tree").to_owned()
}

#[test]
fn configurations_of_fixed_seeds_are_always_the_same() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let base_in = |objtree: &Path| Base::new(tree(), Arch::Arm64, objtree).unwrap();
    let (one, other) = (base_in(one.path()), base_in(other.path()));
    let base = one.base().unwrap();
    let first = one.random(7, 15).unwrap();
    // The first configuration in its object tree.
    let again = other.random(7, 15).unwrap();
    assert_eq!(first, again, "the same seed gives the same configuration");
    let second = other.random(8, 15).unwrap();
    assert!(first.config.differing(&second.config).len() >= OPTIONS);
    for drawn in [&first, &second] {
        assert_eq!(
            drawn.lost, [""; 0],
            "the fixed options are as they were asked for"
        );
        let options = drawn.config.differing(&base.config).len();
        assert!(options >= OPTIONS, "{options} options differ");
        let (objects, of_base) = (drawn.objects, base.objects);
        assert!(
            of_base > 300 && objects > of_base,
            "{of_base}, then {objects} objects"
        );
    }
    // Kconfig does not change what it made.
    assert_eq!(other.complete(&first.config).unwrap(), first.config);
}
