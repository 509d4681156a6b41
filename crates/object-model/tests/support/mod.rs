// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for several tests of this crate.

/// One symbol of every kind that the tests check.
pub const SOURCE: &str = r#"
extern int undefined_function(void);
extern __attribute__((weak)) int weak_undefined(void);
int common_variable;
int data_variable = 3;
static __attribute__((used)) int used_variable = 4;
__thread int tls_variable;
__attribute__((section("named.section"))) int in_section = 5;
static __attribute__((noinline)) int local_function(void) { return undefined_function(); }
__attribute__((weak)) int weak_function(void) { return 1; }
__attribute__((visibility("hidden"))) int hidden_function(void) { return local_function() + weak_undefined(); }
int alias_function(void) __attribute__((alias("weak_function")));
asm(".section \".initcall1.init..kmod_a__1_2_fn\",\"a\"\n"
    "__initcall__kmod_a__1_2_fn1:\n"
    ".long 0\n"
    ".previous\n"
    ".globl asm_global\n"
    "asm_global: .long asm_undefined\n");
"#;
