// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A Kconfig and kernels for the tests of this crate, without a kernel tree.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use kernel_lab::kconfig::Config;

use crate::category::{Category, Step};
use crate::configuration::{Drawn, Kconfigs};
use crate::results::{Failure, Kernel, Row};
use crate::steps::{Booted, Steps};

/// A Kconfig with 1500 options, each of which adds an object to the 300 of the base.
#[derive(Default)]
pub struct Fake {
    /// The seed with which it takes a fixed option away.
    pub loses: Option<u32>,
}

const N_OPTIONS: u32 = 1500;

impl Kconfigs for Fake {
    fn base(&self) -> anyhow::Result<Drawn> {
        self.random(0, 0)
    }

    fn random(&self, seed: u32, probability: u8) -> anyhow::Result<Drawn> {
        let mut text = "# Linux/arm64 5.10.262 Kernel Configuration\nCONFIG_CLANG_VERSION=220103\n\
                        CONFIG_LTO_NONE=y\n"
            .to_owned();
        let mut objects = 300;
        let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
        for option in 0..N_OPTIONS {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (state >> 16) % 100 < u32::from(probability) {
                let _ = writeln!(text, "CONFIG_OPTION_{option:04}=y");
                objects += 1;
            }
        }
        let lost = (self.loses == Some(seed)).then(|| "TTY=y (is n)".to_owned());
        Ok(Drawn {
            config: Config::new(text),
            objects,
            lost: lost.into_iter().collect(),
        })
    }

    fn complete(&self, config: &Config) -> anyhow::Result<Config> {
        Ok(config.clone())
    }
}

/// Kernels of which a test says what they do.
#[derive(Default)]
pub struct FakeKernels {
    /// The problems of a mode in a step.
    pub problems: BTreeMap<(String, Step), Vec<String>>,
    /// The options that Kconfig does not give.
    pub refuses: Vec<String>,
    /// The step that fails with LTO if all these options are on.
    pub fails_with: Option<(Step, Vec<String>)>,
    /// The step that cannot be done.
    pub cannot: Option<Step>,
    /// The modes that were built.
    pub built: RefCell<Vec<String>>,
    /// The object trees that were removed.
    pub removed: RefCell<Vec<String>>,
    /// The configurations by mode.
    pub configured: RefCell<BTreeMap<String, Config>>,
}

fn mode_of(objtree: &Path) -> String {
    let name = objtree.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

impl FakeKernels {
    fn problems(&self, objtree: &Path, step: Step) -> anyhow::Result<Vec<String>> {
        anyhow::ensure!(self.cannot != Some(step), "no disk space for {step}");
        let mode = mode_of(objtree);
        let mut found = self
            .problems
            .get(&(mode.clone(), step))
            .cloned()
            .unwrap_or_default();
        if let Some((failing, options)) = &self.fails_with
            && *failing == step
            && mode != "none"
        {
            let configured = self.configured.borrow();
            let config = &configured[&mode];
            if options.iter().all(|option| config.value(option) == "y") {
                found.push(format!("needs {} option", options.len()));
            }
        }
        Ok(found)
    }
}

impl Steps for FakeKernels {
    fn configure(&self, objtree: &Path, config: &Config) -> anyhow::Result<Config> {
        let mut changed: BTreeMap<&str, &str> = self
            .refuses
            .iter()
            .map(|option| (option.as_str(), "n"))
            .collect();
        if mode_of(objtree) != "none" {
            changed.insert("A", "n");
        }
        let given = config.with(&changed);
        self.configured
            .borrow_mut()
            .insert(mode_of(objtree), given.clone());
        Ok(given)
    }

    fn unmet(&self, _option: &str, _config: &Config) -> Vec<String> {
        vec!["!KASAN".to_owned()]
    }

    fn build(&self, objtree: &Path) -> anyhow::Result<Vec<String>> {
        self.built.borrow_mut().push(mode_of(objtree));
        self.problems(objtree, Step::Build)
    }

    fn new_warnings(&self, objtree: &Path, _against: &Path) -> anyhow::Result<Vec<String>> {
        self.problems(objtree, Step::Warnings)
    }

    fn boot(&self, objtree: &Path) -> anyhow::Result<Booted> {
        Ok(Booted {
            loaded: 2,
            modules: 2,
            problems: self.problems(objtree, Step::Boot)?,
        })
    }

    fn verify(&self, objtree: &Path, _against: Option<&Path>) -> anyhow::Result<Vec<String>> {
        self.problems(objtree, Step::Verify)
    }

    fn size(&self, objtree: &Path) -> anyhow::Result<Option<u64>> {
        Ok(Some(if mode_of(objtree) == "none" {
            1000
        } else {
            970
        }))
    }

    fn reproduces(&self, script: &Path) -> anyhow::Result<bool> {
        Ok(script == Path::new("/known/shows.sh"))
    }

    fn remove(&self, objtree: &Path) -> anyhow::Result<()> {
        self.removed.borrow_mut().push(mode_of(objtree));
        Ok(())
    }
}

/// Returns a row whose kernel with LTO has one failure of this category.
pub fn row(seed: u64, number: u32, category: Option<Category>) -> Row {
    let failure = category.map(|category| Failure {
        step: Step::Boot,
        category,
        problems: vec!["BUG: a | b".to_owned()],
    });
    let kernel = |mode: &str, text_and_data, failures| Kernel {
        mode: mode.to_owned(),
        loaded: Some(2),
        modules: Some(2),
        text_and_data: Some(text_and_data),
        changed: Vec::new(),
        failures,
    };
    Row {
        seed,
        number,
        max_objects: 1600,
        kconfig_seed: 7,
        probability: 10,
        objects: if number % 2 == 1 { 1200 } else { 700 },
        options: 200 + number as usize,
        release: "5.10.262".to_owned(),
        clang: "220103".to_owned(),
        kernels: vec![
            kernel("none", 1000, Vec::new()),
            kernel("thin-dist-drop", 970, failure.into_iter().collect()),
        ],
    }
}
