// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tries the actions of a built link: exactly their inputs give the code that make generated, and none of the
//! inputs can be left out.

use std::cmp::Reverse;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::actions::action::{Action, ActionOptions};
use crate::actions::compiler::Compiler;
use crate::actions::run::{RunError, run};
use crate::error::LinkError;
use crate::generate::folders::{make_dir, remove_dir};
use crate::paths::LinkPaths;

/// The result of a trial.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// The number of actions whose code is the same as that of make.
    pub n_same: usize,
    /// The number of inputs without which an action failed and named the input.
    pub n_needed: usize,
    /// Actions that gave other code or none, and inputs that were not missed.
    pub faults: Vec<String>,
}

/// One run of an action.
struct Run<'a> {
    action: &'a Action,
    /// The input that is left out.
    without: Option<usize>,
}

/// Runs every action of `actions` in a directory with only its inputs, and compares the result with the native
/// object that make left; then runs the `n_most` actions with the most imports without each of their inputs.
/// At most `jobs` run at once.
///
/// # Errors
/// The directory beside the output cannot be made or removed. Whatever is wrong with an action is in the result.
pub fn try_actions(
    options: &ActionOptions,
    compiler: &Compiler,
    actions: &[Action],
    n_most: usize,
    jobs: NonZeroUsize,
) -> Result<Trial, LinkError> {
    let dir = options
        .root
        .join(LinkPaths::new(&options.output).actions_dir());
    remove_dir(&dir)?;
    make_dir(&dir)?;
    let mut runs: Vec<Run<'_>> = actions
        .iter()
        .map(|action| Run {
            action,
            without: None,
        })
        .collect();
    let mut by_imports: Vec<&Action> = actions.iter().collect();
    by_imports.sort_by_key(|action| Reverse(action.n_imports()));
    for action in by_imports.into_iter().take(n_most) {
        let inputs = 0..action.inputs.len();
        runs.extend(inputs.map(|input| Run {
            action,
            without: Some(input),
        }));
    }
    let trial = Mutex::new(Trial::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                while let Some((number, one)) = next_run(&runs, &next) {
                    let result = try_one(one, options, compiler, &dir.join(number.to_string()));
                    let mut trial = trial.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(()) if one.without.is_none() => trial.n_same += 1,
                        Ok(()) => trial.n_needed += 1,
                        Err(fault) => trial.faults.push(fault),
                    }
                }
            });
        }
    });
    remove_dir(&dir)?;
    let mut trial = trial.into_inner().unwrap_or_else(PoisonError::into_inner);
    trial.faults.sort();
    Ok(trial)
}

fn next_run<'a, 'r>(runs: &'r [Run<'a>], next: &AtomicUsize) -> Option<(usize, &'r Run<'a>)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    runs.get(number).map(|run| (number, run))
}

/// Does one run in the new directory `dir`; returns the fault that it shows.
fn try_one(
    one: &Run<'_>,
    options: &ActionOptions,
    compiler: &Compiler,
    dir: &Path,
) -> Result<(), String> {
    let action = one.action;
    let result = run(action, compiler, dir, one.without);
    let input = one.without.and_then(|input| action.inputs.get(input));
    match (input, result) {
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(bytes)) => {
            let native: PathBuf = options.root.join(action.output());
            match fs::read(&native) {
                Ok(local) if local == bytes => Ok(()),
                Ok(_) => Err(format!(
                    "{}: the action gives other code than make did; run make again, and report it if this stays",
                    action.output()
                )),
                Err(error) => Err(format!(
                    "{}: cannot be read ({error}); build the kernel first",
                    action.output()
                )),
            }
        }
        (Some(input), Ok(_)) => Err(format!(
            "{}: gives code without its input {}",
            action.output(),
            input.path
        )),
        (Some(input), Err(RunError::Failed { said, .. })) if said.contains(&input.named) => Ok(()),
        (Some(input), Err(error)) => Err(format!(
            "{}: fails without its input {}, and does not name it: {error}",
            action.output(),
            input.path
        )),
    }
}
