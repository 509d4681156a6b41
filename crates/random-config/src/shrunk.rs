// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Shrinks a failing configuration to the options that matter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use kernel_lab::kconfig::Config;
use kernel_lab::mode::Mode;
use kernel_lab::progress;

use crate::category::{Step, comparable};
use crate::configuration::Kconfigs;
use crate::minimize::{Minimized, minimize};
use crate::results::Row;
use crate::steps::Steps;

/// A failure of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The mode that fails.
    pub mode: Mode,
    /// The step that fails.
    pub step: Step,
    /// Its first problem, by which the failure is known again.
    pub problem: String,
}

impl Failing {
    /// Returns the worst failure of a configuration; of equal ones, the first.
    ///
    /// # Errors
    /// Nothing failed with LTO, or the result names an unknown mode.
    pub fn of(row: &Row) -> anyhow::Result<Self> {
        let with_lto = row
            .kernels
            .iter()
            .filter(|kernel| kernel.mode != Mode::NONE.to_string());
        let failures = with_lto.flat_map(|kernel| {
            let failures = kernel.failures.iter();
            failures.map(|failure| (kernel.mode.as_str(), failure))
        });
        let mut worst: Option<(&str, &crate::results::Failure)> = None;
        for (mode, failure) in failures {
            if worst.is_none_or(|(_, known)| failure.category > known.category) {
                worst = Some((mode, failure));
            }
        }
        let Some((mode, failure)) = worst else {
            anyhow::bail!("seed {} #{}: nothing failed with LTO", row.seed, row.number);
        };
        Ok(Self {
            mode: mode.parse()?,
            step: failure.step,
            problem: failure.problems.first().cloned().unwrap_or_default(),
        })
    }

    /// Returns whether a configuration fails in the same way. Object trees in `dir` are used again.
    fn shows(&self, steps: &dyn Steps, dir: &Path, config: &Config) -> anyhow::Result<bool> {
        let wanted = comparable(&self.problem);
        let problems = self.problems(steps, dir, config)?;
        Ok(problems.iter().any(|problem| comparable(problem) == wanted))
    }

    /// Returns the problems of the step, with only the work that it needs.
    fn problems(
        &self,
        steps: &dyn Steps,
        dir: &Path,
        config: &Config,
    ) -> anyhow::Result<Vec<String>> {
        let objtree = dir.join(self.mode.to_string());
        let given = steps.configure(&objtree, &self.mode.chosen_in(config))?;
        let options = self.mode.options().into_iter();
        let mut refused = options.filter(|option| given.value(option) != "y");
        if let Some(option) = refused.next() {
            let failure = crate::kernels::refusal(steps, option, &given);
            return Ok(if self.step == Step::Configure {
                failure.problems
            } else {
                Vec::new()
            });
        }
        let of_build = match self.step {
            Step::Configure => return Ok(Vec::new()),
            _ => steps.build(&objtree)?,
        };
        if self.step == Step::Build || !of_build.is_empty() {
            return Ok(if self.step == Step::Build {
                of_build
            } else {
                Vec::new()
            });
        }
        if self.step == Step::Boot {
            return Ok(steps.boot(&objtree)?.problems);
        }
        let against = dir.join(Mode::NONE.to_string());
        steps.configure(&against, config)?;
        if !steps.build(&against)?.is_empty() {
            return Ok(Vec::new());
        }
        match self.step {
            Step::Warnings => steps.new_warnings(&objtree, &against),
            _ => steps.verify(&objtree, Some(&against)),
        }
    }
}

/// A configuration that still fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The configuration, without LTO.
    pub config: Config,
    /// The number of options in which the first one differed from the base.
    pub before: usize,
    /// The options in which it differs from the base.
    pub found: Minimized<String>,
}

impl Shrunk {
    /// Returns the options with their values, and what was tried.
    pub fn text(&self) -> String {
        let Minimized {
            items,
            attempts,
            is_complete,
        } = &self.found;
        let mut text = format!(
            "{} of {} options that differ from the base are left after {attempts} attempts; {}\n",
            items.len(),
            self.before,
            if *is_complete {
                "none of them can be left out"
            } else {
                "--attempts ended the search"
            }
        );
        for option in items {
            let _ = writeln!(text, "{option}={}", self.config.value(option));
        }
        text
    }
}

