// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs the configurations of a series, and keeps each result at once.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use kernel_lab::kconfig::Config;
use kernel_lab::ledger::{Book, Verdict};
use kernel_lab::mode::Mode;
use kernel_lab::progress::Step;
use kernel_lab::{Arch, Outcome, files, progress};

use crate::category::Category;
use crate::configuration::{Configuration, Drawn, Kconfigs, configuration};
use crate::kernels::{Request, try_kernels};
use crate::known::Known;
use crate::page::{page, summary};
use crate::results::{Results, Row};
use crate::steps::Steps;

/// Knows which configurations have passed. A configuration fails if a failure of it is ours.
pub trait Ledger {
    /// Returns whether a configuration need not run again.
    ///
    /// # Errors
    /// The ledger cannot be read.
    fn has_passed(&self, name: &str) -> anyhow::Result<bool>;

    /// Records the outcome of a configuration.
    ///
    /// # Errors
    /// The ledger cannot be written.
    fn keep(&mut self, name: &str, seed: u64, verdict: Verdict, seconds: u64)
    -> anyhow::Result<()>;
}

impl Ledger for Book {
    fn has_passed(&self, name: &str) -> anyhow::Result<bool> {
        Ok(self.last_pass(name)?.is_some())
    }

    fn keep(
        &mut self,
        name: &str,
        seed: u64,
        verdict: Verdict,
        seconds: u64,
    ) -> anyhow::Result<()> {
        Book::keep(self, name, Some(seed), verdict, seconds)
    }
}

/// A ledger that keeps nothing: the results alone tell which configurations have passed.
#[derive(Clone, Copy, Debug)]
pub struct NoLedger {
    /// Whether configurations with results are skipped.
    pub resumes: bool,
}

impl Ledger for NoLedger {
    fn has_passed(&self, _name: &str) -> anyhow::Result<bool> {
        Ok(self.resumes)
    }

    fn keep(
        &mut self,
        _name: &str,
        _seed: u64,
        _verdict: Verdict,
        _seconds: u64,
    ) -> anyhow::Result<()> {
        Ok(())
    }
}

/// The configurations to run.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// The version of the kernel, for names.
    pub kernel: &'a str,
    /// The architecture.
    pub arch: Arch,
    /// The seed of the series.
    pub seed: u64,
    /// The numbers of the configurations, from 1 on.
    pub numbers: Vec<u32>,
    /// The largest number of objects.
    pub max_objects: usize,
    /// The modes of LTO.
    pub modes: &'a [Mode],
    /// The directory for object trees.
    pub into: &'a Path,
    /// The directory that has the results and the page, in `docs/results`.
    pub root: &'a Path,
    /// The known faults of LLVM.
    pub known: &'a Known,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The configurations that ran or had run before.
    pub results: Results,
    /// Configurations that could not be tried to their end, with the reason.
    pub could_not_run: Vec<String>,
}

