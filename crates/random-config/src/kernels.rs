// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds, boots and checks the kernels of one configuration, and says whose fault each failure is.

use std::path::{Path, PathBuf};

use kernel_lab::kconfig::Config;
use kernel_lab::mode::Mode;

use crate::category::{Category, Step, is_also_without};
use crate::known::{Failed, Known};
use crate::results::{Failure, Kernel};
use crate::steps::Steps;

/// The number of problems of a step that are kept.
const MOST: usize = 20;

/// The kernels to try.
pub struct Request<'a> {
    /// The name of the configuration.
    pub name: &'a str,
    /// The configuration without LTO.
    pub config: &'a Config,
    /// The modes of LTO.
    pub modes: &'a [Mode],
    /// The directory for the object trees, one for each mode.
    pub dir: &'a Path,
    /// The known faults of LLVM.
    pub known: &'a Known,
}

/// The kernel without LTO, and its problems, with which the others are compared.
struct Without {
    kernel: Kernel,
    config: Config,
    objtree: PathBuf,
}

impl Without {
    fn problems_in(&self, step: Step) -> &[String] {
        let mut failures = self.kernel.failures.iter();
        let failure = failures.find(|failure| failure.step == step);
        failure.map_or(&[], |failure| &failure.problems)
    }

    fn is_built(&self) -> bool {
        self.problems_in(Step::Build).is_empty()
    }
}

/// Builds, boots and verifies the configuration without LTO and in each mode. The object tree of a kernel without
/// failure is removed, that of the kernel without LTO only if no other one failed.
///
/// # Errors
/// A step cannot be done. A kernel that fails is no error.
pub fn try_kernels(steps: &dyn Steps, request: &Request<'_>) -> anyhow::Result<Vec<Kernel>> {
    let without = try_without(steps, request)?;
    let mut with = Vec::new();
    for mode in request.modes {
        let kernel = try_mode(steps, request, *mode, &without)?;
        // A refused mode leaves a configuration, which its object tree can be made from.
        if kernel
            .category()
            .is_none_or(|worst| worst == Category::RefusedByKconfig)
        {
            steps.remove(&request.dir.join(&kernel.mode))?;
        }
        with.push(kernel);
    }
    let has_failed = |kernel: &Kernel| kernel.category() > Some(Category::RefusedByKconfig);
    let Without {
        mut kernel,
        objtree,
        ..
    } = without;
    for failure in &mut kernel.failures {
        failure.problems = shortened(std::mem::take(&mut failure.problems));
    }
    with.insert(0, kernel);
    if !with.iter().any(has_failed) {
        steps.remove(&objtree)?;
    }
    Ok(with)
}

fn try_without(steps: &dyn Steps, request: &Request<'_>) -> anyhow::Result<Without> {
    let objtree = request.dir.join(Mode::NONE.to_string());
    let mut kernel = Kernel {
        mode: Mode::NONE.to_string(),
        ..Kernel::default()
    };
    let config = steps.configure(&objtree, request.config)?;
    let failed = |kernel: &mut Kernel, step, problems: Vec<String>| {
        let is_good = problems.is_empty();
        if !is_good {
            kernel.failures.push(Failure {
                step,
                category: Category::AlsoWithoutLto,
                problems,
            });
        }
        is_good
    };
    if failed(&mut kernel, Step::Build, steps.build(&objtree)?) {
        kernel.text_and_data = steps.size(&objtree)?;
        let booted = steps.boot(&objtree)?;
        (kernel.loaded, kernel.modules) = (Some(booted.loaded), Some(booted.modules));
        failed(&mut kernel, Step::Boot, booted.problems);
        failed(&mut kernel, Step::Verify, steps.verify(&objtree, None)?);
    }
    Ok(Without {
        kernel,
        config,
        objtree,
    })
}

