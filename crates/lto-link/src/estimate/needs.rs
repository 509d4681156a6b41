// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a link needs: the line before it, and the refusal if there is not enough memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use object_model::{Faults, Input, InputError, LtoKind};
use tool_io::FreeMemory;

use crate::estimate::model::{Estimate, Mode, Model};
use crate::estimate::sizes::LinkSizes;
use crate::paths::LinkPaths;
use crate::plan::options::{Cache, CodeGeneration, LinkOptions};
use crate::read::inputs::{Inputs, is_bitcode};
use crate::units::{memory_text, time_text};

/// Seconds from which on a link is announced.
const LONG: f64 = 60.0;

/// The value of `LTO_MEMORY` that allows a link to need any amount of memory.
pub const ANY_MEMORY: &str = "any";

/// The needs of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    output: PathBuf,
    mode: Mode,
    jobs: usize,
    sizes: LinkSizes,
    model: Model,
    estimate: Estimate,
}

/// The code that a link has to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewCode {
    /// The code of all objects.
    All,
    /// The linker has a cache: the code of objects that are newer than the last link.
    NotCached,
    /// make generates code object by object: that of objects that are newer than their native code.
    ObjectByObject,
    /// None, because make has generated it.
    Nothing,
}

impl NewCode {
    /// Returns the code that a link with `options` generates.
    pub fn of(options: &LinkOptions) -> Self {
        match &options.code {
            CodeGeneration::InLinker {
                cache: Some(Cache { dir, .. }),
            } if dir.exists() => Self::NotCached,
            CodeGeneration::InLinker { .. } | CodeGeneration::Dropping(_) => Self::All,
            CodeGeneration::Distributed { .. } => Self::Nothing,
        }
    }
}

impl Needs {
    /// Estimates the link of `inputs` to `output` with `jobs` jobs. Returns `None` if there is no bitcode.
    ///
    /// # Errors
    /// Every object whose bitcode is damaged.
    pub fn of(
        paths: LinkPaths<'_>,
        inputs: &Inputs,
        new_code: NewCode,
        jobs: usize,
    ) -> Result<Option<Self>, Faults<InputError>> {
        let Some(kind) = lto_kind(inputs) else {
            return Ok(None);
        };
        let last_link = modified(&paths.usage());
        let (mut sizes, mut changed) =
            LinkSizes::of_all_and_those(inputs, |input| match new_code {
                NewCode::All | NewCode::Nothing => true,
                NewCode::NotCached => is_newer(input, last_link),
                NewCode::ObjectByObject => {
                    let native = input.path.as_deref().map(|path| paths.native(path));
                    is_newer(input, native.and_then(|native| modified(&native)))
                }
            })?;
        if new_code == NewCode::Nothing {
            sizes.native_bytes += generated_bytes(paths, inputs);
            changed = sizes;
        }
        let mode = match (new_code, kind) {
            (NewCode::Nothing, _) => Mode::Join,
            (NewCode::ObjectByObject, _) => Mode::ThinDist,
            (NewCode::All | NewCode::NotCached, LtoKind::Thin) => Mode::Thin,
            (NewCode::All | NewCode::NotCached, LtoKind::Full) => Mode::Full,
        };
        // The model is part of the program, and a test reads it.
        let model = Model::built_in().unwrap_or_default();
        Ok(Some(Self {
            output: paths.output().to_owned(),
            mode,
            jobs,
            sizes,
            estimate: model.estimate(mode, &sizes, &changed, jobs),
            model,
        }))
    }

    /// Returns the estimate.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Returns the line to show before a link of a minute or more.
    pub fn line(&self) -> Option<String> {
        let estimate = &self.estimate;
        (estimate.wall_seconds >= LONG).then(|| {
            format!(
                "  LTO     {}: {} takes about {}, and {} of memory\n",
                self.output.display(),
                self.mode.name(),
                estimate.time(),
                memory_text(estimate.memory_bytes)
            )
        })
    }

    /// Returns the shortage if `free` is less memory than the link needs.
    pub fn shortage(&self, free: FreeMemory) -> Option<Shortage<'_>> {
        (self.estimate.memory_bytes > free.bytes).then_some(Shortage { needs: self, free })
    }

    fn in_mode(&self, mode: Mode, jobs: usize) -> u64 {
        let Self { model, sizes, .. } = self;
        model.estimate(mode, sizes, sizes, jobs).memory_bytes
    }
}

impl Estimate {
    /// Returns the time from start to end in words, with its range.
    pub fn time(&self) -> String {
        let Self {
            wall_seconds: seconds,
            time_error: error,
            ..
        } = *self;
        let [low, high] = [seconds / (1.0 + error), seconds * (1.0 + error)].map(time_text);
        // "4 to 5 minutes" reads better than with the unit twice.
        let unit = |text: &str| {
            text.split_once(' ')
                .map(|(_, unit)| unit.trim_end_matches('s').to_owned())
        };
        let low = match low.split_once(' ') {
            Some((number, _)) if unit(&low) == unit(&high) => number.to_owned(),
            _ => low,
        };
        format!("{} ({low} to {high})", time_text(seconds))
    }
}

/// A link that needs more memory than there is. `Display` says what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortage<'needs> {
    needs: &'needs Needs,
    free: FreeMemory,
}

