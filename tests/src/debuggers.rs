// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Asks debuggers about addresses of a built arm64 kernel, and compares their answers with its debug information.
//!
//! The addresses are those of call instructions: stack traces contain the addresses behind them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use debug_info::{DebugInfo, Site};
use kernel_lab::llvm;
use object_model::{Elf, Image};

/// The number of addresses for programs that read a list, and for the kernel's scripts, which start several programs for
/// each address.
const N_LISTED: usize = 500;
const N_FOR_SCRIPTS: usize = 20;

/// The beginning of the names of GNU binutils for the kernel.
const CROSS: &str = "aarch64-linux-gnu-";

/// The program that debugs kernels of all architectures.
const GDB: &str = "gdb-multiarch";

/// Prints what gdb knows of each address of the file `addresses`: the innermost function and its line, then the functions
/// that it is inlined into.
const GDB_SCRIPT: &str = r#"
import gdb
for text in open("addresses"):
    address = int(text, 16)
    print(text.strip())
    place = gdb.find_pc_line(address)
    line = "%s:%d" % (place.symtab, place.line)
    block = gdb.block_for_pc(address)
    while block and not block.is_static and not block.is_global:
        if block.function:
            print(block.function)
            print(line)
            line = "?:0"
        block = block.superblock
"#;

/// Prints what drgn knows of each address of the file `addresses`, in the form of addr2line. drgn names no function here.
const DRGN_SCRIPT: &str = r#"
import sys
import drgn
program = drgn.Program(drgn.Platform(drgn.Architecture.AARCH64))
module = program.extra_module(sys.argv[1], create=True)
if isinstance(module, tuple):
    module = module[0]
module.address_range = (int(sys.argv[2], 16), int(sys.argv[3], 16))
module.try_file(sys.argv[1])
for name in open("functions"):
    name, address = name.split()
    try:
        found = program.function(name).address_
    except LookupError:
        found = 0
    # drgn takes the first entry of a name, which may be that of an inlined copy in another file.
    if found is not None and found != int(address, 16):
        print("function", name, hex(found), address, file=sys.stderr)
for text in open("addresses"):
    print(text.strip())
    for place in program.source_location(int(text, 16)):
        print("?")
        print("%s:%d" % (place.filename, place.line))
"#;

/// One of the functions at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    function: String,
    /// The name of its file, without folders, and the line.
    place: String,
}

/// The functions at each address, the innermost first.
type Answers = BTreeMap<u64, Vec<Frame>>;

/// The number of compared answers, and the differences.
#[derive(Debug, Default)]
pub struct Compared {
    /// The number of answers.
    pub n_answers: usize,
    /// The answers that differ from the debug information, or from those of the first program.
    pub differences: Vec<String>,
}

impl Compared {
    fn expect<T: PartialEq + std::fmt::Debug>(
        &mut self,
        who: &str,
        address: u64,
        found: &T,
        expected: &T,
    ) {
        self.n_answers += 1;
        if found != expected {
            self.differences.push(format!(
                "{who}: {address:#x}: expected {expected:?}, found {found:?}"
            ));
        }
    }
}

/// Compares the answers of llvm-symbolizer, GNU addr2line, gdb and, with `drgn` the Python that has it, drgn about
/// vmlinux in `objtree`; and those of the kernel's scripts about vmlinux and its modules.
///
/// # Errors
/// A file cannot be read, or a program cannot run; the message names it.
pub fn compare(objtree: &Path, drgn: Option<&Path>) -> anyhow::Result<Compared> {
    let objtree = &objtree.canonicalize().context("the object tree")?;
    let mut compared = Compared::default();
    let vmlinux = File::read(objtree, "vmlinux")?;
    vmlinux.ask_programs(drgn, &mut compared)?;
    let n_asked = vmlinux.ask_scripts(&mut compared)?;
    anyhow::ensure!(
        n_asked > 0,
        "vmlinux: no call in a function whose name is unique"
    );
    // A kernel without modules has none.
    let order = fs::read_to_string(objtree.join("modules.order")).unwrap_or_default();
    let mut n_asked = 0;
    for module in order.lines() {
        n_asked += File::read(objtree, module)?.ask_scripts(&mut compared)?;
    }
    anyhow::ensure!(
        order.is_empty() || n_asked > 0,
        "no module has a call in a function whose name is unique"
    );
    Ok(compared)
}

/// A file with debug information.
struct File {
    objtree: PathBuf,
    name: String,
    bytes: Vec<u8>,
    sites: Vec<Site>,
    functions: Vec<(String, u64)>,
}