/// Sets as many options as possible to their values in the base, so that the configuration still fails in the same
/// way. Tries at most `attempts` configurations, in object trees in `dir`.
///
/// # Errors
/// A step cannot be done, or the configuration does not fail any more.
pub fn shrink(
    steps: &dyn Steps,
    kconfigs: &dyn Kconfigs,
    failing: &Failing,
    config: &Config,
    dir: &Path,
    attempts: usize,
) -> anyhow::Result<Shrunk> {
    let base = kconfigs.base()?.config;
    anyhow::ensure!(
        failing.shows(steps, dir, config)?,
        "the configuration does not show the failure of step {} any more: {}",
        failing.step,
        failing.problem
    );
    let options: Vec<String> = config.differing(&base).into_iter().collect();
    let before = options.len();
    let values = config.values();
    let mut smallest = (before, config.clone());
    let found = minimize(options, attempts, |kept| {
        let value = |option: &str| values.get(option).copied().unwrap_or("n");
        let values: BTreeMap<&str, &str> = kept
            .iter()
            .map(|option| (option.as_str(), value(option)))
            .collect();
        let candidate = kconfigs.complete(&base.with(&values))?;
        let had: Vec<String> = candidate.differing(&base).into_iter().collect();
        let shows = failing.shows(steps, dir, &candidate)?;
        let result = if shows {
            "still fails"
        } else {
            "does not fail"
        };
        progress::note(&format!("{} options: {result}", had.len()));
        if shows && had.len() < smallest.0 {
            smallest = (had.len(), candidate);
        }
        Ok(shows.then_some(had))
    })?;
    Ok(Shrunk {
        config: smallest.1,
        before,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::category::Category;
    use crate::configuration::{MAX_OBJECTS, configuration};
    use crate::tests::{Fake, FakeKernels, row};

    fn failing(step: Step) -> Failing {
        Failing {
            mode: Mode::THIN_DIST_DROP,
            step,
            problem: "needs 1 option".to_owned(),
        }
    }

    #[test]
    fn the_options_that_matter_are_left() {
        let kconfigs = Fake::default();
        let base = kconfigs.base().unwrap();
        let config = configuration(&kconfigs, &base, 1, 1, MAX_OBJECTS)
            .unwrap()
            .config;
        let options: Vec<String> = config.differing(&base.config).into_iter().collect();
        let needed = vec![options[7].clone(), options[150].clone()];
        for step in [Step::Build, Step::Warnings, Step::Boot, Step::Verify] {
            let steps = FakeKernels {
                fails_with: Some((step, needed.clone())),
                ..FakeKernels::default()
            };
            let shrunk = |attempts| {
                let dir = Path::new("/objtrees");
                shrink(&steps, &kconfigs, &failing(step), &config, dir, attempts).unwrap()
            };
            let found = shrunk(1000);
            assert_eq!(found.found.items, needed, "{step}");
            assert!(found.found.is_complete);
            assert_eq!(found.config.differing(&base.config).len(), 2);
            assert!(found.text().contains("\nOPTION_"), "{}", found.text());
            let early = shrunk(2);
            assert!(!early.found.is_complete && early.found.items.len() > 2);
            assert!(early.text().contains("--attempts ended the search"));
        }
    }

    #[test]
    fn a_configuration_that_does_not_fail_is_not_shrunk() {
        let kconfigs = Fake::default();
        let config = kconfigs.random(1, 20).unwrap().config;
        let steps = FakeKernels::default();
        let error = shrink(
            &steps,
            &kconfigs,
            &failing(Step::Boot),
            &config,
            Path::new("/o"),
            9,
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("does not show the failure of step boot"),
            "{error}"
        );
    }

    #[test]
    fn the_worst_failure_with_lto_is_the_one_to_shrink() {
        assert!(Failing::of(&row(1, 1, None)).is_err());
        let found = Failing::of(&row(1, 1, Some(Category::Ours))).unwrap();
        assert_eq!((found.mode, found.step), (Mode::THIN_DIST_DROP, Step::Boot));
    }
}
