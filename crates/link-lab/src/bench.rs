// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compiles one case for one architecture, links it in one way, and runs it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use wait_timeout::ChildExt as _;

use crate::arch::Arch;
use crate::case::{Archive, Case, Form, Input, Spec, is_assembly, object_name};
use crate::codegen;
use crate::counts;
use crate::error::LabError;
use crate::toolbox::{
    FLAGS, HEADER, LINKED, Toolbox, output, run_tool, start_error, whole_output, write,
};
use crate::verdict::{Seen, first_error};
use crate::way::{Lto, Way};

/// The name of the program made from the linked object.
const PROGRAM: &str = "program";
const LIBRARY: &str = "lib.a";

/// The time limit of a program: a wrong link can make one that does not end.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The largest number of times that code is generated again because it refers to dropped definitions;
/// more than `scripts/lto/Makefile.codegen` allows.
const PASSES: usize = 9;

/// The text before the end state of a program that did not exit with 0.
pub(crate) const ENDED: &str = "ended with ";

/// The outcome of one way of linking, and the output of its commands.
struct Link {
    is_linked: bool,
    /// A proper failure: exit code 1.
    is_orderly: bool,
    log: String,
}

/// One case on one architecture.
pub(crate) struct Bench<'case> {
    toolbox: &'case Toolbox,
    case: &'case Case,
    arch: Arch,
    directory: TempDir,
    emulator: Option<PathBuf>,
    runtime: PathBuf,
    /// The kinds of bitcode that were compiled.
    compiled: Vec<Lto>,
    /// The verdicts on linked objects: most ways make the same object.
    seen: HashMap<Vec<u8>, Seen>,
    /// The generated code, by object, flags and index: an index names all inputs of the code.
    generated: HashMap<(String, String, Vec<u8>), PathBuf>,
}

impl<'case> Bench<'case> {
    pub(crate) fn new(
        toolbox: &'case Toolbox,
        case: &'case Case,
        arch: Arch,
    ) -> Result<Self, LabError> {
        let parent = toolbox.scratch.path();
        let bench = Self {
            toolbox,
            case,
            arch,
            directory: tempfile::tempdir_in(parent).map_err(LabError::file(parent))?,
            emulator: if case.spec.run {
                arch.emulator()?
            } else {
                None
            },
            runtime: toolbox.runtime(arch)?,
            compiled: Vec::new(),
            seen: HashMap::new(),
            generated: HashMap::new(),
        };
        let sources = bench.folder("sources")?;
        write(&sources.join("lab.h"), HEADER)?;
        for (name, text) in &case.sources {
            write(&sources.join(name), text)?;
        }
        bench.folder("native")?;
        let Spec {
            objects,
            library,
            last_link,
            ..
        } = &case.spec;
        let fixed = objects
            .iter()
            .chain(library)
            .filter(|input| input.form != Form::Bitcode);
        let fixed = fixed.map(|input| (input.file.as_str(), input.form));
        bench.compile(fixed, None, "native")?;
        bench.folder("last-link")?;
        let last_link = last_link.iter().map(|file| (file.as_str(), Form::Native));
        bench.compile(last_link, None, "last-link")?;
        Ok(bench)
    }

    fn folder(&self, name: &str) -> Result<PathBuf, LabError> {
        let folder = self.directory.path().join(name);
        fs::create_dir(&folder).map_err(LabError::file(&folder))?;
        Ok(folder)
    }

    /// Compiles sources into `folder`, and writes their `.cmd` files. Those with the same flags are compiled
    /// by one process.
    fn compile<'s>(
        &self,
        sources: impl Iterator<Item = (&'s str, Form)>,
        lto: Option<Lto>,
        folder: &str,
    ) -> Result<(), LabError> {
        let mut by_flags: BTreeMap<(bool, Vec<&str>), Vec<&str>> = BTreeMap::new();
        for (file, form) in sources {
            let key = (is_assembly(file), self.flags(file, form, lto));
            by_flags.entry(key).or_default().push(file);
        }
        let directory = self.directory.path();
        for ((is_assembly, flags), files) in by_flags {
            let compiled = if is_assembly || files.len() == 1 {
                self.compile_each(&flags, &files)?
            } else {
                self.compile_together(&flags, &files)?
            };
            for (file, output) in files.into_iter().zip(compiled) {
                let object = object_name(file);
                let output = directory.join("sources").join(output);
                let target = directory.join(folder).join(&object);
                fs::rename(&output, target).map_err(LabError::file(&output))?;
                let flags = shlex::try_join(flags.iter().copied()).unwrap_or_default();
                let command = format!("cmd_{object} := clang {flags} -c -o {object} {file}\n");
                let cmd_file = directory.join(folder).join(format!(".{object}.cmd"));
                write(&cmd_file, &command)?;
            }
        }
        Ok(())
    }

