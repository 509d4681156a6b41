// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measured links, as a file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::files;
use lto_link::LinkSizes;
use serde::{Deserialize, Serialize};

/// A step of a link that is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A whole link with thin LTO in one process.
    Thin,
    /// A whole link with full LTO.
    Full,
    /// The thin link of distributed thin LTO.
    ThinLink,
    /// Its code generation, object by object.
    Generate,
    /// Its join.
    Join,
}

/// A measured link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The kernel, for readers. All links of a kernel are left out together.
    pub kernel: String,
    /// The linked part of it: each directory of this number.
    pub share: usize,
    /// The step.
    pub step: Step,
    /// The number of jobs.
    pub jobs: usize,
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Memory of the largest process, in KiB.
    pub peak_rss_kib: u64,
    /// The sizes of the inputs. For a join, `native_bytes` includes the generated code.
    pub sizes: LinkSizes,
}

/// All measured links.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// The machine on which they were measured.
    #[serde(default)]
    pub machine: String,
    /// The compiler and linker.
    #[serde(default)]
    pub compiler: String,
    /// The sizes of whole kernels, which need not have been linked.
    #[serde(default)]
    pub kernels: BTreeMap<String, LinkSizes>,
    /// The links, in the order in which they were measured.
    #[serde(default)]
    pub link: Vec<Link>,
}

impl Links {
    /// Reads the links at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or has another form.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        toml::from_str(&files::read(path)?).with_context(|| path.display().to_string())
    }

    /// Replaces the links of the same kernel and part with those of `measured`, and writes the file at `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn replace(mut self, path: &Path, measured: Vec<Link>) -> anyhow::Result<()> {
        let same = |link: &Link| {
            measured.iter().any(|other| {
                (&link.kernel, link.share, link.step) == (&other.kernel, other.share, other.step)
            })
        };
        self.link.retain(|link| !same(link));
        self.link.extend(measured);
        let head = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n\
                    # Measured links; `cargo xtask bench estimate --measure` adds some.\n\n";
        files::write(path, head.to_owned() + &toml::to_string(&self)?)
    }
}
