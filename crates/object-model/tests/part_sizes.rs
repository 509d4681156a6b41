// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The sizes of the parts of bitcode, against the lengths of blocks that llvm-bcanalyzer prints.

use object_model::{Bitcode, PartSizes};
use test_support::{ARM64, TestDir};

const SOURCE: &str = "
struct state { int a; struct state *next; };
int helper(struct state *);
static int inner(struct state *s) { return s->a + helper(s->next); }
int outer(struct state *s) { return s ? inner(s) * 3 : 0; }
int other(int x) { return x + 1; }
";

/// Returns the sizes by the dump of the file: blocks of a module are indented by two spaces.
fn printed(dump: &str) -> PartSizes {
    let mut sizes = PartSizes::default();
    for line in dump.lines() {
        let bytes = || {
            let words = line.split_once("NumWords=")?.1.split(' ').next()?;
            words.parse::<u64>().ok().map(|words| words * 4)
        };
        if line.starts_with("  <FUNCTION_BLOCK") {
            sizes.functions += 1;
            sizes.function_bytes += bytes().expect("a length");
        } else if line.starts_with("  <METADATA_BLOCK") {
            sizes.metadata_bytes += bytes().expect("a length");
        }
    }
    sizes
}

#[test]
fn sizes_of_parts_are_those_of_llvm() {
    let dir = TestDir::new();
    for form in ["-flto=thin", "-flto=full"] {
        let of = |flags: &[&str]| {
            let path = dir.c("x.o", SOURCE, &[&[ARM64, "-O2", form], flags].concat());
            let bytes = std::fs::read(path).expect("the object");
            let bitcode = Bitcode::parse(&bytes).expect("bitcode");
            let sizes = bitcode.part_sizes().expect("sizes");
            assert_eq!(
                sizes,
                printed(&dir.run("llvm-bcanalyzer", &["-dump", "x.o"])),
                "{form}"
            );
            sizes
        };
        let (plain, debug) = (of(&[]), of(&["-g"]));
        assert!(
            plain.functions >= 2 && plain.functions == debug.functions,
            "{form}"
        );
        assert!(
            debug.metadata_bytes > plain.metadata_bytes,
            "{form}: {plain:?} {debug:?}"
        );
        assert!(
            debug.function_bytes > plain.function_bytes,
            "{form}: {plain:?} {debug:?}"
        );
    }
}
