// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cases in `tests/link/`, with one test for each case and architecture: lto-link links them in every
//! way, and they must behave as after `ld.lld -r`. Then generated programs run for half a minute for each
//! architecture.
//!
//! `LTO_LINK` names another lto-link to try, such as an older one. `LINK_PROGRAMS_SEED` is the first seed
//! of the generated programs; without it, the clock gives one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Failed, Trial};
use link_lab::{Arch, Case, Feature, FuzzOptions, Lab, Summary, Tools, fuzz};

/// The time for generated programs of each architecture.
const TIME: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let lto_link = std::env::var_os("LTO_LINK");
    let lto_link = lto_link.unwrap_or_else(|| env!("CARGO_BIN_EXE_lto-link").into());
    let tools = Tools {
        llvm: test_support::llvm_bin(),
        lto_link: lto_link.into(),
    };
    let lab = Arc::new(Lab::new(tools).unwrap_or_else(|error| panic!("{error}")));
    let mut trials = Vec::new();
    for folder in folders() {
        let case = Case::read(&folder).unwrap_or_else(|error| panic!("{error}"));
        let case = Arc::new(case);
        for arch in case.spec.architectures.clone() {
            let (lab, case) = (Arc::clone(&lab), Arc::clone(&case));
            trials.push(Trial::test(format!("{}::{arch}", case.name), move || {
                try_case(&lab, &case, arch)
            }));
        }
    }
    for arch in Arch::ALL {
        let lab = Arc::clone(&lab);
        let name = format!("generated-programs::{arch}");
        trials.push(Trial::test(name, move || try_programs(&lab, arch)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Returns the folders of all cases, by name.
fn folders() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/link");
    let entries = fs::read_dir(&cases);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", cases.display()));
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "{}: no cases", cases.display());
    folders
}

fn try_case(lab: &Lab, case: &Case, arch: Arch) -> Result<(), Failed> {
    let verdict = lab.judge(case, arch)?;
    if verdict.is_same() {
        return Ok(());
    }
    Err(format!("{}\n{verdict}", case.spec.about).into())
}

/// Tries a fixed set of programs, and then others while there is time.
fn try_programs(lab: &Lab, arch: Arch) -> Result<(), Failed> {
    let first = match std::env::var("LINK_PROGRAMS_SEED") {
        Ok(seed) => seed
            .parse()
            .map_err(|_| format!("LINK_PROGRAMS_SEED={seed}: no number"))?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    println!("generated programs for {arch}: LINK_PROGRAMS_SEED={first}");
    let deadline = Some(Instant::now() + TIME);
    for (seeds, deadline) in [(0..16, None), (first..u64::MAX, deadline)] {
        let options = FuzzOptions {
            seeds,
            features: Feature::ALL.to_vec(),
            arch,
            jobs: 1,
            deadline,
            shrinks: false,
            max_found: 1,
        };
        let Summary {
            tried: _,
            found,
            errors,
        } = fuzz(lab, &options, |_| {});
        if let Some((seed, error)) = errors.into_iter().next() {
            return Err(format!("seed {seed}: {error}").into());
        }
        if let Some(found) = found.first() {
            let (seeds, verdict) = (found.program.seeds(), &found.verdict);
            let (start, end) = (seeds.start, seeds.end);
            return Err(format!(
                "`cargo xtask fuzz links --arch {arch} --seeds {start}..{end}` makes a small case of it\n{verdict}"
            )
            .into());
        }
    }
    Ok(())
}