/// Does all steps of a kernel with LTO; a kernel that is not built takes no further ones.
fn try_mode(
    steps: &dyn Steps,
    request: &Request<'_>,
    mode: Mode,
    without: &Without,
) -> anyhow::Result<Kernel> {
    let objtree = request.dir.join(mode.to_string());
    let mut kernel = Kernel {
        mode: mode.to_string(),
        ..Kernel::default()
    };
    let config = steps.configure(&objtree, &mode.chosen_in(&without.config))?;
    let refused = mode
        .options()
        .into_iter()
        .find(|option| config.value(option) != "y");
    if let Some(option) = refused {
        kernel.failures.push(refusal(steps, option, &config));
        return Ok(kernel);
    }
    let changed = config.differing(&without.config).into_iter();
    // The options of LTO itself, which are visible only with it.
    kernel.changed = changed.filter(|option| !is_of_lto(option)).collect();
    if !without.is_built() {
        let problem = "not built, because the build without LTO fails".to_owned();
        kernel.failures.push(Failure {
            step: Step::Build,
            category: Category::AlsoWithoutLto,
            problems: vec![problem],
        });
        return Ok(kernel);
    }
    let failed = |kernel: &mut Kernel, step, problems: Vec<String>| {
        if problems.is_empty() {
            return anyhow::Ok(true);
        }
        let failed = Failed {
            configuration: request.name,
            config: &config,
            mode,
            step,
            problems: &problems,
        };
        let category = if is_also_without(&problems, without.problems_in(step)) {
            Category::AlsoWithoutLto
        } else if request.known.explains(steps, &failed)? {
            Category::Llvm
        } else {
            Category::Ours
        };
        kernel.failures.push(Failure {
            step,
            category,
            problems: shortened(problems),
        });
        Ok(false)
    };
    if failed(&mut kernel, Step::Build, steps.build(&objtree)?)? {
        kernel.text_and_data = steps.size(&objtree)?;
        let new = steps.new_warnings(&objtree, &without.objtree)?;
        failed(&mut kernel, Step::Warnings, new)?;
        let booted = steps.boot(&objtree)?;
        (kernel.loaded, kernel.modules) = (Some(booted.loaded), Some(booted.modules));
        failed(&mut kernel, Step::Boot, booted.problems)?;
        let found = steps.verify(&objtree, Some(&without.objtree))?;
        failed(&mut kernel, Step::Verify, found)?;
    }
    Ok(kernel)
}

/// Returns the failure of a mode that Kconfig does not offer.
pub(crate) fn refusal(steps: &dyn Steps, option: &str, config: &Config) -> Failure {
    let mut problems = steps.unmet(option, config);
    if problems.is_empty() {
        problems.push("no dependency is seen that is not met".to_owned());
    }
    Failure {
        step: Step::Configure,
        category: Category::RefusedByKconfig,
        problems: problems
            .iter()
            .map(|unmet| format!("{option}: {unmet}"))
            .collect(),
    }
}

/// Returns whether an option is one of LTO itself.
fn is_of_lto(option: &str) -> bool {
    option == "LTO" || option.starts_with("LTO_")
}