    /// Returns the flags of one source.
    fn flags(&self, file: &str, form: Form, lto: Option<Lto>) -> Vec<&str> {
        let mut flags: Vec<&str> = self.arch.flags().to_vec();
        flags.extend(FLAGS);
        let Spec {
            flags: for_all,
            flags_of,
            ..
        } = &self.case.spec;
        let for_one = flags_of.get(file).into_iter().flatten();
        flags.extend(for_all.iter().chain(for_one).map(String::as_str));
        match (form, lto) {
            (Form::Bitcode, Some(Lto::Thin)) | (Form::Thin, _) => flags.push("-flto=thin"),
            (Form::Bitcode, Some(Lto::Full)) | (Form::Full, _) => flags.push("-flto=full"),
            (Form::NoSummary, _) => flags.push("-emit-llvm"),
            (Form::Native | Form::Bitcode, _) => {}
        }
        flags
    }

    /// Compiles each source with a separate process; returns the names of the objects.
    fn compile_each(&self, flags: &[&str], files: &[&str]) -> Result<Vec<String>, LabError> {
        let compile = |file: &&str| {
            let object = object_name(file);
            let mut command = self.toolbox.llvm("clang");
            command.args(flags).args(["-c", "-o", &object, file]);
            command.current_dir(self.directory.path().join("sources"));
            run_tool(&self.case.name, &mut command)?;
            Ok(object)
        };
        files.iter().map(compile).collect()
    }

    /// Compiles C sources with one compiler process; returns the names of the objects, which the compiler derives
    /// from the names of the sources.
    fn compile_together(&self, flags: &[&str], files: &[&str]) -> Result<Vec<String>, LabError> {
        let sources = self.directory.path().join("sources");
        let arguments = self.toolbox.compiler_arguments(&sources, flags, files[0])?;
        let mut command = self.toolbox.llvm("clang");
        command.args(&arguments).args(files).current_dir(&sources);
        run_tool(&self.case.name, &mut command)?;
        let is_bitcode = arguments.iter().any(|argument| argument == "-emit-llvm-bc");
        let suffix = if is_bitcode { "bc" } else { "o" };
        let output = |file: &&str| Path::new(file).with_extension(suffix).display().to_string();
        Ok(files.iter().map(output).collect())
    }

    /// Compiles all bitcode of one kind and makes the library, unless this was done before.
    fn compile_bitcode(&mut self, lto: Lto) -> Result<(), LabError> {
        if self.compiled.contains(&lto) {
            return Ok(());
        }
        self.compiled.push(lto);
        let folder = self.folder(bitcode_folder(lto))?;
        let Spec {
            objects,
            library,
            archive,
            ..
        } = &self.case.spec;
        let bitcode = objects
            .iter()
            .chain(library)
            .filter(|input| input.form == Form::Bitcode);
        let bitcode = bitcode.map(|input| (input.file.as_str(), input.form));
        self.compile(bitcode, Some(lto), bitcode_folder(lto))?;
        link_files(&self.directory.path().join("native"), &folder)?;
        if library.is_empty() {
            return Ok(());
        }
        let mut command = self.toolbox.llvm("llvm-ar");
        command.arg(match archive {
            Archive::Thin => "cDPrST",
            Archive::Regular => "cDrs",
        });
        command.arg(LIBRARY).args(library.iter().map(Input::object));
        run_tool(&self.case.name, command.current_dir(&folder)).map(|_| ())
    }

    /// Returns the outcome of `ld.lld -r`.
    pub(crate) fn plain(&mut self, lto: Lto) -> Result<Seen, LabError> {
        let folder = self.link_folder(&format!("plain-{}", lto.name()), lto)?;
        let mut command = self.toolbox.llvm("ld.lld");
        command.args(["--threads=1", "-r", "-o", LINKED, "--whole-archive"]);
        command.args(self.case.spec.objects.iter().map(Input::object));
        command.arg("--no-whole-archive");
        if !self.case.spec.library.is_empty() {
            command.args(["--start-group", LIBRARY, "--end-group"]);
        }
        let output = output(command.current_dir(&folder))?;
        let link = Link {
            is_linked: output.status.success(),
            is_orderly: true,
            log: whole_output(&output),
        };
        self.seen_of_link(&folder, &link)
    }