impl fmt::Display for Shortage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needs, free } = self;
        write!(
            f,
            "{}: {} needs about {} of memory, and {} are free {}, without swap space. Use ",
            needs.output.display(),
            needs.mode.name(),
            memory_text(needs.estimate.memory_bytes),
            memory_text(free.bytes),
            free.bound
        )?;
        let fits = |jobs: &usize| needs.in_mode(needs.mode, *jobs) <= free.bytes;
        if let Some(jobs) = (1..needs.jobs).rev().find(fits) {
            let memory = memory_text(needs.in_mode(needs.mode, jobs));
            write!(f, "make -j{jobs} (about {memory}), ")?;
        }
        let distributed = needs.in_mode(Mode::ThinDist, needs.jobs);
        if matches!(needs.mode, Mode::Thin | Mode::Full)
            && distributed < needs.estimate.memory_bytes
        {
            let memory = memory_text(distributed);
            write!(
                f,
                "distributed thin LTO (LTO_CLANG_THIN_DIST, about {memory}), "
            )?;
        }
        if needs.sizes.metadata_bytes > needs.sizes.function_bytes {
            f.write_str("a configuration without DEBUG_INFO, ")?;
        }
        write!(
            f,
            "or more memory; LTO_MEMORY={ANY_MEMORY} on make's command line links all the same"
        )
    }
}

impl std::error::Error for Shortage<'_> {}

/// Returns the kind of LTO of the first bitcode object.
fn lto_kind(inputs: &Inputs) -> Option<LtoKind> {
    let mut bitcode = inputs
        .objects
        .iter()
        .filter_map(|input| input.object.as_bitcode());
    bitcode
        .next()
        .map(|bitcode| bitcode.lto_kind().unwrap_or(LtoKind::Thin))
}

/// Returns the bytes of the native code that make has generated from `inputs`.
fn generated_bytes(paths: LinkPaths<'_>, inputs: &Inputs) -> u64 {
    let bitcode = inputs.objects.iter().filter(|input| is_bitcode(input));
    let natives = bitcode.filter_map(|input| paths.native(input.path.as_deref()?).metadata().ok());
    natives.map(|native| native.len()).sum()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata()
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// Returns whether an object is newer than `than`, or one of the times is unknown.
fn is_newer(input: &Input, than: Option<SystemTime>) -> bool {
    let object = input.path.as_deref().and_then(modified);
    object.zip(than).is_none_or(|(object, than)| object >= than)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tool_io::MemoryBound;

    use super::*;
    use crate::estimate::model::{Costs, Size, Terms};

    const MIB: f64 = 1_048_576.0;

    fn needs(mode: Mode, jobs: usize) -> Needs {
        let costs = |once: f64, job: f64| Costs {
            parallel_seconds: Terms([(Size::BitcodeObjects, 2.0)].into()),
            memory_bytes: Terms([(Size::BitcodeObjects, once * MIB)].into()),
            job_bytes: Terms([(Size::Constant, job * MIB)].into()),
            time_error: 0.25,
            ..Costs::default()
        };
        let modes: BTreeMap<_, _> = [
            (Mode::Thin, costs(8.0, 100.0)),
            (Mode::ThinDist, costs(3.0, 90.0)),
            (Mode::Full, costs(20.0, 0.0)),
        ]
        .into();
        let model = Model { modes };
        let sizes = LinkSizes {
            bitcode_objects: 100,
            ..LinkSizes::default()
        };
        Needs {
            output: "vmlinux.o".into(),
            mode,
            jobs,
            sizes,
            estimate: model.estimate(mode, &sizes, &sizes, jobs),
            model,
        }
    }

    fn free(mib: u64, bound: MemoryBound) -> FreeMemory {
        FreeMemory {
            bytes: mib << 20,
            bound,
        }
    }

    #[test]
    fn a_link_of_a_minute_is_announced() {
        // 200 seconds of CPU for 2 jobs; 100 and 125 seconds are 2 minutes, rounded.
        assert_eq!(
            needs(Mode::Thin, 2).line().as_deref(),
            Some(
                "  LTO     vmlinux.o: thin LTO takes about 2 minutes (80 seconds to 2 minutes), \
                 and 1000 MiB of memory\n"
            )
        );
        assert_eq!(needs(Mode::Thin, 4).line(), None);
    }

    #[test]
    fn a_shortage_names_what_fits() {
        // 800 MiB, and 100 for each job. Distributed: the larger of 300 MiB and 90 for each job.
        let thin = needs(Mode::Thin, 4);
        let text = |needs: &Needs, free| needs.shortage(free).map(|short| short.to_string());
        assert_eq!(text(&thin, free(1200, MemoryBound::Machine)), None);
        assert_eq!(
            text(&thin, free(1150, MemoryBound::Machine)).as_deref(),
            Some(
                "vmlinux.o: thin LTO needs about 1.2 GiB of memory, and 1.1 GiB are free on this machine, \
                 without swap space. Use make -j3 (about 1.1 GiB), distributed thin LTO \
                 (LTO_CLANG_THIN_DIST, about 360 MiB), or more memory; LTO_MEMORY=any on make's command line \
                 links all the same"
            )
        );
        let group = free(310, MemoryBound::Cgroup("/sys/fs/cgroup/job".into()));
        assert_eq!(
            text(&needs(Mode::ThinDist, 8), group).as_deref(),
            Some(
                "vmlinux.o: distributed thin LTO needs about 720 MiB of memory, and 310 MiB are free within \
                 the limit of the control group /sys/fs/cgroup/job, without swap space. Use make -j3 (about \
                 300 MiB), or more memory; LTO_MEMORY=any on make's command line links all the same"
            )
        );
    }

    #[test]
    fn fewer_jobs_are_not_advised_where_they_do_not_help() {
        let full = needs(Mode::Full, 8);
        let short = full
            .shortage(free(1000, MemoryBound::Machine))
            .expect("2000 MiB");
        let text = short.to_string();
        assert!(
            !text.contains("make -j") && text.contains("LTO_CLANG_THIN_DIST"),
            "{text}"
        );
    }
}