impl File {
    fn read(objtree: &Path, name: &str) -> anyhow::Result<Self> {
        let path = objtree.join(name);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let elf = Elf::parse(&bytes)?;
        let info = DebugInfo::read(&elf, &[]).with_context(|| path.display().to_string())?;
        let info = info.with_context(|| format!("{}: no debug information", path.display()))?;
        let mut n_named: BTreeMap<&str, usize> = BTreeMap::new();
        for function in &info.functions {
            *n_named.entry(&function.name).or_default() += 1;
        }
        let functions = info.functions.iter();
        let functions =
            functions.filter(|function| n_named.get(function.name.as_ref()) == Some(&1));
        let functions = functions
            .map(|function| (function.name.to_string(), function.address))
            .collect();
        Ok(Self {
            objtree: objtree.to_owned(),
            name: name.to_owned(),
            sites: info.sites,
            functions,
            bytes,
        })
    }

    /// Returns about `n` of the sites, evenly spaced.
    fn some(&self, n: usize) -> impl Iterator<Item = &Site> {
        self.sites.iter().step_by((self.sites.len() / n).max(1))
    }

    fn ask_programs(&self, drgn: Option<&Path>, compared: &mut Compared) -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let mut addresses = String::new();
        for site in self.some(N_LISTED) {
            writeln!(addresses, "{:#x}", site.address)?;
        }
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).context(name.to_owned())
        };
        write("addresses", &addresses)?;
        write("ask_gdb.py", GDB_SCRIPT)?;
        write("ask_drgn.py", DRGN_SCRIPT)?;
        let file = self.objtree.join(&self.name);
        let command = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.current_dir(dir.path()).args(arguments);
            command
        };
        let binutils = ["-a", "-f", "-i", "-e"];
        let mut llvm = command(&llvm::bin_dir()?.join("llvm-addr2line"), &binutils);
        let first = answers(&output(llvm.arg(&file), &addresses)?);
        for site in self.some(N_LISTED) {
            let frames = first.get(&site.address);
            let found = frames.and_then(|frames| frames.first()).cloned();
            let expected = Some(Frame {
                function: site.function.to_string(),
                place: without_folders(&site.place.to_string()),
            });
            compared.expect("llvm-addr2line", site.address, &found, &expected);
        }
        let program = format!("{CROSS}addr2line");
        let mut gnu = command(Path::new(&program), &binutils);
        let found = answers(&output(gnu.arg(&file), &addresses)?);
        for (address, expected) in &first {
            let found = found.get(address).cloned().unwrap_or_default();
            compared.expect(&program, *address, &found, expected);
        }
        let mut n_silent = 0;
        let mut gdb = command(Path::new(GDB), &["-batch", "-nx", "-x", "ask_gdb.py"]);
        let found = answers(&output(gdb.arg(&file), "")?);
        for (address, expected) in &first {
            let mut expected = expected.clone();
            // gdb's script knows the line of the innermost function only.
            for frame in expected.iter_mut().skip(1) {
                "?:0".clone_into(&mut frame.place);
            }
            let Some(found) = found.get(address).filter(|frames| !frames.is_empty()) else {
                n_silent += 1;
                continue;
            };
            compared.expect(GDB, *address, found, &expected);
        }
        // gdb finds no block for a few addresses of kernels without LTO, too.
        anyhow::ensure!(
            n_silent * 50 <= first.len(),
            "{GDB}: no function at {n_silent} of {} addresses",
            first.len()
        );
        if let Some(python) = drgn {
            let mut functions = String::new();
            for (name, address) in self
                .functions
                .iter()
                .step_by(self.functions.len() / N_LISTED + 1)
            {
                writeln!(functions, "{name} {address:#x}")?;
            }
            write("functions", &functions)?;
            let elf = Elf::parse(&self.bytes)?;
            let code = elf
                .sections()
                .iter()
                .filter(|section| section.is_allocated());
            let start = code
                .clone()
                .map(|section| section.address)
                .filter(|start| *start != 0)
                .min();
            let end = code.map(|section| section.address + section.size).max();
            let range = [start, end].map(|address| format!("{:#x}", address.unwrap_or_default()));
            let mut drgn = command(python, &["ask_drgn.py"]);
            let found = answers(&output(drgn.arg(&file).args(range), "")?);
            for (address, expected) in &first {
                let places = |frames: &[Frame]| -> Vec<String> {
                    frames.iter().map(|frame| frame.place.clone()).collect()
                };
                let found = found
                    .get(address)
                    .map(|frames| places(frames))
                    .unwrap_or_default();
                compared.expect("drgn", *address, &found, &places(expected));
            }
        }
        Ok(())
    }

    /// Compares the answers of `faddr2line` and `decode_stacktrace.sh`. Returns the number of addresses.
    fn ask_scripts(&self, compared: &mut Compared) -> anyhow::Result<usize> {
        let elf = Elf::parse(&self.bytes)?;
        let image = Image::new(&elf);
        let mut asked = Vec::new();
        for site in self.some(N_FOR_SCRIPTS) {
            // The scripts look names up, and a name that several symbols have says nothing.
            let place = image.place(site.address);
            let Some((symbol, section)) = place.split_once(' ') else {
                continue;
            };
            let name = symbol.split('+').next().unwrap_or_default();
            let is_text = section.starts_with("(.text+");
            if is_text && image.symbols.named(name).len() == 1 {
                asked.push((symbol.to_owned(), site));
            }
        }
        if asked.is_empty() {
            return Ok(0);
        }
        let source = self.objtree.join("source");
        let names = asked.iter().map(|(symbol, _)| symbol.as_str());
        let mut script = Command::new(source.join("scripts/faddr2line"));
        script
            .env("CROSS_COMPILE", CROSS)
            .current_dir(&self.objtree);
        let said = output(script.arg(&self.name).args(names), "")?;
        for (symbol, site) in &asked {
            let block = said
                .split(&format!("{symbol}:\n"))
                .nth(1)
                .or_else(|| said.split(&format!("{symbol}/")).nth(1));
            let mut lines = block.unwrap_or_default().lines();
            let found = lines.find(|line| line.contains(" at ")).unwrap_or_default();
            let (function, place) = found.split_once(" at ").unwrap_or_default();
            let found = format!("{} {}", function.trim(), without_folders(place));
            let expected = format!(
                "{} {}",
                site.function,
                without_folders(&site.place.to_string())
            );
            compared.expect("faddr2line", site.address, &found, &expected);
        }
        let mut script = Command::new(source.join("scripts/decode_stacktrace.sh"));
        script
            .env("CROSS_COMPILE", CROSS)
            .current_dir(&self.objtree);
        script.args([Path::new("vmlinux"), &self.objtree, &self.objtree]);
        let module = Path::new(&self.name)
            .file_stem()
            .and_then(|name| name.to_str());
        let module = module.filter(|_| self.name != "vmlinux");
        let module = module.map(|name| format!(" [{}]", name.replace('-', "_")));
        let mut trace = String::new();
        for (symbol, _) in &asked {
            writeln!(
                trace,
                "[    1.000000]  {symbol}/0x10000{}",
                module.as_deref().unwrap_or_default()
            )?;
        }
        let said = output(&mut script, &trace)?;
        let lines: Vec<_> = said
            .lines()
            .filter(|line| line.contains("1.000000]"))
            .collect();
        anyhow::ensure!(lines.len() == asked.len(), "decode_stacktrace.sh: {said}");
        for ((_, site), line) in asked.iter().zip(lines) {
            let places = line.split_once('(').map_or("", |(_, places)| places);
            let first = places.split([' ', ')']).next().unwrap_or_default();
            let (found, expected) = (
                without_folders(first),
                without_folders(&site.place.to_string()),
            );
            compared.expect("decode_stacktrace.sh", site.address, &found, &expected);
        }
        Ok(asked.len())
    }
}