    /// Returns the outcome of lto-link.
    pub(crate) fn seen_of(&mut self, way: Way) -> Result<Seen, LabError> {
        let folder = self.link_folder(way.name(), way.lto())?;
        let link = if way.is_distributed() {
            self.link_distributed(way, &folder)?
        } else {
            let mut arguments = vec!["module"];
            arguments.extend(way.is_dropping().then_some("--internalize"));
            self.lto_link(&arguments, &folder)?
        };
        self.seen_of_link(&folder, &link)
    }

    /// Makes a directory with all inputs of a link.
    fn link_folder(&mut self, name: &str, lto: Lto) -> Result<PathBuf, LabError> {
        self.compile_bitcode(lto)?;
        let folder = self.folder(name)?;
        link_files(&self.directory.path().join(bitcode_folder(lto)), &folder)?;
        Ok(folder)
    }

    /// Does the work of `scripts/lto/Makefile.codegen`: the thin link and the code of each object,
    /// repeated while the code refers to dropped definitions, then the link of the code.
    fn link_distributed(&mut self, way: Way, folder: &Path) -> Result<Link, LabError> {
        let dropping: &[&str] = if way.is_dropping() {
            &["--internalize", "--module"]
        } else {
            &[]
        };
        let mut thin_link = vec!["thin-link"];
        thin_link.extend(dropping);
        let first = self.lto_link(&thin_link, folder)?;
        if !first.is_linked {
            return Ok(first);
        }
        let mut again = true;
        for _ in 0..PASSES {
            if let Some(failed) = self.generate_code(folder)? {
                return Ok(failed);
            }
            again = false;
            if way.is_dropping() {
                let complete = [&thin_link[..], &["--complete"]].concat();
                let completion = self.lto_link(&complete, folder)?;
                if !completion.is_linked {
                    return Ok(completion);
                }
                again = completion.log.lines().any(|line| line == "again");
            }
            if !again {
                break;
            }
        }
        if again {
            return Ok(Link {
                is_linked: false,
                is_orderly: false,
                log: format!("{LINKED}: error: not complete after {PASSES} passes"),
            });
        }
        let mut module = vec!["module", "--distributed"];
        module.extend(way.is_dropping().then_some("--internalize"));
        self.lto_link(&module, folder)
    }

    /// Generates the code that the list of a thin link requires; returns the first failure.
    fn generate_code(&mut self, folder: &Path) -> Result<Option<Link>, LabError> {
        let list = folder.join(format!(".tmp_{LINKED}.codegen.mk"));
        let list = fs::read_to_string(&list).map_err(LabError::file(&list))?;
        for (object, flags) in codegen::objects(&list) {
            let index = folder.join(format!("{object}.thinlto.bc"));
            let index = fs::read(&index).map_err(LabError::file(&index))?;
            let stem = object.strip_suffix(".o").unwrap_or(&object);
            let native = folder.join(format!("{stem}.native.o"));
            let key = (object.clone(), flags.clone(), index);
            if let Some(known) = self.generated.get(&key) {
                if *known != native {
                    let _ = fs::remove_file(&native);
                    fs::hard_link(known, &native).map_err(LabError::file(&native))?;
                }
                continue;
            }
            // Keep the file of an earlier pass: it may be cached under its name.
            let fresh = self
                .directory
                .path()
                .join(format!("generated-{}.o", self.generated.len()));
            let mut command = self.toolbox.llvm("clang");
            command
                .args(shlex::split(&flags).unwrap_or_default())
                .args(["-Wno-unused-command-line-argument", "-c", "-o"])
                .arg(&fresh)
                .arg(format!("-fthinlto-index={object}.thinlto.bc"))
                .args(["-x", "ir", &object])
                .current_dir(folder);
            let output = output(&mut command)?;
            let is_empty = fs::metadata(&fresh).is_ok_and(|data| data.len() == 0);
            if !output.status.success() || is_empty {
                return Ok(Some(Link {
                    is_linked: false,
                    is_orderly: true,
                    log: whole_output(&output),
                }));
            }
            let _ = fs::remove_file(&native);
            fs::hard_link(&fresh, &native).map_err(LabError::file(&native))?;
            self.generated.insert(key, fresh);
        }
        Ok(None)
    }

