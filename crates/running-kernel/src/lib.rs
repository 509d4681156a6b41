// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Describes the running kernel by the files in which it shows itself.
//!
//! **Invariant:** this crate reads `/proc`, `/sys` and `/dev/kmsg`. It starts no process, and writes nothing.
#![warn(missing_docs)]

mod messages;
mod symbols;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::GzDecoder;
use object_model::Btf;

use crate::messages::Messages;
use crate::symbols::Symbols;

/// The options that the page shows, and those that begin with `CONFIG_LTO_`.
const OPTIONS: [&str; 8] = [
    "CONFIG_CC_VERSION_TEXT",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_DYNAMIC_FTRACE",
    "CONFIG_KALLSYMS_ALL",
    "CONFIG_MODVERSIONS",
    "CONFIG_TRIM_UNUSED_KSYMS",
    "CONFIG_UNWINDER_ORC",
    "CONFIG_RANDOMIZE_BASE",
];

/// Returns the page about the kernel whose files are below `root`.
///
/// # Errors
/// There is no `proc/version`.
pub fn page(root: &Path) -> io::Result<String> {
    let version = root.join("proc/version");
    let version = fs::read_to_string(&version).map_err(|error| {
        let reason = format!(
            "{}: {error}: no kernel shows itself there",
            version.display()
        );
        io::Error::new(error.kind(), reason)
    })?;
    let mut page = format!("# Running kernel\n\n- version: {}\n", version.trim());
    let mut add = |title: &str, text: String| {
        let blank = if text.starts_with('\n') { "" } else { " " };
        // Writing to a String does not fail.
        let _ = writeln!(page, "- {title}:{blank}{text}");
    };
    add("machine", std::env::consts::ARCH.to_owned());
    add("processor", processor(root));
    let symbols = read(root, "proc/kallsyms").map(|text| Symbols::parse(&text));
    let messages = Messages::read(&root.join("dev/kmsg"));
    add("options", options(root).unwrap_or_else(|reason| reason));
    add(
        "symbols",
        symbols
            .as_ref()
            .map_or_else(Clone::clone, Symbols::to_string),
    );
    add("BTF", btf(root, symbols.as_ref().ok()));
    add("modules", modules(root).unwrap_or_else(|reason| reason));
    add(
        "initcalls",
        messages
            .as_ref()
            .map_or_else(Clone::clone, Messages::initcalls),
    );
    add(
        "faults",
        messages
            .as_ref()
            .map_or_else(Clone::clone, Messages::faults),
    );
    add(
        "mitigations",
        mitigations(root).unwrap_or_else(|reason| reason),
    );
    Ok(page)
}