impl Summary {
    /// Returns the numbers, and the failures of ours, for people.
    pub fn text(&self) -> String {
        let mut text = summary(&self.results) + "\n";
        for line in &self.could_not_run {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Checks that no failure is ours.
    ///
    /// # Errors
    /// A fault of ours; otherwise, a configuration that could not run.
    pub fn judge(&self) -> Outcome {
        let rows = self.results.rows.iter();
        let ours = rows.filter(|row| row.category() == Some(Category::Ours));
        let ours: Vec<String> = ours
            .map(|row| format!("seed {} #{}", row.seed, row.number))
            .collect();
        if !ours.is_empty() {
            let ours = ours.join(", ");
            return Err(kernel_lab::Failure::Fault(anyhow::anyhow!(
                "failures of ours: {ours}"
            )));
        }
        match self.could_not_run.len() {
            0 => Ok(()),
            n => Err(anyhow::anyhow!("{n} configurations could not be tried").into()),
        }
    }
}

impl Series<'_> {
    /// Returns the name of a configuration in the ledger.
    pub fn name(&self, number: u32) -> String {
        let Self {
            kernel, arch, seed, ..
        } = self;
        format!("randconfig {kernel} {} seed {seed} #{number}", arch.name())
    }

    /// Returns the directory with the object trees of a configuration.
    pub fn dir(&self, number: u32) -> PathBuf {
        let Self {
            kernel, arch, seed, ..
        } = self;
        self.into
            .join(format!("{}-{kernel}-{seed}-{number}", arch.name()))
    }

    /// Returns the path of the results.
    pub fn results_path(&self) -> PathBuf {
        Results::path(self.root, self.kernel, self.arch)
    }

    fn page_path(&self) -> PathBuf {
        let file = format!(
            "docs/results/randconfig-{}-{}.md",
            self.arch.name(),
            self.kernel
        );
        self.root.join(file)
    }

    /// Returns the row of a configuration that need not run again.
    fn done(
        &self,
        results: &Results,
        ledger: &dyn Ledger,
        number: u32,
    ) -> anyhow::Result<Option<Row>> {
        let Some(row) = results.row(self.seed, number) else {
            return Ok(None);
        };
        let modes = self.modes.iter().map(ToString::to_string);
        let is_same = row.category() != Some(Category::Ours)
            && row.max_objects == self.max_objects
            && row
                .kernels
                .iter()
                .skip(1)
                .map(|kernel| kernel.mode.clone())
                .eq(modes);
        let is_done = is_same && ledger.has_passed(&self.name(number))?;
        Ok(is_done.then(|| row.clone()))
    }

    /// Makes a configuration, and tries its kernels.
    fn try_one(
        &self,
        kconfigs: &dyn Kconfigs,
        steps: &dyn Steps,
        base: &Drawn,
        number: u32,
    ) -> anyhow::Result<Row> {
        let name = self.name(number);
        let step = Step::start(format!("{name}: configuring"));
        let found = configuration(kconfigs, base, self.seed, number, self.max_objects)?;
        let Configuration {
            kconfig_seed,
            probability,
            objects,
            options,
            config,
            ..
        } = found;
        step.finish(&format!("{objects} objects, {options} options"));
        let dir = self.dir(number);
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        files::write(&dir.join("config"), config.text())?;
        let request = Request {
            name: &name,
            config: &config,
            modes: self.modes,
            dir: &dir,
            known: self.known,
        };
        Ok(Row {
            kernels: try_kernels(steps, &request)?,
            seed: self.seed,
            number,
            max_objects: self.max_objects,
            kconfig_seed,
            probability,
            objects,
            options,
            release: release(&config),
            clang: config.value("CLANG_VERSION").to_owned(),
        })
    }
}

/// Returns the release in the head of a configuration: `# Linux/arm64 5.10.262 Kernel Configuration`.
fn release(config: &Config) -> String {
    let mut lines = config.text().lines();
    let head = lines.find_map(|line| {
        line.strip_prefix("# Linux/")?
            .strip_suffix(" Kernel Configuration")
    });
    let release = head.and_then(|head| head.split_whitespace().nth(1));
    release.unwrap_or("unknown").to_owned()
}

/// Runs the configurations that the ledger does not let skip. Each result is written at once: row, page, and ledger.
///
/// # Errors
/// The base cannot be made, or a result cannot be written. A configuration that cannot be tried is in the summary.
pub fn run(
    series: &Series<'_>,
    kconfigs: &dyn Kconfigs,
    steps: &dyn Steps,
    ledger: &mut dyn Ledger,
) -> anyhow::Result<Summary> {
    let path = series.results_path();
    let mut results = Results::read(&path)?;
    let mut done = Summary::default();
    let mut base = None;
    for number in series.numbers.iter().copied() {
        let name = series.name(number);
        if let Some(row) = series.done(&results, ledger, number)? {
            progress::note(&format!("{name}: has passed"));
            done.results.add(row);
            continue;
        }
        let base = match &mut base {
            Some(base) => base,
            none => none.insert(kconfigs.base()?),
        };
        let started = Instant::now();
        let row = match series.try_one(kconfigs, steps, base, number) {
            Ok(row) => row,
            Err(error) => {
                let text = format!("{name}: {error:#}");
                progress::note(&text);
                done.could_not_run.push(text);
                continue;
            }
        };
        let verdict = match row.category() {
            Some(Category::Ours) => Verdict::Failed,
            _ => Verdict::Passed,
        };
        progress::note(&outcome_of(series, &row));
        results.base_objects = base.objects;
        results.add(row.clone());
        results.write(&path)?;
        files::write(
            &series.page_path(),
            page(series.kernel, series.arch, &results),
        )?;
        ledger.keep(&name, series.seed, verdict, started.elapsed().as_secs())?;
        done.results.add(row);
    }
    done.results.base_objects = results.base_objects;
    Ok(done)
}

/// Returns the outcome of a configuration, with the directory of what is kept.
fn outcome_of(series: &Series<'_>, row: &Row) -> String {
    let name = series.name(row.number);
    match row.category() {
        None => format!("{name}: ok"),
        Some(Category::RefusedByKconfig) => format!("{name}: {}", Category::RefusedByKconfig),
        Some(category) => {
            format!(
                "{name}: {category}; the object trees are in {}",
                series.dir(row.number).display()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kernel_lab::Failure;

    use super::*;
    use crate::category::Step as KernelStep;
    use crate::configuration::MAX_OBJECTS;
    use crate::tests::{Fake, FakeKernels};

    /// A ledger in memory.
    #[derive(Default)]
    struct InMemory(BTreeMap<String, (u64, Verdict)>);

    impl Ledger for InMemory {
        fn has_passed(&self, name: &str) -> anyhow::Result<bool> {
            Ok(matches!(self.0.get(name), Some((_, Verdict::Passed))))
        }

        fn keep(
            &mut self,
            name: &str,
            seed: u64,
            verdict: Verdict,
            _seconds: u64,
        ) -> anyhow::Result<()> {
            self.0.insert(name.to_owned(), (seed, verdict));
            Ok(())
        }
    }

    struct Lab {
        root: tempfile::TempDir,
        ledger: InMemory,
        known: Known,
    }

    impl Lab {
        fn new() -> Self {
            Self {
                root: tempfile::tempdir().unwrap(),
                ledger: InMemory::default(),
                known: Known::default(),
            }
        }

        fn series(&self) -> Series<'_> {
            Series {
                kernel: "5.10",
                arch: Arch::Arm64,
                seed: 1,
                numbers: vec![1, 2],
                max_objects: MAX_OBJECTS,
                modes: &[Mode::THIN_DIST_DROP],
                into: self.root.path(),
                root: self.root.path(),
                known: &self.known,
            }
        }

        fn run(&mut self, steps: &FakeKernels) -> Summary {
            let mut ledger = std::mem::take(&mut self.ledger);
            let summary = run(&self.series(), &Fake::default(), steps, &mut ledger).unwrap();
            self.ledger = ledger;
            summary
        }
    }

    fn failing(step: KernelStep) -> FakeKernels {
        let key = ("thin-dist-drop".to_owned(), step);
        FakeKernels {
            problems: BTreeMap::from([(key, vec!["bad".to_owned()])]),
            ..FakeKernels::default()
        }
    }

    #[test]
    fn a_series_is_resumed_after_the_configurations_that_have_passed() {
        let mut lab = Lab::new();
        let first = lab.run(&FakeKernels::default());
        assert!(first.judge().is_ok());
        assert_eq!(
            lab.ledger.0.keys().collect::<Vec<_>>(),
            [
                "randconfig 5.10 arm64 seed 1 #1",
                "randconfig 5.10 arm64 seed 1 #2"
            ]
        );
        assert!(
            lab.ledger
                .0
                .values()
                .all(|entry| *entry == (1, Verdict::Passed))
        );
        let again = FakeKernels::default();
        let second = lab.run(&again);
        assert!(again.built.borrow().is_empty(), "nothing is built again");
        assert_eq!(second, first);

        let page = lab.series().page_path();
        let page = std::fs::read_to_string(page).unwrap();
        assert!(
            page.contains("\n2 configurations, of which 1 have 900 objects or more."),
            "{page}"
        );
        assert!(
            first.text().starts_with("2 configurations"),
            "{}",
            first.text()
        );
    }

    #[test]
    fn another_limit_or_mode_runs_again() {
        let mut lab = Lab::new();
        lab.run(&FakeKernels::default());
        for change in [
            |series: &mut Series<'_>| series.max_objects = 1500,
            |series: &mut Series<'_>| series.modes = &[Mode::THIN_DIST_DROP, Mode::THIN_DIST_DROP],
        ] {
            let mut series = lab.series();
            change(&mut series);
            let steps = FakeKernels::default();
            let mut ledger = InMemory(lab.ledger.0.clone());
            run(&series, &Fake::default(), &steps, &mut ledger).unwrap();
            assert!(!steps.built.borrow().is_empty());
        }
    }

    #[test]
    fn a_failure_of_ours_is_a_fault_and_runs_again() {
        let mut lab = Lab::new();
        let summary = lab.run(&failing(KernelStep::Boot));
        let Err(Failure::Fault(error)) = summary.judge() else {
            panic!("no fault")
        };
        assert_eq!(error.to_string(), "failures of ours: seed 1 #1, seed 1 #2");
        assert!(
            lab.ledger
                .0
                .values()
                .all(|(_, verdict)| *verdict == Verdict::Failed)
        );
        let mended = FakeKernels::default();
        assert!(lab.run(&mended).judge().is_ok());
        assert_eq!(mended.built.borrow().len(), 4);
    }

    #[test]
    fn without_a_ledger_the_results_tell_what_has_passed() {
        let mut lab = Lab::new();
        lab.run(&FakeKernels::default());
        let n_built = |resumes, lab: &Lab| {
            let steps = FakeKernels::default();
            let mut ledger = NoLedger { resumes };
            run(&lab.series(), &Fake::default(), &steps, &mut ledger).unwrap();
            steps.built.borrow().len()
        };
        assert_eq!((n_built(true, &lab), n_built(false, &lab)), (0, 4));
        lab.run(&failing(KernelStep::Boot));
        lab.ledger.0.clear();
        lab.run(&failing(KernelStep::Boot));
        assert_eq!(n_built(true, &lab), 4);
    }

    #[test]
    fn a_refusal_is_no_fault() {
        let mut lab = Lab::new();
        let steps = FakeKernels {
            refuses: vec!["LTO_CLANG_THIN_DIST".to_owned()],
            ..FakeKernels::default()
        };
        let summary = lab.run(&steps);
        assert!(summary.judge().is_ok());
        assert!(
            summary.text().contains("2 refused by Kconfig"),
            "{}",
            summary.text()
        );
        assert!(
            lab.ledger
                .0
                .values()
                .all(|(_, verdict)| *verdict == Verdict::Passed)
        );
    }

    #[test]
    fn a_step_that_cannot_be_done_is_told_and_the_others_go_on() {
        let mut lab = Lab::new();
        let steps = FakeKernels {
            cannot: Some(KernelStep::Verify),
            ..FakeKernels::default()
        };
        let summary = lab.run(&steps);
        let Err(Failure::CannotRun(error)) = summary.judge() else {
            panic!("no failure to run")
        };
        assert_eq!(error.to_string(), "2 configurations could not be tried");
        assert!(
            summary
                .text()
                .contains("seed 1 #2: no disk space for verify\n")
        );
        assert!(lab.ledger.0.is_empty());
        assert!(!lab.series().results_path().exists());
    }

    #[test]
    fn the_release_is_in_the_head_of_a_configuration() {
        let config = Config::new("#\n# Linux/x86 6.12.117 Kernel Configuration\n#\n");
        assert_eq!(release(&config), "6.12.117");
        assert_eq!(release(&Config::new("")), "unknown");
    }
}