    /// Runs lto-link over the objects of the case.
    fn lto_link(&self, arguments: &[&str], folder: &Path) -> Result<Link, LabError> {
        let mut command = Command::new(&self.toolbox.tools.lto_link);
        command.args(arguments);
        command.args(["--jobs", "1", "-o", LINKED, "--objs"]);
        command.args(self.case.spec.objects.iter().map(Input::object));
        if !self.case.spec.library.is_empty() {
            command.args(["--libs", LIBRARY]);
        }
        command.arg("--").arg(self.toolbox.llvm_path("ld.lld"));
        // Do not take job slots from a make that runs the tests.
        for variable in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "MAKELEVEL"] {
            command.env_remove(variable);
        }
        let output = output(command.current_dir(folder))?;
        Ok(Link {
            is_linked: output.status.success(),
            is_orderly: output.status.code() == Some(1),
            log: whole_output(&output),
        })
    }

    /// Judges the result of a link.
    fn seen_of_link(&mut self, folder: &Path, link: &Link) -> Result<Seen, LabError> {
        let Link {
            is_linked,
            is_orderly,
            log,
        } = link;
        if !is_linked {
            let Spec {
                objects, library, ..
            } = &self.case.spec;
            let mut inputs = objects.iter().chain(library);
            let names_object = inputs.any(|input| log.contains(&input.object()));
            return Ok(Seen::Refused {
                log: log.clone(),
                is_clear: *is_orderly && names_object,
            });
        }
        let linked = folder.join(LINKED);
        let bytes = fs::read(&linked).map_err(LabError::file(&linked))?;
        if let Some(seen) = self.seen.get(&bytes) {
            return Ok(seen.clone());
        }
        let counts = counts::of(&bytes, &self.case.spec.compare);
        let seen = if self.case.spec.run {
            self.run(folder, &counts)?
        } else {
            Seen::Program(counts)
        };
        self.seen.insert(bytes, seen.clone());
        Ok(seen)
    }

    /// Makes a program from the linked object, and runs it.
    fn run(&self, folder: &Path, counts: &str) -> Result<Seen, LabError> {
        let mut command = self.toolbox.llvm("ld.lld");
        command.args(["--threads=1", "-static", "-o", PROGRAM, LINKED]);
        let last_link = self.case.spec.last_link.iter();
        command.args(last_link.map(|file| Path::new("../last-link").join(object_name(file))));
        command.arg(&self.runtime);
        let output = output(command.current_dir(folder))?;
        if !output.status.success() {
            let error = first_error(&whole_output(&output));
            return Ok(Seen::NoProgram(format!("{error}{counts}")));
        }
        let program = folder.join(PROGRAM);
        let mut command = match &self.emulator {
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(&program);
                command
            }
            None => Command::new(&program),
        };
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start_error(&command))?;
        // A program writes less than a pipe holds, so it never waits for a reader.
        let status = child
            .wait_timeout(TIME_LIMIT)
            .map_err(LabError::file(&program))?;
        if status.is_none() {
            child.kill().map_err(LabError::file(&program))?;
        }
        let output = child.wait_with_output().map_err(LabError::file(&program))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        match status {
            Some(status) if status.success() => {}
            Some(status) => _ = writeln!(text, "{ENDED}{status}"),
            None => _ = writeln!(text, "{ENDED}nothing: it was stopped"),
        }
        text.push_str(counts);
        Ok(Seen::Program(text))
    }
}

/// Returns the directory of all objects of a program with bitcode of this kind.
fn bitcode_folder(lto: Lto) -> &'static str {
    match lto {
        Lto::Thin => "bitcode-thin",
        Lto::Full => "bitcode-full",
    }
}

/// Makes hard links to every file of one directory in another.
fn link_files(from: &Path, to: &Path) -> Result<(), LabError> {
    for entry in fs::read_dir(from).map_err(LabError::file(from))? {
        let entry = entry.map_err(LabError::file(from))?;
        let target = to.join(entry.file_name());
        fs::hard_link(entry.path(), &target).map_err(LabError::file(&target))?;
    }
    Ok(())
}