/// Keeps the first problems, and says how many more there are.
fn shortened(mut problems: Vec<String>) -> Vec<String> {
    let n_more = problems.len().saturating_sub(MOST);
    problems.truncate(MOST);
    if n_more > 0 {
        problems.push(format!("and {n_more} more"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::known::Fault;
    use crate::tests::FakeKernels;

    const NAME: &str = "randconfig 5.10 arm64 seed 1 #3";

    fn tried(fake: &FakeKernels, known: &Known) -> Vec<Kernel> {
        let request = Request {
            name: NAME,
            config: &Config::new("CONFIG_LTO_NONE=y\nCONFIG_CLANG_VERSION=220103\nCONFIG_A=y\n"),
            modes: &[Mode::THIN_DIST_DROP],
            dir: Path::new("/objtrees"),
            known,
        };
        try_kernels(fake, &request).unwrap()
    }

    fn fake(problems: &[(&str, Step, &str)]) -> FakeKernels {
        let mut all = BTreeMap::new();
        for (mode, step, problem) in problems {
            let of_step: &mut Vec<String> = all.entry(((*mode).to_owned(), *step)).or_default();
            of_step.push((*problem).to_owned());
        }
        FakeKernels {
            problems: all,
            ..FakeKernels::default()
        }
    }

    /// Returns the category of each failed step of the kernel with LTO.
    fn categories(problems: &[(&str, Step, &str)]) -> Vec<(Step, Category)> {
        let kernels = tried(&fake(problems), &Known::default());
        let failures = kernels[1].failures.iter();
        failures
            .map(|failure| (failure.step, failure.category))
            .collect()
    }

    const WITH: &str = "thin-dist-drop";

    #[test]
    fn good_kernels_leave_their_numbers_and_no_object_tree() {
        let fake = fake(&[]);
        let kernels = tried(&fake, &Known::default());
        let modes: Vec<&str> = kernels.iter().map(|kernel| kernel.mode.as_str()).collect();
        assert_eq!(modes, ["none", WITH]);
        for kernel in &kernels {
            assert_eq!((kernel.loaded, kernel.modules), (Some(2), Some(2)));
            assert_eq!(kernel.category(), None);
            assert!(kernel.text_and_data.is_some());
        }
        assert_eq!(*fake.removed.borrow(), [WITH, "none"]);
        // Kconfig also turned another option off.
        assert_eq!(kernels[1].changed, ["A"]);
    }

    #[test]
    fn a_failure_that_is_new_with_lto_is_ours() {
        for step in [Step::Build, Step::Warnings, Step::Boot, Step::Verify] {
            assert_eq!(categories(&[(WITH, step, "bad")]), [(step, Category::Ours)]);
        }
        let fake = fake(&[(WITH, Step::Boot, "bad")]);
        tried(&fake, &Known::default());
        assert!(
            fake.removed.borrow().is_empty(),
            "both are kept to be looked at"
        );
    }

    #[test]
    fn the_same_failure_without_lto_is_not_ours_but_another_one_in_the_same_step_is() {
        for step in [Step::Boot, Step::Verify] {
            let same = [("none", step, "bad 1"), (WITH, step, "bad 2")];
            assert_eq!(categories(&same), [(step, Category::AlsoWithoutLto)]);
            let other = [("none", step, "bad"), (WITH, step, "worse")];
            assert_eq!(categories(&other), [(step, Category::Ours)]);
        }
        let boot_and_verify = [("none", Step::Boot, "bad"), (WITH, Step::Verify, "bad")];
        assert_eq!(
            categories(&boot_and_verify),
            [(Step::Verify, Category::Ours)]
        );
    }

    #[test]
    fn a_kernel_that_is_not_built_without_lto_is_not_built_with_it() {
        let fake = fake(&[("none", Step::Build, "bad"), (WITH, Step::Build, "other")]);
        let kernels = tried(&fake, &Known::default());
        assert_eq!(*fake.built.borrow(), ["none"]);
        assert_eq!(kernels[1].category(), Some(Category::AlsoWithoutLto));
        assert_eq!(kernels[1].loaded, None);
    }

    #[test]
    fn a_mode_that_kconfig_refuses_names_the_dependency() {
        let fake = FakeKernels {
            refuses: vec!["LTO_CLANG_THIN_DIST".to_owned()],
            ..FakeKernels::default()
        };
        let kernels = tried(&fake, &Known::default());
        let failure = &kernels[1].failures[0];
        assert_eq!(failure.category, Category::RefusedByKconfig);
        assert_eq!(failure.problems, ["LTO_CLANG_THIN_DIST: !KASAN"]);
        assert_eq!(*fake.built.borrow(), ["none"]);
        assert_eq!(*fake.removed.borrow(), [WITH, "none"]);
    }

    #[test]
    fn a_fault_is_llvms_only_with_a_reproducer_that_shows_it() {
        let fault = Fault {
            configuration: NAME.to_owned(),
            mode: WITH.to_owned(),
            step: Step::Build,
            llvm: 22,
            says: "invalid symbol index".to_owned(),
            reproducer: "shows.sh".into(),
        };
        let fake = fake(&[(WITH, Step::Build, "ld.lld: error: invalid symbol index")]);
        let category = |fault: Fault| {
            let known = Known::of("/known".into(), vec![fault]);
            tried(&fake, &known)[1].category()
        };
        assert_eq!(category(fault.clone()), Some(Category::Llvm));
        let others = [
            Fault {
                configuration: "another".to_owned(),
                ..fault.clone()
            },
            Fault {
                mode: "thin".to_owned(),
                ..fault.clone()
            },
            Fault {
                step: Step::Boot,
                ..fault.clone()
            },
            Fault {
                llvm: 21,
                ..fault.clone()
            },
            Fault {
                says: "another".to_owned(),
                ..fault.clone()
            },
            Fault {
                reproducer: "shows-nothing.sh".into(),
                ..fault
            },
        ];
        for other in others {
            assert_eq!(category(other.clone()), Some(Category::Ours), "{other:?}");
        }
    }

    #[test]
    fn many_problems_are_cut() {
        let problems: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let kept = shortened(problems);
        assert_eq!(kept.len(), MOST + 1);
        assert_eq!(kept.last().unwrap(), "and 10 more");
    }
}