/// Reads a file; the error is a text for the page.
fn read(root: &Path, path: &str) -> Result<String, String> {
    let bytes = fs::read(root.join(path)).map_err(|error| format!("/{path}: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns a list within a list.
fn items(lines: impl IntoIterator<Item = String>) -> String {
    let lines = lines.into_iter().map(|line| format!("\n  - {line}"));
    lines.collect()
}

/// Returns the number of processors and their kind. arm64 has numbers in place of a name.
fn processor(root: &Path) -> String {
    let text = read(root, "proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(key));
        lines.find_map(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let is_processor = |line: &&str| {
        line.split(':')
            .next()
            .is_some_and(|key| key.trim() == "processor")
    };
    let kind = value("model name").or_else(|| {
        let (implementer, part) = (value("CPU implementer")?, value("CPU part")?);
        Some(format!("implementer {implementer}, part {part}"))
    });
    let kind = kind.unwrap_or_else(|| "unknown".to_owned());
    format!("{} times {kind}", text.lines().filter(is_processor).count())
}

/// Returns the options that matter for LTO, if the kernel shows its configuration.
fn options(root: &Path) -> Result<String, String> {
    let path = root.join("proc/config.gz");
    let mut text = String::new();
    let file = File::open(path).and_then(|file| GzDecoder::new(file).read_to_string(&mut text));
    file.map_err(|error| {
        format!("/proc/config.gz: {error} (CONFIG_IKCONFIG_PROC shows the configuration)")
    })?;
    let shown = text.lines().filter(|line| {
        let name = line.split('=').next().unwrap_or_default();
        OPTIONS.contains(&name) || name.starts_with("CONFIG_LTO_") || name.starts_with("CONFIG_CFI")
    });
    Ok(items(shown.map(|line| format!("`{line}`"))))
}

/// Returns what the kernel's type information says, and the functions in it that have no symbol.
fn btf(root: &Path, symbols: Option<&Symbols>) -> String {
    let path = root.join("sys/kernel/btf/vmlinux");
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return format!("/sys/kernel/btf/vmlinux: {error}"),
    };
    // Kernels that kbuild-lto is for are little-endian.
    let btf = match Btf::parse(&bytes, false) {
        Ok(btf) => btf,
        Err(reason) => return format!("**wrong**: {reason}"),
    };
    let mut text = format!("{} types, {} functions", btf.n_types, btf.functions.len());
    if let Some(symbols) = symbols {
        let without = btf
            .functions
            .iter()
            .filter(|name| !symbols.has_function(name));
        let without: Vec<_> = without.collect();
        let _ = write!(text, ", {} of which have no symbol", without.len());
        text += &items(without.iter().take(10).map(|name| format!("`{name}`")));
    }
    text
}

/// Returns the number of modules, and those that are not live or that taint the kernel.
fn modules(root: &Path) -> Result<String, String> {
    let text = read(root, "proc/modules")?;
    let unusual = text.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let name = fields.next()?;
        let state = fields.nth(3)?;
        let taints = fields.nth(1).unwrap_or_default();
        (state != "Live" || !taints.is_empty()).then(|| format!("`{name}`: {state} {taints}"))
    });
    let unusual = items(unusual);
    Ok(format!("{} loaded{unusual}", text.lines().count()))
}

/// Returns what the kernel does about each weakness of processors.
fn mitigations(root: &Path) -> Result<String, String> {
    const DIR: &str = "sys/devices/system/cpu/vulnerabilities";
    let entries = fs::read_dir(root.join(DIR)).map_err(|error| format!("/{DIR}: {error}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.collect();
    names.sort();
    let lines = names.iter().map(|name| {
        let text = read(root, &format!("{DIR}/{name}")).unwrap_or_else(|reason| reason);
        format!("{name}: {}", text.trim())
    });
    Ok(items(lines))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use test_support::TestDir;

    use super::*;

    #[track_caller]
    fn assert_says(page: &str, parts: &[&str]) {
        for part in parts {
            assert!(page.contains(part), "`{part}` is not in: {page}");
        }
    }

    #[test]
    fn a_page_says_what_is_missing() {
        let dir = TestDir::new();
        let error = page(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no kernel shows itself there"), "{error}");
        dir.write("proc/version", "Linux version 5.10.262\n");
        let page = page(dir.path()).unwrap();
        assert_says(
            &page,
            &[
                "- version: Linux version 5.10.262\n",
                "- processor: 0 times unknown\n",
                "- options: /proc/config.gz: ",
                "- symbols: /proc/kallsyms: ",
                "- BTF: /sys/kernel/btf/vmlinux: ",
                "- modules: /proc/modules: ",
                "- initcalls: /dev/kmsg: ",
                "- mitigations: /sys/devices/system/cpu/vulnerabilities: ",
            ],
        );
    }

    #[test]
    fn a_page_has_what_the_kernel_shows() {
        let dir = TestDir::new();
        dir.write("proc/version", "Linux version 5.10.262\n");
        dir.write(
            "proc/cpuinfo",
            "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nprocessor\t: 1\n",
        );
        dir.write(
            "proc/modules",
            "ext4 1 0 - Live 0x0\nodd 1 0 - Loading 0x0 (OE)\n",
        );
        dir.write(
            "sys/devices/system/cpu/vulnerabilities/spectre_v2",
            "Mitigation: x\n",
        );
        dir.write("sys/kernel/btf/vmlinux", "no");
        let mut gz = GzEncoder::new(Vec::new(), Compression::default());
        gz.write_all(b"CONFIG_LTO_NONE=y\nCONFIG_EXT4_FS=m\n# CONFIG_LTO_CLANG_THIN is not set\n")
            .unwrap();
        fs::write(dir.path().join("proc/config.gz"), gz.finish().unwrap()).unwrap();
        let page = page(dir.path()).unwrap();
        assert_says(
            &page,
            &[
                "- processor: 2 times implementer 0x41, part 0xd08\n",
                "- options:\n  - `CONFIG_LTO_NONE=y`\n- symbols",
                "- BTF: **wrong**: ",
                "- modules: 2 loaded\n  - `odd`: Loading (OE)\n",
                "- mitigations:\n  - spectre_v2: Mitigation: x\n",
            ],
        );
    }
}