/// Runs a program with `input`, and returns its output. Its warnings are not in it.
fn output(command: &mut Command, input: &str) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let named = || program.display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!(
                "{}: cannot run; `cargo xtask setup --tests` installs it",
                named()
            )
        })?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().with_context(named)?;
    // A program that ended early is told by its status.
    drop(writer.join());
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{}: {}: {said}",
        named(),
        output.status
    );
    anyhow::ensure!(!said.contains("function "), "{}: {said}", named());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads the output of addr2line with `-a -f -i`: an address, then a line with a function and one with a place for each
/// function there.
fn answers(text: &str) -> Answers {
    let mut answers = Answers::new();
    let mut address = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let number = line
            .strip_prefix("0x")
            .map(|digits| u64::from_str_radix(digits, 16));
        if let Some(Ok(number)) = number {
            address = number;
            answers.entry(address).or_default();
            continue;
        }
        let place = without_folders(lines.next().unwrap_or_default());
        let function = line.to_owned();
        answers
            .entry(address)
            .or_default()
            .push(Frame { function, place });
    }
    answers
}

/// Returns the file's own name and the line. Programs show the folders in different ways.
fn without_folders(place: &str) -> String {
    let place = place.split_once(" (").map_or(place, |(place, _)| place);
    let name = place.rsplit_once('/').map_or(place, |(_, name)| name);
    // GNU's sign for line 0.
    name.strip_suffix(":?")
        .map_or_else(|| name.to_owned(), |file| format!("{file}:0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_addr2line_is_read() {
        let text = "0x10\nmore\n/b/./include/a.h:7 (discriminator 2)\nentry\na.c:12\n0x0000000020\n_start\nb.c:1\n";
        let frame = |function: &str, place: &str| Frame {
            function: function.to_owned(),
            place: place.to_owned(),
        };
        let expected = Answers::from([
            (0x10, vec![frame("more", "a.h:7"), frame("entry", "a.c:12")]),
            (0x20, vec![frame("_start", "b.c:1")]),
        ]);
        assert_eq!(answers(text), expected);
    }
}
